/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in on a bare association: from the layers through the framer to the program. No more is read than the
 * program takes, so that its peer is slowed by the transport itself.
 */
#include <stdio.h>

#include "association/bare_line.h"

#define COST 128u         /* of a message beside its bytes, as over hawser/1 */
#define ROOM 4096u        /* read at least this much behind what waits for the rest of it */
#define AHEAD (64u << 10) /* read while nobody has said how to take it, so that the peer's end is seen */

static uint64_t limit_of(const struct bare *bare)
{
    return bare->max_message && bare->max_message < bare->receive_memory ? bare->max_message : bare->receive_memory;
}

/* With the framer "none" it is for the program to say how it wants what comes: as a stream, in parts, or whole. */
static bool is_taken(const struct bare *bare)
{
    const hawser_association *association = bare->association;

    return !bare->plain || bare->stream || association->refs == 0 || event_wanted(association, HAWSER_RECEIVED) ||
           event_wanted(association, HAWSER_RECEIVED_MANY) || event_wanted(association, HAWSER_PART) ||
           event_wanted(association, HAWSER_ARRIVING);
}

static bool may_deliver(const struct bare *bare)
{
    return !bare->paused && list_empty(&bare->pending) && is_taken(bare);
}

static bool may_read(const struct bare *bare)
{
    size_t backlog;

    if (!bare->framing || bare->peer_ended || bare->paused || !list_empty(&bare->pending))
        return false;
    if (bare->held >= bare->receive_memory)
        return false;
    if (bare->stream)
        return bare_stream_room(bare) > 0;
    if (!is_taken(bare))
        return bare->in_size < AHEAD;
    return !framing_output(bare->framing, &backlog) || backlog < BARE_BACKLOG;
}

/* --------------------------------------------------------------------------------------------------------- in parts */

static int default_take(const struct bare *bare)
{
    const hawser_association *association = bare->association;

    return event_wanted(association, HAWSER_PART) && !event_wanted(association, HAWSER_ARRIVING) ? SESSION_TAKE_PARTS
                                                                                                 : SESSION_TAKE_WHOLE;
}

static void drop_rest(struct bare *bare, const char *why)
{
    loop_log(bare->association->context, HAWSER_LOG_WARNING, "%s: a message was dropped: %s",
             hawser_association_endpoint(bare->association), why);
    free(bare->whole);
    bare->whole = NULL;
    bare->whole_capacity = 0;
    bare->dropping = true;
}

static void give_up(struct bare *bare, const char *why)
{
    drop_rest(bare, why);
    association_handler.abandoned(bare->association, bare->in_id, SESSION_FAILED);
}

static void parts_begin(struct bare *bare, uint64_t total)
{
    bare->in_parts = true;
    bare->dropping = false;
    bare->in_offset = 0;
    bare->arriving = (struct session_arriving){.id = bare->in_id, .size = total};
    bare->arriving.take = (enum session_take)default_take(bare);
    if (bare->max_message && total != HAWSER_SIZE_UNKNOWN && total > bare->max_message) {
        drop_rest(bare, "it is larger than this end takes");
        return;
    }
    association_handler.arriving(bare->association, &bare->arriving);
    if (bare->arriving.take == SESSION_TAKE_REFUSE)
        drop_rest(bare, bare->arriving.reason ? bare->arriving.reason : "the program refused it");
}

static void whole_add(struct bare *bare, const void *data, size_t size)
{
    size_t end = (size_t)bare->in_offset + size, capacity = bare->whole_capacity ? bare->whole_capacity : ROOM;
    uint8_t *whole;

    if (end > limit_of(bare)) {
        give_up(bare, "it is larger than this end takes");
        return;
    }
    while (capacity < end)
        capacity *= 2;
    if (capacity > bare->whole_capacity) {
        whole = realloc(bare->whole, capacity);
        if (!whole) {
            give_up(bare, hawser_strerror(-ENOMEM));
            return;
        }
        bare->whole = whole;
        bare->whole_capacity = capacity;
    }
    if (size)
        memcpy(bare->whole + bare->in_offset, data, size);
}

static void tell_part(struct bare *bare, const void *data, size_t size, bool last)
{
    struct session_part part = {
        .id = bare->in_id,
        .offset = bare->in_offset,
        .data = data,
        .size = size,
        .total = bare->arriving.size,
        .last = last,
        .sink = bare->arriving.sink,
    };

    association_handler.part(bare->association, &part);
    if (part.refuse)
        drop_rest(bare, part.refuse);
}

