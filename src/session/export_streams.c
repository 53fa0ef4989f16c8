/* SPDX-License-Identifier: Apache-2.0 */
/* Streams on their way to another process: what was written and has not come, what came and was not read. */
#include <string.h>

#include "session/export.h"

/* Placing notes it too: got and have are the result. */
static void read_ring(const struct moving *moving, struct session_stream *stream, uint64_t offset)
{
    size_t size;
    const uint8_t *bytes = code_get(moving->coder, &size);

    if (!code_ok(moving->coder))
        return;
    if (offset > stream->told || size > stream->told - offset || offset + size > stream->end)
        coder_fail(moving->coder, -EBADMSG);
    else if (size && stream_place(stream, offset, bytes, size) < 0)
        coder_fail(moving->coder, -ENOMEM);
}

static void move_received(const struct moving *moving, struct session_stream *stream)
{
    struct coder *coder = moving->coder;
    uint64_t count = stream->have.count + 1, from = 0, first = stream->consumed, end = stream->got;

    code_count(coder, &count, GAPS_MAX);
    while (code_more(coder, &count)) {
        code_below(coder, &first, VARINT_MAX);
        if (coder->reading) {
            if (first < stream->consumed)
                coder_fail(coder, -EBADMSG);
            read_ring(moving, stream, first);
            continue;
        }
        code_ring(coder, stream->ring, stream->ring_capacity, first, end);
        if (count)
            (void)range_set_next(&stream->have, from, &first, &end);
        from = end;
    }
}

static void move_flags(struct coder *coder, struct session_stream *stream)
{
    bool *const flags[] = {
        &stream->paid,          &stream->opened,         &stream->shut,         &stream->fin_sent,
        &stream->first_acked,   &stream->fin_acked,      &stream->fin_again,    &stream->reset,
        &stream->reset_sent,    &stream->reset_received, &stream->reset_wanted, &stream->want_write,
        &stream->credit_wanted, &stream->limit,
    };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        code_flag(coder, flags[i]);
}

static void move_numbers(struct coder *coder, struct session_stream *stream)
{
    code_below(coder, &stream->reset_code, VARINT_MAX + 1);
    code_below(coder, &stream->sent, VARINT_MAX + 1);
    code_below(coder, &stream->credit, VARINT_MAX + 1);
    code_below(coder, &stream->bandwidth, INT64_MAX / 100 / 1000000);
    code_below(coder, &stream->consumed, VARINT_MAX + 1);
    code_number(coder, &stream->end);
    code_below(coder, &stream->window, stream->session->config.receive_memory);
    code_below(coder, &stream->allowed, VARINT_MAX + 1);
    code_below(coder, &stream->told, VARINT_MAX + 1);
    code_below(coder, &stream->reserved_window, stream->session->config.receive_memory);
    if (!coder->reading)
        return;
    stream->got = stream->consumed;
    if (stream->consumed > stream->end || stream->consumed > stream->told ||
        stream->told - stream->consumed > stream->window || (stream->limit && stream->bandwidth == 0))
        coder_fail(coder, -EBADMSG);
}

static bool is_sound(const struct session_stream *stream)
{
    uint64_t first = 0, end = 0;

    while (range_set_next(&stream->again, end, &first, &end))
        if (end > stream->pieces.end || first < stream->pieces.released)
            return false;
    return stream->sent <= stream->pieces.end;
}

/* Ranges to be sent again that were acknowledged by another strand meanwhile are not worth a word. */
static void again_clean(const struct moving *moving, struct session_stream *stream)
{
    if (range_set_remove(&stream->again, 0, stream->pieces.released) < 0)
        coder_fail(moving->coder, -ENOMEM);
}

static void account(const struct moving *moving, struct session_stream *stream)
{
    struct session *session = moving->session;

    session->streams_wanting += stream->credit_wanted + stream->reset_wanted;
    if (stream->reserved_window > session->reserve_free) {
        stream->reserved_window = 0;
        coder_fail(moving->coder, -EBADMSG);
    }
    session->reserve_free -= stream->reserved_window;
    session->statistics.reserved_bytes += stream->reserved_window;
    if (!stream->local)
        session->held += MESSAGE_COST + BEFORE_FLOW_CREDIT;
    stream->tokens_at = session->now;
}

/* What the program is to be told of it when it has been told of the stream. */
static void wake(struct session_stream *stream)
{
    stream->news_readable = stream->got > stream->consumed || stream->end == stream->got;
    if (stream->news_readable)
        stream_news(stream);
    stream_room_check(stream);
    stream_ended_check(stream);
    stream_wake(stream);
}

static struct session_stream *stream_make(const struct moving *moving, uint64_t id)
{
    struct session *session = moving->session;
    bool local = (id % 2 == 0) == session->opener;
    struct session_stream *stream = NULL;

    if (id > VARINT_MAX / 2 || stream_find(session, id) || (local && id >= session->next_stream) ||
        (!local && !range_set_contains(&session->streams_seen, id / 2)))
        coder_fail(moving->coder, -EBADMSG);
    else if (!(stream = stream_new(session, id, local)))
        coder_fail(moving->coder, -ENOMEM);
    return stream;
}

static void move_stream(const struct moving *moving, struct session_stream *stream)
{
    struct coder *coder = moving->coder;
    uint64_t id = stream ? stream->id : 0;

    code_number(coder, &id);
    if (!code_ok(coder) || (!stream && !(stream = stream_make(moving, id))))
        return;
    if (!coder->reading)
        again_clean(moving, stream);
    code_byte(coder, &stream->class);
    move_flags(coder, stream);
    move_numbers(coder, stream);
    code_ranges(coder, &stream->again, VARINT_MAX);
    code_ranges(coder, &stream->acked, VARINT_MAX);
    move_pieces(moving, &stream->pieces);
    if (coder->reading)
        account(moving, stream);
    move_received(moving, stream);
    if (!coder->reading || !code_ok(coder))
        return;
    if (is_sound(stream))
        wake(stream);
    else
        coder_fail(coder, -EBADMSG);
}

void move_streams(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;
    struct session_stream *stream;
    uint64_t count = 0;

    RB_FOREACH(stream, stream_tree, &session->streams)
    count++;
    code_count(coder, &count, UINT64_MAX);
    if (coder->reading) {
        while (code_more(coder, &count))
            move_stream(moving, NULL);
        return;
    }
    RB_FOREACH(stream, stream_tree, &session->streams)
    move_stream(moving, stream);
}

void session_streams_each(struct session *session, void (*each)(void *user, struct session_stream *stream))
{
    struct session_stream *stream, *next;

    session->depth++; /* what handlers bring about is told by the next call: it may free streams */
    for (stream = RB_MIN(stream_tree, &session->streams); stream; stream = next) {
        next = RB_NEXT(stream_tree, &session->streams, stream);
        if (stream->local || stream->opened)
            each(session->user, stream);
    }
    session->depth--;
}
