/* SPDX-License-Identifier: Apache-2.0 */
#include "base/coder.h"

#include <errno.h>
#include <string.h>

#define NUMBER_MAX 10 /* bytes of seven bits */

void coder_write(struct coder *coder, const struct memory *memory, size_t limit)
{
    *coder = (struct coder){.memory = memory, .limit = limit};
}

void coder_read(struct coder *coder, const void *bytes, size_t size)
{
    *coder = (struct coder){.reading = true, .at = bytes, .end = (const uint8_t *)bytes + size};
}

static void wipe(void *bytes, size_t size)
{
    volatile uint8_t *at = bytes;

    while (size--)
        *at++ = 0;
}

void coder_free(struct coder *coder)
{
    if (coder->bytes)
        wipe(coder->bytes, coder->size);
    if (coder->memory)
        memory_release(coder->memory, coder->bytes, coder->capacity);
    coder->bytes = NULL;
    coder->size = coder->capacity = 0;
}

void coder_fail(struct coder *coder, int error)
{
    if (coder->error == 0)
        coder->error = error;
}

/* Room for size more bytes; NULL: there is none. */
static uint8_t *room(struct coder *coder, size_t size)
{
    uint8_t *grown;
    size_t capacity = coder->capacity ? coder->capacity : 1024;

    if (!code_ok(coder))
        return NULL;
    if (size > coder->limit - coder->size) {
        coder_fail(coder, -E2BIG);
        return NULL;
    }
    while (capacity - coder->size < size)
        capacity *= 2;
    if (capacity != coder->capacity) {
        grown = memory_allocate(coder->memory, capacity);
        if (!grown) {
            coder_fail(coder, -ENOMEM);
            return NULL;
        }
        if (coder->size) {
            memcpy(grown, coder->bytes, coder->size);
            wipe(coder->bytes, coder->size);
        }
        memory_release(coder->memory, coder->bytes, coder->capacity);
        coder->bytes = grown;
        coder->capacity = capacity;
    }
    coder->size += size;
    return coder->bytes + coder->size - size;
}

/* The next size bytes of what is read; NULL: there are not so many. */
static const uint8_t *take(struct coder *coder, uint64_t size)
{
    if (!code_ok(coder))
        return NULL;
    if (size > (uint64_t)(coder->end - coder->at)) {
        coder_fail(coder, -EBADMSG);
        return NULL;
    }
    coder->at += size;
    return coder->at - size;
}

static void number_write(struct coder *coder, uint64_t value)
{
    uint8_t bytes[NUMBER_MAX], *at;
    size_t size = 0;

    do {
        bytes[size++] = (uint8_t)(value & 127) | (value > 127 ? 128 : 0);
        value >>= 7;
    } while (value);
    at = room(coder, size);
    if (at)
        memcpy(at, bytes, size);
}

static uint64_t number_read(struct coder *coder)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *at = take(coder, 1);

        if (!at)
            return 0;
        if (shift == 63 && *at > 1)
            break;
        value |= (uint64_t)(*at & 127) << shift;
        if (*at < 128)
            return value;
    }
    coder_fail(coder, -EBADMSG);
    return 0;
}

void code_number(struct coder *coder, uint64_t *value)
{
    uint64_t number;

    if (!coder->reading) {
        number_write(coder, *value);
        return;
    }
    number = number_read(coder);
    if (code_ok(coder))
        *value = number;
}

void code_below(struct coder *coder, uint64_t *value, uint64_t limit)
{
    uint64_t number = *value;

    code_number(coder, &number);
    if (coder->reading && number >= limit)
        coder_fail(coder, -EBADMSG);
    if (code_ok(coder))
        *value = number;
}

void code_signed(struct coder *coder, int64_t *value)
{
    uint64_t number = *value < 0 ? ~((uint64_t)*value << 1) : (uint64_t)*value << 1;

    code_number(coder, &number);
    if (code_ok(coder))
        *value = number & 1 ? (int64_t) ~(number >> 1) : (int64_t)(number >> 1);
}

void code_flag(struct coder *coder, bool *value)
{
    uint64_t number = *value;

    code_below(coder, &number, 2);
    *value = number;
}

void code_byte(struct coder *coder, uint8_t *value)
{
    uint64_t number = *value;

    code_below(coder, &number, 256);
    *value = (uint8_t)number;
}

void code_fixed(struct coder *coder, void *bytes, size_t size)
{
    if (coder->reading) {
        const uint8_t *from = take(coder, size);

        if (from)
            memcpy(bytes, from, size);
    } else {
        uint8_t *to = room(coder, size);

        if (to)
            memcpy(to, bytes, size);
    }
}

void code_put(struct coder *coder, const void *bytes, size_t size)
{
    uint8_t *to;

    number_write(coder, size);
    to = room(coder, size);
    if (to && size)
        memcpy(to, bytes, size);
}

const uint8_t *code_get(struct coder *coder, size_t *ret_size)
{
    uint64_t size = number_read(coder);
    const uint8_t *bytes = take(coder, size);

    *ret_size = bytes ? (size_t)size : 0;
    return bytes;
}

void code_text(struct coder *coder, char *text, size_t size)
{
    const uint8_t *bytes;
    size_t length;

    if (!coder->reading) {
        code_put(coder, text, strlen(text));
        return;
    }
    bytes = code_get(coder, &length);
    if (!bytes)
        return;
    if (length >= size || memchr(bytes, 0, length)) {
        coder_fail(coder, -EBADMSG);
        return;
    }
    memcpy(text, bytes, length);
    text[length] = '\0';
}

void code_count(struct coder *coder, uint64_t *count, uint64_t most)
{
    code_below(coder, count, most < UINT64_MAX ? most + 1 : UINT64_MAX);
    if (!code_ok(coder))
        *count = 0;
}

void code_ranges(struct coder *coder, struct range_set *set, uint64_t end)
{
    uint64_t count = set->count, at = 0, first = 0, next = 0;

    code_count(coder, &count, UINT64_MAX);
    while (code_more(coder, &count)) {
        uint64_t gap, size;

        if (!coder->reading)
            (void)range_set_next(set, at, &first, &next);
        gap = first - at;
        size = next - first;
        code_below(coder, &gap, UINT64_MAX);
        code_below(coder, &size, UINT64_MAX);
        if (!code_ok(coder))
            return;
        if (coder->reading) {
            if (size == 0 || gap > end || at > end - gap || size > end - gap - at || (at && gap == 0)) {
                coder_fail(coder, -EBADMSG);
                return;
            }
            first = at + gap;
            next = first + size;
            if (range_set_add(set, first, next, NULL) < 0)
                coder_fail(coder, -ENOMEM);
        }
        at = next;
    }
}
