/* SPDX-License-Identifier: Apache-2.0 */
/* The first message in the first packet: early data in a SYN. Needs a network of its own, where that is allowed. */
#include "api.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *enter_namespace(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd, r;

    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return "no network namespace can be made here";
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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

static uint64_t round_trips(struct world *world, const hawser_associate_options *options, bool *ret_fast_open)
{
    hawser_statistics statistics;

    world_associate(world, options);
    assert_int_equal(hawser_send(world->client.line, "m", 1, HAWSER_MESSAGE(.safely_replayable = true), NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(hawser_association_statistics(world->client.line, &statistics), 0);
    assert_int_equal(statistics.round_trips, world->client.round_trips);
    *ret_fast_open = statistics.fast_open;
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->server.received_count, 1);
    return statistics.round_trips;
}

static void no_round_trip_where_it_worked_before(void **state)
{
    struct world *world = *state;
    bool fast_open;

    world_listen(world, HAWSER_LISTEN(.fast_open = true));
    assert_int_equal(round_trips(world, NULL, &fast_open), 2); /* asks for the cookie, gets the ticket */
    assert_false(fast_open);
    assert_int_equal(round_trips(world, NULL, &fast_open), 0);
    assert_true(fast_open);
    assert_int_equal(round_trips(world, HAWSER_ASSOCIATE(.no_fast_open = true), &fast_open), 1);
    assert_false(fast_open);
    assert_int_equal(round_trips(world, HAWSER_ASSOCIATE(.no_early_data = true), &fast_open), 1);
    assert_true(fast_open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(no_round_trip_where_it_worked_before),
    };
    const char *reason = enter_namespace();

    if (reason) {
        printf("skipped: %s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
