/* SPDX-License-Identifier: Apache-2.0 */
#include "numbered.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint8_t byte_at(uint64_t number, size_t at)
{
    return (uint8_t)(number * 131 + at + (at >> 8));
}

void numbered_fill(uint8_t *data, size_t size, uint64_t number, int64_t due_us)
{
    uint64_t head[3] = {number, (uint64_t)due_us, size};

    memcpy(data, head, NUMBERED_HEAD);
    for (size_t i = NUMBERED_HEAD; i < size; i++)
        data[i] = byte_at(number, i);
}

size_t numbered_size(const uint8_t head[NUMBERED_HEAD])
{
    uint64_t size;

    memcpy(&size, head + 16, sizeof size);
    return size >= NUMBERED_HEAD && size <= 1u << 24 ? (size_t)size : 0;
}

static bool right(const uint8_t *data, size_t size, uint64_t number)
{
    for (size_t i = NUMBERED_HEAD; i < size; i++)
        if (data[i] != byte_at(number, i))
            return false;
    return numbered_size(data) == size;
}

bool arrivals_note(struct arrivals *a, const uint8_t *data, size_t size)
{
    struct arrival arrival = {.arrived_us = clock_us(), .size = size};

    if (a->count == a->room) {
        size_t room = a->room ? 2 * a->room : 4096;
        struct arrival *list = realloc(a->list, room * sizeof *list);

        if (!list)
            return false;
        a->list = list;
        a->room = room;
    }
    if (size < NUMBERED_HEAD) {
        a->wrong++;
        return true;
    }
    memcpy(&arrival.number, data, 8);
    memcpy(&arrival.due_us, data + 8, 8);
    a->wrong += !right(data, size, arrival.number);
    a->bytes += size;
    a->list[a->count++] = arrival;
    return true;
}

int arrivals_write(const struct arrivals *a, const char *path)
{
    FILE *file = fopen(path, "we");
    bool failed;

    if (!file)
        return -errno;
    for (size_t i = 0; i < a->count; i++)
        fprintf(file, "%" PRIu64 " %" PRId64 " %" PRId64 " %zu\n", a->list[i].number, a->list[i].due_us,
                a->list[i].arrived_us, a->list[i].size);
    failed = ferror(file);
    return fclose(file) || failed ? -EIO : 0;
}

void arrivals_clear(struct arrivals *a)
{
    free(a->list);
    *a = (struct arrivals){0};
}
