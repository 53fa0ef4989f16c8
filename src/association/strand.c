/* SPDX-License-Identifier: Apache-2.0 */
/* A strand's input and output: the session on one side, a stack of layers on the other. */
#include "association/bare.h"
#include "association/join.h"
#include "association/strand_mptcp.h"
#include "association/trace.h"
#include "association/weave.h"

#include <stdio.h>

#include "race/history.h"

#define RATE_WORTH_NOTING (1u << 20) /* bytes sent */
#define READ_BUDGET (1u << 20)       /* bytes a turn, so that one association does not keep the others waiting */
#define WRITE_BUDGET (4u << 20)
#define RATE_INTERVAL 100000
#define EARLY_MIN 4096 /* what session_pull() needs */

static void strand_ready(struct layer *layer, unsigned ready)
{
    struct strand *strand = layer->user;
    hawser_association *association = strand->association;

    association_hold(association);
    association->in_ready++;
    if (ready & LAYER_WRITABLE)
        strand->blocked = false;
    if (ready & LAYER_READABLE)
        strand->readable = true;
    if (strand->secured && !strand->ahead)
        strand_read(strand);
    else if (association->established)
        join_progress(strand);
    else if (association->child)
        listener_progress(association, strand);
    association->in_ready--;
    association_wake(association);
    association_let_go(association);
}

int strand_new(hawser_association *association, struct strand **ret_strand)
{
    struct strand *strand = calloc(1, sizeof *strand);

    if (!strand)
        return -ENOMEM;
    strand->association = association;
    strand->id = ++association->strands_made;
    list_append(&association->strands, &strand->link);
    *ret_strand = strand;
    return 0;
}

void strand_set_top(struct strand *strand, struct layer *top)
{
    strand->early = strand->early && strand->top == top;
    strand->top = top;
    strand->lent = false;
    strand->blocked = strand->readable = false;
    top->ready = strand_ready;
    top->user = strand;
}

void strand_leave_top(struct strand *strand)
{
    strand->top = NULL;
    strand->blocked = strand->readable = strand->early = strand->lent = false;
}

static bool strand_carries(const struct strand *strand)
{
    return strand->session || (strand->association->bare && strand->secured);
}

static void strand_bulk_done(const struct strand *strand)
{
    if (strand->session)
        session_bulk_done(strand->session);
    else
        bare_bulk_done(strand->association->bare);
}

static bool strand_wants_pull(const struct strand *strand)
{
    return strand->session ? session_wants_pull(strand->session) : bare_wants_pull(strand->association->bare);
}

static void strand_drop_output(struct strand *strand)
{
    free(strand->rest);
    strand->rest = NULL;
    strand->rest_at = strand->rest_size = 0;
    if (strand->bulk_size)
        strand_bulk_done(strand);
    strand->bulk = NULL;
    strand->bulk_size = 0;
}

/* How fast it was is worth knowing the next time, once there was enough to be fast with. */
static void note_rate(const struct strand *strand)
{
    struct history *history;
    struct layer_link link;

    if (!strand->key || !strand->top || strand->lent || history_of(strand->association->context, &history) < 0)
        return;
    layer_link(strand->top, &link);
    if (link.bytes_sent >= RATE_WORTH_NOTING && link.delivery_rate)
        history_note_rate(history, strand->key, link.delivery_rate * 8);
}

void strand_free(struct strand *strand)
{
    trace_strand_gone(strand);
    list_remove(&strand->link);
    note_rate(strand);
    joining_free(strand);
    free(strand->outside);
    strand_subflows_free(strand);
    free(strand->key);
    free(strand->way);
    if (!strand->lent)
        layer_destroy(strand->top);
    free(strand->rest);
    free(strand);
}

/* Only notes it: callers may be deep inside the session or the layers. The next work takes it apart. */
void strand_lost(struct strand *strand, int code, const char *reason)
{
    if (strand->dead)
        return;
    strand->dead = true;
    strand->code = code;
    strand->reason = reason;
    association_wake(strand->association);
}

