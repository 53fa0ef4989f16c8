/* SPDX-License-Identifier: Apache-2.0 */
/* hawser fetch: HTTP/1.1 over whatever stack won. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "http.h"
#include "line.h"
#include "report.h"
#include "sink.h"
#include "url.h"

#define REDIRECTS_MAX 5

struct fetch {
    struct line line; /* first: the line's callbacks find us by it */
    struct http_exchange exchange;
    struct url first, url; /* asked for, and where that led */
    char text[URL_TEXT_MAX];
    char endpoint[URL_HOST_MAX + 8], server_name[URL_HOST_MAX];
    char *request;
    struct sink sink;
    unsigned redirects;
    int status; /* 0: no answer yet */
    char reason[128], location[8192], content_type[256], stack[64];
    uint64_t bytes;
    hawser_report *report; /* of the last line */
    int64_t began_us;
    bool follows, complete, failed, sunk; /* sunk: the sink is open */
};

/* --------------------------------------------------------------------------------------------------------- the answer */

static bool is_redirect(const struct http_head *head)
{
    static const int codes[] = {301, 302, 303, 307, 308};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        if (codes[i] == head->status && *head->location)
            return true;
    return false;
}

static void print_head(struct fetch *f, const struct http_head *head)
{
    if (sink_write(&f->sink, head->text, strlen(head->text)) < 0 || sink_write(&f->sink, "\n\n", 2) < 0)
        f->failed = true;
}

/* The body's place is made when there is one to put there: nothing is touched for an answer that is none. */
static void open_sink(struct fetch *f)
{
    const struct options *o = f->line.tool->options;
    const char *path = f->status < 400 || o->head ? o->output : NULL;

    if (f->sunk)
        return;
    f->sunk = true;
    if (sink_open(&f->sink, f->line.tool, path) < 0)
        f->failed = true;
}

static bool on_head(const struct http_head *head, void *user)
{
    struct fetch *f = user;
    const struct options *o = f->line.tool->options;

    f->status = head->status;
    snprintf(f->reason, sizeof(f->reason), "%s", head->reason);
    snprintf(f->content_type, sizeof(f->content_type), "%s", head->content_type);
    snprintf(f->location, sizeof(f->location), "%s", head->location);
    f->follows = is_redirect(head);
    if (f->follows)
        return false; /* where it leads is what was asked for */
    open_sink(f);
    if (o->head && !f->failed && !o->json)
        print_head(f, head);
    return true;
}

/* Enough, or too much: what became of the line does not matter any more. */
static void give_up(struct fetch *f)
{
    line_finish(&f->line);
    hawser_abort(f->line.association, 0, NULL);
}

static void finish_if_done(struct fetch *f)
{
    if (f->failed)
        give_up(f);
    else if (f->complete && sink_is_empty(&f->sink))
        line_finish(&f->line);
}

static void on_drained(void *user)
{
    struct fetch *f = user;

    f->failed = f->failed || f->sink.broken;
    hawser_resume(f->line.association);
    finish_if_done(f);
}

static void tell_data(struct fetch *f, const void *data, size_t size)
{
    struct json *json = event_begin(f->line.tool, "data");

    json_unsigned(json, "size", size);
    json_base64(json, "base64", data, size);
    event_end(f->line.tool);
}

static void take_body(struct fetch *f, const void *data, size_t size, bool last)
{
    const struct options *o = f->line.tool->options;
    int r = 0;

    f->complete = f->complete || last;
    if (f->follows) {
        give_up(f);
        return;
    }
    f->bytes += size;
    if (o->json && !f->sink.path) {
        if (size > 0)
            tell_data(f, data, size);
    } else if (!f->failed && size > 0 && (f->status < 400 || !o->output)) {
        r = sink_write(&f->sink, data, size);
    }
    f->failed = f->failed || r < 0;
    if (r > 0)
        hawser_pause(f->line.association);
    finish_if_done(f);
}

static void on_part(const hawser_event *event, void *user)
{
    take_body(user, event->part.data, event->part.size, event->part.last);
}

