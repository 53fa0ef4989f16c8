/* SPDX-License-Identifier: Apache-2.0 */
/* A trace's descriptor: what it takes at once is written, the rest is kept, and what is too much is dropped. */
#include "association/trace.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 65536, PIECE = 4096 /* PIPE_BUF: a pipe that polls writable takes so much without waiting */ };

int trace_file_open(struct trace_file *file, int fd)
{
    int access = fcntl(fd, F_GETFL);
    struct stat stat;

    if (access < 0 || (access & O_ACCMODE) == O_RDONLY || fstat(fd, &stat) < 0)
        return -EBADF;
    *file =
        (struct trace_file){.fd = fd, .regular = S_ISREG(stat.st_mode), .process = getpid(), .buffer = malloc(ROOM)};
    return file->buffer ? 0 : -ENOMEM;
}

/* A pipe that nobody reads any more must not end the program: the signal is caught by this thread and taken away. */
static ssize_t write_quietly(int fd, const void *data, size_t size)
{
    static const struct timespec now = {0, 0};
    sigset_t pipe, before, pending;
    bool was_pending;
    ssize_t n;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    n = write(fd, data, size);
    if (n < 0)
        n = -errno;
    if (n == -EPIPE && !was_pending)
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

static ssize_t write_some(const struct trace_file *file, const char *data, size_t size)
{
    struct pollfd poll_fd = {.fd = file->fd, .events = POLLOUT};
    ssize_t n;

    if (!file->regular && poll(&poll_fd, 1, 0) <= 0)
        return -EAGAIN;
    n = write_quietly(file->fd, data, file->regular || size < PIECE ? size : PIECE);
    return n == 0 ? -EIO : n;
}

void trace_file_flush(struct trace_file *file)
{
    size_t done = 0;

    if (file->process != getpid()) { /* its parent writes that */
        file->size = 0;
        return;
    }
    while (done < file->size && file->error == 0) {
        ssize_t n = write_some(file, file->buffer + done, file->size - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == -EAGAIN)
            break;
        else if (n != -EINTR)
            file->error = (int)n;
    }
    file->size -= done;
    if (done)
        memmove(file->buffer, file->buffer + done, file->size);
}

static bool add(struct trace_file *file, const char *line, size_t size)
{
    if (ROOM - file->size < size)
        trace_file_flush(file);
    if (ROOM - file->size < size)
        return false;
    memcpy(file->buffer + file->size, line, size);
    file->size += size;
    return true;
}

void trace_file_add(struct trace_file *file, const char *line, size_t size)
{
    char note[96];

    if (file->error)
        return;
    if (file->dropped) {
        int n = snprintf(note, sizeof note, "{\"time\":null,\"name\":\"hawser:dropped\",\"data\":{\"records\":%llu}}\n",
                         (unsigned long long)file->dropped);

        if (!add(file, note, (size_t)n)) {
            file->dropped++;
            return;
        }
        file->dropped = 0;
    }
    if (!add(file, line, size))
        file->dropped++;
}

void trace_file_close(struct trace_file *file)
{
    trace_file_flush(file);
    free(file->buffer);
    file->buffer = NULL;
}
