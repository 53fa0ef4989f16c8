/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes about strands while a seed runs: policies, what the caller knows of each, stalls in one direction or both and
 * again and again; states that the ends tell one another; ends that are left without a strand.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* ---- what a seed stands for: from a generator of its own, so that what it stood for before still comes */

static void plan_link_more(struct rng *rng, struct link_plan *link)
{
    link->given.rank = (int)rng_between(rng, -2, 2);
    link->given.cost = rng_chance(rng, 200) ? (unsigned)rng_scale(rng, 1, 500) : 0;
    link->given.standby = rng_chance(rng, 150);
    link->changes = rng_chance(rng, 300) ? 1 + (unsigned)rng_below(rng, 6) : 0;
    link->stalls_of = rng_chance(rng, 600) ? 3 : 1 + (unsigned)rng_below(rng, 2);
    if (link->stalls_for && rng_chance(rng, 300)) {
        link->stalls_again = 1 + (unsigned)rng_below(rng, 8);
        link->stalls_for = rng_scale(rng, 10 * MILLISECOND, 2 * SECOND);
    }
}

/* All strands die, and one comes afterwards: with survive the line goes on. */
static void plan_rescue(struct rng *rng, struct plan *plan)
{
    unsigned last = plan->link_count - 1;
    int64_t at = 0;
    for (unsigned i = 0; i < last; i++) {
        struct link_plan *link = &plan->links[i];
        if (!link->dies_at)
            link->dies_at = rng_scale(rng, 500 * MILLISECOND, 8 * SECOND);
        for (unsigned s = 0; s < SIDES; s++)
            link->learns[s] = rng_scale(rng, 1, 2 * SECOND);
        int64_t end = link->add_at + link->dies_at;
        at = end > at ? end : at;
    }
    plan->links[last].add_at = rng_scale(rng, SECOND, 10 * SECOND) + (rng_chance(rng, 500) ? at : 0);
    plan->links[last].dies_at = 0;
}

void plan_strands(struct plan *plan)
{
    struct rng rng;
    rng_seed(&rng, plan->seed ^ 0x737472616e6473);
    for (unsigned i = 0; i < SIDES; i++) {
        struct side_plan *side = &plan->sides[i];
        side->policy = rng_chance(&rng, 300) ? (enum session_policy)rng_below(&rng, 3) : plan->policy;
        side->policy_changes = rng_chance(&rng, 300) ? 1 + (unsigned)rng_below(&rng, 10) : 0;
        side->tells = rng_chance(&rng, 400) ? (unsigned)rng_scale(&rng, 1, 60) : 0;
    }
    for (unsigned i = 0; i < plan->link_count; i++)
        plan_link_more(&rng, &plan->links[i]);
    plan->survive = rng_chance(&rng, 400);
    if (plan->survive && plan->link_count > 1 && rng_chance(&rng, 600))
        plan_rescue(&rng, plan);
}

/* ---- what the caller knows */

static struct session_link known(struct link *link, const struct side *side)
{
    struct rng *rng = &link->sim->rng;
    const struct link_plan *plan = link->plan;
    struct session_link given = plan->given;
    if (plan->tells_rate) {
        given.rate = plan->rate[side->index];
        given.rtt = 2 * plan->delay + (plan->jitter ? (int64_t)rng_below(rng, (uint64_t)plan->jitter) : 0) + 1;
        given.min_rtt = 2 * plan->delay + 1;
        given.queued = link->pipes[side->index].queued;
    }
    return given;
}

void strands_tell_link(struct link *link, struct side *side)
{
    struct session_link given = known(link, side);
    session_strand_set_link(link->strand[side->index], &given);
}

static void change_link(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    struct side *side = &sim->sides[number];
    if (!link_alive(link, side) || side->ended)
        return;
    struct session_link given = known(link, side);
    given.standby = rng_chance(&sim->rng, 300);
    given.rank = (int)rng_between(&sim->rng, -2, 2);
    given.cost = rng_chance(&sim->rng, 300) ? (unsigned)rng_scale(&sim->rng, 1, 500) : 0;
    sim_log(sim, side, "strand %u has rank %d, cost %u%s", link->number, given.rank, given.cost,
            given.standby ? ", stands by" : "");
    side_enter(side);
    session_strand_set_link(link->strand[number], &given);
    side_leave(side);
}

void strands_added(struct link *link, struct side *side)
{
    struct sim *sim = link->sim;
    strands_tell_link(link, side);
    for (unsigned i = 0; i < link->plan->changes; i++)
        sim_schedule(sim, sim->now + rng_scale(&sim->rng, 1, 10 * SECOND), change_link, link, side->index);
}

/* ---- policies */

static void change_policy(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    if (side->ended)
        return;
    sim_log(sim, side, "the policy is %" PRIu64 " now", number);
    side_enter(side);
    session_set_policy(side->session, (enum session_policy)number, side_clock(side));
    side_leave(side);
}

