/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe that polls writable takes this much without blocking (pipe(7), PIPE_BUF). */
#define WRITE_PIECE 4096

static int failed(struct sink *sink, int r)
{
    sink->broken = true;
    complain(sink->tool, "%s cannot be written: %s", sink->path ? sink->path : "standard output", hawser_strerror(r));
    return r;
}

/* Beside the file, so that it can take its name. A device or pipe is written as it is. */
static int open_file(struct sink *sink)
{
    struct stat there;
    mode_t mask = umask(0);

    umask(mask);
    if (stat(sink->path, &there) == 0 && !S_ISREG(there.st_mode)) {
        sink->fd = open(sink->path, O_WRONLY | O_CLOEXEC);
        return sink->fd < 0 ? -errno : 0;
    }
    if (asprintf(&sink->temporary, "%s.XXXXXX", sink->path) < 0) {
        sink->temporary = NULL;
        return -ENOMEM;
    }
    sink->fd = mkostemp(sink->temporary, O_CLOEXEC);
    if (sink->fd < 0) {
        int r = -errno;

        free(sink->temporary);
        sink->temporary = NULL;
        return r;
    }
    return fchmod(sink->fd, 0666 & ~mask) < 0 ? -errno : 0;
}

int sink_open(struct sink *sink, struct tool *tool, const char *path)
{
    int r = 0;

    sink->tool = tool;
    sink->path = path;
    sink->fd = STDOUT_FILENO;
    if (path)
        r = open_file(sink);
    return r < 0 ? failed(sink, r) : 0;
}

static int write_file(struct sink *sink, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(sink->fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(sink, -errno);
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int keep(struct sink *sink, const uint8_t *data, size_t size)
{
    if (sink->at > 0) {
        memmove(sink->data, sink->data + sink->at, sink->size - sink->at);
        sink->size -= sink->at;
        sink->at = 0;
    }
    if (sink->capacity - sink->size < size) {
        size_t capacity = sink->capacity * 2 + size;
        uint8_t *grown = realloc(sink->data, capacity);

        if (!grown)
            return failed(sink, -ENOMEM);
        sink->data = grown;
        sink->capacity = capacity;
    }
    memcpy(sink->data + sink->size, data, size);
    sink->size += size;
    return 0;
}

static void drain(struct sink *sink);

static void on_writable(int fd, short revents, void *user)
{
    (void)fd;
    (void)revents;
    drain(user);
}

static void watch(struct sink *sink, bool on)
{
    if (sink->watched != on && hawser_watch(sink->tool->context, sink->fd, on ? POLLOUT : 0, on_writable, sink) == 0)
        sink->watched = on;
}

/* Writes what goes without waiting. 1: some is left */
static int write_some(struct sink *sink)
{
    while (sink->at < sink->size) {
        struct pollfd p = {.fd = sink->fd, .events = POLLOUT};
        size_t piece = sink->size - sink->at;
        ssize_t n;

        if (poll(&p, 1, 0) == 0)
            return 1;
        n = write(sink->fd, sink->data + sink->at, piece < WRITE_PIECE ? piece : WRITE_PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 1;
        if (n < 0)
            return failed(sink, -errno);
        sink->at += (size_t)n;
    }
    sink->at = sink->size = 0;
    return 0;
}

static void drain(struct sink *sink)
{
    int r = write_some(sink);

    if (r > 0)
        return;
    if (r < 0)
        sink->at = sink->size = 0;
    watch(sink, false);
    sink->on_drained(sink->user);
}

int sink_write(struct sink *sink, const void *data, size_t size)
{
    int r;

    if (sink->broken)
        return -EPIPE;
    if (size == 0)
        return 0;
    if (sink->path)
        return write_file(sink, data, size);
    r = keep(sink, data, size);
    if (r == 0 && !sink->watched)
        r = write_some(sink);
    if (r > 0)
        watch(sink, true);
    return r < 0 ? r : sink->watched;
}

bool sink_is_empty(const struct sink *sink)
{
    return sink->at == sink->size;
}

int sink_close(struct sink *sink, bool keep_it)
{
    int r = 0;

    watch(sink, false);
    if (sink->path && sink->fd >= 0) {
        if (close(sink->fd) < 0)
            r = -errno;
        if (sink->temporary && keep_it && r == 0 && rename(sink->temporary, sink->path) < 0)
            r = -errno;
        if (sink->temporary && (!keep_it || r < 0))
            unlink(sink->temporary);
        if (r < 0)
            failed(sink, r);
    }
    free(sink->temporary);
    free(sink->data);
    sink->temporary = NULL;
    sink->data = NULL;
    sink->at = sink->size = sink->capacity = 0;
    sink->fd = -1;
    return r;
}
