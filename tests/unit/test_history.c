/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered: newer counts more, the oldest goes, processes add to one file at once and none loses anything, a file
 * that is not ours is set aside and said so, one that cannot be written costs nothing but the memory of it, and what is
 * forgotten is gone from the disk. Noting costs the loop next to nothing.
 */
#include "history_world.h"

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
        TEST(test_forgotten),
        TEST(test_counters),
        TEST(test_what_is_too_long_is_not_noted),
    };

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
