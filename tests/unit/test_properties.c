/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of properties: each row's two defaults are one; what is printed reads the same again; what is wrong, or what
 * nothing can give, is refused in a sentence that names it, and changes nothing; stacks, interfaces and families are
 * judged as they were asked for; contradictions are said.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "property/internal.h"

static hawser_properties *fresh(void)
{
    hawser_properties *properties;

    assert_int_equal(hawser_properties_new(&properties), 0);
    return properties;
}

static void set(hawser_properties *properties, const char *name, const char *value)
{
    if (hawser_properties_set(properties, name, value) != 0)
        fail_msg("%s = %s was refused: %s", name, value, hawser_properties_wrong(properties));
}

static const char *get(const hawser_properties *properties, const char *name)
{
    static char text[5000];

    if (hawser_properties_get(properties, name, text, sizeof text) < 0)
        fail_msg("%s: %s", name, hawser_properties_wrong(properties));
    return text;
}

static void refused(const char *name, const char *value, const char *words)
{
    hawser_properties *properties = fresh();

    assert_int_equal(hawser_properties_set(properties, name, value), -HAWSER_EPROPERTY);
    if (!strstr(hawser_properties_wrong(properties), words))
        fail_msg("%s = %s: \"%s\" does not say \"%s\"", name, value, hawser_properties_wrong(properties), words);
    assert_memory_equal(properties_values(properties), &property_defaults, sizeof property_defaults);
    hawser_properties_unref(properties);
}

static void test_both_defaults_are_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < property_row_count; i++) {
        const struct property_row *row = &property_rows[i];
        struct property_values values = property_defaults;
        char reason[WRONG_SIZE] = "", text[128];

        if (row->kind == KIND_READ_ONLY)
            continue;
        value_print(row, &property_defaults, text, sizeof text);
        assert_string_equal(text, row->default_value);
        assert_int_equal(value_parse(row, &values, row->default_value, reason, sizeof reason), 0);
        assert_memory_equal(&values, &property_defaults, sizeof values);
        /* A default is never refused. */
        assert_int_equal(value_refuse(row, &values, reason, sizeof reason), 0);
    }
}

static void test_every_row_is_whole(void **state)
{
    hawser_property_info info, other;
    unsigned stages[4] = {0}, count = 0;
    (void)state;

    for (; hawser_property_info_get(count, &info) == 0; count++) {
        stages[info.stage]++;
        assert_true(*info.name && *info.summary && *info.source && *info.effect);
        assert_int_equal(info.type == HAWSER_ENUMERATION, *info.values && info.type != HAWSER_SET);
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(hawser_property_info_get(i, &other), 0);
            assert_string_not_equal(info.name, other.name);
        }
        if (info.stage != HAWSER_READ_ONLY)
            assert_true(*hawser_property_offered(count, "tls/tcp", false));
    }
    assert_int_equal(hawser_property_info_get(count, &info), -ENOENT);
    assert_int_equal(count, property_row_count);
    assert_int_equal(stages[HAWSER_SELECTION], 18 + 4);  /* RFC 9622 section 6.2, and hawser's own */
    assert_int_equal(stages[HAWSER_CONNECTION], 13 + 3); /* section 8.1, and tcp's of 8.2 */
    assert_int_equal(stages[HAWSER_PER_MESSAGE], 10);    /* section 9.1.3 */
    assert_int_equal(stages[HAWSER_READ_ONLY], 6);       /* section 8.1.11 */
}

