/* SPDX-License-Identifier: Apache-2.0 */
/* Strands of units (docs/protocol.md section 10): what goes into the next unit, what each carried, and its fate. */
#include <string.h>

#include "session/pull.h"

#define UNIT_MIN 1000

/* ---- records of units that have no fate yet */

static struct unit_record *record_at(struct unit_side *side, uint64_t number)
{
    if (number < side->base || number - side->base >= side->count)
        return NULL;
    return &side->records[(side->head + (uint32_t)(number - side->base)) & (side->capacity - 1)];
}

/* Before anything is written: noting it must not fail for want of a place. */
static int record_room(struct session_strand *strand)
{
    struct unit_side *side = strand->units;
    if (side->entries >= LEDGER_MAX || side->count >= LEDGER_MAX)
        return violation(strand->session, SESSION_CODE_LIMIT, "the peer does not acknowledge what it gets");
    if (side->count < side->capacity)
        return 0;
    uint32_t capacity = side->capacity ? side->capacity * 2 : 4;
    struct unit_record *grown = memory_allocate(strand->session->memory, capacity * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    for (uint32_t i = 0; i < side->count; i++)
        grown[i] = side->records[(side->head + i) & (side->capacity - 1)];
    memory_release(strand->session->memory, side->records, side->capacity * sizeof *grown);
    side->records = grown;
    side->capacity = capacity;
    side->head = 0;
    return 0;
}

/* Moves what the ledger holds into the record of the unit that was written. */
static int record_add(struct session_strand *strand, size_t size, uint64_t *ret_number)
{
    struct unit_side *side = strand->units;
    struct ledger *ledger = &strand->ledger;
    struct ledger_entry *entries = NULL;
    if (ledger->count) {
        entries = memory_allocate(strand->session->memory, ledger->count * sizeof *entries);
        if (!entries)
            return -ENOMEM;
        for (uint32_t i = 0; i < ledger->count; i++)
            entries[i] = ledger->entries[(ledger->head + i) & (ledger->capacity - 1)];
    }
    *ret_number = side->base + side->count++;
    *record_at(side, *ret_number) = (struct unit_record){entries, ledger->count, (uint32_t)size, true, false};
    side->entries += ledger->count;
    if (side->under_way++ == 0)
        strand_flies(strand);
    side->bytes_under_way += size;
    ledger->count = ledger->head = 0;
    return 0;
}

/* The unit's entries, which are the caller's now; the record is done with. NULL and 0: it has none, or no more. */
static struct ledger_entry *record_close(struct unit_side *side, uint64_t number, uint32_t *ret_count,
                                         uint32_t *ret_size)
{
    struct unit_record *record = record_at(side, number);
    *ret_count = *ret_size = 0;
    if (!record || !record->open)
        return NULL;
    struct ledger_entry *entries = record->entries;
    *ret_count = record->count;
    *ret_size = record->size;
    *record = (struct unit_record){0};
    side->entries -= *ret_count;
    side->under_way--;
    side->bytes_under_way -= *ret_size;
    while (side->count && !side->records[side->head].open) {
        side->head = (side->head + 1) & (side->capacity - 1);
        side->base++;
        side->count--;
    }
    return entries;
}

int units_lost(struct session_strand *strand)
{
    struct session *session = strand->session;
    struct unit_side *side = strand->units;
    int r = 0;
    for (uint64_t number = side->base, end = side->base + side->count; number < end; number++) {
        uint32_t count, size;
        struct ledger_entry *entries = record_close(side, number, &count, &size);
        for (uint32_t i = 0; i < count && r == 0; i++)
            r = entry_again(session, &entries[i]);
        memory_release(session->memory, entries, count * sizeof *entries);
    }
    return r;
}

void units_free(struct session_strand *strand)
{
    const struct memory *memory = strand->session->memory;
    struct unit_side *side = strand->units;
    if (!side)
        return;
    lanes_free(strand);
    strand->session->unit_strands--;
    for (uint64_t number = side->base, end = side->base + side->count; number < end; number++) {
        uint32_t count, size;
        struct ledger_entry *entries = record_close(side, number, &count, &size);
        memory_release(memory, entries, count * sizeof *entries);
    }
    memory_release(memory, side->records, side->capacity * sizeof *side->records);
    memory_release(memory, side, sizeof *side);
    strand->units = NULL;
}

size_t session_units_under_way(const struct session_strand *strand)
{
    return strand->units ? strand->units->under_way : 0;
}

/* ---- fates */

static bool outlives_the_end(const struct ledger_entry *entry)
{
    return entry->kind == LEDGER_CLOSE || entry->kind == LEDGER_ABORT || entry->kind == LEDGER_HELLO;
}

static void note_departure(struct session *session, const struct ledger_entry *entry, int64_t sent_at)
{
    bool message = entry->kind == LEDGER_RUN || entry->kind == LEDGER_LOSSY || entry->kind == LEDGER_PART;
    if (message && entry->flags & LEDGER_WANTED && session->handler->departed) /* without memory it is not told */
        runs_add(session->memory, &session->sents, 1, entry->id, (uint64_t)sent_at, 1);
}

void session_unit_fate(struct session_strand *strand, uint64_t number, bool acked, int64_t sent_at, int64_t now)
{
    struct session *session = strand->session;
    uint32_t count, size;
    int r = 0;
    uint64_t issued = strand->units->base + strand->units->count;
    session->now = now;
    struct ledger_entry *entries = record_close(strand->units, number, &count, &size);
    if (acked)
        strand->acked += size;
    if (acked && number < issued)
        strand_proved(strand);
    uint64_t resent = session->statistics.resent_bytes;
    for (uint32_t i = 0; i < count && r == 0; i++) {
        if (session->ended && !outlives_the_end(&entries[i]))
            continue;
        if (acked && sent_at)
            note_departure(session, &entries[i], sent_at);
        if (acked)
            entry_acked(session, &entries[i]);
        else
            r = entry_again(session, &entries[i]);
    }
    strand->resent += session->statistics.resent_bytes - resent;
    memory_release(session->memory, entries, count * sizeof *entries);
    if (r < 0)
        end_session(session, r, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
}

/* ---- units that nobody needs any more */

static bool entry_useless(struct session *session, const struct ledger_entry *entry)
{
    if (entry->kind == LEDGER_STREAM) {
        const struct session_stream *stream = stream_find(session, entry->id);
        return !stream || stream->reset;
    }
    if (entry->kind != LEDGER_RUN && entry->kind != LEDGER_PART && entry->kind != LEDGER_LOSSY)
        return false;
    uint64_t end = entry->kind == LEDGER_RUN ? entry->id + entry->size : entry->id + 1;
    for (uint64_t id = entry->id; id < end; id++) {
        const struct outbound *outbound = outbound_find(session, id);
        if (outbound && outbound->state != OUTBOUND_ENDED && outbound->state != OUTBOUND_ASKED)
            return false;
    }
    return true;
}

static bool record_useless(struct session *session, const struct unit_record *record)
{
    for (uint32_t i = 0; i < record->count; i++)
        if (!entry_useless(session, &record->entries[i]))
            return false;
    return record->count > 0;
}

void units_useless_check(struct session *session)
{
    if (!session->handler->unit_useless)
        return;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (strand->units && strand->units->under_way)
            session->useless_wanted = true;
    }
}

void units_tell_useless(struct session *session)
{
    session->useless_wanted = false;
    struct list *link = session->strands.next, *next;
    for (; link != &session->strands; link = next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        struct unit_side *side = strand->units;
        next = link->next;
        if (!side)
            continue;
        for (uint64_t number = side->base; number < side->base + side->count; number++) {
            struct unit_record *record = record_at(side, number);
            if (!record || !record->open || record->useless_told || !record_useless(session, record))
                continue;
            record->useless_told = true;
            session->handler->unit_useless(session->user, strand, number);
        }
    }
}

/* ---- pulling */

enum unit_kind unit_kind(const struct session_strand *strand, const struct outbound *outbound)
{
    const struct session_units *offer = &strand->units->offer;
    if (!outbound || !outbound->lossy || strand->early)
        return UNIT_RELIABLE;
    return offer->lossy_max ? UNIT_LOSSY : offer->gives_up ? UNIT_ALONE : UNIT_RELIABLE;
}

/* How the layers may give the unit up by themselves, which a lossy message has to itself. */
static void unit_reliability(struct session *session, uint64_t id, struct session_unit *unit)
{
    const struct outbound *outbound = outbound_find(session, id);
    const struct outbound_extra *extra = outbound ? outbound_extra(outbound) : NULL;
    if (!extra)
        return;
    if (outbound->more->lifetime) {
        int64_t left = outbound->more->stamp + outbound->more->lifetime - session->now;
        unit->lifetime = left > 0 ? left : 1;
    }
    if (extra->reliability != SESSION_UNTIL_LIFETIME)
        unit->resends = 0; /* whether it goes again is decided here, loss by loss */
}

bool session_unit_wanted(struct session_strand *strand, bool *ret_lossy)
{
    struct session *session = strand->session;
    struct chosen chosen;
    *ret_lossy = false;
    if (control_waiting(strand))
        return true;
    if (session->ended || !strand_asks(strand))
        return false;
    if (session->strand_count > 1 && strand_carries(strand) && copies_waiting(strand))
        return true;
    if (!schedule_choose(session, strand, &chosen)) {
        estimate_idle(strand);
        return false;
    }
    *ret_lossy = unit_kind(strand, chosen.message) == UNIT_LOSSY;
    return true;
}

int session_unit_pull(struct session_strand *strand, bool lossy, uint8_t *buffer, size_t capacity, int64_t now,
                      struct session_unit *ret_unit)
{
    struct session *session = strand->session;
    struct unit_side *side = strand->units;
    struct pull pull = {.session = session, .strand = strand, .begin = buffer, .at = buffer, .end = buffer + capacity};

    session->now = now;
    *ret_unit = (struct session_unit){.resends = -1};
    if (capacity < UNIT_MIN)
        return -EINVAL;
    *(lossy ? &side->lossy_room : &side->room) = capacity;
    pull.unit = true;
    pull.lossy = lossy;
    pull.class = CLASSES - 1;
    int r = record_room(strand);
    if (r == 0 && !lossy) {
        uint8_t *at = control_pull(strand, buffer, buffer + capacity);
        r = at ? 0 : -ENOMEM;
        if (at && at > buffer)
            pull.class = 0;
        pull.at = at ? at : buffer;
    }
    if (r == 0 && !session->ended && strand_asks(strand))
        r = pull_fill(&pull);
    estimate_pulled(strand, (uint64_t)(pull.at - buffer), pull.left);
    ret_unit->size = (size_t)(pull.at - buffer);
    ret_unit->class = (uint8_t)pull.class;
    if (pull.alone)
        unit_reliability(session, pull.alone, ret_unit);
    if (r == 0 && ret_unit->size)
        r = record_add(strand, ret_unit->size, &ret_unit->number);
    if (r < 0) {
        end_session(session, r, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
        ret_unit->size = 0;
    }
    return 0;
}
