/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks that lead through a proxy: what is asked of it, and what its answers come to. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool speaks(const struct world *world, const char *layer)
{
    return world->relay.context && strncmp(world->relay.layer, layer, strlen(layer)) == 0;
}

static bool client_ended(struct world *world)
{
    return world->client.up || world->client.code;
}

/* Connects with what the relay and the target are set to, and asserts how it ends. */
static void expect(struct world *world, int code, const char *words)
{
    connect_there(world);
    if (!run_until(world, client_ended))
        fail_msg("neither up nor failed, where \"%s\" was expected", words);
    if (code)
        assert_words(&world->client, code, words);
    else if (world->client.code)
        fail_msg("%s", layer_error(world->client.top)->reason);
    if (code == -HAWSER_EPROXY)
        assert_int_equal(strncmp(layer_error(world->client.top)->layer, world->relay.layer,
                                 strlen(layer_error(world->client.top)->layer)),
                         0);
    drop_ends(world);
}

static void names_go_to_the_proxy(void **state)
{
    struct world *world = *state;

    only(world->relay.context);
    listen_here(world);
    establish(world);
    assert_string_equal(world->relay.asked, world->target.host);
    drop_ends(world);
    world->target.host = "peer.test"; /* which nobody but the relay knows */
    establish(world);
    assert_string_equal(world->relay.asked, "peer.test");
}

static void who_we_are(void **state)
{
    struct world *world = *state;

    only(world->relay.context);
    listen_here(world);
    world->relay.user = "Aladdin";
    world->relay.password = "open sesame";
    world->relay.basic = "QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"; /* RFC 7617 section 2 */
    expect(world, -HAWSER_EPROXY, "wants a user and a password");
    world->target.proxy_user = "Aladdin";
    expect(world, -HAWSER_EPROXY, "does not accept the user and the password");
    world->target.proxy_password = "open sesame";
    expect(world, 0, "");
    /* A proxy that wants none is told none that it does not need, and is as good. */
    world->relay.user = NULL;
    expect(world, 0, "");
}

static void what_cannot_be_said(void **state)
{
    struct world *world = *state;
    char longer[300];

    only(world->relay.context);
    listen_here(world);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    world->target.host = longer;
    expect(world, -HAWSER_EPROXY, "255 bytes");
    world->target.host = "peer.test";
    if (speaks(world, "socks5")) {
        world->target.proxy_user = longer;
        expect(world, -HAWSER_EPROXY, "users of 1 to 255");
        world->target.proxy_user = "me";
        world->target.proxy_password = longer;
        expect(world, -HAWSER_EPROXY, "passwords of at most 255");
        return;
    }
    world->target.host = "peer.test:1 HTTP/1.1\r\nX: y";
    expect(world, -HAWSER_EPROXY, "a character that HTTP cannot carry");
    world->target.host = "peer.test";
    world->target.proxy_user = "a:b";
    expect(world, -HAWSER_EPROXY, "no user with a colon");
    world->target.proxy_user = "a";
    world->target.proxy_password = "b\r\nX: y";
    expect(world, -HAWSER_EPROXY, "no control characters");
    assert_string_equal(world->relay.asked, ""); /* none of it was sent */
}

struct line {
    const char *answer;
    size_t size; /* 0: a string */
    const char *words;
};

static void expect_lines(struct world *world, const struct line *lines, size_t count, bool ends)
{
    listen_here(world);
    for (size_t i = 0; i < count; i++) {
        world->relay.script = lines[i].answer;
        world->relay.script_size = lines[i].size ? lines[i].size : strlen(lines[i].answer);
        world->relay.script_ends = ends;
        expect(world, -HAWSER_EPROXY, lines[i].words);
    }
    assert_int_equal(world->accepted, 0);
}

