/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_resolve(): what names lead to and records of them, for programs; wrong arguments, cancelling, the end of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <hawser/resolve.h>

#include "endpoint/resolver.h"
#include "dns_server.h"

#define SECOND INT64_C(1000000)
#define KEY "hk-abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrsq"

static const struct dns_entry entries[] = {
    {.name = "host.example",
     .v4 = {"192.0.2.1"},
     .v6 = {"2001:db8::1"},
     .extra = {DNS_EXTRA(DNS_HTTPS, 60, "\0\1\0\0\1\0\6\2h2\2h3"), DNS_EXTRA(DNS_TXT, 30, "\1x\4a \"b")}},
    {.name = "_443._tcp.host.example", .extra = {DNS_EXTRA(DNS_TLSA, 60, "\3\1\1\xab\xcd")}},
    {.name = "alias.example", .alias = "host.example", .with_target = true},
    {.name = "_x._tcp.example", .extra = {DNS_EXTRA(DNS_SRV, 60, "\0\1\0\2\0\3\4host\7example\0")}},
    {.name = "silent.example", .how = DNS_SILENT},
    {.name = NULL},
};

struct fixture {
    hawser_context *context;
    struct dns_server server;
    char directory[64], conf[96], log[400];
};

struct heard {
    hawser_resolving *resolving; /* cancelled from inside */
    unsigned calls;
    bool last;
    int code;
    char text[2000], reason[300];
};

static void on_log(hawser_log_level level, const char *text, void *user)
{
    struct fixture *f = user;

    (void)level;
    snprintf(f->log, sizeof f->log, "%s", text);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    FILE *file;

    assert_non_null(f);
    strcpy(f->directory, "/tmp/test_resolving.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->conf, sizeof f->conf, "%s/resolv.conf", f->directory);
    assert_int_equal(
        hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .log = on_log, .log_user = f, .trust_anchors = ""),
                           &f->context),
        0);
    dns_server_start(&f->server, f->context, entries);
    file = fopen(f->conf, "we");
    assert_non_null(file);
    fprintf(file, "nameserver 127.0.0.1@%u\n", f->server.port);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(resolver_set_files(f->context, &(struct resolver_files){.hosts = "/dev/null",
                                                                             .resolv_conf = f->conf,
                                                                             .nsswitch = "/dev/null"}),
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
    remove(f->conf);
    assert_int_equal(remove(f->directory), 0);
    free(f);
    return 0;
}

static void on_answer(const hawser_resolve_answer *answer, void *user)
{
    struct heard *heard = user;

    assert_false(heard->last);
    heard->calls++;
    heard->last = answer->last;
    heard->code = answer->code;
    snprintf(heard->reason, sizeof heard->reason, "%s", answer->reason);
    for (size_t i = 0; i < answer->found_count; i++) {
        const hawser_resolved *found = &answer->found[i];
        size_t length = strlen(heard->text);

        assert_true(found->ttl_us > 0);
        snprintf(heard->text + length, sizeof heard->text - length, "%s%s %s of %s", length ? "; " : "",
                 answer->lookup.question, *found->record ? found->record : found->address, found->target);
        length = strlen(heard->text);
        if (*found->alpn)
            snprintf(heard->text + length, sizeof heard->text - length, " speaks %s", found->alpn);
    }
    if (heard->resolving)
        hawser_resolve_cancel(heard->resolving);
}

/* hawser_run() returns when the last answer is told, and not before. */
static struct heard hear(struct fixture *f, const char *endpoint, const hawser_resolve_options *options)
{
    struct heard heard = {.calls = 0};

    assert_int_equal(hawser_resolve(f->context, endpoint, options, on_answer, &heard, NULL), 0);
    assert_int_equal(heard.calls, 0);
    assert_int_equal(hawser_run(f->context), 0);
    assert_true(heard.last);
    return heard;
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(hear(f, "host.example:80", NULL).text, "AAAA [2001:db8::1]:80 of host.example; "
                                                               "A 192.0.2.1:80 of host.example");
    assert_string_equal(hear(f, "host.example", HAWSER_RESOLVE(.no_ipv6 = true)).text, "A 192.0.2.1:0 of host.example");
    assert_string_equal(hear(f, KEY "@host.example@lo", HAWSER_RESOLVE(.no_ipv4 = true)).text,
                        "AAAA [2001:db8::1]:0 of host.example");
    assert_string_equal(hear(f, "host.example:443", HAWSER_RESOLVE(.https = true, .no_ipv6 = true)).text,
                        "A 192.0.2.1:443 of host.example; HTTPS 192.0.2.1:443 of host.example speaks h2,h3");
    assert_string_equal(hear(f, "_x._tcp.example", HAWSER_RESOLVE(.no_ipv6 = true)).text,
                        "A 192.0.2.1:3 of host.example");
    assert_string_equal(hear(f, "absent.example", NULL).reason, "there is no host absent.example");
    assert_int_equal(hear(f, "absent.example", NULL).code, -HAWSER_ERESOLVE);
}

