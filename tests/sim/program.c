/* SPDX-License-Identifier: Apache-2.0 */
/* What the program at the sending end does: a row of actions at random, then the end. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static void step(struct sim *sim, void *object, uint64_t number);
static void feed(struct sim *sim, void *object, uint64_t number);

/* ---- sending one */

void program_release(struct message *message)
{
    if (!message->data)
        return;
    memset(message->data, 0x66, message->size); /* whoever still sends from it sends the wrong bytes */
    free(message->data);
    message->data = NULL;
}

static uint8_t *filled(uint64_t key, uint64_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        abort();
    content_fill(key, 0, bytes, size);
    return bytes;
}

/* One in sixteen is bound to a strand, where there are several: number + 1; the content's key throws the dice. */
static uint64_t bound_to(const struct side *side, uint64_t key)
{
    const struct sim *sim = side->sim;
    struct session_strand_state state;
    if (sim->scenario || sim->plan.link_count < 2 || key % 16)
        return 0;
    const struct link *link = &sim->links[key / 16 % sim->plan.link_count];
    if (!link_alive(link, side))
        return 0;
    session_strand_get(link->strand[side->index], &state);
    return state.number + 1;
}

/* The id is known beforehand: ids are consecutive. */
int program_send(struct side *side, const struct message_spec *spec, struct message **ret_message)
{
    struct sim *sim = side->sim;
    uint64_t id = side->message_count + 1, ret_id = 0;
    uint64_t key = content_key(sim->plan.seed, side->index, id, false);
    uint8_t *data = spec->parts || spec->source ? NULL : filled(key, spec->size);
    bool cookie = spec->borrowed || spec->source || (spec->parts && spec->size % 2);
    struct session_send send = {
        .data = data,
        .size = spec->unknown_size ? SESSION_SIZE_UNKNOWN : spec->size,
        .borrow = spec->borrowed,
        .parts = spec->parts,
        .source = spec->source,
        .ordered = spec->ordered,
        .replayable = spec->replayable,
        .want_sent = spec->want_sent,
        .niceness = spec->niceness,
        .lifetime = spec->lifetime,
        .reply_to = spec->reply_to,
        .antecedents = spec->antecedents,
        .antecedent_count = spec->antecedent_count,
        .reliability = spec->reliability,
        .resends = spec->resends,
        .probability = spec->probability,
        .marks = spec->marks,
        .send_time = spec->send_in ? side_clock(side) + spec->send_in : 0,
        .pace = spec->pace,
        .strand = bound_to(side, key),
    };
    struct message *message = cookie ? calloc(1, sizeof *message) : NULL; /* the cookie's address is needed first */
    send.cookie = message;
    struct session_statistics before;
    session_get_statistics(side->session, &before);
    bool plain = spec->plain && !cookie;
    side_enter(side);
    int r = plain ? session_send_plain(side->session, data, spec->size, side_clock(side), &ret_id)
                  : session_send(side->session, &send, side_clock(side), &ret_id);
    if (r == 0) {
        if (before.queued_messages >= side->plan->send_queue_messages)
            sim_fail(sim, "%c: a message is taken while the queue is full", "AB"[side->index]);
        message = check_sent(side, spec, ret_id, message);
        message->has_cookie = cookie;
        message->send_time = send.send_time;
        if (spec->borrowed)
            message->data = data;
        sim_log(sim, side,
                "sends %" PRIu64 ": %" PRIu64 " bytes%s%s%s%s, niceness %d, lifetime %.3f s, %zu antecedents%s%s",
                ret_id, spec->size, spec->unknown_size ? " (not told)" : "", spec->parts ? " by parts" : "",
                spec->source ? " by source" : "", spec->borrowed ? " borrowed" : "", spec->niceness,
                (double)spec->lifetime / SECOND, message->antecedent_count, spec->ordered ? ", ordered" : "",
                spec->replayable ? ", replayable" : "");
        if (spec->reliability || spec->send_in || spec->pace)
            sim_log(sim, side, "    reliability %d, resends %u, probability %u, send in %.6f s, pace %" PRIu64,
                    spec->reliability, spec->resends, spec->probability, (double)spec->send_in / SECOND, spec->pace);
        if (ret_message)
            *ret_message = message;
    } else {
        free(message);
        if (r == -EAGAIN)
            side->wants_writable = true;
        else if (r == -ESHUTDOWN ? !session_closing(side->session) && !side->ended
                                 : (r != -ENOMEM || !sim->memory_refused) &&
                                       (r != -HAWSER_ELARGE || spec->size <= OTHER(side)->plan->max_message) &&
                                       (r != -E2BIG || spec->antecedent_count < SESSION_ANTECEDENTS_MAX))
            sim_fail(sim, "%c: session_send() answers %d", "AB"[side->index], r);
    }
    if (!spec->borrowed || r < 0) {
        if (data)
            memset(data, 0x66, spec->size);
        free(data);
    }
    side_leave(side);
    return r;
}

