/* SPDX-License-Identifier: Apache-2.0 */
/* Unix stream sockets: to a program on this host. */
#include <errno.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#include "layer/socket.h"

static int unix_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                     struct layer **ret_layer)
{
    struct socket_layer *socket;
    int r;

    (void)below;
    if (target->remote.address.ss_family != AF_UNIX)
        return -EINVAL;
    r = socket_make(&unix_layer, context, &socket);
    if (r < 0)
        return r;
    if (socket_create(socket, target, 0) == 0)
        socket_connect(socket);
    *ret_layer = &socket->layer;
    return 0;
}

static int unix_accept(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                       struct layer **ret_layer)
{
    struct socket_layer *socket;
    int r = socket_accept(&unix_layer, context, fd, &socket);

    (void)tls;
    (void)below;
    if (r == 0)
        *ret_layer = &socket->layer;
    return r;
}

static void unix_link(struct layer *layer, struct layer_link *link)
{
    struct socket_layer *socket = socket_of(layer);
    int unsent;

    link->bytes_sent += socket->sent;
    link->bytes_received += socket->received;
    if (ioctl(socket->io.fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
        link->unsent += (uint32_t)unsent;
}

const struct layer_type unix_layer = {
    .name = "unix",
    .flags = LAYER_BYTES | LAYER_SOCKET,
    .open = unix_open,
    .accept = unix_accept,
    .establish = socket_establish,
    .send = socket_send,
    .sendv = socket_sendv,
    .receive = socket_receive,
    .receivev = socket_receivev,
    .shutdown = socket_shutdown,
    .descriptor = socket_descriptor,
    .addresses = socket_addresses,
    .link = unix_link,
    .detach = socket_detach,
    .attach = socket_attach,
    .destroy = socket_destroy,
};
