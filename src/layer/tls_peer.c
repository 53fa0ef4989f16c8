/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end, in one small block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/tls.h"

int tls_note_peer(struct tls_layer *tls, const char *name, hawser_verification verification, const uint8_t *spki,
                  size_t spki_size)
{
    size_t name_size = *name && verification != HAWSER_VERIFICATION_KEY ? strlen(name) + 1 : 0;
    struct tls_peer *peer;

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
    free(tls->peer);
    tls->peer = peer;
    return 0;
}

const uint8_t *tls_peer_spki(const struct tls_layer *tls)
{
    return tls->peer && tls->peer->spki_size ? tls->peer->bytes + tls->peer->name_size : NULL;
}

const char *tls_peer_name(const struct tls_layer *tls)
{
    return tls->peer && tls->peer->name_size ? (const char *)tls->peer->bytes : "";
}

void tls_peer_key_name(const struct tls_layer *tls, char ret_name[KEY_NAME_SIZE])
{
    const uint8_t *spki = tls_peer_spki(tls);

    if (!spki || key_name_of(spki, tls->peer->spki_size, ret_name) < 0)
        *ret_name = '\0';
}
