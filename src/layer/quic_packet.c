/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets in and out. Those that go out are put together in batches of one size, which the system cuts (GSO): a round of
 * sending writes until the congestion window is full, or so much that others would wait too long.
 */
#include "layer/quic.h"

#include <errno.h>
#include <stdlib.h>

#include "layer/quic_streams.h"

uint64_t quic_time(struct quic_layer *quic)
{
    return (uint64_t)quic->wire->now(quic) * 1000;
}

/* Strictly after: some of ngtcp2's times have to be over, not only reached. */
static void arm(struct quic_layer *quic)
{
    uint64_t expiry =
        quic->conn && !quic->closed && !quic->layer.error ? ngtcp2_conn_get_expiry(quic->conn) : UINT64_MAX;

    quic->wire->arm(quic, expiry >= INT64_MAX ? INT64_MAX : (int64_t)(expiry / 1000 + 1));
}

/* --------------------------------------------------------------------------------------------------------------- in */

static bool is_over(const struct quic_layer *quic)
{
    return !quic->conn || quic->closed || quic->ended || quic->layer.error;
}

static void read_one(struct quic_layer *quic, const ngtcp2_path *path, const struct udp_packet *packet,
                     const uint8_t *data, size_t size)
{
    ngtcp2_pkt_info info = {.ecn = packet->ecn};
    int r;

    quic->bytes_received += size;
    quic->in.received_at = packet->received_at;
    quic->in.heard_at = quic->wire->now(quic);
    r = ngtcp2_conn_read_pkt(quic->conn, path, &info, data, size, quic_time(quic));
    if (r == 0)
        return;
    if (r == NGTCP2_ERR_DRAINING) {
        if (quic_fail_closed(quic) == 0)
            quic->ended = true;
    } else {
        quic_fail(quic, r);
    }
    quic_tell(quic, LAYER_READABLE | LAYER_WRITABLE);
}

void quic_receive_packet(struct quic_layer *quic, const struct udp_packet *packet)
{
    const struct layer_address *local = packet->local.size ? &packet->local : &quic->first_local;
    ngtcp2_path path = {
        .local = {(ngtcp2_sockaddr *)&local->address, local->size},
        .remote = {(ngtcp2_sockaddr *)&packet->remote.address, packet->remote.size},
    };

    if (!quic->conn && quic->secure.is_server && !quic->layer.error) {
        int r = quic_begin_server(quic, packet);
        if (r == -EBADMSG)
            return;
        if (r < 0)
            layer_fail(&quic->layer, r, "cannot answer: %s", hawser_strerror(r));
    }
    for (size_t at = 0; at < packet->size && !is_over(quic); at += packet->segment) {
        size_t size = packet->size - at < packet->segment ? packet->size - at : packet->segment;

        /* What the user does not take has no bound in QUIC where it comes as datagrams, nor in how many pieces it comes: so
         * nobody hears that it came. */
        if (quic->in.held < QUIC_DATAGRAMS_HELD)
            read_one(quic, &path, packet, packet->data + at, size);
    }
}

void quic_batch_end(struct quic_layer *quic)
{
    if (quic_inbound_waits(quic))
        quic_tell(quic, LAYER_READABLE);
    quic_later(quic);
}

void quic_expire(struct quic_layer *quic)
{
    int r;

    if (is_over(quic))
        return;
    quic_units_give_up(quic);
    r = ngtcp2_conn_handle_expiry(quic->conn, quic_time(quic));
    if (r != 0) {
        quic_fail(quic, r);
        quic_tell(quic, LAYER_READABLE | LAYER_WRITABLE);
        return;
    }
    r = quic_write(quic);
    if (r < 0 && r != -EAGAIN)
        quic_tell(quic, LAYER_READABLE);
}

/* -------------------------------------------------------------------------------------------------------------- out */

static void from_path(struct layer_address *address, const ngtcp2_addr *from)
{
    address->size = from->addrlen;
    memcpy(&address->address, from->addr, from->addrlen);
}

