/* SPDX-License-Identifier: Apache-2.0 */
/* hawser send: one message a file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "feed.h"
#include "file_header.h"
#include "line.h"
#include "marks.h"
#include "progress.h"
#include "report.h"

#define DRAW_EVERY_US 100000

struct sender {
    struct line line; /* first: the line's callbacks find us by it */
    struct gathering gathering;
    struct feed feed;
    struct marks marks;
    struct progress progress;
    struct file **by_id; /* ours are the only messages, so their ids are consecutive */
    hawser_message_id first_id;
    size_t begun, settled;
    size_t acked, expired, failed;
    uint64_t acked_bytes;
    int64_t began_us;
    bool done;
};

static struct sender *sender_of(struct line *line)
{
    return (struct sender *)line;
}

static void report_done(struct sender *s)
{
    struct tool *tool = s->line.tool;
    double seconds = (double)(clock_us() - s->began_us) / 1e6;
    struct json *json;
    char a[UNIT_TEXT_SIZE], b[UNIT_TEXT_SIZE];

    if (s->done)
        return;
    s->done = true;
    json = event_begin(tool, "done");
    json_unsigned(json, "messages", s->gathering.count + s->gathering.failed);
    json_unsigned(json, "acked", s->acked);
    json_unsigned(json, "expired", s->expired);
    json_unsigned(json, "failed", s->failed + s->gathering.failed);
    json_unsigned(json, "bytes", s->acked_bytes);
    json_real(json, "seconds", seconds, 6);
    report_strands(json, s->line.association);
    event_end(tool);
    say(tool, "%zu sent, %zu expired, %zu failed: %s in %.2f s, %s/s", s->acked, s->expired,
        s->failed + s->gathering.failed, format_size(s->acked_bytes, a), seconds,
        format_size(seconds > 0 ? (uint64_t)((double)s->acked_bytes / seconds) : 0, b));
}

static void finish_when_done(struct sender *s)
{
    if (s->settled < s->gathering.count || s->line.finished)
        return;
    report_done(s);
    line_finish(&s->line);
}

static void report_message(struct sender *s, const struct file *file, const char *event, int code, const char *reason,
                           bool maybe_delivered, uint64_t missing)
{
    struct tool *tool = s->line.tool;
    struct json *json = event_begin(tool, event);

    if (file->id == 0)
        json_null(json, "message");
    else
        json_unsigned(json, "message", file->id);
    json_string(json, "file", file->name);
    json_signed(json, "code", code);
    json_string(json, "reason", reason);
    if (code != 0)
        json_string(json, "error", hawser_error_name(code));
    if (maybe_delivered)
        json_bool(json, "maybe_delivered", true);
    if (missing)
        json_unsigned(json, "missing", missing);
    event_end(tool);
}

static bool ended_with_line(int code)
{
    static const int codes[] = {-HAWSER_ELOST,     -HAWSER_EDEAD, -HAWSER_ECLOSED, -HAWSER_EABORTED, -HAWSER_ETLS,
                                -HAWSER_EPROTOCOL, -ECONNRESET,   -EPIPE,          -ETIMEDOUT};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        if (codes[i] == code)
            return true;
    return false;
}

static void settle(struct sender *s, struct file *file, hawser_outcome kind, int code, const char *reason,
                   bool maybe_delivered, uint64_t missing)
{
    char size[UNIT_TEXT_SIZE], lost[UNIT_TEXT_SIZE];

    if (file->state == FILE_SETTLED)
        return;
    file->state = FILE_SETTLED;
    s->settled++;
    report_message(s, file, outcome_event(kind), code, reason, maybe_delivered, missing);
    switch (kind) {
    case HAWSER_HANDED_OVER: /* bare associations only, to which files are not sent */
    case HAWSER_ACKED:
        s->acked++;
        s->acked_bytes += file->given;
        if (!s->progress.terminal)
            say(s->line.tool, "sent %s, %s%s%s", file->name, format_size(file->given, size),
                missing ? ", without " : "", missing ? format_size(missing, lost) : "");
        break;
    case HAWSER_EXPIRED:
        s->expired++;
        complain(s->line.tool, "%s expired: %s", file->name, reason);
        break;
    case HAWSER_SEND_FAILED:
        s->failed++;
        if (s->line.interrupted || ended_with_line(code))
            break; /* one sentence about the line, not one a file */
        complain(s->line.tool, "%s failed: %s%s", file->name, reason, maybe_delivered ? " (it may have arrived)" : "");
        break;
    }
}

static struct file *file_by_id(const struct sender *s, hawser_message_id id)
{
    return id >= s->first_id && id - s->first_id < s->begun ? s->by_id[id - s->first_id] : NULL;
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct sender *s = user;
    const char *reason = *event->outcome.reason || event->outcome.code == 0 ? event->outcome.reason
                                                                            : hawser_strerror(event->outcome.code);

