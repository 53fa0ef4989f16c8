/* SPDX-License-Identifier: Apache-2.0 */
/* What a bare association is made of; inside bare*.c only. */
#ifndef ASSOCIATION_BARE_LINE_H
#define ASSOCIATION_BARE_LINE_H

#include "association/bare.h"
#include "association/table.h"
#include "base/heap.h"
#include "framer/framing.h"

#define BARE_CLASSES 256             /* niceness -100 to 155 */
#define BARE_PARTS_MAX (1u << 20)    /* of a message in parts, or of the stream: bytes that wait to leave */
#define BARE_BACKLOG (256u << 10)    /* written by the framer in answer and not gone: then nothing more is read */
#define BARE_UNDECIDED_MESSAGES 1000 /* so that the session takes them all at once */

enum out_state {
    OUT_WAITING, /* for antecedents, or for more of its parts; in bare->waiting */
    OUT_READY,   /* in its class */
    OUT_CURRENT, /* bytes of it may have left */
    OUT_PASSED,  /* all of it is with the layers */
    OUT_ENDED,   /* its outcome is to be told */
};

struct piece { /* of a message in parts */
    struct list link;
    uint64_t offset;
    size_t size;
    uint8_t bytes[];
};

struct edge {         /* waiter leaves after antecedent */
    struct list link; /* in antecedent->dependents; not linked: antecedent has left */
    struct out *waiter, *antecedent;
    uint64_t antecedent_id;
    bool implied; /* by being ordered */
};

struct out { /* a message of ours. bare_send.c, bare_order.c */
    UT_hash_handle hh;
    struct list link; /* where its state says */
    uint64_t id, size, weight;
    const uint8_t *data;
    void *cookie;
    struct list pieces;
    uint64_t got; /* bytes in pieces, those released too */
    int64_t stamp, lifetime, send_time;
    struct heap_node expiry, start; /* start: when it has a time to leave at, and that is not now */
    struct list dependents;
    struct edge *edges;
    uint32_t edge_count, blockers;
    enum out_state state;
    enum session_outcome kind;
    int code;
    char *reason;
    uint8_t class; /* 100 + niceness, or that of what waits for it */
    int niceness;
    bool parts, source, borrowed, ordered, replayable, want_sent, final;
    bool complete; /* all parts were given */
    bool spare;    /* with OUT_SPARE bytes of copy, to be used again */
    bool gather;   /* the framer needs all of it first */
    bool want_room, cancelled, maybe_delivered, failed;
    uint8_t copy[];
};

struct pending { /* delivered by the framer while the program had paused */
    struct list link;
    size_t size;
    uint64_t total;
    bool last;
    uint8_t bytes[];
};

struct bare {
    hawser_association *association;
    struct hawser_framing *framing; /* NULL before bare_begin() */
    const hawser_framer *framer;
    void *framer_user;
    char *host;
    struct strand *strand; /* NULL: not begun, or lost */
    uint64_t receive_memory, max_message, send_queue, send_queue_messages;
    bool undecided, secure, greeting, plain;
    bool datagrams;              /* a message is one (bare_datagram.c) */
    uint8_t *roomy;              /* where one is read that is larger than a datagram of UDP's can be; NULL: none is */
    bool several;                /* the layers give streams, and nothing else (bare_streams.c) */
    int64_t heard_at;            /* with datagrams: when the last one came */
    bool hears_only, sends_only; /* of a multicast group */
    int64_t silence;             /* and how long none may come; 0: for ever */
    int64_t greet_due;

    struct out *by_id; /* uthash, in the order of ids */
    uint64_t next_id, last_ordered;
    struct list classes[BARE_CLASSES];
    uint64_t filled[BARE_CLASSES / 64]; /* a bit a class that is not empty */
    struct list waiting, passed, ended;
    struct out *current, *final;
    uint64_t at;  /* bytes of current that were pulled */
    bool begun;   /* its head was written */
    bool written; /* current is in the framer's output, or gone: it passes when that is empty */
    bool stalled; /* its bytes are not there yet */
    uint8_t *gathered;
    struct heap expiries, starts;
    uint64_t queued_bytes, queued_messages;
    bool want_write, telling;
    bool stamped; /* the system says when datagrams left */
    struct list departing;
    unsigned departing_count;
    bool no_more;    /* the program's last message was given */
    bool end_wanted; /* our direction ends once all is gone */

