/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

/* A message's first 8 bytes are its number, where it has that many; the rest follows from number and seed. Those that are
 * shorter are counted by their size alone. */
#define NUMBER 8

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

void tally_start(struct tally *tally, size_t count, unsigned seed, size_t size_max)
{
    memset(tally, 0, sizeof *tally);
    tally->seen = calloc(count ? count : 1, 1);
    tally->count = count;
    tally->seed = seed;
    tally->size_max = size_max;
    assert_non_null(tally->seen);
}

void tally_end(struct tally *tally)
{
    free(tally->seen);
    tally->seen = NULL;
}

size_t tally_size(const struct tally *tally, uint64_t number)
{
    uint64_t random = mix(number * 2 + tally->seed);

    if (random % 16 == 0)
        return NUMBER + (size_t)((random >> 8) % (tally->size_max - NUMBER + 1));
    return NUMBER + (size_t)((random >> 8) % (tally->size_max < 400 ? tally->size_max : 400));
}

static void fill_message(const struct tally *tally, uint64_t number, uint8_t *data, size_t size)
{
    uint64_t value = mix(number + tally->seed);

    memcpy(data, &number, NUMBER);
    for (size_t i = NUMBER; i < size; i++)
        data[i] = (uint8_t)(value >> (i % 8 * 8)) ^ (uint8_t)(i >> 3);
}

bool tally_send(struct tally *tally, hawser_association *line, const hawser_message_options *options)
{
    size_t size = tally_size(tally, tally->sent);
    uint8_t *data = malloc(size);
    int r;

    assert_non_null(data);
    fill_message(tally, tally->sent, data, size);
    r = hawser_send(line, data, size, options, NULL);
    free(data);
    if (r == -EAGAIN)
        return false;
    assert_int_equal(r, 0);
    tally->sent++;
    tally->bytes += size;
    return true;
}

void tally_receive(struct tally *tally, const void *data, size_t size)
{
    uint64_t number = UINT64_MAX;
    uint8_t *expected;

    if (size >= NUMBER)
        memcpy(&number, data, NUMBER);
    if (number >= tally->count || tally->seen[number] || size != tally_size(tally, number)) {
        tally->wrong++;
        return;
    }
    expected = malloc(size);
    assert_non_null(expected);
    fill_message(tally, number, expected, size);
    tally->wrong += memcmp(expected, data, size) != 0;
    free(expected);
    tally->seen[number] = 1;
    tally->came++;
    tally->ordering += number < tally->highest;
    tally->highest = number > tally->highest ? number : tally->highest;
}

static void on_received(const hawser_event *event, void *user)
{
    tally_receive(user, event->received.data, event->received.size);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct tally *tally = user;

    if (event->outcome.kind == HAWSER_ACKED)
        tally->acked += event->outcome.count;
    else if (event->outcome.kind == HAWSER_EXPIRED)
        tally->expired += event->outcome.count;
    else
        tally->failed += event->outcome.count;
}

void tally_watch(struct tally *tally, struct world *world)
{
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, on_received, tally), 0);
    assert_int_equal(hawser_register(world->client.line, HAWSER_OUTCOME, on_outcome, tally), 0);
}
