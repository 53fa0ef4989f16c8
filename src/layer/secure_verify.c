/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a handshake leads to, and whether that is known. */
#include "layer/secure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int verify(struct secure *secure)
{
    struct secure_opening *opening = secure->opening;

    bool by_ticket = opening->ticket.session && gnutls_session_is_resumed(secure->session);

    if (opening->verified || opening->code < 0)
        return opening->code;
    opening->code = trust_verify(secure->config, secure->session, secure->is_server,
                                 by_ticket ? &opening->ticket : NULL, opening->name, sizeof opening->name,
                                 &opening->verification, opening->reason, sizeof opening->reason);
    opening->verified = opening->code == 0;
    return opening->code;
}

static int on_verify(gnutls_session_t session)
{
    return verify(gnutls_db_get_ptr(session)) < 0 ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

void secure_start(struct secure *secure)
{
    secure->opening->started = true;
    gnutls_session_set_verify_function(secure->session, on_verify);
}

int secure_refusal(struct secure *secure, gnutls_alert_description_t *ret_alert)
{
    int code = secure->opening ? secure->opening->code : 0;

    if (code == 0)
        return 0;
    layer_fail(secure->layer, code, "%s", secure->opening->reason);
    *ret_alert = code == -HAWSER_EWEAK ? GNUTLS_A_ACCESS_DENIED : GNUTLS_A_BAD_CERTIFICATE;
    return code;
}

int secure_open_early(struct secure *secure)
{
    struct secure_opening *opening = secure->opening;
    hawser_verification verification;
    char key_name[KEY_NAME_SIZE] = "";
    int r = 0;

    if (!opening || !opening->holder_known)
        return 0;
    opening->holder_known = false;
    if (opening->holder_size)
        r = key_name_of(opening->holder, opening->holder_size, key_name);
    if (r == 0 && trust_allows_key(secure->config, key_name, &verification)) {
        r = secure_note_peer(secure, "", verification, opening->holder, opening->holder_size);
        secure->early_open = r == 0;
    }
    return r;
}

static int note_peer(struct secure *secure)
{
    struct secure_opening *opening = secure->opening;
    uint8_t *spki = NULL;
    size_t spki_size = 0;
    int r = peer_spki(secure->session, &spki, &spki_size);

    if (r < 0 && r != -ENOENT)
        return r;
    /* Since its early data came: what was told of it must have been true. */
    if (secure->peer && (secure->peer->spki_size != spki_size || secure->peer->verification > opening->verification ||
                         (spki_size && memcmp(secure_peer_spki(secure), spki, spki_size) != 0)))
        r = -HAWSER_EUNVERIFIED;
    else if (secure->peer && secure->peer->verification == opening->verification)
        r = 0; /* whoever asked holds pointers into it */
    else
        r = secure_note_peer(secure, opening->name, opening->verification, spki, spki_size);
    free(spki);
    return r;
}

/* hawser/1 builds on keys that belong to this handshake alone (docs/security.md, "DTLS 1.2"). */
static int check_version(struct secure *secure, gnutls_alert_description_t *ret_alert)
{
    if (secure->datagrams && !gnutls_session_ext_master_secret_status(secure->session)) {
        *ret_alert = GNUTLS_A_HANDSHAKE_FAILURE;
        return layer_fail(secure->layer, -HAWSER_ETLS,
                          "the peer's DTLS does not bind its keys to the handshake (RFC 7627)");
    }
    if (!secure->datagrams && gnutls_protocol_get_version(secure->session) != GNUTLS_TLS1_3) {
        *ret_alert = GNUTLS_A_PROTOCOL_VERSION;
        return layer_fail(secure->layer, -HAWSER_ETLS,
                          "the peer speaks hawser/1 without TLS 1.3, and that is for bare lines only");
    }
    return 0;
}

static int check_alpn(struct secure *secure, gnutls_alert_description_t *ret_alert)
{
    const struct tls_config *config = secure->config;

    if (strcmp(secure_alpn(secure), ALPN_SESSION) == 0 || strcmp(secure_alpn(secure), ALPN_SESSION_SCTP) == 0)
        return check_version(secure, ret_alert);
    if (!config->require_alpn || *secure_alpn(secure))
        return 0;
    *ret_alert = GNUTLS_A_NO_APPLICATION_PROTOCOL;
    return layer_fail(secure->layer, -HAWSER_ENOTSPOKEN, "the peer speaks TLS, but not %s", config->alpn[0]);
}

int secure_finish(struct secure *secure, gnutls_alert_description_t *ret_alert)
{
    int r;

    (void)verify(secure); /* a resumed session, or a peer that showed nothing: the callback did not run */
    r = secure_refusal(secure, ret_alert);
    if (r == 0)
        r = check_alpn(secure, ret_alert);
    if (r < 0)
        return r;
    r = note_peer(secure);
    if (r < 0) {
        *ret_alert = GNUTLS_A_INTERNAL_ERROR;
        return layer_fail(secure->layer, r, "cannot take the peer's key: %s", hawser_strerror(r));
    }
    /* One ticket, and only for a peer that was let in; every connection gives the next. */
    secure->early_open = true;
    if (secure->is_server && !secure->datagrams)
        gnutls_session_ticket_send(secure->session, 1, 0);
    secure_ticket_of_handshake(secure);
    secure_close_opening(secure);
    return 0;
}
