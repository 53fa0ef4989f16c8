/* SPDX-License-Identifier: Apache-2.0 */
/* How the weave opens strands: an establishment of its own for each path, and one to the peer by its names when none is
 * left; their winners ask to join. */
#include "association/weave_internal.h"

#include <netinet/in.h>
#include <stdio.h>

#include "association/join.h"
#include "association/properties.h"
#include "association/trace.h"
#include "race/history.h"

#define CAN_MOVE "tls/tcp" /* from a thread of the peer's to another */

/* Grows from try to try, up to a bound, and is spread so that many lines do not come back at once. */
static int64_t backoff(const struct weave *weave, int64_t first, int64_t most, unsigned failures)
{
    int64_t wait = first << (failures < 16 ? failures : 16);
    int64_t spread = (int64_t)((uintptr_t)weave / 64 % 32) - 16;

    wait = wait < most ? wait : most;
    return wait + wait * spread / 128;
}

/* The winner becomes a strand that asks to join. NULL: it cannot. */
static struct strand *join(hawser_association *association, const struct attempt *winner, struct layer *top)
{
    struct strand *strand;
    int r = strand_new(association, &strand);

    if (r < 0) {
        layer_destroy(top);
        return NULL;
    }
    strand_set_top(strand, top);
    strand->key = attempt_key(winner);
    r = join_ask(strand);
    if (r < 0)
        strand_lost(strand, r, hawser_strerror(r));
    association->path_changed = true;
    return strand;
}

