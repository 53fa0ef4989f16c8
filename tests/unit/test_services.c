/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names lead to, answer by answer: HTTPS and SVCB records with their hints, aliases and rules, SRV records with
 * priority and weight, the order of the questions and their number, times to live, and the system's own resolver as the
 * last resort. The name server is a toy on the same loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "endpoint/resolver.h"
#include "dns_server.h"

#define SECOND INT64_C(1000000)
#define HTTPS(bytes) DNS_EXTRA(DNS_HTTPS, 60, bytes)
#define SRV(bytes) DNS_EXTRA(DNS_SRV, 60, bytes)
#define SVC_EXAMPLE "\3svc\7example\0"
#define ALPN_H2 "\0\1\0\3\2h2"

static const struct dns_entry entries[] = {
    {.name = "plain.example", .v4 = {"192.0.2.1"}, .v6 = {"2001:db8::1"}},
    {.name = "own.example", .v4 = {"192.0.2.2"}, .v6 = {"2001:db8::2"}, .extra = {HTTPS("\0\1\0" ALPN_H2)}},
    {.name = "own-port.example", .v4 = {"192.0.2.2"}, .extra = {HTTPS("\0\1\0" ALPN_H2 "\0\3\0\2\x20\xfb")}},
    {.name = "no-default.example", .v4 = {"192.0.2.2"}, .extra = {HTTPS("\0\1\0\0\1\0\3\2h3\0\2\0\0")}},
    {.name = "elsewhere.example",
     .v4 = {"192.0.2.3"},
     .extra = {HTTPS("\0\2\0"), HTTPS("\0\1" SVC_EXAMPLE ALPN_H2 "\0\3\0\2\x20\xfb")}},
    {.name = "svc.example", .v4 = {"192.0.2.4"}, .v6 = {"2001:db8::4"}},
    {.name = "hinted.example",
     .v4 = {"192.0.2.5"},
     .late_type = DNS_A,
     .late_us = 100000,
     .extra = {HTTPS("\0\1\0" ALPN_H2 "\0\4\0\x08\xc0\0\2\5\xc0\0\2\6")}},
    {.name = "late-service.example",
     .v4 = {"192.0.2.7"},
     .late_type = DNS_HTTPS,
     .late_us = 100000,
     .extra = {HTTPS("\0\1\0" ALPN_H2)}},
    {.name = "alias.example", .v4 = {"192.0.2.8"}, .extra = {HTTPS("\0\0\3own\7example\0")}},
    {.name = "alias-plain.example", .v4 = {"192.0.2.8"}, .extra = {HTTPS("\0\0\5plain\7example\0")}},
    {.name = "alias-none.example", .v4 = {"192.0.2.8"}, .extra = {HTTPS("\0\0\0")}},
    {.name = "alias-ring.example", .v4 = {"192.0.2.8"}, .extra = {HTTPS("\0\0\12alias-ring\7example\0")}},
    {.name = "mandatory.example", .v4 = {"192.0.2.9"}, .extra = {HTTPS("\0\1\0\0\0\0\2\0\x63\0\x63\0\1x")}},
    {.name = "mandatory-port.example", .v4 = {"192.0.2.9"}, .extra = {HTTPS("\0\1\0\0\0\0\2\0\3\0\3\0\2\0\x50")}},
    {.name = "malformed.example", .v4 = {"192.0.2.10"}, .extra = {HTTPS("\0\1\0" ALPN_H2), HTTPS("\0\2\0\0\3\0\1\0")}},
    {.name = "_8443._https.other-port.example", .extra = {HTTPS("\0\1\5plain\7example\0" ALPN_H2)}},
    {.name = "other-port.example", .v4 = {"192.0.2.11"}},
    {.name = "_4433._hawser.scheme.example",
     .extra = {DNS_EXTRA(DNS_SVCB, 60, "\0\1\6scheme\7example\0\0\1\0\x09\x08hawser/1\0\4\0\4\xc0\0\2\x0c")}},
    {.name = "scheme.example", .v4 = {"192.0.2.12"}},
    {.name = "_hawser._tcp.example",
     .extra = {SRV("\0\2\0\0\0\x50\5plain\7example\0"), SRV("\0\1\0\0\x11\x51\3svc\7example\0")}},
    {.name = "_two._tcp.example",
     .extra = {SRV("\0\1\0\0\0\1\5plain\7example\0"), SRV("\0\1\x80\0\0\2\3svc\7example\0")}},
    {.name = "_none._tcp.example", .extra = {SRV("\0\0\0\0\0\0\0")}},
    {.name = "_lost._tcp.example", .extra = {SRV("\0\0\0\0\0\1\7nowhere\7example\0")}},
    {.name = "_odd._tcp.example", .extra = {SRV("\0\0\0\0\0\1\3a b\0")}},
    {.name = "_cut._tcp.example", .extra = {SRV("\0\0\0\0\0\1")}},
    {.name = "_listed._tcp.example", .extra = {SRV("\0\0\0\0\0\1\6listed\7example\0")}},
    {.name = "My Printer._ipp._tcp.example", .extra = {SRV("\0\0\0\0\2\x77\3svc\7example\0")}},
    {.name = "brief.example", .v4 = {"192.0.2.20"}, .ttl = 1},
    {.name = "fleeting.example", .v4 = {"192.0.2.22"}, .v4_not_kept = true},
    {.name = "slow.example", .v4 = {"192.0.2.24"}, .v6 = {"2001:db8::24"}, .late_type = DNS_AAAA, .late_us = 150000},
    {.name = "old.example", .how = DNS_OLD, .v4 = {"192.0.2.25"}},
    {.name = "forged.example", .how = DNS_FORGED, .v4 = {"192.0.2.26"}, .v6 = {"2001:db8::26"}},
    {.name = "silent.example", .how = DNS_SILENT},
    {.name = "failing.example", .how = DNS_CODE, .code = 2},
    {.name = NULL},
};

