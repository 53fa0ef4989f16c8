/* SPDX-License-Identifier: Apache-2.0 */
/* Many lines at once. */
#include "lines.h"

#define CROWD 1000
#define AT_ONCE 100 /* that are being set up */

struct crowd {
    hawser_association *lines[CROWD];
    hawser_association *taken[CROWD];
    size_t taken_count, up, answers, failures;
};
static struct crowd *crowd;

static void echo(const hawser_event *event, void *user)
{
    (void)user;
    assert_int_equal(hawser_send(event->association, event->received.data, event->received.size, NULL, NULL), 0);
}

static void take(struct world *world, hawser_association *association)
{
    (void)world;
    assert_true(crowd->taken_count < CROWD);
    crowd->taken[crowd->taken_count++] = hawser_association_ref(association);
    assert_int_equal(hawser_register(association, HAWSER_RECEIVED, echo, NULL), 0);
}

static void on_client(const hawser_event *event, void *user)
{
    (void)user;
    if (event->type == HAWSER_ESTABLISHED)
        crowd->up++;
    else if (event->type == HAWSER_RECEIVED)
        crowd->answers += event->received.size == sizeof(size_t);
    else
        crowd->failures++;
}

static void begin_one(struct world *world, size_t i)
{
    hawser_association *line;

    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.stack = row->stack), &line), 0);
    assert_int_equal(hawser_register(line, HAWSER_ESTABLISHED, on_client, NULL), 0);
    assert_int_equal(hawser_register(line, HAWSER_RECEIVED, on_client, NULL), 0);
    assert_int_equal(hawser_register(line, HAWSER_CLOSED, on_client, NULL), 0);
    assert_int_equal(hawser_send(line, &i, sizeof i, NULL, NULL), 0);
    crowd->lines[i] = line;
}

static void a_thousand(void **state)
{
    struct world *world = *state;

    crowd = calloc(1, sizeof *crowd);
    assert_non_null(crowd);
    world->accepting = take;
    row_listen(world, *HAWSER_LISTEN());
    for (size_t i = 0; i < CROWD; i++) {
        begin_one(world, i);
        if (i + 1 >= AT_ONCE)
            until(world, crowd->up + crowd->failures >= i + 1 - AT_ONCE);
    }
    until(world, crowd->answers + crowd->failures >= CROWD);
    assert_int_equal(crowd->failures, 0);
    assert_int_equal(crowd->answers, CROWD);
    assert_int_equal(crowd->taken_count, CROWD);
    /* All of them are there at once, and each still answers. */
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(hawser_send(crowd->lines[i], &i, sizeof i, NULL, NULL), 0);
    until(world, crowd->answers == 2 * CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(hawser_register(crowd->lines[i], HAWSER_CLOSED, NULL, NULL), 0);
        hawser_association_unref(crowd->lines[i]);
        hawser_association_unref(crowd->taken[i]);
    }
    free(crowd);
}

const struct line_test crowd_tests[] = {
    {"1,000 lines at one listener", a_thousand},
    {NULL, NULL},
};
