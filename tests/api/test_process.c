/* SPDX-License-Identifier: Apache-2.0 */
/* A peer in a process of its own, which is killed or stopped by the system. */
#include "api.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void takes(const hawser_event *event, void *user)
{
    (void)user;
    if (event->type == HAWSER_ACCEPTED) {
        hawser_association *line = hawser_association_ref(event->accepted.association);

        hawser_register(line, HAWSER_RECEIVED, takes, NULL);
    } else if (event->received.size > 1) {
        (void)hawser_pause(event->association); /* "stop": the rest is not taken */
    }
}

/* The peer: its endpoint is written to the pipe. */
static void serve(int out)
{
    hawser_association *listener;
    hawser_context *context;
    hawser_identity *identity;

    if (hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context) < 0 || hawser_identity_new(&identity) < 0 ||
        hawser_listen(context, "127.0.0.1:0", HAWSER_LISTEN(.identity = identity), &listener) < 0)
        _exit(1);
    hawser_register(listener, HAWSER_ACCEPTED, takes, NULL);
    dprintf(out, "%s@%s", hawser_identity_name(identity), hawser_association_endpoint(listener));
    close(out);
    (void)hawser_run(context);
    _exit(0);
}

static pid_t start_peer(struct world *world)
{
    size_t size = 0;
    pid_t peer, parent = getpid();
    int pipes[2];
    ssize_t n;

    assert_int_equal(pipe(pipes), 0);
    peer = fork();
    assert_true(peer >= 0);
    if (peer == 0) {
        close(pipes[0]);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) /* also where a test fails before its end */
            _exit(1);
        serve(pipes[1]);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], world->endpoint + size, sizeof world->endpoint - 1 - size)) > 0)
        size += (size_t)n;
    close(pipes[0]);
    assert_true(size > 0);
    world->endpoint[size] = '\0';
    return peer;
}

static void end_peer(pid_t peer)
{
    int status;

    (void)kill(peer, SIGKILL);
    assert_int_equal(waitpid(peer, &status, 0), peer);
}

static void killed(void **state)
{
    struct world *world = *state;
    pid_t peer = start_peer(world);

    world_associate(world, HAWSER_ASSOCIATE(.reestablish_us = -1));
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(hawser_send(world->client.line, "stop", 4, NULL, NULL), 0);
    until(world, world->client.settled == 2);
    /* Written, and never acked: nobody can know whether it was delivered, and it is said so. */
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    assert_int_equal(hawser_flush(world->client.line), 0);
    end_peer(peer);
    until(world, world->client.closed);
    assert_true(world->client.closed_code == -HAWSER_ELOST || world->client.closed_code == -ECONNRESET);
    assert_false(world->client.closed_by_peer);
    assert_int_equal(world->client.settled, 3);
    assert_int_equal(world->client.outcomes[2].kind, HAWSER_SEND_FAILED);
    assert_true(world->client.outcomes[2].maybe_delivered);
    assert_true(*world->client.closed_reason);
}

static void stopped(void **state)
{
    struct world *world = *state;
    pid_t peer = start_peer(world);
    int64_t began;

    world_associate(world, HAWSER_ASSOCIATE(.keep_alive_us = 100000, .dead_after_us = 200000, .reestablish_us = -1));
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(kill(peer, SIGSTOP), 0);
    began = clock_now();
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EDEAD);
    assert_true(clock_now() - began >= 200000);
    end_peer(peer);
}

/* It is sought meanwhile, by another strand; when it goes on it is heard by either, one of
 * them stays, and nothing was lost or doubled. */
static void stood_still(void **state)
{
    struct world *world = *state;
    pid_t peer = start_peer(world);
    hawser_strand_info strand;
    int64_t began;

    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(kill(peer, SIGSTOP), 0);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world,
          hawser_association_strand(world->client.line, 0, &strand) == 0 && strand.state == HAWSER_STRAND_SUSPECTED);
    began = clock_now();
    until(world, clock_now() - began > 2500000); /* as long as that lasts it is not sought */
    assert_int_equal(kill(peer, SIGCONT), 0);
    until(world, world->client.settled == 2);
    assert_int_equal(world->client.outcomes[1].kind, HAWSER_ACKED);
    until(world, hawser_association_strand(world->client.line, 0, &strand) == 0 &&
                     strand.state == HAWSER_STRAND_ACTIVE &&
                     hawser_association_strand(world->client.line, 1, &strand) < 0);
    assert_false(world->client.closed);
    end_peer(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(killed),
        api_test(stood_still),
        api_test(stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
