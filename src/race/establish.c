/* SPDX-License-Identifier: Apache-2.0 */
/* An establishment from its begin to its end: race/race.h says when, race/gather.c what, race/attempt.c how. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "race/internal.h"

int64_t establish_now(const struct establish *e)
{
    return loop_now(e->context);
}

void establish_wake(struct establish *e)
{
    if (!e->told && !list_linked(&e->work.link))
        loop_defer(e->context, &e->work);
}

/* How much a failure says of why the peer was not reached: who it is comes before whether it answered. */
static int weight(int code)
{
    switch (-code) {
    case HAWSER_EKEYCHANGED:
    case HAWSER_EKEYWRONG:
    case HAWSER_EWEAK:
    case HAWSER_EUNVERIFIED:
        return 4;
    case HAWSER_ENOTSPOKEN:
    case HAWSER_ETLS:
    case HAWSER_EFRAMER:
        return 3;
    case ECANCELED:
    case EINVAL:
        return 0;
    case HAWSER_EPROHIBITED: /* what was not tried, where something was */
    case ENETUNREACH:
        return 1;
    default:
        return 2;
    }
}

void establish_blame(struct establish *e, int code, const char *where, const char *reason)
{
    if (code >= 0 || (e->code != 0 && weight(code) < weight(e->code)))
        return;
    e->code = code;
    snprintf(e->reason, sizeof e->reason, "%s%s%s", where, *where ? ": " : "", reason ? reason : hawser_strerror(code));
}

/* ------------------------------------------------------------------------------------------------ the race's calls */

static int on_start(void *user, struct race_candidate *candidate)
{
    (void)user;
    return attempt_start(race_cookie(candidate));
}

static void on_stop(void *user, struct race_candidate *candidate, enum race_stop why)
{
    (void)user;
    attempt_stop(race_cookie(candidate), why);
}

/* Told at the end of this dispatch, since the race and an attempt are on the stack here. */
static void on_decided(void *user, struct race_candidate *winner, bool timed_out)
{
    struct establish *e = user;

    e->decided = true;
    e->timed_out = timed_out;
    e->winner = winner ? race_cookie(winner) : NULL;
    e->ended = establish_now(e);
    establish_wake(e);
}

static const struct race_handler race_calls = {.start = on_start, .stop = on_stop, .decided = on_decided};

/* ----------------------------------------------------------------------------------------------------------- work */

static void establish_tell(struct establish *e)
{
    struct attempt *winner = e->winner;
    struct layer *top = NULL;

    e->told = true;
    loop_timer_clear(e->context, &e->timer);
    establish_count(e);
    if (winner) {
        attempt_note(winner);
        for (struct list *at = e->attempts.next; at != &e->attempts; at = at->next)
            attempt_note_silent(container_of(at, struct attempt, link), winner);
        top = winner->top;
    } else if (e->code == 0) {
        establish_blame(e, e->timed_out ? -ETIMEDOUT : -HAWSER_ERESOLVE, "",
                        !e->timed_out        ? "nothing was found to try"
                        : e->place_count > 0 ? "nobody answered in time"
                                             : "the host name was not resolved in time");
    }
    if (winner) {
        e->told_top = top; /* for a report that done() may ask for */
        winner->top = NULL;
    }
    e->config.handler->done(e->config.user, winner, top, winner ? 0 : e->code, winner ? "" : e->reason);
}

static void kick_all(struct establish *e)
{
    for (struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        struct attempt *attempt = container_of(at, struct attempt, link);

        if (attempt->fresh)
            attempt_progress(attempt);
        if (e->decided)
            return;
    }
}

static void establish_fire(struct loop_timer *timer, int64_t now)
{
    struct establish *e = container_of(timer, struct establish, timer);

    (void)now;
    establish_wake(e);
}

static void establish_begin(struct establish *e)
{
    e->begun = true;
    if (policy_of(e->context, &e->policy) == 0)
        (void)gather_begin(e);
    else
        race_complete(e->race, establish_now(e));
}

static void establish_work(struct loop_deferred *work)
{
    struct establish *e = container_of(work, struct establish, work);
    int64_t due;

    if (!e->begun)
        establish_begin(e);
    while (!e->decided && race_due(e->race) <= establish_now(e))
        race_tick(e->race, establish_now(e));
    if (!e->decided)
        kick_all(e);
    if (e->decided) {
        if (!e->told)
            establish_tell(e); /* may free it */
        return;
    }
    due = race_due(e->race);
    if (due != RACE_NEVER)
        (void)loop_timer_set(e->context, &e->timer, due);
}

static void on_paths(struct paths_user *user)
{
    struct establish *e = container_of(user, struct establish, paths_user);

    if (e->begun && policy_of(e->context, &e->policy) == 0)
        gather_paths_changed(e);
}

static void on_history(struct history_user *user)
{
    struct establish *e = container_of(user, struct establish, history_user);

    if (policy_of(e->context, &e->policy) == 0)
        gather_history_read(e);
}

/* ----------------------------------------------------------------------------------------------------------- life */

