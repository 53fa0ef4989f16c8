/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what a bare line over datagrams is to who opens it: a message is a datagram, both ways. (S1.28, S3.40) */
#include "datagram.h"

static void associate(struct world *world, const struct raw *raw, hawser_associate_options options)
{
    hawser_properties *properties = in_the_clear();

    snprintf(world->endpoint, sizeof world->endpoint, "127.0.0.1:%u", port_of(raw));
    options.struct_size = sizeof options;
    options.properties = properties;
    options.stack = "udp";
    world_associate(world, &options);
    hawser_properties_unref(properties);
}

static void line_to(struct world *world, const struct raw *raw)
{
    associate(world, raw, *HAWSER_ASSOCIATE());
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(world->client.stack, "udp");
}

/* The system's stamp of arrival reaches the program that asked for it (S1.28), and no other. The first datagrams after
 * stamps were switched on in the system may come without. */
static void arrivals_are_stamped_where_asked(void **state)
{
    struct world *world = *state;

    for (int asked = 0; asked < 2; asked++) {
        struct raw raw = datagram_socket(NULL);
        int64_t stamp = 0, begun = clock_now();

        associate(world, &raw, *HAWSER_ASSOCIATE(.timestamps = asked));
        until(world, world->client.seen[HAWSER_ESTABLISHED]);
        assert_int_equal(hawser_send(world->client.line, "?", 1, NULL, NULL), 0);
        until(world, datagram_came(&raw));
        for (size_t i = 0; i < 100 && stamp == 0; i++) {
            raw_say(&raw, "!");
            until(world, world->client.received_count > i);
            stamp = world->client.received[i].received.received_at_us;
            if (asked && stamp == 0)
                world_step(world); /* the system switches them on in its own time */
        }
        assert_int_equal(stamp != 0, asked);
        assert_true(!asked || (stamp >= begun && stamp <= clock_now()));
        raw_close(&raw);
    }
}

struct departed {
    unsigned left, stamped;
    hawser_message_id id;
    int64_t left_at, stamp, late;
};

static void on_departed(const hawser_event *event, void *user)
{
    struct departed *departed = user;

    if (event->sent.system_us == 0) {
        departed->left++;
        return;
    }
    assert_true(departed->stamped == 0 || event->sent.id > departed->id);
    departed->stamped++;
    departed->id = event->sent.id;
    departed->left_at = event->sent.left_us;
    departed->stamp = event->sent.system_us;
    departed->late = event->sent.late_us;
}

/* And its stamps of departure: of each that asked, also of those that left in one call, and of an empty one. The outcome
 * does not wait for them. */
static void departures_are_stamped_where_asked(void **state)
{
    struct world *world = *state;

    for (int asked = 0; asked < 2; asked++) {
        struct raw raw = datagram_socket(NULL);
        struct departed departed = {0};
        int64_t begun = clock_now();

        associate(world, &raw, *HAWSER_ASSOCIATE(.timestamps = asked));
        until(world, world->client.seen[HAWSER_ESTABLISHED]);
        assert_int_equal(hawser_register(world->client.line, HAWSER_SENT, on_departed, &departed), 0);
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(hawser_send(world->client.line, "abcde", i < 3 ? 5 : i - 3,
                                         HAWSER_MESSAGE(.want_sent = i != 1, .ordered = true), NULL),
                             0);
        assert_int_equal(hawser_send(world->client.line, "later", 5,
                                     HAWSER_MESSAGE(.want_sent = true, .ordered = true, .send_time_us = begun + 30000),
                                     NULL),
                         0);
        until(world, world->client.settled == 7 && departed.left == 6);
        if (asked) {
            until(world, departed.stamped == 6);
            assert_int_equal(departed.id, 7);
            assert_in_range(departed.stamp, begun + 30000, clock_now());
            assert_in_range(departed.left_at, begun + 30000, departed.stamp);
            assert_int_equal(departed.late, departed.stamp - (begun + 30000));
        }
        for (int i = 0; i < 7; i++)
            until(world, datagram_came(&raw));
        raw_say(&raw, "back"); /* what would have been told is told with it */
        until(world, world->client.received_count == 1);
        assert_int_equal(departed.stamped, asked ? 6 : 0);
        raw_close(&raw);
    }
}

