/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered: newer counts more, the oldest goes, processes add to one file at once and none loses anything, a file
 * that is not ours is set aside and said so, one that cannot be written costs nothing but the memory of it, and what is
 * forgotten is gone from the disk. Noting costs the loop next to nothing.
 */
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

static void on_log(hawser_log_level level, const char *text, void *user)
{
    struct world *w = user;
    size_t length = strlen(w->log);

    if (level > HAWSER_LOG_WARNING)
        return;
    w->log_lines++;
    snprintf(w->log + length, sizeof w->log - length, "%s\n", text);
}

static hawser_context *context_new(struct world *w, const char *state_dir)
{
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = state_dir, .log = on_log, .log_user = w,
                                                       .log_level = HAWSER_LOG_WARNING),
                                        &context),
                     0);
    return context;
}

static struct history *history(hawser_context *context)
{
    struct history *of;

    assert_int_equal(history_of(context, &of), 0);
    return of;
}

static int set_up(void **state)
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

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    w->directory[strlen(w->directory) - strlen("/state")] = '\0';
    nftw(w->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

static const struct history_key one = {"eth0 192.0.2.254", "example.org:443", "192.0.2.1:443", "tls/tcp"};

static struct history_record recalled(hawser_context *context, const struct history_key *key)
{
    struct history_record record;

    history_recall(history(context), key, &record);
    return record;
}

/* One number from the file, as another program would read it. */
static int64_t asked(const struct world *w, const char *sql)
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

static void change_file(const struct world *w, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;

    assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

static bool there(const struct world *w, const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", w->directory, name);
    return access(path, F_OK) == 0;
}

/* ------------------------------------------------------------------------------------------------------------- memory */

static void test_records_add_up(void **state)
{
    const int64_t day = HISTORY_HALF_LIFE, now = 1000 * day;
    struct history_record known = {.last = 0}, seen;
    (void)state;

    seen = (struct history_record){.succeeded = 1, .last = now, .rtt_us = 40000, .establish_us = 90000};
    record_add(&known, &seen);
    assert_true(fabs(known.succeeded - 1) < 1e-9);
    assert_int_equal(known.rtt_us, 40000);
    /* A day later the first counts half. */
    seen = (struct history_record){.succeeded = 1, .last = now + day, .rtt_us = 10000};
    record_add(&known, &seen);
    assert_true(fabs(known.succeeded - 1.5) < 1e-9);
    assert_int_equal(known.rtt_us, 20000); /* (40000 * 0.5 + 10000 * 1) / 1.5 */
    assert_int_equal(known.establish_us, 90000);
    seen = (struct history_record){.failed = 1, .last_code = -ETIMEDOUT, .last = now + 2 * day};
    record_add(&known, &seen);
    assert_true(fabs(known.succeeded - 0.75) < 1e-9 && fabs(known.failed - 1) < 1e-9);
    assert_int_equal(known.last_code, -ETIMEDOUT);
    assert_int_equal(known.rtt_us, 20000);
    /* Something older, told by another process, changes no last words. */
    seen = (struct history_record){.failed = 4, .last_code = -ECONNREFUSED, .last = now + day};
    record_add(&known, &seen);
    assert_true(fabs(known.failed - 3) < 1e-9);
    assert_int_equal(known.last_code, -ETIMEDOUT);
    assert_int_equal(known.last, now + 2 * day);
    /* A rate alone is no attempt. */
    seen = (struct history_record){.rate = 5000, .last = now + 3 * day};
    record_add(&known, &seen);
    assert_int_equal(known.rate, 5000);
    assert_int_equal(known.last_code, -ETIMEDOUT);
    /* However much was seen, what is new still counts a quarter. */
    known = (struct history_record){.succeeded = 1000, .last = now, .rtt_us = 100000};
    seen = (struct history_record){.succeeded = 1, .last = now, .rtt_us = 20000};
    record_add(&known, &seen);
    assert_int_equal(known.rtt_us, 80000);
}

static void test_memory_alone(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, "");
    struct history_key any = one, other = one;
    struct history_record record;

    assert_int_equal(recalled(context, &one).last, 0);
    history_note(history(context), &one, 0, 30000, 70000);
    other.address = "192.0.2.2:443";
    history_note(history(context), &other, -ECONNREFUSED, 0, 0);
    other.network = "wlan0 198.51.100.1";
    history_note(history(context), &other, -ETIMEDOUT, 0, 0);
    record = recalled(context, &one);
    assert_true(record.succeeded > 0.99 && record.failed == 0 && record.last_code == 0);
    assert_int_equal(record.rtt_us, 30000);
    assert_int_equal(record.establish_us, 70000);
    any.address = NULL;
    record = recalled(context, &any);
    assert_true(record.succeeded > 0.99 && record.failed > 0.99 && record.failed < 1.01);
    any.stack = NULL;
    any.network = NULL;
    record = recalled(context, &any);
    assert_true(record.failed > 1.99);
    any.service = "example.org:44"; /* a prefix is another service */
    assert_int_equal(recalled(context, &any).last, 0);
    any = one;
    any.stack = "tls/mptcp";
    assert_int_equal(recalled(context, &any).last, 0);
    hawser_context_unref(context);
    assert_false(there(w, ""));
    assert_string_equal(w->log, "");
}

static void test_what_a_service_speaks(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    struct history_key any = {NULL, "example.org:443", NULL, NULL};

    assert_int_equal(history_speaks(history(context), "example.org:443"), HISTORY_UNKNOWN);
    history_note_speaks(history(context), "example.org:443", HISTORY_BARE);
    history_note_speaks(history(context), "other.example:443", HISTORY_SESSION);
    history_note_speaks(history(context), "other.example:443", HISTORY_UNKNOWN); /* says nothing */
    assert_int_equal(recalled(context, &any).last, 0);                           /* no attempt was made */
    hawser_context_unref(context);
    context = context_new(w, w->directory);
    assert_int_equal(history_speaks(history(context), "example.org:443"), HISTORY_BARE);
    assert_int_equal(history_speaks(history(context), "other.example:443"), HISTORY_SESSION);
    history_note_speaks(history(context), "example.org:443", HISTORY_SESSION);
    hawser_context_unref(context);
    context = context_new(w, w->directory);
    assert_int_equal(history_speaks(history(context), "example.org:443"), HISTORY_SESSION);
    hawser_context_unref(context);
}

/* --------------------------------------------------------------------------------------------------------------- file */

static void test_nothing_is_opened_before_it_is_needed(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);

    history(context);
    assert_false(there(w, ""));
    assert_int_equal(recalled(context, &one).last, 0);
    assert_int_equal(history_speaks(history(context), one.service), HISTORY_UNKNOWN);
    assert_false(there(w, "")); /* reading makes no file either */
    history_note(history(context), &one, 0, 1, 1);
    assert_false(there(w, "")); /* nor does noting, on the loop */
    hawser_context_unref(context);
    assert_true(there(w, HISTORY_FILE));
}

