/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer may send over a strand of units: pieces of up to eight units at once, ended, reset or left, while our own
 * units (lossy and other messages, a stream) are acknowledged or lost in any order. Nothing may crash or leak, a session
 * holds no more than it was given, and every message of ours ends once.
 *
 * Byte 0: 1 accepter, 2 pauses at times, 4 lossy units, 8 layers that give up, 16 refuses what is offered, 32 lossy
 * messages are taken with gaps, 64 a strand of bytes beside it that never says a word, 128 long silences. Then commands: a byte (3 bits lane, 5 bits what) and, for a piece, its size and its bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define RECEIVE_MEMORY (1 << 20)
#define MEMORY_MOST (8 << 20) /* what is received, what is queued here, units that are not complete */
#define LANES 8

struct end {
    struct memory memory; /* first: turned back by a cast */
    size_t bytes, blocks;
    struct session *session;
    uint8_t flags;
    bool closed, paused, hello;
    uint64_t told, units;
    struct session_lane *lanes[LANES];
};

static void *take(const struct memory *memory, size_t size)
{
    struct end *end = (struct end *)(uintptr_t)memory;
    end->blocks++;
    end->bytes += size;
    if (end->bytes > MEMORY_MOST || size == 0)
        abort();
    return malloc(size);
}

static void give(const struct memory *memory, void *block, size_t size)
{
    struct end *end = (struct end *)(uintptr_t)memory;
    if (end->blocks == 0 || end->bytes < size)
        abort();
    end->blocks--;
    end->bytes -= size;
    free(block);
}

/* ---- the program */

static void alive(const struct end *end)
{
    if (end->closed || !end->hello)
        abort(); /* nothing is told before HELLO, or after the end */
}

static void on_hello(void *user)
{
    ((struct end *)user)->hello = true;
}

static void on_message(void *user, struct session_message *message)
{
    struct end *end = user;
    alive(end);
    if (end->paused || message->marks.coordinate_count > SESSION_COORDINATES_MAX)
        abort();
    if (end->flags & 2 && message->id % 5 == 0) {
        session_pause(end->session);
        end->paused = true;
    }
}

static void on_offered(void *user, struct session_offered *offered)
{
    struct end *end = user;
    alive(end);
    if (end->flags & 16 && offered->id % 3 == 0)
        offered->refuse = "not that one";
}

static void on_arriving(void *user, struct session_arriving *arriving)
{
    struct end *end = user;
    alive(end);
    arriving->take = end->flags & 32         ? SESSION_TAKE_GAPS
                     : arriving->id % 3 == 0 ? SESSION_TAKE_PARTS
                                             : SESSION_TAKE_WHOLE;
}

static void on_part(void *user, struct session_part *part)
{
    struct end *end = user;
    uint64_t sum = 0;
    alive(end);
    if (end->paused)
        abort();
    for (size_t i = 0; i < part->size; i++)
        sum += part->data[i];
    if (sum % 13 == 1)
        part->refuse = "no";
    if (end->flags & 2 && sum % 7 == 0) {
        session_pause(end->session);
        end->paused = true;
    }
}

static void on_gaps(void *user, const struct session_gaps *gaps)
{
    uint64_t at = 0, missing = 0;
    alive(user);
    for (size_t i = 0; i < gaps->count; i++) {
        if (gaps->gaps[i].size == 0 || gaps->gaps[i].offset < at ||
            gaps->gaps[i].offset + gaps->gaps[i].size > gaps->total)
            abort();
        at = gaps->gaps[i].offset + gaps->gaps[i].size;
        missing += gaps->gaps[i].size;
    }
    if (missing != gaps->missing)
        abort();
}

static void on_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    (void)user, (void)id, (void)kind;
}

static void on_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code,
                       const char *reason, bool maybe_delivered)
{
    struct end *end = user;
    (void)first, (void)kind, (void)code, (void)maybe_delivered;
    if (end->closed || !reason)
        abort();
    end->told += count;
}

