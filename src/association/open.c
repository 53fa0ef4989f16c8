/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an association: between the establishment (race/establish.h) and the strand that its winner becomes. (S2.39) */
#include "association/open.h"

#include <stdio.h>

#include "association/bare.h"
#include "association/join.h"
#include "association/weave.h"
#include "association/trace.h"
#include "layer/group.h"

static struct strand *strand_of(hawser_association *association)
{
    return list_first(&association->strands, struct strand, link);
}

/* ------------------------------------------------------------------------------------------------------- attempts */

/* The first attempt that has a ticket carries what may leave early; no other does, for a ticket serves once. */
static void open_early(hawser_association *association, struct attempt *attempt, struct layer *top)
{
    struct opening *opening = association->opening;
    struct strand *strand = strand_of(association);

    if (opening->no_early_data || opening->early || !association->session)
        return;
    strand->top = top;
    strand->lent = true;
    strand_write_early(strand);
    if (strand->early) {
        opening->early = attempt;
        attempt_used_early(attempt);
    } else {
        strand_leave_top(strand);
    }
}

static int on_opened(void *user, struct attempt *attempt, struct layer **top)
{
    hawser_association *association = user;

    if (attempt_bare(attempt)) {
        int r = bare_dress(association, top);
        struct layer *sealed;

        if (r == 0 && association->opening->group &&
            (r = group_layer_open(*top, association->opening->group, &sealed)) == 0)
            *top = sealed;
        return r;
    }
    open_early(association, attempt, *top);
    return 0;
}

/* What it carried early is sent again by the winner, after its handshake. */
static void on_over(void *user, struct attempt *attempt)
{
    hawser_association *association = user;

    if (association->opening->early != attempt)
        return;
    association->opening->early = NULL;
    strand_leave_top(strand_of(association));
}

/* ------------------------------------------------------------------------------------------------------------ end */

static void open_give_up(hawser_association *association, int code, const char *reason)
{
    close_now(association, association->session ? SESSION_CODE(SESSION_CODE_NONE) : 0, reason, code);
}

/* What TLS was told for the winner stays; what it was told for the others goes with the opening. */
static void open_keep_secure(hawser_association *association, const struct attempt *winner)
{
    const struct tls_config *tls = attempt_tls(winner);

    for (size_t i = 0; i < association->opening->endpoint_count; i++) {
        struct opening_endpoint *endpoint = &association->opening->endpoints[i];
        struct secure *const both[] = {endpoint->session, endpoint->bare};

        for (size_t j = 0; j < 2; j++) {
            if (both[j] && (&both[j]->tls == tls || &both[j]->sctp_tls == tls)) {
                secure_unref(association->secure);
                association->secure = secure_ref(both[j]);
                return;
            }
        }
    }
}

static void open_note(hawser_association *association, const struct layer_peer *peer, struct strand *strand)
{
    association->round_trips = (uint16_t)peer->round_trips;
    association->early_data = strand->early && peer->early_accepted;
    association->resumed = peer->resumed;
    association->fast_open = peer->fast_open;
    association->established = association->told = true;
    association->path_changed = true;
}

static int open_carry(hawser_association *association, struct strand *strand, bool bare)
{
    int r;

    if (bare) {
        bare_begin(association, strand);
        return 0;
    }
    if (association->bare) {
        r = bare_hand_over(association);
        if (r < 0)
            return r;
    }
    r = join_note_secret(association, strand);
    if (r < 0)
        return r;
    stack_text(strand->top, association->first_stack, sizeof association->first_stack);
    strand_tune(strand);
    strand_secured(strand, association->early_data);
    (void)host_watch(association->all); /* without, what is lost is noticed later */
    return weave_begin(association, strand);
}

static int open_established(hawser_association *association, struct attempt *winner, struct layer *top)
{
    struct strand *strand = strand_of(association);
    struct layer_peer peer;
    int r;

    strand_set_top(strand, top);
    strand->key = attempt_key(winner);
    open_keep_secure(association, winner);
    layer_peer(top, &peer);
    r = peer_note(association, &peer);
    if (r < 0)
        return r;
    open_note(association, &peer, strand);
    r = open_carry(association, strand, attempt_bare(winner));
    if (r < 0)
        return r;
    attempt_stripped(winner, strand->top);
    (void)find_add(association, association->secure ? association->secure->tls.server_name : NULL);
    report_established(association, strand, attempt_bare(winner));
    return 0;
}

