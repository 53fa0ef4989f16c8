/* SPDX-License-Identifier: Apache-2.0 */
/* Streams beside messages: bandwidth that is kept, and one order of niceness (S2.38, S2.46, S2.47). */
#include "../api/api.h"

#define BANDWIDTH 16000000 /* bits per second */
#define BLOCK 65536
#define DURATION 600000

static char block[BLOCK];

/* A handler that only takes: what saturates the line is not noted. */
static void take(const hawser_event *event, void *user)
{
    *(uint64_t *)user += event->received.size;
}

static void forget(const hawser_event *event, void *user)
{
    (void)event;
    (void)user;
}

/* More urgent messages than the line can carry. */
static void saturate(struct world *world)
{
    while (hawser_send(world->client.line, block, BLOCK, HAWSER_MESSAGE(.niceness = -50), NULL) == 0)
        ;
}

static uint64_t drain(hawser_stream *stream)
{
    uint64_t got = 0;
    ssize_t r;

    while (stream && (r = hawser_stream_read(stream, block, BLOCK)) > 0)
        got += (uint64_t)r;
    return got;
}

/* What arrives of a stream of the least urgency in DURATION, while urgent messages saturate the line. */
static uint64_t stream_bytes_under_load(struct world *world, const hawser_stream_options *options,
                                        uint64_t *ret_messages)
{
    hawser_stream *stream;
    uint64_t got = 0, messages = 0;
    int64_t end;

    world_connect(world);
    hawser_register(world->server.line, HAWSER_RECEIVED, take, &messages);
    hawser_register(world->client.line, HAWSER_OUTCOME, forget, NULL);
    assert_int_equal(hawser_open(world->client.line, options, &stream), 0);
    assert_true(hawser_stream_write(stream, block, BLOCK) > 0);
    until(world, world->server.stream && (got += drain(world->server.stream)) >= BLOCK);
    saturate(world);
    messages = got = 0;
    end = clock_now() + DURATION;
    while (clock_now() < end) {
        saturate(world);
        while (hawser_stream_write(stream, block, BLOCK) > 0)
            ;
        world_step(world);
        got += drain(world->server.stream);
    }
    hawser_stream_unref(stream);
    *ret_messages = messages;
    return got;
}

static void kept_bandwidth_holds_while_messages_saturate_the_line(void **state)
{
    const uint64_t kept = (uint64_t)BANDWIDTH / 8 * DURATION / 1000000;
    uint64_t messages, got;

    got = stream_bytes_under_load(*state, HAWSER_STREAM(.niceness = 100, .bandwidth = BANDWIDTH), &messages);
    print_message("with %u Mbit/s kept: %.1f, beside %.0f Mbit/s of messages\n", BANDWIDTH / 1000000,
                  (double)got * 8 / DURATION, (double)messages * 8 / DURATION);
    assert_true(got >= kept * 7 / 10);
    assert_true(messages > 4 * kept);
}

static void without_it_niceness_decides(void **state)
{
    uint64_t messages, got;

    got = stream_bytes_under_load(*state, HAWSER_STREAM(.niceness = 100), &messages);
    print_message("with nothing kept: %.1f Mbit/s, beside %.0f Mbit/s of messages\n", (double)got * 8 / DURATION,
                  (double)messages * 8 / DURATION);
    assert_true(got < (uint64_t)BANDWIDTH / 8 * DURATION / 1000000 * 4 / 10);
}

/* Three kinds of work queued at once, the most urgent last: they leave by niceness, whatever they are. */
static void streams_and_messages_stand_in_one_order(void **state)
{
    struct world *world = *state;
    hawser_stream *urgent, *patient;
    const size_t size = 8 << 20;
    char *large = calloc(1, size), byte;

    world_connect(world);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.niceness = 50), &patient), 0);
    assert_int_equal(hawser_stream_write(patient, "p", 1), 1);
    assert_int_equal(hawser_send(world->client.line, large, size, NULL, NULL), 0);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.niceness = -50), &urgent), 0);
    assert_int_equal(hawser_stream_write(urgent, "u", 1), 1);
    until(world, world->server.stream);
    hawser_stream *first = hawser_stream_ref(world->server.stream);
    assert_int_equal(hawser_stream_id(first), hawser_stream_id(urgent));
    assert_int_equal(world->server.received_count, 0);
    until(world, hawser_stream_read(first, &byte, 1) == 1);
    assert_int_equal(byte, 'u');
    until(world, world->server.received_count == 1 && world->server.stream != first);
    assert_int_equal(hawser_stream_id(world->server.stream), hawser_stream_id(patient));
    hawser_stream_unref(first);
    hawser_stream_unref(urgent);
    hawser_stream_unref(patient);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(kept_bandwidth_holds_while_messages_saturate_the_line),
        api_test(without_it_niceness_decides),
        api_test(streams_and_messages_stand_in_one_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
