/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy files: each line says what docs/policy.md says it does, each mistake is told with its line and column, the last
 * line about something counts, and what the system prohibits no user lifts. A file that changes counts without a restart;
 * one that is broken by a change counts as it was before.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include <hawser/path.h>

#include "loop/loop.h"
#include "path/policy.h"
#include "path/policy_rules.h"

static struct policy policy_from(const char *system, const char *user)
{
    struct policy policy;
    char reason[512] = "";

    if (rules_parse("/etc/hawser/policy.conf", system, strlen(system), &policy.system, reason, sizeof reason) < 0 ||
        rules_parse("/home/u/user.conf", user, strlen(user), &policy.user, reason, sizeof reason) < 0)
        fail_msg("refused: %s", reason);
    return policy;
}

static void policy_free(struct policy *policy)
{
    rules_free(&policy->system);
    rules_free(&policy->user);
}

/* ------------------------------------------------------------------------------------------------------- mistakes */

static void test_mistakes_have_line_and_column(void **state)
{
    static const struct {
        const char *text, *where, *what;
    } table[] = {
        {"interfce wlan0 type wifi", "1:1: ", "interfce begins no line"},
        {"\n\n  prefre family ipv4", "3:3: ", "prefre begins no line"},
        {"# well\ninterface", "2:10: ", "the name of an interface is missing"},
        {"interface eth0", "1:15: ", "nothing is said of the interface"},
        {"interface aninterfacename1 cost 1", "1:11: ", "is no name of an interface"},
        {"interface a/b cost 1", "1:11: ", "is no name of an interface"},
        {"interface eth0 type", "1:20: ", "the type after \"type\" is missing"},
        {"interface eth0 type Wi-Fi", "1:21: ", "Wi-Fi is no type"},
        {"interface eth0 type wifi type wifi", "1:26: ", "type is said twice"},
        {"interface eth0 cost 1 cost 2", "1:23: ", "cost is said twice"},
        {"interface eth0 metered unmetered", "1:24: ", "unmetered is said twice"},
        {"interface eth0 cost", "1:20: ", "the number after \"cost\" is missing"},
        {"interface eth0 cost -1", "1:21: ", "-1 is no cost"},
        {"interface eth0 cost 1000", "1:21: ", "1000 is no cost"},
        {"interface eth0 speed 9", "1:16: ", "speed is not understood here"},
        {"network", "1:8: ", "a name for the network is missing"},
        {"network home", "1:13: ", "what the network is known by is missing"},
        {"network home gateway", "1:21: ", "the address after \"gateway\" is missing"},
        {"network home gateway 192.168.1", "1:22: ", "192.168.1 is no address"},
        {"network home link 02:00", "1:19: ", "02:00 is no link address"},
        {"network home link 02:00:5e:00:53:01:02", "1:19: ", "is no link address"},
        {"network home link 02-00-5e-00-53-01", "1:19: ", "is no link address"},
        {"network home near", "1:14: ", "near is not understood here"},
        {"prohibit", "1:9: ", "what this is about"},
        {"prohibit wwan0", "1:10: ", "wwan0 is not understood here: interface, type, stack or family"},
        {"prohibit type celular", "1:15: ", "no interface is of type celular"},
        {"prohibit type", "1:14: ", "a type of interfaces is missing"},
        {"avoid interface", "1:16: ", "the name of an interface is missing"},
        {"avoid interface wwan0 for", "1:26: ", "the pattern of hosts after \"for\" is missing"},
        {"avoid interface wwan0 except a", "1:23: ", "except is not understood here: \"for PATTERN\" may"},
        {"avoid interface wwan0 for a for b", "1:33: ", "only one pattern"},
        {"avoid interface wwan0 for 10.0.0.0/33", "1:27: ", "10.0.0.0/33 is no prefix"},
        {"avoid interface wwan0 for 10.0.0/8", "1:27: ", "10.0.0/8 is no prefix"},
        {"prefer stack", "1:13: ", "a stack such as tls/mptcp is missing"},
        {"prefer stack tls/mtcp", "1:18: ", "no layer is called \"mtcp\""},
        {"prefer stack /tcp", "1:14: ", "no layer is called \"\""},
        {"prefer stack tls/", "1:18: ", "no layer is called \"\""},
        {"prefer stack tls/tcp now", "1:22: ", "now is too much"},
        {"prefer family", "1:14: ", "a family is missing"},
        {"prefer family ip6", "1:15: ", "ip6 is no family"},
        {"prefer family ipv6 for a", "1:20: ", "for is too much"},
        {"proxy", "1:6: ", "the proxy's URL, or \"direct\" is missing"},
        {"proxy ftp://h:1", "1:7: ", "neither socks5:// nor http://"},
        {"proxy socks5://h", "1:7: ", "needs a host and a port"},
        {"proxy socks5://:1", "1:7: ", "needs a host and a port"},
        {"proxy socks5://h:0", "1:7: ", "its port is not from 1 to 65535"},
        {"proxy socks5://h:65536", "1:7: ", "its port is not from 1 to 65535"},
        {"proxy http://h:1/x", "1:7: ", "nothing comes after its port"},
        {"proxy http://[::1:1", "1:7: ", "needs a host and a port"},
        {"proxy http://h:1 requires", "1:18: ", "requires is not understood here"},
        {"proxy direct require", "1:14: ", "\"direct\" takes no require"},
        {"proxy http://h:1 prefer except", "1:31: ", "after \"except\" is missing"},
        {"path-delay", "1:11: ", "a duration such as 500ms is missing"},
        {"path-delay soon", "1:12: ", "soon is no duration"},
        {"path-delay 500", "1:12: ", "500 has no unit"},
        {"path-delay 500m", "1:12: ", "500m has no unit"},
        {"path-delay 9ms", "1:12: ", "9ms is out of range: from 10ms to 60000ms"},
        {"path-delay 61s", "1:12: ", "61s is out of range"},
        {"path-delay 99999999999999999999s", "1:12: ", "is out of range"},
        {"path-delay 1s 2s", "1:15: ", "2s is too much"},
        {"attempt-delay 3s", "1:15: ", "3s is out of range: from 10ms to 2000ms"},
        {"attempt-delay 1s now", "1:18: ", "now is too much"},
        {"prefer \x01 x", "1:8: ", "the byte 0x01 is no text"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rules rules;
        char reason[512] = "", where[64];
        int r = rules_parse("p.conf", table[i].text, strlen(table[i].text), &rules, reason, sizeof reason);

        snprintf(where, sizeof where, "p.conf:%s", table[i].where);
        if (r != -HAWSER_EPOLICY || strncmp(reason, where, strlen(where)) != 0 || !strstr(reason, table[i].what))
            fail_msg("\"%s\": %d, %s", table[i].text, r, reason);
        assert_int_equal(rules.count, 0);
        assert_null(rules.list);
    }
}

static void test_bounds(void **state)
{
    struct rules rules;
    char reason[512], *text = malloc(70000);
    size_t size = 0;
    (void)state;

    memset(text, 'a', 3000);
    assert_int_equal(rules_parse("p", text, 3000, &rules, reason, sizeof reason), -HAWSER_EPOLICY);
    assert_non_null(strstr(reason, "a line has at most"));
    assert_int_equal(rules_parse("p", text, 300, &rules, reason, sizeof reason), -HAWSER_EPOLICY);
    assert_string_equal(reason, "p:1:1: a word has at most 255 bytes");
    for (int i = 0; i < POLICY_RULES + 1; i++)
        size += (size_t)sprintf(text + size, "avoid family ipv4\n");
    assert_int_equal(rules_parse("p", text, size, &rules, reason, sizeof reason), -HAWSER_EPOLICY);
    assert_string_equal(reason, "p:1025:1: there are more than 1024 rules");
    assert_int_equal(rules_parse("p", text, size - 18, &rules, reason, sizeof reason), 0);
    assert_int_equal(rules.count, POLICY_RULES);
    rules_free(&rules);
    free(text);
}

static void test_layout(void **state)
{
    static const char text[] =
        "\n  # a comment\r\n\tavoid\tfamily  ipv4 # why not\r\nproxy socks5://u:p#w@h:1\nprefer family ipv6";
    struct rules rules;
    char reason[512];
    (void)state;

    assert_int_equal(rules_parse("p", text, sizeof text - 1, &rules, reason, sizeof reason), 0);
    assert_int_equal(rules.count, 3);
    assert_int_equal(rules.list[0].line, 3);
    assert_string_equal(rules.list[1].word, "socks5://u:p#w@h:1");
    assert_int_equal(rules.list[2].line, 5);
    rules_free(&rules);
}

/* --------------------------------------------------------------------------------------------------------- meaning */

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *host;
        bool is;
    } table[] = {
        {"*.example.org", "a.b.example.org", true},
        {"*.example.org", "A.EXAMPLE.ORG", true},
        {"*.example.org", "example.org", false},
        {"*", "", true},
        {"?x*", "axe", true},
        {"?x*", "xe", false},
        {"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/8", "::ffff:a00:1", false},
        {"10.128.0.0/9", "10.127.0.1", false},
        {"0.0.0.0/0", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"2001:db8::/33", "2001:DB8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8:0::1", "2001:db8::1", true},
        {"10.0.0.0/8", "10.example.org", false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (rules_match_host(table[i].pattern, table[i].host) != table[i].is)
            fail_msg("%s and %s", table[i].pattern, table[i].host);
}

static void test_facts_of_interfaces(void **state)
{
    struct policy policy = policy_from("interface wwan* type cellular cost 100 metered\ninterface eth? cost 5\n",
                                       "interface wwan1 unmetered\ninterface wwan1 cost 7 # this one is free\n");
    struct policy_interface facts;
    (void)state;

    policy_interface(&policy, "wwan0", &facts);
    assert_string_equal(facts.type, "cellular");
    assert_int_equal(facts.cost, 100);
    assert_int_equal(facts.metered, 1);
    policy_interface(&policy, "wwan1", &facts);
    assert_string_equal(facts.type, "cellular");
    assert_int_equal(facts.cost, 7);
    assert_int_equal(facts.metered, 0);
    policy_interface(&policy, "eth10", &facts);
    assert_string_equal(facts.type, "");
    assert_int_equal(facts.cost, -1);
    assert_int_equal(facts.metered, -1);
    policy_free(&policy);
}

static void test_precedence(void **state)
{
    static const struct {
        const char *system, *user, *name, *type, *host;
        hawser_preference preference;
        const char *reason;
    } table[] = {
        {"prohibit type cellular", "", "wwan0", "cellular", NULL, HAWSER_PROHIBIT,
         "policy.conf:1 prohibits type cellular"},
        {"prohibit type cellular", "prefer interface wwan0", "wwan0", "cellular", NULL, HAWSER_PROHIBIT,
         "policy.conf:1 prohibits type cellular"},
        {"prohibit type cellular", "allow interface wwan0", "wwan0", "cellular", NULL, HAWSER_PROHIBIT,
         "policy.conf:1 prohibits type cellular"},
        {"prohibit type cellular\nallow interface wwan0", "", "wwan0", "cellular", NULL, HAWSER_NO_PREFERENCE, ""},
        {"prohibit type cellular\nallow interface wwan0", "avoid type cellular", "wwan0", "cellular", NULL,
         HAWSER_AVOID, "user.conf:1 avoids type cellular"},
        {"avoid type cellular", "allow type cellular", "wwan0", "cellular", NULL, HAWSER_NO_PREFERENCE, ""},
        {"avoid type cellular", "\nprohibit interface ww*", "wwan0", "cellular", NULL, HAWSER_PROHIBIT,
         "user.conf:2 prohibits interface ww*"},
        {"", "prohibit interface wwan0\nprefer interface wwan0", "wwan0", "cellular", NULL, HAWSER_PREFER,
         "user.conf:2 prefers interface wwan0"},
        {"prohibit interface wwan* for *.example.org", "", "wwan0", "cellular", "a.example.org", HAWSER_PROHIBIT,
         "policy.conf:1 prohibits interface wwan* for *.example.org"},
        {"prohibit interface wwan* for *.example.org", "", "wwan0", "cellular", "example.com", HAWSER_NO_PREFERENCE,
         ""},
        {"prohibit interface wwan* for *.example.org", "", "wwan0", "cellular", NULL, HAWSER_NO_PREFERENCE, ""},
        {"prohibit interface wwan*", "", "eth0", "ethernet", NULL, HAWSER_NO_PREFERENCE, ""},
        {"interface ppp0 type satellite\nprohibit type satellite", "", "ppp0", "satellite", NULL, HAWSER_PROHIBIT,
         "policy.conf:2 prohibits type satellite"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct policy policy = policy_from(table[i].system, table[i].user);
        char reason[160] = "";

        assert_int_equal(
            policy_on_interface(&policy, table[i].name, table[i].type, table[i].host, reason, sizeof reason),
            table[i].preference);
        assert_string_equal(reason, table[i].reason);
        assert_int_equal(policy_prohibits_interfaces(&policy, table[i].host),
                         (strstr(table[i].system, "prohibit") || strstr(table[i].user, "prohibit")) &&
                             !(strstr(table[i].system, "for ") && !(table[i].host && strstr(table[i].host, ".org"))));
        policy_free(&policy);
    }
}

static void test_stacks_families_delays(void **state)
{
    struct policy policy = policy_from("avoid stack */mptcp\nprefer family ipv4\npath-delay 2s\nattempt-delay 100ms",
                                       "path-delay 700ms\nprohibit stack tls/socks5/*");
    char reason[160];
    (void)state;

    assert_int_equal(policy_on_stack(&policy, "tls/mptcp", reason, sizeof reason), HAWSER_AVOID);
    assert_string_equal(reason, "policy.conf:1 avoids stack */mptcp");
    assert_int_equal(policy_on_stack(&policy, "tls/socks5/tcp", reason, sizeof reason), HAWSER_PROHIBIT);
    assert_int_equal(policy_on_stack(&policy, "tls/tcp", reason, sizeof reason), HAWSER_NO_PREFERENCE);
    assert_int_equal(policy_on_family(&policy, "ipv4"), HAWSER_PREFER);
    assert_int_equal(policy_on_family(&policy, "ipv6"), HAWSER_NO_PREFERENCE);
    assert_int_equal(policy_path_delay(&policy), 700000);
    assert_int_equal(policy_attempt_delay(&policy), 100000);
    policy_free(&policy);
}

static void test_proxies(void **state)
{
    static const struct {
        const char *system, *user, *host, *urls;
    } table[] = {
        {"proxy socks5://p:1", "", "a", "prefer socks5://p:1,"},
        {"proxy socks5://p:1 race except *.lan", "", "a.lan", ""},
        {"proxy socks5://p:1 race except *.lan", "", "b", "none socks5://p:1,"},
        {"proxy http://p:1 for *.com", "", "x.org", ""},
        {"proxy http://p:1 for *.com except a.com", "", "b.com", "prefer http://p:1,"},
        {"proxy http://p:1 for *.com except a.com", "", "a.com", ""},
        {"proxy http://p:1", "proxy direct for *.lan", "a.lan", ""},
        {"proxy http://p:1", "proxy direct for *.lan", "a.com", "prefer http://p:1,"},
        {"proxy http://p:1 require", "proxy direct", "a", "require http://p:1,"},
        {"proxy http://p:1", "proxy socks5://u:2 require", "a", "prefer http://p:1,require socks5://u:2,"},
        {"", "proxy http://p:1\nproxy direct\nproxy http://p:2", "a", "prefer http://p:2,"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct policy policy = policy_from(table[i].system, table[i].user);
        struct property_set set;
        char urls[512] = "";

        policy_proxies(&policy, table[i].host, &set);
        for (unsigned j = 0; j < set.count; j++)
            snprintf(urls + strlen(urls), sizeof urls - strlen(urls), "%s %s,",
                     hawser_preference_name(set.wants[j].preference), set.wants[j].value);
        assert_string_equal(urls, table[i].urls);
        policy_free(&policy);
    }
}

static void test_networks(void **state)
{
    struct policy policy = policy_from("network home gateway 192.168.1.1 link 02:00:5E:00:53:01\n"
                                       "network six gateway fe80:0::1 interface wlan0\n",
                                       "network cable interface eth*\n");
    (void)state;

    assert_string_equal(policy_network(&policy, "wlan0 192.168.1.1 02:00:5e:00:53:01"), "home");
    assert_string_equal(policy_network(&policy, "wlan0 192.168.1.1 02:00:5e:00:53:02"), "");
    assert_string_equal(policy_network(&policy, "wlan0 192.168.1.1"), "");
    assert_string_equal(policy_network(&policy, "wlan0 fe80::1 02:00:5e:00:53:02"), "six");
    assert_string_equal(policy_network(&policy, "wlan1 fe80::1 02:00:5e:00:53:02"), "");
    assert_string_equal(policy_network(&policy, "eth0 192.168.1.1 02:00:5e:00:53:01"), "cable");
    assert_string_equal(policy_network(&policy, ""), "");
    policy_free(&policy);
}

/* ----------------------------------------------------------------------------------------------------------- files */

struct world {
    char directory[64], file[128], log[2048];
    hawser_context *context;
};

static void on_log(hawser_log_level level, const char *text, void *user)
{
    struct world *w = user;
    (void)level;

    snprintf(w->log + strlen(w->log), sizeof w->log - strlen(w->log), "%s\n", text);
}

static void put(struct world *w, const char *text)
{
    char fresh[160];
    FILE *file;

    snprintf(fresh, sizeof fresh, "%s.new", w->file); /* another inode: no clock has to tick between two changes */
    assert_non_null(file = fopen(fresh, "w"));
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(fresh, w->file), 0);
}

static hawser_preference judge(struct world *w)
{
    const struct policy *policy;

    assert_int_equal(policy_of(w->context, &policy), 0);
    return policy_on_family(policy, "ipv6");
}

static void stop(void *user)
{
    hawser_stop(user, 0);
}

/* Files are looked at again after a second. */
static void a_second_later(struct world *w)
{
    assert_int_equal(hawser_timer(w->context, 1000000, stop, w->context, &(uint64_t){0}), 0);
    loop_hold(w->context);
    assert_int_equal(hawser_run(w->context), 0);
    loop_release(w->context);
}

static void world_begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    snprintf(w->directory, sizeof w->directory, "/tmp/hawser-policy-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->file, sizeof w->file, "%s/my.conf", w->directory);
}

static void world_end(struct world *w)
{
    hawser_context_unref(w->context);
    unlink(w->file);
    rmdir(w->directory);
}

static void test_changes_count(void **state)
{
    struct world w;
    (void)state;

    world_begin(&w);
    put(&w, "prefer family ipv6\n");
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .policy_file = w.file, .log = on_log,
                                                       .log_user = &w, .log_level = HAWSER_LOG_WARNING),
                                        &w.context),
                     0);
    assert_int_equal(judge(&w), HAWSER_PREFER);
    put(&w, "avoid family ipv6\n");
    a_second_later(&w);
    assert_int_equal(judge(&w), HAWSER_AVOID);
    assert_string_equal(w.log, "");
    put(&w, "prohibit family ipv6\nprohibit famly ipv4\n");
    a_second_later(&w);
    assert_int_equal(judge(&w), HAWSER_AVOID); /* as it was when it was last right */
    assert_non_null(strstr(w.log, "my.conf:2:10: famly is not understood here"));
    assert_non_null(strstr(w.log, "what the file said before still counts"));
    w.log[0] = '\0';
    a_second_later(&w);
    assert_int_equal(judge(&w), HAWSER_AVOID);
    assert_string_equal(w.log, ""); /* said once a change */
    put(&w, "prohibit family ipv6\n");
    a_second_later(&w);
    assert_int_equal(judge(&w), HAWSER_PROHIBIT);
    world_end(&w);
}

