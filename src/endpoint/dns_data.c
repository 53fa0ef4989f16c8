/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/dns_data.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum svcb_key {
    SVCB_MANDATORY,
    SVCB_ALPN,
    SVCB_NO_DEFAULT_ALPN,
    SVCB_PORT,
    SVCB_IPV4HINT,
    SVCB_ECH, /* not understood, and so never to be mandatory */
    SVCB_IPV6HINT,
    SVCB_KEYS
};

struct parameter {
    unsigned key;
    const uint8_t *value;
    size_t size;
};

static unsigned read_u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

bool dns_name_is_root(const struct dns_name *name)
{
    return name->size == 1;
}

const char *dns_name_to_host(const struct dns_name *name, char ret_host[HOST_SIZE])
{
    char text[DNS_NAME_TEXT];

    dns_name_print(name, text);
    return host_name_check(text, ret_host);
}

int dns_srv_read(const struct dns_message *message, const struct dns_record *record, struct dns_srv *ret_srv)
{
    struct dns_srv srv;
    size_t at = 6;

    if (record->size < 7 || dns_record_name(message, record, &at, &srv.target) < 0 || at != record->size)
        return -EBADMSG;
    srv.priority = read_u16(record->data);
    srv.weight = read_u16(record->data + 2);
    srv.port = (uint16_t)read_u16(record->data + 4);
    *ret_srv = srv;
    return 0;
}

/* A list of strings, each with its length before it. Those that are too long for us are protocols that we do not speak. */
static bool read_alpn(struct dns_svcb *svcb, const uint8_t *value, size_t size)
{
    unsigned count = 0;

    if (size == 0)
        return false;
    for (size_t at = 0; at < size; at += 1 + (size_t)value[at]) {
        size_t length = value[at];

        if (length == 0 || size - at < 1 + length)
            return false;
        if (length >= RESOLVE_ALPN_SIZE || count == RESOLVE_ALPN || memchr(value + at + 1, '\0', length))
            continue;
        memcpy(svcb->alpn[count++], value + at + 1, length);
    }
    return true;
}

static bool read_hints(struct dns_svcb *svcb, const struct parameter *parameter)
{
    size_t each = parameter->key == SVCB_IPV4HINT ? sizeof *svcb->v4 : sizeof *svcb->v6;
    size_t count = parameter->size / each;

    if (count == 0 || parameter->size % each)
        return false;
    if (count > DNS_HINTS)
        count = DNS_HINTS;
    if (parameter->key == SVCB_IPV4HINT)
        memcpy(svcb->v4, parameter->value, (svcb->v4_count = (unsigned)count) * each);
    else
        memcpy(svcb->v6, parameter->value, (svcb->v6_count = (unsigned)count) * each);
    return true;
}

/* Keys in ascending order, not the key itself. Whether they are there is seen later. */
static bool read_mandatory(struct dns_svcb *svcb, const struct parameter *parameter)
{
    unsigned before = SVCB_MANDATORY;

    if (parameter->size == 0 || parameter->size % 2)
        return false;
    for (size_t at = 0; at < parameter->size; at += 2) {
        unsigned key = read_u16(parameter->value + at);

        if (key <= before)
            return false;
        before = key;
        if (key >= SVCB_KEYS || key == SVCB_ECH)
            svcb->usable = false;
    }
    return true;
}

static bool read_parameter(struct dns_svcb *svcb, const struct parameter *parameter)
{
    switch (parameter->key) {
    case SVCB_MANDATORY:
        return read_mandatory(svcb, parameter);
    case SVCB_ALPN:
        return read_alpn(svcb, parameter->value, parameter->size);
    case SVCB_NO_DEFAULT_ALPN:
        svcb->no_default_alpn = true;
        return parameter->size == 0;
    case SVCB_PORT:
        if (parameter->size != 2)
            return false;
        svcb->has_port = true;
        svcb->port = (uint16_t)read_u16(parameter->value);
        return true;
    case SVCB_IPV4HINT:
    case SVCB_IPV6HINT:
        return read_hints(svcb, parameter);
    default:
        return true;
    }
}

/* Every key of the list is one of the record's. */
static bool mandatory_is_there(const struct parameter *mandatory, const uint8_t *at, const uint8_t *end)
{
    size_t next = 0;

    for (; next < mandatory->size && end - at >= 4; at += 4 + read_u16(at + 2))
        if (read_u16(at) == read_u16(mandatory->value + next))
            next += 2;
    return next == mandatory->size;
}

static int read_parameters(struct dns_svcb *svcb, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
    struct parameter mandatory = {.size = 0};
    bool has_alpn = false;
    int before = -1;

    while (at < end) {
        if (end - at < 4)
            return -EBADMSG;
        struct parameter parameter = {read_u16(at), at + 4, read_u16(at + 2)};

        at += 4;
        if ((int)parameter.key <= before || (size_t)(end - at) < parameter.size || !read_parameter(svcb, &parameter))
            return -EBADMSG;
        before = (int)parameter.key;
        at += parameter.size;
        has_alpn |= parameter.key == SVCB_ALPN;
        if (parameter.key == SVCB_MANDATORY)
            mandatory = parameter;
    }
    if (!mandatory_is_there(&mandatory, start, end))
        return -EBADMSG;
    /* Without a protocol that we could hold there is nothing to offer; and section 7.1.1 wants the list with the flag. */
    if (svcb->no_default_alpn && (!has_alpn || !*svcb->alpn[0]))
        svcb->usable = false;
    return 0;
}

int dns_svcb_read(const struct dns_message *message, const struct dns_record *record, struct dns_svcb *ret_svcb)
{
    struct dns_svcb svcb = {.usable = true};
    size_t at = 2;

    if (record->size < 3 || dns_record_name(message, record, &at, &svcb.target) < 0)
        return -EBADMSG;
    svcb.priority = read_u16(record->data);
    if (svcb.priority > 0) { /* what stands in an AliasMode record is to be ignored */
        if (read_parameters(&svcb, record->data + at, record->data + record->size) < 0)
            return -EBADMSG;
        if (dns_name_is_root(&svcb.target))
            svcb.target = record->name;
    }
    *ret_svcb = svcb;
    return 0;
}
