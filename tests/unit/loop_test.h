/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the loop share. To be included after cmocka.h. */
#ifndef UNIT_LOOP_TEST_H
#define UNIT_LOOP_TEST_H

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/hawser.h>

#include "loop/loop.h"

static inline hawser_context *context_new(void)
{
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context), 0);
    return context;
}

static inline bool readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static inline void count_up(void *user)
{
    ++*(unsigned *)user;
}

struct end {
    struct loop_io io;
    hawser_context *context;
    struct end *victim; /* removed by ready() */
    int fd, peer;
    unsigned told;
};

static inline void end_ready(struct loop_io *io, uint32_t events)
{
    struct end *end = container_of(io, struct end, io), *victim = end->victim;

    assert_true(events & (EPOLLIN | EPOLLOUT));
    end->told++;
    if (victim) {
        loop_io_remove(victim->context, &victim->io);
        memset(&victim->io, 0x5a, sizeof victim->io); /* as if freed: nothing may look at it again */
    }
}

static inline void end_open(hawser_context *context, struct end *end, uint32_t events)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    *end = (struct end){.context = context, .fd = pair[0], .peer = pair[1]};
    assert_int_equal(loop_io_add(context, &end->io, end->fd, events, end_ready), 0);
}

static inline void end_close(struct end *end)
{
    close(end->fd);
    close(end->peer);
}

#endif