static void a_message_is_a_datagram_both_ways(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    static const char *const words[] = {"one", "", "three", "four"};

    line_to(world, &raw);
    for (int i = 0; i < 4; i++)
        assert_int_equal(hawser_send(world->client.line, words[i], strlen(words[i]), NULL, NULL), 0);
    for (int i = 0; i < 4; i++) {
        until(world, datagram_came(&raw));
        assert_string_equal(raw.got, words[i]);
    }
    until(world, world->client.settled == 4);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_HANDED_OVER);
    for (int i = 0; i < 4; i++)
        raw_say(&raw, words[i]);
    until(world, world->client.received_count == 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(world->client.received[i].size, strlen(words[i]));
        assert_memory_equal(world->client.received[i].data, words[i], strlen(words[i]));
        assert_int_equal(world->client.received[i].id, i + 1);
    }
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, 0);
    raw_close(&raw);
}

#define JOINED 500 /* bytes */

struct joined {
    unsigned count, arrays;
};

static void on_joined(const hawser_event *event, void *user)
{
    struct joined *joined = user;

    joined->arrays++;
    for (size_t i = 0; i < event->received_many.count; i++) {
        const hawser_received *received = &event->received_many.messages[i];

        assert_int_equal(received->size, JOINED);
        for (size_t at = 0; at < JOINED; at++)
            assert_int_equal(((const uint8_t *)received->data)[at], (uint8_t)(joined->count + at));
        joined->count++;
    }
}

/* Datagrams that the system joins on the way are told apart, and are all there until their array was told. */
static void joined_datagrams_come_in_arrays(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    struct joined joined = {0};
    const int segment = JOINED;
    uint8_t data[40 * JOINED];

    line_to(world, &raw);
    assert_int_equal(hawser_register(world->client.line, HAWSER_RECEIVED_MANY, on_joined, &joined), 0);
    assert_int_equal(hawser_send(world->client.line, "?", 1, NULL, NULL), 0);
    until(world, datagram_came(&raw));
    if (setsockopt(raw.fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &segment, sizeof segment) < 0) {
        print_message("SKIPPED: this system does not cut datagrams\n");
        raw_close(&raw);
        skip();
    }
    for (unsigned i = 0; i < 40; i++)
        for (unsigned at = 0; at < JOINED; at++)
            data[i * JOINED + at] = (uint8_t)(i + at);
    assert_int_equal(send(raw.fd, data, sizeof data, 0), sizeof data);
    until(world, joined.count == 40);
    assert_true(joined.arrays < 40);
    raw_close(&raw);
}

/* Nothing is said in words to a peer of datagrams: what is urgent goes first, what came too late does not go. */
static void niceness_and_lifetimes_count_until_it_leaves(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    int64_t end;

    line_to(world, &raw);
    assert_int_equal(hawser_send(world->client.line, "nice", 4, HAWSER_MESSAGE(.niceness = 50), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "late", 4, HAWSER_MESSAGE(.lifetime_us = 1000), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "urgent", 6, HAWSER_MESSAGE(.niceness = -50), NULL), 0);
    for (end = clock_now() + 2000; clock_now() < end;)
        ;
    until(world, datagram_came(&raw));
    assert_string_equal(raw.got, "urgent");
    until(world, datagram_came(&raw));
    assert_string_equal(raw.got, "nice");
    until(world, world->client.settled == 3);
    raw_close(&raw);
}

static int64_t lateness;

static void note_lateness(const hawser_event *event, void *user)
{
    (void)user;
    lateness = event->sent.late_us;
}

/* A message with a time to leave at does not leave before it, and holds up nobody; how late it was is told. (S1.28) */
static void a_send_time_is_kept(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    int64_t now;

    line_to(world, &raw);
    assert_int_equal(hawser_register(world->client.line, HAWSER_SENT, note_lateness, NULL), 0);
    now = hawser_now(world->client_context);
    lateness = -1;
    assert_int_equal(hawser_send(world->client.line, "second", 6,
                                 HAWSER_MESSAGE(.send_time_us = now + 60000, .want_sent = true), NULL),
                     0);
    assert_int_equal(hawser_send(world->client.line, "first", 5, HAWSER_MESSAGE(.send_time_us = now + 30000), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "at once", 7, NULL, NULL), 0);
    until(world, datagram_came(&raw));
    assert_string_equal(raw.got, "at once");
    until(world, datagram_came(&raw));
    assert_string_equal(raw.got, "first");
    assert_true(clock_now() >= now + 30000);
    until(world, datagram_came(&raw));
    assert_string_equal(raw.got, "second");
    assert_true(clock_now() >= now + 60000);
    until(world, world->client.settled == 3 && lateness >= 0);
    raw_close(&raw);
}

