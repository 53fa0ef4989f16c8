/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the built-in framers: whatever way the bytes come, the same messages; limits; what is no message at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "framer/framing.h"

struct sink { /* what was delivered, as text: messages in brackets, parts without the closing one until the last */
    char text[4096];
    size_t size;
    bool open;
    int refuse;
};

static void put(struct sink *sink, const char *data, size_t size)
{
    assert_true(sink->size + size < sizeof sink->text);
    if (size)
        memcpy(sink->text + sink->size, data, size);
    sink->size += size;
    sink->text[sink->size] = '\0';
}

static int deliver(void *user, const void *data, size_t size, uint64_t total, bool last)
{
    struct sink *sink = user;

    (void)total;
    if (sink->refuse)
        return sink->refuse;
    if (!sink->open)
        put(sink, "[", 1);
    put(sink, data, size);
    if (last)
        put(sink, "]", 1);
    sink->open = !last;
    return 0;
}

static struct hawser_framing *make(const char *name, uint64_t limit, struct sink *sink)
{
    const hawser_framer *framer;
    struct hawser_framing *framing;
    void *user;

    assert_int_equal(hawser_framer_find(name, &framer, &user), 0);
    assert_int_equal(framing_new(framer, user, "example.org", limit, &framing), 0);
    memset(sink, 0, sizeof *sink);
    framing_set_sink(framing, deliver, sink);
    assert_int_equal(framing_start(framing), 0);
    return framing;
}

/* Feeds bytes as a bare association does: what is not used up comes again, with what follows. */
struct feed {
    struct hawser_framing *framing;
    uint8_t held[4096];
    size_t size;
};

static int feed(struct feed *feed, const void *data, size_t size, bool end)
{
    ssize_t used;
    uint8_t *exact;

    memcpy(feed->held + feed->size, data, size);
    feed->size += size;
    do {
        exact = malloc(feed->size ? feed->size : 1); /* so that a read beyond is seen */
        memcpy(exact, feed->held, feed->size);
        used = framing_decode(feed->framing, exact, feed->size, end);
        free(exact);
        if (used < 0)
            return (int)used;
        feed->size -= (size_t)used;
        memmove(feed->held, feed->held + used, feed->size);
    } while (used > 0 && feed->size > 0 && !end);
    return 0;
}

struct wire {
    const char *framer, *bytes;
    size_t size;
    const char *messages;
};

#define WIRE(framer, bytes, messages)                                                                                  \
    {                                                                                                                  \
        framer, bytes, sizeof(bytes) - 1, messages                                                                     \
    }

static const struct wire wires[] = {
    WIRE("length", "\0\0\0\3abc\0\0\0\0\0\0\0\1d", "[abc][][d]"),
    WIRE("length", "\0\0\0\24aaaaaaaaaabbbbbbbbbb\0\0\0\2ok",
         "[aaaaaaaaaabbbbbbbbbb][ok]"), /* above the limit: parts */
    WIRE("length2", "\0\3abc\0\0\0\1d", "[abc][][d]"),
    WIRE("lines", "abc\ndef\r\n\n\r\nx\ry\nlast", "[abc][def][][][x\ry][last]"),
    WIRE("lines", "only\n", "[only]"),
    WIRE("fixed:3", "abcdef", "[abc][def]"),
};

/* Every way to cut the bytes into three gives the same messages. */
static void every_split_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        const struct wire *wire = &wires[i];

        for (size_t a = 0; a <= wire->size; a++) {
            for (size_t b = a; b <= wire->size; b++) {
                struct sink sink;
                struct feed f = {.framing = make(wire->framer, 10, &sink)};

                assert_int_equal(feed(&f, wire->bytes, a, false), 0);
                assert_int_equal(feed(&f, wire->bytes + a, b - a, false), 0);
                assert_int_equal(feed(&f, wire->bytes + b, wire->size - b, false), 0);
                assert_int_equal(feed(&f, "", 0, true), 0);
                assert_string_equal(sink.text, wire->messages);
                framing_free(f.framing);
            }
        }
    }
}

static void none_is_one_message_until_the_end(void **state)
{
    struct sink sink;
    struct feed f = {.framing = make("none", 10, &sink)};

    (void)state;
    assert_true(framing_is_plain(f.framing));
    assert_int_equal(feed(&f, "much more than ", 15, false), 0);
    assert_int_equal(feed(&f, "the limit", 9, false), 0);
    assert_string_equal(sink.text, "[much more than the limit");
    assert_int_equal(feed(&f, "", 0, true), 0);
    assert_string_equal(sink.text, "[much more than the limit]");
    framing_free(f.framing);
}

