/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCTP over any layer of datagrams: dtls (RFC 8261), and udp alone for peers that speak RFC 6951. Units to who speaks hawser/1,
 * messages to others. AF_CONN has one address at each end: no multihoming, another path is another strand.
 */
#include "layer/sctp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------------------------- events */

/* All there is to tell is found here, after usrsctp's calls have returned. */
static unsigned look(struct sctp_layer *sctp)
{
    unsigned ready = 0;

    if (sctp->fates.failed)
        layer_fail(&sctp->layer, -ENOMEM, "no memory to follow what is under way");
    sctp_send_waiting(sctp);
    if (sctp->up && sctp->fates.first == sctp->fates.next && (sctp->fates.unsent || sctp->fates.under_way) &&
        sctp_dry(sctp))
        sctp_fates_dry(&sctp->fates);
    if (sctp_flush(sctp) == -EAGAIN && layer_error(&sctp->layer)->code == 0)
        ready = 0;
    if (!sctp->told || layer_error(&sctp->layer)->code || sctp->fates.told_count || sctp->ended ||
        (sctp->socket && usrsctp_get_events(sctp->socket) & (SCTP_EVENT_READ | SCTP_EVENT_ERROR)))
        ready |= LAYER_READABLE;
    if (!sctp->told || (sctp->wants_room && sctp_room(sctp)) || (sctp->shut && sctp_gone(sctp))) {
        sctp->wants_room = false;
        ready |= LAYER_WRITABLE;
    }
    return ready;
}

static void on_news(struct loop_deferred *deferred)
{
    struct sctp_layer *sctp = container_of(deferred, struct sctp_layer, news);
    unsigned ready;

    if (sctp->more)
        sctp_take_packets(sctp);
    ready = look(sctp);
    if (ready && sctp->layer.ready)
        sctp->layer.ready(&sctp->layer, ready);
}

static void on_ready(struct layer *below, unsigned ready)
{
    struct sctp_layer *sctp = sctp_of(below->above);

    if (!sctp->joined) { /* the layer below is not established */
        if (sctp->layer.ready)
            sctp->layer.ready(&sctp->layer, ready);
        return;
    }
    if (ready & LAYER_READABLE)
        sctp_take_packets(sctp);
    loop_defer(sctp->layer.context, &sctp->news);
}

/* An ICMP message may be anybody's: it ends what nobody has answered yet. Later SCTP finds out by itself, since it asks a
 * peer that is silent (RFC 9260 section 8.3), and its packets are no larger than what passes everywhere. */
static void on_error(void *above, int code, unsigned mtu)
{
    struct layer *layer = above;
    struct sctp_layer *sctp = sctp_of(layer);

    (void)mtu;
    if (code == -EMSGSIZE || !sctp->is_opener || sctp->heard)
        return;
    layer_fail(layer, code, "%s", code == -ECONNREFUSED ? "nobody listens at that port (ICMP)" : hawser_strerror(code));
    loop_defer(layer->context, &sctp->news);
}

static const struct udp_taker errors = {.error = on_error};

/* --------------------------------------------------------------------------------------------------- making */

static int make(hawser_context *context, bool is_opener, struct layer *below, struct layer **ret_layer)
{
    struct sctp_layer *sctp;

    if (!below || !(below->type->flags & LAYER_DATAGRAMS))
        return -EINVAL;
    sctp = calloc(1, sizeof *sctp);
    if (!sctp)
        return -ENOMEM;
    sctp->layer.type = &sctp_layer;
    sctp->layer.context = context;
    sctp->layer.below = below;
    sctp->is_opener = is_opener;
    list_init(&sctp->packets);
    loop_deferred_init(&sctp->news, on_news);
    below->ready = on_ready;
    if (below->type == &udp_layer)
        udp_take(below, &sctp->layer, &errors);
    *ret_layer = &sctp->layer;
    return 0;
}

static uint16_t port_of(const struct layer_address *address)
{
    const struct sockaddr_in *v4 = (const void *)&address->address;
    const struct sockaddr_in6 *v6 = (const void *)&address->address;

    return ntohs(address->address.ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
}

static int sctp_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                     struct layer **ret_layer)
{
    struct sctp_layer *sctp;
    int r = make(context, true, below, ret_layer);

    if (r < 0)
        return r;
    sctp = sctp_of(*ret_layer);
    if (layer_flags(below) & LAYER_SECURE)
        sctp->port = sctp->remote_port = SCTP_PORT;
    else
        sctp->remote_port = target->sctp_port ? target->sctp_port : port_of(&target->remote);
    return 0;
}

static int sctp_accept(hawser_context *context, const struct tls_config *config, int fd, struct layer *below,
                       struct layer **ret_layer)
{
    (void)config;
    (void)fd;
    return make(context, false, below, ret_layer);
}

