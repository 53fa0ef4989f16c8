/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent next: reserved bandwidth, then niceness, then what must be sent again, then deadline, then age. Within one
 * niceness small messages, large ones in progress and streams take turns of about one bulk frame, so that none waits for
 * the whole of another; large messages are finished in order of age.
 */
#include <strings.h>

#include "session/scheduler.h"

#define LOOK_MOST 16 /* messages of one list that a strand looks at, when it leaves the first to others */
#define ASK_AGAIN 20000

static void class_init(struct class *class, const struct memory *memory)
{
    list_init(&class->again);
    for (int i = 0; i < LANE_COUNT; i++)
        list_init(&class->lanes[i]);
    heap_init(&class->deadlines, memory);
    class->quantum = 0;
    class->turn = 0;
}

static bool class_empty(const struct class *class)
{
    if (!list_empty(&class->again) || class->deadlines.count)
        return false;
    for (int i = 0; i < LANE_COUNT; i++)
        if (!list_empty(&class->lanes[i]))
            return false;
    return true;
}

void schedule_init(struct session *session)
{
    class_init(&session->normal, session->memory);
    list_init(&session->reserved);
    session->limit_due = NEVER;
}

static struct class *class_at(struct session *session, unsigned index)
{
    if (index == CLASS_NORMAL)
        return &session->normal;
    return session->classes ? session->classes[index] : NULL;
}

/* The class to queue in. Without memory for it the normal one serves: late is better than lost. */
static struct class *class_for(struct session *session, uint8_t *index)
{
    if (*index == CLASS_NORMAL)
        return &session->normal;
    if (!session->classes)
        session->classes = memory_allocate_zero(session->memory, CLASSES * sizeof(struct class *));
    if (session->classes && !session->classes[*index]) {
        session->classes[*index] = memory_allocate(session->memory, sizeof(struct class));
        if (session->classes[*index])
            class_init(session->classes[*index], session->memory);
    }
    if (session->classes && session->classes[*index])
        return session->classes[*index];
    *index = CLASS_NORMAL;
    return &session->normal;
}

static void classes_free(struct session *session)
{
    if (!session->classes)
        return;
    for (unsigned i = 0; i < CLASSES; i++) {
        if (!session->classes[i])
            continue;
        heap_free(&session->classes[i]->deadlines);
        memory_release(session->memory, session->classes[i], sizeof(struct class));
    }
    memory_release(session->memory, session->classes, CLASSES * sizeof(struct class *));
    session->classes = NULL;
}

void schedule_trim(struct session *session)
{
    for (unsigned i = 0; session->classes && i < CLASSES; i++)
        if (session->classes[i] && !class_empty(session->classes[i]))
            return;
    classes_free(session);
}

void schedule_free(struct session *session)
{
    classes_free(session);
    heap_free(&session->normal.deadlines);
}

static void mark_busy(struct session *session, unsigned index)
{
    session->busy[index / 64] |= UINT64_C(1) << (index % 64);
}

/* ---- in and out */

static bool again(const struct outbound *outbound)
{
    if (!outbound->opened)
        return false;
    if (outbound->lossy && outbound_extra(outbound)->open_again)
        return true;
    if (outbound->size <= SESSION_SMALL && !outbound->parts && !outbound->source)
        return outbound->sent == 0 || (outbound->more && outbound->more->again.count);
    return outbound->fin_again || outbound->more->again.count;
}

/* Whether an opened message has something that may be sent now. */
static bool ready(const struct outbound *outbound)
{
    const struct outbound_more *more = outbound->more;
    if (!outbound->parts)
        return outbound->sent < more->credit;
    if (outbound->sent < more->pieces.end && outbound->sent < more->credit)
        return true;
    return outbound->complete && outbound->sent == more->pieces.end && !outbound->fin_sent;
}

int schedule_message(struct session *session, struct outbound *outbound)
{
    struct class *class = class_for(session, &outbound->class);
    struct list *list;
    bool lost = again(outbound);

    outbound->state = OUTBOUND_QUEUED;
    mark_busy(session, outbound->class);
    if (outbound->opened && !lost && !ready(outbound)) {
        outbound->state = outbound->through ? OUTBOUND_SENT : OUTBOUND_BLOCKED;
        return 0;
    }
    if (own_add(session, outbound))
        return 0;
    if (lost) {
        list = &class->again;
    } else if (outbound->opened) {
        list = &class->lanes[LANE_OPEN];
    } else {
        struct outbound_more *more = outbound->more;
        if (more && more->lifetime && heap_set(&class->deadlines, &more->deadline, more->stamp + more->lifetime) == 0)
            return 0;
        bool small = outbound->size <= SESSION_SMALL && !outbound->parts && !outbound->source;
        list = &class->lanes[small ? LANE_SMALL : LANE_FRESH];
    }
    list_append(list, &outbound->link);
    return 0;
}

void schedule_plain(struct session *session, struct outbound *outbound)
{
    outbound->state = OUTBOUND_QUEUED;
    mark_busy(session, CLASS_NORMAL);
    list_append(&session->normal.lanes[LANE_SMALL], &outbound->link);
}

