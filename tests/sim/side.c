/* SPDX-License-Identifier: Apache-2.0 */
/* One end: its session, its clock, its timer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define TICKS_MOST 1000 /* at one instant */

int64_t side_clock(const struct side *side)
{
    int64_t now = side->sim->now;
    return side->plan->clock_offset + side->jump + now + now / SECOND * side->plan->drift_ppm;
}

/* ---- the timer */

static void timer(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    if (number != side->arming || side->left)
        return;
    side->armed = 0;
    if (side->tick_time != sim->now)
        side->tick_count = 0;
    side->tick_time = sim->now;
    if (++side->tick_count > TICKS_MOST) {
        sim_fail(sim, "%c: the timer is due %d times at one instant", "AB"[side->index], TICKS_MOST);
        return;
    }
    side_enter(side);
    if (session_due(side->session) <= side_clock(side))
        session_tick(side->session, side_clock(side));
    side_leave(side);
}

static void arm(struct side *side)
{
    struct sim *sim = side->sim;
    int64_t due = session_due(side->session);
    if (due == INT64_MAX)
        return;
    int64_t left = due - side_clock(side), at = sim->now;
    if (left > 0) { /* a fast clock gets there sooner, and a coarse one must not be asked in vain for ever */
        at += left - (side->plan->drift_ppm > 0 ? left / SECOND * side->plan->drift_ppm : 0);
        if (at <= sim->now)
            at = sim->now + 1;
    }
    if (side->armed && side->armed <= at)
        return;
    side->armed = at;
    sim_schedule(sim, at, timer, side, ++side->arming);
}

/* ---- around every call */

void side_enter(struct side *side)
{
    side->depth++;
}

/* What the session has to say for the last time has left. */
static bool drained(struct side *side)
{
    for (unsigned i = 0; i < side->sim->links_made; i++) {
        struct link *link = &side->sim->links[i];
        const struct pipe *pipe = &link->pipes[side->index];
        if (!link_alive(link, side) || link->dead || pipe->broken)
            continue;
        if (pipe->queued || pipe->bulk || session_wants_pull(link->strand[side->index]))
            return false;
        if (link->plan->units.most && !unit_link_drained(link, side))
            return false;
    }
    return true;
}

static void pull_all(struct side *side)
{
    for (unsigned i = 0; i < side->sim->links_made; i++)
        if (link_alive(&side->sim->links[i], side))
            link_pull(&side->sim->links[i], side);
}

void side_leave(struct side *side)
{
    struct sim *sim = side->sim;
    if (--side->depth > 0 || sim->failed || side->left)
        return;
    side->depth++;
    session_flush_events(side->session, side_clock(side));
    pull_all(side);
    session_flush_events(side->session, side_clock(side)); /* which may have ended it: there is an ABORT to send */
    pull_all(side);
    check_bounds(side);
    side->depth--;
    if (side->ended && drained(side)) {
        side->left = true;
        sim_log(sim, side, "leaves");
        for (unsigned i = 0; i < sim->links_made; i++)
            link_close(&sim->links[i], side);
        return;
    }
    arm(side);
}

/* ---- handlers */

static void on_hello(void *user)
{
    struct side *side = user;
    const struct session_hello *hello = session_peer_hello(side->session);
    const struct side *other = OTHER(side);
    if (side->hello)
        sim_fail(side->sim, "%c: the peer's HELLO is told twice", "AB"[side->index]);
    side->hello = true;
    side->hello_delay = side->sim->now - other->first_pull;
    sim_log(side->sim, side, "the peer's HELLO is in");
    if (!hello || (strcmp(hello->name, other->index ? "accepter" : "opener") != 0 && !side->sim->memory_refused))
        sim_fail(side->sim, "the peer's name did not come through");
    else if (hello->nonce[0] != other->index + 1 || hello->nonce[15] != other->index + 16)
        sim_fail(side->sim, "the peer's nonce did not come through");
}

static void on_writable(void *user)
{
    struct side *side = user;
    if (!side->wants_writable && !side->part_refused) /* a part's refusal is answered apart from the queue's */
        sim_fail(side->sim, "%c: writable() is told though nothing was refused", "AB"[side->index]);
    side->wants_writable = false;
    struct session_statistics s;
    session_get_statistics(side->session, &s);
    if (s.queued_messages > (side->plan->send_queue_messages + 1) / 2 && !side->part_refused)
        sim_fail(side->sim, "%c: writable() is told with %" PRIu64 " messages queued", "AB"[side->index],
                 s.queued_messages);
    program_woken(side);
}

static void silent(struct sim *sim, void *object, uint64_t number)
{
    link_learn(object, &sim->sides[number], "it fell silent");
}

