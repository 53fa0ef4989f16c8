/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_listen(): what it is asked for, checked, and the socket. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "association/listener.h"
#include "association/properties.h"
#include "association/told.h"
#include "framer/framing.h"

#define DEFAULT_HANDSHAKES 1024

/* A name to listen on would have to be waited for; localhost is the one that needs no look-up (RFC 6761 section 6.3). */
static int listen_host(struct endpoint *endpoint)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&endpoint->address.address;

    if (strcmp(endpoint->host, "localhost") != 0)
        return -EOPNOTSUPP;
    memset(&endpoint->address, 0, sizeof endpoint->address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons(endpoint->port);
    endpoint->address.size = sizeof *address;
    endpoint->kind = ENDPOINT_ADDRESS;
    return 0;
}

static int listen_parse(hawser_context *context, const char *text, struct endpoint *endpoint)
{
    char reason[REASON_SIZE];
    int r;

    r = endpoint_parse(text, endpoint, reason, sizeof reason);
    if (r == 0 && endpoint->kind == ENDPOINT_HOST) {
        r = listen_host(endpoint);
        (void)snprintf(reason, sizeof reason, "a listener takes an address, not the name of a host");
    }
    if (r < 0)
        loop_log(context, HAWSER_LOG_ERROR, "%s: %s", text, reason);
    return r;
}

/* The endpoint as it became: with its port, and with the address behind "fd:N". */
static int listen_endpoint(hawser_association *association, struct endpoint *endpoint)
{
    int fd = listener_descriptor(association->listener);
    char text[512];

    endpoint->address.size = sizeof endpoint->address.address;
    memset(&endpoint->address.address, 0, sizeof endpoint->address.address);
    if (getsockname(fd, (struct sockaddr *)&endpoint->address.address, &endpoint->address.size) < 0)
        return -errno;
    endpoint->kind = endpoint->address.address.ss_family == AF_UNIX ? ENDPOINT_UNIX : ENDPOINT_ADDRESS;
    if (endpoint->address.address.ss_family == AF_INET)
        endpoint->port = ntohs(((struct sockaddr_in *)&endpoint->address.address)->sin_port);
    else if (endpoint->address.address.ss_family == AF_INET6)
        endpoint->port = ntohs(((struct sockaddr_in6 *)&endpoint->address.address)->sin6_port);
    *endpoint->key_name = '\0';
    (void)endpoint_print(endpoint, text, sizeof text);
    association->endpoint = text_copy(text);
    return association->endpoint ? 0 : -ENOMEM;
}

static int listen_socket(hawser_association *association, const hawser_listen_options *options,
                         struct endpoint *endpoint)
{
    char reason[REASON_SIZE] = "";
    int r = listen_stacks(association, options->stack, endpoint, reason, sizeof reason);

    if (*reason)
        loop_log(association->context, HAWSER_LOG_ERROR, "%s", reason);
    if (r == 0)
        r = listen_sockets(association, options, endpoint);
    if (r == 0)
        r = listen_endpoint(association, endpoint);
    if (r == 0)
        association->listener->unix_socket = endpoint->kind == ENDPOINT_UNIX;
    return r;
}

/*
 * Clients that speak no hawser offer another ALPN, or none. What they say early could be a replay, and nothing of theirs
 * would notice: so no early data is taken where they are.
 */
static void listen_secure_bare(hawser_association *association)
{
    const struct listener *listener = association->listener;
    struct tls_config *tls = &association->secure->tls;

    if (!listener->bare)
        return;
    tls->require_alpn = false;
    tls->early_data = false;
    if (!listener->session) { /* none of hawser's own comes: TLS 1.2 will do, as the peers have it */
        tls->any_tls = true;
        tls->alpn[0] = tls->alpn[1];
        tls->alpn[1] = NULL;
    }
}

/* Which clients the properties let in beside those that speak hawser/1. */
static int listen_properties(hawser_association *association, const hawser_listen_options *options)
{
    const struct property_values *values;
    struct listener *listener = association->listener;
    char reason[REASON_SIZE];
    struct hawser_framing *framing;
    int r = options->properties ? hawser_properties_copy(options->properties, &association->properties) : 0;

    if (r < 0)
        return r;
    values = properties_values(association->properties);
    r = property_check(values, true, reason, sizeof reason);
    if (r < 0) {
        loop_log(association->context, HAWSER_LOG_ERROR, "%s", reason);
        return r;
    }
    listener->session = values->session != HAWSER_PROHIBIT;
    listener->bare = values->session != HAWSER_REQUIRE;
    listener->plain = listener->bare && (values->security == HAWSER_AVOID || values->security == HAWSER_PROHIBIT);
    listener->tls = values->security != HAWSER_PROHIBIT;
    listener->framer = options->framer;
    listener->framer_user = options->framer_user;
    if (values->security == HAWSER_AVOID && !listener->plain)
        loop_log(association->context, HAWSER_LOG_WARNING,
                 "security is avoided, but the session is required: only hawser/1 is taken, which is encrypted");
    r = framing_new(options->framer, options->framer_user, NULL,
                    options->receive_memory ? options->receive_memory : DEFAULT_RECEIVE_MEMORY, &framing);
    if (r == 0)
        framing_free(framing);
    return r;
}

