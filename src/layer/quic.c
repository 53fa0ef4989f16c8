/* SPDX-License-Identifier: Apache-2.0 */
/* QUIC by ngtcp2 over udp: the layer's table, and its place in the loop. */
#include "layer/quic.h"

#include <errno.h>
#include <stdlib.h>

#include <gnutls/crypto.h>

#include "layer/quic_streams.h"

/* ------------------------------------------------------------------------------------------------------------ the loop */

void quic_tell(struct quic_layer *quic, unsigned ready)
{
    quic->ready |= ready;
    if (quic->layer.context)
        loop_defer(quic->layer.context, &quic->told);
}

void quic_later(struct quic_layer *quic)
{
    if (quic->layer.context)
        loop_defer(quic->layer.context, &quic->written);
}

/* The user's work for this round is put off behind this, and what it sends takes our acknowledgements along. */
static void run_told(struct loop_deferred *deferred)
{
    struct quic_layer *quic = container_of(deferred, struct quic_layer, told);
    unsigned ready = quic->ready;

    quic->ready = 0;
    if (ready & LAYER_WRITABLE)
        quic->out.told_full = false;
    if (ready && quic->layer.ready)
        quic->layer.ready(&quic->layer, ready); /* the last we do, since it may destroy us */
}

static void run_written(struct loop_deferred *deferred)
{
    struct quic_layer *quic = container_of(deferred, struct quic_layer, written);
    int r = quic_write(quic);

    if (r < 0 && r != -EAGAIN)
        quic_tell(quic, LAYER_READABLE);
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    (void)now;
    quic_expire(container_of(timer, struct quic_layer, timer));
}

/* -------------------------------------------------------------------------------------------------------------- making */

static size_t parameters_for_ticket(const struct secure *secure, uint8_t *buffer, size_t capacity)
{
    const struct quic_layer *quic = quic_of(secure->layer);
    ngtcp2_ssize size = quic_conn_encode_remote_parameters(quic->conn, buffer, capacity);

    return size > 0 ? (size_t)size : 0;
}

static size_t token_for_ticket(const struct secure *secure, uint8_t *buffer, size_t capacity)
{
    const struct quic_layer *quic = quic_of(secure->layer);

    if (quic->token_size == 0 || quic->token_size > capacity)
        return 0;
    memcpy(buffer, quic->token, quic->token_size);
    return quic->token_size;
}

static const struct secure_quic secure_quic = {parameters_for_ticket, token_for_ticket};

static void quic_free(struct quic_layer *quic)
{
    if (quic->refused) {
        free(quic->refused->data);
        free(quic->refused);
    }
    if (quic->conn)
        ngtcp2_conn_del(quic->conn);
    quic_units_free(quic);
    quic_streams_free(quic);
    quic_inbound_free(quic);
    secure_free(&quic->secure);
    free(quic->token);
    gnutls_memset(quic->secret, 0, sizeof quic->secret);
    gnutls_memset(quic->reset_secret, 0, sizeof quic->reset_secret);
    free(quic);
}

int quic_make(hawser_context *context, const struct tls_config *config, bool is_server, const struct quic_wire *wire,
              struct quic_layer **ret_quic)
{
    struct quic_layer *quic;
    int r;

    if (!config)
        return -EINVAL;
    quic = calloc(1, sizeof *quic);
    if (!quic)
        return -ENOMEM;
    quic->layer.type = &quic_layer;
    quic->layer.context = context;
    quic->wire = wire;
    loop_timer_init(&quic->timer, on_timer);
    loop_deferred_init(&quic->told, run_told);
    loop_deferred_init(&quic->written, run_written);
    quic_units_init(quic);
    quic_inbound_init(quic);
    r = secure_make(&quic->secure, &quic->layer, config, is_server, &secure_quic);
    if (r == 0 && (gnutls_rnd(GNUTLS_RND_KEY, quic->secret, sizeof quic->secret) < 0 ||
                   gnutls_rnd(GNUTLS_RND_KEY, quic->reset_secret, sizeof quic->reset_secret) < 0))
        r = -EIO;
    if (r < 0) {
        quic_free(quic);
        return r;
    }
    *ret_quic = quic;
    return 0;
}

