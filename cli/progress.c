/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <string.h>
#include <unistd.h>

#include "file_header.h"
#include "terminal.h"
#include "units.h"

#define BAR_MAX 40

void progress_begin(struct progress *progress, struct tool *tool)
{
    *progress = (struct progress){.tool = tool, .terminal = isatty(STDERR_FILENO) == 1, .began_us = clock_us()};
    progress->drawn_us = progress->began_us;
}

static void draw_bar(const char *left, double part, const char *right)
{
    unsigned width = terminal_width(STDERR_FILENO);
    unsigned label = width / 4, bar = width / 5 > BAR_MAX ? BAR_MAX : width / 5;
    unsigned full = (unsigned)(part * bar + 0.5);
    char cells[BAR_MAX + 1];
    size_t length = strlen(left);

    memset(cells, '.', bar);
    memset(cells, '#', full > bar ? bar : full);
    cells[bar] = '\0';
    /* The end of a long path says more than its beginning. */
    fprintf(stderr, "\r%-*.*s [%s] %3.0f%% %.*s\033[K", (int)label, (int)label,
            length > label ? left + (length - label) : left, cells, part * 100, (int)(width - label - bar - 10), right);
}

/* Files are handed over in order, so the one under way is the one that holds the last byte that left. */
static const struct file *under_way(const struct gathering *g, uint64_t sent)
{
    size_t low = 0, high = g->count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (g->files[middle].base <= sent)
            low = middle;
        else
            high = middle;
    }
    return &g->files[low];
}

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 || part >= whole ? 1 : (double)part / (double)whole;
}

static void printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

void progress_draw(struct progress *progress, const struct gathering *g, size_t settled, uint64_t sent)
{
    int64_t now = clock_us();
    double seconds = (double)(now - progress->drawn_us) / 1e6;
    char name[256], right[128], a[UNIT_TEXT_SIZE], b[UNIT_TEXT_SIZE], c[UNIT_TEXT_SIZE];
    const struct file *file;
    uint64_t in_file;

    if (!progress->terminal || g->count == 0)
        return;
    if (seconds > 0.05) {
        double rate = sent > progress->drawn_bytes ? (double)(sent - progress->drawn_bytes) / seconds : 0;

        progress->rate = progress->rate > 0 ? 0.7 * progress->rate + 0.3 * rate : rate;
        progress->drawn_us = now;
        progress->drawn_bytes = sent;
    }
    progress_clear(progress);
    file = under_way(g, sent);
    snprintf(name, sizeof(name), "%.255s", file->name);
    printable(name);
    in_file = sent > file->base ? sent - file->base : 0;
    if (file->size == FILE_SIZE_UNKNOWN) {
        draw_bar(name, 0, format_size(in_file, a));
    } else {
        snprintf(right, sizeof(right), "%s of %s", format_size(in_file > file->size ? file->size : in_file, a),
                 format_size(file->size, b));
        draw_bar(name, share(in_file, file->size), right);
    }
    fputc('\n', stderr);
    snprintf(name, sizeof(name), "%zu of %zu files", settled, g->count);
    snprintf(right, sizeof(right), "%s of %s%s, %s/s", format_size(sent, a), format_size(g->bytes, b),
             g->unknown_size ? " and more" : "", format_size((uint64_t)progress->rate, c));
    draw_bar(name, share(sent, g->bytes), right);
    fflush(stderr);
    progress->drawn = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K\033[1A\r\033[K", stderr);
    progress->drawn = false;
}
