/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session: the protocol engine of an association (docs/protocol.md). It does no I/O, reads no clock and takes all
 * memory through its configuration; it can be run against a simulated network in simulated time.
 *
 * The user feeds it what strands received (session_space(), session_received()), pulls from it what a strand should
 * send (session_pull()), and calls session_tick() when session_due() has come (which may be now, after a pull). The session calls back through struct
 * session_handler, only from inside session_received(), session_tick(), session_strand_lost(), session_resume(),
 * session_abort() and session_flush_events(). A handler may call anything here but session_free().
 *
 * After anything that may have made something to send, session_wants_pull() tells for each strand.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hawser/errors.h>

#include "base/memory.h"

#define SESSION_SIZE_UNKNOWN UINT64_MAX
#define SESSION_ANTECEDENTS_MAX 64
#define SESSION_STRANDS_MAX 8
#define SESSION_HEAD_MAX 64                         /* bytes around a small message: type, length, id, flags, size */
#define SESSION_SMALL 16384                         /* a message up to this goes whole into one frame */
#define SESSION_CODE(n) ((UINT64_C(1) << 61) + (n)) /* the library's own end codes, docs/protocol.md section 8 */

#define SESSION_CODE_REFUSED_WITH(code) (SESSION_CODE(UINT64_C(1) << 32) + (code)) /* a listener's program's own */

enum session_code {
    SESSION_CODE_NONE,
    SESSION_CODE_PROTOCOL,
    SESSION_CODE_VERSION,
    SESSION_CODE_LIMIT,
    SESSION_CODE_REFUSED,
    SESSION_CODE_MEMORY,
    SESSION_CODE_IDLE,
    SESSION_CODE_DUPLICATE,
    SESSION_CODE_SHUTDOWN,
};

struct session;
struct session_strand;
struct session_stream;

enum session_outcome { /* how one of our messages ended */
                       SESSION_ACKED,
                       SESSION_EXPIRED,
                       SESSION_FAILED, /* code: -ECANCELED, -HAWSER_EREFUSED, -HAWSER_ELARGE, -HAWSER_ESOURCE, or why the session ended */
};

/* A message for the program. data is valid during the call. */
struct session_message {
    uint64_t id;
    const uint8_t *data; /* NULL when it went elsewhere (take_sink) */
    uint64_t size;
    uint64_t cost, reserved; /* of credit and memory: given back after the handler, unless it sets keep */
    void *block; /* the session's own memory that data is in, with block_size; NULL: in the receive buffer */
    size_t block_size;
    int niceness;
    int64_t age; /* microseconds, -1: no lifetime */
    uint64_t reply_to;
    bool ordered, antecedent_lost, early;
    /* The handler's answer: */
    bool keep;          /* both stay taken until session_return_credit() */
    bool taken;         /* block is now the handler's, to release through the same struct memory */
    const char *refuse; /* not NULL: the message counts as refused, for this reason */
};

/* What is known when a large message begins; the handler answers in take. */
enum session_take { SESSION_TAKE_WHOLE, SESSION_TAKE_INTO, SESSION_TAKE_PARTS, SESSION_TAKE_SINK, SESSION_TAKE_REFUSE };
struct session_arriving {
    uint64_t id;
    uint64_t size; /* or SESSION_SIZE_UNKNOWN */
    int niceness;
    uint64_t reply_to;
    /* The answer; SESSION_TAKE_WHOLE at first: */
    enum session_take take;
    uint8_t *buffer;    /* INTO: at least size bytes, valid until message() or abandoned() */
    void *sink;         /* SINK: handed to part() */
    const char *reason; /* REFUSE */
};

struct session_part { /* of a message taken in parts, in order */
    uint64_t id, offset;
    const uint8_t *data;
    size_t size;
    uint64_t total; /* or SESSION_SIZE_UNKNOWN */
    bool last;
    void *sink;
    const char *refuse; /* the handler's answer: not NULL gives the message up for this reason */
};

