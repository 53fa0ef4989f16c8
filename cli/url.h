/* SPDX-License-Identifier: Apache-2.0 */
/* http:// and https:// URLs, as RFC 3986 and RFC 9110 section 4.2 write them. */
#ifndef CLI_URL_H
#define CLI_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { URL_HOST_MAX = 256, URL_TARGET_MAX = 8192, URL_TEXT_MAX = URL_HOST_MAX + URL_TARGET_MAX + 32 };

struct url {
    bool secure;
    char host[URL_HOST_MAX]; /* in lower case; an IPv6 address with its brackets */
    uint16_t port;
    char target[URL_TARGET_MAX]; /* path and query; what a request line cannot hold is percent-encoded */
};

/* -EINVAL, and what is wrong. */
int url_parse(const char *text, struct url *ret_url, char *reason, size_t size);
/* A reference found in base (a Location header): absolute, or relative to base (RFC 3986 section 5.2). */
int url_follow(const struct url *base, const char *reference, struct url *ret_url, char *reason, size_t size);
/* "example.org:8080"; without the scheme's own port, for a Host header */
void url_authority(const struct url *url, bool always_port, char *text, size_t size);
void url_print(const struct url *url, char *text, size_t size);

#endif
