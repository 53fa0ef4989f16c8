/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints: every form of the grammar is read as what it says and printed so that it reads the same again; what is no
 * endpoint is refused with words that hold the offending part, and nothing is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "endpoint/endpoint.h"

#define KEY "hk-abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrsq"
#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890abc"

static struct endpoint parsed(const char *text)
{
    struct endpoint e;
    char reason[256] = "";

    if (endpoint_parse(text, &e, reason, sizeof reason) != 0)
        fail_msg("\"%s\" was refused: %s", text, reason);
    return e;
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
    return a->kind == b->kind && !strcmp(a->key_name, b->key_name) && !strcmp(a->host, b->host) && a->port == b->port &&
           a->source.size == b->source.size && !memcmp(&a->source.address, &b->source.address, a->source.size) &&
           a->address.size == b->address.size && !memcmp(&a->address.address, &b->address.address, a->address.size) &&
           a->fd == b->fd && !strcmp(a->interface, b->interface);
}

static void test_canonical_forms(void **state)
{
    static const char *const table[][2] = {
        {"example.org:4433", NULL},
        {"Example.ORG.:4433", "example.org:4433"},
        {"_hawser._tcp.x-1.example:1", NULL},
        {"xn--bcher-kva.example:65535", NULL},
        {"localhost:0", NULL},
        {"fd.:22", NULL}, /* a host of that name, not a descriptor */
        {"unix.:22", NULL},
        {"192.0.2.1:80", NULL},
        {"192.0.2.1:00080", "192.0.2.1:80"},
        {"192.0.2.1:4433@eth0", NULL},
        {"239.1.2.3:5000@eth0", NULL},
        {"[ff15::1]:5000", NULL},
        {"192.0.2.7>232.1.2.3:5000@eth0", NULL},
        {"2001:db8::7>ff3e::1.5000", "2001:db8::7>[ff3e::1]:5000"},
        {KEY "@192.0.2.7>232.1.2.3:5000", NULL},
        {"0.0.0.0:0", NULL},
        {"[2001:db8::1]:80", NULL},
        {"[2001:DB8:0::1]:80@wlan0", "[2001:db8::1]:80@wlan0"},
        {"[::]:0", NULL},
        {"2001:db8::1.4433", "[2001:db8::1]:4433"},
        {"::1.4433@lo", "[::1]:4433@lo"},
        {"::ffff:192.0.2.1.80", "[::ffff:192.0.2.1]:80"},
        {"[fe80::1%lo]:80", NULL},
        {"[fe80::1%1]:80", "[fe80::1%lo]:80"},
        {"fe80::1%lo.80", "[fe80::1%lo]:80"},
        {"[fe80::1%2147483647]:80", NULL}, /* an interface that is not there has its number only */
        {"[fe80::1]:80@lo", "[fe80::1%lo]:80@lo"},
        {"[fe80::1%lo]:80@lo", NULL},
        {"[ff02::1%lo]:80", NULL},
        {"unix:/run/x.sock", NULL},
        {"unix:relative@eth0", NULL}, /* a path takes the rest, @ and all */
        {"unix:@abstract", NULL},
        {"fd:3", NULL},
        {"fd:2147483647", NULL},
        {KEY "@example.org:4433", NULL},
        {KEY "@192.0.2.1:4433@eth0", NULL},
        {KEY "@[fe80::1%lo]:1@lo", NULL},
        {KEY "@unix:@a@b", NULL},
        {KEY "@fd:0", NULL},
        {"_hawser._tcp.example.org", NULL},
        {"_Hawser._TCP.Example.ORG.", "_hawser._tcp.example.org"},
        {"_443._udp.example.org@eth0", NULL},
        {"myserver._http._tcp.local", NULL},
        {"My Printer._ipp._tcp.example.org", NULL},
        {"My Printer._IPP._Tcp.Local@eth0", "My Printer._ipp._tcp.local@eth0"},
        {"My\\032Printer._ipp._tcp.local", "My Printer._ipp._tcp.local"}, /* as other tools print it */
        {"Dr\\. No\\@home\\: \\\\._http._tcp.local", NULL},
        {"b\\195\\188ro._http._tcp.local", "b\xc3\xbc"
                                           "ro._http._tcp.local"},
        {"b\xc3\xbc"
         "ro._http._tcp.local",
         NULL},
        {"Second floor: 3._ipp._tcp.local", "Second floor\\: 3._ipp._tcp.local"},
        {"unix\\:x._http._tcp.local", NULL},
        {"unix:x._http._tcp.local", NULL}, /* a path */
        {"[x]._http._tcp.local", NULL},
        {"hk-short._http._tcp.local@eth0", NULL}, /* an instance, not a key */
        {"_a._tcp._b._tcp.example", NULL},
        {KEY "@myserver._http._tcp.local@lo", NULL},
        {KEY "@_hawser._tcp.example.org", NULL},
        {"_hawser._tcp.x-1.example:1", NULL}, /* with a port it is a host */
        {"printer.local:631", NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *wanted = table[i][1] ? table[i][1] : table[i][0];
        struct endpoint first = parsed(table[i][0]), second;
        char text[512];

        assert_int_equal(endpoint_print(&first, text, sizeof text), strlen(wanted));
        assert_string_equal(text, wanted);
        second = parsed(text);
        assert_true(same(&first, &second));
    }
}

static void test_fields(void **state)
{
    struct endpoint e = parsed(KEY "@Example.org:https@eth0");
    struct sockaddr_in6 v6;
    struct sockaddr_un local;

    (void)state;
    assert_int_equal(e.kind, ENDPOINT_HOST);
    assert_string_equal(e.key_name, KEY);
    assert_string_equal(e.host, "example.org");
    assert_int_equal(e.port, 443); /* by services(5) */
    assert_string_equal(e.interface, "eth0");
    assert_int_equal(parsed("example.org:www").port, 80); /* an alias there */

    e = parsed("fe80::1%lo.4433");
    assert_int_equal(e.kind, ENDPOINT_ADDRESS);
    assert_int_equal(e.port, 4433);
    assert_int_equal(e.address.size, sizeof v6);
    memcpy(&v6, &e.address.address, sizeof v6);
    assert_int_equal(v6.sin6_family, AF_INET6);
    assert_int_equal(ntohs(v6.sin6_port), 4433);
    assert_int_equal(v6.sin6_scope_id, if_nametoindex("lo"));
    assert_string_equal(e.interface, "");
    assert_string_equal(e.key_name, "");

    e = parsed("[fe80::1]:1@lo"); /* @interface gives the scope */
    memcpy(&v6, &e.address.address, sizeof v6);
    assert_int_equal(v6.sin6_scope_id, if_nametoindex("lo"));

    e = parsed("unix:@ab"); /* an abstract name ends with the address's size, not with a NUL */
    memcpy(&local, &e.address.address, sizeof local);
    assert_int_equal(e.address.size, offsetof(struct sockaddr_un, sun_path) + 3);
    assert_memory_equal(local.sun_path, "\0ab", 3);

    e = parsed("unix:/a");
    memcpy(&local, &e.address.address, sizeof local);
    assert_int_equal(e.address.size, offsetof(struct sockaddr_un, sun_path) + 3);
    assert_string_equal(local.sun_path, "/a");

    e = parsed("fd:7");
    assert_int_equal(e.kind, ENDPOINT_FD);
    assert_int_equal(e.fd, 7);
    assert_int_equal(parsed("example.org:1").fd, -1);
}

static void test_refusals(void **state)
{
    static const char *const table[][2] = {
        /* text, what the reason must hold */
        {"", "empty"},
        {"example.org", "\"example.org\" has no port"},
        {"192.0.2.1", "\"192.0.2.1\" has no port"},
        {":80", "it is empty"},
        {"example.org:", "port is missing"},
        {"example.org:65536", "\"65536\""},
        {"example.org:99999999999999999999", "\"99999999999999999999\""},
        {"example.org:+80", "\"+80\""},
        {"example.org: 80", "\" 80\""},
        {"example.org:no-such-service", "\"no-such-service\""},
        {"256.0.2.1:80", "\"256.0.2.1\""},
        {"10.1:80", "\"10.1\""}, /* what inet_aton() would take */
        {"1:80", "\"1\""},
        {"exa mple.org:80", "\"exa mple.org\""},
        {"b\xc3\xbc"
         "cher.example:80",
         "xn--"},
        {"a..b:80", "empty"},
        {".a:80", "empty"},
        {"a..:80", "empty"},
        {"-a.example:80", "hyphen"},
        {"a-.example:80", "hyphen"},
        {LABEL_63 "d.example:80", "63"},
        {LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ":80", "253"},
        {"[2001:db8::1:80", "]"},
        {"192.0.2.7>192.0.2.1:80", "multicast group"},
        {"192.0.2.7>example.org:80", "multicast group"},
        {"example.org>232.1.2.3:80", "\"example.org\""},
        {"2001:db8::7>232.1.2.3:80", "one family"},
        {">232.1.2.3:80", "\"\""},
        {"[2001:db8::1]", "\"\""},
        {"[2001:db8::1]80", "\"80\""},
        {"[2001:db8::1]:", "port is missing"},
        {"[192.0.2.1]:80", "\"192.0.2.1\""},
        {"[2001:db8::g]:80", "\"2001:db8::g\""},
        {"2001:db8::1:80", "more than one colon"},
        {"::ffff:192.0.2.1", "\"::ffff:192.0.2\""}, /* the last dot separates the port */
        {"host:80:90", "more than one colon"},
        {"[fe80::1]:80", "%eth0"},
        {"[fe80::1%no-such-if]:80", "\"no-such-if\""},
        {"[fe80::1]:80@no-such-if", "\"no-such-if\""},
        {"[fe80::1%0]:80", "\"0\""},
        {"[fe80::1%2147483647]:80@lo", "not the same"},
        {"[2001:db8::1%lo]:80", "@lo"},
        {"192.0.2.1:80@", "missing after the @"},
        {"192.0.2.1:80@sixteen-letters-", "15 characters"},
        {"192.0.2.1:80@a/b", "\"a/b\""},
        {"192.0.2.1:80@..", "\"..\""},
        {"192.0.2.1:80@a@b", "\"a@b\""},
        {"unix:", "path is missing"},
        {"unix:@", "path is missing"},
        {"fd:", "\"\""},
        {"fd:-1", "\"-1\""},
        {"fd:2147483648", "\"2147483648\""},
        {"fd:3@eth0", "\"3@eth0\""},
        {"user@example.org:80", "\"user\""},
        {"@example.org:80", "\"\""},
        {"hk-short@example.org:80", "\"hk-short\" has 8 characters"},
        {"hk-1bcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrsq@example.org:80", "hk-1bc"},
        {"hk-abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrsb@example.org:80", "a or q at the end"},
        {KEY "@" KEY "@example.org:80", "\"example.org:80\""},
        {KEY "@", "HOST:PORT"},
        {"_hawser._tcp", "domain is missing"},
        {"_hawser._tcp.", "domain is missing"},
        {"_hawser._tcp.-x", "hyphen"},
        {"_._tcp.example.org", "missing after the _"},
        {"_a b._tcp.example.org", "letters, digits and hyphens"},
        {"_hawser._sctp.example.org", "neither a host with a port nor a service name"},
        {"printer._ipp.local", "neither a host with a port nor a service name"},
        {"._ipp._tcp.local", "instance is empty"},
        {"a.b._ipp._tcp.local", "written \\."},
        {".a._ipp._tcp.local", "instance is empty"},
        {"a\\300._ipp._tcp.local", "up to 255"},
        {"a\\000._ipp._tcp.local", "control character"},
        {"a\xff._ipp._tcp.local", "not UTF-8"},
        {"a\xc0\xaf._ipp._tcp.local", "not UTF-8"},
        {"\xed\xa0\x80._ipp._tcp.local", "not UTF-8"},
        {LABEL_63 "x._ipp._tcp.local", "63 bytes"},
        {"a@b._ipp._tcp.local", "\"a\" before the @"},
        {"a._ipp._tcp.local@", "missing after the @"},
        {"a._ipp._tcp." LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, "253"},
        {"a._ipp._tcp." LABEL_63 "." LABEL_63 "." LABEL_63 ".b.a23456789012345678901234567890123456789012345678",
         "longer than"},
        {"example.org:80\n", "position 15"},
        {"unix:/a\x7f", "position 8"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct endpoint e, before;
        char reason[256] = "";

        memset(&e, 0x5a, sizeof e);
        before = e;
        if (endpoint_parse(table[i][0], &e, reason, sizeof reason) != -HAWSER_EENDPOINT)
            fail_msg("\"%s\" was taken", table[i][0]);
        if (!strstr(reason, table[i][1]))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", table[i][0], reason, table[i][1]);
        assert_memory_equal(&e, &before, sizeof e);
        assert_int_equal(endpoint_parse(table[i][0], &e, NULL, 0), -HAWSER_EENDPOINT);
    }
}

/* The longest of each part is taken, one more is not. */
static void test_lengths(void **state)
{
    char text[600], path[200];
    struct endpoint e;
    char reason[64];

    (void)state;
    snprintf(text, sizeof text, "%s@%s.%s.%s.%.61s:65535@fifteen-letters", KEY, LABEL_63, LABEL_63, LABEL_63, LABEL_63);
    e = parsed(text);
    assert_int_equal(strlen(e.host), 253);
    assert_string_equal(e.interface, "fifteen-letters");

    memset(path, 'p', sizeof path);
    snprintf(text, sizeof text, "unix:%.107s", path);
    parsed(text);
    snprintf(text, sizeof text, "unix:@%.106s", path);
    parsed(text);
    snprintf(text, sizeof text, "unix:%.108s", path);
    assert_int_equal(endpoint_parse(text, &e, reason, sizeof reason), -HAWSER_EENDPOINT);
    snprintf(text, sizeof text, "unix:@%.107s", path);
    assert_int_equal(endpoint_parse(text, &e, reason, sizeof reason), -HAWSER_EENDPOINT);

    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(endpoint_parse(text, &e, reason, sizeof reason), -HAWSER_EENDPOINT);
}

/* As snprintf(): never beyond the size, always ended, the whole length told. */
static void test_print_truncates(void **state)
{
    struct endpoint e = parsed(KEY "@[fe80::1%lo]:80@lo");
    char whole[256], part[256];
    int length = endpoint_print(&e, whole, sizeof whole);

    (void)state;
    assert_int_equal(length, strlen(whole));
    assert_int_equal(endpoint_print(&e, NULL, 0), length);
    for (int size = 1; size <= length; size++) {
        memset(part, 'x', sizeof part);
        assert_int_equal(endpoint_print(&e, part, (size_t)size), length);
        assert_int_equal(strlen(part), size - 1);
        assert_memory_equal(part, whole, size - 1);
        assert_int_equal(part[size], 'x');
    }
}

static void assert_printed(const struct layer_address *address, const char *wanted)
{
    char text[256];

    assert_int_equal(endpoint_print_address(address, text, sizeof text), strlen(wanted));
    assert_string_equal(text, wanted);
}

/* What the kernel gives as a peer's address and no endpoint could say. */
static void test_print_addresses_of_the_kernel(void **state)
{
    struct layer_address none = {.size = 0}, unnamed = {.size = sizeof(sa_family_t)}, full = unnamed;
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    (void)state;
    unnamed.address.ss_family = AF_UNIX;
    assert_printed(&none, "");
    assert_printed(&unnamed, "");
    memcpy(local.sun_path, "\0a\0\nb", 5);
    memcpy(&full.address, &local, sizeof local);
    full.size = offsetof(struct sockaddr_un, sun_path) + 5;
    assert_printed(&full, "@a??b");
    memset(local.sun_path, 'p', sizeof local.sun_path); /* a full path has no NUL */
    memcpy(&full.address, &local, sizeof local);
    full.size = sizeof local;
    char path[sizeof local.sun_path + 1];
    memcpy(path, local.sun_path, sizeof local.sun_path);
    path[sizeof local.sun_path] = '\0';
    assert_printed(&full, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_forms), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_print_truncates), cmocka_unit_test(test_print_addresses_of_the_kernel),
    };

    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
