/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sessions with up to eight strands between them, of bytes or units, each with a delay and a rate of its own, that can
 * be cut in either direction. Time goes in steps of a millisecond. The functions are for the test programs about several
 * strands, each of which is one file.
 */
#ifndef TEST_STRAND_WORLD_H
#define TEST_STRAND_WORLD_H

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

#define LINES_MOST (SESSION_STRANDS_MAX + 1)
#define A (&world->ends[0])
#define B (&world->ends[1])
#define MILLISECOND INT64_C(1000)
#define SECOND INT64_C(1000000)
#define FRAME_TYPES 0x20

struct parcel { /* what left together */
    struct parcel *next;
    int64_t arrives;
    uint64_t number; /* of a unit */
    size_t size;
    uint8_t bytes[];
};

struct direction { /* of one strand, by who sends */
    struct parcel *first, **last;
    uint64_t in_queue; /* bytes that have not left */
    int64_t free_at;
    uint64_t frames[FRAME_TYPES], bytes;
    bool cut;    /* what is sent stays where it is until it is whole again */
    bool paused; /* the session is not pulled */
};

struct line { /* a strand and the way it goes */
    struct session_strand *strand[2];
    int64_t delay;
    uint64_t rate; /* bytes a second */
    bool units, there;
    struct direction directions[2];
};

struct told_state {
    size_t size, count;
    uint8_t body[SESSION_TELL_MAX];
};

struct world_end {
    unsigned index;
    struct session *session;
    bool still; /* neither reads nor ticks */
    size_t messages, message_bytes, acked, expired, failed, silent, suspected, trusted, stranded, bulk_ends;
    uint64_t ids[4096]; /* as they came */
    int64_t came_at[4096];
    bool closed, hello;
    int close_code;
    char close_reason[128];
    struct session_stream *stream;
    struct told_state told[SESSION_TELL_KINDS];
};

struct world {
    int64_t now;
    size_t blocks, block_bytes, block_peak;
    struct world_end ends[2];
    struct line lines[LINES_MOST];
};

static struct world *world;

/* ---- memory that is counted */

static inline void *world_allocate(const struct memory *memory, size_t size)
{
    (void)memory;
    world->blocks++;
    world->block_bytes += size;
    if (world->block_bytes > world->block_peak)
        world->block_peak = world->block_bytes;
    return malloc(size ? size : 1);
}

static inline void world_release(const struct memory *memory, void *block, size_t size)
{
    (void)memory;
    world->blocks--;
    world->block_bytes -= size;
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
    if (end->messages < 4096) {
        end->ids[end->messages] = message->id;
        end->came_at[end->messages] = world->now;
    }
    end->messages++;
    end->message_bytes += message->size;
}

static inline void on_arriving(void *user, struct session_arriving *arriving)
{
    (void)user, (void)arriving;
}

static inline void on_part(void *user, struct session_part *part)
{
    (void)user, (void)part;
}

static inline void on_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    (void)user, (void)id, (void)kind;
}

static inline void on_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code,
                              const char *reason, bool maybe_delivered)
{
    struct world_end *end = user;
    (void)first, (void)code, (void)reason, (void)maybe_delivered;
    *(kind == SESSION_ACKED ? &end->acked : kind == SESSION_EXPIRED ? &end->expired : &end->failed) += count;
}

static inline void on_settled(void *user, uint64_t id, void *cookie)
{
    (void)user, (void)id, (void)cookie;
}

static inline void on_nothing(void *user)
{
    (void)user;
}

static inline void on_stream_opened(void *user, struct session_stream *stream)
{
    ((struct world_end *)user)->stream = stream;
}

static inline void on_stream(void *user, struct session_stream *stream)
{
    (void)user, (void)stream;
}

static inline void on_stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code)
{
    (void)user, (void)stream, (void)reset, (void)code;
}

static inline void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    struct world_end *end = user;
    (void)peer_code, (void)by_peer;
    end->closed = true;
    end->close_code = code;
    strncpy(end->close_reason, reason, sizeof end->close_reason - 1);
}

static inline uint64_t on_random(void *user)
{
    (void)user;
    return 1; /* no frames for exercise */
}

static inline void on_silent(void *user, struct session_strand *strand)
{
    (void)strand;
    ((struct world_end *)user)->silent++;
}

