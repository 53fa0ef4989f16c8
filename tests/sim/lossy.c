/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that need not come, and what a program says of a message beside its bytes: chosen, and held to their rules by what
 * leaves, what the other end's program sees, and how they end.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/varint.h"
#include "session/wire.h"

#include "sim.h"

#define COUNTED_MOST (1 << 18) /* bytes of a message whose sendings are counted */
#define BURST(bytes_per_second)                                                                                        \
    ((bytes_per_second) / 50 > 16384 ? (bytes_per_second) / 50 : 16384) /* src/session/pace.c */

const uint32_t lossy_probabilities[3] = {500000, 900000, 990000};

/* ---- the program */

static void choose_marks(struct rng *rng, struct session_marks *marks)
{
    marks->has_timestamp = rng_chance(rng, 600);
    if (marks->has_timestamp)
        marks->timestamp = rng_chance(rng, 100) ? INT64_MIN : (int64_t)rng_next(rng);
    marks->coordinate_count = (uint8_t)rng_below(rng, SESSION_COORDINATES_MAX + 1);
    for (unsigned i = 0; i < marks->coordinate_count; i++)
        marks->coordinates[i] = rng_chance(rng, 100) ? UINT32_MAX : (uint32_t)rng_below(rng, 100);
}

void lossy_choose(struct side *side, struct message_spec *spec)
{
    const struct side_plan *plan = side->plan;
    struct rng *rng = &side->rng;
    if (plan->per_mille_lossy && rng_chance(rng, plan->per_mille_lossy)) {
        spec->reliability = (enum session_reliability)(SESSION_UNTIL_LIFETIME + rng_below(rng, 3));
        if (spec->reliability == SESSION_UNTIL_LIFETIME && spec->lifetime == 0)
            spec->lifetime = rng_scale(rng, MILLISECOND, 5 * SECOND);
        if (spec->reliability == SESSION_RESENDS)
            spec->resends = (unsigned)rng_below(rng, 4);
        if (spec->reliability == SESSION_PROBABILITY)
            spec->probability = lossy_probabilities[rng_below(rng, 3)];
    }
    if (plan->per_mille_marks && rng_chance(rng, plan->per_mille_marks))
        choose_marks(rng, &spec->marks);
    if (plan->per_mille_timed && rng_chance(rng, plan->per_mille_timed))
        spec->send_in = rng_scale(rng, 1, 2 * SECOND);
    if (plan->per_mille_paced && rng_chance(rng, plan->per_mille_paced))
        spec->pace = (uint64_t)rng_scale(rng, 1 << 20, 1 << 30);
}

bool marks_same(const struct session_marks *a, const struct session_marks *b)
{
    return a->has_timestamp == b->has_timestamp && (!a->has_timestamp || a->timestamp == b->timestamp) &&
           a->coordinate_count == b->coordinate_count &&
           memcmp(a->coordinates, b->coordinates, a->coordinate_count * sizeof *a->coordinates) == 0;
}

/* ---- what leaves */

static const uint8_t *properties_skip(const uint8_t *at, const uint8_t *end)
{
    uint64_t id, value;
    while ((at = varint_get(at, end, &id)) && id) {
        if (!(at = varint_get(at, end, &value)))
            return NULL;
        if (id % 2)
            at += value;
    }
    return at;
}

/* Where the payload of a DATA frame begins, and which bytes of the message it is. */
static const uint8_t *data_read(const uint8_t *at, const uint8_t *end, uint64_t *ret_id, uint64_t *ret_offset)
{
    uint64_t value;
    if (!(at = varint_get(at, end, ret_id)) || at == end)
        return NULL;
    unsigned flags = *at++;
    *ret_offset = 0;
    if (!(flags & DATA_FIRST))
        return varint_get(at, end, ret_offset);
    if (!(flags & DATA_LAST) && (!(at = varint_get(at, end, &value)) || !(at = varint_get(at, end, &value))))
        return NULL;
    return flags & DATA_PROPERTIES ? properties_skip(at, end) : at;
}

