/* SPDX-License-Identifier: Apache-2.0 */
/* Associations by the peer's name: the one that was asked for, and the key's. (S2.29) */
#include "association/association.h"

#include "association/table.h"

struct name_entry {
    UT_hash_handle hh;
    struct list associations;
    bool failed;
    char name[];
};

static int find_add_name(hawser_association *association, const char *name, struct name_link *link)
{
    struct associations *all = association->all;
    struct name_entry *entry;
    size_t size = strlen(name);

    if (link->entry || size == 0)
        return 0;
    HASH_FIND(hh, all->names, name, size, entry);
    if (!entry) {
        entry = calloc(1, sizeof *entry + size + 1);
        if (!entry)
            return -ENOMEM;
        memcpy(entry->name, name, size);
        list_init(&entry->associations);
        HASH_ADD_KEYPTR(hh, all->names, entry->name, size, entry);
        if (entry->failed) {
            free(entry);
            return -ENOMEM;
        }
    }
    link->association = association;
    link->entry = entry;
    list_append(&entry->associations, &link->link);
    return 0;
}

int find_add(hawser_association *association, const char *host)
{
    int r = 0;

    if (host && strcmp(host, peer_key_name(association)) != 0)
        r = find_add_name(association, host, &association->names[0]);
    if (r == 0)
        r = find_add_name(association, peer_key_name(association), &association->names[1]);
    return r;
}

void find_remove(hawser_association *association)
{
    find_remove_nonce(association);
    for (size_t i = 0; i < sizeof association->names / sizeof *association->names; i++) {
        struct name_entry *entry = association->names[i].entry;

        if (!entry)
            continue;
        association->names[i].entry = NULL;
        list_remove(&association->names[i].link);
        if (list_empty(&entry->associations)) {
            HASH_DEL(association->all->names, entry);
            free(entry);
        }
    }
}

static bool identity_is(const hawser_association *association, const hawser_identity *identity)
{
    return !identity || (association->secure && strcmp(hawser_identity_name(association->secure->tls.identity),
                                                       hawser_identity_name(identity)) == 0);
}

int hawser_association_find(hawser_context *context, const char *peer, const hawser_identity *identity,
                            hawser_association **ret_association)
{
    struct associations *all;
    struct name_entry *entry;
    int r;

    r = loop_check(context);
    if (r < 0)
        return r;
    if (!peer)
        return -EINVAL;
    all = loop_part(context, LOOP_PART_ASSOCIATIONS);
    if (!all)
        return -ENOENT;
    HASH_FIND(hh, all->names, peer, strlen(peer), entry);
    for (struct list *at = entry ? entry->associations.next : NULL; at && at != &entry->associations; at = at->next) {
        hawser_association *association = container_of(at, struct name_link, link)->association;

        if (association->ended || !identity_is(association, identity))
            continue;
        if (ret_association)
            *ret_association = hawser_association_ref(association);
        return 0;
    }
    return -ENOENT;
}
