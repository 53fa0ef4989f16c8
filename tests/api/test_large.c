/* SPDX-License-Identifier: Apache-2.0 */
/* Large messages: from files and in parts, into memory, files and parts, refused by size. */
#include "api.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE 3000000

enum way { WHOLE, INTO, INTO_FILE, PARTS, REFUSE, REFUSE_LATER };

struct taker {
    enum way way;
    uint8_t *buffer;
    size_t capacity;
    int fd, result;
    uint64_t size; /* as announced */
    uint64_t got;
    unsigned parts;
    bool last;
};

static void on_arriving(const hawser_event *event, void *user)
{
    struct taker *taker = user;
    hawser_association *line = event->association;
    hawser_message_id id = event->arriving.id;

    taker->size = event->arriving.size;
    switch (taker->way) {
    case WHOLE:
        taker->result = hawser_take_whole(line, id);
        break;
    case INTO:
        taker->result = hawser_take_into(line, id, taker->buffer, taker->capacity);
        break;
    case INTO_FILE:
        taker->result = hawser_take_file(line, id, taker->fd, 100);
        break;
    case PARTS:
    case REFUSE_LATER:
        taker->result = hawser_take_parts(line, id);
        break;
    case REFUSE:
        taker->result = hawser_refuse(line, id, "too large for me");
        break;
    }
}

static void on_part(const hawser_event *event, void *user)
{
    struct taker *taker = user;

    assert_int_equal(event->part.offset, taker->got);
    assert_false(taker->last);
    if (taker->buffer)
        memcpy(taker->buffer + taker->got, event->part.data, event->part.size);
    taker->got += event->part.size;
    taker->last = event->part.last;
    taker->parts++;
    if (taker->way == REFUSE_LATER && taker->got > 100000)
        assert_int_equal(hawser_refuse(event->association, event->part.id, "enough of it"), 0);
}

static void take(struct world *world, struct taker *taker)
{
    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_ARRIVING, on_arriving, taker), 0);
    assert_int_equal(hawser_register(world->server.line, HAWSER_PART, on_part, taker), 0);
}

static void outcome_is(struct world *world, int kind, int code)
{
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, kind);
    assert_int_equal(world->client.outcomes[0].code, code);
}

static char *large(unsigned seed)
{
    char *data = malloc(LARGE);

    fill(data, LARGE, seed);
    return data;
}

static void whole(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = WHOLE};
    char *data = large(1);

    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_ACKED, 0);
    assert_int_equal(taker.size, LARGE);
    assert_int_equal(world->server.received[0].size, LARGE);
    assert_memory_equal(world->server.received[0].data, data, LARGE);
    free(data);
}

static void in_the_programs_memory(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = INTO, .buffer = calloc(1, LARGE), .capacity = LARGE};
    char *data = large(2);

    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_ACKED, 0);
    assert_int_equal(taker.result, 0);
    assert_memory_equal(taker.buffer, data, LARGE);
    assert_ptr_equal(world->server.received[0].received.data, taker.buffer);
    free(taker.buffer);
    free(data);
}

static void memory_too_small_is_said(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = INTO, .buffer = calloc(1, LARGE), .capacity = LARGE - 1};
    char *data = large(3);

    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_ACKED, 0); /* taken whole, as without an answer */
    assert_int_equal(taker.result, -HAWSER_ELARGE);
    assert_memory_equal(world->server.received[0].data, data, LARGE);
    free(taker.buffer);
    free(data);
}

static void file_holds(int fd, size_t offset, const char *data, size_t size)
{
    char *read = malloc(size);

    assert_int_equal(pread(fd, read, size, (off_t)offset), size);
    assert_memory_equal(read, data, size);
    free(read);
}

static void into_a_file(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = INTO_FILE};
    char *data = large(4);

    taker.fd = make_file(world, "target", 0, 0);
    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_ACKED, 0);
    assert_int_equal(taker.result, 0);
    assert_null(world->server.received[0].received.data);
    assert_int_equal(world->server.received[0].received.size, LARGE);
    file_holds(taker.fd, 100, data, LARGE);
    close(taker.fd);
    free(data);
}

