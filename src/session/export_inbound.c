/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the peer on their way to another process: what came of each that is not with the program yet. What the program
 * took into memory or a file of its own comes whole, or goes on in parts from where it stood: neither is there.
 */
#include <string.h>

#include "session/export.h"

/* ---- bytes */

/* Of one that lies in its place: [0, got) and what lies beyond gaps. */
static void write_placed(struct coder *coder, const struct inbound *inbound)
{
    uint64_t from = 0, first, end;

    code_put(coder, inbound->buffer, (size_t)inbound->got);
    for (; range_set_next(&inbound->have, from, &first, &end); from = end)
        code_put(coder, inbound->buffer + first, (size_t)(end - first));
}

static void read_at(const struct moving *moving, struct inbound *inbound, uint64_t offset, uint64_t expected)
{
    size_t size;
    const uint8_t *bytes = code_get(moving->coder, &size);

    if (size != expected)
        coder_fail(moving->coder, -EBADMSG);
    if (code_ok(moving->coder) && size)
        memcpy(inbound->buffer + offset, bytes, size);
}

static void read_placed(const struct moving *moving, struct inbound *inbound)
{
    struct coder *coder = moving->coder;
    uint64_t extent = inbound_extent(inbound), from = 0, first, end;

    if (extent && code_ok(coder)) {
        inbound->buffer = memory_allocate(moving->session->memory, (size_t)extent);
        inbound->capacity = inbound->buffer ? (size_t)extent : 0;
        if (!inbound->buffer)
            coder_fail(coder, -ENOMEM);
    }
    if (!code_ok(coder))
        return;
    read_at(moving, inbound, 0, inbound->got);
    for (; code_ok(coder) && range_set_next(&inbound->have, from, &first, &end); from = end)
        read_at(moving, inbound, first, end - first);
}

/* Of one that is taken in parts: what waits in the ring. */
static void read_ring(const struct moving *moving, struct inbound *inbound, uint64_t offset, uint64_t expected)
{
    uint64_t window = inbound->paid + inbound->reserved;
    size_t size;
    const uint8_t *bytes = code_get(moving->coder, &size);

    if (size != expected || offset < inbound->consumed || size > window || offset - inbound->consumed > window - size)
        coder_fail(moving->coder, -EBADMSG);
    if (code_ok(moving->coder) && size && inbound_ring_store(moving->session, inbound, offset, bytes, size) < 0)
        coder_fail(moving->coder, -ENOMEM);
}

static void move_ring(const struct moving *moving, struct inbound *inbound)
{
    struct coder *coder = moving->coder;
    uint64_t from = 0, first, end;

    if (inbound->got < inbound->consumed) {
        coder_fail(coder, -EBADMSG);
        return;
    }
    if (coder->reading)
        read_ring(moving, inbound, inbound->consumed, inbound->got - inbound->consumed);
    else
        code_ring(coder, inbound->buffer, inbound->capacity, inbound->consumed, inbound->got);
    for (; code_ok(coder) && range_set_next(&inbound->have, from, &first, &end); from = end) {
        if (coder->reading)
            read_ring(moving, inbound, first, end - first);
        else
            code_ring(coder, inbound->buffer, inbound->capacity, first, end);
    }
}

/* ---- fields */

static void move_properties(const struct moving *moving, struct inbound_properties *properties)
{
    struct coder *coder = moving->coder;
    uint64_t niceness = (uint64_t)(properties->niceness + CLASS_NORMAL), antecedents = properties->antecedent_count;

    code_below(coder, &niceness, CLASSES);
    properties->niceness = (int)niceness - CLASS_NORMAL;
    code_flag(coder, &properties->has_lifetime);
    code_signed(coder, &properties->stamp);
    code_signed(coder, &properties->lifetime);
    code_number(coder, &properties->flags);
    code_number(coder, &properties->reply_to);
    code_byte(coder, &properties->reliability);
    code_below(coder, &antecedents, SESSION_ANTECEDENTS_MAX + 1);
    properties->antecedent_count = (uint32_t)antecedents;
    move_marks(coder, &properties->marks);
    if (coder->reading && (properties->reliability > SESSION_PROBABILITY || properties->stamp < 0 ||
                           properties->stamp > INT64_MAX / 4 || properties->lifetime < 0))
        coder_fail(coder, -EBADMSG);
}

static void wait_for(const struct moving *moving, struct inbound *inbound, uint32_t place, uint64_t antecedent)
{
    struct session *session = moving->session;
    struct waiter *waiter = &inbound->waiters[place];

    waiter->antecedent = antecedent;
    waiter->inbound = inbound;
    if (antecedent == 0 || settled_contains(session, antecedent) || RB_INSERT(waiter_tree, &session->waiters, waiter)) {
        waiter->inbound = NULL;
        coder_fail(moving->coder, -EBADMSG);
    } else {
        inbound->waiting_for++;
    }
}

static void move_waiters(const struct moving *moving, struct inbound *inbound)
{
    struct coder *coder = moving->coder;
    uint64_t count = inbound->waiting_for;
    uint32_t at = 0;

    code_count(coder, &count, SESSION_ANTECEDENTS_MAX);
    if (coder->reading && count) {
        inbound->waiters = memory_allocate_zero(moving->session->memory, count * sizeof *inbound->waiters);
        if (!inbound->waiters) {
            coder_fail(coder, -ENOMEM);
            return;
        }
        inbound->waiter_count = (uint32_t)count;
    }
    while (code_more(coder, &count)) {
        uint64_t antecedent = 0;

        while (!coder->reading && !inbound->waiters[at].inbound)
            at++;
        if (!coder->reading)
            antecedent = inbound->waiters[at].antecedent;
        code_below(coder, &antecedent, inbound->id);
        if (coder->reading && code_ok(coder))
            wait_for(moving, inbound, at, antecedent);
        at++;
    }
}

