/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report as JSON and as a picture: every field is there, both are well-formed whatever the names and reasons hold, the
 * bars stand where the times are, and a picture has room for what it shows. --svg N prints the picture of a case.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hawser/hawser.h>

#define MS 1000
#define HOSTILE "<script>&\"'\x01\x1b[31m\xff\xc3\xbc\xed\xa0\x80\xe2\x80\xae\xef\xbf\xbf]]>-->"

static const hawser_lookup lookups[] = {
    {"example.org", "HTTPS", 0, 21 * MS, 0, "alpn h2,http/1.1 (300 s)", "insecure"},
    {"example.org", "AAAA", 0, 34 * MS, 0, "2001:db8::1, 2001:db8::2 (60 s)", "insecure"},
    {"example.org", "A", 1 * MS, 19 * MS, 0, "192.0.2.1 (60 s)", "insecure"},
};

#define ON(interface, local, remote)                                                                                   \
    .endpoint = "example.org:443", .path = {interface, local, remote}, .stack = "tls/tcp"
#define UNTRIED .outcome = HAWSER_ATTEMPT_SKIPPED, .layer = "", .reached = ""

static const hawser_attempt attempts[] = {
    {ON("eth0", "[2001:db8:9::7]:40112", "[2001:db8::1]:443"), .start_us = 34 * MS, .end_us = 812 * MS,
     .outcome = HAWSER_ATTEMPT_LOST, .layer = "tcp", .code = -ECANCELED, .reason = "another won", .reached = ""},
    {ON("eth0", "192.0.2.77:40114", "192.0.2.1:443"), .start_us = 284 * MS, .end_us = 331 * MS,
     .outcome = HAWSER_ATTEMPT_FAILED, .layer = "tls", .code = -EPROTO, .reason = "the certificate expired on 2 March",
     .reached = "tcp", .reached_us = 302 * MS, .answered_us = 302 * MS},
    {ON("eth0", "[2001:db8:9::7]:40116", "[2001:db8::2]:443"), .start_us = 331 * MS, .end_us = 352 * MS,
     .outcome = HAWSER_ATTEMPT_FAILED, .layer = "tcp", .code = -ECONNREFUSED, .reason = "connection refused",
     .reached = ""},
    {ON("wlan0", "198.51.100.7:51000", "192.0.2.1:443"), .start_us = 534 * MS, .end_us = 812 * MS,
     .outcome = HAWSER_ATTEMPT_WON, .layer = "", .reason = "", .reached = "tls", .reached_us = 812 * MS,
     .answered_us = 671 * MS, .bare = true},
    {ON("wlan0", "", "[2001:db8::1]:443"), UNTRIED, .code = -ECANCELED, .reason = "another won before its turn came"},
    {ON("wwan0", "", "192.0.2.1:443"), UNTRIED, .code = -EPERM, .reason = "the policy prohibits the interface wwan0"},
};

enum { CASE_ONE, CASE_SIX, CASE_LONG, CASE_THIRTY, CASE_HOSTILE, CASE_NOTHING, CASES };

static hawser_attempt many[30];

static hawser_report report_of(int which)
{
    hawser_report report = {
        .endpoint = "example.org:443",
        .reason = "",
        .end_us = 812 * MS,
        .stack = "tls/tcp",
        .bare = true,
        .path = {"wlan0", "198.51.100.7:51000", "192.0.2.1:443"},
        .peer_name = "example.org",
        .verification = "pki",
        .alpn = "h2",
        .round_trips = 2,
        .dnssec = "insecure",
        .attempts = attempts,
        .attempt_count = sizeof attempts / sizeof *attempts,
        .lookups = lookups,
        .lookup_count = sizeof lookups / sizeof *lookups,
    };

    if (which == CASE_ONE) {
        report.start_us = 534 * MS;
        report.attempts = &attempts[3];
        report.attempt_count = 1;
        report.lookup_count = 0;
    } else if (which == CASE_NOTHING) {
        report = (hawser_report){.endpoint = "",
                                 .reason = "",
                                 .stack = "",
                                 .path = {"", "", ""},
                                 .peer_name = "",
                                 .verification = "",
                                 .alpn = "",
                                 .dnssec = "",
                                 .code = -ETIMEDOUT};
    } else if (which != CASE_SIX) {
        for (unsigned i = 0; i < sizeof many / sizeof *many; i++) {
            many[i] = attempts[i % 6];
            if (which == CASE_LONG && (i == 1 || i == 5))
                many[i].reason =
                    "the certificate of the peer is for *.cdn.a-rather-long-name-of-a-provider.example, "
                    "www.a-rather-long-name-of-a-provider.example and 31 more, and not for example.org; it was issued "
                    "by an authority that nothing on this host knows, its signature is of a kind that is no longer "
                    "taken, it expired on 2 March, and the proxy in between said that it does not want to be asked "
                    "again";
            if (which == CASE_THIRTY && many[i].outcome == HAWSER_ATTEMPT_WON && i != 3)
                many[i].outcome = HAWSER_ATTEMPT_LOST;
            if (which == CASE_HOSTILE)
                many[i].reason = many[i].endpoint = many[i].path.remote = many[i].path.interface = many[i].stack =
                    HOSTILE;
        }
        report.attempts = many;
        report.attempt_count = which == CASE_THIRTY ? 30 : 6;
        if (which == CASE_HOSTILE)
            report.endpoint = report.peer_name = report.stack = HOSTILE;
    }
    return report;
}

