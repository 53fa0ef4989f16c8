/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 32768 }; /* what the kernel fills at most in a dump */

void netlink_begin(struct netlink_request *request, unsigned type, unsigned flags, const void *head, size_t size)
{
    memset(request, 0, sizeof *request);
    request->header.nlmsg_type = (uint16_t)type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    request->header.nlmsg_seq = 1;
    memcpy(request->body, head, size);
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
}

void netlink_put(struct netlink_request *request, unsigned type, const void *data, size_t size)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
    struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = (uint16_t)type};

    if (at + RTA_SPACE(size) > sizeof *request)
        return; /* cannot be: what we ask is a few addresses and numbers */
    memcpy((uint8_t *)request + at, &attribute, sizeof attribute);
    memcpy((uint8_t *)request + at + RTA_LENGTH(0), data, size);
    request->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(size));
}

int netlink_open(unsigned groups)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), strict = 1;

    if (fd < 0)
        return -errno;
    /* Older kernels answer more than was asked then, and are read the same. */
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict, sizeof strict);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

/* One datagram, from the kernel alone: any process may send to us. 0: it was somebody else's. */
static ssize_t receive(int fd, uint8_t *buffer)
{
    struct sockaddr_nl from = {0};
    socklen_t from_size = sizeof from;
    ssize_t size;

    do
        size = recvfrom(fd, buffer, BUFFER, MSG_TRUNC, (struct sockaddr *)&from, &from_size);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return -errno;
    if (from.nl_pid != 0)
        return 0;
    return size > BUFFER ? -ENOBUFS : size; /* what did not fit is lost as well */
}

/* NLMSG_OK() and RTA_OK() compare signs that differ; the NEXT of the last one makes left negative. */
static bool is_message(const struct nlmsghdr *at, int left)
{
    return left >= (int)sizeof *at && at->nlmsg_len >= sizeof *at && at->nlmsg_len <= (unsigned)left;
}

static bool is_attribute(const struct rtattr *at, int left)
{
    return left >= (int)sizeof *at && at->rta_len >= sizeof *at && at->rta_len <= left;
}

static int error_of(const struct nlmsghdr *message)
{
    const int *error = netlink_head(message, sizeof *error);

    return error ? *error : -EPROTO;
}

/* 1: the answer goes on. */
static int take_answer(uint8_t *buffer, size_t size, netlink_fn answer, void *user)
{
    int left = (int)size;

    for (const struct nlmsghdr *at = (const void *)buffer; is_message(at, left); at = NLMSG_NEXT(at, left)) {
        if (at->nlmsg_seq != 1)
            continue;
        if (at->nlmsg_type == NLMSG_ERROR)
            return error_of(at);
        if (at->nlmsg_type == NLMSG_DONE)
            return 0;
        answer(user, at);
        if (!(at->nlmsg_flags & NLM_F_MULTI))
            return 0;
    }
    return 1;
}

int netlink_ask(int fd, struct netlink_request *request, netlink_fn answer, void *user)
{
    uint8_t *buffer;
    ssize_t size;
    int r = 1;

    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return -errno;
    if (!(buffer = malloc(BUFFER)))
        return -ENOMEM;
    while (r == 1) {
        size = receive(fd, buffer);
        r = size < 0 ? (int)size : take_answer(buffer, (size_t)size, answer, user);
    }
    free(buffer);
    return r;
}

int netlink_read(int fd, unsigned at_once, netlink_fn told, void *user)
{
    uint8_t *buffer = malloc(BUFFER);
    ssize_t size = 1;

    if (!buffer)
        return -ENOMEM;
    while (at_once-- > 0 && (size = receive(fd, buffer)) >= 0) {
        int left = (int)size;
        for (const struct nlmsghdr *at = (const void *)buffer; is_message(at, left); at = NLMSG_NEXT(at, left))
            told(user, at);
    }
    free(buffer);
    return size >= 0 ? 1 : size == -EAGAIN ? 0 : (int)size;
}

const void *netlink_head(const struct nlmsghdr *message, size_t size)
{
    return message->nlmsg_len < NLMSG_LENGTH(size) ? NULL : NLMSG_DATA(message);
}

static const struct rtattr *find(const uint8_t *data, size_t size, unsigned type)
{
    const struct rtattr *at = (const void *)data;

    for (int left = (int)size; is_attribute(at, left); at = RTA_NEXT(at, left))
        if ((at->rta_type & NLA_TYPE_MASK) == type)
            return at;
    return NULL;
}

static const struct rtattr *attribute(const struct nlmsghdr *message, size_t head_size, unsigned type)
{
    size_t begin = NLMSG_SPACE(head_size);

    return message->nlmsg_len < begin ? NULL : find((const uint8_t *)message + begin, message->nlmsg_len - begin, type);
}

const void *netlink_get(const struct nlmsghdr *message, size_t head_size, unsigned type, size_t size)
{
    const struct rtattr *found = attribute(message, head_size, type);

    return found && RTA_PAYLOAD(found) >= size ? RTA_DATA(found) : NULL;
}

static const char *copy(const struct rtattr *found, char *ret_text, size_t size)
{
    size_t length;

    if (!found)
        return NULL;
    length = strnlen(RTA_DATA(found), RTA_PAYLOAD(found));
    if (length >= size)
        return NULL;
    memcpy(ret_text, RTA_DATA(found), length);
    ret_text[length] = '\0';
    return ret_text;
}

const char *netlink_string(const struct nlmsghdr *message, size_t head_size, unsigned type, char *ret_text, size_t size)
{
    return copy(attribute(message, head_size, type), ret_text, size);
}

const char *netlink_nested_string(const struct nlmsghdr *message, size_t head_size, unsigned outer, unsigned inner,
                                  char *ret_text, size_t size)
{
    const struct rtattr *found = attribute(message, head_size, outer);

    return found ? copy(find(RTA_DATA(found), RTA_PAYLOAD(found), inner), ret_text, size) : NULL;
}
