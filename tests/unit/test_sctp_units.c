/* SPDX-License-Identifier: Apache-2.0 */
/* SCTP's units: each arrives once or not at all, its fate is told once and is true, and what is urgent is not held up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sctp_pair.h"

#define NORMAL 100 /* the class of niceness 0 */

struct kind {
    unsigned count;
    size_t size; /* 0: of all sizes up to the largest */
    bool lossy;
    int64_t lifetime;
    int resends;
};

struct run {
    struct pair pair;
    struct kind kind;
    uint8_t came[PAIR_UNITS_MAX];
    unsigned twice;
    uint64_t order[PAIR_UNITS_MAX];
};

static void unit_came(struct side *side, const uint8_t *data, size_t size)
{
    struct run *run = side->user;
    uint64_t number;

    assert_true(size >= sizeof number);
    memcpy(&number, data, sizeof number);
    assert_true(number < PAIR_UNITS_MAX);
    for (size_t i = sizeof number; i < size; i++)
        assert_int_equal(data[i], number & 0xff);
    if (run->came[number])
        run->twice++;
    run->came[number] = 1;
    run->order[side->received - 1] = number;
}

static struct run *run_open(hawser_context *context, const struct wire_options *options)
{
    struct run *run = calloc(1, sizeof *run);

    assert_non_null(run);
    pair_open(&run->pair, context, options);
    for (int i = 0; i < 2; i++) {
        run->pair.side[i].units = true;
        run->pair.side[i].user = run;
        run->pair.side[i].came = unit_came;
    }
    pair_establish(&run->pair);
    return run;
}

static void run_close(struct run *run)
{
    hawser_context *context = run->pair.context;

    pair_close(&run->pair);
    free(run);
    hawser_context_unref(context);
}

static size_t size_of(const struct kind *kind, uint64_t number)
{
    return kind->size ? kind->size : 8 + number * 2551 % (SCTP_UNIT - 7);
}

static bool all_told(void *user)
{
    struct run *run = user;
    struct side *side = &run->pair.side[0];
    const struct kind *kind = &run->kind;

    assert_int_equal(side->error, 0);
    while (side->next < kind->count && side_send_unit(side, size_of(kind, side->next), kind->lossy,
                                                      (uint8_t)(side->next % 256), kind->lifetime, kind->resends))
        ;
    return side->acked + side->lost == kind->count;
}

/* Every fate once, acked only what came; the others may have come all the same (the last acknowledgement was lost). */
static struct run *run_kind(const struct wire_options *options, const struct kind *kind)
{
    struct run *run = run_open(pair_context(), options);
    const struct side *side = &run->pair.side[0];

    run->kind = *kind;
    assert_true(run_until(run->pair.context, all_told, run));
    assert_int_equal(side->twice, 0);
    assert_int_equal(run->twice, 0);
    for (unsigned i = 0; i < kind->count; i++)
        if (side->fates[i] == 2)
            assert_true(run->came[i]);
    return run;
}

static unsigned all_acked(const struct wire_options *options, const struct kind *kind)
{
    struct run *run = run_kind(options, kind);
    unsigned passed = run->pair.passed;

    assert_int_equal(run->pair.side[0].acked, kind->count);
    assert_int_equal(run->pair.side[1].received, kind->count);
    run_close(run);
    return passed;
}

static void every_unit_comes_and_is_acked(void **state)
{
    (void)state;
    all_acked(NULL, &(struct kind){.count = 1000, .resends = -1});
    all_acked(NULL, &(struct kind){.count = 4000, .size = 100, .resends = -1});
}

static void also_when_packets_are_lost(void **state)
{
    (void)state;
    for (unsigned loss = 5; loss <= 20; loss += 5)
        all_acked(&(struct wire_options){.loss = loss, .delay = 1000, .seed = loss},
                  &(struct kind){.count = 40, .size = 3000, .resends = -1});
}

static void also_when_packets_are_reordered_damaged_and_repeated(void **state)
{
    (void)state;
    all_acked(&(struct wire_options){.delay = 1000, .jitter = 4000, .damage = 20, .duplicate = 20, .seed = 3},
              &(struct kind){.count = 300, .resends = -1});
}

