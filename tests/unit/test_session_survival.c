/* SPDX-License-Identifier: Apache-2.0 */
/* Strands that fall silent, die and come back; lines without a strand; states that are told. */
#include "strand_world.h"

#define FAST 6250000 /* 50 Mbit/s */

static int handover(void **state)
{
    (void)state;
    world_up(SESSION_HANDOVER, 2, 0);
    return 0;
}

static int handover_mixed(void **state)
{
    (void)state;
    world_up(SESSION_HANDOVER, 2, 1);
    return 0;
}

static int aggregate(void **state)
{
    (void)state;
    world_up(SESSION_AGGREGATE, 2, 0);
    return 0;
}

static int aggregate_units(void **state)
{
    (void)state;
    world_up(SESSION_AGGREGATE, 2, 3);
    return 0;
}

static int one(void **state)
{
    (void)state;
    world_up(SESSION_AGGREGATE, 1, 0);
    return 0;
}

static int survivor(void **state)
{
    (void)state;
    world_begin(SESSION_HANDOVER, true);
    line_add(0, false, 10 * MILLISECOND, FAST);
    pass(500 * MILLISECOND);
    return 0;
}

/* The longest time in which nothing came, while A sends every so often. */
static int64_t longest_gap(int64_t time, int64_t every, size_t size)
{
    int64_t longest = 0, last = world->now, until = world->now + time, next = world->now;
    size_t before = B->messages;
    while (world->now < until) {
        if (world->now >= next) {
            session_send(A->session, &(struct session_send){.data = world_payload, .size = size}, world->now, NULL);
            next = world->now + every;
        }
        pass(MILLISECOND);
        if (B->messages == before)
            continue;
        before = B->messages;
        longest = world->now - last > longest ? world->now - last : longest;
        last = world->now;
    }
    return world->now - last > longest ? world->now - last : longest;
}

/* ---- suspicion */

static void silence_is_noticed_in_a_few_round_trips(void **state)
{
    (void)state;
    longest_gap(300 * MILLISECOND, 5 * MILLISECOND, 2000);
    line_cut(&world->lines[0], true);
    int64_t gap = longest_gap(SECOND, 5 * MILLISECOND, 2000);
    assert_true(gap <= 150 * MILLISECOND);
    assert_int_equal(A->suspected, 1);
    assert_true(state_of(A, 0).suspected && !state_of(A, 0).carries && state_of(A, 1).carries);
    pass(200 * MILLISECOND);
    assert_int_equal(A->acked, B->messages); /* nothing is lost, nothing is late */
}

static void one_message_alone_is_noticed_too(void **state)
{
    (void)state;
    send_bytes(A, 100);
    pass(300 * MILLISECOND);
    line_cut(&world->lines[0], true);
    int64_t sent = world->now;
    send_bytes(A, 100);
    while (B->messages < 2 && world->now - sent < SECOND)
        pass(MILLISECOND);
    assert_true(world->now - sent <= 200 * MILLISECOND);
}

static void what_is_suspected_is_probed_less_and_less(void **state)
{
    (void)state;
    line_cut(&world->lines[0], true);
    longest_gap(SECOND, 20 * MILLISECOND, 2000);
    uint64_t early = frames_of(A, 0, FRAME_PING);
    uint64_t data = frames_of(A, 0, FRAME_DATA);
    longest_gap(8 * SECOND, 20 * MILLISECOND, 2000);
    assert_true(early >= 3);
    assert_true(frames_of(A, 0, FRAME_PING) - early <= 6);
    assert_int_equal(frames_of(A, 0, FRAME_DATA), data);
}

static void one_that_returns_is_taken_up_again(void **state)
{
    (void)state;
    line_cut(&world->lines[0], true);
    longest_gap(400 * MILLISECOND, 10 * MILLISECOND, 2000);
    assert_true(state_of(A, 1).carries && !state_of(A, 0).carries);
    line_cut(&world->lines[0], false);
    int64_t back = world->now;
    while (state_of(A, 0).suspected && world->now - back < 5 * SECOND)
        pass(MILLISECOND);
    assert_true(world->now - back < 500 * MILLISECOND);
    assert_int_equal(A->trusted, 1);
    assert_true(state_of(A, 0).carries); /* handover: it has the lower number */
    uint64_t before = frames_of(A, 0, FRAME_DATA);
    longest_gap(200 * MILLISECOND, 10 * MILLISECOND, 2000);
    assert_true(frames_of(A, 0, FRAME_DATA) > before);
}

static bool suspected_anywhere(void)
{
    return state_of(A, 0).suspected || state_of(B, 0).suspected;
}

