/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket on the loop. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "layer/layer.h"
#include "loop/loop.h"

#define PER_DISPATCH 64
#define PAUSE 100000 /* microseconds, after descriptors or memory ran out */
#define FAST_OPEN_QUEUE 256

struct acceptor {
    hawser_context *context;
    struct acceptor_config config;
    struct loop_io io;
    struct loop_timer timer;       /* the end of a pause of its own */
    struct loop_deferred deferred; /* goes on in the next dispatch */
    bool paused;                   /* by its user */
    bool *destroyed;               /* inside accepted(): tells the caller that it is gone */
    dev_t device;                  /* of the unix socket's file that we made; inode 0: none */
    ino_t inode;
};

/* -------------------------------------------------------------------------------------------------- accepting */

static bool is_passing(int error)
{
    /* accept(2): errors of the new connection, which is gone. */
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == ENETDOWN || error == ENOPROTOOPT ||
           error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH || error == EOPNOTSUPP ||
           error == ENETUNREACH || error == EPERM;
}

static void accept_some(struct acceptor *acceptor)
{
    bool destroyed = false;

    for (int i = 0; i < PER_DISPATCH && !acceptor->paused; i++) {
        int fd = accept4(acceptor->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && is_passing(errno))
            continue;
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0) {
            loop_log(acceptor->context, HAWSER_LOG_WARNING, "accepting pauses: %s", hawser_strerror(-errno));
            loop_timer_set(acceptor->context, &acceptor->timer, loop_now(acceptor->context) + PAUSE);
            return;
        }
        acceptor->destroyed = &destroyed;
        acceptor->config.accepted(acceptor->config.user, fd);
        if (destroyed)
            return;
        acceptor->destroyed = NULL;
    }
    if (!acceptor->paused)
        loop_defer_next(acceptor->context, &acceptor->deferred);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    (void)events;
    accept_some(container_of(io, struct acceptor, io));
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    (void)now;
    accept_some(container_of(timer, struct acceptor, timer));
}

static void on_deferred(struct loop_deferred *deferred)
{
    accept_some(container_of(deferred, struct acceptor, deferred));
}

/* --------------------------------------------------------------------------------------------------- listening */

/* A socket's file outlives a program that was killed. Only one that nobody listens on is removed. */
static bool remove_stale(const struct layer_address *local)
{
    const struct sockaddr_un *un = (const void *)&local->address;
    struct stat status;
    int probe, r;

    if (!un->sun_path[0] || lstat(un->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    r = connect(probe, (const struct sockaddr *)un, local->size) < 0 ? errno : 0;
    close(probe);
    return r == ECONNREFUSED && unlink(un->sun_path) == 0;
}

static int set_options(int fd, const struct acceptor_config *config)
{
    const int on = 1, queue = FAST_OPEN_QUEUE;
    int family = config->local.address.ss_family;

    if (family == AF_UNIX)
        return 0;
    /* "[::]" is IPv6 alone: who wants both listens on both. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
        (config->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) ||
        (*config->interface &&
         setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, config->interface, (socklen_t)strlen(config->interface) + 1) < 0))
        return -errno;
    if (config->fast_open) /* where the system allows it; without, connections come as ever */
        setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue);
    return 0;
}

static int bind_to(int fd, const struct layer_address *local)
{
    const struct sockaddr *address = (const struct sockaddr *)&local->address;

    if (bind(fd, address, local->size) == 0)
        return 0;
    if (errno != EADDRINUSE || address->sa_family != AF_UNIX || !remove_stale(local))
        return -errno;
    return bind(fd, address, local->size) < 0 ? -errno : 0;
}

static void note_file(struct acceptor *acceptor)
{
    const struct sockaddr_un *un = (const void *)&acceptor->config.local.address;
    struct stat status;

    if (un->sun_family == AF_UNIX && un->sun_path[0] && lstat(un->sun_path, &status) == 0) {
        acceptor->device = status.st_dev;
        acceptor->inode = status.st_ino;
    }
}

static void remove_file(const struct acceptor *acceptor)
{
    const struct sockaddr_un *un = (const void *)&acceptor->config.local.address;
    struct stat status;

    if (acceptor->inode && lstat(un->sun_path, &status) == 0 && status.st_dev == acceptor->device &&
        status.st_ino == acceptor->inode)
        unlink(un->sun_path);
}

static int new_socket(const struct acceptor_config *config)
{
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = -1;

    if (config->mptcp && config->local.address.ss_family != AF_UNIX)
        fd = socket(config->local.address.ss_family, type, IPPROTO_MPTCP);
    return fd < 0 ? socket(config->local.address.ss_family, type, 0) : fd;
}

static int make_socket(struct acceptor *acceptor, int *ret_fd)
{
    const struct acceptor_config *config = &acceptor->config;
    int fd = new_socket(config), r;

    if (fd < 0)
        return -errno;
    r = set_options(fd, config);
    if (r == 0)
        r = bind_to(fd, &config->local);
    if (r == 0) {
        note_file(acceptor);
        if (listen(fd, config->backlog ? (int)config->backlog : SOMAXCONN) < 0)
            r = -errno;
    }
    if (r < 0) {
        remove_file(acceptor);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

/* A socket that somebody else made must be one that listens, and must not hold us. */
static int take_socket(int fd)
{
    int listening = 0, type = 0;
    socklen_t size = sizeof listening;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
        return -errno;
    size = sizeof type;
    if (!listening || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return -EINVAL;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

int acceptor_new(hawser_context *context, const struct acceptor_config *config, struct acceptor **ret_acceptor)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    int fd = config->fd, r;

    if (!acceptor)
        return -ENOMEM;
    acceptor->context = context;
    acceptor->config = *config;
    acceptor->io.fd = -1;
    loop_timer_init(&acceptor->timer, on_timer);
    loop_deferred_init(&acceptor->deferred, on_deferred);
    r = fd >= 0 ? take_socket(fd) : make_socket(acceptor, &fd);
    if (r == 0)
        r = loop_io_add(context, &acceptor->io, fd, EPOLLIN, on_ready);
    if (r < 0) {
        if (config->fd < 0 && fd >= 0) {
            remove_file(acceptor);
            close(fd);
        }
        free(acceptor);
        return r;
    }
    *ret_acceptor = acceptor;
    return 0;
}

void acceptor_pause(struct acceptor *acceptor, bool pause)
{
    bool resumes = acceptor->paused && !pause;

    acceptor->paused = pause;
    if (pause) {
        loop_timer_clear(acceptor->context, &acceptor->timer);
        loop_undefer(&acceptor->deferred);
    } else if (resumes) /* what came meanwhile made its edge then */
        loop_defer(acceptor->context, &acceptor->deferred);
}

int acceptor_descriptor(const struct acceptor *acceptor)
{
    return acceptor->io.fd;
}

void acceptor_leave_file(struct acceptor *acceptor)
{
    acceptor->inode = 0;
}

void acceptor_destroy(struct acceptor *acceptor)
{
    int fd;

    if (!acceptor)
        return;
    fd = acceptor->io.fd;
    if (acceptor->destroyed)
        *acceptor->destroyed = true;
    loop_timer_clear(acceptor->context, &acceptor->timer);
    loop_undefer(&acceptor->deferred);
    loop_io_remove(acceptor->context, &acceptor->io);
    remove_file(acceptor);
    close(fd);
    free(acceptor);
}
