/* SPDX-License-Identifier: Apache-2.0 */
/* Reading endpoints: whatever is taken prints within bounds, and reads and prints the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct endpoint first, second;
    char reason[64], once[512], again[512];
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    int r = endpoint_parse(text, &first, reason, sizeof reason);
    free(text);
    expect(r == 0 || r == -HAWSER_EENDPOINT);
    if (r < 0) {
        expect(*reason && strlen(reason) < sizeof reason);
        return 0;
    }
    int length = endpoint_print(&first, once, sizeof once);
    expect(length > 0 && (size_t)length < sizeof once && strlen(once) == (size_t)length);
    expect(endpoint_parse(once, &second, reason, sizeof reason) == 0);
    expect(endpoint_print(&second, again, sizeof again) == length && !strcmp(once, again));
    expect(first.kind == second.kind && first.address.size == second.address.size);
    expect(!memcmp(&first.address.address, &second.address.address, first.address.size));
    return 0;
}
