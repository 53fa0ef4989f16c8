/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store against replayed early data (RFC 8446 section 8.2): what was seen within the window. GnuTLS checks that a
 * first flight is not older than the window, so an entry is not needed longer than that. A tree and not a hash, because
 * the peer chooses the keys.
 */
#include "security/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/tree.h"

struct replay_entry {
    RB_ENTRY(replay_entry) node;
    struct list order;
    int64_t until;
    uint8_t size;
    uint8_t key[];
};

static int compare(const struct replay_entry *a, const struct replay_entry *b)
{
    int by_size = (a->size > b->size) - (a->size < b->size);

    return by_size ? by_size : memcmp(a->key, b->key, a->size);
}

TREE_GENERATE(replay_tree, replay_entry, node, compare)

void replay_init(struct replay *replay)
{
    RB_INIT(&replay->tree);
    list_init(&replay->order);
    replay->count = 0;
}

static void drop(struct replay *replay, struct replay_entry *entry)
{
    RB_REMOVE(replay_tree, &replay->tree, entry);
    list_remove(&entry->order);
    free(entry);
    replay->count--;
}

/* The window is the same for all, so the order of adding is the order of expiry. */
static void drop_until(struct replay *replay, int64_t now)
{
    while (!list_empty(&replay->order)) {
        struct replay_entry *entry = list_first(&replay->order, struct replay_entry, order);
        if (entry->until > now)
            return;
        drop(replay, entry);
    }
}

int replay_add(struct replay *replay, const uint8_t *key, size_t size, int64_t now)
{
    struct replay_entry *entry;

    if (size > REPLAY_KEY_MAX)
        return -EINVAL;
    drop_until(replay, now);
    if (replay->count >= REPLAY_MAX)
        return -ENOSPC;
    entry = malloc(sizeof *entry + size);
    if (!entry)
        return -ENOMEM;
    entry->until = now + REPLAY_WINDOW;
    entry->size = (uint8_t)size;
    memcpy(entry->key, key, size);
    if (RB_INSERT(replay_tree, &replay->tree, entry)) {
        free(entry);
        return -EEXIST;
    }
    list_append(&replay->order, &entry->order);
    replay->count++;
    return 0;
}

void replay_clear(struct replay *replay)
{
    drop_until(replay, INT64_MAX);
}
