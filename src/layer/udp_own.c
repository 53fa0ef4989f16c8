/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket for one peer of a port, so that it can go to another loop: bound to the same address and port, and connected to the
 * peer. The system gives a datagram to the socket that fits best, and one that is connected to its sender does.
 *
 * Two things must not happen. Sockets that share an address and port (SO_REUSEPORT) are a group, to which the system deals out
 * strangers by a hash and by how many there are: one more, and peers that have been there come to another socket than before. And
 * a socket that shares them later must not form a group with ours instead of with the others, who would starve. So:
 *
 *   the port is bound to any address, with others    ours is bound to the one address, which is another group
 *   it is bound to one address, with others          ours is bound to any, which is another group, and gets the one address by
 *                                                     connecting; where the system would choose another, it is given up
 *   it has its address alone                         the two share it until ours is connected: there is no other
 *
 * In the last two cases ours shares with nobody once it is connected, but with its like: those find each other by SO_REUSEADDR,
 * which gives nothing to who has it while the port's socket, which has it not, is there.
 *
 * Until ours is connected it may get what others send to its address, and that is lost, as on any way: two system calls.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "layer/udp_internal.h"

static int switch_to(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static bool is_shared(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &size) == 0 && value;
}

static struct layer_address any_at_port_of(const struct layer_address *local)
{
    struct layer_address any = {.size = local->size};
    const struct sockaddr_in *v4 = (const void *)&local->address;

    any.address.ss_family = local->address.ss_family;
    ((struct sockaddr_in *)&any.address)->sin_port = v4->sin_port; /* sockaddr_in6 has it in the same place */
    return any;
}

static int make(int family, const char *interface)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

    if (fd < 0)
        return -errno;
    udp_socket_prepare(fd, family);
    r = family == AF_INET6 ? switch_to(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;
    if (r == 0)
        r = udp_socket_bind_device(fd, interface);
    if (r == 0)
        r = switch_to(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0)
        r = switch_to(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

static int bind_and_connect(int fd, const struct layer_address *local, const struct layer_address *remote)
{
    if (bind(fd, (const struct sockaddr *)&local->address, local->size) < 0 ||
        connect(fd, (const struct sockaddr *)&remote->address, remote->size) < 0)
        return -errno;
    return 0;
}

static int check_local(int fd, const struct layer_address *wanted)
{
    struct layer_address local = {.size = sizeof local.address};

    if (getsockname(fd, (struct sockaddr *)&local.address, &local.size) < 0)
        return -errno;
    return udp_same_address(&local, wanted) ? 0 : -EADDRNOTAVAIL;
}

static int place(int fd, const struct udp_layer *udp, const struct udp_socket *ports)
{
    const struct layer_address any = any_at_port_of(&udp->local);
    const bool shared = is_shared(ports->io.fd);
    int r = shared ? 0 : switch_to(ports->io.fd, SOL_SOCKET, SO_REUSEPORT, 1);

    if (r < 0)
        return r;
    r = bind_and_connect(fd, shared && !ports->any ? &any : &udp->local, &udp->remote);
    if (!shared)
        (void)switch_to(ports->io.fd, SOL_SOCKET, SO_REUSEPORT, 0);
    if (r == 0 && !(shared && ports->any))
        r = switch_to(fd, SOL_SOCKET, SO_REUSEPORT, 0);
    return r < 0 ? r : check_local(fd, &udp->local);
}

int udp_own_socket_new(struct udp_layer *udp, struct udp_socket *ports, const char *interface,
                       struct udp_socket **ret_socket)
{
    struct udp_socket_config config = {.fd = make(ports->family, interface), .timestamps = ports->stamps != NULL};
    char reason[200] = "";
    int r = config.fd;

    if (r >= 0)
        r = place(config.fd, udp, ports);
    if (r == 0)
        r = udp_socket_new(udp->layer.context, &config, &udp_own_socket, udp, ret_socket, reason, sizeof reason);
    if (r == 0) {
        (*ret_socket)->connected = true;
        return 0;
    }
    loop_log(udp->layer.context, HAWSER_LOG_DEBUG, "udp: no socket of its own for a peer: %s",
             *reason ? reason : hawser_strerror(r));
    if (config.fd >= 0)
        close(config.fd);
    return r;
}
