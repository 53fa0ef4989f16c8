/* SPDX-License-Identifier: Apache-2.0 */
/* A peer of a UDP port that leaves it for a socket of its own, and so for another context. (S1.20) */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "udp_accepting.h"

/* Its socket was the others' as well: with one of its own it goes, and they stay. */
static void a_peer_leaves_the_port_with_a_socket_of_its_own(void **state)
{
    struct accepting accepting;
    hawser_context *other = context_new();
    int leaving = plain_socket(*state), staying = plain_socket(*state);
    struct layer_address to, from;
    struct layer *peer;
    char came[8];

    port_open(&accepting, *state, plain, 100);
    to = port_address(&accepting, *state);
    plain_send(leaving, &to, "a", 1);
    run_until(&accepting, 1);
    plain_send(staying, &to, "b", 1);
    run_until(&accepting, 2);
    peer = accepting.peers[0];
    assert_int_equal(layer_next(peer, came, sizeof came), 1);
    assert_false(udp_port_quiet(accepting.port));
    assert_int_equal(layer_loosen(peer), 0);
    assert_true(udp_port_quiet(accepting.port)); /* what came for it before is no stranger's */
    assert_null(udp_port_of(peer));
    peer->type->detach(peer);
    assert_int_equal(peer->type->attach(peer, other), 0);
    assert_int_equal(peer->type->send(peer, "y", 1), 1);
    assert_int_equal(plain_receive(other, leaving, came, sizeof came, &from), 1);
    assert_true(udp_same_address(&from, &to));
    plain_send(leaving, &to, "for it", 6);
    plain_send(staying, &to, "for the port's", 3);
    assert_int_equal(layer_next(peer, came, sizeof came), 6);
    assert_int_equal(layer_next(accepting.peers[1], came, sizeof came), 1);
    assert_int_equal(layer_next(accepting.peers[1], came, sizeof came), 3);
    run_all(&accepting);
    assert_int_equal(accepting.count, 2);
    accepting.peers[0] = NULL;
    port_close(&accepting); /* with its context: nothing of it is needed */
    plain_send(leaving, &to, "still", 5);
    assert_int_equal(layer_next(peer, came, sizeof came), 5);
    layer_destroy(peer);
    close(leaving);
    close(staying);
    hawser_context_unref(other);
}

/* Where several ports share the address and port, the system deals out strangers to them: none comes to the one that left. */
static void strangers_still_come_to_the_ports(void **state)
{
    enum { STRANGERS = 24 };
    struct accepting sides[2];
    struct layer_address to;
    struct layer *left;
    int leaving = plain_socket(*state), fds[STRANGERS], side;
    char came[8];

    to = ports_share(sides, *state);
    plain_send(leaving, &to, "a", 1);
    for (int64_t end = loop_clock() + WAIT; sides[0].count + sides[1].count == 0 && loop_clock() < end;)
        for (int i = 0; i < 2; i++)
            hawser_iterate(sides[i].context, 1000);
    side = sides[0].count ? 0 : 1;
    left = sides[side].peers[0];
    assert_int_equal(layer_next(left, came, sizeof came), 1);
    assert_int_equal(layer_loosen(left), 0);
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = plain_socket(*state);
        plain_send(fds[i], &to, "s", 1);
    }
    plain_send(leaving, &to, "bcd", 3);
    assert_int_equal(layer_next(left, came, sizeof came), 3);
    assert_int_equal(left->type->receive(left, came, sizeof came), -EAGAIN);
    for (int i = 0; i < 2; i++)
        run_all(&sides[i]);
    assert_int_equal(sides[0].count + sides[1].count, 1 + STRANGERS);
    for (int i = 0; i < STRANGERS; i++)
        close(fds[i]);
    close(leaving);
    for (int i = 0; i < 2; i++)
        port_close(&sides[i]);
}

/* A port says to who writes to a line that it does not know that there is none, but not while one that has just left may be meant. */
static void a_line_that_left_is_not_reset(void **state)
{
    static const struct udp_protocol *const quic_and_plain[] = {&quic_protocol, &plain_protocol, NULL};
    const uint8_t of_quic[60] = {0x40}, of_plain = 0x01;
    int stranger = plain_socket(*state), leaving = plain_socket(*state);
    struct accepting accepting;
    struct layer_address to;
    uint8_t came[100];

    port_open(&accepting, *state, quic_and_plain, 100);
    to = port_address(&accepting, *state);
    plain_send(stranger, &to, of_quic, sizeof of_quic);
    assert_true(plain_receive(accepting.context, stranger, came, sizeof came, NULL) > 21);
    plain_send(leaving, &to, &of_plain, 1);
    run_until(&accepting, 1);
    assert_int_equal(layer_loosen(accepting.peers[0]), 0);
    plain_send(stranger, &to, of_quic, sizeof of_quic);
    run_all(&accepting);
    assert_int_equal(recv(stranger, came, sizeof came, MSG_DONTWAIT), -1);
    assert_int_equal(accepting.count, 1); /* nor is it taken for somebody who begins */
    close(stranger);
    close(leaving);
    port_close(&accepting);
}

/* Somebody else has the address and port, and shares them with nobody who asks later. */
static void a_peer_without_a_socket_of_its_own_stays(void **state)
{
    const int on = 1;
    int blocker = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), taken = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fd = plain_socket("127.0.0.1");
    struct layer_address to = address_of("127.0.0.1", 0), elsewhere = name_of(fd);
    struct accepting accepting = {.context = context_new()};
    struct udp_port_config config = {
        .fd = taken, .protocols = plain, .unproven_max = 4, .accepted = on_accepted, .user = &accepting};
    char came[8];

    (void)state;
    assert_int_equal(setsockopt(blocker, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(setsockopt(taken, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(taken, (struct sockaddr *)&to.address, to.size), 0);
    to = name_of(taken);
    assert_int_equal(bind(blocker, (struct sockaddr *)&to.address, to.size), 0);
    assert_int_equal(connect(blocker, (struct sockaddr *)&to.address, to.size), 0); /* it hears itself alone */
    config.local = to;
    assert_int_equal(udp_port_new(accepting.context, &config, &accepting.port), 0);
    plain_send(fd, &to, "a", 1);
    run_until(&accepting, 1);
    assert_int_equal(layer_loosen(accepting.peers[0]), -EADDRINUSE);
    assert_ptr_equal(udp_port_of(accepting.peers[0]), accepting.port);
    assert_false(udp_port_quiet(accepting.port));
    assert_int_equal(accepting.peers[0]->type->send(accepting.peers[0], "y", 1), 1);
    assert_int_equal(plain_receive(accepting.context, fd, came, sizeof came, &elsewhere), 1);
    plain_send(fd, &to, "bc", 2);
    assert_int_equal(layer_next(accepting.peers[0], came, sizeof came), 1);
    assert_int_equal(layer_next(accepting.peers[0], came, sizeof came), 2);
    close(blocker);
    close(fd);
    port_close(&accepting);
}

#define BOTH(test)                                                                                                     \
    {#test " 4", test, NULL, NULL, (void *)(uintptr_t) "127.0.0.1"},                                                   \
    {                                                                                                                  \
#test " 6", test, NULL, NULL, (void *)(uintptr_t) "::1"                                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_peer_leaves_the_port_with_a_socket_of_its_own),
        BOTH(strangers_still_come_to_the_ports),
        BOTH(a_line_that_left_is_not_reset),
        cmocka_unit_test(a_peer_without_a_socket_of_its_own_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
