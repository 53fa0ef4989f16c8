/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: a session that is taken up from what it was written to goes on as if nothing had happened: whatever its messages
 * and streams were in the middle of, each message comes once, has one outcome, and every byte of a stream comes in its
 * place; and bytes that are no session, or were damaged, are refused. (S1.21)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/coder.h"
#include "session_pair.h"

#define A (&pair->ends[OPENER])
#define B (&pair->ends[ACCEPTER])

static struct pair *pair;
static uint8_t pattern[4 << 20];

static int begin(const struct session_config *config)
{
    uint32_t number = 1;

    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)((number = number * 1664525 + 1013904223) >> 24);
    pair = pair_new(config);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return begin(&(struct session_config){.survive = true});
}

static int setup_small(void **state)
{
    (void)state;
    return begin(&(struct session_config){.survive = true, .send_queue = 1 << 20});
}

static int teardown(void **state)
{
    (void)state;
    pair_free(pair);
    return 0;
}

static uint64_t random_state;

static uint64_t random_number(uint64_t most)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % (most + 1);
}

/* Came once, as it was sent, and the sender knows. */
static void check_message(uint64_t id, const void *data, size_t size)
{
    const struct pair_received *received = pair_received_id(B, id);
    const struct pair_outcome *outcome = pair_outcome_of(A, id);

    assert_non_null(received);
    assert_int_equal(received->size, size);
    if (received->data)
        assert_memory_equal(received->data, data, size);
    assert_non_null(outcome);
    assert_int_equal(outcome->kind, SESSION_ACKED);
}

/* ---- messages */

static void what_waits_goes_on(void **state)
{
    uint64_t first, second, late;

    (void)state;
    A->held = true;
    first = pair_send(pair, OPENER, &(struct session_send){.data = "one", .size = 3, .ordered = true, .niceness = 7});
    second = pair_send(pair, OPENER,
                       &(struct session_send){.data = "two",
                                              .size = 3,
                                              .antecedents = &first,
                                              .antecedent_count = 1,
                                              .reply_to = 9,
                                              .lifetime = 5 * SECOND});
    late = pair_send(pair, OPENER, &(struct session_send){.data = "three", .size = 5, .send_time = pair->now + SECOND});
    pair_move(pair, OPENER);
    pair_move(pair, ACCEPTER);
    A->held = false;
    pair_run(pair);
    check_message(first, "one", 3);
    check_message(second, "two", 3);
    assert_int_equal(pair_received_id(B, first)->niceness, 7);
    assert_true(pair_received_id(B, first)->ordered);
    assert_int_equal(pair_received_id(B, second)->reply_to, 9);
    assert_in_range(pair_received_id(B, second)->age, 0, SECOND);
    assert_null(pair_received_id(B, late));
    pair_advance(pair, 2 * SECOND);
    check_message(late, "three", 5);
}

static void what_was_under_way_is_sent_again_and_comes_once(void **state)
{
    uint64_t ids[40];

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        ids[i] = pair_send(pair, OPENER, &(struct session_send){.data = pattern + i, .size = 100 * (i + 1)});
    pair_pull(pair, OPENER, SIZE_MAX);
    pair_deliver(pair, OPENER, 30000); /* half of them are there, and nobody told the sender */
    assert_in_range(B->received_count, 5, 35);
    pair_move(pair, OPENER);
    pair_run(pair);
    pair_advance(pair, SECOND);
    for (unsigned i = 0; i < 40; i++)
        check_message(ids[i], pattern + i, 100 * (i + 1));
}

static void a_large_one_goes_on_in_its_middle(void **state)
{
    size_t size = 3 << 20;

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        uint64_t id = pair_send(
            pair, OPENER, &(struct session_send){.data = pattern, .size = size, .borrow = round % 2, .cookie = pair});

        pair_pull(pair, OPENER, 700000);
        pair_deliver(pair, OPENER, 500000);
        pair_pull(pair, ACCEPTER, SIZE_MAX);
        pair_deliver(pair, ACCEPTER, SIZE_MAX);
        pair_move(pair, round < 2 ? OPENER : ACCEPTER);
        if (round < 2)
            assert_int_equal(A->settled_count, round + 1); /* what was lent is free at once */
        for (unsigned i = 0; i < 5; i++) {
            pair_pull(pair, OPENER, 300000);
            pair_deliver(pair, OPENER, 290000);
            pair_move(pair, i % 2);
        }
        pair_run(pair);
        pair_advance(pair, SECOND);
        check_message(id, pattern, size);
    }
}

