/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bottom layer `udp`: opened, with a socket of its own, or one peer of a port. Whoever is above takes whole packets
 * (udp_take()), or datagrams one by one by receive().
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer/interface.h"
#include "layer/udp_internal.h"

#define LARGEST_V4 65507 /* an IPv4 packet has 65,535 bytes, headers and all; an IPv6 packet that beside its header */
#define LARGEST_V6 UDP_SIZE_MAX
#define USUAL_MTU 1500

static void on_flush(struct loop_deferred *deferred)
{
    struct udp_layer *udp = container_of(deferred, struct udp_layer, flush);
    int r = udp_outbox_flush(udp);

    if (r < 0 && r != -EAGAIN && r != -EMSGSIZE)
        udp_error(udp, &(struct udp_said){.code = r});
}

static struct udp_layer *make(hawser_context *context)
{
    struct udp_layer *udp = calloc(1, sizeof *udp);

    if (!udp)
        return NULL;
    udp->layer.type = &udp_layer;
    udp->layer.context = context;
    list_init(&udp->blocked);
    loop_deferred_init(&udp->flush, on_flush);
    return udp;
}

/* ------------------------------------------------------------------------------------------------------------- opening */

static int open_socket(struct udp_layer *udp, const struct udp_socket_config *config, char *reason, size_t reason_size)
{
    struct udp_socket *socket;
    int r;

    if (udp->socket_count == UDP_SOCKETS_MAX)
        return -EMFILE;
    r = udp_socket_new(udp->layer.context, config, &udp_own_socket, udp, &socket, reason, reason_size);
    if (r < 0)
        return r;
    r = udp_socket_connect(socket, &udp->remote);
    if (r < 0) {
        snprintf(reason, reason_size, "connect: %s", hawser_strerror(r));
        udp_socket_close(socket);
        return r;
    }
    udp->sockets[udp->socket_count++] = socket;
    return 0;
}

static int udp_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                    struct layer **ret_layer)
{
    int family = target->remote.address.ss_family, r;
    char reason[200] = "no memory";
    struct udp_socket_config config;
    struct udp_layer *udp;

    (void)below;
    if (family != AF_INET && family != AF_INET6)
        return -EINVAL;
    udp = make(context);
    if (!udp)
        return -ENOMEM;
    udp->remote = target->remote;
    config = (struct udp_socket_config){
        .local = &target->local,
        .interface = target->interface,
        .family = family,
        .fd = -1,
        .timestamps = target->timestamps,
        .no_loop = target->no_loop,
    };
    if (udp_is_group(&target->remote))
        config.hop_limit = target->hop_limit ? target->hop_limit : 1;
    r = open_socket(udp, &config, reason, sizeof reason);
    if (r < 0)
        layer_fail(&udp->layer, r, "%s", reason);
    else
        udp->local = udp->sockets[0]->local;
    *ret_layer = &udp->layer;
    return 0;
}

int udp_make_peer(struct udp_port *port, struct udp_socket *socket, const struct udp_packet *first,
                  struct udp_layer **ret_layer)
{
    struct udp_layer *udp = make(socket->context);

    if (!udp)
        return -ENOMEM;
    udp->port = port;
    udp->sockets[udp->socket_count++] = socket;
    udp->remote = first->remote;
    udp->local = first->local;
    *ret_layer = udp;
    return 0;
}

/* Takes over a connected socket. */
static int udp_accept(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                      struct layer **ret_layer)
{
    const struct udp_socket_config config = {.fd = fd};
    struct udp_layer *udp;
    char reason[200] = "";
    int r;

    (void)tls;
    (void)below;
    udp = make(context);
    if (!udp)
        return -ENOMEM;
    udp->remote.size = sizeof udp->remote.address;
    r = getpeername(fd, (struct sockaddr *)&udp->remote.address, &udp->remote.size) < 0 ? -errno : 0;
    if (r == 0)
        r = udp_socket_new(context, &config, &udp_own_socket, udp, &udp->sockets[0], reason, sizeof reason);
    if (r < 0) {
        free(udp);
        return r;
    }
    udp->sockets[0]->connected = true;
    udp->socket_count = 1;
    udp->local = udp->sockets[0]->local;
    *ret_layer = &udp->layer;
    return 0;
}

static int udp_establish(struct layer *layer)
{
    return layer->error ? layer->error->code : 0;
}

