/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners: bounds on those who come, sockets given from outside, several threads on one port. */
#include "api.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_plain(struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)atoi(strrchr(hawser_association_endpoint(world->listener), ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool was_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void handshakes_time_out(void **state)
{
    struct world *world = *state;
    int fd;

    world_listen(world, HAWSER_LISTEN(.handshake_timeout_us = 100000));
    fd = connect_plain(world);
    until(world, was_closed(fd));
    close(fd);
    world_connect(world);
}

static void oldest_handshake_makes_room(void **state)
{
    struct world *world = *state;
    int fds[6];

    world_listen(world, HAWSER_LISTEN(.max_handshakes = 4));
    for (int i = 0; i < 6; i++) {
        fds[i] = connect_plain(world);
        world_step(world);
    }
    until(world, was_closed(fds[0]) && was_closed(fds[1]));
    for (int i = 2; i < 6; i++)
        assert_false(was_closed(fds[i]));
    world_connect(world); /* a good one still gets in */
    for (int i = 0; i < 6; i++)
        close(fds[i]);
}

static void garbage_is_survived(void **state)
{
    struct world *world = *state;
    int fd;

    world_listen(world, NULL);
    fd = connect_plain(world);
    assert_int_equal(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
    until(world, was_closed(fd));
    close(fd);
    world_connect(world);
}

static void associations_are_bounded(void **state)
{
    struct world *world = *state;
    hawser_association *other;
    struct end second = {.world = world};

    world_listen(world, HAWSER_LISTEN(.max_associations = 1));
    world_connect(world);
    assert_int_equal(hawser_associate(world->client_context, world->endpoint, NULL, &other), 0);
    end_note(&second, other);
    for (int i = 0; i < 5; i++)
        world_step(world);
    assert_false(second.seen[HAWSER_ESTABLISHED]); /* it waits in the kernel's queue */
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, second.seen[HAWSER_ESTABLISHED]);
    end_drop(&second);
}

static void closing_drains(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_close(world->listener, 0, ""), 0);
    for (int i = 0; i < 3; i++)
        world_step(world);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    end_drop(&world->client);
    world_associate(world, NULL);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -ECONNREFUSED);
}

static void socket_from_outside(void **state)
{
    struct world *world = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char endpoint[32];

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    snprintf(endpoint, sizeof endpoint, "fd:%d", fd);
    world_listen_at(world, endpoint, NULL);
    assert_memory_equal(hawser_association_endpoint(world->listener), "127.0.0.1:", 10);
    world_connect(world);
    assert_string_equal(world->client.stack, "tls/tcp");
}

static void address_in_use(void **state)
{
    struct world *world = *state;
    hawser_association *second;

    world_listen(world, NULL);
    assert_int_equal(hawser_listen(world->server_context, hawser_association_endpoint(world->listener), NULL, &second),
                     -EADDRINUSE);
}

static void descriptors_run_out(void **state)
{
    struct world *world = *state;
    struct rlimit limit, few;
    hawser_association *other;
    struct end second = {.world = world};
    int fds[64], count = 0;

    world_connect(world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = (rlim_t)count_descriptors() + 1;
    assert_int_equal(hawser_associate(world->client_context, world->endpoint, NULL, &other), 0);
    end_note(&second, other);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < 64 && (fds[count] = dup(0)) >= 0)
        count++;
    assert_true(count < 64);
    close(fds[--count]); /* one for the client's own socket, none for the server's */
    for (int i = 0; i < 5; i++)
        world_step(world);
    assert_false(second.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(hawser_send(world->client.line, "m", 1, NULL, NULL), 0);
    until(world, world->client.settled == 1); /* who is in is not disturbed */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count > 0)
        close(fds[--count]);
    until(world, second.seen[HAWSER_ESTABLISHED]);
    end_drop(&second);
}

/* ------------------------------------------------------------------------------------ two contexts, threads, one port */

struct server {
    hawser_shared *shared;
    hawser_identity *identity;
    char endpoint[128];
    atomic_bool stop;
    sem_t ready;
    atomic_uint accepted, received;
    pthread_t thread;
};

static void server_received(const hawser_event *event, void *user)
{
    struct server *server = user;

    (void)event;
    server->received++;
}

static void server_closed(const hawser_event *event, void *user)
{
    (void)user;
    hawser_association_unref(event->association);
}

static void server_accepted(const hawser_event *event, void *user)
{
    struct server *server = user;
    hawser_association *line = hawser_association_ref(event->accepted.association);

    server->accepted++;
    hawser_register(line, HAWSER_RECEIVED, server_received, server);
    hawser_register(line, HAWSER_CLOSED, server_closed, server);
}

