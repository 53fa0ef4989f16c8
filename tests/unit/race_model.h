/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the race, written once more for test_race_random.c: over flat lists and by asking everything afresh, where
 * the engine keeps a tree. It says when the next start is due, and whose it is.
 */
#ifndef TEST_RACE_MODEL_H
#define TEST_RACE_MODEL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "race/race.h"

enum { RUNNERS_MAX = 14, PATHS = 3, STACKS = 3, QUESTIONS = 3 };

enum runner_state { ABSENT, REFUSED, WAITING, RUNNING, FAILED, STOPPED, WITHDRAWN, WON };
enum fate { FAILS, FAILS_AT_ONCE, WINS, HANGS };

struct runner {
    struct race_spec spec;
    struct race_candidate *candidate;
    enum runner_state state;
    enum fate fate;
    int64_t add_at, withdraw_at, reach_after, end_after; /* after: its start; RACE_NEVER: not */
    int64_t started;
    bool failed_when_gone; /* withdrawn while it runs: it cannot go on */
    unsigned turn;
};

struct model_node { /* a stack, a path, or the root */
    bool begun, hurry, reached;
    int64_t last;
};

struct world {
    struct memory memory;
    struct race *race;
    uint64_t random;
    bool verbose, frees, decided, timed_out, any_failover;
    int64_t now, deadline, delay, first_address, complete_at, learn_at, learnt;
    bool complete, opened;
    unsigned count, turns, open, preferred_count, refuse_memory;
    bool prefer_v4;
    int64_t answer_at[QUESTIONS];
    int path_rank[PATHS], stack_rank[STACKS];
    int64_t path_delay[PATHS], stack_delay[STACKS];
    bool path_failover[PATHS], stack_failover[STACKS];
    struct model_node root, paths[PATHS], stacks[PATHS][STACKS];
    struct runner runners[RUNNERS_MAX], *winner;
    size_t allocated;
    uint64_t starts;
    char why[256];
    jmp_buf failed;
};

/* --------------------------------------------------------------------------------------------------------- the model */

static bool in_stack(const struct runner *runner, unsigned path, unsigned stack)
{
    return runner->spec.path == path && runner->spec.stack == stack;
}

/* How many of a path (stack: STACKS for any) are in a state; path PATHS: of all. */
static unsigned count_of(const struct world *w, unsigned path, unsigned stack, enum runner_state state)
{
    unsigned count = 0;

    for (unsigned i = 0; i < w->count; i++)
        count += w->runners[i].state == state && (path == PATHS || w->runners[i].spec.path == path) &&
                 (stack == STACKS || w->runners[i].spec.stack == stack);
    return count;
}

static bool lives(const struct world *w, unsigned path, unsigned stack)
{
    return count_of(w, path, stack, RUNNING) + count_of(w, path, stack, WAITING) > 0;
}

static bool preferred(const struct world *w, const struct runner *runner)
{
    return runner->spec.family != (w->prefer_v4 ? RACE_FAMILY_V6 : RACE_FAMILY_V4);
}

/* Whose turn it is within a stack. */
static struct runner *stack_turn(struct world *w, unsigned path, unsigned stack)
{
    struct runner *best[2] = {NULL, NULL};
    unsigned lowest = UINT32_MAX, begun_preferred = 0, last_turn = 0;
    bool last_preferred = false;

