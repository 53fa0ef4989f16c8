/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what a bare line over dtls/udp is: a message is a datagram both ways, its boundaries kept, what is too large is refused
 * before it leaves, and the end is told. (S2.62) */
#include "raw.h"

static void connect_bare(struct world *world)
{
    hawser_properties *properties;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    world_listen(world, HAWSER_LISTEN(.alpn = "own/1", .stack = "dtls/udp", .properties = properties));
    world_associate(world, HAWSER_ASSOCIATE(.alpn = "own/1", .stack = "dtls/udp", .properties = properties));
    hawser_properties_unref(properties);
    until(world, (world->client.seen[HAWSER_ESTABLISHED] && world->server.line) || world->client.closed);
    if (world->client.closed)
        print_error("closed: %s\n", world->client.closed_reason);
    assert_false(world->client.closed);
    assert_string_equal(world->client.stack, "dtls/udp");
}

static void a_message_is_a_datagram_both_ways(void **state)
{
    struct world *world = *state;
    static const char *const words[] = {"one", "x", "three"};
    char large[1000];

    connect_bare(world);
    fill(large, sizeof large, 9);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hawser_send(world->client.line, words[i], strlen(words[i]), NULL, NULL), 0);
    assert_int_equal(hawser_send(world->client.line, large, sizeof large, NULL, NULL), 0);
    until(world, world->server.received_count == 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world->server.received[i].size, strlen(words[i]));
        assert_memory_equal(world->server.received[i].data, words[i], strlen(words[i]));
        assert_int_equal(hawser_send(world->server.line, words[i], strlen(words[i]), NULL, NULL), 0);
    }
    assert_int_equal(world->server.received[3].size, sizeof large);
    assert_memory_equal(world->server.received[3].data, large, sizeof large);
    until(world, world->client.received_count == 3);
    assert_int_equal(world->client.received[2].size, 5);
    assert_memory_equal(world->client.received[2].data, "three", 5);
}

static void what_is_too_large_is_refused(void **state)
{
    struct world *world = *state;
    char text[32], *data;
    size_t most;

    connect_bare(world);
    assert_true(hawser_association_get_property(world->client.line, "sendMsgMaxLen", text, sizeof text) > 0);
    most = (size_t)atol(text);
    assert_in_range(most, 1000, 70000);
    data = calloc(1, most + 1);
    assert_non_null(data);
    assert_int_equal(hawser_send(world->client.line, data, most + 1, NULL, NULL), -HAWSER_ELARGE);
    assert_int_equal(hawser_send(world->client.line, data, most, NULL, NULL), 0);
    until(world, world->server.received_count == 1);
    assert_int_equal(world->server.received[0].size, most);
    free(data);
}

static void the_end_is_told(void **state)
{
    struct world *world = *state;

    connect_bare(world);
    assert_int_equal(hawser_send(world->client.line, "last", 4, NULL, NULL), 0);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->server.received_count, 1);
    assert_int_equal(world->client.closed_code, 0);
    assert_int_equal(world->server.closed_code, 0);
    assert_true(world->server.closed_by_peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_message_is_a_datagram_both_ways),
        api_test(what_is_too_large_is_refused),
        api_test(the_end_is_told),
    };

    return cmocka_run_group_tests_name("api-dtls", tests, NULL, NULL);
}
