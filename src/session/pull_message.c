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
    enum put put = pull_frame(pull, FRAME_DATA, &head, slice.bytes, (size_t)slice.size);
    if (put == PUT_FULL)
        return put;
    if (put == PUT_BULK)
        pin(pull, outbound);
    slice_sent(pull, outbound, &slice, paid);
    schedule_used(chosen, (size_t)slice.size + FRAME_HEAD_MAX);
    place_again(session, outbound);
    return put;
}

enum put pull_message(struct pull *pull, struct chosen *chosen)
{
    struct outbound *outbound = chosen->message;
    if (chosen->lane == LANE_SMALL && !pull->strand->early && is_plain(outbound) &&
        schedule_alone(pull->session, chosen->class))
        return put_plain_run(pull, chosen);
    return is_simple(outbound) ? put_simple(pull, chosen) : put_slices(pull, chosen);
}