/* Where the layer below takes no more, nothing is lost or forgotten. */
static void also_when_the_wire_is_full(void **state)
{
    (void)state;
    all_acked(&(struct wire_options){.rate = 4000000, .queue = 4000, .seed = 4},
              &(struct kind){.count = 200, .resends = -1});
}

/* ------------------------------------------------------------------------------------------------- partial reliability */

struct share {
    unsigned came, lost, passed;
};

static struct share share_of(unsigned loss, const struct kind *kind)
{
    struct run *run = run_kind(&(struct wire_options){.loss = loss, .delay = 5000, .seed = 77}, kind);
    struct share share = {run->pair.side[1].received, run->pair.side[0].lost, run->pair.passed};

    run_close(run);
    return share;
}

/* RFC 7496's limited retransmissions: none, one, any number, in that order, and without loss all of them. */
static void resends_limit_what_is_sent_again(void **state)
{
    struct kind kind = {.count = 300, .size = 1000, .lossy = true};
    struct share never, once, always;

    (void)state;
    kind.resends = 0;
    never = share_of(20, &kind);
    kind.resends = 1;
    once = share_of(20, &kind);
    kind.lossy = false;
    kind.resends = -1;
    always = share_of(20, &kind);
    assert_in_range(never.came, 190, 285);
    assert_in_range(never.lost, 15, 110);
    assert_true(once.came > never.came && once.lost < never.lost && once.lost > 0);
    assert_int_equal(always.came, 300);
    assert_int_equal(always.lost, 0);
    kind.lossy = true;
    kind.resends = 0;
    assert_int_equal(share_of(0, &kind).came, 300);
    kind.resends = -1; /* "not sent again" is what lossy means */
    assert_true(share_of(20, &kind).lost > 0);
}

/* RFC 3758's lifetime: what is lost on the way is not sent again after it. */
static void a_lifetime_ends_sending_again(void **state)
{
    const struct kind kind = {.count = 150, .size = 1000, .lifetime = 40000, .resends = -1};
    struct run *run = run_kind(&(struct wire_options){.loss = 20, .delay = 1000, .seed = 9}, &kind);

    (void)state;
    assert_in_range(run->pair.side[0].lost, 1, 140);
    run_close(run);
}

static void no_policy_is_no_lifetime(void **state)
{
    (void)state;
    all_acked(&(struct wire_options){.rate = 30000, .delay = 20000},
              &(struct kind){.count = 60, .size = 1000, .resends = -1});
}

static void lossy_units_fit_one_packet(void **state)
{
    struct run *run = run_open(pair_context(), NULL);
    struct side *side = &run->pair.side[0];
    size_t capacity, max = sctp_units.lossy_max(side->top);
    unsigned before = run->pair.passed;

    (void)state;
    assert_true(max >= 1000);
    assert_non_null(sctp_units.begin(side->top, true, &capacity));
    assert_int_equal(capacity, max);
    assert_true(side_send_unit(side, max, true, NORMAL, 0, 0));
    run->kind.count = 1;
    assert_true(run_until(run->pair.context, all_told, run));
    assert_in_range(run->pair.passed - before, 2, 3); /* itself, its SACK, and perhaps what confirms the handshake */
    run_close(run);
}

/* ------------------------------------------------------------------------------------------------- order */

/* As side_send_unit() where begin() would not give room, so that something waits in SCTP. */
static void side_force_unit(struct side *side, size_t size, uint8_t class)
{
    struct layer_unit_out unit = {.number = side->next++, .size = size, .class = class, .resends = -1};
    uint8_t *at = sctp_engine_buffer();

    memset(at, (int)(unit.number & 0xff), size);
    memcpy(at, &unit.number, sizeof unit.number);
    assert_int_equal(sctp_units.send(side->top, &unit), 0);
    assert_int_equal(sctp_units.flush(side->top), 0);
}

/* While a large unit is being sent, a small urgent one goes between its packets (RFC 8260), and arrives first. */
static void the_urgent_overtakes_the_large(void **state)
{
    struct run *run = run_open(pair_context(), &(struct wire_options){.rate = 200000, .delay = 1000});
    struct side *side = &run->pair.side[0];

    (void)state;
    assert_true(sctp_of(side->top)->interleaves);
    side_force_unit(side, SCTP_UNIT, 200);
    side_force_unit(side, 16, 0);
    run->kind.count = 2;
    assert_true(run_until(run->pair.context, all_told, run));
    assert_int_equal(side->acked, 2);
    assert_int_equal(run->order[0], 1);
    assert_int_equal(run->order[1], 0);
    run_close(run);
}

