/* SPDX-License-Identifier: Apache-2.0 */
/* SCTP's messages: boundaries, order and reliability over a bad wire, and how an association begins and ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sctp_pair.h"

/* ------------------------------------------------------------------------------------------------- messages */

static const size_t sizes[] = {0,    1,     2,     999,   1147,   1148,    1149,    1200,
                               4096, 16384, 16385, 65536, 300000, 1048575, 1048576, 0};
#define SIZES (sizeof sizes / sizeof *sizes)

struct run {
    struct pair pair;
    unsigned sent[2], wanted, number;
    bool varied; /* of sizes[]; else of up to 3,000 bytes */
};

static size_t size_of(const struct run *run, unsigned i)
{
    return run->varied ? sizes[i % SIZES] : (i * 7919) % 3000;
}

static uint8_t byte_of(unsigned message, size_t i)
{
    return (uint8_t)(message * 31 + i * 7 + (i >> 8));
}

static void message_came(struct side *side, const uint8_t *data, size_t size)
{
    const struct run *run = side->user;
    unsigned message = side->received - 1;

    assert_int_equal(size, size_of(run, message)); /* whole, and in order */
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte_of(message, i))
            fail_msg("message %u differs at %zu", message, i);
}

static void push(struct run *run, int number)
{
    static uint8_t data[SCTP_MESSAGE_MAX];

    while (run->sent[number] < run->wanted) {
        size_t size = size_of(run, run->sent[number]);
        int r;
        for (size_t i = 0; i < size; i++)
            data[i] = byte_of(run->sent[number], i);
        r = side_send(&run->pair.side[number], data, size);
        if (r == -EAGAIN)
            return;
        assert_int_equal(r, 0);
        run->sent[number]++;
    }
}

static bool all_came(void *user)
{
    struct run *run = user;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(run->pair.side[i].error, 0);
        push(run, i);
    }
    return run->pair.side[0].received == run->wanted && run->pair.side[1].received == run->wanted;
}

static void run_messages(const struct wire_options *options, unsigned wanted, bool varied)
{
    hawser_context *context = pair_context();
    struct run *run = calloc(1, sizeof *run);

    assert_non_null(run);
    pair_open(&run->pair, context, options);
    run->wanted = wanted;
    run->varied = varied;
    for (int i = 0; i < 2; i++) {
        run->pair.side[i].user = run;
        run->pair.side[i].came = message_came;
    }
    pair_establish(&run->pair);
    assert_true(run_until(context, all_came, run));
    pair_close(&run->pair);
    free(run);
    hawser_context_unref(context);
}

static void sizes_from_0_to_1_mib(void **state)
{
    (void)state;
    run_messages(NULL, SIZES, true);
}

static void in_order_with_5_percent_lost(void **state)
{
    (void)state;
    run_messages(&(struct wire_options){.loss = 5, .delay = 2000, .seed = 1}, 300, false);
}

static void in_order_with_20_percent_lost(void **state)
{
    (void)state;
    run_messages(&(struct wire_options){.loss = 20, .delay = 1000, .seed = 2}, 60, false);
}

static void in_order_over_a_wire_that_reorders(void **state)
{
    (void)state;
    run_messages(&(struct wire_options){.delay = 1000, .jitter = 5000, .seed = 3}, 500, false);
}

static void in_order_over_a_wire_that_is_full(void **state)
{
    (void)state;
    run_messages(&(struct wire_options){.rate = 2000000, .queue = 8000, .seed = 4}, 500, false);
}

/* Copies that are cut short, changed, or come again say nothing. */
static void damage_and_repetition_do_no_harm(void **state)
{
    (void)state;
    run_messages(&(struct wire_options){.damage = 40, .duplicate = 40, .delay = 1000, .seed = 5}, 300, false);
}

static void the_smallest_datagrams_that_do(void **state)
{
    (void)state;
    run_messages(&(struct wire_options){.datagram = SCTP_PACKET_MIN}, 100, false);
}

/* ------------------------------------------------------------------------------------------------- what is refused */

static void too_large_is_refused_and_nothing_breaks(void **state)
{
    hawser_context *context = pair_context();
    struct pair pair;
    uint8_t *data = calloc(1, SCTP_MESSAGE_MAX + 1);

    (void)state;
    assert_non_null(data);
    pair_open(&pair, context, NULL);
    assert_int_equal(side_send(&pair.side[0], data, 1), -EAGAIN); /* not established */
    pair_establish(&pair);
    assert_int_equal(sctp_layer.datagram_max(pair.side[0].top), SCTP_MESSAGE_MAX);
    assert_int_equal(side_send(&pair.side[0], data, SCTP_MESSAGE_MAX + 1), -EMSGSIZE);
    assert_int_equal(side_send(&pair.side[0], data, 1), 0);
    pair_close(&pair);
    free(data);
    hawser_context_unref(context);
}