static void sctp_destroy(struct layer *layer)
{
    struct sctp_layer *sctp = sctp_of(layer);

    if (sctp->joined) {
        sctp_engine_tick();
        sctp_socket_close(sctp);
        if (layer->below)
            (void)sctp_flush(sctp); /* the ABORT, where there is one */
        sctp_engine_part(sctp);
    }
    loop_undefer(&sctp->news);
    sctp_drop_packets(sctp);
    sctp_fates_free(&sctp->fates);
    for (size_t i = 0; i < SCTP_STREAMS; i++)
        free(sctp->lanes[i].data);
    sctp_free_pieces(sctp);
    free(sctp->waiting);
    free(sctp);
}

/* --------------------------------------------------------------------------------------------- establishing */

static int start(struct sctp_layer *sctp)
{
    size_t max = sctp->layer.below->type->datagram_max(sctp->layer.below);
    int r;

    if (max < SCTP_PACKET_MIN)
        return layer_fail(&sctp->layer, -EMSGSIZE, "datagrams of %zu bytes are too small for SCTP", max);
    sctp->packet_max = (uint16_t)((max < SCTP_PACKET_MAX ? max : SCTP_PACKET_MAX) & ~(size_t)3);
    r = sctp_engine_join(sctp);
    if (r < 0)
        return r;
    sctp_engine_tick();
    if (sctp->is_opener)
        r = sctp_begin(sctp);
    if (r == 0)
        sctp_take_packets(sctp); /* that came while the layer below was establishing */
    return r;
}

static int sctp_establish(struct layer *layer)
{
    struct sctp_layer *sctp = sctp_of(layer);
    struct sctp_piece piece;
    int r = layer_error(layer)->code;

    if (r < 0)
        return r;
    if (!layer->below->established && (r = layer_establish(layer->below)) != 0)
        return r;
    if (!sctp->joined && (r = start(sctp)) < 0)
        return r;
    if (!sctp->socket && (!sctp->listener || sctp_accepted(sctp) < 0))
        return layer_error(layer)->code < 0 ? layer_error(layer)->code : -EAGAIN;
    r = sctp_next(sctp, true, &piece);
    if (r == -ENODATA)
        return layer_fail(layer, -ECONNRESET, "the peer ended the association as it began");
    if (r < 0)
        return r;
    /* A cookie came back, or an answer: the peer receives at its address. */
    if (!sctp->is_opener && layer->below->type == &udp_layer && udp_port_of(layer->below))
        udp_port_proven(layer->below);
    sctp->told = true;
    loop_defer(layer->context, &sctp->news);
    return 0;
}

/* --------------------------------------------------------------------------------------------------- the rest */

/* SCTP has no half that stays open (RFC 9260 section 9.2): what is under way still comes, both ways, and then it is over.
 * The user keeps the layer until it is, since nobody else would send what is lost again. */
static int sctp_shutdown(struct layer *layer)
{
    struct sctp_layer *sctp = sctp_of(layer);
    int code = layer_error(layer)->code;

    if (code < 0)
        return code;
    sctp_engine_tick();
    if (!sctp->shut && !sctp->waiting) {
        sctp->shut = true;
        if (sctp->socket && usrsctp_shutdown(sctp->socket, SHUT_WR) < 0 && errno != ENOTCONN)
            return sctp_fail_code(sctp, errno, "shutting down");
    }
    code = sctp_flush(sctp);
    if (code < 0 && code != -EAGAIN)
        return code;
    return sctp->shut && sctp_gone(sctp) && list_empty(&sctp->packets) ? 0 : -EAGAIN;
}

static void sctp_link(struct layer *layer, struct layer_link *link)
{
    struct sctp_layer *sctp = sctp_of(layer);
    struct sctp_status status;

    if (!sctp_status(sctp, &status))
        return;
    link->rtt_us = (int64_t)status.sstat_primary.spinfo_srtt * 1000;
    link->congestion_window = status.sstat_primary.spinfo_cwnd;
    link->mtu = sctp->packet_max;
    link->unsent = (uint32_t)(sctp->fates.unsent + sctp->packets_size);
}

/* Without detach(): usrsctp is one context's, and so is what runs over it. */
const struct layer_type sctp_layer = {
    .name = "sctp",
    .flags = LAYER_DATAGRAMS | LAYER_RELIABLE | LAYER_UNITS | LAYER_LOSSY,
    .units = &sctp_units,
    .open = sctp_open,
    .accept = sctp_accept,
    .establish = sctp_establish,
    .send = sctp_send_message,
    .receive = sctp_receive_message,
    .datagram_max = sctp_message_max,
    .shutdown = sctp_shutdown,
    .flush = sctp_flush_layer,
    .link = sctp_link,
    .destroy = sctp_destroy,
};
