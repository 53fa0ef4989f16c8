/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket on the loop. Readiness is edge-triggered and remembered in flags, so that no call is made only to
 * hear EAGAIN: a short receive has emptied the queue, and a short send has filled it. The exception is the end of the
 * stream, which makes no edge of its own once it was reported together with data.
 */
#include "layer/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "layer/udp.h"

#define RETRY_AFTER 5000 /* microseconds */

/* connect() to a unix socket whose queue is full says EAGAIN, and nothing tells when there is room. */
struct socket_retry {
    struct loop_timer timer;
    struct socket_layer *socket;
};

static void tell(struct socket_layer *socket, unsigned ready)
{
    if (ready && socket->layer.ready)
        socket->layer.ready(&socket->layer, ready);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    struct socket_layer *socket = container_of(io, struct socket_layer, io);
    unsigned ready = 0;

    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        socket->hung_up = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        socket->readable = true;
        ready |= LAYER_READABLE;
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        /* Every event carries EPOLLOUT while there is room: that is news only after there was none. */
        if (!socket->writable)
            ready |= LAYER_WRITABLE;
        socket->writable = true;
    }
    tell(socket, ready);
}

static int join(struct socket_layer *socket, hawser_context *context, int fd)
{
    socket->layer.context = context;
    return loop_io_add(context, &socket->io, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, on_ready);
}

int socket_make(const struct layer_type *type, hawser_context *context, struct socket_layer **ret_socket)
{
    struct socket_layer *socket = calloc(1, sizeof *socket);

    if (!socket)
        return -ENOMEM;
    socket->layer.type = type;
    socket->layer.context = context;
    socket->io.fd = -1;
    *ret_socket = socket;
    return 0;
}

int socket_accept(const struct layer_type *type, hawser_context *context, int fd, struct socket_layer **ret_socket)
{
    struct socket_layer *socket;
    int r = socket_make(type, context, &socket);

    if (r < 0)
        return r;
    /* What the peer may have said already is told as the first event. */
    socket->writable = true;
    r = join(socket, context, fd);
    if (r < 0) {
        free(socket);
        return r;
    }
    *ret_socket = socket;
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- opening */

static int bind_interface(struct socket_layer *socket, int fd, const char *interface)
{
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface) + 1) < 0)
        return layer_fail(&socket->layer, -errno, "cannot use the interface %s: %s", interface,
                          hawser_strerror(-errno));
    return 0;
}

static int bind_local(struct socket_layer *socket, int fd, const struct layer_address *local)
{
    const int on = 1;

    /* The port is chosen at connect(), when the whole of the pair is known. */
    if (local->address.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&local->address, local->size) < 0)
        return layer_fail(&socket->layer, -errno, "cannot use the local address: %s", hawser_strerror(-errno));
    return 0;
}

/* Apart, since a variable called socket hides the call. */
static int socket_new(int family, int protocol)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

    return fd < 0 ? -errno : fd;
}

static int fail_create(struct socket_layer *socket, int code)
{
    if (code == -EPROTONOSUPPORT)
        return layer_fail(&socket->layer, code, "the system has no %s", socket->layer.type->name);
    if (code == -ENOPROTOOPT) /* the kernel's word for net.mptcp.enabled=0 */
        return layer_fail(&socket->layer, -EPROTONOSUPPORT, "the system's %s is switched off (sysctl net.%s.enabled)",
                          socket->layer.type->name, socket->layer.type->name);
    return layer_fail(&socket->layer, code, "cannot make a socket: %s", hawser_strerror(code));
}

int socket_create(struct socket_layer *socket, const struct layer_target *target, int protocol)
{
    int fd = socket_new(target->remote.address.ss_family, protocol), r = 0;

    if (fd < 0)
        return fail_create(socket, fd);
    socket->opened = true;
    socket->remote = &target->remote;
    if (*target->interface && target->remote.address.ss_family != AF_UNIX)
        r = bind_interface(socket, fd, target->interface);
    if (r == 0 && target->local.size > 0)
        r = bind_local(socket, fd, &target->local);
    if (r < 0) {
        close(fd);
        return r;
    }
    socket->io.fd = fd;
    return 0;
}

