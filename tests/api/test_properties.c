/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves that properties are honoured: each that can be set does what docs/properties.md says of it, on real lines, seen from
 * the other end or asked of the kernel.
 */
#include "strands.h"
#include "wish.h"

/* ---------------------------------------------------------------------------------------------------------- messages */

static void messages_have_the_defaults(void **state)
{
    struct world *world = *state;
    const hawser_received *got;

    connect_with(world, properties("msgPriority", "60", "msgLifetime", "10s", "preserveOrder", "require", NULL),
                 *HAWSER_ASSOCIATE());
    got = sent(world, NULL);
    assert_int_equal(got->niceness, -40);
    assert_true(got->age_us >= 0);
    assert_true(got->ordered);
    got = sent(world, HAWSER_MESSAGE(.niceness = 7)); /* what a message says of itself goes first */
    assert_int_equal(got->niceness, 7);
    change(world->client.line, "msgPriority", "101");
    change(world->client.line, "msgOrdered", "false");
    change(world->client.line, "msgLifetime", "disabled");
    got = sent(world, NULL);
    assert_int_equal(got->niceness, 1);
    assert_false(got->ordered);
    assert_int_equal(got->age_us, -1);
    finish(world);
}

static void a_lifetime_by_default_runs_out(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("msgLifetime", "1ms", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_send(world->client.line, "old", 3, NULL, NULL), 0);
    usleep(5000); /* its age is what is shown */
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_EXPIRED);
    finish(world);
}

static void priority_of_the_line_is_added(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("connPriority", "110", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(sent(world, NULL)->niceness, 10);
    assert_int_equal(sent(world, HAWSER_MESSAGE(.niceness = -30))->niceness, -20);
    assert_int_equal(sent(world, HAWSER_MESSAGE(.niceness = 150))->niceness, 155);
    assert_int_equal(hawser_send(world->client.line, "x", 1, HAWSER_MESSAGE(.niceness = 156), NULL), -EINVAL);
    change(world->client.line, "connPriority", "0");
    assert_int_equal(sent(world, NULL)->niceness, -100);
    change(world->client.line, "connPriority", "100");
    assert_int_equal(sent(world, NULL)->niceness, 0);
    finish(world);
}

/* One that only receives sends nothing. */
static void receiving_only(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("direction", "unidirectional-receive", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), -HAWSER_EPROPERTY);
    assert_string_equal(asked(world->client.line, "canSend"), "false");
    assert_string_equal(asked(world->client.line, "sendMsgMaxLen"), "0");
    assert_string_equal(asked(world->client.line, "canReceive"), "true");
    assert_int_equal(hawser_send(world->server.line, "hello", 5, NULL, NULL), 0);
    until(world, world->client.received_count == 1);
    finish(world);
}

/* And one that only sends refuses what comes, small or large, and says why. */
static void sending_only(void **state)
{
    struct world *world = *state;
    char *large = calloc(1, 200000);

    connect_with(world, properties("direction", "unidirectional-send", NULL), *HAWSER_ASSOCIATE());
    assert_string_equal(asked(world->client.line, "canReceive"), "false");
    assert_string_equal(asked(world->client.line, "recvMsgMaxLen"), "0");
    assert_int_equal(hawser_send(world->server.line, "hello", 5, NULL, NULL), 0);
    assert_int_equal(hawser_send(world->server.line, large, 200000, NULL, NULL), 0);
    until(world, world->server.settled == 2);
    for (size_t i = 0; i < world->server.outcome_count; i++) {
        assert_int_equal(world->server.outcomes[i].kind, HAWSER_SEND_FAILED);
        assert_int_equal(world->server.outcomes[i].code, -HAWSER_EREFUSED);
        assert_non_null(strstr(world->server.outcomes[i].reason, "only sends"));
    }
    assert_int_equal(world->client.received_count, 0);
    sent(world, NULL);
    finish(world);
    free(large);
}

/* ------------------------------------------------------------------------------------------- early data and tickets */