static void test_names_in_any_style(void **state)
{
    hawser_properties *properties = fresh();
    (void)state;

    set(properties, "multi-streaming", "Require");
    assert_string_equal(get(properties, "MULTISTREAMING"), "require");
    set(properties, "keep_alive_timeout", "3s");
    assert_string_equal(get(properties, "keepAliveTimeout"), "3s");
    set(properties, "TCP.userTimeoutValue", "1min");
    assert_string_equal(get(properties, "tcp.user-timeout-value"), "1min");
    assert_int_equal(hawser_properties_set(properties, "multistreeming", "require"), -HAWSER_EPROPERTY);
    assert_string_equal(hawser_properties_wrong(properties),
                        "there is no property \"multistreeming\"; \"multistreaming\" is the nearest");
    assert_int_equal(hawser_properties_set(properties, "colour", "red"), -HAWSER_EPROPERTY);
    assert_string_equal(hawser_properties_wrong(properties), "there is no property \"colour\"");
    assert_int_equal(hawser_properties_get(properties, "", NULL, 0), -HAWSER_EPROPERTY);
    hawser_properties_unref(properties);
}

static void test_printed_reads_the_same(void **state)
{
    static const char *const table[][3] = {
        {"connTimeout", "200ms", "200ms"},
        {"connTimeout", "10", "10s"},
        {"connTimeout", "1.5s", "1500ms"},
        {"connTimeout", "90s", "90s"},
        {"connTimeout", "3600s", "1h"},
        {"connTimeout", "7us", "7us"},
        {"connTimeout", "Disabled", "disabled"},
        {"msgLifetime", "infinite", "disabled"},
        {"maxSendRate", "8M", "8M"},
        {"maxSendRate", "0.0005M", "500"},
        {"maxSendRate", "1500k", "1500k"},
        {"maxSendRate", "2000", "2k"},
        {"maxSendRate", "unlimited", "unlimited"},
        {"recvChecksumLen", "0", "0"},
        {"recvChecksumLen", "FULL", "full"},
        {"connPriority", "0", "0"},
        {"msgPriority", "255", "255"},
        {"groupConnLimit", "4294967295", "4294967295"},
        {"groupConnLimit", "unlimited", "unlimited"},
        {"advertisesAltaddr", "FALSE", "false"},
        {"msgOrdered", "true", "true"},
        {"multipath", "Active", "active"},
        {"direction", "unidirectional-send", "unidirectional-send"},
        {"connCapacityProfile", "capacity-seeking", "capacity-seeking"},
        {"interface", "prohibit:wifi,prefer:eth*", "prohibit:wifi,prefer:eth*"},
        {"proxy", "require:socks5://a:b@h:1", "require:socks5://a:b@h:1"},
        {"family", "prefer:IPv4", "prefer:ipv4"},
        {"pvd", "avoid:eth0.5", "avoid:eth0.5"},
        {"session", "none", "none"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        hawser_properties *properties = fresh(), *again = fresh();

        set(properties, table[i][0], table[i][1]);
        assert_string_equal(get(properties, table[i][0]), table[i][2]);
        set(again, table[i][0], table[i][2]);
        assert_memory_equal(properties_values(again), properties_values(properties), sizeof property_defaults);
        hawser_properties_unref(properties);
        hawser_properties_unref(again);
    }
}

static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    refused("reliability", "yes", "reliability is one of require, prefer, none, avoid, prohibit, not \"yes\"");
    refused("multipath", "both", "multipath is one of disabled,active,passive, not \"both\"");
    refused("advertisesAltaddr", "1", "true or false");
    refused("connTimeout", "0", "a duration");
    refused("connTimeout", "-1s", "a duration");
    refused("connTimeout", "5 s", "a duration");
    refused("connTimeout", "1.s", "a duration");
    refused("connTimeout", "99999999999999999999s", "a duration");
    refused("connTimeout", "9223372036855s", "a duration"); /* beyond int64_t microseconds */
    refused("connTimeout", "", "a duration");
    refused("maxSendRate", "0", "a rate in bits per second");
    refused("maxSendRate", "fast", "a rate in bits per second");
    refused("maxSendRate", "1e9", "a rate in bits per second");
    refused("recvChecksumLen", "1.5", "a number of bytes, or full");
    refused("connPriority", "256", "from 0 to 255");
    refused("groupConnLimit", "0", "above 0");
    refused("interface", "wifi", "interface is a list of require:VALUE");
    refused("interface", "prefer:", "a member of interface has 1 to 255 letters");
    refused("interface", "love:wifi", "interface is a list of");
    refused("family", "prefer:ipv5", "family has members ipv4,ipv6, not \"ipv5\"");
    refused("connState", "closed", "read-only");
}

