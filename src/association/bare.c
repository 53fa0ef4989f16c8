/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a bare association: it waits for a stack, gets one, works, ends. */
#include <sys/socket.h>

#include "association/bare_line.h"

int bare_new(hawser_association *association, const struct bare_setup *setup)
{
    struct bare *bare = calloc(1, sizeof *bare);
    struct hawser_framing *framing;
    int r = -ENOMEM;

    if (!bare)
        return -ENOMEM;
    bare->host = text_copy(setup->host);
    if (bare->host) /* a framer that cannot be used is said at once */
        r = framing_new(setup->framer, setup->framer_user, bare->host, setup->line->receive_memory, &framing);
    if (r < 0) {
        free(bare->host);
        free(bare);
        return r;
    }
    framing_free(framing);
    bare->association = association;
    bare->framer = setup->framer;
    bare->framer_user = setup->framer_user;
    bare->receive_memory = setup->line->receive_memory;
    bare->max_message = setup->line->max_message;
    bare->send_queue = setup->line->send_queue;
    bare->send_queue_messages = setup->line->send_queue_messages;
    bare->undecided = setup->undecided;
    bare->next_id = 1;
    bare->greet_due = NEVER;
    order_init(bare);
    list_init(&bare->pending);
    list_init(&bare->departing);
    list_init(&bare->stream_out);
    heap_init(&bare->expiries, &memory_malloc);
    heap_init(&bare->starts, &memory_malloc);
    association->linger = setup->line->linger;
    association->bare = bare;
    return 0;
}

static int framing_make(const struct bare *bare, struct hawser_framing **ret_framing)
{
    uint64_t limit =
        bare->max_message && bare->max_message < bare->receive_memory ? bare->max_message : bare->receive_memory;

    return framing_new(bare->framer, bare->framer_user, bare->host, limit, ret_framing);
}

void bare_free(struct bare *bare)
{
    bare->association->bare = NULL;
    out_free_all(bare);
    departure_free(bare);
    receive_bare_free(bare);
    bare_stream_free(bare);
    framing_free(bare->framing);
    heap_free(&bare->expiries);
    heap_free(&bare->starts);
    free(bare->gathered);
    free(bare->roomy);
    free(bare->close_reason);
    free(bare->fail_reason);
    free(bare->host);
    free(bare);
}

/* ------------------------------------------------------------------------------------------------------ establishment */

int bare_dress(hawser_association *association, struct layer **top)
{
    struct bare *bare = association->bare;
    struct hawser_framing *framing;
    struct layer *exchange;
    int r;

    if (!bare->framer)
        return 0;
    if ((*top)->type->flags & LAYER_DATAGRAMS && strcmp(bare->framer->name, "none") != 0)
        return layer_fail(*top, -EOPNOTSUPP, "a datagram is a message already: it takes no framer");
    if (!bare->framer->greet)
        return 0;
    r = framing_make(bare, &framing);
    if (r < 0)
        return r;
    r = exchange_open(*top, framing, &exchange);
    if (r < 0)
        framing_free(framing);
    else
        *top = exchange;
    return r;
}

static int take_framing(struct bare *bare, struct strand *strand)
{
    int r = 0;

    bare->framing = exchange_take(&strand->top);
    if (!bare->framing)
        r = framing_make(bare, &bare->framing);
    if (r == 0)
        r = framing_start(bare->framing);
    if (r < 0)
        return r;
    bare->greeting = framing_greets(bare->framing);
    if (bare->greeting) {
        bare->greet_due = association_now(bare->association) + DEFAULT_TIMEOUT;
        association_arm(bare->association, bare->greet_due);
    }
    return receive_begin(bare);
}

/* What was taken back while nobody knew whose line it would be. */
static void end_cancelled(struct bare *bare)
{
    for (struct out *out = bare->by_id, *next; out; out = next) {
        next = out->hh.next;
        if (out->cancelled)
            out_end(bare, out, SESSION_FAILED, -ECANCELED, hawser_strerror(-ECANCELED));
    }
}

void bare_begin(hawser_association *association, struct strand *strand)
{
    struct bare *bare = association->bare;
    int r;

    if (bare->undecided && association->session) {
        session_free(association->session); /* nothing was given to it */
        association->session = NULL;
    }
    bare->undecided = false;
    bare->strand = strand;
    bare->secure = layer_flags(strand->top) & LAYER_SECURE;
    strand->secured = strand->readable = true;
    end_cancelled(bare);
    r = bare_streams_begin(bare) ? 0 : take_framing(bare, strand);
    if (r < 0)
        bare_fail(bare, r, bare->framing ? framing_reason(bare->framing, r) : hawser_strerror(r));
    else
        datagram_begin(bare);
    if (bare->stream_rate && bare_stream_pace(bare, bare->stream_rate) < 0)
        loop_log(association->context, HAWSER_LOG_WARNING, "%s: the stream's rate is not limited here",
                 hawser_association_endpoint(association));
    strand_tune(strand);
    association_wake(association);
}

