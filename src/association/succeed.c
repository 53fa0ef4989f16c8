/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener's process is replaced: its sockets and its lines go to the successor through a unix socket (docs/moving.md). Frames
 * are a kind, the size of what follows, and that; the sockets ride with the first one. Both sides wait for one another, for one goes
 * and the other has not begun.
 */
#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "association/listener.h"
#include "association/moving.h"
#include "layer/udp.h"

#define SOCKETS_MAX 2
#define PATIENCE 30000 /* milliseconds */
#define FRAME_MAX (UINT64_C(1) << 30)
#define BLOB_MOST (FRAME_MAX - 4096) /* a line that were larger once sealed would be lost: nobody takes such a frame */

enum frame_kind { FRAME_SOCKETS = 'S', FRAME_LINE = 'L', FRAME_END = 'E', FRAME_TAKEN = 'T' };

struct head {
    uint8_t kind, size[8];
};

struct pipe {
    int fd;
    int64_t until; /* milliseconds */
};

/* ------------------------------------------------------------------------------------------------------------ bytes */

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int pipe_wait(const struct pipe *pipe, short events)
{
    struct pollfd pollfd = {.fd = pipe->fd, .events = events};
    int64_t left = pipe->until - clock_ms();
    int n = left > 0 ? poll(&pollfd, 1, (int)left) : 0;

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    return n == 0 ? -ETIMEDOUT : 0;
}

static int pipe_send(const struct pipe *pipe, const void *data, size_t size, const int *fds, size_t fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SOCKETS_MAX * sizeof(int))];
    } control;
    struct iovec piece = {(void *)(uintptr_t)data, size};

    while (piece.iov_len > 0) {
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
        ssize_t n;

        if (fd_count) {
            memset(&control, 0, sizeof control);
            message.msg_control = control.bytes;
            message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
            struct cmsghdr *header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
            memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
        }
        n = sendmsg(pipe->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            int r = pipe_wait(pipe, POLLOUT);
            if (r < 0)
                return r;
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        } else if (n > 0) {
            fd_count = 0;
            piece.iov_base = (uint8_t *)piece.iov_base + n;
            piece.iov_len -= (size_t)n;
        }
    }
    return 0;
}

/* More than there is room for are nobody's, and are closed. */
static void take_fds(struct msghdr *message, int *fds, size_t *count)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); at++) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + at * sizeof fd, sizeof fd);
            if (*count < SOCKETS_MAX)
                fds[(*count)++] = fd;
            else
                close(fd);
        }
    }
}

/* fds: for SOCKETS_MAX of them; NULL: none may come. */
static int pipe_receive(const struct pipe *pipe, void *data, size_t size, int *fds, size_t *ret_count)
{
    struct iovec piece = {data, size};

    while (piece.iov_len > 0) {
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(SOCKETS_MAX * sizeof(int))];
        } control;
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = fds ? control.bytes : NULL,
                                 .msg_controllen = fds ? sizeof control.bytes : 0};
        ssize_t n = recvmsg(pipe->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n == 0)
            return -ECONNRESET;
        if (n < 0 && errno == EAGAIN) {
            int r = pipe_wait(pipe, POLLIN);
            if (r < 0)
                return r;
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        } else if (n > 0) {
            if (fds)
                take_fds(&message, fds, ret_count);
            piece.iov_base = (uint8_t *)piece.iov_base + n;
            piece.iov_len -= (size_t)n;
        }
    }
    return 0;
}

static int frame_send(const struct pipe *pipe, enum frame_kind kind, const void *data, size_t size, const int *fds,
                      size_t fd_count)
{
    struct head head = {.kind = (uint8_t)kind};
    uint64_t wire = htobe64(size);
    int r;

    memcpy(head.size, &wire, sizeof wire);
    r = pipe_send(pipe, &head, sizeof head, fds, fd_count);
    return r == 0 && size ? pipe_send(pipe, data, size, NULL, 0) : r;
}

