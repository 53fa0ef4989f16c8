/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is being sent. What the page cache holds is read on the context's thread, without waiting
 * (RWF_NOWAIT); what it does not hold is read by the worker, one buffer ahead. Never mmap: a file that is cut short
 * under us would be a SIGBUS.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "association/bare.h"
#include "association/outgoing.h"

#define CHUNK (256u << 10)
#define CHUNKS (SESSION_STRANDS_MAX + 1) /* each strand may be sending from one, and one is free */

struct chunk {
    struct loop_job job;
    struct file_source *file;
    uint8_t *bytes; /* NULL until wanted */
    uint64_t offset;
    size_t wanted;
    ssize_t size; /* read; negative: why not */
    bool full, reading;
};

struct file_source {
    hawser_association *association;
    uint64_t id; /* of the message; 0 until it has one */
    int fd;
    uint64_t begin, size;
    off_t file_size;
    struct timespec changed;
    bool waits; /* the last read had to wait: the next one is started ahead */
    struct chunk chunks[CHUNKS];
};

static void chunk_work(struct loop_job *job)
{
    struct chunk *chunk = container_of(job, struct chunk, job);
    ssize_t n;

    do {
        n = pread(chunk->file->fd, chunk->bytes, chunk->wanted, (off_t)(chunk->file->begin + chunk->offset));
    } while (n < 0 && errno == EINTR);
    chunk->size = n < 0 ? -errno : n;
}

static void chunk_done(struct loop_job *job)
{
    struct chunk *chunk = container_of(job, struct chunk, job);
    struct file_source *file = chunk->file;

    chunk->reading = false;
    chunk->full = true;
    if (file->association->bare)
        bare_source_ready(file->association->bare, file->id);
    else if (file->association->session)
        session_source_ready(file->association->session, file->id);
    association_wake(file->association);
}

int file_source_new(hawser_association *association, int fd, uint64_t offset, uint64_t size,
                    struct file_source **ret_file)
{
    struct file_source *file;
    struct stat stat;

    if (fstat(fd, &stat) < 0)
        return -errno;
    file = calloc(1, sizeof *file);
    if (!file)
        return -ENOMEM;
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (file->fd < 0) {
        free(file);
        return -errno;
    }
    file->association = association;
    file->begin = offset;
    file->size = size;
    file->file_size = stat.st_size;
    file->changed = stat.st_ctim;
    for (size_t i = 0; i < CHUNKS; i++) {
        file->chunks[i].file = file;
        loop_job_init(&file->chunks[i].job, chunk_work, chunk_done);
    }
    *ret_file = file;
    return 0;
}

void file_source_set_id(struct file_source *file, uint64_t id)
{
    file->id = id;
}

void file_source_free(struct file_source *file)
{
    for (size_t i = 0; i < CHUNKS; i++) {
        if (file->chunks[i].reading)
            loop_job_cancel(file->association->context, &file->chunks[i].job);
        free(file->chunks[i].bytes);
    }
    close(file->fd);
    free(file);
}

/* Looked at after each read, so that no byte of the new content leaves under the old one's name. */
static bool file_same(const struct file_source *file)
{
    struct stat stat;

    return fstat(file->fd, &stat) == 0 && stat.st_size == file->file_size &&
           stat.st_ctim.tv_sec == file->changed.tv_sec && stat.st_ctim.tv_nsec == file->changed.tv_nsec;
}

int file_source_read(const struct file_source *file, uint64_t offset, void *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = pread(file->fd, bytes, size, (off_t)(file->begin + offset));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -HAWSER_ESOURCE;
        bytes = (uint8_t *)bytes + n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return file_same(file) ? 0 : -HAWSER_ESOURCE;
}

static bool chunk_holds(const struct chunk *chunk, uint64_t offset)
{
    return chunk->bytes && offset >= chunk->offset && offset < chunk->offset + chunk->wanted;
}

