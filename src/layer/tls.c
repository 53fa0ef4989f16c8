/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by GnuTLS over any layer that carries bytes. */
#include "layer/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/socket.h"

#define SILENT_RECORDS_MAX 64

/* --------------------------------------------------------------------------------------------------- making */

static void on_ready(struct layer *below, unsigned ready)
{
    struct tls_layer *tls = tls_of(below->above);

    /* What waits here goes first; the user is told when there is room for more. */
    if ((ready & LAYER_WRITABLE) && tls->out && !tls->secure.opening) {
        int r = tls_flush(tls);
        if (r < 0)
            ready &= ~(unsigned)LAYER_WRITABLE;
        if (r < 0 && r != -EAGAIN)
            ready |= LAYER_READABLE; /* to find out that it is dead */
    }
    if (ready && tls->layer.ready)
        tls->layer.ready(&tls->layer, ready);
}

static void tls_destroy(struct layer *layer)
{
    struct tls_layer *tls = tls_of(layer);

    secure_free(&tls->secure);
    tls_free_io(tls);
    free(tls);
}

static int make(hawser_context *context, const struct tls_config *config, bool is_server, struct layer *below,
                struct layer **ret_layer)
{
    struct tls_layer *tls = config && below ? calloc(1, sizeof *tls) : NULL;
    int r;

    if (!config || !below || !below->type->sendv || !below->type->receivev)
        return -EINVAL;
    if (!tls)
        return -ENOMEM;
    tls->layer.type = &tls_layer;
    tls->layer.context = context;
    tls->layer.below = below;
    r = secure_make(&tls->secure, &tls->layer, config, is_server, NULL);
    if (r < 0) {
        tls_destroy(&tls->layer);
        return r;
    }
    tls_set_io(tls);
    below->ready = on_ready;
    *ret_layer = &tls->layer;
    return 0;
}

static int tls_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                    struct layer **ret_layer)
{
    return make(context, target->tls, false, below, ret_layer);
}

static int tls_accept(hawser_context *context, const struct tls_config *config, int fd, struct layer *below,
                      struct layer **ret_layer)
{
    (void)fd;
    return make(context, config, true, below, ret_layer);
}

/* --------------------------------------------------------------------------------------------------- sending */

static size_t tls_early_room(struct layer *layer)
{
    struct tls_layer *tls = tls_of(layer);

    return tls->secure.opening && !tls->secure.opening->started ? tls->secure.opening->early_room : 0;
}

static ssize_t send_early(struct tls_layer *tls, const void *data, size_t size)
{
    size_t room = tls_early_room(&tls->layer);

    if (room == 0)
        return -EAGAIN;
    if (size > room)
        size = room;
    if (gnutls_record_send_early_data(tls->secure.session, data, size) < 0)
        return -EAGAIN;
    tls->secure.opening->early_room -= size;
    tls->early_sent = true;
    return (ssize_t)size;
}

static ssize_t tls_send(struct layer *layer, const void *data, size_t size)
{
    struct tls_layer *tls = tls_of(layer);
    const uint8_t *at = data;
    size_t taken = 0;
    int code = layer_error(layer)->code;

    if (code < 0)
        return code;
    /* A server could write here, half a round trip early, but GnuTLS would use the wrong keys (libraries.md, 1b). */
    if (tls->secure.opening)
        return send_early(tls, data, size);
    if (tls->out && !tls->late_waits && (code = tls_flush(tls)) < 0)
        return code;
    while (taken < size && (!tls->out || tls->late_waits)) {
        size_t slice = size - taken < TLS_RECORD ? size - taken : TLS_RECORD;
        ssize_t n = gnutls_record_send(tls->secure.session, at + taken, slice);
        if (n > 0)
            taken += (size_t)n;
        else if (n != GNUTLS_E_INTERRUPTED)
            return taken > 0 ? (ssize_t)taken : tls_fail(tls, n);
        if (tls->late_waits && (code = tls_flush(tls)) < 0 && code != -EAGAIN)
            return code;
    }
    return (ssize_t)taken;
}

/* ------------------------------------------------------------------------------------------------- receiving */

