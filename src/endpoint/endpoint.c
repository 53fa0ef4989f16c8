/* SPDX-License-Identifier: Apache-2.0 */
/* Reading endpoints. The grammar is in docs/endpoints.md; printing is in print.c. */
#include "endpoint/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "endpoint/host.h"
#include "endpoint/port.h"
#include "endpoint/service.h"
#include "security/security.h"

#define TEXT_SIZE 512 /* more than the longest form: key name, host name, port, interface */

struct parser {
    struct endpoint endpoint;
    char *reason;
    size_t reason_size;
};

/* What is quoted is cut at 64 characters, so that the words after it are not lost. */
__attribute__((format(printf, 2, 3))) static int refuse(struct parser *parser, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (parser->reason_size)
        vsnprintf(parser->reason, parser->reason_size, format, arguments);
    va_end(arguments);
    return -HAWSER_EENDPOINT;
}

static int parse_key(struct parser *parser, const char *key)
{
    struct endpoint *e = &parser->endpoint;
    size_t length = strlen(key);

    if (strncmp(key, "hk-", 3) != 0)
        return refuse(parser, "\"%.64s\" before the @ is not a key name: those begin with hk-", key);
    if (length != sizeof e->key_name - 1)
        return refuse(parser, "the key name \"%.64s\" has %zu characters, not %zu", key, length,
                      sizeof e->key_name - 1);
    if (!key_name_valid(key))
        return refuse(parser,
                      "the key name \"%.64s\" is none: letters a-z and digits 2-7 follow hk-, with a or q at the end",
                      key);
    memcpy(e->key_name, key, length + 1);
    return 0;
}

/* What the kernel takes (dev_valid_name()), without the characters that our grammar uses. */
static int parse_interface(struct parser *parser, const char *name)
{
    if (!*name)
        return refuse(parser, "an interface's name is missing after the @");
    if (strlen(name) >= IFNAMSIZ)
        return refuse(parser, "the interface name \"%.64s\" is longer than %d characters", name, IFNAMSIZ - 1);
    if (strpbrk(name, "/: @%") || !strcmp(name, ".") || !strcmp(name, ".."))
        return refuse(parser, "\"%.64s\" cannot be an interface's name", name);
    memcpy(parser->endpoint.interface, name, strlen(name) + 1);
    return 0;
}

static int parse_port(struct parser *parser, const char *text)
{
    int r = port_parse(text, &parser->endpoint.port);

    switch (r) {
    case 0:
        return 0;
    case -EINVAL:
        return refuse(parser, "the port is missing");
    case -ERANGE:
        return refuse(parser, "the port \"%.64s\" is above 65535", text);
    case -ENOENT:
        return refuse(parser, "the port \"%.64s\" is neither a number nor a service of services(5)", text);
    default:
        return refuse(parser, "the port \"%.64s\" is no number, and services(5) cannot be read: %s", text,
                      hawser_strerror(r));
    }
}

static int zone_index(struct parser *parser, const char *zone, unsigned *ret_index)
{
    unsigned found = if_nametoindex(zone);
    int number = 0;

    if (!found && descriptor_parse(zone, &number) == 0)
        found = (unsigned)number;
    if (!found)
        return refuse(parser, "there is no interface \"%.64s\"", zone);
    *ret_index = found;
    return 0;
}

/* A link-local address means one only together with an interface (RFC 4007 section 6): by %zone or by @interface. */
static int set_scope(struct parser *parser, struct sockaddr_in6 *v6, const char *text, const char *zone)
{
    const char *interface = parser->endpoint.interface;
    bool local = IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&v6->sin6_addr);
    unsigned by_zone = 0, by_name = 0;
    int r;

    if (!local)
        return zone ? refuse(parser, "%s is not link-local and has no zone: write @%s after the port", text, zone) : 0;
    if (!zone && !*interface)
        return refuse(parser, "%s is link-local: say on which interface, as in %s%%eth0", text, text);
    if (zone && (r = zone_index(parser, zone, &by_zone)) < 0)
        return r;
    if (*interface && (r = zone_index(parser, interface, &by_name)) < 0)
        return r;
    if (zone && *interface && by_zone != by_name)
        return refuse(parser, "the zone %%%s and the interface @%s are not the same", zone, interface);
    v6->sin6_scope_id = zone ? by_zone : by_name;
    return 0;
}

