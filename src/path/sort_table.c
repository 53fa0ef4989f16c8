/* SPDX-License-Identifier: Apache-2.0 */
/* As in the C library, the first line of a kind in gai.conf(5) puts away the RFC's table of that kind. */
#include "path/sort.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct given {
    const char *prefix;
    unsigned length, value;
};

/* RFC 6724 section 2.1, and section 3.2 for the scopes of IPv4. */
static const struct given precedences[] = {
    {"::1", 128, 50}, {"::", 0, 40}, {"::ffff:0.0.0.0", 96, 35}, {"2002::", 16, 30}, {"2001::", 32, 5},
    {"fc00::", 7, 3}, {"::", 96, 1}, {"fec0::", 10, 1},          {"3ffe::", 16, 1},
};
static const struct given labels[] = {
    {"::1", 128, 0},   {"::", 0, 1},  {"::ffff:0.0.0.0", 96, 4}, {"2002::", 16, 2},  {"2001::", 32, 5},
    {"fc00::", 7, 13}, {"::", 96, 3}, {"fec0::", 10, 11},        {"3ffe::", 16, 12},
};
static const struct given scopes[] = {
    {"::ffff:169.254.0.0", 112, 2}, {"::ffff:127.0.0.0", 104, 2}, {"::ffff:0.0.0.0", 96, 14}};

static void fill(struct sort_row *rows, size_t *count, const struct given *given, size_t given_count)
{
    for (size_t i = 0; i < given_count; i++) {
        inet_pton(AF_INET6, given[i].prefix, rows[i].prefix);
        rows[i].length = given[i].length;
        rows[i].value = given[i].value;
    }
    *count = given_count;
}

/* "::ffff:0:0/96 35", of IPv4 also without the prefix's first part. */
static bool parse(char *text, const char *value, struct sort_row *ret_row)
{
    char *slash = strchr(text, '/'), *end;
    unsigned long length;

    if (!slash || !value)
        return false;
    *slash = '\0';
    length = strtoul(slash + 1, &end, 10);
    if (*end || end == slash + 1 || length > 128 || inet_pton(AF_INET6, text, ret_row->prefix) != 1)
        return false;
    ret_row->length = (unsigned)length;
    ret_row->value = (unsigned)strtoul(value, &end, 10);
    return !*end && end != value;
}

static void add(struct sort_row *rows, size_t *count, bool *begun, const struct sort_row *row)
{
    if (!*begun)
        *count = 0;
    *begun = true;
    if (*count < SORT_ROWS)
        rows[(*count)++] = *row;
}

static void take_line(char *line, struct sort_table *table, bool begun[3])
{
    char *at = NULL, *word, *prefix, *value;
    struct sort_row row = {.length = 0};

    line[strcspn(line, "#\n")] = '\0';
    word = strtok_r(line, " \t", &at);
    prefix = strtok_r(NULL, " \t", &at);
    value = strtok_r(NULL, " \t", &at);
    if (!word || !prefix || !parse(prefix, value, &row))
        return;
    if (strcmp(word, "label") == 0)
        add(table->labels, &table->label_count, &begun[0], &row);
    else if (strcmp(word, "precedence") == 0)
        add(table->precedences, &table->precedence_count, &begun[1], &row);
    else if (strcmp(word, "scopev4") == 0)
        add(table->scopes, &table->scope_count, &begun[2], &row);
}

void sort_table_read(const char *file, struct sort_table *ret_table)
{
    bool begun[3] = {false};
    char line[512];
    FILE *stream = fopen(file, "re");

    fill(ret_table->labels, &ret_table->label_count, labels, sizeof labels / sizeof *labels);
    fill(ret_table->precedences, &ret_table->precedence_count, precedences, sizeof precedences / sizeof *precedences);
    fill(ret_table->scopes, &ret_table->scope_count, scopes, sizeof scopes / sizeof *scopes);
    if (!stream)
        return;
    while (fgets(line, sizeof line, stream))
        take_line(line, ret_table, begun);
    fclose(stream);
}

static bool is_in(const struct sort_row *row, const uint8_t address[16])
{
    unsigned whole = row->length / 8, rest = row->length % 8;

    if (memcmp(row->prefix, address, whole) != 0)
        return false;
    return rest == 0 || ((row->prefix[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

unsigned sort_find(const struct sort_row *rows, size_t count, const uint8_t address[16])
{
    const struct sort_row *best = NULL;

    for (size_t i = 0; i < count; i++)
        if (is_in(&rows[i], address) && (!best || rows[i].length > best->length))
            best = &rows[i];
    return best ? best->value : 0;
}
