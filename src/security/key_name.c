/* SPDX-License-Identifier: Apache-2.0 */
#include "security/security.h"

#include <errno.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "base/text.h"

#define LETTERS 52

_Static_assert(BASE32_SIZE(32) == LETTERS + 1 && KEY_NAME_SIZE == 3 + LETTERS + 1, "a SHA-256 in base32");

int key_name_of(const uint8_t *spki, size_t spki_size, char ret_name[KEY_NAME_SIZE])
{
    uint8_t hash[32];

    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, spki, spki_size, hash) < 0)
        return -EIO;
    memcpy(ret_name, "hk-", 3);
    base32_encode(hash, sizeof hash, ret_name + 3);
    return 0;
}

bool key_name_valid(const char *name)
{
    /* 256 bits leave the last letter one bit: only 'a' and 'q' can stand there. */
    return strlen(name) == KEY_NAME_SIZE - 1 && strncmp(name, "hk-", 3) == 0 &&
           strspn(name + 3, "abcdefghijklmnopqrstuvwxyz234567") == LETTERS && strchr("aq", name[3 + LETTERS - 1]);
}
