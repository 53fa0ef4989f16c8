/* SPDX-License-Identifier: Apache-2.0 */
/* Proves bare lines over QUIC: each stream of the program is one of QUIC's, two-way or one-way, with codes of its own. */
#include "api.h"

static hawser_properties *bare_properties(void)
{
    hawser_properties *properties;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    return properties;
}

static void connect_bare(struct world *world)
{
    hawser_properties *properties = bare_properties();
    hawser_stack_info info;

    if (hawser_stack_find("quic/udp", &info) < 0) {
        print_message("SKIPPED: this build has no QUIC\n");
        hawser_properties_unref(properties);
        skip();
    }
    world_listen(world, HAWSER_LISTEN(.alpn = "own/1", .stack = "quic/udp", .properties = properties));
    world_associate(world, HAWSER_ASSOCIATE(.alpn = "own/1", .stack = "quic/udp", .properties = properties));
    hawser_properties_unref(properties);
    until(world, (world->client.seen[HAWSER_ESTABLISHED] && world->server.line) || world->client.closed);
    if (world->client.closed)
        print_error("closed: %s\n", world->client.closed_reason);
    assert_false(world->client.closed);
    assert_string_equal(world->client.stack, "quic/udp");
}

static void give(struct world *world, hawser_stream *stream, const char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = hawser_stream_write(stream, data + at, size - at);

        assert_true(n > 0 || n == -EAGAIN);
        at += n > 0 ? (size_t)n : 0;
        world_step(world);
    }
}

/* Reads until the end; the bytes, to be free()d. */
static char *take_all(struct world *world, hawser_stream *stream, size_t *ret_size)
{
    size_t size = 0, room = 1 << 20;
    char *data = malloc(room);
    ssize_t n;

    assert_non_null(data);
    do {
        n = hawser_stream_read(stream, data + size, room - size);
        assert_true(n >= 0 || n == -EAGAIN);
        size += n > 0 ? (size_t)n : 0;
        if (n < 0)
            world_step(world);
    } while (n != 0);
    *ret_size = size;
    return data;
}

static void request_and_response(void **state)
{
    struct world *world = *state;
    hawser_stream *ours;
    size_t size;
    char *big = malloc(700000), *got;

    fill(big, 700000, 3);
    connect_bare(world);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), -EOPNOTSUPP); /* no messages here */
    for (unsigned i = 0; i < 3; i++) {
        world->server.stream = NULL;
        assert_int_equal(hawser_open(world->client.line, NULL, &ours), 0);
        give(world, ours, "request", 7);
        assert_int_equal(hawser_stream_shutdown(ours), 0);
        assert_int_equal(hawser_stream_write(ours, "more", 4), -EPIPE);
        until(world, world->server.stream);
        got = take_all(world, world->server.stream, &size);
        assert_int_equal(size, 7);
        assert_memory_equal(got, "request", 7);
        free(got);
        for (size_t at = 0, came = 0; came < 700000;) { /* side by side: what is not read holds up who writes */
            char part[10000];
            ssize_t n = at < 700000 ? hawser_stream_write(world->server.stream, big + at, 700000 - at) : 0;
            ssize_t in = hawser_stream_read(ours, part, sizeof part);

            at += n > 0 ? (size_t)n : 0;
            if (in > 0)
                assert_memory_equal(part, big + came, (size_t)in);
            came += in > 0 ? (size_t)in : 0;
            if (in <= 0)
                world_step(world);
        }
        assert_int_equal(hawser_stream_shutdown(world->server.stream), 0);
        got = take_all(world, ours, &size);
        assert_int_equal(size, 0);
        free(got);
        assert_int_equal(hawser_stream_id(ours), 4 * i); /* QUIC's own */
        hawser_stream_unref(ours);
        hawser_stream_unref(world->server.stream);
        world->server.stream = NULL;
    }
    free(big);
}

static void one_way(void **state)
{
    struct world *world = *state;
    hawser_stream *ours;
    char byte, *got;
    size_t size;

    connect_bare(world);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.unidirectional = true), &ours), 0);
    assert_int_equal(hawser_stream_id(ours), 2);
    assert_int_equal(hawser_stream_read(ours, &byte, 1), 0);
    give(world, ours, "only there", 10);
    until(world, world->server.stream);
    assert_int_equal(hawser_stream_write(world->server.stream, "x", 1), -EPIPE);
    assert_int_equal(hawser_stream_shutdown(ours), 0);
    got = take_all(world, world->server.stream, &size);
    assert_int_equal(size, 10);
    free(got);
    hawser_stream_unref(ours);
    hawser_stream_unref(world->server.stream);
    world->server.stream = NULL;
}

