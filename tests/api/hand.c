/* SPDX-License-Identifier: Apache-2.0 */
#include "hand.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static bool shaken(struct hand *hand)
{
    int r = gnutls_handshake(hand->tls);

    if (r < 0 && gnutls_error_is_fatal(r))
        fail_msg("the handshake failed: %s", gnutls_strerror(r));
    return r == 0;
}

static void connect_to(struct hand *hand, const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    hand->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    assert_int_equal(connect(hand->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void hand_connect(struct hand *hand, struct world *world)
{
    static const gnutls_datum_t alpn = {(unsigned char *)"hawser/1", 8};

    hand->world = world;
    connect_to(hand, hawser_association_endpoint(world->listener));
    assert_int_equal(gnutls_init(&hand->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_certificate_allocate_credentials(&hand->credentials), 0);
    assert_int_equal(gnutls_credentials_set(hand->tls, GNUTLS_CRD_CERTIFICATE, hand->credentials), 0);
    assert_int_equal(gnutls_priority_set_direct(hand->tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL), 0);
    assert_int_equal(gnutls_alpn_set_protocols(hand->tls, &alpn, 1, 0), 0);
    gnutls_transport_set_int2(hand->tls, hand->fd, hand->fd);
    gnutls_handshake_set_timeout(hand->tls, GNUTLS_INDEFINITE_TIMEOUT);
    /* GNUTLS_NONBLOCK does not make the descriptor so, and the listener is on this thread. */
    assert_int_equal(fcntl(hand->fd, F_SETFL, O_NONBLOCK), 0);
    until(world, shaken(hand));
}

void hand_say(struct hand *hand, const void *data, size_t size)
{
    assert_int_equal(gnutls_record_send(hand->tls, data, size), size);
}

size_t hand_hear(struct hand *hand, void *buffer, size_t size)
{
    ssize_t n;

    until(hand->world, (n = gnutls_record_recv(hand->tls, buffer, size)) != GNUTLS_E_AGAIN);
    return n > 0 ? (size_t)n : 0;
}

void hand_close(struct hand *hand)
{
    gnutls_deinit(hand->tls);
    gnutls_certificate_free_credentials(hand->credentials);
    close(hand->fd);
}
