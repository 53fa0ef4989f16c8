/* SPDX-License-Identifier: Apache-2.0 */
/* The program's own streams. What is sent is copied and stays until it is acknowledged; what comes waits until it is read,
 * and only then gives the peer room for more (RFC 9000 section 4). */
#include "layer/quic_streams.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK 16384
#define OUT_MAX (512u << 10) /* bytes of one stream that are not acknowledged */
#define PIECES 8

struct chunk {
    struct list link;
    uint32_t size, at; /* at: read, or acknowledged */
    uint8_t data[CHUNK];
};

struct quic_stream {
    RB_ENTRY(quic_stream) node;
    struct list turn;    /* in the queue of those that have something to send */
    struct list news;    /* of those that have something to tell */
    struct list arrival; /* of those that nobody accepted yet */
    struct list in, out; /* chunks */
    int64_t id;
    void *user;
    uint64_t acked, written, given; /* offsets: acknowledged, in packets, taken from the user */
    uint64_t code;
    unsigned ready;
    bool end_in : 1;   /* all has come */
    bool end_told : 1; /* and was read, or cannot come */
    bool end_out : 1;  /* the user sends no more */
    bool end_written : 1;
    bool end_settled : 1; /* or nobody wants it */
    bool reset : 1;       /* the peer did; to be told */
    bool short_of_room : 1;
    bool closed : 1; /* ngtcp2 has forgotten it */
    bool let_go : 1; /* the user has */
};

struct quic_streams {
    RB_HEAD(quic_stream_tree, quic_stream) tree;
    struct list turns, blocked, news, arrivals;
};

