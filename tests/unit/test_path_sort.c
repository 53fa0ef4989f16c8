/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of addresses (RFC 6724 section 6): each rule decides where the ones before it do not, and on a host of this
 * test's own the C library's getaddrinfo(3), given the RFC's table, puts random addresses in the same order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <unistd.h>

#include "path/sort.h"
#include "path_world.h"

enum { MOST = 12 };

/* The addresses of a list ("a b c") in the order of paths_sort(), as text. */
static const char *sorted(hawser_context *context, const char *list)
{
    static char text[1024];
    struct layer_address addresses[MOST];
    unsigned order[MOST];
    char names[MOST][64];
    struct paths *paths;
    size_t count = 0, length = 0;
    int used;

    for (; count < MOST && sscanf(list, "%63s%n", names[count], &used) == 1; list += used, count++)
        addresses[count] = address_of(names[count]);
    assert_int_equal(paths_of(context, &paths), 0);
    paths_sort(paths, addresses, count, order);
    *text = '\0';
    for (size_t rank = 0; rank < count; rank++)
        for (size_t i = 0; i < count; i++)
            if (order[i] == rank)
                length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", rank ? " " : "", names[i]);
    return text;
}

static void six_addresses(void)
{
    ip("addr add 2001:db8:1::1/64 dev p0 nodad");
    ip("-6 route add default via 2001:db8:1::2 dev p0");
    ip("addr add fd00:1::1/64 dev p1 nodad");
}

static void test_rules(void **state)
{
    static const struct {
        const char *rule, *given, *sorted;
    } table[] = {
        {"2: the scope of the source, of sites", "fec0::1 192.0.2.1 2001:db8:9::1", "2001:db8:9::1 192.0.2.1 fec0::1"},
        {"2: the scope of the source", "10.0.0.7 127.0.0.1", "127.0.0.1 10.0.0.7"},
        {"5: the label of the source", "2002:c000:201::1 2001:db8:9::1", "2001:db8:9::1 2002:c000:201::1"},
        {"6: precedence", "192.0.2.1 2001:db8:9::1 ::1", "::1 2001:db8:9::1 192.0.2.1"},
        {"6: of local addresses of the site", "fd00:1::7 192.0.2.1", "192.0.2.1 fd00:1::7"},
        {"9: the longest prefix", "2001:db8:8000::1 2001:db8:2::1", "2001:db8:2::1 2001:db8:8000::1"},
        {"9: not of IPv4 beyond the link", "192.0.2.1 10.0.1.1", "192.0.2.1 10.0.1.1"},
        {"9: of IPv4 on the link", "10.0.0.200 10.0.0.3", "10.0.0.3 10.0.0.200"},
        {"10: as given", "198.51.100.7 192.0.2.1 203.0.113.1", "198.51.100.7 192.0.2.1 203.0.113.1"},
    };
    hawser_context *context = context_with(NULL);
    (void)state;

    two_interfaces();
    six_addresses();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(sorted(context, table[i].given), table[i].sorted) != 0)
            fail_msg("rule %s: %s", table[i].rule, sorted(context, table[i].given));
    hawser_context_unref(context);
}

static void test_without_a_route(void **state)
{
    hawser_context *context = context_with(NULL);
    (void)state;

    two_interfaces();
    assert_string_equal(sorted(context, "2001:db8:9::1 192.0.2.1"), "192.0.2.1 2001:db8:9::1");
    six_addresses();
    assert_string_equal(sorted(context, "2001:db8:9::1 192.0.2.1"), "2001:db8:9::1 192.0.2.1");
    /* Rule 3: the only source of the site's prefix is to be used no longer, so all else goes before. */
    assert_string_equal(sorted(context, "192.0.2.1 2001:db8:9::1"), "2001:db8:9::1 192.0.2.1");
    ip("addr change 2001:db8:1::1/64 dev p0 preferred_lft 0");
    assert_string_equal(sorted(context, "2001:db8:9::1 192.0.2.1"), "192.0.2.1 2001:db8:9::1");
    hawser_context_unref(context);
}

static void test_scopes_of_links(void **state)
{
    static const uint8_t four[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, 0, 2, 1};
    char file[] = "/tmp/hawser-gai-XXXXXX";
    struct sort_table table;
    int fd = mkstemp(file);
    (void)state;

    sort_table_read("/nonexistent", &table);
    assert_int_equal(sort_find(table.precedences, table.precedence_count, four), 35);
    assert_int_equal(sort_find(table.labels, table.label_count, four), 4);
    assert_true(fd >= 0);
    close(fd);
    world_write(file, "# a comment\nprecedence ::ffff:0:0/96 100 # IPv4 first\nlabel nonsense\nprecedence ::/0 x\n"
                      "precedence ::/129 1\nreload yes\nlabel ::/0 7\n");
    sort_table_read(file, &table);
    assert_int_equal(table.precedence_count, 1);
    assert_int_equal(sort_find(table.precedences, table.precedence_count, four), 100);
    assert_int_equal(sort_find(table.labels, table.label_count, four), 7);
    assert_int_equal(table.scope_count, 3);
    unlink(file);
}

