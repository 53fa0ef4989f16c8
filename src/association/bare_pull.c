/* SPDX-License-Identifier: Apache-2.0 */
/* What the strand of a bare association sends next. */
#include "association/bare_line.h"

#define BULK_MIN 4096 /* less is copied beside what else there is: one record, one call */
#define BULK_MAX (1u << 20)

/* The message cannot go on in the middle: the peer would take whatever follows for the rest of it. */
static void break_off(struct bare *bare, int code, const char *reason)
{
    struct out *out = bare->current;
    bool clean = !bare->begun && bare->at == 0;

    out_end(bare, out, SESSION_FAILED, code, reason);
    if (!clean)
        bare_fail(bare, code, "a message could not be sent to its end, and the peer has its beginning");
}

/* ------------------------------------------------------------------------------------------------- whole in memory */

/* false: its bytes are not all there yet, or it is gone. */
bool pull_gather(struct bare *bare, struct out *out)
{
    const uint8_t *bytes;
    size_t size;
    int error;

    if (out->size > bare->send_queue) {
        out_end(bare, out, SESSION_FAILED, -HAWSER_ELARGE,
                "the framer needs the whole message, which is larger than the send queue");
        return false;
    }
    if (!bare->gathered)
        bare->gathered = malloc(out->size ? (size_t)out->size : 1);
    if (!bare->gathered) {
        out_end(bare, out, SESSION_FAILED, -ENOMEM, hawser_strerror(-ENOMEM));
        return false;
    }
    while (bare->at < out->size) {
        bytes = out_bytes(bare, out, bare->at, &size, &error);
        if (!bytes) {
            bare->stalled = error == 0;
            if (error < 0) {
                bare->at = 0; /* nothing of it left */
                out_end(bare, out, SESSION_FAILED, error, hawser_strerror(error));
            }
            return false;
        }
        memcpy(bare->gathered + bare->at, bytes, size);
        bare->at += size;
    }
    return true;
}

static void begin_whole(struct bare *bare, struct out *out)
{
    const uint8_t *data = out->data;
    bool scattered = out->parts || out->source;
    int r;

    if (scattered && !pull_gather(bare, out))
        return;
    r = framing_encode(bare->framing, scattered ? bare->gathered : data, (size_t)out->size, out->final);
    bare->at = 0;
    if (r < 0) {
        out_end(bare, out, SESSION_FAILED, r, framing_reason(bare->framing, r));
        return;
    }
    free(bare->gathered);
    bare->gathered = NULL;
    bare->begun = bare->written = true;
}

/* -------------------------------------------------------------------------------------------------- piece by piece */

/* A file that cannot be read fails before its head is written; one that is not read yet is waited for. */
static bool first_bytes(struct bare *bare, struct out *out)
{
    size_t size;
    int error;

    if (!out->source || out->size == 0 || out_bytes(bare, out, 0, &size, &error))
        return true;
    bare->stalled = error == 0;
    if (error < 0)
        out_end(bare, out, SESSION_FAILED, error, hawser_strerror(error));
    return false;
}

static void begin_around(struct bare *bare, struct out *out)
{
    int r;

    if (!first_bytes(bare, out))
        return;
    r = framing_before(bare->framing, out->size, out->final);
    if (r == -EAGAIN && out->parts && !out->complete) {
        out->gather = true;
        bare->current = NULL;
        order_wait(bare, out);
        return;
    }
    if (r < 0) {
        out_end(bare, out, SESSION_FAILED, r, framing_reason(bare->framing, r));
        return;
    }
    bare->begun = true;
}

static bool is_at_end(const struct bare *bare, const struct out *out)
{
    return out->parts ? out->complete && bare->at == out->got : bare->at == out->size;
}

