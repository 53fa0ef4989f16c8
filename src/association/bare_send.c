/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of ours on a bare association, from hawser_send() until their outcome was told. */
#include "association/bare_line.h"

static uint64_t weight_of(const struct bare *bare, const struct out *out)
{
    uint64_t most = bare->send_queue / 16;

    if (out->parts)
        return 0; /* counted as they come */
    return out->source || out->borrowed ? (out->size < most ? out->size : most) : out->size;
}

struct out *out_find(struct bare *bare, uint64_t id)
{
    struct out *out = NULL;

    if (bare->by_id)
        HASH_FIND_BYHASHVALUE(hh, bare->by_id, &id, sizeof id, (unsigned)id, out);
    return out;
}

/* ------------------------------------------------------------------------------------------------------------- bytes */

static int pieces_put(struct out *out, const void *data, size_t size)
{
    struct piece *piece;

    if (size == 0)
        return 0;
    piece = malloc(sizeof *piece + size);
    if (!piece)
        return -ENOMEM;
    piece->offset = out->got;
    piece->size = size;
    memcpy(piece->bytes, data, size);
    list_append(&out->pieces, &piece->link);
    out->got += size;
    return 0;
}

void out_release_pieces(struct bare *bare, struct out *out, uint64_t below)
{
    while (!list_empty(&out->pieces)) {
        struct piece *piece = list_first(&out->pieces, struct piece, link);

        if (piece->offset + piece->size > below)
            break;
        out->weight -= piece->size;
        bare->queued_bytes -= piece->size;
        list_remove(&piece->link);
        free(piece);
    }
    if (out->want_room && out->got - below <= BARE_PARTS_MAX / 2) {
        out->want_room = false;
        bare->want_write = true;
        association_wake(bare->association);
    }
}

static const uint8_t *pieces_find(const struct out *out, uint64_t offset, size_t *ret_size)
{
    for (const struct list *at = out->pieces.next; at != &out->pieces; at = at->next) {
        const struct piece *piece = container_of(at, struct piece, link);

        if (offset < piece->offset + piece->size) {
            *ret_size = (size_t)(piece->offset + piece->size - offset);
            return piece->bytes + (offset - piece->offset);
        }
    }
    return NULL;
}

const uint8_t *out_bytes(struct bare *bare, struct out *out, uint64_t offset, size_t *ret_size, int *ret_error)
{
    *ret_error = 0;
    if (out->parts)
        return pieces_find(out, offset, ret_size);
    if (out->source)
        return association_handler.source(bare->association, out->cookie, offset, ret_size, ret_error);
    *ret_size = (size_t)(out->size - offset);
    return out->data + offset;
}

/* ------------------------------------------------------------------------------------------------------------ sending */

static int refuse(const struct bare *bare, int code, const char *why)
{
    loop_log(bare->association->context, HAWSER_LOG_WARNING, "%s: a message was not taken: %s",
             hawser_association_endpoint(bare->association), why);
    return code;
}

static int check_options(const struct bare *bare, const struct session_send *send)
{
    if (send->niceness < -100 || send->niceness > 155 || send->lifetime < 0)
        return -EINVAL;
    if (bare->several)
        return refuse(bare, -EOPNOTSUPP, "a line of several streams has no messages");
    if (send->size == SESSION_SIZE_UNKNOWN ? !send->parts : send->size > INT64_MAX)
        return -EINVAL;
    if (send->antecedent_count > SESSION_ANTECEDENTS_MAX)
        return -E2BIG;
    for (size_t i = 0; i < send->antecedent_count; i++)
        if (send->antecedents[i] == 0 || send->antecedents[i] >= bare->next_id)
            return -EINVAL;
    if (send->reply_to)
        return refuse(bare, -EOPNOTSUPP, "the peer's protocol cannot carry which message this one answers");
    if (bare->hears_only)
        return refuse(bare, -EOPNOTSUPP,
                      "who hears a multicast group answers nobody: associate with the group, or with the sender");
    if (datagram_check(bare, send->size) < 0)
        return refuse(bare, -HAWSER_ELARGE, "it is larger than a datagram on this line can be");
    if (send->final && bare->undecided)
        return refuse(bare, -EOPNOTSUPP, "whether the peer takes a last message is known once the line is established");
    return 0;
}

static int check_queue(struct bare *bare)
{
    uint64_t bytes = bare->send_queue, messages = bare->send_queue_messages;

    if (bare->closing || bare->no_more || bare->association->ended)
        return -ESHUTDOWN;
    if (bare->stream_was)
        return refuse(bare, -EBUSY, "the line is a stream now");
    if (bare->undecided) {
        bytes /= 2;
        messages = messages < BARE_UNDECIDED_MESSAGES ? messages : BARE_UNDECIDED_MESSAGES;
    }
    if (bare->queued_bytes < bytes && bare->queued_messages < messages)
        return 0;
    bare->want_write = true;
    return -EAGAIN;
}

