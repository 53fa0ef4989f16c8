/* SPDX-License-Identifier: Apache-2.0 */
/* A report as a picture: look-ups and attempts as bars over time, one row each (docs/racing.md shows one). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hawser/hawser.h>

#include "base/text.h"

/* Pixels. Labels stand left of the axis; what became of a row stands under its bar. */
enum {
    WIDTH = 920,
    LABELS = 290,
    RIGHT = 24,
    AXIS = WIDTH - LABELS - RIGHT,
    TOP = 84,
    ROW = 38,
    BAR = 13,
    CHARACTER = 6, /* of small text, about */
    BIG_CHARACTER = 7,
    TICKS = 8,
};

static const char style[] =
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px;fill:#1c2733}"
    ".back{fill:#fbfcfd}.title{font-size:17px;font-weight:600}.small{font-size:11px;fill:#5b6b7b}"
    ".grid{stroke:#dfe5ea;stroke-width:1}.lookup{fill:#7d6bb5}.won{fill:#1f8a55}.lost{fill:#9fb0bf}.failed{fill:#"
    "c8503f}"
    ".reached{fill:#1c2733;opacity:.55}.done{stroke:#1f8a55;stroke-width:1;stroke-dasharray:3 3}"
    "@media(prefers-color-scheme:dark){text{fill:#e3e9ee}.back{fill:#12181f}.small{fill:#93a3b1}.grid{stroke:#2a3540}"
    ".lost{fill:#566675}.reached{fill:#fff}}";

struct drawing {
    struct text *text;
    int64_t start, span; /* microseconds */
    int y;
};

/* XML text; what may not stand in it becomes a question mark. */
static void put_escaped(struct text *text, const char *string, size_t most)
{
    size_t length = strlen(string), shown = length > most && most > 1 ? most - 1 : length;

    while (shown > 0 && shown < length && ((unsigned char)string[shown] & 0xc0) == 0x80)
        shown--;
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)string[i];

        if (c == '<')
            text_add(text, "&lt;");
        else if (c == '>')
            text_add(text, "&gt;");
        else if (c == '&')
            text_add(text, "&amp;");
        else if (c == '"')
            text_add(text, "&quot;");
        else if (c < 0x20 || c >= 0x7f) /* names are ASCII; whoever sends others is not trusted to send UTF-8 */
            text_add(text, "?");
        else
            text_add_bytes(text, (const char *)&c, 1);
    }
    if (shown < length)
        text_add(text, "…");
}

static void put_label(struct drawing *d, const char *class, int x, int y, const char *anchor, const char *string,
                      size_t most)
{
    text_printf(d->text, "<text class=\"%s\" x=\"%d\" y=\"%d\" text-anchor=\"%s\">", class, x, y, anchor);
    put_escaped(d->text, string, most);
    text_add(d->text, "</text>\n");
}

static double x_of(const struct drawing *d, int64_t time)
{
    int64_t offset = time - d->start;

    offset = offset < 0 ? 0 : offset > d->span ? d->span : offset;
    return LABELS + (double)offset * AXIS / (double)d->span;
}

static void format_time(int64_t us, char *text, size_t size)
{
    if (us < 10000)
        snprintf(text, size, "%lld.%lld ms", (long long)(us / 1000), (long long)(us % 1000 / 100));
    else if (us < 10000000)
        snprintf(text, size, "%lld ms", (long long)(us / 1000));
    else
        snprintf(text, size, "%lld s", (long long)(us / 1000000));
}

/* ------------------------------------------------------------------------------------------------------------- rows */

static void put_row_label(struct drawing *d, const char *big, const char *small)
{
    put_label(d, "", 16, d->y + 11, "start", big, (LABELS - 30) / BIG_CHARACTER);
    put_label(d, "small", 16, d->y + 27, "start", small, (LABELS - 30) / CHARACTER);
}

/* Under the bar, from where it begins; or to the end of the picture where there is too little room. */
static void put_words(struct drawing *d, double from, const char *words)
{
    int width = (int)strlen(words) * CHARACTER, x = (int)from;

    if (x + width > WIDTH - RIGHT)
        x = WIDTH - RIGHT - width > LABELS ? WIDTH - RIGHT - width : LABELS;
    put_label(d, "small", x, d->y + 27, "start", words, AXIS / CHARACTER);
}

static void put_bar(struct drawing *d, const char *class, int64_t from, int64_t to, const char *tip)
{
    double x = x_of(d, from), end = x_of(d, to);

    text_printf(d->text, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"><title>", class,
                x, d->y, end - x < 2 ? 2 : end - x, BAR);
    put_escaped(d->text, tip, SIZE_MAX);
    text_add(d->text, "</title></rect>\n");
}

static void put_lookup(struct drawing *d, const hawser_lookup *lookup)
{
    char label[300], words[400], took[32];

    format_time(lookup->end_us - lookup->start_us, took, sizeof took);
    snprintf(label, sizeof label, "%s %s", lookup->question, lookup->name);
    snprintf(words, sizeof words, "%s%s%s%s%s", took, *lookup->result ? ": " : "", lookup->result,
             *lookup->dnssec ? ", " : "", lookup->dnssec);
    put_row_label(d, label, "look-up");
    put_bar(d, lookup->code < 0 ? "failed" : "lookup", lookup->start_us, lookup->end_us, words);
    put_words(d, x_of(d, lookup->start_us), words);
    d->y += ROW;
}

