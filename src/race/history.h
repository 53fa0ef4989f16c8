/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of earlier attempts, per network and remote, on disk (STATE/history.sqlite: WAL, shared by processes,
 * pruned), and counters (S4.19-S4.25). It reorders candidates and never removes one. A service is read once, at the first
 * question about it, and then with what others wrote whenever we write; writing is the worker's.
 */
#ifndef RACE_HISTORY_H
#define RACE_HISTORY_H

#include <hawser/hawser.h>

#include "base/list.h"

struct history;
/* The context's. Never fails because of the file: one that cannot be used is set aside (renamed *.bad, said in the log), and
 * without a state directory all is kept in memory alone. -ENOMEM */
int history_of(hawser_context *context, struct history **ret_history);

/* Begins to read what is known of a service, on the worker, so that it is there when it is asked for; nothing when it was
 * read already. */
void history_prepare(struct history *history, const char *service);
bool history_ready(struct history *history, const char *service); /* asking about it would wait for nothing */
/* Is told, in dispatch, when a read that was begun is done. */
struct history_user {
    struct list link;
    void (*read)(struct history_user *user);
};
void history_join(struct history *history, struct history_user *user); /* leaves by list_remove() */

/* What one attempt was. Strings are copied; with one that is longer than HISTORY_TEXT nothing is noted. */
enum { HISTORY_TEXT = 320 };
struct history_key {
    const char *network; /* path/path.h: the gateway and interface */
    const char *service; /* "example.org:443": what was asked for */
    const char *address; /* "192.0.2.1:443" */
    const char *stack;   /* as asked for: "tls/mptcp" */
};

struct history_record { /* the sum of what is remembered; newer counts more: halved every 24 hours, to now */
    double succeeded, failed;
    int last_code;        /* of the last attempt: 0 or why it failed */
    int64_t last;         /* CLOCK_REALTIME seconds; 0: nothing is known */
    int64_t rtt_us;       /* smoothed, newer counts more; 0: not known */
    int64_t establish_us; /* from start to secured */
    uint64_t rate;        /* bits per second; 0: not known */
};

/* address or stack NULL: any. Zeroes when nothing is known. */
void history_recall(struct history *history, const struct history_key *key, struct history_record *ret_record);
/* Costs no system call but a timer's: the file is the worker's, a second later. */
void history_note(struct history *history, const struct history_key *key, int code, int64_t rtt_us,
                  int64_t establish_us);
void history_note_rate(struct history *history, const struct history_key *key, uint64_t rate);
/* A key that is kept until there is something to note; NULL: no memory. free() it. */
struct history_key *history_key_keep(const struct history_key *key);

/* What a service is known to speak, wherever it is. */
enum history_speaks { HISTORY_UNKNOWN, HISTORY_SESSION, HISTORY_BARE };
enum history_speaks history_speaks(struct history *history, const char *service);
void history_note_speaks(struct history *history, const char *service, enum history_speaks speaks);

/* Counters; names and texts in a table of history_counters.c, which `hawser stats` prints. */
enum history_counter {
    COUNT_ESTABLISHED,
    COUNT_FAILED,
    COUNT_SEVERAL_ADDRESSES,      /* S4.19: 47 % in the seed */
    COUNT_WON_BY_OTHER,           /* S4.20: won by another than the first address: 5 % */
    COUNT_STACK_BY_CLIENT,        /* S4.24: the stack was altered by the program's choice: 5 % */
    COUNT_STACK_BY_POLICY,        /* S4.24: by system policy (proxy, preference): 2 % */
    COUNT_SEVERAL_INTERFACES,     /* S4.25: several interfaces were tried */
    COUNT_WON_ON_OTHER_INTERFACE, /* S4.25: 20 % of those */
    COUNT_ATTEMPTS,
    COUNT_ATTEMPTS_LOST,
    COUNT_COUNTERS,
};
void history_count(struct history *history, enum history_counter counter);

#endif
