/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, and readers that stop. */
#include "lines.h"

static hawser_stream *open_pair(struct world *world)
{
    hawser_stream *stream;

    row_connect(world);
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    assert_int_equal(hawser_stream_write(stream, "!", 1), 1); /* a stream is seen when its first byte comes */
    until(world, world->server.stream);
    return stream;
}

/* Writes `size` bytes into one, reads them from the other, and checks them. */
static void pass(struct world *world, hawser_stream *from, hawser_stream *to, size_t size, unsigned seed)
{
    uint8_t *data = malloc(size), *read = malloc(size);
    size_t written = 0, got = 0;

    fill(data, size, seed);
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
    assert_memory_equal(data, read, size);
    free(data);
    free(read);
}

static void streams_both_ways(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world), *theirs = world->server.stream;
    char byte;

    assert_int_equal(hawser_stream_read(theirs, &byte, 1), 1);
    pass(world, ours, theirs, 3000000, 1);
    pass(world, theirs, ours, 2000000, 2);
    assert_int_equal(hawser_stream_shutdown(ours), 0);
    until(world, hawser_stream_read(theirs, &byte, 1) == 0);
    pass(world, theirs, ours, 10000, 3); /* the other direction goes on */
    assert_int_equal(hawser_stream_shutdown(theirs), 0);
    until(world, world->client.seen[HAWSER_STREAM_CLOSED] && world->server.seen[HAWSER_STREAM_CLOSED]);
    hawser_stream_unref(ours);
}

static void reset_stream(void **state)
{
    struct world *world = *state;
    hawser_stream *ours = open_pair(world);

    assert_int_equal(hawser_stream_reset(ours, 77), 0);
    until(world, world->server.seen[HAWSER_STREAM_CLOSED]);
    assert_int_equal(hawser_send(world->client.line, "still up", 8, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    hawser_stream_unref(ours);
}

/* A program that takes nothing holds its peer back, at a bound; and nothing is lost by it. */
static void stopped_reader(void **state)
{
    struct world *world = *state;
    const uint64_t memory = 1 << 20;
    struct tally tally;
    hawser_statistics statistics;

    row_listen(world, *HAWSER_LISTEN(.receive_memory = memory));
    row_associate(world, *HAWSER_ASSOCIATE(.send_queue = 4 << 20));
    row_wait_up(world);
    tally_start(&tally, 20000, 6, 60000);
    tally_watch(&tally, world);
    assert_int_equal(hawser_pause(world->server.line), 0);
    while (tally_send(&tally, world->client.line, NULL))
        ;
    assert_true(tally.sent < tally.count); /* the queue is full, and says so */
    for (int i = 0; i < 20; i++)
        world_step(world);
    assert_int_equal(hawser_association_statistics(world->server.line, &statistics), 0);
    assert_true(statistics.held_bytes <= memory);
    assert_int_equal(tally.came, 0);
    assert_int_equal(hawser_resume(world->server.line), 0);
    until(world, tally.acked == tally.sent);
    assert_int_equal(tally.came, tally.sent);
    assert_int_equal(tally.wrong, 0);
    tally_end(&tally);
}

const struct line_test flow_tests[] = {
    {"streams in both directions, each of which ends alone", streams_both_ways},
    {"a stream that is reset leaves the line", reset_stream},
    {"a stopped reader holds its peer back, and loses nothing", stopped_reader},
    {NULL, NULL},
};
