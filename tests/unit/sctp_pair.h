/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sctp layers over a wire of datagrams in memory: with loss, delay, reordering, a rate, damage and cuts, by a seed. To
 * be included after cmocka.h.
 */
#ifndef UNIT_SCTP_PAIR_H
#define UNIT_SCTP_PAIR_H

#include "layer/sctp.h"

#define PAIR_UNITS_MAX 4096

struct wire_options {
    unsigned loss;      /* of 100 */
    int64_t delay;      /* microseconds, one way */
    int64_t jitter;     /* more at most, at random: reorders */
    uint64_t rate;      /* bytes a second; 0: any */
    size_t queue;       /* bytes that wait for the rate before send() answers -EAGAIN; 0: any number */
    size_t datagram;    /* the largest; 0: 1,400 */
    unsigned damage;    /* of 100: a byte of a copy is changed, or the copy is cut short, and it arrives as well */
    unsigned duplicate; /* of 100: arrives again, later */
    uint64_t seed;
};

struct pair;
struct side {
    struct pair *pair;
    struct layer *top; /* NULL: gone */
    bool up, ended, units;
    bool stopped; /* does not receive */
    int error;
    char reason[200];
    unsigned received; /* messages or units that are whole */
    size_t received_bytes;
    uint64_t next;     /* number of the next unit */
    uint8_t *unit;     /* what came of units, by lane: see sctp_pair.c */
    unsigned writable; /* times that it was told */
    void (*came)(struct side *side, const uint8_t *data, size_t size);
    uint8_t fates[PAIR_UNITS_MAX]; /* 0: not told, 1: lost, 2: acked */
    unsigned acked, lost, twice;
    void *user;
};

struct pair {
    hawser_context *context;
    struct wire_options options;
    struct side side[2]; /* the opener, the acceptor */
    struct wire_end *end[2];
    struct list flying; /* by the time of arrival */
    struct loop_timer timer;
    int64_t busy_until[2];
    size_t waiting[2];
    bool full[2], cut;
    uint64_t random;
    unsigned passed; /* datagrams that arrived */
};

void pair_open(struct pair *pair, hawser_context *context, const struct wire_options *options);
void pair_establish(struct pair *pair); /* both are up */
void pair_close(struct pair *pair);     /* what is still there */
void side_destroy(struct side *side);
/* Runs the loop until done() or half a minute has passed; whether it was done. */
bool run_until(hawser_context *context, bool (*done)(void *user), void *user);
void run_for(hawser_context *context, int64_t microseconds);
uint64_t wire_random(struct pair *pair);
void wire_inject(struct pair *pair, int to, const void *data, size_t size); /* a datagram out of nowhere */

int side_send(struct side *side, const void *data, size_t size); /* a message; 0, -EAGAIN, or as the layer says */
/* A unit of this size, or of what fits now, that begins with its number; false: no room. */
bool side_send_unit(struct side *side, size_t size, bool lossy, uint8_t class, int64_t lifetime, int resends);

hawser_context *pair_context(void);
unsigned count_threads(void);
unsigned count_descriptors(void);

#endif
