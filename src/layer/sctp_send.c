/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending. usrsctp gets little more than what it can put on the wire now, so that what is urgent, late or given up is
 * decided here and above, as late as possible.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/sctp.h"

#define BAND 16 /* classes of niceness to a stream: 256 in 16 */

/* What the congestion window still takes, of units. What it does not take would wait in usrsctp, where nobody can put
 * something more urgent before it. */
static size_t window(const struct sctp_layer *sctp)
{
    struct sctp_status status;

    if (!sctp_status(sctp, &status) || status.sstat_primary.spinfo_cwnd <= sctp->fates.under_way)
        return 0;
    return status.sstat_primary.spinfo_cwnd - sctp->fates.under_way;
}

bool sctp_room(const struct sctp_layer *sctp)
{
    const struct sctp_fates *fates = &sctp->fates;

    if (!sctp->up || sctp->shut || sctp->waiting || sctp->packets_size >= SCTP_UNSENT_MAX ||
        fates->unsent >= SCTP_UNSENT_MAX)
        return false;
    return !sctp->sends_units || (fates->under_way < SCTP_UNDER_WAY_MAX &&
                                  fates->next_unit - fates->first_unit < SCTP_UNITS_MAX && window(sctp) > 0);
}

/* Bytes of what usrsctp was given and did not keep. */
static void take_back(struct sctp_layer *sctp, size_t size)
{
    sctp->fates.unsent -= size < sctp->fates.unsent ? size : sctp->fates.unsent;
}

/* ------------------------------------------------------------------------------------------------- messages */

size_t sctp_message_max(struct layer *layer)
{
    (void)layer;
    return SCTP_MESSAGE_MAX;
}

/* In order, on one stream, until it comes. */
ssize_t sctp_send_message(struct layer *layer, const void *data, size_t size)
{
    struct sctp_layer *sctp = sctp_of(layer);
    struct sctp_sndinfo info = {.snd_ppid = htonl(size == 0 ? SCTP_PPID_EMPTY : 0)};
    size_t bytes = size == 0 ? 1 : size; /* SCTP has no empty messages (RFC 9260 section 3.3.1) */
    int code = layer_error(layer)->code;
    ssize_t n;

    if (code < 0)
        return code;
    if (size > SCTP_MESSAGE_MAX)
        return -EMSGSIZE;
    if (sctp->shut)
        return -EPIPE;
    sctp->wants_room = !sctp_room(sctp);
    if (sctp->wants_room)
        return -EAGAIN;
    sctp_engine_tick();
    sctp->fates.unsent += bytes;
    n = usrsctp_sendv(sctp->socket, size == 0 ? "" : data, bytes, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0);
    if (n < 0) {
        take_back(sctp, bytes);
        if (errno != EWOULDBLOCK)
            return sctp_fail_code(sctp, errno, "sending");
        sctp->wants_room = true;
        return -EAGAIN;
    }
    return (ssize_t)size;
}

/* ------------------------------------------------------------------------------------------------- units */

static size_t lossy_max(struct layer *layer)
{
    /* One packet's: a unit of several would be lost with any of them. */
    return (size_t)sctp_of(layer)->packet_max - SCTP_HEAD - SCTP_CHUNK_HEAD;
}

static uint8_t *unit_begin(struct layer *layer, bool lossy, size_t *ret_capacity)
{
    struct sctp_layer *sctp = sctp_of(layer);

    if (layer_error(layer)->code < 0)
        return NULL;
    sctp->wants_room = !sctp_room(sctp);
    if (sctp->wants_room)
        return NULL;
    *ret_capacity = lossy_max(layer); /* at least a packet's */
    if (!lossy && window(sctp) > *ret_capacity)
        *ret_capacity = window(sctp) < SCTP_UNIT ? window(sctp) : SCTP_UNIT;
    return sctp_engine_buffer();
}

/* RFC 3758's and RFC 7496's policies: one for a message. A number of retransmissions is the narrower promise, and whoever
 * wanted a lifetime as well judges what is lost by it. */
