/* SPDX-License-Identifier: Apache-2.0 */
/* The table: one row a property, and what is asked of a row. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "property/internal.h"
#include "property/table.h"

#define TYPE_PREFERENCE HAWSER_PREFERENCE
#define TYPE_SET HAWSER_SET
#define TYPE_ENUMERATION HAWSER_ENUMERATION
#define TYPE_BOOLEAN HAWSER_BOOLEAN
#define TYPE_DURATION HAWSER_DURATION
#define TYPE_RATE HAWSER_RATE
#define TYPE_LENGTH HAWSER_INTEGER
#define TYPE_NUMBER HAWSER_INTEGER
#define TYPE_LIMIT HAWSER_INTEGER

#define ROW(member, kind, row_name, row_stage, in_c, in_text, row_values, row_summary, row_source, row_effect, gives)  \
    static const char *offered_##member(const struct property_stack *stack)                                            \
    {                                                                                                                  \
        (void)stack;                                                                                                   \
        return gives;                                                                                                  \
    }
PROPERTY_ROWS(ROW)
#undef ROW

#define ROW(member, row_kind, row_name, row_stage, in_c, in_text, row_values, row_summary, row_source, row_effect,     \
            gives)                                                                                                     \
    {.name = (row_name),                                                                                               \
     .stage = HAWSER_##row_stage,                                                                                      \
     .type = TYPE_##row_kind,                                                                                          \
     .kind = KIND_##row_kind,                                                                                          \
     .offset = offsetof(struct property_values, member),                                                               \
     .values = (row_values),                                                                                           \
     .default_value = (in_text),                                                                                       \
     .summary = (row_summary),                                                                                         \
     .source = (row_source),                                                                                           \
     .effect = (row_effect),                                                                                           \
     .offered = offered_##member},
#define READ(identifier, row_name, row_type, row_values, row_summary, row_source, row_effect)                          \
    {.name = (row_name),                                                                                               \
     .stage = HAWSER_READ_ONLY,                                                                                        \
     .type = (row_type),                                                                                               \
     .kind = KIND_READ_ONLY,                                                                                           \
     .values = (row_values),                                                                                           \
     .default_value = "",                                                                                              \
     .summary = (row_summary),                                                                                         \
     .source = (row_source),                                                                                           \
     .effect = (row_effect)},
const struct property_row property_rows[] = {PROPERTY_ROWS(ROW) PROPERTY_READ_ONLY(READ)};
#undef ROW
#undef READ
const unsigned property_row_count = sizeof property_rows / sizeof *property_rows;
_Static_assert(sizeof property_rows / sizeof *property_rows <= 64, "property_values.given has a bit a row");

#define ROW(member, kind, name, stage, in_c, in_text, values, summary, source, effect, gives) .member = in_c,
const struct property_values property_defaults = {PROPERTY_ROWS(ROW)};
#undef ROW

/* Names are compared without case, '-' and '_': RFC 9622 section 4.1 leaves the style to the language. */
static void squeeze(const char *name, char *plain, size_t size)
{
    size_t length = 0;

    for (; *name && length + 1 < size; name++)
        if (*name != '-' && *name != '_')
            plain[length++] = (char)tolower((unsigned char)*name);
    plain[length] = '\0';
}

const struct property_row *row_find(const char *name)
{
    char wanted[64], plain[64];

    squeeze(name, wanted, sizeof wanted);
    for (unsigned i = 0; i < property_row_count; i++) {
        squeeze(property_rows[i].name, plain, sizeof plain);
        if (strcmp(wanted, plain) == 0)
            return &property_rows[i];
    }
    return NULL;
}

unsigned row_index(const struct property_row *row)
{
    return (unsigned)(row - property_rows);
}

bool row_given(const struct property_values *values, const struct property_row *row)
{
    return values->given >> row_index(row) & 1;
}

bool property_given(const struct property_values *values, const char *name)
{
    const struct property_row *row = row_find(name);

    return row && row_given(values, row);
}

/* How many letters have to change to make one name of the other (Levenshtein). */
static unsigned distance(const char *one, const char *other)
{
    unsigned row[64], before, above;
    size_t width = strlen(other);

    for (size_t i = 0; i <= width; i++)
        row[i] = (unsigned)i;
    for (size_t j = 1; one[j - 1]; j++) {
        before = row[0]++;
        for (size_t i = 1; i <= width; i++) {
            above = row[i];
            unsigned best = before + (one[j - 1] != other[i - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[i - 1] + 1 < best)
                best = row[i - 1] + 1;
            row[i] = best;
            before = above;
        }
    }
    return row[width];
}

void row_unknown(const char *name, char *reason, size_t size)
{
    char wanted[64], plain[64];
    const char *nearest = NULL;
    unsigned best = 0;

    squeeze(name, wanted, sizeof wanted);
    for (unsigned i = 0; i < property_row_count; i++) {
        squeeze(property_rows[i].name, plain, sizeof plain);
        unsigned far = distance(wanted, plain);
        if (!nearest || far < best) {
            nearest = property_rows[i].name;
            best = far;
        }
    }
    if (best <= 1 + strlen(wanted) / 3)
        snprintf(reason, size, "there is no property \"%.64s\"; \"%s\" is the nearest", name, nearest);
    else
        snprintf(reason, size, "there is no property \"%.64s\"", name);
}

int hawser_property_info_get(unsigned index, hawser_property_info *ret_info)
{
    const struct property_row *row = &property_rows[index];

    if (index >= property_row_count)
        return -ENOENT;
    if (ret_info)
        *ret_info = (hawser_property_info){row->name,          row->stage,   row->type,   row->values,
                                           row->default_value, row->summary, row->source, row->effect};
    return 0;
}

static bool has_layer(const char *stack, const char *layer)
{
    size_t size = strlen(layer);

    for (const char *at = stack; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, layer, size) == 0 && (at[size] == '/' || at[size] == '\0'))
            return true;
    }
    return false;
}

void property_stack_read(const char *name, bool session, struct property_stack *ret_stack)
{
    bool quic = has_layer(name, "quic"), secure = has_layer(name, "tls") || has_layer(name, "dtls") || quic;

    *ret_stack = (struct property_stack){
        .name = name,
        .secure = secure,
        .early_data = has_layer(name, "tls") || quic,
        .multipath = has_layer(name, "mptcp"),
        .unix_socket = has_layer(name, "unix"),
        .udp = has_layer(name, "udp"),
        .proxy = has_layer(name, "socks5") || has_layer(name, "http-connect"),
        .session = secure && session,
    };
}

const char *hawser_property_offered(unsigned index, const char *stack, bool bare)
{
    struct property_stack is;

    if (index >= property_row_count || !property_rows[index].offered || !stack)
        return "";
    property_stack_read(stack, !bare, &is);
    return property_rows[index].offered(&is);
}

int property_find(const char *name, char *reason, size_t size)
{
    const struct property_row *row = row_find(name);

    if (row)
        return (int)row_index(row);
    row_unknown(name, reason, size);
    return -HAWSER_EPROPERTY;
}

int property_print(const struct property_values *values, unsigned index, char *text, size_t size)
{
    return value_print(&property_rows[index], values, text, size);
}

hawser_preference row_preference(const struct property_values *values, const struct property_row *row)
{
    return *(const hawser_preference *)(const void *)((const char *)values + row->offset);
}

hawser_preference property_preference(const struct property_values *values, unsigned index)
{
    return row_preference(values, &property_rows[index]);
}
