/* SPDX-License-Identifier: Apache-2.0 */
/* Streams. (S2.38, S2.45 to S2.47) */
#include "association/stream.h"

#include "association/bare.h"
#include "association/properties.h"

/* --------------------------------------------------------------------------------------------------------------- life */

static int stream_new(hawser_association *association, struct session_stream *session, hawser_stream **ret_stream)
{
    hawser_stream *stream = calloc(1, sizeof *stream);

    if (!stream)
        return -ENOMEM;
    stream->association = association;
    stream->session = session;
    if (session) {
        stream->id = session_stream_id(session);
        session_stream_set_user(session, stream);
    }
    list_append(&association->streams, &stream->link);
    association_hold(association);
    *ret_stream = stream;
    return 0;
}

static void stream_free_unused(hawser_stream *stream)
{
    hawser_association *association = stream->association;

    if (stream->refs > 0 || stream_is_open(stream))
        return;
    list_remove(&stream->link);
    free(stream);
    association_let_go(association);
}

hawser_association *stream_association(const hawser_stream *stream)
{
    return stream->association;
}

/* The session has no more of it; the program may still hold the handle. */
static void stream_detach(hawser_stream *stream)
{
    list_remove(&stream->link);
    stream->session = NULL;
    stream->bare = NULL;
    stream_free_unused(stream);
}

void stream_handles_end(hawser_association *association)
{
    while (!list_empty(&association->streams)) {
        hawser_stream *stream = list_first(&association->streams, hawser_stream, link);

        if (stream_is_open(stream))
            stream->was_reset = !stream->at_end;
        stream->refs++;
        if (stream->pump)
            pump_stream_closed(stream->pump, stream->was_reset);
        stream->refs--;
        stream_detach(stream);
    }
}

static int stream_check(const hawser_stream *stream)
{
    int r = association_check(stream->association);

    if (r < 0)
        return r;
    return stream_is_open(stream) ? 0 : stream->was_reset ? -ECONNRESET : -ENOTCONN;
}

/* A bare line is one stream, and nothing shares it: its niceness and a reservation change nothing, a limit is the system's. */
static int stream_open_bare(hawser_association *association, const hawser_stream_options *options,
                            hawser_stream **ret_stream)
{
    bool several = bare_several(association->bare);
    hawser_stream *stream;
    int r;

    if (options->unidirectional && !several)
        return -EOPNOTSUPP;
    if (options->limit && several)
        return -EOPNOTSUPP;
    r = stream_new(association, NULL, &stream);
    if (r < 0)
        return r;
    if (several) {
        r = bare_streams_open(association->bare, stream, options->unidirectional);
        stream->ours_only = options->unidirectional;
    } else {
        r = bare_stream_open(association->bare, stream, options->limit ? options->bandwidth : 0);
    }
    if (r < 0) {
        stream_detach(stream);
        return r;
    }
    stream->refs = 1;
    stream->user = options->user;
    *ret_stream = stream;
    return 0;
}

int hawser_open(hawser_association *association, const hawser_stream_options *given, hawser_stream **ret_stream)
{
    hawser_stream_options options;
    struct session_stream *session;
    hawser_stream *stream = NULL;
    int64_t now;
    int r;

    r = association_check(association);
    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r < 0)
        return r;
    if (!ret_stream || (options.limit && !options.bandwidth))
        return -EINVAL;
    if (association->bare && !association->ended && !association->abort_wanted)
        return stream_open_bare(association, &options, ret_stream);
    if (!association->session || association->ended || association->abort_wanted)
        return -ENOTCONN;
    if (options.unidirectional)
        return -EOPNOTSUPP; /* hawser/1 has streams of two directions alone */
    now = association_now(association);
    r = session_stream_open(association->session, options.niceness, now, &session);
    if (r < 0)
        return r;
    r = options.bandwidth ? session_stream_set_bandwidth(session, options.bandwidth, options.limit, now) : 0;
    if (r == 0)
        r = stream_new(association, session, &stream);
    if (r < 0) {
        session_stream_set_user(session, NULL);
        (void)session_stream_reset(session, 0);
        association_wake(association);
        return r;
    }
    stream->refs = 1;
    stream->user = options.user;
    *ret_stream = stream;
    association_wake(association);
    return 0;
}

hawser_stream *hawser_stream_ref(hawser_stream *stream)
{
    if (stream)
        stream->refs++;
    return stream;
}

void stream_let_go(hawser_stream *stream)
{
    if (--stream->refs > 0)
        return;
    /* One that has run to both its ends, or to the only one, leaves by itself, and its last bytes are not to be lost. */
    if (stream_is_open(stream) && !(stream->shut && (stream->at_end || stream->ours_only)) &&
        association_check(stream->association) == 0) {
        if (stream->one_of_several)
            bare_streams_leave(stream);
        else
            (void)hawser_stream_reset(stream, 0);
    }
    stream_free_unused(stream);
}

