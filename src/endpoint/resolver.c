/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "endpoint/dns_answer.h"
#include "endpoint/unbound_loop.h"

#define HOSTS_FILE "/etc/hosts"
#define RESOLV_CONF_FILE "/etc/resolv.conf"

struct resolver {
    hawser_context *context;
    char *hosts, *resolv_conf, *trust_anchors;
    struct unbound_loop loop;
    struct ub_ctx *unbound; /* NULL: not needed yet */
    struct resolv_conf conf;
    struct stat conf_read; /* the file that conf was read from */
    bool distrusted;
    unsigned pending; /* queries whose answer is waited for */
    struct list users;
};

/* libunbound sets up state of the whole process (its log, its hash seed) with each context, without a lock of its own. */
static pthread_mutex_t unbound_lock = PTHREAD_MUTEX_INITIALIZER;

static int code_of(int unbound_error)
{
    switch (unbound_error) {
    case UB_NOERROR:
        return 0;
    case UB_NOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static void drop_unbound(struct resolver *resolver)
{
    pthread_mutex_lock(&unbound_lock);
    ub_ctx_delete(resolver->unbound);
    pthread_mutex_unlock(&unbound_lock);
    resolver->unbound = NULL;
}

static void resolver_free(void *value)
{
    struct resolver *resolver = value;

    while (!list_empty(&resolver->users)) {
        struct resolver_user *user = list_first(&resolver->users, struct resolver_user, link);
        list_remove(&user->link);
        user->end(user);
    }
    drop_unbound(resolver);
    free(resolver->hosts);
    free(resolver->resolv_conf);
    free(resolver->trust_anchors);
    free(resolver);
}

int resolver_of(hawser_context *context, struct resolver **ret_resolver)
{
    struct resolver *resolver = loop_part(context, LOOP_PART_RESOLVER);

    if (!resolver) {
        resolver = calloc(1, sizeof *resolver);
        if (!resolver)
            return -ENOMEM;
        resolver->context = context;
        list_init(&resolver->users);
        unbound_loop_init(&resolver->loop, context);
        loop_set_part(context, LOOP_PART_RESOLVER, resolver, resolver_free);
    }
    *ret_resolver = resolver;
    return 0;
}

static int replace(char **string, const char *with)
{
    char *copy = with ? strdup(with) : NULL;

    if (with && !copy)
        return -ENOMEM;
    free(*string);
    *string = copy;
    return 0;
}

int resolver_set_files(hawser_context *context, const struct resolver_files *files)
{
    struct resolver *resolver;
    int r = resolver_of(context, &resolver);

    if (r < 0 || (r = replace(&resolver->hosts, files->hosts)) < 0 ||
        (r = replace(&resolver->resolv_conf, files->resolv_conf)) < 0 ||
        (r = replace(&resolver->trust_anchors, files->trust_anchors)) < 0)
        return r;
    resolver->distrusted = true;
    return 0;
}

const char *resolver_hosts_file(const struct resolver *resolver)
{
    return resolver->hosts ? resolver->hosts : HOSTS_FILE;
}

static const char *resolv_conf_file(const struct resolver *resolver)
{
    return resolver->resolv_conf ? resolver->resolv_conf : RESOLV_CONF_FILE;
}

hawser_context *resolver_context(const struct resolver *resolver)
{
    return resolver->context;
}

void resolver_join(struct resolver *resolver, struct resolver_user *user)
{
    list_append(&resolver->users, &user->link);
}

/* A missing file is one that has no size, time or number. */
static void note_file(const char *file, struct stat *ret_stat)
{
    if (stat(file, ret_stat) < 0)
        memset(ret_stat, 0, sizeof *ret_stat);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int configure(struct resolver *resolver, struct ub_ctx *unbound)
{
    int r = ub_ctx_debugout(unbound, NULL); /* else it writes to the program's standard error */

    if (r == 0)
        r = ub_ctx_set_option(unbound, "rrset-roundrobin:", "no"); /* the order is the name server's to choose */
    for (unsigned i = 0; r == 0 && i < resolver->conf.server_count; i++)
        r = ub_ctx_set_fwd(unbound, resolver->conf.server[i]);
    if (r == 0 && resolver->trust_anchors)
        r = ub_ctx_add_ta_file(unbound, resolver->trust_anchors);
    /* Names of homes and laboratories are the name server's to know (RFC 8375, RFC 6761 section 6.2); libunbound would say
     * that there are none. It is left to say so of localhost, onion and invalid. Nothing can be set after this. */
    if (r == 0)
        r = ub_ctx_zone_remove(unbound, "home.arpa.");
    if (r == 0)
        r = ub_ctx_zone_remove(unbound, "test.");
    return code_of(r);
}

static int make_unbound(struct resolver *resolver)
{
    struct ub_ctx *unbound;
    int r;

    note_file(resolv_conf_file(resolver), &resolver->conf_read);
    resolv_conf_read(resolv_conf_file(resolver), &resolver->conf);
    pthread_mutex_lock(&unbound_lock);
    unbound = ub_ctx_create_ub_event(&resolver->loop.base);
    r = unbound ? configure(resolver, unbound) : -ENOMEM;
    if (r < 0)
        ub_ctx_delete(unbound);
    else
        resolver->unbound = unbound;
    pthread_mutex_unlock(&unbound_lock);
    return r;
}

int resolver_prepare(struct resolver *resolver, const struct resolv_conf **ret_conf)
{
    struct stat now;
    int r;

    /* libunbound takes no new servers once it runs, and goes on believing for minutes that a server is down. A new one
     * costs a few milliseconds; while questions are under way the old one is kept. */
    if (resolver->unbound && resolver->pending == 0) {
        note_file(resolv_conf_file(resolver), &now);
        if (resolver->distrusted || !same_file(&now, &resolver->conf_read))
            drop_unbound(resolver);
    }
    if (!resolver->unbound) {
        if ((r = make_unbound(resolver)) < 0)
            return r;
        resolver->distrusted = false;
    }
    *ret_conf = &resolver->conf;
    return 0;
}

static void answered(void *user, int rcode, void *packet, int size, int security, char *why, int limited)
{
    struct resolver_query *query = user;
    bool whole = rcode == DNS_NOERROR && packet && size > 0;

    (void)limited;
    query->pending = false;
    query->resolver->pending--;
    query->answered(query, rcode, whole ? packet : NULL, whole ? (size_t)size : 0,
                    security == 1 ? (why ? why : "") : NULL);
}

int resolver_ask(struct resolver *resolver, struct resolver_query *query, const char *name, int type)
{
    int r;

    query->resolver = resolver;
    query->pending = true;
    resolver->pending++;
    pthread_mutex_lock(&unbound_lock);
    r = ub_resolve_event(resolver->unbound, name, type, DNS_IN, query, answered, &query->id);
    pthread_mutex_unlock(&unbound_lock);
    if (r == UB_NOERROR)
        return 0;
    query->pending = false;
    resolver->pending--;
    return code_of(r);
}

void resolver_forget(struct resolver_query *query)
{
    if (!query->pending)
        return;
    query->pending = false;
    query->resolver->pending--;
    ub_cancel(query->resolver->unbound, query->id);
}

void resolver_distrust(struct resolver *resolver)
{
    resolver->distrusted = true;
}