/* How long it takes until it carries again, after a silence; whichever end noticed. */
static int64_t one_silence(void)
{
    line_cut(&world->lines[0], true);
    longest_gap(400 * MILLISECOND, 10 * MILLISECOND, 500);
    assert_true(suspected_anywhere() && !state_of(A, 0).carries);
    line_cut(&world->lines[0], false);
    int64_t back = world->now;
    while ((suspected_anywhere() || !state_of(A, 0).carries) && world->now - back < 30 * SECOND)
        longest_gap(10 * MILLISECOND, 10 * MILLISECOND, 500);
    return world->now - back;
}

static void one_that_flaps_has_to_be_well_for_longer(void **state)
{
    (void)state;
    int64_t times[6];
    for (unsigned i = 0; i < 6; i++) {
        times[i] = one_silence();
        longest_gap(200 * MILLISECOND, 10 * MILLISECOND, 500);
    }
    assert_true(times[0] < 400 * MILLISECOND);
    assert_true(times[3] >= 400 * MILLISECOND);
    assert_true(times[5] >= 1500 * MILLISECOND && times[5] < 12 * SECOND);
    pass(100 * SECOND); /* after a minute without, it is as if nothing had been */
    assert_true(one_silence() < 400 * MILLISECOND);
}

/* A late word of what had come before the silence says nothing of now. */
static void an_ack_that_is_told_late_ends_no_suspicion(void **state)
{
    (void)state;
    longest_gap(300 * MILLISECOND, 10 * MILLISECOND, 500);
    uint64_t came = state_of(A, 0).sent;
    send_bytes(A, 300);
    pass(0);
    session_strand_suspect(world->lines[0].strand[0], true, world->now);
    session_flush_events(A->session, world->now);
    assert_int_equal(A->suspected, 1);
    assert_int_equal(FEED(A, 1, FRAME_ACK, 0, 0, came), 0);
    assert_true(state_of(A, 0).suspected);
}

static void the_caller_may_suspect_and_trust(void **state)
{
    (void)state;
    session_strand_suspect(world->lines[0].strand[0], true, world->now);
    session_flush_events(A->session, world->now);
    assert_true(A->suspected == 1 && state_of(A, 1).carries);
    session_strand_suspect(world->lines[0].strand[0], false, world->now);
    session_flush_events(A->session, world->now);
    assert_true(A->trusted == 1 && state_of(A, 0).carries);
}

/* The peer's process does not run for a while: all strands are silent, and none of them is to blame. */
static void a_peer_that_stands_still_costs_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        send_bytes(A, 20000);
        pass(10 * MILLISECOND);
    }
    B->still = true;
    for (unsigned i = 0; i < 20; i++) {
        send_bytes(A, 20000);
        pass(10 * MILLISECOND);
    }
    B->still = false;
    pass(500 * MILLISECOND);
    assert_int_equal(B->messages, 40);
    assert_int_equal(statistics_of(A).resent_bytes, 0);
    assert_int_equal(A->suspected, 0);
}

/* When it runs again it speaks on one strand before the other; that is no sign either. */
static void a_peer_that_speaks_again_speaks_on_one_strand_first(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 10; i++) {
            send_bytes(A, 30000);
            pass(10 * MILLISECOND);
        }
        B->still = true;
        send_bytes(A, 150000);
        pass((100 + 7 * (int64_t)round) * MILLISECOND);
        B->still = false;
        world->lines[round % 2].directions[0].cut = true;
        pass(8 * MILLISECOND);
        world->lines[round % 2].directions[0].cut = false;
        pass(100 * MILLISECOND);
    }
    assert_int_equal(statistics_of(A).suspicions, 0); /* what B makes of the cuts is told too */
    assert_int_equal(statistics_of(A).resent_bytes, 0);
}

/* Our own process does not run for a while: what came meanwhile is read before anything is concluded. */
static void a_late_tick_suspects_nobody(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        send_bytes(A, 2000);
        end_works(A);
        A->still = true;
        pass(400 * MILLISECOND);
        A->still = false;
        end_works(A); /* the timers first, as it may well be */
        assert_int_equal(A->suspected, 0);
        pass(100 * MILLISECOND);
        assert_int_equal(A->suspected, 0);
    }
    assert_int_equal(statistics_of(A).resent_bytes, 0);
}