static inline void on_suspected(void *user, struct session_strand *strand, bool suspected)
{
    struct world_end *end = user;
    (void)strand;
    *(suspected ? &end->suspected : &end->trusted) += 1;
}

static inline void on_stranded(void *user)
{
    ((struct world_end *)user)->stranded++;
}

static inline void on_told(void *user, unsigned kind, const void *body, size_t size)
{
    struct told_state *told = &((struct world_end *)user)->told[kind];
    told->size = size;
    told->count++;
    if (size)
        memcpy(told->body, body, size);
}

static inline void on_bulk_ends(void *user, struct session_strand *strand)
{
    (void)strand;
    ((struct world_end *)user)->bulk_ends++;
}

static const struct session_handler world_handler = {
    .hello = on_hello,
    .message = on_message,
    .arriving = on_arriving,
    .part = on_part,
    .abandoned = on_abandoned,
    .outcome = on_outcome,
    .settled = on_settled,
    .writable = on_nothing,
    .stream_opened = on_stream_opened,
    .stream_readable = on_stream,
    .stream_writable = on_stream,
    .stream_closed = on_stream_closed,
    .closed = on_closed,
    .random = on_random,
    .strand_silent = on_silent,
    .strand_suspected = on_suspected,
    .stranded = on_stranded,
    .told = on_told,
    .bulk_ends = on_bulk_ends,
};

/* ---- the way of one strand */

#define ROOM 32768 /* bytes that wait to leave */

static inline void count_frames(struct direction *direction, const uint8_t *at, const uint8_t *end, size_t bulk)
{
    direction->bytes += (uint64_t)(end - at) + bulk;
    while (at < end) {
        uint64_t type = 0, size = 0;
        at = varint_get(at, end, &type);
        at = at ? varint_get(at, end, &size) : NULL;
        assert_non_null(at);
        if (type < FRAME_TYPES)
            direction->frames[type]++;
        at = size < (uint64_t)(end - at) ? at + size : end;
    }
}

static inline void leave(struct line *line, unsigned from, const uint8_t *bytes, size_t size, uint64_t number)
{
    struct direction *direction = &line->directions[from];
    for (size_t at = 0; at < size;) { /* of bytes, as much as goes together */
        size_t here = line->units || size - at < 1400 ? size - at : 1400;
        struct parcel *parcel = malloc(sizeof *parcel + here);
        assert_non_null(parcel);
        memcpy(parcel->bytes, bytes + at, here);
        parcel->size = here;
        parcel->number = number;
        parcel->next = NULL;
        if (direction->free_at < world->now)
            direction->free_at = world->now;
        direction->free_at += (int64_t)(here * SECOND / line->rate);
        parcel->arrives = direction->free_at + line->delay;
        *direction->last = parcel;
        direction->last = &parcel->next;
        at += here;
    }
}

static inline bool has_room(const struct line *line, unsigned from)
{
    const struct direction *direction = &line->directions[from];
    int64_t waits = direction->free_at - world->now;
    return !direction->paused && (waits <= 0 || (uint64_t)waits * line->rate / SECOND < ROOM);
}

static inline bool pull_bytes(struct line *line, struct world_end *end)
{
    static uint8_t buffer[16384];
    struct session_strand *strand = line->strand[end->index];
    size_t size, bulk_size;
    const uint8_t *bulk;
    if (!session_wants_pull(strand))
        return false;
    assert_int_equal(session_pull(strand, buffer, sizeof buffer, world->now, &size, &bulk, &bulk_size), 0);
    count_frames(&line->directions[end->index], buffer, buffer + size, bulk_size);
    leave(line, end->index, buffer, size, 0);
    if (bulk_size) {
        leave(line, end->index, bulk, bulk_size, 0);
        session_bulk_done(strand);
    }
    return size > 0;
}

static inline bool pull_unit(struct line *line, struct world_end *end)
{
    static uint8_t buffer[1400];
    struct session_strand *strand = line->strand[end->index];
    struct session_unit unit;
    bool lossy;
    if (!session_unit_wanted(strand, &lossy))
        return false;
    assert_int_equal(session_unit_pull(strand, lossy, buffer, 1400, world->now, &unit), 0);
    if (unit.size == 0)
        return false;
    count_frames(&line->directions[end->index], buffer, buffer + unit.size, 0);
    leave(line, end->index, buffer, unit.size, unit.number);
    return true;
}

