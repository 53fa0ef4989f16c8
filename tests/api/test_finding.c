/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and racing through the public calls, on loopback: several endpoints, who wins, what the report says, what is left. */
#include "api.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/connect.h>

/* A socket that listens on 127.0.0.1; where nobody accepts, the kernel still does, and then says nothing. */
static int silent_server(char *endpoint, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(endpoint, size, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

/* A port that nobody listens on: it was bound a moment ago. */
static void refusing_server(char *endpoint, size_t size)
{
    close(silent_server(endpoint, size));
}

static void keep_report(const hawser_event *event, void *user)
{
    const hawser_report *report;

    assert_int_equal(hawser_association_report(event->association, &report), 0);
    assert_int_equal(hawser_report_copy(report, user), 0);
}

/* Opens towards `first`, with the world's listener as the alternative, and waits for the report. */
static hawser_report *race(struct world *world, const char *first, unsigned event, const char *second)
{
    char key[400];
    const char *others[] = {second};
    hawser_report *report = NULL;

    snprintf(key, sizeof key, "%s@%s", hawser_identity_name(world->identity), first);
    assert_int_equal(hawser_associate(world->client_context, key,
                                      HAWSER_ASSOCIATE(.endpoints = others, .endpoint_count = second ? 1 : 0,
                                                       .timeout_us = 5000000, .stack = "tls/tcp"),
                                      &world->client.line),
                     0);
    end_note(&world->client, world->client.line);
    hawser_register(world->client.line, event, keep_report, &report);
    until(world, report);
    return report;
}

static void the_second_answers_when_the_first_refuses(void **state)
{
    struct world *world = *state;
    char first[64];
    hawser_report *report;

    world_listen(world, NULL);
    refusing_server(first, sizeof first);
    report = race(world, first, HAWSER_ESTABLISHED, world->endpoint);
    assert_int_equal(report->code, 0);
    assert_string_equal(report->stack, "tls/tcp");
    assert_string_equal(report->peer_name, hawser_identity_name(world->identity));
    assert_string_equal(report->verification, "key");
    assert_int_equal(report->attempt_count, 2);
    assert_int_equal(report->attempts[0].outcome, HAWSER_ATTEMPT_FAILED);
    assert_int_equal(report->attempts[0].code, -ECONNREFUSED);
    assert_string_equal(report->attempts[0].layer, "tcp");
    assert_string_equal(report->attempts[0].reached, "");
    assert_int_equal(report->attempts[1].outcome, HAWSER_ATTEMPT_WON);
    assert_string_equal(report->attempts[1].reached, "tls");
    /* Its failure started the next one; no timer was waited for. */
    assert_true(report->attempts[1].start_us - report->attempts[0].end_us < 100000);
    hawser_report_free(report);
}

/* What accepts and never speaks TLS loses: the security handshake decides (S4.27). */
static void a_server_without_a_voice_loses(void **state)
{
    struct world *world = *state;
    char first[64];
    int fd = silent_server(first, sizeof first);
    hawser_report *report;

    world_listen(world, NULL);
    report = race(world, first, HAWSER_ESTABLISHED, world->endpoint);
    assert_int_equal(report->attempts[0].outcome, HAWSER_ATTEMPT_LOST);
    assert_string_equal(report->attempts[0].reached, "tcp");
    assert_int_equal(report->attempts[1].outcome, HAWSER_ATTEMPT_WON);
    assert_true(report->attempts[1].start_us - report->attempts[0].start_us >= 250000);
    hawser_report_free(report);
    close(fd);
}

static void the_first_that_works_is_alone(void **state)
{
    struct world *world = *state;
    char second[64];
    int fd = silent_server(second, sizeof second);
    struct pollfd came = {.fd = fd, .events = POLLIN};
    hawser_report *report;

    world_listen(world, NULL);
    report = race(world, hawser_association_endpoint(world->listener), HAWSER_ESTABLISHED, second);
    assert_int_equal(report->attempts[0].outcome, HAWSER_ATTEMPT_WON);
    assert_int_equal(report->attempts[1].outcome, HAWSER_ATTEMPT_SKIPPED);
    assert_int_equal(poll(&came, 1, 0), 0);
    hawser_report_free(report);
    close(fd);
}

/* A peer that only takes UDP is reached by what comes after TCP in the ladder, as soon as TCP was refused. */
static void who_takes_udp_alone_is_reached(void **state)
{
    struct world *world = *state;
    hawser_stack_info info;
    hawser_report *report = NULL;

    if (hawser_stack_find("quic/udp", &info) < 0)
        skip(); /* this build has no QUIC */
    world_listen(world, HAWSER_LISTEN(.stack = "quic/udp"));
    world_associate(world, NULL);
    hawser_register(world->client.line, HAWSER_ESTABLISHED, keep_report, &report);
    until(world, report);
    assert_string_equal(report->stack, "quic/udp");
    assert_string_equal(report->attempts[0].stack, "tls/tcp");
    assert_int_equal(report->attempts[0].code, -ECONNREFUSED);
    assert_true(report->attempts[1].start_us - report->attempts[0].end_us < 100000);
    hawser_report_free(report);
}

static void when_all_fail_the_report_says_why(void **state)
{
    struct world *world = *state;
    char first[64], second[64];
    hawser_report *report;

    refusing_server(first, sizeof first);
    refusing_server(second, sizeof second);
    report = race(world, first, HAWSER_CLOSED, second);
    assert_int_equal(report->code, -ECONNREFUSED);
    assert_non_null(strstr(report->reason, "Connection refused"));
    assert_int_equal(report->attempt_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(report->attempts[i].outcome, HAWSER_ATTEMPT_FAILED);
    hawser_report_free(report);
}

static void ending_in_mid_race_leaves_nothing(void **state)
{
    struct world *world = *state;
    char first[64], second[64];
    int one = silent_server(first, sizeof first), other = silent_server(second, sizeof second);
    const char *others[] = {second};
    int before;

    /* What the context keeps for later, the watch of interfaces, is made by the first. */
    assert_int_equal(hawser_associate(world->client_context, first,
                                      HAWSER_ASSOCIATE(.trust = "any", .stack = "tls/tcp"), &world->client.line),
                     0);
    world_step(world);
    end_note(&world->client, world->client.line);
    assert_int_equal(hawser_abort(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    end_drop(&world->client);
    before = count_descriptors();
    assert_int_equal(
        hawser_associate(world->client_context, first,
                         HAWSER_ASSOCIATE(.endpoints = others, .endpoint_count = 1, .trust = "any", .stack = "tls/tcp"),
                         &world->client.line),
        0);
    end_note(&world->client, world->client.line);
    until(world, count_descriptors() >= before + 2);
    assert_int_equal(hawser_abort(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    assert_int_equal(count_descriptors(), before);
    assert_true(world->client.attempt_count == 2);
    close(one);
    close(other);
}

static void report_is_told_in_time_or_not(void **state)
{
    struct world *world = *state;
    const hawser_report *report;
    char first[64];
    int fd = silent_server(first, sizeof first);

    assert_int_equal(hawser_associate(world->client_context, first,
                                      HAWSER_ASSOCIATE(.trust = "any", .stack = "tls/tcp"), &world->client.line),
                     0);
    world_step(world);
    assert_int_equal(hawser_association_report(world->client.line, &report), 0);
    assert_int_equal(report->attempt_count, 1);
    assert_string_equal(report->attempts[0].reason, "it is still running");
    close(fd);
    world_connect(world);
    assert_int_equal(hawser_association_report(world->client.line, &report), -ENOENT);
    assert_int_equal(hawser_association_report(world->server.line, &report), -ENOENT);
}

static void contradictions_are_refused_at_once(void **state)
{
    struct world *world = *state;
    hawser_properties *properties;

    assert_int_equal(hawser_associate(world->client_context, "127.0.0.1:1", HAWSER_ASSOCIATE(.stack = "tcp"), NULL),
                     -HAWSER_EPROHIBITED);
    assert_int_equal(
        hawser_associate(world->client_context, "127.0.0.1:1", HAWSER_ASSOCIATE(.stack = "tls/socks5/tcp"), NULL),
        -HAWSER_EPROPERTY);
    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_want(properties, HAWSER_REQUIRE, "proxy", "gopher://127.0.0.1:70"),
                     -HAWSER_EPROPERTY);
    hawser_properties_unref(properties);
    /* Security cannot be had without tls, nor a session without security. */
    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    assert_true(
        hawser_associate(world->client_context, "127.0.0.1:1", HAWSER_ASSOCIATE(.properties = properties), NULL) < 0);
    hawser_properties_unref(properties);
}

static void note_log(hawser_log_level level, const char *text, void *user)
{
    char(*said)[2000] = user;
    size_t at = strlen(*said);

    (void)level;
    snprintf(*said + at, sizeof *said - at, "%s\n", text);
}

/* Sentences about a proxy do not tell who we are to it; a stack named twice is raced once. */
static void sentences_keep_passwords(void **state)
{
    static const char url[] = "socks5://me:hidden@nowhere:port";
    char said[2000] = "";
    hawser_properties *properties;
    hawser_context *context;
    int r;

    (void)state;
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .log = note_log, .log_user = &said), &context),
                     0);
    assert_int_equal(hawser_properties_new(&properties), 0);
    r = hawser_properties_want(properties, HAWSER_REQUIRE, "proxy", url);
    if (r == 0)
        r = hawser_associate(context, "127.0.0.1:1", HAWSER_ASSOCIATE(.properties = properties), NULL);
    assert_int_equal(r, -HAWSER_EPROPERTY);
    assert_true(*said || *hawser_properties_wrong(properties));
    assert_null(strstr(said, "hidden"));
    assert_null(strstr(hawser_properties_wrong(properties), "hidden"));
    hawser_properties_unref(properties);
    hawser_context_unref(context);
}

static void a_stack_named_twice_is_one(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.stack = "tls/tcp,tls/tcp"));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_int_equal(world->client.attempt_count, 1);
}

/* A program that names a host reaches it in whichever family it is there (S3.12). */
static void one_name_reaches_either_family(void **state)
{
    static const char *const places[] = {"127.0.0.1:0", "[::1]:0"};
    struct world *world = *state;

    for (size_t i = 0; i < 2; i++) {
        hawser_report *report = NULL;
        const char *where;
        char first[64];

        world_listen_at(world, places[i], NULL);
        where = hawser_association_endpoint(world->listener);
        snprintf(first, sizeof first, "localhost:%s", strrchr(where, ':') + 1);
        report = race(world, first, HAWSER_ESTABLISHED, NULL);
        assert_string_equal(report->path.remote, where);
        hawser_report_free(report);
        assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
        until(world, world->client.closed);
        end_drop(&world->client);
    }
}

/* ------------------------------------------------------------------------------------------------------- early data */

/* Binds [::1]:port, and listens without ever saying a word. */
static int silent_at(unsigned port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons((uint16_t)port)};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* Listens on [::1] at a port that is free on 127.0.0.1 too, which the descriptor keeps so. */
static int listen_on_a_pair(struct world *world, unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        world_listen_at(world, "[::1]:0", NULL);
        *ret_port = (unsigned)atoi(strrchr(hawser_association_endpoint(world->listener), ':') + 1);
        address.sin_port = htons((uint16_t)*ret_port);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        assert_int_equal(errno, EADDRINUSE);
        close(fd);
    }
}

