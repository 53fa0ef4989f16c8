/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered datagrams: putting them together, taking them apart, when what is due. */
#include "layer/numbered_internal.h"

#include <errno.h>
#include <string.h>

#include <hawser/errors.h>

#include "base/varint.h"

#define BURST 1000   /* microseconds of the rate that may leave together: a loop wakes up not more often */
#define ASK_EVERY 2  /* datagrams at least, and an eighth of a round trip: an acknowledgement is asked for at once */
#define ASK_MAX 64   /* datagrams at most */
#define PIGGYBACK 64 /* bytes of ranges beside a unit */
#define FIRST_NUMBER_BITS 29 /* begins where nobody can guess, so an acknowledgement proves the peer's address */
#define CLEAR_NUMBER_BITS 61 /* nor hit a window by trying */
#define PING_PLACES 64
#define SIZE_BYTES 2 /* of a padded unit's size: below 2^14 where it matters, see size_put() */

_Static_assert(1 + 2 * VARINT_SIZE_MAX + PIGGYBACK + SIZE_BYTES + 2 <= NUMBERED_HEAD_MAX, "the head fits");

int numbered_new(const struct numbered_config *config, int64_t now, struct numbered **ret_numbered)
{
    struct numbered *numbered;

    if (config->datagram_max < NUMBERED_MIN || config->datagram_max > UINT16_MAX)
        return -EINVAL;
    numbered = memory_allocate_zero(config->memory, sizeof *numbered);
    if (!numbered)
        return -ENOMEM;
    numbered->config = *config;
    numbered->random = config->seed;
    numbered->base = numbered->next =
        numbered_draw(numbered) & ((UINT64_C(1) << (config->clear ? CLEAR_NUMBER_BITS : FIRST_NUMBER_BITS)) - 1);
    numbered->until_skip = 1 + (unsigned)(numbered_draw(numbered) & 63);
    numbered->loss_at = numbered->ack_at = numbered->doubted_at = NUMBERED_NEVER;
    numbered->paced_at = now - BURST;
    tfrc_rate_init(&numbered->rate, (unsigned)config->datagram_max, config->rtt, now);
    numbered->rtt = config->rtt;
    numbered->rtt_deviation = config->rtt / 2;
    *ret_numbered = numbered;
    return 0;
}

void numbered_free(struct numbered *numbered)
{
    const struct memory *memory;

    if (!numbered)
        return;
    memory = numbered->config.memory;
    memory_release(memory, numbered->ring, numbered->capacity * sizeof *numbered->ring);
    memory_release(memory, numbered->fates, numbered->capacity * sizeof *numbered->fates);
    memory_release(memory, numbered->ranges, numbered->range_capacity * sizeof *numbered->ranges);
    memory_release(memory, numbered->out, numbered->out_size);
    memory_release(memory, numbered, sizeof *numbered);
}

/* -------------------------------------------------------------------------------------------------------- the rate */

/* As of the rate now, not of when the last one left. */
static int64_t next_at(const struct numbered *numbered)
{
    return numbered->paced_at + tfrc_rate_spacing(&numbered->rate, numbered->paced_size);
}

/* Some places are kept for pings, by which a full flight ends. */
static bool has_place(const struct numbered *numbered)
{
    return numbered->next - numbered->base + 2 <= NUMBERED_FLIGHT_MAX - PING_PLACES &&
           numbered->flying + numbered->fate_count + 1 <= NUMBERED_FLIGHT_MAX - PING_PLACES;
}

bool numbered_room(const struct numbered *numbered, int64_t now)
{
    return has_place(numbered) && next_at(numbered) <= now;
}

static void pace(struct numbered *numbered, size_t size, int64_t now)
{
    int64_t at = next_at(numbered);

    numbered->paced_at = at > now - BURST ? at : now - BURST;
    numbered->paced_size = (unsigned)size;
}

/* --------------------------------------------------------------------------------------------------------- writing */

