/* SPDX-License-Identifier: Apache-2.0 */
/* Why DTLS failed, in words. */
#include "layer/dtls.h"

#include <errno.h>

static const struct {
    int cause, code;
    const char *text;
} causes[] = {
    {GNUTLS_E_TIMEDOUT, ETIMEDOUT, "the peer did not answer the DTLS handshake for a minute"},
    {GNUTLS_E_DECRYPTION_FAILED, HAWSER_ETLS, "a record failed its integrity check: it was changed on the way"},
    {GNUTLS_E_ERROR_IN_FINISHED_PACKET, HAWSER_ETLS, "the handshake was changed on the way"},
    {GNUTLS_E_NO_APPLICATION_PROTOCOL, HAWSER_ENOTSPOKEN, "the peer speaks none of our protocols"},
    {GNUTLS_E_NO_CIPHER_SUITES, HAWSER_ETLS, "the peer has no DTLS parameters in common with us"},
    {GNUTLS_E_INSUFFICIENT_CREDENTIALS, HAWSER_ETLS, "the peer has no DTLS parameters in common with us"},
    {GNUTLS_E_UNSUPPORTED_VERSION_PACKET, HAWSER_ETLS, "the peer does not speak DTLS 1.2"},
    {GNUTLS_E_NO_CERTIFICATE_FOUND, HAWSER_EUNVERIFIED, "the peer showed neither a key nor a certificate"},
    {GNUTLS_E_CERTIFICATE_REQUIRED, HAWSER_EUNVERIFIED, "the peer showed neither a key nor a certificate"},
    {GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE, HAWSER_EUNVERIFIED, "the peer has no key of a type that we can check"},
    {GNUTLS_E_PK_SIG_VERIFY_FAILED, HAWSER_EUNVERIFIED, "the peer does not hold the key that it showed"},
    {GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS, HAWSER_ETLS, "the peer floods us with handshake messages"},
    {GNUTLS_E_MEMORY_ERROR, ENOMEM, "out of memory"},
};

static int fail_alert(struct dtls_layer *dtls)
{
    gnutls_alert_description_t alert = gnutls_alert_get(dtls->secure.session);
    const char *name = gnutls_alert_get_name(alert), *words;
    int code = HAWSER_ETLS;

    words = secure_alert_words(alert, &code);
    if (alert == GNUTLS_A_PROTOCOL_VERSION)
        words = "the peer does not speak DTLS 1.2";
    if (words)
        return layer_fail(&dtls->layer, -code, "%s (TLS alert: %s)", words, name ? name : "?");
    return layer_fail(&dtls->layer, -HAWSER_ETLS, "the peer ended DTLS with the alert \"%s\"", name ? name : "?");
}

int dtls_fail(struct dtls_layer *dtls, ssize_t code)
{
    const struct layer_error *known = layer_error(&dtls->layer);

    if (known->code < 0)
        return known->code;
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return fail_alert(dtls);
    if (dtls->secure.is_server && (code == GNUTLS_E_NO_CERTIFICATE_FOUND || code == GNUTLS_E_CERTIFICATE_REQUIRED))
        gnutls_alert_send(dtls->secure.session, GNUTLS_AL_FATAL, GNUTLS_A_CERTIFICATE_REQUIRED);
    else
        gnutls_alert_send_appropriate(dtls->secure.session, (int)code);
    (void)dtls_flush(dtls);
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].cause == code)
            return layer_fail(&dtls->layer, -causes[i].code, "%s", causes[i].text);
    return layer_fail(&dtls->layer, -HAWSER_ETLS, "the peer broke the rules of DTLS: %s", gnutls_strerror((int)code));
}
