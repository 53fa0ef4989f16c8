/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of how fast a strand is: from its layers, as the caller tells (session_strand_set_link()), and from what
 * the session sees itself - round trips of PING, and what is acknowledged. What is not known is reckoned with caution: a
 * new strand as slow as the first flight of a connection.
 */
#include "session/internal.h"

#define RTT_UNKNOWN 100000
#define FIRST_FLIGHT 14600 /* bytes of a round trip that any connection has to begin with (RFC 6928) */
#define MARK_MIN 30000     /* the least time that a rate is measured over */
#define SCALE 1000000

/* ---- round trips */

void estimate_rtt_sample(struct session_strand *strand, int64_t rtt)
{
    struct estimate *estimate = &strand->estimate;
    if (rtt < 1)
        rtt = 1;
    estimate->srtt = estimate->srtt ? (7 * estimate->srtt + rtt) / 8 : rtt;
    if (!estimate->min_rtt || rtt < estimate->min_rtt)
        estimate->min_rtt = rtt;
}

int64_t estimate_rtt(const struct session_strand *strand)
{
    if (strand->given.rtt > 0)
        return strand->given.rtt;
    return strand->estimate.srtt ? strand->estimate.srtt : RTT_UNKNOWN;
}

static int64_t least_rtt(const struct session_strand *strand)
{
    int64_t given = strand->given.min_rtt > 0 ? strand->given.min_rtt : strand->given.rtt;
    int64_t own = strand->estimate.min_rtt;
    if (given > 0 && own)
        return given < own ? given : own;
    return given > 0 ? given : own ? own : RTT_UNKNOWN;
}

/* ---- rates */

uint64_t estimate_in_flight(const struct session_strand *strand)
{
    if (strand->units)
        return strand->units->bytes_under_way;
    return strand->ledger.count && strand->sent > strand->acked ? strand->sent - strand->acked : 0;
}

uint64_t estimate_rate(const struct session_strand *strand)
{
    uint64_t rate = strand->given.rate > strand->estimate.rate ? strand->given.rate : strand->estimate.rate;
    uint64_t first = FIRST_FLIGHT * (uint64_t)SCALE / (uint64_t)estimate_rtt(strand);
    return rate > first ? rate : first ? first : 1;
}

/* Measured over at least a round trip in which there was always something in flight. A lower one counts only where the strand
 * was kept busy: else it is the program that was slow. */
void estimate_acked(struct session_strand *strand)
{
    struct estimate *estimate = &strand->estimate;
    int64_t now = strand->session->now, passed = now - estimate->mark_at, least = estimate_rtt(strand);
    bool idle = strand->vital.flight_at > estimate->mark_at;
    int64_t leaves = now + (int64_t)(estimate_in_flight(strand) * SCALE / estimate_rate(strand));
    if (estimate->free_at > leaves) /* it was thought to be slower */
        estimate->free_at = leaves;
    if (idle || !estimate->mark_at) {
        estimate->mark_at = now;
        estimate->mark_acked = strand->acked;
        return;
    }
    if (least < MARK_MIN)
        least = MARK_MIN;
    if (passed < least)
        return;
    uint64_t rate = (strand->acked - estimate->mark_acked) * SCALE / (uint64_t)passed;
    uint64_t kept_busy = estimate->rate / 2 * (uint64_t)least_rtt(strand) / SCALE;
    if (rate > estimate->rate)
        estimate->rate = rate;
    else if (estimate_in_flight(strand) > kept_busy)
        estimate->rate -= (estimate->rate - rate) / 4;
    estimate->mark_at = now;
    estimate->mark_acked = strand->acked;
}

/* ---- what waits */

/*
 * How long what it was given waits for the way to be free: as long as its rate makes it; but all that is in flight beyond a
 * round trip's worth (the peer waits a little before it acknowledges bytes) waits, and nothing that is not in flight.
 */
static int64_t queue_time(const struct session_strand *strand)
{
    uint64_t rate = estimate_rate(strand), flight = estimate_in_flight(strand);
    int64_t pipe = least_rtt(strand) + (strand->units ? 0 : ACK_DELAY), whole = (int64_t)(flight * SCALE / rate);
    int64_t time = strand->estimate.free_at - strand->session->now, least = whole - pipe;
    if (time < least)
        time = least;
    if (time > whole)
        time = whole;
    int64_t given = (int64_t)(strand->given.queued * SCALE / rate);
    return time > given ? time : given;
}

void estimate_idle(struct session_strand *strand)
{
    strand->estimate.pulled_at = 0;
}

void estimate_pulled(struct session_strand *strand, uint64_t size, bool left)
{
    struct estimate *estimate = &strand->estimate;
    int64_t now = strand->session->now;
    if (strand->session->strand_count == 1)
        return; /* nobody asks */
    estimate->pulled_at = left ? now : 0;
    if (estimate->free_at < now)
        estimate->free_at = now;
    estimate->free_at += (int64_t)(size * SCALE / estimate_rate(strand));
}

/* It had no room for so long: it may well be as long again. */
static int64_t estimate_wait(const struct session_strand *strand)
{
    int64_t since = strand->estimate.pulled_at, now = strand->session->now;
    return since && now > since && estimate_in_flight(strand) ? now - since : 0;
}

/* The peer's word is late: so is whatever goes the same way. */
static int64_t estimate_late(const struct session_strand *strand)
{
    return strand->vital.late ? strand->session->now - strand->vital.proof_at : 0;
}

int64_t estimate_arrival(const struct session_strand *strand, uint64_t size)
{
    return least_rtt(strand) / 2 + estimate_wait(strand) + estimate_late(strand) + queue_time(strand) +
           (int64_t)(size * SCALE / estimate_rate(strand));
}
