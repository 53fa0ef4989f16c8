/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To whom a listener gave its tickets. GnuTLS has the client's key inside the ticket, but tells it only once the
 * handshake is over, and early data is there before. The newest tickets are known; data from others has to wait.
 */
#include "security/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

struct issued_entry {
    RB_ENTRY(issued_entry) node;
    struct list order;
    uint8_t id[32];
    uint16_t spki_size; /* 0: the client showed no key */
    uint8_t spki[];
};

static int compare(const struct issued_entry *a, const struct issued_entry *b)
{
    return memcmp(a->id, b->id, sizeof a->id);
}

TREE_GENERATE(issued_tree, issued_entry, node, compare)

void issued_init(struct issued *issued)
{
    RB_INIT(&issued->tree);
    list_init(&issued->order);
    issued->count = 0;
}

static void drop_first(struct issued *issued)
{
    struct issued_entry *entry = list_first(&issued->order, struct issued_entry, order);

    RB_REMOVE(issued_tree, &issued->tree, entry);
    list_remove(&entry->order);
    free(entry);
    issued->count--;
}

int issued_add(struct issued *issued, const uint8_t id[32], const uint8_t *spki, size_t spki_size)
{
    struct issued_entry *entry;

    if (spki_size > ISSUED_SPKI_MAX)
        return -EINVAL;
    if (issued->count >= ISSUED_MAX)
        drop_first(issued);
    entry = malloc(sizeof *entry + spki_size);
    if (!entry)
        return -ENOMEM;
    memcpy(entry->id, id, sizeof entry->id);
    entry->spki_size = (uint16_t)spki_size;
    if (spki_size)
        memcpy(entry->spki, spki, spki_size);
    if (RB_INSERT(issued_tree, &issued->tree, entry)) {
        free(entry);
        return -EEXIST;
    }
    list_append(&issued->order, &entry->order);
    issued->count++;
    return 0;
}

int issued_find(struct issued *issued, const uint8_t id[32], uint8_t **ret_spki, size_t *ret_size)
{
    struct issued_entry sought, *entry;
    uint8_t *spki;

    memcpy(sought.id, id, sizeof sought.id);
    entry = RB_FIND(issued_tree, &issued->tree, &sought);
    if (!entry)
        return -ENOENT;
    spki = malloc(entry->spki_size + 1u);
    if (!spki)
        return -ENOMEM;
    memcpy(spki, entry->spki, entry->spki_size);
    *ret_spki = spki;
    *ret_size = entry->spki_size;
    return 0;
}

void issued_clear(struct issued *issued)
{
    while (issued->count > 0)
        drop_first(issued);
}

int security_ticket_issued(hawser_context *context, const uint8_t *ticket, size_t size, const uint8_t *spki,
                           size_t spki_size)
{
    struct security *security = security_of(context);
    uint8_t id[32];
    int r;

    if (!security || gnutls_hash_fast(GNUTLS_DIG_SHA256, ticket, size, id) < 0)
        return -ENOMEM;
    pthread_mutex_lock(&security->shared->mutex);
    r = issued_add(&security->shared->issued, id, spki, spki_size);
    pthread_mutex_unlock(&security->shared->mutex);
    return r;
}

int security_ticket_holder(hawser_context *context, const uint8_t *ticket, size_t size, uint8_t **ret_spki,
                           size_t *ret_size)
{
    struct security *security = security_of(context);
    uint8_t id[32];
    int r;

    if (!security || gnutls_hash_fast(GNUTLS_DIG_SHA256, ticket, size, id) < 0)
        return -ENOMEM;
    pthread_mutex_lock(&security->shared->mutex);
    r = issued_find(&security->shared->issued, id, ret_spki, ret_size);
    pthread_mutex_unlock(&security->shared->mutex);
    return r;
}
