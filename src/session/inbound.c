/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the peer while they arrive: opened, and their bytes put in place, whatever the order. */
#include <string.h>

#include "session/internal.h"
#include "session/ring.h"

static int inbound_compare(const struct inbound *a, const struct inbound *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE(inbound_tree, inbound, entry, inbound_compare)

struct inbound *inbound_find(struct session *session, uint64_t id)
{
    struct inbound key = {.id = id};
    return session->inbound_count ? RB_FIND(inbound_tree, &session->inbound, &key) : NULL;
}

bool inbound_by_parts(const struct inbound *inbound)
{
    return inbound->take == SESSION_TAKE_PARTS || inbound->take == SESSION_TAKE_SINK ||
           inbound->take == SESSION_TAKE_GAPS;
}

bool inbound_is_whole(const struct inbound *inbound)
{
    return inbound->opened && inbound->got == inbound->size;
}

/* ---- memory of one message */

int inbound_grow(struct session *session, struct inbound *inbound, size_t capacity)
{
    if (capacity <= inbound->capacity || inbound->take == SESSION_TAKE_INTO)
        return 0;
    uint8_t *buffer = memory_allocate(session->memory, capacity);
    if (!buffer)
        return -ENOMEM;
    uint64_t first = 0, end;
    if (inbound->got) {
        memcpy(buffer, inbound->buffer, inbound->got < inbound->capacity ? (size_t)inbound->got : inbound->capacity);
        session->statistics.copied_bytes += inbound->got;
    }
    while (range_set_next(&inbound->have, first, &first, &end) && first < inbound->capacity) {
        if (end > inbound->capacity)
            end = inbound->capacity;
        memcpy(buffer + first, inbound->buffer + first, (size_t)(end - first));
        first = end;
    }
    memory_release(session->memory, inbound->buffer, inbound->capacity);
    inbound->buffer = buffer;
    inbound->capacity = capacity;
    return 0;
}

uint8_t *inbound_room(const struct inbound *inbound, uint64_t offset, uint64_t *ret_size)
{
    if (!inbound->opened || inbound_by_parts(inbound) || offset >= inbound->capacity || offset < inbound->got)
        return NULL;
    *ret_size = inbound->capacity - offset;
    return inbound->buffer + offset;
}

struct inbound *inbound_new(struct session *session, uint64_t id)
{
    struct inbound *inbound = memory_allocate_zero(session->memory, sizeof *inbound);
    if (!inbound)
        return NULL;
    inbound->id = id;
    inbound->size = SESSION_SIZE_UNKNOWN;
    inbound->incomplete = true;
    list_init(&inbound->reserving);
    list_init(&inbound->ready);
    list_init(&inbound->crediting);
    range_set_init(&inbound->have, session->memory);
    RB_INSERT(inbound_tree, &session->inbound, inbound);
    session->inbound_count++;
    session->incomplete++;
    return inbound;
}

void inbound_forget(struct session *session, struct inbound *inbound)
{
    if (inbound->filling)
        lanes_skip(session, inbound, NULL);
    if (inbound->incomplete)
        session->incomplete--;
    list_remove(&inbound->crediting);
    waiters_remove(session, inbound);
    stall_ends(session, &inbound->stalled_at);
    list_remove(&inbound->reserving);
    list_remove(&inbound->ready);
    inbound->queued = false;
    session->gaps -= inbound->have.count;
    range_set_clear(&inbound->have);
    gaps_free(session, inbound);
    if (inbound->take != SESSION_TAKE_INTO)
        memory_release(session->memory, inbound->buffer, inbound->capacity);
    RB_REMOVE(inbound_tree, &session->inbound, inbound);
    session->inbound_count--;
    memory_release(session->memory, inbound, sizeof *inbound);
}

void inbound_discard(struct session *session, struct inbound *inbound, enum session_outcome kind)
{
    uint64_t id = inbound->id, cost = inbound->cost, reserved = inbound->reserved;
    bool announced = inbound->announced;
    inbound_forget(session, inbound);
    credit_return(session, cost);
    session->reserve_free += reserved;
    session->statistics.reserved_bytes -= reserved;
    if (announced)
        session->handler->abandoned(session->user, id, kind);
    reserve_grant(session);
}

void inbound_free_all(struct session *session)
{
    struct inbound *inbound;
    while ((inbound = RB_MIN(inbound_tree, &session->inbound)))
        inbound_forget(session, inbound);
}

/* ---- opening */

static int charge(struct session *session, struct inbound *inbound, uint64_t cost)
{
    if (cost <= inbound->cost)
        return 0;
    int r = credit_charge(session, cost - inbound->cost);
    if (r == 0)
        inbound->cost = cost;
    return r;
}

static void announce(struct session *session, struct inbound *inbound, const char **ret_refused)
{
    struct session_arriving arriving = {
        .id = inbound->id,
        .size = inbound->size,
        .niceness = inbound->properties.niceness,
        .reply_to = inbound->properties.reply_to,
        .reliability = inbound->properties.reliability,
        .marks = inbound->properties.marks,
        .take = SESSION_TAKE_WHOLE,
    };
    session->handler->arriving(session->user, &arriving);
    if (arriving.take == SESSION_TAKE_REFUSE) {
        *ret_refused = arriving.reason ? arriving.reason : "";
        return;
    }
    inbound->announced = true;
    inbound->take = arriving.take;
    inbound->sink = arriving.sink;
    if (arriving.take == SESSION_TAKE_GAPS && inbound->properties.reliability == SESSION_FULL)
        inbound->take = SESSION_TAKE_PARTS;
    if (inbound->take == SESSION_TAKE_GAPS)
        gaps_begin(session, inbound);
    if (arriving.take == SESSION_TAKE_INTO) {
        inbound->buffer = arriving.buffer;
        inbound->capacity = (size_t)inbound->size;
    }
}

/* Bytes that overtook the head on another strand were placed in a buffer of ours. */
static int announce_keeping(struct session *session, struct inbound *inbound, const char **ret_refused)
{
    uint8_t *early = inbound->buffer;
    size_t early_size = inbound->capacity;
    uint64_t id = inbound->id, first = 0, end;

    inbound->buffer = NULL;
    inbound->capacity = 0;
    announce(session, inbound, ret_refused);
    if (session->ended || *ret_refused) {
        memory_release(session->memory, early, early_size);
        return session->ended ? -ESHUTDOWN : 0;
    }
    if (!early)
        return 0;
    struct range_set have = inbound->have;
    size_t prefix = (size_t)inbound->got;
    range_set_init(&inbound->have, session->memory);
    inbound->got = 0;
    int r = inbound->take == SESSION_TAKE_WHOLE ? inbound_grow(session, inbound, early_size) : 0;
    if (r == 0 && prefix)
        r = inbound_place(session, inbound, 0, early, prefix, false);
    while (r == 0 && inbound_find(session, id) && range_set_next(&have, first, &first, &end)) {
        r = inbound_place(session, inbound, first, early + first, (size_t)(end - first), false);
        first = end;
    }
    session->gaps -= have.count;
    range_set_clear(&have);
    memory_release(session->memory, early, early_size);
    return r;
}

/* Where the bytes that are here end. */
uint64_t inbound_extent(const struct inbound *inbound)
{
    return inbound->have.count ? range_set_end(&inbound->have) : inbound->got;
}

static uint64_t opened_cost(const struct data_frame *frame, uint64_t paid)
{
    return MESSAGE_COST + (uint64_t)frame->properties.antecedent_count * ANTECEDENT_COST + paid;
}

static int open_check(struct session *session, const struct inbound *inbound, const struct data_frame *frame,
                      uint64_t size)
{
    uint64_t flow_credit = session->config.receive_memory / 16;
    if (flow_credit < BEFORE_FLOW_CREDIT)
        flow_credit = BEFORE_FLOW_CREDIT;
    if (frame->flags & DATA_LAST ? size > flow_credit : frame->paid > flow_credit)
        return violation(session, SESSION_CODE_LIMIT, "a message pays for more than the flow credit");
    uint64_t total = frame->flags & DATA_LAST ? size : frame->size;
    uint64_t most = frame->flags & DATA_LAST ? size : frame->paid; /* nothing beyond was allowed yet */
    uint64_t extent = inbound_extent(inbound);
    bool differs = inbound->size != SESSION_SIZE_UNKNOWN && total != SESSION_SIZE_UNKNOWN && inbound->size != total;
    if (extent > most || extent > total || differs)
        return violation(session, SESSION_CODE_PROTOCOL, "a message is not as long as it said");
    return 0;
}

/* What FIRST tells. *ret_gone: the message ended here and now. */
static int open_message(struct session *session, struct inbound *inbound, const struct data_frame *frame, uint64_t size,
                        bool early, bool *ret_gone)
{
    uint64_t id = inbound->id;
    bool last = frame->flags & DATA_LAST;
    int r = open_check(session, inbound, frame, size);
    if (r == 0)
        r = charge(session, inbound, opened_cost(frame, last ? size : frame->paid));
    if (r < 0)
        return r;
    inbound->opened = true;
    inbound->early = early;
    if (inbound->size == SESSION_SIZE_UNKNOWN) /* else LAST overtook the opening */
        inbound->size = last ? size : frame->size;
    inbound->paid = last ? size : frame->paid;
    inbound->allowed = inbound->told = inbound->paid;
    inbound->properties = frame->properties;
    r = waiters_add(session, inbound);
    if (r < 0)
        return r;
    inbound->properties.antecedents = NULL; /* they lie in the frame */
    uint64_t most = session->config.max_message;
    if (most && inbound->size != SESSION_SIZE_UNKNOWN && inbound->size > most) {
        *ret_gone = true;
        return settle_inbound(session, id, OUTCOME_LARGE, NULL);
    }
    const char *refused = deliver_offer(session, id, inbound->size, &inbound->properties);
    bool pieces = inbound->properties.reliability != SESSION_FULL && !last;
    if (session->ended)
        return -ESHUTDOWN;
    if (!refused && (pieces || inbound->size > ARRIVING_ABOVE))
        r = announce_keeping(session, inbound, &refused);
    if (r < 0)
        return r;
    *ret_gone = inbound_find(session, id) != inbound;
    if (*ret_gone)
        return 0;
    if (refused) {
        *ret_gone = true;
        return settle_inbound(session, id, OUTCOME_REFUSED, refused);
    }
    if (inbound->size > inbound->paid)
        reserve_ask(session, inbound);
    *ret_gone = inbound_find(session, id) != inbound;
    if (!*ret_gone && inbound->take == SESSION_TAKE_WHOLE &&
        inbound_grow(session, inbound, (size_t)(inbound->paid < inbound->size ? inbound->paid : inbound->size)) < 0)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    return session->ended ? -ESHUTDOWN : 0;
}

static int extent_check(struct session *session, struct inbound *inbound, const struct data_frame *frame, uint64_t size)
{
    uint64_t end = frame->offset + size;
    /* An opening that is sent again may know more than the first one did. */
    if (frame->flags & DATA_FIRST && inbound->size == SESSION_SIZE_UNKNOWN && frame->size != SESSION_SIZE_UNKNOWN) {
        if (inbound_extent(inbound) > frame->size)
            return violation(session, SESSION_CODE_PROTOCOL, "a message is longer than it said");
        inbound->size = frame->size;
        if (inbound->take == SESSION_TAKE_WHOLE && inbound->reserved && frame->size > inbound->allowed)
            return settle_inbound(session, inbound->id, OUTCOME_LARGE, NULL) < 0 ? -ESHUTDOWN : 1;
    }
    if (end > VARINT_MAX || (inbound->size != SESSION_SIZE_UNKNOWN && end > inbound->size))
        return violation(session, SESSION_CODE_PROTOCOL, "a message is longer than it said");
    if (inbound->opened && end > inbound->allowed)
        return violation(session, SESSION_CODE_LIMIT, "a message went beyond its flow credit");
    if (!inbound->opened && end > session->config.receive_memory / 16 && end > BEFORE_FLOW_CREDIT)
        return violation(session, SESSION_CODE_LIMIT, "a message went beyond the flow credit");
    if (frame->flags & DATA_LAST) {
        if ((inbound->size != SESSION_SIZE_UNKNOWN && inbound->size != end) || inbound_extent(inbound) > end)
            return violation(session, SESSION_CODE_PROTOCOL, "a message ends elsewhere than it said");
        inbound->size = end;
    }
    return inbound->opened ? 0 : charge(session, inbound, MESSAGE_COST + end);
}

int inbound_begin(struct session_strand *strand, const struct data_frame *frame, uint64_t size, bool early,
                  struct inbound **ret_inbound)
{
    struct session *session = strand->session;
    *ret_inbound = NULL;
    if (settled_contains(session, frame->id))
        return 0;
    struct inbound *inbound = inbound_find(session, frame->id);
    if (!inbound) {
        if (session->incomplete >= session->config.open_flows)
            return violation(session, SESSION_CODE_LIMIT, "too many messages are open at once");
        inbound = inbound_new(session, frame->id);
        if (!inbound)
            return violation(session, SESSION_CODE_MEMORY, "out of memory");
    }
    if (frame->id > session->highest)
        session->highest = frame->id;
    if (frame->flags & DATA_FIRST && !inbound->opened) {
        bool gone = false;
        int r = open_message(session, inbound, frame, size, early, &gone);
        if (r < 0 || gone)
            return r;
    }
    int r = extent_check(session, inbound, frame, size);
    if (r == 0)
        *ret_inbound = inbound;
    return r == 1 ? 0 : r;
}

/* ---- bytes */

int gap_add(struct session *session, struct range_set *have, uint64_t offset, uint64_t end)
{
    session->gaps -= have->count;
    int r = range_set_add(have, offset, end, NULL);
    session->gaps += have->count;
    if (r < 0)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    if (session->gaps > GAPS_MAX)
        return violation(session, SESSION_CODE_LIMIT, "too many gaps in what was sent");
    return 0;
}

/* Notes that [offset, end) is here. */
int inbound_note(struct session *session, struct inbound *inbound, uint64_t offset, uint64_t end)
{
    if (end <= inbound->got)
        return 0;
    if (offset > inbound->got)
        return gap_add(session, &inbound->have, offset, end);
    session->gaps -= inbound->have.count;
    inbound->got = end;
    uint64_t first;
    while (range_set_next(&inbound->have, 0, &first, &end) && first <= inbound->got) {
        if (end > inbound->got)
            inbound->got = end;
        range_set_drop_first(&inbound->have);
    }
    session->gaps += inbound->have.count;
    return 0;
}

/* Parts that cannot be handed over yet wait in a ring as large as the window. */
int inbound_ring_store(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data,
                       size_t size)
{
    size_t window = (size_t)(inbound->paid + inbound->reserved);
    if (!inbound->buffer) {
        inbound->buffer = memory_allocate(session->memory, window);
        if (!inbound->buffer)
            return violation(session, SESSION_CODE_MEMORY, "out of memory");
        inbound->capacity = window;
    } else if (inbound->capacity < window) {
        uint8_t *grown = memory_allocate(session->memory, window);
        if (!grown)
            return violation(session, SESSION_CODE_MEMORY, "out of memory");
        ring_move(grown, window, inbound->buffer, inbound->capacity, inbound->consumed);
        memory_release(session->memory, inbound->buffer, inbound->capacity);
        inbound->buffer = grown;
        inbound->capacity = window;
    }
    ring_put(inbound->buffer, inbound->capacity, offset, data, size);
    session->statistics.copied_bytes += size;
    return 0;
}

static bool parts_held_back(const struct session *session, const struct inbound *inbound)
{
    return session->paused || inbound->waiting_for || !inbound->opened;
}

int inbound_place(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data, size_t size,
                  bool in_place)
{
    uint64_t end = offset + size;
    if (size == 0 || end <= inbound->got)
        return 0;
    inbound->received_at = session->received_at;
    if (in_place)
        return inbound_note(session, inbound, offset, end);
    if (offset < inbound->got) {
        data += inbound->got - offset;
        offset = inbound->got;
        size = (size_t)(end - offset);
    }
    if (inbound->gaps)
        return gaps_place(session, inbound, offset, data, size);
    if (inbound_by_parts(inbound)) {
        if (offset == inbound->consumed && inbound->got == offset && !parts_held_back(session, inbound)) {
            int r = inbound_note(session, inbound, offset, end);
            return r < 0 ? r : deliver_parts(session, inbound, data, size);
        }
        int r = inbound_ring_store(session, inbound, offset, data, size);
        return r < 0 ? r : inbound_note(session, inbound, offset, end);
    }
    if (end > inbound->capacity) {
        size_t capacity = inbound->capacity * 2 > end ? inbound->capacity * 2 : (size_t)end;
        if (inbound_grow(session, inbound, capacity) < 0)
            return violation(session, SESSION_CODE_MEMORY, "out of memory");
    }
    memcpy(inbound->buffer + offset, data, size);
    session->statistics.copied_bytes += size;
    return inbound_note(session, inbound, offset, end);
}

int inbound_advance(struct session *session, struct inbound *inbound)
{
    if (session->ended)
        return -ESHUTDOWN;
    stall_inbound(session, inbound);
    if (inbound_is_whole(inbound)) {
        if (inbound->incomplete) {
            inbound->incomplete = false;
            session->incomplete--;
        }
        if (inbound->take == SESSION_TAKE_PARTS && inbound->last_told)
            return deliver_parts_told(session, inbound);
        deliver_when_ready(session, inbound);
        return 0;
    }
    if (inbound_by_parts(inbound)) {
        deliver_when_ready(session, inbound);
        return 0;
    }
    bool full = inbound->opened && inbound->size == SESSION_SIZE_UNKNOWN && !inbound->queued && inbound->reserved &&
                inbound->got >= inbound->paid + inbound->reserved;
    return full ? settle_inbound(session, inbound->id, OUTCOME_LARGE, NULL) : 0;
}

int inbound_whole(struct session_strand *strand, const struct data_frame *frame, size_t size, bool early)
{
    struct session *session = strand->session;
    struct inbound *inbound;
    if (settled_contains(session, frame->id))
        return 0;
    if (session->config.max_message && size > session->config.max_message)
        goto slow;
    if (session->inbound_count && inbound_find(session, frame->id))
        goto slow;
    if (session->paused || antecedents_pending(session, frame->id, &frame->properties))
        goto slow;
    uint64_t cost = opened_cost(frame, size);
    int r = credit_charge(session, cost);
    if (r < 0)
        return r;
    if (frame->id > session->highest)
        session->highest = frame->id;
    const char *refused = deliver_offer(session, frame->id, size, &frame->properties);
    if (session->ended)
        return -ESHUTDOWN;
    if (refused) {
        credit_return(session, cost);
        return settle_inbound(session, frame->id, OUTCOME_REFUSED, refused);
    }
    return deliver_small(session, frame->id, frame->payload, size, cost, &frame->properties, early);
slow:
    r = inbound_begin(strand, frame, size, early, &inbound);
    if (r < 0 || !inbound)
        return r;
    r = inbound_place(session, inbound, 0, frame->payload, size, false);
    if (r < 0 || inbound_find(session, frame->id) != inbound) /* a handler may have given it up */
        return r;
    return inbound_advance(session, inbound);
}
