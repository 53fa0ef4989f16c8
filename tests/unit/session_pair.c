/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/coder.h"
#include "base/varint.h"

#include "session_pair.h"

/* ---- memory */

static void *counted_allocate(const struct memory *memory, size_t size)
{
    struct pair_end *end = (struct pair_end *)(uintptr_t)memory;
    end->blocks++;
    end->bytes += size;
    if (end->bytes > end->bytes_peak)
        end->bytes_peak = end->bytes;
    return malloc(size);
}

static void counted_release(const struct memory *memory, void *block, size_t size)
{
    struct pair_end *end = (struct pair_end *)(uintptr_t)memory;
    assert_true(end->blocks > 0 && end->bytes >= size);
    end->blocks--;
    end->bytes -= size;
    memset(block, 0x5a, size < 4096 ? size : 4096); /* whoever still looks there is found out */
    free(block);
}

static void *grown(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? 2 * *capacity : 16;
    array = realloc(array, *capacity * size);
    assert_non_null(array);
    return array;
}

/* ---- what the sessions tell */

static void on_hello(void *user)
{
    struct pair_end *end = user;
    end->hello = true;
}

static void on_message(void *user, struct session_message *message)
{
    struct pair_end *end = user;
    end->received = grown(end->received, end->received_count, &end->received_capacity, sizeof *end->received);
    struct pair_received *received = &end->received[end->received_count++];
    *received = (struct pair_received){
        .id = message->id,
        .size = message->size,
        .reply_to = message->reply_to,
        .niceness = message->niceness,
        .age = message->age,
        .ordered = message->ordered,
        .antecedent_lost = message->antecedent_lost,
    };
    if (message->data && !end->forget_data) {
        received->data = malloc(message->size ? message->size : 1);
        assert_non_null(received->data);
        memcpy(received->data, message->data, message->size);
    }
    if (end->on_message)
        end->on_message(end, message);
}

static void on_arriving(void *user, struct session_arriving *arriving)
{
    struct pair_end *end = user;
    end->arriving_count++;
    if (end->on_arriving)
        end->on_arriving(end, arriving);
}

static void on_part(void *user, struct session_part *part)
{
    struct pair_end *end = user;
    assert_int_equal(part->offset, end->part_bytes);
    end->part_count++;
    end->part_bytes += part->size;
    if (end->on_part)
        end->on_part(end, part);
}

static void on_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    struct pair_end *end = user;
    (void)id;
    (void)kind;
    end->abandoned_count++;
}

static void on_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code,
                       const char *reason, bool maybe_delivered)
{
    struct pair_end *end = user;
    assert_non_null(reason);
    for (uint64_t i = 0; i < count; i++) {
        end->outcomes = grown(end->outcomes, end->outcome_count, &end->outcome_capacity, sizeof *end->outcomes);
        struct pair_outcome *outcome = &end->outcomes[end->outcome_count++];
        *outcome =
            (struct pair_outcome){.id = first + i, .kind = kind, .code = code, .maybe_delivered = maybe_delivered};
        snprintf(outcome->reason, sizeof outcome->reason, "%s", reason);
    }
}

static void on_sent(void *user, uint64_t id, int64_t pulled_at)
{
    struct pair_end *end = user;
    (void)id, (void)pulled_at;
    end->sent_count++;
}

static void on_settled(void *user, uint64_t id, void *cookie)
{
    struct pair_end *end = user;
    (void)id;
    (void)cookie;
    end->settled_count++;
}

static void on_writable(void *user)
{
    struct pair_end *end = user;
    end->writable_count++;
}

static void on_stream_opened(void *user, struct session_stream *stream)
{
    struct pair_end *end = user;
    end->stream = stream;
}

static void on_stream_readable(void *user, struct session_stream *stream)
{
    struct pair_end *end = user;
    (void)stream;
    end->stream_readable_count++;
}

static void on_stream_writable(void *user, struct session_stream *stream)
{
    (void)user;
    (void)stream;
}

static void on_stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code)
{
    struct pair_end *end = user;
    (void)code;
    end->stream_closed_count++;
    end->stream_reset = reset;
    if (end->stream == stream)
        end->stream = NULL;
}

static void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    struct pair_end *end = user;
    assert_false(end->closed);
    end->closed = true;
    end->close_code = code;
    end->peer_code = peer_code;
    end->closed_by_peer = by_peer;
    snprintf(end->close_reason, sizeof end->close_reason, "%s", reason);
}

static void on_bulk_ends(void *user, struct session_strand *strand)
{
    (void)user;
    (void)strand; /* bulk bytes are copied as soon as they are pulled */
}

static const uint8_t *on_source(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error)
{
    struct pair_end *end = user;
    assert_non_null(end->on_source);
    return end->on_source(end, cookie, offset, ret_size, ret_error);
}

static uint64_t on_random(void *user)
{
    struct pair_end *end = user;
    return end->random;
}

