/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The race: which candidate starts when (RFC 9623 section 4, Happy Eyeballs v3; docs/racing.md). No I/O, no clock, no
 * name, no address: the user says what there is to try and what became of it; the race says start() and stop(). It can
 * be run in simulated time.
 *
 * The tree is paths, then stacks, then endpoints. Each node starts its first child at once and the next one when its own
 * timer fires or the running ones failed; timers of different nodes know nothing of each other. Among children the
 * lowest rank goes first. Endpoints of one stack are grouped by priority, then families take turns, then by preference.
 */
#ifndef RACE_RACE_H
#define RACE_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Happy Eyeballs v3, and ours for what it leaves open; microseconds. */
#define RACE_RESOLUTION_DELAY 50000    /* how long the first addresses wait for the preferred family and for SVCB */
#define RACE_ATTEMPT_DELAY 250000      /* without a remembered RTT */
#define RACE_ATTEMPT_DELAY_MIN 100000  /* with one */
#define RACE_ATTEMPT_DELAY_FLOOR 10000 /* whatever anybody asks for */
#define RACE_ATTEMPT_DELAY_MAX 2000000
#define RACE_PATH_DELAY 500000      /* the head start of the first path: a radio that sleeps needs some time */
#define RACE_FAILOVER_DELAY 2000000 /* how long a failover node waits for look-ups when nothing was found before it */
#define RACE_PREFERRED_FAMILY_COUNT 1
#define RACE_CANDIDATES_MAX 64 /* more are refused: -E2BIG */
#define RACE_NEVER INT64_MAX

struct race;
struct race_candidate;

enum race_question { RACE_SERVICE = 1, RACE_V6 = 2, RACE_V4 = 4 }; /* SVCB or HTTPS; AAAA; A */
enum race_family { RACE_FAMILY_V6, RACE_FAMILY_V4, RACE_FAMILY_OTHER };

enum race_stop {                /* why a candidate is no longer in the race */
                 RACE_LOST,     /* another won while it ran */
                 RACE_UNTRIED,  /* it never ran: another won, or time ran out */
                 RACE_TIMED_OUT /* it ran until the deadline of the whole */
};

struct race_spec {
    unsigned path, stack;               /* numbers of the node, the user's; equal numbers are one node */
    int path_rank, stack_rank;          /* lower first; the last given counts for the whole node */
    int64_t path_delay;                 /* after which this path starts beside those before it; 0: RACE_PATH_DELAY */
    int64_t stack_delay;                /* the same for this stack; 0: the attempt delay */
    bool path_failover, stack_failover; /* this node starts when all before it failed, not beside them by its timer */
    unsigned priority;                  /* SRV and SVCB: all of a lower number start before those of a higher one */
    enum race_family family;
    unsigned preference; /* RFC 6724 order, lower first; equal: as added */
    void *cookie;
};

struct race_handler {
    /* Begin this one. Negative: it failed at once, which counts as race_failed(). Must not call the race. */
    int (*start)(void *user, struct race_candidate *candidate);
    /* Give this one up. Must not call the race. */
    void (*stop)(void *user, struct race_candidate *candidate, enum race_stop why);
    /* Decided: winner, or NULL when nothing is left (timed_out: since the deadline came). Called once, last; may free. */
    void (*decided)(void *user, struct race_candidate *winner, bool timed_out);
};

struct race_config {
    const struct memory *memory;
    const struct race_handler *handler;
    void *user;
    int64_t deadline;                /* of the whole; RACE_NEVER: none */
    int64_t attempt_delay;           /* as race_set_attempt_delay() */
    bool prefer_v4;                  /* policy; else IPv6 goes first */
    unsigned preferred_family_count; /* 0: RACE_PREFERRED_FAMILY_COUNT */
};

/* The attempt delay for a remembered RTT: twice the RTT, within the limits; 0 (not known) gives RACE_ATTEMPT_DELAY. */
int64_t race_delay_for_rtt(int64_t rtt_us);

/* Once something is remembered of the peer; 0: RACE_ATTEMPT_DELAY. Held within floor and maximum. */
void race_set_attempt_delay(struct race *race, int64_t delay);

int race_new(const struct race_config *config, int64_t now, struct race **ret_race);
void race_free(struct race *race); /* tells nothing */

/* Which questions are under way: nothing starts until the preferred family and the service answered (either way), or the
 * resolution delay is over since the first address. Without questions candidates start as they are added. */
void race_ask(struct race *race, unsigned questions);
void race_answered(struct race *race, unsigned questions, int64_t now); /* positive or negative, all of it is added */
/* No more candidates will come: without it "nothing left" only waits. May be taken back by race_ask(). */
void race_complete(struct race *race, int64_t now);

/* -E2BIG, -ENOMEM. Added after the decision: -ESHUTDOWN. The start comes by the next race_tick(), which is due now. */
int race_add(struct race *race, const struct race_spec *spec, struct race_candidate **ret_candidate);
/* The address or interface went away: one that has not started is dropped (no stop() follows), one that runs goes on:
 * -EBUSY; the user ends it by race_failed() if it cannot go on. */
int race_withdraw(struct race *race, struct race_candidate *candidate);
/* Its transport's handshake is done: its stack's timer starts afresh; those above do once for each of their children. */
void race_reached(struct race *race, struct race_candidate *candidate, int64_t now);
void race_failed(struct race *race, struct race_candidate *candidate, int64_t now);
void race_won(struct race *race, struct race_candidate *candidate, int64_t now);

int64_t race_due(const struct race *race); /* RACE_NEVER: nothing */
void race_tick(struct race *race, int64_t now);

void *race_cookie(const struct race_candidate *candidate);
bool race_running(const struct race_candidate *candidate);
/* All candidates in the order of the tree, for the report: index from 0, NULL past the last. */
const struct race_candidate *race_candidate_at(const struct race *race, unsigned index);

#endif
