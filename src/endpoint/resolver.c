/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "endpoint/dns_message.h"
#include "endpoint/mdns.h"
#include "endpoint/unbound_loop.h"

#define HOSTS_FILE "/etc/hosts"
#define RESOLV_CONF_FILE "/etc/resolv.conf"
#define NSSWITCH_FILE "/etc/nsswitch.conf"
#define SYSTEM_ANCHORS "/usr/share/dns/root.key"
/* RFC 8305 section 3: an answer that comes after all is worth having for the next time. */
#define STRAY_US 1000000

enum { PLAIN, PROVING, SIDES };

struct resolver_query {
    struct list link; /* of the stray ones */
    struct resolver *resolver;
    struct ub_ctx *unbound;
    int id;                        /* libunbound's */
    resolver_answered_fn answered; /* NULL: stray, nobody waits */
    void *user;
    struct resolver_query **handle; /* the asker's */
    int64_t until;
};

struct resolver {
    hawser_context *context;
    char *hosts, *resolv_conf, *nsswitch, *trust_anchors;
    int (*system)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct unbound_loop loop;
    struct ub_ctx *unbound[SIDES]; /* NULL: not needed yet */
    struct resolv_conf conf;
    bool conf_known;
    struct stat conf_read; /* the file that conf was read from */
    bool distrusted;
    unsigned pending; /* queries whose answer is waited for */
    struct list strays;
    struct loop_timer stray_timer;
    struct list users;
    struct mdns *mdns; /* NULL: not needed yet */
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

static void drop_strays(struct resolver *resolver)
{
    while (!list_empty(&resolver->strays)) {
        struct resolver_query *query = list_first(&resolver->strays, struct resolver_query, link);

        list_remove(&query->link);
        ub_cancel(query->unbound, query->id);
        free(query);
    }
    loop_timer_clear(resolver->context, &resolver->stray_timer);
}

/* Nobody waits for an answer. */
static void drop_unbound(struct resolver *resolver)
{
    drop_strays(resolver);
    pthread_mutex_lock(&unbound_lock);
    for (unsigned i = 0; i < SIDES; i++) {
        ub_ctx_delete(resolver->unbound[i]);
        resolver->unbound[i] = NULL;
    }
    pthread_mutex_unlock(&unbound_lock);
}

static void strays_are_over(struct loop_timer *timer, int64_t now)
{
    struct resolver *resolver = container_of(timer, struct resolver, stray_timer);

    while (!list_empty(&resolver->strays)) {
        struct resolver_query *query = list_first(&resolver->strays, struct resolver_query, link);

        if (query->until > now) {
            (void)loop_timer_set(resolver->context, timer, query->until); /* its place in the heap is still there */
            return;
        }
        list_remove(&query->link);
        ub_cancel(query->unbound, query->id);
        free(query);
    }
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
    mdns_free(resolver->mdns);
    free(resolver->hosts);
    free(resolver->resolv_conf);
    free(resolver->nsswitch);
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
        resolver->system = getaddrinfo;
        list_init(&resolver->users);
        list_init(&resolver->strays);
        loop_timer_init(&resolver->stray_timer, strays_are_over);
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
        (r = replace(&resolver->nsswitch, files->nsswitch)) < 0 ||
        (r = replace(&resolver->trust_anchors, files->trust_anchors)) < 0)
        return r;
    resolver->system = files->system ? files->system : getaddrinfo;
    resolver->distrusted = true;
    return 0;
}

const char *resolver_hosts_file(const struct resolver *resolver)
{
    return resolver->hosts ? resolver->hosts : HOSTS_FILE;
}

const char *resolver_nsswitch_file(const struct resolver *resolver)
{
    return resolver->nsswitch ? resolver->nsswitch : NSSWITCH_FILE;
}

int (*resolver_system(const struct resolver *resolver))(const char *, const char *, const struct addrinfo *,
                                                        struct addrinfo **)
{
    return resolver->system;
}

int resolver_mdns(struct resolver *resolver, struct mdns **ret_mdns)
{
    int r = resolver->mdns ? 0 : mdns_new(resolver->context, &resolver->mdns);

    *ret_mdns = resolver->mdns;
    return r;
}

static const char *resolv_conf_file(const struct resolver *resolver)
{
    return resolver->resolv_conf ? resolver->resolv_conf : RESOLV_CONF_FILE;
}

/* What the program named; NULL: nothing, and the system's may be used. */
static const char *named_anchors(const struct resolver *resolver)
{
    return resolver->trust_anchors ? resolver->trust_anchors : loop_trust_anchors(resolver->context);
}

