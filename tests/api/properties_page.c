/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/properties.md has the tables that the library makes of its own: properties_page docs/properties.md fails where they
 * differ, and says how to write them anew: properties_page --write docs/properties.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/hawser.h>

#define BEGIN "<!-- made by tests/api/properties_page.c: begin -->\n"
#define END "<!-- made by tests/api/properties_page.c: end -->\n"

static const char *const type_names[] = {
    [HAWSER_PREFERENCE] = "preference",
    [HAWSER_BOOLEAN] = "boolean",
    [HAWSER_INTEGER] = "integer",
    [HAWSER_DURATION] = "duration",
    [HAWSER_RATE] = "rate",
    [HAWSER_ENUMERATION] = "one of",
    [HAWSER_SET] = "set",
};

static const struct {
    const char *stack, *title;
    bool bare;
} stacks[] = {
    {"tls/tcp", "`tls/tcp` hawser/1", false},
    {"tls/mptcp", "`tls/mptcp` hawser/1", false},
    {"tls/unix", "`tls/unix` hawser/1", false},
    {"tls/tcp", "`tls/tcp` bare", true},
    {"tcp", "`tcp`", true},
    {"mptcp", "`mptcp`", true},
    {"unix", "`unix`", true},
};

static const struct {
    hawser_property_stage stage;
    const char *title;
} stages[] = {
    {HAWSER_SELECTION, "Selection properties"},
    {HAWSER_CONNECTION, "Connection properties"},
    {HAWSER_PER_MESSAGE, "Message properties, as defaults"},
    {HAWSER_READ_ONLY, "Read-only properties"},
};

/* With a blank behind each comma, so that a page can break lines there. */
static void put_values(FILE *page, const char *values)
{
    for (; *values; values++)
        fprintf(page, *values == ',' ? ", " : "%c", *values);
}

static void put_row(FILE *page, const hawser_property_info *info)
{
    fprintf(page, "| `%s` | %s", info->name, type_names[info->type]);
    if (*info->values) {
        fputc(' ', page);
        put_values(page, info->values);
    }
    fprintf(page, " | %s | %s | %s | %s |\n", *info->default_value ? info->default_value : "", info->summary,
            info->effect, info->source);
}

static void put_stage(FILE *page, unsigned stage)
{
    hawser_property_info info;

    fprintf(page, "\n### %s\n\n", stages[stage].title);
    fprintf(page, "| property | type | default | says | what hawser does | from |\n|---|---|---|---|---|---|\n");
    for (unsigned i = 0; hawser_property_info_get(i, &info) == 0; i++)
        if (info.stage == stages[stage].stage)
            put_row(page, &info);
}

static void put_offers(FILE *page)
{
    hawser_property_info info;

    fprintf(page, "\n### What each stack gives\n\n| property |");
    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++)
        fprintf(page, " %s |", stacks[i].title);
    fprintf(page, "\n|---|");
    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++)
        fprintf(page, "---|");
    fputc('\n', page);
    for (unsigned i = 0; hawser_property_info_get(i, &info) == 0; i++) {
        if (info.stage == HAWSER_READ_ONLY)
            continue;
        fprintf(page, "| `%s` |", info.name);
        for (size_t j = 0; j < sizeof stacks / sizeof *stacks; j++)
            fprintf(page, " %s |", hawser_property_offered(i, stacks[j].stack, stacks[j].bare));
        fputc('\n', page);
    }
}

static char *make_tables(void)
{
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);

    if (!page)
        abort();
    for (unsigned i = 0; i < sizeof stages / sizeof *stages; i++)
        put_stage(page, i);
    put_offers(page);
    fputc('\n', page);
    fclose(page);
    return text;
}

static char *read_page(const char *path)
{
    const size_t most = 1 << 20;
    FILE *file = fopen(path, "re");
    char *text = calloc(1, most);

    if (!file || !text || fread(text, 1, most - 1, file) == 0) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return text;
}

static int write_page(const char *path, const char *text, const char *begin, const char *tables, const char *end)
{
    FILE *file = fopen(path, "we");

    if (!file) {
        perror(path);
        return 1;
    }
    fprintf(file, "%.*s%s%s", (int)(begin - text), text, tables, end);
    return fclose(file) == 0 ? 0 : 1;
}

/* The first line that differs. */
static int differ(const char *path, const char *has, const char *made)
{
    while (*has && *has == *made) {
        size_t size = strcspn(has, "\n") + 1;

        if (strncmp(has, made, size) != 0)
            break;
        has += size;
        made += size;
    }
    fprintf(stderr, "%s is not what the table says. The page:\n%.*s\nThe table:\n%.*s\nproperties_page --write %s\n",
            path, (int)strcspn(has, "\n"), has, (int)strcspn(made, "\n"), made, path);
    return 1;
}

int main(int count, char **arguments)
{
    bool write = count == 3 && strcmp(arguments[1], "--write") == 0;
    const char *path = arguments[count - 1], *begin, *end;
    char *text, *tables;
    int r = 0;

    if (count < 2 || (count > 2 && !write)) {
        fprintf(stderr, "usage: properties_page [--write] PAGE\n");
        return 2;
    }
    text = read_page(path);
    begin = strstr(text, BEGIN);
    end = strstr(text, END);
    if (!begin || !end || end < begin) {
        fprintf(stderr, "%s: there is no place for the tables\n", path);
        return 1;
    }
    begin += strlen(BEGIN);
    tables = make_tables();
    if (write)
        r = write_page(path, text, begin, tables, end);
    else if (strlen(tables) != (size_t)(end - begin) || strncmp(begin, tables, strlen(tables)) != 0)
        r = differ(path, begin, tables);
    free(tables);
    free(text);
    return r;
}