    for (uint64_t i = 0; i < event->outcome.count; i++) {
        struct file *file = file_by_id(s, event->outcome.first + i);

        if (file)
            settle(s, file, event->outcome.kind, event->outcome.code, reason, event->outcome.maybe_delivered,
                   event->outcome.missing);
    }
    feed_run(&s->feed); /* the file being given may have been refused: the next one's turn */
    finish_when_done(s);
}

static void on_sent(const hawser_event *event, void *user)
{
    struct sender *s = user;
    const struct file *file = file_by_id(s, event->sent.id);

    if (file)
        report_message(s, file, "sent", 0, "", false, 0);
}

static void on_writable(const hawser_event *event, void *user)
{
    struct sender *s = user;

    (void)event;
    feed_run(&s->feed);
    finish_when_done(s);
}

static void has_begun(struct feed *feed, struct file *file)
{
    struct sender *s = feed->user;

    if (s->begun == 0)
        s->first_id = file->id;
    s->by_id[s->begun++] = file;
}

static void has_failed(struct feed *feed, struct file *file, int code, const char *reason)
{
    settle(feed->user, file, HAWSER_SEND_FAILED, code, reason, false, 0);
}

static void start(struct line *line)
{
    struct sender *s = sender_of(line);

    feed_run(&s->feed);
    finish_when_done(s);
}

static void on_end(struct line *line)
{
    struct sender *s = sender_of(line);

    s->feed.stopped = true;
    if (!line->established)
        return;
    for (size_t i = 0; i < s->gathering.count; i++)
        if (s->gathering.files[i].state != FILE_SETTLED)
            settle(s, &s->gathering.files[i], HAWSER_SEND_FAILED, -HAWSER_ECLOSED, hawser_strerror(-HAWSER_ECLOSED),
                   s->gathering.files[i].state != FILE_WAITING, 0);
    report_done(s);
}

static void clear_bars(void *user)
{
    progress_clear(user);
}

static void draw(void *user)
{
    struct sender *s = user;
    hawser_statistics statistics = {0};

    if (s->done)
        return;
    hawser_association_statistics(s->line.association, &statistics);
    progress_draw(&s->progress, &s->gathering, s->settled,
                  s->feed.given > statistics.queued_bytes ? s->feed.given - statistics.queued_bytes : 0,
                  s->line.association);
    hawser_timer(s->line.tool->context, DRAW_EVERY_US, draw, s, NULL);
}

static int prepare(struct sender *s)
{
    struct tool *tool = s->line.tool;
    int r = marks_read(tool, &s->marks);

    if (r == 0)
        r = gather(tool, &s->gathering);
    if (r < 0)
        return r == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
    s->feed = (struct feed){.tool = tool,
                            .gathering = &s->gathering,
                            .marks = &s->marks,
                            .failed = has_failed,
                            .began = has_begun,
                            .user = s};
    s->by_id = calloc(s->gathering.count + 1, sizeof(*s->by_id));
    if (feed_init(&s->feed) < 0 || !s->by_id) {
        complain(tool, "out of memory");
        return EXIT_FAILED;
    }
    if (s->gathering.count == 0 && s->gathering.failed > 0) {
        complain(tool, "nothing is left to send");
        return EXIT_FAILED;
    }
    return -1;
}

static int run(struct sender *s)
{
    struct tool *tool = s->line.tool;
    int code;

    s->began_us = clock_us();
    code = line_open(&s->line);
    if (code >= 0)
        return code;
    s->feed.association = s->line.association;
    hawser_register(s->line.association, HAWSER_OUTCOME, on_outcome, s);
    hawser_register(s->line.association, HAWSER_SENT, on_sent, s);
    hawser_register(s->line.association, HAWSER_WRITABLE, on_writable, s);
    progress_begin(&s->progress, tool);
    if (s->progress.terminal) {
        tool->before_text = clear_bars;
        tool->before_text_user = &s->progress;
        draw(s);
    }
    if (tool->options->replayable)
        feed_run(&s->feed); /* before there is a line: early data */
    code = line_run(&s->line);
    progress_clear(&s->progress);
    tool->before_text = NULL;
    return code == EXIT_DONE && (s->expired || s->failed || s->gathering.failed) ? EXIT_FAILED : code;
}

int command_send(struct tool *tool)
{
    struct sender s = {.line = {.tool = tool, .on_established = start, .on_closed = on_end}};
    int code;

    if (tool->options->operands.count == 0) {
        complain(tool, "send needs an ENDPOINT and a FILE");
        return EXIT_USAGE;
    }
    if (line_take(&s.line, false) < 0)
        return EXIT_FAILED;
    code = tool_open(tool);
    if (code < 0)
        code = prepare(&s);
    if (code < 0)
        code = run(&s);
    line_free(&s.line);
    feed_free(&s.feed);
    gathering_free(&s.gathering);
    free(s.by_id);
    return code;
}
