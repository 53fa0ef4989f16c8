/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAM_BUFFER ((size_t)64 << 10)

void serving_stream_free(struct serving_stream *s)
{
    struct peer *peer = s->peer;

    LIST_REMOVE(s, link);
    pump_stop(&s->pump);
    command_end(s);
    if (s->stream) {
        hawser_register_stream(s->stream, HAWSER_STREAM_READABLE, NULL, NULL);
        hawser_register_stream(s->stream, HAWSER_STREAM_WRITABLE, NULL, NULL);
        hawser_register_stream(s->stream, HAWSER_STREAM_CLOSED, NULL, NULL);
        hawser_stream_unref(s->stream);
    }
    free(s->buffer);
    free(s);
    if (peer->gone && LIST_EMPTY(&peer->streams))
        peer_free(peer);
    else if (peer->bare)
        hawser_close(peer->association, 0, NULL); /* its one stream was all there is */
    else if (peer->server->draining)
        peer_drain(peer);
}

/* false: the peer takes no more just now */
static bool send_back(struct serving_stream *s)
{
    if (s->peer->server->serving == SERVE_DISCARD || s->peer->server->serving == SERVE_PARTS)
        s->at = s->size;
    while (s->at < s->size) {
        ssize_t n = hawser_stream_write(s->stream, s->buffer + s->at, s->size - s->at);

        if (n < 0)
            return false; /* full, or broken: HAWSER_STREAM_CLOSED comes */
        s->at += (size_t)n;
    }
    return true;
}

static void run_loop(struct serving_stream *s)
{
    while (send_back(s)) {
        ssize_t n = hawser_stream_read(s->stream, s->buffer, STREAM_BUFFER);

        if (n == 0)
            hawser_stream_shutdown(s->stream);
        if (n <= 0)
            break;
        s->at = 0;
        s->size = (size_t)n;
    }
}

static void on_moved(const hawser_event *event, void *user)
{
    (void)event;
    run_loop(user);
}

static void on_closed(const hawser_event *event, void *user)
{
    (void)event;
    serving_stream_free(user);
}

int loop_start(struct serving_stream *s)
{
    s->buffer = malloc(STREAM_BUFFER);
    if (!s->buffer)
        return -ENOMEM;
    hawser_register_stream(s->stream, HAWSER_STREAM_READABLE, on_moved, s);
    hawser_register_stream(s->stream, HAWSER_STREAM_WRITABLE, on_moved, s);
    hawser_register_stream(s->stream, HAWSER_STREAM_CLOSED, on_closed, s);
    run_loop(s);
    return 0;
}

static void terminal_ended(struct pump *pump, int code, uint64_t peer_code)
{
    struct serving_stream *s = pump->user;

    (void)peer_code;
    if (code < 0)
        complain(s->peer->server->tool, "the stream from %s broke: %s", s->peer->label, hawser_strerror(code));
    serving_stream_free(s);
}

static int terminal_start(struct serving_stream *s)
{
    struct server *server = s->peer->server;

    if (server->terminal_taken || server->tool->options->json) {
        s->stream = s->pump.stream;
        s->pump.stream = NULL;
        return -EBUSY;
    }
    server->terminal_taken = true;
    s->pump.in_fd = STDIN_FILENO;
    s->pump.out_fd = STDOUT_FILENO;
    s->pump.on_end = terminal_ended;
    s->pump.user = s;
    return pump_start(&s->pump);
}

static int serve(struct serving_stream *s, hawser_stream *stream)
{
    struct server *server = s->peer->server;

    hawser_stream_ref(stream);
    switch (server->serving) {
    case SERVE_ECHO:
    case SERVE_DISCARD:
    case SERVE_PARTS:
        s->stream = stream;
        return loop_start(s);
    case SERVE_TERMINAL:
    case SERVE_COMMAND:
        s->pump.context = server->tool->context;
        s->pump.stream = stream;
        s->pump.stopped = false;
        return server->serving == SERVE_COMMAND ? command_start(s, server->tool->options->exec) : terminal_start(s);
    case SERVE_FILES:
        break;
    }
    s->stream = stream;
    return -EOPNOTSUPP;
}

static void serve_stream(struct peer *peer, hawser_stream *stream)
{
    struct tool *tool = peer->server->tool;
    struct serving_stream *s = calloc(1, sizeof(*s));
    struct json *json = event_begin(tool, "stream");
    int r;

    json_unsigned(json, "stream", hawser_stream_id(stream));
    json_string(json, "peer", peer->name);
    event_end(tool);
    if (!s)
        return; /* no reference is kept: the stream is reset */
    s->peer = peer;
    s->id = hawser_stream_id(stream);
    s->pump.stopped = true;
    s->to_process = s->from_process = -1;
    LIST_INSERT_HEAD(&peer->streams, s, link);
    r = serve(s, stream);
    if (r < 0) {
        complain(tool, "a stream from %s is reset: %s", peer->label,
                 r == -EOPNOTSUPP ? "this listener takes files only"
                 : r == -EBUSY    ? "standard input and output are not free"
                                  : hawser_strerror(r));
        serving_stream_free(s);
    }
}

static void on_opened(const hawser_event *event, void *user)
{
    serve_stream(user, event->stream.stream);
}

void streams_serve_bare(struct peer *peer)
{
    hawser_stream *stream;
    int r = hawser_open(peer->association, NULL, &stream);

    if (r < 0) {
        complain(peer->server->tool, "%s is not served: %s", peer->label, hawser_strerror(r));
        hawser_abort(peer->association, 0, NULL);
        return;
    }
    serve_stream(peer, stream);
    hawser_stream_unref(stream); /* whoever serves it has its own */
}

void streams_serve(struct peer *peer)
{
    hawser_register(peer->association, HAWSER_STREAM_OPENED, on_opened, peer);
}

bool streams_write(const struct peer *peer)
{
    const struct serving_stream *s;

    LIST_FOREACH(s, &peer->streams, link)
    {
        if (pump_has_more(&s->pump))
            return true;
    }
    return false;
}

void streams_end(struct peer *peer)
{
    while (!LIST_EMPTY(&peer->streams))
        serving_stream_free(LIST_FIRST(&peer->streams));
}
