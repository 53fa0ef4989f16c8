/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering from several sources (S1.13, S1.17). Each source has a queue of its own, which holds its peer back by credit, and
 * by a pause once its share of the memory is used up. Taking goes round the sources that have something: each visit lends
 * QUANTUM bytes, and who took more than was lent waits until it is paid back. So nobody waits for a source that has nothing,
 * and nobody gets more than the others while they have something.
 */
#include "association/gather.h"

#include "association/kept.h"
#include "association/task.h"

#define DEFAULT_MEMORY (16u << 20)
#define SHARE_MIN 65536
#define QUANTUM 16384
#define COST 128            /* of a message beside its bytes, as over hawser/1 */
#define HANDLED_AT_ONCE 256 /* in one dispatch, so that other work goes on */

struct gather_source {
    struct list link;  /* in gathering->sources */
    struct list ready; /* in gathering->ready: something waits */
    hawser_gathering *gathering;
    hawser_association *association; /* a reference */
    struct list items;
    uint64_t waiting; /* bytes */
    int64_t lent;     /* that it may still take; negative: it took more */
    bool paused;
    bool ended;   /* that is still to be told */
    bool leaving; /* hawser_gathering_remove() */
};

struct hawser_gathering {
    struct list link;        /* in associations.gatherings */
    hawser_context *context; /* NULL: it has ended */
    unsigned refs;
    struct list sources, ready;
    unsigned source_count, ready_count;
    uint64_t memory;
    struct list tasks;
    struct loop_deferred deferred;
    hawser_gathered_fn fn;
    void *user;
    struct kept *last; /* taken last: its marks and gaps */
    hawser_association *last_source;
};

/* ----------------------------------------------------------------------------------------------------------- sources */

static uint64_t share_of(const hawser_gathering *gathering)
{
    uint64_t share = gathering->memory / (gathering->source_count ? gathering->source_count : 1);

    return share > SHARE_MIN ? share : SHARE_MIN;
}

static void gathering_wake(hawser_gathering *gathering)
{
    for (struct list *at = gathering->tasks.next; at != &gathering->tasks; at = at->next)
        task_wake(container_of(at, struct task, waiting));
    if (gathering->fn && gathering->ready_count && !list_linked(&gathering->deferred.link))
        loop_defer(gathering->context, &gathering->deferred);
}

static void source_ready(struct gather_source *source)
{
    hawser_gathering *gathering = source->gathering;

    if (!list_linked(&source->ready)) {
        list_append(&gathering->ready, &source->ready);
        gathering->ready_count++;
    }
    gathering_wake(gathering);
}

static void source_unready(struct gather_source *source)
{
    if (!list_linked(&source->ready))
        return;
    list_remove(&source->ready);
    source->gathering->ready_count--;
}

/* Nothing of the association comes here any more. */
static void source_unhook(struct gather_source *source)
{
    hawser_association *association = source->association;
    hawser_event_type type = association->listener ? HAWSER_ACCEPTED : HAWSER_RECEIVED;

    if (association->gathered != source)
        return;
    association->gathered = NULL;
    if (association->slots[type].user == source)
        association->slots[type] = (struct slot){NULL, NULL};
    if (source->paused)
        (void)hawser_resume(association);
    source->paused = false;
}

static void source_free(struct gather_source *source)
{
    hawser_gathering *gathering = source->gathering;

    source_unhook(source);
    source_unready(source);
    list_remove(&source->link);
    gathering->source_count--;
    while (!list_empty(&source->items)) {
        struct kept *item = list_first(&source->items, struct kept, link);

        list_remove(&item->link);
        kept_drop(item);
    }
    hawser_association_unref(source->association);
    free(source);
}

static void on_received(const hawser_event *event, void *user)
{
    struct gather_source *source = user;
    struct kept *item;

    if (kept_new(&event->received, &item) < 0) {
        (void)hawser_refuse(event->association, event->received.id, "the receiver has no memory");
        return;
    }
    list_append(&source->items, &item->link);
    source->waiting += item->received.size + COST;
    if (!source->paused && source->waiting >= share_of(source->gathering))
        source->paused = hawser_pause(event->association) == 0;
    source_ready(source);
}

static int source_add(hawser_gathering *gathering, hawser_association *association, hawser_event_type type,
                      hawser_handler handler)
{
    struct gather_source *source = calloc(1, sizeof *source);
    int r;

    if (!source)
        return -ENOMEM;
    r = hawser_register(association, type, handler, source);
    if (r < 0) {
        free(source);
        return r;
    }
    list_init(&source->items);
    list_init(&source->ready);
    source->gathering = gathering;
    source->association = hawser_association_ref(association);
    association->gathered = source;
    list_append(&gathering->sources, &source->link);
    gathering->source_count++;
    return 0;
}

