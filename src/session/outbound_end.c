/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How our messages end: by the receiver's OUTCOME, by their lifetime, by the program, by the end of the line. Exactly one
 * outcome is told for each. Who decides: a message that was never sent in full ends here; one that was may have been
 * delivered, so the receiver is asked (docs/protocol.md section 4).
 */
#include <string.h>

#include "session/internal.h"

void outbound_tell(struct session *session)
{
    struct told told = session->told;
    if (told.count == 0)
        return;
    session->told.count = 0;
    session->handler->outcome(session->user, told.first, told.count, told.kind, told.code, told.reason,
                              told.maybe_delivered);
}

static void collect(struct session *session, uint64_t id, uint64_t count, enum session_outcome kind, int code,
                    const char *reason, bool maybe_delivered)
{
    struct told *told = &session->told;
    if (told->count && told->first + told->count == id && told->kind == kind && told->code == code &&
        told->reason == reason && told->maybe_delivered == maybe_delivered) {
        told->count += count;
        return;
    }
    outbound_tell(session);
    *told = (struct told){id, count, kind, code, reason, maybe_delivered};
}

static void remember_failed(struct session *session, uint64_t id)
{
    /* Only successors ask, and without memory they are merely told less. */
    range_set_add(&session->failed, id, id + 1, NULL);
    if (session->failed.count > LOST_RANGES_MAX)
        range_set_drop_first(&session->failed);
}

static void wants_write_check(struct session *session)
{
    bool below = session->queued_bytes <= session->config.send_queue / 2 &&
                 session->unsettled <= session->config.send_queue_messages / 2 &&
                 session->kept_bytes <= KEPT_MAX(session) / 2;
    if (!session->room_made && !(session->want_write && below))
        return;
    session->room_made = session->want_write = false;
    session->handler->writable(session->user);
}

void outbound_stop(struct session *session, struct outbound *outbound)
{
    if (outbound->state == OUTBOUND_QUEUED)
        unschedule_message(session, outbound);
    if (outbound->more) {
        heap_remove(&session->expiries, &outbound->more->expiry);
        if (outbound->more->extra)
            heap_remove(&session->send_times, &outbound->more->extra->sending);
        antecedent_drop_edges(session, outbound);
    }
}

/* The end of a message: nothing of it is used any more. */
static void finish(struct session *session, struct outbound *outbound, enum session_outcome kind, int code,
                   const char *reason, bool maybe_delivered)
{
    uint64_t id = outbound->id;
    void *cookie = outbound->more ? outbound->more->cookie : NULL;

    outbound_stop(session, outbound);
    bool partial = outbound->lossy && outbound->more->missing;
    uint64_t missing = partial ? outbound->more->missing : 0;
    if (outbound->lossy)
        lossy_ended(outbound, kind, partial);
    if (partial) {
        remember_failed(session, id); /* not whole, to who comes after it */
        session->statistics.partial++;
    } else if (kind == SESSION_ACKED) {
        session->statistics.acked++;
    } else {
        remember_failed(session, id);
        units_useless_check(session);
        if (kind == SESSION_EXPIRED)
            session->statistics.expired++;
        else
            session->statistics.failed++;
    }
    if (outbound->more)
        antecedent_passed(session, outbound);
    if (outbound->counted)
        session->flows_open--;
    if (outbound->parts)
        session->queued_bytes -= outbound->more->pieces.end - outbound->more->pieces.released;
    else
        session->queued_bytes -= outbound_weight(session, outbound);
    if (outbound->want_room)
        session->room_made = true;
    uint64_t given = outbound->parts ? outbound->more->pieces.end : outbound->size;
    if (!outbound->through && given > outbound->sent)
        session->unsent_bytes -= given - outbound->sent;
    session->unsettled--;
    outbound_release(session, outbound);
    outbound_trim(session);
    if (cookie)
        session->handler->settled(session->user, id, cookie);
    if (partial && session->handler->partial) {
        outbound_tell(session);
        session->handler->partial(session->user, id, missing);
        return;
    }
    collect(session, id, 1, kind, code, reason, maybe_delivered);
}

