/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mark, a version, a salt, and ChaCha20-Poly1305 (RFC 8439) by a key that is this blob's alone: HKDF (RFC 5869) of the key and the
 * salt. So the nonce may be 0. What precedes the text is authenticated too.
 */
#include "security/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "security/identity.h"

#define VERSION 1
#define SALT 32
#define HEAD (sizeof mark + 1 + SALT)
#define TAG 16

static const uint8_t mark[7] = {'h', 'a', 'w', 's', 'e', 'r', 'L'};

static int derive(const void *secret, size_t size, const uint8_t *salt, size_t salt_size, const char *label,
                  uint8_t *ret_key)
{
    const gnutls_datum_t from = {(unsigned char *)(uintptr_t)secret, (unsigned)size},
                         with = {(unsigned char *)(uintptr_t)salt, (unsigned)salt_size},
                         about = {(unsigned char *)(uintptr_t)label, (unsigned)strlen(label)};
    uint8_t extracted[SEAL_KEY];
    const gnutls_datum_t middle = {extracted, sizeof extracted};
    int r = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &from, &with, extracted);

    if (r == 0)
        r = gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &middle, &about, ret_key, SEAL_KEY);
    gnutls_memset(extracted, 0, sizeof extracted);
    return r < 0 ? -EIO : 0;
}

int seal_key(const void *secret, size_t size, uint8_t ret_key[SEAL_KEY])
{
    if (!secret || size < SEAL_SECRET_MIN || size > UINT16_MAX)
        return -EINVAL;
    return derive(secret, size, mark, sizeof mark, "hawser seal of a key", ret_key);
}

int seal_key_of_identity(hawser_identity *identity, uint8_t ret_key[SEAL_KEY])
{
    gnutls_datum_t key;
    int r = identity_export_key(identity, &key);

    if (r < 0)
        return r;
    r = derive(key.data, key.size, mark, sizeof mark, "hawser seal of an identity", ret_key);
    gnutls_memset(key.data, 0, key.size);
    gnutls_free(key.data);
    return r;
}

static int cipher_of(const uint8_t key[SEAL_KEY], const uint8_t *salt, gnutls_aead_cipher_hd_t *ret_cipher)
{
    uint8_t own[SEAL_KEY];
    const gnutls_datum_t datum = {own, sizeof own};
    int r = derive(key, SEAL_KEY, salt, SALT, "hawser sealed blob", own);

    if (r == 0 && gnutls_aead_cipher_init(ret_cipher, GNUTLS_CIPHER_CHACHA20_POLY1305, &datum) < 0)
        r = -EIO;
    gnutls_memset(own, 0, sizeof own);
    return r;
}

static const uint8_t nonce[12];

int seal_close(const uint8_t key[SEAL_KEY], const void *plain, size_t size, void **ret_sealed, size_t *ret_size)
{
    uint8_t *sealed = malloc(HEAD + size + TAG);
    gnutls_aead_cipher_hd_t cipher;
    size_t written = size + TAG;
    int r;

    if (!sealed)
        return -ENOMEM;
    memcpy(sealed, mark, sizeof mark);
    sealed[sizeof mark] = VERSION;
    r = gnutls_rnd(GNUTLS_RND_RANDOM, sealed + HEAD - SALT, SALT) < 0 ? -EIO
                                                                      : cipher_of(key, sealed + HEAD - SALT, &cipher);
    if (r == 0) {
        if (gnutls_aead_cipher_encrypt(cipher, nonce, sizeof nonce, sealed, HEAD, TAG, plain, size, sealed + HEAD,
                                       &written) < 0)
            r = -EIO;
        gnutls_aead_cipher_deinit(cipher);
    }
    if (r < 0) {
        free(sealed);
        return r;
    }
    *ret_sealed = sealed;
    *ret_size = HEAD + written;
    return 0;
}

int seal_open(const uint8_t key[SEAL_KEY], const void *sealed, size_t size, uint8_t **ret_plain, size_t *ret_size)
{
    const uint8_t *bytes = sealed;
    gnutls_aead_cipher_hd_t cipher;
    size_t written = size;
    uint8_t *plain;
    int r;

    if (size < HEAD + TAG || memcmp(bytes, mark, sizeof mark) != 0)
        return -EBADMSG;
    if (bytes[sizeof mark] != VERSION)
        return -EPROTONOSUPPORT;
    plain = malloc(size);
    if (!plain)
        return -ENOMEM;
    r = cipher_of(key, bytes + HEAD - SALT, &cipher);
    if (r == 0) {
        if (gnutls_aead_cipher_decrypt(cipher, nonce, sizeof nonce, bytes, HEAD, TAG, bytes + HEAD, size - HEAD, plain,
                                       &written) < 0)
            r = -EBADMSG;
        gnutls_aead_cipher_deinit(cipher);
    }
    if (r < 0) {
        gnutls_memset(plain, 0, size);
        free(plain);
        return r;
    }
    *ret_plain = plain;
    *ret_size = written;
    return 0;
}
