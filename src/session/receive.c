/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a strand into frames. Small frames are read where they lie; the payload of a long DATA or STREAM frame goes
 * to its own place as it comes, so that large messages are received without a copy.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "session/internal.h"

#define HEAD_MAX 1024 /* the most a DATA or STREAM frame has before its payload */
#define PARTIAL_CAPACITY (FRAME_BODY_MAX + HEAD_MAX)

int violation(struct session *session, enum session_code code, const char *format, ...)
{
    char text[REASON_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    end_session(session, code == SESSION_CODE_MEMORY ? -ENOMEM : -HAWSER_EPROTOCOL, SESSION_CODE(code), false, text);
    session->abort_wanted = true;
    return -HAWSER_EPROTOCOL;
}

/* ---- where the next bytes belong */

void session_space(struct session_strand *strand, uint8_t *scratch, size_t scratch_size, uint8_t **ret_buffer,
                   size_t *ret_size)
{
    struct session_lane *lane = &strand->lane;
    lane->into_direct = false;
    if (lane->into_left && lane->into && !lane->into_skip) {
        uint64_t room;
        uint8_t *place = inbound_room(lane->into, lane->into_offset, &room);
        if (place) {
            lane->into_direct = true;
            *ret_buffer = place;
            *ret_size = (size_t)(lane->into_left < room ? lane->into_left : room);
            return;
        }
    }
    if (lane->partial_size) {
        *ret_buffer = lane->partial + lane->partial_size;
        *ret_size = lane->partial_capacity - lane->partial_size;
        return;
    }
    *ret_buffer = scratch;
    *ret_size = scratch_size;
}

/* ---- payload that goes on over several calls */

void lane_leave(struct session_lane *lane)
{
    if (lane->into)
        lane->into->filling--;
    if (lane->into_stream)
        lane->into_stream->filling--;
    lane->into = NULL;
    lane->into_stream = NULL;
}

/* The message or stream ends while some of it is on its way: what still comes is skipped. */
static void lane_skip(struct session_lane *lane, const struct inbound *inbound, const struct session_stream *stream)
{
    if ((inbound && lane->into == inbound) || (stream && lane->into_stream == stream)) {
        lane_leave(lane);
        lane->into_skip = true;
    }
}

void lanes_skip(struct session *session, const struct inbound *inbound, const struct session_stream *stream)
{
    struct list *link;
    for (link = session->strands.next; link != &session->strands; link = link->next)
        lane_skip(&container_of(link, struct session_strand, link)->lane, inbound, stream);
    for (link = session->unit_lanes.next; link != &session->unit_lanes; link = link->next)
        lane_skip(&container_of(link, struct unit_lane, link)->lane, inbound, stream);
}

static int payload(struct session_strand *strand, struct session_lane *lane, const uint8_t *data, size_t size,
                   bool in_place)
{
    struct session *session = strand->session;
    uint64_t offset = lane->into_offset;
    int r = 0;

    lane->into_offset += size;
    lane->into_left -= size;
    strand->elicited = true; /* an ACK may have gone out since the frame's head came */
    if (lane->into && !lane->into_skip) {
        r = inbound_place(session, lane->into, offset, data, size, in_place);
        if (r == 0 && lane->into) /* a handler may have given it up */
            r = inbound_advance(session, lane->into);
    } else if (lane->into_stream && !lane->into_skip) {
        r = stream_place(lane->into_stream, offset, data, size);
        if (r == 0)
            r = stream_advance(lane->into_stream, lane->into_last && lane->into_left == 0, lane->into_offset);
    }
    if (lane->into_left == 0)
        lane_leave(lane);
    return r;
}

static int payload_begin(struct session_strand *strand, struct session_lane *lane, struct inbound *inbound,
                         struct session_stream *stream, uint64_t offset, uint64_t size, bool last, const uint8_t *data,
                         size_t here)
{
    lane->into = inbound;
    lane->into_stream = stream;
    lane->into_skip = !inbound && !stream;
    lane->into_offset = offset;
    lane->into_left = size;
    lane->into_last = last;
    if (inbound)
        inbound->filling++;
    if (stream)
        stream->filling++;
    return payload(strand, lane, data, here, false);
}

/* ---- frames */

/* A DATA or STREAM frame of which `end - at` bytes are here, all of body_size or the beginning. 1: its head is not all
 * there; 0: *ret_at is behind what was used. */
static int long_frame(struct session_strand *strand, struct session_lane *lane, uint64_t type, const uint8_t *at,
                      const uint8_t *end, uint64_t body_size, bool early, const uint8_t **ret_at)
{
    struct session *session = strand->session;
    bool whole = (uint64_t)(end - at) >= body_size;
    if (whole)
        end = at + body_size;
    const uint8_t *head;
    struct data_frame data = {0};
    struct stream_frame stream = {0};
    int r = type == FRAME_DATA ? data_read_head(session, at, end, body_size, &data)
                               : stream_read_head(session, at, end, &stream);
    if (r == 1 && !whole && end - at < HEAD_MAX)
        return 1;
    if (r == 1)
        return violation(session, SESSION_CODE_PROTOCOL, "a %s frame is cut short",
                         type == FRAME_DATA ? "DATA" : "STREAM");
    if (r < 0)
        return r;
    head = type == FRAME_DATA ? data.payload : stream.payload;
    uint64_t size = body_size - (uint64_t)(head - at);
    *ret_at = end;
    session->statistics.frames_received++;
    strand->elicited = true;
    if (type == FRAME_STREAM) {
        struct session_stream *found;
        if (early)
            return violation(session, SESSION_CODE_PROTOCOL, "a stream came in early data");
        r = stream_begin(strand, &stream, size, &found);
        if (r < 0)
            return r;
        return payload_begin(strand, lane, NULL, found, stream.offset, size, stream.flags & STREAM_LAST, head,
                             (size_t)(end - head));
    }
    if (early && !(data.properties.flags & MESSAGE_REPLAYABLE))
        return violation(session, SESSION_CODE_PROTOCOL, "a message that may not be replayed came in early data");
    if (whole && (data.flags & (DATA_FIRST | DATA_LAST)) == (DATA_FIRST | DATA_LAST) && size <= ARRIVING_ABOVE)
        return inbound_whole(strand, &data, (size_t)size, early);
    struct inbound *inbound;
    r = inbound_begin(strand, &data, size, early, &inbound);
    if (r < 0)
        return r;
    return payload_begin(strand, lane, inbound, NULL, data.offset, size, data.flags & DATA_LAST, head,
                         (size_t)(end - head));
}

static bool is_long(uint64_t type)
{
    return type == FRAME_DATA || type == FRAME_STREAM;
}

/* Reads frames; *ret_at is where one begins that is not all there. */
int lane_frames(struct session_strand *strand, struct session_lane *lane, const uint8_t *at, const uint8_t *end,
                bool early, const uint8_t **ret_at)
{
    struct session *session = strand->session;
    while (at < end && !session->ended) {
        if (lane->into_left) {
            uint64_t left = (uint64_t)(end - at);
            size_t here = (size_t)(left < lane->into_left ? left : lane->into_left);
            int r = payload(strand, lane, at, here, false);
            if (r < 0)
                return r;
            at += here;
            continue;
        }
        if (!early && *at == FRAME_DATA) {
            const uint8_t *before = at;
            int r = plain_messages(strand, at, end, &at);
            if (r < 0)
                return r;
            if (at != before)
                continue;
        }
        uint64_t type, size;
        const uint8_t *body = varint_get(at, end, &type);
        if (body)
            body = varint_get(body, end, &size);
        if (!body)
            break;
        if (size > (is_long(type) ? FRAME_LONG_MAX : FRAME_BODY_MAX))
            return violation(session, SESSION_CODE_PROTOCOL, "a frame of %llu bytes is too long",
                             (unsigned long long)size);
        if (is_long(type)) {
            const uint8_t *next = NULL;
            int r = long_frame(strand, lane, type, body, end, size, early, &next);
            if (r < 0)
                return r;
            if (r == 1)
                break;
            at = next;
        } else {
            if ((uint64_t)(end - body) < size)
                break;
            session->statistics.frames_received++;
            int r = frame_read(strand, type, body, body + size, early);
            if (r < 0)
                return r;
            at = body + size;
        }
        if (!list_empty(&session->ready))
            deliver_drain(session);
    }
    *ret_at = at;
    return 0;
}

static int keep_partial(struct session_strand *strand, const uint8_t *at, size_t size)
{
    const struct memory *memory = strand->session->memory;
    struct session_lane *lane = &strand->lane;
    if (size == 0) {
        memory_release(memory, lane->partial, lane->partial_capacity);
        lane->partial = NULL;
        lane->partial_size = lane->partial_capacity = 0;
        return 0;
    }
    if (!lane->partial) {
        lane->partial = memory_allocate(memory, PARTIAL_CAPACITY);
        if (!lane->partial)
            return violation(strand->session, SESSION_CODE_MEMORY, "out of memory");
        lane->partial_capacity = PARTIAL_CAPACITY;
    }
    memmove(lane->partial, at, size);
    lane->partial_size = size;
    return 0;
}

static void note_ack(struct session_strand *strand, int64_t due)
{
    if (!strand->elicited)
        return;
    if (strand->received - strand->ack_told >= ACK_BYTES)
        strand->ack_wanted = true;
    else if (strand->ack_due > due)
        strand->ack_due = due;
}

void answers_wait(struct session *session, uint64_t acked_before, bool idle_before)
{
    bool answered = session->statistics.acked != acked_before && (idle_before || session->outcomes_due);
    session->outcomes_due = answered && session->outcomes.count ? session->now + ANSWER_DELAY : 0;
}

int session_received(struct session_strand *strand, uint8_t *buffer, size_t size, bool early, int64_t now)
{
    struct session *session = strand->session;
    struct session_lane *lane = &strand->lane;
    const uint8_t *at = buffer, *end = buffer + size;
    int r;

    session_enter(session, now);
    if (session->ended) {
        session_leave(session);
        return -ESHUTDOWN;
    }
    uint64_t acked = session->statistics.acked;
    bool idle = session->outcomes.count == 0;
    strand_heard(strand);
    strand->received += size;
    if (lane->into_direct && lane->into_left) {
        r = payload(strand, lane, buffer, size, true);
        lane->into_direct = false;
        if (r == 0 && !list_empty(&session->ready))
            deliver_drain(session);
    } else {
        if (lane->partial_size) {
            at = lane->partial;
            end = lane->partial + lane->partial_size + size;
        }
        r = lane_frames(strand, lane, at, end, early, &at);
        if (r == 0 && !session->ended)
            r = keep_partial(strand, at, (size_t)(end - at));
    }
    if (r == 0 && !list_empty(&session->held_units))
        r = units_read_held(session);
    answers_wait(session, acked, idle);
    /* Among several strands an ACK also says that this one lives: it does not wait so long. */
    note_ack(strand, now + (session->outcomes_due && session->strand_count == 1 ? ANSWER_DELAY : ACK_DELAY));
    if (r == 0 && session->ended)
        r = -ESHUTDOWN;
    session_leave(session);
    return r;
}

/* ---- the short frames */

static int ack_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t number, offset;
    at = varint_get(at, end, &number);
    if (at)
        at = varint_get(at, end, &offset);
    if (!at)
        return violation(session, SESSION_CODE_PROTOCOL, "an ACK is cut short");
    struct session_strand *strand = strand_find(session, number);
    if (!strand && !strand_number_used(session, number))
        return violation(session, SESSION_CODE_PROTOCOL, "an ACK is of a strand that never was");
    if (!strand)
        return 0; /* it is gone */
    if (strand->units)
        return violation(session, SESSION_CODE_PROTOCOL, "an ACK is of a strand of units");
    if (offset > strand->sent)
        return violation(session, SESSION_CODE_PROTOCOL, "an ACK is of bytes that were not sent");
    if (offset > strand->acked) {
        ledger_acked(strand, offset);
        suspicion_acked(strand, offset);
    }
    return 0;
}

