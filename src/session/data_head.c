/* SPDX-License-Identifier: Apache-2.0 */
/* The heads of DATA frames: what is written, and what is read (docs/protocol.md section 3). */
#include <string.h>

#include "session/pull.h"

/* ---- writing properties */

bool has_properties(const struct outbound *outbound)
{
    return outbound->more || outbound->niceness != CLASS_NORMAL || outbound->replayable || outbound->ordered;
}

static uint8_t *put_pair(uint8_t *at, uint64_t id, uint64_t value)
{
    return varint_put(varint_put(at, id), value);
}

/* All of them, also those that are settled: what opening costs must not depend on when it is told. *ret_lost: one of
 * them was not delivered. */
static uint8_t *put_antecedents(struct session *session, const struct outbound *outbound, uint8_t *at, bool *ret_lost)
{
    const struct outbound_more *more = outbound->more;
    uint8_t list[SESSION_ANTECEDENTS_MAX * VARINT_SIZE_MAX], *to = list;
    for (uint32_t i = 0; i < more->antecedent_count; i++) {
        uint64_t id = more->antecedents[i];
        *ret_lost = *ret_lost || range_set_contains(&session->failed, id);
        to = varint_put(to, outbound->id - id);
    }
    at = put_pair(at, PROPERTY_ANTECEDENTS, (uint64_t)(to - list));
    memcpy(at, list, (size_t)(to - list));
    return at + (to - list);
}

static uint8_t *put_extra(uint8_t *at, const struct outbound_extra *extra)
{
    const struct session_marks *marks = &extra->marks;
    if (marks->has_timestamp) {
        at = put_pair(at, PROPERTY_TIMESTAMP, 8);
        for (int shift = 56; shift >= 0; shift -= 8)
            *at++ = (uint8_t)((uint64_t)marks->timestamp >> shift);
    }
    if (marks->coordinate_count) {
        size_t size = 0;
        for (unsigned i = 0; i < marks->coordinate_count; i++)
            size += varint_size(marks->coordinates[i]);
        at = put_pair(at, PROPERTY_COORDINATES, size);
        for (unsigned i = 0; i < marks->coordinate_count; i++)
            at = varint_put(at, marks->coordinates[i]);
    }
    return extra->reliability ? put_pair(at, PROPERTY_RELIABILITY, extra->reliability) : at;
}

size_t put_properties(struct session *session, const struct outbound *outbound, uint8_t *at)
{
    const struct outbound_more *more = outbound->more;
    uint8_t *begin = at;
    bool lost = false;
    if (outbound->niceness != CLASS_NORMAL)
        at = put_pair(at, PROPERTY_NICENESS, outbound->niceness);
    if (more && more->lifetime) {
        at = put_pair(at, PROPERTY_STAMP, (uint64_t)wire_time(session, more->stamp));
        at = put_pair(at, PROPERTY_LIFETIME, (uint64_t)more->lifetime);
    }
    if (more && more->antecedent_count)
        at = put_antecedents(session, outbound, at, &lost);
    uint64_t flags = (outbound->ordered ? MESSAGE_ORDERED : 0) | (lost ? MESSAGE_ANTECEDENT_LOST : 0) |
                     (outbound->replayable ? MESSAGE_REPLAYABLE : 0);
    if (flags)
        at = put_pair(at, PROPERTY_FLAGS, flags);
    if (more && more->reply_to)
        at = put_pair(at, PROPERTY_REPLY_TO, more->reply_to);
    if (more && more->extra)
        at = put_extra(at, more->extra);
    if (at == begin)
        return 0;
    *at++ = PROPERTY_END;
    return (size_t)(at - begin);
}

/* ---- reading heads */

static bool antecedents_valid(const uint8_t *at, size_t size, uint32_t *ret_count)
{
    const uint8_t *end = at + size;
    uint32_t count = 0;
    while (at < end) {
        uint64_t distance;
        at = varint_get(at, end, &distance);
        if (!at || distance == 0 || ++count > SESSION_ANTECEDENTS_MAX)
            return false;
    }
    *ret_count = count;
    return count > 0;
}