static void socks_replies(void **state)
{
    struct world *world = *state;
    static const struct line lines[] = {
        {"\x05\x00\x05\x01\x00\x01", 6, "the proxy failed in itself"},
        {"\x05\x00\x05\x02\x00\x01", 6, "rules forbid"},
        {"\x05\x00\x05\x03\x00\x01", 6, "cannot reach the network"},
        {"\x05\x00\x05\x04\x00\x01", 6, "cannot reach the host"},
        {"\x05\x00\x05\x05\x00\x01", 6, "the peer refused the proxy's connection"},
        {"\x05\x00\x05\x06\x00\x01", 6, "TTL expired"},
        {"\x05\x00\x05\x07\x00\x01", 6, "does not know how to connect"},
        {"\x05\x00\x05\x08\x00\x01", 6, "type of address"},
        {"\x05\x00\x05\x63\x00\x01", 6, "unknown code 99"},
        {"\x05\x00\x05\x00\x00\x07g", 7, "address of an unknown type"},
        {"\x05\x00\x04\x00\x00\x01", 6, "not one of SOCKS5"},
        {"\x05\xff", 2, "wants a user and a password"},
        {"\x05\x01", 2, "that it was not offered"},
        {"\x05\x02", 2, "that it was not offered"},
        {"\x00\x5a", 2, "speaks no SOCKS5"},
        {"HTTP/1.0 400 Bad Request\r\n\r\n", 0, "as a server of HTTP does"},
    };

    only(speaks(world, "socks5"));
    expect_lines(world, lines, sizeof lines / sizeof *lines, false);
    world->target.proxy_user = "me";
    world->relay.script = "\x05\xff";
    world->relay.script_size = 2;
    expect(world, -HAWSER_EPROXY, "otherwise than by user and password");
}

static void http_replies(void **state)
{
    struct world *world = *state;
    static const struct line lines[] = {
        {"HTTP/1.1 403 Forbidden\r\n\r\n", 0, "rules forbid the way (it says: 403 Forbidden)"},
        {"HTTP/1.1 407 Proxy Authentication Required\r\nX: y\r\n\r\nbody", 0, "wants a user and a password"},
        {"HTTP/1.0 502 Bad \x1b[2JGateway\r\n\r\n", 0, "cannot reach the peer (it says: 502 Bad ?[2JGateway)"},
        {"HTTP/1.1 503 Service Unavailable\n\n", 0, "cannot reach the peer"},
        {"HTTP/1.1 504\r\n\r\n", 0, "took too long"},
        {"HTTP/1.1 301 Moved\r\nLocation: http://portal.test/\r\n\r\n", 0, "the proxy refused (it says: 301 Moved)"},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, "it says: 101"},
        {"HTTP/1.1 OK\r\n\r\n", 0, "no status that HTTP knows"},
        {"HTTP/1.1 20 OK\r\n\r\n", 0, "no status that HTTP knows"},
        {"HTTP/1.1 2000 OK\r\n\r\n", 0, "no status that HTTP knows"},
        {"HTTP/2 200\r\n\r\n", 0, "does not answer in HTTP/1.1"},
        {"\x05\xff", 2, "does not answer in HTTP/1.1"},
        {"SSH-2.0-OpenSSH\r\n", 0, "does not answer in HTTP/1.1"},
    };

    only(speaks(world, "http-connect"));
    expect_lines(world, lines, sizeof lines / sizeof *lines, false);
}

static void closes_instead(void **state)
{
    struct world *world = *state;
    static const struct line socks[] = {{"\x05", 1, "in the middle of its answer"},
                                        {"\x05\x00", 2, "closed the connection"}},
                             http[] = {{"HTTP/1.1 2", 0, "in the middle of its answer"},
                                       {"HTTP/1.1 200 OK\r\n", 0, "in the middle of its answer"}};

    only(world->relay.context);
    expect_lines(world, speaks(world, "socks5") ? socks : http, 2, true);
    world->relay.script_size = 0;
    expect(world, -HAWSER_EPROXY, "closed the connection instead of answering");
}

static void endless_answer(void **state)
{
    struct world *world = *state;
    char *header;

    only(speaks(world, "http-connect"));
    header = malloc(60000);
    assert_non_null(header);
    memset(header, 'a', 60000);
    memcpy(header, "HTTP/1.1 200 OK\r\nX: ", 20);
    expect_lines(world, &(struct line){header, 60000, "longer than 16384 bytes"}, 1, false);
    free(header);
}