static void test_the_file_is_private(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    struct stat status;
    mode_t mask = umask(0);

    history_note(history(context), &one, 0, 1, 1);
    hawser_context_unref(context);
    umask(mask);
    assert_int_equal(stat(w->file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(w->directory, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    /* One that others could read is closed to them. */
    assert_int_equal(chmod(w->file, 0644), 0);
    context = context_new(w, w->directory);
    assert_true(recalled(context, &one).last > 0);
    hawser_context_unref(context);
    assert_int_equal(stat(w->file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

/* Dispatches until the worker has written. */
static void run_until(hawser_context *context, bool (*reached)(const struct world *w), const struct world *w)
{
    int64_t end = loop_clock() + 20000000;

    while (!reached(w) && loop_clock() < end)
        hawser_iterate(context, 100000);
    assert_true(reached(w));
}

static bool has_rows(const struct world *w)
{
    return there(w, HISTORY_FILE) && asked(w, "SELECT count(*) FROM sqlite_schema") > 0 &&
           asked(w, "SELECT count(*) FROM entries") > 0;
}

static unsigned descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void test_the_worker_writes(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    unsigned before = descriptors();
    int64_t end;

    history_note(history(context), &one, 0, 20000, 50000);
    run_until(context, has_rows, w);
    assert_int_equal(asked(w, "SELECT rtt FROM entries"), 20000);
    assert_int_equal(asked(w, "PRAGMA application_id"), HISTORY_APPLICATION_ID);
    end = loop_clock() + 5000000;
    while (descriptors() > before + 1 && loop_clock() < end) /* the timer's is the loop's */
        hawser_iterate(context, 10000);
    assert_in_range(descriptors(), 0, before + 1);
    hawser_context_unref(context);
}

static void test_a_context_without_worker_writes_too(void **state)
{
    struct world *w = *state;
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = w->directory, .no_worker = true), &context), 0);
    history_note(history(context), &one, 0, 20000, 50000);
    run_until(context, has_rows, w);
    hawser_context_unref(context);
}

static void test_prepared(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);

    history_note(history(context), &one, 0, 20000, 50000);
    hawser_context_unref(context);
    context = context_new(w, w->directory);
    history_prepare(history(context), one.service);
    history_prepare(history(context), one.service);
    history_note(history(context), &one, -ETIMEDOUT, 0, 0); /* beside the reading */
    assert_int_equal(recalled(context, &one).rtt_us, 20000);
    assert_true(recalled(context, &one).failed > 0.99);
    assert_true(recalled(context, &one).succeeded > 0.99);
    hawser_context_unref(context);
    context = context_new(w, w->directory);
    history_prepare(history(context), one.service); /* and ended while it reads */
    hawser_context_unref(context);
    assert_int_equal(asked(w, "SELECT last_code FROM entries"), -ETIMEDOUT);
    assert_true(
        asked(w, "SELECT succeeded > 0.99 AND succeeded < 1.01 AND failed > 0.99 AND failed < 1.01 FROM entries"));
}

/* What others write while a context lives is known to it after its next visit. */
static void test_others_are_heard(void **state)
{
    struct world *w = *state;
    hawser_context *mine = context_new(w, w->directory), *other = context_new(w, w->directory);
    struct history_key theirs = one;
    uint64_t count;

    theirs.address = "192.0.2.7:443";
    assert_int_equal(recalled(mine, &theirs).last, 0);
    history_note(history(other), &theirs, 0, 5000, 9000);
    hawser_context_unref(other);
    assert_int_equal(recalled(mine, &theirs).last, 0); /* read once */
    history_note(history(mine), &one, 0, 1, 1);
    assert_int_equal(hawser_counter_get(mine, 0, NULL), 0); /* a visit */
    assert_int_equal(recalled(mine, &theirs).rtt_us, 5000);
    /* And what another forgets is forgotten here. */
    other = context_new(w, w->directory);
    assert_int_equal(hawser_forget(other, NULL, &count), 0);
    assert_int_equal(count, 2);
    hawser_context_unref(other);
    history_note(history(mine), &one, -EPIPE, 0, 0);
    assert_int_equal(hawser_counter_get(mine, 0, NULL), 0);
    assert_int_equal(recalled(mine, &theirs).last, 0);
    assert_true(recalled(mine, &one).succeeded == 0 && recalled(mine, &one).failed > 0.99);
    hawser_context_unref(mine);
}

static void test_halved_every_day(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    struct history_record record;

    for (int i = 0; i < 8; i++)
        history_note(history(context), &one, 0, 1000, 2000);
    hawser_context_unref(context);
    change_file(w, "UPDATE entries SET last = last - 86400");
    context = context_new(w, w->directory);
    record = recalled(context, &one);
    assert_true(record.succeeded > 3.99 && record.succeeded < 4.01);
    hawser_context_unref(context);
}

/* One of many: 50 addresses a service. */
struct numbered {
    struct history_key key;
    char service[32], address[32];
};

static const struct history_key *numbered(struct numbered *numbered, unsigned i)
{
    snprintf(numbered->service, sizeof numbered->service, "s%u.example:443", i / 50);
    snprintf(numbered->address, sizeof numbered->address, "10.%u.%u.%u:443", i >> 16, i >> 8 & 255, i & 255);
    numbered->key = one;
    numbered->key.service = numbered->service;
    numbered->key.address = numbered->address;
    return &numbered->key;
}

static void note_many(hawser_context *context, unsigned first, unsigned count)
{
    struct numbered key;

    for (unsigned i = first; i < first + count; i++)
        history_note(history(context), numbered(&key, i), i % 5 ? 0 : -ECONNREFUSED, 1000 + i, 2000 + i);
}

/* 10,000 things: the newest are kept, in memory and on disk, and neither grows beyond its bound. */
static void test_the_oldest_goes(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    struct numbered key;
    struct stat status;

    note_many(context, 0, 10000);
    assert_int_equal(recalled(context, numbered(&key, 9999)).rtt_us, 1000 + 9999);
    assert_int_equal(recalled(context, numbered(&key, 9999 - 2000)).rtt_us, 1000 + 9999 - 2000);
    assert_int_equal(recalled(context, numbered(&key, 1)).last, 0);
    hawser_context_unref(context);
    assert_int_equal(asked(w, "SELECT count(*) FROM entries"), HISTORY_ENTRIES_MAX);
    /* Another process's are older, and go first. */
    change_file(w, "UPDATE entries SET last = last - 1000");
    context = context_new(w, w->directory);
    note_many(context, 20000, 100);
    hawser_context_unref(context);
    assert_int_equal(asked(w, "SELECT count(*) FROM entries"), HISTORY_ENTRIES_MAX);
    assert_int_equal(asked(w, "SELECT count(*) FROM entries WHERE rtt >= 21000"), 100);
    /* What is older than a month goes. */
    change_file(w, "UPDATE entries SET last = last - 2678400 WHERE rtt >= 21000");
    context = context_new(w, w->directory);
    assert_int_equal(recalled(context, numbered(&key, 20000)).last, 0);
    history_note(history(context), &one, 0, 1, 1);
    hawser_context_unref(context);
    assert_int_equal(asked(w, "SELECT count(*) FROM entries WHERE rtt >= 21000"), 0);
    assert_int_equal(stat(w->file, &status), 0);
    assert_in_range(status.st_size, 0, 4 << 20);
}

static int64_t thread_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The bound is far above what it takes (see docs/racing.md), and far below what a system call to a disk would. */
static void test_noting_is_cheap(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    char addresses[64][32];
    struct history_key key = one;
    int64_t begin;

    for (unsigned i = 0; i < 64; i++)
        snprintf(addresses[i], sizeof addresses[i], "192.0.2.%u:443", i);
    begin = thread_time_ns();
    for (unsigned i = 0; i < 10000; i++) {
        key.address = addresses[i % 64];
        history_note(history(context), &key, 0, 1000, 2000);
    }
    begin = thread_time_ns() - begin;
    print_message("a note takes %lld ns\n", (long long)(begin / 10000));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(begin / 10000, 0, 20000);
#endif
    assert_true(recalled(context, &key).succeeded > 100);
    hawser_context_unref(context);
}

/* ---------------------------------------------------------------------------------------------------- many processes */

enum { PROCESSES = 4, ROUNDS = 25 };

static void live(const struct world *w, unsigned number)
{
    struct world mine = *w;

    for (unsigned round = 0; round < ROUNDS; round++) {
        hawser_context *context = context_new(&mine, w->directory);
        struct history_key key = one;
        char address[32];

        history_note(history(context), &one, 0, 1000, 2000);
        snprintf(address, sizeof address, "10.%u.%u.1:443", number, round);
        key.address = address;
        history_note(history(context), &key, -ECONNREFUSED, 0, 0);
        history_count(history(context), COUNT_ATTEMPTS);
        recalled(context, &one);
        hawser_context_unref(context);
    }
    _exit(mine.log_lines == 0 ? 0 : 1);
}

static void test_processes_at_once(void **state)
{
    struct world *w = *state;
    pid_t children[PROCESSES];
    int status;

    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            live(w, i);
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    /* Nothing was lost, though all began with no file at once. */
    assert_int_equal(asked(w, "SELECT value FROM counters WHERE name = 'attempts'"), PROCESSES * ROUNDS);
    assert_int_equal(asked(w, "SELECT count(*) FROM entries"), 1 + PROCESSES * ROUNDS);
    assert_int_equal(asked(w, "SELECT round(succeeded) FROM entries WHERE address = '192.0.2.1:443'"),
                     PROCESSES * ROUNDS);
    assert_false(there(w, HISTORY_FILE ".bad"));
}

/* A child of fork() owns nothing of it: its copy of the context writes nothing. */
static void test_a_forked_child_writes_nothing(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    int status;
    pid_t child;

    history_note(history(context), &one, 0, 1000, 2000);
    child = fork();
    if (child == 0) {
        hawser_context_unref(context);
        _exit(there(w, HISTORY_FILE) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    hawser_context_unref(context);
    assert_int_equal(asked(w, "SELECT round(succeeded) FROM entries"), 1);
}

/* Another process that holds the file: nothing waits for long, and nothing is lost. */
static void test_a_busy_file(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    sqlite3 *db;
    int64_t begin;

    history_note(history(context), &one, 0, 1000, 2000);
    assert_int_equal(hawser_counter_get(context, 0, NULL), 0);
    assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    history_note(history(context), &one, 0, 1000, 2000);
    history_count(history(context), COUNT_ATTEMPTS);
    begin = loop_clock();
    assert_int_equal(hawser_counter_get(context, 0, NULL), 0);
    assert_in_range(loop_clock() - begin, 0, 2000000);
    assert_true(recalled(context, &one).succeeded > 1.99);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    hawser_context_unref(context);
    assert_int_equal(asked(w, "SELECT round(succeeded) FROM entries"), 2);
    assert_int_equal(asked(w, "SELECT value FROM counters WHERE name = 'attempts'"), 1);
    assert_string_equal(w->log, "");
}

/* ------------------------------------------------------------------------------------------------------ files that lie */

static void write_file(const struct world *w, const void *data, size_t size)
{
    int fd = open(w->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

/* The file that lies there is set aside as it is, said so once, and a new one works. */
static void set_aside(struct world *w, const char *words)
{
    char path[300];
    struct stat before, after;
    hawser_context *context = context_new(w, w->directory);

    w->log[0] = '\0';
    w->log_lines = 0;
    assert_int_equal(lstat(w->file, &before), 0);
    assert_int_equal(recalled(context, &one).last, 0);
    history_note(history(context), &one, 0, 1000, 2000);
    assert_int_equal(recalled(context, &one).rtt_us, 1000);
    hawser_context_unref(context);
    if (w->log_lines != 1 || !strstr(w->log, "set aside as history.sqlite.bad") || !strstr(w->log, words))
        fail_msg("%u lines: %s", w->log_lines, w->log);
    snprintf(path, sizeof path, "%s.bad", w->file);
    assert_int_equal(lstat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_int_equal(asked(w, "SELECT rtt FROM entries"), 1000);
    assert_string_equal(w->log + strlen(w->log) - 1, "\n");
}

static void make_ours(struct world *w)
{
    hawser_context *context = context_new(w, w->directory);

    history_note(history(context), &one, 0, 4000, 5000);
    note_many(context, 0, 500);
    hawser_context_unref(context);
    change_file(w, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static void test_a_poisoned_file_is_set_aside(void **state)
{
    struct world *w = *state;
    char noise[9000];
    struct stat status;

    assert_int_equal(mkdir(w->directory, 0700), 0);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i * 31 % 251);
    write_file(w, noise, sizeof noise);
    set_aside(w, "not a database");
    write_file(w, "SQLite format 3", 16); /* a head, and nothing behind it */
    set_aside(w, "");
    /* One of ours whose pages were overwritten. */
    unlink(w->file);
    make_ours(w);
    assert_int_equal(stat(w->file, &status), 0);
    assert_true(status.st_size > 20000);
    int fd = open(w->file, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, noise, sizeof noise, 8192), sizeof noise);
    close(fd);
    set_aside(w, "malformed");
}

static void test_a_cut_file_is_set_aside(void **state)
{
    struct world *w = *state;

    make_ours(w);
    assert_int_equal(truncate(w->file, 12288), 0);
    set_aside(w, "malformed");
}

static void test_anothers_file_is_set_aside(void **state)
{
    struct world *w = *state;
    char target[300];

    assert_int_equal(mkdir(w->directory, 0700), 0);
    change_file(w, "CREATE TABLE cats(name TEXT); PRAGMA user_version = 7");
    set_aside(w, "another program's");
    /* Ours by its number, with tables that are not. */
    unlink(w->file);
    change_file(w, "PRAGMA application_id = 1752658802; PRAGMA user_version = 1; CREATE TABLE entries(x)");
    set_aside(w, "no such");
    /* A link that leads elsewhere; what it leads to stays. */
    unlink(w->file);
    snprintf(target, sizeof target, "%s/elsewhere", w->directory);
    assert_int_equal(symlink(target, w->file), 0);
    set_aside(w, "no regular file");
    assert_false(there(w, "elsewhere"));
    /* A directory, and a FIFO that nobody writes to. rename(2) puts neither in the place of the other. */
    unlink(w->file);
    assert_int_equal(mkdir(w->file, 0700), 0);
    snprintf(target, sizeof target, "%s.bad", w->file);
    unlink(target);
    set_aside(w, "no regular file");
    unlink(w->file);
    rmdir(target);
    assert_int_equal(mkfifo(w->file, 0600), 0);
    set_aside(w, "no regular file");
}

/* Reading one must end, whatever it is made of; and no trigger or view of it runs. */
static void test_a_trap_is_set_aside(void **state)
{
    struct world *w = *state;

    assert_int_equal(mkdir(w->directory, 0700), 0);
    change_file(w,
                "PRAGMA application_id = 1752658802; PRAGMA user_version = 1;"
                "CREATE TABLE counters(name TEXT NOT NULL PRIMARY KEY, value INT NOT NULL);"
                "INSERT INTO counters VALUES('generation', 5);"
                "CREATE VIEW entries AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
                " SELECT 'a' AS service, 'b' AS network, 'c' AS address, 'd' AS stack, 1.0 AS succeeded,"
                " 1.0 AS failed, 0 AS last_code, 1 AS last, 0 AS rtt, 0 AS establish, 0 AS rate, 0 AS speaks FROM n");
    set_aside(w, "");
}

/* Rows that make no sense count as nothing, and the others are believed. */
static void test_rows_that_make_no_sense(void **state)
{
    struct world *w = *state;
    hawser_context *context;
    struct numbered key;

    make_ours(w);
    change_file(w, "UPDATE entries SET rtt = -5 WHERE address = '10.0.0.1:443';"
                   "UPDATE entries SET succeeded = -1.0 WHERE address = '10.0.0.2:443';"
                   "UPDATE entries SET failed = 9e999 WHERE address = '10.0.0.3:443';"
                   "UPDATE entries SET last = 9223372036854775807 WHERE address = '10.0.0.4:443';"
                   "UPDATE entries SET address = char(49, 0, 50) WHERE address = '10.0.0.6:443';"
                   "UPDATE entries SET address = hex(zeroblob(400)) WHERE address = '10.0.0.7:443'");
    context = context_new(w, w->directory);
    assert_int_equal(recalled(context, numbered(&key, 8)).rtt_us, 1008);
    assert_int_equal(recalled(context, numbered(&key, 1)).last, 0);
    history_note(history(context), numbered(&key, 1), 0, 77, 88);
    assert_int_equal(recalled(context, numbered(&key, 1)).rtt_us, 77);
    assert_int_equal(recalled(context, numbered(&key, 3)).last, 0);
    hawser_context_unref(context);
    assert_int_equal(asked(w, "SELECT rtt FROM entries WHERE address = '10.0.0.1:443'"), 77);
    assert_string_equal(w->log, "");
}

/* What a later version wrote is its own: it is neither read nor touched. */
static void test_a_later_version_is_left_alone(void **state)
{
    struct world *w = *state;
    hawser_context *context;

    make_ours(w);
    change_file(w, "PRAGMA user_version = 2");
    context = context_new(w, w->directory);
    assert_int_equal(recalled(context, &one).last, 0);
    history_note(history(context), &one, 0, 55, 66);
    assert_int_equal(recalled(context, &one).rtt_us, 55);
    hawser_context_unref(context);
    assert_non_null(strstr(w->log, "a later version of hawser"));
    assert_int_equal(w->log_lines, 1);
    assert_int_equal(asked(w, "SELECT rtt FROM entries WHERE address = '192.0.2.1:443'"), 4000);
    assert_false(there(w, HISTORY_FILE ".bad"));
}

/* A state directory that cannot be written: everything goes on, in memory, and it is said once. */
static void test_no_place_to_write(void **state)
{
    struct world *w = *state;
    hawser_context *context;
    char below[200];
    uint64_t count;

    assert_int_equal(mkdir(w->directory, 0700), 0);
    snprintf(below, sizeof below, "%s/file/state", w->directory);
    snprintf(w->file, sizeof w->file, "%s/file", w->directory);
    write_file(w, "x", 1); /* what should be a directory is a file, also for root */
    context = context_new(w, below);
    history_note(history(context), &one, 0, 1000, 2000);
    history_count(history(context), COUNT_ATTEMPTS);
    assert_int_equal(hawser_counter_get(context, 0, NULL), 0);
    assert_int_equal(recalled(context, &one).rtt_us, 1000);
    history_note(history(context), &one, 0, 1000, 2000);
    assert_true(recalled(context, &one).succeeded > 1.99);
    assert_int_equal(hawser_forget(context, one.service, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(recalled(context, &one).last, 0);
    hawser_context_unref(context);
    assert_non_null(strstr(w->log, "stays in memory"));
    assert_int_equal(w->log_lines, 1);
}

/* A full disk is one whose files cannot grow: RLIMIT_FSIZE in a child stands for it. */
static void test_a_full_disk(void **state)
{
    struct world *w = *state;
    int status;
    pid_t child;

    make_ours(w);
    child = fork();
    if (child == 0) {
        const struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
        hawser_context *context = context_new(w, w->directory);
        struct history_record record;

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
            _exit(2);
        history_note(history(context), &one, -ETIMEDOUT, 0, 0);
        hawser_counter_get(context, 0, NULL);
        history_recall(history(context), &one, &record);
        _exit(record.failed > 0.99 && w->log_lines == 1 && strstr(w->log, "stays in memory") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* And what was there is whole. */
    assert_int_equal(asked(w, "SELECT rtt FROM entries WHERE address = '192.0.2.1:443'"), 4000);
    assert_false(there(w, HISTORY_FILE ".bad"));
}

/* -------------------------------------------------------------------------------------------------- forget and counters */

static bool file_holds(const char *path, const char *words)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    void *data;
    bool found;

    if (fd < 0)
        return false;
    assert_int_equal(fstat(fd, &status), 0);
    if (status.st_size == 0) {
        close(fd);
        return false;
    }
    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(data != MAP_FAILED);
    found = memmem(data, (size_t)status.st_size, words, strlen(words)) != NULL;
    munmap(data, (size_t)status.st_size);
    close(fd);
    return found;
}

static void test_forgotten(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    struct history_key secret = one;
    uint64_t count = 99;
    char log[300];

    assert_int_equal(hawser_forget(context, NULL, &count), 0);
    assert_int_equal(count, 0);
    assert_false(there(w, HISTORY_FILE)); /* nothing is made in order to be emptied */
    secret.service = "secret.example:443";
    history_note(history(context), &secret, 0, 1000, 2000);
    secret.network = "wlan0";
    history_note(history(context), &secret, 0, 1000, 2000);
    history_note_speaks(history(context), secret.service, HISTORY_BARE);
    history_note(history(context), &one, 0, 1000, 2000);
    history_count(history(context), COUNT_ATTEMPTS);
    assert_int_equal(hawser_counter_get(context, 0, NULL), 0);
    assert_int_equal(hawser_forget(context, "example", &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(hawser_forget(context, "secret.example:443", &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(recalled(context, &secret).last, 0);
    assert_int_equal(history_speaks(history(context), secret.service), HISTORY_UNKNOWN);
    assert_true(recalled(context, &one).last > 0);
    snprintf(log, sizeof log, "%s-wal", w->file);
    assert_false(file_holds(w->file, "secret.example"));
    assert_false(file_holds(log, "secret.example"));
    assert_true(file_holds(w->file, "example.org"));
    hawser_context_unref(context);
    context = context_new(w, w->directory);
    assert_int_equal(recalled(context, &secret).last, 0);
    assert_true(recalled(context, &one).last > 0);
    assert_int_equal(hawser_forget(context, NULL, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(recalled(context, &one).last, 0);
    hawser_context_unref(context);
    assert_false(file_holds(w->file, "example.org"));
    assert_int_equal(asked(w, "SELECT value FROM counters WHERE name = 'attempts'"), 1); /* counters are no memory */
}

static hawser_counter counter(hawser_context *context, const char *name)
{
    hawser_counter got;

    for (unsigned i = 0; hawser_counter_get(context, i, &got) == 0; i++)
        if (strcmp(got.name, name) == 0)
            return got;
    fail_msg("there is no counter %s", name);
    return got;
}

static void test_counters(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory), *other = context_new(w, w->directory);
    hawser_counter got;
    unsigned count = 0;

    for (; hawser_counter_get(context, count, &got) == 0; count++) {
        assert_true(*got.name && *got.summary && got.here == 0 && got.all == 0);
        if (*got.of)
            assert_string_equal(counter(context, got.of).name, got.of);
    }
    assert_int_equal(count, COUNT_COUNTERS);
    assert_int_equal(hawser_counter_get(context, count, &got), -ENOENT);
    history_count(history(context), COUNT_ESTABLISHED);
    history_count(history(context), COUNT_ESTABLISHED);
    history_count(history(other), COUNT_ESTABLISHED);
    history_count(history(other), COUNT_WON_BY_OTHER);
    assert_int_equal(counter(context, "established").here, 2);
    assert_int_equal(counter(context, "established").all, 2);
    assert_int_equal(counter(other, "established").all, 3);
    assert_int_equal(counter(other, "established").here, 1);
    assert_int_equal(counter(context, "established").all, 3);
    assert_int_equal(counter(context, "won_by_other").all, 1);
    assert_string_equal(counter(context, "won_by_other").of, "several_addresses");
    hawser_context_unref(other);
    hawser_context_unref(context);
    context = context_new(w, ""); /* without a file: this context's alone */
    history_count(history(context), COUNT_FAILED);
    assert_int_equal(counter(context, "failed").all, 1);
    hawser_context_unref(context);
}

static void test_what_is_too_long_is_not_noted(void **state)
{
    struct world *w = *state;
    hawser_context *context = context_new(w, w->directory);
    struct history_key key = one;
    char text[HISTORY_TEXT + 1];

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    key.address = text;
    history_note(history(context), &key, 0, 1, 1);
    assert_int_equal(recalled(context, &key).last, 0);
    text[sizeof text - 2] = '\0';
    history_note(history(context), &key, 0, 1, 1);
    assert_true(recalled(context, &key).last > 0);
    hawser_context_unref(context);
    context = context_new(w, w->directory);
    assert_true(recalled(context, &key).last > 0);
    hawser_context_unref(context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_add_up),
        TEST(test_memory_alone),
        TEST(test_what_a_service_speaks),
        TEST(test_nothing_is_opened_before_it_is_needed),
        TEST(test_the_file_is_private),
        TEST(test_the_worker_writes),
        TEST(test_a_context_without_worker_writes_too),
        TEST(test_prepared),
        TEST(test_others_are_heard),
        TEST(test_halved_every_day),
        TEST(test_the_oldest_goes),
        TEST(test_noting_is_cheap),
        TEST(test_processes_at_once),
        TEST(test_a_forked_child_writes_nothing),
        TEST(test_a_busy_file),
        TEST(test_a_poisoned_file_is_set_aside),
        TEST(test_a_cut_file_is_set_aside),
        TEST(test_anothers_file_is_set_aside),
        TEST(test_a_trap_is_set_aside),
        TEST(test_rows_that_make_no_sense),
        TEST(test_a_later_version_is_left_alone),
        TEST(test_no_place_to_write),
        TEST(test_a_full_disk),
        TEST(test_forgotten),
        TEST(test_counters),
        TEST(test_what_is_too_long_is_not_noted),
    };

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