/* A lent one that was sent in full, and that the peer keeps waiting: it takes as little of the queue there as here. */
static void what_was_lent_and_sent_leaves_room_in_the_queue(void **state)
{
    uint64_t id, next;

    (void)state;
    session_pause(B->session);
    id = pair_send(pair, OPENER,
                   &(struct session_send){.data = pattern, .size = sizeof pattern, .borrow = true, .cookie = pair});
    pair_run(pair);
    pair_advance(pair, SECOND);
    assert_int_equal(A->outcome_count, 0);
    pair_move(pair, OPENER);
    next = pair_send(pair, OPENER, &(struct session_send){.data = "next", .size = 4});
    session_resume(B->session, pair->now);
    pair_run(pair);
    pair_advance(pair, SECOND);
    check_message(id, pattern, sizeof pattern);
    check_message(next, "next", 4);
}

static const uint8_t *source(struct pair_end *end, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error)
{
    (void)end, (void)cookie, (void)ret_error;
    *ret_size = 60000;
    return pattern + offset;
}

static void one_from_a_source_is_copied(void **state)
{
    uint64_t id, small;

    (void)state;
    A->on_source = source;
    id = pair_send(pair, OPENER, &(struct session_send){.source = true, .size = 2000000, .cookie = pair});
    small =
        pair_send(pair, OPENER, &(struct session_send){.source = true, .size = 900, .cookie = pair, .niceness = 50});
    pair_pull(pair, OPENER, 400000);
    pair_deliver(pair, OPENER, 300000);
    pair_move(pair, OPENER);
    A->on_source = NULL; /* it is not asked again */
    assert_int_equal(A->settled_count, 2);
    pair_run(pair);
    pair_advance(pair, SECOND);
    check_message(id, pattern, 2000000);
    check_message(small, pattern, 900);
}

static void one_by_parts_takes_more_of_them_there(void **state)
{
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.parts = true, .size = SESSION_SIZE_UNKNOWN});

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(session_send_part(A->session, id, pattern + i * 30000, 30000, i == 9, pair->now), 0);
        if (i % 3 == 0)
            pair_run(pair);
        pair_move(pair, i % 2);
    }
    pair_run(pair);
    pair_advance(pair, SECOND);
    check_message(id, pattern, 300000);
}

/* ---- the receiver */

static void take_parts(struct pair_end *end, struct session_arriving *arriving)
{
    (void)end;
    arriving->take = SESSION_TAKE_PARTS;
}

static void parts_go_on_where_they_stood(void **state)
{
    uint64_t id;

    (void)state;
    B->on_arriving = take_parts;
    id = pair_send(pair, OPENER, &(struct session_send){.data = pattern, .size = 3000000});
    for (unsigned i = 0; i < 12; i++) {
        pair_pull(pair, OPENER, 200000);
        pair_deliver(pair, OPENER, 150000);
        if (i == 5)
            session_pause(B->session);
        if (i > 7)
            session_resume(B->session, pair->now);
        pair_pull(pair, ACCEPTER, SIZE_MAX);
        pair_deliver(pair, ACCEPTER, SIZE_MAX);
        pair_move(pair, ACCEPTER);
    }
    session_resume(B->session, pair->now);
    pair_run(pair);
    pair_advance(pair, SECOND);
    assert_int_equal(B->part_bytes, 3000000); /* each at its offset, in order, or the pair had said so */
    assert_int_equal(pair_outcome_of(A, id)->kind, SESSION_ACKED);
    assert_int_equal(B->arriving_count, 1);
}

static void refuse(struct pair_end *end, struct session_message *message)
{
    (void)end;
    message->refuse = "not today";
}

static void what_ended_is_told_from_there(void **state)
{
    uint64_t refused, kept;

    (void)state;
    B->on_message = refuse;
    refused = pair_send(pair, OPENER, &(struct session_send){.data = "x", .size = 1});
    pair_pull(pair, OPENER, SIZE_MAX);
    pair_deliver(pair, OPENER, SIZE_MAX);
    B->on_message = NULL;
    kept = pair_send(pair, OPENER, &(struct session_send){.data = "y", .size = 1});
    pair_pull(pair, OPENER, SIZE_MAX);
    pair_deliver(pair, OPENER, SIZE_MAX);
    pair_move(pair, ACCEPTER);
    pair_run(pair);
    pair_advance(pair, SECOND);
    assert_int_equal(pair_outcome_of(A, refused)->code, -HAWSER_EREFUSED);
    assert_string_equal(pair_outcome_of(A, refused)->reason, "not today");
    check_message(kept, "y", 1);
}

static void keep(struct pair_end *end, struct session_message *message)
{
    (void)end;
    message->keep = true;
}

