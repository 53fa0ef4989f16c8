/* SPDX-License-Identifier: Apache-2.0 */
/* tfrc on a port beside plain sockets that write what they like: whose address counts as proven, what is sent before, what a
 * forged message does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "udp_test.h"

#include "base/varint.h"
#include "layer/numbered.h"

#define PLACES 4
#define FACTOR 3
#define FIRST (UINT64_C(1) << 40)

struct world {
    hawser_context *context;
    struct udp_port *port;
    struct layer_address address;
    struct layer *servers[16];
    unsigned accepted;
    struct layer *client;
};

static void on_ready(struct layer *layer, unsigned ready)
{
    (void)ready;
    (void)layer_establish(layer);
}

static void on_accepted(void *user, const char *stack, struct layer *bottom)
{
    struct world *world = user;
    struct layer *top;

    assert_string_equal(stack, "tfrc/udp");
    assert_int_equal(stack_accept_above(world->context, stack, NULL, bottom, &top), 0);
    assert_in_range(world->accepted, 0, 15);
    world->servers[world->accepted++] = top;
    top->ready = on_ready;
    assert_int_equal(layer_establish(top), 0);
}

static void setup(struct world *world)
{
    static const struct udp_protocol *const protocols[] = {&tfrc_protocol, NULL};
    const struct udp_port_config config = {
        .local = address_of("127.0.0.1", 0),
        .fd = -1,
        .protocols = protocols,
        .unproven_max = PLACES,
        .accepted = on_accepted,
        .user = world,
    };

    memset(world, 0, sizeof *world);
    world->context = context_new();
    assert_int_equal(udp_port_new(world->context, &config, &world->port), 0);
    world->address = name_of(udp_port_descriptor(world->port));
}

static void teardown(struct world *world)
{
    layer_destroy(world->client);
    for (unsigned i = 0; i < world->accepted; i++)
        layer_destroy(world->servers[i]);
    udp_port_destroy(world->port);
    hawser_context_unref(world->context);
}

/* Lets the ends read what is there. */
static void run(struct world *world)
{
    char unit[2048];

    while (hawser_iterate(world->context, 0) > 0)
        ;
    for (unsigned i = 0; i < world->accepted; i++)
        while (world->servers[i]->type->receive(world->servers[i], unit, sizeof unit) >= 0)
            ;
    while (hawser_iterate(world->context, 0) > 0)
        ;
}

static void connect_client(struct world *world)
{
    const struct layer_target target = {.remote = world->address};
    int64_t end = loop_clock() + WAIT;
    int r;

    assert_int_equal(stack_open(world->context, "tfrc/udp", &target, &world->client), 0);
    while ((r = layer_establish(world->client)) == -EAGAIN && loop_clock() < end) {
        hawser_iterate(world->context, 1000);
        run(world);
    }
    assert_int_equal(r, 0);
    run(world);
}

/* One message from one to the other; its size, or -EAGAIN where none came for a while. */
static ssize_t pass(struct world *world, struct layer *from, struct layer *to, const char *text)
{
    char came[2048];
    int64_t end = loop_clock() + WAIT;
    ssize_t n;

    while ((n = from->type->send(from, text, strlen(text))) == -EAGAIN && loop_clock() < end)
        hawser_iterate(world->context, 1000);
    assert_int_equal(n, strlen(text));
    n = layer_next(to, came, sizeof came);
    if (n >= 0)
        assert_memory_equal(came, text, strlen(text));
    return n;
}

/* ------------------------------------------------------------------------------------------------- whose address it is */

static size_t put_ping(uint8_t *at, uint64_t number)
{
    uint8_t *end = at;

    *end++ = 0x03;
    end = varint_put(end, number);
    end = varint_put(end, 0);
    return (size_t)(end - at);
}

/* Somebody else's address goes on asking, and a program that has much to say says it there: next to nothing leaves, and the
 * address counts as shown by nothing that can be said without hearing us. */
