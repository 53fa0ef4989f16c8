/* SPDX-License-Identifier: Apache-2.0 */
/* hawser listen: endpoints, who comes, and the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands.h"
#include "datagrams.h"
#include "report.h"
#include "server.h"

#define FIRST_PASSED_FD 3 /* sd_listen_fds(3) */
#define DRAIN_US 10000000 /* how long a stream may go on after a signal */

static void on_peer_closed(const hawser_event *event, void *user)
{
    struct peer *peer = user;

    report_closed(peer->server->tool, event, "the line broke from", peer->label);
    /* A bare line ends with its stream, however slow the reader of our standard output is. */
    if (event->closed.code == 0 && streams_write(peer))
        peer->gone = true;
    else
        peer_free(peer);
}

void peer_free(struct peer *peer)
{
    peer->gone = false;
    streams_end(peer);
    messages_end(peer);
    LIST_REMOVE(peer, link);
    hawser_association_unref(peer->association);
    free(peer);
}

static void on_peer_paths(const hawser_event *event, void *user)
{
    struct peer *peer = user;

    report_paths(peer->server->tool, event->association);
}

/* Without a framer a bare client is a stream of bytes. */
static bool serves_stream(const struct server *server)
{
    return !server->framer || strcmp(server->tool->options->framer, "none") == 0;
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct server *server = user;
    struct peer *peer = calloc(1, sizeof(*peer));
    const char *name = event->accepted.peer.name;

    report_accepted(server->tool, event);
    if (!peer) {
        hawser_refuse_association(event->accepted.association, 0, "the listener is out of memory");
        return;
    }
    peer->server = server;
    peer->association = hawser_association_ref(event->accepted.association);
    snprintf(peer->name, sizeof(peer->name), "%s", name ? name : "");
    snprintf(peer->label, sizeof(peer->label), "%s", *peer->name ? peer->name : "a peer without a key");
    snprintf(peer->verification, sizeof(peer->verification), "%s",
             hawser_verification_name(event->accepted.peer.verification));
    peer->bare = event->accepted.bare;
    LIST_INIT(&peer->arrivals);
    LIST_INIT(&peer->kept);
    LIST_INIT(&peer->streams);
    LIST_INSERT_HEAD(&server->peers, peer, link);
    hawser_register(peer->association, HAWSER_CLOSED, on_peer_closed, peer);
    hawser_register(peer->association, HAWSER_PATHS_CHANGED, on_peer_paths, peer);
    messages_serve(peer);
    streams_serve(peer);
    if (event->accepted.bare && serves_stream(server) && !is_datagrams(peer->association))
        streams_serve_bare(peer);
}

void peer_drain(struct peer *peer)
{
    if (LIST_EMPTY(&peer->streams))
        hawser_close(peer->association, 0, "the listener ends");
}

static void end_peers(struct server *server, bool now)
{
    struct peer *peer, *next;

    for (peer = LIST_FIRST(&server->peers); peer; peer = next) {
        next = LIST_NEXT(peer, link);
        if (now)
            hawser_abort(peer->association, 0, "the listener was told to end now");
        else
            hawser_close(peer->association, 0, "the listener ends");
    }
}

static void on_patience_over(void *user)
{
    struct server *server = user;

    server->ends = true;
    end_peers(server, false);
}

static void on_interrupt(struct tool *tool, void *user)
{
    struct server *server = user;
    struct peer *peer, *next;

    if (server->draining) {
        server->ends = true;
        end_peers(server, true);
        return;
    }
    server->draining = true;
    say(tool, "finishing what has begun");
    for (size_t i = 0; i < server->listener_count; i++)
        hawser_close(server->listeners[i], 0, NULL);
    for (peer = LIST_FIRST(&server->peers); peer; peer = next) {
        next = LIST_NEXT(peer, link);
        peer_drain(peer);
    }
    hawser_timer(tool->context, DRAIN_US, on_patience_over, server, NULL);
}

static void report_listening(struct server *server, hawser_association *listener)
{
    struct tool *tool = server->tool;
    const char *endpoint = hawser_association_endpoint(listener), *name = hawser_identity_name(tool->identity);
    struct json *json = event_begin(tool, "listening");

    json_string(json, "endpoint", endpoint);
    json_string(json, "name", name);
    event_end(tool);
    say(tool, "listening on %s as %s", endpoint, name);
}

