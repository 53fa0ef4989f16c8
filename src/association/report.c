/* SPDX-License-Identifier: Apache-2.0 */
/* What was tried to reach the peer, and how each try ended: told with success and with failure. */
#include <stdio.h>

#include "association/open.h"

struct path_text {
    char local[PATH_TEXT], remote[PATH_TEXT], interface[32];
};

/* To find an interface's name costs more than all the rest of a report: so only when somebody listens. */
static void path_of(const struct opening *opening, const struct strand *strand, struct path_text *text)
{
    memset(text, 0, sizeof *text);
    if (strand && strand->top)
        layer_path(strand->top, text->local, sizeof text->local, text->remote, sizeof text->remote, text->interface,
                   sizeof text->interface);
    /* A socket that is not connected cannot say whom it was for. */
    if (!*text->remote && opening->target.remote.size)
        (void)endpoint_print_address(&opening->target.remote, text->remote, sizeof text->remote);
    if (!*text->interface)
        (void)snprintf(text->interface, sizeof text->interface, "%s", opening->endpoint.interface);
}

static void attempt_clear(hawser_attempt *attempt)
{
    free((char *)attempt->endpoint);
    free((char *)attempt->path.interface);
    free((char *)attempt->path.local);
    free((char *)attempt->path.remote);
    free((char *)attempt->stack);
    free((char *)attempt->layer);
    free((char *)attempt->reason);
}

/* How much a failure says of why the peer was not reached: who it is comes before whether it answered. */
static int weight(int code)
{
    switch (-code) {
    case HAWSER_EKEYCHANGED:
    case HAWSER_EKEYWRONG:
    case HAWSER_EWEAK:
    case HAWSER_EUNVERIFIED:
        return 3;
    case HAWSER_ENOTSPOKEN:
    case HAWSER_ETLS:
        return 2;
    case EINVAL: /* a candidate that was skipped */
        return 0;
    default:
        return 1;
    }
}

void report_attempt(hawser_association *association, const struct strand *strand, hawser_attempt_outcome outcome,
                    const char *layer, int code, const char *reason)
{
    struct opening *opening = association->opening;
    hawser_attempt *attempts, *attempt;
    struct path_text text;

    if (outcome == HAWSER_ATTEMPT_WON && !event_wanted(association, HAWSER_ESTABLISHED))
        return;
    path_of(opening, strand, &text);
    if (code < 0 && (opening->code == 0 || weight(code) >= weight(opening->code))) {
        opening->code = code;
        (void)snprintf(opening->reason, sizeof opening->reason, "%s%s%s", text.remote, *text.remote ? ": " : "",
                       reason);
    }
    attempts = realloc(opening->attempts, (opening->attempt_count + 1) * sizeof *attempts);
    if (!attempts)
        return;
    opening->attempts = attempts;
    attempt = &attempts[opening->attempt_count];
    *attempt = (hawser_attempt){
        .start_us = opening->attempt_began, .end_us = association_now(association), .outcome = outcome, .code = code};
    attempt->endpoint = text_copy(association->endpoint);
    attempt->path.interface = text_copy(text.interface);
    attempt->path.local = text_copy(text.local);
    attempt->path.remote = text_copy(text.remote);
    attempt->stack = text_copy(opening->stack);
    attempt->layer = text_copy(layer);
    attempt->reason = text_copy(reason);
    if (!attempt->endpoint || !attempt->path.interface || !attempt->path.local || !attempt->path.remote ||
        !attempt->stack || !attempt->layer || !attempt->reason)
        attempt_clear(attempt); /* no memory: the report is shorter, the line is not affected */
    else
        opening->attempt_count++;
}

void report_established(hawser_association *association, const struct strand *strand)
{
    struct opening *opening = association->opening;
    hawser_event event = {.type = HAWSER_ESTABLISHED};
    struct layer_link link;
    struct path_text text = {.local = ""};
    struct layer *top = strand->top;
    char stack[64];

    if (!event_wanted(association, HAWSER_ESTABLISHED))
        return;
    layer_link(top, &link);
    strand_stack(strand, stack, sizeof stack);
    event.established.stack = stack;
    if (opening && opening->attempt_count > 0) {
        event.established.path = opening->attempts[opening->attempt_count - 1].path; /* the one that won */
    } else {
        layer_path(top, text.local, sizeof text.local, text.remote, sizeof text.remote, text.interface,
                   sizeof text.interface);
        event.established.path = (hawser_path){text.interface, text.local, text.remote};
    }
    event.established.peer = association->peer->is;
    event.established.rtt_us = link.rtt_us;
    event.established.elapsed_us = association_now(association) - association->began;
    event.established.round_trips = association->round_trips;
    event.established.early_data = association->early_data;
    event.established.resumed = association->resumed;
    if (opening) {
        event.established.attempts = opening->attempts;
        event.established.attempt_count = opening->attempt_count;
    }
    event_raise(association, &event);
}

void open_report(const hawser_association *association, const hawser_attempt **ret_attempts, size_t *ret_count)
{
    if (!association->opening)
        return;
    *ret_attempts = association->opening->attempts;
    *ret_count = association->opening->attempt_count;
}

void report_free(struct opening *opening)
{
    for (size_t i = 0; i < opening->attempt_count; i++)
        attempt_clear(&opening->attempts[i]);
    free(opening->attempts);
}
