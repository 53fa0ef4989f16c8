/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of ours on their way to another process: of each what may still have to be sent, and nothing of what the peer has.
 * Whatever they were made of here, there they are copies; larger ones come back as messages by parts, all of them given.
 */
#include <string.h>

#include "session/export.h"

#define READ_MAX (1u << 18) /* of a file at once */

enum standing { STANDS_PENDING, STANDS_SENT, STANDS_ASKED, STANDINGS };

enum flag {
    SIZE_TOLD = 1,
    OPENED = 2,
    PARTS = 4,
    COMPLETE = 8,
    FIN_SENT = 16,
    FIN_AGAIN = 32,
    ORDERED = 64,
    REPLAYABLE = 128,
    WANT_SENT = 256,
    THROUGH = 512,
    COUNTED = 1024,
    LOSSY = 2048,
    MORE = 4096,
    EXTRA = 8192,
    WANT_ROOM = 16384,
    FLAGS = 32768,
};

/* ---- bytes */

static void read_source(const struct moving *moving, const struct outbound *outbound, uint64_t offset, uint64_t end)
{
    struct coder *coder = moving->coder;
    const struct memory *memory = moving->session->memory;
    uint8_t *bytes = memory_allocate(memory, READ_MAX);

    if (!bytes)
        coder_fail(coder, -ENOMEM);
    while (code_ok(coder) && offset < end) {
        size_t here = end - offset < READ_MAX ? (size_t)(end - offset) : READ_MAX;
        int r = moving->read ? moving->read(moving->session->user, outbound->more->cookie, offset, bytes, here)
                             : -HAWSER_ESOURCE;

        if (r < 0)
            coder_fail(coder, r);
        code_number(coder, &offset);
        code_put(coder, bytes, here);
        offset += here;
    }
    memory_release(memory, bytes, READ_MAX);
}

static uint64_t pieces_of(uint64_t first, uint64_t end)
{
    return (end - first + READ_MAX - 1) / READ_MAX;
}

/* What of a message that is no message by parts is still needed: what is lost, and what was not sent yet. */
static int needed_of(const struct outbound *outbound, struct range_set *needed)
{
    uint64_t from = 0, first, end;
    int r = outbound->sent < outbound->size ? range_set_add(needed, outbound->sent, outbound->size, NULL) : 0;

    while (r == 0 && range_set_next(&outbound->more->again, from, &first, &end)) {
        uint64_t stop = end < outbound->size ? end : outbound->size;

        if (first < stop)
            r = range_set_add(needed, first, stop, NULL);
        from = end;
    }
    return r;
}

/* As a message by parts would be that has had every part, and of which the peer has all but what is needed. */
static void write_as_pieces(const struct moving *moving, const struct outbound *outbound)
{
    struct coder *coder = moving->coder;
    struct range_set needed, acked;
    uint64_t from, first = 0, end = 0, count = 0, released = outbound->size, last = outbound->size;

    range_set_init(&needed, moving->session->memory);
    range_set_init(&acked, moving->session->memory);
    if (needed_of(outbound, &needed) < 0)
        coder_fail(coder, -ENOMEM);
    for (from = 0; range_set_next(&needed, from, &first, &end); from = end) {
        if (count == 0)
            released = first;
        else if (range_set_add(&acked, from, first, NULL) < 0)
            coder_fail(coder, -ENOMEM);
        count += outbound->source ? pieces_of(first, end) : 1;
    }
    if (count && from < outbound->size && range_set_add(&acked, from, outbound->size, NULL) < 0)
        coder_fail(coder, -ENOMEM);
    code_ranges(coder, &acked, UINT64_MAX);
    code_number(coder, &last);
    code_number(coder, &released);
    code_number(coder, &count);
    for (from = 0; code_ok(coder) && range_set_next(&needed, from, &first, &end); from = end) {
        if (outbound->source) {
            read_source(moving, outbound, first, end);
            continue;
        }
        code_number(coder, &first);
        code_put(coder, outbound->data + first, (size_t)(end - first));
    }
    range_set_clear(&needed);
    range_set_clear(&acked);
}

