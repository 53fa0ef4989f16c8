/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a strand sends next. Bytes are bound to a strand here and not before, so that niceness, lifetime and the choice
 * of strand count until the last moment. Small payloads are copied into the caller's buffer, so that many messages share a
 * record; large ones leave from their own place.
 */
#include <string.h>

#include "session/internal.h"

#define PROPERTIES_MAX (SESSION_ANTECEDENTS_MAX * VARINT_SIZE_MAX + 64)
#define GREASE_MAX 48

enum put { PUT_DONE, PUT_FULL, PUT_BULK, PUT_FAILED };

struct pull {
    struct session *session;
    struct session_strand *strand;
    uint8_t *begin, *at, *end;
    const uint8_t *bulk;
    size_t bulk_size;
};

/* ---- properties */

static bool has_properties(const struct outbound *outbound)
{
    return outbound->more || outbound->niceness != CLASS_NORMAL || outbound->replayable || outbound->ordered;
}

static uint8_t *put_pair(uint8_t *at, uint64_t id, uint64_t value)
{
    return varint_put(varint_put(at, id), value);
}

/* Those that are settled are left out; *ret_lost: one of them was not delivered. */
static uint8_t *put_antecedents(struct session *session, const struct outbound *outbound, uint8_t *at, bool *ret_lost)
{
    const struct outbound_more *more = outbound->more;
    uint8_t list[SESSION_ANTECEDENTS_MAX * VARINT_SIZE_MAX], *to = list;
    for (uint32_t i = 0; i < more->antecedent_count; i++) {
        uint64_t id = more->antecedents[i];
        if (range_set_contains(&session->failed, id))
            *ret_lost = true;
        else if (outbound_find(session, id))
            to = varint_put(to, outbound->id - id);
    }
    if (to == list)
        return at;
    at = put_pair(at, PROPERTY_ANTECEDENTS, (uint64_t)(to - list));
    memcpy(at, list, (size_t)(to - list));
    return at + (to - list);
}

static size_t put_properties(struct session *session, const struct outbound *outbound, uint8_t *at)
{
    const struct outbound_more *more = outbound->more;
    uint8_t *begin = at;
    bool lost = false;
    if (outbound->niceness != CLASS_NORMAL)
        at = put_pair(at, PROPERTY_NICENESS, outbound->niceness);
    if (more && more->lifetime) {
        at = put_pair(at, PROPERTY_STAMP, (uint64_t)more->stamp);
        at = put_pair(at, PROPERTY_LIFETIME, (uint64_t)more->lifetime);
    }
    if (more && more->antecedent_count)
        at = put_antecedents(session, outbound, at, &lost);
    uint64_t flags = (outbound->ordered ? MESSAGE_ORDERED : 0) | (lost ? MESSAGE_ANTECEDENT_LOST : 0) |
                     (outbound->replayable ? MESSAGE_REPLAYABLE : 0);
    if (flags)
        at = put_pair(at, PROPERTY_FLAGS, flags);
    if (more && more->reply_to)
        at = put_pair(at, PROPERTY_REPLY_TO, more->reply_to);
    if (at == begin)
        return 0;
    *at++ = PROPERTY_END;
    return (size_t)(at - begin);
}

/* ---- one frame */

struct head {
    uint8_t bytes[3 * VARINT_SIZE_MAX + PROPERTIES_MAX + 8];
    size_t size;
};

/* Frame type, length and head; then the payload, copied where it fits and is small, else as bulk. */
static enum put put_frame(struct pull *pull, enum frame_type type, const struct head *head, const uint8_t *payload,
                          size_t size)
{
    uint64_t body = head->size + size;
    size_t whole = 1 + varint_size(body) + head->size;
    bool copy = size <= COPY_MAX && (size_t)(pull->end - pull->at) >= whole + size;
    if ((size_t)(pull->end - pull->at) < whole || (!copy && size <= COPY_MAX && pull->at != pull->begin))
        return PUT_FULL;
    uint8_t *at = varint_put(varint_put(pull->at, type), body);
    memcpy(at, head->bytes, head->size);
    at += head->size;
    if (copy) {
        if (size)
            memcpy(at, payload, size);
        at += size;
    } else {
        pull->bulk = payload;
        pull->bulk_size = size;
    }
    pull->strand->sent += whole + size;
    pull->session->statistics.frames_sent++;
    pull->at = at;
    return copy ? PUT_DONE : PUT_BULK;
}

