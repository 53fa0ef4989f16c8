/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line that has strands of which none shows a sign of life. The peer may stand still, or have gone away without being
 * able to say so: after a while it is sought as if the strands were lost, and they are kept.
 */
#include "association/weave_internal.h"

#define PATIENCE 2000000
/* Ways that lose large packets alone let a strand join, and silence it as the last one. */
#define PATIENCE_MOST 60000000

static bool is_suspected(const struct strand *strand)
{
    struct session_strand_state state;

    if (!strand->session)
        return false;
    session_strand_get(strand->session, &state);
    return state.suspected;
}

static bool is_blind(const hawser_association *association)
{
    unsigned count = 0;

    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        if (!strand->session || strand->dead)
            continue;
        if (!is_suspected(strand))
            return false;
        count++;
    }
    return count > 0;
}

static bool is_healthy(const struct strand *strand)
{
    return strand->session && !strand->dead && !is_suspected(strand);
}

/* Whether one that came before it is on the same path, and heard. */
static bool has_elder(const struct strand *strand)
{
    const struct list *strands = &strand->association->strands;

    for (const struct list *at = strands->next; at != strands; at = at->next) {
        const struct strand *other = container_of(at, struct strand, link);

        if (other->number < strand->number && is_healthy(other) && weave_same_path(other, strand))
            return true;
    }
    return false;
}

void weave_drop_doubles(struct weave *weave)
{
    struct list *strands = &weave->association->strands;

    for (struct list *at = strands->next; at != strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (is_healthy(strand) && has_elder(strand))
            strand_lost(strand, -ECANCELED, "there is another on the same path");
    }
}

/* Each time in vain the next is later, until a minute went well since the last was due. */
static int64_t patience(struct weave *weave, int64_t now)
{
    int64_t wait;

    if (weave->seek_last + PATIENCE_MOST < now)
        weave->seeks = 0;
    wait = PATIENCE << weave->seeks;
    if (wait < PATIENCE_MOST)
        weave->seeks++;
    else
        wait = PATIENCE_MOST;
    weave->seek_last = now + wait;
    return wait;
}

/* Nobody needs to be sought any more. */
static void is_heard(struct weave *weave)
{
    weave->seek_at = NEVER;
    if (!weave->association->stranded) {
        establish_free(weave->again);
        weave->again = NULL;
    }
    weave_drop_doubles(weave);
}

void weave_suspicion(hawser_association *association)
{
    struct weave *weave = association->weave;
    int64_t now = association_now(association);

    if (association->child || association->ended || !association->established || !association->reestablish)
        return;
    if (!is_blind(association)) {
        if (weave)
            is_heard(weave);
        return;
    }
    weave = weave_of(association);
    if (!weave || weave->seek_at != NEVER)
        return;
    weave->seek_at = weave->again_at = now + patience(weave, now);
    weave->again_failures = 0;
}

bool weave_seeks(const struct weave *weave)
{
    return weave->association->stranded || weave->seek_at <= association_now(weave->association);
}

int64_t weave_seek_due(const struct weave *weave)
{
    if (weave->again || weave_joining(weave->association))
        return NEVER;
    if (weave->association->stranded)
        return weave->again_at;
    return weave->again_at > weave->seek_at ? weave->again_at : weave->seek_at;
}
