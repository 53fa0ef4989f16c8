/* SPDX-License-Identifier: Apache-2.0 */
/* What goes through a udp layer, in and out. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "layer/udp_internal.h"

/* ---------------------------------------------------------------------------------------------------------- receiving */

static bool takes_packets(const struct udp_layer *udp)
{
    return udp->taker && udp->taker->packet;
}

static bool own_may_read(const struct udp_socket *socket)
{
    const struct udp_layer *udp = socket->owner;

    return takes_packets(udp) || udp_inbox_empty(&udp->inbox);
}

/* Told at the end of the batch, so that who takes them one by one is told once; what is not taken then waits. */
static void keep_for_batch(struct udp_layer *udp, struct udp_packet *packet)
{
    if (!packet->stays || !udp->layer.ready || (!udp->first && !udp_inbox_empty(&udp->inbox))) {
        (void)udp_inbox_add(udp, packet, 0);
        return;
    }
    packet->next = NULL;
    if (udp->first)
        udp->last->next = packet;
    else
        udp->first = packet;
    udp->last = packet;
}

void udp_told(struct udp_layer *udp, struct udp_packet *packet)
{
    udp->received += packet->size;
    if (takes_packets(udp))
        udp->taker->packet(udp->taker_above, packet);
    else
        keep_for_batch(udp, packet);
}

void udp_batch_end(struct udp_layer *udp)
{
    bool gone = false;

    if (takes_packets(udp)) {
        if (udp->taker->batch_end)
            udp->taker->batch_end(udp->taker_above);
        return;
    }
    if ((!udp->first && udp_inbox_empty(&udp->inbox)) || !udp->layer.ready)
        return;
    udp->gone = &gone;
    udp->layer.ready(&udp->layer, LAYER_READABLE);
    if (gone)
        return;
    udp->gone = NULL;
    for (; udp->first; udp->first = udp->first->next, udp->first_at = 0)
        (void)udp_inbox_add(udp, udp->first, udp->first_at);
}

static void own_packet(struct udp_socket *socket, struct udp_packet *packet)
{
    udp_told(socket->owner, packet);
}

static void own_batch_end(struct udp_socket *socket)
{
    udp_batch_end(socket->owner);
}

/* What an ICMP message is worth is for who takes packets to say, if it wants to. */
bool udp_judges(const struct udp_layer *udp)
{
    return udp->taker && udp->taker->error;
}

/* What a router is said to be unable to pass is less than anything above us could live with: no message makes it so small. */
static void note_mtu(struct udp_layer *udp, const struct udp_said *said)
{
    unsigned headers = udp_headers(udp), mtu = said->mtu;

    if (said->icmp && udp_judges(udp) && mtu > 0 && mtu < UDP_PATH_MIN + headers)
        mtu = UDP_PATH_MIN + headers;
    if (mtu > headers && (udp->mtu == 0 || mtu < udp->mtu))
        udp->mtu = mtu;
}

void udp_error(struct udp_layer *udp, const struct udp_said *said)
{
    int code = said->code;

    if (code == -EMSGSIZE) {
        note_mtu(udp, said);
    } else if (!udp_judges(udp)) {
        layer_fail(&udp->layer, code, "%s",
                   code == -ECONNREFUSED ? "nobody listens at that port (ICMP)" : hawser_strerror(code));
    }
    if (udp_judges(udp)) {
        udp->taker->error(udp->taker_above, code, said->mtu);
    } else if (code != -EMSGSIZE && udp->layer.ready) {
        udp->layer.ready(&udp->layer, LAYER_READABLE);
    }
}

static void own_error(struct udp_socket *socket, const struct udp_said *said)
{
    struct udp_layer *udp = socket->owner;
    const struct layer_address *remote = said->remote;

    /* What is said of a former remote, or of a path that is only tried, is not of this line. */
    if ((remote->size == 0 || udp_same_address(remote, &udp->remote)) && socket == udp->sockets[0])
        udp_error(udp, said);
}

const struct udp_socket_user udp_own_socket = {own_packet, own_batch_end, own_error, own_may_read};

ssize_t udp_receive_in_place(struct layer *layer, const uint8_t **ret_data)
{
    struct udp_layer *udp = udp_of(layer);
    struct udp_packet *packet = udp->first;
    size_t here;

    if (!packet)
        return -EAGAIN;
    here = packet->size - udp->first_at;
    if (here > packet->segment)
        here = packet->segment;
    *ret_data = packet->data + udp->first_at;
    udp->received_at = packet->received_at;
    udp->first_at += here;
    if (udp->first_at == packet->size) {
        udp->first = packet->next;
        udp->first_at = 0;
    }
    return (ssize_t)here;
}

