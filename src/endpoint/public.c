/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_resolve(): what a name leads to, or records of it, for programs that want no more than that. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/resolve.h>

#include "base/options.h"
#include "base/text.h"
#include "endpoint/resolution.h"

#define TIMEOUT_US 10000000

enum { RECORDS_MAX = 64, DATA_SIZE = 1024 };

struct hawser_resolving {
    hawser_context *context;
    hawser_resolve_fn fn;
    void *user;
    int64_t timeout_us;
    struct resolution *resolution; /* of addresses */
    bool telling, cancelled;
    /* Of records: */
    struct resolver_user membership;
    struct resolver_query *query;
    struct mdns_query link; /* for names of the link */
    struct loop_timer timer;
    struct loop_deferred work;
    unsigned type;
    char name[DNS_NAME_TEXT];
    int64_t start;
    int code; /* of DNS, or negative */
    enum dnssec dnssec;
    int64_t expires;
    char why[256];
    uint8_t *packet;
    size_t size;
};

static void resolving_free(struct hawser_resolving *resolving)
{
    if (resolving->resolution)
        resolve_cancel(resolving->resolution);
    resolver_forget(resolving->query);
    mdns_forget(&resolving->link);
    loop_timer_clear(resolving->context, &resolving->timer);
    loop_undefer(&resolving->work);
    list_remove(&resolving->membership.link);
    loop_release(resolving->context);
    free(resolving->packet);
    free(resolving);
}

/* False: the resolving is gone. */
static void tell(struct hawser_resolving *resolving, const hawser_resolve_answer *answer)
{
    resolving->telling = true;
    resolving->fn(answer, resolving->user);
    resolving->telling = false;
    if (answer->last || resolving->cancelled) {
        if (answer->last) /* it ends by itself */
            resolving->resolution = NULL;
        resolving_free(resolving);
    }
}

/* -------------------------------------------------------------------------------------------------------- addresses */

struct words {
    char address[96], alpn[RESOLVE_ALPN * RESOLVE_ALPN_SIZE];
};

static void describe(const struct found *found, int64_t now, struct words *words, hawser_resolved *ret_resolved)
{
    size_t length = 0;

    endpoint_print_address(&found->address, words->address, sizeof words->address);
    *words->alpn = '\0';
    for (unsigned i = 0; i < RESOLVE_ALPN && *found->alpn[i]; i++)
        length +=
            (size_t)snprintf(words->alpn + length, sizeof words->alpn - length, "%s%s", i ? "," : "", found->alpn[i]);
    *ret_resolved = (hawser_resolved){
        .address = words->address,
        .target = found->target,
        .priority = found->priority,
        .weight = found->weight,
        .rank = found->rank,
        .alpn = words->alpn,
        .no_default_alpn = found->no_default_alpn,
        .hint = found->hint,
        .dnssec = dnssec_name(found->dnssec),
        .ttl_us = found->expires == INT64_MAX ? INT64_MAX : found->expires - now,
        .record = "",
    };
}

static void on_addresses(void *user, const struct resolve_answer *answer)
{
    struct hawser_resolving *resolving = user;
    int64_t now = loop_now(resolving->context);
    size_t count = answer->found_count + answer->gone_count;
    struct words *words = calloc(count + 1, sizeof *words);
    hawser_resolved *list = calloc(count + 1, sizeof *list);
    hawser_resolve_answer told = {
        .lookup = answer->lookup, .code = answer->code, .reason = answer->reason, .last = answer->last};

    for (size_t i = 0; words && list && i < count; i++)
        describe(i < answer->found_count ? &answer->found[i] : &answer->gone[i - answer->found_count], now, &words[i],
                 &list[i]);
    if (words && list) {
        told.found = list;
        told.found_count = answer->found_count;
        told.gone = list + answer->found_count;
        told.gone_count = answer->gone_count;
    } else {
        told.code = -ENOMEM;
        told.reason = hawser_strerror(-ENOMEM);
    }
    tell(resolving, &told);
    free(words);
    free(list);
}

