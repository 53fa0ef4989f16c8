/* SPDX-License-Identifier: Apache-2.0 */
/* The ground everything stands on: errors and names, texts, varints, heaps, range sets. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <hawser/hawser.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/range_set.h"
#include "base/text.h"
#include "base/varint.h"

/* Memory that refuses when told to, and knows what was not given back. */
struct limited {
    struct memory memory;
    size_t bytes, blocks;
    bool refuse;
};

static void *limited_allocate(const struct memory *memory, size_t size)
{
    struct limited *limited = container_of(memory, struct limited, memory);

    if (limited->refuse)
        return NULL;
    limited->bytes += size;
    limited->blocks++;
    return malloc(size);
}

static void limited_release(const struct memory *memory, void *block, size_t size)
{
    struct limited *limited = container_of(memory, struct limited, memory);

    limited->bytes -= size;
    limited->blocks--;
    free(block);
}

static void limited_init(struct limited *limited)
{
    *limited = (struct limited){.memory = {limited_allocate, limited_release}};
}

/* Small and repeatable; tests must not depend on the order in which others drew. */
static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Every code of ours, and errno's, has its name and its text, negative or positive; what is neither is said to be unknown. */
static void errors_have_names_and_texts(void **state)
{
    (void)state;
#define X(name, number, text)                                                                                          \
    assert_string_equal(hawser_error_name(-name), #name);                                                              \
    assert_string_equal(hawser_strerror(-name), text);                                                                 \
    assert_string_equal(hawser_strerror(name), text);
    HAWSER_ERRORS(X)
#undef X
    assert_string_equal(hawser_error_name(-ECONNREFUSED), "ECONNREFUSED");
    assert_string_equal(hawser_strerror(-ECONNREFUSED), "Connection refused");
    assert_string_equal(hawser_strerror(0), "success");
    assert_string_equal(hawser_error_name(0), "0");
    static const int unknown[] = {-19999, -30000, INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_string_equal(hawser_strerror(unknown[i]), "unknown error");
        assert_string_equal(hawser_error_name(unknown[i]), "unknown");
    }
    assert_string_equal(hawser_version(), HAWSER_VERSION);
}

/* The words that machines read are the ones that the documents promise. */
static void names_are_the_promised_ones(void **state)
{
    static const char *const verifications[] = {"none", "address", "tofu", "dane", "pki", "kerberos", "key"};
    static const char *const attempts[] = {"won", "lost", "failed", "skipped"};
    static const char *const states[] = {"opening", "active", "standby", "suspected", "closed"};
    static const char *const outcomes[] = {"acked", "expired", "failed"};

    (void)state;
    for (int i = 0; i < 7; i++)
        assert_string_equal(hawser_verification_name((hawser_verification)i), verifications[i]);
    for (int i = 0; i < 4; i++)
        assert_string_equal(hawser_attempt_outcome_name((hawser_attempt_outcome)i), attempts[i]);
    for (int i = 0; i < 5; i++)
        assert_string_equal(hawser_strand_state_name((hawser_strand_state)i), states[i]);
    for (int i = 0; i < 3; i++)
        assert_string_equal(hawser_outcome_name((hawser_outcome)(i + 1)), outcomes[i]);
    for (int i = 1; i < HAWSER_EVENT_COUNT_; i++)
        assert_string_not_equal(hawser_event_name((hawser_event_type)i), "unknown");
    assert_string_equal(hawser_event_name(HAWSER_ACCEPTED), "accepted");
    assert_string_equal(hawser_event_name(HAWSER_ESTABLISHED), "established");
    assert_string_equal(hawser_event_name(HAWSER_RECEIVED), "received");
    assert_string_equal(hawser_event_name(HAWSER_SENT), "sent");
    assert_string_equal(hawser_event_name(HAWSER_PATHS_CHANGED), "paths");
    assert_string_equal(hawser_event_name(HAWSER_ENDED), "ended");
    assert_string_equal(hawser_event_name(HAWSER_CLOSED), "closed");
    assert_string_equal(hawser_verification_name((hawser_verification)7), "unknown");
    assert_string_equal(hawser_outcome_name((hawser_outcome)0), "unknown");
    assert_string_equal(hawser_event_name((hawser_event_type)-1), "unknown");
}

/* A shorter options struct is an older program's; a longer one has wishes that we do not know. */
static void options_may_be_shorter_but_not_longer(void **state)
{
    struct options {
        size_t struct_size;
        int a, b;
    } given = {offsetof(struct options, b), 1, 2}, copy;

    (void)state;
    assert_int_equal(options_copy(&copy, sizeof copy, &given), 0);
    assert_int_equal(copy.a, 1);
    assert_int_equal(copy.b, 0);
    given.struct_size = sizeof given;
    assert_int_equal(options_copy(&copy, sizeof copy, &given), 0);
    assert_int_equal(copy.b, 2);
    given.struct_size = sizeof given + 1;
    assert_int_equal(options_copy(&copy, sizeof copy, &given), -EINVAL);
    given.struct_size = 0;
    assert_int_equal(options_copy(&copy, sizeof copy, &given), -EINVAL);
    assert_int_equal(options_copy(&copy, sizeof copy, NULL), 0);
    assert_int_equal(copy.a, 0);
}

static void texts_grow(void **state)
{
    struct text text;

    (void)state;
    text_init(&text);
    assert_string_equal(text_string(&text), "");
    for (int i = 0; i < 1000; i++) {
        text_add(&text, "ab");
        text_printf(&text, "%03d", i);
    }
    assert_int_equal(text.size, 5000);
    assert_int_equal(strlen(text_string(&text)), 5000);
    assert_memory_equal(text_string(&text) + 4995, "ab999", 6);
    text_free(&text);
    assert_string_equal(text_string(&text), "");
    text_printf(&text, "%s", "again");
    char *taken = text_take(&text);
    assert_string_equal(taken, "again");
    free(taken);
    taken = text_take(&text);
    assert_string_equal(taken, "");
    free(taken);
    assert_false(text_failed(&text));
    text_free(&text);
}

/* Whatever bytes come in, what comes out is a JSON string of valid UTF-8 (RFC 8259 sections 7 and 8.1). */
static void json_strings_are_escaped(void **state)
{
    static const struct {
        const char *bytes, *json;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\n\t\r\x01\x1f\x7f", "\"\\n\\t\\u000d\\u0001\\u001f\\u007f\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff", "\"\\ufffd\""},                                  /* never in UTF-8 */
        {"a\xc3", "\"a\\ufffd\""},                                /* cut short */
        {"\xc3(", "\"\\ufffd(\""},                                /* no continuation */
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},                       /* longer than needed */
        {"\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\""},            /* the same */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* a surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond U+10FFFF */
        {"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""},
    };
    struct text text;

    (void)state;
    text_init(&text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_free(&text);
        text_add_json(&text, cases[i].bytes);
        assert_string_equal(text_string(&text), cases[i].json);
    }
    text_free(&text);
    text_add_json_bytes(&text, "a\0b", 3);
    assert_string_equal(text_string(&text), "\"a\\u0000b\"");
    text_free(&text);
}

