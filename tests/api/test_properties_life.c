/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves that properties choose among the ways to a peer, that each can be asked and tells what is, that what may change later
 * changes, and that what may not says so.
 */
#include "wish.h"

/* ----------------------------------------------------------------------------------------------------------- selection */

static void a_stack_that_lacks_what_is_required_is_not_used(void **state)
{
    struct world *world = *state;
    int server = serve(world);
    hawser_properties *set;
    hawser_association *line;

    /* Bare it would be reached; but it has one stream only. */
    set = properties("security", "avoid", "session", "avoid", "multistreaming", "require", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set, .timeout_us = 300000));
    hawser_properties_unref(set);
    until(world, world->client.closed);
    assert_true(world->client.closed_code < 0);
    assert_int_equal(world->client.seen[HAWSER_ESTABLISHED], 0);
    set = properties("security", "prohibit", "session", "prohibit", "multistreaming", "require", NULL);
    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.properties = set), &line),
        -HAWSER_EPROPERTY);
    hawser_properties_unref(set);
    /* What can be kept apart by a framer is. */
    connect_plain(world, properties("preserveMsgBoundaries", "require", NULL), "lines");
    close(server);
}

static void multipath_is_tried_first_where_it_is_active(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("multipath", "active", NULL), *HAWSER_ASSOCIATE());
    assert_string_equal(asked(world->client.line, "multipath"), "active");
    /* The listener speaks it or not, and so does this kernel: the line is up, as what it became. */
    assert_true(strcmp(world->client.stack, "tls/mptcp") == 0 || strcmp(world->client.stack, "tls/tcp") == 0);
    finish(world);
    connect_with(world, properties("multipath", "disabled", NULL), *HAWSER_ASSOCIATE());
    assert_string_equal(world->client.stack, "tls/tcp");
    finish(world);
}

static void a_prohibited_interface_is_not_used(void **state)
{
    struct world *world = *state;
    hawser_properties *set = properties("interface", "prohibit:loopback", NULL);

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    hawser_properties_unref(set);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EPROHIBITED);
    assert_non_null(strstr(world->client.closed_reason, "loopback"));
    assert_null(world->server.line);
    connect_with(world, properties("interface", "require:lo", NULL), *HAWSER_ASSOCIATE());
    finish(world);
    set = properties("family", "require:ipv6", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    hawser_properties_unref(set);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EPROHIBITED);
}

static void contradictions_are_refused_at_once(void **state)
{
    struct world *world = *state;
    hawser_properties *set = properties("keepAlive", "require", "keepAliveTimeout", "disabled", NULL);
    hawser_association *line;

    world_listen(world, NULL);
    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.properties = set), &line),
        -HAWSER_EPROPERTY);
    hawser_properties_unref(set);
    set = properties("interface", "prefer:lo", NULL);
    assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.properties = set), &line),
                     -HAWSER_EPROPERTY);
    hawser_properties_unref(set);
}

/* Changing a set after it was used reaches nothing that was made from it (RFC 9622 section 1.1). */
static void a_set_is_copied(void **state)
{
    struct world *world = *state;
    hawser_properties *set = properties("connPriority", "120", NULL);

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    assert_int_equal(hawser_properties_set(set, "connPriority", "50"), 0);
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(sent(world, NULL)->niceness, 20);
    assert_int_equal(hawser_properties_unref(set) == NULL, 1);
    assert_string_equal(asked(world->client.line, "connPriority"), "120");
    finish(world);
}

/* ------------------------------------------------------------------------------------------------- asking and changing */