static void test_what_nothing_gives_is_refused(void **state)
{
    (void)state;
    refused("reliability", "prohibit", "reliability cannot be prohibit: every stack of hawser is reliable");
    refused("fullChecksumSend", "prohibit", "protects all");
    refused("fullChecksumRecv", "prohibit", "protects all");
    refused("congestionControl", "prohibit", "TCP");
    refused("activeReadBeforeSend", "prohibit", "may read first");
    refused("softErrorNotify", "require", "ICMP");
    refused("security", "prefer", "never goes from encrypted to plain");
    refused("security", "none", "never goes from encrypted to plain");
    refused("connScheduler", "round-robin", "one scheduler");
    refused("minSendRate", "1M", "reserves");
    refused("minRecvRate", "1M", "reserves");
    refused("maxRecvRate", "1M", "hawser_pause()");
    refused("tcp.userTimeoutEnabled", "true", "RFC 5482");
    refused("tcp.userTimeoutChangeable", "true", "RFC 5482");
    refused("final", "true", "one message");
    refused("noSegmentation", "true", "cuts it");
    refused("proxy", "require:ftp://x:1", "socks5://host:port");
}

static void test_wanting(void **state)
{
    hawser_properties *p = fresh();
    (void)state;

    assert_int_equal(hawser_properties_want(p, HAWSER_REQUIRE, "multistreaming", NULL), 0);
    assert_string_equal(get(p, "multistreaming"), "require");
    assert_int_equal(hawser_properties_want(p, HAWSER_REQUIRE, "multistreaming", "3"), -HAWSER_EPROPERTY);
    assert_int_equal(hawser_properties_want(p, HAWSER_PROHIBIT, "interface", "wifi"), 0);
    assert_int_equal(hawser_properties_want(p, HAWSER_AVOID, "interface", "cellular"), 0);
    assert_string_equal(get(p, "interface"), "prohibit:wifi,avoid:cellular");
    assert_int_equal(hawser_properties_want(p, HAWSER_NO_PREFERENCE, "interface", "wifi"), 0);
    assert_string_equal(get(p, "interface"), "none:wifi,avoid:cellular");
    set(p, "interface", "");
    assert_string_equal(get(p, "interface"), "");
    assert_int_equal(hawser_properties_want(p, HAWSER_PROHIBIT, "interface", NULL), -HAWSER_EPROPERTY);
    assert_int_equal(hawser_properties_want(p, HAWSER_REQUIRE, "multipath", "active"), 0);
    assert_string_equal(get(p, "multipath"), "active");
    assert_int_equal(hawser_properties_want(p, HAWSER_PROHIBIT, "multipath", "active"), 0);
    assert_string_equal(get(p, "multipath"), "disabled");
    assert_int_equal(hawser_properties_want(p, HAWSER_PROHIBIT, "multipath", "disabled"), -HAWSER_EPROPERTY);
    assert_non_null(strstr(hawser_properties_wrong(p), "set what it shall be instead"));
    assert_int_equal(hawser_properties_want(p, HAWSER_REQUIRE, "isolateSession", NULL), 0);
    assert_string_equal(get(p, "isolateSession"), "true");
    assert_int_equal(hawser_properties_want(p, HAWSER_PROHIBIT, "isolateSession", NULL), 0);
    assert_string_equal(get(p, "isolateSession"), "false");
    assert_int_equal(hawser_properties_want(p, HAWSER_AVOID, "connTimeout", "1s"), -HAWSER_EPROPERTY);
    assert_int_equal(hawser_properties_want(p, HAWSER_REQUIRE, "connTimeout", "1s"), 0);
    assert_string_equal(get(p, "connTimeout"), "1s");
    assert_int_equal(hawser_properties_want(p, HAWSER_REQUIRE, "canSend", "true"), -HAWSER_EPROPERTY);
    hawser_properties_unref(p);
}

