/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strand is two pipes of reliable bytes. What a session is pulled for lies in a queue of bounded room, leaves at the
 * link's rate, travels, and is read in pieces of any size. It may stall, and it dies with the end of what it carries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define GIVEN_UP_AFTER (40 * SECOND) /* when nobody notices: as TCP's own time-out */

bool link_alive(const struct link *link, const struct side *side)
{
    return link->added[side->index] && !link->lost[side->index];
}

/* ---- out of the session */

static void put(struct pipe *pipe, const uint8_t *bytes, size_t size)
{
    if (pipe->queued + size > pipe->capacity) {
        pipe->capacity = 2 * (pipe->queued + size);
        pipe->queue = realloc(pipe->queue, pipe->capacity);
        if (!pipe->queue)
            abort();
    }
    memcpy(pipe->queue + pipe->queued, bytes, size);
    pipe->queued += size;
}

static void forget_sources(struct pipe *pipe)
{
    while (pipe->source_blocks) {
        struct source_block *block = pipe->source_blocks;
        pipe->source_blocks = block->next;
        memset(block->bytes, 0x77, 64);
        free(block);
    }
}

static void leave(struct sim *sim, void *object, uint64_t number);

static void leave_soon(struct link *link, unsigned from)
{
    struct pipe *pipe = &link->pipes[from];
    if (pipe->leaving || pipe->queued == 0 || link->dead)
        return;
    size_t most = 1 + (size_t)rng_below(&link->sim->rng, link->plan->segment);
    if (most < link->plan->segment / 2)
        most = link->plan->segment;
    pipe->leaving = true;
    pipe->leaving_size = pipe->queued < most ? pipe->queued : most;
    if (pipe->queue_early && pipe->leaving_size > pipe->queue_early)
        pipe->leaving_size = pipe->queue_early;
    int64_t takes = (int64_t)(pipe->leaving_size * 1e6 / (double)link->plan->rate[from]);
    sim_schedule(link->sim, link->sim->now + takes, leave, link, from);
}

/* The session ends in the middle of a frame: what is left of it is copied now, whatever the room. */
void link_bulk_ends(struct link *link, struct side *side)
{
    struct pipe *pipe = &link->pipes[side->index];
    put(pipe, pipe->bulk, pipe->bulk_left);
    pipe->bulk = NULL;
    pipe->bulk_left = 0;
}

/* Bytes that lie in the program's own memory are taken as there is room, as a socket would. */
static bool take_bulk(struct link *link, struct side *side)
{
    struct pipe *pipe = &link->pipes[side->index];
    size_t room = pipe->queued < link->plan->room ? link->plan->room - pipe->queued : 0;
    size_t n = pipe->bulk_left < room ? pipe->bulk_left : room;
    if (n > 0) {
        put(pipe, pipe->bulk, n);
        pipe->bulk += n;
        pipe->bulk_left -= n;
    }
    if (pipe->bulk_left > 0)
        return false;
    /* The last bytes may well lie there until the next pull. */
    if (!pipe->bulk_waited && pipe->queued > 0 && !link->dead && rng_chance(&link->sim->rng, 500)) {
        pipe->bulk_waited = true;
        return false;
    }
    pipe->bulk_waited = false;
    pipe->bulk = NULL;
    session_bulk_done(link->strand[side->index]);
    return true;
}

static void again(struct sim *sim, void *object, uint64_t number)
{
    (void)object;
    side_enter(&sim->sides[number]);
    side_leave(&sim->sides[number]);
}

static bool pull_once(struct link *link, struct side *side)
{
    static const size_t capacities[] = {4096, 5000, 16384, 16384, 65536};
    struct sim *sim = link->sim;
    struct pipe *pipe = &link->pipes[side->index];
    uint8_t buffer[65536];
    size_t capacity = capacities[rng_below(&sim->rng, 5)], size = 0, bulk_size = 0;
    const uint8_t *bulk = NULL;

    forget_sources(pipe);
    side->pulling = link;
    int r = session_pull(link->strand[side->index], buffer, capacity, side_clock(side), &size, &bulk, &bulk_size);
    side->pulling = NULL;
    if (r < 0) {
        if (r != -ENOMEM || !sim->memory_refused)
            sim_fail(sim, "session_pull() answers %d", r);
        sim_schedule(sim, sim->now + MILLISECOND, again, link, side->index);
        return false;
    }
    if (size > capacity)
        sim_fail(sim, "session_pull() gives %zu bytes for a buffer of %zu", size, capacity);
    if (size == 0) {
        if (bulk_size)
            sim_fail(sim, "session_pull() gives bulk bytes without a frame");
        return false;
    }
    if (!side->has_pulled)
        side->first_pull = sim->now;
    side->has_pulled = true;
    frames_watch(side, link, buffer, size, bulk_size);
    bool early = link->early && side->index == 0;
    if (early && !sim->plan.early_accepted) {
        if (bulk_size)
            session_bulk_done(link->strand[side->index]);
        return true; /* the peer will have thrown it away */
    }
    put(pipe, buffer, size);
    if (early)
        pipe->queue_early = pipe->queued + bulk_size;
    if (bulk_size) {
        pipe->bulk = bulk;
        pipe->bulk_left = bulk_size;
    }
    return true;
}

