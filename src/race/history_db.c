/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite with a write-ahead log, so that processes read and write beside each other. It is open during a visit only: no
 * descriptor of it outlives one, and a fork() in between takes nothing along. What cannot be read as ours is set aside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "race/history_db.h"
#include "security/state.h"

static const char schema[] =
    "PRAGMA user_version = 1;"
    "CREATE TABLE entries(service TEXT NOT NULL, network TEXT NOT NULL, address TEXT NOT NULL, stack TEXT NOT NULL,"
    " succeeded REAL NOT NULL, failed REAL NOT NULL, last_code INT NOT NULL, last INT NOT NULL, rtt INT NOT NULL,"
    " establish INT NOT NULL, rate INT NOT NULL, speaks INT NOT NULL,"
    " PRIMARY KEY(service, network, address, stack)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE counters(name TEXT NOT NULL PRIMARY KEY, value INT NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO counters VALUES('generation', 1);";

/* ----------------------------------------------------------------------------------------------------------- SQLite */

/* Notes the first failure. */
bool store_ok(struct store *store, int code)
{
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
        return true;
    if (store->code == SQLITE_OK) {
        store->code = code & 0xff;
        snprintf(store->why, sizeof store->why, "%s", store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
    }
    return false;
}

bool store_run(struct store *store, const char *sql)
{
    return store_ok(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

sqlite3_stmt *store_prepare(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    store_ok(store, sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL));
    return statement;
}

/* The first number that a query gives; 0: none. */
int64_t store_ask(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = store_prepare(store, sql);
    int64_t number = 0;

    if (!statement)
        return 0;
    if (store_ok(store, sqlite3_step(statement)))
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* A file may be made so that reading it never ends. */
static int on_steps(void *user)
{
    struct store *store = user;

    return ++store->steps > HISTORY_STEPS_MAX;
}

enum fate store_fate(const struct store *store)
{
    switch (store->code) {
    case SQLITE_OK:
        return USABLE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return LATER;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* other tables than ours */
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
    case SQLITE_INTERRUPT:
    case SQLITE_TOOBIG:
    case SQLITE_FORMAT:
    case SQLITE_SCHEMA:
        return BAD;
    default:
        return UNUSABLE;
    }
}

int store_errno(const struct store *store)
{
    switch (store->code) {
    case SQLITE_OK:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return -EACCES;
    default:
        return -EIO;
    }
}

/* ---------------------------------------------------------------------------------------------------- open and close */

static void foreign(struct store *store, const char *why)
{
    if (store->code == SQLITE_OK) {
        store->code = SQLITE_NOTADB;
        snprintf(store->why, sizeof store->why, "%s", why);
    }
}

static void unusable(struct store *store, int r)
{
    store->code = r == -ENOSPC ? SQLITE_FULL : r == -EROFS ? SQLITE_READONLY : SQLITE_CANTOPEN;
    snprintf(store->why, sizeof store->why, "%s", hawser_strerror(r));
}

/* Makes the file where it is not, private from the start; looks at what is there. False: there is none, or a failure. */
static bool look(struct store *store, bool create)
{
    const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int fd = openat(store->directory, HISTORY_FILE, flags | (create ? O_CREAT : 0), 0600);
    struct stat status;

    if (fd < 0) {
        if (errno == ELOOP || errno == EISDIR || errno == ENXIO)
            foreign(store, "it is no regular file");
        else if (errno != ENOENT || create)
            unusable(store, -errno);
        if (store->code == SQLITE_NOTADB &&
            fstatat(store->directory, HISTORY_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0) {
            store->device = status.st_dev;
            store->inode = status.st_ino;
        }
        return false;
    }
    if (fstat(fd, &status) < 0) {
        unusable(store, -errno);
    } else {
        store->device = status.st_dev;
        store->inode = status.st_ino;
        if (!S_ISREG(status.st_mode))
            foreign(store, "it is no regular file");
        else if (status.st_uid != geteuid())
            foreign(store, "it belongs to somebody else");
        else if (status.st_size > HISTORY_FILE_MAX)
            foreign(store, "it is too large");
        else if ((status.st_mode & 077) && fchmod(fd, status.st_mode & 0700) < 0)
            unusable(store, -errno);
    }
    close(fd);
    return store->code == SQLITE_OK;
}

static void tune(struct store *store, int busy_ms)
{
    sqlite3_busy_timeout(store->db, busy_ms);
    sqlite3_progress_handler(store->db, 10000, on_steps, store);
    /* The file is data to us, whatever it says that it is: no triggers and views of its own. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* Ending a visit does not wait for the disk: the log is taken in when it has grown. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* A new file becomes ours; an old one has to be. */
static void claim(struct store *store)
{
    int64_t id = store_ask(store, "PRAGMA application_id"), version = store_ask(store, "PRAGMA user_version");

    /* Nothing waits for the disk: these are hints. A power failure may take them, and then the file is set aside. */
    store_run(store, "PRAGMA synchronous = OFF");
    store_run(store, "PRAGMA wal_autocheckpoint = 200");
    if (store->code != SQLITE_OK)
        return;
    if (id == HISTORY_APPLICATION_ID && version == HISTORY_VERSION)
        return;
    if (id == HISTORY_APPLICATION_ID && version > HISTORY_VERSION) {
        store->code = SQLITE_PERM; /* a later hawser's: left to it */
        snprintf(store->why, sizeof store->why, "a later version of hawser wrote it");
        return;
    }
    if (id != 0 || version != 0 || store_ask(store, "SELECT count(*) FROM sqlite_schema") != 0) {
        foreign(store, "it is another program's database");
        return;
    }
    if (store_run(store, "PRAGMA journal_mode = WAL") && store_run(store, "BEGIN IMMEDIATE") &&
        store_run(store, schema)) {
        char sql[64];

        snprintf(sql, sizeof sql, "PRAGMA application_id = %d", HISTORY_APPLICATION_ID);
        if (store_run(store, sql))
            store_run(store, "COMMIT");
    }
}

/* Processes take turns at making, claiming and setting aside, each for a moment; one that was stopped in the midst of it
 * must not hold us for ever. flock(2) knows no time-out but none. */
static bool lock(struct store *store, int busy_ms)
{
    const struct timespec nap = {.tv_nsec = 1000000};

    for (int naps = 0; flock(store->directory, LOCK_EX | LOCK_NB) < 0; naps++) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || naps >= busy_ms) {
            store->code = errno == EWOULDBLOCK ? SQLITE_BUSY : SQLITE_IOERR;
            snprintf(store->why, sizeof store->why, "%s", hawser_strerror(-errno));
            return false;
        }
        nanosleep(&nap, NULL);
    }
    return true;
}

/* False: there is no file, or store->code says why. */
bool store_open(struct store *store, const char *directory, bool create, int busy_ms)
{
    const bool plain = *directory == '/'; /* else SQLite could read a URI in it */
    int r = 0;

    memset(store, 0, sizeof *store);
    store->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory < 0 && (errno != ENOENT || create))
        r = create ? state_open(directory, NULL, &store->directory) : -errno;
    if (r < 0)
        unusable(store, r);
    if (store->directory < 0)
        return false;
    if ((size_t)snprintf(store->path, sizeof store->path, "%s%s/" HISTORY_FILE, plain ? "" : "./", directory) >=
        sizeof store->path) {
        unusable(store, -ENAMETOOLONG);
        return false;
    }
    if (!lock(store, busy_ms))
        return false;
    if (look(store, create) &&
        store_ok(store, sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))) {
        tune(store, busy_ms);
        claim(store);
    }
    flock(store->directory, LOCK_UN);
    return store->db && store->code == SQLITE_OK;
}

void store_close(struct store *store)
{
    sqlite3_close(store->db);
    store->db = NULL;
    if (store->directory >= 0)
        close(store->directory);
    store->directory = -1;
}

/* Out of the way, once, whoever of several processes comes first: what lies there now may be a new one already. */
void store_set_aside(struct store *store, char *said, size_t size)
{
    struct stat status;

    sqlite3_close(store->db);
    store->db = NULL;
    if (store->directory < 0 || !lock(store, HISTORY_BUSY_HERE))
        return;
    if (fstatat(store->directory, HISTORY_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_dev == store->device &&
        status.st_ino == store->inode) {
        if (renameat(store->directory, HISTORY_FILE, store->directory, HISTORY_FILE ".bad") < 0) {
            unusable(store, -errno);
        } else {
            (void)renameat(store->directory, HISTORY_FILE "-wal", store->directory, HISTORY_FILE ".bad-wal");
            (void)unlinkat(store->directory, HISTORY_FILE "-shm", 0);
            snprintf(said, size, "%.160s cannot be used (%s): set aside as " HISTORY_FILE ".bad, and a new one begun",
                     store->path, store->why);
        }
    }
    flock(store->directory, LOCK_UN);
}