static void test_a_set_is_bounded(void **state)
{
    hawser_properties *p = fresh();
    char name[400];
    (void)state;

    for (int i = 0; i < PROPERTY_SET_MAX; i++) {
        snprintf(name, sizeof name, "eth%d", i);
        assert_int_equal(hawser_properties_want(p, HAWSER_AVOID, "interface", name), 0);
    }
    assert_int_equal(hawser_properties_want(p, HAWSER_AVOID, "interface", "one-more"), -HAWSER_EPROPERTY);
    assert_non_null(strstr(hawser_properties_wrong(p), "at most 16"));
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(hawser_properties_want(p, HAWSER_AVOID, "pvd", name), -HAWSER_EPROPERTY);
    assert_int_equal(hawser_properties_set(p, "pvd", name), -HAWSER_EPROPERTY);
    assert_int_equal(hawser_properties_set(p, name, name), -HAWSER_EPROPERTY);
    /* Printing tells the whole length, as snprintf() does. */
    assert_int_equal(hawser_properties_get(p, "interface", name, 10), (int)strlen(get(p, "interface")));
    hawser_properties_unref(p);
}

static void test_what_follows(void **state)
{
    hawser_properties *p = fresh(), *copy;
    (void)state;

    set(p, "preserveOrder", "require");
    assert_string_equal(get(p, "msgOrdered"), "true");
    set(p, "msgOrdered", "false");
    set(p, "preserveOrder", "prefer");
    assert_string_equal(get(p, "msgOrdered"), "false");
    set(p, "connCapacityProfile", "scavenger");
    assert_string_equal(get(p, "msgCapacityProfile"), "scavenger");
    assert_int_equal(hawser_properties_copy(p, &copy), 0);
    assert_ptr_equal(properties_values(copy), properties_values(p)); /* shared until one is changed */
    set(p, "connCapacityProfile", "default");
    assert_string_equal(get(copy, "connCapacityProfile"), "scavenger");
    hawser_properties_unref(copy);
    assert_int_equal(hawser_properties_copy(NULL, &copy), 0);
    assert_memory_equal(properties_values(copy), &property_defaults, sizeof property_defaults);
    hawser_properties_unref(copy);
    hawser_properties_unref(p);
}

/* ----------------------------------------------------------------------------------------------------------- judging */

static const struct property_stack bare_quic = {"quic/udp", .secure = true, .udp = true};
static const struct property_stack session_tcp = {"tls/tcp", .session = true, .secure = true, .early_data = true};
static const struct property_stack bare_tls = {"tls/tcp", .secure = true, .early_data = true};
static const struct property_stack bare_tcp = {"tcp"};
static const struct property_stack bare_unix = {"unix", .unix_socket = true};
static const struct property_stack session_mptcp = {"tls/mptcp", .session = true, .secure = true, .early_data = true,
                                                    .multipath = true};

/* The rank, or INT32_MIN where it is refused with these words. */
static int judged(const struct property_stack *stack, const char *name, const char *value, const char *words)
{
    hawser_properties *p = fresh();
    char reason[300] = "";
    int rank = 0, r;

    set(p, "security", "avoid"); /* so that plain ones are judged by the rest */
    set(p, "session", "none");
    set(p, name, value);
    r = property_judge_stack(properties_values(p), stack, &rank, reason, sizeof reason);
    hawser_properties_unref(p);
    if (r == 0)
        return rank;
    assert_int_equal(r, -HAWSER_EPROHIBITED);
    if (!words || !strstr(reason, words))
        fail_msg("\"%s\" does not say \"%s\"", reason, words ? words : "(nothing)");
    return INT32_MIN;
}