/*
 * Messages of about a datagram's size use each other's memory, a few of a context's: the C library keeps none of that size at
 * hand, and a line of datagrams may send millions a second.
 */
#define SPARE 2048u /* bytes of a message */
#define SPARE_MIN (SPARE / 2)
#define SPARES_MAX 64

static struct out *memory_take(struct bare *bare, size_t copied)
{
    struct associations *all = bare->association->all;
    bool spare = copied > SPARE_MIN && copied <= SPARE;
    struct out *out;

    if (spare && !list_empty(&all->spares)) {
        out = list_first(&all->spares, struct out, link);
        list_remove(&out->link);
        all->spare_count--;
    } else if (!(out = malloc(sizeof *out + (spare ? SPARE : copied)))) {
        return NULL;
    }
    memset(out, 0, sizeof *out); /* what is copied behind it needs no zeros first */
    out->spare = spare;
    return out;
}

static void memory_give(struct bare *bare, struct out *out)
{
    struct associations *all = bare->association->all; /* NULL: the context is gone */

    if (!out->spare || !all || all->spare_count == SPARES_MAX) {
        free(out);
        return;
    }
    list_prepend(&all->spares, &out->link); /* the last that was used is still in the processor's cache */
    all->spare_count++;
}

void bare_spares_free(struct associations *all)
{
    while (!list_empty(&all->spares)) {
        struct out *out = list_first(&all->spares, struct out, link);

        list_remove(&out->link);
        free(out);
    }
    all->spare_count = 0;
}

static void out_free(struct bare *bare, struct out *out)
{
    while (!list_empty(&out->pieces)) {
        struct piece *piece = list_first(&out->pieces, struct piece, link);

        list_remove(&piece->link);
        free(piece);
    }
    free(out->edges);
    free(out->reason);
    memory_give(bare, out);
}

static struct out *out_new(struct bare *bare, const struct session_send *send)
{
    bool copy = !send->parts && !send->source && !send->borrow;
    struct out *out = memory_take(bare, copy ? (size_t)send->size : 0);

    if (!out)
        return NULL;
    out->id = bare->next_id;
    out->size = send->size;
    out->data = copy ? out->copy : send->data;
    out->cookie = send->cookie;
    if (send->lifetime || send->send_time || bare->undecided) /* else nobody asks */
        out->stamp = association_now(bare->association);
    out->lifetime = send->lifetime;
    out->send_time = send->send_time;
    out->niceness = send->niceness;
    out->class = (uint8_t)(send->niceness + 100);
    out->parts = send->parts;
    out->source = send->source;
    out->borrowed = send->borrow;
    out->ordered = send->ordered;
    out->replayable = send->replayable;
    out->want_sent = send->want_sent;
    out->final = send->final;
    out->complete = send->parts && send->size == 0;
    out->weight = weight_of(bare, out);
    heap_node_init(&out->expiry);
    heap_node_init(&out->start);
    list_init(&out->link);
    list_init(&out->pieces);
    list_init(&out->dependents);
    if (copy && send->size)
        memcpy(out->copy, send->data, (size_t)send->size);
    return out;
}

static int out_queue(struct bare *bare, struct out *out, const struct session_send *send)
{
    int64_t due = out->lifetime > NEVER - out->stamp ? NEVER : out->stamp + out->lifetime;
    int r = out->lifetime ? heap_set(&bare->expiries, &out->expiry, due) : 0;

    if (r == 0 && send->send_time > out->stamp)
        r = heap_set(&bare->starts, &out->start, send->send_time);
    if (r < 0) {
        heap_remove(&bare->expiries, &out->expiry);
        return r;
    }
    /* They come one after the other: no hash spreads them better than they do. */
    HASH_ADD_BYHASHVALUE(hh, bare->by_id, id, sizeof out->id, (unsigned)out->id, out);
    if (out->failed)
        r = -ENOMEM;
    else if ((r = order_add(bare, out, send)) < 0)
        HASH_DEL(bare->by_id, out);
    if (r < 0) {
        heap_remove(&bare->expiries, &out->expiry);
        heap_remove(&bare->starts, &out->start);
    }
    return r;
}

