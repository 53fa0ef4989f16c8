/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of the whole: bounds while it runs, and how it ends. */
#include <errno.h>
#include <inttypes.h>

#include "sim.h"

/* What an end holds beside messages: records of what is queued and of what strands carried, and blocks half full. */
#define SLACK_FIXED (2 << 20)
#define SLACK_MESSAGE 1200

void check_bounds(struct side *side)
{
    struct sim *sim = side->sim;
    const struct side_plan *plan = side->plan;
    struct session_statistics s;
    session_get_statistics(side->session, &s);
    check_clock(side);
    if (s.queued_messages > plan->send_queue_messages)
        sim_fail(sim, "%c: %" PRIu64 " messages are queued of %" PRIu64, "AB"[side->index], s.queued_messages,
                 plan->send_queue_messages);
    /* One copied message may pass the bound, and each message in parts holds one more piece. */
    uint64_t queue_most = plan->send_queue + plan->size_most + (uint64_t)side->parts_open * (1 << 20) + (256 << 10);
    if (s.duplicated_bytes > s.bytes_sent + (128 << 10))
        sim_fail(sim, "%c: %" PRIu64 " bytes were copied of %" PRIu64, "AB"[side->index], s.duplicated_bytes,
                 s.bytes_sent);
    if (s.held_bytes + s.reserved_bytes > plan->receive_memory)
        sim_fail(sim, "%c: %" PRIu64 " bytes are held and %" PRIu64 " reserved of %" PRIu64, "AB"[side->index],
                 s.held_bytes, s.reserved_bytes, plan->receive_memory);
    uint64_t most = plan->receive_memory + plan->receive_memory / 4 + queue_most + SLACK_FIXED +
                    SLACK_MESSAGE * (s.queued_messages + OTHER(side)->unended) + side->stream_bytes + side->moved_bytes;
    if (side->account.bytes > most)
        sim_fail(sim, "%c: %" PRIu64 " bytes of memory are taken, more than %" PRIu64, "AB"[side->index],
                 side -> account.bytes, most);
}

void check_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    char name = "AB"[side->index];
    sim_log(sim, side, "closed: %d, %" PRIu64 "%s, %s", code, peer_code, by_peer ? " by the peer" : "",
            reason ? reason : "(null)");
    if (side->ended)
        sim_fail(sim, "%c: closed() is told twice", name);
    if (side->unended)
        sim_fail(sim, "%c: closed() with %" PRIu64 " messages without outcome", name, side->unended);
    if (!reason)
        sim_fail(sim, "%c: closed() without a reason", name);
    if (code == 0 && side->failing_all)
        sim_fail(sim, "%c: closed(0), and messages failed with %d", name, side->failing_all);
    if (code != 0 && side->failing_all && side->failing_all != code)
        sim_fail(sim, "%c: closed(%d), and messages failed with %d", name, code, side->failing_all);
    side->ended = true;
    side->close_code = code;
    side->close_peer_code = peer_code;
    side->close_by_peer = by_peer;
    sim->progress_at = sim->now;
}

/* The other end ended on a strand that had not been added here yet: that one was refused, section 8. */
static bool other_had_another(const struct sim *sim, const struct side *side)
{
    for (unsigned i = 0; i < sim->links_made; i++)
        if (sim->links[i].added[1 - side->index] && !sim->links[i].added[side->index])
            return true;
    return false;
}

