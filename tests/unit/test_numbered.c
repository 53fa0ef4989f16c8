/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered datagrams: what each one's fate is, what a hostile peer can do, what is seen from outside. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hawser/errors.h>

#include "base/varint.h"
#include "numbered_world.h"

#define SECOND 1000000

/* Every unit has one fate, and what is told is true: acked means delivered, once; lost, on a way that keeps the order,
 * means not delivered. */
static void check_fates(const struct world_end *end, bool in_order)
{
    assert_int_equal(end->fates, end->sent);
    for (uint64_t i = 0; i < end->sent && i < WORLD_UNITS; i++) {
        const struct world_unit *unit = &end->units[i];
        assert_int_equal(unit->acked + unit->lost, 1);
        assert_true(unit->delivered <= 1);
        if (unit->acked)
            assert_int_equal(unit->delivered, 1);
        if (in_order && unit->lost)
            assert_int_equal(unit->delivered, 0);
    }
}

static void run_one(uint64_t seed)
{
    struct world *world = malloc(sizeof *world);
    bool in_order;
    unsigned first;

    assert_non_null(world);
    world_init(world, seed, seed % 3 ? 2e5 + (double)(seed % 7) * 5e5 : 0, 30000, 100 + (int64_t)(seed % 50) * 1000);
    for (int i = 0; i < 2; i++) {
        world->links[i].loss = world_draw(world) < 0.7 ? world_draw(world) * 0.2 : 0;
        world->links[i].duplicate = seed % 5 == 0 ? 0.1 : 0;
        world->links[i].reorder = seed % 4 == 0 ? 0.05 : 0;
        world->links[i].jitter = 30000;
    }
    world->pad = seed % 2 ? 64 : 0;
    world->clear = seed % 3 == 1;
    in_order = world->links[0].reorder == 0;
    first = world_add_numbered(world, seed % 6 ? 2 * world->links[0].delay : 0);
    for (unsigned i = 0; i < 2; i++) {
        struct world_end *end = &world->ends[first + i];
        end->to_send = 20 + (uint64_t)(world_draw(world) * 150);
        end->unit_size = seed % 11 ? 1 + (size_t)(world_draw(world) * 1100) : 0;
        end->pause = seed % 13 == 0 ? (int64_t)(world_draw(world) * 40000) : 0;
    }
    if (!world_settle(world, first, world->now + 600 * (int64_t)SECOND) ||
        !world_settle(world, first + 1, world->now + 600 * (int64_t)SECOND))
        fail_msg("seed %lu: not settled in ten minutes", (unsigned long)seed);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(world->ends[first + i].code, 0);
        check_fates(&world->ends[first + i], in_order);
    }
    world_free(world);
    free(world);
}

static void fates_are_true(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++)
        run_one(seed);
}

/* With nothing lost, nothing is said to be lost, and a quiet line gets its fates within the delay of acknowledgements. */
static void a_clean_way_loses_nothing(void **state)
{
    struct world *world = malloc(sizeof *world);
    unsigned first;

    (void)state;
    assert_non_null(world);
    world_init(world, 7, 0, 0, 10000);
    first = world_add_numbered(world, 20000);
    world->ends[first].to_send = 3000;
    assert_true(world_settle(world, first, world->now + 20 * SECOND));
    check_fates(&world->ends[first], true);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(world->ends[first].units[i].acked, 1);
    assert_int_equal(numbered_counts(world->ends[first].numbered)->lost, 0);
    /* One more, alone. */
    int64_t before = world->now;
    world->ends[first].to_send++;
    assert_true(world_settle(world, first, before + 20000 + NUMBERED_ACK_DELAY + 1000));
    /* At rest nothing is due. */
    world_run(world, world->now + SECOND);
    assert_true(numbered_due(world->ends[first].numbered) == NUMBERED_NEVER);
    assert_true(numbered_due(world->ends[first + 1].numbered) == NUMBERED_NEVER);
    world_free(world);
    free(world);
}

/* A lost tail is found by a probe, in a few round trips and not in a retransmission time-out of seconds. */
static void a_lost_tail_is_found_soon(void **state)
{
    struct world *world = malloc(sizeof *world);
    unsigned first;

    (void)state;
    assert_non_null(world);
    world_init(world, 8, 0, 0, 10000);
    first = world_add_numbered(world, 20000);
    world->ends[first].to_send = 50;
    assert_true(world_settle(world, first, world->now + 10 * SECOND));
    world->links[0].loss = 1;
    world->ends[first].to_send++;
    world_run(world, world->now + 1000);
    world->links[0].loss = 0;
    int64_t before = world->now;
    assert_true(world_settle(world, first, before + 150000));
    assert_int_equal(world->ends[first].units[50].lost, 1);
    world_free(world);
    free(world);
}