static void strand_failed(struct strand *strand, int code)
{
    const struct layer_error *error = layer_error(strand->top);

    strand_lost(strand, code, error->code ? error->reason : hawser_strerror(code));
}

int strand_join(struct strand *strand, bool early)
{
    hawser_association *association = strand->association;

    if (strand->session)
        return 0;
    if (strand->top->type->units)
        return units_join(strand, early);
    return session_strand_add(association->session, strand, early, strand->number, association_now(association),
                              &strand->session);
}

void strand_secured(struct strand *strand, bool early_accepted)
{
    hawser_association *association = strand->association;

    strand->secured = true;
    if (strand->session) {
        if (!early_accepted) {
            strand_drop_output(strand);
            if (units_become(strand) < 0) {
                strand_lost(strand, -ENOMEM, hawser_strerror(-ENOMEM));
                return;
            }
        }
        session_strand_secured(strand->session, early_accepted, association_now(association));
    } else if (strand_join(strand, false) < 0) {
        strand_lost(strand, -ENOMEM, hawser_strerror(-ENOMEM));
    }
    strand_subflows_watch(strand);
    /* What came with the end of the handshake raises no further readiness. */
    strand->readable = true;
    association_wake(association);
}

/* ------------------------------------------------------------------------------------------------------------ reading */

static void strand_eof(struct strand *strand)
{
    strand_lost(strand, -HAWSER_ELOST, "the peer closed the connection without ending the line");
}

/* Ended already: what still comes is read away, so that the system does not answer it with a reset. */
static ssize_t strand_discard(struct strand *strand, uint8_t *scratch, size_t size)
{
    const struct layer_type *type = strand->top->type;
    uint64_t id;
    bool unidirectional;
    ssize_t n = -EAGAIN;

    if (type->receive)
        n = type->receive(strand->top, scratch, size);
    else if (type->streams) /* they wait in the layer, within its bounds */
        n = type->streams->accept(strand->top, &id, &unidirectional);
    if ((n == 0 && type->receive) || (n < 0 && n != -EAGAIN))
        strand_lost(strand, -HAWSER_ECLOSED, "the line has ended");
    return n;
}

static ssize_t strand_receive(struct strand *strand, uint8_t *scratch, size_t scratch_size)
{
    hawser_association *association = strand->association;
    uint8_t *buffer;
    size_t size;
    ssize_t n;

    session_space(strand->session, scratch, scratch_size, &buffer, &size);
    n = strand->top->type->receive(strand->top, buffer, size);
    if (n > 0) {
        batch_open(association->all, scratch, scratch_size); /* what lies elsewhere does not stay */
        (void)session_received(strand->session, buffer, (size_t)n, !strand->secured, loop_now(association->context));
        batch_flush(association->all);
    } else if (n == 0) {
        strand_eof(strand);
    } else if (n != -EAGAIN) {
        strand_failed(strand, (int)n);
    }
    return n;
}

/* In dispatch only: it runs handlers. */
void strand_read(struct strand *strand)
{
    hawser_association *association = strand->association;
    size_t budget = READ_BUDGET, scratch_size;
    uint8_t *scratch = loop_scratch(association->context, &scratch_size);
    ssize_t n = 0;

    home_here(association->all->home);
    association_hold(association);
    association->reading = strand->id;
    /* The first part of the scratch is for writing: a handler may flush while its message lies in the rest. */
    while (strand->readable && !strand->dead && association->open && budget > 0) {
        if (strand_carries_units(strand))
            n = units_receive(strand);
        else if (association->ended || !strand_carries(strand))
            n = strand_discard(strand, scratch + PULL_SIZE, scratch_size - PULL_SIZE);
        else if (!strand->session)
            n = bare_read(association->bare, scratch + PULL_SIZE, scratch_size - PULL_SIZE);
        else
            n = strand_receive(strand, scratch + PULL_SIZE, scratch_size - PULL_SIZE);
        if (n == -EAGAIN)
            strand->readable = false;
        else if (n > 0)
            budget -= (size_t)n < budget ? (size_t)n : budget;
    }
    association->reading = 0;
    if (strand->readable && !strand->dead && association->open)
        loop_defer_next(association->context, &association->deferred);
    association_let_go(association);
}

