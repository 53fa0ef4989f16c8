/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers: registered, replaced, removed, also from inside; what they may do; where they run. */
#include "api.h"

#include <sys/wait.h>
#include <unistd.h>

static unsigned first_ran, second_ran;

static void second(const hawser_event *event, void *user)
{
    (void)event;
    (void)user;
    second_ran++;
}

static void replaces_itself(const hawser_event *event, void *user)
{
    first_ran++;
    assert_int_equal(hawser_register(event->association, HAWSER_RECEIVED, second, user), 0);
}

static void removes_itself(const hawser_event *event, void *user)
{
    (void)user;
    first_ran++;
    assert_int_equal(hawser_register(event->association, HAWSER_RECEIVED, NULL, NULL), 0);
}

static void send_three(struct world *world)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.settled == 3);
}

static void replaced_inside_a_handler(void **state)
{
    struct world *world = *state;

    first_ran = second_ran = 0;
    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, replaces_itself, NULL), 0);
    send_three(world);
    assert_int_equal(first_ran, 1);
    assert_int_equal(second_ran, 2);
}

static void removed_inside_a_handler(void **state)
{
    struct world *world = *state;
    unsigned acked = 0, refused = 0;

    first_ran = 0;
    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, removes_itself, NULL), 0);
    send_three(world);
    assert_int_equal(first_ran, 1);
    /* Acked means handed to the program: what no handler takes is refused. */
    for (size_t i = 0; i < world->client.outcome_count; i++) {
        if (world->client.outcomes[i].kind == HAWSER_ACKED)
            acked += (unsigned)world->client.outcomes[i].count;
        else if (world->client.outcomes[i].code == -HAWSER_EREFUSED)
            refused += (unsigned)world->client.outcomes[i].count;
    }
    assert_int_equal(acked, 1);
    assert_int_equal(refused, 2);
}

static void own_outcome(const hawser_event *event, void *user)
{
    hawser_message_id *id = user;

    assert_int_equal(event->outcome.first, *id);
    assert_int_equal(event->outcome.count, 1);
    assert_int_equal(event->outcome.kind, HAWSER_ACKED);
    first_ran++;
}

static void handlers_of_one_message(void **state)
{
    struct world *world = *state;
    hawser_message_id ids[3];

    first_ran = 0;
    world_connect(world);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, &ids[i]), 0);
    assert_int_equal(hawser_register_message(world->client.line, ids[1], HAWSER_OUTCOME, own_outcome, &ids[1]), 0);
    assert_int_equal(hawser_register_message(world->client.line, ids[1], HAWSER_RECEIVED, own_outcome, NULL), -EINVAL);
    assert_int_equal(hawser_register_message(world->client.line, 99, HAWSER_OUTCOME, own_outcome, NULL), -ENOENT);
    until(world, first_ran == 1 && world->client.settled == 2);
    assert_int_equal(hawser_register_message(world->client.line, ids[1], HAWSER_OUTCOME, own_outcome, NULL), -ENOENT);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_false(world->client.outcomes[i].id <= ids[1] &&
                     ids[1] < world->client.outcomes[i].id + world->client.outcomes[i].count);
}

static void sent_is_told_where_wanted(void **state)
{
    struct world *world = *state;
    hawser_message_id id;

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "m", 1, HAWSER_MESSAGE(.want_sent = true), &id), 0);
    until(world, world->client.settled == 2);
    assert_int_equal(world->client.seen[HAWSER_SENT], 1);
}

static void in_one_call(const hawser_event *event, void *user)
{
    struct end *end = user;

    for (size_t i = 0; i < event->received_many.count; i++) {
        const hawser_received *received = &event->received_many.messages[i];
        hawser_message *kept;
        uint32_t value;

        assert_int_equal(received->size, sizeof value);
        memcpy(&value, received->data, sizeof value);
        first_ran++;
        second_ran += value;
        if (value == 7) {
            assert_int_equal(hawser_message_keep(received->message, &kept), 0);
            hawser_association_set_user(event->association, kept);
        }
    }
    end->seen[HAWSER_RECEIVED_MANY]++;
}

static void small_messages_in_arrays(void **state)
{
    struct world *world = *state;
    hawser_message *kept;
    hawser_statistics statistics;
    uint32_t sum = 0;

    first_ran = second_ran = 0;
    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED_MANY, in_one_call, &world->server), 0);
    for (uint32_t i = 0; i < 1000; sum += i++)
        assert_int_equal(hawser_send(world->client.line, &i, sizeof i, NULL, NULL), 0);
    until(world, world->client.settled == 1000);
    assert_int_equal(first_ran, 1000);
    assert_int_equal(second_ran, sum);
    assert_int_equal(world->server.received_count, 0);
    assert_true(world->server.seen[HAWSER_RECEIVED_MANY] < 500);
    kept = hawser_association_user(world->server.line);
    assert_int_equal(*(const uint32_t *)hawser_message_data(kept), 7);
    assert_int_equal(hawser_association_statistics(world->server.line, &statistics), 0);
    assert_true(statistics.held_bytes > 0);
    hawser_message_unref(kept);
    assert_int_equal(hawser_association_statistics(world->server.line, &statistics), 0);
    assert_int_equal(statistics.held_bytes, 0);
}

