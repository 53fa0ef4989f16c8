/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_paths(), as a program calls it: what it says of each path, that a watch tells of changes, and that asking sends
 * nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <net/ethernet.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path_world.h"

static void note_change(void *user)
{
    ++*(unsigned *)user;
}

static bool is_counted(void *user)
{
    return *(unsigned *)user > 0;
}

static void test_paths_to_an_endpoint(void **state)
{
    hawser_context *context = context_with("interface p1 type cellular\n");
    const hawser_path_info *paths;
    unsigned changes = 0;
    size_t count_of;
    (void)state;

    two_interfaces();
    assert_int_equal(hawser_paths(context, "192.0.2.1:80", NULL, &paths, &count_of), 0);
    assert_int_equal(count_of, 2);
    assert_string_equal(paths[0].interface, "p0");
    assert_string_equal(paths[0].type, "virtual");
    assert_string_equal(paths[0].family, "ipv4");
    assert_string_equal(paths[0].local, "10.0.0.1");
    assert_string_equal(paths[0].remote, "192.0.2.1");
    assert_string_equal(paths[0].gateway, "10.0.0.2");
    assert_true(paths[0].usable && paths[0].preferred && !paths[0].metered);
    assert_int_equal(paths[0].mtu, 1500);
    assert_int_equal(paths[0].quality, -1);
    assert_true(paths[0].loss < 0);
    assert_string_equal(paths[1].type, "cellular");
    assert_true(paths[1].metered && paths[1].cost == 100);
    assert_int_equal(hawser_paths(context, NULL, NULL, &paths, &count_of), 0);
    assert_int_equal(count_of, 3); /* two of IPv4, and that there is none of IPv6 */
    assert_string_equal(paths[0].remote, "");
    assert_string_equal(paths[2].family, "ipv6");
    assert_false(paths[2].usable);
    assert_string_equal(paths[2].reason, "there is no default route of ipv6");
    assert_int_equal(hawser_paths(context, "name.invalid:80", NULL, &paths, &count_of), 0);
    assert_int_equal(count_of, 3);
    assert_int_equal(hawser_paths(context, "unix:/tmp/none", NULL, &paths, &count_of), 0);
    assert_string_equal(paths[0].family, "unix");
    assert_int_equal(hawser_paths(context, "nowhere", NULL, &paths, &count_of), -HAWSER_EENDPOINT);
    assert_int_equal(hawser_paths(context, "fd:3", NULL, &paths, &count_of), -HAWSER_EENDPOINT);
    assert_int_equal(hawser_paths_watch(context, note_change, &changes), 0);
    ip("route del default dev p0");
    run_until(context, is_counted, &changes);
    assert_int_equal(hawser_paths(context, "192.0.2.1:80", NULL, &paths, &count_of), 0);
    assert_int_equal(count_of, 1);
    assert_int_equal(hawser_paths_watch(context, NULL, NULL), 0);
    hawser_context_unref(context);
}

/* What the kernel sends by itself on a new link: multicast listener reports, router solicitations, and who has an address. */
static bool is_housekeeping(const uint8_t *frame, ssize_t size)
{
    static const uint8_t unspecified[16];

    if (size < 14 + 40 + 1 || frame[12] != 0x86 || frame[13] != 0xdd)
        return false;
    if (frame[14 + 6] == 0) /* hop-by-hop options: MLD */
        return true;
    return frame[14 + 6] == 58 && (frame[14 + 40] == 133 || memcmp(frame + 14 + 8, unspecified, 16) == 0);
}

static void test_no_packet_leaves(void **state)
{
    static const char *const endpoints[] = {"192.0.2.1:80",      "10.0.0.2:80",     "10.0.0.77:80@p0",
                                            "[2001:db8:9::1]:9", "localhost:1",     "name.invalid:80",
                                            "192.0.2.1:80@p1",   "[fe80::9%p0]:80", "_http._tcp.local"};
    hawser_context *context = context_with(NULL);
    hawser_properties *properties = properties_of("useTemporaryLocalAddress", "require");
    const hawser_path_info *paths;
    uint8_t frame[2048];
    size_t count_of;
    ssize_t size;
    int fd;
    (void)state;

    two_interfaces();
    ip("addr add 2001:db8:1::1/64 dev p0 nodad");
    ip("-6 route add default via 2001:db8:1::2 dev p0");
    assert_true((fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL))) >= 0);
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        assert_int_equal(hawser_paths(context, endpoints[i], NULL, &paths, &count_of), 0);
        assert_true(count_of > 0);
        assert_int_equal(hawser_paths(context, endpoints[i], properties, &paths, &count_of), 0);
    }
    assert_int_equal(hawser_paths(context, NULL, NULL, &paths, &count_of), 0);
    while ((size = recv(fd, frame, sizeof frame, 0)) > 0)
        if (!is_housekeeping(frame, size))
            fail_msg("a packet left: type %02x%02x, %zd bytes", frame[12], frame[13], size);
    close(fd);
    hawser_properties_unref(properties);
    hawser_context_unref(context);
}

static int clean(void **state)
{
    (void)state;
    no_interfaces();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_paths_to_an_endpoint, clean),
        cmocka_unit_test_teardown(test_no_packet_leaves, clean),
    };
    const char *why = world_leave();

    if (why) {
        printf("skipped: %s\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
