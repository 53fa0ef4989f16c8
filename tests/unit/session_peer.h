/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session alone whose peer is the test: frames written as a peer would, or would not. The functions are for the test
 * programs about frames, each of which is one file.
 */
#ifndef TEST_SESSION_PEER_H
#define TEST_SESSION_PEER_H

#include <stdlib.h>
#include <string.h>

#include "base/varint.h"
#include "session/wire.h"

#include "session_pair.h"

#define B (&pair->ends[ACCEPTER])

static struct pair *pair;

static inline int setup(void **state)
{
    (void)state;
    pair = pair_new_lone(ACCEPTER, NULL);
    pair_pull(pair, ACCEPTER, SIZE_MAX);
    B->wire_size = 0;
    return 0;
}

static inline int teardown(void **state)
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

static inline void put(struct frame *frame, uint64_t value)
{
    frame->size = (size_t)(varint_put(frame->bytes + frame->size, value) - frame->bytes);
}

static inline void put_bytes(struct frame *frame, const void *bytes, size_t size)
{
    memcpy(frame->bytes + frame->size, bytes, size);
    frame->size += size;
}

static inline void put_byte(struct frame *frame, uint8_t byte)
{
    frame->bytes[frame->size++] = byte;
}

static inline void feed_frame(uint64_t type, const struct frame *body)
{
    struct frame *frame = calloc(1, sizeof *frame);
    assert_non_null(frame);
    put(frame, type);
    put(frame, body->size);
    pair_feed(pair, ACCEPTER, frame->bytes, frame->size);
    pair_feed(pair, ACCEPTER, body->bytes, body->size);
    free(frame);
}

static inline void feed_numbers(uint64_t type, const uint64_t *numbers, size_t count)
{
    struct frame body = {.size = 0};
    for (size_t i = 0; i < count; i++)
        put(&body, numbers[i]);
    feed_frame(type, &body);
}

#define FEED(type, ...)                                                                                                \
    feed_numbers(type, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static inline void hello_body(struct frame *body, uint8_t version)
{
    put_byte(body, version);
    put_bytes(body, "0123456789abcdef", 16);
    put(body, (uint64_t)pair->now);
}

static inline void hello(void)
{
    struct frame body = {.size = 0};
    hello_body(&body, VERSION);
    feed_frame(FRAME_HELLO, &body);
    assert_true(B->hello);
}

static inline void hello_parameter(uint64_t id, uint64_t value, bool twice)
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

/* id, flags, then what follows as numbers */
static inline void feed_data(uint64_t id, uint8_t flags, const uint64_t *numbers, size_t count, size_t payload)
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

static inline void feed_stream(uint64_t id, uint8_t flags, const uint64_t *numbers, size_t count, size_t payload)
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

#endif