static void test_stacks_are_judged(void **state)
{
    static const char *const over_udp[] = {"quic/udp", "dtls/udp", "sctp/dtls/udp", "sctp/udp", "tfrc/udp", "udp"};
    const int no = INT32_MIN;
    (void)state;

    assert_int_equal(judged(&session_tcp, "multistreaming", "require", NULL), 0);
    assert_int_equal(judged(&bare_tls, "multistreaming", "require",
                            "multistreaming is required, and tls/tcp without hawser/1 does not give it"),
                     no);
    assert_int_equal(
        judged(&bare_tcp, "multistreaming", "require", "multistreaming is required, and tcp does not give it"), no);
    assert_int_equal(judged(&session_tcp, "multistreaming", "prohibit",
                            "multistreaming is prohibited, and tls/tcp with hawser/1 gives it"),
                     no);
    assert_int_equal(judged(&bare_tcp, "multistreaming", "prohibit", NULL), 0);
    assert_int_equal(judged(&session_tcp, "multistreaming", "prefer", NULL), -1);
    assert_int_equal(judged(&bare_tcp, "multistreaming", "prefer", NULL), 0);
    assert_int_equal(judged(&session_tcp, "multistreaming", "avoid", NULL), 1);
    assert_int_equal(judged(&bare_tcp, "zeroRttMsg", "require", "zeroRttMsg is required"), no);
    assert_int_equal(judged(&bare_unix, "keepAlive", "require", "keepAlive is required"), no);
    assert_int_equal(judged(&bare_tcp, "keepAlive", "require", NULL), 0);
    assert_int_equal(judged(&session_tcp, "keepAlive", "prohibit", NULL), 0);
    assert_int_equal(judged(&bare_tcp, "preserveOrder", "prohibit", "preserveOrder is prohibited"), no);
    assert_int_equal(judged(&session_tcp, "preserveOrder", "prohibit", NULL), 0);
    assert_int_equal(judged(&bare_tcp, "preserveMsgBoundaries", "require", "preserveMsgBoundaries"), no);
    assert_int_equal(judged(&bare_unix, "congestionControl", "require", NULL), 0);
    assert_int_equal(judged(&session_tcp, "softErrorNotify", "prefer", NULL), 0);
    assert_int_equal(judged(&session_mptcp, "multipath", "disabled", "multipath is disabled"), no);
    assert_int_equal(judged(&session_mptcp, "multipath", "active", NULL), -1);
    assert_int_equal(judged(&session_tcp, "multipath", "active", NULL), 0);
    assert_int_equal(judged(&session_mptcp, "maxSendRate", "1M", "maxSendRate is set"), no);
    assert_int_equal(judged(&bare_unix, "maxSendRate", "1M", "maxSendRate is set"), no);
    assert_int_equal(judged(&session_tcp, "maxSendRate", "1M", NULL), 0);
    assert_int_equal(judged(&bare_quic, "connTimeout", "3s", "no time-out of its own"), no);
    assert_int_equal(judged(&bare_quic, "connTimeout", "disabled", NULL), 0);
    for (size_t i = 0; i < sizeof over_udp / sizeof *over_udp; i++) {
        struct property_stack stack;

        property_stack_read(over_udp[i], true, &stack);
        assert_int_equal(judged(&stack, "maxSendRate", "1M", "cannot be held to a rate"), no);
        assert_int_equal(stack.secure, i < 3);
        assert_int_equal(stack.early_data, i == 0);
    }
    assert_int_equal(judged(&session_tcp, "session", "prohibit", "session is prohibited"), no);
    assert_int_equal(judged(&bare_tcp, "security", "require", "security is required"), no);
    assert_int_equal(judged(&bare_tls, "security", "prohibit", "security is prohibited"), no);
    /* A stack that is named counts as wanted, as long as nothing else was said. */
    assert_int_equal(judged(&session_mptcp, "connPriority", "100", NULL), 0);
}

static void test_a_framer_keeps_messages_apart(void **state)
{
    struct property_stack framed = bare_tls;
    (void)state;

    framed.framed = true;
    assert_int_equal(judged(&framed, "preserveMsgBoundaries", "require", NULL), 0);
}

