/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hawserd.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

enum { BACKLOG = 64 };

#define DIRECTORY "/run/hawserd"

static int choose_path(struct place *place, const char *path)
{
    struct stat status;
    int length;

    if (path) {
        length = snprintf(place->path, sizeof place->path, "%s", path);
    } else {
        if (stat("/proc/self/ns/net", &status) < 0 || (mkdir(DIRECTORY, 0755) < 0 && errno != EEXIST)) {
            say("%s: %s", DIRECTORY, strerror(errno));
            return -1;
        }
        length = snprintf(place->path, sizeof place->path, DIRECTORY "/net-%lu.sock", (unsigned long)status.st_ino);
    }
    if (length > 0 && (size_t)length < sizeof place->path)
        return 0;
    say("%s: the path of a unix socket has at most %zu bytes", path, sizeof place->path - 1);
    return -1;
}

/* Held as long as we live: whoever has it may replace the socket. */
static int take_lock(struct place *place)
{
    char path[sizeof place->path + 8];

    snprintf(path, sizeof path, "%s.lock", place->path);
    place->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (place->lock < 0) {
        say("%s: %s", path, strerror(errno));
        return -1;
    }
    if (flock(place->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    say(errno == EWOULDBLOCK ? "another hawserd serves %s" : "%s cannot be locked", place->path);
    close(place->lock);
    return -1;
}

static int listen_there(struct place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t before;
    int r;

    memcpy(address.sun_path, place->path, sizeof address.sun_path);
    place->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (place->listener < 0)
        return -errno;
    if (unlink(place->path) < 0 && errno != ENOENT)
        return -errno;
    before = umask(0111); /* anybody may ask: what is answered is decided for each request */
    r = bind(place->listener, (const struct sockaddr *)&address, sizeof address);
    umask(before);
    return r < 0 || listen(place->listener, BACKLOG) < 0 ? -errno : 0;
}

int place_open(struct place *ret_place, const char *path)
{
    int r;

    *ret_place = (struct place){.listener = -1, .lock = -1};
    if (choose_path(ret_place, path) < 0 || take_lock(ret_place) < 0)
        return -1;
    r = listen_there(ret_place);
    if (r == 0)
        return 0;
    say("%s: %s", ret_place->path, strerror(-r));
    if (ret_place->listener >= 0)
        close(ret_place->listener);
    close(ret_place->lock);
    return -1;
}

void place_close(struct place *place)
{
    unlink(place->path);
    close(place->listener);
    close(place->lock);
}

uint64_t place_cookie(void)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
        cookie = 0;
    close(fd);
    return cookie;
}

bool place_has_all_users(void)
{
    unsigned inside = 1, outside = 1, count = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");

    if (!map)
        return false;
    if (fscanf(map, "%u %u %u", &inside, &outside, &count) != 3)
        count = 0;
    fclose(map);
    return inside == 0 && outside == 0 && count == UINT32_MAX;
}

void place_drop_rights(void)
{
    static const unsigned kept[] = {CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_BPF, CAP_PERFMON};
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &head, data) < 0)
        return;
    for (size_t word = 0; word < _LINUX_CAPABILITY_U32S_3; word++) {
        uint32_t mask = 0;

        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            if (CAP_TO_INDEX(kept[i]) == word)
                mask |= CAP_TO_MASK(kept[i]);
        data[word].effective &= mask;
        data[word].permitted &= mask;
        data[word].inheritable = 0;
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_capset, &head, data) < 0)
        say("rights that are not needed are kept: %s", strerror(errno));
}

void place_tell_manager(void)
{
    static const char ready[] = "READY=1";
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    int fd;

    if (length == 0 || length >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, ready, sizeof ready - 1, MSG_NOSIGNAL, (const struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        say("the service manager was not told: %s", strerror(errno));
    close(fd);
}
