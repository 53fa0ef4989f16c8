/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CELL_MAX 512

unsigned terminal_width(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col < 40 ? 40 : size.ws_col > 200 ? 200 : size.ws_col;
}

unsigned terminal_height(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row < 2 ? 24 : size.ws_row;
}

void print_escaped(FILE *file, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        /* Also C1 in UTF-8: terminals obey those as well. */
        bool c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;

        if (c1)
            p++; /* both of its bytes are replaced: the second alone would be obeyed by some */
        if (*p < 0x20 || *p == 0x7f || c1)
            fprintf(file, "\\x%02x", *p);
        else
            putc(*p, file);
    }
}

void page_begin(struct page *page, FILE *file)
{
    const char *none = getenv("NO_COLOR");
    bool terminal = isatty(fileno(file)) == 1;

    *page = (struct page){.file = file, .width = terminal_width(fileno(file)), .colour = terminal && !(none && *none)};
}

static void paint(struct page *page, enum colour colour)
{
    static const char *const codes[] = {"", "\033[32m", "\033[31m", "\033[2m", "\033[1m"};

    if (page->colour && colour != COLOUR_NONE)
        fputs(codes[colour], page->file);
}

static void unpaint(struct page *page, enum colour colour)
{
    if (page->colour && colour != COLOUR_NONE)
        fputs("\033[0m", page->file);
}

/* Columns that escaped text takes: UTF-8 sequences count once. */
static size_t columns_of(const char *text)
{
    size_t columns = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;

        if (*p < 0x20 || *p == 0x7f || c1)
            columns += 4;
        else if ((*p & 0xc0) != 0x80)
            columns++;
    }
    return columns;
}

void page_text(struct page *page, enum colour colour, const char *text)
{
    paint(page, colour);
    print_escaped(page->file, text);
    unpaint(page, colour);
}

void page_cell(struct page *page, enum colour colour, int width, const char *text)
{
    size_t wanted = (size_t)abs(width), there = columns_of(text);
    int blanks = there < wanted ? (int)(wanted - there) : 0;

    if (width < 0)
        fprintf(page->file, "%*s", blanks, "");
    page_text(page, colour, text);
    if (width > 0)
        fprintf(page->file, "%*s", blanks, "");
}

void page_wrapped(struct page *page, enum colour colour, unsigned indent, unsigned at, const char *text)
{
    bool first = true;

    paint(page, colour);
    while (*text) {
        size_t length = strcspn(text, " ");
        char word[CELL_MAX];

        if (length == 0) {
            text++;
            continue;
        }
        snprintf(word, sizeof(word), "%.*s", (int)length, text);
        text += length;
        if (!first && at + 1 + columns_of(word) > page->width && at > indent) {
            fprintf(page->file, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            putc(' ', page->file);
            at++;
        }
        print_escaped(page->file, word);
        at += (unsigned)columns_of(word);
        first = false;
    }
    unpaint(page, colour);
    putc('\n', page->file);
}

struct table {
    unsigned columns;
    size_t rows, room;
    char **cells; /* the heads are row 0 */
    char **notes; /* of each row, or NULL */
    bool failed;
};

struct table *table_new(unsigned columns, const char *const *heads)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    table->columns = columns;
    table_add(table, heads);
    return table;
}

void table_add(struct table *table, const char *const *cells)
{
    if (table->rows == table->room) {
        size_t room = table->room * 2 + 16;
        char **grown = realloc(table->cells, room * table->columns * sizeof(*grown)), **notes = NULL;

        if (grown) {
            table->cells = grown;
            notes = realloc(table->notes, room * sizeof(*notes));
        }
        if (!notes) {
            table->failed = true;
            return;
        }
        table->notes = notes;
        table->room = room;
    }
    for (unsigned i = 0; i < table->columns; i++) {
        char *copy = strdup(cells[i] ? cells[i] : "");

        table->failed = table->failed || !copy;
        table->cells[table->rows * table->columns + i] = copy;
    }
    table->notes[table->rows++] = NULL;
}

void table_note(struct table *table, const char *text)
{
    if (table->failed)
        return;
    table->notes[table->rows - 1] = strdup(text);
    table->failed = !table->notes[table->rows - 1];
}

static int width_of(const struct table *table, unsigned column)
{
    size_t widest = 0;

    for (size_t row = 0; row < table->rows; row++) {
        size_t columns = columns_of(table->cells[row * table->columns + column]);

        widest = columns > widest ? columns : widest;
    }
    return (int)widest;
}

void table_print(struct table *table, struct page *page)
{
    int *widths = calloc(table->columns, sizeof(*widths));
    unsigned before_last = 0;

    if (table->failed || !widths) {
        fputs("hawser: out of memory\n", stderr);
        free(widths);
        return;
    }
    for (unsigned i = 0; i < table->columns; i++)
        widths[i] = width_of(table, i);
    for (unsigned i = 0; i + 1 < table->columns; i++)
        before_last += (unsigned)widths[i] + 2;
    for (size_t row = 0; row < table->rows; row++) {
        char **cells = &table->cells[row * table->columns];
        enum colour colour = row == 0 ? COLOUR_HEAD : COLOUR_NONE;
        unsigned last = table->columns;

        while (last > 1 && !*cells[last - 1])
            last--;
        for (unsigned i = 0; i + 1 < last; i++) {
            page_cell(page, colour, widths[i], cells[i]);
            fputs("  ", page->file);
        }
        if (last == table->columns)
            page_wrapped(page, colour, before_last, before_last, cells[last - 1]);
        else
            page_wrapped(page, colour, 0, 0, cells[last - 1]);
        if (table->notes[row]) {
            fputs("    ", page->file);
            page_wrapped(page, COLOUR_FAINT, 4, 4, table->notes[row]);
        }
    }
    free(widths);
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->rows * table->columns; i++)
        free(table->cells[i]);
    for (size_t i = 0; i < table->rows; i++)
        free(table->notes[i]);
    free(table->cells);
    free(table->notes);
    free(table);
}

const char *format_brief(int64_t us, char text[BRIEF_SIZE])
{
    if (us < 0)
        us = 0;
    if (us >= 99950000)
        snprintf(text, BRIEF_SIZE, "%.0f s", (double)us / 1e6);
    else if (us >= 9995000)
        snprintf(text, BRIEF_SIZE, "%.1f s", (double)us / 1e6);
    else if (us >= 999500)
        snprintf(text, BRIEF_SIZE, "%.2f s", (double)us / 1e6);
    else if (us >= 9950)
        snprintf(text, BRIEF_SIZE, "%.0f ms", (double)us / 1e3);
    else if (us >= 50)
        snprintf(text, BRIEF_SIZE, "%.1f ms", (double)us / 1e3);
    else
        snprintf(text, BRIEF_SIZE, "0 ms");
    return text;
}