static int hand_over_parts(struct session *session, struct out *out, int64_t now)
{
    int r = 0;

    for (struct list *at = out->pieces.next; at != &out->pieces && r == 0; at = at->next) {
        struct piece *piece = container_of(at, struct piece, link);
        bool last = out->complete && at->next == &out->pieces;

        r = session_send_part(session, out->id, piece->bytes, piece->size, last, now);
    }
    if (r == 0 && out->complete && list_empty(&out->pieces))
        r = session_send_part(session, out->id, NULL, 0, true, now);
    return r;
}

static int hand_over_one(struct session *session, struct out *out, int64_t now)
{
    uint64_t antecedents[SESSION_ANTECEDENTS_MAX], id;
    struct session_send send = {
        .data = out->data,
        .size = out->complete ? out->got : out->size,
        .borrow = out->borrowed,
        .parts = out->parts,
        .source = out->source,
        .ordered = out->ordered,
        .replayable = out->replayable,
        .want_sent = out->want_sent,
        .niceness = out->niceness,
        .lifetime = out->lifetime,
        .send_time = out->send_time,
        .antecedents = antecedents,
        .cookie = out->cookie,
    };
    int r;

    for (uint32_t i = 0; i < out->edge_count && send.antecedent_count < SESSION_ANTECEDENTS_MAX; i++)
        if (!out->edges[i].implied)
            antecedents[send.antecedent_count++] = out->edges[i].antecedent_id;
    r = session_send(session, &send, out->stamp, &id);
    if (r == 0 && out->parts)
        r = hand_over_parts(session, out, now);
    if (r == 0 && out->cancelled)
        r = session_cancel(session, out->id, now);
    return r;
}

int bare_hand_over(hawser_association *association)
{
    struct bare *bare = association->bare;
    bool closing = bare->closing, want_write = bare->want_write;
    int r;

    while (bare->by_id) {
        struct out *out = bare->by_id;

        r = hand_over_one(association->session, out, association_now(association));
        if (r < 0)
            return r;
        HASH_DEL(bare->by_id, out);
        out->cookie = NULL;
        out_forget(bare, out);
    }
    if (closing)
        session_close(association->session, bare->close_code, bare->close_reason);
    bare_free(bare);
    if (want_write)
        association_handler.writable(association);
    return 0;
}

/* --------------------------------------------------------------------------------------------------------------- work */

static bool strand_is_empty(const struct strand *strand)
{
    return !strand->rest && !strand->bulk_size;
}

static bool all_is_gone(const struct bare *bare)
{
    return bare->queued_messages == 0 && list_empty(&bare->ended) && list_empty(&bare->stream_out) &&
           strand_drained(bare->strand);
}

/* Our direction's end follows what is queued: after the program's last message, or with its stream. */
static void end_ours(struct bare *bare)
{
    bool wanted = bare->end_wanted || (bare->stream_was && bare->stream_shut);

    if (wanted && !bare->strand->shut && !bare->strand->dead && all_is_gone(bare))
        strand_end(bare->strand);
}

/* Without anyone who asks to be told, the peer's end is the line's as soon as what is queued has left. */
static bool peers_end_is_all(const struct bare *bare)
{
    if (!bare->end_told || bare->stream)
        return false;
    return bare->strand->shut || bare->stream_was || !event_wanted(bare->association, HAWSER_ENDED);
}

static void end_line(struct bare *bare)
{
    hawser_association *association = bare->association;

    if (association->ended || bare->strand->dead || !all_is_gone(bare))
        return;
    if (bare->closing)
        close_told(association, 0, bare->close_code, false, bare->close_reason);
    else if (peers_end_is_all(bare))
        close_told(association, 0, 0, true, "the peer has ended");
    if (!association->ended)
        return;
    bare->strand->readable = true; /* the peer's end may have been seen already, and makes no news */
    bare_stream_end(bare, false);
}

void bare_work(struct bare *bare)
{
    hawser_association *association = bare->association;

    if (!bare->strand || association->ended) {
        if (!bare->undecided)
            out_tell(bare);
        return;
    }
    receive_go_on(bare);
    if (strand_is_empty(bare->strand))
        out_settle_passed(bare);
    out_tell(bare);
    departure_tell(bare);
    if (!bare->strand || association->ended)
        return;
    bare_stream_news(bare);
    if (bare->several)
        bare_streams_tell_over(bare);
    if (!bare->strand || association->ended)
        return;
    end_ours(bare);
    end_line(bare);
}