bool resolver_is_strict(const struct resolver *resolver)
{
    const char *named = named_anchors(resolver);

    return named && *named;
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

/* The system's anchors prove what they can: name servers that pass no proofs on are common, and whoever needs a proof sees
 * that there is none. Anchors that the program named are strict. */
static int configure_proving(const struct resolver *resolver, struct ub_ctx *unbound)
{
    const char *named = named_anchors(resolver);
    int r = ub_ctx_add_ta_file(unbound, named ? named : SYSTEM_ANCHORS);

    return r || named ? r : ub_ctx_set_option(unbound, "harden-dnssec-stripped:", "no");
}

static int configure(struct resolver *resolver, struct ub_ctx *unbound, unsigned side)
{
    int r = ub_ctx_debugout(unbound, NULL); /* else it writes to the program's standard error */

    if (r == 0)
        r = ub_ctx_set_option(unbound, "rrset-roundrobin:", "no"); /* the order is the name server's to choose */
    for (unsigned i = 0; r == 0 && i < resolver->conf.server_count; i++)
        r = ub_ctx_set_fwd(unbound, resolver->conf.server[i]);
    if (r == 0 && side == PROVING)
        r = configure_proving(resolver, unbound);
    /* Names of homes and laboratories are the name server's to know (RFC 8375, RFC 6761 section 6.2); libunbound would say
     * that there are none. It is left to say so of localhost, onion and invalid. Nothing can be set after this. */
    if (r == 0)
        r = ub_ctx_zone_remove(unbound, "home.arpa.");
    if (r == 0)
        r = ub_ctx_zone_remove(unbound, "test.");
    return code_of(r);
}

static int make_unbound(struct resolver *resolver, unsigned side)
{
    struct ub_ctx *unbound;
    int r;

    pthread_mutex_lock(&unbound_lock);
    unbound = ub_ctx_create_ub_event(&resolver->loop.base);
    r = unbound ? configure(resolver, unbound, side) : -ENOMEM;
    if (r < 0)
        ub_ctx_delete(unbound);
    else
        resolver->unbound[side] = unbound;
    pthread_mutex_unlock(&unbound_lock);
    return r;
}

static unsigned side_of(const struct resolver *resolver, bool prove)
{
    const char *named = named_anchors(resolver);

    if (named)
        return *named ? PROVING : PLAIN;
    return prove && access(SYSTEM_ANCHORS, R_OK) == 0 ? PROVING : PLAIN;
}

/* libunbound takes no new servers once it runs, and goes on believing for minutes that a server is down. A new one costs
 * a few milliseconds; while questions are under way the old one is kept. */
static void read_conf(struct resolver *resolver)
{
    struct stat now;

    if (resolver->pending > 0)
        return;
    note_file(resolv_conf_file(resolver), &now);
    if (resolver->conf_known && !resolver->distrusted && same_file(&now, &resolver->conf_read))
        return;
    drop_unbound(resolver);
    resolver->conf_read = now;
    resolv_conf_read(resolv_conf_file(resolver), &resolver->conf);
    resolver->conf_known = true;
    resolver->distrusted = false;
}

int resolver_prepare(struct resolver *resolver, bool prove, const struct resolv_conf **ret_conf, char *reason,
                     size_t size)
{
    unsigned side = side_of(resolver, prove);
    const char *named = named_anchors(resolver);
    int r;

    read_conf(resolver);
    if (side == PROVING && named && access(named, R_OK) < 0) {
        r = -errno;
        snprintf(reason, size, "the trust anchors in %s cannot be read: %s", named, hawser_strerror(r));
        return r;
    }
    if (!resolver->unbound[side] && (r = make_unbound(resolver, side)) < 0) {
        if (r == -EIO && side == PROVING)
            snprintf(reason, size, "the trust anchors in %s cannot be used: they are to be DS or DNSKEY records",
                     named ? named : SYSTEM_ANCHORS);
        else
            snprintf(reason, size, "the resolver cannot be set up: %s", hawser_strerror(r));
        return r;
    }
    *ret_conf = &resolver->conf;
    return 0;
}

static enum dnssec verdict_of(int security)
{
    return security == 2 ? DNSSEC_SECURE : security == 1 ? DNSSEC_BOGUS : DNSSEC_INSECURE;
}

static void answered(void *user, int rcode, void *packet, int size, int security, char *why, int limited)
{
    struct resolver_query *query = user;
    bool whole = rcode == DNS_NOERROR && packet && size > 0;
    struct resolver_answer answer = {.code = rcode,
                                     .packet = whole ? packet : NULL,
                                     .size = whole ? (size_t)size : 0,
                                     .dnssec = verdict_of(security),
                                     .why = why ? why : ""};

    (void)limited;
    if (query->answered) {
        *query->handle = NULL;
        query->resolver->pending--;
        query->answered(query->user, &answer);
    }
    list_remove(&query->link);
    free(query);
}

int resolver_ask(struct resolver *resolver, bool prove, const char *name, unsigned type, resolver_answered_fn fn,
                 void *user, struct resolver_query **ret_query)
{
    struct resolver_query *query = malloc(sizeof *query);
    int r, id = 0;

    if (!query)
        return -ENOMEM;
    *query = (struct resolver_query){.resolver = resolver,
                                     .unbound = resolver->unbound[side_of(resolver, prove)],
                                     .answered = fn,
                                     .user = user,
                                     .handle = ret_query};
    list_init(&query->link);
    *ret_query = query;
    resolver->pending++;
    pthread_mutex_lock(&unbound_lock);
    r = ub_resolve_event(query->unbound, name, (int)type, DNS_IN, query, answered, &id);
    pthread_mutex_unlock(&unbound_lock);
    if (r == UB_NOERROR) {
        if (*ret_query) /* else it was answered, and is gone */
            query->id = id;
        return 0;
    }
    *ret_query = NULL;
    resolver->pending--;
    free(query);
    return code_of(r);
}

void resolver_forget(struct resolver_query *query)
{
    struct resolver *resolver;

    if (!query)
        return;
    resolver = query->resolver;
    *query->handle = NULL;
    query->answered = NULL;
    query->until = loop_now(resolver->context) + STRAY_US;
    resolver->pending--;
    if (list_empty(&resolver->strays) &&
        loop_timer_set(resolver->context, &resolver->stray_timer, query->until) < 0) { /* nothing would end it */
        ub_cancel(query->unbound, query->id);
        free(query);
        return;
    }
    list_append(&resolver->strays, &query->link);
}

void resolver_distrust(struct resolver *resolver)
{
    resolver->distrusted = true;
}
