/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of a resolution. Whatever is found out inside libunbound, or inside resolve_start(), is only noted with its
 * question; taking it over, asking what follows from it and telling it are deferred work of the loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/resolution.h"
#include "endpoint/service.h"

/* When nothing was answered by then, the system's own resolver is asked beside: at most this late. */
#define SYSTEM_AFTER_US 2000000

const char *dnssec_name(enum dnssec dnssec)
{
    static const char *const names[] = {"", "insecure", "secure", "bogus"};

    return names[dnssec];
}

/* -------------------------------------------------------------------------------------------------------- questions */

static void question_free(struct question *question)
{
    list_remove(&question->link);
    resolver_forget(question->query);
    system_lookup_forget(question->system);
    mdns_forget(&question->mdns);
    loop_timer_clear(question->resolution->context, &question->patience);
    replies_free(question);
    free(question);
}

void question_answered(struct question *question)
{
    question->answered = true;
    loop_defer(question->resolution->context, &question->resolution->work);
}

/* Why a question could not be put. */
__attribute__((format(printf, 2, 3))) static void fail_question(struct question *question, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(question->why, sizeof question->why, format, arguments);
    va_end(arguments);
    question->code = -EREMOTEIO;
    question_answered(question);
}

/* What DNSSEC found holds words of the answer. */
static void copy_words(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
    for (; *to; to++)
        if ((unsigned char)*to < 0x20 || (unsigned char)*to >= 0x7f)
            *to = '?';
}

static void dns_answered(void *user, const struct resolver_answer *answer)
{
    struct question *question = user;

    question->code = answer->code;
    question->dnssec = answer->dnssec;
    question->expires = answer->expires;
    if (answer->why)
        copy_words(question->why, sizeof question->why, answer->why);
    if (answer->packet && answer->dnssec != DNSSEC_BOGUS) {
        question->code = answer->size > 3 ? answer->packet[3] & 0x0f : -EBADMSG;
        if (reply_add(question, answer->packet, answer->size, 0) < 0)
            question->code = -ENOMEM;
    }
    if (question->code == DNS_NOERROR || question->code == DNS_NXDOMAIN)
        question->resolution->any_answer = true;
    question_answered(question);
}

static void put(struct question *question)
{
    struct resolution *resolution = question->resolution;
    const struct resolv_conf *conf;
    char reason[sizeof question->why];
    int r;

    if (name_is_local(question->text)) {
        resolution->multicast = true;
        if ((r = multicast_put(question)) < 0) {
            question->code = r;
            question_answered(question);
        }
        return;
    }
    if (resolver_prepare(resolution->resolver, resolution->config.prove, false, &conf, reason, sizeof reason) < 0) {
        fail_question(question, "%s", reason);
        return;
    }
    r = resolver_ask(resolution->resolver, resolution->config.prove, &question->name, question->type, dns_answered,
                     question, &question->query);
    if (r < 0)
        fail_question(question, "the question cannot be put: %s", hawser_strerror(r));
}

struct question *question_new(struct resolution *resolution, enum question_kind kind, unsigned target,
                              const struct dns_name *name, const char *text, unsigned type)
{
    struct question *question = calloc(1, sizeof *question);

    if (!question) {
        raise_verdict(resolution, SERVERS_FAILED, "out of memory");
        return NULL;
    }
    question->resolution = resolution;
    question->kind = kind;
    question->target = target;
    question->type = type;
    question->start = loop_now(resolution->context);
    question->expires = INT64_MAX;
    snprintf(question->text, sizeof question->text, "%s", text);
    list_init(&question->mdns.link);
    loop_timer_init(&question->patience, multicast_patience_over);
    list_append(&resolution->questions, &question->link);
    if (resolution->over) {
        question->code = -ETIMEDOUT;
        question_answered(question);
    } else if (name) {
        question->name = *name;
        put(question);
    }
    return question;
}

