/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: one identity serves several processes at once, and opens from several; to a peer they are one and the same. (S1.30) */
#include "api.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------- one identity, several processes */

static void on_child_message(const hawser_event *event, void *user)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%d", (int)getpid());

    (void)user;
    (void)hawser_send(event->association, text, (size_t)size, HAWSER_MESSAGE(.reply_to = event->received.id), NULL);
}

static void on_child_accepted(const hawser_event *event, void *user)
{
    (void)user;
    (void)hawser_register(hawser_association_ref(event->accepted.association), HAWSER_RECEIVED, on_child_message, NULL);
}

/* Serves until its standard of life, the pipe, is closed. */
static int serve_as(const char *directory, int tell, int until_closed)
{
    struct pollfd fds[2] = {{.fd = until_closed, .events = POLLIN}, {.events = POLLIN}};
    hawser_association *listener;
    hawser_identity *identity;
    hawser_context *context;
    char line[200];
    int size;

    if (hawser_identity_open(directory, &identity) < 0 ||
        hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context) < 0 ||
        hawser_listen(context, "127.0.0.1:0", HAWSER_LISTEN(.identity = identity), &listener) < 0)
        return 1;
    hawser_register(listener, HAWSER_ACCEPTED, on_child_accepted, NULL);
    size = snprintf(line, sizeof line, "%s@%s", hawser_identity_name(identity), hawser_association_endpoint(listener));
    if (write(tell, line, (size_t)size + 1) != size + 1)
        return 1;
    fds[1].fd = hawser_context_fd(context);
    while (!fds[0].revents) {
        if (poll(fds, 2, -1) < 0 || hawser_dispatch(context) < 0)
            return 1;
    }
    return 0;
}

struct process {
    pid_t pid;
    int told[2], alive[2];
    char endpoint[200];
};

static void process_start(struct process *process, const char *directory)
{
    assert_int_equal(pipe(process->told), 0);
    assert_int_equal(pipe(process->alive), 0);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        close(process->alive[1]);
        _exit(serve_as(directory, process->told[1], process->alive[0]));
    }
    close(process->told[1]);
    close(process->alive[0]);
}

static void several_processes_are_one_peer(void **state)
{
    struct world *world = *state;
    char *directory = path_in(world, "identity");
    struct process processes[2];

    /* They begin at once: both may find no identity there, and make one. */
    for (unsigned i = 0; i < 2; i++)
        process_start(&processes[i], directory);
    for (unsigned i = 0; i < 2; i++)
        assert_true(read(processes[i].told[0], processes[i].endpoint, sizeof processes[i].endpoint) > 60);
    assert_memory_equal(processes[0].endpoint, processes[1].endpoint, 55); /* the same name */
    assert_string_not_equal(processes[0].endpoint, processes[1].endpoint);
    for (unsigned i = 0; i < 4; i++) {
        char pid[32];

        snprintf(world->endpoint, sizeof world->endpoint, "%s", processes[i % 2].endpoint);
        world_associate(world, NULL);
        assert_int_equal(hawser_send(world->client.line, "who?", 4, NULL, NULL), 0);
        until_client(world, world->client.received_count == 1);
        snprintf(pid, sizeof pid, "%d", (int)processes[i % 2].pid);
        assert_string_equal(world->client.received[0].data, pid);
        assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
    }
    end_drop(&world->client);
    for (unsigned i = 0; i < 2; i++) { /* the second has the first's, too */
        close(processes[i].told[0]);
        close(processes[i].alive[1]);
    }
    for (unsigned i = 2; i-- > 0;) {
        int status;

        assert_int_equal(waitpid(processes[i].pid, &status, 0), processes[i].pid);
        assert_int_equal(status, 0);
    }
    free(directory);
}

/* And for opening: two contexts with one identity are one and the same to whom they come to. */
static void several_openers_are_one_peer(void **state)
{
    struct world *world = *state;
    hawser_identity *identity;
    hawser_peer peer;
    char name[64];

    assert_int_equal(hawser_identity_new(&identity), 0);
    world_listen(world, NULL);
    for (unsigned i = 0; i < 2; i++) {
        hawser_context *kept = world->client_context;

        if (i == 1)
            assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
        world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
        until(world,
              world->server.line && world->server.seen[HAWSER_ESTABLISHED] && world->client.seen[HAWSER_ESTABLISHED]);
        assert_int_equal(hawser_association_peer(world->server.line, &peer), 0);
        if (i == 0)
            snprintf(name, sizeof name, "%s", peer.key_name);
        assert_string_equal(peer.key_name, name);
        assert_string_equal(peer.key_name, hawser_identity_name(identity));
        end_drop(&world->client);
        until(world, world->server.closed);
        end_drop(&world->server);
        if (i == 1) {
            hawser_context_unref(world->client_context);
            world->client_context = kept;
        }
    }
    hawser_identity_unref(identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(several_processes_are_one_peer),
        api_test(several_openers_are_one_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
