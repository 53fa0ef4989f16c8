/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered, in memory: a tree by service, network, address and stack, what was used last first in a list. Each service has
 * an entry of its own, with nothing but its name: what it speaks, and that it was read. What is noted changes memory at
 * once; what changed is handed to the file in one visit, a second later, on the worker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/history.h>

#include "base/tree.h"
#include "loop/loop.h"
#include "race/history_store.h"

struct entry {
    RB_ENTRY(entry) node;
    struct list link; /* history.newest: used last */
    struct history_key key;
    struct history_record known;   /* all that is known */
    struct history_record changed; /* what of it the file was not told yet */
    enum history_speaks speaks;
    bool dirty, speaks_changed;
    bool loaded; /* of a service's own: what the file has of it was read */
    char texts[];
};
RB_HEAD(entry_tree, entry);

struct history {
    hawser_context *context;
    struct entry_tree tree;
    struct list newest;
    unsigned count;
    uint64_t here[COUNT_COUNTERS], all[COUNT_COUNTERS]; /* all: as the file said */
    uint64_t pending[COUNT_COUNTERS];                   /* counted, and the file was not told yet */
    struct loop_timer timer;
    bool armed;
    bool in_memory;      /* there is no file, or it cannot be used */
    bool unsaved;        /* something changed that the file was not told */
    bool asked;          /* for the counters */
    uint64_t generation; /* of the file, when all that is loaded was as it says; 0: it is to be read again */
    struct list users;   /* history_user */
    struct loop_job job;
    bool visiting, visited; /* the job is under way; its work is done */
    struct history_visit visit;
};

/* ----------------------------------------------------------------------------------------------------------- entries */

static int compare(const struct entry *one, const struct entry *other)
{
    int order = strcmp(one->key.service, other->key.service);

    if (order == 0)
        order = strcmp(one->key.network, other->key.network);
    if (order == 0)
        order = strcmp(one->key.address, other->key.address);
    return order ? order : strcmp(one->key.stack, other->key.stack);
}
TREE_GENERATE(entry_tree, entry, node, compare)

static const struct history_key *service_key(const char *service, struct history_key *key)
{
    *key = (struct history_key){.network = "", .service = service, .address = "", .stack = ""};
    return key;
}

static struct entry *entry_find(struct history *history, const struct history_key *key)
{
    struct entry sought = {.key = *key};

    return RB_FIND(entry_tree, &history->tree, &sought);
}

static void entry_remove(struct history *history, struct entry *entry)
{
    RB_REMOVE(entry_tree, &history->tree, entry);
    list_remove(&entry->link);
    history->count--;
    free(entry);
}

static struct entry *entry_add(struct history *history, const struct history_key *key)
{
    struct entry *entry;

    if (history->count == HISTORY_ENTRIES_MAX)
        entry_remove(history, container_of(history->newest.prev, struct entry, link));
    entry = calloc(1, sizeof *entry + key_size(key));
    if (!entry)
        return NULL;
    entry->key = key_copy(key, entry->texts);
    list_prepend(&history->newest, &entry->link);
    RB_INSERT(entry_tree, &history->tree, entry);
    history->count++;
    return entry;
}

static bool key_fits(const struct history_key *key)
{
    return strlen(key->service) < HISTORY_TEXT && strlen(key->network) < HISTORY_TEXT &&
           strlen(key->address) < HISTORY_TEXT && strlen(key->stack) < HISTORY_TEXT;
}

/* The entry to note something in, as the newest; NULL: it cannot be noted. */
static struct entry *entry_touch(struct history *history, const struct history_key *key)
{
    struct entry *entry;

    if (!key_fits(key))
        return NULL;
    entry = entry_find(history, key);
    if (!entry)
        return entry_add(history, key);
    list_remove(&entry->link);
    list_prepend(&history->newest, &entry->link);
    return entry;
}

/* ------------------------------------------------------------------------------------------------------------- visits */

static void add_item(struct list *list, const struct history_key *key)
{
    struct history_item *item = item_new(key);

    if (item)
        list_append(list, &item->link);
}

