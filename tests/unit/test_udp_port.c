/* SPDX-License-Identifier: Apache-2.0 */
/* UDP ports that many peers share, beside plain sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "udp_accepting.h"

/* ------------------------------------------------------------------------------------------------------------- peers */

static void each_address_is_a_peer(void **state)
{
    struct accepting accepting;
    struct layer_address to, from;
    int fds[PEERS];
    char text[8], came[8];

    port_open(&accepting, *state, plain, 100);
    to = port_address(&accepting, *state);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = plain_socket(*state);
        for (int k = 0; k < 2; k++)
            plain_send(fds[i], &to, text, (size_t)snprintf(text, sizeof text, "%d.%d", i, k));
        run_until(&accepting, (unsigned)i + 1);
        assert_string_equal(accepting.stack, "udp");
    }
    for (int i = PEERS - 1; i >= 0; i--) {
        for (int k = 0; k < 2; k++) {
            int size = snprintf(text, sizeof text, "%d.%d", i, k);

            assert_int_equal(layer_next(accepting.peers[i], came, sizeof came), size);
            assert_memory_equal(came, text, (size_t)size);
        }
        assert_int_equal(accepting.peers[i]->type->send(accepting.peers[i], text, 1), 1);
        assert_int_equal(plain_receive(accepting.context, fds[i], came, sizeof came, &from), 1);
        assert_true(udp_same_address(&from, &to));
    }
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    port_close(&accepting);
}

/* All of 127/8 is this host: an answer comes from whichever was asked. */
static void answers_leave_from_the_address_that_was_addressed(void **state)
{
    struct accepting accepting;
    struct layer_address to, from;
    int fd = plain_socket("127.0.0.1");
    char came[8];

    (void)state;
    port_open(&accepting, "0.0.0.0", plain, 100);
    to = port_address(&accepting, "127.0.0.77");
    plain_send(fd, &to, "x", 1);
    run_until(&accepting, 1);
    assert_true(udp_same_address(udp_local(accepting.peers[0]), &to));
    assert_int_equal(accepting.peers[0]->type->send(accepting.peers[0], "y", 1), 1);
    assert_int_equal(plain_receive(accepting.context, fd, came, sizeof came, &from), 1);
    assert_true(udp_same_address(&from, &to));
    close(fd);
    port_close(&accepting);
}

static void strangers_are_bounded_and_those_who_answer_are_none(void **state)
{
    struct accepting accepting;
    struct layer_address to;
    int fds[PEERS];
    char came[8];

    port_open(&accepting, *state, plain, 4);
    to = port_address(&accepting, *state);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = plain_socket(*state);
        plain_send(fds[i], &to, "x", 1);
    }
    run_until(&accepting, 4);
    run_all(&accepting);
    assert_int_equal(accepting.count, 4);
    assert_true(udp_port_busy(accepting.port));
    /* One of them hears us and goes on: it makes room for another. */
    assert_int_equal(accepting.peers[0]->type->send(accepting.peers[0], "y", 1), 1);
    assert_int_equal(plain_receive(accepting.context, fds[0], came, sizeof came, NULL), 1);
    plain_send(fds[0], &to, "z", 1);
    plain_send(fds[8], &to, "x", 1);
    plain_send(fds[9], &to, "x", 1);
    run_until(&accepting, 5);
    run_all(&accepting);
    assert_int_equal(accepting.count, 5);
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    port_close(&accepting);
}

static void a_port_that_pauses_takes_nobody_and_keeps_its_peers(void **state)
{
    struct accepting accepting;
    struct layer_address to;
    int one = plain_socket(*state), two = plain_socket(*state);
    char came[8];

    port_open(&accepting, *state, plain, 100);
    to = port_address(&accepting, *state);
    plain_send(one, &to, "a", 1);
    run_until(&accepting, 1);
    udp_port_pause(accepting.port, true);
    plain_send(two, &to, "b", 1);
    plain_send(one, &to, "c", 1);
    assert_int_equal(layer_next(accepting.peers[0], came, sizeof came), 1);
    assert_int_equal(layer_next(accepting.peers[0], came, sizeof came), 1);
    run_all(&accepting);
    assert_int_equal(accepting.count, 1);
    udp_port_pause(accepting.port, false);
    plain_send(two, &to, "d", 1);
    run_until(&accepting, 2);
    close(one);
    close(two);
    port_close(&accepting);
}

