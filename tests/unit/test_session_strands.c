/* SPDX-License-Identifier: Apache-2.0 */
/* Several strands: their numbers, the policies and their schedulers, and what goes on two at once. */
#include "strand_world.h"

#define FAST 6250000 /* 50 Mbit/s */
#define SLOW 125000  /* 1 Mbit/s */

static int two_handover(void **state)
{
    (void)state;
    world_up(SESSION_HANDOVER, 2, 0);
    return 0;
}

static int two_mixed(void **state)
{
    (void)state;
    world_up(SESSION_HANDOVER, 2, 2);
    return 0;
}

static int two_aggregate(void **state)
{
    (void)state;
    world_up(SESSION_AGGREGATE, 2, 2);
    return 0;
}

static int two_interactive(void **state)
{
    (void)state;
    world_up(SESSION_INTERACTIVE, 2, 2);
    return 0;
}

static int one(void **state)
{
    (void)state;
    world_up(SESSION_AGGREGATE, 1, 0);
    return 0;
}

/* A fast strand of bytes and a slow one, both known for long enough that their round trips are. */
static void fast_and_slow(enum session_policy policy)
{
    world_begin(policy, false);
    line_add(0, false, 10 * MILLISECOND, FAST);
    line_add(1, false, 200 * MILLISECOND, SLOW);
    pass(2 * SECOND);
}

static void set_link(struct world_end *end, unsigned line, const struct session_link *given)
{
    session_strand_set_link(world->lines[line].strand[end->index], given);
}

static uint64_t carried(const struct world_end *from, unsigned line)
{
    return frames_of(from, line, FRAME_DATA) + frames_of(from, line, FRAME_STREAM);
}

/* ---- numbers */

static void numbers_are_given_and_used_once(void **state)
{
    (void)state;
    uint64_t first = session_next_strand(A->session), second = session_next_strand(A->session);
    assert_true(first == 1 && second == 2);
    struct line *line = line_make(1, false, MILLISECOND, FAST);
    assert_int_equal(line_join(A, line, 2), 0);
    assert_int_equal(state_of(A, 1).number, 2);
    assert_int_equal(line_join(A, line, 2), -EEXIST);
    line_lose(line, A);
    assert_int_equal(line_join(A, line, 2), -EEXIST);
    assert_int_equal(line_join(A, line, 0), -EEXIST);
    assert_int_equal(line_join(A, line, 1), 0); /* later than the second: it took longer */
    line_lose(line, A);
    assert_int_equal(line_join(A, line, UINT64_MAX), -EINVAL);
    assert_int_equal(line_join(A, line, 40), 0);
    assert_int_equal(session_next_strand(A->session), 41);
}

static void no_more_than_eight_are_there_at_once(void **state)
{
    (void)state;
    for (unsigned i = 1; i < SESSION_STRANDS_MAX; i++)
        line_add(i, i % 2, MILLISECOND, FAST);
    struct line *line = line_make(SESSION_STRANDS_MAX, false, MILLISECOND, FAST);
    assert_int_equal(line_join(A, line, 100), -ENOSPC);
    line_die(&world->lines[3]);
    assert_int_equal(line_join(A, line, 100), 0);
}

static void numbers_with_holes_take_bounded_memory(void **state)
{
    (void)state;
    struct line *line = line_make(1, false, MILLISECOND, FAST);
    size_t before = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(line_join(A, line, 10 + 2 * i), 0);
        line_lose(line, A);
        if (i == 300)
            before = world->block_bytes;
    }
    assert_true(world->block_bytes <= before);
    assert_int_equal(line_join(A, line, 10 + 2 * 4999), -EEXIST);
    assert_int_equal(line_join(A, line, 10 + 2 * 4999 - 1), 0);
    line_lose(line, A);
    assert_int_equal(line_join(A, line, 11), -EEXIST); /* long ago: it counts as used */
}