static void test_interfaces_are_judged(void **state)
{
    hawser_properties *p = fresh();
    char reason[300] = "";
    int rank = 7;
    (void)state;

    assert_int_equal(property_judge_interface(properties_values(p), "eth0", "ethernet", &rank, reason, sizeof reason),
                     0);
    assert_int_equal(rank, 0);
    set(p, "interface", "require:wifi,require:eth*,avoid:eth1");
    assert_int_equal(property_judge_interface(properties_values(p), "eth0", "ethernet", &rank, reason, sizeof reason),
                     0);
    assert_int_equal(rank, 0);
    assert_int_equal(property_judge_interface(properties_values(p), "eth1", "ethernet", &rank, reason, sizeof reason),
                     0);
    assert_int_equal(rank, 1);
    assert_int_equal(property_judge_interface(properties_values(p), "wlp2s0", "WiFi", &rank, reason, sizeof reason), 0);
    assert_int_equal(property_judge_interface(properties_values(p), "wwan0", "cellular", &rank, reason, sizeof reason),
                     -HAWSER_EPROHIBITED);
    assert_string_equal(reason, "interface requires eth*, and this is wwan0 (cellular)");
    set(p, "interface", "prohibit:ethernet");
    assert_int_equal(property_judge_interface(properties_values(p), "eth0", "ethernet", &rank, reason, sizeof reason),
                     -HAWSER_EPROHIBITED);
    assert_string_equal(reason, "interface prohibits ethernet");
    set(p, "interface", "");
    set(p, "pvd", "prohibit:eth0"); /* the paths judge it */
    assert_int_equal(property_judge_interface(properties_values(p), "eth0", "ethernet", &rank, reason, sizeof reason),
                     0);
    set(p, "family", "prefer:ipv4,prohibit:ipv6");
    assert_int_equal(property_judge_family(properties_values(p), "ipv4", &rank, reason, sizeof reason), 0);
    assert_int_equal(rank, -1);
    assert_int_equal(property_judge_family(properties_values(p), "ipv6", &rank, reason, sizeof reason),
                     -HAWSER_EPROHIBITED);
    hawser_properties_unref(p);
}