static void on_partial(void *user, uint64_t id, uint64_t missing)
{
    struct end *end = user;
    if (end->closed || !id || !missing)
        abort();
    end->told++;
}

static void on_time(void *user, uint64_t id, int64_t at)
{
    (void)user, (void)id, (void)at;
}

static void on_settled(void *user, uint64_t id, void *cookie)
{
    (void)user, (void)id, (void)cookie;
}

static void on_writable(void *user)
{
    (void)user;
}

static void on_stream(void *user, struct session_stream *stream)
{
    static uint8_t bytes[5000];
    (void)user;
    session_stream_read(stream, bytes, sizeof bytes);
}

static void on_stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code)
{
    (void)user, (void)stream, (void)reset, (void)code;
}

static void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    struct end *end = user;
    (void)code, (void)peer_code, (void)by_peer;
    if (end->closed || !reason)
        abort();
    end->closed = true;
}

static uint64_t on_random(void *user)
{
    (void)user;
    return 512;
}

static void on_strand(void *user, struct session_strand *strand)
{
    (void)user, (void)strand;
}

static void on_useless(void *user, struct session_strand *strand, uint64_t number)
{
    const struct end *end = user;
    (void)strand;
    if (number >= end->units)
        abort();
}

static void on_told(void *user, unsigned kind, const void *body, size_t size)
{
    const uint8_t *bytes = body;
    unsigned sum = 0;
    (void)user;
    if (kind >= SESSION_TELL_KINDS || size > SESSION_TELL_MAX)
        abort();
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    if (sum > 255 * SESSION_TELL_MAX)
        abort();
}

static void on_suspected(void *user, struct session_strand *strand, bool suspected)
{
    (void)user, (void)strand, (void)suspected;
}

static const struct session_handler handler = {
    .hello = on_hello,
    .message = on_message,
    .offered = on_offered,
    .arriving = on_arriving,
    .part = on_part,
    .gaps = on_gaps,
    .abandoned = on_abandoned,
    .outcome = on_outcome,
    .partial = on_partial,
    .sent = on_time,
    .departed = on_time,
    .settled = on_settled,
    .writable = on_writable,
    .stream_opened = on_stream,
    .stream_readable = on_stream,
    .stream_writable = on_stream,
    .stream_closed = on_stream_closed,
    .closed = on_closed,
    .random = on_random,
    .strand_silent = on_strand,
    .strand_suspected = on_suspected,
    .told = on_told,
    .bulk_ends = on_strand,
    .unit_useless = on_useless,
};

/* ---- the run */

static void pull(struct end *end, struct session_strand *strand, int64_t now)
{
    uint8_t buffer[1500];
    bool lossy;
    for (unsigned i = 0; i < 50 && session_unit_wanted(strand, &lossy); i++) {
        struct session_unit unit;
        size_t capacity = lossy ? 1200 : sizeof buffer;
        if (session_unit_pull(strand, lossy, buffer, capacity, now, &unit) < 0 || unit.size > capacity)
            abort();
        if (unit.size == 0)
            break;
        if (unit.number != end->units++ || (lossy && !(end->flags & 4)))
            abort();
    }
}

static uint64_t own_traffic(struct end *end, int64_t now)
{
    static const uint8_t bytes[40000];
    struct session_stream *stream;
    uint64_t id = 0;
    for (unsigned i = 0; i < 16; i++)
        session_send(end->session,
                     &(struct session_send){.data = bytes,
                                            .size = i * 700,
                                            .reliability = (enum session_reliability)(i % 4),
                                            .lifetime = i % 4 == SESSION_UNTIL_LIFETIME ? 20000 : 0,
                                            .probability = i % 4 == SESSION_PROBABILITY ? 500000 : 0,
                                            .resends = i % 4 == SESSION_RESENDS ? i / 4 : 0,
                                            .want_sent = i & 1},
                     now, &id);
    session_send(end->session, &(struct session_send){.data = bytes, .size = sizeof bytes}, now, &id);
    if (session_stream_open(end->session, 0, now, &stream) == 0)
        session_stream_write(stream, bytes, 30000, now);
    return id;
}

