/* SPDX-License-Identifier: Apache-2.0 */
/* What an establishment is made of: private to this folder. Each struct is changed by the file named beside it. */
#ifndef RACE_INTERNAL_H
#define RACE_INTERNAL_H

#include <netinet/in.h>

#include "base/list.h"
#include "endpoint/resolve.h"
#include "loop/loop.h"
#include "path/path.h"
#include "path/policy.h"
#include "race/establish.h"
#include "race/history.h"
#include "race/race.h"
#include "security/security.h"

enum {
    PLANS_MAX = 16,
    PROXIES_MAX = 4,
    PLACES_MAX = 64,
    LOOKUPS_MAX = 64,
    REASON_MAX = 256,
    SERVICE_MAX = 320,
    STACK_MAX = 48,
    TEXT_MAX = 128
};

/* A stack to try, in one of the forms that it can take. plan.c */
enum { PLAN_RANK_STEP = 64 };   /* between what properties say, so that the place in the list decides among equals */
enum { PLAN_BEHIND = 1 << 18 }; /* after all of its kind */

struct plan {
    char stack[STACK_MAX];
    bool session; /* hawser/1 is offered */
    bool bare;    /* the peer's own protocol will do */
    bool unix_socket;
    bool any_address; /* the stack knows itself where it leads */
    bool datagrams;   /* over UDP */
    int rank;
    bool failover; /* not before those of a lower rank failed */
    int64_t delay; /* the head start of those of a lower rank; 0: the race's */
    int proxy;     /* which of the sources it leads through; -1: none */
    int code;      /* not 0: it is ruled out, for this reason */
    char reason[REASON_MAX];
};

/* Something that has to be found: an endpoint of the peer, or a proxy. gather.c */
struct source {
    struct establish *establish;
    struct establish_endpoint given; /* a proxy has no tls of its own */
    bool proxy;
    char host[HOST_SIZE];         /* whom policy is asked about, and a proxy for */
    char service[SERVICE_MAX];    /* what is remembered of it is filed under this */
    const char *user, *password;  /* a proxy's; in texts */
    hawser_preference preference; /* a proxy's: how much it is wanted */
    char *texts;
    struct resolution *resolution; /* NULL: none under way */
    unsigned waiting;              /* questions that it asked */
    unsigned held;                 /* of them those answered, and not told to the race yet */
    bool found;                    /* at least one address */
    bool named;                    /* it is looked up; renew.c: */
    bool heard;                    /* the look-up that is under way told addresses */
    unsigned round, told;          /* its number, and that of the newest that told some and is over */
    int64_t asked_at;
};

/* An address that was found. gather.c */
struct place {
    struct found found;
    unsigned source;
    bool gone;           /* the records no longer say it */
    bool fresh;          /* they say it since a moment ago: it is no candidate yet */
    unsigned round;      /* the last look-up that told it */
    unsigned preference; /* RFC 6724: lower first */
    size_t choice_count;
    struct path_choice choices[PATHS_MAX];
};

/* One candidate and, while it runs, its layers. attempt.c; its place in the race: gather.c */
struct attempt {
    struct list link; /* in establish.attempts */
    struct establish *establish;
    const struct place *place;
    const struct plan *plan;
    unsigned endpoint; /* which of the peer's endpoints it leads to */
    struct path_choice choice;
    struct race_candidate *candidate; /* NULL: not in the race */
    struct race_spec spec;
    struct layer_target target;
    struct layer *top;
    bool bare, early, reached_told, over;
    bool started; /* its start was told to the race */
    bool fresh;   /* and its first step is still to be taken */
    int64_t start, end, reached_at, answered_at;
    hawser_attempt_outcome outcome;
    int code;
    char reason[REASON_MAX], local[TEXT_MAX], remote[TEXT_MAX], stack[STACK_MAX];
    const char *layer;   /* which failed; a layer type's own */
    const char *reached; /* the highest that was established */
};

