/* SPDX-License-Identifier: Apache-2.0 */
/* How lines end: gracefully, at once, in the background, with their context, by time. */
#include "api.h"

#include <unistd.h>

static void close_delivers_what_is_queued(void **state)
{
    struct world *world = *state;
    char *data = calloc(1, 100000);

    world_listen(world, NULL);
    world_associate(world, NULL);
    for (int i = 0; i < 100; i++)
        assert_int_equal(hawser_send(world->client.line, data, 100000, NULL, NULL), 0);
    assert_int_equal(hawser_close(world->client.line, 5, "all said"), 0);
    assert_int_equal(hawser_close(world->client.line, 6, "again"), 0);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), -ESHUTDOWN);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->client.settled, 100);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_ACKED);
    assert_int_equal(world->server.received_count, 100);
    assert_int_equal(world->client.closed_code, 0);
    assert_int_equal(world->server.closed_code, 0);
    assert_int_equal(world->server.peer_code, 5);
    assert_string_equal(world->server.closed_reason, "all said");
    assert_true(world->server.closed_by_peer && !world->client.closed_by_peer);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), -ENOTCONN);
    assert_int_equal(hawser_close(world->client.line, 0, ""), -ENOTCONN);
    free(data);
}

static void both_close_at_once(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, "c", 1, NULL, NULL), 0);
    assert_int_equal(hawser_send(world->server.line, "s", 1, NULL, NULL), 0);
    assert_int_equal(hawser_close(world->client.line, 1, "client"), 0);
    assert_int_equal(hawser_close(world->server.line, 2, "server"), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->client.closed_code, 0);
    assert_int_equal(world->server.closed_code, 0);
    assert_int_equal(world->client.received_count, 1);
    assert_int_equal(world->server.received_count, 1);
}

static void closed_before_anything_was_sent(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    world_associate(world, NULL);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, 0);
    assert_int_equal(world->client.attempt_count, 0);
}

static void abort_ends_at_once(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_pause(world->server.line), 0);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    assert_int_equal(hawser_flush(world->client.line), 0);
    assert_int_equal(hawser_abort(world->client.line, 9, "no more of this"), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->client.closed_code, -ECANCELED);
    assert_int_equal(world->client.settled, 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_true(world->client.outcomes[0].maybe_delivered);
    assert_int_equal(world->server.closed_code, -HAWSER_EABORTED);
    assert_int_equal(world->server.peer_code, 9);
    assert_true(world->server.closed_by_peer);
    assert_string_equal(world->server.closed_reason, "no more of this");
}

static void linger_has_an_end(void **state)
{
    struct world *world = *state;
    int64_t began;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.linger_us = 100000));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_int_equal(hawser_pause(world->server.line), 0); /* the message is not taken */
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    began = clock_now();
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    assert_true(clock_now() - began >= 100000);
    assert_int_equal(world->client.closed_code, -ETIMEDOUT);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_true(world->client.outcomes[0].maybe_delivered);
    until(world, world->server.closed);
}

static void last_reference_closes_in_the_background(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, "last words", 10, NULL, NULL), 0);
    world->client.line = hawser_association_unref(world->client.line);
    until(world, world->server.closed);
    assert_string_equal(world->server.received[0].data, "last words");
    assert_int_equal(world->server.closed_code, 0);
    assert_false(world->client.closed);
}

static void run_returns_when_nothing_is_left(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(hawser_run(world->client_context), 0);
    assert_int_equal(hawser_close(world->listener, 0, ""), 0);
    assert_int_equal(hawser_run(world->server_context), 0);
}

static void end_of_the_context_aborts(void **state)
{
    struct world *world = *state;

    world_connect(world);
    hawser_context_unref(world->client_context);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
    until(world, world->server.closed);
    assert_true(world->server.closed_by_peer);
    assert_int_equal(world->server.closed_code, -HAWSER_EABORTED);
    assert_string_equal(world->server.closed_reason, "the program ended");
    assert_int_equal(hawser_association_strand(world->client.line, 0, NULL), -ENOTCONN);
    assert_null(hawser_association_context(world->client.line));
}

static void a_peer_that_ignores_us_is_given_up(void **state)
{
    struct world *world = *state;
    int64_t began;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.keep_alive_us = 50000, .dead_after_us = 50000, .reestablish_us = -1));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    /* From here the server is not dispatched: as if its machine had stopped. */
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    began = clock_now();
    while (!world->client.closed) {
        assert_true(clock_now() - began < PATIENCE);
        assert_true(hawser_iterate(world->client_context, 100000) >= 0);
    }
    assert_int_equal(world->client.closed_code, -HAWSER_EDEAD);
    assert_true(world->client.outcomes[0].maybe_delivered);
}

static void keep_alive_keeps(void **state)
{
    struct world *world = *state;
    int64_t began;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.keep_alive_us = 30000, .dead_after_us = 300000));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    began = clock_now();
    until(world, clock_now() - began > 700000);
    assert_false(world->client.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(close_delivers_what_is_queued),
        api_test(both_close_at_once),
        api_test(closed_before_anything_was_sent),
        api_test(abort_ends_at_once),
        api_test(linger_has_an_end),
        api_test(last_reference_closes_in_the_background),
        api_test(run_returns_when_nothing_is_left),
        api_test(end_of_the_context_aborts),
        api_test(a_peer_that_ignores_us_is_given_up),
        api_test(keep_alive_keeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
