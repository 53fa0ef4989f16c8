/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_connect(): the race for a plain descriptor, for programs that stay with sockets. */
#include <hawser/connect.h>

#include <fcntl.h>
#include <unistd.h>
#include <stdio.h>

#include "association/association.h"
#include "race/establish.h"

struct hawser_connecting {
    hawser_context *context; /* of its own: it has no other purpose */
    struct establish *establish;
    hawser_properties *properties;
    struct establish_endpoint endpoints[ESTABLISH_ENDPOINTS_MAX];
    size_t endpoint_count;
    struct endpoint local;
    char *stack;
    bool done;
    int code, fd;
    hawser_report *report;
};

static void on_done(void *user, struct attempt *winner, struct layer *top, int code, const char *reason)
{
    hawser_connecting *c = user;

    (void)winner;
    c->done = true;
    (void)hawser_report_copy(establish_report(c->establish), &c->report); /* no memory: no report */
    c->code = top ? layer_release(top, &c->fd) : code;
    if (c->code < 0)
        loop_log(c->context, HAWSER_LOG_ERROR, "%s", *reason ? reason : hawser_strerror(c->code));
    if (top && c->code < 0)
        layer_destroy(top);
}

static const struct establish_handler handler = {.done = on_done};

/* ---------------------------------------------------------------------------------------------------------- asking */

/* Says why, as nothing else does before there is a report; returns the code. */
static int refuse(const hawser_connecting *c, int code, const char *what, const char *reason)
{
    loop_log(c->context, HAWSER_LOG_ERROR, "%s: %s", what, reason);
    return code;
}

static int endpoint_add(hawser_connecting *c, const char *text)
{
    struct endpoint *endpoint;
    char reason[REASON_SIZE];

    if (!text)
        return -EINVAL;
    if (c->endpoint_count == ESTABLISH_ENDPOINTS_MAX)
        return refuse(c, -E2BIG, text, "one endpoint too many");
    endpoint = &c->endpoints[c->endpoint_count].endpoint;
    if (endpoint_parse(text, endpoint, reason, sizeof reason) < 0)
        return refuse(c, -HAWSER_EENDPOINT, text, reason);
    if (endpoint->kind == ENDPOINT_FD)
        return refuse(c, -EOPNOTSUPP, text, "that is a descriptor already");
    if (*endpoint->key_name)
        return refuse(c, -EOPNOTSUPP, text, "nobody would check the key of a plain connection");
    c->endpoint_count++;
    return 0;
}

static int endpoints_parse(hawser_connecting *c, const char *first, const hawser_connect_options *options)
{
    char reason[REASON_SIZE];
    int r = endpoint_add(c, first);

    for (size_t i = 0; r == 0 && i < options->endpoint_count; i++)
        r = endpoint_add(c, options->endpoints[i]);
    if (r < 0 || !options->local)
        return r;
    if (endpoint_parse(options->local, &c->local, reason, sizeof reason) < 0)
        return refuse(c, -HAWSER_EENDPOINT, options->local, reason);
    if (c->local.kind != ENDPOINT_ADDRESS)
        return refuse(c, -HAWSER_EENDPOINT, options->local, "the local end is an address and a port");
    return 0;
}

/* What this call is for: no session, no encryption. A program that demands them asks for something else. */
static int properties_make(hawser_connecting *c, const hawser_properties *given)
{
    const struct property_values *values;
    int r = given ? hawser_properties_copy(given, &c->properties) : hawser_properties_new(&c->properties);

    if (r < 0)
        return r;
    values = properties_values(c->properties);
    if (property_given(values, "security") && values->security == HAWSER_REQUIRE)
        return refuse(c, -HAWSER_EPROPERTY, "security", "a plain descriptor has none");
    if (property_given(values, "session") && values->session == HAWSER_REQUIRE)
        return refuse(c, -HAWSER_EPROPERTY, "session", "a plain descriptor has none");
    r = hawser_properties_set(c->properties, "security", "prohibit");
    return r < 0 ? r : hawser_properties_set(c->properties, "session", "prohibit");
}

