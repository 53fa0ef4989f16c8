/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units that go out: one unidirectional stream each, ended with its last byte, or one DATAGRAM frame where loss is none
 * of our business (RFC 9221). They leave in the order in which they were given. Their bytes stay until all is
 * acknowledged, since ngtcp2 keeps no copy.
 */
#include "layer/quic.h"

#include <errno.h>
#include <stdlib.h>

#define LARGE (QUIC_UNIT_MAX / 4)                              /* smaller ones are copied into a block of their size */
#define DATAGRAM_OVERHEAD (1 + NGTCP2_MAX_CIDLEN + 4 + 16 + 3) /* header, packet number, tag, frame */
#define FRAME_HEAD 5 /* of a DATAGRAM frame with its size, at most for what a packet holds (RFC 9221 section 4) */
#define DROPPED 0x1  /* the code of a unit that is not worth sending any more */

static int compare(const struct quic_unit *a, const struct quic_unit *b)
{
    return a->number < b->number ? -1 : a->number > b->number;
}

TREE_GENERATE(quic_unit_tree, quic_unit, node, compare)

void quic_units_init(struct quic_layer *quic)
{
    RB_INIT(&quic->out.tree);
    list_init(&quic->out.waiting);
    list_init(&quic->out.under_way);
    list_init(&quic->out.fates);
    quic->out.padding = -1;
}

static void release_data(struct quic_layer *quic, struct quic_unit *unit)
{
    if (unit->large && !quic->out.block)
        quic->out.block = unit->data;
    else
        free(unit->data);
    unit->data = NULL;
    unit->large = false;
}

static void free_list(struct quic_layer *quic, struct list *list)
{
    while (!list_empty(list)) {
        struct quic_unit *unit = list_first(list, struct quic_unit, link);
        list_remove(&unit->link);
        release_data(quic, unit);
        free(unit);
    }
}

void quic_units_free(struct quic_layer *quic)
{
    free_list(quic, &quic->out.waiting);
    free_list(quic, &quic->out.under_way);
    free_list(quic, &quic->out.fates);
    free(quic->out.block);
    quic->out.block = NULL;
    departures_free(quic->out.departures);
    quic->out.departures = NULL;
}

/* -------------------------------------------------------------------------------------------------------------- room */

static uint64_t window_left(const struct quic_layer *quic)
{
    return quic->conn ? ngtcp2_conn_get_cwnd_left(quic->conn) : 0;
}

static size_t lossy_max(struct layer *layer)
{
    const struct quic_layer *quic = quic_of(layer);
    const ngtcp2_transport_params *peer = quic->conn ? ngtcp2_conn_get_remote_transport_params(quic->conn) : NULL;
    size_t most;

    if (!quic->completed || !peer || peer->max_datagram_frame_size < 1200)
        return 0;
    most = ngtcp2_conn_get_path_max_tx_udp_payload_size(quic->conn) - DATAGRAM_OVERHEAD;
    return most < peer->max_datagram_frame_size - FRAME_HEAD ? most
                                                             : (size_t)peer->max_datagram_frame_size - FRAME_HEAD;
}

size_t quic_units_window(struct quic_layer *quic)
{
    uint64_t rtt, min_rtt, cwnd, rate;
    double pacing;

    quic_conn_numbers(quic->conn, &rtt, &min_rtt, &cwnd, &rate, &pacing);
    return (size_t)cwnd;
}

/* A quarter of the window, so that what is urgent does not wait for round trips behind what was given before it. */
static size_t least_room(struct quic_layer *quic)
{
    size_t cwnd = quic_units_window(quic);

    return cwnd / 4 < QUIC_UNIT_LEAST ? QUIC_UNIT_LEAST : cwnd / 4 > QUIC_UNIT_MIN ? QUIC_UNIT_MIN : cwnd / 4;
}

/* How much may be given to us now: what the path takes at once, and so much that a packet or a batch is worth its way. */
static size_t room(struct quic_layer *quic)
{
    uint64_t left = window_left(quic), most;
    size_t least;

    if (quic->out.backlog >= left && (quic->out.backlog > 0 || left == 0))
        return 0;
    most = left - quic->out.backlog;
    least = least_room(quic);
    return most < least ? least : most > QUIC_UNIT_MAX ? QUIC_UNIT_MAX : (size_t)most;
}

