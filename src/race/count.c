/* SPDX-License-Identifier: Apache-2.0 */
/* What seed 003 counts of establishments (S4.19, S4.20, S4.24, S4.25). */
#include <string.h>

#include "race/internal.h"

static bool same_remote(const struct attempt *one, const struct attempt *other)
{
    return one->place->found.address.size == other->place->found.address.size &&
           memcmp(&one->place->found.address.address, &other->place->found.address.address,
                  one->place->found.address.size) == 0;
}

/* The first in the order of the tree. */
static const struct attempt *first_of(const struct establish *e)
{
    const struct race_candidate *first = race_candidate_at(e->race, 0);

    return first ? race_cookie(first) : NULL;
}

static void count_interfaces(struct establish *e, const struct attempt *first)
{
    bool several = false;

    for (const struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        const struct attempt *attempt = container_of(at, struct attempt, link);

        several |= attempt_ran(attempt) && attempt->choice.index != first->choice.index;
    }
    if (!several)
        return;
    history_count(e->history, COUNT_SEVERAL_INTERFACES);
    if (e->winner && e->winner->choice.index != first->choice.index)
        history_count(e->history, COUNT_WON_ON_OTHER_INTERFACE);
}

void establish_count(struct establish *e)
{
    const struct attempt *first = first_of(e);

    history_count(e->history, e->winner ? COUNT_ESTABLISHED : COUNT_FAILED);
    for (const struct list *at = e->attempts.next; at != &e->attempts; at = at->next) {
        const struct attempt *attempt = container_of(at, struct attempt, link);

        if (attempt_ran(attempt))
            history_count(e->history, COUNT_ATTEMPTS);
        if (attempt_ran(attempt) && attempt != e->winner)
            history_count(e->history, COUNT_ATTEMPTS_LOST);
    }
    if (!first)
        return;
    if (e->place_count > 1)
        history_count(e->history, COUNT_SEVERAL_ADDRESSES);
    if (e->place_count > 1 && e->winner && !same_remote(e->winner, first))
        history_count(e->history, COUNT_WON_BY_OTHER);
    if (e->config.stacks || e->config.values->proxy.count > 0 || e->config.values->multipath == MULTIPATH_ACTIVE)
        history_count(e->history, COUNT_STACK_BY_CLIENT);
    else if (e->ranked_by_policy)
        history_count(e->history, COUNT_STACK_BY_POLICY);
    count_interfaces(e, first);
}
