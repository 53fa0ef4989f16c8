/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an association: the endpoint's addresses are tried one after the other, each with its own stack. (S2.39) */
#include "association/open.h"

#include <stdio.h>

static void open_next(hawser_association *association);

/* ----------------------------------------------------------------------------------------------------- candidates */

static bool is_unix(const struct layer_address *address)
{
    return address->address.ss_family == AF_UNIX;
}

static const char *candidate_stack(const struct opening *opening, size_t candidate)
{
    if (opening->stack_count)
        return opening->stacks[candidate % opening->stack_count];
    return is_unix(&opening->addresses[candidate]) ? "tls/unix" : "tls/tcp";
}

static size_t candidate_count(const struct opening *opening)
{
    return opening->address_count * (opening->stack_count ? opening->stack_count : 1);
}

static bool candidate_fits(const char *stack, const struct layer_address *address)
{
    const char *bottom = strrchr(stack, '/');

    return (strcmp(bottom ? bottom + 1 : stack, "unix") == 0) == is_unix(address);
}

/* The time an attempt may take when others are left to be tried. */
static int64_t open_share(const struct opening *opening, int64_t now)
{
    size_t left = candidate_count(opening) - opening->next + 1;

    return now + (opening->deadline - now) / (int64_t)(left ? left : 1);
}

static void open_give_up(hawser_association *association)
{
    struct opening *opening = association->opening;

    opening->done = true;
    opening->attempt_deadline = NEVER;
    if (opening->code == 0)
        opening->code = -ETIMEDOUT;
    close_now(association, SESSION_CODE(SESSION_CODE_NONE), *opening->reason ? opening->reason : "nobody answered",
              opening->code);
}

/* ------------------------------------------------------------------------------------------------------- attempts */

static bool open_may_fast(const hawser_association *association)
{
    const struct opening *opening = association->opening;

    return !opening->no_fast_open && !is_unix(&opening->target.remote) &&
           fast_open_recall(association->context, association->secure->tls.service) != FAST_OPEN_BROKEN;
}

static void attempt_failed(hawser_association *association, struct strand *strand, const char *layer, int code,
                           const char *reason)
{
    struct opening *opening = association->opening;

    report_attempt(association, strand, HAWSER_ATTEMPT_FAILED, layer, code, reason);
    loop_log(association->context, HAWSER_LOG_INFO, "%s: %s: %s", association->endpoint, opening->stack, reason);
    if (opening->target.fast_open && strand_fast_open(strand) == FAST_OPEN_BROKEN) {
        /* One SYN that went unanswered is enough to leave Fast Open alone on this network. The system's next SYN was
         * a plain one already: nothing is gained by another attempt. */
        fast_open_remember(association->context, association->secure->tls.service, FAST_OPEN_BROKEN);
    }
    strand_set_top(strand, NULL);
    open_next(association);
}

void open_failed(hawser_association *association, struct strand *strand, int code, const char *reason)
{
    const struct layer_error *error = layer_error(strand->top);

    if (error->code)
        attempt_failed(association, strand, error->layer, error->code, error->reason);
    else
        attempt_failed(association, strand, strand->top->type->name, code, reason ? reason : hawser_strerror(code));
}

static void attempt_start(hawser_association *association, struct strand *strand)
{
    struct opening *opening = association->opening;
    struct layer *top = NULL;
    int r;

    opening->target.tls = &association->secure->tls;
    opening->target.fast_open = open_may_fast(association);
    opening->attempt_began = association_now(association);
    opening->attempt_deadline = open_share(opening, opening->attempt_began);
    r = stack_open(association->context, opening->stack, &opening->target, &top);
    if (r < 0) {
        attempt_failed(association, strand, "", r, hawser_strerror(r));
        return;
    }
    strand_set_top(strand, top);
    if (!opening->no_early_data)
        strand_write_early(strand);
    association_arm(association, opening->attempt_deadline);
    open_progress(association, strand);
}

static void open_next(hawser_association *association)
{
    struct opening *opening = association->opening;
    struct strand *strand = list_first(&association->strands, struct strand, link);

    if (association->ended)
        return;
    opening->attempt_deadline = NEVER;
    for (;;) {
        int64_t now = association_now(association);
        size_t candidate;

        if (opening->next >= candidate_count(opening) || now >= opening->deadline) {
            open_give_up(association);
            return;
        }
        candidate = opening->next++;
        opening->stack = candidate_stack(opening, candidate);
        opening->target.remote = opening->addresses[candidate / (opening->stack_count ? opening->stack_count : 1)];
        if (candidate_fits(opening->stack, &opening->target.remote)) {
            attempt_start(association, strand);
            return;
        }
        opening->attempt_began = now;
        report_attempt(association, NULL, HAWSER_ATTEMPT_SKIPPED, "", -EINVAL,
                       "this stack does not lead to this kind of address");
    }
}

