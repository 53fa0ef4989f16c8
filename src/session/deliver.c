/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing messages to the program: when they are whole, their antecedents settled, their lifetime not over, and the program is
 * not paused. What became ready by the settling of others waits in a list, so that long chains do not nest.
 */
#include "session/internal.h"
#include "session/ring.h"

static bool too_late(struct session *session, const struct inbound_properties *properties, int64_t *ret_age)
{
    *ret_age = -1;
    if (!properties->has_lifetime)
        return false;
    session->lifetimes_seen = true;
    int64_t age = clock_age(session, properties->stamp);
    if (age > properties->lifetime) {
        session->statistics.late_dropped++;
        return true;
    }
    *ret_age = age < 0 ? 0 : age;
    return false;
}

bool deliver_too_late(struct session *session, const struct inbound_properties *properties)
{
    int64_t age;
    return too_late(session, properties, &age);
}

const char *deliver_offer(struct session *session, uint64_t id, uint64_t size,
                          const struct inbound_properties *properties)
{
    bool marked = properties->marks.has_timestamp || properties->marks.coordinate_count;
    if (!marked || !session->handler->offered)
        return NULL;
    struct session_offered offered = {
        .id = id,
        .size = size,
        .niceness = properties->niceness,
        .reply_to = properties->reply_to,
        .reliability = properties->reliability,
        .marks = properties->marks,
    };
    outbound_tell(session); /* what came first is told first */
    session->handler->offered(session->user, &offered);
    return offered.refuse;
}

static void fill(struct session_message *message, uint64_t id, uint64_t size,
                 const struct inbound_properties *properties, int64_t age, bool early)
{
    *message = (struct session_message){
        .id = id,
        .size = size,
        .niceness = properties->niceness,
        .age = age,
        .reply_to = properties->reply_to,
        .marks = properties->marks,
        .ordered = properties->flags & MESSAGE_ORDERED,
        .antecedent_lost = properties->flags & MESSAGE_ANTECEDENT_LOST,
        .early = early,
    };
}

static int handed_over(struct session *session, const struct session_message *message)
{
    if (session->ended)
        return -ESHUTDOWN;
    if (!message->keep)
        credit_return(session, message->cost);
    session->statistics.messages_received++;
    return settle_inbound(session, message->id, message->refuse ? OUTCOME_REFUSED : OUTCOME_DELIVERED, message->refuse);
}

int deliver_small(struct session *session, uint64_t id, const uint8_t *data, size_t size, uint64_t cost,
                  const struct inbound_properties *properties, bool early)
{
    int64_t age;
    if (too_late(session, properties, &age)) {
        credit_return(session, cost);
        return settle_inbound(session, id, OUTCOME_LATE, NULL);
    }
    struct session_message message;
    fill(&message, id, size, properties, age, early);
    message.data = data;
    message.cost = cost;
    message.received_at = session->received_at;
    outbound_tell(session); /* what came first is told first */
    session->statistics.bytes_received += size;
    session->handler->message(session->user, &message);
    return handed_over(session, &message);
}

/* A whole message that was assembled. Frees it. */
static int deliver_assembled(struct session *session, struct inbound *inbound)
{
    int64_t age;
    if (too_late(session, &inbound->properties, &age))
        return settle_inbound(session, inbound->id, OUTCOME_LATE, NULL);
    struct session_message message;
    fill(&message, inbound->id, inbound->size, &inbound->properties, age, inbound->early);
    message.cost = inbound->cost;
    message.received_at = inbound->received_at;
    message.reserved = inbound->reserved;
    if (inbound->take != SESSION_TAKE_SINK) {
        message.data = inbound->buffer;
        if (inbound->take == SESSION_TAKE_WHOLE) {
            message.block = inbound->buffer;
            message.block_size = inbound->capacity;
        }
        session->statistics.bytes_received += inbound->size;
    }
    inbound->announced = false; /* it ends here, whatever follows */
    outbound_tell(session);
    session->handler->message(session->user, &message);
    if (message.taken)
        inbound->buffer = NULL;
    if (session->ended)
        return -ESHUTDOWN;
    bool queued = inbound->queued; /* for memory that it did not need in the end */
    inbound_forget(session, inbound);
    if (!message.keep) {
        session->reserve_free += message.reserved;
        session->statistics.reserved_bytes -= message.reserved;
    }
    int r = handed_over(session, &message);
    if (r == 0 && (queued || (!message.keep && message.reserved)))
        reserve_grant(session);
    return r;
}

