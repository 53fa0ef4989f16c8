/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up host names: hosts(5) and localhost come first, name servers are asked for both families at once, every way
 * a server can fail ends in one answer with a reason, and cancelling leaves nothing behind. The name server is a toy on
 * the same loop, so nothing but the loop can wait, and no thread can help.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>

#include "endpoint/addresses.h"
#include "endpoint/endpoint.h"
#include "endpoint/resolver.h"
#include "dns_server.h"

#define SECOND INT64_C(1000000)

static const struct dns_entry entries[] = {
    {.name = "both.example", .v4 = {"192.0.2.1", "192.0.2.2", "192.0.2.3"}, .v6 = {"2001:db8::1", "2001:db8::2"}},
    {.name = "four.example", .v4 = {"192.0.2.4"}},
    {.name = "six.example", .v6 = {"2001:db8::6"}},
    {.name = "fresh.example", .v4 = {"192.0.2.12"}, .v6 = {"2001:db8::12"}, .v4_not_kept = true},
    {.name = "none.example"},
    {.name = "failing.example", .how = DNS_CODE, .code = 2},
    {.name = "refused.example", .how = DNS_CODE, .code = 5},
    {.name = "silent.example", .how = DNS_SILENT},
    {.name = "half.example", .how = DNS_SILENT_AAAA, .v4 = {"192.0.2.5"}},
    {.name = "alias.example", .alias = "both.example", .with_target = true},
    {.name = "far.example", .alias = "four.example"},
    {.name = "lost.example", .alias = "nowhere.example"},
    {.name = "ring.example", .alias = "ring2.example"},
    {.name = "ring2.example", .alias = "ring.example"},
    {.name = "rubbish.example", .how = DNS_RUBBISH},
    {.name = "large.example", .how = DNS_BY_TCP, .v4 = {"192.0.2.11"}, .v6 = {"2001:db8::11"}},
    {.name = "cut.example", .how = DNS_CUT, .v4 = {"192.0.2.6"}, .v6 = {"2001:db8::7"}},
    {.name = "many.example",
     .v4 = {"10.0.0.1",  "10.0.0.2",  "10.0.0.3",  "10.0.0.4",  "10.0.0.5",  "10.0.0.6",  "10.0.0.7",
            "10.0.0.8",  "10.0.0.9",  "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14",
            "10.0.0.15", "10.0.0.16", "10.0.0.17", "10.0.0.18", "10.0.0.19", "10.0.0.20"}},
    {.name = "nas.home.arpa", .v4 = {"192.168.1.9"}},
    {.name = "box.test", .v4 = {"10.1.2.3"}},
    {.name = "short.second.example", .v4 = {"192.0.2.7"}},
    {.name = "short", .v4 = {"192.0.2.8"}},
    {.name = "listed.example", .v4 = {"192.0.2.9"}}, /* hosts(5) says otherwise */
    {.name = "proved.example", .v4 = {"192.0.2.10"}, .v6 = {"2001:db8::10"}},
    {.name = NULL},
};

static const struct dns_entry moved_entries[] = {{.name = "four.example", .v4 = {"192.0.2.44"}}, {.name = NULL}};

struct fixture {
    hawser_context *context;
    struct dns_server server;
    char directory[64], hosts[96], conf[96], anchors[96];
};

struct outcome {
    struct fixture *fixture;
    struct resolution *resolution; /* cancelled inside answered() */
    struct resolution *other;      /* the same */
    struct addresses addresses;
    unsigned calls; /* last answers */
    int code;
    int64_t first;                /* when the first address came */
    char text[1200], reason[300]; /* "address address" */
};

static void write_file(const char *name, const char *format, ...)
{
    FILE *file = fopen(name, "we");
    va_list arguments;

    assert_non_null(file);
    va_start(arguments, format);
    assert_true(vfprintf(file, format, arguments) >= 0);
    va_end(arguments);
    assert_int_equal(fclose(file), 0);
}