/* RFC 4648 section 10's vectors, in lower case and without padding. */
static void base32_is_rfc_4648(void **state)
{
    static const char *const words[] = {"", "my", "mzxq", "mzxw6", "mzxw6yq", "mzxw6ytb", "mzxw6ytboi"};
    char string[BASE32_SIZE(32)];
    uint8_t ones[32];

    (void)state;
    for (size_t size = 0; size <= 6; size++) {
        base32_encode((const uint8_t *)"foobar", size, string);
        assert_string_equal(string, words[size]);
        assert_int_equal(strlen(string) + 1, BASE32_SIZE(size));
    }
    memset(ones, 0xff, sizeof ones);
    base32_encode(ones, sizeof ones, string);
    assert_int_equal(strlen(string), 52); /* a key name's */
    assert_string_equal(string + 48, "777q");
}

/* Each length's least and greatest value, and every way of being cut short (RFC 9000 section 16). */
static void varints_are_rfc_9000(void **state)
{
    static const uint64_t values[] = {0, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30, VARINT_MAX};
    static const uint8_t example[] = {0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t bytes[VARINT_SIZE_MAX];
        uint8_t *end = varint_put(bytes, values[i]);
        assert_int_equal(end - bytes, varint_size(values[i]));
        assert_int_equal(varint_size(values[i]), 1 << i / 2);
        assert_ptr_equal(varint_get(bytes, end, &value), end);
        assert_true(value == values[i]);
        for (uint8_t *cut = bytes; cut < end; cut++)
            assert_null(varint_get(bytes, cut, &value));
    }
    assert_non_null(varint_get(example, example + 8, &value)); /* RFC 9000 appendix A.1 */
    assert_true(value == UINT64_C(151288809941952652));
}