static void on_done(void *user, struct attempt *winner, struct layer *top, int code, const char *reason)
{
    hawser_association *association = user;
    int r;

    association_hold(association);
    association->opening->done = true;
    if (trace_on(association))
        trace_report(association, open_report(association));
    if (!winner) {
        open_give_up(association, code, reason);
    } else if ((r = open_established(association, winner, top)) < 0) {
        open_give_up(association, r, hawser_strerror(r));
    } else {
        open_free(association);
    }
    association_wake(association);
    association_let_go(association);
}

static const struct establish_handler handler = {.opened = on_opened, .over = on_over, .done = on_done};

/* ---------------------------------------------------------------------------------------------------------- start */

/* A key in an endpoint, or a least verification, is a demand on whoever answers: also where the program would rather have
 * no encryption. */
static bool open_verified(const struct opening *opening, const hawser_associate_options *options)
{
    bool demanded = options->min_verification > HAWSER_VERIFICATION_NONE;

    for (size_t i = 0; i < opening->endpoint_count; i++)
        demanded |= *opening->endpoints[i].endpoint.key_name != '\0';
    return demanded;
}

static int open_refuse(hawser_association *association, int code, const char *reason)
{
    if (*reason)
        loop_log(association->context, HAWSER_LOG_ERROR, "%s: %s", association->endpoint, reason);
    return code;
}

int open_start(hawser_association *association, const hawser_associate_options *options)
{
    struct opening *opening = association->opening;
    struct establish_endpoint endpoints[ESTABLISH_ENDPOINTS_MAX];
    struct establish_config config = {
        .endpoints = endpoints,
        .endpoint_count = opening->endpoint_count,
        .stacks = opening->stacks,
        .local = opening->local.address.size ? &opening->local.address : NULL,
        .local_interface = opening->local.interface,
        .values = properties_values(association->properties),
        .timeout = options->timeout_us ? options->timeout_us : DEFAULT_TIMEOUT,
        .fast_open = !options->no_fast_open,
        .timestamps = options->timestamps,
        .framed = options->framer != NULL,
        .hop_limit = options->hop_limit,
        .no_loop = options->no_loop,
        .verified = open_verified(opening, options),
        .handler = &handler,
        .user = association,
    };
    char reason[REASON_SIZE] = "";
    int r;

    for (size_t i = 0; i < opening->endpoint_count; i++) {
        endpoints[i].endpoint = opening->endpoints[i].endpoint;
        endpoints[i].session_tls = opening->endpoints[i].session ? &opening->endpoints[i].session->tls : NULL;
        endpoints[i].bare_tls = opening->endpoints[i].bare ? &opening->endpoints[i].bare->tls : NULL;
    }
    r = establish_new(association->context, &config, reason, sizeof reason, &opening->establish);
    return r < 0 ? open_refuse(association, r, reason) : 0;
}

/* Not before the first dispatch: who closes at once sends nothing. */
void open_begin(hawser_association *association)
{
    struct opening *opening = association->opening;

    if (!opening || opening->begun || association->ended || association->abort_wanted)
        return;
    opening->begun = true;
    establish_start(opening->establish);
}

const hawser_report *open_report(const hawser_association *association)
{
    return association->opening && association->opening->establish ? establish_report(association->opening->establish)
                                                                   : NULL;
}

void open_free(hawser_association *association)
{
    struct opening *opening = association->opening;

    if (!opening)
        return;
    establish_free(opening->establish); /* on_over() looks at the opening */
    association->opening = NULL;
    for (size_t i = 0; i < opening->endpoint_count; i++) {
        secure_unref(opening->endpoints[i].session);
        secure_unref(opening->endpoints[i].bare);
    }
    group_unref(opening->group);
    free(opening->stacks);
    free(opening);
}
