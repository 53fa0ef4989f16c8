/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that libunbound calls for its events (unbound-event.h), with libevent's meaning: an event waits for its
 * descriptor, its time, or both, and an event without UB_EV_PERSIST is taken off before its callback runs.
 */
#include "endpoint/unbound_loop.h"

#include <stdlib.h>
#include <sys/epoll.h>

typedef void (*event_fn)(int fd, short bits, void *argument);

struct unbound_event {
    struct ub_event base; /* first: libunbound knows this part only */
    struct unbound_loop *loop;
    int fd;
    short bits;
    event_fn callback;
    void *argument;
    int64_t period_us; /* 0: no time-out */
    struct loop_io io;
    struct loop_timer timer;
};

static struct unbound_event *event_of(struct ub_event *base)
{
    return container_of(base, struct unbound_event, base);
}

static void ready(struct loop_io *io, uint32_t events);

static int watch(struct unbound_event *event)
{
    uint32_t events =
        (event->bits & UB_EV_READ ? (uint32_t)EPOLLIN : 0) | (event->bits & UB_EV_WRITE ? (uint32_t)EPOLLOUT : 0);

    if (event->fd < 0 || !events || event->io.fd >= 0)
        return 0;
    return loop_io_add(event->loop->context, &event->io, event->fd, events, ready);
}

static int start_timer(struct unbound_event *event)
{
    hawser_context *context = event->loop->context;

    if (event->period_us <= 0)
        return 0;
    return loop_timer_set(context, &event->timer, loop_now(context) + event->period_us);
}

static void deactivate(struct unbound_event *event)
{
    loop_io_remove(event->loop->context, &event->io);
    loop_timer_clear(event->loop->context, &event->timer);
}

static void fire(struct unbound_event *event, short bits)
{
    struct unbound_loop *loop = event->loop;

    if (!(event->bits & UB_EV_PERSIST))
        deactivate(event);
    else
        (void)start_timer(event); /* it was in the heap before, so there is room */
    loop->firing = event;
    event->callback(event->fd, bits, event->argument);
    /* libunbound reads what it wants and expects to be told of the rest again; our loop tells once. Watching anew does. */
    if (loop->firing == event && event->io.fd >= 0) {
        loop_io_remove(loop->context, &event->io);
        (void)watch(event);
    }
    loop->firing = NULL;
}

static void ready(struct loop_io *io, uint32_t events)
{
    struct unbound_event *event = container_of(io, struct unbound_event, io);
    short bits = 0;

    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        bits |= UB_EV_READ;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        bits |= UB_EV_WRITE;
    bits &= event->bits;
    if (bits)
        fire(event, bits);
}

static void timed_out(struct loop_timer *timer, int64_t now)
{
    (void)now;
    fire(container_of(timer, struct unbound_event, timer), UB_EV_TIMEOUT);
}

static void event_add_bits(struct ub_event *base, short bits)
{
    event_of(base)->bits |= bits;
}

static void event_del_bits(struct ub_event *base, short bits)
{
    struct unbound_event *event = event_of(base);

    event->bits = (short)(event->bits & ~bits);
}

static void event_set_fd(struct ub_event *base, int fd)
{
    event_of(base)->fd = fd;
}

static void event_free(struct ub_event *base)
{
    struct unbound_event *event = event_of(base);

    deactivate(event);
    if (event->loop->firing == event)
        event->loop->firing = NULL;
    free(event);
}

static int event_add(struct ub_event *base, struct timeval *period)
{
    struct unbound_event *event = event_of(base);

    event->period_us = period ? (int64_t)period->tv_sec * 1000000 + period->tv_usec : 0;
    if (period && event->period_us <= 0)
        event->period_us = 1;
    loop_timer_clear(event->loop->context, &event->timer);
    if (start_timer(event) == 0 && watch(event) == 0)
        return 0;
    deactivate(event);
    return -1;
}

static int event_del(struct ub_event *base)
{
    deactivate(event_of(base));
    return 0;
}

static int event_add_timer(struct ub_event *base, struct ub_event_base *loop, event_fn callback, void *argument,
                           struct timeval *period)
{
    struct unbound_event *event = event_of(base);

    (void)loop;
    deactivate(event);
    event->fd = -1;
    event->bits = UB_EV_TIMEOUT;
    event->callback = callback;
    event->argument = argument;
    return event_add(base, period);
}

/* Never called by libunbound (unbound-event.h says so of signals, of its own loop and of Windows): refused. */
static int no_signal_add(struct ub_event *base, struct timeval *period)
{
    (void)base, (void)period;
    return -1;
}

static int no_signal_del(struct ub_event *base)
{
    (void)base;
    return -1;
}

static void no_winsock_unregister(struct ub_event *base)
{
    (void)base;
}

static void no_winsock_wouldblock(struct ub_event *base, int bits)
{
    (void)base, (void)bits;
}

static struct ub_event_vmt event_functions = {
    .add_bits = event_add_bits,
    .del_bits = event_del_bits,
    .set_fd = event_set_fd,
    .free = event_free,
    .add = event_add,
    .del = event_del,
    .add_timer = event_add_timer,
    .del_timer = event_del,
    .add_signal = no_signal_add,
    .del_signal = no_signal_del,
    .winsock_unregister_wsaevent = no_winsock_unregister,
    .winsock_tcp_wouldblock = no_winsock_wouldblock,
};

static struct ub_event *event_new(struct ub_event_base *base, int fd, short bits, event_fn callback, void *argument)
{
    struct unbound_event *event = malloc(sizeof *event);

    if (!event)
        return NULL;
    *event = (struct unbound_event){
        .base = {.magic = UB_EVENT_MAGIC, .vmt = &event_functions},
        .loop = container_of(base, struct unbound_loop, base),
        .fd = fd,
        .bits = bits,
        .callback = callback,
        .argument = argument,
        .io = {.fd = -1},
    };
    loop_timer_init(&event->timer, timed_out);
    return &event->base;
}

static void no_base_free(struct ub_event_base *base)
{
    (void)base;
}

static int no_dispatch(struct ub_event_base *base)
{
    (void)base;
    return -1;
}

static int no_loopexit(struct ub_event_base *base, struct timeval *when)
{
    (void)base, (void)when;
    return -1;
}

static struct ub_event *no_signal_new(struct ub_event_base *base, int fd, event_fn callback, void *argument)
{
    (void)base, (void)fd, (void)callback, (void)argument;
    return NULL;
}

static struct ub_event *no_winsock_register(struct ub_event_base *base, void *wsaevent, event_fn callback,
                                            void *argument)
{
    (void)base, (void)wsaevent, (void)callback, (void)argument;
    return NULL;
}

static struct ub_event_base_vmt base_functions = {
    .free = no_base_free,
    .dispatch = no_dispatch,
    .loopexit = no_loopexit,
    .new_event = event_new,
    .new_signal = no_signal_new,
    .winsock_register_wsaevent = no_winsock_register,
};

void unbound_loop_init(struct unbound_loop *loop, hawser_context *context)
{
    *loop = (struct unbound_loop){
        .base = {.magic = UB_EVENT_MAGIC, .vmt = &base_functions},
        .context = context,
    };
}