static inline void arrive_bytes(struct line *line, struct world_end *to, const uint8_t *bytes, size_t size)
{
    static uint8_t scratch[65536];
    for (size_t at = 0; at < size && line->strand[to->index] && !to->closed;) {
        uint8_t *buffer;
        size_t space;
        session_space(line->strand[to->index], scratch, sizeof scratch, &buffer, &space);
        size_t here = size - at < space ? size - at : space;
        memcpy(buffer, bytes + at, here);
        session_received(line->strand[to->index], buffer, here, false, world->now);
        at += here;
    }
}

static inline void arrive(struct line *line, unsigned from)
{
    struct direction *direction = &line->directions[from];
    struct world_end *to = &world->ends[1 - from], *sender = &world->ends[from];
    while (direction->first && direction->first->arrives <= world->now && !direction->cut && !to->still) {
        struct parcel *parcel = direction->first;
        direction->first = parcel->next;
        if (!direction->first)
            direction->last = &direction->first;
        if (line->units && line->strand[to->index] && !to->closed) {
            struct session_lane *lane = NULL;
            session_unit_received(line->strand[to->index], &lane, parcel->bytes, parcel->size, true, false, 0,
                                  world->now);
            /* Its fate is known a delay later; the test is content with at once, where the way back is whole. */
            if (line->strand[from] && !line->directions[1 - from].cut && !sender->still)
                session_unit_fate(line->strand[from], parcel->number, true, 0, world->now);
        } else if (!line->units) {
            arrive_bytes(line, to, parcel->bytes, parcel->size);
        }
        free(parcel);
    }
}

static inline void way_clear(struct direction *direction)
{
    while (direction->first) {
        struct parcel *parcel = direction->first;
        direction->first = parcel->next;
        free(parcel);
    }
    direction->last = &direction->first;
}

/* ---- time */

static inline void end_works(struct world_end *end)
{
    if (end->still)
        return;
    if (session_due(end->session) <= world->now)
        session_tick(end->session, world->now);
    session_flush_events(end->session, world->now);
    for (bool more = true; more;) {
        more = false;
        for (unsigned i = 0; i < LINES_MOST; i++) {
            struct line *line = &world->lines[i];
            while (line->strand[end->index] && has_room(line, end->index) &&
                   (line->units ? pull_unit(line, end) : pull_bytes(line, end)))
                more = true;
        }
        if (session_due(end->session) <= world->now)
            session_tick(end->session, world->now);
    }
}

static inline void pass(int64_t time)
{
    for (int64_t until = world->now + time; world->now < until;) {
        world->now += MILLISECOND;
        for (unsigned i = 0; i < LINES_MOST; i++)
            for (unsigned from = 0; from < 2; from++)
                if (world->lines[i].there)
                    arrive(&world->lines[i], from);
        for (unsigned e = 0; e < 2; e++)
            end_works(&world->ends[e]);
    }
}

/* ---- beginnings and ends */

static inline struct line *line_make(unsigned i, bool units, int64_t delay, uint64_t rate)
{
    struct line *line = &world->lines[i];
    *line = (struct line){.delay = delay, .rate = rate, .units = units, .there = true};
    for (unsigned e = 0; e < 2; e++)
        line->directions[e].last = &line->directions[e].first;
    return line;
}

static inline int line_join(struct world_end *end, struct line *line, uint64_t number)
{
    static const struct session_units units = {0};
    return line->units ? session_strand_add_units(end->session, line, false, &units, number, world->now,
                                                  &line->strand[end->index])
                       : session_strand_add(end->session, line, false, number, world->now, &line->strand[end->index]);
}

/* A strand between both ends, whose number the opener chose. */
static inline struct line *line_add(unsigned i, bool units, int64_t delay, uint64_t rate)
{
    struct line *line = line_make(i, units, delay, rate);
    uint64_t number = session_next_strand(A->session);
    assert_int_equal(line_join(B, line, number), 0);
    assert_int_equal(line_join(A, line, number), 0);
    return line;
}

static inline void line_lose(struct line *line, struct world_end *end)
{
    struct session_strand *strand = line->strand[end->index];
    line->strand[end->index] = NULL;
    session_strand_lost(strand, -ECONNRESET, "it died", world->now);
}

