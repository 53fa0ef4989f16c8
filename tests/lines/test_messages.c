/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: whole, once, with their boundaries, in any number and size, and as straight-line code. */
#include "lines.h"

#include <unistd.h>

#include <hawser/task.h>

#define MANY 100000

static void send_all(struct world *world, struct tally *tally, const hawser_message_options *options)
{
    while (tally->sent < tally->count) {
        while (tally->sent < tally->count && tally_send(tally, world->client.line, options))
            ;
        world_step(world);
    }
}

static void boundaries(void **state)
{
    struct world *world = *state;
    struct tally tally;

    row_connect(world);
    tally_start(&tally, MANY, 1, 3000);
    tally_watch(&tally, world);
    send_all(world, &tally, NULL);
    until(world, tally.acked + tally.expired + tally.failed == MANY);
    assert_int_equal(tally.acked, MANY);
    assert_int_equal(tally.came, MANY);
    assert_int_equal(tally.wrong, 0);
    tally_end(&tally);
}

static void in_order(void **state)
{
    struct world *world = *state;
    struct tally tally;

    row_connect(world);
    tally_start(&tally, 5000, 2, 40000);
    tally_watch(&tally, world);
    send_all(world, &tally, HAWSER_MESSAGE(.ordered = true));
    until(world, tally.acked == tally.count);
    assert_int_equal(tally.came, tally.count);
    assert_int_equal(tally.wrong, 0);
    assert_int_equal(tally.ordering, 0);
    tally_end(&tally);
}

static void huge_and_empty(void **state)
{
    struct world *world = *state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 40u << 20, 0};
    const size_t count = sizeof sizes / sizeof *sizes;
    char *data = malloc(40u << 20);
    bool found[sizeof sizes / sizeof *sizes] = {false};

    fill(data, 40u << 20, 7);
    row_listen(world, *HAWSER_LISTEN(.receive_memory = 128u << 20));
    row_associate(world, *HAWSER_ASSOCIATE(.send_queue = 64u << 20));
    row_wait_up(world);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(hawser_send(world->client.line, data, sizes[i], NULL, NULL), 0);
    until(world, world->server.received_count == count);
    until(world, world->client.settled == count);
    for (size_t i = 0; i < count; i++) {
        const struct noted *noted = &world->server.received[i];

        assert_true(noted->id >= 1 && noted->id <= count && !found[noted->id - 1]);
        found[noted->id - 1] = true;
        assert_int_equal(noted->size, sizes[noted->id - 1]);
        assert_memory_equal(noted->data, data, noted->size);
    }
    free(data);
}

static void both_directions(void **state)
{
    struct world *world = *state;
    struct tally there, back;

    row_connect(world);
    tally_start(&there, 3000, 3, 20000);
    tally_start(&back, 3000, 4, 20000);
    tally_watch(&there, world);
    /* The other way: the same handlers with the ends exchanged. */
    struct world turned = {.client = {.line = world->server.line}, .server = {.line = world->client.line}};
    tally_watch(&back, &turned);
    while (there.sent < there.count || back.sent < back.count) {
        for (int i = 0; i < 100; i++) {
            if (there.sent < there.count)
                (void)tally_send(&there, world->client.line, NULL);
            if (back.sent < back.count)
                (void)tally_send(&back, world->server.line, NULL);
        }
        world_step(world);
    }
    until(world, there.acked == there.count && back.acked == back.count);
    assert_int_equal(there.wrong + back.wrong, 0);
    tally_end(&there);
    tally_end(&back);
}

static void from_a_file(void **state)
{
    struct world *world = *state;
    int from = make_file(world, "from", 3000000, 9);
    char *expected = malloc(3000000);

    row_connect(world);
    fill(expected, 3000000, 9);
    assert_int_equal(hawser_send_file(world->client.line, from, 0, HAWSER_SIZE_UNKNOWN, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(world->server.received[0].size, 3000000);
    assert_memory_equal(world->server.received[0].data, expected, 3000000);
    free(expected);
    close(from);
}

#if HAWSER_TASKS
struct job {
    struct world *world;
    struct tally tally;
    uint64_t answered;
    int result;
    bool ended;
};

static void serve(void *line)
{
    hawser_message *message;
    hawser_received received;

    while (hawser_task_receive(line, &message, &received) == 0) {
        int r = hawser_task_send(line, hawser_message_data(message), hawser_message_size(message),
                                 HAWSER_MESSAGE(.reply_to = received.id));
        hawser_message_unref(message);
        if (r < 0)
            break;
    }
    hawser_association_unref(line);
}

static void take(struct world *world, hawser_association *association)
{
    assert_int_equal(hawser_task_start(world->server_context, serve, hawser_association_ref(association), NULL), 0);
}

static void ask(void *argument)
{
    struct job *job = argument;
    hawser_association *line = job->world->client.line;
    hawser_message *answer;

    job->result = hawser_task_established(line);
    while (job->result == 0 && job->answered < job->tally.count) {
        assert_true(tally_send(&job->tally, line, NULL));
        job->result = hawser_task_receive(line, &answer, NULL);
        if (job->result < 0)
            break;
        tally_receive(&job->tally, hawser_message_data(answer), hawser_message_size(answer));
        hawser_message_unref(answer);
        job->answered++;
    }
    job->ended = true;
}

static void as_a_coroutine(void **state)
{
    struct world *world = *state;
    struct job job = {.world = world};

    tally_start(&job.tally, 200, 5, 3000);
    world->accepting = take;
    row_listen(world, *HAWSER_LISTEN());
    row_associate(world, *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_register(world->client.line, HAWSER_RECEIVED, NULL, NULL), 0);
    assert_int_equal(hawser_task_start(world->client_context, ask, &job, NULL), 0);
    until(world, job.ended);
    assert_int_equal(job.result, 0);
    assert_int_equal(job.answered, job.tally.count);
    assert_int_equal(job.tally.wrong, 0);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    tally_end(&job.tally);
}
#endif

const struct line_test message_tests[] = {
    {"boundaries of 100,000 messages of random size", boundaries},
    {"ordered messages come in order", in_order},
    {"huge and empty messages", huge_and_empty},
    {"both directions at once", both_directions},
    {"a message from a file", from_a_file},
#if HAWSER_TASKS
    {"the receive loop as a coroutine", as_a_coroutine},
#endif
    {NULL, NULL},
};
