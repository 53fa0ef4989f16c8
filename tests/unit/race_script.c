/* SPDX-License-Identifier: Apache-2.0 */
#include "race_script.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "race/race.h"

struct play {
    struct race *race;
    struct race_candidate *candidates[128]; /* by letter */
    bool broken[128];
    int64_t now;
    size_t allocated;
    bool decided;
    char *did;
    size_t size;
};

struct counting {
    struct memory memory;
    size_t *allocated;
};

static void *counting_allocate(const struct memory *memory, size_t size)
{
    *((const struct counting *)(const void *)memory)->allocated += size;
    return malloc(size);
}

static void counting_release(const struct memory *memory, void *block, size_t size)
{
    *((const struct counting *)(const void *)memory)->allocated -= size;
    free(block);
}

static void say(struct play *play, const char *word, char name)
{
    size_t used = strlen(play->did);

    snprintf(play->did + used, play->size - used, "%s%lld %s%s%c", used ? "; " : "", (long long)(play->now / 1000),
             word, name ? " " : "", name);
}

static char name_of(const struct race_candidate *candidate)
{
    return (char)(intptr_t)race_cookie(candidate);
}

static int on_start(void *user, struct race_candidate *candidate)
{
    struct play *play = user;

    assert_false(play->decided);
    assert_true(race_running(candidate));
    say(play, "start", name_of(candidate));
    return play->broken[(int)name_of(candidate)] ? -ECONNREFUSED : 0;
}

static void on_stop(void *user, struct race_candidate *candidate, enum race_stop why)
{
    static const char *const words[] = {[RACE_LOST] = "lost", [RACE_UNTRIED] = "untried", [RACE_TIMED_OUT] = "timeout"};
    struct play *play = user;

    assert_false(play->decided);
    assert_false(race_running(candidate));
    say(play, words[why], name_of(candidate));
}

static void on_decided(void *user, struct race_candidate *winner, bool timed_out)
{
    struct play *play = user;

    assert_false(play->decided);
    play->decided = true;
    say(play, winner ? "won" : timed_out ? "expired" : "failed", winner ? name_of(winner) : '\0');
}

static const struct race_handler calls = {.start = on_start, .stop = on_stop, .decided = on_decided};

/* "word=7" gives 7; else otherwise. */
static int64_t number_of(const char *step, const char *word, int64_t otherwise)
{
    char sought[32];
    const char *found;

    snprintf(sought, sizeof sought, " %s=", word);
    found = strstr(step, sought);
    return found ? strtoll(found + strlen(sought), NULL, 10) : otherwise;
}

static bool has(const char *step, const char *word)
{
    const char *found = strstr(step, word);

    return found && found[-1] == ' ' && (found[strlen(word)] == ' ' || !found[strlen(word)]);
}

static void add(struct play *play, const char *step, char name, char family)
{
    struct race_spec spec = {
        .path = (unsigned)number_of(step, "path", 0),
        .stack = (unsigned)number_of(step, "stack", 0),
        .path_rank = (int)number_of(step, "prank", number_of(step, "path", 0)),
        .stack_rank = (int)number_of(step, "srank", number_of(step, "stack", 0)),
        .path_delay = 1000 * number_of(step, "pdelay", 0),
        .stack_delay = 1000 * number_of(step, "sdelay", 0),
        .path_failover = has(step, "pfail"),
        .stack_failover = has(step, "sfail"),
        .priority = (unsigned)number_of(step, "prio", 0),
        .family = family == '6'   ? RACE_FAMILY_V6
                  : family == '4' ? RACE_FAMILY_V4
                                  : RACE_FAMILY_OTHER,
        .preference = (unsigned)number_of(step, "pref", 0),
        .cookie = (void *)(intptr_t)name,
    };
    int r;

    play->broken[(int)name] = has(step, "broken");
    r = race_add(play->race, &spec, &play->candidates[(int)name]);
    if (r < 0)
        say(play, r == -E2BIG ? "full" : r == -ESHUTDOWN ? "shut" : "no memory", name);
}

static unsigned questions_of(const char *letters)
{
    return (strchr(letters, 's') ? RACE_SERVICE : 0u) | (strchr(letters, '6') ? RACE_V6 : 0u) |
           (strchr(letters, '4') ? RACE_V4 : 0u);
}

