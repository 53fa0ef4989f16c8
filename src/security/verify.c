/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the peer of a handshake is one whom the trust rule believes, and how far that was checked. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/abstract.h>

#include "security/trust.h"

#define CHAIN_MAX 16

struct finding {
    const struct tls_config *config;
    gnutls_session_t session;
    bool is_server; /* we are */
    const struct ticket *ticket;
    char key_name[KEY_NAME_SIZE];
    hawser_verification level;
    bool believed;
    bool first_use; /* to be remembered once all else holds */
    char name[256];
    int code; /* of the strongest objection, with its words */
    char reason[200];
};

static void object(struct finding *finding, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void object(struct finding *finding, int code, const char *format, ...)
{
    va_list arguments;

    finding->code = code;
    va_start(arguments, format);
    vsnprintf(finding->reason, sizeof finding->reason, format, arguments);
    va_end(arguments);
}

static void believe(struct finding *finding, hawser_verification level, const char *name)
{
    finding->believed = true;
    if (level <= finding->level)
        return;
    finding->level = level;
    snprintf(finding->name, sizeof finding->name, "%s", name ? name : "");
}

static int spki_of_certificate(const gnutls_datum_t *der, gnutls_datum_t *ret_spki)
{
    gnutls_x509_crt_t certificate = NULL;
    gnutls_pubkey_t key = NULL;
    int r = -ENOENT;

    if (gnutls_x509_crt_init(&certificate) == 0 && gnutls_pubkey_init(&key) == 0 &&
        gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) == 0 &&
        gnutls_pubkey_import_x509(key, certificate, 0) == 0 &&
        gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, ret_spki) == 0)
        r = 0;
    if (key)
        gnutls_pubkey_deinit(key);
    if (certificate)
        gnutls_x509_crt_deinit(certificate);
    return r;
}

int peer_spki(gnutls_session_t session, uint8_t **ret_spki, size_t *ret_size)
{
    unsigned count = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);
    gnutls_datum_t exported = {NULL, 0};
    uint8_t *spki;

    if (!shown || count == 0)
        return -ENOENT;
    if (gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_RAWPK) {
        int r = spki_of_certificate(shown, &exported);
        if (r < 0)
            return r;
        shown = &exported;
    }
    spki = malloc(shown->size);
    if (spki) {
        memcpy(spki, shown->data, shown->size);
        *ret_spki = spki;
        *ret_size = shown->size;
    }
    gnutls_free(exported.data);
    return spki ? 0 : -ENOMEM;
}

/* ---------------------------------------------------------------------------------------------------------- pki */

/* What a client's certificate calls it: a DNS name or a mail address of its own, else the subject. */
static void name_of_certificate(gnutls_x509_crt_t certificate, char name[256])
{
    size_t size = 256;

    for (unsigned i = 0; i < 16; i++) {
        size = 255;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &size, NULL);
        if (type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_RFC822NAME) {
            name[size] = '\0';
            return;
        }
        if (type < 0)
            break;
    }
    size = 256;
    if (gnutls_x509_crt_get_dn(certificate, name, &size) < 0)
        *name = '\0';
}

static void verify_chain(struct finding *finding, gnutls_x509_crt_t *chain, unsigned count,
                         gnutls_x509_trust_list_t anchors)
{
    const char *wanted = finding->config->server_name;
    gnutls_typed_vdata_st checks[2] = {
        {.type = GNUTLS_DT_KEY_PURPOSE_OID,
         .data = (void *)(finding->is_server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER)},
        {.type = GNUTLS_DT_DNS_HOSTNAME, .data = (void *)wanted},
    };
    unsigned status = 0;
    char name[256], words[200];

    if (gnutls_x509_trust_list_verify_crt2(anchors, chain, count, checks, finding->is_server ? 1 : 2, 0, &status,
                                           NULL) < 0) {
        object(finding, -HAWSER_EUNVERIFIED, "the peer's certificate cannot be checked");
        return;
    }
    if (status == 0) {
        if (finding->is_server)
            name_of_certificate(chain[0], name);
        believe(finding, HAWSER_VERIFICATION_PKI, finding->is_server ? name : wanted);
        return;
    }
    certificate_words(status, chain, count, finding->is_server ? NULL : wanted, finding->is_server, words,
                      sizeof words);
    object(finding, -HAWSER_EUNVERIFIED, "%s", words);
}

