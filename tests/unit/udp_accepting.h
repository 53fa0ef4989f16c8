/* SPDX-License-Identifier: Apache-2.0 */
/* A UDP port, and who began there. */
#ifndef UDP_ACCEPTING_H
#define UDP_ACCEPTING_H

#include "udp_test.h"

#define PEERS 16

static const struct udp_protocol *const plain[] = {&plain_protocol, NULL};

struct accepting {
    hawser_context *context;
    struct udp_port *port;
    struct layer *peers[PEERS * 4];
    unsigned count;
    bool destroys; /* what comes */
    const char *stack;
};

static inline void on_accepted(void *user, const char *stack, struct layer *bottom)
{
    struct accepting *accepting = user;

    accepting->stack = stack;
    if (accepting->destroys) {
        layer_destroy(bottom);
        accepting->count++;
    } else {
        assert_in_range(accepting->count, 0, PEERS * 4 - 1);
        accepting->peers[accepting->count++] = bottom;
    }
}

static inline void port_open_at(struct accepting *accepting, struct layer_address at, bool reuse_port,
                                const struct udp_protocol *const *protocols, unsigned unproven_max)
{
    const struct udp_port_config config = {
        .local = at,
        .fd = -1,
        .reuse_port = reuse_port,
        .protocols = protocols,
        .unproven_max = unproven_max,
        .accepted = on_accepted,
        .user = accepting,
    };

    memset(accepting, 0, sizeof *accepting);
    accepting->context = context_new();
    assert_int_equal(udp_port_new(accepting->context, &config, &accepting->port), 0);
}

static inline void port_open(struct accepting *accepting, const char *host, const struct udp_protocol *const *protocols,
                             unsigned unproven_max)
{
    port_open_at(accepting, address_of(host, 0), false, protocols, unproven_max);
}

static inline struct layer_address port_address(const struct accepting *accepting, const char *host)
{
    struct layer_address bound = name_of(udp_port_descriptor(accepting->port));

    return address_of(host, port_of(&bound));
}

/* Two that share an address and port; where that is. */
static inline struct layer_address ports_share(struct accepting sides[2], const char *host)
{
    port_open_at(&sides[0], address_of(host, 0), true, plain, 100);
    port_open_at(&sides[1], port_address(&sides[0], host), true, plain, 100);
    return port_address(&sides[1], host);
}

static inline void port_close(struct accepting *accepting)
{
    udp_port_destroy(accepting->port);
    for (unsigned i = 0; i < accepting->count && !accepting->destroys; i++)
        layer_destroy(accepting->peers[i]);
    hawser_context_unref(accepting->context);
}

static inline void run_until(struct accepting *accepting, unsigned count)
{
    int64_t end = loop_clock() + WAIT;

    while (accepting->count < count && loop_clock() < end)
        hawser_iterate(accepting->context, 10000);
    assert_int_equal(accepting->count, count);
}

/* Runs what has come: loopback hands over within the call, so one more dispatch with nothing says that all was read. */
static inline void run_all(struct accepting *accepting)
{
    while (hawser_iterate(accepting->context, 0) > 0)
        ;
}

#endif
