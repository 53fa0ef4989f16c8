/* SPDX-License-Identifier: Apache-2.0 */
/* The contract: one outcome for every message of ours, true to what the other end's program saw. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define CLOCK_SLACK (2 * MILLISECOND) /* rounding, and one tick */

static const char *const outcome_names[] = {"acked", "expired", "failed"};

static struct message *find(struct side *from, uint64_t id)
{
    return id > 0 && id <= from->message_count ? from->messages[id - 1] : NULL;
}

struct message *check_find(struct side *from, uint64_t id)
{
    return find(from, id);
}

/* ---- at the sender */

struct message *check_sent(struct side *from, const struct message_spec *spec, uint64_t id, struct message *message)
{
    struct sim *sim = from->sim;
    if (id != from->message_count + 1)
        sim_fail(sim, "%c: message %" PRIu64 " follows %zu", "AB"[from->index], id, from -> message_count);
    if (!message)
        message = calloc(1, sizeof *message);
    if (from->message_count == from->message_capacity) {
        from->message_capacity = from->message_capacity ? 2 * from->message_capacity : 64;
        from->messages = realloc(from->messages, from->message_capacity * sizeof *from->messages);
    }
    if (!message || !from->messages)
        abort();
    *message = (struct message){
        .from = from,
        .id = id,
        .key = content_key(sim->plan.seed, from->index, id, false),
        .size = spec->size,
        .unknown_size = spec->unknown_size,
        .parts = spec->parts,
        .source = spec->source,
        .borrowed = spec->borrowed,
        .ordered = spec->ordered,
        .replayable = spec->replayable,
        .want_sent = spec->want_sent,
        .niceness = spec->niceness,
        .lifetime = spec->lifetime,
        .reliability = spec->reliability,
        .resends = spec->resends,
        .probability = spec->probability,
        .marks = spec->marks,
        .pace = spec->pace,
        .sent_at = sim->now,
        .reply_to = spec->reply_to,
        .antecedent_count = spec->antecedent_count,
    };
    if (spec->antecedent_count)
        memcpy(message->antecedents, spec->antecedents, spec->antecedent_count * sizeof *spec->antecedents);
    if (spec->ordered) {
        if (from->last_ordered)
            message->antecedents[message->antecedent_count++] = from->last_ordered;
        from->last_ordered = id;
    }
    from->messages[from->message_count++] = message;
    from->unended++;
    sim->progress_at = sim->now;
    return message;
}

void check_told_sent(void *user, uint64_t id, int64_t pulled_at)
{
    struct side *side = user;
    (void)pulled_at;
    struct message *message = find(side, id);
    if (!message || !message->want_sent || message->sent_told || (message->ended && message->outcome != SESSION_ACKED))
        sim_fail(side->sim, "%c: sent(%" PRIu64 ") is not expected", "AB"[side->index], id);
    else
        message->sent_told = true;
}

void check_settled(void *user, uint64_t id, void *cookie)
{
    struct side *side = user;
    struct message *message = find(side, id);
    if (!message || !message->has_cookie || cookie != message || message->settled_told || message->ended) {
        sim_fail(side->sim, "%c: settled(%" PRIu64 ") is not expected", "AB"[side->index], id);
        return;
    }
    message->settled_told = true;
    program_release(message);
}

/* Whether the code of a failed message follows from what was done to it. */
static bool failure_is_true(const struct side *side, const struct message *m, int code, const char *reason)
{
    const struct side *other = OTHER((struct side *)(uintptr_t)side);
    uint64_t most = other->plan->receive_memory / 4;
    if (other->plan->max_message && other->plan->max_message < most)
        most = other->plan->max_message;
    switch (code) {
    case -ECANCELED:
        return m->cancelled;
    case -HAWSER_EREFUSED:
        /* Told again after a strand's loss, a refusal has lost its reason. */
        return m->refused && m->reason &&
               (strcmp(m->reason, reason) == 0 || strcmp(reason, "the peer's program refused the message") == 0);
    case -HAWSER_ELARGE:
        return (m->size > most || side->sim->memory_refused) && !m->delivered && !m->refused;
    case -HAWSER_ESOURCE:
        return m->failed_by_us || m->source_error;
    default:
        return false;
    }
}