static void fill_entry(struct history_visit *visit, struct entry *entry)
{
    struct history_item *item = entry->dirty ? item_new(&entry->key) : NULL;

    if (entry->loaded)
        add_item(&visit->again, &entry->key);
    if (!item)
        return;
    item->record = entry->changed;
    item->speaks = entry->speaks_changed ? entry->speaks : HISTORY_UNKNOWN;
    entry->changed = (struct history_record){.last = 0};
    entry->dirty = entry->speaks_changed = false;
    list_append(&visit->changes, &item->link);
}

/* Hands over what changed. What finds no memory waits for the next visit. */
static void visit_fill(struct history *history, const char *service)
{
    struct history_visit *visit = &history->visit;
    struct history_key key;

    memset(visit, 0, sizeof *visit);
    visit->directory = loop_state_dir(history->context);
    list_init(&visit->changes);
    list_init(&visit->asked);
    list_init(&visit->again);
    list_init(&visit->rows);
    visit->known = history->generation;
    history->unsaved = false;
    memcpy(visit->counted, history->pending, sizeof visit->counted);
    memset(history->pending, 0, sizeof history->pending);
    if (service)
        add_item(&visit->asked, service_key(service, &key));
    for (struct list *at = history->newest.next; at != &history->newest; at = at->next)
        fill_entry(visit, container_of(at, struct entry, link));
}

/* The file was busy: what was handed over is still to be told. */
static void visit_undo(struct history *history)
{
    struct history_visit *visit = &history->visit;

    history->unsaved = true;
    for (unsigned i = 0; i < COUNT_COUNTERS; i++)
        history->pending[i] += visit->counted[i];
    for (struct list *at = visit->changes.next; at != &visit->changes; at = at->next) {
        struct history_item *item = container_of(at, struct history_item, link);
        struct entry *entry = entry_find(history, &item->key);

        if (!entry)
            continue;
        record_add(&entry->changed, &item->record);
        entry->speaks_changed |= item->speaks != HISTORY_UNKNOWN;
        entry->dirty = true;
    }
}

/* What is known of a service is from here on what we changed ourselves, and what the file will say. */
static void service_clear(struct history *history, const char *service)
{
    struct history_key key;
    struct entry first = {.key = *service_key(service, &key)};
    struct entry *entry = RB_NFIND(entry_tree, &history->tree, &first), *next;

    for (; entry && strcmp(entry->key.service, service) == 0; entry = next) {
        next = RB_NEXT(entry_tree, &history->tree, entry);
        if (entry->dirty)
            entry->known = entry->changed;
        else
            entry_remove(history, entry);
    }
}

static void service_loaded(struct history *history, const char *service)
{
    struct history_key key;
    struct entry *entry = entry_find(history, service_key(service, &key));

    if (!entry)
        entry = entry_add(history, &key);
    if (entry)
        entry->loaded = true;
}

static void row_take(struct history *history, const struct history_item *row)
{
    struct entry *entry = entry_find(history, &row->key);

    if (!entry)
        entry = entry_add(history, &row->key);
    if (!entry)
        return;
    entry->known = row->record;
    record_add(&entry->known, &entry->changed);
    if (!entry->speaks_changed)
        entry->speaks = row->speaks;
}

/* Takes in what the file says, which holds all that it was told; what came since is added again. */
static void visit_read(struct history *history)
{
    struct history_visit *visit = &history->visit;

    if (visit->read_again)
        list_splice(&visit->asked, &visit->again);
    for (struct list *at = visit->asked.next; at != &visit->asked; at = at->next)
        service_clear(history, container_of(at, struct history_item, link)->key.service);
    for (struct list *at = visit->rows.next; at != &visit->rows; at = at->next)
        row_take(history, container_of(at, struct history_item, link));
    for (struct list *at = visit->asked.next; at != &visit->asked; at = at->next)
        service_loaded(history, container_of(at, struct history_item, link)->key.service);
}

static void visit_end(struct history *history)
{
    struct history_visit *visit = &history->visit;

    history->visiting = false;
    if (*visit->said)
        loop_log(history->context, HAWSER_LOG_WARNING, "%s", visit->said);
    if (visit->code == -EBUSY) {
        visit_undo(history);
    } else if (visit->code < 0) {
        history->in_memory = true;
    } else {
        visit_read(history);
        if (visit->counters_read)
            memcpy(history->all, visit->counters, sizeof history->all);
        else
            for (unsigned i = 0; i < COUNT_COUNTERS; i++)
                history->all[i] += visit->counted[i];
        history->generation = visit->generation;
    }
    items_free(&visit->changes);
    items_free(&visit->asked);
    items_free(&visit->again);
    items_free(&visit->rows);
}

