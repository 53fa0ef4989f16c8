/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network may send where datagrams are numbered: to a port that takes dtls and tfrc, any datagram, and hellos with the
 * cookie that was given for them; and to numbered datagrams by themselves, in any time, while we send. Nothing may crash or
 * leak, memory has a bound, each unit has one fate, and who has not shown its address is sent no more than three times what came.
 *
 * Byte 0: 1 a port, else numbers by themselves; 2 in the clear; 4 padded. Then commands: a byte of what, two of size, and so
 * many bytes.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "layer/numbered.h"
#include "layer/udp.h"
#include "security/security.h"

#define PLACES 8
#define COMMANDS_MAX 200
#define MEMORY_MOST (4u << 20)
#define RECORD_HEAD 13
#define COOKIE_AT (RECORD_HEAD + 12 + 2 + 32 + 1) /* of a hello without a session */
#define ANSWER_COOKIE_AT (RECORD_HEAD + 12 + 2)

/* ------------------------------------------------------------------------------------------------ numbers by themselves */

struct counting {
    struct memory memory; /* first: turned back by a cast */
    size_t bytes, blocks;
};

static void *take(const struct memory *memory, size_t size)
{
    struct counting *counting = (struct counting *)(uintptr_t)memory;

    counting->blocks++;
    counting->bytes += size;
    if (counting->bytes > MEMORY_MOST)
        abort();
    return malloc(size);
}

static void give(const struct memory *memory, void *block, size_t size)
{
    struct counting *counting = (struct counting *)(uintptr_t)memory;

    if (block && (counting->blocks-- == 0 || counting->bytes < size))
        abort();
    counting->bytes -= block ? size : 0;
    free(block);
}

static void send_unit(struct numbered *numbered, size_t size, uint64_t *units, int64_t now)
{
    size_t capacity, whole;
    uint8_t *at = numbered_begin(numbered, now, &capacity);

    if (!at)
        return;
    if (capacity < 1000 || capacity > 2000)
        abort();
    size = size < capacity ? size : capacity;
    memset(at, 'u', size);
    if (!numbered_send(numbered, (*units)++, size, now, &whole) || whole > numbered_datagram_max(numbered))
        abort();
}

static void number_command(struct numbered *numbered, uint8_t what, const uint8_t *data, size_t size, uint64_t *units,
                           int64_t *now)
{
    uint8_t out[2048];
    const uint8_t *unit;
    size_t unit_size;

    switch (what & 7) {
    case 0:
        send_unit(numbered, size, units, *now);
        break;
    case 1:
        *now += (int64_t)size * (what >> 3) * 100;
        break;
    case 2:
        numbered_ping(numbered);
        break;
    case 3:
        numbered_set_datagram_max(numbered, NUMBERED_MIN + size % 300);
        break;
    default:
        if (numbered_received(numbered, data, size, *now, &unit, &unit_size) == 0 && unit &&
            (unit < data || unit + unit_size > data + size))
            abort();
    }
    while (numbered_due(numbered) <= *now) {
        if (numbered_expire(numbered, *now) < 0)
            break;
        size = numbered_output(numbered, out, *now);
        if (size > numbered_datagram_max(numbered))
            abort();
        if (size == 0)
            break;
    }
}

static void numbers(uint8_t flags, const uint8_t *at, const uint8_t *stop)
{
    struct counting counting = {.memory = {take, give}};
    struct numbered_config config = {.memory = &counting.memory,
                                     .datagram_max = 1400,
                                     .seed = 7,
                                     .rtt = flags & 8 ? 20000 : 0,
                                     .pad = flags & 4 ? 64 : 0,
                                     .clear = flags & 2};
    struct numbered_unit_fate fate;
    struct numbered *numbered;
    uint64_t units = 0, fates = 0;
    int64_t now = 1000000;

    if (numbered_new(&config, now, &numbered) < 0)
        abort();
    for (unsigned i = 0; stop - at >= 3 && i < COMMANDS_MAX; i++) {
        uint8_t what = at[0];
        size_t size = (size_t)(at[1] << 8 | at[2]) % 2048;

        at += 3;
        size = size < (size_t)(stop - at) ? size : (size_t)(stop - at);
        number_command(numbered, what, at, size, &units, &now);
        if ((what & 7) >= 4) /* the others have a size alone */
            at += size;
        while (numbered_fate(numbered, &fate)) {
            if (fate.unit >= units)
                abort();
            fates++;
        }
    }
    if (fates > units)
        abort();
    numbered_free(numbered);
    if (counting.blocks || counting.bytes)
        abort();
}

/* ----------------------------------------------------------------------------------------------------------- a port */

struct harness {
    hawser_context *context;
    hawser_identity *identity;
    struct tls_config config;
    struct udp_port *port;
    struct layer_address address;
    int fd;
    struct layer *peers[PLACES];
    unsigned peer_count;
    size_t sent, answered;
    uint8_t cookie[256];
    size_t cookie_size;
};

static struct harness *the_harness;

static void on_ready(struct layer *layer, unsigned ready)
{
    uint8_t data[2048];

    (void)ready;
    if (layer_establish(layer) == 0)
        while (layer->type->receive(layer, data, sizeof data) >= 0)
            ;
}