static void send_again(struct world *world, hawser_properties *set)
{
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    hawser_properties_unref(set);
    assert_int_equal(hawser_send(world->client.line, "again", 5, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
}

static void replayable_by_default_goes_early(void **state)
{
    struct world *world = *state;

    world_connect(world);
    finish(world);
    send_again(world, properties("safelyReplayable", "true", NULL));
    assert_true(world->client.early_data);
    finish(world);
    send_again(world, properties("safelyReplayable", "true", "zeroRttMsg", "prohibit", NULL));
    assert_true(world->client.resumed);
    assert_false(world->client.early_data);
    finish(world);
    send_again(world, properties("safelyReplayable", "true", "isolateSession", "true", NULL));
    assert_false(world->client.resumed);
    assert_false(world->client.early_data);
    finish(world);
}

/* Nor does one that is isolated leave a ticket behind for others. */
static void an_isolated_line_leaves_no_ticket(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("isolateSession", "true", NULL), *HAWSER_ASSOCIATE());
    finish(world);
    world_connect(world);
    assert_false(world->client.resumed);
    finish(world);
}

static void a_listener_without_early_data(void **state)
{
    struct world *world = *state;

    listen_with(world, properties("zeroRttMsg", "prohibit", NULL));
    for (int i = 0; i < 2; i++) {
        send_again(world, properties("safelyReplayable", "true", NULL));
        assert_int_equal(world->client.resumed, i > 0);
        assert_false(world->client.early_data);
        finish(world);
    }
}

/* ------------------------------------------------------------------------------------------------------------ streams */

static void streams_of_the_peer_are_limited(void **state)
{
    struct world *world = *state;
    hawser_stream *first, *second, *third;

    listen_with(world, properties("groupConnLimit", "1", NULL));
    world_connect(world);
    assert_string_equal(asked(world->server.line, "groupConnLimit"), "1");
    assert_int_equal(hawser_open(world->client.line, NULL, &first), 0);
    assert_int_equal(hawser_stream_write(first, "a", 1), 1);
    until(world, world->server.seen[HAWSER_STREAM_OPENED] == 1);
    assert_int_equal(hawser_open(world->client.line, NULL, &second), 0);
    assert_int_equal(hawser_stream_write(second, "b", 1), 1);
    until(world, world->client.seen[HAWSER_STREAM_CLOSED] == 1);
    assert_int_equal(world->server.seen[HAWSER_STREAM_OPENED], 1);
    assert_int_equal(hawser_stream_write(second, "b", 1), -ECONNRESET);
    /* Those that we open ourselves do not count, and a limit can be lifted. */
    change(world->server.line, "groupConnLimit", "unlimited");
    assert_int_equal(hawser_open(world->client.line, NULL, &third), 0);
    assert_int_equal(hawser_stream_write(third, "c", 1), 1);
    until(world, world->server.seen[HAWSER_STREAM_OPENED] == 2);
    hawser_stream_unref(first);
    hawser_stream_unref(second);
    hawser_stream_unref(third);
    assert_int_equal(hawser_abort(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
}

/* ------------------------------------------------------------------------------------------------------- time and pace */

/* Steps the client alone: to it, the peer has fallen silent. */
static int64_t silence_until_closed(struct world *world)
{
    int64_t begin = clock_now();

    while (!world->client.closed && clock_now() < begin + PATIENCE)
        assert_true(hawser_iterate(world->client_context, 100000) >= 0);
    assert_int_equal(world->client.closed_code, -HAWSER_EDEAD);
    return clock_now() - begin;
}

static void a_silent_peer_is_given_up_in_time(void **state)
{
    struct world *world = *state;
    int64_t took;

    connect_with(world, properties("keepAliveTimeout", "150ms", "connTimeout", "250ms", NULL),
                 *HAWSER_ASSOCIATE(.reestablish_us = -1));
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 400);
    took = silence_until_closed(world);
    assert_true(took >= 200000 && took < 5000000);
}

static void times_may_change_later(void **state)
{
    struct world *world = *state;

    connect_with(world, NULL, *HAWSER_ASSOCIATE(.reestablish_us = -1));
    assert_string_equal(asked(world->client.line, "connTimeout"), "10s");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 35000);
    change(world->client.line, "connTimeout", "250ms");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 25250);
    change(world->client.line, "keepAliveTimeout", "150ms");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 400);
    assert_true(silence_until_closed(world) < 5000000);
}

static void no_probes_where_they_are_prohibited(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("keepAlive", "prohibit", NULL), *HAWSER_ASSOCIATE(.dead_after_us = 1000));
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    assert_string_equal(asked(world->client.line, "keepAlive"), "false");
    finish(world);
    connect_with(world, properties("keepAliveTimeout", "disabled", NULL), *HAWSER_ASSOCIATE(.keep_alive_us = 1000));
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    finish(world);
}

static void a_listeners_times_hold_for_who_comes(void **state)
{
    struct world *world = *state;

    listen_with(world, properties("keepAliveTimeout", "2s", "connTimeout", "3s", NULL));
    world_connect(world);
    assert_int_equal(option_of(world->server.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
    finish(world);
}

static void probes_of_tcp_where_the_line_is_bare(void **state)
{
    struct world *world = *state;
    int server = serve(world);

    connect_plain(world, properties("keepAlive", "require", "keepAliveTimeout", "7s", NULL), NULL);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    change(world->client.line, "keepAliveTimeout", "9s");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_KEEPIDLE), 9);
    connect_plain(world, properties("keepAlive", "none", NULL), NULL);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_KEEPALIVE), 0);
    close(server);
}

