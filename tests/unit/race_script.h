/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A race in simulated time, from a script: "0 add a 6; 0 add b 4; 300 win a". The times are milliseconds; after each the
 * race is ticked for as long as it is due, also between steps. What it did comes back in the same form: "0 start a; ...".
 *
 *   config [deadline=MS] [delay=MS] [count=N] [v4]     once, first
 *   ask s64 | answer s64 | complete                    s: the service; 6: AAAA; 4: A
 *   add NAME 6|4|o [path=N] [stack=N] [prank=N] [srank=N] [pdelay=MS] [sdelay=MS] [pfail] [sfail] [prio=N] [pref=N] [broken]
 *   reach NAME | fail NAME | win NAME | withdraw NAME  NAME is a letter; broken: start() fails at once
 *   delay MS | rtt MS                                  race_set_attempt_delay(); rtt: by race_delay_for_rtt()
 *
 * The race did: "start", "lost", "untried", "timeout" NAME, "won NAME", "failed" or "expired" (no winner), and what a
 * step gave that is no success: "busy NAME", "full NAME", "shut NAME".
 */
#ifndef TEST_RACE_SCRIPT_H
#define TEST_RACE_SCRIPT_H

#include <stddef.h>

/* Runs it to its end; fails the test when something is amiss that no script may lead to: memory left, a decision twice,
 * a start after it. order: what race_candidate_at() gives at the end, or NULL. */
void race_script(const char *script, char *did, size_t size, char *order);

struct race_case {
    const char *what, *script, *did;
};
void race_cases(const struct race_case *cases, size_t count);

#endif
