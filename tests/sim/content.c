/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sim.h"

uint64_t content_key(uint64_t seed, unsigned side, uint64_t id, bool stream)
{
    uint64_t state = seed * 4 + side * 2 + stream;
    return splitmix64(&state) ^ (id * UINT64_C(0xd6e8feb86659fd93));
}

/* The eight bytes at 8 * number. A multiplication by an odd number keeps all of them apart. */
static inline uint64_t word(uint64_t key, uint64_t number)
{
    uint64_t w = (key + number) * UINT64_C(0x9e3779b97f4a7c15);
    return w ^ (w >> 32);
}

void content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        uint64_t w = word(key, offset / 8);
        size_t within = offset % 8, n = 8 - within < size ? 8 - within : size;
        memcpy(bytes, (const uint8_t *)&w + within, n);
        bytes += n;
        offset += n;
        size -= n;
    }
}

bool content_same(uint64_t key, uint64_t offset, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        uint64_t w = word(key, offset / 8);
        size_t within = offset % 8, n = 8 - within < size ? 8 - within : size;
        if (n == 8) {
            uint64_t have;
            memcpy(&have, bytes, 8);
            if (have != w)
                return false;
        } else if (memcmp(bytes, (const uint8_t *)&w + within, n) != 0) {
            return false;
        }
        bytes += n;
        offset += n;
        size -= n;
    }
    return true;
}
