/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: whose memory they leave from, how they end, and how they are kept. */
#include "api.h"

#include <pthread.h>

static void only_outcome(struct world *world, int kind, int code)
{
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcome_count, 1);
    assert_int_equal(world->client.outcomes[0].kind, kind);
    assert_int_equal(world->client.outcomes[0].code, code);
}

static void every_size_arrives_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 16383, 16384, 16385, 65536, 65537, 300000, 2000000};
    const size_t count = sizeof sizes / sizeof *sizes;
    struct world *world = *state;
    char *data = malloc(2000000);

    world_connect(world);
    for (unsigned i = 0; i < count; i++) {
        fill(data, sizes[i], i);
        assert_int_equal(hawser_send(world->client.line, data, sizes[i], NULL, NULL), 0);
    }
    until(world, world->client.settled == count);
    assert_int_equal(world->server.received_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct noted *noted = &world->server.received[i];

        assert_int_equal(noted->size, sizes[noted->id - 1]);
        fill(data, noted->size, (unsigned)noted->id - 1);
        assert_memory_equal(noted->data, data, noted->size);
    }
    free(data);
}

static void properties_arrive(void **state)
{
    struct world *world = *state;
    hawser_message_id first;
    const hawser_received *second;

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, "one", 3, HAWSER_MESSAGE(.ordered = true), &first), 0);
    assert_int_equal(hawser_send(world->client.line, "two", 3,
                                 HAWSER_MESSAGE(.niceness = -7, .lifetime_us = 5000000, .reply_to = 9, .ordered = true,
                                                HAWSER_ANTECEDENTS(first)),
                                 NULL),
                     0);
    until(world, world->server.received_count == 2);
    assert_string_equal(world->server.received[0].data, "one");
    second = &world->server.received[1].received;
    assert_int_equal(second->niceness, -7);
    assert_int_equal(second->reply_to, 9);
    assert_true(second->ordered);
    assert_false(second->antecedent_lost);
    assert_true(second->age_us >= 0 && second->age_us < 5000000);
    assert_int_equal(world->server.received[0].received.age_us, -1);
}

/* ---------------------------------------------------------------------------------------------------- whose memory */

struct lent {
    void *data;
    size_t size;
    unsigned count;
};

static void released(void *data, size_t size, void *user)
{
    struct lent *lent = user;

    lent->data = data;
    lent->size = size;
    lent->count++;
}

static void lent_memory_comes_back(void **state)
{
    static const size_t sizes[] = {0, 100, 1000000};
    struct world *world = *state;
    char *data = malloc(1000000);

    fill(data, 1000000, 1);
    world_connect(world);
    for (size_t i = 0; i < 3; i++) {
        struct lent lent = {.count = 0};

        assert_int_equal(hawser_send(world->client.line, data, sizes[i],
                                     HAWSER_MESSAGE(.release = released, .release_user = &lent), NULL),
                         0);
        assert_int_equal(lent.count, 0);
        until(world, lent.count == 1 && world->client.settled == i + 1);
        assert_ptr_equal(lent.data, data);
        assert_int_equal(lent.size, sizes[i]);
        assert_int_equal(world->server.received[i].size, sizes[i]);
        assert_memory_equal(world->server.received[i].data, data, sizes[i]);
    }
    free(data);
}

static void lent_memory_comes_back_at_the_end(void **state)
{
    struct world *world = *state;
    struct lent lent = {.count = 0};
    char data[20000] = "";

    world_listen(world, NULL);
    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, data, sizeof data,
                                 HAWSER_MESSAGE(.release = released, .release_user = &lent), NULL),
                     0);
    hawser_association_ref(world->client.line);
    hawser_context_unref(world->client_context);
    assert_int_equal(lent.count, 1);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), -ENOTCONN);
    hawser_association_unref(world->client.line);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
}

static void prefixes_go_before(void **state)
{
    static const size_t sizes[] = {5, 16380, 100000};
    struct world *world = *state;
    char *data = malloc(100000);
    unsigned sent = 0;

    fill(data, 100000, 2);
    world_connect(world);
    for (size_t i = 0; i < 3; i++) {
        struct lent lent = {.count = 0};

        assert_int_equal(
            hawser_send(world->client.line, data, sizes[i], HAWSER_MESSAGE(.prefix = "head:", .prefix_size = 5), NULL),
            0);
        assert_int_equal(
            hawser_send(world->client.line, data, sizes[i],
                        HAWSER_MESSAGE(.prefix = "head:", .prefix_size = 5, .release = released, .release_user = &lent),
                        NULL),
            0);
        sent += 2;
        until(world, world->client.settled == sent && lent.count == 1);
    }
    assert_int_equal(world->server.received_count, sent);
    for (size_t i = 0; i < sent; i++) {
        const struct noted *noted = &world->server.received[i];

        assert_int_equal(noted->size, sizes[(noted->id - 1) / 2] + 5);
        assert_memory_equal(noted->data, "head:", 5);
        assert_memory_equal(noted->data + 5, data, noted->size - 5);
    }
    free(data);
}

