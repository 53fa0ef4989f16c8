/* SPDX-License-Identifier: Apache-2.0 */
/* Proves bare associations that we open: to servers as they are, by the race, its first exchange, and what decides late. */
#include "raw.h"

struct server { /* a listening socket of the test's own, and who came */
    int fd;
    char endpoint[64];
    struct raw peer;
};

static struct server serve(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct server server = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .peer.fd = -1};

    assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server.fd, 16), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server.endpoint, sizeof server.endpoint, "127.0.0.1:%u", ntohs(address.sin_port));
    return server;
}

static bool came(struct server *server)
{
    if (server->peer.fd < 0) {
        server->peer.fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (server->peer.fd >= 0)
            server->peer.got = calloc(1, 1);
    }
    return server->peer.fd >= 0;
}

static void stop(struct server *server)
{
    close(server->fd);
    if (server->peer.fd >= 0)
        raw_close(&server->peer);
}

static void open_bare(struct world *world, const char *session, const char *security, hawser_associate_options options)
{
    hawser_properties *properties;

    options.struct_size = sizeof options;
    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", session), 0);
    assert_int_equal(hawser_properties_set(properties, "security", security), 0);
    options.properties = properties;
    world_associate(world, &options);
    hawser_properties_unref(properties);
}

static const hawser_framer *framer(const char *name)
{
    const hawser_framer *found;

    assert_int_equal(hawser_framer_find(name, &found, NULL), 0);
    return found;
}

static void plain_tcp_is_byte_for_byte_what_the_program_says(void **state)
{
    struct world *world = *state;
    struct server server = serve();

    strcpy(world->endpoint, server.endpoint);
    open_bare(world, "prohibit", "prohibit", *HAWSER_ASSOCIATE(.framer = framer("lines")));
    assert_int_equal(hawser_send(world->client.line, "hello", 5, NULL, NULL), 0); /* before it is established */
    until(world, came(&server) && raw_has(&server.peer, 6));
    assert_string_equal(server.peer.got, "hello\n");
    assert_string_equal(world->client.stack, "tcp");
    raw_say(&server.peer, "welcome\r\n");
    until(world, world->client.received_count == 1 && world->client.settled == 1);
    assert_string_equal(world->client.received[0].data, "welcome");
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_HANDED_OVER);
    assert_int_equal(hawser_send(world->client.line, "bye", 3, HAWSER_MESSAGE(.final = true), NULL), 0);
    until(world, raw_over(&server.peer));
    assert_string_equal(server.peer.got, "hello\nbye\n");
    assert_false(world->client.closed);
    raw_say(&server.peer, "see you\n");
    assert_int_equal(shutdown(server.peer.fd, SHUT_WR), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.received_count, 2);
    assert_int_equal(world->client.closed_code, 0);
    stop(&server);
}