/* --------------------------------------------------------------------------------------------------- above a udp layer */

static int64_t udp_now(struct quic_layer *quic)
{
    (void)quic;
    return loop_clock();
}

static int udp_out(struct quic_layer *quic, const struct udp_out *out)
{
    return udp_send(quic->layer.below, out);
}

static void udp_arm(struct quic_layer *quic, int64_t due)
{
    if (!quic->layer.context)
        return;
    if (due == INT64_MAX)
        loop_timer_clear(quic->layer.context, &quic->timer);
    else if (loop_timer_set(quic->layer.context, &quic->timer, due) < 0)
        layer_fail(&quic->layer, -ENOMEM, "out of memory");
}

static void udp_moved(struct quic_layer *quic, const ngtcp2_path *path)
{
    struct layer_address remote = {.size = path->remote.addrlen};

    memcpy(&remote.address, path->remote.addr, path->remote.addrlen);
    udp_set_remote(quic->layer.below, &remote);
}

static int udp_another(struct quic_layer *quic, const struct layer_address *local, const char *interface,
                       struct layer_address *ret_local)
{
    const struct layer_address *made = NULL, *at;
    int r = udp_add_local(quic->layer.below, local, interface);

    for (unsigned i = 0; r == 0 && (at = udp_local_of(quic->layer.below, i)); i++)
        made = at;
    if (made)
        *ret_local = *made;
    return r == 0 && !made ? -EADDRNOTAVAIL : r;
}

static void udp_keep(struct quic_layer *quic, const struct layer_address *local)
{
    udp_keep_local(quic->layer.below, local);
}

static int port_add_id(struct quic_layer *quic, const uint8_t *id, size_t size)
{
    int r = udp_port_add_id(quic->layer.below, id, size);

    return r == -EEXIST ? 0 : r; /* a client may ask twice for the one that it chose */
}

static void port_remove_id(struct quic_layer *quic, const uint8_t *id, size_t size)
{
    udp_port_remove_id(quic->layer.below, id, size);
}

static void port_proven(struct quic_layer *quic)
{
    udp_port_proven(quic->layer.below);
}

static const struct quic_wire udp_wire = {
    .now = udp_now,
    .send = udp_out,
    .arm = udp_arm,
    .moved = udp_moved,
    .add_local = udp_another,
    .keep_local = udp_keep,
};

static const struct quic_wire port_wire = {
    .now = udp_now,
    .send = udp_out,
    .arm = udp_arm,
    .moved = udp_moved,
    .add_id = port_add_id,
    .remove_id = port_remove_id,
    .proven = port_proven,
};

static void on_packet(void *above, struct udp_packet *packet)
{
    quic_receive_packet(quic_of(above), packet);
}

static void on_batch_end(void *above)
{
    quic_batch_end(quic_of(above));
}

/* Errors that anybody can forge decide nothing once somebody is there: a client that heard nothing yet is spared the wait, and
 * who is still to be found elsewhere is tried there (RFC 9000 section 14.2). */
static void on_error(void *above, int code, unsigned mtu)
{
    struct quic_layer *quic = quic_of(above);

    (void)mtu; /* packets are as large as was probed, and smaller ones pass */
    if (quic->secure.is_server || quic->bytes_received > 0 || code == -EMSGSIZE)
        return;
    if (code == -ECONNREFUSED)
        layer_fail(above, code, "connect: nobody listens there");
    else
        layer_fail(above, code, "connect: %s", hawser_strerror(code));
    quic_tell(quic, LAYER_READABLE | LAYER_WRITABLE);
}

static void on_left(void *above, uint64_t number, int64_t at)
{
    departures_left(quic_of(above)->out.departures, number, at);
}

static const struct udp_taker taker = {
    .packet = on_packet, .batch_end = on_batch_end, .error = on_error, .left = on_left};

static void take_packets(struct quic_layer *quic)
{
    struct layer *below = quic->layer.below;

    if (udp_is_stamped(below) && !quic->out.departures)
        quic->out.departures = departures_new();
    udp_take(below, &quic->layer, &taker);
}

static void on_below_ready(struct layer *below, unsigned ready)
{
    struct quic_layer *quic = quic_of(below->above);

    if (quic->conn)
        quic_later(quic);
    else
        quic_tell(quic, ready);
}

