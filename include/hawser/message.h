/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: what is said of one when it is sent, and what can be done with one that comes. Part of <hawser/hawser.h>. */
#ifndef HAWSER_MESSAGE_H
#define HAWSER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hawser/properties.h>
#include <hawser/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------- sending */

/*
 * How hard a message is tried where the network loses (S1.23, S2.59; RFC 9622 msgReliable). All but full are lossy: they end as
 * HAWSER_ACKED, with the bytes that are missing of one whose receiver takes gaps, or as HAWSER_EXPIRED with
 * -HAWSER_EGIVENUP. Where a stack loses nothing ("tls/tcp"), a lossy message comes whole as well: every probability is 1
 * there. hawser_stack_info.lossy tells which stacks lose any.
 */
typedef enum hawser_reliability {
    HAWSER_RELIABILITY_DEFAULT,     /* as the property msgReliable says: full, or resends 0 */
    HAWSER_RELIABILITY_FULL,        /* sent again until it is there, or until its lifetime ends */
    HAWSER_RELIABILITY_LIFETIME,    /* the same, but what came of it until then counts; needs lifetime_us */
    HAWSER_RELIABILITY_RESENDS,     /* each part of it is sent again at most `resends` times */
    HAWSER_RELIABILITY_PROBABILITY, /* of the messages of this `probability` at least that share comes whole */
} hawser_reliability;

#define HAWSER_COORDINATES_MAX 4

/* What the sender's program says of a message beside its bytes: where it belongs in what it is part of (S1.27, S1.28).
 * hawser carries these numbers and does not interpret them. Readable before the payload. */
typedef struct hawser_marks {
    bool timestamped;
    int64_t timestamp_us; /* of the program's own clock; 0 when none was given */
    unsigned coordinate_count;
    uint32_t coordinates[HAWSER_COORDINATES_MAX]; /* e.g. time, layer, view */
} hawser_marks;

typedef struct hawser_range { /* bytes offset .. offset + size - 1 of a message */
    uint64_t offset, size;
} hawser_range;

typedef struct hawser_message_options {
    size_t struct_size;
    int niceness;        /* -100 (most urgent) .. 155; 0 is normal (RFC 9622 msgPriority = 100 + niceness) */
    int64_t lifetime_us; /* worth handing over for this long after send (S2.42); 0: for ever */
    const hawser_message_id *antecedents; /* ids that this association's send returned; copied (S2.44) */
    size_t antecedent_count;              /* at most 64 */
    bool ordered;                         /* after the previous ordered message (RFC 9622 msgOrdered) */
    bool safely_replayable;     /* may be delivered twice; may travel as early data (RFC 9622 safelyReplayable) */
    bool final;                 /* the last one on a bare association: then our direction ends (RFC 9622 final);
                                 * -EOPNOTSUPP on hawser/1, where hawser_close() waits for what is queued */
    bool want_sent;             /* raise HAWSER_SENT when the last byte left for the network */
    hawser_message_id reply_to; /* id of a received message that this one answers */
    const void *prefix;         /* bytes that go before the data, copied; for a header before lent data or a file */
    size_t prefix_size;
    void (*release)(void *data, size_t size,
                    void *user); /* lends data: untouched until this runs, when the message is settled */
    void *release_user;
    hawser_reliability reliability;
    unsigned resends;   /* with HAWSER_RELIABILITY_RESENDS */
    double probability; /* with HAWSER_RELIABILITY_PROBABILITY: above 0, up to 1 */
    int64_t
        send_time_us; /* leaves no sooner than this (CLOCK_BOOTTIME); 0: at once. The lifetime counts from send() (S1.28) */
    uint64_t pace;        /* bits per second at which its bytes leave at most (S1.26); 0: as the line's rate allows */
    bool timestamped;     /* timestamp_us was given: HAWSER_TIMESTAMP() */
    int64_t timestamp_us; /* the program's own (S1.28) */
    const uint32_t *coordinates; /* HAWSER_COORDINATES(); copied (S1.27) */
    size_t coordinate_count;     /* at most 4 */
    /* hawser_strand_info.id of the strand that carries it, whatever the policy says, as long as that one is there and not
     * suspected; then any other does. What is bound to a strand goes before all else on it. 0: as the policy says (S2.22) */
    unsigned strand;
} hawser_message_options;
#define HAWSER_MESSAGE(...)                                                                                            \
    (&(const hawser_message_options){.struct_size = sizeof(hawser_message_options), __VA_ARGS__})
