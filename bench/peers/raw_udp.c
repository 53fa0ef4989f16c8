/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain UDP over loopback: what the machine can do with datagrams. A message is cut into datagrams of 1,400 bytes, which
 * the system cuts and joins (GSO, GRO), or which leave by sendmmsg() one by one. Nothing is numbered or sent again: a
 * window that the receiver opens, half a mebibyte at a time, keeps its queue from overflowing, and a run in which
 * something was lost all the same does not end, and is void.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "messaging.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#define DATAGRAM 1400
#define BATCH 40 /* datagrams a call */
#define STEP ((size_t)512 << 10)
#define WINDOW (2 * STEP)
#define KIND_CREDIT 'c'

static struct {
    int fd;
    bool gso, server;
    size_t size; /* of a message */
    struct sockaddr_in peer;
    size_t outstanding; /* client: bytes sent and not credited */
    size_t uncredited;  /* server: bytes since the last credit */
    uint8_t buffer[65536];
} u;

static void make_socket(const struct options *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    const int on = 1, room = 4 << 20;

    u.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    u.gso = strcmp(o->mode, "gso") == 0;
    u.server = o->server;
    u.size = o->size;
    if (u.fd < 0 || inet_pton(AF_INET, o->host, &address.sin_addr) != 1)
        fail("no socket");
    setsockopt(u.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    setsockopt(u.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    if (u.gso && setsockopt(u.fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0)
        unsupported("this system does not join datagrams (UDP_GRO)");
    if (o->server ? bind(u.fd, (struct sockaddr *)&address, sizeof(address)) < 0
                  : connect(u.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail("%s: %s", o->host, strerror(errno));
}

static size_t receive_some(void)
{
    socklen_t size = sizeof(u.peer);
    ssize_t n = recvfrom(u.fd, u.buffer, sizeof(u.buffer), 0, (struct sockaddr *)&u.peer, &size);

    if (n < 0)
        fail("receiving: %s", strerror(errno));
    return (size_t)n;
}

static void answer(const void *data, size_t size)
{
    ssize_t n =
        u.server ? sendto(u.fd, data, size, 0, (struct sockaddr *)&u.peer, sizeof(u.peer)) : send(u.fd, data, size, 0);

    if (n < 0)
        fail("sending: %s", strerror(errno));
}

static void wait_for_room(size_t size)
{
    while (u.outstanding + size > WINDOW) {
        if (receive_some() == 1 && u.buffer[0] == KIND_CREDIT)
            u.outstanding -= STEP;
    }
    u.outstanding += size;
}

static void send_joined(const uint8_t *data, size_t size)
{
    const uint16_t segment = DATAGRAM;
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct iovec piece = {(void *)data, size};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = size > DATAGRAM ? control.bytes : NULL,
                             .msg_controllen = size > DATAGRAM ? sizeof(control.bytes) : 0};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    if (header) {
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(segment));
        memcpy(CMSG_DATA(header), &segment, sizeof(segment));
    }
    if (sendmsg(u.fd, &message, 0) < 0)
        fail("sending: %s", strerror(errno));
}

static void send_singly(const uint8_t *data, size_t size)
{
    struct mmsghdr messages[BATCH] = {0};
    struct iovec pieces[BATCH];
    unsigned count = 0;

    for (size_t at = 0; at < size; at += DATAGRAM, count++) {
        pieces[count] = (struct iovec){(void *)(data + at), size - at < DATAGRAM ? size - at : DATAGRAM};
        messages[count].msg_hdr.msg_iov = &pieces[count];
        messages[count].msg_hdr.msg_iovlen = 1;
    }
    for (unsigned sent = 0; sent < count;) {
        int n = sendmmsg(u.fd, messages + sent, count - sent, 0);
        if (n < 0)
            fail("sending: %s", strerror(errno));
        sent += (unsigned)n;
    }
}

static void udp_send(const uint8_t *data, size_t size)
{
    if (u.server) {
        answer(data, size);
        return;
    }
    for (size_t at = 0; at < size; at += BATCH * DATAGRAM) {
        size_t slice = size - at < BATCH * DATAGRAM ? size - at : BATCH * DATAGRAM;

        wait_for_room(slice);
        if (u.gso)
            send_joined(data + at, slice);
        else
            send_singly(data + at, slice);
    }
}

static void credit(size_t size)
{
    const uint8_t word = KIND_CREDIT;

    u.uncredited += size;
    for (; u.uncredited >= STEP; u.uncredited -= STEP)
        answer(&word, 1);
}

static bool is_credit(size_t size)
{
    if (u.server || size != 1 || u.buffer[0] != KIND_CREDIT)
        return false;
    u.outstanding -= STEP;
    return true;
}

/* The next message as a whole: what it holds is looked at in its first datagram alone. */
static void udp_receive(struct received *r)
{
    size_t got = 0, whole = 1;
    uint8_t kind = 0;

    while (got < whole) {
        size_t n = receive_some();

        if (is_credit(n))
            continue;
        if (got == 0) {
            kind = u.buffer[0];
            whole = kind == KIND_DATA || kind == KIND_ECHO ? u.size : n;
        }
        got += n;
        if (u.server)
            credit(n);
    }
    if (got > whole)
        fail("a message is longer than it should be");
    u.buffer[0] = kind;
    *r = (struct received){u.buffer, whole, NULL};
}

static void udp_release(struct received *r)
{
    (void)r;
}

static void udp_close(void)
{
    close(u.fd);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"gso", "mmsg", NULL};
    static const char *const whats[] = {"oneway", "pingpong", NULL};
    static const struct messaging_ops ops = {
        .program = {"raw_udp", modes, whats},
        .listen = make_socket,
        .connect = make_socket,
        .send = udp_send,
        .receive = udp_receive,
        .release = udp_release,
        .close = udp_close,
    };

    return messaging_main(&ops, argc, argv);
}