void check_ended(struct side *side, struct message *m, enum session_outcome kind, int code)
{
    struct sim *sim = side->sim;
    if (m->ended)
        sim_fail(sim, "%c: message %" PRIu64 " has a second outcome: %s", "AB"[side->index], m -> id,
                 outcome_names[kind]);
    m->ended = true;
    m->outcome = kind;
    m->code = code;
    m->ended_at = sim->now;
    side->unended--;
    free(m->times_sent);
    m->times_sent = NULL;
}

/* A message that need not come did not. */
static void check_given_up(struct side *side, struct message *m, bool maybe)
{
    if (!lossy_may_be_lost(side, m) || maybe || m->delivered)
        sim_fail(side->sim, "%c: message %" PRIu64 " is given up", "AB"[side->index], m -> id);
    lossy_check_share(side, m, false);
}

static void check_one_outcome(struct side *side, struct message *m, enum session_outcome kind, int code,
                              const char *reason, bool maybe)
{
    struct sim *sim = side->sim;
    char name = "AB"[side->index];
    check_ended(side, m, kind, code);
    m->maybe_delivered = maybe;
    if (kind == SESSION_EXPIRED && code == -HAWSER_EGIVENUP) {
        check_given_up(side, m, maybe);
        return;
    }
    if (kind == SESSION_ACKED)
        lossy_check_share(side, m, true);
    if (m->has_cookie && !m->settled_told)
        sim_fail(sim, "%c: message %" PRIu64 " has its outcome before settled()", name, m->id);
    if (kind == SESSION_ACKED && (!m->delivered || code || maybe))
        sim_fail(sim, "%c: message %" PRIu64 " is acked and was not delivered", name, m->id);
    if (kind == SESSION_ACKED && m->want_sent && !m->sent_told && !sim->memory_refused)
        sim_fail(sim, "%c: message %" PRIu64 " is acked and sent() was not told", name, m->id);
    if (kind != SESSION_ACKED && m->delivered && !maybe)
        sim_fail(sim, "%c: message %" PRIu64 " is %s (%d) and was delivered", name, m->id, outcome_names[kind], code);
    if (kind == SESSION_EXPIRED && (m->lifetime == 0 || code != -HAWSER_EEXPIRED || maybe))
        sim_fail(sim, "%c: message %" PRIu64 " is expired with lifetime %" PRId64 ", code %d", name, m->id, m->lifetime,
                 code);
    /* By either clock, it is older than that. */
    int64_t slack = CLOCK_SLACK + 200 * (sim->now / SECOND) + OTHER(side)->worst_clock;
    if (kind == SESSION_EXPIRED && sim->now - m->sent_at + slack < m->lifetime)
        sim_fail(sim, "%c: message %" PRIu64 " expired after %.6f s of %.6f s", name, m->id,
                 (double)(sim->now - m->sent_at) / SECOND, (double)m->lifetime / SECOND);
    if (kind == SESSION_FAILED && side->failing_all) {
        if (code != side->failing_all)
            sim_fail(sim, "%c: message %" PRIu64 " failed with %d and %d", name, m->id, code, side->failing_all);
    } else if (kind == SESSION_FAILED && !failure_is_true(side, m, code, reason)) {
        /* The end tells its outcomes first: the reason must be the same for all, and for closed(). */
        side->failing_all = code;
        if (code == 0)
            sim_fail(sim, "%c: message %" PRIu64 " failed without a code", name, m->id);
    }
    if (kind == SESSION_FAILED && maybe && !side->failing_all)
        sim_fail(sim, "%c: message %" PRIu64 " may be delivered, with code %d", name, m->id, code);
    if (sim->on_outcome)
        sim->on_outcome(sim, m);
}

