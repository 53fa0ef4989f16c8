/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a strand still takes what is sent to the peer (docs/protocol.md section 12). The proofs are acknowledgements,
 * the fates of units, and PONGs; that something is heard proves the other direction only. A strand with something in flight
 * and no proof for a few round trips is suspected - when others show that the peer is alive, for a peer that stands still
 * is no fault of a strand's. What is suspected is probed; a proof ends the suspicion, after a while that grows with how often
 * it was suspected lately, so that it does not flap.
 */
#include "session/scheduler.h"

#define TURN 15000 /* between what a peer says on one strand and on the next */
#define RTT_LONG 500000
#define MARGIN 20000 /* of the peer's process and ours */
#define LATE 20000   /* a tick so late says that we were not there to hear anything */
#define EXCUSE 25000 /* time to hear what came meanwhile */
#define BLIND 250000 /* beyond four times its patience without any sign of the peer */
#define RECORD 16384 /* what arrives at once: the most that a layer hands over together */
#define STRIKES_TIME 60000000
#define HOLD_FIRST 100000
#define HOLD_MAX 10000000
#define PROBE_MAX 5000000

void vital_init(struct session_strand *strand)
{
    strand->vital.proof_at = strand->session->now;
}

/* ---- what is awaited, and until when */

static bool flies(const struct session_strand *strand)
{
    return strand->units ? strand->units->under_way > 0 : strand->ledger.count > 0;
}

static bool alone(const struct session_strand *strand)
{
    return strand->session->strand_count == 1;
}

static int64_t silent_since(const struct session_strand *strand)
{
    const struct vital *vital = &strand->vital;
    return vital->proof_at > vital->flight_at ? vital->proof_at : vital->flight_at;
}

/* One whose round trip is not known yet is given the time of a long one. */
static int64_t round_trip(const struct session_strand *strand)
{
    bool known = strand->given.rtt > 0 || strand->estimate.srtt;
    return known ? estimate_rtt(strand) : RTT_LONG;
}

void session_behind(struct session *session, int64_t behind)
{
    session->behind = behind;
}

/* When the peer's word should be here, and read, at the latest, if all is well. */
static int64_t awaited(const struct session_strand *strand)
{
    return silent_since(strand) + strand->session->behind + round_trip(strand) + ACK_DELAY +
           (int64_t)(RECORD * UINT64_C(1000000) / estimate_rate(strand));
}

static int64_t late_due(const struct session_strand *strand)
{
    return awaited(strand) + MARGIN / 2;
}

static int64_t patience_ends(const struct session_strand *strand)
{
    return awaited(strand) + round_trip(strand) + MARGIN;
}

/* A peer that stood still speaks on one strand before it does on another: that is granted too. */
static int64_t overdue(const struct session_strand *strand)
{
    const struct vital *vital = &strand->vital;
    int64_t due = patience_ends(strand);
    if (vital->lives_at && vital->lives_at + TURN > due)
        due = vital->lives_at + TURN;
    return vital->excused > due ? vital->excused : due;
}

/* Nobody says anything: then nothing can be told from it, but that something is wrong. */
static int64_t blind_due(const struct session_strand *strand)
{
    int64_t due = silent_since(strand) + 4 * (patience_ends(strand) - silent_since(strand)) + BLIND;
    return strand->vital.excused > due ? strand->vital.excused : due;
}

/* Another strand was heard of since this one's word was due. */
static bool peer_lives(const struct session_strand *strand)
{
    return strand->vital.lives_at > 0;
}

static bool watched(const struct session_strand *strand)
{
    return !strand->early && strand->session->hello_received && flies(strand);
}

/* Something came on a strand: the peer lives, as far as the others are concerned. */
void suspicion_heard(struct session_strand *heard)
{
    struct session *session = heard->session;
    if (session->strand_count == 1 || heard->vital.suspected)
        return;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (strand != heard && !strand->vital.lives_at && watched(strand) && session->now >= awaited(strand))
            strand->vital.lives_at = session->now;
    }
}

