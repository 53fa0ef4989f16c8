/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: a line goes on in another context, as in another process, from either end and both at once; no message is lost, none
 * comes twice, streams keep every byte; whoever held it before, and who takes up a copy, gets nowhere. (S1.21, S1.30, S1.32)
 */
#include "move.h"

#include <fcntl.h>
#include <unistd.h>

/* A context as another process would have it; in the place of the one before, whose lines are gone. */
static void renew(struct world *world, hawser_context **context, const char *name)
{
    bool both = world->client_context == world->server_context;
    char *path = path_in(world, name);

    hawser_context_unref(*context);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = path), context), 0);
    assert_false(both);
    free(path);
}

/* The line is out of this process; what was noted of it stays. */
static struct blob end_leaves(struct world *world, struct end *end)
{
    struct blob blob = export_line(end);

    until(world, end->closed);
    assert_int_equal(end->closed_code, -HAWSER_EMOVED);
    assert_false(end->closed_by_peer);
    hawser_association_unref(end->line);
    end->line = NULL;
    end->closed = false;
    return blob;
}

/* What was noted goes on being noted. */
static void end_moves(struct world *world, struct end *end, hawser_context *context, hawser_identity *identity)
{
    struct blob blob = end_leaves(world, end);

    end->seen[HAWSER_PATHS_CHANGED] = 0;
    end_note(end, import_line(context, &blob, identity));
    free(blob.data);
}

static unsigned strands(hawser_association *line)
{
    hawser_strand_info info;
    unsigned count = 0;

    for (unsigned i = 0; hawser_association_strand(line, i, &info) == 0; i++)
        count += info.state == HAWSER_STRAND_ACTIVE || info.state == HAWSER_STRAND_STANDBY;
    return count;
}

#define together(world) until(world, strands((world)->client.line) == 1 && strands((world)->server.line) == 1)

/* -------------------------------------------------------------------------------------------------------- it goes on */

static void the_opener_moves(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    uint8_t before[32], after[32];

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(hawser_association_export_key(world->client.line, "test", before, sizeof before), 0);
    for (unsigned i = 0; i < 5; i++) {
        send_some(world, 20 * i, 10);
        end_moves(world, &world->client, world->client_context, identity);
        send_some(world, 20 * i + 10, 10);
        if (i == 2)
            check_came(world, 60); /* else it moves on at once, before it was anywhere */
    }
    together(world);
    check_came(world, 100);
    assert_true(world->client.seen[HAWSER_PATHS_CHANGED] > 0 && world->server.seen[HAWSER_PATHS_CHANGED] > 0);
    assert_false(world->client.closed || world->server.closed);
    assert_int_equal(hawser_association_export_key(world->client.line, "test", after, sizeof after), 0);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(hawser_close(world->client.line, 3, "done"), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->server.peer_code, 3);
    hawser_identity_unref(identity);
}

static void to_a_process_that_never_saw_the_peer(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    hawser_statistics statistics;
    hawser_strand_info info;
    struct blob blob;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    send_some(world, 0, 10);
    check_came(world, 10); /* the ticket is in by now */
    send_some(world, 10, 10);
    blob = end_leaves(world, &world->client);
    renew(world, &world->client_context, "elsewhere");
    end_note(&world->client, import_line(world->client_context, &blob, identity));
    check_came(world, 20);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
    assert_true(info.resumed); /* the ticket went along */
    assert_int_equal(hawser_association_statistics(world->server.line, &statistics), 0);
    assert_int_equal(statistics.messages_received, 20);
    free(blob.data);
    hawser_identity_unref(identity);
}

static void the_acceptor_moves(void **state)
{
    struct world *world = *state;

    world_connect(world);
    for (unsigned i = 0; i < 5; i++) {
        send_some(world, 20 * i, 10);
        end_moves(world, &world->server, world->server_context, world->identity);
        send_some(world, 20 * i + 10, 10);
        if (i == 2)
            check_came(world, 60);
    }
    together(world);
    check_came(world, 100);
    assert_false(world->client.closed || world->server.closed);
}

