/* SPDX-License-Identifier: Apache-2.0 */
/* Streams at both ends: written and read in pieces of any size, half closed, reset. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sim.h"

static struct stream *by_handle(struct side *side, struct session_stream *handle)
{
    uintptr_t number = (uintptr_t)session_stream_user(handle);
    struct sim *sim = side->sim;
    if (number == 0 || number > sim->stream_count || sim->streams[number - 1].handle[side->index] != handle) {
        sim_fail(sim, "%c: an event of an unknown stream", "AB"[side->index]);
        return NULL;
    }
    return &sim->streams[number - 1];
}

static uint64_t direction_key(const struct stream *stream, unsigned writer)
{
    return stream->key + writer;
}

static void write_some(struct side *side, struct stream *stream)
{
    struct sim *sim = side->sim;
    struct stream_direction *direction = &stream->direction[side->index];
    uint64_t total = side->index == stream->opener ? stream->total : stream->back;
    static uint8_t bytes[65536];
    while (stream->handle[side->index] && !stream->reset && direction->written < total) {
        uint64_t left = total - direction->written;
        size_t n = (size_t)rng_scale(&side->rng, 1, sizeof bytes);
        if (n > left)
            n = (size_t)left;
        content_fill(direction_key(stream, side->index), direction->written, bytes, n);
        int64_t r = session_stream_write(stream->handle[side->index], bytes, n, side_clock(side));
        if (r == -EAGAIN)
            return;                                          /* writable() follows */
        if (r == -EPIPE && session_closing(side->session)) { /* closing ends what streams write */
            direction->shut = true;
            return;
        }
        if (r == -ENOMEM && sim->memory_refused) {
            sim_schedule(sim, sim->now + MILLISECOND, stream_poke, side, stream->id);
            return;
        }
        if (r <= 0 || (size_t)r > n) {
            sim_fail(sim, "%c: writing to stream %" PRIu64 " answers %" PRId64, "AB"[side->index], stream -> id, r);
            return;
        }
        direction->written += (uint64_t)r;
        sim->progress_at = sim->now;
    }
    if (stream->handle[side->index] && !stream->reset && !direction->shut) {
        direction->shut = true;
        sim_log(sim, side, "stream %" PRIu64 " is shut after %" PRIu64 " bytes", stream->id, direction->written);
        int r = session_stream_shutdown(stream->handle[side->index]);
        if (r < 0)
            sim_fail(sim, "%c: shutting stream %" PRIu64 " answers %d", "AB"[side->index], stream -> id, r);
    }
}

static void read_some(struct side *side, struct stream *stream)
{
    struct sim *sim = side->sim;
    struct stream_direction *direction = &stream->direction[1 - side->index];
    static uint8_t bytes[65536];
    while (stream->handle[side->index] && !direction->ended && !sim->failed) {
        size_t n = (size_t)rng_scale(&side->rng, 1, sizeof bytes);
        int64_t r = session_stream_read(stream->handle[side->index], bytes, n);
        if (r == -EAGAIN || (r < 0 && stream->reset))
            return;
        if (r < 0 || (size_t)r > n) {
            sim_fail(sim, "%c: reading stream %" PRIu64 " answers %" PRId64, "AB"[side->index], stream -> id, r);
            return;
        }
        sim->progress_at = sim->now;
        if (r == 0) {
            direction->ended = true;
            bool shut = direction->shut || OTHER(side)->ended || session_closing(OTHER(side)->session);
            if (!stream->reset && (!shut || direction->read != direction->written))
                sim_fail(sim, "%c: stream %" PRIu64 " ends after %" PRIu64 " of %" PRIu64 " bytes", "AB"[side->index],
                         stream -> id, direction -> read, direction -> written);
            return;
        }
        if (direction->read + (uint64_t)r > direction->written ||
            !content_same(direction_key(stream, 1 - side->index), direction->read, bytes, (size_t)r))
            sim_fail(sim, "%c: stream %" PRIu64 " differs after %" PRIu64, "AB"[side->index], stream -> id,
                     direction -> read);
        direction->read += (uint64_t)r;
        if (sim->random_program && !stream->hurry && rng_chance(&side->rng, 50)) { /* a slow reader */
            sim_schedule(sim, sim->now + rng_scale(&side->rng, 100, SECOND / 2), stream_poke, side, stream->id);
            return;
        }
    }
}

static void act_on(struct side *side, struct stream *stream)
{
    if (stream->resets_at[side->index] && stream->direction[side->index].written >= stream->resets_at[side->index] &&
        stream->handle[side->index] && !stream->reset) {
        stream->reset = true;
        sim_log(side->sim, side, "stream %" PRIu64 " is reset", stream->id);
        int r = session_stream_reset(stream->handle[side->index], 7);
        if (r < 0)
            sim_fail(side->sim, "%c: resetting stream %" PRIu64 " answers %d", "AB"[side->index], stream -> id, r);
        return;
    }
    read_some(side, stream);
    write_some(side, stream);
}

void stream_poke(struct sim *sim, void *object, uint64_t id)
{
    struct side *side = object;
    if (side->ended)
        return;
    side_enter(side);
    for (size_t i = 0; i < sim->stream_count; i++)
        if (sim->streams[i].id == id)
            act_on(side, &sim->streams[i]);
    side_leave(side);
    program_try_close(side);
}

/* ---- beginnings and ends */

static struct stream *record(struct sim *sim)
{
    if (sim->stream_count == sim->stream_capacity) {
        sim->stream_capacity = sim->stream_capacity ? 2 * sim->stream_capacity : 16;
        sim->streams = realloc(sim->streams, sim->stream_capacity * sizeof *sim->streams);
        if (!sim->streams)
            abort();
    }
    return &sim->streams[sim->stream_count++];
}