static void endless_talk(void **state)
{
    struct world *world = *state;
    char answers[1024] = "";

    only(speaks(world, "http-connect"));
    for (int i = 0; i < 20; i++)
        strcat(answers, "HTTP/1.1 102 Processing\r\n\r\n");
    expect_lines(world, &(struct line){answers, 0, "talks on without an answer"}, 1, false);
}

static bool client_has_it(struct world *world)
{
    return world->client.code || world->client.received == world->client.to_send;
}

/* Whatever cuts the answer comes in, and whatever follows it in the same packet, the user's bytes are the user's. */
static void bytes_after_the_answer(void **state)
{
    struct world *world = *state;
    char script[600];
    const char *answer =
        speaks(world, "socks5")
            ? "\x05\x00\x05\x00\x00\x03\x04"
              "abcd\x00\x50"
            : "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 299 Fine\r\nContent-Length: 3\r\n\r\n";
    size_t size = speaks(world, "socks5") ? 13 : strlen(answer);

    only(world->relay.context && !world->secure);
    listen_here(world);
    memcpy(script, answer, size);
    for (size_t i = 0; i < 500; i++)
        script[size + i] = (char)pattern(i);
    for (int dribble = 0; dribble < 2; dribble++) {
        world->relay.script = script;
        world->relay.script_size = size + 500;
        world->relay.dribble = dribble;
        connect_there(world);
        assert_true(run_until(world, client_ended));
        assert_int_equal(world->client.code, 0);
        world->client.to_send = 500; /* the size that is waited for; where it goes is not looked at */
        end_run(&world->client);
        assert_true(run_until(world, client_has_it));
        assert_int_equal(world->client.received, 500);
        assert_int_equal(world->client.mismatches, 0);
        drop_ends(world);
    }
}

/* Nothing of the peer's may have stayed in a layer when the program takes the descriptor for itself. */
static void taken_out(void **state)
{
    struct world *world = *state;
    uint8_t data[501];
    int fd = -1;

    listen_here(world);
    world->server_wish.to_send = 500;
    establish(world);
    loop_undefer(&world->client.again);
    if (world->secure || layer_flags(world->client.top) & LAYER_FOREIGN ||
        (world->datagrams && world->client.top->below)) {
        assert_int_equal(layer_release(world->client.top, &fd), -EOPNOTSUPP);
        return;
    }
    assert_int_equal(layer_release(world->client.top, &fd), 0);
    world->client.top = NULL;
    run_for_events(world);
    for (uint64_t at = world->datagrams ? 500 : world->client.received; at < 500;) {
        ssize_t n = recv(fd, data, sizeof data, MSG_DONTWAIT);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(data[i], pattern(at + (uint64_t)i));
        at += (uint64_t)n;
    }
    close(fd);
}

static void never_answers(void **state)
{
    struct world *world = *state;
    uint8_t byte = 0;

    only(world->relay.context);
    world->relay.script = "";
    listen_here(world);
    connect_there(world);
    run_for_events(world);
    assert_false(world->client.up || world->client.code);
    /* Nothing of the user's is taken or lost meanwhile. */
    if (!world->secure)
        assert_int_equal(world->client.top->type->send(world->client.top, &byte, 1), -EAGAIN);
    assert_int_equal(world->client.top->type->receive(world->client.top, &byte, 1), -EAGAIN);
}

const struct suite_test relay_tests[] = {
    {"proxy: names and addresses are its to resolve and reach", names_go_to_the_proxy},
    {"proxy: user and password, wanted, wrong and right", who_we_are},
    {"proxy: what its protocol cannot carry is said, not sent", what_cannot_be_said},
    {"proxy: every refusal of SOCKS5 in words", socks_replies},
    {"proxy: every refusal of HTTP in words", http_replies},
    {"proxy: closes instead of answering, or in the middle", closes_instead},
    {"proxy: an answer without an end is not kept", endless_answer},
    {"proxy: one that talks on and on is left", endless_talk},
    {"proxy: what follows its answer is the user's", bytes_after_the_answer},
    {"the descriptor is taken out, and no byte is missing", taken_out},
    {"proxy: one that never answers takes nothing", never_answers},
    {NULL, NULL},
};
