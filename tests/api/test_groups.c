/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what multicast groups are to a program: sent to, heard, one association a sender, by a key or by anybody; on the
 * loopback. Several hosts are in tests/interop/test_multicast.py. (S1.7, S2.2, S2.12) */
#include "raw.h"

static const char key[] = "the key that members of this group share";

/* A port that nobody else has, for as long as the descriptor is open. */
static int port_taken(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof address;

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static hawser_properties *in_the_clear(void)
{
    hawser_properties *properties;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    return properties;
}

static int hear(struct world *world, const char *endpoint, const void *group_key, size_t size)
{
    hawser_properties *properties = in_the_clear();
    int r = hawser_listen(world->server_context, endpoint,
                          HAWSER_LISTEN(.properties = properties, .group_key = group_key, .group_key_size = size),
                          &world->listener);

    hawser_properties_unref(properties);
    return r;
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct world *world = user;

    world->server.world = world;
    end_note(&world->server, hawser_association_ref(event->accepted.association));
}

static int speak(struct world *world, const char *endpoint, hawser_associate_options options,
                 hawser_association **ret_line)
{
    hawser_properties *properties = in_the_clear();
    int r;

    options.struct_size = sizeof options;
    if (!options.properties)
        options.properties = properties;
    r = hawser_associate(world->client_context, endpoint, &options, ret_line);
    hawser_properties_unref(properties);
    return r;
}

static void say(struct world *world, hawser_association *line, const char *text)
{
    (void)world;
    assert_int_equal(hawser_send(line, text, strlen(text), NULL, NULL), 0);
}

static void groups_are_heard_with_and_without_a_key(void **state)
{
    struct world *world = *state;
    char endpoint[64], value[16];

    for (int i = 0; i < 2; i++) {
        const void *group_key = i == 1 ? key : NULL;
        size_t size = group_key ? sizeof key : 0;
        hawser_association *line;
        unsigned port;
        int fd = port_taken(&port);

        snprintf(endpoint, sizeof endpoint, "239.255.77.7:%u@lo", port);
        assert_int_equal(hear(world, endpoint, group_key, size), 0);
        assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, on_accepted, world), 0);
        assert_int_equal(
            speak(world, endpoint, *HAWSER_ASSOCIATE(.group_key = group_key, .group_key_size = size), &line), 0);
        say(world, line, "one");
        say(world, line, "");
        say(world, line, "three");
        until(world, world->server.received_count == 3);
        assert_string_equal(world->server.received[0].data, "one");
        assert_int_equal(world->server.received[1].size, 0);
        assert_string_equal(world->server.received[2].data, "three");
        assert_string_equal(world->server.stack, group_key ? "group/udp" : "udp");
        assert_int_equal(world->server.verification, HAWSER_VERIFICATION_NONE);
        /* Who hears does not answer, and who speaks does not hear: both are told so. */
        assert_int_equal(hawser_send(world->server.line, "no", 2, NULL, NULL), -EOPNOTSUPP);
        assert_true(hawser_association_get_property(world->server.line, "canSend", value, sizeof value) >= 0);
        assert_string_equal(value, "false");
        assert_true(hawser_association_get_property(line, "canReceive", value, sizeof value) >= 0);
        assert_string_equal(value, "false");
        hawser_association_unref(line);
        end_drop(&world->server);
        hawser_close(world->listener, 0, "");
        world->listener = hawser_association_unref(world->listener);
        close(fd);
        for (int steps = 0; steps < 3; steps++)
            world_step(world);
    }
}

static void each_sender_is_an_association(void **state)
{
    struct world *world = *state;
    hawser_association *lines[2], *first;
    char endpoint[64];
    unsigned port;
    int fd = port_taken(&port);

    snprintf(endpoint, sizeof endpoint, "239.255.77.8:%u@lo", port);
    assert_int_equal(hear(world, endpoint, NULL, 0), 0);
    assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, on_accepted, world), 0);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(), &lines[0]), 0);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(), &lines[1]), 0);
    say(world, lines[0], "zero");
    until(world, world->server.received_count == 1);
    first = hawser_association_ref(world->server.line);
    end_drop(&world->server);
    say(world, lines[1], "one");
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "one");
    assert_ptr_not_equal(world->server.line, first);
    hawser_association_unref(first);
    hawser_association_unref(lines[0]);
    hawser_association_unref(lines[1]);
    close(fd);
}

