/* SPDX-License-Identifier: Apache-2.0 */
/* The table of interfaces and addresses, and the socket that keeps it up to date. */
#include "layer/interface.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "layer/netlink.h"
#include "loop/loop.h"

#define TOGETHER 10000 /* microseconds for which changes are one */
enum { TABLE_MAX = 65536, AT_ONCE = 256 };

struct interfaces {
    hawser_context *context;
    struct loop_io io;
    struct loop_timer timer;
    struct loop_deferred more; /* events are left to be read */
    struct list users;
    bool routes; /* somebody wants to know of routes */
    bool telling, lost;
    bool full; /* of events no more than the table takes is taken in, and that is said once */
    uint64_t generation;
    struct interface *list;
    struct interface_address *addresses;
    size_t count, capacity, address_count, address_capacity;
};

static void *grown(void *list, size_t count, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *bigger;

    if (count < *capacity)
        return list;
    if (count >= TABLE_MAX || !(bigger = realloc(list, wanted * size)))
        return NULL;
    *capacity = wanted;
    return bigger;
}

static void changed(struct interfaces *interfaces)
{
    interfaces->generation++;
    if (interfaces->telling || list_empty(&interfaces->users))
        return;
    interfaces->telling =
        loop_timer_set(interfaces->context, &interfaces->timer, loop_now(interfaces->context) + TOGETHER) == 0;
}

/* Users may leave, and join, while they are told. */
static void tell(struct loop_timer *timer, int64_t now)
{
    struct interfaces *interfaces = container_of(timer, struct interfaces, timer);
    struct list told;

    (void)now;
    interfaces->telling = false;
    list_init(&told);
    list_splice(&told, &interfaces->users);
    while (!list_empty(&told)) {
        struct interfaces_user *user = list_first(&told, struct interfaces_user, link);
        list_remove(&user->link);
        list_append(&interfaces->users, &user->link);
        user->changed(user);
    }
}

static void note_full(struct interfaces *interfaces)
{
    if (!interfaces->full)
        loop_log(interfaces->context, HAWSER_LOG_WARNING, "not all interfaces and addresses of this host are watched");
    interfaces->full = true;
}

/* --------------------------------------------------------------------------------------------------- interfaces */

static bool read_link(const struct nlmsghdr *message, struct interface *link)
{
    const struct ifinfomsg *head = netlink_head(message, sizeof *head);
    const uint32_t *mtu = netlink_get(message, sizeof *head, IFLA_MTU, sizeof *mtu);

    if (!head || head->ifi_family != AF_UNSPEC) /* a bridge tells of its ports by the same messages */
        return false;
    memset(link, 0, sizeof *link);
    link->index = (unsigned)head->ifi_index;
    link->flags = head->ifi_flags;
    link->hardware = head->ifi_type;
    link->mtu = mtu ? *mtu : 0;
    netlink_nested_string(message, sizeof *head, IFLA_LINKINFO, IFLA_INFO_KIND, link->kind, sizeof link->kind);
    return netlink_string(message, sizeof *head, IFLA_IFNAME, link->name, sizeof link->name);
}

static struct interface *find_link(const struct interfaces *interfaces, unsigned index)
{
    for (size_t i = 0; i < interfaces->count; i++)
        if (interfaces->list[i].index == index)
            return &interfaces->list[i];
    return NULL;
}

static void add_link(struct interfaces *interfaces, const struct interface *link)
{
    struct interface *bigger =
        grown(interfaces->list, interfaces->count, &interfaces->capacity, sizeof *interfaces->list);

    if (!bigger) {
        note_full(interfaces);
        return;
    }
    interfaces->list = bigger;
    interfaces->list[interfaces->count++] = *link;
}

/* The kernel says also what only counts packets, and what a scan of the radio found: no change for us. */
static void take_link(struct interfaces *interfaces, const struct nlmsghdr *message)
{
    struct interface link, *known;

    if (!read_link(message, &link))
        return;
    known = find_link(interfaces, link.index);
    if (message->nlmsg_type == RTM_DELLINK) {
        if (!known)
            return;
        *known = interfaces->list[--interfaces->count];
    } else if (!known) {
        add_link(interfaces, &link);
    } else if (memcmp(known, &link, sizeof link) == 0) {
        return;
    } else {
        *known = link;
    }
    changed(interfaces);
}

/* ---------------------------------------------------------------------------------------------------- addresses */

