/* SPDX-License-Identifier: Apache-2.0 */
#include "line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

static const char *const stacks[] = {"tls/tcp", "tls/unix"};

static bool is_unix(const char *endpoint)
{
    const char *at = strncmp(endpoint, "hk-", 3) == 0 ? strchr(endpoint, '@') : NULL;

    return strncmp(at ? at + 1 : endpoint, "unix:", 5) == 0;
}

int choose_stack(struct tool *tool, const char *list, const char *endpoint, const char **ret_stack)
{
    const char *wanted = is_unix(endpoint) ? stacks[1] : stacks[0];
    bool found = false;

    for (const char *at = list; at; at = *at == ',' ? at + 1 : NULL) {
        size_t length = strcspn(at, ",");
        const char *known = NULL;

        for (size_t i = 0; i < sizeof(stacks) / sizeof(*stacks); i++)
            if (strlen(stacks[i]) == length && strncmp(stacks[i], at, length) == 0)
                known = stacks[i];
        if (!known) {
            complain(tool, "--stack: the stack %.*s is not known; there are tls/tcp and tls/unix", (int)length, at);
            return -EINVAL;
        }
        found = found || known == wanted;
        at += length;
    }
    if (list && !found) {
        complain(tool, "--stack: %s needs the stack %s", endpoint, wanted);
        return -EINVAL;
    }
    if (ret_stack)
        *ret_stack = wanted;
    return 0;
}

static void on_established(const hawser_event *event, void *user)
{
    struct line *line = user;

    line->established = true;
    report_established(line->tool, event);
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
    report_closed(line->tool, event, line->interrupted || line->finished ? NULL : what, line->endpoint);
    if (line->interrupted)
        complain(line->tool, "interrupted");
    hawser_stop(line->tool->context, 0);
}

static void on_paths(const hawser_event *event, void *user)
{
    struct line *line = user;

    report_paths(line->tool, event->association);
}

static void on_interrupt(struct tool *tool, void *user)
{
    struct line *line = user;

    (void)tool;
    line->interrupted = true;
    hawser_abort(line->association, 0, "interrupted");
}

static bool is_our_mistake(int code)
{
    return code == -HAWSER_EENDPOINT || code == -HAWSER_ETRUST || code == -EOPNOTSUPP || code == -EINVAL;
}

int line_open(struct line *line)
{
    struct tool *tool = line->tool;
    const struct options *o = tool->options;
    const char *stack, *reason;
    int r;

    if (choose_stack(tool, o->stack, line->endpoint, &stack) < 0)
        return EXIT_USAGE;
    reason_begin(tool);
    r = hawser_associate(tool->context, line->endpoint,
                         HAWSER_ASSOCIATE(.policy = o->policy, .identity = tool->identity, .trust = o->trust,
                                          .trust_file = o->trust_file, .min_verification = o->min_verification,
                                          .stack = o->stack ? stack : NULL, .timeout_us = o->timeout_us,
                                          .no_early_data = !o->replayable,
                                          /* who names an identity wants it to be shown */
                                          .present_certificate = o->identity != NULL || o->certificate != NULL),
                         &line->association);
    reason = reason_end(tool, r);
    if (r < 0) {
        complain(tool, "no line to %s: %s", line->endpoint, reason_after(reason, line->endpoint));
        return is_our_mistake(r) ? EXIT_USAGE : EXIT_NO_ASSOCIATION;
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
}
