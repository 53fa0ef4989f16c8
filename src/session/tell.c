/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States that the association tells its peer: of each kind only the newest counts, so that what is kept is bounded at both
 * ends. A state goes in parts, since a unit may hold as little as 1,000 bytes.
 */
#include <string.h>

#include "session/internal.h"

#define TELL_PART 512
#define TELL_HEAD 40

static size_t parts_of(size_t size)
{
    return size > TELL_PART ? (size + TELL_PART - 1) / TELL_PART : 1;
}

unsigned tell_parts(size_t size)
{
    return (unsigned)parts_of(size);
}

static uint8_t all_parts(size_t size)
{
    return (uint8_t)((1u << parts_of(size)) - 1);
}

struct tells *tells_of(struct session *session)
{
    if (!session->tells)
        session->tells = memory_allocate_zero(session->memory, sizeof *session->tells);
    return session->tells;
}

int session_tell(struct session *session, unsigned kind, const void *body, size_t size)
{
    if (kind >= SESSION_TELL_KINDS)
        return -EINVAL;
    if (size > SESSION_TELL_MAX)
        return -E2BIG;
    if (session->ended)
        return -ESHUTDOWN;
    if (!tells_of(session))
        return -ENOMEM;
    struct tell *tell = &session->tells->ours[kind];
    uint8_t *copy = NULL;
    if (size) {
        copy = memory_allocate(session->memory, size);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, body, size);
    }
    memory_release(session->memory, tell->body, tell->size);
    tell->body = copy;
    tell->size = size;
    tell->serial++;
    tell->wanted = all_parts(size);
    session->tells_wanted = true;
    return 0;
}

static uint8_t *put_part(struct session_strand *strand, unsigned kind, unsigned part, uint8_t *at)
{
    struct session *session = strand->session;
    struct tell *tell = &session->tells->ours[kind];
    size_t offset = part * (size_t)TELL_PART, here = tell->size - offset;
    if (here > TELL_PART)
        here = TELL_PART;
    if (ledger_make_room(session, &strand->ledger, 1) < 0)
        return NULL;
    uint8_t *from = at;
    size_t body = varint_size(kind) + varint_size(tell->serial) + varint_size(tell->size) + varint_size(offset) + here;
    at = varint_put(varint_put(at, FRAME_TELL), body);
    at = varint_put(varint_put(at, kind), tell->serial);
    at = varint_put(varint_put(at, tell->size), offset);
    if (here)
        memcpy(at, tell->body + offset, here);
    at += here;
    sent_to(strand, from, at);
    ledger_add(strand, LEDGER_TELL, 0, kind, tell->serial, part);
    tell->wanted &= (uint8_t) ~(1u << part);
    return at;
}

uint8_t *tells_put(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    for (unsigned kind = 0; kind < SESSION_TELL_KINDS; kind++)
        for (unsigned part = 0; session->tells->ours[kind].wanted >> part; part++) {
            if (!(session->tells->ours[kind].wanted & 1u << part))
                continue;
            if (end - at < TELL_PART + TELL_HEAD + SMALL_FRAME)
                return at;
            at = put_part(strand, kind, part, at);
            if (!at)
                return NULL;
        }
    session->tells_wanted = false;
    return at;
}

void tell_again(struct session *session, uint64_t kind, uint64_t serial, uint64_t part)
{
    struct tell *tell = &session->tells->ours[kind];
    if (tell->serial != serial)
        return;
    tell->wanted |= (uint8_t)(1u << part);
    session->tells_wanted = true;
}

void tells_free(struct session *session)
{
    for (unsigned kind = 0; session->tells && kind < SESSION_TELL_KINDS; kind++) {
        memory_release(session->memory, session->tells->ours[kind].body, session->tells->ours[kind].size);
        memory_release(session->memory, session->tells->heard[kind].body, SESSION_TELL_MAX);
    }
    memory_release(session->memory, session->tells, sizeof *session->tells);
}

/* ---- the other side */

static int tell_out(struct session *session, unsigned kind, uint64_t serial, const uint8_t *body, size_t size)
{
    session->tells->heard[kind].told = serial;
    if (session->handler->told)
        session->handler->told(session->user, kind, body, size);
    return session->ended ? -ESHUTDOWN : 0;
}

/* One part of several: kept until all are there, or a newer state comes. */
static int part_read(struct session *session, unsigned kind, uint64_t serial, size_t size, size_t offset,
                     const uint8_t *bytes, size_t here)
{
    struct heard_tell *heard = &session->tells->heard[kind];
    if (serial < heard->serial)
        return 0;
    if (!heard->body) {
        heard->body = memory_allocate_zero(session->memory, SESSION_TELL_MAX); /* an export tells what is missing too */
        if (!heard->body)
            return violation(session, SESSION_CODE_MEMORY, "out of memory");
    }
    if (serial > heard->serial)
        heard->have = 0;
    /* All parts are of one size, or bytes between them would be told that nobody wrote. */
    if (heard->have && size != heard->size)
        return violation(session, SESSION_CODE_PROTOCOL, "a TELL has two sizes");
    heard->serial = serial;
    heard->size = size;
    memcpy(heard->body + offset, bytes, here);
    heard->have |= (uint8_t)(1u << offset / TELL_PART);
    if (heard->have != all_parts(size))
        return 0;
    int r = tell_out(session, kind, serial, heard->body, size);
    memory_release(session->memory, heard->body, SESSION_TELL_MAX);
    heard->body = NULL;
    heard->have = 0;
    return r;
}

int tell_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t numbers[4]; /* kind, serial, size, offset */
    for (unsigned i = 0; i < 4 && at; i++)
        at = varint_get(at, end, &numbers[i]);
    if (!at || numbers[2] > SESSION_TELL_MAX || numbers[3] % TELL_PART || numbers[3] > numbers[2] || !numbers[1])
        return violation(session, SESSION_CODE_PROTOCOL, "a TELL is malformed");
    size_t size = (size_t)numbers[2], offset = (size_t)numbers[3], here = size - offset;
    if (here > TELL_PART)
        here = TELL_PART;
    if ((size_t)(end - at) != here || (offset && !here))
        return violation(session, SESSION_CODE_PROTOCOL, "a TELL is not as long as it says");
    if (numbers[0] >= SESSION_TELL_KINDS)
        return 0; /* of a kind that is not known yet */
    if (!tells_of(session))
        return violation(session, SESSION_CODE_MEMORY, "out of memory");
    if (numbers[1] <= session->tells->heard[numbers[0]].told)
        return 0; /* it came before */
    if (parts_of(size) == 1)
        return tell_out(session, (unsigned)numbers[0], numbers[1], at, size);
    return part_read(session, (unsigned)numbers[0], numbers[1], size, offset, at, here);
}
