/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of a trace: panels below each other, over one axis of time (docs/trace.md shows one). */
#include "plot_svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/svg.h"
#include "units.h"

/* Pixels. */
enum {
    WIDTH = 960,
    MARGIN = 18,
    LEFT = 188, /* where the axis begins */
    RIGHT = WIDTH - MARGIN,
    AXIS = RIGHT - LEFT,
    TOP = 74,
    PANEL = 118,
    GAP = 46, /* between panels: the next one's title */
    ROW = 22, /* of a strand */
    BAR = 13,
    COLOURS = 8,
    SMALL = 60, /* tenths: a character of small text takes about that much */
    BINS = AXIS / 2,
    SERIES = 24, /* strands that are drawn; more would not be told apart */
};

static const char style[] =
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px;fill:#1c2733}"
    ".back{fill:#fbfcfd}.title{font-size:17px;font-weight:600}.head{font-weight:600}.small{font-size:11px;fill:#566573}"
    ".grid{stroke:#e3e8ec}.frame{fill:none;stroke:#c5ced6}.rail{fill:#eef1f4}"
    ".opening{fill:#c9d2da}.active{fill:#1f8a55}.standby{fill:#7fb2dd}.suspected{fill:#e08a2c}.end{stroke:#c8503f;"
    "stroke-width:2.5}"
    ".c0{fill:#2f6db3;stroke:#2f6db3}.c1{fill:#d98032;stroke:#d98032}.c2{fill:#3c9a6b;stroke:#3c9a6b}.c3{fill:#a85aa8;"
    "stroke:#a85aa8}"
    ".c4{fill:#b9a12f;stroke:#b9a12f}.c5{fill:#c2555e;stroke:#c2555e}.c6{fill:#4aa3b0;stroke:#4aa3b0}.c7{fill:#7c7c88;"
    "stroke:#7c7c88}"
    ".area{stroke:none;fill-opacity:.82}.line{fill:none;stroke-width:1.7}.key{stroke:none}"
    ".gap{fill:#c8503f;opacity:.13}.stall{fill:#c8503f}.none{stroke:none}.mark{stroke:#7d6bb5;stroke-dasharray:3 3}"
    "@media(prefers-color-scheme:dark){text{fill:#e3e9ee}.back{fill:#12181f}.small{fill:#9aaab8}.grid{stroke:#26313b}"
    ".frame{stroke:#3d4a56}.rail{fill:#1c252e}.opening{fill:#5a6b7a}.gap{opacity:.25}}";

struct drawing {
    struct text *text;
    const struct story *story;
    double begin, span; /* milliseconds */
    int y;              /* where the next panel begins */
    size_t series;
};

/* ------------------------------------------------------------------------------------------------------- small things */

static void put_label(struct drawing *d, const char *class, double x, double y, const char *anchor, const char *string,
                      size_t most)
{
    size_t size = svg_width(string) > most ? svg_cut(string, most - 1) : strlen(string);

    text_printf(d->text, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y, anchor);
    svg_escape(d->text, string, size);
    text_add(d->text, string[size] ? "\xe2\x80\xa6</text>\n" : "</text>\n");
}

static void put_tip(struct drawing *d, const char *tip)
{
    text_add(d->text, "<title>");
    svg_escape(d->text, tip, strlen(tip));
    text_add(d->text, "</title>");
}

static double x_of(const struct drawing *d, double time)
{
    double part = (time - d->begin) / d->span;

    return LEFT + AXIS * (part < 0 ? 0 : part > 1 ? 1 : part);
}

/* 1, 2 or 5 times a power of ten, so that there are at most so many. */
static double tick_of(double span, int most)
{
    static const double steps[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(span / most)));

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (span / (steps[i] * power) <= most)
            return steps[i] * power;
    return 10 * power;
}

static void format_number(double number, char *text, size_t size)
{
    snprintf(text, size, "%.*f", number == floor(number) ? 0 : number * 10 == floor(number * 10) ? 1 : 2, number);
}