static bool read_address(const struct nlmsghdr *message, struct interface_address *address)
{
    const struct ifaddrmsg *head = netlink_head(message, sizeof *head);
    const uint32_t *flags = netlink_get(message, sizeof *head, IFA_FLAGS, sizeof *flags);
    const void *bytes;
    size_t size;

    if (!head || (head->ifa_family != AF_INET && head->ifa_family != AF_INET6))
        return false;
    size = head->ifa_family == AF_INET ? 4 : 16;
    /* With a peer at the other end of the link IFA_ADDRESS is the peer's. */
    bytes = netlink_get(message, sizeof *head, IFA_LOCAL, size);
    if (!bytes)
        bytes = netlink_get(message, sizeof *head, IFA_ADDRESS, size);
    if (!bytes)
        return false;
    memset(address, 0, sizeof *address);
    address->index = head->ifa_index;
    address->family = head->ifa_family;
    address->prefix = head->ifa_prefixlen;
    address->scope = head->ifa_scope;
    address->flags = flags ? *flags : head->ifa_flags;
    memcpy(address->bytes, bytes, size);
    return true;
}

static struct interface_address *find_address(const struct interfaces *interfaces,
                                              const struct interface_address *wanted)
{
    for (size_t i = 0; i < interfaces->address_count; i++) {
        struct interface_address *at = &interfaces->addresses[i];
        if (at->index == wanted->index && at->family == wanted->family && at->prefix == wanted->prefix &&
            memcmp(at->bytes, wanted->bytes, sizeof at->bytes) == 0)
            return at;
    }
    return NULL;
}

static void add_address(struct interfaces *interfaces, const struct interface_address *address)
{
    struct interface_address *bigger = grown(interfaces->addresses, interfaces->address_count,
                                             &interfaces->address_capacity, sizeof *interfaces->addresses);

    if (!bigger) {
        note_full(interfaces);
        return;
    }
    interfaces->addresses = bigger;
    interfaces->addresses[interfaces->address_count++] = *address;
}

static void take_address(struct interfaces *interfaces, const struct nlmsghdr *message)
{
    struct interface_address address, *known;

    if (!read_address(message, &address))
        return;
    known = find_address(interfaces, &address);
    if (message->nlmsg_type == RTM_DELADDR) {
        if (!known)
            return;
        *known = interfaces->addresses[--interfaces->address_count];
    } else if (!known) {
        add_address(interfaces, &address);
    } else if (memcmp(known, &address, sizeof address) == 0) {
        return; /* a router's advertisement made it live longer */
    } else {
        *known = address;
    }
    changed(interfaces);
}

/* ------------------------------------------------------------------------------------------------------- reading */

static void listed_link(void *user, const struct nlmsghdr *message)
{
    struct interface link;

    if (message->nlmsg_type == RTM_NEWLINK && read_link(message, &link))
        add_link(user, &link);
}

static void listed_address(void *user, const struct nlmsghdr *message)
{
    struct interface_address address;

    if (message->nlmsg_type == RTM_NEWADDR && read_address(message, &address))
        add_address(user, &address);
}

/* Everything anew, by a socket of its own, so that answers and events never mix. */
static int list_all(struct interfaces *interfaces)
{
    struct netlink_request request;
    struct ifinfomsg link = {0};
    struct ifaddrmsg address = {0};
    int fd = netlink_open(0), r;

    if (fd < 0)
        return fd;
    interfaces->count = interfaces->address_count = 0;
    netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, &link, sizeof link);
    r = netlink_ask(fd, &request, listed_link, interfaces);
    if (r == 0) {
        netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &address, sizeof address);
        r = netlink_ask(fd, &request, listed_address, interfaces);
    }
    close(fd);
    return r;
}

static void told(void *user, const struct nlmsghdr *message)
{
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        take_link(user, message);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        take_address(user, message);
        break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        changed(user);
        break;
    default:
        break;
    }
}

/* Events that were lost tell of themselves ahead of the older ones that are kept: those are read before all is asked for
 * anew, else they would undo what the answer says. */
void interfaces_refresh(struct interfaces *interfaces)
{
    int r;

    if (interfaces->io.fd < 0)
        return;
    while ((r = netlink_read(interfaces->io.fd, AT_ONCE, told, interfaces)) == -ENOBUFS)
        interfaces->lost = true;
    if (r == 1) {
        loop_defer_next(interfaces->context, &interfaces->more);
        return;
    }
    if (r == 0 && interfaces->lost) {
        interfaces->lost = false;
        r = list_all(interfaces);
        changed(interfaces);
        loop_defer_next(interfaces->context, &interfaces->more);
    }
    if (r < 0)
        loop_log(interfaces->context, HAWSER_LOG_WARNING, "interfaces are not watched: %s", hawser_strerror(r));
}

