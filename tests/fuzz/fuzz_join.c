/* SPDX-License-Identifier: Apache-2.0 */
/* What comes on a strand before it is of a session: the words of joining, which come back as they were read; and the addresses that
 * a peer tells. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "association/join_word.h"
#include "association/told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void words(const uint8_t *data, size_t size, int (*read)(const uint8_t *, size_t, struct join_word *, size_t *),
                  size_t (*write)(const struct join_word *, uint8_t *))
{
    struct join_word word, again;
    uint8_t bytes[JOIN_WORD_MAX], bytes_again[JOIN_WORD_MAX];
    size_t used, ignored, written;
    int r = read(data, size, &word, &used);

    if (r == 0 && size >= JOIN_WORD_MAX)
        abort();
    if (r <= 0)
        return;
    if (used > size || used > JOIN_WORD_MAX)
        abort();
    written = write(&word, bytes);
    if (read(bytes, written, &again, &ignored) != 1 || ignored != written)
        abort();
    if (write(&again, bytes_again) != written || memcmp(bytes, bytes_again, written) != 0)
        abort();
}

static void told(const uint8_t *data, size_t size)
{
    struct told_address addresses[TOLD_MAX], again[TOLD_MAX];
    uint8_t body[TOLD_BODY_MAX];
    int count = told_read(data, size, addresses);

    if (count < 0)
        return;
    if (count > TOLD_MAX || told_read(body, told_write(addresses, (size_t)count, body), again) != count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        words(data + 1, size - 1, join_read, join_write);
        break;
    case 1:
        words(data + 1, size - 1, join_read_answer, join_write_answer);
        break;
    default:
        told(data + 1, size - 1);
    }
    return 0;
}