/* A look-up for the report. report.c */
struct lookup {
    char *texts; /* in one piece */
    hawser_lookup told;
};

struct establish {
    hawser_context *context;
    struct establish_config config;
    struct source sources[ESTABLISH_ENDPOINTS_MAX + PROXIES_MAX]; /* the endpoints, then the proxies */
    unsigned endpoint_count, source_count;
    struct plan plans[PLANS_MAX];
    unsigned plan_count;
    struct place *places[PLACES_MAX];
    unsigned place_count;
    struct list attempts;
    struct race *race;
    struct paths *paths;
    const struct policy *policy; /* valid during a call; asked for anew in each */
    struct history *history;
    struct paths_user paths_user;
    struct history_user history_user;
    struct loop_timer timer, renew;
    int64_t renew_after; /* the last, how long until the next */
    struct loop_deferred work;
    int64_t began, ended;
    unsigned held; /* questions that were answered, and the race was not told */
    bool begun, complete, decided, timed_out, told, prefer_v4, ranked_by_policy, history_read;
    struct attempt *winner;
    struct layer *told_top; /* the winner's, while done() runs */
    int code;               /* of what says most about the failure */
    char reason[REASON_MAX];

    struct lookup *lookups;
    unsigned lookup_count;
    hawser_report report;
    char *endpoint_text, *report_texts;
    hawser_attempt *report_attempts;
    hawser_lookup *report_lookups;
    char peer_name[256], alpn[64], stack[STACK_MAX], report_local[TEXT_MAX], report_remote[TEXT_MAX],
        report_interface[32];
};

/* plan.c: the stacks to try, from the names given or all; -HAWSER_EPROHIBITED and why when none is left. */
int plans_make(struct establish *establish, char *reason, size_t size);

/* proxy.c: the proxies of properties and policy become sources. -HAWSER_EPROPERTY and what is wrong. */
int proxies_make(struct establish *establish, char *reason, size_t size);
bool proxies_only(const struct establish *establish); /* direct is out of question */
/* Whether the policy for another of the peer's endpoints lets it have the ways that were made for the first. */
bool proxies_suit(const struct establish *establish, unsigned endpoint, bool by_proxy);
const char *proxy_layer(const struct source *proxy); /* "socks5", "http-connect" */

/* gather.c */
int gather_begin(struct establish *establish);
void gather_paths_changed(struct establish *establish);
void gather_history_read(struct establish *establish);
void gather_free(struct establish *establish);
/* What is asked of a source; what an answer says becomes candidates. false: no policy can be had. */
struct resolve_config gather_question(struct source *source,
                                      void (*answered)(void *user, const struct resolve_answer *answer));
bool gather_answer(struct source *source, const struct resolve_answer *answer);

/* renew.c: names are asked again while the race runs (establish_config.renew) */
void renew_init(struct establish *establish);
void renew_begin(struct establish *establish);
void renew_end(struct establish *establish);

/* attempt.c */
int attempt_start(struct attempt *attempt);                     /* race_handler.start */
void attempt_stop(struct attempt *attempt, enum race_stop why); /* race_handler.stop */
void attempt_fail(struct attempt *attempt, const char *layer, int code, const char *reason);
void attempt_free(struct attempt *attempt);
void attempt_note(struct attempt *attempt); /* in the history */
void attempt_note_silent(struct attempt *attempt, const struct attempt *winner);
void attempt_note_path(struct attempt *attempt, const struct layer *top); /* for the report */
bool attempt_ran(const struct attempt *attempt);

/* establish.c */
void establish_wake(struct establish *establish);
void establish_blame(struct establish *establish, int code, const char *where, const char *reason);
int64_t establish_now(const struct establish *establish);

/* report.c */
void report_lookup(struct establish *establish, const hawser_lookup *lookup);
void report_clear(struct establish *establish);

/* count.c */
void establish_count(struct establish *establish);

#endif
