/* SPDX-License-Identifier: Apache-2.0 */
/* Units in DTLS records: each is one of the numbered datagrams of docs/protocol.md. */
#include "layer/dtls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

#define PAD 64          /* sizes on the wire: docs/protocol.md, chapter "Numbered datagrams" */
#define USUAL_PATH 1400 /* of UDP's payload: what passes most tunnels */
#define SIZE_TRIES 3    /* of one size, before it is taken not to pass */
#define HOLE_PROBES 3   /* time-outs after which larger datagrams are suspected */

static int make_numbered(struct dtls_layer *dtls)
{
    struct numbered_config config = {
        .memory = &memory_malloc, /* it may move to another context */
        .datagram_max = dtls->base,
        .rtt = dtls->resent ? 0 : dtls->rtt,
        .pad = PAD,
    };
    int r;

    if (dtls->numbered)
        return 0;
    if (gnutls_rnd(GNUTLS_RND_NONCE, &config.seed, sizeof config.seed) < 0)
        return -ENOMEM;
    r = numbered_new(&config, loop_clock(), &dtls->numbered);
    return r < 0 ? layer_fail(&dtls->layer, r, "cannot number datagrams: %s", hawser_strerror(r)) : 0;
}

/* ------------------------------------------------------------------------------------------------- how large they may be */

static size_t overhead(const struct dtls_layer *dtls)
{
    return DTLS_PATH_MIN - dtls->base;
}

/* Tries what the host could send, then what usually passes (RFC 8899): first when the peer is known to hear us. */
static void probe_sizes(struct dtls_layer *dtls)
{
    size_t usual = USUAL_PATH - overhead(dtls), size, max = numbered_datagram_max(dtls->numbered);
    bool passed;

    if (dtls->sizes_known || !numbered_heard(dtls->numbered))
        return;
    if (numbered_probed(dtls->numbered, &size, &passed)) {
        if (passed && size <= dtls->full)
            numbered_set_datagram_max(dtls->numbered, size);
        if (passed || ++dtls->size_tries >= 2 * SIZE_TRIES) {
            dtls->sizes_known = true;
            return;
        }
    } else if (dtls->size_tries > 0 || max > dtls->base || dtls->full <= dtls->base) {
        return;
    } else
        dtls->size_tries = 1;
    size = dtls->size_tries > SIZE_TRIES && usual < dtls->full ? usual : dtls->full;
    numbered_probe_size(dtls->numbered, size);
}

/* The path carries less than was thought. */
void dtls_units_shrink(struct dtls_layer *dtls)
{
    if (numbered_datagram_max(dtls->numbered) <= dtls->full)
        return;
    numbered_set_datagram_max(dtls->numbered, dtls->full > NUMBERED_MIN ? dtls->full : NUMBERED_MIN);
}

/* Nothing comes through any more: perhaps large ones are dropped on a path that has changed, and nobody says so. */
static void suspect_hole(struct dtls_layer *dtls)
{
    if (numbered_timeouts(dtls->numbered) >= HOLE_PROBES && numbered_datagram_max(dtls->numbered) > dtls->base)
        numbered_set_datagram_max(dtls->numbered, dtls->base);
}

/* ------------------------------------------------------------------------------------------------------------- serving */

/* Acknowledgements, probes, and when the next are due. */
void dtls_units_serve(struct dtls_layer *dtls)
{
    uint8_t buffer[DTLS_RECORD];
    size_t size;

    if (dtls->said_bye)
        return;
    probe_sizes(dtls);
    while (list_empty(&dtls->out) && (size = numbered_output(dtls->numbered, buffer, loop_clock())) > 0)
        if (dtls_write(dtls, buffer, size) < 0)
            return;
    if (list_empty(&dtls->out)) /* else when there is room */
        dtls_arm(dtls, numbered_due(dtls->numbered));
}

void dtls_units_due(struct dtls_layer *dtls)
{
    unsigned ready = 0;
    int r = numbered_expire(dtls->numbered, loop_clock());

    if (r < 0) {
        layer_fail(&dtls->layer, r, "the peer has acknowledged nothing for %d seconds", NUMBERED_SILENCE / 1000000);
        dtls_tell(dtls, LAYER_READABLE);
        return;
    }
    suspect_hole(dtls);
    if (dtls->told_full && list_empty(&dtls->out) && numbered_room(dtls->numbered, loop_clock())) {
        dtls->told_full = false;
        ready |= LAYER_WRITABLE;
    }
    if (numbered_has_fate(dtls->numbered))
        ready |= LAYER_READABLE;
    dtls_units_serve(dtls);
    if (ready)
        dtls_tell(dtls, ready);
}

void dtls_units_doubt(struct dtls_layer *dtls)
{
    numbered_doubt(dtls->numbered, loop_clock());
    dtls_arm(dtls, loop_clock());
}

/* ------------------------------------------------------------------------------------------------------------- sending */

