/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's first packets with any frames in them: their protection is by the connection id alone (RFC 9001 section 5.2). For
 * tests, and fuzzing.
 */
#ifndef TESTS_UNIT_QUIC_FIRST_H
#define TESTS_UNIT_QUIC_FIRST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#define ID_SIZE 8
#define FIRST_SIZE 1200
#define TAG 16

/* ------------------------------------------------------------------------------------------- protection (RFC 9001) */

static inline void first_expand(const uint8_t secret[32], const char *label, uint8_t *key, unsigned size)
{
    gnutls_datum_t from = {(uint8_t *)(uintptr_t)secret, 32}, info;
    uint8_t text[64] = {0, (uint8_t)size};

    text[2] = (uint8_t)(6 + strlen(label));
    memcpy(text + 3, "tls13 ", 6);
    memcpy(text + 9, label, strlen(label));
    text[9 + strlen(label)] = 0;
    info = (gnutls_datum_t){text, 10 + (unsigned)strlen(label)};
    if (gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &from, &info, key, size) < 0)
        abort();
}

struct first_keys {
    uint8_t key[16], iv[12], head[16];
};

static inline void first_derive(const uint8_t *id, struct first_keys *keys)
{
    static uint8_t salt_bytes[] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                                   0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    const gnutls_datum_t salt = {salt_bytes, sizeof salt_bytes}, from = {(uint8_t *)(uintptr_t)id, ID_SIZE};
    uint8_t initial[32], client[32];

    if (gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &from, &salt, initial) < 0)
        abort();
    first_expand(initial, "client in", client, sizeof client);
    first_expand(client, "quic key", keys->key, sizeof keys->key);
    first_expand(client, "quic iv", keys->iv, sizeof keys->iv);
    first_expand(client, "quic hp", keys->head, sizeof keys->head);
}

/* Seals what is behind head_size bytes of header, whose last four are the packet's number; hides that. */
static inline void first_protect(uint8_t *packet, size_t head_size, size_t payload, const struct first_keys *keys)
{
    gnutls_datum_t key = {(uint8_t *)(uintptr_t)keys->key, 16}, head = {(uint8_t *)(uintptr_t)keys->head, 16};
    uint8_t nonce[12], mask[16], none[16] = {0};
    gnutls_datum_t iv = {none, sizeof none};
    gnutls_aead_cipher_hd_t aead;
    gnutls_cipher_hd_t cipher;
    size_t sealed = payload + TAG;

    memcpy(nonce, keys->iv, sizeof nonce);
    for (unsigned i = 0; i < 4; i++)
        nonce[8 + i] ^= packet[head_size - 4 + i];
    if (gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &key) < 0 ||
        gnutls_aead_cipher_encrypt(aead, nonce, sizeof nonce, packet, head_size, TAG, packet + head_size, payload,
                                   packet + head_size, &sealed) < 0 ||
        gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_CBC, &head, &iv) < 0)
        abort();
    /* One block of CBC without anything before it is one of ECB. */
    if (gnutls_cipher_encrypt2(cipher, packet + head_size, 16, mask, sizeof mask) < 0)
        abort();
    packet[0] ^= mask[0] & 0x0f;
    for (unsigned i = 0; i < 4; i++)
        packet[head_size - 4 + i] ^= mask[1 + i];
    gnutls_aead_cipher_deinit(aead);
    gnutls_cipher_deinit(cipher);
}

static inline size_t first_put_long(uint8_t *packet, uint8_t which)
{
    memcpy(packet, (uint8_t[]){0xc3, 0, 0, 0, 1, ID_SIZE}, 6);
    memset(packet + 6, which, ID_SIZE);
    packet[6 + ID_SIZE] = ID_SIZE;
    memset(packet + 7 + ID_SIZE, 0x77, ID_SIZE);
    return 7 + 2 * ID_SIZE;
}

/* The frames, filled up to FIRST_SIZE if they are `filled`, behind a token; which: makes the ids. How large the packet is. */
static inline size_t first_put(uint8_t *packet, uint8_t which, uint8_t number, const uint8_t *token, size_t token_size,
                               const uint8_t *frames, size_t size, bool filled)
{
    size_t at = first_put_long(packet, which);
    struct first_keys keys;

    packet[at++] = (uint8_t)token_size; /* below 64 */
    if (token_size)
        memcpy(packet + at, token, token_size);
    at += token_size;
    memcpy(packet + at + 6, frames, size);
    if (filled && at + 6 + size + TAG < FIRST_SIZE) {
        memset(packet + at + 6 + size, 0, FIRST_SIZE - TAG - size - 6 - at);
        size = FIRST_SIZE - TAG - 6 - at;
    }
    packet[at++] = (uint8_t)(0x40 | (4 + size + TAG) >> 8);
    packet[at++] = (uint8_t)(4 + size + TAG);
    memcpy(packet + at, (uint8_t[]){0, 0, 0, number}, 4);
    at += 4;
    first_derive(packet + 6, &keys);
    first_protect(packet, at, size, &keys);
    return at + size + TAG;
}

#endif
