/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling messages: small ones whole in one frame, floods of them in runs, large ones slice by slice. */
#include <string.h>

#include "session/pull.h"

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
    session->credit_used += opening_cost(outbound, paid);
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

bool unit_holds(struct session *session, const struct outbound *outbound, size_t capacity)
{
    struct head head;
    if (outbound->size + FRAME_HEAD_MAX + sizeof head.bytes <= capacity)
        return true;
    size_t properties = has_properties(outbound) ? put_properties(session, outbound, head.bytes) : 0;
    size_t body = varint_size(outbound->id) + 1 + properties + (size_t)outbound->size;
    return 1 + varint_size(body) + body <= capacity;
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
    return pull_frame(pull, FRAME_DATA, &head, outbound->data, (size_t)outbound->size);
}

static void pin(struct pull *pull, struct outbound *outbound)
{
    outbound->pins++;
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
    schedule_used(pull->strand, chosen, (size_t)(bytes + (id - first) * MESSAGE_COST));
    return put;
}

static void note_whole(struct pull *pull, struct outbound *outbound)
{
    uint8_t wanted = outbound->want_sent ? LEDGER_WANTED : 0;
    if (outbound->lossy)
        outbound_extra(outbound)->in_flight++;
    if (outbound->lossy)
        ledger_add(pull->strand, LEDGER_LOSSY, wanted, outbound->id, 0, outbound->size);
    else
        ledger_add(pull->strand, LEDGER_RUN, wanted, outbound->id, 0, 1);
}

enum put put_whole(struct pull *pull, struct outbound *outbound)
{
    bool plain = !has_properties(outbound) && outbound->size <= COPY_MAX;
    enum put put = plain ? put_plain(pull, outbound) : put_with_properties(pull, outbound);
    if (put == PUT_FULL && pull->at == pull->begin && plain && outbound_need_more(pull->session, outbound))
        put = put_with_properties(pull, outbound); /* a buffer too small for it: as bulk */
    return put;
}

static enum put put_simple(struct pull *pull, struct chosen *chosen)
{
    struct session *session = pull->session;
    struct outbound *outbound = chosen->message;
    bool plain = !has_properties(outbound) && outbound->size <= COPY_MAX;
    if (!plain && !outbound_need_more(session, outbound))
        return PUT_FAILED; /* before anything is written: a message that leaves from its own place has one */
    enum put put = put_whole(pull, outbound);
    if (put == PUT_FULL || put == PUT_FAILED)
        return put;
    if (put == PUT_BULK)
        pin(pull, outbound);
    if (outbound->more)
        range_set_clear(&outbound->more->again);
    pay(session, outbound, outbound->size);
    outbound->sent = outbound->size;
    outbound->size_told = true;
    count_sent(session, outbound, outbound->size);
    note_whole(pull, outbound);
    if (session->strand_count > 1)
        copy_note(pull->strand, outbound);
    unschedule_message(session, outbound);
    schedule_used(pull->strand, chosen, (size_t)outbound->size + MESSAGE_COST);
    outbound_passed(session, outbound);
    return put;
}

/* ---- messages in several frames */

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

/* More than any head takes: what is known of this message's, where there is any. */
static size_t head_bound(const struct outbound *outbound, bool first)
{
    const struct outbound_more *more = outbound->more;
    return FRAME_HEAD_MAX + (first && more ? 64 + more->antecedent_count * VARINT_SIZE_MAX : 0);
}

static uint64_t slice_room(const struct pull *pull, const struct outbound *outbound, struct slice *slice, uint64_t most)
{
    uint64_t room = pull_room(pull, head_bound(outbound, slice->first), most);
    slice->full = room == 0;
    return room;
}

/* What a frame of it could hold; not what just this one does, which may wait for more. */
static uint64_t part_size(const struct pull *pull, const struct outbound *outbound)
{
    if (!pull->unit)
        return pull->strand->bulk_bytes;
    return (uint64_t)(pull->end - pull->begin) - head_bound(outbound, true);
}

/* What of the message goes next; false: nothing can now. */
static bool choose_slice(struct pull *pull, struct outbound *outbound, uint64_t paid, uint64_t limit,
                         struct slice *slice)
{
    struct outbound_more *more = outbound->more;
    uint64_t credit = outbound->opened ? more->credit : paid, end;

