/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resolution under way: private to this folder. It knows targets (hosts and their addresses) and offers (what a record
 * says about how to reach a target); what is found is each offer with each address of its target. Every answer changes
 * targets and offers, and what that changes in what is found is told.
 */
#ifndef ENDPOINT_RESOLUTION_H
#define ENDPOINT_RESOLUTION_H

#include "endpoint/addresses.h"
#include "endpoint/dns_data.h"
#include "endpoint/mdns.h"
#include "endpoint/resolve.h"
#include "endpoint/resolver.h"

enum {
    TARGETS_MAX = 9, /* the host itself, and eight more */
    OFFERS_MAX = 17, /* the host's own addresses, and sixteen records */
    FOUND_MAX = 64,  /* more are left out */
    ALIASES_MAX = 8, /* of AliasMode records, one after the other; libunbound has a limit of its own for CNAME */
    BIT_SERVICE = 1,
    BIT_V6 = 2,
    BIT_V4 = 4,
    REPLIES_MAX = 16, /* from the link */
};
enum family { V6, V4, FAMILIES };

struct family_state {
    enum { NOT_ASKED, ASKED, ANSWERED, FAILED } state;
    enum dnssec dnssec;
    int64_t expires;
};

struct target {
    char host[HOST_SIZE];
    struct addresses addresses; /* their port counts for nothing */
    struct family_state families[FAMILIES];
};

struct offer {
    unsigned target;
    unsigned priority, weight, rank;
    uint16_t port;
    char alpn[RESOLVE_ALPN][RESOLVE_ALPN_SIZE];
    bool no_default_alpn;
    struct addresses hints;
    enum dnssec dnssec;
    int64_t expires;
};

enum question_kind {
    QUESTION_HOSTS, /* nothing is asked: the host's addresses were known */
    QUESTION_ADDRESS,
    QUESTION_SERVICE, /* HTTPS, SVCB */
    QUESTION_SRV,
    QUESTION_INSTANCES, /* PTR */
    QUESTION_SYSTEM,    /* getaddrinfo() */
};

struct system_lookup;

struct reply {
    struct reply *next;
    unsigned interface; /* number, of multicast DNS */
    size_t size;
    uint8_t packet[];
};

struct question {
    struct list link;
    struct resolution *resolution;
    enum question_kind kind;
    unsigned target, type;
    struct dns_name name;
    char text[HOST_SIZE]; /* the name for people */
    int64_t start;
    struct resolver_query *query; /* NULL: not asked of DNS */
    struct system_lookup *system;
    bool multicast; /* asked of the link: */
    struct mdns_query mdns;
    struct loop_timer patience;
    int64_t patience_due;
    /* The answer, once `answered`: */
    bool answered;
    int code; /* of DNS, or negative */
    struct reply *replies;
    int64_t expires; /* all of it, whatever the records say */
    enum dnssec dnssec;
    char why[200];              /* what else is to be said of a failure */
    struct addresses addresses; /* SYSTEM */
};

/* How the questions ended, the one that says most last. */
enum verdict { NO_SUCH_NAME, NO_ADDRESSES, NOT_OFFERED, UNREADABLE, NO_ANSWER, SERVERS_FAILED, BOGUS };

struct resolution {
    hawser_context *context;
    struct resolver *resolver;
    struct resolver_user membership;
    struct endpoint endpoint;
    struct resolve_config config; /* its endpoint is the one above, its scheme the one below */
    char scheme[DNS_LABEL_SIZE];  /* without the underscore that goes before it */
    int64_t start, deadline;
    struct loop_timer timer; /* the deadline, or when the system is asked beside the name servers */
    struct loop_deferred work;
    struct list questions; /* not told yet */

    char names[RESOLV_SEARCH + 1][HOST_SIZE]; /* to try, in order */
    unsigned name_count, name;