static void how_large_one_may_be_is_told_before_it_is_sent(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    char text[64], *data = calloc(1, 70000);
    long most;

    line_to(world, &raw);
    assert_true(hawser_association_get_property(world->client.line, "sendMsgMaxLen", text, sizeof text) >= 0);
    most = atol(text);
    assert_in_range(most, 1200, 65507);
    assert_int_equal(hawser_send(world->client.line, data, (size_t)most + 1, NULL, NULL), -HAWSER_ELARGE);
    assert_int_equal(hawser_send(world->client.line, data, (size_t)most, NULL, NULL), 0);
    until(world, datagram_came(&raw));
    assert_int_equal(raw.size, most);
    raw_close(&raw);
    free(data);
}

/* What was queued before anybody could know fails alone, and says why. */
static void what_turns_out_too_large_fails_alone(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    char *data = calloc(1, 70000);

    associate(world, &raw, *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_send(world->client.line, data, 70000, NULL, NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "small", 5, NULL, NULL), 0);
    until(world, datagram_came(&raw));
    assert_string_equal(raw.got, "small");
    until(world, world->client.settled == 2);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_int_equal(world->client.outcomes[0].code, -HAWSER_ELARGE);
    assert_false(world->client.closed);
    raw_close(&raw);
    free(data);
}

static void files_and_parts_become_one_datagram(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    int fd = make_file(world, "file", 5000, 3);
    char content[5000];
    hawser_message_id id;

    line_to(world, &raw);
    assert_int_equal(pread(fd, content, sizeof content, 0), sizeof content);
    assert_int_equal(hawser_send_file(world->client.line, fd, 0, HAWSER_SIZE_UNKNOWN, NULL, NULL), 0);
    until(world, datagram_came(&raw));
    assert_int_equal(raw.size, sizeof content);
    assert_memory_equal(raw.got, content, sizeof content);
    assert_int_equal(hawser_send_begin(world->client.line, HAWSER_SIZE_UNKNOWN, NULL, &id), 0);
    assert_int_equal(hawser_send_part(world->client.line, id, "one ", 4, false), 0);
    world_step(world);
    assert_false(datagram_came(&raw));
    assert_int_equal(hawser_send_part(world->client.line, id, "datagram", 8, true), 0);
    until(world, datagram_came(&raw));
    assert_string_equal(raw.got, "one datagram");
    until(world, world->client.settled == 2);
    close(fd);
    raw_close(&raw);
}

static void nobody_there_ends_the_line_with_the_reason(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);

    line_to(world, &raw);
    raw_close(&raw);
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -ECONNREFUSED);
    assert_non_null(strstr(world->client.closed_reason, "nobody listens"));
}

static void datagrams_have_no_framer_and_no_stream(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    const hawser_framer *lines;
    hawser_stream *stream;

    assert_int_equal(hawser_framer_find("lines", &lines, NULL), 0);
    associate(world, &raw, *HAWSER_ASSOCIATE(.framer = lines));
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -EOPNOTSUPP);
    assert_non_null(strstr(world->client.attempt_reason, "a datagram is a message already"));
    end_drop(&world->client);
    line_to(world, &raw);
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), -EOPNOTSUPP);
    raw_close(&raw);
}

static unsigned many_calls;

static void on_many(const hawser_event *event, void *user)
{
    *(size_t *)user += event->received_many.count;
    many_calls++;
}

/* What is asked for in one round leaves in few calls, and comes in arrays. */
static void many_at_once_come_in_arrays(void **state)
{
    struct world *world = *state;
    struct raw raw = datagram_socket(NULL);
    char data[1000] = "";
    size_t count = 0;

    line_to(world, &raw);
    assert_int_equal(hawser_send(world->client.line, "hello", 5, NULL, NULL), 0);
    until(world, datagram_came(&raw));
    assert_int_equal(hawser_register(world->client.line, HAWSER_RECEIVED_MANY, on_many, &count), 0);
    many_calls = 0;
    for (int i = 0; i < 100; i++)
        raw_send(&raw, data, sizeof data);
    until(world, count == 100);
    assert_in_range(many_calls, 1, 30);
    raw_close(&raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_message_is_a_datagram_both_ways),
        api_test(joined_datagrams_come_in_arrays),
        api_test(niceness_and_lifetimes_count_until_it_leaves),
        api_test(a_send_time_is_kept),
        api_test(how_large_one_may_be_is_told_before_it_is_sent),
        api_test(what_turns_out_too_large_fails_alone),
        api_test(files_and_parts_become_one_datagram),
        api_test(nobody_there_ends_the_line_with_the_reason),
        api_test(datagrams_have_no_framer_and_no_stream),
        api_test(many_at_once_come_in_arrays),
        api_test(arrivals_are_stamped_where_asked),
        api_test(departures_are_stamped_where_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
