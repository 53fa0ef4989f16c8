/* SPDX-License-Identifier: Apache-2.0 */
/* The frames that cost nothing and go before all payload: what ended, what is allowed, what has come. */
#include <string.h>

#include "session/internal.h"

#define LIST_MAX 4096 /* bytes of one OUTCOME or EXPIRE */

uint8_t *put_frame(uint8_t *at, uint64_t type, const uint64_t *values, unsigned count)
{
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        size += varint_size(values[i]);
    at = varint_put(varint_put(at, type), size);
    for (unsigned i = 0; i < count; i++)
        at = varint_put(at, values[i]);
    return at;
}

void sent_to(struct session_strand *strand, const uint8_t *from, const uint8_t *at)
{
    strand->sent += (uint64_t)(at - from);
    strand->session->statistics.frames_sent++;
}

/* ---- OUTCOME and EXPIRE */

struct written_run {
    uint64_t first, count;
};

/* One frame of as many runs of one kind in rising order as fit; they are taken out and noted in the ledger. */
static uint8_t *put_runs(struct session_strand *strand, struct runs *runs, enum frame_type type, uint8_t *at,
                         uint8_t *end)
{
    struct session *session = strand->session;
    enum ledger_kind ledger = type == FRAME_OUTCOME ? LEDGER_OUTCOME : LEDGER_EXPIRE;
    uint8_t body[LIST_MAX];
    size_t room = (size_t)(end - at) - 2 * VARINT_SIZE_MAX;
    uint8_t kind = runs->items[runs->head].kind, *to;
    uint64_t next = 0;
    uint32_t taken = 0;

    if (room > sizeof body)
        room = sizeof body;
    to = varint_put(body, kind);
    while (taken < runs->count) {
        const struct outcome_run *run = &runs->items[runs->head + taken];
        if (run->kind != kind || (next && run->first <= next) || run->cost ||
            (size_t)(to - body) + 2 * VARINT_SIZE_MAX > room)
            break;
        to = varint_put(to, next ? run->first - next - 1 : run->first);
        to = varint_put(to, run->count);
        next = run->first + run->count;
        taken++;
    }
    if (ledger_make_room(session, &strand->ledger, taken) < 0)
        return NULL;
    uint8_t *from = at;
    at = varint_put(varint_put(at, type), (uint64_t)(to - body));
    memcpy(at, body, (size_t)(to - body));
    at += to - body;
    sent_to(strand, from, at);
    for (uint32_t i = 0; i < taken; i++) {
        const struct outcome_run *run = &runs->items[runs->head + i];
        ledger_add(strand, ledger, kind, run->first, run->count, 0);
    }
    runs->head += taken;
    runs->count -= taken;
    return at;
}

/* Of a message that was taken with gaps: its id, and how many bytes are missing. */
static uint8_t *put_partial(struct session_strand *strand, struct runs *runs, uint8_t *at)
{
    const struct outcome_run *run = &runs->items[runs->head];
    if (ledger_make_room(strand->session, &strand->ledger, 1) < 0)
        return NULL;
    uint8_t *from = at;
    at = put_frame(at, FRAME_OUTCOME, (uint64_t[]){OUTCOME_PARTIAL, run->first, run->count}, 3);
    sent_to(strand, from, at);
    ledger_add(strand, LEDGER_OUTCOME, OUTCOME_PARTIAL, run->first, run->count, 0);
    runs->head++;
    runs->count--;
    return at;
}

/* An EXPIRE of a message that was opened tells what opening it took, and its size where that was all of it. */
static uint8_t *put_expire_opened(struct session_strand *strand, struct runs *runs, uint8_t *at)
{
    struct session *session = strand->session;
    const struct outcome_run *run = &runs->items[runs->head];
    if (ledger_make_room(session, &strand->ledger, 1) < 0)
        return NULL;
    uint8_t *from = at;
    if (run->kind >= EXPIRE_GIVEN_UP)
        at = put_frame(at, FRAME_EXPIRE, (uint64_t[]){run->kind, run->first, run->cost, run->count}, 4);
    else
        at = put_frame(at, FRAME_EXPIRE, (uint64_t[]){run->kind | EXPIRE_OPENED, run->first, run->cost}, 3);
    sent_to(strand, from, at);
    ledger_add(strand, LEDGER_EXPIRE, run->kind, run->first, run->count, run->cost);
    runs->head++;
    runs->count--;
    return at;
}

