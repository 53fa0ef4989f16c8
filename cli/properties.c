/* SPDX-License-Identifier: Apache-2.0 */
/* hawser properties: the table, and what each stack offers. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "terminal.h"
#include "tool.h"

static const struct column {
    const char *stack;
    bool bare;
} columns[] = {
    {"tls/tcp", false}, {"tls/mptcp", false}, {"tls/unix", false}, {"tls/tcp", true},
    {"tcp", true},      {"mptcp", true},      {"unix", true},
};

#define NAME_WIDTH 24 /* "useTemporaryLocalAddress" */
#define COLUMNS (sizeof(columns) / sizeof(*columns))

static const char *stage_name(hawser_property_stage stage)
{
    switch (stage) {
    case HAWSER_SELECTION:
        return "selection";
    case HAWSER_CONNECTION:
        return "connection";
    case HAWSER_PER_MESSAGE:
        return "message";
    case HAWSER_READ_ONLY:
        break;
    }
    return "read-only";
}

static const char *type_name(hawser_property_type type)
{
    static const char *const names[] = {"preference", "boolean", "integer", "duration", "rate", "enumeration", "set"};

    return names[type];
}

/* As the library reads names: without dashes, whatever the case. */
static bool same_name(const char *a, const char *b)
{
    for (;;) {
        while (*a == '-')
            a++;
        while (*b == '-')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == '\0')
            return true;
        a++;
        b++;
    }
}

static void tell(struct tool *tool, unsigned index, const hawser_property_info *p)
{
    struct json *json = event_begin(tool, "property");

    json_string(json, "name", p->name);
    json_string(json, "stage", stage_name(p->stage));
    json_string(json, "type", type_name(p->type));
    json_string(json, "values", p->values);
    json_string(json, "default", p->default_value);
    json_string(json, "summary", p->summary);
    json_string(json, "source", p->source);
    json_string(json, "effect", p->effect);
    json_list(json, "offered");
    for (size_t i = 0; p->stage == HAWSER_SELECTION && i < COLUMNS; i++) {
        json_object(json, NULL);
        json_string(json, "stack", columns[i].stack);
        json_bool(json, "bare", columns[i].bare);
        json_string(json, "offer", hawser_property_offered(index, columns[i].stack, columns[i].bare));
        json_object_end(json);
    }
    json_list_end(json);
    event_end(tool);
}

static void field(struct page *page, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    fputs("  ", page->file);
    page_cell(page, COLOUR_FAINT, 11, name);
    page_wrapped(page, COLOUR_NONE, 13, 13, text);
}

/* One property in full. */
static void print_one(struct page *page, unsigned index, const hawser_property_info *p)
{
    page_text(page, COLOUR_HEAD, p->name);
    fprintf(page->file, "  (%s, %s)\n", stage_name(p->stage), type_name(p->type));
    field(page, "meaning", p->summary);
    field(page, "values", p->values);
    field(page, "default", p->default_value);
    field(page, "effect", p->effect);
    field(page, "source", p->source);
    for (size_t i = 0; p->stage == HAWSER_SELECTION && i < COLUMNS; i++) {
        const char *offer = hawser_property_offered(index, columns[i].stack, columns[i].bare);
        char stack[48];

        snprintf(stack, sizeof(stack), "%s%s", columns[i].stack, columns[i].bare ? ", bare" : "");
        fputs("  ", page->file);
        page_cell(page, COLOUR_FAINT, 11, i == 0 ? "offered" : "");
        page_cell(page, COLOUR_NONE, 15, stack);
        page_wrapped(page, COLOUR_NONE, 28, 28, offer);
    }
}

/* All, a line each, stage by stage. */
static void print_all(struct page *page)
{
    static const char *const heads[] = {"property", "type", "default", "meaning"};

    for (hawser_property_stage stage = HAWSER_SELECTION; stage <= HAWSER_READ_ONLY; stage++) {
        struct table *table = table_new(4, heads);
        hawser_property_info p;

        page_text(page, COLOUR_HEAD, stage_name(stage));
        putc('\n', page->file);
        for (unsigned i = 0; table && hawser_property_info_get(i, &p) == 0; i++) {
            const char *cells[] = {p.name, type_name(p.type), p.default_value, p.summary};

            if (p.stage == stage)
                table_add(table, cells);
        }
        if (table)
            table_print(table, page);
        table_free(table);
        putc('\n', page->file);
    }
}

/* The widest words that a stack has for its offers, or its name. */
static size_t offer_width(const struct column *column)
{
    size_t widest = strlen(column->stack);
    hawser_property_info p;

    for (unsigned i = 0; hawser_property_info_get(i, &p) == 0; i++) {
        size_t width =
            p.stage == HAWSER_SELECTION ? strlen(hawser_property_offered(i, column->stack, column->bare)) : 0;

        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_columns(struct page *page, const struct column *const *shown, unsigned count)
{
    const char *heads[COLUMNS + 1] = {shown[0]->bare ? "bare" : "over hawser/1"};
    struct table *table;
    hawser_property_info p;

    for (unsigned k = 0; k < count; k++)
        heads[k + 1] = shown[k]->stack;
    table = table_new(count + 1, heads);
    for (unsigned i = 0; table && hawser_property_info_get(i, &p) == 0; i++) {
        const char *cells[COLUMNS + 1] = {p.name};

        if (p.stage != HAWSER_SELECTION)
            continue;
        for (unsigned k = 0; k < count; k++)
            cells[k + 1] = hawser_property_offered(i, shown[k]->stack, shown[k]->bare);
        table_add(table, cells);
    }
    if (table)
        table_print(table, page);
    table_free(table);
}

/* What each stack offers of the selection properties: "yes", "no" and a few words. As many stacks beside each other as fit. */
static void print_offers(struct page *page, bool bare)
{
    const struct column *shown[COLUMNS];
    size_t width = NAME_WIDTH;
    unsigned count = 0;

    for (size_t i = 0; i < COLUMNS; i++) {
        if (columns[i].bare != bare)
            continue;
        if (count > 0 && width + offer_width(&columns[i]) + 2 > page->width) {
            print_columns(page, shown, count);
            count = 0;
            width = NAME_WIDTH;
        }
        shown[count++] = &columns[i];
        width += offer_width(&columns[i]) + 2;
    }
    if (count > 0)
        print_columns(page, shown, count);
}

/* The library's own sentence, which names the nearest one. */
static void complain_of_name(struct tool *tool, const char *name)
{
    hawser_properties *properties;

    if (hawser_properties_new(&properties) < 0) {
        complain(tool, "out of memory");
        return;
    }
    hawser_properties_set(properties, name, "");
    complain(tool, "%s", hawser_properties_wrong(properties));
    hawser_properties_unref(properties);
}

int command_properties(struct tool *tool)
{
    const struct string_list *words = &tool->options->operands;
    const char *name = words->count > 0 ? words->items[0] : NULL;
    hawser_property_info p;
    bool found = false;
    struct page page;

    page_begin(&page, stdout);
    for (unsigned i = 0; hawser_property_info_get(i, &p) == 0; i++) {
        if (name && !same_name(name, p.name))
            continue;
        found = true;
        if (tool->options->json)
            tell(tool, i, &p);
        else if (name)
            print_one(&page, i, &p);
    }
    if (!found) {
        complain_of_name(tool, name ? name : "");
        return EXIT_USAGE;
    }
    if (!name && !tool->options->json) {
        print_all(&page);
        print_offers(&page, false);
        putc('\n', page.file);
        print_offers(&page, true);
    }
    return EXIT_DONE;
}