static void retry_fire(struct loop_timer *timer, int64_t now)
{
    struct socket_layer *socket = container_of(timer, struct socket_retry, timer)->socket;

    (void)now;
    tell(socket, LAYER_WRITABLE);
}

static int retry_later(struct socket_layer *socket)
{
    if (!socket->retry) {
        socket->retry = calloc(1, sizeof *socket->retry);
        if (!socket->retry)
            return -ENOMEM;
        socket->retry->socket = socket;
        loop_timer_init(&socket->retry->timer, retry_fire);
    }
    return loop_timer_set(socket->layer.context, &socket->retry->timer, loop_now(socket->layer.context) + RETRY_AFTER);
}

static void retry_end(struct socket_layer *socket)
{
    if (!socket->retry)
        return;
    loop_timer_clear(socket->layer.context, &socket->retry->timer);
    free(socket->retry);
    socket->retry = NULL;
}

static int fail_connect(struct socket_layer *socket, int error)
{
    return layer_fail(&socket->layer, -error, "connect: %s", hawser_strerror(-error));
}

int socket_connect(struct socket_layer *socket)
{
    int fd = socket->io.fd, r;

    if (connect(fd, (const struct sockaddr *)&socket->remote->address, socket->remote->size) == 0)
        socket->connecting = false;
    else if (errno == EINPROGRESS)
        socket->connecting = true;
    else if (errno == EAGAIN) {
        r = retry_later(socket);
        return r < 0 ? layer_fail(&socket->layer, r, "connect: %s", hawser_strerror(r)) : -EAGAIN;
    } else
        return fail_connect(socket, errno);
    retry_end(socket);
    socket->readable = socket->writable = !socket->connecting;
    socket->io.fd = -1;
    r = join(socket, socket->layer.context, fd);
    if (r < 0) {
        close(fd);
        return layer_fail(&socket->layer, r, "cannot watch a socket: %s", hawser_strerror(r));
    }
    return 0;
}

int socket_establish(struct layer *layer)
{
    struct socket_layer *socket = socket_of(layer);
    socklen_t size = sizeof(int);
    int error = 0;

    if (layer->error)
        return layer->error->code;
    if (socket->retry) {
        int r = socket_connect(socket);
        if (r < 0)
            return r;
    }
    if (!socket->connecting)
        return 0;
    if (!socket->writable)
        return -EAGAIN;
    if (socket->hung_up && getsockopt(socket->io.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error)
        return fail_connect(socket, error);
    socket->connecting = false;
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- bytes */

static ssize_t fail_bytes(struct socket_layer *socket, int error)
{
    /* With Fast Open the connection begins with the first bytes, and so do its failures. */
    if (socket->deferred && socket->received == 0 && error != ECONNRESET && error != EPIPE)
        return fail_connect(socket, error);
    switch (error) {
    case ECONNRESET:
    case EPIPE:
        return layer_fail(&socket->layer, -error, "the peer reset the connection");
    case ETIMEDOUT:
        return layer_fail(&socket->layer, -error, "the peer does not answer any more");
    default:
        return layer_fail(&socket->layer, -error, "the connection broke: %s", hawser_strerror(-error));
    }
}

ssize_t socket_sendv(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    struct socket_layer *socket = socket_of(layer);
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
    size_t size = 0;
    ssize_t n;

    if (!socket->writable || socket->connecting)
        return -EAGAIN;
    for (unsigned i = 0; i < count; i++)
        size += pieces[i].iov_len;
    do
        n = sendmsg(socket->io.fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EINPROGRESS)) { /* the latter: Fast Open had no cookie after all */
        socket->writable = false;
        return -EAGAIN;
    }
    if (n < 0)
        return fail_bytes(socket, errno);
    if ((size_t)n < size)
        socket->writable = false;
    socket->sent += (uint64_t)n;
    return n;
}

ssize_t socket_send(struct layer *layer, const void *data, size_t size)
{
    const struct iovec piece = {(void *)data, size};

    return layer->type->sendv(layer, &piece, 1);
}

ssize_t socket_receivev(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    struct socket_layer *socket = socket_of(layer);
    size_t size = 0;
    ssize_t n;

    if (!socket->readable)
        return -EAGAIN;
    for (unsigned i = 0; i < count; i++)
        size += pieces[i].iov_len;
    do
        n = count == 1 ? recv(socket->io.fd, pieces[0].iov_base, size, 0) : readv(socket->io.fd, pieces, (int)count);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        socket->readable = socket->hung_up = false;
        return -EAGAIN;
    }
    if (n < 0)
        return fail_bytes(socket, errno);
    if ((size_t)n < size && n > 0 && !socket->hung_up)
        socket->readable = false;
    socket->received += (uint64_t)n;
    return n;
}

