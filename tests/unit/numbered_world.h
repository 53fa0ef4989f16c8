/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link in simulated time: one queue of a given rate and length each way, delay, loss, reordering, duplication; ends
 * that speak numbered datagrams, and a plain TCP (NewReno with selective acknowledgement, RFC 6582 and 6675 in their
 * results) to share the queue with.
 */
#ifndef NUMBERED_WORLD_H
#define NUMBERED_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layer/numbered.h"

#define WORLD_ENDS 6
#define WORLD_UNITS 4096 /* that are followed one by one */

struct world;

struct world_link {
    double rate;    /* bytes a second; 0: without limit */
    unsigned queue; /* bytes */
    int64_t delay;  /* one way */
    int64_t jitter; /* up to so much more for those that are put out of order */
    int64_t noise;  /* up to so much more for each: else two flows fall into step (Floyd, Jacobson: phase effects) */
    double loss, reorder, duplicate;
    int64_t busy_until;
};

enum world_kind { WORLD_NUMBERED, WORLD_TCP_SENDER, WORLD_TCP_RECEIVER };

struct world_unit {
    uint8_t delivered, acked, lost;
};

struct world_end {
    enum world_kind kind;
    unsigned peer, link; /* to send on */
    /* numbered */
    struct numbered *numbered;
    uint64_t to_send; /* units; UINT64_MAX: without end */
    size_t unit_size; /* 0: as much as fits; else at random up to this */
    int64_t pause;    /* between units; 0: as the rate allows */
    int64_t pause_until;
    bool deaf; /* takes nothing */
    uint64_t sent, delivered_units, delivered_bytes, fates;
    struct world_unit units[WORLD_UNITS];
    int code; /* that numbered_received() or numbered_expire() gave */
    int64_t stalled_since;
    /* tcp */
    double window, threshold;
    uint64_t next, acked, recovery;
    uint64_t flying;
    int64_t heard_at, rtt;
    uint8_t *states; /* of packets: 1 under way, 2 done */
};

struct world {
    int64_t now;
    uint64_t random;
    struct world_link links[2];
    struct world_end ends[WORLD_ENDS];
    unsigned end_count;
    struct world_event *events; /* a heap */
    size_t event_count, event_capacity;
    uint64_t order;
    /* Sees every datagram that is sent; NULL: nobody does. */
    void (*seen)(struct world *world, unsigned from, const uint8_t *data, size_t size);
    void *user;
    size_t pad;
    bool clear;
};

void world_init(struct world *world, uint64_t seed, double rate, unsigned queue, int64_t delay);
void world_free(struct world *world);
double world_draw(struct world *world); /* 0 to 1 */
/* Two ends of one channel; the first sends on link 0. Answers the first's index. */
unsigned world_add_numbered(struct world *world, int64_t rtt);
unsigned world_add_tcp(struct world *world);
void world_run(struct world *world, int64_t until);
/* Until the end has sent all its units and has all fates; false: not by then. */
bool world_settle(struct world *world, unsigned end, int64_t until);
void world_put(struct world *world, unsigned to, const void *data, size_t size, int64_t at); /* injects a datagram */

#endif
