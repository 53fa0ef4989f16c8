/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several strands at once: what two paths bring together, what a slow one costs, and how long a receiver waits when one of
 * them falls silent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"

#define MBIT (1000 * 1000 / 8)

struct path {
    unsigned mbit;
    int64_t rtt; /* milliseconds */
    bool units;
};

enum load { ONE_LARGE, MANY_LARGE, MANY_SMALL, LOADS };

static const char *const load_names[] = {"one message of 24 MB in parts", "80 messages of 300 kB",
                                         "24,000 of 1,000 bytes"};

struct transfer {
    enum load load;
    bool ordered;
    uint64_t wanted, came, sent;
    int64_t ended;
};

static void set_path(struct plan *plan, unsigned number, const struct path *path)
{
    struct link_plan *link = &plan->links[number];
    link->rate[0] = link->rate[1] = (uint64_t)path->mbit * MBIT;
    link->delay = path->rtt * MILLISECOND / 2;
    link->add_at = number ? 50 * MILLISECOND : 0;
    link->units.most = path->units ? 1400 : 0;
    link->units.layers_resend = true;
    link->tells_rate = false;
}

static void came(struct sim *sim, struct message *message)
{
    struct transfer *transfer = sim->scenario;
    (void)message;
    if (++transfer->came == transfer->wanted)
        transfer->ended = sim->now;
}

/* Keeps the queue filled, as a program does that is told when there is room. */
static void send_more(struct sim *sim, void *object, uint64_t number)
{
    static const uint64_t sizes[] = {24 * 1000 * 1000, 300 * 1000, 1000};
    struct transfer *transfer = object;
    struct message_spec spec = {.size = sizes[transfer->load], .ordered = transfer->ordered};
    (void)number;
    for (unsigned i = 0; i < 2000 && transfer->sent < transfer->wanted; i++) {
        if (sim->sides[0].unended > 4000)
            break;
        program_send(&sim->sides[0], &spec, NULL);
        transfer->sent++;
    }
    if (transfer->sent < transfer->wanted)
        sim_schedule(sim, sim->now + MILLISECOND, send_more, transfer, 0);
}

/* Seconds that the load takes over these paths; negative: it failed. */
static double time_of(const struct path *paths, unsigned count, enum load load, bool ordered, bool verbose,
                      struct session_statistics ret_statistics[SIDES])
{
    static struct transfer transfer;
    struct plan plan;
    plan_plain(&plan, 1, 1);
    plan.policy = SESSION_AGGREGATE;
    plan.link_count = count;
    for (unsigned i = 0; i < count; i++)
        set_path(&plan, i, &paths[i]);
    for (unsigned i = 0; i < SIDES; i++) {
        plan.sides[i].per_mille_take[SESSION_TAKE_PARTS - SESSION_TAKE_INTO] = load == ONE_LARGE ? 1000 : 0;
        plan.sides[i].receive_memory = 32 << 20;
    }
    struct sim *sim = scenario_begin(&plan, verbose);
    sim_run(sim, sim->now + SECOND, sim_over); /* the strands are there, and their round trips known */
    transfer = (struct transfer){.load = load,
                                 .ordered = ordered,
                                 .wanted = load == ONE_LARGE    ? 1
                                           : load == MANY_LARGE ? 80
                                                                : 24000};
    sim->scenario = &transfer;
    sim->on_delivered = came;
    int64_t before = sim->now;
    sim_schedule(sim, sim->now, send_more, &transfer, 0);
    while (!sim->failed && !transfer.ended && sim->now - before < 100 * SECOND)
        sim_run(sim, sim->now + 100 * MILLISECOND, sim_over);
    for (unsigned i = 0; i < SIDES; i++)
        session_get_statistics(sim->sides[i].session, &ret_statistics[i]);
    int64_t ended = transfer.ended;
    bool held = scenario_end(sim);
    return held && ended ? (double)(ended - before) / SECOND : -1;
}

struct pairing {
    struct path paths[2];
    double least; /* of the sum of their rates, against the better one alone */
};

/* What both bring, as a share of what both could. */
static bool pairing_holds(const struct pairing *pairing, enum load load, bool units, bool verbose)
{
    struct path paths[2] = {pairing->paths[0], pairing->paths[1]};
    struct session_statistics alone[SIDES], each[SIDES], both;
    paths[0].units = units;
    double one = time_of(paths, 1, load, false, verbose, alone);
    double two = time_of(paths, 2, load, false, verbose, each);
    both = each[0];
    double sum = (double)(paths[0].mbit + paths[1].mbit) / paths[0].mbit;
    printf("%u/%" PRId64 "%s + %u/%" PRId64 ", %s: %.2f s alone, %.2f s together, %.3f of the sum; %" PRIu64
           " kB twice, %" PRIu64 " again, %" PRIu64 " stalls, %" PRIu64 " suspicions\n",
           paths[0].mbit, paths[0].rtt, units ? " in units" : "", paths[1].mbit, paths[1].rtt, load_names[load], one,
           two, one / two / sum, both.duplicated_bytes / 1000, both.resent_bytes / 1000, both.stalls, both.suspicions);
    if (one < 0 || two < 0)
        return scenario_assert(false, "all came");
    bool held = scenario_assert(two <= one * 1.03, "it is no slower than the better one alone");
    if (pairing->least > 0)
        held = scenario_assert(one / two / sum >= pairing->least, "at least %.2f of the sum", pairing->least) && held;
    return held;
}

