/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The race above one stack, in simulated time: stacks of a path, paths, their timers that know nothing of each other,
 * failures that go up the tree, nodes that only follow a failure, and nodes that come in mid-race.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "race/race.h"
#include "race_script.h"

#define CASES(cases) race_cases(cases, sizeof(cases) / sizeof *(cases))

static void test_stacks(void **state)
{
    static const struct race_case cases[] = {
        {"the next stack after 250 ms, beside the first one's own timer",
         "0 add a 6; 0 add b 4; 0 add c 6 stack=1; 0 add d 4 stack=1; 600 win d",
         "0 start a; 250 start b; 250 start c; 500 start d; 600 lost a; 600 lost b; 600 lost c; 600 won d"},
        {"by rank, not as added", "0 add a 6 stack=1 srank=7; 0 add b 6 stack=2 srank=3; 300 win a",
         "0 start b; 250 start a; 300 lost b; 300 won a"},
        {"equal ranks as they came",
         "0 add a 6 stack=5 srank=1; 0 add b 6 stack=3 srank=1; 0 add c 4 stack=5 srank=1; 30 win a",
         "0 start a; 30 untried c; 30 untried b; 30 won a"},
        {"the last rank given counts", "0 add a 6 stack=1; 0 add b 6 stack=2; 0 add c 4 stack=2 srank=0; 30 win b",
         "0 start b; 30 untried c; 30 untried a; 30 won b"},
        {"a failure in a stack is the stack's own matter while it has others",
         "0 add a 6; 0 add b 4; 0 add c 6 stack=1; 10 fail a; 300 win c",
         "0 start a; 10 start b; 250 start c; 300 lost b; 300 won c"},
        {"a stack that failed as a whole starts the next at once",
         "0 add a 6; 0 add b 4; 0 add c 6 stack=1; 10 fail a; 20 fail b; 30 win c",
         "0 start a; 10 start b; 20 start c; 30 won c"},
        {"also beside another that runs", "0 add a 6; 0 add b 6 stack=1; 0 add c 6 stack=2; 260 fail a; 300 win c",
         "0 start a; 250 start b; 260 start c; 300 lost b; 300 won c"},
        {"a handshake that is done extends the path's timer", "0 add a 6; 0 add b 6 stack=1; 240 reach a; 500 win b",
         "0 start a; 490 start b; 500 lost a; 500 won b"},
        {"once: many that answer and no more do not hold back the next stack",
         "0 add a 6; 0 add b 6; 0 add c 6 stack=1; 100 reach a; 350 reach b; 400 win c",
         "0 start a; 350 start b; 350 start c; 400 lost a; 400 lost b; 400 won c"},
        {"as late as the stack says", "0 add a 6; 0 add b 6 stack=1 sdelay=2000; 0 add c 6 path=1; 2100 win b",
         "0 start a; 500 start c; 2000 start b; 2100 lost a; 2100 lost c; 2100 won b"},
        {"all fail at once", "0 add a 6 broken; 0 add b 6 stack=1 broken; 0 add c 6 stack=2 broken path=1; 0 complete",
         "0 start a; 0 start b; 0 start c; 0 failed"},
    };
    (void)state;
    CASES(cases);
}

static void test_paths(void **state)
{
    static const struct race_case cases[] = {
        {"500 ms for a radio to wake up", "0 add a 6; 0 add b 6 path=1; 600 win b",
         "0 start a; 500 start b; 600 lost a; 600 won b"},
        {"as each path says", "0 add a 6; 0 add b 6 path=1 pdelay=80; 0 add c 6 path=2 pdelay=30; 150 win b",
         "0 start a; 80 start b; 110 start c; 150 lost a; 150 lost c; 150 won b"},
        {"the path's delay knows nothing of the attempts'",
         "config delay=2000; 0 add a 6; 0 add b 4; 0 add c 6 path=1; 600 win c",
         "0 start a; 500 start c; 600 lost a; 600 untried b; 600 won c"},
        {"each path has timers of its own",
         "0 add a 6; 0 add b 6; 0 add c 6; 0 add d 6 path=1; 0 add e 6 path=1; 800 win d",
         "0 start a; 250 start b; 500 start c; 500 start d; 750 start e; 800 lost a; 800 lost b; 800 lost c; 800 lost "
         "e; "
         "800 won d"},
        {"a path of which all failed starts the next at once",
         "0 add a 6; 0 add b 6 stack=1; 0 add c 6 path=1; 0 add d 6 path=2; 10 fail a; 20 fail b; 530 win d",
         "0 start a; 10 start b; 20 start c; 520 start d; 530 lost c; 530 won d"},
        {"a path of which one stack failed does not",
         "0 add a 6; 0 add b 6 stack=1; 0 add c 6 path=1; 10 fail a; 530 win c",
         "0 start a; 10 start b; 500 start c; 530 lost b; 530 won c"},
        {"a handshake extends the first path's head start, once",
         "0 add a 6; 0 add b 6; 0 add c 6 path=1; 400 reach a; 700 reach b; 950 win c",
         "0 start a; 250 start b; 900 start c; 950 lost a; 950 lost b; 950 won c"},
        {"a better path that comes later is the next, not at once",
         "0 add a 6 path=3; 0 add b 6 path=4; 100 add c 6 path=1; 600 win c",
         "0 start a; 500 start c; 600 lost a; 600 untried b; 600 won c"},
        {"a path that comes when all failed starts at once", "0 add a 6; 10 fail a; 700 add b 6 path=1; 720 win b",
         "0 start a; 700 start b; 720 won b"},
        {"a path that failed and gets another address starts it at once",
         "0 add a 6; 0 add b 6 path=1; 10 fail a; 100 add c 6; 120 win c",
         "0 start a; 10 start b; 100 start c; 120 lost b; 120 won c"},
        {"an interface that goes: what runs is failed by the user, what waits is withdrawn, the next path starts",
         "0 add a 6; 0 add b 6; 0 add c 6 path=1; 100 withdraw b; 100 fail a; 110 win c",
         "0 start a; 100 start c; 110 won c"},
        {"in either order",
         "0 add a 6; 0 add b 6; 0 add c 6 path=1; 100 fail a; 100 withdraw b; 100 complete; 110 fail c",
         "0 start a; 100 start c; 110 failed"},
        {"an interface that comes and goes before its turn leaves nothing",
         "0 add a 6; 0 add b 6 path=1; 100 withdraw b; 200 add c 6 path=1; 300 withdraw c; 400 add d 6 path=2; 600 win "
         "d",
         "0 start a; 500 start d; 600 lost a; 600 won d"},
        {"questions hold back all paths alike", "0 ask 64; 5 add a 4; 5 add b 4 path=1; 5 answer 4; 600 win b",
         "55 start a; 555 start b; 600 lost a; 600 won b"},
    };
    (void)state;
    CASES(cases);
}

