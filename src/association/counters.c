/* SPDX-License-Identifier: Apache-2.0 */
/* A context's counters: of what has ended they are kept, of what lives they are added up when they are asked for. (S1.20) */
#include "association/counters.h"

static void add_traffic(const hawser_association *association, hawser_counters *counters)
{
    hawser_statistics statistics;

    if (association->listener || hawser_association_statistics(association, &statistics) < 0)
        return;
    counters->messages_sent += statistics.messages_sent;
    counters->messages_received += statistics.messages_received;
    counters->bytes_sent += statistics.bytes_sent;
    counters->bytes_received += statistics.bytes_received;
}

void counters_established(hawser_association *association)
{
    hawser_counters *counters = &association->all->counters;

    if (association->child)
        counters->accepted++;
    else
        counters->opened++;
}

void counters_over(hawser_association *association)
{
    add_traffic(association, &association->all->counters);
}

int hawser_context_counters(const hawser_context *context, hawser_counters *ret_counters)
{
    const struct associations *all;
    hawser_counters counters = {.opened = 0};
    int r = loop_check(context);

    if (r < 0)
        return r;
    all = loop_part(context, LOOP_PART_ASSOCIATIONS);
    if (all) {
        counters = all->counters;
        for (const struct list *at = all->open.next; at != &all->open; at = at->next) {
            const hawser_association *association = container_of(at, hawser_association, link);

            add_traffic(association, &counters);
            counters.open += association->established && !association->ended;
        }
    }
    if (ret_counters)
        *ret_counters = counters;
    return 0;
}