static void an_end_within_a_message_is_said(void **state)
{
    static const struct wire cut[] = {
        WIRE("length", "\0\0\0", ""),    WIRE("length", "\0\0\0\5abcd", ""), WIRE("length", "\0\0\1\0abcd", ""),
        WIRE("length2", "\0\5abcd", ""), WIRE("fixed:3", "ab", ""),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct sink sink;
        struct feed f = {.framing = make(cut[i].framer, 10, &sink)};

        assert_int_equal(feed(&f, cut[i].bytes, cut[i].size, false), 0);
        assert_int_equal(feed(&f, "", 0, true), -HAWSER_EFRAMER);
        assert_string_equal(framing_reason(f.framing, -1), "the peer ended in the middle of a message");
        framing_free(f.framing);
    }
}

static void a_line_has_a_limit(void **state)
{
    struct sink sink;
    struct feed f = {.framing = make("lines", 10, &sink)};

    (void)state;
    assert_int_equal(feed(&f, "0123456789\r", 11, false), 0);
    assert_int_equal(feed(&f, "\n", 1, false), 0);
    assert_string_equal(sink.text, "[0123456789]");
    assert_int_equal(feed(&f, "0123456789xy", 12, false), -HAWSER_ELARGE);
    framing_free(f.framing);
    f = (struct feed){.framing = make("lines", 10, &sink)};
    assert_int_equal(feed(&f, "0123456789x\n", 12, false), -HAWSER_ELARGE); /* also where its end is there */
    framing_free(f.framing);
}

static void what_the_sink_answers_is_passed_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        struct sink sink;
        struct feed f = {.framing = make(wires[i].framer, 10, &sink)};

        sink.refuse = -ECANCELED;
        assert_int_equal(feed(&f, wires[i].bytes, wires[i].size, false), -ECANCELED);
        framing_free(f.framing);
    }
}

/* A length that is never met costs what came of it, and a wish beyond the limit is refused. */
static void wishes_are_bounded(void **state)
{
    struct sink sink;
    struct hawser_framing *framing = make("length", 1000, &sink);

    (void)state;
    assert_int_equal(framing_decode(framing, (const uint8_t *)"\0\0\3\350a", 5, false), 0);
    assert_int_equal(framing_wants(framing), 1004);
    assert_int_equal(hawser_framing_want(framing, 1000 + FRAMING_HEAD), 0);
    assert_int_equal(hawser_framing_want(framing, 1001 + FRAMING_HEAD), -HAWSER_ELARGE);
    framing_free(framing);
}

/* ------------------------------------------------------------------------------------------------------------ sending */

static void expect_output(struct hawser_framing *framing, const char *text, size_t size)
{
    size_t there;
    const uint8_t *output = framing_output(framing, &there);

    assert_int_equal(there, size);
    if (size)
        assert_memory_equal(output, text, size);
    framing_output_taken(framing, there);
    assert_null(framing_output(framing, &there));
}

static void messages_go_out_as_they_come_in(void **state)
{
    struct sink sink;
    struct hawser_framing *framing = make("length", 10, &sink);

    (void)state;
    assert_int_equal(framing_way(framing), FRAMING_AROUND);
    assert_int_equal(framing_before(framing, 0x01020304, false), 0);
    expect_output(framing, "\1\2\3\4", 4);
    framing_after(framing, false);
    expect_output(framing, "", 0);
    assert_int_equal(framing_before(framing, HAWSER_SIZE_UNKNOWN, false), -EAGAIN);
    assert_int_equal(framing_before(framing, UINT64_C(1) << 32, false), -HAWSER_ELARGE);
    expect_output(framing, "", 0);
    framing_free(framing);

    framing = make("length2", 10, &sink);
    assert_int_equal(framing_before(framing, 65535, false), 0);
    expect_output(framing, "\377\377", 2);
    assert_int_equal(framing_before(framing, 65536, false), -HAWSER_ELARGE);
    framing_free(framing);

    framing = make("lines", 10, &sink);
    assert_int_equal(framing_way(framing), FRAMING_WHOLE);
    assert_int_equal(framing_encode(framing, "abc", 3, false), 0);
    assert_int_equal(framing_encode(framing, NULL, 0, false), 0);
    assert_int_equal(framing_encode(framing, "a\nb", 3, false), -EINVAL);
    assert_string_equal(framing_reason(framing, -EINVAL), "a line cannot have a line feed inside");
    expect_output(framing, "abc\n\n", 5);
    framing_free(framing);

    framing = make("fixed:4", 10, &sink);
    assert_int_equal(framing_before(framing, 4, false), 0);
    assert_int_equal(framing_before(framing, 5, false), -EINVAL);
    assert_int_equal(framing_before(framing, HAWSER_SIZE_UNKNOWN, false), -EAGAIN);
    framing_free(framing);

    framing = make("none", 10, &sink);
    assert_int_equal(framing_way(framing), FRAMING_AS_IS);
    framing_free(framing);
}