static void tell_whole(struct bare *bare, const uint8_t *data, uint64_t size)
{
    struct session_message message = {.id = bare->in_id, .data = data, .size = size, .cost = size + COST, .age = -1};

    bare->held += message.cost; /* an array gives it back when it was told */
    association_handler.message(bare->association, &message);
    if (!message.keep)
        bare->held -= message.cost;
}

static void part_place(struct bare *bare, const void *data, size_t size, bool last)
{
    switch (bare->arriving.take) {
    case SESSION_TAKE_WHOLE:
        whole_add(bare, data, size);
        break;
    case SESSION_TAKE_INTO:
        if (size)
            memcpy(bare->arriving.buffer + bare->in_offset, data, size);
        break;
    default:
        tell_part(bare, data, size, last);
    }
}

static void parts_end(struct bare *bare)
{
    enum session_take take = bare->arriving.take;

    bare->in_parts = false;
    if (bare->dropping)
        return;
    bare->statistics.messages_received++;
    if (take == SESSION_TAKE_WHOLE)
        tell_whole(bare, bare->whole ? bare->whole : (const uint8_t *)"", bare->in_offset);
    else if (take == SESSION_TAKE_INTO)
        tell_whole(bare, bare->arriving.buffer, bare->in_offset);
    else if (take == SESSION_TAKE_SINK)
        tell_whole(bare, NULL, bare->in_offset);
    batch_flush(bare->association->all);
    free(bare->whole);
    bare->whole = NULL;
    bare->whole_capacity = 0;
}

/* --------------------------------------------------------------------------------------------------------- delivering */

static int deliver_part(struct bare *bare, const void *data, size_t size, uint64_t total, bool last)
{
    if (!bare->in_parts) {
        bare->in_id++;
        parts_begin(bare, total);
    }
    if (bare->arriving.size != HAWSER_SIZE_UNKNOWN &&
        (size > bare->arriving.size - bare->in_offset || (last && bare->in_offset + size != bare->arriving.size)))
        return -EINVAL;
    if (!bare->dropping)
        part_place(bare, data, size, last);
    bare->in_offset += size;
    if (last)
        parts_end(bare);
    return 0;
}

static int deliver(struct bare *bare, const void *data, size_t size, uint64_t total, bool last)
{
    bare->statistics.bytes_received += size;
    if (bare->stream)
        return last && size == 0 ? 0 : bare_stream_push(bare, data, size);
    if (bare->in_parts || !last || bare->plain)
        return deliver_part(bare, data, size, total, last);
    if (total != HAWSER_SIZE_UNKNOWN && total != size)
        return -EINVAL;
    if (size > limit_of(bare)) /* all of one that is taken in parts only */
        return deliver_part(bare, data, size, size, true);
    bare->in_id++;
    bare->statistics.messages_received++;
    tell_whole(bare, data, size);
    return 0;
}

/* What the framer finds in bytes that were read before the program paused waits here: at most one read. */
static int deliver_later(struct bare *bare, const void *data, size_t size, uint64_t total, bool last)
{
    struct pending *pending = malloc(sizeof *pending + size);

    if (!pending)
        return -ENOMEM;
    pending->size = size;
    pending->total = total;
    pending->last = last;
    if (size)
        memcpy(pending->bytes, data, size);
    list_append(&bare->pending, &pending->link);
    return 0;
}

static int on_deliver(void *user, const void *data, size_t size, uint64_t total, bool last)
{
    struct bare *bare = user;
    const hawser_association *association = bare->association;

    if (association->ended || association->abort_wanted || !association->open)
        return -ECANCELED;
    if (!data)
        data = "";
    return may_deliver(bare) ? deliver(bare, data, size, total, last) : deliver_later(bare, data, size, total, last);
}

static void deliver_pending(struct bare *bare)
{
    while (!list_empty(&bare->pending) && !bare->paused && !bare->association->ended) {
        struct pending *pending = list_first(&bare->pending, struct pending, link);
        int r;

        list_remove(&pending->link);
        r = deliver(bare, pending->bytes, pending->size, pending->total, pending->last);
        batch_flush(bare->association->all);
        free(pending);
        if (r < 0)
            bare_fail(bare, r, hawser_strerror(r));
    }
}

