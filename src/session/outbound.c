/* SPDX-License-Identifier: Apache-2.0 */
/* Our messages from session_send() until every byte of them was pulled. */
#include <string.h>

#include "session/internal.h"

#define SCALE INT64_C(1000000)

static int copy_data(struct session *session, struct outbound *outbound, const void *data, size_t size)
{
    outbound->copied = true;
    if (size == 0)
        return 0;
    uint8_t *copy;
    if (size <= SESSION_SMALL) {
        copy = arena_take(session, size, &outbound->arena);
    } else {
        copy = memory_allocate(session->memory, size);
        outbound->more->block = copy;
    }
    if (!copy)
        return -ENOMEM;
    memcpy(copy, data, size);
    outbound->data = copy;
    return 0;
}

/* ---- session_send() */

static int send_check(const struct session *session, const struct session_send *send)
{
    if (send->niceness < -100 || send->niceness > 155 || send->lifetime < 0)
        return -EINVAL;
    if (send->size == SESSION_SIZE_UNKNOWN ? !send->parts : send->size > VARINT_MAX / 2)
        return -EINVAL;
    if (send->final)
        return -EOPNOTSUPP;
    if (send->send_time < 0 || send->pace / 8 > INT64_MAX / (SCALE * INT64_C(20000)))
        return -EINVAL;
    if (send->marks.coordinate_count > SESSION_COORDINATES_MAX)
        return -E2BIG;
    int r = lossy_check(send);
    if (r < 0)
        return r;
    if (send->strand && !strand_find(session, send->strand - 1))
        return -ENOENT;
    if (send->antecedent_count > SESSION_ANTECEDENTS_MAX)
        return -E2BIG;
    for (size_t i = 0; i < send->antecedent_count; i++)
        if (send->antecedents[i] == 0 || send->antecedents[i] >= session->next_id)
            return -EINVAL;
    if (send->size != SESSION_SIZE_UNKNOWN && send->size > session->peer_max_message)
        return -HAWSER_ELARGE;
    return 0;
}

static int queue_check(struct session *session)
{
    if (session->closing || session->peer_closed || session->ended)
        return -ESHUTDOWN;
    uint64_t most = session->config.send_queue_messages;
    if (most > session->peer_gaps - 1)
        most = session->peer_gaps - 1; /* so that the receiver's ranges stay within what it told */
    bool full = session->queued_bytes >= session->config.send_queue || session->unsettled >= most ||
                session->kept_bytes >= KEPT_MAX(session);
    return full ? -EAGAIN : 0;
}

static bool needs_extra(const struct session_send *send)
{
    return send->reliability != SESSION_FULL || send->marks.has_timestamp || send->marks.coordinate_count ||
           send->send_time || send->pace || send->strand;
}

static bool needs_more(const struct session_send *send)
{
    return send->size > COPY_MAX || send->parts || send->source || send->cookie || send->lifetime || send->reply_to ||
           send->antecedent_count || send->ordered || needs_extra(send);
}

static int fill_extra(struct session *session, struct outbound *outbound, const struct session_send *send)
{
    struct outbound_extra *extra = memory_allocate_zero(session->memory, sizeof *extra);
    if (!extra)
        return -ENOMEM;
    heap_node_init(&extra->sending);
    extra->owner = outbound;
    extra->marks = send->marks;
    extra->send_time = send->send_time;
    outbound->bound = send->strand;
    extra->strand = send->strand ? send->strand - 1 : 0;
    outbound->more->extra = extra;
    pace_init(outbound, send->pace, session->now > send->send_time ? session->now : send->send_time);
    return lossy_init(session, outbound, send);
}

static int keep_antecedents(struct session *session, struct outbound_more *more, const struct session_send *send)
{
    bool chained = send->ordered && (outbound_find(session, session->last_ordered) ||
                                     range_set_contains(&session->failed, session->last_ordered));
    size_t count = send->antecedent_count + chained;
    if (count == 0)
        return 0;
    if (count > SESSION_ANTECEDENTS_MAX)
        return -E2BIG;
    more->antecedents = memory_allocate(session->memory, count * sizeof *more->antecedents);
    if (!more->antecedents)
        return -ENOMEM;
    more->antecedent_count = (uint32_t)count;
    if (send->antecedent_count)
        memcpy(more->antecedents, send->antecedents, send->antecedent_count * sizeof *more->antecedents);
    if (chained)
        more->antecedents[count - 1] = session->last_ordered;
    return 0;
}

