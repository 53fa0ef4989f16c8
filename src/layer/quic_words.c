/* SPDX-License-Identifier: Apache-2.0 */
/* Why a connection failed, in words: what failed, and at which end (RFC 9000 section 20). */
#include "layer/quic.h"

#include <errno.h>
#include <stdio.h>

struct words {
    uint64_t cause;
    int code;
    const char *text;
};

/* Codes of the transport that a peer closes with. */
static const struct words closings[] = {
    {NGTCP2_NO_ERROR, ECONNRESET, "the peer closed the line"},
    {NGTCP2_INTERNAL_ERROR, ECONNRESET, "the peer gave up for a fault of its own"},
    {NGTCP2_CONNECTION_REFUSED, HAWSER_EREFUSED, "the peer takes no line now"},
    {NGTCP2_FLOW_CONTROL_ERROR, EPROTO, "the peer says that we sent more than it allowed"},
    {NGTCP2_STREAM_LIMIT_ERROR, EPROTO, "the peer says that we opened more streams than it allowed"},
    {NGTCP2_STREAM_STATE_ERROR, EPROTO, "the peer says that we used a stream that cannot be used so"},
    {NGTCP2_FINAL_SIZE_ERROR, EPROTO, "the peer says that we changed the size of a stream"},
    {NGTCP2_FRAME_ENCODING_ERROR, EPROTO, "the peer cannot read one of our frames"},
    {NGTCP2_TRANSPORT_PARAMETER_ERROR, EPROTO, "the peer does not accept our parameters"},
    {NGTCP2_CONNECTION_ID_LIMIT_ERROR, EPROTO, "the peer says that we gave it too many connection ids"},
    {NGTCP2_PROTOCOL_VIOLATION, EPROTO, "the peer says that we broke the rules of QUIC"},
    {NGTCP2_INVALID_TOKEN, HAWSER_EREFUSED, "the peer does not accept the token that it gave us"},
    {NGTCP2_APPLICATION_ERROR, ECONNRESET, "the peer's program gave up during the handshake"},
    {NGTCP2_CRYPTO_BUFFER_EXCEEDED, HAWSER_ETLS, "the peer says that our handshake is too large"},
    {NGTCP2_KEY_UPDATE_ERROR, HAWSER_ETLS, "the peer says that we changed keys too soon"},
    {NGTCP2_AEAD_LIMIT_REACHED, HAWSER_ETLS, "the peer's keys are used up"},
    {NGTCP2_NO_VIABLE_PATH, ENETUNREACH, "the peer finds no path to us"},
};

