/* SPDX-License-Identifier: Apache-2.0 */
/* The table as structs, and values as text: private to this folder. */
#ifndef PROPERTY_INTERNAL_H
#define PROPERTY_INTERNAL_H

#include "property/property.h"

#include <stdatomic.h>

#include <hawser/errors.h>

enum property_kind {
    KIND_PREFERENCE,
    KIND_SET,
    KIND_ENUMERATION, /* an enum of C, counted as in values */
    KIND_BOOLEAN,
    KIND_DURATION, /* int64_t microseconds; 0: disabled */
    KIND_RATE,     /* uint64_t bits per second; 0: unlimited */
    KIND_LENGTH,   /* int64_t bytes; -1: full */
    KIND_NUMBER,   /* unsigned, 0 to NUMBER_MAX */
    KIND_LIMIT,    /* unsigned; 0: unlimited */
    KIND_READ_ONLY
};

enum { NUMBER_MAX = 255, WRONG_SIZE = 400 };

struct property_row {
    const char *name;
    hawser_property_stage stage;
    hawser_property_type type;
    enum property_kind kind;
    size_t offset; /* in struct property_values */
    const char *values, *default_value, *summary, *source, *effect;
    const char *(*offered)(const struct property_stack *stack); /* NULL: read-only */
};

/* Values are large, and copies of a set are many (each association has one): they are shared until one is changed. */
struct property_box {
    atomic_uint refs; /* a copy may be another thread's */
    struct property_values values;
};

struct hawser_properties {
    unsigned refs;
    struct property_box *box; /* NULL: the defaults */
    char *wrong;              /* wrong_text, so that also a query can tell */
    char wrong_text[WRONG_SIZE];
};

/* rows.c */
extern const struct property_row property_rows[];
extern const unsigned property_row_count;
extern const struct property_values property_defaults;
const struct property_row *row_find(const char *name); /* NULL: none */
unsigned row_index(const struct property_row *row);
bool row_given(const struct property_values *values, const struct property_row *row);
void row_unknown(const char *name, char *reason, size_t size); /* says so, with the nearest name */
hawser_preference row_preference(const struct property_values *values, const struct property_row *row);

/* value.c */
int value_parse(const struct property_row *row, struct property_values *values, const char *text, char *reason,
                size_t size);
int value_print(const struct property_row *row, const struct property_values *values, char *text, size_t size);
bool preference_parse(const char *text, size_t length, hawser_preference *ret_preference);
int set_add(const struct property_row *row, struct property_values *values, hawser_preference preference,
            const char *value, char *reason, size_t size);

/* refuse.c: 0, or -HAWSER_EPROPERTY and why hawser cannot give what values say of this row. */
int value_refuse(const struct property_row *row, const struct property_values *values, char *reason, size_t size);

#endif