static int make_above(hawser_context *context, const struct tls_config *config, bool is_server, struct layer *below,
                      struct layer **ret_layer)
{
    struct quic_layer *quic;
    int r;

    if (!below || below->type != &udp_layer)
        return -EINVAL;
    r = quic_make(context, config, is_server, is_server ? &port_wire : &udp_wire, &quic);
    if (r < 0)
        return r;
    quic->layer.below = below;
    below->above = &quic->layer;
    below->ready = on_below_ready;
    if (is_server && udp_port_of(below))
        quic_secret_set(quic, udp_port_secret(udp_port_of(below)), udp_port_reset_secret(udp_port_of(below)));
    if (is_server)
        take_packets(quic);
    *ret_layer = &quic->layer;
    return 0;
}

static int layer_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                      struct layer **ret_layer)
{
    int r = make_above(context, target->tls, false, below, ret_layer);

    if (r == 0)
        quic_of(*ret_layer)->first_rtt = target->rtt_us;
    return r;
}

static int layer_accept(hawser_context *context, const struct tls_config *config, int fd, struct layer *below,
                        struct layer **ret_layer)
{
    (void)fd;
    return make_above(context, config, true, below, ret_layer);
}

/* ------------------------------------------------------------------------------------------------------- establishing */

static int begin(struct quic_layer *quic)
{
    struct layer *below = quic->layer.below;
    int r = layer_establish(below);

    if (r < 0)
        return r;
    take_packets(quic);
    r = quic_begin_client(quic, udp_local(below), udp_remote(below));
    if (r < 0)
        return layer_fail(&quic->layer, r, "cannot begin: %s", hawser_strerror(r));
    r = quic_write(quic);
    return r == -EAGAIN ? 0 : r;
}

static int layer_establish_quic(struct layer *layer)
{
    struct quic_layer *quic = quic_of(layer);
    int code = layer_error(layer)->code;

    if (code == 0 && !quic->conn && !quic->secure.is_server)
        code = begin(quic);
    if (code < 0)
        return code;
    if (quic->ended)
        return layer_fail(layer, -HAWSER_ETLS, "the peer closed the line during the handshake");
    return quic->completed ? 0 : -EAGAIN;
}

/* -------------------------------------------------------------------------------------------------------------- ending */

static bool all_settled(const struct quic_layer *quic)
{
    return quic->streams ? quic_streams_settled(quic) : quic_units_settled(quic);
}

/* Closing ends both directions at once, so it waits until what we sent has come. */
static int layer_shutdown(struct layer *layer)
{
    struct quic_layer *quic = quic_of(layer);
    quic_ccerr error;

    if (layer_error(layer)->code < 0)
        return layer_error(layer)->code;
    if (quic->closed || quic->ended)
        return 0;
    if (!all_settled(quic))
        return quic_write(quic), -EAGAIN;
    quic->shutting = true;
    quic_ccerr_default(&error);
    quic_ccerr_application(&error, quic->speaks_hawser || !quic->completed ? 0 : QUIC_H3_NO_ERROR, NULL, 0);
    quic_close(quic, &error);
    quic->ended = true;
    return 0;
}

/* What UDP does not say, one packet does: the peer need not wait for a line that is gone. */
static void layer_destroy_quic(struct layer *layer)
{
    struct quic_layer *quic = quic_of(layer);
    quic_ccerr error;

    if (layer->context) {
        if (quic->conn && !quic->closed && !quic->ended && !layer->error) {
            quic_ccerr_default(&error);
            quic_ccerr_application(&error, QUIC_GONE, NULL, 0);
            quic_close(quic, &error);
        }
        quic->wire->arm(quic, INT64_MAX);
        loop_undefer(&quic->told);
        loop_undefer(&quic->written);
    }
    quic_free(quic);
}

/* ------------------------------------------------------------------------------------------------------------ the rest */

static size_t layer_early_room(struct layer *layer)
{
    const struct quic_layer *quic = quic_of(layer);

    return !quic->secure.is_server && quic->secure.opening ? quic->secure.opening->early_room : 0;
}

