/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an association: made, woken, timed, ended, freed. */
#include "association/association.h"

#include "association/bare.h"
#include "association/control.h"
#include "association/counters.h"
#include "association/crew.h"
#include "association/listener.h"
#include "association/properties.h"
#include "association/trace.h"
#include "association/gather.h"
#include "association/join.h"
#include "association/weave.h"
#include "layer/group.h"

/* ------------------------------------------------------------------------------------------ what a context keeps */

/* In a forked child this frees memory and closes descriptors; the layers see to it that the peer hears nothing. */
static void association_orphan(hawser_association *association)
{
    association_hold(association);
    association->silent = true;
    if (association->session && !association->ended) {
        session_abort(association->session, SESSION_CODE(SESSION_CODE_SHUTDOWN), "the program ended", -ECANCELED,
                      association_now(association));
        for (struct list *at = association->strands.next;
             at != &association->strands && loop_check(association->context) == 0; at = at->next)
            strand_write(container_of(at, struct strand, link));
    }
    if (association->bare && !association->ended && !bare_idle(association->bare))
        bare_abort(association->bare, -ECANCELED, "the program ended"); /* else what the system has may still arrive */
    association_finish(association);
    task_queue_free(association);
    association->context = NULL;
    association->all = NULL;
    association_let_go(association);
}

static void associations_release(void *value)
{
    struct associations *all = value;

    tasks_end(all);
    crews_end(all);
    while (!list_empty(&all->open))
        association_orphan(list_first(&all->open, hawser_association, link));
    gatherings_end(all);
    control_free(all);
    trace_free(all);
    home_end(all->home);
    batch_free(all);
    bare_spares_free(all);
    trusts_free(all);
    export_forget(all, NEVER);
    host_watch_free(all);
    hawser_identity_unref(all->identity);
    free(all);
}

int associations_of(hawser_context *context, struct associations **ret_all)
{
    struct associations *all = loop_part(context, LOOP_PART_ASSOCIATIONS);
    int r;

    if (!all) {
        all = calloc(1, sizeof *all);
        if (!all)
            return -ENOMEM;
        r = home_new(context, &all->home);
        if (r < 0) {
            free(all);
            return r;
        }
        all->context = context;
        list_init(&all->open);
        list_init(&all->listeners);
        list_init(&all->trusts);
        list_init(&all->tasks);
        list_init(&all->moved);
        list_init(&all->gatherings);
        list_init(&all->crews);
        list_init(&all->spares);
        loop_set_part(context, LOOP_PART_ASSOCIATIONS, all, associations_release);
    }
    *ret_all = all;
    return 0;
}

/* -------------------------------------------------------------------------------------------------- work and time */

static void association_rearm(hawser_association *association)
{
    int64_t due = close_due(association), woven = weave_due(association);

    due = woven < due ? woven : due;
    if (association->session && !association->ended) {
        int64_t other = session_due(association->session);

        due = other < due ? other : due;
    }
    if (association->bare && !association->ended) {
        int64_t other = bare_due(association->bare);

        due = other < due ? other : due;
    }
    if (due != NEVER)
        association_arm(association, due);
}

/* A timer that is due too early costs one look; moving it at every message would cost more. */
void association_arm(hawser_association *association, int64_t due)
{
    if (due >= association->timer_due)
        return;
    if (loop_timer_set(association->context, &association->timer, due) == 0)
        association->timer_due = due;
    else
        loop_defer_next(association->context, &association->deferred); /* no memory: look again */
}

static void association_fire(struct loop_timer *timer, int64_t now)
{
    hawser_association *association = container_of(timer, hawser_association, timer);

    association_hold(association);
    association->timer_due = NEVER;
    import_tell(association);
    if (association->session && !association->ended && session_due(association->session) <= now) {
        session_behind(association->session, loop_behind(association->context));
        session_tick(association->session, now);
    }
    if (association->bare && !association->ended)
        bare_tick(association->bare, now);
    association_wake(association);
    association_let_go(association);
}

/* A line that nobody has heard of, or that no other strand could prove itself to, is not kept; nor one whose peer never
 * said a word: he may have turned us away. */
static void association_strandless(hawser_association *association, const struct strand *last)
{
    association->strandless = false;
    if (association->stranded) /* it went ahead in vain: nothing is new */
        return;
    if (association->established && association->told && association->has_secret &&
        (session_peer_hello(association->session) || last->code == -ECANCELED))
        weave_stranded(association, last->code, last->reason);
    else
        close_now(association, SESSION_CODE(SESSION_CODE_NONE), last->reason, last->code);
}

static void association_sweep(hawser_association *association)
{
    for (struct list *at = association->strands.next, *next; at != &association->strands; at = next) {
        struct strand *strand = container_of(at, struct strand, link);

        next = at->next;
        if (!strand->dead)
            continue;
        units_drain(strand);
        /* What it has to say is said while the layers, whose words the reason is, still stand. */
        trace_strand_gone(strand);
        if (strand->session && !association->ended) {
            struct session_strand *lost = strand->session;

            strand->session = NULL; /* handlers that run now may ask about the strand */
            session_strand_lost(lost, strand->code, strand->reason, association_now(association));
        }
        if (association->strandless && !association->ended)
            association_strandless(association, strand);
        if (association->bare && !association->ended)
            bare_lost(association->bare, strand->code, strand->reason);
        if (!association->ended && !association->established && !association->told)
            close_told(association, strand->code, 0, false, strand->reason);
        weave_gone(association, strand);
        strand_free(strand);
        properties_share(association);
        association->path_changed = true;
        association->suspicion_changed = true; /* the last that was heard may be gone, or the only silent one */
    }
}

