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
#include <sys/eventfd.h>
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

enum {
    PORTION = 256,
    MANY = 600,
    WORK = 3000
}; /* what the loop fetches at once; three of those; microseconds of each */

struct many {
    hawser_context *context;
    unsigned told;
    int64_t worked; /* the dispatch whose first one took its time */
    bool again;     /* each is ready anew as soon as it was told */
    struct one {
        struct loop_io io;
        struct many *many;
    } all[MANY];
};

static void one_ready(struct loop_io *io, uint32_t events)
{
    struct many *many = container_of(io, struct one, io)->many;

    (void)events;
    many->told++;
    if (many->worked != loop_now(many->context)) {
        many->worked = loop_now(many->context);
        while (loop_clock() < many->worked + WORK)
            ;
    }
    if (many->again)
        assert_int_equal(eventfd_write(io->fd, 1), 0);
}

static void many_begin(struct many *many)
{
    *many = (struct many){.context = context_new()};
    for (unsigned i = 0; i < MANY; i++) {
        struct one *one = &many->all[i];
        int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

        assert_true(fd >= 0);
        one->many = many;
        assert_int_equal(loop_io_add(many->context, &one->io, fd, EPOLLIN, one_ready), 0);
    }
}

static void many_end(struct many *many)
{
    for (unsigned i = 0; i < MANY; i++) {
        int fd = many->all[i].io.fd;

        loop_io_remove(many->context, &many->all[i].io);
        close(fd);
    }
    hawser_context_unref(many->context);
}

/* Readiness is fetched in portions: what is in the last of them waits for the work on all. */
static void how_long_something_lies_unread_is_known(void **state)
{
    struct many many;
    unsigned turns = 0;

    (void)state;
    many_begin(&many);
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(hawser_dispatch(many.context), 0);
        assert_true(many.told < MANY);
        assert_true(loop_behind(many.context) >= i * WORK);
    }
    assert_int_equal(hawser_dispatch(many.context), 0);
    assert_int_equal(many.told, MANY);
    assert_true(loop_behind(many.context) >= WORK);
    do /* nothing to do, unless another process had the processor */
        assert_int_equal(hawser_dispatch(many.context), 0);
    while (loop_behind(many.context) >= WORK && ++turns < 1000);
    assert_true(turns < 1000);
    many_end(&many);
}

/* Always more than a portion: each is told in turn all the same, and nothing lies unread for longer than two rounds take. */
static void a_loop_that_is_always_behind_knows_how_far(void **state)
{
    enum { TURNS = 24, TWO_ROUNDS = 2 * ((MANY + PORTION) / PORTION + 1) };
    struct many many;
    int64_t took[TURNS], two_rounds = 0;

    (void)state;
    many_begin(&many);
    many.again = true;
    for (unsigned i = 0; i < TURNS; i++) {
        int64_t began = loop_clock();

        assert_int_equal(hawser_dispatch(many.context), 0);
        took[i] = loop_clock() - began;
    }
    for (unsigned i = TURNS - TWO_ROUNDS; i < TURNS; i++)
        two_rounds += took[i];
    assert_true(loop_behind(many.context) >= WORK);
    assert_true(loop_behind(many.context) <= two_rounds);
    many_end(&many);
}

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
        cmocka_unit_test(how_long_something_lies_unread_is_known),
        cmocka_unit_test(a_loop_that_is_always_behind_knows_how_far),
        cmocka_unit_test(watch_is_level_triggered_until_it_ends),
        cmocka_unit_test(watch_can_change_and_survives_a_closed_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
