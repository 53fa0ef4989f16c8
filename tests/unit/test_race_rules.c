/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The race within one stack, in simulated time: every constant of race.h, when the first starts, the turns of the
 * families, what failures, late answers and withdrawals change, and how it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "race/race.h"
#include "race_script.h"

#define CASES(cases) race_cases(cases, sizeof(cases) / sizeof *(cases))

static void test_constants(void **state)
{
    (void)state;
    assert_int_equal(RACE_RESOLUTION_DELAY, 50000); /* Happy Eyeballs v3 section 9 */
    assert_int_equal(RACE_ATTEMPT_DELAY, 250000);
    assert_int_equal(RACE_ATTEMPT_DELAY_MIN, 100000);
    assert_int_equal(RACE_ATTEMPT_DELAY_FLOOR, 10000);
    assert_int_equal(RACE_ATTEMPT_DELAY_MAX, 2000000);
    assert_int_equal(RACE_PREFERRED_FAMILY_COUNT, 1);
    assert_int_equal(race_delay_for_rtt(0), 250000);
    assert_int_equal(race_delay_for_rtt(-1), 250000);
    assert_int_equal(race_delay_for_rtt(1), 100000);
    assert_int_equal(race_delay_for_rtt(80000), 160000);
    assert_int_equal(race_delay_for_rtt(1500000), 2000000);
    assert_int_equal(race_delay_for_rtt(INT64_MAX), 2000000);
}

static void test_first_start(void **state)
{
    static const struct race_case cases[] = {
        {"without questions the first starts at once", "7 add a 4; 8 complete; 9 win a", "7 start a; 9 won a"},
        {"an address of the preferred family that answered starts at once",
         "0 ask 64; 10 add a 6; 10 answer 6; 30 win a", "10 start a; 30 won a"},
        {"the other family waits 50 ms for the preferred one", "0 ask 64; 10 add a 4; 10 answer 4; 200 win a",
         "60 start a; 200 won a"},
        {"the preferred family within 50 ms goes first",
         "0 ask 64; 10 add a 4; 10 answer 4; 40 add b 6; 40 answer 6; 300 win b",
         "40 start b; 290 start a; 300 lost a; 300 won b"},
        {"a negative answer ends the waiting", "0 ask 64; 10 add a 4; 10 answer 4; 25 answer 6; 90 win a",
         "25 start a; 90 won a"},
        {"the delay counts from the first address, not from the question",
         "0 ask 64; 3000 add a 4; 3000 answer 4; 3100 win a", "3050 start a; 3100 won a"},
        {"the service's record is waited for too", "0 ask s64; 10 add a 6; 10 answer 6; 20 answer 4; 100 win a",
         "60 start a; 100 won a"},
        {"and begins the race when it comes", "0 ask s64; 10 add a 6; 10 answer 64; 30 answer s; 100 win a",
         "30 start a; 100 won a"},
        {"its hints count as addresses", "0 ask s64; 5 add a 6; 5 answer s; 100 win a", "55 start a; 100 won a"},
        {"both are needed", "0 ask s64; 5 add a 6; 5 answer s; 12 answer 6; 100 win a", "12 start a; 100 won a"},
        {"a policy for IPv4 turns it round", "config v4; 0 ask 64; 10 add a 4; 10 answer 4; 30 win a",
         "10 start a; 30 won a"},
        {"with such a policy IPv6 waits", "config v4; 0 ask 64; 10 add a 6; 10 answer 6; 100 win a",
         "60 start a; 100 won a"},
        {"an answer without an address starts nothing", "0 ask 64; 10 answer 6; 500 add a 4; 500 answer 4; 600 win a",
         "500 start a; 600 won a"},
        {"an address taken back while it waits is not begun",
         "0 ask 64; 10 add a 4; 20 withdraw a; 100 add b 4; 200 win b", "100 start b; 200 won b"},
        {"no question later stops a race that has begun", "0 add a 6; 10 ask 64; 20 add b 4; 20 fail a; 90 win b",
         "0 start a; 20 start b; 90 won b"},
    };
    (void)state;
    CASES(cases);
}

