/* SPDX-License-Identifier: Apache-2.0 */
/* The report of an establishment: built when it is asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "race/internal.h"

/* ------------------------------------------------------------------------------------------------------- look-ups */

static const char *put(char **at, const char *text)
{
    char *begin = *at;

    *at = stpcpy(begin, text ? text : "") + 1;
    return begin;
}

static size_t length(const char *text)
{
    return (text ? strlen(text) : 0) + 1;
}

/* No memory: the report is shorter, the line is not affected. */
void report_lookup(struct establish *e, const hawser_lookup *told)
{
    struct lookup *lookups, *lookup;
    char *at;

    if (!told->question || !*told->question || e->lookup_count == LOOKUPS_MAX)
        return;
    lookups = realloc(e->lookups, (e->lookup_count + 1) * sizeof *lookups);
    if (!lookups)
        return;
    e->lookups = lookups;
    lookup = &lookups[e->lookup_count];
    at = malloc(length(told->name) + length(told->question) + length(told->result) + length(told->dnssec));
    if (!at)
        return;
    lookup->texts = at;
    lookup->told = *told;
    lookup->told.name = put(&at, told->name);
    lookup->told.question = put(&at, told->question);
    lookup->told.result = put(&at, told->result);
    lookup->told.dnssec = put(&at, told->dnssec);
    e->lookup_count++;
}

static void fill_lookups(struct establish *e)
{
    hawser_lookup *list = calloc(e->lookup_count ? e->lookup_count : 1, sizeof *list);

    free(e->report_lookups);
    e->report_lookups = list;
    e->report.lookups = list;
    e->report.lookup_count = list ? e->lookup_count : 0;
    for (unsigned i = 0; list && i < e->lookup_count; i++)
        list[i] = e->lookups[i].told;
}

/* ------------------------------------------------------------------------------------------------------- attempts */

static void put_attempt(const struct establish *e, const struct attempt *attempt, hawser_attempt *told)
{
    bool running = attempt->top && attempt != e->winner && !attempt->over;

    *told = (hawser_attempt){
        .endpoint = e->endpoint_count > 1 ? attempt->remote : e->endpoint_text,
        .path = {attempt->choice.interface, attempt->local, attempt->remote},
        .stack = attempt->stack,
        .start_us = attempt->start ? attempt->start : establish_now(e),
        .end_us = attempt->end ? attempt->end : establish_now(e),
        .outcome = attempt->outcome,
        .layer = attempt->layer,
        .code = attempt->code,
        .reason = attempt->outcome == HAWSER_ATTEMPT_WON ? ""
                  : running                              ? "it is still running"
                                                         : attempt->reason,
        .reached = attempt->reached,
        .reached_us = attempt->reached_at,
        .answered_us = attempt->answered_at,
        .bare = attempt->bare,
        .early_data = attempt->early,
    };
    if (!attempt->start && !attempt->over) {
        told->outcome = HAWSER_ATTEMPT_SKIPPED;
        told->reason = *attempt->reason ? attempt->reason : "its turn did not come";
    }
}

/* Those in the race by its order, then those that never came into it. */
static unsigned put_attempts(const struct establish *e, hawser_attempt *list)
{
    const struct race_candidate *candidate;
    unsigned count = 0;

    for (unsigned i = 0; (candidate = race_candidate_at(e->race, i)); i++)
        put_attempt(e, race_cookie(candidate), &list[count++]);
    for (const struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        const struct attempt *attempt = container_of(at, struct attempt, link);

        if (!attempt->candidate)
            put_attempt(e, attempt, &list[count++]);
    }
    return count;
}

/* A name that led nowhere is told as an attempt too. */
static unsigned put_unresolved(const struct establish *e, hawser_attempt *told)
{
    if (e->code == 0)
        return 0;
    *told = (hawser_attempt){
        .endpoint = e->endpoint_text,
        .path = {"", "", ""},
        .stack = e->plan_count > 0 ? e->plans[0].stack : "",
        .start_us = e->began,
        .end_us = e->decided ? e->ended : establish_now(e),
        .outcome = HAWSER_ATTEMPT_FAILED,
        .layer = "resolve",
        .code = e->code,
        .reason = e->reason,
        .reached = "",
    };
    return 1;
}

static void fill_attempts(struct establish *e)
{
    unsigned most = 1;
    hawser_attempt *list;

    for (const struct list *at = e->attempts.next; at != &e->attempts; at = at->next)
        most++;
    list = calloc(most, sizeof *list);
    free(e->report_attempts);
    e->report_attempts = list;
    e->report.attempts = list;
    e->report.attempt_count = 0;
    if (list)
        e->report.attempt_count = list_empty(&e->attempts) ? put_unresolved(e, list) : put_attempts(e, list);
}

/* --------------------------------------------------------------------------------------------------------- winner */

static void fill_winner(struct establish *e)
{
    struct attempt *winner = e->winner;
    hawser_report *report = &e->report;
    struct layer_peer peer;

    if (!winner || !e->told_top) /* what was filled in stays */
        return;
    layer_peer(e->told_top, &peer);
    stack_text(e->told_top, e->stack, sizeof e->stack);
    attempt_note_path(winner, e->told_top);
    snprintf(e->peer_name, sizeof e->peer_name, "%s", *peer.name ? peer.name : peer.key_name);
    snprintf(e->alpn, sizeof e->alpn, "%s", peer.alpn ? peer.alpn : "");
    report->stack = e->stack;
    report->bare = winner->bare;
    report->path = (hawser_path){winner->choice.interface, winner->local, winner->remote};
    report->peer_name = e->peer_name;
    report->verification = hawser_verification_name(peer.verification);
    report->alpn = e->alpn;
    report->round_trips = peer.round_trips;
    report->early_data_sent = winner->early;
    report->early_data_accepted = winner->early && peer.early_accepted;
    report->resumed = peer.resumed;
    report->fast_open = peer.fast_open;
    report->dnssec = dnssec_name(winner->place->found.dnssec);
}

const hawser_report *establish_report(struct establish *e)
{
    hawser_report *report = &e->report;

    if (!report->stack) {
        report->stack = report->peer_name = report->verification = report->alpn = report->dnssec = "";
        report->path = (hawser_path){"", "", ""};
    }
    report->endpoint = e->endpoint_text;
    report->code = e->winner ? 0 : e->code;
    report->reason = e->winner ? "" : e->reason;
    report->start_us = e->began;
    report->end_us = e->decided ? e->ended : establish_now(e);
    fill_winner(e);
    fill_attempts(e);
    fill_lookups(e);
    return report;
}

void report_clear(struct establish *e)
{
    for (unsigned i = 0; i < e->lookup_count; i++)
        free(e->lookups[i].texts);
    free(e->lookups);
    free(e->report_lookups);
    free(e->report_attempts);
}
