/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines on the loop: task_switch.c knows stacks and switching, task.c what they wait for. */
#ifndef ASSOCIATION_TASK_H
#define ASSOCIATION_TASK_H

#include <ucontext.h>

#include <hawser/task.h>

#include "association/association.h"

struct task {
    struct list link;    /* in associations.tasks */
    struct list waiting; /* in association->tasks, or in nothing */
    struct associations *all;
    struct loop_deferred deferred; /* goes on when it runs */
    struct loop_timer timer;
    ucontext_t here, back;
    void *stack; /* with its guard page */
    size_t stack_size;
    void (*fn)(void *argument);
    void *argument;
    int result; /* of what it waited for */
    bool finished, cancelled;
    void *fake_stack, *back_fake_stack; /* AddressSanitizer's */
    const void *back_bottom;
    size_t back_size;
};

int task_new(struct associations *all, void (*fn)(void *argument), void *argument, size_t stack_size,
             struct task **ret_task);
void task_resume(struct task *task); /* until it waits or ends; frees it at its end */
void task_pause(struct task *task);  /* from within: returns when it is resumed */
void task_wake(struct task *task);   /* task.c: it goes on in this dispatch */

#endif