/* --------------------------------------------------------------------------------------------------------- what is known */

static unsigned interface_mtu(const struct udp_layer *udp)
{
    const struct interface_address *holder;
    const struct interface *interface = NULL;
    struct interfaces *interfaces;

    if (interfaces_of(udp->layer.context, &interfaces) == 0) {
        holder = interfaces_holder(interfaces, (const struct sockaddr *)&udp->local.address);
        interface = holder ? interfaces_by_index(interfaces, holder->index) : NULL;
    }
    return interface && interface->mtu ? interface->mtu : USUAL_MTU;
}

/* The size of a packet that leaves this host uncut: what the route says, or the interface. The route's may be what an ICMP
 * message said of another line, so the same holds for it as for those of our own. */
static unsigned find_mtu(struct udp_layer *udp)
{
    struct udp_socket *socket = udp->sockets[0];
    unsigned least = UDP_PATH_MIN + udp_headers(udp), most;
    int mtu = 0;
    socklen_t size = sizeof mtu;
    bool v6 = socket->family == AF_INET6 && !udp_is_mapped(&udp->remote);

    if (!socket->connected ||
        getsockopt(socket->io.fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &size) < 0 || mtu <= 0)
        return interface_mtu(udp);
    if (!udp_judges(udp) || (unsigned)mtu >= least)
        return (unsigned)mtu;
    most = interface_mtu(udp);
    return most < least ? most : least;
}

size_t udp_datagram_max(struct layer *layer)
{
    struct udp_layer *udp = udp_of(layer);
    size_t headers = udp_headers(udp), most = headers == UDP_HEADERS_V6 ? LARGEST_V6 : LARGEST_V4;

    if (udp->mtu == 0 && udp->socket_count)
        udp->mtu = find_mtu(udp);
    if (udp->mtu <= headers)
        return 0;
    return udp->mtu - headers < most ? udp->mtu - headers : most;
}

static int udp_descriptor(const struct layer *layer)
{
    const struct udp_layer *udp = udp_of(layer);

    return udp->socket_count ? udp->sockets[0]->io.fd : -1;
}

static void udp_addresses(const struct layer *layer, struct layer_address *ret_local, struct layer_address *ret_remote)
{
    const struct udp_layer *udp = udp_of(layer);

    *ret_local = udp->local;
    *ret_remote = udp->remote;
}

static void udp_link(struct layer *layer, struct layer_link *link)
{
    struct udp_layer *udp = udp_of(layer);

    link->bytes_sent += udp->sent;
    link->bytes_received += udp->received;
    if (link->mtu == 0 && udp->socket_count && udp_datagram_max(layer))
        link->mtu = udp->mtu;
}

const struct layer_address *udp_remote(const struct layer *layer)
{
    return &udp_of(layer)->remote;
}

const struct layer_address *udp_local(const struct layer *layer)
{
    return &udp_of(layer)->local;
}

struct udp_port *udp_port_of(const struct layer *layer)
{
    return udp_of(layer)->port;
}

bool udp_hears_group(const struct layer *layer)
{
    return udp_of(layer)->port && udp_is_group(&udp_of(layer)->sockets[0]->local);
}

void udp_set_dscp(struct layer *layer, uint8_t dscp)
{
    udp_of(layer)->dscp = dscp & 63;
}

/* ------------------------------------------------------------------------------------------------------------- moving */

void udp_set_remote(struct layer *layer, const struct layer_address *remote)
{
    struct udp_layer *udp = udp_of(layer);

    if (udp_same_address(&udp->remote, remote))
        return;
    udp->mtu = 0;
    if (udp->port) {
        udp_port_moved(udp, remote);
        return;
    }
    udp->remote = *remote;
    for (unsigned i = 0; i < udp->socket_count; i++)
        (void)udp_socket_connect(udp->sockets[i], remote); /* what cannot be reached is said by the next send */
}

int udp_add_local(struct layer *layer, const struct layer_address *local, const char *interface)
{
    struct udp_layer *udp = udp_of(layer);
    struct udp_socket_config config;
    char reason[200] = "";
    int r;

    if (udp->port || udp->socket_count == 0)
        return -EOPNOTSUPP;
    config = (struct udp_socket_config){
        .local = local,
        .interface = interface,
        .family = udp->remote.address.ss_family,
        .fd = -1,
        .timestamps = udp->sockets[0]->stamps != NULL,
    };
    r = open_socket(udp, &config, reason, sizeof reason);
    if (r < 0)
        loop_log(layer->context, HAWSER_LOG_DEBUG, "udp: another path was not opened: %s", reason);
    return r;
}

