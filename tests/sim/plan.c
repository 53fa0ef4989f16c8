/* SPDX-License-Identifier: Apache-2.0 */
/* What a seed stands for. Each feature is there in some of the seeds, so that all of their combinations come. */
#include <string.h>

#include "sim.h"

static unsigned sometimes(struct rng *rng, unsigned per_mille, unsigned most)
{
    return rng_chance(rng, per_mille) ? 1 + (unsigned)rng_below(rng, most) : 0;
}

static void plan_link(struct rng *rng, struct link_plan *link, unsigned number)
{
    *link = (struct link_plan){
        .add_at = number == 0 ? 0 : rng_scale(rng, MILLISECOND, 6 * SECOND),
        .add_skew = rng_chance(rng, 500) ? 0 : rng_scale(rng, 1, 500 * MILLISECOND),
        .delay = rng_scale(rng, 50, 200 * MILLISECOND),
        .jitter = rng_chance(rng, 500) ? 0 : rng_scale(rng, 10, 50 * MILLISECOND),
        .room = (size_t)rng_scale(rng, 1024, 512 << 10),
        .segment = (size_t)rng_scale(rng, 1000, 65536),
        .tells_rate = rng_chance(rng, 700),
        .suspects = rng_chance(rng, 500),
    };
    for (unsigned i = 0; i < SIDES; i++)
        link->rate[i] = (uint64_t)rng_scale(rng, 30 << 10, 100 << 20);
    if (rng_chance(rng, 100))
        link->read_most = (size_t)rng_scale(rng, 1, 64);
    if (rng_chance(rng, 300)) {
        link->stalls_at = rng_scale(rng, MILLISECOND, 10 * SECOND);
        link->stalls_for = rng_scale(rng, 10 * MILLISECOND, 10 * SECOND);
    }
}

static void plan_death(struct rng *rng, struct link_plan *link)
{
    link->dies_at = rng_scale(rng, MILLISECOND, 8 * SECOND);
    bool silent = rng_chance(rng, 200);
    for (unsigned i = 0; i < SIDES; i++)
        link->learns[i] = silent ? -1 : rng_chance(rng, 500) ? 0 : rng_scale(rng, 100, 5 * SECOND);
}

static void plan_deaths(struct rng *rng, struct plan *plan)
{
    unsigned fate = (unsigned)rng_below(rng, 10);
    unsigned spared = (unsigned)rng_below(rng, plan->link_count);
    if (fate < 3)
        return;
    for (unsigned i = 0; i < plan->link_count; i++)
        if (fate == 9 || (i != spared && rng_chance(rng, 700)))
            plan_death(rng, &plan->links[i]);
}

static void plan_program(struct rng *rng, struct side_plan *side)
{
    side->actions = (unsigned)rng_scale(rng, 1, rng_chance(rng, 100) ? 5000 : 600);
    side->pace = rng_scale(rng, 100, 2 * SECOND);
    side->budget = (uint64_t)rng_scale(rng, 20 << 10, 24 << 20);
    side->size_most = (uint64_t)rng_scale(rng, 100, 8 << 20);
    side->streams = sometimes(rng, 400, 8);
    side->per_mille_lifetime = sometimes(rng, 500, 800);
    side->lifetime_most = rng_scale(rng, 10 * MILLISECOND, 20 * SECOND);
    side->per_mille_antecedents = sometimes(rng, 500, 600);
    side->per_mille_ordered = sometimes(rng, 300, 900);
    side->per_mille_nice = sometimes(rng, 600, 1000);
    side->per_mille_cancel = sometimes(rng, 400, 300);
    side->per_mille_pause = sometimes(rng, 250, 100);
    side->per_mille_keep = sometimes(rng, 400, 1000);
    side->per_mille_refuse = sometimes(rng, 300, 100);
    side->per_mille_flood = sometimes(rng, 250, 50);
    side->per_mille_reply = sometimes(rng, 250, 200);
    for (unsigned i = 0; i < 3; i++)
        side->per_mille_take[i] = sometimes(rng, 600, 320);
    side->per_mille_take[3] = sometimes(rng, 200, 40);
}

static void plan_side(struct rng *rng, struct side_plan *side)
{
    plan_program(rng, side);
    side->clock_offset = rng_between(rng, 1, 1000000) * SECOND;
    side->drift_ppm = rng_chance(rng, 500) ? 0 : (int)rng_between(rng, -100, 100);
    side->receive_memory = rng_chance(rng, 600) ? 1 << 20 : (uint64_t)rng_scale(rng, 1 << 20, 16 << 20);
    side->max_message = rng_chance(rng, 150) ? (uint64_t)rng_scale(rng, 1000, 1 << 20) : 0;
    side->open_flows = rng_chance(rng, 300) ? (uint64_t)rng_between(rng, 128, 200) : 0;
    side->send_queue = (uint64_t)rng_scale(rng, 64 << 10, 16 << 20);
    side->send_queue_messages = (uint64_t)rng_scale(rng, 4, 100000);
    if (rng_chance(rng, 500)) {
        side->keep_alive = rng_scale(rng, SECOND, 25 * SECOND);
        side->dead_after = rng_scale(rng, 12 * SECOND, 20 * SECOND); /* above the longest stall */
    }
    side->close_at = rng_scale(rng, 1, 30 * SECOND);
    if (rng_chance(rng, 60))
        side->abort_at = rng_scale(rng, MILLISECOND, 20 * SECOND);
    if (rng_chance(rng, 80)) {
        side->per_mille_no_memory = (unsigned)rng_scale(rng, 1, 200);
        side->no_memory_at = rng_scale(rng, MILLISECOND, 10 * SECOND);
    }
}

