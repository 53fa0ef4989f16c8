/* SPDX-License-Identifier: Apache-2.0 */
/* A bare line over sctp/udp to and from a foreign program of usrsctp's own (RFC 6951): messages, whole and in order, both
 * ways, and an orderly end. (S2.12, S2.17) */
#include "raw.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static const size_t sizes[] = {1, 100, 1200, 5000, 65536, 300000, 1048576, 7};
#define SIZES (sizeof sizes / sizeof *sizes)

struct peer {
    pid_t pid;
    int out;
};

/* A UDP port that is free now; usrsctp takes a number only. */
static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static struct peer peer_start(const char *way, unsigned udp, unsigned second, unsigned third)
{
    const char *program = getenv("SCTP_PEER");
    char numbers[3][16];
    char *arguments[] = {(char *)(uintptr_t) "sctp_peer",
                         (char *)(uintptr_t)way,
                         numbers[0],
                         numbers[1],
                         third ? numbers[2] : NULL,
                         NULL};
    posix_spawn_file_actions_t actions;
    struct peer peer;
    int pipes[2];

    assert_non_null(program);
    snprintf(numbers[0], sizeof numbers[0], "%u", udp);
    snprintf(numbers[1], sizeof numbers[1], "%u", second);
    snprintf(numbers[2], sizeof numbers[2], "%u", third);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    assert_int_equal(posix_spawn(&peer.pid, program, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    peer.out = pipes[0];
    return peer;
}

static bool peer_ended(struct peer *peer, int *ret_status)
{
    return waitpid(peer->pid, ret_status, WNOHANG) == peer->pid;
}

static void peer_did_well(struct world *world, struct peer *peer)
{
    int status = -1;

    until(world, peer_ended(peer, &status));
    assert_int_equal(status, 0);
    close(peer->out);
}

static void associate(struct world *world, unsigned port)
{
    hawser_properties *properties;
    hawser_associate_options options = *HAWSER_ASSOCIATE(.stack = "sctp/udp");

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    options.properties = properties;
    snprintf(world->endpoint, sizeof world->endpoint, "127.0.0.1:%u", port);
    world_associate(world, &options);
    hawser_properties_unref(properties);
}

/* The endpoint's port is UDP's, and SCTP's inside it is the same number. */
static void a_foreign_server_answers_every_message(void **state)
{
    struct world *world = *state;
    unsigned port = free_port();
    struct peer peer = peer_start("listen", port, port, 0);
    char ready[6], *data = malloc(sizes[6]);

    assert_non_null(data);
    assert_int_equal(read(peer.out, ready, sizeof ready), sizeof ready);
    associate(world, port);
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(world->client.stack, "sctp/udp");
    for (size_t i = 0; i < SIZES; i++) {
        fill(data, sizes[i], (unsigned)i);
        assert_int_equal(hawser_send(world->client.line, data, sizes[i], NULL, NULL), 0);
        until(world, world->client.received_count == i + 1);
        assert_int_equal(world->client.received[i].size, sizes[i]);
        assert_memory_equal(world->client.received[i].data, data, sizes[i]);
    }
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, 0);
    peer_did_well(world, &peer);
    free(data);
}

static void echo(const hawser_event *event, void *user)
{
    struct end *end = user;

    end->received_count++;
    assert_int_equal(hawser_send(end->line, event->received.data, event->received.size, NULL, NULL), 0);
}

static void ended(const hawser_event *event, void *user)
{
    (void)event;
    *(bool *)user = true;
}

static bool peer_is_done;

static void take(struct world *world, hawser_association *association)
{
    end_note(&world->server, hawser_association_ref(association));
    assert_int_equal(hawser_register(association, HAWSER_RECEIVED, echo, &world->server), 0);
    assert_int_equal(hawser_register(association, HAWSER_ENDED, ended, &peer_is_done), 0);
}

static void a_foreign_client_is_served(void **state)
{
    struct world *world = *state;
    struct peer peer;

    world->accepting = take;
    listen_bare(world, "prohibit", "prohibit", NULL, *HAWSER_LISTEN(.stack = "sctp/udp"));
    peer = peer_start("connect", free_port(), (unsigned)atoi(strrchr(world->endpoint, ':') + 1), 4711);
    until(world, world->server.received_count == 6);
    assert_string_equal(world->server.stack, "sctp/udp");
    until(world, peer_is_done);
    assert_int_equal(hawser_close(world->server.line, 0, ""), 0);
    peer_did_well(world, &peer);
}

/* It is not what a listener takes unless it is named. */
static void it_is_taken_only_where_it_is_named(void **state)
{
    struct world *world = *state;
    struct peer peer;
    int status = -1;

    listen_bare(world, "prohibit", "prohibit", NULL, *HAWSER_LISTEN(.stack = "tcp"));
    peer = peer_start("connect", free_port(), (unsigned)atoi(strrchr(world->endpoint, ':') + 1), 4711);
    for (int i = 0; i < 10; i++)
        world_step(world);
    assert_null(world->server.line);
    assert_false(peer_ended(&peer, &status) && status == 0);
    kill(peer.pid, SIGKILL);
    until(world, status != -1 || peer_ended(&peer, &status));
    close(peer.out);
}

/* A line of hawser/1 inside SCTP inside DTLS, as any other: both ends are in one context, which has the process's SCTP. */
static void a_line_of_hawsers_own_goes_over_it(void **state)
{
    struct world *world = *state;
    char *data = malloc(1000000);

    assert_non_null(data);
    hawser_context_unref(world->server_context);
    world->server_context = hawser_context_ref(world->client_context);
    world_listen(world, HAWSER_LISTEN(.stack = "sctp/dtls/udp"));
    world_associate(world, HAWSER_ASSOCIATE(.stack = "sctp/dtls/udp"));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_string_equal(world->client.stack, "sctp/dtls/udp");
    assert_string_equal(world->server.stack, "sctp/dtls/udp");
    for (unsigned i = 0; i < 20; i++) {
        size_t size = i % 4 == 3 ? 1000000 : (size_t)i * 1000;
        fill(data, size, i);
        assert_int_equal(hawser_send(world->client.line, data, size, NULL, NULL), 0);
        if (size > 100000)
            until(world, world->client.settled == i + 1);
    }
    until(world, world->client.settled == 20 && world->server.received_count == 20);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_ACKED);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->client.closed_code, 0);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_foreign_server_answers_every_message),
        api_test(a_foreign_client_is_served),
        api_test(it_is_taken_only_where_it_is_named),
        api_test(a_line_of_hawsers_own_goes_over_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
