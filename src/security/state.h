/* SPDX-License-Identifier: Apache-2.0 */
/* Files of state: what is kept under the state directory, by whoever keeps something. */
#ifndef SECURITY_STATE_H
#define SECURITY_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens the directory path, or path/sub when sub is not NULL, and makes what is missing (0700). */
int state_open(const char *path, const char *sub, int *ret_directory);
/* Reads a regular file of at most limit bytes, never through a symbolic link. private: -EACCES unless it is ours
 * and closed to others. The data ends in a NUL that is not counted; the caller frees it. */
int state_read(int directory, const char *name, size_t limit, bool private, uint8_t **ret_data, size_t *ret_size);
enum state_write {
    STATE_REPLACE = 0,
    STATE_EXCLUSIVE = 1, /* -EEXIST when the name is taken */
    STATE_DURABLE = 2,   /* survives a power failure */
};
/* Writes a file (0600) under a temporary name first, so that nobody ever sees a part of it. */
int state_write(int directory, const char *name, const void *data, size_t size, unsigned how);

#endif
