/* SPDX-License-Identifier: Apache-2.0 */
/* quic over real sockets: a port, its answers to strangers, and many peers on one socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "layer/quic.h"
#include "quic_first.h"

#define DEADLINE 20000000
#define PEERS 40

struct guest {
    struct layer *top;
    int code;
    bool up;
    unsigned units;
};

struct port_world {
    hawser_context *server_context, *client_context;
    hawser_identity *server_identity, *client_identity;
    struct tls_config server_config, client_config;
    struct udp_port *port;
    struct layer_address address;
    unsigned unproven_max;
    struct guest accepted[PEERS], clients[PEERS];
    unsigned accepted_count;
};

static void go(struct guest *guest)
{
    struct layer_unit_in in;
    int r;

    if (!guest->up && !guest->code) {
        r = layer_establish(guest->top);
        guest->up = r == 0;
        guest->code = r == -EAGAIN ? 0 : r;
    }
    while (guest->up && (r = quic_units.receive(guest->top, &in)) == 0)
        guest->units += in.end;
}

static void on_ready(struct layer *layer, unsigned ready)
{
    (void)ready;
    go(layer->user);
}

static void adopt(struct guest *guest, struct layer *top)
{
    guest->top = top;
    top->ready = on_ready;
    top->user = guest;
    go(guest);
}

static void on_accepted(void *user, const char *stack, struct layer *bottom)
{
    struct port_world *world = user;
    struct layer *top;

    assert_string_equal(stack, "quic/udp");
    assert_true(world->accepted_count < PEERS);
    assert_int_equal(stack_accept_above(world->server_context, stack, &world->server_config, bottom, &top), 0);
    adopt(&world->accepted[world->accepted_count++], top);
}

static void open_port(struct port_world *world)
{
    static const struct udp_protocol *const protocols[] = {&quic_protocol, NULL};
    struct udp_port_config config = {.local = world->address,
                                     .fd = -1,
                                     .protocols = protocols,
                                     .unproven_max = world->unproven_max,
                                     .tls = &world->server_config,
                                     .accepted = on_accepted,
                                     .user = world};
    socklen_t size = sizeof world->address.address;

    assert_int_equal(udp_port_new(world->server_context, &config, &world->port), 0);
    assert_int_equal(getsockname(udp_port_descriptor(world->port), (struct sockaddr *)&world->address.address, &size),
                     0);
}

static int setup(void **state)
{
    struct port_world *world = calloc(1, sizeof *world);
    struct sockaddr_in *in = (void *)&world->address.address;
    char rule[128];

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .no_worker = true), &world->server_context), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .no_worker = true), &world->client_context), 0);
    assert_int_equal(hawser_identity_new(&world->server_identity), 0);
    assert_int_equal(hawser_identity_new(&world->client_identity), 0);
    world->server_config = (struct tls_config){
        .identity = world->server_identity, .alpn = {"hawser/1"}, .require_alpn = true, .early_data = true};
    world->client_config = world->server_config;
    world->client_config.identity = world->client_identity;
    snprintf(rule, sizeof rule, "key=%s", hawser_identity_name(world->server_identity));
    assert_int_equal(trust_new(world->client_context, rule, NULL, &world->client_config.trust), 0);
    assert_int_equal(trust_new(world->server_context, "any", NULL, &world->server_config.trust), 0);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    world->address.size = sizeof *in;
    world->unproven_max = 1000;
    *state = world;
    return 0;
}

static void drop_all(struct guest *guests)
{
    for (unsigned i = 0; i < PEERS; i++) {
        layer_destroy(guests[i].top);
        guests[i].top = NULL;
    }
}

static int teardown(void **state)
{
    struct port_world *world = *state;

    drop_all(world->clients);
    drop_all(world->accepted);
    if (world->port)
        udp_port_destroy(world->port);
    trust_free(world->client_config.trust);
    trust_free(world->server_config.trust);
    hawser_identity_unref(world->server_identity);
    hawser_identity_unref(world->client_identity);
    hawser_context_unref(world->client_context);
    hawser_context_unref(world->server_context);
    free(world);
    return 0;
}

static struct guest *join(struct port_world *world, unsigned index)
{
    struct layer_target target = {.remote = world->address, .tls = &world->client_config};
    struct layer *top;

    assert_int_equal(stack_open(world->client_context, "quic/udp", &target, &top), 0);
    adopt(&world->clients[index], top);
    return &world->clients[index];
}

static bool run_until(struct port_world *world, bool (*done)(struct port_world *world))
{
    int64_t deadline = loop_clock() + DEADLINE;

    while (!done(world)) {
        struct pollfd fds[2] = {{.fd = hawser_context_fd(world->server_context), .events = POLLIN},
                                {.fd = hawser_context_fd(world->client_context), .events = POLLIN}};
        if (loop_clock() > deadline)
            return false;
        assert_true(poll(fds, 2, 100) >= 0);
        if (fds[0].revents)
            assert_true(hawser_dispatch(world->server_context) >= 0);
        if (fds[1].revents)
            assert_true(hawser_dispatch(world->client_context) >= 0);
    }
    return true;
}

static unsigned expected;

static bool settled(struct port_world *world)
{
    unsigned done = 0;

    for (unsigned i = 0; i < PEERS; i++)
        done += world->clients[i].top && (world->clients[i].up || world->clients[i].code);
    for (unsigned i = 0; i < world->accepted_count; i++)
        done += world->accepted[i].up || world->accepted[i].code;
    return done >= expected;
}

static void send_unit(struct guest *guest, size_t size)
{
    size_t capacity;
    uint8_t *to = quic_units.begin(guest->top, false, &capacity);
    struct layer_unit_out out = {.number = 0, .size = size};

    assert_non_null(to);
    memset(to, 'u', size);
    assert_int_equal(quic_units.send(guest->top, &out), 0);
    assert_int_equal(quic_units.flush(guest->top), 0);
}

static bool units_came(struct port_world *world)
{
    unsigned units = 0;

    for (unsigned i = 0; i < world->accepted_count; i++)
        units += world->accepted[i].units;
    return units >= expected;
}

static void assert_well(const struct guest *guest)
{
    if (guest->code)
        print_error("%d: %s\n", guest->code, layer_error(guest->top)->reason);
    assert_int_equal(guest->code, 0);
}

static void many_peers_share_a_socket(void **state)
{
    struct port_world *world = *state;

    open_port(world);
    for (unsigned i = 0; i < PEERS; i++)
        join(world, i);
    expected = 2 * PEERS;
    assert_true(run_until(world, settled));
    for (unsigned i = 0; i < PEERS; i++) {
        assert_well(&world->clients[i]);
        assert_well(&world->accepted[i]);
        send_unit(&world->clients[i], 5000);
    }
    expected = PEERS;
    assert_true(run_until(world, units_came));
}

/* ---------------------------------------------------------------------------------------------------------- strangers */