static int connecting_fill(hawser_connecting *c, const char *endpoint, const hawser_connect_options *options)
{
    hawser_context_options context = {
        .struct_size = sizeof context,
        .state_dir = options->state_dir,
        .log = options->log,
        .log_user = options->log_user,
        .log_level = options->log_level,
    };
    struct establish_config config = {
        .endpoints = c->endpoints,
        .local_interface = c->local.interface,
        .timeout = options->timeout_us ? options->timeout_us : DEFAULT_TIMEOUT,
        .handler = &handler,
        .user = c,
    };
    char reason[REASON_SIZE];
    int r;

    r = hawser_context_new(&context, &c->context);
    if (r == 0)
        r = endpoints_parse(c, endpoint, options);
    if (r == 0)
        r = properties_make(c, options->properties);
    if (r == 0 && options->stack && !(c->stack = strdup(options->stack)))
        r = -ENOMEM;
    if (r < 0)
        return r;
    config.endpoint_count = c->endpoint_count;
    config.stacks = c->stack;
    config.local = c->local.address.size ? &c->local.address : NULL;
    config.values = properties_values(c->properties);
    r = establish_new(c->context, &config, reason, sizeof reason, &c->establish);
    if (r < 0)
        return refuse(c, r, endpoint, *reason ? reason : hawser_strerror(r));
    establish_start(c->establish);
    return 0;
}

int hawser_connect_start(const char *endpoint, const hawser_connect_options *given, hawser_connecting **ret_connecting)
{
    hawser_connect_options options;
    hawser_connecting *c;
    int r = options_copy(&options, sizeof options, given);

    if (r < 0)
        return r;
    if (!endpoint || !ret_connecting || options.timeout_us < 0 || (options.endpoint_count > 0 && !options.endpoints))
        return -EINVAL;
    c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->fd = -1;
    r = connecting_fill(c, endpoint, &options);
    if (r < 0) {
        hawser_connecting_free(c);
        return r;
    }
    *ret_connecting = c;
    return 0;
}

int hawser_connecting_fd(hawser_connecting *connecting)
{
    return hawser_context_fd(connecting->context);
}

int hawser_connecting_finish(hawser_connecting *c, int *ret_fd, hawser_report **ret_report)
{
    int r = c->done ? 0 : hawser_dispatch(c->context);

    if (r < 0)
        return r;
    if (!c->done)
        return -EAGAIN;
    if (ret_report) {
        *ret_report = c->report;
        c->report = NULL;
    }
    if (c->code == 0 && c->fd < 0)
        return -EALREADY; /* it was given out before */
    if (c->code == 0) {
        if (!ret_fd)
            return -EINVAL;
        *ret_fd = c->fd;
        c->fd = -1;
    }
    return c->code;
}

void hawser_connecting_free(hawser_connecting *c)
{
    if (!c)
        return;
    establish_free(c->establish);
    hawser_context_unref(c->context);
    hawser_properties_unref(c->properties);
    hawser_report_free(c->report);
    if (c->fd >= 0)
        close(c->fd);
    free(c->stack);
    free(c);
}

int hawser_connect(const char *endpoint, const hawser_connect_options *options, int *ret_fd, hawser_report **ret_report)
{
    hawser_connecting *connecting;
    int flags, r;

    if (!ret_fd)
        return -EINVAL;
    r = hawser_connect_start(endpoint, options, &connecting);
    if (r < 0)
        return r;
    while (!connecting->done && r >= 0)
        r = hawser_iterate(connecting->context, -1);
    if (r >= 0)
        r = hawser_connecting_finish(connecting, ret_fd, ret_report);
    hawser_connecting_free(connecting);
    if (r == 0 && (flags = fcntl(*ret_fd, F_GETFL)) >= 0)
        (void)fcntl(*ret_fd, F_SETFL, flags & ~O_NONBLOCK);
    return r;
}
