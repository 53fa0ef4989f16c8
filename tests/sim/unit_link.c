/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strand of units: each unit travels by itself, comes in pieces, may be overtaken, lost, sent again by the layers or
 * not, or be called lost and come all the same; its fate is told late. Early units that the handshake refuses never come.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct sim_unit {
    struct sim_unit *next; /* of the link's */
    struct link *link;
    unsigned from;
    uint64_t number;
    size_t size, given; /* given: read by the peer */
    bool lossy;         /* the layers will not send it again */
    bool early, fate_told, arrived, reset;
    struct session_lane *lane;
    uint8_t *bytes;
};

static int64_t travel(struct link *link)
{
    int64_t jitter = link->plan->jitter + link->plan->units.spread;
    return link->plan->delay + (jitter ? (int64_t)rng_below(&link->sim->rng, (uint64_t)jitter) : 0);
}

static void fate(struct sim_unit *unit, bool acked)
{
    struct link *link = unit->link;
    struct side *side = &link->sim->sides[unit->from];
    if (unit->fate_told || link->dead || !link_alive(link, side))
        return;
    unit->fate_told = true;
    sim_log(link->sim, side, "    strand %u: unit %llu is %s", link->number, (unsigned long long)unit->number,
            acked ? "acked" : "lost");
    side_enter(side);
    session_unit_fate(link->strand[side->index], unit->number, acked, side_clock(side), side_clock(side));
    side_leave(side);
}

/* The word of it comes the other way. */
static void on_fate(struct sim *sim, void *object, uint64_t acked)
{
    const struct sim_unit *unit = object;
    int64_t until = unit->link->stalled[1 - unit->from];
    if (sim->now < until)
        sim_schedule(sim, until, on_fate, object, acked);
    else
        fate(object, acked);
}

/* ---- at the receiver */

static void unit_gone(struct sim_unit *unit)
{
    free(unit->bytes);
    unit->bytes = NULL;
}

static void arrive(struct sim *sim, void *object, uint64_t number);

static void give(struct sim_unit *unit, struct side *to)
{
    struct link *link = unit->link;
    struct sim *sim = link->sim;
    size_t left = unit->size - unit->given;
    size_t n = rng_chance(&sim->rng, 700) ? left : (size_t)rng_below(&sim->rng, left + 1);
    bool end = n == left && rng_chance(&sim->rng, 800); /* else an empty piece ends it */
    uint8_t *piece = malloc(n + 1);                     /* so that nothing beyond it is read unnoticed */
    if (!piece)
        abort();
    memcpy(piece, unit->bytes + unit->given, n);
    unit->given += n;
    sim_log(sim, to, "    strand %u: reads %zu bytes%s of unit %llu", link->number, n, end ? ", the last," : "",
            (unsigned long long)unit->number);
    side_enter(to);
    int r = session_unit_received(link->strand[to->index], &unit->lane, piece, n, end, unit->early,
                                  rng_chance(&sim->rng, 500) ? side_clock(to) : 0, side_clock(to));
    memset(piece, 0xbb, n);
    free(piece);
    if (r < 0 && !to->ended)
        sim_fail(sim, "session_unit_received() answers %d, but the session has not ended", r);
    if (end && unit->lane && !to->ended)
        sim_fail(sim, "the lane of a unit that ended is not given back");
    side_leave(to);
    unit->arrived = end;
    if (!end)
        sim_schedule(sim, sim->now + (rng_chance(&sim->rng, 500) ? 0 : rng_scale(&sim->rng, 1, travel(link) + 1)),
                     arrive, unit, 0);
}

static void arrive(struct sim *sim, void *object, uint64_t number)
{
    struct sim_unit *unit = object;
    struct link *link = unit->link;
    struct side *to = &sim->sides[1 - unit->from];
    (void)number;
    if (link->dead || unit->arrived || unit->reset || link->lost[to->index])
        return;
    int64_t until = link->stalled[unit->from];
    if (!link->added[to->index] || sim->now < until) { /* nobody is there yet */
        int64_t at = sim->now < until ? until : sim->now + MILLISECOND;
        sim_schedule(sim, at, arrive, unit, 0);
        return;
    }
    if (to->ended)
        unit->arrived = true;
    else
        give(unit, to);
    if (unit->arrived) {
        unit_gone(unit);
        sim_schedule(sim, sim->now + travel(link), on_fate, unit, true);
    }
}

/* ---- at the sender */

