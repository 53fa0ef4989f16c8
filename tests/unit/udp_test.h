/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of UDP share: a plain socket for the other side. To be included after cmocka.h. */
#ifndef UNIT_UDP_TEST_H
#define UNIT_UDP_TEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/hawser.h>

#include "layer/udp.h"
#include "layer/udp_internal.h"

#define WAIT 5000000 /* microseconds: for what comes at once */

static inline hawser_context *context_new(void)
{
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context), 0);
    return context;
}

static inline struct layer_address address_of(const char *host, unsigned port)
{
    struct layer_address address = {0};
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.address;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address.address;

    if (strchr(host, ':')) {
        *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        assert_int_equal(inet_pton(AF_INET6, host, &v6->sin6_addr), 1);
        address.size = sizeof *v6;
    } else {
        *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        assert_int_equal(inet_pton(AF_INET, host, &v4->sin_addr), 1);
        address.size = sizeof *v4;
    }
    return address;
}

static inline unsigned port_of(const struct layer_address *address)
{
    return ntohs(((const struct sockaddr_in *)&address->address)->sin_port); /* at the same place in both families */
}

static inline struct layer_address name_of(int fd)
{
    struct layer_address address = {.size = sizeof address.address};

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address.address, &address.size), 0);
    return address;
}

static inline int plain_socket(const char *host)
{
    struct layer_address local = address_of(host, 0);
    int fd = socket(local.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&local.address, local.size), 0);
    return fd;
}

static inline void plain_send(int fd, const struct layer_address *to, const void *data, size_t size)
{
    assert_int_equal(sendto(fd, data, size, 0, (const struct sockaddr *)&to->address, to->size), (ssize_t)size);
}

/* What came to a plain socket while the context runs: its size, and from whom. */
static inline ssize_t plain_receive(hawser_context *context, int fd, void *buffer, size_t size,
                                    struct layer_address *ret_from)
{
    struct layer_address from = {.size = sizeof from.address};
    int64_t end = loop_clock() + WAIT;
    ssize_t n;

    do {
        n = recvfrom(fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *)&from.address, &from.size);
        if (n < 0 && errno != EAGAIN)
            break;
        if (n < 0)
            hawser_iterate(context, 1000);
    } while (n < 0 && loop_clock() < end);
    if (ret_from)
        *ret_from = from;
    return n;
}

static inline struct layer *layer_to(hawser_context *context, const struct layer_address *remote)
{
    const struct layer_target target = {.remote = *remote};
    struct layer *layer;

    assert_int_equal(stack_open(context, "udp", &target, &layer), 0);
    assert_int_equal(layer_establish(layer), 0);
    return layer;
}

/* The next datagram of a layer, the context running meanwhile. */
static inline ssize_t layer_next(struct layer *layer, void *buffer, size_t size)
{
    hawser_context *context = layer->context;
    int64_t end = loop_clock() + WAIT;
    ssize_t n;

    while ((n = layer->type->receive(layer, buffer, size)) == -EAGAIN && loop_clock() < end)
        hawser_iterate(context, 10000);
    return n;
}

#endif
