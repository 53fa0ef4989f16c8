/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are, whom we believe, and what is remembered of it: identities, trust rules, keys of first use, tickets, the
 * store against replayed early data.
 */
#ifndef SECURITY_SECURITY_H
#define SECURITY_SECURITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <hawser/hawser.h>

#define KEY_NAME_SIZE 56 /* "hk-", 52 letters, NUL */

/* The name of a public key: "hk-" and the lower-case base32 (RFC 4648, no padding) of the SHA-256 of its SPKI. */
int key_name_of(const uint8_t *spki, size_t spki_size, char ret_name[KEY_NAME_SIZE]);
bool key_name_valid(const char *name);

/* A rule of whom to believe, from "pki", "key=hk-...", "tofu", "any" or several of them with commas (any one suffices; the
 * strongest that holds is reported). */
struct trust;
int trust_new(hawser_context *context, const char *rule, const char *anchors_file, struct trust **ret_trust);
/* Only looks at a rule: 0, or -HAWSER_ETRUST with what is wrong in reason. trust_new() says the same in the log. */
int trust_check(const char *rule, char *reason, size_t reason_size);
void trust_free(struct trust *trust);
bool trust_pins_key(const struct trust *trust);   /* only key= rules */
bool trust_is_any(const struct trust *trust);     /* accepts unverified peers: is said aloud */
bool trust_wants_x509(const struct trust *trust); /* has pki: a certificate is needed, a raw key does not do */

void trust_prepare(const struct trust *trust); /* a certificate is to be checked soon: begins to read the anchors */

/* The names by which a line of hawser's own is told (RFC 7301), and the same inside SCTP inside DTLS, where the acceptor has
 * to know what comes next (docs/sctp.md). */
#define ALPN_SESSION "hawser/1"
#define ALPN_SESSION_SCTP "hawser/1+sctp"

/* What TLS needs to know; owned by an association or a listener, outlives its layers. */
struct tls_config {
    hawser_identity *identity;
    struct trust *trust;
    hawser_verification min_verification;
    const char *
        server_name; /* the host name to ask for and to verify; a literal address is verified, not asked for; NULL: none */
    const char *service;           /* what first-use keys and tickets are filed under: "example.org:4433"; NULL: none */
    const char *alpn[4];           /* offered, in order; NULL-ended; empty: none is offered */
    const struct tls_config *sctp; /* the same for a stack with sctp above; NULL: none has */
    bool require_alpn;             /* fail unless one of them is agreed */
    bool early_data;               /* offer or accept it */
    bool present_certificate;      /* a client shows its identity to any server, not only to a pinned one */
    bool no_tickets;               /* a client neither uses nor keeps one */
    int64_t idle;                  /* microseconds of silence after which quic may forget the line; 0: any */
    bool any_tls; /* TLS 1.2 too, and no raw keys: for bare associations with peers as they are. An end that TLS did not
                     announce is then -HAWSER_ETRUNCATED, since it may be all that the peer has to say. */
};

/* Whether a client shows its identity; which is settled before it knows whom it talks to, so by the rule, not the peer. */
bool trust_shows_identity(const struct tls_config *config);

struct ticket;

/*
 * Checks the peer of a finished handshake against config. ticket: which the session was resumed by, NULL: it was not. 0, or -HAWSER_EUNVERIFIED, _EKEYWRONG, _EKEYCHANGED (both keys are
 * named in reason), _EWEAK. Remembers a key at first use. Fills in verification and name.
 */
int trust_verify(const struct tls_config *config, gnutls_session_t session, bool is_server, const struct ticket *ticket,
                 char *ret_name, size_t name_size, hawser_verification *ret_verification, char *reason,
                 size_t reason_size);

/* The SPKI (DER) of the key that the peer showed, raw or in its certificate; the caller free()s it. -ENOENT: none. */
int peer_spki(gnutls_session_t session, uint8_t **ret_spki, size_t *ret_size);

/* Whether config believes the holder of a key ("" : none shown), by the key alone, and how far; false when more than the
 * key must be looked at. */
bool trust_allows_key(const struct tls_config *config, const char *key_name, hawser_verification *ret_verification);

/* Tickets, one file a service and identity under STATE/tickets, mode 0600, written to a temporary name and renamed; a
 * ticket is taken out when it is used, since using one twice links connections and invites replay refusals. At most
 * 1,024 are kept; none in a context that keeps nothing. */
struct ticket {
    uint8_t *session; /* GnuTLS session data, and what follows it */
    size_t session_size;
    char alpn[64];
    char key_name[KEY_NAME_SIZE]; /* the server it is for: checked against the trust rule before use */
    char name[256];
    hawser_verification verification;
    uint64_t max_early_data; /* 0: none */
    int64_t expires;         /* CLOCK_REALTIME seconds */
    bool fast_open_worked;
    /* With quic: the server's transport parameters, by which early data is limited, and its token, which shows that we
     * receive at our address (RFC 9000 sections 7.4.1 and 8.1.3). Inside the block of session; size 0: none. */
    uint16_t parameters_size, token_size;
};
/* The parameters and the token lie behind the session's bytes. */
static inline uint8_t *ticket_parameters(const struct ticket *ticket)
{
    return ticket->session + ticket->session_size;
}
static inline uint8_t *ticket_token(const struct ticket *ticket)
{
    return ticket->session + ticket->session_size + ticket->parameters_size;
}
/* label: see ticket_label() */
int ticket_save(hawser_context *context, const char *label, const struct ticket *ticket);
int ticket_take(hawser_context *context, const char *label, struct ticket *ret_ticket); /* -ENOENT */
/* What the tickets of config are filed under: the service, who we were to it, and by which anchors it was verified. The server has the key that we showed
 * in its ticket, so that a ticket of another identity, or of one that is not to be shown now, would tell on us.
 * -ENOENT: none are kept. */