static int credit_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t total;
    if (!varint_get(at, end, &total))
        return violation(session, SESSION_CODE_PROTOCOL, "a CREDIT is cut short");
    if (total > session->credit)
        session->credit = total;
    return 0;
}

static int flow_credit_read(struct session *session, const uint8_t *at, const uint8_t *end, bool stream)
{
    uint64_t id, offset;
    at = varint_get(at, end, &id);
    if (!at || !varint_get(at, end, &offset))
        return violation(session, SESSION_CODE_PROTOCOL, "a FLOW_CREDIT is cut short");
    if (stream) {
        struct session_stream *found = stream_find(session, id);
        if (found && offset > found->credit) {
            found->credit = offset;
            stream_wake(found);
        }
        return 0;
    }
    struct outbound *outbound = outbound_find(session, id);
    if (!outbound || !outbound->opened || !outbound->more || outbound->state == OUTBOUND_ENDED ||
        offset <= outbound->more->credit)
        return 0;
    outbound->more->credit = offset;
    return outbound->state == OUTBOUND_BLOCKED ? schedule_message(session, outbound) : 0;
}

static int ping_read(struct session_strand *strand, const uint8_t *at, const uint8_t *end)
{
    struct session *session = strand->session;
    if (!varint_get(at, end, &strand->pong_stamp))
        return violation(session, SESSION_CODE_PROTOCOL, "a PING is cut short");
    strand->pong_received = session->now;
    strand->pong_wanted = true;
    strand->pong_due = session->now + PONG_DELAY;
    return 0;
}

