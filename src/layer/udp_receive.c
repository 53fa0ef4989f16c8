/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in on a UDP socket. Several datagrams a call (recvmmsg), each of which may be many of one size that the
 * system joined (GRO), into memory that all sockets of a context share: whoever is told takes what it wants at once.
 */
#include <time.h> /* before errqueue.h, which uses it */

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "layer/udp_internal.h"

#define SLOTS 32
#define SLOTS_LARGE 4 /* when they come joined: what is told soon is still in the processor's cache */
#define LARGE 16384
#define SLOT_SIZE 65536
#define TURN (1u << 20) /* bytes, and calls as follows, before others have theirs */
#define TURN_CALLS 32

struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[256];
};

/* Pages that nothing came into are never touched. */
struct receiver {
    struct mmsghdr messages[SLOTS];
    struct iovec pieces[SLOTS];
    struct layer_address remotes[SLOTS];
    struct control controls[SLOTS];
    struct udp_packet packets[SLOTS];
    unsigned slots; /* that are used */
    uint8_t data[SLOTS][SLOT_SIZE];
};

static struct receiver *receiver_of(hawser_context *context)
{
    struct receiver *receiver = loop_part(context, LOOP_PART_UDP);

    if (!receiver) {
        receiver = malloc(sizeof *receiver);
        if (receiver)
            receiver->slots = SLOTS;
        if (receiver)
            loop_set_part(context, LOOP_PART_UDP, receiver, free);
    }
    return receiver;
}

static void prepare(struct receiver *receiver)
{
    for (unsigned i = 0; i < receiver->slots; i++) {
        receiver->pieces[i] = (struct iovec){receiver->data[i], SLOT_SIZE};
        receiver->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &receiver->remotes[i].address,
            .msg_namelen = sizeof receiver->remotes[i].address,
            .msg_iov = &receiver->pieces[i],
            .msg_iovlen = 1,
            .msg_control = receiver->controls[i].bytes,
            .msg_controllen = sizeof receiver->controls[i].bytes,
        };
    }
}

/* ------------------------------------------------------------------------------------------------------ what is said */

static void set_local4(struct udp_packet *packet, const struct in_pktinfo *info)
{
    struct sockaddr_in *local = (struct sockaddr_in *)&packet->local.address;
    /* Who was addressed as one of a group answers from its own address. */
    bool group = IN_MULTICAST(ntohl(info->ipi_addr.s_addr)) || info->ipi_addr.s_addr == htonl(INADDR_BROADCAST);

    if (local->sin_family == AF_INET)
        local->sin_addr = group ? info->ipi_spec_dst : info->ipi_addr;
    packet->interface = info->ipi_ifindex;
}

static void set_local6(struct udp_packet *packet, const struct in6_pktinfo *info)
{
    struct sockaddr_in6 *local = (struct sockaddr_in6 *)&packet->local.address;

    packet->interface = (int)info->ipi6_ifindex;
    if (IN6_IS_ADDR_MULTICAST(&info->ipi6_addr))
        return;
    local->sin6_addr = info->ipi6_addr;
    local->sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr) ? info->ipi6_ifindex : 0;
}

static void read_word(const struct cmsghdr *header, void *word, size_t size)
{
    memcpy(word, CMSG_DATA(header), size);
}

static void read_said(struct udp_packet *packet, const struct cmsghdr *header)
{
    int level = header->cmsg_level, type = header->cmsg_type, word = 0;
    struct timespec stamps[3];
    struct in6_pktinfo info6;
    struct in_pktinfo info4;
    uint8_t tos;

    if (level == SOL_UDP && type == UDP_GRO) {
        read_word(header, &word, sizeof word);
        if (word > 0 && (size_t)word < packet->size)
            packet->segment = (size_t)word;
    } else if (level == IPPROTO_IP && type == IP_TOS) {
        read_word(header, &tos, sizeof tos);
        packet->ecn = tos & 3;
    } else if (level == IPPROTO_IPV6 && type == IPV6_TCLASS) {
        read_word(header, &word, sizeof word);
        packet->ecn = (uint8_t)(word & 3);
    } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
        read_word(header, &info4, sizeof info4);
        set_local4(packet, &info4);
    } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
        read_word(header, &info6, sizeof info6);
        set_local6(packet, &info6);
    } else if (level == SOL_SOCKET && type == SCM_TIMESTAMPING) {
        read_word(header, stamps, sizeof stamps);
        packet->received_at = udp_stamp_time(&stamps[0]);
    }
}