/* Both ends learn of it, and nothing that is under way comes. */
static inline void line_die(struct line *line)
{
    for (unsigned e = 0; e < 2; e++)
        way_clear(&line->directions[e]);
    for (unsigned e = 0; e < 2; e++)
        if (line->strand[e])
            line_lose(line, &world->ends[e]);
}

static inline void line_cut(struct line *line, bool cut)
{
    line->directions[0].cut = line->directions[1].cut = cut;
    for (unsigned e = 0; e < 2 && !cut; e++)
        for (struct parcel *parcel = line->directions[e].first; parcel; parcel = parcel->next)
            if (parcel->arrives < world->now)
                parcel->arrives = world->now + line->delay; /* what waited leaves now */
}

static inline void world_begin(enum session_policy policy, bool survive)
{
    world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->now = 1000 * SECOND;
    for (unsigned e = 0; e < 2; e++) {
        struct session_config config = {
            .memory = &world_memory,
            .handler = &world_handler,
            .user = &world->ends[e],
            .opener = e == 0,
            .policy = policy,
            .survive = survive,
            .receive_memory = 16 << 20,
            .send_queue = 1 << 20,
            .send_queue_messages = 4000,
            .keep_alive = 5 * SECOND,
            .dead_after = 10 * SECOND,
            .nonce = {(uint8_t)(e + 1)},
        };
        world->ends[e].index = e;
        assert_int_equal(session_new(&config, world->now, &world->ends[e].session), 0);
    }
}

/* So many strands of a round trip of 20 ms and 50 Mbit/s, of units where the bit of their number is set. */
static inline void world_up(enum session_policy policy, unsigned lines, unsigned units)
{
    world_begin(policy, false);
    for (unsigned i = 0; i < lines; i++)
        line_add(i, units & 1u << i, 10 * MILLISECOND, 6250000);
    pass(500 * MILLISECOND);
    assert_true(A->hello && B->hello);
}

static inline int world_down(void **state)
{
    (void)state;
    for (unsigned e = 0; e < 2; e++)
        session_free(world->ends[e].session);
    for (unsigned i = 0; i < LINES_MOST; i++)
        for (unsigned e = 0; e < 2; e++)
            way_clear(&world->lines[i].directions[e]);
    assert_int_equal(world->blocks, 0);
    assert_int_equal(world->block_bytes, 0);
    free(world);
    return 0;
}

/* ---- for tests */

static uint8_t world_payload[1 << 20];

static inline uint64_t send_with(struct world_end *end, const struct session_send *send)
{
    uint64_t id = 0;
    assert_int_equal(session_send(end->session, send, world->now, &id), 0);
    return id;
}

static inline uint64_t send_bytes(struct world_end *end, size_t size)
{
    return send_with(end, &(struct session_send){.data = world_payload, .size = size});
}

static inline struct session_strand_state state_of(const struct world_end *end, unsigned line)
{
    struct session_strand_state state;
    session_strand_get(world->lines[line].strand[end->index], &state);
    return state;
}

static inline struct session_statistics statistics_of(const struct world_end *end)
{
    struct session_statistics statistics;
    session_get_statistics(end->session, &statistics);
    return statistics;
}

static inline uint64_t frames_of(const struct world_end *from, unsigned line, unsigned type)
{
    return world->lines[line].directions[from->index].frames[type];
}

/* A frame of numbers arrives on a strand, as a peer would send it or would not. */
static inline int feed(struct world_end *to, unsigned line, uint64_t type, const uint64_t *numbers, size_t count,
                       size_t zeros)
{
    uint8_t body[2048], frame[2100], *at = body;
    for (size_t i = 0; i < count; i++)
        at = varint_put(at, numbers[i]);
    memset(at, 0, zeros);
    at += zeros;
    uint8_t *end = varint_put(varint_put(frame, type), (uint64_t)(at - body));
    memcpy(end, body, (size_t)(at - body));
    end += at - body;
    uint8_t *buffer;
    size_t space;
    static uint8_t scratch[4096];
    session_space(world->lines[line].strand[to->index], scratch, sizeof scratch, &buffer, &space);
    assert_true(space >= (size_t)(end - frame));
    memcpy(buffer, frame, (size_t)(end - frame));
    return session_received(world->lines[line].strand[to->index], buffer, (size_t)(end - frame), false, world->now);
}

#define FEED(to, line, type, zeros, ...)                                                                               \
    feed(to, line, type, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),  \
         zeros)

#endif
