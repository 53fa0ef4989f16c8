/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer may send, into a session: as the opener or the accepter of the association, read in pieces of any size, with
 * pulls in between and a program that takes, refuses, pauses and answers. Nothing may crash or leak, a session holds no more
 * than it was given, and what ended says nothing any more.
 *
 * Byte 0: 1 accepter, 2 has messages and a stream of its own under way, 4 pauses at times, 8 early data, 16 refuses at
 * times, 32 a second strand, which gets the second half, 64 the policies, and a line that survives the loss of its strands,
 * 128 states of its own and long silences. Byte 1 seeds the sizes of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define RECEIVE_MEMORY (1 << 20)
#define MEMORY_MOST (6 << 20) /* what is received, what is queued here, windows of streams */

struct end {
    struct memory memory; /* first: turned back by a cast */
    size_t bytes, blocks;
    struct session *session;
    struct session_stream *streams[8];
    unsigned stream_count;
    uint64_t pieces;
    uint8_t flags;
    bool closed, paused;
    uint64_t ends_told;
    uint8_t *into[64];
    uint64_t into_id[64];
};

static void *take(const struct memory *memory, size_t size)
{
    struct end *end = (struct end *)(uintptr_t)memory;
    end->blocks++;
    end->bytes += size;
    if (end->bytes > MEMORY_MOST || size == 0)
        abort();
    return malloc(size);
}

static void give(const struct memory *memory, void *block, size_t size)
{
    struct end *end = (struct end *)(uintptr_t)memory;
    if (end->blocks == 0 || end->bytes < size)
        abort();
    end->blocks--;
    end->bytes -= size;
    free(block);
}

static uint64_t next(struct end *end)
{
    end->pieces = end->pieces * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return end->pieces >> 33;
}

/* ---- the program */

static void on_hello(void *user)
{
    struct end *end = user;
    if (end->closed || !session_peer_hello(end->session))
        abort();
}

static void forget_into(struct end *end, uint64_t id)
{
    for (unsigned i = 0; i < 64; i++)
        if (end->into[i] && end->into_id[i] == id) {
            free(end->into[i]);
            end->into[i] = NULL;
        }
}

static void on_message(void *user, struct session_message *message)
{
    struct end *end = user;
    uint64_t sum = 0;
    if (end->closed || end->paused)
        abort();
    for (uint64_t i = 0; message->data && i < message->size; i++)
        sum += message->data[i];
    if (end->flags & 16 && sum % 3 == 0)
        message->refuse = "no";
    if (end->flags & 4 && sum % 5 == 0) {
        session_pause(end->session);
        end->paused = true;
    }
    if (sum % 7 == 0) {
        uint64_t id;
        session_send(end->session, &(struct session_send){.data = "answer", .size = 6, .reply_to = message->id}, 0,
                     &id);
    }
    forget_into(end, message->id);
}

static void on_arriving(void *user, struct session_arriving *arriving)
{
    struct end *end = user;
    if (end->closed)
        abort();
    unsigned choice = arriving->id % 5, slot = arriving->id % 64;
    arriving->take = (enum session_take)choice;
    arriving->reason = "no";
    if (arriving->take == SESSION_TAKE_INTO) {
        if (arriving->size > 1 << 22 || end->into[slot]) {
            arriving->take = SESSION_TAKE_WHOLE;
            return;
        }
        end->into[slot] = arriving->buffer = malloc(arriving->size);
        end->into_id[slot] = arriving->id;
    }
}

static void on_part(void *user, struct session_part *part)
{
    struct end *end = user;
    uint64_t sum = 0;
    if (end->closed || end->paused)
        abort();
    for (size_t i = 0; i < part->size; i++)
        sum += part->data[i];
    if (end->flags & 16 && sum % 11 == 1)
        part->refuse = "no";
}

static void on_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    (void)kind;
    forget_into(user, id);
}

static void on_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code,
                       const char *reason, bool maybe_delivered)
{
    struct end *end = user;
    (void)first, (void)kind, (void)code, (void)maybe_delivered;
    if (end->closed || !reason)
        abort();
    end->ends_told += count;
}

