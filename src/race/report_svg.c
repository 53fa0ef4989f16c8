/* SPDX-License-Identifier: Apache-2.0 */
/* A report as a picture: look-ups and attempts as bars over time, one row each (docs/racing.md shows one). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hawser/hawser.h>

#include "base/svg.h"

/* Pixels. Labels stand left of the axis; what became of a row stands under its bar. */
enum {
    WIDTH = 900,
    MARGIN = 16,
    LABELS = 280, /* where the axis begins */
    AXIS = WIDTH - LABELS - MARGIN,
    TOP = 92,
    ROW = 42,
    ROW_SHORT = 24, /* of one that never ran */
    LINE = 14,      /* between the lines of a long reason */
    BAR = 12,
    SMALL = 56, /* tenths: a character of small text takes about that much */
    BIG = 70,
    LINES = 3, /* of words at most */
    TICKS = 7,
    WORDS = 640,
};

static const char style[] =
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px;fill:#1c2733}"
    ".back{fill:#fbfcfd}.title{font-size:17px;font-weight:600}.small{font-size:11px;fill:#566573}"
    ".bold{font-weight:600}.grid{stroke:#dfe5ea}.winner{fill:#1f8a55;opacity:.1}"
    ".lookup{fill:#7d6bb5}.won{fill:#1f8a55}.lost{fill:#a3b2bf}.failed{fill:#c8503f}"
    ".reached{fill:#fff;stroke:#1c2733}.done{stroke:#1f8a55;stroke-dasharray:3 3}"
    "@media(prefers-color-scheme:dark){text{fill:#e3e9ee}.back{fill:#12181f}.small{fill:#9aaab8}.grid{stroke:#2a3540}"
    ".winner{opacity:.22}.won{fill:#2fa86c}.lost{fill:#5a6b7a}.lookup{fill:#9484cf}.failed{fill:#d9685a}}";

struct drawing {
    struct text *text;
    int64_t start, span; /* microseconds */
    int y;
};

/* ------------------------------------------------------------------------------------------------------------- text */