/* A window that is full of datagrams has no room to ask for them (quic_packet.c). */
static size_t lossy_room(struct quic_layer *quic)
{
    size_t most = lossy_max(&quic->layer);

    return window_left(quic) < quic->out.backlog + most + DATAGRAM_OVERHEAD + QUIC_PINGS ? 0 : most;
}

static size_t early_room(const struct quic_layer *quic)
{
    const struct secure_opening *opening = quic->secure.opening;

    return !quic->secure.is_server && opening ? opening->early_room : 0;
}

static uint8_t *units_begin(struct layer *layer, bool lossy, size_t *ret_capacity)
{
    struct quic_layer *quic = quic_of(layer);
    bool early = !quic->completed;
    size_t most = early ? (lossy ? 0 : early_room(quic)) : room(quic);

    if (most > QUIC_UNIT_MAX)
        most = QUIC_UNIT_MAX;
    if (lossy && most > 0)
        most = lossy_room(quic);
    if (layer_error(layer)->code < 0 || quic->ended || quic->shutting || most < 1000) {
        quic->out.told_full = !early;
        return NULL;
    }
    if (!quic->out.block)
        quic->out.block = malloc(QUIC_UNIT_MAX);
    *ret_capacity = most;
    return quic->out.block;
}

/* ------------------------------------------------------------------------------------------------------------ sending */

static int units_send(struct layer *layer, const struct layer_unit_out *out)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_unit *unit;
    int code = layer_error(layer)->code;

    if (code < 0 || out->size == 0)
        return code;
    unit = calloc(1, sizeof *unit);
    if (!unit)
        return layer_fail(layer, -ENOMEM, "out of memory");
    unit->large = out->size > LARGE;
    unit->data = unit->large ? quic->out.block : malloc(out->size);
    if (!unit->data) {
        free(unit);
        return layer_fail(layer, -ENOMEM, "out of memory");
    }
    if (unit->large)
        quic->out.block = NULL;
    else
        memcpy(unit->data, quic->out.block, out->size);
    unit->number = out->number;
    unit->size = (uint32_t)out->size;
    unit->stream = -1;
    unit->lossy = out->lossy;
    unit->early = !quic->completed;
    if (unit->early) {
        quic->early_sent = true;
        quic->secure.opening->early_room -= out->size;
    }
    quic->out.backlog += out->size;
    RB_INSERT(quic_unit_tree, &quic->out.tree, unit);
    list_append(&quic->out.waiting, &unit->link);
    return 0;
}

static void settle(struct quic_layer *quic, struct quic_unit *unit, bool acked)
{
    RB_REMOVE(quic_unit_tree, &quic->out.tree, unit);
    list_remove(&unit->link);
    quic->out.backlog -= unit->size - unit->written;
    quic->out.lossy -= unit->lossy && unit->written > 0;
    release_data(quic, unit);
    unit->acked = acked;
    list_append(&quic->out.fates, &unit->link);
    quic_tell(quic, LAYER_READABLE | (quic->out.told_full ? LAYER_WRITABLE : 0u));
}

struct quic_unit *quic_units_next(struct quic_layer *quic)
{
    struct quic_unit *unit;

    if (list_empty(&quic->out.waiting) || quic->out.blocked)
        return NULL;
    unit = list_first(&quic->out.waiting, struct quic_unit, link);
    if (!quic->completed && !unit->early)
        return NULL;
    if (!unit->lossy && unit->stream < 0 && ngtcp2_conn_open_uni_stream(quic->conn, &unit->stream, unit) != 0) {
        unit->stream = -1;
        quic->out.blocked = true; /* until the peer took some of those before */
        return NULL;
    }
    return unit;
}

void quic_units_written(struct quic_layer *quic, struct quic_unit *unit, size_t size)
{
    unit->written += (uint32_t)size;
    quic->out.backlog -= size;
    if (unit->written < unit->size)
        return;
    list_remove(&unit->link);
    list_append(&quic->out.under_way, &unit->link);
    unit->fresh = quic->out.departures != NULL;
    if (!unit->lossy)
        return;
    unit->left_at = quic->wire->now(quic);
    quic->out.lossy++;
    quic->out.bare += unit->size;
    release_data(quic, unit);
}

/* Of one in a packet of which it has sent the rest again ngtcp2 does not tell that it was lost. What left so long before the
 * peer was heard last, and has no fate, was. */
