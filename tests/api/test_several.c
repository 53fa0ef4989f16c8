/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: an association gets strands at each address that it was given or told, over mixed stacks; loses no message and
 * doubles none when any of them is closed, or all are; is kept without a strand for as long as was said, at both ends; and a
 * peer that does not know it any more says so. (S1.2, S2.22, S2.23, S3.10, S3.11)
 */
#include "numbers.h"
#include "strands.h"

/* ------------------------------------------------------------------------------------------------------ the two ends */

struct second {
    hawser_association *listener;
    char endpoint[200];
    const char *list[1];
};

static void on_second(const hawser_event *event, void *user)
{
    struct world *world = user;

    end_drop(&world->server);
    end_note(&world->server, hawser_association_ref(event->accepted.association));
}

/* One more listener of the server's, with the same identity: another address of the same peer. */
static void listen_second(struct world *world, struct second *second, const char *where, const char *stack)
{
    assert_int_equal(hawser_listen(world->server_context, where,
                                   HAWSER_LISTEN(.identity = world->identity, .stack = stack), &second->listener),
                     0);
    assert_int_equal(hawser_register(second->listener, HAWSER_ACCEPTED, on_second, world), 0);
    snprintf(second->endpoint, sizeof second->endpoint, "%s@%s", hawser_identity_name(world->identity),
             hawser_association_endpoint(second->listener));
    second->list[0] = second->endpoint;
}

static void second_end(struct second *second)
{
    second->listener = hawser_association_unref(second->listener);
}

static void connected(struct world *world, unsigned strands)
{
    until(world,
          world->client.seen[HAWSER_ESTABLISHED] && world->server.line && world->server.seen[HAWSER_ESTABLISHED]);
    until(world, standing(world->client.line) == strands && standing(world->server.line) == strands);
}

/* --------------------------------------------------------------------------------------------------------- several */

static void each_address_gets_a_strand(void **state)
{
    static const hawser_policy policies[] = {HAWSER_HANDOVER, HAWSER_INTERACTIVE, HAWSER_AGGREGATE};
    struct world *world = *state;
    struct second second;

    world_listen(world, NULL);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all",
                                                .policy = policies[i]));
        connected(world, 2);
        send_some(world, 0, 100);
        check_came(world, 100);
        end_drop(&world->client);
        until(world, world->server.closed);
        end_drop(&world->server);
    }
    second_end(&second);
}

/* Nothing translates on this host: what the peer sees is what is. */
static bool seen_from_outside(hawser_association *line, unsigned index)
{
    hawser_strand_info info;

    assert_int_equal(hawser_association_strand(line, index, &info), 0);
    return strcmp(info.outside, info.path.local) == 0;
}

static void told_addresses_get_strands(void **state)
{
    struct world *world = *state;
    struct second second;

    world_listen(world, NULL);
    listen_second(world, &second, "[::1]:0", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.paths = "all"));
    connected(world, 2);
    until(world, seen_from_outside(world->client.line, 0) && seen_from_outside(world->client.line, 1));
    send_some(world, 0, 50);
    check_came(world, 50);
    second_end(&second);
}

static void a_listener_that_comes_later_is_told(void **state)
{
    struct world *world = *state;
    struct second second;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.paths = "all"));
    connected(world, 1);
    send_some(world, 0, 20); /* what was told at the beginning came before these were acknowledged */
    check_came(world, 20);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    connected(world, 2);
    second_end(&second);
}

static void who_tells_none_gets_one_strand(void **state)
{
    struct world *world = *state;
    hawser_properties *properties;
    struct second second;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "advertisesAltaddr", "false"), 0);
    world_listen(world, HAWSER_LISTEN(.properties = properties));
    listen_second(world, &second, "[::1]:0", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.paths = "all"));
    connected(world, 1);
    send_some(world, 0, 20); /* an address told would have come before these were acknowledged */
    check_came(world, 20);
    assert_int_equal(standing(world->client.line), 1);
    assert_int_equal(strands_in(world->client.line, HAWSER_STRAND_OPENING), 0);
    hawser_properties_unref(properties);
    second_end(&second);
}

/* What its layers know of TLS was the listener's that it came by, and is its association's now: valgrind or a sanitizer sees
 * who looks at what is gone. */
