/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors on the loop: the library's and the program's. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop_test.h"

/* ---------------------------------------------------------------------------------------------------------------- I/O */

static void readiness_is_told_once_an_edge(void **state)
{
    hawser_context *context = context_new();
    struct end end;

    (void)state;
    end_open(context, &end, EPOLLIN);
    assert_int_equal(hawser_iterate(context, 0), 0);
    assert_int_equal(write(end.peer, "x", 1), 1);
    assert_true(readable(hawser_context_fd(context), 0));
    assert_int_equal(hawser_iterate(context, 0), 1);
    assert_int_equal(hawser_iterate(context, 0), 0);
    assert_int_equal(write(end.peer, "x", 1), 1);
    assert_int_equal(hawser_iterate(context, 0), 1);
    assert_int_equal(end.told, 2);
    loop_io_remove(context, &end.io);
    assert_int_equal(end.io.fd, -1);
    loop_io_remove(context, &end.io);
    assert_int_equal(write(end.peer, "x", 1), 1);
    assert_int_equal(hawser_iterate(context, 0), 0);
    end_close(&end);
    hawser_context_unref(context);
}

static void adding_what_cannot_be_watched_fails(void **state)
{
    hawser_context *context = context_new();
    struct loop_io io = {.fd = -1};
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_int_equal(loop_io_add(context, &io, fileno(file), EPOLLIN, end_ready), -EPERM);
    assert_int_equal(loop_io_add(context, &io, 1 << 20, EPOLLIN, end_ready), -EBADF);
    assert_int_equal(io.fd, -1);
    fclose(file);
    hawser_context_unref(context);
}

/* Both ends were fetched as ready; whichever is told first removes the other, which then is told nothing. */
static void removal_takes_back_what_was_fetched(void **state)
{
    hawser_context *context = context_new();
    struct end ends[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        end_open(context, &ends[i], EPOLLOUT);
    ends[0].victim = &ends[1];
    ends[1].victim = &ends[0];
    assert_int_equal(hawser_iterate(context, 0), 1);
    assert_int_equal(ends[0].told + ends[1].told, 1);
    for (int i = 0; i < 2; i++)
        end_close(&ends[i]);
    hawser_context_unref(context);
}

static void removal_of_oneself_is_safe(void **state)
{
    hawser_context *context = context_new();
    struct end end;

    (void)state;
    end_open(context, &end, EPOLLIN | EPOLLOUT);
    end.victim = &end;
    assert_int_equal(hawser_iterate(context, 0), 1);
    assert_int_equal(write(end.peer, "x", 1), 1);
    assert_int_equal(hawser_iterate(context, 0), 0);
    assert_int_equal(end.told, 1);
    end_close(&end);
    hawser_context_unref(context);
}

struct watched {
    hawser_context *context;
    unsigned told;
    short last;
    short then; /* what to watch for afterwards; -1: the same */
};

static void watch_told(int fd, short revents, void *user)
{
    struct watched *watched = user;

    watched->told++;
    watched->last = revents;
    if (watched->then >= 0)
        assert_int_equal(hawser_watch(watched->context, fd, watched->then, watch_told, user), 0);
}

static void watch_is_level_triggered_until_it_ends(void **state)
{
    struct watched watched = {.context = context_new(), .then = -1};
    hawser_context *context = watched.context;
    int pair[2], fd = hawser_context_fd(context);

    (void)state;
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    assert_int_equal(hawser_watch(context, pair[0], POLLIN, NULL, NULL), -EINVAL);
    assert_int_equal(hawser_watch(context, pair[0], POLLNVAL, watch_told, NULL), -EINVAL);
    assert_int_equal(hawser_watch(context, pair[0], 0, NULL, NULL), -ENOENT);
    assert_int_equal(hawser_watch(context, pair[0], POLLIN, watch_told, &watched), 0);
    assert_false(readable(fd, 0));
    assert_int_equal(write(pair[1], "x", 1), 1);
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(readable(fd, 0));
        hawser_dispatch(context);
        assert_int_equal(watched.told, i);
        assert_int_equal(watched.last, POLLIN);
    }
    watched.then = 0; /* ended from inside */
    hawser_dispatch(context);
    assert_int_equal(watched.told, 4);
    assert_false(readable(fd, 0));
    close(pair[0]);
    close(pair[1]);
    hawser_context_unref(context);
}

static void watch_can_change_and_survives_a_closed_number(void **state)
{
    struct watched watched = {.context = context_new(), .then = -1};
    hawser_context *context = watched.context;
    int pair[2], other[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(hawser_watch(context, pair[0], POLLIN, watch_told, &watched), 0);
    assert_int_equal(hawser_iterate(context, 0), 0);
    assert_int_equal(hawser_watch(context, pair[0], POLLIN | POLLOUT, watch_told, &watched), 0);
    assert_int_equal(hawser_iterate(context, 0), 1);
    assert_int_equal(watched.last, POLLOUT);
    assert_int_equal(pipe2(other, O_CLOEXEC), 0);
    close(pair[0]); /* without a word */
    assert_int_equal(dup3(other[0], pair[0], O_CLOEXEC), pair[0]);
    assert_int_equal(hawser_watch(context, pair[0], POLLIN, watch_told, &watched), 0);
    assert_int_equal(write(other[1], "x", 1), 1);
    assert_int_equal(hawser_iterate(context, 0), 1);
    assert_int_equal(watched.last, POLLIN);
    close(other[1]);
    close(other[0]);
    close(pair[1]);
    hawser_context_unref(context); /* with a watch left */
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_is_told_once_an_edge),
        cmocka_unit_test(adding_what_cannot_be_watched_fails),
        cmocka_unit_test(removal_takes_back_what_was_fetched),
        cmocka_unit_test(removal_of_oneself_is_safe),
        cmocka_unit_test(watch_is_level_triggered_until_it_ends),
        cmocka_unit_test(watch_can_change_and_survives_a_closed_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
