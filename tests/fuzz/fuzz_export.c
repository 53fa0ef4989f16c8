/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session was written to, as a damaged or a hostile blob may have it: it is refused, or taken up; then its strands are pulled
 * from, its time passes, and it is written again. Nothing of it breaks, and no memory is left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/coder.h"
#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST (64u << 20)

static size_t held;

static void *bounded_allocate(const struct memory *memory, size_t size)
{
    (void)memory;
    if (size > MOST - held)
        return NULL;
    held += size;
    return malloc(size);
}

static void bounded_release(const struct memory *memory, void *block, size_t size)
{
    (void)memory;
    held -= size;
    free(block);
}

static const struct memory bounded = {bounded_allocate, bounded_release};

static void on_hello(void *user)
{
    (void)user;
}

static void on_message(void *user, struct session_message *message)
{
    (void)user;
    for (size_t i = 0; message->data && i < message->size; i += 4096)
        held += message->data[i] & 0; /* all of it is there */
}

static void on_arriving(void *user, struct session_arriving *arriving)
{
    (void)user, (void)arriving;
}

static void on_part(void *user, struct session_part *part)
{
    (void)user, (void)part;
}

static void on_abandoned(void *user, uint64_t id, enum session_outcome kind)
{
    (void)user, (void)id, (void)kind;
}

static void on_gaps(void *user, const struct session_gaps *gaps)
{
    (void)user, (void)gaps;
}

static void on_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code,
                       const char *reason, bool maybe_delivered)
{
    (void)user, (void)first, (void)count, (void)kind, (void)code, (void)maybe_delivered;
    if (!reason)
        abort();
}

static void on_partial(void *user, uint64_t id, uint64_t missing)
{
    (void)user, (void)id, (void)missing;
}

static void on_sent(void *user, uint64_t id, int64_t at)
{
    (void)user, (void)id, (void)at;
}

static void on_settled(void *user, uint64_t id, void *cookie)
{
    (void)user, (void)id, (void)cookie;
    abort(); /* nothing was lent */
}

static void on_nothing(void *user)
{
    (void)user;
}

static void on_stream(void *user, struct session_stream *stream)
{
    uint8_t bytes[256];
    (void)user;
    while (session_stream_read(stream, bytes, sizeof bytes) > 0)
        ;
}

static void on_stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code)
{
    (void)user, (void)stream, (void)reset, (void)code;
}

static void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    (void)user, (void)code, (void)peer_code, (void)by_peer, (void)reason;
}

static const uint8_t *on_source(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error)
{
    (void)user, (void)cookie, (void)offset, (void)ret_size, (void)ret_error;
    abort(); /* all came along */
}

static uint64_t on_random(void *user)
{
    (void)user;
    return 1;
}

static void on_strand(void *user, struct session_strand *strand)
{
    (void)user, (void)strand;
}

static const struct session_handler handler = {
    .hello = on_hello,
    .message = on_message,
    .arriving = on_arriving,
    .part = on_part,
    .abandoned = on_abandoned,
    .gaps = on_gaps,
    .outcome = on_outcome,
    .partial = on_partial,
    .sent = on_sent,
    .departed = on_sent,
    .settled = on_settled,
    .writable = on_nothing,
    .stream_opened = on_stream,
    .stream_readable = on_stream,
    .stream_writable = on_stream,
    .stream_closed = on_stream_closed,
    .closed = on_closed,
    .source = on_source,
    .random = on_random,
    .strand_silent = on_strand,
    .bulk_ends = on_strand,
};

static void pull(struct session_strand *strand, int64_t now)
{
    static uint8_t buffer[16384];

    for (unsigned i = 0; i < 200 && session_wants_pull(strand); i++) {
        const uint8_t *bulk;
        size_t size, bulk_size;

        if (session_pull(strand, buffer, sizeof buffer, now, &size, &bulk, &bulk_size) < 0 || size == 0)
            return;
        if (bulk_size)
            session_bulk_done(strand);
    }
}

static void use(struct session *session, int64_t now)
{
    struct session_strand *strand;
    struct coder out;

    session_flush_events(session, now);
    session_streams_each(session, on_stream);
    if (session_strand_add(session, NULL, false, session_next_strand(session), now, &strand) < 0)
        return;
    pull(strand, now);
    for (unsigned i = 0; i < 20 && session_due(session) < INT64_MAX / 2; i++) {
        int64_t due = session_due(session);

        now = due > now ? due : now + 1;
        session_tick(session, now);
        pull(strand, now);
    }
    coder_write(&out, &memory_malloc, MOST);
    (void)session_export(session, &out, NULL, now);
    coder_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct session_config config = {.memory = &bounded, .handler = &handler};
    struct session *session;
    struct coder in;

    coder_read(&in, data, size);
    if (session_import(&config, &in, 1000, 1000000000, &session) == 0) {
        use(session, 1000000000);
        session_free(session);
    }
    if (held)
        abort();
    return 0;
}
