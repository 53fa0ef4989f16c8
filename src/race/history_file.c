/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written to the file and read from it. It is a cache: losing it costs time, and believing it costs at most an
 * order of attempts; rows that make no sense count as nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "race/history_db.h"

#define COLUMNS "service, network, address, stack, succeeded, failed, last_code, last, rtt, establish, rate, speaks"

/* ------------------------------------------------------------------------------------------------------------- items */

static const char *column_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    return text && (size_t)sqlite3_column_bytes(row, column) == strlen(text) && strlen(text) < HISTORY_TEXT ? text
                                                                                                            : NULL;
}

static bool sane(const struct history_record *record, int64_t now)
{
    return record->succeeded >= 0 && record->succeeded < 1e9 && record->failed >= 0 && record->failed < 1e9 &&
           record->last >= 0 && record->last <= now + HISTORY_MAX_AGE && record->rtt_us >= 0 &&
           record->rtt_us < INT64_C(3600000000) && record->establish_us >= 0 &&
           record->establish_us < INT64_C(3600000000) && record->last_code <= 0;
}

/* What columns 4 to 11 say; rows that make no sense count as nothing. */
static bool row_record(sqlite3_stmt *row, struct history_record *record, enum history_speaks *speaks)
{
    int64_t said = sqlite3_column_int64(row, 11);

    *record = (struct history_record){
        .succeeded = sqlite3_column_double(row, 4),
        .failed = sqlite3_column_double(row, 5),
        .last_code = sqlite3_column_int(row, 6),
        .last = sqlite3_column_int64(row, 7),
        .rtt_us = sqlite3_column_int64(row, 8),
        .establish_us = sqlite3_column_int64(row, 9),
        .rate = (uint64_t)sqlite3_column_int64(row, 10),
    };
    *speaks = said == HISTORY_SESSION || said == HISTORY_BARE ? (enum history_speaks)said : HISTORY_UNKNOWN;
    return sane(record, history_clock()) && sqlite3_column_int64(row, 10) >= 0;
}

static void bind_key(sqlite3_stmt *statement, const struct history_key *key)
{
    sqlite3_bind_text(statement, 1, key->service, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, key->network, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, key->address, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, key->stack, -1, SQLITE_STATIC);
}

static void write_item(struct store *store, sqlite3_stmt *find, sqlite3_stmt *put, const struct history_item *item)
{
    struct history_record record = {.last = 0};
    enum history_speaks speaks = HISTORY_UNKNOWN;
    int step;

    bind_key(find, &item->key);
    step = sqlite3_step(find);
    if (step == SQLITE_ROW && !row_record(find, &record, &speaks))
        record = (struct history_record){.last = 0};
    sqlite3_reset(find);
    if (!store_ok(store, step))
        return;
    record_add(&record, &item->record);
    bind_key(put, &item->key);
    sqlite3_bind_double(put, 5, record.succeeded);
    sqlite3_bind_double(put, 6, record.failed);
    sqlite3_bind_int(put, 7, record.last_code);
    sqlite3_bind_int64(put, 8, record.last);
    sqlite3_bind_int64(put, 9, record.rtt_us);
    sqlite3_bind_int64(put, 10, record.establish_us);
    sqlite3_bind_int64(put, 11, (sqlite3_int64)record.rate);
    sqlite3_bind_int(put, 12, item->speaks ? item->speaks : speaks);
    store_ok(store, sqlite3_step(put));
    sqlite3_reset(put);
}

static void write_items(struct store *store, const struct list *changes)
{
    sqlite3_stmt *find = store_prepare(store, "SELECT " COLUMNS " FROM entries"
                                              " WHERE service = ? AND network = ? AND address = ? AND stack = ?");
    sqlite3_stmt *put =
        store_prepare(store, "INSERT OR REPLACE INTO entries(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");

    for (const struct list *at = changes->next; at != changes && store->code == SQLITE_OK; at = at->next)
        write_item(store, find, put, container_of(at, const struct history_item, link));
    sqlite3_finalize(find);
    sqlite3_finalize(put);
}

static void write_counters(struct store *store, const uint64_t counted[COUNT_COUNTERS])
{
    sqlite3_stmt *add = store_prepare(store, "INSERT INTO counters VALUES(?, ?)"
                                             " ON CONFLICT(name) DO UPDATE SET value = value + excluded.value");

    for (unsigned i = 0; i < COUNT_COUNTERS && store->code == SQLITE_OK; i++) {
        if (counted[i] == 0)
            continue;
        sqlite3_bind_text(add, 1, history_counter_names[i], -1, SQLITE_STATIC);
        sqlite3_bind_int64(add, 2, (sqlite3_int64)counted[i]);
        store_ok(store, sqlite3_step(add));
        sqlite3_reset(add);
    }
    sqlite3_finalize(add);
}

static void prune(struct store *store)
{
    char sql[400];
    int64_t above;

    snprintf(sql, sizeof sql, "DELETE FROM entries WHERE last < %lld", (long long)(history_clock() - HISTORY_MAX_AGE));
    store_run(store, sql);
    above = store_ask(store, "SELECT count(*) FROM entries") - HISTORY_ENTRIES_MAX;
    if (above <= 0)
        return;
    snprintf(sql, sizeof sql,
             "DELETE FROM entries WHERE (service, network, address, stack) IN"
             " (SELECT service, network, address, stack FROM entries ORDER BY last LIMIT %lld)",
             (long long)above);
    store_run(store, sql);
}

static struct history_item *read_item(sqlite3_stmt *row)
{
    const struct history_key key = {.service = column_text(row, 0),
                                    .network = column_text(row, 1),
                                    .address = column_text(row, 2),
                                    .stack = column_text(row, 3)};
    struct history_record record;
    enum history_speaks speaks;
    struct history_item *item;