/* ---------------------------------------------------------------------------------------------------------- digesting */

static void framing_failed(struct bare *bare, ssize_t code)
{
    if (code != -ECANCELED)
        bare_fail(bare, (int)code, framing_reason(bare->framing, (int)code));
}

/* The first exchange where it was no part of a race; false: it is not done. */
static bool greet(struct bare *bare, const uint8_t *data, size_t size, bool end, size_t *at)
{
    size_t used;
    int r;

    if (!bare->greeting)
        return true;
    r = framing_greet(bare->framing, data + *at, size - *at, end, &used);
    if (r < 0 && r != -EAGAIN)
        framing_failed(bare, r);
    if (r == -EAGAIN && size - *at >= FRAMING_HEAD + framing_wants(bare->framing))
        bare_fail(bare, -HAWSER_ELARGE, "the peer's first words have no end");
    if (r < 0)
        return false;
    *at += used;
    bare->greeting = false;
    association_wake(bare->association);
    return true;
}

/* How many bytes were used up. */
static size_t digest(struct bare *bare, const uint8_t *data, size_t size, bool end)
{
    size_t at = 0;
    ssize_t used;

    if (!greet(bare, data, size, end, &at))
        return at;
    batch_open(bare->association->all, data, size);
    do {
        used = framing_decode(bare->framing, data + at, size - at, end);
        if (used > 0)
            at += (size_t)used;
        if (used < 0)
            framing_failed(bare, used);
    } while (used > 0 && at < size && !end);
    batch_flush(bare->association->all);
    return at;
}

static void digest_in(struct bare *bare, bool end)
{
    size_t used = digest(bare, bare->in ? bare->in : (const uint8_t *)"", bare->in_size, end);

    bare->in_size -= used;
    if (bare->in_size)
        memmove(bare->in, bare->in + used, bare->in_size);
    if (bare->in_size == 0) {
        free(bare->in); /* an idle connection holds no buffer */
        bare->in = NULL;
        bare->in_capacity = 0;
    }
}

/* What ended the peer's side is told once nothing of it waits any more. */
static void tell_end(struct bare *bare)
{
    hawser_association *association = bare->association;

    if (!bare->peer_ended || bare->end_told || !may_deliver(bare) || association->ended)
        return;
    digest_in(bare, true);
    if (!list_empty(&bare->pending) || association->ended || !bare->strand || bare->strand->dead)
        return;
    bare->end_told = true;
    if (!bare->stream)
        event_raise(association, &(hawser_event){.type = HAWSER_ENDED});
    association_wake(association);
}

void receive_go_on(struct bare *bare)
{
    if (!bare->framing)
        return;
    if (bare->datagrams) {
        datagram_go_on(bare);
        return;
    }
    deliver_pending(bare);
    if (bare->in_size > 0 && !bare->peer_ended && may_deliver(bare) && bare->in_size >= framing_wants(bare->framing))
        digest_in(bare, false);
    if (bare->plain && !is_taken(bare) && bare->peer_ended && bare->in_size == 0)
        bare->end_told = true; /* nobody asks what the peer said, and it said nothing */
    tell_end(bare);
    if (bare->strand && !bare->strand->dead && may_read(bare))
        bare->strand->readable = true; /* it may have been stopped */
}

/* ------------------------------------------------------------------------------------------------------------ reading */

static int make_room(struct bare *bare)
{
    size_t wants = framing_wants(bare->framing), least = bare->in_size + ROOM, capacity = bare->in_capacity;
    uint8_t *in;

    if (capacity >= least)
        return 0;
    /* What is asked for is not believed before it comes: memory grows with what there is. */
    capacity = bare->in_size * 2 > least ? bare->in_size * 2 : least;
    if (wants > bare->in_size && wants + ROOM < capacity && wants + ROOM >= least)
        capacity = wants + ROOM;
    in = realloc(bare->in, capacity);
    if (!in)
        return -ENOMEM;
    bare->in = in;
    bare->in_capacity = capacity;
    return 0;
}

