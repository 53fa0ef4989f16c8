/* SPDX-License-Identifier: Apache-2.0 */
/* What no stack of hawser can give, and why: refused when it is asked for, rather than ignored. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "property/internal.h"

static const struct {
    const char *name, *value; /* as value_print() writes it; "*": any but the default */
    const char *why;
} refusals[] = {
    {"reliability", "prohibit", "every stack of hawser is reliable, and none loses anything on purpose"},
    {"fullChecksumSend", "prohibit", "every stack protects all that it carries"},
    {"fullChecksumRecv", "prohibit", "every stack protects all that it carries"},
    {"congestionControl", "prohibit", "every stack that leaves this host has TCP below, which holds itself back"},
    {"activeReadBeforeSend", "prohibit", "on every stack who opens may read first"},
    {"softErrorNotify", "require", "no stack tells ICMP errors that do not end the line"},
    {"security", "prefer", "hawser never goes from encrypted to plain by itself: require, avoid or prohibit it"},
    {"security", "none", "hawser never goes from encrypted to plain by itself: require, avoid or prohibit it"},
    {"connScheduler", "*", "there is one scheduler: kept bandwidth, then niceness, then deadline, then age"},
    {"minSendRate", "*", "nothing reserves a rate for a line; a stream's bandwidth keeps one within it"},
    {"minRecvRate", "*", "nothing reserves a rate for a line"},
    {"maxRecvRate", "*", "a peer cannot be held to a rate; hawser_pause() holds it back"},
    {"tcp.userTimeoutEnabled", "true",
     "Linux does not speak the TCP option of RFC 5482; tcp.userTimeoutValue works here"},
    {"tcp.userTimeoutChangeable", "true", "Linux does not read the TCP option of RFC 5482"},
    {"final", "true", "it is said of one message (.final), not of all"},
    {"noSegmentation", "true", "every stack is a sequence of bytes to TCP, which cuts it as the path demands"},
};

static bool is_proxy(const char *value)
{
    return strcmp(value, "direct") == 0 || strncmp(value, "socks5://", 9) == 0 ||
           strncmp(value, "socks5h://", 10) == 0 || strncmp(value, "http://", 7) == 0;
}

static int member_refuse(const struct property_row *row, const char *value, char *reason, size_t size)
{
    if (strcmp(row->name, "proxy") == 0 && !is_proxy(value)) {
        snprintf(reason, size, "a proxy is socks5://host:port, http://host:port or direct, not \"%.100s\"", value);
        return -HAWSER_EPROPERTY;
    }
    return 0;
}

int value_refuse(const struct property_row *row, const struct property_values *values, char *reason, size_t size)
{
    const struct property_set *set = (const void *)((const char *)values + row->offset);
    char text[64];

    if (row->kind == KIND_SET) {
        for (unsigned i = 0; i < set->count; i++)
            if (member_refuse(row, set->wants[i].value, reason, size) < 0)
                return -HAWSER_EPROPERTY;
        return 0;
    }
    value_print(row, values, text, sizeof text);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (strcmp(refusals[i].name, row->name) != 0)
            continue;
        if (refusals[i].value[0] == '*' ? strcmp(text, row->default_value) == 0 : strcmp(refusals[i].value, text) != 0)
            continue;
        snprintf(reason, size, "%s cannot be %s: %s", row->name, text, refusals[i].why);
        return -HAWSER_EPROPERTY;
    }
    return 0;
}