    uint8_t *in;
    size_t in_size, in_capacity;
    struct list pending;
    uint64_t in_id, in_offset, held;
    struct session_arriving arriving; /* of a message that comes in parts */
    uint8_t *whole;                   /* it, when it is taken whole */
    size_t whole_capacity;
    bool in_parts, dropping;
    bool paused, peer_ended, end_told;

    hawser_stream *stream;
    struct list stream_out; /* struct piece */
    uint64_t stream_out_at, stream_out_end;
    uint8_t *ring; /* what the program has not read yet */
    size_t ring_at, ring_size;
    uint64_t stream_rate; /* bits per second at most; 0: any */
    bool stream_shut, stream_write_wanted, stream_read_wanted;
    bool stream_was; /* there has been one: the line ends with it */

    bool closing;
    uint64_t close_code;
    char *close_reason, *fail_reason;
    hawser_statistics statistics;
};

/* bare_order.c: which message is next */
void order_init(struct bare *bare);
int order_add(struct bare *bare, struct out *out, const struct session_send *send); /* edges; then ready or waiting */
void order_ready(struct bare *bare, struct out *out);                               /* into its class */
void order_wait(struct bare *bare, struct out *out);   /* out of its class, for more parts */
void order_leave(struct bare *bare, struct out *out);  /* out of everything */
void order_passed(struct bare *bare, struct out *out); /* those that wait for it need not any more */
void order_renice(struct bare *bare, struct out *out, uint8_t class);
struct out *order_next(struct bare *bare); /* NULL: none */

/* bare_streams.c: in bare_begin(): true: the line is several streams. In dispatch: takes and tells what is new; as
 * bare_read(), -ENODATA: the peer ended the line. */
bool bare_streams_begin(struct bare *bare);
ssize_t bare_streams_news(struct bare *bare);
void bare_streams_tell_over(struct bare *bare); /* in dispatch: which of them have ended */

/* bare_send.c */
struct out *out_find(struct bare *bare, uint64_t id);
/* With *ret_error 0 and NULL: not there yet. */
const uint8_t *out_bytes(struct bare *bare, struct out *out, uint64_t offset, size_t *ret_size, int *ret_error);
void out_release_pieces(struct bare *bare, struct out *out, uint64_t below);
void out_end(struct bare *bare, struct out *out, enum session_outcome kind, int code, const char *reason);
void out_fail_all(struct bare *bare, int code, const char *reason);
void out_passed(struct bare *bare, struct out *out);
void out_settle_passed(struct bare *bare); /* the layers took all that was pulled */
void out_tell(struct bare *bare);
void out_forget(struct bare *bare, struct out *out); /* it is in no table any more */
void out_free_all(struct bare *bare);

/* bare_pull.c */
bool pull_choose(struct bare *bare); /* what is next becomes current; false: there is none */
bool pull_gather(struct bare *bare,
                 struct out *out); /* into bare->gathered; false: not all there yet, or it has ended */

/* bare_datagram.c */
void datagram_begin(struct bare *bare);
int datagram_check(const struct bare *bare, uint64_t size);
void datagram_go_on(struct bare *bare);
int64_t datagram_due(const struct bare *bare);
void datagram_tick(struct bare *bare, int64_t now);
ssize_t bare_read_datagrams(struct bare *bare, uint8_t *space, size_t size);
bool bare_wants_write(const struct bare *bare);

/* bare_departure.c: the system's stamps of what left */
void departure_begin(struct bare *bare, struct layer *top);
void departure_note(struct bare *bare, const struct layer *top, const struct out *out);
void departure_tell(struct bare *bare); /* in dispatch */
void departure_free(struct bare *bare);

/* bare_receive.c */
int receive_begin(struct bare *bare);  /* what was read ahead of the first exchange */
void receive_go_on(struct bare *bare); /* in dispatch: what was held back */
void receive_bare_free(struct bare *bare);

/* bare_stream.c */
size_t bare_stream_room(const struct bare *bare);
int bare_stream_push(struct bare *bare, const uint8_t *data, size_t size);
void bare_stream_news(struct bare *bare); /* in dispatch */
void bare_stream_end(struct bare *bare, bool reset);
const uint8_t *bare_stream_bytes(struct bare *bare, size_t *ret_size);
void bare_stream_taken(struct bare *bare, size_t size);
void bare_stream_free(struct bare *bare);

/* bare.c */
void bare_fail(struct bare *bare, int code, const char *reason); /* the line cannot go on: as when the strand is lost */

#endif
