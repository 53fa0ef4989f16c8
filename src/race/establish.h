/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Establishment: gathers what leads to a peer (endpoint/resolve.h, path/path.h, stacks, proxies), ranks it (properties,
 * policy, history, RFC 6724), races it (race/race.h) with a stack of layers of its own for each attempt, remembers what
 * became of it, and tells it all (hawser_report). Associations, hawser_connect() and `hawser probe` stand on it.
 */
#ifndef RACE_ESTABLISH_H
#define RACE_ESTABLISH_H

#include "endpoint/endpoint.h"
#include "layer/layer.h"
#include "property/property.h"

struct establish;
struct attempt;

enum { ESTABLISH_ENDPOINTS_MAX = 8, ESTABLISH_STACKS_MAX = 8 };

struct establish_endpoint {
    struct endpoint endpoint;
    const struct tls_config *session_tls, *bare_tls; /* what TLS is told over hawser/1, and bare; the caller's */
};

struct establish_handler {
    /* A stack was opened; layers may be put on it (an exchange), early data written. Negative: the attempt fails. NULL: none. */
    int (*opened)(void *user, struct attempt *attempt, struct layer **top);
    /* An attempt is over that opened() saw, and its layers go after this; not called for the winner. NULL: none. */
    void (*over)(void *user, struct attempt *attempt);
    /* The end, in dispatch: top is the winner's stack, now the user's (attempt lives until establish_free()), or NULL. */
    void (*done)(void *user, struct attempt *winner, struct layer *top, int code, const char *reason);
};

struct establish_config {
    const struct establish_endpoint *endpoints; /* copied but for the strings of tls */
    size_t endpoint_count;
    const char *stacks;                   /* "tls/tcp,tcp": these only; NULL: by properties */
    const struct layer_address *local;    /* NULL: any */
    const char *local_interface;          /* "": any */
    const struct property_values *values; /* the caller's */
    int64_t timeout;
    /* > 0: names are looked up again after so long, then after twice that, and on, while nothing has won: for a peer that may
     * just be telling its name where it went. Addresses that came are raced too; those that are told no more go behind. */
    int64_t renew;
    bool fast_open;
    bool timestamps;    /* the system's stamps of what arrives and leaves are wanted */
    bool framed;        /* a bare one has a framer that keeps messages apart */
    unsigned hop_limit; /* of a multicast group; 0: 1 */
    bool no_loop;       /* the same: not heard on this host */
    bool verified;      /* the peer has to be verified: what is not encrypted is ruled out */
    const struct establish_handler *handler;
    void *user;
};

/* -HAWSER_EPROHIBITED, -HAWSER_EPROPERTY: no stack is left; the sentence is in reason. */
int establish_new(hawser_context *context, const struct establish_config *config, char *reason, size_t reason_size,
                  struct establish **ret_establish);
void establish_start(struct establish *establish); /* begins, in dispatch */
void establish_free(struct establish *establish);  /* cancels what runs */
/* As far as it is known; strings and lists live until the next call or establish_free(). Asked for inside done() it tells of
 * the winner too, since that asks the winner's layers. */
const hawser_report *establish_report(struct establish *establish);

/* Of an attempt: */
const char *attempt_stack(const struct attempt *attempt);
bool attempt_bare(const struct attempt *attempt);
const struct tls_config *attempt_tls(const struct attempt *attempt); /* which of the endpoint's it was made with */
const struct establish_endpoint *attempt_endpoint(const struct attempt *attempt);
struct layer *attempt_top(const struct attempt *attempt);
/* What its outcomes are filed under in the history; the caller's to free(). NULL: no memory. */
struct history_key *attempt_key(const struct attempt *attempt);
void attempt_stripped(struct attempt *winner, struct layer *top); /* inside done(): layers were taken off its stack */
void attempt_used_early(struct attempt *attempt);                 /* for the report */
/* Goes on with an attempt; opened() may have replaced ready(): call this when its layers are ready. */
void attempt_progress(struct attempt *attempt);

#endif
