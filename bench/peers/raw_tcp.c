/* SPDX-License-Identifier: Apache-2.0 */
/* Plain TCP, coalesced by hand: what the machine can do when nobody asks for security. */
#include "stream.h"

#include <errno.h>
#include <sys/socket.h>

static int raw_open(struct conn *c, const struct options *o)
{
    (void)c;
    (void)o;
    return 0;
}

static int raw_handshake(struct conn *c)
{
    (void)c;
    return 0;
}

static ssize_t raw_send(struct conn *c, const void *data, size_t size, bool more)
{
    ssize_t n = send(c->fd, data, size, more ? MSG_MORE : 0);

    return n < 0 ? -errno : n;
}

/* A short read says that the socket is empty: epoll will tell when it no longer is. */
static ssize_t raw_recv(struct conn *c, void *data, size_t size)
{
    ssize_t n = recv(c->fd, data, size, 0);

    c->drained = n < (ssize_t)size;
    return n < 0 ? -errno : n;
}

static void raw_close(struct conn *c)
{
    (void)c;
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"plain", NULL};
    static const char *const whats[] = {"oneway", "pingpong", "idle", "setup", "growth", NULL};
    static const struct stream_ops ops = {
        .program = {"raw_tcp", modes, whats},
        .chunk = 64 << 10,
        .direct = 32 << 10,
        .fill = false,
        .open = raw_open,
        .handshake = raw_handshake,
        .send = raw_send,
        .recv = raw_recv,
        .close = raw_close,
    };

    return stream_main(&ops, argc, argv);
}
