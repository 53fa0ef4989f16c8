/* SPDX-License-Identifier: Apache-2.0 */
/* A context's resolver: libunbound on its loop, made when the first name has to be asked for, gone with the context. */
#ifndef ENDPOINT_RESOLVER_H
#define ENDPOINT_RESOLVER_H

#include "base/list.h"
#include "endpoint/resolv_conf.h"
#include "loop/loop.h"

/* Which files count; NULL: the system's (no trust anchors). The strings are copied. */
struct resolver_files {
    const char *hosts, *resolv_conf;
    const char *trust_anchors; /* DS or DNSKEY records of the zones whose answers have to be proved */
};

struct resolver;
/* The context's, made when there is none. -ENOMEM */
int resolver_of(hawser_context *context, struct resolver **ret_resolver);
/* For tests and special set-ups; holds for names that are asked for from now on. */
int resolver_set_files(hawser_context *context, const struct resolver_files *files);
const char *resolver_hosts_file(const struct resolver *resolver);
hawser_context *resolver_context(const struct resolver *resolver);

/* Who has work under way in the resolver: is told when the context ends before it. */
struct resolver_user {
    struct list link;
    void (*end)(struct resolver_user *user); /* off the list already */
};
void resolver_join(struct resolver *resolver, struct resolver_user *user); /* leaves by list_remove() */

/* A question under way. answered() may run inside resolver_ask(); it must not ask or forget, for libunbound is not
 * prepared for that. */
struct resolver_query {
    struct resolver *resolver;
    void *user;
    int id; /* libunbound's */
    bool pending;
    /* packet is NULL when there is none: then rcode says why. bogus: why DNSSEC says that the answer is false, or NULL. */
    void (*answered)(struct resolver_query *query, int rcode, const uint8_t *packet, size_t size, const char *bogus);
};

/* Makes sure that there is a libunbound with the name servers of now, whose search list ret_conf points to. */
int resolver_prepare(struct resolver *resolver, const struct resolv_conf **ret_conf);
int resolver_ask(struct resolver *resolver, struct resolver_query *query, const char *name, int type);
void resolver_forget(struct resolver_query *query); /* answered() will not be called; nothing when not pending */
/* A server failed: what was learnt of the servers is not used for the next question. */
void resolver_distrust(struct resolver *resolver);

#endif
