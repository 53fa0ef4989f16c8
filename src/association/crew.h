/* SPDX-License-Identifier: Apache-2.0 */
/* A line to each of several equivalent peers: crew.c its life, crew_members.c who they are, crew_send.c messages. */
#ifndef ASSOCIATION_CREW_H
#define ASSOCIATION_CREW_H

#include <hawser/crew.h>
#include <hawser/resolve.h>

#include "association/association.h"

#define CREW_MEMBERS 16 /* where the program says nothing */
#define CREW_MEMBERS_MAX 64

/* crew_members.c */
struct crew_member {
    struct list link;
    hawser_crew *crew;
    unsigned id, priority;
    char *endpoint;
    hawser_association *line; /* a reference; NULL: between two tries */
    unsigned life;            /* how many lines it had */
    unsigned failures;        /* since it was up */
    bool up, full;            /* full: it took no more, and HAWSER_WRITABLE has not come yet */
    bool of_service;          /* found by the service's records, and believed as that; else named by the program */
    unsigned seen, absences;  /* of_service: the resolution that had it last; how many since had others, and not it */
    struct loop_timer retry;
    uint64_t under_way;
};

/* crew_send.c */
struct crew_queue {
    struct list waiting;   /* to be given to members, in this order */
    struct list under_way; /* all members that were asked have still to say */
    struct list answered;  /* to be looked at */
    uint64_t bytes, limit; /* of those that wait */
    hawser_message_id last_id;
    int64_t first_deadline; /* of those that wait, or sooner; NEVER: none */
    bool was_full;
};

struct hawser_crew {
    struct list link;        /* in associations.crews */
    hawser_context *context; /* NULL: it has ended, or the crew has closed */
    unsigned refs, holds;    /* the program's; ours, while its handler may run */
    hawser_crew_fn fn;
    void *user;
    struct list members;
    unsigned member_count, member_max, last_id;
    hawser_associate_options line; /* its strings are the crew's */
    char *server_name;             /* of members of a service; NULL: the endpoint's own */
    char *service, *key;           /* key: "hk-...@" or "" */
    hawser_resolving *resolving;
    unsigned resolve_failures;
    struct loop_timer resolve_again;
    unsigned resolutions;
    bool found; /* somebody, by the resolution that is under way, or was last */
    hawser_gathering *gathering;
    struct crew_queue queue;
    struct loop_timer expiry;
    struct loop_deferred deferred;
    bool closing;
};

/* crew.c */
void crews_end(struct associations *all);
void crew_raise(hawser_crew *crew, hawser_crew_event *event);
bool crew_lives(const hawser_crew *crew); /* somebody listens, and its context is there */
hawser_crew *crew_hold(hawser_crew *crew);
void crew_let_go(hawser_crew *crew); /* may free it */
void crew_wake(hawser_crew *crew);

/* crew_members.c */
/* One that the program names, or that the service's records have. 0 also when it is there. */
int crew_member_add(hawser_crew *crew, const char *endpoint, bool of_service, unsigned priority);
int crew_member_open(struct crew_member *member);
void crew_member_free(struct crew_member *member);
void crew_member_tell(const struct crew_member *member, hawser_crew_member *ret_member);
int crew_resolve(hawser_crew *crew);
bool crew_hopes(const hawser_crew *crew); /* somebody is up, or is being tried just now */
int64_t crew_backoff(unsigned failures);

/* crew_send.c */
void crew_queue_work(hawser_crew *crew);
void crew_queue_fail(hawser_crew *crew, int code);        /* what waits */
void crew_queue_forget(const struct crew_member *member); /* before it is freed; it has no line */
/* A line has ended, and tells no outcome any more: it left for another process, with what it was asked. */
void crew_queue_left(const struct crew_member *member, int code, const char *reason);
bool crew_queue_empty(const hawser_crew *crew);
void crew_queue_free(hawser_crew *crew);

#endif
