/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving a flood of small messages with no properties: frames of one shape, one after the other, are read and handed
 * over in one loop, and settled as a range. Everything that is not so simple is left to the long way (receive.c), which
 * does the same message by message.
 */
#include "session/internal.h"

/* A DATA frame that is a whole plain message; the position after it, or NULL for anything else. */
static const uint8_t *plain_frame(const uint8_t *at, const uint8_t *end, uint64_t *ret_id, const uint8_t **ret_data,
                                  size_t *ret_size)
{
    uint64_t body;
    if (end - at < 4 || *at != FRAME_DATA)
        return NULL;
    at = varint_get(at + 1, end, &body);
    if (!at || body > (uint64_t)(end - at) || body > SESSION_SMALL)
        return NULL;
    end = at + body;
    at = varint_get(at, end, ret_id);
    if (!at || at == end || *at != (DATA_FIRST | DATA_LAST) || *ret_id == 0)
        return NULL;
    *ret_data = at + 1;
    *ret_size = (size_t)(end - *ret_data);
    return end;
}

static bool possible(const struct session *session)
{
    return !session->paused && !session->ended && session->inbound_count == 0 && session->config.max_message == 0 &&
           RB_EMPTY(&session->waiters);
}

static int settle_run(struct session *session, uint64_t first, uint64_t count)
{
    return count ? settle_delivered(session, first, count) : 0;
}

/* Hands over one message. 1: it counts as delivered; 0: it was settled otherwise. */
static int hand_over(struct session *session, struct session_message *message)
{
    outbound_tell(session);
    session->handler->message(session->user, message);
    if (session->ended)
        return -ESHUTDOWN;
    if (!message->keep)
        credit_return(session, message->cost);
    session->statistics.messages_received++;
    session->statistics.bytes_received += message->size;
    return message->refuse ? 0 : 1;
}

int plain_messages(struct session_strand *strand, const uint8_t *at, const uint8_t *end, const uint8_t **ret_at)
{
    struct session *session = strand->session;
    struct session_message message = {.age = -1, .received_at = session->received_at};
    uint64_t first = 0, count = 0;
    int r = 0;

    *ret_at = at;
    while (possible(session)) {
        const uint8_t *data;
        uint64_t id;
        size_t size;
        const uint8_t *next = plain_frame(at, end, &id, &data, &size);
        if (!next || id <= session->highest) /* one that came before, or overtook: the long way looks closer */
            break;
        if (id != first + count) {
            if ((r = settle_run(session, first, count)) < 0)
                break;
            first = id;
            count = 0;
        }
        message.id = id;
        message.data = data;
        message.size = size;
        message.cost = MESSAGE_COST + size;
        message.keep = message.taken = false;
        message.refuse = NULL;
        if ((r = credit_charge(session, message.cost)) < 0)
            break;
        session->highest = id;
        session->statistics.frames_received++;
        at = next;
        if ((r = hand_over(session, &message)) < 0)
            break;
        if (r == 1) {
            count++;
            continue;
        }
        r = settle_run(session, first, count);
        if (r == 0)
            r = settle_inbound(session, id, OUTCOME_REFUSED, message.refuse);
        first = count = 0;
        if (r < 0)
            break;
    }
    if (at != *ret_at)
        strand->elicited = true;
    *ret_at = at;
    if (session->ended)
        return -ESHUTDOWN;
    return r < 0 ? r : settle_run(session, first, count);
}
