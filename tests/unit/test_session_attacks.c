/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that keep every single rule of the wire format and want to make a session hold or compute more than it should: what
 * they can make it hold is bounded, work grows no faster than what they send, and who goes on is sent away with a sentence.
 */

#include "session_peer.h"
#include "work.h"

#define A (&pair->ends[OPENER])
#define MEGABYTE ((size_t)1 << 20)

/* ---- frames in large helpings, since they come by the hundred thousand */

static uint8_t helping[60000];
static size_t helping_size;

static void serve(void)
{
    pair_feed(pair, ACCEPTER, helping, helping_size);
    helping_size = 0;
}

static void add_frame(uint64_t type, const uint8_t *body, const uint8_t *end)
{
    size_t size = (size_t)(end - body);
    if (helping_size + size + 16 > sizeof helping)
        serve();
    uint8_t *at = varint_put(varint_put(helping + helping_size, type), size);
    memcpy(at, body, size);
    helping_size = (size_t)(at - helping) + size;
}

static void add_expire(uint64_t first, uint64_t count)
{
    uint8_t body[32];
    add_frame(FRAME_EXPIRE, body, varint_put(varint_put(varint_put(body, EXPIRE_EXPIRED), first), count));
}

static void add_piece(uint64_t type, uint64_t id, uint8_t flags, uint64_t offset)
{
    uint8_t body[32], *at = varint_put(body, id);
    *at++ = flags;
    if (flags & STREAM_FIRST)
        at = varint_put(at, 100);
    at = varint_put(at, offset);
    *at++ = 'x';
    add_frame(type, body, at);
}

/* The peer reads a little of what the session has to say. */
static void read_little(size_t most)
{
    static uint8_t buffer[16384];
    size_t size, bulk_size;
    const uint8_t *bulk;
    if (!session_wants_pull(B->strand))
        return;
    assert_int_equal(session_pull(B->strand, buffer, most, pair->now, &size, &bulk, &bulk_size), 0);
    session_bulk_done(B->strand);
}

static void acknowledge(void)
{
    struct session_strand_state state;
    uint8_t body[32];
    session_strand_get(B->strand, &state);
    add_frame(FRAME_ACK, body, varint_put(varint_put(body, 0), state.sent));
}

static void forget_received(void)
{
    for (size_t i = 0; i < B->received_count; i++)
        free(B->received[i].data);
    B->received_count = 0;
}

static void assert_sent_away(size_t most)
{
    assert_true(B->closed);
    assert_false(B->closed_by_peer);
    assert_int_equal(B->close_code, -HAWSER_EPROTOCOL);
    assert_true(strlen(B->close_reason) > 10);
    if (B->bytes_peak > most)
        print_error("%zu bytes were held\n", B->bytes_peak);
    assert_true(B->bytes_peak <= most);
}

/* ---- */

static void take_parts(struct pair_end *end, struct session_arriving *arriving)
{
    (void)end;
    arriving->take = SESSION_TAKE_PARTS;
}

/* Bytes overtook an opening that pays for none: there is no window to put them into. */
static void bytes_beyond_what_the_opening_pays(void **state)
{
    (void)state;
    hello();
    B->on_arriving = take_parts;
    DATA(1, 0, 10, 100);
    assert_false(B->closed);
    DATA(1, DATA_FIRST, 0, 100001 + 1, 0);
    assert_sent_away(2 * MEGABYTE);
}

/* A message that waits for 64 others which never come. */
static void add_waiting(uint64_t id)
{
    uint8_t list[600], *to = list, body[700], *at = varint_put(body, id);
    for (uint64_t i = 0; i < SESSION_ANTECEDENTS_MAX; i++)
        to = varint_put(to, id - 1 - i);
    *at++ = DATA_FIRST | DATA_LAST | DATA_PROPERTIES;
    at = varint_put(varint_put(at, PROPERTY_ANTECEDENTS), (uint64_t)(to - list));
    memcpy(at, list, (size_t)(to - list));
    at += to - list;
    *at++ = PROPERTY_END;
    add_frame(FRAME_DATA, body, at);
}

static double expire_waiting(void **state, uint64_t count)
{
    teardown(state);
    setup(state);
    hello();
    for (uint64_t i = 0; i < count; i++)
        add_waiting(200 + i);
    serve();
    assert_false(B->closed);
    clock_t before = clock();
    add_expire(200, count);
    serve();
    double seconds = work_since(before);
    assert_false(B->closed);
    return seconds;
}

