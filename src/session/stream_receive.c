/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: the receiving side. Bytes lie in a ring as large as the window until the program reads them. */
#include "session/internal.h"
#include "session/ring.h"

#define RING_MIN 4096

int stream_read_head(struct session *session, const uint8_t *at, const uint8_t *end, struct stream_frame *ret_frame)
{
    struct stream_frame *frame = ret_frame;
    at = varint_get(at, end, &frame->id);
    if (!at || at == end)
        return 1;
    frame->flags = *at++;
    if (frame->flags & ~(STREAM_FIRST | STREAM_LAST))
        return violation(session, SESSION_CODE_PROTOCOL, "a STREAM frame has impossible flags");
    if (frame->flags & STREAM_FIRST) {
        uint64_t niceness;
        at = varint_get(at, end, &niceness);
        if (!at)
            return 1;
        if (niceness >= CLASSES)
            return violation(session, SESSION_CODE_PROTOCOL, "the niceness of a stream is out of range");
        frame->niceness = (int)niceness - CLASS_NORMAL;
    }
    at = varint_get(at, end, &frame->offset);
    if (!at)
        return 1;
    frame->payload = at;
    return 0;
}

static bool opened_by_peer(const struct session *session, uint64_t id)
{
    return (id % 2 == 0) != session->opener;
}

/* The stream of an id that is not in the tree: a new one of the peer's, or NULL for one that is forgotten. */
static int stream_appear(struct session *session, uint64_t id, struct session_stream **ret_stream)
{
    *ret_stream = NULL;
    if (!opened_by_peer(session, id)) {
        if (id >= session->next_stream)
            return violation(session, SESSION_CODE_PROTOCOL, "a stream was used that nobody opened");
        return 0;
    }
    if (range_set_contains(&session->streams_seen, id / 2))
        return 0;
    if (range_set_add(&session->streams_seen, id / 2, id / 2 + 1, NULL) < 0)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    if (session->streams_seen.count > BEFORE_GAPS)
        return violation(session, SESSION_CODE_LIMIT, "too many gaps in the ids of streams");
    int r = credit_charge(session, MESSAGE_COST + BEFORE_FLOW_CREDIT);
    if (r < 0)
        return r;
    *ret_stream = stream_new(session, id, false);
    return *ret_stream ? 0 : violation(session, SESSION_CODE_MEMORY, "out of memory");
}

static int tell_opened(struct session *session, struct session_stream *stream, int niceness)
{
    uint64_t id = stream->id;
    stream->opened = true;
    stream->class = (uint8_t)(niceness + CLASS_NORMAL);
    session->handler->stream_opened(session->user, stream);
    if (session->ended)
        return -ESHUTDOWN;
    if (stream_find(session, id) == stream && (session->closing || session->peer_closed))
        session_stream_shutdown(stream);
    return 0;
}

int stream_begin(struct session_strand *strand, const struct stream_frame *frame, uint64_t size,
                 struct session_stream **ret_stream)
{
    struct session *session = strand->session;
    struct session_stream *stream = stream_find(session, frame->id);
    uint64_t end = frame->offset + size;
    int r = 0;

    *ret_stream = NULL;
    if (!stream)
        r = stream_appear(session, frame->id, &stream);
    if (r < 0 || !stream || stream->reset)
        return r;
    if (end > stream->told)
        return violation(session, SESSION_CODE_LIMIT, "a stream went beyond its credit");
    bool ends_elsewhere =
        end < stream->got || end < range_set_end(&stream->have) || (stream->end != UINT64_MAX && end != stream->end);
    if (end > stream->end || (frame->flags & STREAM_LAST && ends_elsewhere))
        return violation(session, SESSION_CODE_PROTOCOL, "a stream does not end where it said");
    if (frame->flags & STREAM_FIRST && !stream->local && !stream->opened)
        r = tell_opened(session, stream, frame->niceness);
    if (r == 0 && stream_find(session, frame->id) == stream && !stream->reset)
        *ret_stream = stream;
    return r;
}