/* --------------------------------------------------------------------------------------------- what is well-formed */

/* Elements closed in order, known entities, quoted attributes, no character that XML forbids. */
static void assert_xml(const char *text)
{
    const char *open[32];
    size_t depth = 0, elements = 0;

    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 && *at != '\n')
            fail_msg("a control character %02x in the picture", (unsigned)*at);
        if (*at == '&' && strncmp(at, "&lt;", 4) && strncmp(at, "&gt;", 4) && strncmp(at, "&amp;", 5) &&
            strncmp(at, "&quot;", 6))
            fail_msg("an entity that XML has not: %.20s", at);
        if (*at != '<')
            continue;
        elements++;
        if (at[1] == '/') {
            size_t length = strcspn(at + 2, ">");

            assert_true(depth > 0);
            assert_int_equal(strncmp(open[--depth], at + 2, length), 0);
            at += 1 + length + 1;
            continue;
        }
        open[depth++] = at + 1;
        assert_true(depth < 32);
        for (bool quoted = false; *++at != '>' || quoted;) {
            assert_true(*at && *at != '<');
            quoted ^= *at == '"';
        }
        depth -= at[-1] == '/';
        assert_true(elements > 1 || depth == 1);
    }
    assert_int_equal(depth, 0);
}

static const char *json_value(const char *at);

static const char *json_text(const char *at)
{
    assert_int_equal(*at, '"');
    for (at++; *at != '"'; at++) {
        assert_true((unsigned char)*at >= 0x20);
        if (*at == '\\') {
            at++;
            assert_non_null(strchr("\"\\/bfnrtu", *at));
            assert_true(*at != 'u' || strspn(at + 1, "0123456789abcdef") >= 4);
        }
    }
    return at + 1;
}

static const char *json_members(const char *at, char close)
{
    if (*++at == close)
        return at + 1;
    for (;; at++) {
        if (close == '}') {
            at = json_text(at);
            assert_int_equal(*at, ':');
            at++;
        }
        at = json_value(at);
        if (*at == close)
            return at + 1;
        assert_int_equal(*at, ',');
    }
}

static const char *json_value(const char *at)
{
    static const char *const words[] = {"true", "false", "null"};

    if (*at == '{' || *at == '[')
        return json_members(at, *at == '{' ? '}' : ']');
    if (*at == '"')
        return json_text(at);
    for (size_t i = 0; i < 3; i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0)
            return at + strlen(words[i]);
    assert_true(strspn(at, "-0123456789") > 0);
    return at + strspn(at, "-0123456789.");
}

static void assert_utf8(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        unsigned more = *at < 0x80 ? 0 : *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;

        assert_true(*at < 0x80 || *at >= 0xc2);
        while (more-- > 0)
            assert_int_equal(*++at & 0xc0, 0x80);
    }
}

/* ----------------------------------------------------------------------------------------------------------- tests */

