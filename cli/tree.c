/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

#include <hawser/errors.h>

#define INDENT 6      /* of a leaf: below interface and stack */
#define START_WIDTH 8 /* "+251 ms" */
#define BAR_LEAST 12
#define BAR_MOST 100
#define WORDS_MAX 1024

struct chart {
    struct page *page;
    const hawser_report *report;
    int64_t span; /* from the beginning to the last thing that ended */
    int label;    /* the widest address or question */
    unsigned bar; /* columns; 0: no room */
    bool several; /* endpoints were asked for: leaves say which */
};

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* ------------------------------------------------------------------------------------------------------------- labels */

static void label_of(const struct chart *chart, const hawser_attempt *a, char *label, size_t size)
{
    const char *remote = *or_empty(a->path.remote) ? a->path.remote : or_empty(a->endpoint);

    if (chart->several && !same(remote, a->endpoint))
        snprintf(label, size, "%s (%s)", remote, a->endpoint);
    else
        snprintf(label, size, "%s", remote);
}

static void label_of_lookup(const hawser_lookup *l, char *label, size_t size)
{
    snprintf(label, size, "%s %s", or_empty(l->question), or_empty(l->name));
}

static void measure(struct chart *chart)
{
    const hawser_report *r = chart->report;
    size_t widest = 0;
    int room;
    char label[WORDS_MAX];

    chart->span = r->end_us - r->start_us;
    for (size_t i = 0; i < r->lookup_count; i++) {
        label_of_lookup(&r->lookups[i], label, sizeof(label));
        widest = strlen(label) > widest ? strlen(label) : widest;
        if (r->lookups[i].end_us - r->start_us > chart->span)
            chart->span = r->lookups[i].end_us - r->start_us;
    }
    for (size_t i = 0; i < r->attempt_count; i++)
        chart->several = chart->several || !same(r->attempts[i].endpoint, r->attempts[0].endpoint);
    for (size_t i = 0; i < r->attempt_count; i++) {
        label_of(chart, &r->attempts[i], label, sizeof(label));
        widest = strlen(label) > widest ? strlen(label) : widest;
        if (r->attempts[i].end_us - r->start_us > chart->span)
            chart->span = r->attempts[i].end_us - r->start_us;
    }
    chart->label = (int)(widest > 48 ? 48 : widest);
    room = (int)chart->page->width - INDENT - START_WIDTH - 2 - chart->label - 2;
    chart->bar = room < BAR_LEAST ? 0 : room > BAR_MOST ? BAR_MOST : (unsigned)room;
}

/* --------------------------------------------------------------------------------------------------------------- bars */

static unsigned cell(const struct chart *chart, int64_t at)
{
    int64_t since = at - chart->report->start_us;

    if (chart->span <= 0 || since <= 0)
        return 0;
    if (since >= chart->span)
        return chart->bar - 1;
    return (unsigned)(since * (chart->bar - 1) / chart->span);
}

/* "  ---===*": before is what runs until reached (0: never), after from there to the end. */
static void bar_draw(const struct chart *chart, enum colour colour, int64_t start, int64_t reached, int64_t end,
                     const char *marks)
{
    char cells[BAR_MOST + 1];
    unsigned from, to, up;

    if (chart->bar == 0)
        return;
    from = cell(chart, start);
    to = cell(chart, end);
    up = reached > 0 ? cell(chart, reached) : to;
    memset(cells, ' ', from);
    for (unsigned i = from; i < to; i++)
        cells[i] = i < up ? marks[0] : marks[1];
    cells[to] = marks[2];
    cells[to + 1] = '\0';
    page_text(chart->page, colour, cells);
}

static void leaf_begin(const struct chart *chart, int64_t start, enum colour colour, const char *label)
{
    char since[BRIEF_SIZE], text[BRIEF_SIZE + 1];

    fprintf(chart->page->file, "%*s", INDENT, "");
    snprintf(text, sizeof(text), "+%s", format_brief(start - chart->report->start_us, since));
    page_cell(chart->page, COLOUR_NONE, START_WIDTH, start < 0 ? "" : text);
    fputs("  ", chart->page->file);
    page_cell(chart->page, colour, chart->label, label);
    fputs("  ", chart->page->file);
}

