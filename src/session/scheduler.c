/* SPDX-License-Identifier: Apache-2.0 */
/* The schedulers, and what they have in common. */
#include "session/scheduler.h"

#define LEAD_SLACK 5000 /* microseconds by which a strand may be later than the best and still carry outcomes */

/* ---- who may */

bool scheduler_other_healthy(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *other = container_of(link, struct session_strand, link);
        if (other != strand && strand_healthy(other))
            return true;
    }
    return false;
}

/* The better class goes first: healthy ones that do not stand by, healthy ones, then whichever lived last. */
static int class_of(const struct session_strand *strand)
{
    return !strand_healthy(strand) ? 2 : strand_standby(strand) ? 1 : 0;
}

static int best_class(const struct session *session)
{
    int best = 2;
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        int class = class_of(container_of(link, struct session_strand, link));
        if (class < best)
            best = class;
    }
    return best;
}

/* All are suspected: the one that was proved to live last carries, so that nothing stands still. */
static bool least_bad(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *other = container_of(link, struct session_strand, link);
        int64_t a = other->vital.proof_at, b = strand->vital.proof_at;
        if (a > b || (a == b && other->number < strand->number))
            return false;
    }
    return true;
}

static bool all_carry(const struct session_strand *strand)
{
    int best = best_class(strand->session);
    return class_of(strand) == best && (best < 2 || least_bad(strand));
}

/* ---- handover */

static bool one_carries(const struct session_strand *strand)
{
    return strand->session->choice == strand;
}

static bool one_takes(const struct session_strand *strand, uint64_t size, uint64_t backlog)
{
    (void)strand, (void)size, (void)backlog;
    return true;
}

static bool never_copies(const struct session_strand *strand, const struct session_strand *other)
{
    (void)strand, (void)other;
    return false;
}

const struct scheduler scheduler_one = {
    .carries = one_carries, .leads = one_carries, .takes = one_takes, .copies = never_copies};

static bool preferred(const struct session_strand *a, const struct session_strand *b)
{
    if (class_of(a) != class_of(b))
        return class_of(a) < class_of(b);
    if (class_of(a) == 2)
        return least_bad(a);
    if (a->given.rank != b->given.rank)
        return a->given.rank < b->given.rank;
    return a->number < b->number;
}

static struct session_strand *choose_one(const struct session *session)
{
    struct session_strand *best = NULL;
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (!best || preferred(strand, best))
            best = strand;
    }
    return best;
}

/* ---- where it arrives first */

static int64_t arrival(const struct session_strand *strand, uint64_t size)
{
    return estimate_arrival(strand, size) + (int64_t)strand->given.cost * 1000;
}

static bool leads(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    if (!all_carry(strand))
        return false;
    int64_t own = arrival(strand, 0);
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *other = container_of(link, struct session_strand, link);
        if (other == strand || !all_carry(other))
            continue;
        int64_t theirs = arrival(other, 0);
        if (theirs + theirs / 4 + LEAD_SLACK < own)
            return false;
    }
    return true;
}

static bool lowest_takes(const struct session_strand *strand, uint64_t size, uint64_t backlog)
{
    const struct session *session = strand->session;
    int64_t own = arrival(strand, size);
    (void)backlog;
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *other = container_of(link, struct session_strand, link);
        if (other != strand && all_carry(other) && arrival(other, size) < own)
            return false;
    }
    return true;
}

/* The second best carries the copy: no third is better than it. */
static bool twice_copies(const struct session_strand *strand, const struct session_strand *other)
{
    const struct session *session = strand->session;
    if (strand == other || !all_carry(strand))
        return false;
    int64_t own = arrival(strand, SESSION_SMALL);
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *third = container_of(link, struct session_strand, link);
        if (third != strand && third != other && all_carry(third) && arrival(third, SESSION_SMALL) < own)
            return false;
    }
    return true;
}

const struct scheduler scheduler_twice = {
    .carries = all_carry, .leads = leads, .takes = lowest_takes, .copies = twice_copies};

/* ---- earliest completion */

/* When the strands that are faster than this one would have delivered the backlog without it. */
static bool earlier_than_others(const struct session_strand *strand, uint64_t size, uint64_t backlog,
                                int64_t (*reckon)(const struct session_strand *strand, uint64_t size))
{
    const struct session *session = strand->session;
    int64_t own = reckon(strand, size), soonest = INT64_MAX;
    uint64_t rate = 0;
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *other = container_of(link, struct session_strand, link);
        if (other == strand || !all_carry(other) || reckon(other, size) >= own)
            continue;
        int64_t begins = reckon(other, 0);
        soonest = begins < soonest ? begins : soonest;
        rate += estimate_rate(other);
    }
    return !rate || own <= soonest + (int64_t)(backlog * 1000000 / rate);
}

static bool earliest_takes(const struct session_strand *strand, uint64_t size, uint64_t backlog)
{
    return earlier_than_others(strand, size, backlog, estimate_arrival);
}

const struct scheduler scheduler_earliest = {
    .carries = all_carry, .leads = leads, .takes = earliest_takes, .copies = never_copies};

static bool frugal_takes(const struct session_strand *strand, uint64_t size, uint64_t backlog)
{
    return earlier_than_others(strand, size, backlog, arrival);
}

const struct scheduler scheduler_frugal = {
    .carries = all_carry, .leads = leads, .takes = frugal_takes, .copies = never_copies};

/* ---- which of them */

static bool any_costs(const struct session *session)
{
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next)
        if (container_of(link, struct session_strand, link)->given.cost)
            return true;
    return false;
}

void scheduler_review(struct session *session)
{
    switch (session->config.policy) {
    case SESSION_HANDOVER:
        session->scheduler = &scheduler_one;
        break;
    case SESSION_INTERACTIVE:
        session->scheduler = &scheduler_twice;
        break;
    case SESSION_AGGREGATE:
        session->scheduler = any_costs(session) ? &scheduler_frugal : &scheduler_earliest;
        break;
    }
    session->choice = session->config.policy == SESSION_HANDOVER ? choose_one(session) : NULL;
}