static void command(struct end *end, struct session_strand *strand, const uint8_t **at, const uint8_t *stop,
                    int64_t now)
{
    uint8_t byte = *(*at)++, lane = byte % LANES, what = byte / LANES;
    size_t size = 0;
    if (what < 16 && *at < stop) {
        size = *(*at)++ * (what & 2 ? 16U : 1U);
        if (size > (size_t)(stop - *at))
            size = (size_t)(stop - *at);
    }
    if (what < 16) {
        uint8_t *piece = malloc(size + 1); /* so that nothing beyond it is read unnoticed */
        memcpy(piece, *at, size);
        *at += size;
        session_unit_received(strand, &end->lanes[lane], piece, size, what & 1, false, what & 4 ? now : 0, now);
        free(piece);
    } else if (what < 20) {
        session_unit_reset(strand, &end->lanes[lane]);
    } else if (what < 28) { /* one of the last units of ours */
        session_unit_fate(strand, end->units - 1 - lane - (what & 1 ? 8U : 0U), what & 2, what & 4 ? now : 0, now);
    } else if (what < 30) {
        pull(end, strand, now);
    } else if (end->paused) {
        end->paused = false;
        session_resume(end->session, now);
    } else {
        session_cancel(end->session, 1 + lane, now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pull_bytes(struct session_strand *strand, int64_t now)
{
    uint8_t buffer[4096];
    for (unsigned i = 0; strand && i < 50 && session_wants_pull(strand); i++) {
        size_t taken, bulk_size;
        const uint8_t *bulk;
        if (session_pull(strand, buffer, sizeof buffer, now, &taken, &bulk, &bulk_size) < 0 || taken > sizeof buffer)
            abort();
        if (bulk_size)
            session_bulk_done(strand);
        if (taken == 0)
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct end end = {.memory = {take, give}, .flags = data[0]};
    struct session_config config = {
        .memory = &end.memory,
        .handler = &handler,
        .user = &end,
        .opener = !(data[0] & 1),
        .receive_memory = RECEIVE_MEMORY,
        .send_queue = 1 << 20,
        .send_queue_messages = 1000,
        .policy = data[0] & 64 ? SESSION_INTERACTIVE : SESSION_HANDOVER,
    };
    struct session_units units = {.lossy_max = data[0] & 4 ? 1200 : 0, .gives_up = data[0] & 8};
    struct session_strand *strand, *beside = NULL;
    int64_t now = 1000000;
    if (session_new(&config, now, &end.session) < 0 ||
        session_strand_add_units(end.session, NULL, false, &units, 0, now, &strand) < 0)
        abort();
    if (data[0] & 64 && session_strand_add(end.session, NULL, false, 1, now, &beside) < 0)
        abort();
    for (unsigned i = 0; beside && i < SESSION_TELL_KINDS; i++)
        session_tell(end.session, i, data, size < 130 * i ? size : 130 * i);
    uint64_t sent = own_traffic(&end, now);
    pull(&end, strand, now);
    int64_t step = data[0] & 128 ? 30000 : 1000;
    for (const uint8_t *at = data + 1, *stop = data + size; at < stop && !end.closed; now += step) {
        command(&end, strand, &at, stop, now);
        pull_bytes(beside, now);
        session_flush_events(end.session, now);
        if (session_due(end.session) <= now)
            session_tick(end.session, now);
    }
    if (!end.closed) {
        session_flush_events(end.session, now);
        session_abort(end.session, 0, "that was all", -1, now);
    }
    if (!end.closed || end.told != sent)
        abort(); /* every message of ours ended, and once */
    pull(&end, strand, now);
    session_free(end.session);
    if (end.blocks || end.bytes)
        abort();
    return 0;
}