static uint8_t *put_all_runs(struct session_strand *strand, struct runs *runs, enum frame_type type, uint8_t *at,
                             uint8_t *end)
{
    while (at && runs->count && end - at >= 4 * SMALL_FRAME)
        at = !runs->items[runs->head].cost ? put_runs(strand, runs, type, at, end)
             : type == FRAME_OUTCOME       ? put_partial(strand, runs, at)
                                           : put_expire_opened(strand, runs, at);
    if (runs->count == 0)
        runs->head = 0;
    return at;
}

static uint8_t *put_refusals(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    while (!list_empty(&session->refusals)) {
        struct refusal *refusal = list_first(&session->refusals, struct refusal, link);
        size_t size = 1 + varint_size(refusal->id) + 1 + refusal->size;
        if ((size_t)(end - at) < size + SMALL_FRAME)
            return at;
        /* Sent again with its strand's loss it loses its reason, not its meaning. */
        if (ledger_make_room(session, &strand->ledger, 1) < 0)
            return NULL;
        uint8_t *from = at;
        at = varint_put(varint_put(at, FRAME_OUTCOME), size);
        at = varint_put(varint_put(varint_put(at, OUTCOME_REFUSED), refusal->id), 1);
        memcpy(at, refusal->reason, refusal->size);
        at += refusal->size;
        sent_to(strand, from, at);
        ledger_add(strand, LEDGER_OUTCOME, OUTCOME_REFUSED, refusal->id, 1, 0);
        list_remove(&refusal->link);
        session->refusal_count--;
        memory_release(session->memory, refusal, sizeof *refusal + refusal->size);
    }
    return at;
}

/* ---- credit */

static uint8_t *put_grant(struct session_strand *strand, uint8_t *at)
{
    struct session *session = strand->session;
    if (ledger_make_room(session, &strand->ledger, 1) < 0)
        return NULL;
    uint8_t *from = at;
    session->max_granted = session->grant;
    at = put_frame(at, FRAME_CREDIT, (uint64_t[]){session->max_granted}, 1);
    sent_to(strand, from, at);
    ledger_add(strand, LEDGER_CREDIT, 0, 0, 0, 0);
    session->grant_wanted = false;
    return at;
}

static uint8_t *put_flow_credits(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    while (!list_empty(&session->crediting) && end - at >= SMALL_FRAME) {
        struct inbound *inbound = list_first(&session->crediting, struct inbound, crediting);
        if (ledger_make_room(session, &strand->ledger, 1) < 0)
            return NULL;
        uint8_t *from = at;
        inbound->told = inbound->allowed;
        list_remove(&inbound->crediting);
        at = put_frame(at, FRAME_FLOW_CREDIT, (uint64_t[]){inbound->id, inbound->told}, 2);
        sent_to(strand, from, at);
        ledger_add(strand, LEDGER_FLOW_CREDIT, 0, inbound->id, 0, 0);
    }
    return at;
}

static uint8_t *put_stream_controls(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    struct session_stream *stream;
    RB_FOREACH(stream, stream_tree, &session->streams)
    {
        if (session->streams_wanting == 0 || end - at < 2 * SMALL_FRAME)
            break;
        if (!stream->credit_wanted && !stream->reset_wanted)
            continue;
        if (ledger_make_room(session, &strand->ledger, 2) < 0)
            return NULL;
        uint8_t *from = at;
        if (stream->credit_wanted) {
            stream->credit_wanted = false;
            session->streams_wanting--;
            stream->told = stream->allowed;
            at = put_frame(at, FRAME_STREAM_CREDIT, (uint64_t[]){stream->id, stream->told}, 2);
            sent_to(strand, from, at);
            ledger_add(strand, LEDGER_STREAM_CREDIT, 0, stream->id, 0, 0);
        }
        from = at;
        if (stream->reset_wanted) {
            stream->reset_wanted = false;
            session->streams_wanting--;
            at = put_frame(at, FRAME_STREAM_RESET, (uint64_t[]){stream->id, stream->reset_code}, 2);
            sent_to(strand, from, at);
            ledger_add(strand, LEDGER_STREAM_RESET, 0, stream->id, stream->reset_code, 0);
            stream_ended_check(stream);
        }
    }
    return at;
}