static void words_below(const struct chart *chart, enum colour colour, const char *words)
{
    unsigned indent = INDENT + START_WIDTH + 2;

    fprintf(chart->page->file, "%*s", (int)indent, "");
    page_wrapped(chart->page, colour, indent, indent, words);
}

static void heading(const struct chart *chart, const char *text, bool with_scale)
{
    char end[BRIEF_SIZE];
    int before = INDENT + START_WIDTH + 2 + chart->label + 2;

    page_cell(chart->page, COLOUR_HEAD, with_scale && chart->bar > 0 ? before : 1, text);
    if (with_scale && chart->bar > 0)
        fprintf(chart->page->file, "0%*s", (int)chart->bar - 1, format_brief(chart->span, end));
    putc('\n', chart->page->file);
}

/* ----------------------------------------------------------------------------------------------------------- look-ups */

static void print_lookup(const struct chart *chart, const hawser_lookup *l)
{
    char label[WORDS_MAX], words[WORDS_MAX], took[BRIEF_SIZE];

    label_of_lookup(l, label, sizeof(label));
    leaf_begin(chart, l->start_us, COLOUR_NONE, label);
    bar_draw(chart, l->code < 0 ? COLOUR_BAD : COLOUR_NONE, l->start_us, 0, l->end_us, l->code < 0 ? "..x" : "..|");
    putc('\n', chart->page->file);
    snprintf(words, sizeof(words), "%s after %s%s%s", or_empty(l->result), format_brief(l->end_us - l->start_us, took),
             *or_empty(l->dnssec) ? ", DNSSEC " : "", or_empty(l->dnssec));
    words_below(chart, l->code < 0 ? COLOUR_BAD : COLOUR_FAINT, words);
}

/* ----------------------------------------------------------------------------------------------------------- attempts */

static enum colour colour_of(hawser_attempt_outcome outcome)
{
    switch (outcome) {
    case HAWSER_ATTEMPT_WON:
        return COLOUR_GOOD;
    case HAWSER_ATTEMPT_FAILED:
        return COLOUR_BAD;
    case HAWSER_ATTEMPT_LOST:
    case HAWSER_ATTEMPT_SKIPPED:
        break;
    }
    return COLOUR_FAINT;
}

/* "won after 12 ms; tls was up after 12 ms", "failed in tls after 250 ms: the certificate has expired" */
static void attempt_words(const hawser_attempt *a, char *words, size_t size)
{
    char took[BRIEF_SIZE], up[BRIEF_SIZE], reached[64] = "";
    const char *reason = or_empty(a->reason);

    format_brief(a->end_us - a->start_us, took);
    if (*or_empty(a->reached) && a->outcome != HAWSER_ATTEMPT_WON)
        snprintf(reached, sizeof(reached), "; %s was up after %s", a->reached,
                 format_brief(a->reached_us - a->start_us, up));
    switch (a->outcome) {
    case HAWSER_ATTEMPT_WON:
        snprintf(words, size, "won after %s%s%s", took, a->early_data ? ", carried early data" : "",
                 a->bare ? ", speaks a protocol of its own" : "");
        break;
    case HAWSER_ATTEMPT_LOST:
        snprintf(words, size, "given up after %s%s%s%s", took, reached, *reason ? ": " : "", reason);
        break;
    case HAWSER_ATTEMPT_FAILED:
        snprintf(words, size, "failed%s%s after %s: %s%s", *or_empty(a->layer) ? " in " : "", or_empty(a->layer), took,
                 *reason ? reason : "no reason is known", reached);
        break;
    case HAWSER_ATTEMPT_SKIPPED:
        snprintf(words, size, "not tried: %s", *reason ? reason : "another won before its turn");
        break;
    }
}

static void print_attempt(const struct chart *chart, const hawser_attempt *a)
{
    static const char *const marks[] = {"-=*", "-=o", "-=x", ""};
    enum colour colour = colour_of(a->outcome);
    char label[WORDS_MAX], words[WORDS_MAX];
    bool began = a->outcome != HAWSER_ATTEMPT_SKIPPED;

    label_of(chart, a, label, sizeof(label));
    leaf_begin(chart, began ? a->start_us : -1, began ? COLOUR_NONE : colour, label);
    if (began)
        bar_draw(chart, colour, a->start_us, a->reached_us, a->end_us, marks[a->outcome]);
    putc('\n', chart->page->file);
    attempt_words(a, words, sizeof(words));
    words_below(chart, colour, words);
}