/* Of what waits, the band of niceness says which is next. */
static void bands_of_niceness_go_in_their_order(void **state)
{
    struct run *run = run_open(pair_context(), &(struct wire_options){.rate = 50000, .delay = 1000});
    struct side *side = &run->pair.side[0];
    static const uint8_t classes[] = {255, 255, 160, 100, 31, 0};
    unsigned at[6] = {0};

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        side_force_unit(side, i ? 1100 : SCTP_UNIT, classes[i]); /* the first one more than fills the window */
    run->kind.count = 6;
    assert_true(run_until(run->pair.context, all_told, run));
    for (unsigned i = 0; i < 6; i++)
        at[run->order[i]] = i;
    assert_true(at[5] < at[4] && at[4] < at[3] && at[3] < at[2] && at[2] < at[1]);
    run_close(run);
}

/* No more than a little is out of reach of niceness: the room ends, and is told again. */
static void units_are_bound_late(void **state)
{
    struct run *run = run_open(pair_context(), &(struct wire_options){.rate = 100000, .delay = 1000});
    struct side *side = &run->pair.side[0];
    unsigned writable, count = 0;

    (void)state;
    while (side_send_unit(side, 1000, false, NORMAL, 0, -1))
        count++;
    assert_in_range(count, 8, 13); /* what the first window takes: ten packets */
    writable = side->writable;
    run->kind = (struct kind){.count = count + 100, .size = 1000, .resends = -1};
    assert_true(run_until(run->pair.context, all_told, run));
    assert_true(side->writable > writable);
    run_close(run);
}

/* ------------------------------------------------------------------------------------------------- ends */

static bool other_failed(void *user)
{
    return ((struct run *)user)->pair.side[1].error != 0;
}

static bool other_ended(void *user)
{
    struct run *run = user;

    return sctp_layer.shutdown(run->pair.side[0].top) == 0 && run->pair.side[1].ended;
}

static void an_end_after_the_last_unit_is_clean(void **state)
{
    struct run *run = run_kind(&(struct wire_options){.loss = 10, .delay = 1000, .seed = 6},
                               &(struct kind){.count = 20, .resends = -1});
    size_t capacity;

    (void)state;
    (void)sctp_layer.shutdown(run->pair.side[0].top);
    assert_null(sctp_units.begin(run->pair.side[0].top, false, &capacity));
    assert_true(run_until(run->pair.context, other_ended, run));
    assert_int_equal(run->pair.side[1].error, 0);
    run_close(run);
}

static void an_abort_is_told(void **state)
{
    struct run *run = run_open(pair_context(), NULL);
    size_t capacity;

    (void)state;
    assert_true(side_send_unit(&run->pair.side[1], 1000, false, NORMAL, 0, -1));
    side_destroy(&run->pair.side[0]);
    assert_true(run_until(run->pair.context, other_failed, run));
    assert_int_equal(run->pair.side[1].error, -ECONNRESET);
    assert_null(sctp_units.begin(run->pair.side[1].top, false, &capacity));
    assert_int_equal(sctp_units.flush(run->pair.side[1].top), -ECONNRESET);
    run_close(run);
}

static void what_the_stack_knows_of_the_link(void **state)
{
    struct run *run = run_open(pair_context(), &(struct wire_options){.delay = 30000});
    struct layer_link link;

    (void)state;
    run->kind = (struct kind){.count = 50, .size = 1000, .resends = -1};
    assert_true(run_until(run->pair.context, all_told, run));
    layer_link(run->pair.side[0].top, &link);
    assert_in_range(link.rtt_us, 50000, 400000);
    assert_int_equal(link.mtu, SCTP_PACKET_MAX);
    assert_true(link.congestion_window >= 4 * SCTP_PACKET_MAX);
    assert_int_equal(link.unsent, 0);
    run_close(run);
}

/* ------------------------------------------------------------------------------------------------- acknowledgements */

static void put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

#define TSN 1000u

