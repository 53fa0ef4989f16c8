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
#define CLASSES 256
#define CLASS_NORMAL 100 /* of niceness 0 */
#define RECORDS 32       /* messages a chunk */
#define ARENA_SIZE 32768
#define ARENA_FIRST 2048 /* while nothing else waits: a lone message shall not cost a flood's memory */
#define COPY_MAX 8192 /* payloads up to this are copied into the pull buffer; larger ones leave from their own place */
#define BULK_MIN 65536
#define BULK_MAX 1048576
#define FRAME_HEAD_MAX 64 /* type, length, id, flags, size, offset */
#define KEPT_MAX(session) (4 * (session)->config.send_queue + (1 << 20))
#define STREAM_SEND_MAX (1 << 20)
#define STREAM_BLOCK 16384
#define ACK_BYTES 65536
#define ACK_DELAY 25000
#define TRIM_DELAY 1000000
#define CLOCK_SAMPLES 8
#define OUTCOME_RUNS_MAX 262144
#define LOST_RANGES_MAX 4096
#define GAPS_MAX 131072    /* ranges of bytes beyond gaps, of all flows of a session */
#define WAITERS_MAX 262144 /* antecedents that are waited for */
#define REFUSALS_MAX 65536
#define LEDGER_MAX (1 << 20)

/* ---- messages of ours: outbound.c */

enum outbound_state {
    OUTBOUND_FREE,
    OUTBOUND_PARKED,  /* an antecedent has not been sent in full */
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

/* What only some messages need. */
struct outbound_more {
    struct outbound *owner;
    void *cookie;
    void *block; /* a large copy */
    int64_t stamp, lifetime;
    struct heap_node expiry;   /* in session.expiries */
    struct heap_node deadline; /* in its class */
    uint64_t reply_to;
    uint64_t *antecedents;
    uint32_t antecedent_count;
    uint32_t waiting_for;   /* antecedents that are not yet sent in full */
    struct list waiters;    /* edges of messages parked for this one */
    struct edge *edges;     /* antecedent_count of them, while parked */
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
    bool pinned : 1;    /* a strand is sending from its memory */
    bool through : 1;   /* every byte was pulled once: the receiver may have it whole */
    bool copied : 1;    /* its bytes count in queued_bytes */
    bool counted : 1;   /* in flows_open */
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

/* ---- what a strand carried: ledger.c */

enum ledger_kind {
    LEDGER_RUN,  /* messages id .. id + count - 1, each whole in one frame */
    LEDGER_PART, /* bytes of message id */
    LEDGER_STREAM,
    LEDGER_OUTCOME,
    LEDGER_EXPIRE,
    LEDGER_CREDIT,
    LEDGER_FLOW_CREDIT,
    LEDGER_STREAM_CREDIT,
    LEDGER_STREAM_RESET,
    LEDGER_HELLO,
    LEDGER_CLOSE,
};

struct ledger_entry {
    uint64_t end; /* the strand's offset after it */
    uint64_t id;
    uint64_t offset; /* OUTCOME, EXPIRE: count of ids */
    uint32_t size;   /* RUN: count of messages */
    uint8_t kind;
    uint8_t flags; /* DATA_LAST, STREAM_FIRST...; OUTCOME and EXPIRE: the wire's kind */
};

struct ledger {
    struct ledger_entry *entries; /* a ring */
    uint32_t head, count, capacity;
};

struct session_strand {
    struct list link; /* session.strands */
    struct session *session;
    void *user;
    uint64_t number;
    bool early, suspected, silent_told;
    bool ack_wanted; /* tell at the next occasion */
    bool ping_wanted, pong_wanted, pinged, abort_sent;
    /* sending */
    struct ledger ledger;
    uint64_t sent, acked;
    uint64_t bulk_bytes; /* size of a bulk frame */
    struct outbound *pinned;
    struct session_stream *pinned_stream;
    /* receiving */
    uint64_t received, ack_told;
    int64_t ack_due, last_received, pinged_at;
    uint64_t pong_stamp;
    int64_t pong_received;
    uint8_t *partial; /* a frame that is not all there */
    size_t partial_size, partial_capacity;
    struct inbound *into; /* payload of a long DATA or STREAM frame goes here */
    struct session_stream *into_stream;
    uint64_t into_offset, into_left;
    bool into_last, into_skip, into_direct, elicited;
};

/* ---- messages of the peer: inbound.c */

struct inbound_properties {
    int niceness;
    bool has_lifetime;
    int64_t stamp, lifetime;
    uint64_t flags, reply_to;
    uint32_t antecedent_count;
    const uint8_t *antecedents; /* varints, in the frame */
    size_t antecedents_size;
};

struct inbound {
    RB_ENTRY(inbound) entry;
    struct list reserving, ready; /* the session's lists of these names */
    uint64_t id, size;            /* size: SESSION_SIZE_UNKNOWN until known */
    uint64_t got;                 /* bytes from 0 on that are here without a gap */
    struct range_set have;        /* bytes beyond got */
    uint8_t *buffer;              /* ours unless INTO */
    size_t capacity;
    uint64_t paid;     /* bytes of it that association credit covers */
    uint64_t cost;     /* association credit it took */
    uint64_t reserved; /* of session.reserve_pool */
    uint64_t allowed;  /* flow credit to be told */
    uint64_t told;     /* flow credit that was pulled */
    uint64_t consumed; /* parts: handed over */
    struct inbound_properties properties;
    uint32_t waiting_for;
    struct waiter *waiters; /* waiter_count of them, those that wait are in the session's tree */
    uint32_t waiter_count;
    enum session_take take;
    void *sink;
    bool opened, early, queued, credit_wanted, announced, is_ready, incomplete, last_told;
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
    bool shut, fin_sent, fin_acked, fin_again;
    bool reset, reset_sent, reset_received, reset_wanted;
    bool pinned, closed_told, dead;
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
    uint64_t window, allowed, told, reserved_window;
};
RB_HEAD(stream_tree, session_stream);

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