void check_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code, const char *reason,
                   bool maybe_delivered)
{
    struct side *side = user;
    struct sim *sim = side->sim;
    sim_log(sim, side, "outcome %" PRIu64 "..%" PRIu64 " %s %d %s%s", first, first + count - 1, outcome_names[kind],
            code, reason ? reason : "(null)", maybe_delivered ? ", maybe delivered" : "");
    sim->progress_at = sim->now;
    if (count == 0 || first == 0 || first + count - 1 > side->message_count || !reason || kind > SESSION_FAILED) {
        sim_fail(sim, "%c: an outcome of %" PRIu64 " messages from %" PRIu64, "AB"[side->index], count, first);
        return;
    }
    if (side->ended)
        sim_fail(sim, "%c: an outcome follows closed()", "AB"[side->index]);
    for (uint64_t id = first; id < first + count && !sim->failed; id++)
        check_one_outcome(side, find(side, id), kind, code, reason, maybe_delivered);
}

/* ---- at the receiver */

struct message *check_incoming(struct side *to, uint64_t id, const char *what)
{
    struct message *message = find(OTHER(to), id);
    if (!message)
        sim_fail(to->sim, "%c: %s of message %" PRIu64 ", which was not sent", "AB"[to->index], what, id);
    else if (message->delivered || message->refused || message->abandoned || message->gaps_told)
        sim_fail(to->sim, "%c: %s of message %" PRIu64 ", which was %s", "AB"[to->index], what, id,
                 message -> delivered          ? "delivered"
                            : message->refused ? "refused"
                                               : "abandoned");
    else if (to->ended && strcmp(what, "abandoned()") != 0)
        sim_fail(to->sim, "%c: %s of message %" PRIu64 " after the end", "AB"[to->index], what, id);
    else if (to->paused && strcmp(what, "abandoned()") != 0 && strcmp(what, "arriving()") != 0 &&
             strcmp(what, "offered()") != 0)
        sim_fail(to->sim, "%c: %s of message %" PRIu64 " while it is paused", "AB"[to->index], what, id);
    else
        return message;
    return NULL;
}

/* docs/protocol.md section 7: half a round trip; before a sample the HELLO's one-way delay. */
int64_t check_clock_error(const struct side *side)
{
    struct session_statistics s;
    session_get_statistics(side->session, &s);
    return s.rtt ? s.rtt / 2 : side->hello_delay;
}

/* Keeps the largest error that an end's idea of the other's clock may have had. */
void check_clock(struct side *side)
{
    int64_t error = check_clock_error(side);
    if (error > side->worst_clock)
        side->worst_clock = error;
}

/* Whether a message may have ended at the receiver without being handed over. */
static bool may_have_ended(const struct side *to, const struct message *a)
{
    int64_t slack = to->worst_clock + CLOCK_SLACK + 200 * (to->sim->now / SECOND);
    return a->refused || a->cancelled || a->failed_by_us || a->source_error || a->abandoned || a->gaps_told ||
           a->reliability != SESSION_FULL || (a->ended && !a->maybe_delivered) ||
           (a->lifetime && to->sim->now - a->sent_at + slack >= a->lifetime) ||
           a->size > to->plan->receive_memory / 4 || (to->plan->max_message && a->size > to->plan->max_message);
}

/* Nothing of a message is handed over before its antecedents have ended, and not when it is too old. */
void check_handed_over(struct side *to, struct message *message)
{
    struct sim *sim = to->sim;
    check_clock(to);
    for (size_t i = 0; i < message->antecedent_count; i++) {
        const struct message *a = find(message->from, message->antecedents[i]);
        if (!a->delivered && !may_have_ended(to, a))
            sim_fail(sim, "%c: message %" PRIu64 " is handed over before its antecedent %" PRIu64, "AB"[to->index],
                     message -> id, a -> id);
    }
    if (message->lifetime == 0)
        return;
    struct session_statistics s;
    session_get_statistics(to->session, &s);
    int64_t error = check_clock_error(to) + 200 * (sim->now / SECOND) + CLOCK_SLACK; /* and the clocks' drift */
    int64_t age = sim->now - message->sent_at;
    if (age > message->lifetime + error)
        sim_fail(sim,
                 "%c: message %" PRIu64 " with a lifetime of %.6f s is handed over after %.6f s (clock error %.6f s)",
                 "AB"[to->index], message -> id, (double)message -> lifetime / SECOND, (double)age / SECOND,
                 (double)error / SECOND);
    int64_t clock_error = llabs(s.clock_offset - (side_clock(OTHER(to)) - OTHER(to)->jump - side_clock(to)));
    if (s.rtt && clock_error > error)
        sim_fail(sim, "%c: the clocks' offset is wrong by %.6f s with a round trip of %.6f s", "AB"[to->index],
                 (double)clock_error / SECOND, (double)s.rtt / SECOND);
}