static int compare(const struct quic_stream *a, const struct quic_stream *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

TREE_GENERATE(quic_stream_tree, quic_stream, node, compare)

static void free_chunks(struct list *chunks)
{
    while (!list_empty(chunks)) {
        struct chunk *chunk = list_first(chunks, struct chunk, link);
        list_remove(&chunk->link);
        free(chunk);
    }
}

static void destroy(struct quic_streams *streams, struct quic_stream *stream)
{
    RB_REMOVE(quic_stream_tree, &streams->tree, stream);
    list_remove(&stream->turn);
    list_remove(&stream->news);
    list_remove(&stream->arrival);
    free_chunks(&stream->in);
    free_chunks(&stream->out);
    free(stream);
}

int quic_streams_begin(struct quic_layer *quic)
{
    struct quic_streams *streams = calloc(1, sizeof *streams);

    if (!streams)
        return -ENOMEM;
    RB_INIT(&streams->tree);
    list_init(&streams->turns);
    list_init(&streams->blocked);
    list_init(&streams->news);
    list_init(&streams->arrivals);
    quic->streams = streams;
    return 0;
}

void quic_streams_free(struct quic_layer *quic)
{
    struct quic_stream *stream;

    if (!quic->streams)
        return;
    while ((stream = RB_MIN(quic_stream_tree, &quic->streams->tree)))
        destroy(quic->streams, stream);
    free(quic->streams);
    quic->streams = NULL;
}

bool quic_streams_settled(const struct quic_layer *quic)
{
    struct quic_stream *stream;

    RB_FOREACH(stream, quic_stream_tree, &quic->streams->tree)
    if (!stream->closed && !stream->end_settled && (stream->acked < stream->given || stream->end_out))
        return false;
    return true;
}

static struct quic_stream *find(const struct quic_layer *quic, uint64_t id)
{
    struct quic_stream sought = {.id = (int64_t)id};
    struct quic_stream *stream = quic->streams ? RB_FIND(quic_stream_tree, &quic->streams->tree, &sought) : NULL;

    return stream && !stream->let_go ? stream : NULL;
}

static bool is_local(const struct quic_layer *quic, int64_t id)
{
    return ((id & 1) != 0) == quic->secure.is_server;
}

static bool is_uni(int64_t id)
{
    return id & 2;
}

static struct quic_stream *make(struct quic_layer *quic, int64_t id)
{
    struct quic_stream *stream = calloc(1, sizeof *stream);

    if (!stream)
        return NULL;
    list_init(&stream->turn);
    list_init(&stream->news);
    list_init(&stream->arrival);
    list_init(&stream->in);
    list_init(&stream->out);
    stream->id = id;
    if (is_uni(id) && is_local(quic, id))
        stream->end_told = true;
    else if (is_uni(id))
        stream->end_settled = true;
    RB_INSERT(quic_stream_tree, &quic->streams->tree, stream);
    return stream;
}

/* Forgets a stream that both ends and the user are done with; the peer may then open another. */
static void finish(struct quic_layer *quic, struct quic_stream *stream)
{
    if (!stream->closed || (!stream->let_go && (!stream->end_told || !stream->end_settled || stream->reset)))
        return;
    if (!is_local(quic, stream->id) && is_uni(stream->id))
        ngtcp2_conn_extend_max_streams_uni(quic->conn, 1);
    else if (!is_local(quic, stream->id))
        ngtcp2_conn_extend_max_streams_bidi(quic->conn, 1);
    destroy(quic->streams, stream);
    quic_later(quic);
}

static void tell(struct quic_layer *quic, struct quic_stream *stream, unsigned ready)
{
    if (stream->let_go)
        return;
    stream->ready |= ready;
    if (!list_linked(&stream->news))
        list_append(&quic->streams->news, &stream->news);
    quic_tell(quic, LAYER_READABLE);
}

/* ------------------------------------------------------------------------------------------------------- from ngtcp2 */

int quic_streams_opened(struct quic_layer *quic, int64_t id)
{
    struct quic_stream *stream = make(quic, id);

    if (!stream || ngtcp2_conn_set_stream_user_data(quic->conn, id, stream) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    list_append(&quic->streams->arrivals, &stream->arrival);
    quic_tell(quic, LAYER_READABLE);
    return 0;
}

static int append(struct list *chunks, const uint8_t *data, size_t size)
{
    while (size > 0) {
        struct chunk *chunk = list_empty(chunks) ? NULL : container_of(chunks->prev, struct chunk, link);
        size_t some;

        if (!chunk || chunk->size == CHUNK) {
            chunk = malloc(sizeof *chunk);
            if (!chunk)
                return -ENOMEM;
            chunk->size = chunk->at = 0;
            list_append(chunks, &chunk->link);
        }
        some = size < CHUNK - chunk->size ? size : CHUNK - chunk->size;
        memcpy(chunk->data + chunk->size, data, some);
        chunk->size += (uint32_t)some;
        data += some;
        size -= some;
    }
    return 0;
}

int quic_streams_data(struct quic_layer *quic, struct quic_stream *stream, const void *data, size_t size, bool end)
{
    if (!stream || stream->let_go) {
        ngtcp2_conn_extend_max_offset(quic->conn, size);
        return 0;
    }
    if (append(&stream->in, data, size) < 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    stream->end_in |= end;
    tell(quic, stream, LAYER_READABLE);
    return 0;
}

int quic_streams_reset_by_peer(struct quic_layer *quic, struct quic_stream *stream, uint64_t code)
{
    stream->reset = true;
    stream->code = code;
    stream->end_told = true;
    tell(quic, stream, LAYER_READABLE);
    return 0;
}

void quic_streams_stopped(struct quic_layer *quic, struct quic_stream *stream, uint64_t code)
{
    stream->reset = true;
    stream->code = code;
    stream->end_settled = true;
    list_remove(&stream->turn);
    tell(quic, stream, LAYER_WRITABLE);
}

void quic_streams_acked(struct quic_layer *quic, struct quic_stream *stream, uint64_t offset)
{
    while (!list_empty(&stream->out) && stream->acked < offset) {
        struct chunk *chunk = list_first(&stream->out, struct chunk, link);
        uint64_t left = chunk->size - chunk->at, some = offset - stream->acked < left ? offset - stream->acked : left;

        chunk->at += (uint32_t)some;
        stream->acked += some;
        if (chunk->at == chunk->size && (chunk->size == CHUNK || stream->acked == stream->given)) {
            list_remove(&chunk->link);
            free(chunk);
        }
    }
    if (stream->short_of_room && stream->given - stream->acked <= OUT_MAX / 2) {
        stream->short_of_room = false;
        tell(quic, stream, LAYER_WRITABLE);
    }
}

void quic_streams_room(struct quic_layer *quic, struct quic_stream *stream)
{
    (void)stream;
    quic_later(quic); /* the next round tries again those that were blocked */
}

int quic_streams_closed(struct quic_layer *quic, int64_t id, struct quic_stream *stream)
{
    (void)id;
    if (!stream)
        return 0;
    stream->closed = true;
    stream->end_settled = true;
    list_remove(&stream->turn);
    free_chunks(&stream->out);
    stream->acked = stream->written = stream->given;
    finish(quic, stream);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ writing */

/* The bytes behind what was written, as pieces; whether they are all there is. */
static bool gather(const struct quic_stream *stream, ngtcp2_vec pieces[PIECES], size_t *ret_count)
{
    uint64_t skip = stream->written - stream->acked, total = 0;

    *ret_count = 0;
    for (const struct list *at = stream->out.next; at != &stream->out && *ret_count < PIECES; at = at->next) {
        struct chunk *chunk = container_of(at, struct chunk, link);
        uint64_t left = chunk->size - chunk->at;

        if (skip >= left) {
            skip -= left;
            continue;
        }
        pieces[*ret_count].base = chunk->data + chunk->at + skip;
        pieces[*ret_count].len = left - skip;
        total += left - skip;
        (*ret_count)++;
        skip = 0;
    }
    return stream->written + total == stream->given;
}

static void wrote(struct quic_layer *quic, struct quic_stream *stream, size_t size, bool all)
{
    struct quic_streams *streams = quic->streams;

    stream->written += size;
    list_remove(&stream->turn);
    if (stream->written < stream->given)
        list_append(&streams->turns, &stream->turn); /* the others first */
    else if (all && stream->end_out)
        stream->end_written = true;
}

ngtcp2_ssize quic_streams_write(struct quic_layer *quic, ngtcp2_path_storage *path, ngtcp2_pkt_info *info,
                                uint8_t *data, size_t size, uint64_t now)
{
    struct quic_streams *streams = quic->streams;
    struct quic_stream *stream;
    ngtcp2_vec pieces[PIECES];
    ngtcp2_ssize taken = -1, n;
    size_t count;
    bool all;

    if (list_empty(&streams->turns))
        return ngtcp2_conn_writev_stream(quic->conn, &path->path, info, data, size, NULL, 0, -1, NULL, 0, now);
    stream = list_first(&streams->turns, struct quic_stream, turn);
    all = gather(stream, pieces, &count);
    n = ngtcp2_conn_writev_stream(quic->conn, &path->path, info, data, size, &taken,
                                  NGTCP2_WRITE_STREAM_FLAG_MORE |
                                      (all && stream->end_out ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0u),
                                  stream->id, pieces, count, now);
    if (taken >= 0)
        wrote(quic, stream, (size_t)taken, all);
    if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
        list_remove(&stream->turn);
        list_append(&streams->blocked, &stream->turn);
        return NGTCP2_ERR_WRITE_MORE;
    }
    /* The peer reads no more (RFC 9000 section 3.5), which ngtcp2 tells only here: what it sends may still come. */
    if (n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND) {
        list_remove(&stream->turn);
        stream->end_settled = true;
        tell(quic, stream, LAYER_WRITABLE);
        return NGTCP2_ERR_WRITE_MORE;
    }
    return n;
}

void quic_streams_retry(struct quic_layer *quic)
{
    list_splice(&quic->streams->turns, &quic->streams->blocked);
}

/* --------------------------------------------------------------------------------------------------------- the user's */

static bool is_open(const struct quic_layer *quic)
{
    return quic->streams && (quic->completed || quic->secure.early_open);
}

static int streams_open(struct layer *layer, bool unidirectional, void *user, uint64_t *ret_id)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_stream *stream;
    int64_t id;
    int code = layer_error(layer)->code, r;

    if (code < 0)
        return code;
    if (!quic->completed || !quic->streams)
        return -EAGAIN;
    if (quic->ended || quic->shutting)
        return -ESHUTDOWN;
    r = unidirectional ? ngtcp2_conn_open_uni_stream(quic->conn, &id, NULL)
                       : ngtcp2_conn_open_bidi_stream(quic->conn, &id, NULL);
    if (r == NGTCP2_ERR_STREAM_ID_BLOCKED)
        return -EAGAIN;
    stream = r == 0 ? make(quic, id) : NULL;
    if (!stream || ngtcp2_conn_set_stream_user_data(quic->conn, id, stream) != 0)
        return layer_fail(layer, -ENOMEM, "out of memory");
    stream->user = user;
    *ret_id = (uint64_t)id;
    return 0;
}

static int streams_accept(struct layer *layer, uint64_t *ret_id, bool *ret_unidirectional)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_stream *stream;

    if (!is_open(quic) || list_empty(&quic->streams->arrivals))
        return layer_error(layer)->code < 0 ? layer_error(layer)->code : quic->ended ? -ENODATA : -EAGAIN;
    stream = list_first(&quic->streams->arrivals, struct quic_stream, arrival);
    list_remove(&stream->arrival);
    *ret_id = (uint64_t)stream->id;
    *ret_unidirectional = is_uni(stream->id);
    return 0;
}

static void streams_set_user(struct layer *layer, uint64_t id, void *user)
{
    struct quic_stream *stream = find(quic_of(layer), id);

    if (stream)
        stream->user = user;
}

static ssize_t streams_send(struct layer *layer, uint64_t id, const void *data, size_t size, bool end)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_stream *stream = find(quic, id);
    int code = layer_error(layer)->code;
    size_t room;

    if (code < 0)
        return code;
    if (!stream)
        return -ENOENT;
    if (stream->end_out || stream->end_settled)
        return -EPIPE;
    room = OUT_MAX - (size_t)(stream->given - stream->acked);
    if (size > room) {
        stream->short_of_room = true;
        if (room == 0)
            return -EAGAIN;
        size = room;
        end = false;
    }
    if (append(&stream->out, data, size) < 0)
        return layer_fail(layer, -ENOMEM, "out of memory");
    stream->given += size;
    stream->end_out = end;
    if (!list_linked(&stream->turn) && (size > 0 || end))
        list_append(&quic->streams->turns, &stream->turn);
    quic_later(quic);
    return (ssize_t)size;
}