static int listen_secure(hawser_association *association, const hawser_listen_options *options,
                         const struct endpoint *endpoint)
{
    struct secure_options secure = {
        .session = true,
        .identity = options->identity,
        .trust = options->trust ? options->trust : "any",
        .trust_file = options->trust_file,
        .min_verification = options->min_verification,
        .alpn = options->alpn,
        .early_data = !options->no_early_data,
        .present_certificate = true,
    };
    const struct property_values *values = properties_values(association->properties);
    int r;

    if (values->zero_rtt_msg == HAWSER_PROHIBIT)
        secure.early_data = false;

    r = secure_new(association->context, &secure, &association->secure);
    if (r < 0)
        return r;
    /* "hk-...@" before a listener's address says which identity is meant to answer there. */
    if (*endpoint->key_name && strcmp(endpoint->key_name, hawser_identity_name(association->secure->tls.identity)) != 0)
        return -HAWSER_EKEYWRONG;
    if (association->listener->plain &&
        (options->min_verification > HAWSER_VERIFICATION_NONE || !trust_is_any(association->secure->tls.trust))) {
        loop_log(association->context, HAWSER_LOG_ERROR,
                 "who comes has to be verified, and nobody is without encryption: require security");
        return -HAWSER_EPROPERTY;
    }
    listen_secure_bare(association);
    if (trust_is_any(association->secure->tls.trust))
        loop_log(association->context, HAWSER_LOG_INFO, "trust \"any\": those who come are not verified");
    return 0;
}

/* How every line that is accepted is. Where a property says the same as an option, the property counts. */
static int listen_line(hawser_association *association, const hawser_listen_options *options)
{
    struct line_options *line = &association->listener->line;
    int r;

    *line = (struct line_options){
        .reestablish = options->reestablish_us,
        .keep_alive = options->keep_alive_us,
        .dead_after = options->dead_after_us,
        .linger = options->linger_us,
        .receive_memory = options->receive_memory,
        .send_queue = options->send_queue,
        .send_queue_messages = options->send_queue_messages,
        .max_message = options->max_message,
        .policy = options->policy,
    };
    properties_line(properties_values(association->properties), &line->keep_alive, &line->dead_after, &line->policy);
    r = line_options_fill(line);
    if (r == 0 && line->keep_alive && line->dead_after)
        association->line_dead = line->keep_alive + line->dead_after;
    return r;
}

static int listen_fill(hawser_association *association, const char *text, int *taken,
                       const hawser_listen_options *options)
{
    struct listener *listener = calloc(1, sizeof *listener);
    char reason[REASON_SIZE] = "";
    struct endpoint endpoint;
    int r;

    if (!listener)
        return -ENOMEM;
    association->listener = listener;
    listener->taken = taken;
    listener->association = association;
    list_append(&association->all->listeners, &listener->link);
    list_init(&listener->waiting);
    list_init(&listener->sniffs);
    listener->waiting_max = options->max_handshakes ? options->max_handshakes : DEFAULT_HANDSHAKES;
    listener->children_max = options->max_associations;
    listener->handshake_timeout = options->handshake_timeout_us ? options->handshake_timeout_us : DEFAULT_TIMEOUT;
    listener->user = association->user = options->user;
    r = listen_parse(association->context, text, &endpoint);
    if (r == 0)
        r = listen_properties(association, options);
    if (r == 0 && (r = group_check_listen(association, options, &endpoint, reason, sizeof reason)) < 0)
        loop_log(association->context, HAWSER_LOG_ERROR, "%s: %s", text, reason);
    if (r == 0)
        r = listen_line(association, options);
    if (r == 0)
        r = listen_secure(association, options, &endpoint);
    if (r == 0)
        r = listen_socket(association, options, &endpoint);
    listener->taken = NULL;
    return r;
}

static int listen_start(hawser_context *context, const char *endpoint, int *taken, const hawser_listen_options *given,
                        hawser_association **ret_listener)
{
    hawser_listen_options options;
    hawser_association *association;
    int r;

    r = loop_check(context);
    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r < 0)
        return r;
    if (!endpoint || !ret_listener || options.handshake_timeout_us < 0)
        return -EINVAL;
    r = association_new(context, &association);
    if (r < 0)
        return r;
    r = listen_fill(association, endpoint, taken, &options);
    if (r < 0) {
        association_finish(association);
        return r;
    }
    association->refs = 1;
    association->told = true;
    told_send_all(association->all);
    *ret_listener = association;
    return 0;
}

int hawser_listen(hawser_context *context, const char *endpoint, const hawser_listen_options *options,
                  hawser_association **ret_listener)
{
    return listen_start(context, endpoint, NULL, options, ret_listener);
}

int listen_on(hawser_context *context, int fds[2], const hawser_listen_options *options,
              hawser_association **ret_listener)
{
    char endpoint[32];

    (void)snprintf(endpoint, sizeof endpoint, "fd:%d", fds[0]);
    return listen_start(context, endpoint, fds, options, ret_listener);
}
