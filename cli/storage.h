/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files below one directory. Nothing can leave it: every step is openat2(2) with RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS. A file has no name, or a hidden one, until it is whole.
 */
#ifndef CLI_STORAGE_H
#define CLI_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct storage {
    int directory;
    bool overwrite;
    mode_t umask;
};

int storage_open(struct storage *storage, const char *directory, bool overwrite); /* makes it; -errno */
void storage_close(struct storage *storage);

struct stored_file {
    int fd;             /* -1: none */
    int parent;         /* the directory it will be in */
    const char *name;   /* in parent; points into the path given */
    char temporary[32]; /* the hidden name; "" when the file has none */
    uint64_t written;
};

/* Prepares the file at path (checked by file_path_check()) and the directories above it. size is only compared with the room
 * there is. -EEXIST: there is a target already. On failure *ret_reason says more. path must outlive the file. */
int stored_file_open(struct storage *storage, const char *path, uint64_t size, struct stored_file *ret_file,
                     const char **ret_reason);
int stored_file_write(struct stored_file *file, const void *data, size_t size);
/* Anywhere in it; what nothing was written to reads 0. */
int stored_file_write_at(struct stored_file *file, uint64_t offset, const void *data, size_t size);
/* Gives the file its mode and its name. */
int stored_file_commit(struct storage *storage, struct stored_file *file, mode_t mode);
/* Removes what was not committed. */
void stored_file_drop(struct stored_file *file);

#endif