hawser_stream *hawser_stream_unref(hawser_stream *stream)
{
    if (stream)
        stream_let_go(stream);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- reading, writing */

ssize_t stream_take(hawser_stream *stream, void *buffer, size_t size)
{
    int r = association_check(stream->association);
    int64_t n;

    if (r < 0)
        return r;
    if (!stream_is_open(stream))
        return stream->was_reset ? -ECONNRESET : 0;
    if (stream->one_of_several && stream->ours_only)
        return 0;
    n = stream->one_of_several ? bare_streams_read(stream, buffer, size)
        : stream->bare         ? bare_stream_read(stream->bare, buffer, size)
                               : session_stream_read(stream->session, buffer, size);
    if (n == 0 && size > 0) {
        stream->at_end = true;
        if (stream->one_of_several)
            bare_streams_over(stream);
    }
    if (n >= 0)
        association_wake(stream->association); /* credit */
    return (ssize_t)n;
}

ssize_t stream_give(hawser_stream *stream, const void *data, size_t size)
{
    int r = stream_check(stream);
    int64_t n;

    if (r < 0)
        return r;
    if (stream->shut || stream->peers_only)
        return -EPIPE;
    if (stream->one_of_several)
        return bare_streams_write(stream, data, size);
    if (stream->bare)
        return bare_stream_write(stream->bare, data, size);
    n = session_stream_write(stream->session, data, size, association_now(stream->association));
    if (n > 0)
        association_wake(stream->association);
    return (ssize_t)n;
}

ssize_t hawser_stream_read(hawser_stream *stream, void *buffer, size_t size)
{
    return stream->pump ? -EBUSY : stream_take(stream, buffer, size);
}

ssize_t hawser_stream_write(hawser_stream *stream, const void *data, size_t size)
{
    return stream->pump ? -EBUSY : stream_give(stream, data, size);
}

static ssize_t stream_wait(hawser_stream *stream)
{
    int r = association_check(stream->association);

    return r < 0 ? r : hawser_iterate(stream->association->context, -1);
}

ssize_t hawser_read(hawser_stream *stream, void *buffer, size_t size)
{
    ssize_t n;

    hawser_stream_ref(stream);
    do {
        n = hawser_stream_read(stream, buffer, size);
    } while (n == -EAGAIN && (n = stream_wait(stream)) >= 0);
    hawser_stream_unref(stream);
    return n;
}

ssize_t hawser_write(hawser_stream *stream, const void *data, size_t size)
{
    size_t done = 0;
    ssize_t n = 0;

    hawser_stream_ref(stream);
    while (done < size && n >= 0) {
        n = hawser_stream_write(stream, (const uint8_t *)data + done, size - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == -EAGAIN)
            n = stream_wait(stream);
    }
    hawser_stream_unref(stream);
    return n < 0 ? n : (ssize_t)done;
}

int hawser_stream_shutdown(hawser_stream *stream)
{
    int r = stream_check(stream);

    if (r < 0)
        return r;
    if (stream->peers_only)
        return -EPIPE;
    r = stream->one_of_several ? bare_streams_shutdown(stream)
        : stream->bare         ? bare_stream_shutdown(stream->bare)
                               : session_stream_shutdown(stream->session);
    if (r == 0)
        stream->shut = true;
    association_wake(stream->association);
    if (stream->one_of_several && r == 0)
        bare_streams_over(stream);
    return r;
}

int hawser_stream_reset(hawser_stream *stream, uint64_t code)
{
    int r = stream_check(stream);

    if (r < 0)
        return r;
    if (stream->one_of_several) {
        hawser_association *association = stream->association;

        r = bare_streams_reset(stream, code);
        association_wake(association);
        return r;
    }
    r = stream->bare ? bare_stream_reset(stream->bare) : session_stream_reset(stream->session, code);
    association_wake(stream->association);
    return r;
}

int hawser_stream_renice(hawser_stream *stream, int niceness)
{
    int r = stream_check(stream);

    if (r < 0)
        return r;
    if (stream->bare)
        return niceness < -100 || niceness > 155 ? -EINVAL : 0; /* it is alone on its line */
    r = session_stream_renice(stream->session, niceness);
    association_wake(stream->association);
    return r;
}

int hawser_stream_set_bandwidth(hawser_stream *stream, uint64_t bandwidth, bool limit)
{
    int r = stream_check(stream);

    if (r < 0)
        return r;
    if (limit && !bandwidth)
        return -EINVAL;
    if (stream->one_of_several)
        return limit ? -EOPNOTSUPP : 0;
    if (stream->bare)
        return bare_stream_pace(stream->bare, limit ? bandwidth : 0);
    r = session_stream_set_bandwidth(stream->session, bandwidth, limit, association_now(stream->association));
    association_wake(stream->association);
    return r;
}

uint64_t hawser_stream_id(const hawser_stream *stream)
{
    return stream->id;
}

void hawser_stream_set_user(hawser_stream *stream, void *user)
{
    stream->user = user;
}

void *hawser_stream_user(const hawser_stream *stream)
{
    return stream->user;
}

/* -------------------------------------------------------------------------------------------------------------- events */

int hawser_register_stream(hawser_stream *stream, hawser_event_type type, hawser_handler handler, void *user)
{
    int r = association_check(stream->association);

    if (r < 0)
        return r;
    if (type < HAWSER_STREAM_READABLE || type > HAWSER_STREAM_CLOSED)
        return -EINVAL;
    stream->slots[type - HAWSER_STREAM_READABLE] = (struct slot){handler, user};
    return 0;
}

static void stream_raise(hawser_stream *stream, hawser_event_type type, uint64_t code)
{
    struct slot slot =
        type == HAWSER_STREAM_OPENED ? (struct slot){NULL, NULL} : stream->slots[type - HAWSER_STREAM_READABLE];
    hawser_event event = {.type = type};

    if (!slot.handler)
        slot = stream->association->slots[type];
    event.stream.stream = stream;
    event.stream.code = code;
    event_call(stream->association, slot, &event);
}

static unsigned peers_streams(const hawser_association *association)
{
    unsigned count = 0;

    for (const struct list *at = association->streams.next; at != &association->streams; at = at->next) {
        const hawser_stream *stream = container_of(at, hawser_stream, link);

        count += stream->peers && stream->session;
    }
    return count;
}

void stream_opened(hawser_association *association, struct session_stream *session)
{
    hawser_stream *stream;

    if (!properties_take_stream(association, association->properties ? peers_streams(association) : 0) ||
        stream_new(association, session, &stream) < 0) {
        session_stream_set_user(session, NULL);
        (void)session_stream_reset(session, 0);
        return;
    }
    /* Of an imported line ours are told as well. */
    stream->peers = (stream->id % 2 == 0) != session_is_opener(association->session);
    stream_raise(stream, HAWSER_STREAM_OPENED, 0);
    if (stream->refs == 0 && stream->session)
        (void)session_stream_reset(stream->session, 0); /* nobody took it */
}

void stream_ready(hawser_association *association, struct session_stream *session, hawser_event_type type)
{
    hawser_stream *stream = session_stream_user(session);

    (void)association;
    if (!stream || stream->refs == 0)
        return;
    if (stream->pump)
        pump_stream_ready(stream->pump);
    else
        stream_raise(stream, type, 0);
}

static void stream_tell_closed(hawser_stream *stream, bool reset, uint64_t code)
{
    stream->refs++; /* while its handlers run */
    if (stream->pump)
        pump_stream_closed(stream->pump, reset);
    if (stream->refs > 1)
        stream_raise(stream, HAWSER_STREAM_CLOSED, code);
    stream->refs--;
    stream_free_unused(stream);
}

void stream_closed(hawser_association *association, struct session_stream *session, bool reset, uint64_t code)
{
    hawser_stream *stream = session_stream_user(session);

    (void)association;
    if (!stream)
        return;
    stream->was_reset = reset;
    stream->session = NULL;
    stream_tell_closed(stream, reset, code);
}

void stream_bare_ready(hawser_stream *stream, hawser_event_type type)
{
    if (stream->refs == 0)
        return;
    if (stream->pump)
        pump_stream_ready(stream->pump);
    else
        stream_raise(stream, type, 0);
}

void stream_bare_closed(hawser_stream *stream, bool reset, uint64_t code)
{
    if (!stream->bare)
        return;
    stream->was_reset = reset;
    stream->bare = NULL;
    stream_tell_closed(stream, reset, code);
}

hawser_stream *stream_of_several(struct bare *bare, uint64_t id, bool unidirectional)
{
    hawser_association *association = bare_association(bare);
    hawser_stream *stream;

    if (stream_new(association, NULL, &stream) < 0)
        return NULL;
    stream->bare = bare;
    stream->one_of_several = stream->peers = true;
    stream->peers_only = unidirectional;
    stream->id = id;
    return stream;
}

void stream_several_opened(hawser_stream *stream)
{
    stream->refs++; /* while its handlers run */
    stream_raise(stream, HAWSER_STREAM_OPENED, 0);
    stream_let_go(stream);
}
