/* SPDX-License-Identifier: Apache-2.0 */
/* What a session has to bear from its peer: what is unknown, late, out of order or in pieces (docs/protocol.md). */
#include "session_peer.h"

static void assert_alive(void)
{
    assert_false(B->closed);
    uint64_t id = B->received_count ? B->received[B->received_count - 1].id + 1000 : 1000;
    size_t received = B->received_count;
    DATA(id, DATA_FIRST | DATA_LAST, 3);
    assert_int_equal(B->received_count, received + 1);
    assert_int_equal(B->received[received].size, 3);
}

static void unknown_frames_are_skipped(void **state)
{
    (void)state;
    struct frame body = {.size = 0};
    put_bytes(&body, "anything at all", 15);
    feed_frame(31 * 7 + 27, &body); /* even before HELLO */
    hello();
    for (uint64_t n = 0; n < 50; n++)
        feed_frame(31 * n + 27, &body);
    feed_frame(VARINT_MAX, &body);
    feed_frame(FRAME_PADDING, &body);
    feed_frame(FRAME_PADDING, &(struct frame){.size = 0});
    assert_alive();
}

static void unknown_parameters_and_properties_are_skipped(void **state)
{
    (void)state;
    hello_parameter(12345, 1, false);
    assert_true(B->hello);
    DATA(1, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 1, 64, 7, 65, 1, 0, PROPERTY_NICENESS, 50, PROPERTY_END);
    assert_int_equal(B->received_count, 1);
    assert_int_equal(B->received[0].niceness, -50);
    assert_alive();
}

static void frames_come_in_single_bytes(void **state)
{
    (void)state;
    struct frame *all = calloc(1, sizeof *all);
    assert_non_null(all);
    hello();
    for (int i = 0; i < 3; i++) { /* id 1 to 3, 300 bytes each */
        put(all, FRAME_DATA);
        put(all, 2 + 300);
        put(all, (uint64_t)i + 1);
        put_byte(all, DATA_FIRST | DATA_LAST);
        for (int k = 0; k < 300; k++)
            put_byte(all, (uint8_t)(i + k));
    }
    for (size_t i = 0; i < all->size; i++)
        pair_feed(pair, ACCEPTER, all->bytes + i, 1);
    assert_int_equal(B->received_count, 3);
    assert_int_equal(B->received[2].data[299], (uint8_t)(2 + 299));
    free(all);
    assert_alive();
}

static void bytes_that_come_twice_are_ignored(void **state)
{
    (void)state;
    hello();
    DATA(1, DATA_FIRST, 10, 20 + 1, 20);
    DATA(1, DATA_FIRST, 10, 20 + 1, 20);
    DATA(1, 0, 5, 8);
    assert_int_equal(B->received_count, 0);
    DATA(1, DATA_LAST, 10, 10);
    assert_int_equal(B->received_count, 1);
    DATA(1, DATA_LAST, 10, 10); /* settled */
    DATA(1, DATA_FIRST | DATA_LAST, 20);
    assert_int_equal(B->received_count, 1);
    assert_alive();
}

static void what_overtakes_its_opening_is_kept(void **state)
{
    (void)state;
    hello();
    DATA(1, DATA_LAST, 30000, 30000);
    DATA(1, 0, 20000, 0);
    assert_int_equal(B->received_count, 0);
    DATA(1, DATA_FIRST, 0, 60000 + 1, 60000);
    assert_int_equal(B->received_count, 0);
    DATA(1, 0, 10000, 20000);
    assert_int_equal(B->received_count, 1);
    assert_int_equal(B->received[0].size, 60000);
    assert_alive();
}

