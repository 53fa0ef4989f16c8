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
#define SESSION_STRANDS_MAX 8 /* at once */
#define SESSION_TELL_KINDS 8  /* states that session_tell() tells: kinds 0 to 7 */
#define SESSION_TELL_MAX 1024 /* bytes of one */
#define SESSION_HEAD_MAX 64   /* bytes around a small message: type, length, id, flags, size */
#define SESSION_SMALL 16384   /* a message up to this goes whole into one frame */
#define SESSION_COORDINATES_MAX 4
#define SESSION_RESENDS_MAX 255
#define SESSION_CERTAIN 1000000                     /* a probability of 1, in millionths */
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
struct session_lane; /* where one unit that comes in pieces stands */

enum session_outcome { /* how one of our messages ended */
                       SESSION_ACKED,
                       SESSION_EXPIRED, /* code: -HAWSER_EEXPIRED, or -HAWSER_EGIVENUP of a lossy one */
                       SESSION_FAILED, /* code: -ECANCELED, -HAWSER_EREFUSED, -HAWSER_ELARGE, -HAWSER_ESOURCE, or why the session ended */
};

/*
 * How hard a message is tried (S1.23; docs/protocol.md section 10). All but FULL are lossy: they need not come. Where the
 * layers send everything until it comes, and over strands of bytes, a lossy message comes for certain too.
 */
enum session_reliability {
    SESSION_FULL,           /* sent again until it comes, or its lifetime is over */
    SESSION_UNTIL_LIFETIME, /* the same, but what came of it until then counts: see SESSION_TAKE_GAPS */
    SESSION_RESENDS,        /* each part of it is sent again at most `resends` times */
    SESSION_PROBABILITY,    /* of the messages of this probability that ended at least that share was delivered whole */
};

/* What a program marks a message with, readable before its payload (S1.27). */
struct session_marks {
    int64_t timestamp; /* the program's, microseconds of any clock; with has_timestamp */
    uint32_t coordinates[SESSION_COORDINATES_MAX];
    uint8_t coordinate_count;
    bool has_timestamp;
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
    int64_t age;         /* microseconds, -1: no lifetime */
    int64_t received_at; /* the system's stamp of the arrival of its last bytes; 0: none */
    uint64_t reply_to;
    struct session_marks marks;
    bool ordered, antecedent_lost, early;
    /* The handler's answer: */
    bool keep;          /* both stay taken until session_return_credit() */
    bool taken;         /* block is now the handler's, to release through the same struct memory */
    const char *refuse; /* not NULL: the message counts as refused, for this reason */
};

/* A message with marks, before any of its payload is handed over; the handler may drop it unread. */
struct session_offered {
    uint64_t id;
    uint64_t size; /* or SESSION_SIZE_UNKNOWN */
    int niceness;
    uint64_t reply_to;
    enum session_reliability reliability;
    struct session_marks marks;
    /* The handler's answer: */
    const char *refuse; /* not NULL: it is dropped, and counts as refused for this reason */
};

/*
 * What is known when a message begins that does not come whole at once: one above 64 KiB or of unknown size, or a lossy
 * one in several frames. The handler answers in take. GAPS: each part as it comes, in any order, and at the end gaps();
 * of a message that is not lossy as PARTS.
 */
enum session_take {
    SESSION_TAKE_WHOLE,
    SESSION_TAKE_INTO,
    SESSION_TAKE_PARTS,
    SESSION_TAKE_SINK,
    SESSION_TAKE_REFUSE,
    SESSION_TAKE_GAPS,
};
struct session_arriving {
    uint64_t id;
    uint64_t size; /* or SESSION_SIZE_UNKNOWN */
    int niceness;
    uint64_t reply_to;
    enum session_reliability reliability;
    struct session_marks marks;
    /* The answer; SESSION_TAKE_WHOLE at first: */
    enum session_take take;
    uint8_t *buffer;    /* INTO: at least size bytes, valid until message() or abandoned() */
    void *sink;         /* SINK: handed to part() */
    const char *reason; /* REFUSE */
};

struct session_part { /* of a message taken in parts: in order, with GAPS in any order and none twice */
    uint64_t id, offset;
    int64_t received_at; /* the system's stamp of its arrival; 0: none */
    struct session_marks marks;
    const uint8_t *data;
    size_t size;
    uint64_t total; /* or SESSION_SIZE_UNKNOWN */
    bool last;      /* never set with GAPS: gaps() is the end */
    void *sink;
    const char *refuse; /* the handler's answer: not NULL gives the message up for this reason */
};

