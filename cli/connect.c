/* SPDX-License-Identifier: Apache-2.0 */
/* hawser connect: standard input and output on a stream, as nc(1). */
#include <unistd.h>

#include "commands.h"
#include "datagrams.h"
#include "line.h"
#include "pump.h"

struct connection {
    struct line line; /* first: the line's callbacks find us by it */
    struct pump pump;
    struct datagrams datagrams; /* where a message is one */
    bool broken;
};

static void on_end(struct pump *pump, int code, uint64_t peer_code)
{
    struct connection *c = pump->user;

    line_release(&c->line);
    if (code < 0) {
        c->broken = true;
        if (c->line.bare) { /* the stream is the line, whose end says why */
            hawser_close(c->line.association, 0, NULL);
            return;
        }
        complain(c->line.tool, "the peer broke the stream off (code %llu)", (unsigned long long)peer_code);
    }
    line_finish(&c->line);
}

/* The peer has said everything: at a terminal nobody would think of ending our side too. */
static void on_out_done(struct pump *pump)
{
    struct connection *c = pump->user;

    if (isatty(STDIN_FILENO)) {
        pump_stop(pump);
        line_finish(&c->line);
    }
}

/* With --json standard output is the events'. */
static void tell_data(struct pump *pump, const void *data, size_t size)
{
    struct connection *c = pump->user;
    struct json *json = event_begin(c->line.tool, "data");

    json_unsigned(json, "size", size);
    json_base64(json, "base64", data, size);
    event_end(c->line.tool);
}

static void start(struct line *line)
{
    struct connection *c = (struct connection *)line;
    struct tool *tool = line->tool;
    int r;

    if (line->bare && is_datagrams(line->association)) {
        if (datagrams_start(&c->datagrams, line) == 0)
            return;
        c->broken = true;
        complain(tool, "out of memory");
        line_finish(line);
        return;
    }
    c->pump.context = tool->context;
    c->pump.in_fd = STDIN_FILENO;
    c->pump.out_fd = STDOUT_FILENO;
    c->pump.sink = tool->options->json ? tell_data : NULL;
    c->pump.on_out_done = on_out_done;
    c->pump.on_end = on_end;
    c->pump.user = c;
    r = hawser_open(line->association, HAWSER_STREAM(.niceness = (int)tool->options->niceness), &c->pump.stream);
    if (r == 0)
        r = pump_start(&c->pump);
    if (r < 0) {
        c->broken = true;
        complain(tool, "no stream to %s: %s", line->endpoint, hawser_strerror(r));
        line_finish(line);
    }
}

static void on_closed(struct line *line)
{
    struct connection *c = (struct connection *)line;

    if (c->datagrams.line) {
        datagrams_stop(&c->datagrams);
        return;
    }
    /* A bare line ends with its stream; what came last may still wait for standard output. */
    if (line->established && line->code == 0 && !line->interrupted && pump_has_more(&c->pump))
        line->held = true;
    else
        pump_stop(&c->pump);
}

int command_connect(struct tool *tool)
{
    struct connection c = {.line = {.tool = tool, .on_established = start, .on_closed = on_closed}};
    int code;

    if (line_take_bare(&c.line) < 0)
        return EXIT_USAGE;
    if (line_take(&c.line, true) < 0)
        return EXIT_FAILED;
    code = tool_open(tool);
    if (code < 0)
        code = line_open(&c.line);
    if (code < 0) {
        code = line_run(&c.line);
        if (code == EXIT_DONE && (c.broken || c.datagrams.broken))
            code = EXIT_FAILED;
    }
    datagrams_stop(&c.datagrams);
    pump_stop(&c.pump);
    line_free(&c.line);
    return code;
}