/* An end's code must follow from what happened. */
static void check_close_code(struct sim *sim, const struct side *side)
{
    const struct side *other = OTHER((struct side *)(uintptr_t)side);
    char name = "AB"[side->index];
    int code = side->close_code;
    bool memory = sim->memory_refused;
    switch (code) {
    case 0:
        if (!side->close_called && !other->close_called)
            sim_fail(sim, "%c ended cleanly though nobody closed", name);
        return;
    case -HAWSER_ELOST:
        /* The other may also have gone first, with its ABORT lost on the way. */
        if (!side->last_strand_lost)
            sim_fail(sim, "%c lost its last strand, it says", name);
        if (!sim->strand_died && !memory && !sim->aborted && !other_had_another(sim, side))
            sim_fail(sim, "%c lost its last strand, and no strand died", name);
        return;
    case -ENOMEM:
        if (!memory)
            sim_fail(sim, "%c has no memory, it says", name);
        return;
    case -ECONNABORTED:
        if (!side->abort_called)
            sim_fail(sim, "%c aborted, it says", name);
        return;
    case -HAWSER_EABORTED:
        if (!other->abort_called && !memory)
            sim_fail(sim, "%c was aborted by the peer, it says", name);
        if (other->abort_called && (!side->close_by_peer || side->close_peer_code != 77))
            sim_fail(sim, "%c was aborted with the code %" PRIu64, name, side->close_peer_code);
        return;
    default:
        if (memory && side->close_by_peer && side->close_peer_code == SESSION_CODE(SESSION_CODE_MEMORY))
            return;
        sim_fail(sim, "%c ended with %d", name, code);
    }
}

static void check_messages(struct sim *sim, const struct side *side)
{
    for (size_t i = 0; i < side->message_count; i++) {
        const struct message *m = side->messages[i];
        if (!m->ended)
            sim_fail(sim, "%c: message %" PRIu64 " has no outcome", "AB"[side->index], m -> id);
        else if (m->outcome == SESSION_ACKED ? !m->delivered && !m->partial : m->delivered && !m->maybe_delivered)
            sim_fail(sim, "%c: message %" PRIu64 " was%s delivered", "AB"[side->index], m -> id,
                     m -> delivered ? "" : " not");
        else if (m->has_cookie && !m->settled_told)
            sim_fail(sim, "%c: message %" PRIu64 " was never settled", "AB"[side->index], m -> id);
        else if (m->arriving_told && !m->delivered && !m->refused && !m->abandoned && !m->gaps_told && m->ended &&
                 !OTHER((struct side *)(uintptr_t)side)->close_code)
            sim_fail(sim, "%c: message %" PRIu64 " was announced and neither delivered nor abandoned",
                     "AB"[side->index], m -> id);
    }
}

static void check_streams(struct sim *sim)
{
    bool clean = sim->sides[0].close_code == 0 && sim->sides[1].close_code == 0;
    for (size_t i = 0; i < sim->stream_count; i++) {
        const struct stream *s = &sim->streams[i];
        if (s->cut_off && clean)
            sim_fail(sim, "stream %" PRIu64 " was reset by nobody", s->id);
        for (unsigned d = 0; d < SIDES && clean && !s->reset; d++) {
            if (!s->closed[d])
                sim_fail(sim, "stream %" PRIu64 " has not closed at %c", s->id, "AB"[d]);
            else if (s->direction[d].read != s->direction[d].written || !s->direction[d].ended)
                sim_fail(sim, "stream %" PRIu64 ": %" PRIu64 " of %" PRIu64 " bytes were read", s->id,
                         s->direction[d].read, s->direction[d].written);
        }
    }
}

/* Whether a whole line stayed up, so that nothing but a clean end is right. */
static bool must_be_clean(const struct sim *sim)
{
    return !sim->aborted && !sim->memory_refused && !sim->sides[0].last_strand_lost && !sim->sides[1].last_strand_lost;
}

void check_end(struct sim *sim)
{
    for (unsigned i = 0; i < SIDES; i++) {
        check_close_code(sim, &sim->sides[i]);
        check_messages(sim, &sim->sides[i]);
        if (must_be_clean(sim) && sim->sides[i].close_code)
            sim_fail(sim, "%c ended with %d on a good line", "AB"[i], sim -> sides[i].close_code);
    }
    check_streams(sim);
    if (must_be_clean(sim))
        strands_check_end(sim);
}
