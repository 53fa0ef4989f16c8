/* SPDX-License-Identifier: Apache-2.0 */
/* libunbound's events on a context's loop, so that it needs no thread and no process of its own. */
#ifndef ENDPOINT_UNBOUND_LOOP_H
#define ENDPOINT_UNBOUND_LOOP_H

#include <time.h>

#include <unbound.h>
#include <unbound-event.h>

#include "loop/loop.h"

struct unbound_event;

struct unbound_loop {
    struct ub_event_base base; /* first: libunbound knows this part only */
    hawser_context *context;
    struct unbound_event *firing; /* the event whose callback runs; NULL once it was freed there */
};

/* Must outlive the ub_ctx made with &loop->base. */
void unbound_loop_init(struct unbound_loop *loop, hawser_context *context);

#endif
