/* SPDX-License-Identifier: Apache-2.0 */
/* How what was seen adds up, and the items that memory and file hand each other. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "race/history_store.h"

int64_t history_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec;
}

/* What is left of a weight after so many seconds. A clock that went back makes nothing heavier. */
static double decay(int64_t seconds)
{
    return seconds <= 0 ? 1 : exp2(-(double)seconds / HISTORY_HALF_LIFE);
}

void record_age(struct history_record *record, int64_t to)
{
    double weight = record->last ? decay(to - record->last) : 0;

    record->succeeded *= weight;
    record->failed *= weight;
}

static int64_t smooth(int64_t known, double weight, int64_t seen, double count)
{
    if (weight > HISTORY_AT_HAND)
        weight = HISTORY_AT_HAND;
    if (known == 0 || seen == 0)
        return known ? known : seen;
    return (int64_t)(((double)known * weight + (double)seen * count) / (weight + count));
}

void record_add(struct history_record *known, const struct history_record *seen)
{
    struct history_record added = *seen;
    int64_t now = known->last > seen->last ? known->last : seen->last;
    double count;

    record_age(known, now);
    record_age(&added, now);
    count = added.succeeded < 1 ? 1 : added.succeeded;
    known->rtt_us = smooth(known->rtt_us, known->succeeded, added.rtt_us, count);
    known->establish_us = smooth(known->establish_us, known->succeeded, added.establish_us, count);
    known->rate = (uint64_t)smooth((int64_t)known->rate, known->succeeded, (int64_t)added.rate, count);
    if (seen->last >= known->last && added.succeeded + added.failed > 0)
        known->last_code = added.last_code;
    known->succeeded += added.succeeded;
    known->failed += added.failed;
    known->last = now;
}

size_t key_size(const struct history_key *key)
{
    return strlen(key->service) + strlen(key->network) + strlen(key->address) + strlen(key->stack) + 4;
}

/* The key's strings, copied to texts. */
struct history_key key_copy(const struct history_key *key, char *texts)
{
    struct history_key copy;

    copy.service = texts;
    texts = stpcpy(texts, key->service) + 1;
    copy.network = texts;
    texts = stpcpy(texts, key->network) + 1;
    copy.address = texts;
    texts = stpcpy(texts, key->address) + 1;
    copy.stack = texts;
    (void)stpcpy(texts, key->stack);
    return copy;
}

struct history_item *item_new(const struct history_key *key)
{
    struct history_item *item = calloc(1, sizeof *item + key_size(key));

    if (item) {
        list_init(&item->link);
        item->key = key_copy(key, item->texts);
    }
    return item;
}

void items_free(struct list *items)
{
    while (!list_empty(items)) {
        struct history_item *item = list_first(items, struct history_item, link);

        list_remove(&item->link);
        free(item);
    }
}

struct history_key *history_key_keep(const struct history_key *key)
{
    struct history_key *kept = malloc(sizeof *kept + key_size(key));

    if (kept)
        *kept = key_copy(key, (char *)(kept + 1));
    return kept;
}