static void read_pieces(const struct moving *moving, struct pieces *pieces)
{
    struct coder *coder = moving->coder;
    uint64_t count = 0, at = pieces->released;

    code_count(coder, &count, UINT64_MAX);
    while (code_more(coder, &count)) {
        uint64_t offset = 0;
        size_t size;
        const uint8_t *bytes;

        code_number(coder, &offset);
        bytes = code_get(coder, &size);
        if (!bytes || size == 0 || offset < at || offset > pieces->end || size > pieces->end - offset ||
            size > UINT32_MAX / 2) {
            coder_fail(coder, -EBADMSG);
            return;
        }
        if (pieces_restore(moving->session->memory, pieces, offset, bytes, size) < 0)
            coder_fail(coder, -ENOMEM);
        at = offset + size;
    }
}

void move_pieces(const struct moving *moving, struct pieces *pieces)
{
    struct coder *coder = moving->coder;
    uint64_t count = 0;

    code_below(coder, &pieces->end, VARINT_MAX + 1);
    code_below(coder, &pieces->released, pieces->end + 1);
    if (coder->reading) {
        read_pieces(moving, pieces);
        return;
    }
    for (const struct list *link = pieces->list.next; link != &pieces->list; link = link->next)
        count++;
    code_number(coder, &count);
    for (const struct list *link = pieces->list.next; link != &pieces->list; link = link->next) {
        struct piece *piece = container_of(link, struct piece, link);
        uint64_t skip = piece->offset < pieces->released ? pieces->released - piece->offset : 0;
        uint64_t offset = piece->offset + skip;

        code_number(coder, &offset);
        code_put(coder, piece->bytes + skip, piece->size - (size_t)skip);
    }
}

static void move_small(const struct moving *moving, struct outbound *outbound)
{
    struct coder *coder = moving->coder;
    const uint8_t *bytes;
    uint8_t *copy;
    size_t size;

    if (!coder->reading) {
        code_put(coder, outbound->data, (size_t)outbound->size);
        return;
    }
    bytes = code_get(coder, &size);
    if (size != outbound->size) {
        coder_fail(coder, -EBADMSG);
    } else if (size) {
        copy = arena_take(moving->session, size, &outbound->arena);
        if (!copy) {
            coder_fail(coder, -ENOMEM);
            return;
        }
        memcpy(copy, bytes, size);
        outbound->data = copy;
    }
}

static void move_payload(const struct moving *moving, struct outbound *outbound, bool pieced)
{
    struct coder *coder = moving->coder;

    if (!pieced) {
        move_small(moving, outbound);
    } else if (!coder->reading && !outbound->parts) {
        write_as_pieces(moving, outbound);
    } else {
        code_ranges(coder, &outbound->more->acked, VARINT_MAX);
        move_pieces(moving, &outbound->more->pieces);
    }
}

/* ---- what only some messages have */

void move_marks(struct coder *coder, struct session_marks *marks)
{
    uint64_t count = marks->coordinate_count;

    code_signed(coder, &marks->timestamp);
    code_flag(coder, &marks->has_timestamp);
    code_count(coder, &count, SESSION_COORDINATES_MAX);
    marks->coordinate_count = (uint8_t)count;
    for (unsigned i = 0; i < marks->coordinate_count; i++) {
        uint64_t value = marks->coordinates[i];

        code_below(coder, &value, UINT64_C(1) << 32);
        marks->coordinates[i] = (uint32_t)value;
    }
}

static void move_tries(const struct moving *moving, struct outbound_extra *extra)
{
    struct coder *coder = moving->coder;
    const uint8_t *bytes;
    size_t size;

    code_number(coder, &extra->part_size);
    if (!coder->reading) {
        code_put(coder, extra->tries, extra->tries_count);
        return;
    }
    bytes = code_get(coder, &size);
    if (size && extra->part_size == 0)
        coder_fail(coder, -EBADMSG);
    if (!code_ok(coder) || size == 0)
        return;
    extra->tries = memory_allocate(moving->session->memory, size);
    if (!extra->tries) {
        coder_fail(coder, -ENOMEM);
        return;
    }
    memcpy(extra->tries, bytes, size);
    extra->tries_count = size;
}