static void test_file_that_is_not_there(void **state)
{
    struct world w;
    (void)state;

    world_begin(&w);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .policy_file = w.file, .log = on_log,
                                                       .log_user = &w, .log_level = HAWSER_LOG_WARNING),
                                        &w.context),
                     0);
    assert_int_equal(judge(&w), HAWSER_NO_PREFERENCE);
    assert_non_null(strstr(w.log, "my.conf: No such file")); /* the program named it */
    world_end(&w);

    world_begin(&w);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .policy_file = "", .log = on_log,
                                                       .log_user = &w, .log_level = HAWSER_LOG_WARNING),
                                        &w.context),
                     0);
    assert_int_equal(judge(&w), HAWSER_NO_PREFERENCE);
    assert_string_equal(w.log, "");
    world_end(&w);
}

static void test_users_own_file(void **state)
{
    struct world w;
    char own[80];
    (void)state;

    world_begin(&w);
    snprintf(own, sizeof own, "%s/hawser", w.directory);
    assert_int_equal(mkdir(own, 0700), 0);
    snprintf(w.file, sizeof w.file, "%s/policy.conf", own);
    put(&w, "avoid family ipv6\n");
    setenv("XDG_CONFIG_HOME", w.directory, 1);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &w.context), 0);
    unsetenv("XDG_CONFIG_HOME");
    assert_int_equal(judge(&w), HAWSER_AVOID);
    unlink(w.file);
    a_second_later(&w);
    assert_int_equal(judge(&w), HAWSER_NO_PREFERENCE);
    rmdir(own);
    world_end(&w);
}

