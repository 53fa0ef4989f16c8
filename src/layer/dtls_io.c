/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between GnuTLS and the layer below. GnuTLS always hears that a datagram was taken: what the layer below refuses waits
 * here, a flight of the handshake at most, since nothing else is given to GnuTLS meanwhile.
 */
#include "layer/dtls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/dtls.h>

#define RECORD_HEAD 13
#define SILENT_MAX 4096 /* datagrams that carry nothing, in one call */

/* ---------------------------------------------------------------------------------------------------------- reading */

static size_t record_size(const uint8_t *data, size_t size)
{
    size_t record = size < RECORD_HEAD ? size : RECORD_HEAD + ((size_t)data[11] << 8 | data[12]);

    return record < size ? record : size;
}

static int keep_first(struct dtls_layer *dtls, const uint8_t *data, size_t size)
{
    dtls->first = malloc(size);
    if (!dtls->first)
        return -ENOMEM;
    memcpy(dtls->first, data, size);
    dtls->first_size = size;
    return 0;
}

/*
 * GnuTLS is given record by record. It drops a datagram with all that is in it for the first record that it cannot use: who
 * did not hear our last flight sends its own again, of which the beginning is of the epoch that was, and the end, which asks
 * for ours, would never be seen.
 */
static ssize_t take_first(struct dtls_layer *dtls, void *buffer, size_t size)
{
    size_t record = record_size(dtls->first, dtls->first_size);

    memcpy(buffer, dtls->first, record < size ? record : size);
    dtls->first_size -= record;
    if (dtls->first_size > 0) {
        memmove(dtls->first, dtls->first + record, dtls->first_size);
    } else {
        free(dtls->first);
        dtls->first = NULL;
    }
    dtls->pulled = true;
    return (ssize_t)(record < size ? record : size);
}

static void note_answer(struct dtls_layer *dtls)
{
    dtls->answered = true;
    if (!dtls->secure.opening || dtls->flight_at == 0)
        return;
    if (!dtls->resent)
        dtls->rtt = loop_clock() - dtls->flight_at;
    dtls->flight_at = 0;
}

/*
 * Whole records (RFC 6347 section 4.1) and nothing else. GnuTLS would wait for the rest of a record that is cut off, and
 * take what comes later for it: a single datagram from a stranger would make it deaf.
 */
static bool is_whole(const uint8_t *data, size_t size)
{
    while (size >= RECORD_HEAD && data[1] == 0xfe) {
        size_t record = RECORD_HEAD + ((size_t)data[11] << 8 | data[12]);
        if (record > size)
            return false;
        if (record == size)
            return true;
        data += record;
        size -= record;
    }
    return false;
}

/* > 0: how large it is; -EAGAIN; or dead. */
static ssize_t next_whole(struct dtls_layer *dtls, void *buffer, size_t size)
{
    struct layer *below = dtls->layer.below;

    for (int silent = 0; silent < SILENT_MAX; silent++) {
        ssize_t n = below->type->receive(below, buffer, size);
        if (n < 0)
            return n;
        if (n > 0 && is_whole(buffer, (size_t)n)) {
            note_answer(dtls);
            return n;
        }
    }
    return -EAGAIN;
}

static ssize_t pull(gnutls_transport_ptr_t user, void *buffer, size_t size)
{
    struct dtls_layer *dtls = user;
    ssize_t n;

    if (dtls->first)
        return take_first(dtls, buffer, size);
    n = next_whole(dtls, buffer, size);
    if (n > 0) {
        size_t record = record_size(buffer, (size_t)n);

        if (record < (size_t)n)
            (void)keep_first(dtls, (uint8_t *)buffer + record, (size_t)n - record); /* without memory it is lost */
        dtls->pulled = true;
        return (ssize_t)record;
    }
    gnutls_transport_set_errno(dtls->secure.session, n == -EAGAIN ? EAGAIN : EIO);
    return -1;
}

/*
 * Whether a datagram is there. GnuTLS asks before it sends a flight again: what came is its answer, and then it never does.
 * There is no looking without taking, so it is kept. A layer that is dead has something to say.
 */
