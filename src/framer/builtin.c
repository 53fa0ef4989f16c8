/* SPDX-License-Identifier: Apache-2.0 */
/* The framers that hawser has: none, length, length2, lines, fixed:SIZE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "framer/framing.h"

/* ------------------------------------------------------------------------------------------------------------- length */

struct length_state {
    uint64_t left; /* of a message that is delivered in parts */
    uint64_t total;
};

static int length_write(hawser_framing *framing, uint64_t size, size_t width)
{
    uint8_t head[4];

    if (size == HAWSER_SIZE_UNKNOWN)
        return -EAGAIN;
    if (size >> (8 * width))
        return hawser_framing_fail(framing, -HAWSER_ELARGE, "the message is larger than its length prefix can say");
    for (size_t i = 0; i < width; i++)
        head[i] = (uint8_t)(size >> (8 * (width - 1 - i)));
    return hawser_framing_write(framing, head, width);
}

/* What is there of a message that is too large to be collected. */
static int length_part(hawser_framing *framing, struct length_state *state, const uint8_t *data, size_t *size)
{
    if (*size > state->left)
        *size = (size_t)state->left;
    state->left -= *size;
    return *size ? hawser_framing_deliver(framing, data, *size, state->total, state->left == 0) : 0;
}

static ssize_t length_read(hawser_framing *framing, struct length_state *state, const uint8_t *data, size_t size,
                           size_t width)
{
    size_t at = 0;

    for (;;) {
        size_t left = size - at;
        uint64_t total = 0;
        int r = 0;

        if (state->left > 0) {
            r = length_part(framing, state, data + at, &left);
            at += left;
            if (r < 0 || state->left > 0)
                return r < 0 ? r : (ssize_t)at;
            continue;
        }
        if (left < width)
            return (ssize_t)at;
        for (size_t i = 0; i < width; i++)
            total = total << 8 | data[at + i];
        if (total > hawser_framing_limit(framing)) {
            state->left = state->total = total;
            at += width;
            continue;
        }
        if (left - width < total) {
            r = hawser_framing_want(framing, width + (size_t)total);
            return r < 0 ? r : (ssize_t)at;
        }
        r = hawser_framing_deliver(framing, data + at + width, (size_t)total, total, true);
        if (r < 0)
            return r;
        at += width + (size_t)total;
    }
}

static ssize_t length_end(hawser_framing *framing, const struct length_state *state, ssize_t used, bool end)
{
    if (used >= 0 && end && state->left > 0)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the peer ended in the middle of a message");
    return used;
}

static int length4_before(hawser_framing *framing, void *state, uint64_t size, bool end)
{
    (void)state;
    (void)end;
    return length_write(framing, size, 4);
}

static ssize_t length4_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    return length_end(framing, state, length_read(framing, state, data, size, 4), end);
}

static int length2_before(hawser_framing *framing, void *state, uint64_t size, bool end)
{
    (void)state;
    (void)end;
    return length_write(framing, size, 2);
}

static ssize_t length2_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    return length_end(framing, state, length_read(framing, state, data, size, 2), end);
}

/* -------------------------------------------------------------------------------------------------------------- lines */

static int lines_encode(hawser_framing *framing, void *state, const void *data, size_t size, bool end)
{
    int r;

    (void)state;
    (void)end;
    if (size && memchr(data, '\n', size))
        return hawser_framing_fail(framing, -EINVAL, "a line cannot have a line feed inside");
    r = hawser_framing_write(framing, data, size);
    return r < 0 ? r : hawser_framing_write(framing, "\n", 1);
}

static int lines_deliver(hawser_framing *framing, const uint8_t *line, size_t size)
{
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size > hawser_framing_limit(framing))
        return hawser_framing_fail(framing, -HAWSER_ELARGE, "a line is longer than this end takes");
    return hawser_framing_deliver(framing, line, size, size, true);
}

