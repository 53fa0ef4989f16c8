/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of quic in one process, joined by a path of the test's own, in time of the test's own: what is delayed, lost,
 * changed and repeated is the test's to say, and comes the same each time.
 */
#ifndef TESTS_UNIT_QUIC_PAIR_H
#define TESTS_UNIT_QUIC_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layer/quic.h"
#include "layer/quic_streams.h"

struct pair;

/* What came as units: each is checked to be the pattern of its number (below). */
struct taken {
    unsigned units, lossy, early, resets;
    size_t bytes;
    unsigned wrong;
    unsigned open;      /* begun and not ended */
    uint8_t seen[8192]; /* how often each number came */
};

struct side {
    struct pair *pair;
    hawser_context *context;
    hawser_identity *identity;
    struct tls_config config;
    struct quic_layer *quic;
    struct layer_address address;
    int64_t due;
    int code; /* of establish() or what came later */
    bool up, clean_end;
    struct taken taken;
    struct list lanes;
    uint64_t next_unit; /* of those that we send */
    unsigned fates, acked, lost;
    uint8_t fate[8192]; /* 1: acked, 2: lost */
    uint64_t sent_packets, sent_bytes, came_bytes;
    unsigned refuse; /* so many times the socket is full */
    bool idle;       /* takes nothing */
    unsigned moved;
    struct layer_address peer_address; /* as moved() said last */
    struct layer_address kept;         /* as keep_local() said last */
};

struct pair {
    struct side client, server;
    char directory[64];
    int64_t now;
    int64_t delay;   /* one way, microseconds */
    unsigned loss;   /* per mille, both ways */
    unsigned jitter; /* microseconds at most, so that packets overtake */
    uint64_t random;
    struct list packets;
    uint8_t secret[32];
    struct layer_address blocked; /* what is sent from there is lost; size 0: nowhere */
    bool dead_server;             /* packets to it vanish */
    struct layer_address nat;     /* what the client's address is changed into on the way; size 0: it is not */
    /* Sees each packet before it goes; false: it is lost. May change it. */
    bool (*filter)(struct pair *pair, struct side *from, uint8_t *data, size_t *size);
    void *user;
    unsigned ecn_seen[4];
};

int pair_setup(void **state);
int pair_teardown(void **state);

void pair_connect(struct pair *pair); /* makes the client; the server comes with the first packet */
void pair_begin(struct pair *pair);   /* sends the first flight */
bool pair_run(struct pair *pair, bool (*done)(struct pair *pair),
              int64_t limit);                    /* false: not within limit microseconds */
void pair_idle(struct pair *pair, int64_t time); /* lets time go by */
void pair_drop(struct pair *pair);               /* destroys both ends, without a word on the path */
void pair_establish(struct pair *pair);          /* connects, and asserts that both came up */
bool pair_up(struct pair *pair);
bool pair_failed(struct pair *pair); /* one of them */
void pair_inject(struct pair *pair, struct side *to, const void *data, size_t size,
                 const struct layer_address *from); /* now */

/* Sends a unit of size bytes: its number, and a pattern. -EAGAIN: no room. */
int side_send(struct side *side, size_t size, bool lossy);
void side_go(struct side *side); /* receives, takes fates, flushes */
void address_of(struct layer_address *address, unsigned last, unsigned port);

#endif
