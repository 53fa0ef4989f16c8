/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void write_on(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* whoever is gone does not matter to the one in the middle */
        data += n;
        size -= (size_t)n;
    }
}

static void flip(uint8_t *data, size_t size, uint64_t before, int64_t at)
{
    if (at >= (int64_t)before && at < (int64_t)(before + size))
        data[at - (int64_t)before] ^= 0x10;
}

static void from_opener(int fd, short events, void *user)
{
    struct proxy *proxy = user;
    uint8_t data[8192];
    ssize_t n = recv(fd, data, sizeof data, 0);

    (void)events;
    if (n <= 0) {
        hawser_watch(proxy->context, fd, 0, NULL, NULL);
        shutdown(proxy->server, SHUT_WR);
        return;
    }
    proxy->record = realloc(proxy->record, proxy->record_size + (size_t)n);
    assert_non_null(proxy->record);
    memcpy(proxy->record + proxy->record_size, data, (size_t)n);
    proxy->record_size += (size_t)n;
    flip(data, (size_t)n, proxy->forward, proxy->flip_forward);
    proxy->forward += (uint64_t)n;
    write_on(proxy->server, data, (size_t)n);
}

static void to_opener(int fd, short events, void *user)
{
    struct proxy *proxy = user;
    uint8_t data[8192];
    ssize_t n = recv(fd, data, sizeof data, 0);

    (void)events;
    if (n <= 0) {
        hawser_watch(proxy->context, fd, 0, NULL, NULL);
        shutdown(proxy->client, SHUT_WR);
        return;
    }
    flip(data, (size_t)n, proxy->backward, proxy->flip_backward);
    proxy->backward += (uint64_t)n;
    write_on(proxy->client, data, (size_t)n);
}

static void on_connection(int fd, short events, void *user)
{
    struct proxy *proxy = user;

    (void)events;
    proxy->client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    proxy->server = socket(proxy->onward.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(proxy->client >= 0 && proxy->server >= 0);
    assert_int_equal(connect(proxy->server, (struct sockaddr *)&proxy->onward.address, proxy->onward.size), 0);
    assert_int_equal(hawser_watch(proxy->context, proxy->client, POLLIN, from_opener, proxy), 0);
    assert_int_equal(hawser_watch(proxy->context, proxy->server, POLLIN, to_opener, proxy), 0);
}

void proxy_start(struct world *world, struct proxy *proxy)
{
    socklen_t size = sizeof proxy->address.address;

    memset(proxy, 0, sizeof *proxy);
    proxy->context = world->client_context;
    proxy->onward = world->address;
    proxy->client = proxy->server = -1;
    proxy->flip_forward = proxy->flip_backward = -1;
    make_address(world, "proxy", &proxy->address);
    proxy->listener = socket(world->row->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(proxy->listener >= 0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&proxy->address.address, proxy->address.size), 0);
    assert_int_equal(listen(proxy->listener, 8), 0);
    getsockname(proxy->listener, (struct sockaddr *)&proxy->address.address, &size);
    assert_int_equal(hawser_watch(proxy->context, proxy->listener, POLLIN, on_connection, proxy), 0);
    aim(world, &proxy->address);
}

void proxy_stop(struct proxy *proxy)
{
    int fds[] = {proxy->listener, proxy->client, proxy->server};

    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0) {
            hawser_watch(proxy->context, fds[i], 0, NULL, NULL);
            close(fds[i]);
        }
    if (proxy->address.address.ss_family == AF_UNIX)
        unlink(((struct sockaddr *)&proxy->address.address)->sa_data);
    free(proxy->record);
}