static void an_ack_of_a_strand_that_is_gone_is_ignored(void **state)
{
    (void)state;
    line_die(&world->lines[1]);
    assert_int_equal(FEED(A, 0, FRAME_ACK, 0, 1, 1 << 30), 0);
    assert_false(A->closed);
}

static void an_ack_of_a_strand_that_never_was_breaks_the_rules(void **state)
{
    (void)state;
    assert_true(FEED(A, 0, FRAME_ACK, 0, 2, 0) < 0);
    assert_true(A->closed);
    assert_string_equal(A->close_reason, "an ACK is of a strand that never was");
}

static void joins_that_come_again_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(FEED(A, 0, FRAME_JOIN, 0, 1, 2, 3), 0);
    assert_int_equal(FEED(B, 0, FRAME_JOIN_OK, 40, 1), 0);
    assert_false(A->closed || B->closed);
}

/* ---- handover */

static void in_handover_one_carries(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        send_bytes(A, 3000);
        send_bytes(B, 3000);
        pass(10 * MILLISECOND);
    }
    pass(100 * MILLISECOND);
    assert_int_equal(B->messages, 50);
    assert_int_equal(A->messages, 50);
    assert_true(carried(A, 0) >= 50 && carried(B, 0) >= 50);
    assert_int_equal(carried(A, 1) + carried(B, 1), 0);
    assert_true(state_of(A, 0).carries && !state_of(A, 1).carries);
    assert_true(state_of(B, 1).standby && !state_of(B, 0).standby);
}

static void the_acceptor_follows_the_openers_choice(void **state)
{
    (void)state;
    set_link(A, 0, &(struct session_link){.rank = 5});
    set_link(B, 0, &(struct session_link){.rank = -5});
    set_link(A, 1, &(struct session_link){.rank = 1});
    pass(100 * MILLISECOND);
    assert_true(state_of(A, 1).carries && state_of(B, 1).carries);
    assert_true(!state_of(A, 0).carries && !state_of(B, 0).carries);
    send_bytes(A, 100);
    send_bytes(B, 100);
    pass(100 * MILLISECOND);
    assert_true(carried(A, 1) == 1 && carried(B, 1) == 1);
    set_link(A, 0, &(struct session_link){.rank = 0});
    pass(100 * MILLISECOND);
    assert_true(state_of(A, 0).carries && state_of(B, 0).carries && !state_of(B, 1).carries);
}

static void what_stands_by_carries_when_nothing_else_does(void **state)
{
    (void)state;
    set_link(A, 0, &(struct session_link){.standby = true});
    pass(100 * MILLISECOND);
    assert_true(state_of(A, 1).carries && state_of(B, 1).carries && state_of(B, 0).standby);
    line_die(&world->lines[1]);
    assert_true(state_of(A, 0).carries && state_of(B, 0).carries);
    send_bytes(B, 100);
    pass(100 * MILLISECOND);
    assert_int_equal(A->messages, 1);
}

/* A strand that does not carry is asked for what the program bound to it, and gives nothing beside. */
static void what_is_bound_to_one_that_does_not_carry_goes_there_alone(void **state)
{
    (void)state;
    world->lines[0].directions[0].paused = true;
    send_with(A, &(struct session_send){.data = world_payload, .size = 100, .strand = 2});
    for (unsigned i = 0; i < 5; i++)
        send_bytes(A, 100);
    pass(100 * MILLISECOND);
    assert_int_equal(carried(A, 1), 1);
    assert_int_equal(B->messages, 1);
    world->lines[0].directions[0].paused = false;
    pass(100 * MILLISECOND);
    assert_int_equal(B->messages, 6);
}

/* Small ones do not wait for all of the large ones. */
static void what_is_bound_goes_in_turns(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        send_with(A, &(struct session_send){.data = world_payload, .size = 200000, .borrow = true, .strand = 2});
    uint64_t small = send_with(A, &(struct session_send){.data = world_payload, .size = 300, .strand = 2});
    pass(SECOND);
    assert_int_equal(B->messages, 11);
    assert_int_not_equal(B->ids[10], small);
    assert_int_equal(carried(A, 0), 0);
}

