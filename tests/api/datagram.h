/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that speaks no hawser, over datagrams: a socket of the test's own. */
#ifndef API_DATAGRAM_H
#define API_DATAGRAM_H

#include "raw.h"

static inline struct raw datagram_socket(const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct raw raw = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const char *port = endpoint ? strrchr(endpoint, ':') : NULL;

    assert_true(raw.fd >= 0);
    assert_int_equal(bind(raw.fd, (struct sockaddr *)&address, sizeof address), 0);
    if (port) {
        address.sin_port = htons((uint16_t)atoi(port + 1));
        assert_int_equal(connect(raw.fd, (struct sockaddr *)&address, sizeof address), 0);
    }
    raw.got = calloc(1, 65536);
    return raw;
}

/* One datagram, with a NUL behind it; false: none. */
static inline bool datagram_came(struct raw *raw)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(raw->fd, raw->got, 65535, 0, (struct sockaddr *)&from, &size);

    if (n < 0)
        return false;
    raw->got[n] = '\0';
    raw->size = (size_t)n;
    (void)connect(raw->fd, (struct sockaddr *)&from, size); /* to answer */
    return true;
}

static inline unsigned port_of(const struct raw *raw)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(raw->fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static inline hawser_properties *in_the_clear(void)
{
    hawser_properties *properties;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    return properties;
}

#endif
