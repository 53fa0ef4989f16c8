/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to one of a crew, or to all. A message waits in the crew's own queue until a member takes it; what a member has is
 * an ask, whose outcome says what becomes of it. Nothing is decided inside of an outcome, where it is not known yet
 * whether the line has ended with it: that is done at the end of the dispatch.
 */
#include "association/crew.h"

#include <stdio.h>

#define COST 128 /* of a message beside its bytes */
#define TOO_LATE "no member could take it in its lifetime"

enum ask_state { ASK_NOT_YET, ASK_UNDER_WAY, ASK_HAS, ASK_EXPIRED, ASK_FAILED };

struct crew_ask {
    struct crew_message *message;
    struct crew_member *member; /* NULL: it is no longer one, and was lost with what it had */
    unsigned life;              /* of the member's, in which it was asked */
    hawser_message_id id;
    enum ask_state state;
    int code;
    bool maybe_delivered;
};

struct crew_message {
    struct list link; /* in one of the queue's lists */
    hawser_crew *crew;
    hawser_message_id id;
    hawser_crew_whom whom;
    hawser_buffer *buffer;
    hawser_message_options options;
    uint32_t coordinates[HAWSER_COORDINATES_MAX];
    int64_t deadline; /* NEVER: none */
    unsigned under_way, lost;
    bool may_have_come; /* to one that was lost */
    char reason[160];
    unsigned ask_count;
    bool dealt; /* to all whom it goes to: what they say counts from now on */
    bool late;  /* its lifetime ended before all of them could take it */
    struct crew_ask asks[];
};

/* --------------------------------------------------------------------------------------------------------- outcomes */

static void message_free(struct crew_message *message)
{
    list_remove(&message->link);
    hawser_buffer_unref(message->buffer);
    free(message);
}

static uint64_t weight(const struct crew_message *message)
{
    return hawser_buffer_size(message->buffer) + COST;
}

static void put_waiting(struct crew_message *message, bool first)
{
    struct crew_queue *queue = &message->crew->queue;

    if (first)
        list_insert_before(queue->waiting.next, &message->link);
    else
        list_append(&queue->waiting, &message->link);
    queue->bytes += weight(message);
    queue->first_deadline = message->deadline < queue->first_deadline ? message->deadline : queue->first_deadline;
}

static void take_waiting(struct crew_message *message)
{
    message->crew->queue.bytes -= weight(message);
    list_remove(&message->link);
}

/* The message is in none of the lists; it is freed. */
static void conclude(struct crew_message *message, hawser_outcome kind, int code, const char *reason,
                     const struct crew_member *member, unsigned delivered)
{
    hawser_crew_member told;
    hawser_crew_event event = {
        .type = HAWSER_CREW_OUTCOME,
        .member = member ? &told : NULL,
        .code = code,
        .reason = reason,
        .id = message->id,
        .kind = kind,
        .maybe_delivered = kind == HAWSER_SEND_FAILED && message->may_have_come,
        .delivered = delivered,
        .lost = message->lost,
    };

    if (member)
        crew_member_tell(member, &told);
    crew_raise(message->crew, &event);
    message_free(message);
}

static bool was_lost(const struct crew_ask *ask)
{
    const struct crew_member *member = ask->member;

    return !member || ask->life != member->life || !member->line || member->line->ended;
}

/* All that were asked have said. */
static void judge(struct crew_message *message)
{
    const struct crew_ask *has = NULL, *refused = NULL, *expired = NULL, *lost = NULL;
    unsigned delivered = 0;

    list_remove(&message->link);
    for (unsigned i = 0; i < message->ask_count; i++) {
        const struct crew_ask *ask = &message->asks[i];

        if (ask->state == ASK_HAS) {
            has = ask;
            delivered++;
        } else if (ask->state == ASK_EXPIRED) {
            expired = ask;
        } else if (ask->state == ASK_FAILED && !was_lost(ask)) {
            refused = ask;
        } else if (ask->state == ASK_FAILED) {
            lost = ask;
            message->lost++;
            message->may_have_come |= ask->maybe_delivered;
        }
    }
    if (refused) {
        conclude(message, HAWSER_SEND_FAILED, refused->code, message->reason, NULL, delivered);
    } else if (expired || message->late) {
        conclude(message, HAWSER_EXPIRED, -HAWSER_EEXPIRED, expired ? message->reason : TOO_LATE, NULL, delivered);
    } else if (has) {
        conclude(message, HAWSER_ACKED, 0, "", message->whom == HAWSER_CREW_ONE ? has->member : NULL, delivered);
    } else if (message->may_have_come && !message->options.safely_replayable) {
        conclude(message, HAWSER_SEND_FAILED, lost ? lost->code : -HAWSER_ELOST, message->reason, NULL, 0);
    } else { /* nobody has it who could say so: others are asked, before what came later */
        message->ask_count = 0;
        message->dealt = false;
        put_waiting(message, true);
    }
}