static void file_that_cannot_be_written(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = INTO_FILE};
    char *data = large(5), *path = path_in(world, "target");

    close(make_file(world, "target", 0, 0));
    taker.fd = open(path, O_RDONLY | O_CLOEXEC);
    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_SEND_FAILED, -HAWSER_EREFUSED);
    assert_non_null(strstr(world->client.outcomes[0].reason, "could not write"));
    close(taker.fd);
    free(path);
    free(data);
}

static void in_parts(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = PARTS, .buffer = calloc(1, LARGE)};
    char *data = large(6);

    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_ACKED, 0);
    assert_true(taker.last);
    assert_true(taker.parts > 10);
    assert_int_equal(taker.got, LARGE);
    assert_memory_equal(taker.buffer, data, LARGE);
    free(taker.buffer);
    free(data);
}

static void refused_by_size(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = REFUSE};
    char *data = large(7);
    hawser_statistics statistics;

    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_SEND_FAILED, -HAWSER_EREFUSED);
    assert_string_equal(world->client.outcomes[0].reason, "too large for me");
    assert_int_equal(hawser_association_statistics(world->client.line, &statistics), 0);
    assert_true(statistics.bytes_sent < LARGE);
    assert_int_equal(world->server.received_count, 0);
    free(data);
}

static void refused_in_the_middle(void **state)
{
    struct world *world = *state;
    struct taker taker = {.way = REFUSE_LATER};
    char *data = large(8);

    take(world, &taker);
    assert_int_equal(hawser_send(world->client.line, data, LARGE, NULL, NULL), 0);
    outcome_is(world, HAWSER_SEND_FAILED, -HAWSER_EREFUSED);
    assert_string_equal(world->client.outcomes[0].reason, "enough of it");
    assert_true(taker.got < LARGE);
    assert_false(taker.last);
    free(data);
}

static void above_the_peers_limit(void **state)
{
    struct world *world = *state;
    char *data = large(9);

    world_listen(world, HAWSER_LISTEN(.max_message = 1000000));
    world_connect(world);
    until(world, hawser_send(world->client.line, data, LARGE, NULL, NULL) == -HAWSER_ELARGE);
    assert_int_equal(hawser_send(world->client.line, data, 1000000, NULL, NULL), 0);
    until(world, world->server.received_count == 1);
    free(data);
}

/* ------------------------------------------------------------------------------------------------------------- files */

static void from_a_file(void **state)
{
    static const size_t sizes[] = {0, 1, 16384, 16385, 262144, 262145, LARGE};
    const size_t count = sizeof sizes / sizeof *sizes;
    struct world *world = *state;
    char *data = large(10);
    int fd = make_file(world, "source", LARGE, 10);

    world_connect(world);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(hawser_send_file(world->client.line, fd, 0, sizes[i], NULL, NULL), 0);
    assert_int_equal(hawser_send_file(world->client.line, fd, LARGE - 70000, HAWSER_SIZE_UNKNOWN,
                                      HAWSER_MESSAGE(.prefix = "name\n", .prefix_size = 5), NULL),
                     0);
    close(fd); /* it was duplicated */
    until(world, world->client.settled == count + 1);
    assert_int_equal(world->server.received_count, count + 1);
    for (size_t i = 0; i <= count; i++) {
        const struct noted *noted = &world->server.received[i];

        if (noted->id <= count) {
            assert_int_equal(noted->size, sizes[noted->id - 1]);
            assert_memory_equal(noted->data, data, noted->size);
        } else {
            assert_int_equal(noted->size, 70005);
            assert_memory_equal(noted->data, "name\n", 5);
            assert_memory_equal(noted->data + 5, data + LARGE - 70000, 70000);
        }
    }
    free(data);
}

static void without_a_worker(void **state)
{
    struct world *world = *state;
    char *data = large(11);
    int fd = make_file(world, "source", LARGE, 11);

    hawser_context_unref(world->client_context);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .no_worker = true), &world->client_context), 0);
    world_connect(world);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    assert_int_equal(hawser_send_file(world->client.line, fd, 0, HAWSER_SIZE_UNKNOWN, NULL, NULL), 0);
    close(fd);
    outcome_is(world, HAWSER_ACKED, 0);
    assert_memory_equal(world->server.received[0].data, data, LARGE);
    free(data);
}

static void file_not_in_the_page_cache(void **state)
{
    struct world *world = *state;
    char *data = large(12);
    int fd = make_file(world, "source", LARGE, 12);

    world_connect(world);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    assert_int_equal(hawser_send_file(world->client.line, fd, 0, HAWSER_SIZE_UNKNOWN, NULL, NULL), 0);
    close(fd);
    outcome_is(world, HAWSER_ACKED, 0);
    assert_memory_equal(world->server.received[0].data, data, LARGE);
    free(data);
}