static void tell(struct udp_socket *socket, struct receiver *receiver, unsigned slot)
{
    struct msghdr *message = &receiver->messages[slot].msg_hdr;
    struct udp_packet *packet = &receiver->packets[slot];

    *packet = (struct udp_packet){
        .data = receiver->data[slot],
        .size = receiver->messages[slot].msg_len,
        .segment = receiver->messages[slot].msg_len,
        .remote = receiver->remotes[slot],
        .local = socket->local,
        .stays = true,
    };
    packet->remote.size = message->msg_namelen;
    if (packet->remote.size == 0) /* cannot be told from whom: a descriptor of a strange kind */
        return;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header))
        read_said(packet, header);
    socket->user->packet(socket, packet);
}

/* ----------------------------------------------------------------------------------------------------------- reading */

/* ICMP errors that are pending come from here, too; they are in the error queue, with more said of them. */
static int receive_batch(struct udp_socket *socket, struct receiver *receiver)
{
    int n;

    for (int tries = 0; tries < 16; tries++) {
        prepare(receiver);
        n = recvmmsg(socket->io.fd, receiver->messages, receiver->slots, MSG_DONTWAIT, NULL);
        if (n >= 0)
            return n;
        if (errno == EAGAIN)
            return -EAGAIN;
        if (errno == ENOMEM || errno == EBADF || errno == ENOTSOCK)
            return -errno;
    }
    return -EAGAIN;
}

void udp_receive_some(struct udp_socket *socket)
{
    struct receiver *receiver = receiver_of(socket->context);
    size_t turn = 0, batch;

    for (unsigned calls = 0; receiver && !socket->closed && socket->user->may_read(socket); calls++) {
        int n, asked;

        if (turn >= TURN || calls == TURN_CALLS) {
            loop_defer_next(socket->context, &socket->more);
            return;
        }
        asked = (int)receiver->slots;
        n = receive_batch(socket, receiver);
        if (n <= 0)
            return;
        batch = 0;
        for (int i = 0; i < n && !socket->closed; i++) {
            batch += receiver->messages[i].msg_len;
            tell(socket, receiver, (unsigned)i);
        }
        if (!socket->closed)
            socket->user->batch_end(socket);
        turn += batch;
        receiver->slots = batch / (size_t)n >= LARGE ? SLOTS_LARGE : SLOTS;
        if (n < asked)
            return; /* that was all: what comes from now on makes an edge of its own */
    }
}

/* ------------------------------------------------------------------------------------------------------------ errors */

/* What a router says that it can pass is believed as far as routers exist that can no more: IPv6 has a least size (RFC 8201
 * section 4), and below 552 bytes the system does not believe it of IPv4 either (ip_rt_min_pmtu). */
static unsigned believed_mtu(const struct sock_extended_err *error)
{
    unsigned least = error->ee_origin == SO_EE_ORIGIN_ICMP6 ? 1280 : error->ee_origin == SO_EE_ORIGIN_ICMP ? 552 : 0;

    if (error->ee_errno != EMSGSIZE)
        return 0;
    return error->ee_info > 0 && error->ee_info < least ? least : error->ee_info;
}

static void tell_error(struct udp_socket *socket, const struct sock_extended_err *error,
                       const struct layer_address *remote)
{
    bool icmp = error->ee_origin == SO_EE_ORIGIN_ICMP || error->ee_origin == SO_EE_ORIGIN_ICMP6;

    if (!icmp && error->ee_origin != SO_EE_ORIGIN_LOCAL)
        return;
    socket->user->error(socket, &(struct udp_said){remote, -(int)error->ee_errno, believed_mtu(error), icmp});
}

static void read_error(struct udp_socket *socket, struct msghdr *message, struct layer_address *remote)
{
    const struct cmsghdr *stamp = NULL;
    struct sock_extended_err error = {0};
    struct timespec stamps[3];
    bool found = false;

    remote->size = message->msg_namelen;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPING)
            stamp = header;
        if ((header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
            (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR)) {
            read_word(header, &error, sizeof error);
            found = true;
        }
    }
    if (!found)
        return;
    if (error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && stamp) {
        read_word(stamp, stamps, sizeof stamps);
        udp_stamp_came(socket, error.ee_data, udp_stamp_time(&stamps[0]));
    } else {
        tell_error(socket, &error, remote);
    }
}

void udp_receive_errors(struct udp_socket *socket)
{
    struct layer_address remote;
    struct control control;
    uint8_t quoted[64]; /* the beginning of what was sent */

    for (int i = 0; i < 256 && !socket->closed; i++) {
        struct iovec piece = {quoted, sizeof quoted};
        struct msghdr message = {
            .msg_name = &remote.address,
            .msg_namelen = sizeof remote.address,
            .msg_iov = &piece,
            .msg_iovlen = 1,
            .msg_control = control.bytes,
            .msg_controllen = sizeof control.bytes,
        };

        if (recvmsg(socket->io.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        read_error(socket, &message, &remote);
    }
}
