/* SPDX-License-Identifier: Apache-2.0 */
/* TCP Fast Open: needs a system that allows it, so a network of its own. */
#include "suite.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const char *enter_namespace(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd, r;

    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return "no network namespace can be made here";
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    r = ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP;
    if (r == 0)
        r = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    if (r < 0)
        return "the loopback interface of the namespace cannot be set up";
    fd = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY | O_CLOEXEC);
    r = fd < 0 || write(fd, "3", 1) != 1;
    if (fd >= 0)
        close(fd);
    return r ? "net.ipv4.tcp_fastopen cannot be set" : NULL;
}

static bool all_came(struct world *world)
{
    return world->server.code || world->client.code ||
           (world->server.received >= world->client.to_send && world->client.received >= world->client.to_send);
}

static void exchange(struct world *world)
{
    world->server_wish.echo = true;
    world->client.early_wanted = true;
    world->client.to_send = 500;
    establish(world);
    assert_true(run_until(world, all_came));
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->client.received, 500);
    assert_int_equal(world->client.mismatches, 0);
}

static void no_round_trip(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->bytes);
    world->fast_open = true;
    world->target.fast_open = true;
    listen_here(world);
    exchange(world); /* gets the system's cookie and a ticket */
    drop_ends(world);
    exchange(world);
    layer_peer(world->client.top, &peer);
    assert_true(peer.fast_open);
    assert_false(peer.fast_open_lost);
    assert_int_equal(peer.round_trips, world->bottom_trips - 1);
    if (world->secure)
        assert_true(peer.early_accepted && world->server.early);
}

static void not_asked_for(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->bytes);
    world->fast_open = true;
    world->target.fast_open = true;
    listen_here(world);
    exchange(world);
    drop_ends(world);
    world->target.fast_open = false;
    exchange(world);
    layer_peer(world->client.top, &peer);
    assert_false(peer.fast_open);
    assert_int_equal(peer.round_trips, world->bottom_trips);
}

static void listener_takes_none(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->bytes && !world->relay.context); /* the relay's listener is not the row's */
    world->fast_open = true;
    world->target.fast_open = true;
    listen_here(world);
    exchange(world);
    drop_ends(world);
    stop_listening(world);
    world->fast_open = false; /* the cookie is there, but nobody reads it */
    listen_here(world);
    exchange(world);
    layer_peer(world->client.top, &peer);
    assert_false(peer.fast_open);
    assert_int_equal(peer.round_trips, world->bottom_trips);
}

static bool client_failed(struct world *world)
{
    return world->client.code != 0;
}

static void refused(void **state)
{
    struct world *world = *state;

    only(world->bytes);
    world->fast_open = true;
    world->target.fast_open = true;
    listen_here(world);
    exchange(world);
    drop_ends(world);
    stop_listening(world);
    world->client.to_send = 10;
    connect_there(world);
    assert_true(run_until(world, client_failed));
    if (world->relay.context)
        assert_words(&world->client, -HAWSER_EPROXY, "the pe");
    else
        assert_words(&world->client, -ECONNREFUSED, "connect: ");
}

const struct suite_test fast_open_tests[] = {
    {"Fast Open: no round trip before the first bytes are there", no_round_trip},
    {"Fast Open: only when asked for", not_asked_for},
    {"Fast Open: a listener without it is reached all the same", listener_takes_none},
    {"Fast Open: nobody listens", refused},
    {NULL, NULL},
};
