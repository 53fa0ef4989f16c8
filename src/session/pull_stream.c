/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling streams. */
#include "session/pull.h"

static enum put choose_stream_slice(struct pull *pull, struct session_stream *stream, uint64_t limit,
                                    struct slice *slice)
{
    uint64_t end = stream->pieces.end < stream->credit ? stream->pieces.end : stream->credit;
    *slice = (struct slice){.offset = stream->sent, .first = stream->local && !stream->opened};
    if (range_set_next(&stream->again, stream->pieces.released, &slice->offset, &end))
        slice->again = true;
    uint64_t most = end > slice->offset ? end - slice->offset : 0;
    if (most > strand_bulk(pull->strand))
        most = strand_bulk(pull->strand);
    if (most > limit)
        most = limit;
    if (most && pull->unit) {
        most = pull_room(pull, FRAME_HEAD_MAX, most);
        if (!most)
            return PUT_FULL;
    }
    if (most) {
        size_t here = 0;
        slice->bytes = pieces_at(&stream->pieces, slice->offset, &here);
        slice->size = here < most ? here : most;
    }
    slice->last = stream->shut && slice->offset + slice->size == stream->pieces.end &&
                  (slice->size || !stream->fin_sent || stream->fin_again);
    return slice->size || slice->first || slice->last ? PUT_DONE : PUT_FAILED;
}

static void stream_slice_sent(struct pull *pull, struct session_stream *stream, const struct slice *slice)
{
    struct session *session = pull->session;
    if (stream->local && !stream->paid) {
        session->credit_used += MESSAGE_COST + BEFORE_FLOW_CREDIT;
        stream->paid = true;
    }
    stream->opened = stream->opened || slice->first;
    if (slice->last) {
        stream->fin_sent = true;
        stream->fin_again = false;
    }
    uint64_t end = slice->offset + slice->size;
    if (slice->again)
        range_set_remove(&stream->again, slice->offset, end);
    if (end > stream->sent)
        stream->sent = end;
    if (stream->bandwidth) {
        stream->tokens -= (int64_t)slice->size * 1000000;
        if (stream->tokens < 0)
            stream->tokens = 0;
    }
    uint8_t flags = (uint8_t)((slice->first ? STREAM_FIRST : 0) | (slice->last ? STREAM_LAST : 0));
    ledger_add(pull->strand, LEDGER_STREAM, flags, stream->id, slice->offset, slice->size);
}

enum put put_stream_slice(struct pull *pull, const struct session_stream *stream, const struct slice *slice)
{
    struct head head;
    uint8_t *at = varint_put(head.bytes, stream->id);
    *at++ = (uint8_t)((slice->first ? STREAM_FIRST : 0) | (slice->last ? STREAM_LAST : 0));
    if (slice->first)
        at = varint_put(at, stream->class);
    at = varint_put(at, slice->offset);
    head.size = (size_t)(at - head.bytes);
    return pull_frame(pull, FRAME_STREAM, &head, slice->bytes, (size_t)slice->size);
}

enum put pull_stream(struct pull *pull, struct chosen *chosen)
{
    struct session_stream *stream = chosen->stream;
    struct slice slice;
    enum put put = choose_stream_slice(pull, stream, chosen->limit, &slice);
    if (put == PUT_FULL)
        return put;
    if (put == PUT_FAILED) { /* nothing to send after all */
        unschedule_stream(stream);
        return PUT_DONE;
    }
    put = put_stream_slice(pull, stream, &slice);
    if (put == PUT_FULL)
        return put;
    if (put == PUT_BULK) {
        stream->pins++;
        pull->strand->pinned_stream = stream;
    }
    stream_slice_sent(pull, stream, &slice);
    if (chosen->lane == LANE_STREAM)
        schedule_used(pull->strand, chosen, (size_t)slice.size + FRAME_HEAD_MAX);
    unschedule_stream(stream); /* to the end of its lane */
    stream_wake(stream);
    return put;
}