/* The end of a message taken with GAPS, and what of it did not come: all of [0, total) but these came. */
struct session_gap {
    uint64_t offset, size;
};
struct session_gaps {
    uint64_t id, total;
    const struct session_gap *gaps; /* ascending; during the call */
    size_t count;                   /* 0: it came whole */
    uint64_t missing;               /* bytes in all gaps */
    void *sink;
};

struct session_handler {
    void (*hello)(void *user); /* the peer's HELLO is in: session_peer_hello() */
    void (*message)(void *user, struct session_message *message);
    void (*arriving)(void *user, struct session_arriving *arriving);
    void (*part)(void *user,
                 struct session_part *part); /* PARTS and SINK; SINK is followed by message() with data NULL */
    void (*abandoned)(void *user, uint64_t id, enum session_outcome kind);
    void (*offered)(void *user, struct session_offered *offered); /* NULL: not wanted */
    void (*gaps)(void *user, const struct session_gaps *gaps);    /* NULL: GAPS is never answered */
    /* Our messages first .. first + count - 1 ended. */
    void (*outcome)(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code, const char *reason,
                    bool maybe_delivered);
    /* Instead of outcome(): a lossy message of ours ended, and the peer's program got all but `missing` bytes of it. NULL:
     * no lossy messages are sent. */
    void (*partial)(void *user, uint64_t id, uint64_t missing);
    void (*sent)(void *user, uint64_t id, int64_t pulled_at); /* with want_sent: its last byte was pulled, then */
    /* With want_sent, after sent(), where the layers know it: the system's stamp of when the message's last unit left; again
     * when that unit had to be sent again. May come after the message's outcome. NULL: not wanted. */
    void (*departed)(void *user, uint64_t id, int64_t sent_at);
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
     * the next pull of the same strand; other strands may ask meanwhile. */
    const uint8_t *(*source)(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error);
    uint64_t (*random)(void *user);
    /* Nothing came on this strand for keep_alive + dead_after, though it was asked: the caller gives it up by
     * session_strand_lost(), at once or later. */
    void (*strand_silent)(void *user, struct session_strand *strand);
    /* The strand is suspected: by session_strand_suspect(), since nothing proved for a few round trips that what it carries
     * arrives, or by the peer, who says so; or it is not any more. It may still come to life, or fall silent. NULL: not wanted. */
    void (*strand_suspected)(void *user, struct session_strand *strand, bool suspected);
    /* With config.survive: the last strand is gone, and the session goes on without one. NULL: not wanted. */
    void (*stranded)(void *user);
    /* The peer told its newest state of a kind by session_tell(). body is valid during the call. NULL: ignored. */
    void (*told)(void *user, unsigned kind, const void *body, size_t size);
    /* Nothing in a unit that is under way is worth sending any more (its message expired, was cancelled, or was settled
     * otherwise): the layers may drop it. NULL: not wanted. */
    void (*unit_useless)(void *user, struct session_strand *strand, uint64_t number);
    /* The session ends while bulk bytes of this strand are being sent: their memory goes away when this returns. The
     * caller copies what is left of them, or sends nothing more on the strand. session_bulk_done() is not called for them. */
    void (*bulk_ends)(void *user, struct session_strand *strand);
};

/* How the strands are used (RFC 9622 multipathPolicy; docs/architecture.md). */
enum session_policy {
    SESSION_HANDOVER, /* the healthy strand of the lowest rank carries, the others wait; the acceptor follows the opener */
    SESSION_INTERACTIVE, /* each message where it arrives first; small ones on the two best strands at once */
    SESSION_AGGREGATE,   /* every strand carries what it delivers before the faster ones could */
};

