/* SPDX-License-Identifier: Apache-2.0 */
/* How lines end, are resumed, and are refused. */
#include "lines.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void graceful(struct world *world, struct end *first, struct end *second)
{
    for (int i = 0; i < 50; i++)
        assert_int_equal(hawser_send(first->line, "to be delivered", 15, NULL, NULL), 0);
    assert_int_equal(hawser_close(first->line, 7, "done"), 0);
    until(world, first->closed && second->closed);
    assert_int_equal(first->closed_code, 0);
    assert_int_equal(second->closed_code, 0);
    assert_int_equal(first->settled, 50);
    assert_int_equal(second->received_count, 50);
    assert_int_equal(second->peer_code, 7);
    assert_true(second->closed_by_peer);
    assert_string_equal(second->closed_reason, "done");
}

static void closed_by_opener(void **state)
{
    struct world *world = *state;

    row_connect(world);
    graceful(world, &world->client, &world->server);
}

static void closed_by_listener(void **state)
{
    struct world *world = *state;

    row_connect(world);
    graceful(world, &world->server, &world->client);
}

static void aborted(struct world *world, struct end *first, struct end *second)
{
    assert_int_equal(hawser_abort(first->line, 9, "enough"), 0);
    until(world, first->closed && second->closed);
    assert_int_equal(second->closed_code, -HAWSER_EABORTED);
    assert_int_equal(second->peer_code, 9);
    assert_string_equal(second->closed_reason, "enough");
}

static void aborted_by_opener(void **state)
{
    struct world *world = *state;

    row_connect(world);
    aborted(world, &world->client, &world->server);
}

static void aborted_by_listener(void **state)
{
    struct world *world = *state;

    row_connect(world);
    aborted(world, &world->server, &world->client);
}

/* ---- a peer in a process of its own, which is killed */

static void takes(const hawser_event *event, void *user)
{
    (void)user;
    if (event->type == HAWSER_ACCEPTED)
        hawser_register(hawser_association_ref(event->accepted.association), HAWSER_RECEIVED, takes, NULL);
}

static void serve(const char *endpoint, int out)
{
    hawser_association *listener;
    hawser_context *context;
    hawser_identity *identity;

    if (hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context) < 0 || hawser_identity_new(&identity) < 0 ||
        hawser_listen(context, endpoint, HAWSER_LISTEN(.identity = identity), &listener) < 0)
        _exit(1);
    hawser_register(listener, HAWSER_ACCEPTED, takes, NULL);
    dprintf(out, "%s@%s", hawser_identity_name(identity), hawser_association_endpoint(listener));
    close(out);
    (void)hawser_run(context);
    _exit(0);
}

static pid_t start_peer(struct world *world)
{
    char endpoint[200];
    size_t size = 0;
    int pipes[2];
    pid_t peer;
    ssize_t n;

    snprintf(endpoint, sizeof endpoint, row->listen, world->directory);
    assert_int_equal(pipe(pipes), 0);
    peer = fork();
    assert_true(peer >= 0);
    if (peer == 0) {
        close(pipes[0]);
        serve(endpoint, pipes[1]);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], world->endpoint + size, sizeof world->endpoint - 1 - size)) > 0)
        size += (size_t)n;
    close(pipes[0]);
    assert_true(size > 0);
    world->endpoint[size] = '\0';
    return peer;
}

static void killed(void **state)
{
    struct world *world = *state;
    pid_t peer = start_peer(world);
    int status;

    row_associate(world, *HAWSER_ASSOCIATE(.keep_alive_us = 200000, .dead_after_us = 500000, .reestablish_us = -1));
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(kill(peer, SIGSTOP), 0);
    assert_int_equal(waitpid(peer, &status, WUNTRACED), peer);
    assert_int_equal(hawser_send(world->client.line, "lost", 4, NULL, NULL), 0);
    world_step(world);
    assert_int_equal(kill(peer, SIGKILL), 0);
    assert_int_equal(waitpid(peer, &status, 0), peer);
    until(world, world->client.closed);
    assert_true(world->client.closed_code < 0);
    assert_int_equal(world->client.settled, 2);
    assert_int_equal(world->client.outcomes[1].kind, HAWSER_SEND_FAILED);
    assert_true(world->client.outcomes[1].maybe_delivered);
    assert_true(*world->client.closed_reason);
}

