/* SPDX-License-Identifier: Apache-2.0 */
/* Seeing what a line does: the trace, and what is known of a strand. (S2.8; docs/trace.md) */
#include "api.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hawser/trace.h>

/* ------------------------------------------------------------------------------------------------------------- helpers */

static int trace_file(struct world *world, const char *name, char **ret_path)
{
    int fd;

    *ret_path = path_in(world, name);
    fd = open(*ret_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static char *all_of(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);

    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    return text;
}

static bool has(int fd, const char *word)
{
    char *text = all_of(fd);
    bool found = strstr(text, word) != NULL;

    free(text);
    return found;
}

/* How many lines have both words. */
static unsigned lines_with(const char *text, const char *a, const char *b)
{
    unsigned count = 0;

    while (*text) {
        size_t size = strcspn(text, "\n");
        char *line = strndup(text, size);

        assert_non_null(line);
        count += strstr(line, a) && strstr(line, b);
        free(line);
        text += size + (text[size] == '\n');
    }
    return count;
}

/* -------------------------------------------------------------------------------------------------------------- traces */

static void a_life_is_traced(void **state)
{
    struct world *world = *state;
    char *path, *text;
    int fd = trace_file(world, "trace", &path);

    assert_int_equal(hawser_context_set_trace(world->client_context, fd, "a \"life\""), 0);
    world_connect(world);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(hawser_send(world->client.line, "hello", 5, NULL, NULL), 0);
    until(world, world->client.settled == 50);
    until(world, has(fd, "hawser:sample"));
    hawser_close(world->client.line, 0, "enough");
    until(world, world->client.closed);
    assert_int_equal(hawser_context_set_trace(world->client_context, -1, NULL), 0);
    text = all_of(fd);
    assert_int_equal(strncmp(text, "{\"file_schema\":\"urn:hawser:trace:1\"", 35), 0);
    assert_non_null(strstr(text, "\"title\":\"a \\\"life\\\"\""));
    assert_int_equal(lines_with(text, "hawser:association", "\"what\":\"opening\""), 1);
    assert_int_equal(lines_with(text, "hawser:association", "\"what\":\"established\""), 1);
    assert_int_equal(lines_with(text, "hawser:association", "\"what\":\"closed\""), 1);
    assert_int_equal(lines_with(text, "hawser:race", "\"outcome\":\"won\""), 1);
    assert_int_equal(lines_with(text, "hawser:strand", "\"what\":\"opened\",\"strand\":1,\"number\":0,"), 1);
    assert_int_equal(lines_with(text, "hawser:strand", "\"what\":\"active\",\"strand\":1,"), 1);
    assert_true(lines_with(text, "hawser:sample", "\"strand\":1") >= 1);
    assert_true(lines_with(text, "\"what\":\"sent\",\"first\":1,", "\"bytes\":250,") == 1);
    assert_true(lines_with(text, "\"what\":\"acked\",\"first\":1,", "\"count\":") >= 1);
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);
    close(fd);
    free(path);
}

