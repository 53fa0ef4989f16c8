/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit durations[] = {
    {"", 1e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1}, {"min", 60e6}, {"h", 3600e6}, {NULL, 0},
};

static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"k", 1024},
    {"K", 1024},
    {"KiB", 1024},
    {"M", 1048576},
    {"MiB", 1048576},
    {"G", 1073741824},
    {"GiB", 1073741824},
    {"T", 1099511627776},
    {"TiB", 1099511627776},
    {"kB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"TB", 1e12},
    {NULL, 0},
};

static const struct unit rates[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};

static int parse_with_unit(const char *text, const struct unit *units, double most, double *ret_value)
{
    char *end;
    double number, value;

    /* strtod() would also take "inf", "nan", "0x1p3", signs and leading blanks. */
    if (strspn(text, "0123456789.") == 0 || strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0)
        return -EINVAL;
    number = strtod(text, &end);
    if (end == text)
        return -EINVAL;
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(end, u->name) != 0)
            continue;
        value = number * u->factor;
        if (!(value <= most))
            return -ERANGE;
        *ret_value = value;
        return 0;
    }
    return -EINVAL;
}

int parse_duration(const char *text, int64_t *ret_us)
{
    double value = 0;
    int r = parse_with_unit(text, durations, 9e15, &value);

    if (r < 0)
        return r;
    *ret_us = (int64_t)llround(value);
    return 0;
}

int parse_rate(const char *text, uint64_t *ret_rate)
{
    double value = 0;
    int r = parse_with_unit(text, rates, 1e15, &value);

    if (r < 0)
        return r;
    if (value < 1)
        return -ERANGE;
    *ret_rate = (uint64_t)llround(value);
    return 0;
}

int parse_share(const char *text, double *ret_share)
{
    static const struct unit none[] = {{"", 1}, {NULL, 0}};
    double value = 0;
    int r = parse_with_unit(text, none, 1, &value);

    if (r < 0)
        return r;
    if (!(value > 0))
        return -ERANGE;
    *ret_share = value;
    return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
    double value = 0;
    int r = parse_with_unit(text, sizes, 9007199254740992.0, &value);

    if (r < 0)
        return r;
    if (value != floor(value))
        return -EINVAL;
    *ret_bytes = (uint64_t)value;
    return 0;
}

int parse_integer(const char *text, int64_t least, int64_t most, int64_t *ret_value)
{
    char *end;
    long long value;

    if (*text == '\0' || strspn(text, "-+0123456789") != strlen(text))
        return -EINVAL;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (*end != '\0')
        return -EINVAL;
    if (errno == ERANGE || value < least || value > most)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

const char *format_size(uint64_t bytes, char text[UNIT_TEXT_SIZE])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof(names) / sizeof(*names)) {
        value /= 1024;
        unit++;
    }
    snprintf(text, UNIT_TEXT_SIZE, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, names[unit]);
    return text;
}

const char *format_duration(int64_t us, char text[UNIT_TEXT_SIZE])
{
    if (us < 1000)
        snprintf(text, UNIT_TEXT_SIZE, "%lld us", (long long)us);
    else if (us < 1000000)
        snprintf(text, UNIT_TEXT_SIZE, "%.2f ms", (double)us / 1e3);
    else
        snprintf(text, UNIT_TEXT_SIZE, "%.2f s", (double)us / 1e6);
    return text;
}
