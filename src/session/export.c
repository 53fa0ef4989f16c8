/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session leaves this process and is taken up in another (docs/moving.md). What its strands had under way counts as lost,
 * here already, so that what is written is a session without strands; the peer finds out in the same way. The clock of the
 * wire goes on as it was: whatever the new host's says, stamps that the peer has, or gets, are on one scale.
 */
#include <string.h>

#include "session/export.h"
#include "session/ring.h"

#define FORMAT 1
#define TIME_MAX (INT64_MAX / 4)
#define MEMORY_MAX (UINT64_C(1) << 48)
#define SETTLE_MAX 8

void move_time(const struct moving *moving, int64_t *time)
{
    code_signed(moving->coder, time);
    if (moving->coder->reading && (*time > TIME_MAX || *time < -TIME_MAX))
        coder_fail(moving->coder, -EBADMSG);
    else if (moving->coder->reading && *time)
        *time += moving->shift;
}

void code_ring(struct coder *coder, uint8_t *ring, size_t capacity, uint64_t offset, uint64_t end)
{
    uint64_t size = end - offset;

    code_number(coder, &size);
    while (code_ok(coder) && offset < end) {
        size_t here = ring_piece(capacity, offset, end - offset);

        code_fixed(coder, ring + offset % capacity, here);
        offset += here;
    }
}

static void move_runs(const struct moving *moving, struct runs *runs)
{
    struct coder *coder = moving->coder;
    uint64_t count = runs->count;
    size_t at = runs->head;

    code_count(coder, &count, UNTOLD_MAX(moving->session) + BEFORE_GAPS);
    while (code_more(coder, &count)) {
        struct outcome_run run = coder->reading ? (struct outcome_run){0} : runs->items[at++];
        uint64_t cost = run.cost;

        code_number(coder, &run.first);
        code_number(coder, &run.count);
        code_below(coder, &cost, UINT32_MAX);
        code_byte(coder, &run.kind);
        if (!coder->reading || !code_ok(coder))
            continue;
        if (run.first > VARINT_MAX || run.count > VARINT_MAX || run.kind >= EXPIRE_KINDS)
            coder_fail(coder, -EBADMSG);
        else if (runs_add(moving->session->memory, runs, run.kind, run.first, run.count, cost) < 0)
            coder_fail(coder, -ENOMEM);
    }
}

/* ---- texts and states */

static char *move_text(const struct moving *moving, char *text)
{
    char copy[REASON_MAX + 1] = "";

    if (!moving->coder->reading && text)
        memcpy(copy, text, strnlen(text, REASON_MAX) + 1);
    code_text(moving->coder, copy, sizeof copy);
    return moving->coder->reading ? text_keep(moving->session, text, copy, strlen(copy)) : text;
}

static void move_refusals(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;
    const struct list *link = session->refusals.next;
    uint64_t count = session->refusal_count;

    code_count(coder, &count, UNTOLD_MAX(session));
    while (code_more(coder, &count)) {
        char reason[REASON_MAX + 1] = "";
        uint64_t id = 0;

        if (!coder->reading) {
            const struct refusal *refusal = container_of(link, struct refusal, link);
            id = refusal->id;
            memcpy(reason, refusal->reason, refusal->size);
            link = link->next;
        }
        code_number(coder, &id);
        code_text(coder, reason, sizeof reason);
        if (coder->reading && code_ok(coder) && refusal_add(session, id & VARINT_MAX, reason) < 0)
            coder_fail(coder, -ENOMEM);
    }
}

static uint8_t *move_body(const struct moving *moving, uint8_t *body, size_t *size, size_t allocate)
{
    const uint8_t *bytes;

    if (!moving->coder->reading) {
        code_put(moving->coder, body, *size);
        return body;
    }
    bytes = code_get(moving->coder, size);
    if (*size > SESSION_TELL_MAX) {
        coder_fail(moving->coder, -EBADMSG);
        *size = 0;
    }
    if (*size == 0)
        return NULL;
    body = memory_allocate(moving->session->memory, allocate ? allocate : *size);
    if (!body) {
        coder_fail(moving->coder, -ENOMEM);
        *size = 0;
        return NULL;
    }
    memcpy(body, bytes, *size);
    return body;
}

