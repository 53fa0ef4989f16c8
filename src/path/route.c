/* SPDX-License-Identifier: Apache-2.0 */
#include "path/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <linux/neighbour.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "layer/netlink.h"

enum { DISCARD = 9 }; /* a port for sockets that never send */

const void *route_bytes(const struct layer_address *address, size_t *ret_size)
{
    if (address->address.ss_family == AF_INET) {
        *ret_size = 4;
        return &((const struct sockaddr_in *)(const void *)&address->address)->sin_addr;
    }
    *ret_size = 16;
    return &((const struct sockaddr_in6 *)(const void *)&address->address)->sin6_addr;
}

bool route_same_bytes(const struct layer_address *a, const struct layer_address *b)
{
    size_t size;
    const void *one, *other;

    if (a->size == 0 || b->size == 0 || a->address.ss_family != b->address.ss_family)
        return false;
    one = route_bytes(a, &size);
    other = route_bytes(b, &size);
    return memcmp(one, other, size) == 0;
}

void route_text(const struct layer_address *address, char *ret_text, size_t size)
{
    size_t bytes_size;

    if (address->size == 0 ||
        !inet_ntop(address->address.ss_family, route_bytes(address, &bytes_size), ret_text, (socklen_t)size))
        *ret_text = '\0';
}

static void put_bytes(struct layer_address *address, int family, const void *bytes)
{
    struct sockaddr_in *four = (void *)&address->address;
    struct sockaddr_in6 *six = (void *)&address->address;

    memset(address, 0, sizeof *address);
    address->address.ss_family = (sa_family_t)family;
    address->size = family == AF_INET ? sizeof *four : sizeof *six;
    if (family == AF_INET)
        memcpy(&four->sin_addr, bytes, 4);
    else
        memcpy(&six->sin6_addr, bytes, 16);
}

void route_plain(const struct layer_address *address, struct layer_address *ret_address)
{
    const struct sockaddr_in6 *six = (const void *)&address->address;
    in_port_t port = six->sin6_port;

    if (address->address.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        struct layer_address plain;
        put_bytes(&plain, AF_INET, &six->sin6_addr.s6_addr[12]);
        ((struct sockaddr_in *)(void *)&plain.address)->sin_port = port;
        *ret_address = plain;
    } else if (address != ret_address) {
        *ret_address = *address;
    }
}

/* ---------------------------------------------------------------------------------------------------------- route */

static void take_gateway(const struct nlmsghdr *message, const struct rtmsg *head, struct route *route)
{
    size_t size = head->rtm_family == AF_INET ? 4 : 16;
    const void *gateway = netlink_get(message, sizeof *head, RTA_GATEWAY, size);
    const struct rtvia *via = netlink_get(message, sizeof *head, RTA_VIA, sizeof *via + 16);

    if (gateway)
        put_bytes(&route->gateway, head->rtm_family, gateway);
    else if (via && via->rtvia_family == AF_INET6)
        put_bytes(&route->gateway, AF_INET6, via->rtvia_addr);
    route->on_link = route->gateway.size == 0;
}

static void take_route(void *user, const struct nlmsghdr *message)
{
    const struct rtmsg *head = netlink_head(message, sizeof *head);
    struct route *route = user;
    const uint32_t *index;
    const void *source;

    if (message->nlmsg_type != RTM_NEWROUTE || !head)
        return;
    index = netlink_get(message, sizeof *head, RTA_OIF, sizeof *index);
    source = netlink_get(message, sizeof *head, RTA_PREFSRC, head->rtm_family == AF_INET ? 4 : 16);
    route->index = index ? *index : 0;
    route->here = head->rtm_type == RTN_LOCAL;
    if (source)
        put_bytes(&route->source, head->rtm_family, source);
    take_gateway(message, head, route);
}

static void take_prefix(void *user, const struct nlmsghdr *message)
{
    const struct rtmsg *head = netlink_head(message, sizeof *head);

    if (message->nlmsg_type == RTM_NEWROUTE && head)
        ((struct route *)user)->prefix = head->rtm_dst_len;
}