/* Resets of streams that are gone here, whose strand died before they were acknowledged. */
static uint8_t *put_resets(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    struct runs *resets = &session->resets;
    while (resets->count && end - at >= SMALL_FRAME) {
        const struct outcome_run *reset = &resets->items[resets->head];
        if (ledger_make_room(session, &strand->ledger, 1) < 0)
            return NULL;
        uint8_t *from = at;
        at = put_frame(at, FRAME_STREAM_RESET, (uint64_t[]){reset->first, reset->count}, 2);
        sent_to(strand, from, at);
        ledger_add(strand, LEDGER_STREAM_RESET, 0, reset->first, reset->count, 0);
        resets->head++;
        if (--resets->count == 0)
            resets->head = 0;
    }
    return at;
}

/* ---- acknowledging, asking, ending */

static bool ack_due(const struct session_strand *strand)
{
    return !strand->units && strand->received != strand->ack_told && (strand->ack_wanted || strand->ack_due != NEVER);
}

static uint8_t *put_acks(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *other = container_of(link, struct session_strand, link);
        if (!ack_due(other) || end - at < SMALL_FRAME)
            continue;
        uint8_t *from = at;
        other->ack_told = other->received;
        other->ack_wanted = other->elicited = false;
        other->ack_due = NEVER;
        at = put_frame(at, FRAME_ACK, (uint64_t[]){other->number, other->received}, 2);
        sent_to(strand, from, at);
        if (ledger_note(strand, LEDGER_ACK, other->number) < 0)
            return NULL;
    }
    return at;
}

static uint8_t *put_pings(struct session_strand *strand, uint8_t *at)
{
    struct session *session = strand->session;
    uint8_t *from = at;
    if (strand->ping_wanted) {
        strand->ping_wanted = false;
        at = put_frame(at, FRAME_PING, (uint64_t[]){(uint64_t)wire_time(session, session->now)}, 1);
        sent_to(strand, from, at);
        if (ledger_note(strand, LEDGER_PING, strand->number) < 0)
            return NULL;
    }
    from = at;
    if (strand->pong_wanted) {
        strand->pong_wanted = false;
        at = put_frame(at, FRAME_PONG,
                       (uint64_t[]){strand->pong_stamp, (uint64_t)wire_time(session, strand->pong_received),
                                    (uint64_t)wire_time(session, session->now)},
                       3);
        sent_to(strand, from, at);
        if (ledger_note(strand, LEDGER_PONG, strand->number) < 0)
            return NULL;
    }
    return at;
}

static uint8_t *put_end(struct session_strand *strand, uint8_t *at, uint8_t *end, enum frame_type type, uint64_t code,
                        const char *reason)
{
    size_t size = reason ? strlen(reason) : 0, body = varint_size(code) + size;
    if ((size_t)(end - at) < body + SMALL_FRAME)
        return at;
    if (ledger_make_room(strand->session, &strand->ledger, 1) < 0)
        return NULL;
    uint8_t *from = at;
    at = varint_put(varint_put(varint_put(at, type), body), code);
    if (size)
        memcpy(at, reason, size);
    at += size;
    sent_to(strand, from, at);
    if (type == FRAME_CLOSE)
        ledger_add(strand, LEDGER_CLOSE, 0, 0, 0, 0);
    return at;
}

static bool abort_due(const struct session_strand *strand)
{
    return strand->session->abort_wanted && !strand->abort_sent;
}

