/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake, and its times (RFC 6347 section 4.2.4). */
#include "layer/dtls.h"

#include <errno.h>
#include <string.h>

#include <gnutls/dtls.h>

#define STEPS_MAX 4096
#define RESEND_AFTER 1000 /* milliseconds; doubled each time, by GnuTLS */
#define GIVE_UP_AFTER 60000

static int refuse(struct dtls_layer *dtls, int code, gnutls_alert_description_t alert)
{
    gnutls_alert_send(dtls->secure.session, GNUTLS_AL_FATAL, alert);
    (void)dtls_flush(dtls);
    return code;
}

static int finish(struct dtls_layer *dtls)
{
    gnutls_alert_description_t alert = GNUTLS_A_INTERNAL_ERROR;
    int r = secure_finish(&dtls->secure, &alert);

    if (r < 0)
        return refuse(dtls, r, alert);
    dtls_find_sizes(dtls);
    if (dtls->base < NUMBERED_MIN && strcmp(secure_alpn(&dtls->secure), "hawser/1") == 0)
        return layer_fail(&dtls->layer, -EMSGSIZE, "the path carries only %zu bytes in a datagram", dtls->base);
    return 0;
}

static int begin(struct dtls_layer *dtls)
{
    int r = dtls->secure.is_server ? dtls_await_cookie(dtls) : 0;

    if (r < 0)
        return r;
    dtls_find_sizes(dtls);
    gnutls_dtls_set_timeouts(dtls->secure.session, RESEND_AFTER, GIVE_UP_AFTER);
    secure_start(&dtls->secure);
    return 0;
}

/* GnuTLS looks at its own clock when it is called. */
static void arm(struct dtls_layer *dtls)
{
    unsigned wait = gnutls_dtls_get_timeout(dtls->secure.session);

    dtls_arm(dtls, loop_now(dtls->layer.context) + (int64_t)wait * 1000 + 1000);
}

int dtls_establish(struct layer *layer)
{
    struct dtls_layer *dtls = dtls_of(layer);
    gnutls_alert_description_t alert;
    int code = layer_error(layer)->code, r, steps = 0;
    int64_t flight_at;

    if (code < 0)
        return code;
    if (!dtls->secure.opening)
        return 0;
    r = layer_establish(layer->below);
    if (r == 0 && !dtls->secure.opening->started)
        r = begin(dtls);
    if (r < 0)
        return r;
    r = dtls_flush(dtls);
    if (r < 0)
        return r;
    do {
        flight_at = dtls->flight_at;
        dtls->pulled = false;
        r = gnutls_handshake(dtls->secure.session);
        if (flight_at && dtls->flight_at != flight_at && !dtls->pulled)
            dtls->resent = true;
    } while (
        (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED || (r == GNUTLS_E_AGAIN && dtls->pulled)) &&
        ++steps < STEPS_MAX);
    if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED) {
        arm(dtls);
        r = dtls_flush(dtls);
        return r < 0 ? r : -EAGAIN;
    }
    if (r == GNUTLS_E_CERTIFICATE_ERROR && secure_refusal(&dtls->secure, &alert) < 0)
        return refuse(dtls, dtls->secure.opening->code, alert);
    return r < 0 ? dtls_fail(dtls, r) : finish(dtls);
}