/* Bytes of the current message into the buffer, or as bulk; false: nothing more now. */
static bool pull_body(struct bare *bare, uint8_t *buffer, size_t capacity, size_t *at, const uint8_t **ret_bulk,
                      size_t *ret_bulk_size)
{
    struct out *out = bare->current;
    const uint8_t *bytes;
    size_t size;
    int error;

    if (is_at_end(bare, out)) {
        framing_after(bare->framing, out->final);
        bare->written = true;
        return true;
    }
    bytes = out_bytes(bare, out, bare->at, &size, &error);
    if (!bytes) {
        bare->stalled = error == 0;
        if (error < 0)
            break_off(bare, error, hawser_strerror(error));
        return false;
    }
    if (size > capacity - *at && size >= BULK_MIN) {
        *ret_bulk = bytes;
        *ret_bulk_size = size < BULK_MAX ? size : BULK_MAX;
        bare->at += *ret_bulk_size;
        return false;
    }
    if (size > capacity - *at)
        size = capacity - *at;
    memcpy(buffer + *at, bytes, size);
    *at += size;
    bare->at += size;
    return true;
}

static void begin(struct bare *bare)
{
    struct out *out = bare->current;

    if (framing_way(bare->framing) != FRAMING_WHOLE) {
        begin_around(bare, out);
        return;
    }
    if (out->parts && !out->complete) {
        out->gather = true;
        bare->current = NULL;
        order_wait(bare, out);
        return;
    }
    begin_whole(bare, out);
}

bool pull_choose(struct bare *bare)
{
    struct out *out = order_next(bare);

    if (!out)
        return false;
    order_wait(bare, out); /* out of its class */
    out->state = OUT_CURRENT;
    bare->current = out;
    bare->at = 0;
    bare->begun = bare->written = bare->stalled = false;
    return true;
}

/* ---------------------------------------------------------------------------------------------------------------- pull */

static size_t pull_output(struct bare *bare, uint8_t *buffer, size_t room)
{
    size_t size;
    const uint8_t *output = framing_output(bare->framing, &size);

    if (!output)
        return 0;
    if (size > room)
        size = room;
    memcpy(buffer, output, size);
    framing_output_taken(bare->framing, size);
    return size;
}

static void pull_stream(struct bare *bare, uint8_t *buffer, size_t capacity, size_t *at)
{
    const uint8_t *bytes;
    size_t size;

    while (*at < capacity && (bytes = bare_stream_bytes(bare, &size))) {
        if (size > capacity - *at)
            size = capacity - *at;
        memcpy(buffer + *at, bytes, size);
        *at += size;
        bare_stream_taken(bare, size);
    }
}

/* One step of what leaves after the framer's output is gone; false: nothing now. */
static bool pull_step(struct bare *bare, uint8_t *buffer, size_t capacity, size_t *at, const uint8_t **ret_bulk,
                      size_t *ret_bulk_size)
{
    if (bare->current && bare->written) {
        out_passed(bare, bare->current);
        return true;
    }
    if (bare->stalled || (!bare->current && !pull_choose(bare)))
        return false;
    if (bare->begun)
        return pull_body(bare, buffer, capacity, at, ret_bulk, ret_bulk_size);
    begin(bare);
    return !bare->stalled;
}

int bare_pull(struct bare *bare, uint8_t *buffer, size_t capacity, size_t *ret_size, const uint8_t **ret_bulk,
              size_t *ret_bulk_size)
{
    size_t at = 0;

    *ret_bulk = NULL;
    *ret_bulk_size = 0;
    out_settle_passed(bare); /* the strand asks for more when the layers took all that it had */
    if (bare->current && bare->current->parts)
        out_release_pieces(bare, bare->current, bare->at);
    while (at < capacity) {
        size_t n = pull_output(bare, buffer + at, capacity - at);

        at += n;
        if (n > 0)
            continue;
        if (bare->greeting || !pull_step(bare, buffer, capacity, &at, ret_bulk, ret_bulk_size))
            break;
    }
    if (!bare->greeting && !*ret_bulk_size && !bare->current)
        pull_stream(bare, buffer, capacity, &at);
    *ret_size = at;
    return 0;
}

void bare_bulk_done(struct bare *bare)
{
    association_wake(bare->association); /* what passed may be settled */
}

bool bare_wants_pull(const struct bare *bare)
{
    size_t size;

    if (!bare->framing || !bare->strand)
        return false;
    if (bare->datagrams)
        return bare_wants_write(bare);
    if (framing_output(bare->framing, &size))
        return true;
    if (bare->greeting)
        return false;
    if (bare->current)
        return !bare->stalled;
    return bare_stream_bytes((struct bare *)(uintptr_t)bare, &size) ||
           order_next((struct bare *)(uintptr_t)bare) != NULL;
}