/* A peer that is gone is found out, and what was under way never has a false fate. */
static void a_dead_peer_is_told(void **state)
{
    struct world *world = malloc(sizeof *world);
    unsigned first;

    (void)state;
    assert_non_null(world);
    world_init(world, 9, 0, 0, 10000);
    first = world_add_numbered(world, 20000);
    world->ends[first].to_send = UINT64_MAX;
    world_run(world, world->now + SECOND);
    assert_int_equal(world->ends[first].code, 0);
    uint64_t sent = world->ends[first].sent;
    int64_t gone = world->now;
    world->ends[first + 1].deaf = true;
    world_run(world, gone + NUMBERED_SILENCE - SECOND);
    assert_int_equal(world->ends[first].code, 0);
    /* Next to nothing is sent into the void (RFC 5348 section 4.4). */
    assert_true(world->ends[first].sent - sent < 2 * sent);
    world_run(world, gone + NUMBERED_SILENCE + SECOND);
    assert_int_equal(world->ends[first].code, -HAWSER_EDEAD);
    world_free(world);
    free(world);
}

/* Where something says that the peer is gone it is known sooner; and a peer that answers is not gone, whatever is said. */
static void a_doubt_is_settled_soon(void **state)
{
    struct world *world = malloc(sizeof *world);
    unsigned first;

    (void)state;
    assert_non_null(world);
    world_init(world, 9, 0, 0, 10000);
    first = world_add_numbered(world, 20000);
    world->ends[first].to_send = 10;
    assert_true(world_settle(world, first, world->now + SECOND));
    numbered_doubt(world->ends[first].numbered, world->now);
    world_run(world, world->now + 10 * SECOND);
    assert_int_equal(world->ends[first].code, 0);
    world->ends[first + 1].deaf = true;
    world_run(world, world->now + 10 * SECOND);
    numbered_doubt(world->ends[first].numbered, world->now);
    world_run(world, world->now + NUMBERED_DOUBT + SECOND);
    assert_int_equal(world->ends[first].code, -HAWSER_EDEAD);
    world_free(world);
    free(world);
}

/* -------------------------------------------------------------------------------------------------------- hostile */

static struct numbered *make(uint64_t seed)
{
    struct numbered_config config = {.memory = &memory_malloc, .datagram_max = 1200, .seed = seed, .rtt = 10000};
    struct numbered *numbered;

    assert_int_equal(numbered_new(&config, 1, &numbered), 0);
    return numbered;
}

static int receive(struct numbered *numbered, const void *data, size_t size, int64_t now)
{
    const uint8_t *unit;
    size_t unit_size;

    return numbered_received(numbered, data, size, now, &unit, &unit_size);
}

/* Sends count units as fast as they go; the numbers of the first and the last datagram. */
static void send_some(struct numbered *numbered, unsigned count, int64_t *now, uint64_t *ret_first, uint64_t *ret_last)
{
    for (unsigned i = 0; i < count; i++) {
        size_t capacity, size;
        uint64_t number = 0;
        while (!numbered_begin(numbered, *now, &capacity)) {
            *now += 1000;
            assert_int_equal(numbered_expire(numbered, *now), 0);
        }
        const uint8_t *data = numbered_send(numbered, i, 10, *now, &size);
        assert_non_null(varint_get(data + 1, data + size, &number));
        if (i == 0)
            *ret_first = number;
        *ret_last = number;
    }
}

static size_t put_ack(uint8_t *at, uint64_t last, uint64_t length)
{
    uint8_t *end = at;

    *end++ = 0x04;
    end = varint_put(end, last);
    end = varint_put(end, 0);
    end = varint_put(end, 0);
    end = varint_put(end, length);
    return (size_t)(end - at);
}

/* Who acknowledges what was never sent is caught: beyond the last number at once, blindly in between since some numbers
 * are left out. */