static int send_batch(struct quic_layer *quic, struct quic_batch *batch)
{
    struct iovec piece = {batch->data, batch->size};
    struct layer_address local, remote;
    struct udp_out out = {
        .pieces = &piece,
        .count = 1,
        .segment = batch->size > batch->segment ? batch->segment : 0,
        .remote = &remote,
        .local = &local,
        .ecn = batch->ecn,
    };
    int r;

    if (batch->size == 0)
        return 0;
    from_path(&local, &batch->path.path.local);
    from_path(&remote, &batch->path.path.remote);
    r = quic->wire->send(quic, &out);
    if (r == -EAGAIN)
        return r;
    if (r == 0) {
        quic->sends++;
        quic->bytes_sent += batch->size;
        quic->packets_sent += (batch->size + batch->segment - 1) / batch->segment;
    }
    batch->size = 0;
    /* What a packet cannot do now, another may: loss is what QUIC is for. Before the handshake it is a reason to give up. */
    if (r < 0 && !quic->completed && r != -EMSGSIZE && r != -ENOBUFS)
        return layer_fail(&quic->layer, r, "cannot send: %s", hawser_strerror(r));
    return 0;
}

/* Keeps a batch that the socket did not take. */
static int keep_batch(struct quic_layer *quic, struct quic_batch *batch)
{
    struct quic_batch *kept = malloc(sizeof *kept);

    if (!kept)
        return layer_fail(&quic->layer, -ENOMEM, "out of memory");
    memcpy(kept, batch, sizeof *kept);
    /* The addresses lie inside. */
    kept->path.path.local.addr = &kept->path.local_addrbuf.sa;
    kept->path.path.remote.addr = &kept->path.remote_addrbuf.sa;
    quic->refused = kept;
    batch->data = NULL;
    return -EAGAIN;
}

static int send_refused(struct quic_layer *quic)
{
    int r;

    if (!quic->refused)
        return 0;
    r = send_batch(quic, quic->refused);
    if (r == -EAGAIN)
        return r;
    free(quic->refused->data);
    free(quic->refused);
    quic->refused = NULL;
    return r;
}

/* One datagram unit into the packet that is being written. */
static ngtcp2_ssize put_datagram(struct quic_layer *quic, struct quic_unit *unit, ngtcp2_path_storage *path,
                                 ngtcp2_pkt_info *info, uint8_t *data, size_t size, uint64_t now)
{
    ngtcp2_vec piece = {unit->data, unit->size};
    int accepted = 0;
    ngtcp2_ssize n;

    if (unit->size > quic_units.lossy_max(&quic->layer)) { /* the path became narrower since begin() */
        quic_units_closed(quic, unit, false);
        return NGTCP2_ERR_WRITE_MORE;
    }
    n = ngtcp2_conn_writev_datagram(quic->conn, &path->path, info, data, size, &accepted,
                                    NGTCP2_WRITE_DATAGRAM_FLAG_MORE, unit->number, &piece, 1, now);
    if (accepted)
        quic_units_written(quic, unit, unit->size);
    return n;
}

static ngtcp2_ssize put_unit(struct quic_layer *quic, struct quic_unit *unit, ngtcp2_path_storage *path,
                             ngtcp2_pkt_info *info, uint8_t *data, size_t size, uint64_t now)
{
    ngtcp2_vec piece = {unit->data + unit->written, unit->size - unit->written};
    ngtcp2_ssize taken = -1, n;

    if (unit->lossy)
        return put_datagram(quic, unit, path, info, data, size, now);
    n = ngtcp2_conn_writev_stream(quic->conn, &path->path, info, data, size, &taken,
                                  NGTCP2_WRITE_STREAM_FLAG_FIN | NGTCP2_WRITE_STREAM_FLAG_MORE, unit->stream, &piece, 1,
                                  now);
    if (taken >= 0)
        quic_units_written(quic, unit, (size_t)taken);
    if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
        quic->out.blocked = true;
        return NGTCP2_ERR_WRITE_MORE;
    }
    if (n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND) { /* the peer does not want it */
        quic_units_abandon(quic, unit);
        return NGTCP2_ERR_WRITE_MORE;
    }
    return n;
}