static void ready(struct loop_io *io, uint32_t events)
{
    (void)events;
    interfaces_refresh(container_of(io, struct interfaces, io));
}

static void read_more(struct loop_deferred *deferred)
{
    interfaces_refresh(container_of(deferred, struct interfaces, more));
}

/* -------------------------------------------------------------------------------------------------------- the part */

static void release(void *value)
{
    struct interfaces *interfaces = value;

    loop_timer_clear(interfaces->context, &interfaces->timer);
    loop_undefer(&interfaces->more);
    if (interfaces->io.fd >= 0) {
        int fd = interfaces->io.fd;
        loop_io_remove(interfaces->context, &interfaces->io);
        close(fd);
    }
    free(interfaces->list);
    free(interfaces->addresses);
    free(interfaces);
}

/* Events are asked for first, so that nothing is missed between; hearing of something twice does no harm. */
static int watch(struct interfaces *interfaces)
{
    int fd = netlink_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR), r;

    if (fd < 0)
        return fd;
    if ((r = loop_io_add(interfaces->context, &interfaces->io, fd, EPOLLIN, ready)) < 0) {
        close(fd);
        interfaces->io.fd = -1;
        return r;
    }
    return list_all(interfaces);
}

int interfaces_of(hawser_context *context, struct interfaces **ret_interfaces)
{
    struct interfaces *interfaces = loop_part(context, LOOP_PART_INTERFACES);
    int r;

    if (interfaces) {
        *ret_interfaces = interfaces;
        return 0;
    }
    interfaces = calloc(1, sizeof *interfaces);
    if (!interfaces)
        return -ENOMEM;
    interfaces->context = context;
    interfaces->io.fd = -1;
    list_init(&interfaces->users);
    loop_timer_init(&interfaces->timer, tell);
    loop_deferred_init(&interfaces->more, read_more);
    loop_set_part(context, LOOP_PART_INTERFACES, interfaces, release);
    if ((r = watch(interfaces)) < 0)
        loop_log(context, HAWSER_LOG_WARNING, "the system does not tell its interfaces: %s", hawser_strerror(r));
    *ret_interfaces = interfaces;
    return 0;
}

void interfaces_join(struct interfaces *interfaces, struct interfaces_user *user)
{
    static const int groups[] = {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};

    list_append(&interfaces->users, &user->link);
    if (interfaces->routes || interfaces->io.fd < 0)
        return;
    interfaces->routes = true;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (setsockopt(interfaces->io.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i]) < 0)
            loop_log(interfaces->context, HAWSER_LOG_WARNING, "routes are not watched: %s", hawser_strerror(-errno));
}

void interfaces_leave(struct interfaces_user *user)
{
    list_remove(&user->link);
}

uint64_t interfaces_generation(const struct interfaces *interfaces)
{
    return interfaces->generation;
}

const struct interface *interfaces_list(const struct interfaces *interfaces, size_t *ret_count)
{
    *ret_count = interfaces->count;
    return interfaces->list;
}

const struct interface_address *interfaces_addresses(const struct interfaces *interfaces, size_t *ret_count)
{
    *ret_count = interfaces->address_count;
    return interfaces->addresses;
}

const struct interface *interfaces_by_index(const struct interfaces *interfaces, unsigned index)
{
    return find_link(interfaces, index);
}

const struct interface *interfaces_by_name(const struct interfaces *interfaces, const char *name)
{
    for (size_t i = 0; i < interfaces->count; i++)
        if (strcmp(interfaces->list[i].name, name) == 0)
            return &interfaces->list[i];
    return NULL;
}

/* Every interface may have the same link-local address: there the scope tells them apart. */
const struct interface_address *interfaces_holder(const struct interfaces *interfaces, const struct sockaddr *address)
{
    const struct sockaddr_in6 *six = (const void *)address;
    const void *bytes = address->sa_family == AF_INET6 ? (const void *)&six->sin6_addr
                                                       : &((const struct sockaddr_in *)(const void *)address)->sin_addr;

    for (size_t i = 0; i < interfaces->address_count; i++) {
        const struct interface_address *at = &interfaces->addresses[i];
        if (at->family != address->sa_family || memcmp(at->bytes, bytes, at->family == AF_INET6 ? 16 : 4) != 0)
            continue;
        if (at->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) && at->index != six->sin6_scope_id)
            continue;
        return at;
    }
    return NULL;
}