static void both_move_at_once(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    for (unsigned i = 0; i < 4; i++) {
        send_some(world, 20 * i, 20);
        end_moves(world, &world->client, world->client_context, identity);
        end_moves(world, &world->server, world->server_context, world->identity);
        if (i % 2)
            together(world);
    }
    check_came(world, 80);
    hawser_identity_unref(identity);
}

/* Whom RST or FIN cut off is given up after 5 s; who said that it leaves is not. */
static void a_move_may_take_its_time(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    struct blob blob;
    int64_t end;

    world_listen(world, HAWSER_LISTEN(.stack = "tls/tcp"));
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity, .stack = "tls/tcp"));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    send_some(world, 0, 5);
    blob = end_leaves(world, &world->client);
    for (end = clock_now() + 6000000; clock_now() < end;)
        world_step(world);
    assert_false(world->server.closed);
    end_note(&world->client, import_line(world->client_context, &blob, identity));
    check_came(world, 5);
    free(blob.data);
    hawser_identity_unref(identity);
}

static void over_quic(void **state)
{
    struct world *world = *state;

    world->stack = "quic/udp";
    the_acceptor_moves(state);
    end_drop(&world->client);
    until(world, world->server.closed);
    end_drop(&world->server);
    both_move_at_once(state);
}

static void streams_go_along(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    static char bytes[200000], got[200000];
    hawser_stream *stream, *old;
    size_t read = 0;
    uint64_t id;
    ssize_t n;

    fill(bytes, sizeof bytes, 3);
    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    id = hawser_stream_id(stream);
    assert_int_equal(hawser_stream_write(stream, bytes, sizeof bytes), sizeof bytes);
    until(world, world->server.stream);
    end_moves(world, &world->client, world->client_context, identity);
    assert_int_equal(hawser_stream_write(stream, "x", 1), -ECONNRESET);
    hawser_stream_unref(stream);
    until(world, world->client.stream); /* its own is told there */
    assert_int_equal(hawser_stream_id(world->client.stream), id);
    assert_int_equal(hawser_stream_shutdown(world->client.stream), 0);
    while (read < sizeof got / 2) {
        n = hawser_stream_read(world->server.stream, got + read, sizeof got - read);
        if (n > 0)
            read += (size_t)n;
        else
            world_step(world);
    }
    old = world->server.stream;
    end_moves(world, &world->server, world->server_context, world->identity);
    until(world, world->server.stream != old);
    assert_int_equal(hawser_stream_write(world->server.stream, "back", 4), 4);
    while ((n = hawser_stream_read(world->server.stream, got + read, sizeof got - read + 1)) != 0) {
        if (n > 0)
            read += (size_t)n;
        else
            world_step(world);
    }
    assert_int_equal(read, sizeof bytes);
    assert_memory_equal(bytes, got, sizeof bytes);
    hawser_stream_shutdown(world->server.stream);
    until(world, (n = hawser_stream_read(world->client.stream, got, sizeof got)) > 0);
    assert_int_equal(n, 4);
    hawser_identity_unref(identity);
}

struct exporting {
    unsigned told;
    int answer;
};

/* The line is to leave while its streams are told of. */
static void on_stream_told(const hawser_event *event, void *user)
{
    struct exporting *exporting = user;
    void *blob;
    size_t size;

    exporting->told++;
    exporting->answer =
        hawser_association_export(event->association, HAWSER_EXPORT(.key = key, .key_size = sizeof key), &blob, &size);
    if (exporting->answer == 0)
        free(blob);
}

static void streams_are_told_whatever_the_handler_does(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    struct exporting exporting = {.told = 0};
    hawser_association *line;
    hawser_stream *streams[3];
    struct blob blob;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(hawser_open(world->client.line, NULL, &streams[i]), 0);
        assert_int_equal(hawser_stream_write(streams[i], "x", 1), 1);
    }
    blob = export_line(&world->client);
    until(world, world->client.closed);
    for (unsigned i = 0; i < 3; i++)
        hawser_stream_unref(streams[i]);
    line = import_line(world->client_context, &blob, identity);
    assert_int_equal(hawser_register(line, HAWSER_STREAM_OPENED, on_stream_told, &exporting), 0);
    until(world, exporting.told == 3);
    assert_int_equal(exporting.answer, -EBUSY);
    hawser_association_unref(line);
    free(blob.data);
    hawser_identity_unref(identity);
}

