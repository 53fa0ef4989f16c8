/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An end that goes on in another process, on a host whose clock shows something else: its session is written out and taken up
 * again at some moment, all of its strands are cut, and the contract holds all the same.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/coder.h"
#include "sim.h"

/* From a generator of its own. Only before the last strand comes, so that there is one afterwards. */
void plan_moves(struct plan *plan)
{
    struct link_plan *last = &plan->links[plan->link_count - 1];
    struct rng rng;
    rng_seed(&rng, plan->seed ^ 0x6d6f766573);
    bool moves = plan->link_count > 1 && rng_chance(&rng, 250);
    if (!moves)
        return;
    plan->survive = true;
    last->dies_at = 0;
    if (last->add_at < SECOND)
        last->add_at += SECOND;
    for (unsigned i = 0; i < SIDES; i++) {
        struct side_plan *side = &plan->sides[i];
        side->moves = (unsigned)rng_below(&rng, 4);
        for (unsigned k = 0; k < side->moves; k++) {
            side->moves_at[k] = rng_between(&rng, 50 * MILLISECOND, last->add_at);
            side->jumps[k] = rng_chance(&rng, 500) ? rng_between(&rng, -100 * SECOND, 100 * SECOND) : 0;
        }
    }
}

static int read_source(void *user, void *cookie, uint64_t offset, void *bytes, size_t size)
{
    const struct message *message = cookie;
    (void)user;
    content_fill(message->key, offset, bytes, size);
    return 0;
}

/* A source that is to fail would, and memory that is short might: then nothing moves. */
static bool can_move(const struct side *side)
{
    if (side->ended || side->left || !side->hello || side->account.per_mille_fail || side->sim->memory_refused ||
        side->plan->per_mille_no_memory)
        return false;
    for (size_t i = 0; i < side->message_count; i++)
        if (side->messages[i]->source_error && !side->messages[i]->ended)
            return false;
    return true;
}

/* What the old program had begun to take into its own memory or file comes otherwise. */
static void take_anew(struct side *side)
{
    struct side *from = OTHER(side);
    for (size_t i = 0; i < from->message_count; i++) {
        struct message *message = from->messages[i];
        if (!message->arriving_told || message->delivered || message->refused || message->abandoned)
            continue;
        if (message->take == SESSION_TAKE_INTO) {
            message->take = SESSION_TAKE_WHOLE;
            free(message->into);
            message->into = NULL;
        } else if (message->take == SESSION_TAKE_SINK) {
            message->take = SESSION_TAKE_PARTS;
        }
        message->moved = true;
    }
}

static void find_stream(void *user, struct session_stream *handle)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    uint64_t id = session_stream_id(handle);
    for (size_t i = 0; i < sim->stream_count; i++) {
        struct stream *stream = &sim->streams[i];
        if (stream->id != id || stream->closed[side->index])
            continue;
        stream->handle[side->index] = handle;
        session_stream_set_user(handle, (void *)(uintptr_t)(i + 1));
        return;
    }
    sim_fail(sim, "%c: stream %" PRIu64 " is there after a move, and was not before", "AB"[side->index], id);
}

static void forget_handles(struct side *side)
{
    for (size_t i = 0; i < side->sim->stream_count; i++)
        side->sim->streams[i].handle[side->index] = NULL;
}

static void credit_forgotten(struct side *side)
{
    for (struct kept *kept = side->kept; kept; kept = kept->next)
        kept->cost = kept->reserved = 0;
}

static void clock_jumps(struct side *side, int64_t jump)
{
    if (side_clock(side) + jump < SECOND)
        jump = 0;
    side->jump += jump;
    for (size_t i = 0; i < side->message_count; i++)
        if (side->messages[i]->send_time)
            side->messages[i]->send_time += jump;
}

static void take_up(struct side *side, struct coder *out, uint64_t number)
{
    struct sim *sim = side->sim;
    struct session_config config = side_config(side);
    struct coder in;
    side->hello_delay = check_clock_error(side); /* the offset goes along, and how good it is does not */
    session_exported(side->session);
    session_free(side->session);
    side->session = NULL;
    side->moved_bytes += out->size;
    forget_handles(side);
    credit_forgotten(side);
    take_anew(side);
    clock_jumps(side, side->plan->jumps[number]);
    coder_read(&in, out->bytes, out->size);
    int r = session_import(&config, &in, 0, side_clock(side), &side->session);
    if (r < 0)
        sim_fail(sim, "%c: what was written of the session cannot be read: %d", "AB"[side->index], r);
    else if (in.at != in.end)
        sim_fail(sim, "%c: not all that was written is read", "AB"[side->index]);
    else
        session_streams_each(side->session, find_stream);
    side->paused = false;
    side->armed = 0;
    side->arming++;
}

static void move(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    struct coder out;
    if (!can_move(side))
        return;
    sim_log(sim, side, "is moved");
    side->depth++; /* as within a call: nothing is pulled meanwhile */
    session_flush_events(side->session, side_clock(side));
    if (!can_move(side)) {
        side_leave(side);
        return;
    }
    coder_write(&out, &memory_malloc, SIZE_MAX);
    for (unsigned i = 0; i < sim->links_made; i++)
        link_cut(&sim->links[i], side);
    int r = session_export(side->session, &out, read_source, side_clock(side));
    if (r < 0)
        sim_fail(sim, "%c: the session cannot be written: %d", "AB"[side->index], r);
    else
        take_up(side, &out, number);
    coder_free(&out);
    if (sim->failed)
        return;
    strands_stranded(side);
    side_leave(side);
}

void moves_start(struct side *side)
{
    for (unsigned i = 0; i < side->plan->moves; i++)
        sim_schedule(side->sim, side->plan->moves_at[i], move, side, i);
}
