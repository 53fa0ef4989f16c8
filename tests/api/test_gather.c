/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: one handle takes the messages of any number of associations, each names its source; a slow source delays nobody, a
 * busy one leaves room to the others; who does not take holds its sources back within the memory that was said; ends are told
 * after all messages; in straight line, in a handler and in a task. (S1.13, S1.17)
 */
#include "api.h"

#include <hawser/gather.h>
#include <hawser/task.h>

#define SOURCES 3

struct sources {
    hawser_association *listeners[SOURCES];
    hawser_association *lines[SOURCES]; /* ours, that are gathered from */
    hawser_association *ends[SOURCES];  /* the servers' */
    hawser_gathering *gathering;
};

static void on_source(const hawser_event *event, void *user)
{
    hawser_association **end = user;

    *end = hawser_association_ref(event->accepted.association);
}

static bool all_there(const struct sources *sources)
{
    for (unsigned i = 0; i < SOURCES; i++)
        if (!sources->ends[i])
            return false;
    return true;
}

static void sources_begin(struct world *world, struct sources *sources, uint64_t memory)
{
    memset(sources, 0, sizeof *sources);
    assert_int_equal(
        hawser_gathering_new(world->client_context, HAWSER_GATHERING(.memory = memory), &sources->gathering), 0);
    for (unsigned i = 0; i < SOURCES; i++) {
        assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.identity = world->identity),
                                       &sources->listeners[i]),
                         0);
        hawser_register(sources->listeners[i], HAWSER_ACCEPTED, on_source, &sources->ends[i]);
        snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(world->identity),
                 hawser_association_endpoint(sources->listeners[i]));
        assert_int_equal(hawser_associate(world->client_context, world->endpoint, NULL, &sources->lines[i]), 0);
        assert_int_equal(hawser_gathering_add(sources->gathering, sources->lines[i]), 0);
    }
    until(world, all_there(sources));
}

static void sources_end(struct sources *sources)
{
    hawser_gathering_unref(sources->gathering);
    for (unsigned i = 0; i < SOURCES; i++) {
        hawser_association_unref(sources->lines[i]);
        hawser_association_unref(sources->ends[i]);
        hawser_association_unref(sources->listeners[i]);
    }
}

static unsigned index_of(const struct sources *sources, const hawser_association *line)
{
    for (unsigned i = 0; i < SOURCES; i++)
        if (sources->lines[i] == line)
            return i;
    fail_msg("a source that is none");
    return 0;
}

static void give(hawser_association *end, unsigned count, size_t size)
{
    uint8_t *bytes = malloc(size);

    for (unsigned i = 0; i < count; i++) {
        memset(bytes, (int)i, size);
        assert_int_equal(hawser_send(end, bytes, size, HAWSER_MESSAGE(.ordered = true), NULL), 0);
    }
    free(bytes);
}

static uint64_t received_by(hawser_association *line)
{
    hawser_statistics statistics;

    assert_int_equal(hawser_association_statistics(line, &statistics), 0);
    return statistics.messages_received;
}

static unsigned take_all(struct sources *sources, unsigned from[SOURCES])
{
    hawser_gathered next;
    unsigned count = 0;

    while (hawser_gathering_next(sources->gathering, 0, &next) == 0) {
        assert_non_null(next.message);
        assert_ptr_equal(next.received.data, hawser_message_data(next.message));
        from[index_of(sources, next.source)]++;
        count++;
        hawser_message_unref(next.message);
    }
    return count;
}

/* ------------------------------------------------------------------------------------------------------------- sources */

static void each_message_names_its_source_and_the_slow_one_delays_nobody(void **state)
{
    struct world *world = *state;
    unsigned from[SOURCES] = {0};
    struct sources sources;
    hawser_gathered next;

    sources_begin(world, &sources, 0);
    for (unsigned i = 1; i < SOURCES; i++)
        give(sources.ends[i], 40, 1 + i);
    while (from[1] + from[2] < 80) { /* it waits as long as it takes, and never for the first, which gives nothing */
        unsigned source;

        assert_int_equal(hawser_gathering_next(sources.gathering, PATIENCE, &next), 0);
        source = index_of(&sources, next.source);
        assert_int_not_equal(source, 0);
        assert_int_equal(next.received.size, 1 + source);
        assert_int_equal(*(const uint8_t *)next.received.data, from[source]); /* in order within a source */
        from[source]++;
        hawser_message_unref(next.message);
    }
    assert_int_equal(hawser_gathering_next(sources.gathering, 0, &next), -EAGAIN);
    assert_int_equal(hawser_gathering_next(sources.gathering, 1000, &next), -EAGAIN);
    give(sources.ends[0], 1, 1);
    assert_int_equal(hawser_gathering_next(sources.gathering, -1, &next), 0);
    assert_ptr_equal(next.source, sources.lines[0]);
    hawser_message_unref(next.message);
    sources_end(&sources);
}

