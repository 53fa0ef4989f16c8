/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: both directions, their ends, blocking calls, and the descriptor. */
#include "api.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static hawser_stream *open_pair(struct world *world)
{
    hawser_stream *stream;

    if (!world->client.line)
        world_connect(world);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.niceness = -1, .user = world), &stream), 0);
    assert_ptr_equal(hawser_stream_user(stream), world);
    assert_int_equal(hawser_stream_write(stream, "!", 1), 1); /* a stream is seen when its first byte comes */
    until(world, world->server.stream);
    return stream;
}

static void reads(struct world *world, hawser_stream *stream, const char *expected)
{
    for (char byte; *expected; expected++) {
        until(world, hawser_stream_read(stream, &byte, 1) == 1);
        assert_int_equal(byte, *expected);
    }
}

/* Writes all and reads all, side by side. */
static void exchange(struct world *world, hawser_stream *from, hawser_stream *to, const char *data, size_t size)
{
    char *read = malloc(size);
    size_t written = 0, got = 0;

    while (got < size) {
        ssize_t out = written < size ? hawser_stream_write(from, data + written, size - written) : -EAGAIN;
        ssize_t in = hawser_stream_read(to, read + got, size - got);

        assert_true(out > 0 || out == -EAGAIN);
        assert_true(in > 0 || in == -EAGAIN);
        written += out > 0 ? (size_t)out : 0;
        got += in > 0 ? (size_t)in : 0;
        if (out < 0 && in < 0)
            world_step(world);
    }
    assert_memory_equal(read, data, size);
    free(read);
}

static void both_ways(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world), *theirs = world->server.stream;
    char *data = malloc(1000000), byte;

    fill(data, 1000000, 1);
    assert_int_equal(hawser_stream_read(theirs, &byte, 1), 1);
    assert_int_equal(hawser_stream_id(ours), hawser_stream_id(theirs));
    exchange(world, ours, theirs, data, 1000000);
    exchange(world, theirs, ours, data, 1000000);
    hawser_stream_unref(ours);
    free(data);
}

static void clean_ends(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world), *theirs = world->server.stream;
    char bytes[10];

    assert_int_equal(hawser_stream_write(ours, "last", 4), 4);
    assert_int_equal(hawser_stream_shutdown(ours), 0);
    assert_int_equal(hawser_stream_write(ours, "more", 4), -EPIPE);
    reads(world, theirs, "!last");
    until(world, hawser_stream_read(theirs, bytes, 1) == 0);
    /* Half closed: the other direction lives on. */
    assert_int_equal(hawser_stream_write(theirs, "bye", 3), 3);
    assert_int_equal(hawser_stream_shutdown(theirs), 0);
    until(world, hawser_stream_read(ours, bytes, 10) == 3);
    until(world, hawser_stream_read(ours, bytes, 10) == 0);
    until(world, world->client.seen[HAWSER_STREAM_CLOSED] && world->server.seen[HAWSER_STREAM_CLOSED]);
    hawser_stream_unref(ours);
}

static uint64_t reset_code;

static void on_closed(const hawser_event *event, void *user)
{
    reset_code = event->stream.code;
    *(bool *)user = true;
}

static void reset_reaches_the_peer(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);
    bool closed = false;
    char byte;

    assert_int_equal(hawser_register_stream(world->server.stream, HAWSER_STREAM_CLOSED, on_closed, &closed), 0);
    assert_int_equal(hawser_register_stream(world->server.stream, HAWSER_STREAM_OPENED, on_closed, NULL), -EINVAL);
    assert_int_equal(hawser_stream_reset(ours, 77), 0);
    until(world, closed && world->client.seen[HAWSER_STREAM_CLOSED]);
    assert_int_equal(reset_code, 77);
    assert_int_equal(world->server.seen[HAWSER_STREAM_CLOSED], 0); /* the stream's own handler came first */
    assert_int_equal(hawser_stream_read(world->server.stream, &byte, 1), -ECONNRESET);
    assert_int_equal(hawser_stream_write(world->server.stream, "x", 1), -ECONNRESET);
    hawser_stream_unref(ours);
}

static void last_reference_resets(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);

    hawser_stream_unref(ours);
    until(world, world->server.seen[HAWSER_STREAM_CLOSED]);
}

static void leaves_it(const hawser_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void streams_nobody_takes_are_reset(void **state)
{
    struct world *world = *state;
    hawser_stream *stream;

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_STREAM_OPENED, leaves_it, NULL), 0);
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    assert_int_equal(hawser_stream_write(stream, "x", 1), 1);
    until(world, world->client.seen[HAWSER_STREAM_CLOSED]);
    hawser_stream_unref(stream);
}

