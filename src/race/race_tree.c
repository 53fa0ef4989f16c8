/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a race: which child of a node is next, and when (RFC 9623 sections 4.2 to 4.4). */
#include "race/race_internal.h"

/* ------------------------------------------------------------------------------------------------------------- nodes */

static void node_init(struct race_node *node, struct race_node *parent, unsigned number, bool is_stack)
{
    *node = (struct race_node){.parent = parent, .number = number, .is_stack = is_stack};
    list_init(&node->link);
    list_init(&node->children);
}

static struct race_node *child_find(const struct race_node *node, unsigned number)
{
    for (const struct list *at = node->children.next; at != &node->children; at = at->next) {
        struct race_node *child = container_of(at, struct race_node, link);

        if (child->number == number)
            return child;
    }
    return NULL;
}

/* Children stay in the order of their ranks; equal ones in the order they came. */
static void child_place(struct race_node *node, struct race_node *child)
{
    struct list *at = node->children.next;

    while (at != &node->children && container_of(at, struct race_node, link)->rank <= child->rank)
        at = at->next;
    list_insert_before(at, &child->link);
}

static struct race_node *child_get(struct race *race, struct race_node *node, unsigned number, int rank, bool is_stack)
{
    struct race_node *child = child_find(node, number);

    if (!child) {
        child = memory_allocate(race->memory, sizeof *child);
        if (!child)
            return NULL;
        node_init(child, node, number, is_stack);
    } else {
        list_remove(&child->link);
    }
    child->rank = rank;
    child_place(node, child);
    return child;
}

struct race_node *race_node_for(struct race *race, const struct race_spec *spec)
{
    struct race_node *path = child_get(race, &race->root, spec->path, spec->path_rank, false), *stack;

    if (!path)
        return NULL;
    path->head_start = spec->path_delay > 0 ? spec->path_delay : RACE_PATH_DELAY;
    path->failover = spec->path_failover;
    stack = child_get(race, path, spec->stack, spec->stack_rank, true);
    if (stack)
        stack->failover = spec->stack_failover;
    return stack;
}

static void node_clear(struct race *race, struct race_node *node)
{
    while (!list_empty(&node->children)) {
        struct list *first = node->children.next;

        list_remove(first);
        if (node->is_stack) {
            struct race_candidate *candidate = container_of(first, struct race_candidate, link);
            memory_release(race->memory, candidate, sizeof *candidate);
        } else {
            struct race_node *child = container_of(first, struct race_node, link);
            node_clear(race, child);
            memory_release(race->memory, child, sizeof *child);
        }
    }
}

void race_tree_free(struct race *race)
{
    node_clear(race, &race->root);
}

struct race_below race_below(const struct race_node *node)
{
    struct race_below below = {0, 0};

    for (const struct list *at = node->children.next; at != &node->children; at = at->next) {
        if (node->is_stack) {
            const struct race_candidate *candidate = container_of(at, struct race_candidate, link);
            below.waiting += candidate->state == CANDIDATE_WAITING;
            below.running += candidate->state == CANDIDATE_RUNNING;
        } else {
            struct race_below child = race_below(container_of(at, struct race_node, link));
            below.waiting += child.waiting;
            below.running += child.running;
        }
    }
    return below;
}

/* -------------------------------------------------------------------------------------------------------- endpoints */

static bool is_preferred(const struct race *race, const struct race_candidate *candidate)
{
    return candidate->spec.family != (race->config.prefer_v4 ? RACE_FAMILY_V6 : RACE_FAMILY_V4);
}

/* The better one of those that wait: by preference, then as added. */
static struct race_candidate *better(struct race_candidate *one, struct race_candidate *other)
{
    if (!one || other->spec.preference < one->spec.preference)
        return other;
    return one;
}

/* Families take turns within a group, the preferred one first (Happy Eyeballs v3 section 5.3). */
static bool preferred_turn(const struct race *race, const struct race_node *stack, unsigned priority)
{
    unsigned count =
        race->config.preferred_family_count ? race->config.preferred_family_count : RACE_PREFERRED_FAMILY_COUNT;
    bool same_group = stack->started && stack->priority == priority;

    if (!same_group || stack->group_started[0] < count)
        return true;
    return !stack->last_preferred;
}

