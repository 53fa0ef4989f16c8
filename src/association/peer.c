/* SPDX-License-Identifier: Apache-2.0 */
/* Who the peer is, as its first strand showed it. (S2.30) */
#include "association/association.h"

static bool peer_same(const hawser_peer *is, const struct layer_peer *peer)
{
    return is->verification == peer->verification && strcmp(is->name, *peer->name ? peer->name : peer->key_name) == 0 &&
           strcmp(is->key_name, peer->key_name) == 0 && is->public_key_size == peer->spki_size &&
           strcmp(is->alpn, peer->alpn ? peer->alpn : "") == 0;
}

static const char *put(char **at, const char *text)
{
    char *begin = *at;

    *at = stpcpy(begin, text) + 1;
    return begin;
}

/* Takes down who the layers say the peer is. What was told before stays valid for the program. */
int peer_note(hawser_association *association, const struct layer_peer *peer)
{
    struct peer *note;
    const char *name, *alpn;
    char *at;

    if (association->peer && peer_same(&association->peer->is, peer))
        return 0;
    name = *peer->name ? peer->name : peer->key_name;
    alpn = peer->alpn ? peer->alpn : "";
    note = malloc(sizeof *note + strlen(name) + strlen(peer->key_name) + strlen(alpn) + 3 + peer->spki_size);
    if (!note)
        return -ENOMEM;
    at = note->strings;
    note->is = (hawser_peer){.verification = peer->verification, .public_key_size = peer->spki_size};
    note->is.name = put(&at, name);
    note->is.key_name = put(&at, peer->key_name);
    note->is.alpn = put(&at, alpn);
    if (peer->spki_size) {
        memcpy(at, peer->spki, peer->spki_size);
        note->is.public_key = (const uint8_t *)at;
    }
    note->older = association->peer;
    association->peer = note;
    return 0;
}

const char *peer_key_name(const hawser_association *association)
{
    return association->peer ? association->peer->is.key_name : "";
}

int hawser_association_peer(const hawser_association *association, hawser_peer *ret_peer)
{
    if (!association->peer)
        return -ENOTCONN;
    if (ret_peer)
        *ret_peer = association->peer->is;
    return 0;
}
