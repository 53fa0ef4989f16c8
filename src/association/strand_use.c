/* SPDX-License-Identifier: Apache-2.0 */
/* What the program says of a strand: that it likes it, or not, or that it is to go. (S2.22, S2.23) */
#include "association/weave_internal.h"

struct strand *strand_by_id(const hawser_association *association, unsigned id)
{
    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand->session && !strand->dead && strand->id == id)
            return strand;
    }
    return NULL;
}

static int find(const hawser_association *association, unsigned id, struct strand **ret_strand)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (!association->open || association->ended)
        return -ENOTCONN;
    *ret_strand = association->bare ? NULL : strand_by_id(association, id);
    return *ret_strand ? 0 : -ENOENT;
}

int hawser_association_use_strand(hawser_association *association, unsigned id, hawser_strand_use use)
{
    struct strand *strand;
    int r = find(association, id, &strand);

    if (r < 0)
        return r;
    if (use < HAWSER_STRAND_NORMAL || use > HAWSER_STRAND_PIN)
        return -EINVAL;
    for (struct list *at = association->strands.next; use == HAWSER_STRAND_PIN && at != &association->strands;
         at = at->next) {
        struct strand *other = container_of(at, struct strand, link);

        other->avoided = true;
        other->preferred = false;
    }
    strand->preferred = use == HAWSER_STRAND_PREFER || use == HAWSER_STRAND_PIN;
    strand->avoided = use == HAWSER_STRAND_AVOID;
    association->measured_at = 0;
    association->path_changed = true;
    weave_measure(association);
    association_wake(association);
    return 0;
}

int hawser_association_close_strand(hawser_association *association, unsigned id)
{
    struct strand *strand;
    int r = find(association, id, &strand);

    if (r < 0)
        return r;
    if (strand->path)
        strand->path->closed = true;
    strand_lost(strand, -ECANCELED, "the program closed it");
    return 0;
}