/* Often enough that losses and the rate are known some times a round trip, seldom enough to cost little. */
static bool asks(const struct numbered *numbered, int64_t now)
{
    if (numbered->probes_due || numbered->ping)
        return true;
    return numbered->sent_since_asked + 1 >= ASK_MAX ||
           (numbered->sent_since_asked + 1 >= ASK_EVERY && now - numbered->asked_at >= numbered->rtt / 8);
}

static uint8_t *write_head(struct numbered *numbered, uint8_t *at, unsigned flags, uint64_t number, size_t ack_room,
                           int64_t now)
{
    if (numbered->ack_at != NUMBERED_NEVER)
        flags |= NUMBERED_ACK;
    *at++ = (uint8_t)flags;
    if (flags & NUMBERED_NUMBER) {
        at = varint_put(at, number);
        at = varint_put(at, number - numbered->base);
    }
    return flags & NUMBERED_ACK ? numbered_write_ack(numbered, at, ack_room, now) : at;
}

static void note_numbered(struct numbered *numbered, uint64_t number, size_t size, uint64_t unit, bool asked,
                          bool probe, int64_t now)
{
    numbered_note_sent(numbered, number, size, unit, numbered->wanted && unit != NUMBERED_NO_UNIT, probe, now);
    numbered->sent_since_asked++;
    if (asked) {
        numbered->sent_since_asked = 0;
        numbered->asked_at = now;
        numbered->probes_due = 0;
        numbered->ping = false;
    }
}

static size_t padded(const struct numbered *numbered, size_t size)
{
    size_t pad = numbered->config.pad;

    if (pad == 0)
        return size;
    size = (size + pad - 1) / pad * pad;
    return size < numbered->config.datagram_max ? size : numbered->config.datagram_max;
}

uint8_t *numbered_begin(struct numbered *numbered, int64_t now, size_t *ret_capacity)
{
    uint8_t head[NUMBERED_HEAD_MAX], *end;
    unsigned flags = NUMBERED_NUMBER | NUMBERED_UNIT | (numbered->config.pad ? NUMBERED_PADDED : 0);
    size_t size;

    if (!numbered_room(numbered, now) || numbered_reserve(numbered) < 0) {
        numbered->wanted = true;
        return NULL;
    }
    if (!numbered->out) {
        numbered->out_size = NUMBERED_HEAD_MAX + numbered->config.datagram_max;
        numbered->out = memory_allocate(numbered->config.memory, numbered->out_size);
        if (!numbered->out)
            return NULL;
    }
    numbered->out_asks = asks(numbered, now);
    numbered->out_acks = numbered->ack_at != NUMBERED_NEVER;
    end = write_head(numbered, head, flags | (numbered->out_asks ? NUMBERED_NOW : 0), numbered_choose(numbered),
                     PIGGYBACK, now);
    size = (size_t)(end - head) + (numbered->config.pad ? SIZE_BYTES : 0);
    memcpy(numbered->out + NUMBERED_HEAD_MAX - size, head, (size_t)(end - head));
    numbered->out_head = size;
    *ret_capacity = numbered->config.datagram_max - size;
    return numbered->out + NUMBERED_HEAD_MAX;
}

/* Two bytes whatever the value, so that the head's size is known before the unit's. */
static void size_put(uint8_t *at, size_t size)
{
    at[0] = (uint8_t)(0x40 | size >> 8);
    at[1] = (uint8_t)size;
}

const uint8_t *numbered_send(struct numbered *numbered, uint64_t unit, size_t size, int64_t now, size_t *ret_size)
{
    uint8_t *payload = numbered->out + NUMBERED_HEAD_MAX, *data = payload - numbered->out_head;
    size_t total = numbered->out_head + size;

    if (numbered->config.pad) {
        size_put(payload - SIZE_BYTES, size);
        memset(payload + size, 0, padded(numbered, total) - total);
        total = padded(numbered, total);
    }
    note_numbered(numbered, numbered->next, total, unit, numbered->out_asks, false, now);
    if (numbered->out_acks)
        numbered->ack_at = NUMBERED_NEVER;
    numbered->wanted = false;
    pace(numbered, total, now);
    *ret_size = total;
    return data;
}

