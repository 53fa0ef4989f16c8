/* SPDX-License-Identifier: Apache-2.0 */
/* The associations being served, by their opener's nonce and key. A nonce alone would let one peer block another's. */
#include "security/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/tree.h"

struct nonce_entry {
    RB_ENTRY(nonce_entry) node;
    uint8_t nonce[16];
    char key_name[KEY_NAME_SIZE];
    hawser_context *owner; /* takes its entries back before it ends */
};

static int compare(const struct nonce_entry *a, const struct nonce_entry *b)
{
    int by_nonce = memcmp(a->nonce, b->nonce, sizeof a->nonce);

    return by_nonce ? by_nonce : strcmp(a->key_name, b->key_name);
}

TREE_GENERATE(nonce_tree, nonce_entry, node, compare)

static struct nonce_entry entry_of(const uint8_t nonce[16], const char *key_name)
{
    struct nonce_entry entry = {.key_name = ""};

    memcpy(entry.nonce, nonce, sizeof entry.nonce);
    if (key_name)
        memcpy(entry.key_name, key_name, strnlen(key_name, sizeof entry.key_name - 1));
    return entry;
}

void nonces_init(struct nonces *nonces)
{
    RB_INIT(&nonces->tree);
    nonces->count = 0;
}

int nonces_add(struct nonces *nonces, const uint8_t nonce[16], const char *key_name, hawser_context *owner)
{
    struct nonce_entry *entry;

    if (nonces->count >= NONCE_MAX)
        return -ENOBUFS;
    entry = malloc(sizeof *entry);
    if (!entry)
        return -ENOMEM;
    *entry = entry_of(nonce, key_name);
    entry->owner = owner;
    if (RB_INSERT(nonce_tree, &nonces->tree, entry)) {
        free(entry);
        return -EEXIST;
    }
    nonces->count++;
    return 0;
}

hawser_context *nonces_owner(struct nonces *nonces, const uint8_t nonce[16], const char *key_name)
{
    struct nonce_entry sought = entry_of(nonce, key_name), *entry = RB_FIND(nonce_tree, &nonces->tree, &sought);

    return entry ? entry->owner : NULL;
}

static void drop(struct nonces *nonces, struct nonce_entry *entry)
{
    RB_REMOVE(nonce_tree, &nonces->tree, entry);
    free(entry);
    nonces->count--;
}

void nonces_remove(struct nonces *nonces, const uint8_t nonce[16], const char *key_name)
{
    struct nonce_entry sought = entry_of(nonce, key_name), *entry = RB_FIND(nonce_tree, &nonces->tree, &sought);

    if (entry)
        drop(nonces, entry);
}

void nonces_clear(struct nonces *nonces)
{
    while (!RB_EMPTY(&nonces->tree))
        drop(nonces, RB_MIN(nonce_tree, &nonces->tree));
}
