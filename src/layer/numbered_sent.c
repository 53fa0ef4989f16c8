/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent: which datagrams came, which were lost (RFC 9002 section 6), and how long the way is (section 5). */
#include "layer/numbered_internal.h"

#include <errno.h>
#include <string.h>

#include <hawser/errors.h>

#define PACKET_THRESHOLD 3  /* RFC 9002 section 6.1.1 */
#define GRANULARITY 1000    /* microseconds (section 6.1.2) */
#define INITIAL_RTT 333000  /* section 6.2.2 */
#define PROBE_BACKOFF_MAX 6 /* doublings */
#define CAPACITY_MIN 16
#define SKIP_MIN 64 /* one number in 64 to 319 is left out: who acknowledges what never came is found out soon */
#define SKIP_SPREAD 255

uint64_t numbered_draw(struct numbered *numbered)
{
    uint64_t x = numbered->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ------------------------------------------------------------------------------------------------------ the ring */

static int grow(struct numbered *numbered)
{
    const struct memory *memory = numbered->config.memory;
    size_t old = numbered->capacity, capacity = old ? 2 * old : CAPACITY_MIN;
    struct numbered_sent *ring;
    struct numbered_unit_fate *fates;

    if (capacity > NUMBERED_FLIGHT_MAX)
        return -ENOBUFS;
    ring = memory_allocate(memory, capacity * sizeof *ring);
    fates = memory_allocate(memory, capacity * sizeof *fates);
    if (!ring || !fates) {
        memory_release(memory, ring, capacity * sizeof *ring);
        memory_release(memory, fates, capacity * sizeof *fates);
        return -ENOMEM;
    }
    for (uint64_t number = numbered->base; number < numbered->next; number++)
        ring[number & (capacity - 1)] = *numbered_at(numbered, number);
    for (size_t i = 0; i < numbered->fate_count; i++)
        fates[i] = numbered->fates[(numbered->fate_first + i) & (old - 1)];
    memory_release(memory, numbered->ring, old * sizeof *ring);
    memory_release(memory, numbered->fates, old * sizeof *fates);
    numbered->ring = ring;
    numbered->fates = fates;
    numbered->fate_first = 0;
    numbered->capacity = capacity;
    return 0;
}

/* So that no fate is ever lost for want of memory: each datagram has its place among them from the start. */
int numbered_reserve(struct numbered *numbered)
{
    int r = 0;

    while (r == 0 && (numbered->next - numbered->base + 2 > numbered->capacity ||
                      numbered->flying + numbered->fate_count + 1 > numbered->capacity))
        r = grow(numbered);
    return r;
}

uint64_t numbered_choose(struct numbered *numbered)
{
    if (numbered->until_skip == 0) {
        struct numbered_sent *skipped = numbered_at(numbered, numbered->next++);
        *skipped = (struct numbered_sent){.state = NUMBERED_SKIPPED, .unit = NUMBERED_NO_UNIT};
        numbered->until_skip = SKIP_MIN + (unsigned)(numbered_draw(numbered) & SKIP_SPREAD);
    }
    return numbered->next;
}

uint64_t numbered_note_sent(struct numbered *numbered, uint64_t number, size_t size, uint64_t unit, bool held,
                            bool probe, int64_t now)
{
    struct numbered_sent *sent = numbered_at(numbered, number);

    *sent = (struct numbered_sent){
        .at = now,
        .unit = unit,
        .ordinal = ++numbered->ordinal,
        .size = (uint32_t)size,
        .state = NUMBERED_FLYING,
        .held = held,
        .probe = probe,
    };
    if (!probe)
        tfrc_rate_sent(&numbered->rate, sent->ordinal, unit == NUMBERED_NO_UNIT ? 0 : (unsigned)size,
                       numbered->flying == 0, held, now);
    if (numbered->flying++ == 0)
        numbered->silent_since = now;
    numbered->next = number + 1;
    numbered->until_skip--;
    numbered->eliciting_at = now;
    numbered->counts.sent++;
    return sent->ordinal;
}

static void settle(struct numbered *numbered, struct numbered_sent *sent, bool acked)
{
    sent->state = NUMBERED_SETTLED;
    sent->lost = !acked;
    numbered->flying--;
    if (sent->probe) {
        numbered->probed = true;
        numbered->probe_passed = acked;
        numbered->probed_size = sent->size;
    }
    if (sent->unit == NUMBERED_NO_UNIT)
        return;
    numbered->fates[(numbered->fate_first + numbered->fate_count++) & (numbered->capacity - 1)] =
        (struct numbered_unit_fate){sent->unit, acked};
}

/* A number that was left out stays until what follows it is settled: it is there to be acknowledged by liars. */
static void advance(struct numbered *numbered)
{
    while (numbered->base < numbered->next) {
        uint64_t at = numbered->base;

        if (numbered_at(numbered, at)->state == NUMBERED_SKIPPED)
            at++;
        if (at == numbered->next || numbered_at(numbered, at)->state != NUMBERED_SETTLED)
            break;
        numbered->base = at + 1;
    }
}

/* ------------------------------------------------------------------------------------------------------------ loss */

static int64_t loss_delay(const struct numbered *numbered)
{
    int64_t rtt = numbered->latest_rtt > numbered->rtt ? numbered->latest_rtt : numbered->rtt;
    int64_t delay = rtt + rtt / 8;

    return delay > GRANULARITY ? delay : GRANULARITY;
}

void numbered_find_lost(struct numbered *numbered, int64_t now)
{
    int64_t delay = loss_delay(numbered);

    numbered->loss_at = NUMBERED_NEVER;
    for (uint64_t number = numbered->base; number < numbered->next; number++) {
        struct numbered_sent *sent = numbered_at(numbered, number);
        if (sent->ordinal > numbered->largest_acked && sent->state != NUMBERED_SKIPPED)
            break;
        if (sent->state != NUMBERED_FLYING)
            continue;
        if (sent->ordinal + PACKET_THRESHOLD <= numbered->largest_acked || now - sent->at >= delay) {
            settle(numbered, sent, false);
            if (!sent->probe) {
                tfrc_rate_lost(&numbered->rate, sent->ordinal, sent->at);
                numbered->counts.lost++;
            }
        } else if (sent->at + delay < numbered->loss_at)
            numbered->loss_at = sent->at + delay;
    }
    advance(numbered);
}

int64_t numbered_probe_at(const struct numbered *numbered)
{
    int64_t rtt = numbered->rtt, deviation = 4 * numbered->rtt_deviation, period;
    unsigned doublings = numbered->probes < PROBE_BACKOFF_MAX ? numbered->probes : PROBE_BACKOFF_MAX;

    if (numbered->flying == 0)
        return NUMBERED_NEVER;
    if (rtt == 0) {
        rtt = INITIAL_RTT;
        deviation = 2 * INITIAL_RTT;
    }
    period = rtt + (deviation > GRANULARITY ? deviation : GRANULARITY) + NUMBERED_ACK_DELAY;
    return numbered->eliciting_at + (period << doublings);
}

/* ------------------------------------------------------------------------------------------------- acknowledgement */

static void measure_rtt(struct numbered *numbered, int64_t sample, int64_t delay)
{
    if (sample < 1)
        sample = 1;
    numbered->latest_rtt = sample;
    if (numbered->min_rtt == 0 || sample < numbered->min_rtt)
        numbered->min_rtt = sample;
    if (delay > NUMBERED_ACK_DELAY)
        delay = NUMBERED_ACK_DELAY;
    if (sample - delay >= numbered->min_rtt)
        sample -= delay;
    if (numbered->rtt == 0) {
        numbered->rtt = sample;
        numbered->rtt_deviation = sample / 2;
        return;
    }
    int64_t off = sample > numbered->rtt ? sample - numbered->rtt : numbered->rtt - sample;
    numbered->rtt_deviation = (3 * numbered->rtt_deviation + off) / 4;
    numbered->rtt = (7 * numbered->rtt + sample) / 8;
}

/* Only what was sent can be acknowledged. */
static bool is_honest(const struct numbered *numbered, const struct numbered_range *range)
{
    if (range->last >= numbered->next)
        return false;
    for (uint64_t number = range->first > numbered->base ? range->first : numbered->base; number <= range->last;
         number++)
        if (numbered_at(numbered, number)->state == NUMBERED_SKIPPED)
            return false;
    return true;
}

static unsigned take_range(struct numbered *numbered, const struct numbered_range *range, int64_t now)
{
    unsigned taken = 0;

    for (uint64_t number = range->first > numbered->base ? range->first : numbered->base; number <= range->last;
         number++) {
        struct numbered_sent *sent = numbered_at(numbered, number);
        if (sent->state == NUMBERED_SETTLED && sent->lost) {
            sent->lost = false;
            numbered->counts.losses_wrong++;
        }
        if (sent->state != NUMBERED_FLYING)
            continue;
        if (!sent->probe) /* a ping says nothing of how much arrives */
            tfrc_rate_acked(&numbered->rate, sent->ordinal, sent->unit == NUMBERED_NO_UNIT ? 0 : sent->size,
                            sent->held);
        if (sent->ordinal > numbered->largest_acked)
            numbered->largest_acked = sent->ordinal;
        settle(numbered, sent, true);
        taken++;
    }
    if (taken) {
        numbered->heard = true;
        numbered->probes = numbered->probes_due = 0;
        numbered->silent_since = now;
        numbered->doubted_at = NUMBERED_NEVER;
    }
    return taken;
}

int numbered_take_ack(struct numbered *numbered, const struct numbered_range *ranges, unsigned count, int64_t delay,
                      int64_t now)
{
    int64_t sample = 0;
    unsigned taken = 0;

    for (unsigned i = 0; i < count; i++)
        if (!is_honest(numbered, &ranges[i]))
            return -HAWSER_EPROTOCOL;
    if (ranges[0].last >= numbered->base) {
        const struct numbered_sent *latest = numbered_at(numbered, ranges[0].last);
        if (latest->state == NUMBERED_FLYING)
            sample = now - latest->at > 0 ? now - latest->at : 1;
    }
    for (unsigned i = 0; i < count; i++)
        taken += take_range(numbered, &ranges[i], now);
    if (taken == 0)
        return 0;
    if (sample)
        measure_rtt(numbered, sample, delay);
    numbered_find_lost(numbered, now);
    tfrc_rate_feedback(&numbered->rate, sample ? numbered->latest_rtt : 0, now);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- fates */

bool numbered_fate(struct numbered *numbered, struct numbered_unit_fate *ret_fate)
{
    const struct memory *memory = numbered->config.memory;

    if (numbered->fate_count > 0) {
        *ret_fate = numbered->fates[numbered->fate_first];
        numbered->fate_first = (numbered->fate_first + 1) & (numbered->capacity - 1);
        numbered->fate_count--;
        return true;
    }
    /* At rest little is kept: there may be thousands. */
    if (numbered->base == numbered->next && numbered->capacity > 0) {
        memory_release(memory, numbered->ring, numbered->capacity * sizeof *numbered->ring);
        memory_release(memory, numbered->fates, numbered->capacity * sizeof *numbered->fates);
        memory_release(memory, numbered->out, numbered->out_size);
        numbered->ring = NULL;
        numbered->fates = NULL;
        numbered->out = NULL;
        numbered->capacity = numbered->fate_first = 0;
    }
    return false;
}
