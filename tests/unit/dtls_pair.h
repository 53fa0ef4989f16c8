/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of DTLS over loopback, through a relay that loses, repeats, overtakes and records what it passes on. */
#ifndef TEST_DTLS_PAIR_H
#define TEST_DTLS_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "udp_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "layer/dtls.h"
#include "security/security.h"

#define UNITS 400
#define UNIT_SIZE 700
#define MARK "this is what nobody may see 0123456789"
#define DEADLINE 20000000
#define RECORD_MAX 16347 /* what loopback carries, as units learn by a probe */

struct relay {
    struct loop_io front, back; /* towards the client, and the server */
    struct layer_address client, server;
    unsigned loss; /* of a thousand */
    unsigned twice, late;
    unsigned count[2], lose[2]; /* by direction, the server's first: the one to be lost, from 1 on; 0: none */
    uint32_t random;
    uint8_t held[20000]; /* one that is overtaken */
    ssize_t held_size;
    uint64_t passed, seen_mark;
    bool odd_size, silent;
    bool records; /* looks into what passes */
    int back_fd, front_fd;
};

struct end {
    struct layer *top;
    bool up, over;
    int code;
    uint64_t sent, to_send, acked, lost, received;
    uint8_t came[UNITS];
    uint8_t fate[UNITS];
    bool bare;
    uint64_t datagrams;
};

struct world {
    hawser_context *context;
    hawser_identity *identities[2];
    struct tls_config configs[2];
    const struct udp_protocol *protocols[2];
    struct udp_port *port;
    struct relay relay;
    struct end server, client;
    unsigned accepted;
};

/* A port that listens, and the relay before it; alpn NULL: bare datagrams. */
struct world *dtls_setup(const char *alpn);
/* The client opens, to where the relay is. */
void dtls_connect(struct world *world);
void dtls_teardown(struct world *world);
/* False: it took too long. */
bool dtls_run_until(struct world *world, bool (*done)(const struct world *world));
/* Or one has failed. */
bool dtls_both_up(const struct world *world);
/* Each unit has its fate, or one end has failed. */
bool dtls_all_told(const struct world *world);
/* Three at the server, or one end has failed. */
bool dtls_datagrams_came(const struct world *world);
/* What was said to be acknowledged came, once. */
void dtls_check(const struct end *from, const struct end *to);
/* The end is of this layer from now on. */
void end_adopt(struct end *end, struct layer *top);
/* Does all that an end can do now; it is its layer's ready(). */
void end_ready(struct layer *top, unsigned ready);
/* Sends a datagram as if it had come by the way; nothing while the way is silent. */
void relay_pass(struct relay *relay, int fd, const struct layer_address *to, const uint8_t *data, ssize_t size);

#endif