static void resets_tell_their_code(void **state)
{
    struct world *world = *state;
    hawser_stream *ours;
    char byte;

    connect_bare(world);
    assert_int_equal(hawser_open(world->client.line, NULL, &ours), 0);
    give(world, ours, "x", 1);
    until(world, world->server.stream);
    assert_int_equal(hawser_stream_reset(ours, 0x10c), 0);
    assert_int_equal(hawser_stream_write(ours, "x", 1), -ECONNRESET);
    until(world, world->server.seen[HAWSER_STREAM_CLOSED] > 0);
    assert_int_equal(hawser_stream_read(world->server.stream, &byte, 1), -ECONNRESET);
    hawser_stream_unref(ours);
    hawser_stream_unref(world->server.stream);
    world->server.stream = NULL;
    hawser_close(world->client.line, 0, NULL); /* and the line ends as any */
    until(world, world->client.closed && world->server.closed);
    assert_true(world->server.closed_by_peer);
    assert_int_equal(world->server.closed_code, 0);
}

/* What was sent is acknowledged when the line says goodbye, so nobody waits for the peer after that. */
static void closing_takes_no_time(void **state)
{
    struct world *world = *state;
    hawser_stream *ours;
    int64_t began;
    size_t size;

    connect_bare(world);
    assert_int_equal(hawser_open(world->client.line, NULL, &ours), 0);
    give(world, ours, "all of it", 9);
    assert_int_equal(hawser_stream_shutdown(ours), 0);
    until(world, world->server.stream);
    free(take_all(world, world->server.stream, &size));
    hawser_stream_unref(ours);
    hawser_stream_unref(world->server.stream);
    world->server.stream = NULL;
    began = clock_now();
    hawser_close(world->client.line, 0, NULL);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(hawser_close(world->listener, 0, NULL), 0);
    assert_int_equal(hawser_run(world->client_context), 0); /* until nothing is left of the line */
    assert_int_equal(hawser_run(world->server_context), 0);
    assert_true(clock_now() - began < 1500000); /* half a second less than an ended line may be read on */
}

static void take_nothing(struct world *world, hawser_association *association)
{
    end_note(&world->server, hawser_association_ref(association));
    hawser_register(association, HAWSER_STREAM_OPENED, NULL, NULL);
}

/* Streams that nobody takes, and that are let go while open, are reset, and nothing is left of them. */
static void let_go(void **state)
{
    struct world *world = *state;
    hawser_stream *ours;

    world->accepting = take_nothing;
    connect_bare(world);
    for (unsigned i = 0; i < 150; i++) { /* more than may be open at once */
        until(world, hawser_open(world->client.line, NULL, &ours) == 0);
        give(world, ours, "x", 1);
        hawser_stream_unref(ours);
    }
    until(world, hawser_open(world->client.line, NULL, &ours) == 0);
    give(world, ours, "x", 1);
    until(world, world->client.seen[HAWSER_STREAM_CLOSED] > 0); /* the peer's side let it go */
    hawser_stream_unref(ours);
}

/* What a peer reads no more is told to who writes it. */
static void a_stream_that_nobody_reads_is_told(void **state)
{
    struct world *world = *state;
    hawser_stream *ours;
    ssize_t n;

    connect_bare(world);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.unidirectional = true), &ours), 0);
    give(world, ours, "x", 1);
    until(world, world->server.stream);
    hawser_stream_unref(world->server.stream); /* STOP_SENDING, and nothing else: there is nothing to reset */
    world->server.stream = NULL;
    do {
        n = hawser_stream_write(ours, "y", 1);
        assert_true(n == 1 || n == -EAGAIN || n == -EPIPE);
        world_step(world);
    } while (n != -EPIPE);
    assert_int_equal(hawser_stream_write(ours, "y", 1), -EPIPE);
    hawser_stream_unref(ours);
    hawser_close(world->client.line, 0, NULL);
    until(world, world->client.closed && world->server.closed);
}