static void give_back(struct quic_layer *quic, const struct quic_stream *stream, size_t size)
{
    ngtcp2_conn_extend_max_offset(quic->conn, size);
    if (!stream->closed && !stream->end_in)
        ngtcp2_conn_extend_max_stream_offset(quic->conn, stream->id, size);
    quic_later(quic);
}

static ssize_t streams_receive(struct layer *layer, uint64_t id, void *buffer, size_t size)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_stream *stream = find(quic, id);
    uint8_t *to = buffer;
    size_t got = 0;

    if (!stream)
        return -ENOENT;
    while (got < size && !list_empty(&stream->in)) {
        struct chunk *chunk = list_first(&stream->in, struct chunk, link);
        size_t left = chunk->size - chunk->at, some = left < size - got ? left : size - got;

        memcpy(to + got, chunk->data + chunk->at, some);
        chunk->at += (uint32_t)some;
        got += some;
        if (chunk->at == chunk->size) {
            list_remove(&chunk->link);
            free(chunk);
        }
    }
    if (got > 0) {
        give_back(quic, stream, got);
        return (ssize_t)got;
    }
    if (stream->end_in) {
        stream->end_told = true;
        finish(quic, stream);
        return 0;
    }
    if (stream->reset)
        return -ECONNRESET;
    return layer_error(layer)->code < 0 ? layer_error(layer)->code : quic->ended ? -ECONNRESET : -EAGAIN;
}

