/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lossy messages at the sender (S1.23, docs/protocol.md section 11): what is sent again of what was lost, and when one is
 * given up. Each of their frames is counted until its fate is known, so that EXPIRE never overtakes what may still come.
 */
#include <string.h>

#include "session/internal.h"

#define CHANCES_MAX 64

struct outbound_extra *outbound_extra(const struct outbound *outbound)
{
    return outbound->more ? outbound->more->extra : NULL;
}

/* ---- probabilities */

struct chance *chance_of(struct session *session, uint32_t probability)
{
    unsigned count = 0;
    for (struct list *link = session->chances.next; link != &session->chances; link = link->next, count++) {
        struct chance *chance = container_of(link, struct chance, link);
        if (chance->probability == probability)
            return chance;
    }
    struct chance *chance = count < CHANCES_MAX ? memory_allocate_zero(session->memory, sizeof *chance) : NULL;
    if (!chance)
        return NULL;
    list_init(&chance->link);
    chance->probability = probability;
    list_append(&session->chances, &chance->link);
    return chance;
}

void chances_free(struct session *session)
{
    while (!list_empty(&session->chances)) {
        struct chance *chance = list_first(&session->chances, struct chance, link);
        list_remove(&chance->link);
        memory_release(session->memory, chance, sizeof *chance);
    }
}

/* Whether one more may be missed with the share of what ended still no less than the probability. */
static bool may_miss(const struct chance *chance)
{
    uint64_t ended = chance->delivered + chance->missed + 1;
    return (chance->missed + 1) * SESSION_CERTAIN <= ended * (SESSION_CERTAIN - (uint64_t)chance->probability);
}

int lossy_check(const struct session_send *send)
{
    if ((unsigned)send->reliability > SESSION_PROBABILITY ||
        (send->reliability == SESSION_UNTIL_LIFETIME && send->lifetime == 0))
        return -EINVAL;
    if (send->reliability == SESSION_RESENDS ? send->resends > SESSION_RESENDS_MAX : send->resends != 0)
        return -EINVAL;
    bool probable = send->reliability == SESSION_PROBABILITY;
    if (probable ? send->probability == 0 || send->probability > SESSION_CERTAIN : send->probability != 0)
        return -EINVAL;
    return 0;
}

int lossy_init(struct session *session, struct outbound *outbound, const struct session_send *send)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    outbound->lossy = send->reliability != SESSION_FULL;
    extra->reliability = send->reliability;
    extra->resends = send->resends;
    if (send->reliability != SESSION_PROBABILITY)
        return 0;
    extra->chance = chance_of(session, send->probability);
    return extra->chance ? 0 : -ENOMEM;
}

void lossy_ended(struct outbound *outbound, enum session_outcome kind, bool partial)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    struct chance *chance = extra->chance;
    if (!chance)
        return;
    if (kind == SESSION_ACKED && !partial) {
        chance->delivered++;
        chance->missed -= extra->given_up; /* it came all the same */
    } else if ((partial || kind == SESSION_EXPIRED) && !extra->given_up) {
        chance->missed++;
    }
}

/* ---- parts, so that each of them is sent again so often at most */

uint64_t lossy_part_end(struct outbound *outbound, uint64_t offset, uint64_t room)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    if (!extra || extra->reliability != SESSION_RESENDS)
        return UINT64_MAX;
    if (extra->part_size == 0)
        extra->part_size = room;
    return offset - offset % extra->part_size + extra->part_size;
}

/* The counter of a part; NULL: no memory. */
static uint8_t *tries_of(struct session *session, struct outbound_extra *extra, uint64_t offset)
{
    size_t index = (size_t)(offset / extra->part_size);
    if (index >= extra->tries_count) {
        size_t count = extra->tries_count ? extra->tries_count : 16;
        while (count <= index)
            count *= 2;
        uint8_t *grown = memory_allocate(session->memory, count);
        if (!grown)
            return NULL;
        memset(grown, (int)extra->whole_tries, count);
        if (extra->tries_count)
            memcpy(grown, extra->tries, extra->tries_count);
        memory_release(session->memory, extra->tries, extra->tries_count);
        extra->tries = grown;
        extra->tries_count = count;
    }
    return &extra->tries[index];
}

void lossy_free(struct session *session, struct outbound_extra *extra)
{
    memory_release(session->memory, extra->tries, extra->tries_count);
}

