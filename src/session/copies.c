/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on two strands (docs/architecture.md, "Scheduling"). Small messages where the policy says so, at once; and the
 * tail: when a strand has nothing to do while the last bytes of something wait on a slower one, it carries a copy of them. A
 * copy is noted as one: when its strand dies nothing is sent again for it, since the first one is still answered for.
 * The receiver ignores what comes twice. No byte is copied twice.
 */
#include "session/pull.h"
#include "session/scheduler.h"

#define COPY_AGE 1000000 /* an older one is worth nothing */
#define SCARCE 16384     /* bytes that wait: then copies would take their place */
#define TAIL_MIN 65536   /* bytes of tails that may always be copied */
#define TAIL_SHARE 16    /* and so much of all that was sent: one in */
#define TAIL_LOOK 8      /* entries of a strand that are looked at, */
#define TAIL_PASS 512    /* beside those that were copied already */
#define TAIL_SLACK 10000 /* microseconds that a copy must win, beside half of the time */

void copies_free(struct session *session)
{
    memory_release(session->memory, session->copies, sizeof *session->copies);
}

/* ---- small messages */

bool copies_wanted(const struct session *session)
{
    return session->strand_count > 1 && session->scheduler == &scheduler_twice;
}

void copy_note(struct session_strand *strand, const struct outbound *outbound)
{
    struct session *session = strand->session;
    bool urgent = outbound->class < CLASS_NORMAL;
    if (!copies_wanted(session) || outbound->lossy || outbound->bound || outbound->source ||
        (!urgent && session->unsent_bytes > SCARCE))
        return;
    if (!session->copies)
        session->copies = memory_allocate_zero(session->memory, sizeof *session->copies);
    struct copies *copies = session->copies;
    if (!copies || copies->count == COPIES_MAX) /* it comes all the same */
        return;
    copies->items[(copies->head + copies->count++) % COPIES_MAX] =
        (struct copy){.id = outbound->id, .strand = strand->number, .at = session->now};
    session->ask_again = session->now; /* a strand that was asked before may have something now */
}

static bool copy_stands(struct session *session, const struct copy *copy)
{
    const struct outbound *outbound = outbound_find(session, copy->id);
    return outbound && outbound->state == OUTBOUND_SENT && session->now - copy->at < COPY_AGE;
}

/* The first that is worth sending and that this strand carries; what is worth nothing any more is dropped on the way. */
static struct copy *copy_next(struct session_strand *strand)
{
    struct session *session = strand->session;
    struct copies *copies = session->copies;
    while (copies && copies->count && !copy_stands(session, &copies->items[copies->head])) {
        copies->head = (copies->head + 1) % COPIES_MAX;
        copies->count--;
    }
    for (unsigned i = 0; copies && i < copies->count; i++) {
        struct copy *copy = &copies->items[(copies->head + i) % COPIES_MAX];
        const struct session_strand *other = strand_find(session, copy->strand);
        if (copy->strand != strand->number && copy_stands(session, copy) && other &&
            session->scheduler->copies(strand, other))
            return copy;
    }
    return NULL;
}

static void count_copy(struct pull *pull, uint64_t size)
{
    pull->strand->duplicated += size;
    pull->session->statistics.duplicated_bytes += size;
}

/* One message whole, as a copy. 1: done, 0: no room for it here. */
static int put_copy(struct pull *pull, struct outbound *outbound)
{
    struct session *session = pull->session;
    if (ledger_make_room(session, &pull->strand->ledger, 1) < 0 ||
        (outbound->size > COPY_MAX && !outbound_need_more(session, outbound)))
        return -ENOMEM;
    pull->copied = true;
    enum put put = put_whole(pull, outbound);
    pull->copied = false;
    if (put == PUT_FAILED)
        return -ENOMEM;
    if (put != PUT_DONE)
        return 0;
    ledger_add(pull->strand, LEDGER_RUN, LEDGER_COPY, outbound->id, 0, 1);
    count_copy(pull, outbound->size);
    if (outbound->class < pull->class)
        pull->class = outbound->class;
    return 1;
}

int copies_pull(struct pull *pull)
{
    struct copy *copy;
    while ((copy = copy_next(pull->strand))) {
        int r = put_copy(pull, outbound_find(pull->session, copy->id));
        if (r < 0)
            return r;
        if (r == 0 && pull->at != pull->begin)
            return 0;             /* in the next one */
        copy->at = INT64_MIN / 2; /* done, or too large for this strand */
    }
    return 0;
}

/* ---- the tail */

struct waiting { /* an entry of another strand whose bytes are waited for */
    struct session_strand *strand;
    struct ledger_entry *entry;
    uint64_t unit;
};

