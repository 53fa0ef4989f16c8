/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QUIC on a port: whom a packet is for, and what is answered to one that is for nobody without keeping anything: another
 * version, a retry where many have not shown that they receive at their address, a stateless reset (RFC 9000 sections 6,
 * 8.1 and 10.3).
 */
#include "layer/quic.h"

#include <string.h>

#include <gnutls/crypto.h>

#define RESET_MIN 43 /* a packet that may be answered by a reset, which is shorter than what it answers */
#define RESET_SIZE 41

static uint64_t time_now(void)
{
    return (uint64_t)loop_clock() * 1000;
}

/* A long header, or one of those that a client may still send to a line that we have forgotten (RFC 9443). */
static bool begins(uint8_t first_byte)
{
    return first_byte & 0x40;
}

static size_t id_of(const struct udp_packet *packet, const uint8_t **ret_id)
{
    const uint8_t *data = packet->data;
    size_t size = packet->size < packet->segment ? packet->size : packet->segment;

    if (size > 6 && (data[0] & 0x80) && data[5] > 0 && data[5] <= UDP_ID_MAX && size >= 6u + data[5]) {
        *ret_id = data + 6;
        return data[5];
    }
    if (size > QUIC_ID_SIZE && !(data[0] & 0x80)) {
        *ret_id = data + 1;
        return QUIC_ID_SIZE;
    }
    return 0;
}

bool quic_token_valid(const uint8_t secret[32], const uint8_t *token, size_t size, const struct layer_address *remote,
                      uint64_t now)
{
    return size > 0 && *token == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR &&
           ngtcp2_crypto_verify_regular_token(token, size, secret, 32, (const ngtcp2_sockaddr *)&remote->address,
                                              remote->size, QUIC_TOKEN_LIFE, now) == 0;
}

/* ---------------------------------------------------------------------------------------------------------- answers */

/* Below the size of a first packet nothing is answered: who sends little gets less (RFC 9000 section 14.1). */
static enum udp_first answer_version(struct udp_port *port, const struct udp_packet *packet,
                                     const ngtcp2_version_cid *ids)
{
    uint32_t versions[2] = {NGTCP2_PROTO_VER_V1, 0x1a2a3a4a}; /* the latter is reserved, so that nobody counts on few */
    uint8_t data[128], random;
    ngtcp2_ssize size;

    if (packet->segment < NGTCP2_MAX_UDP_PAYLOAD_SIZE || gnutls_rnd(GNUTLS_RND_NONCE, &random, 1) < 0)
        return UDP_IGNORE;
    size = ngtcp2_pkt_write_version_negotiation(data, sizeof data, random, ids->scid, ids->scidlen, ids->dcid,
                                                ids->dcidlen, versions, 2);
    if (size < 0)
        return UDP_IGNORE;
    udp_port_answer(port, packet, data, (size_t)size);
    return UDP_ANSWERED;
}

static enum udp_first answer_retry(struct udp_port *port, const struct udp_packet *packet, const ngtcp2_pkt_hd *head)
{
    uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN], data[256];
    ngtcp2_cid ours = {.datalen = QUIC_ID_SIZE};
    ngtcp2_ssize size;

    if (gnutls_rnd(GNUTLS_RND_NONCE, ours.data, ours.datalen) < 0)
        return UDP_IGNORE;
    size = ngtcp2_crypto_generate_retry_token(token, udp_port_secret(port), 32, head->version,
                                              (const ngtcp2_sockaddr *)&packet->remote.address, packet->remote.size,
                                              &ours, &head->dcid, time_now());
    if (size > 0)
        size = ngtcp2_crypto_write_retry(data, sizeof data, head->version, &head->scid, &ours, &head->dcid, token,
                                         (size_t)size);
    if (size <= 0)
        return UDP_IGNORE;
    udp_port_answer(port, packet, data, (size_t)size);
    return UDP_ANSWERED;
}

static enum udp_first refuse_token(struct udp_port *port, const struct udp_packet *packet, const ngtcp2_pkt_hd *head)
{
    uint8_t data[256];
    ngtcp2_ssize size = ngtcp2_crypto_write_connection_close(data, sizeof data, head->version, &head->scid, &head->dcid,
                                                             NGTCP2_INVALID_TOKEN, NULL, 0);

    if (size <= 0)
        return UDP_IGNORE;
    udp_port_answer(port, packet, data, (size_t)size);
    return UDP_ANSWERED;
}

/* Looks like a packet to whoever does not know the token (RFC 9000 section 10.3). */
static enum udp_first answer_reset(struct udp_port *port, const struct udp_packet *packet)
{
    uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], random[RESET_SIZE - NGTCP2_STATELESS_RESET_TOKENLEN];
    uint8_t data[RESET_SIZE];
    ngtcp2_cid id;
    ngtcp2_ssize size;

    if (packet->segment < RESET_MIN || gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random) < 0)
        return UDP_IGNORE;
    ngtcp2_cid_init(&id, packet->data + 1, QUIC_ID_SIZE);
    if (ngtcp2_crypto_generate_stateless_reset_token(token, udp_port_reset_secret(port), 32, &id) != 0)
        return UDP_IGNORE;
    size = ngtcp2_pkt_write_stateless_reset(data, sizeof data, token, random, sizeof random);
    if (size <= 0)
        return UDP_IGNORE;
    udp_port_answer(port, packet, data, (size_t)size);
    return UDP_ANSWERED;
}

/* ------------------------------------------------------------------------------------------------------------ who begins */

static enum udp_first begin(struct udp_port *port, const struct udp_packet *packet, const ngtcp2_pkt_hd *head)
{
    const uint8_t *secret = udp_port_secret(port);
    ngtcp2_cid original;
    size_t size;
    const uint8_t *token = quic_hd_token(head, &size);

    if (size > 0 && *token == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) {
        if (ngtcp2_crypto_verify_retry_token(&original, token, size, secret, 32, head->version,
                                             (const ngtcp2_sockaddr *)&packet->remote.address, packet->remote.size,
                                             &head->dcid, QUIC_RETRY_LIFE, time_now()) == 0)
            return UDP_ACCEPT;
        return refuse_token(port, packet, head); /* RFC 9000 section 8.1.2 */
    }
    if (udp_port_busy(port) && !quic_token_valid(secret, token, size, &packet->remote, time_now()))
        return answer_retry(port, packet, head);
    return UDP_ACCEPT;
}

static enum udp_first first(struct udp_port *port, const struct udp_packet *packet)
{
    ngtcp2_version_cid ids;
    ngtcp2_pkt_hd head;
    int r = ngtcp2_pkt_decode_version_cid(&ids, packet->data, packet->segment, QUIC_ID_SIZE);

    if (r == NGTCP2_ERR_VERSION_NEGOTIATION)
        return answer_version(port, packet, &ids);
    if (r != 0)
        return UDP_IGNORE;
    if (!(packet->data[0] & 0x80))
        return answer_reset(port, packet);
    return ngtcp2_accept(&head, packet->data, packet->segment) == 0 && head.version == NGTCP2_PROTO_VER_V1
               ? begin(port, packet, &head)
               : UDP_IGNORE;
}

const struct udp_protocol quic_protocol = {
    .stack = "quic/udp",
    .begins = begins,
    .first = first,
    .id = id_of,
    .proves = true,
};