struct session_handler {
    void (*hello)(void *user); /* the peer's HELLO is in: session_peer_hello() */
    void (*message)(void *user, struct session_message *message);
    void (*arriving)(void *user, struct session_arriving *arriving);
    void (*part)(void *user,
                 struct session_part *part); /* PARTS and SINK; SINK is followed by message() with data NULL */
    void (*abandoned)(void *user, uint64_t id, enum session_outcome kind);
    /* Our messages first .. first + count - 1 ended. */
    void (*outcome)(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code, const char *reason,
                    bool maybe_delivered);
    void (*sent)(void *user, uint64_t id); /* with want_sent: its last byte was pulled */
    /* A message with a cookie ended (before its outcome() is told): the memory or source is free again. */
    void (*settled)(void *user, uint64_t id, void *cookie);
    void (*writable)(void *user); /* after -EAGAIN: the queue is below half */
    void (*stream_opened)(void *user, struct session_stream *stream);
    void (*stream_readable)(void *user, struct session_stream *stream);
    void (*stream_writable)(void *user, struct session_stream *stream);
    void (*stream_closed)(void *user, struct session_stream *stream, bool reset, uint64_t code); /* then it is gone */
    /* The end. code 0: both sides closed and all is settled. Outcomes of everything unsettled came before. The strands
     * still have to send what session_pull() gives (the last CLOSE, an ABORT). */
    void (*closed)(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason);
    /* Bytes of a message's source: those at offset, as many as lie together (*ret_size > 0); NULL with *ret_error 0: not
     * there yet, session_source_ready() follows; NULL with a negative *ret_error: the message fails. The pointer is used until
     * the next pull of the same strand. */
    const uint8_t *(*source)(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error);
    uint64_t (*random)(void *user);
    /* Nothing came on this strand for keep_alive + dead_after, though it was asked: the caller gives it up by
     * session_strand_lost(), at once or later. */
    void (*strand_silent)(void *user, struct session_strand *strand);
    /* The session ends while bulk bytes of this strand are being sent: their memory goes away when this returns. The
     * caller copies what is left of them, or sends nothing more on the strand. session_bulk_done() is not called for them. */
    void (*bulk_ends)(void *user, struct session_strand *strand);
};

struct session_config {
    const struct memory *memory;
    const struct session_handler *handler;
    void *user;
    bool opener;    /* we opened the association */
    bool aggregate; /* all strands carry; else the first healthy one does */
    uint8_t nonce[16];
    const char *name;        /* told in HELLO; NULL: none */
    uint64_t receive_memory; /* M of docs/protocol.md section 6; at least 1 MiB */
    uint64_t max_message;    /* 0: none told */
    uint64_t open_flows;     /* 0: 4,096 */
    uint64_t send_queue, send_queue_messages;
    int64_t keep_alive, dead_after; /* microseconds; 0: none */
};

int session_new(const struct session_config *config, int64_t now, struct session **ret_session);
void session_free(struct session *session); /* tells nobody; blocks the handler took are the handler's */

/* What the peer's HELLO said. */
struct session_hello {
    uint8_t nonce[16];
    const char *name; /* "" when it told none */
    uint64_t max_message;
};
const struct session_hello *session_peer_hello(const struct session *session); /* NULL before */

/* ---- strands */

/* A new strand, secured; user is the caller's. early: only what may be replayed is pulled until session_strand_secured(). */
int session_strand_add(struct session *session, void *user, bool early, int64_t now,
                       struct session_strand **ret_strand);
/* Whether a strand added as early would carry a message. */
bool session_early_waiting(const struct session *session);
void *session_strand_user(const struct session_strand *strand);
/* The handshake ended. accepted: early data pulled so far reached the peer; else it is sent again. */
void session_strand_secured(struct session_strand *strand, bool accepted, int64_t now);
/* The strand died: what it had not delivered goes to the others; -code for the messages when it was the last. */
void session_strand_lost(struct session_strand *strand, int code, const char *reason, int64_t now);
/* The caller's estimate, for the size of bulk frames. */
void session_strand_set_rate(struct session_strand *strand, uint64_t bytes_per_second);
/* Suspected: no longer pulled from, and what it has in flight may go elsewhere; false ends the suspicion. */
void session_strand_suspect(struct session_strand *strand, bool suspected, int64_t now);

/* Something the strand should send. */
bool session_wants_pull(const struct session_strand *strand);
/*
 * Fills buffer (capacity at least 4 KiB, better 16 KiB) with whole frames, most urgent first: *ret_size bytes. When
 * *ret_bulk_size is not 0 the caller sends that many bytes from *ret_bulk directly after the buffer, and calls
 * session_bulk_done() when it needs them no more, before it pulls again. 0 and *ret_size 0: nothing to send now.
 */
int session_pull(struct session_strand *strand, uint8_t *buffer, size_t capacity, int64_t now, size_t *ret_size,
                 const uint8_t **ret_bulk, size_t *ret_bulk_size);
void session_bulk_done(struct session_strand *strand);

/*
 * Where the strand's next bytes belong: the message's own place, or the caller's scratch (which a handler must not use
 * meanwhile). Receive at most *ret_size bytes there, then session_received(). early: the bytes are early data of a
 * handshake that has not ended. 0, or negative when the session ended through them (the handler's closed() told).
 */
void session_space(struct session_strand *strand, uint8_t *scratch, size_t scratch_size, uint8_t **ret_buffer,
                   size_t *ret_size);
