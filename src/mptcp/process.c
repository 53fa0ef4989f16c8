/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/process.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int mptcp_borrow(pid_t pid, int fd, int *ret_fd, struct mptcp_reason *reason)
{
    int process = (int)syscall(SYS_pidfd_open, pid, 0), r;

    if (process < 0)
        return mptcp_say(reason, -errno, "there is no process %d", (int)pid);
    *ret_fd = (int)syscall(SYS_pidfd_getfd, process, fd, 0); /* CLOEXEC by itself */
    r = *ret_fd < 0 ? -errno : 0;
    close(process);
    if (r == -EBADF)
        return mptcp_say(reason, r, "process %d has no descriptor %d", (int)pid, fd);
    if (r == -EPERM)
        return mptcp_say(reason, r, "the descriptors of process %d are not ours to take (ptrace(2))", (int)pid);
    return r < 0 ? mptcp_say(reason, r, "descriptor %d of process %d: %s", fd, (int)pid, strerror(-r)) : 0;
}

/* A number that is a whole name; -1. */
static long number(const char *name)
{
    char *end;
    long n = strtol(name, &end, 10);

    return *name >= '0' && *name <= '9' && !*end ? n : -1;
}

static void each_in(long pid, mptcp_socket_fn fn, void *user)
{
    char path[64];
    struct dirent *entry;
    struct stat status;
    DIR *directory;

    snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    if (!(directory = opendir(path)))
        return;
    while ((entry = readdir(directory)))
        if (number(entry->d_name) >= 0 && fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 &&
            S_ISSOCK(status.st_mode))
            fn(user, (pid_t)pid, (int)number(entry->d_name), status.st_ino);
    closedir(directory);
}

void mptcp_each_socket(pid_t pid, mptcp_socket_fn fn, void *user)
{
    struct dirent *entry;
    DIR *directory;

    if (pid) {
        each_in(pid, fn, user);
        return;
    }
    if (!(directory = opendir("/proc")))
        return;
    while ((entry = readdir(directory)))
        if (number(entry->d_name) > 0)
            each_in(number(entry->d_name), fn, user);
    closedir(directory);
}

struct wanted {
    unsigned long inode;
    pid_t pid;
    int fd;
};

static void compare(void *user, pid_t pid, int fd, unsigned long inode)
{
    struct wanted *wanted = user;

    if (inode != wanted->inode || wanted->fd >= 0)
        return;
    wanted->pid = pid;
    wanted->fd = fd;
}

int mptcp_holder(unsigned long inode, pid_t *ret_pid, int *ret_fd)
{
    struct wanted wanted = {.inode = inode, .fd = -1};

    if (inode)
        mptcp_each_socket(0, compare, &wanted);
    if (wanted.fd < 0)
        return -ENOENT;
    *ret_pid = wanted.pid;
    *ret_fd = wanted.fd;
    return 0;
}