#define HAWSER_ANTECEDENTS(...)                                                                                        \
    .antecedents = (const hawser_message_id[]){__VA_ARGS__},                                                           \
    .antecedent_count = sizeof((const hawser_message_id[]){__VA_ARGS__}) / sizeof(hawser_message_id)
#define HAWSER_COORDINATES(...)                                                                                        \
    .coordinates = (const uint32_t[]){__VA_ARGS__},                                                                    \
    .coordinate_count = sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)
#define HAWSER_TIMESTAMP(us) .timestamped = true, .timestamp_us = (us)

/*
 * Queues a message (S2.41). data is copied, unless options->release lends it. It leaves at the end of dispatch or at
 * hawser_flush(). Every message ends in exactly one outcome: see HAWSER_OUTCOME.
 * Errors: -EAGAIN (queue full; HAWSER_WRITABLE follows), -EINVAL (niceness, probability, resends without its reliability,
 * antecedent never returned), -E2BIG (more than 64 antecedents or 4 coordinates), -EOPNOTSUPP (marks, reliability, pace or
 * send time on a bare association that cannot give them; a strand on any), -ENOENT (no such strand), -ESHUTDOWN (closing), -ENOTCONN (closed), -HAWSER_ELARGE (the peer told a smaller limit).
 */
HAWSER_API int hawser_send(hawser_association *association, const void *data, size_t size,
                           const hawser_message_options *options, hawser_message_id *ret_id);
/* A message read from a descriptor, from offset on, size bytes or to the end (HAWSER_SIZE_UNKNOWN: size as fstat() tells
 * now). The descriptor is duplicated. A file that changes size or ctime before it is sent ends as send-failed. */
HAWSER_API int hawser_send_file(hawser_association *association, int fd, uint64_t offset, uint64_t size,
                                const hawser_message_options *options, hawser_message_id *ret_id);
/* A message given in parts: size may be HAWSER_SIZE_UNKNOWN. Parts are copied (S1.26). -EAGAIN when the queue is full;
 * HAWSER_WRITABLE follows. The announced size must be met exactly (-EINVAL otherwise). */
HAWSER_API int hawser_send_begin(hawser_association *association, uint64_t size, const hawser_message_options *options,
                                 hawser_message_id *ret_id);
HAWSER_API int hawser_send_part(hawser_association *association, hawser_message_id id, const void *data, size_t size,
                                bool last);

/* Memory that several messages and associations can send from without a copy. */
HAWSER_API int hawser_buffer_new(size_t size, hawser_buffer **ret_buffer);
HAWSER_API hawser_buffer *hawser_buffer_ref(hawser_buffer *buffer);
HAWSER_API hawser_buffer *hawser_buffer_unref(hawser_buffer *buffer);
HAWSER_API void *hawser_buffer_data(hawser_buffer *buffer);
HAWSER_API size_t hawser_buffer_size(const hawser_buffer *buffer);
/* Sends a range of a buffer; it must not be written to until the message is settled. options->release must be NULL. */
HAWSER_API int hawser_send_buffer(hawser_association *association, hawser_buffer *buffer, size_t offset, size_t size,
                                  const hawser_message_options *options, hawser_message_id *ret_id);

/* Takes a message back; its outcome is HAWSER_SEND_FAILED with -ECANCELED, unless it was delivered already.
 * -ENOENT when it is settled. */
HAWSER_API int hawser_cancel(hawser_association *association, hawser_message_id id);
HAWSER_API int hawser_renice(hawser_association *association, hawser_message_id id,
                             int niceness); /* -ENOENT: settled */