static void on_silent(void *user, struct session_strand *strand)
{
    struct pair_end *end = user;
    (void)strand;
    end->silent_count++;
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
    .stream_writable = on_stream_writable,
    .stream_closed = on_stream_closed,
    .closed = on_closed,
    .bulk_ends = on_bulk_ends,
    .source = on_source,
    .random = on_random,
    .strand_silent = on_silent,
};

/* ---- beginnings and ends */

static void end_start(struct pair *pair, unsigned index, const struct session_config *config)
{
    struct pair_end *end = &pair->ends[index];
    struct session_config own = config ? *config : (struct session_config){0};
    end->memory = (struct memory){.allocate = counted_allocate, .release = counted_release};
    end->pair = pair;
    end->index = index;
    end->random = 1; /* no frames for exercise */
    own.memory = &end->memory;
    own.handler = &handler;
    own.user = end;
    own.opener = index == OPENER;
    if (!own.receive_memory)
        own.receive_memory = 16 << 20;
    if (!own.send_queue)
        own.send_queue = 64 << 20;
    if (!own.send_queue_messages)
        own.send_queue_messages = 200000;
    memset(own.nonce, 7 + (int)index, sizeof own.nonce);
    assert_int_equal(session_new(&own, pair->now, &end->session), 0);
    assert_int_equal(session_strand_add(end->session, NULL, false, 0, pair->now, &end->strand), 0);
}

struct pair *pair_new(const struct session_config *config)
{
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    pair->now = 1000 * SECOND;
    end_start(pair, OPENER, config);
    end_start(pair, ACCEPTER, config);
    pair_run(pair);
    assert_true(pair->ends[OPENER].hello && pair->ends[ACCEPTER].hello);
    return pair;
}

struct pair *pair_new_lone(unsigned index, const struct session_config *config)
{
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    pair->now = 1000 * SECOND;
    end_start(pair, index, config);
    return pair;
}

void pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++) {
        struct pair_end *end = &pair->ends[i];
        if (end->session)
            session_free(end->session);
        assert_int_equal(end->blocks, 0);
        assert_int_equal(end->bytes, 0);
        for (size_t k = 0; k < end->received_count; k++)
            free(end->received[k].data);
        free(end->received);
        free(end->outcomes);
        free(end->wire);
    }
    free(pair);
}

/* ---- the wire */

static void wire_add(struct pair_end *end, const uint8_t *bytes, size_t size)
{
    if (end->wire_size + size > end->wire_capacity) {
        end->wire_capacity = 2 * (end->wire_size + size);
        end->wire = realloc(end->wire, end->wire_capacity);
        assert_non_null(end->wire);
    }
    if (size)
        memcpy(end->wire + end->wire_size, bytes, size);
    end->wire_size += size;
    end->pulled += size;
}

void pair_pull(struct pair *pair, unsigned from, size_t most)
{
    struct pair_end *end = &pair->ends[from];
    uint8_t buffer[16384];
    size_t before = end->wire_size;
    while (end->strand && end->wire_size - before < most && session_wants_pull(end->strand)) {
        size_t size, bulk_size;
        const uint8_t *bulk;
        assert_int_equal(session_pull(end->strand, buffer, sizeof buffer, pair->now, &size, &bulk, &bulk_size), 0);
        if (size == 0)
            return;
        wire_add(end, buffer, size);
        if (bulk_size) {
            wire_add(end, bulk, bulk_size);
            session_bulk_done(end->strand);
        }
    }
}

int pair_feed(struct pair *pair, unsigned to, const void *bytes, size_t size)
{
    struct pair_end *end = &pair->ends[to];
    static uint8_t scratch[65536];
    int r = 0;
    for (const uint8_t *at = bytes; size > 0 && end->strand && !end->closed;) {
        uint8_t *buffer;
        size_t space;
        session_space(end->strand, scratch, end->scratch_size ? end->scratch_size : sizeof scratch, &buffer, &space);
        size_t n = size < space ? size : space;
        memcpy(buffer, at, n);
        r = session_received(end->strand, buffer, n, false, pair->now);
        at += n;
        size -= n;
    }
    return r;
}

void pair_deliver(struct pair *pair, unsigned from, size_t most)
{
    struct pair_end *end = &pair->ends[from];
    size_t size = end->wire_size < most ? end->wire_size : most;
    uint8_t *bytes = end->wire;
    size_t whole = end->wire_size;
    end->wire = NULL; /* the other end's handlers may pull */
    end->wire_size = end->wire_capacity = 0;
    pair_feed(pair, 1 - from, bytes, size);
    wire_add(end, bytes + size, whole - size);
    end->pulled -= whole - size;
    free(bytes);
}