void link_pull(struct link *link, struct side *side)
{
    struct pipe *pipe = &link->pipes[side->index];
    if (link->plan->units.most) {
        unit_link_pull(link, side);
        return;
    }
    if (side->ended && pipe->bulk) { /* the message's memory may be gone: this strand can say no more */
        pipe->bulk = NULL;
        pipe->bulk_left = 0;
        pipe->broken = true;
    }
    if (pipe->broken)
        return;
    while (!link->sim->failed) {
        if (pipe->bulk && !take_bulk(link, side))
            break;
        if (pipe->queued >= link->plan->room || !session_wants_pull(link->strand[side->index]))
            break;
        if (!pull_once(link, side))
            break;
    }
    leave_soon(link, side->index);
}

static void arrive(struct sim *sim, void *object, uint64_t number)
{
    link_deliver(object, &sim->sides[number]);
}

static void leave(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    struct side *side = &sim->sides[number];
    struct pipe *pipe = &link->pipes[number];
    if (link->dead)
        return;
    if (sim->now < link->stalled[number]) {
        sim_schedule(sim, link->stalled[number], leave, link, number);
        return;
    }
    struct chunk *chunk = malloc(sizeof *chunk + pipe->leaving_size);
    if (!chunk)
        abort();
    *chunk = (struct chunk){.size = pipe->leaving_size, .early = pipe->queue_early > 0};
    memcpy(chunk->bytes, pipe->queue, chunk->size);
    memmove(pipe->queue, pipe->queue + chunk->size, pipe->queued - chunk->size);
    pipe->queued -= chunk->size;
    pipe->queue_early -= chunk->early ? chunk->size : 0;
    chunk->arrival = sim->now + link->plan->delay;
    if (link->plan->jitter)
        chunk->arrival += (int64_t)rng_below(&sim->rng, (uint64_t)link->plan->jitter);
    if (chunk->arrival < pipe->last_arrival)
        chunk->arrival = pipe->last_arrival;
    pipe->last_arrival = chunk->arrival;
    *pipe->last = chunk;
    pipe->last = &chunk->next;
    sim_schedule(sim, chunk->arrival, arrive, link, 1 - number);
    pipe->leaving = false;
    if (link_alive(link, side)) {
        side_enter(side);
        side_leave(side);
    }
    leave_soon(link, side->index);
}

/* ---- into the session */

static size_t read_size(struct link *link, size_t left)
{
    size_t most = link->plan->read_most ? link->plan->read_most : (size_t)rng_scale(&link->sim->rng, 1, 65536);
    return left < most ? left : most;
}

static void read_chunk(struct link *link, struct side *to, const uint8_t *bytes, size_t left, bool early)
{
    while (left > 0 && !to->ended && !link->sim->failed) {
        uint8_t *buffer = NULL;
        size_t space = 0;
        session_space(link->strand[to->index], to->scratch, sizeof to->scratch, &buffer, &space);
        if (!buffer || space == 0) {
            sim_fail(link->sim, "session_space() gives no place");
            return;
        }
        size_t n = read_size(link, left < space ? left : space);
        memcpy(buffer, bytes, n);
        sim_log(link->sim, to, "    strand %u: reads %zu bytes", link->number, n);
        int r = session_received(link->strand[to->index], buffer, n, early, side_clock(to));
        if (r < 0 && !to->ended)
            sim_fail(link->sim, "session_received() answers %d, but the session has not ended", r);
        bytes += n;
        left -= n;
    }
}

static void learn_of_end(struct sim *sim, void *object, uint64_t number)
{
    link_learn(object, &sim->sides[number], "the peer closed the strand");
}

void link_deliver(struct link *link, struct side *to)
{
    struct sim *sim = link->sim;
    struct pipe *pipe = &link->pipes[1 - to->index];
    if (!link->added[to->index])
        return; /* its adding delivers */
    if (sim->now < link->stalled[1 - to->index] && !link->dead) {
        sim_schedule(sim, link->stalled[1 - to->index], arrive, link, to->index);
        return;
    }
    side_enter(to);
    while (pipe->first && pipe->first->arrival <= sim->now && !sim->failed) {
        struct chunk *chunk = pipe->first;
        pipe->first = chunk->next;
        if (!pipe->first)
            pipe->last = &pipe->first;
        if (!link->lost[to->index])
            read_chunk(link, to, chunk->bytes, chunk->size, chunk->early);
        free(chunk);
    }
    side_leave(to);
    if (pipe->closing && !pipe->first && pipe->queued == 0)
        sim_schedule(sim, sim->now + rng_between(&sim->rng, 0, 5 * MILLISECOND), learn_of_end, link, to->index);
}

