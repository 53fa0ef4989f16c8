/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session whose peer breaks the rules of docs/protocol.md (section 9): each breach ends it with an ABORT that has a code
 * and a sentence, in bounded memory; and what a rule allows is borne.
 */
#include <stdlib.h>
#include <string.h>

#include "base/varint.h"
#include "session/wire.h"

#include "session_pair.h"

#define A (&pair->ends[OPENER])
#define B (&pair->ends[ACCEPTER])

static struct pair *pair;

static int setup(void **state)
{
    (void)state;
    pair = pair_new_lone(ACCEPTER, NULL);
    pair_pull(pair, ACCEPTER, SIZE_MAX);
    B->wire_size = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pair_free(pair);
    return 0;
}

/* ---- writing frames as a peer would, or would not */

struct frame {
    uint8_t bytes[70000];
    size_t size;
};

static void put(struct frame *frame, uint64_t value)
{
    frame->size = (size_t)(varint_put(frame->bytes + frame->size, value) - frame->bytes);
}

static void put_bytes(struct frame *frame, const void *bytes, size_t size)
{
    memcpy(frame->bytes + frame->size, bytes, size);
    frame->size += size;
}

static void put_byte(struct frame *frame, uint8_t byte)
{
    frame->bytes[frame->size++] = byte;
}

static void feed_frame(uint64_t type, const struct frame *body)
{
    struct frame *frame = calloc(1, sizeof *frame);
    assert_non_null(frame);
    put(frame, type);
    put(frame, body->size);
    pair_feed(pair, ACCEPTER, frame->bytes, frame->size);
    pair_feed(pair, ACCEPTER, body->bytes, body->size);
    free(frame);
}

static void feed_numbers(uint64_t type, const uint64_t *numbers, size_t count)
{
    struct frame body = {.size = 0};
    for (size_t i = 0; i < count; i++)
        put(&body, numbers[i]);
    feed_frame(type, &body);
}