static void watch_resends(struct side *side, struct message *message, uint64_t offset, uint64_t size)
{
    if (message->reliability != SESSION_RESENDS || message->size > COUNTED_MOST)
        return;
    if (!message->times_sent && !(message->times_sent = calloc(1, message->size + 1)))
        abort();
    for (uint64_t i = offset; i < offset + size && i < message->size; i++)
        if (++message->times_sent[i] > message->resends + 1) {
            sim_fail(side->sim, "%c: byte %" PRIu64 " of message %" PRIu64 " is sent %u times with %u resends",
                     "AB"[side->index], i, message -> id, message -> times_sent[i], message -> resends);
            return;
        }
}

static void watch_pace(struct side *side, struct message *message, uint64_t end)
{
    if (!message->pace || end <= message->paced_to || message->size <= SESSION_SMALL)
        return;
    message->paced_to = end;
    double rate = (double)(message->pace / 8), seconds = (double)(side->sim->now - message->sent_at) / SECOND;
    if ((double)end > rate * seconds * 1.001 + (double)BURST(message->pace / 8))
        sim_fail(side->sim, "%c: message %" PRIu64 " sent %" PRIu64 " bytes in %.6f s at %" PRIu64 " bit/s",
                 "AB"[side->index], message -> id, end, seconds, message -> pace);
}

void lossy_watch(struct side *side, const uint8_t *at, const uint8_t *end, uint64_t body_size)
{
    uint64_t id, offset;
    const uint8_t *payload = data_read(at, end, &id, &offset);
    struct message *message = payload ? check_find(side, id) : NULL;
    if (!message)
        return;
    uint64_t size = body_size - (uint64_t)(payload - at);
    if (message->send_time && side_clock(side) < message->send_time)
        sim_fail(side->sim, "%c: message %" PRIu64 " leaves %" PRId64 " us before its time", "AB"[side->index], id,
                 message -> send_time - side_clock(side));
    watch_resends(side, message, offset, size);
    watch_pace(side, message, offset + size);
}

/* ---- how they end */

/* Whether there was any way to lose it: units that are not sent again, or strands that end or are suspected. */
bool lossy_may_be_lost(const struct side *side, const struct message *message)
{
    const struct sim *sim = side->sim;
    struct session_statistics s, theirs;
    session_get_statistics(side->session, &s);
    session_get_statistics(OTHER(side)->session, &theirs); /* what the peer suspects counts too (STRAND) */
    bool lossy =
        s.suspicions || theirs.suspicions || sim->strand_died || (sim->plan.early && !sim->plan.early_accepted);
    for (unsigned i = 0; i < sim->plan.link_count; i++) {
        const struct link_plan *link = &sim->plan.links[i];
        lossy = lossy || link->dies_at || link->stalls_for || (link->units.most && !link->units.layers_resend);
        lossy = lossy || (link->units.most && (link->units.lossy_max || link->units.gives_up));
    }
    return message->reliability != SESSION_FULL && lossy;
}

void lossy_check_share(struct side *side, struct message *message, bool whole)
{
    if (message->reliability != SESSION_PROBABILITY || (!whole && (message->lifetime || message->pauses)))
        return; /* what its lifetime or the peer's program takes is not counted against it */
    for (unsigned i = 0; i < 3; i++) {
        if (lossy_probabilities[i] != message->probability)
            continue;
        side->ended_of[i]++;
        side->whole_of[i] += whole;
        if (side->whole_of[i] * SESSION_CERTAIN < side->ended_of[i] * message->probability)
            sim_fail(side->sim, "%c: %" PRIu64 " of %" PRIu64 " messages came with a probability of %.2f",
                     "AB"[side->index], side -> whole_of[i], side -> ended_of[i],
                     (double)message -> probability / SESSION_CERTAIN);
    }
}