static void what_the_old_program_keeps_is_owed_by_nobody(void **state)
{
    (void)state;
    B->on_message = keep;
    for (unsigned round = 0; round < 40; round++) { /* far more than all credit, were it not given back */
        for (unsigned i = 0; i < 40; i++)
            pair_send(pair, OPENER, &(struct session_send){.data = pattern, .size = 16000});
        pair_run(pair);
        pair_move(pair, ACCEPTER);
        pair_run(pair);
    }
    pair_advance(pair, SECOND);
    assert_int_equal(B->received_count, 1600);
}

/* ---- streams */

static void streams_go_on_on_both_sides(void **state)
{
    struct session_stream *stream;
    uint64_t id, written = 0, read = 0, back = 0;
    static uint8_t buffer[50000];

    (void)state;
    assert_int_equal(session_stream_open(A->session, 3, pair->now, &stream), 0);
    id = session_stream_id(stream);
    for (unsigned i = 0; read < 1000000; i++) {
        int64_t n;

        assert_true(i < 1000);
        stream = pair_stream(A, id);
        n = session_stream_write(stream, pattern + written, 1000000 - written > 90000 ? 90000 : 1000000 - written,
                                 pair->now);
        if (n > 0)
            written += (uint64_t)n;
        if (written == 1000000)
            session_stream_shutdown(stream);
        pair_pull(pair, OPENER, 40000 + i * 100);
        pair_deliver(pair, OPENER, 30000);
        if (i % 4 == 1)
            pair_move(pair, OPENER);
        if (i % 4 == 3)
            pair_move(pair, ACCEPTER);
        pair_run(pair);
        stream = pair_stream(B, id);
        if (back < 1000 && stream)
            back += (uint64_t)session_stream_write(stream, "12345", 5, pair->now);
        while (stream && (n = session_stream_read(stream, buffer, sizeof buffer)) > 0) {
            assert_memory_equal(buffer, pattern + read, (size_t)n);
            read += (uint64_t)n;
        }
    }
    pair_run(pair);
    stream = pair_stream(B, id);
    assert_int_equal(session_stream_read(stream, buffer, sizeof buffer), 0);
    session_stream_shutdown(stream);
    pair_run(pair);
    stream = pair_stream(A, id);
    assert_int_equal(session_stream_read(stream, buffer, sizeof buffer), back);
    assert_int_equal(session_stream_read(stream, buffer, sizeof buffer), 0);
    pair_run(pair);
    pair_advance(pair, SECOND);
    assert_null(pair_stream(A, id)); /* it ended at both */
    assert_null(pair_stream(B, id));
}

/* ---- the end, and anything */

static void a_close_goes_on_too(void **state)
{
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = pattern, .size = 500000});

    (void)state;
    session_close(A->session, 5, "done");
    pair_pull(pair, OPENER, 100000);
    pair_move(pair, OPENER);
    pair_move(pair, ACCEPTER);
    pair_run(pair);
    pair_advance(pair, SECOND);
    assert_true(A->closed && B->closed);
    assert_int_equal(B->peer_code, 5);
    check_message(id, pattern, 500000);
}

static void at_any_moment(void **state)
{
    static uint64_t sizes[4000];
    uint64_t sent = 0;

    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        random_state = seed;
        for (unsigned step = 0; step < 120; step++) {
            uint64_t size = random_number(20) ? random_number(3000) : random_number(400000);
            uint64_t antecedent = sent ? sent - random_number(sent > 5 ? 5 : sent - 1) : 0;
            struct session_send send = {.data = pattern + sent % 1000, .size = size, .ordered = random_number(3) == 0};

            if (antecedent && random_number(3) == 0) {
                send.antecedents = &antecedent;
                send.antecedent_count = 1;
            }
            if (sent < 3999 && session_send(A->session, &send, pair->now, NULL) == 0)
                sizes[++sent] = size;
            for (unsigned i = 0; i < 2; i++) {
                pair_pull(pair, i, random_number(200000));
                pair_deliver(pair, i, random_number(200000));
            }
            if (random_number(10) == 0)
                pair_move(pair, (unsigned)random_number(1));
            if (random_number(30) == 0)
                pair_break(pair);
        }
        pair_run(pair);
        pair_advance(pair, SECOND);
    }
    assert_true(sent > 3000);
    assert_int_equal(B->received_count, sent);
    assert_int_equal(A->outcome_count, sent);
    for (size_t i = 0; i < B->received_count; i++) {
        const struct pair_received *received = &B->received[i];

        assert_int_equal(received->size, sizes[received->id]);
        assert_memory_equal(received->data, pattern + (received->id - 1) % 1000, received->size);
        sizes[received->id] = UINT64_MAX; /* once */
        assert_int_equal(A->outcomes[i].kind, SESSION_ACKED);
    }
}

