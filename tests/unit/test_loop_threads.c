/* SPDX-License-Identifier: Apache-2.0 */
/* What crosses threads and processes: posts, the worker, fork(), memory. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop_test.h"

#include "loop/context.h"

static void unref_context(void *user)
{
    hawser_context_unref(user);
}

/* -------------------------------------------------------------------------------------------------------------- posts */

enum { POSTERS = 4, POSTS = 5000 };

struct poster {
    hawser_context *context;
    unsigned *count;
};

static void count_and_stop(void *user)
{
    struct poster *poster = user;

    if (++*poster->count == POSTERS * POSTS)
        hawser_stop(poster->context, 1);
}

static void *post_many(void *user)
{
    struct poster *poster = user;

    for (int i = 0; i < POSTS; i++)
        if (hawser_post(poster->context, count_and_stop, poster) < 0)
            abort();
    return NULL;
}

struct fate {
    hawser_context *ran_in;
    unsigned dropped;
};

static void note_run(hawser_context *context, void *user)
{
    ((struct fate *)user)->ran_in = context;
}

static void note_drop(void *user)
{
    ((struct fate *)user)->dropped++;
}

/* What the library posts is run once, or dropped once when the context ends before. */
static void a_post_is_run_or_dropped(void **state)
{
    hawser_context *context = context_new();
    struct fate run = {NULL, 0}, dropped = {NULL, 0};

    (void)state;
    assert_int_equal(loop_post(context, note_run, note_drop, &run), 0);
    assert_int_equal(hawser_dispatch(context), 0);
    assert_ptr_equal(run.ran_in, context);
    assert_int_equal(loop_post(context, note_run, note_drop, &dropped), 0);
    hawser_context_unref(context);
    assert_int_equal(run.dropped, 0);
    assert_null(dropped.ran_in);
    assert_int_equal(dropped.dropped, 1);
}

/* Every post of every thread runs, on the context's thread, however they race with the dispatch. */
static void posts_from_threads_all_run(void **state)
{
    hawser_context *context = context_new();
    unsigned count = 0;
    struct poster poster = {context, &count};
    pthread_t threads[POSTERS];

    (void)state;
    loop_hold(context);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &poster), 0);
    assert_int_equal(hawser_run(context), 1);
    assert_int_equal(count, POSTERS * POSTS);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    hawser_context_unref(context);
}

static void *post_end(void *user)
{
    if (hawser_post(user, unref_context, user) < 0)
        abort();
    return NULL;
}

/* A post that ends the context races with its poster's way out of hawser_post(). */
static void post_may_end_the_context(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        hawser_context *context = context_new();
        pthread_t thread;
        hawser_context_ref(context);
        assert_int_equal(pthread_create(&thread, NULL, post_end, context), 0);
        assert_int_equal(hawser_iterate(context, -1), 1);
        hawser_context_unref(context);
        pthread_join(thread, NULL);
    }
}

static void post_wakes_the_descriptor(void **state)
{
    hawser_context *context = context_new();
    int fd = hawser_context_fd(context);
    unsigned count = 0;

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        hawser_post(context, count_up, &count);
        hawser_post(context, count_up, &count);
        assert_true(readable(fd, 0));
        hawser_dispatch(context);
        assert_int_equal(count, 2 * i);
        assert_false(readable(fd, 0));
    }
    hawser_post(context, count_up, &count); /* never run: freed */
    assert_int_equal(hawser_post(context, NULL, NULL), -EINVAL);
    hawser_context_unref(context);
    assert_int_equal(count, 6);
}

/* ------------------------------------------------------------------------------------------------------------- worker */

struct task {
    struct loop_job job;
    hawser_context *context;
    sem_t begun, go_on;
    bool wait;
    pthread_t thread;
    sigset_t blocked;
    unsigned worked, done;
    struct task *cancel; /* by done() */
};

static void task_work(struct loop_job *job)
{
    struct task *task = container_of(job, struct task, job);

    task->thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &task->blocked);
    task->worked++;
    sem_post(&task->begun);
    if (task->wait)
        sem_wait(&task->go_on);
}

static void task_done(struct loop_job *job)
{
    struct task *task = container_of(job, struct task, job);

    task->done++;
    if (task->cancel)
        loop_job_cancel(task->context, &task->cancel->job);
}

static void task_init(struct task *task, hawser_context *context)
{
    *task = (struct task){.context = context};
    sem_init(&task->begun, 0, 0);
    sem_init(&task->go_on, 0, 0);
    loop_job_init(&task->job, task_work, task_done);
}

static void worker_works_elsewhere_with_signals_blocked(void **state)
{
    hawser_context *context = context_new();
    struct task task;

    (void)state;
    task_init(&task, context);
    for (unsigned i = 1; i <= 3; i++) { /* a job can be started again */
        loop_job_start(context, &task.job);
        loop_job_start(context, &task.job);
        assert_int_equal(hawser_iterate(context, -1), 1);
        assert_int_equal(task.worked, i);
        assert_int_equal(task.done, i);
    }
    assert_false(pthread_equal(task.thread, pthread_self()));
    assert_true(sigismember(&task.blocked, SIGINT) && sigismember(&task.blocked, SIGTERM));
    assert_true(sigismember(&task.blocked, SIGPIPE) && sigismember(&task.blocked, SIGCHLD));
    hawser_context_unref(context);
}

