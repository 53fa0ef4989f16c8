/* SPDX-License-Identifier: Apache-2.0 */
/* Strands of units (docs/protocol.md section 10): units coming in, each in its own lane, and what waits for HELLO. */
#include <string.h>

#include "session/internal.h"

#define PARTIAL_MIN 64
#define UNIT_MIN 1000
#define HELD_MAX (2 * BEFORE_CREDIT) /* bytes that come before HELLO */
#define LANE_COST (sizeof(struct unit_lane) + 2 * PARTIAL_MIN)

int units_begin(struct session_strand *strand, const struct session_units *units)
{
    struct unit_side *side = memory_allocate_zero(strand->session->memory, sizeof *side);
    if (!side)
        return -ENOMEM;
    side->offer = *units;
    side->room = side->lossy_room = UNIT_MIN;
    strand->units = side;
    strand->session->unit_strands++;
    return 0;
}

int session_strand_become(struct session_strand *strand, const struct session_units *units, int64_t now)
{
    strand->session->now = now;
    int r = ledger_lost(strand);
    strand->sent = strand->acked = 0;
    units_free(strand);
    return r == 0 && units ? units_begin(strand, units) : r;
}

/* ---- what lanes hold */

/* A peer may begin many units and end none: what they take together is bounded (docs/protocol.md section 10). */
static int lane_charge(struct session *session, uint64_t bytes)
{
    session->lane_bytes += bytes;
    if (session->lane_bytes > session->config.receive_memory / 4 + HELD_MAX)
        return violation(session, SESSION_CODE_LIMIT, "too many units are under way");
    return 0;
}

static void block_free(struct session *session, uint8_t *block, size_t capacity)
{
    session->lane_bytes -= capacity;
    memory_release(session->memory, block, capacity);
}

/* Appends to a block that grows in powers of two; counted among what lanes hold. */
static int block_append(struct session *session, uint8_t **block, size_t *used, size_t *capacity, const uint8_t *data,
                        size_t size)
{
    if (size == 0)
        return 0;
    if (*capacity - *used < size) {
        size_t wanted = *capacity ? *capacity : PARTIAL_MIN;
        while (wanted - *used < size)
            wanted *= 2;
        int r = lane_charge(session, wanted);
        if (r < 0) {
            session->lane_bytes -= wanted;
            return r;
        }
        uint8_t *grown = memory_allocate(session->memory, wanted);
        if (!grown) {
            session->lane_bytes -= wanted;
            return violation(session, SESSION_CODE_MEMORY, "out of memory");
        }
        if (*used)
            memcpy(grown, *block, *used);
        block_free(session, *block, *capacity);
        *block = grown;
        *capacity = wanted;
    }
    memcpy(*block + *used, data, size);
    *used += size;
    return 0;
}

static struct unit_lane *lane_new(struct session_strand *strand, bool early)
{
    struct session *session = strand->session;
    struct unit_lane *unit = memory_allocate_zero(session->memory, sizeof *unit);
    if (!unit) {
        violation(session, SESSION_CODE_MEMORY, "out of memory");
        return NULL;
    }
    unit->strand = strand;
    unit->early = early;
    list_init(&unit->link);
    list_init(&unit->held);
    list_append(&session->unit_lanes, &unit->link);
    if (lane_charge(session, LANE_COST) == 0)
        return unit;
    return NULL; /* the session has ended, and frees it */
}

static void lane_free(struct unit_lane *unit)
{
    struct session *session = unit->strand->session;
    lane_leave(&unit->lane);
    session->held_bytes -= unit->size;
    block_free(session, unit->lane.partial, unit->lane.partial_capacity);
    block_free(session, unit->bytes, unit->capacity);
    list_remove(&unit->link);
    list_remove(&unit->held);
    session->lane_bytes -= LANE_COST;
    memory_release(session->memory, unit, sizeof *unit);
}

void lanes_free(struct session_strand *strand)
{
    struct list *link = strand->session->unit_lanes.next, *next;
    for (; link != &strand->session->unit_lanes; link = next) {
        struct unit_lane *unit = container_of(link, struct unit_lane, link);
        next = link->next;
        if (unit->strand == strand)
            lane_free(unit);
    }
}

/* ---- reading */