static int start_addresses(struct hawser_resolving *resolving, const struct endpoint *endpoint,
                           const hawser_resolve_options *options)
{
    struct resolve_config config = {
        .endpoint = endpoint,
        .timeout_us = resolving->timeout_us,
        .https = options->https,
        .scheme = options->scheme,
        .families = (options->no_ipv6 ? 0 : BIT_V6) | (options->no_ipv4 ? 0 : BIT_V4),
        .prove = !options->no_dnssec,
        .answered = on_addresses,
        .user = resolving,
    };

    return resolve_start(resolving->context, &config, &resolving->resolution);
}

/* ---------------------------------------------------------------------------------------------------------- records */

static void keep_packet(struct hawser_resolving *resolving, const uint8_t *packet, size_t size)
{
    resolving->packet = malloc(size);
    resolving->size = size;
    if (resolving->packet)
        memcpy(resolving->packet, packet, size);
    else
        resolving->code = -ENOMEM;
}

static void on_records(void *user, const struct resolver_answer *answer)
{
    struct hawser_resolving *resolving = user;

    resolving->code = answer->code;
    resolving->dnssec = answer->dnssec;
    resolving->expires = answer->expires;
    if (answer->why)
        snprintf(resolving->why, sizeof resolving->why, "%s", answer->why);
    if (answer->packet)
        keep_packet(resolving, answer->packet, answer->size);
    loop_defer(resolving->context, &resolving->work);
}

static void on_link_records(struct mdns_query *query, const uint8_t *packet, size_t size, unsigned interface)
{
    struct hawser_resolving *resolving = container_of(query, struct hawser_resolving, link);

    (void)interface;
    mdns_forget(query);
    loop_timer_clear(resolving->context, &resolving->timer);
    resolving->expires = INT64_MAX;
    keep_packet(resolving, packet, size);
    loop_defer(resolving->context, &resolving->work);
}

static void records_too_late(struct loop_timer *timer, int64_t now)
{
    struct hawser_resolving *resolving = container_of(timer, struct hawser_resolving, timer);

    (void)now;
    resolver_forget(resolving->query);
    mdns_forget(&resolving->link);
    resolving->code = -ETIMEDOUT;
    loop_defer(resolving->context, &resolving->work);
}

struct record_list {
    hawser_resolved resolved[RECORDS_MAX];
    char data[RECORDS_MAX][DATA_SIZE];
    size_t count;
};

static int read_records(const struct hawser_resolving *resolving, struct record_list *list)
{
    struct dns_message message;
    struct dns_record record;
    int64_t now = loop_now(resolving->context);
    struct dns_name owner;
    int r = dns_message_open(&message, resolving->packet, resolving->size);

    if (r == 0 && message.question_count)
        (void)dns_message_owner(&message, &owner);
    else
        owner = resolving->link.name;
    while (r >= 0 && (r = dns_message_next(&message, &record)) > 0) {
        int64_t expires = now + (int64_t)record.ttl * 1000000;

        if (record.section != DNS_ANSWER || record.type != resolving->type || list->count == RECORDS_MAX ||
            !dns_name_equal(&record.name, &owner))
            continue;
        if (resolving->expires < expires)
            expires = resolving->expires;
        dns_data_print(&message, &record, list->data[list->count], DATA_SIZE);
        list->resolved[list->count] = (hawser_resolved){.address = "",
                                                        .target = resolving->name,
                                                        .alpn = "",
                                                        .dnssec = dnssec_name(resolving->dnssec),
                                                        .ttl_us = expires - now,
                                                        .record = list->data[list->count]};
        list->count++;
    }
    return r < 0 ? r : (int)message.code;
}

