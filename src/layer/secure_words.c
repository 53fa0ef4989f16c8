/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer's alert means (RFC 8446 section 6.2), whichever layer brought it. */
#include "layer/secure.h"

static const struct {
    gnutls_alert_description_t alert;
    int code;
    const char *text;
} alerts[] = {
    {GNUTLS_A_NO_APPLICATION_PROTOCOL, HAWSER_ENOTSPOKEN, "the peer speaks none of the protocols that we offered"},
    {GNUTLS_A_HANDSHAKE_FAILURE, HAWSER_ETLS, "the peer has no TLS parameters in common with us"},
    {GNUTLS_A_CERTIFICATE_REQUIRED, HAWSER_EREFUSED, "the peer wants to see our identity, and we showed none"},
    {GNUTLS_A_BAD_CERTIFICATE, HAWSER_EREFUSED, "the peer does not accept our identity"},
    {GNUTLS_A_CERTIFICATE_UNKNOWN, HAWSER_EREFUSED, "the peer does not accept our certificate"},
    {GNUTLS_A_CERTIFICATE_EXPIRED, HAWSER_EREFUSED, "the peer says that our certificate has expired"},
    {GNUTLS_A_UNKNOWN_CA, HAWSER_EREFUSED, "the peer does not know who vouches for our certificate"},
    {GNUTLS_A_ACCESS_DENIED, HAWSER_EREFUSED, "the peer denies us access"},
    {GNUTLS_A_UNRECOGNIZED_NAME, HAWSER_EREFUSED, "the peer does not serve the name that we asked for"},
    {GNUTLS_A_BAD_RECORD_MAC, HAWSER_ETLS, "the peer says that one of our records failed its integrity check"},
    {GNUTLS_A_USER_CANCELED, HAWSER_EREFUSED, "the peer cancelled the handshake"},
};

const char *secure_alert_words(gnutls_alert_description_t alert, int *ret_code)
{
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (alerts[i].alert == alert) {
            *ret_code = alerts[i].code;
            return alerts[i].text;
        }
    return NULL;
}
