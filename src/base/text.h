/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A string that grows. Running out of memory is noted, not returned: what follows is left out, and text_failed() says
 * so once at the end.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* NULL while nothing was added, else ends in NUL */
    size_t size, capacity;
    bool failed;
};

void text_init(struct text *text);
void text_free(struct text *text); /* empty and usable afterwards */

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t size);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a JSON string (RFC 8259 section 7), with its quotes. Bytes that are not UTF-8 become U+FFFD: paths and a peer's
 * words may hold anything, and a reader must be able to rely on valid JSON. */
void text_add_json(struct text *text, const char *string);
void text_add_json_bytes(struct text *text, const char *bytes, size_t size);

/* The length of the well-formed UTF-8 sequence at the start (Unicode table 3-7), 0 when there is none; size is not 0. */
size_t text_utf8_length(const unsigned char *at, size_t size);

const char *text_string(const struct text *text); /* never NULL; until the next change */
bool text_failed(const struct text *text);
/* The string, for the caller to free(); NULL when memory ran out. The text is empty afterwards. */
char *text_take(struct text *text);

/* Lower-case base32 (RFC 4648 section 6) without padding, NUL-ended. */
#define BASE32_SIZE(size) (((size)*8 + 4) / 5 + 1)
void base32_encode(const uint8_t *bytes, size_t size, char *ret_string);

#endif