static int64_t death_due(const struct session_strand *strand)
{
    const struct vital *vital = &strand->vital;
    int64_t after = strand->session->config.dead_after;
    /* While others live it is the strand's fault; else silence is counted as ever (clock.c). */
    if (after <= 0 || strand->silent_told || !scheduler_other_healthy(strand))
        return NEVER;
    return (vital->suspected_at > vital->proof_at ? vital->suspected_at : vital->proof_at) + after;
}

int64_t suspicion_due(const struct session_strand *strand)
{
    const struct vital *vital = &strand->vital;
    if (vital->suspected) {
        int64_t due = vital->probe_at, death = death_due(strand);
        if (vital->well_at && vital->trusted_at < due)
            due = vital->trusted_at;
        return death < due ? death : due;
    }
    if (!watched(strand))
        return NEVER;
    if (alone(strand))
        return blind_due(strand);
    if (!vital->late)
        return late_due(strand);
    return peer_lives(strand) ? overdue(strand) : blind_due(strand);
}

/* ---- suspecting */

static void news(struct session_strand *strand)
{
    strand->session->suspicion_news = true;
}

static void probe(struct session_strand *strand)
{
    struct vital *vital = &strand->vital;
    strand->ping_wanted = true;
    vital->probe_at = strand->session->now + vital->probe_gap;
    if (!vital->well_at && vital->probe_gap < PROBE_MAX)
        vital->probe_gap *= 2;
}

static void strike(struct session_strand *strand)
{
    struct vital *vital = &strand->vital;
    if (strand->session->now - vital->struck_at > STRIKES_TIME)
        vital->strikes = 0;
    vital->strikes++;
    vital->struck_at = strand->session->now;
}

/* Which end notices first is chance: what the peer suspects counts when it is to be trusted again. */
void suspicion_of_peer(struct session_strand *strand)
{
    if (!strand->vital.suspected)
        strike(strand);
}

static void suspect(struct session_strand *strand)
{
    struct session *session = strand->session;
    struct vital *vital = &strand->vital;
    strike(strand);
    vital->suspicions++;
    session->statistics.suspicions++;
    vital->suspected = true;
    own_let_go(strand);
    vital->suspected_at = session->now;
    vital->mark = strand->sent;
    vital->well_at = vital->excused = vital->lives_at = 0;
    vital->late = false;
    vital->probe_gap = 2 * estimate_rtt(strand) + MARGIN;
    news(strand);
    if (alone(strand)) {
        vital->probe_at = NEVER; /* what it carries proves it, or nothing does */
        return;
    }
    probe(strand);
    if (strand->pinned || strand->pinned_stream) { /* its bytes shall not be held by a strand that does not move */
        session->handler->bulk_ends(session->user, strand);
        session_bulk_done(strand);
    }
    strands_review(session);
}

/* It was alone when it was suspected, and is no more. */
void suspicion_goes_on(struct session_strand *strand)
{
    if (strand->vital.probe_at == NEVER)
        probe(strand);
}

static void trust(struct session_strand *strand)
{
    struct vital *vital = &strand->vital;
    vital->suspected = false;
    vital->well_at = vital->excused = vital->lives_at = 0;
    vital->proof_at = strand->session->now;
    news(strand);
    strands_review(strand->session);
}

void session_strand_suspect(struct session_strand *strand, bool suspected, int64_t now)
{
    struct session *session = strand->session;
    session->now = now;
    if (strand->vital.suspected == suspected || session->ended)
        return;
    if (suspected)
        suspect(strand);
    else
        trust(strand);
}

/* The peer is asked on the others whether it lives. */
static void ask_others(struct session_strand *strand)
{
    struct session *session = strand->session;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *other = container_of(link, struct session_strand, link);
        if (!other->early && !other->vital.suspected)
            other->ping_wanted = true;
    }
}

/* A tick that comes late shows that this process stood still: what came meanwhile may lie unread. Twice that is granted. */
static bool excuse(struct session_strand *strand, int64_t due)
{
    struct vital *vital = &strand->vital;
    int64_t now = strand->session->now;
    if (now - due <= LATE || vital->excuses >= 2)
        return false;
    vital->excuses++;
    vital->excused = now + EXCUSE;
    return true;
}

