/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where our messages are kept until they are settled: records in chunks of consecutive ids, so that a flood of small
 * messages walks through memory in order, and small copies side by side in arenas.
 */
#include <string.h>

#include "session/internal.h"

static int outbound_chunk_compare(const struct outbound_chunk *a, const struct outbound_chunk *b)
{
    return a->number < b->number ? -1 : a->number > b->number;
}

RB_GENERATE(outbound_tree, outbound_chunk, entry, outbound_chunk_compare)

static struct outbound_chunk *chunk_find(struct session *session, uint64_t number)
{
    if (session->recent && session->recent->number == number)
        return session->recent;
    struct outbound_chunk key = {.number = number};
    struct outbound_chunk *chunk = RB_FIND(outbound_tree, &session->chunks, &key);
    if (chunk)
        session->recent = chunk;
    return chunk;
}

static void chunk_free(struct session *session, struct outbound_chunk *chunk)
{
    RB_REMOVE(outbound_tree, &session->chunks, chunk);
    if (session->recent == chunk)
        session->recent = NULL;
    if (session->newest == chunk)
        session->newest = NULL;
    session->kept_bytes -= sizeof *chunk;
    memory_release(session->memory, chunk, sizeof *chunk);
}

struct outbound *outbound_find(struct session *session, uint64_t id)
{
    struct outbound_chunk *chunk = chunk_find(session, id / RECORDS);
    if (!chunk || chunk->records[id % RECORDS].state == OUTBOUND_FREE)
        return NULL;
    return &chunk->records[id % RECORDS];
}

struct outbound *record_new(struct session *session, uint64_t id)
{
    struct outbound_chunk *chunk = session->newest;
    if (!chunk || chunk->number != id / RECORDS) {
        chunk = memory_allocate(session->memory, sizeof *chunk);
        if (!chunk)
            return NULL;
        chunk->number = id / RECORDS;
        chunk->live = 0;
        for (unsigned i = 0; i < RECORDS; i++)
            chunk->records[i].state = OUTBOUND_FREE;
        struct outbound_chunk *before = session->newest;
        if (before && before->live == 0)
            chunk_free(session, before);
        session->kept_bytes += sizeof *chunk;
        RB_INSERT(outbound_tree, &session->chunks, chunk);
        session->newest = chunk;
    }
    struct outbound *outbound = &chunk->records[id % RECORDS];
    memset(outbound, 0, sizeof *outbound);
    list_init(&outbound->link);
    outbound->id = id;
    chunk->live++;
    return outbound;
}

static void record_free(struct session *session, struct outbound *outbound)
{
    struct outbound_chunk *chunk = chunk_find(session, outbound->id / RECORDS);
    outbound->state = OUTBOUND_FREE;
    if (--chunk->live == 0 && chunk != session->newest)
        chunk_free(session, chunk);
}

/* ---- copies */

static void arena_free(struct session *session, struct arena *arena)
{
    session->kept_bytes -= arena->size;
    memory_release(session->memory, arena, arena->size);
}

uint8_t *arena_take(struct session *session, size_t size, struct arena **ret_arena)
{
    struct arena *arena = session->arena;
    if (arena && arena->live == 0)
        arena->used = 0;
    if (!arena || arena->size - sizeof *arena - arena->used < size) {
        size_t whole = session->unsettled || size + sizeof *arena > ARENA_FIRST ? ARENA_SIZE : ARENA_FIRST;
        struct arena *fresh = memory_allocate(session->memory, whole);
        if (!fresh)
            return NULL;
        if (arena && arena->live == 0)
            arena_free(session, arena);
        fresh->live = fresh->used = 0;
        fresh->size = (uint32_t)whole;
        session->kept_bytes += whole;
        session->arena = arena = fresh;
    }
    uint8_t *bytes = arena->bytes + arena->used;
    arena->used += (uint32_t)size;
    arena->live++;
    *ret_arena = arena;
    return bytes;
}

