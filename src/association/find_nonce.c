/* SPDX-License-Identifier: Apache-2.0 */
/* Associations that came, by their opener's nonce and key: where a new strand finds its own. Peers choose both, so a tree. */
#include "association/association.h"

struct nonce_link {
    RB_ENTRY(nonce_link) node;
    hawser_association *association;
    const char *key_name; /* the peer's; lives as long as the association */
    uint8_t nonce[16];
};

static int compare(const struct nonce_link *a, const struct nonce_link *b)
{
    int by_nonce = memcmp(a->nonce, b->nonce, sizeof a->nonce);

    return by_nonce ? by_nonce : strcmp(a->key_name, b->key_name);
}

TREE_GENERATE(nonce_tree, nonce_link, node, compare)

int find_add_nonce(hawser_association *association, const uint8_t nonce[16])
{
    struct nonce_link *link = calloc(1, sizeof *link);

    if (!link)
        return -ENOMEM;
    memcpy(link->nonce, nonce, sizeof link->nonce);
    link->association = association;
    link->key_name = peer_key_name(association);
    if (RB_INSERT(nonce_tree, &association->all->nonces, link)) {
        free(link);
        return -EEXIST;
    }
    association->nonce = link;
    return 0;
}

void find_remove_nonce(hawser_association *association)
{
    if (!association->nonce)
        return;
    RB_REMOVE(nonce_tree, &association->all->nonces, association->nonce);
    free(association->nonce);
    association->nonce = NULL;
}

hawser_association *find_nonce(const struct associations *all, const uint8_t nonce[16], const char *key_name)
{
    struct nonce_link sought = {.key_name = key_name}, *link;

    memcpy(sought.nonce, nonce, sizeof sought.nonce);
    link = RB_FIND(nonce_tree, (struct nonce_tree *)(uintptr_t)&all->nonces, &sought);
    return link ? link->association : NULL;
}