/* ------------------------------------------------------------------------------------------------------------ writing */

/* Hands bytes to the layers: how many they took. Fewer than size: blocked or dead. */
static size_t strand_push(struct strand *strand, const uint8_t *data, size_t size)
{
    size_t taken = 0;

    while (taken < size && !strand->blocked && !strand->dead) {
        size_t slice = size - taken < PULL_SIZE ? size - taken : PULL_SIZE;
        ssize_t n = strand->top->type->send(strand->top, data + taken, slice);

        if (n == -EAGAIN)
            strand->blocked = true;
        else if (n < 0)
            strand_failed(strand, (int)n);
        else
            taken += (size_t)n;
    }
    return taken;
}

/* An idle strand holds no buffer: only what the layers did not take is kept. */
static void strand_keep_rest(struct strand *strand, const uint8_t *data, size_t size)
{
    if (size == 0 || strand->dead)
        return;
    strand->rest = malloc(size);
    if (!strand->rest) {
        strand_lost(strand, -ENOMEM, hawser_strerror(-ENOMEM));
        return;
    }
    memcpy(strand->rest, data, size);
    strand->rest_at = 0;
    strand->rest_size = (uint32_t)size;
}

/* Sends what was pulled before; false: the layers take no more. */
static bool strand_push_pulled(struct strand *strand)
{
    size_t taken;

    if (strand->rest) {
        strand->rest_at +=
            (uint32_t)strand_push(strand, strand->rest + strand->rest_at, strand->rest_size - strand->rest_at);
        if (strand->rest_at < strand->rest_size)
            return false;
        free(strand->rest);
        strand->rest = NULL;
    }
    if (strand->bulk_size) {
        taken = strand_push(strand, strand->bulk, strand->bulk_size);
        strand->bulk += taken;
        strand->bulk_size -= taken;
        if (strand->bulk_size)
            return false;
        strand->bulk = NULL;
        strand_bulk_done(strand);
    }
    return !strand->dead;
}

/* Pulls at most capacity bytes into the layers, and notes the bulk that follows them. 0: nothing was there. */
static size_t strand_pull(struct strand *strand, size_t capacity)
{
    hawser_association *association = strand->association;
    size_t size = 0, scratch_size, taken;
    uint8_t *scratch = loop_scratch(association->context, &scratch_size);
    int r;

    if (strand->session)
        r = session_pull(strand->session, scratch, capacity, association_now(association), &size, &strand->bulk,
                         &strand->bulk_size);
    else
        r = bare_pull(association->bare, scratch, capacity, &size, &strand->bulk, &strand->bulk_size);
    if (r < 0) {
        strand_lost(strand, r, hawser_strerror(r));
        return 0;
    }
    taken = strand_push(strand, scratch, size);
    strand_keep_rest(strand, scratch + taken, size - taken);
    return size + strand->bulk_size;
}

static void strand_tell_rate(struct strand *strand, int64_t now)
{
    strand->rate_at = now;
    if (strand->session)
        weave_measure_strand(strand);
}