/* A socket of somebody who speaks no QUIC, or too well. */
static int stranger(struct port_world *world)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&world->address.address, world->address.size), 0);
    return fd;
}

/* Sends, lets the port look at it, and takes what it answers: how many bytes, -1: nothing. */
static ssize_t ask(struct port_world *world, int fd, const uint8_t *data, size_t size, uint8_t *answer, size_t capacity)
{
    struct pollfd port = {.fd = hawser_context_fd(world->server_context), .events = POLLIN};

    assert_int_equal(send(fd, data, size, 0), (ssize_t)size);
    for (unsigned i = 0; i < 3; i++) {
        if (poll(&port, 1, i ? 20 : 5000) > 0)
            assert_true(hawser_dispatch(world->server_context) >= 0);
    }
    return recv(fd, answer, capacity, 0);
}

/* A long header of a version: 8 bytes of ids each way, and nothing behind that makes sense. */
static void make_long(uint8_t data[1200], uint32_t version)
{
    memset(data, 0x55, 1200);
    data[0] = 0xc3;
    data[1] = (uint8_t)(version >> 24);
    data[2] = (uint8_t)(version >> 16);
    data[3] = (uint8_t)(version >> 8);
    data[4] = (uint8_t)version;
    data[5] = 8;
    data[14] = 8;
    memset(data + 15, 0x77, 8);
}

