/* SPDX-License-Identifier: Apache-2.0 */
/* Records for people: the presentation that zone files and the usual tools have. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "endpoint/dns_data.h"

struct output {
    char *text;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void add(struct output *output, const char *format, ...)
{
    size_t room = output->size - output->length;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(output->text + output->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        output->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void add_hex(struct output *output, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        add(output, "%02x", bytes[i]);
}

static void add_name(struct output *output, const struct dns_name *name)
{
    char text[DNS_NAME_TEXT];

    dns_name_print(name, text);
    add(output, "%s.", text);
}

static void add_text(struct output *output, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += 1 + (size_t)bytes[at]) {
        add(output, at ? " \"" : "\"");
        for (size_t i = at + 1; i <= at + bytes[at] && i < size; i++) {
            bool plain = bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\';

            add(output, plain ? "%c" : "\\%03u", bytes[i]);
        }
        add(output, "\"");
    }
}

static void add_svcb(struct output *output, const struct dns_message *message, const struct dns_record *record)
{
    char address[INET6_ADDRSTRLEN];
    struct dns_svcb svcb;

    if (dns_svcb_read(message, record, &svcb) < 0) {
        add(output, "malformed");
        return;
    }
    add(output, "%u ", svcb.priority);
    add_name(output, &svcb.target);
    for (unsigned i = 0; i < RESOLVE_ALPN && *svcb.alpn[i]; i++)
        add(output, "%s%s", i ? "," : " alpn=", svcb.alpn[i]);
    if (svcb.no_default_alpn)
        add(output, " no-default-alpn");
    if (svcb.has_port)
        add(output, " port=%u", svcb.port);
    for (unsigned i = 0; i < svcb.v4_count; i++)
        add(output, "%s%s", i ? "," : " ipv4hint=", inet_ntop(AF_INET, &svcb.v4[i], address, sizeof address));
    for (unsigned i = 0; i < svcb.v6_count; i++)
        add(output, "%s%s", i ? "," : " ipv6hint=", inet_ntop(AF_INET6, &svcb.v6[i], address, sizeof address));
    if (!svcb.usable)
        add(output, " (cannot be used here)");
}

static bool add_data(struct output *output, const struct dns_message *message, const struct dns_record *record)
{
    char address[INET6_ADDRSTRLEN];
    struct dns_name name;
    struct dns_srv srv;
    size_t at = 0;

    switch (record->type) {
    case DNS_A:
        if (record->size == sizeof(struct in_addr))
            add(output, "%s", inet_ntop(AF_INET, record->data, address, sizeof address));
        return record->size == sizeof(struct in_addr);
    case DNS_AAAA:
        if (record->size == sizeof(struct in6_addr))
            add(output, "%s", inet_ntop(AF_INET6, record->data, address, sizeof address));
        return record->size == sizeof(struct in6_addr);
    case DNS_PTR:
        if (dns_record_name(message, record, &at, &name) < 0)
            return false;
        add_name(output, &name);
        return true;
    case DNS_SRV:
        if (dns_srv_read(message, record, &srv) < 0)
            return false;
        add(output, "%u %u %u ", srv.priority, srv.weight, srv.port);
        add_name(output, &srv.target);
        return true;
    case DNS_TLSA:
        if (record->size < 3)
            return false;
        add(output, "%u %u %u ", record->data[0], record->data[1], record->data[2]);
        add_hex(output, record->data + 3, record->size - 3);
        return true;
    case DNS_TXT:
        add_text(output, record->data, record->size);
        return true;
    case DNS_SVCB:
    case DNS_HTTPS:
        add_svcb(output, message, record);
        return true;
    default: /* RFC 3597 */
        add(output, "\\# %zu ", record->size);
        add_hex(output, record->data, record->size);
        return true;
    }
}

void dns_data_print(const struct dns_message *message, const struct dns_record *record, char *text, size_t size)
{
    struct output output = {text, size, 0};

    *text = '\0';
    if (!add_data(&output, message, record))
        add(&output, "malformed");
}
