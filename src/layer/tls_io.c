/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between GnuTLS and the layer below.
 *
 * Reading: GnuTLS asks for the 5 bytes of a record's header, then for its body. With every body the next header is read
 * too, and with a header that came alone a small block beyond it, so that a record costs one system call, whether
 * large or small, and large ones are not copied once more.
 *
 * Writing: GnuTLS always hears that all was taken. What the layer below refuses waits here, at most a record or a
 * flight, so GnuTLS is never in the middle of a record, where it must not be given anything else.
 */
#include "layer/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096

/* --------------------------------------------------------------------------------------------------- reading */

static size_t take_ahead(struct tls_layer *tls, uint8_t *data, size_t size)
{
    size_t have = tls->ahead_size - tls->ahead_position;
    const uint8_t *from = tls->block ? tls->block : tls->header;

    if (have == 0)
        return 0;
    if (size > have)
        size = have;
    memcpy(data, from + tls->ahead_position, size);
    tls->ahead_position += (uint16_t)size;
    if (size == have) {
        free(tls->block);
        tls->block = NULL;
        tls->ahead_position = tls->ahead_size = 0;
    }
    return size;
}

static ssize_t read_more(struct tls_layer *tls, uint8_t *data, size_t size)
{
    struct layer *below = tls->layer.below;
    struct iovec pieces[2] = {{data, size}, {tls->header, sizeof tls->header}};
    ssize_t n;

    if (size < BLOCK && (tls->block = malloc(BLOCK)))
        pieces[1] = (struct iovec){tls->block, BLOCK};
    n = below->type->receivev(below, pieces, 2);
    if (n > (ssize_t)size) {
        tls->ahead_size = (uint16_t)((size_t)n - size);
        return (ssize_t)size;
    }
    free(tls->block);
    tls->block = NULL;
    return n;
}

static void note_first(struct secure_opening *opening, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && opening->first_size < sizeof opening->first; i++)
        opening->first[opening->first_size++] = data[i];
}

static ssize_t pull(gnutls_transport_ptr_t user, void *data, size_t size)
{
    struct tls_layer *tls = user;
    ssize_t n = (ssize_t)take_ahead(tls, data, size);

    if (n > 0)
        return n;
    n = read_more(tls, data, size);
    if (n > 0 && tls->secure.opening)
        note_first(tls->secure.opening, data, (size_t)n);
    if (n > 0)
        return n;
    if (n == 0) {
        tls->ended = true;
        return 0;
    }
    tls->starved = n == -EAGAIN;
    gnutls_transport_set_errno(tls->secure.session, n == -EAGAIN ? EAGAIN : EIO);
    return -1;
}

/* GnuTLS wants to have it, but asks only sessions that may wait. */
static int pull_timeout(gnutls_transport_ptr_t user, unsigned milliseconds)
{
    (void)user;
    (void)milliseconds;
    return 1;
}

/* --------------------------------------------------------------------------------------------------- writing */

int tls_flush(struct tls_layer *tls)
{
    struct layer *below = tls->layer.below;

    if (tls->late_waits) {
        tls->late_waits = false;
        loop_undefer(&tls->late);
    }
    while (tls->out) {
        struct tls_bytes *out = tls->out;
        ssize_t n = below->type->send(below, out->data + out->position, out->size - out->position);
        if (n < 0)
            return (int)n;
        out->position += (size_t)n;
        if (out->position == out->size) {
            free(out);
            tls->out = NULL;
        }
    }
    return 0;
}

/* What is put off in this dispatch, as the first message is, may have been put off after this: so it waits for one more
 * round. */
static void run_late(struct loop_deferred *late)
{
    struct tls_layer *tls = container_of(late, struct tls_layer, late);
    int r;

    if (!tls->late_deferred) {
        tls->late_deferred = true;
        loop_defer(tls->layer.context, late);
        return;
    }
    r = tls_flush(tls);
    if (r < 0 && r != -EAGAIN && tls->layer.ready)
        tls->layer.ready(&tls->layer, LAYER_READABLE); /* to find out that it is dead */
}

/* The end of the handshake and the first data after it are one system call, one packet, one wake-up of the peer. */
void tls_flush_late(struct tls_layer *tls)
{
    if (!tls->out)
        return;
    tls->late_waits = true;
    tls->late_deferred = false;
    loop_deferred_init(&tls->late, run_late);
    loop_defer(tls->layer.context, &tls->late);
}

/* Keeps what follows the first `skip` bytes of the pieces. */
static int keep(struct tls_layer *tls, const giovec_t *pieces, int count, size_t total, size_t skip)
{
    size_t old = tls->out ? tls->out->size : 0;
    struct tls_bytes *out = realloc(tls->out, sizeof *out + old + total - skip);

    if (!out)
        return -ENOMEM;
    if (!tls->out)
        out->position = 0;
    out->size = old;
    for (int i = 0; i < count; i++) {
        const uint8_t *data = pieces[i].iov_base;
        size_t size = pieces[i].iov_len;
        if (skip >= size) {
            skip -= size;
            continue;
        }
        memcpy(out->data + out->size, data + skip, size - skip);
        out->size += size - skip;
        skip = 0;
    }
    tls->out = out;
    return 0;
}

static ssize_t push(gnutls_transport_ptr_t user, const giovec_t *pieces, int count)
{
    struct tls_layer *tls = user;
    struct layer *below = tls->layer.below;
    size_t total = 0;
    ssize_t sent = 0;

    for (int i = 0; i < count; i++)
        total += pieces[i].iov_len;
    /* A flight of the handshake leaves as a whole (tls_establish.c), so that early data rides with the hello. */
    if (!tls->out && !tls->secure.opening) {
        sent = below->type->sendv(below, pieces, (unsigned)count);
        if (sent == (ssize_t)total)
            return sent;
        if (sent == -EAGAIN)
            sent = 0;
    }
    if (sent < 0 || keep(tls, pieces, count, total, (size_t)sent) < 0) {
        gnutls_transport_set_errno(tls->secure.session, EIO);
        return -1;
    }
    return (ssize_t)total;
}

void tls_set_io(struct tls_layer *tls)
{
    gnutls_transport_set_ptr(tls->secure.session, tls);
    gnutls_transport_set_pull_function(tls->secure.session, pull);
    gnutls_transport_set_pull_timeout_function(tls->secure.session, pull_timeout);
    gnutls_transport_set_vec_push_function(tls->secure.session, push);
}

void tls_free_io(struct tls_layer *tls)
{
    if (tls->late_waits)
        loop_undefer(&tls->late);
    free(tls->out);
    free(tls->early);
    free(tls->block);
}