static void test_stagger(void **state)
{
    static const struct race_case cases[] = {
        {"250 ms", "0 add a 6; 0 add b 6; 0 add c 6; 600 win c",
         "0 start a; 250 start b; 500 start c; 600 lost a; 600 lost b; 600 won c"},
        {"the first that works is alone", "0 add a 6; 0 add b 4; 100 win a", "0 start a; 100 untried b; 100 won a"},
        {"an attempt that goes on may still win", "0 add a 6; 0 add b 4; 400 win a",
         "0 start a; 250 start b; 400 lost b; 400 won a"},
        {"a failure starts the next at once", "0 add a 6; 0 add b 4; 20 fail a; 50 win b",
         "0 start a; 20 start b; 50 won b"},
        {"and its delay counts from there", "0 add a 6; 0 add b 4; 0 add c 6; 20 fail a; 300 win c",
         "0 start a; 20 start b; 270 start c; 300 lost b; 300 won c"},
        {"the failure of an earlier one does so as well", "0 add a 6; 0 add b 4; 0 add c 6; 300 fail a; 350 win c",
         "0 start a; 250 start b; 300 start c; 350 lost b; 350 won c"},
        {"two failures at once start one",
         "0 add a 6; 0 add b 6; 0 add c 6; 0 add d 6; 260 fail a; 260 fail b; 300 win c",
         "0 start a; 250 start b; 260 start c; 300 untried d; 300 won c"},
        {"start() that fails at once goes through all in one tick",
         "0 add a 6 broken; 0 add b 4 broken; 0 add c 6 broken; 0 add d 4; 9 win d",
         "0 start a; 0 start b; 0 start c; 0 start d; 9 won d"},
        {"and ends when all do", "0 add a 6 broken; 0 add b 4 broken; 0 complete", "0 start a; 0 start b; 0 failed"},
        {"a handshake that is done extends the timer", "0 add a 6; 0 add b 6; 200 reach a; 500 win b",
         "0 start a; 450 start b; 500 lost a; 500 won b"},
        {"of an earlier attempt too", "0 add a 6; 0 add b 6; 0 add c 6; 300 reach a; 600 win c",
         "0 start a; 250 start b; 550 start c; 600 lost a; 600 lost b; 600 won c"},
        {"but a failure does not wait for it", "0 add a 6; 0 add b 6; 200 reach a; 230 fail a; 240 win b",
         "0 start a; 230 start b; 240 won b"},
        {"by a remembered RTT: twice that", "0 rtt 80; 0 add a 6; 0 add b 6; 170 win b",
         "0 start a; 160 start b; 170 lost a; 170 won b"},
        {"at least 100 ms", "0 rtt 3; 0 add a 6; 0 add b 6; 170 win b",
         "0 start a; 100 start b; 170 lost a; 170 won b"},
        {"at most 2 s", "0 rtt 5000; 0 add a 6; 0 add b 6; 2100 win b",
         "0 start a; 2000 start b; 2100 lost a; 2100 won b"},
        {"as asked", "config delay=40; 0 add a 6; 0 add b 6; 170 win b",
         "0 start a; 40 start b; 170 lost a; 170 won b"},
        {"never under 10 ms", "config delay=1; 0 add a 6; 0 add b 6; 170 win b",
         "0 start a; 10 start b; 170 lost a; 170 won b"},
        {"never over 2 s", "config delay=9000; 0 add a 6; 0 add b 6; 2001 win b",
         "0 start a; 2000 start b; 2001 lost a; 2001 won b"},
        {"a delay that is learnt counts for the timer that runs", "0 add a 6; 0 add b 6; 20 delay 100; 170 win b",
         "0 start a; 100 start b; 170 lost a; 170 won b"},
    };
    (void)state;
    CASES(cases);
}

