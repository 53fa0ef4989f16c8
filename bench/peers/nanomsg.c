/* SPDX-License-Identifier: Apache-2.0 */
/* nanomsg, a PAIR of sockets. */
#include "messaging.h"

#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <stdio.h>

static int socket_;

static void must(int r, const char *what)
{
    if (r < 0)
        fail("%s: %s", what, nn_strerror(nn_errno()));
}

static void open_socket(const struct options *o, char *url, size_t size)
{
    int unlimited = -1, buffer = 1 << 20;

    must(socket_ = nn_socket(AF_SP, NN_PAIR), "a socket");
    must(nn_setsockopt(socket_, NN_SOL_SOCKET, NN_RCVMAXSIZE, &unlimited, sizeof(unlimited)), "a socket option");
    must(nn_setsockopt(socket_, NN_SOL_SOCKET, NN_SNDBUF, &buffer, sizeof(buffer)), "a socket option");
    must(nn_setsockopt(socket_, NN_SOL_SOCKET, NN_RCVBUF, &buffer, sizeof(buffer)), "a socket option");
    snprintf(url, size, "tcp://%s:%u", o->host, o->port);
}

static void nanomsg_listen(const struct options *o)
{
    char url[128];

    open_socket(o, url, sizeof(url));
    must(nn_bind(socket_, url), url);
}

static void nanomsg_connect(const struct options *o)
{
    char url[128];

    open_socket(o, url, sizeof(url));
    must(nn_connect(socket_, url), url);
}

static void nanomsg_send(const uint8_t *data, size_t size)
{
    must(nn_send(socket_, data, size, 0), "send");
}

static void nanomsg_receive(struct received *r)
{
    void *data;
    int n = nn_recv(socket_, &data, NN_MSG, 0);

    must(n, "receive");
    *r = (struct received){data, (size_t)n, data};
}

static void nanomsg_release(struct received *r)
{
    nn_freemsg(r->handle);
}

static void nanomsg_close(void)
{
    nn_close(socket_);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"tcp", NULL};
    static const char *const whats[] = {"oneway", "pingpong", NULL};
    static const struct messaging_ops ops = {
        .program = {"nanomsg", modes, whats},
        .listen = nanomsg_listen,
        .connect = nanomsg_connect,
        .send = nanomsg_send,
        .receive = nanomsg_receive,
        .release = nanomsg_release,
        .close = nanomsg_close,
    };

    return messaging_main(&ops, argc, argv);
}
