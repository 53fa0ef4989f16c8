/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "units.h"

static int read_reliability(const char *text, struct marks *marks)
{
    int64_t resends;

    if (strcmp(text, "full") == 0) {
        marks->reliability = HAWSER_RELIABILITY_FULL;
        return 0;
    }
    if (strncmp(text, "resends=", 8) == 0) {
        marks->reliability = HAWSER_RELIABILITY_RESENDS;
        if (parse_integer(text + 8, 0, 255, &resends) < 0)
            return -EINVAL;
        marks->resends = (unsigned)resends;
        return 0;
    }
    marks->reliability = HAWSER_RELIABILITY_PROBABILITY;
    return parse_share(text, &marks->probability);
}

static int read_coordinates(const char *text, struct marks *marks)
{
    char number[16];

    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",");
        int64_t value;

        if (marks->coordinate_count == HAWSER_COORDINATES_MAX || size >= sizeof(number))
            return -EINVAL;
        memcpy(number, at, size);
        number[size] = '\0';
        if (parse_integer(number, 0, UINT32_MAX, &value) < 0)
            return -EINVAL;
        marks->coordinates[marks->coordinate_count++] = (uint32_t)value;
        at += size;
        if (!*at)
            return 0;
    }
}

int marks_read(struct tool *tool, struct marks *ret_marks)
{
    const struct options *o = tool->options;
    struct marks marks = {.timestamp = o->timestamp, .lifetime_us = o->lifetime_us};

    if (o->deadline_us) {
        if (o->lifetime_us) {
            complain(tool, "--lifetime and --deadline are two words for one thing: choose one");
            return -EINVAL;
        }
        marks.lifetime_us = o->deadline_us;
        marks.reliability = HAWSER_RELIABILITY_LIFETIME;
    }
    if (o->reliability && read_reliability(o->reliability, &marks) < 0) {
        complain(tool, "--reliability is full, resends=K (K up to 255) or a share above 0 and up to 1, not \"%s\"",
                 o->reliability);
        return -EINVAL;
    }
    if (o->coordinates && read_coordinates(o->coordinates, &marks) < 0) {
        complain(tool, "--coordinates are up to 4 numbers with commas, each below 2^32, not \"%s\"", o->coordinates);
        return -EINVAL;
    }
    if (o->pace && parse_rate(o->pace, &marks.pace) < 0) {
        complain(tool, "--pace is a rate in bits per second, such as 500k or 8M, not \"%s\"", o->pace);
        return -EINVAL;
    }
    *ret_marks = marks;
    return 0;
}

void marks_put(const struct marks *marks, hawser_message_options *options)
{
    struct timespec now;

    options->lifetime_us = marks->lifetime_us;
    options->reliability = marks->reliability;
    options->resends = marks->resends;
    options->probability = marks->probability;
    options->pace = marks->pace;
    options->coordinates = marks->coordinates;
    options->coordinate_count = marks->coordinate_count;
    if (!marks->timestamp)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    options->timestamped = true;
    options->timestamp_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void marks_tell(struct json *json, const hawser_marks *marks)
{
    if (marks->timestamped)
        json_signed(json, "timestamp_us", marks->timestamp_us);
    if (!marks->coordinate_count)
        return;
    json_list(json, "coordinates");
    for (unsigned i = 0; i < marks->coordinate_count; i++)
        json_unsigned(json, NULL, marks->coordinates[i]);
    json_list_end(json);
}