/* Nobody was heard, since nobody was there to hear: what came meanwhile is read before anything is told of it. */
static void a_late_tick_does_not_suspect_all(void **state)
{
    (void)state;
    send_bytes(A, 2000);
    end_works(A);
    A->still = true;
    pass(3 * SECOND);
    for (unsigned i = 0; i < 3; i++) { /* ticks alone, as when reading comes after the timers */
        session_tick(A->session, world->now);
        world->now += MILLISECOND;
    }
    A->still = false;
    end_works(A);
    assert_int_equal(statistics_of(A).suspicions, 0);
    pass(100 * MILLISECOND);
    assert_int_equal(statistics_of(A).suspicions, 0);
}

/* Somebody who works for long before it reads again hears nothing meanwhile, however often it looks at the clock. */
static void what_lies_unread_is_no_silence(void **state)
{
    (void)state;
    send_bytes(A, 2000);
    end_works(A);
    A->still = true;
    for (int64_t began = world->now; world->now < began + SECOND; world->now += MILLISECOND) {
        session_behind(A->session, world->now - began);
        session_tick(A->session, world->now);
    }
    A->still = false;
    end_works(A);
    assert_int_equal(statistics_of(A).suspicions, 0);
    pass(100 * MILLISECOND);
    assert_int_equal(statistics_of(A).suspicions, 0);
    pass(3 * SECOND);                 /* the peer, who heard nothing either, trusts both again */
    line_cut(&world->lines[0], true); /* a silence that comes later is one */
    (void)longest_gap(SECOND, 5 * MILLISECOND, 20000);
    assert_int_equal(statistics_of(A).suspicions, 1);
}

static void with_one_strand_nothing_is_sent_again(void **state)
{
    (void)state;
    send_bytes(A, 5000);
    pass(300 * MILLISECOND);
    line_cut(&world->lines[0], true);
    send_bytes(A, 5000);
    pass(MILLISECOND);
    uint64_t sent = state_of(A, 0).sent;
    pass(3 * SECOND);
    assert_int_equal(A->suspected, 1); /* it is told, so that another way may be looked for */
    assert_int_equal(state_of(A, 0).sent, sent);
    assert_true(state_of(A, 0).carries);
    send_bytes(A, 100); /* it goes on carrying */
    pass(MILLISECOND);
    assert_true(state_of(A, 0).sent > sent);
    line_cut(&world->lines[0], false);
    pass(SECOND);
    assert_int_equal(B->messages, 3);
    assert_int_equal(A->trusted, 1);
    assert_int_equal(statistics_of(A).resent_bytes, 0);
}

static void a_strand_that_joins_relieves_one_that_is_silent(void **state)
{
    (void)state;
    line_cut(&world->lines[0], true);
    send_bytes(A, 5000);
    pass(SECOND);
    assert_int_equal(B->messages, 0);
    line_add(1, false, 10 * MILLISECOND, FAST);
    pass(100 * MILLISECOND);
    assert_int_equal(B->messages, 1);
}

static void when_all_are_suspected_one_carries_all_the_same(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        session_strand_suspect(world->lines[i].strand[0], true, world->now);
    assert_true(state_of(A, 0).carries != state_of(A, 1).carries);
    send_bytes(A, 5000);
    send_bytes(B, 5000);
    pass(200 * MILLISECOND);
    assert_int_equal(B->messages, 1);
    assert_int_equal(A->messages, 1);
    assert_int_equal(A->acked, 1);
}

static void one_that_stays_silent_is_dead(void **state)
{
    (void)state;
    line_cut(&world->lines[0], true);
    longest_gap(9 * SECOND, 50 * MILLISECOND, 500);
    assert_int_equal(A->silent, 0);
    longest_gap(3 * SECOND, 50 * MILLISECOND, 500);
    assert_int_equal(A->silent, 1);
    line_die(&world->lines[0]);
    pass(SECOND);
    assert_int_equal(A->acked, B->messages);
}

static void one_way_is_enough_to_be_suspected(void **state)
{
    (void)state;
    longest_gap(300 * MILLISECOND, 5 * MILLISECOND, 20000);
    world->lines[0].directions[0].cut = true; /* what A sends; B's words come */
    int64_t gap = longest_gap(SECOND, 5 * MILLISECOND, 20000);
    assert_true(gap <= 150 * MILLISECOND);
    assert_true(state_of(A, 0).suspected);
    assert_true(state_of(B, 0).suspected && B->suspected == 1); /* and is told, also where it suspects nobody itself */
}

/* ---- the last strand is lost, and the line goes on */