/* ---- parts and sources */

static void feed(struct sim *sim, void *object, uint64_t number)
{
    struct message *message = object;
    struct side *side = message->from;
    (void)number;
    message->feeding = false;
    if (side->ended || message->given_all)
        return;
    static uint8_t bytes[1 << 18];
    uint64_t left = message->size - message->given;
    size_t n = (size_t)rng_scale(&side->rng, 1, message->size > 1 << 20 ? (int64_t)sizeof bytes : 65536);
    if (n > left || left == 0)
        n = (size_t)left;
    bool last = n == left && (message->unknown_size || n == 0 || rng_chance(&side->rng, 500));
    content_fill(message->key, message->given, bytes, n);
    side_enter(side);
    int r = session_send_part(side->session, message->id, bytes, n, last, side_clock(side));
    if (r == 0) {
        message->given += n;
        message->given_all = last || (message->given == message->size && !message->unknown_size);
    } else if (r == -EAGAIN) {
        side->wants_writable = side->part_refused = message->starved = true;
    } else if (r == -ENOENT ? session_unsettled(side->session, message->id) && !message->cancelled &&
                                  !message->failed_by_us && !message->lifetime
                            : r != -ENOMEM || !sim->memory_refused) {
        sim_fail(sim, "%c: session_send_part(%" PRIu64 ") answers %d", "AB"[side->index], message -> id, r);
    }
    if (r == -ENOENT)
        message->given_all = message->gone = true;
    if (message->given_all)
        side->parts_open--;
    side_leave(side);
    if (!message->given_all && !message->starved) {
        message->feeding = true;
        sim_schedule(sim, sim->now + rng_scale(&side->rng, 1, 20 * MILLISECOND), feed, message, 0);
    }
    program_try_close(side);
}

static void source_ready(struct sim *sim, void *object, uint64_t number)
{
    struct message *message = object;
    (void)sim;
    (void)number;
    if (message->from->ended || message->ended)
        return;
    side_enter(message->from);
    session_source_ready(message->from->session, message->id);
    side_leave(message->from);
}

const uint8_t *program_source(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    struct message *message = cookie;
    if (message->ended || message->settled_told || !message->source || offset >= message->size || !side->pulling) {
        sim_fail(sim, "%c: the source of message %" PRIu64 " is asked for %" PRIu64, "AB"[side->index], message -> id,
                 offset);
        *ret_error = -EIO;
        return NULL;
    }
    if (message->source_error && offset >= message->size / 2) {
        *ret_error = message->source_error;
        return NULL;
    }
    if (rng_chance(&side->rng, 150)) {
        sim_schedule(sim, sim->now + rng_scale(&side->rng, 10, 50 * MILLISECOND), source_ready, message, 0);
        *ret_error = 0;
        return NULL;
    }
    uint64_t left = message->size - offset;
    size_t n = (size_t)rng_scale(&side->rng, 1, 1 << 18);
    if (n > left)
        n = (size_t)left;
    struct source_block *block = malloc(sizeof *block + (n < 64 ? 64 : n));
    if (!block)
        abort();
    content_fill(message->key, offset, block->bytes, n);
    struct pipe *pipe = &side->pulling->pipes[side->index];
    block->next = pipe->source_blocks;
    pipe->source_blocks = block;
    *ret_size = n;
    return block->bytes;
}

