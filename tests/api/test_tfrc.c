/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what a bare line over tfrc/udp is: both ends name it, a message is a datagram both ways, what leaves keeps the rate
 * that acknowledgements allow, and strangers get no more than they can show. (S1.24) */
#include "raw.h"

#define MANY 200
#define SIZE 1200

static hawser_properties *in_the_clear(void)
{
    hawser_properties *properties;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    return properties;
}

static void listen_as(struct world *world, const char *stack)
{
    listen_bare(world, "prohibit", "prohibit", NULL, *HAWSER_LISTEN(.stack = stack));
}

static void come_as(struct world *world, const char *stack)
{
    hawser_properties *properties = in_the_clear();
    char *at = strchr(world->endpoint, '@'); /* keys are shown by who encrypts */

    if (at)
        memmove(world->endpoint, at + 1, strlen(at));
    world_associate(world, HAWSER_ASSOCIATE(.stack = stack, .properties = properties));
    hawser_properties_unref(properties);
}

static struct raw stranger_of(const struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct raw raw = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};

    address.sin_port = htons((uint16_t)atoi(strrchr(world->endpoint, ':') + 1));
    assert_true(raw.fd >= 0);
    assert_int_equal(connect(raw.fd, (struct sockaddr *)&address, sizeof address), 0);
    raw.got = calloc(1, 2048);
    return raw;
}

static bool datagram_came(struct raw *raw)
{
    ssize_t n = recv(raw->fd, raw->got, 2047, 0);

    raw->size = n < 0 ? 0 : (size_t)n;
    return n >= 0;
}

static void a_message_is_a_datagram_both_ways(void **state)
{
    struct world *world = *state;
    static const char *const words[] = {"one", "", "three"};
    char text[32];

    listen_as(world, "tfrc/udp");
    come_as(world, "tfrc/udp");
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(world->client.stack, "tfrc/udp");
    for (int i = 0; i < 3; i++)
        assert_int_equal(hawser_send(world->client.line, words[i], strlen(words[i]), NULL, NULL), 0);
    until(world, world->server.received_count == 3);
    assert_string_equal(world->server.stack, "tfrc/udp");
    assert_string_equal(world->server.peer_name, "127.0.0.1");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world->server.received[i].size, strlen(words[i]));
        assert_memory_equal(world->server.received[i].data, words[i], strlen(words[i]));
        assert_int_equal(hawser_send(world->server.line, words[i], strlen(words[i]), NULL, NULL), 0);
    }
    until(world, world->client.received_count == 3);
    assert_int_equal(world->client.received[2].size, strlen(words[2]));
    until(world, world->client.settled == 3);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_HANDED_OVER);
    assert_true(hawser_association_get_property(world->client.line, "sendMsgMaxLen", text, sizeof text) > 0);
    assert_in_range(atoi(text), 1000, 1452);
    assert_int_equal(hawser_send(world->client.line, text, (size_t)atoi(text) + 1, NULL, NULL), -HAWSER_ELARGE);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, 0);
}

/* More than one burst of it: it waits here until the rate has room, and what is known of the way is told. */
static void what_leaves_keeps_the_rate(void **state)
{
    struct world *world = *state;
    hawser_strand_info strand;
    char data[SIZE] = {0};
    size_t waiting;

    listen_as(world, "tfrc/udp");
    come_as(world, "tfrc/udp");
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(hawser_send(world->client.line, data, sizeof data, NULL, NULL), 0);
    world_step(world);
    waiting = MANY - (size_t)world->client.settled;
    assert_true(waiting > MANY / 2);
    until(world, world->client.settled == MANY);
    until(world, world->server.received_count > MANY / 2);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &strand), 0);
    assert_true(strand.rtt_us > 0);
}

/* A stranger's datagrams are not heard before a first ping, and one ping is answered by no more than it was. */
static void strangers_are_not_heard(void **state)
{
    struct world *world = *state;
    static const uint8_t ping[20] = {0x03, 5, 0}, unit[] = {0x0b, 6, 0, 'x'}, broken[] = {0xff, 0xff};
    struct raw raw;

    listen_as(world, "tfrc/udp");
    raw = stranger_of(world);
    raw_send(&raw, "hello", 5);
    raw_send(&raw, unit, sizeof unit);
    for (int i = 0; i < 3; i++)
        world_step(world);
    assert_null(world->server.line);
    raw_send(&raw, ping, sizeof ping);
    until(world, datagram_came(&raw));
    assert_true(raw.size > 0 && raw.size <= sizeof ping);
    assert_int_equal(raw.got[0], 0x07); /* NUMBER, NOW, ACK: whether we receive there */
    until(world, world->server.line);
    raw_send(&raw, broken, sizeof broken);
    raw_send(&raw, unit, sizeof unit);
    until(world, world->server.received_count == 1);
    assert_int_equal(world->server.received[0].size, 1);
    assert_false(world->server.closed);
    raw_close(&raw);
}

/* Only where it is named: a listener of datagrams gives them to its program as they are. */
static void it_is_taken_only_where_it_is_named(void **state)
{
    struct world *world = *state;
    static const uint8_t ping[] = {0x03, 5, 0};
    struct raw raw;

    listen_as(world, "tcp,udp");
    raw = stranger_of(world);
    raw_send(&raw, ping, sizeof ping);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.stack, "udp");
    assert_memory_equal(world->server.received[0].data, ping, sizeof ping);
    raw_close(&raw);
}

static void it_shares_a_port_with_plain_datagrams(void **state)
{
    struct world *world = *state;
    struct raw raw;

    listen_as(world, "udp,tfrc/udp");
    raw = stranger_of(world);
    raw_send(&raw, "hello", 5);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.stack, "udp");
    end_drop(&world->server);
    come_as(world, "tfrc/udp");
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    until(world, world->server.line);
    assert_string_equal(world->server.stack, "tfrc/udp");
    raw_close(&raw);
}

static void nobody_there_fails_with_the_reason(void **state)
{
    struct world *world = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    snprintf(world->endpoint, sizeof world->endpoint, "127.0.0.1:%u", ntohs(address.sin_port));
    come_as(world, "tfrc/udp");
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -ECONNREFUSED);
    assert_non_null(strstr(world->client.closed_reason, "nobody listens"));
    assert_int_equal(world->client.seen[HAWSER_ESTABLISHED], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_message_is_a_datagram_both_ways),
        api_test(what_leaves_keeps_the_rate),
        api_test(strangers_are_not_heard),
        api_test(it_is_taken_only_where_it_is_named),
        api_test(it_shares_a_port_with_plain_datagrams),
        api_test(nobody_there_fails_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