static void a_stream_can_be_opened_before_it_is_established(void **state)
{
    struct world *world = *state;
    struct server server = serve();
    hawser_stream *stream;
    char buffer[16];

    strcpy(world->endpoint, server.endpoint);
    open_bare(world, "prohibit", "prohibit", *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    assert_int_equal(hawser_stream_write(stream, "early", 5), 5);
    until(world, came(&server) && raw_has(&server.peer, 5));
    raw_say(&server.peer, "back");
    until(world, hawser_stream_read(stream, buffer, sizeof buffer) == 4);
    hawser_stream_unref(stream);
    until(world, raw_over(&server.peer));
    stop(&server);
}

static void what_waited_undecided_goes_to_hawser(void **state)
{
    struct world *world = *state;
    int fd = make_file(world, "file", 100000, 9);
    char *content = malloc(100000);
    hawser_message_id ids[6];
    hawser_association *line;
    hawser_stream *stream;

    fill(content, 100000, 9);
    world_listen(world, NULL);
    open_bare(world, "prefer", "require", *HAWSER_ASSOCIATE());
    line = world->client.line;
    assert_int_equal(hawser_open(line, NULL, &stream), -EAGAIN);
    assert_int_equal(hawser_send(line, "x", 1, HAWSER_MESSAGE(.final = true), NULL), -EOPNOTSUPP);
    assert_int_equal(hawser_send(line, "first", 5, HAWSER_MESSAGE(.ordered = true), &ids[0]), 0);
    assert_int_equal(hawser_send(line, "taken back", 10, NULL, &ids[1]), 0);
    assert_int_equal(hawser_send_file(line, fd, 0, 100000,
                                      HAWSER_MESSAGE(.ordered = true, .prefix = "p", .prefix_size = 1), &ids[2]),
                     0);
    assert_int_equal(hawser_send_begin(line, HAWSER_SIZE_UNKNOWN, HAWSER_MESSAGE(.ordered = true), &ids[3]), 0);
    assert_int_equal(hawser_send_part(line, ids[3], "in ", 3, false), 0);
    assert_int_equal(hawser_cancel(line, ids[1]), 0);
    assert_int_equal(hawser_cancel(line, ids[1]), -ENOENT);
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(hawser_send_part(line, ids[3], "parts", 5, true), 0);
    assert_int_equal(hawser_send(line, "last", 4, HAWSER_MESSAGE(HAWSER_ANTECEDENTS(ids[0], ids[3])), &ids[4]), 0);
    assert_int_equal(ids[4], 5);
    until(world, world->client.settled == 5 && world->server.received_count == 4);
    for (size_t i = 0; i < world->client.outcome_count; i++) {
        const struct noted *noted = &world->client.outcomes[i];

        assert_int_equal(noted->kind, noted->id == ids[1] ? HAWSER_SEND_FAILED : HAWSER_ACKED);
    }
    assert_string_equal(world->server.received[0].data, "first");
    assert_int_equal(world->server.received[1].size, 100001);
    assert_memory_equal(world->server.received[1].data + 1, content, 100000);
    assert_string_equal(world->server.received[2].data, "in parts");
    assert_string_equal(world->server.received[3].data, "last");
    close(fd);
    free(content);
}

static void undecided_against_a_server_that_speaks_its_own_is_bare(void **state)
{
    struct world *world = *state;
    uint8_t ours[16], theirs[16];
    hawser_message_id id;

    listen_bare(world, "prohibit", "require", "length", *HAWSER_LISTEN(.alpn = "own/1"));
    open_bare(world, "prefer", "require", *HAWSER_ASSOCIATE(.framer = framer("length"), .alpn = "own/1"));
    assert_int_equal(hawser_send(world->client.line, "gone", 4, NULL, &id), 0);
    assert_int_equal(hawser_send(world->client.line, "over TLS", 8, NULL, NULL), 0);
    assert_int_equal(hawser_cancel(world->client.line, id), 0);
    until(world, world->client.settled == 2 && world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "over TLS");
    assert_string_equal(world->client.stack, "tls/tcp");
    assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
    assert_int_equal(hawser_association_export_key(world->client.line, "label", ours, 16), 0);
    assert_int_equal(hawser_association_export_key(world->server.line, "label", theirs, 16), 0);
    assert_memory_equal(ours, theirs, 16);
    assert_int_equal(hawser_send(world->server.line, "and back", 8, NULL, NULL), 0);
    until(world, world->client.received_count == 1);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->client.closed_code, 0);
    assert_int_equal(world->server.closed_code, 0);
    assert_true(world->server.closed_by_peer);
}

static void a_line_that_never_comes_up_fails_what_waits(void **state)
{
    struct world *world = *state;
    struct server server = serve();
    int64_t began;

    strcpy(world->endpoint, server.endpoint);
    stop(&server);
    open_bare(world, "prohibit", "prohibit", *HAWSER_ASSOCIATE(.framer = framer("lines")));
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), 0);
    began = clock_now();
    until(world, world->client.closed);
    assert_true(clock_now() - began < 1000000); /* there is nothing to linger for */
    assert_int_equal(world->client.closed_code, -ECONNREFUSED);
    assert_int_equal(world->client.settled, 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_false(world->client.outcomes[0].maybe_delivered);
}

/* ----------------------------------------------------------------------------------------------- the first exchange */

static int hello_start(hawser_framing *framing, void *state)
{
    (void)state;
    return hawser_framing_write(framing, "HELLO\n", 6);
}

static int hello_greet(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end,
                       size_t *ret_used)
{
    (void)state;
    (void)end;
    if (size < 3)
        return -EAGAIN;
    if (memcmp(data, "OK\n", 3) != 0)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the server is a captive one");
    *ret_used = 3;
    return 0;
}

