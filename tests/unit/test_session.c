/* SPDX-License-Identifier: Apache-2.0 */
/* The session engine, one requirement after another: two sessions, a wire in between, and time by hand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/wire.h"

#include "session_pair.h"

#define A (&pair->ends[OPENER])
#define B (&pair->ends[ACCEPTER])

static struct pair *pair;

static int setup(void **state)
{
    (void)state;
    pair = pair_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pair_free(pair);
    return 0;
}

static uint8_t *filled(size_t size)
{
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    return bytes;
}

static size_t frames_of(const struct pair_end *end, uint64_t wanted)
{
    const uint8_t *at = end->wire, *body;
    uint64_t type;
    size_t size, count = 0;
    while (at && pair_frame(&at, end->wire + end->wire_size, &type, &body, &size))
        count += type == wanted;
    return count;
}

static void assert_outcome(const struct pair_end *end, uint64_t id, enum session_outcome kind, int code)
{
    const struct pair_outcome *outcome = pair_outcome_of(end, id);
    assert_non_null(outcome);
    assert_int_equal(outcome->kind, kind);
    assert_int_equal(outcome->code, code);
}

/* ---- lifetimes (S2.42, S2.51) */

static void one_that_lives_for_ever_comes(void **state)
{
    (void)state;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "ever", .size = 4, .lifetime = INT64_MAX});
    pair_run(pair);
    assert_int_equal(pair_outcome_of(A, id)->kind, SESSION_ACKED);
    assert_in_range(pair_received_id(B, id)->age, 0, SECOND);
}

static void expired_before_sending_is_not_on_the_wire(void **state)
{
    (void)state;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "late", .size = 4, .lifetime = 1000});
    A->held = true; /* nothing was pulled yet */
    pair->now += 1001;
    session_tick(A->session, pair->now);
    pair_run(pair);
    assert_int_equal(frames_of(A, FRAME_DATA), 0);
    assert_outcome(A, id, SESSION_EXPIRED, -HAWSER_EEXPIRED);
    A->held = false;
    pair_advance(pair, 10 * SECOND);
    assert_int_equal(B->received_count, 0);
    assert_outcome(A, id, SESSION_EXPIRED, -HAWSER_EEXPIRED); /* and it stays one */
}

static void expired_on_the_way_is_not_delivered(void **state)
{
    (void)state;
    pair_advance(pair, 2 * SECOND);
    A->held = true;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "late", .size = 4, .lifetime = 50000});
    pair_run(pair);
    assert_int_equal(frames_of(A, FRAME_DATA), 1);
    pair->now += 60000;
    A->held = false;
    pair_run(pair);
    assert_int_equal(B->received_count, 0);
    assert_outcome(A, id, SESSION_EXPIRED, -HAWSER_EEXPIRED);
    struct session_statistics statistics;
    session_get_statistics(B->session, &statistics);
    assert_int_equal(statistics.late_dropped, 1);
}

static void in_time_is_delivered_with_its_age(void **state)
{
    (void)state;
    pair->now += 10000; /* the clocks are asked and told of first */
    pair_run(pair);
    A->held = true;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "soon", .size = 4, .lifetime = 50000});
    pair_run(pair);
    pair->now += 30000;
    A->held = false;
    pair_run(pair);
    const struct pair_received *received = pair_received_id(B, id);
    assert_non_null(received);
    assert_in_range(received->age, 30000, 31000);
    assert_outcome(A, id, SESSION_ACKED, 0);
}

/* ---- niceness (S2.43, S2.47) */

static void a_lower_niceness_overtakes(void **state)
{
    (void)state;
    uint8_t *bulk = filled(100000);
    for (int i = 0; i < 20; i++)
        pair_send(pair, OPENER, &(struct session_send){.data = bulk, .size = 100000});
    uint64_t nice = pair_send(pair, OPENER, &(struct session_send){.data = "nice", .size = 4, .niceness = 50});
    uint64_t urgent = pair_send(pair, OPENER, &(struct session_send){.data = "urgent", .size = 6, .niceness = -50});
    pair_run(pair);
    assert_int_equal(B->received_count, 22);
    assert_int_equal(B->received[0].id, urgent);
    assert_int_equal(B->received[0].niceness, -50);
    assert_int_equal(B->received[21].id, nice);
    free(bulk);
}

