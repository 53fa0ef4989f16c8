/* SPDX-License-Identifier: Apache-2.0 */
/* What jansson read, as a tree in one block, for those who only look at it. */
#include "value.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 24 };

static const char NOTHING[] = "\xef\xbf\xbd"; /* U+FFFD, for NUL */

/* Where the next value and the next text go. */
struct making {
    struct value *values;
    char *texts;
};

/* What a tree takes: how many values, and bytes of texts. false: it is too deep. */
static bool measure(json_t *json, unsigned depth, size_t *count, size_t *bytes)
{
    const char *name;
    json_t *child;
    size_t i;

    if (depth > DEPTH)
        return false;
    (*count)++;
    if (json_is_string(json))
        *bytes += (sizeof NOTHING - 1) * json_string_length(json) + 1; /* all of it may be NUL */
    json_array_foreach(json, i, child) if (!measure(child, depth + 1, count, bytes)) return false;
    json_object_foreach(json, name, child)
    {
        *bytes += strlen(name) + 1;
        if (!measure(child, depth + 1, count, bytes))
            return false;
    }
    return true;
}

static const char *put_text(struct making *making, const char *text, size_t size)
{
    char *begin = making->texts, *at = begin;

    for (size_t i = 0; i < size; i++) {
        if (text[i])
            *at++ = text[i];
        else
            at = mempcpy(at, NOTHING, sizeof NOTHING - 1);
    }
    *at++ = '\0';
    making->texts = at;
    return begin;
}

static void fill(struct making *making, json_t *json, struct value *value);

static struct value **add_child(struct making *making, json_t *json, const char *name, struct value **link)
{
    struct value *child = making->values++;

    child->name = name ? put_text(making, name, strlen(name)) : NULL;
    *link = child;
    fill(making, json, child);
    return &child->next;
}

static void fill(struct making *making, json_t *json, struct value *value)
{
    struct value **link = &value->first;
    const char *name;
    json_t *child;
    size_t i;

    switch (json_typeof(json)) {
    case JSON_NULL:
        value->kind = VALUE_NULL;
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value->kind = VALUE_BOOL;
        value->number = json_is_true(json);
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        value->kind = VALUE_NUMBER;
        value->number = json_number_value(json);
        break;
    case JSON_STRING:
        value->kind = VALUE_TEXT;
        value->text = put_text(making, json_string_value(json), json_string_length(json));
        break;
    case JSON_ARRAY:
        value->kind = VALUE_LIST;
        json_array_foreach(json, i, child) link = add_child(making, child, NULL, link);
        break;
    case JSON_OBJECT:
        value->kind = VALUE_OBJECT;
        json_object_foreach(json, name, child) link = add_child(making, child, name, link);
        break;
    }
}

struct value *value_read(const char *text, size_t size)
{
    json_t *json = json_loadb(text, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    size_t count = 0, bytes = 0;
    struct making making;
    struct value *root = NULL;

    if (json && measure(json, 0, &count, &bytes))
        root = calloc(1, count * sizeof *root + bytes);
    if (root) {
        making = (struct making){root + 1, (char *)(root + count)};
        fill(&making, json, root);
    }
    json_decref(json);
    return root;
}

void value_free(struct value *value)
{
    free(value);
}

/* ------------------------------------------------------------------------------------------------------------ looking */

const struct value *value_at(const struct value *value, const char *path)
{
    while (value && *path) {
        size_t size = strcspn(path, ".");

        value = value->kind == VALUE_OBJECT ? value->first : NULL;
        while (value && (strncmp(value->name, path, size) != 0 || value->name[size]))
            value = value->next;
        path += size + (path[size] == '.');
    }
    return value;
}

double value_number(const struct value *value, const char *path, double otherwise)
{
    value = value_at(value, path);
    return value && (value->kind == VALUE_NUMBER || value->kind == VALUE_BOOL) ? value->number : otherwise;
}

uint64_t value_count(const struct value *value, const char *path)
{
    double number = value_number(value, path, 0);

    return number <= 0 ? 0 : number >= 18e18 ? (uint64_t)18e18 : (uint64_t)number;
}

const char *value_text(const struct value *value, const char *path, const char *otherwise)
{
    value = value_at(value, path);
    return value && value->kind == VALUE_TEXT ? value->text : otherwise;
}

bool value_is(const struct value *value, const char *path, const char *text)
{
    return strcmp(value_text(value, path, ""), text) == 0;
}
