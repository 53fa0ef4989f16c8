/* SPDX-License-Identifier: Apache-2.0 */
/* The race from outside: questions, candidates, what became of them, the decision. */
#include "race/race.h"

#include <errno.h>

#include "race/race_internal.h"

int64_t race_delay_for_rtt(int64_t rtt_us)
{
    if (rtt_us <= 0)
        return RACE_ATTEMPT_DELAY;
    if (rtt_us < RACE_ATTEMPT_DELAY_MIN / 2)
        return RACE_ATTEMPT_DELAY_MIN;
    return rtt_us > RACE_ATTEMPT_DELAY_MAX / 2 ? RACE_ATTEMPT_DELAY_MAX : 2 * rtt_us;
}

void race_set_attempt_delay(struct race *race, int64_t delay)
{
    if (delay <= 0)
        delay = RACE_ATTEMPT_DELAY;
    if (delay < RACE_ATTEMPT_DELAY_FLOOR)
        delay = RACE_ATTEMPT_DELAY_FLOOR;
    race->attempt_delay = delay > RACE_ATTEMPT_DELAY_MAX ? RACE_ATTEMPT_DELAY_MAX : delay;
}

int race_new(const struct race_config *config, int64_t now, struct race **ret_race)
{
    struct race *race = memory_allocate_zero(config->memory, sizeof *race);

    (void)now;
    if (!race)
        return -ENOMEM;
    race->memory = config->memory;
    race->config = *config;
    race->first_address = RACE_NEVER;
    list_init(&race->root.link);
    list_init(&race->root.children);
    race_set_attempt_delay(race, config->attempt_delay);
    *ret_race = race;
    return 0;
}

void race_free(struct race *race)
{
    if (!race)
        return;
    race_tree_free(race);
    memory_release(race->memory, race, sizeof *race);
}

/* --------------------------------------------------------------------------------------------------------- questions */

void race_ask(struct race *race, unsigned questions)
{
    race->asked |= questions;
    race->answered &= ~questions;
    race->complete = false;
}

void race_answered(struct race *race, unsigned questions, int64_t now)
{
    (void)now;
    race->answered |= questions;
}

void race_complete(struct race *race, int64_t now)
{
    (void)now;
    race->complete = true;
}

/* The answers that the first start waits for: the preferred family's and the service's. */
static bool questions_open(const struct race *race)
{
    unsigned preferred = race->config.prefer_v4 ? RACE_V4 : RACE_V6;

    return race->asked & ~race->answered & (preferred | RACE_SERVICE);
}

/* When the first may start; RACE_NEVER: there is nothing yet. */
static int64_t opening_due(const struct race *race, int64_t now)
{
    if (race->opened || !questions_open(race))
        return now;
    return race->first_address == RACE_NEVER ? now : race->first_address + RACE_RESOLUTION_DELAY;
}

/* -------------------------------------------------------------------------------------------------------- candidates */

int race_add(struct race *race, const struct race_spec *spec, struct race_candidate **ret_candidate)
{
    struct race_candidate *candidate;

    if (race->decided)
        return -ESHUTDOWN;
    if (race->count == RACE_CANDIDATES_MAX)
        return -E2BIG;
    candidate = memory_allocate_zero(race->memory, sizeof *candidate);
    if (!candidate)
        return -ENOMEM;
    candidate->stack = race_node_for(race, spec);
    if (!candidate->stack) {
        memory_release(race->memory, candidate, sizeof *candidate);
        return -ENOMEM;
    }
    candidate->spec = *spec;
    candidate->sequence = race->sequence++;
    list_append(&candidate->stack->children, &candidate->link);
    race->count++;
    *ret_candidate = candidate;
    return 0;
}

int race_withdraw(struct race *race, struct race_candidate *candidate)
{
    if (candidate->state != CANDIDATE_WAITING)
        return -EBUSY;
    list_remove(&candidate->link);
    race_node_prune(race, candidate->stack);
    memory_release(race->memory, candidate, sizeof *candidate);
    race->count--;
    return 0;
}

/* Each node extends its parent's timer once: else a path of many addresses that all answer, and no more, would hold back
 * the next path again and again. */
void race_reached(struct race *race, struct race_candidate *candidate, int64_t now)
{
    struct race_node *node = candidate->stack;

    if (race->decided || candidate->state != CANDIDATE_RUNNING)
        return;
    for (node->last_start = now; node->parent && !node->reached; node = node->parent) {
        node->reached = true;
        node->parent->last_start = now;
    }
}

/* The next one need not be waited for: of its stack, and where that has failed as a whole, of its path, and so on. Where
 * there is no next one now, whoever comes takes the place of the one that failed. */