    struct list strands;
    uint64_t next_strand;

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
    struct runs expires; /* EXPIRE to be told; kind as on the wire */
    struct runs sents;   /* HAWSER_SENT to be told to the program */
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
    struct range_set settled, undelivered;
    uint64_t highest;                   /* id seen */
    uint64_t inbound_count, incomplete; /* all; those not whole yet */
    bool draining;
    uint64_t max_granted, grant_used, grant; /* told, used, to be told */
    uint64_t reserve_pool, reserve_free;
    uint64_t held; /* bytes of messages the program has not let go */
    bool paused, grant_wanted;
    struct runs outcomes;
    struct list refusals;
    uint64_t refusal_count, waiter_count, gaps;

    /* streams */
    struct stream_tree streams;
    struct list stream_news;
    struct list graveyard; /* closed streams, until nothing points at them */
    uint64_t next_stream;
    uint64_t streams_wanting; /* resets or credits to be told */
    struct runs resets;       /* of streams that are gone: first is the id, count the code */
    uint64_t flow_credits_wanting;
    struct range_set streams_seen; /* of the peer, by id / 2 */
    uint64_t streams_open;

    /* clock.c */
    struct clock_sample samples[CLOCK_SAMPLES];
    uint8_t sample_count, sample_next;
    bool hello_clock;
    int64_t offset, rtt;
    int64_t last_ping;
    bool lifetimes_seen;

