/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a connection is. Who holds its socket may do with it as it likes, so a descriptor that came along is proof. Else the
 * process, or the socket, has to be the asker's user's; root's word is enough.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hawserd.h"
#include "mptcp/process.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

enum { OVERFLOW_UID = 65534 };

/* Users that our user namespace has no number for all have the same one, which says nothing. */
static bool may_steer(const struct daemon *daemon, const struct asker *asker, uid_t owner)
{
    if (asker->uid == 0)
        return true;
    return asker->uid == owner && (owner != OVERFLOW_UID || daemon->whole_user_namespace);
}

static int not_yours(struct mptcp_reason *reason, const char *what)
{
    return mptcp_say(reason, -EPERM, "%s belongs to another user", what);
}

static int owner_of_process(pid_t pid, uid_t *ret_owner)
{
    struct stat status;
    char path[32];

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &status) < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    *ret_owner = status.st_uid; /* root's for a process that gained rights */
    return 0;
}

static bool has_ended(int pidfd)
{
    struct pollfd polled = {.fd = pidfd, .events = POLLIN};

    return poll(&polled, 1, 0) != 0;
}

/* The number of a process that ended may be another's by now: not while the one that our pidfd holds is there. */
static int find_by_pid(struct daemon *daemon, const struct asker *asker, const struct wire_target *wire, int *ret_fd,
                       struct mptcp_reason *reason)
{
    uid_t before, after;
    int pidfd = (int)syscall(SYS_pidfd_open, wire->pid, 0), fd = -1, r;

    if (pidfd < 0)
        return mptcp_say(reason, -errno, "process %d: %s", (int)wire->pid, strerror(errno));
    r = owner_of_process(wire->pid, &before);
    if (r == 0 && !may_steer(daemon, asker, before))
        r = not_yours(reason, "the process");
    else if (r == 0)
        r = mptcp_borrow(wire->pid, wire->fd, &fd, reason);
    else
        mptcp_say(reason, r, "process %d: %s", (int)wire->pid, strerror(-r));
    if (r == 0 && (owner_of_process(wire->pid, &after) < 0 || after != before || has_ended(pidfd)))
        r = mptcp_say(reason, -ESRCH, "process %d became another, or ended", (int)wire->pid);
    close(pidfd);
    *ret_fd = fd;
    return r;
}

static int find_by_ends(struct daemon *daemon, const struct asker *asker, const struct wire_target *wire, int *ret_fd,
                        struct mptcp_reason *reason)
{
    struct mptcp_found found;
    struct stat status;
    pid_t pid;
    int number, r = mptcp_find_by_ends(&wire->local, &wire->remote, &found, reason);

    if (r < 0)
        return r;
    if (!may_steer(daemon, asker, found.uid))
        return not_yours(reason, "the connection");
    if (mptcp_holder(found.inode, &pid, &number) < 0)
        return mptcp_say(reason, -ENOENT, "no process that this helper can look into holds the connection");
    if ((r = mptcp_borrow(pid, number, ret_fd, reason)) < 0)
        return r;
    if (fstat(*ret_fd, &status) < 0 || status.st_ino != found.inode)
        return mptcp_say(reason, -ENOENT, "the connection went away meanwhile");
    return 0;
}

static int check_namespace(const struct daemon *daemon, int fd, struct mptcp_reason *reason)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;

    if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
        return errno == ENOPROTOOPT ? 0 : mptcp_say(reason, -errno, "the descriptor: %s", strerror(errno));
    if (daemon->netns_cookie && cookie != daemon->netns_cookie)
        return mptcp_say(reason, -EXDEV, "the connection is in another network namespace than this helper");
    return 0;
}

int target_find(struct daemon *daemon, const struct asker *asker, const struct wire_target *wire, int received,
                struct target *ret_target, struct mptcp_reason *reason)
{
    struct target target = {.fd = received};
    int r = 0;

    if (wire->kind == WIRE_BY_PID)
        r = find_by_pid(daemon, asker, wire, &target.fd, reason);
    else if (wire->kind == WIRE_BY_TUPLE)
        r = find_by_ends(daemon, asker, wire, &target.fd, reason);
    if (r == 0)
        r = check_namespace(daemon, target.fd, reason);
    if (r == 0)
        r = mptcp_token(target.fd, &target.token, reason);
    *ret_target = target;
    return r;
}
