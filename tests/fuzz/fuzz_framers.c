/* SPDX-License-Identifier: Apache-2.0 */
/* The framers on bytes of a peer's choosing: the first byte picks one, the second how the rest is cut. However it is cut,
 * the same bytes are delivered, none outside of what was given, and no wish exceeds the limit. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "framer/framing.h"

#define LIMIT 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
    uint64_t hash, count;
    bool open;
};

static void expect(int truth)
{
    if (!truth)
        abort();
}

static int deliver(void *user, const void *data, size_t size, uint64_t total, bool last)
{
    const uint8_t *bytes = data;
    struct sink *sink = user;

    expect(sink->open || !last || size <= LIMIT + 1 || total == size);
    for (size_t i = 0; i < size; i++)
        sink->hash = (sink->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    if (last)
        sink->hash = (sink->hash ^ 0x100) * UINT64_C(0x100000001b3);
    sink->open = !last;
    sink->count += last;
    return 0;
}

/* Feeds the bytes in pieces; 0, or how it failed. */
static int run(const char *name, const uint8_t *data, size_t size, size_t piece, struct sink *sink)
{
    const hawser_framer *framer;
    struct hawser_framing *framing;
    size_t begin = 0, end = 0;
    ssize_t used = 0;
    void *user;

    expect(hawser_framer_find(name, &framer, &user) == 0);
    if (framing_new(framer, user, "", LIMIT, &framing) < 0)
        return -ENOMEM;
    framing_set_sink(framing, deliver, sink);
    expect(framing_start(framing) == 0);
    while (used >= 0 && end < size) {
        end = size - end < piece ? size : end + piece;
        do {
            uint8_t *exact = malloc(end - begin);

            if (!exact)
                break;
            memcpy(exact, data + begin, end - begin);
            used = framing_decode(framing, exact, end - begin, false);
            free(exact);
            expect(used <= (ssize_t)(end - begin));
            expect(framing_wants(framing) <= LIMIT + FRAMING_HEAD);
            begin += used > 0 ? (size_t)used : 0;
        } while (used > 0 && begin < end);
    }
    if (used >= 0)
        used = framing_decode(framing, data + begin, size - begin, true);
    framing_free(framing);
    return used < 0 ? (int)used : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"none", "length", "length2", "lines", "fixed:7"};
    struct sink whole = {0}, cut = {0};
    const char *name;
    int one, other;

    if (size < 2)
        return 0;
    name = names[data[0] % 5];
    one = run(name, data + 2, size - 2, size, &whole);
    other = run(name, data + 2, size - 2, 1 + data[1] % 16, &cut);
    expect(one == other);
    expect(one < 0 || (whole.hash == cut.hash && whole.count == cut.count));
    return 0;
}
