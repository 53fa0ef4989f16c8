/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the peer's messages have ended, how, and who waits for that; what is to be told of it. */
#include <string.h>

#include "session/internal.h"

static int waiter_compare(const struct waiter *a, const struct waiter *b)
{
    if (a->antecedent != b->antecedent)
        return a->antecedent < b->antecedent ? -1 : 1;
    uint64_t x = a->inbound ? a->inbound->id : 0, y = b->inbound ? b->inbound->id : 0;
    return x < y ? -1 : x > y;
}

RB_GENERATE(waiter_tree, waiter, entry, waiter_compare)

bool settled_contains(const struct session *session, uint64_t id)
{
    return id <= session->highest && range_set_contains(&session->settled, id);
}

/* ---- waiting for antecedents */

bool antecedents_pending(const struct session *session, uint64_t id, const struct inbound_properties *properties)
{
    if (properties->antecedent_count == 0)
        return false;
    const uint8_t *at = properties->antecedents, *end = at + properties->antecedents_size;
    for (uint32_t i = 0; i < properties->antecedent_count; i++) {
        uint64_t distance;
        at = varint_get(at, end, &distance);
        if (at && (distance >= id || !range_set_contains(&session->settled, id - distance)))
            return true;
        if (at && range_set_contains(&session->undelivered, id - distance))
            return true; /* the slow way tells the program */
    }
    return false;
}

/* Lets go of the places of an inbound's antecedents once it waits for none. */
static void waiters_free(struct session *session, struct inbound *inbound)
{
    memory_release(session->memory, inbound->waiters, inbound->waiter_count * sizeof *inbound->waiters);
    inbound->waiters = NULL;
    inbound->waiter_count = 0;
}

static int waiters_make(struct session *session, struct inbound *inbound)
{
    uint32_t count = inbound->properties.antecedent_count;
    inbound->waiters = memory_allocate_zero(session->memory, count * sizeof *inbound->waiters);
    if (!inbound->waiters)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    inbound->waiter_count = count;
    return 0;
}

int waiters_add(struct session *session, struct inbound *inbound)
{
    const struct inbound_properties *properties = &inbound->properties;
    if (properties->antecedent_count == 0)
        return 0;
    const uint8_t *at = properties->antecedents, *end = at + properties->antecedents_size;
    for (uint32_t i = 0; i < properties->antecedent_count; i++) {
        uint64_t distance = 0; /* the list was checked when it was read */
        at = varint_get(at, end, &distance);
        if (distance >= inbound->id)
            return violation(session, SESSION_CODE_PROTOCOL, "an antecedent has no possible id");
        uint64_t antecedent = inbound->id - distance;
        if (range_set_contains(&session->settled, antecedent)) {
            if (range_set_contains(&session->undelivered, antecedent))
                inbound->properties.flags |= MESSAGE_ANTECEDENT_LOST;
            continue;
        }
        int r = inbound->waiters ? 0 : waiters_make(session, inbound);
        if (r < 0)
            return r;
        struct waiter *waiter = &inbound->waiters[i];
        waiter->antecedent = antecedent;
        waiter->inbound = inbound;
        if (RB_INSERT(waiter_tree, &session->waiters, waiter))
            waiter->inbound = NULL; /* named twice */
        else
            inbound->waiting_for++;
    }
    return 0;
}

void waiters_remove(struct session *session, struct inbound *inbound)
{
    for (uint32_t i = 0; i < inbound->waiter_count; i++)
        if (inbound->waiters[i].inbound)
            RB_REMOVE(waiter_tree, &session->waiters, &inbound->waiters[i]);
    inbound->waiting_for = 0;
    if (inbound->waiters)
        waiters_free(session, inbound);
}

static void wake_waiters(struct session *session, uint64_t id, bool delivered)
{
    struct waiter key = {.antecedent = id};
    struct waiter *waiter = RB_NFIND(waiter_tree, &session->waiters, &key);
    while (waiter && waiter->antecedent == id) {
        struct waiter *next = RB_NEXT(waiter_tree, &session->waiters, waiter);
        struct inbound *inbound = waiter->inbound;
        RB_REMOVE(waiter_tree, &session->waiters, waiter);
        waiter->inbound = NULL;
        if (!delivered)
            inbound->properties.flags |= MESSAGE_ANTECEDENT_LOST;
        if (--inbound->waiting_for == 0) {
            waiters_free(session, inbound);
            stall_inbound(session, inbound);
            deliver_when_ready(session, inbound);
        }
        waiter = next;
    }
}