static void test_check(void **state)
{
    struct world w;
    char reason[256];
    (void)state;

    world_begin(&w);
    put(&w, "prefer family ipv6\n");
    assert_int_equal(hawser_policy_check(w.file, reason, sizeof reason), 0);
    assert_string_equal(reason, "");
    put(&w, "prefer famly ipv6\n");
    assert_int_equal(hawser_policy_check(w.file, reason, sizeof reason), -HAWSER_EPOLICY);
    assert_int_equal(strncmp(reason, w.file, strlen(w.file)), 0);
    assert_string_equal(reason + strlen(w.file),
                        ":1:8: famly is not understood here: interface, type, stack or family");
    assert_int_equal(hawser_policy_check(w.file, NULL, 0), -HAWSER_EPOLICY);
    assert_int_equal(hawser_policy_check(w.directory, reason, sizeof reason), -EINVAL);
    assert_non_null(strstr(reason, "it is no regular file"));
    assert_int_equal(hawser_policy_check(NULL, reason, sizeof reason), -EINVAL);
    unlink(w.file);
    assert_int_equal(hawser_policy_check(w.file, reason, sizeof reason), -ENOENT);
    assert_non_null(strstr(reason, "No such file"));
    assert_int_equal(mkfifo(w.file, 0600), 0); /* nobody writes to it: opening must not wait */
    assert_int_equal(hawser_policy_check(w.file, reason, sizeof reason), -EINVAL);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes_have_line_and_column),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_facts_of_interfaces),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_stacks_families_delays),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_changes_count),
        cmocka_unit_test(test_file_that_is_not_there),
        cmocka_unit_test(test_users_own_file),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