/* ---- messages whole in one frame */

static bool is_simple(const struct outbound *outbound)
{
    return outbound->size <= SESSION_SMALL && !outbound->parts && !outbound->source && outbound->sent == 0;
}

static void pay(struct session *session, struct outbound *outbound, uint64_t paid)
{
    if (outbound->opened)
        return;
    outbound->opened = true;
    session->credit_used += MESSAGE_COST + paid;
}

static void count_sent(struct session *session, struct outbound *outbound, uint64_t size)
{
    if (outbound->through)
        return;
    session->unsent_bytes -= size;
    session->statistics.bytes_sent += size;
}

/* Nothing in it but its bytes: the way of a flood of small messages, kept short. */
static enum put put_plain(struct pull *pull, struct outbound *outbound)
{
    size_t size = (size_t)outbound->size;
    size_t body = varint_size(outbound->id) + 1 + size;
    if ((size_t)(pull->end - pull->at) < 1 + varint_size(body) + body)
        return PUT_FULL;
    uint8_t *begin = pull->at, *at = begin;
    *at++ = FRAME_DATA;
    at = varint_put(varint_put(at, body), outbound->id);
    *at++ = DATA_FIRST | DATA_LAST;
    if (size)
        memcpy(at, outbound->data, size);
    pull->at = at + size;
    pull->strand->sent += (uint64_t)(pull->at - begin);
    pull->session->statistics.frames_sent++;
    return PUT_DONE;
}

static enum put put_with_properties(struct pull *pull, struct outbound *outbound)
{
    struct head head;
    if (outbound->size > COPY_MAX && !outbound_need_more(pull->session, outbound))
        return PUT_FAILED;
    uint8_t *at = varint_put(head.bytes, outbound->id), *flags = at++;
    size_t properties = has_properties(outbound) ? put_properties(pull->session, outbound, at) : 0;
    *flags = DATA_FIRST | DATA_LAST | (properties ? DATA_PROPERTIES : 0);
    head.size = (size_t)(at - head.bytes) + properties;
    return put_frame(pull, FRAME_DATA, &head, outbound->data, (size_t)outbound->size);
}

static void pin(struct pull *pull, struct outbound *outbound)
{
    outbound->pinned = true;
    pull->strand->pinned = outbound;
}

static bool is_plain(const struct outbound *outbound)
{
    return !has_properties(outbound) && outbound->size <= COPY_MAX && !outbound->want_sent && !outbound->opened;
}

/* As many plain messages of consecutive ids as the turn, the credit and the buffer allow. */
static enum put put_plain_run(struct pull *pull, struct chosen *chosen)
{
    struct session *session = pull->session;
    struct list *lane = &chosen->class->lanes[LANE_SMALL];
    uint64_t left = credit_left(session), first = chosen->message->id, id = first, bytes = 0;
    enum put put = PUT_DONE;

    while (!list_empty(lane) && bytes < BULK_MIN) {
        struct outbound *outbound = list_first(lane, struct outbound, link);
        if (outbound->id != id || !is_plain(outbound) || left < MESSAGE_COST + outbound->size)
            break;
        put = put_plain(pull, outbound);
        if (put == PUT_FULL)
            break;
        left -= MESSAGE_COST + outbound->size;
        bytes += outbound->size;
        outbound->opened = outbound->through = outbound->size_told = true;
        outbound->sent = outbound->size;
        outbound->state = OUTBOUND_SENT;
        list_remove(&outbound->link);
        id++;
    }
    if (id == first)
        return PUT_FULL;
    session->credit_used += bytes + (id - first) * MESSAGE_COST;
    session->unsent_bytes -= bytes;
    session->statistics.bytes_sent += bytes;
    ledger_add(pull->strand, LEDGER_RUN, 0, first, 0, id - first);
    schedule_used(chosen, (size_t)(bytes + (id - first) * MESSAGE_COST));
    return put;
}

