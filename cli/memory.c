/* SPDX-License-Identifier: Apache-2.0 */
/* hawser forget and hawser stats: what is remembered of earlier attempts, and counted. */
#include <string.h>

#include <hawser/history.h>

#include "commands.h"
#include "terminal.h"
#include "tool.h"

int command_forget(struct tool *tool)
{
    const struct string_list *words = &tool->options->operands;
    const char *service = words->count > 0 ? words->items[0] : NULL, *reason;
    int code = tool_open_context(tool), r;
    struct json *json;
    uint64_t count;

    if (code >= 0)
        return code;
    if (service && *service == '\0') {
        complain(tool, "forget takes a service, such as example.org:443, or nothing for all");
        return EXIT_USAGE;
    }
    reason_begin(tool);
    r = hawser_forget(tool->context, service, &count);
    reason = reason_end(tool, r);
    if (r < 0) {
        complain(tool, "nothing could be forgotten: %s", reason);
        return EXIT_FAILED;
    }
    json = event_begin(tool, "forgotten");
    json_string(json, "service", service);
    json_unsigned(json, "count", count);
    event_end(tool);
    if (!tool->options->json)
        printf("forgot %llu entr%s%s%s\n", (unsigned long long)count, count == 1 ? "y" : "ies", service ? " of " : "",
               service ? service : "");
    return EXIT_DONE;
}

/* What of is, by its name; 0 when there is none. */
static uint64_t whole_of(struct tool *tool, const char *name)
{
    hawser_counter counter;

    for (unsigned i = 0; *name && hawser_counter_get(tool->context, i, &counter) == 0; i++)
        if (strcmp(counter.name, name) == 0)
            return counter.all;
    return 0;
}

static void tell(struct tool *tool)
{
    struct json *json = event_begin(tool, "stats");
    hawser_counter c;

    json_list(json, "counters");
    for (unsigned i = 0; hawser_counter_get(tool->context, i, &c) == 0; i++) {
        json_object(json, NULL);
        json_string(json, "name", c.name);
        json_string(json, "summary", c.summary);
        json_unsigned(json, "count", c.all);
        json_string(json, "of", c.of);
        json_object_end(json);
    }
    json_list_end(json);
    event_end(tool);
}

static int print(struct tool *tool)
{
    static const char *const heads[] = {"count", "share", "what"};
    struct table *table = table_new(3, heads);
    hawser_counter c;
    struct page page;

    if (!table) {
        complain(tool, "out of memory");
        return EXIT_FAILED;
    }
    page_begin(&page, stdout);
    for (unsigned i = 0; hawser_counter_get(tool->context, i, &c) == 0; i++) {
        char name[64], count[32], share[32] = "", summary[256];
        const char *cells[] = {count, share, summary};
        uint64_t whole;

        /* What is looked up below may end the strings of this one. */
        snprintf(name, sizeof(name), "%s", c.of);
        snprintf(count, sizeof(count), "%llu", (unsigned long long)c.all);
        snprintf(summary, sizeof(summary), "%s", c.summary);
        whole = whole_of(tool, name);
        if (whole > 0)
            snprintf(share, sizeof(share), "%.1f %%", (double)c.all * 100 / (double)whole);
        table_add(table, cells);
    }
    table_print(table, &page);
    table_free(table);
    return EXIT_DONE;
}

int command_stats(struct tool *tool)
{
    int code = tool_open_context(tool);

    if (code >= 0)
        return code;
    if (!tool->options->json)
        return print(tool);
    tell(tool);
    return EXIT_DONE;
}
