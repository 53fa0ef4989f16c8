/* SPDX-License-Identifier: Apache-2.0 */
/* Proves how bare associations end, and that one without a framer is a stream to whoever wants it so. */
#include "raw.h"

static unsigned released;

static void note_release(void *data, size_t size, void *user)
{
    (void)data;
    (void)size;
    (void)user;
    released++;
}

static void a_line_without_end_is_refused(void **state)
{
    struct world *world = *state;
    char *content = malloc(200000);
    struct raw raw;

    memset(content, 'x', 200000);
    plain(world, &raw, "lines", *HAWSER_LISTEN(.max_message = 1000));
    (void)!send(raw.fd, content, 200000, MSG_NOSIGNAL);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -HAWSER_ELARGE);
    assert_string_equal(world->server.closed_reason, "a line is longer than this end takes");
    raw_close(&raw);
    free(content);
}

static void an_end_in_the_middle_is_told(void **state)
{
    struct world *world = *state;
    struct raw raw;

    plain(world, &raw, "length", *HAWSER_LISTEN());
    raw_send(&raw, "\0\0\0\5abc", 7);
    assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -HAWSER_EFRAMER);
    assert_string_equal(world->server.closed_reason, "the peer ended in the middle of a message");
    raw_close(&raw);
}

static void a_reset_fails_what_is_unsettled(void **state)
{
    struct world *world = *state;
    const struct linger now = {.l_onoff = 1};
    char *block = malloc(BLOCK);
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    send_block(world, block);
    assert_int_equal(hawser_send(world->server.line, "queued", 6, NULL, NULL), 0);
    assert_int_equal(setsockopt(raw.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    raw_close(&raw);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -ECONNRESET);
    assert_int_equal(world->server.settled, 2);
    for (size_t i = 0; i < world->server.outcome_count; i++) {
        assert_int_equal(world->server.outcomes[i].kind, HAWSER_SEND_FAILED);
        assert_int_equal(world->server.outcomes[i].maybe_delivered, world->server.outcomes[i].id == 1);
    }
    free(block);
}

static void closing_sends_what_is_queued_and_ends_cleanly(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    struct raw raw;

    plain(world, &raw, "none", *HAWSER_LISTEN());
    send_block(world, block);
    assert_int_equal(hawser_close(world->server.line, 0, "done"), 0);
    assert_int_equal(hawser_send(world->server.line, "x", 1, NULL, NULL), -ESHUTDOWN);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, 0);
    assert_int_equal(raw.size, BLOCK);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, 0);
    assert_string_equal(world->server.closed_reason, "done");
    raw_close(&raw);
    free(block);
}

static void what_does_not_leave_in_the_time_to_linger_is_cut_off(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    struct raw raw;

    plain(world, &raw, "none", *HAWSER_LISTEN(.linger_us = 100000));
    send_block(world, block);
    assert_int_equal(hawser_close(world->server.line, 0, ""), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -ETIMEDOUT);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, ECONNRESET);
    raw_close(&raw);
    free(block);
}

static void aborting_resets(void **state)
{
    struct world *world = *state;
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    assert_int_equal(hawser_abort(world->server.line, 5, "enough"), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, -ECANCELED);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, ECONNRESET);
    raw_close(&raw);
}

/* What was handed over is the system's: neither a clean end nor a context that goes takes it back by a reset. */
static void what_the_system_has_arrives(void **state)
{
    struct world *world = *state;
    char *block = malloc(100000);

    memset(block, 'y', 100000);
    for (int closed = 0; closed < 2; closed++) {
        struct raw raw;

        plain(world, &raw, "none", *HAWSER_LISTEN());
        assert_int_equal(hawser_send(world->server.line, block, 100000, NULL, NULL), 0);
        until(world, world->server.settled == 1);
        if (closed) {
            assert_int_equal(hawser_close(world->server.line, 0, ""), 0);
            until(world, world->server.closed);
        }
        hawser_association_unref(world->listener);
        world->listener = NULL;
        hawser_context_unref(world->server_context);
        assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->server_context), 0);
        until(world, raw_over(&raw));
        assert_int_equal(raw.error, 0);
        assert_int_equal(raw.size, 100000);
        raw_close(&raw);
        end_drop(&world->server);
    }
    free(block);
}

static void a_context_that_goes_lets_go_of_all(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    send_block(world, block);
    released = 0;
    assert_int_equal(hawser_send(world->server.line, block, 100, HAWSER_MESSAGE(.release = note_release), NULL), 0);
    hawser_association_unref(world->listener);
    world->listener = NULL;
    world->server_context = hawser_context_unref(world->server_context);
    assert_int_equal(released, 1);
    raw_close(&raw);
    free(block);
    end_drop(&world->server);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->server_context), 0);
}