int bare_send(struct bare *bare, const struct session_send *send, uint64_t *ret_id)
{
    struct out *out;
    int r = check_options(bare, send); /* what could never be sent is said first */

    if (r == 0)
        r = check_queue(bare);
    if (r < 0)
        return r;
    out = out_new(bare, send);
    if (!out)
        return -ENOMEM;
    r = out_queue(bare, out, send);
    if (r < 0) {
        out_free(bare, out);
        return r;
    }
    bare->next_id++;
    bare->queued_bytes += out->weight;
    bare->queued_messages++;
    bare->statistics.messages_sent++;
    if (out->ordered)
        bare->last_ordered = out->id;
    if (out->final) {
        bare->final = out;
        bare->no_more = true;
    }
    association_wake(bare->association);
    if (ret_id)
        *ret_id = out->id;
    return 0;
}

/* A framer that needs all of a message first bounds it by the queue; else what waits to leave is bounded. */
static int part_room(struct bare *bare, struct out *out, size_t size)
{
    uint64_t left = out == bare->current ? out->got - bare->at : out->got;

    if (out->gather) {
        if (out->got + size <= bare->send_queue)
            return 0;
        out_end(bare, out, SESSION_FAILED, -HAWSER_ELARGE, "the framer needs the whole message, which is too large");
        return -HAWSER_ELARGE;
    }
    if (size == 0 || left < BARE_PARTS_MAX)
        return 0;
    out->want_room = true;
    return -EAGAIN;
}

int bare_send_part(struct bare *bare, uint64_t id, const void *data, size_t size, bool last)
{
    struct out *out = out_find(bare, id);
    uint64_t end;
    int r;

    if (!out || out->state >= OUT_PASSED || out->cancelled)
        return -ENOENT;
    if (!out->parts)
        return -EINVAL;
    if (out->complete)
        return size == 0 && last ? 0 : -EINVAL;
    end = out->got + size;
    if (out->size != SESSION_SIZE_UNKNOWN && (end > out->size || (last && end != out->size)))
        return -EINVAL;
    r = part_room(bare, out, size);
    if (r == 0)
        r = pieces_put(out, data, size);
    if (r < 0)
        return r;
    out->weight += size;
    bare->queued_bytes += size;
    if (last || end == out->size) {
        out->complete = true;
        out->size = end;
    }
    if (out == bare->current)
        bare->stalled = false;
    else if (out->state == OUT_WAITING)
        order_ready(bare, out);
    association_wake(bare->association);
    return 0;
}

void bare_source_ready(struct bare *bare, uint64_t id)
{
    if (bare->current && bare->current->id == id)
        bare->stalled = false;
}

/* What began to leave cannot be taken back: the peer would take what follows for the rest of it. */
int bare_cancel(struct bare *bare, uint64_t id)
{
    struct out *out = out_find(bare, id);

    if (!out || out->state == OUT_ENDED || out->cancelled)
        return -ENOENT;
    if (bare->undecided) {
        out->cancelled = true; /* its id is still to be used up, by whoever has the line */
        return 0;
    }
    if (out == bare->current && (bare->begun || bare->at > 0))
        return out->parts && !out->complete
                   ? refuse(bare, -EBUSY, "it cannot be taken back, since the peer has its beginning")
                   : 0;
    if (out->state == OUT_PASSED)
        return 0;
    out_end(bare, out, SESSION_FAILED, -ECANCELED, hawser_strerror(-ECANCELED));
    return 0;
}

int bare_renice(struct bare *bare, uint64_t id, int niceness)
{
    struct out *out = out_find(bare, id);

    if (niceness < -100 || niceness > 155)
        return -EINVAL;
    if (!out || out->state == OUT_ENDED || out->cancelled)
        return -ENOENT;
    out->niceness = niceness;
    order_renice(bare, out, (uint8_t)(niceness + 100));
    return 0;
}

bool bare_unsettled(const struct bare *bare, uint64_t id)
{
    struct out *out = out_find((struct bare *)(uintptr_t)bare, id);

    return out && out->state != OUT_ENDED && !out->cancelled;
}

/* ------------------------------------------------------------------------------------------------------------ endings */

/* It left what it was in; its outcome waits to be told in dispatch. */
void out_end(struct bare *bare, struct out *out, enum session_outcome kind, int code, const char *reason)
{
    if (out->state == OUT_ENDED)
        return;
    if (out == bare->current) {
        out->maybe_delivered = bare->begun || bare->at > 0;
        bare->current = NULL;
        bare->begun = bare->written = bare->stalled = false;
        free(bare->gathered);
        bare->gathered = NULL;
    } else if (out->state == OUT_PASSED) {
        out->maybe_delivered = true;
    }
    order_leave(bare, out);
    order_passed(bare, out);
    bare->queued_bytes -= out->weight;
    bare->queued_messages--;
    out->state = OUT_ENDED;
    out->kind = kind;
    out->code = code;
    out->maybe_delivered = out->maybe_delivered && kind == SESSION_FAILED;
    out->reason = reason ? strdup(reason) : NULL;
    list_append(&bare->ended, &out->link);
    if (out->final) { /* the program has no more, whatever became of its last message */
        bare->final = NULL;
        bare->end_wanted = true;
    }
    association_wake(bare->association);
}

