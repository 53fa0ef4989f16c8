/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: straight-line code on the loop. */
#include "api.h"

#include <hawser/task.h>

#if HAWSER_TASKS

struct job {
    struct world *world;
    hawser_association *line;
    hawser_stream *stream;
    unsigned done, step;
    int result;
    bool ended;
};

static void echo(void *argument)
{
    struct job *job = argument;
    hawser_message *message;
    hawser_received received;

    while ((job->result = hawser_task_receive(job->line, &message, &received)) == 0) {
        assert_int_equal(hawser_message_size(message), received.size);
        job->result = hawser_task_send(job->line, hawser_message_data(message), hawser_message_size(message),
                                       HAWSER_MESSAGE(.reply_to = received.id));
        hawser_message_unref(message);
        if (job->result < 0)
            break;
        job->done++;
    }
    hawser_association_unref(job->line);
    job->ended = true;
}

static struct job server_job;

static void take(struct world *world, hawser_association *association)
{
    server_job = (struct job){.world = world, .line = hawser_association_ref(association)};
    assert_int_equal(hawser_task_start(world->server_context, echo, &server_job, NULL), 0);
}

static void asks(void *argument)
{
    struct job *job = argument;
    hawser_message *answer;
    char text[16];

    job->result = hawser_task_established(job->line);
    for (unsigned i = 0; i < 10 && job->result == 0; i++) {
        snprintf(text, sizeof text, "number %u", i);
        job->result = hawser_task_send(job->line, text, strlen(text), NULL);
        if (job->result == 0)
            job->result = hawser_task_receive(job->line, &answer, NULL);
        if (job->result == 0) {
            assert_memory_equal(hawser_message_data(answer), text, strlen(text));
            hawser_message_unref(answer);
            job->done++;
        }
    }
    assert_int_equal(hawser_close(job->line, 0, ""), 0);
    assert_int_equal(hawser_task_receive(job->line, &answer, NULL), -ECANCELED);
    hawser_association_unref(job->line);
    job->ended = true;
}

static void start_line(struct world *world, struct job *job, void (*fn)(void *))
{
    *job = (struct job){.world = world};
    assert_int_equal(hawser_associate(world->client_context, world->endpoint, NULL, &job->line), 0);
    assert_int_equal(hawser_task_start(world->client_context, fn, job, NULL), 0);
}

static void send_and_receive(void **state)
{
    struct world *world = *state;
    struct job job;

    world->accepting = take;
    world_listen(world, NULL);
    start_line(world, &job, asks);
    until(world, job.ended && server_job.ended);
    assert_int_equal(job.result, 0);
    assert_int_equal(job.done, 10);
    assert_int_equal(server_job.result, -ECANCELED);
    assert_int_equal(server_job.done, 10);
}

static void sends_one(void *argument)
{
    struct job *job = argument;

    job->result = hawser_task_send(job->line, "m", 1, NULL);
    job->ended = true;
}

/* The line leaves the process before the peer has answered: the outcome comes where it went. */
static void the_line_is_moved_away(void **state)
{
    struct world *world = *state;
    hawser_identity *identity;
    struct job job = {.world = world};
    size_t size;
    void *blob;
    int r;

    assert_int_equal(hawser_identity_new(&identity), 0);
    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(hawser_pause(world->server.line), 0);
    job.line = world->client.line;
    assert_int_equal(hawser_task_start(world->client_context, sends_one, &job, NULL), 0);
    while ((r = hawser_association_export(job.line, NULL, &blob, &size)) == -EAGAIN)
        world_step(world);
    assert_int_equal(r, 0);
    free(blob);
    until(world, job.ended);
    assert_int_equal(job.result, -HAWSER_EMOVED);
    hawser_identity_unref(identity);
}

static void outcomes(void *argument)
{
    struct job *job = argument;

    assert_int_equal(hawser_task_established(job->line), -HAWSER_EKEYWRONG);
    assert_int_equal(hawser_task_send(job->line, "m", 1, NULL), -ENOTCONN);
    hawser_association_unref(job->line);
    job->ended = true;
}

