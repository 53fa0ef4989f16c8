/* SPDX-License-Identifier: Apache-2.0 */
/* Strands of units: what a unit is, what becomes of lost ones, what overtakes HELLO (docs/protocol.md section 10). */

#include "unit_world.h"
#include "work.h"

static const struct session_units plain = {0};

static int up(void **state)
{
    (void)state;
    world_up(&plain);
    return 0;
}

static int begun(void **state)
{
    (void)state;
    world_begin(&plain, false);
    return 0;
}

static int begun_early(void **state)
{
    (void)state;
    world_begin(&plain, true);
    return 0;
}

/* Unit i of A is written by the test, as a peer would or would not. */
static int feed(const uint8_t *bytes, size_t size, bool end, struct session_lane **lane)
{
    return session_unit_received(B->strand, lane, bytes, size, end, false, 0, world->now);
}

static void messages_pass_and_no_ack_is_sent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        send_bytes(A, i * 10);
    run(1200, NULL);
    assert_int_equal(B->messages, 100);
    assert_int_equal(A->acked, 100);
    for (unsigned e = 0; e < 2; e++)
        for (size_t i = 0; i < world->ends[e].unit_count; i++) {
            const uint8_t *at = world->ends[e].units[i].bytes, *end = at + world->ends[e].units[i].size;
            while (at < end) {
                uint64_t type, size = 0;
                at = varint_get(varint_get(at, end, &type), end, &size);
                assert_int_not_equal(type, FRAME_ACK);
                at += size;
            }
            assert_ptr_equal(at, end); /* whole frames */
        }
}

static void units_arrive_in_any_order(void **state)
{
    (void)state;
    send_bytes(A, 300000);
    for (unsigned round = 0; B->messages == 0 && round < 1000; round++) {
        pull(A, 2000);
        for (size_t i = A->unit_count; i-- > 0;)
            if (!A->units[i].gone)
                deliver(A, i);
        pull(B, 2000);
        for (size_t i = B->unit_count; i-- > 0;)
            if (!B->units[i].gone)
                deliver(B, i);
    }
    assert_int_equal(B->messages, 1);
    assert_int_equal(B->last.size, 300000);
    assert_memory_equal(B->data, world_payload, 300000);
}

static void only_what_was_lost_goes_again(void **state)
{
    (void)state;
    send_bytes(A, 10000);
    size_t count = pull(A, 1200);
    assert_true(count >= 9);
    for (size_t i = 0; i < count; i++)
        if (i != 4)
            deliver(A, i);
    size_t before = A->bytes_sent;
    tell(A, 4, false);
    assert_int_equal(pull(A, 1200), 1);
    assert_true(A->bytes_sent - before <= A->units[4].size + 4);
    assert_int_equal(A->units[count].number, A->units[count - 1].number + 1);
    run(1200, NULL);
    assert_int_equal(B->messages, 1);
    assert_memory_equal(B->data, world_payload, 10000);
    assert_int_equal(A->acked, 1);
}

static void a_unit_called_lost_may_come_all_the_same(void **state)
{
    (void)state;
    send_bytes(A, 5000);
    send_bytes(A, 20);
    size_t count = pull(A, 1200);
    for (size_t i = 0; i < count; i++)
        tell(A, i, false);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(arrive(A, i), 0); /* and all of it again below */
    run(1200, NULL);
    assert_int_equal(B->messages, 2);
    assert_int_equal(A->acked, 2);
    assert_false(B->closed);
}

/* The program at the other end has not heard of the stream, and its side of it has ended with the line's. */
static void the_end_of_a_stream_may_overtake_its_beginning(void **state)
{
    (void)state;
    struct session_stream *stream;
    assert_int_equal(session_stream_open(A->session, 0, world->now, &stream), 0);
    assert_int_equal(pull(A, 1200), 1);
    assert_int_equal(session_stream_shutdown(stream), 0);
    assert_int_equal(pull(A, 1200), 1);
    deliver(A, 1);
    session_close(B->session, 0, "done");
    for (unsigned i = 0; i < 4; i++) {
        pull(B, 1200);
        for (size_t k = 0; k < B->unit_count; k++)
            if (!B->units[k].gone)
                deliver(B, k);
    }
    session_flush_events(B->session, world->now);
    assert_int_equal(B->streams_opened, 0);
    deliver(A, 0);
    run(1200, NULL);
    assert_int_equal(B->streams_opened, 1);
    assert_int_equal(B->streams_closed, 1);
    assert_true(A->closed && B->closed);
}

