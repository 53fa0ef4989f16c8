/* SPDX-License-Identifier: Apache-2.0 */
/* hawser resolve: what a name leads to, as the answers come. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/resolve.h>

#include "commands.h"
#include "terminal.h"
#include "tool.h"

struct looking {
    struct tool *tool;
    struct page page;
    hawser_resolving *resolving; /* NULL: it has ended */
    size_t found;
    int code;
    char reason[256];
    bool interrupted;
};

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* ------------------------------------------------------------------------------------------------------- for machines */

static void put_list(struct json *json, const char *name, const hawser_resolved *list, size_t count)
{
    json_list(json, name);
    for (size_t i = 0; i < count; i++) {
        const hawser_resolved *one = &list[i];

        json_object(json, NULL);
        json_string(json, "address", or_empty(one->address));
        json_string(json, "target", or_empty(one->target));
        json_unsigned(json, "priority", one->priority);
        json_unsigned(json, "weight", one->weight);
        json_unsigned(json, "rank", one->rank);
        json_string(json, "alpn", or_empty(one->alpn));
        json_bool(json, "hint", one->hint);
        json_string(json, "dnssec", or_empty(one->dnssec));
        if (one->ttl_us == INT64_MAX)
            json_null(json, "ttl_us");
        else
            json_signed(json, "ttl_us", one->ttl_us);
        json_string(json, "record", or_empty(one->record));
        json_object_end(json);
    }
    json_list_end(json);
}

static void tell(struct looking *l, const hawser_resolve_answer *answer)
{
    struct json *json = event_begin(l->tool, "resolved");

    json_string(json, "name", or_empty(answer->lookup.name));
    json_string(json, "question", or_empty(answer->lookup.question));
    json_signed(json, "start_us", event_time(l->tool, answer->lookup.start_us));
    json_signed(json, "end_us", event_time(l->tool, answer->lookup.end_us));
    json_signed(json, "code", answer->code);
    json_string(json, "reason", or_empty(answer->reason));
    json_string(json, "result", or_empty(answer->lookup.result));
    json_string(json, "dnssec", or_empty(answer->lookup.dnssec));
    put_list(json, "found", answer->found, answer->found_count);
    put_list(json, "gone", answer->gone, answer->gone_count);
    json_bool(json, "last", answer->last);
    event_end(l->tool);
}

/* --------------------------------------------------------------------------------------------------------- for people */

static void print_resolved(struct looking *l, const hawser_resolved *one, const char *sign)
{
    const char *what = *or_empty(one->record) ? one->record : or_empty(one->address);
    char text[1024], ttl[BRIEF_SIZE];
    int n = snprintf(text, sizeof(text), "%s%s", sign, what);

    if (*or_empty(one->target) && !*or_empty(one->record) && n < (int)sizeof(text))
        n += snprintf(text + n, sizeof(text) - (size_t)n, ", host %s", one->target);
    if (one->weight > 0 && n < (int)sizeof(text))
        n += snprintf(text + n, sizeof(text) - (size_t)n, ", priority %u, weight %u", one->priority, one->weight);
    else if (one->priority > 0 && one->priority != UINT32_MAX && n < (int)sizeof(text))
        n += snprintf(text + n, sizeof(text) - (size_t)n, ", priority %u", one->priority);
    if (*or_empty(one->alpn) && n < (int)sizeof(text))
        n += snprintf(text + n, sizeof(text) - (size_t)n, ", speaks %s", one->alpn);
    if (one->hint && n < (int)sizeof(text))
        n += snprintf(text + n, sizeof(text) - (size_t)n, ", a hint");
    if (one->ttl_us != INT64_MAX && n < (int)sizeof(text))
        n += snprintf(text + n, sizeof(text) - (size_t)n, ", for %s", format_brief(one->ttl_us, ttl));
    if (*or_empty(one->dnssec) && n < (int)sizeof(text))
        snprintf(text + n, sizeof(text) - (size_t)n, ", DNSSEC %s", one->dnssec);
    fputs("    ", l->page.file);
    page_wrapped(&l->page, COLOUR_NONE, 6, 4, text);
}

