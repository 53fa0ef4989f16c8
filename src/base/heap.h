/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of nodes that live in their owners, least key first; equal keys in no particular order. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

#define HEAP_ABSENT SIZE_MAX

struct heap_node {
    int64_t key;
    size_t index; /* HEAP_ABSENT outside a heap: set it so before first use, with heap_node_init() */
};

struct heap {
    const struct memory *memory;
    struct heap_node **nodes;
    size_t count, capacity;
};

static inline void heap_node_init(struct heap_node *node)
{
    node->index = HEAP_ABSENT;
}

static inline bool heap_contains(const struct heap_node *node)
{
    return node->index != HEAP_ABSENT;
}

void heap_init(struct heap *heap, const struct memory *memory);
void heap_free(struct heap *heap); /* the nodes are their owners' */

/* Adds node with key, or moves it to key when it is in. -ENOMEM leaves it outside. */
int heap_set(struct heap *heap, struct heap_node *node, int64_t key);
void heap_remove(struct heap *heap, struct heap_node *node); /* nothing when it is not in */

static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count ? heap->nodes[0] : NULL;
}

#endif