/* One chunk a unit, from TSN on. */
static void chunk_leaves(struct sctp_fates *fates, uint32_t number)
{
    uint8_t packet[SCTP_HEAD + 20] = {0}, *chunk = packet + SCTP_HEAD;

    assert_int_equal(sctp_fates_unit(fates, number, 4), 0);
    chunk[1] = 3; /* DATA, all of a message */
    chunk[3] = 20;
    put32(chunk + 4, TSN + number);
    put32(chunk + 12, number); /* the payload protocol id names the unit */
    sctp_fates_out(fates, packet, sizeof packet, true);
}

/* All up to `cumulative`, and the ranges behind it. */
static void sack_comes(struct sctp_fates *fates, uint32_t cumulative, const uint16_t (*gaps)[2], unsigned count)
{
    static uint8_t packet[SCTP_HEAD + 16 + 4 * 10000];
    uint8_t *chunk = packet + SCTP_HEAD;
    size_t size = 16 + 4 * count;
    uint32_t sum;

    memset(packet, 0, sizeof packet);
    chunk[0] = 3;
    chunk[2] = (uint8_t)(size >> 8);
    chunk[3] = (uint8_t)size;
    put32(chunk + 4, cumulative);
    chunk[12] = (uint8_t)(count >> 8);
    chunk[13] = (uint8_t)count;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < 2; k++) {
            chunk[16 + 4 * i + 2 * k] = (uint8_t)(gaps[i][k] >> 8);
            chunk[17 + 4 * i + 2 * k] = (uint8_t)gaps[i][k];
        }
    sum = usrsctp_crc32c(packet, SCTP_HEAD + size);
    memcpy(packet + 8, &sum, 4);
    sctp_fates_in(fates, packet, SCTP_HEAD + size);
}

static unsigned fates_told(struct sctp_fates *fates)
{
    struct layer_fate fate;
    unsigned count = 0;

    while (sctp_fates_take(fates, &fate))
        count += fate.acked;
    return count;
}

/* All the ranges of one SACK together are no more than what is under way: what repeats itself is a lie, or would cost us its
 * length for each four bytes of it. */
static void ranges_cost_no_more_than_what_is_under_way(void **state)
{
    static const uint16_t honest[][2] = {{2, 4}, {6, 6}, {8, 20}};
    static uint16_t repeated[10000][2];
    struct sctp_fates fates = {0};

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        chunk_leaves(&fates, i);
    sack_comes(&fates, TSN + 9, honest, 3);
    assert_int_equal(fates_told(&fates), 10 + 3 + 1 + 13);
    /* Of 90 under way: 50, and 50 again, and what comes behind them. */
    memcpy(repeated, (uint16_t[][2]){{30, 79}, {30, 79}, {85, 85}}, 12);
    sack_comes(&fates, TSN + 9, repeated, 3);
    assert_int_equal(fates_told(&fates), 50);
    for (unsigned i = 0; i < 9999; i++) {
        repeated[i][0] = 30;
        repeated[i][1] = 79;
    }
    repeated[9999][0] = repeated[9999][1] = 85;
    sack_comes(&fates, TSN + 9, repeated, 10000);
    assert_int_equal(fates_told(&fates), 0);
    sack_comes(&fates, TSN + 99, NULL, 0);
    assert_int_equal(fates_told(&fates), 100 - 27 - 50);
    sctp_fates_free(&fates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_comes_and_is_acked),
        cmocka_unit_test(also_when_packets_are_lost),
        cmocka_unit_test(also_when_packets_are_reordered_damaged_and_repeated),
        cmocka_unit_test(also_when_the_wire_is_full),
        cmocka_unit_test(resends_limit_what_is_sent_again),
        cmocka_unit_test(a_lifetime_ends_sending_again),
        cmocka_unit_test(no_policy_is_no_lifetime),
        cmocka_unit_test(lossy_units_fit_one_packet),
        cmocka_unit_test(the_urgent_overtakes_the_large),
        cmocka_unit_test(bands_of_niceness_go_in_their_order),
        cmocka_unit_test(units_are_bound_late),
        cmocka_unit_test(an_end_after_the_last_unit_is_clean),
        cmocka_unit_test(an_abort_is_told),
        cmocka_unit_test(ranges_cost_no_more_than_what_is_under_way),
        cmocka_unit_test(what_the_stack_knows_of_the_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