static void format_ms(double ms, char *text, size_t size)
{
    char number[32];

    format_number(ms >= 1000 ? ms / 1000 : ms, number, sizeof(number));
    snprintf(text, size, "%s %s", number, ms >= 1000 ? "s" : "ms");
}

/* "1.2 tls/tcp wlan0" of association 1, strand 2; the first only where there are several. */
static void name_of(const struct drawing *d, const struct story_strand *s, char *text, size_t size)
{
    char association[16] = "", subflow[16] = "";

    if (d->story->associations > 1 && !d->story->association)
        snprintf(association, sizeof(association), "%u.", s->association);
    if (s->subflow)
        snprintf(subflow, sizeof(subflow), "/%u", s->subflow);
    snprintf(text, size, "%s%u%s %s %s", association, s->strand, subflow, s->stack ? s->stack : "",
             s->interface ? s->interface : "");
}

/* -------------------------------------------------------------------------------------------------------------- panels */

static void put_time_grid(struct drawing *d, double height, bool labels)
{
    double tick = tick_of(d->span, 10);
    char label[40];

    for (double at = 0; at <= d->span * 1.0001; at += tick) {
        double x = x_of(d, d->begin + at);

        text_printf(d->text, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x, d->y, x,
                    d->y + height);
        format_ms(at, label, sizeof(label));
        if (labels)
            put_label(d, "small", x, d->y + height + 15, x > RIGHT - 20 ? "end" : "middle", at > 0 ? label : "0", 20);
    }
}

