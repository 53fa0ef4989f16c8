/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: the process of a listener is replaced, with all its lines and the sockets that it listens on, again and again, over each
 * kind of stack; a successor that goes away changes nothing. (S1.21)
 */
#include "move.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

struct successor {
    struct world *world;
    int pair[2];
    hawser_context *context;
    hawser_association *listener;
    hawser_association *line;
    unsigned taken;
    int result;
};

static void on_taken(hawser_association *association, void *user)
{
    struct successor *successor = user;

    successor->taken++;
    successor->line = hawser_association_ref(association);
}

static void *takes_over(void *user)
{
    struct successor *successor = user;

    successor->result =
        hawser_take_over(successor->context, successor->pair[1], HAWSER_LISTEN(.identity = successor->world->identity),
                         HAWSER_IMPORT(.key = key, .key_size = sizeof key, .identity = successor->world->identity),
                         on_taken, successor, &successor->listener);
    return NULL;
}

/* The server's process is replaced, by one that is in a thread of its own until it has everything. */
static void succeed(struct world *world, const char *name)
{
    struct successor successor = {.world = world};
    char *path = path_in(world, name);
    pthread_t thread;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, successor.pair), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = path), &successor.context), 0);
    assert_int_equal(pthread_create(&thread, NULL, takes_over, &successor), 0);
    assert_int_equal(
        hawser_hand_over(world->listener, successor.pair[0], HAWSER_EXPORT(.key = key, .key_size = sizeof key)), 0);
    pthread_join(thread, NULL);
    assert_int_equal(successor.result, 0);
    assert_int_equal(successor.taken, 1);
    hawser_association_unref(world->listener);
    world->listener = successor.listener;
    hawser_association_unref(world->server.line);
    end_note(&world->server, successor.line);
    hawser_context_unref(world->server_context);
    world->server_context = successor.context;
    close(successor.pair[0]);
    close(successor.pair[1]);
    free(path);
}

static void on_newcomer(const hawser_event *event, void *user)
{
    struct end *end = user;

    end_note(end, hawser_association_ref(event->accepted.association));
}

static void replaced_again_and_again(struct world *world)
{
    hawser_association *newcomer;
    struct end second = {.world = world}, theirs = {.world = world};
    char endpoint[400];

    world_connect(world);
    send_some(world, 0, 20);
    check_came(world, 20);
    snprintf(endpoint, sizeof endpoint, "%s", hawser_association_endpoint(world->listener));
    for (unsigned i = 1; i <= 4; i++) {
        char name[16];

        snprintf(name, sizeof name, "next%u", i);
        send_some(world, 20 * i, 10);
        succeed(world, name);
        assert_string_equal(hawser_association_endpoint(world->listener), endpoint);
        send_some(world, 20 * i + 10, 10);
        if (i != 2) /* once it is replaced before anybody was back */
            check_came(world, 20 * i + 20);
    }
    assert_false(world->client.closed || world->server.closed);
    assert_true(world->client.seen[HAWSER_PATHS_CHANGED] > 0);
    /* And who never was here before is taken by the newest. */
    assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, on_newcomer, &theirs), 0);
    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.stack = world->stack), &newcomer),
        0);
    end_note(&second, newcomer);
    until(world, theirs.line);
    end_drop(&second);
    until(world, theirs.closed);
    end_drop(&theirs);
}

static void a_listener_is_replaced(void **state)
{
    replaced_again_and_again(*state);
}

static void a_listener_of_quic_is_replaced(void **state)
{
    struct world *world = *state;

    world->stack = "quic/udp";
    replaced_again_and_again(world);
}

static void a_listener_on_a_unix_socket_is_replaced(void **state)
{
    struct world *world = *state;

    world->stack = "tls/unix";
    replaced_again_and_again(world);
}

static void sockets_can_be_had_alone(void **state)
{
    struct world *world = *state;
    int fds[2], count;

    world_listen(world, NULL);
    assert_int_equal(hawser_listener_sockets(world->listener, fds, 1), -E2BIG);
    count = hawser_listener_sockets(world->listener, fds, 2);
    assert_in_range(count, 1, 2);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    world_associate(world, NULL);
    assert_int_equal(hawser_listener_sockets(world->client.line, fds, 2), -ENOTCONN);
}

static void a_successor_that_goes_away_is_noticed(void **state)
{
    struct world *world = *state;
    int pair[2];

    world_connect(world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    close(pair[1]);
    assert_int_equal(hawser_hand_over(world->listener, pair[0], HAWSER_EXPORT(.key = key, .key_size = sizeof key)),
                     -EPIPE);
    send_some(world, 0, 3); /* nothing was changed yet */
    check_came(world, 3);
    close(pair[0]);
}

/* It takes what it is sent, and dies before it has said so: the listener is nobody's if its process had given it up. */
static void a_successor_that_dies_does_not_take_the_listener_along(void **state)
{
    struct world *world = *state;
    int pair[2];

    world_connect(world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    assert_int_equal(hawser_hand_over(world->listener, pair[0], HAWSER_EXPORT(.key = key, .key_size = sizeof key)),
                     -ECONNRESET);
    close(pair[0]);
    close(pair[1]);
    end_drop(&world->client);
    until(world, world->server.closed);
    end_drop(&world->server);
    world_associate(world, NULL);
    send_some(world, 0, 3);
    check_came(world, 3);
}

/* Both pieces of a head bring descriptors; the second ones have no place. */
static void descriptors_that_nobody_wants_are_closed(void **state)
{
    static const struct {
        uint8_t kind, size[8];
    } head = {.kind = 'S'};
    struct world *world = *state;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec piece = {(void *)(uintptr_t)&head, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    hawser_association *listener;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), pair, sizeof pair);
    assert_int_equal(sendmsg(pair[0], &message, 0), 1);
    piece = (struct iovec){(uint8_t *)(uintptr_t)&head + 1, sizeof head - 1};
    assert_int_equal(sendmsg(pair[0], &message, 0), sizeof head - 1);
    assert_true(hawser_take_over(world->client_context, pair[1], NULL,
                                 HAWSER_IMPORT(.key = key, .key_size = sizeof key), NULL, NULL, &listener) < 0);
    close(pair[0]);
    close(pair[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        api_test(a_listener_is_replaced),
        api_test(a_listener_of_quic_is_replaced),
        api_test(a_listener_on_a_unix_socket_is_replaced),
        api_test(sockets_can_be_had_alone),
        api_test(a_successor_that_goes_away_is_noticed),
        api_test(a_successor_that_dies_does_not_take_the_listener_along),
        api_test(descriptors_that_nobody_wants_are_closed),
    };

    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