static void move_extra(const struct moving *moving, struct outbound *outbound)
{
    struct coder *coder = moving->coder;
    struct outbound_extra *extra = outbound_extra(outbound);
    uint64_t reliability = extra->reliability, resends = extra->resends, tries = extra->whole_tries;
    uint64_t probability = extra->chance ? extra->chance->probability : 0;

    move_marks(coder, &extra->marks);
    move_time(moving, &extra->send_time);
    code_below(coder, &extra->pace, INT64_MAX / 20000 / 1000000);
    code_below(coder, &reliability, SESSION_PROBABILITY + 1);
    code_below(coder, &resends, SESSION_RESENDS_MAX + 1);
    code_below(coder, &tries, SESSION_RESENDS_MAX + 1);
    code_below(coder, &probability, SESSION_CERTAIN + 1);
    code_number(coder, &extra->skipped);
    code_flag(coder, &extra->given_up);
    code_flag(coder, &extra->open_again);
    move_tries(moving, extra);
    if (!coder->reading || !code_ok(coder))
        return;
    extra->reliability = (enum session_reliability)reliability;
    extra->resends = (unsigned)resends;
    extra->whole_tries = (unsigned)tries;
    extra->tokens_at = moving->session->now;
    if ((reliability == SESSION_PROBABILITY) != (probability != 0) || outbound->lossy != (reliability != SESSION_FULL))
        coder_fail(coder, -EBADMSG);
    else if (probability && !(extra->chance = chance_of(moving->session, (uint32_t)probability)))
        coder_fail(coder, -EBADMSG);
}

static void move_antecedents(const struct moving *moving, struct outbound *outbound)
{
    struct outbound_more *more = outbound->more;
    struct coder *coder = moving->coder;
    uint64_t count = more->antecedent_count;

    code_count(coder, &count, SESSION_ANTECEDENTS_MAX);
    if (coder->reading && count) {
        more->antecedents = memory_allocate_zero(moving->session->memory, count * sizeof *more->antecedents);
        if (!more->antecedents) {
            coder_fail(coder, -ENOMEM);
            return;
        }
        more->antecedent_count = (uint32_t)count;
    }
    for (uint32_t i = 0; i < more->antecedent_count; i++) {
        code_below(coder, &more->antecedents[i], outbound->id);
        if (more->antecedents[i] == 0)
            coder_fail(coder, -EBADMSG);
    }
}

static void move_more(const struct moving *moving, struct outbound *outbound)
{
    struct outbound_more *more = outbound->more;
    struct coder *coder = moving->coder;
    int64_t end_code = more->end_code;

    move_time(moving, &more->stamp);
    code_signed(coder, &more->lifetime);
    code_number(coder, &more->reply_to);
    code_below(coder, &more->paid, VARINT_MAX + 1);
    code_below(coder, &more->credit, VARINT_MAX + 1);
    code_signed(coder, &end_code);
    code_flag(coder, &more->antecedent_lost);
    code_ranges(coder, &more->again, VARINT_MAX);
    move_antecedents(moving, outbound);
    if (!coder->reading)
        return;
    if (more->lifetime < 0 || more->lifetime > INT64_MAX / 4 || end_code > 0 || end_code < -1000000)
        coder_fail(coder, -EBADMSG);
    more->end_code = (int)end_code;
    more->end_reason = end_code ? "it was given up before the line was moved here" : NULL;
}

/* ---- one message */

static bool is_pieced(const struct outbound *outbound)
{
    return outbound->parts || outbound->source || outbound->size > SESSION_SMALL;
}

static uint64_t flags_of(const struct outbound *outbound, bool converted)
{
    uint64_t flags = 0;

    flags |= outbound->size_told ? SIZE_TOLD : 0;
    flags |= outbound->opened ? OPENED : 0;
    flags |= outbound->parts || converted ? PARTS : 0;
    flags |= outbound->complete || converted ? COMPLETE : 0;
    flags |= outbound->fin_sent || (converted && outbound->through) ? FIN_SENT : 0;
    flags |= outbound->fin_again ? FIN_AGAIN : 0;
    flags |= outbound->ordered ? ORDERED : 0;
    flags |= outbound->replayable ? REPLAYABLE : 0;
    flags |= outbound->want_sent ? WANT_SENT : 0;
    flags |= outbound->through ? THROUGH : 0;
    flags |= outbound->counted ? COUNTED : 0;
    flags |= outbound->lossy ? LOSSY : 0;
    flags |= outbound->more ? MORE : 0;
    flags |= outbound_extra(outbound) ? EXTRA : 0;
    flags |= outbound->want_room ? WANT_ROOM : 0;
    return flags;
}

