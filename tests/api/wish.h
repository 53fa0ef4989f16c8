/* SPDX-License-Identifier: Apache-2.0 */
/* Lines with properties, and what the kernel says of their sockets: for the tests of properties. */
#ifndef API_WISH_H
#define API_WISH_H

#include "api.h"

#include <hawser/layer.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif

/* Properties from name and value, in turns, to NULL. */
static hawser_properties *properties(const char *first, ...) __attribute__((sentinel, unused));
static hawser_properties *properties(const char *first, ...)
{
    hawser_properties *set;
    va_list arguments;

    assert_int_equal(hawser_properties_new(&set), 0);
    va_start(arguments, first);
    for (const char *name = first; name; name = va_arg(arguments, const char *)) {
        const char *value = va_arg(arguments, const char *);

        if (hawser_properties_set(set, name, value) != 0)
            fail_msg("%s = %s: %s", name, value, hawser_properties_wrong(set));
    }
    va_end(arguments);
    return set;
}

/* Both ends up; the client's with these properties, which are let go of at once. */
__attribute__((unused)) static void connect_with(struct world *world, hawser_properties *set,
                                                 hawser_associate_options options)
{
    if (!world->listener)
        world_listen(world, NULL);
    options.struct_size = sizeof options;
    options.properties = set;
    world_associate(world, &options);
    hawser_properties_unref(set);
    until(world,
          world->client.seen[HAWSER_ESTABLISHED] && world->server.line && world->server.seen[HAWSER_ESTABLISHED]);
}

__attribute__((unused)) static void listen_with(struct world *world, hawser_properties *set)
{
    world_listen(world, HAWSER_LISTEN(.properties = set));
    hawser_properties_unref(set);
}

__attribute__((unused)) static void finish(struct world *world)
{
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
}

__attribute__((unused)) static const char *asked(const hawser_association *line, const char *name)
{
    static char text[5000];

    assert_true(hawser_association_get_property(line, name, text, sizeof text) >= 0);
    return text;
}

__attribute__((unused)) static void change(hawser_association *line, const char *name, const char *value)
{
    char reason[256] = "";

    if (hawser_association_set_property(line, name, value, reason, sizeof reason) != 0)
        fail_msg("%s = %s: %s", name, value, reason);
    assert_string_equal(asked(line, name), value);
}

/* The descriptor of a line's socket, found by its address; the library's own. */
__attribute__((unused)) static int socket_of(const hawser_association *line)
{
    DIR *directory = opendir("/proc/self/fd");
    hawser_strand_info info;
    int found = -1;

    assert_int_equal(hawser_association_strand(line, 0, &info), 0);
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct sockaddr_in local, remote;
        socklen_t size = sizeof local;
        char text[64], text_remote[64];
        int fd = atoi(entry->d_name);

        if (getsockname(fd, (struct sockaddr *)&local, &size) < 0 || local.sin_family != AF_INET)
            continue;
        size = sizeof remote;
        if (getpeername(fd, (struct sockaddr *)&remote, &size) < 0)
            continue;
        snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(local.sin_port));
        snprintf(text_remote, sizeof text_remote, "127.0.0.1:%u", ntohs(remote.sin_port));
        if (strcmp(text, info.path.local) == 0 && strcmp(text_remote, info.path.remote) == 0)
            found = fd;
    }
    closedir(directory);
    assert_true(found >= 0);
    return found;
}

__attribute__((unused)) static int64_t option_of(const hawser_association *line, int level, int option)
{
    union {
        int number;
        int64_t wide;
    } value = {.wide = 0};
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(socket_of(line), level, option, &value, &size), 0);
    return size == sizeof value.number ? value.number : value.wide;
}

/* A plain TCP server of the test's own. */
__attribute__((unused)) static int serve(struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

__attribute__((unused)) static void connect_plain(struct world *world, hawser_properties *set, const char *framer)
{
    const hawser_framer *found = NULL;

    assert_int_equal(hawser_properties_set(set, "security", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(set, "session", "prohibit"), 0);
    if (framer)
        assert_int_equal(hawser_framer_find(framer, &found, NULL), 0);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set, .framer = found));
    hawser_properties_unref(set);
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(world->client.stack, "tcp");
}

__attribute__((unused)) static const hawser_received *sent(struct world *world, const hawser_message_options *options)
{
    size_t before = world->server.received_count;

    assert_int_equal(hawser_send(world->client.line, "x", 1, options, NULL), 0);
    until(world, world->server.received_count > before);
    return &world->server.received[before].received;
}

#endif