static ssize_t tls_receive(struct layer *layer, void *buffer, size_t size)
{
    struct tls_layer *tls = tls_of(layer);
    int code = layer_error(layer)->code, silent = 0;
    ssize_t n;

    if (code < 0)
        return code;
    if (tls->early || tls->secure.opening) {
        n = tls_receive_early(tls, buffer, size);
        if (n > 0 || tls->secure.opening)
            return n;
    }
    do {
        tls->starved = false;
        n = gnutls_record_recv(tls->secure.session, buffer, size);
        if (n >= 0)
            return n;
        if (n == GNUTLS_E_REHANDSHAKE) { /* TLS 1.2 alone: it may be declined (RFC 5246 section 7.4.1.1) */
            gnutls_alert_send(tls->secure.session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
            tls->declined = true;
            n = GNUTLS_E_INTERRUPTED;
        }
    } while (tls_retry(tls, n) && ++silent < SILENT_RECORDS_MAX);
    if (silent == SILENT_RECORDS_MAX)
        return layer_fail(layer, -HAWSER_ETLS, "the peer sends records that carry nothing");
    return n == GNUTLS_E_AGAIN ? -EAGAIN : tls_fail(tls, n);
}

static int tls_shutdown(struct layer *layer)
{
    struct tls_layer *tls = tls_of(layer);
    int code = layer_error(layer)->code, r;

    if (code < 0)
        return code;
    if (!tls->secure.opening && !tls->said_bye) {
        tls->said_bye = true;
        r = gnutls_bye(tls->secure.session, GNUTLS_SHUT_WR);
        if (r < 0)
            return tls_fail(tls, r);
    }
    r = tls_flush(tls);
    return r < 0 ? r : layer->below->type->shutdown(layer->below);
}

/* ------------------------------------------------------------------------------------------------- the rest */

static void tls_peer(struct layer *layer, struct layer_peer *peer)
{
    const struct tls_layer *tls = tls_of(layer);
    unsigned flags = gnutls_session_get_flags(tls->secure.session);

    secure_peer_tell(&tls->secure, peer);
    if (!tls->secure.opening) {
        peer->resumed = gnutls_session_is_resumed(tls->secure.session);
        peer->early_accepted = (tls->secure.is_server || tls->early_sent) && (flags & GNUTLS_SFLAGS_EARLY_DATA);
        if (!tls->secure.is_server && !peer->early_accepted)
            peer->round_trips++;
    }
}

static int tls_export_key(struct layer *layer, const char *label, uint8_t *key, size_t size)
{
    struct tls_layer *tls = tls_of(layer);

    if (tls->secure.opening)
        return -ENOTCONN;
    return gnutls_prf_rfc5705(tls->secure.session, strlen(label), label, 0, NULL, size, (char *)key) < 0 ? -EINVAL : 0;
}

static int tls_rekey(struct layer *layer)
{
    struct tls_layer *tls = tls_of(layer);
    int r;

    if (tls->secure.opening)
        return -ENOTCONN;
    r = tls_flush(tls);
    if (r < 0)
        return r;
    r = gnutls_session_key_update(tls->secure.session, 0);
    return r < 0 ? tls_fail(tls, r) : 0;
}

static void tls_detach(struct layer *layer)
{
    struct tls_layer *tls = tls_of(layer);

    if (tls->late_waits)
        (void)tls_flush(tls); /* the rest when attach() tells that there is room */
    layer->below->type->detach(layer->below);
    layer->context = NULL;
}

static int tls_attach(struct layer *layer, hawser_context *context)
{
    int r = layer->below->type->attach(layer->below, context);

    if (r == 0)
        layer->context = context;
    return r;
}

static void tls_adopt(struct layer *layer, const struct tls_config *tls)
{
    secure_adopt(&tls_of(layer)->secure, tls);
}

const struct layer_type tls_layer = {
    .name = "tls",
    .flags = LAYER_BYTES | LAYER_SECURE | LAYER_EARLY_DATA | LAYER_HIDES_IDS | LAYER_HIDES_PEERS,
    .open = tls_open,
    .accept = tls_accept,
    .establish = tls_establish,
    .send = tls_send,
    .receive = tls_receive,
    .early_room = tls_early_room,
    .shutdown = tls_shutdown,
    .peer = tls_peer,
    .export_key = tls_export_key,
    .rekey = tls_rekey,
    .detach = tls_detach,
    .attach = tls_attach,
    .adopt = tls_adopt,
    .destroy = tls_destroy,
};