static void optimists_are_caught(void **state)
{
    unsigned caught = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct numbered *numbered = make(seed);
        uint64_t first = 0, last = 0;
        int64_t now = 1;
        uint8_t ack[64];

        send_some(numbered, 5, &now, &first, &last);
        assert_int_equal(receive(numbered, ack, put_ack(ack, last + 400, 0), now), -HAWSER_EPROTOCOL);
        assert_false(numbered_heard(numbered));
        /* Acknowledges all numbers, one range after another, while 400 datagrams leave. */
        int r = 0;
        for (int i = 0; i < 100 && r == 0; i++) {
            uint64_t next;
            send_some(numbered, 4, &now, &next, &last);
            r = receive(numbered, ack, put_ack(ack, last, last - first), now + 5000);
        }
        if (r == -HAWSER_EPROTOCOL)
            caught++;
        numbered_free(numbered);
    }
    assert_true(caught >= 45);
}

/* A receiver that forgoes acknowledging holds neither memory without bound nor the rate. */
static void silence_bounds_what_is_under_way(void **state)
{
    struct numbered *numbered = make(3);
    size_t capacity;
    int64_t now = 1;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        if (numbered_begin(numbered, now, &capacity)) {
            size_t size;
            numbered_send(numbered, (uint64_t)i, capacity, now, &size);
        } else {
            int64_t due = numbered_due(numbered);
            uint8_t buffer[1200];
            now = due > now ? due : now + 1;
            if (now >= NUMBERED_SILENCE)
                break;
            assert_int_equal(numbered_expire(numbered, now), 0);
            while (numbered_output(numbered, buffer, now) > 0)
                ;
        }
    }
    assert_true(numbered_flight(numbered) < 200);
    numbered_free(numbered);
}

/* Numbers in any pattern: what is remembered stays bounded, and no number is delivered twice. */
static void any_pattern_of_numbers_is_bounded(void **state)
{
    struct numbered *numbered = make(4);
    uint8_t *delivered = calloc(1, 100000);
    struct world draws;
    uint8_t answer[1200];

    (void)state;
    assert_non_null(delivered);
    world_init(&draws, 5, 0, 0, 0);
    for (int i = 0; i < 300000; i++) {
        uint64_t number = 2 * (uint64_t)(world_draw(&draws) * 49999);
        uint8_t data[32], *end = data;
        const uint8_t *unit;
        size_t size;

        *end++ = 0x09;
        end = varint_put(end, number);
        end = varint_put(end, i % 7 ? 0 : (uint64_t)(world_draw(&draws) * (double)number));
        end = varint_put(end, number);
        assert_int_equal(numbered_received(numbered, data, (size_t)(end - data), i, &unit, &size), 0);
        if (unit)
            assert_int_equal(delivered[number]++, 0);
        /* One answer at most, and none larger than what asked for it would be with its lower layers. */
        size = numbered_output(numbered, answer, i);
        if (size > 0) {
            assert_true(size <= 1200);
            assert_int_equal(numbered_output(numbered, answer, i), 0);
        }
    }
    free(delivered);
    numbered_free(numbered);
}

/* A first ping or what else one end has to say, into the other: how large it was. */
static size_t hand_over(struct numbered *from, struct numbered *to, int64_t now)
{
    uint8_t data[1200];
    size_t size = numbered_output(from, data, now);

    if (size > 0)
        assert_int_equal(receive(to, data, size, now), 0);
    return size;
}

/* In the clear anybody can write a number. Were it believed, all that the peer numbers would lie too far back. */
static void a_stranger_makes_nobody_deaf(void **state)
{
    struct numbered_config config = {.memory = &memory_malloc, .datagram_max = 1200, .rtt = 10000, .clear = true};
    struct numbered *ends[2];
    int64_t now = 1;
    unsigned came = 0;

    (void)state;
    for (uint64_t i = 0; i < 2; i++) {
        config.seed = 31 + i;
        assert_int_equal(numbered_new(&config, now, &ends[i]), 0);
    }
    for (int round = 0; round < 200; round++, now += 20000) {
        uint8_t forged[16] = {0x0b}, *end = varint_put(forged + 1, UINT64_C(1) << (62 - round % 60));
        size_t capacity, size;
        const uint8_t *unit = NULL, *data;

        end = varint_put(end, 0);
        /* Before they have heard each other it passes, and what the peer says afterwards counts. */
        (void)receive(ends[1], forged, (size_t)(end - forged) + 1, now);
        assert_int_equal(numbered_heard(ends[1]), round > 0);
        (void)receive(ends[0], forged, (size_t)(end - forged) + 1, now);
        if (round == 0) {
            numbered_ping(ends[0]);
            hand_over(ends[0], ends[1], now);
            (void)receive(ends[0], forged, (size_t)(end - forged) + 1, now);
            numbered_ping(ends[1]);
            hand_over(ends[1], ends[0], now + 5000);
            assert_true(numbered_heard(ends[0]));
            (void)receive(ends[1], forged, (size_t)(end - forged) + 1, now + 5000);
            numbered_ping(ends[0]);
            hand_over(ends[0], ends[1], now + 5000);
            assert_true(numbered_heard(ends[1]));
            continue;
        }
        assert_non_null(numbered_begin(ends[0], now, &capacity));
        data = numbered_send(ends[0], (uint64_t)round, 10, now, &size);
        assert_int_equal(numbered_received(ends[1], data, size, now, &unit, &size), 0);
        came += unit != NULL;
        now += NUMBERED_ACK_DELAY;
        (void)hand_over(ends[1], ends[0], now);
    }
    assert_int_equal(came, 199);
    assert_int_equal(numbered_counts(ends[0])->lost, 0);
    for (int i = 0; i < 2; i++)
        numbered_free(ends[i]);
}

