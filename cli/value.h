/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON (RFC 8259) that others wrote: lines of a trace, what a control socket answers. All of a text is taken or
 * none; how deep and how large it may be is bounded.
 */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_LIST, VALUE_OBJECT };

struct value {
    enum value_kind kind;
    const char *name; /* as a member of an object; else NULL */
    const char *text; /* VALUE_TEXT; a NUL inside is U+FFFD */
    double number;    /* VALUE_NUMBER; VALUE_BOOL: 0 or 1 */
    struct value *first, *next;
};

/* A text in size bytes. NULL: it is no JSON, too deep, or memory ran out. */
struct value *value_read(const char *text, size_t size);
void value_free(struct value *value); /* the whole tree, by what value_read() gave; NULL is nothing */

/* Members of an object, by a path of names such as "path.local"; what is not there, or of another kind, is the default.
 * value may be NULL. */
const struct value *value_at(const struct value *value, const char *path);
double value_number(const struct value *value, const char *path, double otherwise);
uint64_t value_count(const struct value *value, const char *path); /* of what is not negative; else 0 */
const char *value_text(const struct value *value, const char *path, const char *otherwise);
bool value_is(const struct value *value, const char *path, const char *text); /* a text that is this one */

#endif