static int fill_more(struct session *session, struct outbound *outbound, const struct session_send *send)
{
    struct outbound_more *more = outbound_need_more(session, outbound);
    if (!more)
        return -ENOMEM;
    more->reply_to = send->reply_to;
    more->stamp = session->now;
    more->lifetime = send->lifetime < (int64_t)CLOCK_MAX ? send->lifetime : (int64_t)CLOCK_MAX; /* it is for ever */
    int r = keep_antecedents(session, more, send);
    if (r < 0)
        return r;
    if (send->lifetime) {
        r = heap_set(&session->expiries, &more->expiry, more->stamp + more->lifetime);
        if (r < 0)
            return r;
    }
    r = needs_extra(send) ? fill_extra(session, outbound, send) : 0;
    if (r == 0) /* on failure nobody is told */
        more->cookie = send->cookie;
    return r;
}

static int fill(struct session *session, struct outbound *outbound, const struct session_send *send)
{
    outbound->size = send->size;
    outbound->class = (uint8_t)(send->niceness + CLASS_NORMAL);
    outbound->niceness = outbound->class;
    outbound->ordered = send->ordered;
    outbound->replayable = send->replayable;
    outbound->want_sent = send->want_sent;
    outbound->parts = send->parts;
    outbound->source = send->source;
    if (needs_more(send)) {
        int r = fill_more(session, outbound, send);
        if (r < 0)
            return r;
    }
    if (send->parts || send->source) {
        outbound->copied = send->parts;
        outbound->complete = send->size == 0; /* nothing more to come */
        return 0;
    }
    if (send->borrow) {
        outbound->borrowed = true;
        outbound->data = send->data;
        return 0;
    }
    return copy_data(session, outbound, send->data, (size_t)send->size);
}

static void undo(struct session *session, struct outbound *outbound)
{
    if (outbound->more) {
        heap_remove(&session->expiries, &outbound->more->expiry);
        if (outbound->more->extra)
            heap_remove(&session->send_times, &outbound->more->extra->sending);
        antecedent_drop_edges(session, outbound);
    }
    outbound_release(session, outbound);
}

int session_send(struct session *session, const struct session_send *send, int64_t now, uint64_t *ret_id)
{
    session->now = now;
    int r = queue_check(session);
    if (r == 0 || r == -EAGAIN) { /* what could never be sent is said first */
        int never = send_check(session, send);
        r = never < 0 ? never : r;
    }
    if (r == -EAGAIN)
        session->want_write = true;
    if (r < 0)
        return r;
    struct outbound *outbound = record_new(session, session->next_id);
    if (!outbound)
        return -ENOMEM;
    outbound->state = OUTBOUND_ENDED; /* in use, in no list */
    r = fill(session, outbound, send);
    if (r == 0 && outbound->more && outbound->more->antecedent_count)
        r = antecedent_park(session, outbound);
    if (r == 1) {
        outbound->state = OUTBOUND_PARKED;
        r = 0;
    } else if (r == 0) {
        r = message_ready(session, outbound);
    }
    if (r < 0) {
        undo(session, outbound);
        return r;
    }
    session->next_id++;
    session->unsettled++;
    if (!outbound->parts) {
        session->queued_bytes += outbound_weight(session, outbound);
        session->unsent_bytes += outbound->size;
    }
    if (send->ordered)
        session->last_ordered = outbound->id;
    trim_arm(session);
    session->statistics.messages_sent++;
    if (ret_id)
        *ret_id = outbound->id;
    return 0;
}

int session_send_plain(struct session *session, const void *data, size_t size, int64_t now, uint64_t *ret_id)
{
    session->now = now;
    int r = size > session->peer_max_message ? -HAWSER_ELARGE : queue_check(session);
    if (r == -EAGAIN)
        session->want_write = true;
    if (r < 0)
        return r;
    if (size > COPY_MAX) { /* may leave from its own place */
        struct session_send send = {.data = data, .size = size};
        return session_send(session, &send, now, ret_id);
    }
    struct outbound *outbound = record_new(session, session->next_id);
    if (!outbound)
        return -ENOMEM;
    outbound->state = OUTBOUND_ENDED;
    outbound->size = size;
    outbound->class = outbound->niceness = CLASS_NORMAL;
    r = copy_data(session, outbound, data, size);
    if (r < 0) {
        outbound_release(session, outbound);
        return r;
    }
    schedule_plain(session, outbound);
    session->next_id++;
    session->unsettled++;
    session->queued_bytes += size;
    session->unsent_bytes += size;
    trim_arm(session);
    session->statistics.messages_sent++;
    if (ret_id)
        *ret_id = outbound->id;
    return 0;
}