    struct { /* what hosts(5) said of the name that it was asked for last */
        char host[HOST_SIZE];
        struct addresses addresses;
    } here;
    struct target targets[TARGETS_MAX];
    unsigned target_count;
    struct offer offers[OFFERS_MAX]; /* in the order to try them */
    unsigned offer_count;
    bool own_offer;   /* the first of targets is offered as it is */
    unsigned aliases; /* AliasMode records followed */
    enum dnssec service_dnssec;
    bool service_known;

    struct found found[FOUND_MAX], gone[FOUND_MAX]; /* told so far; gone now */
    size_t found_count, gone_count;
    unsigned bits_wanted, bits_told, bits_held; /* of resolve_answer.questions */

    enum verdict verdict;
    char why[200];
    bool any_answer, system_asked;
    bool multicast; /* some question was asked of the link */
    bool over;      /* the deadline came */
    bool telling, cancelled;
};

/* resolution.c */
/* Adds a question and puts it; one that cannot be put is answered as failed. */
struct question *question_new(struct resolution *resolution, enum question_kind kind, unsigned target,
                              const struct dns_name *name, const char *text, unsigned type);
void question_answered(struct question *question);     /* it is to be told: soon, by dispatch */
void questions_give_up(struct resolution *resolution); /* those that are not answered are, as too late */

/* replies.c */
int reply_add(struct question *question, const uint8_t *packet, size_t size, unsigned interface);
void replies_free(struct question *question);
/* Goes through the records of all replies, of the sections that count. */
struct reader {
    const struct question *question;
    const struct reply *next;
    bool open;
    struct dns_message message; /* of the record that was read last */
    struct dns_name owner;      /* where its answer is, after aliases */
    unsigned interface;
};
void reader_init(struct reader *reader, const struct question *question);
int reader_next(struct reader *reader, struct dns_record *ret_record);               /* 1, 0, -EBADMSG */
bool reader_is_answer(const struct reader *reader, const struct dns_record *record); /* to this very question */

/* When records with that time to live are over. */
int64_t question_expires(const struct question *question, uint32_t ttl);

/* multicast.c */
int multicast_put(struct question *question);
void multicast_patience_over(struct loop_timer *timer, int64_t now); /* what the question's timer does */
/* One family of a target is known: the other has little time left. */
void multicast_hurry_sibling(struct resolution *resolution, unsigned target);

/* targets.c: what the answers say */
/* The number of the host's target, made when there is none; its addresses are asked for. Negative: too many. */
int target_of(struct resolution *resolution, const char *host);
bool target_known_here(struct resolution *resolution, const char *host); /* hosts(5), localhost */
void target_ask(struct resolution *resolution, unsigned target);
/* Takes over addresses of targets that came along with something else, from the link. */
void targets_take_additional(struct resolution *resolution, const struct question *question);
void raise_verdict(struct resolution *resolution, enum verdict verdict, const char *why);
/* Takes over what the question's answer says; result: words for the report. 0, or the question's code. */
int question_take(struct resolution *resolution, struct question *question, char *result, size_t size);

/* offers.c: records that lead elsewhere */
int offers_take_service(struct resolution *resolution, struct question *question, char *result, size_t size);
int offers_take_srv(struct resolution *resolution, struct question *question, char *result, size_t size);
int offers_take_instances(struct resolution *resolution, struct question *question, char *result, size_t size);

/* found.c: brings resolution->found up to date; the first of the new ones, and those gone in resolution->gone. */
size_t found_update(struct resolution *resolution);

/* system_lookup.c: getaddrinfo() on the worker, for all that is not known otherwise. */
bool system_knows_more(const char *nsswitch_file); /* than hosts(5), DNS and mDNS */
/* Ends with question_answered(), with code 0 and addresses, or with -HAWSER_ERESOLVE and why. */
int system_lookup_start(struct question *question, struct system_lookup **ret_lookup);
void system_lookup_forget(struct system_lookup *lookup); /* NULL is nothing; a call that runs is not waited for */

#endif
