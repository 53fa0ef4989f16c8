/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor for a stream: one end of a socketpair, and a pump between the other end and the session. Each direction
 * holds at most one buffer that its receiver did not take, and reads no more until it is gone: so a slow reader on
 * either side slows the writer on the other.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "association/stream.h"

#define PUMP_SIZE 16384
#define PUMP_TURNS 64 /* buffers a turn, for the sake of other associations */

struct pump_way { /* one direction */
    uint8_t bytes[PUMP_SIZE];
    size_t at, size; /* not yet taken */
    bool ended;      /* no more comes in */
    bool done;       /* and its end was passed on */
};

struct stream_pump {
    struct loop_io io;
    struct loop_deferred deferred;
    hawser_stream *stream; /* referenced */
    hawser_context *context;
    bool closed; /* the session's stream is gone */
    bool reset;
    struct pump_way out; /* from the descriptor to the session */
    struct pump_way in;
};

static void pump_free(struct stream_pump *pump)
{
    hawser_stream *stream = pump->stream;
    int fd = pump->io.fd;

    loop_undefer(&pump->deferred);
    loop_io_remove(pump->context, &pump->io);
    close(fd);
    stream->pump = NULL;
    free(pump);
    stream_let_go(stream);
}

/* What stands in the way's buffer goes on; false: the receiver takes no more, or is gone (*ret_gone). */
static bool pump_pass(struct stream_pump *pump, struct pump_way *way, bool *ret_gone)
{
    while (way->at < way->size) {
        const uint8_t *data = way->bytes + way->at;
        ssize_t n;

        if (way == &pump->out) {
            n = stream_give(pump->stream, data, way->size - way->at);
        } else {
            n = send(pump->io.fd, data, way->size - way->at, MSG_NOSIGNAL | MSG_DONTWAIT);
            n = n < 0 ? -errno : n;
        }
        if (n < 0) {
            *ret_gone = n != -EAGAIN;
            return false;
        }
        way->at += (size_t)n;
    }
    return true;
}

/* 1: more came in, 0: nothing for now, negative: the source is gone. */
static int pump_fill(struct stream_pump *pump, struct pump_way *way)
{
    ssize_t n;

    if (way == &pump->out) {
        n = recv(pump->io.fd, way->bytes, sizeof way->bytes, MSG_DONTWAIT);
        n = n < 0 ? -errno : n;
    } else {
        n = stream_take(pump->stream, way->bytes, sizeof way->bytes);
    }
    if (n < 0)
        return n == -EAGAIN ? 0 : (int)n;
    way->at = 0;
    way->size = (size_t)n;
    way->ended = n == 0;
    return 1;
}

static void pump_pass_end(struct stream_pump *pump, struct pump_way *way)
{
    way->done = true;
    if (way == &pump->out)
        (void)hawser_stream_shutdown(pump->stream);
    else
        (void)shutdown(pump->io.fd, SHUT_WR);
}

/* False: the whole pump is at its end, since one side is gone. */
static bool pump_move(struct stream_pump *pump, struct pump_way *way)
{
    bool gone = false;

    for (int turn = 0; turn < PUMP_TURNS && !way->done; turn++) {
        int r;

        if (!pump_pass(pump, way, &gone))
            return !gone;
        if (way->ended) {
            pump_pass_end(pump, way);
            return true;
        }
        r = pump_fill(pump, way);
        if (r <= 0)
            return r == 0;
    }
    if (!way->done)
        loop_defer_next(pump->context, &pump->deferred);
    return true;
}

static void pump_run(struct stream_pump *pump)
{
    bool alive = pump_move(pump, &pump->in);

    if (pump->closed) {
        /* What came before the end is still handed over; a reset says that it does not matter. */
        if (pump->in.done || !alive || pump->reset)
            pump_free(pump);
        return;
    }
    alive = alive && pump_move(pump, &pump->out);
    if (!alive)
        (void)hawser_stream_reset(pump->stream, 0);
    if (!alive || (pump->in.done && pump->out.done))
        pump_free(pump);
}

static void pump_io_ready(struct loop_io *io, uint32_t events)
{
    struct stream_pump *pump = container_of(io, struct stream_pump, io);

    (void)events;
    if (!list_linked(&pump->deferred.link))
        loop_defer(pump->context, &pump->deferred);
}

static void pump_deferred(struct loop_deferred *deferred)
{
    struct stream_pump *pump = container_of(deferred, struct stream_pump, deferred);
    hawser_association *association = pump->stream->association;

    association_hold(association);
    pump_run(pump);
    association_let_go(association);
}

/* Not pumped at once: the session is in the middle of telling. */
void pump_stream_ready(struct stream_pump *pump)
{
    if (!list_linked(&pump->deferred.link))
        loop_defer(pump->context, &pump->deferred);
}

void pump_stream_closed(struct stream_pump *pump, bool reset)
{
    pump->closed = true;
    pump->reset = reset;
    if (!pump->stream->association->open)
        pump_free(pump); /* the context ends, or the association is taken apart */
    else
        pump_stream_ready(pump);
}

static int pump_socket(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    close(fds[0]);
    close(fds[1]);
    return -EIO;
}

int hawser_stream_fd(hawser_stream *stream, int *ret_fd)
{
    struct stream_pump *pump;
    int fds[2], r;

    r = association_check(stream->association);
    if (r == 0)
        r = stream->pump ? -EBUSY : stream_is_open(stream) ? 0 : -ENOTCONN;
    if (r < 0)
        return r;
    if (!ret_fd)
        return -EINVAL;
    pump = calloc(1, sizeof *pump);
    if (!pump)
        return -ENOMEM;
    r = pump_socket(fds);
    if (r == 0) {
        r = loop_io_add(stream->association->context, &pump->io, fds[0], EPOLLIN | EPOLLOUT, pump_io_ready);
        if (r < 0) {
            close(fds[0]);
            close(fds[1]);
        }
    }
    if (r < 0) {
        free(pump);
        return r;
    }
    loop_deferred_init(&pump->deferred, pump_deferred);
    pump->context = stream->association->context;
    pump->stream = hawser_stream_ref(stream);
    stream->pump = pump;
    loop_defer(pump->context, &pump->deferred);
    *ret_fd = fds[1];
    return 0;
}