static void backpressure(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);
    char *data = calloc(1, 100000);
    uint64_t written = 1, before;
    ssize_t n;

    do {
        before = written;
        while ((n = hawser_stream_write(ours, data, 100000)) > 0)
            written += (uint64_t)n;
        assert_int_equal(n, -EAGAIN);
        for (int i = 0; i < 3; i++)
            world_step(world);
    } while (written != before);
    assert_true(written < 16 << 20);
    world->client.seen[HAWSER_STREAM_WRITABLE] = 0;
    while (written > 0 || !world->client.seen[HAWSER_STREAM_WRITABLE]) {
        n = hawser_stream_read(world->server.stream, data, 100000);
        written -= n > 0 ? (uint64_t)n : 0;
        if (n < 0)
            world_step(world);
    }
    hawser_stream_unref(ours);
    free(data);
}

static void arguments_are_checked(void **state)
{
    struct world *world = *state;
    hawser_stream *stream;

    world_connect(world);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.limit = true), &stream), -EINVAL);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.niceness = 1000), &stream), -EINVAL);
    stream = open_pair(world);
    assert_int_equal(hawser_stream_renice(stream, -101), -EINVAL);
    assert_int_equal(hawser_stream_renice(stream, 100), 0);
    assert_int_equal(hawser_stream_set_bandwidth(stream, 0, true), -EINVAL);
    assert_int_equal(hawser_stream_set_bandwidth(stream, 1000000, true), 0);
    hawser_stream_unref(stream);
}

static void limited_to_its_bandwidth(void **state)
{
    struct world *world = *state;
    hawser_stream *stream;
    char *data = calloc(1, 60000), byte[4096];
    int64_t began;
    size_t got = 0;
    ssize_t n;

    world_connect(world);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.bandwidth = 1600000, .limit = true), &stream), 0);
    began = clock_now();
    assert_int_equal(hawser_stream_write(stream, data, 60000), 60000);
    until(world, world->server.stream);
    while (got < 60000) {
        n = hawser_stream_read(world->server.stream, byte, sizeof byte);
        if (n > 0)
            got += (size_t)n;
        else
            world_step(world);
    }
    /* 60 kB at 200 kB/s are 300 ms; a first burst is allowed. */
    assert_true(clock_now() - began > 150000);
    hawser_stream_unref(stream);
    free(data);
}

/* ---------------------------------------------------------------------------------------------------- blocking calls */

static void *serve(void *argument)
{
    struct world *world = argument;
    char byte;
    ssize_t n;

    while (!world->server.stream)
        (void)hawser_iterate(world->server_context, 100000);
    while ((n = hawser_read(world->server.stream, &byte, 1)) == 1) {
        byte ^= 0x20;
        if (hawser_write(world->server.stream, &byte, 1) != 1)
            break;
    }
    (void)hawser_stream_shutdown(world->server.stream);
    while (!world->server.closed)
        (void)hawser_iterate(world->server_context, 100000);
    return NULL;
}