static enum put put_simple(struct pull *pull, struct chosen *chosen)
{
    struct session *session = pull->session;
    struct outbound *outbound = chosen->message;
    bool plain = !has_properties(outbound) && outbound->size <= COPY_MAX;
    if (!plain && !outbound_need_more(session, outbound))
        return PUT_FAILED; /* before anything is written: a message that leaves from its own place has one */
    enum put put = plain ? put_plain(pull, outbound) : put_with_properties(pull, outbound);
    if (put == PUT_FULL && pull->at == pull->begin && plain && outbound_need_more(session, outbound))
        put = put_with_properties(pull, outbound); /* a buffer too small for it: as bulk */
    if (put == PUT_FULL || put == PUT_FAILED)
        return put;
    if (put == PUT_BULK)
        pin(pull, outbound);
    pay(session, outbound, outbound->size);
    outbound->sent = outbound->size;
    outbound->size_told = true;
    count_sent(session, outbound, outbound->size);
    ledger_add(pull->strand, LEDGER_RUN, 0, outbound->id, 0, 1);
    unschedule_message(session, outbound);
    schedule_used(chosen, (size_t)outbound->size + MESSAGE_COST);
    outbound_passed(session, outbound);
    return put;
}

/* ---- messages in several frames */

struct slice {
    uint64_t offset, size;
    const uint8_t *bytes;
    bool again, first, last;
};

static bool size_known(const struct outbound *outbound)
{
    return !outbound->parts || outbound->complete || outbound->size != SESSION_SIZE_UNKNOWN;
}

static bool all_given(const struct outbound *outbound)
{
    return !outbound->parts || outbound->complete;
}

static uint64_t bytes_given(const struct outbound *outbound)
{
    return outbound->parts ? outbound->more->pieces.end : outbound->size;
}

/* What of the message goes next; false: nothing can now. */
static bool choose_slice(struct pull *pull, struct outbound *outbound, uint64_t paid, struct slice *slice)
{
    struct outbound_more *more = outbound->more;
    uint64_t credit = outbound->opened ? more->credit : paid, end;

    *slice = (struct slice){.offset = outbound->sent};
    while (outbound->parts && range_set_next(&more->again, 0, &slice->offset, &end) && slice->offset > 0 &&
           slice->offset < more->pieces.released) /* came by another strand meanwhile */
        range_set_remove(&more->again, slice->offset, end < more->pieces.released ? end : more->pieces.released);
    if (outbound->opened && range_set_next(&more->again, 0, &slice->offset, &end)) {
        slice->again = true;
        slice->first = slice->offset == 0;
        if (slice->first && outbound->parts && more->pieces.released)
            end = 0; /* only the opening is missing */
        end = end < bytes_given(outbound) ? end : bytes_given(outbound);
    } else if (outbound->opened && outbound->fin_again) {
        slice->again = true;
        slice->offset = end = outbound->size;
    } else {
        slice->offset = outbound->sent;
        slice->first = !outbound->opened;
        end = bytes_given(outbound) < credit ? bytes_given(outbound) : credit;
    }
    uint64_t most = end > slice->offset ? end - slice->offset : 0;
    if (most > pull->strand->bulk_bytes)
        most = pull->strand->bulk_bytes;
    if (most) {
        size_t here = 0;
        slice->bytes = outbound_bytes(pull->session, outbound, slice->offset, &here);
        if (!slice->bytes)
            return false;
        slice->size = here < most ? here : most;
    }
    bool reaches_end = all_given(outbound) && slice->offset + slice->size == outbound->size;
    slice->last = reaches_end && !slice->first;
    return slice->size || slice->first || slice->last;
}

static void slice_head(struct pull *pull, struct outbound *outbound, const struct slice *slice, uint64_t paid,
                       struct head *head)
{
    uint8_t *at = varint_put(head->bytes, outbound->id), *flags = at++;
    *flags = (uint8_t)((slice->first ? DATA_FIRST : 0) | (slice->last ? DATA_LAST : 0));
    if (slice->first) {
        at = varint_put(at, size_known(outbound) ? outbound->size + 1 : 0);
        at = varint_put(at, paid);
        size_t properties = put_properties(pull->session, outbound, at);
        if (properties)
            *flags |= DATA_PROPERTIES;
        at += properties;
    } else {
        at = varint_put(at, slice->offset);
    }
    head->size = (size_t)(at - head->bytes);
}