static void move_tells(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;

    if (!tells_of(session))
        coder_fail(coder, -ENOMEM);
    for (unsigned kind = 0; kind < SESSION_TELL_KINDS && code_ok(coder); kind++) {
        struct tell *tell = &session->tells->ours[kind];
        struct heard_tell *heard = &session->tells->heard[kind];
        size_t size = heard->body ? heard->size : 0;

        tell->body = move_body(moving, tell->body, &tell->size, 0);
        code_number(coder, &tell->serial);
        code_byte(coder, &tell->wanted);
        if (coder->reading && tell->wanted >= 1u << tell_parts(tell->size))
            coder_fail(coder, -EBADMSG);
        heard->body = move_body(moving, heard->body, &size, SESSION_TELL_MAX);
        code_number(coder, &heard->serial);
        code_number(coder, &heard->told);
        code_byte(coder, &heard->have);
        if (coder->reading && heard->have >= (1u << tell_parts(size)) - 1) /* then it would have been told */
            coder_fail(coder, -EBADMSG);
        heard->size = size;
        session->tells_wanted |= tell->wanted != 0;
    }
}

/* ---- numbers */

static void move_config(const struct moving *moving, struct session_config *config)
{
    struct coder *coder = moving->coder;
    uint64_t policy = config->policy;

    code_flag(coder, &config->opener);
    code_flag(coder, &config->survive);
    code_below(coder, &policy, SESSION_AGGREGATE + 1);
    config->policy = (enum session_policy)policy;
    code_fixed(coder, config->nonce, sizeof config->nonce);
    code_below(coder, &config->receive_memory, MEMORY_MAX);
    code_number(coder, &config->max_message);
    code_below(coder, &config->open_flows, UINT64_MAX / 4);
    code_number(coder, &config->send_queue);
    code_number(coder, &config->send_queue_messages);
    code_signed(coder, &config->keep_alive);
    code_signed(coder, &config->dead_after);
    if (config->keep_alive < 0 || config->keep_alive > TIME_MAX || config->dead_after < 0 ||
        config->dead_after > TIME_MAX)
        coder_fail(coder, -EBADMSG);
}

static void move_statistics(const struct moving *moving)
{
    struct session_statistics *s = &moving->session->statistics;
    uint64_t *const counters[] = {
        &s->messages_sent, &s->messages_received, &s->bytes_sent,      &s->bytes_received,   &s->partial,
        &s->acked,         &s->expired,           &s->failed,          &s->late_dropped,     &s->resent_bytes,
        &s->copied_bytes,  &s->frames_sent,       &s->frames_received, &s->duplicated_bytes, &s->suspicions,
        &s->stalls,
    };

    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        code_number(moving->coder, counters[i]);
    code_signed(moving->coder, &s->stall_time);
    code_signed(moving->coder, &s->stall_longest);
    if (moving->coder->reading)
        tail_restore(moving->session);
}

static void move_chances(const struct moving *moving)
{
    struct coder *coder = moving->coder;
    const struct list *link = moving->session->chances.next;
    uint64_t count = 0;

    for (const struct list *at = link; at != &moving->session->chances; at = at->next)
        count++;
    code_count(coder, &count, SESSION_CERTAIN);
    while (code_more(coder, &count)) {
        struct chance *chance = coder->reading ? NULL : container_of(link, struct chance, link);
        uint64_t probability = chance ? chance->probability : 0;

        code_below(coder, &probability, SESSION_CERTAIN + 1);
        if (coder->reading && code_ok(coder) &&
            (probability == 0 || !(chance = chance_of(moving->session, (uint32_t)probability))))
            coder_fail(coder, -EBADMSG);
        if (!code_ok(coder))
            return;
        code_below(coder, &chance->delivered, UINT64_MAX / SESSION_CERTAIN / 4);
        code_below(coder, &chance->missed, UINT64_MAX / SESSION_CERTAIN / 4);
        link = link->next;
    }
}

/* What the program keeps of what it got it may keep, but who takes the session up owes nothing for it. */
static uint64_t kept_cost(const struct session *session)
{
    uint64_t cost = 0;
    struct inbound *inbound;
    struct session_stream *stream;

    RB_FOREACH(inbound, inbound_tree, (struct inbound_tree *)(uintptr_t)&session->inbound)
    cost += inbound->cost;
    RB_FOREACH(stream, stream_tree, (struct stream_tree *)(uintptr_t)&session->streams)
    cost += stream->local ? 0 : MESSAGE_COST + BEFORE_FLOW_CREDIT;
    return session->held - cost;
}

