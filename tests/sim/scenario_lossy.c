/* SPDX-License-Identifier: Apache-2.0 */
/* What lossy messages cost and bring over a strand of units that loses a tenth of them (S1.23, S1.25). */
#include <inttypes.h>
#include <stdio.h>

#include "scenario.h"

#define MESSAGES 4000
#define SIZE 1000

struct flow {
    enum session_reliability reliability;
    unsigned sent;
};

static void send_next(struct sim *sim, void *object, uint64_t number)
{
    struct flow *flow = object;
    struct message_spec spec = {
        .size = SIZE,
        .reliability = flow->reliability,
        .probability = flow->reliability == SESSION_PROBABILITY ? 950000 : 0,
        .resends = flow->reliability == SESSION_RESENDS ? 1 : 0,
    };
    (void)number;
    program_send(&sim->sides[0], &spec, NULL);
    if (++flow->sent < MESSAGES)
        sim_schedule(sim, sim->now + MILLISECOND, send_next, flow, 0);
}

/* Bytes that A sent for all of them, and how many came. */
static bool one_flow(enum session_reliability reliability, bool verbose, uint64_t *ret_bytes, unsigned *ret_came)
{
    static struct flow flow;
    struct plan plan;
    plan_plain(&plan, 20 * 1000 * 1000 / 8, 20 * MILLISECOND);
    plan.links[0].units = (struct unit_plan){.most = 1200, .lossy_max = 1200, .per_mille_loss = 100};
    struct sim *sim = scenario_begin(&plan, verbose);
    struct session_strand_state before, after;
    flow = (struct flow){.reliability = reliability};
    session_strand_get(sim->links[0].strand[0], &before);
    sim_schedule(sim, sim->now, send_next, &flow, 0);
    sim_run(sim, sim->now + 10 * SECOND, sim_over);
    session_strand_get(sim->links[0].strand[0], &after);
    *ret_bytes = after.sent - before.sent;
    *ret_came = 0;
    for (size_t i = 0; i < sim->sides[0].message_count; i++)
        *ret_came += sim->sides[0].messages[i]->delivered;
    bool ended = sim->sides[0].unended == 0 && flow.sent == MESSAGES;
    return scenario_end(sim) && ended;
}

bool scenario_lossy(bool verbose)
{
    uint64_t all, share, once;
    unsigned came_all, came_share, came_once;
    bool held = one_flow(SESSION_FULL, verbose, &all, &came_all);
    held = one_flow(SESSION_PROBABILITY, verbose, &share, &came_share) && held;
    held = one_flow(SESSION_RESENDS, verbose, &once, &came_once) && held;
    printf("%u messages of %u bytes, a tenth of the units lost: full %" PRIu64 " kB, %u came; probability 0.95 %" PRIu64
           " kB, %u came; one resend %" PRIu64 " kB, %u came\n",
           MESSAGES, SIZE, all / 1000, came_all, share / 1000, came_share, once / 1000, came_once);
    held = scenario_assert(came_all == MESSAGES, "with full reliability all came") && held;
    held = scenario_assert(came_share >= MESSAGES * 95 / 100, "no less than the share asked for") && held;
    held = scenario_assert(share < all * 97 / 100, "for fewer bytes than all of it takes") && held;
    held = scenario_assert(came_once >= MESSAGES * 98 / 100 && came_once < MESSAGES,
                           "with one resend each what was lost twice is missing") &&
           held;
    return held;
}
