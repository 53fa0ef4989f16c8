/* SPDX-License-Identifier: Apache-2.0 */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hawser/hawser.h>

#include "file_header.h"

static int open_beneath(int directory, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

static int make_directories(const char *path)
{
    char part[FILE_PATH_MAX + 1];

    for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        size_t length = slash ? (size_t)(slash - path) : strlen(path);

        if (length > FILE_PATH_MAX)
            return -ENAMETOOLONG;
        memcpy(part, path, length);
        part[length] = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return -errno;
        if (!slash)
            return 0;
    }
}

int storage_open(struct storage *storage, const char *directory, bool overwrite)
{
    int r = *directory ? make_directories(directory) : -ENOENT;

    if (r < 0)
        return r;
    storage->overwrite = overwrite;
    storage->umask = umask(0);
    umask(storage->umask);
    storage->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return storage->directory < 0 ? -errno : 0;
}

void storage_close(struct storage *storage)
{
    if (storage->directory >= 0)
        close(storage->directory);
    storage->directory = -1;
}

/* Opens the directory that holds path's last part, and makes what is missing above it. Each step starts at the root
 * again, so that a directory that is moved meanwhile leads nowhere else. */
static int open_parent(const struct storage *storage, const char *path, const char **ret_name)
{
    char above[FILE_PATH_MAX + 1];
    int parent = open_beneath(storage->directory, ".", O_RDONLY | O_DIRECTORY);
    const char *part = path;

    for (const char *slash = strchr(path, '/'); slash && parent >= 0; slash = strchr(part, '/')) {
        char name[256];
        int r;

        memcpy(name, part, (size_t)(slash - part));
        name[slash - part] = '\0';
        r = mkdirat(parent, name, 0777) < 0 && errno != EEXIST ? -errno : 0;
        close(parent);
        if (r < 0)
            return r;
        memcpy(above, path, (size_t)(slash - path));
        above[slash - path] = '\0';
        parent = open_beneath(storage->directory, above, O_RDONLY | O_DIRECTORY);
        part = slash + 1;
    }
    *ret_name = part;
    return parent;
}

static int check_target(const struct storage *storage, int parent, const char *name, const char **ret_reason)
{
    struct stat st;

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    *ret_reason = "the file exists already";
    if (!storage->overwrite)
        return -EEXIST;
    *ret_reason = "the target exists and is not a regular file";
    return S_ISREG(st.st_mode) ? 0 : -EEXIST;
}

static int check_room(int parent, uint64_t size, const char **ret_reason)
{
    struct statvfs fs;

    if (size == FILE_SIZE_UNKNOWN || fstatvfs(parent, &fs) < 0 || fs.f_blocks == 0)
        return 0; /* file systems without a size: writing will tell */
    *ret_reason = "no space is left on the receiver's disk";
    return size / fs.f_frsize < (uint64_t)fs.f_bavail || size <= (uint64_t)fs.f_bavail * fs.f_frsize ? 0 : -ENOSPC;
}

static void random_name(char name[32])
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) < 0)
        number = (uint64_t)getpid();
    snprintf(name, 32, ".hawser-%016llx.part", (unsigned long long)number);
}

static int open_temporary(struct stored_file *file)
{
    file->fd = openat(file->parent, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (file->fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
        return -errno;
    for (int attempt = 0; attempt < 16; attempt++) {
        random_name(file->temporary);
        file->fd = openat(file->parent, file->temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);
        if (file->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    file->temporary[0] = '\0';
    return -errno;
}

int stored_file_open(struct storage *storage, const char *path, uint64_t size, struct stored_file *ret_file,
                     const char **ret_reason)
{
    struct stored_file file = {.fd = -1, .parent = -1};
    int r;

    *ret_reason = NULL;
    r = file.parent = open_parent(storage, path, &file.name);
    if (r == -ELOOP || r == -EXDEV)
        *ret_reason = "the path leads through a symbolic link";
    if (r == -ENOTDIR)
        *ret_reason = "a part of the path is no directory";
    if (r >= 0)
        r = check_target(storage, file.parent, file.name, ret_reason);
    if (r >= 0)
        r = check_room(file.parent, size, ret_reason);
    if (r >= 0) {
        *ret_reason = NULL;
        r = open_temporary(&file);
    }
    if (r < 0) {
        stored_file_drop(&file);
        if (!*ret_reason)
            *ret_reason = hawser_strerror(r);
        return r;
    }
    *ret_reason = NULL;
    *ret_file = file;
    return 0;
}

int stored_file_write(struct stored_file *file, const void *data, size_t size)
{
    const char *bytes = data;

    while (size > 0) {
        ssize_t n = write(file->fd, bytes, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        size -= (size_t)n;
        file->written += (uint64_t)n;
    }
    return 0;
}

int stored_file_write_at(struct stored_file *file, uint64_t offset, const void *data, size_t size)
{
    if (offset > INT64_MAX || lseek(file->fd, (off_t)offset, SEEK_SET) < 0)
        return -EFBIG;
    return stored_file_write(file, data, size);
}

/* Gives a file without a name one. */
static int link_file(const struct stored_file *file, const char *name)
{
    char self[64];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, self, file->parent, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int link_temporary(struct stored_file *file)
{
    int r = -EEXIST;

    for (int attempt = 0; attempt < 16 && r == -EEXIST; attempt++) {
        random_name(file->temporary);
        r = link_file(file, file->temporary);
    }
    if (r < 0)
        file->temporary[0] = '\0';
    return r;
}

static int rename_temporary(const struct storage *storage, struct stored_file *file)
{
    unsigned flags = storage->overwrite ? 0 : RENAME_NOREPLACE;

    if (renameat2(file->parent, file->temporary, file->parent, file->name, flags) == 0) {
        file->temporary[0] = '\0';
        return 0;
    }
    /* A file system without RENAME_NOREPLACE: link() does not replace either; the hidden name goes with the drop. */
    if (errno != EINVAL || flags == 0)
        return -errno;
    return linkat(file->parent, file->temporary, file->parent, file->name, 0) < 0 ? -errno : 0;
}

int stored_file_commit(struct storage *storage, struct stored_file *file, mode_t mode)
{
    int r = 0;

    if (fchmod(file->fd, mode & 0777 & ~storage->umask) < 0)
        return -errno;
    if (!storage->overwrite && !file->temporary[0]) {
        r = link_file(file, file->name);
    } else {
        if (!file->temporary[0])
            r = link_temporary(file);
        if (r == 0)
            r = rename_temporary(storage, file);
    }
    return r;
}

void stored_file_drop(struct stored_file *file)
{
    if (file->temporary[0])
        unlinkat(file->parent, file->temporary, 0);
    if (file->fd >= 0)
        close(file->fd);
    if (file->parent >= 0)
        close(file->parent);
    *file = (struct stored_file){.fd = -1, .parent = -1};
}