static int make_parts(struct establish *e)
{
    const struct race_config race = {
        .memory = loop_memory(e->context),
        .handler = &race_calls,
        .user = e,
        .deadline = e->config.timeout > 0 ? loop_after(e->began, e->config.timeout) : RACE_NEVER,
        .attempt_delay = 0,
        .prefer_v4 = e->prefer_v4,
    };
    int r = race_new(&race, e->began, &e->race);

    if (r < 0)
        return r;
    paths_join(e->paths, &e->paths_user);
    return 0;
}

static int make_text(struct establish *e)
{
    char *at;
    size_t size = 1;

    for (unsigned i = 0; i < e->endpoint_count; i++)
        size += 2 + (size_t)endpoint_print(&e->sources[i].given.endpoint, NULL, 0);
    e->endpoint_text = at = calloc(1, size);
    if (!at)
        return -ENOMEM;
    for (unsigned i = 0; i < e->endpoint_count; i++) {
        at += snprintf(at, size - (size_t)(at - e->endpoint_text), "%s", i ? ", " : "");
        at += endpoint_print(&e->sources[i].given.endpoint, at, size - (size_t)(at - e->endpoint_text));
    }
    return 0;
}

/* Reading the system's anchors takes long: it goes beside the look-up of names, unless a ticket makes it needless. */
static void prepare_trust(const struct establish *e)
{
    const struct tls_config *first = NULL;
    bool secure = false;

    for (unsigned i = 0; i < e->plan_count; i++)
        secure |= e->plans[i].code == 0 && strncmp(e->plans[i].stack, "tls/", 4) == 0;
    for (unsigned i = 0; i < e->endpoint_count && secure; i++) {
        const struct tls_config *configs[] = {e->sources[i].given.session_tls, e->sources[i].given.bare_tls};
        for (size_t j = 0; j < 2; j++) {
            if (configs[j] && ticket_there(e->context, configs[j], SECURITY_OVER_BYTES))
                return;
            first = first ? first : configs[j];
        }
    }
    if (first)
        trust_prepare(first->trust);
}

static int establish_fill(struct establish *e, const struct establish_config *config, char *reason, size_t size)
{
    int r;

    e->config = *config;
    e->began = loop_now(e->context);
    e->endpoint_count = e->source_count = (unsigned)config->endpoint_count;
    for (unsigned i = 0; i < e->endpoint_count; i++) {
        e->sources[i].given = config->endpoints[i];
        endpoint_host(&config->endpoints[i].endpoint, e->sources[i].host, sizeof e->sources[i].host);
        (void)endpoint_service(&config->endpoints[i].endpoint, e->sources[i].service, sizeof e->sources[i].service);
    }
    e->config.endpoints = NULL;
    r = property_check(config->values, false, reason, size);
    if (r == 0)
        r = make_text(e);
    if (r == 0)
        r = policy_of(e->context, &e->policy);
    if (r == 0)
        r = history_of(e->context, &e->history);
    if (r == 0)
        r = paths_of(e->context, &e->paths);
    if (r == 0)
        r = proxies_make(e, reason, size);
    if (r < 0)
        return r;
    e->config.endpoints = &e->sources[0].given; /* the first, for plan.c */
    r = plans_make(e, reason, size);
    e->prefer_v4 =
        policy_on_family(e->policy, "ipv4") == HAWSER_PREFER || policy_on_family(e->policy, "ipv6") == HAWSER_AVOID;
    if (r < 0)
        return r;
    prepare_trust(e);
    return make_parts(e);
}

int establish_new(hawser_context *context, const struct establish_config *config, char *reason, size_t reason_size,
                  struct establish **ret_establish)
{
    struct establish *e;
    int r;

    *reason = '\0';
    if (config->endpoint_count == 0 || config->endpoint_count > ESTABLISH_ENDPOINTS_MAX)
        return -EINVAL;
    e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->context = context;
    list_init(&e->attempts);
    list_init(&e->paths_user.link);
    e->paths_user.changed = on_paths;
    list_init(&e->history_user.link);
    e->history_user.read = on_history;
    loop_timer_init(&e->timer, establish_fire);
    renew_init(e);
    loop_deferred_init(&e->work, establish_work);
    r = establish_fill(e, config, reason, reason_size);
    if (r < 0) {
        establish_free(e);
        return r;
    }
    *ret_establish = e;
    return 0;
}

void establish_start(struct establish *e)
{
    establish_wake(e);
}

void establish_free(struct establish *e)
{
    if (!e)
        return;
    e->told = e->decided = true;
    loop_undefer(&e->work);
    loop_timer_clear(e->context, &e->timer);
    if (list_linked(&e->paths_user.link))
        list_remove(&e->paths_user.link);
    if (list_linked(&e->history_user.link))
        list_remove(&e->history_user.link);
    while (!list_empty(&e->attempts))
        attempt_free(list_first(&e->attempts, struct attempt, link));
    gather_free(e);
    if (e->race)
        race_free(e->race);
    report_clear(e);
    free(e->endpoint_text);
    free(e);
}
