/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64

/* Once armed for writing, a connection stays so until it is writable with nothing to write: saves two calls a chunk. */
static void watch(struct conn *c, int operation, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};

    c->wants_write = write;
    if (epoll_ctl(c->stream->epoll, operation, c->fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

void conn_wait_writable(struct conn *c)
{
    if (!c->wants_write)
        watch(c, EPOLL_CTL_MOD, true);
}

void stream_init(struct stream *s, const struct stream_ops *ops, const struct options *o)
{
    *s = (struct stream){.ops = ops, .options = o, .listener = -1};
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->scratch = malloc(STREAM_SCRATCH);
    if (s->epoll < 0 || !s->scratch)
        fail("no epoll or no memory");
    memset(s->scratch, 0, STREAM_SCRATCH);
    if (ops->init)
        ops->init(o);
}

static struct conn *conn_new(struct stream *s, int fd)
{
    struct conn *c = calloc(1, sizeof(*c));
    int one = 1, r;

    if (!c)
        fail("out of memory");
    c->stream = s;
    c->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if ((r = s->ops->open(c, s->options)) < 0)
        fail("cannot set up a connection: %s", strerror(-r));
    watch(c, EPOLL_CTL_ADD, false);
    return c;
}

static struct sockaddr_in address_of(const struct options *o)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(o->port)};

    if (inet_pton(AF_INET, o->host, &a.sin_addr) != 1)
        fail("not an IPv4 address: %s", o->host);
    return a;
}

uint16_t stream_listen(struct stream *s)
{
    struct sockaddr_in a = address_of(s->options);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    socklen_t size = sizeof(a);
    int one = 1;

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, size) < 0 || listen(s->listener, 1024) < 0 ||
        getsockname(s->listener, (struct sockaddr *)&a, &size) < 0 ||
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event) < 0)
        fail("cannot listen on %s:%u: %s", s->options->host, s->options->port, strerror(errno));
    return ntohs(a.sin_port);
}

static void handshake(struct conn *c)
{
    int r = c->stream->ops->handshake(c);

    if (r == -EAGAIN)
        return;
    if (r < 0)
        fail("the handshake failed: %s", strerror(-r));
    c->ready = true;
    if (c->stream->on_ready)
        c->stream->on_ready(c);
}

static void accept_all(struct stream *s)
{
    int fd;

    while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        handshake(conn_new(s, fd));
    if (errno != EAGAIN && errno != ECONNABORTED)
        fail("accept: %s", strerror(errno));
}

/* Connecting blocks (on one host it is done at once); all after it does not. */
struct conn *stream_connect(struct stream *s)
{
    struct sockaddr_in a = address_of(s->options);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct conn *c;

    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        fail("cannot connect to %s:%u: %s", s->options->host, s->options->port, strerror(errno));
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl: %s", strerror(errno));
    c = conn_new(s, fd);
    handshake(c);
    return c;
}

static void writable(struct conn *c)
{
    if (!conn_push(c))
        return;
    if (c->stream->on_writable)
        c->stream->on_writable(c);
    if (c->rest_size == 0 && c->out_from == c->out_to && !c->closed)
        watch(c, EPOLL_CTL_MOD, false);
}

static void event_handle(struct stream *s, const struct epoll_event *e)
{
    struct conn *c = e->data.ptr;

    if (!c) {
        accept_all(s);
        return;
    }
    if (!c->ready) {
        handshake(c);
        return;
    }
    if (e->events & EPOLLOUT)
        writable(c);
    if (!c->closed && (e->events & ~(uint32_t)EPOLLOUT))
        conn_read(c);
}

/* A connection may be closed by what one event does while another of its events waits: it is freed after the turn. */
static void bury(struct stream *s)
{
    struct conn *c;

    while ((c = s->closed) != NULL) {
        s->closed = c->next_closed;
        free(c->out);
        free(c->kept);
        free(c->large);
        free(c);
    }
}

void stream_turn(struct stream *s)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(s->epoll, events, EVENTS, -1), i;

    if (n < 0 && errno != EINTR)
        fail("epoll_wait: %s", strerror(errno));
    for (i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;

        if (!c || !c->closed)
            event_handle(s, &events[i]);
    }
    bury(s);
}

void conn_close(struct conn *c)
{
    c->stream->ops->close(c);
    close(c->fd);
    c->closed = true;
    c->next_closed = c->stream->closed;
    c->stream->closed = c;
}

int stream_main(const struct stream_ops *ops, int argc, char **argv)
{
    struct options o;

    options_parse(&o, &ops->program, argc, argv);
    return o.server ? stream_server(ops, &o) : stream_client(ops, &o);
}
