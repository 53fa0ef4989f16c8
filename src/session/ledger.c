/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each strand carried and the peer has not acknowledged, so that it can be sent again elsewhere when the strand
 * dies. Runs of small messages share an entry.
 */
#include <string.h>

#include "session/internal.h"

static struct ledger_entry *entry_at(struct ledger *ledger, uint32_t index)
{
    return &ledger->entries[(ledger->head + index) & (ledger->capacity - 1)];
}

int ledger_make_room(struct session *session, struct ledger *ledger, uint32_t entries)
{
    if (ledger->count + entries > LEDGER_MAX)
        return violation(session, SESSION_CODE_LIMIT, "the peer does not acknowledge what it gets");
    uint32_t capacity = ledger->capacity ? ledger->capacity : 4;
    while (capacity - ledger->count < entries)
        capacity *= 2;
    if (capacity == ledger->capacity)
        return 0;
    struct ledger_entry *grown = memory_allocate(session->memory, capacity * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    for (uint32_t i = 0; i < ledger->count; i++)
        grown[i] = *entry_at(ledger, i);
    memory_release(session->memory, ledger->entries, ledger->capacity * sizeof *grown);
    ledger->entries = grown;
    ledger->capacity = capacity;
    ledger->head = 0;
    return 0;
}

/* Room was made before: noting what was written must not fail. strand->sent is the offset after the frame. */
void ledger_add(struct session_strand *strand, enum ledger_kind kind, uint8_t flags, uint64_t id, uint64_t offset,
                uint64_t size)
{
    struct ledger *ledger = &strand->ledger;
    if (kind == LEDGER_RUN && ledger->count && !flags) {
        struct ledger_entry *last = entry_at(ledger, ledger->count - 1);
        /* A run ends with the pull buffer, so that an acknowledgement frees it soon. */
        if (last->kind == LEDGER_RUN && !last->flags && last->id + last->size == id &&
            strand->sent - last->offset < 16384) {
            last->size += (uint32_t)size;
            last->end = strand->sent;
            return;
        }
    }
    if (kind == LEDGER_RUN)
        offset = strand->sent;
    *entry_at(ledger, ledger->count++) = (struct ledger_entry){
        .end = strand->sent,
        .id = id,
        .offset = offset,
        .size = (uint32_t)size,
        .kind = (uint8_t)kind,
        .flags = flags,
    };
}

int ledger_note(struct session_strand *strand, enum ledger_kind kind, uint64_t id)
{
    if (!strand->units)
        return 0;
    int r = ledger_make_room(strand->session, &strand->ledger, 1);
    if (r == 0)
        ledger_add(strand, kind, 0, id, 0, 0);
    return r;
}

static void stream_acked(struct session *session, const struct ledger_entry *entry)
{
    struct session_stream *stream = stream_find(session, entry->id);
    if (!stream)
        return;
    if (entry->size && pieces_acked(session->memory, &stream->pieces, &stream->acked, entry->offset,
                                    entry->offset + entry->size, stream->pins) < 0)
        return end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
    if (entry->flags & STREAM_FIRST)
        stream->first_acked = true;
    if (entry->flags & STREAM_LAST)
        stream->fin_acked = true;
    if (stream->again.count) /* came twice; cannot fail: it cuts off the beginning */
        range_set_remove(&stream->again, 0, stream->pieces.released);
    stream_room_check(stream);
    stream_ended_check(stream);
}

static void lossy_came(struct session *session, const struct ledger_entry *entry)
{
    struct outbound *outbound = outbound_find(session, entry->id);
    if (outbound && outbound->lossy)
        lossy_acked(session, outbound);
}

static bool entry_is_copy(const struct ledger_entry *entry)
{
    return (entry->kind == LEDGER_RUN || entry->kind == LEDGER_PART || entry->kind == LEDGER_STREAM) &&
           entry->flags & LEDGER_COPY;
}

void entry_acked(struct session *session, const struct ledger_entry *entry)
{
    if (entry->kind == LEDGER_LOSSY)
        lossy_came(session, entry);
    if (entry->kind == LEDGER_STREAM)
        stream_acked(session, entry);
    else if (entry->kind == LEDGER_HELLO)
        session->hello_acked = true;
    else if (entry->kind == LEDGER_PART) {
        outbound_acked(session, entry->id, entry->offset, entry->size);
        lossy_came(session, entry);
    }
}

void ledger_acked(struct session_strand *strand, uint64_t offset)
{
    struct session *session = strand->session;
    struct ledger *ledger = &strand->ledger;
    strand->acked = offset;
    while (ledger->count) {
        struct ledger_entry entry = *entry_at(ledger, 0);
        if (entry.end > offset)
            break;
        ledger->head = (ledger->head + 1) & (ledger->capacity - 1);
        ledger->count--;
        entry_acked(session, &entry);
    }
}

static int message_again(struct session *session, uint64_t id, const struct ledger_entry *part)
{
    struct outbound *outbound = outbound_find(session, id);
    if (outbound && outbound->lossy) {
        int again = lossy_lost(session, outbound, part);
        if (again <= 0)
            return again;
        if (part->kind == LEDGER_LOSSY)
            part = NULL;
    }
    if (!outbound || outbound->state == OUTBOUND_ASKED || outbound->state == OUTBOUND_ENDED)
        return 0;
    struct outbound_more *more = outbound->more;
    if (more && more->lifetime && outbound->through) {
        int64_t due = more->stamp + more->lifetime;
        int r = 0;
        if (due <= session->now && lossy_cut(session, outbound, &r))
            return r;
        if (due <= session->now)
            return outbound_ask(session, outbound, EXPIRE_EXPIRED, 1);
        r = heap_set(&session->expiries, &more->expiry, due);
        if (r < 0)
            return r;
    }
    if (!part) { /* whole in one frame: as if it had never been sent, but paid */
        session->statistics.resent_bytes += outbound->size;
        outbound->sent = 0;
        outbound->fin_sent = false;
    } else {
        if (part->size || part->offset == 0) {
            int r =
                range_set_add(&outbound->more->again, part->offset, part->offset + (part->size ? part->size : 1), NULL);
            if (r < 0)
                return r;
        }
        if (part->flags & DATA_LAST && !part->size)
            outbound->fin_again = true;
        session->statistics.resent_bytes += part->size;
    }
    unschedule_message(session, outbound);
    return schedule_message(session, outbound);
}

static int stream_again(struct session *session, const struct ledger_entry *entry)
{
    struct session_stream *stream = stream_find(session, entry->id);
    if (!stream || stream->reset)
        return 0;
    if (entry->size && entry->offset + entry->size > stream->pieces.released) {
        int r = range_set_add(&stream->again, entry->offset, entry->offset + entry->size, NULL);
        if (r < 0)
            return r;
    }
    if (entry->flags & STREAM_LAST && !stream->fin_acked)
        stream->fin_again = true;
    if (entry->flags & STREAM_FIRST && !stream->first_acked)
        stream->opened = false;
    session->statistics.resent_bytes += entry->size;
    stream_wake(stream);
    return 0;
}

/* What strands of units tell beside: the strands concerned are looked for, since any may have carried it. */
static void told_again(struct session *session, const struct ledger_entry *entry)
{
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (strand->number != entry->id)
            continue;
        if (entry->kind == LEDGER_ACK) {
            strand->ack_told = 0;
            strand->ack_wanted = strand->received > 0;
        } else if (entry->kind == LEDGER_PING) {
            strand->ping_wanted =
                strand->ping_wanted || strand->pinged || strand->vital.suspected || strand->estimate.srtt == 0;
        } else if (entry->kind == LEDGER_PONG) {
            strand->pong_wanted = true;
            strand->pong_due = 0;
        } else {
            strand->abort_sent = false;
        }
    }
}

