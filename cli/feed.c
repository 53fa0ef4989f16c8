/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_header.h"

int feed_init(struct feed *feed)
{
    feed->fd = -1;
    feed->buffer = malloc(FEED_PIECE);
    feed->antecedents = calloc(feed->gathering->after_count + 1, sizeof(*feed->antecedents));
    return feed->buffer && feed->antecedents ? 0 : -ENOMEM;
}

static bool is_input(const struct file *file)
{
    return strcmp(file->source, "-") == 0;
}

static void on_input(int fd, short revents, void *user)
{
    struct feed *feed = user;

    (void)revents;
    hawser_watch(feed->tool->context, fd, 0, on_input, feed);
    feed->waiting_input = false;
    feed_run(feed);
}

/* Standard input is shared with other processes, so its O_NONBLOCK is left alone. */
static ssize_t read_input(struct feed *feed, uint8_t *to, size_t size)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    ssize_t n;
    int r;

    if (poll(&p, 1, 0) == 0) {
        r = hawser_watch(feed->tool->context, STDIN_FILENO, POLLIN, on_input, feed);
        feed->waiting_input = r == 0;
        return r == 0 ? -EAGAIN : r;
    }
    n = read(STDIN_FILENO, to, size);
    return n < 0 ? -errno : n;
}

/* Reads until the buffer is full or the file has been read. */
static int fill(struct feed *feed, struct file *file)
{
    while (feed->held < FEED_PIECE && !feed->last_read) {
        size_t room = FEED_PIECE - feed->held;
        ssize_t n;

        if (is_input(file)) {
            n = read_input(feed, feed->buffer + feed->held, room);
            if (n == -EAGAIN && feed->held > 0)
                return 0;
            if (n == 0)
                feed->last_read = true;
        } else {
            n = read(feed->fd, feed->buffer + feed->held, room < feed->left ? room : (size_t)feed->left);
            if (n < 0)
                n = -errno;
            if (n == 0 && feed->left > 0)
                return -HAWSER_ESOURCE;
        }
        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        feed->held += (size_t)n;
        if (!is_input(file)) {
            feed->left -= (uint64_t)n;
            feed->last_read = feed->left == 0;
        } else if (n > 0) {
            return 0; /* what there is goes at once: a pipe may be slow */
        }
    }
    return 0;
}

static int check_unchanged(const struct feed *feed, const struct file *file)
{
    struct stat st;

    if (is_input(file))
        return 0;
    if (fstat(feed->fd, &st) < 0)
        return -errno;
    if ((uint64_t)st.st_size != file->size || st.st_ctim.tv_sec != feed->changed_s ||
        st.st_ctim.tv_nsec != feed->changed_ns)
        return -HAWSER_ESOURCE;
    return 0;
}

static int put_header(struct feed *feed, const struct file *file, uint16_t mode)
{
    struct file_header header = {.size = file->size, .mode = mode};
    int r;

    if (strlen(file->name) > FILE_PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(header.path, file->name, strlen(file->name) + 1);
    r = file_header_write(&header, feed->buffer);
    if (r < 0)
        return r;
    feed->held = feed->header = (size_t)r;
    return 0;
}

static int open_file(struct feed *feed, struct file *file)
{
    struct stat st = {.st_mode = 0644};

    feed->last_read = false;
    if (!is_input(file)) {
        feed->fd = open(file->source, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (feed->fd < 0 || fstat(feed->fd, &st) < 0)
            return -errno;
        if (!S_ISREG(st.st_mode))
            return -EINVAL;
        file->size = (uint64_t)st.st_size;
        feed->left = file->size;
        feed->last_read = feed->left == 0;
        feed->changed_s = st.st_ctim.tv_sec;
        feed->changed_ns = st.st_ctim.tv_nsec;
    }
    file->state = FILE_OPEN;
    file->began_us = clock_us();
    return put_header(feed, file, st.st_mode & 0777);
}

static hawser_message_options message_options(const struct feed *feed, const struct file *file)
{
    const struct options *o = feed->tool->options;

    hawser_message_options options = {
        .struct_size = sizeof(hawser_message_options),
        .niceness = (int)o->niceness,
        .antecedents = file->after ? NULL : feed->antecedents,
        .antecedent_count = file->after ? 0 : feed->antecedent_count,
        .ordered = o->ordered,
        .safely_replayable = o->replayable,
        .want_sent = true,
    };

    marks_put(feed->marks, &options);
    return options;
}

static void has_begun(struct feed *feed, struct file *file, hawser_message_id id)
{
    file->id = id;
    if (file->after)
        feed->antecedents[feed->antecedent_count++] = id;
    feed->began(feed, file);
}

/* Hands over what the buffer holds, and begins the message when it has not begun. */
static int give(struct feed *feed, struct file *file)
{
    hawser_message_options options = message_options(feed, file);
    hawser_message_id id;
    int r;

    r = check_unchanged(feed, file);
    if (r < 0)
        return r;
    if (file->id == 0 && feed->last_read && !is_input(file)) {
        r = hawser_send(feed->association, feed->buffer, feed->held, &options, &id);
        if (r < 0)
            return r;
        file->given = file->size;
        feed->given += file->size;
        feed->held = feed->header = 0;
        has_begun(feed, file, id);
        return 0;
    }
    if (file->id == 0) {
        r = hawser_send_begin(feed->association, is_input(file) ? HAWSER_SIZE_UNKNOWN : feed->header + file->size,
                              &options, &id);
        if (r < 0)
            return r;
        has_begun(feed, file, id);
    }
    r = hawser_send_part(feed->association, file->id, feed->buffer, feed->held, feed->last_read);
    if (r < 0)
        return r;
    file->given += feed->held - feed->header;
    feed->given += feed->held - feed->header;
    feed->held = feed->header = 0;
    return 0;
}

/* 0 when the file has been given wholly. */
static int feed_file(struct feed *feed, struct file *file)
{
    int r = 0;

    if (file->state == FILE_WAITING)
        r = open_file(feed, file);
    while (r == 0) {
        r = fill(feed, file);
        if (r < 0)
            break;
        r = give(feed, file);
        if (r < 0 || feed->last_read)
            break;
    }
    return r;
}

static void close_file(struct feed *feed)
{
    if (feed->fd >= 0)
        close(feed->fd);
    feed->fd = -1;
    feed->held = feed->header = 0;
}

/* What went wrong with this file alone; the line may go on. */
static void give_up(struct feed *feed, struct file *file, int code)
{
    if (file->id != 0 && code == -ENOENT)
        return; /* it has its outcome already, or it is on its way */
    feed->failed(feed, file, code, code == -HAWSER_ESOURCE ? "it changed while it was read" : hawser_strerror(code));
    if (file->id != 0)
        hawser_cancel(feed->association, file->id);
}

void feed_run(struct feed *feed)
{
    struct gathering *g = feed->gathering;

    while (!feed->stopped && feed->next < g->count) {
        struct file *file = &g->files[feed->next];
        int r;

        if (feed->waiting_input && file->state != FILE_SETTLED)
            return;
        r = file->state == FILE_SETTLED ? 0 : feed_file(feed, file);
        if (r == -EAGAIN || r == -ESHUTDOWN || r == -ENOTCONN)
            return; /* full; or the line ends, and CLOSED tells */
        if (r < 0)
            give_up(feed, file, r);
        else if (file->state == FILE_OPEN)
            file->state = FILE_GIVEN;
        close_file(feed);
        feed->next++;
    }
}

void feed_free(struct feed *feed)
{
    close_file(feed);
    free(feed->buffer);
    free(feed->antecedents);
}