static void small_datagrams_cannot_carry_it(void **state)
{
    hawser_context *context = pair_context();
    struct pair pair;

    (void)state;
    pair_open(&pair, context, &(struct wire_options){.datagram = SCTP_PACKET_MIN - 1});
    assert_int_equal(pair.side[0].error, -EMSGSIZE);
    assert_string_equal(pair.side[0].reason, "datagrams of 523 bytes are too small for SCTP");
    pair_close(&pair);
    hawser_context_unref(context);
}

static void a_second_context_is_told_who_has_it(void **state)
{
    hawser_context *context = pair_context(), *other = pair_context();
    struct pair pair, second;

    (void)state;
    pair_open(&pair, context, NULL);
    pair_establish(&pair);
    pair_open(&second, other, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(second.side[i].error, -EBUSY);
        assert_string_equal(second.side[i].reason, "one context of a process has SCTP at a time (libusrsctp has one "
                                                   "stack), and another one has it now");
    }
    pair_close(&second);
    pair_close(&pair);
    pair_open(&second, other, NULL); /* and now it is free */
    pair_establish(&second);
    pair_close(&second);
    hawser_context_unref(context);
    hawser_context_unref(other);
}

/* ------------------------------------------------------------------------------------------------- ends */

static bool first_shut(void *user)
{
    struct pair *pair = user;

    return sctp_layer.shutdown(pair->side[0].top) == 0;
}

static bool second_shut(void *user)
{
    struct pair *pair = user;

    return sctp_layer.shutdown(pair->side[1].top) == 0;
}

static bool second_ended(void *user)
{
    return ((struct pair *)user)->side[1].ended;
}

static bool second_failed(void *user)
{
    return ((struct pair *)user)->side[1].error != 0;
}

static bool first_failed(void *user)
{
    return ((struct pair *)user)->side[0].error != 0;
}

/* By the opener, and by the acceptor: what was sent arrives before the end, over a wire that loses. */
static void an_orderly_end_loses_nothing(void **state)
{
    (void)state;
    for (int by = 0; by < 2; by++) {
        hawser_context *context = pair_context();
        struct pair pair;
        uint8_t data[1000] = {0};

        pair_open(&pair, context, &(struct wire_options){.loss = 10, .delay = 1000, .seed = 8});
        pair_establish(&pair);
        if (by == 1) { /* the same with the names changed */
            struct side swap = pair.side[0];
            pair.side[0] = pair.side[1];
            pair.side[1] = swap;
            for (int i = 0; i < 2; i++)
                pair.side[i].top->user = &pair.side[i];
        }
        for (int i = 0; i < 10; i++)
            assert_int_equal(side_send(&pair.side[0], data, sizeof data), 0);
        assert_int_equal(sctp_layer.shutdown(pair.side[0].top), -EAGAIN);
        assert_int_equal(side_send(&pair.side[0], data, 1), -EPIPE);
        assert_true(run_until(context, first_shut, &pair));
        assert_true(run_until(context, second_ended, &pair));
        assert_int_equal(pair.side[1].received, 10);
        assert_int_equal(pair.side[1].error, 0);
        assert_true(run_until(context, second_shut, &pair));
        pair_close(&pair);
        hawser_context_unref(context);
    }
}

static void who_is_destroyed_says_abort(void **state)
{
    hawser_context *context = pair_context();
    struct pair pair;

    (void)state;
    for (int by = 0; by < 2; by++) {
        pair_open(&pair, context, NULL);
        pair_establish(&pair);
        side_destroy(&pair.side[by]);
        assert_true(run_until(context, by ? first_failed : second_failed, &pair));
        assert_int_equal(pair.side[!by].error, -ECONNRESET);
        assert_non_null(strstr(pair.side[!by].reason, "the peer aborted the association"));
        pair_close(&pair);
    }
    hawser_context_unref(context);
}

/* Time passes faster than the clock's. */
static void run_fast(hawser_context *context, bool (*done)(void *user), void *user)
{
    for (int i = 0; i < 3000 && !done(user); i++) {
        usrsctp_handle_timers(100);
        run_for(context, 1000);
    }
    assert_true(done(user));
}

static bool on_timers(void *user)
{
    struct pair *pair = user;

    return pair->side[0].error != 0;
}