static void a_line_survives_its_last_strand(void **state)
{
    (void)state;
    send_bytes(A, 30000);
    line_die(&world->lines[0]);
    assert_true(A->stranded == 1 && B->stranded == 1);
    assert_false(A->closed || B->closed);
    uint64_t late =
        send_with(A, &(struct session_send){.data = world_payload, .size = 100, .lifetime = 200 * MILLISECOND});
    send_bytes(A, 200);
    send_bytes(B, 300);
    pass(SECOND);
    assert_int_equal(A->expired, 1); /* lifetimes run */
    assert_false(session_unsettled(A->session, late));
    line_add(1, true, 10 * MILLISECOND, FAST);
    pass(SECOND);
    assert_int_equal(B->messages, 2);
    assert_int_equal(A->messages, 1);
    assert_true(A->acked == 2 && B->acked == 1);
    line_die(&world->lines[1]); /* and again */
    assert_true(A->stranded == 2 && B->stranded == 2);
}

static void without_a_strand_the_queue_is_bounded(void **state)
{
    (void)state;
    line_die(&world->lines[0]);
    unsigned taken = 0;
    while (session_send(A->session, &(struct session_send){.data = world_payload, .size = 10000}, world->now, NULL) ==
           0)
        taken++;
    assert_true(taken >= 100 && taken <= 120);
    pass(5 * SECOND);
    assert_int_equal(
        session_send(A->session, &(struct session_send){.data = world_payload, .size = 10}, world->now, NULL), -EAGAIN);
    line_add(1, false, 10 * MILLISECOND, FAST);
    pass(2 * SECOND);
    assert_int_equal(B->messages, taken);
}

static void a_close_without_a_strand_is_said_when_one_is_back(void **state)
{
    (void)state;
    send_bytes(A, 300);
    line_die(&world->lines[0]);
    session_close(A->session, 7, "enough");
    pass(SECOND);
    assert_false(A->closed);
    line_add(1, false, 10 * MILLISECOND, FAST);
    pass(SECOND);
    assert_true(A->closed && B->closed);
    assert_true(A->close_code == 0 && B->close_code == 0);
    assert_int_equal(B->messages, 1);
}

static void a_line_without_a_strand_can_be_given_up(void **state)
{
    (void)state;
    send_bytes(A, 300);
    line_die(&world->lines[0]);
    session_abort(A->session, 9, "nobody comes", -ETIMEDOUT, world->now);
    assert_true(A->closed && A->close_code == -ETIMEDOUT);
    assert_int_equal(A->failed, 1);
}

static void without_survival_the_last_strand_ends_the_line(void **state)
{
    (void)state;
    send_bytes(A, 300);
    line_die(&world->lines[0]);
    assert_true(A->closed && B->closed && A->close_code == -ECONNRESET);
    assert_int_equal(A->failed, 1);
    assert_int_equal(A->stranded, 0);
}

/* ---- states that are told */

static void told(struct world_end *end, unsigned kind, uint8_t fill, size_t size)
{
    uint8_t body[SESSION_TELL_MAX];
    memset(body, fill, sizeof body);
    assert_int_equal(session_tell(end->session, kind, body, size), 0);
}

static void assert_knows(const struct world_end *end, unsigned kind, uint8_t fill, size_t size)
{
    uint8_t body[SESSION_TELL_MAX];
    memset(body, fill, sizeof body);
    assert_int_equal(end->told[kind].size, size);
    assert_memory_equal(end->told[kind].body, body, size);
}

static void states_are_told_and_the_newest_counts(void **state)
{
    (void)state;
    told(A, 0, 1, 10);
    told(A, 7, 2, SESSION_TELL_MAX);
    told(B, 0, 3, 0);
    pass(100 * MILLISECOND);
    assert_knows(B, 0, 1, 10);
    assert_knows(B, 7, 2, SESSION_TELL_MAX);
    assert_int_equal(A->told[0].count, 1);
    for (uint8_t i = 0; i < 200; i++)
        told(A, 0, i, 600);
    pass(100 * MILLISECOND);
    assert_knows(B, 0, 199, 600);
    assert_true(B->told[0].count < 20);
    assert_int_equal(session_tell(A->session, SESSION_TELL_KINDS, "", 0), -EINVAL);
    assert_int_equal(session_tell(A->session, 0, world_payload, SESSION_TELL_MAX + 1), -E2BIG);
}

static void states_survive_the_death_of_a_strand(void **state)
{
    (void)state;
    line_cut(&world->lines[0], true);
    told(A, 3, 5, 700);
    end_works(A);
    assert_true(frames_of(A, 0, FRAME_TELL) == 2);
    line_die(&world->lines[0]);
    pass(100 * MILLISECOND);
    assert_knows(B, 3, 5, 700);
    assert_int_equal(B->told[3].count, 1);
}

