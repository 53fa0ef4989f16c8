/* SPDX-License-Identifier: Apache-2.0 */
/* Values of properties read from text and printed so that they read the same again. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "property/internal.h"

static const char *const preference_names[] = {
    [HAWSER_NO_PREFERENCE] = "none", [HAWSER_REQUIRE] = "require",   [HAWSER_PREFER] = "prefer",
    [HAWSER_AVOID] = "avoid",        [HAWSER_PROHIBIT] = "prohibit",
};

const char *hawser_preference_name(hawser_preference preference)
{
    return (unsigned)preference < sizeof preference_names / sizeof *preference_names ? preference_names[preference]
                                                                                     : "unknown";
}

bool preference_parse(const char *text, size_t length, hawser_preference *ret_preference)
{
    for (unsigned i = 0; i < sizeof preference_names / sizeof *preference_names; i++)
        if (strlen(preference_names[i]) == length && strncasecmp(preference_names[i], text, length) == 0) {
            *ret_preference = (hawser_preference)i;
            return true;
        }
    return false;
}

/* ---------------------------------------------------------------------------------------------------------- numbers */

struct unit {
    const char *name;
    uint64_t factor;
};

/* The largest first: values are printed in the largest that divides them. Without a unit: seconds, bits per second. */
static const struct unit durations[] = {
    {"h", UINT64_C(3600000000)}, {"min", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}, {"", 1000000}, {NULL, 0}};
static const struct unit rates[] = {{"G", 1000000000}, {"M", 1000000}, {"k", 1000}, {"", 1}, {"K", 1000}, {NULL, 0}};

/* Digits with at most one point, and a unit; exact, and the same in every locale. */
static bool number_parse(const char *text, const struct unit *units, uint64_t most, uint64_t *ret_number)
{
    uint64_t whole = 0, part = 0, scale = 1;
    const char *at = text;

    if (!isdigit((unsigned char)*at))
        return false;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(whole, UINT64_C(10), &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*at - '0'), &whole))
            return false;
    if (*at == '.') {
        if (!isdigit((unsigned char)*++at))
            return false;
        for (; isdigit((unsigned char)*at); at++)
            if (scale < 1000000000) {
                part = part * 10 + (uint64_t)(*at - '0');
                scale *= 10;
            }
    }
    for (; units->name; units++) {
        uint64_t number;

        if (strcmp(at, units->name) != 0)
            continue;
        if (__builtin_mul_overflow(whole, units->factor, &number) ||
            __builtin_add_overflow(number, part * units->factor / scale, &number) || number > most)
            return false;
        *ret_number = number;
        return true;
    }
    return false;
}

static int number_print(uint64_t number, const struct unit *units, char *text, size_t size)
{
    while (number % units->factor)
        units++;
    return snprintf(text, size, "%llu%s", (unsigned long long)(number / units->factor), units->name);
}

static bool is_never(const char *text)
{
    return strcasecmp(text, "disabled") == 0 || strcasecmp(text, "infinite") == 0 || strcasecmp(text, "unlimited") == 0;
}

static int wrong_value(const struct property_row *row, const char *takes, const char *text, char *reason, size_t size)
{
    snprintf(reason, size, "%s is %s, not \"%.100s\"", row->name, takes, text);
    return -HAWSER_EPROPERTY;
}

/* Whole numbers. */
static bool plain_parse(const char *text, uint64_t most, uint64_t *ret_number)
{
    static const struct unit none[] = {{"", 1}, {NULL, 0}};

    return !strchr(text, '.') && number_parse(text, none, most, ret_number);
}

/* ------------------------------------------------------------------------------------------------------------- sets */

static bool one_of(const char *values, const char *text, unsigned *ret_index)
{
    unsigned index = 0;

    for (const char *at = values; *at; index++) {
        size_t size = strcspn(at, ",");

        if (strlen(text) == size && strncasecmp(at, text, size) == 0) {
            *ret_index = index;
            return true;
        }
        at += size + (at[size] == ',');
    }
    return false;
}

int set_add(const struct property_row *row, struct property_values *values, hawser_preference preference,
            const char *value, char *reason, size_t size)
{
    struct property_set *set = (void *)((char *)values + row->offset);
    struct property_want *want;
    unsigned index;

    if (*row->values && !one_of(row->values, value, &index)) {
        snprintf(reason, size, "%s has members %s, not \"%.100s\"", row->name, row->values, value);
        return -HAWSER_EPROPERTY;
    }
    if (!*value || strlen(value) >= sizeof want->value) {
        snprintf(reason, size, "a member of %s has 1 to %d letters", row->name, PROPERTY_WORD - 1);
        return -HAWSER_EPROPERTY;
    }
    for (index = 0; index < set->count && strcmp(set->wants[index].value, value) != 0; index++)
        ;
    if (index == PROPERTY_SET_MAX) {
        snprintf(reason, size, "%s has at most %d members", row->name, PROPERTY_SET_MAX);
        return -HAWSER_EPROPERTY;
    }
    want = &set->wants[index];
    want->preference = preference;
    snprintf(want->value, sizeof want->value, "%s", value);
    for (char *at = want->value; *row->values && *at; at++)
        *at = (char)tolower((unsigned char)*at);
    if (index == set->count)
        set->count++;
    return 0;
}