static void arena_leave(struct session *session, struct arena *arena)
{
    if (--arena->live == 0 && arena != session->arena)
        arena_free(session, arena);
}

struct outbound_more *outbound_need_more(struct session *session, struct outbound *outbound)
{
    if (outbound->more)
        return outbound->more;
    struct outbound_more *more = memory_allocate_zero(session->memory, sizeof *more);
    if (!more)
        return NULL;
    heap_node_init(&more->expiry);
    heap_node_init(&more->deadline);
    list_init(&more->waiters);
    range_set_init(&more->again, session->memory);
    range_set_init(&more->acked, session->memory);
    pieces_init(&more->pieces);
    more->owner = outbound;
    outbound->more = more;
    return more;
}

static void more_free(struct session *session, struct outbound *outbound)
{
    struct outbound_more *more = outbound->more;
    if (!more)
        return;
    if (more->extra) {
        lossy_free(session, more->extra);
        memory_release(session->memory, more->extra, sizeof *more->extra);
    }
    memory_release(session->memory, more->block, outbound->size);
    memory_release(session->memory, more->antecedents, more->antecedent_count * sizeof *more->antecedents);
    text_keep(session, more->reason, "", 0);
    range_set_clear(&more->again);
    range_set_clear(&more->acked);
    pieces_release(session->memory, &more->pieces, UINT64_MAX);
    memory_release(session->memory, more, sizeof *more);
    outbound->more = NULL;
}

void outbound_release(struct session *session, struct outbound *outbound)
{
    if (outbound->arena)
        arena_leave(session, outbound->arena);
    more_free(session, outbound);
    record_free(session, outbound);
}

/* Those of a chunk's messages from id on, before end, that are plain copies and were delivered: they end at once. */
uint64_t outbound_delivered_run(struct session *session, struct outbound_chunk *chunk, uint64_t id, uint64_t end)
{
    uint64_t first = id, bytes = 0;
    for (; id < end && id / RECORDS == chunk->number; id++) {
        struct outbound *outbound = &chunk->records[id % RECORDS];
        if (outbound->state != OUTBOUND_SENT || outbound->more || !outbound->copied)
            break;
        bytes += outbound->size;
        if (outbound->arena)
            arena_leave(session, outbound->arena);
        outbound->state = OUTBOUND_FREE;
    }
    uint64_t count = id - first;
    session->queued_bytes -= bytes;
    session->unsettled -= count;
    session->statistics.acked += count;
    chunk->live -= (uint32_t)count;
    if (chunk->live == 0 && chunk != session->newest)
        chunk_free(session, chunk);
    outbound_trim(session);
    return count;
}

void outbound_trim(struct session *session)
{
    if (session->unsettled)
        return;
    if (session->arena && session->arena->live == 0) {
        arena_free(session, session->arena);
        session->arena = NULL;
    }
    if (session->newest && session->newest->live == 0)
        chunk_free(session, session->newest);
}

void outbound_free_all(struct session *session)
{
    struct outbound_chunk *chunk, *next;
    RB_FOREACH(chunk, outbound_tree, &session->chunks) /* those that are waited for come first, and would be gone */
    for (unsigned i = 0; i < RECORDS; i++)
        if (chunk->records[i].state != OUTBOUND_FREE)
            antecedent_drop_edges(session, &chunk->records[i]);
    for (chunk = RB_MIN(outbound_tree, &session->chunks); chunk; chunk = next) {
        for (unsigned i = 0; i < RECORDS; i++) {
            struct outbound *outbound = &chunk->records[i];
            if (outbound->state == OUTBOUND_FREE)
                continue;
            if (outbound->arena)
                arena_leave(session, outbound->arena);
            more_free(session, outbound);
        }
        next = RB_NEXT(outbound_tree, &session->chunks, chunk);
        chunk_free(session, chunk);
    }
    if (session->arena)
        arena_free(session, session->arena);
}
