/* SPDX-License-Identifier: Apache-2.0 */
#include "want.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct word {
    const char *option;
    hawser_preference preference;
    const char *property; /* NULL: the text names it */
} words[] = {
    {"require", HAWSER_REQUIRE, NULL},
    {"prefer", HAWSER_PREFER, NULL},
    {"avoid", HAWSER_AVOID, NULL},
    {"prohibit", HAWSER_PROHIBIT, NULL},
    {"property", HAWSER_NO_PREFERENCE, NULL},
    {"interface", HAWSER_REQUIRE, "interface"},
    {"proxy", HAWSER_REQUIRE, "proxy"},
    {NULL, HAWSER_NO_PREFERENCE, NULL},
};

static const struct word *word_of(const struct option *option)
{
    for (const struct word *w = words; w->option; w++)
        if (strcmp(w->option, option->name) == 0)
            return w;
    return NULL;
}

static int refuse(struct tool *tool, const struct want *want, const char *reason)
{
    complain(tool, "--%s %s: %s", want->option->name, want->text, reason);
    return -HAWSER_EPROPERTY;
}

/* name: written into, at the "=" that parts it from the value. */
static int apply(struct tool *tool, hawser_properties *properties, const struct want *want, char *name)
{
    const struct word *word = word_of(want->option);
    char *value = strchr(name, '=');
    int r;

    if (word->property) {
        r = hawser_properties_want(properties, word->preference, word->property, name);
    } else {
        if (value)
            *value++ = '\0';
        if (word->preference != HAWSER_NO_PREFERENCE)
            r = hawser_properties_want(properties, word->preference, name, value);
        else if (!value)
            return refuse(tool, want, "a value is missing: --property NAME=VALUE");
        else
            r = hawser_properties_set(properties, name, value);
    }
    if (r == -HAWSER_EPROPERTY)
        return refuse(tool, want, hawser_properties_wrong(properties));
    return r < 0 ? refuse(tool, want, hawser_strerror(r)) : 0;
}

int wants_apply(struct tool *tool, hawser_properties *properties)
{
    const struct want_list *wants = &tool->options->wants;
    int r = 0;

    for (size_t i = 0; i < wants->count && r == 0; i++) {
        char *name = strdup(wants->items[i].text);

        if (!name) {
            complain(tool, "out of memory");
            return -ENOMEM;
        }
        r = apply(tool, properties, &wants->items[i], name);
        free(name);
    }
    return r;
}

int wants_properties(struct tool *tool, hawser_properties **ret_properties)
{
    hawser_properties *properties;
    int r = hawser_properties_new(&properties);

    if (r < 0) {
        complain(tool, "out of memory");
        return r;
    }
    r = wants_apply(tool, properties);
    if (r < 0)
        hawser_properties_unref(properties);
    else
        *ret_properties = properties;
    return r;
}