static void on_received(const hawser_event *event, void *user)
{
    take_body(user, event->received.data, event->received.size, true);
}

static void on_arriving(const hawser_event *event, void *user)
{
    (void)user;
    hawser_take_parts(event->association, event->arriving.id);
}

static void keep_report(struct line *line, const hawser_report *report)
{
    struct fetch *f = (struct fetch *)line;

    hawser_report_free(f->report);
    f->report = NULL;
    snprintf(f->stack, sizeof(f->stack), "%s", report->stack ? report->stack : "");
    hawser_report_copy(report, &f->report); /* out of memory: the event has no attempts */
}

/* ------------------------------------------------------------------------------------------------------- the question */

static int make_request(struct fetch *f)
{
    char host[URL_HOST_MAX + 8];

    free(f->request);
    url_authority(&f->url, false, host, sizeof(host));
    if (asprintf(&f->request,
                 "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hawser/%s\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                 f->line.tool->options->head ? "HEAD" : "GET", f->url.target, host, hawser_version()) < 0) {
        f->request = NULL;
        complain(f->line.tool, "out of memory");
        return -ENOMEM;
    }
    return 0;
}

/* --connect-to is meant for the host that was asked for, not for one that it leads to. */
static void choose_endpoint(struct fetch *f)
{
    const struct options *o = f->line.tool->options;
    bool same = strcmp(f->url.host, f->first.host) == 0 && f->url.port == f->first.port;
    const struct string_list *instead = &o->connect_to;

    url_authority(&f->url, true, f->endpoint, sizeof(f->endpoint));
    f->line.endpoint = f->endpoint;
    f->line.server_name = NULL;
    f->line.others = NULL;
    f->line.other_count = 0;
    if (instead->count == 0 || !same)
        return;
    /* Wherever it is reached, it is the URL's host that has to show who it is. */
    snprintf(f->server_name, sizeof(f->server_name), "%.*s", (int)strcspn(f->url.host + (*f->url.host == '['), "]"),
             f->url.host + (*f->url.host == '['));
    f->line.server_name = f->server_name;
    f->line.endpoint = instead->items[0];
    f->line.others = (const char *const *)instead->items + 1;
    f->line.other_count = instead->count - 1;
}

static void ask(struct fetch *f)
{
    hawser_association *a = f->line.association;
    int r;

    hawser_register(a, HAWSER_ARRIVING, on_arriving, f);
    hawser_register(a, HAWSER_PART, on_part, f);
    hawser_register(a, HAWSER_RECEIVED, on_received, f);
    if (f->exchange.in_race)
        return; /* the framer asks */
    r = hawser_send(a, f->exchange.request, f->exchange.request_size, HAWSER_MESSAGE(.safely_replayable = true), NULL);
    if (r < 0) {
        complain(f->line.tool, "%s cannot be asked: %s", f->line.endpoint, hawser_strerror(r));
        f->failed = true;
        give_up(f);
    }
}

/* One question and its answer. The exit code. */
static int fetch_once(struct fetch *f)
{
    struct tool *tool = f->line.tool;
    int code;

    if (make_request(f) < 0)
        return EXIT_FAILED;
    choose_endpoint(f);
    f->exchange = (struct http_exchange){
        .request = f->request,
        .request_size = strlen(f->request),
        .only_head = tool->options->head,
        .in_race = tool->options->fail,
        .on_head = on_head,
        .user = f,
    };
    f->line.framer = http_framer(&f->exchange);
    f->line.framer_user = &f->exchange;
    f->line.bare = true;
    f->line.clear = !f->url.secure;
    f->line.alpn = f->url.secure ? "http/1.1" : NULL;
    f->status = 0;
    f->complete = f->follows = false;
    code = line_open(&f->line);
    if (code < 0) {
        ask(f);
        code = line_run(&f->line);
    }
    line_free(&f->line);
    f->line.established = f->line.finished = false;
    return code == EXIT_DONE && f->failed ? EXIT_FAILED : code;
}

/* ----------------------------------------------------------------------------------------------------------- redirects */

static void report_redirect(struct fetch *f, const struct url *to)
{
    struct json *json = event_begin(f->line.tool, "redirect");
    char text[URL_TEXT_MAX];

    url_print(to, text, sizeof(text));
    json_string(json, "from", f->text);
    json_string(json, "to", text);
    json_signed(json, "status", f->status);
    event_end(f->line.tool);
    say(f->line.tool, "%s leads to %s (%d)", f->text, text, f->status);
}

/* false: it is not followed, which is said */
static bool follow(struct fetch *f)
{
    struct tool *tool = f->line.tool;
    struct url to;
    char reason[128];

    if (url_follow(&f->url, f->location, &to, reason, sizeof(reason)) < 0)
        complain(tool, "%s leads to %s, which cannot be followed: %s", f->text, f->location, reason);
    else if (f->url.secure && !to.secure)
        complain(tool, "%s leads to %s, which is not encrypted: it is not followed", f->text, f->location);
    else if (f->redirects == REDIRECTS_MAX)
        complain(tool, "%s leads on after %d redirects: no more are followed", f->text, REDIRECTS_MAX);
    else {
        report_redirect(f, &to);
        f->redirects++;
        f->url = to;
        url_print(&f->url, f->text, sizeof(f->text));
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------------------------- end */

static void report_fetched(struct fetch *f, bool kept)
{
    struct tool *tool = f->line.tool;
    struct json *json = event_begin(tool, "fetched");
    double seconds = (double)(clock_us() - f->began_us) / 1e6;
    char size[UNIT_TEXT_SIZE];

    json_string(json, "url", f->text);
    json_signed(json, "status", f->status);
    json_string(json, "reason", f->reason);
    json_string(json, "content_type", f->content_type);
    json_unsigned(json, "bytes", f->bytes);
    json_string(json, "file", kept ? tool->options->output : NULL);
    json_string(json, "stack", f->stack);
    json_unsigned(json, "redirects", f->redirects);
    json_real(json, "seconds", seconds, 6);
    report_attempts(tool, f->report ? f->report->attempts : NULL, f->report ? f->report->attempt_count : 0);
    event_end(tool);
    if (f->status >= 400)
        complain(tool, "%s: %d %s%s%s", f->text, f->status, f->reason, tool->options->output ? "; not written: " : "",
                 tool->options->output ? tool->options->output : "");
    else if (kept)
        say(tool, "%s: %s in %.2f s over %s", tool->options->output, format_size(f->bytes, size), seconds, f->stack);
}

static int run(struct fetch *f)
{
    int code;

    do
        code = fetch_once(f);
    while (code == EXIT_DONE && f->follows && follow(f));
    if (f->follows && code == EXIT_DONE)
        return EXIT_FAILED;
    if (code == EXIT_DONE && !f->complete) /* the line ended before the answer did */
        code = EXIT_FAILED;
    return code;
}

int command_fetch(struct tool *tool)
{
    struct fetch *f = calloc(1, sizeof(*f));
    const char *text = tool->options->operands.items[0];
    char reason[128];
    bool whole;
    int code;

    if (!f) {
        complain(tool, "out of memory");
        return EXIT_FAILED;
    }
    f->line = (struct line){.tool = tool, .on_report = keep_report};
    f->sink = (struct sink){.tool = tool, .fd = -1, .on_drained = on_drained, .user = f};
    f->began_us = clock_us();
    if (url_parse(text, &f->url, reason, sizeof(reason)) < 0) {
        complain(tool, "%s: %s", text, reason);
        free(f);
        return EXIT_USAGE;
    }
    f->first = f->url;
    url_print(&f->url, f->text, sizeof(f->text));
    code = tool_open(tool);
    if (code < 0)
        code = run(f);
    whole = code == EXIT_DONE && f->complete;
    if (f->sunk && sink_close(&f->sink, whole && f->status < 400) < 0)
        code = EXIT_FAILED;
    if (whole) {
        report_fetched(f, code == EXIT_DONE && tool->options->output && f->status < 400);
        code = code == EXIT_DONE && f->status >= 400 ? EXIT_FAILED : code;
    }
    hawser_report_free(f->report);
    free(f->request);
    free(f);
    return code;
}
