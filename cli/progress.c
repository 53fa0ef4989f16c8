/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_header.h"
#include "terminal.h"
#include "units.h"

#define BAR_MAX 40
#define SMOOTH 0.3 /* how much the newest look counts */

void progress_begin(struct progress *progress, struct tool *tool)
{
    const char *none = getenv("NO_COLOR");

    *progress = (struct progress){
        .tool = tool, .terminal = isatty(STDERR_FILENO) == 1, .colour = !(none && *none), .began_us = clock_us()};
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

/* ------------------------------------------------------------------------------------------------------------ strands */

static struct strand_rate *rate_of(struct progress *progress, const hawser_strand_info *info)
{
    struct strand_rate *room = NULL;

    for (size_t i = 0; i < PROGRESS_STRANDS; i++) {
        struct strand_rate *known = &progress->strands[i];

        if (known->id == info->id && known->subflow == info->subflow)
            return known;
        if (!room && known->id == 0)
            room = known;
    }
    if (room)
        *room = (struct strand_rate){.id = info->id, .subflow = info->subflow, .bytes = info->bytes_sent};
    return room;
}

/* Those that are gone make room for those that come. */
static void forget_rates(struct progress *progress, const hawser_association *association)
{
    hawser_strand_info info;

    for (size_t k = 0; k < PROGRESS_STRANDS; k++) {
        struct strand_rate *known = &progress->strands[k];
        bool here = false;

        for (unsigned i = 0; known->id && hawser_association_strand(association, i, &info) == 0; i++)
            here |= info.id == known->id && info.subflow == known->subflow;
        if (!here)
            known->id = 0;
    }
}

static double look_at_strands(struct progress *progress, const hawser_association *association, double seconds)
{
    hawser_strand_info info;
    double all = 0;

    forget_rates(progress, association);
    for (unsigned i = 0; hawser_association_strand(association, i, &info) == 0; i++) {
        struct strand_rate *known = rate_of(progress, &info);

        if (!known)
            continue;
        if (seconds > 0) {
            double rate = info.bytes_sent > known->bytes ? (double)(info.bytes_sent - known->bytes) / seconds : 0;

            known->rate = known->rate > 0 ? (1 - SMOOTH) * known->rate + SMOOTH * rate : rate;
            known->bytes = info.bytes_sent;
        }
        all += known->rate;
    }
    return all;
}

static const char *colour_of(const struct progress *progress, hawser_strand_state state)
{
    if (!progress->colour)
        return "";
    return state == HAWSER_STRAND_ACTIVE                                       ? "\033[32m"
           : state == HAWSER_STRAND_SUSPECTED || state == HAWSER_STRAND_CLOSED ? "\033[31m"
                                                                               : "\033[2m";
}

/* "tls/tcp wlan0 [####......] 12.3 MiB/s  18 ms  active": what does not fit is left out from the right. */
static void draw_strand(const struct progress *progress, const hawser_strand_info *info, double rate, double part)
{
    unsigned width = terminal_width(STDERR_FILENO), label = width / 4;
    unsigned bar = width / 5 > BAR_MAX ? BAR_MAX : width / 5, full = (unsigned)(part * bar + 0.5), room;
    char cells[BAR_MAX + 1], name[128], right[128], size[UNIT_TEXT_SIZE], rtt[BRIEF_SIZE] = "-";

    memset(cells, '.', bar);
    memset(cells, '=', full > bar ? bar : full);
    cells[bar] = '\0';
    snprintf(name, sizeof(name), "  %s %s", info->stack, info->path.interface);
    printable(name);
    if (info->rtt_us > 0)
        format_brief(info->rtt_us, rtt);
    snprintf(right, sizeof(right), "%s/s, RTT %s", format_size((uint64_t)rate, size), rtt);
    fprintf(stderr, "\r%-*.*s [%s] %s", (int)label, (int)label, name, cells, colour_of(progress, info->state));
    room = width - label - bar - 5;
    room -= (unsigned)fprintf(stderr, "%.*s", (int)room, hawser_strand_state_name(info->state));
    fprintf(stderr, "%s %.*s\033[K", progress->colour ? "\033[0m" : "", (int)room, right);
}

/* The lines below the bars; a terminal that has no room for them shows the bars alone. */
static void draw_strands(struct progress *progress, const hawser_association *association, double seconds)
{
    double all = look_at_strands(progress, association, seconds);
    unsigned most = terminal_height(STDERR_FILENO);
    hawser_strand_info info;

    for (unsigned i = 0; hawser_association_strand(association, i, &info) == 0 && progress->drawn + 2 < most; i++) {
        const struct strand_rate *known = rate_of(progress, &info);

        if (!known)
            continue;
        fputc('\n', stderr);
        draw_strand(progress, &info, known->rate, all > 0 ? known->rate / all : 0);
        progress->drawn++;
    }
}

void progress_draw(struct progress *progress, const struct gathering *g, size_t settled, uint64_t sent,
                   const hawser_association *association)
{
    int64_t now = clock_us();
    double seconds = (double)(now - progress->drawn_us) / 1e6, since = seconds > 0.05 ? seconds : 0;
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
    progress->drawn = 2;
    draw_strands(progress, association, since);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    for (; progress->drawn > 1; progress->drawn--)
        fputs("\033[1A\r\033[K", stderr);
    progress->drawn = 0;
}
