/* SPDX-License-Identifier: Apache-2.0 */
/* How late the machine wakes who asked to be woken: a thread on each processor. A bound that a run missed says something
 * of the library only where the machine itself did not stall. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#include "link.h"

enum { PERIOD_NS = 4000000, LATE_US = 2000 };

static _Atomic int64_t worst, total;

static void *watch(void *user)
{
    int64_t next = now_ns();

    (void)user;
    prctl(PR_SET_TIMERSLACK, 1);
    while (1) {
        struct timespec until;
        int64_t late;

        next += PERIOD_NS;
        until = (struct timespec){.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
        clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL);
        late = (now_ns() - next) / 1000;
        if (late > atomic_load(&worst))
            atomic_store(&worst, late);
        if (late > LATE_US) {
            atomic_fetch_add(&total, late);
            next = now_ns();
        }
    }
    return NULL;
}

void stall_start(void)
{
    cpu_set_t all, one;
    pthread_t thread;

    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (pthread_create(&thread, NULL, watch, NULL) == 0)
            pthread_setaffinity_np(thread, sizeof one, &one);
    }
}

int64_t stall_worst_us(void)
{
    return atomic_exchange(&worst, 0);
}

int64_t stall_total_us(void)
{
    return atomic_exchange(&total, 0);
}
