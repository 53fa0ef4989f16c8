/* SPDX-License-Identifier: Apache-2.0 */
/* What security keeps for a context: made when first needed, released with the context. */
#include "security/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* AES-128-GCM first for its speed, X25519 first since a client sends a share for the first group only. */
#define CIPHERS "-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM:"
#define GROUPS "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"

/* TLS 1.3 alone. */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:" CIPHERS GROUPS "-CTYPE-ALL:"

/* Servers and clients as they are: what this system's GnuTLS holds for good enough, but not before TLS 1.2. */
#define PRIORITY_ANY                                                                                                   \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" CIPHERS "+AES-128-CBC:+AES-256-CBC:" GROUPS                          \
    "+GROUP-FFDHE2048:+GROUP-FFDHE3072:-CTYPE-ALL:+CTYPE-X509"

/* The same where QUIC carries it (RFC 9001): TLS 1.3 alone, without the records that old boxes on the way want to see, and
 * which RFC 9001 section 8.4 forbids. */
#define PRIORITY_QUIC ":-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE"

/* DTLS 1.2, there is no newer one in GnuTLS: of it only what has the properties that hawser/1 is built on, keys that are
 * gone afterwards and encryption that authenticates (docs/security.md). */
#define PRIORITY_DATAGRAMS ":-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:" CIPHERS "-MAC-ALL:+AEAD"

/* Raw public keys are shown where both ends can (RFC 7250); only a certificate can be checked against anchors. */
static const char *const priorities[] = {
    [SECURITY_RAW_FIRST] = PRIORITY "+CTYPE-SRV-RAWPK:+CTYPE-SRV-X509:+CTYPE-CLI-RAWPK:+CTYPE-CLI-X509",
    [SECURITY_PEER_X509_CLIENT] = PRIORITY "+CTYPE-SRV-X509:+CTYPE-CLI-RAWPK:+CTYPE-CLI-X509",
    [SECURITY_PEER_X509_SERVER] = PRIORITY "+CTYPE-SRV-RAWPK:+CTYPE-SRV-X509:+CTYPE-CLI-X509",
    [SECURITY_ANY_TLS] = PRIORITY_ANY,
};

/*
 * GnuTLS asks here whether a first flight with early data was seen before. Its key is 12 bytes of when its own
 * window began, which differs from context to context, and the binder, which alone is unique to the flight.
 */
static int note_first_flight(void *user, time_t expires, const gnutls_datum_t *key, const gnutls_datum_t *data)
{
    struct security *security = user;
    int r;

    (void)expires;
    (void)data;
    if (key->size <= 12)
        return GNUTLS_E_INVALID_REQUEST;
    pthread_mutex_lock(&security->shared->mutex);
    r = replay_add(&security->shared->replay, key->data + 12, key->size - 12, loop_clock() / 1000000);
    pthread_mutex_unlock(&security->shared->mutex);
    return r == 0 ? 0 : GNUTLS_E_DB_ENTRY_EXISTS;
}

static void release(void *value)
{
    struct security *security = value;

    tickets_release(security);
    text_free(&security->known_peers);
    text_free(&security->fast_open);
    for (size_t i = 0; i < SECURITY_OVERS * SECURITY_TYPES; i++)
        if (security->priorities[i])
            gnutls_priority_deinit(security->priorities[i]);
    if (security->anonymous)
        gnutls_certificate_free_credentials(security->anonymous);
    anchors_release(security->context, &security->anchors);
    if (security->anti_replay)
        gnutls_anti_replay_deinit(security->anti_replay);
    hawser_shared_unref(security->shared);
    free(security);
}

static int fill(struct security *security)
{
    hawser_shared *shared = loop_shared(security->context);

    if (shared)
        security->shared = hawser_shared_ref(shared);
    else if (hawser_shared_new(&security->shared) < 0)
        return -ENOMEM;
    /* One object a context, since GnuTLS changes it without a lock; the store behind is common. It must be older than
     * every ticket that shall allow early data, which is why listeners make it at their start (trust_new()). */
    if (gnutls_anti_replay_init(&security->anti_replay) < 0 ||
        gnutls_certificate_allocate_credentials(&security->anonymous) < 0)
        return -ENOMEM;
    gnutls_anti_replay_set_window(security->anti_replay, REPLAY_WINDOW * 1000u);
    gnutls_anti_replay_set_ptr(security->anti_replay, security);
    gnutls_anti_replay_set_add_function(security->anti_replay, note_first_flight);
    return 0;
}

struct security *security_of(hawser_context *context)
{
    struct security *security = loop_part(context, LOOP_PART_SECURITY);

    if (security)
        return security;
    security = calloc(1, sizeof *security);
    if (!security)
        return NULL;
    security->context = context;
    tickets_init(security);
    anchors_init(&security->anchors);
    text_init(&security->known_peers);
    text_init(&security->fast_open);
    if (fill(security) < 0) {
        release(security);
        return NULL;
    }
    loop_set_part(context, LOOP_PART_SECURITY, security, release);
    return security;
}

const gnutls_datum_t *security_ticket_key(hawser_context *context)
{
    struct security *security = security_of(context);

    return security ? &security->shared->ticket_key_datum : NULL;
}

gnutls_anti_replay_t security_anti_replay(hawser_context *context)
{
    struct security *security = security_of(context);

    return security ? security->anti_replay : NULL;
}

gnutls_priority_t security_priority(hawser_context *context, enum security_types types, enum security_over over)
{
    struct security *security = security_of(context);
    gnutls_priority_t *priority = security ? &security->priorities[SECURITY_OVERS * types + over] : NULL;
    static const char *const overs[SECURITY_OVERS] = {"", PRIORITY_QUIC, PRIORITY_DATAGRAMS};
    char text[1024];

    if (!priority || *priority)
        return priority ? *priority : NULL;
    snprintf(text, sizeof text, "%s%s", priorities[types], overs[over]);
    return gnutls_priority_init(priority, text, NULL) < 0 ? NULL : *priority;
}

gnutls_certificate_credentials_t security_anonymous(hawser_context *context)
{
    struct security *security = security_of(context);

    return security ? security->anonymous : NULL;
}
