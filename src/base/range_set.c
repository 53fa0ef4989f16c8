/* SPDX-License-Identifier: Apache-2.0 */
#include "base/range_set.h"

#include <errno.h>

#include "base/tree.h"

struct range_node {
    uint64_t first, end;
    RB_ENTRY(range_node) entry;
};

static int compare(const struct range_node *a, const struct range_node *b)
{
    return a->first < b->first ? -1 : a->first > b->first;
}

/* The set keeps a bare root, so that its header needs no tree.h. */
RB_HEAD(range_tree, range_node);
TREE_GENERATE(range_tree, range_node, entry, compare)

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How many numbers of [first, end) are in node. */
static uint64_t overlap(const struct range_node *node, uint64_t first, uint64_t end)
{
    uint64_t low = max_u64(node->first, first), high = min_u64(node->end, end);

    return low < high ? high - low : 0;
}

static struct range_node *next_of(struct range_node *node)
{
    return RB_NEXT(range_tree, NULL, node);
}

static struct range_node *lowest(const struct range_set *set)
{
    struct range_tree tree = {set->root};

    return RB_MIN(range_tree, &tree);
}

/* The range with the greatest first that is not above number. */
static struct range_node *find_floor(const struct range_set *set, uint64_t number)
{
    struct range_node *node = set->root, *found = NULL;

    if (set->last && set->last->first <= number)
        return set->last;
    while (node) {
        if (node->first <= number) {
            found = node;
            node = RB_RIGHT(node, entry);
        } else {
            node = RB_LEFT(node, entry);
        }
    }
    return found;
}

/* The first range that ends above number. */
static struct range_node *find_above(const struct range_set *set, uint64_t number)
{
    struct range_node *node = find_floor(set, number);

    if (!node)
        return lowest(set);
    return node->end > number ? node : next_of(node);
}

static struct range_node *node_new(const struct range_set *set, uint64_t first, uint64_t end)
{
    struct range_node *node = memory_allocate(set->memory, sizeof *node);

    if (node) {
        node->first = first;
        node->end = end;
    }
    return node;
}

static void link_node(struct range_set *set, struct range_node *node)
{
    struct range_tree tree = {set->root};

    if (set->last && node->first > set->last->first) {
        /* The greatest has no right child: the descent is known, and rebalancing costs O(1) over many. */
        RB_SET(node, set->last, entry);
        RB_RIGHT(set->last, entry) = node;
        range_tree_RB_INSERT_COLOR(&tree, node);
        set->last = node;
    } else {
        RB_INSERT(range_tree, &tree, node);
        if (!set->last)
            set->last = node;
    }
    set->root = tree.rbh_root;
    set->count++;
}

static void drop_node(struct range_set *set, struct range_node *node)
{
    struct range_tree tree = {set->root};

    if (node == set->last)
        set->last = RB_PREV(range_tree, &tree, node);
    RB_REMOVE(range_tree, &tree, node);
    set->root = tree.rbh_root;
    set->count--;
    memory_release(set->memory, node, sizeof *node);
}

void range_set_init(struct range_set *set, const struct memory *memory)
{
    *set = (struct range_set){.memory = memory};
}

void range_set_clear(struct range_set *set)
{
    while (set->root)
        drop_node(set, set->root);
}

/* Finds the range that can grow to hold [first, end): one that overlaps or touches it. */
static struct range_node *find_touching(const struct range_set *set, uint64_t first, uint64_t end)
{
    struct range_node *node = find_floor(set, first);

    if (node && node->end >= first)
        return node;
    node = node ? next_of(node) : lowest(set);
    return node && node->first <= end ? node : NULL;
}

int range_set_add(struct range_set *set, uint64_t first, uint64_t end, uint64_t *ret_added)
{
    uint64_t present = 0;

    if (first < end) {
        struct range_node *node = find_touching(set, first, end), *next;
        if (!node) {
            node = node_new(set, first, end);
            if (!node)
                return -ENOMEM;
            link_node(set, node);
        } else {
            present = overlap(node, first, end);
            node->first = min_u64(node->first, first);
            node->end = max_u64(node->end, end);
            while (node != set->last && (next = next_of(node))->first <= node->end) {
                present += overlap(next, first, end);
                node->end = max_u64(node->end, next->end);
                drop_node(set, next);
            }
        }
    }
    if (ret_added)
        *ret_added = first < end ? end - first - present : 0;
    return 0;
}

int range_set_remove(struct range_set *set, uint64_t first, uint64_t end)
{
    struct range_node *node = first < end ? find_above(set, first) : NULL;

    while (node && node->first < end) {
        struct range_node *next = next_of(node);
        if (node->first < first && node->end > end) {
            struct range_node *upper = node_new(set, end, node->end);
            if (!upper)
                return -ENOMEM; /* nothing was changed: a range that is to be split is the only one concerned */
            node->end = first;
            link_node(set, upper);
        } else if (node->first < first) {
            node->end = first;
        } else if (node->end > end) {
            node->first = end;
        } else {
            drop_node(set, node);
        }
        node = next;
    }
    return 0;
}

bool range_set_contains(const struct range_set *set, uint64_t number)
{
    const struct range_node *node = find_floor(set, number);

    return node && node->end > number;
}

bool range_set_next(const struct range_set *set, uint64_t from, uint64_t *ret_first, uint64_t *ret_end)
{
    const struct range_node *node = find_above(set, from);

    if (!node)
        return false;
    *ret_first = max_u64(node->first, from);
    *ret_end = node->end;
    return true;
}

uint64_t range_set_end(const struct range_set *set)
{
    return set->last ? set->last->end : 0;
}

void range_set_drop_first(struct range_set *set)
{
    struct range_node *node = lowest(set);

    if (node)
        drop_node(set, node);
}
