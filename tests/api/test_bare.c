/* SPDX-License-Identifier: Apache-2.0 */
/* Proves how messages of a program leave on a bare association: their order, their outcomes, what is asked of the line. */
#include "raw.h"

static void niceness_orders_what_is_queued_and_ordered_keeps_its_place(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    hawser_message_id ids[6];
    struct raw raw;
    hawser_association *line;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    line = world->server.line;
    send_block(world, block);
    assert_int_equal(hawser_send(line, "nice", 4, HAWSER_MESSAGE(.niceness = 50), &ids[0]), 0);
    assert_int_equal(hawser_send(line, "first", 5, HAWSER_MESSAGE(.ordered = true), &ids[1]), 0);
    assert_int_equal(hawser_send(line, "urgent", 6, HAWSER_MESSAGE(.niceness = -50), &ids[2]), 0);
    assert_int_equal(hawser_send(line, "second", 6, HAWSER_MESSAGE(.ordered = true, .niceness = -60), &ids[3]), 0);
    assert_int_equal(
        hawser_send(line, "after", 5, HAWSER_MESSAGE(.niceness = -90, HAWSER_ANTECEDENTS(ids[0])), &ids[4]), 0);
    assert_int_equal(hawser_send(line, "late", 4, HAWSER_MESSAGE(.niceness = 155), &ids[5]), 0);
    assert_int_equal(hawser_renice(line, ids[5], -100), 0);
    until(world, raw_has(&raw, BLOCK + 1 + 36));
    /* "second" makes "first" as urgent as it is, and "after" does so with "nice". */
    assert_string_equal(raw.got + BLOCK + 1, "late\nnice\nafter\nfirst\nsecond\nurgent\n");
    until(world, world->server.settled == 7);
    for (size_t i = 0; i < world->server.outcome_count; i++)
        assert_int_equal(world->server.outcomes[i].kind, HAWSER_HANDED_OVER);
    raw_close(&raw);
    free(block);
}

static void a_lifetime_ends_in_the_queue_and_not_on_the_wire(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    hawser_message_id id;
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    memset(block, 'b', BLOCK);
    /* It begins to leave at once, and then takes longer than it has. */
    assert_int_equal(hawser_send(world->server.line, block, BLOCK, HAWSER_MESSAGE(.lifetime_us = 50000), NULL), 0);
    assert_int_equal(hawser_flush(world->server.line), 0);
    assert_int_equal(hawser_send(world->server.line, "stale", 5, HAWSER_MESSAGE(.lifetime_us = 50000), &id), 0);
    until(world, world->server.settled == 1);
    assert_int_equal(world->server.outcomes[0].id, id);
    assert_int_equal(world->server.outcomes[0].kind, HAWSER_EXPIRED);
    assert_int_equal(world->server.outcomes[0].code, -HAWSER_EEXPIRED);
    until(world, raw_has(&raw, BLOCK + 1));
    until(world, world->server.settled == 2);
    assert_int_equal(world->server.outcomes[1].kind, HAWSER_HANDED_OVER);
    assert_int_equal(raw.size, BLOCK + 1);
    raw_close(&raw);
    free(block);
}

