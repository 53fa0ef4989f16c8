/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where memory comes from. The session takes all of its memory through one of these, so that a test can refuse it and
 * a context can keep large blocks for reuse.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

struct memory {
    void *(*allocate)(const struct memory *memory, size_t size);            /* NULL when there is none */
    void (*release)(const struct memory *memory, void *block, size_t size); /* size as allocated; block may be NULL */
};

extern const struct memory memory_malloc; /* plain malloc() and free() */

static inline void *memory_allocate(const struct memory *memory, size_t size)
{
    return memory->allocate(memory, size);
}

static inline void memory_release(const struct memory *memory, void *block, size_t size)
{
    if (block)
        memory->release(memory, block, size);
}

/* As memory_allocate(), all bytes 0. */
void *memory_allocate_zero(const struct memory *memory, size_t size);

#endif