/* So that no seed takes long: what is read byte by byte is little, and big messages are few and travel fast. */
static void plan_limits(struct rng *rng, struct plan *plan)
{
    for (unsigned i = 0; i < plan->link_count; i++)
        for (unsigned s = 0; s < SIDES && plan->links[i].read_most; s++) {
            uint64_t most = (uint64_t)plan->links[i].read_most << 16;
            if (plan->sides[s].budget > most)
                plan->sides[s].budget = most;
        }
    if (!rng_chance(rng, 15))
        return;
    struct side_plan *side = &plan->sides[rng_below(rng, SIDES)];
    side->size_most = 40 << 20;
    side->budget = 50 << 20;
    for (unsigned i = 0; i < plan->link_count; i++) {
        plan->links[i].read_most = 0;
        plan->links[i].segment = 65536;
        for (unsigned s = 0; s < SIDES; s++)
            plan->links[i].rate[s] = 100 << 20;
    }
}

/* From a generator of its own, so that what a seed stood for before there were units still comes. */
static void plan_units(struct plan *plan)
{
    struct rng rng;
    rng_seed(&rng, plan->seed ^ 0x756e697473);
    bool all = rng_chance(&rng, 300), any = rng_chance(&rng, 500);
    for (unsigned i = 0; i < plan->link_count; i++) {
        struct unit_plan *units = &plan->links[i].units;
        if (!all && !(any && rng_chance(&rng, 500)))
            continue;
        units->most = (size_t)rng_scale(&rng, 1000, 65536);
        units->layers_resend = rng_chance(&rng, 400);
        units->lossy_max = rng_chance(&rng, 600) ? (size_t)rng_scale(&rng, 1000, 16384) : 0;
        units->spread = rng_chance(&rng, 300) ? 0 : rng_scale(&rng, 10, 50 * MILLISECOND);
        units->per_mille_loss = sometimes(&rng, 700, 200);
        units->per_mille_misjudged = sometimes(&rng, 400, 100);
        units->gives_up = !units->lossy_max && rng_chance(&rng, 500);
    }
    for (unsigned i = 0; i < SIDES; i++) {
        struct side_plan *side = &plan->sides[i];
        side->per_mille_lossy = sometimes(&rng, 500, 1000);
        side->per_mille_marks = sometimes(&rng, 400, 500);
        side->per_mille_filter = sometimes(&rng, 500, 200);
        side->per_mille_gaps = sometimes(&rng, 600, 1000);
        side->per_mille_timed = sometimes(&rng, 300, 300);
        side->per_mille_paced = sometimes(&rng, 300, 200);
    }
}

void plan_make(struct plan *plan, uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed);
    memset(plan, 0, sizeof *plan);
    plan->seed = seed;
    plan->policy = rng_chance(&rng, 600) ? SESSION_AGGREGATE : SESSION_HANDOVER;
    plan->early = rng_chance(&rng, 150);
    plan->early_accepted = rng_chance(&rng, 700);
    plan->link_count = rng_chance(&rng, 300) ? 1 : 2 + (unsigned)rng_below(&rng, LINKS_MAX - 1);
    for (unsigned i = 0; i < plan->link_count; i++)
        plan_link(&rng, &plan->links[i], i);
    plan->handshake = 2 * plan->links[0].delay + rng_between(&rng, 0, 20 * MILLISECOND);
    plan_deaths(&rng, plan);
    for (unsigned i = 0; i < SIDES; i++)
        plan_side(&rng, &plan->sides[i]);
    if (rng_chance(&rng, 400))
        plan->sides[rng_below(&rng, SIDES)].close_at = -1; /* one of them leaves it to the other */
    plan_limits(&rng, plan);
    plan_units(plan);
    plan_strands(plan);
    plan_moves(plan);
}

void plan_plain(struct plan *plan, uint64_t rate, int64_t delay)
{
    memset(plan, 0, sizeof *plan);
    plan->seed = 1;
    plan->policy = SESSION_AGGREGATE;
    plan->link_count = 1;
    for (unsigned i = 0; i < LINKS_MAX; i++)
        plan->links[i] = (struct link_plan){.delay = delay,
                                            .rate = {rate, rate},
                                            .room = 32 << 10,
                                            .segment = 1460,
                                            .stalls_of = 3,
                                            .tells_rate = true};
    for (unsigned i = 0; i < SIDES; i++)
        plan->sides[i] = (struct side_plan){
            .clock_offset = (i + 1) * 1000 * SECOND,
            .receive_memory = 16 << 20,
            .send_queue = 64 << 20,
            .send_queue_messages = 100000,
            .size_most = 64 << 20,
            .close_at = -1,
        };
}
