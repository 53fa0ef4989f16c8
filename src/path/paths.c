/* SPDX-License-Identifier: Apache-2.0 */
/* A context's view of its host's paths, and who wants to hear of changes. */
#include "path/internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layer/netlink.h"
#include "loop/loop.h"

/* Another network may be behind an interface that was away. */
static void forget_stopped(struct paths *paths)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (paths->neighbours[i].index && !paths_running(paths, paths->neighbours[i].index))
            network_forget(paths, paths->neighbours[i].index);
}

static void changed(struct interfaces_user *watch)
{
    struct paths *paths = container_of(watch, struct paths, watch);
    struct list told;

    memset(paths->kinds, 0, sizeof paths->kinds);
    forget_stopped(paths);
    list_init(&told);
    list_splice(&told, &paths->users);
    while (!list_empty(&told)) { /* users may leave and join meanwhile */
        struct paths_user *user = list_first(&told, struct paths_user, link);
        list_remove(&user->link);
        list_append(&paths->users, &user->link);
        user->changed(user);
    }
}

static void release(void *value)
{
    struct paths *paths = value;

    interfaces_leave(&paths->watch);
    if (paths->fd >= 0)
        close(paths->fd);
    free(paths);
}

int paths_of(hawser_context *context, struct paths **ret_paths)
{
    struct paths *paths = loop_part(context, LOOP_PART_PATHS);
    struct interfaces *interfaces;
    int r;

    if (paths) {
        *ret_paths = paths;
        return 0;
    }
    if ((r = interfaces_of(context, &interfaces)) < 0)
        return r;
    if (!(paths = calloc(1, sizeof *paths)))
        return -ENOMEM;
    paths->context = context;
    paths->interfaces = interfaces;
    paths->fd = -1;
    list_init(&paths->users);
    paths->watch.changed = changed;
    interfaces_join(interfaces, &paths->watch);
    loop_set_part(context, LOOP_PART_PATHS, paths, release);
    *ret_paths = paths;
    return 0;
}

void paths_join(struct paths *paths, struct paths_user *user)
{
    list_append(&paths->users, &user->link);
}

/* Once in a dispatch is enough, which a race asks many times in. */
void paths_refresh(struct paths *paths)
{
    int64_t now = loop_now(paths->context);

    if (!loop_dispatching(paths->context) || paths->refreshed_at != now)
        interfaces_refresh(paths->interfaces);
    paths->refreshed_at = now;
    if (paths->generation != interfaces_generation(paths->interfaces))
        memset(paths->answers, 0, sizeof paths->answers);
    paths->generation = interfaces_generation(paths->interfaces);
}

bool paths_ask(struct paths *paths)
{
    size_t count;

    interfaces_list(paths->interfaces, &count);
    if (count > 0 && paths->fd < 0)
        paths->fd = netlink_open(0);
    return count > 0 && paths->fd >= 0;
}

static bool is_about(const struct answer *answer, const struct layer_address *remote, unsigned index,
                     const struct layer_address *source)
{
    return answer->set && answer->index == index && route_same_bytes(&answer->remote, remote) &&
           (source ? route_same_bytes(&answer->source, source) : answer->source.size == 0);
}

int paths_route(struct paths *paths, const struct layer_address *remote, unsigned index,
                const struct layer_address *source, struct route *ret_route)
{
    struct answer *answer;

    for (size_t i = 0; i < ANSWERS; i++)
        if (is_about(&paths->answers[i], remote, index, source)) {
            *ret_route = paths->answers[i].route;
            return paths->answers[i].code;
        }
    answer = &paths->answers[paths->answer_next++ % ANSWERS];
    *answer = (struct answer){.index = index, .remote = *remote};
    if (source)
        answer->source = *source;
    answer->code = route_ask(paths->fd, remote, index, source, &answer->route);
    answer->set = answer->code != -ENOMEM && answer->code != -EAGAIN;
    *ret_route = answer->route;
    return answer->code;
}

bool paths_running(struct paths *paths, unsigned index)
{
    const struct interface *interface;

    paths_refresh(paths);
    interface = interfaces_by_index(paths->interfaces, index);
    return interface && (interface->flags & IFF_UP) && (interface->flags & IFF_RUNNING);
}

void paths_network(struct paths *paths, const struct layer_address *remote, unsigned index,
                   char ret_network[PATH_NETWORK])
{
    const struct interface *interface = interfaces_by_index(paths->interfaces, index);
    struct layer_address plain;
    struct route route;

    *ret_network = '\0';
    if (!interface || !paths_ask(paths))
        return;
    route_plain(remote, &plain);
    if (paths_route(paths, &plain, index, NULL, &route) == 0)
        network_name(paths, interface, plain.address.ss_family, &route, ret_network);
}

unsigned paths_families(struct paths *paths)
{
    const struct interface_address *addresses;
    unsigned families = 0;
    size_t count;

    paths_refresh(paths);
    addresses = interfaces_addresses(paths->interfaces, &count);
    for (size_t i = 0; i < count; i++)
        if (addresses[i].scope == RT_SCOPE_UNIVERSE || addresses[i].scope == RT_SCOPE_SITE)
            families |= addresses[i].family == AF_INET6 ? 2 : 4;
    return families;
}
