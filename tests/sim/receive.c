/* SPDX-License-Identifier: Apache-2.0 */
/* What the program at the receiving end does with a message: takes it this way or that, keeps it, refuses it, answers. */
#include <inttypes.h>
#include <stdlib.h>

#include "sim.h"

static const char *const reasons[] = {"no", "not now", "it does not fit in here"};

static void return_kept(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    (void)number;
    for (struct kept **at = &side->kept; *at; at = &(*at)->next) {
        struct kept *kept = *at;
        if (kept->at > sim->now)
            continue;
        *at = kept->next;
        memory_release(&side->account.memory, kept->block, kept->block_size);
        if (!side->ended && (kept->cost || kept->reserved)) {
            side_enter(side);
            session_return_credit(side->session, kept->cost, kept->reserved);
            side_leave(side);
        }
        free(kept);
        return;
    }
}

static void keep(struct side *side, struct session_message *handed)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        abort();
    kept->at = side->sim->now + rng_scale(&side->rng, 100, 3 * SECOND);
    if (rng_chance(&side->rng, 700)) {
        handed->keep = true;
        kept->cost = handed->cost;
        kept->reserved = handed->reserved;
    }
    if (handed->block && rng_chance(&side->rng, 600)) {
        handed->taken = true;
        kept->block = handed->block;
        kept->block_size = handed->block_size;
    }
    kept->next = side->kept;
    side->kept = kept;
    sim_schedule(side->sim, kept->at, return_kept, side, 0);
}

static void resume(struct sim *sim, void *object, uint64_t number)
{
    struct side *side = object;
    (void)number;
    side->paused = false;
    if (side->ended)
        return;
    sim_log(sim, side, "resumes");
    side_enter(side);
    session_resume(side->session, side_clock(side));
    side_leave(side);
}

static void maybe_pause(struct side *side)
{
    if (side->paused || side->ended || !rng_chance(&side->rng, side->plan->per_mille_pause))
        return;
    side->paused = true;
    session_pause(side->session);
    sim_log(side->sim, side, "pauses");
    struct side *from = OTHER(side);
    for (size_t i = 0; i < from->message_count; i++)
        from->messages[i]->pauses |= !from->messages[i]->delivered;
    sim_schedule(side->sim, side->sim->now + rng_scale(&side->rng, MILLISECOND, 3 * SECOND), resume, side, 0);
}

static void maybe_reply(struct side *side, uint64_t id)
{
    if (side->done_sending || !rng_chance(&side->rng, side->plan->per_mille_reply))
        return;
    struct message_spec spec = {.size = (uint64_t)rng_below(&side->rng, 2000), .reply_to = id};
    program_send(side, &spec, NULL);
}

void receive_message(void *user, struct session_message *handed)
{
    struct side *side = user;
    struct message *message = check_incoming(side, handed->id, "message()");
    if (!message)
        return;
    if (rng_chance(&side->rng, side->plan->per_mille_refuse)) {
        handed->refuse = message->reason = reasons[rng_below(&side->rng, 3)];
        message->refused = true;
    }
    check_delivery(side, message, handed);
    if (side->sim->random_program || side->sim->keeps) {
        if (!message->refused && rng_chance(&side->rng, side->plan->per_mille_keep))
            keep(side, handed);
        maybe_pause(side);
        maybe_reply(side, handed->id);
    }
}

static enum session_take choose(struct side *side)
{
    unsigned x = (unsigned)rng_below(&side->rng, 1000);
    for (unsigned i = 0; i < 4; i++) {
        if (x < side->plan->per_mille_take[i])
            return (enum session_take)(SESSION_TAKE_INTO + i);
        x -= side->plan->per_mille_take[i];
    }
    return SESSION_TAKE_WHOLE;
}

void receive_offered(void *user, struct session_offered *offered)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    struct message *message = check_incoming(side, offered->id, "offered()");
    if (!message)
        return;
    if (message->offered_told || message->arriving_told)
        sim_fail(sim, "message %" PRIu64 " is offered a second time, or late", offered->id);
    message->offered_told = true;
    if ((offered->size != SESSION_SIZE_UNKNOWN && offered->size != message->size) ||
        !marks_same(&offered->marks, &message->marks) || offered->reliability != message->reliability ||
        offered->reply_to != message->reply_to || (offered->niceness != message->niceness && !message->reniced))
        sim_fail(sim, "message %" PRIu64 " is offered with other properties", offered->id);
    if (rng_chance(&side->rng, side->plan->per_mille_filter)) {
        offered->refuse = message->reason = reasons[rng_below(&side->rng, 3)];
        message->refused = true;
        sim_log(sim, side, "message %" PRIu64 " is dropped by its marks", offered->id);
    }
}

