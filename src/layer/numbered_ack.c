/* SPDX-License-Identifier: Apache-2.0 */
/* What was received, and how that is told: ranges as in RFC 9000 section 19.3. */
#include <errno.h>
#include <string.h>

#include "base/varint.h"
#include "layer/numbered_internal.h"

#define TOLD_MAX 32 /* ranges in one acknowledgement */
#define CAPACITY_MIN 4

/* -------------------------------------------------------------------------------------------------------- telling */

static size_t pair_size(const struct numbered_range *above, const struct numbered_range *range)
{
    return varint_size(above->first - range->last - 2) + varint_size(range->last - range->first);
}

uint8_t *numbered_write_ack(const struct numbered *numbered, uint8_t *at, size_t room, int64_t now)
{
    const struct numbered_range *ranges = numbered->ranges;
    uint64_t delay = now > numbered->largest_at ? (uint64_t)(now - numbered->largest_at) : 0;
    unsigned count = numbered->range_count < TOLD_MAX ? numbered->range_count : TOLD_MAX, told = 1;
    size_t size = varint_size(ranges[0].last) + varint_size(delay) + 1 + varint_size(ranges[0].last - ranges[0].first);

    while (told < count && size + pair_size(&ranges[told - 1], &ranges[told]) <= room) {
        size += pair_size(&ranges[told - 1], &ranges[told]);
        told++;
    }
    at = varint_put(at, ranges[0].last);
    at = varint_put(at, delay);
    at = varint_put(at, told - 1);
    at = varint_put(at, ranges[0].last - ranges[0].first);
    for (unsigned i = 1; i < told; i++) {
        at = varint_put(at, ranges[i - 1].first - ranges[i].last - 2);
        at = varint_put(at, ranges[i].last - ranges[i].first);
    }
    return at;
}

const uint8_t *numbered_read_ack(const uint8_t *at, const uint8_t *end, struct numbered_range *ranges,
                                 unsigned *ret_count, int64_t *ret_delay)
{
    uint64_t last, delay, more, length, gap;

    if (!(at = varint_get(at, end, &last)) || !(at = varint_get(at, end, &delay)) ||
        !(at = varint_get(at, end, &more)) || !(at = varint_get(at, end, &length)) || more >= TOLD_MAX || length > last)
        return NULL;
    ranges[0] = (struct numbered_range){last - length, last};
    for (unsigned i = 1; i <= more; i++) {
        uint64_t first = ranges[i - 1].first;
        if (!(at = varint_get(at, end, &gap)) || !(at = varint_get(at, end, &length)) || first < 2 || gap > first - 2 ||
            length > first - 2 - gap)
            return NULL;
        ranges[i] = (struct numbered_range){first - 2 - gap - length, first - 2 - gap};
    }
    *ret_count = (unsigned)more + 1;
    *ret_delay = (int64_t)delay;
    return at;
}

/* ------------------------------------------------------------------------------------------------------ remembering */

static void forget_below(struct numbered *numbered, uint64_t floor)
{
    if (floor <= numbered->floor)
        return;
    numbered->floor = floor;
    while (numbered->range_count > 0 && numbered->ranges[numbered->range_count - 1].last < floor)
        numbered->range_count--;
    if (numbered->range_count > 0 && numbered->ranges[numbered->range_count - 1].first < floor)
        numbered->ranges[numbered->range_count - 1].first = floor;
}

static void forget_lowest(struct numbered *numbered)
{
    forget_below(numbered, numbered->ranges[numbered->range_count - 1].last + 1);
}

/* Numbers that are left out are counted in. */
bool numbered_is_far(const struct numbered *numbered, uint64_t number)
{
    uint64_t largest = numbered->range_count ? numbered->ranges[0].last : number;

    return (number > largest ? number - largest : largest - number) > 2 * NUMBERED_FLIGHT_MAX;
}

void numbered_forget_received(struct numbered *numbered)
{
    numbered->range_count = 0;
    numbered->floor = 0;
    numbered->ack_at = NUMBERED_NEVER;
}

static int make_room(struct numbered *numbered)
{
    const struct memory *memory = numbered->config.memory;
    unsigned old = numbered->range_capacity, capacity = old ? 2 * old : CAPACITY_MIN;
    struct numbered_range *ranges;

    if (numbered->range_count < old)
        return 0;
    if (old == NUMBERED_RANGES_MAX) {
        forget_lowest(numbered);
        return 0;
    }
    ranges = memory_allocate(memory, capacity * sizeof *ranges);
    if (!ranges)
        return -ENOMEM;
    if (old)
        memcpy(ranges, numbered->ranges, old * sizeof *ranges);
    memory_release(memory, numbered->ranges, old * sizeof *ranges);
    numbered->ranges = ranges;
    numbered->range_capacity = capacity;
    return 0;
}

/* Puts number between the ranges, before the index-th; it touches neither neighbour's inside. */
static int insert(struct numbered *numbered, unsigned index, uint64_t number)
{
    struct numbered_range *ranges = numbered->ranges;
    bool joins_above = index > 0 && ranges[index - 1].first == number + 1;
    bool joins_below = index < numbered->range_count && ranges[index].last + 1 == number;
    int r = 0;

    if (joins_above && joins_below) {
        ranges[index - 1].first = ranges[index].first;
        memmove(ranges + index, ranges + index + 1, (numbered->range_count - index - 1) * sizeof *ranges);
        numbered->range_count--;
    } else if (joins_above)
        ranges[index - 1].first = number;
    else if (joins_below)
        ranges[index].last = number;
    else if ((r = make_room(numbered)) == 0) {
        if (number < numbered->floor) /* was forgotten to make room */
            return 1;
        ranges = numbered->ranges;
        memmove(ranges + index + 1, ranges + index, (numbered->range_count - index) * sizeof *ranges);
        ranges[index] = (struct numbered_range){number, number};
        numbered->range_count++;
    }
    return r;
}

int numbered_note_received(struct numbered *numbered, uint64_t number, uint64_t open, bool at_once, int64_t now)
{
    unsigned index = 0;
    int64_t due = now + (at_once ? 0 : NUMBERED_ACK_DELAY);
    bool next = numbered->range_count == 0 || number == numbered->ranges[0].last + 1;
    int r = 0;

    while (index < numbered->range_count && number < numbered->ranges[index].first)
        index++;
    if (number >= numbered->floor && (index == numbered->range_count || number > numbered->ranges[index].last)) {
        r = insert(numbered, index, number);
        if (r != 0)
            return r < 0 ? r : 0;
        if (index == 0)
            numbered->largest_at = now;
        r = 1;
        if (!next)
            due = now; /* out of order: the sender wants to know soon (RFC 9000 section 13.2.1) */
    } else
        numbered->counts.duplicates++;
    forget_below(numbered, number - open);
    if (numbered->range_count > 0 && due < numbered->ack_at)
        numbered->ack_at = due;
    return r;
}
