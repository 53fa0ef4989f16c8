/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lossy messages of the peer that are taken with gaps (S1.25): each part is handed over as it comes, wherever it belongs;
 * what never came is told at the end. While the program pauses what comes is kept in a ring as large as the message's
 * window. Of a message larger than that it may also be what fills a gap from before the pause: of that as much is kept
 * again, and what comes beyond is missing like what the network lost.
 */
#include <string.h>

#include "session/export.h"
#include "session/ring.h"

#define STORED_COST 64 /* of keeping a part, beside its bytes */

struct stored_part {
    struct list link;
    uint64_t offset;
    int64_t received_at;
    size_t size;
    uint8_t bytes[];
};

int gaps_begin(struct session *session, struct inbound *inbound)
{
    inbound->gaps = memory_allocate_zero(session->memory, sizeof *inbound->gaps);
    if (!inbound->gaps)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    list_init(&inbound->gaps->stored);
    range_set_init(&inbound->gaps->held, session->memory);
    range_set_init(&inbound->gaps->dropped, session->memory);
    return 0;
}

static void stored_free(struct session *session, struct inbound *inbound, struct stored_part *part)
{
    inbound->gaps->stored_cost -= part->size + STORED_COST;
    list_remove(&part->link);
    memory_release(session->memory, part, sizeof *part + part->size);
}

void gaps_free(struct session *session, struct inbound *inbound)
{
    struct inbound_gaps *gaps = inbound->gaps;
    if (!gaps)
        return;
    while (!list_empty(&gaps->stored))
        stored_free(session, inbound, list_first(&gaps->stored, struct stored_part, link));
    session->gaps -= gaps->dropped.count + gaps->held.count;
    range_set_clear(&gaps->dropped);
    range_set_clear(&gaps->held);
    memory_release(session->memory, gaps, sizeof *gaps);
    inbound->gaps = NULL;
}

static bool held_back(const struct session *session, const struct inbound *inbound)
{
    return session->paused || inbound->waiting_for || !inbound->opened;
}

static int store(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data, size_t size,
                 int64_t received_at)
{
    struct inbound_gaps *gaps = inbound->gaps;
    uint64_t most = inbound->paid + inbound->reserved;
    if (offset >= inbound->consumed || inbound->size <= inbound->paid) {
        int r = inbound_ring_store(session, inbound, offset, data, size);
        return r < 0 ? r : gap_add(session, &gaps->held, offset, offset + size);
    }
    if (gaps->stored_cost + size + STORED_COST > most)
        return gap_add(session, &gaps->dropped, offset, offset + size);
    struct stored_part *part = memory_allocate(session->memory, sizeof *part + size);
    if (!part)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    list_init(&part->link);
    part->offset = offset;
    part->received_at = received_at;
    part->size = size;
    memcpy(part->bytes, data, size);
    list_append(&gaps->stored, &part->link);
    gaps->stored_cost += size + STORED_COST;
    session->statistics.copied_bytes += size;
    return 0;
}

/* ---- the end */

static int missing_add(struct session *session, struct range_set *missing, uint64_t first, uint64_t end)
{
    if (first < end && range_set_add(missing, first, end, NULL) < 0)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    return 0;
}

static int missing_of(struct session *session, const struct inbound *inbound, struct range_set *missing)
{
    uint64_t at = inbound->got, from = inbound->got, first, end;
    int r = 0;
    while (r == 0 && range_set_next(&inbound->have, from, &first, &end)) {
        r = missing_add(session, missing, at, first);
        at = from = end;
    }
    if (r == 0)
        r = missing_add(session, missing, at, inbound->size);
    for (const struct list *link = inbound->gaps->stored.next; r == 0 && link != &inbound->gaps->stored;
         link = link->next) { /* too late for them */
        const struct stored_part *part = container_of(link, struct stored_part, link);
        r = missing_add(session, missing, part->offset, part->offset + part->size);
    }
    for (from = 0; r == 0 && range_set_next(&inbound->gaps->held, from, &first, &end); from = end)
        r = missing_add(session, missing, first, end);
    for (from = 0; r == 0 && range_set_next(&inbound->gaps->dropped, from, &first, &end); from = end)
        r = missing_add(session, missing, first, end);
    return r;
}

