/* SPDX-License-Identifier: Apache-2.0 */
/* What history.c (in memory) and history_file.c (on disk, on the worker) hand each other. */
#ifndef RACE_HISTORY_STORE_H
#define RACE_HISTORY_STORE_H

#include "base/list.h"
#include "race/history.h"

#define HISTORY_FILE "history.sqlite"
#define HISTORY_HALF_LIFE 86400           /* seconds after which what was seen counts half */
#define HISTORY_MAX_AGE (30 * 86400)      /* seconds after which it is forgotten */
#define HISTORY_ENTRIES_MAX 2048          /* above it the oldest are forgotten */
#define HISTORY_SERVICE_MAX 256           /* entries of one service that are read */
#define HISTORY_FILE_MAX (64 << 20)       /* bytes; one that is larger is none of ours */
#define HISTORY_STEPS_MAX 2000            /* times 10,000 steps of SQLite's machine that one visit may take */
#define HISTORY_WRITE_DELAY 1000000       /* microseconds in which changes are collected */
#define HISTORY_BUSY_WORKER 5000          /* milliseconds to wait for other processes, on the worker */
#define HISTORY_BUSY_HERE 100             /* and on the context's thread */
#define HISTORY_AT_HAND 3                 /* attempts that the smoothed times stand for, at most */
#define HISTORY_APPLICATION_ID 0x68777372 /* "hwsr": that the file is ours */
#define HISTORY_VERSION 1

/* One remembered thing, or a change to it: a record is added to what is known. */
struct history_item {
    struct list link;
    struct history_key key; /* into texts */
    struct history_record record;
    enum history_speaks speaks; /* HISTORY_UNKNOWN: nothing is said */
    char texts[];
};

/* One visit to the file. */
struct history_visit {
    /* to do */
    const char *directory;
    struct list changes; /* history_item; those that were written are freed */
    uint64_t counted[COUNT_COUNTERS];
    int busy_ms;
    struct list asked; /* history_item: services to read */
    struct list again; /* those to read when others have written since */
    uint64_t known;    /* the generation that they were read at; 0: none */
    bool ask_counters;
    /* done */
    bool read, read_again; /* the lists were read */
    struct list rows;      /* history_item, the newest of a service first */
    uint64_t counters[COUNT_COUNTERS];
    bool counters_read;
    uint64_t generation;
    int code;       /* 0; -EBUSY: later, nothing was written; other: the file cannot be used */
    char said[400]; /* for the log; "" */
};

/* history_record.c */
int64_t history_clock(void);                                /* CLOCK_REALTIME, seconds */
void record_age(struct history_record *record, int64_t to); /* what is left of its weight then */
/* Adds what was seen to what is known, both weighed by their age; the later one says what was last. */
void record_add(struct history_record *known, const struct history_record *seen);
size_t key_size(const struct history_key *key);
struct history_key key_copy(const struct history_key *key, char *texts); /* with its strings in texts: key_size() */
struct history_item *item_new(const struct history_key *key);            /* NULL: no memory */
void items_free(struct list *items);

/* history_file.c */
void history_file_visit(struct history_visit *visit);
/* Forgets a service, or NULL: all. -errno: the file could not be changed. */
int history_file_forget(const char *directory, const char *service, uint64_t *ret_count, char *said, size_t size);

/* history_counters.c */
extern const char *const history_counter_names[COUNT_COUNTERS];

/* history.c, for history_counters.c */
void history_counted(struct history *history, enum history_counter counter, bool ask, uint64_t *ret_here,
                     uint64_t *ret_all);

#endif