/* ---- ends */

static void drop_flight(struct pipe *pipe, size_t keep)
{
    struct chunk **at = &pipe->first;
    while (*at && keep >= (*at)->size) {
        keep -= (*at)->size;
        at = &(*at)->next;
    }
    if (*at && keep > 0) {
        (*at)->size = keep;
        at = &(*at)->next;
    }
    struct chunk *rest = *at;
    *at = NULL;
    pipe->last = at;
    while (rest) {
        struct chunk *next = rest->next;
        free(rest);
        rest = next;
    }
}

void link_learn(struct link *link, struct side *side, const char *reason)
{
    struct sim *sim = link->sim;
    if (!link_alive(link, side))
        return;
    link->lost[side->index] = true;
    struct pipe *pipe = &link->pipes[side->index];
    drop_flight(&link->pipes[1 - side->index], 0);
    pipe->bulk = NULL;
    pipe->bulk_left = 0;
    bool last = true;
    for (unsigned i = 0; i < sim->links_made; i++)
        last = last && !link_alive(&sim->links[i], side);
    if (last && !side->ended && !sim->plan.survive)
        side->last_strand_lost = true;
    sim_log(sim, side, "strand %u is lost: %s%s", link->number, reason, last ? "; it was the last" : "");
    side_enter(side);
    session_strand_lost(link->strand[side->index], -HAWSER_ELOST, reason, side_clock(side));
    side_leave(side);
    forget_sources(pipe);
    if (last && !side->ended && !sim->plan.survive)
        sim_fail(sim, "the last strand is lost and the session has not ended");
    if (last && !side->ended && sim->plan.survive && side->stranded_at != sim->now)
        sim_fail(sim, "the last strand is lost, and nobody is told");
}

static void learn(struct sim *sim, void *object, uint64_t number);

void link_cut(struct link *link, struct side *side)
{
    struct sim *sim = link->sim;
    if (!link_alive(link, side))
        return;
    link->lost[side->index] = true;
    drop_flight(&link->pipes[1 - side->index], 0);
    link->pipes[side->index].bulk = NULL;
    link->pipes[side->index].bulk_left = 0;
    forget_sources(&link->pipes[side->index]);
    link->dead = sim->strand_died = true;
    sim_schedule(sim, sim->now + rng_scale(&sim->rng, 1, SECOND), learn, link, 1 - side->index);
}

static void learn(struct sim *sim, void *object, uint64_t number)
{
    link_learn(object, &sim->sides[number], "it died");
}

static void suspect(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    struct side *side = &sim->sides[number];
    int64_t until = link->stalled[0] > link->stalled[1] ? link->stalled[0] : link->stalled[1];
    bool now = link->dead || sim->now < until;
    if (!link_alive(link, side) || side->ended || now == link->suspected[number])
        return;
    sim_log(sim, side, "strand %u is %ssuspected by its caller", link->number, now ? "" : "not any more ");
    side_enter(side);
    session_strand_suspect(link->strand[number], now, side_clock(side));
    side_leave(side);
    if (now && !link->dead)
        sim_schedule(sim, until + rng_between(&sim->rng, 0, 100 * MILLISECOND), suspect, link, number);
}

static void die(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    (void)number;
    if (link->dead)
        return;
    sim_log(sim, NULL, "strand %u dies", link->number);
    link->dead = sim->strand_died = true;
    for (unsigned i = 0; i < SIDES; i++) {
        struct pipe *pipe = &link->pipes[i];
        size_t flight = 0;
        for (struct chunk *chunk = pipe->first; chunk; chunk = chunk->next)
            flight += chunk->size;
        drop_flight(pipe, rng_chance(&sim->rng, 300) ? flight : (size_t)rng_below(&sim->rng, flight + 1));
        int64_t after = link->plan->learns[i];
        sim_schedule(sim, sim->now + (after < 0 ? GIVEN_UP_AFTER : after), learn, link, i);
        if (link->plan->suspects)
            sim_schedule(sim, sim->now + rng_between(&sim->rng, 0, SECOND), suspect, link, i);
    }
}

static void stall(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    (void)number;
    if (link->dead)
        return;
    for (unsigned i = 0; i < SIDES; i++)
        if (link->plan->stalls_of & 1u << i)
            link->stalled[i] = sim->now + link->plan->stalls_for;
    if (link->stalls++ < link->plan->stalls_again)
        sim_schedule(sim, sim->now + link->plan->stalls_for + rng_scale(&sim->rng, MILLISECOND, SECOND), stall, link,
                     0);
    sim_log(sim, NULL, "strand %u stalls for %.3f s", link->number, (double)link->plan->stalls_for / SECOND);
    for (unsigned i = 0; i < SIDES && link->plan->suspects; i++)
        sim_schedule(sim, sim->now + rng_between(&sim->rng, 0, 200 * MILLISECOND), suspect, link, i);
}