static void what_has_not_begun_can_be_taken_back(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    hawser_message_id first, id;
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    first = send_block(world, block);
    assert_int_equal(hawser_send(world->server.line, "never", 5, NULL, &id), 0);
    assert_int_equal(hawser_cancel(world->server.line, id), 0);
    assert_int_equal(hawser_cancel(world->server.line, id), -ENOENT);
    assert_int_equal(hawser_cancel(world->server.line, 99), -ENOENT);
    until(world, world->server.settled == 1);
    assert_int_equal(world->server.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_int_equal(world->server.outcomes[0].code, -ECANCELED);
    assert_int_equal(hawser_cancel(world->server.line, first), 0); /* goes on: the peer has its beginning */
    until(world, raw_has(&raw, BLOCK + 1));
    until(world, world->server.settled == 2);
    assert_int_equal(world->server.outcomes[1].kind, HAWSER_HANDED_OVER);
    raw_close(&raw);
    free(block);
}

static void a_full_queue_says_so_and_says_when_not(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    struct raw raw;
    int r = 0;

    plain(world, &raw, "none", *HAWSER_LISTEN(.send_queue = 1u << 20));
    memset(block, 'x', BLOCK);
    for (int i = 0; i < 100 && r == 0; i++) {
        r = hawser_send(world->server.line, block, 1u << 20, NULL, NULL);
        hawser_flush(world->server.line);
    }
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(world->server.seen[HAWSER_WRITABLE], 0);
    until(world, (raw_read(&raw), world->server.seen[HAWSER_WRITABLE] == 1));
    raw_close(&raw);
    free(block);
}

static unsigned released;

static void note_release(void *data, size_t size, void *user)
{
    (void)data;
    (void)size;
    (void)user;
    released++;
}

static void files_buffers_lent_memory_and_parts_are_framed_alike(void **state)
{
    struct world *world = *state;
    int fd = make_file(world, "file", 200000, 3);
    char *content = malloc(200000), *at;
    hawser_association *line;
    hawser_buffer *buffer;
    hawser_message_id id;
    struct raw raw;
    uint32_t size;

    plain(world, &raw, "length", *HAWSER_LISTEN());
    line = world->server.line;
    fill(content, 200000, 3);
    released = 0;
    assert_int_equal(
        hawser_send_file(line, fd, 0, HAWSER_SIZE_UNKNOWN, HAWSER_MESSAGE(.prefix = "head", .prefix_size = 4), NULL),
        0);
    assert_int_equal(hawser_buffer_new(3, &buffer), 0);
    memcpy(hawser_buffer_data(buffer), "buf", 3);
    assert_int_equal(hawser_send_buffer(line, buffer, 0, 3, NULL, NULL), 0);
    hawser_buffer_unref(buffer);
    assert_int_equal(hawser_send(line, content, 50000, HAWSER_MESSAGE(.release = note_release), NULL), 0);
    assert_int_equal(hawser_send_begin(line, HAWSER_SIZE_UNKNOWN, NULL, &id), 0);
    assert_int_equal(hawser_send_part(line, id, "of unknown ", 11, false), 0);
    assert_int_equal(hawser_send_part(line, id, "size", 4, true), 0);
    assert_int_equal(hawser_send_part(line, id, "more", 4, true), -EINVAL);
    until(world, raw_has(&raw, 4 * 4 + 200004 + 3 + 50000 + 15));
    until(world, world->server.settled == 4);
    at = raw.got;
    size = 200004;
    assert_int_equal(ntohl(*(uint32_t *)(void *)at), size);
    assert_memory_equal(at + 4, "head", 4);
    assert_memory_equal(at + 8, content, 200000);
    at += 4 + size;
    assert_memory_equal(at, "\0\0\0\3buf", 7);
    at += 7;
    assert_memory_equal(at + 4, content, 50000);
    at += 50004;
    assert_memory_equal(at, "\0\0\0\017of unknown size", 19);
    assert_int_equal(released, 1);
    close(fd);
    raw_close(&raw);
    free(content);
}

static void what_the_framer_cannot_say_fails_alone(void **state)
{
    struct world *world = *state;
    struct raw raw;

    plain(world, &raw, "length2", *HAWSER_LISTEN());
    assert_int_equal(hawser_send(world->server.line, "small", 5, NULL, NULL), 0);
    char *large = calloc(1, 65536);
    assert_int_equal(hawser_send(world->server.line, large, 65536, NULL, NULL), 0);
    assert_int_equal(hawser_send(world->server.line, "also", 4, HAWSER_MESSAGE(.want_sent = true), NULL), 0);
    until(world, world->server.settled == 3);
    for (size_t i = 0; i < world->server.outcome_count; i++) {
        const struct noted *noted = &world->server.outcomes[i];

        assert_int_equal(noted->kind, noted->id == 2 ? HAWSER_SEND_FAILED : HAWSER_HANDED_OVER);
        if (noted->id == 2)
            assert_int_equal(noted->code, -HAWSER_ELARGE);
    }
    until(world, raw_has(&raw, 13));
    assert_memory_equal(raw.got, "\0\5small\0\4also", 13);
    assert_int_equal(world->server.seen[HAWSER_SENT], 1);
    assert_int_equal(hawser_send(world->server.line, "x", 1, HAWSER_MESSAGE(.reply_to = 1), NULL), -EOPNOTSUPP);
    assert_int_equal(hawser_send(world->server.line, "x", 1, HAWSER_MESSAGE(.niceness = 200), NULL), -EINVAL);
    assert_int_equal(hawser_send(world->server.line, "x", 1, HAWSER_MESSAGE(HAWSER_ANTECEDENTS(77)), NULL), -EINVAL);
    raw_close(&raw);
    free(large);
}

static void the_final_message_ends_our_direction_only(void **state)
{
    struct world *world = *state;
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    assert_int_equal(hawser_send(world->server.line, "bye", 3, HAWSER_MESSAGE(.final = true, .niceness = -100), NULL),
                     0);
    assert_int_equal(hawser_send(world->server.line, "no", 2, NULL, NULL), -ESHUTDOWN);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, 0);
    assert_string_equal(raw.got, "bye\n");
    assert_false(world->server.closed);
    raw_say(&raw, "still here\n");
    until(world, world->server.received_count == 1);
    assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, 0);
    raw_close(&raw);
}