static void test_contradictions_are_said(void **state)
{
    static const struct {
        const char *set[3][2];
        const char *words; /* "": none */
    } table[] = {
        {{{"connPriority", "100"}}, ""},
        {{{"security", "prohibit"}}, "required by default, runs in an encrypted line only"},
        {{{"security", "prohibit"}, {"session", "require"}}, "required, runs in an encrypted line only"},
        {{{"security", "prohibit"}, {"session", "prohibit"}}, ""},
        {{{"session", "prohibit"}, {"multistreaming", "require"}}, "multistreaming is required"},
        {{{"session", "avoid"}, {"security", "prohibit"}, {"perMsgReliability", "require"}}, "perMsgReliability is"},
        {{{"multistreaming", "prohibit"}}, "multistreaming is prohibited, and hawser/1"},
        {{{"preserveMsgBoundaries", "prohibit"}}, "preserveMsgBoundaries is prohibited"},
        {{{"zeroRttMsg", "require"}, {"isolateSession", "true"}}, "isolateSession"},
        {{{"keepAlive", "require"}, {"keepAliveTimeout", "disabled"}}, "keepAlive is required"},
        {{{"keepAlive", "prohibit"}, {"keepAliveTimeout", "5s"}}, "keepAlive is prohibited"},
        {{{"keepAlive", "prohibit"}}, ""},
        {{{"msgChecksumLen", "8"}}, "fullChecksumSend is required by default"},
        {{{"msgChecksumLen", "8"}, {"fullChecksumSend", "none"}}, ""},
        {{{"recvChecksumLen", "0"}}, "fullChecksumRecv is required by default"},
        {{{"msgReliable", "false"}}, "perMsgReliability is not wanted"},
        {{{"msgReliable", "false"}, {"perMsgReliability", "prefer"}}, ""},
        {{{"preserveOrder", "prohibit"}, {"msgOrdered", "true"}}, "preserveOrder is prohibited"},
        {{{"msgCapacityProfile", "scavenger"}}, "marked as a whole"},
        {{{"connCapacityProfile", "scavenger"}}, ""},
        {{{"family", "prohibit:ipv4,prohibit:ipv6"}}, "both families"},
        {{{"family", "require:ipv4"}, {"useTemporaryLocalAddress", "require"}}, "has none"},
        {{{"proxy", "prohibit:direct"}}, "no proxy is named"},
        {{{"proxy", "require:direct,require:socks5://h:1"}}, "both direct and a proxy"},
        {{{"proxy", "prohibit:direct,none:socks5://h:1"}}, ""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        hawser_properties *p = fresh();
        char reason[300] = "";
        int r;

        for (size_t j = 0; j < 3 && table[i].set[j][0]; j++)
            set(p, table[i].set[j][0], table[i].set[j][1]);
        r = property_check(properties_values(p), false, reason, sizeof reason);
        if (*table[i].words ? r != -HAWSER_EPROPERTY || !strstr(reason, table[i].words) : r != 0)
            fail_msg("case %zu: %d, \"%s\"", i, r, reason);
        hawser_properties_unref(p);
    }
}

static void test_a_listener_has_no_way_to_choose(void **state)
{
    static const char *const table[][2] = {
        {"interface", "avoid:wifi"},  {"pvd", "avoid:eth0"},      {"useTemporaryLocalAddress", "require"},
        {"proxy", "none:http://h:1"}, {"isolateSession", "true"}, {"family", "prefer:ipv4"}};
    char reason[300] = "";
    (void)state;

    assert_int_equal(property_check(&property_defaults, true, reason, sizeof reason), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        hawser_properties *p = fresh();

        set(p, table[i][0], table[i][1]);
        assert_int_equal(property_check(properties_values(p), false, reason, sizeof reason), 0);
        assert_int_equal(property_check(properties_values(p), true, reason, sizeof reason), -HAWSER_EPROPERTY);
        assert_non_null(strstr(reason, table[i][0]));
        hawser_properties_unref(p);
    }
}

static const char *offered(const char *name, const char *stack, bool bare)
{
    return hawser_property_offered(row_index(row_find(name)), stack, bare);
}

static void test_offered(void **state)
{
    (void)state;
    assert_string_equal(offered("multistreaming", "tls/tcp", false), "yes");
    assert_string_equal(offered("multistreaming", "tls/tcp", true), "no");
    assert_string_equal(offered("security", "tls/unix", true), "yes");
    assert_string_equal(offered("security", "unix", true), "no");
    assert_string_equal(offered("session", "tcp", false), "no"); /* hawser/1 runs in encrypted lines only */
    assert_string_equal(offered("multipath", "tls/mptcp", false), "yes");
    assert_string_equal(offered("multipath", "tls/tcp", false), "no");
    assert_string_equal(offered("keepAlive", "unix", true), "no");
    assert_string_equal(offered("keepAlive", "mptcp", true), "no");
    assert_string_equal(offered("keepAlive", "tls/socks5/tcp", true), "as asked");
    assert_string_equal(hawser_property_offered(9999, "tcp", true), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_defaults_are_one),
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_names_in_any_style),
        cmocka_unit_test(test_printed_reads_the_same),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_what_nothing_gives_is_refused),
        cmocka_unit_test(test_wanting),
        cmocka_unit_test(test_a_set_is_bounded),
        cmocka_unit_test(test_what_follows),
        cmocka_unit_test(test_stacks_are_judged),
        cmocka_unit_test(test_a_framer_keeps_messages_apart),
        cmocka_unit_test(test_interfaces_are_judged),
        cmocka_unit_test(test_contradictions_are_said),
        cmocka_unit_test(test_a_listener_has_no_way_to_choose),
        cmocka_unit_test(test_offered),
    };

    return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