bool schedule_alone(const struct session *session, const struct class *class)
{
    uint64_t others = session->busy[0] | session->busy[2] | session->busy[3];
    others |= session->busy[1] & ~(UINT64_C(1) << (CLASS_NORMAL - 64));
    return class == &session->normal && !others && list_empty(&session->reserved) && list_empty(&class->again) &&
           class->deadlines.count == 0;
}

void unschedule_message(struct session *session, struct outbound *outbound)
{
    if (outbound->state != OUTBOUND_QUEUED)
        return;
    if (outbound->more && heap_contains(&outbound->more->deadline))
        heap_remove(&class_at(session, outbound->class)->deadlines, &outbound->more->deadline);
    list_remove(&outbound->link);
}

void schedule_stream(struct session *session, struct session_stream *stream)
{
    struct class *class = class_for(session, &stream->class);
    mark_busy(session, stream->class);
    if (!list_linked(&stream->link))
        list_append(&class->lanes[LANE_STREAM], &stream->link);
    if (stream->bandwidth && !list_linked(&stream->reserved))
        list_append(&session->reserved, &stream->reserved);
}

void unschedule_stream(struct session_stream *stream)
{
    list_remove(&stream->link);
    list_remove(&stream->reserved);
}

/* ---- choosing */

/* Whether the strand takes this rather than leave it to the others (scheduler.c). What it leaves goes before what it is
 * asked for next. */
static bool taken(struct session *session, struct chosen *chosen, uint64_t size, uint64_t backlog)
{
    if (session->strand_count == 1 || !chosen->strand || chosen->strand->early)
        return true;
    uint64_t most = strand_bulk(chosen->strand);
    if (session->scheduler->takes(chosen->strand, size < most ? size : most, chosen->ahead + backlog))
        return true;
    chosen->ahead += backlog;
    chosen->left = true;
    if (session->ask_again == NEVER)
        session->ask_again = session->now + ASK_AGAIN;
    return false;
}

/* What the faster strands would have to send for the same purpose. A message that is waited for counts alone, so that it does
 * not take the slower way; of others whatever waits with them, for all are done when the last one is. */
static uint64_t backlog_of(const struct session *session, const struct outbound *outbound, bool *ret_all)
{
    const struct outbound_more *more = outbound->more;
    bool small = outbound->size <= SESSION_SMALL && !outbound->parts && !outbound->source;
    if (small) {
        bool awaited = outbound->class < CLASS_NORMAL || outbound->ordered ||
                       (more && (more->lifetime || !list_empty(&more->waiters)));
        uint64_t credit = credit_left(session), waits = session->unsent_bytes;
        waits = waits < credit ? waits : credit;
        *ret_all = !awaited && waits > outbound->size;
        return *ret_all ? waits : outbound->size;
    }
    *ret_all = false;
    uint64_t given = outbound->parts ? more->pieces.end : outbound->size;
    uint64_t allowed = outbound->opened ? more->credit : session->peer_flow_credit;
    uint64_t end = given < allowed ? given : allowed;
    uint64_t left = end > outbound->sent ? end - outbound->sent : 0;
    return left + (outbound->opened && more->again.count ? BULK_MIN : 0);
}

static bool stream_allowed(struct session *session, struct session_stream *stream, bool reserved, uint64_t *ret_limit)
{
    if ((stream->local && !stream->paid && !credit_allows_stream(session)))
        return false;
    if (stream->bandwidth)
        stream_count_tokens(stream, session->now);
    *ret_limit = stream_sendable(stream, reserved);
    if (*ret_limit == 0 && stream->limit) {
        int64_t due = stream_limit_due(stream);
        if (due < session->limit_due)
            session->limit_due = due;
    }
    return *ret_limit > 0;
}

static bool choose_stream(struct session *session, struct list *streams, bool reserved, struct chosen *chosen)
{
    for (struct list *link = streams->next; link != streams; link = link->next) {
        struct session_stream *stream = reserved ? container_of(link, struct session_stream, reserved)
                                                 : container_of(link, struct session_stream, link);
        if (!stream_allowed(session, stream, reserved, &chosen->limit))
            continue;
        uint64_t waits = stream_waits(stream);
        if (!taken(session, chosen, waits, waits))
            continue;
        chosen->stream = stream;
        chosen->message = NULL;
        return true;
    }
    return false;
}

/* A small message that must go in several frames, since no unit holds it, counts among the open flows. */
static bool flow_allowed(struct session *session, const struct outbound *outbound, const struct chosen *chosen)
{
    if (!chosen->strand || !chosen->strand->units || outbound->counted || outbound->size > SESSION_SMALL ||
        outbound->sent || session->flows_open < session->peer_open_flows)
        return true;
    return unit_holds(session, outbound, chosen->strand->units->room);
}

