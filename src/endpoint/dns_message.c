/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/dns_message.h"

#include <errno.h>
#include <string.h>

enum {
    QUESTION_TAIL = 4,
    RECORD_TAIL = 10,
    LABEL_POINTER = 0xc0,
    FLAG_RESPONSE = 0x80,
    OPCODE = 0x78,
    ALIASES_MAX = 16
};

static unsigned read_u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/*
 * A name at `at`, of which no byte is beyond `end`; what follows it, or 0. A pointer must lead to before the place where
 * the present run of labels began: so each jump goes further back, and there are few of them.
 */
static size_t read_name(const struct dns_message *message, size_t at, size_t end, struct dns_name *ret_name)
{
    struct dns_name name = {.size = 0};
    size_t run = at, after = 0;

    for (;;) {
        if (at >= end)
            return 0;
        uint8_t length = message->packet[at];

        if ((length & LABEL_POINTER) == LABEL_POINTER) {
            if (end - at < 2)
                return 0;
            size_t to = read_u16(message->packet + at) & 0x3fff;

            if (to >= run || to < DNS_HEADER)
                return 0;
            if (!after)
                after = at + 2;
            at = run = to;
            end = message->size;
            continue;
        }
        if (length & LABEL_POINTER || end - at < (size_t)length + 1 || name.size + length + 1 > DNS_NAME_SIZE)
            return 0;
        memcpy(name.wire + name.size, message->packet + at, (size_t)length + 1);
        name.size += (size_t)length + 1;
        at += (size_t)length + 1;
        if (length == 0)
            break;
    }
    *ret_name = name;
    return after ? after : at;
}

int dns_message_open(struct dns_message *message, const uint8_t *packet, size_t size)
{
    struct dns_name name;

    memset(message, 0, sizeof *message);
    message->packet = packet;
    message->size = size;
    if (size < DNS_HEADER)
        return -EBADMSG;
    message->id = read_u16(packet);
    message->code = packet[3] & 0x0f;
    message->response = packet[2] & FLAG_RESPONSE && !(packet[2] & OPCODE);
    message->question_count = read_u16(packet + 4);
    for (unsigned i = 0; i < 3; i++)
        message->left[i] = read_u16(packet + 6 + 2 * i);
    message->at = DNS_HEADER;
    for (unsigned i = 0; i < message->question_count; i++) {
        size_t at = read_name(message, message->at, size, &name);

        if (!at || size - at < QUESTION_TAIL)
            return -EBADMSG;
        if (i == 0) {
            message->question = name;
            message->question_type = read_u16(packet + at);
        }
        message->at = at + QUESTION_TAIL;
    }
    return 0;
}

int dns_message_next(struct dns_message *message, struct dns_record *ret_record)
{
    struct dns_record record;
    unsigned section = DNS_ANSWER;
    const uint8_t *tail;
    size_t at;

    while (section <= DNS_ADDITIONAL && message->left[section] == 0)
        section++;
    if (section > DNS_ADDITIONAL)
        return 0;
    message->left[section]--;
    at = read_name(message, message->at, message->size, &record.name);
    if (!at || message->size - at < RECORD_TAIL)
        return -EBADMSG;
    tail = message->packet + at;
    record.section = (enum dns_section)section;
    record.type = read_u16(tail);
    record.class = read_u16(tail + 2);
    record.ttl = (uint32_t)read_u16(tail + 4) << 16 | read_u16(tail + 6);
    if (record.ttl > INT32_MAX) /* RFC 2181 section 8 */
        record.ttl = 0;
    record.data = tail + RECORD_TAIL;
    record.size = read_u16(tail + 8);
    at += RECORD_TAIL;
    if (message->size - at < record.size)
        return -EBADMSG;
    message->at = at + record.size;
    *ret_record = record;
    return 1;
}

int dns_record_name(const struct dns_message *message, const struct dns_record *record, size_t *at,
                    struct dns_name *ret_name)
{
    size_t start = (size_t)(record->data - message->packet);
    size_t after = read_name(message, start + *at, start + record->size, ret_name);

    if (!after)
        return -EBADMSG;
    *at = after - start;
    return 0;
}

/* What the records of one name in the answer say: 1: they are those asked for; 0: an alias's target; -1: nothing. */
static int look_at_owner(const struct dns_message *answer, const struct dns_name *owner, struct dns_name *ret_target)
{
    struct dns_message message = *answer;
    struct dns_record record;
    int found = -1;

    while (dns_message_next(&message, &record) > 0 && record.section == DNS_ANSWER) {
        size_t at = 0;

        if (!dns_name_equal(&record.name, owner))
            continue;
        if (record.type == answer->question_type)
            return 1;
        if (record.type == DNS_CNAME && dns_record_name(&message, &record, &at, ret_target) == 0)
            found = 0;
    }
    return found;
}

bool dns_message_owner(const struct dns_message *answer, struct dns_name *ret_owner)
{
    struct dns_name target;
    int found = -1;

    *ret_owner = answer->question;
    for (unsigned hops = 0; hops < ALIASES_MAX; hops++) {
        found = look_at_owner(answer, ret_owner, &target);
        if (found != 0)
            break;
        *ret_owner = target;
    }
    return found == 1;
}

static void write_u16(uint8_t *out, unsigned value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

size_t dns_question_write(uint8_t *out, unsigned id, const struct dns_name *name, unsigned type)
{
    memset(out, 0, DNS_HEADER);
    write_u16(out, id);
    write_u16(out + 4, 1);
    memcpy(out + DNS_HEADER, name->wire, name->size);
    write_u16(out + DNS_HEADER + name->size, type);
    write_u16(out + DNS_HEADER + name->size + 2, DNS_IN);
    return DNS_HEADER + name->size + QUESTION_TAIL;
}

static const struct {
    const char *name;
    unsigned type;
} types[] = {
    {"A", DNS_A},     {"AAAA", DNS_AAAA}, {"PTR", DNS_PTR},   {"TXT", DNS_TXT},
    {"SRV", DNS_SRV}, {"TLSA", DNS_TLSA}, {"SVCB", DNS_SVCB}, {"HTTPS", DNS_HTTPS},
};

const char *dns_type_name(unsigned type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

unsigned dns_type_of(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, name))
            return types[i].type;
    return 0;
}