/* Ends a message when the calls that are running may call back; until then it is only taken out of everything. */
static void end_later(struct session *session, struct outbound *outbound, enum session_outcome kind, int code,
                      const char *reason, bool maybe_delivered)
{
    outbound_stop(session, outbound);
    outbound->state = OUTBOUND_ENDED;
    outbound->more->end_kind = kind;
    outbound->more->end_code = code;
    outbound->more->end_reason = reason;
    outbound->more->maybe_delivered = maybe_delivered;
    if (!list_linked(&outbound->link))
        list_append(&session->ending, &outbound->link);
}

static void settle(struct session *session, struct outbound *outbound, enum session_outcome kind, int code,
                   const char *reason, bool maybe_delivered)
{
    if (outbound->pins) /* has more: only such messages are sent from their own place */
        end_later(session, outbound, kind, code, reason, maybe_delivered);
    else
        finish(session, outbound, kind, code, reason, maybe_delivered);
}

void outbound_finish_ending(struct session *session)
{
    struct list *link = session->ending.next;
    while (link != &session->ending) {
        struct outbound *outbound = container_of(link, struct outbound, link);
        link = link->next;
        if (outbound->pins)
            continue;
        struct outbound_more *more = outbound->more;
        list_remove(&outbound->link);
        char *kept = more->reason; /* outlives the message until it is told */
        more->reason = NULL;
        finish(session, outbound, more->end_kind, more->end_code, more->end_reason, more->maybe_delivered);
        if (kept) {
            outbound_tell(session);
            text_keep(session, kept, "", 0);
        }
        link = session->ending.next; /* a handler may have changed the list */
    }
    wants_write_check(session);
}

void outbound_unpin(struct session *session, struct outbound *outbound)
{
    if (--outbound->pins)
        return;
    if (outbound->parts) {
        struct pieces *pieces = &outbound->more->pieces;
        uint64_t before = pieces->released;
        pieces_release_acked(session->memory, pieces, &outbound->more->acked);
        session->queued_bytes -= pieces->released - before;
        outbound_room_check(session, outbound);
    }
}

/* ---- by the program, by the clock */

int outbound_ask(struct session *session, struct outbound *outbound, enum expire_kind kind, uint64_t count)
{
    int r = runs_add(session->memory, &session->expires, (uint8_t)kind, outbound->id, count, outbound_cost(outbound));
    if (r < 0)
        return r;
    outbound_stop(session, outbound);
    outbound->state = OUTBOUND_ASKED;
    units_useless_check(session);
    return 0;
}

int session_fail(struct session *session, uint64_t id, int code, const char *reason, int64_t now)
{
    session->now = now;
    struct outbound *outbound = outbound_find(session, id);
    if (!outbound || outbound->state == OUTBOUND_ENDED)
        return -ENOENT;
    struct outbound_more *more = outbound_need_more(session, outbound);
    if (!more)
        return -ENOMEM;
    more->end_code = code;
    more->end_reason = reason;
    if (outbound->state == OUTBOUND_ASKED)
        return 0;
    if (outbound->through)
        return outbound_ask(session, outbound, EXPIRE_CANCELLED, 1);
    int r = runs_add(session->memory, &session->expires, EXPIRE_CANCELLED, id, 1, outbound_cost(outbound));
    if (r < 0)
        return r;
    end_later(session, outbound, SESSION_FAILED, code, reason, false);
    return 0;
}

int session_cancel(struct session *session, uint64_t id, int64_t now)
{
    return session_fail(session, id, -ECANCELED, "cancelled by the program", now);
}