bool scenario_together(bool verbose)
{
    static const struct pairing pairings[] = {
        {{{50, 10, false}, {50, 10, false}}, 0.95},
        {{{50, 10, false}, {20, 60, false}}, 0.90},
        {{{50, 10, false}, {1, 400, false}}, 0},
        {{{50, 20, false}, {1, 400, true}}, 0},
    };
    bool held = true;
    for (size_t i = 0; i < sizeof pairings / sizeof *pairings; i++)
        for (enum load load = 0; load < LOADS; load++) {
            held = pairing_holds(&pairings[i], load, false, verbose) && held;
            held = pairing_holds(&pairings[i], load, true, verbose) && held;
        }
    return held;
}

/* ---- what order costs over unequal paths (S1.19) */

bool scenario_order(bool verbose)
{
    static const struct path paths[2] = {{50, 10, false}, {20, 60, false}};
    bool held = true;
    for (enum load load = MANY_LARGE; load < LOADS; load++) {
        struct session_statistics free[SIDES], strict[SIDES];
        double unordered = time_of(paths, 2, load, false, verbose, free);
        double ordered = time_of(paths, 2, load, true, verbose, strict);
        printf("50/10 + 20/60, %s: %.3f s as they come, %" PRIu64 " stalls; %.3f s in order, %" PRIu64
               " stalls of %.0f ms together\n",
               load_names[load], unordered, free[1].stalls, ordered, strict[1].stalls,
               (double)strict[1].stall_time / 1e3);
        held = scenario_assert(unordered > 0 && ordered > 0, "all came") && held;
        held = scenario_assert(unordered <= ordered, "as they come is no later than in order") && held;
        if (load == MANY_SMALL) /* large ones wait at their sender, which opens them one after the other */
            held = scenario_assert(strict[1].stalls > free[1].stalls, "the wait for order is counted") && held;
    }
    return held;
}

/* ---- one of two strands falls silent under load: how long the receiver gets nothing */

struct silence {
    int64_t last, longest, from;
    uint64_t sent;
    int64_t worst; /* from sending to delivery, of those sent since */
    bool over;
};

static void heard(struct sim *sim, struct message *message)
{
    struct silence *silence = sim->scenario;
    if (sim->now < silence->from)
        return;
    int64_t gap = sim->now - (silence->last ? silence->last : silence->from), age = sim->now - message->sent_at;
    silence->longest = gap > silence->longest ? gap : silence->longest;
    silence->worst = age > silence->worst ? age : silence->worst;
    silence->last = sim->now;
}

static void tick(struct sim *sim, void *object, uint64_t number)
{
    struct silence *silence = object;
    struct message_spec spec = {.size = number, .ordered = true};
    program_send(&sim->sides[0], &spec, NULL);
    if (!silence->over)
        sim_schedule(sim, sim->now + (number > 1000 ? 5 : 2) * MILLISECOND, tick, object, number);
}

static bool silence_holds(enum session_policy policy, bool units, uint64_t size, unsigned which, bool verbose)
{
    static const char *const names[] = {"handover", "interactive", "aggregate"};
    static const int64_t bounds[] = {300, 150, 150};
    static struct silence silence;
    struct plan plan;
    plan_plain(&plan, 1, 1);
    plan.policy = policy;
    plan.link_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        set_path(&plan, i, &(struct path){50, 20, units});
        plan.links[i].tells_rate = true;
    }
    plan.links[which].stalls_at = 3 * SECOND;
    plan.links[which].stalls_for = 5 * SECOND;
    struct sim *sim = scenario_begin(&plan, verbose);
    sim->scenario = &silence;
    sim->on_delivered = heard;
    silence = (struct silence){.from = 2 * SECOND};
    sim_schedule(sim, sim->now, tick, &silence, size);
    sim_run(sim, 6 * SECOND, sim_over);
    struct session_strand_state at, after;
    session_strand_get(sim->links[which].strand[0], &at);
    sim_run(sim, 14 * SECOND, sim_over);
    session_strand_get(sim->links[which].strand[0], &after);
    silence.over = true;
    sim_run(sim, sim->now + 100 * MILLISECOND, sim_over);
    printf("%s, %s, ordered messages of %" PRIu64
           " bytes, strand %u silent for 5 s: nothing came for %.0f ms at most, the"
           " oldest came after %.0f ms\n",
           names[policy], units ? "units" : "bytes", size, which, (double)silence.longest / 1e3,
           (double)silence.worst / 1e3);
    bool held = scenario_assert(silence.longest <= bounds[policy] * MILLISECOND, "no longer than %" PRId64 " ms",
                                bounds[policy]);
    bool carries = policy == SESSION_HANDOVER ? which == 1 || after.carries : after.carries;
    /* One that carried nothing when it fell silent may not have been noticed. */
    bool noticed = !at.carries || silence.longest <= 50 * MILLISECOND;
    held = scenario_assert(noticed && carries && !after.suspected, "it is taken up again when it is back") && held;
    return scenario_end(sim) && held;
}

