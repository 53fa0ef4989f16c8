/* SPDX-License-Identifier: Apache-2.0 */
/* Which ways lead to an address: what the system's routes choose, and other interfaces that have a route as well. */
#include "path/internal.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ASKED_MAX = 64 }; /* interfaces that are asked about beside the system's: hosts of containers have thousands */

struct choosing {
    struct judging judging;
    const struct layer_address *source; /* NULL: any */
    struct path_choice *choices;
    size_t count;
};

void way_refuse(struct way *way, int code, const char *format, ...)
{
    va_list arguments;

    way->choice.usable = false;
    way->choice.code = code;
    va_start(arguments, format);
    vsnprintf(way->choice.reason, sizeof way->choice.reason, format, arguments);
    va_end(arguments);
}

static bool goes_before(const struct path_choice *a, const struct path_choice *b)
{
    return a->usable != b->usable ? a->usable : a->rank < b->rank;
}

/* In order; of more than there is place for the last ones go. */
static void insert(struct choosing *choosing, const struct path_choice *choice)
{
    size_t at = choosing->count;

    while (at > 0 && goes_before(choice, &choosing->choices[at - 1]))
        at--;
    if (at == PATHS_MAX)
        return;
    if (choosing->count < PATHS_MAX)
        choosing->count++;
    memmove(&choosing->choices[at + 1], &choosing->choices[at], (choosing->count - 1 - at) * sizeof *choosing->choices);
    choosing->choices[at] = *choice;
}

/* By the policy's word, else by the kernel's kind. */
static const char *type_of(const struct choosing *choosing, const struct interface *interface,
                           struct policy_interface *ret_said)
{
    policy_interface(choosing->judging.policy, interface->name, ret_said);
    return *ret_said->type ? ret_said->type : kind_of(choosing->judging.paths, interface);
}

static void begin(struct choosing *choosing, const struct interface *interface, struct way *ret_way)
{
    struct policy_interface said;
    struct path_choice *choice = &ret_way->choice;

    memset(ret_way, 0, sizeof *ret_way);
    ret_way->interface = interface;
    choice->usable = true;
    if (!interface)
        return;
    snprintf(choice->type, sizeof choice->type, "%s", type_of(choosing, interface, &said));
    choice->index = interface->index;
    choice->mtu = interface->mtu;
    snprintf(choice->interface, sizeof choice->interface, "%s", interface->name);
    choice->cost = said.cost >= 0 ? said.cost : kind_cost(choice->type);
    choice->metered = said.metered >= 0 ? said.metered : strcmp(choice->type, "cellular") == 0;
}

static void consider(struct choosing *choosing, const struct interface *interface, const struct route *route,
                     bool system)
{
    struct way way;

    begin(choosing, interface, &way);
    way.route = *route;
    way.choice.system = system;
    way.choice.source = route->source;
    way.choice.gateway = route->gateway;
    network_name(choosing->judging.paths, interface, choosing->judging.remote->address.ss_family, route,
                 way.choice.network);
    judge(&choosing->judging, &way);
    insert(choosing, &way.choice);
}

static bool is_link_local(const struct layer_address *address)
{
    return address->address.ss_family == AF_INET6 &&
           IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)&address->address)->sin6_addr);
}

/* Whether an interface has an address to leave from. Between link-local addresses and others there is no way. */
static bool has_address(const struct choosing *choosing, unsigned index)
{
    const struct layer_address *remote = choosing->judging.remote;
    unsigned scope = is_link_local(remote) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    size_t count;
    const struct interface_address *list = interfaces_addresses(choosing->judging.paths->interfaces, &count);

    for (size_t i = 0; i < count; i++)
        if (list[i].index == index && list[i].family == remote->address.ss_family &&
            (list[i].family == AF_INET || (list[i].scope == RT_SCOPE_LINK) == (scope == RT_SCOPE_LINK)) &&
            (!(list[i].flags & IFA_F_TENTATIVE) || (list[i].flags & IFA_F_OPTIMISTIC)))
            return true;
    return false;
}

/* An interface that somebody named and that leads nowhere is told of, and why. */
static void refuse(struct choosing *choosing, const struct interface *interface, int code)
{
    const struct layer_address *remote = choosing->judging.remote;
    char text[INET6_ADDRSTRLEN];
    struct way way;

    begin(choosing, interface, &way);
    route_text(remote, text, sizeof text);
    if (!(interface->flags & IFF_UP))
        way_refuse(&way, -ENETDOWN, "%s is down", interface->name);
    else if (!(interface->flags & IFF_RUNNING))
        way_refuse(&way, -ENETDOWN, "%s has no link", interface->name);
    else if (!has_address(choosing, interface->index))
        way_refuse(&way, -EADDRNOTAVAIL, "%s has no %s address", interface->name,
                   remote->address.ss_family == AF_INET ? "IPv4"
                   : is_link_local(remote)              ? "link-local"
                                                        : "IPv6");
    else
        way_refuse(&way, code, "%s has no route to %s", interface->name, text);
    insert(choosing, &way.choice);
}

