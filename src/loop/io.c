/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness of descriptors. */
#include "loop/context.h"

#include <errno.h>

int io_watch(hawser_context *context, struct loop_io *io, int fd, uint32_t events,
             void (*ready)(struct loop_io *io, uint32_t events))
{
    struct epoll_event event = {.events = events, .data.ptr = io};

    if (epoll_ctl(context->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    io->fd = fd;
    io->ready = ready;
    context->backlog.watched++;
    return 0;
}

int io_change(hawser_context *context, struct loop_io *io, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = io};

    return epoll_ctl(context->epoll, EPOLL_CTL_MOD, io->fd, &event) < 0 ? -errno : 0;
}

int loop_io_add(hawser_context *context, struct loop_io *io, int fd, uint32_t events,
                void (*ready)(struct loop_io *io, uint32_t events))
{
    return io_watch(context, io, fd, events | EPOLLET, ready);
}

/* Events that were fetched with others, and not told yet, must not reach an owner that is gone. */
static void forget_fetched(hawser_context *context, const struct loop_io *io)
{
    for (int i = context->event_next; i < context->event_count; i++)
        if (context->events[i].data.ptr == io)
            context->events[i].data.ptr = NULL;
}

void loop_io_remove(hawser_context *context, struct loop_io *io)
{
    if (io->fd < 0)
        return;
    /* In a forked child this would take the descriptor out of the parent's epoll. */
    if (loop_check(context) == 0)
        epoll_ctl(context->epoll, EPOLL_CTL_DEL, io->fd, NULL);
    forget_fetched(context, io);
    context->backlog.watched--;
    io->fd = -1;
}
