/* SPDX-License-Identifier: Apache-2.0 */
/* The file of an identity, and an identity made of whatever key comes out of it. */
#include <stdint.h>
#include <stdlib.h>

#include "security/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gnutls_x509_privkey_t key;
    hawser_identity *identity;

    if (identity_parse_key(data, size, &key) < 0)
        return 0;
    if (identity_from_key(key, &identity) == 0) {
        if (!key_name_valid(hawser_identity_name(identity)))
            abort();
        hawser_identity_unref(identity);
    }
    return 0;
}
