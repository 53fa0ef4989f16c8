/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport of its own, in a shared object that knows <hawser/layer.h> alone: bytes go through two rings in memory that
 * both programs share, and a unix socket carries the memory's descriptor and rings the bell. (S1.6, S1.22)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hawser/layer.h>

#define RING_SIZE (64u << 10) /* a power of 2 */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

/* head and tail count bytes since the beginning; only the writer moves head, only the reader tail. */
struct ring {
    _Atomic uint32_t head, tail, ended, full; /* full: the writer waits for room */
    uint8_t data[RING_SIZE];
};

struct shared {
    struct ring rings[2]; /* from who opened, and to it */
};

struct state {
    int fd;
    bool opened, hung_up;
    struct shared *shared; /* NULL: not there yet */
    struct ring *out, *in;
};

__attribute__((visibility("default"))) extern const hawser_layer ring_layer;

static int map(struct state *s, int memory, bool opened)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

    if (shared == MAP_FAILED)
        return -errno;
    s->shared = shared;
    s->out = &shared->rings[opened ? 0 : 1];
    s->in = &shared->rings[opened ? 1 : 0];
    return 0;
}

static int fail(hawser_transport *transport, int code, const char *what)
{
    char reason[160];

    if (code == -ECONNRESET || code == -EPIPE)
        what = "the peer is gone";
    (void)snprintf(reason, sizeof reason, "%s: %s", what, strerror(-code));
    return hawser_transport_fail(transport, code, reason);
}

static int ring_open(hawser_transport *transport, void *state, const struct sockaddr *remote, socklen_t remote_size,
                     const struct sockaddr *local, socklen_t local_size)
{
    struct state *s = state;

    (void)local, (void)local_size;
    s->fd = -1;
    s->opened = true;
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

static int ring_accept(hawser_transport *transport, void *state, int fd)
{
    struct state *s = state;
    int flags = fcntl(fd, F_GETFL);

    s->fd = -1;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        hawser_transport_watch(transport, fd, POLLIN | POLLOUT) < 0)
        return -EINVAL;
    s->fd = fd;
    return 0;
}

/* One byte, with the memory's descriptor. */
static int offer(struct state *s)
{
    int memory = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec piece = {"", 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *head;

    if (memory < 0)
        return -errno;
    r = ftruncate(memory, sizeof(struct shared)) < 0 || fcntl(memory, F_ADD_SEALS, SEALS) < 0 ? -errno
                                                                                              : map(s, memory, true);
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &memory, sizeof memory);
    if (r == 0 && sendmsg(s->fd, &message, MSG_NOSIGNAL) < 0)
        r = -errno;
    close(memory);
    return r;
}

/* What cannot shrink under us, and is as large as it must be. */
static int take_memory(struct state *s, int memory)
{
    struct stat stat;
    int seals = fcntl(memory, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(memory, &stat) < 0 || stat.st_size != sizeof(struct shared))
        return -EPROTO;
    return map(s, memory, false);
}

static int answer(struct state *s)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    int memory, r;

    if (n < 0)
        return -errno;
    if (n == 0)
        return -ECONNRESET;
    if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof memory))
        return -EPROTO;
    memcpy(&memory, CMSG_DATA(head), sizeof memory);
    r = take_memory(s, memory);
    close(memory);
    return r;
}

static int ring_establish(hawser_transport *transport, void *state)
{
    struct state *s = state;
    int r = s->shared ? 0 : s->fd < 0 ? -ECONNREFUSED : s->opened ? offer(s) : answer(s);

    return r < 0 && r != -EAGAIN ? fail(transport, r, s->opened ? "the ring" : "the ring that was offered") : r;
}