static void a_fate_told_twice_or_of_no_unit_is_ignored(void **state)
{
    (void)state;
    send_bytes(A, 3000);
    size_t count = pull(A, 1200);
    for (size_t i = 0; i < count; i++)
        deliver(A, i);
    for (size_t i = 0; i < count; i++)
        tell(A, i, false);
    session_unit_fate(A->strand, 1000000, false, 0, world->now);
    assert_int_equal(pull(A, 1200), 0);
    run(1200, NULL);
    assert_int_equal(A->acked, 1);
    assert_int_equal(session_units_under_way(A->strand), 0);
}

static void a_unit_comes_in_single_bytes(void **state)
{
    (void)state;
    send_bytes(A, 900);
    send_bytes(A, 5);
    pull(A, 1200);
    struct session_lane *lane = NULL;
    const struct unit *unit = &A->units[0];
    for (size_t i = 0; i < unit->size; i++) {
        uint8_t *byte = malloc(1);
        assert_non_null(byte);
        *byte = unit->bytes[i];
        assert_int_equal(feed(byte, 1, i + 1 == unit->size, &lane), 0);
        free(byte);
        assert_true((lane == NULL) == (i + 1 == unit->size));
    }
    assert_int_equal(B->messages, 2);
    assert_int_equal(B->message_bytes, 905);
}

static void units_in_pieces_do_not_mix(void **state)
{
    (void)state;
    send_bytes(A, 40000);
    size_t count = pull(A, 8000);
    struct session_lane *lanes[16] = {NULL};
    assert_true(count > 3 && count <= 16);
    for (size_t half = 0; half < 2; half++)
        for (size_t i = 0; i < count; i++) {
            const struct unit *unit = &A->units[i];
            size_t first = unit->size / 2;
            assert_int_equal(feed(unit->bytes + (half ? first : 0), half ? unit->size - first : first, half, &lanes[i]),
                             0);
        }
    assert_int_equal(B->messages, 1);
    assert_memory_equal(B->data, world_payload, 40000);
}

static void a_unit_that_ends_within_a_frame_breaks_the_rules(void **state)
{
    (void)state;
    struct session_lane *lane = NULL;
    const uint8_t cut[] = {FRAME_DATA, 20, 1, DATA_FIRST | DATA_LAST, 'x'};
    assert_true(feed(cut, sizeof cut, true, &lane) < 0);
    assert_true(B->closed);
    assert_int_equal(B->close_code, -HAWSER_EPROTOCOL);
}

static void a_unit_that_is_reset_leaves_nothing(void **state)
{
    (void)state;
    send_bytes(A, 5000);
    size_t count = pull(A, 1200);
    struct session_lane *lane = NULL;
    assert_int_equal(feed(A->units[0].bytes, 700, false, &lane), 0);
    assert_non_null(lane);
    session_unit_reset(B->strand, &lane);
    assert_null(lane);
    tell(A, 0, false);
    (void)count;
    run(1200, NULL);
    assert_int_equal(B->messages, 1);
    assert_memory_equal(B->data, world_payload, 5000);
}

static void what_overtakes_hello_waits_for_it(void **state)
{
    (void)state;
    send_bytes(A, 100);
    pull(A, 1000);
    send_bytes(A, 200);
    size_t count = pull(A, 1000);
    assert_int_equal(count, 1);
    assert_int_equal(arrive(A, 1), 0);
    assert_int_equal(B->messages, 0); /* on_message() asserts that HELLO was first */
    assert_false(B->hello);
    session_flush_events(B->session, world->now);
    pull(B, 1000); /* its own HELLO, and no answer */
    for (size_t i = 0; i < B->unit_count; i++)
        assert_int_equal(B->units[i].bytes[0], FRAME_HELLO);
    assert_int_equal(arrive(A, 0), 0);
    assert_true(B->hello);
    assert_int_equal(B->messages, 2);
}