/* Its state says what. */
static void ask_said(struct crew_ask *ask, int code, bool maybe_delivered, const char *reason)
{
    struct crew_message *message = ask->message;
    hawser_crew *crew = message->crew;

    ask->member->under_way--;
    message->under_way--;
    if (ask->state != ASK_HAS) {
        ask->code = code;
        ask->maybe_delivered = maybe_delivered;
        (void)snprintf(message->reason, sizeof message->reason, "%s", reason);
    }
    if (message->under_way == 0 && message->dealt) {
        list_remove(&message->link);
        list_append(&crew->queue.answered, &message->link);
    }
    crew_wake(crew);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct crew_ask *ask = user;

    if (event->outcome.kind == HAWSER_ACKED || event->outcome.kind == HAWSER_HANDED_OVER)
        ask->state = ASK_HAS;
    else
        ask->state = event->outcome.kind == HAWSER_EXPIRED ? ASK_EXPIRED : ASK_FAILED;
    ask_said(ask, event->outcome.code, event->outcome.maybe_delivered, event->outcome.reason);
}

/* Asks of a member without a line have said what they have to say; that it was theirs is all they need it for. */
void crew_queue_forget(const struct crew_member *member)
{
    struct crew_queue *queue = &member->crew->queue;
    struct list *const lists[] = {&queue->waiting, &queue->under_way, &queue->answered};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (struct list *at = lists[i]->next; at != lists[i]; at = at->next) {
            struct crew_message *message = container_of(at, struct crew_message, link);

            for (unsigned n = 0; n < message->ask_count; n++)
                if (message->asks[n].member == member)
                    message->asks[n].member = NULL;
        }
}

void crew_queue_left(const struct crew_member *member, int code, const char *reason)
{
    struct list *const lists[] = {&member->crew->queue.waiting, &member->crew->queue.under_way};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (struct list *at = lists[i]->next, *next; at != lists[i]; at = next) {
            struct crew_message *message = container_of(at, struct crew_message, link);

            next = at->next;
            for (unsigned n = 0; n < message->ask_count; n++) {
                struct crew_ask *ask = &message->asks[n];

                if (ask->member != member || ask->life != member->life || ask->state != ASK_UNDER_WAY)
                    continue;
                ask->state = ASK_FAILED;
                ask_said(ask, code, true, reason);
            }
        }
}

/* ------------------------------------------------------------------------------------------------------------ asking */

/* 0: it has it now, or cannot be asked any more; -EAGAIN: later. */
static int ask_member(struct crew_message *message, struct crew_member *member)
{
    struct crew_ask *ask = &message->asks[message->ask_count];
    hawser_message_options options = message->options;
    int r;

    if (message->deadline != NEVER) {
        int64_t left = message->deadline - loop_now(message->crew->context);

        options.lifetime_us = left > 0 ? left : 1; /* 0 were for ever */
    }
    r = hawser_send_buffer(member->line, message->buffer, 0, hawser_buffer_size(message->buffer), &options, &ask->id);
    if (r == -EAGAIN) {
        member->full = true;
        return r;
    }
    *ask = (struct crew_ask){
        .message = message, .member = member, .life = member->life, .id = ask->id, .state = ASK_UNDER_WAY};
    message->ask_count++;
    if (r == 0 && hawser_register_message(member->line, ask->id, HAWSER_OUTCOME, on_outcome, ask) < 0) {
        (void)hawser_cancel(member->line, ask->id);
        r = -ENOMEM;
    }
    if (r < 0) {
        ask->state = ASK_FAILED;
        ask->code = r;
        (void)snprintf(message->reason, sizeof message->reason, "%s", hawser_strerror(r));
        return 0;
    }
    message->under_way++;
    member->under_way++;
    return 0;
}

