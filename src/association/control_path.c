/* SPDX-License-Identifier: Apache-2.0 */
/* Where a control socket lies, and that nobody but its owner can use it. */
#include "association/control.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONTEXTS = 64 }; /* of one process, by themselves in one directory */

/* A directory that others may write to, or even read, is not where a socket of ours belongs. */
static int check_directory(const char *path)
{
    struct stat stat;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (lstat(path, &stat) < 0)
        return -errno;
    return S_ISDIR(stat.st_mode) && stat.st_uid == geteuid() && (stat.st_mode & 077) == 0 ? 0 : -EPERM;
}

/* $XDG_RUNTIME_DIR, which is the user's own and ends with the session; a daemon has /run/user/ID where that was made. */
static int find_directory(char *path, size_t size)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int n;

    if (runtime && *runtime == '/')
        n = snprintf(path, size, "%s/hawser", runtime);
    else
        n = snprintf(path, size, "/run/user/%u/hawser", (unsigned)geteuid());
    if (n < 0 || (size_t)n >= size)
        return -ENAMETOOLONG;
    return check_directory(path);
}

/* Whether somebody listens there, or only a file is left of one who did. */
static bool is_left_over(const struct sockaddr_un *address)
{
    struct stat stat;
    int fd;
    bool refused;

    if (lstat(address->sun_path, &stat) < 0 || !S_ISSOCK(stat.st_mode) || stat.st_uid != geteuid())
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    refused = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_there(int fd, const struct sockaddr_un *address)
{
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return 0;
    if (errno != EADDRINUSE || !is_left_over(address))
        return -errno;
    if (unlink(address->sun_path) < 0)
        return -errno;
    return bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;
}

static int listen_at(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* The socket's own mode is that of the file which bind() makes: at no time is it open to others. */
    r = fchmod(fd, 0600) < 0 ? -errno : bind_there(fd, &address);
    if (r == 0 && listen(fd, CONTROL_CLIENTS) < 0) {
        r = -errno;
        unlink(path);
    }
    if (r < 0)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

static int listen_by_process(int *ret_fd, char **ret_path)
{
    char directory[96], path[128];
    int r = find_directory(directory, sizeof directory);

    for (unsigned i = 1; r == 0 && i <= CONTEXTS; i++) {
        if (i == 1)
            snprintf(path, sizeof path, "%s/%ld.sock", directory, (long)getpid());
        else
            snprintf(path, sizeof path, "%s/%ld-%u.sock", directory, (long)getpid(), i);
        r = listen_at(path, ret_fd);
        if (r == -EADDRINUSE && i < CONTEXTS)
            r = 0;
        else
            break;
    }
    if (r == 0 && !(*ret_path = strdup(path))) {
        close(*ret_fd);
        unlink(path);
        r = -ENOMEM;
    }
    return r;
}

int control_listen(const char *path, int *ret_fd, char **ret_path)
{
    char *copy;
    int r;

    if (strcmp(path, "auto") == 0)
        return listen_by_process(ret_fd, ret_path);
    copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    r = listen_at(path, ret_fd);
    if (r < 0)
        free(copy);
    else
        *ret_path = copy;
    return r;
}

bool control_may_look(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && (who.uid == geteuid() || who.uid == 0);
}
