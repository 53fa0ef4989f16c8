/* SPDX-License-Identifier: Apache-2.0 */
/* The library's side of the helper's protocol (docs/mptcp.md). What comes is checked: it may be anybody's socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "mptcp/handle.h"

enum { REPLY_MAX = sizeof(struct wire_reply) + WIRE_SUBFLOWS_MAX * sizeof(struct wire_subflow), PATIENCE_S = 5 };

/* Where it listens; false: nowhere, by the caller's wish, or too long a name. */
static bool socket_name(const struct hawser_mptcp *m, struct sockaddr_un *ret_name)
{
    const char *name = m->helper ? m->helper : secure_getenv("HAWSERD_SOCKET");
    struct stat status;

    *ret_name = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (name) {
        if (!*name || strlen(name) >= sizeof ret_name->sun_path)
            return false;
        strcpy(ret_name->sun_path, name);
        return true;
    }
    if (stat("/proc/self/ns/net", &status) < 0)
        return false;
    snprintf(ret_name->sun_path, sizeof ret_name->sun_path, "/run/hawserd/net-%lu.sock", (unsigned long)status.st_ino);
    return true;
}

static int connect_helper(struct hawser_mptcp *m, int *ret_fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_un name;
    int fd, r;

    if (!socket_name(m, &name))
        return mptcp_say(&m->reason, -EPERM, "this needs the helper hawserd, and there is none to ask");
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return mptcp_say(&m->reason, -errno, "no socket for the helper: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&name, sizeof name) < 0) {
        r = errno;
        close(fd);
        return mptcp_say(&m->reason, -EPERM, "this needs the helper hawserd, and none answers at %s (%s)",
                         name.sun_path, strerror(r));
    }
    *ret_fd = fd;
    return 0;
}

struct wire_request client_request(const struct hawser_mptcp *m, enum wire_type type)
{
    return (struct wire_request){
        .head = {.magic = WIRE_MAGIC,
                 .version = WIRE_VERSION,
                 .type = (uint16_t)type,
                 .size = sizeof(struct wire_request)},
        .target = m->target,
    };
}

static int send_request(const struct hawser_mptcp *m, int fd, struct wire_request *request)
{
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec data = {.iov_base = request, .iov_len = sizeof *request};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    if (request->target.kind == WIRE_BY_FD) {
        struct cmsghdr *rights;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &m->fd, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static bool is_reply(const struct wire_reply *reply, size_t size, const struct wire_request *request)
{
    return size >= sizeof *reply && reply->head.magic == WIRE_MAGIC && reply->head.type == request->head.type &&
           reply->head.number == request->head.number && reply->head.size == size &&
           reply->count <= WIRE_SUBFLOWS_MAX && size == sizeof *reply + reply->count * sizeof(struct wire_subflow) &&
           reply->option_size <= WIRE_OPTION_MAX && memchr(reply->reason, '\0', sizeof reply->reason) &&
           reply->code <= 0;
}

/* -ECONNRESET: the helper went away, and may be back. */
static int exchange(struct hawser_mptcp *m, int fd, struct wire_request *request)
{
    ssize_t size;
    int r;

    if (!m->reply && !(m->reply = malloc(REPLY_MAX)))
        return mptcp_say(&m->reason, -ENOMEM, "out of memory");
    request->head.number = ++m->helper_number;
    if ((r = send_request(m, fd, request)) < 0)
        return r == -EPIPE ? mptcp_say(&m->reason, -ECONNRESET, "the helper went away")
                           : mptcp_say(&m->reason, r, "the helper takes no request: %s", strerror(-r));
    do
        size = recv(fd, m->reply, REPLY_MAX, 0);
    while (size < 0 && errno == EINTR);
    if (size == 0 || (size < 0 && errno == ECONNRESET))
        return mptcp_say(&m->reason, -ECONNRESET, "the helper ended the conversation");
    if (size < 0)
        return mptcp_say(&m->reason, errno == EAGAIN ? -ETIMEDOUT : -errno, "the helper does not answer: %s",
                         strerror(errno == EAGAIN ? ETIMEDOUT : errno));
    if (!is_reply(m->reply, (size_t)size, request))
        return mptcp_say(&m->reason, -EPROTO, "the helper's answer is malformed");
    if (m->reply->code < 0)
        return mptcp_say(&m->reason, m->reply->code, "%s", m->reply->reason);
    return 0;
}

void client_close(struct hawser_mptcp *m)
{
    if (m->helper_fd >= 0)
        close(m->helper_fd);
    m->helper_fd = -1;
}

int client_ask(struct hawser_mptcp *m, struct wire_request *request)
{
    bool fresh = m->helper_fd < 0;
    int r;

    for (;;) {
        if (m->helper_fd < 0 && (r = connect_helper(m, &m->helper_fd)) < 0)
            return r;
        r = exchange(m, m->helper_fd, request);
        if (r != -ECONNRESET && r != -ETIMEDOUT && r != -EPROTO)
            return r;
        client_close(m);
        if (r != -ECONNRESET || fresh)
            return r;
        fresh = true; /* it was started anew since the last request: once more */
    }
}

int client_open(struct hawser_mptcp *m, struct wire_request *request, int *ret_fd)
{
    int fd, r = connect_helper(m, &fd);

    if (r < 0)
        return r;
    if ((r = exchange(m, fd, request)) < 0)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}
