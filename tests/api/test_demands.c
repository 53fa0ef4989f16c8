/* SPDX-License-Identifier: Apache-2.0 */
/* What was demanded is not got around: verification where encryption is off, policy where there are several endpoints or
 * other proxies, and options that cannot be are refused before anything is done. */
#include "api.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/connect.h>

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

static void refusing_server(char *endpoint, size_t size)
{
    close(silent_server(endpoint, size));
}

static bool nobody_came(int fd)
{
    struct pollfd came = {.fd = fd, .events = POLLIN};

    return poll(&came, 1, 0) == 0;
}

static hawser_properties *properties(const char *const *pairs)
{
    hawser_properties *made;

    assert_int_equal(hawser_properties_new(&made), 0);
    for (; *pairs; pairs += 2)
        assert_int_equal(hawser_properties_set(made, pairs[0], pairs[1]), 0);
    return made;
}
#define PROPERTIES(...) properties((const char *const[]){__VA_ARGS__, NULL})

static void keep_report(const hawser_event *event, void *user)
{
    const hawser_report *report;

    assert_int_equal(hawser_association_report(event->association, &report), 0);
    assert_int_equal(hawser_report_copy(report, user), 0);
}

/* ------------------------------------------------------------------------------------------------------- verification */

/* With it the line would come up, to whoever answers. */
static void a_key_is_not_forgotten_without_encryption(void **state)
{
    struct world *world = *state;
    hawser_properties *open = PROPERTIES("session", "prohibit", "security", "prohibit");
    hawser_association *line;
    char endpoint[64], keyed[400];
    int fd = silent_server(endpoint, sizeof endpoint);

    snprintf(keyed, sizeof keyed, "%s@%s", hawser_identity_name(world->identity), endpoint);
    assert_int_equal(hawser_associate(world->client_context, keyed, HAWSER_ASSOCIATE(.properties = open), &line),
                     -HAWSER_EPROHIBITED);
    assert_int_equal(hawser_associate(world->client_context, endpoint,
                                      HAWSER_ASSOCIATE(.properties = open, .min_verification = HAWSER_VERIFICATION_PKI),
                                      &line),
                     -HAWSER_EPROHIBITED);
    assert_true(nobody_came(fd));
    hawser_properties_unref(open);
    close(fd);
}

static void a_verification_rules_out_what_has_none(void **state)
{
    struct world *world = *state;
    hawser_properties *avoid = PROPERTIES("session", "prohibit", "security", "avoid");
    hawser_report *report = NULL;
    char endpoint[64];

    refusing_server(endpoint, sizeof endpoint);
    assert_int_equal(
        hawser_associate(world->client_context, endpoint,
                         HAWSER_ASSOCIATE(.properties = avoid, .min_verification = HAWSER_VERIFICATION_PKI),
                         &world->client.line),
        0);
    end_note(&world->client, world->client.line);
    hawser_register(world->client.line, HAWSER_CLOSED, keep_report, &report);
    until(world, report);
    assert_true(report->attempt_count > 1);
    for (size_t i = 0; i < report->attempt_count; i++)
        assert_int_equal(report->attempts[i].outcome, strncmp(report->attempts[i].stack, "tls/", 4) == 0
                                                          ? HAWSER_ATTEMPT_FAILED
                                                          : HAWSER_ATTEMPT_SKIPPED);
    hawser_report_free(report);
    hawser_properties_unref(avoid);
}

static void a_listener_that_verifies_takes_nobody_without_encryption(void **state)
{
    struct world *world = *state;
    hawser_properties *plain = PROPERTIES("session", "prefer", "security", "avoid");
    char rule[128];

    snprintf(rule, sizeof rule, "key=%s", hawser_identity_name(world->identity));
    assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0",
                                   HAWSER_LISTEN(.properties = plain, .trust = rule), &world->listener),
                     -HAWSER_EPROPERTY);
    assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0",
                                   HAWSER_LISTEN(.properties = plain, .min_verification = HAWSER_VERIFICATION_TOFU),
                                   &world->listener),
                     -HAWSER_EPROPERTY);
    assert_int_equal(
        hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.properties = plain), &world->listener), 0);
    hawser_properties_unref(plain);
}

/* ------------------------------------------------------------------------------------------------------------- policy */

/* The client's context again, with a policy. */
static void obey(struct world *world, const char *format, ...)
{
    char *path = path_in(world, "policy.conf"), text[512];
    va_list arguments;
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    hawser_context_unref(world->client_context);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .policy_file = path), &world->client_context),
                     0);
    free(path);
}

/* One that refuses, then the second: told how it ended. */
static hawser_report *second_of_two(struct world *world, const char *second)
{
    hawser_report *report = NULL;
    char first[64];

    refusing_server(first, sizeof first);
    assert_int_equal(hawser_associate(world->client_context, first,
                                      HAWSER_ASSOCIATE(.endpoints = &second, .endpoint_count = 1, .trust = "any",
                                                       .stack = "tls/tcp", .timeout_us = 300000),
                                      &world->client.line),
                     0);
    end_note(&world->client, world->client.line);
    hawser_register(world->client.line, HAWSER_CLOSED, keep_report, &report);
    hawser_register(world->client.line, HAWSER_ESTABLISHED, keep_report, &report);
    until(world, report);
    assert_true(report->attempt_count >= 2);
    assert_int_equal(report->attempts[0].code, -ECONNREFUSED);
    return report;
}