struct session_config {
    const struct memory *memory;
    const struct session_handler *handler;
    void *user;
    bool opener; /* we opened the association */
    enum session_policy policy;
    bool survive; /* the loss of the last strand ends nothing: stranded() is told, and strands may be added later */
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

/* The number for a strand that we open: one that no strand of this session had. Each is given once. */
uint64_t session_next_strand(struct session *session);
/*
 * A new strand, secured; user is the caller's. early: only what may be replayed is pulled until session_strand_secured().
 * number: the same at both ends, 0 for the first. -EEXIST: that number was used before; -ENOSPC: SESSION_STRANDS_MAX are
 * there; -EINVAL, -ENOMEM, -ESHUTDOWN.
 */
int session_strand_add(struct session *session, void *user, bool early, uint64_t number, int64_t now,
                       struct session_strand **ret_strand);
/* Whether a strand added as early would carry a message. */
bool session_early_waiting(const struct session *session);
void *session_strand_user(const struct session_strand *strand);
bool session_strand_number_used(const struct session *session, uint64_t number);
const uint8_t *session_nonce(const struct session *session); /* ours, 16 bytes */
/* The handshake ended. accepted: early data pulled so far reached the peer; else it is sent again. */
void session_strand_secured(struct session_strand *strand, bool accepted, int64_t now);
/* The strand died: what it had not delivered goes to the others; code for the messages when it was the last, unless the
 * session survives that (config.survive). */
void session_strand_lost(struct session_strand *strand, int code, const char *reason, int64_t now);
/* What the caller knows of a strand, from its layers and its configuration; all 0 at first. */
struct session_link {
    int64_t rtt, min_rtt; /* microseconds; 0: not known */
    uint64_t rate;        /* bytes per second; 0: not known */
    uint64_t queued;      /* bytes handed to the layers that have not left */
    int rank;             /* handover: lower is preferred */
    unsigned cost;        /* 0: free; else for how many milliseconds a piece rather waits for a cheaper strand */
    bool standby;         /* carries only when no other healthy strand does; the peer is told */
};
void session_strand_set_link(struct session_strand *strand, const struct session_link *link);
/* Suspected: what it has in flight goes elsewhere, and where others are healthy it carries nothing but probes; false ends the
 * suspicion. The session suspects strands by itself too, and finds out when they are well again. */
void session_strand_suspect(struct session_strand *strand, bool suspected, int64_t now);
/* From now on. What is in flight stays where it is. */
void session_set_policy(struct session *session, enum session_policy policy, int64_t now);
enum session_policy session_policy(const struct session *session);

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

/* ---- strands of units (docs/protocol.md, chapter "Strands of units") */

/*
 * The layers carry units: some whole frames that arrive together, in no order with other units, and the layers tell of each
 * one whether it came. session_pull(), session_space() and session_received() are for the other strands; ACK is not sent
 * about these.
 */
struct session_units {
    size_t lossy_max; /* of a unit that the layers will not send again; 0: they send everything until it comes */
    bool gives_up;    /* the layers can give up a unit by lifetime and resends (struct session_unit) by themselves */
};
/* As session_strand_add(). */
int session_strand_add_units(struct session *session, void *user, bool early, const struct session_units *units,
                             uint64_t number, int64_t now, struct session_strand **ret_strand);
/* An early strand goes on over other layers, of units or (NULL) of bytes: what it carried early is sent again. Before
 * session_strand_secured(). -ENOMEM. */
int session_strand_become(struct session_strand *strand, const struct session_units *units, int64_t now);

/* What the next unit would be, so that the caller can ask its layers for room; false: there is none (as
 * session_wants_pull()). */
bool session_unit_wanted(struct session_strand *strand, bool *ret_lossy);
struct session_unit {
    uint64_t number; /* ascending from 0 on each strand */
    size_t size;     /* 0: nothing to send now after all */
    uint8_t class;   /* niceness + 100 of the most urgent in it */
    int64_t lifetime;
    int resends;
};
/* Fills buffer with one unit, lossy or not as session_unit_wanted() said; all payload is copied into it. capacity: at least
 * 1,000. */
int session_unit_pull(struct session_strand *strand, bool lossy, uint8_t *buffer, size_t capacity, int64_t now,
                      struct session_unit *ret_unit);
/* What became of a unit. sent_at: the system's stamp, 0: none. */
void session_unit_fate(struct session_strand *strand, uint64_t number, bool acked, int64_t sent_at, int64_t now);
/*
 * A piece of a unit. *lane is NULL when the unit begins, and set while more is to come. With end, everything is there; a
 * frame that is cut short then breaks the rules. received_at: the system's stamp of its arrival, 0: none. As
 * session_received().
 */
int session_unit_received(struct session_strand *strand, struct session_lane **lane, const uint8_t *data, size_t size,
                          bool end, bool early, int64_t received_at, int64_t now);
/* The rest of the unit will not come. */
void session_unit_reset(struct session_strand *strand, struct session_lane **lane);
/* Units whose fate is not known yet. A session that ended cleanly keeps its strand until there are none: the last CLOSE is
 * sent again when it is lost (session_unit_wanted()). */
size_t session_units_under_way(const struct session_strand *strand);

/* ---- time */

int64_t session_due(const struct session *session); /* INT64_MAX: nothing */
void session_tick(struct session *session, int64_t now);
/* Before session_tick(): what the peer said may lie unread for so long. It is not silent meanwhile. 0 when never called. */
void session_behind(struct session *session, int64_t behind);

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
    enum session_reliability reliability;
    unsigned resends;     /* RESENDS: 0 to SESSION_RESENDS_MAX */
    uint32_t probability; /* PROBABILITY: millionths, 1 to SESSION_CERTAIN */
    struct session_marks marks;
    int64_t send_time; /* nothing of it is pulled before; 0: at once. Its lifetime counts from session_send() on */
    uint64_t pace;     /* bits per second: its bytes are pulled no faster; 0: as fast as they go */
    /* The number + 1 of the strand that carries it, before all else that this one carries, in every policy and whatever comes
     * of it, as long as that strand is there and not suspected; else others do. 0: any. -ENOENT: there is none. */
    uint64_t strand;
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

/* ---- states */

/*
 * Tells the peer a state of ours: body replaces what was told of this kind before. It comes for certain while there is a
 * strand, again where one died; of several in a row perhaps only the last. Never in early data. -EINVAL, -E2BIG, -ENOMEM,
 * -ESHUTDOWN.
 */
int session_tell(struct session *session, unsigned kind, const void *body, size_t size);

/* ---- moving to another process: export.c, docs/moving.md */

struct coder;
/* Bytes of a message's source, at once: all of size, or negative. */
typedef int session_source_read(void *user, void *cookie, uint64_t offset, void *bytes, size_t size);
/* -EBUSY inside of its callbacks, -ENOTCONN: it has ended, -EAGAIN: no HELLO is in yet. */
int session_export_check(const struct session *session);
/*
 * Writes all of the session, whose strands are lost by that: nothing is sent from them any more, also while the callbacks run that
 * it may call first. As the check; -E2BIG: more than the coder takes, -ENOMEM, what read() gave: it goes on.
 */
int session_export(struct session *session, struct coder *coder, session_source_read *read, int64_t now);
bool session_is_strandless(const struct session *session);
/* It goes on elsewhere, and ends here without a word to anybody: settled() is called for what was lent, and session_free() is
 * what is left to do. */
void session_exported(struct session *session);
/*
 * Takes up what was written: memory, handler, user and name are of the configuration, all else of the session's own. It has no
 * strands, and tells nothing before its first call. elapsed: microseconds since it was exported, as well as is known; the
 * clock of the wire goes on by them. -EBADMSG, -EPROTONOSUPPORT (of another version), -ENOMEM.
 */
int session_import(const struct session_config *config, struct coder *coder, int64_t elapsed, int64_t now,
                   struct session **ret_session);
/* Each stream that the program knows. */
void session_streams_each(struct session *session, void (*each)(void *user, struct session_stream *stream));
/* The peer goes on in another process: what is known of its clock may be a little wrong, and is measured anew. */
void session_peer_moved(struct session *session);
bool session_is_opener(const struct session *session);

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
    uint64_t partial; /* messages of ours that the peer took with gaps */
    uint64_t acked, expired, failed, late_dropped, resent_bytes, copied_bytes;
    uint64_t queued_messages, queued_bytes, held_bytes, reserved_bytes;
    uint64_t frames_sent, frames_received;
    uint64_t
        duplicated_bytes; /* payload that a second strand carried too: small messages, and tails; not what was lost */
    uint64_t suspicions;  /* of all strands, ended or not */
    uint64_t stalls;      /* head of line: how often what had come waited for earlier bytes or antecedents */
    int64_t stall_time, stall_longest; /* microseconds of all that ended, and of the longest */
    int64_t rtt;                       /* by PING, microseconds; 0: not known */
    int64_t clock_offset;              /* peer's clock minus ours */
};
void session_get_statistics(const struct session *session, struct session_statistics *ret_statistics);
struct session_strand_state {
    uint64_t number;
    uint64_t sent, acked, in_flight; /* bytes of frames; acked: that the peer, or the layers of units, said came */
    uint64_t resent, duplicated;     /* payload that it lost, and that goes again; that it carried as a copy */
    int64_t rtt;                     /* by PING, smoothed; microseconds, 0: not known */
    uint64_t rate;                   /* what is reckoned with; bytes per second, 0: not known */
    unsigned suspicions;             /* how often it was suspected */
    bool suspected;                  /* by this end, or by the peer, as he says */
    bool standby;                    /* by the caller, or as the peer says */
    bool carries;                    /* messages and streams may be pulled from it now */
};
void session_strand_get(const struct session_strand *strand, struct session_strand_state *ret_state);

#endif