static int streams_reset(struct layer *layer, uint64_t id, uint64_t code)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_stream *stream = find(quic, id);
    size_t unread = 0;

    if (!stream)
        return -ENOENT;
    if (!stream->closed) {
        quic_conn_reset_write(quic->conn, stream->id, code);
        quic_conn_stop_reading(quic->conn, stream->id, code);
    }
    for (const struct list *at = stream->in.next; at != &stream->in; at = at->next) {
        const struct chunk *chunk = container_of(at, struct chunk, link);
        unread += chunk->size - chunk->at;
    }
    ngtcp2_conn_extend_max_offset(quic->conn, unread);
    free_chunks(&stream->in);
    list_remove(&stream->turn);
    list_remove(&stream->news);
    list_remove(&stream->arrival);
    stream->let_go = true;
    finish(quic, stream);
    quic_later(quic);
    return 0;
}

static bool streams_news(struct layer *layer, uint64_t *ret_id, void **ret_user, unsigned *ret_ready, bool *ret_reset,
                         uint64_t *ret_code)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_stream *stream;

    if (!is_open(quic) || list_empty(&quic->streams->news))
        return false;
    stream = list_first(&quic->streams->news, struct quic_stream, news);
    list_remove(&stream->news);
    *ret_id = (uint64_t)stream->id;
    *ret_user = stream->user;
    *ret_ready = stream->ready;
    *ret_reset = stream->reset;
    *ret_code = stream->code;
    stream->ready = 0;
    return true;
}

const struct layer_streams quic_streams_table = {
    .open = streams_open,
    .accept = streams_accept,
    .set_user = streams_set_user,
    .send = streams_send,
    .receive = streams_receive,
    .reset = streams_reset,
    .news = streams_news,
};