static ssize_t hello_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    int r = size ? hawser_framing_deliver(framing, data, size, size, true) : 0;

    (void)state;
    (void)end;
    return r < 0 ? r : (ssize_t)size;
}

static const hawser_framer hello = {
    .version = HAWSER_FRAMER_VERSION,
    .name = "hello",
    .start = hello_start,
    .greet = hello_greet,
    .decode = hello_decode,
};

static void a_server_that_greets_wrongly_loses_the_race(void **state)
{
    struct world *world = *state;
    struct server captive = serve(), real = serve();
    const char *others[] = {real.endpoint};
    bool said = false, answered = false;

    strcpy(world->endpoint, captive.endpoint);
    open_bare(world, "prohibit", "prohibit",
              *HAWSER_ASSOCIATE(.framer = &hello, .endpoints = others, .endpoint_count = 1));
    assert_int_equal(hawser_send(world->client.line, "request", 7, NULL, NULL), 0);
    for (int64_t end = clock_now() + PATIENCE; !(answered && raw_has(&real.peer, 13));) {
        assert_true(clock_now() < end);
        if (!said && came(&captive) && raw_has(&captive.peer, 6)) {
            raw_say(&captive.peer, "502 no\n");
            said = true;
        }
        if (!answered && came(&real) && raw_has(&real.peer, 6)) {
            raw_say(&real.peer, "OK\nahead"); /* what comes with it is the first message */
            answered = true;
        }
        world_step(world);
    }
    assert_string_equal(real.peer.got, "HELLO\nrequest");
    assert_string_equal(captive.peer.got, "HELLO\n");
    until(world, raw_over(&captive.peer));
    until(world, world->client.received_count == 1);
    assert_string_equal(world->client.received[0].data, "ahead");
    assert_string_equal(world->client.attempt_reason, "the server is a captive one");
    assert_string_equal(world->client.stack, "tcp"); /* no trace of the exchange's layer */
    stop(&captive);
    stop(&real);
}

static void a_listeners_framer_has_its_exchange_after_the_race(void **state)
{
    struct world *world = *state;
    struct raw raw;

    listen_bare(world, "prohibit", "prohibit", NULL, *HAWSER_LISTEN(.framer = &hello));
    raw = raw_connect(world);
    until(world, raw_has(&raw, 6));
    assert_int_equal(hawser_send(world->server.line, "waits", 5, NULL, NULL), 0);
    for (int i = 0; i < 5; i++)
        world_step(world);
    raw_read(&raw);
    assert_string_equal(raw.got, "HELLO\n");
    raw_say(&raw, "OK\n");
    until(world, raw_has(&raw, 11));
    assert_string_equal(raw.got, "HELLO\nwaits");
    raw_close(&raw);
    raw = raw_connect(world);
    raw_say(&raw, "wrong\n");
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -HAWSER_EFRAMER);
    assert_string_equal(world->server.closed_reason, "the server is a captive one");
    raw_close(&raw);
}

static void a_unix_peer_is_named_so(void **state)
{
    struct world *world = *state;
    hawser_properties *properties;
    hawser_listen_options options = *HAWSER_LISTEN(.framer = framer("lines"));
    char *path = path_in(world, "socket"), endpoint[128];
    hawser_peer peer;

    snprintf(endpoint, sizeof endpoint, "unix:%s", path);
    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    options.properties = properties;
    world_listen_at(world, endpoint, &options);
    strcpy(world->endpoint, endpoint);
    open_bare(world, "prohibit", "prohibit", *HAWSER_ASSOCIATE(.framer = framer("lines")));
    assert_int_equal(hawser_send(world->client.line, "here", 4, NULL, NULL), 0);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.stack, "unix");
    assert_int_equal(hawser_association_peer(world->server.line, &peer), 0);
    assert_string_equal(peer.name, "unix");
    hawser_properties_unref(properties);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(plain_tcp_is_byte_for_byte_what_the_program_says),
        api_test(a_stream_can_be_opened_before_it_is_established),
        api_test(what_waited_undecided_goes_to_hawser),
        api_test(undecided_against_a_server_that_speaks_its_own_is_bare),
        api_test(a_line_that_never_comes_up_fails_what_waits),
        api_test(a_server_that_greets_wrongly_loses_the_race),
        api_test(a_listeners_framer_has_its_exchange_after_the_race),
        api_test(a_unix_peer_is_named_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