static void why_it_could_not_be(void **state)
{
    struct world *world = *state;
    hawser_identity *other;
    struct job job;

    world_listen(world, NULL);
    assert_int_equal(hawser_identity_new(&other), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(other),
             hawser_association_endpoint(world->listener));
    start_line(world, &job, outcomes);
    until(world, job.ended);
    hawser_identity_unref(other);
}

static void streams(void *argument)
{
    struct job *job = argument;
    char *data = malloc(500000), *back = malloc(500000);
    size_t got = 0;
    ssize_t n;

    fill(data, 500000, 1);
    assert_int_equal(hawser_task_write(job->stream, data, 500000), 500000);
    assert_int_equal(hawser_stream_shutdown(job->stream), 0);
    while ((n = hawser_task_read(job->stream, back + got, 500000 - got)) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, 500000);
    assert_memory_equal(data, back, got);
    free(data);
    free(back);
    hawser_stream_unref(job->stream);
    job->ended = true;
}

static void reflect(void *argument)
{
    hawser_stream *stream = argument;
    char bytes[5000];
    ssize_t n;

    while ((n = hawser_task_read(stream, bytes, sizeof bytes)) > 0)
        assert_int_equal(hawser_task_write(stream, bytes, (size_t)n), n);
    assert_int_equal(n, 0);
    assert_int_equal(hawser_stream_shutdown(stream), 0);
}

static void read_and_write(void **state)
{
    struct world *world = *state;
    struct job job = {.world = world};

    world_connect(world);
    assert_int_equal(hawser_open(world->client.line, NULL, &job.stream), 0);
    assert_int_equal(hawser_task_start(world->client_context, streams, &job, NULL), 0);
    until(world, world->server.stream);
    assert_int_equal(
        hawser_task_start(world->server_context, reflect, world->server.stream, HAWSER_TASK(.stack_size = 65536)), 0);
    until(world, job.ended);
}

static void sleeps(void *argument)
{
    struct job *job = argument;
    hawser_context *context = job->world->client_context;

    for (job->step = 0; job->step < 3; job->step++)
        assert_int_equal(hawser_task_yield(context), 0);
    job->result = hawser_task_sleep(context, 50000);
    job->ended = true;
}

static void yield_and_sleep(void **state)
{
    struct world *world = *state;
    struct job job = {.world = world};
    int64_t began = clock_now();

    assert_int_equal(hawser_task_start(world->client_context, sleeps, &job, NULL), 0);
    assert_int_equal(job.step, 0); /* it ran until it waited for the first time */
    assert_int_equal(hawser_run(world->client_context), 0);
    assert_true(job.ended);
    assert_int_equal(job.result, 0);
    assert_true(clock_now() - began >= 50000);
}

static void for_ever(void *argument)
{
    struct job *job = argument;

    while ((job->result = hawser_task_sleep(job->world->client_context, 3600000000)) == 0)
        job->step++;
    assert_int_equal(hawser_task_yield(job->world->client_context), -ECANCELED);
    job->ended = true;
}

static void unwound_with_the_context(void **state)
{
    struct world *world = *state;
    struct job jobs[20];

    for (int i = 0; i < 20; i++) {
        jobs[i] = (struct job){.world = world};
        assert_int_equal(hawser_task_start(world->client_context, for_ever, &jobs[i], NULL), 0);
    }
    hawser_context_unref(world->client_context);
    for (int i = 0; i < 20; i++) {
        assert_true(jobs[i].ended);
        assert_int_equal(jobs[i].result, -ECANCELED);
    }
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
}

static void arguments_are_checked(void **state)
{
    struct world *world = *state;
    hawser_message *message;

    world_connect(world);
    assert_int_equal(hawser_task_start(world->client_context, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(hawser_task_start(world->client_context, echo, NULL, HAWSER_TASK(.stack_size = 100)), -EINVAL);
    assert_int_equal(hawser_task_receive(world->client.line, &message, NULL), -EPERM);
    assert_int_equal(hawser_task_send(world->client.line, "m", 1, NULL), -EPERM);
    assert_int_equal(hawser_task_yield(world->client_context), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(the_line_is_moved_away), api_test(send_and_receive), api_test(why_it_could_not_be),
        api_test(read_and_write),         api_test(yield_and_sleep),  api_test(unwound_with_the_context),
        api_test(arguments_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    puts("skipped: this platform has no contexts to switch");
    return 77;
}

#endif
