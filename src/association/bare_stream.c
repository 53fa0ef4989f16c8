/* SPDX-License-Identifier: Apache-2.0 */
/* A bare association without a framer as what it is on the wire: one stream, and the line ends with it. */
#include <sys/socket.h>

#include "association/bare_line.h"
#include "association/properties.h"
#include "association/stream.h"

#define RING (256u << 10) /* received and not yet read by the program */

static int refuse(const struct bare *bare, int code, const char *why)
{
    loop_log(bare->association->context, HAWSER_LOG_WARNING, "%s: no stream: %s",
             hawser_association_endpoint(bare->association), why);
    return code;
}

static bool has_no_framer(const struct bare *bare)
{
    const hawser_framer *framer = bare->framer;

    return !framer || (!framer->decode && !framer->encode && !framer->before && !framer->after);
}

int bare_stream_open(struct bare *bare, hawser_stream *stream, uint64_t limit)
{
    int r;

    if (bare->undecided)
        return -EAGAIN;
    if (bare->datagrams)
        return refuse(bare, -EOPNOTSUPP, "a line of datagrams has none");
    if (!has_no_framer(bare))
        return refuse(bare, -EOPNOTSUPP, "its framer makes messages of what goes over the line");
    if (bare->stream_was || bare->in_id > 0)
        return refuse(bare, -EBUSY, "a bare line has one stream, and it is taken");
    if (bare->closing || bare->no_more)
        return -ESHUTDOWN;
    r = limit ? bare_stream_pace(bare, limit) : 0;
    if (r < 0)
        return r;
    bare->ring = malloc(RING);
    if (!bare->ring)
        return -ENOMEM;
    bare->stream = stream;
    bare->stream_was = true;
    stream->bare = bare;
    stream->id = 1;
    bare->stream_read_wanted = true;
    association_wake(bare->association);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ reading */

size_t bare_stream_room(const struct bare *bare)
{
    return bare->stream ? RING - bare->ring_size : 0;
}

int bare_stream_push(struct bare *bare, const uint8_t *data, size_t size)
{
    if (size > bare_stream_room(bare))
        return -ENOBUFS;
    if (size > RING - bare->ring_at - bare->ring_size) {
        memmove(bare->ring, bare->ring + bare->ring_at, bare->ring_size);
        bare->ring_at = 0;
    }
    if (size)
        memcpy(bare->ring + bare->ring_at + bare->ring_size, data, size);
    bare->ring_size += size;
    return 0;
}

ssize_t bare_stream_read(struct bare *bare, void *buffer, size_t size)
{
    if (bare->ring_size == 0 && bare->end_told)
        return 0;
    if (size > bare->ring_size)
        size = bare->ring_size;
    if (size == 0) {
        bare->stream_read_wanted = true;
        return -EAGAIN;
    }
    memcpy(buffer, bare->ring + bare->ring_at, size);
    bare->ring_at += size;
    bare->ring_size -= size;
    if (bare->ring_size == 0)
        bare->ring_at = 0;
    association_wake(bare->association); /* there is room again */
    return (ssize_t)size;
}

/* ------------------------------------------------------------------------------------------------------------ writing */

ssize_t bare_stream_write(struct bare *bare, const void *data, size_t size)
{
    uint64_t held = bare->stream_out_end - bare->stream_out_at;
    struct piece *piece;

    if (held >= BARE_PARTS_MAX) {
        bare->stream_write_wanted = true;
        return -EAGAIN;
    }
    if (size > BARE_PARTS_MAX - held)
        size = (size_t)(BARE_PARTS_MAX - held);
    if (size == 0)
        return 0;
    piece = malloc(sizeof *piece + size);
    if (!piece)
        return -ENOMEM;
    piece->offset = bare->stream_out_end;
    piece->size = size;
    memcpy(piece->bytes, data, size);
    list_append(&bare->stream_out, &piece->link);
    bare->stream_out_end += size;
    association_wake(bare->association);
    return (ssize_t)size;
}

const uint8_t *bare_stream_bytes(struct bare *bare, size_t *ret_size)
{
    struct piece *piece;
    size_t skip;

    if (list_empty(&bare->stream_out))
        return NULL;
    piece = list_first(&bare->stream_out, struct piece, link);
    skip = (size_t)(bare->stream_out_at - piece->offset);
    *ret_size = piece->size - skip;
    return piece->bytes + skip;
}

void bare_stream_taken(struct bare *bare, size_t size)
{
    struct piece *piece = list_first(&bare->stream_out, struct piece, link);

    bare->stream_out_at += size;
    bare->statistics.bytes_sent += size;
    if (bare->stream_out_at < piece->offset + piece->size)
        return;
    list_remove(&piece->link);
    free(piece);
}

int bare_stream_shutdown(struct bare *bare)
{
    bare->stream_shut = true;
    association_wake(bare->association);
    return 0;
}

/* The line is the stream: one cannot be given up without the other. */
int bare_stream_reset(struct bare *bare)
{
    return hawser_abort(bare->association, 0, "its stream was reset");
}

uint64_t bare_stream_rate(const struct bare *bare)
{
    return bare->stream_rate;
}

/* The system paces what it sends. */
int bare_stream_pace(struct bare *bare, uint64_t bits_per_second)
{
    uint64_t most = properties_pace(bare->association, bits_per_second), rate = most ? most / 8 : UINT64_MAX;
    int fd = bare->strand && bare->strand->top ? layer_descriptor(bare->strand->top) : -1;
    int domain = 0;
    socklen_t size = sizeof domain;

    bare->stream_rate = bits_per_second;
    if (fd < 0)
        return 0; /* when it begins */
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return -errno;
    if (domain == AF_UNIX)
        return bits_per_second ? refuse(bare, -EOPNOTSUPP, "nothing limits the rate of a unix socket") : 0;
    return setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate) < 0 ? -errno : 0;
}

/* -------------------------------------------------------------------------------------------------------------- ends */

void bare_stream_news(struct bare *bare)
{
    hawser_stream *stream = bare->stream;

    if (stream && bare->stream_read_wanted && (bare->ring_size > 0 || bare->end_told)) {
        bare->stream_read_wanted = false;
        stream_bare_ready(stream, HAWSER_STREAM_READABLE);
    }
    if (bare->stream && bare->stream_write_wanted && bare->stream_out_end - bare->stream_out_at <= BARE_PARTS_MAX / 2) {
        bare->stream_write_wanted = false;
        stream_bare_ready(bare->stream, HAWSER_STREAM_WRITABLE);
    }
    if (bare->stream && bare->end_told && bare->ring_size == 0 && bare->strand && bare->strand->shut)
        bare_stream_end(bare, false);
}

void bare_stream_end(struct bare *bare, bool reset)
{
    hawser_stream *stream = bare->stream;

    if (!stream)
        return;
    bare->stream = NULL;
    stream_bare_closed(stream, reset, 0);
}

void bare_stream_free(struct bare *bare)
{
    bare_stream_end(bare, true);
    while (!list_empty(&bare->stream_out)) {
        struct piece *piece = list_first(&bare->stream_out, struct piece, link);

        list_remove(&piece->link);
        free(piece);
    }
    free(bare->ring);
}