const struct layer_address *udp_local_of(const struct layer *layer, unsigned index)
{
    const struct udp_layer *udp = udp_of(layer);

    return index < udp->socket_count ? &udp->sockets[index]->local : NULL;
}

void udp_keep_local(struct layer *layer, const struct layer_address *local)
{
    struct udp_layer *udp = udp_of(layer);
    struct udp_socket *kept = udp_socket_for(udp, local);

    if (udp->port || !kept)
        return;
    for (unsigned i = 0; i < udp->socket_count; i++) {
        if (udp->sockets[i] == kept)
            continue;
        if (list_linked(&udp->blocked))
            list_remove(&udp->blocked);
        udp_socket_close(udp->sockets[i]);
    }
    udp->sockets[0] = kept;
    udp->socket_count = 1;
    udp->local = kept->local;
    udp->mtu = 0;
}

/* Whoever is in the middle of telling it of packets stops; what it was not told of yet is lost. */
static void no_longer_told(struct udp_layer *udp)
{
    if (udp->gone)
        *udp->gone = true;
    udp->gone = NULL;
    udp->first = NULL;
    udp->first_at = 0;
}

void udp_leave_sockets(struct udp_layer *udp)
{
    (void)udp_outbox_flush(udp);
    udp_outbox_free(udp);
    if (list_linked(&udp->blocked))
        list_remove(&udp->blocked);
    for (unsigned i = 0; i < udp->socket_count; i++) {
        udp_queue_forget(udp->sockets[i], udp);
        udp_stamp_forget(udp->sockets[i], udp);
    }
}

int udp_leave_port(struct layer *layer)
{
    struct udp_layer *udp = udp_of(layer);

    return udp->port ? udp_port_part(udp) : 0;
}

static void udp_detach(struct layer *layer)
{
    struct udp_layer *udp = udp_of(layer);

    no_longer_told(udp);
    udp_leave_sockets(udp);
    udp_inbox_free(udp);
    for (unsigned i = 0; i < udp->socket_count; i++)
        udp_socket_leave(udp->sockets[i]);
    layer->context = NULL;
}

static int udp_attach(struct layer *layer, hawser_context *context)
{
    struct udp_layer *udp = udp_of(layer);
    int r = 0;

    layer->context = context;
    for (unsigned i = 0; r == 0 && i < udp->socket_count; i++)
        r = udp_socket_join(udp->sockets[i], context);
    return r;
}

int udp_release(struct layer *layer)
{
    struct udp_layer *udp = udp_of(layer);
    struct udp_socket *socket = udp->sockets[0];

    if (udp->port || udp->socket_count != 1)
        return -EOPNOTSUPP;
    udp_socket_plain(socket->io.fd, socket->family);
    loop_io_remove(layer->context, &socket->io);
    return 0;
}

static void udp_destroy(struct layer *layer)
{
    struct udp_layer *udp = udp_of(layer);

    if (layer->context) {
        (void)udp_outbox_flush(udp);
        udp_outbox_free(udp);
        udp_inbox_free(udp);
    }
    no_longer_told(udp);
    if (list_linked(&udp->blocked))
        list_remove(&udp->blocked);
    for (unsigned i = 0; i < udp->socket_count; i++) {
        udp_queue_forget(udp->sockets[i], udp);
        udp_stamp_forget(udp->sockets[i], udp);
        if (!udp->port)
            udp_socket_close(udp->sockets[i]);
    }
    if (udp->port)
        udp_port_forget(udp);
    free(udp);
}

const struct layer_type udp_layer = {
    .name = "udp",
    .flags = LAYER_SOCKET | LAYER_DATAGRAMS | LAYER_MULTICAST,
    .open = udp_open,
    .accept = udp_accept,
    .establish = udp_establish,
    .send = udp_send_bytes,
    .sendv = udp_sendv,
    .receive = udp_receive,
    .datagram_max = udp_datagram_max,
    .flush = udp_flush,
    .descriptor = udp_descriptor,
    .addresses = udp_addresses,
    .link = udp_link,
    .loosen = udp_leave_port,
    .detach = udp_detach,
    .attach = udp_attach,
    .destroy = udp_destroy,
};