static int tell_gaps(struct session *session, struct inbound *inbound, const struct range_set *missing,
                     uint64_t *ret_missing)
{
    struct session_gaps told = {.id = inbound->id, .total = inbound->size, .sink = inbound->sink};
    size_t bytes = missing->count * sizeof *told.gaps;
    struct session_gap *gaps = missing->count ? memory_allocate(session->memory, bytes) : NULL;
    uint64_t from = 0, first, end;
    if (missing->count && !gaps)
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    for (; range_set_next(missing, from, &first, &end); from = end) {
        gaps[told.count++] = (struct session_gap){first, end - first};
        told.missing += end - first;
    }
    told.gaps = gaps;
    *ret_missing = told.missing;
    inbound->announced = false; /* it ends here, whatever follows */
    session->statistics.messages_received++;
    outbound_tell(session);
    session->handler->gaps(session->user, &told);
    memory_release(session->memory, gaps, bytes);
    return session->ended ? -ESHUTDOWN : 0;
}

/* Tells what is missing, and ends the message. */
static int gaps_end(struct session *session, struct inbound *inbound)
{
    struct range_set missing;
    uint64_t bytes = 0, id = inbound->id;
    range_set_init(&missing, session->memory);
    int r = missing_of(session, inbound, &missing);
    if (r == 0)
        r = tell_gaps(session, inbound, &missing, &bytes);
    range_set_clear(&missing);
    if (r < 0)
        return r;
    return bytes ? settle_partial(session, id, bytes) : settle_inbound(session, id, OUTCOME_DELIVERED, NULL);
}

static bool all_here(const struct inbound *inbound)
{
    return inbound->opened && list_empty(&inbound->gaps->stored) && inbound->gaps->held.count == 0 &&
           (inbound->given_up || inbound_is_whole(inbound));
}

/* ---- parts */

/* Hands over one part; the message may be gone afterwards. */
static int hand_over(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data,
                     size_t size, int64_t received_at)
{
    uint64_t id = inbound->id;
    if (deliver_too_late(session, &inbound->properties)) {
        bool some = inbound->consumed > 0 && inbound->size != SESSION_SIZE_UNKNOWN;
        if (!some)
            return settle_inbound(session, id, OUTCOME_LATE, NULL);
        int r = gap_add(session, &inbound->gaps->dropped, offset, offset + size);
        return r < 0 ? r : gaps_end(session, inbound);
    }
    struct session_part part = {
        .id = id,
        .offset = offset,
        .received_at = received_at,
        .marks = inbound->properties.marks,
        .data = data,
        .size = size,
        .total = inbound->size,
        .sink = inbound->sink,
    };
    if (offset + size > inbound->consumed)
        inbound->consumed = offset + size;
    session->statistics.bytes_received += size;
    session->handler->part(session->user, &part);
    if (session->ended)
        return -ESHUTDOWN;
    if (part.refuse) {
        inbound->announced = false;
        return settle_inbound(session, id, OUTCOME_REFUSED, part.refuse);
    }
    return inbound_find(session, id) == inbound ? inbound_window(session, inbound) : 0;
}

int gaps_place(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data, size_t size)
{
    uint64_t id = inbound->id, at = offset, stop = offset + size;
    while (at < stop) {
        uint64_t first = stop, end = stop;
        if (at < inbound->got) {
            at = inbound->got;
            continue;
        }
        if (!range_set_next(&inbound->have, at, &first, &end) || first > stop)
            first = end = stop;
        if (at < first) {
            const uint8_t *bytes = data + (at - offset);
            size_t here = (size_t)(first - at);
            int r = inbound_note(session, inbound, at, first);
            if (r == 0)
                r = held_back(session, inbound) ? store(session, inbound, at, bytes, here, session->received_at)
                                                : hand_over(session, inbound, at, bytes, here, session->received_at);
            if (r < 0 || session->ended || inbound_find(session, id) != inbound)
                return r;
        }
        at = end;
    }
    return 0;
}

/* The window goes on from there, once nothing of before lies in the ring. */
static void skip_now(struct session *session, struct inbound *inbound)
{
    struct inbound_gaps *gaps = inbound->gaps;
    if (gaps->skipped <= inbound->consumed || gaps->held.count || !list_empty(&gaps->stored))
        return;
    inbound->consumed = gaps->skipped;
    inbound_window(session, inbound);
}

