/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in a ring: those of an offset lie at the offset modulo the capacity. Nothing is checked here. */
#ifndef SESSION_RING_H
#define SESSION_RING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many of size bytes from offset on lie side by side. */
static inline size_t ring_piece(size_t capacity, uint64_t offset, uint64_t size)
{
    uint64_t most = capacity - offset % capacity;
    return (size_t)(most < size ? most : size);
}

static inline void ring_put(uint8_t *ring, size_t capacity, uint64_t offset, const uint8_t *data, size_t size)
{
    for (size_t done = 0, here; done < size; done += here) {
        here = ring_piece(capacity, offset + done, size - done);
        memcpy(ring + (offset + done) % capacity, data + done, here);
    }
}

static inline void ring_get(const uint8_t *ring, size_t capacity, uint64_t offset, uint8_t *data, size_t size)
{
    for (size_t done = 0, here; done < size; done += here) {
        here = ring_piece(capacity, offset + done, size - done);
        memcpy(data + done, ring + (offset + done) % capacity, here);
    }
}

/* All of a ring that begins at offset, into a larger one. */
static inline void ring_move(uint8_t *to, size_t to_capacity, const uint8_t *ring, size_t capacity, uint64_t offset)
{
    for (uint64_t at = offset, end = offset + capacity; at < end;) {
        size_t here = ring_piece(capacity, at, end - at);
        ring_put(to, to_capacity, at, ring + at % capacity, here);
        at += here;
    }
}

#endif