/* ------------------------------------------------------------------------------------------------------- getaddrinfo */

static void replace(const char *file, const char *text)
{
    char fresh[] = "/tmp/hawser-sort-XXXXXX";
    int fd = mkstemp(fresh);

    assert_true(fd >= 0);
    close(fd);
    world_write(fresh, text);
    if (mount(fresh, file, NULL, MS_BIND, NULL) < 0)
        fail_msg("%s cannot be replaced: %s", file, strerror(errno));
    unlink(fresh);
}

static const char *by_getaddrinfo(const char *name)
{
    static char text[1024];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    size_t length = 0;

    assert_int_equal(getaddrinfo(name, NULL, &hints, &list), 0);
    for (struct addrinfo *at = list; at; at = at->ai_next) {
        char one[64];
        assert_int_equal(getnameinfo(at->ai_addr, at->ai_addrlen, one, sizeof one, NULL, 0, NI_NUMERICHOST), 0);
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", at == list ? "" : " ", one);
    }
    freeaddrinfo(list);
    return text;
}

/* Sets of addresses that a name could have; getaddrinfo() is asked for the name, paths_sort() for what hosts(5) lists, in
 * the order in which the C library reads it. */
static void test_as_getaddrinfo_does(void **state)
{
    static const char *const pool[] = {
        "192.0.2.1",      "198.51.100.9",     "10.0.0.9", "10.1.0.9",  "169.254.3.4", "2001:db8:1::9", "2001:db8:2::9",
        "2001:db8:f0::1", "2002:c000:204::1", "2001::53", "fd00:1::9", "fd77::1",     "2a00:1450::1",  "127.0.0.8",
    };
    enum { POOL = sizeof pool / sizeof *pool, SETS = 60 };
    hawser_context *context = context_with(NULL);
    char hosts[SETS * 6 * 64] = "", given[SETS][512] = {""};
    unsigned seed = 20;
    (void)state;

    two_interfaces();
    six_addresses();
    for (int set = 0; set < SETS; set++) {
        char six[256] = "", four[256] = "";
        for (int i = 0; i < 5; i++) {
            const char *address = pool[(unsigned)rand_r(&seed) % POOL];
            char *list = strchr(address, ':') ? six : four, spaced[64];
            snprintf(spaced, sizeof spaced, "%s ", address);
            if (strstr(given[set], spaced))
                continue;
            strcat(given[set], spaced);
            strcat(list, spaced);
            sprintf(hosts + strlen(hosts), "%s set%d.test\n", address, set);
        }
        snprintf(given[set], sizeof given[set], "%s%s", six, four); /* the C library reads IPv6 first */
    }
    replace("/etc/hosts", hosts);
    replace("/etc/gai.conf",
            "label ::1/128 0\nlabel ::/0 1\nlabel ::ffff:0:0/96 4\nlabel 2002::/16 2\n"
            "label 2001::/32 5\nlabel fc00::/7 13\nlabel ::/96 3\nlabel fec0::/10 11\n"
            "label 3ffe::/16 12\nprecedence ::1/128 50\nprecedence ::/0 40\n"
            "precedence ::ffff:0:0/96 35\nprecedence 2002::/16 30\nprecedence 2001::/32 5\n"
            "precedence fc00::/7 3\nprecedence ::/96 1\nprecedence fec0::/10 1\nprecedence 3ffe::/16 1\n");
    replace("/etc/nsswitch.conf", "hosts: files\n");
    for (int set = 0; set < SETS; set++) {
        char name[32];
        const char *theirs;
        snprintf(name, sizeof name, "set%d.test", set);
        theirs = by_getaddrinfo(name);
        if (strcmp(sorted(context, given[set]), theirs) != 0)
            fail_msg("of %s\n  paths_sort  %s\n  getaddrinfo %s", given[set], sorted(context, given[set]), theirs);
    }
    hawser_context_unref(context);
}

static int clean(void **state)
{
    (void)state;
    no_interfaces();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rules, clean),
        cmocka_unit_test_teardown(test_without_a_route, clean),
        cmocka_unit_test_teardown(test_scopes_of_links, clean),
        cmocka_unit_test_teardown(test_as_getaddrinfo_does, clean),
    };
    const char *why = world_leave();

    if (why) {
        printf("skipped: %s\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