static void other_versions(void **state)
{
    struct port_world *world = *state;
    uint8_t data[1200], answer[2048];
    ssize_t n;
    int fd;

    open_port(world);
    fd = stranger(world);
    make_long(data, 0x0a0a0a0a);
    n = ask(world, fd, data, sizeof data, answer, sizeof answer);
    assert_true(n >= 7 + 16 + 4);
    assert_true(answer[0] & 0x80);
    assert_memory_equal(answer + 1, "\0\0\0\0", 4); /* version negotiation */
    assert_int_equal(answer[5], 8);
    assert_memory_equal(answer + 6, data + 15, 8); /* their ids, the other way round */
    assert_memory_equal(answer + 15, data + 6, 8);
    assert_memory_equal(answer + 23, "\0\0\0\1", 4);
    n = ask(world, fd, data, 1199, answer, sizeof answer);
    assert_int_equal(n, -1); /* too little to be answered */
    close(fd);
    assert_int_equal(world->accepted_count, 0);
}

static void unknown_lines(void **state)
{
    struct port_world *world = *state;
    uint8_t data[100], answer[2048], again[2048];
    ssize_t n;
    int fd;

    open_port(world);
    fd = stranger(world);
    memset(data, 0x42, sizeof data);
    n = ask(world, fd, data, sizeof data, answer, sizeof answer);
    assert_true(n > 21 && n < 100); /* shorter than what it answers, or two that forgot would never stop */
    assert_int_equal(answer[0] & 0xc0, 0x40);
    assert_int_equal(ask(world, fd, data, sizeof data, again, sizeof again), n);
    assert_memory_equal(answer + n - 16, again + n - 16, 16); /* the token of this id */
    assert_memory_not_equal(answer, again, (size_t)n - 16);
    data[3] ^= 1;
    assert_int_equal(ask(world, fd, data, sizeof data, again, sizeof again), n);
    assert_memory_not_equal(answer + n - 16, again + n - 16, 16);
    assert_int_equal(ask(world, fd, data, 40, answer, sizeof answer), -1);
    close(fd);
}

/* Who saw an id on the wire asks another port, of the same program, how it would reset that line. Its answer is not how. */
static void no_port_resets_the_lines_of_another(void **state)
{
    struct port_world *world = *state;
    struct layer_address address = world->address;
    struct udp_port *first;
    uint8_t data[100], answer[2048];
    const ngtcp2_cid *id;
    struct guest *guest;
    ssize_t n;
    int fd;

    open_port(world);
    guest = join(world, 0);
    expected = 2;
    assert_true(run_until(world, settled));
    assert_well(guest);
    first = world->port;
    world->address = address; /* port 0 */
    open_port(world);
    fd = stranger(world);
    id = ngtcp2_conn_get_dcid(quic_of(guest->top)->conn);
    assert_int_equal(id->datalen, QUIC_ID_SIZE);
    memset(data, 0x42, sizeof data);
    memcpy(data + 1, id->data, id->datalen);
    n = ask(world, fd, data, sizeof data, answer, sizeof answer);
    assert_true(n > 21);
    quic_receive_packet(quic_of(guest->top), &(struct udp_packet){.data = answer,
                                                                  .size = (size_t)n,
                                                                  .segment = (size_t)n,
                                                                  .remote = *udp_remote(guest->top->below),
                                                                  .local = *udp_local(guest->top->below)});
    assert_false(quic_of(guest->top)->reset);
    send_unit(guest, 5000);
    expected = 1;
    assert_true(run_until(world, units_came));
    assert_well(guest);
    udp_port_destroy(first);
    close(fd);
}

/* Where many have not shown that they receive at their address, the next has to show it before anything is kept of it. */
static void busy_port(void **state)
{
    struct port_world *world = *state;
    struct guest *guest;

    world->unproven_max = 1; /* half of it is none: always busy */
    open_port(world);
    assert_true(udp_port_busy(world->port));
    guest = join(world, 0);
    expected = 2;
    assert_true(run_until(world, settled));
    assert_well(guest);
    assert_well(&world->accepted[0]);
    assert_int_equal(world->accepted_count, 1);
    assert_true(ngtcp2_conn_after_retry(quic_of(guest->top)->conn));
}

/* A token that is none, or of somebody else, is worth nothing. */
static void forged_tokens(void **state)
{
    struct port_world *world = *state;
    uint8_t data[1200], answer[2048];
    ssize_t n;
    int fd;

    open_port(world);
    fd = stranger(world);
    make_long(data, 1);
    data[23] = 40; /* the token's length (RFC 9000 section 17.2.2) */
    data[24] = NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY;
    data[64] = 0x44; /* the rest's, in two bytes */
    data[65] = 0x6e;
    n = ask(world, fd, data, sizeof data, answer, sizeof answer);
    assert_true(n > 0 && n < 200);
    assert_true(answer[0] & 0x80); /* closed with INVALID_TOKEN */
    assert_int_equal(world->accepted_count, 0);
    close(fd);
}

