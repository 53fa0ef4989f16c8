/* SPDX-License-Identifier: Apache-2.0 */
/* Work for the end of a dispatch. */
#include "loop/context.h"

/* Work that defers itself again and again must not keep descriptors from being served. */
enum { ROUNDS_AT_ONCE = 8 };

bool deferred_pending(const hawser_context *context)
{
    return !list_empty(&context->deferred) || !list_empty(&context->deferred_next);
}

unsigned deferred_run(hawser_context *context)
{
    unsigned count = 0;

    for (int round = 0; round < ROUNDS_AT_ONCE && !list_empty(&context->deferred); round++) {
        struct list due;
        list_init(&due);
        list_splice(&due, &context->deferred);
        while (!list_empty(&due)) {
            struct loop_deferred *deferred = list_first(&due, struct loop_deferred, link);
            list_remove(&deferred->link);
            deferred->run(deferred);
            count++;
        }
    }
    return count;
}

void loop_deferred_init(struct loop_deferred *deferred, void (*run)(struct loop_deferred *deferred))
{
    list_init(&deferred->link);
    deferred->run = run;
}

void loop_defer(hawser_context *context, struct loop_deferred *deferred)
{
    if (list_linked(&deferred->link))
        return;
    list_append(&context->deferred, &deferred->link);
    dispatch_sync(context);
}

void loop_defer_next(hawser_context *context, struct loop_deferred *deferred)
{
    if (list_linked(&deferred->link))
        return;
    list_append(&context->deferred_next, &deferred->link);
    dispatch_sync(context);
}

void loop_undefer(struct loop_deferred *deferred)
{
    list_remove(&deferred->link);
}