static void a_new_niceness_counts_while_it_waits(void **state)
{
    (void)state;
    uint64_t first = pair_send(pair, OPENER, &(struct session_send){.data = "1", .size = 1});
    uint64_t second = pair_send(pair, OPENER, &(struct session_send){.data = "2", .size = 1});
    assert_int_equal(session_renice(A->session, second, -1), 0);
    assert_int_equal(session_renice(A->session, second, 156), -EINVAL);
    pair_run(pair);
    assert_int_equal(B->received[0].id, second);
    assert_int_equal(B->received[1].id, first);
    assert_int_equal(session_renice(A->session, second, 3), -ENOENT);
}

static void streams_and_messages_stand_in_one_order(void **state)
{
    (void)state;
    struct session_stream *nice, *urgent;
    uint8_t *bytes = filled(30000);
    assert_int_equal(session_stream_open(A->session, 10, pair->now, &nice), 0);
    assert_int_equal(session_stream_write(nice, bytes, 30000, pair->now), 30000);
    pair_send(pair, OPENER, &(struct session_send){.data = bytes, .size = 1000});
    assert_int_equal(session_stream_open(A->session, -10, pair->now, &urgent), 0);
    assert_int_equal(session_stream_write(urgent, bytes, 30000, pair->now), 30000);
    A->held = true;
    pair_run(pair);
    const uint8_t *at = A->wire, *body;
    uint64_t type;
    size_t size, message_at = 0, urgent_last = 0, nice_first = SIZE_MAX, n = 1;
    for (; pair_frame(&at, A->wire + A->wire_size, &type, &body, &size); n++) {
        if (type == FRAME_DATA)
            message_at = n;
        else if (type == FRAME_STREAM && body[0] == session_stream_id(urgent))
            urgent_last = n;
        else if (type == FRAME_STREAM && nice_first == SIZE_MAX)
            nice_first = n;
    }
    assert_true(urgent_last < message_at && message_at < nice_first);
    A->held = false;
    pair_run(pair);
    free(bytes);
}

/* ---- antecedents (S2.20, S2.44) */

static void a_successor_waits_and_others_overtake(void **state)
{
    (void)state;
    uint8_t *bulk = filled(3 << 20);
    uint64_t map = pair_send(pair, OPENER, &(struct session_send){.data = bulk, .size = 3 << 20, .niceness = 20});
    uint64_t tile = pair_send(
        pair, OPENER, &(struct session_send){.data = "t", .size = 1, .antecedents = &map, .antecedent_count = 1});
    uint64_t other = pair_send(pair, OPENER, &(struct session_send){.data = "o", .size = 1, .niceness = 100});
    pair_run(pair);
    assert_int_equal(B->received_count, 3);
    assert_int_equal(B->received[2].id == tile || B->received[2].id == other, 1);
    size_t map_at = 0, tile_at = 0;
    for (size_t i = 0; i < 3; i++) {
        map_at = B->received[i].id == map ? i : map_at;
        tile_at = B->received[i].id == tile ? i : tile_at;
    }
    assert_true(map_at < tile_at);
    assert_false(pair_received_id(B, tile)->antecedent_lost);
    free(bulk);
}

static void what_has_no_bond_is_not_held_up(void **state)
{
    (void)state;
    uint64_t first = pair_send(pair, OPENER, &(struct session_send){.size = 10, .parts = true}); /* given later */
    uint64_t successor = pair_send(
        pair, OPENER, &(struct session_send){.data = "s", .size = 1, .antecedents = &first, .antecedent_count = 1});
    uint64_t other = pair_send(pair, OPENER, &(struct session_send){.data = "o", .size = 1});
    pair_run(pair);
    assert_int_equal(B->received_count, 1);
    assert_int_equal(B->received[0].id, other);
    assert_int_equal(session_send_part(A->session, first, "0123456789", 10, true, pair->now), 0);
    pair_run(pair);
    assert_int_equal(B->received_count, 3);
    assert_int_equal(B->received[1].id, first);
    assert_int_equal(B->received[2].id, successor);
}

static void a_lost_antecedent_is_told(void **state)
{
    (void)state;
    uint64_t first = pair_send(pair, OPENER, &(struct session_send){.data = "1", .size = 1});
    assert_int_equal(session_cancel(A->session, first, pair->now), 0);
    uint64_t second = pair_send(
        pair, OPENER, &(struct session_send){.data = "2", .size = 1, .antecedents = &first, .antecedent_count = 1});
    pair_run(pair);
    assert_outcome(A, first, SESSION_FAILED, -ECANCELED);
    assert_true(pair_received_id(B, second)->antecedent_lost);
    assert_null(pair_received_id(B, first));
}

