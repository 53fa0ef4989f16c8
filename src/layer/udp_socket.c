/* SPDX-License-Identifier: Apache-2.0 */
/* A UDP socket on the loop: made, bound, connected, closed. What it carries is in udp_receive.c and udp_send.c. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "layer/udp_internal.h"

#define BUFFER (4 << 20) /* asked for; the system has a bound of its own (net.core.rmem_max) */

bool udp_same_address(const struct layer_address *a, const struct layer_address *b)
{
    const struct sockaddr_in *a4 = (const void *)&a->address, *b4 = (const void *)&b->address;
    const struct sockaddr_in6 *a6 = (const void *)&a->address, *b6 = (const void *)&b->address;

    if (a->address.ss_family != b->address.ss_family || a->size == 0 || b->size == 0)
        return false;
    if (a->address.ss_family == AF_INET)
        return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
           memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

bool udp_is_any(const struct layer_address *address)
{
    const struct sockaddr_in *v4 = (const void *)&address->address;
    const struct sockaddr_in6 *v6 = (const void *)&address->address;

    if (address->size == 0)
        return true;
    return address->address.ss_family == AF_INET ? v4->sin_addr.s_addr == htonl(INADDR_ANY)
                                                 : IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

bool udp_is_group(const struct layer_address *address)
{
    const struct sockaddr_in *v4 = (const void *)&address->address;
    const struct sockaddr_in6 *v6 = (const void *)&address->address;

    if (address->size == 0)
        return false;
    return address->address.ss_family == AF_INET ? IN_MULTICAST(ntohl(v4->sin_addr.s_addr))
                                                 : IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
}

bool udp_is_mapped(const struct layer_address *address)
{
    const struct sockaddr_in6 *v6 = (const void *)&address->address;

    return address->address.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
}

/* ------------------------------------------------------------------------------------------------------------ making */

static void switch_on(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

/*
 * Errors of ICMP come back at once (RECVERR). No datagram is cut on the way, and the size that passes is found by whoever
 * looks for it, not by what the system remembers (PROBE: RFC 8899 section 4.1, RFC 9000 section 14).
 */
static void set_family(int fd, int family)
{
    if (family == AF_INET6) {
        switch_on(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
        switch_on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        switch_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        switch_on(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    }
    /* On a socket of IPv6 for what is IPv4 in it. */
    switch_on(fd, IPPROTO_IP, IP_RECVERR, 1);
    switch_on(fd, IPPROTO_IP, IP_RECVTOS, 1);
    switch_on(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    if (family == AF_INET)
        switch_on(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

/* Nothing of this has to be: a system without it gives datagrams one by one, unmarked. */
void udp_socket_prepare(int fd, int family)
{
    switch_on(fd, SOL_UDP, UDP_GRO, 1);
    switch_on(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
    switch_on(fd, SOL_SOCKET, SO_SNDBUF, BUFFER);
    set_family(fd, family);
}

/* For a program that goes on with the socket alone: as the system makes it. */
void udp_socket_plain(int fd, int family)
{
    switch_on(fd, SOL_UDP, UDP_GRO, 0);
    switch_on(fd, IPPROTO_IP, IP_RECVERR, 0);
    switch_on(fd, IPPROTO_IP, IP_RECVTOS, 0);
    switch_on(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
    switch_on(fd, IPPROTO_IP, IP_PKTINFO, 0);
    if (family != AF_INET6)
        return;
    switch_on(fd, IPPROTO_IPV6, IPV6_RECVERR, 0);
    switch_on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 0);
    switch_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 0);
    switch_on(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT);
}

int udp_socket_bind_device(int fd, const char *interface)
{
    if (!interface || !*interface)
        return 0;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface) + 1) < 0 ? -errno : 0;
}

static int bind_local(int fd, const struct udp_socket_config *config)
{
    const int on = 1;

    if (config->family == AF_INET6 && config->listens && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return -errno;
    if (config->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return -errno;
    if (!config->local || config->local->size == 0)
        return 0;
    /* Each of several programs on a host that listen to a group gets all of it. */
    if (udp_is_group(config->local) && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -errno;
    return bind(fd, (const struct sockaddr *)&config->local->address, config->local->size) < 0 ? -errno : 0;
}

static int make_descriptor(const struct udp_socket_config *config, char *reason, size_t reason_size)
{
    int fd = socket(config->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

    if (fd < 0) {
        r = -errno;
        snprintf(reason, reason_size, "cannot make a socket: %s", hawser_strerror(r));
        return r;
    }
    r = udp_socket_bind_device(fd, config->interface);
    if (r < 0)
        snprintf(reason, reason_size, "cannot use the interface %s: %s", config->interface, hawser_strerror(r));
    if (r == 0 && (r = bind_local(fd, config)) < 0)
        snprintf(reason, reason_size, "cannot use the local address: %s", hawser_strerror(r));
    if (r == 0 && config->local && udp_is_group(config->local) && (r = udp_group_join(fd, config)) < 0)
        snprintf(reason, reason_size, "cannot join the group: %s", hawser_strerror(r));
    if (r == 0 && config->hop_limit && (r = udp_group_send(fd, config)) < 0)
        snprintf(reason, reason_size, "cannot send to a group: %s", hawser_strerror(r));
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

/* A socket that somebody else made must be one of datagrams, bound, and must not hold us. */
static int take_descriptor(int fd, int *ret_family, char *reason, size_t reason_size)
{
    int type = 0, domain = 0, protocol = 0, r = 0;
    socklen_t size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
        r = -errno;
    else if (type != SOCK_DGRAM || (domain != AF_INET && domain != AF_INET6) || protocol != IPPROTO_UDP)
        r = -EINVAL;
    else if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        r = -errno;
    if (r < 0)
        snprintf(reason, reason_size, "descriptor %d is no UDP socket: %s", fd, hawser_strerror(r));
    *ret_family = domain;
    return r < 0 ? r : fd;
}

static void note_local(struct udp_socket *socket)
{
    socket->local.size = sizeof socket->local.address;
    if (getsockname(socket->io.fd, (struct sockaddr *)&socket->local.address, &socket->local.size) < 0)
        socket->local.size = 0;
    socket->any = udp_is_any(&socket->local);
}

/* ----------------------------------------------------------------------------------------------------------- telling */

static struct udp_socket *socket_ref(struct udp_socket *socket)
{
    socket->references++;
    return socket;
}

static void socket_unref(struct udp_socket *socket)
{
    if (--socket->references == 0)
        free(socket);
}

void udp_socket_unblock(struct udp_socket *socket)
{
    struct list heard;

    list_init(&heard);
    list_splice(&heard, &socket->blocked);
    socket_ref(socket);
    while (!list_empty(&heard) && !socket->closed && socket->writable && udp_queue_room(socket)) {
        struct udp_layer *udp = list_first(&heard, struct udp_layer, blocked);

        list_remove(&udp->blocked);
        if (udp->layer.ready)
            udp->layer.ready(&udp->layer, LAYER_WRITABLE);
    }
    /* Whose turn it was not yet is before those that had theirs. */
    list_splice(&heard, &socket->blocked);
    list_splice(&socket->blocked, &heard);
    socket_unref(socket);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    struct udp_socket *socket = container_of(io, struct udp_socket, io);

    socket_ref(socket);
    if (events & EPOLLERR)
        udp_receive_errors(socket);
    if (!socket->closed && events & (EPOLLIN | EPOLLERR))
        udp_receive_some(socket);
    if (!socket->closed && events & EPOLLOUT && !socket->writable) {
        socket->writable = true;
        if (socket->queue)
            udp_queue_run(socket);
        udp_socket_unblock(socket);
    }
    socket_unref(socket);
}

static void on_more(struct loop_deferred *deferred)
{
    struct udp_socket *socket = container_of(deferred, struct udp_socket, more);

    socket_ref(socket);
    udp_receive_some(socket);
    socket_unref(socket);
}

void udp_socket_go_on(struct udp_socket *socket)
{
    loop_defer(socket->context, &socket->more);
}

/* ------------------------------------------------------------------------------------------------------------- whole */

int udp_socket_new(hawser_context *context, const struct udp_socket_config *config, const struct udp_socket_user *user,
                   void *owner, struct udp_socket **ret_socket, char *reason, size_t reason_size)
{
    struct udp_socket *socket = calloc(1, sizeof *socket);
    int fd, r;

    if (!socket)
        return -ENOMEM;
    *socket = (struct udp_socket){.context = context,
                                  .io.fd = -1,
                                  .user = user,
                                  .owner = owner,
                                  .references = 1,
                                  .writable = true,
                                  .family = config->family};
    list_init(&socket->blocked);
    loop_deferred_init(&socket->more, on_more);
    fd = config->fd >= 0 ? take_descriptor(config->fd, &socket->family, reason, reason_size)
                         : make_descriptor(config, reason, reason_size);
    if (fd < 0) {
        free(socket);
        return fd;
    }
    udp_socket_prepare(fd, socket->family);
    r = loop_io_add(context, &socket->io, fd, EPOLLIN | EPOLLOUT, on_ready);
    if (r == 0) {
        note_local(socket);
        r = config->timestamps ? udp_stamp_on(socket) : 0;
    }
    if (r < 0) {
        snprintf(reason, reason_size, "cannot watch a socket: %s", hawser_strerror(r));
        loop_io_remove(context, &socket->io);
        if (config->fd < 0)
            close(fd);
        free(socket);
        return r;
    }
    *ret_socket = socket;
    return 0;
}

int udp_socket_connect(struct udp_socket *socket, const struct layer_address *remote)
{
    if (connect(socket->io.fd, (const struct sockaddr *)&remote->address, remote->size) < 0)
        return -errno;
    socket->connected = true;
    note_local(socket);
    return 0;
}

int udp_socket_leave(struct udp_socket *socket)
{
    int fd = socket->io.fd;

    if (socket->queue && socket->queue->count)
        return -EBUSY;
    udp_queue_free(socket);
    loop_undefer(&socket->more);
    loop_io_remove(socket->context, &socket->io);
    socket->io.fd = fd;
    socket->context = NULL;
    return 0;
}

int udp_socket_join(struct udp_socket *socket, hawser_context *context)
{
    int fd = socket->io.fd, r;

    socket->context = context;
    socket->writable = true; /* nothing is known of what happened meanwhile: try */
    r = loop_io_add(context, &socket->io, fd, EPOLLIN | EPOLLOUT, on_ready);
    if (r < 0)
        socket->io.fd = fd;
    return r;
}

void udp_socket_close(struct udp_socket *socket)
{
    int fd = socket->io.fd;

    while (!list_empty(&socket->blocked))
        list_remove(socket->blocked.next);
    if (socket->context) {
        udp_queue_free(socket);
        loop_undefer(&socket->more);
        loop_io_remove(socket->context, &socket->io);
    }
    udp_stamp_off(socket);
    if (fd >= 0)
        close(fd);
    socket->io.fd = -1;
    socket->closed = true;
    socket_unref(socket);
}
