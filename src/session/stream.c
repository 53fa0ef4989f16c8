/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: their life, and their sending side with reserved and limited bandwidth (S2.38, S2.46). */
#include "session/internal.h"

#define SCALE 1000000
#define BURST_TIME 20000    /* microseconds of bandwidth that a limited stream may save up */
#define RESERVE_TIME 250000 /* a reservation outlasts a large message's frame in between */
#define WORTH_SENDING 4096  /* bytes a limited stream waits for, so that it does not dribble */

static int stream_compare(const struct session_stream *a, const struct session_stream *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE(stream_tree, session_stream, entry, stream_compare)

struct session_stream *stream_find(struct session *session, uint64_t id)
{
    struct session_stream key = {.id = id};
    return RB_FIND(stream_tree, &session->streams, &key);
}

struct session_stream *stream_new(struct session *session, uint64_t id, bool local)
{
    struct session_stream *stream = memory_allocate_zero(session->memory, sizeof *stream);
    if (!stream)
        return NULL;
    stream->session = session;
    stream->id = id;
    stream->local = local;
    stream->class = CLASS_NORMAL;
    stream->end = UINT64_MAX;
    stream->credit = stream->allowed = stream->told = stream->window = BEFORE_FLOW_CREDIT;
    list_init(&stream->link);
    list_init(&stream->reserved);
    list_init(&stream->news);
    pieces_init(&stream->pieces);
    range_set_init(&stream->again, session->memory);
    range_set_init(&stream->acked, session->memory);
    range_set_init(&stream->have, session->memory);
    RB_INSERT(stream_tree, &session->streams, stream);
    return stream;
}

int session_stream_open(struct session *session, int niceness, int64_t now, struct session_stream **ret_stream)
{
    session->now = now;
    if (niceness < -100 || niceness > 155)
        return -EINVAL;
    if (session->closing || session->peer_closed || session->ended)
        return -ESHUTDOWN;
    struct session_stream *stream = stream_new(session, session->next_stream, true);
    if (!stream)
        return -ENOMEM;
    session->next_stream += 2;
    stream->class = (uint8_t)(niceness + CLASS_NORMAL);
    stream_wake(stream); /* the peer learns of it even while nothing is written */
    *ret_stream = stream;
    return 0;
}

uint64_t session_stream_id(const struct session_stream *stream)
{
    return stream->id;
}

void session_stream_set_user(struct session_stream *stream, void *user)
{
    stream->user = user;
}

void *session_stream_user(const struct session_stream *stream)
{
    return stream->user;
}

/* ---- writing */

int64_t session_stream_write(struct session_stream *stream, const void *data, size_t size, int64_t now)
{
    struct session *session = stream->session;
    session->now = now;
    if (stream->reset || stream->dead)
        return -ECONNRESET;
    if (stream->shut || session->ended)
        return -EPIPE;
    uint64_t held = stream->pieces.end - stream->pieces.released;
    if (size == 0)
        return 0;
    if (held >= STREAM_SEND_MAX) {
        stream->want_write = true;
        return -EAGAIN;
    }
    if (size > STREAM_SEND_MAX - held)
        size = (size_t)(STREAM_SEND_MAX - held);
    int r = pieces_add(session->memory, &stream->pieces, data, size);
    if (r < 0)
        return r;
    session->statistics.bytes_sent += size;
    stream_wake(stream);
    return (int64_t)size;
}

int session_stream_shutdown(struct session_stream *stream)
{
    if (stream->reset || stream->dead)
        return -ECONNRESET;
    if (!stream->shut) {
        stream->shut = true;
        stream_wake(stream);
    }
    return 0;
}

int session_stream_renice(struct session_stream *stream, int niceness)
{
    if (niceness < -100 || niceness > 155)
        return -EINVAL;
    unschedule_stream(stream);
    stream->class = (uint8_t)(niceness + CLASS_NORMAL);
    stream_wake(stream);
    return 0;
}

int session_stream_set_bandwidth(struct session_stream *stream, uint64_t bandwidth, bool limit, int64_t now)
{
    if ((limit && bandwidth == 0) || bandwidth / 8 > INT64_MAX / (SCALE * UINT64_C(100)))
        return -EINVAL;
    stream->session->now = now;
    unschedule_stream(stream);
    stream->bandwidth = bandwidth / 8;
    if (limit && stream->bandwidth == 0)
        stream->bandwidth = 1;
    stream->limit = limit;
    stream->tokens = 0;
    stream->tokens_at = now;
    stream_wake(stream);
    return 0;
}

/* ---- what may be sent */

void stream_count_tokens(struct session_stream *stream, int64_t now)
{
    int64_t saved = stream->limit ? BURST_TIME : RESERVE_TIME;
    tokens_count(&stream->tokens, &stream->tokens_at, stream->bandwidth, saved, now);
}

static uint64_t unsent(const struct session_stream *stream)
{
    uint64_t end = stream->pieces.end < stream->credit ? stream->pieces.end : stream->credit;
    return end > stream->sent ? end - stream->sent : 0;
}

uint64_t stream_waits(const struct session_stream *stream)
{
    uint64_t first, end;
    bool again = range_set_next(&stream->again, stream->pieces.released, &first, &end);
    return unsent(stream) + (again ? end - first : 0);
}

static bool has_work(const struct session_stream *stream)
{
    if (stream->reset || stream->dead)
        return false;
    return (stream->local && !stream->opened) || stream->again.count || stream->fin_again || unsent(stream) ||
           (stream->shut && !stream->fin_sent && stream->sent == stream->pieces.end);
}

uint64_t stream_sendable(const struct session_stream *stream, bool reserved)
{
    if (!has_work(stream))
        return 0;
    if (!stream->bandwidth || !(reserved || stream->limit))
        return UINT64_MAX;
    uint64_t tokens = stream->tokens > 0 ? (uint64_t)stream->tokens / SCALE : 0;
    uint64_t waiting = unsent(stream) + (stream->again.count ? WORTH_SENDING : 0);
    if (waiting == 0 || tokens >= WORTH_SENDING || tokens >= waiting)
        return tokens ? tokens : waiting == 0;
    return 0;
}

int64_t stream_limit_due(const struct session_stream *stream)
{
    uint64_t waiting = unsent(stream) + (stream->again.count ? WORTH_SENDING : 0);
    if (waiting == 0 && !has_work(stream))
        return NEVER;
    int64_t need = (int64_t)(waiting < WORTH_SENDING ? waiting : WORTH_SENDING) * SCALE - stream->tokens;
    if (need <= 0)
        return stream->session->now;
    return stream->tokens_at + need / (int64_t)stream->bandwidth + 1;
}

void stream_wake(struct session_stream *stream)
{
    if (has_work(stream))
        schedule_stream(stream->session, stream);
}

/* ---- ends */

static void stream_free(struct session_stream *stream)
{
    struct session *session = stream->session;
    pieces_release(session->memory, &stream->pieces, UINT64_MAX);
    range_set_clear(&stream->again);
    range_set_clear(&stream->acked);
    session->gaps -= stream->have.count;
    range_set_clear(&stream->have);
    memory_release(session->memory, stream->ring, stream->ring_capacity);
    list_remove(&stream->news);
    memory_release(session->memory, stream, sizeof *stream);
}

/* Takes a stream out of everything. A strand may still be sending from it: then it is freed when that ends. */
static void stream_forget(struct session_stream *stream)
{
    struct session *session = stream->session;
    stall_ends(session, &stream->stalled_at);
    unschedule_stream(stream);
    if (stream->filling)
        lanes_skip(session, NULL, stream);
    if (stream->credit_wanted)
        session->streams_wanting--;
    if (stream->reset_wanted)
        session->streams_wanting--;
    RB_REMOVE(stream_tree, &session->streams, stream);
    session->reserve_free += stream->reserved_window;
    session->statistics.reserved_bytes -= stream->reserved_window;
    if (!stream->local) /* charged when the first was heard of it */
        credit_return(session, MESSAGE_COST + BEFORE_FLOW_CREDIT);
    stream->dead = true;
    if (stream->pins)
        list_append(&session->graveyard, &stream->link);
    else
        stream_free(stream);
    reserve_grant(session);
}

void stream_unpin(struct session_stream *stream)
{
    if (--stream->pins)
        return;
    if (stream->dead) {
        list_remove(&stream->link);
        stream_free(stream);
        return;
    }
    pieces_release_acked(stream->session->memory, &stream->pieces, &stream->acked);
    stream_room_check(stream);
    stream_ended_check(stream);
    stream_wake(stream);
}

void stream_room_check(struct session_stream *stream)
{
    if (!stream->want_write || stream->pieces.end - stream->pieces.released >= STREAM_SEND_MAX / 2)
        return;
    stream->want_write = false;
    stream->news_writable = true;
    stream_news(stream);
}

void stream_news(struct session_stream *stream)
{
    if (!list_linked(&stream->news))
        list_append(&stream->session->stream_news, &stream->news);
}

/* All that we send on it has come; in its own order only on a strand of bytes. */
static bool sending_done(const struct session_stream *stream)
{
    return stream->fin_acked && (stream->first_acked || !stream->local) &&
           stream->pieces.released == stream->pieces.end;
}

void stream_ended_check(struct session_stream *stream)
{
    bool sent = sending_done(stream);
    bool known = stream->local || stream->opened; /* its end may overtake its beginning */
    bool read = known && stream->consumed == stream->end;
    if ((stream->reset && !stream->reset_wanted) || (sent && read)) {
        stream->news_closed = true;
        stream_news(stream);
    }
}

int session_stream_reset(struct session_stream *stream, uint64_t code)
{
    struct session *session = stream->session;
    if (stream->reset || stream->dead)
        return -ECONNRESET;
    unschedule_stream(stream);
    stream->reset = true;
    stream->reset_code = code;
    if (session->ended || (stream->local && !stream->paid)) { /* the peer has not heard of it */
        stream_ended_check(stream);
        return 0;
    }
    stream->reset_wanted = true;
    session->streams_wanting++;
    units_useless_check(session);
    return 0;
}

void stream_tell_news(struct session *session)
{
    while (!list_empty(&session->stream_news)) {
        struct session_stream *stream = list_first(&session->stream_news, struct session_stream, news);
        list_remove(&stream->news);
        bool readable = stream->news_readable, writable = stream->news_writable, closed = stream->news_closed;
        stream->news_readable = stream->news_writable = stream->news_closed = false;
        if (!stream->local && !stream->opened) { /* its beginning has not come: the program does not know it */
            if (closed)
                stream_forget(stream);
            continue;
        }
        if (closed && !stream->closed_told) {
            stream->closed_told = true;
            session->handler->stream_closed(session->user, stream, stream->reset, stream->reset_code);
            stream_forget(stream);
            continue;
        }
        uint64_t id = stream->id;
        if (readable)
            session->handler->stream_readable(session->user, stream);
        if (writable && stream_find(session, id) == stream)
            session->handler->stream_writable(session->user, stream);
    }
}

void streams_shut(struct session *session)
{
    struct session_stream *stream;
    RB_FOREACH(stream, stream_tree, &session->streams)
    session_stream_shutdown(stream);
}

bool streams_done(const struct session *session)
{
    struct session_stream *stream;
    RB_FOREACH(stream, stream_tree, (struct stream_tree *)(uintptr_t)&session->streams)
    {
        if (stream->reset)
            continue;
        if (!sending_done(stream))
            return false;
        /* One that it learned of after its CLOSE: its end of that may have been overtaken by it. */
        if (session->peer_closed && stream->end == UINT64_MAX)
            return false;
    }
    return session->streams_wanting == 0;
}

void streams_end(struct session *session, bool clean)
{
    struct session_stream *stream;
    RB_FOREACH(stream, stream_tree, &session->streams)
    {
        unschedule_stream(stream);
        if (!clean || stream->end == UINT64_MAX)
            stream->reset = true;
        stream->reset_wanted = stream->credit_wanted = false;
        stream->news_closed = true;
        stream_news(stream);
    }
    session->streams_wanting = 0;
}

void streams_free_all(struct session *session)
{
    struct session_stream *stream, *next;
    for (stream = RB_MIN(stream_tree, &session->streams); stream; stream = next) {
        next = RB_NEXT(stream_tree, &session->streams, stream);
        RB_REMOVE(stream_tree, &session->streams, stream);
        stream_free(stream);
    }
    while (!list_empty(&session->graveyard)) {
        stream = list_first(&session->graveyard, struct session_stream, link);
        list_remove(&stream->link);
        stream_free(stream);
    }
}