static bool can_ask(const struct crew_member *member)
{
    return member->up && member->line && !member->line->ended && !close_is_asked(member->line);
}

static int ask_one(struct crew_message *message)
{
    hawser_crew *crew = message->crew;
    struct crew_member *best = NULL;

    for (struct list *at = crew->members.next; at != &crew->members; at = at->next) {
        struct crew_member *member = container_of(at, struct crew_member, link);

        if (!can_ask(member) || member->full)
            continue;
        if (!best || member->priority < best->priority ||
            (member->priority == best->priority && member->under_way < best->under_way))
            best = member;
    }
    return best ? ask_member(message, best) : -EAGAIN;
}

static bool was_asked(const struct crew_message *message, const struct crew_member *member)
{
    for (unsigned i = 0; i < message->ask_count; i++)
        if (message->asks[i].member == member)
            return true;
    return false;
}

/* Where one takes no more, all wait for it: so the news are the same everywhere. */
static int ask_all(struct crew_message *message)
{
    hawser_crew *crew = message->crew;
    int r = 0;

    for (struct list *at = crew->members.next; at != &crew->members; at = at->next) {
        struct crew_member *member = container_of(at, struct crew_member, link);

        if (!can_ask(member) || was_asked(message, member))
            continue;
        if (message->ask_count == crew->member_max) /* those that were dropped meanwhile hold their places */
            break;
        if (member->full || ask_member(message, member) < 0)
            r = -EAGAIN;
    }
    return message->ask_count == 0 ? -EAGAIN : r;
}