static void an_address_is_shown_by_hearing_us(void **state)
{
    struct world world;
    uint8_t data[2048];
    size_t asked = 0, answered = 0, answers = 0, pings = 0;
    int fd = plain_socket("127.0.0.1");

    (void)state;
    setup(&world);
    for (uint64_t i = 0; i < 40; i++) {
        size_t size = put_ping(data, i);
        ssize_t n;

        plain_send(fd, &world.address, data, size);
        asked += size;
        pings++;
        run(&world);
        assert_int_equal(world.accepted, 1);
        assert_int_equal(world.servers[0]->type->send(world.servers[0], data, 1000), -EAGAIN);
        while ((n = recv(fd, data, sizeof data, MSG_DONTWAIT)) > 0) {
            answered += (size_t)n;
            answers++;
        }
        assert_true(answered <= FACTOR * asked && answers <= FACTOR * pings);
    }
    assert_true(answers > 0);
    /* Its place is one of a stranger's: with as many more as there are places, nobody else comes in. */
    for (int i = 0; i < PLACES; i++) {
        int other = plain_socket("127.0.0.1");

        plain_send(other, &world.address, data, put_ping(data, FIRST));
        run(&world);
        close(other);
    }
    assert_int_equal(world.accepted, PLACES);
    close(fd);
    teardown(&world);
}

/* Who acknowledges our number gives its place free, and is sent what was held back. */
static void who_acknowledges_our_number_is_sent_more(void **state)
{
    struct world world;
    uint8_t data[2048], *end = data;
    int fd = plain_socket("127.0.0.1");
    uint64_t number;

    (void)state;
    setup(&world);
    plain_send(fd, &world.address, data, put_ping(data, FIRST));
    run(&world);
    assert_true(plain_receive(world.context, fd, data, sizeof data, NULL) > 3);
    assert_int_equal(data[0], 0x07);
    assert_non_null(varint_get(data + 1, data + 9, &number));
    for (uint64_t wrong = number - 1; wrong <= number + 1; wrong++) {
        end = data;
        *end++ = 0x04;
        end = varint_put(varint_put(varint_put(varint_put(end, wrong), 0), 0), 0);
        assert_int_equal(world.servers[0]->type->send(world.servers[0], "held", 4), -EAGAIN);
        plain_send(fd, &world.address, data, (size_t)(end - data));
        run(&world);
        if (wrong == number)
            break;
    }
    assert_int_equal(world.servers[0]->type->send(world.servers[0], "held", 4), 4);
    assert_true(plain_receive(world.context, fd, data, sizeof data, NULL) > 4);
    for (int i = 0; i < PLACES; i++) { /* as many as if it were not there */
        int other = plain_socket("127.0.0.1");

        plain_send(other, &world.address, data, put_ping(data, FIRST));
        run(&world);
        close(other);
    }
    assert_int_equal(world.accepted, 1 + PLACES);
    close(fd);
    teardown(&world);
}

static void both_ends_prove_themselves(void **state)
{
    struct world world;

    (void)state;
    setup(&world);
    connect_client(&world);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pass(&world, world.client, world.servers[0], "to the server"), 13);
        assert_int_equal(pass(&world, world.servers[0], world.client, "and back"), 8);
    }
    teardown(&world);
}

/* ---------------------------------------------------------------------------------------------------------- forgeries */

/* As a router's message that anybody can write: the line stands, with what every path carries at least. */
static void an_icmp_message_is_a_hint(void **state)
{
    struct world world;
    struct layer *ends[2];

    (void)state;
    setup(&world);
    connect_client(&world);
    ends[0] = world.client;
    ends[1] = world.servers[0];
    for (int i = 0; i < 2; i++) {
        struct layer *below = ends[i]->below;
        size_t most = ends[i]->type->datagram_max(ends[i]);
        char text[1300];

        for (unsigned mtu = 552; mtu <= 1300; mtu += 44)
            udp_error(udp_of(below), &(struct udp_said){.code = -EMSGSIZE, .mtu = mtu, .icmp = true});
        assert_true(ends[i]->type->datagram_max(ends[i]) >= NUMBERED_MIN - NUMBERED_HEAD_MAX);
        assert_true(ends[i]->type->datagram_max(ends[i]) < most);
        memset(text, 'x', sizeof text);
        text[ends[i]->type->datagram_max(ends[i])] = '\0';
        udp_error(udp_of(below), &(struct udp_said){.code = -ECONNREFUSED, .icmp = true});
        udp_error(udp_of(below), &(struct udp_said){.code = -EHOSTUNREACH, .icmp = true});
        assert_int_equal(pass(&world, ends[i], ends[1 - i], text), strlen(text));
        assert_int_equal(pass(&world, ends[1 - i], ends[i], "yes"), 3);
        assert_int_equal(layer_error(ends[i])->code, 0);
    }
    teardown(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_shown_by_hearing_us),
        cmocka_unit_test(who_acknowledges_our_number_is_sent_more),
        cmocka_unit_test(both_ends_prove_themselves),
        cmocka_unit_test(an_icmp_message_is_a_hint),
    };

    return cmocka_run_group_tests_name("tfrc", tests, NULL, NULL);
}