/*
 * ngtcp2 probes for what it would send again, and not for datagrams: were the last of them lost, or their acknowledgement,
 * they would be under way for ever, and the window with them. So
 * - each quarter of a window of them is followed by a byte of a stream, in a packet of its own: a frame of PADDING, which means
 *   nothing, in a unit that never ends;
 * - silence while some are under way brings a ping, for which there is room then, however much the window shrinks.
 */
static ngtcp2_ssize write_padding(struct quic_layer *quic, ngtcp2_path_storage *path, ngtcp2_pkt_info *info,
                                  uint8_t *data, size_t size, uint64_t now)
{
    static const uint8_t padding = 0;
    ngtcp2_vec piece = {(uint8_t *)(uintptr_t)&padding, sizeof padding};
    ngtcp2_ssize taken = -1, n;

    quic->out.bare = 0;
    if (quic->out.padding < 0 && ngtcp2_conn_open_uni_stream(quic->conn, &quic->out.padding, NULL) != 0) {
        quic->out.padding = -1;
        return 0;
    }
    n = ngtcp2_conn_writev_stream(quic->conn, &path->path, info, data, size, &taken, NGTCP2_WRITE_STREAM_FLAG_NONE,
                                  quic->out.padding, &piece, 1, now);
    if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED || n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND)
        return 0;
    return n;
}

static bool padding_due(struct quic_layer *quic)
{
    return quic->out.bare > 0 && quic->out.bare >= quic_units_window(quic) / 4;
}

#define PING_MAX 1000000

/* The longer the silence, the fewer the pings. */
static void ask_for_datagrams(struct quic_layer *quic)
{
    uint64_t pto, silence;

    if (!quic->completed || !quic->conn)
        return;
    pto = ngtcp2_conn_get_pto(quic->conn);
    silence = (uint64_t)(quic->wire->now(quic) - quic->in.heard_at);
    silence = (silence < PING_MAX ? silence : PING_MAX) * NGTCP2_MICROSECONDS;
    ngtcp2_conn_set_keep_alive_timeout(quic->conn, quic->out.lossy == 0 ? 0 : silence > pto ? silence : pto);
}

/* One packet, with as much as goes into it; but datagrams have theirs alone (quic_units_give_up()). */
static ngtcp2_ssize write_packet(struct quic_layer *quic, ngtcp2_path_storage *path, ngtcp2_pkt_info *info,
                                 uint8_t *data, size_t size, uint64_t now)
{
    enum { NOTHING, STREAMS, DATAGRAMS } holds = NOTHING;
    ngtcp2_ssize n;

    do {
        struct quic_unit *unit = quic->streams ? NULL : quic_units_next(quic);

        if (unit && holds != NOTHING && (holds == DATAGRAMS) != unit->lossy)
            unit = NULL;
        else if (unit)
            holds = unit->lossy ? DATAGRAMS : STREAMS;

        if (quic->streams)
            n = quic_streams_write(quic, path, info, data, size, now);
        else if (unit)
            n = put_unit(quic, unit, path, info, data, size, now);
        else
            n = ngtcp2_conn_writev_stream(quic->conn, &path->path, info, data, size, NULL, 0, -1, NULL, 0, now);
    } while (n == NGTCP2_ERR_WRITE_MORE);
    return n;
}

static bool fits(const struct quic_batch *batch, const ngtcp2_path_storage *path, uint8_t ecn, size_t size)
{
    return batch->size == 0 ||
           (size <= batch->segment && batch->ecn == ecn && ngtcp2_path_eq(&batch->path.path, &path->path));
}

/* The packet that was written behind the batch becomes part of it, or begins the next one. */
static int add_packet(struct quic_layer *quic, struct quic_batch *batch, const ngtcp2_path_storage *path, uint8_t ecn,
                      size_t size, size_t largest)
{
    bool short_one;
    int r = 0;

    if (!fits(batch, path, ecn, size)) {
        const uint8_t *packet = batch->data + batch->size;
        r = send_batch(quic, batch);
        if (r < 0)
            return r; /* -EAGAIN: this packet is lost, as any may be */
        memmove(batch->data, packet, size);
    }
    quic_units_packed(quic);
    if (batch->size == 0) {
        batch->segment = size;
        batch->ecn = ecn;
        ngtcp2_path_copy(&batch->path.path, &path->path);
    }
    short_one = size < batch->segment;
    batch->size += size;
    if (short_one || batch->size + largest > UDP_BATCH_MAX || batch->size / batch->segment >= UDP_SEGMENTS_MAX)
        r = send_batch(quic, batch);
    return r;
}