static void changed_file_fails(void **state)
{
    struct world *world = *state;
    int fd = make_file(world, "source", LARGE, 13);

    world_connect(world);
    assert_int_equal(hawser_send_file(world->client.line, fd, 0, HAWSER_SIZE_UNKNOWN, NULL, NULL), 0);
    assert_int_equal(ftruncate(fd, LARGE / 2), 0);
    outcome_is(world, HAWSER_SEND_FAILED, -HAWSER_ESOURCE);
    assert_int_equal(world->server.received_count, 0);
    close(fd);
}

static void what_is_not_a_readable_file(void **state)
{
    struct world *world = *state;
    int fd = make_file(world, "source", 10, 14), pipes[2], writing;
    char *path = path_in(world, "source");

    world_connect(world);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    writing = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(hawser_send_file(world->client.line, pipes[0], 0, 1, NULL, NULL), -EINVAL);
    assert_int_equal(hawser_send_file(world->client.line, -1, 0, 1, NULL, NULL), -EBADF);
    assert_int_equal(hawser_send_file(world->client.line, writing, 0, 1, NULL, NULL), -EBADF);
    assert_int_equal(hawser_send_file(world->client.line, fd, 0, 11, NULL, NULL), -EINVAL);
    assert_int_equal(hawser_send_file(world->client.line, fd, 11, HAWSER_SIZE_UNKNOWN, NULL, NULL), -EINVAL);
    close(writing);
    close(pipes[0]);
    close(pipes[1]);
    close(fd);
    free(path);
}

/* ------------------------------------------------------------------------------------------------------------- parts */

static void given_in_parts(void **state)
{
    struct world *world = *state;
    char *data = large(15);
    size_t given = 0;
    hawser_message_id id;

    world_connect(world);
    assert_int_equal(hawser_send_begin(world->client.line, HAWSER_SIZE_UNKNOWN,
                                       HAWSER_MESSAGE(.prefix = "><", .prefix_size = 2), &id),
                     0);
    while (given < LARGE) {
        int r = hawser_send_part(world->client.line, id, data + given, 30000, given + 30000 == LARGE);

        if (r == -EAGAIN) {
            unsigned told = world->client.seen[HAWSER_WRITABLE];

            until(world, world->client.seen[HAWSER_WRITABLE] > told);
        } else {
            assert_int_equal(r, 0);
            given += 30000;
        }
    }
    outcome_is(world, HAWSER_ACKED, 0);
    assert_int_equal(world->server.received[0].size, LARGE + 2);
    assert_memory_equal(world->server.received[0].data, "><", 2);
    assert_memory_equal(world->server.received[0].data + 2, data, LARGE);
    free(data);
}

static void announced_size_is_met(void **state)
{
    struct world *world = *state;
    hawser_message_id id;

    world_connect(world);
    assert_int_equal(hawser_send_begin(world->client.line, 10, NULL, &id), 0);
    assert_int_equal(hawser_send_part(world->client.line, id, "12345", 5, true), -EINVAL);
    assert_int_equal(hawser_send_part(world->client.line, id, "12345678901", 11, false), -EINVAL);
    assert_int_equal(hawser_send_part(world->client.line, id, "12345", 5, false), 0);
    assert_int_equal(hawser_send_part(world->client.line, id, "67890", 5, true), 0);
    outcome_is(world, HAWSER_ACKED, 0);
    assert_string_equal(world->server.received[0].data, "1234567890");
    assert_int_equal(hawser_send_part(world->client.line, id, "", 0, true), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(whole),
        api_test(in_the_programs_memory),
        api_test(memory_too_small_is_said),
        api_test(into_a_file),
        api_test(file_that_cannot_be_written),
        api_test(in_parts),
        api_test(refused_by_size),
        api_test(refused_in_the_middle),
        api_test(above_the_peers_limit),
        api_test(from_a_file),
        api_test(without_a_worker),
        api_test(file_not_in_the_page_cache),
        api_test(changed_file_fails),
        api_test(what_is_not_a_readable_file),
        api_test(given_in_parts),
        api_test(announced_size_is_met),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