static int set_parse(const struct property_row *row, struct property_values *values, const char *text, char *reason,
                     size_t size)
{
    struct property_set *set = (void *)((char *)values + row->offset);
    char value[PROPERTY_WORD + 1];

    if (!*text)
        set->count = 0;
    for (const char *at = text; *at;) {
        size_t word = strcspn(at, ":"), length = strcspn(at, ",");
        hawser_preference preference;
        int r;

        if (word >= length || !preference_parse(at, word, &preference))
            return wrong_value(row, "a list of require:VALUE, prefer:VALUE, none:VALUE, avoid:VALUE, prohibit:VALUE",
                               text, reason, size);
        snprintf(value, sizeof value, "%.*s", (int)(length - word - 1), at + word + 1);
        r = set_add(row, values, preference, value, reason, size);
        if (r < 0)
            return r;
        at += length + (at[length] == ',');
    }
    return 0;
}

static int set_print(const struct property_set *set, char *text, size_t size)
{
    int length = snprintf(text, size, "%s", "");

    for (unsigned i = 0; i < set->count; i++)
        length +=
            snprintf((size_t)length < size ? text + length : NULL, (size_t)length < size ? size - (size_t)length : 0,
                     "%s%s:%s", i ? "," : "", preference_names[set->wants[i].preference], set->wants[i].value);
    return length;
}

/* -------------------------------------------------------------------------------------------------------- any value */

int value_parse(const struct property_row *row, struct property_values *values, const char *text, char *reason,
                size_t size)
{
    void *member = (char *)values + row->offset;
    uint64_t number = 0;
    unsigned index;
    char takes[200];

    switch (row->kind) {
    case KIND_PREFERENCE:
        if (!preference_parse(text, strlen(text), member))
            return wrong_value(row, "one of require, prefer, none, avoid, prohibit", text, reason, size);
        return 0;
    case KIND_SET:
        return set_parse(row, values, text, reason, size);
    case KIND_ENUMERATION:
        snprintf(takes, sizeof takes, "one of %s", row->values);
        if (!one_of(row->values, text, &index))
            return wrong_value(row, takes, text, reason, size);
        *(unsigned *)member = index;
        return 0;
    case KIND_BOOLEAN:
        if (!one_of("false,true", text, &index))
            return wrong_value(row, "true or false", text, reason, size);
        *(bool *)member = index == 1;
        return 0;
    case KIND_DURATION:
        if (!is_never(text) && (!number_parse(text, durations, INT64_MAX, &number) || number == 0))
            return wrong_value(row, "a duration such as 200ms or 10s, or disabled", text, reason, size);
        *(int64_t *)member = (int64_t)number;
        return 0;
    case KIND_RATE:
        if (!is_never(text) && (!number_parse(text, rates, INT64_MAX, &number) || number == 0))
            return wrong_value(row, "a rate in bits per second such as 500k or 8M, or unlimited", text, reason, size);
        *(uint64_t *)member = number;
        return 0;
    case KIND_LENGTH:
        if (strcasecmp(text, "full") != 0 && !plain_parse(text, INT64_MAX, &number))
            return wrong_value(row, "a number of bytes, or full", text, reason, size);
        *(int64_t *)member = strcasecmp(text, "full") == 0 ? -1 : (int64_t)number;
        return 0;
    case KIND_NUMBER:
        if (!plain_parse(text, NUMBER_MAX, &number))
            return wrong_value(row, "a whole number from 0 to 255", text, reason, size);
        *(unsigned *)member = (unsigned)number;
        return 0;
    case KIND_LIMIT:
        if (!is_never(text) && (!plain_parse(text, UINT32_MAX, &number) || number == 0))
            return wrong_value(row, "a whole number above 0, or unlimited", text, reason, size);
        *(unsigned *)member = (unsigned)number;
        return 0;
    case KIND_READ_ONLY:
        break;
    }
    snprintf(reason, size, "%s is read-only: it is asked of an association", row->name);
    return -HAWSER_EPROPERTY;
}

static int enumeration_print(const char *values, unsigned index, char *text, size_t size)
{
    for (; index > 0; index--)
        values += strcspn(values, ",") + 1;
    return snprintf(text, size, "%.*s", (int)strcspn(values, ","), values);
}

int value_print(const struct property_row *row, const struct property_values *values, char *text, size_t size)
{
    const void *member = (const char *)values + row->offset;

    switch (row->kind) {
    case KIND_PREFERENCE:
        return snprintf(text, size, "%s", hawser_preference_name(*(const hawser_preference *)member));
    case KIND_SET:
        return set_print(member, text, size);
    case KIND_ENUMERATION:
        return enumeration_print(row->values, *(const unsigned *)member, text, size);
    case KIND_BOOLEAN:
        return snprintf(text, size, "%s", *(const bool *)member ? "true" : "false");
    case KIND_DURATION:
        if (*(const int64_t *)member == 0)
            return snprintf(text, size, "disabled");
        return number_print((uint64_t) * (const int64_t *)member, durations, text, size);
    case KIND_RATE:
        if (*(const uint64_t *)member == 0)
            return snprintf(text, size, "unlimited");
        return number_print(*(const uint64_t *)member, rates, text, size);
    case KIND_LENGTH:
        if (*(const int64_t *)member < 0)
            return snprintf(text, size, "full");
        return snprintf(text, size, "%lld", (long long)*(const int64_t *)member);
    case KIND_NUMBER:
        return snprintf(text, size, "%u", *(const unsigned *)member);
    case KIND_LIMIT:
        if (*(const unsigned *)member == 0)
            return snprintf(text, size, "unlimited");
        return snprintf(text, size, "%u", *(const unsigned *)member);
    case KIND_READ_ONLY:
        break;
    }
    return -HAWSER_EPROPERTY;
}
