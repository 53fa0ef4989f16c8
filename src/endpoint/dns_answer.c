/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/dns_answer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { HEADER = 12, QUESTION_TAIL = 4, RECORD_TAIL = 10, LABEL_POINTER = 0xc0 };

struct reader {
    const uint8_t *at, *end;
};

static unsigned read_u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static bool skip(struct reader *reader, size_t size)
{
    if ((size_t)(reader->end - reader->at) < size)
        return false;
    reader->at += size;
    return true;
}

/* A name ends with the root or with a pointer, which is not followed: whose records they are does not matter here. */
static bool skip_name(struct reader *reader)
{
    while (reader->at < reader->end) {
        uint8_t length = *reader->at;

        if ((length & LABEL_POINTER) == LABEL_POINTER)
            return skip(reader, 2);
        if (length & LABEL_POINTER || !skip(reader, (size_t)length + 1))
            return false;
        if (length == 0)
            return true;
    }
    return false;
}

static bool read_record(struct reader *reader, struct addresses *addresses)
{
    const uint8_t *tail, *data;
    size_t size;

    if (!skip_name(reader))
        return false;
    tail = reader->at;
    if (!skip(reader, RECORD_TAIL))
        return false;
    data = reader->at;
    size = read_u16(tail + 8);
    if (!skip(reader, size))
        return false;
    if (read_u16(tail + 2) != DNS_IN)
        return true;
    if (read_u16(tail) == DNS_A && size == sizeof(struct in_addr)) {
        struct in_addr v4;
        memcpy(&v4, data, sizeof v4);
        addresses_add_v4(addresses, &v4);
    } else if (read_u16(tail) == DNS_AAAA && size == sizeof(struct in6_addr)) {
        struct in6_addr v6;
        memcpy(&v6, data, sizeof v6);
        addresses_add_v6(addresses, &v6, 0);
    }
    return true;
}

int dns_answer_read(const uint8_t *packet, size_t size, struct addresses *addresses)
{
    struct reader reader = {packet, packet + size};
    struct addresses found = *addresses;

    if (!skip(&reader, HEADER))
        return -EBADMSG;
    for (unsigned i = read_u16(packet + 4); i > 0; i--)
        if (!skip_name(&reader) || !skip(&reader, QUESTION_TAIL))
            return -EBADMSG;
    for (unsigned i = read_u16(packet + 6); i > 0; i--)
        if (!read_record(&reader, &found))
            return -EBADMSG;
    *addresses = found;
    return packet[3] & 0x0f;
}