static void a_busy_source_leaves_room(void **state)
{
    struct world *world = *state;
    unsigned from[SOURCES] = {0};
    uint64_t bytes[SOURCES] = {0};
    struct sources sources;
    hawser_gathered next;

    sources_begin(world, &sources, 0);
    give(sources.ends[0], 300, 10000); /* one has much that is large, and was there first */
    until(world, received_by(sources.lines[0]) == 300);
    give(sources.ends[1], 100, 1000);
    give(sources.ends[2], 20, 5000);
    until(world, received_by(sources.lines[1]) == 100 && received_by(sources.lines[2]) == 20);
    while (from[1] < 100 || from[2] < 20) {
        unsigned source;

        assert_int_equal(hawser_gathering_next(sources.gathering, 0, &next), 0);
        source = index_of(&sources, next.source);
        from[source]++;
        bytes[source] += next.received.size;
        hawser_message_unref(next.message);
    }
    /* Each of the others had 100,000 bytes: so had the first, and what was lent to it and not yet paid back. */
    assert_in_range(bytes[0], 60000, 160000);
    assert_int_equal(take_all(&sources, from), 300 - bytes[0] / 10000);
    assert_int_equal(from[0], 300);
    sources_end(&sources);
}

static void who_does_not_take_holds_each_source_back(void **state)
{
    const uint64_t memory = 3 * 100000;
    struct world *world = *state;
    unsigned from[SOURCES] = {0};
    struct sources sources;
    unsigned there;

    sources_begin(world, &sources, memory);
    give(sources.ends[0], 1000, 4000);
    give(sources.ends[1], 10, 100);
    until(world, received_by(sources.lines[0]) * 4000 >= 100000 && received_by(sources.lines[1]) == 10);
    for (unsigned i = 0; i < 20; i++)
        assert_true(hawser_iterate(world->client_context, 1000) >= 0);
    there = take_all(&sources, from); /* without running the loop: what waited */
    assert_int_equal(from[1], 10);
    assert_in_range(from[0], 100000 / 4200, 100000 / 4000 + 1);
    assert_int_equal(there, from[0] + from[1]);
    while (from[0] < 1000) { /* and all the rest comes, once it is taken */
        world_step(world);
        (void)take_all(&sources, from);
    }
    sources_end(&sources);
}

static void ends_are_told_after_all_messages(void **state)
{
    struct world *world = *state;
    unsigned from[SOURCES] = {0}, ended = 0;
    struct sources sources;
    hawser_gathered next;
    int r;

    sources_begin(world, &sources, 0);
    for (unsigned i = 0; i < SOURCES; i++) {
        give(sources.ends[i], 5, 100);
        assert_int_equal(hawser_close(sources.ends[i], 7, "that was all"), 0);
    }
    while ((r = hawser_gathering_next(sources.gathering, -1, &next)) == 0) {
        unsigned source = index_of(&sources, next.source);

        if (next.message) {
            from[source]++;
            hawser_message_unref(next.message);
            continue;
        }
        assert_int_equal(from[source], 5);
        assert_string_equal(next.reason, "that was all");
        ended++;
    }
    assert_int_equal(r, -ENOENT); /* nobody is left who could give anything */
    assert_int_equal(ended, SOURCES);
    sources_end(&sources);
}

static void sources_come_and_go(void **state)
{
    struct world *world = *state;
    unsigned from[SOURCES] = {0};
    struct sources sources;

    sources_begin(world, &sources, 0);
    give(sources.ends[0], 3, 10);
    until(world, received_by(sources.lines[0]) == 3);
    assert_int_equal(hawser_gathering_add(sources.gathering, sources.lines[0]), -EBUSY);
    assert_int_equal(hawser_gathering_remove(sources.gathering, sources.lines[0]), 0);
    assert_int_equal(hawser_gathering_remove(sources.gathering, sources.lines[0]), -ENOENT);
    assert_int_equal(take_all(&sources, from), 3); /* what came before is not lost */
    assert_int_equal(hawser_gathering_add(sources.gathering, sources.lines[0]), 0);
    give(sources.ends[0], 2, 10);
    until(world, received_by(sources.lines[0]) == 5);
    assert_int_equal(take_all(&sources, from), 2);
    sources_end(&sources);
}

