/* SPDX-License-Identifier: Apache-2.0 */
/* Proves how messages come in on a bare association: paused, kept, in arrays, in parts, into files, too large. */
#include "raw.h"

#include <hawser/task.h>

static void pausing_slows_the_peer_and_loses_nothing(void **state)
{
    struct world *world = *state;
    char *block = malloc(BLOCK);
    struct raw raw;
    size_t sent = 0;
    ssize_t n;

    plain(world, &raw, "fixed:65536", *HAWSER_LISTEN());
    assert_int_equal(hawser_pause(world->server.line), 0);
    fill(block, BLOCK, 7);
    for (int idle = 0; idle < 5;) { /* as much as the system takes for us */
        n = send(raw.fd, block + sent, BLOCK - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        if (sent == BLOCK)
            break;
        world_step(world);
    }
    assert_int_equal(world->server.received_count, 0);
    assert_true(sent < BLOCK); /* and no more: the line itself holds next to nothing */
    assert_int_equal(hawser_resume(world->server.line), 0);
    while (sent < BLOCK || world->server.received_count < BLOCK / 65536) {
        n = sent < BLOCK ? send(raw.fd, block + sent, BLOCK - sent, MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        world_step(world);
    }
    for (size_t i = 0; i < BLOCK / 65536; i++)
        assert_memory_equal(world->server.received[i].data, block + i * 65536, 65536);
    raw_close(&raw);
    free(block);
}

static void pause_once(const hawser_event *event, void *user)
{
    struct end *end = user;

    end->received_count++;
    end->settled = end->settled * 10 + (uint64_t)(((const char *)event->received.data)[0] - '0');
    if (end->received_count == 2)
        assert_int_equal(hawser_pause(event->association), 0);
}

/* What the same read brought, and the peer's end behind it, wait as well, and come in their order. */
static void pausing_in_a_handler_holds_what_was_read(void **state)
{
    struct world *world = *state;
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, pause_once, &world->server), 0);
    raw_say(&raw, "1\n2\n3\n4\n5");
    assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
    until(world, world->server.received_count == 2);
    for (int i = 0; i < 5; i++)
        world_step(world);
    assert_int_equal(world->server.settled, 12);
    assert_false(world->server.closed);
    assert_int_equal(hawser_resume(world->server.line), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.settled, 12345);
    assert_int_equal(world->server.closed_code, 0);
    world->server.received_count = 0; /* nothing was noted of them */
    raw_close(&raw);
}

struct tasked {
    hawser_association *line;
    int received, sent;
};

static void answer_one(void *argument)
{
    struct tasked *tasked = argument;
    hawser_message *message;
    hawser_received received;

    tasked->received = hawser_task_receive(tasked->line, &message, &received);
    if (tasked->received == 0) {
        tasked->sent = hawser_task_send(tasked->line, received.data, received.size, NULL);
        hawser_message_unref(message);
    }
}

static void a_task_receives_and_sends(void **state)
{
    struct world *world = *state;
    struct tasked tasked = {.received = 1, .sent = 1};
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    tasked.line = world->server.line;
    assert_int_equal(hawser_register(tasked.line, HAWSER_RECEIVED, NULL, NULL), 0);
    assert_int_equal(hawser_task_start(world->server_context, answer_one, &tasked, NULL), 0);
    raw_say(&raw, "to a task\n");
    until(world, raw_has(&raw, 10) && tasked.sent != 1);
    assert_int_equal(tasked.received, 0);
    assert_int_equal(tasked.sent, 0); /* handed over */
    assert_string_equal(raw.got, "to a task\n");
    raw_close(&raw);
}

static hawser_message *kept[NOTED_MAX];
static size_t kept_count, told_count;

static void keep_it(const hawser_event *event, void *user)
{
    (void)user;
    assert_true(kept_count < NOTED_MAX);
    assert_int_equal(hawser_message_keep(event->received.message, &kept[kept_count++]), 0);
}

static void kept_messages_bound_what_is_read(void **state)
{
    struct world *world = *state;
    char *block = calloc(1, 4u << 20);
    size_t sent = 0;
    struct raw raw;
    ssize_t n;

    plain(world, &raw, "fixed:65536", *HAWSER_LISTEN(.receive_memory = 1u << 20));
    kept_count = 0;
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, keep_it, NULL), 0);
    for (int idle = 0; idle < 5;) {
        n = send(raw.fd, block + sent, (4u << 20) - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        world_step(world);
    }
    assert_in_range(kept_count, 15, 20); /* a megabyte, and what was in the one read */
    while (kept_count < 64) {
        for (size_t i = 0; i < kept_count; i++)
            kept[i] = hawser_message_unref(kept[i]);
        n = sent < 4u << 20 ? send(raw.fd, block + sent, (4u << 20) - sent, MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        world_step(world);
    }
    for (size_t i = 0; i < kept_count; i++)
        kept[i] = hawser_message_unref(kept[i]);
    raw_close(&raw);
    free(block);
}

static void count_many(const hawser_event *event, void *user)
{
    (void)user;
    told_count += event->received_many.count;
    kept_count++;
}

static void small_messages_come_in_arrays(void **state)
{
    struct world *world = *state;
    struct raw raw;

    plain(world, &raw, "lines", *HAWSER_LISTEN());
    told_count = kept_count = 0;
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED_MANY, count_many, NULL), 0);
    raw_say(&raw, "a\nb\nc\nd\ne\n");
    until(world, told_count == 5);
    assert_true(kept_count < 5);
    raw_close(&raw);
}

