/* SPDX-License-Identifier: Apache-2.0 */
/* hawser ping: message round trips with a listener that echoes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "line.h"
#include "report.h"

#define DEFAULT_COUNT 10
#define DEFAULT_INTERVAL_US 200000
#define ANSWER_WAIT_US 10000000 /* for the last ones, unless --timeout says otherwise */

struct question {
    int64_t sent_us;
    bool answered, settled;
};

struct ping {
    struct line line; /* first: the line's callbacks find us by it */
    uint8_t *payload;
    struct question *questions; /* by id - first_id */
    size_t sent, room;
    hawser_message_id first_id;
    uint64_t count; /* 0: until interrupted */
    int64_t interval_us;
    int64_t *rtts;
    size_t answered, acked, expired, failed;
    int64_t began_us;
    uint64_t timer;
    bool stopping, done;
};

static void send_next(struct ping *p);

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* The value that at least part of the replies do not exceed (nearest rank). */
static int64_t quantile(const struct ping *p, double part)
{
    size_t rank = (size_t)(part * (double)p->answered + 0.999999);

    return p->rtts[rank > 0 ? rank - 1 : 0];
}

static void report_done(struct ping *p)
{
    struct tool *tool = p->line.tool;
    size_t unanswered = p->sent - p->answered - p->expired - p->failed;
    char a[UNIT_TEXT_SIZE], b[UNIT_TEXT_SIZE], c[UNIT_TEXT_SIZE];
    struct json *json;

    if (p->done)
        return;
    p->done = true;
    json = event_begin(tool, "done");
    json_unsigned(json, "messages", p->sent);
    json_unsigned(json, "acked", p->acked);
    json_unsigned(json, "expired", p->expired);
    json_unsigned(json, "failed", p->failed + unanswered);
    json_unsigned(json, "replies", p->answered);
    json_unsigned(json, "bytes", p->sent * tool->options->size);
    json_real(json, "seconds", (double)(clock_us() - p->began_us) / 1e6, 6);
    if (p->answered > 0) {
        qsort(p->rtts, p->answered, sizeof(*p->rtts), by_value);
        json_signed(json, "min_us", p->rtts[0]);
        json_signed(json, "median_us", quantile(p, 0.5));
        json_signed(json, "p99_us", quantile(p, 0.99));
        say(tool, "%zu messages, %zu replies: min %s, median %s, p99 %s", p->sent, p->answered,
            format_duration(p->rtts[0], a), format_duration(quantile(p, 0.5), b),
            format_duration(quantile(p, 0.99), c));
    } else {
        say(tool, "%zu messages, no reply", p->sent);
    }
    report_strands(json, p->line.association);
    event_end(tool);
}

static void finish(void *user)
{
    struct ping *p = user;

    report_done(p);
    line_finish(&p->line);
}

static bool all_sent(const struct ping *p)
{
    return p->stopping || (p->count > 0 && p->sent >= p->count);
}

static void finish_when_done(struct ping *p)
{
    if (all_sent(p) && p->answered + p->expired + p->failed >= p->sent)
        finish(p);
}

static int grow(struct ping *p)
{
    size_t room = p->room * 2 + 64;
    struct question *questions = realloc(p->questions, room * sizeof(*questions));
    int64_t *rtts;

    if (!questions)
        return -ENOMEM;
    p->questions = questions;
    rtts = realloc(p->rtts, room * sizeof(*rtts));
    if (!rtts)
        return -ENOMEM;
    p->rtts = rtts;
    p->room = room;
    return 0;
}

static void failed_to_send(struct ping *p, int code)
{
    complain(p->line.tool, "a message cannot be sent: %s", hawser_strerror(code));
    p->stopping = true;
    p->failed++;
    p->sent++;
    finish_when_done(p);
}

static void on_time(void *user)
{
    struct ping *p = user;

    p->timer = 0;
    send_next(p);
}

/* The next one at its time; where it goes at the reply, or nothing is left to send, that is the time to wait for a reply. */
static void plan(struct ping *p)
{
    hawser_context *context = p->line.tool->context;
    int64_t timeout_us = p->line.tool->options->timeout_us;
    bool last = all_sent(p);

    if (p->timer != 0)
        hawser_timer_cancel(context, p->timer);
    if (!last && p->interval_us > 0)
        hawser_timer(context, p->interval_us, on_time, p, &p->timer);
    else
        hawser_timer(context, timeout_us > 0 ? timeout_us : ANSWER_WAIT_US, last ? finish : on_time, p, &p->timer);
}