void lossy_partial(void *user, uint64_t id, uint64_t missing)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    struct message *message = check_find(side, id);
    sim_log(sim, side, "outcome %" PRIu64 " partial, %" PRIu64 " bytes are missing", id, missing);
    sim->progress_at = sim->now;
    if (!message || message->reliability == SESSION_FULL || !message->gaps_told || missing != message->missing ||
        missing == 0 || missing > message->size) {
        sim_fail(sim, "%c: partial(%" PRIu64 ", %" PRIu64 ") is not true", "AB"[side->index], id, missing);
        return;
    }
    message->partial = true;
    check_ended(side, message, SESSION_ACKED, 0);
    lossy_check_share(side, message, false);
}

void lossy_departed(void *user, uint64_t id, int64_t sent_at)
{
    struct side *side = user;
    struct message *message = check_find(side, id);
    if (!message || !message->want_sent || sent_at <= 0 || sent_at > side_clock(side))
        sim_fail(side->sim, "%c: departed(%" PRIu64 ", %" PRId64 ") is not expected", "AB"[side->index], id, sent_at);
    else if (!message->sent_told && !side->sim->memory_refused)
        sim_fail(side->sim, "%c: departed(%" PRIu64 ") comes before sent()", "AB"[side->index], id);
}

/* ---- taken with gaps */

void lossy_part(struct side *to, struct message *message, const struct session_part *part)
{
    uint64_t added = 0;
    struct sim *sim = to->sim;
    if (!message->have.memory)
        range_set_init(&message->have, &memory_malloc);
    if (part->last || part->offset + part->size > message->size)
        sim_fail(sim, "message %" PRIu64 ": a part at %" PRIu64 " is the last, or too long", part->id, part->offset);
    if (range_set_add(&message->have, part->offset, part->offset + part->size, &added) < 0)
        abort();
    if (added != part->size || part->size == 0)
        sim_fail(sim, "message %" PRIu64 ": of the part at %" PRIu64 " only %" PRIu64 " bytes are new", part->id,
                 part->offset, added);
}

/* What is told as missing is all that was not handed over, and nothing else. */
void receive_gaps(void *user, const struct session_gaps *gaps)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    struct message *message = check_incoming(side, gaps->id, "gaps()");
    uint64_t at = 0, missing = 0, first = 0, end = 0;
    if (!message)
        return;
    if (!message->have.memory)
        range_set_init(&message->have, &memory_malloc);
    if (message->take != SESSION_TAKE_GAPS || gaps->sink != (message->moved ? NULL : message) ||
        gaps->total != message->size)
        sim_fail(sim, "gaps(%" PRIu64 ") of %" PRIu64 " bytes is not expected", gaps->id, gaps->total);
    for (size_t i = 0; i < gaps->count; i++) {
        const struct session_gap *gap = &gaps->gaps[i];
        bool next = range_set_next(&message->have, at, &first, &end);
        if (next && first == at) {
            at = end;
            next = range_set_next(&message->have, at, &first, &end);
        }
        if (gap->offset != at || gap->size != (next ? first : message->size) - at || gap->size == 0) {
            sim_fail(sim, "message %" PRIu64 ": a gap of %" PRIu64 " at %" PRIu64 ", where %" PRIu64 " is next",
                     gaps->id, gap->size, gap->offset, at);
            return;
        }
        at = gap->offset + gap->size;
        missing += gap->size;
    }
    bool more = range_set_next(&message->have, at, &first, &end);
    if (missing != gaps->missing || (at < message->size && !(more && first == at && end == message->size)))
        sim_fail(sim, "message %" PRIu64 ": %" PRIu64 " bytes are said to be missing", gaps->id, gaps->missing);
    message->gaps_told = true;
    message->missing = missing;
    sim_log(sim, side, "message %" PRIu64 " ends with %zu gaps, %" PRIu64 " bytes", gaps->id, gaps->count, missing);
    if (missing == 0)
        check_delivery(side, message, NULL);
    sim->progress_at = sim->now;
}