static void ignore_received(const hawser_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void wrong_uses_are_refused(void **state)
{
    struct world *world = *state;
    struct sources sources;
    hawser_gathering *other;
    hawser_gathered next;

    sources_begin(world, &sources, 0);
    assert_int_equal(hawser_gathering_new(world->client_context, NULL, &other), 0);
    assert_int_equal(hawser_gathering_next(other, -1, &next), -ENOENT);
    assert_int_equal(hawser_gathering_add(other, sources.lines[1]), -EBUSY);
    assert_int_equal(hawser_register(sources.ends[0], HAWSER_RECEIVED, ignore_received, NULL), 0);
    assert_int_equal(hawser_gathering_add(other, sources.ends[0]), -EBUSY);
    assert_int_equal(hawser_gathering_add(other, sources.listeners[0]), -EBUSY); /* HAWSER_ACCEPTED is handled */
    assert_int_equal(hawser_gathering_next(sources.gathering, 0, NULL), -EINVAL);
    assert_int_equal(hawser_gathering_add(NULL, sources.lines[0]), -EINVAL);
    hawser_gathering_unref(other);
    sources_end(&sources);
}

/* --------------------------------------------------------------------------------------------------------- a listener */

static void all_that_come_by_a_listener_are_gathered_from(void **state)
{
    struct world *world = *state;
    hawser_association *lines[5], *listener;
    hawser_gathering *gathering;
    hawser_gathered next;

    assert_int_equal(hawser_gathering_new(world->server_context, NULL, &gathering), 0);
    assert_int_equal(
        hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.identity = world->identity), &listener), 0);
    assert_int_equal(hawser_gathering_add(gathering, listener), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(world->identity),
             hawser_association_endpoint(listener));
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(hawser_associate(world->client_context, world->endpoint, NULL, &lines[i]), 0);
        assert_int_equal(hawser_send(lines[i], &i, sizeof i, NULL, NULL), 0);
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(hawser_gathering_next(gathering, PATIENCE, &next), 0);
        assert_int_equal(next.received.size, sizeof(unsigned));
        assert_int_equal(hawser_send(next.source, "yes", 3, HAWSER_MESSAGE(.reply_to = next.received.id), NULL), 0);
        hawser_message_unref(next.message);
    }
    for (unsigned i = 0; i < 5; i++)
        hawser_association_unref(lines[i]);
    for (unsigned i = 0; i < 5; i++) { /* they end, and the listener stays a source */
        assert_int_equal(hawser_gathering_next(gathering, PATIENCE, &next), 0);
        assert_null(next.message);
    }
    assert_int_equal(hawser_gathering_next(gathering, 0, &next), -EAGAIN);
    hawser_close(listener, 0, NULL);
    assert_int_equal(hawser_gathering_next(gathering, PATIENCE, &next), 0);
    assert_ptr_equal(next.source, listener);
    hawser_gathering_unref(gathering);
    hawser_association_unref(listener);
}

/* ------------------------------------------------------------------------------------------------- handler and task */

struct tally {
    struct sources *sources;
    unsigned from[SOURCES], ended;
    hawser_gathering *own; /* let go from within */
};

static void on_gathered(const hawser_gathered *gathered, void *user)
{
    struct tally *tally = user;

    if (!gathered->message) {
        tally->ended++;
        return;
    }
    tally->from[index_of(tally->sources, gathered->source)]++;
    assert_int_equal(gathered->received.marks->timestamp_us, 77);
    tally->own = hawser_gathering_unref(tally->own);
}

static void give_marked(hawser_association *end, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(hawser_send(end, &i, sizeof i, HAWSER_MESSAGE(HAWSER_TIMESTAMP(77)), NULL), 0);
}

static void a_handler_takes_from_all(void **state)
{
    struct world *world = *state;
    struct sources sources;
    struct tally tally = {.sources = &sources};
    hawser_gathered next;

    sources_begin(world, &sources, 0);
    give_marked(sources.ends[1], 10); /* what came before the handler is not lost on it */
    until(world, received_by(sources.lines[1]) == 10);
    assert_int_equal(hawser_gathering_handle(sources.gathering, on_gathered, &tally), 0);
    assert_int_equal(hawser_gathering_next(sources.gathering, 0, &next), -EBUSY);
    give_marked(sources.ends[0], 1000);
    give_marked(sources.ends[2], 10);
    hawser_close(sources.ends[2], 0, NULL);
    until(world, tally.from[0] == 1000 && tally.from[1] == 10 && tally.from[2] == 10 && tally.ended == 1);
    tally.own = hawser_gathering_ref(sources.gathering);
    sources.gathering = hawser_gathering_unref(sources.gathering);
    give_marked(sources.ends[0], 2);
    until(world, !tally.own); /* it was let go inside of its handler, which was the last */
    assert_int_equal(tally.from[0], 1001);
    sources_end(&sources);
}