void outbound_expire_due(struct session *session)
{
    struct heap_node *node;
    while ((node = heap_first(&session->expiries)) && node->key <= session->now) {
        struct outbound_more *more = container_of(node, struct outbound_more, expiry);
        heap_remove(&session->expiries, node);
        struct outbound *outbound = more->owner;
        int r;
        if (lossy_cut(session, outbound, &r)) {
            if (r < 0)
                return end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
            continue;
        }
        if (outbound->through) {
            if (outbound_ask(session, outbound, EXPIRE_EXPIRED, 1) < 0)
                return end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
            continue;
        }
        if (runs_add(session->memory, &session->expires, EXPIRE_EXPIRED, outbound->id, 1, outbound_cost(outbound)) < 0)
            return end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
        settle(session, outbound, SESSION_EXPIRED, -HAWSER_EEXPIRED, "the lifetime ran out before it was sent", false);
    }
}

void outbound_fail_all(struct session *session, int code, const char *reason)
{
    struct outbound_chunk *chunk, *next;
    struct list *link;
    for (link = session->ending.next; link != &session->ending; link = link->next)
        container_of(link, struct outbound, link)->pins = 0;
    outbound_finish_ending(session);
    for (chunk = RB_MIN(outbound_tree, &session->chunks); chunk; chunk = next) {
        uint64_t number = chunk->number;
        for (unsigned i = 0; i < RECORDS; i++) {
            struct outbound *outbound = outbound_find(session, number * RECORDS + i);
            if (!outbound)
                continue;
            outbound->pins = 0;
            finish(session, outbound, SESSION_FAILED, code, reason, outbound->through);
        }
        struct outbound_chunk key = {.number = number + 1};
        next = RB_NFIND(outbound_tree, &session->chunks, &key);
    }
}

/* ---- by the receiver */

int ranges_read(struct session *session, const uint8_t *at, const uint8_t *end,
                int (*each)(struct session *session, uint8_t kind, uint64_t first, uint64_t count), uint8_t kind)
{
    uint64_t next = 0;
    do {
        uint64_t first, count;
        at = varint_get(at, end, &first);
        if (at)
            at = varint_get(at, end, &count);
        if (!at || count == 0)
            return violation(session, SESSION_CODE_PROTOCOL, "a list of message ids is malformed");
        if (next)
            first += next + 1;
        next = first + count;
        if (first == 0 || next > VARINT_MAX)
            return violation(session, SESSION_CODE_PROTOCOL, "a message id is out of range");
        int r = each(session, kind, first, count);
        if (r < 0)
            return r;
    } while (at < end);
    return 0;
}

static int ended_by_peer(struct session *session, struct outbound *outbound, uint8_t kind, const char *reason)
{
    switch ((enum outcome_kind)kind) {
    case OUTCOME_DELIVERED:
        if (!outbound->through)
            return violation(session, SESSION_CODE_PROTOCOL, "a message was acknowledged that was not sent");
        settle(session, outbound, SESSION_ACKED, 0, "", false);
        return 0;
    case OUTCOME_LATE:
        settle(session, outbound, SESSION_EXPIRED, -HAWSER_EEXPIRED, "it came too late at the peer", false);
        return 0;
    case OUTCOME_LOST:
        if (outbound->more && outbound->more->end_code)
            settle(session, outbound, SESSION_FAILED, outbound->more->end_code, outbound->more->end_reason, false);
        else if (outbound->lossy && outbound_extra(outbound)->given_up)
            settle(session, outbound, SESSION_EXPIRED, -HAWSER_EGIVENUP, "it was lost, and given up", false);
        else
            settle(session, outbound, SESSION_EXPIRED, -HAWSER_EEXPIRED, "the lifetime ran out before it was delivered",
                   false);
        return 0;
    case OUTCOME_REFUSED:
        settle(session, outbound, SESSION_FAILED, -HAWSER_EREFUSED, reason, false);
        return 0;
    case OUTCOME_LARGE:
        settle(session, outbound, SESSION_FAILED, -HAWSER_ELARGE, "the message is larger than the receiver takes",
               false);
        return 0;
    default:
        return violation(session, SESSION_CODE_PROTOCOL, "an outcome is of no known kind");
    }
}

