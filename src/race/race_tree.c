/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a race: which child of a node is next, and when (RFC 9623 sections 4.2 to 4.4). */
#include <limits.h>

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
    } else if (child->rank == rank) {
        return child; /* it keeps its place among its equals */
    } else {
        list_remove(&child->link);
    }
    child->rank = rank;
    child_place(node, child);
    return child;
}

void race_node_prune(struct race *race, struct race_node *node)
{
    while (node->parent && list_empty(&node->children)) {
        struct race_node *parent = node->parent;

        list_remove(&node->link);
        memory_release(race->memory, node, sizeof *node);
        node = parent;
    }
}

struct race_node *race_node_for(struct race *race, const struct race_spec *spec)
{
    struct race_node *path = child_get(race, &race->root, spec->path, spec->path_rank, false), *stack;

    if (!path)
        return NULL;
    path->head_start = spec->path_delay > 0 ? spec->path_delay : RACE_PATH_DELAY;
    path->failover = spec->path_failover;
    stack = child_get(race, path, spec->stack, spec->stack_rank, true);
    if (!stack) {
        race_node_prune(race, path);
        return NULL;
    }
    stack->failover = spec->stack_failover;
    stack->head_start = spec->stack_delay;
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

static bool better(const struct race_candidate *one, const struct race_candidate *other)
{
    if (one->spec.preference != other->spec.preference)
        return one->spec.preference < other->spec.preference;
    return one->sequence < other->sequence;
}

/* Families take turns within a group: as many of the preferred one as are asked for, then the other, and on by turns
 * (Happy Eyeballs v3 section 5.3). Those that have begun count, whenever they did. */
static bool preferred_turn(const struct race *race, struct race_candidate *const *order, unsigned placed,
                           unsigned priority)
{
    unsigned wanted =
        race->config.preferred_family_count ? race->config.preferred_family_count : RACE_PREFERRED_FAMILY_COUNT;
    unsigned preferred = 0;
    bool last = false;

    for (unsigned i = 0; i < placed; i++) {
        if (order[i]->spec.priority != priority)
            continue;
        last = is_preferred(race, order[i]);
        preferred += last;
    }
    return preferred < wanted || !last;
}

/* Which of order[placed..count) follows those before. */
static unsigned order_next(const struct race *race, struct race_candidate *const *order, unsigned placed,
                           unsigned count)
{
    unsigned best[2] = {count, count}; /* of the preferred family, of the other */
    unsigned priority = UINT_MAX;

    for (unsigned i = placed; i < count; i++)
        priority = order[i]->spec.priority < priority ? order[i]->spec.priority : priority;
    for (unsigned i = placed; i < count; i++) {
        unsigned *of_family = &best[!is_preferred(race, order[i])];

        if (order[i]->spec.priority == priority && (*of_family == count || better(order[i], order[*of_family])))
            *of_family = i;
    }
    if (best[0] == count || best[1] == count)
        return best[0] == count ? best[1] : best[0];
    return best[!preferred_turn(race, order, placed, priority)];
}

unsigned race_stack_order(const struct race *race, const struct race_node *stack, struct race_candidate **ret_order)
{
    unsigned count = stack->begun;

    for (const struct list *at = stack->children.next; at != &stack->children; at = at->next) {
        struct race_candidate *candidate = container_of(at, struct race_candidate, link);

        ret_order[candidate->turn ? candidate->turn - 1 : count++] = candidate;
    }
    for (unsigned placed = stack->begun; placed < count; placed++) {
        unsigned next = order_next(race, ret_order, placed, count);
        struct race_candidate *candidate = ret_order[next];

        ret_order[next] = ret_order[placed];
        ret_order[placed] = candidate;
    }
    return count;
}

static struct race_candidate *stack_begin_next(const struct race *race, struct race_node *stack)
{
    struct race_candidate *order[RACE_CANDIDATES_MAX], *next;

    (void)race_stack_order(race, stack, order);
    next = order[stack->begun];
    next->turn = ++stack->begun;
    return next;
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

/* Has begun and may still win, or goes on by itself. */
static bool is_alive(const struct race_node *child)
{
    struct race_below below = race_below(child);

    return child->started && (below.running > 0 || below.waiting > 0);
}

/* When a child that starts only after the failure of those before it may do so. */
static int64_t failover_due(const struct race *race, const struct race_node *node, const struct race_node *child,
                            int64_t now)
{
    bool any = false;

    for (const struct list *at = node->children.next; at != &child->link; at = at->next) {
        const struct race_node *before = container_of(at, struct race_node, link);

        if (is_alive(before))
            return RACE_NEVER;
        any |= before->started;
    }
    if (any || race->complete || !(race->asked & ~race->answered) || race->first_address == RACE_NEVER)
        return now;
    return race->first_address + RACE_FAILOVER_DELAY; /* those it stands behind have not been found yet */
}

/* When a node's next child of its own is due; RACE_NEVER: there is none, or not by itself. */
static int64_t own_due(const struct race *race, const struct race_node *node, int64_t now)
{
    const struct race_node *child = node->is_stack ? NULL : child_next(node);
    struct race_below below = race_below(node);
    bool alive = node->is_stack && below.running > 0;
    int64_t allowed = now, due;

    if (node->is_stack ? below.waiting == 0 : !child)
        return RACE_NEVER;
    if (child && child->failover)
        allowed = failover_due(race, node, child, now);
    for (const struct list *at = node->children.next; !node->is_stack && at != &node->children; at = at->next)
        alive |= is_alive(container_of(at, struct race_node, link));
    if (!node->started || !alive || node->hurry)
        return allowed;
    due = node->last_start + (child && child->head_start ? child->head_start : race->attempt_delay);
    return due > allowed ? due : allowed;
}

int64_t race_node_due(const struct race *race, const struct race_node *node, int64_t now)
{
    int64_t due = own_due(race, node, now);

    if (node->is_stack)
        return due;
    if (due != RACE_NEVER) { /* and the first below that child */
        int64_t first = race_node_due(race, child_next(node), now);

        due = first > due ? first : due;
    }
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
    struct race_candidate *candidate;

    /* Those that have begun go on first. */
    for (struct list *at = node->children.next; !node->is_stack && at != &node->children; at = at->next) {
        struct race_node *child = container_of(at, struct race_node, link);

        if (child->started && (candidate = race_node_next(race, child, now)))
            return candidate;
    }
    if (own_due(race, node, now) > now)
        return NULL;
    candidate = node->is_stack ? stack_begin_next(race, node) : race_node_next(race, child_next(node), now);
    if (candidate)
        node_begins(node, now);
    return candidate;
}
