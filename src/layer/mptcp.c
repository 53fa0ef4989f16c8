/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPTCP of the kernel (RFC 8684). It is TCP but for the socket that is asked for; where the peer or something on the way
 * does not know it, the kernel falls back to TCP by itself, and that is said: a stack is reported as what it became.
 */
#include <errno.h>
#include <netinet/in.h>

#include "layer/socket.h"

#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif
#define INFO 1 /* MPTCP_INFO of <linux/mptcp.h>, which does not go together with <netinet/in.h> everywhere */

static const char *mptcp_became(const struct layer *layer)
{
    uint8_t info[256];
    socklen_t size = sizeof info;

    if (getsockopt(socket_descriptor(layer), SOL_MPTCP, INFO, info, &size) == 0)
        return NULL;
    /* Of a connection that fell back the kernel says EOPNOTSUPP; one that came as TCP is no socket of MPTCP at all. */
    return errno == EOPNOTSUPP || errno == ENOPROTOOPT ? tcp_layer.name : NULL;
}

static int mptcp_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                      struct layer **ret_layer)
{
    (void)below;
    return tcp_open_as(&mptcp_layer, IPPROTO_MPTCP, context, target, ret_layer);
}

static int mptcp_accept(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                        struct layer **ret_layer)
{
    struct socket_layer *socket;
    int r = socket_accept(&mptcp_layer, context, fd, &socket);

    (void)tls;
    (void)below;
    if (r == 0)
        *ret_layer = &socket->layer;
    return r;
}

const struct layer_type mptcp_layer = {
    .name = "mptcp",
    .flags = LAYER_BYTES | LAYER_SOCKET | LAYER_MULTIPATH,
    .became = mptcp_became,
    .open = mptcp_open,
    .accept = mptcp_accept,
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