ssize_t socket_receive(struct layer *layer, void *buffer, size_t size)
{
    const struct iovec piece = {buffer, size};

    return socket_receivev(layer, &piece, 1);
}

int socket_shutdown(struct layer *layer)
{
    struct socket_layer *socket = socket_of(layer);

    /* ENOTCONN: the peer was quicker, and there is nobody to be told. */
    if (shutdown(socket->io.fd, SHUT_WR) < 0 && errno != ENOTCONN)
        return (int)fail_bytes(socket, errno);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- the rest */

int socket_descriptor(const struct layer *layer)
{
    return socket_of(layer)->io.fd;
}

/* getpeername() knows nothing before the connection is there. */
void socket_addresses(const struct layer *layer, struct layer_address *ret_local, struct layer_address *ret_remote)
{
    const struct socket_layer *socket = socket_of(layer);

    memset(ret_local, 0, sizeof *ret_local);
    memset(ret_remote, 0, sizeof *ret_remote);
    ret_local->size = ret_remote->size = sizeof ret_local->address;
    if (getsockname(socket->io.fd, (struct sockaddr *)&ret_local->address, &ret_local->size) < 0)
        ret_local->size = 0;
    if (getpeername(socket->io.fd, (struct sockaddr *)&ret_remote->address, &ret_remote->size) == 0)
        return;
    ret_remote->size = 0;
    if (socket->remote && socket->connecting)
        *ret_remote = *socket->remote;
}

void socket_detach(struct layer *layer)
{
    struct socket_layer *socket = socket_of(layer);
    int fd = socket->io.fd;

    retry_end(socket);
    if (fd >= 0)
        loop_io_remove(layer->context, &socket->io);
    socket->io.fd = fd;
    layer->context = NULL;
}

int socket_attach(struct layer *layer, hawser_context *context)
{
    struct socket_layer *socket = socket_of(layer);
    int fd = socket->io.fd, r;

    /* Nothing is known of what happened meanwhile: try. */
    socket->readable = socket->writable = socket->hung_up = true;
    r = join(socket, context, fd);
    if (r < 0)
        socket->io.fd = fd;
    return r;
}

int socket_release(struct layer *layer)
{
    struct socket_layer *socket;

    while (layer->below)
        layer = layer->below;
    if (layer->type->flags & LAYER_FOREIGN)
        return -EOPNOTSUPP;
    if (layer->type == &udp_layer)
        return udp_release(layer);
    socket = socket_of(layer);
    loop_io_remove(layer->context, &socket->io);
    socket->io.fd = -1;
    return 0;
}

void socket_destroy(struct layer *layer)
{
    struct socket_layer *socket = socket_of(layer);
    int fd = socket->io.fd;

    retry_end(socket);
    if (fd >= 0) {
        if (layer->context)
            loop_io_remove(layer->context, &socket->io);
        close(fd);
    }
    free(socket);
}
