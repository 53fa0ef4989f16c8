/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sessions with one strand of units between them, and each unit in the test's hand: to be delivered, in what order and
 * in what pieces, to be lost, or called lost and delivered all the same. The functions are for the test programs about
 * units, each of which is one file.
 */
#ifndef TEST_UNIT_WORLD_H
#define TEST_UNIT_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/varint.h"
#include "session/session.h"
#include "session/wire.h"

#define UNITS_MOST 4096
#define A (&world->ends[0])
#define B (&world->ends[1])
#define MILLISECOND INT64_C(1000)
#define SECOND INT64_C(1000000)

struct unit { /* that left */
    uint64_t number;
    size_t size;
    bool lossy, gone; /* gone: delivered or lost */
    int64_t lifetime;
    int resends;
    uint8_t class;
    uint8_t *bytes;
};

struct world_end {
    unsigned index;
    struct session *session;
    struct session_strand *strand;
    struct unit units[UNITS_MOST];
    size_t unit_count;
    size_t bytes_sent;
    bool hello, closed;
    int close_code;
    char close_reason[128];
    /* Received. */
    size_t messages, message_bytes, arriving, offered, parts, part_bytes, gaps_told, abandoned;
    uint64_t last_id, missing;
    struct session_gap gaps[64];
    size_t gap_count;
    struct session_message last;
    struct session_marks marks;
    uint8_t data[1 << 20]; /* of the last message, or the parts of one */
    enum session_take take;
    const char *filter; /* refuses what is offered */
    /* Sent. */
    size_t acked, expired, failed, partial, sent, departed, useless, streams_opened, streams_closed;
    int last_code;
    uint64_t last_missing;
    int64_t pulled_at, departed_at;
    uint64_t useless_number;
};

struct world {
    int64_t now;
    size_t blocks;
    struct world_end ends[2];
};

static struct world *world;

/* ---- memory that is counted */

static inline void *world_allocate(const struct memory *memory, size_t size)
{
    (void)memory;
    world->blocks++;
    return malloc(size ? size : 1);
}

static inline void world_release(const struct memory *memory, void *block, size_t size)
{
    (void)memory, (void)size;
    world->blocks--;
    free(block);
}

static const struct memory world_memory = {.allocate = world_allocate, .release = world_release};

/* ---- handlers */

static inline void on_hello(void *user)
{
    ((struct world_end *)user)->hello = true;
}

static inline void on_message(void *user, struct session_message *message)
{
    struct world_end *end = user;
    assert_true(end->hello); /* nothing is handed over before */
    end->messages++;
    end->message_bytes += message->size;
    end->last_id = message->id;
    end->last = *message;
    if (message->data && message->size <= sizeof end->data)
        memcpy(end->data, message->data, message->size);
}

static inline void on_arriving(void *user, struct session_arriving *arriving)
{
    struct world_end *end = user;
    end->arriving++;
    end->marks = arriving->marks;
    arriving->take = end->take;
}

static inline void on_offered(void *user, struct session_offered *offered)
{
    struct world_end *end = user;
    assert_true(end->messages == 0 || end->last_id != offered->id);
    end->offered++;
    end->marks = offered->marks;
    offered->refuse = end->filter;
}

static inline void on_part(void *user, struct session_part *part)
{
    struct world_end *end = user;
    end->parts++;
    end->part_bytes += part->size;
    assert_true(part->offset + part->size <= sizeof end->data);
    if (part->size)
        memcpy(end->data + part->offset, part->data, part->size);
}

static inline void on_gaps(void *user, const struct session_gaps *gaps)
{
    struct world_end *end = user;
    end->gaps_told++;
    end->missing = gaps->missing;
    end->gap_count = gaps->count;
    for (size_t i = 0; i < gaps->count && i < 64; i++)
        end->gaps[i] = gaps->gaps[i];
}

static inline void on_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    (void)id, (void)kind;
    ((struct world_end *)user)->abandoned++;
}

