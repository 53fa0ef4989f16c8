/* SPDX-License-Identifier: Apache-2.0 */
#include "file_header.h"

#include <errno.h>
#include <string.h>

/* 0x89 keeps a text from being taken for a file. */
static const uint8_t magic[4] = {0x89, 'H', 'W', 'F'};
#define VERSION 1

static void put(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static uint64_t get(const uint8_t *from, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

const char *file_path_check(const char *path)
{
    if (*path == '\0')
        return "the file has no name";
    if (*path == '/')
        return "the path is absolute";
    for (const char *part = path; part; part = *part == '/' ? part + 1 : NULL) {
        size_t length = strcspn(part, "/");

        if (length == 0)
            return "the path has an empty part";
        if (length > 255)
            return "a part of the path is longer than 255 bytes";
        if (length == 1 && part[0] == '.')
            return "the path has a part \".\"";
        if (length == 2 && part[0] == '.' && part[1] == '.')
            return "the path leads upwards";
        part += length;
    }
    return NULL;
}

int file_header_write(const struct file_header *header, uint8_t text[FILE_HEADER_MAX])
{
    size_t length = strlen(header->path);

    if (length > FILE_PATH_MAX)
        return -ENAMETOOLONG;
    if (file_path_check(header->path))
        return -EINVAL;
    memcpy(text, magic, sizeof(magic));
    text[4] = VERSION;
    text[5] = 0;
    put(text + 6, header->mode, 2);
    put(text + 8, header->size, 8);
    put(text + 16, length, 2);
    memcpy(text + FILE_HEADER_FIXED, header->path, length);
    return (int)(FILE_HEADER_FIXED + length);
}

int file_header_read(const uint8_t *data, size_t size, struct file_header *ret_header, const char **ret_reason)
{
    size_t length;

    *ret_reason = "the message is not a file";
    if (memcmp(data, magic, size < sizeof(magic) ? size : sizeof(magic)) != 0)
        return -EPROTO;
    if (size < FILE_HEADER_FIXED)
        return 0;
    *ret_reason = "the file's header has an unknown version";
    if (data[4] != VERSION || data[5] != 0)
        return -EPROTO;
    length = (size_t)get(data + 16, 2);
    *ret_reason = "the file's path is too long";
    if (length > FILE_PATH_MAX)
        return -EPROTO;
    if (size < FILE_HEADER_FIXED + length)
        return 0;
    *ret_reason = "the file's path holds a zero byte";
    if (memchr(data + FILE_HEADER_FIXED, '\0', length))
        return -EPROTO;
    ret_header->mode = (uint16_t)(get(data + 6, 2) & 0777);
    ret_header->size = get(data + 8, 8);
    memcpy(ret_header->path, data + FILE_HEADER_FIXED, length);
    ret_header->path[length] = '\0';
    *ret_reason = file_path_check(ret_header->path);
    return *ret_reason ? -EPROTO : (int)(FILE_HEADER_FIXED + length);
}
