/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units that come: their pieces wait, in the order of their arrival, in blocks that are used again. What is taken gives
 * the peer room for more; a unit that was taken to its end, room for another. So what waits has bounds: QUIC's windows.
 */
#include "layer/quic.h"

#include <errno.h>
#include <stdlib.h>

#define BLOCK (128u << 10) /* as a whole; of the size that a context keeps for all (loop/cache.c) */
#define ALIGN(size) (((size) + 7u) & ~(size_t)7)

struct quic_block {
    struct list link;
    const struct memory *memory; /* where it is from, whichever context it is in by now */
    uint32_t size, used, read;
    _Alignas(8) uint8_t data[];
};

struct quic_entry {
    struct list link; /* of all */
    int64_t stream;
    void *lane;
};

struct piece {
    struct quic_entry *entry; /* NULL: a datagram */
    uint32_t size;
    bool end, reset, early;
    int64_t received_at;
    _Alignas(8) uint8_t data[];
};

static struct quic_block *last(const struct quic_inbound *in)
{
    return list_empty(&in->blocks) ? NULL : container_of(in->blocks.prev, struct quic_block, link);
}

static void block_free(struct quic_block *block)
{
    const struct memory *memory = block->memory;

    memory_release(memory, block, sizeof *block + block->size);
    loop_memory_unref(memory);
}

static struct quic_block *block_for(struct quic_layer *quic, size_t size)
{
    const size_t usual = BLOCK - sizeof(struct quic_block);
    struct quic_inbound *in = &quic->in;
    struct quic_block *block = last(in);
    const struct memory *memory;

    if (block && block->size - block->used >= size)
        return block;
    if (size < usual)
        size = usual;
    memory = loop_memory_ref(loop_memory(quic->layer.context));
    block = memory_allocate(memory, sizeof *block + size);
    if (!block) {
        loop_memory_unref(memory);
        return NULL;
    }
    block->memory = memory;
    block->size = (uint32_t)size;
    block->used = block->read = 0;
    list_append(&in->blocks, &block->link);
    return block;
}

static void block_done(struct quic_block *block)
{
    list_remove(&block->link);
    block_free(block);
}

