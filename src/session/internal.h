/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's own structs. One owner each: a struct is changed by the file named beside it; others read.
 */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include <errno.h>
#include <sys/types.h>

#include <bsd/sys/tree.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/range_set.h"
#include "base/varint.h"
#include "session/session.h"
#include "session/wire.h"

#define NEVER INT64_MAX
#define SMALL_FRAME 48 /* room for any frame of a few integers */
#define CLASSES 256
#define CLASS_NORMAL 100 /* of niceness 0 */
#define RECORDS 32       /* messages a chunk */
#define ARENA_SIZE 32768
#define ARENA_FIRST 2048 /* while nothing else waits: a lone message shall not cost a flood's memory */
#define COPY_MAX 8192 /* payloads up to this are copied into the pull buffer; larger ones leave from their own place */
#define BULK_MIN 65536
#define BULK_MAX 1048576
#define FRAME_HEAD_MAX SESSION_HEAD_MAX /* type, length, id, flags, size, offset */
#define KEPT_MAX(session) (4 * (session)->config.send_queue + (1 << 20))
#define STREAM_SEND_MAX (1 << 20)
#define STREAM_BLOCK 16384
#define ACK_BYTES 65536
#define ACK_DELAY 25000
/* Of answers, whose sender seldom waits for it: outcome and ACK ride with the next question. */
#define ANSWER_DELAY 100000
#define OUTCOMES_LAZY 64 /* runs that may wait so */
#define PONG_DELAY 5000  /* it tells its own waiting, and rides with what goes anyway */
#define TRIM_DELAY 1000000
#define CLOCK_SAMPLES 8
#define LOST_RANGES_MAX 4096
#define GAPS_MAX 131072 /* ranges of bytes beyond gaps, of all flows of a session */
/* Runs of outcomes, and refusals, that wait to be told: no credit is told before them, so that an honest peer's messages
 * are at most half the memory over MESSAGE_COST; twice that is borne. */
#define UNTOLD_MAX(session) ((session)->config.receive_memory / 128 + 4096)
#define LEDGER_MAX 1048576

/* ---- messages of ours: outbound.c */

enum outbound_state {
    OUTBOUND_FREE,
    OUTBOUND_PARKED,  /* an antecedent has not been sent in full */
    OUTBOUND_TIMED,   /* its time to be sent has not come */
    OUTBOUND_QUEUED,  /* in a list or the heap of its class */
    OUTBOUND_BLOCKED, /* opened, and waits for flow credit, a part or its source */
    OUTBOUND_SENT,    /* every byte was pulled; the outcome is awaited */
    OUTBOUND_ASKED,   /* EXPIRE was told of a message sent in full: the receiver decides */
    OUTBOUND_ENDED,   /* decided; the program is told at the next flush, or when it is not pinned any more */
};

struct arena { /* small copies lie together; freed when the last message in it ended */
    uint32_t live, used, size;
    uint8_t bytes[];
};

struct piece { /* of a message sent by parts, or of a stream */
    struct list link;
    uint64_t offset;
    uint32_t size, capacity;
    uint8_t bytes[];
};

struct pieces {
    struct list list;
    uint64_t end;      /* bytes put in */
    uint64_t released; /* bytes below are freed */
};

/* The messages of one probability (S1.23): how many of those that ended were delivered, and how many were not. */
struct chance {
    struct list link; /* session.chances */
    uint32_t probability;
    uint64_t delivered, missed; /* missed: given up, also where the peer has not said so yet */
};

/* What only messages with marks, a reliability, a send time or a pace need. */
struct outbound_extra {
    struct outbound *owner;
    struct session_marks marks;
    int64_t send_time;
    struct heap_node sending;  /* in session.send_times */
    uint64_t pace;             /* bytes per second */
    int64_t tokens, tokens_at; /* bytes times a million, and when they were counted */
    /* lossy.c */
    enum session_reliability reliability;
    unsigned resends, whole_tries;
    uint8_t *tries; /* how often each part of part_size was sent again */
    size_t tries_count;
    uint64_t part_size;
    struct chance *chance;
    uint64_t strand;    /* its number, where the message is bound to one */
    uint64_t skipped;   /* the peer was told that what is missing below will not come */
    uint32_t in_flight; /* frames of it whose fate is not known */
    bool given_up;      /* some of it will not be sent again */
    bool open_again;    /* its opening was lost, whose payload is given up */
};

