/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves that what becomes of lines is remembered by the public calls: how a service was reached, how fast it was, what it
 * speaks; counted; and forgotten when asked.
 */
#include "api.h"

#include <hawser/history.h>

#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

/* One number of the client's file, as another program would read it, once the client told what it knows. */
static int64_t asked(struct world *world, const char *sql)
{
    char *path = path_in(world, "client/history.sqlite");
    sqlite3_stmt *statement;
    sqlite3 *db;
    int64_t number;

    assert_int_equal(hawser_counter_get(world->client_context, 0, NULL), 0);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    free(path);
    return number;
}

static uint64_t counted(struct world *world, const char *name)
{
    hawser_counter counter;

    for (unsigned i = 0; hawser_counter_get(world->client_context, i, &counter) == 0; i++)
        if (strcmp(counter.name, name) == 0) {
            assert_true(counter.all >= counter.here);
            return counter.here;
        }
    fail_msg("there is no counter %s", name);
    return 0;
}

static void finish(struct world *world)
{
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
}

static void a_line_is_remembered_with_its_rate(void **state)
{
    struct world *world = *state;
    size_t size = 4 << 20;
    char *data = calloc(1, size);
    uint64_t count;

    world_connect(world);
    assert_int_equal(asked(world, "SELECT count(*) FROM entries WHERE stack = 'tls/tcp' AND round(succeeded) = 1"), 1);
    assert_true(asked(world, "SELECT rtt FROM entries WHERE stack = 'tls/tcp'") > 0);
    assert_true(asked(world, "SELECT establish FROM entries WHERE stack = 'tls/tcp'") > 0);
    assert_int_equal(asked(world, "SELECT rate FROM entries WHERE stack = 'tls/tcp'"), 0);
    assert_int_equal(asked(world, "SELECT count(*) FROM entries WHERE speaks = 1"), 1);
    assert_int_equal(hawser_send(world->client.line, data, size, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    finish(world);
    assert_true(asked(world, "SELECT rate FROM entries WHERE stack = 'tls/tcp'") > 1000000);
    assert_int_equal(asked(world, "SELECT round(succeeded) FROM entries WHERE stack = 'tls/tcp'"),
                     1); /* no attempt more */
    assert_int_equal(counted(world, "established"), 1);
    assert_int_equal(counted(world, "attempts"), 1);
    assert_int_equal(counted(world, "attempts_lost"), 0);
    assert_int_equal(hawser_forget(world->client_context, NULL, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(asked(world, "SELECT count(*) FROM entries"), 0);
    assert_int_equal(counted(world, "established"), 1); /* counters are no memory */
    free(data);
}

static void a_failure_is_remembered_with_its_code(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    assert_int_equal(hawser_close(world->listener, 0, ""), 0); /* its port is nobody's now */
    hawser_association_unref(world->listener);
    world->listener = NULL;
    hawser_dispatch(world->server_context);
    world_associate(world, NULL);
    until(world, world->client.closed);
    assert_int_equal(asked(world, "SELECT last_code FROM entries WHERE stack = 'tls/tcp'"), -ECONNREFUSED);
    assert_int_equal(asked(world, "SELECT round(failed) FROM entries WHERE stack = 'tls/tcp'"), 1);
    assert_int_equal(counted(world, "failed"), 1);
    assert_int_equal(counted(world, "established"), 0);
}

/* As if all were used: there is no new one to be had. */
static struct rlimit without_descriptors(void)
{
    struct rlimit before, none;
    int next = dup(0);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

static void what_this_process_lacked_is_not_held_against_the_peer(void **state)
{
    struct world *world = *state;
    struct rlimit before;

    world_connect(world);
    finish(world);
    assert_int_equal(asked(world, "SELECT count(*) FROM entries WHERE stack = 'tls/tcp'"), 1);
    world->client.line = hawser_association_unref(world->client.line);
    world->client.closed = false;
    before = without_descriptors();
    world_associate(world, NULL);
    until(world, world->client.closed);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(world->client.closed_code, -EMFILE);
    assert_int_equal(asked(world, "SELECT round(failed) FROM entries WHERE stack = 'tls/tcp'"), 0);
    assert_int_equal(asked(world, "SELECT last_code FROM entries WHERE stack = 'tls/tcp'"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_line_is_remembered_with_its_rate),
        api_test(a_failure_is_remembered_with_its_code),
        api_test(what_this_process_lacked_is_not_held_against_the_peer),
    };

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