/* No memory: nobody takes it, and it is refused. */
static void on_accepted(const hawser_event *event, void *user)
{
    const struct gather_source *listener = user;

    (void)source_add(listener->gathering, event->accepted.association, HAWSER_RECEIVED, on_received);
}

void gather_over(hawser_association *association)
{
    struct gather_source *source = association->gathered;

    if (!source)
        return;
    source->paused = false; /* nothing comes that could be resumed */
    source_unhook(source);
    source->ended = true;
    source_ready(source);
}

int hawser_gathering_add(hawser_gathering *gathering, hawser_association *association)
{
    int r;

    if (!gathering || !association)
        return -EINVAL;
    r = association_check(association);
    if (r < 0)
        return r;
    if (association->context != gathering->context)
        return -EINVAL;
    if (!association->open || association->ended)
        return -ENOTCONN;
    if (association->gathered)
        return -EBUSY;
    if (association->listener)
        return event_wanted(association, HAWSER_ACCEPTED)
                   ? -EBUSY
                   : source_add(gathering, association, HAWSER_ACCEPTED, on_accepted);
    if (event_wanted(association, HAWSER_RECEIVED) || event_wanted(association, HAWSER_RECEIVED_MANY))
        return -EBUSY;
    return source_add(gathering, association, HAWSER_RECEIVED, on_received);
}