/* What only some messages need. */
struct outbound_more {
    struct outbound *owner;
    void *cookie;
    void *block; /* a large copy */
    int64_t stamp, lifetime;
    struct outbound_extra *extra;
    struct heap_node expiry;   /* in session.expiries */
    struct heap_node deadline; /* in its class */
    uint64_t reply_to;
    uint64_t *antecedents;
    uint32_t antecedent_count;
    uint32_t waiting_for;   /* antecedents that are not yet sent in full */
    struct list waiters;    /* edges of messages parked for this one */
    struct edge *edges;     /* antecedent_count of them, while parked */
    uint64_t missing;       /* lossy: bytes that the peer's program did not get */
    uint64_t paid;          /* bytes paid for at opening */
    uint64_t credit;        /* offset up to which bytes are allowed: paid, then FLOW_CREDIT */
    struct range_set again; /* bytes to send again */
    struct range_set acked; /* parts: acknowledged out of order */
    struct pieces pieces;
    int end_code;
    const char *end_reason;
    char *reason; /* end_reason where it is the peer's; text_keep() */
    enum session_outcome end_kind;
    bool maybe_delivered, antecedent_lost;
};

struct edge { /* successor waits for an antecedent */
    struct list link;
    struct outbound *successor;
};

struct outbound {
    struct list link;
    const uint8_t *data;
    uint64_t size;
    uint64_t id;
    uint64_t sent; /* bytes pulled for the first time */
    struct outbound_more *more;
    struct arena *arena;
    uint8_t state;
    uint8_t class;    /* raised by what waits for it */
    uint8_t niceness; /* as the program gave it, + 100 */
    bool size_told : 1;
    bool opened : 1; /* FIRST was pulled and paid for */
    bool borrowed : 1;
    bool parts : 1;
    bool source : 1;
    bool complete : 1; /* parts: the last one was given */
    bool fin_sent : 1;
    bool fin_again : 1; /* the empty LAST frame must be sent again */
    bool ordered : 1;
    bool replayable : 1;
    bool want_sent : 1;
    unsigned pins : 4;  /* strands that are sending from its memory */
    bool through : 1;   /* every byte was pulled once: the receiver may have it whole */
    bool copied : 1;    /* its bytes count in queued_bytes */
    bool counted : 1;   /* in flows_open */
    bool lossy : 1;     /* not SESSION_FULL */
    bool bound : 1;     /* to a strand: outbound_extra.strand */
    bool want_room : 1; /* a part was refused because too much of it waits */
};

struct outbound_chunk {
    RB_ENTRY(outbound_chunk) entry;
    uint64_t number;
    uint32_t live;
    struct outbound records[RECORDS];
};
RB_HEAD(outbound_tree, outbound_chunk);

/* ---- order of sending: schedule.c */

enum lane { LANE_SMALL, LANE_FRESH, LANE_OPEN, LANE_STREAM, LANE_COUNT };

struct class
{
    struct list again;             /* messages with something to send again */
    struct list lanes[LANE_COUNT]; /* unopened small, unopened large, opened large, streams; oldest first */
    struct heap deadlines;         /* unopened messages with a lifetime, earliest first */
    uint32_t quantum;              /* bytes left of the turn */
    uint8_t turn;
};

#include "session/strand.h" /* what a strand carried, and how it is */

/* ---- messages of the peer: inbound.c */

struct inbound_properties {
    int niceness;
    bool has_lifetime;
    int64_t stamp, lifetime;
    uint64_t flags, reply_to;
    struct session_marks marks;
    uint8_t reliability; /* enum session_reliability */
    uint32_t antecedent_count;
    const uint8_t *antecedents; /* varints, in the frame */
    size_t antecedents_size;
};

struct inbound_gaps {         /* gaps.c */
    struct range_set held;    /* bytes in the ring that cannot be handed over yet */
    struct list stored;       /* parts that fill gaps behind it, and cannot either */
    uint64_t stored_cost;     /* what they take */
    uint64_t skipped;         /* what is missing below will not come */
    struct range_set dropped; /* bytes that came and were not kept, or came too late */
};

struct inbound {
    RB_ENTRY(inbound) entry;
    struct list reserving, ready, crediting; /* the session's lists of these names */
    uint64_t id, size;                       /* size: SESSION_SIZE_UNKNOWN until known */
    uint64_t got;                            /* bytes from 0 on that are here without a gap */
    struct range_set have;                   /* bytes beyond got */
    uint8_t *buffer;                         /* ours unless INTO */
    size_t capacity;
    uint64_t paid;             /* bytes of it that association credit covers */
    uint64_t cost;             /* association credit it took */
    uint64_t reserved;         /* of session.reserve_pool */
    uint64_t allowed;          /* flow credit to be told */
    uint64_t told;             /* flow credit that was pulled */
    uint64_t consumed;         /* parts: handed over; with gaps: where the furthest part handed over ends */
    struct inbound_gaps *gaps; /* taken with gaps */
    int64_t received_at;       /* the stamp of the last bytes that came */
    int64_t stalled_at;        /* since when it waits for what is before it; 0: it does not */
    struct inbound_properties properties;
    uint32_t waiting_for;
    uint32_t filling;       /* lanes whose next bytes are its */
    struct waiter *waiters; /* waiter_count of them, those that wait are in the session's tree */
    uint32_t waiter_count;
    enum session_take take;
    void *sink;
    bool opened, early, queued, announced, is_ready, incomplete, last_told;
    bool given_up; /* the sender sends no more of it: what is there is all */
};
RB_HEAD(inbound_tree, inbound);