/* Hands over what lies in the ring, from its beginning on, so that what is left stays within the window. */
static int ring_deliver(struct session *session, struct inbound *inbound)
{
    uint64_t id = inbound->id, first, end;
    while (range_set_next(&inbound->gaps->held, 0, &first, &end) && !held_back(session, inbound)) {
        size_t place = (size_t)(first % inbound->capacity);
        size_t here = ring_piece(inbound->capacity, first, end - first);
        session->gaps -= inbound->gaps->held.count; /* removing cannot fail: it cuts off the beginning */
        range_set_remove(&inbound->gaps->held, first, first + here);
        session->gaps += inbound->gaps->held.count;
        int r = hand_over(session, inbound, first, inbound->buffer + place, here, inbound->received_at);
        if (r < 0 || inbound_find(session, id) != inbound)
            return r;
    }
    return 0;
}

int gaps_deliver(struct session *session, struct inbound *inbound)
{
    uint64_t id = inbound->id;
    int kept = ring_deliver(session, inbound);
    if (kept < 0 || inbound_find(session, id) != inbound)
        return kept;
    while (!list_empty(&inbound->gaps->stored)) {
        if (held_back(session, inbound))
            return 0;
        struct stored_part *part = list_first(&inbound->gaps->stored, struct stored_part, link);
        list_remove(&part->link);
        inbound->gaps->stored_cost -= part->size + STORED_COST;
        int r = hand_over(session, inbound, part->offset, part->bytes, part->size, part->received_at);
        memory_release(session->memory, part, sizeof *part + part->size);
        if (r < 0 || inbound_find(session, id) != inbound)
            return r;
    }
    if (all_here(inbound) && !held_back(session, inbound))
        return gaps_end(session, inbound);
    skip_now(session, inbound);
    return 0;
}

void gaps_skip(struct session *session, struct inbound *inbound, uint64_t offset)
{
    struct inbound_gaps *gaps = inbound->gaps;
    if (offset > inbound->allowed)
        offset = inbound->allowed;
    if (offset > gaps->skipped)
        gaps->skipped = offset;
    skip_now(session, inbound);
}

int gaps_given_up(struct session *session, struct inbound *inbound)
{
    if (inbound->incomplete) {
        inbound->incomplete = false;
        session->incomplete--;
    }
    inbound->given_up = true;
    deliver_when_ready(session, inbound);
    return 0;
}

/* ---- to another process */

static void code_stored(const struct moving *moving, struct inbound *inbound, struct stored_part *part)
{
    struct coder *coder = moving->coder;
    uint64_t offset = part ? part->offset : 0;
    const uint8_t *bytes;
    size_t size;

    code_below(coder, &offset, VARINT_MAX);
    if (part) {
        code_put(coder, part->bytes, part->size);
        return;
    }
    bytes = code_get(coder, &size);
    if (!bytes)
        return;
    bool held = offset >= inbound->consumed || inbound->size <= inbound->paid;
    bool whole = inbound->size <= inbound->paid; /* all of it has its place */
    uint64_t window = inbound->paid + inbound->reserved, from = held && !whole ? inbound->consumed : 0;
    if (size == 0 || size > window || (held && (offset < from || offset - from > window - size)))
        coder_fail(coder, -EBADMSG);
    else if (store(moving->session, inbound, offset, bytes, size, 0) < 0)
        coder_fail(coder, -ENOMEM);
}

/* What lies in the ring goes out as parts like those that are stored; where each belongs is found again when it is read. */
static void write_held(const struct moving *moving, const struct inbound *inbound)
{
    struct coder *coder = moving->coder;
    uint64_t from = 0, first, end;
    for (; range_set_next(&inbound->gaps->held, from, &first, &end); from = end) {
        code_number(coder, &first);
        code_ring(coder, inbound->buffer, inbound->capacity, first, end);
    }
}

void move_gaps(const struct moving *moving, struct inbound *inbound)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;
    if (!inbound->gaps && gaps_begin(session, inbound) < 0)
        coder_fail(coder, -ENOMEM);
    if (!code_ok(coder))
        return;
    struct inbound_gaps *gaps = inbound->gaps;
    uint64_t count = gaps->held.count;
    for (struct list *link = gaps->stored.next; link != &gaps->stored; link = link->next)
        count++;
    code_number(coder, &gaps->skipped);
    code_ranges(coder, &gaps->dropped, VARINT_MAX);
    session->gaps += coder->reading ? gaps->dropped.count : 0;
    code_count(coder, &count, UINT64_MAX);
    if (!coder->reading) {
        write_held(moving, inbound);
        for (struct list *link = gaps->stored.next; link != &gaps->stored; link = link->next)
            code_stored(moving, inbound, container_of(link, struct stored_part, link));
        return;
    }
    while (code_more(coder, &count))
        code_stored(moving, inbound, NULL);
}
