/* SPDX-License-Identifier: Apache-2.0 */
/* The dtls layer's own parts; inside layer/ only. */
#ifndef LAYER_DTLS_H
#define LAYER_DTLS_H

#include "base/list.h"
#include "layer/departures.h"
#include "layer/numbered.h"
#include "layer/secure.h"
#include "layer/udp.h"

#define DTLS_RECORD 16384
#define DTLS_PATH_MIN UDP_PATH_MIN
#define DTLS_PATH_MAX (DTLS_RECORD + 256)

/* A datagram that the layer below did not take yet. */
struct dtls_datagram {
    struct list link;
    size_t size;
    uint8_t data[];
};

struct dtls_layer {
    struct layer layer;
    struct secure secure;
    struct list out; /* struct dtls_datagram */
    struct loop_timer timer;
    int64_t due; /* of the timer; NUMBERED_NEVER: not set */
    uint8_t
        *first; /* a datagram that came before GnuTLS took it: the server's hello whose cookie was right, and others */
    size_t first_size;
    uint8_t *in;               /* DTLS_RECORD bytes while something is being read */
    int64_t flight_at, rtt;    /* when we last sent something in the handshake; how long an answer took, 0: not known */
    struct numbered *numbered; /* NULL: no units yet */
    struct departures *departures; /* of units; NULL: nobody asked when they left */
    void *lane;
    size_t base, full; /* bytes of a record that pass anywhere; that leave this host uncut */
    uint8_t size_tries;
    bool sizes_known : 1; /* no more probing of sizes */
    bool pulled : 1;      /* the layer below gave a datagram since the last call into GnuTLS */
    bool resent : 1;      /* part of the handshake was sent again: its times mean nothing */
    bool answered : 1;    /* something came */
    bool ended : 1;       /* the peer said goodbye */
    bool said_bye : 1;
    bool told_full : 1; /* somebody heard that there is no room */
};

static inline struct dtls_layer *dtls_of(const struct layer *layer)
{
    return (struct dtls_layer *)(void *)layer;
}

/* dtls_io.c: between GnuTLS and the layer below. */
void dtls_set_io(struct dtls_layer *dtls);
int dtls_flush(struct dtls_layer *dtls); /* 0: all gone, -EAGAIN, or dead */
void dtls_free_io(struct dtls_layer *dtls);
/* One datagram's plain bytes into dtls->in: how many; 0: the peer said goodbye; -EAGAIN; dead. */
ssize_t dtls_read(struct dtls_layer *dtls);
void dtls_done_reading(struct dtls_layer *dtls);
int dtls_write(struct dtls_layer *dtls, const void *data, size_t size); /* 0, -EMSGSIZE, or dead */
void dtls_find_sizes(struct dtls_layer *dtls);
void dtls_arm(struct dtls_layer *dtls, int64_t due);     /* NUMBERED_NEVER: leaves it */
void dtls_tell(struct dtls_layer *dtls, unsigned ready); /* the user; may destroy the layer */

/* dtls_establish.c */
int dtls_establish(struct layer *layer);

/* dtls_cookie.c: the server's; reads until a hello bears a cookie of ours. 0, -EAGAIN, or dead. */
int dtls_await_cookie(struct dtls_layer *dtls);

/* dtls_units.c */
extern const struct layer_units dtls_units;
void dtls_units_due(struct dtls_layer *dtls); /* the timer; may destroy the layer */
void dtls_units_doubt(struct dtls_layer *dtls);
void dtls_units_shrink(struct dtls_layer *dtls);
void dtls_units_serve(struct dtls_layer *dtls);

/* dtls_words.c: notes why GnuTLS failed, tells the peer when it may know, and returns our code. */
int dtls_fail(struct dtls_layer *dtls, ssize_t code);

#endif