static void outlives_its_listener(struct world *world, const char *stack)
{
    hawser_association *listener;
    struct second second;
    char both[64];

    snprintf(both, sizeof both, "tls/tcp,%s", stack);
    world_listen(world, HAWSER_LISTEN(.stack = "tls/tcp"));
    listen_second(world, &second, "127.0.0.2:0", stack);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all",
                                            .stack = strcmp(stack, "tls/tcp") == 0 ? stack : both));
    connected(world, 2);
    listener = second.listener;
    assert_int_equal(hawser_close(listener, 0, NULL), 0);
    while (hawser_close(listener, 0, NULL) != -ENOTCONN)
        world_step(world);
    second_end(&second);
    send_some(world, 0, 20);
    check_came(world, 20);
    hawser_context_unref(world->client_context); /* both strands end, without a word inside of TLS */
    end_drop(&world->client);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
    until(world, world->server.closed);
    for (unsigned i = 0; i < 20; i++) /* what still comes is read away */
        world_step(world);
    end_drop(&world->server);
}

static void a_strand_outlives_its_listener(void **state)
{
    static const char *const stacks[] = {"tls/tcp", "quic/udp", "dtls/udp"};

    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++)
        outlives_its_listener(*state, stacks[i]);
}

static void stacks_mix(void **state)
{
    static const char *const pairs[][2] = {{"tls/tcp", "quic/udp"},
                                           {"quic/udp", "tls/tcp"},
                                           {"quic/udp", "quic/udp"},
                                           {"dtls/udp", "tls/tcp"},
                                           {"tls/tcp", "dtls/udp"}};
    struct world *world = *state;
    hawser_strand_info info;
    struct second second;
    char both[64];

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        world_listen(world, HAWSER_LISTEN(.stack = pairs[i][0]));
        listen_second(world, &second, "127.0.0.2:0", pairs[i][1]);
        snprintf(both, sizeof both, "%s,%s", pairs[i][0], pairs[i][1]);
        world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all",
                                                .stack = both, .policy = HAWSER_AGGREGATE));
        connected(world, 2);
        for (unsigned j = 0; j < 2; j++) {
            assert_int_equal(hawser_association_strand(world->client.line, j, &info), 0);
            assert_true(strcmp(info.stack, pairs[i][0]) == 0 || strcmp(info.stack, pairs[i][1]) == 0);
        }
        send_some(world, 0, 100);
        assert_int_equal(hawser_association_close_strand(world->client.line, id_of(world->client.line, 0)), 0);
        send_some(world, 100, 100);
        check_came(world, 200);
        end_drop(&world->client);
        until(world, world->server.closed);
        end_drop(&world->server);
        second_end(&second);
    }
}

/* ------------------------------------------------------------------------------------------------------- one goes */

static void a_strand_that_goes_takes_nothing_along(void **state)
{
    static const hawser_policy policies[] = {HAWSER_HANDOVER, HAWSER_INTERACTIVE, HAWSER_AGGREGATE};
    struct world *world = *state;
    struct second second;

    world_listen(world, NULL);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    for (size_t i = 0; i < 2 * sizeof policies / sizeof *policies; i++) {
        hawser_association *closer;

        world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all",
                                                .policy = policies[i / 2]));
        connected(world, 2);
        send_some(world, 0, 100);
        closer = i % 2 ? world->server.line : world->client.line;
        assert_int_equal(hawser_association_close_strand(closer, id_of(closer, 0)), 0);
        send_some(world, 100, 100);
        check_came(world, 200);
        end_drop(&world->client);
        until(world, world->server.closed);
        end_drop(&world->server);
    }
    second_end(&second);
}

static void a_strand_that_the_peer_closed_comes_back(void **state)
{
    struct world *world = *state;
    struct second second;
    unsigned before;

    world_listen(world, NULL);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all"));
    connected(world, 2);
    before = id_of(world->server.line, 1);
    assert_int_equal(hawser_association_close_strand(world->server.line, before), 0);
    until(world, standing(world->server.line) == 1);
    until(world, standing(world->server.line) == 2);
    assert_int_not_equal(id_of(world->server.line, 1), before);
    send_some(world, 0, 20);
    check_came(world, 20);
    second_end(&second);
}

