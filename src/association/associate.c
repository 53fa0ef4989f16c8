/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_associate(): what it is asked for, checked before anything is done. */
#include <stdio.h>

#include "association/bare.h"
#include "association/open.h"
#include "association/weave.h"
#include "endpoint/host.h"
#include "association/properties.h"

/* What is asked for, as it is being put together. */
struct associating {
    hawser_association *association;
    hawser_associate_options options; /* of the program, what properties say put in */
    const char *endpoint;             /* the first */
    const struct property_values *values;
    bool session, bare; /* what may come of it */
};

static int refuse(const hawser_association *association, const char *what, int code, const char *reason)
{
    loop_log(association->context, HAWSER_LOG_ERROR, "%s: %s", what, reason);
    return code;
}

/* ------------------------------------------------------------------------------------------------------- endpoints */

static int endpoint_add(struct associating *a, const char *text)
{
    struct opening *opening = a->association->opening;
    struct endpoint *endpoint = &opening->endpoints[opening->endpoint_count].endpoint;
    char reason[REASON_SIZE];
    int r;

    if (!text)
        return -EINVAL;
    if (opening->endpoint_count == ESTABLISH_ENDPOINTS_MAX)
        return refuse(a->association, text, -E2BIG, "these are too many endpoints for one peer");
    r = endpoint_parse(text, endpoint, reason, sizeof reason);
    if (r < 0)
        return refuse(a->association, text, r, reason);
    if (endpoint->kind == ENDPOINT_FD)
        return refuse(a->association, text, -EOPNOTSUPP, "a descriptor cannot be opened, only listened on");
    opening->endpoint_count++;
    return 0;
}

static int endpoints_parse(struct associating *a)
{
    struct endpoint *local = &a->association->opening->local;
    char reason[REASON_SIZE];
    int r = endpoint_add(a, a->endpoint);

    for (size_t i = 0; r == 0 && i < a->options.endpoint_count; i++)
        r = endpoint_add(a, a->options.endpoints[i]);
    if (r < 0 || !a->options.local)
        return r;
    r = endpoint_parse(a->options.local, local, reason, sizeof reason);
    if (r == 0 && local->kind != ENDPOINT_ADDRESS) {
        r = -HAWSER_EENDPOINT;
        (void)snprintf(reason, sizeof reason, "a local endpoint is an address and a port");
    }
    return r < 0 ? refuse(a->association, a->options.local, r, reason) : 0;
}

/* ------------------------------------------------------------------------------------------------------ properties */

/* Where a property says the same as an option, the property counts, if it was given. */
static void properties_apply(struct associating *a)
{
    const struct property_values *values = a->values;
    hawser_associate_options *options = &a->options;

    properties_line(values, &options->keep_alive_us, &options->dead_after_us, &options->policy);
    if (values->zero_rtt_msg == HAWSER_PROHIBIT)
        options->no_early_data = options->no_fast_open = true;
    if (values->isolate_session)
        options->no_resumption = options->no_early_data = options->no_fast_open = true;
}

static int paths_read(struct associating *a)
{
    char reason[REASON_SIZE];
    int r;

    r = a->options.paths ? weave_check(a->association->context, a->options.paths, reason, sizeof reason) : 0;
    if (r < 0)
        return refuse(a->association, a->endpoint, r, reason);
    return ways_new(&a->options, &a->association->ways);
}