static void ordered_is_an_antecedent_on_the_one_before(void **state)
{
    (void)state;
    uint64_t ids[3];
    for (int i = 0; i < 3; i++)
        ids[i] = pair_send(pair, OPENER,
                           &(struct session_send){.data = "x", .size = 1, .ordered = true, .niceness = 10 - 10 * i});
    pair_run(pair);
    assert_int_equal(B->received_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(B->received[i].id, ids[i]);
        assert_true(B->received[i].ordered);
    }
}

static void only_ids_that_were_given_can_be_antecedents(void **state)
{
    (void)state;
    uint64_t id, wrong[] = {1}, many[SESSION_ANTECEDENTS_MAX + 1];
    struct session_send send = {.data = "x", .size = 1, .antecedents = wrong, .antecedent_count = 1};
    assert_int_equal(session_send(A->session, &send, pair->now, &id), -EINVAL); /* it would be its own */
    wrong[0] = 0;
    assert_int_equal(session_send(A->session, &send, pair->now, &id), -EINVAL);
    for (size_t i = 0; i < SESSION_ANTECEDENTS_MAX + 1; i++)
        many[i] = 1;
    id = pair_send(pair, OPENER, &(struct session_send){.data = "x", .size = 1});
    assert_int_equal(id, 1); /* failed ones took none */
    send = (struct session_send){
        .data = "x", .size = 1, .antecedents = many, .antecedent_count = SESSION_ANTECEDENTS_MAX + 1};
    assert_int_equal(session_send(A->session, &send, pair->now, &id), -E2BIG);
}

/* ---- sizes, refusing (S1.12) */

static void refuse_arriving(struct pair_end *end, struct session_arriving *arriving)
{
    (void)end;
    assert_int_equal(arriving->size, 5 << 20);
    arriving->take = SESSION_TAKE_REFUSE;
    arriving->reason = "no such target";
}

static void the_size_is_known_first_and_can_be_refused(void **state)
{
    (void)state;
    uint8_t *bytes = filled(5 << 20);
    B->on_arriving = refuse_arriving;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = bytes, .size = 5 << 20});
    pair_pull(pair, OPENER, 1);
    pair_deliver(pair, OPENER, 40);
    assert_int_equal(B->arriving_count, 1); /* by the head of the first frame */
    pair_run(pair);
    assert_int_equal(B->received_count, 0);
    assert_outcome(A, id, SESSION_FAILED, -HAWSER_EREFUSED);
    assert_string_equal(pair_outcome_of(A, id)->reason, "no such target");
    assert_true(A->pulled < 2 << 20); /* the rest was not sent */
    free(bytes);
}

static void what_cannot_be_held_is_refused_as_large(void **state)
{
    (void)state;
    uint8_t *bytes = filled(1000);
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.size = UINT64_C(1) << 40, .parts = true});
    assert_int_equal(session_send_part(A->session, id, bytes, 1000, false, pair->now), 0);
    pair_run(pair);
    assert_outcome(A, id, SESSION_FAILED, -HAWSER_ELARGE);
    free(bytes);
}

/* ---- acknowledging (S2.50) */

static void acked_only_when_the_peer_has_confirmed(void **state)
{
    (void)state;
    B->held = true;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "m", .size = 1});
    pair_run(pair);
    assert_non_null(pair_received_id(B, id));
    assert_null(pair_outcome_of(A, id));
    B->held = false;
    pair_run(pair);
    assert_outcome(A, id, SESSION_ACKED, 0);
}

static void a_peer_that_dies_before_confirming_leaves_a_doubt(void **state)
{
    (void)state;
    B->held = true;
    uint64_t sent = pair_send(pair, OPENER, &(struct session_send){.data = "m", .size = 1});
    pair_run(pair);
    uint64_t unsent = pair_send(pair, OPENER, &(struct session_send){.data = "n", .size = 1});
    session_strand_lost(A->strand, -HAWSER_ELOST, "killed", pair->now);
    A->strand = NULL;
    assert_outcome(A, sent, SESSION_FAILED, -HAWSER_ELOST);
    assert_true(pair_outcome_of(A, sent)->maybe_delivered);
    assert_outcome(A, unsent, SESSION_FAILED, -HAWSER_ELOST);
    assert_false(pair_outcome_of(A, unsent)->maybe_delivered);
    assert_true(A->closed);
    assert_int_equal(A->close_code, -HAWSER_ELOST);
}

