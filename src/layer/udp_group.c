/* SPDX-License-Identifier: Apache-2.0 */
/* Multicast groups on a UDP socket: joined, from anybody or from one source (RFC 3678 section 5), and sent to. (S2.12) */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "layer/udp_internal.h"

static unsigned index_of(const struct udp_socket_config *config, const struct layer_address *group)
{
    const struct sockaddr_in6 *v6 = (const void *)&group->address;

    if (config->interface && *config->interface)
        return if_nametoindex(config->interface);
    return group->address.ss_family == AF_INET6 ? v6->sin6_scope_id : 0;
}

int udp_group_join(int fd, const struct udp_socket_config *config)
{
    const struct layer_address *group = config->local, *source = config->source;
    int level = group->address.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int option = level == IPPROTO_IPV6 ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL;
    struct group_source_req from = {.gsr_interface = index_of(config, group)};
    struct group_req any = {.gr_interface = from.gsr_interface};
    const int off = 0;

    /* What another program of this host joined, on another interface or from other sources, is not ours. */
    if (setsockopt(fd, level, option, &off, sizeof off) < 0 && errno != ENOPROTOOPT)
        return -errno;
    any.gr_group = from.gsr_group = group->address;
    if (!source || source->size == 0)
        return setsockopt(fd, level, MCAST_JOIN_GROUP, &any, sizeof any) < 0 ? -errno : 0;
    from.gsr_source = source->address;
    return setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &from, sizeof from) < 0 ? -errno : 0;
}

int udp_group_send(int fd, const struct udp_socket_config *config)
{
    int hops = (int)config->hop_limit, loop = !config->no_loop;
    bool v6 = config->family == AF_INET6;
    int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;

    if (setsockopt(fd, level, v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL, &hops, sizeof hops) < 0 ||
        setsockopt(fd, level, v6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP, &loop, sizeof loop) < 0)
        return -errno;
    return 0;
}