static inline void on_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code,
                              const char *reason, bool maybe_delivered)
{
    struct world_end *end = user;
    (void)first, (void)reason, (void)maybe_delivered;
    *(kind == SESSION_ACKED ? &end->acked : kind == SESSION_EXPIRED ? &end->expired : &end->failed) += count;
    end->last_code = code;
}

static inline void on_partial(void *user, uint64_t id, uint64_t missing)
{
    struct world_end *end = user;
    (void)id;
    end->partial++;
    end->last_missing = missing;
}

static inline void on_sent(void *user, uint64_t id, int64_t pulled_at)
{
    struct world_end *end = user;
    (void)id;
    end->sent++;
    end->pulled_at = pulled_at;
}

static inline void on_departed(void *user, uint64_t id, int64_t sent_at)
{
    struct world_end *end = user;
    (void)id;
    end->departed++;
    end->departed_at = sent_at;
}

static inline void on_useless(void *user, struct session_strand *strand, uint64_t number)
{
    struct world_end *end = user;
    assert_ptr_equal(strand, end->strand);
    end->useless++;
    end->useless_number = number;
}

static inline void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    struct world_end *end = user;
    (void)peer_code, (void)by_peer;
    end->closed = true;
    end->close_code = code;
    strncpy(end->close_reason, reason, sizeof end->close_reason - 1);
}

static inline void on_settled(void *user, uint64_t id, void *cookie)
{
    (void)user, (void)id, (void)cookie;
}

static inline void on_nothing(void *user)
{
    (void)user;
}

static inline void on_stream(void *user, struct session_stream *stream)
{
    (void)user, (void)stream;
}

static inline void on_stream_opened(void *user, struct session_stream *stream)
{
    struct world_end *end = user;
    end->streams_opened++;
    (void)stream;
}

static inline void on_stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code)
{
    struct world_end *end = user;
    end->streams_closed++;
    (void)stream, (void)reset, (void)code;
}

static inline uint64_t on_random(void *user)
{
    (void)user;
    return 1; /* no frames for exercise */
}

static inline void on_silent(void *user, struct session_strand *strand)
{
    (void)user, (void)strand;
}

static const struct session_handler world_handler = {
    .hello = on_hello,
    .message = on_message,
    .arriving = on_arriving,
    .offered = on_offered,
    .part = on_part,
    .gaps = on_gaps,
    .abandoned = on_abandoned,
    .outcome = on_outcome,
    .partial = on_partial,
    .sent = on_sent,
    .departed = on_departed,
    .settled = on_settled,
    .writable = on_nothing,
    .stream_opened = on_stream_opened,
    .stream_readable = on_stream,
    .stream_writable = on_stream,
    .stream_closed = on_stream_closed,
    .closed = on_closed,
    .random = on_random,
    .strand_silent = on_silent,
    .unit_useless = on_useless,
};

/* ---- units in the test's hand */

/* What wants to leave becomes units of that capacity at most; how many. */
static inline size_t pull(struct world_end *end, size_t capacity)
{
    static uint8_t buffer[65536];
    size_t before = end->unit_count;
    bool lossy;
    session_flush_events(end->session, world->now);
    while (end->strand && session_unit_wanted(end->strand, &lossy)) {
        struct session_unit unit;
        assert_int_equal(session_unit_pull(end->strand, lossy, buffer, capacity, world->now, &unit), 0);
        if (unit.size == 0)
            break;
        assert_true(unit.size <= capacity && end->unit_count < UNITS_MOST);
        struct unit *out = &end->units[end->unit_count++];
        *out = (struct unit){.number = unit.number,
                             .size = unit.size,
                             .lossy = lossy,
                             .lifetime = unit.lifetime,
                             .resends = unit.resends,
                             .class = unit.class,
                             .bytes = malloc(unit.size)};
        assert_non_null(out->bytes);
        memcpy(out->bytes, buffer, unit.size);
        end->bytes_sent += unit.size;
    }
    return end->unit_count - before;
}

