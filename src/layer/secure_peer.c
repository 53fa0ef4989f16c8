/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end, in one small block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/secure.h"

int secure_note_peer(struct secure *secure, const char *name, hawser_verification verification, const uint8_t *spki,
                     size_t spki_size)
{
    size_t name_size = *name && verification != HAWSER_VERIFICATION_KEY ? strlen(name) + 1 : 0;
    struct secure_peer *peer;

    if (spki_size > UINT16_MAX)
        return -E2BIG;
    peer = malloc(sizeof *peer + name_size + spki_size);
    if (!peer)
        return -ENOMEM;
    peer->verification = verification;
    peer->name_size = (uint16_t)name_size;
    peer->spki_size = (uint16_t)spki_size;
    memcpy(peer->bytes, name, name_size);
    if (spki_size)
        memcpy(peer->bytes + name_size, spki, spki_size);
    free(secure->peer);
    secure->peer = peer;
    return 0;
}

const uint8_t *secure_peer_spki(const struct secure *secure)
{
    return secure->peer && secure->peer->spki_size ? secure->peer->bytes + secure->peer->name_size : NULL;
}

const char *secure_peer_name(const struct secure *secure)
{
    return secure->peer && secure->peer->name_size ? (const char *)secure->peer->bytes : "";
}

void secure_peer_key_name(const struct secure *secure, char ret_name[KEY_NAME_SIZE])
{
    const uint8_t *spki = secure_peer_spki(secure);

    if (!spki || key_name_of(spki, secure->peer->spki_size, ret_name) < 0)
        *ret_name = '\0';
}

void secure_peer_tell(const struct secure *secure, struct layer_peer *peer)
{
    peer->alpn = secure_alpn(secure);
    if (!secure->peer)
        return;
    peer->spki = secure_peer_spki(secure);
    peer->spki_size = secure->peer->spki_size;
    peer->verification = secure->peer->verification;
    secure_peer_key_name(secure, peer->key_name);
    strncpy(peer->name, peer->verification == HAWSER_VERIFICATION_KEY ? peer->key_name : secure_peer_name(secure),
            sizeof peer->name - 1);
}