static size_t finish_output(struct numbered *numbered, uint8_t *buffer, uint8_t *end, size_t least)
{
    size_t size = (size_t)(end - buffer), total = padded(numbered, size);

    if (total < least)
        total = least;
    memset(end, 0, total - size);
    numbered->ack_at = NUMBERED_NEVER;
    return total;
}

/* A ping is a number without a unit. */
static size_t write_ping(struct numbered *numbered, uint8_t *buffer, size_t size, int64_t now)
{
    bool probe = size > 0;
    uint8_t *end;

    if (numbered_reserve(numbered) < 0) {
        numbered->eliciting_at = now;
        return 0;
    }
    end = write_head(numbered, buffer, NUMBERED_NUMBER | NUMBERED_NOW, numbered_choose(numbered), PIGGYBACK, now);
    if (!numbered->heard && size < numbered->config.first_size)
        size = numbered->config.first_size;
    size = finish_output(numbered, buffer, end, size);
    note_numbered(numbered, numbered->next, size, NUMBERED_NO_UNIT, true, probe, now);
    return size;
}

size_t numbered_output(struct numbered *numbered, uint8_t *buffer, int64_t now)
{
    size_t probe = numbered->probe_size;

    if (numbered->ping || numbered->probes_due) {
        numbered->ping = false;
        numbered->probes_due = 0;
        return write_ping(numbered, buffer, 0, now);
    }
    if (probe) {
        numbered->probe_size = 0;
        return write_ping(numbered, buffer, probe, now);
    }
    if (numbered->ack_at > now)
        return 0;
    return finish_output(numbered, buffer, write_head(numbered, buffer, 0, 0, numbered->config.datagram_max / 2, now),
                         0);
}

void numbered_ping(struct numbered *numbered)
{
    numbered->ping = true;
}

void numbered_doubt(struct numbered *numbered, int64_t now)
{
    if (numbered->doubted_at != NUMBERED_NEVER)
        return;
    numbered->doubted_at = now;
    numbered->ping = true;
}

void numbered_probe_size(struct numbered *numbered, size_t size)
{
    numbered->probe_size = size;
}

bool numbered_probed(struct numbered *numbered, size_t *ret_size, bool *ret_passed)
{
    if (!numbered->probed)
        return false;
    numbered->probed = false;
    *ret_size = numbered->probed_size;
    *ret_passed = numbered->probe_passed;
    return true;
}

void numbered_set_datagram_max(struct numbered *numbered, size_t datagram_max)
{
    memory_release(numbered->config.memory, numbered->out, numbered->out_size);
    numbered->out = NULL;
    numbered->config.datagram_max = datagram_max > NUMBERED_MIN ? datagram_max : NUMBERED_MIN;
}

size_t numbered_datagram_max(const struct numbered *numbered)
{
    return numbered->config.datagram_max;
}

/* --------------------------------------------------------------------------------------------------------- reading */

struct datagram {
    unsigned flags;
    uint64_t number, open;
    struct numbered_range ranges[NUMBERED_RANGES_MAX];
    unsigned range_count;
    int64_t delay;
    const uint8_t *unit;
    size_t unit_size;
};

static bool flags_make_sense(unsigned flags)
{
    if (flags & ~(unsigned)NUMBERED_KNOWN || !(flags & (NUMBERED_NUMBER | NUMBERED_ACK)))
        return false;
    if (flags & (NUMBERED_NOW | NUMBERED_UNIT) && !(flags & NUMBERED_NUMBER))
        return false;
    return !(flags & NUMBERED_PADDED) || flags & NUMBERED_UNIT;
}