/* ---- fates */

static void give_up(struct outbound_extra *extra)
{
    if (extra->given_up)
        return;
    extra->given_up = true;
    if (extra->chance)
        extra->chance->missed++;
}

/* Whether what was lost is sent again. -ENOMEM. */
static int sent_again(struct session *session, struct outbound *outbound, const struct ledger_entry *entry)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    switch (extra->reliability) {
    case SESSION_RESENDS:
        if (entry->kind == LEDGER_LOSSY || extra->part_size == 0)
            return extra->whole_tries < extra->resends ? (extra->whole_tries++, 1) : 0;
        uint8_t *tries = tries_of(session, extra, entry->offset);
        if (!tries)
            return -ENOMEM;
        return *tries < extra->resends ? ((*tries)++, 1) : 0;
    case SESSION_PROBABILITY:
        return !extra->given_up && !may_miss(extra->chance);
    default:
        return true;
    }
}

/* Where all that it sends has been sent, the peer is told that this was all: what is there is what came. */
static int lossy_tell(struct session *session, struct outbound *outbound)
{
    return outbound_ask(session, outbound, EXPIRE_GIVEN_UP, outbound->size);
}

/*
 * It waits for flow credit, which a part that is given up may be holding up: the peer is told not to wait for it. Who takes
 * the message in order has lost it then.
 */
static int skip(struct session *session, struct outbound *outbound)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    bool waits = outbound->state == OUTBOUND_BLOCKED && outbound->sent == outbound->more->credit;
    if (!extra->given_up || extra->in_flight || !waits || extra->skipped == outbound->sent)
        return 0;
    extra->skipped = outbound->sent;
    return runs_add(session->memory, &session->expires, EXPIRE_SKIPPED, outbound->id, outbound->sent,
                    outbound_cost(outbound));
}

static int goes_on(struct session *session, struct outbound *outbound)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    if (outbound->state == OUTBOUND_ENDED || outbound->state == OUTBOUND_ASKED)
        return 0;
    if (extra->given_up)
        outbound->fin_again = false;
    bool more = !outbound->through || outbound->sent != outbound->size || extra->open_again || outbound->fin_again ||
                outbound->more->again.count;
    if (extra->given_up && !more)
        return extra->in_flight ? 0 : lossy_tell(session, outbound);
    if (outbound->state != OUTBOUND_SENT && outbound->state != OUTBOUND_QUEUED && outbound->state != OUTBOUND_BLOCKED)
        return 0;
    unschedule_message(session, outbound);
    int r = schedule_message(session, outbound);
    return r < 0 ? r : skip(session, outbound);
}

int lossy_lost(struct session *session, struct outbound *outbound, const struct ledger_entry *entry)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    extra->in_flight--;
    if (outbound->state == OUTBOUND_ENDED || outbound->state == OUTBOUND_ASKED)
        return 0;
    if (entry->kind == LEDGER_PART && entry->size == 0) { /* nothing but the word of its beginning or its end */
        if (entry->offset == 0)
            extra->open_again = true;
        else
            outbound->fin_again = !extra->given_up; /* else EXPIRE tells its size */
        return goes_on(session, outbound);
    }
    int r = sent_again(session, outbound, entry);
    if (r != 0)
        return r;
    give_up(extra);
    if (entry->kind == LEDGER_PART) /* nothing needs its bytes any more */
        outbound_acked(session, outbound->id, entry->offset, entry->size);
    if (entry->kind == LEDGER_PART && entry->offset == 0)
        extra->open_again = true; /* without it nothing can be made of the rest */
    return goes_on(session, outbound);
}

void lossy_acked(struct session *session, struct outbound *outbound)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    extra->in_flight--;
    if (extra->given_up && goes_on(session, outbound) < 0)
        end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
}

/* Its lifetime is over. True: what came of it until now counts, and the peer is told so. */
bool lossy_cut(struct session *session, struct outbound *outbound, int *ret_error)
{
    bool known = !outbound->parts || outbound->complete;
    *ret_error = 0;
    if (!outbound->lossy || !outbound->opened || !known)
        return false;
    if (!outbound->through && outbound->sent == outbound->size) { /* but for the word that this was the end */
        unschedule_message(session, outbound);
        outbound_passed(session, outbound);
    }
    *ret_error = lossy_tell(session, outbound);
    return true;
}
