/* SPDX-License-Identifier: Apache-2.0 */
/* The one worker thread of a context, for calls that have no form without blocking. */
#include "loop/context.h"

#include <signal.h>

static struct loop_job *take_first(struct list *list)
{
    struct loop_job *job = list_first(list, struct loop_job, link);

    list_remove(&job->link);
    return job;
}

static void *worker_main(void *user)
{
    hawser_context *context = user;
    struct inbox *inbox = &context->inbox;

    pthread_mutex_lock(&inbox->lock);
    for (;;) {
        while (!inbox->quit && list_empty(&inbox->queue))
            pthread_cond_wait(&inbox->wake, &inbox->lock);
        if (inbox->quit)
            break;
        struct loop_job *job = inbox->working = take_first(&inbox->queue);
        pthread_mutex_unlock(&inbox->lock);
        job->work(job);
        pthread_mutex_lock(&inbox->lock);
        inbox->working = NULL;
        list_append(&inbox->done, &job->link);
        if (inbox_filled(inbox))
            dispatch_signal(context);
        pthread_cond_broadcast(&inbox->ended);
    }
    pthread_mutex_unlock(&inbox->lock);
    return NULL;
}

/* The program's signals are the program's: the worker takes none. */
static bool start_worker(hawser_context *context)
{
    struct inbox *inbox = &context->inbox;
    sigset_t all, before;
    int r;

    if (inbox->started)
        return true;
    if (context->options.no_worker)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&inbox->thread, NULL, worker_main, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        loop_log(context, HAWSER_LOG_WARNING, "no worker thread (%s): its work is done in dispatch",
                 hawser_strerror(-r));
        return false;
    }
    pthread_setname_np(inbox->thread, "hawser-worker");
    inbox->started = true;
    return true;
}

void worker_stop(hawser_context *context)
{
    struct inbox *inbox = &context->inbox;

    if (!inbox->started)
        return;
    pthread_mutex_lock(&inbox->lock);
    inbox->quit = true;
    pthread_cond_signal(&inbox->wake);
    pthread_mutex_unlock(&inbox->lock);
    pthread_join(inbox->thread, NULL);
    inbox->started = false;
}

static void run_local_jobs(struct loop_deferred *deferred)
{
    hawser_context *context = container_of(deferred, hawser_context, run_local_jobs);
    struct loop_job *job = take_first(&context->local_jobs);

    /* One a round: each may block, and done() may cancel any other. */
    if (!list_empty(&context->local_jobs))
        loop_defer(context, deferred);
    job->work(job);
    job->done(job);
}

void worker_init(hawser_context *context)
{
    list_init(&context->local_jobs);
    loop_deferred_init(&context->run_local_jobs, run_local_jobs);
}

void loop_job_init(struct loop_job *job, void (*work)(struct loop_job *job), void (*done)(struct loop_job *job))
{
    list_init(&job->link);
    job->work = work;
    job->done = done;
}

void loop_job_start(hawser_context *context, struct loop_job *job)
{
    struct inbox *inbox = &context->inbox;

    if (loop_check(context) < 0)
        return;
    if (!start_worker(context)) {
        if (!list_linked(&job->link))
            list_append(&context->local_jobs, &job->link);
        loop_defer(context, &context->run_local_jobs);
        return;
    }
    pthread_mutex_lock(&inbox->lock);
    if (!list_linked(&job->link) && inbox->working != job) {
        list_append(&inbox->queue, &job->link);
        pthread_cond_signal(&inbox->wake);
    }
    pthread_mutex_unlock(&inbox->lock);
}

void loop_job_cancel(hawser_context *context, struct loop_job *job)
{
    struct inbox *inbox = &context->inbox;

    if (loop_check(context) < 0)
        return; /* a forked child: neither the worker nor the state of its lock came along */
    pthread_mutex_lock(&inbox->lock);
    while (inbox->working == job)
        pthread_cond_wait(&inbox->ended, &inbox->lock);
    list_remove(&job->link);
    pthread_mutex_unlock(&inbox->lock);
    if (list_empty(&context->local_jobs))
        loop_undefer(&context->run_local_jobs);
}
