/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 4

static void header_put(uint8_t *at, size_t size)
{
    uint32_t n = (uint32_t)size;

    memcpy(at, &n, HEADER);
}

static size_t header_get(const uint8_t *at)
{
    uint32_t n;

    memcpy(&n, at, HEADER);
    return n;
}

/* An idle connection has no output buffer; most of the time one is enough for all of them. */
static void out_take(struct conn *c)
{
    struct stream *s = c->stream;

    if (c->out)
        return;
    c->out = s->spare ? s->spare : malloc(s->ops->chunk);
    s->spare = NULL;
    if (!c->out)
        fail("out of memory");
}

static void out_give_back(struct conn *c)
{
    struct stream *s = c->stream;

    c->out_from = c->out_to = 0;
    if (s->spare)
        free(c->out);
    else
        s->spare = c->out;
    c->out = NULL;
}

/* Bytes sent, or 0 when it has to wait. */
static size_t send_some(struct conn *c, const void *data, size_t size, bool more)
{
    ssize_t n = c->stream->ops->send(c, data, size, more);

    if (n == -EAGAIN) {
        conn_wait_writable(c);
        return 0;
    }
    if (n < 0)
        fail("cannot send: %s", strerror((int)-n));
    return (size_t)n;
}

static bool out_send(struct conn *c, bool more)
{
    while (c->out_from < c->out_to) {
        size_t n = send_some(c, c->out + c->out_from, c->out_to - c->out_from, more);

        if (n == 0)
            return false;
        c->out_from += n;
    }
    c->out_from = c->out_to = 0;
    return true;
}

bool conn_flush(struct conn *c)
{
    if (!conn_push(c))
        return false;
    if (!out_send(c, false))
        return false;
    if (c->out)
        out_give_back(c);
    return true;
}

static void rest_copy(struct conn *c)
{
    size_t room = c->stream->ops->chunk - c->out_to;
    size_t n = c->rest_size < room ? c->rest_size : room;

    memcpy(c->out + c->out_to, c->rest, n);
    c->out_to += n;
    c->rest += n;
    c->rest_size -= n;
}

bool conn_push(struct conn *c)
{
    const struct stream_ops *ops = c->stream->ops;

    if (c->out_from > 0 && !out_send(c, c->rest_size > 0))
        return false;
    while (c->rest_size > 0) {
        bool direct = c->rest_size >= ops->direct && (c->out_to == 0 || !ops->fill);
        size_t n;

        if (!direct) {
            out_take(c);
            rest_copy(c);
            if (c->out_to == ops->chunk && !out_send(c, c->rest_size > 0))
                return false;
            continue;
        }
        if (!out_send(c, true) || (n = send_some(c, c->rest, c->rest_size, false)) == 0)
            return false;
        c->rest += n;
        c->rest_size -= n;
    }
    return true;
}

bool conn_queue(struct conn *c, const void *data, size_t size)
{
    size_t chunk = c->stream->ops->chunk;

    if ((c->rest_size > 0 || c->out_from > 0) && !conn_push(c))
        return false;
    if (chunk - c->out_to < HEADER && !out_send(c, false))
        return false;
    out_take(c);
    header_put(c->out + c->out_to, size);
    c->out_to += HEADER;
    if (size < chunk - c->out_to) { /* the common case, in full */
        memcpy(c->out + c->out_to, data, size);
        c->out_to += size;
        return true;
    }
    c->rest = data;
    c->rest_size = size;
    conn_push(c);
    return true;
}

/* Bytes read; 0 when there is no more now, or the connection has ended. */
static size_t recv_some(struct conn *c, void *to, size_t room)
{
    ssize_t n;

    c->drained = false;
    n = c->stream->ops->recv(c, to, room);
    if (n == -EAGAIN)
        return 0;
    if (n < 0 && n != -ECONNRESET)
        fail("cannot receive: %s", strerror((int)-n));
    if (n <= 0) {
        c->stream->on_end(c);
        return 0;
    }
    return (size_t)n;
}

/* One buffer per connection, as large as its largest message, used again for each. */
static void large_begin(struct conn *c, size_t size, const uint8_t *start, size_t have)
{
    if (c->large_room < size) {
        free(c->large);
        c->large = malloc(size);
        c->large_room = size;
        if (!c->large)
            fail("out of memory");
    }
    memcpy(c->large, start, have);
    c->large_size = size;
    c->large_have = have;
}

static bool large_read(struct conn *c)
{
    size_t n = recv_some(c, c->large + c->large_have, c->large_size - c->large_have);

    if (n == 0)
        return false;
    c->large_have += n;
    if (c->large_have < c->large_size)
        return true;
    n = c->large_size;
    c->large_size = 0;
    c->large_before = true;
    c->stream->on_message(c, c->large, n);
    return true;
}

/* Hands over every whole message in data; answers how many bytes that was. */
static size_t parse(struct conn *c, const uint8_t *data, size_t size)
{
    struct stream *s = c->stream;
    size_t at = 0;

    while (size - at >= HEADER && !c->closed) {
        size_t n = header_get(data + at);

        if (n > MESSAGE_MAX)
            fail("a message is too large");
        if (n > size - at - HEADER) {
            if (n < LARGE)
                break;
            large_begin(c, n, data + at + HEADER, size - at - HEADER);
            return size;
        }
        s->on_message(c, data + at + HEADER, n);
        at += HEADER + n;
    }
    return at;
}

static void keep(struct conn *c, const uint8_t *data, size_t size)
{
    if (c->closed || size == 0)
        return;
    c->kept = malloc(size);
    if (!c->kept)
        fail("out of memory");
    memcpy(c->kept, data, size);
    c->kept_size = size;
}

/* What was kept goes to the front of the shared buffer; answers its size. */
static size_t unkeep(struct conn *c)
{
    size_t size = c->kept_size;

    if (size == 0)
        return 0;
    memcpy(c->stream->scratch, c->kept, size);
    free(c->kept);
    c->kept = NULL;
    c->kept_size = 0;
    return size;
}

/* Reads until there is no more. [from, to) of the shared buffer holds what is not handed over. */
void conn_read(struct conn *c)
{
    uint8_t *scratch = c->stream->scratch;
    size_t from = 0, to = unkeep(c), n;

    c->drained = false;
    while (!c->closed && !c->drained) {
        if (c->large_size > 0) {
            if (!large_read(c))
                break;
            continue;
        }
        if (STREAM_SCRATCH - to < LARGE) {
            memmove(scratch, scratch + from, to - from);
            to -= from;
            from = 0;
        }
        n = c->large_before && to - from < HEADER ? HEADER - (to - from) : STREAM_SCRATCH - to;
        if ((n = recv_some(c, scratch + to, n)) == 0)
            break;
        to += n;
        c->large_before = c->large_before && to - from <= HEADER;
        from += parse(c, scratch + from, to - from);
        if (from == to)
            from = to = 0;
    }
    keep(c, scratch + from, to - from);
}
