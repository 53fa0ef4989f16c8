/* SPDX-License-Identifier: Apache-2.0 */
/* A session's life, its strands, its time and its numbers. */
#include <string.h>

#include "session/scheduler.h"

#define OPEN_FLOWS 4096

static void lists_init(struct session *session)
{
    list_init(&session->strands);
    list_init(&session->unit_lanes);
    list_init(&session->held_units);
    list_init(&session->ending);
    list_init(&session->raising);
    list_init(&session->ready);
    list_init(&session->reserving);
    list_init(&session->crediting);
    list_init(&session->refusals);
    list_init(&session->stream_news);
    list_init(&session->graveyard);
    RB_INIT(&session->chunks);
    RB_INIT(&session->inbound);
    RB_INIT(&session->waiters);
    RB_INIT(&session->streams);
    list_init(&session->chances);
    heap_init(&session->expiries, session->memory);
    heap_init(&session->send_times, session->memory);
    range_set_init(&session->failed, session->memory);
    range_set_init(&session->settled, session->memory);
    range_set_init(&session->undelivered, session->memory);
    range_set_init(&session->streams_seen, session->memory);
    range_set_init(&session->strand_numbers, session->memory);
    schedule_init(session);
}

static void limits_init(struct session *session)
{
    const struct session_config *config = &session->config;
    session->peer_flow_credit = BEFORE_FLOW_CREDIT;
    session->peer_open_flows = BEFORE_OPEN_FLOWS;
    session->peer_max_message = UINT64_MAX;
    session->peer_gaps = BEFORE_GAPS;
    session->credit = session->credit_window = BEFORE_CREDIT;
    session->max_granted = session->grant = config->receive_memory / 2;
    session->reserve_pool = session->reserve_free = config->receive_memory / 2;
}

int session_new(const struct session_config *config, int64_t now, struct session **ret_session)
{
    if (config->receive_memory < 2 * BEFORE_CREDIT)
        return -EINVAL;
    struct session *session = memory_allocate_zero(config->memory, sizeof *session);
    if (!session)
        return -ENOMEM;
    session->memory = config->memory;
    session->handler = config->handler;
    session->user = config->user;
    session->config = *config;
    /* An honest peer's count may run behind ours while an EXPIRE is on its way: we tell half of what we bear. */
    session->config.open_flows = 2 * (config->open_flows ? config->open_flows : OPEN_FLOWS);
    session->opener = config->opener;
    session->now = now;
    session->next_id = 1;
    session->next_stream = config->opener ? 0 : 1;
    lists_init(session);
    limits_init(session);
    session->ask_again = NEVER;
    scheduler_review(session);
    *ret_session = session;
    return 0;
}

void session_free(struct session *session)
{
    const struct memory *memory = session->memory;
    inbound_free_all(session);
    while (!list_empty(&session->strands))
        strand_remove(list_first(&session->strands, struct session_strand, link));
    outbound_free_all(session);
    streams_free_all(session);
    schedule_free(session);
    chances_free(session);
    heap_free(&session->expiries);
    heap_free(&session->send_times);
    range_set_clear(&session->failed);
    range_set_clear(&session->settled);
    range_set_clear(&session->undelivered);
    range_set_clear(&session->streams_seen);
    range_set_clear(&session->strand_numbers);
    tells_free(session);
    copies_free(session);
    runs_free(memory, &session->outcomes);
    runs_free(memory, &session->expires);
    runs_free(memory, &session->sents);
    runs_free(memory, &session->resets);
    while (!list_empty(&session->refusals)) {
        struct refusal *refusal = list_first(&session->refusals, struct refusal, link);
        list_remove(&refusal->link);
        memory_release(memory, refusal, sizeof *refusal + refusal->size);
    }
    text_keep(session, session->hello_name, "", 0);
    text_keep(session, session->close_reason, "", 0);
    text_keep(session, session->peer_close_reason, "", 0);
    text_keep(session, session->end_reason, "", 0);
    memory_release(memory, session, sizeof *session);
}

bool session_early_waiting(const struct session *session)
{
    return schedule_replayable(session);
}

/* ---- time */