static void associate_by_name(struct world *world, unsigned port)
{
    char endpoint[400];

    snprintf(endpoint, sizeof endpoint, "%s@localhost:%u", hawser_identity_name(world->identity), port);
    assert_int_equal(
        hawser_associate(world->client_context, endpoint, HAWSER_ASSOCIATE(.stack = "tls/tcp"), &world->client.line),
        0);
    end_note(&world->client, world->client.line);
}

/*
 * A ticket serves one attempt, and so does what leaves early with it (S4.28): the branch that has it stalls, another wins
 * without, and the message arrives once.
 */
static void a_ticket_is_used_by_one_attempt(void **state)
{
    struct world *world = *state;
    hawser_report *report = NULL;
    char endpoint[64];
    unsigned port;
    int fd = listen_on_a_pair(world, &port);

    associate_by_name(world, port);
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
    end_drop(&world->client);
    end_drop(&world->server);

    close(fd);
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", port);
    world_listen_at(world, endpoint, NULL); /* in place of the other */
    fd = silent_at(port);
    associate_by_name(world, port);
    hawser_register(world->client.line, HAWSER_ESTABLISHED, keep_report, &report);
    assert_int_equal(hawser_send(world->client.line, "again", 5, HAWSER_MESSAGE(.safely_replayable = true), NULL), 0);
    until(world, report && world->client.settled == 1);
    assert_int_equal(report->attempt_count, 2);
    assert_true(report->attempts[0].early_data);
    assert_int_equal(report->attempts[0].outcome, HAWSER_ATTEMPT_LOST);
    assert_false(report->attempts[1].early_data);
    assert_int_equal(report->attempts[1].outcome, HAWSER_ATTEMPT_WON);
    assert_false(report->resumed || report->early_data_accepted);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(world->server.received_count, 1);
    assert_false(world->server.received[0].received.early);
    hawser_report_free(report);
    close(fd);
}