static void on_accepted(void *user, const char *stack, struct layer *bottom)
{
    struct harness *harness = user;
    struct layer *top;

    if (harness->peer_count >= PLACES ||
        stack_accept_above(harness->context, stack, &harness->config, bottom, &top) < 0)
        abort();
    harness->peers[harness->peer_count++] = top;
    top->ready = on_ready;
    on_ready(top, LAYER_READABLE);
}

static struct harness *make(void)
{
    static const struct udp_protocol *const protocols[] = {&dtls_protocol, &tfrc_protocol, NULL};
    struct harness *harness = calloc(1, sizeof *harness);
    struct udp_port_config config = {.fd = -1, .protocols = protocols, .unproven_max = PLACES, .accepted = on_accepted};
    struct sockaddr_in *in = (void *)&config.local.address;

    if (!harness || hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .no_worker = true), &harness->context) < 0 ||
        hawser_identity_new(&harness->identity) < 0)
        abort();
    harness->config =
        (struct tls_config){.identity = harness->identity, .alpn = {"hawser/1", "hawser/1+sctp"}, .require_alpn = true};
    if (trust_new(harness->context, "any", NULL, &harness->config.trust) < 0)
        abort();
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    config.local.size = sizeof *in;
    config.tls = &harness->config;
    config.user = harness;
    harness->address.size = sizeof harness->address.address;
    if (udp_port_new(harness->context, &config, &harness->port) < 0 ||
        getsockname(udp_port_descriptor(harness->port), (struct sockaddr *)&harness->address.address,
                    &harness->address.size) < 0)
        abort();
    harness->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (harness->fd < 0 || bind(harness->fd, (struct sockaddr *)&config.local.address, config.local.size) < 0)
        abort();
    return harness;
}

/* Keeps the cookie of a HelloVerifyRequest. */
static void take_answers(struct harness *harness)
{
    uint8_t answer[65536];
    ssize_t n;

    while ((n = recv(harness->fd, answer, sizeof answer, 0)) >= 0) {
        harness->answered += (size_t)n;
        if (n > ANSWER_COOKIE_AT && answer[0] == 22 && answer[RECORD_HEAD] == 3 &&
            answer[ANSWER_COOKIE_AT] < n - ANSWER_COOKIE_AT) {
            harness->cookie_size = answer[ANSWER_COOKIE_AT];
            memcpy(harness->cookie, answer + ANSWER_COOKIE_AT + 1, harness->cookie_size);
        }
    }
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* A hello (RFC 6347 section 4.2.1), whose suites and extensions are given; with the cookie that came last. */
static size_t put_hello(struct harness *harness, uint8_t *packet, const uint8_t *data, size_t size, uint8_t sequence)
{
    uint8_t *at = packet + COOKIE_AT;
    size_t body;

    memset(packet, 0, COOKIE_AT);
    memcpy(packet, (uint8_t[]){22, 0xfe, 0xff}, 3);
    packet[10] = sequence;
    packet[RECORD_HEAD] = 1;
    packet[RECORD_HEAD + 5] = sequence;
    memcpy(packet + RECORD_HEAD + 12, (uint8_t[]){0xfe, 0xfd}, 2);
    *at++ = (uint8_t)harness->cookie_size;
    memcpy(at, harness->cookie, harness->cookie_size);
    at += harness->cookie_size;
    memcpy(at, data, size);
    at += size;
    body = (size_t)(at - packet) - RECORD_HEAD - 12;
    put16(packet + 11, body + 12);
    put16(packet + RECORD_HEAD + 2, body);
    put16(packet + RECORD_HEAD + 10, body);
    return (size_t)(at - packet);
}

static void port_command(struct harness *harness, uint8_t what, const uint8_t *data, size_t size)
{
    static uint8_t packet[4096];

    if (what & 1) {
        size = put_hello(harness, packet, data, size, what >> 4);
    } else {
        memcpy(packet, data, size);
    }
    (void)sendto(harness->fd, packet, size, 0, (const struct sockaddr *)&harness->address.address,
                 harness->address.size);
    harness->sent += size;
    for (int i = 0; i < 2; i++)
        if (hawser_dispatch(harness->context) < 0)
            abort();
    take_answers(harness);
}

static void port(const uint8_t *at, const uint8_t *stop)
{
    struct harness *harness = the_harness ? the_harness : (the_harness = make());
    bool proven;

    harness->sent = harness->answered = harness->peer_count = harness->cookie_size = 0;
    for (unsigned i = 0; stop - at >= 3 && i < COMMANDS_MAX; i++) {
        uint8_t what = at[0];
        size_t size = (size_t)(at[1] << 8 | at[2]) % 2048;

        at += 3;
        size = size < (size_t)(stop - at) ? size : (size_t)(stop - at);
        port_command(harness, what, at, size);
        at += size;
    }
    proven = harness->cookie_size > 0 && harness->peer_count > 0;
    for (unsigned i = 0; i < harness->peer_count; i++)
        layer_destroy(harness->peers[i]);
    while (hawser_dispatch(harness->context) > 0)
        ;
    take_answers(harness);
    if (!proven && harness->answered > 3 * harness->sent)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] & 1)
        port(data + 1, data + size);
    else
        numbers(data[0], data + 1, data + size);
    return 0;
}
