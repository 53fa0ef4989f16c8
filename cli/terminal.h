/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed for people in columns: how wide the terminal is, and whether it shows colours. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Between 40 and 200; 80 for what is no terminal. */
unsigned terminal_width(int fd);
unsigned terminal_height(int fd); /* at least 2; 24 for what is no terminal */

enum colour { COLOUR_NONE, COLOUR_GOOD, COLOUR_BAD, COLOUR_FAINT, COLOUR_HEAD };

struct page {
    FILE *file;
    unsigned width;
    bool colour; /* a terminal, and NO_COLOR is not set (no-color.org) */
};
void page_begin(struct page *page, FILE *file);
/* Text of whoever; what is not printable is escaped. */
void page_text(struct page *page, enum colour colour, const char *text);
/* In at least width columns: to the left, or with a negative width to the right. */
void page_cell(struct page *page, enum colour colour, int width, const char *text);
/* Words of text in lines that begin with indent blanks; the first goes on at column at. Ends the line. */
void page_wrapped(struct page *page, enum colour colour, unsigned indent, unsigned at, const char *text);

/* A table whose columns are as wide as their widest cell. The last column of a row is not padded. */
struct table;
struct table *table_new(unsigned columns, const char *const *heads); /* NULL: out of memory */
void table_add(struct table *table, const char *const *cells);       /* copied */
void table_note(struct table *table, const char *text);              /* below the last row; copied */
void table_print(struct table *table, struct page *page);
void table_free(struct table *table);

/* "0 ms", "1.3 ms", "251 ms", "12.5 s": three digits at most */
#define BRIEF_SIZE 24
const char *format_brief(int64_t us, char text[BRIEF_SIZE]);

/* Escapes what a terminal would obey. */
void print_escaped(FILE *file, const char *text);

#endif
