/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races with random candidates, answers, failures, withdrawals and memory that runs out, in simulated time, beside a model
 * of the rules that is written another way. Of each: what starts is what the model has next and not before its time;
 * race_due() is when the model has something to do; there is one decision; nothing runs after it; without a winner
 * everything that could be tried was.
 *
 * Without arguments 2,000 seeds; --seeds FROM-TO; --seed N --verbose tells what happens.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "race_model.h"

static void *memory_of_world(const struct memory *memory, size_t size)
{
    struct world *w = (struct world *)(void *)(uintptr_t)memory;

    if (w->refuse_memory && --w->refuse_memory == 0)
        return NULL;
    w->allocated += size;
    return malloc(size);
}

static void memory_to_world(const struct memory *memory, void *block, size_t size)
{
    ((struct world *)(void *)(uintptr_t)memory)->allocated -= size;
    free(block);
}

__attribute__((format(printf, 2, 3), noreturn)) static void amiss(struct world *w, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(w->why, sizeof w->why, format, arguments);
    va_end(arguments);
    longjmp(w->failed, 1);
}

static void tell(const struct world *w, const char *what, const struct runner *runner)
{
    if (w->verbose && runner)
        printf("%9.3f ms %-9s %c  path %u stack %u priority %u family %d preference %u\n", (double)w->now / 1000, what,
               (char)('a' + (runner - w->runners)), runner->spec.path, runner->spec.stack, runner->spec.priority,
               (int)runner->spec.family, runner->spec.preference);
    else if (w->verbose)
        printf("%9.3f ms %s\n", (double)w->now / 1000, what);
}

static uint64_t draw(struct world *w, uint64_t below) /* splitmix64 */
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

static bool chance(struct world *w, unsigned percent)
{
    return draw(w, 100) < percent;
}

/* ---------------------------------------------------------------------------------------------------- what it is told */

static int on_start(void *user, struct race_candidate *candidate)
{
    struct world *w = user;
    struct runner *runner = race_cookie(candidate);

    tell(w, "start", runner);
    w->starts++;
    if (w->decided)
        amiss(w, "a start after the decision");
    if (runner->state != WAITING)
        amiss(w, "a start of one that does not wait");
    if (runner_due(w, runner) > w->now)
        amiss(w, "%c starts at %" PRId64 ", and its turn is at %" PRId64, (char)('a' + (runner - w->runners)), w->now,
              runner_due(w, runner));
    runner->state = RUNNING;
    runner->started = w->now;
    model_begins(w, runner);
    if (runner->fate != FAILS_AT_ONCE)
        return 0;
    model_failed(w, runner);
    return -ECONNREFUSED;
}

static void on_stop(void *user, struct race_candidate *candidate, enum race_stop why)
{
    struct world *w = user;
    struct runner *runner = race_cookie(candidate);
    bool at_deadline = w->now >= w->deadline;

    tell(w, why == RACE_UNTRIED ? "untried" : "stop", runner);
    if (w->decided)
        amiss(w, "a stop after the decision");
    if (runner->state != (why == RACE_UNTRIED ? WAITING : RUNNING))
        amiss(w, "a stop of one that is neither waiting nor running, or of the wrong kind");
    if (why == RACE_TIMED_OUT && !at_deadline)
        amiss(w, "timed out before the deadline");
    if (why == RACE_UNTRIED && at_deadline && runner->fate == WINS && !w->any_failover && w->deadline > 100000000)
        amiss(w, "%c could have worked and was not tried in %" PRId64 " s", (char)('a' + (runner - w->runners)),
              w->deadline / 1000000);
    runner->state = STOPPED;
}

static void on_decided(void *user, struct race_candidate *winner, bool timed_out)
{
    struct world *w = user;

    tell(w,
         winner      ? "won"
         : timed_out ? "decided: out of time"
                     : "decided: nothing is left",
         winner ? race_cookie(winner) : NULL);
    if (w->decided)
        amiss(w, "decided twice");
    w->decided = true;
    w->timed_out = timed_out;
    if (winner && ((struct runner *)race_cookie(winner) != w->winner || timed_out))
        amiss(w, "another winner than was said");
    if (!winner && w->winner)
        amiss(w, "the winner was forgotten");
    if (w->frees) {
        race_free(w->race);
        w->race = NULL;
    }
}