static void work(struct loop_job *job)
{
    struct history *history = container_of(job, struct history, job);

    history_file_visit(&history->visit);
    history->visited = true;
}

static void arm(struct history *history)
{
    if (history->in_memory)
        return;
    history->unsaved = true;
    if (history->armed)
        return;
    history->armed =
        loop_timer_set(history->context, &history->timer, loop_now(history->context) + HISTORY_WRITE_DELAY) == 0;
}

static void done(struct loop_job *job)
{
    struct history *history = container_of(job, struct history, job);

    visit_end(history);
    if (history->unsaved)
        arm(history);
    for (struct list *at = history->users.next, *next; at != &history->users; at = next) {
        next = at->next; /* a user may leave while it is told, but no other does */
        container_of(at, struct history_user, link)->read(container_of(at, struct history_user, link));
    }
}

void history_join(struct history *history, struct history_user *user)
{
    list_append(&history->users, &user->link);
}

static void visit_begin(struct history *history, const char *service)
{
    if (history->visiting || history->in_memory)
        return;
    visit_fill(history, service);
    history->visit.busy_ms = HISTORY_BUSY_WORKER;
    history->visiting = true;
    history->visited = false;
    loop_job_start(history->context, &history->job);
}

/* Waits for a visit that is under way, or makes it here when it was not begun. */
static void visit_wait(struct history *history)
{
    if (!history->visiting)
        return;
    loop_job_cancel(history->context, &history->job);
    if (!history->visited) {
        history->visit.busy_ms = HISTORY_BUSY_HERE;
        work(&history->job);
    }
    visit_end(history);
}

static void visit_here(struct history *history, const char *service, bool ask_counters)
{
    visit_wait(history);
    if (history->in_memory)
        return;
    visit_fill(history, service);
    history->visit.busy_ms = HISTORY_BUSY_HERE;
    history->visit.ask_counters = ask_counters;
    work(&history->job);
    visit_end(history);
}

static void fire(struct loop_timer *timer, int64_t now)
{
    struct history *history = container_of(timer, struct history, timer);

    (void)now;
    history->armed = false;
    visit_begin(history, NULL);
}

static bool service_is_loaded(struct history *history, const char *service)
{
    struct history_key key;
    const struct entry *entry = entry_find(history, service_key(service, &key));

    return history->in_memory || (entry && entry->loaded);
}

void history_prepare(struct history *history, const char *service)
{
    if (strlen(service) < HISTORY_TEXT && !service_is_loaded(history, service))
        visit_begin(history, service);
}

bool history_ready(struct history *history, const char *service)
{
    return service_is_loaded(history, service);
}

static void load(struct history *history, const char *service)
{
    if (service_is_loaded(history, service))
        return;
    visit_wait(history);
    if (service_is_loaded(history, service))
        return;
    visit_here(history, service, false);
    if (!service_is_loaded(history, service)) { /* the file was busy: the next visit reads it */
        service_loaded(history, service);
        history->generation = 0;
    }
}

/* ---------------------------------------------------------------------------------------------------------- the calls */

static void note(struct history *history, const struct history_key *key, const struct history_record *seen)
{
    struct entry *entry = entry_touch(history, key);

    if (!entry)
        return;
    record_add(&entry->known, seen);
    if (!history->in_memory) {
        record_add(&entry->changed, seen);
        entry->dirty = true;
        arm(history);
    }
}

void history_note(struct history *history, const struct history_key *key, int code, int64_t rtt_us,
                  int64_t establish_us)
{
    const struct history_record seen = {
        .succeeded = code == 0,
        .failed = code != 0,
        .last_code = code,
        .last = history_clock(),
        .rtt_us = rtt_us > 0 ? rtt_us : 0,
        .establish_us = establish_us > 0 ? establish_us : 0,
    };

    note(history, key, &seen);
}

void history_note_rate(struct history *history, const struct history_key *key, uint64_t rate)
{
    const struct history_record seen = {.last = history_clock(), .rate = rate};

    if (rate <= INT64_MAX)
        note(history, key, &seen);
}

