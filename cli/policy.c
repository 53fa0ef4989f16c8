/* SPDX-License-Identifier: Apache-2.0 */
/* hawser policy: checks and shows the policy files (docs/policy.md). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/path.h>

#include "commands.h"
#include "terminal.h"
#include "tool.h"

#define SYSTEM_FILE "/etc/hawser/policy.conf"
#define LINE_MAX_SIZE 4096

/* The user's file; NULL when there is no home. To be freed. */
static char *user_file(void)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = -1;

    if (config && *config == '/')
        n = asprintf(&path, "%s/hawser/policy.conf", config);
    else if (home && *home)
        n = asprintf(&path, "%s/.config/hawser/policy.conf", home);
    return n < 0 ? NULL : path;
}

static void tell(struct tool *tool, const char *file, int code, const char *reason)
{
    struct json *json = event_begin(tool, "policy");

    json_string(json, "file", file);
    json_bool(json, "there", code != -ENOENT);
    json_bool(json, "good", code == 0);
    json_string(json, "reason", reason);
    event_end(tool);
}

/* Shows what a file says: lines that are neither empty nor comments, with their numbers. */
static int show_lines(struct tool *tool, const char *file)
{
    FILE *stream = fopen(file, "re");
    char line[LINE_MAX_SIZE];
    struct page page;

    if (!stream)
        return -errno;
    page_begin(&page, stdout);
    for (unsigned number = 1; fgets(line, sizeof(line), stream); number++) {
        size_t from = strspn(line, " \t");

        line[strcspn(line, "\r\n")] = '\0';
        if (line[from] == '\0' || line[from] == '#')
            continue;
        if (tool->options->json) {
            struct json *json = event_begin(tool, "rule");

            json_string(json, "file", file);
            json_unsigned(json, "line", number);
            json_string(json, "text", line + from);
            event_end(tool);
            continue;
        }
        printf("%5u  ", number);
        page_text(&page, COLOUR_NONE, line + from);
        putchar('\n');
    }
    fclose(stream);
    return 0;
}

/* 0, or negative; -ENOENT is no fault where the file was not named. */
static int one_file(struct tool *tool, const char *file, bool named, bool show)
{
    char reason[512] = "";
    int r = hawser_policy_check(file, reason, sizeof(reason));
    bool missing = r == -ENOENT && !named;

    if (r < 0 && r != -HAWSER_EPOLICY)
        snprintf(reason, sizeof(reason), "%s", hawser_strerror(r));
    tell(tool, file, r, reason);
    if (r == -HAWSER_EPOLICY)
        complain(tool, "%s", reason);
    else if (r < 0 && !missing)
        complain(tool, "the policy file %s cannot be read: %s", file, reason);
    else if (!tool->options->json)
        printf("%s: %s\n", file, r == 0 ? "good" : "not there");
    if (r == 0 && show)
        r = show_lines(tool, file);
    return missing ? 0 : r;
}

int command_policy(struct tool *tool)
{
    const struct string_list *words = &tool->options->operands;
    bool show = strcmp(words->items[0], "show") == 0;
    char *user;
    int r;

    if (!show && strcmp(words->items[0], "check") != 0) {
        complain(tool, "policy takes check or show, not %s", words->items[0]);
        return EXIT_USAGE;
    }
    if (words->count == 2)
        return one_file(tool, words->items[1], true, show) < 0 ? EXIT_FAILED : EXIT_DONE;
    user = user_file();
    r = one_file(tool, SYSTEM_FILE, false, show);
    if (user) {
        int other = one_file(tool, user, false, show);

        r = r < 0 ? r : other;
    }
    free(user);
    return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