static uint8_t *units_begin(struct layer *layer, bool lossy, size_t *ret_capacity)
{
    struct dtls_layer *dtls = dtls_of(layer);
    uint8_t *at = NULL;

    (void)lossy; /* none is sent again by us */
    if (dtls->secure.opening || dtls->said_bye || layer_error(layer)->code < 0 || make_numbered(dtls) < 0)
        return NULL;
    if (dtls_flush(dtls) == 0)
        at = numbered_begin(dtls->numbered, loop_clock(), ret_capacity);
    if (!at) {
        dtls->told_full = true;
        dtls_arm(dtls, numbered_due(dtls->numbered));
    }
    return at;
}

/* What the layer below did not take yet leaves at a time of its own, and is not stamped. */
static void note_departure(struct dtls_layer *dtls, uint64_t unit)
{
    const struct layer *below = dtls->layer.below;

    if (below->type != &udp_layer || !udp_is_stamped(below) || !list_empty(&dtls->out))
        return;
    if (!dtls->departures)
        dtls->departures = departures_new();
    departures_note(dtls->departures, unit, udp_last_send(below));
}

static int units_send(struct layer *layer, const struct layer_unit_out *unit)
{
    struct dtls_layer *dtls = dtls_of(layer);
    const uint8_t *data;
    size_t size;
    int r;

    if (unit->size == 0)
        return 0;
    data = numbered_send(dtls->numbered, unit->number, unit->size, loop_clock(), &size);
    r = dtls_write(dtls, data, size);
    if (r == 0)
        note_departure(dtls, unit->number);
    dtls_arm(dtls, numbered_due(dtls->numbered));
    return r == -EMSGSIZE ? 0 : r; /* that is: lost, and so it will be told */
}

static size_t units_lossy_max(struct layer *layer)
{
    struct dtls_layer *dtls = dtls_of(layer);

    if (dtls->secure.opening)
        return 0;
    return (dtls->numbered ? numbered_datagram_max(dtls->numbered) : dtls->base) - NUMBERED_HEAD_MAX;
}

/* It has left. */
static void units_drop(struct layer *layer, uint64_t number)
{
    (void)layer;
    (void)number;
}

static int units_flush(struct layer *layer)
{
    struct dtls_layer *dtls = dtls_of(layer);
    int code = layer_error(layer)->code;

    if (code < 0 || !dtls->numbered)
        return code;
    dtls_units_serve(dtls);
    return dtls_flush(dtls);
}

/* ----------------------------------------------------------------------------------------------------------- receiving */

static int take(struct dtls_layer *dtls, size_t size, struct layer_unit_in *unit)
{
    struct layer *below = dtls->layer.below;
    const uint8_t *at;
    size_t unit_size;
    int r = numbered_received(dtls->numbered, dtls->in, size, loop_clock(), &at, &unit_size);

    if (r < 0) {
        layer_fail(&dtls->layer, r, "the peer numbers or acknowledges datagrams against the rules");
        gnutls_alert_send(dtls->secure.session, GNUTLS_AL_FATAL, GNUTLS_A_ILLEGAL_PARAMETER);
        return r;
    }
    if (!at)
        return 0;
    dtls->lane = NULL;
    *unit = (struct layer_unit_in){
        .lane = &dtls->lane,
        .data = dtls->in + (at - dtls->in),
        .size = unit_size,
        .end = true,
        .received_at = below->type == &udp_layer ? udp_received_at(below) : 0,
    };
    return 1;
}

static int units_receive(struct layer *layer, struct layer_unit_in *ret_unit)
{
    struct dtls_layer *dtls = dtls_of(layer);
    ssize_t n;
    int r = 0;

    if (dtls->secure.opening)
        return layer_error(layer)->code < 0 ? layer_error(layer)->code : -EAGAIN;
    if (make_numbered(dtls) < 0)
        return layer_error(layer)->code;
    while (r == 0) {
        n = dtls_read(dtls);
        if (n <= 0) {
            dtls_done_reading(dtls);
            if (n == -EAGAIN)
                dtls_units_serve(dtls);
            return n == 0 ? -ENODATA : (int)n;
        }
        r = take(dtls, (size_t)n, ret_unit);
    }
    return r < 0 ? r : 0;
}

static bool units_fate(struct layer *layer, struct layer_fate *ret_fate)
{
    struct dtls_layer *dtls = dtls_of(layer);
    struct numbered_unit_fate fate;

    if (!dtls->numbered || !numbered_fate(dtls->numbered, &fate))
        return false;
    *ret_fate = (struct layer_fate){
        .number = fate.unit, .acked = fate.acked, .sent_at = departures_of(dtls->departures, fate.unit)};
    return true;
}

const struct layer_units dtls_units = {
    .begin = units_begin,
    .send = units_send,
    .lossy_max = units_lossy_max,
    .drop = units_drop,
    .receive = units_receive,
    .fate = units_fate,
    .flush = units_flush,
};
