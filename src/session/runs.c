/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of message ids waiting to be told, in the order in which they arose. */
#include <string.h>

#include "session/internal.h"

static int runs_grow(const struct memory *memory, struct runs *runs)
{
    size_t capacity = runs->capacity ? runs->capacity * 2 : 8;
    struct outcome_run *items = memory_allocate(memory, capacity * sizeof *items);
    if (!items)
        return -ENOMEM;
    if (runs->count)
        memcpy(items, runs->items + runs->head, runs->count * sizeof *items);
    memory_release(memory, runs->items, runs->capacity * sizeof *items);
    runs->items = items;
    runs->capacity = capacity;
    runs->head = 0;
    return 0;
}

int runs_add(const struct memory *memory, struct runs *runs, uint8_t kind, uint64_t first, uint64_t count,
             uint64_t cost)
{
    if (runs->count) {
        struct outcome_run *last = &runs->items[runs->head + runs->count - 1];
        if (last->kind == kind && cost == 0 && last->cost == 0 && last->first + last->count == first) {
            last->count += count;
            return 0;
        }
    }
    if (runs->head + runs->count == runs->capacity && runs->head > runs->capacity / 2) {
        memmove(runs->items, runs->items + runs->head, runs->count * sizeof *runs->items);
        runs->head = 0;
    }
    if (runs->head + runs->count == runs->capacity) {
        int r = runs_grow(memory, runs);
        if (r < 0)
            return r;
    }
    runs->items[runs->head + runs->count++] = (struct outcome_run){
        .first = first,
        .count = count,
        .cost = (uint32_t)cost,
        .kind = kind,
    };
    return 0;
}

void runs_free(const struct memory *memory, struct runs *runs)
{
    memory_release(memory, runs->items, runs->capacity * sizeof *runs->items);
    *runs = (struct runs){0};
}