/* The system's own resolver knows nothing: it is for tests/unit/test_services.c. */
static int no_system(const char *host, const char *service, const struct addrinfo *wanted, struct addrinfo **ret_list)
{
    (void)host, (void)service, (void)wanted, (void)ret_list;
    return EAI_NONAME;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    strcpy(f->directory, "/tmp/test_resolve.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->hosts, sizeof f->hosts, "%s/hosts", f->directory);
    snprintf(f->conf, sizeof f->conf, "%s/resolv.conf", f->directory);
    snprintf(f->anchors, sizeof f->anchors, "%s/anchors", f->directory);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &f->context), 0);
    dns_server_start(&f->server, f->context, entries);
    write_file(f->hosts, "# nothing yet\n");
    write_file(f->conf, "search first.example second.example\nnameserver 127.0.0.1@%u\n", f->server.port);
    assert_int_equal(
        resolver_set_files(f->context,
                           &(struct resolver_files){.hosts = f->hosts, .resolv_conf = f->conf, .system = no_system}),
        0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->context) {
        dns_server_stop(&f->server);
        hawser_context_unref(f->context);
    }
    remove(f->hosts);
    remove(f->conf);
    remove(f->anchors);
    assert_int_equal(remove(f->directory), 0);
    free(f);
    return 0;
}

/* IPv6 and IPv4 take turns, each in the order in which they came. */
static void write_found(struct outcome *outcome)
{
    struct layer_address list[ADDRESSES_MAX];
    size_t count = addresses_interleave(&outcome->addresses, list);

    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(outcome->text);

        snprintf(outcome->text + length, sizeof outcome->text - length, i ? " " : "%s", "");
        length = strlen(outcome->text);
        endpoint_print_address(&list[i], outcome->text + length, sizeof outcome->text - length);
    }
}

static void on_answer(void *user, const struct resolve_answer *answer)
{
    struct outcome *outcome = user;

    assert_int_equal(outcome->calls, 0); /* nothing comes after the last */
    for (size_t i = 0; i < answer->found_count; i++) {
        const struct sockaddr_storage *address = &answer->found[i].address.address;
        struct sockaddr_in6 v6;
        struct sockaddr_in v4;

        if (address->ss_family == AF_INET6) {
            memcpy(&v6, address, sizeof v6);
            addresses_add_v6(&outcome->addresses, &v6.sin6_addr, v6.sin6_scope_id);
        } else {
            memcpy(&v4, address, sizeof v4);
            addresses_add_v4(&outcome->addresses, &v4.sin_addr);
        }
    }
    if (!outcome->first && answer->found_count)
        outcome->first = hawser_now(outcome->fixture->context);
    if (answer->last) {
        outcome->calls++;
        write_found(outcome);
        outcome->code = *outcome->text ? 0 : answer->code;
        snprintf(outcome->reason, sizeof outcome->reason, "%s", *outcome->text ? "" : answer->reason);
    }
    if (outcome->resolution)
        resolve_cancel(outcome->resolution);
    if (outcome->other)
        resolve_cancel(outcome->other);
}

static int start(struct fixture *f, const char *host, int64_t timeout_us, struct outcome *outcome,
                 struct resolution **ret_resolution)
{
    struct endpoint endpoint = {.kind = ENDPOINT_HOST, .port = 80, .fd = -1};

    *outcome = (struct outcome){.fixture = f};
    addresses_init(&outcome->addresses, 80);
    snprintf(endpoint.host, sizeof endpoint.host, "%s", host);
    (void)host_name_check(host, endpoint.host); /* as endpoint_parse() does */
    return resolve_start(f->context,
                         &(struct resolve_config){
                             .endpoint = &endpoint, .timeout_us = timeout_us, .answered = on_answer, .user = outcome},
                         ret_resolution);
}

static struct resolution *begin(struct fixture *f, const char *host, int64_t timeout_us, struct outcome *outcome)
{
    struct resolution *resolution = NULL;

    assert_int_equal(start(f, host, timeout_us, outcome, &resolution), 0);
    assert_non_null(resolution);
    assert_int_equal(outcome->calls, 0); /* never inside the call, whatever is known already */
    assert_int_equal(addresses_count(&outcome->addresses), 0);
    return resolution;
}

/* Runs the loop until there is an answer. */
static void finish(struct outcome *outcome)
{
    while (!outcome->calls)
        assert_true(hawser_iterate(outcome->fixture->context, 20 * SECOND) > 0);
    assert_int_equal(outcome->calls, 1);
}

static struct outcome look_up(struct fixture *f, const char *host)
{
    struct outcome outcome;

    begin(f, host, 10 * SECOND, &outcome);
    finish(&outcome);
    return outcome;
}

static void assert_found(struct fixture *f, const char *host, const char *wanted)
{
    struct outcome outcome = look_up(f, host);

    if (outcome.code != 0)
        fail_msg("%s: %s", host, outcome.reason);
    assert_string_equal(outcome.text, wanted);
    assert_string_equal(outcome.reason, "");
}