static bool take_apart(const uint8_t *at, const uint8_t *end, struct datagram *datagram)
{
    uint64_t size;

    if (at == end || !flags_make_sense(datagram->flags = *at++))
        return false;
    if (datagram->flags & NUMBERED_NUMBER &&
        (!(at = varint_get(at, end, &datagram->number)) || !(at = varint_get(at, end, &datagram->open)) ||
         datagram->open > datagram->number))
        return false;
    if (datagram->flags & NUMBERED_ACK &&
        !(at = numbered_read_ack(at, end, datagram->ranges, &datagram->range_count, &datagram->delay)))
        return false;
    if (!(datagram->flags & NUMBERED_UNIT))
        return true;
    size = (uint64_t)(end - at);
    if (datagram->flags & NUMBERED_PADDED && (!(at = varint_get(at, end, &size)) || size > (uint64_t)(end - at)))
        return false;
    datagram->unit = at;
    datagram->unit_size = (size_t)size;
    return true;
}

int numbered_received(struct numbered *numbered, const uint8_t *data, size_t size, int64_t now,
                      const uint8_t **ret_unit, size_t *ret_size)
{
    struct datagram datagram;
    bool heard = numbered->heard;
    int r;

    *ret_unit = NULL;
    if (!take_apart(data, data + size, &datagram))
        return -HAWSER_EPROTOCOL;
    numbered->counts.received++;
    if (datagram.flags & NUMBERED_ACK) {
        r = numbered_take_ack(numbered, datagram.ranges, datagram.range_count, datagram.delay, now);
        if (r < 0)
            return r;
    }
    if (!(datagram.flags & NUMBERED_NUMBER))
        return 0;
    if (numbered->config.clear && numbered_is_far(numbered, datagram.number)) {
        if (heard)
            return -HAWSER_EPROTOCOL;
        numbered_forget_received(numbered); /* what came first may have been a stranger's */
    }
    /* Without memory it is as if it had not come: it is not acknowledged, and comes again. */
    r = numbered_note_received(numbered, datagram.number, datagram.open, datagram.flags & NUMBERED_NOW, now);
    if (r > 0 && datagram.flags & NUMBERED_UNIT) {
        *ret_unit = datagram.unit;
        *ret_size = datagram.unit_size;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ time */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t dead_at(const struct numbered *numbered)
{
    int64_t silence = numbered->silent_since + NUMBERED_SILENCE;

    return numbered->doubted_at == NUMBERED_NEVER ? silence : sooner(silence, numbered->doubted_at + NUMBERED_DOUBT);
}

int64_t numbered_due(const struct numbered *numbered)
{
    int64_t due = sooner(numbered->ack_at, numbered->loss_at);

    if (numbered->ping || numbered->probes_due || numbered->probe_size)
        return 0;
    if (numbered->wanted && has_place(numbered))
        due = sooner(due, next_at(numbered));
    if (numbered->flying == 0)
        return due;
    due = sooner(due, sooner(numbered->rate.due, dead_at(numbered)));
    return sooner(due, numbered_probe_at(numbered));
}

int numbered_expire(struct numbered *numbered, int64_t now)
{
    if (numbered->loss_at <= now) {
        numbered_find_lost(numbered, now);
        tfrc_rate_feedback(&numbered->rate, 0, now);
    }
    if (numbered->flying == 0)
        return 0;
    if (dead_at(numbered) <= now)
        return -HAWSER_EDEAD;
    if (numbered->rate.due <= now)
        tfrc_rate_expire(&numbered->rate, now);
    if (numbered->probes_due == 0 && numbered_probe_at(numbered) <= now) {
        numbered->probes++;
        numbered->probes_due = 1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- questions */

bool numbered_heard(const struct numbered *numbered)
{
    return numbered->heard;
}

void numbered_rtt(const struct numbered *numbered, int64_t *ret_rtt, int64_t *ret_min_rtt)
{
    *ret_rtt = numbered->rtt;
    *ret_min_rtt = numbered->min_rtt;
}

const struct tfrc_rate *numbered_rate(const struct numbered *numbered)
{
    return &numbered->rate;
}

const struct numbered_counts *numbered_counts(const struct numbered *numbered)
{
    return &numbered->counts;
}

bool numbered_has_fate(const struct numbered *numbered)
{
    return numbered->fate_count > 0;
}

unsigned numbered_timeouts(const struct numbered *numbered)
{
    return numbered->probes;
}

size_t numbered_flight(const struct numbered *numbered)
{
    return numbered->flying;
}