static void watch(struct session_strand *strand)
{
    int64_t now = strand->session->now, due = alone(strand) ? blind_due(strand) : overdue(strand);
    if (!alone(strand) && !strand->vital.late && late_due(strand) <= now) {
        strand->vital.late = true;
        if (!peer_lives(strand))
            ask_others(strand);
    }
    if (!alone(strand) && !peer_lives(strand))
        due = blind_due(strand);
    if (due <= now && !excuse(strand, due))
        suspect(strand);
}

void suspicion_tick(struct session_strand *strand)
{
    struct session *session = strand->session;
    struct vital *vital = &strand->vital;
    if (!vital->suspected) {
        if (watched(strand))
            watch(strand);
        return;
    }
    if (death_due(strand) <= session->now) {
        strand->silent_told = true;
        session->handler->strand_silent(session->user, strand);
        return;
    }
    if (vital->well_at && vital->trusted_at <= session->now)
        trust(strand);
    else if (vital->probe_at <= session->now)
        probe(strand);
}

void suspicion_tell(struct session *session)
{
    session->suspicion_news = false;
    struct list *link = session->strands.next, *next;
    for (; link != &session->strands && !session->ended; link = next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        next = link->next;
        bool suspected = strand->vital.suspected || strand->peer_suspects; /* as session_strand_get() has it */
        if (strand->vital.told == suspected)
            continue;
        strand->vital.told = suspected;
        if (session->handler->strand_suspected)
            session->handler->strand_suspected(session->user, strand, suspected);
    }
}

/* ---- proofs */

/* How long it has to be well. The first time it may carry at once. */
static int64_t hold(const struct vital *vital)
{
    int64_t hold = vital->strikes > 1 ? HOLD_FIRST : 0;
    for (unsigned i = 2; i < vital->strikes && hold < HOLD_MAX; i++)
        hold *= 2;
    return hold < HOLD_MAX ? hold : HOLD_MAX;
}

static void is_well(struct session_strand *strand)
{
    struct vital *vital = &strand->vital;
    int64_t now = strand->session->now, least = 2 * (patience_ends(strand) - silent_since(strand));
    /* While it is watched each probe is to be answered: a gap begins it again. */
    if (!vital->well_at || now - vital->proof_at > least) {
        vital->well_at = now;
        vital->trusted_at = now + (alone(strand) ? 0 : hold(vital));
        vital->probe_gap = 2 * estimate_rtt(strand) + MARGIN;
        if (vital->probe_at != NEVER && vital->probe_at > now + vital->probe_gap)
            vital->probe_at = now + vital->probe_gap;
    }
    vital->proof_at = now;
    if (vital->trusted_at <= now)
        trust(strand);
}

void strand_proved(struct session_strand *strand)
{
    struct vital *vital = &strand->vital;
    estimate_acked(strand);
    if (vital->suspected) {
        is_well(strand);
        return;
    }
    strand->session->behind = 0;
    vital->proof_at = strand->session->now;
    vital->late = false;
    vital->excused = vital->lives_at = 0;
    vital->excuses = 0;
}

void strand_flies(struct session_strand *strand)
{
    strand->vital.flight_at = strand->session->now;
    strand->vital.late = false;
    strand->vital.excused = strand->vital.lives_at = 0;
    strand->vital.excuses = 0;
}

/* An ACK of what came before the silence may be told late, by another strand: it proves nothing now. */
void suspicion_acked(struct session_strand *strand, uint64_t offset)
{
    if (!strand->vital.suspected || offset > strand->vital.mark || alone(strand))
        strand_proved(strand);
}

/* A PONG comes on the strand that its PING went out on. One to a PING from before the suspicion proves nothing now. */
void suspicion_pong(struct session_strand *strand, uint64_t stamp, int64_t rtt)
{
    if (strand->vital.suspected && (int64_t)stamp < strand->vital.suspected_at)
        return;
    estimate_rtt_sample(strand, rtt);
    strand_proved(strand);
}