static void what_waits_for_hello_is_bounded(void **state)
{
    (void)state;
    static uint8_t unit[16384];
    int r = 0;
    size_t fed = 0;
    uint8_t *at = varint_put(unit, FRAME_PADDING);
    memset(varint_put(at, 16000), 0, 16000);
    while (r == 0 && fed < (64 << 20)) {
        struct session_lane *lane = NULL;
        r = feed(unit, (size_t)(varint_put(at, 16000) - unit) + 16000, true, &lane);
        fed += 16000;
    }
    assert_true(B->closed);
    assert_true(fed <= (600 << 10));
    assert_string_equal(B->close_reason, "too much came before HELLO");
}

/* Bytes of one unit after the other, beside so many that wait. */
static double hold_beside(void **state, unsigned count)
{
    static struct session_lane *lanes[8000];
    const uint8_t byte = FRAME_PADDING;
    world_end(state);
    begun(state);
    memset(lanes, 0, sizeof lanes);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(feed(&byte, 1, false, &lanes[i]), 0);
    clock_t before = clock();
    for (unsigned i = 0; i < 50000; i++)
        assert_int_equal(feed(&byte, 1, false, &lanes[0]), 0);
    return work_since(before);
}

static void what_waits_for_hello_takes_no_longer_beside_much(void **state)
{
    double few = hold_beside(state, 10), many = hold_beside(state, 8000);
    assert_work_at_most(4, few, many);
}

static void units_that_never_end_are_bounded(void **state)
{
    (void)state;
    static struct session_lane *lanes[200000];
    const uint8_t begin[] = {FRAME_DATA, 20};
    size_t count = 0;
    while (count < 200000 && feed(begin, sizeof begin, false, &lanes[count]) == 0)
        count++;
    assert_true(B->closed && count < 200000 && count > 1000);
    assert_string_equal(B->close_reason, "too many units are under way");
}

static void an_ack_of_a_strand_of_units_breaks_the_rules(void **state)
{
    (void)state;
    struct session_lane *lane = NULL;
    const uint8_t ack[] = {FRAME_ACK, 2, 0, 1};
    assert_true(feed(ack, sizeof ack, true, &lane) < 0);
    assert_int_equal(B->close_code, -HAWSER_EPROTOCOL);
}

static void early_units_that_were_refused_go_again_and_numbers_go_on(void **state)
{
    (void)state;
    struct session_send send = {.data = "abc", .size = 3, .replayable = true};
    send_from(A, &send);
    send_bytes(A, 4); /* may not be replayed */
    assert_int_equal(pull(A, 1200), 1);
    size_t early = A->unit_count;
    session_strand_secured(A->strand, false, world->now);
    session_unit_fate(A->strand, A->units[0].number, false, 0, world->now); /* late word of it */
    A->units[0].gone = true;
    pull(A, 1200);
    assert_int_equal(A->units[early].number, A->units[early - 1].number + 1);
    assert_int_equal(A->units[early].bytes[0], FRAME_HELLO);
    run(1200, NULL);
    assert_int_equal(B->messages, 2);
    assert_int_equal(A->acked, 2);
}

static void cancelled_messages_make_their_units_useless(void **state)
{
    (void)state;
    uint64_t id = send_bytes(A, 3000);
    size_t count = pull(A, 4000);
    assert_int_equal(count, 1);
    assert_int_equal(session_cancel(A->session, id, world->now), 0);
    session_flush_events(A->session, world->now);
    assert_int_equal(A->useless, 1);
    assert_int_equal(A->useless_number, A->units[0].number);
    session_flush_events(A->session, world->now);
    assert_int_equal(A->useless, 1); /* told once */
    tell(A, 0, false);
    run(4000, NULL);
    assert_int_equal(A->failed, 1);
    assert_int_equal(A->last_code, -ECANCELED);
    assert_int_equal(B->messages, 0);
}

static void a_lifetime_that_ends_makes_units_useless(void **state)
{
    (void)state;
    struct session_send send = {.data = world_payload, .size = 2000, .lifetime = 50 * MILLISECOND};
    send_from(A, &send);
    assert_int_equal(pull(A, 4000), 1);
    world->now += 60 * MILLISECOND;
    session_tick(A->session, world->now);
    assert_int_equal(A->useless, 1);
}