static bool released;

static void on_release(void *data, size_t size, void *user)
{
    (void)data, (void)size, (void)user;
    released = true;
}

static void files_and_lent_memory_are_copied(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    static char lent[3000000], filed[2000000];
    int fd = make_file(world, "file", sizeof filed, 5);

    fill(lent, sizeof lent, 4);
    fill(filed, sizeof filed, 5);
    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    released = false;
    assert_int_equal(hawser_send(world->client.line, lent, sizeof lent, HAWSER_MESSAGE(.release = on_release), NULL),
                     0);
    assert_int_equal(hawser_send_file(world->client.line, fd, 0, sizeof filed, NULL, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        world_step(world);
    end_moves(world, &world->client, world->client_context, identity);
    assert_true(released);
    assert_int_equal(ftruncate(fd, 0), 0); /* nobody needs it any more */
    close(fd);
    until(world, world->server.received_count == 2 && world->client.settled == 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct noted *noted = &world->server.received[i];

        assert_true(noted->size == sizeof lent || noted->size == sizeof filed);
        assert_memory_equal(noted->data, noted->size == sizeof lent ? lent : filed, noted->size);
    }
    hawser_identity_unref(identity);
}

/* ------------------------------------------------------------------------------------------------ who gets nowhere */

static void a_copy_gets_nowhere(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    struct end copy = {.world = world}, old = {.world = world};
    struct blob first, second;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    send_some(world, 0, 5);
    first = end_leaves(world, &world->client);
    end_note(&world->client, import_line(world->client_context, &first, identity));
    check_came(world, 5);
    /* The same blob once more, now that somebody is there. */
    end_note(&copy, import_line(world->client_context, &first, identity));
    until(world, copy.closed);
    assert_int_equal(copy.closed_code, -HAWSER_EMOVED);
    send_some(world, 5, 5);
    check_came(world, 10);
    /* And after a further move the first one is of an older epoch. */
    second = end_leaves(world, &world->client);
    end_note(&world->client, import_line(world->client_context, &second, identity));
    send_some(world, 10, 5);
    check_came(world, 15);
    end_note(&old, import_line(world->client_context, &first, identity));
    until(world, old.closed);
    assert_int_equal(old.closed_code, -HAWSER_EMOVED);
    send_some(world, 15, 5);
    check_came(world, 20);
    assert_int_equal(strands(world->server.line), 1);
    end_drop(&copy);
    end_drop(&old);
    free(first.data);
    free(second.data);
    hawser_identity_unref(identity);
}

/* The acceptor's blob twice: who answers the opener first has it, and the other cannot lure it away. */
static void a_copy_of_the_acceptor_gets_nowhere(void **state)
{
    struct world *world = *state;
    struct blob blob;
    hawser_association *copy;
    hawser_context *other;

    world_connect(world);
    send_some(world, 0, 5);
    blob = end_leaves(world, &world->server);
    end_note(&world->server, import_line(world->server_context, &blob, world->identity));
    check_came(world, 5);
    /* Another that listens at the same address from now on. */
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &other), 0);
    copy = import_line(other, &blob, world->identity);
    assert_int_equal(hawser_association_import(
                         world->server_context, blob.data, blob.size,
                         HAWSER_IMPORT(.key = key, .key_size = sizeof key, .identity = world->identity), &copy),
                     -EEXIST);
    send_some(world, 5, 5);
    check_came(world, 10);
    hawser_association_unref(copy);
    hawser_context_unref(other);
    free(blob.data);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        api_test(the_opener_moves),
        api_test(to_a_process_that_never_saw_the_peer),
        api_test(the_acceptor_moves),
        api_test(both_move_at_once),
        api_test(over_quic),
        api_test(a_move_may_take_its_time),
        api_test(streams_go_along),
        api_test(streams_are_told_whatever_the_handler_does),
        api_test(files_and_lent_memory_are_copied),
        api_test(a_copy_gets_nowhere),
        api_test(a_copy_of_the_acceptor_gets_nowhere),
    };

    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
