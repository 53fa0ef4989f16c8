/* SPDX-License-Identifier: Apache-2.0 */
/* What other threads hand to a context: posts, and jobs that the worker has finished. */
#include "loop/context.h"

#include <errno.h>
#include <stdlib.h>

struct post {
    struct list link;
    void (*fn)(void *user); /* the program's; NULL: run */
    void (*run)(hawser_context *context, void *user);
    void (*drop)(void *user); /* of one that is never run; NULL: nothing is to be done */
    void *user;
};

int inbox_init(struct inbox *inbox)
{
    int r;

    list_init(&inbox->posts);
    list_init(&inbox->done);
    list_init(&inbox->queue);
    r = pthread_mutex_init(&inbox->lock, NULL);
    if (r == 0)
        r = pthread_cond_init(&inbox->wake, NULL);
    if (r == 0)
        r = pthread_cond_init(&inbox->ended, NULL);
    return -r;
}

bool inbox_filled(struct inbox *inbox)
{
    return !atomic_exchange(&inbox->filled, true);
}

static int inbox_post(hawser_context *context, const struct post *copy)
{
    struct post *post;
    int r = loop_check(context);

    if (r < 0)
        return r;
    post = malloc(sizeof *post);
    if (!post)
        return -ENOMEM;
    *post = *copy;
    /* Signalled under the lock: once the post can run, it may end the context and its descriptors. */
    pthread_mutex_lock(&context->inbox.lock);
    list_append(&context->inbox.posts, &post->link);
    if (inbox_filled(&context->inbox))
        dispatch_signal(context);
    pthread_mutex_unlock(&context->inbox.lock);
    return 0;
}

int hawser_post(hawser_context *context, void (*fn)(void *user), void *user)
{
    int r = loop_check(context);

    if (r == 0 && !fn)
        r = -EINVAL;
    return r < 0 ? r : inbox_post(context, &(const struct post){.fn = fn, .user = user});
}

int loop_post(hawser_context *context, void (*run)(hawser_context *context, void *user), void (*drop)(void *user),
              void *user)
{
    return inbox_post(context, &(const struct post){.run = run, .drop = drop, .user = user});
}

static unsigned run_posts(hawser_context *context, struct list *posts)
{
    unsigned count = 0;

    while (!list_empty(posts)) {
        struct post *post = list_first(posts, struct post, link), copy = *post;
        list_remove(&post->link);
        free(post);
        if (copy.fn)
            copy.fn(copy.user);
        else
            copy.run(context, copy.user);
        count++;
    }
    return count;
}

static unsigned run_done(struct list *done)
{
    unsigned count = 0;

    while (!list_empty(done)) {
        struct loop_job *job = list_first(done, struct loop_job, link);
        list_remove(&job->link);
        job->done(job);
        count++;
    }
    return count;
}

unsigned inbox_run(hawser_context *context)
{
    struct inbox *inbox = &context->inbox;
    struct list posts, done;

    if (!atomic_load(&inbox->filled))
        return 0;
    list_init(&posts);
    list_init(&done);
    pthread_mutex_lock(&inbox->lock);
    atomic_store(&inbox->filled, false);
    list_splice(&posts, &inbox->posts);
    list_splice(&done, &inbox->done);
    pthread_mutex_unlock(&inbox->lock);
    return run_posts(context, &posts) + run_done(&done);
}

void inbox_free(hawser_context *context, bool forked)
{
    struct inbox *inbox = &context->inbox;

    /* In a forked child another thread of the parent may have held the lock: then its posts are left alone. */
    if (!inbox->posts.next || (forked && pthread_mutex_trylock(&inbox->lock) != 0))
        return;
    if (!forked) {
        worker_stop(context);
        pthread_mutex_lock(&inbox->lock); /* a last poster may still be inside */
    }
    while (!list_empty(&inbox->posts)) {
        struct post *post = list_first(&inbox->posts, struct post, link);
        list_remove(&post->link);
        if (post->drop)
            post->drop(post->user);
        free(post);
    }
    pthread_mutex_unlock(&inbox->lock);
    if (!forked) {
        pthread_cond_destroy(&inbox->ended);
        pthread_cond_destroy(&inbox->wake);
        pthread_mutex_destroy(&inbox->lock);
    }
}