static void peers_outlive_the_port(void **state)
{
    struct accepting accepting;
    struct layer_address to;
    int one = plain_socket(*state), two = plain_socket(*state);
    char came[8];

    port_open(&accepting, *state, plain, 100);
    to = port_address(&accepting, *state);
    plain_send(one, &to, "a", 1);
    run_until(&accepting, 1);
    udp_port_destroy(accepting.port);
    accepting.port = NULL;
    plain_send(two, &to, "b", 1);
    plain_send(one, &to, "c", 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(layer_next(accepting.peers[0], came, sizeof came), 1);
    assert_int_equal(came[0], 'c');
    assert_int_equal(accepting.count, 1);
    close(one);
    close(two);
    port_close(&accepting);
}

static void who_is_refused_at_once_begins_anew(void **state)
{
    struct accepting accepting;
    struct layer_address to;
    int fd = plain_socket(*state);

    port_open(&accepting, *state, plain, 1);
    accepting.destroys = true;
    to = port_address(&accepting, *state);
    for (int i = 0; i < 5; i++)
        plain_send(fd, &to, "x", 1);
    run_until(&accepting, 5);
    close(fd);
    port_close(&accepting);
}

/* A peer that takes nothing holds a bounded amount, and holds up nobody. */
static void a_peer_that_takes_nothing_is_bounded(void **state)
{
    struct accepting accepting;
    struct layer_address to;
    int one = plain_socket(*state), two = plain_socket(*state);
    static uint8_t data[8000];

    port_open(&accepting, *state, plain, 100);
    to = port_address(&accepting, *state);
    for (int i = 0; i < 500; i++) {
        plain_send(one, &to, data, sizeof data);
        run_all(&accepting);
    }
    run_until(&accepting, 1);
    assert_in_range(udp_of(accepting.peers[0])->inbox.tail, UDP_INBOX_MAX / 2, UDP_INBOX_MAX);
    assert_true(udp_of(accepting.peers[0])->dropped > 0);
    plain_send(two, &to, "x", 1);
    run_until(&accepting, 2);
    close(one);
    close(two);
    port_close(&accepting);
}

static void nobody_there_ends_one_peer_alone(void **state)
{
    struct accepting accepting;
    struct layer_address to;
    int one = plain_socket(*state), two = plain_socket(*state);
    char came[8];

    port_open(&accepting, *state, plain, 100);
    to = port_address(&accepting, *state);
    plain_send(one, &to, "a", 1);
    plain_send(two, &to, "b", 1);
    run_until(&accepting, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(layer_next(accepting.peers[i], came, sizeof came), 1);
    close(one);
    assert_int_equal(accepting.peers[0]->type->send(accepting.peers[0], "x", 1), 1);
    assert_int_equal(layer_next(accepting.peers[0], came, sizeof came), -ECONNREFUSED);
    assert_int_equal(accepting.peers[1]->type->send(accepting.peers[1], "x", 1), 1);
    assert_int_equal(plain_receive(accepting.context, two, came, sizeof came, NULL), 1);
    assert_int_equal(layer_error(accepting.peers[1])->code, 0);
    close(two);
    port_close(&accepting);
}

/* ------------------------------------------------------------------------------------------------- protocols and ids */

/* A protocol whose datagrams are 'I', an id of one byte, anything; "I0" is answered and kept nothing of. */
static bool id_begins(uint8_t first_byte)
{
    return first_byte == 'I';
}

static size_t id_of_packet(const struct udp_packet *packet, const uint8_t **ret_id)
{
    *ret_id = packet->data + 1;
    return packet->size > 1;
}

static enum udp_first id_first(struct udp_port *port, const struct udp_packet *packet)
{
    if (packet->size < 2)
        return UDP_IGNORE;
    if (packet->data[1] != '0')
        return UDP_ACCEPT;
    assert_int_equal(udp_port_answer(port, packet, "again", 5), 0);
    return UDP_ANSWERED;
}

static const struct udp_protocol id_protocol = {"ids/udp", id_begins, id_first, id_of_packet};
static const struct udp_protocol *const both[] = {&id_protocol, &plain_protocol, NULL};

/* Whoever writes to the port from addresses that are not theirs, half of the places are for who proves that it is at its own. */
static void half_of_the_places_are_for_who_proves(void **state)
{
    static const struct udp_protocol proving = {"ids/udp", id_begins, id_first, id_of_packet, .proves = true};
    static const struct udp_protocol *const protocols[] = {&proving, &plain_protocol, NULL};
    struct accepting accepting;
    struct layer_address to;
    int fds[12];

    port_open(&accepting, *state, protocols, 8);
    to = port_address(&accepting, *state);
    for (int i = 0; i < 12; i++)
        fds[i] = plain_socket(*state);
    for (int i = 0; i < 6; i++)
        plain_send(fds[i], &to, "x", 1);
    run_until(&accepting, 4);
    run_all(&accepting);
    assert_int_equal(accepting.count, 4);
    for (int i = 6; i < 12; i++)
        plain_send(fds[i], &to, "Ia", 2);
    run_until(&accepting, 8);
    run_all(&accepting);
    assert_int_equal(accepting.count, 8);
    for (int i = 0; i < 12; i++)
        close(fds[i]);
    port_close(&accepting);
}

struct told {
    char text[200];
    unsigned batches;
};

static void on_packet(void *above, struct udp_packet *packet)
{
    struct told *told = ((struct layer *)above)->user;

    for (size_t at = 0; at < packet->size; at += packet->segment) {
        size_t size = packet->size - at < packet->segment ? packet->size - at : packet->segment;
        size_t used = strlen(told->text);

        assert_true(used + size + 2 < sizeof told->text);
        memcpy(told->text + used, packet->data + at, size);
        told->text[used + size] = ' ';
    }
}

static void on_batch_end(void *above)
{
    ((struct told *)((struct layer *)above)->user)->batches++;
}

static const struct udp_taker taker = {.packet = on_packet, .batch_end = on_batch_end};

static void take(struct layer *layer, struct told *told, const char *id)
{
    memset(told, 0, sizeof *told);
    layer->user = told;
    udp_take(layer, layer, &taker);
    assert_int_equal(udp_port_add_id(layer, (const uint8_t *)id, strlen(id)), 0);
}

/* One address may have several peers with ids, a plain one beside them, and ids move with their peer. */
static void ids_tell_peers_wherever_they_come_from(void **state)
{
    struct accepting accepting;
    struct layer_address to, other;
    int one = plain_socket(*state), two = plain_socket(*state);
    struct told told[3];
    char came[8];

    port_open(&accepting, *state, both, 100);
    to = port_address(&accepting, *state);
    plain_send(one, &to, "Ia1", 3);
    run_until(&accepting, 1);
    assert_string_equal(accepting.stack, "ids/udp");
    take(accepting.peers[0], &told[0], "a");
    assert_string_equal(told[0].text, "Ia1 ");
    assert_int_equal(udp_port_add_id(accepting.peers[0], (const uint8_t *)"A", 1), 0);
    plain_send(one, &to, "Ib1", 3);
    run_until(&accepting, 2);
    take(accepting.peers[1], &told[1], "b");
    assert_int_equal(udp_port_add_id(accepting.peers[1], (const uint8_t *)"a", 1), -EEXIST);
    plain_send(one, &to, "plain", 5);
    run_until(&accepting, 3);
    assert_string_equal(accepting.stack, "udp");
    assert_int_equal(layer_next(accepting.peers[2], came, sizeof came), 5);
    /* From elsewhere, both peers, and by another id. */
    plain_send(two, &to, "Ib2", 3);
    plain_send(two, &to, "IA2", 3);
    run_all(&accepting);
    assert_string_equal(told[0].text, "Ia1 IA2 ");
    assert_string_equal(told[1].text, "Ib1 Ib2 ");
    assert_int_equal(accepting.count, 3);
    other = name_of(two);
    udp_set_remote(accepting.peers[1], &other);
    assert_int_equal(accepting.peers[1]->type->send(accepting.peers[1], "hi", 2), 2);
    assert_int_equal(plain_receive(accepting.context, two, came, sizeof came, NULL), 2);
    /* An id that is taken back is nobody's. */
    udp_port_remove_id(accepting.peers[0], (const uint8_t *)"A", 1);
    plain_send(two, &to, "IA3", 3);
    run_until(&accepting, 4);
    /* What is answered at once leaves nothing. */
    plain_send(two, &to, "I0", 2);
    assert_int_equal(plain_receive(accepting.context, two, came, sizeof came, NULL), 5);
    assert_int_equal(accepting.count, 4);
    close(one);
    close(two);
    port_close(&accepting);
}

/* The system joins what comes from one address, whoever it is for. */
static void joined_datagrams_of_several_peers_are_told_apart(void **state)
{
    struct accepting accepting;
    struct layer_address to;
    int one = plain_socket(*state);
    struct told told[2];
    const int segment = 3;

    port_open(&accepting, *state, both, 100);
    to = port_address(&accepting, *state);
    plain_send(one, &to, "Ia1", 3);
    plain_send(one, &to, "Ib1", 3);
    run_until(&accepting, 2);
    take(accepting.peers[0], &told[0], "a");
    take(accepting.peers[1], &told[1], "b");
    assert_int_equal(setsockopt(one, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    plain_send(one, &to, "Ia2Ia3Ib2Ia4Ib3Ib", 17);
    run_all(&accepting);
    assert_string_equal(told[0].text, "Ia1 Ia2 Ia3 Ia4 ");
    assert_string_equal(told[1].text, "Ib1 Ib2 Ib3 Ib ");
    assert_int_equal(told[0].batches, 2); /* what waited, and this */
    assert_int_equal(told[1].batches, 2);
    close(one);
    port_close(&accepting);
}

/* --------------------------------------------------------------------------------------------------------------- sockets */

static void a_descriptor_is_taken_over(void **state)
{
    const struct udp_port_config config = {
        .fd = plain_socket(*state), .protocols = plain, .unproven_max = 1, .accepted = on_accepted};
    struct udp_port_config wrong = config;
    hawser_context *context = context_new();
    struct udp_port *port;
    int pair[2];

    assert_int_equal(udp_port_new(context, &config, &port), 0);
    assert_int_equal(udp_port_descriptor(port), config.fd);
    udp_port_destroy(port);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    wrong.fd = pair[0];
    assert_int_equal(udp_port_new(context, &wrong, &port), -EINVAL);
    close(pair[0]);
    close(pair[1]);
    hawser_context_unref(context);
}

/* A peer's datagrams go on coming to one of the sockets that share a port. */
static void a_port_is_shared_by_contexts(void **state)
{
    struct accepting sides[2];
    struct layer_address to;
    int fd = plain_socket(*state);

    to = ports_share(sides, *state);
    for (int i = 0; i < 20; i++)
        plain_send(fd, &to, "x", 1);
    for (int64_t end = loop_clock() + WAIT; sides[0].count + sides[1].count == 0 && loop_clock() < end;)
        for (int i = 0; i < 2; i++)
            hawser_iterate(sides[i].context, 1000);
    for (int i = 0; i < 2; i++)
        run_all(&sides[i]);
    assert_int_equal(sides[0].count + sides[1].count, 1);
    close(fd);
    for (int i = 0; i < 2; i++)
        port_close(&sides[i]);
}

#define BOTH(test)                                                                                                     \
    {#test " 4", test, NULL, NULL, (void *)(uintptr_t) "127.0.0.1"},                                                   \
    {                                                                                                                  \
#test " 6", test, NULL, NULL, (void *)(uintptr_t) "::1"                                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(each_address_is_a_peer),
        cmocka_unit_test(answers_leave_from_the_address_that_was_addressed),
        BOTH(strangers_are_bounded_and_those_who_answer_are_none),
        BOTH(half_of_the_places_are_for_who_proves),
        BOTH(a_port_that_pauses_takes_nobody_and_keeps_its_peers),
        BOTH(peers_outlive_the_port),
        BOTH(who_is_refused_at_once_begins_anew),
        BOTH(a_peer_that_takes_nothing_is_bounded),
        BOTH(nobody_there_ends_one_peer_alone),
        BOTH(ids_tell_peers_wherever_they_come_from),
        BOTH(joined_datagrams_of_several_peers_are_told_apart),
        BOTH(a_descriptor_is_taken_over),
        BOTH(a_port_is_shared_by_contexts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
