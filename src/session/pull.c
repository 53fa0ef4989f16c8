/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a strand sends next. Bytes are bound to a strand here and not before, so that niceness, lifetime and the choice
 * of strand count until the last moment. Small payloads are copied into the caller's buffer, so that many messages share a
 * record; large ones leave from their own place.
 */
#include <string.h>

#include "session/pull.h"

#define GREASE_MAX 48

/* Frame type, length and head; then the payload, copied where it fits and is small, else as bulk. */
enum put pull_frame(struct pull *pull, enum frame_type type, const struct head *head, const uint8_t *payload,
                    size_t size)
{
    uint64_t body = head->size + size;
    size_t whole = 1 + varint_size(body) + head->size;
    bool copy = size <= COPY_MAX && (size_t)(pull->end - pull->at) >= whole + size;
    if ((size_t)(pull->end - pull->at) < whole || (!copy && size <= COPY_MAX && pull->at != pull->begin))
        return PUT_FULL;
    uint8_t *at = varint_put(varint_put(pull->at, type), body);
    memcpy(at, head->bytes, head->size);
    at += head->size;
    if (copy) {
        if (size)
            memcpy(at, payload, size);
        at += size;
    } else {
        pull->bulk = payload;
        pull->bulk_size = size;
    }
    pull->strand->sent += whole + size;
    pull->session->statistics.frames_sent++;
    pull->at = at;
    return copy ? PUT_DONE : PUT_BULK;
}

static bool carries(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    if (session->config.aggregate)
        return !strand->suspected;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *other = container_of(link, struct session_strand, link);
        if (!other->suspected)
            return other == strand;
    }
    return false;
}

bool session_wants_pull(const struct session_strand *strand)
{
    struct session *session = strand->session;
    if (strand->pinned || strand->pinned_stream)
        return true;
    if (control_waiting(strand))
        return true;
    if (session->ended || !carries(strand))
        return false;
    struct chosen chosen;
    return schedule_choose(session, (struct session_strand *)(uintptr_t)strand, &chosen);
}

/* Now and then a frame of a reserved type, so that peers go on skipping what they do not know. */
static void put_grease(struct pull *pull)
{
    struct session *session = pull->session;
    if (pull->strand->early || pull->end - pull->at < 2 * GREASE_MAX)
        return;
    uint64_t random = session->handler->random(session->user);
    if (random % 512)
        return;
    size_t size = (random >> 9) % 17;
    uint8_t *at = varint_put(varint_put(pull->at, 31 * ((random >> 14) % 1000 + 1) + 27), size);
    memset(at, (int)(random >> 24) & 0xff, size);
    pull->strand->sent += (uint64_t)(at + size - pull->at);
    pull->at = at + size;
}

static int fill(struct pull *pull)
{
    struct chosen chosen;
    enum put put = PUT_DONE;
    put_grease(pull);
    while (put == PUT_DONE && !pull->session->ended) {
        if (ledger_make_room(pull->session, &pull->strand->ledger, 1) < 0)
            return -ENOMEM;
        if (!schedule_choose(pull->session, pull->strand, &chosen))
            break;
        put = chosen.stream ? pull_stream(pull, &chosen) : pull_message(pull, &chosen);
    }
    return put == PUT_FAILED ? -ENOMEM : 0;
}

int session_pull(struct session_strand *strand, uint8_t *buffer, size_t capacity, int64_t now, size_t *ret_size,
                 const uint8_t **ret_bulk, size_t *ret_bulk_size)
{
    struct session *session = strand->session;
    struct pull pull = {session, strand, buffer, buffer, buffer + capacity, NULL, 0};

    session->now = now;
    *ret_size = *ret_bulk_size = 0;
    *ret_bulk = NULL;
    uint8_t *at = control_pull(strand, buffer, buffer + capacity);
    int r = at ? 0 : -ENOMEM;
    if (at) {
        pull.at = at;
        if (!session->ended && carries(strand))
            r = fill(&pull);
    }
    if (r < 0)
        end_session(session, r, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
    *ret_size = (size_t)(pull.at - buffer);
    *ret_bulk = pull.bulk;
    *ret_bulk_size = pull.bulk_size;
    return 0;
}

void session_bulk_done(struct session_strand *strand)
{
    if (strand->pinned)
        outbound_unpin(strand->session, strand->pinned);
    if (strand->pinned_stream)
        stream_unpin(strand->pinned_stream);
    strand->pinned = NULL;
    strand->pinned_stream = NULL;
}