void program_woken(struct side *side)
{
    for (size_t i = 0; i < side->message_count; i++) {
        struct message *message = side->messages[i];
        if (!message->starved)
            continue;
        message->starved = false;
        if (!message->feeding)
            sim_schedule(side->sim, side->sim->now, feed, message, 0);
        message->feeding = true;
    }
    if (side->step_waits) {
        side->step_waits = false;
        sim_schedule(side->sim, side->sim->now, step, side, 0);
    }
}

/* ---- actions */

static void choose_antecedents(struct side *side, struct message_spec *spec, uint64_t *ids)
{
    size_t count = (size_t)rng_scale(&side->rng, 1, rng_chance(&side->rng, 30) ? 62 : 4);
    if (side->message_count == 0)
        return;
    uint64_t window = side->message_count < 40 ? side->message_count : 40;
    for (size_t i = 0; i < count; i++)
        ids[i] = side->message_count - rng_below(&side->rng, window);
    spec->antecedents = ids;
    spec->antecedent_count = count;
}

static void send_something(struct side *side)
{
    const struct side_plan *plan = side->plan;
    struct rng *rng = &side->rng;
    uint64_t ids[SESSION_ANTECEDENTS_MAX];
    uint64_t most = plan->size_most < side->budget_left ? plan->size_most : side->budget_left;
    struct message_spec spec = {.size =
                                    rng_chance(rng, 50) || most == 0 ? 0 : (uint64_t)rng_scale(rng, 1, (int64_t)most)};
    if (most > 0 && rng_chance(rng, 100)) /* else large ones were rare */
        spec.size = most / 2 + rng_below(rng, most / 2 + 1);
    unsigned kind = (unsigned)rng_below(rng, 10);
    if (kind < 2)
        spec.borrowed = true;
    else if (kind < 4)
        spec.parts = true;
    else if (kind < 6 && spec.size > 0)
        spec.source = true;
    spec.unknown_size = spec.parts && rng_chance(rng, 500);
    spec.ordered = rng_chance(rng, plan->per_mille_ordered);
    spec.replayable = rng_chance(rng, 300);
    spec.want_sent = rng_chance(rng, 200);
    if (rng_chance(rng, plan->per_mille_nice))
        spec.niceness = (int)rng_between(rng, -100, 155);
    if (rng_chance(rng, plan->per_mille_lifetime))
        spec.lifetime = rng_scale(rng, MILLISECOND, plan->lifetime_most);
    if (rng_chance(rng, plan->per_mille_antecedents))
        choose_antecedents(side, &spec, ids);
    lossy_choose(side, &spec);
    struct message *message;
    int r = program_send(side, &spec, &message);
    if (r == -EAGAIN)
        side->step_waits = true;
    if (r < 0)
        return;
    side->budget_left -= spec.size;
    if (spec.parts) {
        side->parts_open++;
        message->feeding = true;
        sim_schedule(side->sim, side->sim->now + rng_scale(rng, 1, 10 * MILLISECOND), feed, message, 0);
    }
    if (spec.source && rng_chance(rng, 30))
        message->source_error = -HAWSER_ESOURCE;
}

/* Many small ones at once, as fast as they can be said. */
static void send_flood(struct side *side)
{
    uint64_t count = (uint64_t)rng_scale(&side->rng, 2, 600);
    for (uint64_t i = 0; i < count && side->budget_left > 0; i++) {
        struct message_spec spec = {.size = rng_below(&side->rng, 100), .plain = true};
        if (program_send(side, &spec, NULL) < 0)
            return;
        side->budget_left -= spec.size < side->budget_left ? spec.size : side->budget_left;
    }
}

static struct message *some_message(struct side *side)
{
    uint64_t window = side->message_count < 30 ? side->message_count : 30;
    return side->messages[side->message_count - 1 - rng_below(&side->rng, window)];
}

