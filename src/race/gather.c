/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering: names become addresses, addresses and paths and stacks become candidates, as they are learnt. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "race/internal.h"

/* An address that failed more than it worked, or that its name leads to no more, goes behind the others of its kind: it is never left out (peers.md, B 9). */
enum { PENALTY = 1, PRIORITY_BITS = 16 };

/* ------------------------------------------------------------------------------------------------------ candidates */

static enum race_family family_of(const struct layer_address *address)
{
    return address->address.ss_family == AF_INET6  ? RACE_FAMILY_V6
           : address->address.ss_family == AF_INET ? RACE_FAMILY_V4
                                                   : RACE_FAMILY_OTHER;
}

/* Our own protocols, as SVCB names them; a record that lists others only leads to nobody whom we could speak to. */
static bool alpn_speaks(const struct attempt *attempt)
{
    const struct found *found = &attempt->place->found;
    const struct establish_endpoint *given = &attempt->establish->sources[attempt->endpoint].given;
    const struct tls_config *tls = attempt->plan->session ? given->session_tls : given->bare_tls;

    if (!*found->alpn[0] || !found->no_default_alpn || !tls || !tls->alpn[0])
        return true;
    for (unsigned i = 0; i < RESOLVE_ALPN && *found->alpn[i]; i++)
        for (unsigned j = 0; j < sizeof tls->alpn / sizeof *tls->alpn && tls->alpn[j]; j++)
            if (strcmp(found->alpn[i], tls->alpn[j]) == 0)
                return true;
    return false;
}

static unsigned penalty_of(const struct attempt *attempt)
{
    struct establish *e = attempt->establish;
    struct history_record record;
    char address[TEXT_MAX] = "";
    const struct history_key key = {attempt->choice.network, e->sources[attempt->endpoint].service, address, NULL};

    if (attempt->place->round < e->sources[attempt->place->source].told)
        return PENALTY;
    if (!e->history_read)
        return 0;
    (void)endpoint_print_address(&attempt->place->found.address, address, sizeof address);
    history_recall(e->history, &key, &record);
    return record.failed > record.succeeded ? PENALTY : 0;
}

/*
 * Of a stack over UDP, which many networks drop: behind the others where it mostly failed of late. On a cellular path it
 * begins before those of its kind: addresses and rates change there, and a lost packet of one message shall not hold up
 * the others.
 */
static int datagram_rank(const struct attempt *attempt)
{
    struct establish *e = attempt->establish;
    struct history_record record;
    const struct history_key key = {attempt->choice.network, e->sources[attempt->endpoint].service, NULL,
                                    attempt->plan->stack};

    if (!attempt->plan->datagrams || e->config.stacks)
        return 0;
    if (e->history_read) {
        history_recall(e->history, &key, &record);
        if (record.failed > record.succeeded)
            return PLAN_BEHIND;
    }
    return strcmp(attempt->choice.type, "cellular") == 0 ? -PLAN_RANK_STEP : 0;
}

static void attempt_rank(const struct attempt *attempt, struct race_spec *spec)
{
    const struct place *place = attempt->place;
    unsigned priority = place->found.rank < (1u << PRIORITY_BITS) - 1 ? place->found.rank : (1u << PRIORITY_BITS) - 1;

    *spec = (struct race_spec){
        .path = attempt->choice.index,
        .stack = (unsigned)(attempt->plan - attempt->establish->plans),
        .path_rank = attempt->choice.rank,
        .stack_rank = attempt->plan->rank + datagram_rank(attempt),
        .path_delay = attempt->choice.delay_us,
        .stack_failover = attempt->plan->failover,
        .stack_delay = attempt->plan->delay,
        .priority = ((attempt->endpoint << PRIORITY_BITS) | priority) << 1 | penalty_of(attempt),
        .family = family_of(&place->found.address),
        .preference = place->preference,
        .cookie = (void *)attempt,
    };
}

static void attempt_skip(struct attempt *attempt, int code, const char *reason)
{
    attempt->over = true;
    attempt->start = attempt->end = establish_now(attempt->establish);
    attempt->outcome = HAWSER_ATTEMPT_SKIPPED;
    attempt->code = code;
    snprintf(attempt->reason, sizeof attempt->reason, "%s", reason);
    establish_blame(attempt->establish, code, attempt->remote, reason);
}

