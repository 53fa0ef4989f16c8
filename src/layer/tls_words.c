/* SPDX-License-Identifier: Apache-2.0 */
/* Why TLS failed, in words: what failed, and at which end. */
#include "layer/tls.h"

#include <errno.h>
#include <string.h>

struct words {
    int cause, code;
    const char *text;
};

static const struct words causes[] = {
    {GNUTLS_E_DECRYPTION_FAILED, HAWSER_ETLS, "a record failed its integrity check: it was changed on the way"},
    {GNUTLS_E_ERROR_IN_FINISHED_PACKET, HAWSER_ETLS, "the handshake was changed on the way"},
    {GNUTLS_E_NO_APPLICATION_PROTOCOL, HAWSER_ENOTSPOKEN, "the peer speaks none of our protocols"},
    {GNUTLS_E_NO_CIPHER_SUITES, HAWSER_ETLS, "the peer has no TLS parameters in common with us"},
    {GNUTLS_E_NO_CERTIFICATE_FOUND, HAWSER_EUNVERIFIED, "the peer showed neither a key nor a certificate"},
    {GNUTLS_E_CERTIFICATE_REQUIRED, HAWSER_EUNVERIFIED, "the peer showed neither a key nor a certificate"},
    {GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE, HAWSER_EUNVERIFIED, "the peer has no key of a type that we can check"},
    {GNUTLS_E_PK_SIG_VERIFY_FAILED, HAWSER_EUNVERIFIED, "the peer does not hold the key that it showed"},
    {GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS, HAWSER_ETLS, "the peer floods us with handshake messages"},
    {GNUTLS_E_MEMORY_ERROR, ENOMEM, "out of memory"},
};

static const struct words *find(int cause)
{
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].cause == cause)
            return &causes[i];
    return NULL;
}

static int fail_version(struct tls_layer *tls)
{
    return layer_fail(&tls->layer, -HAWSER_ETLS, "%s",
                      tls->secure.config->any_tls ? "the peer speaks neither TLS 1.2 nor TLS 1.3"
                                                  : "the peer does not speak TLS 1.3");
}

static int fail_alert(struct tls_layer *tls)
{
    gnutls_alert_description_t alert = gnutls_alert_get(tls->secure.session);
    int code = HAWSER_ETLS;
    const char *words = secure_alert_words(alert, &code);
    const char *name = gnutls_alert_get_name(alert);

    if (alert == GNUTLS_A_PROTOCOL_VERSION)
        return fail_version(tls);
    if (tls->declined)
        return layer_fail(&tls->layer, -HAWSER_EREFUSED,
                          "the peer wants to begin TLS 1.2 anew, and does not go on without");
    if (words)
        return layer_fail(&tls->layer, -code, "%s (TLS alert: %s)", words, name ? name : "?");
    return layer_fail(&tls->layer, -HAWSER_ETLS, "the peer ended TLS with the alert \"%s\"", name ? name : "?");
}

/* Over hawser/1 an end is always said; other protocols have peers that do not care, and framers that know better. */
static bool speaks_its_own(const struct tls_layer *tls)
{
    return tls->secure.config->any_tls ||
           (!tls->secure.config->require_alpn && strcmp(secure_alpn(&tls->secure), "hawser/1") != 0);
}

static int fail_end(struct tls_layer *tls)
{
    if (tls->secure.opening)
        return layer_fail(&tls->layer, -HAWSER_ETLS, "the peer closed the connection during the TLS handshake");
    return layer_fail(&tls->layer, speaks_its_own(tls) ? -HAWSER_ETRUNCATED : -ECONNRESET,
                      "the peer closed the connection without saying so inside TLS: data may be missing");
}

/* A handshake or an alert (RFC 8446 section 5.1). */
static bool is_record(const uint8_t first[5])
{
    return (first[0] == 0x15 || first[0] == 0x16) && first[1] == 3;
}

/* What is no record at all, before anything else was understood, is some other protocol. */
static bool is_foreign(const struct tls_layer *tls, ssize_t code)
{
    return tls->secure.opening && (int)gnutls_handshake_get_last_in(tls->secure.session) < 0 &&
           !is_record(tls->secure.opening->first) &&
           (code == GNUTLS_E_UNEXPECTED_PACKET_LENGTH || code == GNUTLS_E_UNEXPECTED_PACKET ||
            code == GNUTLS_E_RECORD_OVERFLOW || code == GNUTLS_E_UNSUPPORTED_VERSION_PACKET ||
            code == GNUTLS_E_TLS_PACKET_DECODING_ERROR);
}

int tls_fail(struct tls_layer *tls, ssize_t code)
{
    const struct layer_error *lower = layer_error(&tls->layer);
    const struct words *words = find((int)code);

    if (lower->code < 0)
        return lower->code;
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return fail_alert(tls);
    if (tls->ended)
        return fail_end(tls);
    gnutls_alert_send_appropriate(tls->secure.session, (int)code);
    tls_flush(tls);
    if (is_foreign(tls, code))
        return layer_fail(&tls->layer, -HAWSER_ETLS, "the peer does not speak TLS%s",
                          memcmp(tls->secure.opening->first, "HTTP/", 5) == 0 ? ", but plain HTTP" : "");
    if (code == GNUTLS_E_UNSUPPORTED_VERSION_PACKET)
        return fail_version(tls);
    if (words)
        return layer_fail(&tls->layer, -words->code, "%s", words->text);
    return layer_fail(&tls->layer, -HAWSER_ETLS, "the peer broke the rules of TLS: %s", gnutls_strerror((int)code));
}