static void move_take(const struct moving *moving, struct inbound *inbound)
{
    uint64_t take = inbound->take;
    bool last_told = inbound->last_told && inbound->take != SESSION_TAKE_SINK;

    if (take == SESSION_TAKE_INTO)
        take = SESSION_TAKE_WHOLE;
    if (take == SESSION_TAKE_SINK)
        take = SESSION_TAKE_PARTS;
    code_below(moving->coder, &take, SESSION_TAKE_GAPS + 1);
    code_flag(moving->coder, &last_told);
    if (!moving->coder->reading)
        return;
    inbound->take = (enum session_take)take;
    inbound->last_told = last_told;
    if (take != SESSION_TAKE_WHOLE && take != SESSION_TAKE_PARTS && take != SESSION_TAKE_GAPS)
        coder_fail(moving->coder, -EBADMSG);
}

/* Where something is asked for that can only be granted once all are there. */
struct wishes {
    bool crediting, queued;
};

static void move_fields(const struct moving *moving, struct inbound *inbound, struct wishes *wishes)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;

    code_number(coder, &inbound->size);
    code_below(coder, &inbound->got, VARINT_MAX + 1);
    code_below(coder, &inbound->paid, session->config.receive_memory + BEFORE_FLOW_CREDIT);
    code_below(coder, &inbound->cost, VARINT_MAX + 1);
    code_below(coder, &inbound->reserved, session->config.receive_memory);
    code_below(coder, &inbound->allowed, VARINT_MAX + 1);
    code_below(coder, &inbound->told, VARINT_MAX + 1);
    code_below(coder, &inbound->consumed, VARINT_MAX + 1);
    move_take(moving, inbound);
    code_flag(coder, &inbound->opened);
    code_flag(coder, &inbound->early);
    code_flag(coder, &inbound->announced);
    code_flag(coder, &inbound->given_up);
    code_flag(coder, &wishes->crediting);
    code_flag(coder, &wishes->queued);
    move_properties(moving, &inbound->properties);
    code_ranges(coder, &inbound->have, VARINT_MAX);
    move_waiters(moving, inbound);
}

static bool is_sound(const struct inbound *inbound)
{
    uint64_t first, end, extent = inbound_extent(inbound);

    if (inbound->size != SESSION_SIZE_UNKNOWN && (inbound->size > VARINT_MAX || extent > inbound->size))
        return false;
    if (range_set_next(&inbound->have, 0, &first, &end) && first <= inbound->got)
        return false;
    if (inbound_by_parts(inbound) && !inbound->opened)
        return false;
    return inbound->opened || inbound->cost <= VARINT_MAX;
}

/* What it takes of the bounds of all. */
static void account(const struct moving *moving, struct inbound *inbound)
{
    struct session *session = moving->session;

    session->held += inbound->cost;
    session->gaps += inbound->have.count;
    if (inbound->reserved > session->reserve_free || session->gaps > GAPS_MAX) {
        inbound->reserved = 0;
        coder_fail(moving->coder, -EBADMSG);
    }
    session->reserve_free -= inbound->reserved;
    session->statistics.reserved_bytes += inbound->reserved;
    inbound->incomplete = !inbound_is_whole(inbound) && !inbound->given_up;
    if (!inbound->incomplete)
        session->incomplete--;
}

static void wishes_granted(const struct moving *moving, struct inbound *inbound, const struct wishes *wishes)
{
    if (wishes->crediting)
        list_append(&moving->session->crediting, &inbound->crediting);
    inbound->queued = wishes->queued; /* asked for by ask_all() */
}

static void move_inbound(const struct moving *moving, struct inbound *inbound, uint64_t *last)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;
    uint64_t step = inbound ? inbound->id - *last : 0;
    struct wishes wishes = {inbound && list_linked(&inbound->crediting), inbound && inbound->queued};

    code_below(coder, &step, VARINT_MAX);
    if (coder->reading && (step == 0 || *last + step > session->highest || settled_contains(session, *last + step)))
        coder_fail(coder, -EBADMSG);
    if (!code_ok(coder))
        return;
    *last += step;
    if (!inbound && !(inbound = inbound_new(session, *last))) {
        coder_fail(coder, -ENOMEM);
        return;
    }
    move_fields(moving, inbound, &wishes);
    if (coder->reading) {
        if (code_ok(coder) && !is_sound(inbound))
            coder_fail(coder, -EBADMSG);
        account(moving, inbound);
    }
    if (inbound->take == SESSION_TAKE_GAPS)
        move_gaps(moving, inbound);
    else if (inbound_by_parts(inbound))
        move_ring(moving, inbound);
    else if (coder->reading)
        read_placed(moving, inbound);
    else
        write_placed(coder, inbound);
    if (coder->reading)
        wishes_granted(moving, inbound, &wishes);
}

static void ask_all(struct session *session)
{
    struct inbound *inbound, *next;

    for (inbound = RB_MIN(inbound_tree, &session->inbound); inbound; inbound = next) {
        next = RB_NEXT(inbound_tree, &session->inbound, inbound);
        deliver_when_ready(session, inbound);
        if (!inbound->queued)
            continue;
        inbound->queued = false;
        reserve_ask(session, inbound);
    }
}

void move_inbounds(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;
    uint64_t count = session->inbound_count, last = 0;
    struct inbound *inbound;

    code_count(coder, &count, UINT64_MAX);
    if (coder->reading) {
        while (code_more(coder, &count))
            move_inbound(moving, NULL, &last);
        if (code_ok(coder))
            ask_all(session);
        return;
    }
    RB_FOREACH(inbound, inbound_tree, &session->inbound)
    move_inbound(moving, inbound, &last);
}