static uint64_t tail_most(const struct session *session)
{
    uint64_t share = session->statistics.bytes_sent / TAIL_SHARE;
    return share > TAIL_MIN ? share : TAIL_MIN;
}

static uint64_t tail_left(const struct session *session)
{
    uint64_t most = tail_most(session);
    return most > session->tail.bytes ? most - session->tail.bytes : 0;
}

/* Of an import, which knows what was copied in all: too few tails are copied rather than too many. */
void tail_restore(struct session *session)
{
    uint64_t most = tail_most(session), copied = session->statistics.duplicated_bytes;
    session->tail.bytes = copied < most ? copied : most;
}

static bool was_copied(const struct ledger_entry *entry)
{
    return entry->flags & (LEDGER_COPY | LEDGER_COPIED);
}

/* All of it was sent, so that nothing else can be done for it. */
static bool entry_waits(struct session *session, const struct ledger_entry *entry)
{
    if (was_copied(entry))
        return false;
    if (entry->kind == LEDGER_STREAM) {
        const struct session_stream *stream = stream_find(session, entry->id);
        return stream && !stream->reset && stream->sent == stream->pieces.end && entry->size &&
               entry->offset >= stream->pieces.released;
    }
    if (entry->kind != LEDGER_PART && entry->kind != LEDGER_RUN)
        return false;
    if (entry->kind == LEDGER_RUN && entry->size > 1)
        return true; /* looked at one by one */
    const struct outbound *outbound = outbound_find(session, entry->id);
    bool stands = outbound && outbound->state == OUTBOUND_SENT && !outbound->lossy && !outbound->bound &&
                  !(outbound->source && outbound->pins);
    return stands && (!outbound->parts || entry->offset >= outbound->more->pieces.released);
}

/* The strand is later with what it has than the idle one would be with a copy. */
static bool is_slower(const struct session_strand *slow, const struct session_strand *idle)
{
    if (slow->vital.suspected || slow->early)
        return false; /* what it had is elsewhere */
    int64_t theirs = estimate_arrival(slow, 0), own = estimate_arrival(idle, COPY_MAX);
    return slow->vital.late || theirs > 2 * own + TAIL_SLACK;
}

static bool in_ledger(struct session_strand *slow, struct waiting *waiting)
{
    struct ledger *ledger = &slow->ledger;
    unsigned looks = 0;
    for (uint32_t i = 0; i < ledger->count && i < TAIL_PASS && looks < TAIL_LOOK; i++) {
        struct ledger_entry *entry = &ledger->entries[(ledger->head + i) & (ledger->capacity - 1)];
        looks += !was_copied(entry);
        if (!entry_waits(slow->session, entry))
            continue;
        *waiting = (struct waiting){.strand = slow, .entry = entry};
        return true;
    }
    return false;
}

static bool in_units(struct session_strand *slow, struct waiting *waiting)
{
    struct unit_side *side = slow->units;
    unsigned looks = 0;
    for (uint32_t n = 0; n < side->count && n < TAIL_PASS && looks < TAIL_LOOK; n++) {
        struct unit_record *record = &side->records[(side->head + n) & (side->capacity - 1)];
        for (uint32_t i = 0; i < record->count; i++) {
            struct ledger_entry *entry = &record->entries[i];
            looks += !was_copied(entry);
            if (!entry_waits(slow->session, entry))
                continue;
            *waiting = (struct waiting){.strand = slow, .entry = entry, .unit = side->base + n};
            return true;
        }
    }
    return false;
}

static bool tail_find(const struct session_strand *idle, struct waiting *waiting)
{
    struct session *session = idle->session;
    if (!tail_left(session))
        return false;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *slow = container_of(link, struct session_strand, link);
        if (slow == idle || !is_slower(slow, idle))
            continue;
        if (slow->units ? in_units(slow, waiting) : in_ledger(slow, waiting))
            return true;
    }
    return false;
}

bool copies_waiting(struct session_strand *strand)
{
    struct waiting waiting;
    return copy_next(strand) || tail_find(strand, &waiting);
}

/* How far the entry's copy is; another entry begins at its beginning. */
static uint64_t tail_done(struct session *session, const struct waiting *waiting)
{
    struct tail *tail = &session->tail;
    if (tail->strand != waiting->strand->number || tail->unit != waiting->unit || tail->end != waiting->entry->end) {
        tail->strand = waiting->strand->number;
        tail->unit = waiting->unit;
        tail->end = waiting->entry->end;
        tail->done = 0;
    }
    return tail->done;
}