void quic_units_give_up(struct quic_layer *quic)
{
    int64_t patience = (int64_t)(ngtcp2_conn_get_pto(quic->conn) / NGTCP2_MICROSECONDS) * 4;
    struct list *under_way = &quic->out.under_way;

    for (struct list *at = under_way->next, *next; quic->out.lossy > 0 && at != under_way; at = next) {
        struct quic_unit *unit = container_of(at, struct quic_unit, link);

        next = at->next;
        if (unit->lossy && quic->in.heard_at - unit->left_at > patience)
            settle(quic, unit, false);
    }
}

/* They are the last of those under way, beside such as were taken back meanwhile. */
void quic_units_packed(struct quic_layer *quic)
{
    struct list *under_way = &quic->out.under_way;

    if (!quic->out.departures)
        return;
    for (struct list *at = under_way->prev; at != under_way; at = at->prev) {
        struct quic_unit *unit = container_of(at, struct quic_unit, link);

        if (!unit->fresh && !unit->dropped)
            break;
        if (unit->fresh)
            departures_note(quic->out.departures, unit->number, quic->sends);
        unit->fresh = false;
    }
}

void quic_units_closed(struct quic_layer *quic, struct quic_unit *unit, bool acked)
{
    settle(quic, unit, acked && !unit->dropped);
}

void quic_units_abandon(struct quic_layer *quic, struct quic_unit *unit)
{
    if (unit->dropped)
        return;
    unit->dropped = true;
    quic->out.backlog -= unit->size - unit->written;
    unit->written = unit->size;
    list_remove(&unit->link);
    list_append(&quic->out.under_way, &unit->link);
}

static struct quic_unit *find(struct quic_layer *quic, uint64_t number)
{
    struct quic_unit sought = {.number = number};

    return RB_FIND(quic_unit_tree, &quic->out.tree, &sought);
}

void quic_units_datagram(struct quic_layer *quic, uint64_t number, bool acked)
{
    struct quic_unit *unit = find(quic, number);

    if (unit)
        settle(quic, unit, acked);
}

/*
 * What has begun is reset, and settled when the peer has heard of it: until then ngtcp2 may send parts of it once more, so
 * its bytes stay.
 */
static void units_drop(struct layer *layer, uint64_t number)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_unit *unit = find(quic, number);

    if (!unit || unit->dropped || (unit->lossy && unit->written > 0))
        return;
    if (unit->stream < 0 || !quic->conn) {
        settle(quic, unit, false);
        return;
    }
    quic_units_abandon(quic, unit);
    if (quic_conn_reset_write(quic->conn, unit->stream, DROPPED) == 0)
        quic_later(quic);
}

/* The peer did not take early data: their streams are gone, and nothing is told of them, since all of it is sent again by
 * whoever knows that it was rejected (layer_peer.early_accepted). */
void quic_units_reject_early(struct quic_layer *quic)
{
    struct list *lists[] = {&quic->out.waiting, &quic->out.under_way};

    for (size_t i = 0; i < 2; i++)
        for (struct list *at = lists[i]->next, *next; at != lists[i]; at = next) {
            struct quic_unit *unit = container_of(at, struct quic_unit, link);

            next = at->next;
            if (!unit->early)
                continue;
            RB_REMOVE(quic_unit_tree, &quic->out.tree, unit);
            list_remove(&unit->link);
            quic->out.backlog -= unit->size - unit->written;
            release_data(quic, unit);
            free(unit);
        }
}

bool quic_units_settled(const struct quic_layer *quic)
{
    return list_empty(&quic->out.waiting) && list_empty(&quic->out.under_way);
}

static bool units_fate(struct layer *layer, struct layer_fate *ret_fate)
{
    struct quic_layer *quic = quic_of(layer);
    struct quic_unit *unit;

    if (list_empty(&quic->out.fates))
        return false;
    unit = list_first(&quic->out.fates, struct quic_unit, link);
    *ret_fate = (struct layer_fate){
        .number = unit->number, .acked = unit->acked, .sent_at = departures_of(quic->out.departures, unit->number)};
    list_remove(&unit->link);
    free(unit);
    return true;
}

static int units_flush(struct layer *layer)
{
    return quic_write(quic_of(layer));
}

const struct layer_units quic_units = {
    .begin = units_begin,
    .send = units_send,
    .lossy_max = lossy_max,
    .drop = units_drop,
    .receive = quic_inbound_receive,
    .fate = units_fate,
    .flush = units_flush,
};