static void strands_are_preferred_and_avoided(void **state)
{
    struct world *world = *state;
    hawser_strand_info info;
    struct second second;
    unsigned first, other;

    world_listen(world, NULL);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all"));
    connected(world, 2);
    first = id_of(world->client.line, 0);
    other = id_of(world->client.line, 1);
    assert_int_equal(hawser_association_use_strand(world->client.line, other, HAWSER_STRAND_PIN), 0);
    until(world, strands_in(world->client.line, HAWSER_STRAND_ACTIVE) == 1);
    assert_int_equal(hawser_association_strand(world->client.line, 1, &info), 0);
    assert_int_equal(info.state, HAWSER_STRAND_ACTIVE);
    assert_int_equal(hawser_association_use_strand(world->client.line, first, HAWSER_STRAND_PREFER), 0);
    assert_int_equal(hawser_association_use_strand(world->client.line, other, HAWSER_STRAND_AVOID), 0);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
    assert_int_equal(info.state, HAWSER_STRAND_ACTIVE);
    assert_int_equal(hawser_association_use_strand(world->client.line, 99, HAWSER_STRAND_PREFER), -ENOENT);
    assert_int_equal(hawser_association_use_strand(world->client.line, first, (hawser_strand_use)9), -EINVAL);
    assert_int_equal(hawser_association_close_strand(world->client.line, 99), -ENOENT);
    second_end(&second);
}

static void a_message_goes_by_the_strand_that_it_is_bound_to(void **state)
{
    static const char data[15000];
    struct world *world = *state;
    hawser_strand_info one, other;
    struct second second;

    world_listen(world, NULL);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all"));
    connected(world, 2);
    for (unsigned i = 0; i < 20; i++) /* the policy is handover, and the second one stands by */
        assert_int_equal(hawser_send(world->client.line, data, sizeof data,
                                     HAWSER_MESSAGE(.strand = id_of(world->client.line, 1)), NULL),
                         0);
    until(world, world->client.settled == 20);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &one), 0);
    assert_int_equal(hawser_association_strand(world->client.line, 1, &other), 0);
    assert_true(one.bytes_sent < 20000 && other.bytes_sent > 300000);
    assert_int_equal(hawser_send(world->client.line, data, 1, HAWSER_MESSAGE(.strand = 99), NULL), -ENOENT);
    second_end(&second);
}

static void the_policy_changes_while_the_line_lives(void **state)
{
    static const char *const policies[] = {"aggregate", "interactive", "handover"};
    struct world *world = *state;
    struct second second;

    world_listen(world, NULL);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all"));
    connected(world, 2);
    assert_int_equal(strands_in(world->client.line, HAWSER_STRAND_ACTIVE), 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(hawser_association_set_property(world->client.line, "multipathPolicy", policies[i], NULL, 0),
                         0);
        send_some(world, i * 50, 50);
        assert_int_equal(strands_in(world->client.line, HAWSER_STRAND_ACTIVE), i < 2 ? 2 : 1);
    }
    check_came(world, 150);
    second_end(&second);
}

/* ------------------------------------------------------------------------------------------------------- all go */

static void a_line_without_a_strand_is_had_again(void **state)
{
    struct world *world = *state;
    uint8_t before[32], after[32];
    unsigned ours, theirs;

    world_connect(world);
    assert_int_equal(hawser_association_export_key(world->client.line, "test", before, sizeof before), 0);
    for (unsigned i = 0; i < 4; i++) {
        hawser_association *closer = i % 2 ? world->server.line : world->client.line;

        ours = id_of(world->client.line, 0);
        theirs = id_of(world->server.line, 0);
        send_some(world, i * 40, 20);
        assert_int_equal(hawser_association_close_strand(closer, id_of(closer, 0)), 0);
        send_some(world, i * 40 + 20, 20);
        until(world, standing(world->client.line) == 1 && id_of(world->client.line, 0) != ours &&
                         standing(world->server.line) == 1 && id_of(world->server.line, 0) != theirs);
    }
    check_came(world, 160);
    assert_true(world->client.seen[HAWSER_PATHS_CHANGED] > 0 && world->server.seen[HAWSER_PATHS_CHANGED] > 0);
    assert_false(world->client.closed || world->server.closed);
    /* What both derive does not go with the strand that it came from. */
    assert_int_equal(hawser_association_export_key(world->server.line, "test", after, sizeof after), 0);
    assert_memory_equal(before, after, sizeof before);
}

/* With tickets, which allow early data: what joins has none, and is not taken for a line of its own. */
static void a_line_over_quic_is_had_again(void **state)
{
    struct world *world = *state;
    unsigned ours;

    world_listen(world, HAWSER_LISTEN(.stack = "quic/udp"));
    world_associate(world, NULL);
    connected(world, 1);
    for (unsigned i = 0; i < 4; i++) {
        hawser_association *closer = i % 2 ? world->server.line : world->client.line;

        ours = id_of(world->client.line, 0);
        send_some(world, i * 40, 20);
        assert_int_equal(hawser_association_close_strand(closer, id_of(closer, 0)), 0);
        send_some(world, i * 40 + 20, 20);
        until(world, standing(world->client.line) == 1 && id_of(world->client.line, 0) != ours &&
                         standing(world->server.line) == 1);
    }
    check_came(world, 160);
    assert_false(world->client.closed || world->server.closed);
}