/* 1: as much as fits, *ret_size of it; 0: nothing fits here. */
static int tail_message(struct pull *pull, const struct ledger_entry *entry, uint64_t done, uint64_t *ret_size)
{
    struct session *session = pull->session;
    struct outbound *outbound = outbound_find(session, entry->id);
    struct outbound_more *more = outbound_need_more(session, outbound);
    if (!more)
        return -ENOMEM;
    uint64_t offset = entry->offset + done, left = entry->size - done;
    struct slice slice = {.offset = offset, .again = true, .first = offset == 0};
    slice.size = pull_room(pull, FRAME_HEAD_MAX + (slice.first ? sizeof(struct head) : 0), left);
    if (left && !slice.size)
        return 0;
    size_t here = 0;
    slice.bytes = slice.size ? outbound_bytes(session, outbound, offset, &here) : NULL;
    if (slice.size && (!slice.bytes || outbound->state != OUTBOUND_SENT))
        return 0;
    slice.size = slice.size < here ? slice.size : here;
    slice.last = !slice.first && offset + slice.size == outbound->size;
    pull->copied = true;
    enum put put = put_slice(pull, outbound, &slice, more->paid);
    pull->copied = false;
    if (put != PUT_DONE)
        return 0;
    uint8_t flags = (uint8_t)(LEDGER_COPY | (slice.last ? DATA_LAST : 0));
    ledger_add(pull->strand, LEDGER_PART, flags, entry->id, offset, slice.size);
    *ret_size = slice.size;
    return 1;
}

static int tail_stream(struct pull *pull, const struct ledger_entry *entry, uint64_t done, uint64_t *ret_size)
{
    struct session_stream *stream = stream_find(pull->session, entry->id);
    uint64_t offset = entry->offset + done, left = entry->size - done;
    size_t here = 0;
    struct slice slice = {.offset = offset, .size = pull_room(pull, FRAME_HEAD_MAX, left)};
    slice.bytes = pieces_at(&stream->pieces, offset, &here);
    if (!slice.size || !slice.bytes)
        return 0;
    slice.size = slice.size < here ? slice.size : here;
    slice.first = done == 0 && entry->flags & STREAM_FIRST;
    slice.last = slice.size == left && entry->flags & STREAM_LAST;
    pull->copied = true;
    enum put put = put_stream_slice(pull, stream, &slice);
    pull->copied = false;
    if (put != PUT_DONE)
        return 0;
    uint8_t flags = (uint8_t)(LEDGER_COPY | (slice.first ? STREAM_FIRST : 0) | (slice.last ? STREAM_LAST : 0));
    ledger_add(pull->strand, LEDGER_STREAM, flags, entry->id, offset, slice.size);
    *ret_size = slice.size;
    return 1;
}

/* One message of a run; those that ended meanwhile are passed over. */
static int tail_run(struct pull *pull, const struct ledger_entry *entry, uint64_t done, uint64_t *ret_size)
{
    struct outbound *outbound = outbound_find(pull->session, entry->id + done);
    *ret_size = 0;
    if (!outbound || outbound->state != OUTBOUND_SENT || outbound->lossy || outbound->bound)
        return 1;
    int r = put_copy(pull, outbound);
    if (r == 1)
        pull->session->tail.bytes += outbound->size;
    return r;
}

/* Copies on of one entry: 1 while there may be more. */
static int tail_step(struct pull *pull, struct waiting *waiting)
{
    struct session *session = pull->session;
    struct ledger_entry *entry = waiting->entry;
    uint64_t done = tail_done(session, waiting), size = 0, step;
    int r = ledger_make_room(session, &pull->strand->ledger, 1);
    if (r < 0)
        return -ENOMEM;
    r = entry->kind == LEDGER_RUN      ? tail_run(pull, entry, done, &size)
        : entry->kind == LEDGER_STREAM ? tail_stream(pull, entry, done, &size)
                                       : tail_message(pull, entry, done, &size);
    if (r < 0)
        return r;
    bool gives_up = r == 0 && pull->at == pull->begin;
    if (r == 0 && !gives_up)
        return 0;
    step = entry->kind == LEDGER_RUN ? 1 : size;
    session->tail.done += step;
    session->tail.bytes += size;
    count_copy(pull, size);
    if (gives_up || session->tail.done >= entry->size)
        entry->flags |= LEDGER_COPIED;
    return 1;
}

int tail_pull(struct pull *pull)
{
    struct waiting waiting;
    int r = 1;
    while (r == 1 && tail_find(pull->strand, &waiting))
        r = tail_step(pull, &waiting);
    return r < 0 ? r : 0;
}