/* The first that waits: 0, or -EAGAIN: nobody takes it now. */
static int deal(struct crew_message *message)
{
    struct crew_queue *queue = &message->crew->queue;
    int r = message->whom == HAWSER_CREW_ONE ? ask_one(message) : ask_all(message);

    if (r < 0)
        return r;
    take_waiting(message);
    message->dealt = true;
    list_append(message->under_way ? &queue->under_way : &queue->answered, &message->link);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- work */

static unsigned count_has(const struct crew_message *message)
{
    unsigned count = 0;

    for (unsigned i = 0; i < message->ask_count; i++)
        count += message->asks[i].state == ASK_HAS;
    return count;
}

static void expire(hawser_crew *crew)
{
    struct crew_queue *queue = &crew->queue;
    int64_t now = loop_now(crew->context);

    if (queue->first_deadline > now)
        return;
    queue->first_deadline = NEVER;
    for (struct list *at = queue->waiting.next, *next; at != &queue->waiting; at = next) {
        struct crew_message *message = container_of(at, struct crew_message, link);

        next = at->next;
        if (message->deadline > now) {
            queue->first_deadline =
                message->deadline < queue->first_deadline ? message->deadline : queue->first_deadline;
            continue;
        }
        take_waiting(message);
        message->late = true;
        if (message->under_way) { /* nobody else is asked; with those that were, it expires by itself */
            message->dealt = true;
            list_append(&queue->under_way, &message->link);
            continue;
        }
        list_init(&message->link);
        conclude(message, HAWSER_EXPIRED, -HAWSER_EEXPIRED, TOO_LATE, NULL, count_has(message));
        if (!crew_lives(crew))
            return;
        next = queue->waiting.next; /* the program may have done anything */
    }
}

void crew_queue_work(hawser_crew *crew)
{
    struct crew_queue *queue = &crew->queue;

    while (crew_lives(crew) && !list_empty(&queue->answered))
        judge(list_first(&queue->answered, struct crew_message, link));
    if (crew_lives(crew))
        expire(crew);
    while (crew_lives(crew) && !list_empty(&queue->waiting) &&
           deal(list_first(&queue->waiting, struct crew_message, link)) == 0)
        ;
    if (!crew_lives(crew))
        return;
    if (!list_empty(&queue->answered))
        crew_wake(crew);
    if (queue->was_full && queue->bytes <= queue->limit / 2) {
        queue->was_full = false;
        crew_raise(crew, &(hawser_crew_event){.type = HAWSER_CREW_WRITABLE, .reason = ""});
    }
    if (crew_lives(crew) && queue->first_deadline != NEVER)
        (void)loop_timer_set(crew->context, &crew->expiry, queue->first_deadline);
}

void crew_queue_fail(hawser_crew *crew, int code)
{
    struct crew_queue *queue = &crew->queue;

    while (crew_lives(crew) && !list_empty(&queue->waiting)) {
        struct crew_message *message = list_first(&queue->waiting, struct crew_message, link);

        take_waiting(message);
        if (message->under_way) { /* some of all have it: their word counts */
            message->dealt = true;
            list_append(&queue->under_way, &message->link);
            continue;
        }
        list_init(&message->link);
        conclude(message, HAWSER_SEND_FAILED, code, hawser_strerror(code), NULL, 0);
    }
}

bool crew_queue_empty(const hawser_crew *crew)
{
    return list_empty(&crew->queue.waiting) && list_empty(&crew->queue.under_way) && list_empty(&crew->queue.answered);
}

/* Nobody hears of their outcomes any more. */
static void forget_asks(struct crew_message *message)
{
    for (unsigned i = 0; i < message->ask_count; i++) {
        const struct crew_ask *ask = &message->asks[i];

        if (ask->state == ASK_UNDER_WAY && ask->member->line && ask->life == ask->member->life)
            (void)hawser_register_message(ask->member->line, ask->id, HAWSER_OUTCOME, NULL, NULL);
    }
}

void crew_queue_free(hawser_crew *crew)
{
    struct list *const lists[] = {&crew->queue.waiting, &crew->queue.under_way, &crew->queue.answered};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        while (!list_empty(lists[i])) {
            struct crew_message *message = list_first(lists[i], struct crew_message, link);

            forget_asks(message);
            message_free(message);
        }
}

/* ---------------------------------------------------------------------------------------------------------- sending */

static int check_options(const hawser_message_options *options)
{
    if (options->antecedent_count || options->ordered || options->reply_to || options->prefix_size ||
        options->release || options->want_sent || options->final || options->strand)
        return -EOPNOTSUPP;
    if (options->lifetime_us < 0 || (options->coordinate_count && !options->coordinates) || options->niceness < -100 ||
        options->niceness > 155)
        return -EINVAL;
    return options->coordinate_count > HAWSER_COORDINATES_MAX ? -E2BIG : 0;
}

static int message_new(hawser_crew *crew, hawser_crew_whom whom, size_t size, const hawser_message_options *options,
                       struct crew_message **ret_message)
{
    unsigned asks = whom == HAWSER_CREW_ALL ? crew->member_max : 1;
    struct crew_message *message = calloc(1, sizeof *message + asks * sizeof *message->asks);
    int r = message ? hawser_buffer_new(size, &message->buffer) : -ENOMEM;

    if (r < 0) {
        free(message);
        return r;
    }
    message->crew = crew;
    message->whom = whom;
    message->options = *options;
    message->options.struct_size = sizeof *options;
    if (options->coordinate_count)
        memcpy(message->coordinates, options->coordinates, options->coordinate_count * sizeof *message->coordinates);
    message->options.coordinates = message->coordinates;
    message->deadline = options->lifetime_us ? loop_after(loop_now(crew->context), options->lifetime_us) : NEVER;
    list_init(&message->link);
    *ret_message = message;
    return 0;
}

int hawser_crew_send(hawser_crew *crew, hawser_crew_whom whom, const void *data, size_t size,
                     const hawser_message_options *given, hawser_message_id *ret_id)
{
    hawser_message_options options;
    struct crew_message *message;
    int r;

    if (!crew || (size && !data) || (whom != HAWSER_CREW_ONE && whom != HAWSER_CREW_ALL))
        return -EINVAL;
    if (!crew->context || crew->closing)
        return -ESHUTDOWN;
    r = loop_check(crew->context);
    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r == 0)
        r = check_options(&options);
    if (r < 0)
        return r;
    if (crew->queue.bytes > 0 && (size > crew->queue.limit || crew->queue.bytes > crew->queue.limit - size)) {
        crew->queue.was_full = true;
        return -EAGAIN;
    }
    r = message_new(crew, whom, size, &options, &message);
    if (r < 0)
        return r;
    if (size)
        memcpy(hawser_buffer_data(message->buffer), data, size);
    message->id = ++crew->queue.last_id;
    put_waiting(message, false);
    if (ret_id)
        *ret_id = message->id;
    crew_wake(crew);
    return 0;
}
