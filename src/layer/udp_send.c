/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes out on a UDP socket: many datagrams of one size in one call, which the system cuts (GSO), or where it cannot,
 * one call for many (sendmmsg).
 */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "layer/udp_internal.h"

#ifndef SCM_TXTIME
#define SCM_TXTIME 61
#endif

struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[256];
    size_t size;
};

static void put(struct control *control, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *header = (struct cmsghdr *)(void *)(control->bytes + control->size);

    memset(header, 0, CMSG_SPACE(size));
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), data, size);
    control->size += CMSG_SPACE(size);
}

static void put_local(struct control *control, const struct layer_address *local)
{
    const struct sockaddr_in6 *v6 = (const void *)&local->address;
    struct in6_pktinfo info6 = {.ipi6_addr = v6->sin6_addr, .ipi6_ifindex = v6->sin6_scope_id};
    struct in_pktinfo info4 = {.ipi_spec_dst = ((const struct sockaddr_in *)&local->address)->sin_addr};

    if (udp_is_any(local))
        return;
    if (local->address.ss_family == AF_INET6)
        put(control, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
    else
        put(control, IPPROTO_IP, IP_PKTINFO, &info4, sizeof info4);
}

static void put_mark(struct control *control, const struct udp_socket *socket, const struct udp_out *out)
{
    int mark = out->dscp << 2 | (out->ecn & 3);
    bool v4 = socket->family == AF_INET || (out->remote && udp_is_mapped(out->remote));

    if (mark == 0)
        return;
    put(control, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &mark, sizeof mark);
}

/* The queue discipline's clock is the monotonic one; ours goes on while the machine sleeps. */
static void put_time(struct control *control, int64_t send_at)
{
    struct timespec now;
    uint64_t when;

    clock_gettime(CLOCK_MONOTONIC, &now);
    when = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + (uint64_t)(send_at - loop_clock()) * 1000;
    put(control, SOL_SOCKET, SCM_TXTIME, &when, sizeof when);
}

static void put_common(struct control *control, const struct udp_socket *socket, const struct udp_out *out)
{
    control->size = 0;
    put_mark(control, socket, out);
    if (out->local && socket->any)
        put_local(control, out->local);
    if (out->send_at && socket->txtime)
        put_time(control, out->send_at);
}

static struct msghdr message_to(const struct udp_socket *socket, const struct udp_out *out, struct control *control)
{
    struct msghdr message = {.msg_control = control->size ? control->bytes : NULL, .msg_controllen = control->size};

    if (!socket->connected && out->remote) {
        message.msg_name = (void *)&out->remote->address;
        message.msg_namelen = out->remote->size;
    }
    return message;
}

/* An error of an earlier datagram, ours or another peer's, which the error queue tells in full. */
static bool is_of_another(int error)
{
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
           error == ENOPROTOOPT || error == EPROTO || error == EACCES || error == EMSGSIZE || error == EINTR ||
           error == ENONET || error == EOPNOTSUPP;
}

static size_t size_of(const struct udp_out *out)
{
    size_t size = 0;

    for (unsigned i = 0; i < out->count; i++)
        size += out->pieces[i].iov_len;
    return size;
}

static int failed(struct udp_socket *socket, int error)
{
    if (error == EAGAIN) {
        socket->writable = false;
        return -EAGAIN;
    }
    /* With RECVERR the system says that its queue was full and dropped it: lost, as anywhere on the way. */
    return error == ENOBUFS ? 0 : -error;
}

/* ---------------------------------------------------------------------------------------------------------- in one */

static int send_one(struct udp_socket *socket, const struct udp_out *out, size_t size)
{
    struct control control;
    struct msghdr message;
    uint16_t segment = (uint16_t)out->segment;
    ssize_t n;

    put_common(&control, socket, out);
    if (out->segment && size > out->segment)
        put(&control, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    message = message_to(socket, out, &control);
    message.msg_iov = (struct iovec *)out->pieces;
    message.msg_iovlen = out->count;
    for (int tries = 0; tries < 3; tries++) {
        n = sendmsg(socket->io.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0 || !is_of_another(errno))
            break;
    }
    return n < 0 ? failed(socket, errno) : 0;
}

/* ---------------------------------------------------------------------------------------------------- one by one */

/* Pieces of one datagram: those of `out` from offset `at` on, `size` bytes. How many; -1: more than there is room for. */
static int cut(const struct udp_out *out, size_t at, size_t size, struct iovec *pieces, unsigned room)
{
    unsigned count = 0;

    for (unsigned i = 0; i < out->count && size > 0; i++) {
        size_t here = out->pieces[i].iov_len;

        if (at >= here) {
            at -= here;
            continue;
        }
        here = here - at < size ? here - at : size;
        if (count == room)
            return -1;
        pieces[count++] = (struct iovec){(uint8_t *)out->pieces[i].iov_base + at, here};
        size -= here;
        at = 0;
    }
    return (int)count;
}

static int send_split(struct udp_socket *socket, const struct udp_out *out, size_t size, struct udp_layer *udp,
                      uint64_t number)
{
    struct mmsghdr messages[UDP_SEGMENTS_MAX];
    struct iovec pieces[2 * UDP_SEGMENTS_MAX];
    size_t at = 0;
    struct control control;

    put_common(&control, socket, out);
    while (at < size) {
        unsigned count = 0, used = 0;
        size_t end = at;
        int n;

        while (end < size && count < UDP_SEGMENTS_MAX) {
            size_t here = size - end < out->segment ? size - end : out->segment;
            int cuts = cut(out, end, here, pieces + used, 2 * UDP_SEGMENTS_MAX - used);

            if (cuts < 0)
                break;
            messages[count].msg_hdr = message_to(socket, out, &control);
            messages[count].msg_hdr.msg_iov = pieces + used;
            messages[count++].msg_hdr.msg_iovlen = (size_t)cuts;
            used += (unsigned)cuts;
            end += here;
        }
        if (count == 0)
            return -EINVAL; /* in more pieces than anybody gives */
        n = sendmmsg(socket->io.fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && is_of_another(errno))
            n = sendmmsg(socket->io.fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            udp_stamp_sent(socket, udp, number, (unsigned)n);
            at += (size_t)n * out->segment;
            continue;
        }
        n = failed(socket, errno);
        if (n == -EAGAIN && at > 0) /* what left has left, so the rest is ours */
            return (void)udp_queue_add(socket, out, at, loop_clock(), udp, number), 0;
        if (n < 0)
            return n;
        at += out->segment;
    }
    return 0;
}

int udp_transmit(struct udp_socket *socket, const struct udp_out *out, struct udp_layer *udp, uint64_t number)
{
    size_t size = size_of(out);
    bool several = out->segment && size > out->segment;
    int r;

    if (!socket->writable)
        return -EAGAIN;
    if (several && socket->no_gso)
        return send_split(socket, out, size, udp, number);
    r = send_one(socket, out, size);
    if (r == 0)
        udp_stamp_sent(socket, udp, number, 1);
    if (!several || (r != -EIO && r != -EINVAL && r != -EMSGSIZE))
        return r;
    /* EIO: the device cannot be given what is still to be cut. EINVAL: pieces that do not pass whole, in older systems. */
    if (r == -EIO) {
        socket->no_gso = true;
        return send_split(socket, out, size, udp, number);
    }
    return -EMSGSIZE;
}
