/* SPDX-License-Identifier: Apache-2.0 */
/* What the session keeps of a strand. Included by session/internal.h only. */
#ifndef SESSION_STRAND_H
#define SESSION_STRAND_H

/* ---- what a strand carried: ledger.c */

enum ledger_kind {
    LEDGER_RUN,   /* messages id .. id + count - 1, each whole in one frame */
    LEDGER_LOSSY, /* message id, lossy and whole in one frame */
    LEDGER_PART,  /* bytes of message id */
    LEDGER_STREAM,
    LEDGER_OUTCOME,
    LEDGER_EXPIRE,
    LEDGER_CREDIT,
    LEDGER_FLOW_CREDIT,
    LEDGER_STREAM_CREDIT,
    LEDGER_STREAM_RESET,
    LEDGER_HELLO,
    LEDGER_CLOSE,
    LEDGER_TELL,   /* id: the kind, offset: the serial, size: which part */
    LEDGER_STRAND, /* id: the number of the strand whose state was told */
    /* On strands of units alone, where one frame may be lost of many: */
    LEDGER_ACK, /* id: the number of the strand that it is of */
    LEDGER_PING,
    LEDGER_PONG,
    LEDGER_ABORT,
};

struct ledger_entry {
    uint64_t end; /* the strand's offset after it */
    uint64_t id;
    uint64_t offset; /* OUTCOME, EXPIRE: count of ids */
    uint32_t size;   /* RUN: count of messages */
    uint8_t kind;
    uint8_t flags; /* DATA_LAST, STREAM_FIRST..., LEDGER_WANTED; OUTCOME and EXPIRE: the wire's kind */
};

#define LEDGER_WANTED 0x80 /* the last bytes of a message with want_sent */
#define LEDGER_COPY 0x40   /* of messages and streams: another strand carries it too, and answers for it */
#define LEDGER_COPIED 0x20 /* another strand carries a copy of it */

struct ledger {
    struct ledger_entry *entries; /* a ring */
    uint32_t head, count, capacity;
};

/* Where the parser stands in one sequence of frames: a strand of bytes is one, each unit under way is one. */
struct session_lane {
    uint8_t *partial; /* a frame that is not all there */
    size_t partial_size, partial_capacity;
    struct inbound *into; /* payload of a long DATA or STREAM frame goes here */
    struct session_stream *into_stream;
    uint64_t into_offset, into_left;
    bool into_last, into_skip, into_direct;
};

/* ---- strands of units: units.c, unit_ledger.c */

struct unit_lane { /* a unit that is not all there, or waits for HELLO */
    struct session_lane lane;
    struct session_strand *strand;
    struct list link; /* session.unit_lanes */
    struct list held; /* session.held_units */
    uint8_t *bytes;   /* of a unit that came before HELLO, unread */
    size_t size, capacity;
    int64_t received_at;
    bool begun; /* is being read: HELLO is in, or is its first frame */
    bool early, ended;
};

struct unit_record { /* a unit whose fate is not known, or (no entries) one before the first such */
    struct ledger_entry *entries;
    uint32_t count;
    uint32_t size;
    bool open, useless_told;
};

struct unit_side {
    struct session_units offer;
    struct unit_record *records; /* a ring; the first is of unit `base` */
    uint64_t base;
    uint32_t head, count, capacity;
    uint32_t entries, under_way; /* in all records; records that are open */
    uint64_t bytes_under_way;
    size_t room, lossy_room; /* what the last units could hold */
};

/* ---- how a strand is: suspicion.c */

struct vital {
    int64_t proof_at;  /* when last something proved that what we send on it arrives */
    int64_t flight_at; /* since when there is something in flight on it */
    int64_t lives_at;  /* when another strand was heard of first, since the peer's word was due; 0: not yet */
    int64_t excused;   /* until when it may be silent, since we were not there to hear it; 0: not */
    int64_t struck_at; /* when it was suspected last, by either end */
    int64_t suspected_at, probe_at, probe_gap, well_at, trusted_at;
    uint64_t mark;                /* what was sent when it was suspected */
    unsigned suspicions, strikes; /* ever; lately */
    unsigned excuses;             /* for this silence */
    bool late;                    /* the peer's word is late; others were asked whether it lives */
    bool suspected, told;         /* told: what the caller was told last */
};

/* ---- how fast a strand is: estimate.c */

struct estimate {
    int64_t srtt, min_rtt; /* by PING; 0: not known */
    uint64_t rate;         /* bytes per second, of what was acknowledged; 0: not known */
    int64_t mark_at;       /* when it had mark_acked */
    uint64_t mark_acked;
    int64_t pulled_at; /* the last pull that left something over; 0: it left nothing */
    int64_t free_at;   /* when at that rate all that it was given has left */
};

enum own { OWN_BEGUN, OWN_WHOLE, OWN_COUNT };

struct session_strand {
    struct list link; /* session.strands */
    struct session *session;
    void *user;
    uint64_t number;
    bool early, silent_told;
    /* schedule_own.c: messages that are bound to it */
    struct list own[OWN_COUNT];
    uint32_t own_quantum; /* bytes left of the turn */
    uint8_t own_turn;
    bool ack_wanted; /* tell at the next occasion */
    bool ping_wanted, pong_wanted, pinged, abort_sent;
    /* sending */
    struct ledger ledger;
    uint64_t sent, acked;
    uint64_t bulk_bytes;     /* size of a bulk frame */
    struct unit_side *units; /* NULL: a strand of bytes */
    struct outbound *pinned;
    struct session_stream *pinned_stream;
    /* receiving */
    uint64_t received, ack_told;
    int64_t ack_due, last_received, pinged_at;
    uint64_t pong_stamp;
    int64_t pong_received, pong_due;
    struct session_lane lane; /* of a strand of bytes */
    bool elicited;
    /* strands.c */
    struct session_link given;
    uint8_t state_wanted, state_told; /* enum strand_told; STRAND_TOLD_KINDS: what the peer knows is not known */
    bool state_due, peer_standby, peer_suspects;
    uint64_t peer_state_serial;
    uint64_t resent, duplicated;
    struct vital vital;       /* suspicion.c */
    struct estimate estimate; /* estimate.c */
};

#endif