static void leave(struct sim *sim, void *object, uint64_t number)
{
    struct sim_unit *unit = object;
    struct link *link = unit->link;
    struct side *side = &sim->sides[unit->from];
    const struct unit_plan *plan = &link->plan->units;
    (void)number;
    if (link->dead)
        return;
    if (sim->now < link->stalled[unit->from]) {
        sim_schedule(sim, link->stalled[unit->from], leave, unit, 0);
        return;
    }
    bool refused = unit->early && !sim->plan.early_accepted; /* the peer will have thrown it away */
    bool lost = rng_chance(&sim->rng, plan->per_mille_loss);
    bool resent = plan->layers_resend && !unit->lossy;
    if (refused) {
        if (rng_chance(&sim->rng, 300)) /* word of it may come late */
            sim_schedule(sim, sim->now + travel(link) + sim->plan.handshake, on_fate, unit, 0);
    } else if (lost && !resent) {
        sim_schedule(sim, sim->now + 2 * travel(link), on_fate, unit, 0);
    } else {
        int64_t again = lost ? 3 * travel(link) : 0;
        sim_schedule(sim, sim->now + travel(link) + again, arrive, unit, 0);
        if (!resent && rng_chance(&sim->rng, plan->per_mille_misjudged))
            sim_schedule(sim, sim->now + rng_scale(&sim->rng, 1, 4 * travel(link) + 1), on_fate, unit, 0);
    }
    if (link_alive(link, side)) {
        side_enter(side);
        side_leave(side);
    }
}

static bool pull_once(struct link *link, struct side *side, bool lossy)
{
    struct sim *sim = link->sim;
    const struct unit_plan *plan = &link->plan->units;
    struct pipe *pipe = &link->pipes[side->index];
    uint8_t buffer[65536];
    size_t most = lossy ? plan->lossy_max : plan->most;
    size_t capacity = rng_chance(&sim->rng, 700) ? most : (size_t)rng_between(&sim->rng, 1000, (int64_t)most);
    struct session_unit unit;

    side->pulling = link;
    int r = session_unit_pull(link->strand[side->index], lossy, buffer, capacity, side_clock(side), &unit);
    side->pulling = NULL;
    if (r < 0)
        sim_fail(sim, "session_unit_pull() answers %d", r);
    if (unit.size > capacity)
        sim_fail(sim, "session_unit_pull() gives %zu bytes for a unit of %zu", unit.size, capacity);
    if (r < 0 || unit.size == 0)
        return false;
    if ((unit.resends >= 0 || unit.lifetime) && !plan->gives_up)
        sim_fail(sim, "a unit is to be given up by layers that cannot");
    if (unit.number != pipe->units_made)
        sim_fail(sim, "unit %llu follows unit %llu", (unsigned long long)unit.number,
                 (unsigned long long)pipe->units_made - 1);
    pipe->units_made++;
    if (!side->has_pulled)
        side->first_pull = sim->now;
    side->has_pulled = true;
    sim_log(sim, side, "    strand %u: %sunit %llu of %zu bytes", link->number, lossy ? "lossy " : "",
            (unsigned long long)unit.number, unit.size);
    frames_watch(side, link, buffer, unit.size, 0);
    struct sim_unit *out = calloc(1, sizeof *out);
    if (!out || !(out->bytes = malloc(unit.size)))
        abort();
    memcpy(out->bytes, buffer, unit.size);
    out->link = link;
    out->from = side->index;
    out->number = unit.number;
    out->size = unit.size;
    out->lossy = lossy || (unit.resends == 0 && plan->gives_up);
    out->early = link->early && side->index == 0;
    out->next = link->units;
    link->units = out;
    if (pipe->free_at < sim->now)
        pipe->free_at = sim->now;
    pipe->free_at += (int64_t)((double)unit.size * 1e6 / (double)link->plan->rate[side->index]);
    sim_schedule(sim, pipe->free_at, leave, out, 0);
    return true;
}

void unit_link_pull(struct link *link, struct side *side)
{
    struct sim *sim = link->sim;
    const struct pipe *pipe = &link->pipes[side->index];
    bool lossy;
    while (!sim->failed && !link->dead) {
        double waiting = (double)(pipe->free_at - sim->now) * (double)link->plan->rate[side->index] / 1e6;
        if (waiting >= (double)link->plan->room || !session_unit_wanted(link->strand[side->index], &lossy))
            break;
        if (!pull_once(link, side, lossy))
            break;
    }
}

/* Nothing in it matters any more: the layers may stop, and may not. */
void unit_link_useless(struct link *link, struct side *side, uint64_t number)
{
    struct sim *sim = link->sim;
    struct sim_unit *unit = link->units;
    while (unit && (unit->from != side->index || unit->number != number))
        unit = unit->next;
    if (!unit || unit->fate_told) {
        sim_fail(sim, "%c: unit %llu is called useless, and is not under way", "AB"[side->index],
                 (unsigned long long)number);
        return;
    }
    if (unit->arrived || unit->reset || rng_chance(&sim->rng, 300))
        return;
    struct side *to = OTHER(side);
    unit->reset = true;
    if (unit->lane && link_alive(link, to) && !to->ended) {
        session_unit_reset(link->strand[to->index], &unit->lane);
        if (unit->lane)
            sim_fail(sim, "the lane of a unit that was reset is not given back");
    }
    unit_gone(unit);
    sim_schedule(sim, sim->now + travel(link), on_fate, unit, 0);
}

bool unit_link_drained(const struct link *link, const struct side *side)
{
    bool early = link->early && side->index == 0; /* nothing is told before the handshake has ended */
    return early || session_units_under_way(link->strand[side->index]) == 0;
}

void unit_link_free(struct link *link)
{
    while (link->units) {
        struct sim_unit *unit = link->units;
        link->units = unit->next;
        free(unit->bytes);
        free(unit);
    }
}