/* No acknowledgement is hit by trying: neither by the greatest numbers that there are, nor by all below one. */
static void nobody_guesses_what_was_sent(void **state)
{
    struct numbered_config config = {.memory = &memory_malloc, .datagram_max = 1200, .rtt = 10000, .clear = true};
    struct world draws;
    unsigned wide = 0;

    (void)state;
    world_init(&draws, 12, 0, 0, 0);
    for (int i = 0; i < 100; i++) {
        struct numbered *numbered;
        uint64_t number = 0;
        uint8_t data[1200];

        config.seed = (uint64_t)i;
        assert_int_equal(numbered_new(&config, 1, &numbered), 0);
        numbered_ping(numbered);
        assert_true(numbered_output(numbered, data, 1) > 0);
        assert_non_null(varint_get(data + 1, data + 9, &number));
        wide += number >> 56 != 0;
        for (int k = 0; k < 1000; k++) {
            uint64_t last = (uint64_t)(world_draw(&draws) * 0x1p30) << (k % 32);
            (void)receive(numbered, data, put_ack(data, last, k % 2 ? last : 0), 2);
        }
        assert_false(numbered_heard(numbered));
        numbered_free(numbered);
    }
    assert_true(wide > 90);
}

/* Bytes at random, and true datagrams with a byte changed or an end cut off: an answer of ours or a code, and nothing
 * else. */
static void garbage_breaks_nothing(void **state)
{
    struct world draws;
    static const uint8_t malformed[][6] = {{0x00},       {0x20, 1, 0}, {0x08, 1},          {0x02, 1},
                                           {0x11, 1, 0}, {0x01, 1, 2}, {0x04, 1, 0, 0, 2}, {0x04, 1, 0, 1, 0, 0}};
    static const uint8_t sizes[] = {1, 3, 2, 2, 3, 3, 5, 6};

    (void)state;
    world_init(&draws, 6, 0, 0, 0);
    for (size_t i = 0; i < sizeof sizes; i++) {
        struct numbered *numbered = make(1);
        assert_int_equal(receive(numbered, malformed[i], sizes[i], 10), -HAWSER_EPROTOCOL);
        numbered_free(numbered);
    }
    for (int i = 0; i < 20000; i++) {
        struct numbered *numbered = make((uint64_t)i);
        uint8_t data[64];
        size_t size = (size_t)(world_draw(&draws) * sizeof data);
        for (int k = 0; k < 4; k++) {
            for (size_t j = 0; j < size; j++)
                data[j] = (uint8_t)(world_draw(&draws) * 256);
            data[0] &= 0x1f;
            int r = receive(numbered, data, size, i);
            assert_true(r == 0 || r == -HAWSER_EPROTOCOL);
        }
        numbered_free(numbered);
    }
    struct numbered *numbered = make(1);
    assert_int_equal(receive(numbered, "", 0, 1), -HAWSER_EPROTOCOL);
    numbered_free(numbered);
}

/* --------------------------------------------------------------------------------------------------- from outside */

static void see_size(struct world *world, unsigned from, const uint8_t *data, size_t size)
{
    unsigned *sizes = world->user;

    (void)from;
    (void)data;
    assert_true(size % 64 == 0 || size == 1200);
    sizes[size / 64]++;
}

/* The policy of docs/protocol.md: sizes are multiples of 64, or the greatest; an acknowledgement looks like the smallest
 * unit. */