/* The bell may be full of rings that were not heard yet: then it is heard anyway. */
static void ring_bell(struct state *s)
{
    (void)!send(s->fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void hear(struct state *s)
{
    char bytes[256];
    ssize_t n;

    while ((n = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0 || (n < 0 && errno == EINTR))
        ;
    s->hung_up |= n == 0 || (n < 0 && errno != EAGAIN);
}

static void ring_watched(hawser_transport *transport, void *state, int fd, short events)
{
    struct state *s = state;

    (void)fd, (void)events;
    if (s->shared)
        hear(s);
    hawser_transport_ready(transport, HAWSER_LAYER_READABLE | HAWSER_LAYER_WRITABLE);
}

/* The other side is another program: what it says of its counters is not believed beyond the ring. */
static int used(struct ring *ring, uint32_t *ret_used)
{
    *ret_used = atomic_load(&ring->head) - atomic_load(&ring->tail);
    return *ret_used > RING_SIZE ? -EPROTO : 0;
}

static void copy_in(struct ring *ring, uint32_t at, const uint8_t *data, uint32_t size)
{
    uint32_t from = at % RING_SIZE, first = size < RING_SIZE - from ? size : RING_SIZE - from;

    memcpy(ring->data + from, data, first);
    memcpy(ring->data, data + first, size - first);
}

static void copy_out(const struct ring *ring, uint32_t at, uint8_t *data, uint32_t size)
{
    uint32_t from = at % RING_SIZE, first = size < RING_SIZE - from ? size : RING_SIZE - from;

    memcpy(data, ring->data + from, first);
    memcpy(data + first, ring->data, size - first);
}

static ssize_t ring_send(hawser_transport *transport, void *state, const struct iovec *pieces, unsigned count)
{
    struct state *s = state;
    uint32_t there, head = atomic_load(&s->out->head), room;
    size_t done = 0;

    if (used(s->out, &there) < 0)
        return fail(transport, -EPROTO, "the ring");
    if (s->hung_up)
        return fail(transport, -EPIPE, "the ring");
    if (there == RING_SIZE) {
        atomic_store(&s->out->full, 1); /* then looks again, since the reader may have been in between */
        if (used(s->out, &there) < 0 || there == RING_SIZE)
            return -EAGAIN;
    }
    room = RING_SIZE - there;
    for (unsigned i = 0; i < count && room > 0; i++) {
        uint32_t size = pieces[i].iov_len < room ? (uint32_t)pieces[i].iov_len : room;

        copy_in(s->out, head, pieces[i].iov_base, size);
        head += size;
        room -= size;
        done += size;
    }
    atomic_store(&s->out->head, head);
    ring_bell(s);
    return (ssize_t)done;
}

static ssize_t ring_receive(hawser_transport *transport, void *state, const struct iovec *pieces, unsigned count)
{
    struct state *s = state;
    uint32_t ended = atomic_load(&s->in->ended), tail = atomic_load(&s->in->tail), there;
    size_t done = 0;

    if (used(s->in, &there) < 0)
        return fail(transport, -EPROTO, "the ring");
    if (there == 0)
        return ended ? 0 : s->hung_up ? fail(transport, -ECONNRESET, "the ring") : -EAGAIN;
    for (unsigned i = 0; i < count && there > 0; i++) {
        uint32_t size = pieces[i].iov_len < there ? (uint32_t)pieces[i].iov_len : there;

        copy_out(s->in, tail, pieces[i].iov_base, size);
        tail += size;
        there -= size;
        done += size;
    }
    atomic_store(&s->in->tail, tail);
    if (atomic_exchange(&s->in->full, 0))
        ring_bell(s);
    return (ssize_t)done;
}

static int ring_shutdown(hawser_transport *transport, void *state)
{
    struct state *s = state;

    (void)transport;
    atomic_store(&s->out->ended, 1);
    ring_bell(s);
    return 0;
}

static int ring_descriptor(hawser_transport *transport, void *state)
{
    (void)transport;
    return ((struct state *)state)->fd;
}

static void ring_link(hawser_transport *transport, void *state, hawser_layer_link *link)
{
    struct state *s = state;
    uint32_t there = 0;

    (void)transport;
    if (!s->shared)
        return;
    link->bytes_sent = atomic_load(&s->out->head);
    link->bytes_received = atomic_load(&s->in->tail);
    if (used(s->out, &there) == 0)
        link->unsent = there;
}

static void ring_close(hawser_transport *transport, void *state)
{
    struct state *s = state;

    (void)transport;
    if (s->shared)
        munmap(s->shared, sizeof *s->shared);
    if (s->fd >= 0)
        close(s->fd);
}

const hawser_layer ring_layer = {
    .version = HAWSER_LAYER_VERSION,
    .flags = HAWSER_LAYER_BYTES,
    .name = "ring",
    .state_size = sizeof(struct state),
    .open = ring_open,
    .accept = ring_accept,
    .establish = ring_establish,
    .send = ring_send,
    .receive = ring_receive,
    .shutdown = ring_shutdown,
    .watched = ring_watched,
    .descriptor = ring_descriptor,
    .link = ring_link,
    .close = ring_close,
};
