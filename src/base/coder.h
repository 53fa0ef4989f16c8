/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes or reads a sequence of fields, so that one function says what a struct looks like for both ways. Every field is
 * checked for its length when it is read; the first fault is kept, and from then on nothing is written or read: values keep
 * what they had, and loops end by code_more().
 */
#ifndef BASE_CODER_H
#define BASE_CODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/range_set.h"

struct coder {
    bool reading;
    int error; /* 0, -ENOMEM, -E2BIG (writing: above limit), -EBADMSG (reading) */
    /* writing */
    const struct memory *memory;
    uint8_t *bytes;
    size_t size, capacity, limit;
    /* reading */
    const uint8_t *at, *end;
};

void coder_write(struct coder *coder, const struct memory *memory, size_t limit);
void coder_read(struct coder *coder, const void *bytes, size_t size);
void coder_free(struct coder *coder); /* what was written; wiped, since it may hold secrets */
void coder_fail(struct coder *coder, int error);

static inline bool code_ok(const struct coder *coder)
{
    return coder->error == 0;
}

void code_number(struct coder *coder, uint64_t *value);
void code_below(struct coder *coder, uint64_t *value, uint64_t limit); /* read: less than limit, else it is a fault */
void code_signed(struct coder *coder, int64_t *value);
void code_flag(struct coder *coder, bool *value);
void code_byte(struct coder *coder, uint8_t *value);
void code_fixed(struct coder *coder, void *bytes, size_t size);
void code_ranges(struct coder *coder, struct range_set *set, uint64_t end); /* all of them below end */

/* Bytes with their length: written from there, or read as they lie in what is read (NULL and 0 on a fault). */
void code_put(struct coder *coder, const void *bytes, size_t size);
const uint8_t *code_get(struct coder *coder, size_t *ret_size);
/* Text of less than size bytes into a place of that size, with its NUL. */
void code_text(struct coder *coder, char *text, size_t size);

/* A list: count is written, or read and at most `most`; then while (code_more(coder, &count)) for its items. */
void code_count(struct coder *coder, uint64_t *count, uint64_t most);
static inline bool code_more(const struct coder *coder, uint64_t *left)
{
    return code_ok(coder) && (*left)-- > 0;
}

#endif
