/* SPDX-License-Identifier: Apache-2.0 */
/* A program's set of properties. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "property/internal.h"

int hawser_properties_new(hawser_properties **ret_properties)
{
    hawser_properties *properties;

    if (!ret_properties)
        return -EINVAL;
    properties = calloc(1, sizeof *properties);
    if (!properties)
        return -ENOMEM;
    properties->refs = 1;
    properties->wrong = properties->wrong_text;
    *ret_properties = properties;
    return 0;
}

int hawser_properties_copy(const hawser_properties *properties, hawser_properties **ret_properties)
{
    int r = hawser_properties_new(ret_properties);

    if (r == 0 && properties && properties->box) {
        atomic_fetch_add(&properties->box->refs, 1);
        (*ret_properties)->box = properties->box;
    }
    return r;
}

hawser_properties *hawser_properties_ref(hawser_properties *properties)
{
    if (properties)
        properties->refs++;
    return properties;
}

static void box_unref(struct property_box *box)
{
    if (box && atomic_fetch_sub(&box->refs, 1) == 1)
        free(box);
}

hawser_properties *hawser_properties_unref(hawser_properties *properties)
{
    if (properties && --properties->refs == 0) {
        box_unref(properties->box);
        free(properties);
    }
    return NULL;
}

const struct property_values *properties_values(const hawser_properties *properties)
{
    return properties && properties->box ? &properties->box->values : &property_defaults;
}

const char *hawser_properties_wrong(const hawser_properties *properties)
{
    return properties ? properties->wrong : "";
}

static const struct property_row *find(const hawser_properties *properties, const char *name)
{
    const struct property_row *row = row_find(name);

    if (!row)
        row_unknown(name, properties->wrong, WRONG_SIZE);
    return row;
}

/* What follows from what was set, as long as it was not set itself. */
static void follow(struct property_values *values)
{
    if (!property_given(values, "msgOrdered"))
        values->msg_ordered = values->preserve_order == HAWSER_REQUIRE || values->preserve_order == HAWSER_PREFER;
    if (!property_given(values, "msgCapacityProfile"))
        values->msg_capacity_profile = values->conn_capacity_profile;
}

static int set_text(struct property_values *values, const struct property_row *row, const char *text, char *reason)
{
    return value_parse(row, values, text, reason, WRONG_SIZE);
}

/* A preference for a value of a property that is no preference itself. */
static int want_value(struct property_values *values, const struct property_row *row, hawser_preference preference,
                      const char *value, char *reason)
{
    char now[64];
    bool wanted = preference == HAWSER_REQUIRE || preference == HAWSER_PREFER;
    int r;

    if (row->kind == KIND_SET)
        return set_add(row, values, preference, value ? value : "", reason, WRONG_SIZE);
    if (!value && row->kind == KIND_BOOLEAN)
        value = "true";
    if (!value) {
        snprintf(reason, WRONG_SIZE, "%s needs a value: %s", row->name, *row->values ? row->values : "see its type");
        return -HAWSER_EPROPERTY;
    }
    if (wanted)
        return set_text(values, row, value, reason);
    if (row->kind == KIND_BOOLEAN)
        return set_text(values, row, strcasecmp(value, "true") == 0 ? "false" : "true", reason);
    if (row->kind != KIND_ENUMERATION || preference == HAWSER_NO_PREFERENCE) {
        snprintf(reason, WRONG_SIZE, "%s is a value: set it instead", row->name);
        return -HAWSER_EPROPERTY;
    }
    r = set_text(values, row, value, reason); /* whether there is such a value */
    if (r < 0)
        return r;
    value_print(row, values, now, sizeof now);
    if (strcmp(now, row->default_value) == 0) {
        snprintf(reason, WRONG_SIZE, "%s: %s is the default; set what it shall be instead: %s", row->name, now,
                 row->values);
        return -HAWSER_EPROPERTY;
    }
    return set_text(values, row, row->default_value, reason);
}

static int change_values(struct property_values *values, const struct property_row *row,
                         const hawser_preference *preference, const char *value, char *reason)
{
    int r;

    if (!preference)
        r = set_text(values, row, value, reason);
    else if (row->kind == KIND_READ_ONLY)
        r = set_text(values, row, "", reason);
    else if (row->kind != KIND_PREFERENCE)
        r = want_value(values, row, *preference, value, reason);
    else if (value && *value) {
        snprintf(reason, WRONG_SIZE, "%s is a preference and takes no value such as \"%.100s\"", row->name, value);
        r = -HAWSER_EPROPERTY;
    } else
        r = set_text(values, row, hawser_preference_name(*preference), reason);
    return r < 0 ? r : value_refuse(row, values, reason, WRONG_SIZE);
}

/* Changes a copy: a call that fails leaves all as it was. */
static int change(hawser_properties *properties, const struct property_row *row, const hawser_preference *preference,
                  const char *value)
{
    struct property_box *box = malloc(sizeof *box);
    int r;

    if (!box)
        return -ENOMEM;
    atomic_init(&box->refs, 1);
    box->values = *properties_values(properties);
    r = change_values(&box->values, row, preference, value, properties->wrong);
    if (r < 0) {
        free(box);
        return r;
    }
    box->values.given |= UINT64_C(1) << row_index(row);
    follow(&box->values);
    box_unref(properties->box);
    properties->box = box;
    return 0;
}

int hawser_properties_set(hawser_properties *properties, const char *name, const char *value)
{
    const struct property_row *row;

    if (!properties || !name || !value)
        return -EINVAL;
    row = find(properties, name);
    return row ? change(properties, row, NULL, value) : -HAWSER_EPROPERTY;
}

int hawser_properties_want(hawser_properties *properties, hawser_preference preference, const char *name,
                           const char *value)
{
    const struct property_row *row;

    if (!properties || !name || (unsigned)preference > HAWSER_PROHIBIT)
        return -EINVAL;
    row = find(properties, name);
    return row ? change(properties, row, &preference, value) : -HAWSER_EPROPERTY;
}

int hawser_properties_get(const hawser_properties *properties, const char *name, char *ret_text, size_t size)
{
    const struct property_row *row;

    if (!properties || !name)
        return -EINVAL;
    row = find(properties, name);
    if (!row)
        return -HAWSER_EPROPERTY;
    if (row->kind == KIND_READ_ONLY)
        snprintf(properties->wrong, WRONG_SIZE, "%s is asked of an association", row->name);
    return value_print(row, properties_values(properties), ret_text, size);
}
