/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network may send to a port that takes QUIC: anything, in datagrams of any size, and first packets whose protection is
 * right, so that frames and hellos of any kind are read. Nothing may crash or leak; no more peers are kept than there are places;
 * and who has not shown its address is sent no more than three times what came.
 *
 * Byte 0: 1 the port is busy, so peers have to prove their address first. Then commands: a byte (2 bits what, 6 bits which
 * connection id), two bytes of size, and so many bytes: a datagram as it is (0); behind a long header of version 1 (1); as
 * the frames of a first packet, filled up to 1,200 bytes (2); the same as long as it is, and with a token (3).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/quic_first.h"
#include "layer/quic.h"

#define PLACES 8
#define COMMANDS_MAX 64

struct harness {
    hawser_context *context;
    hawser_identity *identity;
    struct tls_config config;
    struct udp_port *ports[2]; /* with room, and busy */
    struct layer_address addresses[2];
    int fd;
    struct layer *peers[PLACES + 1];
    unsigned peer_count;
    size_t sent;
    uint32_t number;
};

static struct harness *the_harness; /* an accepted layer has no word of ours before it is ready */

static void on_ready(struct layer *layer, unsigned ready)
{
    struct layer_unit_in in;

    (void)ready;
    if (layer_establish(layer) == 0)
        while (layer->type->units->receive(layer, &in) == 0)
            *in.lane = in.end ? NULL : layer;
}

static void on_accepted(void *user, const char *stack, struct layer *bottom)
{
    struct harness *harness = user;
    struct layer *top;

    if (harness->peer_count >= PLACES)
        abort(); /* more than are let in */
    if (stack_accept_above(harness->context, stack, &harness->config, bottom, &top) < 0)
        abort();
    harness->peers[harness->peer_count++] = top;
    top->ready = on_ready;
    on_ready(top, LAYER_READABLE);
}

static struct harness *make(void)
{
    static const struct udp_protocol *const protocols[] = {&quic_protocol, NULL};
    struct harness *harness = calloc(1, sizeof *harness);
    struct udp_port_config config = {.fd = -1, .protocols = protocols, .accepted = on_accepted};
    struct sockaddr_in *in = (void *)&config.local.address;

    if (!harness || hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .no_worker = true), &harness->context) < 0 ||
        hawser_identity_new(&harness->identity) < 0)
        abort();
    harness->config = (struct tls_config){
        .identity = harness->identity, .alpn = {"hawser/1"}, .require_alpn = true, .early_data = true};
    if (trust_new(harness->context, "any", NULL, &harness->config.trust) < 0)
        abort();
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    config.local.size = sizeof *in;
    config.tls = &harness->config;
    config.user = harness;
    for (int i = 0; i < 2; i++) {
        config.unproven_max = i ? 1 : PLACES;
        harness->addresses[i].size = sizeof harness->addresses[i].address;
        if (udp_port_new(harness->context, &config, &harness->ports[i]) < 0 ||
            getsockname(udp_port_descriptor(harness->ports[i]), (struct sockaddr *)&harness->addresses[i].address,
                        &harness->addresses[i].size) < 0)
            abort();
    }
    harness->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (harness->fd < 0 || bind(harness->fd, (struct sockaddr *)&config.local.address, config.local.size) < 0)
        abort();
    return harness;
}

/* ------------------------------------------------------------------------------------------------------- packets */

static size_t put_first(struct harness *harness, uint8_t *packet, uint8_t which, const uint8_t *data, size_t size,
                        bool with_token)
{
    size_t token = with_token && size > 0 ? data[0] % 64 : 0;

    token = token < size ? token : size;
    return first_put(packet, which, (uint8_t)harness->number++, data, token, data + token, size - token, !with_token);
}

static void send_to(struct harness *harness, const uint8_t *packet, size_t size, unsigned port)
{
    const struct layer_address *to = &harness->addresses[port];

    (void)sendto(harness->fd, packet, size, 0, (const struct sockaddr *)&to->address, to->size);
    harness->sent += size;
    for (int i = 0; i < 2; i++)
        if (hawser_dispatch(harness->context) < 0)
            abort();
}

static void command(struct harness *harness, const uint8_t **at, const uint8_t *stop, unsigned port)
{
    static uint8_t packet[4096];
    uint8_t what = *(*at)++;
    size_t size = 0, head = 0;

    if (stop - *at >= 2) {
        size = (size_t)((*at)[0] << 8 | (*at)[1]) % 1500;
        *at += 2;
    }
    if (size > (size_t)(stop - *at))
        size = (size_t)(stop - *at);
    if (what & 2) {
        head = put_first(harness, packet, what >> 2, *at, size, what & 1);
    } else {
        head = what & 1 ? first_put_long(packet, what >> 2) : 0;
        memcpy(packet + head, *at, size);
        head += size;
    }
    *at += size;
    send_to(harness, packet, head, port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct harness *harness = the_harness ? the_harness : (the_harness = make());
    uint8_t answer[65536];
    size_t answered = 0;
    ssize_t n;

    if (size < 1)
        return 0;
    harness->sent = harness->number = harness->peer_count = 0;
    const uint8_t *at = data + 1, *stop = data + size;
    for (unsigned i = 0; at < stop && i < COMMANDS_MAX; i++)
        command(harness, &at, stop, data[0] & 1);
    for (unsigned i = 0; i < harness->peer_count; i++)
        layer_destroy(harness->peers[i]);
    while (hawser_dispatch(harness->context) > 0)
        ;
    while ((n = recv(harness->fd, answer, sizeof answer, 0)) >= 0)
        answered += (size_t)n;
    if (answered > 3 * harness->sent)
        abort();
    return 0;
}
