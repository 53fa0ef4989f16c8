/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that only who has the key can read, or can have written: what leaves a process and shall come back to another. */
#ifndef SECURITY_SEAL_H
#define SECURITY_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include <hawser/hawser.h>

#define SEAL_KEY 32
#define SEAL_SECRET_MIN 16

int seal_key(const void *secret, size_t size, uint8_t ret_key[SEAL_KEY]);       /* -EINVAL: too short, -EIO */
int seal_key_of_identity(hawser_identity *identity, uint8_t ret_key[SEAL_KEY]); /* the same for each holder. -EIO */

/* The caller free()s what comes out; of seal_open() it wipes it first. -ENOMEM, -EIO */
int seal_close(const uint8_t key[SEAL_KEY], const void *plain, size_t size, void **ret_sealed, size_t *ret_size);
/* -EBADMSG: another key, or not what was sealed; -EPROTONOSUPPORT: by another version. */
int seal_open(const uint8_t key[SEAL_KEY], const void *sealed, size_t size, uint8_t **ret_plain, size_t *ret_size);

#endif