void questions_give_up(struct resolution *resolution)
{
    for (struct list *at = resolution->questions.next; at != &resolution->questions; at = at->next) {
        struct question *question = container_of(at, struct question, link);

        if (question->answered)
            continue;
        resolver_forget(question->query);
        system_lookup_forget(question->system);
        mdns_forget(&question->mdns);
        question->system = NULL;
        question->code = -ETIMEDOUT;
        question_answered(question);
    }
}

/* ------------------------------------------------------------------------------------------------------------- names */

/* A name with enough dots is one as it is; a shorter one is looked for in the search domains first. */
static void list_names(struct resolution *resolution, const struct resolv_conf *conf)
{
    const char *host = resolution->endpoint.host;
    unsigned dots = 0;

    for (const char *at = host; *at; at++)
        dots += *at == '.';
    for (unsigned i = 0; conf && dots < conf->ndots && i < conf->search_count; i++) {
        char *name = resolution->names[resolution->name_count];
        if (strlen(host) + 1 + strlen(conf->search[i]) < HOST_SIZE - 2) {
            sprintf(name, "%s.%s", host, conf->search[i]);
            resolution->name_count++;
        }
    }
    memcpy(resolution->names[resolution->name_count++], host, HOST_SIZE);
}

/* HTTPS at the name itself for its own port, else below _PORT._https (RFC 9460 section 9.1); SVCB below _PORT._SCHEME. */
static void ask_service(struct resolution *resolution, const char *host)
{
    bool https = resolution->config.https;
    uint16_t port = resolution->endpoint.port;
    bool bare = https && (port == 443 || port == 0);
    struct dns_name name;
    char label[DNS_LABEL_SIZE + 2], text[DNS_LABEL_SIZE + HOST_SIZE + 16];

    resolution->service_known = true;
    if (!(resolution->bits_wanted & BIT_SERVICE) || name_is_local(host) || dns_name_parse(host, &name) < 0)
        return;
    snprintf(text, sizeof text, "%s", host);
    if (!bare) {
        snprintf(label, sizeof label, "_%s", https ? "https" : resolution->scheme);
        if (dns_name_prepend(&name, label) < 0)
            return;
        snprintf(label, sizeof label, "_%u", port);
        if (dns_name_prepend(&name, label) < 0)
            return;
        snprintf(text, sizeof text, "_%u._%s.%s", port, https ? "https" : resolution->scheme, host);
    }
    resolution->service_known = false;
    question_new(resolution, QUESTION_SERVICE, 0, &name, text, https ? DNS_HTTPS : DNS_SVCB);
}

static void ask_host(struct resolution *resolution)
{
    const char *host = resolution->names[resolution->name++];
    int target;

    resolution->target_count = 0;
    resolution->aliases = 0;
    target = target_of(resolution, host);
    resolution->own_offer = true;
    resolution->offer_count = 1;
    resolution->offers[0] =
        (struct offer){.target = (unsigned)target, .port = resolution->endpoint.port, .expires = INT64_MAX};
    addresses_init(&resolution->offers[0].hints, 0);
    if (!target_known_here(resolution, host))
        ask_service(resolution, host);
    else
        resolution->service_known = true;
    target_ask(resolution, (unsigned)target);
}

static void ask_instance(struct resolution *resolution)
{
    const char *service = resolution->names[resolution->name++];
    struct dns_name name;

    resolution->service_known = true;
    if (dns_name_parse(service, &name) < 0)
        raise_verdict(resolution, UNREADABLE, "its name is too long for DNS");
    else if (name_is_local(service) && !service_has_instance(service))
        question_new(resolution, QUESTION_INSTANCES, 0, &name, service, DNS_PTR);
    else
        question_new(resolution, QUESTION_SRV, 0, &name, service, DNS_SRV);
}

static void ask_system(struct resolution *resolution)
{
    struct question *question;

    resolution->system_asked = true;
    if (!loop_has_worker(resolution->context) || resolution->endpoint.kind != ENDPOINT_HOST ||
        resolver_is_strict(resolution->resolver))
        return;
    question = question_new(resolution, QUESTION_SYSTEM, 0, NULL, resolution->endpoint.host, 0);
    if (!question || question->answered)
        return;
    if (system_lookup_start(question, &question->system) < 0)
        question_free(question);
}