/* ------------------------------------------------------------------------------------------------------------ receiving */

/* Keeps a received message beyond its handler. A small one is copied out, so that it pins no large buffer. It goes on
 * counting against the peer's credit until _detach or the last _unref. */
HAWSER_API int hawser_message_keep(hawser_message *message, hawser_message **ret_message);
HAWSER_API hawser_message *hawser_message_ref(hawser_message *message);
HAWSER_API hawser_message *hawser_message_unref(hawser_message *message);
/* Gives the credit back while the program goes on holding the data. On the context's thread. */
HAWSER_API void hawser_message_detach(hawser_message *message);
HAWSER_API const void *hawser_message_data(const hawser_message *message);
HAWSER_API size_t hawser_message_size(const hawser_message *message);

/* Stops and restarts handing over messages; meanwhile the peer is held back by credit. */
HAWSER_API int hawser_pause(hawser_association *association);
HAWSER_API int hawser_resume(hawser_association *association);

/* How to receive a large message; called inside its HAWSER_ARRIVING handler (S1.12). Without any: whole. */
HAWSER_API int hawser_take_whole(hawser_association *association, hawser_message_id id);
/* Into the program's own memory, at its offset: -HAWSER_ELARGE when it cannot fit, -EINVAL for unknown size. A lossy message
 * may end with gaps there: HAWSER_RECEIVED tells them (S1.25, S1.26). */
HAWSER_API int hawser_take_into(hawser_association *association, hawser_message_id id, void *buffer, size_t capacity);
/* Into a regular file, whose descriptor is duplicated, by pwrite from offset on: on this thread, as the page cache takes
 * it. What cannot be written is refused, and the sender told why. */
HAWSER_API int hawser_take_file(hawser_association *association, hawser_message_id id, int fd, uint64_t offset);
HAWSER_API int hawser_take_parts(hawser_association *association, hawser_message_id id); /* in order, by HAWSER_PART */
/* As they come, in any order, each with its offset; what never comes of a lossy message is told by the last HAWSER_PART
 * (S1.25). Of a message that is not lossy nothing is missing. */
HAWSER_API int hawser_take_parts_with_gaps(hawser_association *association, hawser_message_id id);
/* Also inside HAWSER_RECEIVED, and for a message that is being taken in parts or into a file. The sender's outcome is
 * HAWSER_SEND_FAILED with -HAWSER_EREFUSED and this reason. */
HAWSER_API int hawser_refuse(hawser_association *association, hawser_message_id id, const char *reason);
/* As hawser_refuse(), for the reason that a message with these marks is not wanted (S1.27): what was not sent of it yet is not
 * sent. */
HAWSER_API int hawser_drop(hawser_association *association, hawser_message_id id);

/* Bounds for hawser_filter; without HAWSER_BETWEEN() there are none. Both ends are within. */
typedef struct hawser_bounds {
    bool bounded;
    int64_t min, max;
} hawser_bounds;
#define HAWSER_BETWEEN(low, high)                                                                                      \
    {                                                                                                                  \
        true, (low), (high)                                                                                            \
    }
typedef struct hawser_filter {
    size_t struct_size;
    hawser_bounds coordinates[HAWSER_COORDINATES_MAX];
    hawser_bounds timestamp_us;
} hawser_filter;
#define HAWSER_FILTER(...) (&(const hawser_filter){.struct_size = sizeof(hawser_filter), __VA_ARGS__})
/* Messages outside of the bounds are dropped as by hawser_drop(), as soon as their marks are there, without a handler
 * (S1.27). A message that does not have the mark passes its bounds. NULL: all pass. Holds for messages whose marks come from
 * now on; statistics count them (filtered). -EINVAL (min above max), -ENOTCONN, -EOPNOTSUPP (bare). */
HAWSER_API int hawser_set_filter(hawser_association *association, const hawser_filter *filter);

#ifdef __cplusplus
}
#endif

#endif
