/* SPDX-License-Identifier: Apache-2.0 */
#include "closer.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { BUSY_MAX = 64, BUSY_A_USER = 4, STACK_SIZE = 65536, PATIENCE_MS = 250 };

/* More of a user's than may be closed at a time; his threads take it from there. */
struct waiting {
    struct waiting *next;
    int fd;
    uid_t uid;
};

struct task {
    struct closer *closer;
    int fd;
    uid_t uid;
    bool busy;
};

struct closer {
    pthread_mutex_t lock; /* of what follows but done */
    pthread_cond_t freed; /* one of them is not busy any more */
    int done;
    struct task tasks[BUSY_MAX];
    struct waiting *waiting; /* in no order */
};

int closer_new(struct closer **ret_closer, int *ret_fd)
{
    struct closer *closer = calloc(1, sizeof *closer);
    int r;

    if (!closer)
        return -ENOMEM;
    closer->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = closer->done < 0 ? -errno : -pthread_mutex_init(&closer->lock, NULL);
    if (r == 0)
        r = -pthread_cond_init(&closer->freed, NULL);
    if (r < 0) {
        if (closer->done >= 0)
            close(closer->done);
        free(closer);
        return r;
    }
    *ret_closer = closer; /* lives as long as the process: its threads may not end before */
    *ret_fd = closer->done;
    return 0;
}

void closer_clear(struct closer *closer)
{
    uint64_t count;

    while (read(closer->done, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

/* The next of the same user's, if any waits; else the task is free. */
static bool goes_on(struct task *task)
{
    struct closer *closer = task->closer;
    struct waiting **at = &closer->waiting, *next;

    pthread_mutex_lock(&closer->lock);
    while (*at && (*at)->uid != task->uid)
        at = &(*at)->next;
    next = *at;
    if (next) {
        *at = next->next;
        task->fd = next->fd;
        free(next);
    } else {
        task->busy = false;
        pthread_cond_signal(&closer->freed);
    }
    pthread_mutex_unlock(&closer->lock);
    return next;
}

static void *run(void *user)
{
    struct task *task = user;
    struct closer *closer = task->closer; /* another's, as soon as it is free */
    uint64_t one = 1;

    do
        close(task->fd);
    while (goes_on(task));
    while (write(closer->done, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

static struct task *find_idle(struct closer *closer)
{
    for (size_t i = 0; i < BUSY_MAX; i++)
        if (!closer->tasks[i].busy)
            return &closer->tasks[i];
    return NULL;
}

/* Whether so much of this user's is being closed that it waits for that: nobody fills all places alone. */
static bool put_aside(struct closer *closer, int fd, uid_t uid)
{
    struct waiting *waiting = NULL;
    unsigned busy = 0;

    pthread_mutex_lock(&closer->lock);
    for (size_t i = 0; i < BUSY_MAX; i++)
        busy += closer->tasks[i].busy && closer->tasks[i].uid == uid;
    if (busy >= BUSY_A_USER && (waiting = malloc(sizeof *waiting))) {
        *waiting = (struct waiting){closer->waiting, fd, uid};
        closer->waiting = waiting;
    }
    pthread_mutex_unlock(&closer->lock);
    return waiting;
}

/* Threads may only be slower than who makes work for them: they get some time, which all others wait for too. */
static struct task *take(struct closer *closer, int fd, uid_t uid)
{
    struct timespec until;
    struct task *taken;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &until); /* the condition's clock; a step of it costs patience, or lends some */
    until.tv_nsec += PATIENCE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&closer->lock);
    while (!(taken = find_idle(closer)) && r == 0)
        r = pthread_cond_timedwait(&closer->freed, &closer->lock, &until);
    if (taken)
        *taken = (struct task){closer, fd, uid, true};
    pthread_mutex_unlock(&closer->lock);
    return taken;
}

/* Those never wait for anything: what they hold is the kernel's to send after. */
static bool closes_at_once(int fd)
{
    int protocol = 0;
    socklen_t size = sizeof protocol;

    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_MPTCP;
}

void closer_close(struct closer *closer, int fd, uid_t uid)
{
    struct task *task;
    pthread_attr_t attributes;
    pthread_t thread;
    bool started = false;

    if (fd < 0)
        return;
    if (closes_at_once(fd)) {
        close(fd);
        return;
    }
    if (put_aside(closer, fd, uid))
        return;
    if (!(task = take(closer, fd, uid))) {
        /* Somebody means harm. Another hawserd goes on where this one ends: all that counts is in the kernel. */
        fputs("hawserd: too many descriptors that clients handed over cannot be closed; ending\n", stderr);
        _exit(1);
    }
    if (pthread_attr_init(&attributes) == 0) {
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, STACK_SIZE);
        started = pthread_create(&thread, &attributes, run, task) == 0;
        pthread_attr_destroy(&attributes);
    }
    if (!started)
        run(task);
}

bool closer_is_busy(struct closer *closer, uid_t uid)
{
    bool busy = false;

    pthread_mutex_lock(&closer->lock);
    for (size_t i = 0; i < BUSY_MAX; i++)
        busy |= closer->tasks[i].busy && closer->tasks[i].uid == uid;
    pthread_mutex_unlock(&closer->lock);
    return busy;
}