/* What is left of a frame that was cut off by the end of a piece goes on with the next piece. */
static int lane_goes_on(struct unit_lane *unit, const uint8_t **at, const uint8_t *end)
{
    struct session *session = unit->strand->session;
    struct session_lane *lane = &unit->lane;
    while (lane->partial_size && *at < end && !session->ended) {
        size_t here = (size_t)(end - *at), most = FRAME_BODY_MAX - lane->partial_size % FRAME_BODY_MAX;
        if (here > most)
            here = most;
        int r = block_append(session, &lane->partial, &lane->partial_size, &lane->partial_capacity, *at, here);
        if (r < 0)
            return r;
        *at += here;
        const uint8_t *block = lane->partial, *used = block;
        size_t size = lane->partial_size, capacity = lane->partial_capacity;
        lane->partial = NULL;
        lane->partial_size = lane->partial_capacity = 0;
        r = lane_frames(unit->strand, lane, block, block + size, unit->early, &used);
        if (r == 0 && !session->ended)
            r = block_append(session, &lane->partial, &lane->partial_size, &lane->partial_capacity, used,
                             size - (size_t)(used - block));
        block_free(session, (uint8_t *)(uintptr_t)block, capacity);
        if (r < 0)
            return r;
    }
    return 0;
}

static int lane_read(struct unit_lane *unit, const uint8_t *at, size_t size)
{
    struct session *session = unit->strand->session;
    struct session_lane *lane = &unit->lane;
    const uint8_t *end = at + size;
    int r = lane_goes_on(unit, &at, end);
    if (r < 0 || session->ended || at == end)
        return r;
    r = lane_frames(unit->strand, lane, at, end, unit->early, &at);
    if (r < 0 || session->ended)
        return r;
    return block_append(session, &lane->partial, &lane->partial_size, &lane->partial_capacity, at, (size_t)(end - at));
}

static int lane_end(struct unit_lane *unit)
{
    bool whole = unit->lane.partial_size == 0 && unit->lane.into_left == 0;
    struct session *session = unit->strand->session;
    if (!whole)
        return violation(session, SESSION_CODE_PROTOCOL, "a unit ends within a frame");
    lane_free(unit);
    return 0;
}

/* ---- before HELLO: units of others may have overtaken the one that has it */

static int lane_hold(struct unit_lane *unit, const uint8_t *data, size_t size, int64_t received_at)
{
    struct session *session = unit->strand->session;
    if (!list_linked(&unit->held))
        list_append(&session->held_units, &unit->held);
    unit->received_at = received_at;
    if (session->held_bytes + size > HELD_MAX)
        return violation(session, SESSION_CODE_LIMIT, "too much came before HELLO");
    int r = block_append(session, &unit->bytes, &unit->size, &unit->capacity, data, size);
    if (r == 0)
        session->held_bytes += size;
    return r;
}

int units_read_held(struct session *session)
{
    while (session->hello_received && !list_empty(&session->held_units) && !session->ended) {
        struct unit_lane *unit = list_first(&session->held_units, struct unit_lane, held);
        uint8_t *bytes = unit->bytes;
        size_t size = unit->size, capacity = unit->capacity;
        session->held_bytes -= size;
        list_remove(&unit->held);
        unit->begun = true;
        unit->bytes = NULL;
        unit->size = unit->capacity = 0;
        session->received_at = unit->received_at;
        int r = lane_read(unit, bytes, size);
        block_free(session, bytes, capacity);
        if (r == 0 && unit->ended && !session->ended)
            r = lane_end(unit);
        session->received_at = 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the calls */

static int unit_piece(struct unit_lane *unit, const uint8_t *data, size_t size, int64_t received_at)
{
    struct session *session = unit->strand->session;
    if (!unit->begun && size) /* HELLO is the first frame of its unit */
        unit->begun = session->hello_received || (unit->size == 0 && *data == FRAME_HELLO);
    if (!unit->begun)
        return size ? lane_hold(unit, data, size, received_at) : 0;
    session->received_at = received_at;
    int r = lane_read(unit, data, size);
    session->received_at = 0;
    return r;
}

int session_unit_received(struct session_strand *strand, struct session_lane **lane, const uint8_t *data, size_t size,
                          bool end, bool early, int64_t received_at, int64_t now)
{
    struct session *session = strand->session;
    session_enter(session, now);
    if (session->ended) {
        session_leave(session);
        return -ESHUTDOWN;
    }
    uint64_t acked = session->statistics.acked;
    bool idle = session->outcomes.count == 0;
    strand_heard(strand);
    strand->received += size;
    struct unit_lane *unit = *lane ? container_of(*lane, struct unit_lane, lane) : lane_new(strand, early);
    int r = unit ? unit_piece(unit, data, size, received_at) : -HAWSER_EPROTOCOL;
    *lane = unit && !end ? &unit->lane : NULL;
    if (r == 0 && end && !session->ended) {
        unit->ended = true;
        if (!list_linked(&unit->held))
            r = lane_end(unit);
    }
    if (r == 0 && !list_empty(&session->held_units))
        r = units_read_held(session);
    answers_wait(session, acked, idle);
    if (r == 0 && session->ended)
        r = -ESHUTDOWN;
    session_leave(session);
    return r;
}

void session_unit_reset(struct session_strand *strand, struct session_lane **lane)
{
    (void)strand;
    if (*lane)
        lane_free(container_of(*lane, struct unit_lane, lane));
    *lane = NULL;
}