int entry_again(struct session *session, const struct ledger_entry *entry)
{
    int r = 0;
    if (entry_is_copy(entry)) /* another strand answers for it */
        return 0;
    switch ((enum ledger_kind)entry->kind) {
    case LEDGER_RUN:
        for (uint64_t i = 0; i < entry->size && r == 0; i++)
            r = message_again(session, entry->id + i, NULL);
        return r;
    case LEDGER_LOSSY:
    case LEDGER_PART:
        return message_again(session, entry->id, entry);
    case LEDGER_STREAM:
        return stream_again(session, entry);
    case LEDGER_OUTCOME:
        if (entry->flags == OUTCOME_REFUSED) /* without its reason, which was not kept */
            return refusal_add(session, entry->id, "");
        return runs_add(session->memory, &session->outcomes, entry->flags, entry->id, entry->offset,
                        entry->flags == OUTCOME_PARTIAL);
    case LEDGER_EXPIRE:
        return runs_add(session->memory, &session->expires, entry->flags, entry->id, entry->offset, entry->size);
    case LEDGER_CREDIT:
        session->grant_wanted = true;
        return 0;
    case LEDGER_FLOW_CREDIT: {
        struct inbound *inbound = inbound_find(session, entry->id);
        if (inbound && !list_linked(&inbound->crediting))
            list_append(&session->crediting, &inbound->crediting);
        return 0;
    }
    case LEDGER_STREAM_CREDIT:
    case LEDGER_STREAM_RESET: {
        struct session_stream *stream = stream_find(session, entry->id);
        if (!stream && entry->kind == LEDGER_STREAM_RESET)
            return runs_add(session->memory, &session->resets, 0, entry->id, entry->offset, 1);
        if (!stream)
            return 0;
        bool *wanted = entry->kind == LEDGER_STREAM_CREDIT ? &stream->credit_wanted : &stream->reset_wanted;
        if (!*wanted)
            session->streams_wanting++;
        *wanted = true;
        return 0;
    }
    case LEDGER_HELLO:
        session->hello_sent = false;
        return 0;
    case LEDGER_CLOSE:
        session->close_sent = false;
        return 0;
    case LEDGER_TELL:
        tell_again(session, entry->id, entry->offset, entry->size);
        return 0;
    case LEDGER_STRAND:
        strand_state_again(session, entry->id);
        return 0;
    case LEDGER_ACK:
    case LEDGER_PING:
    case LEDGER_PONG:
    case LEDGER_ABORT:
        told_again(session, entry);
        return 0;
    }
    return 0;
}

int ledger_lost(struct session_strand *strand)
{
    struct ledger *ledger = &strand->ledger;
    int r = 0;
    if (strand->units)
        return units_lost(strand);
    for (uint32_t i = 0; i < ledger->count && r == 0; i++)
        r = entry_again(strand->session, entry_at(ledger, i));
    ledger->count = ledger->head = 0;
    return r;
}

void ledger_free(struct session *session, struct ledger *ledger)
{
    memory_release(session->memory, ledger->entries, ledger->capacity * sizeof *ledger->entries);
    *ledger = (struct ledger){0};
}