static void take_back(struct side *side)
{
    struct message *message = some_message(side);
    bool fail = rng_chance(&side->rng, 200), cancelled = message->cancelled, failed = message->failed_by_us;
    side_enter(side);
    bool unsettled = session_unsettled(side->session, message->id);
    /* Before the call, as the outcome may be told from inside. */
    *(fail ? &message->failed_by_us : &message->cancelled) = true;
    int r = fail ? session_fail(side->session, message->id, -HAWSER_ESOURCE, "the file changed", side_clock(side))
                 : session_cancel(side->session, message->id, side_clock(side));
    sim_log(side->sim, side, "takes back %" PRIu64 ": %d", message->id, r);
    if (r < 0) {
        message->cancelled = cancelled;
        message->failed_by_us = failed;
    }
    if (unsettled ? r != 0 && (r != -ENOMEM || !side->sim->memory_refused) : r != -ENOENT)
        sim_fail(side->sim, "%c: session_cancel(%" PRIu64 ") answers %d", "AB"[side->index], message -> id, r);
    side_leave(side);
}

static void renice(struct side *side)
{
    struct message *message = some_message(side);
    int niceness = (int)rng_between(&side->rng, -100, 155);
    bool unsettled = session_unsettled(side->session, message->id);
    message->reniced = true;
    side_enter(side);
    int r = session_renice(side->session, message->id, niceness);
    if (unsettled ? r != 0 && (r != -ENOMEM || !side->sim->memory_refused) : r != -ENOENT)
        sim_fail(side->sim, "%c: session_renice(%" PRIu64 ") answers %d", "AB"[side->index], message -> id, r);
    side_leave(side);
}

static void act(struct side *side)
{
    if (side->streams_left > 0 && rng_chance(&side->rng, 200)) {
        side->streams_left--;
        streams_begin(side);
        return;
    }
    if (side->message_count > 0 && rng_chance(&side->rng, side->plan->per_mille_cancel))
        take_back(side);
    else if (side->message_count > 0 && rng_chance(&side->rng, side->plan->per_mille_nice / 5))
        renice(side);
    else if (rng_chance(&side->rng, side->plan->per_mille_flood))
        send_flood(side);
    else
        send_something(side);
}

/* ---- the row of actions, and the end */

static void step(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    (void)number;
    if (side->ended)
        return;
    if (session_closing(side->session) && !side->close_called)
        side->actions_left = 0; /* the other has closed: no further sends */
    if (side->actions_left > 0 && !sim->failed) {
        act(side);
        if (side->step_waits)
            return;
        side->actions_left--;
    }
    if (side->actions_left == 0) {
        side->done_sending = true;
        program_try_close(side);
        return;
    }
    bool burst = rng_chance(&side->rng, 600);
    sim_schedule(sim, sim->now + (burst ? 0 : rng_scale(&side->rng, 1, side->plan->pace)), step, side, 0);
}

static void close_now(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    (void)number;
    if (side->ended || side->close_called)
        return;
    side->close_called = true;
    sim_log(sim, side, "closes");
    side_enter(side);
    session_close(side->session, 100 + side->index, "all is said");
    side_leave(side);
}

void program_try_close(struct side *side)
{
    struct sim *sim = side->sim;
    if (!side->done_sending || side->close_called || side->plan->close_at < 0 || !sim->random_program)
        return;
    /* Half of them close with parts still to be given and streams open: the session has to wait for those. */
    if (side->plan->close_at % 2 && (side->parts_open > 0 || !streams_finished(side)))
        return;
    if (side->close_scheduled)
        return;
    side->close_scheduled = true;
    sim_schedule(sim, side->plan->close_at, close_now, side, 0);
}

static void abort_now(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    (void)number;
    if (side->ended)
        return;
    side->abort_called = sim->aborted = true;
    sim_log(sim, side, "aborts");
    side_enter(side);
    session_abort(side->session, 77, "enough", -ECONNABORTED, side_clock(side));
    if (!side->ended)
        sim_fail(sim, "%c: session_abort() and no end", "AB"[side->index]);
    side_leave(side);
}

void program_start(struct side *side)
{
    struct sim *sim = side->sim;
    sim_schedule(sim, rng_scale(&side->rng, 1, side->plan->pace), step, side, 0);
    if (side->plan->abort_at)
        sim_schedule(sim, side->plan->abort_at, abort_now, side, 0);
}
