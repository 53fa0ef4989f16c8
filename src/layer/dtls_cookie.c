/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cookies (RFC 6347 section 4.2.1): a listener keeps nothing of who has not shown that it receives at its address, and
 * answers less than was sent. The key of the cookies changes each minute, and the one before holds too.
 */
#include "layer/dtls.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>
#include <gnutls/dtls.h>

#define PERIOD 60000000 /* microseconds */
#define HANDSHAKE 22    /* of a record (RFC 5246 section 6.2.1) */
#define RECORD_HEAD 13
#define HELLO_MIN 64 /* bytes: our answer is not larger */

static bool dtls_begins(uint8_t first_byte)
{
    return first_byte == HANDSHAKE;
}

static int make_key(const uint8_t *secret, int64_t period, uint8_t key[GNUTLS_COOKIE_KEY_SIZE])
{
    struct {
        char label[24];
        int64_t period;
    } use = {"hawser dtls cookie", period};
    uint8_t digest[32];

    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret, 32, &use, sizeof use, digest) < 0)
        return -ENOMEM;
    memcpy(key, digest, GNUTLS_COOKIE_KEY_SIZE);
    return 0;
}

/* The address without what is no part of it. */
struct client {
    uint8_t address[16];
    uint16_t port;
    uint16_t family;
    uint32_t scope;
};

static struct client client_of(const struct layer_address *remote)
{
    const struct sockaddr_in *v4 = (const void *)&remote->address;
    const struct sockaddr_in6 *v6 = (const void *)&remote->address;
    struct client client = {.family = remote->address.ss_family};

    if (remote->address.ss_family == AF_INET6) {
        memcpy(client.address, &v6->sin6_addr, sizeof client.address);
        client.port = v6->sin6_port;
        client.scope = v6->sin6_scope_id;
    } else {
        memcpy(client.address, &v4->sin_addr, sizeof v4->sin_addr);
        client.port = v4->sin_port;
    }
    return client;
}

static bool cookie_is_ours(const uint8_t *secret, const struct layer_address *remote, uint8_t *data, size_t size,
                           gnutls_dtls_prestate_st *prestate)
{
    struct client client = client_of(remote);
    int64_t now = loop_clock() / PERIOD;

    for (int64_t period = now; period > now - 2; period--) {
        uint8_t key[GNUTLS_COOKIE_KEY_SIZE];
        gnutls_datum_t datum = {key, sizeof key};
        memset(prestate, 0, sizeof *prestate);
        if (make_key(secret, period, key) == 0 &&
            gnutls_dtls_cookie_verify(&datum, &client, sizeof client, data, size, prestate) >= 0)
            return true;
    }
    return false;
}

static int give_cookie(const uint8_t *secret, const struct layer_address *remote, gnutls_dtls_prestate_st *prestate,
                       void *user, gnutls_push_func push)
{
    struct client client = client_of(remote);
    uint8_t key[GNUTLS_COOKIE_KEY_SIZE];
    gnutls_datum_t datum = {key, sizeof key};

    if (make_key(secret, loop_clock() / PERIOD, key) < 0)
        return -ENOMEM;
    return gnutls_dtls_cookie_send(&datum, &client, sizeof client, prestate, user, push) < 0 ? -EIO : 0;
}

/* A client's hello, or what begins like one: the rest is for GnuTLS to find out. */
static bool is_hello(const uint8_t *data, size_t size)
{
    return size >= HELLO_MIN && data[0] == HANDSHAKE && data[1] == 0xfe && data[3] == 0 && data[4] == 0 &&
           data[RECORD_HEAD] == GNUTLS_HANDSHAKE_CLIENT_HELLO;
}

/* --------------------------------------------------------------------------------------------------------- a listener's */

struct answer {
    struct udp_port *port;
    const struct udp_packet *packet;
};

static ssize_t push_answer(gnutls_transport_ptr_t user, const void *data, size_t size)
{
    struct answer *answer = user;

    if (size <= answer->packet->size) /* never more than came: nobody is flooded with our help */
        (void)udp_port_answer(answer->port, answer->packet, data, size);
    return (ssize_t)size;
}

static enum udp_first dtls_first(struct udp_port *port, const struct udp_packet *packet)
{
    struct answer answer = {port, packet};
    gnutls_dtls_prestate_st prestate;
    size_t size = packet->segment && packet->segment < packet->size ? packet->segment : packet->size;

    if (!is_hello(packet->data, size))
        return UDP_IGNORE;
    if (cookie_is_ours(udp_port_secret(port), &packet->remote, packet->data, size, &prestate))
        return UDP_ACCEPT;
    (void)give_cookie(udp_port_secret(port), &packet->remote, &prestate, &answer, push_answer);
    return UDP_ANSWERED;
}

const struct udp_protocol dtls_protocol = {
    .stack = "dtls/udp", .begins = dtls_begins, .first = dtls_first, .proves = true};

/* ------------------------------------------------------------------------------------------------------- an acceptor's */

static ssize_t push_below(gnutls_transport_ptr_t user, const void *data, size_t size)
{
    struct layer *below = user;

    (void)below->type->send(below, data, size);
    return (ssize_t)size;
}

/* Who came by a port has had its cookie checked, and GnuTLS is told with which numbers it goes on. */
static int look_at(struct dtls_layer *dtls, const uint8_t *secret, const struct layer_address *remote, size_t size)
{
    struct layer *below = dtls->layer.below;
    gnutls_dtls_prestate_st prestate;

    if (!is_hello(dtls->in, size))
        return -EAGAIN;
    if (!cookie_is_ours(secret, remote, dtls->in, size, &prestate)) {
        (void)give_cookie(secret, remote, &prestate, below, push_below);
        return -EAGAIN;
    }
    gnutls_dtls_prestate_set(dtls->secure.session, &prestate);
    if (below->type == &udp_layer && udp_port_of(below))
        udp_port_proven(below);
    dtls->first = malloc(size);
    if (!dtls->first)
        return layer_fail(&dtls->layer, -ENOMEM, "no memory");
    memcpy(dtls->first, dtls->in, size);
    dtls->first_size = size;
    return 0;
}

int dtls_await_cookie(struct dtls_layer *dtls)
{
    struct layer *below = dtls->layer.below;
    struct udp_port *port = below->type == &udp_layer ? udp_port_of(below) : NULL;
    const gnutls_datum_t *own = security_ticket_key(dtls->layer.context);
    struct layer_address local, remote = {0};
    const uint8_t *secret = port ? udp_port_secret(port) : own ? own->data : NULL;
    int r = -EAGAIN;

    if (!secret || (!dtls->in && !(dtls->in = malloc(DTLS_RECORD))))
        return layer_fail(&dtls->layer, -ENOMEM, "no memory");
    below->type->addresses(below, &local, &remote);
    while (r == -EAGAIN) {
        ssize_t n = below->type->receive(below, dtls->in, DTLS_RECORD);
        if (n < 0) {
            dtls_done_reading(dtls);
            return (int)n;
        }
        r = look_at(dtls, secret, &remote, (size_t)n);
    }
    dtls_done_reading(dtls);
    return r;
}