static void layer_link_quic(struct layer *layer, struct layer_link *link)
{
    struct quic_layer *quic = quic_of(layer);
    uint64_t rtt, min_rtt, cwnd, rate;
    double pacing;

    if (!layer->below) { /* else that counts them */
        link->bytes_sent = quic->bytes_sent;
        link->bytes_received = quic->bytes_received;
    }
    link->packets_sent = quic->packets_sent;
    link->packets_lost = quic->packets_lost;
    if (!quic->conn)
        return;
    quic_conn_numbers(quic->conn, &rtt, &min_rtt, &cwnd, &rate, &pacing);
    link->rtt_us = (int64_t)(rtt / 1000);
    link->min_rtt_us = min_rtt == UINT64_MAX ? 0 : (int64_t)(min_rtt / 1000);
    link->congestion_window = cwnd;
    link->in_flight = quic_conn_in_flight(quic->conn);
    link->delivery_rate = rate;
    link->mtu = (uint32_t)ngtcp2_conn_get_path_max_tx_udp_payload_size(quic->conn);
}

static void layer_peer_quic(struct layer *layer, struct layer_peer *peer)
{
    const struct quic_layer *quic = quic_of(layer);

    secure_peer_tell(&quic->secure, peer);
    if (!quic->completed) {
        peer->early_accepted = quic->secure.is_server && quic->secure.early_open;
        return;
    }
    peer->resumed = gnutls_session_is_resumed(quic->secure.session);
    peer->early_accepted = (quic->secure.is_server || quic->early_sent) && !quic->early_lost &&
                           (gnutls_session_get_flags(quic->secure.session) & GNUTLS_SFLAGS_EARLY_DATA);
    if (!quic->secure.is_server && !peer->early_accepted)
        peer->round_trips++;
}

static int layer_export_key(struct layer *layer, const char *label, uint8_t *key, size_t size)
{
    struct quic_layer *quic = quic_of(layer);

    if (!quic->completed)
        return -ENOTCONN;
    return gnutls_prf_rfc5705(quic->secure.session, strlen(label), label, 0, NULL, size, (char *)key) < 0 ? -EINVAL : 0;
}

/* Keys change in both directions, and not again before the peer has followed (RFC 9001 section 6.1): until it has, it is
 * kept in mind. */
static int layer_rekey(struct layer *layer)
{
    struct quic_layer *quic = quic_of(layer);
    int code = layer_error(layer)->code;

    if (code < 0)
        return code;
    if (!quic->completed)
        return -ENOTCONN;
    quic->rekey_wanted = true;
    quic_later(quic);
    return 0;
}

static void layer_detach(struct layer *layer)
{
    struct quic_layer *quic = quic_of(layer);

    quic->wire->arm(quic, INT64_MAX);
    if (quic->wire == &port_wire) /* it has a socket of its own by now, and no port is to know its ids */
        quic->wire = &udp_wire;
    loop_undefer(&quic->told);
    loop_undefer(&quic->written);
    layer->below->type->detach(layer->below);
    layer->context = NULL;
}

static int layer_attach(struct layer *layer, hawser_context *context)
{
    int r = layer->below->type->attach(layer->below, context);

    if (r < 0)
        return r;
    layer->context = context;
    quic_later(quic_of(layer)); /* arms the timer, too */
    return 0;
}

static void layer_adopt_quic(struct layer *layer, const struct tls_config *tls)
{
    secure_adopt(&quic_of(layer)->secure, tls);
}

const struct layer_type quic_layer = {
    .name = "quic",
    .flags = LAYER_SECURE | LAYER_EARLY_DATA | LAYER_UNITS | LAYER_LOSSY | LAYER_STREAMS | LAYER_MIGRATES |
             LAYER_HIDES_IDS | LAYER_HIDES_PEERS,
    .units = &quic_units,
    .streams = &quic_streams_table,
    .open = layer_open,
    .accept = layer_accept,
    .establish = layer_establish_quic,
    .early_room = layer_early_room,
    .shutdown = layer_shutdown,
    .link = layer_link_quic,
    .peer = layer_peer_quic,
    .export_key = layer_export_key,
    .rekey = layer_rekey,
    .migrate = quic_migrate,
    .detach = layer_detach,
    .attach = layer_attach,
    .adopt = layer_adopt_quic,
    .destroy = layer_destroy_quic,
};
