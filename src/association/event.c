/* SPDX-License-Identifier: Apache-2.0 */
/* Events: who wants them, and how the session's callbacks become events. (S2.33, S2.48) */
#include "association/association.h"

#include <gnutls/crypto.h>

#include "association/bare.h"
#include "association/strand_mptcp.h"
#include "association/table.h"
#include "association/trace.h"
#include "association/weave.h"

/* Handlers for one of our messages. */
struct message_slots {
    UT_hash_handle hh;
    hawser_message_id id;
    struct slot outcome, sent;
    int64_t send_time; /* 0: none was asked for */
    bool failed;
};

/* Of messages that left: the system's stamp may come when their outcome has been told. */
#define LEFT_MAX 128 /* the newest */
struct left {
    hawser_message_id id;
    int64_t at, send_time;
    struct slot slot;
};

/* ------------------------------------------------------------------------------------------------------- raising */

void event_call(hawser_association *association, struct slot slot, hawser_event *event)
{
    /* The program may let go of the association in its own handler. Without a reference nobody is there to listen. */
    if (!slot.handler || association->refs == 0 || association->silent ||
        (association->told_closed && event->type != HAWSER_CLOSED))
        return;
    event->association = association;
    event->time_us = loop_now(association->context);
    association_hold(association);
    slot.handler(event, slot.user);
    association_let_go(association);
}

void event_raise(hawser_association *association, hawser_event *event)
{
    event_call(association, association->slots[event->type], event);
}

bool event_wanted(const hawser_association *association, hawser_event_type type)
{
    return association->slots[type].handler != NULL;
}

int hawser_register(hawser_association *association, hawser_event_type type, hawser_handler handler, void *user)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (type < HAWSER_ACCEPTED || type >= HAWSER_EVENT_COUNT_)
        return -EINVAL;
    association->slots[type] = (struct slot){handler, user};
    for (struct list *at = association->strands.next; type == HAWSER_PATHS_CHANGED && at != &association->strands;
         at = at->next)
        strand_subflows_watch(container_of(at, struct strand, link));
    if (association->bare)
        association_wake(association); /* what waited for somebody to take it */
    return 0;
}

static struct message_slots *slots_of(const hawser_association *association, hawser_message_id id)
{
    struct message_slots *slots = NULL;

    if (association->message_slots)
        HASH_FIND(hh, association->message_slots, &id, sizeof id, slots);
    return slots;
}

static struct message_slots *slots_make(hawser_association *association, hawser_message_id id)
{
    struct message_slots *slots = slots_of(association, id);

    if (slots)
        return slots;
    slots = calloc(1, sizeof *slots);
    if (!slots)
        return NULL;
    slots->id = id;
    HASH_ADD(hh, association->message_slots, id, sizeof slots->id, slots);
    if (slots->failed) {
        free(slots);
        return NULL;
    }
    return slots;
}

int event_expect_departure(hawser_association *association, hawser_message_id id, int64_t send_time)
{
    struct message_slots *slots = slots_make(association, id);

    if (!slots)
        return -ENOMEM;
    slots->send_time = send_time;
    return 0;
}

int hawser_register_message(hawser_association *association, hawser_message_id id, hawser_event_type type,
                            hawser_handler handler, void *user)
{
    struct message_slots *slots;
    int r = association_check(association);

    if (r < 0)
        return r;
    if (type != HAWSER_OUTCOME && type != HAWSER_SENT)
        return -EINVAL;
    if (association->bare ? !bare_unsettled(association->bare, id)
                          : !association->session || !session_unsettled(association->session, id))
        return -ENOENT;
    slots = handler ? slots_make(association, id) : slots_of(association, id);
    if (!slots)
        return handler ? -ENOMEM : 0;
    if (type == HAWSER_OUTCOME)
        slots->outcome = (struct slot){handler, user};
    else
        slots->sent = (struct slot){handler, user};
    return 0;
}

void message_slots_free(hawser_association *association)
{
    struct message_slots *slots, *next;

    HASH_ITER(hh, association->message_slots, slots, next)
    {
        HASH_DEL(association->message_slots, slots);
        free(slots);
    }
    free(association->left);
    association->left = NULL;
}

/* ----------------------------------------------------------------------------------------- the session's callbacks */

static void on_hello(void *user)
{
    hawser_association *association = user;

    batch_flush(association->all);
    if (association->child)
        listener_hello(association);
}

