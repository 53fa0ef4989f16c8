/* SPDX-License-Identifier: Apache-2.0 */
/* S2.19: a message beyond 4 GiB, by descriptor on one end and in parts on the other, in little memory on both. */
#include "../api/api.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE ((UINT64_C(1) << 32) + 54321)
#define MARK 8
#define GROWTH_MAX (64L << 10) /* kB: both ends' windows, and room */

static const uint64_t marks[] = {0, (UINT64_C(1) << 31) - 3, (UINT64_C(1) << 32) - 5, (UINT64_C(1) << 32) + 1,
                                 SIZE - MARK};

struct arrival {
    uint64_t announced, next;
    size_t marks_seen, wrong;
    bool last;
};

static void take_in_parts(const hawser_event *event, void *user)
{
    struct arrival *arrival = user;

    arrival->announced = event->arriving.size;
    assert_int_equal(hawser_take_parts(event->association, event->arriving.id), 0);
}

/* Each byte of a mark says where it belongs; the rest of the file is a hole. */
static void check_part(const hawser_event *event, void *user)
{
    struct arrival *arrival = user;
    const uint8_t *data = event->part.data;
    const uint64_t from = event->part.offset, to = from + event->part.size;

    arrival->wrong += from != arrival->next || event->part.total != SIZE;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        for (uint64_t at = marks[i]; at < marks[i] + MARK; at++)
            if (at >= from && at < to) {
                arrival->marks_seen++;
                arrival->wrong += data[at - from] != (uint8_t)(at * 7 + 1);
            }
    arrival->next = to;
    arrival->last = event->part.last;
}

static int sparse_file(struct world *world)
{
    char *path = path_in(world, "huge");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    free(path);
    if (fd < 0 || ftruncate(fd, SIZE) < 0)
        return -1;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        uint8_t bytes[MARK];
        for (uint64_t at = 0; at < MARK; at++)
            bytes[at] = (uint8_t)((marks[i] + at) * 7 + 1);
        assert_int_equal(pwrite(fd, bytes, MARK, (off_t)marks[i]), MARK);
    }
    return fd;
}

static long peak_memory(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void beyond_4_gib_in_little_memory(void **state)
{
    struct world *world = *state;
    struct arrival arrival = {0};
    char *path = path_in(world, "line"), endpoint[128];
    int fd = sparse_file(world);
    long before;

    if (fd < 0) {
        free(path);
        print_message("SKIP: the file system of /tmp has no files of 4 GiB\n");
        skip();
    }
    snprintf(endpoint, sizeof endpoint, "unix:%s", path);
    free(path);
    world_listen_at(world, endpoint, NULL);
    world_connect(world);
    hawser_register(world->server.line, HAWSER_ARRIVING, take_in_parts, &arrival);
    hawser_register(world->server.line, HAWSER_PART, check_part, &arrival);
    before = peak_memory();
    assert_int_equal(hawser_send_file(world->client.line, fd, 0, HAWSER_SIZE_UNKNOWN, NULL, NULL), 0);
    close(fd);
    for (int64_t end = clock_now() + 6 * PATIENCE; world->client.settled == 0 && clock_now() < end;)
        world_step(world);
    assert_int_equal(world->client.settled, 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(arrival.announced, SIZE);
    assert_int_equal(arrival.next, SIZE);
    assert_true(arrival.last);
    assert_int_equal(arrival.wrong, 0);
    assert_int_equal(arrival.marks_seen, MARK * sizeof marks / sizeof *marks);
    print_message("peak memory grew by %ld kB\n", peak_memory() - before);
    assert_true(peak_memory() - before < GROWTH_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {api_test(beyond_4_gib_in_little_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