/* ---- parts */

int deliver_parts(struct session *session, struct inbound *inbound, const uint8_t *data, size_t size)
{
    uint64_t id = inbound->id;
    int64_t age;
    if (too_late(session, &inbound->properties, &age))
        return settle_inbound(session, id, OUTCOME_LATE, NULL);
    struct session_part part = {
        .id = id,
        .offset = inbound->consumed,
        .received_at = inbound->received_at,
        .marks = inbound->properties.marks,
        .data = data,
        .size = size,
        .total = inbound->size,
        .last = inbound->consumed + size == inbound->size,
        .sink = inbound->sink,
    };
    inbound->consumed += size;
    inbound->last_told = part.last;
    session->statistics.bytes_received += size;
    session->handler->part(session->user, &part);
    if (session->ended)
        return -ESHUTDOWN;
    if (part.refuse) {
        inbound->announced = false;
        return settle_inbound(session, id, OUTCOME_REFUSED, part.refuse);
    }
    if (inbound_find(session, id) != inbound)
        return 0;
    return inbound_window(session, inbound);
}

static int parts_from_ring(struct session *session, struct inbound *inbound)
{
    uint64_t id = inbound->id;
    while (inbound->consumed < inbound->got) {
        size_t place = (size_t)(inbound->consumed % inbound->capacity);
        size_t here = ring_piece(inbound->capacity, inbound->consumed, inbound->got - inbound->consumed);
        int r = deliver_parts(session, inbound, inbound->buffer + place, here);
        if (r < 0)
            return r;
        if (inbound_find(session, id) != inbound || session->paused)
            return 0;
    }
    return 0;
}

int deliver_parts_told(struct session *session, struct inbound *inbound)
{
    session->statistics.messages_received++;
    inbound->announced = false;
    return settle_inbound(session, inbound->id, OUTCOME_DELIVERED, NULL);
}

/* After the last part, which a message of unknown size may end with an empty one, that of a sink is told as a message. */
static int parts_end(struct session *session, struct inbound *inbound)
{
    uint64_t id = inbound->id;
    if (!inbound->last_told) {
        int r = session->paused ? 0 : deliver_parts(session, inbound, NULL, 0);
        if (r < 0 || inbound_find(session, id) != inbound || !inbound->last_told)
            return r;
    }
    if (inbound->take == SESSION_TAKE_PARTS)
        return deliver_parts_told(session, inbound);
    return session->paused ? 0 : deliver_assembled(session, inbound);
}

static int deliver_by_parts(struct session *session, struct inbound *inbound)
{
    uint64_t id = inbound->id;
    int r = parts_from_ring(session, inbound);
    if (r < 0 || inbound_find(session, id) != inbound)
        return r;
    return inbound_is_whole(inbound) && inbound->consumed == inbound->size ? parts_end(session, inbound) : 0;
}

/* ---- in turn */

static int deliver(struct session *session, struct inbound *inbound)
{
    if (inbound->gaps)
        return gaps_deliver(session, inbound);
    if (inbound_by_parts(inbound))
        return deliver_by_parts(session, inbound);
    return deliver_assembled(session, inbound);
}

void deliver_when_ready(struct session *session, struct inbound *inbound)
{
    if (inbound->is_ready || !inbound->opened || inbound->waiting_for)
        return;
    if (!inbound_by_parts(inbound) && !inbound_is_whole(inbound))
        return;
    inbound->is_ready = true;
    list_append(&session->ready, &inbound->ready);
}

void deliver_drain(struct session *session)
{
    if (session->draining)
        return;
    session->draining = true;
    while (!session->paused && !session->ended && !list_empty(&session->ready)) {
        struct inbound *inbound = list_first(&session->ready, struct inbound, ready);
        list_remove(&inbound->ready);
        inbound->is_ready = false;
        if (deliver(session, inbound) < 0)
            break;
    }
    session->draining = false;
}