static void hurry_on(struct race_candidate *candidate)
{
    for (struct race_node *node = candidate->stack; node; node = node->parent) {
        struct race_below below = race_below(node);

        node->hurry = true;
        if (below.waiting > 0 || below.running > 0)
            return;
    }
}

static void candidate_failed(struct race_candidate *candidate)
{
    candidate->state = CANDIDATE_OVER;
    hurry_on(candidate);
}

void race_failed(struct race *race, struct race_candidate *candidate, int64_t now)
{
    (void)now;
    if (!race->decided && candidate->state == CANDIDATE_RUNNING)
        candidate_failed(candidate);
}

/* ---------------------------------------------------------------------------------------------------------- decision */

static void stop_all(struct race *race, struct race_node *node, const struct race_candidate *winner, bool timed_out)
{
    for (struct list *at = node->children.next; at != &node->children; at = at->next) {
        struct race_candidate *candidate;
        enum candidate_state state;

        if (!node->is_stack) {
            stop_all(race, container_of(at, struct race_node, link), winner, timed_out);
            continue;
        }
        candidate = container_of(at, struct race_candidate, link);
        state = candidate->state;
        candidate->state = CANDIDATE_OVER;
        if (state == CANDIDATE_OVER || candidate == winner)
            continue;
        race->config.handler->stop(race->config.user, candidate,
                                   state == CANDIDATE_WAITING ? RACE_UNTRIED
                                   : timed_out                ? RACE_TIMED_OUT
                                                              : RACE_LOST);
    }
}

/* The handler may free the race. */
static void decide(struct race *race, struct race_candidate *winner, bool timed_out)
{
    race->decided = true;
    stop_all(race, &race->root, winner, timed_out);
    race->config.handler->decided(race->config.user, winner, timed_out);
}

void race_won(struct race *race, struct race_candidate *candidate, int64_t now)
{
    (void)now;
    if (!race->decided && candidate->state == CANDIDATE_RUNNING)
        decide(race, candidate, false);
}

static bool nothing_left(const struct race *race)
{
    struct race_below below = race_below(&race->root);

    return race->complete && below.waiting == 0 && below.running == 0;
}

/* -------------------------------------------------------------------------------------------------------------- time */

int64_t race_due(const struct race *race)
{
    int64_t due, opening;

    if (race->decided)
        return RACE_NEVER;
    if (nothing_left(race))
        return 0;
    due = race_node_due(race, &race->root, 0);
    opening = due == RACE_NEVER ? RACE_NEVER : opening_due(race, 0);
    due = opening > due ? opening : due;
    return due < race->config.deadline ? due : race->config.deadline;
}

static void start(struct race *race, struct race_candidate *candidate)
{
    candidate->state = CANDIDATE_RUNNING;
    if (race->config.handler->start(race->config.user, candidate) < 0)
        candidate_failed(candidate);
}

static bool may_open(struct race *race, int64_t now)
{
    if (race->first_address == RACE_NEVER && race_below(&race->root).waiting > 0)
        race->first_address = now;
    if (opening_due(race, now) > now)
        return false;
    race->opened |= race_below(&race->root).waiting > 0;
    return true;
}

void race_tick(struct race *race, int64_t now)
{
    struct race_candidate *candidate;

    if (race->decided)
        return;
    if (now >= race->config.deadline) {
        decide(race, NULL, !nothing_left(race));
        return;
    }
    while (may_open(race, now) && (candidate = race_node_next(race, &race->root, now)))
        start(race, candidate);
    if (nothing_left(race))
        decide(race, NULL, false);
}

/* ------------------------------------------------------------------------------------------------------------ asking */

void *race_cookie(const struct race_candidate *candidate)
{
    return candidate->spec.cookie;
}

bool race_running(const struct race_candidate *candidate)
{
    return candidate->state == CANDIDATE_RUNNING;
}

static const struct race_candidate *node_at(const struct race *race, const struct race_node *node, unsigned *index)
{
    struct race_candidate *order[RACE_CANDIDATES_MAX];

    if (node->is_stack) {
        unsigned count = race_stack_order(race, node, order);

        if (*index < count)
            return order[*index];
        *index -= count;
        return NULL;
    }
    for (const struct list *at = node->children.next; at != &node->children; at = at->next) {
        const struct race_candidate *found = node_at(race, container_of(at, struct race_node, link), index);

        if (found)
            return found;
    }
    return NULL;
}

const struct race_candidate *race_candidate_at(const struct race *race, unsigned index)
{
    return node_at(race, &race->root, &index);
}