/* 0, or negative with the reason. */
static int judge_records(struct hawser_resolving *resolving, struct record_list *list, char *reason, size_t size)
{
    const char *type = dns_type_name(resolving->type), *name = resolving->name;
    int code = resolving->code;

    *reason = '\0';
    if (resolving->dnssec == DNSSEC_BOGUS) {
        snprintf(reason, size, "the answer for %s was refused, for DNSSEC proves it false: %s", name, resolving->why);
        return -HAWSER_ERESOLVE;
    }
    if (code == DNS_NOERROR && resolving->packet)
        code = read_records(resolving, list);
    if (code == -ETIMEDOUT && resolving->link.name.size)
        snprintf(reason, size, "nobody on the link answered for %s within %.1f s", name,
                 (double)resolving->timeout_us / 1e6);
    else if (code == -ETIMEDOUT)
        snprintf(reason, size, "no name server answered for %s within %.1f s", name,
                 (double)resolving->timeout_us / 1e6);
    else if (code == DNS_NXDOMAIN)
        snprintf(reason, size, "there is no name %s", name);
    else if (code != DNS_NOERROR)
        snprintf(reason, size, "the name servers failed to look up %s", name);
    else if (list->count == 0)
        snprintf(reason, size, "there is no %s record of %s", type, name);
    return !*reason ? 0 : code == -ETIMEDOUT ? code : -HAWSER_ERESOLVE;
}

static void tell_records(struct loop_deferred *deferred)
{
    struct hawser_resolving *resolving = container_of(deferred, struct hawser_resolving, work);
    struct record_list *list = calloc(1, sizeof *list);
    char reason[DNS_NAME_TEXT + 400], name[DNS_NAME_TEXT];
    struct text result;
    int code;

    if (!list) {
        tell(resolving, &(hawser_resolve_answer){.code = -ENOMEM, .reason = hawser_strerror(-ENOMEM), .last = true});
        return;
    }
    code = judge_records(resolving, list, reason, sizeof reason);
    text_init(&result);
    for (size_t i = 0; i < list->count; i++)
        text_printf(&result, "%s%s", i ? "; " : "", list->data[i]);
    memcpy(name, resolving->name, sizeof name);
    tell(resolving, &(hawser_resolve_answer){
                        .lookup = {.name = name,
                                   .question = dns_type_name(resolving->type),
                                   .start_us = resolving->start,
                                   .end_us = loop_now(resolving->context),
                                   .code = code,
                                   .result = code < 0 ? reason : text_string(&result),
                                   .dnssec = dnssec_name(resolving->dnssec)},
                        .found = list->resolved,
                        .found_count = code < 0 ? 0 : list->count,
                        .code = code,
                        .reason = reason,
                        .last = true,
                    });
    text_free(&result);
    free(list);
}

/* TLSA stands below _PORT._tcp (RFC 6698 section 3); the others at the name that was given. */
static int record_name(const struct hawser_resolving *resolving, const struct endpoint *endpoint,
                       struct dns_name *ret_name)
{
    struct dns_name name;
    char port[16];

    if (dns_name_parse(endpoint->host, &name) < 0)
        return -EINVAL;
    if (resolving->type == DNS_TLSA && endpoint->kind == ENDPOINT_HOST && endpoint->port) {
        snprintf(port, sizeof port, "_%u", endpoint->port);
        if (dns_name_prepend(&name, "_tcp") < 0 || dns_name_prepend(&name, port) < 0)
            return -EINVAL;
    }
    *ret_name = name;
    return 0;
}

/* The first who answers is taken. */
static int ask_link(struct hawser_resolving *resolving, struct resolver *resolver, const struct dns_name *name,
                    const char *interface)
{
    struct mdns *mdns;
    int r = resolver_mdns(resolver, &mdns);

    if (r < 0)
        return r;
    resolving->link.name = *name;
    resolving->link.type = resolving->type;
    resolving->link.interface = *interface ? if_nametoindex(interface) : 0;
    resolving->link.answered = on_link_records;
    return *interface && !resolving->link.interface ? -ENODEV : mdns_ask(mdns, &resolving->link);
}

