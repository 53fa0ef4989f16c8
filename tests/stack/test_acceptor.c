/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. */
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int raw_connect(struct world *world)
{
    int fd = socket(world->row->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&world->address.address, world->address.size), 0);
    return fd;
}

static bool accepted_one(struct world *world)
{
    return world->accepted > 0;
}

static void runs_out_of_descriptors(void **state)
{
    struct world *world = *state;
    struct rlimit limit, none;
    int fd;

    only(world->bytes);
    listen_here(world);
    fd = raw_connect(world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 3; i++)
        hawser_iterate(world->server_context, 150000);
    assert_int_equal(world->accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(run_until(world, accepted_one)); /* by itself */
    close(fd);
}

static void pauses(void **state)
{
    struct world *world = *state;
    int fd;

    only(world->bytes);
    listen_here(world);
    acceptor_pause(world->acceptor, true);
    fd = raw_connect(world);
    run_for_events(world);
    assert_int_equal(world->accepted, 0);
    acceptor_pause(world->acceptor, false);
    assert_true(run_until(world, accepted_one));
    close(fd);
}

static void many_in_one_go(void **state)
{
    struct world *world = *state;
    int fds[150];

    only(world->bytes);
    listen_here(world);
    for (size_t i = 0; i < 150; i++)
        fds[i] = raw_connect(world);
    assert_true(hawser_iterate(world->server_context, 1000000) > 0);
    assert_true(world->accepted > 0 && world->accepted < 150); /* others on the loop have their turn */
    while (world->accepted < 150)
        assert_true(hawser_iterate(world->server_context, 1000000) > 0);
    for (size_t i = 0; i < 150; i++)
        close(fds[i]);
}

static void takes_over_a_socket(void **state)
{
    struct world *world = *state;
    struct acceptor *acceptor;
    struct acceptor_config config;
    int fd;

    only(world->bytes);
    fd = socket(world->row->family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    listen_here(world);
    config = (struct acceptor_config){.fd = fd};
    assert_int_equal(acceptor_new(world->server_context, &config, &acceptor), -EINVAL); /* it does not listen */
    close(fd);
    config.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(acceptor_new(world->server_context, &config, &acceptor), -ENOTSOCK);
    close(config.fd);
    config.fd = dup(acceptor_descriptor(world->acceptor));
    fcntl(config.fd, F_SETFL, 0);
    assert_int_equal(acceptor_new(world->server_context, &config, &acceptor), 0);
    assert_true(fcntl(config.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(config.fd, F_GETFD) & FD_CLOEXEC);
    acceptor_destroy(acceptor);
    assert_int_equal(fcntl(config.fd, F_GETFD), -1); /* it was its own */
}

static void address_in_use(void **state)
{
    struct world *world = *state;
    struct acceptor *other;
    struct acceptor_config config;

    only(world->bytes);
    listen_here(world);
    config = (struct acceptor_config){.local = world->address, .fd = -1};
    assert_int_equal(acceptor_new(world->server_context, &config, &other), -EADDRINUSE);
}

static void several_on_one_port(void **state)
{
    struct world *world = *state;
    struct acceptor_config config = {.local = world->address, .fd = -1, .reuse_port = true};
    struct acceptor *first, *second;
    socklen_t size = sizeof config.local.address;

    only(world->bytes);
    if (world->row->family == AF_UNIX)
        return;
    assert_int_equal(acceptor_new(world->server_context, &config, &first), 0);
    getsockname(acceptor_descriptor(first), (struct sockaddr *)&config.local.address, &size);
    assert_int_equal(acceptor_new(world->client_context, &config, &second), 0);
    acceptor_destroy(first);
    acceptor_destroy(second);
}

static bool exists(const struct world *world)
{
    struct stat status;

    return lstat(((const struct sockaddr_un *)(const void *)&world->address.address)->sun_path, &status) == 0;
}

static void unix_files(void **state)
{
    struct world *world = *state;
    const struct sockaddr_un *un = (const void *)&world->address.address;
    int fd;

    if (world->row->family != AF_UNIX)
        return;
    /* One that was left behind by a program that was killed is replaced. */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)un, world->address.size), 0);
    close(fd);
    assert_true(exists(world));
    listen_here(world);
    stop_listening(world);
    assert_false(exists(world));
    /* Another's in the place of ours stays. */
    listen_here(world);
    assert_int_equal(unlink(un->sun_path), 0);
    fd = open(un->sun_path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    stop_listening(world);
    assert_true(exists(world));
    /* What is no socket is never removed. */
    struct acceptor_config config = {.local = world->address, .fd = -1};
    assert_int_equal(acceptor_new(world->server_context, &config, &world->acceptor), -EADDRINUSE);
    assert_true(exists(world));
}

const struct suite_test acceptor_tests[] = {
    {"listener: goes on when there are descriptors again", runs_out_of_descriptors},
    {"listener: pauses", pauses},
    {"listener: takes a bounded number at once", many_in_one_go},
    {"listener: takes over a socket that listens", takes_over_a_socket},
    {"listener: an address in use is an error", address_in_use},
    {"listener: several on one port", several_on_one_port},
    {"listener: removes its own unix socket and no other file", unix_files},
    {NULL, NULL},
};
