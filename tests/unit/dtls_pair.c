/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls_pair.h"

#include <sys/epoll.h>

static uint32_t draw(struct relay *relay)
{
    relay->random = relay->random * 1664525u + 1013904223u;
    return (relay->random >> 8) % 1000;
}

/* -------------------------------------------------------------------------------------------------------- the relay */

void relay_pass(struct relay *relay, int fd, const struct layer_address *to, const uint8_t *data, ssize_t size)
{
    if (to->size && !relay->silent)
        (void)sendto(fd, data, (size_t)size, 0, (const struct sockaddr *)&to->address, to->size);
}

static void look(struct relay *relay, const uint8_t *data, ssize_t size)
{
    relay->passed++;
    relay->seen_mark += memmem(data, (size_t)size, MARK, sizeof MARK - 1) != NULL;
    /* Application data: 13 bytes of head, 8 of nonce, 16 of tag; inside, the steps of docs/protocol.md. */
    if (data[0] == 23 && relay->records && (size - 37) % 64 != 0 && size - 37 != 1163 && size - 37 != RECORD_MAX)
        relay->odd_size = true;
}

static void relay_some(struct relay *relay, struct loop_io *io, int out, bool to_server)
{
    uint8_t data[20000];
    struct layer_address from;
    ssize_t size;

    for (;;) {
        from.size = sizeof from.address;
        size = recvfrom(io->fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from.address, &from.size);
        if (size <= 0)
            return;
        if (to_server)
            relay->client = from;
        look(relay, data, size);
        if (++relay->count[to_server] == relay->lose[to_server] || draw(relay) < relay->loss)
            continue;
        const struct layer_address *to = to_server ? &relay->server : &relay->client;
        if (relay->held_size == 0 && draw(relay) < relay->late && to_server) {
            memcpy(relay->held, data, (size_t)size);
            relay->held_size = size;
            continue;
        }
        relay_pass(relay, out, to, data, size);
        if (draw(relay) < relay->twice)
            relay_pass(relay, out, to, data, size);
        if (relay->held_size > 0 && to_server) {
            relay_pass(relay, out, to, relay->held, relay->held_size);
            relay->held_size = 0;
        }
    }
}

static void on_front(struct loop_io *io, uint32_t events)
{
    struct relay *relay = container_of(io, struct relay, front);

    (void)events;
    relay_some(relay, io, relay->back_fd, true);
}

static void on_back(struct loop_io *io, uint32_t events)
{
    struct relay *relay = container_of(io, struct relay, back);

    (void)events;
    relay_some(relay, io, relay->front_fd, false);
}

/* --------------------------------------------------------------------------------------------------------- the ends */

static void take_fates(struct end *end)
{
    struct layer_fate fate;

    while (end->top->type->units->fate(end->top, &fate)) {
        assert_true(fate.number < end->sent && end->fate[fate.number] == 0);
        end->fate[fate.number] = fate.acked ? 1 : 2;
        end->acked += fate.acked;
        end->lost += !fate.acked;
    }
}

static void send_units(struct end *end)
{
    const struct layer_units *units = end->top->type->units;

    while (end->sent < end->to_send && end->code == 0) {
        size_t capacity;
        uint8_t *at = units->begin(end->top, true, &capacity);
        if (!at)
            break;
        assert_true(capacity >= 1000);
        memset(at, (int)end->sent, UNIT_SIZE);
        memcpy(at, &end->sent, sizeof end->sent);
        memcpy(at + sizeof end->sent, MARK, sizeof MARK);
        end->code =
            units->send(end->top, &(struct layer_unit_out){.number = end->sent, .size = UNIT_SIZE, .lossy = true});
        end->sent++;
    }
}

static void run_units(struct end *end)
{
    const struct layer_units *units = end->top->type->units;
    struct layer_unit_in in;
    uint64_t number;
    int r;

    while (end->code == 0 && (r = units->receive(end->top, &in)) != -EAGAIN) {
        if (r == -ENODATA)
            end->over = true;
        if (r < 0) {
            end->code = r;
            return;
        }
        assert_true(in.end && in.size == UNIT_SIZE);
        memcpy(&number, in.data, sizeof number);
        assert_true(number < UNITS);
        assert_int_equal(end->came[number]++, 0);
        end->received++;
    }
    take_fates(end);
    send_units(end);
    if (end->code == 0)
        (void)units->flush(end->top);
}

static void run_bare(struct end *end)
{
    uint8_t data[4096];
    ssize_t n;

    while ((n = end->top->type->receive(end->top, data, sizeof data)) > 0)
        end->datagrams++;
    assert_true(n < 0); /* an end that looks like an empty datagram would never be one */
    end->over |= n == -ENODATA;
    if (n != -EAGAIN)
        end->code = (int)n;
}