static void test_records(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(hear(f, "host.example:443", HAWSER_RESOLVE(.record = "TLSA")).text,
                        "TLSA 3 1 1 abcd of _443._tcp.host.example");
    assert_string_equal(hear(f, "_443._tcp.host.example", HAWSER_RESOLVE(.record = "TLSA")).text,
                        "TLSA 3 1 1 abcd of _443._tcp.host.example");
    assert_string_equal(hear(f, "host.example", HAWSER_RESOLVE(.record = "HTTPS")).text,
                        "HTTPS 1 host.example. alpn=h2,h3 of host.example");
    assert_string_equal(hear(f, "host.example", HAWSER_RESOLVE(.record = "TXT")).text,
                        "TXT \"x\" \"a \\034b\" of host.example");
    assert_string_equal(hear(f, "_x._tcp.example", HAWSER_RESOLVE(.record = "SRV")).text,
                        "SRV 1 2 3 host.example. of _x._tcp.example");
    assert_string_equal(hear(f, "alias.example", HAWSER_RESOLVE(.record = "A")).text, "A 192.0.2.1 of alias.example");
    assert_string_equal(hear(f, "host.example", HAWSER_RESOLVE(.record = "SVCB")).reason,
                        "there is no SVCB record of host.example");
    assert_string_equal(hear(f, "absent.example", HAWSER_RESOLVE(.record = "A")).reason,
                        "there is no name absent.example");
    assert_string_equal(hear(f, "silent.example", HAWSER_RESOLVE(.record = "A", .timeout_us = SECOND / 10)).reason,
                        "no name server answered for silent.example within 0.1 s");
}

static void test_wrong_arguments(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {.calls = 0};
    hawser_resolving *resolving = NULL;

    assert_int_equal(hawser_resolve(f->context, "a b", NULL, on_answer, &heard, &resolving), -HAWSER_EENDPOINT);
    assert_non_null(strstr(f->log, "only letters, digits"));
    assert_int_equal(hawser_resolve(f->context, "", NULL, on_answer, &heard, &resolving), -HAWSER_EENDPOINT);
    assert_int_equal(hawser_resolve(f->context, "192.0.2.1:80", NULL, on_answer, &heard, &resolving), -EINVAL);
    assert_non_null(strstr(f->log, "no name to look up"));
    assert_int_equal(hawser_resolve(f->context, "a", HAWSER_RESOLVE(.record = "MX"), on_answer, &heard, &resolving),
                     -EINVAL);
    assert_int_equal(hawser_resolve(f->context, "a", HAWSER_RESOLVE(.no_ipv4 = true, .no_ipv6 = true), on_answer,
                                    &heard, &resolving),
                     -EINVAL);
    assert_int_equal(hawser_resolve(f->context, "a", HAWSER_RESOLVE(.timeout_us = -1), on_answer, &heard, &resolving),
                     -EINVAL);
    assert_int_equal(hawser_resolve(f->context, "a", HAWSER_RESOLVE(.scheme = ""), on_answer, &heard, &resolving),
                     -EINVAL);
    assert_int_equal(hawser_resolve(f->context, "a", NULL, NULL, NULL, &resolving), -EINVAL);
    assert_int_equal(hawser_resolve(NULL, "a", NULL, on_answer, &heard, &resolving), -EINVAL);
    assert_null(resolving);
    assert_int_equal(hawser_run(f->context), 0); /* nothing holds the loop */
    assert_int_equal(heard.calls, 0);
}

static void test_cancel(void **state)
{
    static const char *const records[] = {NULL, "A"};
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        struct heard heard = {.calls = 0};
        hawser_resolving *resolving;

        assert_int_equal(hawser_resolve(f->context, "host.example", HAWSER_RESOLVE(.record = records[i]), on_answer,
                                        &heard, &resolving),
                         0);
        hawser_resolve_cancel(resolving);
        assert_int_equal(hawser_run(f->context), 0);
        assert_int_equal(heard.calls, 0);
        assert_int_equal(hawser_resolve(f->context, "host.example", HAWSER_RESOLVE(.record = records[i]), on_answer,
                                        &heard, &heard.resolving),
                         0);
        assert_int_equal(hawser_run(f->context), 0);
        assert_int_equal(heard.calls, 1); /* from inside the first */
    }
}

/* What is under way goes with its context, unheard. */
static void test_end_of_context(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {.calls = 0};

    assert_int_equal(hawser_resolve(f->context, "silent.example", NULL, on_answer, &heard, NULL), 0);
    assert_int_equal(
        hawser_resolve(f->context, "silent.example", HAWSER_RESOLVE(.record = "A"), on_answer, &heard, NULL), 0);
    assert_true(hawser_iterate(f->context, 0) >= 0);
    dns_server_stop(&f->server);
    hawser_context_unref(f->context);
    f->context = NULL;
    assert_int_equal(heard.calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_addresses), TEST(test_records),        TEST(test_wrong_arguments),
        TEST(test_cancel),    TEST(test_end_of_context),
    };

    return cmocka_run_group_tests_name("resolving", tests, NULL, NULL);
}
