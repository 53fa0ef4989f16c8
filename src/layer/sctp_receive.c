/* SPDX-License-Identifier: Apache-2.0 */
/* What comes of an association: messages, and what usrsctp has to tell (RFC 6458 section 6). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/sctp.h"

#define LANES_MAX (2 * SCTP_MESSAGE_MAX) /* bytes of bare messages that are not whole */

/* ------------------------------------------------------------------------------------------------- news */

static void came_up(struct sctp_layer *sctp, const struct sctp_assoc_change *change, size_t size)
{
    sctp->up = true;
    sctp->streams = change->sac_outbound_streams < SCTP_STREAMS ? change->sac_outbound_streams : SCTP_STREAMS;
    for (size_t i = 0; i < size - sizeof *change; i++)
        if (change->sac_info[i] == SCTP_ASSOC_SUPPORTS_INTERLEAVING)
            sctp->interleaves = true;
    sctp_set_streams(sctp);
}

static int changed(struct sctp_layer *sctp, const struct sctp_assoc_change *change, size_t size)
{
    if (size < sizeof *change)
        return 0;
    if (change->sac_state == SCTP_COMM_UP) {
        came_up(sctp, change, size);
        return 0;
    }
    if (change->sac_state == SCTP_SHUTDOWN_COMP || (sctp->shut && !sctp_fates_outstanding(&sctp->fates))) {
        sctp->ended = true; /* also where the peer, having it all, aborted rather than waited */
        return 0;
    }
    return sctp_fail_change(sctp, change, size);
}

static int gave_up(struct sctp_layer *sctp, const struct sctp_send_failed_event *event, size_t size)
{
    if (size < sizeof *event || event->ssfe_length < sizeof *event)
        return 0;
    sctp_fates_gave_up(&sctp->fates, ntohl(event->ssfe_info.snd_ppid), event->ssfe_length - sizeof *event,
                       event->ssfe_flags & SCTP_DATA_SENT, sctp->sends_units);
    return 0;
}

/* 1: ret_piece tells of a message that will not be completed. */
static int notified(struct sctp_layer *sctp, const uint8_t *data, size_t size, struct sctp_piece *ret_piece)
{
    const union sctp_notification *news = (const void *)data;

    if (size < sizeof news->sn_header)
        return 0;
    switch (news->sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
        return changed(sctp, &news->sn_assoc_change, size);
    case SCTP_SEND_FAILED_EVENT:
        return gave_up(sctp, &news->sn_send_failed_event, size);
    case SCTP_SHUTDOWN_EVENT:
        sctp->ended = true;
        return 0;
    case SCTP_PARTIAL_DELIVERY_EVENT:
        if (size < sizeof news->sn_pdapi_event || news->sn_pdapi_event.pdapi_stream >= SCTP_STREAMS)
            return 0;
        *ret_piece = (struct sctp_piece){.stream = (uint16_t)news->sn_pdapi_event.pdapi_stream, .reset = true};
        return 1;
    default:
        return 0;
    }
}

/* ------------------------------------------------------------------------------------------------- pieces */

void sctp_free_pieces(struct sctp_layer *sctp)
{
    free(sctp->piece);
    sctp->piece = NULL;
}

static int read_nothing(struct sctp_layer *sctp, int code)
{
    if (code == EWOULDBLOCK) {
        sctp_free_pieces(sctp);
        return sctp->ended ? -ENODATA : -EAGAIN;
    }
    if (code == 0 || (sctp->shut && !sctp_fates_outstanding(&sctp->fates)))
        sctp->ended = true;
    return sctp->ended ? -ENODATA : sctp_fail_code(sctp, code, "receiving");
}

int sctp_next(struct sctp_layer *sctp, bool until_up, struct sctp_piece *ret_piece)
{
    struct sctp_rcvinfo info;
    socklen_t info_size;
    unsigned info_type;

    if (!sctp->piece && !(sctp->piece = malloc(SCTP_UNIT)))
        return layer_fail(&sctp->layer, -ENOMEM, "no memory");
    while (!until_up || !sctp->up) {
        int flags = 0, r;
        ssize_t n;

        memset(&info, 0, sizeof info);
        info_size = sizeof info;
        n = usrsctp_recvv(sctp->socket, sctp->piece, SCTP_UNIT, NULL, NULL, &info, &info_size, &info_type, &flags);
        if (n <= 0)
            return read_nothing(sctp, n < 0 ? errno : 0);
        if (!(flags & MSG_NOTIFICATION)) {
            *ret_piece = (struct sctp_piece){.data = sctp->piece,
                                             .size = (size_t)n,
                                             .stream = info.rcv_sid,
                                             .ppid = ntohl(info.rcv_ppid),
                                             .end = flags & MSG_EOR};
            return 0;
        }
        r = sctp->in_news ? 0 : notified(sctp, sctp->piece, (size_t)n, ret_piece);
        sctp->in_news = !(flags & MSG_EOR); /* the rest is what was not sent, given back */
        if (r != 0)
            return r < 0 ? r : 0;
    }
    return 0;
}