void link_close(struct link *link, struct side *side)
{
    if (!link_alive(link, side))
        return;
    link->lost[side->index] = true;
    struct pipe *pipe = &link->pipes[side->index];
    pipe->closing = true;
    if (!link->dead && !pipe->first && pipe->queued == 0)
        sim_schedule(link->sim, link->sim->now + link->plan->delay, learn_of_end, link, 1 - side->index);
}

void link_free(struct link *link)
{
    unit_link_free(link);
    for (unsigned i = 0; i < SIDES; i++) {
        drop_flight(&link->pipes[i], 0);
        forget_sources(&link->pipes[i]);
        free(link->pipes[i].queue);
    }
}

/* ---- beginnings */

static void secured(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    struct side *side = &sim->sides[number];
    if (!link_alive(link, side) || side->ended)
        return;
    sim_log(sim, side, "strand %u is secured, early data %s", link->number,
            sim->plan.early_accepted ? "accepted" : "refused");
    side_enter(side);
    link->early = false;
    session_strand_secured(link->strand[number], sim->plan.early_accepted, side_clock(side));
    side_leave(side);
}

static int strand_add(struct link *link, struct side *side, bool early)
{
    struct session_strand **strand = &link->strand[side->index];
    struct session_units units = {.lossy_max = link->plan->units.lossy_max, .gives_up = link->plan->units.gives_up};
    if (link->plan->units.most)
        return session_strand_add_units(side->session, link, early, &units, link->number, side_clock(side), strand);
    return session_strand_add(side->session, link, early, link->number, side_clock(side), strand);
}

static void add(struct link *link, struct side *side)
{
    struct sim *sim = link->sim;
    bool early = link->early && side->index == 0;
    sim_log(sim, side, "strand %u is added%s", link->number, early ? " early" : "");
    side_enter(side);
    int r = strand_add(link, side, early);
    for (unsigned tries = 0; r == -ENOMEM && sim->memory_refused && tries < 1000; tries++)
        r = strand_add(link, side, early);
    if (r < 0) {
        sim_fail(sim, "session_strand_add() answers %d", r);
    } else {
        link->added[side->index] = true;
        if (session_strand_user(link->strand[side->index]) != link)
            sim_fail(sim, "session_strand_user() is another");
        strands_added(link, side);
    }
    side_leave(side);
}

static void add_at_accepter(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    struct side *side = &sim->sides[1];
    (void)number;
    if (side->ended) { /* "an unknown association closes only that strand" */
        sim_schedule(sim, sim->now + link->plan->delay, learn_of_end, link, 0);
        return;
    }
    add(link, side);
    link_deliver(link, side);
    if (link->dead)
        sim_schedule(sim, sim->now + rng_between(&sim->rng, 0, SECOND), learn, link, 1);
    const struct pipe *pipe = &link->pipes[0];
    if (pipe->closing && !pipe->first && pipe->queued == 0) /* it closed before this end was there */
        sim_schedule(sim, sim->now + link->plan->delay, learn_of_end, link, 1);
    if (link->number + 1 < sim->plan.link_count)
        link_schedule(sim, link->number + 1);
}

static void add_at_opener(struct sim *sim, void *object, uint64_t number)
{
    struct link *link = object;
    struct side *side = &sim->sides[0];
    if (side->ended || sim->sides[1].ended)
        return;
    if (number > 0 && (!side->hello || !sim->sides[1].hello)) { /* joining needs the association */
        sim_schedule(sim, sim->now + 10 * MILLISECOND, add_at_opener, link, number);
        return;
    }
    sim->links_made++;
    link->early = number == 0 && sim->plan.early;
    add(link, side);
    if (link->early)
        sim_schedule(sim, sim->now + sim->plan.handshake, secured, link, 0);
    sim_schedule(sim, sim->now + link->plan->delay + link->plan->add_skew, add_at_accepter, link, 0);
    if (link->plan->dies_at)
        sim_schedule(sim, sim->now + link->plan->dies_at, die, link, 0);
    if (link->plan->stalls_for)
        sim_schedule(sim, sim->now + link->plan->stalls_at, stall, link, 0);
}

void link_schedule(struct sim *sim, unsigned number)
{
    struct link *link = &sim->links[number];
    *link = (struct link){.sim = sim, .number = number, .plan = &sim->plan.links[number]};
    for (unsigned i = 0; i < SIDES; i++)
        link->pipes[i].last = &link->pipes[i].first;
    sim_schedule(sim, link->plan->add_at, add_at_opener, link, number);
}
