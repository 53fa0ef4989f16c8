/* SPDX-License-Identifier: Apache-2.0 */
/* What one message does to another: an urgent one behind bulk, a strand that stalls, credit that is short, bandwidth. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"

/* Everything large goes by parts, so that the receiver needs no memory for it. */
static void take_parts(struct plan *plan)
{
    for (unsigned i = 0; i < SIDES; i++)
        plan->sides[i].per_mille_take[SESSION_TAKE_PARTS - SESSION_TAKE_INTO] = 1000;
}

struct probes {
    int64_t delays[2000];
    size_t count, sent, most;
    int64_t pace;
    int niceness;
    uint64_t bulk;
    uint64_t in_stall, late_in_stall;
    int64_t stall_from, stall_to, bound;
    unsigned delivered;
};

static void probe(struct sim *sim, void *object, uint64_t number)
{
    struct probes *probes = sim->scenario;
    struct message_spec spec = {.size = 100, .niceness = probes->niceness};
    (void)object;
    (void)number;
    program_send(&sim->sides[0], &spec, NULL);
    if (++probes->sent < probes->most)
        sim_schedule(sim, sim->now + probes->pace + (int64_t)rng_below(&sim->rng, 1000), probe, NULL, 0);
}

static void probe_delivered(struct sim *sim, struct message *message)
{
    struct probes *probes = sim->scenario;
    if (message->id == probes->bulk)
        return;
    int64_t delay = sim->now - message->sent_at;
    probes->delays[probes->count++] = delay;
    if (message->sent_at >= probes->stall_from && message->sent_at < probes->stall_to) {
        probes->in_stall++;
        probes->late_in_stall += delay > probes->bound;
    }
}

/* ---- urgent behind bulk: within 1.5 round trips and 64 KiB's serialisation */

bool scenario_urgent(bool verbose)
{
    static struct probes probes;
    struct plan plan;
    const uint64_t rate = 100 * 1000 * 1000 / 8;
    const int64_t rtt = 20 * MILLISECOND;
    plan_plain(&plan, rate, rtt / 2);
    take_parts(&plan);
    probes = (struct probes){.most = 200, .pace = 37 * MILLISECOND, .niceness = -50, .bulk = 1};
    struct sim *sim = scenario_begin(&plan, verbose);
    sim->scenario = &probes;
    sim->on_delivered = probe_delivered;
    struct message_spec bulk = {.size = 128 << 20, .source = true};
    program_send(&sim->sides[0], &bulk, NULL);
    sim_schedule(sim, sim->now + SECOND, probe, NULL, 0);
    sim_run(sim, sim->now + 9 * SECOND, sim_over);
    bool running = !sim->sides[0].messages[0]->delivered;
    qsort(probes.delays, probes.count, sizeof *probes.delays, scenario_compare);
    int64_t bound = rtt * 3 / 2 + (int64_t)(65536 * SECOND / (int64_t)rate);
    printf("urgent messages behind a bulk message, 100 Mbit/s, round trip 20 ms: median %.1f ms, worst %.1f ms\n",
           (double)probes.delays[probes.count / 2] / 1e3, (double)probes.delays[probes.count - 1] / 1e3);
    bool held = scenario_assert(running && probes.count == probes.most, "all %zu came while the bulk was under way",
                                probes.most);
    held =
        scenario_assert(probes.delays[probes.count - 1] <= bound, "the worst is within %.1f ms", (double)bound / 1e3) &&
        held;
    return scenario_end(sim) && held;
}

/* ---- a strand that stalls does not stall what goes by the other (S2.60a) */

bool scenario_stall(bool verbose)
{
    static struct probes probes;
    struct plan plan;
    const int64_t delay = 10 * MILLISECOND;
    plan_plain(&plan, 2 << 20, delay);
    take_parts(&plan);
    plan.link_count = 2;
    plan.links[1].add_at = 100 * MILLISECOND;
    plan.links[0].stalls_at = 3 * SECOND;
    plan.links[0].stalls_for = 4 * SECOND;
    plan.links[0].suspects = true;
    probes = (struct probes){
        .most = 1000,
        .pace = 10 * MILLISECOND,
        .bulk = 1,
        /* The caller suspects the strand after at most 200 ms. */
        .stall_from = 3 * SECOND + 200 * MILLISECOND,
        .stall_to = 7 * SECOND,
        .bound = 100 * MILLISECOND,
    };
    struct sim *sim = scenario_begin(&plan, verbose);
    sim->scenario = &probes;
    sim->on_delivered = probe_delivered;
    struct message_spec bulk = {.size = 64 << 20, .source = true, .niceness = 20};
    program_send(&sim->sides[0], &bulk, NULL);
    sim_schedule(sim, sim->now + SECOND, probe, NULL, 0);
    sim_run(sim, sim->now + 20 * SECOND, sim_over);
    printf("one of two strands stalls for 4 s: %" PRIu64 " messages were sent meanwhile, %" PRIu64
           " took over %.0f ms\n",
           probes.in_stall, probes.late_in_stall, (double)probes.bound / 1e3);
    bool held = scenario_assert(probes.in_stall > 300 && probes.late_in_stall == 0, "none of them was held up");
    held = scenario_assert(probes.count == probes.most, "all %zu came", probes.most) && held;
    return scenario_end(sim) && held;
}

/* ---- a huge message, a successor of it, and full buffers still progress (S2.58a) */