struct parts {
    char text[256];
    size_t size;
    uint64_t id, total;
    unsigned last;
};

static void note_part(const hawser_event *event, void *user)
{
    struct parts *parts = user;

    assert_int_equal(event->part.offset, parts->size);
    assert_true(parts->size + event->part.size < sizeof parts->text);
    memcpy(parts->text + parts->size, event->part.data, event->part.size);
    parts->size += event->part.size;
    parts->id = event->part.id;
    parts->total = event->part.total;
    parts->last += event->part.last;
}

static void note_ended(const hawser_event *event, void *user)
{
    (void)event;
    ++*(unsigned *)user;
}

static void without_a_framer_all_is_one_message_in_parts(void **state)
{
    struct world *world = *state;
    struct parts parts = {.size = 0};
    unsigned ended = 0;
    struct raw raw;

    plain(world, &raw, "none", *HAWSER_LISTEN());
    assert_int_equal(hawser_register(world->server.line, HAWSER_PART, note_part, &parts), 0);
    assert_int_equal(hawser_register(world->server.line, HAWSER_ENDED, note_ended, &ended), 0);
    raw_say(&raw, "some ");
    until(world, parts.size == 5);
    raw_say(&raw, "bytes");
    until(world, parts.size == 10);
    assert_int_equal(parts.last, 0);
    assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
    until(world, parts.last == 1);
    assert_string_equal(parts.text, "some bytes");
    assert_int_equal(parts.id, 1);
    assert_true(parts.total == HAWSER_SIZE_UNKNOWN);
    until(world, ended == 1);
    for (int i = 0; i < 5; i++)
        world_step(world);
    assert_false(world->server.closed); /* since the end was asked for, ours is the program's to say */
    assert_int_equal(hawser_send(world->server.line, "got it", 6, NULL, NULL), 0);
    assert_int_equal(hawser_close(world->server.line, 0, ""), 0);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, 0);
    assert_string_equal(raw.got, "got it");
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, 0);
    assert_false(world->server.closed_by_peer);
    raw_close(&raw);
}

static void without_a_framer_and_parts_it_comes_whole_at_the_end(void **state)
{
    struct world *world = *state;
    struct raw raw;

    plain(world, &raw, NULL, *HAWSER_LISTEN());
    raw_say(&raw, "all of ");
    world_step(world);
    raw_say(&raw, "it");
    assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.received_count, 1);
    assert_string_equal(world->server.received[0].data, "all of it");
    raw_close(&raw);
}

static int sink;

static void into_file(const hawser_event *event, void *user)
{
    (void)user;
    assert_int_equal(hawser_take_file(event->association, event->arriving.id, sink, 0), 0);
}

static void a_message_above_the_limit_can_go_into_a_file(void **state)
{
    struct world *world = *state;
    const uint32_t size = 3u << 20, head = htonl(size);
    char *content = malloc(size), *read_back = malloc(size);
    struct raw raw;
    size_t sent = 0;

    sink = make_file(world, "sink", 0, 0);
    fill(content, size, 5);
    plain(world, &raw, "length", *HAWSER_LISTEN(.receive_memory = 1u << 20));
    assert_int_equal(hawser_register(world->server.line, HAWSER_ARRIVING, into_file, NULL), 0);
    raw_send(&raw, &head, 4);
    while (world->server.received_count == 0) {
        ssize_t n = sent < size ? send(raw.fd, content + sent, size - sent, MSG_NOSIGNAL) : 0;

        sent += n > 0 ? (size_t)n : 0;
        world_step(world);
    }
    assert_int_equal(world->server.received[0].size, size);
    assert_int_equal(pread(sink, read_back, size, 0), size);
    assert_memory_equal(read_back, content, size);
    close(sink);
    raw_close(&raw);
    free(content);
    free(read_back);
}

static void a_message_too_large_is_dropped_and_the_next_comes(void **state)
{
    struct world *world = *state;
    const uint32_t large = htonl(100000);
    char *content = calloc(1, 100000);
    struct raw raw;

    plain(world, &raw, "length", *HAWSER_LISTEN(.max_message = 1000));
    raw_send(&raw, &large, 4);
    raw_send(&raw, content, 100000);
    raw_send(&raw, "\0\0\0\4next", 8);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "next");
    assert_int_equal(world->server.received[0].id, 2);
    raw_close(&raw);
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(pausing_slows_the_peer_and_loses_nothing),
        api_test(pausing_in_a_handler_holds_what_was_read),
        api_test(a_task_receives_and_sends),
        api_test(kept_messages_bound_what_is_read),
        api_test(small_messages_come_in_arrays),
        api_test(without_a_framer_all_is_one_message_in_parts),
        api_test(without_a_framer_and_parts_it_comes_whole_at_the_end),
        api_test(a_message_above_the_limit_can_go_into_a_file),
        api_test(a_message_too_large_is_dropped_and_the_next_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
