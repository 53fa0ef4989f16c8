/* SPDX-License-Identifier: Apache-2.0 */
/* Niceness, lifetime, antecedents, cancelling, replies. */
#include "lines.h"

static size_t place_of(const struct end *end, hawser_message_id id)
{
    for (size_t i = 0; i < end->received_count; i++)
        if (end->received[i].id == id)
            return i;
    return SIZE_MAX;
}

static void urgent_overtakes(void **state)
{
    struct world *world = *state;
    const size_t size = 512 << 10, bulk = 24;
    char *data = malloc(size);
    hawser_message_id urgent;

    fill(data, size, 3);
    row_connect(world);
    for (size_t i = 0; i < bulk; i++)
        assert_int_equal(hawser_send(world->client.line, data, size, HAWSER_MESSAGE(.niceness = 50), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "now", 3, HAWSER_MESSAGE(.niceness = -50), &urgent), 0);
    until(world, world->server.received_count == bulk + 1);
    assert_true(place_of(&world->server, urgent) < bulk / 2);
    assert_int_equal(world->server.received[place_of(&world->server, urgent)].received.niceness, -50);
    free(data);
}

static void lifetime_runs_out(void **state)
{
    struct world *world = *state;
    const size_t size = 1 << 20;
    char *data = malloc(size);
    hawser_message_id mortal;
    int64_t begun;

    fill(data, size, 4);
    row_connect(world);
    assert_int_equal(hawser_pause(world->server.line), 0);
    for (size_t i = 0; i < 15; i++) /* fills what the receiver may hold */
        assert_int_equal(hawser_send(world->client.line, data, size, NULL, NULL), 0);
    assert_int_equal(
        hawser_send(world->client.line, data, 60000, HAWSER_MESSAGE(.niceness = 100, .lifetime_us = 50000), &mortal),
        0);
    begun = clock_now();
    until(world, clock_now() > begun + 60000); /* longer than the message lives */
    assert_int_equal(hawser_resume(world->server.line), 0);
    until(world, world->client.settled == 16);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind,
                         world->client.outcomes[i].id == mortal ? HAWSER_EXPIRED : HAWSER_ACKED);
    assert_true(place_of(&world->server, mortal) == SIZE_MAX);
    assert_int_equal(world->server.received_count, 15);
    free(data);
}

static void antecedents_come_first(void **state)
{
    struct world *world = *state;
    const size_t size = 2 << 20;
    char *data = malloc(size);
    hawser_message_id large, after, last;

    fill(data, size, 5);
    row_connect(world);
    assert_int_equal(hawser_send(world->client.line, data, size, HAWSER_MESSAGE(.niceness = 20), &large), 0);
    assert_int_equal(
        hawser_send(world->client.line, "after", 5, HAWSER_MESSAGE(.niceness = -20, HAWSER_ANTECEDENTS(large)), &after),
        0);
    assert_int_equal(hawser_send(world->client.line, "last", 4,
                                 HAWSER_MESSAGE(.niceness = -90, HAWSER_ANTECEDENTS(large, after)), &last),
                     0);
    until(world, world->server.received_count == 3);
    assert_int_equal(world->server.received[0].id, large);
    assert_int_equal(world->server.received[1].id, after);
    assert_int_equal(world->server.received[2].id, last);
    assert_false(world->server.received[2].received.antecedent_lost);
    free(data);
}

static void cancelled_and_replied(void **state)
{
    struct world *world = *state;
    hawser_message_id first, second, reply;

    row_connect(world);
    assert_int_equal(hawser_send(world->client.line, "one", 3, NULL, &first), 0);
    assert_int_equal(hawser_send(world->client.line, "two", 3, NULL, &second), 0);
    assert_int_equal(hawser_cancel(world->client.line, second), 0);
    until(world, world->client.settled == 2);
    assert_int_equal(world->server.received_count, 1);
    assert_int_equal(
        hawser_send(world->server.line, "answer", 6, HAWSER_MESSAGE(.reply_to = world->server.received[0].id), &reply),
        0);
    until(world, world->client.received_count == 1);
    assert_int_equal(world->client.received[0].received.reply_to, first);
}

const struct line_test property_tests[] = {
    {"an urgent message overtakes bulk", urgent_overtakes},
    {"a message whose lifetime runs out is not delivered, and said to be expired", lifetime_runs_out},
    {"a message waits for its antecedents, however urgent it is", antecedents_come_first},
    {"cancelled, and replied to", cancelled_and_replied},
    {NULL, NULL},
};
