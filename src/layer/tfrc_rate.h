/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP-friendly rate control (RFC 5348) in the form where the sender computes the loss event rate itself, from
 * acknowledgements, as RFC 5348 section 3 allows: a receiver cannot claim fewer losses than there were without
 * acknowledging what it cannot know of. No clock, no memory, no I/O; times are microseconds. Inside layer/ only.
 */
#ifndef LAYER_TFRC_RATE_H
#define LAYER_TFRC_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define TFRC_INTERVALS 8 /* closed ones that count (RFC 5348 section 5.4) */
#define TFRC_NEVER INT64_MAX

struct tfrc_rate {        /* changed by tfrc_rate.c alone */
    double segment;       /* s, bytes: the mean of what is sent */
    double rtt;           /* R, seconds; 0: not known */
    double rtt_sqmean;    /* of section 4.5 */
    double rate, allowed; /* X and X_inst, bytes a second */
    double loss;          /* p */
    double equation;      /* X_Bps at p */
    double nofeedback;    /* seconds that the timer runs */
    struct {              /* X_recv_set (section 4.3) */
        double rate;
        int64_t at;
    } received[4];
    unsigned received_count;
    uint64_t intervals[TFRC_INTERVALS + 1]; /* in datagrams; [0] is the open one */
    unsigned interval_count;                /* closed ones */
    uint64_t event_first;                   /* ordinal of the datagram that began the last loss event */
    int64_t event_sent_at;
    uint64_t highest;                /* ordinal that was acknowledged or lost */
    int64_t window_at, doubled_at;   /* since when acked_bytes counts; tld of section 4.3 */
    int64_t due;                     /* the no-feedback timer */
    uint64_t acked_bytes, lost_seen; /* lost_seen: loss events since the last feedback */
    uint64_t resumed;                /* ordinal of the last one before which there was nothing to send */
    bool heard;                      /* some feedback came */
    bool held, paused; /* of this window: something had waited for the rate; there was nothing to send for a while */
    bool sent_since_due_was_set;
};

/* s / (R sqrt(2p/3) + 4R (3 sqrt(3p/8)) p (1 + 32 p^2)): RFC 5348 section 3.1, b = 1. Bytes a second. */
double tfrc_equation(double segment, double rtt, double loss);

/* rtt_us: 0, or as the handshake measured it. */
void tfrc_rate_init(struct tfrc_rate *rate, unsigned segment, int64_t rtt_us, int64_t now);
/* A datagram left; ordinal counts them from 1. size 0: a ping, which tells nothing of what is usually sent. alone: nothing else was under way. held: it had waited for the rate. */
void tfrc_rate_sent(struct tfrc_rate *rate, uint64_t ordinal, unsigned size, bool alone, bool held, int64_t now);
/* One was acknowledged. */
void tfrc_rate_acked(struct tfrc_rate *rate, uint64_t ordinal, unsigned size, bool held);
/* One was lost, in ascending order of ordinals within one call into the owner. */
void tfrc_rate_lost(struct tfrc_rate *rate, uint64_t ordinal, int64_t sent_at);
/* After the acknowledgements of one datagram; sample_us is 0 where it gave no round trip. */
void tfrc_rate_feedback(struct tfrc_rate *rate, int64_t sample_us, int64_t now);
/* The no-feedback timer (section 4.4); it need not be run while nothing is under way. */
void tfrc_rate_expire(struct tfrc_rate *rate, int64_t now);
/* How long a datagram of this size takes at the allowed rate. */
int64_t tfrc_rate_spacing(const struct tfrc_rate *rate, unsigned size);

#endif