    *slice = (struct slice){.offset = outbound->sent};
    while (outbound->parts && range_set_next(&more->again, 0, &slice->offset, &end) && slice->offset > 0 &&
           slice->offset < more->pieces.released) /* came by another strand meanwhile */
        range_set_remove(&more->again, slice->offset, end < more->pieces.released ? end : more->pieces.released);
    if (outbound->opened && outbound->lossy && more->extra->open_again && !range_set_contains(&more->again, 0)) {
        slice->again = slice->first = slice->opening = true;
        slice->offset = end = 0;
    } else if (outbound->opened && range_set_next(&more->again, 0, &slice->offset, &end)) {
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
    if (most > strand_bulk(pull->strand))
        most = strand_bulk(pull->strand);
    if (most > limit)
        most = limit;
    if (most && (pull->unit || pull->copied))
        most = slice_room(pull, outbound, slice, most);
    if (slice->full)
        return false;
    if (most && outbound->lossy) {
        uint64_t part_end = lossy_part_end(outbound, slice->offset, part_size(pull, outbound));
        most = most < part_end - slice->offset ? most : part_end - slice->offset;
    }
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

enum put put_slice(struct pull *pull, struct outbound *outbound, const struct slice *slice, uint64_t paid)
{
    struct head head;
    slice_head(pull, outbound, slice, paid, &head);
    return pull_frame(pull, FRAME_DATA, &head, slice->bytes, (size_t)slice->size);
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
    if (slice->opening)
        outbound_extra(outbound)->open_again = false;
    else if (slice->again) /* cannot fail: it cuts off the first range's beginning */
        range_set_remove(&more->again, slice->offset, slice->size || !slice->first ? end : end + 1);
    if (end > outbound->sent) {
        count_sent(session, outbound, end - outbound->sent);
        outbound->sent = end;
    }
    if (outbound->lossy)
        outbound_extra(outbound)->in_flight++;
    pace_sent(outbound, slice->size);
    bool wanted = outbound->want_sent && end == outbound->size;
    uint8_t flags = (uint8_t)((slice->last ? DATA_LAST : 0) | (wanted ? LEDGER_WANTED : 0));
    ledger_add(pull->strand, LEDGER_PART, flags, outbound->id, slice->offset, slice->size);
}

/* Where the message stands after a slice of it. */
static void place_again(struct session *session, struct outbound *outbound)
{
    unschedule_message(session, outbound);
    bool opening = outbound->lossy && outbound_extra(outbound)->open_again;
    if (is_through(outbound) && !outbound->more->again.count && !outbound->fin_again && !opening)
        outbound_passed(session, outbound);
    else
        schedule_message(session, outbound);
}

/* It was sent whole and is lost; now it does not fit into one frame any more. */
static int slice_simple(struct session *session, struct outbound *outbound)
{
    struct outbound_more *more = outbound->more;
    int r = range_set_add(&more->again, 0, outbound->size, NULL);
    if (r < 0)
        return r;
    more->paid = more->credit = outbound->sent = outbound->size;
    if (!outbound->counted)
        session->flows_open++;
    outbound->counted = true;
    return 0;
}

static enum put put_slices(struct pull *pull, struct chosen *chosen)
{
    struct session *session = pull->session;
    struct outbound *outbound = chosen->message;
    struct slice slice;
    uint64_t paid = 0;

    if (!outbound_need_more(session, outbound))
        return PUT_FAILED;
    if (!outbound->opened)
        credit_allows(session, outbound, &paid);
    else
        paid = outbound->more->paid;
    if (pull->unit && outbound->opened && is_simple(outbound)) {
        int r = slice_simple(session, outbound);
        if (r < 0)
            return PUT_FAILED;
        paid = outbound->more->paid;
    }
    pull->copied = outbound->source && session->strand_count > 1; /* the next strand's call moves what is there */
    if (!choose_slice(pull, outbound, paid, chosen->limit, &slice)) {
        pull->copied = false;
        if (slice.full)
            return PUT_FULL;
        if (outbound->state == OUTBOUND_QUEUED) { /* else its source failed, and it has ended */
            unschedule_message(session, outbound);
            outbound->state = OUTBOUND_BLOCKED;
        }
        return PUT_DONE;
    }
    enum put put = put_slice(pull, outbound, &slice, paid);
    pull->copied = false;
    if (put == PUT_FULL)
        return put;
    if (put == PUT_BULK)
        pin(pull, outbound);
    slice_sent(pull, outbound, &slice, paid);
    schedule_used(pull->strand, chosen, (size_t)slice.size + FRAME_HEAD_MAX);
    place_again(session, outbound);
    return put;
}

enum put pull_message(struct pull *pull, struct chosen *chosen)
{
    struct outbound *outbound = chosen->message;
    bool whole =
        is_simple(outbound) && (!pull->unit || unit_holds(pull->session, outbound, (size_t)(pull->end - pull->begin)));
    if (whole && chosen->lane == LANE_SMALL && !pull->strand->early && is_plain(outbound) &&
        list_first(&chosen->class->lanes[LANE_SMALL], struct outbound, link) == outbound &&
        !copies_wanted(pull->session) && schedule_alone(pull->session, chosen->class))
        return put_plain_run(pull, chosen);
    return whole ? put_simple(pull, chosen) : put_slices(pull, chosen);
}