static void flags_set(struct outbound *outbound, uint64_t flags)
{
    outbound->size_told = (flags & SIZE_TOLD) != 0;
    outbound->opened = (flags & OPENED) != 0;
    outbound->parts = (flags & PARTS) != 0;
    outbound->complete = (flags & COMPLETE) != 0;
    outbound->fin_sent = (flags & FIN_SENT) != 0;
    outbound->fin_again = (flags & FIN_AGAIN) != 0;
    outbound->ordered = (flags & ORDERED) != 0;
    outbound->replayable = (flags & REPLAYABLE) != 0;
    outbound->want_sent = (flags & WANT_SENT) != 0;
    outbound->through = (flags & THROUGH) != 0;
    outbound->counted = (flags & COUNTED) != 0;
    outbound->lossy = (flags & LOSSY) != 0;
    outbound->want_room = (flags & WANT_ROOM) != 0;
}

static enum standing standing_of(const struct outbound *outbound)
{
    return outbound->state == OUTBOUND_SENT    ? STANDS_SENT
           : outbound->state == OUTBOUND_ASKED ? STANDS_ASKED
                                               : STANDS_PENDING;
}

/* The record that what follows is read into. NULL: a fault. */
static struct outbound *record_make(const struct moving *moving, uint64_t id, uint64_t flags)
{
    struct session *session = moving->session;
    struct outbound *outbound = record_new(session, id);

    if (!outbound) {
        coder_fail(moving->coder, -ENOMEM);
        return NULL;
    }
    outbound->state = OUTBOUND_ENDED; /* in use, in no list */
    flags_set(outbound, flags);
    if (flags & (MORE | PARTS | EXTRA) && !outbound_need_more(session, outbound)) {
        coder_fail(moving->coder, -ENOMEM);
        return NULL;
    }
    if (flags & EXTRA) {
        struct outbound_extra *extra = memory_allocate_zero(session->memory, sizeof *extra);

        if (!extra) {
            coder_fail(moving->coder, -ENOMEM);
            return NULL;
        }
        heap_node_init(&extra->sending);
        extra->owner = outbound;
        outbound->more->extra = extra;
    }
    return outbound;
}

/* Whether what was read can be one of ours: whatever pulling it relies on. */
static bool is_sound(const struct outbound *outbound, enum standing standing)
{
    const struct outbound_more *more = outbound->more;
    uint64_t given = outbound->parts ? more->pieces.end : outbound->size, first = 0, end = 0;
    bool known = outbound->size != SESSION_SIZE_UNKNOWN;

    if (outbound->parts ? outbound->complete && outbound->size != given : !known)
        return false;
    if ((known && (outbound->size > VARINT_MAX / 2 || given > outbound->size)) || outbound->sent > given)
        return false;
    if (standing == STANDS_PENDING && outbound->size > SESSION_SMALL && !outbound->parts)
        return false;
    if ((outbound->lossy && (!more || !more->extra)) || (outbound->fin_again && !outbound->complete))
        return false;
    if (standing == STANDS_PENDING && outbound->opened && outbound->sent && !more)
        return false;
    if (outbound->through && (!outbound->opened || (outbound->parts && !outbound->complete)))
        return false;
    while (more && range_set_next(&more->again, end, &first, &end))
        if (end > given + (first == 0 && end == 1))
            return false;
    return standing == STANDS_PENDING || outbound->opened;
}

static int place(struct session *session, struct outbound *outbound)
{
    struct outbound_more *more = outbound->more;
    int r = 0;

    if (more && more->lifetime)
        r = heap_set(&session->expiries, &more->expiry, more->stamp + more->lifetime);
    if (r == 0 && !outbound->opened && more && more->antecedent_count)
        r = antecedent_park(session, outbound);
    if (r == 1) {
        outbound->state = OUTBOUND_PARKED;
        return 0;
    }
    if (r < 0)
        return r;
    return outbound->opened ? schedule_message(session, outbound) : message_ready(session, outbound);
}