/* Nothing was found and no question is left: what else can be done. */
static void go_further(struct resolution *resolution)
{
    if (resolution->verdict == SERVERS_FAILED)
        resolver_distrust(resolution->resolver);
    if (resolution->over || resolution->verdict == BOGUS)
        return;
    if (resolution->verdict < NO_ANSWER && resolution->name < resolution->name_count) {
        resolution->bits_held = 0;
        ask_host(resolution);
    } else if (!resolution->system_asked && (resolution->verdict == SERVERS_FAILED ||
                                             system_knows_more(resolver_nsswitch_file(resolution->resolver)))) {
        ask_system(resolution);
    }
}

/* ----------------------------------------------------------------------------------------------------------- telling */

/* Afterwards nothing of it is in the loop or the resolver. */
static void resolution_free(struct resolution *resolution)
{
    while (!list_empty(&resolution->questions))
        question_free(list_first(&resolution->questions, struct question, link));
    loop_timer_clear(resolution->context, &resolution->timer);
    loop_undefer(&resolution->work);
    list_remove(&resolution->membership.link);
    free(resolution);
}

static void end_with_context(struct resolver_user *user)
{
    resolution_free(container_of(user, struct resolution, membership));
}

/* Why nothing was found, all in all. */
static int whole_reason(const struct resolution *resolution, char *text, size_t size)
{
    bool service = resolution->endpoint.kind == ENDPOINT_SERVICE;
    const char *what = service ? "service" : "host", *name = resolution->endpoint.host;

    switch (resolution->verdict) {
    case NO_SUCH_NAME:
        snprintf(text, size, resolution->multicast ? "nobody on the link answers for the %s %s" : "there is no %s %s",
                 what, name);
        break;
    case NO_ADDRESSES:
        if (service)
            snprintf(text, size, "no host of the service %s has an address", name);
        else
            snprintf(text, size, "the host %s has %s", name,
                     resolution->config.families == BIT_V6   ? "no IPv6 address"
                     : resolution->config.families == BIT_V4 ? "no IPv4 address"
                                                             : "neither an IPv6 nor an IPv4 address");
        break;
    case NOT_OFFERED:
        snprintf(text, size, "the service %s is not offered, says its domain", name);
        break;
    case UNREADABLE:
        snprintf(text, size, "the %s %s cannot be used: %s", what, name, resolution->why);
        break;
    case NO_ANSWER:
        snprintf(text, size, "no name server answered for the %s %s within %.1f s", what, name,
                 (double)(loop_now(resolution->context) - resolution->start) / 1e6);
        return -ETIMEDOUT;
    case SERVERS_FAILED:
        snprintf(text, size, "the name servers failed to look up the %s %s%s%s", what, name,
                 *resolution->why ? ": " : "", resolution->why);
        break;
    case BOGUS:
        snprintf(text, size, "the answer for the %s %s was refused, for DNSSEC proves it false: %s", what, name,
                 resolution->why);
        break;
    }
    return -HAWSER_ERESOLVE;
}

static bool has_addresses(const struct resolution *resolution, unsigned target)
{
    return addresses_count(&resolution->targets[target].addresses) > 0;
}

static bool is_answered(const struct resolution *resolution, unsigned target)
{
    const struct target *t = &resolution->targets[target];

    for (int family = 0; family < FAMILIES; family++)
        if (t->families[family].state == ASKED)
            return false;
    return true;
}

/* The service counts as answered when there is something to race for: its first target has an address, or none. */
static bool service_settled(const struct resolution *resolution)
{
    const struct offer *first = &resolution->offers[0];

    return resolution->service_known &&
           (resolution->offer_count == 0 || first->rank == 0 || addresses_count(&first->hints) > 0 ||
            has_addresses(resolution, first->target) || is_answered(resolution, first->target));
}

