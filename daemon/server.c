/* SPDX-License-Identifier: Apache-2.0 */
/* The loop, and the clients: one packet of each at a time, answered before the next is read. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/mptcp.h>

#include "hawserd.h"
#include "mptcp/wire.h"
#include "packet.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

enum { REPLY_MAX = sizeof(struct wire_reply) + WIRE_SUBFLOWS_MAX * sizeof(struct wire_subflow), READY_MAX = 32 };

/* Owner: server.c */
struct client {
    int fd;
    struct asker asker;
    unsigned index;                 /* in daemon.clients */
    bool paused;                    /* its user has something that is not closed yet: nothing is read */
    bool gone;                      /* to be dropped at the end of the turn */
    uint32_t watched, watch_number; /* token and request; 0: none */
    struct wire_reply *unsent;      /* waits for room */
    size_t unsent_size;
};

/* ------------------------------------------------------------------------------------------------------------- clients */

static void want(struct daemon *daemon, struct client *client)
{
    struct epoll_event event = {.events = client->unsent ? EPOLLOUT : client->paused ? 0 : EPOLLIN, .data.ptr = client};

    epoll_ctl(daemon->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static int read_asker(int fd, struct asker *ret_asker)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -errno;
    ret_asker->uid = credentials.uid;
    size = sizeof ret_asker->groups - sizeof *ret_asker->groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret_asker->groups + 1, &size) < 0)
        size = 0; /* more of them than there is room for: rules are held against the primary one */
    ret_asker->groups[0] = credentials.gid;
    ret_asker->group_count = 1 + size / sizeof *ret_asker->groups;
    return 0;
}