int quic_inbound_open(struct quic_layer *quic, int64_t stream)
{
    struct quic_entry *entry;

    /* A stream of two directions carries no unit. ngtcp2 refuses it where none was offered; where a program's protocol could
     * have been spoken too, what comes in it is for nobody, and nobody gives back the room that it took. */
    if (ngtcp2_is_bidi_stream(stream))
        return 0;
    entry = malloc(sizeof *entry);
    if (!entry)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    *entry = (struct quic_entry){.stream = stream};
    list_append(&quic->in.entries, &entry->link);
    return ngtcp2_conn_set_stream_user_data(quic->conn, stream, entry) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static void entry_free(struct quic_entry *entry)
{
    if (!entry)
        return;
    list_remove(&entry->link);
    free(entry);
}

/* The piece that came last goes on with this one, if nothing came between: a large unit is then few pieces. */
static bool join(struct quic_layer *quic, struct piece *piece, struct quic_entry *entry, const void *data, size_t size,
                 bool end)
{
    struct quic_block *block = last(&quic->in);
    size_t old, more;

    if (!piece || !block || !entry || piece->entry != entry || piece->end || piece->reset)
        return false;
    old = ALIGN(piece->size);
    more = ALIGN(piece->size + size) - old;
    if (block->read == block->used || block->size - block->used < more)
        return false;
    if (size)
        memcpy(piece->data + piece->size, data, size);
    piece->size += (uint32_t)size;
    piece->end = end;
    piece->received_at = quic->in.received_at;
    block->used += (uint32_t)more;
    return true;
}

int quic_inbound_add(struct quic_layer *quic, struct quic_entry *entry, const void *data, size_t size, bool end,
                     bool reset, bool early)
{
    struct quic_block *block;
    struct piece *piece;

    if (!reset && quic->in.newest && quic->in.newest_early == early &&
        join(quic, quic->in.newest, entry, data, size, end)) {
        piece = quic->in.newest;
    } else {
        block = block_for(quic, sizeof *piece + ALIGN(size));
        if (!block)
            return NGTCP2_ERR_CALLBACK_FAILURE;
        piece = (struct piece *)(void *)(block->data + block->used);
        *piece = (struct piece){.entry = entry,
                                .size = (uint32_t)size,
                                .end = end,
                                .reset = reset,
                                .early = early,
                                .received_at = quic->in.received_at};
        if (size)
            memcpy(piece->data, data, size);
        block->used += (uint32_t)(sizeof *piece + ALIGN(size));
        quic->in.held += sizeof *piece; /* beside its bytes: empty datagrams, and bytes one by one, have a bound too */
        quic->in.newest = piece;
        quic->in.newest_early = early;
    }
    if (!entry)
        quic->in.held += size;
    if (entry && (end || reset)) /* what ngtcp2 tells of it from now on is no news */
        ngtcp2_conn_set_stream_user_data(quic->conn, entry->stream, NULL);
    return 0;
}

bool quic_inbound_waits(const struct quic_layer *quic)
{
    return !list_empty(&quic->in.blocks) && (quic->completed || quic->secure.early_open);
}

/* The peer may send as much again. */
static void give_back(struct quic_layer *quic, const struct piece *piece)
{
    quic->in.held -= sizeof *piece;
    if (!piece->entry) {
        quic->in.held -= piece->size;
        return;
    }
    ngtcp2_conn_extend_max_offset(quic->conn, piece->size);
    if (piece->end || piece->reset)
        ngtcp2_conn_extend_max_streams_uni(quic->conn, 1);
    else
        ngtcp2_conn_extend_max_stream_offset(quic->conn, piece->entry->stream, piece->size);
}

static struct piece *take(struct quic_layer *quic)
{
    struct quic_inbound *in = &quic->in;
    struct quic_block *block;
    struct piece *piece;

    /* The block of the piece that was given last is free only now. */
    while (!list_empty(&in->blocks)) {
        block = list_first(&in->blocks, struct quic_block, link);
        if (block->read < block->used) {
            piece = (struct piece *)(void *)(block->data + block->read);
            block->read += (uint32_t)(sizeof *piece + ALIGN(piece->size));
            if (in->newest == piece)
                in->newest = NULL; /* nothing joins what was given away */
            return piece;
        }
        block_done(block);
    }
    return NULL;
}

static int nothing(struct quic_layer *quic)
{
    int code = layer_error(&quic->layer)->code;

    return code < 0 ? code : quic->ended ? -ENODATA : -EAGAIN;
}

/* The next piece that says anything: a unit that was taken back before any of it was told never was. */
static struct piece *next_piece(struct quic_layer *quic)
{
    struct piece *piece;

    while ((piece = take(quic))) {
        give_back(quic, piece);
        if (!piece->reset || piece->entry->lane)
            return piece;
        entry_free(piece->entry);
    }
    return NULL;
}

int quic_inbound_receive(struct layer *layer, struct layer_unit_in *ret_unit)
{
    struct quic_layer *quic = quic_of(layer);
    struct piece *piece;

    entry_free(quic->in.finished);
    quic->in.finished = NULL;
    if (!quic->completed && !quic->secure.early_open)
        return nothing(quic);
    piece = next_piece(quic);
    if (!piece) {
        quic_later(quic); /* the room that was made is told */
        return nothing(quic);
    }
    if (!piece->entry)
        quic->in.lane = NULL;
    else if (piece->end || piece->reset)
        quic->in.finished = piece->entry;
    *ret_unit = (struct layer_unit_in){
        .lane = piece->entry ? &piece->entry->lane : &quic->in.lane,
        .data = piece->data,
        .size = piece->size,
        .end = piece->end,
        .reset = piece->reset,
        .early = piece->early && quic->secure.opening,
        .received_at = piece->received_at,
    };
    return 0;
}

void quic_inbound_init(struct quic_layer *quic)
{
    list_init(&quic->in.blocks);
    list_init(&quic->in.entries);
}

void quic_inbound_free(struct quic_layer *quic)
{
    struct quic_inbound *in = &quic->in;

    while (!list_empty(&in->blocks)) {
        struct quic_block *block = list_first(&in->blocks, struct quic_block, link);
        block_done(block);
    }
    while (!list_empty(&in->entries))
        entry_free(list_first(&in->entries, struct quic_entry, link));
}
