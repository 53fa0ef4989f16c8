/* SPDX-License-Identifier: Apache-2.0 */
/* What a program wants, held against what there is: stacks, interfaces, families; and against itself. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "property/internal.h"

/* ----------------------------------------------------------------------------------------------------------- stacks */

static int prohibited(char *reason, size_t size, const char *name, bool required, const struct property_stack *stack)
{
    const char *over = stack->session ? " with hawser/1" : stack->secure ? " without hawser/1" : "";

    snprintf(reason, size, "%s is %s, and %s%s %s it", name, required ? "required" : "prohibited", stack->name, over,
             required ? "does not give" : "gives");
    return -HAWSER_EPROHIBITED;
}

/* The form of a stack is the ladder's to order; its preference only excludes. */
static bool ranks(const struct property_row *row, const struct property_values *values)
{
    return row_given(values, row) && row->offset != offsetof(struct property_values, session) &&
           row->offset != offsetof(struct property_values, security);
}

static int judge_preference(const struct property_values *values, const struct property_row *row,
                            const struct property_stack *stack, int *rank, char *reason, size_t size)
{
    const char *offered = row->offered(stack);
    bool has = strcmp(offered, "yes") == 0, lacks = strcmp(offered, "no") == 0;

    switch (row_preference(values, row)) {
    case HAWSER_REQUIRE:
        return lacks ? prohibited(reason, size, row->name, true, stack) : 0;
    case HAWSER_PROHIBIT:
        return has ? prohibited(reason, size, row->name, false, stack) : 0;
    case HAWSER_PREFER:
        *rank -= ranks(row, values) && !lacks;
        return 0;
    case HAWSER_AVOID:
        *rank += ranks(row, values) && has;
        return 0;
    case HAWSER_NO_PREFERENCE:
        return 0;
    }
    return 0;
}

int property_judge_line(const struct property_values *values, const struct property_stack *stack, char *reason,
                        size_t size)
{
    if (!stack->session && strncmp(stack->name, "quic/", 5) == 0 && values->conn_timeout_us &&
        property_given(values, "connTimeout")) {
        snprintf(reason, size, "connTimeout is set, and a bare line over %s has no time-out of its own", stack->name);
        return -HAWSER_EPROHIBITED;
    }
    if (!values->max_send_rate || (!stack->multipath && !stack->unix_socket && !stack->udp))
        return 0;
    snprintf(reason, size, "maxSendRate is set, and %s cannot be held to a rate", stack->name);
    return -HAWSER_EPROHIBITED;
}

/* A stack of several paths that is named counts as wanted, as long as nothing else was said. */
static int judge_multipath(const struct property_values *values, const struct property_stack *stack, int *rank,
                           char *reason, size_t size)
{
    if (stack->multipath && values->multipath == MULTIPATH_DISABLED && property_given(values, "multipath")) {
        snprintf(reason, size, "multipath is disabled, and %s is over several paths", stack->name);
        return -HAWSER_EPROHIBITED;
    }
    if (values->multipath == MULTIPATH_ACTIVE)
        *rank -= stack->multipath;
    return 0;
}

int property_judge_stack(const struct property_values *values, const struct property_stack *stack, int *ret_rank,
                         char *reason, size_t size)
{
    int rank = 0, r = 0;

    for (unsigned i = 0; i < property_row_count && r == 0; i++) {
        const struct property_row *row = &property_rows[i];

        /* An address is the path's to choose. */
        if (row->kind == KIND_PREFERENCE &&
            row->offset != offsetof(struct property_values, use_temporary_local_address))
            r = judge_preference(values, row, stack, &rank, reason, size);
    }
    if (r == 0)
        r = judge_multipath(values, stack, &rank, reason, size);
    if (r == 0)
        r = property_judge_line(values, stack, reason, size);
    if (r == 0)
        *ret_rank = rank;
    return r;
}

/* ------------------------------------------------------------------------------------------- interfaces and families */

static int judge_set(const char *property, const struct property_set *set, const char *name, const char *other,
                     int *rank, char *reason, size_t size)
{
    const char *required = NULL;
    bool met = false;

    for (unsigned i = 0; i < set->count; i++) {
        const struct property_want *want = &set->wants[i];
        bool is = fnmatch(want->value, name, 0) == 0 || (*other && strcasecmp(want->value, other) == 0);

        switch (want->preference) {
        case HAWSER_REQUIRE:
            met |= is;
            required = want->value;
            break;
        case HAWSER_PROHIBIT:
            if (is) {
                snprintf(reason, size, "%s prohibits %s", property, want->value);
                return -HAWSER_EPROHIBITED;
            }
            break;
        case HAWSER_PREFER:
            *rank -= is;
            break;
        case HAWSER_AVOID:
            *rank += is;
            break;
        case HAWSER_NO_PREFERENCE:
            break;
        }
    }
    if (required && !met) {
        snprintf(reason, size, "%s requires %s, and this is %s%s%s%s", property, required, name, *other ? " (" : "",
                 other, *other ? ")" : "");
        return -HAWSER_EPROHIBITED;
    }
    return 0;
}

int property_judge_interface(const struct property_values *values, const char *name, const char *type, int *ret_rank,
                             char *reason, size_t size)
{
    int rank = 0, r = judge_set("interface", &values->interface, name, type, &rank, reason, size);

    if (r == 0)
        *ret_rank = rank;
    return r;
}

int property_judge_family(const struct property_values *values, const char *family, int *ret_rank, char *reason,
                          size_t size)
{
    int rank = 0, r = judge_set("family", &values->family, family, "", &rank, reason, size);

    if (r == 0)
        *ret_rank = rank;
    return r;
}

unsigned property_dscp(enum property_capacity profile)
{
    /* LE (RFC 8622), AF41, AF21, AF31, AF11 (RFC 2597); RFC 9622 prints a fourth drop class, which there is not. */
    static const unsigned char dscp[] = {
        [CAPACITY_DEFAULT] = 0,
        [CAPACITY_SCAVENGER] = 1,
        [CAPACITY_LOW_LATENCY_INTERACTIVE] = 34,
        [CAPACITY_LOW_LATENCY_NON_INTERACTIVE] = 18,
        [CAPACITY_CONSTANT_RATE] = 26,
        [CAPACITY_SEEKING] = 10,
    };

    return (unsigned)profile < sizeof dscp ? dscp[profile] : 0;
}