static bool is_through(const struct outbound *outbound)
{
    return outbound->opened && all_given(outbound) && outbound->sent == outbound->size &&
           (outbound->size_told || outbound->fin_sent);
}

static void slice_sent(struct pull *pull, struct outbound *outbound, const struct slice *slice, uint64_t paid)
{
    struct session *session = pull->session;
    struct outbound_more *more = outbound->more;
    if (!outbound->opened) {
        more->paid = more->credit = paid;
        session->flows_open++;
        outbound->counted = true;
        pay(session, outbound, paid);
    }
    if (slice->first && size_known(outbound))
        outbound->size_told = true;
    if (slice->last) {
        outbound->fin_sent = true;
        outbound->fin_again = false;
    }
    uint64_t end = slice->offset + slice->size;
    if (slice->again) /* cannot fail: it cuts off the first range's beginning */
        range_set_remove(&more->again, slice->offset, slice->size || !slice->first ? end : end + 1);
    if (end > outbound->sent) {
        count_sent(session, outbound, end - outbound->sent);
        outbound->sent = end;
    }
    ledger_add(pull->strand, LEDGER_PART, slice->last ? DATA_LAST : 0, outbound->id, slice->offset, slice->size);
}

/* Where the message stands after a slice of it. */
static void place_again(struct session *session, struct outbound *outbound)
{
    unschedule_message(session, outbound);
    if (is_through(outbound) && !outbound->more->again.count && !outbound->fin_again)
        outbound_passed(session, outbound);
    else
        schedule_message(session, outbound);
}

static enum put put_slices(struct pull *pull, struct chosen *chosen)
{
    struct session *session = pull->session;
    struct outbound *outbound = chosen->message;
    struct slice slice;
    struct head head;
    uint64_t paid = 0;

    if (!outbound_need_more(session, outbound))
        return PUT_FAILED;
    if (!outbound->opened)
        credit_allows(session, outbound, &paid);
    else
        paid = outbound->more->paid;
    if (!choose_slice(pull, outbound, paid, &slice)) {
        if (outbound->state == OUTBOUND_QUEUED) { /* else its source failed, and it has ended */
            unschedule_message(session, outbound);
            outbound->state = OUTBOUND_BLOCKED;
        }
        return PUT_DONE;
    }
    slice_head(pull, outbound, &slice, paid, &head);
    enum put put = put_frame(pull, FRAME_DATA, &head, slice.bytes, (size_t)slice.size);
    if (put == PUT_FULL)
        return put;
    if (put == PUT_BULK)
        pin(pull, outbound);
    slice_sent(pull, outbound, &slice, paid);
    schedule_used(chosen, (size_t)slice.size + FRAME_HEAD_MAX);
    place_again(session, outbound);
    return put;
}

/* ---- streams */

static bool choose_stream_slice(struct pull *pull, struct session_stream *stream, uint64_t limit, struct slice *slice)
{
    uint64_t end = stream->pieces.end < stream->credit ? stream->pieces.end : stream->credit;
    *slice = (struct slice){.offset = stream->sent, .first = stream->local && !stream->opened};
    if (range_set_next(&stream->again, stream->pieces.released, &slice->offset, &end))
        slice->again = true;
    uint64_t most = end > slice->offset ? end - slice->offset : 0;
    if (most > pull->strand->bulk_bytes)
        most = pull->strand->bulk_bytes;
    if (most > limit)
        most = limit;
    if (most) {
        size_t here = 0;
        slice->bytes = pieces_at(&stream->pieces, slice->offset, &here);
        slice->size = here < most ? here : most;
    }
    slice->last = stream->shut && slice->offset + slice->size == stream->pieces.end &&
                  (slice->size || !stream->fin_sent || stream->fin_again);
    return slice->size || slice->first || slice->last;
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

static enum put put_stream(struct pull *pull, struct chosen *chosen)
{
    struct session *session = pull->session;
    struct session_stream *stream = chosen->stream;
    struct slice slice;
    struct head head;
    if (!choose_stream_slice(pull, stream, chosen->limit, &slice)) {
        unschedule_stream(session, stream);
        return PUT_DONE;
    }
    uint8_t *at = varint_put(head.bytes, stream->id);
    *at++ = (uint8_t)((slice.first ? STREAM_FIRST : 0) | (slice.last ? STREAM_LAST : 0));
    if (slice.first)
        at = varint_put(at, stream->class);
    at = varint_put(at, slice.offset);
    head.size = (size_t)(at - head.bytes);
    enum put put = put_frame(pull, FRAME_STREAM, &head, slice.bytes, (size_t)slice.size);
    if (put == PUT_FULL)
        return put;
    if (put == PUT_BULK) {
        stream->pinned = true;
        pull->strand->pinned_stream = stream;
    }
    stream_slice_sent(pull, stream, &slice);
    if (chosen->lane == LANE_STREAM)
        schedule_used(chosen, (size_t)slice.size + FRAME_HEAD_MAX);
    unschedule_stream(session, stream); /* to the end of its lane */
    stream_wake(stream);
    return put;
}

/* ---- */

static bool carries(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    if (session->config.aggregate)
        return !strand->suspected;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *other = container_of(link, struct session_strand, link);
        if (!other->suspected)
            return other == strand;
    }
    return false;
}

