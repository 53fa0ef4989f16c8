/* SPDX-License-Identifier: Apache-2.0 */
/* Peers and paths that mean no good. */
#include "suite.h"

#include <sys/socket.h>
#include <unistd.h>

#define CROWD 200

static bool accepted_one(struct world *world)
{
    return world->accepted > 0;
}

static bool both_failed(struct world *world)
{
    return world->client.code && world->server.code;
}

static void flip_in(struct proxy *proxy, bool forward, int64_t skip)
{
    if (forward)
        proxy->flip_forward = (int64_t)proxy->forward + skip;
    else
        proxy->flip_backward = (int64_t)proxy->backward + skip;
}

static void changed_data(void **state)
{
    struct world *world = *state;

    only(world->secure && world->bytes);
    listen_here(world);
    for (int backward = 0; backward < 2; backward++) {
        struct proxy proxy;
        struct end *victim = backward ? &world->client : &world->server;
        struct end *other = backward ? &world->server : &world->client;

        proxy_start(world, &proxy);
        establish(world);
        run_for_events(world);
        flip_in(&proxy, !backward, 20000); /* in the second record */
        other->to_send = 60000;
        end_run(other);
        assert_true(run_until(world, both_failed));
        assert_words(victim, -HAWSER_ETLS, "failed its integrity check");
        assert_words(other, -HAWSER_ETLS, "failed its integrity check");
        assert_int_equal(victim->mismatches, 0);
        assert_int_equal(victim->received, 16384); /* what came before is good */
        drop_ends(world);
        proxy_stop(&proxy);
    }
}

/* Whatever byte of the handshake is changed, no two ends believe in a line. */
static void changed_handshake(void **state)
{
    struct world *world = *state;

    only(world->secure && world->bytes);
    set_trust(world, true, "key=%s", hawser_identity_name(world->client_identity));
    world->client_config.service = NULL;
    listen_here(world);
    for (int i = 0; i < 30; i++) {
        bool forward = i % 2;
        struct proxy proxy;

        proxy_start(world, &proxy);
        flip_in(&proxy, forward, 5 + i * 10); /* not the first header: its version is not read */
        world->client.to_send = 100;
        connect_there(world);
        assert_true(run_until(world, accepted_one));
        run_for_events(world); /* or until one waits for a record that was made longer */
        if (world->client.code)
            assert_true(*layer_error(world->client.top)->reason);
        assert_false(world->client.up && world->server.up);
        assert_int_equal(world->server.received, 0);
        world->accepted = 0;
        drop_ends(world);
        proxy_stop(&proxy);
    }
}

static bool server_failed(struct world *world)
{
    return world->server.code != 0;
}

static int raw_connect(struct world *world)
{
    int fd = socket(world->row->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&world->address.address, world->address.size), 0);
    return fd;
}

static void other_languages(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } strangers[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, "does not speak TLS"},
        {"SSH-2.0-OpenSSH_9.2\r\n", 21, "does not speak TLS"},
        {"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, ""},
        {"\x16\x03\x01\xff\xff", 5, ""},
        {"\x17\x03\x03\x00\x05hello", 10, ""},
        {"\x15\x03\x03\x00\x02\x02\x28", 7, ""},
        {"\0\0\0\0\0\0\0\0", 8, ""},
        {"", 0, "closed the connection during the TLS handshake"},
        {"\x16\x03\x01\x02", 4, "closed the connection during the TLS handshake"},
    };

    only(world->secure && world->bytes);
    listen_here(world);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        int fd = raw_connect(world);
        assert_int_equal(send(fd, strangers[i].bytes, strangers[i].size, MSG_NOSIGNAL), strangers[i].size);
        shutdown(fd, SHUT_WR);
        assert_true(run_until(world, server_failed));
        assert_words(&world->server, -HAWSER_ETLS, strangers[i].words);
        end_stop(&world->server);
        close(fd);
    }
}

static bool client_failed(struct world *world)
{
    return world->client.code != 0;
}

static void server_of_another_kind(void **state)
{
    struct world *world = *state;

    only(world->secure && world->bytes);
    memmove(world->accepting, strchr(world->accepting, '/') + 1, strlen(strchr(world->accepting, '/')));
    listen_here(world); /* which speaks no TLS: it sends the pattern */
    world->server_wish.to_send = 500;
    connect_there(world);
    assert_true(run_until(world, accepted_one));
    assert_true(run_until(world, client_failed));
    assert_words(&world->client, -HAWSER_ETLS, "does not speak TLS");
}

static void crowd_that_says_nothing(void **state)
{
    struct world *world = *state;
    int crowd[CROWD];

    only(world->bytes);
    listen_here(world);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = raw_connect(world);
        if (i % 3 == 1)
            send(crowd[i], "\x16\x03\x01", 3, MSG_NOSIGNAL);
        hawser_iterate(world->server_context, 0);
    }
    world->server_wish.echo = true;
    connect_there(world);
    world->client.to_send = 1000;
    while (world->client.received < 1000 && !world->client.code)
        step(world, 100);
    assert_int_equal(world->client.received, 1000);
    assert_int_equal(world->client.mismatches, 0);
    for (size_t i = 0; i < CROWD; i++)
        close(crowd[i]);
}

const struct suite_test hostile_tests[] = {
    {"a changed bit of data ends the line, and both ends say why", changed_data},
    {"a changed bit of the handshake never leads to a line", changed_handshake},
    {"strangers are told from TLS and survived", other_languages},
    {"a server that speaks something else is told in words", server_of_another_kind},
    {"a crowd that says nothing keeps nobody out", crowd_that_says_nothing},
    {NULL, NULL},
};