int session_send_part(struct session *session, uint64_t id, const void *data, size_t size, bool last, int64_t now)
{
    session->now = now;
    struct outbound *outbound = outbound_find(session, id);
    if (!outbound || outbound->state == OUTBOUND_ENDED || outbound->state == OUTBOUND_ASKED)
        return -ENOENT;
    if (!outbound->parts)
        return -EINVAL;
    if (outbound->complete)
        return size == 0 && last ? 0 : -EINVAL;
    struct pieces *pieces = &outbound->more->pieces;
    uint64_t end = pieces->end + size;
    if (outbound->size != SESSION_SIZE_UNKNOWN && (end > outbound->size || (last && end != outbound->size)))
        return -EINVAL;
    if (size && pieces->end - pieces->released >= STREAM_SEND_MAX) {
        outbound->want_room = true;
        return -EAGAIN;
    }
    int r = pieces_add(session->memory, pieces, data, size);
    if (r < 0)
        return r;
    session->queued_bytes += size;
    session->unsent_bytes += size;
    if (last || end == outbound->size) {
        outbound->complete = true;
        outbound->size = end;
    }
    if (outbound->state == OUTBOUND_BLOCKED)
        r = schedule_message(session, outbound);
    return r;
}

void session_source_ready(struct session *session, uint64_t id)
{
    struct outbound *outbound = outbound_find(session, id);
    if (outbound && outbound->state == OUTBOUND_BLOCKED)
        schedule_message(session, outbound);
}

bool session_unsettled(const struct session *session, uint64_t id)
{
    /* The look-up moves a cache, nothing that can be seen. */
    const struct outbound *outbound = outbound_find((struct session *)(uintptr_t)session, id);
    return outbound && outbound->state != OUTBOUND_ENDED;
}

int session_renice(struct session *session, uint64_t id, int niceness)
{
    struct outbound *outbound = outbound_find(session, id);
    if (niceness < -100 || niceness > 155)
        return -EINVAL;
    if (!outbound || outbound->state == OUTBOUND_ENDED)
        return -ENOENT;
    bool queued = outbound->state == OUTBOUND_QUEUED;
    if (queued)
        unschedule_message(session, outbound);
    outbound->class = outbound->niceness = (uint8_t)(niceness + CLASS_NORMAL);
    if (outbound->state == OUTBOUND_PARKED)
        antecedent_raise(session, outbound, outbound->class);
    return queued ? schedule_message(session, outbound) : 0;
}

/* ---- for pulling */

const uint8_t *outbound_bytes(struct session *session, struct outbound *outbound, uint64_t offset, size_t *ret_size)
{
    if (outbound->parts)
        return pieces_at(&outbound->more->pieces, offset, ret_size);
    if (!outbound->source) {
        *ret_size = (size_t)(outbound->size - offset);
        return outbound->data + offset;
    }
    int error = 0;
    const uint8_t *bytes = session->handler->source(session->user, outbound->more->cookie, offset, ret_size, &error);
    if (!bytes && error < 0)
        session_fail(session, outbound->id, error, "the source of the message failed", session->now);
    return bytes;
}

/* Lent memory and files are not ours: one of them fills a part of the queue at most, so that something urgent can
 * still be queued behind a huge one, and a program that queues many is held back all the same. */
uint64_t outbound_weight(const struct session *session, const struct outbound *outbound)
{
    uint64_t most = session->config.send_queue / 16;
    return outbound->copied || outbound->size < most ? outbound->size : most;
}

uint64_t outbound_cost(const struct outbound *outbound)
{
    if (!outbound->opened)
        return 0;
    return opening_cost(outbound, outbound->more && outbound->more->paid ? outbound->more->paid : outbound->size);
}

void outbound_passed(struct session *session, struct outbound *outbound)
{
    outbound->state = OUTBOUND_SENT;
    if (outbound->through)
        return;
    outbound->through = true;
    if (outbound->more) {
        if (!session->unit_strands) /* their layers may still be trying, and can be told to stop */
            heap_remove(&session->expiries, &outbound->more->expiry);
        antecedent_passed(session, outbound);
    }
    if (outbound->want_sent) /* without memory the event is lost, the message is not */
        runs_add(session->memory, &session->sents, 0, outbound->id, (uint64_t)session->now, 1);
}

void outbound_acked(struct session *session, uint64_t id, uint64_t offset, uint64_t size)
{
    struct outbound *outbound = outbound_find(session, id);
    if (!outbound || !outbound->parts || size == 0)
        return;
    struct pieces *pieces = &outbound->more->pieces;
    uint64_t before = pieces->released;
    if (pieces_acked(session->memory, pieces, &outbound->more->acked, offset, offset + size, outbound->pins) < 0)
        return end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
    session->queued_bytes -= pieces->released - before;
    outbound_room_check(session, outbound);
}

void outbound_room_check(struct session *session, struct outbound *outbound)
{
    const struct pieces *pieces = &outbound->more->pieces;
    if (!outbound->want_room || pieces->end - pieces->released > STREAM_SEND_MAX / 2)
        return;
    outbound->want_room = false;
    session->room_made = true;
}