/* Of units the last ones wait for HELLO too, should that have been lost. */
static bool hello_due(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    return strand->units && !session->hello_sent && (session->abort_wanted || session->close_said);
}

static bool outcomes_waiting(const struct session *session)
{
    bool lazy = session->outcomes_due > session->now && session->outcomes.count <= OUTCOMES_LAZY && !session->closing &&
                !session->peer_closed;
    return session->outcomes.count && !lazy;
}

bool control_waiting(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    if (session->ended && strand->early)
        return false;
    if (session->ended && hello_due(strand))
        return true;
    if (session->ended)
        return abort_due(strand) || (!session->close_sent && session->peer_closed && session->end_code == 0);
    if (strand->early)
        return !session->hello_sent;
    if (strand->ping_wanted || (strand->pong_wanted && strand->pong_due <= session->now))
        return true;
    if (!strand_leads(strand))
        return false;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next)
        if (container_of(link, struct session_strand, link)->ack_wanted)
            return true;
    return !session->hello_sent || outcomes_waiting(session) || session->expires.count || session->grant_wanted ||
           !list_empty(&session->crediting) || session->streams_wanting || session->resets.count ||
           !list_empty(&session->refusals) || strand_states_waiting(session) || session->tells_wanted ||
           close_ready(session);
}

static uint8_t *put_hello(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    if (session->hello_sent)
        return at;
    if (ledger_make_room(session, &strand->ledger, 1) < 0)
        return NULL;
    uint8_t *from = at;
    at = hello_write(session, at, end);
    if (!at)
        return from;
    session->hello_sent = true;
    sent_to(strand, from, at);
    ledger_add(strand, LEDGER_HELLO, 0, 0, 0, 0);
    strand->ping_wanted = true; /* the first sample of the peer's clock */
    return at;
}

static uint8_t *put_close(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    uint8_t *after = put_end(strand, at, end, FRAME_CLOSE, session->close_code, session->close_reason);
    if (after && after != at) {
        session->close_sent = session->close_said = true;
        end_check(session);
    }
    return after;
}

static uint8_t *put_last(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    if (strand->early) /* early data has no word for it; after the handshake it is said */
        return at;
    if (hello_due(strand))
        at = put_hello(strand, at, end);
    if (!at)
        return at;
    if (abort_due(strand)) {
        uint8_t *after = put_end(strand, at, end, FRAME_ABORT, session->end_peer_code, session->end_reason);
        strand->abort_sent = true;
        return after && ledger_note(strand, LEDGER_ABORT, strand->number) == 0 ? after : NULL;
    }
    if (session->end_code == 0 && !session->close_sent && session->peer_closed)
        return put_close(strand, at, end);
    return at;
}

uint8_t *control_pull(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    if (session->ended)
        return put_last(strand, at, end);
    at = put_hello(strand, at, end);
    if (!at || strand->early)
        return at;
    at = put_pings(strand, at);
    if (!at || !strand_leads(strand))
        return at;
    if (session->states_due)
        at = strand_states_put(strand, at, end);
    if (at && session->tells_wanted)
        at = tells_put(strand, at, end);
    if (!at)
        return at;
    at = put_all_runs(strand, &session->outcomes, FRAME_OUTCOME, at, end);
    if (at)
        at = put_refusals(strand, at, end);
    if (at)
        at = put_all_runs(strand, &session->expires, FRAME_EXPIRE, at, end);
    bool all_told = session->outcomes.count == 0 && list_empty(&session->refusals);
    if (at && all_told && session->grant_wanted && end - at >= SMALL_FRAME)
        at = put_grant(strand, at);
    if (at)
        at = put_flow_credits(strand, at, end);
    if (at && session->streams_wanting)
        at = put_stream_controls(strand, at, end);
    if (at && session->resets.count)
        at = put_resets(strand, at, end);
    if (at)
        at = put_acks(strand, at, end);
    if (at && close_ready(session))
        at = put_close(strand, at, end);
    return at;
}