static void begin_route(struct netlink_request *request, const struct layer_address *remote, unsigned index,
                        const struct layer_address *source, unsigned flags)
{
    size_t size;
    const void *bytes = route_bytes(remote, &size);
    uint32_t output = index;
    struct rtmsg head = {
        .rtm_family = (uint8_t)remote->address.ss_family, .rtm_dst_len = (uint8_t)(size * 8), .rtm_flags = flags};

    head.rtm_src_len = source ? head.rtm_dst_len : 0;
    netlink_begin(request, RTM_GETROUTE, 0, &head, sizeof head);
    netlink_put(request, RTA_DST, bytes, size);
    if (source)
        netlink_put(request, RTA_SRC, route_bytes(source, &size), size);
    if (index)
        netlink_put(request, RTA_OIF, &output, sizeof output);
}

/*
 * Two questions. For IPv4 over a given interface the kernel takes any address to be on the link when no route matches:
 * which route matched says whether there is one.
 */
int route_ask(int fd, const struct layer_address *remote, unsigned index, const struct layer_address *source,
              struct route *ret_route)
{
    struct netlink_request request;
    int r;

    memset(ret_route, 0, sizeof *ret_route);
    begin_route(&request, remote, index, source, RTM_F_FIB_MATCH);
    if ((r = netlink_ask(fd, &request, take_prefix, ret_route)) < 0)
        return r;
    begin_route(&request, remote, index, source, 0);
    if ((r = netlink_ask(fd, &request, take_route, ret_route)) < 0)
        return r;
    if (ret_route->source.size == 0 && source)
        ret_route->source = *source;
    return ret_route->index ? 0 : -ENETUNREACH;
}

/* ------------------------------------------------------------------------------------------------------ neighbour */

struct neighbour_answer {
    char *text;
    size_t size;
};

static void take_neighbour(void *user, const struct nlmsghdr *message)
{
    const struct ndmsg *head = netlink_head(message, sizeof *head);
    struct neighbour_answer *answer = user;
    const uint8_t *link;

    if (message->nlmsg_type != RTM_NEWNEIGH || !head || (head->ndm_state & (NUD_INCOMPLETE | NUD_FAILED | NUD_NONE)))
        return;
    link = netlink_get(message, sizeof *head, NDA_LLADDR, 6);
    if (link)
        snprintf(answer->text, answer->size, "%02x:%02x:%02x:%02x:%02x:%02x", link[0], link[1], link[2], link[3],
                 link[4], link[5]);
}

int route_neighbour(int fd, unsigned index, const struct layer_address *address, char *ret_text, size_t size)
{
    size_t bytes_size;
    const void *bytes = route_bytes(address, &bytes_size);
    struct ndmsg head = {.ndm_family = (uint8_t)address->address.ss_family, .ndm_ifindex = (int)index};
    struct neighbour_answer answer = {.text = ret_text, .size = size};
    struct netlink_request request;
    int r;

    *ret_text = '\0';
    netlink_begin(&request, RTM_GETNEIGH, 0, &head, sizeof head);
    netlink_put(&request, NDA_DST, bytes, bytes_size);
    if ((r = netlink_ask(fd, &request, take_neighbour, &answer)) < 0)
        return r;
    return *ret_text ? 0 : -ENOENT;
}

/* --------------------------------------------------------------------------------------------------------- source */

static int connect_source(int fd, const struct layer_address *remote, unsigned index, enum source_kind kind,
                          struct layer_address *ret_source)
{
    struct layer_address to = *remote;
    int preference = kind == SOURCE_TEMPORARY ? IPV6_PREFER_SRC_TMP : IPV6_PREFER_SRC_PUBLIC, device = (int)index;

    if (index && setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof device) < 0)
        return -errno;
    if (kind != SOURCE_ANY && to.address.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, &preference, sizeof preference) < 0)
        return -errno;
    ((struct sockaddr_in6 *)(void *)&to.address)->sin6_port = htons(DISCARD); /* where sin_port is, too */
    if (connect(fd, (const struct sockaddr *)&to.address, to.size) < 0)
        return -errno;
    memset(ret_source, 0, sizeof *ret_source);
    ret_source->size = sizeof ret_source->address;
    if (getsockname(fd, (struct sockaddr *)&ret_source->address, &ret_source->size) < 0)
        return -errno;
    ((struct sockaddr_in6 *)(void *)&ret_source->address)->sin6_port = 0;
    return 0;
}

int route_source(const struct layer_address *remote, unsigned index, enum source_kind kind,
                 struct layer_address *ret_source)
{
    int fd = socket(remote->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

    if (fd < 0)
        return -errno;
    r = connect_source(fd, remote, index, kind, ret_source);
    close(fd);
    if (r < 0)
        ret_source->size = 0;
    return r;
}