static inline struct world_end *other(const struct world_end *end)
{
    return &world->ends[1 - end->index];
}

/* The receiver gets it, whole; the sender hears nothing yet. */
static inline int arrive(struct world_end *from, size_t index)
{
    struct session_lane *lane = NULL;
    struct unit *unit = &from->units[index];
    int r = session_unit_received(other(from)->strand, &lane, unit->bytes, unit->size, true, false, 0, world->now);
    if (r == 0)
        assert_null(lane);
    return r;
}

static inline void tell(struct world_end *from, size_t index, bool acked)
{
    from->units[index].gone = true;
    session_unit_fate(from->strand, from->units[index].number, acked, 0, world->now);
    session_flush_events(from->session, world->now);
}

static inline void deliver(struct world_end *from, size_t index)
{
    arrive(from, index);
    tell(from, index, true);
}

/* Everything goes to and fro until both are quiet; of each unit lose() says whether it is lost (NULL: none is). */
static inline void run(size_t capacity, bool (*lose)(struct world_end *from, struct unit *unit))
{
    for (bool more = true; more;) {
        more = false;
        for (unsigned e = 0; e < 2; e++) {
            struct world_end *end = &world->ends[e];
            pull(end, capacity);
            for (size_t i = 0; i < end->unit_count; i++) {
                if (end->units[i].gone)
                    continue;
                more = true;
                if (lose && lose(end, &end->units[i]))
                    tell(end, i, false);
                else
                    deliver(end, i);
            }
        }
    }
}

/* Time passes, in steps, and timers run. */
static inline void pass(int64_t microseconds, size_t capacity)
{
    for (int64_t end = world->now + microseconds; world->now < end;) {
        world->now += MILLISECOND;
        for (unsigned e = 0; e < 2; e++)
            if (session_due(world->ends[e].session) <= world->now)
                session_tick(world->ends[e].session, world->now);
        run(capacity, NULL);
    }
}

static inline void forget_units(void)
{
    for (unsigned e = 0; e < 2; e++) {
        for (size_t i = 0; i < world->ends[e].unit_count; i++)
            free(world->ends[e].units[i].bytes);
        world->ends[e].unit_count = 0;
    }
}

/* ---- beginnings and ends */

static inline void world_begin(const struct session_units *units, bool early)
{
    world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->now = 1000 * SECOND;
    for (unsigned e = 0; e < 2; e++) {
        struct world_end *end = &world->ends[e];
        struct session_config config = {
            .memory = &world_memory,
            .handler = &world_handler,
            .user = end,
            .opener = e == 0,
            .receive_memory = 16 << 20,
            .send_queue = 64 << 20,
            .send_queue_messages = 200000,
            .nonce = {(uint8_t)(e + 1)},
        };
        end->index = e;
        assert_int_equal(session_new(&config, world->now, &end->session), 0);
        assert_int_equal(
            session_strand_add_units(end->session, end, early && e == 0, units, 0, world->now, &end->strand), 0);
    }
}

static inline void world_up(const struct session_units *units)
{
    world_begin(units, false);
    run(16384, NULL);
    assert_true(A->hello && B->hello);
    pass(200 * MILLISECOND, 16384); /* nothing is left to be said */
    forget_units();
}

static inline int world_end(void **state)
{
    (void)state;
    forget_units();
    for (unsigned e = 0; e < 2; e++)
        session_free(world->ends[e].session);
    assert_int_equal(world->blocks, 0);
    free(world);
    return 0;
}

static inline uint64_t send_from(struct world_end *end, const struct session_send *send)
{
    uint64_t id = 0;
    assert_int_equal(session_send(end->session, send, world->now, &id), 0);
    return id;
}

static uint8_t world_payload[1 << 20];

static inline uint64_t send_bytes(struct world_end *end, size_t size)
{
    struct session_send send = {.data = world_payload, .size = size};
    for (size_t i = 0; i < size; i++)
        world_payload[i] = (uint8_t)(i * 7 + i / 251);
    return send_from(end, &send);
}

#endif