static void note_outcome(const hawser_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void every_question_has_its_answer(void **state)
{
    struct world *world = *state;
    hawser_statistics statistics;
    hawser_association *line;
    hawser_strand_info info;
    uint8_t key[16];
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    line = world->server.line;
    raw_say(&raw, "12345\n");
    until(world, world->server.received_count == 1);
    assert_int_equal(hawser_send(line, "67", 2, NULL, NULL), 0);
    until(world, world->server.settled == 1);
    assert_int_equal(hawser_association_statistics(line, &statistics), 0);
    assert_int_equal(statistics.messages_received, 1);
    assert_int_equal(statistics.bytes_received, 5);
    assert_int_equal(statistics.messages_sent, 1);
    assert_int_equal(statistics.bytes_sent, 2);
    assert_int_equal(statistics.acked, 1);
    assert_int_equal(statistics.queued_messages, 0);
    assert_int_equal(statistics.held_bytes, 0);
    assert_int_equal(hawser_association_strand(line, 0, &info), 0);
    assert_string_equal(info.stack, "tcp");
    assert_int_equal(info.state, HAWSER_STRAND_ACTIVE);
    assert_int_equal(info.bytes_received, 6);
    assert_int_equal(hawser_association_strand(line, 1, &info), -ENOENT);
    assert_int_equal(hawser_association_export_key(line, "label", key, sizeof key), -EOPNOTSUPP);
    assert_int_equal(hawser_register_message(line, 1, HAWSER_OUTCOME, note_outcome, NULL), -ENOENT);
    assert_int_equal(hawser_take_whole(line, 1), -ENOENT);
    assert_int_equal(hawser_refuse(line, 1, ""), -ENOENT);
    raw_close(&raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(niceness_orders_what_is_queued_and_ordered_keeps_its_place),
        api_test(a_lifetime_ends_in_the_queue_and_not_on_the_wire),
        api_test(what_has_not_begun_can_be_taken_back),
        api_test(a_full_queue_says_so_and_says_when_not),
        api_test(files_buffers_lent_memory_and_parts_are_framed_alike),
        api_test(what_the_framer_cannot_say_fails_alone),
        api_test(the_final_message_ends_our_direction_only),
        api_test(every_question_has_its_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
