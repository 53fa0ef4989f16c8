/* SPDX-License-Identifier: Apache-2.0 */
/* The file of what is remembered as a database that is ours: opened, claimed, set aside. */
#ifndef RACE_HISTORY_DB_H
#define RACE_HISTORY_DB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sqlite3.h>

#include "race/history_store.h"

struct store {
    sqlite3 *db;
    int directory; /* descriptor */
    char path[4096];
    dev_t device;
    ino_t inode;
    unsigned steps;
    int code; /* SQLite's, of the first failure */
    char why[160];
};

/* What the first failure means for the file. */
enum fate { USABLE, LATER, BAD, UNUSABLE };

bool store_ok(struct store *store, int code); /* notes the first failure */
bool store_run(struct store *store, const char *sql);
sqlite3_stmt *store_prepare(struct store *store, const char *sql); /* NULL: failed */
int64_t store_ask(struct store *store, const char *sql);           /* the first number that a query gives; 0: none */
enum fate store_fate(const struct store *store);
int store_errno(const struct store *store);
/* False: there is no file (code is SQLITE_OK), or it failed. store_close() follows in any case. */
bool store_open(struct store *store, const char *directory, bool create, int busy_ms);
void store_close(struct store *store);
/* Renames a bad file, and says so. */
void store_set_aside(struct store *store, char *said, size_t size);

#endif