static void test_families(void **state)
{
    static const struct race_case cases[] = {
        {"they take turns", "0 add a 6; 0 add b 6; 0 add c 4; 0 add d 4; 1 fail a; 2 fail c; 3 fail b; 4 win d",
         "0 start a; 1 start c; 2 start b; 3 start d; 4 won d"},
        {"two of the preferred first where asked",
         "config count=2 delay=10; 0 add a 4; 0 add b 6; 0 add c 6; 0 add d 6; 0 add e 4; 99 win a",
         "0 start b; 10 start c; 20 start a; 30 start d; 40 start e; 99 lost b; 99 lost c; 99 lost d; 99 lost e; "
         "99 won a"},
        {"IPv4 first by policy", "config v4 delay=10; 0 add a 6; 0 add b 4; 0 add c 4; 99 win a",
         "0 start b; 10 start a; 20 start c; 99 lost b; 99 lost c; 99 won a"},
        {"the better one of a family first",
         "config delay=10; 0 add a 6 pref=9; 0 add b 6 pref=3; 0 add c 6 pref=3; 99 win a",
         "0 start b; 10 start c; 20 start a; 99 lost b; 99 lost c; 99 won a"},
        {"those that have begun count when the preferred family is late",
         "config delay=100; 0 add a 4; 0 add b 4; 0 add c 4; 120 add d 6; 120 add e 6; 450 win d",
         "0 start a; 100 start b; 200 start d; 300 start c; 400 start e; 450 lost a; 450 lost b; 450 lost c; 450 lost "
         "e; "
         "450 won d"},
        {"one family alone goes in its order", "config delay=10; 0 add a 4; 0 add b 4; 25 win a",
         "0 start a; 10 start b; 25 lost b; 25 won a"},
        {"what is no address counts as preferred", "config delay=10; 0 add a 4; 0 add b o; 25 win a",
         "0 start b; 10 start a; 25 lost b; 25 won a"},
    };
    (void)state;
    CASES(cases);
}

static void test_priorities(void **state)
{
    static const struct race_case cases[] = {
        {"all of a group before the next, whatever the family",
         "config delay=10; 0 add a 6 prio=2; 0 add b 4 prio=1; 0 add c 4 prio=1; 0 add d 6 prio=2; 50 win d",
         "0 start b; 10 start c; 20 start a; 30 start d; 50 lost a; 50 lost b; 50 lost c; 50 won d"},
        {"families take turns afresh in each",
         "config delay=10; 0 add a 6 prio=1; 0 add b 4 prio=2; 0 add c 6 prio=2; 50 win b",
         "0 start a; 10 start c; 20 start b; 50 lost a; 50 lost c; 50 won b"},
        {"a late one of a better group is next, and its group's turns are remembered",
         "config delay=100; 0 add a 6 prio=1; 0 add b 6 prio=2; 0 add c 4 prio=2; 0 add d 6 prio=2; "
         "120 add e 4 prio=1; 120 add f 6 prio=1; 550 win d",
         "0 start a; 100 start b; 200 start e; 300 start f; 400 start c; 500 start d; 550 lost a; 550 lost b; "
         "550 lost c; 550 lost e; 550 lost f; 550 won d"},
        {"unlabelled ones are last", "config delay=10; 0 add a 6 prio=4294967295; 0 add b 4 prio=4294967294; 15 win b",
         "0 start b; 10 start a; 15 lost a; 15 won b"},
    };
    (void)state;
    CASES(cases);
}

static void test_changes(void **state)
{
    static const struct race_case cases[] = {
        {"late ones are sorted in", "0 add a 6 pref=1; 0 add b 6 pref=5; 100 add c 6 pref=2; 600 win b",
         "0 start a; 250 start c; 500 start b; 600 lost a; 600 lost c; 600 won b"},
        {"one that comes when all failed starts at once",
         "0 ask 64; 0 add a 6; 0 answer 6; 20 fail a; 900 add b 4; 950 win b", "0 start a; 900 start b; 950 won b"},
        {"one that comes beside a running one waits its time", "0 add a 6; 100 add b 4; 400 win b",
         "0 start a; 250 start b; 400 lost a; 400 won b"},
        {"or starts at once when that is over", "0 add a 6; 700 add b 4; 800 win b",
         "0 start a; 700 start b; 800 lost a; 800 won b"},
        {"one that comes after a failure takes its place",
         "0 add a 6; 0 add b 6; 300 fail a; 310 add c 6; 310 add d 6; 400 win b",
         "0 start a; 250 start b; 310 start c; 400 lost c; 400 untried d; 400 won b"},
        {"one withdrawn is not begun", "0 add a 6; 0 add b 6; 0 add c 6; 100 withdraw b; 300 win c",
         "0 start a; 250 start c; 300 lost a; 300 won c"},
        {"one that runs goes on", "0 add a 6; 10 withdraw a; 20 win a", "0 start a; 10 busy a; 20 won a"},
        {"the last one withdrawn ends the race", "0 add a 6; 0 add b 6; 0 complete; 10 withdraw b; 20 fail a",
         "0 start a; 20 failed"},
        {"or ends it by itself", "0 ask 64; 9 add b 4; 9 complete; 12 withdraw b", "12 failed"},
    };
    (void)state;
    CASES(cases);
}

