/* SPDX-License-Identifier: Apache-2.0 */
/* hawser paths: the ways out of this host, without sending a packet. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/path.h>

#include "commands.h"
#include "terminal.h"
#include "units.h"
#include "want.h"

struct watching {
    struct tool *tool;
    hawser_properties *properties;
    const char *endpoint; /* NULL: anywhere */
    bool ends, again;
};

static void put_path(struct json *json, const hawser_path_info *p)
{
    json_object(json, NULL);
    json_string(json, "interface", p->interface);
    json_string(json, "type", p->type);
    json_string(json, "family", p->family);
    json_string(json, "local", p->local);
    json_string(json, "remote", p->remote);
    json_string(json, "gateway", p->gateway);
    json_bool(json, "usable", p->usable);
    json_string(json, "reason", p->reason);
    json_bool(json, "preferred", p->preferred);
    json_bool(json, "temporary", p->temporary);
    json_bool(json, "metered", p->metered);
    json_signed(json, "cost", p->cost);
    json_unsigned(json, "mtu", p->mtu);
    if (p->quality < 0)
        json_null(json, "quality");
    else
        json_signed(json, "quality", p->quality);
    json_signed(json, "rtt_us", p->rtt_us);
    if (p->loss < 0)
        json_null(json, "loss");
    else
        json_real(json, "loss", p->loss, 4);
    json_unsigned(json, "rate", p->rate);
    json_object_end(json);
}

static void tell(struct watching *w, const hawser_path_info *paths, size_t count)
{
    struct json *json = event_begin(w->tool, "paths");

    json_string(json, "endpoint", w->endpoint);
    json_list(json, "paths");
    for (size_t i = 0; i < count; i++)
        put_path(json, &paths[i]);
    json_list_end(json);
    event_end(w->tool);
}

/* What is remembered, "-" for what is not. */
static void remembered(const hawser_path_info *p, char *text, size_t size)
{
    char rtt[BRIEF_SIZE] = "-";
    int n;

    if (p->rtt_us > 0)
        format_brief(p->rtt_us, rtt);
    n = snprintf(text, size, "%s", rtt);
    if (p->loss >= 0 && n < (int)size)
        n += snprintf(text + n, size - (size_t)n, ", %.0f %% fail", p->loss * 100);
    if (p->rate > 0 && n < (int)size)
        snprintf(text + n, size - (size_t)n, ", %.1f Mbit/s", (double)p->rate / 1e6);
}

static void words_of(const hawser_path_info *p, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s%s%s", p->usable ? "" : "not usable: ", p->reason,
             p->usable && p->preferred ? (*p->reason ? "; what the system would take" : "what the system would take")
                                       : "",
             p->temporary ? "; a temporary address" : "", p->metered ? "; metered" : "");
}

static void print_paths(const hawser_path_info *paths, size_t count)
{
    static const char *const heads[] = {"interface", "type", "from", "gateway", "cost", "MTU", "quality", "RTT"};
    struct table *table = table_new(8, heads);
    struct page page;

    page_begin(&page, stdout);
    for (size_t i = 0; table && i < count; i++) {
        const hawser_path_info *p = &paths[i];
        char cost[16], mtu[16], quality[16] = "-", rtt[96], words[512];
        const char *cells[] = {p->interface, p->type, *p->local ? p->local : p->family, p->gateway, cost, mtu,
                               quality,      rtt};

        snprintf(cost, sizeof(cost), "%d", p->cost);
        snprintf(mtu, sizeof(mtu), "%u", p->mtu);
        if (p->quality >= 0)
            snprintf(quality, sizeof(quality), "%d", p->quality);
        remembered(p, rtt, sizeof(rtt));
        words_of(p, words, sizeof(words));
        table_add(table, cells);
        if (*words)
            table_note(table, words + (strncmp(words, "; ", 2) == 0 ? 2 : 0));
    }
    if (table)
        table_print(table, &page);
    table_free(table);
    fflush(stdout);
}

/* The exit code, or -1 when all is well. */
static int show(struct watching *w)
{
    struct tool *tool = w->tool;
    const hawser_path_info *paths;
    const char *reason;
    size_t count;
    int r;

    reason_begin(tool);
    r = hawser_paths(tool->context, w->endpoint, w->properties, &paths, &count);
    reason = reason_end(tool, r);
    if (r < 0) {
        complain(tool, "no paths to %s: %s", w->endpoint ? w->endpoint : "anywhere",
                 reason_after(reason, w->endpoint ? w->endpoint : ""));
        return r == -HAWSER_EENDPOINT || r == -HAWSER_EPROPERTY || r == -EOPNOTSUPP ? EXIT_USAGE : EXIT_FAILED;
    }
    if (tool->options->json)
        tell(w, paths, count);
    else
        print_paths(paths, count);
    for (size_t i = 0; i < count; i++)
        if (paths[i].usable)
            return -1;
    if (w->endpoint)
        complain(tool, "no path to %s is usable", w->endpoint);
    return tool->options->watch ? -1 : EXIT_FAILED;
}

static void on_change(void *user)
{
    struct watching *w = user;

    w->again = true;
}

static void on_interrupt(struct tool *tool, void *user)
{
    struct watching *w = user;

    (void)tool;
    w->ends = true;
}

static int watch(struct watching *w)
{
    struct tool *tool = w->tool;
    int r = tool_catch_signals(tool, on_interrupt, w), code;

    if (r == 0)
        r = hawser_paths_watch(tool->context, on_change, w);
    while (r >= 0 && !w->ends) {
        if (w->again) {
            w->again = false;
            if (!tool->options->json)
                putchar('\n');
            code = show(w);
            if (code >= 0)
                return code;
        }
        r = hawser_iterate(tool->context, -1);
    }
    if (r < 0)
        complain(tool, "paths cannot be watched: %s", hawser_strerror(r));
    return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int command_paths(struct tool *tool)
{
    const struct options *o = tool->options;
    struct watching w = {.tool = tool, .endpoint = o->operands.count > 0 ? o->operands.items[0] : NULL};
    int code = tool_open_context(tool);

    if (code >= 0)
        return code;
    if (wants_properties(tool, &w.properties) < 0)
        return EXIT_USAGE;
    code = show(&w);
    if (code < 0)
        code = o->watch ? watch(&w) : EXIT_DONE;
    hawser_properties_unref(w.properties);
    return code;
}