/* ---- resumption, early data, trust */

static void again(struct world *world, hawser_associate_options options)
{
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
    end_drop(&world->server);
    row_associate(world, options);
}

static void resumed(void **state)
{
    struct world *world = *state;

    row_connect(world);
    assert_false(world->client.resumed);
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    again(world, *HAWSER_ASSOCIATE());
    row_wait_up(world);
    assert_int_equal(world->client.resumed, row->resumes);
    assert_int_equal(world->server.resumed, row->resumes);
    assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
    assert_int_equal(hawser_send(world->client.line, "y", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    again(world, *HAWSER_ASSOCIATE(.no_resumption = true));
    row_wait_up(world);
    assert_false(world->client.resumed);
}

static void early(void **state)
{
    struct world *world = *state;

    row_connect(world);
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    again(world, *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_send(world->client.line, "soon", 4, HAWSER_MESSAGE(.safely_replayable = true), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "once", 4, NULL, NULL), 0);
    row_wait_up(world);
    until(world, world->client.settled == 2 && world->server.received_count == 2);
    assert_int_equal(world->client.early_data, row->early_data);
    assert_int_equal(world->server.early, row->early_data); /* the program had it before the handshake ended */
    for (size_t i = 0; i < 2; i++)
        assert_false(world->server.received[i].received.early && strcmp(world->server.received[i].data, "once") == 0);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
}

static void wrong_key(void **state)
{
    struct world *world = *state;
    hawser_identity *other;
    char *at;

    row_listen(world, *HAWSER_LISTEN());
    assert_int_equal(hawser_identity_new(&other), 0);
    at = strdup(strchr(world->endpoint, '@'));
    snprintf(world->endpoint, sizeof world->endpoint, "%s%s", hawser_identity_name(other), at);
    free(at);
    hawser_identity_unref(other);
    row_associate(world, *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_send(world->client.line, "secret", 6, NULL, NULL), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EKEYWRONG);
    assert_true(*world->client.closed_reason);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_false(world->client.outcomes[0].maybe_delivered);
    assert_null(world->server.line);
}

static void client_not_trusted(void **state)
{
    struct world *world = *state;
    hawser_identity *other;
    char trust[100];

    assert_int_equal(hawser_identity_new(&other), 0);
    snprintf(trust, sizeof trust, "key=%s", hawser_identity_name(other));
    hawser_identity_unref(other);
    row_listen(world, *HAWSER_LISTEN(.trust = trust));
    row_associate(world, *HAWSER_ASSOCIATE(.present_certificate = true));
    until(world, world->client.closed);
    assert_true(world->client.closed_code < 0);
    assert_true(*world->client.closed_reason);
    assert_null(world->server.line);
}

static void keys_agree(void **state)
{
    struct world *world = *state;
    uint8_t ours[32], theirs[32];

    row_connect(world);
    assert_int_equal(hawser_association_export_key(world->client.line, "EXPORTER-test", ours, 32), 0);
    assert_int_equal(hawser_association_export_key(world->server.line, "EXPORTER-test", theirs, 32), 0);
    assert_memory_equal(ours, theirs, 32);
}

const struct line_test end_tests[] = {
    {"the opener closes when all is delivered", closed_by_opener},
    {"the listener's side closes when all is delivered", closed_by_listener},
    {"the opener aborts", aborted_by_opener},
    {"the listener's side aborts", aborted_by_listener},
    {"a peer that is killed", killed},
    {"the second line is resumed, unless that is not wanted", resumed},
    {"what may be replayed leaves early, where the stack can", early},
    {"a server with another key gets nothing", wrong_key},
    {"a client with another key is not let in", client_not_trusted},
    {"both ends derive the same keys", keys_agree},
    {NULL, NULL},
};