/* Who has no key is not heard, not answered, and counted; also from the address of one who has. */
static void strangers_to_the_key_are_not_heard(void **state)
{
    struct world *world = *state;
    hawser_association *stranger, *other, *member;
    hawser_statistics statistics = {.refused_datagrams = 0};
    char endpoint[64];
    unsigned port;
    int fd = port_taken(&port);

    snprintf(endpoint, sizeof endpoint, "239.255.77.9:%u@lo", port);
    assert_int_equal(hear(world, endpoint, key, sizeof key), 0);
    assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, on_accepted, world), 0);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(), &stranger), 0);
    assert_int_equal(
        speak(world, endpoint, *HAWSER_ASSOCIATE(.group_key = "another key of a group", .group_key_size = 22), &other),
        0);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(.group_key = key, .group_key_size = sizeof key), &member),
                     0);
    say(world, stranger, "not a member");
    say(world, other, "a member of nothing");
    for (int64_t end = clock_now() + PATIENCE; statistics.refused_datagrams < 2 && clock_now() < end;) {
        world_step(world);
        assert_int_equal(hawser_association_statistics(world->listener, &statistics), 0);
    }
    assert_int_equal(statistics.refused_datagrams, 2);
    assert_null(world->server.line);
    say(world, member, "a member");
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "a member");
    hawser_association_unref(stranger);
    hawser_association_unref(other);
    hawser_association_unref(member);
    close(fd);
}

/* Of a group one source alone: the others' datagrams do not even reach the program's socket. */
static void one_source_alone_can_be_heard(void **state)
{
    struct world *world = *state;
    char endpoint[64], from[80];
    hawser_association *line;
    unsigned port;
    int fd = port_taken(&port);

    snprintf(endpoint, sizeof endpoint, "232.1.77.10:%u@lo", port);
    snprintf(from, sizeof from, "127.0.0.2>%s", endpoint);
    assert_int_equal(hear(world, from, NULL, 0), 0);
    assert_string_equal(hawser_association_endpoint(world->listener), from);
    assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, on_accepted, world), 0);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(.local = "127.0.0.1:0"), &line), 0);
    say(world, line, "not the source");
    for (int i = 0; i < 3; i++)
        world_step(world);
    hawser_association_unref(line);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(.local = "127.0.0.2:0"), &line), 0);
    say(world, line, "the source");
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "the source");
    hawser_association_unref(line);
    close(fd);
}

static void without_the_loop_this_host_hears_nothing(void **state)
{
    struct world *world = *state;
    hawser_association *silent, *loud;
    char endpoint[64];
    unsigned port;
    int fd = port_taken(&port);

    snprintf(endpoint, sizeof endpoint, "239.255.77.11:%u@lo", port);
    assert_int_equal(hear(world, endpoint, NULL, 0), 0);
    assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, on_accepted, world), 0);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(.no_loop = true, .hop_limit = 3), &silent), 0);
    assert_int_equal(speak(world, endpoint, *HAWSER_ASSOCIATE(.hop_limit = 3), &loud), 0);
    say(world, loud, "heard");
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "heard");
    hawser_association_unref(silent);
    hawser_association_unref(loud);
    close(fd);
}

/* What cannot be had of a group is refused at once, in words. */
static void what_a_group_cannot_give_is_refused(void **state)
{
    struct world *world = *state;
    hawser_properties *reliable = in_the_clear();
    hawser_association *line = NULL;

    assert_int_equal(hawser_associate(world->client_context, "239.1.2.3:5000", NULL, &line), -HAWSER_EPROHIBITED);
    assert_int_equal(hawser_listen(world->server_context, "239.1.2.3:5000", NULL, &line), -HAWSER_EPROHIBITED);
    assert_int_equal(hawser_properties_set(reliable, "reliability", "require"), 0);
    assert_int_equal(speak(world, "239.1.2.3:5000", *HAWSER_ASSOCIATE(.properties = reliable), &line),
                     -HAWSER_EPROHIBITED);
    hawser_properties_unref(reliable);
    assert_int_equal(speak(world, "239.1.2.3:5000", *HAWSER_ASSOCIATE(.stack = "tls/tcp"), &line), -HAWSER_EPROHIBITED);
    assert_int_equal(
        speak(world, "239.1.2.3:5000", *HAWSER_ASSOCIATE(.min_verification = HAWSER_VERIFICATION_TOFU), &line),
        -HAWSER_EPROHIBITED);
    assert_int_equal(
        speak(world, "239.1.2.3:5000", *HAWSER_ASSOCIATE(.group_key = "short", .group_key_size = 5), &line), -EINVAL);
    assert_int_equal(speak(world, "239.1.2.3:5000", *HAWSER_ASSOCIATE(.hop_limit = 256), &line), -EINVAL);
    assert_int_equal(speak(world, "192.0.2.1>232.1.2.3:5000", *HAWSER_ASSOCIATE(), &line), -HAWSER_EENDPOINT);
    assert_int_equal(speak(world, "127.0.0.1:5000", *HAWSER_ASSOCIATE(.hop_limit = 2), &line), -EINVAL);
    assert_int_equal(hear(world, "239.1.2.3:0", NULL, 0), -HAWSER_EENDPOINT);
    assert_int_equal(hear(world, "127.0.0.1:0", key, sizeof key), -EINVAL);
    assert_null(line);
    assert_null(world->listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(groups_are_heard_with_and_without_a_key),  api_test(each_sender_is_an_association),
        api_test(strangers_to_the_key_are_not_heard),       api_test(one_source_alone_can_be_heard),
        api_test(without_the_loop_this_host_hears_nothing), api_test(what_a_group_cannot_give_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