static bool property_number(uint64_t id, uint64_t value, struct inbound_properties *properties)
{
    switch (id) {
    case PROPERTY_NICENESS:
        properties->niceness = (int)value - CLASS_NORMAL;
        return value < CLASSES;
    case PROPERTY_STAMP:
        properties->stamp = (int64_t)value;
        return value <= CLOCK_MAX;
    case PROPERTY_LIFETIME:
        properties->lifetime = (int64_t)value;
        properties->has_lifetime = true;
        return true;
    case PROPERTY_FLAGS:
        properties->flags = value;
        return true;
    case PROPERTY_REPLY_TO:
        properties->reply_to = value;
        return true;
    case PROPERTY_RELIABILITY:
        properties->reliability = (uint8_t)value;
        return value <= SESSION_PROBABILITY;
    default:
        return true;
    }
}

static bool coordinates_read(const uint8_t *at, size_t size, struct session_marks *marks)
{
    const uint8_t *end = at + size;
    while (at < end) {
        uint64_t value;
        at = varint_get(at, end, &value);
        if (!at || value > UINT32_MAX || marks->coordinate_count == SESSION_COORDINATES_MAX)
            return false;
        marks->coordinates[marks->coordinate_count++] = (uint32_t)value;
    }
    return marks->coordinate_count > 0;
}

static bool property_bytes(uint64_t id, const uint8_t *value, size_t size, struct inbound_properties *properties)
{
    uint64_t number = 0;
    switch (id) {
    case PROPERTY_ANTECEDENTS:
        properties->antecedents = value;
        properties->antecedents_size = size;
        return antecedents_valid(value, size, &properties->antecedent_count);
    case PROPERTY_TIMESTAMP:
        for (unsigned i = 0; i < 8 && size == 8; i++)
            number = number << 8 | value[i];
        properties->marks.timestamp = (int64_t)number;
        properties->marks.has_timestamp = true;
        return size == 8;
    case PROPERTY_COORDINATES:
        return coordinates_read(value, size, &properties->marks);
    default:
        return true;
    }
}

/* 0 read, 1 more bytes are needed, -1 malformed. */
static int properties_read(const uint8_t **at, const uint8_t *end, struct inbound_properties *properties)
{
    uint64_t seen = 0;
    for (;;) {
        uint64_t id, value;
        const uint8_t *next = varint_get(*at, end, &id);
        if (!next)
            return 1;
        if (id == PROPERTY_END) {
            *at = next;
            return 0;
        }
        if (id < 64 && seen & UINT64_C(1) << id)
            return -1;
        seen |= id < 64 ? UINT64_C(1) << id : 0;
        next = varint_get(next, end, &value);
        if (!next)
            return 1;
        if (id % 2 == 0) {
            if (!property_number(id, value, properties))
                return -1;
        } else {
            if (value > SESSION_ANTECEDENTS_MAX * VARINT_SIZE_MAX)
                return -1;
            if (value > (uint64_t)(end - next))
                return 1;
            if (!property_bytes(id, next, (size_t)value, properties))
                return -1;
            next += value;
        }
        *at = next;
    }
}

static int first_fields(const uint8_t **at, const uint8_t *end, struct data_frame *frame)
{
    frame->size = SESSION_SIZE_UNKNOWN;
    if (!(frame->flags & DATA_LAST)) {
        uint64_t size;
        *at = varint_get(*at, end, &size);
        if (*at)
            *at = varint_get(*at, end, &frame->paid);
        if (!*at)
            return 1;
        if (size)
            frame->size = size - 1;
    }
    return frame->flags & DATA_PROPERTIES ? properties_read(at, end, &frame->properties) : 0;
}

int data_read_head(struct session *session, const uint8_t *at, const uint8_t *end, uint64_t body_size,
                   struct data_frame *ret_frame)
{
    struct data_frame *frame = ret_frame;
    const uint8_t *begin = at;
    at = varint_get(at, end, &frame->id);
    if (!at || at == end)
        return 1;
    frame->flags = *at++;
    if (frame->id == 0 || frame->flags & ~(DATA_FIRST | DATA_LAST | DATA_PROPERTIES) ||
        (frame->flags & (DATA_PROPERTIES | DATA_FIRST)) == DATA_PROPERTIES)
        return violation(session, SESSION_CODE_PROTOCOL, "a DATA frame has impossible flags");
    if (frame->flags & DATA_FIRST) {
        int r = first_fields(&at, end, frame);
        if (r < 0)
            return violation(session, SESSION_CODE_PROTOCOL, "the properties of a message are malformed");
        if (r == 1)
            return 1;
    } else {
        at = varint_get(at, end, &frame->offset);
        if (!at)
            return 1;
    }
    if ((uint64_t)(at - begin) > body_size)
        return violation(session, SESSION_CODE_PROTOCOL, "a DATA frame is shorter than its head");
    frame->payload = at;
    return 0;
}