bool choose_message(struct session *session, struct outbound *outbound, struct chosen *chosen)
{
    uint64_t paid;
    if ((!outbound->opened && !credit_allows(session, outbound, &paid)) || !flow_allowed(session, outbound, chosen))
        return false;
    chosen->limit = outbound->more && outbound->more->extra ? pace_limit(session, outbound) : UINT64_MAX;
    if (chosen->limit == 0)
        return false;
    if (session->strand_count > 1 && !chosen->own) {
        uint64_t backlog = backlog_of(session, outbound, &chosen->all);
        if (!taken(session, chosen, outbound->size < backlog ? outbound->size : backlog, backlog))
            return false;
    }
    chosen->message = outbound;
    chosen->stream = NULL;
    return true;
}

/* The first that may be sent now, and that this strand takes. */
static bool choose_first(struct session *session, struct list *list, struct chosen *chosen)
{
    unsigned looks = 0;
    for (struct list *link = list->next; link != list; link = link->next) {
        struct outbound *outbound = container_of(link, struct outbound, link);
        chosen->limit = UINT64_MAX;
        chosen->left = false;
        if (choose_message(session, outbound, chosen))
            return true;
        if (chosen->left && !chosen->all && ++looks < LOOK_MOST)
            continue;
        if (chosen->left || (!outbound->pins && !(outbound->opened && chosen->strand->units) && chosen->limit))
            return false;
    }
    return false;
}

static bool choose_in_class(struct session *session, struct class *class, struct chosen *chosen)
{
    chosen->class = class;
    chosen->lane = LANE_COUNT; /* outside the turns */
    if (!list_empty(&class->again) && choose_first(session, &class->again, chosen))
        return true;
    struct heap_node *earliest = heap_first(&class->deadlines);
    if (earliest && choose_message(session, container_of(earliest, struct outbound_more, deadline)->owner, chosen))
        return true;
    for (unsigned i = 0; i < LANE_COUNT; i++) {
        enum lane lane = (class->turn + i) % LANE_COUNT;
        struct list *list = &class->lanes[lane];
        if (list_empty(list))
            continue;
        chosen->lane = lane;
        if (lane == LANE_STREAM ? choose_stream(session, list, false, chosen) : choose_first(session, list, chosen))
            return true;
    }
    return false;
}

/* Before the handshake has ended only small messages that may be replayed leave (docs/protocol.md section 1). */
static bool choose_early(struct session *session, struct class *class, struct chosen *chosen)
{
    struct list *list = &class->lanes[LANE_SMALL];
    chosen->class = class;
    chosen->lane = LANE_SMALL;
    for (struct list *link = list->next; link != list; link = link->next) {
        struct outbound *outbound = container_of(link, struct outbound, link);
        /* Of slices only the first would say that it may be replayed; a handshake that refuses is no reason to lose one. */
        if (outbound->replayable && !outbound->lossy &&
            (!chosen->strand || !chosen->strand->units || unit_holds(session, outbound, chosen->strand->units->room)))
            return choose_message(session, outbound, chosen);
    }
    return false;
}

bool schedule_replayable(const struct session *session)
{
    struct chosen chosen = {0};
    for (unsigned i = 0; i < CLASSES; i++) {
        struct class *class = class_at((struct session *)(uintptr_t)session, i);
        if (class && choose_early((struct session *)(uintptr_t)session, class, &chosen))
            return true;
    }
    return false;
}

bool schedule_choose(struct session *session, struct session_strand *strand, struct chosen *chosen)
{
    session->limit_due = NEVER;
    chosen->limit = UINT64_MAX;
    chosen->strand = strand;
    chosen->ahead = 0;
    chosen->own = NULL;
    chosen->class = NULL;
    if (schedule_own(session, strand, chosen))
        return true;
    if (!strand_carries(strand)) /* it was asked for what is bound to it alone, of which the last may just have gone */
        return false;
    if (!strand->early && !list_empty(&session->reserved)) {
        chosen->class = NULL;
        chosen->lane = LANE_COUNT;
        if (choose_stream(session, &session->reserved, true, chosen))
            return true;
        chosen->limit = UINT64_MAX;
    }
    for (unsigned word = 0; word < CLASSES / 64; word++) {
        uint64_t bits = session->busy[word];
        while (bits) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(bits);
            chosen->class_index = (uint8_t)index;
            struct class *class = class_at(session, index);
            bits &= bits - 1;
            if (!class || class_empty(class)) {
                session->busy[word] &= ~(UINT64_C(1) << (index % 64));
                continue;
            }
            if (strand->early ? choose_early(session, class, chosen) : choose_in_class(session, class, chosen))
                return true;
        }
    }
    return false;
}

void turn_used(uint8_t *turn, uint32_t *quantum, uint8_t lane, uint8_t lanes, size_t bytes)
{
    if (*turn != lane || *quantum == 0) {
        *turn = lane;
        *quantum = BULK_MIN;
    }
    *quantum = bytes < *quantum ? *quantum - (uint32_t)bytes : 0;
    if (*quantum == 0)
        *turn = (uint8_t)((lane + 1) % lanes);
}

void schedule_used(struct session_strand *strand, const struct chosen *chosen, size_t bytes)
{
    struct class *class = chosen->class;
    if (chosen->own)
        own_used(strand, chosen, bytes);
    else if (chosen->lane != LANE_COUNT)
        turn_used(&class->turn, &class->quantum, (uint8_t)chosen->lane, LANE_COUNT, bytes);
}
