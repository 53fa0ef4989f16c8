/* SPDX-License-Identifier: Apache-2.0 */
/* The header that `hawser send` puts before a file's bytes in their message: docs/file-transfer.md. */
#ifndef CLI_FILE_HEADER_H
#define CLI_FILE_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define FILE_PATH_MAX 4095
#define FILE_HEADER_FIXED 18
#define FILE_HEADER_MAX (FILE_HEADER_FIXED + FILE_PATH_MAX)
#define FILE_SIZE_UNKNOWN UINT64_MAX

struct file_header {
    uint64_t size; /* of the file, or FILE_SIZE_UNKNOWN */
    uint16_t mode; /* permission bits */
    char path[FILE_PATH_MAX + 1];
};

/* Bytes written, or -ENAMETOOLONG, or -EINVAL for a path that file_path_check() refuses. */
int file_header_write(const struct file_header *header, uint8_t text[FILE_HEADER_MAX]);
/* Bytes the header takes; 0: more than size bytes are needed to tell; -EPROTO with a reason: no acceptable header. */
int file_header_read(const uint8_t *data, size_t size, struct file_header *ret_header, const char **ret_reason);
/* NULL when the path stays below where it starts: relative, no empty, "." or ".." part, no part above 255 bytes; else why
 * not. */
const char *file_path_check(const char *path);

#endif
