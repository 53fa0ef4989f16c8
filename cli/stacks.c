/* SPDX-License-Identifier: Apache-2.0 */
/* hawser stacks: what each stack of this build can do, by its layers' own flags. */
#include <stddef.h>
#include <string.h>

#include "commands.h"
#include "terminal.h"
#include "tool.h"

/* A line of the table for people, and a field of the event. */
static const struct ability {
    const char *field, *words;
    size_t offset;
} abilities[] = {
    {"ordered", "ordered", offsetof(hawser_stack_info, ordered)},
    {"reliable", "reliable", offsetof(hawser_stack_info, reliable)},
    {"streams", "nothing waits behind a loss", offsetof(hawser_stack_info, streams)},
    {"lossy", "messages may be given up", offsetof(hawser_stack_info, lossy)},
    {"expires_at_sender", "expiry: at the sender", offsetof(hawser_stack_info, expires_at_sender)},
    {"expires_at_receiver", "expiry: at the receiver", offsetof(hawser_stack_info, expires_at_receiver)},
    {"expires_on_path", "expiry: on the path", offsetof(hawser_stack_info, expires_on_path)},
    {"encrypted", "encrypted, authenticated", offsetof(hawser_stack_info, encrypted)},
    {"hides_identities", "identities hidden", offsetof(hawser_stack_info, hides_identities)},
    {"hides_messages", "messages hidden", offsetof(hawser_stack_info, hides_messages)},
    {"early_data", "early data", offsetof(hawser_stack_info, early_data)},
    {"acks", "acknowledges by itself", offsetof(hawser_stack_info, acks)},
    {"multipath", "multipath of its own", offsetof(hawser_stack_info, multipath)},
    {"migrates", "outlives a changed address", offsetof(hawser_stack_info, migrates)},
    {"multicast", "multicast", offsetof(hawser_stack_info, multicast)},
    {"proxied", "through a proxy", offsetof(hawser_stack_info, proxied)},
};
#define ABILITIES (sizeof(abilities) / sizeof(*abilities))
#define HEAD_WIDTH 27 /* the longest words above */

static bool has(const hawser_stack_info *info, const struct ability *ability)
{
    return *(const bool *)((const char *)info + ability->offset);
}

static void tell(struct tool *tool, const hawser_stack_info *info)
{
    struct json *json = event_begin(tool, "stack");

    json_string(json, "stack", info->name);
    json_string(json, "session", hawser_carries_name(info->session));
    json_string(json, "bare", hawser_carries_name(info->bare));
    for (size_t i = 0; i < ABILITIES; i++)
        json_bool(json, abilities[i].field, has(info, &abilities[i]));
    event_end(tool);
}

enum { SHOWN_MAX = 16 };

static void print_some(struct page *page, const hawser_stack_info *infos, unsigned count)
{
    const char *cells[SHOWN_MAX + 1] = {""};
    struct table *table;

    for (unsigned k = 0; k < count; k++)
        cells[k + 1] = infos[k].name;
    table = table_new(count + 1, cells);
    if (!table)
        return;
    cells[0] = "hawser/1 over it as";
    for (unsigned k = 0; k < count; k++)
        cells[k + 1] = hawser_carries_name(infos[k].session);
    table_add(table, cells);
    cells[0] = "bare";
    for (unsigned k = 0; k < count; k++)
        cells[k + 1] = hawser_carries_name(infos[k].bare);
    table_add(table, cells);
    for (size_t i = 0; i < ABILITIES; i++) {
        cells[0] = abilities[i].words;
        for (unsigned k = 0; k < count; k++)
            cells[k + 1] = has(&infos[k], &abilities[i]) ? "yes" : "-";
        table_add(table, cells);
    }
    table_print(table, page);
    table_free(table);
}

static size_t column_width(const hawser_stack_info *info)
{
    size_t name = strlen(info->name), least = strlen("datagrams");

    return (name > least ? name : least) + 2;
}

/* As many stacks beside each other as fit. */
static void print_all(struct page *page)
{
    hawser_stack_info shown[SHOWN_MAX], info;
    size_t width = HEAD_WIDTH;
    unsigned count = 0;

    for (unsigned i = 0; hawser_stack(i, &info) == 0; i++) {
        if (count == SHOWN_MAX || (count > 0 && width + column_width(&info) > page->width)) {
            print_some(page, shown, count);
            putc('\n', page->file);
            count = 0;
            width = HEAD_WIDTH;
        }
        shown[count++] = info;
        width += column_width(&info);
    }
    if (count > 0)
        print_some(page, shown, count);
}

int command_stacks(struct tool *tool)
{
    hawser_stack_info info;
    struct page page;

    if (!tool->options->json) {
        page_begin(&page, stdout);
        print_all(&page);
        return EXIT_DONE;
    }
    for (unsigned i = 0; hawser_stack(i, &info) == 0; i++)
        tell(tool, &info);
    return EXIT_DONE;
}