/* Nothing left only waits while more may come. */
static void test_end(void **state)
{
    static const struct race_case cases[] = {
        {"nothing at all", "0 complete", "0 failed"},
        {"not complete: nothing ends it", "0 add a 6; 5 fail a", "0 start a"},
        {"complete was said first", "0 add a 6; 0 complete; 5 fail a", "0 start a; 5 failed"},
        {"taken back by a question", "0 add a 6; 0 complete; 1 ask 4; 5 fail a; 9 add b 4; 9 complete; 20 win b",
         "0 start a; 9 start b; 20 won b"},
        {"the deadline", "config deadline=400; 0 add a 6; 0 add b 6; 0 add c 6",
         "0 start a; 250 start b; 400 timeout a; 400 timeout b; 400 untried c; 400 expired"},
        {"answers that never come, and a deadline", "config deadline=400; 0 ask s64", "400 expired"},
        {"the first address waits no longer than the deadline", "config deadline=30; 0 ask 64; 0 add a 4",
         "30 untried a; 30 expired"},
        {"all failed at the deadline: not for want of time", "config deadline=400; 0 add a 6; 400 fail a; 400 complete",
         "0 start a; 400 failed"},
        {"a victory at the deadline", "config deadline=400; 0 add a 6; 400 win a", "0 start a; 400 won a"},
        {"nothing is taken up after the end", "0 add a 6; 5 win a; 6 add b 6; 7 fail a; 8 win a; 9 reach a; 9 complete",
         "0 start a; 5 won a; 6 shut b"},
        {"a failure of one that has not begun is none", "0 add a 6; 0 add b 6; 1 fail b; 2 win b; 3 fail a; 9 win b",
         "0 start a; 3 start b; 9 won b"},
        {"failing twice is failing once", "0 add a 6; 0 add b 6; 0 add c 6; 1 fail a; 2 fail a; 9 win b",
         "0 start a; 1 start b; 9 untried c; 9 won b"},
    };
    (void)state;
    CASES(cases);
}

/* More than 64 are refused; the place of one that was withdrawn is free again. */
static void test_limit(void **state)
{
    static const char *const names = "!#$%&()*+,-./0123456789:<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghij";
    char script[4096] = "config deadline=5", did[4096];
    size_t used = strlen(script);
    (void)state;

    for (unsigned i = 0; i < RACE_CANDIDATES_MAX + 1; i++)
        used += (size_t)snprintf(script + used, sizeof script - used, "; 0 add %c 6", names[i]);
    (void)snprintf(script + used, sizeof script - used, "; 1 withdraw A; 1 add x 6; 1 add y 6");
    race_script(script, did, sizeof did, NULL);
    used = (size_t)snprintf(script, sizeof script, "0 full %c; 0 start !; 1 full y; 5 timeout !",
                            names[RACE_CANDIDATES_MAX]);
    assert_int_equal(strncmp(did, script, used), 0);
    assert_non_null(strstr(did, "5 untried x; 5 expired"));
    assert_null(strstr(did, "untried A"));
}

/* As they began, then as they would have. */
static void test_order(void **state)
{
    char did[4096], order[128] = "";
    (void)state;

    race_script("0 add a 4; 0 add b 4 prio=1; 0 add c 6; 0 add d 6; 0 add e 6 path=1; 0 add f 4; 300 win c", did,
                sizeof did, order);
    assert_string_equal(did, "0 start c; 250 start a; 300 lost a; 300 untried b; 300 untried d; 300 untried f; "
                             "300 untried e; 300 won c");
    assert_string_equal(order, "cadfbe");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants), cmocka_unit_test(test_first_start), cmocka_unit_test(test_stagger),
        cmocka_unit_test(test_families),  cmocka_unit_test(test_priorities),  cmocka_unit_test(test_changes),
        cmocka_unit_test(test_end),       cmocka_unit_test(test_limit),       cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