static bool is_clear(const char *name, size_t length)
{
    char stack[64];
    hawser_stack_info info;

    snprintf(stack, sizeof(stack), "%.*s", (int)length, name);
    return hawser_stack_find(stack, &info) == 0 && !info.encrypted;
}

/* --stack: with TLS or the like, without. What else can be wrong with it the library says. */
static int choose_stacks(const struct server *server, bool *ret_secure, bool *ret_clear)
{
    struct tool *tool = server->tool;
    const char *list = tool->options->stack;
    bool bare = tool->options->bare;

    *ret_secure = !list;
    *ret_clear = !list && bare;
    for (const char *at = list; at; at = *at == ',' ? at + 1 : NULL) {
        size_t length = strcspn(at, ",");
        bool clear = is_clear(at, length);

        if (length == 0) {
            complain(tool, "--stack: a name is missing in \"%s\"", list);
            return -EINVAL;
        }
        if (clear && !bare) {
            complain(tool, "--stack: %.*s is not encrypted, which only --bare allows", (int)length, at);
            return -EINVAL;
        }
        *ret_clear |= clear;
        *ret_secure |= !clear;
        at += length;
    }
    return 0;
}

/* Who is taken beside those that speak hawser/1. NULL: nobody. */
static int make_properties(const struct server *server, bool secure, bool clear, hawser_properties **ret_properties)
{
    hawser_properties *properties = NULL;
    int r = 0;

    if (server->tool->options->bare) {
        r = hawser_properties_new(&properties);
        if (r == 0)
            r = hawser_properties_set(properties, "session", secure ? "prefer" : "prohibit");
        if (r == 0 && clear)
            r = hawser_properties_set(properties, "security", secure ? "avoid" : "prohibit");
    }
    *ret_properties = properties;
    return r;
}

static int listen_on(struct server *server, const char *endpoint)
{
    struct tool *tool = server->tool;
    const struct options *o = tool->options;
    hawser_association *listener;
    hawser_properties *properties;
    const char *reason;
    bool secure, clear;
    int r;

    if (choose_stacks(server, &secure, &clear) < 0)
        return EXIT_USAGE;
    if (o->group_key && !server->group_key &&
        group_key_read(tool, o->group_key, &server->group_key, &server->group_key_size) < 0)
        return EXIT_USAGE;
    if (make_properties(server, secure, clear, &properties) < 0) {
        complain(tool, "out of memory");
        return EXIT_FAILED;
    }
    reason_begin(tool);
    r = hawser_listen(tool->context, endpoint,
                      HAWSER_LISTEN(.identity = tool->identity, .trust = o->trust, .trust_file = o->trust_file,
                                    .min_verification = o->min_verification, .policy = o->policy,
                                    .properties = properties, .framer = server->framer,
                                    .framer_user = server->framer_user, .alpn = o->alpn,
                                    .handshake_timeout_us = o->timeout_us, .fast_open = true, .stack = o->stack,
                                    .group_key = server->group_key, .group_key_size = server->group_key_size,
                                    .reestablish_us = o->reestablish_us ? o->reestablish_us : -1),
                      &listener);
    reason = reason_end(tool, r);
    hawser_properties_unref(properties);
    if (r < 0) {
        complain(tool, "cannot listen on %s: %s", endpoint, reason_after(reason, endpoint));
        return r == -HAWSER_EENDPOINT || r == -HAWSER_ETRUST || r == -EOPNOTSUPP || r == -EINVAL ||
                       (r == -HAWSER_EPROHIBITED && o->stack)
                   ? EXIT_USAGE
                   : EXIT_FAILED;
    }
    server->listeners[server->listener_count++] = listener;
    hawser_register(listener, HAWSER_ACCEPTED, on_accepted, server);
    report_listening(server, listener);
    return -1;
}

/* How many sockets systemd passed to this very process. */
static long passed_sockets(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    return strtol(count, NULL, 10);
}

static int listen_on_passed(struct server *server, long count)
{
    int code = -1;

    for (long i = 0; i < count && code < 0; i++) {
        char endpoint[32];

        fcntl(FIRST_PASSED_FD + (int)i, F_SETFD, FD_CLOEXEC);
        snprintf(endpoint, sizeof(endpoint), "fd:%ld", FIRST_PASSED_FD + i);
        code = listen_on(server, endpoint);
    }
    return code;
}