static void account(struct session *session, const struct outbound *outbound)
{
    uint64_t given = outbound->parts ? outbound->more->pieces.end : outbound->size;

    session->unsettled++;
    session->flows_open += outbound->counted;
    session->queued_bytes += outbound->parts ? outbound->more->pieces.end - outbound->more->pieces.released
                                             : outbound_weight(session, outbound);
    if (!outbound->through)
        session->unsent_bytes += given - outbound->sent;
}

static void move_message(const struct moving *moving, struct outbound *outbound, uint64_t *last)
{
    struct coder *coder = moving->coder;
    uint64_t standing = outbound ? standing_of(outbound) : 0, step = outbound ? outbound->id - *last : 0;
    bool pieced = outbound && is_pieced(outbound);
    uint64_t flags = outbound ? flags_of(outbound, standing == STANDS_PENDING && pieced && !outbound->parts) : 0;

    code_below(coder, &step, VARINT_MAX);
    code_below(coder, &standing, STANDINGS);
    code_below(coder, &flags, FLAGS);
    if (coder->reading && (step == 0 || *last + step >= moving->session->next_id))
        coder_fail(coder, -EBADMSG);
    if (!code_ok(coder) || (!outbound && !(outbound = record_make(moving, *last + step, flags))))
        return;
    *last += step;
    code_number(coder, &outbound->size);
    code_below(coder, &outbound->sent, VARINT_MAX + 1);
    code_byte(coder, &outbound->niceness);
    if (coder->reading) {
        outbound->class = outbound->niceness;
        pieced = outbound->parts;
        if (standing == STANDS_PENDING && !pieced && outbound->size > SESSION_SMALL)
            coder_fail(coder, -EBADMSG);
    }
    if (flags & MORE)
        move_more(moving, outbound);
    if (flags & EXTRA)
        move_extra(moving, outbound);
    if (standing == STANDS_PENDING || (flags & PARTS))
        move_payload(moving, outbound, pieced);
    if (!coder->reading || !code_ok(coder))
        return;
    /* Of what was sent in full nothing came along: it fills the queue no more than what was lent does. */
    outbound->copied = outbound->parts || standing == STANDS_PENDING;
    if (is_sound(outbound, (enum standing)standing)) {
        outbound->state = (uint8_t)(standing == STANDS_PENDING ? OUTBOUND_ENDED
                                    : standing == STANDS_SENT  ? OUTBOUND_SENT
                                                               : OUTBOUND_ASKED);
        account(moving->session, outbound);
    } else {
        coder_fail(coder, -EBADMSG);
    }
}

/* Antecedents may only be looked at when all are there. */
static void place_all(const struct moving *moving)
{
    struct session *session = moving->session;
    struct outbound_chunk *chunk;

    RB_FOREACH(chunk, outbound_tree, &session->chunks)
    for (unsigned i = 0; i < RECORDS; i++)
        if (chunk->records[i].state == OUTBOUND_ENDED)
            chunk->records[i].state = OUTBOUND_BLOCKED; /* for now: it is neither sent nor ended */
    RB_FOREACH(chunk, outbound_tree, &session->chunks)
    for (unsigned i = 0; i < RECORDS && code_ok(moving->coder); i++)
        if (chunk->records[i].state == OUTBOUND_BLOCKED && place(session, &chunk->records[i]) < 0)
            coder_fail(moving->coder, -ENOMEM);
}

void move_messages(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;
    uint64_t count = session->unsettled, last = 0;
    struct outbound_chunk *chunk;

    code_count(coder, &count, UINT64_MAX);
    if (coder->reading) {
        while (code_more(coder, &count))
            move_message(moving, NULL, &last);
        if (code_ok(coder))
            place_all(moving);
        return;
    }
    RB_FOREACH(chunk, outbound_tree, &session->chunks)
    for (unsigned i = 0; i < RECORDS; i++)
        if (chunk->records[i].state != OUTBOUND_FREE)
            move_message(moving, &chunk->records[i], &last);
}