/* More of them than are looked at, each in several units. */
static void many_that_are_bound_all_come(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++)
        send_with(A, &(struct session_send){.data = world_payload, .size = 3000, .strand = 2});
    pass(SECOND);
    assert_int_equal(B->messages, 300);
    assert_int_equal(carried(A, 0), 0);
}

/* Of states that overtake one another the newest counts. */
static void an_older_state_changes_nothing(void **state)
{
    (void)state;
    pass(100 * MILLISECOND);
    assert_int_equal(FEED(B, 0, FRAME_STRAND, 0, 1, 90, STRAND_CARRIES), 0);
    assert_false(state_of(B, 1).standby);
    assert_int_equal(FEED(B, 0, FRAME_STRAND, 0, 1, 89, STRAND_STANDBY), 0);
    assert_false(state_of(B, 1).standby);
    assert_int_equal(FEED(B, 0, FRAME_STRAND, 0, 7, 91, STRAND_STANDBY), 0); /* it is gone, or not there yet */
    assert_true(FEED(B, 0, FRAME_STRAND, 0, 1, 92, STRAND_TOLD_KINDS) < 0);
    assert_true(B->closed);
}

static void the_policy_can_change(void **state)
{
    (void)state;
    session_set_policy(A->session, SESSION_AGGREGATE, world->now);
    pass(100 * MILLISECOND);
    assert_true(state_of(A, 0).carries && state_of(A, 1).carries);
    for (unsigned i = 0; i < 100; i++)
        send_bytes(A, 9000);
    pass(SECOND);
    assert_int_equal(B->messages, 100);
    assert_true(carried(A, 0) > 20 && carried(A, 1) > 20);
    session_set_policy(A->session, SESSION_HANDOVER, world->now);
    pass(100 * MILLISECOND);
    uint64_t before = carried(A, 1);
    for (unsigned i = 0; i < 100; i++)
        send_bytes(A, 9000);
    pass(SECOND);
    assert_int_equal(B->messages, 200);
    assert_int_equal(carried(A, 1), before);
}

/* ---- aggregate */

static void two_strands_carry_one_message(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        int64_t before = world->now;
        uint64_t id = send_with(A, &(struct session_send){.data = world_payload, .size = 1 << 20, .borrow = true});
        while (B->messages < id)
            pass(MILLISECOND);
        if (round) /* of 168 ms at one strand's rate */
            assert_true(world->now - before < 110 * MILLISECOND);
    }
    assert_true(world->lines[0].directions[0].bytes > 700000 && world->lines[1].directions[0].bytes > 700000);
}

static void a_slow_strand_takes_nothing_that_it_would_delay(void **state)
{
    (void)state;
    fast_and_slow(SESSION_AGGREGATE);
    for (unsigned i = 0; i < 20; i++) {
        send_bytes(A, 20000);
        send_bytes(A, 300);
        pass(50 * MILLISECOND);
    }
    assert_int_equal(B->messages, 40);
    assert_int_equal(carried(A, 1), 0);
}

static void a_slow_strand_helps_where_there_is_much(void **state)
{
    (void)state;
    fast_and_slow(SESSION_AGGREGATE);
    set_link(A, 0, &(struct session_link){.rate = 250000, .rtt = 20000});
    world->lines[0].rate = 250000;
    for (unsigned i = 0; i < 120; i++)
        send_bytes(A, 8000);
    pass(4 * SECOND);
    assert_int_equal(B->messages, 120);
    assert_true(carried(A, 1) >= 10);
}

