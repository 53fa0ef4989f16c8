/* SPDX-License-Identifier: Apache-2.0 */
/* How a line ends: gracefully, at once, by the peer, in the background. */
#include "association/association.h"

#include "association/bare.h"
#include "association/weave.h"
#include "association/gather.h"
#include "association/trace.h"

#define CODE_MAX ((UINT64_C(1) << 62) - 1) /* a QUIC varint */

/* The session's last word; its last bytes have still to leave. */
void close_told(hawser_association *association, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    char *copy = strdup(reason ? reason : "");

    if (association->ended) {
        free(copy);
        return;
    }
    if (by_peer && peer_code >= REFUSED_WITH(0) && peer_code <= REFUSED_WITH(UINT32_MAX)) {
        code = -HAWSER_EREFUSED;
        peer_code -= REFUSED_WITH(0);
    }
    association->ended = true;
    association->code = code;
    association->end_code = peer_code;
    association->by_peer = by_peer;
    free(association->end_reason);
    association->end_reason = copy;
    association->deadline = association_now(association) + LINGER_READING;
    association_wake(association);
}

void close_now(hawser_association *association, uint64_t code, const char *reason, int local_code)
{
    if (association->ended)
        return;
    if (association->bare)
        bare_abort(association->bare, local_code, reason);
    if (association->session)
        session_abort(association->session, code, reason, local_code, association_now(association));
    close_told(association, local_code, code, false, reason); /* where the session did not */
}

bool close_is_asked(const hawser_association *association)
{
    return association->bare ? bare_closing(association->bare)
                             : association->session && session_closing(association->session);
}

/* hawser_close() before anything was sent or reached anybody has nothing to wait for. */
static bool close_is_idle(const hawser_association *association)
{
    struct session_statistics statistics;

    if (association->established || association->child)
        return false;
    if (association->bare)
        return bare_idle(association->bare);
    session_get_statistics(association->session, &statistics);
    return statistics.queued_messages == 0 && list_empty(&association->streams);
}

int hawser_close(hawser_association *association, uint64_t code, const char *reason)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (code > CODE_MAX)
        return -EINVAL;
    if (!association->open || association->ended)
        return -ENOTCONN;
    if (association->listener) {
        listener_close(association);
        close_told(association, 0, code, false, reason);
        return 0;
    }
    if (association->abort_wanted)
        return 0;
    if (close_is_asked(association) && association->deadline != NEVER)
        return 0;
    if (close_is_idle(association)) {
        association->abort_wanted = association->quiet_abort = true;
    } else {
        if (association->bare)
            bare_close(association->bare, code, reason);
        else
            session_close(association->session, code, reason);
        if (association->linger != NEVER)
            association->deadline = loop_after(association_now(association), association->linger);
    }
    association->end_code = code;
    association_wake(association);
    return 0;
}

int hawser_abort(hawser_association *association, uint64_t code, const char *reason)
{
    int r = association_check(association);
    char *copy;

    if (r < 0)
        return r;
    if (code > CODE_MAX)
        return -EINVAL;
    if (!association->open || association->ended)
        return -ENOTCONN;
    if (association->listener)
        return hawser_close(association, code, reason);
    if (association->abort_wanted)
        return 0;
    copy = text_copy(reason);
    if (!copy)
        return -ENOMEM;
    free(association->end_reason);
    association->end_reason = copy;
    association->end_code = code;
    association->abort_wanted = true;
    association_wake(association);
    return 0;
}

void close_background(hawser_association *association)
{
    if (association->ended) {
        association_wake(association);
        return;
    }
    (void)hawser_close(association, SESSION_CODE(SESSION_CODE_SHUTDOWN), "");
}

void close_requests(hawser_association *association)
{
    char *reason;

    if (association->resume_wanted && association->session) {
        association->resume_wanted = false;
        session_resume(association->session, association_now(association));
    }
    if (association->abort_wanted && !association->ended) {
        association->abort_wanted = false;
        reason = association->end_reason;
        association->end_reason = NULL;
        close_now(association, association->end_code, reason, association->quiet_abort ? 0 : -ECANCELED);
        free(reason);
    }
    if (!association->ended && association->deadline <= association_now(association) && close_is_asked(association))
        close_now(association, SESSION_CODE(SESSION_CODE_SHUTDOWN),
                  "what was queued did not leave in the time to linger", -ETIMEDOUT);
    if (list_linked(&association->waiting) && association->deadline <= association_now(association))
        listener_timeout(association);
}

static bool close_is_drained(const hawser_association *association)
{
    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        if (!strand_drained(container_of(at, struct strand, link)))
            return false;
    }
    return true;
}

static void close_raise(hawser_association *association)
{
    hawser_event event = {.type = HAWSER_CLOSED};
    const hawser_report *report;

    association->told_closed = true;
    trace_over(association, association->end_reason ? association->end_reason : "");
    event.closed.code = association->code;
    event.closed.peer_code = association->end_code;
    event.closed.by_peer = association->by_peer;
    event.closed.reason = association->end_reason ? association->end_reason : "";
    report = open_report(association);
    if (report) {
        event.closed.attempts = report->attempts;
        event.closed.attempt_count = report->attempt_count;
    }
    event_raise(association, &event);
    gather_over(association);
}

/* Once the session has ended: its last bytes, the news, the strands' end, and then nothing is left. */
void close_work(hawser_association *association)
{
    int64_t now;

    if (!association->ended || !association->open)
        return;
    now = association_now(association);
    if (!association->told_closed) {
        if (!close_is_drained(association) && now < association->deadline)
            return;
        close_raise(association);
        /* A reset must not overtake our last bytes, so the peer's end is awaited, but not for ever. */
        association->deadline = now + LINGER_READING;
    }
    open_free(association);
    weave_free(association); /* no other strand is worth anything */
    for (struct list *at = association->strands.next, *next; at != &association->strands; at = next) {
        struct strand *strand = container_of(at, struct strand, link);

        next = at->next;
        if (!strand->secured || now >= association->deadline)
            strand->dead = true;
        else
            strand_end(strand);
        /* Nothing that still comes resets what went, where it went in datagrams or, as over QUIC, was all acknowledged. */
        if (strand->dead || (strand->shut && association->bare &&
                             (bare_datagrams(association->bare) || bare_several(association->bare))))
            strand_free(strand);
    }
    if (list_empty(&association->strands))
        association_finish(association);
}

int64_t close_due(const hawser_association *association)
{
    if (association->ended || association->child || close_is_asked(association))
        return association->deadline;
    return NEVER;
}