/* ---- what is refused */

static void not_now(void **state)
{
    struct coder coder;
    struct pair *lone = pair_new_lone(OPENER, &(struct session_config){.survive = true});

    (void)state;
    coder_write(&coder, &memory_malloc, SIZE_MAX);
    assert_int_equal(session_export(lone->ends[OPENER].session, &coder, NULL, lone->now), -EAGAIN);
    pair_free(lone);
    pair_send(pair, OPENER, &(struct session_send){.data = pattern, .size = 100000});
    coder.limit = 5000;
    assert_int_equal(session_export(A->session, &coder, NULL, pair->now), -E2BIG);
    coder_free(&coder);
    A->strand = NULL; /* the strands are gone, and nothing else */
    pair_break(pair);
    pair_run(pair);
    pair_advance(pair, SECOND);
    check_message(1, pattern, 100000);
    session_abort(A->session, 0, "", -ECANCELED, pair->now);
    coder_write(&coder, &memory_malloc, SIZE_MAX);
    assert_int_equal(session_export(A->session, &coder, NULL, pair->now), -ENOTCONN);
    coder_free(&coder);
}

/* Its strand went for an export that failed: what was bound to it goes by the next one. */
static void what_was_bound_outlives_an_export_that_fails(void **state)
{
    struct coder coder;
    uint64_t id;

    (void)state;
    A->held = true;
    id = pair_send(pair, OPENER, &(struct session_send){.data = pattern, .size = 9000, .strand = 1});
    coder_write(&coder, &memory_malloc, SIZE_MAX);
    coder.limit = 5000;
    assert_int_equal(session_export(A->session, &coder, NULL, pair->now), -E2BIG);
    coder_free(&coder);
    A->strand = NULL;
    A->held = false;
    pair_break(pair);
    pair_run(pair);
    pair_advance(pair, SECOND);
    check_message(id, pattern, 9000);
}

static void damaged_bytes_break_nothing(void **state)
{
    struct session_stream *stream;
    struct coder out;
    size_t wrong = 0;

    (void)state;
    B->on_arriving = take_parts;
    session_stream_open(A->session, 0, pair->now, &stream);
    session_stream_write(stream, pattern, 3000, pair->now);
    for (unsigned i = 0; i < 30; i++)
        pair_send(pair, i % 2,
                  &(struct session_send){.data = pattern, .size = i * 50, .lifetime = SECOND, .ordered = i % 3});
    pair_send(pair, OPENER, &(struct session_send){.data = pattern, .size = 100000});
    pair_pull(pair, OPENER, 40000);
    pair_deliver(pair, OPENER, 30000);
    coder_write(&out, &memory_malloc, SIZE_MAX);
    assert_int_equal(session_export(B->session, &out, NULL, pair->now), 0);
    assert_true(session_is_strandless(B->session));
    B->strand = NULL;
    for (size_t i = 0; i < out.size * 4; i++) {
        struct session_config config = pair_config(B);
        struct session *session;
        struct coder in;
        uint8_t before = out.bytes[i / 4];
        size_t blocks = B->blocks;
        int r;

        out.bytes[i / 4] ^= (uint8_t)(1 << (i % 4) * 2);
        coder_read(&in, out.bytes, i % 4 == 3 ? i / 4 : out.size);
        r = session_import(&config, &in, 0, pair->now, &session);
        assert_true(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT || r == -ENOMEM);
        if (i % 4 == 3)
            assert_int_not_equal(r, 0);
        wrong += r < 0;
        if (r == 0) {
            struct session_strand *strand;

            if (session_strand_add(session, NULL, false, 77, pair->now, &strand) == 0)
                session_flush_events(session, pair->now);
            session_free(session);
        }
        assert_int_equal(B->blocks, blocks);
        out.bytes[i / 4] = before;
    }
    assert_true(wrong > out.size / 4);
    coder_free(&out);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(what_waits_goes_on),
        test(what_was_under_way_is_sent_again_and_comes_once),
        test(a_large_one_goes_on_in_its_middle),
        cmocka_unit_test_setup_teardown(what_was_lent_and_sent_leaves_room_in_the_queue, setup_small, teardown),
        test(one_from_a_source_is_copied),
        test(one_by_parts_takes_more_of_them_there),
        test(parts_go_on_where_they_stood),
        test(what_ended_is_told_from_there),
        test(what_the_old_program_keeps_is_owed_by_nobody),
        test(streams_go_on_on_both_sides),
        test(a_close_goes_on_too),
        test(at_any_moment),
        test(not_now),
        test(what_was_bound_outlives_an_export_that_fails),
        test(damaged_bytes_break_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