/* Who comes back is no association more. */
static void a_listener_that_is_full_lets_its_own_back_in(void **state)
{
    static const char *const stacks[] = {"tls/tcp", "quic/udp"};
    struct world *world = *state;
    unsigned ours;

    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        world_listen(world, HAWSER_LISTEN(.stack = stacks[i], .max_associations = 1));
        world_associate(world, NULL);
        connected(world, 1);
        ours = id_of(world->client.line, 0);
        assert_int_equal(hawser_association_close_strand(world->client.line, ours), 0);
        send_some(world, 0, 20);
        until(world, standing(world->client.line) == 1 && id_of(world->client.line, 0) != ours);
        check_came(world, 20);
        end_drop(&world->client);
        until(world, world->server.closed);
        end_drop(&world->server);
    }
}

static void a_peer_that_was_started_anew_says_so(void **state)
{
    struct world *world = *state;

    world_listen(world, HAWSER_LISTEN(.reestablish_us = -1)); /* it forgets the line with its strand */
    world_associate(world, NULL);
    connected(world, 1);
    assert_int_equal(hawser_association_close_strand(world->client.line, id_of(world->client.line, 0)), 0);
    send_some(world, 0, 3);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_ERESTARTED);
    assert_int_equal(world->client.settled, 3);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_SEND_FAILED);
    until(world, world->server.closed);
}

static void a_line_that_is_not_kept_ends_with_its_strand(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.reestablish_us = -1));
    connected(world, 1);
    assert_int_equal(hawser_association_close_strand(world->client.line, id_of(world->client.line, 0)), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -ECANCELED);
}

static void nobody_waits_longer_than_was_said(void **state)
{
    struct world *world = *state;

    world_listen(world, HAWSER_LISTEN(.reestablish_us = 200000));
    world_associate(world, HAWSER_ASSOCIATE(.reestablish_us = -1));
    connected(world, 1);
    assert_int_equal(hawser_association_close_strand(world->client.line, id_of(world->client.line, 0)), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -HAWSER_ELOST);
    end_drop(&world->client);
    end_drop(&world->server);
    /* And the other side, whose peer is not there any more. */
    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.reestablish_us = 400000));
    connected(world, 1);
    assert_int_equal(hawser_close(world->listener, 0, NULL), 0);
    send_some(world, 0, 5);
    assert_int_equal(hawser_association_close_strand(world->client.line, id_of(world->client.line, 0)), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_ELOST);
    assert_int_equal(world->client.settled, 5);
}

static void a_line_is_closed_while_it_has_no_strand(void **state)
{
    struct world *world = *state;

    world_connect(world);
    send_some(world, 0, 5);
    assert_int_equal(hawser_association_close_strand(world->client.line, id_of(world->client.line, 0)), 0);
    assert_int_equal(hawser_close(world->client.line, 7, "done"), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->client.closed_code, 0);
    assert_int_equal(world->server.closed_code, 0);
    assert_int_equal(world->server.received_count, 5);
}

/* The address that is told first is worth one attempt, and then the other has its turn. */
static void an_address_that_is_not_one_keeps_no_other_away(void **state)
{
    struct world *world = *state;
    struct second false_one, second;

    world_listen(world, HAWSER_LISTEN(.stack = "tls/tcp"));
    listen_second(world, &false_one, "127.0.0.2:0", "dtls/udp"); /* where nobody listens for TCP */
    listen_second(world, &second, "127.0.0.3:0", "tls/tcp");
    world_associate(world, HAWSER_ASSOCIATE(.paths = "all", .stack = "tls/tcp"));
    connected(world, 2);
    send_some(world, 0, 20);
    check_came(world, 20);
    second_end(&false_one);
    second_end(&second);
}

static bool leaves_from(hawser_association *line, unsigned index, const char *address)
{
    hawser_strand_info info;

    assert_int_equal(hawser_association_strand(line, index, &info), 0);
    return strncmp(info.path.local, address, strlen(address)) == 0;
}

