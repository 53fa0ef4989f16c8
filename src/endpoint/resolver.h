/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A context's resolver, made when the first name has to be asked for, gone with the context: a stub of our own for answers
 * as they are (stub.h), libunbound on the context's loop for answers with DNSSEC's proof.
 */
#ifndef ENDPOINT_RESOLVER_H
#define ENDPOINT_RESOLVER_H

#include <netdb.h>

#include "base/list.h"
#include "endpoint/dns_name.h"
#include "endpoint/resolv_conf.h"
#include "endpoint/resolve.h"
#include "loop/loop.h"

/* Which files count; NULL: the system's, and the context's trust anchors. The strings are copied. */
struct resolver_files {
    const char *hosts, *resolv_conf, *nsswitch;
    const char *trust_anchors; /* DS or DNSKEY records of the zones whose answers have to be proved */
    /* In place of getaddrinfo(), on the worker. */
    int (*system)(const char *host, const char *service, const struct addrinfo *wanted, struct addrinfo **ret_list);
};

struct resolver;
/* The context's, made when there is none. -ENOMEM */
int resolver_of(hawser_context *context, struct resolver **ret_resolver);
/* For tests and special set-ups; holds for names that are asked for from now on. */
int resolver_set_files(hawser_context *context, const struct resolver_files *files);
const char *resolver_hosts_file(const struct resolver *resolver);
const char *resolver_nsswitch_file(const struct resolver *resolver);
int (*resolver_system(const struct resolver *resolver))(const char *, const char *, const struct addrinfo *,
                                                        struct addrinfo **);
bool resolver_is_strict(const struct resolver *resolver); /* the program named trust anchors: nothing goes round them */
hawser_context *resolver_context(const struct resolver *resolver);

struct mdns;
int resolver_mdns(struct resolver *resolver, struct mdns **ret_mdns); /* made when there is none. -ENOMEM */

/* Who has work under way in the resolver: is told when the context ends before it. */
struct resolver_user {
    struct list link;
    void (*end)(struct resolver_user *user); /* off the list already */
};
void resolver_join(struct resolver *resolver, struct resolver_user *user); /* leaves by list_remove() */

/* What came of a question; valid during the call. */
struct resolver_answer {
    int code;              /* of DNS */
    const uint8_t *packet; /* NULL: there is none, code says why */
    size_t size;
    enum dnssec dnssec;
    const char *why; /* BOGUS */
    int64_t expires; /* until when all of it may be used; the records may say sooner */
};
/* May run inside resolver_ask(); it must not ask or forget, for libunbound is not prepared for that. The question is
 * over and its query gone when it returns. The question in the packet may be that of an alias. */
typedef void (*resolver_answered_fn)(void *user, const struct resolver_answer *answer);

struct resolver_query;
/*
 * Reads resolv.conf when it has changed (look: whether it has), and makes sure that those name servers can be asked. prove: DNSSEC
 * is to say what each answer is worth. That takes questions of its own for the keys of every zone on the way, so it is
 * done for everybody only when the program named trust anchors; the system's serve who asks for proof.
 * Negative, with a sentence: it cannot be used.
 */
int resolver_prepare(struct resolver *resolver, bool prove, bool look, const struct resolv_conf **ret_conf,
                     char *reason, size_t size);
/* After resolver_prepare(). ret_query is set before answered() can run, and to NULL when it ran already. */
int resolver_ask(struct resolver *resolver, bool prove, const struct dns_name *name, unsigned type,
                 resolver_answered_fn answered, void *user, struct resolver_query **ret_query);
/* answered() will not be called. What comes within a second is still learnt. NULL is nothing. */
void resolver_forget(struct resolver_query *query);
/* A server failed: what was learnt of the servers is not used for the next question. */
void resolver_distrust(struct resolver *resolver);

#endif