static int start_records(struct hawser_resolving *resolving, struct resolver *resolver, const struct endpoint *endpoint,
                         bool prove)
{
    const struct resolv_conf *conf;
    struct dns_name name;
    int r = record_name(resolving, endpoint, &name);

    if (r < 0 || (r = loop_timer_set(resolving->context, &resolving->timer,
                                     loop_after(loop_now(resolving->context), resolving->timeout_us))) < 0)
        return r;
    r = resolver_prepare(resolver, prove, true, &conf, resolving->why, sizeof resolving->why);
    if (r < 0) {
        loop_log(resolving->context, HAWSER_LOG_ERROR, "%s", resolving->why);
        return r;
    }
    dns_name_print(&name, resolving->name);
    if (name_is_local(endpoint->host))
        return ask_link(resolving, resolver, &name, endpoint->interface);
    return resolver_ask(resolver, prove, &name, resolving->type, on_records, resolving, &resolving->query);
}

/* ------------------------------------------------------------------------------------------------------------ public */

/* A host name may stand alone: nobody connects. */
static int parse(hawser_context *context, const char *text, struct endpoint *ret_endpoint)
{
    char reason[256], with_port[600];
    int r = endpoint_parse(text, ret_endpoint, reason, sizeof reason);
    const char *at;

    if (r < 0 && !strchr(text, ':') && strlen(text) < sizeof with_port - 3) {
        at = strchr(text, '@');
        if (at && !strncmp(text, "hk-", 3))
            at = strchr(at + 1, '@');
        if (!at)
            at = text + strlen(text);
        snprintf(with_port, sizeof with_port, "%.*s:0%s", (int)(at - text), text, at);
        r = endpoint_parse(with_port, ret_endpoint, reason, sizeof reason);
    }
    if (r < 0) {
        loop_log(context, HAWSER_LOG_ERROR, "endpoint \"%s\": %s", text, reason);
    } else if (ret_endpoint->kind != ENDPOINT_HOST && ret_endpoint->kind != ENDPOINT_SERVICE) {
        loop_log(context, HAWSER_LOG_ERROR, "endpoint \"%s\": it has no name to look up", text);
        r = -EINVAL;
    }
    return r;
}

static void end_with_context(struct resolver_user *user)
{
    resolving_free(container_of(user, struct hawser_resolving, membership));
}

int hawser_resolve(hawser_context *context, const char *endpoint, const hawser_resolve_options *options,
                   hawser_resolve_fn fn, void *user, hawser_resolving **ret_resolving)
{
    struct hawser_resolving *resolving;
    hawser_resolve_options given;
    struct resolver *resolver;
    struct endpoint parsed;
    unsigned type = 0;
    int r = loop_check(context);

    if (r < 0 || (r = options_copy(&given, sizeof given, options)) < 0)
        return r;
    if (!endpoint || !fn || given.timeout_us < 0 || (given.no_ipv6 && given.no_ipv4) ||
        (given.record && !(type = dns_type_of(given.record))))
        return -EINVAL;
    if ((r = parse(context, endpoint, &parsed)) < 0 || (r = resolver_of(context, &resolver)) < 0)
        return r;
    if (!(resolving = calloc(1, sizeof *resolving)))
        return -ENOMEM;
    resolving->context = context;
    resolving->fn = fn;
    resolving->user = user;
    resolving->timeout_us = given.timeout_us ? given.timeout_us : TIMEOUT_US;
    resolving->type = type;
    resolving->start = loop_now(context);
    resolving->membership.end = end_with_context;
    resolver_join(resolver, &resolving->membership); /* before the resolution, whose end must not come first */
    loop_timer_init(&resolving->timer, records_too_late);
    loop_deferred_init(&resolving->work, tell_records);
    list_init(&resolving->link.link);
    loop_hold(context);
    r = type ? start_records(resolving, resolver, &parsed, !given.no_dnssec)
             : start_addresses(resolving, &parsed, &given);
    if (r < 0) {
        resolving_free(resolving);
        return r;
    }
    if (ret_resolving)
        *ret_resolving = resolving;
    return 0;
}

void hawser_resolve_cancel(hawser_resolving *resolving)
{
    if (resolving->telling)
        resolving->cancelled = true;
    else
        resolving_free(resolving);
}
