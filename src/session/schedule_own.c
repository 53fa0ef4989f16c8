/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that the program bound to a strand (S2.22), in two lists of it, which take turns as lanes do: those in several
 * frames that were begun, which nothing but their pace holds back, and all others, which may wait for credit that only the
 * end of those brings. So it is enough to look at the first few of each.
 */
#include "session/internal.h"

#define LOOK_MOST 64

void own_init(struct session_strand *strand)
{
    for (unsigned i = 0; i < OWN_COUNT; i++)
        list_init(&strand->own[i]);
}

static bool own_empty(const struct session_strand *strand)
{
    return list_empty(&strand->own[OWN_BEGUN]) && list_empty(&strand->own[OWN_WHOLE]);
}

bool own_add(struct session *session, struct outbound *outbound)
{
    struct session_strand *strand = outbound->bound ? strand_find(session, outbound_extra(outbound)->strand) : NULL;
    if (!strand || !strand_healthy(strand))
        return false;
    if (outbound->opened && (outbound->counted || outbound->sent))
        list_append(&strand->own[OWN_BEGUN], &outbound->link);
    else if (outbound->opened) /* lost whole: it was paid for already */
        list_prepend(&strand->own[OWN_WHOLE], &outbound->link);
    else
        list_append(&strand->own[OWN_WHOLE], &outbound->link);
    return true;
}

void own_let_go(struct session_strand *strand)
{
    int r = 0;
    for (unsigned i = 0; i < OWN_COUNT; i++)
        while (!list_empty(&strand->own[i])) {
            struct outbound *outbound = list_first(&strand->own[i], struct outbound, link);
            list_remove(&outbound->link);
            outbound->bound = false;
            if (schedule_message(strand->session, outbound) < 0)
                r = -ENOMEM;
        }
    if (r < 0)
        end_session(strand->session, r, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
}

void own_forget(struct session_strand *strand)
{
    for (unsigned i = 0; i < OWN_COUNT; i++)
        while (!list_empty(&strand->own[i]))
            list_remove(strand->own[i].next);
}

static bool choose_own(struct session *session, struct list *list, struct chosen *chosen)
{
    unsigned looks = 0;
    for (struct list *link = list->next; link != list && looks < LOOK_MOST; link = link->next, looks++) {
        struct outbound *outbound = container_of(link, struct outbound, link);
        chosen->limit = UINT64_MAX;
        chosen->class_index = outbound->class;
        if (choose_message(session, outbound, chosen))
            return true;
    }
    return false;
}

bool schedule_own(struct session *session, struct session_strand *strand, struct chosen *chosen)
{
    if (strand->early || own_empty(strand))
        return false;
    chosen->lane = LANE_COUNT; /* outside the turns of what is not bound */
    for (unsigned i = 0; i < OWN_COUNT; i++) {
        chosen->own = &strand->own[(strand->own_turn + i) % OWN_COUNT];
        if (choose_own(session, chosen->own, chosen))
            return true;
    }
    chosen->own = NULL;
    return false;
}

void own_used(struct session_strand *strand, const struct chosen *chosen, size_t bytes)
{
    uint8_t turn = (uint8_t)(chosen->own - strand->own);
    turn_used(&strand->own_turn, &strand->own_quantum, turn, OWN_COUNT, bytes);
}

bool strand_asks(const struct session_strand *strand)
{
    return !own_empty(strand) || strand_carries(strand);
}