/* What ngtcp2 finds wrong at our end. */
static const struct words causes[] = {
    {(uint64_t)-NGTCP2_ERR_RECV_VERSION_NEGOTIATION, HAWSER_ENOTSPOKEN,
     "the peer speaks no version of QUIC that we know"},
    {(uint64_t)-NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE, HAWSER_ETLS, "the version of QUIC was changed on the way"},
    {(uint64_t)-NGTCP2_ERR_HANDSHAKE_TIMEOUT, ETIMEDOUT, "the peer did not finish the handshake in time"},
    {(uint64_t)-NGTCP2_ERR_IDLE_CLOSE, ETIMEDOUT, "nothing was heard for too long"},
    {(uint64_t)-NGTCP2_ERR_FLOW_CONTROL, EPROTO, "the peer sent more than we allowed"},
    {(uint64_t)-NGTCP2_ERR_STREAM_LIMIT, EPROTO, "the peer opened more streams than we allowed"},
    {(uint64_t)-NGTCP2_ERR_STREAM_STATE, EPROTO, "the peer used a stream that cannot be used so"},
    {(uint64_t)-NGTCP2_ERR_FINAL_SIZE, EPROTO, "the peer changed the size of a stream"},
    {(uint64_t)-NGTCP2_ERR_FRAME_ENCODING, EPROTO, "the peer sent a frame that cannot be read"},
    {(uint64_t)-NGTCP2_ERR_ACK_FRAME, EPROTO, "the peer acknowledged what was never sent"},
    {(uint64_t)-NGTCP2_ERR_CONNECTION_ID_LIMIT, EPROTO, "the peer gave us too many connection ids"},
    {(uint64_t)-NGTCP2_ERR_REQUIRED_TRANSPORT_PARAM, EPROTO, "the peer left out a parameter that QUIC demands"},
    {(uint64_t)-NGTCP2_ERR_MALFORMED_TRANSPORT_PARAM, EPROTO, "the peer's parameters cannot be read"},
    {(uint64_t)-NGTCP2_ERR_TRANSPORT_PARAM, EPROTO, "the peer's parameters are not what they may be"},
    {(uint64_t)-NGTCP2_ERR_PROTO, EPROTO, "the peer broke the rules of QUIC"},
    {(uint64_t)-NGTCP2_ERR_CRYPTO_BUFFER_EXCEEDED, HAWSER_ETLS, "the peer's handshake is too large"},
    {(uint64_t)-NGTCP2_ERR_AEAD_LIMIT_REACHED, HAWSER_ETLS, "the keys are used up"},
    {(uint64_t)-NGTCP2_ERR_PKT_NUM_EXHAUSTED, HAWSER_ETLS, "the packet numbers are used up"},
    {(uint64_t)-NGTCP2_ERR_NO_VIABLE_PATH, ENETUNREACH, "there is no path to the peer any more"},
    {(uint64_t)-NGTCP2_ERR_DROP_CONN, HAWSER_EREFUSED, "the first packet was not one to begin with"},
    {(uint64_t)-NGTCP2_ERR_RETRY, HAWSER_EREFUSED, "the peer did not show that it receives at its address"},
    {(uint64_t)-NGTCP2_ERR_NOMEM, ENOMEM, "out of memory"},
    {(uint64_t)-NGTCP2_ERR_CALLBACK_FAILURE, ENOMEM, "out of memory"},
};

/* Alerts that GnuTLS finds fit to send, as the reason at our end. */
static const struct words faults[] = {
    {GNUTLS_A_NO_APPLICATION_PROTOCOL, HAWSER_ENOTSPOKEN, "the peer speaks none of our protocols"},
    {GNUTLS_A_HANDSHAKE_FAILURE, HAWSER_ETLS, "the peer has no TLS parameters in common with us"},
    {GNUTLS_A_CERTIFICATE_REQUIRED, HAWSER_EUNVERIFIED, "the peer showed neither a key nor a certificate"},
    {GNUTLS_A_UNSUPPORTED_CERTIFICATE, HAWSER_EUNVERIFIED, "the peer has no key of a type that we can check"},
    {GNUTLS_A_DECRYPT_ERROR, HAWSER_EUNVERIFIED, "the peer does not hold the key that it showed"},
    {GNUTLS_A_PROTOCOL_VERSION, HAWSER_ETLS, "the peer does not speak TLS 1.3"},
    {GNUTLS_A_MISSING_EXTENSION, EPROTO, "the peer left out what QUIC needs of TLS"},
};

static const struct words *find(const struct words *table, size_t count, uint64_t cause)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].cause == cause)
            return &table[i];
    return NULL;
}
#define FIND(table, cause) find(table, sizeof table / sizeof *table, cause)

/* ---------------------------------------------------------------------------------------------------- the peer closed */

static int fail_alert(struct quic_layer *quic, gnutls_alert_description_t alert)
{
    const char *name = gnutls_alert_get_name(alert);
    int code = HAWSER_ETLS;
    const char *words = secure_alert_words(alert, &code);

    if (words)
        return layer_fail(&quic->layer, -code, "%s (TLS alert: %s)", words, name ? name : "?");
    return layer_fail(&quic->layer, -HAWSER_ETLS, "the peer ended TLS with the alert \"%s\"", name ? name : "?");
}