int64_t bare_due(const struct bare *bare)
{
    const struct heap_node *first = heap_first(&bare->expiries), *start = heap_first(&bare->starts);
    int64_t due = bare->greeting ? bare->greet_due : NEVER;

    if (start && start->key < due)
        due = start->key;
    if (datagram_due(bare) < due)
        due = datagram_due(bare);
    if (bare->undecided) /* whoever gets the line looks at the times */
        return NEVER;
    return first && first->key < due ? first->key : due;
}

/* Only what has not begun to leave can expire: the peer would wait for the rest. */
void bare_tick(struct bare *bare, int64_t now)
{
    struct heap_node *first;

    if (bare->undecided)
        return;
    while ((first = heap_first(&bare->starts)) && first->key <= now) {
        struct out *out = container_of(first, struct out, start);

        heap_remove(&bare->starts, first);
        order_ready(bare, out);
    }
    while ((first = heap_first(&bare->expiries)) && first->key <= now) {
        struct out *out = container_of(first, struct out, expiry);

        if (out == bare->current && bare->begun)
            heap_remove(&bare->expiries, first);
        else
            out_end(bare, out, SESSION_EXPIRED, -HAWSER_EEXPIRED, "the lifetime ran out before it was sent");
    }
    if (bare->datagrams)
        datagram_tick(bare, now);
    if (bare->greeting && bare->greet_due <= now)
        bare_fail(bare, -ETIMEDOUT, "the peer did not finish the framer's first exchange");
}

/* --------------------------------------------------------------------------------------------------------------- end */

hawser_association *bare_association(const struct bare *bare)
{
    return bare->association;
}

bool bare_several(const struct bare *bare)
{
    return bare->several;
}

bool bare_closing(const struct bare *bare)
{
    return bare->closing;
}

bool bare_sent_final(const struct bare *bare)
{
    return bare->no_more || bare->end_wanted;
}

bool bare_peer_ended(const struct bare *bare)
{
    return bare->peer_ended;
}

uint64_t bare_receive_max(const struct bare *bare)
{
    return bare->max_message && bare->max_message < bare->receive_memory ? bare->max_message : bare->receive_memory;
}

bool bare_idle(const struct bare *bare)
{
    return bare->queued_messages == 0 && list_empty(&bare->ended) && !bare->stream &&
           !(bare->several && !list_empty(&bare->association->streams));
}

void bare_close(struct bare *bare, uint64_t code, const char *reason)
{
    if (bare->closing)
        return;
    bare->closing = true;
    bare->close_code = code;
    bare->close_reason = text_copy(reason);
}

void bare_fail(struct bare *bare, int code, const char *reason)
{
    const struct strand *strand = bare->strand;

    if (!strand)
        return;
    if (!strand->dead) { /* strand_lost() keeps the pointer */
        free(bare->fail_reason);
        bare->fail_reason = text_copy(reason);
    }
    strand_lost(bare->strand, code, bare->fail_reason ? bare->fail_reason : hawser_strerror(code));
}

/* Every pointer of ours that the strand sends from goes with this. */
static void cut_off(struct bare *bare)
{
    const struct linger now = {.l_onoff = 1};
    struct strand *strand = bare->strand;
    int fd;

    bare->strand = NULL;
    if (!strand)
        return;
    strand->bulk = NULL;
    strand->bulk_size = 0;
    fd = strand->top ? layer_descriptor(strand->top) : -1;
    if (!strand->dead && fd >= 0) /* the peer sees a reset, not an end that looks clean */
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    strand->dead = true;
}

void bare_abort(struct bare *bare, int code, const char *reason)
{
    cut_off(bare);
    out_fail_all(bare, code, reason && *reason ? reason : hawser_strerror(code));
    out_tell(bare);
    bare_stream_end(bare, true);
}

void bare_lost(struct bare *bare, int code, const char *reason)
{
    hawser_association *association = bare->association;

    bare->strand = NULL;
    out_settle_passed(bare);
    out_fail_all(bare, code, reason);
    out_tell(bare);
    bare_stream_end(bare, true);
    close_told(association, code, 0, code == -ECONNRESET || code == -HAWSER_ETRUNCATED, reason);
}

void bare_statistics(const struct bare *bare, hawser_statistics *ret_statistics)
{
    *ret_statistics = bare->statistics;
    ret_statistics->queued_messages = bare->queued_messages;
    ret_statistics->queued_bytes = bare->queued_bytes + (bare->stream_out_end - bare->stream_out_at);
    ret_statistics->held_bytes = bare->held + bare->ring_size;
}