static void on_sent(void *user, uint64_t id, int64_t pulled_at)
{
    (void)user, (void)id, (void)pulled_at;
}

static void on_settled(void *user, uint64_t id, void *cookie)
{
    (void)user, (void)id, (void)cookie;
}

static void on_writable(void *user)
{
    (void)user;
}

static void on_stream_opened(void *user, struct session_stream *stream)
{
    struct end *end = user;
    if (end->stream_count < 8)
        end->streams[end->stream_count++] = stream;
    else
        session_stream_reset(stream, 1);
}

static void on_stream_readable(void *user, struct session_stream *stream)
{
    struct end *end = user;
    uint8_t buffer[1000];
    if (session_stream_id(stream) % 4 < 2)
        while (session_stream_read(stream, buffer, sizeof buffer) > 0)
            ;
    if (!end->closed)
        session_stream_write(stream, "back", 4, 0);
}

static void on_stream(void *user, struct session_stream *stream)
{
    (void)user, (void)stream;
}

static void on_stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code)
{
    struct end *end = user;
    (void)reset, (void)code;
    for (unsigned i = 0; i < end->stream_count; i++)
        if (end->streams[i] == stream)
            end->streams[i] = end->streams[--end->stream_count];
}

static void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    struct end *end = user;
    (void)code, (void)peer_code, (void)by_peer;
    if (end->closed || !reason)
        abort();
    end->closed = true;
}

static void on_strand(void *user, struct session_strand *strand)
{
    (void)user, (void)strand;
}

static void on_told(void *user, unsigned kind, const void *body, size_t size)
{
    const uint8_t *bytes = body;
    unsigned sum = 0;
    (void)user;
    if (kind >= SESSION_TELL_KINDS || size > SESSION_TELL_MAX)
        abort();
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    if (sum > 255 * SESSION_TELL_MAX)
        abort();
}

static void on_suspected(void *user, struct session_strand *strand, bool suspected)
{
    (void)user, (void)strand, (void)suspected;
}

static const uint8_t *on_source(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error)
{
    (void)user, (void)cookie, (void)offset, (void)ret_size;
    *ret_error = 0;
    return NULL;
}

static uint64_t on_random(void *user)
{
    return next(user);
}

static const struct session_handler handler = {
    .hello = on_hello,
    .message = on_message,
    .arriving = on_arriving,
    .part = on_part,
    .abandoned = on_abandoned,
    .outcome = on_outcome,
    .sent = on_sent,
    .settled = on_settled,
    .writable = on_writable,
    .stream_opened = on_stream_opened,
    .stream_readable = on_stream_readable,
    .stream_writable = on_stream,
    .stream_closed = on_stream_closed,
    .closed = on_closed,
    .bulk_ends = on_strand,
    .source = on_source,
    .random = on_random,
    .strand_silent = on_strand,
    .strand_suspected = on_suspected,
    .told = on_told,
};

/* ---- the run */

static void pull(struct session_strand *strand, int64_t now)
{
    uint8_t buffer[4096];
    for (unsigned i = 0; i < 100 && session_wants_pull(strand); i++) {
        size_t size, bulk_size;
        const uint8_t *bulk;
        if (session_pull(strand, buffer, sizeof buffer, now, &size, &bulk, &bulk_size) < 0 || size > sizeof buffer)
            abort();
        if (bulk_size)
            session_bulk_done(strand);
        if (size == 0)
            break;
    }
}

static uint64_t own_traffic(struct end *end, int64_t now)
{
    static const uint8_t bytes[100000];
    struct session_stream *stream;
    uint64_t id = 0;
    for (unsigned i = 0; i < 20; i++)
        session_send(
            end->session,
            &(struct session_send){.data = bytes, .size = i * 250, .ordered = i & 1, .lifetime = i & 2 ? 1000 : 0}, now,
            &id);
    session_send(end->session, &(struct session_send){.data = bytes, .size = sizeof bytes, .borrow = true}, now, &id);
    session_send(end->session, &(struct session_send){.size = SESSION_SIZE_UNKNOWN, .parts = true}, now, &id);
    session_send_part(end->session, id, bytes, 30000, false, now);
    if (session_stream_open(end->session, 0, now, &stream) == 0) {
        session_stream_write(stream, bytes, 70000, now);
        end->streams[end->stream_count++] = stream;
    }
    return id;
}

