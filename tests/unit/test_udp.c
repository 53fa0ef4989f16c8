/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets and the bottom layer above them, beside plain sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "udp_test.h"

static void fill(uint8_t *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(seed + i);
}

/* ------------------------------------------------------------------------------------------------------- one by one */

static void datagrams_keep_their_bounds_in_both_directions(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain), from;
    struct layer *layer = layer_to(context, &there);
    static const size_t sizes[] = {5, 0, 1200, 1, 1200, 1200, 700, 1400, 3};
    uint8_t sent[2000], came[2000];

    for (unsigned i = 0; i < 9; i++) {
        fill(sent, sizes[i], i);
        assert_int_equal(layer->type->send(layer, sent, sizes[i]), (ssize_t)sizes[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        fill(sent, sizes[i], i);
        assert_int_equal(plain_receive(context, plain, came, sizeof came, &from), (ssize_t)sizes[i]);
        assert_memory_equal(sent, came, sizes[i]);
    }
    assert_int_equal(port_of(&from), port_of(udp_local(layer)));
    for (unsigned i = 0; i < 9; i++) {
        fill(sent, sizes[i], i + 100);
        plain_send(plain, &from, sent, sizes[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        fill(sent, sizes[i], i + 100);
        assert_int_equal(layer_next(layer, came, sizeof came), (ssize_t)sizes[i]);
        assert_memory_equal(sent, came, sizes[i]);
    }
    /* What does not fit is cut off. */
    plain_send(plain, &from, sent, 100);
    assert_int_equal(layer_next(layer, came, 10), 10);
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

/* Many of one size are one system call, and the peer still gets them one by one. */
static void equal_sizes_leave_together(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    uint8_t sent[1000], came[2000];

    for (unsigned i = 0; i < 50; i++) {
        fill(sent, sizeof sent, i);
        assert_int_equal(layer->type->send(layer, sent, sizeof sent), sizeof sent);
    }
    fill(sent, 400, 50);
    assert_int_equal(layer->type->send(layer, sent, 400), 400);
    assert_int_equal(udp_of(layer)->sends, 0);
    assert_int_equal(layer->type->flush(layer), 0);
    assert_int_equal(udp_of(layer)->sends, 1);
    for (unsigned i = 0; i < 50; i++) {
        fill(sent, sizeof sent, i);
        assert_int_equal(plain_receive(context, plain, came, sizeof came, NULL), sizeof sent);
        assert_memory_equal(sent, came, sizeof sent);
    }
    assert_int_equal(plain_receive(context, plain, came, sizeof came, NULL), 400);
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

/* A device that cannot cut them is sent each alone. */
static void without_segmentation_each_goes_alone(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    uint8_t sent[3 * 900 + 20], came[2000];
    struct iovec pieces[2] = {{sent, 1000}, {sent + 1000, sizeof sent - 1000}};
    struct udp_out out = {.pieces = pieces, .count = 2, .segment = 900};

    fill(sent, sizeof sent, 7);
    udp_of(layer)->sockets[0]->no_gso = true;
    assert_int_equal(udp_send(layer, &out), 0);
    for (unsigned i = 0; i < 4; i++) {
        size_t size = i < 3 ? 900 : 20;
        assert_int_equal(plain_receive(context, plain, came, sizeof came, NULL), (ssize_t)size);
        assert_memory_equal(came, sent + (size_t)i * 900, size);
    }
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

/* What the system joined is told one by one: two layers, each with a segment size of its own. */
static void joined_datagrams_are_taken_apart(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain), from;
    struct layer *layer = layer_to(context, &there);
    uint8_t sent[20 * 1000 + 300], came[2000];
    const int segment = 1000;

    assert_int_equal(layer->type->send(layer, "x", 1), 1);
    assert_int_equal(plain_receive(context, plain, came, sizeof came, &from), 1);
    assert_int_equal(setsockopt(plain, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    fill(sent, sizeof sent, 3);
    plain_send(plain, &from, sent, sizeof sent);
    for (unsigned i = 0; i < 21; i++) {
        size_t size = i < 20 ? 1000 : 300;
        assert_int_equal(layer_next(layer, came, sizeof came), (ssize_t)size);
        assert_memory_equal(came, sent + (size_t)i * 1000, size);
    }
    assert_int_equal(layer->type->receive(layer, came, sizeof came), -EAGAIN);
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

static unsigned ready_calls;
static void destroy_when_ready(struct layer *layer, unsigned ready)
{
    (void)ready;
    ready_calls++;
    layer_destroy(layer);
}

static void a_layer_may_be_destroyed_while_it_is_told(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain), from;
    struct layer *layer = layer_to(context, &there);
    uint8_t came[10];

    assert_int_equal(layer->type->send(layer, "x", 1), 1);
    assert_int_equal(plain_receive(context, plain, came, sizeof came, &from), 1);
    layer->ready = destroy_when_ready;
    ready_calls = 0;
    plain_send(plain, &from, "a", 1);
    plain_send(plain, &from, "b", 1);
    while (ready_calls == 0)
        assert_int_equal(hawser_iterate(context, WAIT), 1);
    assert_int_equal(ready_calls, 1);
    close(plain);
    hawser_context_unref(context);
}

/* ------------------------------------------------------------------------------------------------------------ errors */

static void nobody_there_is_told_at_once(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    uint8_t came[10];

    close(plain);
    assert_int_equal(layer->type->send(layer, "x", 1), 1);
    assert_int_equal(layer->type->flush(layer), 0);
    assert_int_equal(layer_next(layer, came, sizeof came), -ECONNREFUSED);
    assert_non_null(strstr(layer_error(layer)->reason, "nobody listens"));
    assert_int_equal(layer->type->send(layer, "x", 1), -ECONNREFUSED);
    layer_destroy(layer);
    hawser_context_unref(context);
}

static void the_largest_datagram_is_known_before_it_is_sent(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    size_t most = layer->type->datagram_max(layer);
    uint8_t *data = calloc(1, 65536);

    assert_true(most >= 1200 && most <= 65527);
    assert_int_equal(layer->type->send(layer, data, most + 1), -EMSGSIZE);
    assert_int_equal(layer->type->send(layer, data, most), (ssize_t)most);
    assert_int_equal(plain_receive(context, plain, data, 65536, NULL), (ssize_t)most);
    free(data);
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

/* --------------------------------------------------------------------------------------------------- packets as they come */

struct taken {
    unsigned packets, datagrams, batches, errors;
    int error;
    uint8_t ecn;
    int64_t received_at, left_at;
    uint64_t left;
    struct layer_address local, remote;
};
static struct taken taken;

static void on_packet(void *above, struct udp_packet *packet)
{
    (void)above;
    taken.packets++;
    taken.datagrams += packet->segment ? (unsigned)((packet->size + packet->segment - 1) / packet->segment) : 1;
    taken.ecn = packet->ecn;
    taken.received_at = packet->received_at;
    taken.local = packet->local;
    taken.remote = packet->remote;
}

static void on_batch_end(void *above)
{
    (void)above;
    taken.batches++;
}

static void on_error(void *above, int code, unsigned mtu)
{
    (void)above;
    (void)mtu;
    taken.errors++;
    taken.error = code;
}

static void on_left(void *above, uint64_t number, int64_t at)
{
    (void)above;
    taken.left = number;
    taken.left_at = at;
}

static const struct udp_taker taker = {on_packet, on_batch_end, on_error, on_left};

static void marks_of_congestion_go_both_ways(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain), from;
    struct layer *layer = layer_to(context, &there), *other;
    const struct iovec piece = {"mark", 4};
    uint8_t came[10];

    memset(&taken, 0, sizeof taken);
    udp_take(layer, layer, &taker);
    assert_int_equal(layer->type->send(layer, "x", 1), 1);
    assert_int_equal(plain_receive(context, plain, came, sizeof came, &from), 1);
    close(plain);
    /* The other end is a layer as well, from the plain one's address. */
    const struct layer_target target = {.remote = from, .local = there};
    assert_int_equal(stack_open(context, "udp", &target, &other), 0);
    for (uint8_t ecn = 0; ecn < 4; ecn++) {
        const struct udp_out out = {.pieces = &piece, .count = 1, .ecn = ecn};
        unsigned packets = taken.packets;

        assert_int_equal(udp_send(other, &out), 0);
        while (taken.packets == packets)
            assert_int_equal(hawser_iterate(context, WAIT), 1);
        assert_int_equal(taken.ecn, ecn);
    }
    assert_int_equal(taken.batches, taken.packets);
    assert_int_equal(port_of(&taken.remote), port_of(&there));
    layer_destroy(other);
    layer_destroy(layer);
    hawser_context_unref(context);
}

/* An ICMP message proves nothing, so who takes packets is asked what it is worth: the layer itself goes on. */
static void errors_are_told_to_who_takes_packets(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    const struct iovec piece = {"x", 1};
    const struct udp_out out = {.pieces = &piece, .count = 1};

    memset(&taken, 0, sizeof taken);
    close(plain);
    udp_take(layer, layer, &taker);
    assert_int_equal(udp_send(layer, &out), 0);
    while (taken.errors == 0)
        assert_int_equal(hawser_iterate(context, WAIT), 1);
    assert_int_equal(taken.error, -ECONNREFUSED);
    assert_int_equal(layer_error(layer)->code, 0);
    layer_destroy(layer);
    hawser_context_unref(context);
}

/* S1.28: the stamps lie between what this process saw before and after. */
static void stamps_of_the_system_are_told(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address from;
    struct layer_target target = {.remote = name_of(plain), .timestamps = true};
    struct layer *layer;
    const struct iovec piece = {"x", 1};
    const struct udp_out out = {.pieces = &piece, .count = 1};
    int64_t before;
    uint8_t came[10];

    memset(&taken, 0, sizeof taken);
    assert_int_equal(stack_open(context, "udp", &target, &layer), 0);
    udp_take(layer, layer, &taker);
    before = loop_clock();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(udp_send(layer, &out), 0);
    while (taken.left < 2)
        assert_int_equal(hawser_iterate(context, WAIT), 1);
    assert_in_range(taken.left_at, before - 2000, loop_clock() + 2000);
    /* The first after they were switched on in the whole system come without one. */
    assert_int_equal(plain_receive(context, plain, came, sizeof came, &from), 1);
    for (int64_t end = loop_clock() + WAIT; taken.received_at == 0 && loop_clock() < end;) {
        unsigned packets = taken.packets;

        before = loop_clock();
        plain_send(plain, &from, "y", 1);
        while (taken.packets == packets)
            assert_int_equal(hawser_iterate(context, WAIT), 1);
    }
    assert_in_range(taken.received_at, before - 2000, loop_clock() + 2000);
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

/* --------------------------------------------------------------------------------------------------------------- time */

static void a_time_to_leave_is_kept(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    int64_t now = loop_clock();
    uint8_t came[10];

    for (unsigned i = 0; i < 3; i++) { /* given in the wrong order */
        const struct iovec piece = {(void *)(uintptr_t) & "cba"[i], 1};
        const struct udp_out out = {.pieces = &piece, .count = 1, .send_at = now + 300000 - 100000 * (int64_t)i};

        assert_int_equal(udp_send(layer, &out), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(plain_receive(context, plain, came, sizeof came, NULL), 1);
        assert_int_equal(came[0], "abc"[i]);
        assert_true(loop_clock() >= now + 100000 * (int64_t)(i + 1));
    }
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

static unsigned writable_calls;
static void count_writable(struct layer *layer, unsigned ready)
{
    (void)layer;
    writable_calls += !!(ready & LAYER_WRITABLE);
}

/* Who is too far ahead is told to wait, and then that there is room. */
static void what_waits_for_its_time_is_bounded(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    static uint8_t data[1000];
    const struct iovec piece = {data, sizeof data};
    const struct udp_out out = {.pieces = &piece, .count = 1, .send_at = loop_clock() + 50000};
    unsigned taken_count = 0;
    int r;

    layer->ready = count_writable;
    writable_calls = 0;
    while ((r = udp_send(layer, &out)) == 0)
        taken_count++;
    assert_int_equal(r, -EAGAIN);
    assert_in_range(taken_count, 500, UDP_QUEUE_ENTRIES_MAX);
    while (writable_calls == 0)
        assert_int_equal(hawser_iterate(context, WAIT), 1);
    assert_true(loop_clock() >= out.send_at);
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(context);
}

/* ------------------------------------------------------------------------------------------------------------- moving */

static void a_socket_goes_to_another_context(void **state)
{
    hawser_context *one = context_new(), *two = context_new();
    int plain = plain_socket(*state);
    struct layer_address there = name_of(plain), from;
    struct layer *layer = layer_to(one, &there);
    uint8_t came[10];

    assert_int_equal(layer->type->send(layer, "x", 1), 1);
    layer->type->detach(layer);
    assert_int_equal(layer->type->attach(layer, two), 0);
    assert_int_equal(plain_receive(two, plain, came, sizeof came, &from), 1);
    plain_send(plain, &from, "yz", 2);
    assert_int_equal(layer_next(layer, came, sizeof came), 2);
    layer_destroy(layer);
    close(plain);
    hawser_context_unref(one);
    hawser_context_unref(two);
}

/* A program that takes the socket out of the stack has one as the system makes it. */
static void a_socket_that_is_released_is_plain(void **state)
{
    hawser_context *context = context_new();
    int plain = plain_socket(*state), fd, on = 1;
    struct layer_address there = name_of(plain);
    struct layer *layer = layer_to(context, &there);
    socklen_t size = sizeof on;

    assert_int_equal(layer_release(layer, &fd), 0);
    assert_int_equal(getsockopt(fd, SOL_UDP, UDP_GRO, &on, &size), 0);
    assert_int_equal(on, 0);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(plain_receive(context, plain, &on, sizeof on, NULL), 1);
    close(fd);
    close(plain);
    hawser_context_unref(context);
}

#define BOTH(test)                                                                                                     \
    {#test " 4", test, NULL, NULL, (void *)(uintptr_t) "127.0.0.1"},                                                   \
    {                                                                                                                  \
#test " 6", test, NULL, NULL, (void *)(uintptr_t) "::1"                                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(datagrams_keep_their_bounds_in_both_directions),
        BOTH(equal_sizes_leave_together),
        BOTH(without_segmentation_each_goes_alone),
        BOTH(joined_datagrams_are_taken_apart),
        BOTH(a_layer_may_be_destroyed_while_it_is_told),
        BOTH(nobody_there_is_told_at_once),
        BOTH(the_largest_datagram_is_known_before_it_is_sent),
        BOTH(marks_of_congestion_go_both_ways),
        BOTH(errors_are_told_to_who_takes_packets),
        BOTH(stamps_of_the_system_are_told),
        BOTH(a_time_to_leave_is_kept),
        BOTH(what_waits_for_its_time_is_bounded),
        BOTH(a_socket_goes_to_another_context),
        BOTH(a_socket_that_is_released_is_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
