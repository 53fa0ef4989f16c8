/* SPDX-License-Identifier: Apache-2.0 */
/* A client that is made by hand: it says and hears exactly the bytes that a test wants, over TLS 1.3 with hawser's ALPN name. */
#ifndef API_HAND_H
#define API_HAND_H

#include <gnutls/gnutls.h>

#include "api.h"

struct hand {
    struct world *world;
    int fd;
    gnutls_session_t tls;
    gnutls_certificate_credentials_t credentials;
};

/* Connects to where the listener of the world is, and has its handshake. It takes any certificate. */
void hand_connect(struct hand *hand, struct world *world);
void hand_say(struct hand *hand, const void *data, size_t size); /* one record */
/* The next bytes: how many, 0 at the end, also by a reset. Steps the world meanwhile. */
size_t hand_hear(struct hand *hand, void *buffer, size_t size);
void hand_close(struct hand *hand); /* without a word */

#endif