static bool same_path(const hawser_attempt *a, const hawser_attempt *b)
{
    return same(a->path.interface, b->path.interface);
}

/* An earlier one of the list that stands in the same place of the tree. */
static bool came_before(const hawser_attempt *attempts, size_t index, bool stack_too)
{
    for (size_t i = 0; i < index; i++)
        if (same_path(&attempts[i], &attempts[index]) && (!stack_too || same(attempts[i].stack, attempts[index].stack)))
            return true;
    return false;
}

static void print_stack(const struct chart *chart, size_t first)
{
    const hawser_report *r = chart->report;

    fputs("    ", chart->page->file);
    page_text(chart->page, COLOUR_HEAD, *or_empty(r->attempts[first].stack) ? r->attempts[first].stack : "any stack");
    putc('\n', chart->page->file);
    for (size_t i = first; i < r->attempt_count; i++)
        if (same_path(&r->attempts[i], &r->attempts[first]) && same(r->attempts[i].stack, r->attempts[first].stack))
            print_attempt(chart, &r->attempts[i]);
}

static void print_path(const struct chart *chart, size_t first)
{
    const hawser_report *r = chart->report;
    const char *interface = or_empty(r->attempts[first].path.interface);

    fputs("  ", chart->page->file);
    page_text(chart->page, COLOUR_HEAD, *interface ? interface : "any interface");
    putc('\n', chart->page->file);
    for (size_t i = first; i < r->attempt_count; i++)
        if (same_path(&r->attempts[i], &r->attempts[first]) && !came_before(r->attempts, i, true))
            print_stack(chart, i);
}

/* ------------------------------------------------------------------------------------------------------------- winner */

static const char *early_words(const hawser_report *r)
{
    if (!r->early_data_sent)
        return "no early data";
    return r->early_data_accepted ? "early data accepted" : "early data refused";
}

static void print_winner(const struct chart *chart)
{
    struct page *page = chart->page;
    const hawser_report *r = chart->report;
    const char *speaks = r->bare ? "a protocol of its own" : "hawser/1";
    char words[WORDS_MAX], took[BRIEF_SIZE];

    format_brief(r->end_us - r->start_us, took);
    if (r->code < 0 || !*or_empty(r->stack)) {
        snprintf(words, sizeof(words), "no line after %s: %s", took, or_empty(r->reason));
        page_wrapped(page, COLOUR_BAD, 2, 0, words);
        return;
    }
    snprintf(words, sizeof(words), "won: %s%s%s, %s to %s, in %s", r->stack, *or_empty(r->path.interface) ? " by " : "",
             or_empty(r->path.interface), *or_empty(r->path.local) ? r->path.local : "here", or_empty(r->path.remote),
             took);
    page_wrapped(page, COLOUR_GOOD, 5, 0, words);
    snprintf(words, sizeof(words), "verification %s, speaks %s, peer %s", or_empty(r->verification),
             *or_empty(r->alpn) ? r->alpn : speaks, *or_empty(r->peer_name) ? r->peer_name : "without a name");
    fputs("     ", page->file);
    page_wrapped(page, COLOUR_NONE, 5, 5, words);
    snprintf(words, sizeof(words), "%u round trip%s, %s%s%s%s%s", r->round_trips, r->round_trips == 1 ? "" : "s",
             early_words(r), r->resumed ? ", resumed from a ticket" : "", r->fast_open ? ", TCP Fast Open" : "",
             *or_empty(r->dnssec) ? ", address by DNSSEC " : "", or_empty(r->dnssec));
    fputs("     ", page->file);
    page_wrapped(page, COLOUR_NONE, 5, 5, words);
}

void tree_print(struct page *page, const hawser_report *report)
{
    struct chart chart = {.page = page, .report = report};

    measure(&chart);
    if (report->lookup_count > 0)
        heading(&chart, "look-ups", true);
    for (size_t i = 0; i < report->lookup_count; i++)
        print_lookup(&chart, &report->lookups[i]);
    if (report->attempt_count > 0)
        heading(&chart, "candidates", report->lookup_count == 0);
    for (size_t i = 0; i < report->attempt_count; i++)
        if (!came_before(report->attempts, i, false))
            print_path(&chart, i);
    print_winner(&chart);
    fflush(page->file);
}
