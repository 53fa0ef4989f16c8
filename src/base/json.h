/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON values into memory, one after the other; commas come by themselves. A name is NULL inside a list and for the
 * outermost value. Memory that runs out makes the whole text empty: json_end_line() then writes nothing and says so.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    char *text;
    size_t size, capacity;
    bool comma; /* a value precedes at this depth */
    bool failed;
};

void json_object(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_list(struct json *json, const char *name);
void json_list_end(struct json *json);
/* Any bytes: what is not UTF-8 becomes a lone surrogate \udc80..\udcff, as Python's os.fsdecode() reads file names. NULL
 * is written as null. */
void json_string(struct json *json, const char *name, const char *value);
void json_bytes(struct json *json, const char *name, const char *value, size_t size);
void json_base64(struct json *json, const char *name, const void *data, size_t size);
void json_signed(struct json *json, const char *name, int64_t value);
void json_unsigned(struct json *json, const char *name, uint64_t value);
void json_real(struct json *json, const char *name, double value, int decimals);
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);
/* A value that is JSON already, on one line. */
void json_raw(struct json *json, const char *name, const char *value);

/* Writes the text and a newline in one piece, flushes, and starts afresh. -errno */
int json_end_line(struct json *json, FILE *file);
/* The text with a newline, until the next value is begun, which starts afresh; NULL: memory had run out. */
const char *json_line(struct json *json, size_t *ret_size);
/* The text, which is the caller's to free(), instead of a line. -ENOMEM */
int json_take(struct json *json, char **ret_text);
void json_free(struct json *json);

#endif
