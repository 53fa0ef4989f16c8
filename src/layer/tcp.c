/* SPDX-License-Identifier: Apache-2.0 */
/* TCP. What the kernel holds unsent is kept short, so that what is urgent need not wait behind it (DESIGN, rule 2). */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

#include "layer/socket.h"

#define LOWAT_START (128u << 10)
#define LOWAT_MIN (32u << 10)
#define LOWAT_MAX (16u << 20)
#define LOWAT_AFTER_BYTES (256u << 10)
#define LOWAT_AFTER_TIME 10000 /* microseconds */

static bool tcp_info_of(const struct socket_layer *socket, struct tcp_info *ret_info)
{
    socklen_t size = sizeof *ret_info;

    memset(ret_info, 0, sizeof *ret_info);
    return getsockopt(socket->io.fd, IPPROTO_TCP, TCP_INFO, ret_info, &size) == 0;
}

static void set_lowat(struct socket_layer *socket, uint32_t lowat)
{
    if (setsockopt(socket->io.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat) == 0)
        socket->lowat = lowat;
}

/* About a millisecond of what the path delivers. A change below a quarter is not worth the call. */
static void review_lowat(struct socket_layer *socket)
{
    int64_t now = loop_now(socket->layer.context);
    struct tcp_info info;
    uint64_t wanted;

    socket->since_lowat = 0;
    if (now - socket->lowat_at < LOWAT_AFTER_TIME)
        return;
    socket->lowat_at = now;
    if (!tcp_info_of(socket, &info) || info.tcpi_delivery_rate == 0)
        return;
    wanted = info.tcpi_delivery_rate / 1000;
    wanted = wanted < LOWAT_MIN ? LOWAT_MIN : wanted > LOWAT_MAX ? LOWAT_MAX : wanted;
    /* What a program did not ask for says nothing of what the path could carry, and one subflow little of the others. */
    if (wanted < socket->lowat &&
        (info.tcpi_delivery_rate_app_limited || (socket->layer.type->flags & LAYER_MULTIPATH)))
        return;
    if (wanted > socket->lowat + socket->lowat / 4 || wanted < socket->lowat - socket->lowat / 4)
        set_lowat(socket, (uint32_t)wanted);
}

ssize_t tcp_sendv(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    struct socket_layer *socket = socket_of(layer);
    ssize_t n = socket_sendv(layer, pieces, count);

    if (n > 0 && socket->lowat && (socket->since_lowat += (uint32_t)n) >= LOWAT_AFTER_BYTES)
        review_lowat(socket);
    return n;
}

static bool carries_records(const struct layer *layer)
{
    while ((layer = layer->above))
        if (layer->type->flags & LAYER_SECURE)
            return true;
    return false;
}

/*
 * What is above hands over whole records, and a queue that knows what is urgent. A program that has the bare
 * connection gets a socket as the system makes it: the ladder's level 0 (docs/architecture.md).
 */
int tcp_establish(struct layer *layer)
{
    struct socket_layer *socket = socket_of(layer);
    const int on = 1;
    int r = socket_establish(layer);

    if (r < 0 || socket->tuned)
        return r;
    socket->tuned = true;
    if (carries_records(layer)) {
        setsockopt(socket->io.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        set_lowat(socket, LOWAT_START);
    }
    return 0;
}

int tcp_open_as(const struct layer_type *type, int protocol, hawser_context *context, const struct layer_target *target,
                struct layer **ret_layer)
{
    int family = target->remote.address.ss_family, r;
    struct socket_layer *socket;
    const int on = 1;

    if (family != AF_INET && family != AF_INET6)
        return -EINVAL;
    r = socket_make(type, context, &socket);
    if (r < 0)
        return r;
    if (socket_create(socket, target, protocol) == 0) {
        if (target->fast_open)
            setsockopt(socket->io.fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
        /* connect() is done at once only where the kernel has a cookie and waits for the first bytes. */
        if (socket_connect(socket) == 0)
            socket->deferred = target->fast_open && !socket->connecting;
    }
    *ret_layer = &socket->layer;
    return 0;
}

static int tcp_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                    struct layer **ret_layer)
{
    (void)below;
    return tcp_open_as(&tcp_layer, 0, context, target, ret_layer);
}

static int tcp_accept(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                      struct layer **ret_layer)
{
    struct socket_layer *socket;
    int r = socket_accept(&tcp_layer, context, fd, &socket);

    (void)tls;
    (void)below;
    if (r == 0)
        *ret_layer = &socket->layer;
    return r;
}

void tcp_link(struct layer *layer, struct layer_link *link)
{
    struct socket_layer *socket = socket_of(layer);
    struct tcp_info info;

    link->bytes_sent += socket->sent;
    link->bytes_received += socket->received;
    if (!tcp_info_of(socket, &info))
        return;
    link->rtt_us = info.tcpi_rtt;
    link->min_rtt_us = info.tcpi_min_rtt == UINT32_MAX ? 0 : info.tcpi_min_rtt;
    link->delivery_rate = info.tcpi_delivery_rate;
    link->unsent += info.tcpi_notsent_bytes;
    link->mtu = info.tcpi_pmtu;
    link->packets_sent = info.tcpi_data_segs_out;
    link->packets_lost = info.tcpi_total_retrans; /* the kernel counts what it sent again, not what was lost */
    link->congestion_window = (uint64_t)info.tcpi_snd_cwnd * info.tcpi_snd_mss;
    link->in_flight = (uint64_t)info.tcpi_unacked * info.tcpi_snd_mss;
    link->bytes_resent = info.tcpi_bytes_retrans;
    link->out_of_order = info.tcpi_rcv_ooopack;
}

void tcp_peer(struct layer *layer, struct layer_peer *peer)
{
    struct socket_layer *socket = socket_of(layer);
    struct tcp_info info;

    if (!socket->opened)
        return;
    if (!socket->deferred || !tcp_info_of(socket, &info)) {
        peer->round_trips++;
        return;
    }
    peer->fast_open = info.tcpi_options & TCPI_OPT_SYN_DATA;
    peer->fast_open_lost = info.tcpi_fastopen_client_fail == TFO_SYN_RETRANSMITTED;
    if (!peer->fast_open)
        peer->round_trips++;
}

const struct layer_type tcp_layer = {
    .name = "tcp",
    .flags = LAYER_BYTES | LAYER_SOCKET,
    .open = tcp_open,
    .accept = tcp_accept,
    .establish = tcp_establish,
    .send = socket_send,
    .sendv = tcp_sendv,
    .receive = socket_receive,
    .receivev = socket_receivev,
    .shutdown = socket_shutdown,
    .descriptor = socket_descriptor,
    .addresses = socket_addresses,
    .link = tcp_link,
    .peer = tcp_peer,
    .detach = socket_detach,
    .attach = socket_attach,
    .destroy = socket_destroy,
};