/* Random sets, moves and removals: the first is the least of those that are in, and memory comes back. */
static void heap_gives_the_least(void **state)
{
    enum { NODES = 200, STEPS = 20000 };
    struct heap_node nodes[NODES];
    struct limited limited;
    struct heap heap;
    uint32_t seed = 1;

    (void)state;
    limited_init(&limited);
    heap_init(&heap, &limited.memory);
    for (int i = 0; i < NODES; i++)
        heap_node_init(&nodes[i]);
    for (int step = 0; step < STEPS; step++) {
        struct heap_node *node = &nodes[draw(&seed) % NODES], *least = NULL;
        size_t count = 0;
        if (draw(&seed) % 3)
            assert_int_equal(heap_set(&heap, node, (int64_t)(draw(&seed) % 1000) - 500), 0);
        else
            heap_remove(&heap, node);
        for (int i = 0; i < NODES; i++) {
            if (!heap_contains(&nodes[i]))
                continue;
            count++;
            if (!least || nodes[i].key < least->key)
                least = &nodes[i];
        }
        assert_int_equal(heap.count, count);
        assert_true(!least == !heap_first(&heap));
        assert_true(!least || heap_first(&heap)->key == least->key);
    }
    int64_t last = INT64_MIN;
    while (heap_first(&heap)) {
        struct heap_node *first = heap_first(&heap);
        assert_true(first->key >= last);
        last = first->key;
        heap_remove(&heap, first);
        assert_false(heap_contains(first));
    }
    heap_free(&heap);
    assert_int_equal(limited.bytes, 0);
}

static void heap_without_memory_leaves_the_node_outside(void **state)
{
    struct heap_node nodes[17];
    struct limited limited;
    struct heap heap;

    (void)state;
    limited_init(&limited);
    heap_init(&heap, &limited.memory);
    for (int i = 0; i < 16; i++) {
        heap_node_init(&nodes[i]);
        assert_int_equal(heap_set(&heap, &nodes[i], i), 0);
    }
    limited.refuse = true;
    heap_node_init(&nodes[16]);
    assert_int_equal(heap_set(&heap, &nodes[16], -1), -ENOMEM);
    assert_false(heap_contains(&nodes[16]));
    assert_int_equal(heap_set(&heap, &nodes[15], -2), 0); /* moving needs none */
    assert_ptr_equal(heap_first(&heap), &nodes[15]);
    heap_free(&heap);
    assert_int_equal(limited.bytes, 0);
}

/* The set against a plain array: the same members, counts, ranges that neither touch nor overlap. */
enum { UNIVERSE = 300 };

static void compare_with_array(const struct range_set *set, const bool *in)
{
    uint64_t first, end, from = 0;
    size_t ranges = 0;

    for (unsigned i = 0; i < UNIVERSE;) {
        assert_true(range_set_contains(set, i) == in[i]);
        if (!in[i]) {
            i++;
            continue;
        }
        unsigned stop = i;
        while (stop < UNIVERSE && in[stop])
            stop++;
        assert_true(range_set_next(set, from, &first, &end));
        assert_int_equal(first, i);
        assert_int_equal(end, stop);
        assert_true(range_set_next(set, stop - 1, &first, &end)); /* cut off below */
        assert_int_equal(first, stop - 1);
        from = end;
        i = stop;
        ranges++;
    }
    assert_false(range_set_next(set, from, &first, &end));
    assert_int_equal(set->count, ranges);
}

static void range_set_is_a_set(void **state)
{
    bool in[UNIVERSE] = {false};
    struct limited limited;
    struct range_set set;
    uint32_t seed = 7;

    (void)state;
    limited_init(&limited);
    range_set_init(&set, &limited.memory);
    for (int step = 0; step < 20000; step++) {
        uint64_t first = draw(&seed) % UNIVERSE, end = first + draw(&seed) % 20, added, expected = 0;
        unsigned what = draw(&seed) % 8;
        if (end > UNIVERSE)
            end = UNIVERSE;
        if (what < 4) {
            for (uint64_t i = first; i < end; i++) {
                expected += !in[i];
                in[i] = true;
            }
            assert_int_equal(range_set_add(&set, first, end, &added), 0);
            assert_int_equal(added, expected);
        } else if (what < 7) {
            for (uint64_t i = first; i < end; i++)
                in[i] = false;
            assert_int_equal(range_set_remove(&set, first, end), 0);
        } else {
            unsigned i = 0;
            while (i < UNIVERSE && !in[i])
                i++;
            while (i < UNIVERSE && in[i])
                in[i++] = false;
            range_set_drop_first(&set);
        }
        compare_with_array(&set, in);
    }
    range_set_clear(&set);
    assert_int_equal(set.count, 0);
    assert_int_equal(limited.bytes, 0);
    range_set_drop_first(&set); /* nothing when empty */
    assert_int_equal(range_set_add(&set, 5, 5, NULL), 0);
    assert_int_equal(set.count, 0);
}

