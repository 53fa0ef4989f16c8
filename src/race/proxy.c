/* SPDX-License-Identifier: Apache-2.0 */
/* Proxies by their URLs: socks5://[user[:password]@]host:port and http://... (S4.18, S4.24). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "race/internal.h"

static const struct {
    const char *scheme, *layer;
} schemes[] = {{"socks5://", "socks5"}, {"socks5h://", "socks5"}, {"http://", "http-connect"}};

/* %41 as A, in place. */
static bool percent_decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++, to++) {
        char hex[3] = "";

        if (*from != '%') {
            *to = *from;
            continue;
        }
        if (!isxdigit((unsigned char)from[1]) || !isxdigit((unsigned char)from[2]))
            return false;
        memcpy(hex, from + 1, 2);
        *to = (char)strtoul(hex, NULL, 16);
        if (!*to)
            return false;
        from += 2;
    }
    *to = '\0';
    return true;
}

/* The name and password in it are nobody else's: sentences go into logs. */
static int wrong(char *reason, size_t size, const char *url, const char *what)
{
    const char *host = strstr(url, "://"), *at = strrchr(url, '@');

    host = host ? host + 3 : url;
    if (at && at > host)
        snprintf(reason, size, "the proxy \"%.*s...%.80s\" cannot be used: %s", (int)(host - url), url, at, what);
    else
        snprintf(reason, size, "the proxy \"%.80s\" cannot be used: %s", url, what);
    return -HAWSER_EPROPERTY;
}

/* The credentials before the host, where there are some; the rest is what follows them. */
static char *split_user(struct source *proxy, char *rest)
{
    char *at = strrchr(rest, '@'), *colon;

    if (!at)
        return rest;
    *at = '\0';
    proxy->user = rest;
    colon = strchr(rest, ':');
    if (colon) {
        *colon = '\0';
        proxy->password = colon + 1;
    }
    return at + 1;
}

static int proxy_parse(struct source *proxy, const char *url, char *reason, size_t size)
{
    char problem[160] = "", *rest = NULL, *slash;

    proxy->proxy = true;
    proxy->texts = strdup(url);
    if (!proxy->texts)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) == 0)
            rest = proxy->texts + strlen(schemes[i].scheme);
    if (!rest)
        return wrong(reason, size, url, "it begins with neither socks5:// nor http://");
    slash = strchr(rest, '/');
    if (slash && slash[1])
        return wrong(reason, size, url, "nothing comes after its port");
    if (slash)
        *slash = '\0';
    rest = split_user(proxy, rest);
    if ((proxy->user && !percent_decode((char *)proxy->user)) ||
        (proxy->password && !percent_decode((char *)proxy->password)))
        return wrong(reason, size, url, "a % is not followed by two hexadecimal digits");
    if (endpoint_parse(rest, &proxy->given.endpoint, problem, sizeof problem) < 0)
        return wrong(reason, size, url, problem);
    if (proxy->given.endpoint.kind != ENDPOINT_HOST && proxy->given.endpoint.kind != ENDPOINT_ADDRESS)
        return wrong(reason, size, url, "it has to be at a host and a port");
    return 0;
}

const char *proxy_layer(const struct source *proxy)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(proxy->texts, schemes[i].scheme, strlen(schemes[i].scheme)) == 0)
            return schemes[i].layer;
    return "";
}

static bool set_demands(const struct property_set *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        bool direct = strcmp(set->wants[i].value, "direct") == 0;

        if (set->wants[i].preference == (direct ? HAWSER_PROHIBIT : HAWSER_REQUIRE))
            return true;
    }
    return false;
}

bool proxies_only(const struct establish *e)
{
    struct property_set by_policy = {0};

    if (set_demands(&e->config.values->proxy))
        return true;
    policy_proxies(e->policy, e->sources[0].host, &by_policy);
    return set_demands(&by_policy);
}

static bool same_set(const struct property_set *one, const struct property_set *other)
{
    for (unsigned i = 0; i < one->count && i < other->count; i++)
        if (strcmp(one->wants[i].value, other->wants[i].value) != 0)
            return false;
    return one->count == other->count;
}

bool proxies_suit(const struct establish *e, unsigned endpoint, bool by_proxy)
{
    struct property_set first = {0}, own = {0};

    if (e->sources[endpoint].given.endpoint.kind == ENDPOINT_UNIX)
        return true;
    policy_proxies(e->policy, e->sources[0].host, &first);
    policy_proxies(e->policy, e->sources[endpoint].host, &own);
    return !set_demands(&own) || (by_proxy && same_set(&first, &own));
}

static int add_set(struct establish *e, const struct property_set *set, char *reason, size_t size)
{
    for (unsigned i = 0; i < set->count; i++) {
        struct source *proxy = &e->sources[e->source_count];
        int r;

        if (strcmp(set->wants[i].value, "direct") == 0 || set->wants[i].preference == HAWSER_PROHIBIT)
            continue;
        if (e->source_count == e->endpoint_count + PROXIES_MAX) {
            snprintf(reason, size, "there are more than %d proxies", PROXIES_MAX);
            return -HAWSER_EPROPERTY;
        }
        e->source_count++; /* gather_free() frees its texts */
        proxy->establish = e;
        proxy->preference = set->wants[i].preference;
        r = proxy_parse(proxy, set->wants[i].value, reason, size);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool requires_direct(const struct property_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (strcmp(set->wants[i].value, "direct") == 0 && set->wants[i].preference == HAWSER_REQUIRE)
            return true;
    return false;
}

static bool set_has(const struct property_set *set, const char *url)
{
    for (unsigned i = 0; i < set->count; i++)
        if (strcmp(set->wants[i].value, url) == 0)
            return true;
    return false;
}

/* What the program requires, and the policy's demand does not know. */
static const char *required_beside(const struct property_set *program, const struct property_set *policy)
{
    for (unsigned i = 0; i < program->count; i++)
        if (program->wants[i].preference == HAWSER_REQUIRE && !set_has(policy, program->wants[i].value))
            return program->wants[i].value;
    return NULL;
}

/* The policy demands a proxy: nothing that the program says leads around it. */
static int add_demanded(struct establish *e, const struct property_set *by_policy, char *reason, size_t size)
{
    const char *other = required_beside(&e->config.values->proxy, by_policy);

    if (other) {
        snprintf(reason, size, "the policy demands another way than %s, which is required",
                 strcmp(other, "direct") == 0 ? "direct" : "the proxy");
        return -HAWSER_EPROHIBITED;
    }
    e->ranked_by_policy = true;
    return add_set(e, by_policy, reason, size);
}

/* The program's own first; what it says holds against the policy's wishes, not its demands. */
int proxies_make(struct establish *e, char *reason, size_t size)
{
    struct property_set by_policy = {0};
    int r = 0;

    if (e->sources[0].given.endpoint.kind == ENDPOINT_UNIX)
        return 0;
    policy_proxies(e->policy, e->sources[0].host, &by_policy);
    if (set_demands(&by_policy))
        return add_demanded(e, &by_policy, reason, size);
    if (requires_direct(&e->config.values->proxy))
        return 0;
    r = add_set(e, &e->config.values->proxy, reason, size);
    if (r == 0 && by_policy.count > 0 && e->config.values->proxy.count == 0) {
        r = add_set(e, &by_policy, reason, size);
        e->ranked_by_policy = e->source_count > e->endpoint_count;
    }
    return r;
}
