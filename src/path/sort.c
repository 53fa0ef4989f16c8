/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6724 section 6: in which order to try addresses. Where we would leave from is asked of the kernel (section 5). */
#include "path/sort.h"

#include <linux/if_addr.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "path/internal.h"

struct destination {
    unsigned place; /* as given */
    bool reachable, four, deprecated, home, native;
    uint8_t bytes[16], source[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned scope, source_scope, label, source_label, precedence, common;
};

static void widen(const struct layer_address *address, uint8_t ret_bytes[16])
{
    size_t size;
    const void *bytes = route_bytes(address, &size);

    memset(ret_bytes, 0, 16);
    if (size == 4)
        ret_bytes[10] = ret_bytes[11] = 0xff;
    memcpy(ret_bytes + 16 - size, bytes, size);
}

/* Sections 3.1 and 3.2. */
static unsigned scope_of(const struct sort_table *table, const uint8_t bytes[16])
{
    struct in6_addr six;

    memcpy(&six, bytes, sizeof six);
    if (IN6_IS_ADDR_V4MAPPED(&six))
        return sort_find(table->scopes, table->scope_count, bytes);
    if (IN6_IS_ADDR_MULTICAST(&six))
        return bytes[1] & 0xf;
    if (IN6_IS_ADDR_LINKLOCAL(&six) || IN6_IS_ADDR_LOOPBACK(&six))
        return 2;
    return IN6_IS_ADDR_SITELOCAL(&six) ? 5 : 14;
}

static unsigned common_bits(const uint8_t a[16], const uint8_t b[16])
{
    for (unsigned i = 0; i < 128; i++)
        if ((a[i / 8] ^ b[i / 8]) & (0x80 >> i % 8))
            return i;
    return 128;
}

/*
 * Rule 9 as section 6 has it: as many bits as the source's own prefix has, at most. Of IPv4 addresses the bits count on
 * the same link only, since providers there say nothing by them, and servers take turns by the order of their answers.
 */
static unsigned common_of(const struct destination *destination, const struct interface_address *held)
{
    unsigned bits = common_bits(destination->bytes, destination->source);

    if (destination->four)
        return held && bits >= held->prefix + 96 ? bits : 0;
    return held && bits > held->prefix ? held->prefix : bits;
}

static bool is_running(const struct interface *interface)
{
    return interface && (interface->flags & IFF_RUNNING);
}

static bool ask(struct paths *paths, bool asks, const struct layer_address *address, struct route *ret_route)
{
    const struct sockaddr_in6 *six = (const void *)&address->address;
    unsigned index = address->address.ss_family == AF_INET6 ? six->sin6_scope_id : 0;

    memset(ret_route, 0, sizeof *ret_route);
    if (asks)
        return paths_route(paths, address, index, NULL, ret_route) == 0 && ret_route->source.size > 0 &&
               is_running(interfaces_by_index(paths->interfaces, ret_route->index));
    return route_source(address, 0, SOURCE_ANY, &ret_route->source) == 0;
}

static void learn(struct paths *paths, bool asks, const struct sort_table *table, const struct layer_address *given,
                  struct destination *destination)
{
    const struct interface_address *held;
    const struct interface *interface;
    struct layer_address address;
    struct route route;

    if (given->address.ss_family != AF_INET && given->address.ss_family != AF_INET6) {
        destination->reachable = true; /* a unix socket */
        return;
    }
    route_plain(given, &address);
    widen(&address, destination->bytes);
    destination->four = address.address.ss_family == AF_INET;
    destination->scope = scope_of(table, destination->bytes);
    destination->label = sort_find(table->labels, table->label_count, destination->bytes);
    destination->precedence = sort_find(table->precedences, table->precedence_count, destination->bytes);
    destination->reachable = ask(paths, asks, &address, &route);
    if (!destination->reachable)
        return;
    widen(&route.source, destination->source);
    destination->source_scope = scope_of(table, destination->source);
    destination->source_label = sort_find(table->labels, table->label_count, destination->source);
    if (route.source.address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&route.source.address)->sin6_scope_id = route.index;
    held = interfaces_holder(paths->interfaces, (const struct sockaddr *)&route.source.address);
    interface = interfaces_by_index(paths->interfaces, route.index);
    destination->deprecated = held && (held->flags & IFA_F_DEPRECATED);
    destination->home = held && (held->flags & IFA_F_HOMEADDRESS);
    destination->native = !interface || strcmp(kind_of(paths, interface), "tunnel") != 0;
    destination->common = common_of(destination, held);
}

static int prefer(bool a, bool b)
{
    return (int)b - (int)a;
}

static int compare(const void *one, const void *other)
{
    const struct destination *a = one, *b = other;
    int r;

    if ((r = prefer(a->reachable, b->reachable)) != 0) /* rule 1 */
        return r;
    if (a->reachable) {
        if ((r = prefer(a->scope == a->source_scope, b->scope == b->source_scope)) != 0) /* rule 2 */
            return r;
        if ((r = prefer(!a->deprecated, !b->deprecated)) != 0) /* rule 3 */
            return r;
        if ((r = prefer(a->home, b->home)) != 0) /* rule 4 */
            return r;
        if ((r = prefer(a->label == a->source_label, b->label == b->source_label)) != 0) /* rule 5 */
            return r;
    }
    if (a->precedence != b->precedence) /* rule 6 */
        return a->precedence > b->precedence ? -1 : 1;
    if (a->reachable && (r = prefer(a->native, b->native)) != 0) /* rule 7 */
        return r;
    if (a->scope != b->scope) /* rule 8 */
        return a->scope < b->scope ? -1 : 1;
    if (a->reachable && a->four == b->four && a->common != b->common) /* rule 9 */
        return a->common > b->common ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place; /* rule 10 */
}

void paths_sort(struct paths *paths, const struct layer_address *addresses, size_t count, unsigned *ret_order)
{
    struct destination *list = calloc(count, sizeof *list);
    struct sort_table table;
    bool asks;

    paths_refresh(paths);
    asks = paths_ask(paths);
    sort_table_read("/etc/gai.conf", &table);
    for (unsigned i = 0; i < count; i++)
        ret_order[i] = i; /* as given, should memory run out */
    for (unsigned i = 0; list && i < count; i++) {
        list[i].place = i;
        learn(paths, asks, &table, &addresses[i], &list[i]);
    }
    if (list && count > 1)
        qsort(list, count, sizeof *list, compare);
    for (unsigned i = 0; list && i < count; i++)
        ret_order[list[i].place] = i;
    free(list);
}