/* An answer that decode() writes while a message is on its way out follows that message. */
static ssize_t answering_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    (void)state;
    (void)data;
    (void)end;
    assert_int_equal(hawser_framing_write(framing, "pong", 4), 0);
    return (ssize_t)size;
}

static int bracket_before(hawser_framing *framing, void *state, uint64_t size, bool end)
{
    (void)state;
    (void)end;
    assert_int_equal(hawser_framing_write(framing, "<", 1), 0);
    return size == 13 ? hawser_framing_fail(framing, -EINVAL, "13\x1b[2J") : 0;
}

static void bracket_after(hawser_framing *framing, void *state, bool end)
{
    (void)state;
    assert_int_equal(hawser_framing_write(framing, end ? ">." : ">", end ? 2 : 1), 0);
}

static void answers_do_not_break_into_messages(void **state)
{
    const hawser_framer framer = {.version = HAWSER_FRAMER_VERSION,
                                  .name = "brackets",
                                  .decode = answering_decode,
                                  .before = bracket_before,
                                  .after = bracket_after};
    struct hawser_framing *framing;

    (void)state;
    assert_int_equal(framing_new(&framer, NULL, NULL, 10, &framing), 0);
    assert_int_equal(framing_before(framing, 5, false), 0);
    expect_output(framing, "<", 1);
    assert_int_equal(framing_decode(framing, (const uint8_t *)"ping", 4, false), 4);
    expect_output(framing, "", 0);
    framing_after(framing, true);
    expect_output(framing, ">.pong", 6);
    assert_int_equal(framing_before(framing, 13, false), -EINVAL);   /* what it wrote is taken back */
    assert_string_equal(framing_reason(framing, -EINVAL), "13?[2J"); /* and nothing moves a terminal's cursor */
    expect_output(framing, "", 0);
    assert_int_equal(framing_decode(framing, (const uint8_t *)"ping", 4, false), 4);
    expect_output(framing, "pong", 4);
    framing_free(framing);
}

/* ---------------------------------------------------------------------------------------------------------- the table */

static void names_are_read_strictly(void **state)
{
    static const char *const wrong[] = {"",         "nothing", "length:4", "fixed",
                                        "fixed:",   "fixed:0", "fixed:x",  "fixed:-1",
                                        "fixed:1x", "lines:1", "FIXED:1",  "fixed:99999999999999999999"};
    const hawser_framer *framer = NULL;
    void *user;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(hawser_framer_find(wrong[i], &framer, &user), -EINVAL);
    assert_null(framer);
    assert_int_equal(hawser_framer_find(NULL, &framer, &user), -EINVAL);
    assert_int_equal(hawser_framer_find("fixed:512", &framer, &user), 0);
    assert_int_equal((uintptr_t)user, 512);
    assert_int_equal(hawser_framer_find("lines", NULL, NULL), 0);
}

static void framers_that_cannot_be_are_refused(void **state)
{
    const hawser_framer nameless = {.version = HAWSER_FRAMER_VERSION};
    const hawser_framer future = {.version = HAWSER_FRAMER_VERSION + 1, .name = "x"};
    const hawser_framer *fixed;
    struct hawser_framing *framing;
    void *user;

    (void)state;
    assert_int_equal(framing_new(&nameless, NULL, NULL, 10, &framing), -EINVAL);
    assert_int_equal(framing_new(&future, NULL, NULL, 10, &framing), -EINVAL);
    assert_int_equal(hawser_framer_find("fixed:11", &fixed, &user), 0);
    assert_int_equal(framing_new(fixed, user, NULL, 10, &framing), 0);
    assert_int_equal(framing_start(framing), -HAWSER_EFRAMER);
    framing_free(framing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(none_is_one_message_until_the_end),
        cmocka_unit_test(an_end_within_a_message_is_said),
        cmocka_unit_test(a_line_has_a_limit),
        cmocka_unit_test(what_the_sink_answers_is_passed_on),
        cmocka_unit_test(wishes_are_bounded),
        cmocka_unit_test(messages_go_out_as_they_come_in),
        cmocka_unit_test(answers_do_not_break_into_messages),
        cmocka_unit_test(names_are_read_strictly),
        cmocka_unit_test(framers_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