static void what_is_late_for_a_strand_or_stream_is_ignored(void **state)
{
    (void)state;
    struct session_strand *gone;
    hello();
    assert_int_equal(session_strand_add(B->session, NULL, false, 7, pair->now, &gone), 0);
    session_strand_lost(gone, -HAWSER_ELOST, "it died", pair->now);
    FEED(FRAME_ACK, 7, 12345); /* a strand that is gone */
    FEED(FRAME_FLOW_CREDIT, 12345, 1);
    FEED(FRAME_STREAM_CREDIT, 12345, 1);
    STREAM(0, STREAM_FIRST | STREAM_LAST, 10, 100, 0);
    FEED(FRAME_STREAM_RESET, 0, 5);
    session_flush_events(B->session, pair->now);
    assert_int_equal(B->stream_closed_count, 1);
    STREAM(0, STREAM_FIRST | STREAM_LAST, 10, 100, 0); /* forgotten */
    FEED(FRAME_STREAM_RESET, 0, 5);
    FEED(FRAME_STREAM_RESET, 2, 5); /* its opening is lost with another strand */
    STREAM(2, STREAM_FIRST, 10, 100, 0);
    session_flush_events(B->session, pair->now);
    assert_null(B->stream);
    assert_alive();
}

static void an_expire_of_what_never_came_is_answered(void **state)
{
    (void)state;
    hello();
    FEED(FRAME_EXPIRE, EXPIRE_CANCELLED, 1, 3);
    DATA(2, DATA_FIRST | DATA_LAST, 5);
    assert_int_equal(B->received_count, 0);
    B->wire_size = 0;
    pair_pull(pair, ACCEPTER, SIZE_MAX);
    const uint8_t *at = B->wire, *body;
    uint64_t type;
    size_t size;
    bool answered = false;
    while (pair_frame(&at, B->wire + B->wire_size, &type, &body, &size))
        answered = answered || (type == FRAME_OUTCOME && size == 3 && memcmp(body, "\2\1\3", 3) == 0);
    assert_true(answered);
    assert_alive();
}

/* A peer that cancels scattered ids makes us remember them: there is a bound. */
static void scattered_ids_take_bounded_memory(void **state)
{
    (void)state;
    hello();
    struct frame *body = calloc(1, sizeof *body);
    assert_non_null(body);
    for (int n = 0; n < 40 && !B->closed; n++) {
        body->size = 0;
        put(body, EXPIRE_EXPIRED);
        put(body, 1 + (uint64_t)n * 20000);
        put(body, 1);
        for (int i = 0; i < 8000; i++) {
            put(body, 0);
            put(body, 1);
        }
        feed_frame(FRAME_EXPIRE, body);
        pair_pull(pair, ACCEPTER, SIZE_MAX); /* the answers go */
        B->wire_size = 0;
    }
    free(body);
    assert_true(B->closed);
    assert_int_equal(B->peer_code, SESSION_CODE(SESSION_CODE_LIMIT));
    assert_true(B->bytes_peak < 24 << 20);
}

static void frames_of_reserved_types_are_sent_now_and_then(void **state)
{
    (void)state;
    hello();
    B->random = 512 * 3; /* now */
    B->wire_size = 0;
    pair_send(pair, ACCEPTER, &(struct session_send){.data = "x", .size = 1});
    pair_pull(pair, ACCEPTER, SIZE_MAX);
    const uint8_t *at = B->wire, *body;
    uint64_t type;
    size_t size, reserved = 0;
    while (pair_frame(&at, B->wire + B->wire_size, &type, &body, &size)) {
        if (type <= FRAME_ABORT)
            continue;
        assert_int_equal(type % 31, 27);
        assert_in_range(size, 0, 16);
        reserved++;
    }
    assert_int_equal(reserved, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(unknown_frames_are_skipped),
        T(unknown_parameters_and_properties_are_skipped),
        T(frames_come_in_single_bytes),
        T(bytes_that_come_twice_are_ignored),
        T(what_overtakes_its_opening_is_kept),
        T(what_is_late_for_a_strand_or_stream_is_ignored),
        T(an_expire_of_what_never_came_is_answered),
        T(scattered_ids_take_bounded_memory),
        T(frames_of_reserved_types_are_sent_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