/* state: how much of the unfinished line was looked at before. */
static ssize_t lines_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    size_t *seen = state, at = 0;
    int r = 0;

    while (r == 0 && at < size) {
        const uint8_t *feed = memchr(data + at + *seen, '\n', size - at - *seen);

        if (!feed)
            break;
        *seen = 0;
        r = lines_deliver(framing, data + at, (size_t)(feed - data) - at);
        at = (size_t)(feed - data) + 1;
    }
    *seen = size - at;
    if (r == 0 && *seen > hawser_framing_limit(framing) + 1) /* a CR may be among them */
        r = hawser_framing_fail(framing, -HAWSER_ELARGE, "a line is longer than this end takes");
    /* The last line of a text need not have its line feed. */
    if (r == 0 && end && at < size) {
        r = lines_deliver(framing, data + at, size - at);
        at = size;
    }
    return r < 0 ? r : (ssize_t)at;
}

/* -------------------------------------------------------------------------------------------------------------- fixed */

static int fixed_start(hawser_framing *framing, void *state)
{
    (void)state;
    if ((uintptr_t)hawser_framing_user(framing) == 0 ||
        (uintptr_t)hawser_framing_user(framing) > hawser_framing_limit(framing))
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the fixed size is 0, or larger than a message may be");
    return 0;
}

static int fixed_before(hawser_framing *framing, void *state, uint64_t size, bool end)
{
    (void)state;
    (void)end;
    if (size == HAWSER_SIZE_UNKNOWN)
        return -EAGAIN;
    if (size != (uintptr_t)hawser_framing_user(framing))
        return hawser_framing_fail(framing, -EINVAL, "the message has not the framer's fixed size");
    return 0;
}

static ssize_t fixed_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    size_t fixed = (uintptr_t)hawser_framing_user(framing), at = 0;
    int r = 0;

    (void)state;
    (void)end;
    for (; r == 0 && size - at >= fixed; at += fixed)
        r = hawser_framing_deliver(framing, data + at, fixed, fixed, true);
    if (r == 0 && at < size)
        r = hawser_framing_want(framing, fixed);
    return r < 0 ? r : (ssize_t)at;
}

/* ---------------------------------------------------------------------------------------------------------- the table */

static const struct hawser_framer framers[] = {
    {.version = HAWSER_FRAMER_VERSION, .name = "none"},
    {.version = HAWSER_FRAMER_VERSION,
     .name = "length",
     .state_size = sizeof(struct length_state),
     .before = length4_before,
     .decode = length4_decode},
    {.version = HAWSER_FRAMER_VERSION,
     .name = "length2",
     .state_size = sizeof(struct length_state),
     .before = length2_before,
     .decode = length2_decode},
    {.version = HAWSER_FRAMER_VERSION,
     .name = "lines",
     .state_size = sizeof(size_t),
     .encode = lines_encode,
     .decode = lines_decode},
    {.version = HAWSER_FRAMER_VERSION,
     .name = "fixed",
     .start = fixed_start,
     .before = fixed_before,
     .decode = fixed_decode},
};

static int fixed_size(const char *text, size_t *ret_size)
{
    unsigned long long size;
    char *end;

    if (*text < '1' || *text > '9')
        return -EINVAL;
    errno = 0;
    size = strtoull(text, &end, 10);
    if (errno || *end || size > SIZE_MAX / 2)
        return -EINVAL;
    *ret_size = (size_t)size;
    return 0;
}

int hawser_framer_find(const char *name, const hawser_framer **ret_framer, void **ret_framer_user)
{
    size_t fixed = 0, length;

    if (!name)
        return -EINVAL;
    length = strcspn(name, ":");
    if (name[length] && fixed_size(name + length + 1, &fixed) < 0)
        return -EINVAL;
    for (size_t i = 0; i < sizeof framers / sizeof *framers; i++) {
        if (strlen(framers[i].name) != length || memcmp(framers[i].name, name, length) != 0)
            continue;
        if ((framers[i].start == fixed_start) != (fixed > 0))
            return -EINVAL;
        if (ret_framer)
            *ret_framer = &framers[i];
        if (ret_framer_user)
            *ret_framer_user = (void *)(uintptr_t)fixed;
        return 0;
    }
    return -EINVAL;
}
