/* SPDX-License-Identifier: Apache-2.0 */
/* The tls layer's own parts; inside layer/ only. */
#ifndef LAYER_TLS_H
#define LAYER_TLS_H

#include <gnutls/gnutls.h>

#include "layer/layer.h"
#include "loop/loop.h"
#include "security/security.h"

#define TLS_RECORD 16384
/* Early data that our listeners take; what they drop unread counts in ciphertext, so clients send a little less. */
#define TLS_EARLY_MAX 65536
#define TLS_EARLY_ROOM(max) ((max) - (max) / 256 - 64)

/* Bytes that wait: for the layer below, or for the user. */
struct tls_bytes {
    size_t position, size;
    uint8_t data[];
};

/* Who is at the other end, as far as verified. The key's name is its hash, so it is not kept. */
struct tls_peer {
    hawser_verification verification : 8;
    uint16_t name_size, spki_size; /* 0: the name is the key's; showed no key */
    uint8_t bytes[];               /* the name with its NUL, the key */
};

/* Needed until the layer is established. */
struct tls_opening {
    struct ticket ticket; /* the client's; session NULL: none */
    size_t early_room;    /* left of what the ticket allows */
    bool started, verified;
    int code; /* of a verification that failed */
    hawser_verification verification;
    char name[256];
    char reason[200];
    uint8_t first[5], first_size; /* that came: other protocols are told by them */
    uint8_t *holder;              /* the server's: the key of the ticket's holder */
    size_t holder_size;
    bool holder_known;
};

struct tls_layer {
    struct layer layer;
    gnutls_session_t session;
    const struct tls_config *config;
    struct tls_opening *opening; /* NULL once established */
    struct tls_peer *peer;       /* NULL: not verified yet */
    struct tls_bytes *out;       /* that the layer below did not take yet; NULL: none */
    struct loop_deferred late;   /* sends the last flight, unless data took it along */
    struct tls_bytes *early;     /* the server's: early data that was not fetched yet */
    /* Read ahead of what GnuTLS asked for: a block, while it holds something, or the header of the next record. */
    uint8_t *block;
    uint32_t ticket_life; /* of the ticket that is just coming in */
    uint16_t ahead_position, ahead_size;
    uint8_t header[5];
    bool is_server : 1;
    bool starved : 1; /* the layer below had nothing since the last call into GnuTLS */
    bool ended : 1;   /* the layer below came to its end */
    bool said_bye : 1;
    bool late_waits : 1;    /* out is the last flight of the handshake, and nothing refused it yet */
    bool late_deferred : 1; /* it lets those go first who were put off before it */
    bool early_sent : 1;    /* the client sent some */
    bool declined : 1;      /* a new handshake inside TLS 1.2 */
    bool early_open : 1;    /* the server knows from whom it is, and hands it out */
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

/* tls_session.c: a session as the config wants it. */
int tls_make_session(struct tls_layer *tls);
void tls_ticket_of_handshake(struct tls_layer *tls); /* keeps what TLS 1.2 gave */
const char *tls_alpn(const struct tls_layer *tls);   /* "" when none was agreed */

/* tls_early.c: early data at the server. */
int tls_take_early(struct tls_layer *tls); /* takes over what GnuTLS holds of it; 0, or dead */
ssize_t tls_receive_early(struct tls_layer *tls, void *buffer, size_t size); /* -EAGAIN: none */

/* tls_peer.c: the peer, NULL and "" while nothing is known. */
int tls_note_peer(struct tls_layer *tls, const char *name, hawser_verification verification, const uint8_t *spki,
                  size_t spki_size); /* replaces */
const uint8_t *tls_peer_spki(const struct tls_layer *tls);
const char *tls_peer_name(const struct tls_layer *tls); /* "": none but the key's */
void tls_peer_key_name(const struct tls_layer *tls, char ret_name[KEY_NAME_SIZE]);

/* tls_establish.c */
int tls_establish(struct layer *layer);
void tls_close_opening(struct tls_layer *tls);
bool tls_retry(struct tls_layer *tls, ssize_t code); /* whether GnuTLS is to be called again at once */

/* tls_words.c: notes why GnuTLS failed, tells the peer when it may know, and returns our code. */
int tls_fail(struct tls_layer *tls, ssize_t code);

#endif
