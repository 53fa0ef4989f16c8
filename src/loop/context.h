/* SPDX-License-Identifier: Apache-2.0 */
/* What a context is made of: private to this folder. */
#ifndef LOOP_CONTEXT_H
#define LOOP_CONTEXT_H

#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "base/tree.h"

enum { EVENTS_AT_ONCE = 256, SCRATCH_SIZE = 128 * 1024 };

struct cache;
struct watch;
struct user_timer;
RB_HEAD(watch_tree, watch);
RB_HEAD(user_timer_tree, user_timer);

/* What comes from other threads, or waits for the worker. */
struct inbox {
    pthread_mutex_t lock;
    atomic_bool filled;   /* posts or done is not empty: spares the lock in most dispatches */
    struct list posts;    /* struct post */
    struct list done;     /* loop_job: worked on */
    struct list queue;    /* loop_job: for the worker */
    pthread_cond_t wake;  /* the worker: queue or quit changed */
    pthread_cond_t ended; /* a canceller: working changed */
    struct loop_job *working;
    bool started, quit;
    pthread_t thread;
};

/* How far the loop lags behind what arrives: it fetches in portions what is ready, and works between two of them. */
struct backlog {
    size_t watched; /* descriptors */
    unsigned full;  /* portions of this pass; each was as large as can be, so that more may be ready */
    int64_t pass;   /* what those took */
    int64_t behind; /* what was ready so long ago has been told */
};

struct hawser_context {
    unsigned references;
    unsigned char *alive; /* a page that the kernel clears in a forked child */
    int epoll, event, timer;

    /* The dispatch that runs. */
    bool dispatching, running, firing;
    int64_t now;
    struct epoll_event events[EVENTS_AT_ONCE];
    int event_next, event_count; /* those still to be told */
    struct backlog backlog;

    /* For foreign loops, which poll the epoll descriptor. */
    bool foreign;   /* somebody asked for the descriptor */
    bool signalled; /* the eventfd says already that work is left */
    int64_t armed;  /* when the timerfd is due; 0: not armed */

    struct heap timers;
    struct user_timer_tree user_timers;
    uint64_t last_user_timer;
    struct watch_tree watches;
    struct list deferred, deferred_next;
    struct list local_jobs; /* without a worker */
    struct loop_deferred run_local_jobs;
    struct inbox inbox;

    unsigned holds;
    bool stopped;
    int stop_code;

    struct cache *cache;
    struct loop_timer cache_timer;
    bool cache_timed;
    uint8_t *scratch;
    char *state_dir, *trust_anchors, *policy_file;
    bool policy_system; /* the system's policy counts, too */
    hawser_context_options options;
    struct {
        void *value;
        void (*release)(void *value);
    } parts[LOOP_PART_COUNT];
};

/* io.c */
int io_watch(hawser_context *context, struct loop_io *io, int fd, uint32_t events,
             void (*ready)(struct loop_io *io, uint32_t events));
int io_change(hawser_context *context, struct loop_io *io, uint32_t events);

/* dispatch.c */
void dispatch_signal(hawser_context *context); /* makes the descriptor readable; from any thread */
/* Brings eventfd and timerfd in line with what is waiting, when a foreign loop polls. */
void dispatch_sync(hawser_context *context);

/* timer.c */
void timers_init(hawser_context *context);
int timers_open(hawser_context *context); /* makes the timerfd */
void timers_arm(hawser_context *context, bool foreign_waits);
unsigned timers_fire(hawser_context *context);      /* how many */
int64_t timers_next(const hawser_context *context); /* when the first is due; INT64_MAX: none */
void timers_free(hawser_context *context);

/* deferred.c */
bool deferred_pending(const hawser_context *context);
unsigned deferred_run(hawser_context *context);

/* inbox.c: posts, and the worker's side in worker.c */
int inbox_init(struct inbox *inbox);
unsigned inbox_run(hawser_context *context);
void inbox_free(hawser_context *context, bool forked);
/* With the lock held: after something was added to posts or done. True when the context is to be woken. */
bool inbox_filled(struct inbox *inbox);
void worker_init(hawser_context *context);
void worker_stop(hawser_context *context);

/* watch.c */
void watches_free(hawser_context *context);

/* cache.c */
struct cache *cache_new(void);
const struct memory *cache_memory(struct cache *cache);
/* Lets go of what was not used for ten to fifteen seconds; called in every dispatch, since any thread may give back. */
void cache_watch(hawser_context *context);
void cache_close(struct cache *cache, bool forked);

#endif
