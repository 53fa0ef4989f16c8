/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody who is not on the way can write: ICMP messages, as the system tells them. */
#include "suite.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "layer/udp_internal.h"

#define LEAST 552 /* what of IPv4 is believed (ip_rt_min_pmtu) */

static struct udp_layer *bottom_of(const struct end *end)
{
    struct layer *layer = end->top;

    while (layer->below)
        layer = layer->below;
    return udp_of(layer);
}

static void forge(const struct end *end)
{
    static const int codes[] = {-ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -EPROTO, -EACCES, -ENOPROTOOPT};

    for (unsigned mtu = 552; mtu <= 1500; mtu += 79)
        udp_error(bottom_of(end), &(struct udp_said){.code = -EMSGSIZE, .mtu = mtu, .icmp = true});
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++)
        udp_error(bottom_of(end), &(struct udp_said){.code = codes[i], .icmp = true});
}

static bool heard(const struct end *end)
{
    struct layer_link link;

    layer_link(end->top, &link);
    return link.bytes_received > 0;
}

static void icmp_ends_no_handshake(void **state)
{
    struct world *world = *state;
    int64_t deadline = loop_clock() + DEADLINE;
    unsigned forged = 0;

    only(!world->bytes && strcmp(world->row->stack, "udp") != 0);
    listen_here(world);
    connect_there(world);
    while (!both_up(world) && loop_clock() < deadline) {
        step(world, 100);
        if (world->server.top && !world->server.code)
            forge(&world->server), forged++;
        if (heard(&world->client) && !world->client.code)
            forge(&world->client), forged++;
    }
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
    assert_true(world->client.up && world->server.up && forged > 0);
}

static bool echoed(struct world *world)
{
    return world->client.code || world->server.code || world->client.received == world->client.to_send;
}

/* Nor makes it so narrow that nothing fits. */
static void icmp_ends_no_line(void **state)
{
    struct world *world = *state;

    only(!world->bytes && strcmp(world->row->stack, "udp") != 0);
    listen_here(world);
    world->server_wish.echo = true;
    establish(world);
    for (int i = 0; i < 5; i++) {
        forge(&world->client);
        forge(&world->server);
        world->client.to_send += 20000;
        end_run(&world->client);
        assert_true(run_until(world, echoed));
        assert_int_equal(world->client.code, 0);
        assert_int_equal(world->server.code, 0);
    }
    assert_int_equal(world->client.mismatches + world->server.mismatches, 0);
}

/* ------------------------------------------------------------------------------------------------- as the wire has it */

static uint16_t sum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t total = 0;

    for (size_t i = 0; i + 1 < size; i += 2)
        total += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return htons((uint16_t)~total);
}

/* Anybody's message about a datagram from the end to its peer. */
static void write_icmp(int fd, const struct end *end, uint8_t code, uint16_t mtu)
{
    struct udp_layer *udp = bottom_of(end);
    const struct sockaddr_in *local = (const void *)&udp->local.address, *remote = (const void *)&udp->remote.address;
    struct {
        struct icmphdr icmp;
        struct iphdr ip;
        struct udphdr udp;
    } message = {
        .icmp = {.type = ICMP_DEST_UNREACH, .code = code, .un.frag.mtu = htons(mtu)},
        .ip = {.version = 4,
               .ihl = 5,
               .tot_len = htons(1300),
               .ttl = 64,
               .protocol = IPPROTO_UDP,
               .saddr = local->sin_addr.s_addr,
               .daddr = remote->sin_addr.s_addr},
        .udp = {.source = local->sin_port, .dest = remote->sin_port, .len = htons(1280)},
    };

    message.ip.check = sum(&message.ip, sizeof message.ip);
    message.icmp.checksum = sum(&message, sizeof message);
    assert_int_equal(sendto(fd, &message, sizeof message, 0, (const struct sockaddr *)local, sizeof *local),
                     sizeof message);
}

static bool both_narrow(struct world *world)
{
    return udp_datagram_max(&bottom_of(&world->client)->layer) < 1300 &&
           udp_datagram_max(&bottom_of(&world->server)->layer) < 1300;
}

/* Through the system's own reading of them. */
static void icmp_on_the_wire(void **state)
{
    struct world *world = *state;
    bool plain = strcmp(world->row->stack, "udp") == 0;
    size_t least = plain ? LEAST - 28 : UDP_PATH_MIN;
    int fd;

    only(!world->bytes && world->row->family == AF_INET);
    fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    assert_true(fd >= 0);
    listen_here(world);
    world->server_wish.echo = true;
    establish(world);
    for (uint16_t mtu = 1300; mtu >= 60; mtu = (uint16_t)(mtu - 62)) {
        write_icmp(fd, &world->client, ICMP_FRAG_NEEDED, mtu);
        write_icmp(fd, &world->server, ICMP_FRAG_NEEDED, mtu);
        step(world, 0);
    }
    assert_true(run_until(world, both_narrow));
    run_for_events(world);
    assert_int_equal(udp_datagram_max(&bottom_of(&world->client)->layer), least);
    assert_int_equal(udp_datagram_max(&bottom_of(&world->server)->layer), least);
    for (uint8_t code = ICMP_NET_UNREACH; code <= ICMP_PORT_UNREACH && !plain; code++) {
        write_icmp(fd, &world->client, code, 0);
        write_icmp(fd, &world->server, code, 0);
        step(world, 0);
    }
    close(fd);
    if (plain) {
        assert_int_equal(world->client.top->type->send(world->client.top, "fits", 4), 4);
    } else {
        world->client.to_send = 20000;
        end_run(&world->client);
        assert_true(run_until(world, echoed));
        assert_int_equal(world->client.received, 20000);
    }
    assert_int_equal(world->client.code | world->server.code, 0);
    assert_int_equal(world->client.mismatches + world->server.mismatches, 0);
}

const struct suite_test icmp_tests[] = {
    {"ICMP on the wire: no router is believed to carry next to nothing, nor that nobody is there", icmp_on_the_wire},
    {NULL, NULL},
};

const struct suite_test forged_tests[] = {
    {"no ICMP message ends a handshake that was answered", icmp_ends_no_handshake},
    {"no ICMP message ends a line, or leaves it no room", icmp_ends_no_line},
    {NULL, NULL},
};