static void the_last_close_is_sent_until_it_comes(void **state)
{
    (void)state;
    session_close(A->session, 5, "done");
    session_close(B->session, 6, "done too");
    pull(A, 1200);
    pull(B, 1200);
    for (size_t i = 0; i < B->unit_count; i++)
        deliver(B, i);
    assert_true(A->closed);
    assert_int_equal(session_units_under_way(A->strand), A->unit_count);
    for (size_t i = 0; i < A->unit_count; i++)
        tell(A, i, false);
    bool lossy;
    assert_true(session_unit_wanted(A->strand, &lossy));
    run(1200, NULL);
    assert_true(B->closed);
    assert_int_equal(B->close_code, 0);
    assert_int_equal(session_units_under_way(A->strand), 0);
}

static void a_ping_that_is_lost_goes_again(void **state)
{
    (void)state;
    session_set_times(A->session, SECOND, SECOND);
    world->now += 2 * SECOND;
    session_tick(A->session, world->now);
    assert_int_equal(pull(A, 1200), 1);
    assert_int_equal(A->units[0].bytes[0], FRAME_PING);
    tell(A, 0, false);
    assert_int_equal(pull(A, 1200), 1);
    assert_int_equal(A->units[1].bytes[0], FRAME_PING);
}

static void niceness_is_the_class_of_a_unit(void **state)
{
    (void)state;
    struct session_send send = {.data = "x", .size = 1, .niceness = 30};
    send_from(A, &send);
    pull(A, 1200);
    assert_int_equal(A->units[0].class, 130);
    send.niceness = -100;
    send_from(A, &send);
    pull(A, 1200);
    assert_int_equal(A->units[1].class, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_pass_and_no_ack_is_sent, up, world_end),
        cmocka_unit_test_setup_teardown(units_arrive_in_any_order, up, world_end),
        cmocka_unit_test_setup_teardown(only_what_was_lost_goes_again, up, world_end),
        cmocka_unit_test_setup_teardown(a_unit_called_lost_may_come_all_the_same, up, world_end),
        cmocka_unit_test_setup_teardown(a_fate_told_twice_or_of_no_unit_is_ignored, up, world_end),
        cmocka_unit_test_setup_teardown(the_end_of_a_stream_may_overtake_its_beginning, up, world_end),
        cmocka_unit_test_setup_teardown(a_unit_comes_in_single_bytes, up, world_end),
        cmocka_unit_test_setup_teardown(units_in_pieces_do_not_mix, up, world_end),
        cmocka_unit_test_setup_teardown(a_unit_that_ends_within_a_frame_breaks_the_rules, up, world_end),
        cmocka_unit_test_setup_teardown(a_unit_that_is_reset_leaves_nothing, up, world_end),
        cmocka_unit_test_setup_teardown(what_overtakes_hello_waits_for_it, begun, world_end),
        cmocka_unit_test_setup_teardown(what_waits_for_hello_is_bounded, begun, world_end),
        cmocka_unit_test_setup_teardown(what_waits_for_hello_takes_no_longer_beside_much, begun, world_end),
        cmocka_unit_test_setup_teardown(units_that_never_end_are_bounded, up, world_end),
        cmocka_unit_test_setup_teardown(an_ack_of_a_strand_of_units_breaks_the_rules, up, world_end),
        cmocka_unit_test_setup_teardown(early_units_that_were_refused_go_again_and_numbers_go_on, begun_early,
                                        world_end),
        cmocka_unit_test_setup_teardown(cancelled_messages_make_their_units_useless, up, world_end),
        cmocka_unit_test_setup_teardown(a_lifetime_that_ends_makes_units_useless, up, world_end),
        cmocka_unit_test_setup_teardown(the_last_close_is_sent_until_it_comes, up, world_end),
        cmocka_unit_test_setup_teardown(a_ping_that_is_lost_goes_again, up, world_end),
        cmocka_unit_test_setup_teardown(niceness_is_the_class_of_a_unit, up, world_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