static struct race_candidate *stack_choose(const struct race *race, const struct race_node *stack)
{
    struct race_candidate *best[2] = {NULL, NULL}; /* of the preferred family, of the other */
    unsigned priority = UINT32_MAX;

    for (const struct list *at = stack->children.next; at != &stack->children; at = at->next) {
        const struct race_candidate *candidate = container_of(at, struct race_candidate, link);

        if (candidate->state == CANDIDATE_WAITING && candidate->spec.priority < priority)
            priority = candidate->spec.priority;
    }
    for (const struct list *at = stack->children.next; at != &stack->children; at = at->next) {
        struct race_candidate *candidate = container_of(at, struct race_candidate, link);
        unsigned family = !is_preferred(race, candidate);

        if (candidate->state == CANDIDATE_WAITING && candidate->spec.priority == priority)
            best[family] = better(best[family], candidate);
    }
    if (!best[0] || !best[1])
        return best[0] ? best[0] : best[1];
    return best[!preferred_turn(race, stack, priority)];
}

static void stack_note(const struct race *race, struct race_node *stack, const struct race_candidate *candidate)
{
    bool preferred = is_preferred(race, candidate);

    if (!stack->started || stack->priority != candidate->spec.priority)
        stack->group_started[0] = stack->group_started[1] = 0;
    stack->priority = candidate->spec.priority;
    stack->group_started[!preferred]++;
    stack->last_preferred = preferred;
}

/* ------------------------------------------------------------------------------------------------------------ whose turn */

/* The first child that has not begun and has something to begin; for a stack any that waits. */
static struct race_node *child_next(const struct race_node *node)
{
    for (const struct list *at = node->children.next; at != &node->children; at = at->next) {
        struct race_node *child = container_of(at, struct race_node, link);

        if (!child->started && race_below(child).waiting > 0)
            return child;
    }
    return NULL;
}

/* When a node's next child of its own is due, given whether one of those begun is still alive. */
static int64_t own_due(const struct race *race, const struct race_node *node, int64_t now)
{
    const struct race_node *child = node->is_stack ? NULL : child_next(node);
    struct race_below below = race_below(node);
    int64_t delay = child && child->head_start ? child->head_start : race->attempt_delay;
    bool alive = below.running > 0;

    if (node->is_stack ? below.waiting == 0 : !child)
        return RACE_NEVER;
    for (const struct list *at = node->children.next; !node->is_stack && at != &node->children; at = at->next) {
        const struct race_node *begun = container_of(at, struct race_node, link);

        alive |= begun->started && race_below(begun).waiting > 0; /* it goes on by itself */
    }
    if (!node->started || !alive)
        return now;
    if (child && child->failover)
        return RACE_NEVER;
    return node->hurry ? now : node->last_start + delay;
}

int64_t race_node_due(const struct race *race, const struct race_node *node, int64_t now)
{
    int64_t due = own_due(race, node, now);

    if (node->is_stack)
        return due;
    for (const struct list *at = node->children.next; at != &node->children; at = at->next) {
        const struct race_node *child = container_of(at, struct race_node, link);
        int64_t other = child->started ? race_node_due(race, child, now) : RACE_NEVER;

        due = other < due ? other : due;
    }
    return due;
}

static void node_begins(struct race_node *node, int64_t now)
{
    node->started = true;
    node->hurry = false;
    node->last_start = now;
}

struct race_candidate *race_node_next(struct race *race, struct race_node *node, int64_t now)
{
    struct race_candidate *candidate = NULL;
    struct race_node *child;

    /* Those that have begun go on first. */
    for (struct list *at = node->children.next; !node->is_stack && at != &node->children; at = at->next) {
        child = container_of(at, struct race_node, link);
        if (child->started && (candidate = race_node_next(race, child, now)))
            return candidate;
    }
    if (own_due(race, node, now) > now)
        return NULL;
    if (node->is_stack) {
        candidate = stack_choose(race, node);
        stack_note(race, node, candidate);
    } else {
        child = child_next(node);
        candidate = race_node_next(race, child, now);
    }
    node_begins(node, now);
    return candidate;
}