static void assert_failed(struct fixture *f, const char *host, const char *reason)
{
    struct outcome outcome = look_up(f, host);

    assert_int_equal(outcome.code, -HAWSER_ERESOLVE);
    assert_string_equal(outcome.text, "");
    if (!strstr(outcome.reason, reason) || !strstr(outcome.reason, host))
        fail_msg("%s: \"%s\" does not say \"%s\"", host, outcome.reason, reason);
}

static void test_answers(void **state)
{
    struct fixture *f = *state;
    struct outcome many;

    assert_found(f, "both.example", "[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80 192.0.2.2:80 192.0.2.3:80");
    assert_int_equal(f->server.questions, 2);
    assert_found(f, "Both.Example.", "[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80 192.0.2.2:80 192.0.2.3:80");
    assert_int_equal(f->server.questions, 2); /* remembered for its time to live */
    assert_found(f, "four.example", "192.0.2.4:80");
    assert_found(f, "six.example", "[2001:db8::6]:80");
    assert_found(f, "alias.example", "[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80 192.0.2.2:80 192.0.2.3:80");
    assert_found(f, "far.example", "192.0.2.4:80");
    assert_found(f, "nas.home.arpa", "192.168.1.9:80");
    assert_found(f, "box.test", "10.1.2.3:80");
    assert_found(f, "fresh.example", "[2001:db8::12]:80 192.0.2.12:80");
    assert_found(f, "fresh.example", "[2001:db8::12]:80 192.0.2.12:80"); /* half at once, half asked for again */
    many = look_up(f, "many.example");
    assert_int_equal(many.code, 0);
    assert_null(strstr(many.text, "10.0.0.17:"));
    assert_non_null(strstr(many.text, "10.0.0.16:"));
}

static void test_failures(void **state)
{
    struct fixture *f = *state;

    assert_failed(f, "no-such.example", "there is no host");
    assert_failed(f, "none.example", "neither an IPv6 nor an IPv4 address");
    assert_failed(f, "lost.example", "there is no host");
    assert_failed(f, "failing.example", "failed to look up");
    assert_failed(f, "refused.example", "failed to look up");
    assert_failed(f, "ring.example", "failed to look up");
    assert_failed(f, "x.invalid", "there is no host");
    assert_found(f, "four.example", "192.0.2.4:80"); /* and no failure stays */
}

/* What is no DNS, or half of it, is never taken for an answer, and ends in time. */
static void test_rubbish(void **state)
{
    static const char *const hosts[] = {"rubbish.example", "cut.example"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct outcome outcome;

        begin(f, hosts[i], 2 * SECOND, &outcome);
        finish(&outcome);
        assert_true(outcome.code == -HAWSER_ERESOLVE || outcome.code == -ETIMEDOUT);
        assert_non_null(strstr(outcome.reason, hosts[i]));
        assert_string_equal(outcome.text, "");
    }
    assert_found(f, "four.example", "192.0.2.4:80");
}

static void test_silence(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome;
    int64_t start = hawser_now(f->context);

    begin(f, "silent.example", SECOND / 2, &outcome);
    finish(&outcome);
    assert_int_equal(outcome.code, -ETIMEDOUT);
    assert_string_equal(outcome.reason, "no name server answered for the host silent.example within 0.5 s");
    assert_true(hawser_now(f->context) - start >= SECOND / 2);
    assert_true(f->server.questions >= 2); /* both were asked */
    assert_found(f, "four.example", "192.0.2.4:80");
}

/* A truncated answer is asked for again over TCP, where it comes in pieces. */
static void test_tcp(void **state)
{
    struct fixture *f = *state;

    assert_found(f, "large.example", "[2001:db8::11]:80 192.0.2.11:80");
    assert_int_equal(f->server.questions, 4);
}

/* A family that is never answered does not hold up the other for the whole time. */
static void test_half_silence(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome;
    int64_t start = hawser_now(f->context);

    begin(f, "half.example", 2 * SECOND, &outcome);
    finish(&outcome);
    assert_int_equal(outcome.code, 0);
    assert_string_equal(outcome.text, "192.0.2.5:80");
    assert_true(outcome.first - start < SECOND);
}