/* The program has no more to do with it, and its bytes still come. */
static void a_one_way_stream_that_was_let_go_of_keeps_its_last_bytes(void **state)
{
    struct world *world = *state;
    hawser_stream *ours;
    char *big = malloc(200000), *got;
    size_t size, at = 0;

    fill(big, 200000, 5);
    connect_bare(world);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.unidirectional = true), &ours), 0);
    while (at < 200000) {
        ssize_t n = hawser_stream_write(ours, big + at, 200000 - at);

        assert_true(n > 0 || n == -EAGAIN);
        at += n > 0 ? (size_t)n : 0;
        if (n < 0)
            world_step(world);
    }
    assert_int_equal(hawser_stream_shutdown(ours), 0);
    hawser_stream_unref(ours);
    until(world, world->server.stream);
    got = take_all(world, world->server.stream, &size);
    assert_int_equal(size, 200000);
    assert_memory_equal(got, big, 200000);
    free(got);
    free(big);
    hawser_stream_unref(world->server.stream);
    world->server.stream = NULL;
}

struct closing {
    struct world *world;
    hawser_stream *streams[4];
    bool closes; /* the whole line, at the first news */
    unsigned told;
};

static void let_all_go(struct closing *closing)
{
    for (int i = 0; i < 4; i++) {
        if (closing->streams[i])
            hawser_stream_unref(closing->streams[i]);
        closing->streams[i] = NULL;
    }
}

static void on_news(const hawser_event *event, void *user)
{
    struct closing *closing = user;

    (void)event;
    closing->told++;
    if (closing->closes)
        hawser_close(closing->world->client.line, 7, "enough");
    let_all_go(closing);
}

/* News of several streams at once, and the handler of the first lets go of them all, or ends the line: none of the others is
 * told of any more. (A sanitizer sees more of it.) */
static void a_handler_lets_go_of_all(void **state)
{
    struct world *world = *state;
    struct closing closing = {.world = world};

    connect_bare(world);
    hawser_register(world->client.line, HAWSER_STREAM_READABLE, on_news, &closing);
    for (int round = 0; round < 2; round++) {
        hawser_stream *theirs[4] = {NULL};

        closing.closes = round == 1;
        closing.told = 0;
        for (int i = 0; i < 4; i++) {
            world->server.stream = NULL;
            assert_int_equal(hawser_open(world->client.line, NULL, &closing.streams[i]), 0);
            give(world, closing.streams[i], "x", 1);
            until(world, world->server.stream);
            theirs[i] = world->server.stream;
        }
        world->server.stream = NULL;
        for (int i = 0; i < 4; i++)
            assert_int_equal(hawser_stream_write(theirs[i], "news", 4), 4);
        until(world, closing.told > 0);
        for (int i = 0; i < 10; i++)
            world_step(world);
        assert_int_equal(closing.told, 1);
        for (int i = 0; i < 4; i++)
            hawser_stream_unref(theirs[i]);
    }
    until(world, world->client.closed && world->server.closed);
}

/* Both directions are used up, so the program's handle may go; the layer has the stream until the last bytes are acknowledged,
 * and the peer can say something of it until then. */
static void an_ended_stream_is_told_of_no_more(void **state)
{
    struct world *world = *state;

    connect_bare(world);
    for (int i = 0; i < 50; i++) {
        hawser_stream *ours;
        size_t size;

        world->server.stream = NULL;
        assert_int_equal(hawser_open(world->client.line, NULL, &ours), 0);
        give(world, ours, "x", 1);
        until(world, world->server.stream);
        assert_int_equal(hawser_stream_shutdown(world->server.stream), 0);
        free(take_all(world, ours, &size));
        assert_int_equal(size, 0);
        assert_int_equal(hawser_stream_write(ours, "last", 4), 4);
        assert_int_equal(hawser_stream_shutdown(ours), 0);
        assert_true(hawser_dispatch(world->client_context) >= 0);
        hawser_stream_unref(ours);
        hawser_stream_reset(world->server.stream, 5); /* STOP_SENDING for what is under way */
        hawser_stream_unref(world->server.stream);
        for (int k = 0; k < 3; k++)
            world_step(world);
    }
    world->server.stream = NULL;
    assert_false(world->client.closed || world->server.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(request_and_response),
        api_test(one_way),
        api_test(resets_tell_their_code),
        api_test(closing_takes_no_time),
        api_test(let_go),
        api_test(a_stream_that_nobody_reads_is_told),
        api_test(a_one_way_stream_that_was_let_go_of_keeps_its_last_bytes),
        api_test(a_handler_lets_go_of_all),
        api_test(an_ended_stream_is_told_of_no_more),
    };

    return cmocka_run_group_tests_name("api-quic_streams", tests, NULL, NULL);
}