static void all_strands_leave_from_where_the_program_said(void **state)
{
    struct world *world = *state;
    struct second second;
    unsigned before;

    world_listen(world, NULL);
    listen_second(world, &second, "127.0.0.2:0", NULL);
    world_associate(
        world, HAWSER_ASSOCIATE(.endpoints = second.list, .endpoint_count = 1, .paths = "all", .local = "127.0.0.5:0"));
    connected(world, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_true(leaves_from(world->client.line, i, "127.0.0.5:"));
    end_drop(&world->client);
    until(world, world->server.closed);
    end_drop(&world->server);
    world_associate(world, HAWSER_ASSOCIATE(.local = "127.0.0.5:0"));
    connected(world, 1);
    before = id_of(world->client.line, 0);
    assert_int_equal(hawser_association_close_strand(world->client.line, before), 0);
    until(world, standing(world->client.line) == 1 && id_of(world->client.line, 0) != before);
    assert_true(leaves_from(world->client.line, 0, "127.0.0.5:"));
    second_end(&second);
}

/* The way breaks between the handshake and the answer to JOIN: a peer that is not dispatched says nothing. */
static void a_join_that_nobody_answers_is_given_up(void **state)
{
    struct world *world = *state;
    unsigned before;

    world_connect(world);
    before = id_of(world->client.line, 0);
    assert_int_equal(hawser_association_close_strand(world->client.line, before), 0);
    until(world, strands_in(world->client.line, HAWSER_STRAND_OPENING) == 1);
    until_client(world, strands_in(world->client.line, HAWSER_STRAND_OPENING) == 0);
    assert_false(world->client.closed);
    until(world, standing(world->client.line) == 1 && id_of(world->client.line, 0) != before);
    send_some(world, 0, 20);
    check_came(world, 20);
}

/* A line without a strand waits for a handshake, and not for another round trip: what it has to say follows the JOIN. Over units
 * it could overtake that, and waits. */
static void a_line_without_a_strand_waits_for_no_answer(void **state)
{
    static uint8_t payload[50000];
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_association_close_strand(world->client.line, id_of(world->client.line, 0)), 0);
    assert_int_equal(hawser_send(world->client.line, payload, sizeof payload, NULL, NULL), 0);
    until(world, strands_in(world->client.line, HAWSER_STRAND_OPENING) == 1);
    /* From here on the peer is not dispatched, and so does not answer. */
    until_client(world, info_of(world->client.line, 0).bytes_sent > sizeof payload);
    assert_int_equal(strands_in(world->client.line, HAWSER_STRAND_OPENING), 1);
    assert_int_equal(world->client.settled, 0);
    until(world, world->client.settled == 1 && standing(world->client.line) == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(world->server.received_count, 1);
}

/* ------------------------------------------------------------------------------------------------------- refusals */

static void paths_are_checked(void **state)
{
    static const char *const wrong[] = {"",         ",",        "eth0,",        "=tls/tcp",      "eth0=", "eth0,,wlan0",
                                        "all,eth0", "eth0,all", "all=quic/udp", "eth0=quick/udp"};
    struct world *world = *state;
    hawser_association *line;

    world_listen(world, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(
            hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.paths = wrong[i]), &line),
            -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(each_address_gets_a_strand),
        api_test(told_addresses_get_strands),
        api_test(a_listener_that_comes_later_is_told),
        api_test(who_tells_none_gets_one_strand),
        api_test(a_strand_outlives_its_listener),
        api_test(stacks_mix),
        api_test(a_strand_that_goes_takes_nothing_along),
        api_test(a_strand_that_the_peer_closed_comes_back),
        api_test(strands_are_preferred_and_avoided),
        api_test(a_message_goes_by_the_strand_that_it_is_bound_to),
        api_test(the_policy_changes_while_the_line_lives),
        api_test(a_line_without_a_strand_is_had_again),
        api_test(a_line_over_quic_is_had_again),
        api_test(a_listener_that_is_full_lets_its_own_back_in),
        api_test(a_peer_that_was_started_anew_says_so),
        api_test(a_line_that_is_not_kept_ends_with_its_strand),
        api_test(nobody_waits_longer_than_was_said),
        api_test(a_line_is_closed_while_it_has_no_strand),
        api_test(an_address_that_is_not_one_keeps_no_other_away),
        api_test(all_strands_leave_from_where_the_program_said),
        api_test(a_join_that_nobody_answers_is_given_up),
        api_test(a_line_without_a_strand_waits_for_no_answer),
        api_test(paths_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
