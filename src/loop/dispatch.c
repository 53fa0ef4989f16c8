/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting and dispatching. */
#include "loop/context.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Above this wait milliseconds are fine enough, and their system call is the cheaper one. */
#define FINE_WAIT_US 100000

void dispatch_signal(hawser_context *context)
{
    /* Fails only when 2^64 - 2 signals are outstanding, and then the descriptor is readable. */
    (void)eventfd_write(context->event, 1);
}

void dispatch_sync(hawser_context *context)
{
    if (!context->foreign || context->dispatching || context->running || loop_check(context) < 0)
        return;
    if (deferred_pending(context) && !context->signalled) {
        context->signalled = true;
        dispatch_signal(context);
    }
    timers_arm(context, true);
}

int hawser_context_fd(hawser_context *context)
{
    int r = loop_check(context);

    if (r < 0)
        return r;
    if (!context->foreign) {
        r = timers_open(context);
        if (r < 0)
            return r;
        context->foreign = true;
        dispatch_sync(context);
    }
    return context->epoll;
}

/* How long to wait for descriptors: -1 is without end. */
static int64_t wait_time(const hawser_context *context, int64_t timeout_us)
{
    int64_t due = timers_next(context), left;

    if (timeout_us == 0 || deferred_pending(context))
        return 0;
    if (due == INT64_MAX)
        return timeout_us < 0 ? -1 : timeout_us;
    left = due - loop_clock();
    if (left < 0)
        left = 0;
    return timeout_us >= 0 && timeout_us < left ? timeout_us : left;
}

static int wait_events(hawser_context *context, int64_t wait_us)
{
    int n;

    if (wait_us > 0 && wait_us < FINE_WAIT_US) {
        struct timespec wait = {.tv_nsec = (long)wait_us * 1000};
        n = epoll_pwait2(context->epoll, context->events, EVENTS_AT_ONCE, &wait, NULL);
        if (n >= 0 || errno != ENOSYS) /* before Linux 5.11 */
            return n < 0 ? -errno : n;
    }
    /* Rounded up: waking too early would only make another round. */
    int64_t wait_ms = wait_us < 0 ? -1 : wait_us / 1000 + (wait_us % 1000 != 0);
    n = epoll_wait(context->epoll, context->events, EVENTS_AT_ONCE, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms);
    return n < 0 ? -errno : n;
}

static unsigned tell_events(hawser_context *context)
{
    unsigned told = 0;

    while (context->event_next < context->event_count) {
        const struct epoll_event *event = &context->events[context->event_next++];
        struct loop_io *io = event->data.ptr;
        if (io) { /* else our own descriptors, or removed after it was fetched */
            io->ready(io, event->events);
            told++;
        }
    }
    return told;
}

/* The kernel queues what becomes ready, and gives each out once: after as many portions as hold all that are watched, what was
 * queued at the first of them has been told, however much came meanwhile. */
static void backlog_note(hawser_context *context)
{
    struct backlog *backlog = &context->backlog;
    int64_t took = loop_clock() - context->now;

    if (context->event_count < EVENTS_AT_ONCE) {
        backlog->full = 0;
        backlog->pass = 0;
        backlog->behind = took;
        return;
    }
    backlog->full++;
    backlog->pass += took;
    backlog->behind += took;
    if (backlog->full * EVENTS_AT_ONCE >= backlog->watched) {
        backlog->behind = backlog->pass;
        backlog->full = 0;
        backlog->pass = 0;
    }
}

int64_t loop_behind(const hawser_context *context)
{
    return context->backlog.behind;
}

/* Waits, then handles what is ready: how many things that were, or what went wrong. */
static int dispatch(hawser_context *context, int64_t timeout_us)
{
    unsigned handled;
    int r;

    if (context->dispatching)
        return -EBUSY;
    r = wait_events(context, wait_time(context, timeout_us));
    if (r < 0 && r != -EINTR)
        return r;
    hawser_context_ref(context); /* a handler may give back the last one */
    context->event_next = 0;
    context->event_count = r < 0 ? 0 : r;
    context->now = loop_clock();
    context->dispatching = true;
    context->signalled = false;
    list_splice(&context->deferred, &context->deferred_next);
    handled = inbox_run(context);
    handled += tell_events(context);
    handled += timers_fire(context);
    handled += deferred_run(context);
    cache_watch(context);
    backlog_note(context);
    context->dispatching = false;
    if (context->running)
        timers_arm(context, false);
    else
        dispatch_sync(context);
    hawser_context_unref(context);
    return handled > INT_MAX ? INT_MAX : (int)handled;
}

int hawser_dispatch(hawser_context *context)
{
    int r = loop_check(context);

    if (r < 0)
        return r;
    r = dispatch(context, 0);
    return r < 0 ? r : 0;
}

int hawser_iterate(hawser_context *context, int64_t timeout_us)
{
    int64_t end, left = timeout_us;
    int r = loop_check(context);

    if (r < 0)
        return r;
    if (context->dispatching)
        return -EBUSY;
    hawser_context_ref(context);
    end = timeout_us > 0 ? loop_clock() + timeout_us : 0;
    do {
        r = dispatch(context, left);
        if (timeout_us > 0)
            left = end - loop_clock();
    } while (r == 0 && (timeout_us < 0 || left > 0) && !context->stopped);
    hawser_context_unref(context);
    return r > 0 ? 1 : r;
}

int hawser_run(hawser_context *context)
{
    int r = loop_check(context);

    if (r < 0)
        return r;
    if (context->dispatching)
        return -EBUSY;
    hawser_context_ref(context);
    context->running = true;
    if (!context->stopped)
        r = dispatch(context, 0); /* what was posted or deferred may be what opens the first association */
    while (r >= 0 && !context->stopped && context->holds > 0)
        r = dispatch(context, -1);
    context->running = false;
    if (r >= 0)
        r = context->stopped ? context->stop_code : 0;
    context->stopped = false;
    dispatch_sync(context);
    hawser_context_unref(context);
    return r;
}

int hawser_stop(hawser_context *context, int code)
{
    int r = loop_check(context);

    if (r < 0)
        return r;
    context->stopped = true;
    context->stop_code = code;
    return 0;
}

void loop_hold(hawser_context *context)
{
    context->holds++;
}

void loop_release(hawser_context *context)
{
    context->holds--;
}
