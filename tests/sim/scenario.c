/* SPDX-License-Identifier: Apache-2.0 */
/* Set pieces: plain links, a program of their own, and an assertion. Each prints its figures and what it asserts. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

static const struct {
    const char *name;
    bool (*run)(bool verbose);
} scenarios[] = {
    {"deadlines", scenario_deadlines}, {"urgent", scenario_urgent},       {"stall", scenario_stall},
    {"credit", scenario_credit},       {"bandwidth", scenario_bandwidth}, {"lossy", scenario_lossy},
    {"together", scenario_together},   {"order", scenario_order},         {"silence", scenario_silence},
    {"failures", scenario_failures},
};

void scenario_list(FILE *file)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        fprintf(file, " %s", scenarios[i].name);
    fputs(" all\n", file);
}

int scenario_run(const char *name, bool verbose)
{
    bool found = false, all = strcmp(name, "all") == 0, held = true;
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (!all && strcmp(name, scenarios[i].name) != 0)
            continue;
        found = true;
        bool r = scenarios[i].run(verbose);
        printf("%s: %s\n", scenarios[i].name, r ? "passed" : "FAILED");
        held = held && r;
    }
    return !found ? 2 : !held;
}

struct sim *scenario_begin(const struct plan *plan, bool verbose)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        abort();
    sim->plan = *plan;
    sim_init(sim, verbose);
    if (sim_start(sim) < 0)
        sim_fail(sim, "a session could not be made");
    sim_run(sim, 500 * MILLISECOND, sim_over); /* HELLO and the first clock samples are through */
    return sim;
}

static void close_event(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    (void)sim;
    (void)number;
    side->close_called = true;
    side_enter(side);
    session_close(side->session, 0, "the scenario is over");
    side_leave(side);
}

/* Ends both sides, and holds the contract of all that was sent. */
bool scenario_end(struct sim *sim)
{
    if (!sim->failed && !sim_over(sim)) {
        sim_schedule(sim, sim->now, close_event, &sim->sides[0], 0);
        sim_run(sim, sim->now + 600 * SECOND, sim_over);
        if (!sim->failed && !sim_over(sim))
            sim_fail(sim, "deadlock while it closes");
    }
    if (!sim->failed)
        check_end(sim);
    if (sim->failed) {
        printf("  %s\n", sim->failure);
        sim_dump(sim);
    }
    bool held = !sim->failed;
    sim_free(sim);
    held = held && !sim->failed;
    free(sim);
    return held;
}

bool scenario_assert(bool condition, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("  %s: ", condition ? "holds" : "FAILED");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    return condition;
}

int scenario_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}