ssize_t udp_receive(struct layer *layer, void *buffer, size_t size)
{
    struct udp_layer *udp = udp_of(layer);
    const uint8_t *data;
    ssize_t n = udp_receive_in_place(layer, &data);

    if (n >= 0) {
        n = (size_t)n < size ? n : (ssize_t)size;
        memcpy(buffer, data, (size_t)n);
        return n;
    }
    n = udp_inbox_take(udp, buffer, size);
    if (n != -EAGAIN) {
        /* Reading stopped while something waited. */
        if (udp_inbox_empty(&udp->inbox) && !udp->port && udp->socket_count)
            for (unsigned i = 0; i < udp->socket_count; i++)
                udp_socket_go_on(udp->sockets[i]);
        return n;
    }
    return layer->error ? layer->error->code : -EAGAIN;
}

void udp_take(struct layer *layer, void *above, const struct udp_taker *taker)
{
    struct udp_layer *udp = udp_of(layer);
    bool told = false;

    udp->taker = taker;
    udp->taker_above = above;
    if (!taker->packet)
        return;
    while (!udp_inbox_empty(&udp->inbox)) {
        struct udp_packet packet;

        (void)udp_inbox_first(udp, &packet);
        taker->packet(above, &packet);
        udp_inbox_pop(udp);
        told = true;
    }
    if (told && taker->batch_end)
        taker->batch_end(above);
    for (unsigned i = 0; !udp->port && i < udp->socket_count; i++)
        udp_socket_go_on(udp->sockets[i]);
}

int64_t udp_received_at(const struct layer *layer)
{
    return udp_of(layer)->received_at;
}

bool udp_is_stamped(const struct layer *layer)
{
    const struct udp_layer *udp = udp_of(layer);

    return udp->socket_count > 0 && udp->sockets[0]->stamps;
}

/* What waits in the outbox leaves next; an empty datagram never waits. */
uint64_t udp_last_send(const struct layer *layer)
{
    const struct udp_layer *udp = udp_of(layer);

    return udp->outbox.size > 0 || udp->sends == 0 ? udp->sends : udp->sends - 1;
}

/* ------------------------------------------------------------------------------------------------------------ sending */

struct udp_socket *udp_socket_for(const struct udp_layer *udp, const struct layer_address *local)
{
    for (unsigned i = 0; local && i < udp->socket_count; i++)
        if (udp_same_address(&udp->sockets[i]->local, local))
            return udp->sockets[i];
    return udp->socket_count ? udp->sockets[0] : NULL;
}

static int wait_for_room(struct udp_layer *udp, struct udp_socket *socket)
{
    if (!list_linked(&udp->blocked))
        list_append(&socket->blocked, &udp->blocked);
    return -EAGAIN;
}

/* On a socket that is shared each peer has its turn: none sends before those that wait already. */
static bool is_others_turn(const struct udp_layer *udp, const struct udp_socket *socket)
{
    return !list_empty(&socket->blocked) && socket->blocked.next != &udp->blocked && !socket->writable;
}

int udp_send(struct layer *layer, const struct udp_out *given)
{
    struct udp_layer *udp = udp_of(layer);
    struct udp_socket *socket = udp_socket_for(udp, given->local);
    struct udp_out out = *given;
    int r;

    if (!socket)
        return layer->error ? layer->error->code : -ENOTCONN;
    if (!out.remote)
        out.remote = &udp->remote;
    if (!out.local)
        out.local = &udp->local;
    out.dscp = udp->dscp;
    if (is_others_turn(udp, socket))
        return wait_for_room(udp, socket);
    if (out.send_at > loop_clock() && !udp_keeps_time(socket)) {
        r = udp_queue_add(socket, &out, 0, out.send_at, udp, udp->sends);
    } else {
        r = udp_transmit(socket, &out, udp, udp->sends);
    }
    if (r == -EAGAIN)
        return wait_for_room(udp, socket);
    if (r < 0)
        return r;
    udp->sends++;
    for (unsigned i = 0; i < out.count; i++)
        udp->sent += out.pieces[i].iov_len;
    return 0;
}

ssize_t udp_sendv(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    struct udp_layer *udp = udp_of(layer);
    size_t size = 0;
    int r;

    if (layer->error)
        return layer->error->code;
    for (unsigned i = 0; i < count; i++)
        size += pieces[i].iov_len;
    if (size > udp_datagram_max(layer))
        return -EMSGSIZE;
    r = udp_outbox_add(udp, pieces, count, size);
    if (r == -EAGAIN || r == -EMSGSIZE || r == -ENOMEM)
        return r;
    if (r < 0)
        return layer_fail(layer, r, "cannot send: %s", hawser_strerror(r));
    return (ssize_t)size;
}

ssize_t udp_send_bytes(struct layer *layer, const void *data, size_t size)
{
    const struct iovec piece = {(void *)(uintptr_t)data, size};

    return udp_sendv(layer, &piece, 1);
}

int udp_flush(struct layer *layer)
{
    int r = udp_outbox_flush(udp_of(layer));

    if (r == 0 || r == -EAGAIN || r == -EMSGSIZE)
        return r == -EAGAIN ? r : 0;
    return layer_fail(layer, r, "cannot send: %s", hawser_strerror(r));
}