static void blocking_on_two_threads(void **state)
{
    struct world *world = *state;
    hawser_stream *stream;
    pthread_t thread;
    char byte;

    world_connect(world);
    assert_int_equal(pthread_create(&thread, NULL, serve, world), 0);
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    for (const char *at = "straight"; *at; at++) {
        assert_int_equal(hawser_write(stream, at, 1), 1);
        assert_int_equal(hawser_read(stream, &byte, 1), 1);
        assert_int_equal(byte, *at ^ 0x20);
    }
    assert_int_equal(hawser_stream_shutdown(stream), 0);
    assert_int_equal(hawser_read(stream, &byte, 1), 0);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    while (!world->client.closed)
        assert_true(hawser_iterate(world->client_context, 100000) >= 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    hawser_stream_unref(stream);
}

static void blocks(const hawser_event *event, void *user)
{
    hawser_stream *stream = user;
    char byte;

    (void)event;
    assert_int_equal(hawser_read(stream, &byte, 1), -EBUSY);
}

static void blocking_in_a_handler_is_busy(void **state)
{
    struct world *world = *state;
    hawser_stream *stream = open_pair(world);

    assert_int_equal(hawser_register(world->client.line, HAWSER_RECEIVED, blocks, stream), 0);
    assert_int_equal(hawser_send(world->server.line, "m", 1, NULL, NULL), 0);
    until(world, world->server.settled == 1);
    hawser_stream_unref(stream);
}

/* ----------------------------------------------------------------------------------------------------- the descriptor */

static int descriptor_of(hawser_stream *stream)
{
    int fd;

    assert_int_equal(hawser_stream_fd(stream, &fd), 0);
    assert_int_equal(hawser_stream_fd(stream, &fd), -EBUSY);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void descriptor_both_ways(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);
    const size_t size = 2000000;
    char *data = malloc(size), *got = malloc(size), *back = malloc(size), byte;
    size_t written = 0, come = 0, returned = 0, returning = 0;
    int fd = descriptor_of(ours);

    fill(data, size, 2);
    assert_int_equal(hawser_stream_write(ours, "x", 1), -EBUSY);
    assert_int_equal(hawser_stream_read(ours, &byte, 1), -EBUSY);
    hawser_stream_unref(ours); /* the descriptor keeps it */
    until(world, hawser_stream_read(world->server.stream, &byte, 1) == 1);
    /* The peer sends back what comes, so both directions are full at once. */
    while (returned < size) {
        ssize_t n = write(fd, data + written, size - written);

        written += n > 0 ? (size_t)n : 0;
        n = hawser_stream_read(world->server.stream, got + come, size - come);
        come += n > 0 ? (size_t)n : 0;
        n = hawser_stream_write(world->server.stream, got + returning, come - returning);
        returning += n > 0 ? (size_t)n : 0;
        n = read(fd, back + returned, size - returned);
        returned += n > 0 ? (size_t)n : 0;
        world_step(world);
    }
    assert_memory_equal(back, data, size);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    until(world, hawser_stream_read(world->server.stream, &byte, 1) == 0);
    assert_int_equal(hawser_stream_write(world->server.stream, "end", 3), 3);
    assert_int_equal(hawser_stream_shutdown(world->server.stream), 0);
    until(world, read(fd, back, 10) == 3);
    until(world, read(fd, back, 10) == 0);
    close(fd);
    until(world, world->server.seen[HAWSER_STREAM_CLOSED]);
    free(data);
    free(got);
    free(back);
}

static void slow_reader_of_a_descriptor(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);
    char *data = calloc(1, 100000);
    uint64_t written = 0, got = 0, before;
    int fd = descriptor_of(ours);
    ssize_t n;

    do {
        before = written;
        while ((n = hawser_stream_write(world->server.stream, data, 100000)) > 0)
            written += (uint64_t)n;
        for (int i = 0; i < 3; i++)
            world_step(world);
    } while (written != before);
    assert_true(written < 16 << 20);
    assert_int_equal(hawser_stream_shutdown(world->server.stream), 0);
    while ((n = read(fd, data, 100000)) != 0) {
        got += n > 0 ? (uint64_t)n : 0;
        if (n < 0)
            world_step(world);
    }
    assert_int_equal(got, written);
    close(fd);
    hawser_stream_unref(ours);
    free(data);
}

static void closed_descriptor_ends_the_stream(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);
    int fd = descriptor_of(ours);

    hawser_stream_unref(ours);
    assert_int_equal(write(fd, "all", 3), 3);
    close(fd);
    reads(world, world->server.stream, "!all");
    /* What comes for a reader that is gone resets the stream. */
    until(world, hawser_stream_write(world->server.stream, "x", 1) != 1 || world->server.seen[HAWSER_STREAM_CLOSED]);
    until(world, world->server.seen[HAWSER_STREAM_CLOSED]);
}

static void descriptor_outlives_the_line(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);
    int fd = descriptor_of(ours);
    char byte;

    assert_int_equal(hawser_abort(world->server.line, 0, ""), 0);
    until(world, world->client.closed);
    until(world, read(fd, &byte, 1) == 0 || errno == ECONNRESET);
    close(fd);
    hawser_stream_unref(ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(both_ways),
        api_test(clean_ends),
        api_test(reset_reaches_the_peer),
        api_test(last_reference_resets),
        api_test(streams_nobody_takes_are_reset),
        api_test(backpressure),
        api_test(arguments_are_checked),
        api_test(limited_to_its_bandwidth),
        api_test(blocking_on_two_threads),
        api_test(blocking_in_a_handler_is_busy),
        api_test(descriptor_both_ways),
        api_test(slow_reader_of_a_descriptor),
        api_test(closed_descriptor_ends_the_stream),
        api_test(descriptor_outlives_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
