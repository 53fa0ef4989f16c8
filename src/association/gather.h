/* SPDX-License-Identifier: Apache-2.0 */
/* One handle for the messages of many associations; gather.c */
#ifndef ASSOCIATION_GATHER_H
#define ASSOCIATION_GATHER_H

#include <hawser/gather.h>

#include "association/association.h"

void gather_over(hawser_association *association); /* its end is told */
void gatherings_end(struct associations *all);     /* the context ends */

/* What waits, as hawser_gathering_next() with time-out 0, also where a handler is registered. */
int gather_take(hawser_gathering *gathering, hawser_gathered *ret_gathered);
hawser_context *gather_context(const hawser_gathering *gathering); /* NULL: it has ended */
struct list *gather_tasks(hawser_gathering *gathering);            /* those that wait for it */
bool gather_handled(const hawser_gathering *gathering);

#endif