static int properties_read(struct associating *a)
{
    hawser_association *association = a->association;
    struct opening *opening = association->opening;
    int r = a->options.properties ? hawser_properties_copy(a->options.properties, &association->properties) : 0;

    if (r < 0)
        return r;
    a->values = properties_values(association->properties);
    a->session = a->values->session != HAWSER_PROHIBIT;
    a->bare = a->values->session != HAWSER_REQUIRE;
    properties_apply(a);
    r = paths_read(a);
    if (r < 0)
        return r;
    opening->no_early_data = a->options.no_early_data;
    if (a->options.stack && !(opening->stacks = strdup(a->options.stack)))
        return -ENOMEM;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- trust */

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

/* The name that a certificate has to show: of a service the domain that was asked, since an answer of DNS cannot say whom
 * to believe (RFC 6125 section 6.2.1); a service on this link has none, and "" is told. */
void associate_server_name(const struct endpoint *endpoint, char *name, size_t size)
{
    static const char *const marks[] = {"_tcp.", "_udp."};
    char host[HOST_SIZE];
    const char *domain = host;

    endpoint_host(endpoint, host, sizeof host);
    for (size_t i = 0; endpoint->kind == ENDPOINT_SERVICE && i < sizeof marks / sizeof *marks; i++) {
        const char *mark = strstr(host, marks[i]);

        if (mark)
            domain = strcmp(mark + strlen(marks[i]), "local") == 0 ? "" : mark + strlen(marks[i]);
    }
    (void)snprintf(name, size, "%s", domain);
}

static int secure_make(struct associating *a, struct opening_endpoint *endpoint, bool session, struct secure **ret)
{
    const hawser_associate_options *options = &a->options;
    char rule[1024], service[320], name[HOST_SIZE];
    struct secure_options secure = {
        .identity = options->identity,
        .trust = rule,
        .trust_file = options->trust_file,
        .min_verification = options->min_verification,
        .server_name = options->server_name,
        .service = service,
        .alpn = options->alpn,
        .session = session,
        .bare = a->bare,
        .early_data = session && !options->no_early_data,
        .present_certificate = options->present_certificate,
        .no_tickets = options->no_resumption,
    };
    int r = trust_rule(&endpoint->endpoint, options->trust, rule, sizeof rule);

    if (r < 0)
        return r;
    (void)endpoint_service(&endpoint->endpoint, service, sizeof service);
    associate_server_name(&endpoint->endpoint, name, sizeof name);
    if (!secure.server_name && *name)
        secure.server_name = name;
    return secure_new(a->association->context, &secure, ret);
}

static int secures_make(struct associating *a)
{
    struct opening *opening = a->association->opening;
    struct secure *first;
    int r = 0;

    if (!a->session && a->values->security == HAWSER_PROHIBIT) /* nothing of TLS is needed */
        return 0;
    for (size_t i = 0; i < opening->endpoint_count && r == 0; i++) {
        struct opening_endpoint *endpoint = &opening->endpoints[i];

        if (a->session)
            r = secure_make(a, endpoint, true, &endpoint->session);
        if (r == 0 && a->bare)
            r = secure_make(a, endpoint, false, &endpoint->bare);
    }
    if (r < 0)
        return r;
    first = a->session ? opening->endpoints[0].session : opening->endpoints[0].bare;
    a->association->secure = secure_ref(first);
    if (trust_is_any(first->tls.trust))
        loop_log(a->association->context, HAWSER_LOG_WARNING, "%s: trust \"any\": the peer is not verified",
                 a->association->endpoint);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- line */

static int line_make(struct associating *a)
{
    const hawser_associate_options *options = &a->options;
    struct line_options line = {
        .keep_alive = options->keep_alive_us,
        .dead_after = options->dead_after_us,
        .linger = options->linger_us,
        .receive_memory = options->receive_memory,
        .send_queue = options->send_queue,
        .send_queue_messages = options->send_queue_messages,
        .max_message = options->max_message,
        .policy = options->policy,
        .reestablish = options->reestablish_us,
    };
    char name[HOST_SIZE];
    const struct bare_setup setup = {
        .framer = options->framer,
        .framer_user = options->framer_user,
        .host = options->server_name ? options->server_name : name,
        .line = &line,
        .undecided = a->session,
    };
    int r = line_options_fill(&line);

    associate_server_name(&a->association->opening->endpoints[0].endpoint, name, sizeof name);
    if (r == 0 && a->session)
        r = association_make_session(a->association, &line, true);
    if (r == 0 && a->bare)
        r = bare_new(a->association, &setup);
    a->association->line_dead = line.keep_alive && line.dead_after ? line.keep_alive + line.dead_after : 0;
    return r;
}

static int group_read(struct associating *a)
{
    char reason[REASON_SIZE] = "";
    int r = group_check_open(a->association, &a->options, reason, sizeof reason);

    if (r > 0) /* it is one: never over hawser/1 */
        a->session = false;
    return r < 0 && *reason ? refuse(a->association, a->endpoint, r, reason) : r < 0 ? r : 0;
}

static int associate_fill(struct associating *a)
{
    hawser_association *association = a->association;
    struct strand *strand;
    int r;

    association->user = a->options.user;
    association->endpoint = text_copy(a->endpoint);
    association->opening = calloc(1, sizeof *association->opening);
    if (!association->endpoint || !association->opening)
        return -ENOMEM;
    r = endpoints_parse(a);
    if (r == 0)
        r = properties_read(a);
    if (r == 0)
        r = group_read(a);
    if (r == 0)
        r = secures_make(a);
    if (r == 0)
        r = strand_new(association, &strand);
    if (r == 0)
        r = line_make(a);
    return r < 0 ? r : open_start(association, &a->options);
}

int hawser_associate(hawser_context *context, const char *endpoint, const hawser_associate_options *given,
                     hawser_association **ret_association)
{
    struct associating a = {.endpoint = endpoint};
    int r;

    r = loop_check(context);
    if (r == 0)
        r = options_copy(&a.options, sizeof a.options, given);
    if (r < 0)
        return r;
    if (!endpoint || a.options.timeout_us < 0 || (a.options.endpoint_count > 0 && !a.options.endpoints))
        return -EINVAL;
    r = association_new(context, &a.association);
    if (r < 0)
        return r;
    r = associate_fill(&a);
    if (r < 0) {
        association_finish(a.association);
        return r;
    }
    association_wake(a.association);
    a.association->refs = 1;
    if (ret_association)
        *ret_association = a.association;
    else
        hawser_association_unref(a.association);
    return 0;
}
