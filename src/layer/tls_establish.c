/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake, and whom it leads to. */
#include "layer/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every step takes a message or a record off the peer's bytes; a first flight of early data has not more. */
#define STEPS_MAX 4096

bool tls_retry(struct tls_layer *tls, ssize_t code)
{
    /* GnuTLS says AGAIN also after a message that it kept for itself, with more waiting (libraries.md, 1h). */
    return code == GNUTLS_E_INTERRUPTED || code == GNUTLS_E_WARNING_ALERT_RECEIVED ||
           (code == GNUTLS_E_AGAIN && !tls->starved);
}

static int verify(struct tls_layer *tls)
{
    struct tls_opening *opening = tls->opening;

    bool by_ticket = opening->ticket.session && gnutls_session_is_resumed(tls->session);

    if (opening->verified || opening->code < 0)
        return opening->code;
    opening->code =
        trust_verify(tls->config, tls->session, tls->is_server, by_ticket ? &opening->ticket : NULL, opening->name,
                     sizeof opening->name, &opening->verification, opening->reason, sizeof opening->reason);
    opening->verified = opening->code == 0;
    return opening->code;
}

/* Inside the handshake: a client tells a wrong server nothing of itself, a wrong client never believes to be in. */
static int on_verify(gnutls_session_t session)
{
    return verify(gnutls_session_get_ptr(session)) < 0 ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

static int refuse(struct tls_layer *tls, gnutls_alert_description_t alert)
{
    struct tls_opening *opening = tls->opening;

    layer_fail(&tls->layer, opening->code, "%s", opening->reason);
    gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, alert);
    tls_flush(tls);
    return opening->code;
}

static int note_peer(struct tls_layer *tls)
{
    struct tls_opening *opening = tls->opening;
    uint8_t *spki = NULL;
    size_t spki_size = 0;
    int r = peer_spki(tls->session, &spki, &spki_size);

    if (r < 0 && r != -ENOENT)
        return r;
    /* Since its early data came: what was told of it must have been true. */
    if (tls->peer && (tls->peer->spki_size != spki_size || tls->peer->verification > opening->verification ||
                      (spki_size && memcmp(tls_peer_spki(tls), spki, spki_size) != 0)))
        r = -HAWSER_EUNVERIFIED;
    else if (tls->peer && tls->peer->verification == opening->verification)
        r = 0; /* whoever asked holds pointers into it */
    else
        r = tls_note_peer(tls, opening->name, opening->verification, spki, spki_size);
    free(spki);
    return r;
}

static int check_alpn(struct tls_layer *tls)
{
    struct tls_opening *opening = tls->opening;

    if (strcmp(tls_alpn(tls), "hawser/1") == 0 && gnutls_protocol_get_version(tls->session) != GNUTLS_TLS1_3) {
        opening->code = -HAWSER_ETLS;
        snprintf(opening->reason, sizeof opening->reason,
                 "the peer speaks hawser/1 without TLS 1.3, and that is for bare lines only");
        return refuse(tls, GNUTLS_A_PROTOCOL_VERSION);
    }
    if (!tls->config->require_alpn || *tls_alpn(tls))
        return 0;
    opening->code = -HAWSER_ENOTSPOKEN;
    snprintf(opening->reason, sizeof opening->reason, "the peer speaks TLS, but not %s", tls->config->alpn[0]);
    return refuse(tls, GNUTLS_A_NO_APPLICATION_PROTOCOL);
}

void tls_close_opening(struct tls_layer *tls)
{
    if (!tls->opening)
        return;
    ticket_clear(&tls->opening->ticket);
    free(tls->opening->holder);
    free(tls->opening);
    tls->opening = NULL;
}

static int finish(struct tls_layer *tls)
{
    int r = verify(tls); /* a resumed session, or a peer that showed nothing: the callback did not run */

    if (r < 0)
        return refuse(tls, r == -HAWSER_EWEAK ? GNUTLS_A_ACCESS_DENIED : GNUTLS_A_BAD_CERTIFICATE);
    r = check_alpn(tls);
    if (r == 0)
        r = note_peer(tls);
    if (r < 0)
        return layer_fail(&tls->layer, r, "cannot take the peer's key: %s", hawser_strerror(r));
    /* One ticket, and only for a peer that was let in; every connection gives the next. */
    tls->early_open = true;
    if (tls->is_server)
        gnutls_session_ticket_send(tls->session, 1, 0);
    tls_ticket_of_handshake(tls);
    tls_close_opening(tls);
    tls_flush_late(tls);
    return 0;
}

int tls_establish(struct layer *layer)
{
    struct tls_layer *tls = tls_of(layer);
    int code = layer_error(layer)->code, r, steps = 0;

    if (code < 0)
        return code;
    if (!tls->opening)
        return 0;
    r = layer_establish(layer->below);
    if (r < 0)
        return r;
    if (!tls->opening->started) {
        tls->opening->started = true;
        gnutls_session_set_verify_function(tls->session, on_verify);
    }
    do {
        r = tls_flush(tls);
        if (r < 0)
            return r;
        tls->starved = false;
        r = gnutls_handshake(tls->session);
        if (tls->is_server && (code = tls_take_early(tls)) < 0)
            return code;
    } while (tls_retry(tls, r) && ++steps < STEPS_MAX);
    if (r == GNUTLS_E_AGAIN) {
        r = tls_flush(tls);
        return r < 0 ? r : -EAGAIN;
    }
    if (r == GNUTLS_E_CERTIFICATE_ERROR && tls->opening->code < 0)
        return refuse(tls, tls->opening->code == -HAWSER_EWEAK ? GNUTLS_A_ACCESS_DENIED : GNUTLS_A_BAD_CERTIFICATE);
    return r < 0 ? tls_fail(tls, r) : finish(tls);
}
