/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void *malloc_allocate(const struct memory *memory, size_t size)
{
    (void)memory;
    return malloc(size ? size : 1); /* NULL has to mean that there is none */
}

static void malloc_release(const struct memory *memory, void *block, size_t size)
{
    (void)memory;
    (void)size;
    free(block);
}

const struct memory memory_malloc = {malloc_allocate, malloc_release};

void *memory_allocate_zero(const struct memory *memory, size_t size)
{
    void *block = memory_allocate(memory, size);

    return block ? memset(block, 0, size) : NULL;
}
