/* SPDX-License-Identifier: Apache-2.0 */
/* ZeroMQ, a PAIR of sockets, in the clear or with CURVE. With `tcp-lent` large messages are not copied by the sender. */
#include "messaging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define KEY 41 /* Z85 text of 32 bytes */

static struct {
    void *context, *socket;
    bool lend;
} zeromq;

static void must(int r, const char *what)
{
    if (r < 0)
        fail("%s: %s", what, zmq_strerror(zmq_errno()));
}

static void option(int name, const void *value, size_t size)
{
    must(zmq_setsockopt(zeromq.socket, name, value, size), "a socket option");
}

static void key_path(char *path, size_t size, const struct options *o)
{
    snprintf(path, size, "%s/curve.public", o->dir);
}

static void curve_server(const struct options *o)
{
    char public[KEY], secret[KEY], path[512];
    int yes = 1;
    FILE *file;

    must(zmq_curve_keypair(public, secret), "a key");
    key_path(path, sizeof(path), o);
    file = fopen(path, "we");
    if (!file || fputs(public, file) < 0 || fclose(file) != 0)
        fail("cannot write %s", path);
    option(ZMQ_CURVE_SERVER, &yes, sizeof(yes));
    option(ZMQ_CURVE_SECRETKEY, secret, KEY - 1);
}

static void curve_client(const struct options *o)
{
    char public[KEY], secret[KEY], server[KEY], path[512];
    FILE *file;

    must(zmq_curve_keypair(public, secret), "a key");
    key_path(path, sizeof(path), o);
    file = fopen(path, "re");
    if (!file || !fgets(server, KEY, file))
        fail("cannot read %s", path);
    fclose(file);
    option(ZMQ_CURVE_SERVERKEY, server, KEY - 1);
    option(ZMQ_CURVE_PUBLICKEY, public, KEY - 1);
    option(ZMQ_CURVE_SECRETKEY, secret, KEY - 1);
}

static void open_socket(const struct options *o, char *url, size_t size)
{
    int queue = messaging_queue(o, 10000); /* its default is 1000; more is a little faster */

    zeromq.lend = strcmp(o->mode, "tcp-lent") == 0;
    zeromq.context = zmq_ctx_new();
    zeromq.socket = zmq_socket(zeromq.context, ZMQ_PAIR);
    if (!zeromq.socket)
        fail("no socket: %s", zmq_strerror(zmq_errno()));
    option(ZMQ_SNDHWM, &queue, sizeof(queue));
    option(ZMQ_RCVHWM, &queue, sizeof(queue));
    if (strcmp(o->mode, "curve") == 0)
        (o->server ? curve_server : curve_client)(o);
    snprintf(url, size, "tcp://%s:%u", o->host, o->port);
}

static void zeromq_listen(const struct options *o)
{
    char url[128];

    open_socket(o, url, sizeof(url));
    must(zmq_bind(zeromq.socket, url), url);
}

static void zeromq_connect(const struct options *o)
{
    char url[128];

    open_socket(o, url, sizeof(url));
    must(zmq_connect(zeromq.socket, url), url);
}

static void keep(void *data, void *hint)
{
    (void)data;
    (void)hint;
}

/* zmq_send() copies, which is what its manual's reader writes. Lending is for who keeps the buffer unchanged until later. */
static void zeromq_send(const uint8_t *data, size_t size)
{
    zmq_msg_t message;

    if (!zeromq.lend || size < LARGE) {
        must(zmq_send(zeromq.socket, data, size, 0), "send");
        return;
    }
    must(zmq_msg_init_data(&message, (void *)(uintptr_t)data, size, keep, NULL), "a message");
    must(zmq_msg_send(&message, zeromq.socket, 0), "send");
}

static void zeromq_receive(struct received *r)
{
    static zmq_msg_t message; /* one is held at a time */

    zmq_msg_init(&message);
    must(zmq_msg_recv(&message, zeromq.socket, 0), "receive");
    *r = (struct received){zmq_msg_data(&message), zmq_msg_size(&message), &message};
}

static void zeromq_release(struct received *r)
{
    zmq_msg_close(r->handle);
}

static void zeromq_close(void)
{
    zmq_close(zeromq.socket);
    zmq_ctx_term(zeromq.context);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"tcp", "tcp-lent", "curve", NULL};
    static const char *const whats[] = {"oneway", "pingpong", NULL};
    static const struct messaging_ops ops = {
        .program = {"zeromq", modes, whats},
        .listen = zeromq_listen,
        .connect = zeromq_connect,
        .send = zeromq_send,
        .receive = zeromq_receive,
        .release = zeromq_release,
        .close = zeromq_close,
    };

    return messaging_main(&ops, argc, argv);
}