    if (!key.network || !key.service || !key.address || !key.stack || !row_record(row, &record, &speaks))
        return NULL;
    item = item_new(&key);
    if (item) {
        item->record = record;
        item->speaks = speaks;
    }
    return item;
}

static void read_services(struct store *store, const struct list *services, struct list *rows)
{
    sqlite3_stmt *row = store_prepare(store, "SELECT " COLUMNS " FROM entries WHERE service = ? AND last >= ?"
                                             " ORDER BY last DESC LIMIT ?");

    for (const struct list *at = services->next; at != services && store->code == SQLITE_OK; at = at->next) {
        int step;

        sqlite3_bind_text(row, 1, container_of(at, const struct history_item, link)->key.service, -1, SQLITE_STATIC);
        sqlite3_bind_int64(row, 2, history_clock() - HISTORY_MAX_AGE);
        sqlite3_bind_int(row, 3, HISTORY_SERVICE_MAX);
        while ((step = sqlite3_step(row)) == SQLITE_ROW) {
            struct history_item *item = read_item(row);

            if (item)
                list_append(rows, &item->link);
        }
        store_ok(store, step);
        sqlite3_reset(row);
    }
    sqlite3_finalize(row);
}

static void read_counters(struct store *store, uint64_t counters[COUNT_COUNTERS])
{
    sqlite3_stmt *ask = store_prepare(store, "SELECT value FROM counters WHERE name = ?");

    for (unsigned i = 0; i < COUNT_COUNTERS && store->code == SQLITE_OK; i++) {
        sqlite3_bind_text(ask, 1, history_counter_names[i], -1, SQLITE_STATIC);
        if (store_ok(store, sqlite3_step(ask)) && sqlite3_column_int64(ask, 0) > 0)
            counters[i] = (uint64_t)sqlite3_column_int64(ask, 0);
        sqlite3_reset(ask);
    }
    sqlite3_finalize(ask);
}

/* ------------------------------------------------------------------------------------------------------------- visits */

static bool writes(const struct history_visit *visit)
{
    for (unsigned i = 0; i < COUNT_COUNTERS; i++)
        if (visit->counted[i])
            return true;
    return !list_empty(&visit->changes);
}

/* Writing and reading are one transaction: what is read is what was written, and what others wrote before. */
static void transact(struct store *store, struct history_visit *visit)
{
    bool write = writes(visit);

    if (!store_run(store, write ? "BEGIN IMMEDIATE" : "BEGIN"))
        return;
    visit->generation = (uint64_t)store_ask(store, "SELECT value FROM counters WHERE name = 'generation'");
    if (write) {
        write_items(store, &visit->changes);
        write_counters(store, visit->counted);
        store_run(store, "UPDATE counters SET value = value + 1 WHERE name = 'generation'");
        prune(store);
    }
    if (store->code == SQLITE_OK && !list_empty(&visit->asked))
        read_services(store, &visit->asked, &visit->rows);
    visit->read = true;
    if (store->code == SQLITE_OK && visit->generation != visit->known) {
        if (!list_empty(&visit->again))
            read_services(store, &visit->again, &visit->rows);
        visit->read_again = true;
    }
    if (store->code == SQLITE_OK && visit->ask_counters) {
        read_counters(store, visit->counters);
        visit->counters_read = true;
    }
    visit->generation += write;
    if (store->code == SQLITE_OK)
        store_run(store, "COMMIT");
    if (store->code != SQLITE_OK) {
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        items_free(&visit->rows);
        visit->read = visit->read_again = visit->counters_read = false;
    }
}

void history_file_visit(struct history_visit *visit)
{
    struct store store;
    bool again = true;

    for (unsigned tries = 0; again && tries < 3; tries++) {
        again = false;
        if (store_open(&store, visit->directory, writes(visit), visit->busy_ms))
            transact(&store, visit);
        else if (store.code == SQLITE_OK)
            visit->read = visit->read_again = visit->counters_read = true; /* there is no file: nothing is known */
        if (store_fate(&store) == BAD) {
            store_set_aside(&store, visit->said, sizeof visit->said);
            again = store_fate(&store) == BAD;
        }
        store_close(&store);
    }
    visit->code = store_errno(&store);
    if (visit->code == 0)
        items_free(&visit->changes);
    else if (visit->code != -EBUSY)
        snprintf(visit->said, sizeof visit->said, "%.160s cannot be used (%s): what is learnt stays in memory",
                 store.path, store.why);
}

int history_file_forget(const char *directory, const char *service, uint64_t *ret_count, char *said, size_t size)
{
    struct store store;
    sqlite3_stmt *statement;
    uint64_t count = 0;

    *said = '\0';
    if (store_open(&store, directory, false, HISTORY_BUSY_WORKER)) {
        /* What is forgotten is not to be found in free pages or in the log either. */
        store_run(&store, "PRAGMA secure_delete = ON");
        statement = store_prepare(&store, "DELETE FROM entries WHERE ?1 IS NULL OR service = ?1");
        if (statement) {
            sqlite3_bind_text(statement, 1, service, -1, SQLITE_STATIC);
            store_ok(&store, sqlite3_step(statement));
            sqlite3_finalize(statement);
        }
        count = (uint64_t)sqlite3_changes64(store.db);
        store_run(&store, "UPDATE counters SET value = value + 1 WHERE name = 'generation'");
        if (store.code == SQLITE_OK)
            (void)sqlite3_wal_checkpoint_v2(store.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    if (store_fate(&store) == BAD) {
        store_set_aside(&store, said, size);
        if (store_fate(&store) == BAD)
            store.code = SQLITE_OK; /* nothing is remembered any more */
    }
    store_close(&store);
    *ret_count = count;
    return store_errno(&store);
}