static void put_text(struct drawing *d, const char *class, double x, int y, const char *anchor, const char *string,
                     size_t size)
{
    text_printf(d->text, "<text class=\"%s\" x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">", class, x, y, anchor);
    svg_escape(d->text, string, size);
    text_add(d->text, string[size] ? "\xe2\x80\xa6</text>\n" : "</text>\n");
}

static void put_label(struct drawing *d, const char *class, double x, int y, const char *anchor, const char *string,
                      size_t most)
{
    put_text(d, class, x, y, anchor, string, svg_width(string) > most ? svg_cut(string, most - 1) : strlen(string));
}

static double x_of(const struct drawing *d, int64_t time)
{
    int64_t offset = time - d->start;

    offset = offset < 0 ? 0 : offset > d->span ? d->span : offset;
    return LABELS + (double)offset * AXIS / (double)d->span;
}

static void format_time(int64_t us, char *text, size_t size)
{
    if (us < 10000 && us % 1000)
        snprintf(text, size, "%lld.%lld ms", (long long)(us / 1000), (long long)(us % 1000 / 100));
    else if (us < 10000000 || us % 1000000)
        snprintf(text, size, "%lld ms", (long long)(us / 1000));
    else
        snprintf(text, size, "%lld s", (long long)(us / 1000000));
}

/* ------------------------------------------------------------------------------------------------------------- rows */

/* From x on where there is room; else further left; else in lines from the axis on. Returns how many lines. */
static int put_words(struct drawing *d, double x, int y, const char *words)
{
    size_t most = AXIS * 10 / SMALL;
    double room = (double)(svg_width(words) * SMALL) / 10;
    int lines = 1;

    if (svg_width(words) <= most) {
        if (x + room > WIDTH - MARGIN)
            x = WIDTH - MARGIN - room;
        put_label(d, "small", x, y, "start", words, most);
        return 1;
    }
    for (; lines < LINES && svg_width(words) > most; lines++, y += LINE) {
        size_t size = svg_cut_at_word(words, most);
        char line[WORDS];

        snprintf(line, sizeof line, "%.*s", (int)size, words);
        put_text(d, "small", LABELS, y, "start", line, strlen(line));
        words += size + (words[size] == ' ');
    }
    put_label(d, "small", LABELS, y, "start", words, most);
    return lines;
}

static void put_bar(struct drawing *d, const char *class, int64_t from, int64_t to, const char *tip)
{
    double x = x_of(d, from), end = x_of(d, to);

    if (x > WIDTH - MARGIN - 2)
        x = WIDTH - MARGIN - 2;
    text_printf(d->text, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"><title>", class,
                x, d->y, end - x < 2 ? 2 : end - x, BAR);
    svg_escape(d->text, tip, strlen(tip));
    text_add(d->text, "</title></rect>\n");
}

static void put_lookup(struct drawing *d, const hawser_lookup *lookup)
{
    char label[300], words[WORDS], took[32];

    format_time(lookup->end_us - lookup->start_us, took, sizeof took);
    snprintf(label, sizeof label, "%s %s", lookup->question, lookup->name);
    snprintf(words, sizeof words, "%s%s%s%s%s", took, *lookup->result ? ": " : "", lookup->result,
             *lookup->dnssec ? ", " : "", lookup->dnssec);
    put_label(d, "", MARGIN, d->y + 11, "start", label, (LABELS - 2 * MARGIN) * 10 / BIG);
    put_label(d, "small", MARGIN, d->y + 26, "start", "look-up", 20);
    put_bar(d, lookup->code < 0 ? "failed" : "lookup", lookup->start_us, lookup->end_us, words);
    d->y += ROW + LINE * (put_words(d, x_of(d, lookup->start_us), d->y + 26, words) - 1);
}

static void put_skipped(struct drawing *d, const hawser_attempt *attempt, const char *label)
{
    char words[WORDS];

    snprintf(words, sizeof words, "%s, %s%s%s", hawser_attempt_outcome_name(attempt->outcome), attempt->stack,
             *attempt->reason ? ": " : "", attempt->reason);
    put_label(d, "small", MARGIN, d->y + 11, "start", label, (LABELS - 2 * MARGIN) * 10 / SMALL);
    d->y += ROW_SHORT + LINE * (put_words(d, LABELS, d->y + 11, words) - 1);
}

static const char *class_of(hawser_attempt_outcome outcome)
{
    return outcome == HAWSER_ATTEMPT_WON ? "won" : outcome == HAWSER_ATTEMPT_FAILED ? "failed" : "lost";
}

/* "failed after 31 ms, its tcp answered after 12 ms: the certificate has expired" */
static void say_attempt(const hawser_attempt *attempt, char *words, size_t size)
{
    const char *bottom = strrchr(attempt->stack, '/');
    char took[32], answered[128] = "", after[32];

    format_time(attempt->end_us - attempt->start_us, took, sizeof took);
    if (attempt->answered_us >= attempt->start_us && attempt->answered_us > 0) {
        format_time(attempt->answered_us - attempt->start_us, after, sizeof after);
        snprintf(answered, sizeof answered, ", its %.60s answered after %s", bottom ? bottom + 1 : attempt->stack,
                 after);
    }
    snprintf(words, size, "%s after %s%s%s%s%s", hawser_attempt_outcome_name(attempt->outcome), took, answered,
             attempt->early_data ? ", early data" : "", *attempt->reason ? ": " : "", attempt->reason);
}

static void put_answered(struct drawing *d, const hawser_attempt *attempt)
{
    if (attempt->answered_us > attempt->start_us && attempt->answered_us <= attempt->end_us)
        text_printf(d->text, "<rect class=\"reached\" x=\"%.1f\" y=\"%d\" width=\"3\" height=\"%d\" rx=\"1\"/>\n",
                    x_of(d, attempt->answered_us) - 3, d->y - 2, BAR + 4);
}

static void put_attempt(struct drawing *d, const hawser_attempt *attempt)
{
    const char *label = *attempt->path.remote ? attempt->path.remote : attempt->endpoint;
    bool won = attempt->outcome == HAWSER_ATTEMPT_WON;
    char where[300], words[WORDS];

    if (attempt->outcome == HAWSER_ATTEMPT_SKIPPED) {
        put_skipped(d, attempt, label);
        return;
    }
    snprintf(where, sizeof where, "%s%s%s%s", attempt->stack, *attempt->path.interface ? " over " : "",
             attempt->path.interface, attempt->bare ? ", bare" : "");
    say_attempt(attempt, words, sizeof words);
    if (won)
        text_printf(d->text, "<rect class=\"winner\" x=\"6\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\"/>\n",
                    d->y - 7, WIDTH - 12, ROW - 2);
    put_label(d, won ? "bold" : "", MARGIN, d->y + 11, "start", label, (LABELS - 2 * MARGIN) * 10 / BIG);
    put_label(d, "small", MARGIN, d->y + 26, "start", where, (LABELS - 2 * MARGIN) * 10 / SMALL);
    put_bar(d, class_of(attempt->outcome), attempt->start_us, attempt->end_us, words);
    put_answered(d, attempt);
    d->y += ROW + LINE * (put_words(d, x_of(d, attempt->start_us), d->y + 26, words) - 1);
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

static void put_axis(struct drawing *d, const hawser_report *report, int bottom)
{
    int64_t tick = tick_of(d->span);
    char label[32];

    for (int64_t at = 0; at <= d->span; at += tick) {
        double x = x_of(d, d->start + at);

        text_printf(d->text, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, TOP - 14, x,
                    bottom);
        format_time(at, label, sizeof label);
        put_label(d, "small", x, TOP - 20, x > WIDTH - 3 * MARGIN ? "end" : "middle", at ? label : "0", 20);
    }
    if (report->code == 0)
        text_printf(d->text, "<line class=\"done\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n",
                    x_of(d, report->end_us), TOP - 14, x_of(d, report->end_us), bottom);
}

static void put_head(struct drawing *d, const hawser_report *report)
{
    char line[WORDS], took[32];

    put_label(d, "title", MARGIN, 28, "start", report->endpoint, 85);
    format_time(report->end_us - report->start_us, took, sizeof took);
    if (report->code < 0)
        snprintf(line, sizeof line, "not reached after %s: %s", took, report->reason);
    else
        snprintf(line, sizeof line, "%s in %s: %s, verification %s, %u round trip%s%s%s%s", report->stack, took,
                 *report->peer_name ? report->peer_name : "a peer without a name", report->verification,
                 report->round_trips, report->round_trips == 1 ? "" : "s", report->bare ? ", bare" : "",
                 report->early_data_accepted ? ", early data" : "", report->resumed ? ", resumed" : "");
    put_label(d, "small", MARGIN, 48, "start", line, (WIDTH - 2 * MARGIN) * 10 / SMALL);
}

static void put_legend(struct drawing *d, int y)
{
    static const struct {
        const char *class, *name;
    } marks[] = {{"lookup", "look-up"}, {"won", "won"}, {"lost", "given up"}, {"failed", "failed"}};
    int x = LABELS;

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++, x += 92) {
        text_printf(d->text, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" rx=\"2\"/>\n",
                    marks[i].class, x, y);
        put_label(d, "small", x + 18, y + 10, "start", marks[i].name, 20);
    }
    text_printf(d->text, "<rect class=\"reached\" x=\"%d\" y=\"%d\" width=\"3\" height=\"16\" rx=\"1\"/>\n", x, y - 2);
    put_label(d, "small", x + 10, y + 10, "start", "the peer answered", 40);
}

static void put_rows(struct drawing *d, const hawser_report *report)
{
    d->y = TOP;
    for (size_t i = 0; i < report->lookup_count; i++)
        put_lookup(d, &report->lookups[i]);
    for (size_t i = 0; i < report->attempt_count; i++)
        put_attempt(d, &report->attempts[i]);
}

int hawser_report_svg(const hawser_report *report, char **ret_text)
{
    struct text rows, text;
    struct drawing d = {.text = &rows, .start = report->start_us, .span = report->end_us - report->start_us};

    d.span = d.span < 1000 ? 1000 : d.span;
    text_init(&rows);
    text_init(&text);
    put_rows(&d, report); /* first, since it says how high the picture is */
    d.text = &text;
    text_printf(&text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                "role=\"img\"><style>%s</style>\n<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n",
                WIDTH, d.y + 34, WIDTH, d.y + 34, style, WIDTH, d.y + 34);
    put_head(&d, report);
    put_axis(&d, report, d.y - 4);
    text_add_bytes(&text, text_string(&rows), rows.size);
    put_legend(&d, d.y + 8);
    text_add(&text, "</svg>\n");
    *ret_text = text_failed(&rows) ? NULL : text_take(&text);
    text_free(&rows);
    text_free(&text);
    return *ret_text ? 0 : -ENOMEM;
}