/* ------------------------------------------------------------------------------------------------ from inside handlers */

static void closes(const hawser_event *event, void *user)
{
    (void)user;
    assert_int_equal(hawser_close(event->association, 3, "enough"), 0);
}

static void closed_inside_a_handler(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, closes, NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->client.settled, 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(world->client.peer_code, 3);
    assert_string_equal(world->client.closed_reason, "enough");
    assert_true(world->client.closed_by_peer);
    assert_false(world->server.closed_by_peer);
}

static void lets_go(const hawser_event *event, void *user)
{
    struct end *end = user;

    assert_int_equal(hawser_abort(event->association, 4, "dropped"), 0);
    end->line = hawser_association_unref(end->line);
}

static void freed_inside_its_own_handler(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, lets_go, &world->server), 0);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EABORTED);
    assert_int_equal(world->client.peer_code, 4);
    assert_false(world->server.closed); /* without a reference nothing is told any more */
}

static void dispatches(const hawser_event *event, void *user)
{
    hawser_context *context = hawser_association_context(event->association);

    (void)user;
    assert_int_equal(hawser_dispatch(context), -EBUSY);
    assert_int_equal(hawser_run(context), -EBUSY);
    first_ran++;
}

static void nested_dispatch_is_busy(void **state)
{
    struct world *world = *state;

    first_ran = 0;
    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, dispatches, NULL), 0);
    send_three(world);
    assert_int_equal(first_ran, 3);
}

static void nothing_is_told_outside_of_dispatch(void **state)
{
    struct world *world = *state;
    hawser_message_id id;
    char *path = path_in(world, "nobody"), endpoint[128];

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, &id), 0);
    assert_int_equal(hawser_cancel(world->client.line, id), 0);
    assert_int_equal(world->client.outcome_count, 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].code, -ECANCELED);
    assert_int_equal(hawser_abort(world->client.line, 0, ""), 0);
    assert_false(world->client.closed);
    until(world, world->client.closed);
    snprintf(endpoint, sizeof endpoint, "unix:%s", path);
    snprintf(world->endpoint, sizeof world->endpoint, "%s", endpoint);
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any"));
    assert_false(world->client.closed);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -ENOENT);
    free(path);
}

static void arguments_are_checked(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_register(world->client.line, 0, closes, NULL), -EINVAL);
    assert_int_equal(hawser_register(world->client.line, HAWSER_EVENT_COUNT_, closes, NULL), -EINVAL);
    assert_int_equal(hawser_send(world->client.line, NULL, 1, NULL, NULL), -EINVAL);
    assert_int_equal(hawser_send(world->client.line, "m", 1, HAWSER_MESSAGE(.niceness = 156), NULL), -EINVAL);
    assert_int_equal(hawser_send(world->client.line, "m", 1, HAWSER_MESSAGE(HAWSER_ANTECEDENTS(5)), NULL), -EINVAL);
    assert_int_equal(hawser_send(world->client.line, "m", 1, HAWSER_MESSAGE(.prefix_size = 1), NULL), -EINVAL);
    assert_int_equal(hawser_refuse_association(world->server.line, 0, "late"), -EINVAL);
    assert_int_equal(hawser_refuse(world->server.line, 1, "never came"), -ENOENT);
    assert_int_equal(hawser_take_whole(world->server.line, 1), -ENOENT);
}

static void dead_in_a_forked_child(void **state)
{
    struct world *world = *state;
    int status;
    pid_t child;

    world_connect(world);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool right = hawser_send(world->client.line, "m", 1, NULL, NULL) == -ECHILD &&
                     hawser_close(world->client.line, 0, "") == -ECHILD &&
                     hawser_dispatch(world->client_context) == -ECHILD &&
                     hawser_associate(world->client_context, world->endpoint, NULL, NULL) == -ECHILD;

        hawser_association_unref(world->client.line);
        hawser_association_unref(world->server.line);
        hawser_association_unref(world->listener);
        hawser_context_unref(world->client_context);
        hawser_context_unref(world->server_context);
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* The parent's line did not notice. */
    send_three(world);
    assert_int_equal(world->server.received_count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(replaced_inside_a_handler),
        api_test(removed_inside_a_handler),
        api_test(handlers_of_one_message),
        api_test(sent_is_told_where_wanted),
        api_test(small_messages_in_arrays),
        api_test(closed_inside_a_handler),
        api_test(freed_inside_its_own_handler),
        api_test(nested_dispatch_is_busy),
        api_test(nothing_is_told_outside_of_dispatch),
        api_test(arguments_are_checked),
        api_test(dead_in_a_forked_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
