/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Early data at the server. GnuTLS gives each record of it a block of 17 kB and keeps them all, so it is taken over
 * record by record: a peer that sends its 64 KiB in single bytes would make us hold a gigabyte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/tls.h"

#define CAPACITY_MIN 1024

static size_t capacity_for(size_t size)
{
    size_t capacity = CAPACITY_MIN;

    while (capacity < size)
        capacity *= 2;
    return capacity;
}

static int add(struct tls_layer *tls, const uint8_t *data, size_t size)
{
    size_t old = tls->early ? tls->early->size : 0, capacity = capacity_for(old + size);
    struct tls_bytes *early = tls->early;

    if (!early || capacity != capacity_for(old)) {
        early = realloc(early, sizeof *early + capacity);
        if (!early)
            return -ENOMEM;
        if (!tls->early)
            early->position = 0;
        tls->early = early;
    }
    memcpy(early->data + old, data, size);
    early->size = old + size;
    return 0;
}

int tls_take_early(struct tls_layer *tls)
{
    uint8_t record[TLS_RECORD];
    ssize_t n;
    int r;

    if (!tls->secure.opening || !(gnutls_session_get_flags(tls->secure.session) & GNUTLS_SFLAGS_EARLY_DATA))
        return 0;
    r = secure_open_early(&tls->secure);
    while (r == 0 && (n = gnutls_record_recv_early_data(tls->secure.session, record, sizeof record)) >= 0) {
        if (n == 0) /* GnuTLS would keep it for ever, and all that follows */
            return layer_fail(&tls->layer, -HAWSER_ETLS, "the peer sends empty records as early data");
        r = add(tls, record, (size_t)n);
    }
    return r < 0 ? layer_fail(&tls->layer, r, "cannot take early data: %s", hawser_strerror(r)) : 0;
}

ssize_t tls_receive_early(struct tls_layer *tls, void *buffer, size_t size)
{
    struct tls_bytes *early = tls->early;
    size_t have = early ? early->size - early->position : 0;

    if (have == 0 || !tls->secure.early_open)
        return -EAGAIN;
    if (size > have)
        size = have;
    memcpy(buffer, early->data + early->position, size);
    early->position += size;
    if (size == have && !tls->secure.opening) { /* until then more may come */
        free(early);
        tls->early = NULL;
    }
    return (ssize_t)size;
}