static void test_localhost(void **state)
{
    struct fixture *f = *state;

    write_file(f->hosts, "192.0.2.99 localhost\n");
    assert_found(f, "localhost", "[::1]:80 127.0.0.1:80");
    assert_found(f, "a.LOCALHOST.", "[::1]:80 127.0.0.1:80");
    assert_int_equal(f->server.questions, 0);
}

static void test_hosts(void **state)
{
    struct fixture *f = *state;

    write_file(f->hosts,
               "# 192.0.2.50 listed.example\n"
               "192.0.2.51\tfirst Listed.Example # 192.0.2.52 listed.example\n"
               "\n"
               "not-an-address listed.example\n"
               "192.0.2.51 listed.example\n"
               "2001:db8::51 listed.example. other\n"
               "fe80::1%%lo link.example\n"
               "192.0.2.53 unlisted.example.org xlisted.example listed.examplex\n"
               "192.0.2.54 x %12000s listed.example\n" /* longer than any line that is read */
               "192.0.2.55 last",
               "192.0.2.57");
    assert_found(f, "listed.example", "[2001:db8::51]:80 192.0.2.51:80");
    assert_found(f, "link.example", "[fe80::1%lo]:80");
    assert_found(f, "last", "192.0.2.55:80");
    assert_int_equal(f->server.questions, 0);
    write_file(f->hosts, "192.0.2.56 listed.example\n"); /* a change counts at once */
    assert_found(f, "listed.example", "192.0.2.56:80");
    assert_int_equal(remove(f->hosts), 0); /* and so does its end */
    assert_found(f, "listed.example", "192.0.2.9:80");
}

static void test_search_list(void **state)
{
    struct fixture *f = *state;

    assert_found(f, "short", "192.0.2.7:80"); /* short.second.example before short */
    write_file(f->conf, "nameserver 127.0.0.1@%u\n", f->server.port);
    assert_found(f, "short", "192.0.2.8:80");
    write_file(f->conf, "domain second.example\noptions debug ndots:0\nnameserver 127.0.0.1@%u\n", f->server.port);
    assert_found(f, "short", "192.0.2.8:80"); /* it has its zero dots */
    write_file(f->conf, "domain second.example\nsearch example\noptions ndots:3\nnameserver 127.0.0.1@%u\n",
               f->server.port);
    assert_found(f, "short.second", "192.0.2.7:80");
}

static void test_resolv_conf(void **state)
{
    static const char text[] = "; comment\n"
                               "nameserver 192.0.2.1 # the first\n"
                               "nameserver fe80::1%lo\n"
                               "nameserver example.org\n"
                               "nameserver 192.0.2.1@70000\n"
                               "nameserverx 192.0.2.9\n"
                               "nameserver\n"
                               "  nameserver 2001:db8::1@5353\n"
                               "nameserver 192.0.2.4\n" /* one too many */
                               "search a.example -wrong- b.example\n"
                               "options timeout:1 ndots:99\n";
    struct fixture *f = *state;
    struct resolv_conf conf;

    write_file(f->conf, "%s", text);
    resolv_conf_read(f->conf, &conf);
    assert_int_equal(conf.server_count, 3);
    assert_string_equal(conf.server[0], "192.0.2.1");
    assert_string_equal(conf.server[1], "fe80::1%lo");
    assert_string_equal(conf.server[2], "2001:db8::1@5353");
    assert_int_equal(conf.search_count, 2);
    assert_string_equal(conf.search[0], "a.example");
    assert_string_equal(conf.search[1], "b.example");
    assert_int_equal(conf.ndots, RESOLV_NDOTS_MAX);
    assert_int_equal(remove(f->conf), 0);
    resolv_conf_read(f->conf, &conf);
    assert_int_equal(conf.server_count, 1);
    assert_string_equal(conf.server[0], "127.0.0.1");
    assert_int_equal(conf.ndots, 1);
}

/* The servers of a new network are asked as soon as resolv.conf names them. */
static void test_change_of_network(void **state)
{
    struct fixture *f = *state;
    struct dns_server moved;

    assert_found(f, "four.example", "192.0.2.4:80");
    dns_server_start(&moved, f->context, moved_entries);
    write_file(f->conf, "nameserver 127.0.0.1@%u\n# moved\n", moved.port);
    assert_found(f, "four.example", "192.0.2.44:80");
    dns_server_stop(&moved);
}