/* ------------------------------------------------------------------------------------------------- hawser_connect() */

static void connect_gives_a_plain_descriptor(void **state)
{
    struct world *world = *state;
    char first[64], second[64], byte;
    const char *others[] = {second};
    int server = silent_server(second, sizeof second), fd = -1, accepted;
    hawser_report *report = NULL;

    (void)world;
    refusing_server(first, sizeof first);
    assert_int_equal(
        hawser_connect(first, HAWSER_CONNECT(.endpoints = others, .endpoint_count = 1, .state_dir = ""), &fd, &report),
        0);
    assert_string_equal(report->stack, "tcp");
    assert_true(report->bare);
    assert_int_equal(report->attempt_count, 2);
    assert_int_equal(report->attempts[0].code, -ECONNREFUSED);
    accepted = accept(server, NULL, NULL);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(accepted, &byte, 1), 1); /* and nothing came before it */
    assert_int_equal(byte, 'x');
    hawser_report_free(report);
    close(accepted);
    close(fd);
    close(server);
}

static void connect_says_why_not(void **state)
{
    char first[64];
    hawser_report *report = NULL;
    int fd = -1;

    (void)state;
    refusing_server(first, sizeof first);
    assert_int_equal(hawser_connect(first, HAWSER_CONNECT(.state_dir = ""), &fd, &report), -ECONNREFUSED);
    assert_int_equal(fd, -1);
    assert_int_equal(report->code, -ECONNREFUSED);
    hawser_report_free(report);
    assert_int_equal(hawser_connect("nonsense", NULL, &fd, NULL), -HAWSER_EENDPOINT);
    assert_int_equal(hawser_connect("fd:3", NULL, &fd, NULL), -EOPNOTSUPP);
}

