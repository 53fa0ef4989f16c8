/* SPDX-License-Identifier: Apache-2.0 */
/* Small private files: read without following links, replaced as a whole. */
#include "security/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/crypto.h>

static int make_directories(const char *path)
{
    char *copy = strdup(path), *slash;
    int r = 0;

    if (!copy)
        return -ENOMEM;
    for (slash = copy; slash && r == 0; *slash = '/') {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            r = -errno;
        if (!slash)
            break;
    }
    free(copy);
    return r;
}

int state_open(const char *path, const char *sub, int *ret_directory)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int directory = open(path, flags), inner, r;

    if (directory < 0 && errno == ENOENT) {
        r = make_directories(path);
        if (r < 0)
            return r;
        directory = open(path, flags);
    }
    if (directory < 0)
        return -errno;
    if (sub) {
        if (mkdirat(directory, sub, 0700) < 0 && errno != EEXIST) {
            r = -errno;
            close(directory);
            return r;
        }
        inner = openat(directory, sub, flags | O_NOFOLLOW);
        r = -errno;
        close(directory);
        if (inner < 0)
            return r;
        directory = inner;
    }
    *ret_directory = directory;
    return 0;
}

static int read_all(int fd, size_t size, uint8_t **ret_data, size_t *ret_size)
{
    uint8_t *data = malloc(size + 1);
    size_t have = 0;

    if (!data)
        return -ENOMEM;
    while (have < size) {
        ssize_t n = read(fd, data + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int r = -errno;
            free(data);
            return r;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    data[have] = '\0';
    *ret_data = data;
    *ret_size = have;
    return 0;
}

int state_read(int directory, const char *name, size_t limit, bool private, uint8_t **ret_data, size_t *ret_size)
{
    /* O_NONBLOCK: a FIFO under this name must not hold us. */
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), r;
    struct stat status;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        r = -errno;
    else if (!S_ISREG(status.st_mode))
        r = -EINVAL;
    else if (private && ((status.st_mode & 077) || status.st_uid != geteuid()))
        r = -EACCES;
    else if (status.st_size < 0 || (uint64_t)status.st_size > limit)
        r = -EFBIG;
    else
        r = read_all(fd, (size_t)status.st_size, ret_data, ret_size);
    close(fd);
    return r;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int put_in_place(int directory, const char *temporary, const char *name, unsigned how)
{
    if (how & STATE_EXCLUSIVE) {
        int r = linkat(directory, temporary, directory, name, 0) < 0 ? -errno : 0;
        unlinkat(directory, temporary, 0);
        return r;
    }
    return renameat(directory, temporary, directory, name) < 0 ? -errno : 0;
}

int state_write(int directory, const char *name, const void *data, size_t size, unsigned how)
{
    char temporary[300];
    uint64_t random;
    int fd, r;

    if (gnutls_rnd(GNUTLS_RND_NONCE, &random, sizeof random) < 0)
        return -EIO;
    snprintf(temporary, sizeof temporary, ".%.255s.%016llx", name, (unsigned long long)random);
    fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, data, size);
    if (r == 0 && (how & STATE_DURABLE) && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0)
        r = put_in_place(directory, temporary, name, how);
    if (r < 0)
        unlinkat(directory, temporary, 0);
    else if ((how & STATE_DURABLE) && fsync(directory) < 0)
        r = -errno;
    return r;
}