static int pong_read(struct session_strand *strand, const uint8_t *at, const uint8_t *end)
{
    struct session *session = strand->session;
    uint64_t stamp, received, sent;
    at = varint_get(at, end, &stamp);
    if (at)
        at = varint_get(at, end, &received);
    if (!at || !varint_get(at, end, &sent))
        return violation(session, SESSION_CODE_PROTOCOL, "a PONG is cut short");
    if (stamp > CLOCK_MAX || received > CLOCK_MAX || sent > CLOCK_MAX)
        return violation(session, SESSION_CODE_PROTOCOL, "a clock in a PONG is out of range");
    int64_t asked = local_time(session, stamp);
    int64_t rtt = clock_sample(session, asked, (int64_t)received, (int64_t)sent);
    if (rtt >= 0)
        suspicion_pong(strand, (uint64_t)asked, rtt);
    return 0;
}

static int stream_reset_frame(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t id, code;
    at = varint_get(at, end, &id);
    if (!at || !varint_get(at, end, &code))
        return violation(session, SESSION_CODE_PROTOCOL, "a STREAM_RESET is cut short");
    return stream_reset_read(session, id, code);
}

static int end_read(struct session *session, const uint8_t *at, const uint8_t *end, bool abort)
{
    uint64_t code;
    at = varint_get(at, end, &code);
    if (!at || end - at > REASON_MAX)
        return violation(session, SESSION_CODE_PROTOCOL, "a CLOSE or ABORT is malformed");
    char reason[REASON_MAX + 1];
    memcpy(reason, at, (size_t)(end - at));
    reason[end - at] = 0;
    if (abort) {
        bool refused = code == SESSION_CODE(SESSION_CODE_REFUSED) ||
                       (code >= SESSION_CODE_REFUSED_WITH(0) && code <= SESSION_CODE_REFUSED_WITH(UINT32_MAX));
        int local = refused ? -HAWSER_EREFUSED : -HAWSER_EABORTED;
        end_session(session, local, code, true, reason[0] ? reason : "the peer aborted the line");
        return 0;
    }
    if (!session->peer_closed) {
        session->peer_closed = true;
        session->peer_close_code = code;
        session->peer_close_reason = text_keep(session, session->peer_close_reason, reason, strlen(reason));
        streams_shut(session);
    }
    return 0;
}