#define FEED(type, ...)                                                                                                \
    feed_numbers(type, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void hello_body(struct frame *body, uint8_t version)
{
    put_byte(body, version);
    put_bytes(body, "0123456789abcdef", 16);
    put(body, (uint64_t)pair->now);
}

static void hello(void)
{
    struct frame body = {.size = 0};
    hello_body(&body, VERSION);
    feed_frame(FRAME_HELLO, &body);
    assert_true(B->hello);
}

/* id, flags, then what follows as numbers */
static void feed_data(uint64_t id, uint8_t flags, const uint64_t *numbers, size_t count, size_t payload)
{
    struct frame *body = calloc(1, sizeof *body);
    assert_non_null(body);
    put(body, id);
    put_byte(body, flags);
    for (size_t i = 0; i < count; i++)
        put(body, numbers[i]);
    body->size += payload;
    feed_frame(FRAME_DATA, body);
    free(body);
}

#define DATA(id, flags, payload, ...)                                                                                  \
    feed_data(id, flags, (const uint64_t[]){0, ##__VA_ARGS__} + 1,                                                     \
              sizeof((const uint64_t[]){0, ##__VA_ARGS__}) / sizeof(uint64_t) - 1, payload)

static void feed_stream(uint64_t id, uint8_t flags, const uint64_t *numbers, size_t count, size_t payload)
{
    struct frame *body = calloc(1, sizeof *body);
    assert_non_null(body);
    put(body, id);
    put_byte(body, flags);
    for (size_t i = 0; i < count; i++)
        put(body, numbers[i]);
    body->size += payload;
    feed_frame(FRAME_STREAM, body);
    free(body);
}

#define STREAM(id, flags, payload, ...)                                                                                \
    feed_stream(id, flags, (const uint64_t[]){__VA_ARGS__},                                                            \
                sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), payload)

/* ---- what must follow */

static void assert_ended(enum session_code code)
{
    assert_true(B->closed);
    assert_false(B->closed_by_peer);
    assert_true(B->close_code < 0);
    assert_true(strlen(B->close_reason) > 10); /* a sentence */
    B->wire_size = 0;
    pair_pull(pair, ACCEPTER, SIZE_MAX);
    const uint8_t *at = B->wire, *body;
    uint64_t type = 0, told = 0;
    size_t size;
    assert_true(B->wire && pair_frame(&at, B->wire + B->wire_size, &type, &body, &size));
    assert_int_equal(type, FRAME_ABORT);
    const uint8_t *reason = varint_get(body, body + size, &told);
    assert_non_null(reason);
    assert_int_equal(told, SESSION_CODE(code));
    assert_int_equal((size_t)(body + size - reason), strlen(B->close_reason));
    assert_memory_equal(reason, B->close_reason, strlen(B->close_reason));
    assert_ptr_equal(at, B->wire + B->wire_size); /* and nothing else */
    assert_true(B->bytes_peak < 17 << 20);        /* receive_memory, and a little */
    /* Nothing more is acted on. */
    size_t received = B->received_count;
    DATA(99, DATA_FIRST | DATA_LAST, 1);
    assert_int_equal(B->received_count, received);
}

static void assert_alive(void)
{
    assert_false(B->closed);
    uint64_t id = B->received_count ? B->received[B->received_count - 1].id + 1000 : 1000;
    size_t received = B->received_count;
    DATA(id, DATA_FIRST | DATA_LAST, 3);
    assert_int_equal(B->received_count, received + 1);
    assert_int_equal(B->received[received].size, 3);
}

/* ---- breaches: one function a row, all run by one loop */

static void bad_version(void)
{
    struct frame body = {.size = 0};
    hello_body(&body, 2);
    feed_frame(FRAME_HELLO, &body);
}

static void second_hello(void)
{
    struct frame body = {.size = 0};
    hello();
    hello_body(&body, VERSION);
    feed_frame(FRAME_HELLO, &body);
}

static void short_hello(void)
{
    struct frame body = {.size = 0};
    put_byte(&body, VERSION);
    put_bytes(&body, "0123", 4);
    feed_frame(FRAME_HELLO, &body);
}

static void hello_parameter(uint64_t id, uint64_t value, bool twice)
{
    struct frame body = {.size = 0};
    hello_body(&body, VERSION);
    for (int i = 0; i < 1 + twice; i++) {
        put(&body, id);
        put(&body, varint_size(value));
        put(&body, value);
    }
    feed_frame(FRAME_HELLO, &body);
}

static void lowered_credit(void)
{
    hello_parameter(PARAMETER_CREDIT, BEFORE_CREDIT - 1, false);
}

static void lowered_flow_credit(void)
{
    hello_parameter(PARAMETER_FLOW_CREDIT, 1, false);
}

static void lowered_open_flows(void)
{
    hello_parameter(PARAMETER_OPEN_FLOWS, 127, false);
}

static void parameter_twice(void)
{
    hello_parameter(PARAMETER_CREDIT, BEFORE_CREDIT, true);
}

static void cut_parameter(void)
{
    struct frame body = {.size = 0};
    hello_body(&body, VERSION);
    put(&body, PARAMETER_CREDIT);
    put(&body, 8);
    put_byte(&body, 1);
    feed_frame(FRAME_HELLO, &body);
}

static void long_name(void)
{
    struct frame body = {.size = 0};
    hello_body(&body, VERSION);
    put(&body, PARAMETER_NAME);
    put(&body, 256);
    body.size += 256;
    feed_frame(FRAME_HELLO, &body);
}

static void long_control_frame(void)
{
    uint8_t head[] = {FRAME_PADDING, 0x80, 0x00, 0x40, 0x01}; /* 16,385 */
    pair_feed(pair, ACCEPTER, head, sizeof head);
}

static void long_data_frame(void)
{
    uint8_t head[] = {FRAME_DATA, 0x80, 0x10, 0x10, 0x01}; /* 1,048,576 + 4,096 + 1 */
    pair_feed(pair, ACCEPTER, head, sizeof head);
}

static void message_0(void)
{
    DATA(0, DATA_FIRST | DATA_LAST, 1);
}

static void unknown_flag(void)
{
    DATA(1, 0x08 | DATA_FIRST | DATA_LAST, 1);
}

static void properties_without_first(void)
{
    DATA(1, DATA_PROPERTIES, 1, 0, 0);
}

static void empty_data(void)
{
    feed_frame(FRAME_DATA, &(struct frame){.size = 0});
}

static void cut_properties(void)
{
    DATA(1, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 0, PROPERTY_NICENESS);
}

static void niceness_out_of_range(void)
{
    DATA(1, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 1, PROPERTY_NICENESS, 256, PROPERTY_END);
}

static void property_twice(void)
{
    DATA(1, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 1, PROPERTY_NICENESS, 1, PROPERTY_NICENESS, 1, PROPERTY_END);
}

static void antecedent_of_itself(void)
{
    DATA(5, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 1, PROPERTY_ANTECEDENTS, 1, 0, PROPERTY_END);
}

static void antecedent_before_the_first(void)
{
    DATA(5, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 1, PROPERTY_ANTECEDENTS, 1, 5, PROPERTY_END);
}

static void no_antecedents(void)
{
    DATA(5, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 1, PROPERTY_ANTECEDENTS, 0, PROPERTY_END);
}

static void too_many_antecedents(void)
{
    struct frame body = {.size = 0};
    put(&body, 100);
    put_byte(&body, DATA_FIRST | DATA_LAST | DATA_PROPERTIES);
    put(&body, PROPERTY_ANTECEDENTS);
    put(&body, 65);
    for (int i = 0; i < 65; i++)
        put_byte(&body, 1);
    put(&body, PROPERTY_END);
    feed_frame(FRAME_DATA, &body);
}

static void longer_than_it_said(void)
{
    DATA(1, DATA_FIRST, 10, 20 + 1, 20);
    DATA(1, 0, 11, 10);
}

static void shorter_than_it_said(void)
{
    DATA(1, DATA_FIRST, 10, 20 + 1, 20);
    DATA(1, DATA_LAST, 5, 10);
}

static void beyond_what_it_paid(void)
{
    DATA(1, DATA_FIRST, 1, (8 << 20) + 1, 1); /* has all that can be reserved */
    DATA(2, DATA_FIRST, 10, 100 + 1, 20);
    DATA(2, 0, 11, 10);
}

static void pays_too_much(void)
{
    DATA(1, DATA_FIRST, 0, 0, (16 << 20) / 16 + 1);
}

static void credit_exceeded(void)
{
    for (uint64_t id = 1; id <= 9 && !B->closed; id++)
        DATA(id, DATA_FIRST, 0, 0, 1 << 20);
}

static void credit_exceeded_without_opening(void)
{
    for (uint64_t id = 1; id <= 9 && !B->closed; id++)
        DATA(id, 0, 1, (1 << 20) - 1);
}

static void too_many_open(void)
{
    for (uint64_t id = 1; id <= 10000 && !B->closed; id++)
        DATA(2 * id, DATA_FIRST, 0, 2, 1);
}

static void offset_out_of_range(void)
{
    DATA(1, 0, 1, VARINT_MAX);
}

static void stream_of_nobody(void)
{
    STREAM(1, 0, 1, 0); /* ours to open, and we have not */
}

static void stream_flags(void)
{
    STREAM(0, 0x80, 1, 0);
}

static void stream_niceness(void)
{
    STREAM(0, STREAM_FIRST, 1, 256, 0);
}

static void stream_beyond_credit(void)
{
    STREAM(0, STREAM_FIRST, 1, 100, 0);
    STREAM(0, 0, 1, 65536);
}

static void stream_after_its_end(void)
{
    STREAM(0, STREAM_FIRST | STREAM_LAST, 10, 100, 0);
    STREAM(0, 0, 1, 10);
}

static void stream_with_two_ends(void)
{
    STREAM(0, STREAM_FIRST | STREAM_LAST, 10, 100, 0);
    STREAM(0, STREAM_LAST, 1, 4);
}

static void too_many_streams(void)
{
    for (uint64_t id = 0; id < 20000 && !B->closed; id += 2)
        STREAM(id, STREAM_FIRST, 0, 100, 0);
}

static void cut_stream(void)
{
    STREAM(0, STREAM_FIRST, 0, 100);
}

static void ack_of_nothing(void)
{
    FEED(FRAME_ACK, 0, 1000000);
}

static void cut_ack(void)
{
    FEED(FRAME_ACK, 0);
}

static void outcome_of_nothing(void)
{
    FEED(FRAME_OUTCOME, OUTCOME_DELIVERED, 1, 1);
}

static void outcome_before_sending(void)
{
    uint64_t id = pair_send(pair, ACCEPTER, &(struct session_send){.data = "x", .size = 1}); /* not pulled */
    FEED(FRAME_OUTCOME, OUTCOME_DELIVERED, id, 1);
}

static void outcome_of_no_kind(void)
{
    FEED(FRAME_OUTCOME, OUTCOME_KINDS, 1, 1);
}

static void outcome_of_none(void)
{
    FEED(FRAME_OUTCOME, OUTCOME_DELIVERED, 1, 0);
}

static void refusal_of_two(void)
{
    FEED(FRAME_OUTCOME, OUTCOME_REFUSED, 1, 2);
}

static void cut_outcome(void)
{
    FEED(FRAME_OUTCOME, OUTCOME_LATE, 1);
}

static void expire_of_no_kind(void)
{
    FEED(FRAME_EXPIRE, 17, 1, 1);
}

static void expire_of_none(void)
{
    FEED(FRAME_EXPIRE, EXPIRE_EXPIRED, 1, 0);
}

static void expire_of_0(void)
{
    FEED(FRAME_EXPIRE, EXPIRE_EXPIRED, 0, 1);
}

static void expire_beyond_all_ids(void)
{
    FEED(FRAME_EXPIRE, EXPIRE_EXPIRED, VARINT_MAX, VARINT_MAX);
}

static void cut_credit(void)
{
    feed_frame(FRAME_CREDIT, &(struct frame){.size = 0});
}

static void cut_flow_credit(void)
{
    FEED(FRAME_FLOW_CREDIT, 1);
}

static void cut_reset(void)
{
    FEED(FRAME_STREAM_RESET, 0);
}

static void cut_ping(void)
{
    feed_frame(FRAME_PING, &(struct frame){.size = 0});
}

static void cut_pong(void)
{
    FEED(FRAME_PONG, 1, 2);
}

static void long_close(void)
{
    struct frame body = {.size = 0};
    put(&body, 1);
    body.size += REASON_MAX + 1;
    feed_frame(FRAME_CLOSE, &body);
}

static const struct breach {
    const char *name;
    void (*commit)(void);
    enum session_code code;
    bool before_hello;
} breaches[] = {
    {"bad_version", bad_version, SESSION_CODE_VERSION, true},
    {"second_hello", second_hello, SESSION_CODE_PROTOCOL, true},
    {"short_hello", short_hello, SESSION_CODE_PROTOCOL, true},
    {"lowered_credit", lowered_credit, SESSION_CODE_PROTOCOL, true},
    {"lowered_flow_credit", lowered_flow_credit, SESSION_CODE_PROTOCOL, true},
    {"lowered_open_flows", lowered_open_flows, SESSION_CODE_PROTOCOL, true},
    {"parameter_twice", parameter_twice, SESSION_CODE_PROTOCOL, true},
    {"cut_parameter", cut_parameter, SESSION_CODE_PROTOCOL, true},
    {"long_name", long_name, SESSION_CODE_PROTOCOL, true},
#define P(name)                                                                                                        \
    {                                                                                                                  \
#name, name, SESSION_CODE_PROTOCOL, false                                                                      \
    }
#define L(name)                                                                                                        \
    {                                                                                                                  \
#name, name, SESSION_CODE_LIMIT, false                                                                         \
    }
    P(long_control_frame),
    P(long_data_frame),
    P(message_0),
    P(unknown_flag),
    P(properties_without_first),
    P(empty_data),
    P(cut_properties),
    P(niceness_out_of_range),
    P(property_twice),
    P(antecedent_of_itself),
    P(antecedent_before_the_first),
    P(no_antecedents),
    P(too_many_antecedents),
    P(longer_than_it_said),
    P(shorter_than_it_said),
    L(beyond_what_it_paid),
    L(pays_too_much),
    L(credit_exceeded),
    L(credit_exceeded_without_opening),
    L(too_many_open),
    P(offset_out_of_range),
    P(stream_of_nobody),
    P(stream_flags),
    P(stream_niceness),
    L(stream_beyond_credit),
    P(stream_after_its_end),
    P(stream_with_two_ends),
    L(too_many_streams),
    P(cut_stream),
    P(ack_of_nothing),
    P(cut_ack),
    P(outcome_of_nothing),
    P(outcome_before_sending),
    P(outcome_of_no_kind),
    P(outcome_of_none),
    P(refusal_of_two),
    P(cut_outcome),
    P(expire_of_no_kind),
    P(expire_of_none),
    P(expire_of_0),
    P(expire_beyond_all_ids),
    P(cut_credit),
    P(cut_flow_credit),
    P(cut_reset),
    P(cut_ping),
    P(cut_pong),
    P(long_close),
};

static void every_breach_ends_the_session_with_a_sentence(void **state)
{
    int wrong = 0;
    for (size_t i = 0; i < sizeof breaches / sizeof *breaches; i++) {
        if (i > 0) {
            teardown(state);
            setup(state);
        }
        if (!breaches[i].before_hello)
            hello();
        breaches[i].commit();
        if (!B->closed || B->peer_code != SESSION_CODE(breaches[i].code)) {
            print_error("%s: %s\n", breaches[i].name, B->closed ? B->close_reason : "it was borne");
            wrong++;
            continue;
        }
        assert_ended(breaches[i].code);
    }
    assert_int_equal(wrong, 0);
}

/* ---- what has to be borne */

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
    hello();
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
        T(every_breach_ends_the_session_with_a_sentence),
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
