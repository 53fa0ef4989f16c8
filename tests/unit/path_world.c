/* SPDX-License-Identifier: Apache-2.0 */
#include "path_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static bool put_file(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return done;
}

void world_write(const char *file, const char *text)
{
    if (!put_file(file, text))
        fail_msg("%s: %s", file, strerror(errno));
}

const char *world_leave(void)
{
    char map[64];
    unsigned user = geteuid(), group = getegid();

    if (system("ip -V >/dev/null 2>&1") != 0)
        return "ip(8) of iproute2 is not installed";
    if (user == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0) {
        user = 0;
    } else if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0) {
        snprintf(map, sizeof map, "0 %u 1", user);
        if (!put_file("/proc/self/setgroups", "deny") || !put_file("/proc/self/uid_map", map))
            return "user name spaces cannot be mapped here";
        snprintf(map, sizeof map, "0 %u 1", group);
        if (!put_file("/proc/self/gid_map", map))
            return "user name spaces cannot be mapped here";
    } else {
        return "network name spaces are not allowed here";
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return "mounts cannot be made private here";
    if (system("ip link set lo up && ip link add p9 type veth peer name q9 && ip link del p9") != 0)
        return "veth interfaces cannot be made here";
    return NULL;
}

void ip(const char *format, ...)
{
    char command[512] = "ip ";
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command + 3, sizeof command - 3, format, arguments);
    va_end(arguments);
    if (system(command) != 0)
        fail_msg("%s: failed", command);
}

static void cable(const char *one, const char *other)
{
    char file[128];
    const char *both[] = {one, other};

    ip("link add %s type veth peer name %s", one, other);
    for (size_t i = 0; i < 2; i++) {
        snprintf(file, sizeof file, "/proc/sys/net/ipv6/conf/%s/accept_dad", both[i]);
        world_write(file, "0"); /* addresses are ready at once */
        ip("link set %s up", both[i]);
    }
}

static bool has_link(int fd, const char *interface)
{
    struct ifreq request = {.ifr_flags = 0};

    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
    return request.ifr_flags & IFF_RUNNING;
}

void await_link(const char *interface, bool link)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    char event[8192];

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (void *)&groups, sizeof groups), 0);
    while (has_link(fd, interface) != link) {
        if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 20000) != 1)
            fail_msg("%s: waited in vain for its link to %s", interface, link ? "come" : "go");
        (void)!recv(fd, event, sizeof event, 0);
    }
    close(fd);
    ip("link set %s up", interface); /* takes the lock under which the change is told: all have heard of it */
}

void two_interfaces(void)
{
    cable("p0", "q0");
    cable("p1", "q1");
    await_link("p0", true);
    await_link("p1", true);
    ip("addr add 10.0.0.1/24 dev p0");
    ip("addr add 10.1.0.1/24 dev p1");
    ip("route add default via 10.0.0.2 dev p0 metric 10");
    ip("route add default via 10.1.0.2 dev p1 metric 20");
}

void no_interfaces(void)
{
    (void)!system("ip link del p0 2>/dev/null; ip link del p1 2>/dev/null; ip link del p2 2>/dev/null; "
                  "ip addr flush dev lo scope global");
}

struct layer_address address_of(const char *text)
{
    struct layer_address address = {.size = 0};
    struct sockaddr_in *four = (void *)&address.address;
    struct sockaddr_in6 *six = (void *)&address.address;

    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        address.size = sizeof *four;
    } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        address.size = sizeof *six;
    } else {
        fail_msg("%s is no address", text);
    }
    six->sin6_port = htons(80); /* where sin_port is, too */
    return address;
}

hawser_context *context_with(const char *policy)
{
    char file[] = "/tmp/hawser-path-XXXXXX";
    hawser_context *context;
    const struct policy *read;
    int fd;

    if (!policy) {
        assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .policy_file = ""), &context), 0);
        return context;
    }
    assert_true((fd = mkstemp(file)) >= 0);
    close(fd);
    world_write(file, policy);
    assert_int_equal(hawser_policy_check(file, NULL, 0), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .policy_file = file), &context), 0);
    assert_int_equal(policy_of(context, &read), 0); /* so that it is read before it goes: for a second it counts */
    unlink(file);
    return context;
}

hawser_properties *properties_of(const char *name, const char *value)
{
    hawser_properties *properties;

    assert_int_equal(hawser_properties_new(&properties), 0);
    if (hawser_properties_set(properties, name, value) < 0)
        fail_msg("%s", hawser_properties_wrong(properties));
    return properties;
}

void run_until(hawser_context *context, bool (*done)(void *user), void *user)
{
    int64_t end = hawser_now(context) + 20000000;

    while (!done(user)) {
        if (hawser_now(context) > end)
            fail_msg("waited in vain");
        assert_true(hawser_iterate(context, 100000) >= 0);
    }
}
