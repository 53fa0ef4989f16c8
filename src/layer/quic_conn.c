/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of ngtcp2 as both ends want it, and what it calls back for: the handshake, ids, paths. */
#include "layer/quic.h"

#include <errno.h>
#include <stdlib.h>

#include <gnutls/crypto.h>

#include "layer/quic_streams.h"

#define HANDSHAKE_TIMEOUT (10 * NGTCP2_SECONDS)
#define IDS_MAX 7    /* of the peer's that we keep, so that there is one for each path that is tried */
#define ACK_EVERY 10 /* packets; with every batch in any case (RFC 9000 section 13.2.2 lets fewer be sent) */
#define TOKEN_MAX 512
#define FIRST_RTT_MIN 50000 /* microseconds: a handshake has keys to compute, and is not to be said twice for that */

static ngtcp2_conn *conn_of_reference(ngtcp2_crypto_conn_ref *reference)
{
    return ((struct quic_layer *)reference->user_data)->conn;
}

/* ---------------------------------------------------------------------------------------------------- the handshake */

/*
 * What could not be checked inside the handshake is checked here. A token shows later that the client receives at its
 * address (RFC 9000 section 8.1.3); the client keeps it with its ticket.
 */
static int give_token(struct quic_layer *quic)
{
    const ngtcp2_path *path = ngtcp2_conn_get_path(quic->conn);
    uint8_t token[NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN];
    ngtcp2_ssize size = ngtcp2_crypto_generate_regular_token(token, quic->secret, sizeof quic->secret,
                                                             path->remote.addr, path->remote.addrlen, quic_time(quic));

    if (size < 0 || ngtcp2_conn_submit_new_token(quic->conn, token, (size_t)size) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

/* Streams carry units, or are the program's own, as the protocol has it that was agreed. */
static int note_protocol(struct quic_layer *quic)
{
    quic->speaks_hawser = strcmp(secure_alpn(&quic->secure), "hawser/1") == 0;
    return quic->speaks_hawser || quic->streams ? 0 : quic_streams_begin(quic);
}

static int on_completed(ngtcp2_conn *conn, void *user)
{
    struct quic_layer *quic = user;
    int r;

    if (!quic->secure.is_server && quic->early_sent &&
        !(gnutls_session_get_flags(quic->secure.session) & GNUTLS_SFLAGS_EARLY_DATA)) {
        if (quic_conn_reject_early(conn) != 0)
            return NGTCP2_ERR_CALLBACK_FAILURE;
        quic->early_lost = true;
        quic_units_reject_early(quic);
    }
    r = secure_finish(&quic->secure, &quic->alert);
    if (r < 0) {
        quic->alert_set = true;
        return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    quic->completed = true;
    if (note_protocol(quic) < 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    quic_tell(quic, LAYER_READABLE | LAYER_WRITABLE);
    if (quic->secure.is_server) {
        quic->confirmed = true;
        if (quic->wire->proven)
            quic->wire->proven(quic);
        return give_token(quic);
    }
    return 0;
}

static int on_confirmed(ngtcp2_conn *conn, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    quic->confirmed = true;
    return 0;
}

/*
 * A hello without QUIC's parameters is refused (RFC 9001 section 8.2) before anything is written: ngtcp2 learns by them which
 * version is spoken, and aborts the process where it writes without.
 */
static bool lacks_parameters(const struct quic_layer *quic)
{
    gnutls_session_t session = quic->secure.session;

    return quic->secure.is_server && gnutls_handshake_get_last_in(session) == GNUTLS_HANDSHAKE_CLIENT_HELLO &&
           !ngtcp2_conn_get_remote_transport_params(quic->conn);
}

static int refuse_hello(struct quic_layer *quic)
{
    quic->alert = GNUTLS_A_MISSING_EXTENSION;
    quic->alert_set = true;
    layer_fail(&quic->layer, -HAWSER_ETLS, "the peer's hello has no QUIC transport parameters");
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

/* The server finds out whose early data it is as soon as it has read the client's hello. */
static int on_crypto(ngtcp2_conn *conn,
#if NGTCP2_VERSION_NUM >= 0x010000
                     ngtcp2_encryption_level level,
#else
                     ngtcp2_crypto_level level,
#endif
                     uint64_t offset, const uint8_t *data, size_t size, void *user)
{
    struct quic_layer *quic = user;
    int r = ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);

    if (r == 0 && lacks_parameters(quic))
        return refuse_hello(quic);
    if (r == 0 && quic->secure.is_server && quic->secure.opening &&
        (gnutls_session_get_flags(quic->secure.session) & GNUTLS_SFLAGS_EARLY_DATA) &&
        (note_protocol(quic) < 0 || secure_open_early(&quic->secure) < 0))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return r;
}

static int on_token(ngtcp2_conn *conn,
#if NGTCP2_VERSION_NUM >= 0x010000
                    const uint8_t *token, size_t size, void *user)
{
#else
                    const ngtcp2_vec *vector, void *user)
{
    const uint8_t *token = vector->base;
    size_t size = vector->len;
#endif
    struct quic_layer *quic = user;
    uint8_t *copy;

    (void)conn;
    if (size == 0 || size > TOKEN_MAX || !(copy = malloc(size)))
        return 0;
    memcpy(copy, token, size);
    free(quic->token);
    quic->token = copy;
    quic->token_size = size;
    secure_keep_ticket(&quic->secure); /* again, if it came before */
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ ids, paths */

static void on_random(uint8_t *data, size_t size, const ngtcp2_rand_ctx *context)
{
    (void)context;
    gnutls_rnd(GNUTLS_RND_NONCE, data, size);
}

static int make_id(struct quic_layer *quic, ngtcp2_cid *id, uint8_t *token)
{
    id->datalen = QUIC_ID_SIZE;
    if (gnutls_rnd(GNUTLS_RND_NONCE, id->data, id->datalen) < 0)
        return -EIO;
    if (token &&
        ngtcp2_crypto_generate_stateless_reset_token(token, quic->reset_secret, sizeof quic->reset_secret, id) != 0)
        return -EIO;
    return quic->wire->add_id ? quic->wire->add_id(quic, id->data, id->datalen) : 0;
}

static int on_new_id(ngtcp2_conn *conn, ngtcp2_cid *id, uint8_t *token, size_t size, void *user)
{
    (void)conn;
    return size == QUIC_ID_SIZE && make_id(user, id, token) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_old_id(ngtcp2_conn *conn, const ngtcp2_cid *id, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    if (quic->wire->remove_id)
        quic->wire->remove_id(quic, id->data, id->datalen);
    return 0;
}

static int on_path(ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path,
#if NGTCP2_VERSION_NUM >= 0x010000
                   const ngtcp2_path *old_path,
#endif
                   ngtcp2_path_validation_result result, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    (void)flags;
#if NGTCP2_VERSION_NUM >= 0x010000
    (void)old_path;
#endif
    if (result != NGTCP2_PATH_VALIDATION_RESULT_ABORTED)
        quic_path_tried(quic, path, result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS);
    return 0;
}

static int on_stateless_reset(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset *packet, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    (void)packet;
    quic->reset = true;
    return 0;
}

/* ------------------------------------------------------------------------------------------------- streams, datagrams */

static int on_stream_open(ngtcp2_conn *conn, int64_t stream, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    return quic->streams ? quic_streams_opened(quic, stream) : quic_inbound_open(quic, stream);
}

static int on_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t offset, const uint8_t *data,
                          size_t size, void *user, void *stream_user)
{
    struct quic_layer *quic = user;
    bool end = flags & NGTCP2_STREAM_DATA_FLAG_FIN;

    (void)conn;
    (void)offset;
    if (quic->streams)
        return quic_streams_data(quic, stream_user, data, size, end);
    (void)stream;
    return stream_user ? quic_inbound_add(quic, stream_user, data, size, end, false, flags & QUIC_DATA_EARLY) : 0;
}

static int on_stream_reset(ngtcp2_conn *conn, int64_t stream, uint64_t final_size, uint64_t code, void *user,
                           void *stream_user)
{
    struct quic_layer *quic = user;

    (void)conn;
    (void)stream;
    (void)final_size;
    if (!stream_user)
        return 0;
    if (quic->streams)
        return quic_streams_reset_by_peer(quic, stream_user, code);
    return quic_inbound_add(quic, stream_user, NULL, 0, false, true, false);
}

static int on_stop_sending(ngtcp2_conn *conn, int64_t stream, uint64_t code, void *user, void *stream_user)
{
    struct quic_layer *quic = user;

    (void)conn;
    (void)stream;
    if (quic->streams && stream_user)
        quic_streams_stopped(quic, stream_user, code);
    return 0;
}

static int on_acked(ngtcp2_conn *conn, int64_t stream, uint64_t offset, uint64_t size, void *user, void *stream_user)
{
    struct quic_layer *quic = user;

    (void)conn;
    (void)stream;
    if (quic->streams && stream_user)
        quic_streams_acked(quic, stream_user, offset + size);
    return 0;
}

static int on_stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t code, void *user,
                           void *stream_user)
{
    struct quic_layer *quic = user;

    (void)code;
    quic->packets_lost += ngtcp2_conn_get_stream_loss_count(conn, stream);
    if (quic->streams)
        return quic_streams_closed(quic, stream, stream_user);
    if (stream_user && ngtcp2_conn_is_local_stream(conn, stream))
        quic_units_closed(quic, stream_user, !(flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET));
    return 0;
}

static int on_room(ngtcp2_conn *conn, int64_t stream, uint64_t max, void *user, void *stream_user)
{
    struct quic_layer *quic = user;

    (void)conn;
    (void)stream;
    (void)max;
    if (quic->streams && stream_user)
        quic_streams_room(quic, stream_user);
    return 0;
}

static int on_more_streams(ngtcp2_conn *conn, uint64_t max, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    (void)max;
    if (quic->streams)
        quic_tell(quic, LAYER_WRITABLE);
    return 0;
}

static int on_datagram(ngtcp2_conn *conn, uint32_t flags, const uint8_t *data, size_t size, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    /* A peer of another protocol has no use of them here, and was not offered any. */
    return quic->streams ? 0 : quic_inbound_add(quic, NULL, data, size, true, false, flags & QUIC_DATAGRAM_EARLY);
}

static int on_datagram_acked(ngtcp2_conn *conn, uint64_t number, void *user)
{
    (void)conn;
    quic_units_datagram(user, number, true);
    return 0;
}

static int on_datagram_lost(ngtcp2_conn *conn, uint64_t number, void *user)
{
    struct quic_layer *quic = user;

    (void)conn;
    quic->packets_lost++;
    quic_units_datagram(quic, number, false);
    return 0;
}

static const ngtcp2_callbacks callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = on_crypto,
    .handshake_completed = on_completed,
    .handshake_confirmed = on_confirmed,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .rand = on_random,
    .get_new_connection_id = on_new_id,
    .remove_connection_id = on_old_id,
    .update_key = ngtcp2_crypto_update_key_cb,
    .path_validation = on_path,
    .recv_stateless_reset = on_stateless_reset,
    .recv_new_token = on_token,
    .stream_open = on_stream_open,
    .recv_stream_data = on_stream_data,
    .acked_stream_data_offset = on_acked,
    .stream_close = on_stream_close,
    .stream_reset = on_stream_reset,
    .stream_stop_sending = on_stop_sending,
    .extend_max_stream_data = on_room,
    .extend_max_local_streams_bidi = on_more_streams,
    .extend_max_local_streams_uni = on_more_streams,
    .recv_datagram = on_datagram,
    .ack_datagram = on_datagram_acked,
    .lost_datagram = on_datagram_lost,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};

/* -------------------------------------------------------------------------------------------------------- parameters */

/* A listener's other name of hawser/1 is for DTLS, and is no program's protocol. */
static bool offers(const struct tls_config *config, bool hawser)
{
    bool any = false;

    for (size_t i = 0; i < sizeof config->alpn / sizeof *config->alpn && config->alpn[i]; i++)
        if (strcmp(config->alpn[i], ALPN_SESSION_SCTP) != 0)
            any |= (strcmp(config->alpn[i], ALPN_SESSION) == 0) == hawser;
    return any;
}

/* Parameters leave before it is known which protocol is spoken: what only one of them uses is offered if that one is. */
static void fill_parameters(const struct quic_layer *quic, ngtcp2_transport_params *params)
{
    bool units = offers(quic->secure.config, true), bare = offers(quic->secure.config, false);

    ngtcp2_transport_params_default(params);
    params->initial_max_data = QUIC_WINDOW;
    params->initial_max_stream_data_uni = units ? QUIC_UNIT_WINDOW : QUIC_STREAM_WINDOW;
    params->initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_remote =
        bare ? QUIC_STREAM_WINDOW : 0;
    params->initial_max_streams_uni = units ? QUIC_UNITS_MAX : QUIC_STREAMS_MAX;
    params->initial_max_streams_bidi = bare ? QUIC_STREAMS_MAX : 0;
    params->max_datagram_frame_size = units ? QUIC_DATAGRAM_MAX : 0;
    params->active_connection_id_limit = IDS_MAX;
    params->max_idle_timeout = quic->secure.config->idle > 0 ? (uint64_t)quic->secure.config->idle * 1000 : 0;
}

static void fill_settings(struct quic_layer *quic, ngtcp2_settings *settings)
{
    ngtcp2_settings_default(settings);
    settings->initial_ts = quic_time(quic);
    settings->handshake_timeout = HANDSHAKE_TIMEOUT;
    settings->max_window = QUIC_WINDOW_MAX;
    settings->max_stream_window = QUIC_STREAM_WINDOW_MAX;
    settings->ack_thresh = ACK_EVERY;
    settings->cc_algo = NGTCP2_CC_ALGO_CUBIC;
    /* What was measured before is as good a guess as any, and mostly a better one (RFC 9002 section 6.2.2). */
    if (quic->first_rtt > 0 && (uint64_t)quic->first_rtt * 1000 < settings->initial_rtt)
        settings->initial_rtt = (uint64_t)(quic->first_rtt < FIRST_RTT_MIN ? FIRST_RTT_MIN : quic->first_rtt) * 1000;
}

static void make_path(ngtcp2_path *path, const struct layer_address *local, const struct layer_address *remote)
{
    *path = (ngtcp2_path){
        .local = {(ngtcp2_sockaddr *)&local->address, local->size},
        .remote = {(ngtcp2_sockaddr *)&remote->address, remote->size},
    };
}

static int attach_session(struct quic_layer *quic)
{
    gnutls_session_t session = quic->secure.session;
    int r = quic->secure.is_server ? ngtcp2_crypto_gnutls_configure_server_session(session)
                                   : ngtcp2_crypto_gnutls_configure_client_session(session);

    quic->reference = (ngtcp2_crypto_conn_ref){conn_of_reference, quic};
    gnutls_session_set_ptr(session, &quic->reference);
    /* ngtcp2 lets peers clear the bit that tells QUIC from others on a port, whatever it was told (RFC 9287 section 3,
     * RFC 9443): what the peer is told comes from here. */
    ((ngtcp2_transport_params *)ngtcp2_conn_get_local_transport_params(quic->conn))->grease_quic_bit = 0;
    ngtcp2_conn_set_tls_native_handle(quic->conn, session);
    secure_start(&quic->secure);
    return r == 0 ? 0 : -ENOMEM;
}

void quic_secret_set(struct quic_layer *quic, const uint8_t *secret, const uint8_t *reset_secret)
{
    memcpy(quic->secret, secret, sizeof quic->secret);
    memcpy(quic->reset_secret, reset_secret, sizeof quic->reset_secret);
}

/* ------------------------------------------------------------------------------------------------------- the two ends */

static void allow_early(struct quic_layer *quic)
{
    struct secure_opening *opening = quic->secure.opening;
    const struct ticket *ticket = &opening->ticket;

    if (opening->early_room > 0 &&
        (ticket->parameters_size == 0 ||
         quic_conn_set_early_parameters(quic->conn, ticket_parameters(ticket), ticket->parameters_size) != 0))
        opening->early_room = 0;
}

int quic_begin_client(struct quic_layer *quic, const struct layer_address *local, const struct layer_address *remote)
{
    const struct ticket *ticket = &quic->secure.opening->ticket;
    ngtcp2_transport_params params;
    ngtcp2_settings settings;
    ngtcp2_cid ours, theirs = {.datalen = 18};
    ngtcp2_path path;
    int r = make_id(quic, &ours, NULL);

    if (r < 0 || gnutls_rnd(GNUTLS_RND_NONCE, theirs.data, theirs.datalen) < 0)
        return r < 0 ? r : -EIO;
    fill_parameters(quic, &params);
    fill_settings(quic, &settings);
    if (ticket->session && ticket->token_size)
        quic_settings_token(&settings, ticket_token(ticket), ticket->token_size);
    make_path(&path, local, remote);
    if (ngtcp2_conn_client_new(&quic->conn, &theirs, &ours, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params,
                               NULL, quic) != 0)
        return -ENOMEM;
    r = attach_session(quic);
    if (r == 0)
        allow_early(quic);
    return r;
}

int quic_begin_server(struct quic_layer *quic, const struct udp_packet *packet)
{
    ngtcp2_transport_params params;
    ngtcp2_settings settings;
    ngtcp2_pkt_hd head;
    ngtcp2_cid ours, original;
    ngtcp2_path path;
    const uint8_t *token;
    size_t token_size;
    bool retried;
    int r;

    if (ngtcp2_accept(&head, packet->data, packet->segment) != 0)
        return -EBADMSG;
    token = quic_hd_token(&head, &token_size);
    retried = token_size > 0 && *token == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY &&
              ngtcp2_crypto_verify_retry_token(&original, token, token_size, quic->secret, sizeof quic->secret,
                                               head.version, (const ngtcp2_sockaddr *)&packet->remote.address,
                                               packet->remote.size, &head.dcid, QUIC_RETRY_LIFE, quic_time(quic)) == 0;
    fill_parameters(quic, &params);
    fill_settings(quic, &settings);
    quic_params_original(&params, retried ? &original : &head.dcid);
    if (retried) {
        params.retry_scid = head.dcid;
        params.retry_scid_present = 1;
    }
    if (retried || quic_token_valid(quic->secret, token, token_size, &packet->remote, quic_time(quic)))
        quic_settings_token(&settings, token, token_size);
    r = make_id(quic, &ours, params.stateless_reset_token);
    if (r < 0)
        return r;
    params.stateless_reset_token_present = 1;
    /* Until the client knows ours, it writes to the one that it chose; and what comes late, or again, is no new line. */
    if (quic->wire->add_id && (r = quic->wire->add_id(quic, head.dcid.data, head.dcid.datalen)) < 0)
        return r;
    quic->first_local = packet->local;
    make_path(&path, &packet->local, &packet->remote);
    if (ngtcp2_conn_server_new(&quic->conn, &head.scid, &ours, &path, head.version, &callbacks, &settings, &params,
                               NULL, quic) != 0)
        return -ENOMEM;
    return attach_session(quic);
}