static int next_of_lane(struct sctp_layer *sctp, struct sctp_piece *ret_piece, struct sctp_lane **ret_lane)
{
    int r = layer_error(&sctp->layer)->code;

    if (r < 0)
        return r;
    if (!sctp->up || !sctp->socket)
        return -EAGAIN;
    sctp_engine_tick();
    r = sctp_next(sctp, false, ret_piece);
    if (r < 0)
        return r;
    if (ret_piece->stream >= SCTP_STREAMS)
        return layer_fail(&sctp->layer, -EPROTO, "the peer sends on a stream that was not agreed");
    *ret_lane = &sctp->lanes[ret_piece->stream];
    return 0;
}

/* ------------------------------------------------------------------------------------------------- units */

int sctp_receive_unit(struct layer *layer, struct layer_unit_in *ret_unit)
{
    struct sctp_layer *sctp = sctp_of(layer);
    struct sctp_piece piece;
    struct sctp_lane *lane = NULL;
    int r;

    do {
        r = next_of_lane(sctp, &piece, &lane);
        if (r < 0)
            return r;
    } while (piece.reset && !lane->open);
    if (!lane->open)
        lane->user = NULL;
    lane->open = !piece.end && !piece.reset;
    *ret_unit = (struct layer_unit_in){
        .lane = &lane->user, .data = piece.data, .size = piece.size, .end = piece.end, .reset = piece.reset};
    return 0;
}

/* ------------------------------------------------------------------------------------------------- messages */

static void lane_free(struct sctp_layer *sctp, struct sctp_lane *lane)
{
    sctp->lanes_size -= lane->size;
    free(lane->data);
    *lane = (struct sctp_lane){.open = false};
}

static int lane_add(struct sctp_layer *sctp, struct sctp_lane *lane, const struct sctp_piece *piece)
{
    if (lane->size + piece->size > SCTP_MESSAGE_MAX)
        return layer_fail(&sctp->layer, -EMSGSIZE, "the peer sends a message of more than %d bytes", SCTP_MESSAGE_MAX);
    if (sctp->lanes_size + piece->size > LANES_MAX)
        return layer_fail(&sctp->layer, -EMSGSIZE, "the peer sends too many large messages at once");
    if (lane->size + piece->size > lane->capacity) {
        size_t capacity = lane->capacity ? lane->capacity * 2 : 4 * (size_t)SCTP_UNIT;
        uint8_t *data = realloc(lane->data, capacity);
        if (!data)
            return layer_fail(&sctp->layer, -ENOMEM, "no memory");
        lane->data = data;
        lane->capacity = capacity;
    }
    memcpy(lane->data + lane->size, piece->data, piece->size);
    lane->size += piece->size;
    lane->open = true;
    sctp->lanes_size += piece->size;
    return 0;
}

static ssize_t hand_over(const uint8_t *data, size_t size, uint32_t ppid, void *buffer, size_t capacity)
{
    if (size == 1 && (ppid == SCTP_PPID_EMPTY || ppid == SCTP_PPID_EMPTY_TEXT))
        return 0;
    if (size > capacity)
        size = capacity;
    memcpy(buffer, data, size);
    return (ssize_t)size;
}

ssize_t sctp_receive_message(struct layer *layer, void *buffer, size_t size)
{
    struct sctp_layer *sctp = sctp_of(layer);
    struct sctp_piece piece;
    struct sctp_lane *lane = NULL;
    ssize_t r;

    for (;;) {
        r = next_of_lane(sctp, &piece, &lane);
        if (r < 0)
            return r;
        if (piece.reset)
            lane_free(sctp, lane);
        else if (!lane->open && piece.end)
            return hand_over(piece.data, piece.size, piece.ppid, buffer, size);
        else if ((r = lane_add(sctp, lane, &piece)) < 0)
            return r;
        if (piece.end && lane->open) {
            r = hand_over(lane->data, lane->size, piece.ppid, buffer, size);
            lane_free(sctp, lane);
            return r;
        }
    }
}