static void every_property_can_be_asked(void **state)
{
    struct world *world = *state;
    hawser_property_info info;
    unsigned count = 0;
    char text[256];

    world_connect(world);
    for (; hawser_property_info_get(count, &info) == 0; count++) {
        int length = hawser_association_get_property(world->client.line, info.name, text, sizeof text);

        assert_in_range(length, 0, sizeof text - 1);
        assert_int_equal(length, strlen(text));
        if (info.type == HAWSER_PREFERENCE) /* whether the line has it */
            assert_true(strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
        else if (info.stage != HAWSER_READ_ONLY)
            assert_string_equal(text, info.default_value);
        else
            assert_true(length > 0);
    }
    assert_true(count > 40);
    assert_string_equal(asked(world->client.line, "multistreaming"), "true");
    assert_string_equal(asked(world->client.line, "softErrorNotify"), "false");
    assert_string_equal(asked(world->client.line, "session"), "true");
    assert_int_equal(hawser_association_get_property(world->client.line, "colour", text, sizeof text),
                     -HAWSER_EPROPERTY);
    finish(world);
}

static void where_a_line_is_in_its_life(void **state)
{
    struct world *world = *state;
    hawser_association *line;
    uint64_t large;

    world_listen(world, HAWSER_LISTEN(.max_message = 1000000));
    world_associate(world, HAWSER_ASSOCIATE(.max_message = 70000));
    line = world->client.line;
    assert_string_equal(asked(line, "connState"), "establishing");
    assert_string_equal(asked(line, "canSend"), "true");
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_string_equal(asked(line, "connState"), "established");
    assert_string_equal(asked(line, "canReceive"), "true");
    sent(world, NULL);
    assert_string_equal(asked(line, "sendMsgMaxLen"), "1000000");
    assert_string_equal(asked(line, "recvMsgMaxLen"), "70000");
    large = strtoull(asked(line, "singularTransmissionMsgMaxLen"), NULL, 10);
    assert_in_range(large, 500, 65535);
    hawser_pause(world->server.line);
    assert_int_equal(hawser_send(line, "x", 1, NULL, NULL), 0);
    assert_int_equal(hawser_close(line, 0, ""), 0);
    assert_string_equal(asked(line, "connState"), "closing");
    assert_string_equal(asked(line, "canSend"), "false");
    hawser_resume(world->server.line);
    until(world, world->client.closed && world->server.closed);
    assert_string_equal(asked(line, "connState"), "closed");
    assert_string_equal(asked(line, "canReceive"), "false");
    assert_string_equal(asked(line, "sendMsgMaxLen"), "0");
    assert_int_equal(hawser_association_set_property(line, "connPriority", "1", NULL, 0), -ENOTCONN);
}

static void a_bare_lines_life(void **state)
{
    struct world *world = *state;
    int server = serve(world), peer;

    connect_plain(world, properties("connPriority", "100", NULL), "lines");
    peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    assert_string_equal(asked(world->client.line, "session"), "false");
    assert_string_equal(asked(world->client.line, "security"), "false");
    assert_string_equal(asked(world->client.line, "multistreaming"), "false");
    assert_string_equal(asked(world->client.line, "recvMsgMaxLen"), "16777216");
    assert_int_equal(hawser_send(world->client.line, "last", 4, HAWSER_MESSAGE(.final = true), NULL), 0);
    assert_string_equal(asked(world->client.line, "canSend"), "false");
    assert_string_equal(asked(world->client.line, "canReceive"), "true");
    close(peer);
    until(world, world->client.closed);
    assert_string_equal(asked(world->client.line, "connState"), "closed");
    close(server);
}

static void refused(hawser_association *line, const char *name, const char *value, const char *words)
{
    char reason[256] = "", before[256], after[256];

    (void)hawser_association_get_property(line, name, before, sizeof before);
    assert_int_equal(hawser_association_set_property(line, name, value, reason, sizeof reason), -HAWSER_EPROPERTY);
    if (!strstr(reason, words))
        fail_msg("%s = %s: \"%s\" does not say \"%s\"", name, value, reason, words);
    if (hawser_association_get_property(line, name, after, sizeof after) >= 0)
        assert_string_equal(before, after);
    assert_int_equal(hawser_association_set_property(line, name, value, NULL, 0), -HAWSER_EPROPERTY);
}

static void what_cannot_change_says_so(void **state)
{
    struct world *world = *state;

    world_connect(world);
    refused(world->client.line, "reliability", "prefer", "reliability is fixed once establishment began");
    refused(world->client.line, "isolateSession", "true", "fixed");
    refused(world->client.line, "connPriorty", "1", "connPriority");
    refused(world->client.line, "connPriority", "-1", "from 0 to 255");
    refused(world->client.line, "connState", "closed", "read-only");
    refused(world->client.line, "maxRecvRate", "1M", "hawser_pause()");
    refused(world->client.line, "msgReliable", "false", "perMsgReliability");
    refused(world->client.line, "recvChecksumLen", "5", "fullChecksumRecv");
    sent(world, NULL); /* and the line goes on */
    finish(world);
}

static void what_a_unix_socket_cannot_keep_to(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "line"), endpoint[128];
    hawser_properties *set = properties("maxSendRate", "1M", NULL);
    hawser_association *line;

    snprintf(endpoint, sizeof endpoint, "unix:%s", path);
    world_listen_at(world, endpoint, NULL);
    world_connect(world);
    refused(world->client.line, "maxSendRate", "1M", "tls/unix cannot be held to a rate");
    assert_string_equal(asked(world->client.line, "singularTransmissionMsgMaxLen"), "not-applicable");
    change(world->client.line, "connCapacityProfile", "scavenger"); /* there is no packet to mark */
    finish(world);
    /* From the beginning: no way is left, and the reason says which. */
    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.properties = set), &line), 0);
    end_drop(&world->client);
    end_note(&world->client, line);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EPROHIBITED);
    assert_non_null(strstr(world->client.closed_reason, "maxSendRate"));
    hawser_properties_unref(set);
    free(path);
}

static void one_of_a_listeners_children_changes_alone(void **state)
{
    struct world *world = *state;
    hawser_association *first;

    listen_with(world, properties("connPriority", "90", NULL));
    world_connect(world);
    first = hawser_association_ref(world->server.line);
    change(first, "connPriority", "30");
    world_connect(world);
    until(world, world->server.line != first && world->server.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(asked(world->server.line, "connPriority"), "90");
    assert_string_equal(asked(world->listener, "connPriority"), "90");
    assert_string_equal(asked(first, "connPriority"), "30");
    hawser_association_unref(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_stack_that_lacks_what_is_required_is_not_used),
        api_test(multipath_is_tried_first_where_it_is_active),
        api_test(a_prohibited_interface_is_not_used),
        api_test(contradictions_are_refused_at_once),
        api_test(a_set_is_copied),
        api_test(every_property_can_be_asked),
        api_test(where_a_line_is_in_its_life),
        api_test(a_bare_lines_life),
        api_test(what_cannot_change_says_so),
        api_test(what_a_unix_socket_cannot_keep_to),
        api_test(one_of_a_listeners_children_changes_alone),
    };

    return cmocka_run_group_tests_name("properties_life", tests, NULL, NULL);
}