static void on_silent(void *user, struct session_strand *strand)
{
    struct side *side = user;
    struct link *link = session_strand_user(strand);
    sim_log(side->sim, side, "strand %u is silent", link->number);
    if (side->plan->keep_alive == 0 || side->plan->dead_after == 0)
        sim_fail(side->sim, "%c: a strand is called silent without being asked for it", "AB"[side->index]);
    /* Who gives a strand up closes it: the other end will see that. */
    side->sim->strand_died = true;
    if (!link->dead) {
        link->dead = true;
        sim_schedule(side->sim, side->sim->now + rng_between(&side->rng, MILLISECOND, 20 * SECOND), silent, link,
                     1 - side->index);
    }
    sim_schedule(side->sim, side->sim->now + rng_between(&side->rng, 0, SECOND), silent, link, side->index);
}

static void on_suspected(void *user, struct session_strand *strand, bool suspected)
{
    struct side *side = user;
    struct link *link = session_strand_user(strand);
    sim_log(side->sim, side, "strand %u is %s", link->number, suspected ? "suspected" : "trusted again");
    if (link->suspected[side->index] == suspected)
        sim_fail(side->sim, "%c: strand %u is told twice to be %s", "AB"[side->index], link -> number,
                 suspected ? "suspected" : "trusted");
    link->suspected[side->index] = suspected;
}

static uint64_t on_random(void *user)
{
    struct side *side = user;
    return rng_next(&side->rng);
}

static void on_bulk_ends(void *user, struct session_strand *strand)
{
    link_bulk_ends(session_strand_user(strand), user);
}

static void on_unit_useless(void *user, struct session_strand *strand, uint64_t number)
{
    unit_link_useless(session_strand_user(strand), user, number);
}

const struct session_handler side_handler = {
    .hello = on_hello,
    .message = receive_message,
    .arriving = receive_arriving,
    .part = receive_part,
    .abandoned = receive_abandoned,
    .offered = receive_offered,
    .gaps = receive_gaps,
    .partial = lossy_partial,
    .departed = lossy_departed,
    .outcome = check_outcome,
    .sent = check_told_sent,
    .settled = check_settled,
    .writable = on_writable,
    .stream_opened = stream_opened,
    .stream_readable = stream_readable,
    .stream_writable = stream_writable,
    .stream_closed = stream_closed,
    .closed = check_closed,
    .source = program_source,
    .random = on_random,
    .strand_silent = on_silent,
    .strand_suspected = on_suspected,
    .told = strands_told,
    .stranded = strands_stranded,
    .bulk_ends = on_bulk_ends,
    .unit_useless = on_unit_useless,
};

/* ---- from beginning to end */

static void fail_memory(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    side->account.per_mille_fail = (unsigned)number;
    sim_log(sim, side, "memory %s", number ? "is short" : "is there again");
    if (number)
        sim_schedule(sim, sim->now + rng_scale(&side->rng, MILLISECOND, 10 * SECOND), fail_memory, side, 0);
}

/* For a session that is taken up again: all else is its own. */
struct session_config side_config(struct side *side)
{
    return (struct session_config){
        .memory = &side->account.memory,
        .handler = &side_handler,
        .user = side,
        .name = side->index ? "accepter" : "opener",
    };
}

int side_start(struct side *side)
{
    const struct side_plan *plan = side->plan;
    struct session_config config = {
        .memory = &side->account.memory,
        .handler = &side_handler,
        .user = side,
        .opener = side->index == 0,
        .policy = side->sim->random_program ? plan->policy : side->sim->plan.policy,
        .survive = side->sim->plan.survive,
        .name = side->index ? "accepter" : "opener",
        .receive_memory = plan->receive_memory,
        .max_message = plan->max_message,
        .open_flows = plan->open_flows,
        .send_queue = plan->send_queue,
        .send_queue_messages = plan->send_queue_messages,
        .keep_alive = plan->keep_alive,
        .dead_after = plan->dead_after,
    };
    for (unsigned i = 0; i < sizeof config.nonce; i++)
        config.nonce[i] = (uint8_t)(side->index + 1 + i);
    int r = session_new(&config, side_clock(side), &side->session);
    if (r < 0)
        return r;
    side->actions_left = plan->actions;
    side->budget_left = plan->budget;
    side->streams_left = plan->streams;
    if (plan->per_mille_no_memory)
        sim_schedule(side->sim, plan->no_memory_at, fail_memory, side, plan->per_mille_no_memory);
    if (side->sim->random_program) {
        program_start(side);
        strands_start(side);
        moves_start(side);
    }
    return 0;
}

void side_free(struct side *side)
{
    if (!side->session)
        return;
    session_free(side->session);
    while (side->kept) {
        struct kept *kept = side->kept;
        side->kept = kept->next;
        memory_release(&side->account.memory, kept->block, kept->block_size);
        free(kept);
    }
    if (side->account.blocks || side->account.bytes)
        sim_fail(side->sim, "%c leaks %" PRIu64 " blocks, %" PRIu64 " bytes", "AB"[side->index], side -> account.blocks,
                 side->account.bytes);
    for (size_t i = 0; i < side->message_count; i++) {
        program_release(side->messages[i]);
        free(side->messages[i]->into);
        free(side->messages[i]->times_sent);
        if (side->messages[i]->have.memory)
            range_set_clear(&side->messages[i]->have);
        free(side->messages[i]);
    }
    free(side->messages);
}