bool scenario_silence(bool verbose)
{
    bool held = true;
    for (enum session_policy policy = SESSION_HANDOVER; policy <= SESSION_AGGREGATE; policy++)
        for (unsigned units = 0; units < 2; units++)
            for (unsigned which = 0; which < 2; which++) {
                if (policy == SESSION_HANDOVER && which == 1)
                    continue;
                held = silence_holds(policy, units, 200, which, verbose) && held;
                held = silence_holds(policy, units, 12000, which, verbose) && held;
            }
    return held;
}

/* ---- any single failure, on paths of any kind: what is in order goes on within a bound that follows from the paths */

#define FAILURES 600

struct failure {
    enum session_policy policy;
    unsigned which, kind;
    int64_t bound;
};

enum { ALL_SILENT, OPENER_SILENT, ACCEPTER_SILENT, DIES, KINDS };

static void draw_failure(struct rng *rng, struct plan *plan, struct failure *failure)
{
    plan_plain(plan, 1, 1);
    plan->link_count = 2 + (unsigned)rng_below(rng, 3);
    plan->policy = (enum session_policy)rng_below(rng, 3);
    int64_t longest = 0;
    for (unsigned i = 0; i < plan->link_count; i++) {
        struct path path = {(unsigned)rng_scale(rng, 8, 100), rng_scale(rng, 4, 200), rng_chance(rng, 500)};
        set_path(plan, i, &path);
        plan->links[i].tells_rate = rng_chance(rng, 700);
        longest = path.rtt > longest ? path.rtt : longest;
    }
    *failure = (struct failure){.policy = plan->policy,
                                .which = (unsigned)rng_below(rng, plan->link_count),
                                .kind = (unsigned)rng_below(rng, KINDS)};
    struct link_plan *link = &plan->links[failure->which];
    int64_t rtt = 2 * link->delay / MILLISECOND;
    /* Twice its round trip until it is suspected, the peer asked by the longest, and sent again by that. */
    failure->bound = 2 * rtt + 2 * longest + 150;
    if (failure->kind == DIES) {
        link->dies_at = 4 * SECOND;
        for (unsigned i = 0; i < SIDES; i++)
            link->learns[i] = rng_scale(rng, 1, SECOND);
        return;
    }
    link->stalls_at = 4 * SECOND;
    link->stalls_for = 4 * SECOND;
    link->stalls_of = failure->kind == ALL_SILENT ? 3 : failure->kind == OPENER_SILENT ? 1 : 2;
}

static bool failure_holds(uint64_t number, bool verbose, int64_t *ret_longest, struct failure *ret_failure)
{
    static struct silence silence;
    struct rng rng;
    struct plan plan;
    rng_seed(&rng, number);
    draw_failure(&rng, &plan, ret_failure);
    plan.seed = number;
    uint64_t size = (uint64_t)rng_scale(&rng, 50, 2000);
    struct sim *sim = scenario_begin(&plan, verbose);
    sim->scenario = &silence;
    sim->on_delivered = heard;
    silence = (struct silence){.from = 3 * SECOND};
    sim_run(sim, SECOND, sim_over);
    sim_schedule(sim, sim->now, tick, &silence, size);
    sim_run(sim, 7 * SECOND, sim_over);
    silence.over = true;
    sim_run(sim, sim->now + 2 * SECOND, sim_over);
    *ret_longest = silence.longest / MILLISECOND;
    return scenario_end(sim) && silence.last > 0;
}

bool scenario_failures(bool verbose)
{
    static const char *const kinds[] = {"silent", "silent from the opener", "silent from the accepter", "dead"};
    int64_t worst = 0, sum = 0;
    unsigned beyond = 0;
    bool held = true;
    for (uint64_t number = 1; number <= FAILURES; number++) {
        struct failure failure;
        int64_t longest = 0;
        held = failure_holds(number, verbose, &longest, &failure) && held;
        sum += longest;
        worst = longest > worst ? longest : worst;
        if (longest <= failure.bound)
            continue;
        beyond++;
        printf("  failure %" PRIu64 ": policy %d, strand %u is %s: nothing came for %" PRId64
               " ms, the bound is %" PRId64 "\n",
               number, failure.policy, failure.which, kinds[failure.kind], longest, failure.bound);
    }
    printf("%d times one of several strands failed: nothing came for %.0f ms on average, %" PRId64 " at most\n",
           FAILURES, (double)sum / FAILURES, worst);
    held = scenario_assert(beyond == 0, "never for longer than four round trips of the paths and 150 ms") && held;
    return held;
}