static void buffers_are_shared(void **state)
{
    struct world *world = *state;
    hawser_buffer *buffer;

    world_connect(world);
    assert_int_equal(hawser_buffer_new(50000, &buffer), 0);
    assert_int_equal(hawser_buffer_size(buffer), 50000);
    fill(hawser_buffer_data(buffer), 50000, 3);
    assert_int_equal(hawser_send_buffer(world->client.line, buffer, 0, 50000, NULL, NULL), 0);
    assert_int_equal(
        hawser_send_buffer(world->client.line, buffer, 10, 20, HAWSER_MESSAGE(.prefix = ">", .prefix_size = 1), NULL),
        0);
    assert_int_equal(hawser_send_buffer(world->client.line, buffer, 49990, 11, NULL, NULL), -EINVAL);
    until(world, world->client.settled == 2);
    for (size_t i = 0; i < 2; i++) {
        const struct noted *noted = &world->server.received[i];

        if (noted->id == 1)
            assert_memory_equal(noted->data, hawser_buffer_data(buffer), 50000);
        else
            assert_memory_equal(noted->data + 1, (char *)hawser_buffer_data(buffer) + 10, 20);
    }
    hawser_buffer_unref(buffer);
}

/* ------------------------------------------------------------------------------------------------------ how they end */

static void cancelled(void **state)
{
    struct world *world = *state;
    hawser_message_id id;

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, &id), 0);
    assert_int_equal(hawser_renice(world->client.line, id, -5), 0);
    assert_int_equal(hawser_cancel(world->client.line, id), 0);
    only_outcome(world, HAWSER_SEND_FAILED, -ECANCELED);
    assert_int_equal(hawser_cancel(world->client.line, id), -ENOENT);
    assert_int_equal(hawser_renice(world->client.line, id, 1), -ENOENT);
    assert_int_equal(world->server.received_count, 0);
}

static void expires_before_it_leaves(void **state)
{
    struct world *world = *state;
    struct world quiet = *world;
    int64_t began = clock_now();

    /* Nobody answers at the other end meanwhile: the server is not dispatched. */
    world_listen(world, NULL);
    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, "m", 1, HAWSER_MESSAGE(.lifetime_us = 20000), NULL), 0);
    quiet.client_context = world->client_context;
    while (world->client.settled == 0) {
        assert_true(clock_now() - began < PATIENCE);
        assert_true(hawser_iterate(quiet.client_context, 50000) >= 0);
    }
    only_outcome(world, HAWSER_EXPIRED, world->client.outcomes[0].code);
    assert_true(clock_now() - began >= 20000);
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(world->server.received_count, 0);
}

static void refuses(const hawser_event *event, void *user)
{
    (void)user;
    assert_int_equal(hawser_refuse(event->association, event->received.id, "not this one"), 0);
}

static void refused_after_it_came(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, refuses, NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    only_outcome(world, HAWSER_SEND_FAILED, -HAWSER_EREFUSED);
    assert_string_equal(world->client.outcomes[0].reason, "not this one");
}

static void full_queue_says_so_and_when_it_is_not(void **state)
{
    struct world *world = *state;
    char *data = calloc(1, 10000);
    unsigned queued = 0;
    int r;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.send_queue = 100000));
    while ((r = hawser_send(world->client.line, data, 10000, NULL, NULL)) == 0)
        queued++;
    assert_int_equal(r, -EAGAIN);
    assert_true(queued >= 10 && queued <= 11);
    until(world, world->client.seen[HAWSER_WRITABLE] == 1);
    assert_int_equal(hawser_send(world->client.line, data, 10000, NULL, NULL), 0);
    until(world, world->client.settled == queued + 1);
    assert_int_equal(world->client.seen[HAWSER_WRITABLE], 1);
    free(data);
}

/* -------------------------------------------------------------------------------------------------------------- kept */

struct keeper {
    hawser_message *kept[64];
    size_t count;
};