static void sizes_are_padded(void **state)
{
    struct world *world = malloc(sizeof *world);
    unsigned sizes[32] = {0}, first, kinds = 0;

    (void)state;
    assert_non_null(world);
    world_init(world, 11, 0, 0, 5000);
    world->pad = 64;
    world->seen = see_size;
    world->user = sizes;
    first = world_add_numbered(world, 10000);
    world->links[0].loss = 0.05;
    world->ends[first].to_send = 400;
    world->ends[first].unit_size = 1190;
    world->ends[first + 1].to_send = 50;
    world->ends[first + 1].unit_size = 20;
    assert_true(world_settle(world, first, world->now + 60 * SECOND));
    for (unsigned i = 0; i < 32; i++)
        kinds += sizes[i] > 0;
    assert_true(kinds > 10);
    assert_true(sizes[1] > 50);
    world_free(world);
    free(world);
}

/* Whether a path carries a size is found by a ping that has it, and its loss is no sign of congestion. */
static void a_size_is_probed(void **state)
{
    struct numbered *a = make(21), *b = make(22);
    uint8_t buffer[1500], answer[1200];
    size_t size;
    bool passed;
    int64_t now = 10;
    double before;

    (void)state;
    numbered_probe_size(a, 1452);
    assert_true(numbered_due(a) <= now);
    size = numbered_output(a, buffer, now);
    assert_int_equal(size, 1452);
    assert_false(numbered_probed(a, &size, &passed));
    assert_int_equal(receive(b, buffer, 1452, now), 0);
    size = numbered_output(b, answer, now);
    assert_true(size > 0);
    assert_int_equal(receive(a, answer, size, now + 10000), 0);
    assert_true(numbered_probed(a, &size, &passed));
    assert_true(passed && size == 1452);
    /* Another one, which gets lost. */
    before = numbered_rate(a)->loss;
    numbered_probe_size(a, 1480);
    assert_int_equal(numbered_output(a, buffer, now + 20000), 1480);
    numbered_ping(a);
    size = numbered_output(a, buffer, now + 40000);
    assert_int_equal(receive(b, buffer, size, now + 45000), 0);
    size = numbered_output(b, answer, now + 45000);
    assert_int_equal(receive(a, answer, size, now + 50000), 0);
    assert_true(numbered_probed(a, &size, &passed));
    assert_true(!passed && size == 1480);
    assert_true(numbered_rate(a)->loss == before && numbered_counts(a)->lost == 0);
    numbered_free(a);
    numbered_free(b);
}

struct stingy {
    struct memory memory;
    unsigned allowed;
};

static void *stingy_allocate(const struct memory *memory, size_t size)
{
    struct stingy *stingy = (struct stingy *)(void *)(uintptr_t)memory;

    return stingy->allowed > 0 && stingy->allowed-- ? malloc(size) : NULL;
}

static void stingy_release(const struct memory *memory, void *block, size_t size)
{
    (void)memory;
    (void)size;
    free(block);
}

/* Without memory there is no room, or nothing came; nothing breaks. */
static void without_memory_it_waits(void **state)
{
    (void)state;
    for (unsigned allowed = 0; allowed < 8; allowed++) {
        struct stingy stingy = {{stingy_allocate, stingy_release}, allowed};
        struct numbered_config config = {.memory = &stingy.memory, .datagram_max = 1200, .seed = 1, .rtt = 1000};
        struct numbered *numbered;
        size_t capacity, size;
        static const uint8_t came[] = {0x0b, 5, 0, 'x'};

        if (numbered_new(&config, 1, &numbered) < 0)
            continue;
        for (int64_t now = 1; now < 50; now++)
            if (numbered_begin(numbered, now * 1000, &capacity))
                numbered_send(numbered, (uint64_t)now, 8, now * 1000, &size);
        assert_int_equal(receive(numbered, came, sizeof came, 100000), 0);
        numbered_free(numbered);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fates_are_true),
        cmocka_unit_test(a_clean_way_loses_nothing),
        cmocka_unit_test(a_lost_tail_is_found_soon),
        cmocka_unit_test(a_dead_peer_is_told),
        cmocka_unit_test(a_doubt_is_settled_soon),
        cmocka_unit_test(optimists_are_caught),
        cmocka_unit_test(silence_bounds_what_is_under_way),
        cmocka_unit_test(any_pattern_of_numbers_is_bounded),
        cmocka_unit_test(a_stranger_makes_nobody_deaf),
        cmocka_unit_test(nobody_guesses_what_was_sent),
        cmocka_unit_test(garbage_breaks_nothing),
        cmocka_unit_test(sizes_are_padded),
        cmocka_unit_test(a_size_is_probed),
        cmocka_unit_test(without_memory_it_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