/* ------------------------------------------------------------------------------------------------------ its success */

static void open_established(hawser_association *association, struct strand *strand)
{
    struct opening *opening = association->opening;
    struct layer_peer peer;
    enum fast_open_memory fast;

    layer_peer(strand->top, &peer);
    if (!peer.alpn || strcmp(peer.alpn, "hawser/1") != 0) {
        attempt_failed(association, strand, "tls", -HAWSER_ENOTSPOKEN, hawser_strerror(-HAWSER_ENOTSPOKEN));
        return;
    }
    if (peer_note(association, &peer) < 0) {
        open_failed(association, strand, -ENOMEM, NULL);
        return;
    }
    report_attempt(association, strand, HAWSER_ATTEMPT_WON, "", 0, "");
    association->round_trips = (uint16_t)peer.round_trips;
    association->early_data = strand->early && peer.early_accepted;
    association->resumed = peer.resumed;
    association->fast_open = peer.fast_open;
    fast = opening->target.fast_open ? strand_fast_open(strand) : FAST_OPEN_UNKNOWN;
    if (fast != FAST_OPEN_UNKNOWN)
        fast_open_remember(association->context, association->secure->tls.service, fast);
    opening->done = true;
    association->established = association->told = true;
    strand_tune(strand);
    strand_secured(strand, association->early_data);
    (void)find_add(association, association->secure->tls.server_name); /* no memory: it is only not found */
    association->path_changed = true;
    report_established(association, strand);
    open_free(association);
}

void open_progress(hawser_association *association, struct strand *strand)
{
    int r;

    if (!association->opening || association->opening->done || !strand->top)
        return;
    r = strand->top->type->establish(strand->top);
    if (r == 0)
        open_established(association, strand);
    else if (r != -EAGAIN)
        open_failed(association, strand, r, NULL);
}

void open_tick(hawser_association *association, int64_t now)
{
    struct opening *opening = association->opening;
    struct strand *strand;

    if (opening->done || opening->attempt_deadline > now)
        return;
    strand = list_first(&association->strands, struct strand, link);
    if (opening->resolution) {
        resolution_cancel(opening->resolution);
        opening->resolution = NULL;
        report_attempt(association, NULL, HAWSER_ATTEMPT_FAILED, "resolve", -ETIMEDOUT,
                       "the host name was not resolved in time");
        open_give_up(association);
        return;
    }
    if (!strand->top)
        return;
    attempt_failed(association, strand, strand_waits_for(strand), -ETIMEDOUT, "no answer in the time for this attempt");
}

int64_t open_due(const hawser_association *association)
{
    return association->opening && !association->opening->done ? association->opening->attempt_deadline : NEVER;
}

/* -------------------------------------------------------------------------------------------------------- its start */

static void open_resolved(void *user, int code, const struct layer_address *addresses, size_t count, const char *reason)
{
    hawser_association *association = user;
    struct opening *opening = association->opening;

    opening->resolution = NULL;
    if (code == 0) {
        opening->addresses = malloc(count * sizeof *addresses);
        if (!opening->addresses)
            code = -ENOMEM;
    }
    if (code < 0) {
        report_attempt(association, NULL, HAWSER_ATTEMPT_FAILED, "resolve", code,
                       reason ? reason : hawser_strerror(code));
        open_give_up(association);
        return;
    }
    memcpy(opening->addresses, addresses, count * sizeof *addresses);
    opening->address_count = count;
    open_next(association);
    association_wake(association);
}

void open_begin(hawser_association *association)
{
    struct opening *opening = association->opening;
    int r;

    if (!opening || opening->begun || association->ended || association->abort_wanted)
        return;
    opening->begun = true;
    opening->attempt_began = association->began;
    opening->deadline = association_now(association) + opening->timeout;
    opening->attempt_deadline = opening->deadline;
    if (opening->endpoint.kind != ENDPOINT_HOST) {
        open_next(association);
        return;
    }
    r = resolve(association->context, opening->endpoint.host, opening->endpoint.port, opening->timeout, open_resolved,
                association, &opening->resolution);
    if (r < 0)
        open_resolved(association, r, NULL, 0, NULL);
}

void open_free(hawser_association *association)
{
    struct opening *opening = association->opening;

    if (!opening)
        return;
    association->opening = NULL;
    if (opening->resolution)
        resolution_cancel(opening->resolution);
    if (opening->addresses != &opening->endpoint.address)
        free(opening->addresses);
    free(opening->stack_text);
    report_free(opening);
    free(opening);
}
