/* SPDX-License-Identifier: Apache-2.0 */
/* Packets between usrsctp and the layer below: each is one datagram. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/sctp.h"

#define ROUND 256 /* packets taken before others have their turn */
#define CHUNK_INIT 1
#define INIT_SIZE 20 /* its fixed part, with the chunk's head */

/* What does not fit is lost, as in a router, and SCTP sends it again. */
int sctp_packet_queue(struct sctp_layer *sctp, const void *data, size_t size)
{
    struct sctp_packet *packet = NULL;

    sctp_fates_out(&sctp->fates, data, size, sctp->sends_units);
    if (sctp->packets_size + size <= SCTP_QUEUE_MAX)
        packet = malloc(sizeof *packet + size);
    if (!packet)
        return 0;
    packet->size = size;
    memcpy(packet->data, data, size);
    list_append(&sctp->packets, &packet->link);
    sctp->packets_size += size;
    loop_defer(sctp->layer.context, &sctp->news);
    return 0;
}

static void drop_first(struct sctp_layer *sctp)
{
    struct sctp_packet *packet = list_first(&sctp->packets, struct sctp_packet, link);

    sctp->packets_size -= packet->size;
    list_remove(&packet->link);
    free(packet);
}

int sctp_flush(struct sctp_layer *sctp)
{
    struct layer *below = sctp->layer.below;

    if (list_empty(&sctp->packets))
        return 0;
    while (!list_empty(&sctp->packets)) {
        struct sctp_packet *packet = list_first(&sctp->packets, struct sctp_packet, link);
        ssize_t r = below->type->send(below, packet->data, packet->size);
        if (r == -EAGAIN)
            return -EAGAIN;
        if (r < 0 && below->error)
            return (int)r;
        drop_first(sctp); /* also one that did not pass (EMSGSIZE and what ICMP said): lost, and sent again */
    }
    return below->type->flush ? below->type->flush(below) : 0;
}

void sctp_drop_packets(struct sctp_layer *sctp)
{
    while (!list_empty(&sctp->packets))
        drop_first(sctp);
}

/* The acceptor's first packet is an INIT, alone in its packet, and with no tag (RFC 9260 section 8.5.1). ret_port: for which
 * of our ports. */
bool sctp_is_init(const uint8_t *packet, size_t size, uint16_t *ret_port)
{
    static const uint8_t no_tag[4];

    if (size < SCTP_HEAD + INIT_SIZE || packet[SCTP_HEAD] != CHUNK_INIT || memcmp(packet + 4, no_tag, 4) != 0)
        return false;
    *ret_port = (uint16_t)(packet[2] << 8 | packet[3]);
    return *ret_port != 0;
}

/* The port is the opener's to choose; until its association is there, a later INIT may choose another (the first one could
 * have been a stranger's). */
static bool for_nobody(struct sctp_layer *sctp, uint8_t *packet, size_t size)
{
    uint16_t port;

    if (sctp->socket || (sctp->listener && (!sctp_is_init(packet, size, &port) || port == sctp->port)))
        return false;
    if (!sctp_is_init(packet, size, &port) || !sctp_checksum_right(packet, size))
        return true;
    sctp_socket_close(sctp);
    return sctp_listen(sctp, port) < 0;
}

static void take(struct sctp_layer *sctp, uint8_t *packet, size_t size)
{
    if (for_nobody(sctp, packet, size))
        return;
    sctp_fates_in(&sctp->fates, packet, size);
    usrsctp_conninput((void *)sctp->id, packet, size, 0);
}

void sctp_take_packets(struct sctp_layer *sctp)
{
    struct layer *below = sctp->layer.below;
    size_t size;
    uint8_t *scratch = loop_scratch(sctp->layer.context, &size);

    sctp->more = false;
    sctp_engine_tick();
    for (unsigned i = 0; i < ROUND; i++) {
        ssize_t n = below->type->receive(below, scratch, size);
        if (n == -ENODATA && !sctp->ended)
            layer_fail(&sctp->layer, -ECONNRESET, "the peer closed %s before it had ended the association",
                       below->type->name);
        if (n < 0)
            return;
        if (n >= SCTP_HEAD) {
            sctp->heard = true;
            take(sctp, scratch, (size_t)n);
        }
    }
    sctp->more = true;
    loop_defer_next(sctp->layer.context, &sctp->news);
}
