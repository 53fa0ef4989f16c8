/* SPDX-License-Identifier: Apache-2.0 */
/* What the files numbered*.c share. */
#ifndef LAYER_NUMBERED_INTERNAL_H
#define LAYER_NUMBERED_INTERNAL_H

#include "layer/numbered.h"

/* The first byte of a datagram; the other bits are 0. */
enum numbered_flags {
    NUMBERED_NUMBER = 0x01, /* has a number: to be acknowledged */
    NUMBERED_NOW = 0x02,    /* at once */
    NUMBERED_ACK = 0x04,    /* acknowledges */
    NUMBERED_UNIT = 0x08,   /* carries a unit */
    NUMBERED_PADDED = 0x10, /* the unit's size is told; what follows it means nothing */
    NUMBERED_KNOWN = 0x1f,
};

#define NUMBERED_NO_UNIT UINT64_MAX

enum numbered_state { NUMBERED_SKIPPED, NUMBERED_FLYING, NUMBERED_SETTLED };

struct numbered_sent {
    int64_t at;
    uint64_t unit; /* NUMBERED_NO_UNIT: none, or told */
    uint64_t ordinal;
    uint32_t size;
    uint8_t state;
    bool held : 1;  /* had waited for the rate */
    bool probe : 1; /* of a size */
    bool lost : 1;  /* and settled by that */
};

struct numbered_range {
    uint64_t first, last;
};

struct numbered {
    struct numbered_config config;
    struct tfrc_rate rate;
    struct numbered_counts counts;

    /* What is being written (numbered.c). */
    uint8_t *out; /* NULL: none */
    size_t out_size, out_head;
    bool out_asks, out_acks;

    /* What was sent (numbered_sent.c): a ring of the numbers from base to next, and fates that were not fetched. */
    struct numbered_sent *ring;
    struct numbered_unit_fate *fates;
    size_t capacity; /* of both; a power of two */
    size_t fate_first, fate_count;
    uint64_t base, next, ordinal;
    size_t flying;
    uint64_t largest_acked;
    unsigned until_skip;
    uint64_t random;
    int64_t paced_at; /* when the last one left, by the rate; and its size: what the rate is later counts */
    unsigned paced_size;
    bool wanted; /* numbered_begin() said no */
    bool ping;
    int64_t loss_at;           /* the oldest will count as lost */
    int64_t eliciting_at;      /* when the last one was sent that is to be acknowledged */
    int64_t doubted_at;        /* NUMBERED_NEVER: not */
    int64_t silent_since;      /* when the first of those left that are under way, or the last acknowledgement came */
    int64_t asked_at;          /* when an acknowledgement was last asked for at once */
    unsigned sent_since_asked; /* datagrams */
    unsigned probes;           /* time-outs since the last acknowledgement */
    unsigned probes_due;

    int64_t rtt, rtt_deviation, min_rtt, latest_rtt; /* 0: not known (RFC 9002 section 5) */
    bool heard;

    size_t probe_size; /* 0: none asked for */
    size_t probed_size;
    bool probed, probe_passed;

    /* What was received (numbered_ack.c): ranges in descending order; what is below floor is not looked at any more. */
    struct numbered_range *ranges;
    unsigned range_count, range_capacity;
    uint64_t floor;
    int64_t largest_at; /* when the greatest number came */
    int64_t ack_at;     /* NUMBERED_NEVER: nothing to acknowledge */
};

static inline struct numbered_sent *numbered_at(const struct numbered *numbered, uint64_t number)
{
    return &numbered->ring[number & (numbered->capacity - 1)];
}

/* numbered_sent.c */
int numbered_reserve(struct numbered *numbered); /* room for a datagram and a number left out; -ENOMEM, -ENOBUFS */
uint64_t numbered_note_sent(struct numbered *numbered, uint64_t number, size_t size, uint64_t unit, bool held,
                            bool probe, int64_t now);
uint64_t numbered_choose(struct numbered *numbered); /* the number of the next datagram */
int numbered_take_ack(struct numbered *numbered, const struct numbered_range *ranges, unsigned count, int64_t delay,
                      int64_t now); /* -HAWSER_EPROTOCOL */
void numbered_find_lost(struct numbered *numbered, int64_t now);
int64_t numbered_probe_at(const struct numbered *numbered); /* the probe time-out */
uint64_t numbered_draw(struct numbered *numbered);

/* numbered_ack.c */
/* Writes what is to be acknowledged, in at most room bytes; where it ends. */
uint8_t *numbered_write_ack(const struct numbered *numbered, uint8_t *at, size_t room, int64_t now);
/* Reads it; NULL: malformed. */
const uint8_t *numbered_read_ack(const uint8_t *at, const uint8_t *end, struct numbered_range *ranges,
                                 unsigned *ret_count, int64_t *ret_delay);
/* In the clear: no number of the peer's is so far from what came, since it has NUMBERED_FLIGHT_MAX under way at most. */
bool numbered_is_far(const struct numbered *numbered, uint64_t number);
void numbered_forget_received(struct numbered *numbered);
/* Notes that a number came: 1: new, 0: it came before or is too old to tell; -ENOMEM. */
int numbered_note_received(struct numbered *numbered, uint64_t number, uint64_t open, bool at_once, int64_t now);

#endif
