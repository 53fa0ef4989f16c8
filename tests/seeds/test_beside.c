/* SPDX-License-Identifier: Apache-2.0 */
/* The library beside what a program already does: sockets of its own, calls that never wait; and no way around
 * security. docs/seeds.md says which rows these are. */
#include "../api/api.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int plain_listen(struct sockaddr_in *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = sizeof *ret_address;

    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)ret_address, sizeof *ret_address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &size), 0);
    return fd;
}

/* ------------------------------------------------------------------------------------- S1.44: old and new, side by side */

struct plain {
    hawser_context *context;
    int listener, server;
};

static void plain_echo(int fd, short events, void *user)
{
    char data[256];
    ssize_t got = recv(fd, data, sizeof data, 0);

    (void)user;
    assert_true(events & POLLIN);
    if (got > 0)
        assert_int_equal(send(fd, data, (size_t)got, MSG_NOSIGNAL), got);
}

static void plain_accept(int fd, short events, void *user)
{
    struct plain *plain = user;

    (void)events;
    plain->server = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(plain->server >= 0);
    assert_int_equal(hawser_watch(plain->context, plain->server, POLLIN, plain_echo, plain), 0);
}

static void sockets_and_associations_in_one_process(void **state)
{
    struct world *world = *state;
    struct sockaddr_in address;
    struct plain plain = {.context = world->server_context, .server = -1};
    char data[16] = "";

    plain.listener = plain_listen(&address);
    assert_int_equal(hawser_watch(plain.context, plain.listener, POLLIN, plain_accept, &plain), 0);
    world_connect(world);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(send(fd, "by socket", 9, MSG_NOSIGNAL), 9);
        assert_int_equal(hawser_send(world->client.line, "by hawser", 9, NULL, NULL), 0);
        until(world, recv(fd, data, sizeof data, MSG_DONTWAIT) == 9);
        assert_memory_equal(data, "by socket", 9);
        until(world, world->server.received_count == i);
        assert_string_equal(world->server.received[i - 1].data, "by hawser");
    }
    assert_int_equal(hawser_watch(plain.context, plain.server, 0, NULL, NULL), 0);
    assert_int_equal(hawser_watch(plain.context, plain.listener, 0, NULL, NULL), 0);
    close(fd);
    close(plain.server);
    close(plain.listener);
}

/* --------------------------------------------------------------- S2.1, S2.11: no call waits; news come by one descriptor */

/* The peer takes the connection and then says nothing: a call that waited for it would never return. */
static void no_call_waits_for_a_silent_peer(void **state)
{
    struct world *world = *state;
    struct sockaddr_in address;
    int silent = plain_listen(&address);
    struct pollfd fd = {.fd = hawser_context_fd(world->client_context), .events = POLLIN};
    hawser_stream *stream;
    hawser_message_id id;
    char endpoint[64];

    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", ntohs(address.sin_port));
    snprintf(world->endpoint, sizeof world->endpoint, "%s", endpoint);
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any", .timeout_us = 500000));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(hawser_send(world->client.line, "message", 7, NULL, &id), 0);
        assert_true(hawser_dispatch(world->client_context) >= 0);
    }
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    assert_int_equal(hawser_stream_write(stream, "bytes", 5), 5);
    assert_int_equal(hawser_stream_read(stream, endpoint, 1), -EAGAIN);
    assert_int_equal(hawser_flush(world->client.line), 0);
    assert_int_equal(hawser_cancel(world->client.line, id), 0);
    assert_int_equal(hawser_iterate(world->client_context, 0) >= 0, 1);
    /* Nothing but the descriptor tells that the time is over. */
    while (!world->client.closed) {
        assert_int_equal(poll(&fd, 1, 10000), 1);
        assert_int_equal(hawser_dispatch(world->client_context), 0);
    }
    assert_int_equal(world->client.closed_code, -ETIMEDOUT);
    assert_int_equal(world->client.settled, 20); /* and every message has its outcome */
    hawser_stream_unref(stream);
    close(silent);
}

/* --------------------------------------------------------------------------------- S1.8, S1.47: security is not optional */

static void no_stack_without_encryption_can_be_chosen(void **state)
{
    static const struct {
        const char *stacks;
        int code;
    } rows[] = {
        {"tcp", -HAWSER_EPROHIBITED},
        {"unix", -HAWSER_EPROHIBITED},
        {"mptcp", -HAWSER_EPROHIBITED},
        {"tls/tcp,tcp", -HAWSER_EPROHIBITED}, /* not even as one of several */
        {"tcp,tls/tcp", -HAWSER_EPROHIBITED},
        {"", -EINVAL},
        {",", -EINVAL},
        {"tls/tcp,,tls/unix", -EINVAL},
        {"tls/tcp,", -EINVAL},
        {"none", -EINVAL},
        {"tls", -EINVAL},
        {"tcp/tls", -EINVAL},
    };
    struct world *world = *state;

    world_listen(world, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hawser_association *none = (hawser_association *)world;
        int r =
            hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.stack = rows[i].stacks), &none);

        if (r != rows[i].code)
            print_error("the stack list \"%s\" was answered by %d\n", rows[i].stacks, r);
        assert_int_equal(r, rows[i].code);
        assert_ptr_equal(none, world);
    }
}

static void every_default_is_encrypted_and_verified(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_string_equal(world->client.stack, "tls/tcp");
    assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
    /* Without a key in the endpoint and without a rule, a peer that nobody vouches for is no peer. */
    memmove(world->endpoint, strchr(world->endpoint, '@') + 1, strlen(strchr(world->endpoint, '@')));
    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, "never", 5, NULL, NULL), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EUNVERIFIED);
    assert_int_equal(world->client.seen[HAWSER_ESTABLISHED], 0);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
}

/* Trusting anybody is a choice that is written down by the program, and said aloud in the report. */
static void trusting_anybody_is_said(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    memmove(world->endpoint, strchr(world->endpoint, '@') + 1, strlen(strchr(world->endpoint, '@')));
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any"));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_int_equal(world->client.verification, HAWSER_VERIFICATION_NONE);
    assert_string_equal(world->client.stack, "tls/tcp");
    assert_string_equal(hawser_verification_name(world->client.verification), "none");
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any", .min_verification = HAWSER_VERIFICATION_TOFU));
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EWEAK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(sockets_and_associations_in_one_process),
        api_test(no_call_waits_for_a_silent_peer),
        api_test(no_stack_without_encryption_can_be_chosen),
        api_test(every_default_is_encrypted_and_verified),
        api_test(trusting_anybody_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