static int ring_grow(struct session_stream *stream, uint64_t wanted)
{
    const struct memory *memory = stream->session->memory;
    size_t capacity = stream->ring_capacity ? stream->ring_capacity : RING_MIN;
    while (capacity < wanted)
        capacity *= 2;
    if (capacity == stream->ring_capacity)
        return 0;
    uint8_t *ring = memory_allocate(memory, capacity);
    if (!ring)
        return violation(stream->session, SESSION_CODE_MEMORY, "out of memory");
    if (stream->ring)
        ring_move(ring, capacity, stream->ring, stream->ring_capacity, stream->consumed);
    memory_release(memory, stream->ring, stream->ring_capacity);
    stream->ring = ring;
    stream->ring_capacity = capacity;
    return 0;
}

static int note_bytes(struct session_stream *stream, uint64_t offset, uint64_t end)
{
    struct session *session = stream->session;
    if (offset > stream->got) {
        int r = gap_add(session, &stream->have, offset, end);
        stall_stream(stream);
        return r;
    }
    session->gaps -= stream->have.count;
    stream->got = end;
    uint64_t first;
    while (range_set_next(&stream->have, 0, &first, &end) && first <= stream->got) {
        if (end > stream->got)
            stream->got = end;
        range_set_drop_first(&stream->have);
    }
    session->gaps += stream->have.count;
    stall_stream(stream);
    return 0;
}

int stream_place(struct session_stream *stream, uint64_t offset, const uint8_t *data, size_t size)
{
    uint64_t end = offset + size;
    if (end <= stream->got)
        return 0;
    if (offset < stream->got) {
        data += stream->got - offset;
        offset = stream->got;
        size = (size_t)(end - offset);
    }
    int r = ring_grow(stream, end - stream->consumed);
    if (r < 0)
        return r;
    ring_put(stream->ring, stream->ring_capacity, offset, data, size);
    return note_bytes(stream, offset, end);
}

int stream_advance(struct session_stream *stream, bool last, uint64_t end)
{
    if (last)
        stream->end = end;
    if (stream->got > stream->consumed || stream->end == stream->got) {
        stream->news_readable = true;
        stream_news(stream);
    }
    stream_ended_check(stream);
    return 0;
}

/* ---- reading */

static void widen(struct session_stream *stream)
{
    struct session *session = stream->session;
    uint64_t more = stream->window;
    if (stream->window + more > session->config.receive_memory / 4 ||
        session->reserve_free < more + session->reserve_pool / 2)
        return;
    session->reserve_free -= more;
    session->statistics.reserved_bytes += more;
    stream->reserved_window += more;
    stream->window += more;
}

static void allow(struct session_stream *stream)
{
    uint64_t offset = stream->consumed + stream->window;
    if (stream->end != UINT64_MAX || offset - stream->told < stream->window / 2)
        return;
    widen(stream);
    stream->allowed = stream->consumed + stream->window;
    if (!stream->credit_wanted && !stream->session->ended) {
        stream->credit_wanted = true;
        stream->session->streams_wanting++;
    }
}

int64_t session_stream_read(struct session_stream *stream, void *buffer, size_t size)
{
    if (stream->reset || stream->dead)
        return -ECONNRESET;
    if (stream->consumed == stream->end)
        return 0;
    if (stream->consumed == stream->got)
        return -EAGAIN;
    uint64_t here = stream->got - stream->consumed;
    if (here < size)
        size = (size_t)here;
    ring_get(stream->ring, stream->ring_capacity, stream->consumed, buffer, size);
    stream->consumed += size;
    stream->session->statistics.bytes_received += size;
    allow(stream);
    stream_ended_check(stream);
    return (int64_t)size;
}

int stream_reset_read(struct session *session, uint64_t id, uint64_t code)
{
    struct session_stream *stream = stream_find(session, id);
    if (!stream) {
        int r = stream_appear(session, id, &stream);
        if (r < 0 || !stream)
            return r;
    }
    if (stream->reset_wanted) {
        stream->reset_wanted = false;
        session->streams_wanting--;
    }
    unschedule_stream(stream);
    stream->reset = true;
    stream->reset_code = code;
    stream_ended_check(stream);
    return 0;
}
