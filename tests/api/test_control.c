/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: who may look into a process, what they are told, and what is left when it ends. (docs/trace.md) */
#include "api.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hawser/trace.h>

static int look_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    return poll(&one, 1, 0) == 1;
}

/* What it answers; NULL: it hangs up. To be freed. */
static char *ask(struct world *world, int fd, const char *request)
{
    char *answer = calloc(1, 1 << 16);
    size_t size = 0;
    ssize_t n = 1;

    assert_non_null(answer);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while (n > 0 && !strchr(answer, '\n')) {
        until(world, is_readable(fd));
        n = recv(fd, answer + size, (1 << 16) - 1 - size, 0);
        size += n > 0 ? (size_t)n : 0;
    }
    if (n <= 0) {
        free(answer);
        return NULL;
    }
    return answer;
}

static void a_process_can_be_looked_into(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "control"), *answer;
    struct stat stat;
    int fd;

    umask(0); /* the mode is the socket's own */
    assert_int_equal(hawser_context_set_control(world->client_context, path), 0);
    assert_string_equal(hawser_context_control(world->client_context), path);
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    assert_int_equal(hawser_context_set_control(world->server_context, path), -EADDRINUSE);
    world_connect(world);
    fd = look_at(path);
    for (unsigned i = 0; i < 3; i++) {
        answer = ask(world, fd, "snapshot\n");
        assert_non_null(answer);
        assert_non_null(strstr(answer, "\"state\":\"established\""));
        assert_non_null(strstr(answer, "\"verification\":\"key\""));
        assert_non_null(strstr(answer, "\"stack\":\"tls/tcp\",\"state\":\"active\""));
        assert_non_null(strstr(answer, "\"left_off\":0}\n"));
        free(answer);
    }
    close(fd);
    assert_int_equal(hawser_context_set_control(world->client_context, NULL), 0);
    assert_int_equal(lstat(path, &stat), -1);
    assert_string_equal(hawser_context_control(world->client_context), "");
    free(path);
}

static void who_asks_nonsense_is_hung_up_on(void **state)
{
    static const char *const requests[] = {"\n", "snapshot \n", "give me all\n",
                                           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    struct world *world = *state;
    char *path = path_in(world, "control");

    assert_int_equal(hawser_context_set_control(world->client_context, path), 0);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int fd = look_at(path);

        assert_null(ask(world, fd, requests[i]));
        close(fd);
    }
    free(path);
}

/* Who does not read its answers gets no more of them; who comes ninth is sent away; both leave room when they go. */
static void those_who_look_are_bounded(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "control"), *answer, byte;
    int fds[9], before;

    assert_int_equal(hawser_context_set_control(world->client_context, path), 0);
    world_step(world); /* timers have a descriptor from the first waiting on */
    before = count_descriptors();
    for (int i = 0; i < 9; i++)
        fds[i] = look_at(path);
    until(world, is_readable(fds[8]));
    assert_int_equal(recv(fds[8], &byte, 1, MSG_DONTWAIT), 0);
    close(fds[8]);
    for (unsigned i = 0; i < 50; i++) /* more than is kept of requests: the rest stays with the system */
        assert_true(send(fds[0], "snapshot\nsnapshot\nsnapshot\n", 27, MSG_NOSIGNAL) == 27);
    answer = ask(world, fds[1], "snapshot\n");
    assert_non_null(answer);
    free(answer);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    until(world, count_descriptors() == before);
    fds[0] = look_at(path);
    answer = ask(world, fds[0], "snapshot\n");
    assert_non_null(answer);
    free(answer);
    close(fds[0]);
    free(path);
}

static void a_file_that_is_left_over_is_replaced(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "control"), *file = path_in(world, "file");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* nobody listens there any more */
    assert_int_equal(hawser_context_set_control(world->client_context, path), 0);
    close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(hawser_context_set_control(world->server_context, file), -EADDRINUSE); /* no socket of ours */
    assert_int_equal(access(file, F_OK), 0);
    free(path);
    free(file);
}

static void by_itself_in_the_users_own_directory(void **state)
{
    struct world *world = *state;
    char expected[256], *hawser = path_in(world, "hawser");

    setenv("XDG_RUNTIME_DIR", world->directory, 1);
    assert_int_equal(mkdir(hawser, 0755), 0);
    assert_int_equal(hawser_context_set_control(world->client_context, "auto"), -EPERM); /* open to others */
    assert_int_equal(chmod(hawser, 0700), 0);
    assert_int_equal(hawser_context_set_control(world->client_context, "auto"), 0);
    snprintf(expected, sizeof expected, "%s/hawser/%ld.sock", world->directory, (long)getpid());
    assert_string_equal(hawser_context_control(world->client_context), expected);
    assert_int_equal(hawser_context_set_control(world->server_context, "auto"), 0);
    snprintf(expected, sizeof expected, "%s/hawser/%ld-2.sock", world->directory, (long)getpid());
    assert_string_equal(hawser_context_control(world->server_context), expected);
    unsetenv("XDG_RUNTIME_DIR");
    free(hawser);
}

/* A program that knows nothing of it is seen all the same, by its environment; or by what it said itself. */
static void by_the_environment(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "control");

    setenv("HAWSER_CONTROL", path, 1);
    assert_int_equal(hawser_context_set_control(world->client_context, NULL), 0);
    assert_string_equal(hawser_context_control(world->server_context), "");
    world_connect(world);
    assert_string_equal(hawser_context_control(world->client_context), "");
    assert_string_equal(hawser_context_control(world->server_context), path);
    unsetenv("HAWSER_CONTROL");
    free(path);
}

static void a_forked_child_leaves_the_socket(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "control");
    int status;
    pid_t child;

    assert_int_equal(hawser_context_set_control(world->client_context, path), 0);
    child = fork();
    if (child == 0) {
        hawser_context_unref(world->client_context);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_process_can_be_looked_into),         api_test(who_asks_nonsense_is_hung_up_on),
        api_test(those_who_look_are_bounded),           api_test(a_file_that_is_left_over_is_replaced),
        api_test(by_itself_in_the_users_own_directory), api_test(by_the_environment),
        api_test(a_forked_child_leaves_the_socket),
    };

    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