struct stream *stream_open(struct side *side, int niceness, uint64_t bandwidth, bool limit, uint64_t total,
                           uint64_t back)
{
    struct sim *sim = side->sim;
    struct session_stream *handle = NULL;
    side_enter(side);
    int r = session_stream_open(side->session, niceness, side_clock(side), &handle);
    if (r < 0) {
        if ((r != -ESHUTDOWN || !session_closing(side->session)) && (r != -ENOMEM || !sim->memory_refused))
            sim_fail(sim, "%c: session_stream_open() answers %d", "AB"[side->index], r);
        side_leave(side);
        return NULL;
    }
    struct stream *stream = record(sim);
    *stream = (struct stream){
        .id = session_stream_id(handle),
        .opener = side->index,
        .total = total,
        .back = back,
        .bandwidth = bandwidth,
        .limit = limit,
        .limit_since = sim->now,
    };
    stream->key = content_key(sim->plan.seed, side->index, stream->id, true);
    stream->handle[side->index] = handle;
    session_stream_set_user(handle, (void *)(uintptr_t)sim->stream_count);
    if (stream->id % 2 != side->index ||
        (bandwidth && session_stream_set_bandwidth(handle, bandwidth, limit, side_clock(side)) < 0))
        sim_fail(sim, "%c: stream %" PRIu64 " cannot be had as asked for", "AB"[side->index], stream -> id);
    side->stream_bytes += STREAM_MEMORY;
    sim_log(sim, side, "opens stream %" PRIu64 " for %" PRIu64 " and %" PRIu64 " bytes, %" PRIu64 " bit/s%s",
            stream->id, total, back, bandwidth, limit ? " at most" : "");
    sim_schedule(sim, sim->now, stream_poke, side, stream->id);
    side_leave(side);
    return stream;
}

void streams_begin(struct side *side)
{
    struct rng *rng = &side->rng;
    uint64_t most = side->budget_left / 4 + 1;
    uint64_t total = (uint64_t)rng_scale(rng, 1, (int64_t)most) - 1,
             back = (uint64_t)rng_scale(rng, 1, (int64_t)most) - 1;
    uint64_t bandwidth = rng_chance(rng, 300) ? (uint64_t)rng_scale(rng, 200000, 20000000) : 0;
    bool limit = bandwidth && rng_chance(rng, 500);
    side->budget_left -= total < side->budget_left ? total : side->budget_left;
    struct stream *stream = stream_open(side, (int)rng_between(rng, -100, 155), bandwidth, limit, total, back);
    if (!stream)
        return;
    if (total > 0 && rng_chance(rng, 100))
        stream->resets_at[side->index] = 1 + rng_below(rng, total);
    if (back > 0 && rng_chance(rng, 100))
        stream->resets_at[1 - side->index] = 1 + rng_below(rng, back);
}

void stream_opened(void *user, struct session_stream *handle)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    uint64_t id = session_stream_id(handle);
    for (size_t i = 0; i < sim->stream_count; i++) {
        struct stream *stream = &sim->streams[i];
        if (stream->id != id)
            continue;
        if (stream->opener == side->index || stream->handle[side->index] || stream->closed[side->index])
            sim_fail(sim, "%c: stream %" PRIu64 " is opened a second time", "AB"[side->index], id);
        stream->handle[side->index] = handle;
        session_stream_set_user(handle, (void *)(uintptr_t)(i + 1));
        side->stream_bytes += STREAM_MEMORY;
        sim_log(sim, side, "stream %" PRIu64 " was opened", id);
        sim_schedule(sim, sim->now, stream_poke, side, id);
        return;
    }
    sim_fail(sim, "%c: stream %" PRIu64 " was opened by nobody", "AB"[side->index], id);
}

void stream_readable(void *user, struct session_stream *handle)
{
    struct side *side = user;
    struct stream *stream = by_handle(side, handle);
    if (stream)
        read_some(side, stream);
}

void stream_writable(void *user, struct session_stream *handle)
{
    struct side *side = user;
    struct stream *stream = by_handle(side, handle);
    if (stream)
        sim_schedule(side->sim, side->sim->now, stream_poke, side, stream->id);
}

void stream_closed(void *user, struct session_stream *handle, bool reset, uint64_t code)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    struct stream *stream = by_handle(side, handle);
    if (!stream)
        return;
    sim_log(sim, side, "stream %" PRIu64 " is closed%s", stream->id, reset ? " by a reset" : "");
    if (!reset) {
        stream->hurry = true; /* it is the last chance */
        read_some(side, stream);
        if (!stream->direction[1 - side->index].ended)
            sim_fail(sim, "%c: stream %" PRIu64 " closes though it has not ended both ways", "AB"[side->index],
                     stream -> id);
    } else if (stream->reset && code != 7 && code != 0) { /* 0: the line ended first */
        sim_fail(sim, "%c: stream %" PRIu64 " is reset with %" PRIu64, "AB"[side->index], stream -> id, code);
    }
    if (reset && !stream->reset)
        stream->cut_off = true; /* right only when the line ends: check_end() */
    stream->closed[side->index] = true;
    stream->handle[side->index] = NULL;
    sim->progress_at = sim->now;
    program_try_close(side);
}

bool streams_finished(const struct side *side)
{
    for (size_t i = 0; i < side->sim->stream_count; i++) {
        const struct stream *stream = &side->sim->streams[i];
        bool to_come = stream->opener != side->index && !stream->reset; /* one that was reset may never be seen here */
        if (!stream->closed[side->index] && (stream->handle[side->index] || to_come))
            return false;
    }
    return true;
}
