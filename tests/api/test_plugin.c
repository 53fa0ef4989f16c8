/* SPDX-License-Identifier: Apache-2.0 */
/* A transport that a program loaded carries lines as any other: by its name, both ways, with reports (S1.6, S1.22). */
#include "api.h"

#include <load.h>

static void listen_and_connect(struct world *world, const char *stack)
{
    char path[96];

    snprintf(path, sizeof path, "unix:%s/socket", world->directory);
    world_listen_at(world, path, HAWSER_LISTEN(.stack = stack));
    world_associate(world, HAWSER_ASSOCIATE(.stack = stack));
}

static void lines_are_carried(void **state)
{
    static const char *const names[] = {"ring", "veil"};
    struct world *world = *state;
    size_t size = 3000000;
    uint8_t *data = malloc(size);

    fill(data, size, 1);
    for (size_t i = 0; i < 2; i++) {
        char stack[32];

        snprintf(stack, sizeof stack, "tls/%s", names[i]);
        assert_int_equal(load_transport(world->client_context, names[i]), 0);
        assert_int_equal(load_transport(world->server_context, names[i]), 0);
        listen_and_connect(world, stack);
        assert_int_equal(hawser_send(world->client.line, data, size, NULL, NULL), 0);
        until(world, world->client.settled == 1 || world->client.closed);
        assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
        assert_memory_equal(world->server.received[0].data, data, size);
        assert_string_equal(world->client.stack, stack);
        assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
        assert_int_equal(hawser_send(world->server.line, "back", 4, NULL, NULL), 0);
        until(world, world->client.received_count == 1);
        assert_int_equal(hawser_close(world->client.line, 0, NULL), 0);
        until(world, world->client.closed && world->server.closed);
        assert_int_equal(world->client.closed_code, 0);
        assert_int_equal(world->server.closed_code, 0);
    }
    free(data);
}

/* Two programs that do not agree on the transport have no line, and say why. */
static void both_ends_need_it(void **state)
{
    struct world *world = *state;
    char path[96];

    assert_int_equal(load_transport(world->client_context, "veil"), 0);
    snprintf(path, sizeof path, "unix:%s/socket", world->directory);
    world_listen_at(world, path, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.stack = "tls/veil"));
    until(world, world->client.closed);
    assert_true(world->client.closed_code < 0);
    assert_true(*world->client.closed_reason);
}

static void is_of_its_context_alone(void **state)
{
    struct world *world = *state;
    hawser_association *none = NULL;

    assert_int_equal(hawser_associate(world->client_context, "unix:/x", HAWSER_ASSOCIATE(.stack = "tls/veil"), &none),
                     -EINVAL);
    assert_int_equal(load_transport(world->client_context, "veil"), 0);
    assert_int_equal(hawser_associate(world->server_context, "unix:/x", HAWSER_ASSOCIATE(.stack = "tls/veil"), &none),
                     -EINVAL);
    assert_int_equal(hawser_listen(world->server_context, "unix:/x", HAWSER_LISTEN(.stack = "tls/veil"), &none),
                     -EINVAL);
}

static void tables_are_checked(void **state)
{
    struct world *world = *state;
    hawser_context *context = world->client_context;
    hawser_layer layer = {0};

    assert_int_equal(hawser_layer_register(context, NULL), -EINVAL);
    assert_int_equal(hawser_layer_register(context, &layer), -EINVAL);
    assert_int_equal(load_transport(context, "veil"), 0);
    assert_int_equal(load_transport(context, "veil"), -EEXIST);
    assert_int_equal(load_transport(context, "ring"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(lines_are_carried),
        api_test(both_ends_need_it),
        api_test(is_of_its_context_alone),
        api_test(tables_are_checked),
    };

    return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
