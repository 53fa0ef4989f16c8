/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/mdns_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define GROUP_V4 "224.0.0.251"
#define GROUP_V6 "ff02::fb"
#define HOPS 255

static bool is_there(const struct mdns_links *links, const struct mdns_link *link)
{
    for (unsigned i = 0; i < links->count; i++)
        if (links->list[i].interface == link->interface && links->list[i].family == link->family &&
            links->list[i].address.s_addr == link->address.s_addr)
            return true;
    return false;
}

static void add_link(struct mdns_links *links, const struct ifaddrs *at)
{
    struct mdns_link link = {.interface = if_nametoindex(at->ifa_name), .family = at->ifa_addr->sa_family};
    struct sockaddr_in address, mask;

    if (link.family == AF_INET && at->ifa_netmask) {
        memcpy(&address, at->ifa_addr, sizeof address);
        memcpy(&mask, at->ifa_netmask, sizeof mask);
        link.address = address.sin_addr;
        link.mask = mask.sin_addr;
    }
    if (link.interface && links->count < MDNS_LINKS && !is_there(links, &link))
        links->list[links->count++] = link;
}

void mdns_links_read(struct mdns_links *links)
{
    const unsigned wanted = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    struct ifaddrs *list;

    links->count = 0;
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *at = list; at; at = at->ifa_next)
        if (at->ifa_addr && (at->ifa_flags & (wanted | IFF_LOOPBACK)) == wanted &&
            (at->ifa_addr->sa_family == AF_INET || at->ifa_addr->sa_family == AF_INET6))
            add_link(links, at);
    freeifaddrs(list);
}

/* No router passes on what has all of its hops left, and none sends what is of the link. */
static bool is_from_link(const struct mdns_link *link, const struct mdns_source *source)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    if (source->hops == HOPS)
        return true;
    if (link->family == AF_INET) {
        memcpy(&v4, &source->address, sizeof v4);
        return ((v4.sin_addr.s_addr ^ link->address.s_addr) & link->mask.s_addr) == 0;
    }
    memcpy(&v6, &source->address, sizeof v6);
    return IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr);
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    struct sockaddr_in v4; /* the port is where IPv6 has it */

    memcpy(&v4, address, sizeof v4);
    return ntohs(v4.sin_port);
}

bool mdns_source_is_right(const struct mdns_links *links, const struct mdns_source *source)
{
    if (port_of(&source->address) != MDNS_PORT)
        return false;
    for (unsigned i = 0; i < links->count; i++)
        if (links->list[i].interface == source->interface && links->list[i].family == source->address.ss_family &&
            is_from_link(&links->list[i], source))
            return true;
    return false;
}

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

int mdns_socket(int family)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool right;

    if (fd < 0)
        return -errno;
    if (family == AF_INET)
        right = set(fd, IPPROTO_IP, IP_PKTINFO, 1) && set(fd, IPPROTO_IP, IP_RECVTTL, 1) &&
                set(fd, IPPROTO_IP, IP_MULTICAST_TTL, HOPS);
    else
        right = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
                set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) && set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, HOPS);
    if (!right) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static void add_control(struct msghdr *message, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);

    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), data, size);
    message->msg_controllen = CMSG_SPACE(size);
}

int mdns_send(int fd, int family, unsigned interface, const uint8_t *packet, size_t size)
{
    union {
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        struct cmsghdr align;
    } control = {.room = {0}};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(MDNS_PORT), .sin6_scope_id = interface};
    struct in_pktinfo info4 = {.ipi_ifindex = (int)interface};
    struct in6_pktinfo info6 = {.ipi6_ifindex = interface};
    struct iovec vector = {(void *)(uintptr_t)packet, size};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};

    if (family == AF_INET) {
        inet_pton(AF_INET, GROUP_V4, &v4.sin_addr);
        message.msg_name = &v4;
        message.msg_namelen = sizeof v4;
        add_control(&message, IPPROTO_IP, IP_PKTINFO, &info4, sizeof info4);
    } else {
        inet_pton(AF_INET6, GROUP_V6, &v6.sin6_addr);
        message.msg_name = &v6;
        message.msg_namelen = sizeof v6;
        add_control(&message, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void read_control(const struct cmsghdr *control, struct mdns_source *source)
{
    struct in_pktinfo info4;
    struct in6_pktinfo info6;

    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        memcpy(&info4, CMSG_DATA(control), sizeof info4);
        source->interface = (unsigned)info4.ipi_ifindex;
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        memcpy(&info6, CMSG_DATA(control), sizeof info6);
        source->interface = info6.ipi6_ifindex;
    } else if ((control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TTL) ||
               (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_HOPLIMIT)) {
        memcpy(&source->hops, CMSG_DATA(control), sizeof source->hops);
    }
}

ssize_t mdns_receive(int fd, uint8_t *packet, size_t size, struct mdns_source *ret_source)
{
    union {
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec vector = {packet, size};
    struct msghdr message = {.msg_name = &ret_source->address,
                             .msg_namelen = sizeof ret_source->address,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);

    if (got < 0)
        return -errno;
    ret_source->interface = 0;
    ret_source->hops = -1;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at))
        read_control(at, ret_source);
    return message.msg_flags & MSG_TRUNC ? 0 : got;
}