static void *server_main(void *argument)
{
    struct server *server = argument;
    hawser_association *listener = NULL;
    hawser_context *context = NULL;

    if (hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = server->shared), &context) < 0 ||
        hawser_listen(context, server->endpoint, HAWSER_LISTEN(.identity = server->identity, .reuse_port = true),
                      &listener) < 0)
        abort();
    snprintf(server->endpoint, sizeof server->endpoint, "%s", hawser_association_endpoint(listener));
    hawser_register(listener, HAWSER_ACCEPTED, server_accepted, server);
    assert_int_equal(sem_post(&server->ready), 0);
    while (!server->stop)
        (void)hawser_iterate(context, 20000);
    hawser_association_unref(listener);
    hawser_context_unref(context);
    return NULL;
}

static void start(struct server *server)
{
    assert_int_equal(sem_init(&server->ready, 0, 0), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
    while (sem_wait(&server->ready) < 0)
        assert_int_equal(errno, EINTR);
}

static void two_threads_one_port(void **state)
{
    struct world *world = *state;
    hawser_identity *identity;
    hawser_shared *shared;
    struct server servers[2];

    assert_int_equal(hawser_shared_new(&shared), 0);
    assert_int_equal(hawser_identity_new(&identity), 0);
    memset(servers, 0, sizeof servers);
    for (int i = 0; i < 2; i++) {
        servers[i].shared = shared;
        servers[i].identity = identity;
        snprintf(servers[i].endpoint, sizeof servers[i].endpoint, "%s", i ? servers[0].endpoint : "127.0.0.1:0");
        start(&servers[i]);
    }
    assert_string_equal(servers[0].endpoint, servers[1].endpoint);
    snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(identity), servers[0].endpoint);
    /* The kernel spreads connections; tickets of one context are good at the other. */
    for (unsigned i = 0; i < 200 && !(servers[0].accepted && servers[1].accepted && i > 20); i++) {
        world_associate(world, NULL);
        assert_int_equal(hawser_send(world->client.line, "m", 1, HAWSER_MESSAGE(.safely_replayable = true), NULL), 0);
        assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
        until(world, world->client.closed);
        assert_int_equal(world->client.closed_code, 0);
        assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
        if (i > 0)
            assert_true(world->client.resumed);
        assert_int_equal(servers[0].received + servers[1].received, i + 1);
    }
    assert_true(servers[0].accepted > 0);
    assert_true(servers[1].accepted > 0);
    for (int i = 0; i < 2; i++) {
        servers[i].stop = true;
        assert_int_equal(pthread_join(servers[i].thread, NULL), 0);
    }
    hawser_identity_unref(identity);
    hawser_shared_unref(shared);
}

/* ----------------------------------------------------------------------------------------------------------- many */

#define MANY 2000

static unsigned many_established, many_accepted, many_received, many_gone;

static void many_event(const hawser_event *event, void *user)
{
    (void)user;
    if (event->type == HAWSER_ESTABLISHED)
        many_established++;
    else if (event->type == HAWSER_RECEIVED)
        many_received++;
    else {
        many_gone++;
        hawser_association_unref(event->association);
    }
}

static void take_one(struct world *world, hawser_association *association)
{
    (void)world;
    many_accepted++;
    hawser_association_ref(association);
    hawser_register(association, HAWSER_RECEIVED, many_event, NULL);
    hawser_register(association, HAWSER_CLOSED, many_event, NULL);
}

static void many_at_once(void **state)
{
    struct world *world = *state;
    static hawser_association *lines[MANY];
    struct rlimit limit, before;

    many_established = many_accepted = many_received = many_gone = 0;
    world->accepting = take_one;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit;
    limit.rlim_cur = limit.rlim_max < 2 * MANY + 200 ? limit.rlim_max : 2 * MANY + 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * MANY + 200)
        skip(); /* the system does not allow so many descriptors */
    world_listen(world, HAWSER_LISTEN(.max_handshakes = MANY));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(
            hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.stack = "tls/tcp"), &lines[i]),
            0);
        hawser_register(lines[i], HAWSER_ESTABLISHED, many_event, NULL);
    }
    until(world, many_established == MANY && many_accepted == MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(hawser_send(lines[i], "m", 1, NULL, NULL), 0);
    until(world, many_received == MANY);
    for (int i = 0; i < MANY; i++)
        hawser_association_unref(lines[i]);
    until(world, many_gone == MANY);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(handshakes_time_out),  api_test(oldest_handshake_makes_room),
        api_test(garbage_is_survived),  api_test(associations_are_bounded),
        api_test(closing_drains),       api_test(socket_from_outside),
        api_test(address_in_use),       api_test(descriptors_run_out),
        api_test(two_threads_one_port), api_test(many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