static void whoever_accepts_is_traced_too(void **state)
{
    struct world *world = *state;
    char *path, *text;
    int fd;

    world_connect(world);
    fd = trace_file(world, "late", &path); /* begun while the line stands */
    assert_int_equal(hawser_context_set_trace(world->server_context, fd, NULL), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(hawser_send(world->client.line, "hello", 5, NULL, NULL), 0);
    until(world, world->client.settled == 20);
    assert_int_equal(hawser_context_set_trace(world->server_context, -1, NULL), 0);
    text = all_of(fd);
    assert_int_equal(lines_with(text, "hawser:association", "\"what\":\"listening\""), 1);
    assert_int_equal(lines_with(text, "hawser:association", "\"what\":\"accepted\""), 1);
    assert_int_equal(lines_with(text, "hawser:strand", "\"state\":\"active\""), 2);
    assert_int_equal(lines_with(text, "\"what\":\"received\"", "\"strand\":1"),
                     lines_with(text, "\"what\":\"received\"", ""));
    assert_true(lines_with(text, "\"what\":\"received\"", "\"bytes\":") >= 1);
    free(text);
    close(fd);
    free(path);
}

static void nothing_moves_nothing_is_written(void **state)
{
    struct world *world = *state;
    int64_t end;
    off_t before;
    char *path;
    int fd = trace_file(world, "quiet", &path);

    assert_int_equal(hawser_context_set_trace(world->client_context, fd, NULL), 0);
    world_connect(world);
    for (end = clock_now() + 500000; clock_now() < end;) /* what the handshake left comes to rest */
        world_step(world);
    before = lseek(fd, 0, SEEK_END);
    assert_true(before > 0);
    for (end = clock_now() + 500000; clock_now() < end;)
        world_step(world);
    assert_int_equal(lseek(fd, 0, SEEK_END), before);
    assert_int_equal(hawser_context_set_trace(world->client_context, -1, NULL), 0);
    close(fd);
    free(path);
}

static void on_end(const hawser_event *event, void *user)
{
    (void)event;
    ++*(unsigned *)user;
}

/* Each leaves a few records: that it began, how its race went, that it closed. */
static void fail_to_associate(struct world *world, unsigned count)
{
    unsigned ended = 0;

    for (unsigned i = 0; i < count; i++) {
        hawser_association *association;

        assert_int_equal(hawser_associate(world->client_context, "unix:/nonexistent/there",
                                          HAWSER_ASSOCIATE(.trust = "any"), &association),
                         0);
        hawser_register(association, HAWSER_CLOSED, on_end, &ended);
        until(world, ended == i + 1);
        hawser_association_unref(association);
    }
}

static size_t drain(int fd, char *buffer, size_t size)
{
    size_t all = 0;
    ssize_t n;

    while ((n = read(fd, buffer + all, size - 1 - all)) > 0)
        all += (size_t)n;
    buffer[all] = '\0';
    return all;
}

/* A pipe that nobody reads keeps nobody waiting; what found no room is counted, and said once there is room again. */
static void a_slow_reader_loses_records_and_is_told(void **state)
{
    struct world *world = *state;
    static char buffer[1 << 20];
    size_t all;
    int pipes[2];

    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(fcntl(pipes[1], F_SETFL, 0), 0); /* as most programs have it */
    assert_true(fcntl(pipes[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(hawser_context_set_trace(world->client_context, pipes[1], NULL), 0);
    fail_to_associate(world, 200);
    all = drain(pipes[0], buffer, sizeof buffer);
    assert_true(all > 0 && all <= 4096);
    fail_to_associate(world, 1); /* what is written now finds room in the pipe, and what is kept goes on */
    for (int64_t end = clock_now() + PATIENCE; !strstr(buffer, "hawser:dropped");) {
        assert_true(clock_now() < end);
        world_step(world);
        fail_to_associate(world, 1);
        all += drain(pipes[0], buffer + all, sizeof buffer - all);
    }
    assert_null(strstr(buffer, "\"records\":0"));
    assert_int_equal(hawser_context_set_trace(world->client_context, -1, NULL), 0);
    close(pipes[0]);
    close(pipes[1]);
}

static void a_descriptor_that_fails_ends_the_trace(void **state)
{
    struct world *world = *state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC), pipes[2];

    assert_true(fd >= 0);
    assert_int_equal(hawser_context_set_trace(world->client_context, fd, NULL), 0);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    close(pipes[0]); /* the signal that a write to it raises is nobody's business */
    assert_int_equal(hawser_context_set_trace(world->server_context, pipes[1], NULL), 0);
    world_connect(world);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), 0);
    until(world, world->client.settled == 5);
    for (int64_t end = clock_now() + 300000; clock_now() < end;)
        world_step(world);
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), 0);
    until(world, world->client.settled == 6);
    close(fd);
    close(pipes[1]);
}

static void count_errors(hawser_log_level level, const char *message, void *user)
{
    unsigned *count = user;

    *count += level == HAWSER_LOG_ERROR && strstr(message, "the trace ends");
}

/* What is written last may be what fails: nobody would know that the trace lacks it. */
static void a_descriptor_that_fails_at_the_end_is_said(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    hawser_context *context;
    unsigned said = 0;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(
        hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .log = count_errors, .log_user = &said), &context), 0);
    assert_int_equal(hawser_context_set_trace(context, fd, NULL), 0);
    assert_int_equal(hawser_context_set_trace(context, -1, NULL), 0);
    assert_int_equal(said, 1);
    assert_int_equal(hawser_context_set_trace(context, fd, NULL), 0);
    hawser_context_unref(context);
    assert_int_equal(said, 2);
    close(fd);
}