/* ---------------------------------------------------------------------------------------------------------- the play */

static void make_runner(struct world *w, struct runner *runner, unsigned index)
{
    *runner = (struct runner){
        .add_at = chance(w, 60) ? 0 : (int64_t)draw(w, 1500000),
        .withdraw_at = RACE_NEVER,
        .reach_after = RACE_NEVER,
        .end_after = 1 + (int64_t)draw(w, chance(w, 50) ? 30000 : 1200000),
    };
    runner->fate = chance(w, 45) ? FAILS : chance(w, 40) ? FAILS_AT_ONCE : chance(w, 40) ? WINS : HANGS;
    if (chance(w, 20))
        runner->withdraw_at = runner->add_at + 1 + (int64_t)draw(w, 900000);
    if (chance(w, 50))
        runner->reach_after = (int64_t)draw(w, (uint64_t)runner->end_after);
    runner->failed_when_gone = chance(w, 50);
    runner->spec = (struct race_spec){
        .path = chance(w, 60) ? 0 : (unsigned)draw(w, PATHS),
        .stack = chance(w, 50) ? 0 : (unsigned)draw(w, STACKS),
        .priority = chance(w, 60) ? 1 : (unsigned)draw(w, 4),
        .family = chance(w, 45)   ? RACE_FAMILY_V6
                  : chance(w, 85) ? RACE_FAMILY_V4
                                  : RACE_FAMILY_OTHER,
        .preference = (unsigned)draw(w, 1000) * RUNNERS_MAX + index,
        .cookie = runner,
    };
    runner->spec.path_rank = w->path_rank[runner->spec.path];
    runner->spec.stack_rank = w->stack_rank[runner->spec.stack];
    runner->spec.path_delay = w->path_delay[runner->spec.path];
    runner->spec.stack_delay = w->stack_delay[runner->spec.stack];
    runner->spec.path_failover = w->path_failover[runner->spec.path];
    runner->spec.stack_failover = w->stack_failover[runner->spec.stack];
}

static void make_world(struct world *w, uint64_t seed, bool verbose)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int *paths, *stacks;

    *w = (struct world){
        .memory = {memory_of_world, memory_to_world}, .random = seed, .verbose = verbose, .first_address = RACE_NEVER};
    w->count = 1 + (unsigned)draw(w, RUNNERS_MAX);
    w->frees = chance(w, 50);
    w->prefer_v4 = chance(w, 20);
    w->preferred_count = chance(w, 70) ? 1 : 2;
    w->delay = chance(w, 50) ? RACE_ATTEMPT_DELAY : 10000 + (int64_t)draw(w, 1990001);
    w->learn_at = chance(w, 30) ? (int64_t)draw(w, 500000) : RACE_NEVER;
    w->learnt = race_delay_for_rtt((int64_t)draw(w, 1500000));
    w->deadline = chance(w, 40) ? 1 + (int64_t)draw(w, 3000000) : 200000000;
    paths = orders[draw(w, 6)];
    stacks = orders[draw(w, 6)];
    for (unsigned i = 0; i < PATHS; i++) {
        w->path_rank[i] = paths[i] - 1;
        w->stack_rank[i] = stacks[i] * 7;
        w->path_delay[i] = chance(w, 50) ? RACE_PATH_DELAY : 1 + (int64_t)draw(w, 1000000);
        w->stack_delay[i] = chance(w, 70) ? 0 : 1 + (int64_t)draw(w, 2000000);
        w->path_failover[i] = chance(w, 10);
        w->stack_failover[i] = chance(w, 15);
        w->any_failover |= w->path_failover[i] || w->stack_failover[i];
    }
    for (unsigned i = 0; i < w->count; i++) {
        make_runner(w, &w->runners[i], i);
        if (w->complete_at < w->runners[i].add_at)
            w->complete_at = w->runners[i].add_at;
    }
    for (unsigned i = 0; i < QUESTIONS; i++) {
        w->answer_at[i] = chance(w, 50) ? (int64_t)draw(w, 120000) : chance(w, 80) ? RACE_NEVER - 1 : RACE_NEVER;
        w->open |= w->answer_at[i] == RACE_NEVER ? 0 : 1u << i; /* NEVER: not asked; one less: never answered */
    }
    w->complete_at += chance(w, 50) ? 0 : (int64_t)draw(w, 2500000);
}