struct input {
    const uint8_t *data;
    size_t size;
};

static void feed_piece(struct end *end, struct session_strand *strand, struct input *input, int64_t now)
{
    static uint8_t scratch[65536];
    uint8_t *buffer;
    size_t space, n = 1 + next(end) % (next(end) % 4 ? 40 : 30000);
    session_space(strand, scratch, 1 + next(end) % sizeof scratch, &buffer, &space);
    n = n < input->size ? n : input->size;
    n = n < space ? n : space;
    if (n == 0)
        abort();
    memcpy(buffer, input->data, n);
    if (session_received(strand, buffer, n, end->flags & 8 && next(end) % 4 == 0, now) < 0 && !end->closed)
        abort();
    input->data += n;
    input->size -= n;
}

/* Each strand has its share of the input; their pieces come in any order. */
static void feed(struct end *end, struct session_strand **strands, const uint8_t *data, size_t size, int64_t now)
{
    size_t half = strands[1] ? size / 2 : size;
    struct input inputs[2] = {{data, half}, {data + half, size - half}};
    while (inputs[0].size + inputs[1].size > 0 && !end->closed) {
        unsigned which = strands[1] && (inputs[0].size == 0 || (inputs[1].size > 0 && next(end) % 2));
        feed_piece(end, strands[which], &inputs[which], now);
        now += end->flags & 128 && next(end) % 16 == 0 ? 400000 : 1000;
        if (end->flags & 64 && next(end) % 32 == 0)
            session_set_policy(end->session, (enum session_policy)(next(end) % 3), now);
        if (end->flags & 64 && strands[1] && next(end) % 128 == 0) {
            session_strand_lost(strands[1], -1, "it died", now);
            strands[1] = NULL;
            inputs[1].size = 0;
        }
        if (next(end) % 3 == 0)
            for (unsigned i = 0; i < 2 && strands[i]; i++)
                pull(strands[i], now);
        if (end->paused && next(end) % 4 == 0) {
            end->paused = false;
            session_resume(end->session, now);
        }
        if (session_due(end->session) <= now)
            session_tick(end->session, now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct end end = {.memory = {take, give}, .flags = data[0], .pieces = data[1]};
    struct session_config config = {
        .memory = &end.memory,
        .handler = &handler,
        .user = &end,
        .opener = !(data[0] & 1),
        .policy = SESSION_AGGREGATE,
        .survive = data[0] & 64,
        .receive_memory = RECEIVE_MEMORY,
        .send_queue = 1 << 20,
        .send_queue_messages = 1000,
    };
    struct session_strand *strands[2] = {NULL};
    int64_t now = 1000000;
    uint64_t sent = 0;
    if (session_new(&config, now, &end.session) < 0)
        abort();
    for (unsigned i = 0; i < 1 + !!(data[0] & 32); i++)
        if (session_strand_add(end.session, NULL, false, i, now, &strands[i]) < 0)
            abort();
    if (data[0] & 2) {
        sent = own_traffic(&end, now);
        pull(strands[0], now);
    }
    for (unsigned i = 0; data[0] & 128 && i < SESSION_TELL_KINDS; i++)
        session_tell(end.session, i, data, size < 130 * i ? size : 130 * i);
    feed(&end, strands, data + 2, size - 2, now);
    if (!end.closed) {
        session_flush_events(end.session, now);
        session_abort(end.session, 0, "that was all", -1, now);
    }
    if (!end.closed || end.ends_told < sent)
        abort(); /* every message of ours ended */
    pull(strands[0], now);
    session_free(end.session);
    if (end.blocks || end.bytes)
        abort();
    for (unsigned i = 0; i < 64; i++)
        free(end.into[i]);
    return 0;
}