/* Refused memory leaves the set as it was; and what needs no memory goes on working. */
static void range_set_without_memory_is_unchanged(void **state)
{
    struct limited limited;
    struct range_set set;
    uint64_t added = 99;

    (void)state;
    limited_init(&limited);
    range_set_init(&set, &limited.memory);
    assert_int_equal(range_set_add(&set, 10, 20, NULL), 0);
    limited.refuse = true;
    assert_int_equal(range_set_add(&set, 30, 40, &added), -ENOMEM);
    assert_int_equal(added, 99);
    assert_int_equal(range_set_remove(&set, 12, 15), -ENOMEM);
    assert_int_equal(set.count, 1);
    assert_int_equal(range_set_add(&set, 20, 30, &added), 0);
    assert_int_equal(added, 10);
    assert_int_equal(range_set_remove(&set, 10, 12), 0);
    assert_true(range_set_contains(&set, 12) && range_set_contains(&set, 29));
    assert_int_equal(range_set_end(&set), 30);
    range_set_clear(&set);
    assert_int_equal(limited.bytes, 0);
}

/* The numbers at the very end of the 64 bits. */
static void range_set_reaches_the_end(void **state)
{
    struct range_set set;
    uint64_t first, end, added;

    (void)state;
    range_set_init(&set, &memory_malloc);
    assert_int_equal(range_set_add(&set, UINT64_MAX - 2, UINT64_MAX, &added), 0);
    assert_int_equal(added, 2);
    assert_int_equal(range_set_add(&set, 0, UINT64_MAX, &added), 0);
    assert_true(added == UINT64_MAX - 2);
    assert_int_equal(set.count, 1);
    assert_true(range_set_next(&set, UINT64_MAX - 1, &first, &end));
    assert_true(first == UINT64_MAX - 1 && end == UINT64_MAX);
    assert_false(range_set_contains(&set, UINT64_MAX));
    range_set_clear(&set);
}

/* Whatever order a peer chooses, 400,000 ranges cost about n log n: a list or a bent tree would need over a minute. */
static void range_set_stays_fast_in_any_order(void **state)
{
    enum { RANGES = 400000, HALF = RANGES / 2 };
    struct timespec spent;

    (void)state;
    for (int order = 0; order < 3; order++) {
        struct range_set set;
        range_set_init(&set, &memory_malloc);
        for (uint64_t i = 0; i < RANGES; i++) {
            uint64_t at = order == 0 ? i : order == 1 ? RANGES - 1 - i : i % 2 ? HALF + i / 2 : HALF - 1 - i / 2;
            assert_int_equal(range_set_add(&set, at * 2, at * 2 + 1, NULL), 0);
        }
        assert_int_equal(set.count, RANGES);
        for (uint64_t i = 0; i < RANGES; i++)
            assert_true(range_set_contains(&set, i * 2) && !range_set_contains(&set, i * 2 + 1));
        assert_int_equal(range_set_remove(&set, 1, RANGES * 2 - 2), 0);
        assert_int_equal(set.count, 2); /* the first and the last */
        range_set_clear(&set);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    assert_true(spent.tv_sec < 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_names_and_texts),
        cmocka_unit_test(names_are_the_promised_ones),
        cmocka_unit_test(options_may_be_shorter_but_not_longer),
        cmocka_unit_test(texts_grow),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(base32_is_rfc_4648),
        cmocka_unit_test(varints_are_rfc_9000),
        cmocka_unit_test(heap_gives_the_least),
        cmocka_unit_test(heap_without_memory_leaves_the_node_outside),
        cmocka_unit_test(range_set_is_a_set),
        cmocka_unit_test(range_set_without_memory_is_unchanged),
        cmocka_unit_test(range_set_reaches_the_end),
        cmocka_unit_test(range_set_stays_fast_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