static void attempt_enter(struct attempt *attempt)
{
    struct establish *e = attempt->establish;
    int r;

    if (!alpn_speaks(attempt)) {
        attempt_skip(attempt, -HAWSER_ENOTSPOKEN, "the service's record names no protocol that is spoken here");
        return;
    }
    attempt_rank(attempt, &attempt->spec);
    r = race_add(e->race, &attempt->spec, &attempt->candidate);
    if (r < 0)
        attempt_skip(attempt, r, r == -E2BIG ? "there are too many candidates" : hawser_strerror(r));
}

/* What was in its way may have passed: its interface was away, or its name did not lead there. */
static bool may_be_tried_again(const struct attempt *attempt)
{
    return attempt->over && (attempt->code == -ENETDOWN || attempt->code == -HAWSER_ERESOLVE);
}

static bool attempt_exists(const struct establish *e, const struct place *place, const struct plan *plan,
                           unsigned endpoint, const struct path_choice *choice)
{
    for (const struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        const struct attempt *attempt = container_of(at, struct attempt, link);

        if (attempt->plan == plan && attempt->endpoint == endpoint && attempt->choice.index == choice->index &&
            attempt->place->found.address.size == place->found.address.size &&
            memcmp(&attempt->place->found.address.address, &place->found.address.address, place->found.address.size) ==
                0 &&
            !may_be_tried_again(attempt))
            return true;
    }
    return false;
}

/* Policy speaks of hosts, and endpoints may have several: what was asked for the first is asked for this one too. */
static bool policy_refuses(const struct establish *e, const struct attempt *attempt, char *reason, size_t size)
{
    const char *host = e->sources[attempt->endpoint].host;

    if (attempt->endpoint == 0)
        return false;
    if (!proxies_suit(e, attempt->endpoint, attempt->plan->proxy >= 0)) {
        snprintf(reason, size, "the policy demands another way to %.200s", host);
        return true;
    }
    return e->sources[attempt->place->source].proxy &&
           policy_on_interface(e->policy, attempt->choice.interface, attempt->choice.type, host, reason, size) ==
               HAWSER_PROHIBIT;
}

static void attempt_new(struct establish *e, const struct place *place, const struct plan *plan, unsigned endpoint,
                        const struct path_choice *choice)
{
    struct attempt *attempt;
    char reason[REASON_MAX] = "";

    if (place->gone || attempt_exists(e, place, plan, endpoint, choice) || e->decided)
        return;
    attempt = calloc(1, sizeof *attempt);
    if (!attempt) {
        establish_blame(e, -ENOMEM, "", hawser_strerror(-ENOMEM));
        return;
    }
    attempt->establish = e;
    attempt->place = place;
    attempt->plan = plan;
    attempt->endpoint = endpoint;
    attempt->choice = *choice;
    attempt->bare = plan->bare && !plan->session;
    attempt->layer = attempt->reached = "";
    snprintf(attempt->stack, sizeof attempt->stack, "%s", plan->stack);
    (void)endpoint_print_address(&place->found.address, attempt->remote, sizeof attempt->remote);
    if (choice->local.size)
        (void)endpoint_print_address(&choice->local, attempt->local, sizeof attempt->local);
    list_append(&e->attempts, &attempt->link);
    if (plan->code < 0)
        attempt_skip(attempt, plan->code, plan->reason);
    else if (!plan->any_address && plan->unix_socket != (family_of(&place->found.address) == RACE_FAMILY_OTHER))
        attempt_skip(attempt, -EINVAL, "this stack does not lead to this kind of address");
    else if (!choice->usable)
        attempt_skip(attempt, choice->code, choice->reason);
    else if (policy_refuses(e, attempt, reason, sizeof reason))
        attempt_skip(attempt, -HAWSER_EPROHIBITED, reason);
    else
        attempt_enter(attempt);
}

/* A stack that was named and does not fit is told; of the others there is nothing to say. */
static bool plan_fits(const struct establish *e, const struct plan *plan, const struct place *place)
{
    bool unix_address = place->found.address.address.ss_family == AF_UNIX;

    if (plan->unix_socket != unix_address && !e->config.stacks)
        return false;
    return e->sources[place->source].proxy ? plan->proxy == (int)place->source : plan->proxy < 0;
}