static void on_message(void *user, struct session_message *message)
{
    trace_messages(user, TRACE_RECEIVED, message->id, 1, message->size);
    receive_message(user, message);
}

static void on_arriving(void *user, struct session_arriving *arriving)
{
    batch_flush(((hawser_association *)user)->all);
    receive_arriving(user, arriving);
}

static void on_part(void *user, struct session_part *part)
{
    batch_flush(((hawser_association *)user)->all);
    if (part->last && !part->sink)
        trace_messages(user, TRACE_RECEIVED, part->id, 1, part->offset + part->size);
    receive_part(user, part);
}

static void on_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    batch_flush(((hawser_association *)user)->all);
    receive_abandoned(user, id, kind);
}

static hawser_outcome outcome_of(const hawser_association *association, enum session_outcome kind)
{
    if (association->bare && kind == SESSION_ACKED)
        return HAWSER_HANDED_OVER;
    return kind == SESSION_ACKED ? HAWSER_ACKED : kind == SESSION_EXPIRED ? HAWSER_EXPIRED : HAWSER_SEND_FAILED;
}

/* One message with a handler of its own; the range before it went to the association's. */
static void outcome_of_message(hawser_association *association, struct message_slots *slots, hawser_event *event)
{
    struct slot slot = slots->outcome.handler ? slots->outcome : association->slots[HAWSER_OUTCOME];

    HASH_DEL(association->message_slots, slots);
    free(slots);
    event->outcome.count = 1;
    event_call(association, slot, event);
}

static void on_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code,
                       const char *reason, bool maybe_delivered)
{
    hawser_association *association = user;
    hawser_event event = {.type = HAWSER_OUTCOME};
    uint64_t end = first + count;

    batch_flush(association->all);
    if (trace_on(association))
        trace_messages_add(association,
                           kind == SESSION_ACKED     ? TRACE_ACKED
                           : kind == SESSION_EXPIRED ? TRACE_EXPIRED
                                                     : TRACE_FAILED,
                           first, count, 0, code, reason);
    event.outcome.first = first;
    event.outcome.kind = outcome_of(association, kind);
    event.outcome.code = code;
    event.outcome.reason = reason ? reason : code ? hawser_strerror(code) : "";
    event.outcome.maybe_delivered = maybe_delivered;
    for (uint64_t id = first; association->message_slots && id < end; id++) {
        struct message_slots *slots = slots_of(association, id);

        if (!slots)
            continue;
        event.outcome.count = id - event.outcome.first;
        if (event.outcome.count > 0)
            event_raise(association, &event);
        event.outcome.first = id;
        outcome_of_message(association, slots, &event);
        event.outcome.first = id + 1;
    }
    event.outcome.count = end - event.outcome.first;
    if (event.outcome.count > 0)
        event_raise(association, &event);
}

static void on_partial(void *user, uint64_t id, uint64_t missing)
{
    hawser_association *association = user;
    struct message_slots *slots = slots_of(association, id);
    hawser_event event = {.type = HAWSER_OUTCOME};

    batch_flush(association->all);
    trace_messages(association, TRACE_ACKED, id, 1, 0);
    event.outcome.first = id;
    event.outcome.count = 1;
    event.outcome.kind = HAWSER_ACKED;
    event.outcome.reason = "";
    event.outcome.missing = missing;
    if (slots)
        outcome_of_message(association, slots, &event);
    else
        event_raise(association, &event);
}

static void raise_sent(hawser_association *association, const struct left *left, int64_t system)
{
    hawser_event event = {.type = HAWSER_SENT};

    batch_flush(association->all);
    event.sent.id = left->id;
    event.sent.left_us = left->at;
    event.sent.system_us = system;
    if (left->send_time)
        event.sent.late_us = (system ? system : left->at) - left->send_time;
    event_call(association, left->slot.handler ? left->slot : association->slots[HAWSER_SENT], &event);
}

static void on_sent(void *user, uint64_t id, int64_t pulled_at)
{
    hawser_association *association = user;
    struct message_slots *slots = slots_of(association, id);
    struct left left = {.id = id, .at = pulled_at};

    if (slots) {
        left.send_time = slots->send_time;
        left.slot = slots->sent;
    }
    if (!association->left)
        association->left = calloc(LEFT_MAX, sizeof *association->left);
    if (association->left)
        association->left[id % LEFT_MAX] = left;
    raise_sent(association, &left, 0);
}