/* A panel with an upright axis from 0 to top, which becomes a round number. */
static double put_panel(struct drawing *d, const char *title, const char *unit, double top)
{
    double tick = tick_of(top > 0 ? top : 1, 4);
    double most = ceil((top > 0 ? top : 1) / tick * 0.9999) * tick;
    char label[40];

    put_label(d, "head", MARGIN, d->y + 11, "start", title, 28);
    put_label(d, "small", MARGIN, d->y + 27, "start", unit, 28);
    put_time_grid(d, PANEL, false);
    for (double at = 0; at <= most * 1.0001; at += tick) {
        double y = d->y + PANEL - PANEL * at / most;

        text_printf(d->text, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", LEFT, y, RIGHT, y);
        format_number(at, label, sizeof(label));
        put_label(d, "small", LEFT - 6, y + 4, "end", label, 20);
    }
    text_printf(d->text, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT, d->y, AXIS,
                PANEL);
    return most;
}

/* ---- throughput */

/* A strand's bytes, in bins along the axis: what came between two samples is spread over that time; but where a strand
 * rested, samples rested too, and what came after it came within the last of the time. */
static void fill_bins(const struct drawing *d, const struct story_strand *s, bool received, double *bins)
{
    const double most = 120; /* milliseconds between samples while anything moves */

    for (size_t i = 1; i < s->sample_count; i++) {
        const struct story_sample *a = &s->samples[i - 1], *b = &s->samples[i];
        double bytes = received ? b->received - a->received : b->sent - a->sent;
        double from = b->time - a->time > most ? b->time - most : a->time, to = b->time > from ? b->time : from + 0.001;
        double left = (from - d->begin) / d->span * BINS, right = (to - d->begin) / d->span * BINS;

        left = left < 0 ? 0 : left > BINS ? BINS : left;
        right = right > BINS ? BINS : right;
        for (int bin = (int)left; bytes > 0 && bin < BINS && bin < right; bin++) {
            double low = left > bin ? left : bin, high = right < bin + 1 ? right : bin + 1;

            if (right > left)
                bins[bin] += bytes * (high - low) / (right - left);
        }
    }
}

/* Bits per second of a bin, in Mbit/s. */
static double rate_of(const struct drawing *d, double bytes)
{
    return bytes * 8 / (d->span / BINS / 1000) / 1e6;
}

static void put_area(struct drawing *d, size_t colour, const double *low, const double *high, double most,
                     const char *tip)
{
    text_printf(d->text, "<path class=\"c%zu area\" d=\"M", colour % COLOURS);
    for (int i = 0; i < BINS; i++)
        text_printf(d->text, "%.1f %.1fH%.1f", LEFT + (double)i * AXIS / BINS,
                    d->y + PANEL - PANEL * rate_of(d, high[i]) / most, LEFT + (double)(i + 1) * AXIS / BINS),
            text_add(d->text, i + 1 < BINS ? "L" : "");
    for (int i = BINS; i-- > 0;)
        text_printf(d->text, "L%.1f %.1fH%.1f", LEFT + (double)(i + 1) * AXIS / BINS,
                    d->y + PANEL - PANEL * rate_of(d, low[i]) / most, LEFT + (double)i * AXIS / BINS);
    text_add(d->text, "Z\">");
    put_tip(d, tip);
    text_add(d->text, "</path>\n");
}

static double total_of(const struct story *story, bool received)
{
    double total = 0;

    for (size_t i = 0; i < story->strand_count; i++) {
        const struct story_strand *s = &story->strands[i];

        for (size_t k = 1; k < s->sample_count; k++)
            total += fmax(0, received ? s->samples[k].received - s->samples[k - 1].received
                                      : s->samples[k].sent - s->samples[k - 1].sent);
    }
    return total;
}

static void put_throughput(struct drawing *d)
{
    const struct story *story = d->story;
    bool received = total_of(story, true) > total_of(story, false);
    double(*bins)[BINS] = calloc(d->series + 1, sizeof(*bins)), most = 0;
    char name[128];

    if (!bins) {
        d->text->failed = true;
        return;
    }
    for (size_t i = 0; i < d->series; i++) { /* each row on top of the one before */
        memcpy(bins[i + 1], bins[i], sizeof(*bins));
        fill_bins(d, &story->strands[i], received, bins[i + 1]);
    }
    for (int i = 0; i < BINS; i++)
        most = fmax(most, rate_of(d, bins[d->series][i]));
    most = put_panel(d, received ? "received" : "sent", "Mbit/s, stacked", most);
    for (size_t i = 0; i < d->series; i++) {
        name_of(d, &story->strands[i], name, sizeof(name));
        put_area(d, i, bins[i], bins[i + 1], most, name);
    }
    free(bins);
    d->y += PANEL + GAP;
}

/* ---- round trip times */

static void put_rtt_line(struct drawing *d, size_t index, double most)
{
    const struct story_strand *s = &d->story->strands[index];
    bool drawing = false;

    text_printf(d->text, "<path class=\"c%zu line\" d=\"", index % COLOURS);
    for (size_t i = 0; i < s->sample_count; i++) {
        const struct story_sample *sample = &s->samples[i];
        bool pause = i > 0 && sample->time - s->samples[i - 1].time > fmax(500, d->span / 50);

        if (sample->rtt_us <= 0) {
            drawing = false;
            continue;
        }
        text_printf(d->text, "%c%.1f %.1f", drawing && !pause ? 'L' : 'M', x_of(d, sample->time),
                    d->y + PANEL - PANEL * sample->rtt_us / 1000 / most);
        drawing = true;
    }
    text_add(d->text, "\"/>\n");
}

static void put_rtts(struct drawing *d)
{
    double most = 0;

    for (size_t i = 0; i < d->series; i++)
        for (size_t k = 0; k < d->story->strands[i].sample_count; k++)
            most = fmax(most, d->story->strands[i].samples[k].rtt_us / 1000);
    most = put_panel(d, "round trip", "ms", most);
    for (size_t i = 0; i < d->series; i++)
        put_rtt_line(d, i, most);
    d->y += PANEL + GAP;
}

/* ---- strands */

static void put_state(struct drawing *d, const struct story_strand *s, size_t index, double y)
{
    const struct story_state *state = &s->states[index];
    double end = index + 1 < s->state_count ? s->states[index + 1].time : d->begin + d->span;
    double x = x_of(d, state->time), width = x_of(d, end) - x;
    char tip[300], from[40], took[40];

    if (state->word == WORD_CLOSED) {
        text_printf(d->text, "<line class=\"end\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\">", x, y - 3, x,
                    y + BAR + 3);
        snprintf(tip, sizeof(tip), "closed%s%s", *state->reason ? ": " : "", state->reason);
        put_tip(d, tip);
        text_add(d->text, "</line>\n");
        return;
    }
    format_ms(round(state->time - d->begin), from, sizeof(from));
    format_ms(round(end - state->time), took, sizeof(took));
    snprintf(tip, sizeof(tip), "%s from %s, for %s%s%s", strand_words[state->word], from, took,
             *state->reason ? ": " : "", state->reason);
    text_printf(d->text, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\">",
                strand_words[state->word], x, y, width < 1 ? 1 : width, BAR);
    put_tip(d, tip);
    text_add(d->text, "</rect>\n");
}

static void put_strands(struct drawing *d)
{
    char name[128];

    put_label(d, "head", MARGIN, d->y - 6, "start", "strands", 28);
    put_time_grid(d, (double)d->series * ROW, false);
    for (size_t i = 0; i < d->series; i++, d->y += ROW) {
        const struct story_strand *s = &d->story->strands[i];
        double y = d->y + (ROW - BAR) / 2.0;

        name_of(d, s, name, sizeof(name));
        text_printf(d->text, "<rect class=\"c%zu key\" x=\"%d\" y=\"%.1f\" width=\"10\" height=\"10\" rx=\"2\"/>\n",
                    i % COLOURS, MARGIN, y + 2);
        put_label(d, "small", MARGIN + 16, y + 11, "start", name, (LEFT - MARGIN - 24) * 10 / SMALL);
        text_printf(d->text, "<rect class=\"rail\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n", LEFT, y, AXIS,
                    BAR);
        for (size_t k = 0; k < s->state_count; k++)
            put_state(d, s, k, y);
    }
    d->y += GAP;
}

/* ---- messages */

static size_t colour_of(const struct drawing *d, const struct story_run *run, size_t otherwise)
{
    for (size_t i = 0; i < d->series; i++)
        if (run->strand && d->story->strands[i].strand == run->strand &&
            d->story->strands[i].association == run->association)
            return i;
    return otherwise;
}

static int by_begin(const void *a, const void *b)
{
    double x = ((const struct story_run *)a)->begin, y = ((const struct story_run *)b)->begin;

    return x < y ? -1 : x > y;
}

/* Steps that rise with each run, its messages spread over its time; and a dot for each, coloured by the strand. */
static void put_steps(struct drawing *d, const struct story_runs *runs, double most, const char *class,
                      size_t otherwise)
{
    double sum = 0;

    text_printf(d->text, "<path class=\"%s line\" d=\"M%d %d", class, LEFT, d->y + PANEL);
    for (size_t i = 0; i < runs->count; i++) {
        const struct story_run *run = &runs->items[i];

        text_printf(d->text, "H%.1f", x_of(d, run->begin));
        sum += run->count;
        text_printf(d->text, "L%.1f %.1f", x_of(d, run->end), d->y + PANEL - PANEL * sum / most);
    }
    text_printf(d->text, "H%d\"/>\n", RIGHT);
    sum = 0;
    for (size_t i = 0; runs->count <= 1500 && i < runs->count; i++) {
        const struct story_run *run = &runs->items[i];

        sum += run->count;
        text_printf(d->text, "<circle class=\"c%zu none\" cx=\"%.1f\" cy=\"%.1f\" r=\"1.8\"/>\n",
                    colour_of(d, run, otherwise) % COLOURS, x_of(d, run->end), d->y + PANEL - PANEL * sum / most);
    }
}

static bool is_waited(const struct story *story, double from, double to)
{
    for (size_t i = 0; i < story->wait_count; i++)
        if (story->waits[i].begin < to && story->waits[i].end > from)
            return true;
    return false;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The median time from one run to the next. */
static double usual_gap(const struct story_runs *runs)
{
    double *gaps = calloc(runs->count + 1, sizeof(*gaps)), usual = 0;

    if (gaps && runs->count > 1) {
        for (size_t i = 1; i < runs->count; i++)
            gaps[i - 1] = runs->items[i].begin - runs->items[i - 1].begin;
        qsort(gaps, runs->count - 1, sizeof(*gaps), by_size);
        usual = gaps[(runs->count - 1) / 2];
    }
    free(gaps);
    return usual;
}

/* Where nothing was delivered for much longer than usual, though something waited: of messages of ours that is known by their
 * count, of the peer's by what comes after. */
static void put_gaps(struct drawing *d, const struct story_runs *runs, bool ours)
{
    double least = fmax(fmax(150, 4 * usual_gap(runs)), d->span / 60);
    char tip[120], took[40];
    double free_from = LEFT;

    for (size_t i = 1; i < runs->count; i++) {
        double from = runs->items[i - 1].end, to = runs->items[i].begin;

        if (to - from < least || (ours && !is_waited(d->story, from, to)))
            continue;
        format_ms(round(to - from), took, sizeof(took));
        text_printf(d->text, "<rect class=\"gap\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\">", x_of(d, from),
                    d->y, x_of(d, to) - x_of(d, from), PANEL);
        snprintf(tip, sizeof(tip), "nothing was delivered for %s", took);
        put_tip(d, tip);
        text_add(d->text, "</rect>\n");
        if (x_of(d, from) < free_from) /* the one before would be written over */
            continue;
        put_label(d, "small", x_of(d, from), d->y - 4, "start", took, 20);
        free_from = x_of(d, from) + 52;
    }
}

static void put_stalls(struct drawing *d)
{
    char tip[160];

    for (size_t i = 0; i < d->story->stall_count; i++) {
        const struct story_stall *stall = &d->story->stalls[i];
        double x = x_of(d, fmax(stall->begin, stall->end - fmax(100, stall->time_us / 1000)));
        double width = x_of(d, stall->end) - x;

        text_printf(d->text, "<rect class=\"stall\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"6\">", x,
                    d->y + PANEL - 7, width < 2 ? 2 : width);
        snprintf(tip, sizeof(tip), "head of line: %.0f stalls, %.1f ms of waiting", stall->count,
                 stall->time_us / 1000);
        put_tip(d, tip);
        text_add(d->text, "</rect>\n");
    }
}

/* Traces tell runs when they end: in the order of their begin they are only once sorted. */
static struct story_runs sorted(const struct story_runs *runs)
{
    struct story_runs copy = *runs;

    copy.items = malloc((runs->count + 1) * sizeof(*copy.items));
    if (!copy.items)
        return (struct story_runs){.items = NULL};
    if (runs->count) {
        memcpy(copy.items, runs->items, runs->count * sizeof(*copy.items));
        qsort(copy.items, copy.count, sizeof(*copy.items), by_begin);
    }
    return copy;
}

static void put_messages(struct drawing *d)
{
    const struct story *story = d->story;
    bool ours = story->acked.messages + story->expired.messages + story->failed.messages >= story->received.messages;
    struct story_runs runs = sorted(ours ? &story->acked : &story->received), sent = sorted(&story->sent);
    double most = fmax(runs.messages, ours ? sent.messages : 0);
    char words[120];

    most = put_panel(d, ours ? "messages acked" : "messages received", ours ? "all so far; grey: given" : "all so far",
                     most);
    put_gaps(d, &runs, ours);
    if (ours)
        put_steps(d, &sent, most, "c7", 7);
    put_steps(d, &runs, most, "c0", 0);
    put_stalls(d);
    snprintf(words, sizeof(words), "%.0f expired, %.0f failed", story->expired.messages, story->failed.messages);
    if (story->expired.messages + story->failed.messages > 0)
        put_label(d, "small", MARGIN, d->y + 43, "start", words, 28);
    free(runs.items);
    free(sent.items);
    put_time_grid(d, PANEL, true);
    d->y += PANEL;
}

/* --------------------------------------------------------------------------------------------------------------- frame */

static void put_marks(struct drawing *d, double bottom)
{
    for (size_t i = 0; i < d->story->mark_count; i++) {
        double x = x_of(d, d->story->marks[i].time);

        text_printf(d->text, "<line class=\"mark\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\">", x, TOP - 6, x,
                    bottom);
        put_tip(d, d->story->marks[i].text);
        text_add(d->text, "</line>\n");
    }
}

static void put_head(struct drawing *d, const char *title)
{
    const struct story *story = d->story;
    char line[400], took[40], sent[UNIT_TEXT_SIZE], received[UNIT_TEXT_SIZE], stalls[80] = "", dropped[80] = "";
    double count = 0, time_us = 0;

    for (size_t i = 0; i < story->stall_count; i++) {
        count += story->stalls[i].count;
        time_us += story->stalls[i].time_us;
    }
    if (count > 0)
        snprintf(stalls, sizeof(stalls), ", %.0f stalls of %.1f ms together", count, time_us / 1000);
    if (story->dropped > 0)
        snprintf(dropped, sizeof(dropped), "; %.0f records were lost", story->dropped);
    put_label(d, "title", MARGIN, 28, "start", title, 90);
    format_ms(round(d->span), took, sizeof(took));
    snprintf(line, sizeof(line), "%s: %s, %zu strand%s, %s sent, %s received%s%s%s%s", story->wall_clock, took,
             story->strand_count, story->strand_count == 1 ? "" : "s",
             format_size((uint64_t)total_of(story, false), sent),
             format_size((uint64_t)total_of(story, true), received), stalls,
             story->strands_left_off || story->strand_count > d->series ? ", not all strands are drawn" : "", dropped,
             story->associations > 1 && story->association == 0 ? ", of several associations" : "");
    put_label(d, "small", MARGIN, 48, "start", line, (WIDTH - 2 * MARGIN) * 10 / SMALL);
}

static void put_legend(struct drawing *d, int y)
{
    static const struct {
        const char *class, *name;
    } marks[] = {{"opening", "opening"},     {"active", "active"},       {"standby", "standby"},
                 {"suspected", "suspected"}, {"stall", "closed; stall"}, {"gap", "nothing delivered"}};
    int x = LEFT;

    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        text_printf(d->text, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" rx=\"2\"/>\n",
                    marks[i].class, x, y);
        put_label(d, "small", x + 18, y + 10, "start", marks[i].name, 40);
        x += 40 + (int)svg_width(marks[i].name) * 6;
    }
    if (d->story->mark_count == 0)
        return;
    text_printf(d->text, "<line class=\"mark\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", x + 6, y - 1, x + 6,
                y + 13);
    put_label(d, "small", x + 14, y + 10, "start", "told, join", 40);
}

int plot_svg(const struct story *story, const char *title, char **ret_text)
{
    struct text panels, text;
    struct drawing d = {.text = &panels,
                        .story = story,
                        .begin = isnan(story->begin) ? 0 : story->begin,
                        .y = TOP,
                        .series = story->strand_count < SERIES ? story->strand_count : SERIES};

    d.span = isnan(story->begin) ? 1 : fmax(story->end - story->begin, 1);
    text_init(&panels);
    text_init(&text);
    put_throughput(&d);
    put_rtts(&d);
    put_strands(&d);
    put_messages(&d);
    d.text = &text;
    text_printf(&text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                "role=\"img\"><style>%s</style>\n<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n",
                WIDTH, d.y + 58, WIDTH, d.y + 58, style, WIDTH, d.y + 58);
    put_head(&d, title ? title : *story->title ? story->title : "a trace");
    text_add_bytes(&text, text_string(&panels), panels.size);
    put_marks(&d, d.y);
    put_legend(&d, d.y + 34);
    text_add(&text, "</svg>\n");
    *ret_text = text_failed(&panels) ? NULL : text_take(&text);
    text_free(&panels);
    text_free(&text);
    return *ret_text ? 0 : -ENOMEM;
}