int session_received(struct session_strand *strand, uint8_t *buffer, size_t size, bool early, int64_t now);

/* ---- time */

int64_t session_due(const struct session *session); /* INT64_MAX: nothing */
void session_tick(struct session *session, int64_t now);

/* ---- sending */

struct session_send {
    const void *data; /* copied, unless borrow */
    uint64_t size;    /* SESSION_SIZE_UNKNOWN with parts */
    bool borrow;      /* data stays until settled() */
    bool parts;       /* data follows by session_send_part() */
    bool source;      /* data comes from handler->source(cookie) */
    bool ordered, replayable, want_sent;
    bool final; /* -EOPNOTSUPP: a session's end is session_close() */
    int niceness;
    int64_t lifetime; /* 0: for ever */
    uint64_t reply_to;
    const uint64_t *antecedents;
    size_t antecedent_count;
    void *cookie; /* not NULL: settled() is called with it */
};
/* -EAGAIN (queue full), -EINVAL, -E2BIG, -ENOMEM, -ESHUTDOWN, -HAWSER_ELARGE; ids are consecutive. */
int session_send(struct session *session, const struct session_send *send, int64_t now, uint64_t *ret_id);
/* The same for a small message (at most SESSION_SMALL) with no properties, without the detour through a struct. */
int session_send_plain(struct session *session, const void *data, size_t size, int64_t now, uint64_t *ret_id);
int session_send_part(struct session *session, uint64_t id, const void *data, size_t size, bool last, int64_t now);
void session_source_ready(struct session *session, uint64_t id);
int session_cancel(struct session *session, uint64_t id, int64_t now); /* -ENOENT: settled */
/* As cancel, but the outcome is code and reason (a static string). */
int session_fail(struct session *session, uint64_t id, int code, const char *reason, int64_t now);
int session_renice(struct session *session, uint64_t id, int niceness);
bool session_unsettled(const struct session *session, uint64_t id); /* one of our messages that has no outcome yet */

/* Tells outcomes that calls from outside the engine's callbacks left pending (cancel, fail). */
void session_flush_events(struct session *session, int64_t now);

/* ---- receiving */

void session_return_credit(struct session *session, uint64_t cost, uint64_t reserved);
void session_pause(struct session *session);
void session_resume(struct session *session, int64_t now);

/* ---- streams: no call waits; -EAGAIN when there is no room or nothing there */

int session_stream_open(struct session *session, int niceness, int64_t now, struct session_stream **ret_stream);
uint64_t session_stream_id(const struct session_stream *stream);
void session_stream_set_user(struct session_stream *stream, void *user);
void *session_stream_user(const struct session_stream *stream);
int64_t session_stream_write(struct session_stream *stream, const void *data, size_t size, int64_t now);
int64_t session_stream_read(struct session_stream *stream, void *buffer, size_t size); /* 0: the end */
int session_stream_shutdown(struct session_stream *stream);
int session_stream_reset(struct session_stream *stream, uint64_t code); /* stream_closed() follows on flush_events() */
int session_stream_renice(struct session_stream *stream, int niceness);
/* Bits per second kept for the stream (0: none); limit: also never more. */
int session_stream_set_bandwidth(struct session_stream *stream, uint64_t bandwidth, bool limit, int64_t now);

/* ---- ending, numbers */

void session_close(struct session *session, uint64_t code, const char *reason); /* graceful; closed() follows */
void session_abort(struct session *session, uint64_t code, const char *reason, int local_code, int64_t now);
/* The largest message that the peer takes, and that we said we take; 2^62 - 1: no bound was told. */
uint64_t session_send_max(const struct session *session);
uint64_t session_receive_max(const struct session *session);
/* Other times than in the configuration, from now on; 0: none, negative: as they were. session_due() may have changed. The
 * silence that a strand bears; 0: any. */
int64_t session_set_times(struct session *session, int64_t keep_alive, int64_t dead_after);
bool session_closing(const struct session *session); /* either side closed: no further sends */

struct session_statistics {
    uint64_t messages_sent, messages_received, bytes_sent, bytes_received;
    uint64_t acked, expired, failed, late_dropped, resent_bytes, copied_bytes;
    uint64_t queued_messages, queued_bytes, held_bytes, reserved_bytes;
    uint64_t frames_sent, frames_received;
    int64_t rtt;          /* by PING, microseconds; 0: not known */
    int64_t clock_offset; /* peer's clock minus ours */
};
void session_get_statistics(const struct session *session, struct session_statistics *ret_statistics);
void session_strand_get(const struct session_strand *strand, uint64_t *ret_sent, uint64_t *ret_acked,
                        bool *ret_suspected);

#endif
