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
    assert_int_equal(layer_loosen(peer), 0);
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

/* Each from a socket of its own; then what they wrote was told to one of the ports. */
static void all_write(const int *fds, unsigned count, const struct layer_address *to, struct accepting sides[2])
{
    for (unsigned i = 0; i < count; i++)
        plain_send(fds[i], to, "s", 1);
    for (int i = 0; i < 2; i++)
        run_all(&sides[i]);
}

/*
 * Where several ports share the address and port, the system deals out strangers to them by a hash, and by how many they are. One
 * that left with its own socket is none of them: peers come to where they came before, and strangers to the ports.
 */
static void others_come_to_where_they_came(void **state)
{
    enum { OTHERS = 24 };
    struct accepting sides[2];
    struct layer_address to;
    struct layer *left;
    int leaving = plain_socket(*state), known[OTHERS], strangers[OTHERS];
    unsigned before;
    char came[8];

    to = ports_share(sides, *state);
    all_write(&leaving, 1, &to, sides);
    left = sides[sides[0].count ? 0 : 1].peers[0];
    assert_int_equal(layer_next(left, came, sizeof came), 1);
    for (int i = 0; i < OTHERS; i++) {
        known[i] = plain_socket(*state);
        strangers[i] = plain_socket(*state);
    }
    all_write(known, OTHERS, &to, sides);
    before = sides[0].count;
    assert_int_equal(before + sides[1].count, 1 + OTHERS);
    assert_int_equal(layer_loosen(left), 0);
    all_write(known, OTHERS, &to, sides);
    assert_int_equal(sides[0].count, before);
    assert_int_equal(sides[0].count + sides[1].count, 1 + OTHERS);
    all_write(strangers, OTHERS, &to, sides);
    assert_int_equal(sides[0].count + sides[1].count, 1 + 2 * OTHERS);
    plain_send(leaving, &to, "bcd", 3);
    assert_int_equal(layer_next(left, came, sizeof came), 3);
    assert_int_equal(left->type->receive(left, came, sizeof came), -EAGAIN);
    for (int i = 0; i < OTHERS; i++) {
        close(known[i]);
        close(strangers[i]);
    }
    close(leaving);
    for (int i = 0; i < 2; i++)
        port_close(&sides[i]);
}

static int open_another(struct accepting *accepting, struct layer_address at)
{
    const struct udp_port_config config = {.local = at,
                                           .fd = -1,
                                           .reuse_port = true,
                                           .protocols = plain,
                                           .unproven_max = 100,
                                           .accepted = on_accepted,
                                           .user = accepting};

    memset(accepting, 0, sizeof *accepting);
    accepting->context = context_new();
    return udp_port_new(accepting->context, &config, &accepting->port);
}

/* At all addresses of the host another port can be opened at any time, and takes its part of the strangers and no more. */
static void another_port_takes_its_part(void **state)
{
    enum { OTHERS = 48 };
    const bool v6 = strchr(*state, ':');
    struct accepting sides[2];
    struct layer_address to, at;
    int leaving = plain_socket(*state), fds[OTHERS];

    at = address_of(v6 ? "::" : "0.0.0.0", 0);
    assert_int_equal(open_another(&sides[0], at), 0);
    to = port_address(&sides[0], *state);
    at = address_of(v6 ? "::" : "0.0.0.0", port_of(&to));
    plain_send(leaving, &to, "a", 1);
    run_until(&sides[0], 1);
    assert_int_equal(layer_loosen(sides[0].peers[0]), 0);
    assert_int_equal(open_another(&sides[1], at), 0);
    for (int i = 0; i < OTHERS; i++)
        fds[i] = plain_socket(*state);
    all_write(fds, OTHERS, &to, sides);
    assert_int_equal(sides[0].count + sides[1].count, 1 + OTHERS);
    assert_true(sides[0].count > 1 && sides[1].count > 0);
    for (int i = 0; i < OTHERS; i++)
        close(fds[i]);
    close(leaving);
    for (int i = 0; i < 2; i++)
        port_close(&sides[i]);
}

/* At one address it would form a group with those that left, and the ports that were there would hear nothing more: it is refused. */
static void another_port_starves_nobody(void **state)
{
    struct accepting sides[2], another;
    struct layer_address to;
    int leaving = plain_socket(*state);
    unsigned side;

    to = ports_share(sides, *state);
    all_write(&leaving, 1, &to, sides);
    side = sides[0].count ? 0 : 1;
    assert_int_equal(layer_loosen(sides[side].peers[0]), 0);
    assert_int_equal(open_another(&another, to), -EADDRINUSE);
    hawser_context_unref(another.context);
    close(leaving);
    for (int i = 0; i < 2; i++)
        port_close(&sides[i]);
}

/* Nor does a port that had its address alone share it from then on, but as often as another peer leaves. */
static void a_port_alone_stays_alone(void **state)
{
    struct accepting accepting, another;
    struct layer_address to;
    char came[8];
    int fds[3];

    port_open(&accepting, *state, plain, 100);
    to = port_address(&accepting, *state);
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = plain_socket(*state);
        plain_send(fds[i], &to, "a", 1);
        run_until(&accepting, i + 1);
        assert_int_equal(layer_next(accepting.peers[i], came, sizeof came), 1);
        assert_int_equal(layer_loosen(accepting.peers[i]), 0);
        assert_int_equal(open_another(&another, to), -EADDRINUSE);
        hawser_context_unref(another.context);
    }
    for (unsigned i = 0; i < 3; i++) {
        plain_send(fds[i], &to, "abcdef", i + 2);
        assert_int_equal(layer_next(accepting.peers[i], came, sizeof came), i + 2);
        close(fds[i]);
    }
    port_close(&accepting);
}

/* A port says to who writes to a line that it does not know that there is none, but not to one that has just left: what it reads was
 * sent before. Nor is that somebody who begins. */
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
    plain_send(leaving, &to, &of_plain, 1);
    run_until(&accepting, 1);
    plain_send(leaving, &to, of_quic, sizeof of_quic);
    plain_send(leaving, &to, &of_plain, 1);
    assert_int_equal(layer_loosen(accepting.peers[0]), 0);
    run_all(&accepting);
    assert_int_equal(recv(leaving, came, sizeof came, MSG_DONTWAIT), -1);
    assert_int_equal(accepting.count, 1);
    plain_send(stranger, &to, of_quic, sizeof of_quic);
    assert_true(plain_receive(accepting.context, stranger, came, sizeof came, NULL) > 21);
    close(stranger);
    close(leaving);
    port_close(&accepting);
}

/* Somebody else has the address and port, and shares them with nobody who asks later. */
static void a_peer_without_a_socket_of_its_own_stays(void **state)
{
    const int on = 1, off = 0;
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
    assert_int_equal(setsockopt(blocker, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off), 0);
    config.local = to;
    assert_int_equal(udp_port_new(accepting.context, &config, &accepting.port), 0);
    plain_send(fd, &to, "a", 1);
    run_until(&accepting, 1);
    assert_int_equal(layer_loosen(accepting.peers[0]), -EADDRINUSE);
    assert_ptr_equal(udp_port_of(accepting.peers[0]), accepting.port);
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
        BOTH(others_come_to_where_they_came),
        BOTH(another_port_takes_its_part),
        cmocka_unit_test_prestate(another_port_starves_nobody, (void *)(uintptr_t) "127.0.0.1"),
        BOTH(a_port_alone_stays_alone),
        BOTH(a_line_that_left_is_not_reset),
        cmocka_unit_test(a_peer_without_a_socket_of_its_own_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