int hawser_gathering_remove(hawser_gathering *gathering, hawser_association *association)
{
    struct gather_source *source = association ? association->gathered : NULL;

    if (!gathering || !source || source->gathering != gathering)
        return -ENOENT;
    source_unhook(source);
    source->leaving = true;
    if (list_empty(&source->items))
        source_free(source);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ taking */

static void forget_last(hawser_gathering *gathering)
{
    kept_free(gathering->last);
    gathering->last = NULL;
    gathering->last_source = hawser_association_unref(gathering->last_source);
}

/* All have taken more than was lent to them: the one that owes least is even now. */
static void lend_all(hawser_gathering *gathering)
{
    int64_t most = INT64_MIN;

    for (struct list *at = gathering->ready.next; at != &gathering->ready; at = at->next) {
        const struct gather_source *source = container_of(at, struct gather_source, ready);

        most = source->lent > most ? source->lent : most;
    }
    for (struct list *at = gathering->ready.next; at != &gathering->ready; at = at->next)
        container_of(at, struct gather_source, ready)->lent += 1 - most;
}

static struct gather_source *choose(hawser_gathering *gathering)
{
    unsigned visits = 0;

    for (;;) {
        struct gather_source *source = list_first(&gathering->ready, struct gather_source, ready);

        if (source->lent > 0 || list_empty(&source->items))
            return source;
        source->lent += QUANTUM;
        list_remove(&source->ready);
        list_append(&gathering->ready, &source->ready);
        if (++visits > 2 * gathering->ready_count) {
            lend_all(gathering);
            visits = 0;
        }
    }
}

static void take_item(struct gather_source *source, hawser_gathered *gathered)
{
    hawser_gathering *gathering = source->gathering;
    struct kept *item = list_first(&source->items, struct kept, link);

    list_remove(&item->link);
    source->waiting -= item->received.size + COST;
    source->lent -= (int64_t)(item->received.size + COST);
    gathered->message = item->message;
    gathered->received = item->received;
    gathering->last = item;
    if (source->paused && source->waiting < share_of(gathering) / 2)
        source->paused = hawser_resume(source->association) < 0;
    if (!list_empty(&source->items) || source->ended)
        return;
    source_unready(source);
    source->lent = source->lent < 0 ? source->lent : 0; /* who had nothing saves nothing up */
    if (source->leaving)
        source_free(source);
}

static void take_end(struct gather_source *source, hawser_gathered *gathered)
{
    const hawser_association *association = source->association;

    gathered->code = association->code;
    gathered->reason = association->end_reason ? association->end_reason : "";
    source_free(source);
}

int gather_take(hawser_gathering *gathering, hawser_gathered *ret_gathered)
{
    hawser_gathered gathered = {.reason = ""};
    struct gather_source *source;

    if (!gathering->context)
        return -ECANCELED;
    if (list_empty(&gathering->ready))
        return gathering->source_count ? -EAGAIN : -ENOENT;
    forget_last(gathering);
    source = choose(gathering);
    gathered.source = gathering->last_source = hawser_association_ref(source->association);
    if (list_empty(&source->items))
        take_end(source, &gathered);
    else
        take_item(source, &gathered);
    *ret_gathered = gathered;
    return 0;
}

int hawser_gathering_next(hawser_gathering *gathering, int64_t timeout_us, hawser_gathered *ret_gathered)
{
    int64_t until = loop_after(loop_clock(), timeout_us < 0 ? 0 : timeout_us);
    const struct associations *all;
    bool busy;
    int r;

    if (!gathering || !ret_gathered)
        return -EINVAL;
    if (!gathering->context)
        return -ECANCELED;
    r = loop_check(gathering->context);
    if (r < 0)
        return r;
    if (gathering->fn)
        return -EBUSY;
    all = loop_part(gathering->context, LOOP_PART_ASSOCIATIONS);
    busy = loop_dispatching(gathering->context) || all->running;
    while ((r = gather_take(gathering, ret_gathered)) == -EAGAIN && timeout_us != 0) {
        int64_t left = until - loop_clock();

        if (busy)
            return -EBUSY;
        if (timeout_us > 0 && left <= 0)
            break;
        r = hawser_iterate(gathering->context, timeout_us < 0 ? -1 : left);
        if (r < 0)
            return r;
    }
    return r;
}

static void run_handler(struct loop_deferred *deferred)
{
    hawser_gathering *gathering = container_of(deferred, hawser_gathering, deferred);
    hawser_gathered gathered;
    unsigned count = 0;

    (void)hawser_gathering_ref(gathering);
    while (gathering->fn && gathering->refs > 1 && count++ < HANDLED_AT_ONCE &&
           gather_take(gathering, &gathered) == 0) {
        gathering->fn(&gathered, gathering->user);
        hawser_message_unref(gathered.message);
    }
    forget_last(gathering);
    if (gathering->fn && gathering->context && gathering->ready_count)
        loop_defer_next(gathering->context, &gathering->deferred);
    hawser_gathering_unref(gathering);
}

int hawser_gathering_handle(hawser_gathering *gathering, hawser_gathered_fn fn, void *user)
{
    if (!gathering)
        return -EINVAL;
    if (!gathering->context)
        return -ECANCELED;
    gathering->fn = fn;
    gathering->user = user;
    gathering_wake(gathering);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------------- life */

int hawser_gathering_new(hawser_context *context, const hawser_gathering_options *given,
                         hawser_gathering **ret_gathering)
{
    hawser_gathering_options options;
    hawser_gathering *gathering;
    struct associations *all;
    int r;

    r = loop_check(context);
    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r == 0 && !ret_gathering)
        r = -EINVAL;
    if (r == 0)
        r = associations_of(context, &all);
    if (r < 0)
        return r;
    gathering = calloc(1, sizeof *gathering);
    if (!gathering)
        return -ENOMEM;
    gathering->context = context;
    gathering->refs = 1;
    gathering->memory = options.memory ? options.memory : DEFAULT_MEMORY;
    list_init(&gathering->sources);
    list_init(&gathering->ready);
    list_init(&gathering->tasks);
    loop_deferred_init(&gathering->deferred, run_handler);
    list_append(&all->gatherings, &gathering->link);
    *ret_gathering = gathering;
    return 0;
}

hawser_gathering *hawser_gathering_ref(hawser_gathering *gathering)
{
    if (gathering)
        gathering->refs++;
    return gathering;
}

hawser_gathering *hawser_gathering_unref(hawser_gathering *gathering)
{
    if (!gathering || --gathering->refs > 0)
        return NULL;
    gathering->refs = 1; /* what is let go may tell of it */
    gathering->fn = NULL;
    while (!list_empty(&gathering->sources))
        source_free(list_first(&gathering->sources, struct gather_source, link));
    forget_last(gathering);
    if (gathering->context) {
        loop_undefer(&gathering->deferred);
        list_remove(&gathering->link);
    }
    free(gathering);
    return NULL;
}

void gatherings_end(struct associations *all)
{
    while (!list_empty(&all->gatherings)) {
        hawser_gathering *gathering = list_first(&all->gatherings, hawser_gathering, link);

        list_remove(&gathering->link);
        loop_undefer(&gathering->deferred);
        gathering->context = NULL;
    }
}

hawser_context *gather_context(const hawser_gathering *gathering)
{
    return gathering->context;
}

struct list *gather_tasks(hawser_gathering *gathering)
{
    return &gathering->tasks;
}

bool gather_handled(const hawser_gathering *gathering)
{
    return gathering->fn != NULL;
}