void out_passed(struct bare *bare, struct out *out)
{
    order_leave(bare, out);
    out->state = OUT_PASSED;
    list_append(&bare->passed, &out->link);
    if (out == bare->current)
        bare->current = NULL;
    bare->at = 0;
    bare->begun = bare->written = bare->stalled = false;
    bare->statistics.bytes_sent += out->size;
    if (out->final) {
        bare->final = NULL;
        bare->end_wanted = true;
    }
    order_passed(bare, out);
}

/* A layer may hold an encrypted rest back: sending nothing asks whether all of it is with the system. */
static bool layers_are_empty(const struct bare *bare)
{
    struct layer *top = bare->strand ? bare->strand->top : NULL;

    return top && (!bare->secure || bare->datagrams || top->type->send(top, "", 0) == 0);
}

void out_settle_passed(struct bare *bare)
{
    if (list_empty(&bare->passed) || !layers_are_empty(bare))
        return;
    while (!list_empty(&bare->passed))
        out_end(bare, list_first(&bare->passed, struct out, link), SESSION_ACKED, 0, NULL);
}

void out_fail_all(struct bare *bare, int code, const char *reason)
{
    for (struct out *out = bare->by_id, *next; out; out = next) {
        next = out->hh.next;
        out_end(bare, out, SESSION_FAILED, code, reason);
    }
}

/* ------------------------------------------------------------------------------------------------------------ telling */

static bool same_end(const struct out *one, const struct out *other)
{
    return one->kind == other->kind && one->code == other->code && one->maybe_delivered == other->maybe_delivered &&
           strcmp(one->reason ? one->reason : "", other->reason ? other->reason : "") == 0;
}

/* Takes the first of those that ended, and all that follow it without a gap and ended alike. */
static uint64_t take_run(struct bare *bare, struct list *run)
{
    struct out *first = list_first(&bare->ended, struct out, link);
    uint64_t count = 0;

    while (!list_empty(&bare->ended)) {
        struct out *out = list_first(&bare->ended, struct out, link);

        if (out->id != first->id + count || !same_end(first, out))
            break;
        HASH_DEL(bare->by_id, out);
        list_remove(&out->link);
        list_append(run, &out->link);
        count++;
    }
    return count;
}

static void tell_run(struct bare *bare, struct list *run, uint64_t count)
{
    const struct session_handler *handler = &association_handler;
    hawser_association *association = bare->association;
    const struct out *first = list_first(run, struct out, link);

    for (const struct list *at = run->next; at != run; at = at->next) {
        const struct out *out = container_of(at, struct out, link);

        if (out->want_sent && out->kind == SESSION_ACKED)
            handler->sent(association, out->id, association_now(association));
        if (out->cookie)
            handler->settled(association, out->id, out->cookie);
    }
    if (first->kind == SESSION_ACKED)
        bare->statistics.acked += count;
    else if (first->kind == SESSION_EXPIRED)
        bare->statistics.expired += count;
    else
        bare->statistics.failed += count;
    handler->outcome(association, first->id, count, first->kind, first->code, first->reason, first->maybe_delivered);
    while (!list_empty(run)) {
        struct out *out = list_first(run, struct out, link);

        list_remove(&out->link);
        out_free(bare, out);
    }
}

static bool has_room(const struct bare *bare)
{
    return bare->queued_bytes <= bare->send_queue / 2 && bare->queued_messages <= bare->send_queue_messages / 2;
}

void out_tell(struct bare *bare)
{
    if (bare->telling)
        return;
    bare->telling = true;
    while (!list_empty(&bare->ended)) {
        struct list run;
        uint64_t count;

        list_init(&run);
        count = take_run(bare, &run);
        tell_run(bare, &run, count);
    }
    bare->telling = false;
    if (bare->want_write && !bare->undecided && has_room(bare) && !bare->association->ended) {
        bare->want_write = false;
        association_handler.writable(bare->association);
    }
}

void out_forget(struct bare *bare, struct out *out)
{
    order_leave(bare, out);
    while (!list_empty(&out->dependents))
        list_remove(out->dependents.next);
    if (out->cookie)
        association_handler.settled(bare->association, out->id, out->cookie);
    out_free(bare, out);
}

void out_free_all(struct bare *bare)
{
    struct out *out, *next;

    HASH_ITER(hh, bare->by_id, out, next)
    {
        HASH_DEL(bare->by_id, out);
        out_forget(bare, out);
    }
}
