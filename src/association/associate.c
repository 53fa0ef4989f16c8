/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_associate(): what it is asked for, checked before anything is done. */
#include <stdio.h>

#include "association/open.h"

/* Unencrypted stacks exist for what is to come; no option leads to one. (S1.8, S1.47) */
static int stack_check(const char *stack)
{
    unsigned flags;

    for (unsigned i = 0;; i++) {
        const char *name = stack_name(i, &flags);

        if (!name)
            return -EINVAL;
        if (strcmp(name, stack) == 0)
            return flags & LAYER_SECURE ? 0 : -EOPNOTSUPP;
    }
}

/* "tls/tcp" or several with commas. */
static int stacks_parse(struct opening *opening, const char *list)
{
    char *state = NULL;
    int r;

    if (!list)
        return 0;
    opening->stack_text = strdup(list);
    if (!opening->stack_text)
        return -ENOMEM;
    for (char *word = strtok_r(opening->stack_text, ",", &state); word; word = strtok_r(NULL, ",", &state)) {
        if (opening->stack_count == STACKS_MAX)
            return -E2BIG;
        r = stack_check(word);
        if (r < 0)
            return r;
        opening->stacks[opening->stack_count++] = word;
    }
    return opening->stack_count ? 0 : -EINVAL;
}

/* A key in the endpoint is a demand: a weaker or another rule beside it would be a contradiction. */
static int trust_rule(const struct endpoint *endpoint, const char *given, char *rule, size_t size)
{
    if (!*endpoint->key_name) {
        if ((size_t)snprintf(rule, size, "%s", given ? given : "pki") >= size)
            return -HAWSER_ETRUST;
        return 0;
    }
    (void)snprintf(rule, size, "key=%s", endpoint->key_name);
    return given && strcmp(given, rule) != 0 ? -HAWSER_ETRUST : 0;
}

/* What keys of first use and tickets are filed under. */
static void service_of(const struct endpoint *endpoint, char *service, size_t size)
{
    if (endpoint->kind == ENDPOINT_HOST) {
        (void)snprintf(service, size, "%s:%u", endpoint->host, endpoint->port);
        return;
    }
    *service = '\0';
    (void)endpoint_print_address(&endpoint->address, service, size);
}

static int associate_secure(hawser_association *association, const hawser_associate_options *options)
{
    const struct endpoint *endpoint = &association->opening->endpoint;
    char rule[1024], service[320];
    struct secure_options secure = {
        .identity = options->identity,
        .trust = rule,
        .trust_file = options->trust_file,
        .min_verification = options->min_verification,
        .server_name = endpoint->kind == ENDPOINT_HOST ? endpoint->host : NULL,
        .service = service,
        .alpn = options->alpn,
        .early_data = !options->no_early_data,
        .present_certificate = options->present_certificate,
        .no_tickets = options->no_resumption,
    };
    int r;

    r = trust_rule(endpoint, options->trust, rule, sizeof rule);
    if (r < 0)
        return r;
    service_of(endpoint, service, sizeof service);
    r = secure_new(association->context, &secure, &association->secure);
    if (r == 0 && trust_is_any(association->secure->tls.trust))
        loop_log(association->context, HAWSER_LOG_WARNING, "%s: trust \"any\": the peer is not verified",
                 association->endpoint);
    return r;
}

static int opening_new(hawser_association *association, const char *text, const hawser_associate_options *options)
{
    struct opening *opening = calloc(1, sizeof *opening);
    char reason[REASON_SIZE];
    int r;

    if (!opening)
        return -ENOMEM;
    association->opening = opening;
    opening->attempt_deadline = NEVER;
    opening->timeout = options->timeout_us ? options->timeout_us : DEFAULT_TIMEOUT;
    opening->no_early_data = options->no_early_data;
    opening->no_fast_open = options->no_fast_open;
    r = endpoint_parse(text, &opening->endpoint, reason, sizeof reason);
    if (r < 0) {
        loop_log(association->context, HAWSER_LOG_ERROR, "%s: %s", text, reason);
        return r;
    }
    if (opening->endpoint.kind == ENDPOINT_FD)
        return -EOPNOTSUPP;
    if (opening->endpoint.kind != ENDPOINT_HOST) {
        opening->addresses = &opening->endpoint.address;
        opening->address_count = 1;
    }
    memcpy(opening->target.interface, opening->endpoint.interface, sizeof opening->target.interface);
    return stacks_parse(opening, options->stack);
}

static int associate_fill(hawser_association *association, const char *endpoint,
                          const hawser_associate_options *options)
{
    struct line_options line = {
        .keep_alive = options->keep_alive_us,
        .dead_after = options->dead_after_us,
        .linger = options->linger_us,
        .receive_memory = options->receive_memory,
        .send_queue = options->send_queue,
        .send_queue_messages = options->send_queue_messages,
        .max_message = options->max_message,
        .policy = options->policy,
    };
    struct strand *strand;
    int r;

    association->user = options->user;
    association->endpoint = text_copy(endpoint);
    if (!association->endpoint)
        return -ENOMEM;
    r = line_options_fill(&line);
    if (r == 0)
        r = opening_new(association, endpoint, options);
    if (r == 0)
        r = associate_secure(association, options);
    if (r == 0)
        r = strand_new(association, &strand);
    if (r == 0)
        r = association_make_session(association, &line, true);
    association->line_dead = line.keep_alive && line.dead_after ? line.keep_alive + line.dead_after : 0;
    return r;
}

int hawser_associate(hawser_context *context, const char *endpoint, const hawser_associate_options *given,
                     hawser_association **ret_association)
{
    hawser_associate_options options;
    hawser_association *association;
    int r;

    r = loop_check(context);
    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r < 0)
        return r;
    if (!endpoint || options.timeout_us < 0)
        return -EINVAL;
    r = association_new(context, &association);
    if (r < 0)
        return r;
    r = associate_fill(association, endpoint, &options);
    if (r < 0) {
        association_finish(association);
        return r;
    }
    association_wake(association);
    association->refs = 1;
    if (ret_association)
        *ret_association = association;
    else
        hawser_association_unref(association);
    return 0;
}
