/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of a host name. A resolution goes through the names to try (search domains); for each it asks for AAAA
 * and A at once. Whatever is found out inside libunbound or inside resolve() is only noted: telling it, and asking
 * the next question, is deferred work of the loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/dns_answer.h"
#include "endpoint/endpoint.h"
#include "endpoint/hosts.h"
#include "endpoint/resolver.h"

/* How long the second family is waited for when the first has addresses. RFC 8305 section 3 has 50 ms, but there the
 * rest may come later; here an answer is given once. */
#define SECOND_FAMILY_US 250000

/* How a question ended, the one that says most last. */
enum verdict { NO_SUCH_NAME, NO_ADDRESS, FAILED, BOGUS };

struct resolution {
    struct resolver *resolver;
    struct resolver_user membership;
    char host[HOST_SIZE];
    resolution_fn answered;
    void *user;
    int64_t deadline, timeout_us;
    struct loop_timer timer;
    struct loop_deferred next;
    struct resolver_query queries[2];
    char names[RESOLV_SEARCH + 1][HOST_SIZE]; /* to try, in order */
    unsigned name_count, name;
    struct addresses addresses;
    enum verdict verdict;
    char why[160]; /* BOGUS */
    bool asking;   /* more questions are about to be put */
    bool telling;
};

/* Afterwards nothing of it is in the loop or the resolver. */
static void detach(struct resolution *resolution)
{
    for (unsigned i = 0; i < 2; i++)
        resolver_forget(&resolution->queries[i]);
    loop_timer_clear(resolver_context(resolution->resolver), &resolution->timer);
    loop_undefer(&resolution->next);
    list_remove(&resolution->membership.link);
}

static void end_with_context(struct resolver_user *user)
{
    struct resolution *resolution = container_of(user, struct resolution, membership);

    detach(resolution);
    free(resolution);
}

void resolution_cancel(struct resolution *resolution)
{
    if (resolution->telling) /* inside answered(): tell() frees it */
        return;
    detach(resolution);
    free(resolution);
}

static void tell(struct resolution *resolution, int code, const char *reason)
{
    struct layer_address list[ADDRESSES_MAX];
    size_t count = code < 0 ? 0 : addresses_interleave(&resolution->addresses, list);

    detach(resolution);
    resolution->telling = true;
    resolution->answered(resolution->user, code, count ? list : NULL, count, reason);
    free(resolution);
}