static void one_expire_of_many_that_wait_takes_no_longer_for_each(void **state)
{
    double few = expire_waiting(state, 200), many = expire_waiting(state, 1600);
    assert_work_at_most(24, few, many); /* eight times as many; in one walk over all for each it was 64 times as long */
}

static void too_many_that_wait(void **state)
{
    (void)state;
    hello();
    for (uint64_t i = 0; i < 70000 && !B->closed; i++)
        add_waiting(200 + i);
    serve();
    assert_sent_away(48 * MEGABYTE);
}

/* Messages that wait, whole, beside ones that want flow credit: those must not be looked for among the others. */
static double credit_beside_waiting(void **state, uint64_t waiting)
{
    teardown(state);
    setup(state);
    hello();
    for (uint64_t id = 200; id < 200 + waiting; id++) {
        uint8_t body[32], *at = varint_put(body, id);
        *at++ = DATA_FIRST | DATA_LAST | DATA_PROPERTIES;
        at = varint_put(at, PROPERTY_ANTECEDENTS);
        at = varint_put(at, varint_size(id - 100));
        at = varint_put(at, id - 100);
        *at++ = PROPERTY_END;
        add_frame(FRAME_DATA, body, at);
    }
    serve();
    clock_t before = clock();
    for (uint64_t id = 300000; id < 301000; id++) {
        DATA(id, DATA_FIRST, 0, 66000 + 1, 0);
        pair_pull(pair, ACCEPTER, SIZE_MAX);
        B->wire_size = 0;
    }
    double seconds = work_since(before);
    assert_false(B->closed);
    assert_int_equal(B->received_count, 0);
    return seconds;
}

static void flow_credit_takes_no_longer_beside_many_that_wait(void **state)
{
    double few = credit_beside_waiting(state, 500), many = credit_beside_waiting(state, 40000);
    assert_work_at_most(4, few, many);
}

/* A peer that gives no credit, and a program that bound what it sends to a strand: each question is a short walk. */
static double ask_where_bound(void **state, unsigned count)
{
    teardown(state);
    setup(state);
    hello();
    for (unsigned i = 0; i < count; i++)
        pair_send(pair, ACCEPTER, &(struct session_send){.data = "bound", .size = 5, .strand = 1});
    pair_pull(pair, ACCEPTER, SIZE_MAX);
    assert_false(session_wants_pull(B->strand)); /* its credit is gone */
    clock_t before = clock();
    for (unsigned i = 0; i < 3000; i++)
        assert_false(session_wants_pull(B->strand));
    return work_since(before);
}

static void asking_takes_no_longer_where_many_are_bound(void **state)
{
    double few = ask_where_bound(state, 3000), many = ask_where_bound(state, 100000);
    assert_work_at_most(4, few, many);
}

static void refuse(struct pair_end *end, struct session_message *message)
{
    (void)end;
    message->refuse = "the program takes no messages";
}

/* Each refusal has a reason to be told; the peer hardly reads any, and its credit comes back. */
static void refusals_that_are_not_read(void **state)
{
    (void)state;
    hello();
    B->on_message = refuse;
    B->forget_data = true;
    uint64_t id = 1;
    for (int round = 0; round < 20 && !B->closed; round++) {
        for (int i = 0; i < 50000; i++) {
            uint8_t body[16], *at = varint_put(body, id++);
            *at++ = DATA_FIRST | DATA_LAST;
            add_frame(FRAME_DATA, body, at);
        }
        serve();
        forget_received();
        read_little(16384);
    }
    assert_sent_away(24 * MEGABYTE);
}

/* A queue of outcomes that never runs empty is not kept from its beginning on. */
static void outcomes_that_are_read_slowly(void **state)
{
    (void)state;
    hello();
    for (int i = 0; i < 3000000 && !B->closed; i++) {
        add_expire(i & 1 ? 1 : 3, 1);
        if (i % 1500 == 1499) {
            serve();
            if (i > 20000)
                read_little(4096);
            acknowledge();
        }
        assert_true(B->bytes < 24 * MEGABYTE);
    }
    serve();
    if (B->closed) /* its backlog may also have come to the bound */
        assert_sent_away(24 * MEGABYTE);
}