static void place_enter(struct establish *e, const struct place *place)
{
    bool proxy = e->sources[place->source].proxy;

    for (unsigned i = 0; i < e->plan_count; i++) {
        if (!plan_fits(e, &e->plans[i], place))
            continue;
        for (unsigned endpoint = 0; endpoint < e->endpoint_count; endpoint++) {
            if (proxy ? e->sources[endpoint].given.endpoint.kind == ENDPOINT_SERVICE : place->source != endpoint)
                continue;
            for (size_t j = 0; j < place->choice_count; j++)
                attempt_new(e, place, &e->plans[i], endpoint, &place->choices[j]);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------- places */

static void place_choose(struct establish *e, struct place *place)
{
    const struct endpoint *endpoint = &e->sources[place->source].given.endpoint;
    const struct path_wish wish = {
        .values = e->config.values,
        .interface = *endpoint->interface ? endpoint->interface : e->config.local_interface,
        .local = e->config.local,
        .host = e->sources[e->sources[place->source].proxy ? 0 : place->source].host,
    };

    place->choice_count = paths_choose(e->paths, &place->found.address, &wish, place->choices);
    if (place->choice_count == 0) {
        place->choices[0] = (struct path_choice){.code = -ENETUNREACH};
        snprintf(place->choices[0].reason, sizeof place->choices[0].reason, "no interface has a route to it");
        place->choice_count = 1;
    }
}

static struct place *place_find(const struct establish *e, const struct found *found, unsigned source)
{
    for (unsigned i = 0; i < e->place_count; i++) {
        struct place *place = e->places[i];

        if (place->source == source && place->found.address.size == found->address.size &&
            memcmp(&place->found.address.address, &found->address.address, found->address.size) == 0)
            return place;
    }
    return NULL;
}

/* One that is told again has what the records say of it now. */
static void place_put(struct establish *e, const struct found *found, unsigned source)
{
    struct place *place = place_find(e, found, source);

    if (place)
        place->round = e->sources[source].round;
    if (place) { /* two records may name one address: the better one counts */
        if (place->gone || found->rank < place->found.rank)
            place->found = *found;
        place->fresh |= place->gone;
        place->gone = false;
        return;
    }
    if (e->place_count == PLACES_MAX || !(place = calloc(1, sizeof *place)))
        return;
    place->found = *found;
    place->source = source;
    place->round = e->sources[source].round;
    place->fresh = true;
    place_choose(e, place);
    e->places[e->place_count++] = place;
}

/* The order of RFC 6724 depends on all that is known: learnt anew with each address. */
static void places_sort(struct establish *e)
{
    struct layer_address addresses[PLACES_MAX];
    unsigned order[PLACES_MAX];

    if (e->place_count < 2)
        return;
    for (unsigned i = 0; i < e->place_count; i++)
        addresses[i] = e->places[i]->found.address;
    paths_sort(e->paths, addresses, e->place_count, order);
    for (unsigned i = 0; i < e->place_count; i++)
        e->places[i]->preference = order[i];
}

/* What is remembered is looked at once there is a choice, or it is there already: a single candidate waits for no disk. */
static void history_begin(struct establish *e)
{
    const struct history_key key = {e->places[0]->choices[0].network, e->sources[0].service, NULL, NULL};
    struct history_record record;

    if (e->history_read || !(race_candidate_at(e->race, 1) || history_ready(e->history, key.service)))
        return;
    e->history_read = true;
    history_recall(e->history, &key, &record);
    if (record.rtt_us > 0)
        race_set_attempt_delay(e->race, race_delay_for_rtt(record.rtt_us));
    else if (policy_attempt_delay(e->policy) > 0)
        race_set_attempt_delay(e->race, policy_attempt_delay(e->policy));
}

/* Those that have not begun take the place that they have now. */
static void rank_again(struct establish *e)
{
    for (struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        struct attempt *attempt = container_of(at, struct attempt, link);
        struct race_spec spec;

        if (!attempt->candidate || attempt->over || race_running(attempt->candidate))
            continue;
        attempt_rank(attempt, &spec);
        if (spec.priority == attempt->spec.priority && spec.preference == attempt->spec.preference &&
            spec.path_rank == attempt->spec.path_rank)
            continue;
        if (race_withdraw(e->race, attempt->candidate) < 0)
            continue;
        attempt->candidate = NULL;
        attempt_enter(attempt);
    }
}

static void places_add(struct establish *e, const struct found *found, size_t count, unsigned source)
{
    unsigned before = e->place_count;

    for (size_t i = 0; i < count; i++)
        place_put(e, &found[i], source);
    e->sources[source].found |= e->place_count > before;
    places_sort(e);
    for (unsigned i = 0; i < e->place_count; i++) {
        if (e->places[i]->fresh)
            place_enter(e, e->places[i]);
        e->places[i]->fresh = false;
    }
    if (e->place_count > 0)
        history_begin(e);
    rank_again(e);
}

/* What a hint said and no address record: those that have not begun are dropped, the others may go on. */
static void places_drop_gone(struct establish *e)
{
    for (struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        struct attempt *attempt = container_of(at, struct attempt, link);

        if (!attempt->place->gone || !attempt->candidate || attempt->over || race_running(attempt->candidate) ||
            race_withdraw(e->race, attempt->candidate) < 0)
            continue;
        attempt->candidate = NULL;
        attempt_skip(attempt, -HAWSER_ERESOLVE, "the address was a hint that did not come true");
    }
}

/* --------------------------------------------------------------------------------------------------------- sources */

static void gather_complete(struct establish *e)
{
    for (unsigned i = 0; i < e->source_count; i++)
        if (e->sources[i].resolution && e->sources[i].round == 0)
            return;
    e->complete = true;
    race_complete(e->race, establish_now(e));
}

/* All that was found so far failed lately, so that a better answer is worth the resolution delay. */
static bool all_failed_lately(const struct establish *e)
{
    bool some = false;

    for (const struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        const struct attempt *attempt = container_of(at, struct attempt, link);

        if (!attempt->candidate || attempt->over)
            continue;
        if (penalty_of(attempt) == 0)
            return false;
        some = true;
    }
    return some;
}

/* What is remembered may be worth it too, when it comes in a moment. */
static bool history_is_coming(const struct establish *e)
{
    return list_linked(&e->history_user.link) && !e->history_read && !history_ready(e->history, e->sources[0].service);
}

/* A question counts as answered once nobody waits for an answer of its kind. */
static void answered_all(struct establish *e, struct source *source, unsigned questions)
{
    unsigned still = 0;

    source->waiting &= ~questions;
    for (unsigned i = 0; i < e->source_count; i++)
        still |= e->sources[i].waiting;
    e->held |= questions;
    if ((still && (history_is_coming(e) || all_failed_lately(e))) || !(e->held & ~still))
        return;
    race_answered(e->race, e->held & ~still, establish_now(e));
    e->held &= still;
}

bool gather_answer(struct source *source, const struct resolve_answer *answer)
{
    struct establish *e = source->establish;
    unsigned index = (unsigned)(source - e->sources);

    if (policy_of(e->context, &e->policy) < 0)
        return false;
    report_lookup(e, &answer->lookup);
    for (size_t i = 0; i < answer->gone_count; i++) {
        struct place *place = place_find(e, &answer->gone[i], index);

        if (place && place->found.rank == answer->gone[i].rank)
            place->gone = true;
    }
    places_add(e, answer->found, answer->found_count, index);
    places_drop_gone(e);
    return true;
}

static void source_answered(void *user, const struct resolve_answer *answer)
{
    struct source *source = user;
    struct establish *e = source->establish;

    if (answer->code < 0 && !source->found)
        establish_blame(e, answer->code, "", answer->reason);
    if (!gather_answer(source, answer))
        return;
    /* While a name has led nowhere, its negative answers are no reason to start with what ranks behind it. */
    source->held |= answer->questions;
    if (source->found || answer->last) {
        answered_all(e, source, source->held);
        source->held = 0;
    }
    if (answer->last) {
        source->resolution = NULL;
        answered_all(e, source, source->waiting);
        gather_complete(e);
    }
    establish_wake(e);
}

void gather_history_read(struct establish *e)
{
    if (e->decided || e->place_count == 0)
        return;
    history_begin(e);
    rank_again(e);
    answered_all(e, &e->sources[0], 0);
    establish_wake(e);
}

static bool is_web(const struct establish_endpoint *given)
{
    const struct tls_config *tls = given->bare_tls;

    for (unsigned i = 0; tls && i < sizeof tls->alpn / sizeof *tls->alpn && tls->alpn[i]; i++)
        if (strcmp(tls->alpn[i], "h2") == 0 || strncmp(tls->alpn[i], "http/1", 6) == 0)
            return true;
    return false;
}

struct resolve_config gather_question(struct source *source,
                                      void (*answered)(void *user, const struct resolve_answer *answer))
{
    const struct establish *e = source->establish;

    return (struct resolve_config){
        .endpoint = &source->given.endpoint,
        .timeout_us = e->config.timeout,
        .https = !source->proxy && is_web(&source->given),
        .families = paths_families(e->paths),
        .answered = answered,
        .user = source,
    };
}

static int source_resolve(struct establish *e, struct source *source)
{
    const struct resolve_config config = gather_question(source, source_answered);
    unsigned families = config.families;
    int r;

    if (!source->proxy)
        history_prepare(e->history, source->service); /* on the worker, while the name servers are asked */
    if (!source->proxy && !list_linked(&e->history_user.link) && !history_ready(e->history, source->service))
        history_join(e->history, &e->history_user);
    source->asked_at = establish_now(e);
    source->waiting = (families ? families : RACE_V6 | RACE_V4) | (config.https ? RACE_SERVICE : 0u);
    race_ask(e->race, source->waiting);
    r = resolve_start(e->context, &config, &source->resolution);
    if (r < 0) {
        establish_blame(e, r, "", hawser_strerror(r));
        answered_all(e, source, source->waiting);
    }
    return r;
}

/* A way that leads through proxies alone needs no address of the peer's: the proxy looks the name up. */
static bool source_needed(const struct establish *e, unsigned index)
{
    bool proxy = e->sources[index].proxy;

    for (unsigned i = 0; i < e->plan_count; i++)
        if (e->plans[i].code == 0 && (proxy ? e->plans[i].proxy == (int)index : e->plans[i].proxy < 0))
            return true;
    return false;
}

int gather_begin(struct establish *e)
{
    for (unsigned i = 0; i < e->source_count; i++) {
        struct source *source = &e->sources[i];
        const struct endpoint *endpoint = &source->given.endpoint;
        struct found found = {.address = endpoint->address, .expires = INT64_MAX};

        source->establish = e;
        if (!source_needed(e, i))
            continue;
        if (endpoint->kind == ENDPOINT_HOST || endpoint->kind == ENDPOINT_SERVICE) {
            source->named = true;
            (void)source_resolve(e, source);
            continue;
        }
        (void)endpoint_print_address(&endpoint->address, found.target, sizeof found.target);
        places_add(e, &found, 1, i);
    }
    gather_complete(e);
    renew_begin(e);
    return 0;
}

/* ----------------------------------------------------------------------------------------- paths that come and go */

static bool place_has(const struct place *place, unsigned index)
{
    for (size_t i = 0; i < place->choice_count; i++)
        if (place->choices[i].usable && place->choices[i].index == index)
            return true;
    return false;
}

/* Its path is no more: what runs over it cannot go on, what has not begun will not. */
static void attempt_stranded(struct attempt *attempt)
{
    struct establish *e = attempt->establish;

    if (race_running(attempt->candidate)) {
        attempt_fail(attempt, "", -ENETDOWN, "its interface went away");
    } else if (race_withdraw(e->race, attempt->candidate) == 0) {
        attempt->candidate = NULL;
        attempt_skip(attempt, -ENETDOWN, "its interface went away before its turn");
    }
}

void gather_paths_changed(struct establish *e)
{
    if (e->decided)
        return;
    for (unsigned i = 0; i < e->place_count; i++)
        place_choose(e, e->places[i]);
    for (struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        struct attempt *attempt = container_of(at, struct attempt, link);

        if (attempt->candidate && !attempt->over && !place_has(attempt->place, attempt->choice.index))
            attempt_stranded(attempt);
    }
    for (unsigned i = 0; i < e->place_count; i++)
        place_enter(e, e->places[i]);
    rank_again(e);
    establish_wake(e);
}

void gather_free(struct establish *e)
{
    renew_end(e);
    for (unsigned i = 0; i < e->source_count; i++) {
        if (e->sources[i].resolution)
            resolve_cancel(e->sources[i].resolution);
        free(e->sources[i].texts);
    }
    for (unsigned i = 0; i < e->place_count; i++)
        free(e->places[i]);
}