/* For when there is no interface to tell of. */
static void __attribute__((format(printf, 3, 4)))
refuse_all(struct choosing *choosing, int code, const char *format, ...)
{
    struct path_choice *choice = &choosing->choices[choosing->count++];
    va_list arguments;

    memset(choice, 0, sizeof *choice);
    choice->code = code;
    va_start(arguments, format);
    vsnprintf(choice->reason, sizeof choice->reason, format, arguments);
    va_end(arguments);
}

/* ---------------------------------------------------------------------------------------------------- gathering */

static bool is_group(const struct layer_address *address)
{
    const struct sockaddr_in *v4 = (const void *)&address->address;
    const struct sockaddr_in6 *v6 = (const void *)&address->address;

    return address->address.ss_family == AF_INET ? IN_MULTICAST(ntohl(v4->sin_addr.s_addr))
                                                 : IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
}

/* A multicast group is on every interface, whatever the routes say. */
static void choose_for_group(struct choosing *choosing, const struct interface *interface)
{
    const struct route route = {.index = interface->index};

    if (!(interface->flags & IFF_UP) || !(interface->flags & IFF_RUNNING) || !has_address(choosing, interface->index))
        refuse(choosing, interface, -ENETDOWN);
    else
        consider(choosing, interface, &route, false);
}

static void choose_named(struct choosing *choosing, const struct interface *interface)
{
    struct judging *judging = &choosing->judging;
    struct route route, systems;
    int r = paths_route(judging->paths, judging->remote, interface->index, choosing->source, &route);
    char text[INET6_ADDRSTRLEN];
    bool system;

    if (is_group(judging->remote)) {
        choose_for_group(choosing, interface);
        return;
    }
    if (r < 0 || !(interface->flags & IFF_RUNNING)) {
        refuse(choosing, interface, r < 0 ? r : -ENETDOWN);
        return;
    }
    system = paths_route(judging->paths, judging->remote, 0, choosing->source, &systems) == 0 &&
             systems.index == interface->index;
    if (systems.here && !route.here) {
        struct way way;
        begin(choosing, interface, &way);
        route_text(judging->remote, text, sizeof text);
        way_refuse(&way, -ENETUNREACH, "%s is this host, which %s does not lead to", text, interface->name);
        insert(choosing, &way.choice);
        return;
    }
    consider(choosing, interface, &route, system);
}

static bool is_named(const struct choosing *choosing, const struct interface *interface)
{
    const struct property_values *values = choosing->judging.wish->values;

    for (unsigned i = 0; values && i < values->interface.count; i++)
        if ((values->interface.wants[i].preference == HAWSER_REQUIRE ||
             values->interface.wants[i].preference == HAWSER_PREFER) &&
            strcmp(values->interface.wants[i].value, interface->name) == 0)
            return true;
    return false;
}

static void choose_others(struct choosing *choosing, unsigned system_index)
{
    struct judging *judging = &choosing->judging;
    unsigned asked = 0;
    size_t count;
    const struct interface *list = interfaces_list(judging->paths->interfaces, &count);
    const struct interface_address *held =
        choosing->source
            ? interfaces_holder(judging->paths->interfaces, (const struct sockaddr *)&choosing->source->address)
            : NULL;

    for (size_t i = 0; i < count && asked < ASKED_MAX; i++) {
        struct route route;
        bool named = is_named(choosing, &list[i]);
        int r = -ENETUNREACH;
        if (list[i].index == system_index || (held && held->index != list[i].index))
            continue;
        if ((list[i].flags & IFF_UP) && (list[i].flags & IFF_RUNNING) && !(list[i].flags & IFF_LOOPBACK) &&
            has_address(choosing, list[i].index)) {
            asked++;
            r = paths_route(judging->paths, judging->remote, list[i].index, choosing->source, &route);
        }
        if (r == 0)
            consider(choosing, &list[i], &route, false);
        else if (named)
            refuse(choosing, &list[i], r);
    }
}

static void choose_any(struct choosing *choosing)
{
    struct judging *judging = &choosing->judging;
    const struct interface *interface = NULL;
    struct policy_interface said;
    struct route route;
    char text[INET6_ADDRSTRLEN];
    int r = paths_route(judging->paths, judging->remote, 0, choosing->source, &route);

    if (r == 0)
        interface = interfaces_by_index(judging->paths->interfaces, route.index);
    if (interface) {
        judging->system_tunnel = strcmp(type_of(choosing, interface, &said), "tunnel") == 0;
        judging->system_prefix = route.prefix;
        snprintf(judging->system_name, sizeof judging->system_name, "%s", interface->name);
        consider(choosing, interface, &route, true);
        if (route.here)
            return;
    }
    choose_others(choosing, interface ? interface->index : 0);
    route_text(judging->remote, text, sizeof text);
    if (choosing->count == 0)
        refuse_all(choosing, r < 0 ? r : -ENETUNREACH, "no route to %s", text);
}

