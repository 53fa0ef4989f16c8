/* SPDX-License-Identifier: Apache-2.0 */
/* Messages over a byte stream, as a careful programmer writes it by hand: epoll, a 4-byte length before each message,
 * small messages coalesced, large ones read and written where they lie. Shared by raw TCP and GnuTLS. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "common.h"

#include <sys/types.h>

#define STREAM_SCRATCH ((size_t)256 << 10)

struct conn;

/* What differs between the two. send and recv return bytes, 0 at the end (recv), or -errno; -EAGAIN when it must wait. */
struct stream_ops {
    struct program program;
    size_t chunk;  /* how much is coalesced before it is sent */
    size_t direct; /* from this size on, bytes are sent from where they lie */
    bool fill;     /* a chunk is filled up to the last byte before a direct send, so that no short record goes out */
    void (*init)(const struct options *o);
    int (*open)(struct conn *c, const struct options *o);
    int (*handshake)(struct conn *c); /* 0, -EAGAIN, or an error */
    ssize_t (*send)(struct conn *c, const void *data, size_t size, bool more);
    ssize_t (*recv)(struct conn *c, void *data, size_t size);
    void (*close)(struct conn *c);
};

struct stream;

struct conn {
    struct stream *stream;
    void *session; /* of the ops */
    int fd;
    bool ready;       /* the handshake is done */
    bool drained;     /* set by ops->recv: nothing more to read now */
    bool wants_write; /* EPOLLOUT is armed */
    bool resumed;
    bool large_before; /* the last message was large: read the next header alone, and the rest to its place */
    bool closed;
    bool busy; /* `growth`: an echo is outstanding */
    uint8_t *out;
    size_t out_from, out_to;
    const uint8_t *rest; /* of the message being queued; borrowed */
    size_t rest_size;
    uint8_t *kept; /* the start of a message that is not whole */
    size_t kept_size;
    uint8_t *large;
    size_t large_room, large_size, large_have;
    struct conn *next_closed;
};

struct stream {
    const struct stream_ops *ops;
    const struct options *options;
    int epoll, listener;
    uint8_t *scratch;
    uint8_t *spare; /* an output buffer nobody uses */
    struct conn *closed;
    /* Called once per message, data valid during the call. */
    void (*on_message)(struct conn *c, const uint8_t *data, size_t size);
    void (*on_ready)(struct conn *c);
    void (*on_writable)(struct conn *c);
    void (*on_end)(struct conn *c); /* the peer has closed; closes ours */
    void *user;
};

void stream_init(struct stream *s, const struct stream_ops *ops, const struct options *o);
uint16_t stream_listen(struct stream *s);
struct conn *stream_connect(struct stream *s);

/* Waits for something to happen and deals with it. */
void stream_turn(struct stream *s);

/* Takes the whole message, or answers false: then call again when on_writable says so. Large messages are borrowed. */
bool conn_queue(struct conn *c, const void *data, size_t size);

/* Sends what is coalesced; false when some of it has to wait. */
bool conn_flush(struct conn *c);

void conn_close(struct conn *c);

/* Inside the stream: goes on with what is queued (true: all of it is coalesced or sent); reads what is there. */
bool conn_push(struct conn *c);
void conn_read(struct conn *c);
void conn_wait_writable(struct conn *c);

int stream_server(const struct stream_ops *ops, const struct options *o);
int stream_client(const struct stream_ops *ops, const struct options *o);
int stream_main(const struct stream_ops *ops, int argc, char **argv);

#endif
