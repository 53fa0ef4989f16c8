/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For who takes datagrams one by one: those that wait for receive(), and those that leave together once the round of
 * writing ends.
 */
#include <errno.h>
#include <string.h>

#include "layer/udp_internal.h"

#define INBOX_MIN 16384u
#define OUTBOX 65536u

struct record { /* of the inbox: its bytes follow */
    uint32_t size, segment : 24, ecn : 8;
    int64_t received_at;
};

/* ---------------------------------------------------------------------------------------------------------------- in */

bool udp_inbox_empty(const struct udp_inbox *inbox)
{
    return inbox->head == inbox->tail;
}

static size_t padded(size_t size)
{
    return (size + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
}

static int make_room(struct udp_layer *udp, size_t need)
{
    const struct memory *memory = loop_memory(udp->layer.context);
    struct udp_inbox *inbox = &udp->inbox;
    size_t used = inbox->tail - inbox->head, capacity = inbox->capacity ? inbox->capacity : INBOX_MIN;
    uint8_t *block;

    if (used + need > UDP_INBOX_MAX)
        return -ENOBUFS;
    if (inbox->capacity - inbox->tail >= need)
        return 0;
    while (capacity < used + need)
        capacity *= 2;
    if (capacity > inbox->capacity) {
        block = memory_allocate(memory, capacity);
        if (!block)
            return -ENOMEM;
        if (used)
            memcpy(block, inbox->block + inbox->head, used);
        memory_release(memory, inbox->block, inbox->capacity);
        inbox->block = block;
        inbox->capacity = capacity;
    } else {
        memmove(inbox->block, inbox->block + inbox->head, used);
    }
    inbox->head = 0;
    inbox->tail = used;
    return 0;
}

int udp_inbox_add(struct udp_layer *udp, const struct udp_packet *packet, size_t from)
{
    struct udp_inbox *inbox = &udp->inbox;
    struct record record = {(uint32_t)(packet->size - from), (uint32_t)packet->segment & 0xffffff, packet->ecn,
                            packet->received_at};
    size_t need = sizeof record + padded(record.size);
    int r = make_room(udp, need);

    if (r < 0) {
        udp->dropped += packet->segment ? (record.size + packet->segment - 1) / packet->segment : 1;
        return r;
    }
    memcpy(inbox->block + inbox->tail, &record, sizeof record);
    if (record.size)
        memcpy(inbox->block + inbox->tail + sizeof record, packet->data + from, record.size);
    inbox->tail += need;
    return 0;
}

ssize_t udp_inbox_take(struct udp_layer *udp, void *buffer, size_t size)
{
    struct udp_inbox *inbox = &udp->inbox;
    struct record record;
    size_t here;

    if (udp_inbox_empty(inbox))
        return -EAGAIN;
    memcpy(&record, inbox->block + inbox->head, sizeof record);
    here = record.size - inbox->at < record.segment ? record.size - inbox->at : record.segment;
    memcpy(buffer, inbox->block + inbox->head + sizeof record + inbox->at, here < size ? here : size);
    udp->received_at = record.received_at;
    inbox->at += here;
    if (inbox->at == record.size)
        udp_inbox_pop(udp); /* who is idle holds no buffer */
    return (ssize_t)(here < size ? here : size);
}

const uint8_t *udp_inbox_first(const struct udp_layer *udp, struct udp_packet *ret_packet)
{
    const struct udp_inbox *inbox = &udp->inbox;
    struct record record;

    memcpy(&record, inbox->block + inbox->head, sizeof record);
    *ret_packet = (struct udp_packet){
        .data = inbox->block + inbox->head + sizeof record,
        .size = record.size,
        .segment = record.segment,
        .remote = udp->remote,
        .local = udp->local,
        .ecn = record.ecn,
        .received_at = record.received_at,
    };
    return ret_packet->data;
}

void udp_inbox_pop(struct udp_layer *udp)
{
    struct udp_inbox *inbox = &udp->inbox;
    struct record record;

    memcpy(&record, inbox->block + inbox->head, sizeof record);
    inbox->head += sizeof record + padded(record.size);
    inbox->at = 0;
    if (udp_inbox_empty(inbox))
        udp_inbox_free(udp);
}

void udp_inbox_free(struct udp_layer *udp)
{
    if (udp->inbox.block)
        memory_release(loop_memory(udp->layer.context), udp->inbox.block, udp->inbox.capacity);
    udp->inbox = (struct udp_inbox){0};
}

/* --------------------------------------------------------------------------------------------------------------- out */

static void copy(uint8_t *to, const struct iovec *pieces, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (pieces[i].iov_len)
            memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
        to += pieces[i].iov_len;
    }
}

static bool fits(const struct udp_outbox *outbox, size_t size)
{
    return !outbox->ended && size <= outbox->segment && outbox->size + size <= UDP_BATCH_MAX &&
           outbox->size / outbox->segment < UDP_SEGMENTS_MAX;
}

int udp_outbox_add(struct udp_layer *udp, const struct iovec *pieces, unsigned count, size_t size)
{
    struct udp_outbox *outbox = &udp->outbox;

    if (outbox->size > 0 && (size == 0 || !fits(outbox, size))) {
        int r = udp_outbox_flush(udp);
        if (r < 0)
            return r;
    }
    if (size == 0) {
        const struct udp_out out = {.pieces = pieces, .count = 0};
        return udp_send(&udp->layer, &out);
    }
    if (!outbox->block && !(outbox->block = memory_allocate(loop_memory(udp->layer.context), OUTBOX)))
        return -ENOMEM;
    if (outbox->size == 0)
        outbox->segment = size;
    outbox->ended = size < outbox->segment;
    copy(outbox->block + outbox->size, pieces, count);
    outbox->size += size;
    loop_defer(udp->layer.context, &udp->flush);
    return 0;
}

int udp_outbox_flush(struct udp_layer *udp)
{
    struct udp_outbox *outbox = &udp->outbox;
    const struct iovec piece = {outbox->block, outbox->size};
    const struct udp_out out = {.pieces = &piece, .count = 1, .segment = outbox->segment};
    int r;

    if (outbox->size == 0)
        return 0;
    r = udp_send(&udp->layer, &out);
    if (r == -EAGAIN)
        return r;
    udp_outbox_free(udp);
    return r;
}

void udp_outbox_free(struct udp_layer *udp)
{
    if (udp->outbox.block)
        memory_release(loop_memory(udp->layer.context), udp->outbox.block, OUTBOX);
    udp->outbox = (struct udp_outbox){0};
    loop_undefer(&udp->flush);
}
