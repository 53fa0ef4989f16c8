/* SPDX-License-Identifier: Apache-2.0 */
/* What came for a question: one packet from DNS; from multicast DNS one from each who knows, bounded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/resolution.h"

int reply_add(struct question *question, const uint8_t *packet, size_t size, unsigned interface)
{
    struct reply **at = &question->replies, *reply;
    unsigned count = 0;

    for (; *at; at = &(*at)->next)
        count++;
    if (count == REPLIES_MAX)
        return -E2BIG;
    reply = malloc(sizeof *reply + size);
    if (!reply)
        return -ENOMEM;
    *reply = (struct reply){.interface = interface, .size = size};
    memcpy(reply->packet, packet, size);
    *at = reply;
    return 0;
}

void replies_free(struct question *question)
{
    while (question->replies) {
        struct reply *reply = question->replies;

        question->replies = reply->next;
        free(reply);
    }
}

void reader_init(struct reader *reader, const struct question *question)
{
    *reader = (struct reader){.question = question, .next = question->replies};
}

/* Of DNS, the answers are what counts. */
static bool is_wanted(const struct reader *reader, const struct dns_record *record)
{
    if (!reader->question->multicast)
        return record->section == DNS_ANSWER && record->class == DNS_IN;
    return record->section != DNS_AUTHORITY && (record->class & ~(unsigned)DNS_CACHE_FLUSH) == DNS_IN;
}

int reader_next(struct reader *reader, struct dns_record *ret_record)
{
    for (;;) {
        int r = reader->open ? dns_message_next(&reader->message, ret_record) : 0;

        if (r > 0 && is_wanted(reader, ret_record))
            return 1;
        if (r > 0)
            continue;
        if (r < 0 && !reader->question->multicast) /* else one of many on the link: the others still count */
            return r;
        if (!reader->next)
            return 0;
        r = dns_message_open(&reader->message, reader->next->packet, reader->next->size);
        if (r < 0 && !reader->question->multicast)
            return r;
        reader->open = r == 0;
        reader->owner = reader->question->name;
        if (reader->open && !reader->question->multicast)
            (void)dns_message_owner(&reader->message, &reader->owner);
        reader->interface = reader->next->interface;
        reader->next = reader->next->next;
    }
}

bool reader_is_answer(const struct reader *reader, const struct dns_record *record)
{
    return record->type == reader->question->type && dns_name_equal(&record->name, &reader->owner);
}

int64_t question_expires(const struct question *question, uint32_t ttl)
{
    int64_t expires = loop_now(question->resolution->context) + (int64_t)ttl * 1000000;

    return expires < question->expires ? expires : question->expires;
}