static void send_next(struct ping *p)
{
    const struct options *o = p->line.tool->options;
    hawser_message_id id;
    int64_t now = clock_us();
    int r = p->sent == p->room ? grow(p) : 0;

    if (all_sent(p) || p->line.finished)
        return;
    if (r == 0)
        r = hawser_send(p->line.association, p->payload, (size_t)o->size,
                        HAWSER_MESSAGE(.niceness = (int)o->niceness, .lifetime_us = o->lifetime_us,
                                       .safely_replayable = o->replayable),
                        &id);
    if (r < 0) {
        failed_to_send(p, r);
        return;
    }
    if (p->sent == 0)
        p->first_id = id;
    p->questions[p->sent++] = (struct question){.sent_us = now};
    plan(p);
}

static struct question *question_by_id(const struct ping *p, hawser_message_id id)
{
    return id >= p->first_id && id - p->first_id < p->sent ? &p->questions[id - p->first_id] : NULL;
}

static void on_reply(const hawser_event *event, void *user)
{
    struct ping *p = user;
    struct tool *tool = p->line.tool;
    struct question *q = question_by_id(p, event->received.reply_to);
    char text[UNIT_TEXT_SIZE];
    struct json *json;
    int64_t rtt;

    if (!q || q->answered)
        return;
    q->answered = true;
    rtt = clock_us() - q->sent_us;
    p->rtts[p->answered++] = rtt;
    json = event_begin(tool, "reply");
    json_unsigned(json, "id", event->received.reply_to);
    json_signed(json, "rtt_us", rtt);
    event_end(tool);
    if (p->interval_us > 0)
        say(tool, "reply %llu in %s", (unsigned long long)event->received.reply_to, format_duration(rtt, text));
    if (p->interval_us == 0)
        send_next(p);
    finish_when_done(p);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct ping *p = user;
    struct tool *tool = p->line.tool;

    for (uint64_t i = 0; i < event->outcome.count; i++) {
        hawser_message_id id = event->outcome.first + i;
        struct question *q = question_by_id(p, id);
        struct json *json;

        if (!q || q->settled)
            continue;
        q->settled = true;
        if (event->outcome.kind == HAWSER_ACKED) {
            p->acked++;
            continue;
        }
        *(event->outcome.kind == HAWSER_EXPIRED ? &p->expired : &p->failed) += 1;
        json = event_begin(tool, outcome_event(event->outcome.kind));
        json_unsigned(json, "message", id);
        json_null(json, "file");
        json_signed(json, "code", event->outcome.code);
        json_string(json, "reason", event->outcome.reason);
        event_end(tool);
        complain(tool, "message %llu %s: %s", (unsigned long long)id,
                 event->outcome.kind == HAWSER_EXPIRED ? "expired" : "failed", event->outcome.reason);
        if (p->interval_us == 0)
            send_next(p);
    }
    finish_when_done(p);
}

static void start(struct line *line)
{
    struct ping *p = (struct ping *)line;

    if (!line->tool->options->replayable)
        send_next(p);
}

static void on_closed(struct line *line)
{
    struct ping *p = (struct ping *)line;

    if (line->established)
        report_done(p);
}

static int run(struct ping *p)
{
    struct tool *tool = p->line.tool;
    const struct options *o = tool->options;
    int code = line_open(&p->line);

    if (code >= 0)
        return code;
    hawser_register(p->line.association, HAWSER_RECEIVED, on_reply, p);
    hawser_register(p->line.association, HAWSER_OUTCOME, on_outcome, p);
    p->began_us = clock_us();
    if (o->replayable)
        send_next(p);
    code = line_run(&p->line);
    if (code == EXIT_FAILED && p->line.interrupted && p->count == 0)
        code = EXIT_DONE; /* the way it was to end */
    return code == EXIT_DONE && (p->expired || p->failed || p->answered < p->sent) ? EXIT_FAILED : code;
}

int command_ping(struct tool *tool)
{
    const struct options *o = tool->options;
    struct ping p = {.line = {.tool = tool, .on_established = start, .on_closed = on_closed}};
    int code;

    p.count = o->count < 0 ? DEFAULT_COUNT : (uint64_t)o->count;
    p.interval_us = o->interval_us < 0 ? DEFAULT_INTERVAL_US : o->interval_us;
    if (o->size > ((uint64_t)64 << 10)) {
        complain(tool, "--size is at most 64KiB: larger messages come in parts and measure something else");
        return EXIT_USAGE;
    }
    if (line_take(&p.line, true) < 0)
        return EXIT_FAILED;
    code = tool_open(tool);
    p.payload = calloc(1, (size_t)o->size + 1);
    if (code < 0 && !p.payload) {
        complain(tool, "out of memory");
        code = EXIT_FAILED;
    }
    if (code < 0)
        code = run(&p);
    line_free(&p.line);
    free(p.payload);
    free(p.questions);
    free(p.rtts);
    return code;
}
