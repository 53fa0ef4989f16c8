/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent next: reserved bandwidth, then niceness, then what must be sent again, then deadline, then age. Within one
 * niceness small messages, large ones in progress and streams take turns of about one bulk frame, so that none waits for
 * the whole of another; large messages are finished in order of age.
 */
#include <strings.h>

#include "session/internal.h"

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

    outbound->state = OUTBOUND_QUEUED;
    mark_busy(session, outbound->class);
    if (again(outbound)) {
        list = &class->again;
    } else if (outbound->opened) {
        if (!ready(outbound)) {
            outbound->state = outbound->through ? OUTBOUND_SENT : OUTBOUND_BLOCKED;
            return 0;
        }
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

void unschedule_stream(struct session *session, struct session_stream *stream)
{
    (void)session;
    list_remove(&stream->link);
    list_remove(&stream->reserved);
}

/* ---- choosing */

static bool stream_allowed(struct session *session, struct session_stream *stream, bool reserved, uint64_t *ret_limit)
{
    if (stream->pinned || (stream->local && !stream->paid && !credit_allows_stream(session)))
        return false;
    if (stream->bandwidth)
        stream_count_tokens(stream, session->now);
    *ret_limit = stream_sendable(stream, session->now, reserved);
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
        chosen->stream = stream;
        chosen->message = NULL;
        return true;
    }
    return false;
}

static bool choose_message(struct session *session, struct outbound *outbound, struct chosen *chosen)
{
    uint64_t paid;
    if (outbound->pinned || (!outbound->opened && !credit_allows(session, outbound, &paid)))
        return false;
    chosen->message = outbound;
    chosen->stream = NULL;
    return true;
}

/* The first that no strand is sending from just now; only large messages can be. */
static bool choose_first(struct session *session, struct list *list, struct chosen *chosen)
{
    for (struct list *link = list->next; link != list; link = link->next) {
        struct outbound *outbound = container_of(link, struct outbound, link);
        if (choose_message(session, outbound, chosen))
            return true;
        if (!outbound->pinned)
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
        if (outbound->replayable)
            return choose_message(session, outbound, chosen);
    }
    return false;
}

bool schedule_replayable(const struct session *session)
{
    struct chosen chosen;
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

void schedule_used(struct chosen *chosen, size_t bytes)
{
    struct class *class = chosen->class;
    if (chosen->lane == LANE_COUNT)
        return;
    if (class->turn != chosen->lane || class->quantum == 0) {
        class->turn = (uint8_t)chosen->lane;
        class->quantum = BULK_MIN;
    }
    class->quantum = bytes < class->quantum ? class->quantum - (uint32_t)bytes : 0;
    if (class->quantum == 0)
        class->turn = (uint8_t)((chosen->lane + 1) % LANE_COUNT);
}
