/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a message of ours that is not simply a copy: the session's cookie. */
#ifndef ASSOCIATION_OUTGOING_H
#define ASSOCIATION_OUTGOING_H

#include "association/association.h"

struct file_source;

struct outgoing {
    const uint8_t *data; /* lent, or a buffer's; NULL: a file's */
    size_t size;
    void (*release)(void *data, size_t size, void *user);
    void *release_user;
    void *owned; /* a copy of ours; NULL: none */
    hawser_buffer *buffer;
    struct file_source *file;
    size_t prefix_size;
    uint8_t prefix[];
};

int outgoing_new(const void *prefix, size_t prefix_size, struct outgoing **ret_outgoing);
void outgoing_free(struct outgoing *outgoing); /* without a word to the program */

int outgoing_read(const struct outgoing *outgoing, uint64_t offset, void *bytes,
                  size_t size); /* waiting for the disk */

/* file_source.c */
int file_source_read(const struct file_source *file, uint64_t offset, void *bytes, size_t size); /* likewise */
int file_source_new(hawser_association *association, int fd, uint64_t offset, uint64_t size,
                    struct file_source **ret_file);
void file_source_set_id(struct file_source *file, uint64_t id);
const uint8_t *file_source_at(struct file_source *file, uint64_t offset, size_t *ret_size, int *ret_error);
void file_source_free(struct file_source *file);

#endif