static void move_credit(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;
    uint64_t grant = coder->reading ? 0 : session->grant + kept_cost(session);

    code_below(coder, &session->peer_flow_credit, VARINT_MAX + 1);
    code_below(coder, &session->peer_open_flows, VARINT_MAX + 1);
    code_number(coder, &session->peer_max_message);
    code_below(coder, &session->peer_gaps, VARINT_MAX + 1);
    code_below(coder, &session->credit, VARINT_MAX + 1);
    code_below(coder, &session->credit_used, VARINT_MAX + 1);
    code_below(coder, &session->credit_window, VARINT_MAX + 1);
    code_below(coder, &session->max_granted, VARINT_MAX + 1);
    code_below(coder, &session->grant_used, VARINT_MAX + 1);
    code_below(coder, &grant, VARINT_MAX + 1);
    if (!coder->reading)
        return;
    session->grant = grant;
    if (session->peer_gaps == 0 || session->grant < session->max_granted || session->grant_used > session->max_granted)
        coder_fail(coder, -EBADMSG);
    session->grant_wanted = session->grant > session->max_granted;
}

static void move_hello(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;

    code_flag(coder, &session->hello_sent);
    code_flag(coder, &session->hello_acked);
    code_fixed(coder, session->hello.nonce, sizeof session->hello.nonce);
    code_number(coder, &session->hello.max_message);
    session->hello_name = move_text(moving, session->hello_name);
    session->hello.name = session->hello_name ? session->hello_name : "";
    session->hello_received = true;
}

static void move_end(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;

    code_flag(coder, &session->closing);
    code_flag(coder, &session->closing_first);
    code_flag(coder, &session->peer_closed);
    code_flag(coder, &session->close_sent);
    code_flag(coder, &session->close_said);
    code_below(coder, &session->close_code, VARINT_MAX + 1);
    code_below(coder, &session->peer_close_code, VARINT_MAX + 1);
    session->close_reason = move_text(moving, session->close_reason);
    session->peer_close_reason = move_text(moving, session->peer_close_reason);
}

static void move_ids(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;

    code_below(coder, &session->next_id, VARINT_MAX);
    code_below(coder, &session->last_ordered, VARINT_MAX);
    code_below(coder, &session->next_stream, VARINT_MAX);
    code_below(coder, &session->next_strand, VARINT_MAX);
    code_below(coder, &session->state_serial, VARINT_MAX);
    code_below(coder, &session->highest, VARINT_MAX);
    if (coder->reading && (session->next_id == 0 || session->next_stream % 2 != !session->opener))
        coder_fail(coder, -EBADMSG);
    code_flag(coder, &session->lifetimes_seen);
    code_flag(coder, &session->want_write);
    code_ranges(coder, &session->strand_numbers, VARINT_MAX);
    code_ranges(coder, &session->settled, VARINT_MAX);
    code_ranges(coder, &session->undelivered, VARINT_MAX);
    code_ranges(coder, &session->failed, VARINT_MAX);
    code_ranges(coder, &session->streams_seen, VARINT_MAX);
    if (session->settled.count > BEFORE_GAPS || session->streams_seen.count > BEFORE_GAPS)
        coder_fail(coder, -EBADMSG);
}

/* The wire's clock is local time and this much; the peer's is local time and the offset. */
static void move_clock(const struct moving *moving)
{
    struct session *session = moving->session;
    struct coder *coder = moving->coder;

    code_signed(coder, &session->clock_shift);
    code_signed(coder, &session->offset);
    if (session->clock_shift > TIME_MAX || session->clock_shift < -TIME_MAX || session->offset > TIME_MAX ||
        session->offset < -TIME_MAX)
        coder_fail(coder, -EBADMSG);
    if (!coder->reading || !code_ok(coder))
        return;
    session->clock_shift -= moving->shift;
    session->offset -= moving->shift;
}

static void move_all(const struct moving *moving)
{
    move_hello(moving);
    move_end(moving);
    move_ids(moving);
    move_credit(moving);
    move_statistics(moving);
    move_chances(moving);
    move_tells(moving);
    move_runs(moving, &moving->session->outcomes);
    move_runs(moving, &moving->session->expires);
    move_runs(moving, &moving->session->resets);
    move_refusals(moving);
    move_messages(moving);
    move_streams(moving);
    move_inbounds(moving);
}

/* ---- out */

