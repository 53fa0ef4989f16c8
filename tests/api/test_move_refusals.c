/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: what is no line, or is another's, is not taken up; what cannot move is refused, and goes on where it is; and what an
 * identity has sealed is opened by it alone. (S1.30, S1.32)
 */
#include "move.h"

#include <unistd.h>

static int import_error(hawser_context *context, const void *blob, size_t size, const char *secret,
                        hawser_identity *identity)
{
    hawser_association *line = NULL;
    int r = hawser_association_import(
        context, blob, size,
        HAWSER_IMPORT(.key = secret, .key_size = secret ? strlen(secret) + 1 : 0, .identity = identity), &line);

    assert_null(line);
    return r;
}

static void what_is_no_line_is_refused(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new(), *stranger = identity_new();
    struct blob blob;
    uint8_t *bytes;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    blob = export_line(&world->client);
    bytes = blob.data;
    assert_int_equal(import_error(world->client_context, blob.data, blob.size, "another key, and as long", identity),
                     -EBADMSG);
    assert_int_equal(import_error(world->client_context, blob.data, blob.size, "short", identity), -EINVAL);
    assert_int_equal(import_error(world->client_context, blob.data, blob.size, NULL, NULL), -EINVAL);
    assert_int_equal(import_error(world->client_context, blob.data, blob.size, NULL, identity), -EBADMSG);
    assert_int_equal(import_error(world->client_context, blob.data, blob.size, key, stranger), -HAWSER_EIDENTITY);
    assert_int_equal(import_error(world->client_context, blob.data, blob.size, key, NULL), -HAWSER_EIDENTITY);
    assert_int_equal(import_error(world->client_context, blob.data, blob.size - 1, key, identity), -EBADMSG);
    assert_int_equal(import_error(world->client_context, blob.data, 10, key, identity), -EBADMSG);
    for (size_t i = 0; i < blob.size; i += blob.size / 50 + 1) {
        bytes[i] ^= 4;
        assert_true(import_error(world->client_context, blob.data, blob.size, key, identity) < 0);
        bytes[i] ^= 4;
    }
    end_drop(&world->client);
    end_note(&world->client, import_line(world->client_context, &blob, identity));
    send_some(world, 0, 3);
    check_came(world, 3);
    free(blob.data);
    hawser_identity_unref(identity);
    hawser_identity_unref(stranger);
}

static int in_handler;

static void on_message(const hawser_event *event, void *user)
{
    void *blob;
    size_t size;

    (void)user;
    in_handler =
        hawser_association_export(event->association, HAWSER_EXPORT(.key = key, .key_size = sizeof key), &blob, &size);
}

static void not_everything_can_be_exported(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    const hawser_export_options *options = HAWSER_EXPORT(.key = key, .key_size = sizeof key);
    hawser_stream *stream;
    size_t size;
    void *blob;
    int fd;

    world_listen(world, NULL);
    assert_int_equal(hawser_association_export(world->listener, options, &blob, &size), -EOPNOTSUPP);
    world_associate(world, NULL); /* with an identity that nobody else can have, which it shows */
    assert_int_equal(hawser_association_export(world->client.line, options, &blob, &size), -EAGAIN);
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(hawser_association_export(world->client.line, options, &blob, &size), -HAWSER_EIDENTITY);
    end_drop(&world->client);
    until(world, world->server.closed);
    end_drop(&world->server);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    in_handler = 0;
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, on_message, NULL), 0);
    send_some(world, 0, 1);
    until(world, in_handler);
    assert_int_equal(in_handler, -EBUSY);
    assert_int_equal(
        hawser_association_export(world->client.line, HAWSER_EXPORT(.key = key, .key_size = 5), &blob, &size), -EINVAL);
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    assert_int_equal(hawser_stream_fd(stream, &fd), 0);
    assert_int_equal(hawser_association_export(world->client.line, options, &blob, &size), -EOPNOTSUPP);
    close(fd);
    hawser_stream_unref(stream);
    hawser_identity_unref(identity);
}

static void one_that_is_too_large_goes_on(void **state)
{
    struct world *world = *state;
    hawser_identity *identity = identity_new();
    static char bytes[3000000];
    size_t size;
    void *blob;
    int r;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    fill(bytes, sizeof bytes, 9);
    assert_int_equal(hawser_send(world->client.line, bytes, sizeof bytes, NULL, NULL), 0);
    while ((r = hawser_association_export(world->client.line, HAWSER_EXPORT(.max_size = 100000), &blob, &size)) ==
           -EAGAIN)
        world_step(world);
    assert_int_equal(r, -E2BIG);
    until(world, world->server.received_count == 1 && world->client.settled == 1);
    assert_memory_equal(world->server.received[0].data, bytes, sizeof bytes);
    hawser_identity_unref(identity);
}

static void the_identity_opens_what_it_sealed(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "identity");
    hawser_identity *ours, *again, *stranger = identity_new();
    hawser_association *line;
    struct blob blob;

    assert_int_equal(hawser_identity_open(path, &ours), 0);
    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = ours));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.seen[HAWSER_ESTABLISHED]);
    send_some(world, 0, 1);
    check_came(world, 1);
    assert_int_equal(hawser_association_export(world->client.line, NULL, &blob.data, &blob.size), 0);
    until(world, world->client.closed);
    end_drop(&world->client);
    hawser_identity_unref(ours);
    assert_int_equal(hawser_identity_open(path, &again), 0); /* as another process of the same principal does */
    assert_int_equal(import_error(world->client_context, blob.data, blob.size, NULL, stranger), -EBADMSG);
    assert_int_equal(
        hawser_association_import(world->client_context, blob.data, blob.size, HAWSER_IMPORT(.identity = again), &line),
        0);
    end_note(&world->client, line);
    send_some(world, 1, 3);
    until(world, world->client.settled == 3);
    assert_int_equal(world->server.received_count, 4);
    free(blob.data);
    free(path);
    hawser_identity_unref(again);
    hawser_identity_unref(stranger);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        api_test(what_is_no_line_is_refused),
        api_test(not_everything_can_be_exported),
        api_test(one_that_is_too_large_goes_on),
        api_test(the_identity_opens_what_it_sealed),
    };

    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