bool session_wants_pull(const struct session_strand *strand)
{
    struct session *session = strand->session;
    if (strand->pinned || strand->pinned_stream)
        return true;
    if (control_waiting(strand))
        return true;
    if (session->ended || !carries(strand))
        return false;
    struct chosen chosen;
    return schedule_choose(session, (struct session_strand *)(uintptr_t)strand, &chosen);
}

/* Now and then a frame of a reserved type, so that peers go on skipping what they do not know. */
static void put_grease(struct pull *pull)
{
    struct session *session = pull->session;
    if (pull->strand->early || pull->end - pull->at < 2 * GREASE_MAX)
        return;
    uint64_t random = session->handler->random(session->user);
    if (random % 512)
        return;
    size_t size = (random >> 9) % 17;
    uint8_t *at = varint_put(varint_put(pull->at, 31 * ((random >> 14) % 1000 + 1) + 27), size);
    memset(at, (int)(random >> 24) & 0xff, size);
    pull->strand->sent += (uint64_t)(at + size - pull->at);
    pull->at = at + size;
}

static int fill(struct pull *pull)
{
    struct chosen chosen;
    enum put put = PUT_DONE;
    put_grease(pull);
    while (put == PUT_DONE && !pull->session->ended) {
        if (ledger_make_room(pull->session, &pull->strand->ledger, 1) < 0)
            return -ENOMEM;
        if (!schedule_choose(pull->session, pull->strand, &chosen))
            break;
        if (chosen.stream)
            put = put_stream(pull, &chosen);
        else if (chosen.lane == LANE_SMALL && !pull->strand->early && is_plain(chosen.message) &&
                 schedule_alone(pull->session, chosen.class))
            put = put_plain_run(pull, &chosen);
        else if (is_simple(chosen.message))
            put = put_simple(pull, &chosen);
        else
            put = put_slices(pull, &chosen);
    }
    return put == PUT_FAILED ? -ENOMEM : 0;
}

int session_pull(struct session_strand *strand, uint8_t *buffer, size_t capacity, int64_t now, size_t *ret_size,
                 const uint8_t **ret_bulk, size_t *ret_bulk_size)
{
    struct session *session = strand->session;
    struct pull pull = {session, strand, buffer, buffer, buffer + capacity, NULL, 0};

    session->now = now;
    *ret_size = *ret_bulk_size = 0;
    *ret_bulk = NULL;
    uint8_t *at = control_pull(strand, buffer, buffer + capacity);
    int r = at ? 0 : -ENOMEM;
    if (at) {
        pull.at = at;
        if (!session->ended && carries(strand))
            r = fill(&pull);
    }
    if (r < 0)
        end_session(session, r, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
    *ret_size = (size_t)(pull.at - buffer);
    *ret_bulk = pull.bulk;
    *ret_bulk_size = pull.bulk_size;
    return 0;
}

void session_bulk_done(struct session_strand *strand)
{
    if (strand->pinned)
        outbound_unpin(strand->session, strand->pinned);
    if (strand->pinned_stream)
        stream_unpin(strand->pinned_stream);
    strand->pinned = NULL;
    strand->pinned_stream = NULL;
}