static const struct dns_entry later_entries[] = {
    {.name = "brief.example", .v4 = {"192.0.2.21"}, .ttl = 1},
    {.name = "fleeting.example", .v4 = {"192.0.2.23"}, .v4_not_kept = true},
    {.name = NULL},
};

struct fixture {
    hawser_context *context;
    struct dns_server server;
    char directory[64], hosts[96], conf[96], nsswitch[96];
};

/* What was told: "HTTPS 1 +192.0.2.1:443#1(h2) -192.0.2.1:443; A 4 ...; last". */
struct story {
    struct fixture *fixture;
    struct resolution *resolution;
    char text[4000], reason[400], results[2000];
    int code;
    int64_t expires;
    unsigned told; /* bits */
    bool ended;
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

/* What getaddrinfo() is here: on the worker, with answers of its own. */
static int system_answer(const char *host, const char *service, const struct addrinfo *wanted,
                         struct addrinfo **ret_list)
{
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};

    assert_null(service);
    assert_int_equal(wanted->ai_socktype, SOCK_STREAM);
    return strstr(host, "nobody") ? EAI_NONAME : getaddrinfo("192.0.2.99", NULL, &numeric, ret_list);
}

static void set_files(struct fixture *f)
{
    assert_int_equal(resolver_set_files(f->context, &(struct resolver_files){.hosts = f->hosts,
                                                                             .resolv_conf = f->conf,
                                                                             .nsswitch = f->nsswitch,
                                                                             .trust_anchors = "",
                                                                             .system = system_answer}),
                     0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    strcpy(f->directory, "/tmp/test_services.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->hosts, sizeof f->hosts, "%s/hosts", f->directory);
    snprintf(f->conf, sizeof f->conf, "%s/resolv.conf", f->directory);
    snprintf(f->nsswitch, sizeof f->nsswitch, "%s/nsswitch.conf", f->directory);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &f->context), 0);
    dns_server_start(&f->server, f->context, entries);
    write_file(f->hosts, "192.0.2.50 listed.example\n");
    write_file(f->conf, "nameserver 127.0.0.1@%u\n", f->server.port);
    write_file(f->nsswitch, "passwd: ldap\nhosts: files dns # ldap\n");
    set_files(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    dns_server_stop(&f->server);
    hawser_context_unref(f->context);
    remove(f->hosts);
    remove(f->conf);
    remove(f->nsswitch);
    assert_int_equal(remove(f->directory), 0);
    free(f);
    return 0;
}

__attribute__((format(printf, 2, 3))) static void append(struct story *story, const char *format, ...)
{
    size_t length = strlen(story->text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(story->text + length, sizeof story->text - length, format, arguments);
    va_end(arguments);
}

static void append_found(struct story *story, char sign, const struct found *found)
{
    char address[96];

    endpoint_print_address(&found->address, address, sizeof address);
    append(story, " %c%s", sign, address);
    if (found->rank == RESOLVE_RANK_BESIDE)
        append(story, "#beside");
    else if (found->rank == RESOLVE_RANK_ALIAS)
        append(story, "#alias");
    else if (found->rank)
        append(story, "#%u", found->rank);
    if (*found->alpn[0])
        append(story, "(%s)", found->alpn[0]);
    if (found->hint)
        append(story, "?");
}

static void on_answer(void *user, const struct resolve_answer *answer)
{
    struct story *story = user;
    size_t length = strlen(story->results);

    assert_false(story->ended);
    assert_int_equal(story->told & answer->questions, 0); /* each is told once */
    story->told |= answer->questions;
    append(story, "%s%s %u", *story->text ? "; " : "", answer->lookup.question, answer->questions);
    for (size_t i = 0; i < answer->found_count; i++) {
        append_found(story, '+', &answer->found[i]);
        story->expires = answer->found[i].expires;
    }
    for (size_t i = 0; i < answer->gone_count; i++)
        append_found(story, '-', &answer->gone[i]);
    assert_true(answer->lookup.start_us <= answer->lookup.end_us);
    snprintf(story->results + length, sizeof story->results - length, "%s: %s\n", answer->lookup.name,
             answer->lookup.result);
    if (answer->last) {
        story->code = answer->code;
        snprintf(story->reason, sizeof story->reason, "%s", answer->reason);
        story->ended = true;
    }
}

static struct resolve_config config_of(struct endpoint *endpoint, const char *text)
{
    char reason[256];

    if (endpoint_parse(text, endpoint, reason, sizeof reason) < 0)
        fail_msg("%s: %s", text, reason);
    return (struct resolve_config){.endpoint = endpoint, .timeout_us = 10 * SECOND, .answered = on_answer};
}

static void begin(struct fixture *f, struct resolve_config *config, struct story *story)
{
    *story = (struct story){.fixture = f};
    config->user = story;
    f->server.questions = 0;
    *f->server.asked = '\0';
    assert_int_equal(resolve_start(f->context, config, &story->resolution), 0);
    assert_string_equal(story->text, ""); /* nothing from inside */
}

static void finish(struct story *story)
{
    while (!story->ended)
        assert_true(hawser_iterate(story->fixture->context, 20 * SECOND) > 0);
}

static struct story tell(struct fixture *f, struct resolve_config config)
{
    struct story story;

    begin(f, &config, &story);
    finish(&story);
    assert_int_equal(story.told, (config.families ? config.families : 6) | (config.https || config.scheme ? 1U : 0));
    return story;
}

static struct story https(struct fixture *f, const char *text)
{
    struct endpoint endpoint;
    struct resolve_config config = config_of(&endpoint, text);

    config.https = true;
    return tell(f, config);
}

static struct story plain(struct fixture *f, const char *text)
{
    struct endpoint endpoint;

    return tell(f, config_of(&endpoint, text));
}

/* HTTPS, then AAAA, then A, and no question more: what getaddrinfo() asks, and one for the records (S3.19). */
static void test_questions(void **state)
{
    struct fixture *f = *state;
    struct endpoint endpoint;
    struct resolve_config config;

    assert_string_equal(plain(f, "plain.example:80").text, "AAAA 2 +[2001:db8::1]:80; A 4 +192.0.2.1:80");
    assert_string_equal(f->server.asked, "AAAA plain.example; A plain.example; ");
    assert_string_equal(https(f, "own.example:443").text,
                        "HTTPS 0; AAAA 3 +[2001:db8::2]:443#1(h2); A 4 +192.0.2.2:443#1(h2)");
    assert_string_equal(f->server.asked, "HTTPS own.example; AAAA own.example; A own.example; ");
    config = config_of(&endpoint, "svc.example:80");
    config.families = 4;
    assert_string_equal(tell(f, config).text, "A 4 +192.0.2.4:80");
    assert_string_equal(f->server.asked, "A svc.example; ");
    assert_string_equal(plain(f, "listed.example:80").text, "hosts 6 +192.0.2.50:80");
    config = config_of(&endpoint, "localhost:80");
    config.families = 2;
    assert_string_equal(tell(f, config).text, "hosts 2 +[::1]:80");
    assert_string_equal(f->server.asked, "");
}

static void test_answers_as_they_come(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(plain(f, "slow.example:80").text, "A 4 +192.0.2.24:80; AAAA 2 +[2001:db8::24]:80");
}

static void test_https_records(void **state)
{
    static const char *const table[][2] = {
        {"plain.example:443", "HTTPS 1; AAAA 2 +[2001:db8::1]:443; A 4 +192.0.2.1:443"},
        {"own-port.example:443", "HTTPS 0; AAAA 2; A 5 +192.0.2.2:8443#1(h2) +192.0.2.2:443#beside"},
        {"no-default.example:443", "HTTPS 0; AAAA 2; A 5 +192.0.2.2:443#1(h3) +192.0.2.2:443#beside"},
        {"elsewhere.example:443", "HTTPS 0; AAAA 0; A 0 +192.0.2.3:443#2; AAAA 3 +[2001:db8::4]:8443#1(h2); "
                                  "A 4 +192.0.2.4:8443#1(h2)"},
        {"alias.example:443", "HTTPS 0; AAAA 0; A 0 +192.0.2.8:443#beside; HTTPS 0; AAAA 3 +[2001:db8::2]:443#1(h2); "
                              "A 4 +192.0.2.2:443#1(h2)"},
        {"alias-plain.example:443", "HTTPS 0; AAAA 0; A 0 +192.0.2.8:443#beside; HTTPS 0; "
                                    "AAAA 3 +[2001:db8::1]:443#alias; A 4 +192.0.2.1:443#alias"},
        {"alias-none.example:443", "HTTPS 1; AAAA 2; A 4 +192.0.2.8:443"},
        {"mandatory.example:443", "HTTPS 1; AAAA 2; A 4 +192.0.2.9:443"},
        {"mandatory-port.example:443", "HTTPS 0; AAAA 2; A 5 +192.0.2.9:80#1 +192.0.2.9:443#beside"},
        {"malformed.example:443", "HTTPS 1; AAAA 2; A 4 +192.0.2.10:443"},
        {"other-port.example:8443", "HTTPS 0; AAAA 0; A 0 +192.0.2.11:8443#beside; AAAA 3 +[2001:db8::1]:8443#1(h2); "
                                    "A 4 +192.0.2.1:8443#1(h2)"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct story story;

        set_files(f); /* nothing is remembered, so that the answers come in the order of the questions */
        story = https(f, table[i][0]);
        if (strcmp(story.text, table[i][1]) != 0)
            fail_msg("%s:\n%s\nnot\n%s\n%s", table[i][0], story.text, table[i][1], story.results);
    }
    assert_non_null(strstr(https(f, "malformed.example:443").results, "malformed"));
    assert_non_null(strstr(https(f, "mandatory.example:443").results, "can be used here"));
    assert_non_null(strstr(https(f, "alias-ring.example:443").results, "from alias to alias, more than 8"));
}

static void test_svcb_of_a_scheme(void **state)
{
    struct fixture *f = *state;
    struct endpoint endpoint;
    struct resolve_config config = config_of(&endpoint, "scheme.example:4433");

    config.scheme = "hawser";
    assert_string_equal(tell(f, config).text,
                        "SVCB 1 +192.0.2.12:4433#1(hawser/1)?; AAAA 2; A 4"); /* the hint came true */
    assert_string_equal(f->server.asked, "SVCB _4433._hawser.scheme.example; AAAA scheme.example; A scheme.example; ");
}

static void test_hints(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(https(f, "hinted.example:443").text,
                        "HTTPS 1 +192.0.2.5:443#1(h2)? +192.0.2.6:443#1(h2)?; AAAA 2; A 4 -192.0.2.6:443#1(h2)?");
}

/* Addresses that were told before the record are told again with what it says. */
static void test_late_record(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(https(f, "late-service.example:443").text,
                        "AAAA 2; A 4 +192.0.2.7:443; HTTPS 1 +192.0.2.7:443#1(h2) -192.0.2.7:443");
}

static void test_srv(void **state)
{
    struct fixture *f = *state;
    struct story story = plain(f, "_hawser._tcp.example");

    assert_string_equal(story.text, "SRV 0; AAAA 2 +[2001:db8::4]:4433; A 4 +192.0.2.4:4433; "
                                    "AAAA 0 +[2001:db8::1]:80#1; A 0 +192.0.2.1:80#1");
    assert_non_null(strstr(story.results, "_hawser._tcp.example: 1 svc.example port 4433; 2 plain.example port 80"));
    assert_string_equal(plain(f, "My Printer._ipp._tcp.example").text,
                        "SRV 0; AAAA 2 +[2001:db8::4]:631; A 4 +192.0.2.4:631");
    assert_string_equal(plain(f, "_listed._tcp.example").text, "SRV 6 +192.0.2.50:1; hosts 0");
}

/* Weight 32768 beside 0: the first in all but one of 32769 draws. */
static void test_srv_weights(void **state)
{
    struct fixture *f = *state;
    unsigned heavy = 0;

    for (unsigned i = 0; i < 50; i++)
        heavy += !!strstr(plain(f, "_two._tcp.example").text, "+192.0.2.4:2 ") ||
                 strstr(plain(f, "_two._tcp.example").text, "+192.0.2.4:2;");
    assert_true(heavy >= 48);
}

static void test_no_service(void **state)
{
    static const char *const table[][2] = {
        {"_absent._tcp.example", "there is no service _absent._tcp.example"},
        {"_none._tcp.example", "the service _none._tcp.example is not offered, says its domain"},
        {"_lost._tcp.example", "no host of the service _lost._tcp.example has an address"},
        {"_odd._tcp.example", "leads to no name that a host can have"},
        {"_cut._tcp.example", "malformed"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct story story = plain(f, table[i][0]);

        assert_int_equal(story.code, -HAWSER_ERESOLVE);
        if (!strstr(story.reason, table[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", table[i][0], story.reason, table[i][1]);
    }
}

/* A changed answer is followed when its time to live is over, and not before; one of 0 is asked for each time. */
static void test_times_to_live(void **state)
{
    struct fixture *f = *state;
    int64_t start = hawser_now(f->context);
    struct story story = plain(f, "brief.example:80");

    assert_string_equal(story.text, "AAAA 2; A 4 +192.0.2.20:80");
    assert_in_range(story.expires, start, hawser_now(f->context) + SECOND);
    assert_string_equal(plain(f, "fleeting.example:80").text, "AAAA 2; A 4 +192.0.2.22:80");
    f->server.entries = later_entries;
    assert_string_equal(plain(f, "fleeting.example:80").text, "AAAA 2; A 4 +192.0.2.23:80");
    /* Nor is remembered that there is no AAAA: no SOA record says for how long (RFC 2308 section 5). */
    assert_string_equal(f->server.asked, "AAAA fleeting.example; A fleeting.example; ");
    while (!strstr(plain(f, "brief.example:80").text, "192.0.2.21"))
        assert_true(hawser_now(f->context) - start < 5 * SECOND && hawser_iterate(f->context, SECOND / 10) >= 0);
    assert_true(hawser_now(f->context) - start >= SECOND / 2);
}

static void test_system_resolver(void **state)
{
    struct fixture *f = *state;
    struct endpoint endpoint;
    struct resolve_config config = config_of(&endpoint, "silent.example:80");
    int64_t start = hawser_now(f->context);
    struct story story;

    config.timeout_us = 3 * SECOND;
    story = tell(f, config); /* nobody answers: half the time is theirs */
    assert_non_null(strstr(story.text, "getaddrinfo 6 +192.0.2.99:80"));
    assert_in_range(hawser_now(f->context) - start, SECOND, 3 * SECOND - 1);
    assert_string_equal(plain(f, "failing.example:80").text, "AAAA 2; A 4; getaddrinfo 0 +192.0.2.99:80");
    story = plain(f, "absent.example:80"); /* the name servers know what they say */
    assert_string_equal(story.text, "AAAA 2; A 4");
    assert_string_equal(story.reason, "there is no host absent.example");
    write_file(f->nsswitch, "hosts: files mdns4_minimal [NOTFOUND=return] dns resolve\n");
    assert_string_equal(plain(f, "absent.example:80").text, "AAAA 2; A 4; getaddrinfo 0 +192.0.2.99:80");
    assert_string_equal(plain(f, "nobody.example:80").reason, "there is no host nobody.example");
}

/* An answer that comes after nobody waits for it is there for the next one; after a second it is given up. */
static void test_stray_answers(void **state)
{
    struct fixture *f = *state;
    struct endpoint endpoint;
    struct resolve_config config = config_of(&endpoint, "slow.example:80");
    struct story story;
    int64_t start = hawser_now(f->context);

    begin(f, &config, &story);
    while (!*story.text)
        assert_true(hawser_iterate(f->context, 20 * SECOND) > 0);
    assert_string_equal(story.text, "A 4 +192.0.2.24:80");
    resolve_cancel(story.resolution);
    while (hawser_now(f->context) - start < 300000)
        assert_true(hawser_iterate(f->context, SECOND / 20) >= 0);
    assert_string_equal(story.text, "A 4 +192.0.2.24:80");
    assert_string_equal(plain(f, "slow.example:80").text, "AAAA 2 +[2001:db8::24]:80; A 4 +192.0.2.24:80");
    assert_string_equal(f->server.asked, "");
}

/* A server that is not there is passed over at once, one that says nothing after a second; and from then on the one that
 * answered is asked first. */
static void test_servers(void **state)
{
    struct fixture *f = *state;
    uint16_t closed, silent;
    int fd = bound_socket(SOCK_DGRAM, 0);
    int64_t start;

    closed = port_of(fd);
    close(fd);
    start = hawser_now(f->context);
    write_file(f->conf, "nameserver 127.0.0.1@%u\nnameserver 127.0.0.1@%u\n", closed, f->server.port);
    assert_string_equal(plain(f, "plain.example:80").text, "AAAA 2 +[2001:db8::1]:80; A 4 +192.0.2.1:80");
    assert_true(hawser_now(f->context) - start < SECOND / 2);

    fd = bound_socket(SOCK_DGRAM, 0);
    silent = port_of(fd);
    write_file(f->conf, "nameserver 127.0.0.1@%u\nnameserver 127.0.0.1@%u\n#\n", silent, f->server.port);
    start = hawser_now(f->context);
    assert_string_equal(plain(f, "plain.example:80").text, "AAAA 2 +[2001:db8::1]:80; A 4 +192.0.2.1:80");
    assert_in_range(hawser_now(f->context) - start, SECOND * 9 / 10, SECOND * 2);
    start = hawser_now(f->context);
    assert_string_equal(plain(f, "svc.example:80").text, "AAAA 2 +[2001:db8::4]:80; A 4 +192.0.2.4:80");
    assert_true(hawser_now(f->context) - start < SECOND / 2);
    close(fd);

    write_file(f->conf, "nameserver 127.0.0.1@%u\n", closed);
    assert_non_null(strstr(plain(f, "svc.example:80").results, "Connection refused"));
    assert_string_equal(plain(f, "nobody.example:80").reason,
                        "the name servers failed to look up the host nobody.example: Connection refused");
}

static void test_answers_of_strangers(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(plain(f, "old.example:80").text, "AAAA 2; A 4 +192.0.2.25:80");
    assert_string_equal(plain(f, "forged.example:80").text, "AAAA 2 +[2001:db8::26]:80; A 4 +192.0.2.26:80");
    assert_string_equal(plain(f, "secret.onion:80").reason, "there is no host secret.onion");
    assert_string_equal(f->server.asked, ""); /* nobody is told of it (RFC 7686) */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_questions),
        TEST(test_answers_as_they_come),
        TEST(test_https_records),
        TEST(test_svcb_of_a_scheme),
        TEST(test_hints),
        TEST(test_late_record),
        TEST(test_srv),
        TEST(test_srv_weights),
        TEST(test_no_service),
        TEST(test_times_to_live),
        TEST(test_system_resolver),
        TEST(test_stray_answers),
        TEST(test_servers),
        TEST(test_answers_of_strangers),
    };

    return cmocka_run_group_tests_name("services", tests, NULL, NULL);
}
