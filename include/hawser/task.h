/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: receive and send in straight-line code on the loop, many at once on one thread (S2.57). A task is a coroutine
 * with a stack of its own; a call here that would have to wait lets the loop go on, and returns when it is done.
 *
 *     static void serve(void *line)
 *     {
 *         hawser_message *m;
 *
 *         while (hawser_task_receive(line, &m, NULL) == 0) {
 *             hawser_task_send(line, hawser_message_data(m), hawser_message_size(m), NULL);
 *             hawser_message_unref(m);
 *         }
 *     }
 *
 * HAWSER_TASKS is 1 where the platform has contexts to switch (makecontext(3): glibc), else 0, and then nothing below it
 * is declared. The calls that wait answer -EPERM outside of a task. When the association or the context ends they
 * return -ECANCELED, from then on at once: a task is to clean up and return. It must not end the context itself.
 */
#ifndef HAWSER_TASK_H
#define HAWSER_TASK_H

#include <hawser/gather.h>
#include <hawser/hawser.h>

#ifdef __GLIBC__
#define HAWSER_TASKS 1
#else
#define HAWSER_TASKS 0
#endif

#if HAWSER_TASKS

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_task_options {
    size_t struct_size;
    size_t stack_size; /* 0: 256 KiB; at least 32 KiB. Below it lies a page that may not be touched. */
} hawser_task_options;
#define HAWSER_TASK(...) (&(const hawser_task_options){.struct_size = sizeof(hawser_task_options), __VA_ARGS__})

/* Runs fn(argument) as a task: at once, until it waits for the first time; the rest inside dispatch. Holds
 * hawser_run() until it returns. Errors: -ENOMEM, -EINVAL. */
HAWSER_API int hawser_task_start(hawser_context *context, void (*fn)(void *argument), void *argument,
                                 const hawser_task_options *options);

/* Waits until the line is up: 0, or why it could not be. */
HAWSER_API int hawser_task_established(hawser_association *association);
/* The next message, which the caller unrefs; it counts against the peer's credit until then. ret_received tells the
 * rest of it, its marks and gaps until the next call. -EBUSY where a handler for HAWSER_RECEIVED or HAWSER_RECEIVED_MANY is registered: without one, from the
 * first call of a task with this association on, its messages wait here, and hold the peer back by credit. */
HAWSER_API int hawser_task_receive(hawser_association *association, hawser_message **ret_message,
                                   hawser_received *ret_received);
/* Sends, and waits for room in the queue and for the outcome: 0 is acked, -HAWSER_EEXPIRED expired, else why it failed;
 * -HAWSER_EMOVED: the line was exported, and the outcome comes where it went. */
HAWSER_API int hawser_task_send(hawser_association *association, const void *data, size_t size,
                                const hawser_message_options *options);
/* The next that a source of a gathering gives, as hawser_gathering_next() without end. */
HAWSER_API int hawser_task_gather(hawser_gathering *gathering, hawser_gathered *ret_gathered);
/* At least one byte, 0 at the end; all of size. As hawser_read() and hawser_write(), which are not for tasks. */
HAWSER_API ssize_t hawser_task_read(hawser_stream *stream, void *buffer, size_t size);
HAWSER_API ssize_t hawser_task_write(hawser_stream *stream, const void *data, size_t size);
/* Lets everything else that is ready run; waits for a time. */
HAWSER_API int hawser_task_yield(hawser_context *context);
HAWSER_API int hawser_task_sleep(hawser_context *context, int64_t duration_us);

#ifdef __cplusplus
}
#endif

#endif
#endif