/* Which of the race's questions are answered by now and were not before. A name that leads to nothing tells none while
 * others are left to try. */
static unsigned new_bits(struct resolution *resolution, const struct question *question, bool last)
{
    unsigned first = resolution->offer_count ? resolution->offers[0].target : 0, bits = resolution->bits_held, told;

    if (resolution->target_count > first) {
        const struct family_state *families = resolution->targets[first].families;

        if (families[V6].state >= ANSWERED)
            bits |= BIT_V6;
        if (families[V4].state >= ANSWERED)
            bits |= BIT_V4;
    }
    if (service_settled(resolution))
        bits |= BIT_SERVICE;
    if (question->kind == QUESTION_SYSTEM && resolution->found_count)
        bits |= BIT_V6 | BIT_V4;
    if (last)
        bits = resolution->bits_wanted;
    else if (resolution->found_count == 0 && resolution->name < resolution->name_count) {
        resolution->bits_held = bits;
        bits = 0;
    }
    told = bits & resolution->bits_wanted & ~resolution->bits_told;
    resolution->bits_told |= told;
    return told;
}

static const char *question_word(const struct question *question)
{
    switch (question->kind) {
    case QUESTION_HOSTS:
        return "hosts";
    case QUESTION_SYSTEM:
        return "getaddrinfo";
    default:
        return dns_type_name(question->type);
    }
}

/* False: the resolution is gone. */
static bool tell(struct resolution *resolution, struct question *question)
{
    char result[600], whole[HOST_SIZE + 300];
    int code = question_take(resolution, question, result, sizeof result);
    size_t known;
    bool last, done;

    if (question->kind == QUESTION_SERVICE && question->dnssec == DNSSEC_BOGUS) {
        /* RFC 9460 section 3.1: who forges the records must not get the connection without them either. */
        while (!list_empty(&resolution->questions))
            question_free(list_first(&resolution->questions, struct question, link));
        resolution->offer_count = 0;
    }
    known = found_update(resolution);
    if (list_empty(&resolution->questions) && resolution->found_count == 0)
        go_further(resolution);
    last = list_empty(&resolution->questions);

    struct resolve_answer answer = {
        .questions = new_bits(resolution, question, last),
        .code = code,
        .reason = code < 0 ? result : "",
        .found = resolution->found + known,
        .found_count = resolution->found_count - known,
        .gone = resolution->gone,
        .gone_count = resolution->gone_count,
        .lookup = {.name = question->text,
                   .question = question_word(question),
                   .start_us = question->start,
                   .end_us = loop_now(resolution->context),
                   .code = code,
                   .result = result,
                   .dnssec = dnssec_name(question->dnssec)},
        .last = last,
    };
    if (last && resolution->found_count == 0) {
        answer.code = whole_reason(resolution, whole, sizeof whole);
        answer.reason = whole;
    }
    resolution->telling = true;
    resolution->config.answered(resolution->config.user, &answer);
    resolution->telling = false;
    done = last || resolution->cancelled;
    question_free(question);
    if (done)
        resolution_free(resolution);
    return !done;
}

static struct question *next_answered(struct resolution *resolution)
{
    for (struct list *at = resolution->questions.next; at != &resolution->questions; at = at->next) {
        struct question *question = container_of(at, struct question, link);

        if (question->answered) {
            list_remove(at);
            return question;
        }
    }
    return NULL;
}

static void tell_all(struct loop_deferred *deferred)
{
    struct resolution *resolution = container_of(deferred, struct resolution, work);
    struct question *question;

    if (list_empty(&resolution->questions)) { /* nothing could even be asked */
        question = question_new(resolution, QUESTION_HOSTS, 0, NULL, resolution->endpoint.host, 0);
        if (!question)
            return; /* the deadline tries again */
        question->answered = true;
    }
    while ((question = next_answered(resolution)))
        if (!tell(resolution, question))
            return;
}