static void add(struct world *w, struct runner *runner)
{
    int r;

    if (chance(w, 5))
        w->refuse_memory = 1 + (unsigned)draw(w, 3);
    r = race_add(w->race, &runner->spec, &runner->candidate);
    w->refuse_memory = 0;
    runner->state = r < 0 ? REFUSED : WAITING;
    if (r < 0 && r != -ENOMEM)
        amiss(w, "race_add() says %d", r);
    tell(w, r < 0 ? "no memory" : "add", runner);
}

static void take_back(struct world *w, struct runner *runner)
{
    int r = race_withdraw(w->race, runner->candidate);

    tell(w, "withdraw", runner);
    runner->withdraw_at = RACE_NEVER;
    if (r != (runner->state == WAITING ? 0 : -EBUSY))
        amiss(w, "race_withdraw() says %d", r);
    if (r == 0) {
        runner->state = WITHDRAWN;
    } else if (runner->failed_when_gone && runner->state == RUNNING) {
        race_failed(w->race, runner->candidate, w->now);
        model_failed(w, runner);
    }
}

/* When a runner does something next by itself. */
static int64_t runner_next(const struct runner *runner)
{
    int64_t next = RACE_NEVER;

    if (runner->state == ABSENT)
        return runner->add_at;
    if (runner->state == RUNNING && runner->reach_after != RACE_NEVER)
        next = runner->started + runner->reach_after;
    if (runner->state == RUNNING && runner->fate != HANGS && runner->started + runner->end_after < next)
        next = runner->started + runner->end_after;
    if ((runner->state == WAITING || runner->state == RUNNING || runner->state == FAILED) && runner->withdraw_at < next)
        next = runner->withdraw_at;
    return next;
}

static void runner_acts(struct world *w, struct runner *runner)
{
    if (runner->state == ABSENT) {
        add(w, runner);
    } else if (runner->withdraw_at <= w->now) {
        take_back(w, runner);
    } else if (runner->reach_after != RACE_NEVER && runner->started + runner->reach_after <= w->now) {
        tell(w, "reached", runner);
        runner->reach_after = RACE_NEVER;
        race_reached(w->race, runner->candidate, w->now);
        model_reached(w, runner);
    } else if (runner->fate == WINS) {
        w->winner = runner;
        runner->state = WON;
        race_won(w->race, runner->candidate, w->now);
        if (!w->decided)
            amiss(w, "a winner is no decision");
    } else {
        tell(w, "fail", runner);
        race_failed(w->race, runner->candidate, w->now);
        model_failed(w, runner);
    }
}

static int64_t world_next(const struct world *w)
{
    int64_t next = w->complete ? RACE_NEVER : w->complete_at;

    next = w->learn_at < next ? w->learn_at : next;
    for (unsigned i = 0; i < QUESTIONS; i++)
        if ((w->open & 1u << i) && w->answer_at[i] < next)
            next = w->answer_at[i];
    for (unsigned i = 0; i < w->count; i++)
        if (runner_next(&w->runners[i]) < next)
            next = runner_next(&w->runners[i]);
    return next;
}

static void world_acts(struct world *w)
{
    for (unsigned i = 0; i < w->count && !w->decided; i++)
        while (!w->decided && runner_next(&w->runners[i]) <= w->now)
            runner_acts(w, &w->runners[i]);
    for (unsigned i = 0; i < QUESTIONS && !w->decided; i++) {
        if (!(w->open & 1u << i) || w->answer_at[i] > w->now)
            continue;
        tell(w, "answered", NULL);
        w->open &= ~(1u << i);
        race_answered(w->race, 1u << i, w->now);
    }
    if (!w->decided && w->learn_at <= w->now) {
        w->learn_at = RACE_NEVER;
        w->delay = w->learnt;
        race_set_attempt_delay(w->race, w->learnt);
    }
    if (!w->decided && !w->complete && w->complete_at <= w->now) {
        tell(w, "complete", NULL);
        w->complete = true;
        race_complete(w->race, w->now);
    }
}

