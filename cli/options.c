/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static const struct option *option_find(const char *name, size_t length, unsigned command)
{
    const struct option *other = NULL;

    for (const struct option *o = options_table; o->name; o++) {
        if (strlen(o->name) != length || strncmp(o->name, name, length) != 0)
            continue;
        if (o->commands & command)
            return o;
        other = o;
    }
    return other;
}

static bool append(struct string_list *list, char *item)
{
    char **items = realloc(list->items, (list->count + 2) * sizeof(*items));

    if (!items)
        return false;
    items[list->count] = item;
    items[list->count + 1] = NULL;
    list->items = items;
    list->count++;
    return true;
}

static bool append_want(struct want_list *list, const struct option *option, const char *text)
{
    struct want *items = realloc(list->items, (list->count + 1) * sizeof(*items));

    if (!items)
        return false;
    items[list->count] = (struct want){option, text};
    list->items = items;
    list->count++;
    return true;
}

static int set_verification(const char *text, hawser_verification *ret_level)
{
    for (hawser_verification v = HAWSER_VERIFICATION_NONE; v <= HAWSER_VERIFICATION_KEY; v++) {
        if (strcmp(hawser_verification_name(v), text) == 0) {
            *ret_level = v;
            return 0;
        }
    }
    return -EINVAL;
}

static int set_policy(const char *text, hawser_policy *ret_policy)
{
    static const struct {
        const char *name;
        hawser_policy policy;
    } names[] = {
        {"handover", HAWSER_HANDOVER},
        {"interactive", HAWSER_INTERACTIVE},
        {"aggregate", HAWSER_AGGREGATE},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(names[i].name, text) == 0) {
            *ret_policy = names[i].policy;
            return 0;
        }
    }
    return -EINVAL;
}

static int set_value(const struct option *option, char *value, struct options *options)
{
    void *field = (char *)options + option->field;

    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_STRING:
        *(const char **)field = value;
        return 0;
    case OPTION_STRINGS:
        return append(field, value) ? 0 : -ENOMEM;
    case OPTION_INTEGER:
        return parse_integer(value, option->least, option->most, field);
    case OPTION_DURATION:
        return parse_duration(value, field);
    case OPTION_SIZE:
        return parse_size(value, field);
    case OPTION_VERIFICATION:
        return set_verification(value, field);
    case OPTION_POLICY:
        return set_policy(value, field);
    case OPTION_WANT:
        return append_want(field, option, value) ? 0 : -ENOMEM;
    case OPTION_HELP:
        break;
    }
    return -EINVAL;
}

static enum parse_result wrong(const struct command *command, const char *what, const char *word, const char *why)
{
    fprintf(stderr, "hawser %s: %s%s%s; see 'hawser %s --help'\n", command->name, what, word, why, command->name);
    return PARSE_ERROR;
}

static enum parse_result wrong_value(const struct command *command, const struct option *option, const char *value,
                                     int r)
{
    char text[256];

    snprintf(text, sizeof(text), "=%.100s %s (%s: %s)", value, r == -ERANGE ? "is out of range" : "is not understood",
             option->argument, option->help);
    return wrong(command, "--", option->name, text);
}

/* One word that begins with "--"; *at is moved past its value. */
static enum parse_result parse_option(const struct command *command, int argc, char **argv, int *at,
                                      struct options *options)
{
    char *word = argv[*at] + 2;
    char *value = strchr(word, '=');
    size_t length = value ? (size_t)(value - word) : strlen(word);
    const struct option *option = option_find(word, length, command->bit);
    int r;

    if (!option)
        return wrong(command, "unknown option ", argv[*at], "");
    if (!(option->commands & command->bit))
        return wrong(command, "--", option->name, " does not apply here");
    if (option->kind == OPTION_HELP)
        return PARSE_HELP;
    if (value)
        value++;
    if (!option->argument) {
        if (value)
            return wrong(command, "--", option->name, " takes no value");
    } else if (!value) {
        if (*at + 1 >= argc)
            return wrong(command, "--", option->name, " needs a value");
        value = argv[++*at];
    }
    r = set_value(option, value, options);
    if (r == -ENOMEM)
        return wrong(command, "out of memory", "", "");
    return r < 0 ? wrong_value(command, option, value, r) : PARSE_OK;
}

enum parse_result options_parse(const struct command *command, int argc, char **argv, struct options *ret_options)
{
    struct options options = {
        .command = command,
        .count = -1,
        .interval_us = -1,
        .reestablish_us = 60000000,
        .port = -1,
        .ready_fd = -1,
        .connections = 1,
        .warm = -1,
        .queued = -1,
        .size = 64,
    };
    enum parse_result result = PARSE_OK;
    bool only_operands = false;

    for (int i = 0; i < argc && result == PARSE_OK; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (!only_operands && strcmp(argv[i], "-h") == 0)
            result = PARSE_HELP;
        else if (!only_operands && strncmp(argv[i], "--", 2) == 0)
            result = parse_option(command, argc, argv, &i, &options);
        else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0')
            result = wrong(command, "unknown option ", argv[i], " (options are written --name)");
        else if (!append(&options.operands, argv[i]))
            result = wrong(command, "out of memory", "", "");
    }
    if (result == PARSE_OK && options.operands.count < command->least_operands &&
        options.operands.count + options.after.count < command->least_operands)
        result = wrong(command, "too few arguments: ", command->operands, " is needed");
    else if (result == PARSE_OK && options.operands.count > command->most_operands)
        result = wrong(command, "unexpected argument ", options.operands.items[command->most_operands], "");
    if (result == PARSE_OK)
        *ret_options = options;
    else
        options_free(&options);
    return result;
}

void options_free(struct options *options)
{
    struct string_list *const lists[] = {&options->operands, &options->after, &options->also, &options->connect_to};

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        free(lists[i]->items);
        *lists[i] = (struct string_list){0};
    }
    free(options->wants.items);
    options->wants = (struct want_list){0};
}

void help_print(FILE *file)
{
    fprintf(file, "usage: hawser COMMAND [OPTION...] [ARGUMENT...]\n\n"
                  "One line to a named peer, found, raced and secured: messages, files and streams.\n\ncommands:\n");
    for (const struct command *c = commands; c->name; c++)
        fprintf(file, "  %-10s %s\n", c->name, c->summary);
    fprintf(file, "\n  hawser help COMMAND, hawser COMMAND --help: the options of a command\n"
                  "  hawser --version: the version\n\n"
                  "exit status: 0 done, 1 something expired or failed, 2 usage, 3 no association\n");
}

void help_print_command(FILE *file, const struct command *command)
{
    fprintf(file, "usage: hawser %s [OPTION...] %s\n\n%s.\n%s\n\noptions:\n", command->name, command->operands,
            command->summary, command->help);
    for (const struct option *o = options_table; o->name; o++) {
        char left[64];

        if (!(o->commands & command->bit))
            continue;
        snprintf(left, sizeof(left), "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        fprintf(file, "  %-28s  %s\n", left, o->help);
    }
}
