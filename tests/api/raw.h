/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that speaks no hawser: a socket of the test's own, which the test reads and writes by hand. */
#ifndef API_RAW_H
#define API_RAW_H

#include "api.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/layer.h>

struct raw {
    int fd;
    char *got; /* all that came, with a NUL */
    size_t size;
    bool end;  /* the peer's direction has ended */
    int error; /* how it broke */
};

static inline struct raw raw_connect(const struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *port = strrchr(world->endpoint, ':');
    struct raw raw = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    assert_non_null(port);
    address.sin_port = htons((uint16_t)atoi(port + 1));
    assert_true(raw.fd >= 0);
    assert_int_equal(connect(raw.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(raw.fd, F_SETFL, O_NONBLOCK), 0);
    raw.got = calloc(1, 1);
    return raw;
}

/* Takes in what is there, at most once around. */
static inline void raw_read(struct raw *raw)
{
    char buffer[65536];
    ssize_t n;

    while (!raw->end && !raw->error) {
        n = recv(raw->fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            raw->error = errno;
        if (n == 0)
            raw->end = true;
        if (n <= 0)
            return;
        raw->got = realloc(raw->got, raw->size + (size_t)n + 1);
        assert_non_null(raw->got);
        memcpy(raw->got + raw->size, buffer, (size_t)n);
        raw->size += (size_t)n;
        raw->got[raw->size] = '\0';
    }
}

static inline bool raw_has(struct raw *raw, size_t size)
{
    raw_read(raw);
    return raw->size >= size;
}

static inline bool raw_over(struct raw *raw)
{
    raw_read(raw);
    return raw->end || raw->error;
}

static inline void raw_send(struct raw *raw, const void *data, size_t size)
{
    assert_int_equal(send(raw->fd, data, size, MSG_NOSIGNAL), size);
}

static inline void raw_say(struct raw *raw, const char *text)
{
    raw_send(raw, text, strlen(text));
}

static inline void raw_close(struct raw *raw)
{
    if (raw->fd >= 0)
        close(raw->fd);
    raw->fd = -1;
    free(raw->got);
    raw->got = NULL;
}

/* Listens for bare clients: session and security as the properties say, NULL: as they are by default. */
static inline void listen_bare(struct world *world, const char *session, const char *security, const char *framer,
                               hawser_listen_options options)
{
    hawser_properties *properties;

    options.struct_size = sizeof options;
    assert_int_equal(hawser_properties_new(&properties), 0);
    if (session)
        assert_int_equal(hawser_properties_set(properties, "session", session), 0);
    if (security)
        assert_int_equal(hawser_properties_set(properties, "security", security), 0);
    options.properties = properties;
    if (framer)
        assert_int_equal(hawser_framer_find(framer, &options.framer, &options.framer_user), 0);
    world_listen(world, &options);
    hawser_properties_unref(properties);
}

/* A plain client of a listener that takes no others. */
static inline void plain(struct world *world, struct raw *raw, const char *framer, hawser_listen_options options)
{
    listen_bare(world, "prohibit", "prohibit", framer, options);
    *raw = raw_connect(world);
    until(world, world->server.seen[HAWSER_ESTABLISHED]);
}

#define BLOCK (8u << 20) /* more than the system takes while nobody reads */

/* A message that fills what the system takes, and keeps the rest of the queue waiting. */
static inline hawser_message_id send_block(struct world *world, char *block)
{
    hawser_message_id id;

    memset(block, 'b', BLOCK);
    assert_int_equal(hawser_send(world->server.line, block, BLOCK, NULL, &id), 0);
    for (int i = 0; i < 20; i++)
        world_step(world);
    assert_int_equal(world->server.settled, 0);
    return id;
}

#endif