/* Where the system tells nothing of its interfaces: it chooses alone. */
static void choose_blindly(struct choosing *choosing)
{
    const struct path_wish *wish = choosing->judging.wish;
    struct path_choice *choice = &choosing->choices[0];
    char text[INET6_ADDRSTRLEN];
    struct layer_address source;
    int r;

    route_text(choosing->judging.remote, text, sizeof text);
    if ((r = route_source(choosing->judging.remote, 0, SOURCE_ANY, &source)) < 0) {
        refuse_all(choosing, r, "no route to %s", text);
        return;
    }
    if (judge_binds(&choosing->judging) && !(wish->interface && *wish->interface)) {
        refuse_all(choosing, -HAWSER_EPROHIBITED,
                   "interfaces are required or prohibited, and the system does not tell which there are");
        return;
    }
    memset(choice, 0, sizeof *choice);
    choice->system = choice->usable = true;
    choice->bind = wish->interface && *wish->interface;
    snprintf(choice->interface, sizeof choice->interface, "%s", choice->bind ? wish->interface : "");
    if (wish->local)
        choice->local = *wish->local;
    choice->source = source;
    choosing->count = 1;
}

/* ---------------------------------------------------------------------------------------------------- what is asked */

static bool is_any(const struct layer_address *address)
{
    static const uint8_t zeros[16];
    size_t size;
    const void *bytes = route_bytes(address, &size);

    return memcmp(bytes, zeros, size) == 0;
}

/* A local endpoint narrows the choice. False: it cannot be met. */
static bool take_local(struct choosing *choosing)
{
    const struct layer_address *local = choosing->judging.wish->local, *remote = choosing->judging.remote;
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN];

    if (!local || local->size == 0)
        return true;
    route_text(local, text, sizeof text);
    if (local->address.ss_family != remote->address.ss_family) {
        refuse_all(choosing, -EAFNOSUPPORT, "the local endpoint %s is %s, and the peer's address is not", text,
                   local->address.ss_family == AF_INET ? "IPv4" : "IPv6");
        return false;
    }
    if (is_any(local))
        return true;
    address = local->address;
    choosing->source = local;
    if (interfaces_holder(choosing->judging.paths->interfaces, (const struct sockaddr *)&address) ||
        (local->address.ss_family == AF_INET && *(const uint8_t *)route_bytes(local, &(size_t){0}) == 127))
        return true;
    refuse_all(choosing, -EADDRNOTAVAIL, "%s is no address of this host", text);
    return false;
}

/* The interface that the endpoint names, by "@eth0" or by the scope of a link-local address. True: *ret_interface (NULL:
 * none is named) is what counts; false: it cannot be met. */
static bool take_interface(struct choosing *choosing, const struct interface **ret_interface)
{
    const struct layer_address *remote = choosing->judging.remote;
    struct interfaces *interfaces = choosing->judging.paths->interfaces;
    const char *name = choosing->judging.wish->interface;
    unsigned scope =
        is_link_local(remote) ? ((const struct sockaddr_in6 *)(const void *)&remote->address)->sin6_scope_id : 0;
    const struct interface *of_scope = scope ? interfaces_by_index(interfaces, scope) : NULL;
    char text[INET6_ADDRSTRLEN];

    *ret_interface = name && *name ? interfaces_by_name(interfaces, name) : of_scope;
    route_text(remote, text, sizeof text);
    if (name && *name && !*ret_interface)
        refuse_all(choosing, -ENODEV, "there is no interface %s", name);
    else if (scope && !of_scope)
        refuse_all(choosing, -ENODEV, "there is no interface with the number %u", scope);
    else if (scope && *ret_interface != of_scope)
        refuse_all(choosing, -ENETUNREACH, "%s is on the link of %s, not of %s", text, of_scope->name, name);
    else if (is_link_local(remote) && !*ret_interface)
        refuse_all(choosing, -EINVAL, "%s is on each link another: it needs an interface, as in %s%%eth0", text, text);
    return choosing->count == 0;
}

static size_t choose_unix(struct path_choice *choice)
{
    memset(choice, 0, sizeof *choice);
    choice->system = choice->usable = true;
    snprintf(choice->network, sizeof choice->network, "local");
    snprintf(choice->type, sizeof choice->type, "unix");
    return 1;
}

size_t paths_choose(struct paths *paths, const struct layer_address *remote, const struct path_wish *wish,
                    struct path_choice ret_choices[PATHS_MAX])
{
    struct layer_address plain;
    struct choosing choosing = {.judging = {.paths = paths, .remote = &plain, .wish = wish}, .choices = ret_choices};
    const struct interface *interface;
    char text[INET6_ADDRSTRLEN];

    if (remote->address.ss_family == AF_UNIX)
        return choose_unix(ret_choices);
    route_plain(remote, &plain);
    route_text(&plain, text, sizeof text);
    choosing.judging.host = wish->host && *wish->host ? wish->host : text;
    paths_refresh(paths);
    if (policy_of(paths->context, &choosing.judging.policy) < 0) {
        refuse_all(&choosing, -ENOMEM, "memory ran out");
        return choosing.count;
    }
    if (!paths_ask(paths))
        choose_blindly(&choosing);
    else if (take_local(&choosing) && take_interface(&choosing, &interface)) {
        if (interface)
            choose_named(&choosing, interface);
        else
            choose_any(&choosing);
    }
    return choosing.count;
}
