/* SPDX-License-Identifier: Apache-2.0 */
/* Events: what an association tells its program, and who hears it. Part of <hawser/hawser.h>. */
#ifndef HAWSER_EVENT_H
#define HAWSER_EVENT_H

#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------------------------- events */

typedef enum hawser_event_type {
    HAWSER_ACCEPTED = 1,  /* listener: a peer came; the handler may hawser_refuse_association() */
    HAWSER_ESTABLISHED,   /* the line is up and the peer verified */
    HAWSER_RECEIVED,      /* a whole message (S2.49); where no handler takes messages they are refused */
    HAWSER_RECEIVED_MANY, /* when registered, small messages come in arrays here instead of HAWSER_RECEIVED */
    HAWSER_ARRIVING,      /* a message above 64 KiB, or of unknown size, has begun */
    HAWSER_PART,          /* a part of a message taken in parts */
    HAWSER_ABANDONED,     /* a message that was arriving will not be completed */
    HAWSER_OUTCOME,       /* messages of ours ended (S2.50, S2.51) */
    HAWSER_SENT, /* a message with want_sent left for the network; told once more with the system's stamp, where `timestamps`
                  * asked for it and the stack has it */
    HAWSER_WRITABLE,      /* after -EAGAIN: the queue is below half again */
    HAWSER_STREAM_OPENED, /* by the peer */
    HAWSER_STREAM_READABLE,
    HAWSER_STREAM_WRITABLE,
    HAWSER_STREAM_CLOSED, /* both directions ended, or reset */
    HAWSER_PATHS_CHANGED, /* a strand came, went or changed state (S2.52) */
    HAWSER_ENDED,  /* bare: the peer sends no more, but still takes; with a handler the line stays open for what we
                   * send, until hawser_close() or a final message; without one it closes when what is queued left */
    HAWSER_CLOSED, /* the end; nothing follows */
    HAWSER_OFFERED, /* a message with marks has begun; nothing of its bytes was given out yet: hawser_refuse(), hawser_drop() (S1.27) */
    HAWSER_EVENT_COUNT_,
} hawser_event_type;
HAWSER_API const char *hawser_event_name(hawser_event_type type);

typedef enum hawser_outcome {
    HAWSER_ACKED = 1,   /* handed to the peer's program; says: the peer's session */
    HAWSER_EXPIRED,     /* not handed over in its lifetime */
    HAWSER_SEND_FAILED, /* code and reason say why */
    HAWSER_HANDED_OVER, /* bare associations: the system has it, and nobody will say more */
} hawser_outcome;
HAWSER_API const char *hawser_outcome_name(hawser_outcome outcome);

typedef struct hawser_received {
    hawser_message_id id; /* the peer's number; use in reply_to */
    const void *data;     /* valid in the handler; NULL when it went into a descriptor */
    size_t size;
    hawser_message *message; /* for hawser_message_keep() */
    int niceness;
    int64_t age_us; /* since the peer's send, where it has a lifetime; else -1 */
    hawser_message_id reply_to;
    bool early;           /* came as early data and the handshake had not ended: may be a replay */
    bool antecedent_lost; /* not all antecedents were delivered */
    bool ordered;
    const hawser_marks *marks; /* never NULL */
    int64_t received_at_us;    /* when its last byte reached this host, by the system; 0: not known, see `timestamps` */
    const hawser_range *gaps;  /* ascending: bytes that never came of a lossy message; they read 0, or what was in the
                               * program's own memory before */
    size_t gap_count;
} hawser_received;

typedef struct hawser_event {
    hawser_event_type type;
    hawser_association *association;
    int64_t time_us;
    union {
        struct {
            hawser_association
                *association; /* the new one; ref it to keep it, or it is refused when the handler ends */
            hawser_peer peer;
            bool early; /* the handshake has not ended: the peer may be a replay */
            bool bare;  /* the peer speaks its own protocol; its name is derived from its address, and not verified */
        } accepted;
        struct {
            const char *stack;
            hawser_path path;
            hawser_peer peer;
            int64_t rtt_us, elapsed_us;
            uint64_t round_trips;
            bool early_data, resumed;
            bool bare;
            const hawser_attempt *attempts;
            size_t attempt_count;
        } established;
        hawser_received received;
        struct {
            const hawser_received *messages;
            size_t count;
        } received_many;
        struct {
            hawser_message_id id;
            uint64_t size; /* or HAWSER_SIZE_UNKNOWN */
            int niceness;
            hawser_message_id reply_to;
            const hawser_marks *marks;
            bool lossy; /* may end with gaps */
        } arriving, offered;
        struct {
            hawser_message_id id;
            uint64_t offset;
            const void *data;
            size_t size;
            uint64_t total; /* or HAWSER_SIZE_UNKNOWN */
            bool last;      /* may have size 0 where parts come with gaps */
            const hawser_marks *marks;
            int64_t received_at_us;
            const hawser_range *gaps; /* with last: what never came, ascending */
            size_t gap_count;
        } part;
        struct {
            hawser_message_id id;
            hawser_outcome kind; /* expired or send-failed */
        } abandoned;
        struct {
            hawser_message_id first; /* the messages first .. first + count - 1 */
            uint64_t count;
            hawser_outcome kind;
            int code;             /* 0, or why */
            const char *reason;   /* in words, never NULL */
            bool maybe_delivered; /* send-failed: the peer died before it said */
            uint64_t missing;     /* acked, of each of a lossy kind: bytes that the peer's program did not get */
        } outcome;
        struct {
            hawser_message_id id;
            int64_t left_us;   /* when its last byte was given to the system */
            int64_t system_us; /* when it left the host, by the system's stamp; 0: not known, see `timestamps` */
            int64_t late_us;   /* with a send time: by how much it left later than asked (by system_us, else left_us) */
        } sent;
        struct {
            hawser_stream *stream; /* opened: ref it to keep it, or it is reset when the handler ends */
            uint64_t code;         /* closed: the peer's reset code, 0 for a clean end */
        } stream;
        struct {
            int code;           /* 0: clean; negative: why */
            uint64_t peer_code; /* the code given to hawser_close() or _abort() by whoever ended it */
            bool by_peer;
            const char *reason;
            const hawser_attempt *attempts; /* when it was never established */
            size_t attempt_count;
        } closed;
    };
} hawser_event;

typedef void (*hawser_handler)(const hawser_event *event, void *user);

/* Sets, replaces (handler) or removes (NULL) the handler of an event (S2.48). Takes effect at once, also inside a
 * handler. */
HAWSER_API int hawser_register(hawser_association *association, hawser_event_type type, hawser_handler handler,
                               void *user);
/* The same for one of our messages: HAWSER_OUTCOME or HAWSER_SENT; runs instead of the association's handler. -ENOENT
 * when it is settled. */
HAWSER_API int hawser_register_message(hawser_association *association, hawser_message_id id, hawser_event_type type,
                                       hawser_handler handler, void *user);
/* The same for one stream: the HAWSER_STREAM_* events. */
HAWSER_API int hawser_register_stream(hawser_stream *stream, hawser_event_type type, hawser_handler handler,
                                      void *user);

/* Inside HAWSER_ACCEPTED: refuses the peer, who is told code (of 32 bits) and reason; its line ends with
 * -HAWSER_EREFUSED. */
HAWSER_API int hawser_refuse_association(hawser_association *association, uint64_t code, const char *reason);

#ifdef __cplusplus
}
#endif

#endif
