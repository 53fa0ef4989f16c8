/* SPDX-License-Identifier: Apache-2.0 */
/* One watch a context for all its lines: interfaces and addresses of this host come and go. */
#include "association/weave.h"
#include "path/path.h"

struct host_watch {
    struct paths_user user;
    struct associations *all;
};

static void changed(struct paths_user *user)
{
    struct associations *all = container_of(user, struct host_watch, user)->all;

    /* None of them ends here: what is lost is only noted. */
    for (struct list *at = all->open.next; at != &all->open; at = at->next)
        weave_paths_changed(container_of(at, hawser_association, link));
}

int host_watch(struct associations *all)
{
    struct paths *paths;
    int r;

    if (all->watch)
        return 0;
    r = paths_of(all->context, &paths);
    if (r < 0)
        return r;
    all->watch = calloc(1, sizeof *all->watch);
    if (!all->watch)
        return -ENOMEM;
    all->watch->all = all;
    all->watch->user.changed = changed;
    list_init(&all->watch->user.link);
    paths_join(paths, &all->watch->user);
    return 0;
}

void host_watch_free(struct associations *all)
{
    if (!all->watch)
        return;
    if (list_linked(&all->watch->user.link))
        list_remove(&all->watch->user.link);
    free(all->watch);
    all->watch = NULL;
}
