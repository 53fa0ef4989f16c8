/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bare associations over datagrams: a message is a datagram, both ways, and nothing is added to it. What is lost is lost,
 * and what comes in another order is told in that order: a message's outcome says that the system has it. (S3.40)
 */
#include <stdio.h>

#include "association/bare_line.h"
#include "association/properties.h"
#include "layer/udp.h"

#define COST 128u               /* of a message beside its bytes, as over hawser/1 */
#define LARGEST 65536u          /* no datagram is larger */
#define WRITE_BUDGET (1u << 20) /* bytes a turn */

static struct layer *top_of(const struct bare *bare)
{
    return bare->strand && !bare->strand->dead ? bare->strand->top : NULL;
}

bool bare_datagrams(const struct bare *bare)
{
    return bare->datagrams;
}

size_t bare_datagram_max(const struct bare *bare)
{
    struct layer *top = top_of(bare);

    return bare->datagrams && top ? top->type->datagram_max(top) : 0;
}

/* ----------------------------------------------------------------------------------------------------------- sending */

/* How large the next one may be is known before it is sent; the way may become narrower until it leaves. */
int datagram_check(const struct bare *bare, uint64_t size)
{
    if (!bare->datagrams || size == SESSION_SIZE_UNKNOWN)
        return 0;
    return top_of(bare) && size > bare_datagram_max(bare) ? -HAWSER_ELARGE : 0;
}

/* SCTP's messages are larger than any datagram. */
static size_t largest(const struct bare *bare)
{
    size_t max = bare_datagram_max(bare);

    return max > LARGEST ? max : LARGEST;
}

/* All of it in one place; NULL: not there yet, or it has ended. */
static const uint8_t *whole(struct bare *bare, struct out *out)
{
    if (!out->parts && !out->source)
        return out->data;
    if ((!out->parts || out->complete) && out->size > largest(bare)) {
        out_end(bare, out, SESSION_FAILED, -HAWSER_ELARGE, "the message is larger than a datagram can be");
        return NULL;
    }
    if (out->parts && !out->complete) { /* parts are collected */
        out->gather = true;
        bare->current = NULL;
        order_wait(bare, out);
        return NULL;
    }
    return pull_gather(bare, out) ? bare->gathered : NULL;
}

/* false: nothing more leaves now. */
static bool send_current(struct bare *bare, struct layer *top, size_t *sent)
{
    struct out *out = bare->current;
    const uint8_t *data = whole(bare, out);
    char reason[REASON_SIZE];
    ssize_t n;

    if (!data)
        return !bare->stalled;
    n = top->type->send(top, data, (size_t)out->size);
    if (n == -EAGAIN) {
        bare->strand->blocked = true;
        return false;
    }
    if (n == -EMSGSIZE) {
        snprintf(reason, sizeof reason, "the message has %llu bytes, and a datagram here at most %zu",
                 (unsigned long long)out->size, top->type->datagram_max(top));
        out_end(bare, out, SESSION_FAILED, -HAWSER_ELARGE, reason);
        return true;
    }
    if (n < 0) {
        const struct layer_error *error = layer_error(top);

        strand_lost(bare->strand, (int)n, error->code ? error->reason : hawser_strerror((int)n));
        return false;
    }
    *sent += (size_t)out->size + COST;
    departure_note(bare, top, out);
    free(bare->gathered);
    bare->gathered = NULL;
    out_passed(bare, out);
    return true;
}

static void flush(struct bare *bare, struct layer *top)
{
    int r = top->type->flush ? top->type->flush(top) : 0;

    if (r == -EAGAIN)
        bare->strand->blocked = true;
    else if (r < 0)
        strand_lost(bare->strand, r, layer_error(top)->code ? layer_error(top)->reason : hawser_strerror(r));
    else
        out_settle_passed(bare);
}

void bare_write_datagrams(struct bare *bare)
{
    struct layer *top = top_of(bare);
    size_t sent = 0;

    if (!top || bare->strand->blocked)
        return;
    bare_tick(bare, association_now(bare->association)); /* what is too late now does not leave */
    while (sent < WRITE_BUDGET && !bare->strand->dead && (bare->current || pull_choose(bare)))
        if (!send_current(bare, top, &sent))
            break;
    if (!bare->strand->dead && !list_empty(&bare->passed))
        flush(bare, top);
    if (sent >= WRITE_BUDGET)
        loop_defer_next(bare->association->context, &bare->association->deferred);
}

bool bare_wants_write(const struct bare *bare)
{
    return !list_empty(&bare->passed) ||
           (bare->current ? !bare->stalled : order_next((struct bare *)(uintptr_t)bare) != NULL);
}

/* ---------------------------------------------------------------------------------------------------------- receiving */

static bool may_read(const struct bare *bare)
{
    return !bare->paused && !bare->peer_ended && bare->held < bare->receive_memory && top_of(bare) &&
           !bare->association->ended;
}

static int64_t received_at(const struct layer *top)
{
    return top->type == &udp_layer ? udp_received_at(top) : 0;
}

static void deliver(struct bare *bare, const uint8_t *data, size_t size, int64_t stamp)
{
    struct session_message message = {
        .id = ++bare->in_id,
        .data = data,
        .size = size,
        .cost = size + COST,
        .age = -1,
        .received_at = stamp,
    };

    bare->statistics.bytes_received += size;
    if (bare->max_message && size > bare->max_message) {
        loop_log(bare->association->context, HAWSER_LOG_WARNING,
                 "%s: a datagram was dropped: larger than this end takes",
                 hawser_association_endpoint(bare->association));
        return;
    }
    bare->statistics.messages_received++;
    bare->held += message.cost; /* an array gives it back when it was told */
    association_handler.message(bare->association, &message);
    if (!message.keep)
        bare->held -= message.cost;
}

