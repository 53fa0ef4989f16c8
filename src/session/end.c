/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a session ends, and the bracket around every call that may call back: what was collected is told when the
 * outermost one ends, so that handlers see a session at rest.
 */
#include <string.h>

#include "session/internal.h"

char *text_keep(struct session *session, char *old, const char *text, size_t size)
{
    if (old)
        memory_release(session->memory, old, strlen(old) + 1);
    if (size == 0)
        return NULL;
    char *copy = memory_allocate(session->memory, size + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

void end_session(struct session *session, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    if (session->ended)
        return;
    session->ended = true;
    session->end_code = code;
    session->end_peer_code = peer_code;
    session->end_by_peer = by_peer;
    session->end_reason = text_keep(session, session->end_reason, reason, strnlen(reason, REASON_MAX));
    if (code < 0 && !by_peer)
        session->abort_wanted = true;
}

bool close_ready(const struct session *session)
{
    return (session->closing || session->peer_closed) && !session->close_sent && session->unsettled == 0 &&
           session->expires.count == 0 && session->outcomes.count == 0 && list_empty(&session->refusals) &&
           streams_done(session);
}

void end_check(struct session *session)
{
    if (session->ended || !session->close_said || !session->peer_closed)
        return;
    bool ours = session->closing_first;
    const char *reason = ours ? session->close_reason : session->peer_close_reason;
    end_session(session, 0, ours ? session->close_code : session->peer_close_code, !ours, reason ? reason : "");
}

static void tell_end(struct session *session)
{
    const char *reason = session->end_reason ? session->end_reason : "";
    session->ended_told = true;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (!strand->pinned && !strand->pinned_stream)
            continue;
        session->handler->bulk_ends(session->user, strand);
        session_bulk_done(strand);
    }
    outbound_fail_all(session, session->end_code ? session->end_code : -HAWSER_ECLOSED,
                      session->end_code ? reason : "the line was closed");
    outbound_tell(session);
    struct inbound *inbound;
    while ((inbound = RB_MIN(inbound_tree, &session->inbound))) {
        uint64_t id = inbound->id;
        bool announced = inbound->announced;
        inbound_forget(session, inbound);
        if (announced)
            session->handler->abandoned(session->user, id, SESSION_FAILED);
    }
    streams_end(session, session->end_code == 0);
    stream_tell_news(session);
    session->handler->closed(session->user, session->end_code, session->end_peer_code, session->end_by_peer, reason);
}

static void tell_sents(struct session *session)
{
    struct runs *sents = &session->sents;
    while (sents->count) {
        struct outcome_run run = sents->items[sents->head++];
        if (--sents->count == 0)
            sents->head = 0;
        if (run.kind == 0)
            session->handler->sent(session->user, run.first, (int64_t)run.count);
        else
            session->handler->departed(session->user, run.first, (int64_t)run.count);
    }
}

void session_enter(struct session *session, int64_t now)
{
    session->now = now;
    session->depth++;
}

void session_leave(struct session *session)
{
    if (session->depth == 1) {
        tell_sents(session);
        if (session->useless_wanted)
            units_tell_useless(session);
        if (!session->ended)
            deliver_drain(session);
        outbound_finish_ending(session);
        outbound_tell(session);
        if (!session->ended)
            stream_tell_news(session);
        if (session->suspicion_news && !session->ended)
            suspicion_tell(session);
        end_check(session);
        if (session->ended && !session->ended_told)
            tell_end(session);
    }
    session->depth--;
}

void session_flush_events(struct session *session, int64_t now)
{
    session_enter(session, now);
    session_leave(session);
}

bool session_closing(const struct session *session)
{
    return session->closing || session->peer_closed || session->ended;
}

void session_close(struct session *session, uint64_t code, const char *reason)
{
    if (session->closing || session->ended)
        return;
    session->closing = true;
    session->closing_first = !session->peer_closed;
    session->close_code = code;
    reason = reason ? reason : "";
    session->close_reason = text_keep(session, session->close_reason, reason, strnlen(reason, REASON_MAX));
    streams_shut(session);
}

void session_abort(struct session *session, uint64_t code, const char *reason, int local_code, int64_t now)
{
    session_enter(session, now);
    end_session(session, local_code, code, false, reason ? reason : "");
    session_leave(session);
}