static void a_peer_that_is_gone_is_noticed(void **state)
{
    hawser_context *context = pair_context();
    struct pair pair;

    (void)state;
    pair_open(&pair, context, NULL);
    pair_establish(&pair);
    pair.cut = true;
    assert_int_equal(side_send(&pair.side[0], "x", 1), 0);
    run_fast(context, on_timers, &pair);
    assert_int_equal(pair.side[0].error, -ETIMEDOUT);
    assert_string_equal(pair.side[0].reason, "the peer acknowledges nothing any more");
    pair_close(&pair);
    hawser_context_unref(context);
}

static void nobody_answers(void **state)
{
    hawser_context *context = pair_context();
    struct pair pair;

    (void)state;
    pair_open(&pair, context, NULL);
    pair.cut = true;
    run_fast(context, on_timers, &pair);
    assert_int_equal(pair.side[0].error, -ETIMEDOUT);
    assert_string_equal(pair.side[0].reason, "the peer does not answer INIT");
    pair_close(&pair);
    hawser_context_unref(context);
}

/* ------------------------------------------------------------------------------------------------- strangers */

/* Whatever comes before, between and after the packets of an association: it is passed over. */
static void garbage_does_no_harm(void **state)
{
    hawser_context *context = pair_context();
    struct run *run = calloc(1, sizeof *run);
    uint8_t noise[1400];

    (void)state;
    assert_non_null(run);
    pair_open(&run->pair, context, &(struct wire_options){.seed = 11});
    run->wanted = 50;
    for (int i = 0; i < 2; i++) {
        run->pair.side[i].user = run;
        run->pair.side[i].came = message_came;
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3000; i++) {
            size_t size = wire_random(&run->pair) % sizeof noise;
            for (size_t j = 0; j < size; j++)
                noise[j] = (uint8_t)wire_random(&run->pair);
            if (i % 2 && size > 40) { /* so that it looks like one of ours */
                static const uint8_t types[] = {0, 1, 2, 3, 6, 7, 10, 64, 192, 194};
                noise[12] = types[(size_t)i % sizeof types];
                noise[14] = 0;
                noise[15] = (uint8_t)(4 + i % 40);
                memset(noise + 4, 0, i % 3 ? 4 : 0);
            }
            wire_inject(&run->pair, i % 2, noise, size);
        }
        pair_establish(&run->pair);
        assert_true(run_until(context, all_came, run));
        run->wanted += 50;
    }
    pair_close(&run->pair);
    free(run);
    hawser_context_unref(context);
}

/* ------------------------------------------------------------------------------------------------- many, and none */

#define MANY 100

struct many {
    struct pair pair[MANY];
};

static bool all_have_one(void *user)
{
    const struct many *many = user;

    for (int i = 0; i < MANY; i++)
        if (many->pair[i].side[0].received < 1 || many->pair[i].side[1].received < 1)
            return false;
    return true;
}

static void a_hundred_associations_leave_nothing(void **state)
{
    struct many *many = calloc(1, sizeof *many);
    unsigned descriptors = count_descriptors(), threads = count_threads();
    hawser_context *context = pair_context();

    (void)state;
    assert_non_null(many);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++)
            pair_open(&many->pair[i], context, &(struct wire_options){.loss = 2, .delay = 500, .seed = (uint64_t)i});
        for (int i = 0; i < MANY; i++)
            pair_establish(&many->pair[i]);
        assert_in_range(count_threads(), threads, threads + 1); /* usrsctp's one; when it starts again it has none */
        for (int i = 0; i < MANY; i++)
            for (int j = 0; j < 2; j++)
                assert_int_equal(side_send(&many->pair[i].side[j], &i, sizeof i), 0);
        assert_true(run_until(context, all_have_one, many));
        for (int i = 0; i < MANY; i++)
            pair_close(&many->pair[i]);
        assert_int_equal(count_threads(), threads);
    }
    hawser_context_unref(context);
    assert_int_equal(count_descriptors(), descriptors);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_from_0_to_1_mib),
        cmocka_unit_test(in_order_with_5_percent_lost),
        cmocka_unit_test(in_order_with_20_percent_lost),
        cmocka_unit_test(in_order_over_a_wire_that_reorders),
        cmocka_unit_test(in_order_over_a_wire_that_is_full),
        cmocka_unit_test(damage_and_repetition_do_no_harm),
        cmocka_unit_test(the_smallest_datagrams_that_do),
        cmocka_unit_test(too_large_is_refused_and_nothing_breaks),
        cmocka_unit_test(small_datagrams_cannot_carry_it),
        cmocka_unit_test(a_second_context_is_told_who_has_it),
        cmocka_unit_test(an_orderly_end_loses_nothing),
        cmocka_unit_test(who_is_destroyed_says_abort),
        cmocka_unit_test(a_peer_that_is_gone_is_noticed),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(garbage_does_no_harm),
        cmocka_unit_test(a_hundred_associations_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
