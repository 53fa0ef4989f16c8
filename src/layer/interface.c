/* SPDX-License-Identifier: Apache-2.0 */
/* Which interface a connection uses. */
#include "layer/interface.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

/* All of 127/8 is the loopback's, though only one address of it is told. */
static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static const struct interface *loopback(const struct interfaces *interfaces)
{
    size_t count;
    const struct interface *list = interfaces_list(interfaces, &count);

    for (size_t i = 0; i < count; i++)
        if (list[i].flags & IFF_LOOPBACK)
            return &list[i];
    return NULL;
}

static const struct interface *holder(const struct interfaces *interfaces, const struct sockaddr_storage *local)
{
    const struct interface_address *found;

    if (is_loopback(local))
        return loopback(interfaces);
    found = interfaces_holder(interfaces, (const struct sockaddr *)local);
    return found ? interfaces_by_index(interfaces, found->index) : NULL;
}

void interface_find(hawser_context *context, int fd, const struct sockaddr_storage *local, char *interface, size_t size)
{
    char bound[IF_NAMESIZE] = "";
    socklen_t bound_size = sizeof bound;
    struct interfaces *interfaces;
    const struct interface *found;

    if (local->ss_family != AF_INET && local->ss_family != AF_INET6)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bound, &bound_size) == 0 && bound_size > 0 && *bound) {
        snprintf(interface, size, "%s", bound);
        return;
    }
    if (!context || interfaces_of(context, &interfaces) < 0)
        return;
    found = holder(interfaces, local);
    if (!found) { /* an address so new that the loop has not heard of it */
        interfaces_refresh(interfaces);
        found = holder(interfaces, local);
    }
    if (found)
        snprintf(interface, size, "%s", found->name);
}