static int outcome_range(struct session *session, uint8_t kind, uint64_t first, uint64_t count)
{
    if (first + count > session->next_id)
        return violation(session, SESSION_CODE_PROTOCOL, "an outcome names a message that was not sent");
    uint64_t id = first, end = first + count;
    while (id < end) {
        struct outbound_chunk key = {.number = id / RECORDS};
        struct outbound_chunk *chunk = session->recent && session->recent->number == key.number
                                           ? session->recent
                                           : RB_NFIND(outbound_tree, &session->chunks, &key);
        if (!chunk || chunk->number * RECORDS >= end)
            return 0;
        uint64_t number = chunk->number;
        if (id < number * RECORDS)
            id = number * RECORDS;
        if (kind == OUTCOME_DELIVERED) {
            uint64_t run = outbound_delivered_run(session, chunk, id, end);
            if (run)
                collect(session, id, run, SESSION_ACKED, 0, "", false);
            id += run;
        }
        for (; id < end && id / RECORDS == number; id++) {
            struct outbound *outbound = outbound_find(session, id);
            if (!outbound || outbound->state == OUTBOUND_ENDED)
                continue;
            int r = ended_by_peer(session, outbound, kind, "");
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int refused_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t id, count;
    at = varint_get(at, end, &id);
    if (at)
        at = varint_get(at, end, &count);
    if (!at || count != 1 || id == 0 || id >= session->next_id || end - at > REASON_MAX)
        return violation(session, SESSION_CODE_PROTOCOL, "a refusal is malformed");
    struct outbound *outbound = outbound_find(session, id);
    if (!outbound || outbound->state == OUTBOUND_ENDED)
        return 0;
    if (at == end)
        return ended_by_peer(session, outbound, OUTCOME_REFUSED, "the peer's program refused the message");
    char text[REASON_MAX + 1];
    memcpy(text, at, (size_t)(end - at));
    text[end - at] = 0;
    if (outbound->pins) { /* told when the strand has done with it: the reason must live as long */
        struct outbound_more *more = outbound->more;
        more->reason = text_keep(session, more->reason, text, strlen(text));
        return ended_by_peer(session, outbound, OUTCOME_REFUSED, more->reason ? more->reason : "");
    }
    int r = ended_by_peer(session, outbound, OUTCOME_REFUSED, text);
    outbound_tell(session);
    return r;
}

/* The peer's program got all but some bytes of a lossy message. */
static int partial_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t id, missing = 0;
    at = varint_get(at, end, &id);
    if (!at || varint_get(at, end, &missing) != end || missing == 0 || id >= session->next_id)
        return violation(session, SESSION_CODE_PROTOCOL, "a partial outcome is malformed");
    struct outbound *outbound = outbound_find(session, id);
    if (!outbound || outbound->state == OUTBOUND_ENDED)
        return 0;
    uint64_t given = outbound->parts ? outbound->more->pieces.end : outbound->size;
    if (!outbound->lossy || !outbound->opened || missing > given)
        return violation(session, SESSION_CODE_PROTOCOL, "a message was taken in part that may not be");
    outbound->more->missing = missing;
    settle(session, outbound, SESSION_ACKED, 0, "", false);
    return 0;
}

int outcome_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t kind;
    at = varint_get(at, end, &kind);
    if (!at || kind >= OUTCOME_KINDS)
        return violation(session, SESSION_CODE_PROTOCOL, "an outcome is of no known kind");
    if (kind == OUTCOME_REFUSED)
        return refused_read(session, at, end);
    if (kind == OUTCOME_PARTIAL)
        return partial_read(session, at, end);
    return ranges_read(session, at, end, outcome_range, (uint8_t)kind);
}