static void strands_cut(struct session *session)
{
    while (!list_empty(&session->strands) && !session->ended) {
        struct session_strand *strand = list_first(&session->strands, struct session_strand, link);

        session_bulk_done(strand);
        strands_again(strand);
        own_let_go(strand); /* where nothing comes of the export, it goes with all others */
        strand_remove(strand);
    }
}

/* What ended while a strand was sending from its memory is told before anything is written: nothing is sent any more. */
static int settle_all(struct session *session, int64_t now)
{
    for (unsigned i = 0; i < SETTLE_MAX; i++) {
        for (struct list *link = session->strands.next; link != &session->strands; link = link->next)
            session_bulk_done(container_of(link, struct session_strand, link));
        session_flush_events(session, now);
        if (session->ended)
            return -ENOTCONN;
        if (list_empty(&session->ending))
            return 0;
    }
    return -EBUSY; /* its program cancels in every handler */
}

/* Whatever was lent for messages is free again. */
static void cookies_return(struct session *session)
{
    struct outbound_chunk *chunk;

    RB_FOREACH(chunk, outbound_tree, &session->chunks)
    for (unsigned i = 0; i < RECORDS; i++) {
        struct outbound *outbound = &chunk->records[i];
        void *cookie = outbound->state != OUTBOUND_FREE && outbound->more ? outbound->more->cookie : NULL;

        if (!cookie)
            continue;
        outbound->more->cookie = NULL;
        session->handler->settled(session->user, outbound->id, cookie);
    }
}

int session_export_check(const struct session *session)
{
    return session->depth ? -EBUSY : session->ended ? -ENOTCONN : session->hello_received ? 0 : -EAGAIN;
}

int session_export(struct session *session, struct coder *coder, session_source_read *read, int64_t now)
{
    struct moving moving = {.coder = coder, .session = session, .read = read};
    uint64_t format = FORMAT;

    int r = session_export_check(session);
    if (r == 0)
        r = settle_all(session, now);
    if (r < 0)
        return r;
    strands_cut(session);
    if (session->ended)
        return -ENOMEM;
    code_number(coder, &format);
    move_config(&moving, &session->config);
    code_signed(coder, &now);
    move_clock(&moving);
    move_all(&moving);
    return coder->error;
}

void session_exported(struct session *session)
{
    session->ended = session->ended_told = true; /* nothing of it is done here any more */
    cookies_return(session);
}

bool session_is_strandless(const struct session *session)
{
    return list_empty(&session->strands);
}

/* ---- in */

static int import_into(struct moving *moving, int64_t elapsed, int64_t now, const struct session_config *given)
{
    struct session_config config = *given;
    struct coder *coder = moving->coder;
    uint64_t format = 0;
    int64_t then = 0;
    int r;

    code_number(coder, &format);
    if (code_ok(coder) && format != FORMAT)
        return -EPROTONOSUPPORT;
    move_config(moving, &config);
    code_signed(coder, &then);
    if (then > TIME_MAX || then < 0)
        coder_fail(coder, -EBADMSG);
    if (!code_ok(coder))
        return coder->error;
    uint64_t open_flows = config.open_flows;
    r = session_new(&config, now, &moving->session);
    if (r < 0)
        return r == -EINVAL ? -EBADMSG : r;
    moving->session->config.open_flows = open_flows;
    moving->shift = now - elapsed - then;
    move_clock(moving);
    moving->session->depth++; /* nothing is told before the caller is ready for it */
    move_all(moving);
    moving->session->depth--;
    if (code_ok(coder) && moving->session->ended)
        coder_fail(coder, -EBADMSG);
    return coder->error;
}

int session_import(const struct session_config *config, struct coder *coder, int64_t elapsed, int64_t now,
                   struct session **ret_session)
{
    struct moving moving = {.coder = coder};
    int r = elapsed < 0 || elapsed > TIME_MAX || now < 0 || now > TIME_MAX ? -EINVAL : 0;

    if (r == 0)
        r = import_into(&moving, elapsed, now, config);
    if (r < 0) {
        if (moving.session)
            session_free(moving.session);
        return r;
    }
    moving.session->stranded_told = moving.session->clock_moved = true;
    trim_arm(moving.session);
    *ret_session = moving.session;
    return 0;
}

bool session_is_opener(const struct session *session)
{
    return session->opener;
}

void session_peer_moved(struct session *session)
{
    session->sample_count = session->sample_next = 0;
    session->clock_moved = true;
}
