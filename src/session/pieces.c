/* SPDX-License-Identifier: Apache-2.0 */
/* What a program gives bit by bit - parts of a message, a stream - kept until it is acknowledged. */
#include <string.h>

#include "session/internal.h"

void pieces_init(struct pieces *pieces)
{
    list_init(&pieces->list);
    pieces->end = pieces->released = 0;
}

static struct piece *piece_new(const struct memory *memory, uint64_t offset, size_t wanted)
{
    /* The first is small: a message by parts may be short. */
    size_t least = offset ? STREAM_BLOCK : 1024;
    uint32_t capacity = (uint32_t)(wanted > least ? wanted : least);
    struct piece *piece = memory_allocate(memory, sizeof *piece + capacity);
    if (!piece)
        return NULL;
    list_init(&piece->link);
    piece->offset = offset;
    piece->size = 0;
    piece->capacity = capacity;
    return piece;
}

int pieces_add(const struct memory *memory, struct pieces *pieces, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    struct piece *tail = list_empty(&pieces->list) ? NULL : container_of(pieces->list.prev, struct piece, link);
    size_t room = tail ? tail->capacity - tail->size : 0;
    size_t here = size < room ? size : room;

    if (size > here) { /* first what can fail, so that a failure leaves nothing half done */
        struct piece *piece = piece_new(memory, pieces->end + here, size - here);
        if (!piece)
            return -ENOMEM;
        memcpy(piece->bytes, bytes + here, size - here);
        piece->size = (uint32_t)(size - here);
        list_append(&pieces->list, &piece->link);
    }
    if (here) {
        memcpy(tail->bytes + tail->size, bytes, here);
        tail->size += (uint32_t)here;
    }
    pieces->end += size;
    return 0;
}

int pieces_restore(const struct memory *memory, struct pieces *pieces, uint64_t offset, const void *data, size_t size)
{
    struct piece *piece = memory_allocate(memory, sizeof *piece + size);

    if (!piece)
        return -ENOMEM;
    list_init(&piece->link);
    piece->offset = offset;
    piece->size = piece->capacity = (uint32_t)size;
    memcpy(piece->bytes, data, size);
    list_append(&pieces->list, &piece->link);
    return 0;
}

const uint8_t *pieces_at(const struct pieces *pieces, uint64_t offset, size_t *ret_size)
{
    const struct list *link;
    /* What is sent is near the end of what is kept: what was sent already lies before it. */
    for (link = pieces->list.prev; link != &pieces->list; link = link->prev) {
        const struct piece *piece = container_of(link, struct piece, link);
        if (offset < piece->offset)
            continue;
        if (offset >= piece->offset + piece->size)
            return NULL;
        *ret_size = (size_t)(piece->offset + piece->size - offset);
        return piece->bytes + (offset - piece->offset);
    }
    return NULL;
}

void pieces_release(const struct memory *memory, struct pieces *pieces, uint64_t below)
{
    while (!list_empty(&pieces->list)) {
        struct piece *piece = list_first(&pieces->list, struct piece, link);
        if (piece->offset + piece->size > below)
            break;
        list_remove(&piece->link);
        memory_release(memory, piece, sizeof *piece + piece->capacity);
    }
    if (below > pieces->released)
        pieces->released = below;
}

int pieces_acked(const struct memory *memory, struct pieces *pieces, struct range_set *acked, uint64_t offset,
                 uint64_t end, bool hold)
{
    if (end <= pieces->released)
        return 0;
    if (offset <= pieces->released && !acked->count && !hold) {
        pieces_release(memory, pieces, end);
        return 0;
    }
    int r = range_set_add(acked, offset, end, NULL);
    if (r == 0 && !hold)
        pieces_release_acked(memory, pieces, acked);
    return r;
}

void pieces_release_acked(const struct memory *memory, struct pieces *pieces, struct range_set *acked)
{
    uint64_t first, end;
    while (range_set_next(acked, 0, &first, &end) && first <= pieces->released) {
        range_set_drop_first(acked);
        pieces_release(memory, pieces, end);
    }
}
