/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading DNS messages: names with and without compression, aliases, what hostile packets try, how long an answer holds,
 * and that what is remembered is bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "endpoint/dns_data.h"
#include "endpoint/stub.h"

#define HEAD(questions, answers, authorities) "\x12\x34\x81\x80\0" questions "\0" answers "\0" authorities "\0\0"
#define QUESTION "\1a\7example\0\0\1\0\1" /* A of a.example, at 12; example at 14 */
#define PACKET(bytes) (const uint8_t *)(bytes), sizeof(bytes) - 1

static void test_names(void **state)
{
    static const char *const same[][2] = {
        {"a.example", "a.example"},
        {"A.Example.", "A.Example"},
        {"My\\032Printer._ipp._tcp.local", "My\\032Printer._ipp._tcp.local"},
        {"My Printer\\.2", "My\\032Printer\\0462"},
        {"\\255\\000", "\\255\\000"},
    };
    static const char *const wrong[] = {"", ".", "a..b", ".a", "a\\", "a\\256", "\\25"};
    char text[DNS_NAME_TEXT], long_name[300];
    struct dns_name name, other;
    (void)state;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(dns_name_parse(same[i][0], &name), 0);
        dns_name_print(&name, text);
        assert_string_equal(text, same[i][1]);
        assert_int_equal(dns_name_parse(text, &other), 0);
        assert_true(dns_name_equal(&name, &other));
    }
    for (size_t i = 0; i + 1 < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(dns_name_parse(wrong[i], &name), -EINVAL);
    assert_int_equal(dns_name_parse("a.EXAMPLE", &name), 0);
    assert_int_equal(dns_name_parse("A.example", &other), 0);
    assert_true(dns_name_equal(&name, &other));
    for (size_t i = 0; i < sizeof long_name; i++)
        long_name[i] = i % 64 == 63 ? '.' : 'x';
    long_name[253] = '\0';
    assert_int_equal(dns_name_parse(long_name, &name), 0);
    assert_int_equal(name.size, DNS_NAME_SIZE);
    assert_int_equal(dns_name_prepend(&name, "x"), -EINVAL);
    long_name[253] = 'x';
    long_name[254] = '\0';
    assert_int_equal(dns_name_parse(long_name, &name), -EINVAL);
    memset(long_name, 'x', 64);
    long_name[64] = '\0';
    assert_int_equal(dns_name_parse(long_name, &name), -EINVAL);
}

static void test_compression(void **state)
{
    static const char packet[] =
        HEAD("\1", "\1", "\0") QUESTION "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0a\0\1\0\2\0\x50\1b\xc0\x0e";
    struct dns_message message;
    struct dns_record record;
    struct dns_srv srv;
    char text[200];
    (void)state;

    assert_int_equal(dns_message_open(&message, PACKET(packet)), 0);
    assert_true(message.response);
    assert_int_equal(message.id, 0x1234);
    assert_int_equal(dns_message_next(&message, &record), 1);
    assert_true(dns_name_equal(&record.name, &message.question));
    assert_int_equal(record.ttl, 60);
    assert_int_equal(dns_srv_read(&message, &record, &srv), 0);
    dns_data_print(&message, &record, text, sizeof text);
    assert_string_equal(text, "1 2 80 b.example.");
    assert_int_equal(dns_message_next(&message, &record), 0);
}

/* Each of these is refused, or ends: none reads beyond the packet, none runs round. */
static void test_hostile_packets(void **state)
{
    static const struct {
        const char *what, *bytes;
        size_t size;
    } table[] = {
#define CASE(what, bytes) {what, bytes, sizeof(bytes) - 1}
        CASE("no header", "\x12\x34\x81\x80\0\1"),
        CASE("no question", HEAD("\1", "\0", "\0")),
        CASE("a question cut off", HEAD("\1", "\0", "\0") "\1a\7exam"),
        CASE("a name that points to itself", HEAD("\1", "\0", "\0") "\xc0\x0c\0\1\0\1"),
        CASE("a name that points forward", HEAD("\1", "\0", "\0") "\xc0\x10\0\1\0\1\1a\0"),
        CASE("a name that points into the header", HEAD("\1", "\0", "\0") "\xc0\x02\0\1\0\1"),
        CASE("two names that point to each other", HEAD("\1", "\1", "\0") QUESTION "\1b\xc0\x1b\0\1\0\1\0\0\0\0\0\0"),
        CASE("a label of an unknown kind", HEAD("\1", "\0", "\0") "\x81x\0\0\1\0\1"),
        CASE("a record cut off", HEAD("\1", "\1", "\0") QUESTION "\xc0\x0c\0\1\0\1\0\0"),
        CASE("data cut off", HEAD("\1", "\1", "\0") QUESTION "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2"),
        CASE("fewer records than said", HEAD("\1", "\2", "\0") QUESTION "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"),
#undef CASE
    };
    (void)state;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct dns_message message;
        struct dns_record record;
        int r = dns_message_open(&message, (const uint8_t *)table[i].bytes, table[i].size);

        while (r >= 0 && (r = dns_message_next(&message, &record)) > 0)
            ;
        if (r != -EBADMSG)
            fail_msg("%s was taken", table[i].what);
    }
}

