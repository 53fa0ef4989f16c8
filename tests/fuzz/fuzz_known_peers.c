/* SPDX-License-Identifier: Apache-2.0 */
/* The store of first-use keys, and trust rules: what is found is a key name, what is refused is refused with words. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "security/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), name[KEY_NAME_SIZE], reason[200] = "";

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (known_peers_search(text, "example.org:4433", name) == 0 && !key_name_valid(name))
        abort();
    if (trust_check(text, reason, sizeof reason) == -HAWSER_ETRUST && !*reason)
        abort();
    free(text);
    return 0;
}