static bool asked_for(const struct history_key *asked, const struct history_key *key)
{
    return strcmp(asked->service, key->service) == 0 && *key->address &&
           (!asked->network || strcmp(asked->network, key->network) == 0) &&
           (!asked->address || strcmp(asked->address, key->address) == 0) &&
           (!asked->stack || strcmp(asked->stack, key->stack) == 0);
}

void history_recall(struct history *history, const struct history_key *key, struct history_record *ret_record)
{
    struct entry first = {.key = {.service = key->service,
                                  .network = key->network ? key->network : "",
                                  .address = key->network && key->address ? key->address : "",
                                  .stack = ""}};

    memset(ret_record, 0, sizeof *ret_record);
    load(history, key->service);
    for (struct entry *entry = RB_NFIND(entry_tree, &history->tree, &first);
         entry && strcmp(entry->key.service, key->service) == 0; entry = RB_NEXT(entry_tree, &history->tree, entry)) {
        if (key->network && strcmp(entry->key.network, key->network) != 0)
            break;
        if (asked_for(key, &entry->key))
            record_add(ret_record, &entry->known);
    }
    if (ret_record->last)
        record_age(ret_record, history_clock());
}

enum history_speaks history_speaks(struct history *history, const char *service)
{
    struct history_key key;
    struct entry *entry;

    load(history, service);
    entry = entry_find(history, service_key(service, &key));
    return entry ? entry->speaks : HISTORY_UNKNOWN;
}

void history_note_speaks(struct history *history, const char *service, enum history_speaks speaks)
{
    struct history_key key;
    struct entry *entry = speaks == HISTORY_UNKNOWN ? NULL : entry_touch(history, service_key(service, &key));

    if (!entry)
        return;
    entry->known.last = entry->changed.last = history_clock();
    entry->speaks = speaks;
    if (!history->in_memory) {
        entry->speaks_changed = entry->dirty = true;
        arm(history);
    }
}

void history_count(struct history *history, enum history_counter counter)
{
    history->here[counter]++;
    history->pending[counter]++;
    arm(history);
}

void history_counted(struct history *history, enum history_counter counter, bool ask, uint64_t *ret_here,
                     uint64_t *ret_all)
{
    if (ask || !history->asked)
        visit_here(history, NULL, true);
    history->asked = true;
    *ret_here = history->here[counter];
    *ret_all = history->all[counter] + history->pending[counter];
}

int hawser_forget(hawser_context *context, const char *service, uint64_t *ret_count)
{
    struct history *history;
    uint64_t count = 0, here = 0;
    char said[400];
    int r = loop_check(context);

    if (r == 0)
        r = history_of(context, &history);
    if (r < 0)
        return r;
    visit_here(history, NULL, false); /* so that what was noted is counted and forgotten too */
    for (struct list *at = history->newest.next, *next; at != &history->newest; at = next) {
        struct entry *entry = container_of(at, struct entry, link);

        next = at->next;
        if (!service || strcmp(entry->key.service, service) == 0) {
            entry_remove(history, entry);
            here++;
        }
    }
    if (!history->in_memory) {
        r = history_file_forget(loop_state_dir(context), service, &count, said, sizeof said);
        if (*said)
            loop_log(context, HAWSER_LOG_WARNING, "%s", said);
        history->generation = 0; /* read again: others may have added to it */
    }
    if (r == 0 && ret_count)
        *ret_count = history->in_memory ? here : count;
    return r;
}

/* --------------------------------------------------------------------------------------------------------------- life */

static void history_free(void *value)
{
    struct history *history = value;

    loop_timer_clear(history->context, &history->timer);
    if (loop_check(history->context) == 0) {
        visit_wait(history);
        if (history->unsaved)
            visit_here(history, NULL, false);
    }
    while (!list_empty(&history->newest))
        entry_remove(history, list_first(&history->newest, struct entry, link));
    free(history);
}

int history_of(hawser_context *context, struct history **ret_history)
{
    struct history *history = loop_part(context, LOOP_PART_HISTORY);

    if (!history) {
        history = calloc(1, sizeof *history);
        if (!history)
            return -ENOMEM;
        history->context = context;
        RB_INIT(&history->tree);
        list_init(&history->newest);
        loop_timer_init(&history->timer, fire);
        list_init(&history->users);
        loop_job_init(&history->job, work, done);
        history->in_memory = !*loop_state_dir(context);
        loop_set_part(context, LOOP_PART_HISTORY, history, history_free);
    }
    *ret_history = history;
    return 0;
}
