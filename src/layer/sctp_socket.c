/* SPDX-License-Identifier: Apache-2.0 */
/* An association of usrsctp's: made, accepted, closed. Its one address, ours and the peer's, is the layer's id. */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

#include "layer/sctp.h"

#define INTERLEAVING_SUPPORTED                                                                                         \
    0x1206                   /* SCTP_INTERLEAVING_SUPPORTED (RFC 8260 section 4.3), which the header leaves out */
#define INTERLEAVE_STREAMS 2 /* the level of SCTP_FRAGMENT_INTERLEAVE that it needs */
#define DYNAMIC_PORT 49152
#define MEASURE_EVERY 200000 /* microseconds */

static int set(struct socket *socket, int option, const void *value, size_t size)
{
    return usrsctp_setsockopt(socket, IPPROTO_SCTP, option, value, (socklen_t)size);
}

static int set_number(struct socket *socket, int option, uint32_t number)
{
    return set(socket, option, &number, sizeof number);
}

static int want_events(struct socket *socket)
{
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT, SCTP_SEND_FAILED_EVENT,
                                     SCTP_PARTIAL_DELIVERY_EVENT};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = types[i], .se_on = 1};
        if (set(socket, SCTP_EVENT, &event, sizeof event) < 0)
            return -1;
    }
    return set_number(socket, SCTP_RECVRCVINFO, 1);
}

/* What an accepted socket takes over from its listener is set on the listener. */
static int prepare(const struct sctp_layer *sctp, struct socket *socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* to close is to abort, unless it had ended */
    struct sctp_assoc_value interleaving = {.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = 1};
    struct sctp_initmsg init = {.sinit_num_ostreams = SCTP_STREAMS, .sinit_max_instreams = SCTP_STREAMS};
    struct sctp_paddrparams path = {.spp_assoc_id = SCTP_FUTURE_ASSOC,
                                    .spp_pathmtu = sctp->packet_max - SCTP_HEAD, /* usrsctp adds its own head */
                                    .spp_flags = SPP_PMTUD_DISABLE};
    struct sockaddr_conn address = {
        .sconn_family = AF_CONN, .sconn_port = htons(sctp->port), .sconn_addr = (void *)sctp->id};

    path.spp_address.ss_family = AF_CONN;
    if (usrsctp_set_non_blocking(socket, 1) < 0 ||
        usrsctp_setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0 ||
        set_number(socket, SCTP_FRAGMENT_INTERLEAVE, INTERLEAVE_STREAMS) < 0 ||
        set(socket, INTERLEAVING_SUPPORTED, &interleaving, sizeof interleaving) < 0 ||
        set(socket, SCTP_INITMSG, &init, sizeof init) < 0 ||
        set(socket, SCTP_PEER_ADDR_PARAMS, &path, sizeof path) < 0 || want_events(socket) < 0 ||
        usrsctp_bind(socket, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    (void)set_number(socket, SCTP_NODELAY, 1);
    return 0;
}

static int make(struct sctp_layer *sctp, struct socket **ret_socket)
{
    struct socket *socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    int r = socket ? prepare(sctp, socket) : -ENOMEM;

    if (r < 0) {
        if (socket)
            usrsctp_close(socket);
        return sctp_fail_code(sctp, -r, "making the association");
    }
    *ret_socket = socket;
    return 0;
}

/* Kernels tell associations by address and SCTP port alone, whatever the UDP port is (RFC 6951 section 5.4). */
static uint16_t any_port(void)
{
    uint16_t random = 0;

    (void)gnutls_rnd(GNUTLS_RND_NONCE, &random, sizeof random);
    return (uint16_t)(DYNAMIC_PORT + random % (65536 - DYNAMIC_PORT));
}

int sctp_begin(struct sctp_layer *sctp)
{
    struct sockaddr_conn address = {.sconn_family = AF_CONN, .sconn_addr = (void *)sctp->id};
    int r;

    if (sctp->port == 0)
        sctp->port = any_port();
    r = make(sctp, &sctp->socket);
    if (r < 0)
        return r;
    address.sconn_port = htons(sctp->remote_port);
    if (usrsctp_connect(sctp->socket, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        return sctp_fail_code(sctp, errno, "connecting");
    return 0;
}

int sctp_listen(struct sctp_layer *sctp, uint16_t port)
{
    int r;

    sctp->port = port;
    r = make(sctp, &sctp->listener);
    if (r < 0)
        return r;
    return usrsctp_listen(sctp->listener, 1) < 0 ? sctp_fail_code(sctp, errno, "listening") : 0;
}

int sctp_accepted(struct sctp_layer *sctp)
{
    sctp->socket = usrsctp_accept(sctp->listener, NULL, NULL);
    if (!sctp->socket)
        return -EAGAIN;
    (void)usrsctp_set_non_blocking(sctp->socket, 1);
    (void)usrsctp_setsockopt(sctp->socket, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                             sizeof(struct linger));
    (void)set_number(sctp->socket, SCTP_NODELAY, 1);
    usrsctp_close(sctp->listener);
    sctp->listener = NULL;
    return 0;
}

void sctp_socket_close(struct sctp_layer *sctp)
{
    if (sctp->listener)
        usrsctp_close(sctp->listener);
    if (sctp->socket)
        usrsctp_close(sctp->socket);
    sctp->listener = sctp->socket = NULL;
}

void sctp_set_streams(struct sctp_layer *sctp)
{
    for (uint16_t i = 0; i < SCTP_STREAMS; i++) {
        struct sctp_stream_value value = {.stream_id = i, .stream_value = i};
        (void)set(sctp->socket, SCTP_SS_VALUE, &value, sizeof value); /* a peer may take fewer streams */
    }
}

bool sctp_status(const struct sctp_layer *sctp, struct sctp_status *ret_status)
{
    socklen_t size = sizeof *ret_status;

    memset(ret_status, 0, sizeof *ret_status);
    return sctp->socket && usrsctp_getsockopt(sctp->socket, IPPROTO_SCTP, SCTP_STATUS, ret_status, &size) == 0;
}

bool sctp_gone(const struct sctp_layer *sctp)
{
    struct sctp_status status;

    return !sctp_status(sctp, &status) || status.sstat_state == SCTP_CLOSED;
}

bool sctp_dry(const struct sctp_layer *sctp)
{
    struct sctp_status status;

    return !sctp_status(sctp, &status) || (status.sstat_unackdata == 0 && status.sstat_penddata == 0);
}

/* usrsctp times one chunk a round trip. When that one is given up it waits for it for ever, and the time-out stays where
 * the losses had doubled it to. A heartbeat measures as well, and sets it right. */
void sctp_measure(struct sctp_layer *sctp, int64_t now)
{
    struct sctp_paddrparams demand = {.spp_flags = SPP_HB_DEMAND};
    struct sctp_status status;

    if (!sctp->fates.gave_up || now - sctp->measured < MEASURE_EVERY || !sctp_fates_outstanding(&sctp->fates))
        return;
    sctp->measured = now;
    if (!sctp_status(sctp, &status) || status.sstat_primary.spinfo_rto < 2 * status.sstat_primary.spinfo_srtt + 400)
        return;
    memcpy(&demand.spp_address, &status.sstat_primary.spinfo_address, sizeof demand.spp_address);
    (void)set(sctp->socket, SCTP_PEER_ADDR_PARAMS, &demand, sizeof demand);
}
