/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that need not come, what is told of them, marks, send times and paces (docs/protocol.md section 11). */
#include "unit_world.h"

static const struct session_units lossy_units = {.lossy_max = 1200};
static const struct session_units giving_units = {.gives_up = true};
static const struct session_units plain_units = {0};

static int up(void **state)
{
    (void)state;
    world_up(&lossy_units);
    return 0;
}

static int up_giving(void **state)
{
    (void)state;
    world_up(&giving_units);
    return 0;
}

static int up_plain(void **state)
{
    (void)state;
    world_up(&plain_units);
    return 0;
}

static uint64_t send_lossy(size_t size, enum session_reliability reliability, unsigned resends, uint32_t probability)
{
    struct session_send send = {.data = world_payload,
                                .size = size,
                                .reliability = reliability,
                                .resends = resends,
                                .probability = probability};
    for (size_t i = 0; i < size; i++)
        world_payload[i] = (uint8_t)(i * 7 + i / 251);
    return send_from(A, &send);
}

static bool lose_lossy(struct world_end *from, struct unit *unit)
{
    (void)from;
    return unit->lossy;
}

/* ---- what is refused at once */

static void impossible_reliabilities_are_refused(void **state)
{
    (void)state;
    const struct session_send wrong[] = {
        {.reliability = SESSION_UNTIL_LIFETIME},
        {.reliability = SESSION_RESENDS, .resends = SESSION_RESENDS_MAX + 1},
        {.resends = 1},
        {.reliability = SESSION_PROBABILITY},
        {.reliability = SESSION_PROBABILITY, .probability = SESSION_CERTAIN + 1},
        {.probability = 1},
        {.reliability = (enum session_reliability)(SESSION_PROBABILITY + 1)},
        {.send_time = -1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(session_send(A->session, &wrong[i], world->now, NULL), -EINVAL);
    struct session_send many = {.marks.coordinate_count = SESSION_COORDINATES_MAX + 1};
    assert_int_equal(session_send(A->session, &many, world->now, NULL), -E2BIG);
    uint64_t id = send_bytes(A, 1);
    assert_int_equal(id, 1); /* none of them took an id */
}

/* ---- resends */

static void a_part_is_sent_again_as_often_as_asked(void **state)
{
    (void)state;
    for (unsigned resends = 0; resends < 4; resends++) {
        forget_units();
        size_t expired = A->expired;
        send_lossy(100, SESSION_RESENDS, resends, 0);
        run(1200, lose_lossy);
        size_t count = 0;
        for (size_t i = 0; i < A->unit_count; i++)
            count += A->units[i].lossy;
        assert_int_equal(count, 1 + resends);
        assert_int_equal(A->expired, expired + 1);
        assert_int_equal(A->last_code, -HAWSER_EGIVENUP);
    }
    assert_int_equal(B->messages, 0);
}

static size_t lose_first_of;
static bool lose_every_third(struct world_end *from, struct unit *unit)
{
    return from->index == 0 && unit->lossy && unit->number % 3 == 1;
}

static void a_message_in_order_is_lost_with_any_of_it(void **state)
{
    (void)state;
    send_lossy(10000, SESSION_RESENDS, 0, 0);
    run(1200, lose_every_third);
    assert_int_equal(B->messages, 0);
    assert_int_equal(B->arriving, 1); /* below 64 KiB, but in several frames */
    assert_int_equal(B->abandoned, 1);
    assert_int_equal(A->expired, 1);
}

static void with_gaps_every_part_that_came_is_handed_over(void **state)
{
    (void)state;
    B->take = SESSION_TAKE_GAPS;
    send_lossy(30000, SESSION_RESENDS, 0, 0);
    run(1200, lose_every_third);
    assert_int_equal(B->gaps_told, 1);
    assert_int_equal(A->partial, 1);
    assert_int_equal(A->last_missing, B->missing);
    assert_int_equal(B->part_bytes + B->missing, 30000);
    assert_true(B->gap_count > 3 && B->missing > 3000);
    uint64_t at = 0, missing = 0;
    for (size_t i = 0; i < B->gap_count; i++) { /* what is between them is right */
        assert_true(B->gaps[i].offset > at || (at == 0 && B->gaps[i].offset == 0));
        assert_memory_equal(B->data + at, world_payload + at, B->gaps[i].offset - at);
        at = B->gaps[i].offset + B->gaps[i].size;
        missing += B->gaps[i].size;
    }
    assert_memory_equal(B->data + at, world_payload + at, 30000 - at);
    assert_int_equal(missing, B->missing);
    assert_int_equal(A->acked + A->expired + A->failed, 0);
}

static bool lose_one_lossy(struct world_end *from, struct unit *unit)
{
    (void)from;
    return unit->lossy && lose_first_of && lose_first_of--;
}

static void without_its_opening_the_rest_is_not_lost(void **state)
{
    (void)state;
    B->take = SESSION_TAKE_GAPS;
    lose_first_of = 1;
    send_lossy(5000, SESSION_RESENDS, 0, 0);
    run(1200, lose_one_lossy);
    assert_int_equal(A->partial, 1);
    assert_int_equal(B->gap_count, 1);
    assert_int_equal(B->gaps[0].offset, 0);
    assert_int_equal(B->part_bytes, 5000 - B->missing);
}

static void nothing_missing_is_delivered_also_with_gaps(void **state)
{
    (void)state;
    B->take = SESSION_TAKE_GAPS;
    send_lossy(20000, SESSION_RESENDS, 0, 0);
    run(1200, NULL);
    assert_int_equal(B->gaps_told, 1);
    assert_int_equal(B->gap_count, 0);
    assert_int_equal(A->acked, 1);
    assert_memory_equal(B->data, world_payload, 20000);
}

static void a_large_message_with_gaps_is_not_held_up_by_them(void **state)
{
    (void)state;
    B->take = SESSION_TAKE_GAPS;
    struct session_send send = {.data = world_payload, .size = sizeof world_payload, .reliability = SESSION_RESENDS};
    send_from(A, &send);
    run(1200, lose_every_third);
    assert_int_equal(A->partial, 1);
    assert_int_equal(B->part_bytes + B->missing, sizeof world_payload);
    assert_true(B->part_bytes > sizeof world_payload / 2);
}

static void what_comes_during_a_pause_is_kept(void **state)
{
    (void)state;
    B->take = SESSION_TAKE_GAPS;
    session_pause(B->session);
    send_lossy(30000, SESSION_RESENDS, 0, 0);
    run(1200, lose_every_third);
    assert_int_equal(B->parts, 0);
    session_resume(B->session, world->now);
    run(1200, NULL);
    assert_int_equal(B->gaps_told, 1);
    assert_int_equal(B->part_bytes + B->missing, 30000);
    assert_true(B->part_bytes > 15000);
    assert_int_equal(A->partial, 1);
}

/* ---- probabilities */

static uint64_t lottery;
static bool lose_a_tenth(struct world_end *from, struct unit *unit)
{
    lottery = lottery * UINT64_C(6364136223846793005) + 1442695040888963407;
    return from->index == 0 && unit->lossy && (lottery >> 33) % 10 == 0;
}

/* Bytes of lossy units for many messages, and how many came. */
static size_t many(enum session_reliability reliability, uint32_t probability, size_t *ret_came)
{
    size_t bytes = 0, before = B->messages;
    lottery = 1;
    for (unsigned i = 0; i < 2000; i++) {
        send_lossy(500, reliability, reliability == SESSION_RESENDS ? 255 : 0, probability);
        if (i % 50 == 49) {
            run(1200, lose_a_tenth);
            for (size_t k = 0; k < A->unit_count; k++)
                bytes += A->units[k].lossy ? A->units[k].size : 0;
            forget_units();
            if (reliability == SESSION_PROBABILITY) /* at every moment */
                assert_true(A->acked * 1000 >= (A->acked + A->expired) * 950);
        }
    }
    *ret_came = B->messages - before;
    return bytes;
}

static void a_share_comes_for_fewer_bytes_than_all(void **state)
{
    (void)state;
    size_t came, all;
    size_t bytes = many(SESSION_PROBABILITY, 950000, &came);
    size_t bytes_of_all = many(SESSION_RESENDS, 0, &all);
    assert_int_equal(all, 2000);
    assert_true(came >= 1900 && came < 1950); /* no less than asked for, and no more than that takes */
    assert_true(bytes < bytes_of_all * 97 / 100);
    assert_true(bytes_of_all > 2000 * 500 * 11 / 10);
}

static void the_first_messages_are_not_given_up(void **state)
{
    (void)state;
    lose_first_of = 3;
    send_lossy(100, SESSION_PROBABILITY, 0, 950000);
    run(1200, lose_one_lossy);
    assert_int_equal(B->messages, 1); /* 0 of 1 would be below the share */
    assert_int_equal(A->acked, 1);
}

/* ---- until its lifetime */

static void what_came_until_its_lifetime_counts(void **state)
{
    (void)state;
    B->take = SESSION_TAKE_GAPS;
    struct session_send send = {
        .data = world_payload, .size = 30000, .reliability = SESSION_UNTIL_LIFETIME, .lifetime = 100 * MILLISECOND};
    send_from(A, &send);
    size_t count = pull(A, 1200);
    for (size_t i = 0; i < count / 2; i++)
        deliver(A, i);
    for (size_t i = count / 2; i < count; i++)
        A->units[i].gone = true; /* nothing is known of these */
    world->now += 150 * MILLISECOND;
    session_tick(A->session, world->now);
    run(1200, NULL);
    assert_int_equal(A->partial, 1);
    assert_true(B->missing > 10000 && B->missing < 20000);
    assert_int_equal(A->useless > 0, true);
}

/* ---- where the layers have no lossy units */

static void where_the_layers_give_up_a_message_has_its_units_alone(void **state)
{
    (void)state;
    send_bytes(A, 10);
    struct session_send send = {
        .data = world_payload, .size = 100, .reliability = SESSION_UNTIL_LIFETIME, .lifetime = SECOND};
    send_from(A, &send);
    send_lossy(100, SESSION_RESENDS, 2, 0);
    send_bytes(A, 10);
    pull(A, 1200);
    size_t alone = 0, until = 0;
    for (size_t i = 0; i < A->unit_count; i++) {
        assert_false(A->units[i].lossy);
        alone += A->units[i].resends == 0;
        until += A->units[i].lifetime == SECOND && A->units[i].resends == -1;
    }
    assert_int_equal(alone, 1);
    assert_int_equal(until, 1);
    run(1200, NULL);
    assert_int_equal(A->acked, 4);
}

static void where_everything_comes_lossy_messages_do_too(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        send_lossy(3000, SESSION_PROBABILITY, 0, 500000);
    pull(A, 1200);
    for (size_t i = 0; i < A->unit_count; i++)
        assert_true(!A->units[i].lossy && A->units[i].resends == -1);
    run(1200, NULL);
    assert_int_equal(A->acked, 50);
}

/* ---- marks */

static void marks_come_first_and_unchanged(void **state)
{
    (void)state;
    struct session_send send = {.data = "x",
                                .size = 1,
                                .marks = {.timestamp = INT64_MIN,
                                          .has_timestamp = true,
                                          .coordinate_count = 4,
                                          .coordinates = {0, 1, 70000, UINT32_MAX}}};
    send_from(A, &send);
    run(1200, NULL);
    assert_int_equal(B->offered, 1);
    assert_int_equal(B->messages, 1);
    assert_int_equal(B->marks.timestamp, INT64_MIN);
    assert_int_equal(B->marks.coordinate_count, 4);
    assert_int_equal(B->marks.coordinates[3], UINT32_MAX);
    assert_int_equal(B->last.marks.coordinates[2], 70000);
    assert_true(B->last.marks.has_timestamp);
    send_bytes(A, 5);
    run(1200, NULL);
    assert_int_equal(B->offered, 1); /* only what has marks is offered */
    assert_false(B->last.marks.has_timestamp);
}

static void a_message_may_be_dropped_by_its_marks(void **state)
{
    (void)state;
    B->filter = "that layer is not wanted";
    struct session_send send = {.data = world_payload, .size = 200000, .marks = {.coordinate_count = 1}};
    send_from(A, &send);
    run(16384, NULL);
    assert_int_equal(B->offered, 1);
    assert_int_equal(B->messages + B->arriving + B->parts, 0);
    assert_int_equal(A->failed, 1);
    assert_int_equal(A->last_code, -HAWSER_EREFUSED);
}

/* ---- times */

static void nothing_leaves_before_its_time(void **state)
{
    (void)state;
    int64_t at = world->now + 30 * MILLISECOND;
    struct session_send send = {.data = "x", .size = 1, .send_time = at, .want_sent = true};
    send_from(A, &send);
    assert_int_equal(pull(A, 1200), 0);
    assert_int_equal(session_due(A->session), at);
    world->now = at - 1;
    session_tick(A->session, world->now);
    assert_int_equal(pull(A, 1200), 0);
    world->now = at + 2;
    session_tick(A->session, world->now);
    assert_int_equal(pull(A, 1200), 1);
    session_flush_events(A->session, world->now);
    assert_int_equal(A->sent, 1);
    assert_int_equal(A->pulled_at, at + 2);
    arrive(A, 0);
    A->units[0].gone = true;
    session_unit_fate(A->strand, A->units[0].number, true, at + 3, world->now);
    session_flush_events(A->session, world->now);
    assert_int_equal(A->departed, 1);
    assert_int_equal(A->departed_at, at + 3);
}

static void a_message_that_waits_for_its_time_can_be_taken_back(void **state)
{
    (void)state;
    struct session_send send = {.data = "x", .size = 1, .send_time = world->now + SECOND};
    uint64_t id = send_from(A, &send);
    assert_int_equal(session_cancel(A->session, id, world->now), 0);
    run(1200, NULL);
    assert_int_equal(A->failed, 1);
    pass(2 * SECOND, 1200);
    assert_int_equal(B->messages, 0);
}

static void a_pace_is_not_passed(void **state)
{
    (void)state;
    struct session_send send = {.data = world_payload, .size = 200000, .pace = 800000}; /* 100,000 bytes a second */
    send_from(A, &send);
    int64_t begin = world->now;
    size_t before = A->bytes_sent;
    while (A->acked == 0 && world->now < begin + 10 * SECOND) {
        pass(10 * MILLISECOND, 1200);
        forget_units();
        double most = 100000.0 * (double)(world->now - begin) / SECOND + 16384;
        assert_true((double)(A->bytes_sent - before) * 0.9 <= most);
    }
    assert_int_equal(A->acked, 1);
    assert_true(world->now - begin > 1700 * MILLISECOND && world->now - begin < 2500 * MILLISECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(impossible_reliabilities_are_refused, up, world_end),
        cmocka_unit_test_setup_teardown(a_part_is_sent_again_as_often_as_asked, up, world_end),
        cmocka_unit_test_setup_teardown(a_message_in_order_is_lost_with_any_of_it, up, world_end),
        cmocka_unit_test_setup_teardown(with_gaps_every_part_that_came_is_handed_over, up, world_end),
        cmocka_unit_test_setup_teardown(without_its_opening_the_rest_is_not_lost, up, world_end),
        cmocka_unit_test_setup_teardown(nothing_missing_is_delivered_also_with_gaps, up, world_end),
        cmocka_unit_test_setup_teardown(a_large_message_with_gaps_is_not_held_up_by_them, up, world_end),
        cmocka_unit_test_setup_teardown(what_comes_during_a_pause_is_kept, up, world_end),
        cmocka_unit_test_setup_teardown(a_share_comes_for_fewer_bytes_than_all, up, world_end),
        cmocka_unit_test_setup_teardown(the_first_messages_are_not_given_up, up, world_end),
        cmocka_unit_test_setup_teardown(what_came_until_its_lifetime_counts, up, world_end),
        cmocka_unit_test_setup_teardown(where_the_layers_give_up_a_message_has_its_units_alone, up_giving, world_end),
        cmocka_unit_test_setup_teardown(where_everything_comes_lossy_messages_do_too, up_plain, world_end),
        cmocka_unit_test_setup_teardown(marks_come_first_and_unchanged, up, world_end),
        cmocka_unit_test_setup_teardown(a_message_may_be_dropped_by_its_marks, up, world_end),
        cmocka_unit_test_setup_teardown(nothing_leaves_before_its_time, up, world_end),
        cmocka_unit_test_setup_teardown(a_message_that_waits_for_its_time_can_be_taken_back, up, world_end),
        cmocka_unit_test_setup_teardown(a_pace_is_not_passed, up, world_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