/* Nothing that the receiver must have in order goes where it would keep the rest waiting. */
static void a_stream_does_not_wait_for_a_slow_strand(void **state)
{
    (void)state;
    fast_and_slow(SESSION_AGGREGATE);
    struct session_stream *stream;
    assert_int_equal(session_stream_open(A->session, 0, world->now, &stream), 0);
    uint64_t got = 0;
    int64_t before = world->now;
    while (got < 3000000 && world->now - before < 10 * SECOND) {
        int64_t n = session_stream_write(stream, world_payload, sizeof world_payload, world->now);
        assert_true(n >= 0 || n == -EAGAIN);
        pass(MILLISECOND);
        static uint8_t buffer[1 << 20];
        n = B->stream ? session_stream_read(B->stream, buffer, sizeof buffer) : 0;
        got += n > 0 ? (uint64_t)n : 0;
    }
    assert_true(got >= 3000000);
    assert_true(world->now - before < 3 * SECOND); /* it is bounded by its window, not by the slow strand */
    assert_true(statistics_of(B).stall_longest < 100 * MILLISECOND);
}

static void what_costs_is_used_when_waiting_costs_more(void **state)
{
    (void)state;
    for (unsigned e = 0; e < 2; e++) {
        set_link(&world->ends[e], 0, &(struct session_link){.rate = FAST, .rtt = 20000});
        set_link(&world->ends[e], 1, &(struct session_link){.cost = 60, .rate = FAST, .rtt = 20000});
    }
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned k = 0; k < 6; k++) /* 8 ms of it */
            send_bytes(A, 8000);
        pass(20 * MILLISECOND);
    }
    assert_int_equal(B->messages, 120);
    assert_int_equal(carried(A, 1), 0);
    for (unsigned i = 0; i < 20; i++) /* 160 ms of it */
        send_bytes(A, 50000);
    pass(500 * MILLISECOND);
    assert_int_equal(B->messages, 140);
    assert_true(carried(A, 1) > 0);
    line_cut(&world->lines[0], true); /* the free one is gone: cost is no reason any more */
    send_bytes(A, 100);
    send_bytes(A, 100);
    pass(500 * MILLISECOND);
    assert_int_equal(B->messages, 142);
}

/* ---- interactive: small messages twice */

static void small_messages_go_on_two_strands(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        send_bytes(A, 500);
        pass(10 * MILLISECOND);
    }
    pass(100 * MILLISECOND);
    assert_int_equal(B->messages, 20);
    assert_int_equal(A->acked, 20);
    assert_true(carried(A, 0) == 20 && carried(A, 1) == 20);
    assert_int_equal(statistics_of(A).duplicated_bytes, 20 * 500);
    assert_int_equal(state_of(A, 0).duplicated + state_of(A, 1).duplicated, 20 * 500);
}

static void what_is_on_two_strands_is_not_held_up_by_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        line_cut(&world->lines[i % 2], true);
        int64_t before = world->now;
        send_bytes(A, 500);
        pass(15 * MILLISECOND);
        assert_int_equal(B->messages, i + 1);
        assert_true(B->came_at[i] - before <= 13 * MILLISECOND);
        line_cut(&world->lines[i % 2], false);
        pass(200 * MILLISECOND);
    }
}

static void what_is_not_small_goes_where_it_arrives_first(void **state)
{
    (void)state;
    fast_and_slow(SESSION_INTERACTIVE);
    for (unsigned i = 0; i < 20; i++) {
        int64_t before = world->now;
        send_bytes(A, 20000);
        pass(50 * MILLISECOND);
        assert_int_equal(B->messages, i + 1);
        assert_true(B->came_at[i] - before <= 20 * MILLISECOND);
    }
    assert_int_equal(carried(A, 1), 0);
}