void end_ready(struct layer *top, unsigned ready)
{
    struct end *end = top->user;

    (void)ready;
    if (end->code)
        return;
    if (!end->up) {
        int r = layer_establish(top);
        if (r == -EAGAIN)
            return;
        end->up = r == 0;
        end->code = r;
        if (r < 0)
            return;
    }
    if (end->bare)
        run_bare(end);
    else
        run_units(end);
}

void end_adopt(struct end *end, struct layer *top)
{
    end->top = top;
    top->user = end;
    top->ready = end_ready;
    end_ready(top, LAYER_READABLE);
}

static void on_accepted(void *user, const char *stack, struct layer *bottom)
{
    struct world *world = user;
    struct layer *top;

    world->accepted++;
    assert_int_equal(stack_accept_above(world->context, stack, &world->configs[0], bottom, &top), 0);
    if (world->server.top) {
        layer_destroy(top);
        return;
    }
    end_adopt(&world->server, top);
}

/* -------------------------------------------------------------------------------------------------------- the world */

static int bound(const char *host, struct layer_address *ret_address)
{
    int fd = plain_socket(host);

    *ret_address = name_of(fd);
    return fd;
}

static void configure(struct world *world, unsigned index, const char *alpn)
{
    assert_int_equal(hawser_identity_new(&world->identities[index]), 0);
    world->configs[index] =
        (struct tls_config){.identity = world->identities[index], .alpn = {alpn}, .require_alpn = alpn};
}

struct world *dtls_setup(const char *alpn)
{
    struct world *world = calloc(1, sizeof *world);
    struct layer_address local;
    char rule[80];

    assert_non_null(world);
    world->context = context_new();
    configure(world, 0, alpn);
    configure(world, 1, alpn);
    snprintf(rule, sizeof rule, "key=%s", hawser_identity_name(world->identities[1]));
    assert_int_equal(trust_new(world->context, rule, NULL, &world->configs[0].trust), 0);
    snprintf(rule, sizeof rule, "key=%s", hawser_identity_name(world->identities[0]));
    assert_int_equal(trust_new(world->context, rule, NULL, &world->configs[1].trust), 0);
    world->protocols[0] = &dtls_protocol;
    struct udp_port_config config = {.local = address_of("127.0.0.1", 0),
                                     .fd = -1,
                                     .protocols = world->protocols,
                                     .unproven_max = 16,
                                     .tls = &world->configs[0],
                                     .accepted = on_accepted,
                                     .user = world};
    assert_int_equal(udp_port_new(world->context, &config, &world->port), 0);
    world->relay.server = name_of(udp_port_descriptor(world->port));
    world->relay.random = 1;
    world->relay.front_fd = bound("127.0.0.1", &local);
    world->relay.back_fd = bound("127.0.0.1", &local);
    assert_int_equal(loop_io_add(world->context, &world->relay.front, world->relay.front_fd, EPOLLIN, on_front), 0);
    assert_int_equal(loop_io_add(world->context, &world->relay.back, world->relay.back_fd, EPOLLIN, on_back), 0);
    return world;
}

void dtls_connect(struct world *world)
{
    struct layer_target target = {.remote = name_of(world->relay.front_fd), .tls = &world->configs[1]};
    struct layer *top;

    assert_int_equal(stack_open(world->context, "dtls/udp", &target, &top), 0);
    end_adopt(&world->client, top);
}

void dtls_teardown(struct world *world)
{
    layer_destroy(world->client.top);
    layer_destroy(world->server.top);
    udp_port_destroy(world->port);
    loop_io_remove(world->context, &world->relay.front);
    loop_io_remove(world->context, &world->relay.back);
    close(world->relay.front_fd);
    close(world->relay.back_fd);
    for (int i = 0; i < 2; i++) {
        trust_free(world->configs[i].trust);
        hawser_identity_unref(world->identities[i]);
    }
    hawser_context_unref(world->context);
    free(world);
}

bool dtls_run_until(struct world *world, bool (*done)(const struct world *world))
{
    int64_t until = loop_clock() + DEADLINE;

    while (!done(world)) {
        struct pollfd pollfd = {hawser_context_fd(world->context), POLLIN, 0};
        if (loop_clock() > until)
            return false;
        poll(&pollfd, 1, 100);
        assert_true(hawser_dispatch(world->context) >= 0);
    }
    return true;
}

bool dtls_both_up(const struct world *world)
{
    return (world->client.up && world->server.up) || world->client.code || world->server.code;
}

bool dtls_all_told(const struct world *world)
{
    return (world->client.acked + world->client.lost == UNITS && world->server.acked + world->server.lost == UNITS) ||
           world->client.code || world->server.code;
}

void dtls_check(const struct end *from, const struct end *to)
{
    assert_int_equal(from->code, 0);
    for (int i = 0; i < UNITS; i++) {
        assert_true(from->fate[i] == 1 || from->fate[i] == 2);
        if (from->fate[i] == 1)
            assert_int_equal(to->came[i], 1);
    }
}

bool dtls_datagrams_came(const struct world *world)
{
    return world->server.datagrams >= 3 || world->client.code || world->server.code;
}
