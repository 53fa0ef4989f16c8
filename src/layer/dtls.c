/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS 1.2 (RFC 6347) by GnuTLS over a layer of datagrams. To a peer of another protocol each datagram is a message; once
 * ALPN chose hawser/1 they carry units (dtls_units.c). An address that changes is not followed: this GnuTLS has no
 * connection ids (RFC 9146).
 */
#include "layer/dtls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------------------------- making */

static void on_ready(struct layer *below, unsigned ready)
{
    struct dtls_layer *dtls = dtls_of(below->above);
    int r;

    if (ready & LAYER_WRITABLE && !list_empty(&dtls->out)) {
        r = dtls_flush(dtls);
        if (r < 0)
            ready &= ~(unsigned)LAYER_WRITABLE;
        if (r < 0 && r != -EAGAIN)
            ready |= LAYER_READABLE; /* to find out that it is dead */
    }
    if (ready)
        dtls_tell(dtls, ready);
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    struct dtls_layer *dtls = container_of(timer, struct dtls_layer, timer);

    (void)now;
    dtls->due = NUMBERED_NEVER;
    if (dtls->secure.opening)
        dtls_tell(dtls, LAYER_READABLE); /* GnuTLS knows what to send again */
    else if (dtls->numbered)
        dtls_units_due(dtls);
}

/* An ICMP message can be written by anybody: it ends what nobody has answered yet. Later it lowers sizes, to what passes
 * everywhere at least, and makes us ask whether the peer is still there. */
static void on_error(void *above, int code, unsigned mtu)
{
    struct layer *layer = above;
    struct dtls_layer *dtls = dtls_of(layer);

    (void)mtu;
    if (code == -EMSGSIZE) {
        dtls_find_sizes(dtls);
        return;
    }
    if (dtls->numbered)
        dtls_units_doubt(dtls);
    if (!dtls->secure.opening || dtls->secure.is_server || dtls->answered)
        return;
    layer_fail(layer, code, "connect: %s%s", hawser_strerror(code),
               code == -ECONNREFUSED ? " (ICMP: nobody listens at that port)" : "");
    dtls_tell(dtls, LAYER_READABLE);
}

static void on_left(void *above, uint64_t number, int64_t at)
{
    departures_left(dtls_of(above)->departures, number, at);
}

static const struct udp_taker taker = {.error = on_error, .left = on_left};

static void dtls_destroy(struct layer *layer)
{
    struct dtls_layer *dtls = dtls_of(layer);

    secure_free(&dtls->secure);
    if (layer->context)
        loop_timer_clear(layer->context, &dtls->timer);
    numbered_free(dtls->numbered);
    departures_free(dtls->departures);
    dtls_free_io(dtls);
    free(dtls);
}

static int make(hawser_context *context, const struct tls_config *config, bool is_server, struct layer *below,
                struct layer **ret_layer)
{
    struct dtls_layer *dtls;
    int r;

    if (!config || !below || !(below->type->flags & LAYER_DATAGRAMS))
        return -EINVAL;
    dtls = calloc(1, sizeof *dtls);
    if (!dtls)
        return -ENOMEM;
    dtls->layer.type = &dtls_layer;
    dtls->layer.context = context;
    dtls->layer.below = below;
    dtls->due = NUMBERED_NEVER;
    list_init(&dtls->out);
    loop_timer_init(&dtls->timer, on_timer);
    r = secure_make_datagrams(&dtls->secure, &dtls->layer, config, is_server);
    if (r < 0) {
        dtls_destroy(&dtls->layer);
        return r;
    }
    dtls_set_io(dtls);
    below->ready = on_ready;
    if (below->type == &udp_layer)
        udp_take(below, &dtls->layer, &taker);
    *ret_layer = &dtls->layer;
    return 0;
}

static int dtls_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                     struct layer **ret_layer)
{
    return make(context, target->tls, false, below, ret_layer);
}

static int dtls_accept(hawser_context *context, const struct tls_config *config, int fd, struct layer *below,
                       struct layer **ret_layer)
{
    (void)fd;
    return make(context, config, true, below, ret_layer);
}

/* ---------------------------------------------------------------------------------------------- datagrams as messages */

static size_t dtls_datagram_max(struct layer *layer)
{
    struct dtls_layer *dtls = dtls_of(layer);

    return dtls->secure.opening ? 0 : dtls->full;
}

static ssize_t dtls_send(struct layer *layer, const void *data, size_t size)
{
    struct dtls_layer *dtls = dtls_of(layer);
    int code = layer_error(layer)->code;

    if (code < 0)
        return code;
    if (dtls->secure.opening)
        return -EAGAIN;
    if (size == 0 || size > dtls->full) /* GnuTLS sends no empty record */
        return -EMSGSIZE;
    code = dtls_flush(dtls);
    if (code == 0)
        code = dtls_write(dtls, data, size);
    return code < 0 ? code : (ssize_t)size;
}

