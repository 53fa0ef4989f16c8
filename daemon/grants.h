/* SPDX-License-Identifier: Apache-2.0 */
/* The policy file of hawserd: who may ask what of it (hawserd(8)). */
#ifndef DAEMON_GRANTS_H
#define DAEMON_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tunable.h"

enum { GRANTS_MAX = 256, GRANTS_FILE_MAX = 65536, GRANTS_GROUPS_MAX = 64 };

enum rule_what {
    RULE_LOOK = 1,    /* list, get options, events */
    RULE_CONTROL = 2, /* open, close, backup, announce, withdraw */
    RULE_SET = 4,     /* an option of a subflow */
    RULE_ALL = 7,
};

struct rule {
    bool allow;
    unsigned what;                 /* enum rule_what */
    const struct tunable *tunable; /* of RULE_SET alone: NULL is each */
    enum { RULE_ANYBODY, RULE_USER, RULE_GROUP } whose;
    unsigned id;
};

/* Owner: who reads the file. The last rule that is about a thing counts; where none is, it is allowed unless its option needs
 * root. */
struct grants {
    struct rule list[GRANTS_MAX];
    unsigned count;
    bool replay;        /* the configured endpoints, for connections that nobody steers */
    unsigned subflows;  /* as many a connection, by replay or at somebody's wish */
    char scheduler[16]; /* the namespace's; "": as it is */
};

void grants_init(struct grants *grants);
/* -EINVAL: ret_reason says "NAME:LINE: what is wrong", and rules hold nothing of use. */
int grants_parse(const char *name, const char *text, size_t size, struct grants *ret_grants, char *ret_reason,
                 size_t reason_size);
int grants_read(const char *file, struct grants *ret_grants, char *ret_reason, size_t reason_size); /* -errno too */

/* Who asks, as our user namespace sees it. */
struct asker {
    uid_t uid;
    gid_t groups[GRANTS_GROUPS_MAX]; /* the primary one too */
    unsigned group_count;
};

bool grants_allow(const struct grants *grants, const struct asker *asker, enum rule_what what);
/* Setting an option to a value; ret_why is a sentence when it is not allowed. */
bool grants_allow_set(const struct grants *grants, const struct asker *asker, const struct tunable *tunable,
                      const void *value, size_t size, const char **ret_why);

#endif
