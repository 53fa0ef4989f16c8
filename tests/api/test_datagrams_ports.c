/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what a port of datagrams is to who listens: each peer is an association, accepted, refused and ended by itself. (S3.40) */
#include "datagram.h"

static void listen_for_datagrams(struct world *world, hawser_listen_options options)
{
    if (!options.stack)
        options.stack = "udp";
    listen_bare(world, "prohibit", "prohibit", NULL, options);
}

static void each_peer_of_a_port_is_an_association(void **state)
{
    struct world *world = *state;
    struct raw one, two;
    hawser_association *first;

    listen_for_datagrams(world, *HAWSER_LISTEN());
    one = datagram_socket(world->endpoint);
    two = datagram_socket(world->endpoint);
    raw_say(&one, "from one");
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "from one");
    assert_string_equal(world->server.stack, "udp");
    assert_string_equal(world->server.peer_name, "127.0.0.1");
    first = hawser_association_ref(world->server.line);
    end_drop(&world->server);
    raw_say(&two, "from two");
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "from two");
    assert_ptr_not_equal(world->server.line, first);
    assert_int_equal(hawser_send(world->server.line, "to two", 6, NULL, NULL), 0);
    until(world, datagram_came(&two));
    assert_string_equal(two.got, "to two");
    assert_false(datagram_came(&one));
    hawser_association_unref(first);
    raw_close(&one);
    raw_close(&two);
}

static void who_is_refused_hears_nothing(void **state)
{
    struct world *world = *state;
    struct raw raw;

    world->leave = true;
    listen_for_datagrams(world, *HAWSER_LISTEN());
    raw = datagram_socket(world->endpoint);
    raw_say(&raw, "x");
    for (int i = 0; i < 5; i++)
        world_step(world);
    assert_null(world->server.line);
    assert_false(datagram_came(&raw));
    raw_close(&raw);
}

static void a_peer_that_falls_silent_is_ended(void **state)
{
    struct world *world = *state;
    struct raw raw;

    listen_for_datagrams(world, *HAWSER_LISTEN(.keep_alive_us = 50000, .dead_after_us = 50000));
    raw = datagram_socket(world->endpoint);
    raw_say(&raw, "x");
    until(world, world->server.received_count == 1);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -ETIMEDOUT);
    assert_non_null(strstr(world->server.closed_reason, "silent"));
    /* It may come again, as a new one. */
    end_drop(&world->server);
    raw_say(&raw, "y");
    until(world, world->server.received_count == 1);
    raw_close(&raw);
}

/* One port is TCP's and UDP's, and a program says which it wants. */
static void streams_and_datagrams_share_the_port(void **state)
{
    struct world *world = *state;
    struct raw stream, datagrams;

    listen_bare(world, "prohibit", "prohibit", NULL, *HAWSER_LISTEN());
    datagrams = datagram_socket(world->endpoint);
    raw_say(&datagrams, "x");
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.stack, "udp");
    end_drop(&world->server);
    stream = raw_connect(world);
    raw_say(&stream, "y");
    until(world, world->server.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(world->server.stack, "tcp");
    raw_close(&stream);
    raw_close(&datagrams);
}

static int listen_code(struct world *world, const char *stack, const char *security, const char *reliability)
{
    hawser_properties *properties;
    hawser_association *listener = NULL;
    int r;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(properties, "security", security), 0);
    if (reliability)
        assert_int_equal(hawser_properties_set(properties, "reliability", reliability), 0);
    r = hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.stack = stack, .properties = properties),
                      &listener);
    hawser_properties_unref(properties);
    hawser_association_unref(listener);
    return r;
}

static void stacks_that_cannot_be_are_refused(void **state)
{
    struct world *world = *state;

    assert_int_equal(listen_code(world, "udp", "prohibit", NULL), 0);
    assert_int_equal(listen_code(world, "tcp,udp", "prohibit", NULL), 0);
    assert_int_equal(listen_code(world, "nonsense", "prohibit", NULL), -EINVAL);
    assert_int_equal(listen_code(world, "tls/socks5/tcp", "prohibit", NULL), -EINVAL);
    assert_int_equal(listen_code(world, "udp", "require", NULL), -HAWSER_EPROHIBITED);
    assert_int_equal(listen_code(world, "tls/tcp", "prohibit", NULL), -HAWSER_EPROHIBITED);
}

/* Who insists that nothing is lost hears nothing of datagrams. */
static void reliability_that_is_required_leaves_datagrams_out(void **state)
{
    struct world *world = *state;
    hawser_properties *properties = in_the_clear();
    struct raw raw;

    assert_int_equal(hawser_properties_set(properties, "reliability", "require"), 0);
    world_listen(world, HAWSER_LISTEN(.properties = properties));
    hawser_properties_unref(properties);
    raw = datagram_socket(world->endpoint);
    raw_say(&raw, "x");
    for (int i = 0; i < 3; i++)
        world_step(world);
    assert_null(world->server.line);
    assert_int_equal(send(raw.fd, "x", 1, MSG_NOSIGNAL), -1); /* nobody is there */
    raw_close(&raw);
}

static void a_datagram_descriptor_is_taken_over(void **state)
{
    struct world *world = *state;
    struct raw bound = datagram_socket(NULL), raw;
    char endpoint[32], port[32];

    snprintf(port, sizeof port, "127.0.0.1:%u", port_of(&bound));
    snprintf(endpoint, sizeof endpoint, "fd:%d", bound.fd);
    hawser_properties *properties = in_the_clear();
    world_listen_at(world, endpoint, HAWSER_LISTEN(.properties = properties));
    hawser_properties_unref(properties);
    assert_non_null(strstr(world->endpoint, port));
    raw = datagram_socket(world->endpoint);
    raw_say(&raw, "x");
    until(world, world->server.received_count == 1);
    raw_close(&raw);
    free(bound.got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(each_peer_of_a_port_is_an_association), api_test(who_is_refused_hears_nothing),
        api_test(a_peer_that_falls_silent_is_ended),     api_test(streams_and_datagrams_share_the_port),
        api_test(stacks_that_cannot_be_are_refused),     api_test(reliability_that_is_required_leaves_datagrams_out),
        api_test(a_datagram_descriptor_is_taken_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