/* A peer's words, as far as they can be printed. */
static void print_reason(const quic_ccerr *error, char *text, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < error->reasonlen && at + 1 < size; i++)
        text[at++] = error->reason[i] >= 0x20 && error->reason[i] < 0x7f ? (char)error->reason[i] : '?';
    text[at] = '\0';
}

/* hawser/1 ends with 0; HTTP/3 has a code of its own for it (RFC 9114 section 8.1). */
static bool is_clean(const struct quic_layer *quic, const quic_ccerr *error)
{
    return quic->completed && quic_ccerr_is_application(error) &&
           (error->error_code == 0 || (!quic->speaks_hawser && error->error_code == QUIC_H3_NO_ERROR));
}

int quic_fail_closed(struct quic_layer *quic)
{
    quic_ccerr space;
    const quic_ccerr *error = quic_conn_ccerr(quic->conn, &space);
    const struct words *words = FIND(closings, error->error_code);
    char reason[100];

    if (quic->reset)
        return layer_fail(&quic->layer, -ECONNRESET, "the peer does not know of this line any more");
    if (is_clean(quic, error))
        return 0;
    print_reason(error, reason, sizeof reason);
    if (quic_ccerr_is_application(error))
        return layer_fail(&quic->layer, -ECONNRESET, "the peer's program closed the line with code %llu%s%s",
                          (unsigned long long)error->error_code, *reason ? ": " : "", reason);
    if (error->error_code >= NGTCP2_CRYPTO_ERROR && error->error_code < NGTCP2_CRYPTO_ERROR + 256)
        return fail_alert(quic, (gnutls_alert_description_t)(error->error_code - NGTCP2_CRYPTO_ERROR));
    if (words)
        return layer_fail(&quic->layer, -words->code, "%s%s%s", words->text, *reason ? ": " : "", reason);
    return layer_fail(&quic->layer, -EPROTO, "the peer closed the line with the unknown code %llu%s%s",
                      (unsigned long long)error->error_code, *reason ? ": " : "", reason);
}

/* --------------------------------------------------------------------------------------------------------- we give up */

static int fail_crypto(struct quic_layer *quic, gnutls_alert_description_t alert)
{
    const struct words *words = FIND(faults, alert);
    const char *name = gnutls_alert_get_name(alert);

    if (words)
        return layer_fail(&quic->layer, -words->code, "%s", words->text);
    return layer_fail(&quic->layer, -HAWSER_ETLS, "the peer broke the rules of TLS: %s", name ? name : "?");
}

int quic_fail(struct quic_layer *quic, int liberr)
{
    const struct words *words = FIND(causes, (uint64_t)-liberr);
    gnutls_alert_description_t alert = quic->alert;
    quic_ccerr error;

    if (liberr == NGTCP2_ERR_DRAINING || liberr == NGTCP2_ERR_CLOSING)
        return layer_error(&quic->layer)->code;
    quic_ccerr_default(&error);
    if (secure_refusal(&quic->secure, &alert) < 0 || quic->alert_set) {
        quic_ccerr_alert(&error, (uint8_t)alert, NULL, 0);
    } else if (liberr == NGTCP2_ERR_CRYPTO) {
        alert = (gnutls_alert_description_t)ngtcp2_conn_get_tls_alert(quic->conn);
        fail_crypto(quic, alert);
        quic_ccerr_alert(&error, (uint8_t)alert, NULL, 0);
    } else {
        if (words)
            layer_fail(&quic->layer, -words->code, "%s", words->text);
        else
            layer_fail(&quic->layer, -EPROTO, "QUIC failed: %s", ngtcp2_strerror(liberr));
        quic_ccerr_liberr(&error, liberr, NULL, 0);
    }
    /* There is nobody to tell, or nobody that is to know (RFC 9000 section 10.1). */
    if (liberr != NGTCP2_ERR_IDLE_CLOSE && liberr != NGTCP2_ERR_DROP_CONN && liberr != NGTCP2_ERR_RETRY &&
        liberr != NGTCP2_ERR_RECV_VERSION_NEGOTIATION)
        quic_close(quic, &error);
    return layer_error(&quic->layer)->code;
}
