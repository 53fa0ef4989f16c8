/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks, and switching between them. */
#include "association/task.h"

#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS 1
#endif
#endif

#ifdef FIBERS
#include <sanitizer/common_interface_defs.h>
#define switch_begin __sanitizer_start_switch_fiber
#define switch_end __sanitizer_finish_switch_fiber
#else
#define switch_begin(save, bottom, size) ((void)(bottom), (void)(size))
#define switch_end(fake, bottom, size) ((void)(fake))
#endif

/* makecontext() passes ints; a pointer goes as two of them. */
static void task_main(unsigned high, unsigned low)
{
    struct task *task = (struct task *)(uintptr_t)((uint64_t)high << 32 | low);

    switch_end(NULL, &task->back_bottom, &task->back_size);
    task->fn(task->argument);
    task->finished = true;
    switch_begin(NULL, task->back_bottom, task->back_size); /* NULL: this stack is done with */
    (void)setcontext(&task->back);
}

static void task_free(struct task *task)
{
    list_remove(&task->link);
    loop_undefer(&task->deferred);
    loop_timer_clear(task->all->context, &task->timer);
    loop_release(task->all->context);
    (void)munmap(task->stack, task->stack_size);
    free(task);
}

int task_new(struct associations *all, void (*fn)(void *argument), void *argument, size_t stack_size,
             struct task **ret_task)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t address;
    struct task *task = calloc(1, sizeof *task);

    if (!task)
        return -ENOMEM;
    task->stack_size = (stack_size + page - 1) / page * page + page;
    task->stack = mmap(NULL, task->stack_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (task->stack == MAP_FAILED) {
        free(task);
        return -ENOMEM;
    }
    /* Stacks grow down: the lowest page is the one that an overflow meets. */
    if (mprotect(task->stack, page, PROT_NONE) < 0 || getcontext(&task->here) < 0) {
        (void)munmap(task->stack, task->stack_size);
        free(task);
        return -ENOMEM;
    }
    task->all = all;
    task->fn = fn;
    task->argument = argument;
    task->here.uc_stack.ss_sp = (char *)task->stack + page;
    task->here.uc_stack.ss_size = task->stack_size - page;
    address = (uint64_t)(uintptr_t)task;
    makecontext(&task->here, (void (*)(void))task_main, 2, (unsigned)(address >> 32), (unsigned)address);
    list_init(&task->waiting);
    list_append(&all->tasks, &task->link);
    loop_hold(all->context);
    *ret_task = task;
    return 0;
}

void task_resume(struct task *task)
{
    struct task *outer = task->all->running;

    task->all->running = task;
    switch_begin(&task->back_fake_stack, task->here.uc_stack.ss_sp, task->here.uc_stack.ss_size);
    (void)swapcontext(&task->back, &task->here);
    switch_end(task->back_fake_stack, NULL, NULL);
    task->all->running = outer;
    if (task->finished)
        task_free(task);
}

void task_pause(struct task *task)
{
    switch_begin(&task->fake_stack, task->back_bottom, task->back_size);
    (void)swapcontext(&task->here, &task->back);
    switch_end(task->fake_stack, &task->back_bottom, &task->back_size);
}
