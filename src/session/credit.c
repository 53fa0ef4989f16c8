/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit (docs/protocol.md section 6): what the peer lets us open, what we let the peer make us hold, and memory
 * reserved for its large messages before their bytes are allowed.
 */
#include "session/internal.h"

/* ---- as sender */

/* Our HELLO may still be on its way, and units that overtake it wait for it: until it has come the constants hold, also when
 * the peer's larger limits are known. */
static bool constants_hold(const struct session *session)
{
    return session->unit_strands && !session->hello_acked;
}

uint64_t credit_left(const struct session *session)
{
    uint64_t credit = session->credit;
    if (constants_hold(session) && credit > BEFORE_CREDIT)
        credit = BEFORE_CREDIT;
    return credit > session->credit_used ? credit - session->credit_used : 0;
}

uint64_t opening_cost(const struct outbound *outbound, uint64_t paid)
{
    uint64_t antecedents = outbound->more ? outbound->more->antecedent_count : 0;
    return MESSAGE_COST + antecedents * ANTECEDENT_COST + paid;
}

bool credit_allows(const struct session *session, const struct outbound *outbound, uint64_t *ret_paid)
{
    uint64_t left = credit_left(session);
    uint64_t size = outbound->size;
    if (size <= SESSION_SMALL && !outbound->parts && !outbound->source) {
        *ret_paid = size;
        return left >= opening_cost(outbound, size);
    }
    if (session->flows_open >= session->peer_open_flows)
        return false;
    uint64_t most = session->peer_flow_credit < left / 8 ? session->peer_flow_credit : left / 8;
    if (most < BEFORE_FLOW_CREDIT || constants_hold(session))
        most = BEFORE_FLOW_CREDIT;
    *ret_paid = size < most ? size : most;
    uint64_t kept = size > BEFORE_FLOW_CREDIT ? session->credit_window / 4 : 0; /* for smaller ones */
    return left >= opening_cost(outbound, *ret_paid) + kept;
}

bool credit_allows_stream(const struct session *session)
{
    /* A stream holds its cost as long as it lives: streams never take what messages need to pass. */
    return credit_left(session) >= MESSAGE_COST + BEFORE_FLOW_CREDIT + session->credit_window / 4;
}

/* ---- as receiver: association credit */

int credit_charge(struct session *session, uint64_t cost)
{
    session->grant_used += cost;
    if (session->grant_used > session->max_granted)
        return violation(session, SESSION_CODE_LIMIT, "the association's credit was exceeded");
    session->held += cost;
    return 0;
}

void session_return_credit(struct session *session, uint64_t cost, uint64_t reserved)
{
    credit_return(session, cost);
    session->reserve_free += reserved;
    session->statistics.reserved_bytes -= reserved;
    session_enter(session, session->now);
    reserve_grant(session);
    session_leave(session);
}

void credit_return(struct session *session, uint64_t cost)
{
    session->grant += cost;
    session->held -= cost;
    if (session->grant - session->max_granted >= session->config.receive_memory / 16)
        session->grant_wanted = true;
}

/* ---- as receiver: reservations */

/* Memory that a flow needs beyond what it paid for. SESSION_SIZE_UNKNOWN: it can never have it. */
static uint64_t reserve_needed(const struct session *session, const struct inbound *inbound)
{
    uint64_t share = session->config.receive_memory / 4;
    if (inbound->size == SESSION_SIZE_UNKNOWN)
        return share;
    if (inbound->size <= inbound->paid)
        return 0; /* an end that came while it waited */
    uint64_t beyond = inbound->size - inbound->paid;
    if (inbound->take == SESSION_TAKE_WHOLE)
        return beyond <= session->reserve_pool ? beyond : SESSION_SIZE_UNKNOWN;
    return beyond < share ? beyond : share;
}

static void allow(struct session *session, struct inbound *inbound, uint64_t offset)
{
    if (offset <= inbound->allowed)
        return;
    inbound->allowed = offset;
    if (!list_linked(&inbound->crediting))
        list_append(&session->crediting, &inbound->crediting);
}

static int grant(struct session *session, struct inbound *inbound, uint64_t need)
{
    if (inbound->take == SESSION_TAKE_WHOLE && need) {
        int r = inbound_grow(session, inbound, (size_t)(inbound->paid + need));
        if (r < 0)
            return r;
    }
    session->reserve_free -= need;
    session->statistics.reserved_bytes += need;
    inbound->reserved = need;
    bool windowed = inbound_by_parts(inbound);
    uint64_t size = inbound->size == SESSION_SIZE_UNKNOWN ? VARINT_MAX : inbound->size;
    uint64_t end = (windowed ? inbound->consumed : 0) + inbound->paid + need;
    allow(session, inbound, end < size ? end : size);
    return 0;
}

int inbound_window(struct session *session, struct inbound *inbound)
{
    uint64_t window = inbound->paid + inbound->reserved;
    uint64_t end = inbound->consumed + window;
    if (inbound->queued || end > VARINT_MAX)
        return 0;
    if (inbound->size != SESSION_SIZE_UNKNOWN && end > inbound->size)
        end = inbound->size;
    if (end == inbound->size || end - inbound->allowed >= window / 4)
        allow(session, inbound, end);
    return 0;
}

void reserve_ask(struct session *session, struct inbound *inbound)
{
    uint64_t need = reserve_needed(session, inbound);
    if (inbound->size != SESSION_SIZE_UNKNOWN && inbound->size <= inbound->paid)
        return;
    if (inbound->take == SESSION_TAKE_INTO) { /* the program's own memory */
        allow(session, inbound, inbound->size);
        return;
    }
    if (need == SESSION_SIZE_UNKNOWN) { /* above what can ever be held */
        settle_inbound(session, inbound->id, OUTCOME_LARGE, NULL);
        return;
    }
    struct list *before = session->reserving.prev; /* most come in their order */
    while (before != &session->reserving) {
        const struct inbound *other = container_of(before, struct inbound, reserving);
        if (other->properties.niceness < inbound->properties.niceness ||
            (other->properties.niceness == inbound->properties.niceness && other->id < inbound->id))
            break;
        before = before->prev;
    }
    list_insert_before(before->next, &inbound->reserving);
    inbound->queued = true;
    reserve_grant(session);
}

void reserve_grant(struct session *session)
{
    while (!list_empty(&session->reserving)) {
        struct inbound *inbound = list_first(&session->reserving, struct inbound, reserving);
        uint64_t need = reserve_needed(session, inbound);
        bool never = need == SESSION_SIZE_UNKNOWN; /* its size became known while it waited */
        if (!never && need > session->reserve_free)
            return; /* strictly in order: else small ones could starve a large one for ever */
        list_remove(&inbound->reserving);
        inbound->queued = false;
        if (never || grant(session, inbound, need) < 0) /* no memory now: it is not worth waiting for */
            settle_inbound(session, inbound->id, OUTCOME_LARGE, NULL);
    }
}
