/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage at the listener's address, and at the line's own. */
#include "lines.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool is_datagram(void)
{
    return strstr(row->stack, "udp") != NULL;
}

static socklen_t parse_endpoint(const struct world *world, struct sockaddr_storage *address)
{
    const char *text = hawser_association_endpoint(world->listener), *colon = strrchr(text, ':');
    struct sockaddr_in *v4 = (void *)address;
    struct sockaddr_in6 *v6 = (void *)address;
    struct sockaddr_un *un = (void *)address;

    memset(address, 0, sizeof *address);
    if (strncmp(text, "unix:", 5) == 0) {
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof un->sun_path, "%s", text + 5);
        return sizeof *un;
    }
    if (*text == '[') {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)atoi(colon + 1));
        v6->sin6_addr = in6addr_loopback;
        return sizeof *v6;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)atoi(colon + 1));
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof *v4;
}

static void shout(const struct world *world, unsigned count, unsigned seed)
{
    struct sockaddr_storage address;
    socklen_t size = parse_endpoint(world, &address);
    uint8_t data[1400];

    for (unsigned i = 0; i < count; i++) {
        static const uint8_t beginnings[] = {0x16, 0xc0, 0xd0, 0x40, 0x17, 0x00, 0xff, 0x14};
        int fd = socket(address.ss_family, (is_datagram() ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
        size_t length = 1 + (i * 37) % sizeof data;

        assert_true(fd >= 0);
        fill(data, sizeof data, seed + i);
        data[0] = beginnings[i % sizeof beginnings];
        /* A listener may have closed already: what is not taken is as good. */
        if (connect(fd, (struct sockaddr *)&address, size) == 0)
            (void)!send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
    }
}

static void garbage_at_the_listener(void **state)
{
    struct world *world = *state;
    struct tally tally;

    row_connect(world);
    tally_start(&tally, 2000, 8, 5000);
    tally_watch(&tally, world);
    while (tally.sent < tally.count) {
        for (int i = 0; i < 100 && tally.sent < tally.count; i++)
            (void)tally_send(&tally, world->client.line, NULL);
        shout(world, 10, (unsigned)tally.sent);
        world_step(world);
    }
    until(world, tally.acked == tally.count);
    assert_int_equal(tally.wrong, 0);
    assert_false(world->client.closed || world->server.closed);
    tally_end(&tally);
    /* And those who mean well still come in. */
    end_drop(&world->server);
    row_associate(world, *HAWSER_ASSOCIATE());
    row_wait_up(world);
}

const struct line_test hostile_tests[] = {
    {"garbage at the listener's address harms no line", garbage_at_the_listener},
    {NULL, NULL},
};