/* ---- states that are told: byte n of one follows from who told it, its kind, and how many of that kind came before */

static uint8_t tell_byte(const struct sim *sim, const struct side *from, unsigned kind, uint64_t serial, size_t n)
{
    return (uint8_t)(sim->plan.seed + from->index * 101 + kind * 31 + serial * 7 + n * (1 + serial % 5));
}

static size_t tell_size(const struct sim *sim, const struct side *from, unsigned kind, uint64_t serial)
{
    uint64_t state = sim->plan.seed ^ (from->index + 1) ^ kind << 8 ^ serial << 16;
    uint64_t random = splitmix64(&state);
    return random % 4 ? (random >> 8) % (SESSION_TELL_MAX + 1) : (random >> 8) % 2 * SESSION_TELL_MAX;
}

static void tell(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    uint8_t body[SESSION_TELL_MAX];
    unsigned kind = (unsigned)number;
    if (side->ended)
        return;
    uint64_t serial = side->told[kind] + 1;
    size_t size = tell_size(sim, side, kind, serial);
    for (size_t n = 0; n < size; n++)
        body[n] = tell_byte(sim, side, kind, serial, n);
    side_enter(side);
    int r = session_tell(side->session, kind, body, size);
    side_leave(side);
    if (r == 0)
        side->told[kind] = serial;
    else if (r != -ENOMEM || !sim->memory_refused)
        sim_fail(sim, "session_tell() answers %d", r);
    side->told_at = sim->now;
    sim_log(sim, side, "tells state %u, number %" PRIu64 ", %zu bytes", kind, serial, size);
}

/* Short ones look alike: what is heard is one of the numbers from low to high. */
void strands_told(void *user, unsigned kind, const void *body, size_t size)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    const struct side *from = OTHER(side);
    const uint8_t *bytes = body;
    uint64_t low = 0, high = 0;
    for (uint64_t serial = side->heard_low[kind] + 1; serial <= from->told[kind]; serial++) {
        bool same = tell_size(sim, from, kind, serial) == size;
        for (size_t n = 0; same && n < size; n++)
            same = bytes[n] == tell_byte(sim, from, kind, serial, n);
        low = same && !low ? serial : low;
        high = same ? serial : high;
    }
    if (!low) {
        sim_fail(sim, "%c hears a state that was not told, or is older than the last", "AB"[side->index]);
        return;
    }
    side->heard_low[kind] = low;
    side->heard_high[kind] = high;
    sim_log(sim, side, "hears state %u, number %" PRIu64 " to %" PRIu64, kind, low, high);
}

/* When a good line ends that was up for long enough, both ends know the other's newest states. */
void strands_check_end(struct sim *sim)
{
    for (unsigned i = 0; i < SIDES; i++) {
        const struct side *side = &sim->sides[i], *from = OTHER(&sim->sides[i]);
        for (unsigned kind = 0; kind < SESSION_TELL_KINDS; kind++)
            if (side->heard_high[kind] < from->told[kind] && from->told_at + 60 * SECOND < sim->now)
                sim_fail(sim, "%c knows state %u number %" PRIu64 ", and %" PRIu64 " was told", "AB"[i], kind,
                         side -> heard_high[kind], from -> told[kind]);
    }
}

/* ---- without a strand */

static void give_up(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    bool comes = false, lives = false;
    for (unsigned i = 0; i < sim->links_made; i++)
        lives = lives || link_alive(&sim->links[i], side);
    comes = sim->links_made < sim->plan.link_count && !OTHER(side)->ended;
    if (side->ended || lives)
        return;
    if (comes && number < 200) {
        sim_schedule(sim, sim->now + SECOND, give_up, side, number + 1);
        return;
    }
    side->abort_called = sim->aborted = true;
    sim_log(sim, side, "gives up");
    side_enter(side);
    session_abort(side->session, 77, "no strand came", -ECONNABORTED, side_clock(side));
    side_leave(side);
}

void strands_stranded(void *user)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    sim_log(sim, side, "is without a strand");
    if (!sim->plan.survive)
        sim_fail(sim, "%c survives though it was not asked to", "AB"[side->index]);
    side->stranded_at = sim->now;
    sim_schedule(sim, sim->now + SECOND, give_up, side, 0);
}

void strands_start(struct side *side)
{
    struct sim *sim = side->sim;
    for (unsigned i = 0; i < side->plan->policy_changes; i++)
        sim_schedule(sim, rng_scale(&side->rng, 1, 20 * SECOND), change_policy, side, rng_below(&side->rng, 3));
    for (unsigned i = 0; i < side->plan->tells; i++)
        sim_schedule(sim, rng_scale(&side->rng, 1, 20 * SECOND), tell, side, rng_below(&side->rng, SESSION_TELL_KINDS));
}