static int open_way(struct weave *weave, struct establish_config *config, struct establish **ret_establish)
{
    hawser_association *association = weave->association;
    char reason[REASON_SIZE];
    int r;

    config->local = weave_local(association);
    config->local_interface = config->local ? association->ways->local_interface : "";
    r = establish_new(association->context, config, reason, sizeof reason, ret_establish);
    if (r < 0) {
        loop_log(association->context, HAWSER_LOG_INFO, "%s: no other strand: %s", association->endpoint,
                 *reason ? reason : hawser_strerror(r));
        return r;
    }
    establish_start(*ret_establish);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- one path */

bool weave_was_tried(const struct weave *weave, const struct layer_address *remote)
{
    for (unsigned i = 0; i < weave->tried_count; i++)
        if (weave_same_address(&weave->tried[i], remote))
            return true;
    return weave->tried_count == TOLD_MAX;
}

/* Whose key is the peer's: it is as good as any that the program named, also when it is told anew later. */
static void answered(struct weave_path *path)
{
    struct weave *weave = path->weave;

    path->proven = true;
    for (unsigned i = 0; i < weave->tried_count; i++) {
        if (!weave_same_address(&weave->tried[i], &path->remote))
            continue;
        weave->tried[i] = weave->tried[--weave->tried_count];
        return;
    }
}

void weave_path_lost(struct weave_path *path)
{
    hawser_association *association = path->weave->association;

    path->retry_at = association_now(association) + backoff(path->weave, RETRY_FIRST, RETRY_MOST, path->failures);
    path->failures++;
    association_wake(association);
}

static void on_path_done(void *user, struct attempt *winner, struct layer *top, int code, const char *reason)
{
    struct weave_path *path = user;
    hawser_association *association = path->weave->association;

    association_hold(association);
    if (winner) {
        path->strand = join(association, winner, top);
        if (path->strand)
            path->strand->path = path;
        if (path->strand && path->strand->code != -HAWSER_EKEYCHANGED)
            answered(path);
    } else {
        loop_log(association->context, HAWSER_LOG_INFO, "%s: no strand by %s: %s", association->endpoint,
                 path->interface, reason && *reason ? reason : hawser_strerror(code));
        trace_join(association, NULL, "failed", reason && *reason ? reason : hawser_strerror(code));
    }
    if (trace_on(association))
        trace_report(association, establish_report(path->establish));
    establish_free(path->establish);
    path->establish = NULL;
    if (!path->strand)
        weave_path_lost(path);
    path->weave->look |= !path->proven; /* another address may do better there */
    association_wake(association);
    association_let_go(association);
}

static const struct establish_handler path_handler = {.done = on_path_done};

/* The stack of the association's own strand, where the address listens for it, so that one attempt has the best prospects. */
static const char *likely_stack(const struct weave_path *path, const hawser_association *association, char *text,
                                size_t size)
{
    bool datagrams;

    (void)snprintf(text, size, "%s", association->first_stack);
    datagrams = strstr(text, "udp") != NULL;
    if (path->ways && !(path->ways & (unsigned)(datagrams ? TOLD_UDP : TOLD_TCP)))
        (void)snprintf(text, size, "%s", datagrams ? "tls/tcp" : "quic/udp");
    return text;
}

void weave_try(struct weave_path *path)
{
    struct weave *weave = path->weave;
    hawser_association *association = weave->association;
    struct establish_endpoint endpoint = {.session_tls = &association->secure->tls};
    const char *given = association->ways ? association->ways->stacks : NULL;
    char stack[64];
    struct establish_config config = {
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .stacks = *path->stack ? path->stack : given,
        .values = properties_values(association->properties),
        .timeout = WEAVE_TIMEOUT,
        .verified = true,
        .handler = &path_handler,
        .user = path,
    };

    if (!path->proven) {
        if (weave_was_tried(weave, &path->remote)) {
            path->retry_at = NEVER;
            return;
        }
        weave->tried[weave->tried_count++] = path->remote;
        config.timeout = UNPROVEN_TIMEOUT;
        if (!*path->stack)
            config.stacks = likely_stack(path, association, stack, sizeof stack);
    }
    if (path->elsewhere && !*path->stack && (!given || strstr(given, CAN_MOVE)))
        config.stacks = CAN_MOVE;
    path->elsewhere = false;
    endpoint.endpoint.kind = ENDPOINT_ADDRESS;
    endpoint.endpoint.address = path->remote;
    /* sockaddr_in6 has it in the same place */
    endpoint.endpoint.port = ntohs(((const struct sockaddr_in *)&path->remote.address)->sin_port);
    (void)snprintf(endpoint.endpoint.interface, sizeof endpoint.endpoint.interface, "%s", path->interface);
    if (open_way(weave, &config, &path->establish) < 0)
        weave_path_lost(path);
}

/* ----------------------------------------------------------------------------------------------------- by any path */

static void on_again_done(void *user, struct attempt *winner, struct layer *top, int code, const char *reason)
{
    struct weave *weave = user;
    hawser_association *association = weave->association;

    association_hold(association);
    if (winner) {
        (void)join(association, winner, top);
        weave->refused_since = 0; /* somebody listens there */
    } else {
        loop_log(association->context, HAWSER_LOG_INFO, "%s: not reached again: %s", association->endpoint,
                 reason && *reason ? reason : hawser_strerror(code));
        if (code != -ECONNREFUSED)
            weave->refused_since = 0;
        else if (!weave->refused_since)
            weave->refused_since = association_now(association);
    }
    if (trace_on(association))
        trace_report(association, establish_report(weave->again));
    establish_free(weave->again);
    weave->again = NULL;
    weave->again_at = association_now(association) + backoff(weave, AGAIN_FIRST, AGAIN_MOST, weave->again_failures);
    weave->again_failures++;
    association_wake(association);
    association_let_go(association);
}

static const struct establish_handler again_handler = {.done = on_again_done};

static void add_endpoint(const hawser_association *association, struct establish_config *config,
                         struct establish_endpoint *endpoints, const char *text)
{
    struct establish_endpoint *endpoint = &endpoints[config->endpoint_count];
    char reason[REASON_SIZE];

    if (config->endpoint_count == ESTABLISH_ENDPOINTS_MAX ||
        endpoint_parse(text, &endpoint->endpoint, reason, sizeof reason) < 0)
        return;
    endpoint->session_tls = &association->secure->tls;
    endpoint->bare_tls = NULL;
    config->endpoint_count++;
}

/* Short at first, for what was unreachable for a moment may be reached by the next try. */
static int64_t again_timeout(const struct weave *weave)
{
    int64_t timeout = AGAIN_TIMEOUT << (weave->again_failures < 8 ? weave->again_failures : 8);

    return timeout < WEAVE_TIMEOUT ? timeout : WEAVE_TIMEOUT;
}

void weave_try_again(struct weave *weave)
{
    hawser_association *association = weave->association;
    struct establish_endpoint endpoints[ESTABLISH_ENDPOINTS_MAX];
    struct establish_config config = {
        .endpoints = endpoints,
        .stacks = association->ways ? association->ways->stacks : NULL,
        .values = properties_values(association->properties),
        .timeout = again_timeout(weave),
        .renew = AGAIN_RENEW,
        .verified = true,
        .handler = &again_handler,
        .user = weave,
    };
    char line[512];

    add_endpoint(association, &config, endpoints, association->endpoint);
    for (const char *at = association->ways ? association->ways->others : NULL; at && *at;) {
        size_t size = strcspn(at, "\n");

        if (snprintf(line, sizeof line, "%.*s", (int)size, at) < (int)sizeof line)
            add_endpoint(association, &config, endpoints, line);
        at += size + (at[size] == '\n');
    }
    if (config.endpoint_count == 0 || open_way(weave, &config, &weave->again) < 0)
        weave->again_at = association_now(association) + AGAIN_MOST;
}