static int choose_serving(struct server *server)
{
    struct tool *tool = server->tool;
    const struct options *o = tool->options;

    if (o->echo + o->discard + (o->parts || o->receive) + (o->exec != NULL) > 1) {
        complain(tool, "only one of --echo, --discard, --parts, --receive and --exec can be chosen, or --parts with "
                       "--receive");
        return -EINVAL;
    }
    if (o->overwrite && !o->receive) {
        complain(tool, "--overwrite needs --receive");
        return -EINVAL;
    }
    if (o->framer && !o->bare) {
        complain(tool, "--framer needs --bare: it is for clients that do not speak hawser/1");
        return -EINVAL;
    }
    if (o->bare && o->receive) {
        complain(tool, "--receive takes files, which only hawser/1 carries: it does not go with --bare");
        return -EINVAL;
    }
    if (o->framer && o->exec) {
        complain(tool, "--exec takes streams, and --framer makes messages: choose one");
        return -EINVAL;
    }
    if (o->framer && hawser_framer_find(o->framer, &server->framer, &server->framer_user) < 0) {
        complain(tool, "--framer: there is no framer %s; there are none, length, length2, lines and fixed:SIZE",
                 o->framer);
        return -EINVAL;
    }
    server->serving = o->echo      ? SERVE_ECHO
                      : o->discard ? SERVE_DISCARD
                      : o->parts   ? SERVE_PARTS
                      : o->receive ? SERVE_FILES
                      : o->exec    ? SERVE_COMMAND
                                   : SERVE_TERMINAL;
    return 0;
}

static int prepare(struct server *server)
{
    struct tool *tool = server->tool;
    const struct options *o = tool->options;
    size_t count = o->operands.count;
    long passed = count == 0 ? passed_sockets() : 0;
    int r;

    if (choose_serving(server) < 0)
        return EXIT_USAGE;
    if (count == 0 && passed <= 0) {
        complain(tool, "listen needs an ENDPOINT, or sockets from systemd");
        return EXIT_USAGE;
    }
    if (o->receive) {
        r = storage_open(&server->storage, o->receive, o->overwrite);
        if (r < 0) {
            complain(tool, "the directory %s cannot be used: %s", o->receive, hawser_strerror(r));
            return EXIT_FAILED;
        }
    }
    server->listeners = calloc(count + (size_t)passed, sizeof(hawser_association *));
    if (!server->listeners) {
        complain(tool, "out of memory");
        return EXIT_FAILED;
    }
    if (!o->trust || strstr(o->trust, "any"))
        say(tool, "trust any: whoever comes is served, peers are not verified");
    return -1;
}

static int run(struct server *server)
{
    struct tool *tool = server->tool;
    const struct options *o = tool->options;
    int code = -1, r = tool_catch_signals(tool, on_interrupt, server);

    if (r < 0) {
        complain(tool, "signals cannot be caught: %s", hawser_strerror(r));
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < o->operands.count && code < 0; i++)
        code = listen_on(server, o->operands.items[i]);
    if (o->operands.count == 0)
        code = listen_on_passed(server, passed_sockets());
    if (code >= 0)
        return code;
    r = hawser_run(tool->context);
    while (r >= 0 && !server->ends && !LIST_EMPTY(&server->peers))
        r = hawser_iterate(tool->context, -1);
    if (r < 0) {
        complain(tool, "the loop failed: %s", hawser_strerror(r));
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static void end_all(struct server *server)
{
    struct peer *peer;

    for (size_t i = 0; i < server->listener_count; i++)
        hawser_association_unref(server->listeners[i]);
    while ((peer = LIST_FIRST(&server->peers))) {
        hawser_register(peer->association, HAWSER_CLOSED, NULL, NULL);
        peer_free(peer);
    }
    processes_end(server);
    free(server->group_key);
    free(server->listeners);
    storage_close(&server->storage);
}

/* Every line and every file under way takes one: as many as the system grants us. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int command_listen(struct tool *tool)
{
    struct server server = {.tool = tool, .storage = {.directory = -1}};
    int code;

    LIST_INIT(&server.peers);
    LIST_INIT(&server.processes);
    allow_descriptors();
    code = tool_open(tool);
    if (code < 0)
        code = prepare(&server);
    if (code < 0)
        code = run(&server);
    end_all(&server);
    return code;
}
