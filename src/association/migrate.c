/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strand whose address is gone, and that is the only one: layers that can go on from another address (quic) are told to.
 * When nothing comes there, the line is had again as after any other loss.
 */
#include "association/weave_internal.h"

#define ANSWER_WITHIN 1000000

static struct layer *migrating_layer(const struct strand *strand)
{
    for (struct layer *layer = strand->top; layer; layer = layer->below)
        if (layer->type->flags & LAYER_MIGRATES && layer->type->migrate)
            return layer;
    return NULL;
}

static uint64_t received(const struct strand *strand)
{
    struct layer_link link;

    layer_link(strand->top, &link);
    return link.bytes_received;
}

bool weave_migrate(struct strand *strand)
{
    hawser_association *association = strand->association;
    const struct layer_address anywhere = {.size = 0};
    struct layer *layer = migrating_layer(strand);

    if (association->child || !layer || weave_local(association) ||
        association->strands.next != association->strands.prev || layer->type->migrate(layer, &anywhere, "", true) < 0)
        return false;
    strand->moved_received = received(strand);
    strand->moved_until = association_now(association) + ANSWER_WITHIN;
    association->path_changed = true;
    association_arm(association, strand->moved_until);
    return true;
}

int64_t weave_migrated(struct strand *strand)
{
    if (!strand->moved_until || strand->dead || !strand->top)
        return NEVER;
    if (received(strand) > strand->moved_received) {
        strand->moved_until = 0;
        return NEVER;
    }
    if (association_now(strand->association) < strand->moved_until)
        return strand->moved_until;
    strand->moved_until = 0;
    strand_lost(strand, -EADDRNOTAVAIL, "our address is gone, and nothing came at another");
    return NEVER;
}
