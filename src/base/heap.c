/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <errno.h>
#include <string.h>

void heap_init(struct heap *heap, const struct memory *memory)
{
    *heap = (struct heap){.memory = memory};
}

void heap_free(struct heap *heap)
{
    memory_release(heap->memory, heap->nodes, heap->capacity * sizeof *heap->nodes);
    heap_init(heap, heap->memory);
}

static void place(struct heap *heap, size_t index, struct heap_node *node)
{
    heap->nodes[index] = node;
    node->index = index;
}

static void sift_up(struct heap *heap, struct heap_node *node)
{
    size_t index = node->index;

    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->nodes[parent]->key <= node->key)
            break;
        place(heap, index, heap->nodes[parent]);
        index = parent;
    }
    place(heap, index, node);
}

static void sift_down(struct heap *heap, struct heap_node *node)
{
    size_t index = node->index;

    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (node->key <= heap->nodes[child]->key)
            break;
        place(heap, index, heap->nodes[child]);
        index = child;
    }
    place(heap, index, node);
}

static int grow(struct heap *heap)
{
    size_t capacity = heap->capacity ? heap->capacity * 2 : 16;
    struct heap_node **nodes;

    if (capacity > SIZE_MAX / sizeof(*nodes))
        return -ENOMEM;
    nodes = memory_allocate(heap->memory, capacity * sizeof(*nodes));
    if (!nodes)
        return -ENOMEM;
    if (heap->count)
        memcpy(nodes, heap->nodes, heap->count * sizeof(*nodes));
    memory_release(heap->memory, heap->nodes, heap->capacity * sizeof(*nodes));
    heap->nodes = nodes;
    heap->capacity = capacity;
    return 0;
}

int heap_set(struct heap *heap, struct heap_node *node, int64_t key)
{
    if (heap_contains(node)) {
        int64_t before = node->key;
        node->key = key;
        if (key < before)
            sift_up(heap, node);
        else if (key > before)
            sift_down(heap, node);
        return 0;
    }
    if (heap->count == heap->capacity) {
        int r = grow(heap);
        if (r < 0)
            return r;
    }
    node->key = key;
    place(heap, heap->count++, node);
    sift_up(heap, node);
    return 0;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    struct heap_node *last;
    size_t index = node->index;

    if (!heap_contains(node))
        return;
    node->index = HEAP_ABSENT;
    last = heap->nodes[--heap->count];
    if (last == node)
        return;
    /* The last node may belong above or below the hole, but only one of the two moves it. */
    place(heap, index, last);
    sift_up(heap, last);
    sift_down(heap, last);
}
