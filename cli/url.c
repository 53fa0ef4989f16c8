/* SPDX-License-Identifier: Apache-2.0 */
#include "url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int refuse(char *reason, size_t size, const char *why)
{
    snprintf(reason, size, "%s", why);
    return -EINVAL;
}

static uint16_t own_port(bool secure)
{
    return secure ? 443 : 80;
}

/* ------------------------------------------------------------------------------------------------------------- target */

/* What is no URL character goes as %XX, so that no reference can end the request line; a fragment is not sent. */
static int put_target(struct url *url, const char *text, char *reason, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = 0;

    if (*text != '/')
        url->target[at++] = '/';
    for (const unsigned char *p = (const unsigned char *)text; *p && *p != '#'; p++) {
        if (at + 4 > sizeof(url->target))
            return refuse(reason, size, "the URL is too long");
        if (*p > 0x20 && *p < 0x7f && !strchr("\"<>\\^`{|}", *p)) {
            url->target[at++] = (char)*p;
            continue;
        }
        url->target[at++] = '%';
        url->target[at++] = digits[*p >> 4];
        url->target[at++] = digits[*p & 15];
    }
    url->target[at] = '\0';
    return 0;
}

/* The last segment of what was written so far goes (RFC 3986 section 5.2.4). */
static size_t without_last(const char *path, size_t at)
{
    while (at > 0 && path[--at] != '/')
        ;
    return at;
}

/* "/a/./b/../c" is "/a/c". */
static void remove_dots(char *target)
{
    size_t length = strcspn(target, "?"), at = 0;
    char *query = strdup(target + length), *path = strndup(target, length);

    for (const char *p = path; query && path && *p;) {
        size_t segment = 1 + strcspn(p + 1, "/");
        bool last = p[segment] == '\0';

        if (segment == 2 && p[1] == '.') {
            if (last)
                target[at++] = '/';
        } else if (segment == 3 && p[1] == '.' && p[2] == '.') {
            at = without_last(target, at);
            if (last)
                target[at++] = '/';
        } else {
            memmove(target + at, p, segment);
            at += segment;
        }
        p += segment;
    }
    if (query && path)
        strcpy(target + at, query);
    free(query);
    free(path);
}

/* ---------------------------------------------------------------------------------------------------------- authority */

static int parse_port(const char *text, struct url *url, char *reason, size_t size)
{
    char *end;
    unsigned long port;

    if (*text == '\0')
        return 0; /* "host:" has the scheme's own */
    port = strspn(text, "0123456789") == strlen(text) ? strtoul(text, &end, 10) : 0;
    if (port == 0 || port > 65535)
        return refuse(reason, size, "the port is a number from 1 to 65535");
    url->port = (uint16_t)port;
    return 0;
}

static int parse_host(const char *text, size_t length, struct url *url, char *reason, size_t size)
{
    bool literal = *text == '[';

    if (length == 0)
        return refuse(reason, size, "the host is missing");
    if (length >= sizeof(url->host))
        return refuse(reason, size, "the host is too long");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (!(isascii(c) && isalnum(c)) && !strchr(literal ? "[]:.%" : "-._", c))
            return refuse(reason, size, "the host has a character that no host name has");
        url->host[i] = (char)tolower(c);
    }
    url->host[length] = '\0';
    return 0;
}

/* HOST[:PORT], up to end */
static int parse_authority(const char *text, const char *end, struct url *url, char *reason, size_t size)
{
    const char *close = *text == '[' ? memchr(text, ']', (size_t)(end - text)) : NULL;
    const char *host_end = close ? close + 1 : memchr(text, ':', (size_t)(end - text));
    char port[16];
    int r;

    if (memchr(text, '@', (size_t)(end - text)))
        return refuse(reason, size, "a user and password in a URL are not supported");
    if (*text == '[' && !close)
        return refuse(reason, size, "the ] after the IPv6 address is missing");
    if (!host_end)
        host_end = end;
    r = parse_host(text, (size_t)(host_end - text), url, reason, size);
    if (r < 0 || host_end == end)
        return r;
    if (*host_end != ':' || end - host_end > (ptrdiff_t)sizeof(port))
        return refuse(reason, size, "the port is a number from 1 to 65535");
    snprintf(port, sizeof(port), "%.*s", (int)(end - host_end - 1), host_end + 1);
    return parse_port(port, url, reason, size);
}

/* What follows "//" */
static int parse_rest(const char *text, bool secure, struct url *ret_url, char *reason, size_t size)
{
    const char *end = text + strcspn(text, "/?#");
    struct url *url = ret_url;
    int r;

    url->secure = secure;
    url->port = own_port(secure);
    r = parse_authority(text, end, url, reason, size);
    if (r == 0)
        r = put_target(url, end, reason, size);
    if (r == 0)
        remove_dots(url->target);
    return r;
}

int url_parse(const char *text, struct url *ret_url, char *reason, size_t size)
{
    if (strncasecmp(text, "https://", 8) == 0)
        return parse_rest(text + 8, true, ret_url, reason, size);
    if (strncasecmp(text, "http://", 7) == 0)
        return parse_rest(text + 7, false, ret_url, reason, size);
    return refuse(reason, size, "a URL begins with http:// or https://");
}

/* "mailto:", "http:" */
static bool has_scheme(const char *text)
{
    size_t length = strcspn(text, ":/?#");

    return text[length] == ':' && length > 0 && isalpha((unsigned char)*text);
}

int url_follow(const struct url *base, const char *reference, struct url *ret_url, char *reason, size_t size)
{
    char merged[URL_TEXT_MAX];
    size_t path = strcspn(base->target, "?"), directory = path;
    int r;

    if (has_scheme(reference))
        return url_parse(reference, ret_url, reason, size);
    if (strncmp(reference, "//", 2) == 0)
        return parse_rest(reference + 2, base->secure, ret_url, reason, size);
    while (directory > 0 && base->target[directory - 1] != '/')
        directory--;
    if (*reference == '/')
        r = snprintf(merged, sizeof(merged), "%s", reference);
    else if (*reference == '?')
        r = snprintf(merged, sizeof(merged), "%.*s%s", (int)path, base->target, reference);
    else if (*reference == '#' || *reference == '\0')
        r = snprintf(merged, sizeof(merged), "%s", base->target);
    else
        r = snprintf(merged, sizeof(merged), "%.*s%s", (int)directory, base->target, reference);
    if ((size_t)r >= sizeof(merged))
        return refuse(reason, size, "the URL is too long");
    *ret_url = *base;
    r = put_target(ret_url, merged, reason, size);
    if (r == 0)
        remove_dots(ret_url->target);
    return r;
}

void url_authority(const struct url *url, bool always_port, char *text, size_t size)
{
    if (always_port || url->port != own_port(url->secure))
        snprintf(text, size, "%s:%u", url->host, url->port);
    else
        snprintf(text, size, "%s", url->host);
}

void url_print(const struct url *url, char *text, size_t size)
{
    char authority[URL_HOST_MAX + 8];

    url_authority(url, false, authority, sizeof(authority));
    snprintf(text, size, "%s://%s%s", url->secure ? "https" : "http", authority, url->target);
}