static int frame_receive(const struct pipe *pipe, uint8_t *ret_kind, void **ret_data, size_t *ret_size, int *fds,
                         size_t *ret_count)
{
    struct head head;
    uint64_t size;
    int r = pipe_receive(pipe, &head, sizeof head, fds, ret_count);

    if (r < 0)
        return r;
    memcpy(&size, head.size, sizeof size);
    size = be64toh(size);
    if (size > FRAME_MAX)
        return -EBADMSG;
    *ret_data = malloc(size ? (size_t)size : 1);
    if (!*ret_data)
        return -ENOMEM;
    *ret_kind = head.kind;
    *ret_size = (size_t)size;
    r = size ? pipe_receive(pipe, *ret_data, (size_t)size, NULL, NULL) : 0;
    if (r < 0)
        free(*ret_data);
    return r;
}

/* -------------------------------------------------------------------------------------------------------- the sockets */

int hawser_listener_sockets(const hawser_association *association, int *ret_fds, size_t count)
{
    const struct listener *listener = association->listener;
    int given[SOCKETS_MAX];
    size_t have = 0;

    if (association_check(association) < 0 || !listener || (!listener->acceptor && !listener->port))
        return -ENOTCONN;
    if (listener->acceptor)
        given[have++] = acceptor_descriptor(listener->acceptor);
    if (listener->port)
        given[have++] = udp_port_descriptor(listener->port);
    if (have > count)
        return -E2BIG;
    for (size_t i = 0; i < have; i++) {
        ret_fds[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 0);
        if (ret_fds[i] < 0) {
            int r = -errno;

            while (i > 0)
                close(ret_fds[--i]);
            return r;
        }
    }
    return (int)have;
}

/* --------------------------------------------------------------------------------------------------------- who goes */

static void line_stays(const hawser_association *association, int code)
{
    loop_log(association->context, HAWSER_LOG_WARNING, "%s: a line of %s is not handed over: %s",
             association->parent->endpoint, association->peer ? association->peer->is.name : "somebody unknown",
             hawser_strerror(code));
}

static int line_send(const struct pipe *pipe, hawser_association *association, const hawser_export_options *options)
{
    size_t size;
    void *blob;
    int r = hawser_association_export(association, options, &blob, &size);

    if (r < 0) {
        line_stays(association, r);
        return 0;
    }
    r = frame_send(pipe, FRAME_LINE, blob, size, NULL, 0);
    gnutls_memset(blob, 0, size);
    free(blob);
    return r;
}

static int lines_send(const struct pipe *pipe, hawser_association *listener, const hawser_export_options *options)
{
    struct associations *all = listener->all;
    int r = 0;

    for (struct list *at = all->open.next, *next; at != &all->open && r == 0; at = next) {
        hawser_association *association = container_of(at, hawser_association, link);

        next = at->next;
        if (association->parent == listener && association->told && !association->ended)
            r = line_send(pipe, association, options);
    }
    return r;
}

static int taken_await(const struct pipe *pipe)
{
    uint8_t kind = 0;
    size_t size;
    void *data;
    int r = frame_receive(pipe, &kind, &data, &size, NULL, NULL);

    if (r < 0)
        return r;
    free(data);
    return kind == FRAME_TAKEN ? 0 : -EBADMSG;
}

/* Handlers of lines that went may have closed it; nobody else removes its file then. */
static int listener_give_up(hawser_association *listener)
{
    if (listener->ended)
        return 0;
    if (listener->listener->acceptor)
        acceptor_leave_file(listener->listener->acceptor);
    return hawser_close(listener, 0, NULL);
}