static void set_policy(const struct layer_unit_out *unit, struct sctp_sendv_spa *info)
{
    struct sctp_prinfo *policy = &info->sendv_prinfo;

    if (unit->resends >= 0) {
        policy->pr_policy = SCTP_PR_SCTP_RTX;
        policy->pr_value = (uint32_t)unit->resends;
    } else if (unit->lifetime > 0) {
        policy->pr_policy = SCTP_PR_SCTP_TTL;
        policy->pr_value =
            (uint32_t)((unit->lifetime + 999) / 1000 < UINT32_MAX ? (unit->lifetime + 999) / 1000 : UINT32_MAX);
    } else if (unit->lossy)
        policy->pr_policy = SCTP_PR_SCTP_RTX;
    else
        return; /* a value without a policy would be taken for a lifetime */
    info->sendv_flags |= SCTP_SEND_PRINFO_VALID;
}

/* 0, -EAGAIN, or dead. */
static int give(struct sctp_layer *sctp, const struct layer_unit_out *unit, const uint8_t *data)
{
    uint16_t band = unit->class / BAND;
    struct sctp_sendv_spa info = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID,
        .sendv_sndinfo = {.snd_sid = band < sctp->streams ? band : (uint16_t)(sctp->streams - 1),
                          .snd_flags = SCTP_UNORDERED,
                          .snd_ppid = htonl((uint32_t)unit->number)},
    };

    set_policy(unit, &info);
    if (usrsctp_sendv(sctp->socket, data, unit->size, NULL, 0, &info, sizeof info, SCTP_SENDV_SPA, 0) >= 0)
        return 0;
    return errno == EWOULDBLOCK ? -EAGAIN : sctp_fail_code(sctp, errno, "sending");
}

/* begin() looked at what is under way, but usrsctp counts by its own rules. */
static int keep(struct sctp_layer *sctp, const struct layer_unit_out *unit)
{
    sctp->waiting = malloc(unit->size);
    if (!sctp->waiting)
        return layer_fail(&sctp->layer, -ENOMEM, "no memory");
    memcpy(sctp->waiting, sctp_engine_buffer(), unit->size);
    sctp->waiting_unit = *unit;
    return 0;
}

void sctp_send_waiting(struct sctp_layer *sctp)
{
    if (!sctp->waiting || give(sctp, &sctp->waiting_unit, sctp->waiting) == -EAGAIN)
        return;
    free(sctp->waiting);
    sctp->waiting = NULL;
}

static int unit_send(struct layer *layer, const struct layer_unit_out *unit)
{
    struct sctp_layer *sctp = sctp_of(layer);
    int r = layer_error(layer)->code;

    if (r < 0 || unit->size == 0)
        return r;
    sctp->sends_units = true;
    if (sctp_fates_unit(&sctp->fates, unit->number, unit->size) < 0)
        return layer_fail(layer, -ENOMEM, "no memory");
    sctp_engine_tick();
    r = give(sctp, unit, sctp_engine_buffer());
    if (r == -EAGAIN)
        r = keep(sctp, unit);
    return r;
}

/* What is with usrsctp cannot be taken back; its fate comes by acknowledgement, lifetime or resends. */
static void unit_drop(struct layer *layer, uint64_t number)
{
    (void)layer;
    (void)number;
}

static bool unit_fate(struct layer *layer, struct layer_fate *ret_fate)
{
    return sctp_fates_take(&sctp_of(layer)->fates, ret_fate);
}

int sctp_flush_layer(struct layer *layer)
{
    int code = layer_error(layer)->code;

    return code < 0 ? code : sctp_flush(sctp_of(layer));
}

const struct layer_units sctp_units = {
    .gives_up = true,
    .begin = unit_begin,
    .send = unit_send,
    .lossy_max = lossy_max,
    .drop = unit_drop,
    .receive = sctp_receive_unit,
    .fate = unit_fate,
    .flush = sctp_flush_layer,
};