/* Answers without proof, from a zone that has a trust anchor, carry addresses all the same: they are not used. */
static void test_bogus(void **state)
{
    struct fixture *f = *state;

    write_file(f->anchors, "proved.example. 3600 IN DS 12345 8 2 %064d\n", 7);
    assert_int_equal(resolver_set_files(f->context, &(struct resolver_files){.hosts = f->hosts,
                                                                             .resolv_conf = f->conf,
                                                                             .system = no_system,
                                                                             .trust_anchors = f->anchors}),
                     0);
    assert_failed(f, "proved.example", "DNSSEC proves it false");
    assert_found(f, "four.example", "192.0.2.4:80"); /* has no anchor above it */
}

static void test_cancel(void **state)
{
    static const char *const hosts[] = {"localhost", "both.example", "silent.example", "short"};
    struct fixture *f = *state;
    struct outcome outcome, second;

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        resolve_cancel(begin(f, hosts[i], SECOND, &outcome)); /* before anything happened */
        struct resolution *resolution = begin(f, hosts[i], SECOND, &second);
        if (hawser_iterate(f->context, 0) >= 0 && !second.calls)
            resolve_cancel(resolution); /* on its way */
        second.calls = 0;
        /* What was asked for is answered after it was cancelled, and reaches nobody. */
        assert_found(f, "four.example", "192.0.2.4:80");
        assert_int_equal(outcome.calls, 0);
        assert_int_equal(second.calls, 0);
    }
}

/* Inside answered(), of itself, and of another that would have been answered in the same dispatch. */
static void test_cancel_inside(void **state)
{
    struct fixture *f = *state;
    struct outcome first, second;

    struct resolution *one = begin(f, "localhost", SECOND, &first), *two = begin(f, "localhost", SECOND, &second);
    first.resolution = one;
    first.other = two;
    finish(&first);
    assert_found(f, "four.example", "192.0.2.4:80");
    assert_int_equal(second.calls, 0);
}

static void test_many_at_once(void **state)
{
    enum { MANY = 100 };
    struct fixture *f = *state;
    struct outcome outcomes[MANY];
    char name[64];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, i % 2 ? "both.example" : "no-such-%d.example", i);
        begin(f, name, 20 * SECOND, &outcomes[i]);
    }
    for (int i = 0; i < MANY; i++) {
        finish(&outcomes[i]);
        assert_int_equal(outcomes[i].code, i % 2 ? 0 : -HAWSER_ERESOLVE);
    }
}

static unsigned entries_of(const char *directory)
{
    DIR *stream = opendir(directory);
    unsigned count = 0;

    assert_non_null(stream);
    while (readdir(stream))
        count++;
    closedir(stream);
    return count;
}

/* The end of a context takes the questions under way with it; no thread ran, no descriptor stays. */
static void test_end_of_context(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome, second;
    unsigned threads = entries_of("/proc/self/task"), descriptors;

    dns_server_stop(&f->server);
    hawser_context_unref(f->context);
    descriptors = entries_of("/proc/self/fd");
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &f->context), 0);
    dns_server_start(&f->server, f->context, entries);
    write_file(f->conf, "nameserver 127.0.0.1@%u\n", f->server.port);
    assert_int_equal(
        resolver_set_files(f->context,
                           &(struct resolver_files){.hosts = f->hosts, .resolv_conf = f->conf, .system = no_system}),
        0);
    begin(f, "silent.example", 60 * SECOND, &outcome);
    begin(f, "localhost", 60 * SECOND, &second);
    hawser_iterate(f->context, 0);
    assert_int_equal(entries_of("/proc/self/task"), threads);
    dns_server_stop(&f->server);
    hawser_context_unref(f->context);
    f->context = NULL;
    assert_int_equal(outcome.calls, 0);
    assert_int_equal(entries_of("/proc/self/fd"), descriptors);
}

static void test_wrong_arguments(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome;
    struct resolution *resolution = NULL;

    assert_int_equal(start(f, "a b", SECOND, &outcome, &resolution), -EINVAL);
    assert_int_equal(start(f, "a.example", 0, &outcome, &resolution), -EINVAL);
    assert_null(resolution);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers),         TEST(test_failures),      TEST(test_rubbish),           TEST(test_tcp),
        TEST(test_silence),         TEST(test_half_silence),  TEST(test_localhost),         TEST(test_hosts),
        TEST(test_search_list),     TEST(test_resolv_conf),   TEST(test_change_of_network), TEST(test_bogus),
        TEST(test_cancel),          TEST(test_cancel_inside), TEST(test_many_at_once),      TEST(test_end_of_context),
        TEST(test_wrong_arguments),
    };

    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
