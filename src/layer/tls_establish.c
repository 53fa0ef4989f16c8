/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake. */
#include "layer/tls.h"

#include <errno.h>

/* Every step takes a message or a record off the peer's bytes; a first flight of early data has not more. */
#define STEPS_MAX 4096

bool tls_retry(struct tls_layer *tls, ssize_t code)
{
    /* GnuTLS says AGAIN also after a message that it kept for itself, with more waiting (libraries.md, 1h). */
    return code == GNUTLS_E_INTERRUPTED || code == GNUTLS_E_WARNING_ALERT_RECEIVED ||
           (code == GNUTLS_E_AGAIN && !tls->starved);
}

static int refuse(struct tls_layer *tls, int code, gnutls_alert_description_t alert)
{
    gnutls_alert_send(tls->secure.session, GNUTLS_AL_FATAL, alert);
    tls_flush(tls);
    return code;
}

static int finish(struct tls_layer *tls)
{
    gnutls_alert_description_t alert = GNUTLS_A_INTERNAL_ERROR;
    int r = secure_finish(&tls->secure, &alert);

    if (r < 0)
        return refuse(tls, r, alert);
    tls_flush_late(tls);
    return 0;
}

int tls_establish(struct layer *layer)
{
    struct tls_layer *tls = tls_of(layer);
    gnutls_alert_description_t alert;
    int code = layer_error(layer)->code, r, steps = 0;

    if (code < 0)
        return code;
    if (!tls->secure.opening)
        return 0;
    r = layer_establish(layer->below);
    if (r < 0)
        return r;
    if (!tls->secure.opening->started)
        secure_start(&tls->secure);
    do {
        r = tls_flush(tls);
        if (r < 0)
            return r;
        tls->starved = false;
        r = gnutls_handshake(tls->secure.session);
        if (tls->secure.is_server && (code = tls_take_early(tls)) < 0)
            return code;
    } while (tls_retry(tls, r) && ++steps < STEPS_MAX);
    if (r == GNUTLS_E_AGAIN) {
        r = tls_flush(tls);
        return r < 0 ? r : -EAGAIN;
    }
    if (r == GNUTLS_E_CERTIFICATE_ERROR && secure_refusal(&tls->secure, &alert) < 0)
        return refuse(tls, tls->secure.opening->code, alert);
    return r < 0 ? tls_fail(tls, r) : finish(tls);
}