static void association_work(struct loop_deferred *deferred)
{
    hawser_association *association = container_of(deferred, hawser_association, deferred);

    association_hold(association);
    home_drain(association->all->home);
    open_begin(association);
    import_tell(association);
    close_requests(association);
    if (association->session)
        session_flush_events(association->session, association_now(association));
    if (association->bare)
        bare_work(association->bare);
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand->readable && strand->secured && !strand->ahead)
            strand_read(strand);
        strand_write(strand);
    }
    if (association->session)
        session_flush_events(association->session, association_now(association));
    if (association->bare)
        bare_work(association->bare);
    weave_measure(association);
    association_sweep(association);
    if (association->suspicion_changed) {
        association->suspicion_changed = false;
        weave_suspicion(association);
    }
    weave_work(association);
    trace_look(association);
    if (association->path_changed && association->told) {
        association->path_changed = false;
        event_raise(association, &(hawser_event){.type = HAWSER_PATHS_CHANGED});
    }
    close_work(association);
    tasks_news(association);
    if (association->open)
        association_rearm(association);
    association_let_go(association);
}

void association_wake(hawser_association *association)
{
    if (association->open && !list_linked(&association->deferred.link))
        loop_defer(association->context, &association->deferred);
}

/* ---------------------------------------------------------------------------------------------------------- life */

int association_new(hawser_context *context, hawser_association **ret_association)
{
    hawser_association *association;
    struct associations *all;
    int r;

    r = associations_of(context, &all);
    if (r < 0)
        return r;
    association = calloc(1, sizeof *association);
    if (!association)
        return -ENOMEM;
    if (!all->control_said)
        control_begin(all);
    association->number = ++all->made;
    association->context = context;
    association->all = all;
    list_append(&all->open, &association->link);
    list_init(&association->strands);
    list_init(&association->streams);
    list_init(&association->tasks);
    list_init(&association->queued);
    list_init(&association->waiting);
    loop_deferred_init(&association->deferred, association_work);
    loop_timer_init(&association->timer, association_fire);
    association->timer_due = NEVER;
    association->deadline = association->stranded_until = NEVER;
    association->began = association_now(association);
    association->open = true;
    association->holds = 1;
    loop_hold(context);
    if (all->trace)
        association_wake(association); /* listeners too: that they are there is told */
    *ret_association = association;
    return 0;
}

int association_check(const hawser_association *association)
{
    if (!association->context)
        return -ENOTCONN;
    return loop_check(association->context);
}

int64_t association_now(const hawser_association *association)
{
    return loop_now(association->context);
}

static void association_free(hawser_association *association)
{
    while (association->peer) {
        struct peer *older = association->peer->older;

        free(association->peer);
        association->peer = older;
    }
    hawser_properties_unref(association->properties);
    if (association->listener)
        group_unref(association->listener->group);
    free(association->listener);
    free(association->endpoint);
    free(association->end_reason);
    ways_free(association->ways);
    gnutls_memset(association->secret, 0, sizeof association->secret);
    gnutls_memset(&association->ours, 0, sizeof association->ours);
    gnutls_memset(&association->theirs, 0, sizeof association->theirs);
    free(association);
}

void association_hold(hawser_association *association)
{
    association->holds++;
}

void association_let_go(hawser_association *association)
{
    if (--association->holds == 0 && association->refs == 0)
        association_free(association);
}

void association_finish(hawser_association *association)
{
    if (!association->open)
        return;
    association->open = false;
    counters_over(association);
    open_free(association);
    weave_free(association);
    listener_forget(association);
    listener_close(association);
    find_remove_nonce(association);
    while (!list_empty(&association->strands))
        strand_free(list_first(&association->strands, struct strand, link));
    stream_handles_end(association);
    if (association->bare)
        bare_free(association->bare);
    if (association->session) {
        if (association->nonce_key)
            security_nonce_remove(association->context, session_peer_hello(association->session)->nonce,
                                  association->nonce_key);
        session_free(association->session);
        association->session = NULL;
    }
    receive_free(association);
    message_slots_free(association);
    trace_forget(association);
    find_remove(association);
    loop_timer_clear(association->context, &association->timer);
    loop_undefer(&association->deferred);
    list_remove(&association->link);
    association->secure = secure_unref(association->secure);
    if (association->parent)
        association_let_go(association->parent);
    association->parent = NULL;
    loop_release(association->context);
    association_let_go(association);
}

hawser_association *hawser_association_ref(hawser_association *association)
{
    if (association)
        association->refs++;
    return association;
}

hawser_association *hawser_association_unref(hawser_association *association)
{
    if (!association || --association->refs > 0)
        return NULL;
    association_hold(association);
    task_queue_free(association); /* what nobody took holds the association */
    if (association->open && association_check(association) == 0)
        close_background(association);
    association_let_go(association);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------- asking */

void hawser_association_set_user(hawser_association *association, void *user)
{
    association->user = user;
}

void *hawser_association_user(const hawser_association *association)
{
    return association->user;
}

hawser_context *hawser_association_context(const hawser_association *association)
{
    return association->context;
}

const char *hawser_association_endpoint(const hawser_association *association)
{
    return association->endpoint ? association->endpoint : "";
}

/* Of a bare line what TLS gives. Over hawser/1 it must stay the same when the first strand is gone, so it comes from what
 * that one gave once. */
int hawser_association_export_key(hawser_association *association, const char *label, uint8_t *ret_key, size_t size)
{
    int r;

    r = association_check(association);
    if (r < 0)
        return r;
    if (!label || !ret_key)
        return -EINVAL;
    return association->bare ? join_export_first(association, label, ret_key, size)
                             : join_export(association, label, ret_key, size);
}

char *text_copy(const char *text)
{
    return strdup(text ? text : "");
}