void pair_run(struct pair *pair)
{
    bool busy = true;
    while (busy) {
        busy = false;
        for (unsigned i = 0; i < 2; i++) {
            struct pair_end *end = &pair->ends[i];
            if (!end->session)
                continue;
            session_flush_events(end->session, pair->now);
            size_t before = end->wire_size;
            pair_pull(pair, i, end->held ? SIZE_MAX : 1 << 20);
            busy = busy || end->wire_size > before;
            if (!end->held && end->wire_size && pair->ends[1 - i].session) {
                pair_deliver(pair, i, SIZE_MAX);
                busy = true;
            }
        }
    }
}

void pair_advance(struct pair *pair, int64_t microseconds)
{
    int64_t until = pair->now + microseconds;
    for (;;) {
        int64_t next = until;
        for (unsigned i = 0; i < 2; i++)
            if (pair->ends[i].session && session_due(pair->ends[i].session) < next)
                next = session_due(pair->ends[i].session);
        if (next > pair->now)
            pair->now = next;
        for (unsigned i = 0; i < 2; i++)
            if (pair->ends[i].session && session_due(pair->ends[i].session) <= pair->now)
                session_tick(pair->ends[i].session, pair->now);
        pair_run(pair);
        if (pair->now >= until)
            return;
    }
}

/* ---- moving */

static void strand_again(struct pair *pair)
{
    uint64_t number = session_next_strand(pair->ends[OPENER].session);
    for (unsigned i = 0; i < 2; i++) {
        struct pair_end *end = &pair->ends[i];
        end->wire_size = 0;
        if (end->strand)
            session_strand_lost(end->strand, -HAWSER_ELOST, "it was cut", pair->now);
        assert_int_equal(session_strand_add(end->session, NULL, false, number, pair->now, &end->strand), 0);
    }
}

void pair_break(struct pair *pair)
{
    strand_again(pair);
}

static int read_source(void *user, void *cookie, uint64_t offset, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t here = 0;
        int error = 0;
        const uint8_t *from = on_source(user, cookie, offset + done, &here, &error);
        if (!from)
            return error < 0 ? error : -HAWSER_ESOURCE;
        here = here < size - done ? here : size - done;
        memcpy((uint8_t *)bytes + done, from, here);
        done += here;
    }
    return 0;
}

struct session_config pair_config(struct pair_end *end)
{
    return (struct session_config){.memory = &end->memory, .handler = &handler, .user = end};
}

static uint64_t sought_id;
static struct session_stream *found_stream;

static void find_stream(void *user, struct session_stream *stream)
{
    (void)user;
    if (session_stream_id(stream) == sought_id)
        found_stream = stream;
}

struct session_stream *pair_stream(struct pair_end *end, uint64_t id)
{
    sought_id = id;
    found_stream = NULL;
    session_streams_each(end->session, find_stream);
    return found_stream;
}

void pair_move(struct pair *pair, unsigned index)
{
    struct pair_end *end = &pair->ends[index];
    struct session_config config = pair_config(end);
    struct coder out, in;
    coder_write(&out, &memory_malloc, SIZE_MAX);
    assert_int_equal(session_export(end->session, &out, read_source, pair->now), 0);
    session_exported(end->session);
    session_free(end->session);
    assert_int_equal(end->blocks, 0); /* nothing of it is left here */
    coder_read(&in, out.bytes, out.size);
    assert_int_equal(session_import(&config, &in, 0, pair->now, &end->session), 0);
    assert_ptr_equal(in.at, in.end);
    coder_free(&out);
    end->strand = NULL;
    strand_again(pair);
}

/* ---- for tests */

uint64_t pair_send(struct pair *pair, unsigned from, const struct session_send *send)
{
    uint64_t id = 0;
    assert_int_equal(session_send(pair->ends[from].session, send, pair->now, &id), 0);
    return id;
}

const struct pair_outcome *pair_outcome_of(const struct pair_end *end, uint64_t id)
{
    const struct pair_outcome *found = NULL;
    for (size_t i = 0; i < end->outcome_count; i++) {
        if (end->outcomes[i].id != id)
            continue;
        assert_null(found); /* exactly one */
        found = &end->outcomes[i];
    }
    return found;
}

const struct pair_received *pair_received_id(const struct pair_end *end, uint64_t id)
{
    const struct pair_received *found = NULL;
    for (size_t i = 0; i < end->received_count; i++) {
        if (end->received[i].id != id)
            continue;
        assert_null(found);
        found = &end->received[i];
    }
    return found;
}

bool pair_frame(const uint8_t **at, const uint8_t *end, uint64_t *ret_type, const uint8_t **ret_body, size_t *ret_size)
{
    uint64_t size;
    const uint8_t *body = varint_get(*at, end, ret_type);
    if (body)
        body = varint_get(body, end, &size);
    if (!body || size > (uint64_t)(end - body))
        return false;
    *ret_body = body;
    *ret_size = (size_t)size;
    *at = body + size;
    return true;
}