int hawser_hand_over(hawser_association *listener, int socket, const hawser_export_options *options)
{
    const struct pipe pipe = {socket, clock_ms() + PATIENCE};
    hawser_export_options within;
    int fds[SOCKETS_MAX], count, r = options_copy(&within, sizeof within, options);

    if (r < 0)
        return r;
    within.struct_size = sizeof within;
    if (within.max_size > BLOB_MOST)
        within.max_size = BLOB_MOST;
    count = hawser_listener_sockets(listener, fds, SOCKETS_MAX);
    if (count < 0)
        return count;
    association_hold(listener);
    /* Nothing is dispatched in here: those who come wait in the sockets, for the successor or, if that fails, for us. */
    r = frame_send(&pipe, FRAME_SOCKETS, NULL, 0, fds, (size_t)count);
    while (count > 0)
        close(fds[--count]);
    if (r == 0)
        r = lines_send(&pipe, listener, &within);
    if (r == 0)
        r = frame_send(&pipe, FRAME_END, NULL, 0, NULL, 0);
    if (r == 0)
        r = taken_await(&pipe);
    if (r == 0)
        r = listener_give_up(listener);
    association_let_go(listener);
    return r;
}

/* --------------------------------------------------------------------------------------------------------- who comes */

struct succession {
    struct pipe pipe;
    hawser_context *context;
    hawser_association *listener;
    const hawser_import_options *import;
    void (*taken)(hawser_association *association, void *user);
    void *user;
};

static int sockets_take(struct succession *succession, const hawser_listen_options *options)
{
    int fds[SOCKETS_MAX] = {-1, -1}, r;
    size_t count = 0, size = 0;
    uint8_t kind = 0;
    void *data;

    r = frame_receive(&succession->pipe, &kind, &data, &size, fds, &count);
    if (r == 0) {
        free(data);
        r = kind == FRAME_SOCKETS && count > 0 ? listen_on(succession->context, fds, options, &succession->listener)
                                               : -EBADMSG;
    }
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return r;
}

/* It is the new listener's child, as it was the old one's: so it can be handed on. */
static void line_adopt(hawser_association *association, hawser_association *listener)
{
    association_hold(listener);
    association->parent = listener;
    listener->listener->children++;
    listener_balance(listener->listener);
    listener_child_stranded(association, association->stranded);
}

static void line_take(struct succession *succession, const void *blob, size_t size)
{
    hawser_association *association;
    int r = hawser_association_import(succession->context, blob, size, succession->import, &association);

    if (r < 0) {
        loop_log(succession->context, HAWSER_LOG_WARNING, "%s: a line is not taken over: %s",
                 succession->listener->endpoint, hawser_strerror(r));
        return;
    }
    line_adopt(association, succession->listener);
    if (succession->taken)
        succession->taken(association, succession->user);
    hawser_association_unref(association);
}

static int lines_take(struct succession *succession)
{
    for (;;) {
        uint8_t kind = 0;
        size_t size;
        void *data;
        int r = frame_receive(&succession->pipe, &kind, &data, &size, NULL, NULL);

        if (r < 0)
            return r;
        if (kind == FRAME_LINE)
            line_take(succession, data, size);
        gnutls_memset(data, 0, size);
        free(data);
        if (kind == FRAME_END)
            return frame_send(&succession->pipe, FRAME_TAKEN, NULL, 0, NULL, 0);
        if (kind != FRAME_LINE)
            return -EBADMSG;
    }
}

int hawser_take_over(hawser_context *context, int socket, const hawser_listen_options *listen,
                     const hawser_import_options *import, void (*taken)(hawser_association *association, void *user),
                     void *user, hawser_association **ret_listener)
{
    struct succession succession = {
        .pipe = {socket, clock_ms() + PATIENCE},
        .context = context,
        .import = import,
        .taken = taken,
        .user = user,
    };
    int r = loop_check(context);

    if (r == 0 && !ret_listener)
        r = -EINVAL;
    if (r == 0)
        r = sockets_take(&succession, listen);
    if (r < 0)
        return r;
    r = lines_take(&succession);
    if (r < 0) { /* what was taken stays */
        loop_log(context, HAWSER_LOG_ERROR, "%s: not all was taken over: %s", succession.listener->endpoint,
                 hawser_strerror(r));
    }
    *ret_listener = succession.listener;
    return r < 0 ? r : 0;
}