/* ---------------------------------------------------------------------------------------------------------- streams */

static void the_line_is_one_stream(void **state)
{
    struct world *world = *state;
    hawser_stream *stream, *other;
    char buffer[64];
    struct raw raw;

    plain(world, &raw, "none", *HAWSER_LISTEN());
    for (size_t type = HAWSER_RECEIVED; type <= HAWSER_RECEIVED; type++)
        assert_int_equal(hawser_register(world->server.line, (hawser_event_type)type, NULL, NULL), 0);
    raw_say(&raw, "before"); /* is kept until somebody says how it is taken */
    for (int i = 0; i < 5; i++)
        world_step(world);
    assert_int_equal(hawser_open(world->server.line, NULL, &stream), 0);
    assert_int_equal(hawser_open(world->server.line, NULL, &other), -EBUSY);
    assert_int_equal(hawser_send(world->server.line, "x", 1, NULL, NULL), -EBUSY);
    until(world, world->server.seen[HAWSER_STREAM_READABLE]);
    assert_int_equal(hawser_stream_read(stream, buffer, sizeof buffer), 6);
    assert_memory_equal(buffer, "before", 6);
    assert_int_equal(hawser_stream_read(stream, buffer, sizeof buffer), -EAGAIN);
    assert_int_equal(hawser_stream_write(stream, "answer", 6), 6);
    until(world, raw_has(&raw, 6));
    assert_int_equal(hawser_stream_shutdown(stream), 0);
    assert_int_equal(hawser_stream_write(stream, "x", 1), -EPIPE);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, 0);
    raw_say(&raw, "and back");
    assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
    until(world, hawser_stream_read(stream, buffer, sizeof buffer) == 8);
    until(world, hawser_stream_read(stream, buffer, sizeof buffer) == 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, 0);
    assert_int_equal(world->server.seen[HAWSER_STREAM_CLOSED], 1);
    hawser_stream_unref(stream);
    raw_close(&raw);
}

static void a_stream_moves_much_both_ways_by_its_descriptor(void **state)
{
    struct world *world = *state;
    size_t size = 3u << 20, sent = 0, given = 0, taken = 0;
    char *out = malloc(size), *in = malloc(size);
    hawser_stream *stream;
    struct raw raw;
    int fd;

    plain(world, &raw, "none", *HAWSER_LISTEN());
    assert_int_equal(hawser_open(world->server.line, NULL, &stream), 0);
    assert_int_equal(hawser_stream_fd(stream, &fd), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    fill(out, size, 11);
    while (raw.size < size || taken < size) {
        ssize_t n = send(raw.fd, out + sent, size - sent, MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        n = given < size ? write(fd, out + given, size - given) : 0;
        given += n > 0 ? (size_t)n : 0;
        n = taken < size ? read(fd, in + taken, size - taken) : 0;
        taken += n > 0 ? (size_t)n : 0;
        raw_read(&raw);
        assert_int_equal(hawser_iterate(world->server_context, 1000) < 0, 0);
    }
    assert_memory_equal(raw.got, out, size);
    assert_memory_equal(in, out, size);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    until(world, raw_over(&raw));
    raw_close(&raw);
    until(world, world->server.closed);
    assert_int_equal(read(fd, in, 1), 0);
    close(fd);
    hawser_stream_unref(stream);
    free(out);
    free(in);
}

static void a_framer_and_a_stream_exclude_each_other(void **state)
{
    struct world *world = *state;
    hawser_stream *stream;
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    assert_int_equal(hawser_open(world->server.line, NULL, &stream), -EOPNOTSUPP);
    raw_close(&raw);
}

static void a_stream_that_is_let_go_resets_the_line(void **state)
{
    struct world *world = *state;
    hawser_stream *stream;
    struct raw raw;

    plain(world, &raw, "none", *HAWSER_LISTEN());
    assert_int_equal(hawser_open(world->server.line, NULL, &stream), 0);
    hawser_stream_unref(stream);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, ECONNRESET);
    until(world, world->server.closed);
    raw_close(&raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_line_without_end_is_refused),
        api_test(an_end_in_the_middle_is_told),
        api_test(a_reset_fails_what_is_unsettled),
        api_test(closing_sends_what_is_queued_and_ends_cleanly),
        api_test(what_does_not_leave_in_the_time_to_linger_is_cut_off),
        api_test(aborting_resets),
        api_test(what_the_system_has_arrives),
        api_test(a_context_that_goes_lets_go_of_all),
        api_test(the_line_is_one_stream),
        api_test(a_stream_moves_much_both_ways_by_its_descriptor),
        api_test(a_framer_and_a_stream_exclude_each_other),
        api_test(a_stream_that_is_let_go_resets_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
