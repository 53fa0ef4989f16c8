/* SPDX-License-Identifier: Apache-2.0 */
/* The tls layer's own parts; inside layer/ only. */
#ifndef LAYER_TLS_H
#define LAYER_TLS_H

#include "layer/secure.h"

#define TLS_RECORD 16384

/* Bytes that wait: for the layer below, or for the user. */
struct tls_bytes {
    size_t position, size;
    uint8_t data[];
};

struct tls_layer {
    struct layer layer;
    struct secure secure;
    struct tls_bytes *out;     /* that the layer below did not take yet; NULL: none */
    struct loop_deferred late; /* sends the last flight, unless data took it along */
    struct tls_bytes *early;   /* the server's: early data that was not fetched yet */
    /* Read ahead of what GnuTLS asked for: a block, while it holds something, or the header of the next record. */
    uint8_t *block;
    uint16_t ahead_position, ahead_size;
    uint8_t header[5];
    bool starved : 1; /* the layer below had nothing since the last call into GnuTLS */
    bool ended : 1;   /* the layer below came to its end */
    bool said_bye : 1;
    bool late_waits : 1;    /* out is the last flight of the handshake, and nothing refused it yet */
    bool late_deferred : 1; /* it lets those go first who were put off before it */
    bool early_sent : 1;    /* the client sent some */
    bool declined : 1;      /* a new handshake inside TLS 1.2 */
};

static inline struct tls_layer *tls_of(const struct layer *layer)
{
    return (struct tls_layer *)(void *)layer;
}

/* tls_io.c: between GnuTLS and the layer below. */
void tls_set_io(struct tls_layer *tls);
int tls_flush(struct tls_layer *tls);       /* 0: all gone, -EAGAIN, or dead */
void tls_flush_late(struct tls_layer *tls); /* at the end of this dispatch, or with the first data */
void tls_free_io(struct tls_layer *tls);

/* tls_early.c: early data at the server. */
int tls_take_early(struct tls_layer *tls); /* takes over what GnuTLS holds of it; 0, or dead */
ssize_t tls_receive_early(struct tls_layer *tls, void *buffer, size_t size); /* -EAGAIN: none */

/* tls_establish.c */
int tls_establish(struct layer *layer);
bool tls_retry(struct tls_layer *tls, ssize_t code); /* whether GnuTLS is to be called again at once */

/* tls_words.c: notes why GnuTLS failed, tells the peer when it may know, and returns our code. */
int tls_fail(struct tls_layer *tls, ssize_t code);

#endif