#define TICKET_LABEL_SIZE 512
/* What carries the records. The tickets of one are of no use to another. */
enum security_over { SECURITY_OVER_BYTES, SECURITY_OVER_QUIC, SECURITY_OVER_DATAGRAMS, SECURITY_OVERS };
int ticket_label(const struct tls_config *config, enum security_over over, char *ret_label, size_t size);
bool ticket_there(hawser_context *context, const struct tls_config *config,
                  enum security_over over); /* ticket_take() would find one */
void ticket_clear(struct ticket *ticket);
/* The file format (ticket.c), which goes along where a line is moved to another process, too. The service is stored in it, since file
 * names are hashes. The caller wipes and free()s the data. */
int ticket_encode(const struct ticket *ticket, const char *service, uint8_t **ret_data, size_t *ret_size);
int ticket_decode(const uint8_t *data, size_t size, const char *service, struct ticket *ret_ticket);
/* Whether config would believe the server that a ticket is for: only then may early data go to it, which leaves before
 * the server is heard. */
bool trust_allows_ticket(const struct tls_config *config, const struct ticket *ticket);

/* What is remembered of TCP Fast Open on this network towards a service (worked, or timed out: then not again). */
enum fast_open_memory { FAST_OPEN_UNKNOWN, FAST_OPEN_WORKED, FAST_OPEN_BROKEN };
enum fast_open_memory fast_open_recall(hawser_context *context, const char *service);
void fast_open_remember(hawser_context *context, const char *service, enum fast_open_memory memory);

/* The credentials of an identity: raw public key and self-signed X.509, and a chain when one was set. */
int identity_credentials(hawser_identity *identity, gnutls_certificate_credentials_t *ret_credentials);
/* What it shows of itself as this type, and the key that goes with it, as gnutls_certificate_retrieve_function3 wants them
 * with GNUTLS_CERT_RETR_DEINIT_ALL. -HAWSER_EIDENTITY, -ENOMEM. */
int identity_show(hawser_identity *identity, gnutls_certificate_type_t type, gnutls_pcert_st **ret_shown,
                  unsigned *ret_count, gnutls_privkey_t *ret_key);
const uint8_t *identity_spki(const hawser_identity *identity, size_t *ret_size);

/* How GnuTLS is to negotiate: which versions and types of certificates; kept by the context. NULL: no memory. */
enum security_types {
    SECURITY_RAW_FIRST, /* TLS 1.3 alone, as the next two: raw public keys (RFC 7250) where the peer can, X.509 else */
    SECURITY_PEER_X509_CLIENT, /* a client that needs X.509 from the server, to check it against anchors */
    SECURITY_PEER_X509_SERVER, /* a server that needs it from the client */
    SECURITY_ANY_TLS,          /* tls_config.any_tls, at either end */
    SECURITY_TYPES,
};
gnutls_priority_t security_priority(hawser_context *context, enum security_types types, enum security_over over);
gnutls_certificate_credentials_t security_anonymous(hawser_context *context); /* a client that shows nothing */

/* Server's keys: the ticket key and the replay store of the context, or of its hawser_shared. */
const gnutls_datum_t *security_ticket_key(hawser_context *context);
gnutls_anti_replay_t security_anti_replay(hawser_context *context);

/* A listener notes to whom it gave a ticket (spki NULL: to one who showed no key), and finds it when the ticket comes back:
 * -ENOENT when too many were given since. The caller free()s the spki. */
int security_ticket_issued(hawser_context *context, const uint8_t *ticket, size_t size, const uint8_t *spki,
                           size_t spki_size);
int security_ticket_holder(hawser_context *context, const uint8_t *ticket, size_t size, uint8_t **ret_spki,
                           size_t *ret_size);

/* Associations by the opener's nonce and key, so that a second HELLO is recognised in any context of a hawser_shared.
 * 0: noted, -EEXIST: being served already. */
int security_nonce_add(hawser_context *context, const uint8_t nonce[16], const char *key_name);
/* Whether another context of the hawser_shared serves it. */
bool security_nonce_elsewhere(hawser_context *context, const uint8_t nonce[16], const char *key_name);
/* loop_post() to that context, which cannot end meanwhile: it takes its nonces back first, under the same lock. -ENOENT: no
 * other context serves it any more. */
int security_nonce_post(hawser_context *context, const uint8_t nonce[16], const char *key_name,
                        void (*run)(hawser_context *owner, void *user), void (*drop)(void *user), void *user);
void security_nonce_remove(hawser_context *context, const uint8_t nonce[16], const char *key_name);

#endif