static void without_a_worker_jobs_run_in_dispatch(void **state)
{
    hawser_context *context;
    struct task tasks[3];

    (void)state;
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .no_worker = true), &context), 0);
    for (int i = 0; i < 3; i++) {
        task_init(&tasks[i], context);
        loop_job_start(context, &tasks[i].job);
        assert_int_equal(tasks[i].worked, 0);
    }
    tasks[0].cancel = &tasks[1];
    while (tasks[2].done == 0)
        assert_int_equal(hawser_iterate(context, -1), 1);
    assert_true(pthread_equal(tasks[0].thread, pthread_self()));
    assert_int_equal(tasks[0].done, 1);
    assert_int_equal(tasks[1].worked, 0);
    loop_job_start(context, &tasks[1].job);
    loop_job_cancel(context, &tasks[1].job);
    assert_int_equal(hawser_iterate(context, 0), 0);
    hawser_context_unref(context);
}

static void *let_go(void *user)
{
    sem_post(&((struct task *)user)->go_on);
    return NULL;
}

/* Cancelled while queued, while it runs, and when it has run: never done(). */
static void cancelled_jobs_are_not_done(void **state)
{
    hawser_context *context = context_new();
    struct task running, queued, finished;
    pthread_t thread;

    (void)state;
    task_init(&running, context);
    task_init(&queued, context);
    task_init(&finished, context);
    running.wait = true;
    loop_job_start(context, &running.job);
    loop_job_start(context, &queued.job);
    sem_wait(&running.begun);
    loop_job_cancel(context, &queued.job);
    assert_int_equal(pthread_create(&thread, NULL, let_go, &running), 0);
    loop_job_cancel(context, &running.job); /* waits for it */
    assert_int_equal(running.worked, 1);
    pthread_join(thread, NULL);
    loop_job_start(context, &finished.job);
    sem_wait(&finished.begun);
    loop_job_cancel(context, &finished.job);
    loop_job_cancel(context, &finished.job); /* nothing under way: nothing happens */
    hawser_iterate(context, 0);
    assert_int_equal(queued.worked, 0);
    assert_int_equal(running.done + queued.done + finished.done, 0);
    loop_job_start(context, &queued.job); /* they can be used again */
    assert_int_equal(hawser_iterate(context, -1), 1);
    assert_int_equal(queued.done, 1);
    hawser_context_unref(context);
}

/* --------------------------------------------------------------------------------------------------------------- fork */

/* In the child every call answers -ECHILD and ending the context there disturbs nothing in the parent. */
static int child_of(hawser_context *context, struct end *end)
{
    uint64_t timer;

    if (hawser_dispatch(context) != -ECHILD || hawser_run(context) != -ECHILD ||
        hawser_iterate(context, 0) != -ECHILD || hawser_context_fd(context) != -ECHILD)
        return 1;
    if (hawser_post(context, unref_context, NULL) != -ECHILD || hawser_stop(context, 0) != -ECHILD ||
        hawser_now(context) != -ECHILD)
        return 2;
    if (hawser_timer(context, 0, unref_context, NULL, &timer) != -ECHILD ||
        hawser_timer_cancel(context, 1) != -ECHILD || hawser_watch(context, 0, 0, NULL, NULL) != -ECHILD)
        return 3;
    loop_io_remove(context, &end->io);
    hawser_context_unref(context);
    return 0;
}

static void forked_child_is_told_and_harmless(void **state)
{
    hawser_context *context = context_new();
    struct task task;
    struct end end;
    unsigned count = 0;
    int fd = hawser_context_fd(context), status;

    (void)state;
    task_init(&task, context);
    loop_job_start(context, &task.job); /* there is a worker */
    assert_int_equal(hawser_iterate(context, -1), 1);
    end_open(context, &end, EPOLLIN);
    hawser_timer(context, 50000, count_up, &count, NULL);
    hawser_post(context, count_up, &count);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(child_of(context, &end));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(hawser_dispatch(context), 0);
    assert_int_equal(count >= 1, 1);
    assert_int_equal(write(end.peer, "x", 1), 1);
    while (end.told == 0 || count < 2) {
        assert_true(readable(fd, 60000));
        assert_int_equal(hawser_dispatch(context), 0);
    }
    loop_io_remove(context, &end.io);
    end_close(&end);
    hawser_context_unref(context);
}

/* ------------------------------------------------------------------------------------------------------------- memory */

#define MIB ((size_t)1024 * 1024)