static ssize_t end_of(struct bare *bare, ssize_t n)
{
    const struct layer_error *error;

    if (n == -EAGAIN)
        return n;
    if (n == -ENODATA) {
        bare->peer_ended = true;
        association_wake(bare->association);
        return -EAGAIN;
    }
    error = layer_error(bare->strand->top);
    strand_lost(bare->strand, (int)n, error->code ? error->reason : hawser_strerror((int)n));
    return n;
}

/* For messages that the loop's scratch does not hold: as long as the line stands. */
static bool make_roomy(struct bare *bare, uint8_t **space, size_t *size)
{
    if (largest(bare) <= LARGEST)
        return true;
    if (!bare->roomy && !(bare->roomy = malloc(largest(bare))))
        return false;
    *space = bare->roomy;
    *size = largest(bare);
    return true;
}

/* Where it lies already, if it can: it does until this round of reading is over, and an array ends with that, too. */
static ssize_t receive_one(struct bare *bare, struct layer *top, uint8_t *space, size_t size, const uint8_t **ret_data)
{
    ssize_t n = top->type == &udp_layer ? udp_receive_in_place(top, ret_data) : -EAGAIN;

    if (n < 0) {
        *ret_data = space;
        n = top->type->receive(top, space, size);
    }
    if (n >= 0)
        batch_open(bare->association->all, *ret_data, (size_t)n);
    return n;
}

/* As many as there are, up to what the space holds: who takes arrays gets them in one. */
ssize_t bare_read_datagrams(struct bare *bare, uint8_t *space, size_t size)
{
    struct layer *top = top_of(bare);
    size_t at = 0, count = 0, most = largest(bare);
    ssize_t n = -EAGAIN;

    if (!make_roomy(bare, &space, &size)) {
        strand_lost(bare->strand, -ENOMEM, hawser_strerror(-ENOMEM));
        return -ENOMEM;
    }
    while (size - at >= most && may_read(bare)) {
        const uint8_t *data;

        n = receive_one(bare, top, space + at, size - at, &data);
        if (n < 0)
            break;
        count++;
        deliver(bare, data, (size_t)n, received_at(top));
        at += (size_t)n;
    }
    bare->heard_at = count ? association_now(bare->association) : bare->heard_at;
    batch_flush(bare->association->all);
    if (n < 0 && n != -EAGAIN && bare->strand && !bare->strand->dead)
        n = end_of(bare, n);
    return count ? (ssize_t)(at + count) : n < 0 ? n : -EAGAIN;
}

/* What was held back may be read again, and the peer's end be told. */
void datagram_go_on(struct bare *bare)
{
    hawser_association *association = bare->association;

    if (may_read(bare))
        bare->strand->readable = true;
    if (!bare->peer_ended || bare->end_told || bare->paused || association->ended)
        return;
    bare->end_told = true;
    event_raise(association, &(hawser_event){.type = HAWSER_ENDED});
    association_wake(association);
}

/* ------------------------------------------------------------------------------------------------------------ silence */

/* Nobody says goodbye in datagrams. How long a peer may be silent is said by the line's times, where a listener or
 * connTimeout gives them. */
int64_t datagram_due(const struct bare *bare)
{
    return bare->datagrams && bare->silence ? loop_after(bare->heard_at, bare->silence) : NEVER;
}

/* Who sends to a group hears nothing there, and who hears it answers nobody (RFC 9622 section 6.1.1). */
static void note_group(struct bare *bare)
{
    struct layer *bottom = bare->strand->top;

    while (bottom->below)
        bottom = bottom->below;
    if (bottom->type != &udp_layer)
        return;
    bare->sends_only = udp_is_group(udp_remote(bottom));
    bare->hears_only = udp_hears_group(bottom);
}

bool bare_sends(const struct bare *bare)
{
    return !bare->hears_only;
}

bool bare_receives(const struct bare *bare)
{
    return !bare->sends_only;
}

static const char *misfit(const struct bare *bare)
{
    if (bare->stream_was)
        return "a line of datagrams has no stream";
    return framing_is_plain(bare->framing) && framing_way(bare->framing) == FRAMING_AS_IS
               ? NULL
               : "a datagram is a message already: it takes no framer";
}

void datagram_begin(struct bare *bare)
{
    const hawser_association *association = bare->association;

    bare->datagrams = bare->framing && bare->strand->top->type->flags & LAYER_DATAGRAMS;
    if (!bare->datagrams)
        return;
    if (misfit(bare)) {
        bare_fail(bare, -EOPNOTSUPP, misfit(bare));
        return;
    }
    bare->plain = false;
    note_group(bare);
    departure_begin(bare, bare->strand->top);
    bare->heard_at = association_now(association);
    if (association->child ||
        (association->properties && property_given(properties_values(association->properties), "connTimeout")))
        bare->silence = association->line_dead;
    if (bare->silence)
        association_arm(bare->association, datagram_due(bare));
}

void datagram_tick(struct bare *bare, int64_t now)
{
    char reason[REASON_SIZE];

    if (datagram_due(bare) > now)
        return;
    (void)snprintf(reason, sizeof reason, "the peer was silent for %lld s", (long long)(bare->silence / 1000000));
    bare_fail(bare, -ETIMEDOUT, reason);
}