/* The child's copy of the context ends; that says of each line that it has closed, in more than is kept unwritten. */
static void a_forked_child_leaves_the_trace(void **state)
{
    enum { LINES = 400 };
    struct world *world = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path, *silent = path_in(world, "silent"), endpoint[200];
    int fd = trace_file(world, "trace", &path), listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
    hawser_association *lines[LINES];
    off_t before;
    pid_t child;

    assert_true(listener >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", silent);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, LINES), 0);
    snprintf(endpoint, sizeof endpoint, "unix:%s", silent);
    assert_int_equal(hawser_context_set_trace(world->client_context, fd, NULL), 0);
    for (unsigned i = 0; i < LINES; i++) {
        assert_int_equal(hawser_associate(world->client_context, endpoint, HAWSER_ASSOCIATE(.trust = "any"), &lines[i]),
                         0);
        world_step(world);
    }
    for (before = lseek(fd, 0, SEEK_END); before < LINES * 100; before = lseek(fd, 0, SEEK_END))
        world_step(world); /* until it is written that they are opening */
    child = fork();
    if (child == 0) {
        hawser_context_unref(world->client_context);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), before);
    for (unsigned i = 0; i < LINES; i++)
        hawser_association_unref(lines[i]);
    close(listener);
    assert_int_equal(hawser_context_set_trace(world->client_context, -1, NULL), 0);
    close(fd);
    free(silent);
    free(path);
}

static void wrong_descriptors(void **state)
{
    struct world *world = *state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(hawser_context_set_trace(world->client_context, fd, NULL), -EBADF);
    close(fd);
    assert_int_equal(hawser_context_set_trace(world->client_context, fd, NULL), -EBADF);
    assert_int_equal(hawser_context_set_trace(world->client_context, -1, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------------------- strands */

static void what_is_known_of_a_strand(void **state)
{
    struct world *world = *state;
    static char payload[1 << 20];
    hawser_strand_info info;
    char *text;

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, payload, sizeof payload, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
    assert_int_equal(info.id, 1);
    assert_int_equal(info.subflow, 0);
    assert_true(info.min_rtt_us > 0 && info.min_rtt_us <= info.rtt_us * 10);
    assert_true(info.loss_ppm >= 0 && info.loss_ppm < 1000000);
    assert_true(info.mtu > 1000);
    assert_string_equal(info.type, "loopback");
    assert_int_equal(info.cost, 0);
    assert_false(info.metered);
    assert_int_equal(info.queued_bytes, 0);
    assert_int_equal(hawser_association_json(world->client.line, &text), 0);
    assert_non_null(strstr(text, "\"role\":\"opened\",\"state\":\"established\""));
    assert_non_null(strstr(text, "\"type\":\"loopback\""));
    assert_non_null(strstr(text, "\"acked\":1"));
    assert_non_null(strstr(text, "\"stalls\":0"));
    free(text);
    assert_int_equal(hawser_association_json(world->listener, &text), 0);
    assert_non_null(strstr(text, "\"role\":\"listener\""));
    free(text);
}

static unsigned asked;

static void asks_about_strands(const hawser_event *event, void *user)
{
    hawser_strand_info info;
    char *text;

    (void)user;
    for (unsigned i = 0; hawser_association_strand(event->association, i, &info) == 0; i++)
        assert_true(info.id > 0);
    assert_int_equal(hawser_association_json(event->association, &text), 0);
    free(text);
    asked++;
}

/* What a strand was is asked for while it is taken apart, by a handler and by the trace: nothing that is freed is read. */
static void a_strand_that_is_being_lost_can_be_asked_about(void **state)
{
    struct world *world = *state;
    static const char payload[300000];
    char *path, *text;
    int fd = trace_file(world, "lost", &path);

    asked = 0;
    assert_int_equal(hawser_context_set_trace(world->client_context, fd, NULL), 0);
    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.reestablish_us = -1));
    until(world, world->server.line && world->client.seen[HAWSER_ESTABLISHED]);
    hawser_register(world->client.line, HAWSER_OUTCOME, asks_about_strands, NULL);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(hawser_send(world->client.line, payload, sizeof payload, NULL, NULL), 0);
    end_drop(&world->server);
    world->server_context = hawser_context_unref(world->server_context); /* as if the process died */
    until(world, asked > 0 && world->client.closed);
    assert_int_equal(hawser_context_set_trace(world->client_context, -1, NULL), 0);
    text = all_of(fd);
    assert_int_equal(lines_with(text, "hawser:strand", "\"what\":\"closed\""), 1);
    assert_int_equal(lines_with(text, "\"what\":\"closed\"", "\"reason\":\"\""), 0);
    free(text);
    close(fd);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_life_is_traced),
        api_test(whoever_accepts_is_traced_too),
        api_test(nothing_moves_nothing_is_written),
        api_test(a_slow_reader_loses_records_and_is_told),
        api_test(a_descriptor_that_fails_ends_the_trace),
        api_test(a_descriptor_that_fails_at_the_end_is_said),
        api_test(a_forked_child_leaves_the_trace),
        api_test(wrong_descriptors),
        api_test(what_is_known_of_a_strand),
        api_test(a_strand_that_is_being_lost_can_be_asked_about),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
