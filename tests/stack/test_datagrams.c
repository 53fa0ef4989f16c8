/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks that carry a program's datagrams, or messages, without a session. */
#include "suite.h"

#define MESSAGES 40

static ssize_t send_now(struct world *world, struct end *from, const void *data, size_t size)
{
    int64_t deadline = loop_clock() + DEADLINE;
    ssize_t n;

    while ((n = from->top->type->send(from->top, data, size)) == -EAGAIN && loop_clock() < deadline)
        step(world, 10);
    return n;
}

static ssize_t next(struct world *world, struct end *to, void *buffer, size_t size)
{
    int64_t deadline = loop_clock() + DEADLINE;
    ssize_t n;

    while ((n = to->top->type->receive(to->top, buffer, size)) == -EAGAIN && loop_clock() < deadline)
        step(world, 10);
    return n;
}

/* From here on nobody reads but the test. */
static void establish_idle(struct world *world)
{
    listen_here(world);
    establish(world);
    run_for_events(world);
    world->client.idle = world->server.idle = true;
}

static void keeps_boundaries(void **state)
{
    struct world *world = *state;
    static uint8_t data[70000], came[70000];
    size_t sizes[] = {1, 2, 999, 1000, 5, 0};

    only(world->datagrams);
    establish_idle(world);
    sizes[5] = world->client.top->type->datagram_max(world->client.top);
    assert_true(sizes[5] >= 1000);
    if (sizes[5] > sizeof data)
        sizes[5] = sizeof data;
    for (unsigned way = 0; way < 2; way++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct end *from = way ? &world->server : &world->client, *to = way ? &world->client : &world->server;

            for (size_t k = 0; k < sizes[i]; k++)
                data[k] = pattern(k + i);
            assert_int_equal(send_now(world, from, data, sizes[i]), sizes[i]);
            assert_int_equal(next(world, to, came, sizeof came), sizes[i]);
            assert_memory_equal(came, data, sizes[i]);
        }
}

/* Nothing of it leaves, and what comes next does. */
static void too_large(void **state)
{
    struct world *world = *state;
    static uint8_t data[2 << 20];
    size_t most;
    char came[16];

    only(world->datagrams);
    establish_idle(world);
    most = world->client.top->type->datagram_max(world->client.top);
    assert_in_range(most, 1000, sizeof data - 1);
    for (unsigned way = 0; way < 2; way++) {
        struct end *from = way ? &world->server : &world->client, *to = way ? &world->client : &world->server;

        assert_int_equal(send_now(world, from, data, from->top->type->datagram_max(from->top) + 1), -EMSGSIZE);
        assert_int_equal(send_now(world, from, data, sizeof data), -EMSGSIZE);
        assert_int_equal(send_now(world, from, "next", 4), 4);
        assert_int_equal(next(world, to, came, sizeof came), 4);
        assert_memory_equal(came, "next", 4);
    }
}

/* What says of itself that it is reliable and in order, is. */
static void in_order(void **state)
{
    struct world *world = *state;
    static uint8_t data[5000], came[5000];

    only(world->datagrams && world->reliable);
    establish_idle(world);
    for (unsigned i = 0; i < MESSAGES; i++) {
        memset(data, (int)i, sizeof data);
        assert_int_equal(send_now(world, &world->client, data, 1 + i * 113), 1 + i * 113);
    }
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_int_equal(next(world, &world->server, came, sizeof came), 1 + i * 113);
        assert_int_equal(came[i * 113], i);
    }
}

static int shut(const struct end *end)
{
    return end->top->type->shutdown ? end->top->type->shutdown(end->top) : 0;
}

/* A clean end where the protocol has one; else there is none, and none is made up. */
static void ends(void **state)
{
    struct world *world = *state;
    char came[16];
    ssize_t n;
    int r;

    only(world->datagrams);
    establish_idle(world);
    assert_int_equal(send_now(world, &world->client, "last", 4), 4);
    assert_int_equal(next(world, &world->server, came, sizeof came), 4);
    while ((r = shut(&world->client)) == -EAGAIN) {
        n = world->server.top->type->receive(world->server.top, came, sizeof came);
        assert_true(n == -EAGAIN || n == -ENODATA);
        if (n == -ENODATA)
            (void)shut(&world->server);
        step(world, 10);
    }
    assert_int_equal(r, 0);
    run_for_events(world);
    n = world->server.top->type->receive(world->server.top, came, sizeof came);
    assert_int_equal(n, world->reliable ? -ENODATA : -EAGAIN);
}

const struct suite_test datagram_tests[] = {
    {"each datagram is a message, both ways", keeps_boundaries},
    {"what is too large is refused before anything of it leaves", too_large},
    {"messages that are reliable come in order", in_order},
    {"ends as its protocol ends", ends},
    {NULL, NULL},
};
