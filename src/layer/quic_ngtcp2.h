/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ngtcp2 as Debian 12 has it (0.12) and as it is since 1.0: what differs is called quic_* here, and the rest of the
 * layer knows one interface. Inside layer/ only.
 */
#ifndef LAYER_QUIC_NGTCP2_H
#define LAYER_QUIC_NGTCP2_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <stdbool.h>
#include <string.h>

#if NGTCP2_VERSION_NUM >= 0x010000

#define QUIC_DATA_EARLY NGTCP2_STREAM_DATA_FLAG_0RTT
#define QUIC_DATAGRAM_EARLY NGTCP2_DATAGRAM_FLAG_0RTT
typedef ngtcp2_ccerr quic_ccerr;
#define quic_ccerr_default ngtcp2_ccerr_default
#define quic_ccerr_application ngtcp2_ccerr_set_application_error
#define quic_ccerr_alert ngtcp2_ccerr_set_tls_alert
#define quic_ccerr_liberr ngtcp2_ccerr_set_liberr
#define quic_conn_completed ngtcp2_conn_tls_handshake_completed
#define quic_conn_draining ngtcp2_conn_in_draining_period
#define quic_conn_reject_early ngtcp2_conn_tls_early_data_rejected
#define quic_conn_early_rejected ngtcp2_conn_get_tls_early_data_rejected

static inline const ngtcp2_ccerr *quic_conn_ccerr(ngtcp2_conn *conn, quic_ccerr *space)
{
    *space = *ngtcp2_conn_get_ccerr(conn);
    return space;
}

static inline bool quic_ccerr_is_application(const quic_ccerr *error)
{
    return error->type == NGTCP2_CCERR_TYPE_APPLICATION;
}

static inline int quic_conn_reset_write(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_write(conn, 0, stream, code);
}

static inline int quic_conn_stop_reading(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_read(conn, 0, stream, code);
}

static inline ngtcp2_ssize quic_conn_encode_remote_parameters(ngtcp2_conn *conn, uint8_t *data, size_t size)
{
    return ngtcp2_conn_encode_0rtt_transport_params(conn, data, size);
}

static inline int quic_conn_set_early_parameters(ngtcp2_conn *conn, const uint8_t *data, size_t size)
{
    return ngtcp2_conn_decode_and_set_0rtt_transport_params(conn, data, size);
}

static inline void quic_params_original(ngtcp2_transport_params *params, const ngtcp2_cid *id)
{
    params->original_dcid = *id;
    params->original_dcid_present = 1;
}

static inline void quic_settings_token(ngtcp2_settings *settings, const uint8_t *token, size_t size)
{
    settings->token = token;
    settings->tokenlen = size;
}

static inline const uint8_t *quic_hd_token(const ngtcp2_pkt_hd *hd, size_t *ret_size)
{
    *ret_size = hd->tokenlen;
    return hd->token;
}

static inline void quic_conn_numbers(ngtcp2_conn *conn, uint64_t *ret_rtt, uint64_t *ret_min_rtt, uint64_t *ret_cwnd,
                                     uint64_t *ret_delivery_rate, double *ret_pacing_rate)
{
    ngtcp2_conn_info info;

    ngtcp2_conn_get_conn_info(conn, &info);
    *ret_rtt = info.smoothed_rtt;
    *ret_min_rtt = info.min_rtt;
    *ret_cwnd = info.cwnd;
    *ret_delivery_rate = 0; /* not told since 1.0 */
    *ret_pacing_rate = info.smoothed_rtt ? (double)info.cwnd / (double)info.smoothed_rtt * 1.25 : 0;
}

static inline uint64_t quic_conn_in_flight(ngtcp2_conn *conn)
{
    ngtcp2_conn_info info;

    ngtcp2_conn_get_conn_info(conn, &info);
    return info.bytes_in_flight;
}

#else

#define QUIC_DATA_EARLY NGTCP2_STREAM_DATA_FLAG_EARLY
#define QUIC_DATAGRAM_EARLY NGTCP2_DATAGRAM_FLAG_EARLY
typedef ngtcp2_connection_close_error quic_ccerr;
#define quic_ccerr_default ngtcp2_connection_close_error_default
#define quic_ccerr_application ngtcp2_connection_close_error_set_application_error
#define quic_ccerr_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#define quic_ccerr_liberr ngtcp2_connection_close_error_set_transport_error_liberr
#define quic_conn_completed ngtcp2_conn_handshake_completed
#define quic_conn_draining ngtcp2_conn_is_in_draining_period
#define quic_conn_reject_early ngtcp2_conn_early_data_rejected
#define quic_conn_early_rejected ngtcp2_conn_get_early_data_rejected

static inline const quic_ccerr *quic_conn_ccerr(ngtcp2_conn *conn, quic_ccerr *space)
{
    ngtcp2_conn_get_connection_close_error(conn, space);
    return space;
}

static inline bool quic_ccerr_is_application(const quic_ccerr *error)
{
    return error->type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
}

static inline int quic_conn_reset_write(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_write(conn, stream, code);
}

static inline int quic_conn_stop_reading(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_read(conn, stream, code);
}

static inline ngtcp2_ssize quic_conn_encode_remote_parameters(ngtcp2_conn *conn, uint8_t *data, size_t size)
{
    const ngtcp2_transport_params *params = ngtcp2_conn_get_remote_transport_params(conn);

    return params
               ? ngtcp2_encode_transport_params(data, size, NGTCP2_TRANSPORT_PARAMS_TYPE_ENCRYPTED_EXTENSIONS, params)
               : 0;
}

static inline int quic_conn_set_early_parameters(ngtcp2_conn *conn, const uint8_t *data, size_t size)
{
    ngtcp2_transport_params params;
    int r = ngtcp2_decode_transport_params(&params, NGTCP2_TRANSPORT_PARAMS_TYPE_ENCRYPTED_EXTENSIONS, data, size);

    if (r == 0)
        ngtcp2_conn_set_early_remote_transport_params(conn, &params);
    return r;
}

static inline void quic_params_original(ngtcp2_transport_params *params, const ngtcp2_cid *id)
{
    params->original_dcid = *id;
}

static inline void quic_settings_token(ngtcp2_settings *settings, const uint8_t *token, size_t size)
{
    settings->token.base = (uint8_t *)token;
    settings->token.len = size;
}

static inline const uint8_t *quic_hd_token(const ngtcp2_pkt_hd *hd, size_t *ret_size)
{
    *ret_size = hd->token.len;
    return hd->token.base;
}

static inline uint64_t quic_conn_in_flight(ngtcp2_conn *conn)
{
    ngtcp2_conn_stat stat;

    ngtcp2_conn_get_conn_stat(conn, &stat);
    return stat.bytes_in_flight;
}

static inline void quic_conn_numbers(ngtcp2_conn *conn, uint64_t *ret_rtt, uint64_t *ret_min_rtt, uint64_t *ret_cwnd,
                                     uint64_t *ret_delivery_rate, double *ret_pacing_rate)
{
    ngtcp2_conn_stat stat;

    ngtcp2_conn_get_conn_stat(conn, &stat);
    *ret_rtt = stat.first_rtt_sample_ts == UINT64_MAX ? 0 : stat.smoothed_rtt;
    *ret_min_rtt = stat.min_rtt;
    *ret_cwnd = stat.cwnd;
    *ret_delivery_rate = stat.delivery_rate_sec;
    *ret_pacing_rate = stat.pacing_rate > 0 ? stat.pacing_rate
                       : stat.smoothed_rtt  ? (double)stat.cwnd / (double)stat.smoothed_rtt * 1.25
                                            : 0;
}

#endif
#endif