void receive_arriving(void *user, struct session_arriving *arriving)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    struct message *message = check_incoming(side, arriving->id, "arriving()");
    if (!message)
        return;
    sim_log(sim, side, "message %" PRIu64 " arrives", arriving->id);
    if (message->arriving_told || message->parts_offset)
        sim_fail(sim, "message %" PRIu64 " arrives a second time", arriving->id);
    message->arriving_told = true;
    if (arriving->size != SESSION_SIZE_UNKNOWN && arriving->size != message->size)
        sim_fail(sim, "message %" PRIu64 " of %" PRIu64 " bytes is announced with %" PRIu64, message->id, message->size,
                 arriving->size);
    if (arriving->size == SESSION_SIZE_UNKNOWN && !message->unknown_size)
        sim_fail(sim, "message %" PRIu64 " is announced without its size", message->id);
    if (arriving->reliability != message->reliability || !marks_same(&arriving->marks, &message->marks))
        sim_fail(sim, "message %" PRIu64 " is announced with other marks or another reliability", message->id);
    if (arriving->size <= 65536 && message->reliability == SESSION_FULL)
        sim_fail(sim, "message %" PRIu64 " of %" PRIu64 " bytes is announced", message->id, message->size);
    if (arriving->reply_to != message->reply_to || (arriving->niceness != message->niceness && !message->reniced))
        sim_fail(sim, "message %" PRIu64 " is announced with other properties", message->id);
    message->take = choose(side);
    if (side->takes_parts_above)
        message->take = arriving->size > side->takes_parts_above ? SESSION_TAKE_PARTS : SESSION_TAKE_WHOLE;
    if (message->take == SESSION_TAKE_INTO && arriving->size == SESSION_SIZE_UNKNOWN)
        message->take = SESSION_TAKE_SINK;
    if (side->plan->per_mille_gaps && rng_chance(&side->rng, side->plan->per_mille_gaps))
        message->take = SESSION_TAKE_GAPS;
    arriving->take = message->take;
    if (message->take == SESSION_TAKE_GAPS) {
        arriving->sink = message;
        if (message->reliability == SESSION_FULL) { /* nothing of it can be missing: in order */
            message->take = SESSION_TAKE_PARTS;
            arriving->sink = NULL;
        }
    }
    if (message->take == SESSION_TAKE_INTO) {
        message->into = malloc(arriving->size);
        if (!message->into)
            abort();
        arriving->buffer = message->into;
    } else if (message->take == SESSION_TAKE_SINK) {
        arriving->sink = message;
    } else if (message->take == SESSION_TAKE_REFUSE) {
        arriving->reason = message->reason = reasons[rng_below(&side->rng, 3)];
        message->refused = true;
    }
    maybe_pause(side);
}

void receive_part(void *user, struct session_part *part)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    struct message *message = check_incoming(side, part->id, "part()");
    if (!message)
        return;
    if (!marks_same(&part->marks, &message->marks))
        sim_fail(sim, "message %" PRIu64 ": a part has other marks", part->id);
    if (message->take == SESSION_TAKE_GAPS)
        lossy_part(side, message, part);
    else if (message->take != SESSION_TAKE_PARTS && message->take != SESSION_TAKE_SINK)
        sim_fail(sim, "message %" PRIu64 " comes in parts", part->id);
    bool sinks = message->take == SESSION_TAKE_SINK || message->take == SESSION_TAKE_GAPS;
    if ((sinks && !message->moved) != (part->sink != NULL) || (part->sink && part->sink != message))
        sim_fail(sim, "message %" PRIu64 " has another sink", part->id);
    if (part->offset != message->parts_offset && message->take != SESSION_TAKE_GAPS)
        sim_fail(sim, "message %" PRIu64 ": a part at %" PRIu64 " comes after %" PRIu64, part->id, part->offset,
                 message->parts_offset);
    if (part->total != SESSION_SIZE_UNKNOWN && part->total != message->size)
        sim_fail(sim, "message %" PRIu64 ": a part tells the size %" PRIu64, part->id, part->total);
    if (part->size && !content_same(message->key, part->offset, part->data, part->size))
        sim_fail(sim, "message %" PRIu64 ": the part at %" PRIu64 " differs", part->id, part->offset);
    if (message->parts_offset == 0)
        check_handed_over(side, message);
    message->parts_offset += part->size;
    sim->progress_at = sim->now;
    if (message->take != SESSION_TAKE_GAPS &&
        part->last != (part->total != SESSION_SIZE_UNKNOWN && message->parts_offset == message->size))
        sim_fail(sim, "message %" PRIu64 ": the part at %" PRIu64 " is%s the last", part->id, part->offset,
                 part->last ? "" : " not");
    if (rng_chance(&side->rng, side->plan->per_mille_refuse / 4)) {
        part->refuse = message->reason = reasons[rng_below(&side->rng, 3)];
        message->refused = true;
        return;
    }
    if (part->last && message->take == SESSION_TAKE_PARTS)
        check_delivery(side, message, NULL);
    maybe_pause(side);
}

void receive_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    struct side *side = user;
    struct message *message = check_incoming(side, id, "abandoned()");
    if (!message)
        return;
    sim_log(side->sim, side, "message %" PRIu64 " is abandoned", id);
    if (!message->arriving_told || message->refused)
        sim_fail(side->sim, "message %" PRIu64 " is abandoned that had not been announced", id);
    if (kind != SESSION_EXPIRED && kind != SESSION_FAILED)
        sim_fail(side->sim, "message %" PRIu64 " is abandoned as %d", id, kind);
    message->abandoned = true;
    free(message->into); /* not the session's any more */
    message->into = NULL;
}