static void the_systems_time_out(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("tcp.userTimeoutValue", "1234ms", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
    change(world->client.line, "tcp.userTimeoutValue", "2s");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 2000);
    change(world->client.line, "tcp.userTimeoutValue", "disabled");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 35000); /* the line's again */
    finish(world);
}

static int64_t time_to_send(struct world *world, size_t size)
{
    char *data = calloc(1, size);
    uint64_t settled = world->client.settled;
    int64_t begin = clock_now();

    assert_int_equal(hawser_send(world->client.line, data, size, NULL, NULL), 0);
    until(world, world->client.settled > settled);
    free(data);
    return clock_now() - begin;
}

/* 400 kB at 8 Mbit/s are 0.4 s, less what TCP's first burst holds. */
static void a_rate_is_kept_to(void **state)
{
    struct world *world = *state;
    int64_t slow, fast;

    connect_with(world, properties("maxSendRate", "8M", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
    slow = time_to_send(world, 400000);
    assert_true(slow >= 200000);
    change(world->client.line, "maxSendRate", "unlimited");
    fast = time_to_send(world, 400000);
    assert_true(fast < slow);
    finish(world);
}

/* The rate is the line's, however many strands it has. */
static void strands_share_a_rate(void **state)
{
    struct world *world = *state;
    hawser_association *second;
    hawser_strand_info info;

    world_listen(world, NULL);
    assert_int_equal(
        hawser_listen(world->server_context, "127.0.0.2:0", HAWSER_LISTEN(.identity = world->identity), &second), 0);
    connect_with(world, properties("maxSendRate", "8M", NULL),
                 *HAWSER_ASSOCIATE(.paths = "all", .policy = HAWSER_AGGREGATE));
    until(world, standing(world->client.line) == 2);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 500000);
    change(world->client.line, "multipathPolicy", "handover"); /* one at a time */
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
    change(world->client.line, "multipathPolicy", "aggregate");
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 500000);
    assert_int_equal(hawser_association_strand(world->client.line, 1, &info), 0);
    assert_int_equal(hawser_association_close_strand(world->client.line, info.id), 0);
    until(world, option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE) == 1000000);
    finish(world);
    hawser_association_unref(second);
}

/* Of a bare line's stream's rate and the line's own the lower counts, whichever changed last. */
static void the_lower_rate_counts(void **state)
{
    struct world *world = *state;
    int server = serve(world);
    hawser_stream *stream;

    connect_plain(world, properties("maxSendRate", "8M", NULL), NULL);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.bandwidth = 16000000, .limit = true), &stream), 0);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
    assert_int_equal(hawser_stream_set_bandwidth(stream, 4000000, true), 0);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 500000);
    change(world->client.line, "maxSendRate", "6M");
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 500000);
    change(world->client.line, "maxSendRate", "2M");
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 250000);
    hawser_stream_unref(stream);
    close(server);
}

/* -------------------------------------------------------------------------------------------------------------- marks */

static void packets_are_marked(void **state)
{
    static const struct {
        const char *profile;
        int dscp;
    } table[] = {{"default", 0},
                 {"scavenger", 1},
                 {"low-latency-interactive", 34},
                 {"low-latency-non-interactive", 18},
                 {"constant-rate-streaming", 26},
                 {"capacity-seeking", 10}};
    struct world *world = *state;

    connect_with(world, properties("connCapacityProfile", "scavenger", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_TOS) >> 2, 1);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        change(world->client.line, "connCapacityProfile", table[i].profile);
        assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_TOS) >> 2, table[i].dscp);
        assert_string_equal(asked(world->client.line, "msgCapacityProfile"), table[i].profile);
    }
    finish(world);
}

static void packets_are_not_cut(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("noFragmentation", "true", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DO);
    change(world->client.line, "noFragmentation", "false");
    assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_WANT);
    finish(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(messages_have_the_defaults),
        api_test(a_lifetime_by_default_runs_out),
        api_test(priority_of_the_line_is_added),
        api_test(receiving_only),
        api_test(sending_only),
        api_test(replayable_by_default_goes_early),
        api_test(an_isolated_line_leaves_no_ticket),
        api_test(a_listener_without_early_data),
        api_test(streams_of_the_peer_are_limited),
        api_test(a_silent_peer_is_given_up_in_time),
        api_test(times_may_change_later),
        api_test(no_probes_where_they_are_prohibited),
        api_test(a_listeners_times_hold_for_who_comes),
        api_test(probes_of_tcp_where_the_line_is_bare),
        api_test(the_systems_time_out),
        api_test(a_rate_is_kept_to),
        api_test(strands_share_a_rate),
        api_test(the_lower_rate_counts),
        api_test(packets_are_marked),
        api_test(packets_are_not_cut),
    };

    return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