static void keeps(const hawser_event *event, void *user)
{
    struct keeper *keeper = user;
    hawser_message *again;

    assert_int_equal(hawser_message_keep(event->received.message, &keeper->kept[keeper->count]), 0);
    assert_int_equal(hawser_message_keep(event->received.message, &again), 0);
    assert_ptr_equal(again, keeper->kept[keeper->count++]);
    hawser_message_unref(again);
}

static uint64_t held(const hawser_association *association)
{
    hawser_statistics statistics;

    assert_int_equal(hawser_association_statistics(association, &statistics), 0);
    return statistics.held_bytes;
}

static void kept_messages_hold_credit(void **state)
{
    static const size_t sizes[] = {10, 20000, 100000};
    struct world *world = *state;
    struct keeper keeper = {.count = 0};
    char *data = malloc(100000);

    fill(data, 100000, 4);
    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, keeps, &keeper), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(hawser_send(world->client.line, data, sizes[i], NULL, NULL), 0);
        until(world, world->client.settled == i + 1);
        assert_int_equal(hawser_message_size(keeper.kept[i]), sizes[i]);
        assert_memory_equal(hawser_message_data(keeper.kept[i]), data, sizes[i]);
    }
    assert_true(held(world->server.line) >= 120010);
    hawser_message_detach(keeper.kept[2]);
    hawser_message_unref(keeper.kept[1]);
    hawser_message_unref(keeper.kept[0]);
    assert_int_equal(held(world->server.line), 0);
    /* Detached, the data stays, also when the line and its context are gone. */
    end_drop(&world->server);
    hawser_association_unref(world->listener);
    hawser_context_unref(world->server_context);
    assert_memory_equal(hawser_message_data(keeper.kept[2]), data, 100000);
    hawser_message_unref(keeper.kept[2]);
    world->listener = NULL;
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->server_context), 0);
    free(data);
}

static void *unref_all(void *argument)
{
    struct keeper *keeper = argument;

    for (size_t i = 0; i < keeper->count; i++)
        hawser_message_unref(keeper->kept[i]);
    return NULL;
}

static void last_reference_on_another_thread(void **state)
{
    struct world *world = *state;
    struct keeper keeper = {.count = 0};
    char *data = calloc(1, 50000);
    pthread_t thread;

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, keeps, &keeper), 0);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(hawser_send(world->client.line, data, i % 2 ? 50000 : 50, NULL, NULL), 0);
    until(world, world->client.settled == 40);
    assert_true(held(world->server.line) > 0);
    assert_int_equal(pthread_create(&thread, NULL, unref_all, &keeper), 0);
    until(world, held(world->server.line) == 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(data);
}

static void slow_reader_holds_the_sender_back(void **state)
{
    struct world *world = *state;
    struct keeper keeper = {.count = 0};
    char *data = calloc(1, 60000);
    uint64_t settled;
    unsigned sent = 0;

    world_listen(world, HAWSER_LISTEN(.receive_memory = 1 << 20));
    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, keeps, &keeper), 0);
    for (; sent < 40; sent++)
        assert_int_equal(hawser_send(world->client.line, data, 60000, NULL, NULL), 0);
    /* All that the credit allows comes in, and then nothing more. */
    until(world, world->client.settled > 0);
    do {
        settled = world->client.settled;
        for (int i = 0; i < 5; i++)
            world_step(world);
    } while (world->client.settled != settled);
    assert_true(settled < 20);
    assert_true(held(world->server.line) <= 1 << 20);
    while (world->client.settled < 40) {
        unref_all(&keeper);
        keeper.count = 0;
        world_step(world);
    }
    unref_all(&keeper);
    free(data);
}

static void pause_and_resume(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_pause(world->server.line), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    for (int i = 0; i < 5; i++)
        world_step(world);
    assert_int_equal(world->server.received_count, 0);
    assert_int_equal(world->client.settled, 0);
    assert_int_equal(hawser_resume(world->server.line), 0);
    assert_int_equal(world->server.received_count, 0);
    until(world, world->client.settled == 5);
    assert_int_equal(world->server.received_count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(every_size_arrives_whole),
        api_test(properties_arrive),
        api_test(lent_memory_comes_back),
        api_test(lent_memory_comes_back_at_the_end),
        api_test(prefixes_go_before),
        api_test(buffers_are_shared),
        api_test(cancelled),
        api_test(expires_before_it_leaves),
        api_test(refused_after_it_came),
        api_test(full_queue_says_so_and_when_it_is_not),
        api_test(kept_messages_hold_credit),
        api_test(last_reference_on_another_thread),
        api_test(slow_reader_holds_the_sender_back),
        api_test(pause_and_resume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