static bool allowed_early(uint64_t type)
{
    return type == FRAME_PADDING || type == FRAME_HELLO || type > FRAME_TELL;
}

int frame_read(struct session_strand *strand, uint64_t type, const uint8_t *body, const uint8_t *end, bool early)
{
    struct session *session = strand->session;
    if (early && !allowed_early(type))
        return violation(session, SESSION_CODE_PROTOCOL, "a frame of type %u came in early data", (unsigned)type);
    if (type != FRAME_PADDING && type != FRAME_ACK && type != FRAME_PING && type != FRAME_PONG)
        strand->elicited = true;
    switch (type) {
    case FRAME_HELLO:
        return hello_read(session, body, end);
    case FRAME_ACK:
        return ack_read(session, body, end);
    case FRAME_OUTCOME:
        return outcome_read(session, body, end);
    case FRAME_EXPIRE:
        return expire_read(session, body, end);
    case FRAME_CREDIT:
        return credit_read(session, body, end);
    case FRAME_FLOW_CREDIT:
        return flow_credit_read(session, body, end, false);
    case FRAME_STREAM_CREDIT:
        return flow_credit_read(session, body, end, true);
    case FRAME_STREAM_RESET:
        return stream_reset_frame(session, body, end);
    case FRAME_PING:
        return ping_read(strand, body, end);
    case FRAME_PONG:
        return pong_read(strand, body, end);
    case FRAME_CLOSE:
        return end_read(session, body, end, false);
    case FRAME_ABORT:
        return end_read(session, body, end, true);
    case FRAME_STRAND:
        return strand_state_read(session, body, end);
    case FRAME_TELL:
        return tell_read(session, body, end);
    default:
        return 0; /* JOIN and JOIN_OK that came again, unknown or reserved: skipped */
    }
}