static void trim_check(struct session *session)
{
    if (session->trim_due > session->now || !session->trim_armed)
        return;
    session->trim_armed = session->unsettled > 0;
    session->trim_due = session->now + TRIM_DELAY;
    if (session->trim_armed)
        return;
    schedule_trim(session);
    if (session->outcomes.count == 0)
        runs_free(session->memory, &session->outcomes);
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (strand->ledger.count == 0)
            ledger_free(session, &strand->ledger);
    }
}

/* What a strand still sends from ends later. */
static bool ending_due(const struct session *session)
{
    for (const struct list *link = session->ending.next; link != &session->ending; link = link->next)
        if (!container_of(link, struct outbound, link)->pins)
            return true;
    return false;
}

static int64_t events_due(const struct session *session)
{
    bool pending = session->sents.count || session->told.count || ending_due(session) || session->useless_wanted ||
                   session->suspicion_news || (!list_empty(&session->ready) && !session->paused) ||
                   !list_empty(&session->stream_news) || (session->close_said && session->peer_closed);
    if (session->ended)
        return session->ended_told ? NEVER : session->now;
    return pending ? session->now : NEVER;
}

int64_t session_due(const struct session *session)
{
    int64_t due = events_due(session);
    if (session->ended)
        return due;
    const struct heap_node *expiry = heap_first(&session->expiries);
    if (expiry && expiry->key < due)
        due = expiry->key;
    const struct heap_node *sending = heap_first(&session->send_times);
    if (sending && sending->key < due)
        due = sending->key;
    if (session->limit_due < due)
        due = session->limit_due;
    if (session->ask_again < due)
        due = session->ask_again;
    if (session->outcomes.count && session->outcomes_due && session->outcomes_due < due)
        due = session->outcomes_due;
    if (session->trim_armed && session->trim_due < due)
        due = session->trim_due;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        int64_t strand = strand_due(container_of(link, struct session_strand, link));
        if (strand < due)
            due = strand;
    }
    return due;
}

void session_tick(struct session *session, int64_t now)
{
    session_enter(session, now);
    if (!session->ended) {
        struct list *link = session->strands.next, *next;
        for (; link != &session->strands && !session->ended; link = next) {
            next = link->next;
            strand_tick(container_of(link, struct session_strand, link));
        }
        if (session->outcomes_due <= now)
            session->outcomes_due = 0; /* they wait for room alone now */
        outbound_expire_due(session);
        send_times_due(session);
        if (session->ask_again <= now)
            session->ask_again = NEVER; /* likewise */
        if (session->limit_due <= now)
            session->limit_due = NEVER; /* the next look at what may be sent sets it again */
        trim_check(session);
    }
    session_leave(session);
}

/* ---- receiving */

void session_pause(struct session *session)
{
    session->paused = true;
}

void session_resume(struct session *session, int64_t now)
{
    session_enter(session, now);
    session->paused = false;
    struct inbound *inbound;
    RB_FOREACH(inbound, inbound_tree, &session->inbound)
    if (inbound_by_parts(inbound) && (inbound->gaps || inbound->consumed < inbound->got || inbound_is_whole(inbound)))
        deliver_when_ready(session, inbound);
    session_leave(session);
}

/* ---- numbers */

void trim_arm(struct session *session)
{
    if (session->trim_armed)
        return;
    session->trim_armed = true;
    session->trim_due = session->now + TRIM_DELAY;
}

void session_get_statistics(const struct session *session, struct session_statistics *ret_statistics)
{
    *ret_statistics = session->statistics;
    ret_statistics->queued_messages = session->unsettled;
    ret_statistics->queued_bytes = session->unsent_bytes;
    ret_statistics->held_bytes = session->held;
    ret_statistics->rtt = session->rtt;
    ret_statistics->clock_offset = session->offset;
}

uint64_t session_send_max(const struct session *session)
{
    return session->peer_max_message > VARINT_MAX ? VARINT_MAX : session->peer_max_message;
}

uint64_t session_receive_max(const struct session *session)
{
    return session->config.max_message ? session->config.max_message : VARINT_MAX;
}