/* Nothing is sent to 192.0.2.1, neither where there is a way to it nor where there is none. */
static void an_interface_is_prohibited_for_every_endpoint(void **state)
{
    struct world *world = *state;
    hawser_report *report;

    obey(world, "prohibit interface * for 192.0.2.1\n");
    report = second_of_two(world, "192.0.2.1:9");
    for (size_t i = 1; i < report->attempt_count; i++) {
        assert_int_equal(report->attempts[i].outcome, HAWSER_ATTEMPT_SKIPPED);
        assert_true(report->attempts[i].code == -HAWSER_EPROHIBITED || report->attempts[i].code == -ENETUNREACH);
    }
    hawser_report_free(report);
}

static void a_proxy_is_demanded_for_every_endpoint(void **state)
{
    struct world *world = *state;
    char proxy[64];
    int fd = silent_server(proxy, sizeof proxy);
    hawser_report *report;

    world_listen_at(world, "[::1]:0", NULL);
    obey(world, "proxy socks5://%s require for ::1\n", proxy);
    report = second_of_two(world, strchr(world->endpoint, '@') + 1);
    assert_true(report->code < 0);
    assert_int_equal(report->attempts[1].outcome, HAWSER_ATTEMPT_SKIPPED);
    assert_string_equal(report->attempts[1].reason, "the policy demands another way to ::1");
    hawser_report_free(report);
    close(fd);
}

static void a_proxy_of_the_program_is_not_around_the_policys(void **state)
{
    struct world *world = *state;
    char demanded[64], other[64], url[128];
    int demanded_fd = silent_server(demanded, sizeof demanded), other_fd = silent_server(other, sizeof other);
    hawser_properties *wish;
    hawser_report *report = NULL;
    int fd;

    obey(world, "proxy socks5://%s require\n", demanded);
    snprintf(url, sizeof url, "prefer:socks5://%s", other);
    wish = PROPERTIES("proxy", url);
    assert_int_equal(hawser_associate(world->client_context, "192.0.2.1:1",
                                      HAWSER_ASSOCIATE(.properties = wish, .trust = "any", .timeout_us = 200000),
                                      &world->client.line),
                     0);
    end_note(&world->client, world->client.line);
    hawser_register(world->client.line, HAWSER_CLOSED, keep_report, &report);
    until(world, report);
    assert_true(nobody_came(other_fd));
    fd = accept(demanded_fd, NULL, NULL);
    assert_true(fd >= 0);
    hawser_properties_unref(wish);
    snprintf(url, sizeof url, "require:socks5://%s", other);
    wish = PROPERTIES("proxy", url);
    assert_int_equal(hawser_associate(world->client_context, "192.0.2.1:1",
                                      HAWSER_ASSOCIATE(.properties = wish, .trust = "any"), NULL),
                     -HAWSER_EPROHIBITED);
    hawser_properties_unref(wish);
    hawser_report_free(report);
    close(fd);
    close(demanded_fd);
    close(other_fd);
}

/* ------------------------------------------------------------------------------------------------------------ options */

/* hawser/1 as the program's own name would make a bare line one of ours, without a session. */
static void names_that_no_protocol_can_have(void **state)
{
    struct world *world = *state;
    hawser_properties *bare = PROPERTIES("session", "prohibit");
    char longest[257];
    const char *wrong[] = {"hawser/1", "", longest};

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(hawser_associate(world->client_context, "127.0.0.1:1",
                                          HAWSER_ASSOCIATE(.properties = bare, .alpn = wrong[i]), NULL),
                         -EINVAL);
        assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0",
                                       HAWSER_LISTEN(.properties = bare, .alpn = wrong[i]), &world->listener),
                         -EINVAL);
    }
    hawser_properties_unref(bare);
}

/* Once they were so long that their end lay before their begin. */
static void times_may_be_as_long_as_anybody_likes(void **state)
{
    struct world *world = *state;

    world_listen(world, HAWSER_LISTEN(.handshake_timeout_us = INT64_MAX, .linger_us = INT64_MAX,
                                      .keep_alive_us = INT64_MAX, .dead_after_us = INT64_MAX));
    world_associate(world, HAWSER_ASSOCIATE(.timeout_us = INT64_MAX, .linger_us = INT64_MAX, .keep_alive_us = INT64_MAX,
                                            .dead_after_us = INT64_MAX));
    assert_int_equal(hawser_send(world->client.line, "slow", 4, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, 0);
}

static void a_name_may_be_looked_up_for_ever(void **state)
{
    char endpoint[64], named[64];
    int fd = silent_server(endpoint, sizeof endpoint), got = -1;

    (void)state;
    snprintf(named, sizeof named, "localhost%s", strchr(endpoint, ':'));
    assert_int_equal(hawser_connect(named, HAWSER_CONNECT(.timeout_us = INT64_MAX, .state_dir = ""), &got, NULL), 0);
    close(got);
    close(fd);
}

static void a_socket_is_no_session(void **state)
{
    hawser_properties *session = PROPERTIES("session", "require");
    int fd;

    (void)state;
    assert_int_equal(hawser_connect("127.0.0.1:1", HAWSER_CONNECT(.properties = session, .state_dir = ""), &fd, NULL),
                     -HAWSER_EPROPERTY);
    hawser_properties_unref(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_key_is_not_forgotten_without_encryption),
        api_test(a_verification_rules_out_what_has_none),
        api_test(a_listener_that_verifies_takes_nobody_without_encryption),
        api_test(an_interface_is_prohibited_for_every_endpoint),
        api_test(a_proxy_is_demanded_for_every_endpoint),
        api_test(a_proxy_of_the_program_is_not_around_the_policys),
        api_test(names_that_no_protocol_can_have),
        api_test(times_may_be_as_long_as_anybody_likes),
        api_test(a_name_may_be_looked_up_for_ever),
        api_test(a_socket_is_no_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
