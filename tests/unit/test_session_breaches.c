/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session whose peer breaks the rules of docs/protocol.md (section 9): each breach ends it with an ABORT that has a code
 * and a sentence, in bounded memory.
 */
#include "session_peer.h"

/* ---- what must follow */

static void assert_ended(enum session_code code)
{
    assert_true(B->closed);
    assert_false(B->closed_by_peer);
    assert_true(B->close_code < 0);
    assert_true(strlen(B->close_reason) > 10); /* a sentence */
    B->wire_size = 0;
    pair_pull(pair, ACCEPTER, SIZE_MAX);
    const uint8_t *at = B->wire, *body = NULL;
    uint64_t type = 0, told = 0;
    size_t size = 0;
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

/* ---- breaches: one function a row, all run by one loop */

static void bad_version(void)
{
    struct frame body = {.size = 0};
    hello_body(&body, 2);
    feed_frame(FRAME_HELLO, &body);
}

/* The same HELLO may come again, by another strand or a suspected one; another one may not. */
static void second_hello(void)
{
    struct frame body = {.size = 0};
    hello();
    hello_body(&body, VERSION);
    feed_frame(FRAME_HELLO, &body);
    assert_false(B->closed);
    body.bytes[1] ^= 1; /* its nonce */
    feed_frame(FRAME_HELLO, &body);
}

static void short_hello(void)
{
    struct frame body = {.size = 0};
    put_byte(&body, VERSION);
    put_bytes(&body, "0123", 4);
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

/* The size is told, or the end comes, below bytes that are here. */
static void size_below_what_came(void)
{
    DATA(1, DATA_FIRST, 0, 0, 65536);
    DATA(1, 0, 1000, 5);
    DATA(1, DATA_FIRST, 0, 5 + 1, 65536);
}

static void end_below_what_came(void)
{
    DATA(1, DATA_FIRST, 0, 0, 65536);
    DATA(1, 0, 1000, 5);
    DATA(1, DATA_LAST, 5, 0);
}

static void end_inside_what_came(void)
{
    DATA(1, DATA_FIRST, 1000, 0, 65536);
    DATA(1, DATA_LAST, 5, 100);
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

static void stream_that_ends_inside_what_came(void)
{
    STREAM(0, STREAM_FIRST, 10, 100, 0);
    STREAM(0, 0, 10, 100);
    STREAM(0, STREAM_LAST, 10, 50);
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

/* Clocks from which nothing can be reckoned without an overflow. */
static void far_clock(void)
{
    struct frame body = {.size = 0};
    put_byte(&body, VERSION);
    put_bytes(&body, "0123456789abcdef", 16);
    put(&body, CLOCK_MAX + 1);
    feed_frame(FRAME_HELLO, &body);
}

static void far_stamp(void)
{
    DATA(1, DATA_FIRST | DATA_LAST | DATA_PROPERTIES, 1, PROPERTY_STAMP, CLOCK_MAX + 1, PROPERTY_LIFETIME, 1000,
         PROPERTY_END);
}

static void far_pong(void)
{
    FEED(FRAME_PONG, 1, CLOCK_MAX + 1, CLOCK_MAX + 1);
}

static void pong_of_a_far_ping(void)
{
    FEED(FRAME_PONG, VARINT_MAX, 1, 2);
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
    {"far_clock", far_clock, SESSION_CODE_PROTOCOL, true},
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
    P(size_below_what_came),
    P(end_below_what_came),
    P(end_inside_what_came),
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
    P(stream_that_ends_inside_what_came),
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
    P(far_stamp),
    P(far_pong),
    P(pong_of_a_far_ping),
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_breach_ends_the_session_with_a_sentence, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