static void large_messages_go_once_and_so_do_small_ones_of_many(void **state)
{
    (void)state;
    send_bytes(A, 100000);
    pass(300 * MILLISECOND);
    uint64_t twice = statistics_of(A).duplicated_bytes;
    assert_true(twice < 65536); /* of the tail, at most */
    for (unsigned i = 0; i < 2000; i++)
        send_bytes(A, 400);
    pass(MILLISECOND);
    assert_true(statistics_of(A).duplicated_bytes - twice < 60000); /* capacity is scarce */
    uint64_t urgent = send_with(A, &(struct session_send){.data = world_payload, .size = 600, .niceness = -20});
    pass(12 * MILLISECOND);
    assert_true(statistics_of(A).duplicated_bytes - twice >= 600); /* but this one is worth it */
    pass(SECOND);
    assert_int_equal(B->messages, urgent);
}

static void in_other_policies_nothing_small_goes_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        send_bytes(A, 500);
        pass(50 * MILLISECOND);
    }
    assert_int_equal(statistics_of(A).duplicated_bytes, 0);
}

/* ---- the tail */

static void the_tail_on_a_late_strand_is_copied(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        set_link(A, i, &(struct session_link){.rate = FAST, .rtt = 20000});
    for (unsigned i = 0; i < 30; i++) { /* both are used, and known */
        send_bytes(A, 140000);
        pass(30 * MILLISECOND);
    }
    pass(200 * MILLISECOND);
    size_t before = B->messages;
    uint64_t twice = statistics_of(A).duplicated_bytes, again = statistics_of(A).resent_bytes;
    send_bytes(A, 140000);
    pass(2 * MILLISECOND);
    line_cut(&world->lines[1], true); /* with some of it on its way */
    assert_true(state_of(A, 1).in_flight > 5000);
    int64_t sent = world->now;
    while (B->messages == before && world->now - sent < SECOND)
        pass(MILLISECOND);
    assert_true(world->now - sent < 90 * MILLISECOND);
    assert_int_equal(statistics_of(A).suspicions, 0); /* that would have taken longer */
    uint64_t copied = statistics_of(A).duplicated_bytes - twice;
    assert_true(copied > 0 && copied <= 140000);
    assert_int_equal(statistics_of(A).resent_bytes, again);
}

static void tails_are_copied_within_a_bound(void **state)
{
    (void)state;
    fast_and_slow(SESSION_AGGREGATE);
    for (unsigned e = 0; e < 2; e++) /* it is thought to be fast, and is not */
        set_link(&world->ends[e], 1, &(struct session_link){.rate = FAST, .rtt = 20000, .min_rtt = 20000});
    for (unsigned i = 0; i < 60; i++) {
        send_bytes(A, 60000);
        pass(100 * MILLISECOND);
    }
    pass(5 * SECOND);
    assert_int_equal(B->messages, 60);
    struct session_statistics s = statistics_of(A);
    assert_true(s.duplicated_bytes > 0);
    assert_true(s.duplicated_bytes <= (s.bytes_sent / 16 > 65536 ? s.bytes_sent / 16 : 65536) + 16384);
}

/* ---- memory of a program that is being sent, on several strands */

static void one_strand_does_not_keep_a_message_from_the_others(void **state)
{
    (void)state;
    session_set_policy(A->session, SESSION_AGGREGATE, world->now);
    send_with(A, &(struct session_send){.data = world_payload, .size = 1 << 20, .borrow = true});
    /* The first takes some and does not let go of it; the second is pulled for all the rest. */
    uint8_t buffer[16384];
    size_t size, bulk_size;
    const uint8_t *bulk;
    assert_int_equal(
        session_pull(world->lines[0].strand[0], buffer, sizeof buffer, world->now, &size, &bulk, &bulk_size), 0);
    assert_true(bulk_size > 8192);
    world->lines[0].directions[0].paused = true;
    pass(100 * MILLISECOND);
    assert_true(world->lines[1].directions[0].bytes > 300000);
    pass(400 * MILLISECOND); /* then the first is suspected, and what it has goes by the other */
    assert_int_equal(A->suspected, 1);
    assert_int_equal(A->bulk_ends, 1);
    assert_int_equal(B->messages, 1);
    assert_int_equal(A->acked, 1);
}

/* ---- head of line */