/* -------------------------------------------------------------------------------------------------- start and end */

static void time_is_up(struct loop_timer *timer, int64_t now)
{
    struct resolution *resolution = container_of(timer, struct resolution, timer);

    if (now < resolution->deadline) {
        (void)loop_timer_set(resolution->context, timer, resolution->deadline); /* its place in the heap is there */
        if (!resolution->any_answer && !resolution->system_asked && resolution->found_count == 0)
            ask_system(resolution);
        return;
    }
    resolution->over = true;
    resolver_distrust(resolution->resolver);
    questions_give_up(resolution);
    loop_defer(resolution->context, &resolution->work);
}

static int start(struct resolution *resolution)
{
    int64_t timeout = resolution->config.timeout_us;
    int64_t system_after = timeout / 2 < SYSTEM_AFTER_US ? timeout / 2 : SYSTEM_AFTER_US;
    const struct resolv_conf *conf = NULL;
    char reason[256];
    int r = loop_timer_set(resolution->context, &resolution->timer, loop_now(resolution->context) + system_after);

    if (r < 0)
        return r;
    if (resolution->endpoint.kind == ENDPOINT_SERVICE || !target_known_here(resolution, resolution->endpoint.host))
        /* What is wrong with the name servers is told by the first question that goes to them. */
        (void)resolver_prepare(resolution->resolver, resolution->config.prove, true, &conf, reason, sizeof reason);
    if (resolution->endpoint.kind == ENDPOINT_SERVICE) {
        memcpy(resolution->names[resolution->name_count++], resolution->endpoint.host, HOST_SIZE);
        ask_instance(resolution);
    } else {
        list_names(resolution, conf);
        ask_host(resolution);
    }
    loop_defer(resolution->context, &resolution->work);
    return 0;
}

static bool config_is_right(const struct resolve_config *config)
{
    char name[HOST_SIZE];

    return config->endpoint && config->answered && config->timeout_us > 0 &&
           (config->endpoint->kind == ENDPOINT_SERVICE ||
            (config->endpoint->kind == ENDPOINT_HOST && !host_name_check(config->endpoint->host, name))) &&
           (!config->scheme || (*config->scheme && strlen(config->scheme) < DNS_LABEL_SIZE));
}

int resolve_start(hawser_context *context, const struct resolve_config *config, struct resolution **ret_resolution)
{
    struct resolution *resolution;
    struct resolver *resolver;
    int r = loop_check(context);

    if (r < 0 || (r = resolver_of(context, &resolver)) < 0)
        return r;
    if (!config_is_right(config))
        return -EINVAL;
    resolution = calloc(1, sizeof *resolution);
    if (!resolution)
        return -ENOMEM;
    resolution->context = context;
    resolution->resolver = resolver;
    resolution->endpoint = *config->endpoint;
    resolution->config = *config;
    resolution->config.endpoint = &resolution->endpoint;
    if (!(config->families & (BIT_V6 | BIT_V4)))
        resolution->config.families = BIT_V6 | BIT_V4;
    if (config->scheme)
        snprintf(resolution->scheme, sizeof resolution->scheme, "%s", config->scheme);
    resolution->config.scheme = resolution->scheme;
    resolution->bits_wanted = resolution->config.families | (config->https || config->scheme ? BIT_SERVICE : 0);
    resolution->start = loop_now(context);
    resolution->deadline = loop_after(resolution->start, config->timeout_us);
    list_init(&resolution->questions);
    resolution->membership.end = end_with_context;
    resolver_join(resolver, &resolution->membership);
    loop_timer_init(&resolution->timer, time_is_up);
    loop_deferred_init(&resolution->work, tell_all);
    if ((r = start(resolution)) < 0) {
        resolution_free(resolution);
        return r;
    }
    *ret_resolution = resolution;
    return 0;
}

void resolve_cancel(struct resolution *resolution)
{
    if (resolution->telling)
        resolution->cancelled = true;
    else
        resolution_free(resolution);
}