static int parse_v6(struct parser *parser, char *text, const char *port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct endpoint *e = &parser->endpoint;
    char *zone = strchr(text, '%');
    int r;

    if (zone)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
        return refuse(parser, "\"%.64s\" is not an IPv6 address", text);
    if ((r = parse_port(parser, port)) < 0 || (r = set_scope(parser, &v6, text, zone)) < 0)
        return r;
    e->kind = ENDPOINT_ADDRESS;
    v6.sin6_port = htons(e->port);
    memcpy(&e->address.address, &v6, sizeof v6);
    e->address.size = sizeof v6;
    return 0;
}

static int parse_bracketed(struct parser *parser, char *text)
{
    char *end = strchr(text, ']');

    if (!end)
        return refuse(parser, "the ] after \"%.64s\" is missing", text);
    if (end[1] != ':')
        return refuse(parser, "after the ] come a colon and the port, not \"%.64s\"", end + 1);
    *end = '\0';
    return parse_v6(parser, text + 1, end + 2);
}

/* 2001:db8::1.4433: the last dot separates the port. */
static int parse_dotted(struct parser *parser, char *text)
{
    char *dot = strrchr(text, '.');

    if (!dot)
        return refuse(parser, "\"%.64s\" has more than one colon: write [ADDRESS]:PORT or ADDRESS.PORT", text);
    *dot = '\0';
    return parse_v6(parser, text, dot + 1);
}

static int parse_host(struct parser *parser, char *text)
{
    struct endpoint *e = &parser->endpoint;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    char *port = strchr(text, ':');
    const char *wrong;
    int r;

    *port++ = '\0';
    if (inet_pton(AF_INET, text, &v4.sin_addr) != 1) {
        if ((wrong = host_name_check(text, e->host)))
            return refuse(parser, "the host name \"%.64s\" cannot be used: %s", text, wrong);
        e->kind = ENDPOINT_HOST;
        return parse_port(parser, port);
    }
    if ((r = parse_port(parser, port)) < 0)
        return r;
    e->kind = ENDPOINT_ADDRESS;
    v4.sin_port = htons(e->port);
    memcpy(&e->address.address, &v4, sizeof v4);
    e->address.size = sizeof v4;
    return 0;
}

/* The path is the rest, whatever it holds; a first @ stands for the NUL byte of an abstract name (unix(7)). */
static int parse_unix(struct parser *parser, const char *path)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct endpoint *e = &parser->endpoint;
    size_t length = strlen(path);
    bool abstract = *path == '@';

    if (length == (abstract ? 1 : 0))
        return refuse(parser, "a path is missing after unix:%s", path);
    if (length >= sizeof local.sun_path)
        return refuse(parser, "the path has %zu characters, a socket's has at most %zu", length,
                      sizeof local.sun_path - 1);
    memcpy(local.sun_path, path, length);
    if (abstract)
        local.sun_path[0] = '\0';
    e->kind = ENDPOINT_UNIX;
    memcpy(&e->address.address, &local, sizeof local);
    e->address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    return 0;
}

static int parse_fd(struct parser *parser, const char *text)
{
    if (descriptor_parse(text, &parser->endpoint.fd) < 0)
        return refuse(parser, "\"%.64s\" after fd: is not a descriptor's number", text);
    parser->endpoint.kind = ENDPOINT_FD;
    return 0;
}

static int parse_service(struct parser *parser, const char *text)
{
    const char *wrong = service_name_check(text, parser->endpoint.host);

    if (wrong)
        return refuse(parser, "the service name \"%.64s\" cannot be used: %s", text, wrong);
    parser->endpoint.kind = ENDPOINT_SERVICE;
    return 0;
}