/* Every other byte: each makes a gap to be remembered. */
static void bytes_of_messages_with_gaps(void **state)
{
    (void)state;
    hello();
    for (uint64_t id = 1; id <= 100 && !B->closed; id++)
        for (uint64_t offset = 1; offset < 65536 && !B->closed; offset += 2)
            add_piece(FRAME_DATA, id, 0, offset);
    serve();
    assert_sent_away(32 * MEGABYTE);
}

/* The end of a message is said again and again, beside what lies beyond gaps of it. */
static double end_beside_gaps(void **state, uint64_t extent)
{
    teardown(state);
    setup(state);
    hello();
    for (uint64_t offset = 1; offset < extent; offset += 2)
        add_piece(FRAME_DATA, 1, 0, offset);
    serve();
    uint8_t body[32], *at = varint_put(body, 1);
    *at++ = DATA_LAST;
    at = varint_put(at, extent);
    clock_t before = clock();
    for (int i = 0; i < 3000; i++)
        add_frame(FRAME_DATA, body, at);
    serve();
    assert_false(B->closed);
    return work_since(before);
}

static void an_end_takes_no_longer_beside_many_gaps(void **state)
{
    double few = end_beside_gaps(state, 1000), many = end_beside_gaps(state, 65000);
    assert_work_at_most(4, few, many);
}

static void bytes_of_streams_with_gaps(void **state)
{
    (void)state;
    hello();
    for (uint64_t id = 0; id < 200 && !B->closed; id += 2)
        for (uint64_t offset = 1; offset < 65536 && !B->closed; offset += 2)
            add_piece(FRAME_STREAM, id, offset == 1 ? STREAM_FIRST : 0, offset);
    serve();
    assert_sent_away(32 * MEGABYTE);
}

/* Honest ends: streams that are reset before credit let them open cost nothing, and those that were lost give it back. */
static void resets_of_many_streams_keep_the_line(void **state)
{
    struct session_stream *streams[300];
    teardown(state);
    pair = pair_new(NULL);
    for (int i = 0; i < 300; i++)
        assert_int_equal(session_stream_open(A->session, 0, pair->now, &streams[i]), 0);
    pair_run(pair);
    for (int i = 299; i >= 0; i--)
        assert_int_equal(session_stream_reset(streams[i], 7), 0);
    pair_run(pair);
    assert_false(A->closed || B->closed);
    assert_int_equal(A->stream_closed_count, 300);
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = "on", .size = 2});
    pair_run(pair);
    assert_int_equal(pair_outcome_of(A, id)->kind, SESSION_ACKED);
    struct session_statistics statistics;
    session_get_statistics(B->session, &statistics);
    assert_int_equal(statistics.held_bytes, 0);
}

static void resets_of_streams_never_seen_return_their_credit(void **state)
{
    (void)state;
    hello();
    for (uint64_t id = 0; id < 1000 && !B->closed; id += 2) { /* four times what credit has */
        FEED(FRAME_STREAM_RESET, id, 1);
        session_flush_events(B->session, pair->now);
        pair_pull(pair, ACCEPTER, SIZE_MAX);
        B->wire_size = 0;
    }
    assert_false(B->closed);
    struct session_statistics statistics;
    session_get_statistics(B->session, &statistics);
    assert_int_equal(statistics.held_bytes, 0);
}

/* What was said and is not acknowledged is kept for sending again. */
static void a_peer_that_never_acknowledges(void **state)
{
    (void)state;
    hello();
    for (int i = 0; i < 6000000 && !B->closed; i++) {
        add_expire(i & 1 ? 1 : 3, 1);
        if (i % 1000 == 999) {
            serve();
            read_little(16384);
        }
    }
    serve();
    assert_sent_away(96 * MEGABYTE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(bytes_beyond_what_the_opening_pays),
        T(one_expire_of_many_that_wait_takes_no_longer_for_each),
        T(too_many_that_wait),
        T(flow_credit_takes_no_longer_beside_many_that_wait),
        T(asking_takes_no_longer_where_many_are_bound),
        T(refusals_that_are_not_read),
        T(outcomes_that_are_read_slowly),
        T(bytes_of_messages_with_gaps),
        T(an_end_takes_no_longer_beside_many_gaps),
        T(bytes_of_streams_with_gaps),
        T(resets_of_many_streams_keep_the_line),
        T(resets_of_streams_never_seen_return_their_credit),
        T(a_peer_that_never_acknowledges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
