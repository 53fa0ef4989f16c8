/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 10 Mbit/s link and more to say at times than it carries: how many messages miss their deadline when the engine
 * knows lifetimes and niceness, beside first in, first out. The offered traffic is the same in all runs.
 *
 * Each 40 ms a picture is sent: a base (urgent, 300 ms), and refinements that depend on it (100 ms each, the later
 * ones on the one before). Beside it commands (small, 60 ms), and bulk without hurry (2 s) in bursts.
 */
#include <stdio.h>

#include "scenario.h"

#define LOADS 5
#define DURATION (30 * SECOND)
#define KINDS 4

enum order { FIFO, LIFETIMES, LIFETIMES_AND_NICENESS, ORDERS };

static const struct {
    const char *name;
    int niceness;
    int64_t lifetime;
} kinds[KINDS] = {
    {"command", -20, 60 * MILLISECOND},
    {"base", 0, 300 * MILLISECOND},
    {"refinement", 10, 100 * MILLISECOND},
    {"bulk", 30, 2 * SECOND},
};

struct sending {
    enum order order;
    double load;
    struct rng rng;
    uint64_t previous; /* of the picture that is being sent */
    uint64_t sent[KINDS], in_time[KINDS];
    uint8_t kind[100000];
};

static void say(struct sim *sim, unsigned kind, uint64_t size, const uint64_t *antecedent)
{
    struct sending *sending = sim->scenario;
    struct message_spec spec = {.size = size};
    struct message *message;
    if (sending->order != FIFO)
        spec.lifetime = kinds[kind].lifetime;
    if (sending->order == LIFETIMES_AND_NICENESS)
        spec.niceness = kinds[kind].niceness;
    if (antecedent && *antecedent) {
        spec.antecedents = antecedent;
        spec.antecedent_count = 1;
    }
    if (program_send(&sim->sides[0], &spec, &message) < 0) {
        sim_fail(sim, "the queue is full");
        return;
    }
    sending->kind[message->id] = (uint8_t)kind;
    sending->sent[kind]++;
    sending->previous = message->id;
}

static void picture(struct sim *sim, void *object, uint64_t number)
{
    struct sending *sending = sim->scenario;
    struct rng *rng = &sending->rng;
    (void)object;
    if (sim->now > DURATION)
        return;
    double scale = sending->load;
    say(sim, 1, (uint64_t)(scale * (double)rng_between(rng, 8000, 16000)), NULL);
    for (int i = 0; i < 4; i++) {
        uint64_t antecedent = sending->previous;
        say(sim, 2, (uint64_t)(scale * (double)rng_between(rng, 2000, 7000)), &antecedent);
    }
    for (int i = 0; i < 3; i++)
        say(sim, 0, (uint64_t)rng_between(rng, 50, 400), NULL);
    if (number % 25 == 0) /* once a second */
        for (int i = 0; i < 10; i++)
            say(sim, 3, (uint64_t)(scale * (double)rng_between(rng, 20000, 45000)), NULL);
    sim_schedule(sim, sim->now + 40 * MILLISECOND, picture, NULL, number + 1);
}

static void delivered(struct sim *sim, struct message *message)
{
    struct sending *sending = sim->scenario;
    unsigned kind = sending->kind[message->id];
    if (message->from->index == 0 && sim->now - message->sent_at <= kinds[kind].lifetime)
        sending->in_time[kind]++;
}

static bool run(enum order order, double load, bool verbose, uint64_t *ret_missed, uint64_t *ret_sent)
{
    static struct sending sending;
    struct plan plan;
    plan_plain(&plan, 10 * 1000 * 1000 / 8, 10 * MILLISECOND);
    plan.links[0].room = 8 << 10;
    sending = (struct sending){.order = order, .load = load};
    rng_seed(&sending.rng, 5);
    struct sim *sim = scenario_begin(&plan, verbose);
    sim->scenario = &sending;
    sim->on_delivered = delivered;
    sim_schedule(sim, sim->now, picture, NULL, 0);
    sim_run(sim, DURATION + 20 * SECOND, sim_over);
    *ret_missed = *ret_sent = 0;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        *ret_missed += sending.sent[kind] - sending.in_time[kind];
        *ret_sent += sending.sent[kind];
    }
    return scenario_end(sim);
}

bool scenario_deadlines(bool verbose)
{
    static const double loads[LOADS] = {0.6, 0.8, 1.0, 1.2, 1.4};
    bool held = true;
    printf("missed deadlines on a 10 Mbit/s link, of what was sent in 30 s\n"
           "%8s %10s %14s %14s %24s\n",
           "scale", "messages", "fifo", "lifetimes", "lifetimes and niceness");
    for (unsigned i = 0; i < LOADS; i++) {
        uint64_t missed[ORDERS], sent = 0;
        for (enum order order = FIFO; order < ORDERS; order++)
            held = run(order, loads[i], verbose, &missed[order], &sent) && held;
        printf("%8.1f %10llu", loads[i], (unsigned long long)sent);
        for (enum order order = FIFO; order < ORDERS; order++)
            printf("%*llu %5.1f%%", order == ORDERS - 1 ? 17 : 7, (unsigned long long)missed[order],
                   100.0 * (double)missed[order] / (double)sent);
        putchar('\n');
        if (missed[FIFO] > 0)
            held = scenario_assert(missed[LIFETIMES] < missed[FIFO] && missed[LIFETIMES_AND_NICENESS] < missed[FIFO],
                                   "fewer are missed than first in, first out") &&
                   held;
    }
    return held;
}
