/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/service.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "endpoint/dns_name.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
#define ESCAPED ".@:\\"

char *service_strchr(const char *text, char c)
{
    for (; *text; text++) {
        if (*text == c)
            return (char *)(uintptr_t)text;
        if (*text == '\\' && text[1])
            text++;
    }
    return NULL;
}

static bool is_protocol(const char *label)
{
    return (!strncasecmp(label, "_tcp", 4) || !strncasecmp(label, "_udp", 4)) && (label[4] == '.' || !label[4]);
}

/* The label of the service, "_ipp._tcp.local" of the whole; NULL: it has none. */
static const char *find_service(const char *text)
{
    const char *dot;

    for (const char *label = text; (dot = service_strchr(label, '.')); label = dot + 1)
        if (*label == '_' && is_protocol(dot + 1))
            return label;
    return NULL;
}

/* What follows "_ipp._tcp": "" or ".local". */
static const char *domain_of(const char *service)
{
    return strchr(service, '.') + strlen("._tcp");
}

bool service_looks(const char *text)
{
    const char *service = find_service(text);

    return service && !strchr(domain_of(service), ':');
}

bool service_has_instance(const char *name)
{
    return find_service(name) != name;
}

/* No overlong forms, no surrogates, nothing beyond U+10FFFF (RFC 3629 section 4). How long the character is; 0: none. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
    uint32_t code;

    if (length <= 1)
        return length;
    if (length > left)
        return 0;
    code = *at & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    return code < lowest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

static const char *check_instance(const uint8_t *bytes, size_t size)
{
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7f)
            return "a control character stands in its instance";
        if ((length = utf8_length(bytes + i, size - i)) == 0)
            return "its instance is not UTF-8";
    }
    return NULL;
}

static const char *write_instance(const uint8_t *bytes, size_t size, char *to, size_t room)
{
    const char *wrong = check_instance(bytes, size);

    if (wrong)
        return wrong;
    if (room < 2 * size + 2) /* the longest that it can get */
        return "it is longer than 255 characters";
    for (size_t i = 0; i < size; i++) {
        if (strchr(ESCAPED, bytes[i]))
            *to++ = '\\';
        *to++ = (char)bytes[i];
    }
    *to++ = '.';
    *to = '\0';
    return NULL;
}

static const char *read_instance(const char *text, size_t length, char *to, size_t room)
{
    char copy[4 * DNS_LABEL_SIZE + 1];
    struct dns_name name;
    const char *dot;

    if (length == 0)
        return "its instance is empty";
    if (length >= sizeof copy)
        return "its instance is longer than 63 bytes";
    memcpy(copy, text, length);
    copy[length] = '\0';
    if ((dot = service_strchr(copy, '.')))
        return dot == copy ? "its instance is empty" : "a dot within its instance is written \\.";
    if (dns_name_parse(copy, &name) < 0)
        return strlen(copy) > DNS_LABEL_SIZE ? "its instance is longer than 63 bytes, or has a wrong \\DDD in it"
                                             : "a backslash in its instance takes the next character, or three digits "
                                               "up to 255";
    return write_instance(name.wire + 1, name.wire[0], to, room);
}

static const char *read_type(const char *service, const char *domain, char *to, size_t room)
{
    size_t length = strcspn(service, "."), whole = (size_t)(domain - service);
    size_t plain = strspn(service + 1, LETTERS);

    if (length > DNS_LABEL_SIZE)
        return "the service in it is longer than 63 characters";
    if (length == 1)
        return "the service is missing after the _";
    if (plain + 1 != length)
        return "only letters, digits and hyphens may stand in the service";
    if (whole >= room)
        return "it is longer than 255 characters";
    for (size_t i = 0; i < whole; i++)
        to[i] = (char)(service[i] >= 'A' && service[i] <= 'Z' ? service[i] - 'A' + 'a' : service[i]);
    to[whole] = '\0';
    return NULL;
}

const char *service_name_check(const char *text, char ret_name[HOST_SIZE])
{
    const char *service = find_service(text), *domain = domain_of(service), *wrong;
    char name[HOST_SIZE] = "", host[HOST_SIZE];
    struct dns_name wire;
    size_t length;

    if (service > text && (wrong = read_instance(text, (size_t)(service - text) - 1, name, sizeof name)))
        return wrong;
    length = strlen(name);
    if ((wrong = read_type(service, domain, name + length, sizeof name - length)))
        return wrong;
    if (!domain[0] || !domain[1])
        return "the domain is missing after _tcp or _udp";
    if ((wrong = host_name_check(domain + 1, host)))
        return wrong;
    length = strlen(name);
    if (length + 1 + strlen(host) >= sizeof name)
        return "it is longer than 255 characters";
    sprintf(name + length, ".%s", host);
    if (dns_name_parse(name, &wire) < 0)
        return "it is longer than DNS allows";
    memcpy(ret_name, name, strlen(name) + 1);
    return NULL;
}

const char *service_from_dns(const struct dns_name *name, char ret_name[HOST_SIZE])
{
    char text[DNS_NAME_TEXT];

    dns_name_print(name, text);
    return service_looks(text) ? service_name_check(text, ret_name) : "it is no service's";
}
