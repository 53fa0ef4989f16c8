/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least transport there is, in a shared object that knows <hawser/layer.h> alone: a unix socket whose bytes are not what
 * they seem, so that both ends need it. The conformance suite runs on it. (S1.6)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hawser/layer.h>

#define VEIL 0x55
#define AT_ONCE 16384

struct state {
    int fd;
    uint64_t sent, received;
};

__attribute__((visibility("default"))) extern const hawser_layer veil_layer;

static int fail(hawser_transport *transport, int code, const char *what)
{
    char reason[160];

    if (code == -ECONNRESET || code == -EPIPE)
        what = "the peer is gone";
    (void)snprintf(reason, sizeof reason, "%s: %s", what, strerror(-code));
    return hawser_transport_fail(transport, code, reason);
}

static int veil_open(hawser_transport *transport, void *state, const struct sockaddr *remote, socklen_t remote_size,
                     const struct sockaddr *local, socklen_t local_size)
{
    struct state *s = state;

    (void)local, (void)local_size;
    s->fd = -1;
    if (remote->sa_family != AF_UNIX)
        return -EINVAL;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -errno;
    if (connect(s->fd, remote, remote_size) < 0) { /* on a unix socket it is done at once, or fails */
        (void)fail(transport, -errno, "connect");
        close(s->fd);
        s->fd = -1;
        return 0; /* told by establish() */
    }
    return hawser_transport_watch(transport, s->fd, POLLIN | POLLOUT);
}

static int veil_accept(hawser_transport *transport, void *state, int fd)
{
    struct state *s = state;
    int flags = fcntl(fd, F_GETFL), r;

    s->fd = -1;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    r = hawser_transport_watch(transport, fd, POLLIN | POLLOUT);
    if (r == 0)
        s->fd = fd;
    return r;
}

static int veil_establish(hawser_transport *transport, void *state)
{
    return ((struct state *)state)->fd < 0 ? fail(transport, -ENOTCONN, "connect") : 0;
}

static void veil(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] ^= VEIL;
}

static ssize_t veil_send(hawser_transport *transport, void *state, const struct iovec *pieces, unsigned count)
{
    struct state *s = state;
    uint8_t bytes[AT_ONCE];
    size_t size = 0;
    ssize_t n;

    for (unsigned i = 0; i < count && size < sizeof bytes; i++) {
        size_t room = sizeof bytes - size, part = pieces[i].iov_len < room ? pieces[i].iov_len : room;

        memcpy(bytes + size, pieces[i].iov_base, part);
        size += part;
    }
    veil(bytes, size);
    n = send(s->fd, bytes, size, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN ? -EAGAIN : fail(transport, -errno, "send");
    s->sent += (uint64_t)n;
    return n;
}

static ssize_t veil_receive(hawser_transport *transport, void *state, const struct iovec *pieces, unsigned count)
{
    struct state *s = state;
    ssize_t n = readv(s->fd, pieces, (int)count), left = n;

    if (n < 0)
        return errno == EAGAIN ? -EAGAIN : fail(transport, -errno, "receive");
    for (unsigned i = 0; i < count && left > 0; i++) {
        size_t size = pieces[i].iov_len < (size_t)left ? pieces[i].iov_len : (size_t)left;

        veil(pieces[i].iov_base, size);
        left -= (ssize_t)size;
    }
    s->received += (uint64_t)n;
    return n;
}

static int veil_shutdown(hawser_transport *transport, void *state)
{
    (void)transport;
    return shutdown(((struct state *)state)->fd, SHUT_WR) < 0 && errno != ENOTCONN ? -errno : 0;
}

static int veil_descriptor(hawser_transport *transport, void *state)
{
    (void)transport;
    return ((struct state *)state)->fd;
}

static void veil_link(hawser_transport *transport, void *state, hawser_layer_link *link)
{
    (void)transport;
    link->bytes_sent = ((struct state *)state)->sent;
    link->bytes_received = ((struct state *)state)->received;
}

static void veil_close(hawser_transport *transport, void *state)
{
    (void)transport;
    if (((struct state *)state)->fd >= 0)
        close(((struct state *)state)->fd);
}

/* `watched` is left out: what is readable and writable is what the descriptor says. */
const hawser_layer veil_layer = {
    .version = HAWSER_LAYER_VERSION,
    .flags = HAWSER_LAYER_BYTES,
    .name = "veil",
    .state_size = sizeof(struct state),
    .open = veil_open,
    .accept = veil_accept,
    .establish = veil_establish,
    .send = veil_send,
    .receive = veil_receive,
    .shutdown = veil_shutdown,
    .descriptor = veil_descriptor,
    .link = veil_link,
    .close = veil_close,
};