/* About a millisecond of what the path takes, so that pacing has something to pace and others have their turn. */
static size_t burst_size(struct quic_layer *quic)
{
    uint64_t rtt, min_rtt, cwnd, rate;
    double pacing;

    quic_conn_numbers(quic->conn, &rtt, &min_rtt, &cwnd, &rate, &pacing);
    pacing *= 1000000; /* a nanosecond's, for a millisecond */
    return pacing < QUIC_BURST_MIN ? QUIC_BURST_MIN : pacing > QUIC_BURST_MAX ? QUIC_BURST_MAX : (size_t)pacing;
}

static int write_burst(struct quic_layer *quic, struct quic_batch *batch, uint64_t now, bool *ret_more)
{
    size_t largest = ngtcp2_conn_get_max_tx_udp_payload_size(quic->conn), left = burst_size(quic);
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    ngtcp2_ssize n;
    int r;

    ngtcp2_path_storage_zero(&path);
    quic->out.blocked = false;
    if (quic->streams)
        quic_streams_retry(quic);
    while (left > 0) {
        n = padding_due(quic) ? write_padding(quic, &path, &info, batch->data + batch->size, largest, now) : 0;
        if (n == 0)
            n = write_packet(quic, &path, &info, batch->data + batch->size, largest, now);
        if (n < 0) {
            (void)send_batch(quic, batch);
            return quic_fail(quic, (int)n);
        }
        if (n == 0)
            break;
        left -= (size_t)n < left ? (size_t)n : left;
        r = add_packet(quic, batch, &path, (uint8_t)info.ecn, (size_t)n, largest);
        if (r < 0)
            return r;
    }
    *ret_more = left == 0;
    return send_batch(quic, batch);
}

int quic_write(struct quic_layer *quic)
{
    struct quic_batch batch = {.size = 0};
    uint64_t now;
    bool more = false;
    int r = layer_error(&quic->layer)->code;

    if (r < 0 || is_over(quic))
        return r;
    r = send_refused(quic);
    if (r < 0)
        return r;
    batch.data = malloc(UDP_BATCH_MAX);
    if (!batch.data)
        return layer_fail(&quic->layer, -ENOMEM, "out of memory");
    ngtcp2_path_storage_zero(&batch.path);
    now = quic_time(quic);
    if (quic->rekey_wanted && quic->confirmed && ngtcp2_conn_initiate_key_update(quic->conn, now) == 0)
        quic->rekey_wanted = false;
    r = write_burst(quic, &batch, now, &more);
    if (r == -EAGAIN)
        r = keep_batch(quic, &batch);
    free(batch.data);
    if (quic->completed && quic->conn && !quic->layer.error)
        ngtcp2_conn_update_pkt_tx_time(quic->conn, now); /* before, it would delay the handshake */
    ask_for_datagrams(quic);
    arm(quic);
    /* Room that begin() denied may be there now. */
    if (quic->out.told_full && quic->out.backlog == 0)
        quic_tell(quic, LAYER_WRITABLE);
    if (more && r == 0 && quic->layer.context)
        loop_defer_next(quic->layer.context, &quic->written);
    return r;
}

void quic_close(struct quic_layer *quic, const quic_ccerr *error)
{
    uint8_t data[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
    struct quic_batch batch = {.data = data};
    ngtcp2_pkt_info info;
    ngtcp2_ssize n;

    if (!quic->conn || quic->closed || quic->ended || quic_conn_draining(quic->conn))
        return;
    quic->closed = true;
    ngtcp2_path_storage_zero(&batch.path);
    n = ngtcp2_conn_write_connection_close(quic->conn, &batch.path.path, &info, data, sizeof data, error,
                                           quic_time(quic));
    if (n > 0) {
        batch.size = batch.segment = (size_t)n;
        batch.ecn = (uint8_t)info.ecn;
        (void)send_batch(quic, &batch);
    }
    arm(quic);
}
