/* SPDX-License-Identifier: Apache-2.0 */
/* The program's own descriptors on the loop. */
#include "loop/context.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct watch {
    struct loop_io io;
    RB_ENTRY(watch) entry;
    int fd;
    short events;
    void (*fn)(int fd, short revents, void *user);
    void *user;
};

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI && POLLERR == EPOLLERR &&
                   POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP,
               "poll's bits are epoll's");

static int compare_watches(const struct watch *a, const struct watch *b)
{
    return a->fd < b->fd ? -1 : a->fd > b->fd;
}

TREE_GENERATE(watch_tree, watch, entry, compare_watches)

static void watch_ready(struct loop_io *io, uint32_t events)
{
    struct watch *watch = container_of(io, struct watch, io);
    /* What is watched for may have changed after the event was fetched. */
    short told = (short)((short)events & (watch->events | POLLERR | POLLHUP));

    if (told)
        watch->fn(watch->fd, told, watch->user);
}

static void watch_remove(hawser_context *context, struct watch *watch)
{
    loop_io_remove(context, &watch->io);
    RB_REMOVE(watch_tree, &context->watches, watch);
    free(watch);
}

void watches_free(hawser_context *context)
{
    struct watch *watch;

    while ((watch = RB_ROOT(&context->watches))) {
        RB_REMOVE(watch_tree, &context->watches, watch); /* the epoll that knows it ends with the context */
        free(watch);
    }
}

static int watch_new(hawser_context *context, int fd, short events, struct watch **ret_watch)
{
    struct watch *watch = malloc(sizeof *watch);
    int r;

    if (!watch)
        return -ENOMEM;
    *watch = (struct watch){.fd = fd};
    r = io_watch(context, &watch->io, fd, (uint32_t)events, watch_ready);
    if (r < 0) {
        free(watch);
        return r;
    }
    RB_INSERT(watch_tree, &context->watches, watch);
    *ret_watch = watch;
    return 0;
}

static int watch_change(hawser_context *context, struct watch *watch, short events)
{
    int r;

    if (events == watch->events)
        return 0;
    r = io_change(context, &watch->io, (uint32_t)events);
    /* The program closed the descriptor without a word, and the system gave its number to another one. */
    if (r == -ENOENT) {
        loop_io_remove(context, &watch->io);
        r = io_watch(context, &watch->io, watch->fd, (uint32_t)events, watch_ready);
    }
    return r;
}

int hawser_watch(hawser_context *context, int fd, short events, void (*fn)(int fd, short revents, void *user),
                 void *user)
{
    struct watch key = {.fd = fd}, *watch;
    int r = loop_check(context);

    if (r < 0)
        return r;
    if (events & ~(POLLIN | POLLPRI | POLLOUT | POLLRDHUP) || (events && !fn))
        return -EINVAL;
    watch = RB_FIND(watch_tree, &context->watches, &key);
    if (!events) {
        if (!watch)
            return -ENOENT;
        watch_remove(context, watch);
        return 0;
    }
    r = watch ? watch_change(context, watch, events) : watch_new(context, fd, events, &watch);
    if (r < 0)
        return r;
    watch->events = events;
    watch->fn = fn;
    watch->user = user;
    return 0;
}
