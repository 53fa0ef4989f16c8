/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interface a connection uses. The system tells its addresses all at once, at a price that grows with them, so
 * the answer serves every connection of the next second.
 */
#include "layer/interface.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/loop.h"

#define FRESH 1000000 /* microseconds */

struct interfaces {
    struct ifaddrs *addresses; /* NULL: not asked yet */
    int64_t asked_at;
};

static void release(void *value)
{
    struct interfaces *interfaces = value;

    freeifaddrs(interfaces->addresses);
    free(interfaces);
}

static const struct ifaddrs *addresses_of(hawser_context *context)
{
    struct interfaces *interfaces = loop_part(context, LOOP_PART_INTERFACES);
    int64_t now = loop_now(context);

    if (!interfaces) {
        interfaces = calloc(1, sizeof *interfaces);
        if (!interfaces)
            return NULL;
        loop_set_part(context, LOOP_PART_INTERFACES, interfaces, release);
    }
    if (interfaces->addresses && now - interfaces->asked_at < FRESH)
        return interfaces->addresses;
    freeifaddrs(interfaces->addresses);
    if (getifaddrs(&interfaces->addresses) < 0)
        interfaces->addresses = NULL;
    interfaces->asked_at = now;
    return interfaces->addresses;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr_storage *b)
{
    const struct sockaddr_in6 *one = (const void *)a, *other = (const void *)b;

    if (!a || a->sa_family != b->ss_family)
        return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
    /* Every interface may have the same link-local address. */
    return a->sa_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&one->sin6_addr, &other->sin6_addr) &&
           one->sin6_scope_id == other->sin6_scope_id;
}

/* All of 127/8 is the loopback's, though only one address of it is told. */
static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

void interface_find(hawser_context *context, int fd, const struct sockaddr_storage *local, char *interface, size_t size)
{
    char bound[IF_NAMESIZE] = "";
    socklen_t bound_size = sizeof bound;
    bool loopback;

    if (local->ss_family != AF_INET && local->ss_family != AF_INET6)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bound, &bound_size) == 0 && bound_size > 0 && *bound) {
        snprintf(interface, size, "%s", bound);
        return;
    }
    loopback = is_loopback(local);
    for (const struct ifaddrs *at = context ? addresses_of(context) : NULL; at; at = at->ifa_next)
        if (loopback ? !!(at->ifa_flags & IFF_LOOPBACK) : same_host(at->ifa_addr, local)) {
            snprintf(interface, size, "%s", at->ifa_name);
            return;
        }
}
