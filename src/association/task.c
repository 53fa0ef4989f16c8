/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: what they wait for, and who tells them. (S2.57) */
#include "association/task.h"

#include "association/gather.h"
#include "association/kept.h"

#define DEFAULT_STACK ((size_t)256 << 10)
#define MIN_STACK ((size_t)32 << 10)

/* ----------------------------------------------------------------------------------------------------------- waiting */

void task_wake(struct task *task)
{
    if (!list_linked(&task->deferred.link))
        loop_defer(task->all->context, &task->deferred);
}

static void task_deferred(struct loop_deferred *deferred)
{
    task_resume(container_of(deferred, struct task, deferred));
}

static void task_fire(struct loop_timer *timer, int64_t now)
{
    (void)now;
    task_wake(container_of(timer, struct task, timer));
}

/* The task that calls; it may wait here. */
static int task_current(hawser_context *context, struct task **ret_task)
{
    struct associations *all;
    int r = loop_check(context);

    if (r < 0)
        return r;
    all = loop_part(context, LOOP_PART_ASSOCIATIONS);
    if (!all || !all->running)
        return -EPERM;
    *ret_task = all->running;
    return (*ret_task)->cancelled ? -ECANCELED : 0;
}

static int task_wait_in(struct task *task, struct list *waiting)
{
    list_append(waiting, &task->waiting);
    task_pause(task);
    list_remove(&task->waiting);
    return task->cancelled ? -ECANCELED : 0;
}

/* Waits until something happened to the association. The caller looks whether it was what it wants. */
static int task_wait(struct task *task, hawser_association *association)
{
    int r;

    hawser_association_ref(association);
    r = task_wait_in(task, &association->tasks);
    hawser_association_unref(association);
    return r;
}

void tasks_news(hawser_association *association)
{
    for (struct list *at = association->tasks.next; at != &association->tasks; at = at->next)
        task_wake(container_of(at, struct task, waiting));
}

/* The context ends: tasks see -ECANCELED wherever they wait, and return. */
void tasks_end(struct associations *all)
{
    while (!list_empty(&all->tasks)) {
        struct task *task = list_first(&all->tasks, struct task, link);

        task->cancelled = true;
        task_resume(task);
    }
}

int hawser_task_start(hawser_context *context, void (*fn)(void *argument), void *argument,
                      const hawser_task_options *given)
{
    hawser_task_options options;
    struct associations *all;
    struct task *task;
    int r;

    r = loop_check(context);
    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r < 0)
        return r;
    if (!fn || (options.stack_size && options.stack_size < MIN_STACK) || options.stack_size > SIZE_MAX / 2)
        return -EINVAL;
    r = associations_of(context, &all);
    if (r == 0)
        r = task_new(all, fn, argument, options.stack_size ? options.stack_size : DEFAULT_STACK, &task);
    if (r < 0)
        return r;
    loop_deferred_init(&task->deferred, task_deferred);
    loop_timer_init(&task->timer, task_fire);
    task_resume(task);
    return 0;
}

int hawser_task_yield(hawser_context *context)
{
    struct task *task;
    int r = task_current(context, &task);

    if (r < 0)
        return r;
    loop_defer_next(context, &task->deferred);
    task_pause(task);
    return task->cancelled ? -ECANCELED : 0;
}

int hawser_task_sleep(hawser_context *context, int64_t duration_us)
{
    int64_t due = loop_now(context) + duration_us;
    struct task *task;
    int r = task_current(context, &task);

    if (r == 0)
        r = duration_us < 0 ? -EINVAL : loop_timer_set(context, &task->timer, due);
    if (r < 0)
        return r;
    while (!task->cancelled && loop_now(context) < due)
        task_pause(task); /* an older reason to wake it may come in between */
    loop_timer_clear(context, &task->timer);
    return task->cancelled ? -ECANCELED : 0;
}

/* ------------------------------------------------------------------------------------------------------ associations */

static void task_message(const hawser_event *event, void *user)
{
    hawser_association *association = event->association;
    struct kept *queued;

    (void)user;
    if (kept_new(&event->received, &queued) < 0) {
        (void)hawser_refuse(association, event->received.id, "the receiver has no memory");
        return;
    }
    list_append(&association->queued, &queued->link);
    association_wake(association); /* whose end is tasks_news() */
}

/* What comes before the task asks for it waits, where no handler takes it. */
static void task_claim(hawser_association *association)
{
    struct slot *slot = &association->slots[HAWSER_RECEIVED];

    if (!slot->handler && !event_wanted(association, HAWSER_RECEIVED_MANY))
        (void)hawser_register(association, HAWSER_RECEIVED, task_message, NULL);
}

/* The task that calls, with what it needs of an association. */
static int task_current_at(hawser_association *association, struct task **ret_task)
{
    int r = association->context ? task_current(association->context, ret_task) : -ECANCELED;

    if (r == 0)
        task_claim(association);
    return r;
}

