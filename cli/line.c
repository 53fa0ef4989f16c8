/* SPDX-License-Identifier: Apache-2.0 */
#include "datagrams.h"
#include "line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "want.h"

int line_take(struct line *line, bool all)
{
    const struct options *o = line->tool->options;
    size_t operands = all ? o->operands.count : 1, count = operands - 1 + o->also.count;

    line->endpoint = o->operands.items[0];
    if (count == 0)
        return 0;
    line->list = calloc(count, sizeof(*line->list));
    if (!line->list) {
        complain(line->tool, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 1; i < operands; i++)
        line->list[line->other_count++] = o->operands.items[i];
    for (size_t i = 0; i < o->also.count; i++)
        line->list[line->other_count++] = o->also.items[i];
    line->others = line->list;
    return 0;
}

int line_take_bare(struct line *line)
{
    const struct options *o = line->tool->options;

    if (o->tls && !o->bare) {
        complain(line->tool, "--tls needs --bare: without it every line is encrypted");
        return -EINVAL;
    }
    line->alpn = o->alpn;
    line->bare = o->bare;
    /* As nc(1): who names TLS, or what only TLS has, gets it. */
    line->clear = o->bare && !o->tls && !o->alpn && !(o->stack && strstr(o->stack, "tls"));
    return 0;
}

static void tell_report(struct line *line, const hawser_event *event)
{
    const hawser_report *report;

    if (line->on_report && hawser_association_report(event->association, &report) == 0)
        line->on_report(line, report);
}

static void on_established(const hawser_event *event, void *user)
{
    struct line *line = user;

    line->established = true;
    report_established(line->tool, event, line->quiet);
    tell_report(line, event);
    if (line->on_established)
        line->on_established(line);
}

static void on_closed(const hawser_event *event, void *user)
{
    struct line *line = user;
    const char *what = line->established ? "the line broke to" : "no line to";

    line->code = event->closed.code;
    if (line->on_closed)
        line->on_closed(line);
    report_closed(line->tool, event, line->interrupted || line->finished || line->quiet ? NULL : what, line->endpoint);
    if (!line->established)
        tell_report(line, event);
    if (line->interrupted)
        complain(line->tool, "interrupted");
    if (!line->held)
        hawser_stop(line->tool->context, 0);
}

void line_release(struct line *line)
{
    line->held = false;
}

static void on_paths(const hawser_event *event, void *user)
{
    struct line *line = user;

    report_paths(line->tool, event->association);
}

static void on_interrupt(struct tool *tool, void *user)
{
    struct line *line = user;

    line->interrupted = true;
    if (line->held)
        complain(tool, "interrupted");
    hawser_abort(line->association, 0, "interrupted");
}

/* An empty name in --stack is a slip, and no wish. */
static int check_stacks(struct tool *tool, const char *list)
{
    size_t length = list ? strlen(list) : 0;

    if (!list || (length > 0 && *list != ',' && list[length - 1] != ',' && !strstr(list, ",,")))
        return 0;
    complain(tool, "--stack: a name is missing in \"%s\"", list);
    return -EINVAL;
}

/* What cannot be done as the command line says it. */
static bool is_our_mistake(const struct options *o, int code)
{
    return code == -HAWSER_EENDPOINT || code == -HAWSER_ETRUST || code == -HAWSER_EPROPERTY || code == -EOPNOTSUPP ||
           code == -EINVAL || code == -E2BIG || (code == -HAWSER_EPROHIBITED && (o->stack || o->wants.count > 0));
}

/* What the command is, then what the command line says of it. */
static int make_properties(struct line *line, hawser_properties **ret_properties)
{
    hawser_properties *properties;
    int r = hawser_properties_new(&properties);

    if (r < 0) {
        complain(line->tool, "out of memory");
        return r;
    }
    if (line->bare)
        r = hawser_properties_set(properties, "session", "prohibit");
    else if (line->any_protocol)
        r = hawser_properties_set(properties, "session", "prefer");
    if (r == 0 && line->clear)
        r = hawser_properties_set(properties, "security", "prohibit");
    if (r < 0)
        complain(line->tool, "%s", hawser_properties_wrong(properties));
    else
        r = wants_apply(line->tool, properties);
    if (r < 0)
        hawser_properties_unref(properties);
    else
        *ret_properties = properties;
    return r;
}

int line_open(struct line *line)
{
    struct tool *tool = line->tool;
    const struct options *o = tool->options;
    hawser_properties *properties;
    void *group_key = NULL;
    size_t group_key_size = 0;
    const char *reason;
    int r;

    if (o->group_key && group_key_read(tool, o->group_key, &group_key, &group_key_size) < 0)
        return EXIT_USAGE;
    if (check_stacks(tool, o->stack) < 0 || make_properties(line, &properties) < 0) {
        free(group_key);
        return EXIT_USAGE;
    }
    reason_begin(tool);
    r = hawser_associate(
        tool->context, line->endpoint,
        HAWSER_ASSOCIATE(.policy = o->policy, .paths = o->paths,
                         .reestablish_us = o->reestablish_us ? o->reestablish_us : -1, .identity = tool->identity,
                         .trust = o->trust, .trust_file = o->trust_file, .min_verification = o->min_verification,
                         .endpoints = line->others, .endpoint_count = line->other_count, .local = o->local,
                         .stack = o->stack, .properties = properties, .framer = line->framer,
                         .framer_user = line->framer_user, .alpn = line->alpn, .server_name = line->server_name,
                         .timeout_us = o->timeout_us, .group_key = group_key, .group_key_size = group_key_size,
                         .hop_limit = (unsigned)o->hops, .no_early_data = !o->replayable,
                         /* who names an identity wants it to be shown */
                         .present_certificate = o->identity != NULL || o->certificate != NULL),
        &line->association);
    reason = reason_end(tool, r);
    hawser_properties_unref(properties);
    free(group_key);
    if (r < 0) {
        complain(tool, "no line to %s: %s", line->endpoint, reason_after(reason, line->endpoint));
        return is_our_mistake(o, r) ? EXIT_USAGE : EXIT_NO_ASSOCIATION;
    }
    hawser_register(line->association, HAWSER_ESTABLISHED, on_established, line);
    hawser_register(line->association, HAWSER_CLOSED, on_closed, line);
    hawser_register(line->association, HAWSER_PATHS_CHANGED, on_paths, line);
    r = tool_catch_signals(tool, on_interrupt, line);
    if (r < 0) {
        complain(tool, "signals cannot be caught: %s", hawser_strerror(r));
        return EXIT_FAILED;
    }
    return -1;
}

void line_finish(struct line *line)
{
    if (line->finished)
        return;
    line->finished = true;
    hawser_close(line->association, 0, NULL);
}

int line_run(struct line *line)
{
    int r = hawser_run(line->tool->context);

    while (r >= 0 && line->held && !line->interrupted)
        r = hawser_iterate(line->tool->context, -1);
    if (r < 0) {
        complain(line->tool, "the loop failed: %s", hawser_strerror(r));
        return EXIT_FAILED;
    }
    if (!line->established)
        return EXIT_NO_ASSOCIATION;
    if (line->interrupted)
        return EXIT_FAILED;
    return line->finished || line->code == 0 ? EXIT_DONE : EXIT_FAILED;
}

void line_free(struct line *line)
{
    hawser_association_unref(line->association);
    line->association = NULL;
    free(line->list);
    line->list = NULL;
}