static void print_answer(struct looking *l, const hawser_resolve_answer *answer)
{
    char took[BRIEF_SIZE], text[512];

    if (!*or_empty(answer->lookup.question))
        return; /* the end of all, which asked nothing itself */
    page_cell(&l->page, COLOUR_HEAD, 11, answer->lookup.question);
    snprintf(text, sizeof(text), " %s, %s", or_empty(answer->lookup.name),
             format_brief(answer->lookup.end_us - answer->lookup.start_us, took));
    page_text(&l->page, COLOUR_NONE, text);
    if (answer->code < 0 || answer->found_count == 0) {
        const char *why = *or_empty(answer->reason) ? answer->reason : or_empty(answer->lookup.result);

        snprintf(text, sizeof(text), ": %s", *why ? why : "nothing");
        page_text(&l->page, answer->code < 0 ? COLOUR_BAD : COLOUR_FAINT, text);
    }
    putc('\n', l->page.file);
    for (size_t i = 0; i < answer->found_count; i++)
        print_resolved(l, &answer->found[i], "");
    for (size_t i = 0; i < answer->gone_count; i++)
        print_resolved(l, &answer->gone[i], "no longer ");
    fflush(l->page.file);
}

/* ------------------------------------------------------------------------------------------------------------ looking */

static void on_answer(const hawser_resolve_answer *answer, void *user)
{
    struct looking *l = user;

    if (l->tool->options->json)
        tell(l, answer);
    else
        print_answer(l, answer);
    l->found += answer->found_count;
    l->found -= answer->gone_count < l->found ? answer->gone_count : l->found;
    if (answer->code < 0) {
        l->code = answer->code;
        snprintf(l->reason, sizeof(l->reason), "%s", or_empty(answer->reason));
    }
    if (answer->last) {
        l->resolving = NULL;
        hawser_stop(l->tool->context, 0);
    }
}

static void on_interrupt(struct tool *tool, void *user)
{
    struct looking *l = user;

    l->interrupted = true;
    hawser_stop(tool->context, 0);
}

static int look(struct looking *l, const char *type)
{
    struct tool *tool = l->tool;
    const char *name = tool->options->operands.items[0], *reason;
    int r;

    reason_begin(tool);
    r = hawser_resolve(tool->context, name,
                       HAWSER_RESOLVE(.timeout_us = tool->options->timeout_us, .https = true, .record = type),
                       on_answer, l, &l->resolving);
    reason = reason_end(tool, r);
    if (r == -EINVAL && type && !tool->kept_error[0])
        reason = "there are A, AAAA, HTTPS, SVCB, SRV, TLSA, TXT and PTR, of a name";
    if (r < 0) {
        complain(tool, "%s cannot be looked up: %s", name, reason_after(reason, name));
        return r == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
    }
    r = tool_catch_signals(tool, on_interrupt, l);
    if (r == 0)
        r = hawser_run(tool->context);
    if (l->resolving)
        hawser_resolve_cancel(l->resolving);
    if (r < 0 || l->interrupted) {
        complain(tool, "%s", r < 0 ? hawser_strerror(r) : "interrupted");
        return EXIT_FAILED;
    }
    if (l->found > 0)
        return EXIT_DONE;
    complain(tool, "%s leads nowhere: %s", name,
             *l->reason ? reason_after(l->reason, name) : hawser_strerror(l->code < 0 ? l->code : -HAWSER_ERESOLVE));
    return EXIT_FAILED;
}

int command_resolve(struct tool *tool)
{
    struct looking l = {.tool = tool};
    char *type = tool->options->type ? strdup(tool->options->type) : NULL;
    int code;

    for (char *p = type; p && *p; p++)
        *p = (char)toupper((unsigned char)*p);
    page_begin(&l.page, stdout);
    code = tool_open_context(tool);
    if (code < 0)
        code = look(&l, type);
    free(type);
    return code;
}