static ssize_t dtls_receive(struct layer *layer, void *buffer, size_t size)
{
    struct dtls_layer *dtls = dtls_of(layer);
    ssize_t n;

    if (dtls->secure.opening && layer_error(layer)->code == 0)
        return -EAGAIN;
    n = dtls_read(dtls);
    if (n <= 0) {
        dtls_done_reading(dtls);
        return n == 0 ? -ENODATA : n; /* the peer's goodbye: no record that came is empty */
    }
    if (size > (size_t)n)
        size = (size_t)n;
    memcpy(buffer, dtls->in, size);
    return (ssize_t)size;
}

/* ---------------------------------------------------------------------------------------------------------- the rest */

/* A datagram that says so may be lost, as any: whoever goes on sending hears it again (dtls_io.c). */
static int dtls_shutdown(struct layer *layer)
{
    struct dtls_layer *dtls = dtls_of(layer);
    int code = layer_error(layer)->code;

    if (code < 0)
        return code;
    if (!dtls->secure.opening && !dtls->said_bye) {
        if (dtls->numbered)
            dtls_units_serve(dtls);
        dtls->said_bye = true;
        gnutls_alert_send(dtls->secure.session, GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY);
    }
    code = dtls_flush(dtls);
    return code < 0 || !layer->below->type->shutdown ? code : layer->below->type->shutdown(layer->below);
}

/* A round trip for the cookie, one for the keys, and, unless the session is resumed, one for the peer's last word. */
static void dtls_peer(struct layer *layer, struct layer_peer *peer)
{
    const struct dtls_layer *dtls = dtls_of(layer);

    secure_peer_tell(&dtls->secure, peer);
    if (dtls->secure.opening)
        return;
    peer->resumed = gnutls_session_is_resumed(dtls->secure.session);
    if (!dtls->secure.is_server)
        peer->round_trips += peer->resumed ? 2 : 3;
}

static void dtls_link(struct layer *layer, struct layer_link *link)
{
    const struct dtls_layer *dtls = dtls_of(layer);
    const struct numbered_counts *counts;
    const struct tfrc_rate *rate;

    if (!dtls->numbered) {
        link->rtt_us = dtls->rtt;
        return;
    }
    counts = numbered_counts(dtls->numbered);
    rate = numbered_rate(dtls->numbered);
    numbered_rtt(dtls->numbered, &link->rtt_us, &link->min_rtt_us);
    link->delivery_rate = (uint64_t)rate->allowed;
    link->packets_sent = counts->sent;
    link->packets_lost = counts->lost;
    link->congestion_window = (uint64_t)(rate->allowed * rate->rtt);
    link->mtu = (unsigned)numbered_datagram_max(dtls->numbered);
}

static int dtls_export_key(struct layer *layer, const char *label, uint8_t *key, size_t size)
{
    struct dtls_layer *dtls = dtls_of(layer);

    if (dtls->secure.opening)
        return -ENOTCONN;
    return gnutls_prf_rfc5705(dtls->secure.session, strlen(label), label, 0, NULL, size, (char *)key) < 0 ? -EINVAL : 0;
}

static void dtls_detach(struct layer *layer)
{
    struct dtls_layer *dtls = dtls_of(layer);

    loop_timer_clear(layer->context, &dtls->timer);
    layer->below->type->detach(layer->below);
    layer->context = NULL;
}

static int dtls_attach(struct layer *layer, hawser_context *context)
{
    struct dtls_layer *dtls = dtls_of(layer);
    int r = layer->below->type->attach(layer->below, context);

    if (r < 0)
        return r;
    layer->context = context;
    dtls->due = NUMBERED_NEVER;
    dtls_arm(dtls, loop_now(context)); /* whatever was due meanwhile */
    return 0;
}

static void dtls_adopt(struct layer *layer, const struct tls_config *tls)
{
    secure_adopt(&dtls_of(layer)->secure, tls);
}

const struct layer_type dtls_layer = {
    .name = "dtls",
    .flags = LAYER_SECURE | LAYER_DATAGRAMS | LAYER_UNITS | LAYER_LOSSY | LAYER_HIDES_IDS,
    .units = &dtls_units,
    .open = dtls_open,
    .accept = dtls_accept,
    .establish = dtls_establish,
    .send = dtls_send,
    .receive = dtls_receive,
    .datagram_max = dtls_datagram_max,
    .shutdown = dtls_shutdown,
    .link = dtls_link,
    .peer = dtls_peer,
    .export_key = dtls_export_key,
    .detach = dtls_detach,
    .attach = dtls_attach,
    .adopt = dtls_adopt,
    .destroy = dtls_destroy,
};