static void count_delivered(struct sim *sim, struct message *message)
{
    struct probes *probes = sim->scenario;
    (void)message;
    probes->delivered++;
}

bool scenario_credit(bool verbose)
{
    static struct probes probes;
    struct plan plan;
    plan_plain(&plan, 10 << 20, 5 * MILLISECOND);
    take_parts(&plan);
    for (unsigned i = 0; i < SIDES; i++) {
        plan.sides[i].receive_memory = 1 << 20;
        plan.sides[i].per_mille_take[SESSION_TAKE_PARTS - SESSION_TAKE_INTO] = 300;
    }
    plan.sides[1].per_mille_keep = 1000; /* the program is slow to let go of what it got: buffers are full */
    probes = (struct probes){0};
    struct sim *sim = scenario_begin(&plan, verbose);
    sim->keeps = true;
    sim->scenario = &probes;
    sim->on_delivered = count_delivered;
    struct side *side = &sim->sides[0];
    /* Huge ones first, which no receiver of 1 MiB can hold; their successors; then many that want memory, whole. */
    uint64_t huge[3];
    unsigned sent = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct message *message;
        struct message_spec spec = {.size = (uint64_t)(20 + i) << 20, .source = true, .niceness = (int)(10 * i)};
        sent += program_send(side, &spec, &message) == 0;
        huge[i] = message->id;
    }
    sim->sides[1].takes_parts_above = 300000;
    for (unsigned i = 0; i < 40; i++) {
        struct message_spec spec = {
            .size = i % 2 ? 1000 : 200000, .niceness = -5, .antecedents = huge, .antecedent_count = 1 + i % 3};
        sent += program_send(side, &spec, NULL) == 0;
        spec = (struct message_spec){.size = 70000 + i * 5000, .niceness = (int)(i % 20)};
        sent += program_send(side, &spec, NULL) == 0;
    }
    int64_t before = sim->now;
    while (!sim->failed && probes.delivered < sent && sim->now - before < 600 * SECOND)
        sim_run(sim, sim->now + SECOND, sim_over);
    printf("%u messages of %.0f MB, three of them huge and antecedents of others, into 1 MiB: %u came in %.1f s\n",
           sent, 75.0, probes.delivered, (double)(sim->now - before) / SECOND);
    bool held = scenario_assert(probes.delivered == sent, "all came");
    held = scenario_assert(sim->sides[1].account.peak < (3 << 20) + (1 << 19), "in %.1f MB of memory",
                           (double)sim->sides[1].account.peak / 1e6) &&
           held;
    return scenario_end(sim) && held;
}

/* ---- a stream's bandwidth is kept while messages saturate the line, and bounds it where it is a limit (S2.46) */

static bool one_stream(uint64_t bandwidth, bool limit, int niceness, bool verbose, double *ret_rate)
{
    static struct probes probes;
    struct plan plan;
    plan_plain(&plan, 10 * 1000 * 1000 / 8, 10 * MILLISECOND);
    plan.sides[0].per_mille_keep = 0;
    probes = (struct probes){0};
    struct sim *sim = scenario_begin(&plan, verbose);
    sim->scenario = &probes;
    for (unsigned i = 0; i < 500; i++) {
        struct message_spec spec = {.size = 60000, .borrowed = true};
        program_send(&sim->sides[0], &spec, NULL);
    }
    struct stream *stream = stream_open(&sim->sides[0], niceness, bandwidth, limit, 40 << 20, 0);
    if (!stream)
        return false;
    size_t index = (size_t)(stream - sim->streams);
    sim_run(sim, sim->now + 2 * SECOND, sim_over);
    uint64_t read = sim->streams[index].direction[0].read;
    sim_run(sim, sim->now + 10 * SECOND, sim_over);
    *ret_rate = (double)(sim->streams[index].direction[0].read - read) * 8 / 10;
    bool saturated = sim->sides[0].unended > 50;
    sim->streams[index].resets_at[0] = 1;
    sim_schedule(sim, sim->now, stream_poke, &sim->sides[0], sim->streams[index].id);
    return scenario_end(sim) && saturated;
}

bool scenario_bandwidth(bool verbose)
{
    double none = 0, kept = 0, limited = 0, alone = 0;
    /* Behind the messages in niceness, so that only the reservation helps. */
    bool held = one_stream(0, false, 50, verbose, &none);
    held = one_stream(4000000, false, 50, verbose, &kept) && held;
    held = one_stream(2000000, true, 50, verbose, &limited) && held;
    held = one_stream(2000000, true, -50, verbose, &alone) && held;
    printf(
        "a stream beside messages that saturate 10 Mbit/s: %.2f Mbit/s without bandwidth, %.2f with 4 kept, %.2f with 2"
        " kept and at most, %.2f the same before the messages\n",
        none / 1e6, kept / 1e6, limited / 1e6, alone / 1e6);
    held = scenario_assert(none < 100000, "without bandwidth the messages go first") && held;
    held = scenario_assert(kept >= 0.97 * 4000000, "4 Mbit/s are kept") && held;
    held = scenario_assert(limited >= 0.97 * 2000000 && limited <= 1.01 * 2000000, "2 Mbit/s are kept, and no more") &&
           held;
    held = scenario_assert(alone <= 1.01 * 2000000, "never more, even where nothing goes before it") && held;
    return held;
}
