/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What layers that secure have in common: a GnuTLS session as the config wants it, tickets, whom a handshake leads to.
 * Each of them has a `struct secure` inside, and carries the session's bytes its own way. Inside layer/ only.
 */
#ifndef LAYER_SECURE_H
#define LAYER_SECURE_H

#include <gnutls/gnutls.h>

#include "layer/layer.h"
#include "loop/loop.h"
#include "security/security.h"

/* Who is at the other end, as far as verified. The key's name is its hash, so it is not kept. */
struct secure_peer {
    hawser_verification verification : 8;
    uint16_t name_size, spki_size; /* 0: the name is the key's; showed no key */
    uint8_t bytes[];               /* the name with its NUL, the key */
};

/* Needed until the layer is established. */
struct secure_opening {
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

struct secure {
    struct layer *layer; /* whose it is */
    gnutls_session_t session;
    const struct tls_config *config;
    struct secure_opening *opening;       /* NULL once established */
    struct secure_peer *peer;             /* NULL: not verified yet */
    uint32_t ticket_life;                 /* of the ticket that is just coming in */
    uint32_t ticket_early;                /* and the early data that it allows */
    const struct secure_quic *quic;       /* the session's records are QUIC's packets (RFC 9001); NULL: its own */
    gnutls_certificate_credentials_t own; /* by which a client over datagrams shows itself; NULL: others do */
    bool datagrams : 1;                   /* DTLS (RFC 6347) */
    bool is_server : 1;
    bool early_open : 1; /* the server knows from whom early data is, and hands it out */
};

/* What goes into the tickets of quic beside the session: how many bytes, at most capacity. */
struct secure_quic {
    size_t (*parameters)(const struct secure *secure, uint8_t *buffer, size_t capacity);
    size_t (*token)(const struct secure *secure, uint8_t *buffer, size_t capacity);
};

/* secure_session.c: makes session and opening. 0, -ENOMEM, -EINVAL; secure_free() in any case. The session's pointer
 * (gnutls_session_set_ptr()) stays the layer's own. */
int secure_make(struct secure *secure, struct layer *layer, const struct tls_config *config, bool is_server,
                const struct secure_quic *quic);
int secure_make_datagrams(struct secure *secure, struct layer *layer, const struct tls_config *config, bool is_server);
void secure_free(struct secure *secure);
void secure_close_opening(struct secure *secure);
void secure_adopt(struct secure *secure, const struct tls_config *tls); /* as layer_type.adopt() */
void secure_ticket_of_handshake(struct secure *secure);                 /* keeps what TLS 1.2 gave */
const char *secure_alpn(const struct secure *secure);                   /* "" when none was agreed */
/* Keeps the ticket that came last once more, with what is known by now. */
void secure_keep_ticket(struct secure *secure);
/* Early data that servers take, by the layer's way of counting (secure_session.c). */
#define SECURE_EARLY_MAX 65536

/* secure_peer.c: the peer, NULL and "" while nothing is known. */
int secure_note_peer(struct secure *secure, const char *name, hawser_verification verification, const uint8_t *spki,
                     size_t spki_size); /* replaces */
const uint8_t *secure_peer_spki(const struct secure *secure);
const char *secure_peer_name(const struct secure *secure); /* "": none but the key's */
void secure_peer_key_name(const struct secure *secure, char ret_name[KEY_NAME_SIZE]);
void secure_peer_tell(const struct secure *secure, struct layer_peer *peer); /* for layer_type.peer() */

/* secure_verify.c: checks the peer inside the handshake from now on; a client tells a wrong server nothing of itself, a
 * wrong client never believes to be in. */
void secure_start(struct secure *secure);
/* The handshake is over: checks what the callback could not, and notes the peer. 0, or a code with the layer's error set
 * and the alert that the peer is to get. */
int secure_finish(struct secure *secure, gnutls_alert_description_t *ret_alert);
/* GnuTLS said GNUTLS_E_CERTIFICATE_ERROR: the same, if it was our own verification that failed; 0: it was not. */
int secure_refusal(struct secure *secure, gnutls_alert_description_t *ret_alert);
/*
 * Early data is handed out before the handshake ends where it is known who sends it, and the rule believes them by their
 * key: sets early_open. Other early data waits for the end, when all is checked. GnuTLS has checked the binder, so
 * whoever sends holds the ticket.
 */
int secure_open_early(struct secure *secure);

/* secure_words.c: an alert of the peer in words, and our code for it (positive). */
const char *secure_alert_words(gnutls_alert_description_t alert, int *ret_code); /* NULL: none of our own */

#endif
