/* SPDX-License-Identifier: Apache-2.0 */
/* The policy table of RFC 6724 section 2.1, and where gai.conf(5) says otherwise. */
#ifndef PATH_SORT_H
#define PATH_SORT_H

#include <stddef.h>
#include <stdint.h>

enum { SORT_ROWS = 64 };

struct sort_row {
    uint8_t prefix[16];
    unsigned length, value;
};
struct sort_table {
    struct sort_row labels[SORT_ROWS], precedences[SORT_ROWS], scopes[SORT_ROWS]; /* the longest prefix counts */
    size_t label_count, precedence_count, scope_count;
};

/* The RFC's, with what the file says; a missing file, and lines that cannot be read, change nothing. */
void sort_table_read(const char *file, struct sort_table *ret_table);
/* The value of the longest prefix that an address (IPv4 as ::ffff:a.b.c.d) is in. */
unsigned sort_find(const struct sort_row *rows, size_t count, const uint8_t address[16]);

#endif