static bool one_failed(struct port_world *world)
{
    return world->accepted_count > 0 && world->accepted[0].code != 0;
}

/* ngtcp2 would abort the process when it writes to a client whose hello does not say its parameters: one datagram, from
 * anywhere. */
static void a_hello_without_parameters_is_refused(void **state)
{
    /* A CRYPTO frame with a hello of TLS 1.3 that lacks the extension of RFC 9001 section 8.2. */
    static const uint8_t frames[] = {
        0x06, 0x00, 0x40, 0xa8, 0x01, 0x00, 0x00, 0xa4, 0x03, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x13, 0x01, 0x13, 0x02, 0x01, 0x00, 0x00, 0x77, 0x00,
        0x2b, 0x00, 0x03, 0x02, 0x03, 0x04, 0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x0d,
        0x00, 0x0a, 0x00, 0x08, 0x04, 0x03, 0x08, 0x07, 0x08, 0x04, 0x04, 0x01, 0x00, 0x33, 0x00, 0x26, 0x00, 0x24,
        0x00, 0x1d, 0x00, 0x20, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
        0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
        0x00, 0x10, 0x00, 0x0b, 0x00, 0x09, 0x08, 0x68, 0x61, 0x77, 0x73, 0x65, 0x72, 0x2f, 0x31, 0x00, 0x5b, 0x00,
        0x14, 0x0f, 0x08, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x04, 0x04, 0x80, 0x10, 0x00, 0x00, 0x08,
        0x02, 0x44, 0x00, 0x00, 0x14, 0x00, 0x03, 0x02, 0x02, 0x00,
    };
    struct port_world *world = *state;
    uint8_t packet[1500];
    size_t size = first_put(packet, 0, 0, NULL, 0, frames, sizeof frames, true);
    int fd;

    open_port(world);
    fd = stranger(world);
    assert_int_equal(size, FIRST_SIZE);
    assert_int_equal(send(fd, packet, size, 0), (ssize_t)size);
    assert_true(run_until(world, one_failed));
    assert_int_equal(world->accepted[0].code, -HAWSER_ETLS);
    assert_non_null(strstr(layer_error(world->accepted[0].top)->reason, "transport parameters"));
    join(world, 0); /* and who is honest is served */
    expected = 3;
    assert_true(run_until(world, settled));
    assert_well(&world->clients[0]);
    assert_well(&world->accepted[1]);
    close(fd);
}

static void noise_is_ignored(void **state)
{
    struct port_world *world = *state;
    uint8_t data[1500], answer[2048];
    size_t answered = 0, asked = 0;
    int fd;

    open_port(world);
    fd = stranger(world);
    for (unsigned i = 0; i < 200; i++) {
        size_t size = 1 + i * 37 % sizeof data;
        ssize_t n;

        for (size_t j = 0; j < size; j++)
            data[j] = (uint8_t)(i * 131 + j * j * 7 + (j >> 3));
        n = ask(world, fd, data, size, answer, sizeof answer);
        asked += size;
        if (n > 0) {
            assert_true((size_t)n < size);
            answered += (size_t)n;
        }
    }
    assert_true(answered < asked);
    close(fd);
    join(world, 0);
    expected = 2 + world->accepted_count;
    assert_true(run_until(world, settled));
    assert_well(&world->clients[0]);
}

/* The host says that nobody listens: the attempt is over at once. */
static void nobody_listens(void **state)
{
    struct port_world *world = *state;
    int64_t began;
    struct guest *guest;

    open_port(world);
    udp_port_destroy(world->port);
    world->port = NULL;
    began = loop_clock();
    guest = join(world, 0);
    expected = 1;
    assert_true(run_until(world, settled));
    assert_int_equal(guest->code, -ECONNREFUSED);
    assert_string_equal(layer_error(guest->top)->reason, "connect: nobody listens there");
    assert_true(loop_clock() - began < 5000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_peers_share_a_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(other_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(no_port_resets_the_lines_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(busy_port, setup, teardown),
        cmocka_unit_test_setup_teardown(forged_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hello_without_parameters_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(noise_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
    };

    return cmocka_run_group_tests_name("quic_port", tests, NULL, NULL);
}
