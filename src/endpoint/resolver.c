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
#include "endpoint/stub.h"
#include "endpoint/unbound_loop.h"

#define HOSTS_FILE "/etc/hosts"
#define RESOLV_CONF_FILE "/etc/resolv.conf"
#define NSSWITCH_FILE "/etc/nsswitch.conf"
#define SYSTEM_ANCHORS "/usr/share/dns/root.key"
/* RFC 8305 section 3: an answer that comes after all is worth having for the next time. */
#define STRAY_US 1000000

struct resolver_query {
    struct list link; /* of the stray ones */
    struct resolver *resolver;
    struct stub_query *stub; /* or else libunbound's: */
    struct ub_ctx *unbound;
    int id;
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
    struct stub *stub;      /* NULL: not needed yet */
    bool stub_told;         /* of the servers */
    struct ub_ctx *unbound; /* the same */
    struct resolv_conf conf;
    bool conf_known;
    struct stat conf_read; /* the file that conf was read from */
    bool distrusted;
    unsigned proving; /* libunbound's queries whose answer is waited for */
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

/* Nobody is told of it. */
static void query_end(struct resolver_query *query)
{
    list_remove(&query->link);
    if (query->stub)
        stub_forget(query->stub);
    else
        ub_cancel(query->unbound, query->id);
    free(query);
}

static void drop_strays(struct resolver *resolver)
{
    while (!list_empty(&resolver->strays))
        query_end(list_first(&resolver->strays, struct resolver_query, link));
    loop_timer_clear(resolver->context, &resolver->stray_timer);
}

/* Nobody waits for a proof. */
static void drop_unbound(struct resolver *resolver)
{
    drop_strays(resolver);
    pthread_mutex_lock(&unbound_lock);
    ub_ctx_delete(resolver->unbound);
    pthread_mutex_unlock(&unbound_lock);
    resolver->unbound = NULL;
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
        query_end(query);
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
    stub_free(resolver->stub);
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
    resolver->conf_known = false;
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

static int configure(struct resolver *resolver, struct ub_ctx *unbound)
{
    int r = ub_ctx_debugout(unbound, NULL); /* else it writes to the program's standard error */

    if (r == 0)
        r = ub_ctx_set_option(unbound, "rrset-roundrobin:", "no"); /* the order is the name server's to choose */
    for (unsigned i = 0; r == 0 && i < resolver->conf.server_count; i++)
        r = ub_ctx_set_fwd(unbound, resolver->conf.server[i]);
    if (r == 0)
        r = configure_proving(resolver, unbound);
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

/* Whether libunbound is to be asked. */
static bool proves(const struct resolver *resolver, bool wanted)
{
    const char *named = named_anchors(resolver);

    return named ? *named : wanted && access(SYSTEM_ANCHORS, R_OK) == 0;
}

/* libunbound takes no new servers once it runs, and goes on believing for minutes that a server is down. A new one costs
 * a few milliseconds; while it has questions under way the old one is kept. */
static void read_conf(struct resolver *resolver, bool look)
{
    struct stat now = resolver->conf_read;

    if (look || !resolver->conf_known)
        note_file(resolv_conf_file(resolver), &now);
    if (!resolver->conf_known || !same_file(&now, &resolver->conf_read)) {
        resolver->conf_read = now;
        resolver->conf_known = resolver->distrusted = true;
        resolv_conf_read(resolv_conf_file(resolver), &resolver->conf);
        resolver->stub_told = false;
    }
    if (resolver->distrusted && resolver->proving == 0) {
        drop_unbound(resolver);
        resolver->distrusted = false;
    }
}

static int prepare_stub(struct resolver *resolver)
{
    int r = resolver->stub ? 0 : stub_new(resolver->context, &resolver->stub);

    if (r == 0 && !resolver->stub_told) {
        stub_set_servers(resolver->stub, &resolver->conf);
        resolver->stub_told = true;
    }
    return r;
}

static int prepare_unbound(struct resolver *resolver, char *reason, size_t size)
{
    const char *named = named_anchors(resolver);
    int r = named && access(named, R_OK) < 0 ? -errno : 0;

    if (r < 0) {
        snprintf(reason, size, "the trust anchors in %s cannot be read: %s", named, hawser_strerror(r));
        return r;
    }
    r = resolver->unbound ? 0 : make_unbound(resolver);
    if (r == -EIO)
        snprintf(reason, size, "the trust anchors in %s cannot be used: they are to be DS or DNSKEY records",
                 named ? named : SYSTEM_ANCHORS);
    else if (r < 0)
        snprintf(reason, size, "the resolver cannot be set up: %s", hawser_strerror(r));
    return r;
}

int resolver_prepare(struct resolver *resolver, bool prove, bool look, const struct resolv_conf **ret_conf,
                     char *reason, size_t size)
{
    int r;

    read_conf(resolver, look);
    if (proves(resolver, prove))
        r = prepare_unbound(resolver, reason, size);
    else if ((r = prepare_stub(resolver)) < 0)
        snprintf(reason, size, "the resolver cannot be set up: %s", hawser_strerror(r));
    if (r == 0)
        *ret_conf = &resolver->conf;
    return r;
}

static enum dnssec verdict_of(int security)
{
    return security == 2 ? DNSSEC_SECURE : security == 1 ? DNSSEC_BOGUS : DNSSEC_INSECURE;
}

/* Its asker forgot it, or is told now. */
static void tell(struct resolver_query *query, const struct resolver_answer *answer)
{
    if (query->answered) {
        *query->handle = NULL;
        query->answered(query->user, answer);
    }
    list_remove(&query->link);
    free(query);
}

static void unbound_answered(void *user, int rcode, void *packet, int size, int security, char *why, int limited)
{
    struct resolver_query *query = user;
    bool whole = rcode == DNS_NOERROR && packet && size > 0;
    struct resolver_answer answer = {.code = rcode,
                                     .packet = whole ? packet : NULL,
                                     .size = whole ? (size_t)size : 0,
                                     .dnssec = verdict_of(security),
                                     .why = why ? why : "",
                                     .expires = INT64_MAX};

    (void)limited;
    if (query->answered)
        query->resolver->proving--;
    tell(query, &answer);
}

static void stub_answered(void *user, int code, const uint8_t *packet, size_t size, int64_t expires)
{
    struct resolver_query *query = user;
    struct resolver_answer answer = {.code = code,
                                     .packet = packet,
                                     .size = size,
                                     .dnssec = DNSSEC_INSECURE,
                                     .why = code < 0 ? hawser_strerror(code) : "",
                                     .expires = expires};

    tell(query, &answer);
}

static int ask_unbound(struct resolver_query *query, const struct dns_name *name, unsigned type)
{
    struct resolver_query **handle = query->handle;
    struct resolver *resolver = query->resolver;
    char text[DNS_NAME_TEXT];
    int r, id = 0;

    dns_name_print(name, text);
    query->unbound = resolver->unbound;
    resolver->proving++;
    pthread_mutex_lock(&unbound_lock);
    r = ub_resolve_event(query->unbound, text, (int)type, DNS_IN, query, unbound_answered, &id);
    pthread_mutex_unlock(&unbound_lock);
    if (r == UB_NOERROR && *handle) /* else it was answered, and is gone */
        query->id = id;
    if (r != UB_NOERROR)
        resolver->proving--;
    return code_of(r);
}

static int ask_stub(struct resolver_query *query, const struct dns_name *name, unsigned type)
{
    struct resolver_query **handle = query->handle;
    struct stub_query *asked;
    int r = stub_ask(query->resolver->stub, name, type, stub_answered, query, &asked);

    if (r == 0 && *handle)
        query->stub = asked;
    return r;
}

int resolver_ask(struct resolver *resolver, bool prove, const struct dns_name *name, unsigned type,
                 resolver_answered_fn fn, void *user, struct resolver_query **ret_query)
{
    struct resolver_query *query = malloc(sizeof *query);
    int r;

    if (!query)
        return -ENOMEM;
    *query = (struct resolver_query){.resolver = resolver, .answered = fn, .user = user, .handle = ret_query};
    list_init(&query->link);
    *ret_query = query;
    r = proves(resolver, prove) ? ask_unbound(query, name, type) : ask_stub(query, name, type);
    if (r < 0) {
        *ret_query = NULL;
        free(query);
    }
    return r;
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
    if (!query->stub)
        resolver->proving--;
    if (list_empty(&resolver->strays) && loop_timer_set(resolver->context, &resolver->stray_timer, query->until) < 0)
        query_end(query); /* nothing would end it */
    else
        list_append(&resolver->strays, &query->link);
}

void resolver_distrust(struct resolver *resolver)
{
    resolver->distrusted = true;
}