static void large_blocks_are_kept_small_ones_are_not_our_business(void **state)
{
    hawser_context *context = context_new();
    const struct memory *memory = loop_memory(context);
    void *first, *second, *third;

    (void)state;
    first = memory_allocate(memory, 3 * MIB);
    assert_non_null(first);
    memset(first, 1, 3 * MIB);
    memory_release(memory, first, 3 * MIB);
    second = memory_allocate(memory, 3 * MIB - 100); /* the same class */
    assert_ptr_equal(second, first);
    memset(second, 2, 3 * MIB - 100);
    memory_release(memory, second, 3 * MIB - 100);
    second = memory_allocate(memory, 100 * MIB);
    assert_non_null(second);
    assert_ptr_not_equal(second, first);
    memory_release(memory, second, 100 * MIB); /* one of its size is kept */
    third = memory_allocate(memory, 100 * MIB);
    assert_ptr_equal(third, second);
    memory_release(memory, third, 100 * MIB);
    second = memory_allocate(memory, 3 * MIB); /* and it did not drive out the other */
    assert_ptr_equal(second, first);
    memory_release(memory, second, 3 * MIB);
    memory_release(memory, memory_allocate(memory, 200 * MIB), 200 * MIB); /* too large to keep */
    memory_release(memory, memory_allocate(memory, 0), 0);
    memory_release(memory, NULL, 5);
    assert_null(memory_allocate(memory, SIZE_MAX - 4096));
    hawser_context_unref(context);
}

/* As many as a flood has under way, however much larger one is among them. */
static void a_flood_of_blocks_is_kept(void **state)
{
    hawser_context *context = context_new();
    const struct memory *memory = loop_memory(context);
    void *first[32], *again;

    (void)state;
    for (int i = 0; i < 32; i++)
        assert_non_null(first[i] = memory_allocate(memory, 2 * MIB));
    for (int i = 0; i < 32; i++)
        memory_release(memory, first[i], 2 * MIB);
    memory_release(memory, memory_allocate(memory, 90 * MIB), 90 * MIB);
    for (int i = 31; i >= 0; i--) {
        again = memory_allocate(memory, 2 * MIB);
        assert_ptr_equal(again, first[i]);
    }
    for (int i = 0; i < 32; i++)
        memory_release(memory, first[i], 2 * MIB);
    hawser_context_unref(context);
}

static void tick(hawser_context *context)
{
    assert_true(context->cache_timed);
    assert_int_equal(loop_timer_set(context, &context->cache_timer, loop_clock()), 0);
    assert_int_equal(hawser_dispatch(context), 0);
}

static void idle_contexts_let_go(void **state)
{
    hawser_context *context = context_new();
    const struct memory *memory = loop_memory(context);
    void *block = memory_allocate(memory, MIB);

    (void)state;
    assert_int_equal(hawser_dispatch(context), 0);
    assert_false(context->cache_timed);
    memory_release(memory, block, MIB);
    assert_int_equal(hawser_dispatch(context), 0);
    for (int i = 0; i < 2; i++)
        tick(context);
    block = memory_allocate(memory, MIB); /* it is in use after all */
    memory_release(memory, block, MIB);
    for (int i = 0; i < 3; i++)
        tick(context);
    assert_false(context->cache_timed); /* nothing is left to watch over */
    hawser_context_unref(context);
}

/* A program that keeps a message beyond its context, and gives it back on another thread. */
static void *give_back(void *user)
{
    const struct memory *memory = user;

    for (int i = 0; i < 1000; i++) {
        char *block = memory_allocate(memory, MIB);
        if (!block)
            abort();
        block[0] = block[MIB - 1] = 1;
        memory_release(memory, block, MIB);
    }
    loop_memory_unref(memory);
    return NULL;
}

static void memory_outlives_its_context_on_any_thread(void **state)
{
    hawser_context *context = context_new();
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        void *memory = (void *)loop_memory_ref(loop_memory(context));
        assert_int_equal(pthread_create(&threads[i], NULL, give_back, memory), 0);
    }
    hawser_context_unref(context);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void scratch_is_large_enough(void **state)
{
    hawser_context *context = context_new();
    size_t size = 0;
    uint8_t *scratch = loop_scratch(context, &size);

    (void)state;
    assert_true(size >= 128 * 1024);
    memset(scratch, 0xa5, size);
    assert_ptr_equal(loop_scratch(context, &size), scratch);
    hawser_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_from_threads_all_run),
        cmocka_unit_test(a_post_is_run_or_dropped),
        cmocka_unit_test(post_may_end_the_context),
        cmocka_unit_test(post_wakes_the_descriptor),
        cmocka_unit_test(worker_works_elsewhere_with_signals_blocked),
        cmocka_unit_test(without_a_worker_jobs_run_in_dispatch),
        cmocka_unit_test(cancelled_jobs_are_not_done),
        cmocka_unit_test(forked_child_is_told_and_harmless),
        cmocka_unit_test(large_blocks_are_kept_small_ones_are_not_our_business),
        cmocka_unit_test(a_flood_of_blocks_is_kept),
        cmocka_unit_test(idle_contexts_let_go),
        cmocka_unit_test(memory_outlives_its_context_on_any_thread),
        cmocka_unit_test(scratch_is_large_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