static int refuse_without_port(struct parser *parser, const char *text)
{
    if (*text == '_' || strstr(text, "._"))
        return refuse(parser,
                      "\"%.64s\" is neither a host with a port nor a service name: those have _SERVICE._tcp or "
                      "_SERVICE._udp, and then the domain",
                      text);
    return refuse(parser, "\"%.64s\" has no port: write %s:PORT", text, *text ? text : "HOST");
}

bool endpoint_is_group(const struct endpoint *endpoint)
{
    const struct sockaddr_storage *address = &endpoint->address.address;
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (endpoint->kind != ENDPOINT_ADDRESS)
        return false;
    return address->ss_family == AF_INET ? IN_MULTICAST(ntohl(v4->sin_addr.s_addr))
                                         : IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
}

/* Of one group only what one sender says (RFC 9622 section 6.1.1, WithSingleSourceMulticastGroupIP). */
static int parse_source(struct parser *parser, const char *text)
{
    struct layer_address *source = &parser->endpoint.source;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&source->address, &v4, sizeof v4);
        source->size = sizeof v4;
    } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(&source->address, &v6, sizeof v6);
        source->size = sizeof v6;
    } else {
        return refuse(parser, "\"%.64s\" before the > is not an address", text);
    }
    return 0;
}

static int check_source(struct parser *parser)
{
    const struct endpoint *e = &parser->endpoint;

    if (e->source.size == 0)
        return 0;
    if (!endpoint_is_group(e))
        return refuse(parser, "a source stands before a multicast group only");
    if (e->source.address.ss_family != e->address.address.ss_family)
        return refuse(parser, "the source and the group are not of one family");
    return 0;
}

static int parse_place(struct parser *parser, char *text)
{
    char *colon;

    if (service_looks(text))
        return parse_service(parser, text);
    if (*text == '[')
        return parse_bracketed(parser, text);
    if (!(colon = strchr(text, ':')))
        return refuse_without_port(parser, text);
    return strchr(colon + 1, ':') ? parse_dotted(parser, text) : parse_host(parser, text);
}

static int parse_where(struct parser *parser, char *text)
{
    char *at;
    int r;

    if (!strncmp(text, "unix:", 5))
        return parse_unix(parser, text + 5);
    if (!strncmp(text, "fd:", 3))
        return parse_fd(parser, text + 3);
    if ((at = service_strchr(text, '@'))) {
        *at = '\0';
        if ((r = parse_interface(parser, at + 1)) < 0)
            return r;
    }
    if ((at = service_looks(text) ? NULL : strchr(text, '>'))) {
        *at = '\0';
        if ((r = parse_source(parser, text)) < 0)
            return r;
        text = at + 1;
    }
    r = parse_place(parser, text);
    return r < 0 ? r : check_source(parser);
}

/* Every form of `where` has a colon or is a service name, and a key name is neither. */
static bool key_goes_before(char *text, char *at)
{
    bool service;

    if (memchr(text, ':', (size_t)(at - text)))
        return false;
    *at = '\0';
    service = service_looks(text);
    *at = '@';
    return !service;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint, char *reason, size_t reason_size)
{
    struct parser parser = {.endpoint = {.fd = -1}, .reason = reason, .reason_size = reason_size};
    char copy[TEXT_SIZE], *where = copy, *at;
    size_t length = strlen(text);
    int r;

    if (length == 0)
        return refuse(&parser, "it is empty");
    if (length >= sizeof copy)
        return refuse(&parser, "it is longer than %zu characters", sizeof copy - 1);
    memcpy(copy, text, length + 1);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
            return refuse(&parser, "there is a control character at position %zu", i + 1);
    at = service_strchr(copy, '@');
    if (at && key_goes_before(copy, at)) {
        *at = '\0';
        if ((r = parse_key(&parser, copy)) < 0)
            return r;
        where = at + 1;
    }
    if ((r = parse_where(&parser, where)) < 0)
        return r;
    *ret_endpoint = parser.endpoint;
    return 0;
}