static int keep_rest(struct bare *bare, const uint8_t *data, size_t size)
{
    if (size == 0 || bare->strand->dead)
        return 0;
    bare->in_size = 0;
    if (make_room(bare) < 0)
        return -ENOMEM;
    if (bare->in_capacity < size) {
        uint8_t *in = realloc(bare->in, size + ROOM);

        if (!in)
            return -ENOMEM;
        bare->in = in;
        bare->in_capacity = size + ROOM;
    }
    memcpy(bare->in, data, size);
    bare->in_size = size;
    return 0;
}

/* Many servers end without saying so inside TLS. Where the framer knows that nothing is missing, nothing is. */
static bool is_between_messages(const struct bare *bare)
{
    return !bare->plain && !bare->greeting && bare->in_size == 0 && !bare->in_parts;
}

static ssize_t receive(struct bare *bare, uint8_t *buffer, size_t size)
{
    struct layer *top = bare->strand->top;
    const struct layer_error *error;
    ssize_t n;

    if (bare->stream && size > bare_stream_room(bare))
        size = bare_stream_room(bare);
    n = top->type->receive(top, buffer, size);
    if (n > 0 || n == -EAGAIN)
        return n;
    if (n < 0 && !(n == -HAWSER_ETRUNCATED && is_between_messages(bare))) {
        error = layer_error(top);
        strand_lost(bare->strand, (int)n, error->code ? error->reason : hawser_strerror((int)n));
        return n;
    }
    bare->peer_ended = true;
    tell_end(bare);
    return -EAGAIN;
}

/* Nothing waits for more: what comes can be digested where it is read to. */
static ssize_t read_straight(struct bare *bare, uint8_t *scratch, size_t size)
{
    ssize_t n = receive(bare, scratch, size);
    size_t used;

    if (n <= 0)
        return n;
    used = digest(bare, scratch, (size_t)n, false);
    if (keep_rest(bare, scratch + used, (size_t)n - used) < 0)
        bare_fail(bare, -ENOMEM, hawser_strerror(-ENOMEM));
    return n;
}

static ssize_t read_behind(struct bare *bare)
{
    ssize_t n;

    if (make_room(bare) < 0) {
        bare_fail(bare, -ENOMEM, hawser_strerror(-ENOMEM));
        return -ENOMEM;
    }
    n = receive(bare, bare->in + bare->in_size, bare->in_capacity - bare->in_size);
    if (n <= 0)
        return n;
    bare->in_size += (size_t)n;
    if (may_deliver(bare) && bare->in_size >= framing_wants(bare->framing))
        digest_in(bare, false);
    return n;
}

static ssize_t bare_read_streams(struct bare *bare)
{
    const struct layer_error *error;
    ssize_t n = bare_streams_news(bare);

    if (n == -EAGAIN)
        return n;
    if (n == -ENODATA) {
        bare->peer_ended = true;
        bare->end_told = true;
        association_wake(bare->association);
        return -EAGAIN;
    }
    error = layer_error(bare->strand->top);
    strand_lost(bare->strand, (int)n, error->code ? error->reason : hawser_strerror((int)n));
    return n;
}

ssize_t bare_read(struct bare *bare, uint8_t *scratch, size_t size)
{
    if (bare->datagrams)
        return bare_read_datagrams(bare, scratch, size);
    if (bare->several)
        return bare_read_streams(bare);
    if (!bare->strand || !may_read(bare))
        return -EAGAIN;
    if (bare->in_size == 0 && may_deliver(bare))
        return read_straight(bare, scratch, size);
    return read_behind(bare);
}

/* ------------------------------------------------------------------------------------------------- the program's say */

void bare_pause(struct bare *bare, bool pause)
{
    bare->paused = pause;
    association_wake(bare->association);
}

void bare_return(struct bare *bare, uint64_t cost)
{
    bare->held -= cost < bare->held ? cost : bare->held;
    association_wake(bare->association);
}

int receive_begin(struct bare *bare)
{
    uint8_t *ahead;
    size_t size;

    framing_set_sink(bare->framing, on_deliver, bare);
    bare->plain = framing_is_plain(bare->framing);
    ahead = framing_take_ahead(bare->framing, &size);
    if (!ahead)
        return 0;
    bare->in = ahead;
    bare->in_size = bare->in_capacity = size;
    return 0;
}

void receive_bare_free(struct bare *bare)
{
    while (!list_empty(&bare->pending)) {
        struct pending *pending = list_first(&bare->pending, struct pending, link);

        list_remove(&pending->link);
        free(pending);
    }
    free(bare->in);
    free(bare->whole);
}