struct waiter { /* one of inbound.waiters: a message of the peer's waits for an antecedent */
    RB_ENTRY(waiter) entry;
    uint64_t antecedent;
    struct inbound *inbound;
};
RB_HEAD(waiter_tree, waiter);

struct outcome_run {
    uint64_t first, count;
    uint32_t cost; /* EXPIRE: of a message that was opened, which then stands alone; else 0 */
    uint8_t kind;
};

struct runs { /* ranges of ids to be told, in the order they came */
    struct outcome_run *items;
    size_t head, count, capacity;
};

struct refusal { /* an OUTCOME refused, with its reason */
    struct list link;
    uint64_t id;
    size_t size;
    char reason[];
};

/* ---- streams: stream.c, stream_receive.c */

struct session_stream {
    RB_ENTRY(session_stream) entry;
    struct list link;     /* a lane, or nothing */
    struct list reserved; /* session.reserved, while it has bandwidth kept and bytes to send */
    struct list news;     /* session.stream_news */
    struct session *session;
    uint64_t id;
    void *user;
    uint8_t class;
    bool local; /* opened by us */
    bool paid;
    bool opened; /* FIRST was sent, or came */
    bool shut, fin_sent, first_acked, fin_acked, fin_again;
    bool reset, reset_sent, reset_received, reset_wanted;
    bool closed_told, dead;
    uint8_t pins; /* strands that are sending from its memory */
    bool want_write, news_readable, news_writable, news_closed;
    bool credit_wanted;
    uint64_t reset_code;
    /* sending */
    struct pieces pieces;
    struct range_set again, acked;
    uint64_t sent, credit;
    uint64_t bandwidth; /* bytes per second */
    bool limit;
    int64_t tokens, tokens_at; /* bytes times a million, and when they were counted */
    /* receiving */
    uint8_t *ring;
    size_t ring_capacity;
    uint64_t consumed, got, end; /* end: UINT64_MAX until LAST came */
    struct range_set have;
    int64_t stalled_at; /* since when bytes wait for earlier ones; 0: none do */
    uint64_t window, allowed, told, reserved_window;
    uint32_t filling; /* lanes whose next bytes are its */
};
RB_HEAD(stream_tree, session_stream);

/* ---- states that are told: tell.c */

struct tell {
    uint8_t *body;
    size_t size;
    uint64_t serial; /* 0: never told */
    uint8_t wanted;  /* its parts that are to be told */
};

struct heard_tell {
    uint8_t *body;   /* SESSION_TELL_MAX while parts of it are missing */
    size_t size;     /* of what is in body, as its parts say */
    uint64_t serial; /* of what is in body */
    uint64_t told;   /* of what the program has */
    uint8_t have;
};

struct tells {
    struct tell ours[SESSION_TELL_KINDS];
    struct heard_tell heard[SESSION_TELL_KINDS];
};

/* ---- what goes on two strands: copies.c */

struct copy {
    uint64_t id, strand; /* the message, and who carries it */
    int64_t at;
};

#define COPIES_MAX 64
struct copies { /* small messages that a second strand shall carry too; a ring */
    struct copy items[COPIES_MAX];
    unsigned head, count;
};

struct tail { /* how far the copy of one ledger entry has come */
    uint64_t strand, unit, end, done;
    uint64_t bytes; /* of all tails that were copied */
};

/* ---- the session */

struct clock_sample {
    int64_t rtt, offset;
};

struct told { /* outcomes being collected into one event */
    uint64_t first, count;
    enum session_outcome kind;
    int code;
    const char *reason;
    bool maybe_delivered;
};

struct session {
    const struct memory *memory;
    const struct session_handler *handler;
    void *user;
    struct session_config config;
    int64_t now;
    bool opener;

    /* strands.c */
    struct list strands;
    unsigned strand_count;
    uint64_t next_strand;
    struct range_set strand_numbers; /* that were used */
    uint64_t state_serial;
    unsigned states_due; /* strands whose state is to be told */
    bool stranded_told, suspicion_news;
    int64_t behind; /* as session_behind() said; 0 again once a strand proves itself */
    const struct scheduler *scheduler;
    struct session_strand *choice; /* handover: the one that carries */
    int64_t ask_again;             /* when strands are asked again that left something to others; NEVER: nothing was */

