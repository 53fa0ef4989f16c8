/* SPDX-License-Identifier: Apache-2.0 */
/* Timers: the library's, and the program's on top of them. */
#include "loop/context.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct user_timer {
    struct loop_timer timer;
    RB_ENTRY(user_timer) entry;
    hawser_context *context;
    uint64_t number;
    void (*fn)(void *user);
    void *user;
};

static int compare_user_timers(const struct user_timer *a, const struct user_timer *b)
{
    return a->number < b->number ? -1 : a->number > b->number;
}

TREE_GENERATE(user_timer_tree, user_timer, entry, compare_user_timers)

void timers_init(hawser_context *context)
{
    heap_init(&context->timers, &memory_malloc);
    RB_INIT(&context->user_timers);
}

void timers_free(hawser_context *context)
{
    struct user_timer *timer;

    while ((timer = RB_ROOT(&context->user_timers))) {
        RB_REMOVE(user_timer_tree, &context->user_timers, timer);
        free(timer);
    }
    heap_free(&context->timers);
}

int timers_open(hawser_context *context)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd;

    if (context->timer >= 0)
        return 0;
    fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (epoll_ctl(context->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    context->timer = fd;
    return 0;
}

int64_t timers_next(const hawser_context *context)
{
    const struct heap_node *node = heap_first(&context->timers);

    return node ? node->key : INT64_MAX;
}

/*
 * Timers mostly move later (each message puts off the keep-alive): an early wake-up now and then costs less than a system
 * call a move, so the descriptor is set only when it would be late, and when it has gone off.
 */
void timers_arm(hawser_context *context, bool foreign_waits)
{
    bool gone_off = context->armed && context->armed <= context->now;
    int64_t due = foreign_waits ? timers_next(context) : INT64_MAX;
    struct itimerspec when = {0};

    if (!gone_off && (due == INT64_MAX || (context->armed && context->armed <= due)))
        return;
    if (due != INT64_MAX) {
        if (due < 1)
            due = 1; /* 0 would disarm */
        when.it_value = (struct timespec){.tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000};
    }
    if (timerfd_settime(context->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        context->armed = due == INT64_MAX ? 0 : due;
}

unsigned timers_fire(hawser_context *context)
{
    struct heap_node *node;
    unsigned fired = 0;

    context->firing = true;
    while ((node = heap_first(&context->timers)) && node->key <= context->now) {
        struct loop_timer *timer = container_of(node, struct loop_timer, node);
        heap_remove(&context->timers, node);
        timer->fire(timer, context->now);
        fired++;
    }
    context->firing = false;
    return fired;
}

void loop_timer_init(struct loop_timer *timer, void (*fire)(struct loop_timer *timer, int64_t now))
{
    heap_node_init(&timer->node);
    timer->fire = fire;
}

int loop_timer_set(hawser_context *context, struct loop_timer *timer, int64_t due)
{
    int r;

    /* One that sets itself again at once has to wait for the next dispatch, or this one would not end. */
    if (context->firing && due <= context->now)
        due = context->now + 1;
    r = heap_set(&context->timers, &timer->node, due);
    if (r == 0)
        dispatch_sync(context);
    return r;
}

void loop_timer_clear(hawser_context *context, struct loop_timer *timer)
{
    heap_remove(&context->timers, &timer->node);
}

static void fire_user_timer(struct loop_timer *base, int64_t now)
{
    struct user_timer *timer = container_of(base, struct user_timer, timer);
    void (*fn)(void *user) = timer->fn;
    void *user = timer->user;

    (void)now;
    RB_REMOVE(user_timer_tree, &timer->context->user_timers, timer);
    free(timer);
    fn(user);
}

int hawser_timer(hawser_context *context, int64_t delay_us, void (*fn)(void *user), void *user, uint64_t *ret_timer)
{
    struct user_timer *timer;
    int64_t now, due;
    int r = loop_check(context);

    if (r < 0)
        return r;
    if (!fn)
        return -EINVAL;
    timer = malloc(sizeof *timer);
    if (!timer)
        return -ENOMEM;
    *timer = (struct user_timer){.context = context, .fn = fn, .user = user};
    loop_timer_init(&timer->timer, fire_user_timer);
    now = loop_now(context);
    due = delay_us <= 0 ? now : loop_after(now, delay_us);
    r = loop_timer_set(context, &timer->timer, due);
    if (r < 0) {
        free(timer);
        return r;
    }
    timer->number = ++context->last_user_timer;
    RB_INSERT(user_timer_tree, &context->user_timers, timer);
    if (ret_timer)
        *ret_timer = timer->number;
    return 0;
}

int hawser_timer_cancel(hawser_context *context, uint64_t number)
{
    struct user_timer key = {.number = number}, *timer;
    int r = loop_check(context);

    if (r < 0)
        return r;
    timer = RB_FIND(user_timer_tree, &context->user_timers, &key);
    if (!timer)
        return -ENOENT;
    loop_timer_clear(context, &timer->timer);
    RB_REMOVE(user_timer_tree, &context->user_timers, timer);
    free(timer);
    return 0;
}