static void test_json(void **state)
{
    static const char *const parts[] = {
        "{\"endpoint\":\"example.org:443\",\"code\":0,",
        "\"stack\":\"tls/"
        "tcp\",\"bare\":true,\"path\":{\"interface\":\"wlan0\",\"local\":\"198.51.100.7:51000\",\"remote\":"
        "\"192.0.2.1:443\"},\"peer_name\":\"example.org\",\"verification\":\"pki\",\"alpn\":\"h2\",\"round_trips\":2,",
        "{\"endpoint\":\"example.org:443\",\"path\":{\"interface\":\"eth0\",\"local\":\"192.0.2.77:40114\",\"remote\":"
        "\"192.0.2.1:443\"},\"stack\":\"tls/tcp\",\"bare\":false,\"start_us\":284000,\"end_us\":331000,\"outcome\":"
        "\"failed\",\"layer\":\"tls\",\"code\":-71,\"reason\":\"the certificate expired on 2 "
        "March\",\"reached\":\"tcp\",\"reached_us\":302000,\"answered_us\":302000,\"early_data\":false}",
        "{\"name\":\"example.org\",\"question\":\"AAAA\",\"start_us\":0,\"end_us\":34000,\"code\":0,",
        ",\"result\":\"2001:db8::1, 2001:db8::2 (60 s)\",\"dnssec\":\"insecure\"}",
        "\"outcome\":\"won\"",
        "\"outcome\":\"lost\"",
        "\"outcome\":\"skipped\"",
    };
    hawser_report report = report_of(CASE_SIX);
    char *text = NULL;
    (void)state;

    assert_int_equal(hawser_report_json(&report, &text), 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i]))
            fail_msg("there is no %s in %s", parts[i], text);
    assert_null(strchr(text, '\n'));
    free(text);
}

static void test_well_formed(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        hawser_report report = report_of(i);
        char *text = NULL;

        assert_int_equal(hawser_report_json(&report, &text), 0);
        assert_int_equal(*json_value(text), '\0');
        assert_utf8(text);
        free(text);
        assert_int_equal(hawser_report_svg(&report, &text), 0);
        assert_xml(text);
        assert_utf8(text);
        assert_null(strstr(text, "<script"));
        assert_null(strstr(text, "\xe2\x80\xae")); /* nothing turns the text round */
        free(text);
    }
}

static double number_at(const char *text, const char *from, const char *attribute)
{
    const char *found = from ? strstr(text, from) : text;

    assert_non_null(found);
    found = strstr(found, attribute);
    assert_non_null(found);
    return strtod(found + strlen(attribute), NULL);
}

static void test_picture(void **state)
{
    hawser_report report = report_of(CASE_SIX);
    double axis, won, width, failed;
    char *text = NULL;
    (void)state;

    assert_int_equal(hawser_report_svg(&report, &text), 0);
    axis = number_at(text, "class=\"lookup\"", " x=\"");
    won = number_at(text, "rect class=\"won\"", " x=\"");
    width = number_at(text, "rect class=\"won\"", " width=\"");
    failed = number_at(text, "rect class=\"failed\"", " x=\"");
    /* 812 ms are the whole axis, and the winner's bar ends there */
    assert_true(won + width > 880 && won + width < 890);
    assert_true((won - axis) / (won + width - axis) > 0.65 && (won - axis) / (won + width - axis) < 0.665);
    assert_true((failed - axis) / (won + width - axis) > 0.345 && (failed - axis) / (won + width - axis) < 0.355);
    assert_non_null(
        strstr(text, "failed after 47 ms, its tcp answered after 18 ms: the certificate expired on 2 March"));
    assert_non_null(strstr(text, "class=\"winner\""));
    assert_non_null(strstr(text, "skipped, tls/tcp: the policy prohibits the interface wwan0"));
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    assert_non_null(strstr(text, "2001:db8::1, 2001:db8::2 (60 s), insecure"));
    /* the peer answered 137 ms into the winner's 278 */
    failed = number_at(strstr(text, "rect class=\"won\""), "class=\"reached\"", " x=\"") - won;
    assert_true(failed / width > 0.47 && failed / width < 0.5);
    free(text);
}

/* A long reason has more lines, and the picture is higher for it; no text begins outside. */
static void test_room(void **state)
{
    double heights[CASES];
    (void)state;

    for (int i = 0; i < CASES; i++) {
        hawser_report report = report_of(i);
        char *text = NULL;

        assert_int_equal(hawser_report_svg(&report, &text), 0);
        heights[i] = number_at(text, NULL, " height=\"");
        for (const char *at = text; (at = strstr(at, "<text ")); at++) {
            assert_true(number_at(at, NULL, " x=\"") >= 0 && number_at(at, NULL, " x=\"") <= 900);
            assert_true(number_at(at, NULL, " y=\"") > 0 && number_at(at, NULL, " y=\"") <= heights[i]);
        }
        free(text);
    }
    assert_true(heights[CASE_ONE] < heights[CASE_SIX]);
    assert_true(heights[CASE_LONG] >= heights[CASE_SIX] + 4 * 14);
    assert_true(heights[CASE_THIRTY] > 30 * 24);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_well_formed),
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_room),
    };

    if (argc == 3 && strcmp(argv[1], "--svg") == 0) {
        hawser_report report = report_of(atoi(argv[2]));
        char *text = NULL;

        if (hawser_report_svg(&report, &text) == 0)
            fputs(text, stdout);
        free(text);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