static void keep_sentence(hawser_log_level level, const char *text, void *user)
{
    if (level == HAWSER_LOG_ERROR)
        snprintf(user, 256, "%s", text);
}

/* What is refused before there is a report, and what fails in the race, is said in words as well. */
static void connect_says_it_in_words(void **state)
{
    char first[64], said[256] = "";
    hawser_connect_options options = *HAWSER_CONNECT(.state_dir = "", .log = keep_sentence, .log_user = said);
    const struct {
        const char *endpoint, *local, *stack;
        int code;
        const char *words;
    } cases[] = {
        {"nonsense", NULL, NULL, -HAWSER_EENDPOINT, "nonsense: "},
        {"fd:3", NULL, NULL, -EOPNOTSUPP, "fd:3: that is a descriptor already"},
        {first, "here", NULL, -HAWSER_EENDPOINT, "here: "},
        {first, "localhost:0", NULL, -HAWSER_EENDPOINT, "localhost:0: the local end is an address and a port"},
        {first, NULL, "carrier-pigeon", -EINVAL, "carrier-pigeon"},
        {first, NULL, NULL, -ECONNREFUSED, "refused"},
    };
    int fd;

    (void)state;
    refusing_server(first, sizeof first);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.local = cases[i].local;
        options.stack = cases[i].stack;
        *said = '\0';
        assert_int_equal(hawser_connect(cases[i].endpoint, &options, &fd, NULL), cases[i].code);
        if (!strstr(said, cases[i].words))
            fail_msg("%s instead of %s", said, cases[i].words);
    }
}

static void connect_beside_a_loop(void **state)
{
    char endpoint[64];
    int server = silent_server(endpoint, sizeof endpoint), fd = -1, r;
    hawser_connecting *connecting;
    struct pollfd wait;

    (void)state;
    assert_int_equal(hawser_connect_start(endpoint, HAWSER_CONNECT(.state_dir = ""), &connecting), 0);
    wait = (struct pollfd){.fd = hawser_connecting_fd(connecting), .events = POLLIN};
    while ((r = hawser_connecting_finish(connecting, &fd, NULL)) == -EAGAIN)
        assert_true(poll(&wait, 1, 5000) > 0);
    assert_int_equal(r, 0);
    assert_int_equal(hawser_connecting_finish(connecting, &fd, NULL), -EALREADY);
    hawser_connecting_free(connecting);
    assert_int_equal(write(fd, "x", 1), 1); /* the descriptor outlives what made it */
    close(fd);
    /* Given up in the middle. */
    assert_int_equal(hawser_connect_start(endpoint, HAWSER_CONNECT(.state_dir = ""), &connecting), 0);
    hawser_connecting_free(connecting);
    close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(the_second_answers_when_the_first_refuses),
        api_test(a_server_without_a_voice_loses),
        api_test(the_first_that_works_is_alone),
        api_test(who_takes_udp_alone_is_reached),
        api_test(when_all_fail_the_report_says_why),
        api_test(ending_in_mid_race_leaves_nothing),
        api_test(report_is_told_in_time_or_not),
        api_test(contradictions_are_refused_at_once),
        api_test(sentences_keep_passwords),
        api_test(a_stack_named_twice_is_one),
        api_test(one_name_reaches_either_family),
        api_test(a_ticket_is_used_by_one_attempt),
        api_test(connect_gives_a_plain_descriptor),
        api_test(connect_says_why_not),
        api_test(connect_says_it_in_words),
        api_test(connect_beside_a_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
