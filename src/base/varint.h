/* SPDX-License-Identifier: Apache-2.0 */
/* QUIC variable-length integers (RFC 9000 section 16): two bits of length, then big-endian. */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_MAX ((UINT64_C(1) << 62) - 1)
#define VARINT_SIZE_MAX 8

static inline size_t varint_size(uint64_t value)
{
    return value < 64 ? 1 : value < 16384 ? 2 : value < (UINT64_C(1) << 30) ? 4 : 8;
}

/* Writes value (at most VARINT_MAX) to at, which has room for varint_size(value); the position after it. */
static inline uint8_t *varint_put(uint8_t *at, uint64_t value)
{
    if (value < 64) {
        *at = (uint8_t)value;
        return at + 1;
    }
    if (value < 16384) {
        uint16_t v = htobe16((uint16_t)(value | 0x4000));
        memcpy(at, &v, sizeof v);
        return at + sizeof v;
    }
    if (value < (UINT64_C(1) << 30)) {
        uint32_t v = htobe32((uint32_t)value | UINT32_C(0x80000000));
        memcpy(at, &v, sizeof v);
        return at + sizeof v;
    }
    uint64_t v = htobe64(value | (UINT64_C(3) << 62));
    memcpy(at, &v, sizeof v);
    return at + sizeof v;
}

/* Reads a value between at and end; the position after it, or NULL when it is cut short. */
static inline const uint8_t *varint_get(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
    if (at >= end)
        return NULL;
    size_t size = (size_t)1 << (*at >> 6);
    if ((size_t)(end - at) < size)
        return NULL;
    switch (size) {
    case 1:
        *ret_value = *at;
        break;
    case 2: {
        uint16_t v;
        memcpy(&v, at, sizeof v);
        *ret_value = be16toh(v) & 0x3fff;
        break;
    }
    case 4: {
        uint32_t v;
        memcpy(&v, at, sizeof v);
        *ret_value = be32toh(v) & 0x3fffffff;
        break;
    }
    default: {
        uint64_t v;
        memcpy(&v, at, sizeof v);
        *ret_value = be64toh(v) & VARINT_MAX;
    }
    }
    return at + size;
}

#endif
