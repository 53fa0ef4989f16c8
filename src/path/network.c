/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network an interface is in: the same address means another network elsewhere, and the same network gives other
 * addresses tomorrow. The gateway's link address tells them apart: "wlan0 192.168.1.1 02:00:5e:00:53:01".
 */
#include "path/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static struct neighbour *find(struct paths *paths, unsigned index, const struct layer_address *address)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (paths->neighbours[i].index == index && route_same_bytes(&paths->neighbours[i].address, address))
            return &paths->neighbours[i];
    return NULL;
}

static const char *link_of(struct paths *paths, unsigned index, const struct layer_address *address)
{
    struct neighbour *known = find(paths, index, address);
    char link[24];

    if (known)
        return known->link;
    if (route_neighbour(paths->fd, index, address, link, sizeof link) < 0)
        return "";
    known = &paths->neighbours[paths->neighbour_next++ % NEIGHBOURS];
    known->index = index;
    known->address = *address;
    memcpy(known->link, link, sizeof link);
    return known->link;
}

void network_forget(struct paths *paths, unsigned index)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (paths->neighbours[i].index == index)
            paths->neighbours[i].index = 0;
}

/* Where the interface leads to beyond its link: an address that only a default route can match. */
static bool default_gateway(struct paths *paths, unsigned index, int family, struct layer_address *ret_gateway)
{
    struct layer_address anywhere = {.size = sizeof(struct sockaddr_in6)};
    struct route route;

    anywhere.address.ss_family = (sa_family_t)family;
    inet_pton(family, family == AF_INET ? PATH_ANYWHERE_V4 : PATH_ANYWHERE_V6,
              family == AF_INET ? (void *)&((struct sockaddr_in *)(void *)&anywhere.address)->sin_addr
                                : (void *)&((struct sockaddr_in6 *)(void *)&anywhere.address)->sin6_addr);
    if (paths_route(paths, &anywhere, index, NULL, &route) < 0 || route.on_link)
        return false;
    *ret_gateway = route.gateway;
    return true;
}

/* Without any gateway: the network that our own address is in. */
static void add_prefix(struct paths *paths, const struct layer_address *source, char *name, size_t size)
{
    const struct interface_address *held;
    uint8_t bytes[16] = {0};
    size_t length;
    const void *from;
    char text[INET6_ADDRSTRLEN];

    if (source->size == 0 || !(held = interfaces_holder(paths->interfaces, (const struct sockaddr *)&source->address)))
        return;
    from = route_bytes(source, &length);
    memcpy(bytes, from, held->prefix / 8 < length ? held->prefix / 8 : length);
    if (held->prefix % 8 && held->prefix / 8 < length)
        bytes[held->prefix / 8] =
            (uint8_t)(((const uint8_t *)from)[held->prefix / 8] & (0xff << (8 - held->prefix % 8)));
    inet_ntop(held->family, bytes, text, sizeof text);
    snprintf(name, size, " %s/%u", text, held->prefix);
}

void network_name(struct paths *paths, const struct interface *interface, int family, const struct route *route,
                  char ret_name[PATH_NETWORK])
{
    struct layer_address gateway = route->gateway;
    char text[INET6_ADDRSTRLEN];
    const char *link;
    int length = snprintf(ret_name, PATH_NETWORK, "%s", interface->name);

    if (route->here || (interface->flags & IFF_LOOPBACK))
        return;
    if (route->on_link && !default_gateway(paths, interface->index, family, &gateway)) {
        add_prefix(paths, &route->source, ret_name + length, (size_t)(PATH_NETWORK - length));
        return;
    }
    route_text(&gateway, text, sizeof text);
    link = link_of(paths, interface->index, &gateway);
    snprintf(ret_name + length, (size_t)(PATH_NETWORK - length), " %s%s%s", text, *link ? " " : "", link);
}