static void waiting_for_earlier_bytes_is_counted(void **state)
{
    (void)state;
    struct session_stream *stream;
    assert_int_equal(session_stream_open(A->session, 0, world->now, &stream), 0);
    assert_int_equal(session_stream_write(stream, world_payload, 1000, world->now), 1000);
    pass(100 * MILLISECOND);
    assert_int_equal(statistics_of(B).stalls, 0);
    /* Bytes 1,000 to 1,099 are missing for 30 ms; the stream is the opener's first. */
    assert_int_equal(FEED(B, 0, FRAME_STREAM, 100, 0, 0, 1100), 0);
    world->now += 30 * MILLISECOND;
    assert_int_equal(FEED(B, 0, FRAME_STREAM, 100, 0, 0, 1000), 0);
    struct session_statistics s = statistics_of(B);
    assert_int_equal(s.stalls, 1);
    assert_int_equal(s.stall_time, 30 * MILLISECOND);
    assert_int_equal(s.stall_longest, 30 * MILLISECOND);
}

static void waiting_for_an_antecedent_is_counted(void **state)
{
    (void)state;
    /* Message 2 waits for message 1: id, flags, property 1 (antecedents) of one byte, the distance; 0 ends them. */
    assert_int_equal(FEED(B, 0, FRAME_DATA, 10, 2, 7, 1, 1, 1, 0), 0);
    assert_int_equal(B->messages, 0);
    world->now += 40 * MILLISECOND;
    assert_int_equal(FEED(B, 0, FRAME_DATA, 10, 1, 3), 0);
    assert_int_equal(B->messages, 2);
    struct session_statistics s = statistics_of(B);
    assert_int_equal(s.stalls, 1);
    assert_int_equal(s.stall_time, 40 * MILLISECOND);
}

#define T(test, setup) cmocka_unit_test_setup_teardown(test, setup, world_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(numbers_are_given_and_used_once, one),
        T(no_more_than_eight_are_there_at_once, one),
        T(numbers_with_holes_take_bounded_memory, one),
        T(an_ack_of_a_strand_that_is_gone_is_ignored, two_handover),
        T(an_ack_of_a_strand_that_never_was_breaks_the_rules, two_handover),
        T(joins_that_come_again_are_ignored, two_handover),
        T(in_handover_one_carries, two_handover),
        T(the_acceptor_follows_the_openers_choice, two_handover),
        T(what_stands_by_carries_when_nothing_else_does, two_handover),
        T(what_is_bound_to_one_that_does_not_carry_goes_there_alone, two_handover),
        T(what_is_bound_goes_in_turns, two_handover),
        T(what_is_bound_goes_in_turns, two_mixed),
        T(many_that_are_bound_all_come, two_handover),
        T(many_that_are_bound_all_come, two_mixed),
        T(an_older_state_changes_nothing, two_handover),
        T(the_policy_can_change, two_handover),
        T(two_strands_carry_one_message, two_aggregate),
        T(a_slow_strand_takes_nothing_that_it_would_delay, NULL),
        T(a_slow_strand_helps_where_there_is_much, NULL),
        T(a_stream_does_not_wait_for_a_slow_strand, NULL),
        T(what_costs_is_used_when_waiting_costs_more, two_aggregate),
        T(small_messages_go_on_two_strands, two_interactive),
        T(what_is_on_two_strands_is_not_held_up_by_one, two_interactive),
        T(what_is_not_small_goes_where_it_arrives_first, NULL),
        T(large_messages_go_once_and_so_do_small_ones_of_many, two_interactive),
        T(in_other_policies_nothing_small_goes_twice, two_aggregate),
        T(the_tail_on_a_late_strand_is_copied, two_aggregate),
        T(tails_are_copied_within_a_bound, NULL),
        T(one_strand_does_not_keep_a_message_from_the_others, two_handover),
        T(waiting_for_earlier_bytes_is_counted, one),
        T(waiting_for_an_antecedent_is_counted, one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