static void refuse_message(struct pair_end *end, struct session_message *message)
{
    (void)end;
    message->refuse = "not for me";
}

static void a_refused_message_is_not_acked(void **state)
{
    (void)state;
    B->on_message = refuse_message;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "m", .size = 1});
    pair_run(pair);
    assert_outcome(A, id, SESSION_FAILED, -HAWSER_EREFUSED);
    assert_string_equal(pair_outcome_of(A, id)->reason, "not for me");
}

static void borrowed_memory_is_free_when_settled(void **state)
{
    (void)state;
    uint8_t *bytes = filled(200000);
    B->held = true;
    uint64_t id =
        pair_send(pair, OPENER, &(struct session_send){.data = bytes, .size = 200000, .borrow = true, .cookie = bytes});
    pair_run(pair);
    assert_non_null(pair_received_id(B, id));
    assert_int_equal(A->settled_count, 0); /* written is not settled */
    B->held = false;
    pair_run(pair);
    assert_int_equal(A->settled_count, 1);
    assert_memory_equal(pair_received_id(B, id)->data, bytes, 200000);
    free(bytes);
}

/* ---- ending */

static void closing_waits_for_what_is_queued_both_ways(void **state)
{
    (void)state;
    uint8_t *bytes = filled(1 << 20);
    uint64_t ours = pair_send(pair, OPENER, &(struct session_send){.data = bytes, .size = 1 << 20});
    uint64_t theirs = pair_send(pair, ACCEPTER, &(struct session_send){.data = bytes, .size = 1 << 20});
    session_close(A->session, 42, "done");
    uint64_t id;
    assert_int_equal(session_send(A->session, &(struct session_send){.data = "x", .size = 1}, pair->now, &id),
                     -ESHUTDOWN);
    pair_run(pair);
    assert_outcome(A, ours, SESSION_ACKED, 0);
    assert_outcome(B, theirs, SESSION_ACKED, 0);
    assert_true(A->closed && B->closed);
    assert_int_equal(A->close_code, 0);
    assert_int_equal(B->close_code, 0);
    assert_false(A->closed_by_peer);
    assert_true(B->closed_by_peer);
    assert_int_equal(B->peer_code, 42);
    assert_string_equal(B->close_reason, "done");
    free(bytes);
}

static void aborting_fails_what_is_unsettled(void **state)
{
    (void)state;
    B->held = true;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "m", .size = 1});
    pair_run(pair);
    session_abort(A->session, 9, "enough", -ECONNABORTED, pair->now);
    assert_outcome(A, id, SESSION_FAILED, -ECONNABORTED);
    pair_run(pair);
    assert_true(B->closed && B->closed_by_peer);
    assert_int_equal(B->close_code, -HAWSER_EABORTED);
    assert_int_equal(B->peer_code, 9);
    assert_string_equal(B->close_reason, "enough");
}

static void silence_is_asked_about_and_then_told(void **state)
{
    (void)state;
    pair_free(pair);
    struct session_config config = {.keep_alive = 5 * SECOND, .dead_after = 2 * SECOND};
    pair = pair_new(&config);
    pair_advance(pair, 60 * SECOND); /* PINGs keep it up */
    assert_int_equal(A->silent_count + B->silent_count, 0);
    B->held = true;
    pair_advance(pair, 6900000);
    assert_int_equal(A->silent_count, 0);
    pair_advance(pair, SECOND);
    assert_int_equal(A->silent_count, 1);
    assert_false(A->closed); /* the caller gives the strand up */
}

/* ---- the queue, credit */

static void a_full_queue_says_so_and_later_that_there_is_room(void **state)
{
    (void)state;
    pair_free(pair);
    struct session_config config = {.send_queue = 100000, .send_queue_messages = 10};
    pair = pair_new(&config);
    uint64_t id;
    struct session_send send = {.data = "m", .size = 1};
    for (int i = 0; i < 10; i++)
        assert_int_equal(session_send(A->session, &send, pair->now, &id), 0);
    assert_int_equal(session_send(A->session, &send, pair->now, &id), -EAGAIN);
    assert_int_equal(A->writable_count, 0);
    pair_run(pair);
    assert_int_equal(A->writable_count, 1);
    id = pair_send(pair, OPENER, &send);
    assert_int_equal(id, 11);
    pair_run(pair);
    assert_int_equal(A->writable_count, 1); /* only after a refusal */
}

