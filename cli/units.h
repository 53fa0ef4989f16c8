/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as people write and read them: durations, sizes, rates. */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "200ms", "1.5s", "250us", "2min", "1h"; a bare number is seconds. -EINVAL, -ERANGE; never negative. */
int parse_duration(const char *text, int64_t *ret_us);
/* "64KiB", "64k", "1.5MiB" (powers of 1024), "10MB" (powers of 1000), "17". -EINVAL, -ERANGE */
int parse_size(const char *text, uint64_t *ret_bytes);
/* Bits per second: "500k", "8M", "1G" (powers of 1000), "9600"; above 0. -EINVAL, -ERANGE */
int parse_rate(const char *text, uint64_t *ret_rate);
/* Above 0 and up to 1: "0.95". -EINVAL, -ERANGE */
int parse_share(const char *text, double *ret_share);
/* A decimal integer between least and most. -EINVAL, -ERANGE */
int parse_integer(const char *text, int64_t least, int64_t most, int64_t *ret_value);

#define UNIT_TEXT_SIZE 32
/* "17 B", "1.5 MiB" */
const char *format_size(uint64_t bytes, char text[UNIT_TEXT_SIZE]);
/* "80 us", "1.25 ms", "12.5 s" */
const char *format_duration(int64_t us, char text[UNIT_TEXT_SIZE]);

#endif