static void perform(struct play *play, const char *step)
{
    struct race_candidate *candidate;
    char word[16], argument[16] = "", family = 0;

    if (sscanf(step, "%15s %15s %c", word, argument, &family) < 1)
        fail_msg("\"%s\" is no step", step);
    candidate = play->candidates[argument[0] & 127];
    if (strcmp(word, "ask") == 0)
        race_ask(play->race, questions_of(argument));
    else if (strcmp(word, "answer") == 0)
        race_answered(play->race, questions_of(argument), play->now);
    else if (strcmp(word, "complete") == 0)
        race_complete(play->race, play->now);
    else if (strcmp(word, "add") == 0)
        add(play, step, argument[0], family);
    else if (strcmp(word, "delay") == 0)
        race_set_attempt_delay(play->race, 1000 * strtoll(argument, NULL, 10));
    else if (strcmp(word, "rtt") == 0)
        race_set_attempt_delay(play->race, race_delay_for_rtt(1000 * strtoll(argument, NULL, 10)));
    else if (!candidate)
        fail_msg("\"%s\": there is no such candidate, or no such word", step);
    else if (strcmp(word, "reach") == 0)
        race_reached(play->race, candidate, play->now);
    else if (strcmp(word, "fail") == 0)
        race_failed(play->race, candidate, play->now);
    else if (strcmp(word, "win") == 0)
        race_won(play->race, candidate, play->now);
    else if (strcmp(word, "withdraw") != 0)
        fail_msg("\"%s\" is no step", step);
    else if (race_withdraw(play->race, candidate) == -EBUSY)
        say(play, "busy", argument[0]);
}

/* All that is due until a time. */
static void pass(struct play *play, int64_t until)
{
    unsigned ticks = 0;

    while (race_due(play->race) <= until) {
        if (race_due(play->race) > play->now)
            play->now = race_due(play->race);
        race_tick(play->race, play->now);
        if (++ticks > 1000)
            fail_msg("the race is due again and again at %lld ms", (long long)(play->now / 1000));
    }
}

static void begin(struct play *play, const char *config, struct counting *counting)
{
    const struct race_config given = {
        .memory = &counting->memory,
        .handler = &calls,
        .user = play,
        .deadline = config && number_of(config, "deadline", 0) ? 1000 * number_of(config, "deadline", 0) : RACE_NEVER,
        .attempt_delay = config ? 1000 * number_of(config, "delay", 0) : 0,
        .prefer_v4 = config && has(config, "v4"),
        .preferred_family_count = config ? (unsigned)number_of(config, "count", 0) : 0,
    };

    assert_int_equal(race_new(&given, 0, &play->race), 0);
}

void race_script(const char *script, char *did, size_t size, char *order)
{
    struct play play = {.did = did, .size = size};
    struct counting counting = {{counting_allocate, counting_release}, &play.allocated};
    char copy[4096], *state = NULL;
    const struct race_candidate *candidate;

    *did = '\0';
    assert_true((size_t)snprintf(copy, sizeof copy, "%s", script) < sizeof copy);
    for (char *step = strtok_r(copy, ";", &state); step; step = strtok_r(NULL, ";", &state)) {
        char *rest;
        int64_t at;

        step += strspn(step, " ");
        if (strncmp(step, "config", 6) == 0) {
            begin(&play, step, &counting);
            continue;
        }
        if (!play.race)
            begin(&play, NULL, &counting);
        at = 1000 * strtoll(step, &rest, 10);
        if (at > play.now) {
            pass(&play, at - 1);
            play.now = at;
        }
        perform(&play, rest);
    }
    pass(&play, RACE_NEVER - 1);
    for (unsigned i = 0; order && (candidate = race_candidate_at(play.race, i)); i++) {
        *order++ = name_of(candidate);
        *order = '\0';
    }
    race_free(play.race);
    assert_int_equal(play.allocated, 0);
}

void race_cases(const struct race_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char did[4096];

        race_script(cases[i].script, did, sizeof did, NULL);
        if (strcmp(did, cases[i].did) != 0)
            fail_msg("%s:\n    %s\n  did     %s\n  and not %s", cases[i].what, cases[i].script, did, cases[i].did);
    }
}