static void keep_it(struct pair_end *end, struct session_message *message)
{
    (void)end;
    message->keep = true;
}

static void a_receiver_that_keeps_holds_its_sender_back(void **state)
{
    (void)state;
    uint8_t *bytes = filled(60000);
    B->on_message = keep_it;
    for (int i = 0; i < 1000; i++)
        pair_send(pair, OPENER, &(struct session_send){.data = bytes, .size = 60000});
    pair_run(pair);
    struct session_statistics statistics;
    session_get_statistics(B->session, &statistics);
    assert_in_range(B->received_count, 100, 8 * 1024 * 1024 / 60128);
    assert_true(statistics.held_bytes <= 8 << 20);
    size_t before = B->received_count;
    B->on_message = NULL;
    for (size_t i = 0; i < before; i++)
        session_return_credit(B->session, 60128, 0);
    pair_run(pair);
    assert_int_equal(B->received_count, 1000);
    assert_int_equal(A->outcome_count, 1000);
    free(bytes);
}

static void paused_means_nothing_is_handed_over(void **state)
{
    (void)state;
    session_pause(B->session);
    for (int i = 0; i < 5; i++)
        pair_send(pair, OPENER, &(struct session_send){.data = "m", .size = 1});
    pair_run(pair);
    assert_int_equal(B->received_count, 0);
    session_resume(B->session, pair->now);
    assert_int_equal(B->received_count, 5);
    pair_run(pair);
    assert_int_equal(A->outcome_count, 5);
}

/* ---- replies, cancelling, sent */

static void properties_come_through(void **state)
{
    (void)state;
    uint64_t wish = pair_send(pair, OPENER, &(struct session_send){.data = "?", .size = 1, .niceness = -100});
    pair_run(pair);
    uint64_t answer =
        pair_send(pair, ACCEPTER,
                  &(struct session_send){.data = "!", .size = 1, .reply_to = wish, .niceness = 155, .want_sent = true});
    pair_run(pair);
    const struct pair_received *received = pair_received_id(A, answer);
    assert_int_equal(received->reply_to, wish);
    assert_int_equal(received->niceness, 155);
    assert_int_equal(received->age, -1);
    assert_int_equal(pair_received_id(B, wish)->niceness, -100);
    assert_int_equal(B->sent_count, 1);
    assert_int_equal(A->sent_count, 0);
}

static void cancelling_after_delivery_finds_it_acked(void **state)
{
    (void)state;
    B->held = true;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "m", .size = 1});
    pair_run(pair);
    assert_int_equal(session_cancel(A->session, id, pair->now), 0);
    B->held = false;
    pair_run(pair);
    assert_outcome(A, id, SESSION_ACKED, 0);
    assert_int_equal(session_cancel(A->session, id, pair->now), -ENOENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_that_lives_for_ever_comes),
        T(expired_before_sending_is_not_on_the_wire),
        T(expired_on_the_way_is_not_delivered),
        T(in_time_is_delivered_with_its_age),
        T(a_lower_niceness_overtakes),
        T(a_new_niceness_counts_while_it_waits),
        T(streams_and_messages_stand_in_one_order),
        T(a_successor_waits_and_others_overtake),
        T(what_has_no_bond_is_not_held_up),
        T(a_lost_antecedent_is_told),
        T(ordered_is_an_antecedent_on_the_one_before),
        T(only_ids_that_were_given_can_be_antecedents),
        T(the_size_is_known_first_and_can_be_refused),
        T(what_cannot_be_held_is_refused_as_large),
        T(acked_only_when_the_peer_has_confirmed),
        T(a_peer_that_dies_before_confirming_leaves_a_doubt),
        T(a_refused_message_is_not_acked),
        T(borrowed_memory_is_free_when_settled),
        T(closing_waits_for_what_is_queued_both_ways),
        T(aborting_fails_what_is_unsettled),
        T(silence_is_asked_about_and_then_told),
        T(a_full_queue_says_so_and_later_that_there_is_room),
        T(a_receiver_that_keeps_holds_its_sender_back),
        T(paused_means_nothing_is_handed_over),
        T(properties_come_through),
        T(cancelling_after_delivery_finds_it_acked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
