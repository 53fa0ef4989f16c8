/* SPDX-License-Identifier: Apache-2.0 */
/* A context's view of its host's paths, and who wants to hear of changes. */
#include "path/internal.h"

#include <errno.h>
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

bool paths_running(struct paths *paths, unsigned index)
{
    const struct interface *interface;

    interfaces_refresh(paths->interfaces);
    interface = interfaces_by_index(paths->interfaces, index);
    return interface && (interface->flags & IFF_UP) && (interface->flags & IFF_RUNNING);
}

void paths_network(struct paths *paths, const struct layer_address *remote, unsigned index,
                   char ret_network[PATH_NETWORK])
{
    const struct interface *interface = interfaces_by_index(paths->interfaces, index);
    struct layer_address plain;
    struct route route;
    int fd;

    *ret_network = '\0';
    if (!interface || (fd = netlink_open(0)) < 0)
        return;
    route_plain(remote, &plain);
    if (route_ask(fd, &plain, index, NULL, &route) == 0)
        network_name(paths, fd, interface, plain.address.ss_family, &route, ret_network);
    close(fd);
}
