/* SPDX-License-Identifier: Apache-2.0 */
#include "pump.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define PUMP_BUFFER ((size_t)64 << 10)
/* A pipe that polls writable takes this much without blocking (pipe(7), PIPE_BUF); standard output is shared with others, so its
 * O_NONBLOCK is left alone. */
#define WRITE_PIECE 4096

static void run_in(struct pump *pump);
static void run_out(struct pump *pump);

static void end(struct pump *pump, int code, uint64_t peer_code)
{
    pump_stop(pump);
    pump->on_end(pump, code, peer_code);
}

static void end_if_done(struct pump *pump)
{
    if (!pump->stopped && pump->in_done && pump->out_done)
        end(pump, 0, 0);
}

static bool is_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, 0) != 0;
}

static void on_in(int fd, short revents, void *user)
{
    struct pump *pump = user;

    (void)fd;
    (void)revents;
    run_in(pump);
}

static void on_out(int fd, short revents, void *user)
{
    struct pump *pump = user;

    (void)fd;
    (void)revents;
    run_out(pump);
}

static void watch_in(struct pump *pump, bool on)
{
    if (pump->in_watched != on && hawser_watch(pump->context, pump->in_fd, on ? POLLIN : 0, on_in, pump) == 0)
        pump->in_watched = on;
}

static void watch_out(struct pump *pump, bool on)
{
    if (pump->out_watched != on && hawser_watch(pump->context, pump->out_fd, on ? POLLOUT : 0, on_out, pump) == 0)
        pump->out_watched = on;
}

/* true: there is something in the buffer */
static bool read_in(struct pump *pump)
{
    ssize_t n;

    if (!is_ready(pump->in_fd, POLLIN)) {
        watch_in(pump, true);
        return false;
    }
    n = read(pump->in_fd, pump->in.data, PUMP_BUFFER);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        watch_in(pump, true);
        return false;
    }
    if (n <= 0) { /* an error of a terminal or pipe that went is its end */
        watch_in(pump, false);
        pump->in_done = true;
        hawser_stream_shutdown(pump->stream);
        return false;
    }
    pump->in.at = 0;
    pump->in.size = (size_t)n;
    return true;
}

static void feed_in(struct pump *pump)
{
    while (!pump->stopped && !pump->in_done) {
        struct pump_buffer *b = &pump->in;
        ssize_t n;

        if (b->at == b->size && !read_in(pump))
            break;
        n = hawser_stream_write(pump->stream, b->data + b->at, b->size - b->at);
        if (n == -EAGAIN) {
            watch_in(pump, false); /* until HAWSER_STREAM_WRITABLE */
            return;
        }
        if (n < 0) {
            watch_in(pump, false);
            pump->in_done = true; /* HAWSER_STREAM_CLOSED tells why */
            break;
        }
        b->at += (size_t)n;
        pump->sent += (uint64_t)n;
    }
}

static void run_in(struct pump *pump)
{
    feed_in(pump);
    end_if_done(pump);
}

/* 0: everything was written; -EAGAIN: the descriptor is full */
static int write_out(struct pump *pump)
{
    struct pump_buffer *b = &pump->out;

    if (pump->sink && b->at < b->size) {
        pump->sink(pump, b->data + b->at, b->size - b->at);
        b->at = b->size;
    }
    while (b->at < b->size && !pump->out_broken) {
        size_t piece = b->size - b->at;
        ssize_t n;

        if (!is_ready(pump->out_fd, POLLOUT)) {
            watch_out(pump, true);
            return -EAGAIN;
        }
        n = write(pump->out_fd, b->data + b->at, piece < WRITE_PIECE ? piece : WRITE_PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            watch_out(pump, true);
            return -EAGAIN;
        }
        if (n < 0)
            pump->out_broken = true;
        else
            b->at += (size_t)n;
    }
    b->at = b->size = 0;
    return 0;
}

static void out_ended(struct pump *pump)
{
    pump->out_done = true;
    watch_out(pump, false);
    if (pump->on_out_done)
        pump->on_out_done(pump);
}

static void run_out(struct pump *pump)
{
    while (!pump->stopped && !pump->out_done) {
        ssize_t n;

        if (write_out(pump) < 0)
            return;
        n = hawser_stream_read(pump->stream, pump->out.data, PUMP_BUFFER);
        if (n == -EAGAIN)
            break;
        if (n == 0) {
            out_ended(pump);
            break;
        }
        if (n < 0 && pump->closed) {
            end(pump, (int)n, 0);
            return;
        }
        if (n < 0)
            break; /* HAWSER_STREAM_CLOSED tells why */
        pump->out.at = 0;
        pump->out.size = (size_t)n;
        pump->received += (uint64_t)n;
    }
    if (!pump->stopped && !pump->out_done)
        watch_out(pump, false);
    end_if_done(pump);
}

static void on_readable(const hawser_event *event, void *user)
{
    struct pump *pump = user;

    (void)event;
    if (!pump->out_watched)
        run_out(pump);
}

static void on_writable(const hawser_event *event, void *user)
{
    (void)event;
    run_in(user);
}

static void on_closed(const hawser_event *event, void *user)
{
    struct pump *pump = user;
    uint64_t code = event->stream.code;

    if (code != 0) {
        end(pump, -ECONNRESET, code);
        return;
    }
    pump->closed = pump->in_done = true;
    watch_in(pump, false);
    if (!pump->out_watched)
        run_out(pump); /* what is still there to be read, and its end */
}

static void begin(void *user)
{
    struct pump *pump = user;

    pump->begin_timer = 0;
    if (pump->in_fd < 0) {
        pump->in_done = true;
        hawser_stream_shutdown(pump->stream);
    }
    feed_in(pump);
    run_out(pump);
}

int pump_start(struct pump *pump)
{
    int r;

    pump->in.data = malloc(PUMP_BUFFER);
    pump->out.data = malloc(PUMP_BUFFER);
    if (!pump->in.data || !pump->out.data) {
        pump_stop(pump);
        return -ENOMEM;
    }
    hawser_register_stream(pump->stream, HAWSER_STREAM_READABLE, on_readable, pump);
    hawser_register_stream(pump->stream, HAWSER_STREAM_WRITABLE, on_writable, pump);
    hawser_register_stream(pump->stream, HAWSER_STREAM_CLOSED, on_closed, pump);
    /* Not at once: what on_end() frees may not be in the caller's hands yet. */
    r = hawser_timer(pump->context, 0, begin, pump, &pump->begin_timer);
    if (r < 0)
        pump_stop(pump);
    return r;
}

bool pump_has_more(const struct pump *pump)
{
    return !pump->stopped && !pump->out_done;
}

void pump_stop(struct pump *pump)
{
    if (pump->stopped)
        return;
    pump->stopped = true;
    if (pump->in_watched)
        watch_in(pump, false);
    if (pump->out_watched)
        watch_out(pump, false);
    if (pump->begin_timer)
        hawser_timer_cancel(pump->context, pump->begin_timer);
    if (pump->stream) {
        hawser_register_stream(pump->stream, HAWSER_STREAM_READABLE, NULL, NULL);
        hawser_register_stream(pump->stream, HAWSER_STREAM_WRITABLE, NULL, NULL);
        hawser_register_stream(pump->stream, HAWSER_STREAM_CLOSED, NULL, NULL);
        hawser_stream_unref(pump->stream);
        pump->stream = NULL;
    }
    free(pump->in.data);
    free(pump->out.data);
    pump->in.data = pump->out.data = NULL;
}