void strand_write(struct strand *strand)
{
    hawser_association *association = strand->association;
    size_t budget = WRITE_BUDGET, pulled;

    if (!strand_carries(strand) || !strand->secured)
        return;
    if (strand_carries_units(strand)) {
        if (!units_write(strand, budget))
            loop_defer_next(association->context, &association->deferred);
        return;
    }
    if (!strand->session && bare_datagrams(association->bare)) {
        bare_write_datagrams(association->bare);
        return;
    }
    while (!strand->dead && !strand->blocked && strand_push_pulled(strand)) {
        if (budget == 0) {
            loop_defer_next(association->context, &association->deferred);
            break;
        }
        if (!strand_wants_pull(strand))
            break;
        pulled = strand_pull(strand, PULL_SIZE);
        if (pulled == 0)
            break;
        if (strand->bulk_size && association_now(association) - strand->rate_at > RATE_INTERVAL)
            strand_tell_rate(strand, association_now(association));
        budget -= pulled < budget ? pulled : budget;
    }
}

/* The same over layers of units: they have room before their handshake where a ticket allows it. */
static void write_early_units(struct strand *strand)
{
    size_t capacity;

    if (strand->session || !session_early_waiting(strand->association->session) ||
        !strand->top->type->units->begin(strand->top, false, &capacity) || strand_join(strand, true) < 0)
        return;
    strand->early = true;
    (void)units_write(strand, WRITE_BUDGET);
    strand->blocked = false;
}

/* The first flight: HELLO and what may be replayed, as far as the layers take it before their handshake. */
void strand_write_early(struct strand *strand)
{
    if (strand->top->type->units) {
        write_early_units(strand);
        return;
    }
    size_t (*early_room)(struct layer * layer) = strand->top->type->early_room;
    size_t room = early_room ? early_room(strand->top) : 0;

    /* What an earlier attempt sent early is sent again after this one's handshake. A HELLO alone gains nothing early. */
    if (room < EARLY_MIN || strand->session || !session_early_waiting(strand->association->session) ||
        strand_join(strand, true) < 0)
        return;
    strand->early = true;
    while (room >= EARLY_MIN && !strand->rest) {
        if (strand_pull(strand, room < PULL_SIZE ? room : PULL_SIZE) == 0 || strand->dead)
            break;
        if (strand->bulk_size > early_room(strand->top) || !strand_push_pulled(strand))
            break;
        room = early_room(strand->top);
    }
    strand->blocked = false;
}

/* The session ends in the middle of a frame: what is left of it is copied, so that an ABORT can follow it. */
void strand_bulk_ends(struct strand *strand)
{
    uint8_t *joined;
    size_t rest = strand->rest ? strand->rest_size - strand->rest_at : 0;

    if (strand->bulk_size == 0 || strand->dead)
        return;
    joined = malloc(rest + strand->bulk_size);
    if (!joined) {
        strand_lost(strand, -ENOMEM, hawser_strerror(-ENOMEM));
    } else {
        if (rest)
            memcpy(joined, strand->rest + strand->rest_at, rest);
        memcpy(joined + rest, strand->bulk, strand->bulk_size);
        free(strand->rest);
        strand->rest = joined;
        strand->rest_at = 0;
        strand->rest_size = (uint32_t)(rest + strand->bulk_size);
    }
    strand->bulk = NULL;
    strand->bulk_size = 0;
}

/* The session has nothing more to send here, and the layers took it all. */
bool strand_drained(const struct strand *strand)
{
    if (strand->dead || !strand_carries(strand))
        return true;
    return strand->secured && !strand->rest && !strand->bulk_size && !strand_wants_pull(strand);
}

bool strand_sends(const hawser_association *association, const uint8_t *bytes, size_t size)
{
    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        if (strand->bulk_size && strand->bulk >= bytes && strand->bulk < bytes + size)
            return true;
    }
    return false;
}

void strand_end(struct strand *strand)
{
    int r;

    if (strand->shut || strand->dead)
        return;
    /* What is lost of the last words has to be said again. */
    if (strand_carries_units(strand) && (!units_settled(strand) || strand_wants_pull(strand)))
        return;
    r = strand->top->type->shutdown ? strand->top->type->shutdown(strand->top) : 0;
    if (r == -EAGAIN)
        return;
    strand->shut = true;
    if (r < 0)
        strand_failed(strand, r);
}