#if HAWSER_TASKS
static void gather_task(void *user)
{
    struct tally *tally = user;
    hawser_gathered next, other;

    while (hawser_task_gather(tally->sources->gathering, &next) == 0) {
        if (next.message) { /* one comes at a time: there is no other yet, and a task does not wait for it in this way */
            assert_int_equal(hawser_gathering_next(tally->sources->gathering, 0, &other), -EAGAIN);
            assert_int_equal(hawser_gathering_next(tally->sources->gathering, -1, &other), -EBUSY);
        }
        on_gathered(&next, tally);
        hawser_message_unref(next.message);
    }
}

static void a_task_takes_from_all(void **state)
{
    struct world *world = *state;
    struct sources sources;
    struct tally tally = {.sources = &sources};
    hawser_gathered next;

    sources_begin(world, &sources, 0);
    assert_int_equal(hawser_task_gather(sources.gathering, &next), -EPERM);
    assert_int_equal(hawser_task_start(world->client_context, gather_task, &tally, NULL), 0);
    for (unsigned i = 0; i < 20; i++) { /* one by one, so that the task waits for each */
        give_marked(sources.ends[i % SOURCES], 1);
        until(world, tally.from[0] + tally.from[1] + tally.from[2] == i + 1);
    }
    for (unsigned i = 0; i < SOURCES; i++)
        hawser_close(sources.ends[i], 0, NULL);
    until(world, tally.ended == SOURCES);
    sources_end(&sources);
}

struct marked {
    hawser_association *line;
    unsigned received;
};

/* The marks that a task is told of are its own until it takes the next message. */
static void receive_marked(void *user)
{
    struct marked *marked = user;
    hawser_received received;
    hawser_message *message;

    while (hawser_task_receive(marked->line, &message, &received) == 0) {
        assert_int_equal(hawser_task_yield(hawser_association_context(marked->line)), 0);
        assert_true(received.marks->timestamped && received.marks->timestamp_us == 77);
        hawser_message_unref(message);
        marked->received++;
    }
}

static void marks_outlive_their_handler_in_a_task(void **state)
{
    struct world *world = *state;
    struct sources sources;
    struct marked marked;

    sources_begin(world, &sources, 0);
    assert_int_equal(hawser_gathering_remove(sources.gathering, sources.lines[0]), 0);
    marked = (struct marked){.line = sources.lines[0]};
    assert_int_equal(hawser_task_start(world->client_context, receive_marked, &marked, NULL), 0);
    give_marked(sources.ends[0], 10);
    until(world, marked.received == 10);
    sources_end(&sources);
}
#endif

static void the_end_of_the_context_ends_it(void **state)
{
    struct world *world = *state;
    struct sources sources;
    hawser_gathered next;

    sources_begin(world, &sources, 0);
    give(sources.ends[0], 3, 10);
    until(world, received_by(sources.lines[0]) == 3);
    assert_int_equal(hawser_gathering_next(sources.gathering, 0, &next), 0);
    for (unsigned i = 0; i < SOURCES; i++) {
        hawser_association_unref(sources.ends[i]);
        hawser_association_unref(sources.listeners[i]);
        sources.ends[i] = sources.listeners[i] = NULL;
    }
    hawser_context_unref(world->server_context);
    hawser_context_unref(world->client_context); /* the same: its last reference */
    assert_int_equal(hawser_gathering_next(sources.gathering, -1, &next), -ECANCELED);
    assert_int_equal(hawser_gathering_add(sources.gathering, sources.lines[0]), -ENOTCONN);
    hawser_message_unref(next.message);
    sources_end(&sources);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
    world->server_context = hawser_context_ref(world->client_context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(each_message_names_its_source_and_the_slow_one_delays_nobody),
        api_test(a_busy_source_leaves_room),
        api_test(who_does_not_take_holds_each_source_back),
        api_test(ends_are_told_after_all_messages),
        api_test(sources_come_and_go),
        api_test(wrong_uses_are_refused),
        api_test(all_that_come_by_a_listener_are_gathered_from),
        api_test(a_handler_takes_from_all),
#if HAWSER_TASKS
        api_test(a_task_takes_from_all),
        api_test(marks_outlive_their_handler_in_a_task),
#endif
        api_test(the_end_of_the_context_ends_it),
    };

    world_of_one_context = true; /* hawser_gathering_next() runs both ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