/* A chain of pointers that doubles a name at each step ends at 255 bytes. */
static void test_name_that_grows(void **state)
{
    uint8_t packet[2000] = HEAD("\1", "\0", "\0") "\1a\0\0\1\0\1";
    struct dns_message message;
    struct dns_record record;
    size_t at = DNS_HEADER + 7, before = DNS_HEADER;
    (void)state;

    packet[7] = 10; /* answers, each of a name one label longer than the one before */
    for (unsigned i = 0; i < 10; i++) {
        size_t start = at;

        packet[at++] = 40;
        memset(packet + at, 'x', 40);
        at += 40;
        packet[at++] = 0xc0;
        packet[at++] = (uint8_t)before;
        memcpy(packet + at, "\0\1\0\1\0\0\0\0\0\0", 10);
        at += 10;
        before = start;
        if (before > 255)
            break;
    }
    assert_int_equal(dns_message_open(&message, packet, at), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(dns_message_next(&message, &record), 1);
    assert_true(record.name.size <= DNS_NAME_SIZE);
}

static void test_aliases(void **state)
{
    static const char chain[] = HEAD("\1", "\3", "\0") QUESTION "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0e"
                                                                "\1b\xc0\x0e\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\1"
                                                                "\1z\xc0\x0e\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\x63";
    static const char ring[] = HEAD("\1", "\1", "\0") QUESTION "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c";
    struct dns_message message;
    struct dns_name owner;
    char text[DNS_NAME_TEXT];
    (void)state;

    assert_int_equal(dns_message_open(&message, PACKET(chain)), 0);
    assert_true(dns_message_owner(&message, &owner));
    dns_name_print(&owner, text);
    assert_string_equal(text, "b.example"); /* and z.example, which nobody asked for, is not its */
    assert_int_equal(dns_message_open(&message, PACKET(ring)), 0);
    assert_false(dns_message_owner(&message, &owner));
}

static void test_how_long_answers_hold(void **state)
{
    static const char two[] = HEAD("\1", "\2", "\0") QUESTION "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0e"
                                                              "\1b\xc0\x0e\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\1";
    static const char negative[] = HEAD("\1", "\0", "\1") QUESTION
        "\xc0\x0e\0\6\0\1\0\0\0\x3c\0\x16\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a";
    static const char bare_negative[] = HEAD("\1", "\0", "\0") QUESTION;
    static const char huge[] = HEAD("\1", "\1", "\0") QUESTION "\xc0\x0c\0\1\0\1\xff\xff\xff\xff\0\4\xc0\0\2\1";
    static const char year[] = HEAD("\1", "\1", "\0") QUESTION "\xc0\x0c\0\1\0\1\1\xe1\x33\x80\0\4\xc0\0\2\1";
    (void)state;

    assert_int_equal(stub_answer_expires(PACKET(two), 5), 5 + 30000000); /* the weakest of the chain */
    assert_int_equal(stub_answer_expires(PACKET(negative), 5), 5 + 10000000);
    assert_int_equal(stub_answer_expires(PACKET(bare_negative), 5), 5);
    assert_int_equal(stub_answer_expires(PACKET(huge), 5), 5); /* RFC 2181: the top bit makes it 0 */
    assert_int_equal(stub_answer_expires(PACKET(year), 5), 5 + INT64_C(86400000000));
}

static void test_memory_is_bounded(void **state)
{
    static const uint8_t packet[] = "answer", large[5000] = "large";
    struct stub_cache *cache = stub_cache_new();
    struct dns_name name;
    char text[32];
    int64_t expires;
    size_t size;
    unsigned known = 0;
    (void)state;

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "n%u.example", i);
        assert_int_equal(dns_name_parse(text, &name), 0);
        stub_cache_add(cache, &name, DNS_A, packet, sizeof packet, 100, 1);
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "N%u.Example", i);
        assert_int_equal(dns_name_parse(text, &name), 0);
        known += stub_cache_find(cache, &name, DNS_A, 99, &size, &expires) != NULL;
    }
    assert_int_equal(known, 256); /* those that came last */
    assert_null(stub_cache_find(cache, &name, DNS_AAAA, 99, &size, &expires));
    assert_non_null(stub_cache_find(cache, &name, DNS_A, 99, &size, &expires));
    assert_null(stub_cache_find(cache, &name, DNS_A, 100, &size, &expires));
    stub_cache_add(cache, &name, DNS_A, large, sizeof large, 100, 1);
    assert_null(stub_cache_find(cache, &name, DNS_A, 1, &size, &expires));
    stub_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_hostile_packets),
        cmocka_unit_test(test_name_that_grows),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_how_long_answers_hold),
        cmocka_unit_test(test_memory_is_bounded),
    };

    return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
