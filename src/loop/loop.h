/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context's loop: readiness, timers, work put off to the end of a dispatch, work from other threads, the worker.
 * One epoll descriptor is the context's own pollable one; inside it are an eventfd (posts) and a timerfd that is armed
 * only for foreign loops: hawser_run() hands the time-out to epoll_wait() instead. No system call a message.
 *
 * The order inside one dispatch: posts, descriptors, timers, then deferred work until none is left (bounded: what is
 * deferred while the bound is used up runs in the next dispatch, for which the descriptor stays readable).
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <hawser/hawser.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"

/* Readiness of a descriptor, edge-triggered: ready() tells EPOLLIN and the like once; the owner goes on until EAGAIN. */
struct loop_io {
    int fd; /* -1: not watched */
    void (*ready)(struct loop_io *io, uint32_t events);
};

struct loop_timer {
    struct heap_node node; /* key: when it is due */
    void (*fire)(struct loop_timer *timer, int64_t now);
};

/* Work for the end of this dispatch (or of the next, when deferred outside one). */
struct loop_deferred {
    struct list link;
    void (*run)(struct loop_deferred *deferred);
};

/* A call that has no form without blocking, for the worker. work() runs on the worker (or, without one, at once in
 * dispatch), done() in dispatch on the context's thread. The job is its owner's again when done() is called. */
struct loop_job {
    struct list link;
    void (*work)(struct loop_job *job);
    void (*done)(struct loop_job *job);
};

/* 0, -ECHILD after fork(); public calls begin with it. */
int loop_check(const hawser_context *context);

int64_t loop_now(const hawser_context *context); /* as of this dispatch; outside of one, the clock */
/* A time that lies after another, however long the program wants to wait. */
static inline int64_t loop_after(int64_t from, int64_t delay)
{
    return delay > INT64_MAX - 1 - from ? INT64_MAX - 1 : from + delay;
}
int64_t loop_clock(void); /* CLOCK_BOOTTIME, microseconds */
/* Keeps a few large blocks for reuse; bounded. May be used from any thread. What outlives the context (a message that a
 * program keeps) holds a reference of its own. */
const struct memory *loop_memory(hawser_context *context);
const struct memory *loop_memory_ref(const struct memory *memory); /* from any thread */
void loop_memory_unref(const struct memory *memory);               /* from any thread */
uint8_t *
loop_scratch(hawser_context *context,
             size_t *ret_size); /* shared working space, at least 128 KiB; valid until the caller returns to the loop */
const char *loop_state_dir(const hawser_context *context); /* "" : keep nothing */
/* The policy file of the user, or what the program named in its place; "": none. ret_system: the system's goes before it. */
const char *loop_policy_file(const hawser_context *context, bool *ret_system);
const char *loop_trust_anchors(const hawser_context *context); /* a file; "": none; NULL: the program named none */
bool loop_has_worker(const hawser_context *context);           /* else jobs are done in dispatch, which they hold up */
hawser_shared *loop_shared(const hawser_context *context);     /* NULL: none */
bool loop_dispatching(const hawser_context *context);
/* How long something that came may lie unread, microseconds: as long as this thread has worked since it last knew all that was
 * ready. Where it is much, the silence of others is our own. */
int64_t loop_behind(const hawser_context *context);

/* events: EPOLLIN, EPOLLOUT or both; EPOLLET is added. -ENOSPC, -ENOMEM, -EPERM (a regular file). */
int loop_io_add(hawser_context *context, struct loop_io *io, int fd, uint32_t events,
                void (*ready)(struct loop_io *io, uint32_t events));
void loop_io_remove(hawser_context *context,
                    struct loop_io *io); /* before the descriptor is closed; also inside ready() of any */

void loop_timer_init(struct loop_timer *timer, void (*fire)(struct loop_timer *timer, int64_t now));
int loop_timer_set(hawser_context *context, struct loop_timer *timer, int64_t due); /* also moves it */
void loop_timer_clear(hawser_context *context, struct loop_timer *timer);

void loop_deferred_init(struct loop_deferred *deferred, void (*run)(struct loop_deferred *deferred));
void loop_defer(hawser_context *context, struct loop_deferred *deferred);      /* nothing when it is deferred already */
void loop_defer_next(hawser_context *context, struct loop_deferred *deferred); /* for the next dispatch */
void loop_undefer(struct loop_deferred *deferred);

void loop_job_init(struct loop_job *job, void (*work)(struct loop_job *job), void (*done)(struct loop_job *job));
void loop_job_start(hawser_context *context, struct loop_job *job); /* nothing when it is under way */
/* Waits for a job that runs and takes it back; its done() is not called. Nothing when it is not under way. */
void loop_job_cancel(hawser_context *context, struct loop_job *job);

/* From any thread: run(context, user) in the context's next dispatch; where it ends before, drop(user) in its stead, while it is
 * being freed. The caller sees to it that the context lives until this returns. -ENOMEM, -ECHILD. */
int loop_post(hawser_context *context, void (*run)(hawser_context *context, void *user), void (*drop)(void *user),
              void *user);

/* hawser_run() returns when this count is 0. Associations and listeners hold the loop while they are open. */
void loop_hold(hawser_context *context);
void loop_release(hawser_context *context);

/* What other parts keep for a context (associations, tickets, the resolver, the system's addresses); released at its end
 * in this order: who uses another goes first. */
enum loop_part {
    LOOP_PART_ASSOCIATIONS,
    LOOP_PART_SECURITY,
    LOOP_PART_HISTORY,
    LOOP_PART_RESOLVER,
    LOOP_PART_UDP,
    LOOP_PART_PATH_LIST,
    LOOP_PART_PATHS,
    LOOP_PART_POLICY,
    LOOP_PART_INTERFACES,
    LOOP_PART_LAYERS,
    LOOP_PART_COUNT
};
void *loop_part(const hawser_context *context, enum loop_part part);
void loop_set_part(hawser_context *context, enum loop_part part, void *value, void (*release)(void *value));

void loop_log(const hawser_context *context, hawser_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