static void tick(struct world *w)
{
    for (unsigned ticks = 0; !w->decided && race_due(w->race) <= w->now; ticks++) {
        if (w->first_address == RACE_NEVER && count_of(w, PATHS, STACKS, WAITING))
            w->first_address = w->now;
        race_tick(w->race, w->now);
        if (ticks > 3)
            amiss(w, "due again and again");
    }
    if (w->decided)
        return;
    if (w->first_address == RACE_NEVER && count_of(w, PATHS, STACKS, WAITING))
        amiss(w, "a candidate came and the race was not due");
    if (race_due(w->race) != model_due(w))
        amiss(w, "due at %" PRId64 ", and the model's is at %" PRId64 " (now %" PRId64 ")", race_due(w->race),
              model_due(w), w->now);
}

static void check_end(struct world *w)
{
    if (count_of(w, PATHS, STACKS, RUNNING) > 0)
        amiss(w, "an attempt runs after the end");
    if (count_of(w, PATHS, STACKS, WAITING) > 0)
        amiss(w, "one still waits after the end");
    for (unsigned i = 0; i < w->count && !w->winner && !w->timed_out; i++)
        if (w->runners[i].state != FAILED && w->runners[i].state != WITHDRAWN && w->runners[i].state != REFUSED)
            amiss(w, "%c was not tried to its end, and the race gave up", (char)('a' + i));
    if (w->race) {
        if (race_due(w->race) != RACE_NEVER)
            amiss(w, "due after the end");
        race_tick(w->race, w->now + 1000000);
        race_free(w->race);
    }
    if (w->allocated)
        amiss(w, "%zu bytes are left", w->allocated);
}

static bool run(uint64_t seed, bool verbose, uint64_t *starts)
{
    static const struct race_handler calls = {.start = on_start, .stop = on_stop, .decided = on_decided};
    static struct world w;
    struct race_config config;

    make_world(&w, seed, verbose);
    if (setjmp(w.failed)) {
        printf("seed %" PRIu64 " failed: %s\n    replay: test_race_random --seed %" PRIu64 " --verbose\n", seed, w.why,
               seed);
        return false;
    }
    config = (struct race_config){.memory = &w.memory,
                                  .handler = &calls,
                                  .user = &w,
                                  .deadline = w.deadline,
                                  .attempt_delay = w.delay,
                                  .prefer_v4 = w.prefer_v4,
                                  .preferred_family_count = w.preferred_count};
    if (race_new(&config, 0, &w.race) < 0)
        amiss(&w, "no race");
    race_ask(w.race, w.open);
    while (!w.decided) {
        int64_t next = world_next(&w), due = race_due(w.race);

        if (next == RACE_NEVER && due == RACE_NEVER)
            amiss(&w, "nothing more happens, and there is no decision");
        next = due < next ? due : next;
        w.now = next > w.now ? next : w.now;
        world_acts(&w);
        tick(&w);
    }
    check_end(&w);
    *starts += w.starts;
    return true;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, last = 2000, passed = 0, failed = 0, starts = 0;
    bool verbose = argc > 3 && strcmp(argv[3], "--verbose") == 0;

    if (argc > 2 && strcmp(argv[1], "--seed") == 0)
        first = last = strtoull(argv[2], NULL, 10);
    else if (argc > 2 && strcmp(argv[1], "--seeds") == 0 && sscanf(argv[2], "%" SCNu64 "-%" SCNu64, &first, &last) == 2)
        verbose = false;
    else if (argc > 1) {
        fprintf(stderr, "%s [--seeds FROM-TO | --seed N [--verbose]]\n", argv[0]);
        return 2;
    }
    for (uint64_t seed = first; seed <= last && failed < 20; seed++) {
        bool good = run(seed, verbose, &starts);
        passed += good;
        failed += !good;
    }
    printf("%" PRIu64 " attempts\n%" PRIu64 " passed, %" PRIu64 " failed\n", starts, passed, failed);
    return failed > 0;
}
