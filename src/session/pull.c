/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a strand sends next. Bytes are bound to a strand here and not before, so that niceness, lifetime and the choice
 * of strand count until the last moment. Small payloads are copied into the caller's buffer, so that many messages share a
 * record; large ones leave from their own place.
 */
#include <string.h>

#include "session/pull.h"

#define GREASE_MAX 48
#define SLICE_MIN 256 /* less of a message is not worth a frame at the end of a unit */

/* Frame type, length and head; then the payload, copied where it fits and is small, else as bulk. */
enum put pull_frame(struct pull *pull, enum frame_type type, const struct head *head, const uint8_t *payload,
                    size_t size)
{
    uint64_t body = head->size + size;
    size_t whole = 1 + varint_size(body) + head->size;
    bool copied = pull->unit || pull->copied;
    bool copy = (size <= COPY_MAX || copied) && (size_t)(pull->end - pull->at) >= whole + size;
    if ((size_t)(pull->end - pull->at) < whole || (!copy && (copied || (size <= COPY_MAX && pull->at != pull->begin))))
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

uint64_t strand_bulk(const struct session_strand *strand)
{
    if (strand->session->strand_count == 1)
        return strand->bulk_bytes;
    uint64_t bytes = estimate_rate(strand) / 50; /* about 20 ms: a slow strand shall not be held by one frame */
    return bytes < COPY_MAX ? COPY_MAX : bytes > strand->bulk_bytes ? strand->bulk_bytes : bytes;
}

bool session_wants_pull(const struct session_strand *strand)
{
    struct session *session = strand->session;
    bool lossy;
    if (strand->units)
        return session_unit_wanted((struct session_strand *)(uintptr_t)strand, &lossy);
    if (strand->pinned || strand->pinned_stream)
        return true;
    if (control_waiting(strand))
        return true;
    if (session->ended || !strand_asks(strand))
        return false;
    struct chosen chosen;
    struct session_strand *own = (struct session_strand *)(uintptr_t)strand;
    bool wants = schedule_choose(session, own, &chosen) ||
                 (session->strand_count > 1 && strand_carries(own) && copies_waiting(own));
    if (!wants)
        estimate_idle(own);
    return wants;
}

uint64_t pull_room(const struct pull *pull, size_t head, uint64_t wanted)
{
    size_t left = (size_t)(pull->end - pull->at);
    uint64_t room = left > head ? left - head : 0;
    if (wanted <= room)
        return wanted;
    return room < SLICE_MIN && pull->at != pull->begin ? 0 : room;
}

/* Now and then a frame of a reserved type, so that peers go on skipping what they do not know. */
static void put_grease(struct pull *pull)
{
    struct session *session = pull->session;
    if (pull->strand->early || (pull->unit && pull->at == pull->begin) || pull->end - pull->at < 2 * GREASE_MAX)
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

/* Whether what is chosen may go into this unit; else the next one will be its. */
static bool belongs(struct pull *pull, const struct chosen *chosen)
{
    enum unit_kind kind = unit_kind(pull->strand, chosen->message);
    if (pull->lossy || kind == UNIT_LOSSY)
        return pull->lossy && kind == UNIT_LOSSY;
    if (kind == UNIT_ALONE && pull->at == pull->begin)
        pull->alone = chosen->message->id;
    return kind == UNIT_ALONE ? pull->alone == chosen->message->id : !pull->alone;
}

static void note_class(struct pull *pull, const struct chosen *chosen)
{
    unsigned class = chosen->stream ? chosen->stream->class : chosen->class_index;
    if (class < pull->class)
        pull->class = class;
}

int pull_fill(struct pull *pull)
{
    struct chosen chosen;
    enum put put = PUT_DONE;
    bool copies = pull->session->strand_count > 1 && !pull->lossy && strand_carries(pull->strand);
    put_grease(pull);
    if (copies && copies_pull(pull) < 0)
        return -ENOMEM;
    while (put == PUT_DONE && !pull->session->ended) {
        if (ledger_make_room(pull->session, &pull->strand->ledger, 1) < 0)
            return -ENOMEM;
        if (!schedule_choose(pull->session, pull->strand, &chosen))
            break;
        if (pull->unit && !belongs(pull, &chosen))
            break;
        put = chosen.stream ? pull_stream(pull, &chosen) : pull_message(pull, &chosen);
        if (pull->unit && put == PUT_DONE)
            note_class(pull, &chosen);
    }
    pull->left = put != PUT_DONE;
    if (copies && !pull->left && !pull->alone && tail_pull(pull) < 0)
        return -ENOMEM;
    return put == PUT_FAILED ? -ENOMEM : 0;
}

int session_pull(struct session_strand *strand, uint8_t *buffer, size_t capacity, int64_t now, size_t *ret_size,
                 const uint8_t **ret_bulk, size_t *ret_bulk_size)
{
    struct session *session = strand->session;
    struct pull pull = {.session = session, .strand = strand, .begin = buffer, .at = buffer, .end = buffer + capacity};

    session->now = now;
    *ret_size = *ret_bulk_size = 0;
    *ret_bulk = NULL;
    bool flew = strand->ledger.count;
    uint64_t before = strand->sent;
    uint8_t *at = control_pull(strand, buffer, buffer + capacity);
    int r = at ? 0 : -ENOMEM;
    if (at) {
        pull.at = at;
        if (!session->ended && strand_asks(strand))
            r = pull_fill(&pull);
        estimate_pulled(strand, strand->sent - before, pull.left);
        if (!flew && strand->ledger.count)
            strand_flies(strand);
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