/* Of what is not known any more it is told when it left, and nothing else. */
static void on_departed(void *user, uint64_t id, int64_t sent_at)
{
    hawser_association *association = user;
    const struct left *noted = association->left ? &association->left[id % LEFT_MAX] : NULL;
    struct left left = {.id = id, .at = sent_at};

    if (noted && noted->id == id)
        left = *noted;
    raise_sent(association, &left, sent_at);
}

static void on_offered(void *user, struct session_offered *offered)
{
    batch_flush(((hawser_association *)user)->all);
    receive_offered(user, offered);
}

static void on_gaps(void *user, const struct session_gaps *gaps)
{
    batch_flush(((hawser_association *)user)->all);
    trace_messages(user, TRACE_RECEIVED, gaps->id, 1, gaps->total - gaps->missing);
    receive_gaps(user, gaps);
}

static void on_settled(void *user, uint64_t id, void *cookie)
{
    (void)id;
    outgoing_settled(user, cookie);
}

static void on_writable(void *user)
{
    hawser_association *association = user;

    batch_flush(association->all);
    event_raise(association, &(hawser_event){.type = HAWSER_WRITABLE});
}

static void on_stream_opened(void *user, struct session_stream *stream)
{
    batch_flush(((hawser_association *)user)->all);
    stream_opened(user, stream);
}

static void on_stream_readable(void *user, struct session_stream *stream)
{
    batch_flush(((hawser_association *)user)->all);
    stream_ready(user, stream, HAWSER_STREAM_READABLE);
}

static void on_stream_writable(void *user, struct session_stream *stream)
{
    batch_flush(((hawser_association *)user)->all);
    stream_ready(user, stream, HAWSER_STREAM_WRITABLE);
}

static void on_stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code)
{
    batch_flush(((hawser_association *)user)->all);
    stream_closed(user, stream, reset, code);
}

static void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    batch_flush(((hawser_association *)user)->all);
    close_told(user, code, peer_code, by_peer, reason);
}

static const uint8_t *on_source(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error)
{
    return outgoing_source(user, cookie, offset, ret_size, ret_error);
}

static uint64_t on_random(void *user)
{
    uint64_t value = 0;

    (void)user;
    /* Only decides when a frame of a reserved type is sent: a generator that fails costs exercise, not safety. */
    (void)!gnutls_rnd(GNUTLS_RND_NONCE, &value, sizeof value);
    return value;
}

static void on_strand_silent(void *user, struct session_strand *session_strand)
{
    (void)user;
    strand_lost(session_strand_user(session_strand), -HAWSER_EDEAD, hawser_strerror(-HAWSER_EDEAD));
}

static void on_strand_suspected(void *user, struct session_strand *session_strand, bool suspected)
{
    hawser_association *association = user;

    (void)session_strand;
    (void)suspected;
    association->path_changed = true;
    association->suspicion_changed = true;
    association_wake(association);
}

static void on_stranded(void *user)
{
    ((hawser_association *)user)->strandless = true;
}

static void on_told(void *user, unsigned kind, const void *body, size_t size)
{
    weave_told(user, kind, body, size);
}

static void on_unit_useless(void *user, struct session_strand *session_strand, uint64_t number)
{
    (void)user;
    units_drop(session_strand_user(session_strand), number);
}

static void on_bulk_ends(void *user, struct session_strand *session_strand)
{
    (void)user;
    strand_bulk_ends(session_strand_user(session_strand));
}

const struct session_handler association_handler = {
    .hello = on_hello,
    .message = on_message,
    .arriving = on_arriving,
    .part = on_part,
    .abandoned = on_abandoned,
    .offered = on_offered,
    .gaps = on_gaps,
    .outcome = on_outcome,
    .partial = on_partial,
    .sent = on_sent,
    .departed = on_departed,
    .settled = on_settled,
    .writable = on_writable,
    .stream_opened = on_stream_opened,
    .stream_readable = on_stream_readable,
    .stream_writable = on_stream_writable,
    .stream_closed = on_stream_closed,
    .closed = on_closed,
    .source = on_source,
    .random = on_random,
    .strand_silent = on_strand_silent,
    .strand_suspected = on_strand_suspected,
    .stranded = on_stranded,
    .told = on_told,
    .unit_useless = on_unit_useless,
    .bulk_ends = on_bulk_ends,
};