__attribute__((format(printf, 3, 4))) static void tell_failure(struct resolution *resolution, int code,
                                                               const char *format, ...)
{
    char reason[HOST_SIZE + 256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    tell(resolution, code, reason);
}

static void tell_verdict(struct resolution *resolution)
{
    const char *host = resolution->host;

    switch (resolution->verdict) {
    case NO_SUCH_NAME:
        tell_failure(resolution, -HAWSER_ERESOLVE, "there is no host %s", host);
        break;
    case NO_ADDRESS:
        tell_failure(resolution, -HAWSER_ERESOLVE, "the host %s has neither an IPv6 nor an IPv4 address", host);
        break;
    case FAILED:
        tell_failure(resolution, -HAWSER_ERESOLVE, "the name servers failed to look up the host %s", host);
        break;
    case BOGUS:
        tell_failure(resolution, -HAWSER_ERESOLVE,
                     "the answer for the host %s was refused, for DNSSEC proves it false: %s", host, resolution->why);
        break;
    }
}

/* What DNSSEC found holds words of the answer. */
static void note_bogus(struct resolution *resolution, const char *why)
{
    snprintf(resolution->why, sizeof resolution->why, "%s", why);
    for (char *at = resolution->why; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
    resolution->verdict = BOGUS;
}

static void raise_verdict(struct resolution *resolution, enum verdict verdict)
{
    if (resolution->verdict < verdict)
        resolution->verdict = verdict;
}

static void judge(struct resolution *resolution, int rcode, const uint8_t *packet, size_t size, const char *bogus)
{
    if (bogus) { /* its addresses are there to be read, and must not be */
        note_bogus(resolution, bogus);
        return;
    }
    if (packet)
        rcode = dns_answer_read(packet, size, &resolution->addresses);
    if (rcode == DNS_NOERROR)
        raise_verdict(resolution, NO_ADDRESS);
    else if (rcode != DNS_NXDOMAIN)
        raise_verdict(resolution, FAILED);
}

static bool waiting(const struct resolution *resolution)
{
    return resolution->queries[0].pending || resolution->queries[1].pending;
}

static void look_round(struct resolution *resolution)
{
    hawser_context *context = resolver_context(resolution->resolver);
    int64_t patience = loop_now(context) + SECOND_FAMILY_US;

    if (!waiting(resolution))
        loop_defer(context, &resolution->next);
    else if (addresses_count(&resolution->addresses) && patience < resolution->deadline)
        (void)loop_timer_set(context, &resolution->timer, patience); /* moving it takes no memory */
}

static void query_answered(struct resolver_query *query, int rcode, const uint8_t *packet, size_t size,
                           const char *bogus)
{
    struct resolution *resolution = query->user;

    judge(resolution, rcode, packet, size, bogus);
    if (!resolution->asking)
        look_round(resolution);
}

/* Asks for the next name. A question that cannot even be put counts as a failed one. */
static void ask(struct resolution *resolution)
{
    static const int types[2] = {DNS_AAAA, DNS_A};
    const char *name = resolution->names[resolution->name++];
    const struct resolv_conf *conf;

    int r = resolver_prepare(resolution->resolver, &conf);

    resolution->asking = true; /* a question that was asked before is answered at once */
    for (unsigned i = 0; i < 2; i++) {
        struct resolver_query *query = &resolution->queries[i];

        *query = (struct resolver_query){.user = resolution, .answered = query_answered};
        if (r < 0 || resolver_ask(resolution->resolver, query, name, types[i]) < 0)
            raise_verdict(resolution, FAILED);
    }
    resolution->asking = false;
    look_round(resolution);
}

static void go_on(struct loop_deferred *deferred)
{
    struct resolution *resolution = container_of(deferred, struct resolution, next);

    if (addresses_count(&resolution->addresses)) {
        tell(resolution, 0, "");
        return;
    }
    if (resolution->verdict == FAILED)
        resolver_distrust(resolution->resolver);
    if (resolution->verdict < FAILED && resolution->name < resolution->name_count)
        ask(resolution);
    else
        tell_verdict(resolution);
}

static void time_is_up(struct loop_timer *timer, int64_t now)
{
    struct resolution *resolution = container_of(timer, struct resolution, timer);

    (void)now;
    if (addresses_count(&resolution->addresses)) {
        tell(resolution, 0, "");
        return;
    }
    resolver_distrust(resolution->resolver);
    tell_failure(resolution, -ETIMEDOUT, "no name server answered for the host %s within %.1f s", resolution->host,
                 (double)resolution->timeout_us / 1e6);
}

/* False when the name has to be asked for. */
static bool known_here(struct resolution *resolution)
{
    if (host_is_localhost(resolution->host)) {
        (void)addresses_add_text(&resolution->addresses, "::1");
        (void)addresses_add_text(&resolution->addresses, "127.0.0.1");
    } else {
        hosts_find(resolver_hosts_file(resolution->resolver), resolution->host, &resolution->addresses);
    }
    return addresses_count(&resolution->addresses) > 0;
}

/* A name with enough dots is one as it is; a shorter one is looked for in the search domains first. */
static void list_names(struct resolution *resolution, const struct resolv_conf *conf)
{
    unsigned dots = 0;

    for (const char *at = resolution->host; *at; at++)
        dots += *at == '.';
    for (unsigned i = 0; dots < conf->ndots && i < conf->search_count; i++) {
        char *name = resolution->names[resolution->name_count];
        if (strlen(resolution->host) + 1 + strlen(conf->search[i]) < HOST_SIZE - 2) {
            sprintf(name, "%s.%s", resolution->host, conf->search[i]);
            resolution->name_count++;
        }
    }
    memcpy(resolution->names[resolution->name_count++], resolution->host, HOST_SIZE);
}

static int start(struct resolution *resolution)
{
    hawser_context *context = resolver_context(resolution->resolver);
    const struct resolv_conf *conf;
    int r;

    if ((r = loop_timer_set(context, &resolution->timer, resolution->deadline)) < 0)
        return r;
    if (known_here(resolution)) {
        loop_defer(context, &resolution->next);
        return 0;
    }
    if ((r = resolver_prepare(resolution->resolver, &conf)) < 0)
        return r;
    list_names(resolution, conf);
    ask(resolution);
    return 0;
}

int resolve(hawser_context *context, const char *host, uint16_t port, int64_t timeout_us, resolution_fn answered,
            void *user, struct resolution **ret_resolution)
{
    struct resolution *resolution;
    struct resolver *resolver;
    int r = loop_check(context);

    if (r < 0 || (r = resolver_of(context, &resolver)) < 0)
        return r;
    if (timeout_us <= 0)
        return -EINVAL;
    resolution = calloc(1, sizeof *resolution);
    if (!resolution)
        return -ENOMEM;
    if (host_name_check(host, resolution->host)) {
        free(resolution);
        return -EINVAL;
    }
    resolution->resolver = resolver;
    resolution->answered = answered;
    resolution->user = user;
    resolution->timeout_us = timeout_us;
    resolution->deadline = loop_now(context) + timeout_us;
    resolution->membership.end = end_with_context;
    resolver_join(resolver, &resolution->membership);
    addresses_init(&resolution->addresses, port);
    loop_timer_init(&resolution->timer, time_is_up);
    loop_deferred_init(&resolution->next, go_on);
    if ((r = start(resolution)) < 0) {
        detach(resolution);
        free(resolution);
        return r;
    }
    *ret_resolution = resolution;
    return 0;
}