static void test_failover(void **state)
{
    static const struct race_case cases[] = {
        {"a stack that only follows a failure has no timer",
         "0 add a 6; 0 add b 6 stack=1 sfail; 5000 fail a; 5010 win b", "0 start a; 5000 start b; 5010 won b"},
        {"of all before it",
         "0 add a 6; 0 add b 6 stack=1; 0 add c 6 stack=2 sfail; 10 fail a; 4000 fail b; 4010 win c",
         "0 start a; 10 start b; 4000 start c; 4010 won c"},
        {"those that wait before it count",
         "0 add a 6; 0 add b 4; 0 add c 6 stack=1 sfail; 10 fail a; 20 fail b; 30 win c",
         "0 start a; 10 start b; 20 start c; 30 won c"},
        {"behind it goes on by timers", "0 add a 6; 0 add b 6 stack=1 sfail; 0 add c 6 stack=2; 400 fail a; 700 win c",
         "0 start a; 400 start b; 650 start c; 700 lost b; 700 won c"},
        {"a path too", "0 add a 6; 0 add b 6 path=1 pfail; 3000 fail a; 3010 win b",
         "0 start a; 3000 start b; 3010 won b"},
        {"a path beside it is not its matter",
         "0 add a 6; 0 add b 6 stack=1 sfail; 0 add c 6 path=1; 0 add d 6 path=1 stack=1 sfail; 900 fail c; 950 win d",
         "0 start a; 500 start c; 900 start d; 950 lost a; 950 untried b; 950 won d"},
        {"one that fails before it comes does not hold it", "0 add a 6 broken; 0 add b 6 stack=1 sfail; 9 win b",
         "0 start a; 0 start b; 9 won b"},
        {"alone it starts", "0 add a 6 sfail pfail; 9 win a", "0 start a; 9 won a"},
        {"alone, while look-ups may bring one before it, it waits for these",
         "0 ask 64; 0 add a o stack=1 sfail; 300 add b 6; 300 answer 64; 340 fail b; 350 win a",
         "300 start b; 340 start a; 350 won a"},
        {"also when they bring nothing", "0 ask 64; 0 add a o stack=1 sfail; 300 answer 64; 350 win a",
         "300 start a; 350 won a"},
        {"but 2 s at most", "0 ask 64; 10 add a o stack=1 sfail; 2500 win a", "2010 start a; 2500 won a"},
        {"and what comes after it by rank comes after it",
         "0 ask 64; 10 add a o stack=1 sfail; 10 add b o path=1; 100 answer 6; 2600 win b",
         "2010 start a; 2510 start b; 2600 lost a; 2600 won b"},
        {"no look-up is waited for once one before it failed",
         "0 ask 64; 10 add a 6; 10 answer 6; 10 add b 6 stack=1 sfail; 20 fail a; 30 win b",
         "10 start a; 20 start b; 30 won b"},
        {"one that comes before it in rank when it runs is the next by the timer",
         "0 add a 6 stack=2 sfail; 100 add b 6 stack=1; 300 win b", "0 start a; 250 start b; 300 lost a; 300 won b"},
        {"one that never answers holds it until the deadline",
         "config deadline=900; 0 add a 6; 0 add b 6 stack=1 sfail",
         "0 start a; 900 timeout a; 900 untried b; 900 expired"},
    };
    (void)state;
    CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stacks),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_failover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