/* Starts to fill a chunk from offset on: at once when the page cache has it, else by the worker. */
static int chunk_fill(struct chunk *chunk, uint64_t offset, bool ahead)
{
    struct file_source *file = chunk->file;
    struct iovec piece;
    ssize_t n;

    if (!chunk->bytes) {
        chunk->bytes = malloc(file->size < CHUNK ? (size_t)file->size : CHUNK);
        if (!chunk->bytes)
            return -ENOMEM;
    }
    chunk->offset = offset;
    chunk->wanted = file->size - offset < CHUNK ? (size_t)(file->size - offset) : CHUNK;
    chunk->full = false;
    if (!ahead) {
        piece = (struct iovec){chunk->bytes, chunk->wanted};
        do {
            n = preadv2(file->fd, &piece, 1, (off_t)(file->begin + offset), RWF_NOWAIT);
        } while (n < 0 && errno == EINTR);
        if (n > 0) {
            /* What is there goes; the rest of the range is asked for when it is needed. */
            chunk->size = n;
            chunk->wanted = (size_t)n;
            chunk->full = true;
            return 0;
        }
        file->waits = true;
    }
    chunk->reading = true;
    loop_job_start(file->association->context, &chunk->job);
    return 0;
}

/* The chunk to be overwritten: not the one a strand is sending from, nor one that is being read into. */
static struct chunk *chunk_free(struct file_source *file, uint64_t offset)
{
    for (size_t i = 0; i < CHUNKS; i++) {
        struct chunk *chunk = &file->chunks[i];

        if (chunk->reading || (chunk->full && chunk_holds(chunk, offset)))
            continue;
        if (chunk->bytes && strand_sends(file->association, chunk->bytes, chunk->wanted))
            continue;
        return chunk;
    }
    return NULL;
}

static bool is_there(const struct file_source *file, uint64_t offset)
{
    for (size_t i = 0; i < CHUNKS; i++)
        if ((file->chunks[i].reading || file->chunks[i].full) && chunk_holds(&file->chunks[i], offset))
            return true;
    return false;
}

/* One more than the one in hand; the strands' others are left alone. */
static void chunk_ahead(struct file_source *file, const struct chunk *chunk)
{
    uint64_t next = chunk->offset + (uint64_t)chunk->size;
    struct chunk *other;

    if (!file->waits || next >= file->size || is_there(file, next))
        return;
    other = chunk_free(file, next);
    if (other && other != chunk)
        (void)chunk_fill(other, next, true); /* no memory: read when it is needed */
}

static const uint8_t *chunk_give(struct file_source *file, struct chunk *chunk, uint64_t offset, size_t *ret_size,
                                 int *ret_error)
{
    size_t at = (size_t)(offset - chunk->offset);

    if (chunk->size <= (ssize_t)at || !file_same(file)) {
        chunk->full = false;
        *ret_error = -HAWSER_ESOURCE;
        return NULL;
    }
    chunk_ahead(file, chunk);
    *ret_size = (size_t)chunk->size - at;
    return chunk->bytes + at;
}

const uint8_t *file_source_at(struct file_source *file, uint64_t offset, size_t *ret_size, int *ret_error)
{
    struct chunk *chunk;
    int r;

    *ret_error = 0;
    for (size_t i = 0; i < CHUNKS; i++) {
        chunk = &file->chunks[i];
        if (chunk->reading && chunk_holds(chunk, offset))
            return NULL;
        if (chunk->full && chunk_holds(chunk, offset))
            return chunk_give(file, chunk, offset, ret_size, ret_error);
    }
    chunk = chunk_free(file, offset);
    if (!chunk) /* all are in use; one that is being read says when it is there */
        return NULL;
    r = chunk_fill(chunk, offset, false);
    if (r < 0) {
        *ret_error = r;
        return NULL;
    }
    return chunk->full ? chunk_give(file, chunk, offset, ret_size, ret_error) : NULL;
}
