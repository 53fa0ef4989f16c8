/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a ticket: as it is, and with a right sum, behind which the fields are. What is read must come out again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "security/internal.h"

static void check(const uint8_t *data, size_t size)
{
    struct ticket ticket, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (ticket_decode(data, size, "s", &ticket) < 0)
        return;
    if (ticket_encode(&ticket, "s", &encoded, &encoded_size) < 0)
        abort();
    if (encoded_size != size || memcmp(encoded, data, size) != 0 ||
        ticket_decode(encoded, encoded_size, "s", &again) < 0)
        abort();
    free(encoded);
    ticket_clear(&ticket);
    ticket_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *summed = malloc(size + 32);

    if (!summed)
        return 0;
    check(data, size);
    memcpy(summed, data, size);
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, summed, size, summed + size) == 0)
        check(summed, size + 32);
    free(summed);
    return 0;
}