static void old_and_malformed_states(void **state)
{
    (void)state;
    /* kind, serial, size, offset */
    assert_int_equal(FEED(B, 0, FRAME_TELL, 10, 2, 5, 10, 0), 0);
    assert_int_equal(FEED(B, 0, FRAME_TELL, 20, 2, 4, 20, 0), 0);  /* older */
    assert_int_equal(FEED(B, 0, FRAME_TELL, 10, 2, 5, 10, 0), 0);  /* again */
    assert_int_equal(FEED(B, 0, FRAME_TELL, 10, 99, 1, 10, 0), 0); /* of a kind to come */
    assert_int_equal(B->told[2].count, 1);
    /* The second half first, then another state, then its first half: nothing is put together of two. */
    assert_int_equal(FEED(B, 0, FRAME_TELL, 88, 2, 6, 600, 512), 0);
    assert_int_equal(FEED(B, 0, FRAME_TELL, 512, 2, 7, 700, 0), 0);
    assert_int_equal(FEED(B, 0, FRAME_TELL, 512, 2, 6, 600, 0), 0);
    assert_int_equal(B->told[2].count, 1);
    assert_int_equal(FEED(B, 0, FRAME_TELL, 188, 2, 7, 700, 512), 0);
    assert_int_equal(B->told[2].count, 2);
    assert_int_equal(B->told[2].size, 700);
    assert_true(FEED(B, 0, FRAME_TELL, 9, 2, 8, 10, 0) < 0); /* shorter than it says */
    assert_true(B->closed);
}

/* Its second part says that it is shorter than the first does: what lies between was said by nobody. */
static void a_state_of_two_sizes_breaks_the_rules(void **state)
{
    (void)state;
    assert_int_equal(FEED(B, 0, FRAME_TELL, 88, 2, 8, 600, 512), 0);
    assert_true(FEED(B, 0, FRAME_TELL, 512, 2, 8, SESSION_TELL_MAX, 0) < 0);
    assert_int_equal(B->told[2].count, 0);
    assert_string_equal(B->close_reason, "a TELL has two sizes");
}

static void a_state_larger_than_any_breaks_the_rules(void **state)
{
    (void)state;
    assert_true(FEED(B, 0, FRAME_TELL, 512, 2, 8, SESSION_TELL_MAX + 1, 0) < 0);
    assert_true(B->closed);
}

#define T(test, setup) cmocka_unit_test_setup_teardown(test, setup, world_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(silence_is_noticed_in_a_few_round_trips, handover),
        T(silence_is_noticed_in_a_few_round_trips, handover_mixed),
        T(one_message_alone_is_noticed_too, handover),
        T(what_is_suspected_is_probed_less_and_less, handover),
        T(one_that_returns_is_taken_up_again, handover),
        T(one_that_returns_is_taken_up_again, handover_mixed),
        T(one_that_flaps_has_to_be_well_for_longer, handover),
        T(an_ack_that_is_told_late_ends_no_suspicion, handover),
        T(the_caller_may_suspect_and_trust, handover),
        T(a_peer_that_stands_still_costs_nothing, aggregate),
        T(a_peer_that_speaks_again_speaks_on_one_strand_first, aggregate),
        T(a_peer_that_speaks_again_speaks_on_one_strand_first, aggregate_units),
        T(a_late_tick_suspects_nobody, aggregate),
        T(a_late_tick_does_not_suspect_all, aggregate),
        T(a_late_tick_does_not_suspect_all, one),
        T(what_lies_unread_is_no_silence, aggregate),
        T(what_lies_unread_is_no_silence, aggregate_units),
        T(with_one_strand_nothing_is_sent_again, one),
        T(a_strand_that_joins_relieves_one_that_is_silent, one),
        T(when_all_are_suspected_one_carries_all_the_same, aggregate),
        T(one_that_stays_silent_is_dead, handover),
        T(one_way_is_enough_to_be_suspected, aggregate),
        T(one_way_is_enough_to_be_suspected, aggregate_units),
        T(a_line_survives_its_last_strand, survivor),
        T(without_a_strand_the_queue_is_bounded, survivor),
        T(a_close_without_a_strand_is_said_when_one_is_back, survivor),
        T(a_line_without_a_strand_can_be_given_up, survivor),
        T(without_survival_the_last_strand_ends_the_line, one),
        T(states_are_told_and_the_newest_counts, aggregate),
        T(states_are_told_and_the_newest_counts, aggregate_units),
        T(states_survive_the_death_of_a_strand, handover),
        T(old_and_malformed_states, one),
        T(a_state_of_two_sizes_breaks_the_rules, one),
        T(a_state_larger_than_any_breaks_the_rules, one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
