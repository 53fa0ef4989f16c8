/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "endpoint/stub.h"

enum { ENTRIES_MAX = 256, PACKET_MAX = 4096, SOA = 6, SOA_TAIL = 20 };
#define LONGEST_S 86400 /* a day is long enough for whoever moves */

struct entry {
    struct list link; /* the newest last */
    struct dns_name name;
    unsigned type;
    int64_t expires;
    size_t size;
    uint8_t packet[];
};

struct stub_cache {
    struct list entries;
    unsigned count;
};

struct stub_cache *stub_cache_new(void)
{
    struct stub_cache *cache = calloc(1, sizeof *cache);

    if (cache)
        list_init(&cache->entries);
    return cache;
}

static void drop(struct stub_cache *cache, struct entry *entry)
{
    list_remove(&entry->link);
    cache->count--;
    free(entry);
}

void stub_cache_clear(struct stub_cache *cache)
{
    while (!list_empty(&cache->entries))
        drop(cache, list_first(&cache->entries, struct entry, link));
}

void stub_cache_free(struct stub_cache *cache)
{
    if (cache)
        stub_cache_clear(cache);
    free(cache);
}

static struct entry *find(struct stub_cache *cache, const struct dns_name *name, unsigned type)
{
    for (struct list *at = cache->entries.next; at != &cache->entries; at = at->next) {
        struct entry *entry = container_of(at, struct entry, link);

        if (entry->type == type && dns_name_equal(&entry->name, name))
            return entry;
    }
    return NULL;
}

static uint32_t lower(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* That there is nothing holds for as long as the zone's SOA record says (RFC 2308 section 5). */
static uint32_t negative_ttl(const struct dns_record *soa)
{
    const uint8_t *minimum = soa->data + soa->size - 4;

    if (soa->size < SOA_TAIL)
        return 0;
    return lower(soa->ttl,
                 (uint32_t)minimum[0] << 24 | (uint32_t)minimum[1] << 16 | (uint32_t)minimum[2] << 8 | minimum[3]);
}

int64_t stub_answer_expires(const uint8_t *packet, size_t size, int64_t now)
{
    uint32_t ttl = LONGEST_S;
    bool answer = false, told = false;
    struct dns_message message;
    struct dns_record record;
    int r = dns_message_open(&message, packet, size);

    while (r >= 0 && (r = dns_message_next(&message, &record)) > 0) {
        if (record.section == DNS_ANSWER) {
            ttl = lower(ttl, record.ttl);
            answer |= record.type == message.question_type;
        } else if (record.section == DNS_AUTHORITY && record.type == SOA && !answer) {
            ttl = lower(ttl, negative_ttl(&record));
            told = true;
        }
    }
    return r < 0 || (!answer && !told) ? now : now + (int64_t)ttl * 1000000;
}

void stub_cache_add(struct stub_cache *cache, const struct dns_name *name, unsigned type, const uint8_t *packet,
                    size_t size, int64_t expires, int64_t now)
{
    struct entry *entry = find(cache, name, type);

    if (entry)
        drop(cache, entry);
    if (expires <= now || size > PACKET_MAX || !(entry = malloc(sizeof *entry + size)))
        return;
    while (cache->count >= ENTRIES_MAX)
        drop(cache, list_first(&cache->entries, struct entry, link));
    *entry = (struct entry){.name = *name, .type = type, .expires = expires, .size = size};
    memcpy(entry->packet, packet, size);
    list_append(&cache->entries, &entry->link);
    cache->count++;
}

const uint8_t *stub_cache_find(struct stub_cache *cache, const struct dns_name *name, unsigned type, int64_t now,
                               size_t *ret_size, int64_t *ret_expires)
{
    struct entry *entry = find(cache, name, type);

    if (entry && entry->expires <= now) {
        drop(cache, entry);
        entry = NULL;
    }
    if (!entry)
        return NULL;
    *ret_size = entry->size;
    *ret_expires = entry->expires;
    return entry->packet;
}
