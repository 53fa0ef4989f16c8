/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bare associations over layers that give several streams (quic/udp): each of the program's streams is one of theirs,
 * and nothing is added. Messages have no place there, since it is the program's protocol that says how they look.
 */
#include "association/bare_line.h"
#include "association/stream.h"

static struct layer *top_of(const struct bare *bare)
{
    return bare->strand && !bare->strand->dead ? bare->strand->top : NULL;
}

static const struct layer_streams *streams_of(const struct bare *bare)
{
    const struct layer *top = top_of(bare);

    return top ? top->type->streams : NULL;
}

/* Why such a line cannot be had; NULL: it can. */
static const char *misfit(const struct bare *bare)
{
    const hawser_framer *framer = bare->framer;

    if (framer && (framer->decode || framer->encode || framer->before || framer->after))
        return "a line of several streams has no framer";
    return bare->by_id ? "a line of several streams has no messages" : NULL;
}

bool bare_streams_begin(struct bare *bare)
{
    bare->several = bare->strand->top->type->streams && !bare->strand->top->type->receive;
    if (bare->several && misfit(bare))
        bare_fail(bare, -EOPNOTSUPP, misfit(bare));
    return bare->several;
}

int bare_streams_open(struct bare *bare, hawser_stream *stream, bool unidirectional)
{
    const struct layer_streams *streams = streams_of(bare);
    uint64_t id;
    int r;

    if (!streams)
        return -ENOTCONN;
    if (bare->closing)
        return -ESHUTDOWN;
    r = streams->open(bare->strand->top, unidirectional, stream, &id);
    if (r < 0)
        return r;
    stream->bare = bare;
    stream->one_of_several = true;
    stream->id = id;
    association_wake(bare->association);
    return 0;
}

ssize_t bare_streams_read(hawser_stream *stream, void *buffer, size_t size)
{
    const struct layer_streams *streams = streams_of(stream->bare);

    if (stream->over)
        return stream->over_by_reset ? -ECONNRESET : 0;
    return streams ? streams->receive(stream->bare->strand->top, stream->id, buffer, size) : -ENOTCONN;
}

ssize_t bare_streams_write(hawser_stream *stream, const void *data, size_t size)
{
    const struct layer_streams *streams = streams_of(stream->bare);

    if (stream->over)
        return stream->over_by_reset ? -ECONNRESET : -EPIPE;
    return streams ? streams->send(stream->bare->strand->top, stream->id, data, size, false) : -ENOTCONN;
}

int bare_streams_shutdown(hawser_stream *stream)
{
    const struct layer_streams *streams = streams_of(stream->bare);
    ssize_t n = streams ? streams->send(stream->bare->strand->top, stream->id, NULL, 0, true) : -ENOTCONN;

    return n < 0 ? (int)n : 0;
}

int bare_streams_reset(hawser_stream *stream, uint64_t code)
{
    const struct layer_streams *streams = streams_of(stream->bare);
    int r = streams ? streams->reset(stream->bare->strand->top, stream->id, code) : -ENOTCONN;

    if (!stream->over) {
        stream->over = stream->over_by_reset = true;
        stream->over_code = code;
        association_wake(stream->association);
    }
    return r == -ENOENT ? 0 : r;
}

void bare_streams_leave(hawser_stream *stream)
{
    const struct layer_streams *streams = streams_of(stream->bare);

    if (streams)
        (void)streams->reset(stream->bare->strand->top, stream->id, 0);
    stream->bare = NULL;
}

/* ------------------------------------------------------------------------------------------------------- in dispatch */

static void accept_one(struct bare *bare, uint64_t id, bool unidirectional)
{
    struct layer *top = bare->strand->top;
    hawser_stream *stream = stream_of_several(bare, id, unidirectional);

    if (!stream) {
        (void)top->type->streams->reset(top, id, 0);
        return;
    }
    top->type->streams->set_user(top, id, stream);
    stream_several_opened(stream); /* what nobody takes is reset by its last reference */
}

static void tell_one(hawser_stream *stream, unsigned ready, bool reset, uint64_t code)
{
    stream->refs++; /* while its handlers run */
    if (reset)
        (void)bare_streams_reset(stream, code);
    if ((ready & LAYER_READABLE) && stream->bare)
        stream_bare_ready(stream, HAWSER_STREAM_READABLE);
    if ((ready & LAYER_WRITABLE) && stream->bare)
        stream_bare_ready(stream, HAWSER_STREAM_WRITABLE);
    stream_let_go(stream);
}

ssize_t bare_streams_news(struct bare *bare)
{
    const struct layer_streams *streams;
    uint64_t id, code;
    void *user;
    unsigned ready;
    bool reset, unidirectional;
    int r = -EAGAIN;

    while ((streams = streams_of(bare)) && !bare->association->ended &&
           (r = streams->accept(bare->strand->top, &id, &unidirectional)) == 0)
        accept_one(bare, id, unidirectional);
    while ((streams = streams_of(bare)) && !bare->association->ended &&
           streams->news(bare->strand->top, &id, &user, &ready, &reset, &code))
        if (user)
            tell_one(user, ready, reset, code);
        else if (reset) /* the program's handle is gone, and nobody else lets go of it */
            (void)streams->reset(bare->strand->top, id, code);
    return streams_of(bare) ? r : -EAGAIN;
}

/* Both directions of a stream are over: the program hears of it once, in dispatch. */
void bare_streams_over(hawser_stream *stream)
{
    if (!stream->bare || stream->over || !(stream->shut || stream->peers_only) ||
        !(stream->at_end || stream->ours_only))
        return;
    stream->over = true;
    association_wake(stream->association);
}

/* The layer may have it for longer, until all is acknowledged, and a peer can still make news of it. */
static void forget_user(struct bare *bare, const hawser_stream *stream)
{
    const struct layer_streams *streams = streams_of(bare);

    if (streams)
        streams->set_user(bare->strand->top, stream->id, NULL);
}

void bare_streams_tell_over(struct bare *bare)
{
    struct list *at = bare->association->streams.next;

    while (at != &bare->association->streams) {
        hawser_stream *stream = container_of(at, hawser_stream, link);

        at = at->next;
        if (!stream->over || !stream->bare)
            continue;
        forget_user(bare, stream);
        stream_bare_closed(stream, stream->over_by_reset, stream->over_code);
        at = bare->association->streams.next; /* a handler may have done anything */
    }
}