    /* hello.c, end.c */
    bool hello_sent, hello_received;
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

/* records.c */
struct outbound *record_new(struct session *session, uint64_t id); /* NULL: no memory */
uint8_t *arena_take(struct session *session, size_t size, struct arena **ret_arena);
struct outbound *outbound_find(struct session *session, uint64_t id); /* NULL: settled or never */
void outbound_settle(struct session *session, struct outbound *outbound, enum session_outcome kind, int code,
                     const char *reason, bool maybe_delivered);
void outbound_expire_due(struct session *session);
void outbound_fail_all(struct session *session, int code, const char *reason);
void outbound_unpin(struct session *session, struct outbound *outbound);
void outbound_trim(struct session *session);
void outbound_free_all(struct session *session);
void outbound_tell(struct session *session); /* hands collected outcomes to the program */
void outbound_finish_ending(struct session *session);
struct outbound_more *outbound_need_more(struct session *session, struct outbound *outbound); /* NULL: no memory */
uint64_t outbound_weight(const struct session *session,
                         const struct outbound *outbound); /* in queued_bytes; not of parts */
uint64_t outbound_cost(const struct outbound *outbound);   /* what opening it took; 0: not opened */
int outbound_ask(struct session *session, struct outbound *outbound, enum expire_kind kind);
void outbound_room_check(struct session *session, struct outbound *outbound);
void outbound_passed(struct session *session, struct outbound *outbound);  /* every byte has been pulled now */
void outbound_release(struct session *session, struct outbound *outbound); /* frees the record; nothing is told */
int outcome_read(struct session *session, const uint8_t *at, const uint8_t *end);
/* Calls each() with every range of "first count (gap count)*"; NULL on success is never returned: 0 or a violation. */
int ranges_read(struct session *session, const uint8_t *at, const uint8_t *end,
                int (*each)(struct session *session, uint8_t kind, uint64_t first, uint64_t count), uint8_t kind);
const uint8_t *outbound_bytes(struct session *session, struct outbound *outbound, uint64_t offset, size_t *ret_size);
void outbound_stop(struct session *session, struct outbound *outbound); /* takes it out of every list and heap */
void outbound_acked(struct session *session, uint64_t id, uint64_t offset, uint64_t size);

uint64_t outbound_delivered_run(struct session *session, struct outbound_chunk *chunk, uint64_t id, uint64_t end);

/* antecedent.c */
int antecedent_park(struct session *session, struct outbound *outbound);    /* 1: it must wait, 0: it need not */
void antecedent_passed(struct session *session, struct outbound *outbound); /* wakes those that wait for it */
void antecedent_drop_edges(struct session *session, struct outbound *outbound);
void antecedent_raise(struct session *session, struct outbound *outbound, uint8_t class);

/* pieces.c */
void pieces_init(struct pieces *pieces);
int pieces_add(const struct memory *memory, struct pieces *pieces, const void *data, size_t size);
const uint8_t *pieces_at(const struct pieces *pieces, uint64_t offset, size_t *ret_size);
void pieces_release(const struct memory *memory, struct pieces *pieces, uint64_t below);
/* [offset, end) was acknowledged, in any order; frees what no gap is below, unless a strand sends from it (hold). */
int pieces_acked(const struct memory *memory, struct pieces *pieces, struct range_set *acked, uint64_t offset,
                 uint64_t end, bool hold);
void pieces_release_acked(const struct memory *memory, struct pieces *pieces, struct range_set *acked);

/* schedule.c */
void schedule_init(struct session *session);
void schedule_free(struct session *session);
int schedule_message(struct session *session, struct outbound *outbound); /* where its state says */
void schedule_plain(struct session *session, struct outbound *outbound);  /* small, new, niceness 0 */
void schedule_stream(struct session *session, struct session_stream *stream);
void unschedule_message(struct session *session, struct outbound *outbound);
void unschedule_stream(struct session *session, struct session_stream *stream);
bool schedule_waiting(const struct session *session); /* something is in a list */
struct chosen {
    struct outbound *message;
    struct session_stream *stream;
    struct class *class;
    enum lane lane;
    uint64_t limit; /* most bytes of it */
};
bool schedule_alone(const struct session *session,
                    const struct class *class); /* nothing else may go before its small ones */
uint64_t credit_left(const struct session *session);
bool schedule_choose(struct session *session, struct session_strand *strand, struct chosen *chosen);
void schedule_used(struct chosen *chosen, size_t bytes);
bool schedule_replayable(const struct session *session);
void schedule_trim(struct session *session);

/* credit.c */
bool credit_allows(const struct session *session, const struct outbound *outbound, uint64_t *ret_paid);
bool credit_allows_stream(const struct session *session);
void credit_return(struct session *session, uint64_t cost);
int credit_charge(struct session *session, uint64_t cost); /* -HAWSER_ELIMIT */
void reserve_ask(struct session *session, struct inbound *inbound);
void reserve_grant(struct session *session);

/* ledger.c */
int ledger_make_room(struct session *session, struct ledger *ledger, uint32_t entries);
void ledger_add(struct session_strand *strand, enum ledger_kind kind, uint8_t flags, uint64_t id, uint64_t offset,
                uint64_t size);
void ledger_acked(struct session_strand *strand, uint64_t offset);
int ledger_lost(struct session_strand *strand); /* everything beyond acked is to be sent again */
void ledger_free(struct session *session, struct ledger *ledger);

/* runs.c */
int runs_add(const struct memory *memory, struct runs *runs, uint8_t kind, uint64_t first, uint64_t count,
             uint64_t cost);
void runs_free(const struct memory *memory, struct runs *runs);

/* control.c */
bool control_waiting(const struct session_strand *strand);
/* Writes what fits; the position after it. */
uint8_t *control_pull(struct session_strand *strand, uint8_t *at, uint8_t *end);

/* hello.c */
uint8_t *hello_write(struct session *session, uint8_t *at, uint8_t *end);
int hello_read(struct session *session, const uint8_t *at, const uint8_t *end);

/* receive.c */
int frame_read(struct session_strand *strand, uint64_t type, const uint8_t *body, const uint8_t *end, bool early);
int violation(struct session *session, enum session_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* inbound.c, deliver.c, settle.c */
struct data_frame {
    uint64_t id, size, paid, offset;
    uint8_t flags;
    struct inbound_properties properties;
    const uint8_t *payload;
};
/* Reads a DATA frame's head; ret_frame->payload is where the payload begins. */
int data_read_head(struct session *session, const uint8_t *at, const uint8_t *end, uint64_t payload_end,
                   struct data_frame *ret_frame);
int inbound_whole(struct session_strand *strand, const struct data_frame *frame, size_t size, bool early);
int inbound_begin(struct session_strand *strand, const struct data_frame *frame, uint64_t size, bool early,
                  struct inbound **ret_inbound); /* NULL: skip the payload */
int inbound_place(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data, size_t size,
                  bool in_place);
/* After placing: hands over parts, notes that it is whole. The message may be gone afterwards. */
int inbound_advance(struct session *session, struct inbound *inbound);
uint8_t *inbound_room(const struct inbound *inbound, uint64_t offset, uint64_t *ret_size); /* NULL: not by place */
bool inbound_by_parts(const struct inbound *inbound);
bool inbound_is_whole(const struct inbound *inbound);
void inbound_forget(struct session *session, struct inbound *inbound); /* frees it; its credit is the caller's matter */
void inbound_discard(struct session *session, struct inbound *inbound, enum session_outcome kind); /* gives all back */
void inbound_free_all(struct session *session);
struct inbound *inbound_find(struct session *session, uint64_t id);
int inbound_grow(struct session *session, struct inbound *inbound, size_t capacity);
int gap_add(struct session *session, struct range_set *have, uint64_t offset, uint64_t end);
int inbound_window(struct session *session, struct inbound *inbound); /* allows more of what is taken in parts */
/* deliver.c */
void deliver_when_ready(struct session *session, struct inbound *inbound);
void deliver_drain(struct session *session);
int deliver_small(struct session *session, uint64_t id, const uint8_t *data, size_t size, uint64_t cost,
                  const struct inbound_properties *properties, bool early);
int deliver_parts(struct session *session, struct inbound *inbound, const uint8_t *data, size_t size);
int deliver_parts_told(struct session *session, struct inbound *inbound); /* the program has had all of its parts */
/* plain.c */
/* Reads frames as long as they are whole plain messages, from *ret_at on. */
int plain_messages(struct session_strand *strand, const uint8_t *at, const uint8_t *end, const uint8_t **ret_at);
/* settle.c */
int refusal_add(struct session *session, uint64_t id, const char *reason);
int settle_delivered(struct session *session, uint64_t first, uint64_t count); /* nobody waits for them */
int settle_inbound(struct session *session, uint64_t id, uint8_t kind, const char *reason);
bool settled_contains(const struct session *session, uint64_t id);
int expire_read(struct session *session, const uint8_t *at, const uint8_t *end);
int waiters_add(struct session *session, struct inbound *inbound); /* counts what inbound must wait for */
void waiters_remove(struct session *session, struct inbound *inbound);
bool antecedents_pending(const struct session *session, uint64_t id, const struct inbound_properties *properties);

/* stream.c, stream_receive.c */
struct session_stream *stream_find(struct session *session, uint64_t id);
void stream_wake(struct session_stream *stream); /* into a lane, where it has something to send */
bool stream_has_work(const struct session_stream *stream);
uint64_t stream_sendable(const struct session_stream *stream, int64_t now, bool reserved);
void stream_news(struct session_stream *stream);
void stream_tell_news(struct session *session);
void streams_end(struct session *session, bool clean);
void streams_shut(struct session *session);
bool streams_done(const struct session *session);
void stream_room_check(struct session_stream *stream); /* whether more may be written again */
void stream_unpin(struct session_stream *stream);
struct session_stream *stream_new(struct session *session, uint64_t id, bool local);
void stream_ended_check(struct session_stream *stream);
void streams_free_all(struct session *session);
struct stream_frame {
    uint64_t id, offset;
    uint8_t flags;
    int niceness;
    const uint8_t *payload;
};
int stream_read_head(struct session *session, const uint8_t *at, const uint8_t *end, struct stream_frame *ret_frame);
int stream_begin(struct session_strand *strand, const struct stream_frame *frame, uint64_t size,
                 struct session_stream **ret_stream);
int stream_place(struct session_stream *stream, uint64_t offset, const uint8_t *data, size_t size);
int stream_advance(struct session_stream *stream, bool last, uint64_t end);
int stream_reset_read(struct session *session, uint64_t id, uint64_t code);
int64_t stream_limit_due(const struct session_stream *stream);
void stream_count_tokens(struct session_stream *stream, int64_t now);

/* clock.c */
void clock_hello(struct session *session, int64_t peer_clock);
void clock_sample(struct session *session, int64_t sent, int64_t peer_received, int64_t peer_sent);
int64_t clock_age(const struct session *session, int64_t stamp);
void strand_heard(struct session_strand *strand);
int64_t strand_due(const struct session_strand *strand);
void strand_tick(struct session_strand *strand);

/* end.c */
void end_session(struct session *session, int code, uint64_t peer_code, bool by_peer, const char *reason);
void end_check(struct session *session); /* whether both sides are done */
bool close_ready(const struct session *session);
void session_enter(struct session *session, int64_t now);
void session_leave(struct session *session); /* tells what was collected, when the outermost call ends */
void trim_arm(struct session *session);      /* memory in reserve is let go after a while without use */
char *text_keep(struct session *session, char *old, const char *text, size_t size); /* NULL: no memory, or empty */

RB_PROTOTYPE(outbound_tree, outbound_chunk, entry, outbound_chunk_compare)
RB_PROTOTYPE(inbound_tree, inbound, entry, inbound_compare)
RB_PROTOTYPE(waiter_tree, waiter, entry, waiter_compare)
RB_PROTOTYPE(stream_tree, session_stream, entry, stream_compare)

#endif
