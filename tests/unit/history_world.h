/* SPDX-License-Identifier: Apache-2.0 */
/* A state directory of its own, contexts in it, and what its file says: for the tests of what is remembered. */
#ifndef UNIT_HISTORY_WORLD_H
#define UNIT_HISTORY_WORLD_H

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hawser/history.h>

#include "loop/loop.h"
#include "race/history_store.h"

struct world {
    char directory[64], file[128];
    char log[4096];
    unsigned log_lines;
};

__attribute__((unused)) static void on_log(hawser_log_level level, const char *text, void *user)
{
    struct world *w = user;
    size_t length = strlen(w->log);

    if (level > HAWSER_LOG_WARNING)
        return;
    w->log_lines++;
    snprintf(w->log + length, sizeof w->log - length, "%s\n", text);
}

__attribute__((unused)) static hawser_context *context_new(struct world *w, const char *state_dir)
{
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = state_dir, .log = on_log, .log_user = w,
                                                       .log_level = HAWSER_LOG_WARNING),
                                        &context),
                     0);
    return context;
}

__attribute__((unused)) static struct history *history(hawser_context *context)
{
    struct history *of;

    assert_int_equal(history_of(context, &of), 0);
    return of;
}

__attribute__((unused)) static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    snprintf(w->directory, sizeof w->directory, "/tmp/hawser-history-XXXXXX");
    if (!mkdtemp(w->directory))
        return -1;
    snprintf(w->file, sizeof w->file, "%s/state/history.sqlite", w->directory);
    snprintf(w->directory + strlen(w->directory), 8, "/state");
    *state = w;
    return 0;
}

__attribute__((unused)) static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

__attribute__((unused)) static int tear_down(void **state)
{
    struct world *w = *state;

    w->directory[strlen(w->directory) - strlen("/state")] = '\0';
    nftw(w->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

__attribute__((unused)) static const struct history_key one = {"eth0 192.0.2.254", "example.org:443", "192.0.2.1:443",
                                                               "tls/tcp"};

__attribute__((unused)) static struct history_record recalled(hawser_context *context, const struct history_key *key)
{
    struct history_record record;

    history_recall(history(context), key, &record);
    return record;
}

/* One number from the file, as another program would read it. */
__attribute__((unused)) static int64_t asked(const struct world *w, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    int64_t number;

    assert_int_equal(sqlite3_open_v2(w->file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

__attribute__((unused)) static void change_file(const struct world *w, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;

    assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

__attribute__((unused)) static bool there(const struct world *w, const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", w->directory, name);
    return access(path, F_OK) == 0;
}

/* One of many: 50 addresses a service. */
struct numbered {
    struct history_key key;
    char service[32], address[32];
};

__attribute__((unused)) static const struct history_key *numbered(struct numbered *numbered, unsigned i)
{
    snprintf(numbered->service, sizeof numbered->service, "s%u.example:443", i / 50);
    snprintf(numbered->address, sizeof numbered->address, "10.%u.%u.%u:443", i >> 16, i >> 8 & 255, i & 255);
    numbered->key = one;
    numbered->key.service = numbered->service;
    numbered->key.address = numbered->address;
    return &numbered->key;
}

__attribute__((unused)) static void note_many(hawser_context *context, unsigned first, unsigned count)
{
    struct numbered key;

    for (unsigned i = first; i < first + count; i++)
        history_note(history(context), numbered(&key, i), i % 5 ? 0 : -ECONNREFUSED, 1000 + i, 2000 + i);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