static bool antecedent_lost(const struct message *message)
{
    for (size_t i = 0; i < message->antecedent_count; i++)
        if (!find(message->from, message->antecedents[i])->delivered)
            return true;
    return false;
}

static void check_properties(struct side *to, struct message *message, const struct session_message *handed)
{
    struct sim *sim = to->sim;
    if (handed->size != message->size || (message->parts && message->given != message->size) ||
        (message->unknown_size && !message->given_all))
        sim_fail(sim, "message %" PRIu64 " of %" PRIu64 " bytes (%" PRIu64 " given) is delivered with %" PRIu64,
                 message->id, message->size, message->given, handed->size);
    else if (message->size > 65536 && !message->arriving_told)
        sim_fail(sim, "message %" PRIu64 " of %" PRIu64 " bytes was not announced", message->id, message->size);
    else if (message->take == SESSION_TAKE_SINK ? handed->data != NULL || message->parts_offset != message->size
                                                : !handed->data && handed->size)
        sim_fail(sim, "message %" PRIu64 " is delivered %s data", message->id, handed->data ? "with" : "without");
    else if (message->take == SESSION_TAKE_INTO && handed->data != message->into)
        sim_fail(sim, "message %" PRIu64 " is not in the program's buffer", message->id);
    else if (handed->data && !content_same(message->key, 0, handed->data, handed->size))
        sim_fail(sim, "message %" PRIu64 " differs", message->id);
    else if ((handed->niceness != message->niceness && !message->reniced) || handed->reply_to != message->reply_to ||
             handed->ordered != message->ordered)
        sim_fail(sim, "message %" PRIu64 " is delivered with other properties", message->id);
    else if (!marks_same(&handed->marks, &message->marks) ||
             message->offered_told != (message->marks.has_timestamp || message->marks.coordinate_count))
        sim_fail(sim, "message %" PRIu64 " is delivered with other marks", message->id);
    else if (handed->received_at < 0 || handed->received_at > side_clock(to))
        sim_fail(sim, "message %" PRIu64 " was received at %" PRId64, message->id, handed->received_at);
    else if ((handed->age < 0) != (message->lifetime == 0))
        sim_fail(sim, "message %" PRIu64 " has the age %" PRId64, message->id, handed->age);
    else if (handed->early && (!message->replayable || !sim->plan.early_accepted || !sim->plan.early))
        sim_fail(sim, "message %" PRIu64 " came as early data", message->id);
    else if (handed->antecedent_lost != antecedent_lost(message) && (handed->antecedent_lost || !sim->memory_refused))
        sim_fail(sim, "message %" PRIu64 " says antecedent_lost %d", message->id, handed->antecedent_lost);
    else if (handed->block && handed->block_size < handed->size)
        sim_fail(sim, "message %" PRIu64 " lies in a block of %zu bytes", message->id, handed->block_size);
}

/* handed is NULL for the last part of one taken in parts. */
void check_delivery(struct side *to, struct message *message, const struct session_message *handed)
{
    struct sim *sim = to->sim;
    sim_log(sim, to, "message %" PRIu64 " (%" PRIu64 " bytes) is %s", message->id, message->size,
            message->refused ? "refused" : "delivered");
    sim->progress_at = sim->now;
    if (message->take != SESSION_TAKE_GAPS) /* else its parts were, and this is but their end */
        check_handed_over(to, message);
    if (handed)
        check_properties(to, message, handed);
    if (message->refused)
        return;
    message->delivered = true;
    message->delivered_at = sim->now;
    if (message->ended && (message->outcome != SESSION_FAILED || !message->maybe_delivered))
        sim_fail(sim, "message %" PRIu64 " is delivered after its outcome %s", message->id,
                 outcome_names[message->outcome]);
    if (sim->on_delivered)
        sim->on_delivered(sim, message);
}