    for (unsigned i = 0; i < w->count; i++)
        if (w->runners[i].state == WAITING && in_stack(&w->runners[i], path, stack) &&
            w->runners[i].spec.priority < lowest)
            lowest = w->runners[i].spec.priority;
    for (unsigned i = 0; i < w->count; i++) {
        struct runner *runner = &w->runners[i], **of_family = &best[preferred(w, runner) ? 0 : 1];

        if (!in_stack(runner, path, stack) || runner->spec.priority != lowest)
            continue;
        if (runner->turn) {
            begun_preferred += preferred(w, runner);
            if (runner->turn > last_turn)
                last_preferred = preferred(w, runner);
            last_turn = runner->turn > last_turn ? runner->turn : last_turn;
        } else if (runner->state == WAITING &&
                   (!*of_family || runner->spec.preference < (*of_family)->spec.preference)) {
            *of_family = runner;
        }
    }
    if (!best[0] || !best[1])
        return best[0] ? best[0] : best[1];
    return best[begun_preferred < w->preferred_count || !last_preferred ? 0 : 1];
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When a node that waits may begin beside its siblings: given whether any of these lives, one before it does, one before it
 * has begun. */
static int64_t node_due(const struct world *w, const struct model_node *parent, bool failover, int64_t delay,
                        bool any_lives, bool before_lives, bool before_begun)
{
    int64_t due = any_lives && !parent->hurry ? parent->last + delay : 0;

    if (failover && before_lives)
        return RACE_NEVER;
    if (failover && !before_begun && !w->complete && w->open)
        due = later(due, w->first_address + RACE_FAILOVER_DELAY);
    return due;
}

static int64_t stack_due(const struct world *w, unsigned path, unsigned stack)
{
    bool any = false, before = false, begun = false;

    for (unsigned s = 0; s < STACKS; s++) {
        bool is_before = w->stack_rank[s] < w->stack_rank[stack];

        if (!w->stacks[path][s].begun && s != stack && is_before && count_of(w, path, s, WAITING))
            return RACE_NEVER; /* that one is next */
        if (!w->stacks[path][s].begun)
            continue;
        any |= lives(w, path, s);
        before |= is_before && lives(w, path, s);
        begun |= is_before;
    }
    return node_due(w, &w->paths[path], w->stack_failover[stack],
                    w->stack_delay[stack] ? w->stack_delay[stack] : w->delay, any, before, begun);
}

static int64_t path_due(const struct world *w, unsigned path)
{
    bool any = false, before = false, begun = false;

    for (unsigned p = 0; p < PATHS; p++) {
        bool is_before = w->path_rank[p] < w->path_rank[path];

        if (!w->paths[p].begun && p != path && is_before && count_of(w, p, STACKS, WAITING))
            return RACE_NEVER;
        if (!w->paths[p].begun)
            continue;
        any |= lives(w, p, STACKS);
        before |= is_before && lives(w, p, STACKS);
        begun |= is_before;
    }
    return node_due(w, &w->root, w->path_failover[path], w->path_delay[path], any, before, begun);
}

static int64_t runner_due(struct world *w, const struct runner *runner)
{
    unsigned path = runner->spec.path, stack = runner->spec.stack;
    const struct model_node *node = &w->stacks[path][stack];
    unsigned waited_for = (w->prefer_v4 ? RACE_V4 : RACE_V6) | RACE_SERVICE;
    int64_t due = 0;

    if (runner->state != WAITING || stack_turn(w, path, stack) != runner)
        return RACE_NEVER;
    if (!w->opened && (w->open & waited_for))
        due = w->first_address + RACE_RESOLUTION_DELAY;
    if (count_of(w, path, stack, RUNNING) && !node->hurry)
        due = later(due, node->last + w->delay);
    if (!node->begun)
        due = later(due, stack_due(w, path, stack));
    if (!w->paths[path].begun)
        due = later(due, path_due(w, path));
    return due;
}

static int64_t model_due(struct world *w)
{
    int64_t due = w->deadline;

    if (w->complete && !lives(w, PATHS, STACKS))
        return 0;
    for (unsigned i = 0; i < w->count; i++) {
        int64_t of_runner = runner_due(w, &w->runners[i]);
        due = of_runner < due ? of_runner : due;
    }
    return due;
}

static void model_begins(struct world *w, struct runner *runner)
{
    struct model_node *path = &w->paths[runner->spec.path], *stack = &w->stacks[runner->spec.path][runner->spec.stack];

    if (!path->begun) {
        w->root.last = w->now;
        w->root.hurry = false;
    }
    if (!stack->begun) {
        path->last = w->now;
        path->hurry = false;
    }
    stack->last = w->now;
    stack->hurry = false;
    path->begun = stack->begun = w->opened = true;
    runner->turn = ++w->turns;
}

static void model_failed(struct world *w, struct runner *runner)
{
    unsigned path = runner->spec.path, stack = runner->spec.stack;

    runner->state = FAILED;
    w->stacks[path][stack].hurry = true;
    if (lives(w, path, stack))
        return;
    w->paths[path].hurry = true;
    if (!lives(w, path, STACKS))
        w->root.hurry = true;
}

static void model_reached(struct world *w, const struct runner *runner)
{
    struct model_node *path = &w->paths[runner->spec.path], *stack = &w->stacks[runner->spec.path][runner->spec.stack];

    stack->last = w->now;
    if (!stack->reached) {
        path->last = w->now;
        if (!path->reached)
            w->root.last = w->now;
        path->reached = true;
    }
    stack->reached = true;
}

#endif