static void add_client(struct daemon *daemon, int fd, const struct asker *asker)
{
    struct client *client = calloc(1, sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    if (client) {
        client->fd = fd;
        client->asker = *asker;
        client->paused = closer_is_busy(daemon->closer, asker->uid);
        client->index = daemon->client_count;
        if (client->paused)
            event.events = 0;
        if (epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
            daemon->clients[daemon->client_count++] = client;
            return;
        }
    }
    free(client);
    closer_close(daemon->closer, fd, asker->uid);
}

static void accept_client(struct daemon *daemon)
{
    struct asker asker;
    unsigned same_user = 0;
    int fd = accept4(daemon->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (read_asker(fd, &asker) < 0) {
        close(fd);
        return;
    }
    for (unsigned i = 0; i < daemon->client_count; i++)
        same_user += daemon->clients[i]->asker.uid == asker.uid;
    if (same_user >= CLIENTS_A_USER_MAX || daemon->client_count == CLIENTS_MAX)
        closer_close(daemon->closer, fd, asker.uid);
    else
        add_client(daemon, fd, &asker);
}

static void drop_client(struct daemon *daemon, struct client *client)
{
    struct client *last = daemon->clients[--daemon->client_count];

    daemon->clients[client->index] = last;
    last->index = client->index;
    epoll_ctl(daemon->epoll, EPOLL_CTL_DEL, client->fd, NULL); /* a thread may keep it open for a while */
    closer_close(daemon->closer, client->fd, client->asker.uid);
    free(client->unsent);
    free(client);
}

static void drop_gone(struct daemon *daemon)
{
    for (unsigned i = daemon->client_count; i > 0; i--)
        if (daemon->clients[i - 1]->gone)
            drop_client(daemon, daemon->clients[i - 1]);
}

/* ------------------------------------------------------------------------------------------------------------- packets */

/* One packet: its size, 0 at the end, -errno. ret_fds: those of its descriptors that fit. */
static ssize_t receive(int socket, void *data, size_t size, int ret_fds[2], unsigned *ret_count)
{
    union {
        char space[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {data, size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT | MSG_TRUNC);

    *ret_count = 0;
    if (n < 0)
        return -errno;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        *ret_count = (unsigned)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(ret_fds, CMSG_DATA(head), *ret_count * sizeof(int)); /* the room is for two */
    }
    /* What did not fit was closed by the kernel; it was too much in any case. */
    return message.msg_flags & (MSG_CTRUNC | MSG_TRUNC) && n > 0 ? -EMSGSIZE : n;
}

static void send_reply(struct daemon *daemon, struct client *client, struct wire_reply *reply)
{
    size_t size = packet_reply_size(reply);

    if (send(client->fd, reply, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return;
    if (errno != EAGAIN || !(client->unsent = malloc(size))) {
        client->gone = true;
        return;
    }
    memcpy(client->unsent, reply, size);
    client->unsent_size = size;
    want(daemon, client);
}

static void other_version(struct daemon *daemon, struct client *client, const struct wire_request *request,
                          struct wire_reply *reply)
{
    packet_reply(request, reply);
    reply->code = -EPROTONOSUPPORT;
    snprintf(reply->reason, sizeof reply->reason, "this helper speaks version %d of its protocol", WIRE_VERSION);
    send_reply(daemon, client, reply);
    client->gone = true;
}

static void answer(struct daemon *daemon, struct client *client, const struct wire_request *request, int received)
{
    static union {
        struct wire_reply reply;
        char space[REPLY_MAX];
    } room; /* one thread, one request at a time */

    packet_reply(request, &room.reply);
    perform(daemon, &client->asker, request, received, &room.reply);
    if (request->head.type == WIRE_WATCH && room.reply.code == 0) {
        client->watched = room.reply.token;
        client->watch_number = request->head.number;
    }
    send_reply(daemon, client, &room.reply);
}

static void read_client(struct daemon *daemon, struct client *client)
{
    struct wire_request request;
    struct wire_reply reply;
    char data[sizeof request + 1];
    unsigned count;
    int fds[2];
    ssize_t n;

    if (closer_is_busy(daemon->closer, client->asker.uid)) {
        client->paused = true;
        want(daemon, client);
        return;
    }
    n = receive(client->fd, data, sizeof data, fds, &count);
    if (n == -EAGAIN || n == -EINTR)
        return;
    switch (n <= 0 ? PACKET_GARBAGE : packet_read(data, (size_t)n, count, &request)) {
    case PACKET_REQUEST:
        answer(daemon, client, &request, count ? fds[0] : -1);
        count = 0; /* perform() closed it */
        break;
    case PACKET_OTHER_VERSION:
        other_version(daemon, client, &request, &reply);
        break;
    case PACKET_GARBAGE:
        client->gone = true;
        break;
    }
    for (unsigned i = 0; i < count; i++)
        closer_close(daemon->closer, fds[i], client->asker.uid);
}

static void write_client(struct daemon *daemon, struct client *client)
{
    if (!client->unsent)
        return;
    if (send(client->fd, client->unsent, client->unsent_size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        client->gone = errno != EAGAIN && errno != EINTR;
        return;
    }
    free(client->unsent);
    client->unsent = NULL;
    want(daemon, client);
}

void watchers_tell(struct daemon *daemon, uint32_t token, const struct wire_event *event)
{
    struct wire_event told = *event;

    for (unsigned i = 0; i < daemon->client_count; i++) {
        struct client *client = daemon->clients[i];

        if (client->watched == 0 || (token != 0 && client->watched != token))
            continue;
        told.head.number = client->watch_number;
        /* Who does not read is dropped, and asks anew; so no event is missing where none is said to be. */
        if (token == 0 || client->unsent || send(client->fd, &told, sizeof told, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            client->gone = true;
        else if (event->type == HAWSER_MPTCP_CLOSED)
            client->watched = 0;
    }
}

/* ---------------------------------------------------------------------------------------------------------------- loop */

static void read_grants(struct daemon *daemon)
{
    struct grants *fresh = malloc(sizeof *fresh);
    char reason[256];

    if (!daemon->grants_file || !fresh) {
        free(fresh);
        return;
    }
    if (grants_read(daemon->grants_file, fresh, reason, sizeof reason) < 0) {
        say("%s; what was read before stays", reason);
    } else {
        daemon->grants = *fresh;
        say("read %s", daemon->grants_file);
    }
    free(fresh);
}

static void read_signals(struct daemon *daemon)
{
    struct signalfd_siginfo info;

    while (read(daemon->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP)
            read_grants(daemon);
        else
            daemon->ending = true;
    }
}

static void read_closed(struct daemon *daemon)
{
    closer_clear(daemon->closer);
    for (unsigned i = 0; i < daemon->client_count; i++) {
        struct client *client = daemon->clients[i];

        if (client->paused && !closer_is_busy(daemon->closer, client->asker.uid)) {
            client->paused = false;
            want(daemon, client);
        }
    }
}

static void turn(struct daemon *daemon, const struct epoll_event *event)
{
    struct client *client = event->data.ptr;

    if (event->data.ptr == &daemon->listener)
        accept_client(daemon);
    else if (event->data.ptr == &daemon->signals)
        read_signals(daemon);
    else if (event->data.ptr == &daemon->events)
        watch_read(daemon);
    else if (event->data.ptr == &daemon->closed)
        read_closed(daemon);
    else if (client->gone)
        return;
    else if (event->events & EPOLLOUT)
        write_client(daemon, client);
    else if (event->events & EPOLLIN)
        read_client(daemon, client);
    else if (event->events & (EPOLLHUP | EPOLLERR))
        client->gone = true;
}

int server_run(struct daemon *daemon)
{
    struct epoll_event ready[READY_MAX];
    int *const ours[] = {&daemon->listener, &daemon->signals, &daemon->events, &daemon->closed};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = ours[i]};
        if (*ours[i] >= 0 && epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, *ours[i], &event) < 0)
            return -errno;
    }
    while (!daemon->ending) {
        int count = epoll_wait(daemon->epoll, ready, READY_MAX, -1);

        if (count < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < count; i++)
            turn(daemon, &ready[i]);
        drop_gone(daemon);
    }
    while (daemon->client_count > 0)
        drop_client(daemon, daemon->clients[0]);
    return 0;
}