static void verify_pki(struct finding *finding)
{
    const struct trust *trust = finding->config->trust;
    gnutls_x509_trust_list_t anchors = trust->anchors ? trust->anchors : security_system_anchors(trust->context);
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned count = 0, imported = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(finding->session, &count);

    if (gnutls_certificate_type_get2(finding->session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
        object(finding, -HAWSER_EUNVERIFIED,
               "the peer showed a bare key and no certificate that an anchor could vouch for");
    else if (!finding->is_server && !finding->config->server_name)
        object(finding, -HAWSER_EUNVERIFIED, "there is no name that the peer's certificate could be checked for");
    else if (!anchors)
        object(finding, -HAWSER_EUNVERIFIED, "there are no trust anchors on this system");
    else {
        while (imported < count && imported < CHAIN_MAX && gnutls_x509_crt_init(&chain[imported]) == 0) {
            imported++;
            if (gnutls_x509_crt_import(chain[imported - 1], &shown[imported - 1], GNUTLS_X509_FMT_DER) < 0)
                break;
        }
        if (imported == count)
            verify_chain(finding, chain, count, anchors);
        else
            object(finding, -HAWSER_EUNVERIFIED, "the peer's chain of certificates is malformed or too long");
        while (imported > 0)
            gnutls_x509_crt_deinit(chain[--imported]);
    }
}

/*
 * A resumed session shows its certificate not again: what was verified for this name by these anchors (ticket_label())
 * holds as long as the certificate does. So the anchors need not be read.
 */
static bool verified_before(const struct finding *finding)
{
    const struct tls_config *config = finding->config;
    const struct ticket *ticket = finding->ticket;
    unsigned count = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(finding->session, &count);
    gnutls_x509_crt_t certificate;
    bool valid;

    if (finding->is_server || !ticket || ticket->verification != HAWSER_VERIFICATION_PKI || !config->server_name ||
        strcmp(config->server_name, ticket->name) != 0 || strcmp(finding->key_name, ticket->key_name) != 0 ||
        !*config->trust->anchors_mark || count == 0 || gnutls_x509_crt_init(&certificate) < 0)
        return false;
    valid = gnutls_x509_crt_import(certificate, shown, GNUTLS_X509_FMT_DER) == 0 &&
            gnutls_x509_crt_get_expiration_time(certificate) > time(NULL);
    gnutls_x509_crt_deinit(certificate);
    return valid;
}

/* --------------------------------------------------------------------------------------------------------- tofu */

static void verify_tofu(struct finding *finding)
{
    const struct tls_config *config = finding->config;
    char known[KEY_NAME_SIZE];
    int r;

    if (!config->service) {
        object(finding, -HAWSER_EUNVERIFIED, "tofu has no service to file the peer's key under");
        return;
    }
    r = known_peers_find(config->trust->context, config->service, known);
    if (r == -ENOENT)
        finding->first_use = true;
    else if (r < 0)
        object(finding, -HAWSER_EUNVERIFIED, "the store of first-use keys cannot be used: %s", hawser_strerror(r));
    else if (strcmp(known, finding->key_name) != 0)
        object(finding, -HAWSER_EKEYCHANGED, "%.40s showed %s at first use and shows %s now", config->service, known,
               finding->key_name);
    if (r == 0 && finding->code == -HAWSER_EKEYCHANGED)
        return;
    if (r == 0 || r == -ENOENT)
        believe(finding, HAWSER_VERIFICATION_TOFU, config->server_name ? config->server_name : finding->key_name);
}

static int remember(struct finding *finding)
{
    const struct tls_config *config = finding->config;
    int r = known_peers_add(config->trust->context, config->service, finding->key_name);

    if (r == -EEXIST) { /* another process was first: with the same key? */
        finding->believed = false;
        finding->level = HAWSER_VERIFICATION_NONE;
        verify_tofu(finding);
        return finding->believed ? 0 : finding->code;
    }
    if (r < 0)
        object(finding, -HAWSER_EUNVERIFIED, "the key of first use cannot be stored: %s", hawser_strerror(r));
    return r < 0 ? finding->code : 0;
}

/* ------------------------------------------------------------------------------------------------------ together */

static void verify_key(struct finding *finding)
{
    const struct trust *trust = finding->config->trust;

    if (trust_has_key(trust, finding->key_name))
        believe(finding, HAWSER_VERIFICATION_KEY, finding->key_name);
    else if (trust->key_count > 0)
        object(finding, -HAWSER_EKEYWRONG, "asked for %s%s, but the peer showed %s", trust->keys[0],
               trust->key_count > 1 ? " or others" : "", finding->key_name);
}

static void judge(struct finding *finding)
{
    const struct trust *trust = finding->config->trust;

    if (trust->any)
        finding->believed = true;
    if (!*finding->key_name) {
        object(finding, -HAWSER_EUNVERIFIED, "the peer showed neither a key nor a certificate");
        return;
    }
    /* From the strongest to the weakest: what suffices makes the weaker ones needless. */
    verify_key(finding);
    if (finding->level < HAWSER_VERIFICATION_PKI && trust->pki && verified_before(finding))
        believe(finding, HAWSER_VERIFICATION_PKI, finding->config->server_name);
    else if (finding->level < HAWSER_VERIFICATION_PKI && trust->pki)
        verify_pki(finding);
    if (finding->level < HAWSER_VERIFICATION_TOFU && trust->tofu)
        verify_tofu(finding);
}

int trust_verify(const struct tls_config *config, gnutls_session_t session, bool is_server, const struct ticket *ticket,
                 char *ret_name, size_t name_size, hawser_verification *ret_verification, char *reason,
                 size_t reason_size)
{
    struct finding finding = {.config = config, .session = session, .is_server = is_server, .ticket = ticket};
    uint8_t *spki;
    size_t spki_size;
    int r = peer_spki(session, &spki, &spki_size);

    if (r == 0) {
        r = key_name_of(spki, spki_size, finding.key_name);
        free(spki);
    }
    if (r < 0 && r != -ENOENT)
        return r;
    judge(&finding);
    if (!finding.believed)
        r = finding.code;
    else if (finding.level < config->min_verification) {
        object(&finding, -HAWSER_EWEAK, "the peer's verification is %s, below the demanded %s",
               hawser_verification_name(finding.level), hawser_verification_name(config->min_verification));
        r = finding.code;
    } else
        r = finding.first_use && finding.level == HAWSER_VERIFICATION_TOFU ? remember(&finding) : 0;
    if (r < 0) {
        snprintf(reason, reason_size, "%s", finding.reason);
        return r;
    }
    snprintf(ret_name, name_size, "%s", finding.name);
    *ret_verification = finding.level;
    return 0;
}

bool trust_allows_key(const struct tls_config *config, const char *key_name, hawser_verification *ret_verification)
{
    bool pinned = *key_name && trust_has_key(config->trust, key_name);
    hawser_verification level = pinned ? HAWSER_VERIFICATION_KEY : HAWSER_VERIFICATION_NONE;

    if ((!pinned && !config->trust->any) || level < config->min_verification)
        return false;
    *ret_verification = level;
    return true;
}

bool trust_allows_ticket(const struct tls_config *config, const struct ticket *ticket)
{
    const struct trust *trust = config->trust;
    hawser_verification level = HAWSER_VERIFICATION_NONE;
    bool believed = trust->any;
    char known[KEY_NAME_SIZE];

    if (trust_has_key(trust, ticket->key_name))
        level = HAWSER_VERIFICATION_KEY;
    else if (trust->pki && ticket->verification == HAWSER_VERIFICATION_PKI && config->server_name &&
             strcmp(config->server_name, ticket->name) == 0)
        level = HAWSER_VERIFICATION_PKI;
    else if (trust->tofu && config->service && known_peers_find(trust->context, config->service, known) == 0 &&
             strcmp(known, ticket->key_name) == 0)
        level = HAWSER_VERIFICATION_TOFU;
    return (believed || level > HAWSER_VERIFICATION_NONE) && level >= config->min_verification;
}

bool trust_shows_identity(const struct tls_config *config)
{
    return config->identity && (config->present_certificate || trust_pins_key(config->trust));
}
