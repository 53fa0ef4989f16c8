/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Antecedents at the sender (S2.20, S2.44): a message is opened only when each antecedent has been sent in full or has
 * ended, so that what it holds at the receiver never waits for something that needs the same memory (docs/protocol.md
 * section 6). An antecedent is as urgent as the most urgent message that waits for it.
 */
#include "session/internal.h"

/* Raises every message that outbound waits for, directly or not, to class at least. */
void antecedent_raise(struct session *session, struct outbound *outbound, uint8_t class)
{
    struct list *work = &session->raising; /* parked messages are in no other list */
    list_append(work, &outbound->link);
    while (!list_empty(work)) {
        struct outbound *successor = list_first(work, struct outbound, link);
        list_remove(&successor->link);
        for (uint32_t i = 0; i < successor->more->antecedent_count; i++) {
            struct outbound *antecedent = outbound_find(session, successor->more->antecedents[i]);
            if (!antecedent || antecedent->class <= class || antecedent->through)
                continue;
            if (antecedent->state == OUTBOUND_PARKED) {
                antecedent->class = class;
                if (!list_linked(&antecedent->link))
                    list_append(work, &antecedent->link);
            } else if (antecedent->state == OUTBOUND_QUEUED) {
                unschedule_message(session, antecedent);
                antecedent->class = class;
                schedule_message(session, antecedent);
            } else {
                antecedent->class = class;
            }
        }
    }
}

int antecedent_park(struct session *session, struct outbound *outbound)
{
    struct outbound_more *more = outbound->more;
    size_t size = more->antecedent_count * sizeof *more->edges;
    for (uint32_t i = 0; i < more->antecedent_count; i++) {
        struct outbound *antecedent = outbound_find(session, more->antecedents[i]);
        if (!antecedent || antecedent->through || antecedent->state == OUTBOUND_ENDED)
            continue;
        if (!outbound_need_more(session, antecedent))
            return -ENOMEM;
        if (!more->edges) {
            more->edges = memory_allocate(session->memory, size);
            if (!more->edges)
                return -ENOMEM;
            for (uint32_t k = 0; k < more->antecedent_count; k++)
                list_init(&more->edges[k].link);
        }
        more->edges[i].successor = outbound;
        list_append(&antecedent->more->waiters, &more->edges[i].link);
        more->waiting_for++;
    }
    if (!more->waiting_for)
        return 0;
    antecedent_raise(session, outbound, outbound->class);
    return 1;
}

void antecedent_drop_edges(struct session *session, struct outbound *outbound)
{
    struct outbound_more *more = outbound->more;
    if (!more || !more->edges)
        return;
    for (uint32_t i = 0; i < more->antecedent_count; i++)
        list_remove(&more->edges[i].link);
    memory_release(session->memory, more->edges, more->antecedent_count * sizeof *more->edges);
    more->edges = NULL;
    more->waiting_for = 0;
}

void antecedent_passed(struct session *session, struct outbound *outbound)
{
    struct list *waiters = &outbound->more->waiters;
    while (!list_empty(waiters)) {
        struct edge *edge = list_first(waiters, struct edge, link);
        struct outbound *successor = edge->successor;
        list_remove(&edge->link);
        if (--successor->more->waiting_for)
            continue;
        antecedent_drop_edges(session, successor);
        if (successor->state == OUTBOUND_PARKED && message_ready(session, successor) < 0)
            schedule_message(session, successor); /* without memory rather too early than never */
    }
}
