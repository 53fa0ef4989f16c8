/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the weave share. */
#ifndef ASSOCIATION_WEAVE_INTERNAL_H
#define ASSOCIATION_WEAVE_INTERNAL_H

#include "association/weave.h"
#include "path/path.h"
#include "race/establish.h"

#define WEAVE_PATHS SESSION_STRANDS_MAX
#define WEAVE_TIMEOUT 10000000   /* of an attempt */
#define UNPROVEN_TIMEOUT 2500000 /* of the only one at an address that never answered: two SYNs (docs/multipath.md) */
#define RETRY_FIRST 250000
#define RETRY_MOST 10000000
#define AGAIN_FIRST 100000 /* without any strand: sooner, and more often */
#define AGAIN_MOST 3000000
#define AGAIN_TIMEOUT 1000000 /* of the first; of each next one twice that, up to WEAVE_TIMEOUT */
#define AGAIN_RENEW 250000    /* names are looked up anew, for the peer may just be telling where it went */
#define TOLD_GAP 250000       /* a peer that tells ever other addresses has us look at them so often */
#define REFUSED_MOST                                                                                                   \
    5000000 /* a process whose port is closed has lost its lines: time enough for a successor to open it */

/* A pair of interface and remote address that is to have a strand. weave_paths.c; what runs on it: weave_attempt.c */
struct weave_path {
    struct weave *weave;
    char interface[32];
    struct layer_address remote;
    char stack[48]; /* that the program wants here; "": any */
    unsigned ways;  /* enum told_way: what is listened on there; 0: not known */
    int rank;
    unsigned cost;
    bool metered;
    bool used;               /* this place in the table is taken */
    bool wanted, was_wanted; /* by the last look, and the one before; else it goes when its strand does */
    bool
        elsewhere; /* the last came to a thread of the peer's from where it could not go on: connections can, as a rule */
    bool proven;   /* somebody answered there once */
    bool untold;   /* the peer told this address, and tells it no more */
    bool closed;   /* by the program: no other is opened before the host's paths change */
    struct establish *establish;
    struct strand *strand;
    unsigned failures; /* since a strand stood */
    int64_t retry_at;
};

/* Owner: weave.c */
struct weave {
    hawser_association *association;
    struct told_address told[TOLD_MAX];
    unsigned told_count;
    int64_t told_at; /* when paths were last chosen for what was told */
    bool told_news;
    struct weave_path paths[WEAVE_PATHS];
    struct layer_address tried[TOLD_MAX]; /* that never answered: each has one attempt a network */
    unsigned tried_count;
    struct establish *again; /* to the peer by its endpoints, when no strand is left */
    unsigned again_failures;
    int64_t again_at;
    int64_t
        seek_at; /* weave_blind.c: no strand shows a sign of life, and the peer is sought from then on; NEVER: not so */
    int64_t seek_last;     /* when that was last due */
    unsigned seeks;        /* how often it was in short order */
    int64_t refused_since; /* every host that answers says that nobody listens; 0: not so */
    bool look;             /* paths are to be chosen anew */
};

/* weave_paths.c */
bool weave_same_address(const struct layer_address *a, const struct layer_address *b);
void weave_look(struct weave *weave);
struct weave_path *weave_path_of(struct weave *weave,
                                 struct strand *strand); /* the pair that a strand is on; or NULL */
bool weave_same_path(const struct strand *a, const struct strand *b);
const struct layer_address *
weave_local(const hawser_association *association); /* where to leave from; NULL: anywhere */
bool weave_wants_all(const hawser_association *association);

/* migrate.c */
bool weave_migrate(struct strand *strand);     /* its address is gone: whether it goes on from another */
int64_t weave_migrated(struct strand *strand); /* looks whether that works; when to look again */

/* weave.c */
struct weave *weave_of(hawser_association *association);   /* NULL: no memory */
bool weave_joining(const hawser_association *association); /* whether a strand is on its way in */

/* weave_blind.c */
bool weave_seeks(const struct weave *weave); /* whether the peer is to be sought by all its endpoints */
int64_t weave_seek_due(const struct weave *weave);
/* One came by the way of one that was silent, and both are heard now: the later one goes. */
void weave_drop_doubles(struct weave *weave);

/* weave_attempt.c */
void weave_try(struct weave_path *path);
void weave_try_again(struct weave *weave);
bool weave_was_tried(const struct weave *weave, const struct layer_address *remote); /* its one attempt was made */
void weave_path_lost(struct weave_path *path); /* its strand or attempt is over: when the next is due */

#endif