/* ---- ending */

int refusal_add(struct session *session, uint64_t id, const char *reason)
{
    size_t size = strlen(reason);
    if (size > REASON_MAX)
        size = REASON_MAX;
    if (session->refusal_count >= UNTOLD_MAX(session))
        return violation(session, SESSION_CODE_LIMIT, "the peer does not take the outcomes of its messages");
    struct refusal *refusal = memory_allocate(session->memory, sizeof *refusal + size);
    if (!refusal)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    refusal->id = id;
    refusal->size = size;
    memcpy(refusal->reason, reason, size);
    session->refusal_count++;
    list_append(&session->refusals, &refusal->link);
    return 0;
}

static int note_settled(struct session *session, uint64_t first, uint64_t end, bool delivered)
{
    if (range_set_add(&session->settled, first, end, NULL) < 0 ||
        (!delivered && range_set_add(&session->undelivered, first, end, NULL) < 0))
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    if (session->undelivered.count > LOST_RANGES_MAX)
        range_set_drop_first(&session->undelivered);
    if (session->settled.count > BEFORE_GAPS)
        return violation(session, SESSION_CODE_LIMIT, "too many gaps in the ids of messages");
    return 0;
}

static int tell_outcome(struct session *session, uint8_t kind, uint64_t first, uint64_t count)
{
    trim_arm(session);
    if (session->outcomes.count >= UNTOLD_MAX(session))
        return violation(session, SESSION_CODE_LIMIT, "the peer does not take the outcomes of its messages");
    if (runs_add(session->memory, &session->outcomes, kind, first, count, 0) < 0)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    return 0;
}

static enum session_outcome abandoned_as(uint8_t kind)
{
    return kind == OUTCOME_LATE || kind == OUTCOME_LOST ? SESSION_EXPIRED : SESSION_FAILED;
}

int settle_delivered(struct session *session, uint64_t first, uint64_t count)
{
    int r = tell_outcome(session, OUTCOME_DELIVERED, first, count);
    return r < 0 ? r : note_settled(session, first, first + count, true);
}

static int tell_partial(struct session *session, uint64_t id, uint64_t missing)
{
    trim_arm(session);
    if (session->outcomes.count >= UNTOLD_MAX(session))
        return violation(session, SESSION_CODE_LIMIT, "the peer does not take the outcomes of its messages");
    if (runs_add(session->memory, &session->outcomes, OUTCOME_PARTIAL, id, missing, 1) < 0)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    return 0;
}

static int settle_told(struct session *session, uint64_t id, uint8_t kind)
{
    int r = note_settled(session, id, id + 1, kind == OUTCOME_DELIVERED);
    if (r < 0)
        return r;
    struct inbound *inbound = inbound_find(session, id);
    if (inbound)
        inbound_discard(session, inbound, abandoned_as(kind));
    if (!RB_EMPTY(&session->waiters))
        wake_waiters(session, id, kind == OUTCOME_DELIVERED);
    return session->ended ? -ESHUTDOWN : 0;
}

int settle_inbound(struct session *session, uint64_t id, uint8_t kind, const char *reason)
{
    int r = kind == OUTCOME_REFUSED ? refusal_add(session, id, reason) : tell_outcome(session, kind, id, 1);
    return r < 0 ? r : settle_told(session, id, kind);
}

int settle_partial(struct session *session, uint64_t id, uint64_t missing)
{
    int r = tell_partial(session, id, missing);
    return r < 0 ? r : settle_told(session, id, OUTCOME_PARTIAL);
}

/* ---- EXPIRE */

/* Ids that had ended before are answered by what they were. */
static int answer_settled(struct session *session, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t from, to;
        if (!range_set_next(&session->undelivered, first, &from, &to) || from > end)
            from = to = end;
        int r = from > first ? tell_outcome(session, OUTCOME_DELIVERED, first, from - first) : 0;
        if (to > end)
            to = end;
        if (r == 0 && to > from)
            r = tell_outcome(session, OUTCOME_LOST, from, to - from);
        if (r < 0)
            return r;
        first = to;
    }
    return 0;
}