static int pull_timeout(gnutls_transport_ptr_t user, unsigned milliseconds)
{
    struct dtls_layer *dtls = user;
    uint8_t data[DTLS_PATH_MAX];
    ssize_t n;

    (void)milliseconds;
    if (dtls->first)
        return 1;
    n = next_whole(dtls, data, sizeof data);
    if (n < 0)
        return n != -EAGAIN;
    return keep_first(dtls, data, (size_t)n) == 0; /* else lost, as on the way */
}

/* A new handshake inside this one is declined (RFC 5246 section 7.4.1.1); nothing is built on the old one's ending. What
 * cannot leave now is not said: a peer that asks on and on must not fill our memory with the answers. */
static bool goes_on(struct dtls_layer *dtls, ssize_t code)
{
    if (code == GNUTLS_E_REHANDSHAKE) {
        if (list_empty(&dtls->out))
            gnutls_alert_send(dtls->secure.session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
        return true;
    }
    return code == GNUTLS_E_INTERRUPTED || code == GNUTLS_E_WARNING_ALERT_RECEIVED ||
           (code == GNUTLS_E_AGAIN && dtls->pulled);
}

/* GnuTLS says 0 for the peer's goodbye, from then on always and without asking below, and for an empty record. */
static bool has_ended(struct dtls_layer *dtls)
{
    bool pulled = dtls->pulled;
    ssize_t n;

    dtls->pulled = false;
    n = gnutls_record_recv(dtls->secure.session, dtls->in, DTLS_RECORD);
    dtls->ended = n == 0 && !dtls->pulled;
    dtls->pulled |= pulled;
    return dtls->ended;
}

/* Who did not hear our goodbye hears it again, once for all that just came. */
static void say_bye_again(struct dtls_layer *dtls, bool *said)
{
    if (dtls->said_bye && !*said && list_empty(&dtls->out))
        gnutls_alert_send(dtls->secure.session, GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY);
    *said = true;
}

ssize_t dtls_read(struct dtls_layer *dtls)
{
    int code = layer_error(&dtls->layer)->code;
    bool said = false;
    ssize_t n;

    if (code < 0)
        return code;
    if (dtls->ended)
        return 0;
    if (!dtls->in && !(dtls->in = malloc(DTLS_RECORD)))
        return layer_fail(&dtls->layer, -ENOMEM, "no memory");
    for (int silent = 0; silent < SILENT_MAX; silent++) {
        dtls->pulled = false;
        n = gnutls_record_recv(dtls->secure.session, dtls->in, DTLS_RECORD);
        if (n > 0) {
            say_bye_again(dtls, &said);
            return n;
        }
        if (n == 0 && has_ended(dtls))
            return 0;
        if (n < 0 && !goes_on(dtls, n))
            return n == GNUTLS_E_AGAIN ? -EAGAIN : dtls_fail(dtls, n);
    }
    dtls_arm(dtls, loop_now(dtls->layer.context)); /* others have their turn */
    return -EAGAIN;
}

void dtls_done_reading(struct dtls_layer *dtls)
{
    free(dtls->in);
    dtls->in = NULL;
}

/* ---------------------------------------------------------------------------------------------------------- writing */

int dtls_flush(struct dtls_layer *dtls)
{
    struct layer *below = dtls->layer.below;

    while (!list_empty(&dtls->out)) {
        struct dtls_datagram *datagram = list_first(&dtls->out, struct dtls_datagram, link);
        ssize_t n = below->type->send(below, datagram->data, datagram->size);
        if (n < 0 && n != -EMSGSIZE) /* too large a one is lost, as on the way */
            return (int)n;
        list_remove(&datagram->link);
        free(datagram);
    }
    return 0;
}

static int keep(struct dtls_layer *dtls, const giovec_t *pieces, int count, size_t total)
{
    struct dtls_datagram *datagram = malloc(sizeof *datagram + total);

    if (!datagram)
        return -ENOMEM;
    datagram->size = 0;
    for (int i = 0; i < count; i++) {
        memcpy(datagram->data + datagram->size, pieces[i].iov_base, pieces[i].iov_len);
        datagram->size += pieces[i].iov_len;
    }
    list_append(&dtls->out, &datagram->link);
    return 0;
}

static ssize_t send_pieces(struct layer *below, const giovec_t *pieces, int count)
{
    if (count == 1)
        return below->type->send(below, pieces->iov_base, pieces->iov_len);
    return below->type->sendv ? below->type->sendv(below, pieces, (unsigned)count) : -EAGAIN;
}

static ssize_t push(gnutls_transport_ptr_t user, const giovec_t *pieces, int count)
{
    struct dtls_layer *dtls = user;
    size_t total = 0;
    ssize_t n = -EAGAIN;

    for (int i = 0; i < count; i++)
        total += pieces[i].iov_len;
    if (dtls->secure.opening)
        dtls->flight_at = loop_clock();
    if (list_empty(&dtls->out))
        n = send_pieces(dtls->layer.below, pieces, count);
    if (n == -EAGAIN)
        n = keep(dtls, pieces, count, total);
    if (n < 0 && n != -EMSGSIZE && n != -ENOMEM) {
        gnutls_transport_set_errno(dtls->secure.session, EIO);
        return -1;
    }
    return (ssize_t)total;
}

int dtls_write(struct dtls_layer *dtls, const void *data, size_t size)
{
    ssize_t n;

    do
        n = gnutls_record_send(dtls->secure.session, data, size);
    while (n == GNUTLS_E_INTERRUPTED);
    if (n == GNUTLS_E_LARGE_PACKET)
        return -EMSGSIZE;
    return n < 0 ? dtls_fail(dtls, n) : 0;
}

void dtls_set_io(struct dtls_layer *dtls)
{
    gnutls_transport_set_ptr(dtls->secure.session, dtls);
    gnutls_transport_set_pull_function(dtls->secure.session, pull);
    gnutls_transport_set_pull_timeout_function(dtls->secure.session, pull_timeout);
    gnutls_transport_set_vec_push_function(dtls->secure.session, push);
}

void dtls_free_io(struct dtls_layer *dtls)
{
    while (!list_empty(&dtls->out)) {
        struct dtls_datagram *datagram = list_first(&dtls->out, struct dtls_datagram, link);
        list_remove(&datagram->link);
        free(datagram);
    }
    free(dtls->first);
    free(dtls->in);
}

/* ---------------------------------------------------------------------------------------------------- sizes, times */

/* What leaves this host uncut; the handshake, and units until a probe came through, stay with what passes anywhere. */
void dtls_find_sizes(struct dtls_layer *dtls)
{
    struct layer *below = dtls->layer.below;
    size_t path = below->type->datagram_max ? below->type->datagram_max(below) : DTLS_PATH_MIN, least;

    if (path > DTLS_PATH_MAX)
        path = DTLS_PATH_MAX;
    least = path < DTLS_PATH_MIN ? path : DTLS_PATH_MIN;
    gnutls_dtls_set_mtu(dtls->secure.session, (unsigned)least);
    dtls->base = dtls->full = gnutls_dtls_get_data_mtu(dtls->secure.session);
    if (dtls->secure.opening)
        return;
    gnutls_dtls_set_mtu(dtls->secure.session, (unsigned)path);
    dtls->full = gnutls_dtls_get_data_mtu(dtls->secure.session);
    if (dtls->full > DTLS_RECORD)
        dtls->full = DTLS_RECORD;
    if (dtls->numbered)
        dtls_units_shrink(dtls);
}

void dtls_arm(struct dtls_layer *dtls, int64_t due)
{
    if (due >= dtls->due || !dtls->layer.context)
        return;
    dtls->due = due;
    loop_timer_set(dtls->layer.context, &dtls->timer, due);
}

void dtls_tell(struct dtls_layer *dtls, unsigned ready)
{
    if (dtls->layer.ready)
        dtls->layer.ready(&dtls->layer, ready);
}
