/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of names, and of addresses. */
#include "path/policy_rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folded(char c, bool any_case)
{
    return any_case ? (char)tolower((unsigned char)c) : c;
}

/* Goes back to the last star only, so that no pattern takes long. */
bool rules_match(const char *pattern, const char *text, bool any_case)
{
    const char *star = NULL, *from = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern && (*pattern == '?' || folded(*pattern, any_case) == folded(*text, any_case))) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool rules_prefix(const char *text, int *ret_family, uint8_t ret_bytes[16], unsigned *ret_length)
{
    const char *slash = strchr(text, '/');
    char address[INET6_ADDRSTRLEN], *end;
    unsigned long length, most;

    if ((size_t)snprintf(address, sizeof address, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text) >=
        sizeof address)
        return false;
    *ret_family = strchr(address, ':') ? AF_INET6 : AF_INET;
    most = *ret_family == AF_INET6 ? 128 : 32;
    if (inet_pton(*ret_family, address, ret_bytes) != 1)
        return false;
    length = slash ? strtoul(slash + 1, &end, 10) : most;
    if (slash && (!isdigit((unsigned char)slash[1]) || *end || length > most))
        return false;
    *ret_length = (unsigned)length;
    return true;
}

bool rules_match_host(const char *pattern, const char *host)
{
    uint8_t prefix[16], bytes[16];
    int family, other_family;
    unsigned length, other_length;

    if (!rules_prefix(pattern, &family, prefix, &length) || !rules_prefix(host, &other_family, bytes, &other_length))
        return rules_match(pattern, host, true);
    if (family != other_family || length > other_length || memcmp(prefix, bytes, length / 8) != 0)
        return false;
    return length % 8 == 0 || ((prefix[length / 8] ^ bytes[length / 8]) >> (8 - length % 8)) == 0;
}