/* Ids that had not: they end now, and what has come of them is let go. */
static int end_unsettled(struct session *session, uint8_t kind, uint64_t first, uint64_t end)
{
    int r = note_settled(session, first, end, false);
    if (r == 0)
        r = tell_outcome(session, OUTCOME_LOST, first, end - first);
    struct inbound key = {.id = first};
    struct inbound *inbound;
    while (r == 0 && session->inbound_count && (inbound = RB_NFIND(inbound_tree, &session->inbound, &key)) &&
           inbound->id < end) {
        inbound_discard(session, inbound, kind & EXPIRE_CANCELLED ? SESSION_FAILED : SESSION_EXPIRED);
        if (session->ended)
            return -ESHUTDOWN;
    }
    if (r < 0)
        return r;
    struct waiter from = {.antecedent = first};
    struct waiter *waiter;
    while ((waiter = RB_NFIND(waiter_tree, &session->waiters, &from)) && waiter->antecedent < end)
        wake_waiters(session, waiter->antecedent, false);
    return 0;
}

static int expire_range(struct session *session, uint8_t kind, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;
    if (end > session->highest + BEFORE_GAPS || count > BEFORE_GAPS)
        return violation(session, SESSION_CODE_LIMIT, "an EXPIRE is of more messages than can be open");
    if (end - 1 > session->highest)
        session->highest = end - 1;
    while (first < end) {
        uint64_t from, to;
        if (!range_set_next(&session->settled, first, &from, &to) || from >= end)
            from = to = end;
        int r = from > first ? end_unsettled(session, kind, first, from) : 0;
        if (to > end)
            to = end;
        if (r == 0 && to > from)
            r = answer_settled(session, from, to);
        if (r < 0)
            return r;
        first = to;
    }
    return 0;
}

/* The sender sends no more of a lossy message, or (skipped) nothing of what is missing below `size`: who takes it with gaps
 * has what came, and for others it is lost. One that had ended was told, and is
 * not told again: else the answer could overtake what it was. */
static int expire_given_up(struct session *session, uint8_t kind, uint64_t id, uint64_t size)
{
    if (settled_contains(session, id))
        return 0;
    struct inbound *inbound = inbound_find(session, id);
    if (!inbound || !inbound->opened || !inbound->gaps)
        return expire_range(session, EXPIRE_EXPIRED, id, 1);
    if (kind == EXPIRE_SKIPPED) {
        gaps_skip(session, inbound, size);
        return 0;
    }
    bool differs = inbound->size != SESSION_SIZE_UNKNOWN && inbound->size != size;
    if (differs || inbound_extent(inbound) > size)
        return violation(session, SESSION_CODE_PROTOCOL, "a message is not as long as it said");
    inbound->size = size;
    return gaps_given_up(session, inbound);
}

/* The sender opened the message and paid. When its opening was lost with a strand we never charged it, and give the cost back
 * all the same: else credit would leak away. */
static int expire_opened(struct session *session, uint8_t kind, const uint8_t *at, const uint8_t *end)
{
    uint64_t id, cost, size = 0;
    at = varint_get(at, end, &id);
    if (at)
        at = varint_get(at, end, &cost);
    if (at && kind >= EXPIRE_GIVEN_UP)
        at = varint_get(at, end, &size);
    if (!at || id == 0 || cost < MESSAGE_COST)
        return violation(session, SESSION_CODE_PROTOCOL, "an EXPIRE is malformed");
    if (!settled_contains(session, id)) {
        const struct inbound *inbound = inbound_find(session, id);
        uint64_t missing = cost - (inbound && inbound->cost < cost ? inbound->cost : inbound ? cost : 0);
        int r = credit_charge(session, missing);
        if (r < 0)
            return r;
        credit_return(session, missing);
    }
    if (kind >= EXPIRE_GIVEN_UP)
        return expire_given_up(session, kind, id, size);
    return expire_range(session, kind, id, 1);
}

int expire_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t kind;
    at = varint_get(at, end, &kind);
    if (!at || kind >= EXPIRE_KINDS)
        return violation(session, SESSION_CODE_PROTOCOL, "an EXPIRE is of no known kind");
    if (kind & EXPIRE_OPENED || kind >= EXPIRE_GIVEN_UP)
        return expire_opened(session, (uint8_t)kind, at, end);
    return ranges_read(session, at, end, expire_range, (uint8_t)kind);
}