static const char *class_of(hawser_attempt_outcome outcome)
{
    switch (outcome) {
    case HAWSER_ATTEMPT_WON:
        return "won";
    case HAWSER_ATTEMPT_FAILED:
        return "failed";
    case HAWSER_ATTEMPT_LOST:
    case HAWSER_ATTEMPT_SKIPPED:
        break;
    }
    return "lost";
}

static void put_attempt(struct drawing *d, const hawser_attempt *attempt)
{
    char where[300], words[500], took[32];
    bool skipped = attempt->outcome == HAWSER_ATTEMPT_SKIPPED;

    snprintf(where, sizeof where, "%s%s%s%s", attempt->stack, *attempt->path.interface ? " over " : "",
             attempt->path.interface, attempt->bare ? ", bare" : "");
    format_time(attempt->end_us - attempt->start_us, took, sizeof took);
    snprintf(words, sizeof words, "%s%s%s%s%s", hawser_attempt_outcome_name(attempt->outcome), skipped ? "" : " after ",
             skipped ? "" : took, *attempt->reason ? ": " : "", attempt->reason);
    put_row_label(d, *attempt->path.remote ? attempt->path.remote : attempt->endpoint, where);
    if (!skipped)
        put_bar(d, class_of(attempt->outcome), attempt->start_us, attempt->end_us, words);
    if (!skipped && attempt->reached_us > attempt->start_us && attempt->reached_us < attempt->end_us)
        text_printf(d->text, "<rect class=\"reached\" x=\"%.1f\" y=\"%d\" width=\"2\" height=\"%d\"/>\n",
                    x_of(d, attempt->reached_us), d->y, BAR);
    put_words(d, skipped ? LABELS : x_of(d, attempt->start_us), words);
    d->y += ROW;
}

/* ---------------------------------------------------------------------------------------------------------- picture */

/* 1, 2 or 5 times a power of ten, so that there are about TICKS of them. */
static int64_t tick_of(int64_t span)
{
    int64_t tick = 100;

    for (unsigned i = 0; span / tick > TICKS; i++)
        tick = i % 3 == 1 ? tick / 2 * 5 : tick * 2;
    return tick;
}

static void put_axis(struct drawing *d, int bottom)
{
    int64_t tick = tick_of(d->span);
    char label[32];

    for (int64_t at = 0; at <= d->span; at += tick) {
        double x = x_of(d, d->start + at);

        text_printf(d->text, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, TOP - 8, x,
                    bottom);
        format_time(at, label, sizeof label);
        put_label(d, "small", (int)x, TOP - 14, at == 0 ? "start" : "middle", label, SIZE_MAX);
    }
}

static void put_head(struct drawing *d, const hawser_report *report, int height)
{
    char line[600], took[32];

    text_printf(d->text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                "role=\"img\"><style>%s</style>\n<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n",
                WIDTH, height, WIDTH, height, style, WIDTH, height);
    put_label(d, "title", 16, 28, "start", report->endpoint, 90);
    format_time(report->end_us - report->start_us, took, sizeof took);
    if (report->code < 0)
        snprintf(line, sizeof line, "not reached after %s: %s", took, report->reason);
    else
        snprintf(line, sizeof line, "%s in %s: %s, verification %s, %u round trip%s%s%s", report->stack, took,
                 *report->peer_name ? report->peer_name : "a peer without a name", report->verification,
                 report->round_trips, report->round_trips == 1 ? "" : "s", report->bare ? ", bare" : "",
                 report->early_data_accepted ? ", early data" : "");
    put_label(d, "small", 16, 48, "start", line, (WIDTH - 32) / CHARACTER);
}

static void put_legend(struct drawing *d, int y)
{
    static const struct {
        const char *class, *name;
    } marks[] = {{"lookup", "look-up"}, {"won", "won"}, {"lost", "lost"}, {"failed", "failed"}};
    int x = LABELS;

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        text_printf(d->text, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" rx=\"2\"/>\n",
                    marks[i].class, x, y);
        put_label(d, "small", x + 18, y + 10, "start", marks[i].name, SIZE_MAX);
        x += 90;
    }
    text_printf(d->text, "<rect class=\"reached\" x=\"%d\" y=\"%d\" width=\"2\" height=\"12\"/>\n", x, y);
    put_label(d, "small", x + 10, y + 10, "start", "the last layer that was reached", SIZE_MAX);
}

int hawser_report_svg(const hawser_report *report, char **ret_text)
{
    int rows = (int)(report->attempt_count + report->lookup_count), bottom = TOP + rows * ROW;
    struct drawing d = {.start = report->start_us, .span = report->end_us - report->start_us, .y = TOP};
    struct text text;

    d.span = d.span < 1000 ? 1000 : d.span;
    text_init(&text);
    d.text = &text;
    put_head(&d, report, bottom + 40);
    put_axis(&d, bottom);
    if (report->code == 0)
        text_printf(&text, "<line class=\"done\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n",
                    x_of(&d, report->end_us), TOP - 8, x_of(&d, report->end_us), bottom);
    for (size_t i = 0; i < report->lookup_count; i++)
        put_lookup(&d, &report->lookups[i]);
    for (size_t i = 0; i < report->attempt_count; i++)
        put_attempt(&d, &report->attempts[i]);
    put_legend(&d, bottom + 14);
    text_add(&text, "</svg>\n");
    *ret_text = text_take(&text);
    return *ret_text ? 0 : -ENOMEM;
}