int hawser_task_established(hawser_association *association)
{
    struct task *task;
    int r = task_current_at(association, &task);

    while (r == 0 && !association->established && !association->told_closed)
        r = task_wait(task, association);
    if (r < 0 || association->established)
        return r;
    return association->code ? association->code : -ECANCELED;
}

int hawser_task_receive(hawser_association *association, hawser_message **ret_message, hawser_received *ret_received)
{
    struct kept *queued;
    struct task *task;
    int r = task_current_at(association, &task);

    if (r < 0)
        return r;
    if (!ret_message)
        return -EINVAL;
    if (association->slots[HAWSER_RECEIVED].handler != task_message || event_wanted(association, HAWSER_RECEIVED_MANY))
        return -EBUSY;
    while (r == 0 && list_empty(&association->queued))
        r = association->told_closed ? -ECANCELED : task_wait(task, association);
    if (r < 0)
        return r;
    queued = list_first(&association->queued, struct kept, link);
    list_remove(&queued->link);
    kept_free(association->taken_last);
    association->taken_last = queued; /* its marks are the task's until it takes the next */
    *ret_message = queued->message;
    if (ret_received)
        *ret_received = queued->received;
    return 0;
}

void task_queue_free(hawser_association *association)
{
    while (!list_empty(&association->queued)) {
        struct kept *queued = list_first(&association->queued, struct kept, link);

        list_remove(&queued->link);
        kept_drop(queued);
    }
    kept_free(association->taken_last);
    association->taken_last = NULL;
}

static void task_outcome(const hawser_event *event, void *user)
{
    struct task *task = user;

    task->result = event->outcome.kind == HAWSER_ACKED || event->outcome.kind == HAWSER_HANDED_OVER ? 0
                   : event->outcome.kind == HAWSER_EXPIRED                                          ? -HAWSER_EEXPIRED
                   : event->outcome.code ? event->outcome.code
                                         : -ECANCELED;
    task_wake(task);
}

int hawser_task_send(hawser_association *association, const void *data, size_t size,
                     const hawser_message_options *options)
{
    hawser_message_id id;
    struct task *task;
    int r = task_current_at(association, &task);

    if (r < 0)
        return r;
    while ((r = hawser_send(association, data, size, options, &id)) == -EAGAIN) {
        r = task_wait(task, association);
        if (r < 0)
            return r;
    }
    if (r == 0)
        r = hawser_register_message(association, id, HAWSER_OUTCOME, task_outcome, task);
    if (r < 0)
        return r;
    task->result = 1;
    hawser_association_ref(association);
    while (r == 0 && task->result > 0 && !association->told_closed)
        r = task_wait(task, association);
    if (r < 0) /* the context ends before the outcome: nobody tells it any more */
        (void)hawser_register_message(association, id, HAWSER_OUTCOME, NULL, NULL);
    else if (task->result > 0) /* the line went to another process, and its outcomes come there */
        r = association->code ? association->code : -ECANCELED;
    hawser_association_unref(association);
    return task->result > 0 ? r : task->result;
}

/* ---------------------------------------------------------------------------------------------------------- streams */

ssize_t hawser_task_read(hawser_stream *stream, void *buffer, size_t size)
{
    struct task *task;
    ssize_t n;
    int r = task_current_at(stream_association(stream), &task);

    if (r < 0)
        return r;
    hawser_stream_ref(stream);
    while ((n = hawser_stream_read(stream, buffer, size)) == -EAGAIN) {
        n = task_wait(task, stream_association(stream));
        if (n < 0)
            break;
    }
    hawser_stream_unref(stream);
    return n;
}

ssize_t hawser_task_write(hawser_stream *stream, const void *data, size_t size)
{
    size_t done = 0;
    struct task *task;
    ssize_t n = 0;
    int r = task_current_at(stream_association(stream), &task);

    if (r < 0)
        return r;
    hawser_stream_ref(stream);
    while (done < size && n >= 0) {
        n = hawser_stream_write(stream, (const uint8_t *)data + done, size - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == -EAGAIN)
            n = task_wait(task, stream_association(stream));
    }
    hawser_stream_unref(stream);
    return n < 0 ? n : (ssize_t)done;
}

/* --------------------------------------------------------------------------------------------------------- gathering */

int hawser_task_gather(hawser_gathering *gathering, hawser_gathered *ret_gathered)
{
    struct task *task;
    int r;

    if (!gathering || !ret_gathered)
        return -EINVAL;
    r = gather_context(gathering) ? task_current(gather_context(gathering), &task) : -ECANCELED;
    if (r < 0)
        return r;
    hawser_gathering_ref(gathering);
    while ((r = gather_handled(gathering) ? -EBUSY : gather_take(gathering, ret_gathered)) == -EAGAIN) {
        r = task_wait_in(task, gather_tasks(gathering));
        if (r < 0)
            break;
    }
    hawser_gathering_unref(gathering);
    return r;
}