    /* copies.c */
    struct copies *copies; /* NULL until there is one */
    struct tail tail;

    /* tell.c */
    struct tells *tells; /* NULL until one is told or heard: most lines never tell anything */
    bool tells_wanted;

    struct list unit_lanes; /* of all strands of units */
    struct list held_units; /* came before HELLO */
    uint64_t lane_bytes;    /* that units under way and held ones take */
    uint64_t held_bytes;    /* payload of the held ones */
    int64_t received_at;    /* of what is being read; 0: no stamp */
    uint32_t unit_strands;
    bool useless_wanted; /* units under way are to be looked at, whether they still matter */

    /* outbound.c */
    struct outbound_tree chunks;
    struct outbound_chunk *newest, *recent;
    struct arena *arena;
    uint64_t next_id;
    uint64_t last_ordered;
    uint64_t unsettled, queued_bytes, unsent_bytes;
    uint64_t kept_bytes; /* of chunks and arenas: what a peer can make us keep by settling few of many */
    struct list ending;
    struct list raising; /* antecedent.c: work in progress */
    struct heap expiries;
    struct heap send_times;
    struct list chances;
    struct runs expires; /* EXPIRE to be told; kind as on the wire */
    struct runs sents;   /* to be told to the program: each alone, count is when it was pulled (0), left (1) */
    struct told told;
    struct range_set failed; /* ids that ended undelivered, as far back as LOST_RANGES_MAX ranges */
    bool want_write, room_made, trim_armed;
    int64_t trim_due;

    /* schedule.c */
    struct class normal;
    struct class **classes;      /* CLASSES of them, or NULL while only niceness 0 is in use */
    uint64_t busy[CLASSES / 64]; /* which have something */
    struct list reserved;        /* streams with bandwidth kept */
    int64_t limit_due;           /* when a limited stream may send again */

    /* the peer's limits and our use of them: credit.c */
    uint64_t peer_flow_credit, peer_open_flows, peer_max_message, peer_gaps;
    uint64_t credit, credit_used; /* association credit */
    uint64_t credit_window;       /* the peer's first grant */
    uint64_t flows_open;          /* messages in several frames, and streams */

    /* inbound.c */
    struct inbound_tree inbound;
    struct waiter_tree waiters;
    struct list ready;     /* whole and settled, while paused */
    struct list reserving; /* wait for memory, most urgent first */
    struct list crediting; /* flow credit is to be told */
    struct range_set settled, undelivered;
    uint64_t highest;                   /* id seen */
    uint64_t inbound_count, incomplete; /* all; those not whole yet */
    bool draining;
    uint64_t max_granted, grant_used, grant; /* told, used, to be told */
    uint64_t reserve_pool, reserve_free;
    uint64_t held; /* bytes of messages the program has not let go */
    bool paused, grant_wanted;
    struct runs outcomes;
    int64_t outcomes_due; /* when they go alone; 0: now */
    struct list refusals;
    uint64_t refusal_count, gaps;

    /* streams */
    struct stream_tree streams;
    struct list stream_news;
    struct list graveyard; /* closed streams, until nothing points at them */
    uint64_t next_stream;
    uint64_t streams_wanting;      /* resets or credits to be told */
    struct runs resets;            /* of streams that are gone: first is the id, count the code */
    struct range_set streams_seen; /* of the peer, by id / 2 */

    /* clock.c */
    struct clock_sample samples[CLOCK_SAMPLES];
    uint8_t sample_count, sample_next;
    int64_t offset, rtt;
    int64_t clock_shift; /* the wire's clock is ours and this much: export.c */
    int64_t last_ping;
    bool lifetimes_seen;
    bool clock_moved; /* an end was: what is known of the peer's clock may be a little wrong */

    /* hello.c, end.c */
    bool hello_sent, hello_acked, hello_received;
    struct session_hello hello;
    bool closing, closing_first, peer_closed, close_sent, /* and it need not be sent again */
        close_said,                                       /* at least once */
        abort_wanted, ended, ended_told;
    uint64_t close_code, end_peer_code, peer_close_code;
    int end_code;
    bool end_by_peer;
    char *hello_name, *close_reason, *end_reason, *peer_close_reason; /* text_keep(); NULL: "" */
    unsigned depth;                                                   /* of calls that may call back */

    struct session_statistics statistics;
};

#include "session/calls.h" /* what the files of this folder call of one another */

#endif
