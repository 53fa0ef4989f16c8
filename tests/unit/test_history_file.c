/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that lie, and places that take none: what is not ours is set aside and said so, what is a later version's is left
 * alone, rows that make no sense count as nothing, and where nothing can be written all goes on in memory.
 */
#include "history_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_poisoned_file_is_set_aside),
        TEST(test_a_cut_file_is_set_aside),
        TEST(test_anothers_file_is_set_aside),
        TEST(test_a_trap_is_set_aside),
        TEST(test_rows_that_make_no_sense),
        TEST(test_a_later_version_is_left_alone),
        TEST(test_no_place_to_write),
        TEST(test_a_full_disk),
    };

    return cmocka_run_group_tests_name("history_file", tests, NULL, NULL);
}
