/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/genl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 32768 };

int genl_open(int protocol, int *ret_fd)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), on = 1, r;

    if (fd < 0)
        return -errno;
    /* Where the kernel cannot, it refuses without words. */
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

struct genl_message genl_message(const struct nlmsghdr *header, size_t head_size)
{
    size_t begin = NLMSG_SPACE(head_size);

    if (header->nlmsg_len < begin)
        return (struct genl_message){.header = header};
    return (struct genl_message){
        .header = header, .attributes = (const uint8_t *)header + begin, .size = header->nlmsg_len - begin};
}

bool genl_each(const struct genl_message *message, size_t *at, unsigned *ret_type, struct genl_message *ret_inside)
{
    struct rtattr attribute;

    if (message->size < *at + sizeof attribute)
        return false;
    memcpy(&attribute, message->attributes + *at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > message->size - *at)
        return false;
    *ret_type = attribute.rta_type & NLA_TYPE_MASK;
    *ret_inside = (struct genl_message){.header = message->header,
                                        .attributes = message->attributes + *at + sizeof attribute,
                                        .size = attribute.rta_len - sizeof attribute};
    *at += NLMSG_ALIGN(attribute.rta_len);
    return true;
}

struct genl_message genl_inside(const struct genl_message *message, unsigned type)
{
    struct genl_message inside;
    unsigned found;

    for (size_t at = 0; genl_each(message, &at, &found, &inside);)
        if (found == type)
            return inside;
    return (struct genl_message){.header = message->header};
}

const void *genl_get(const struct genl_message *message, unsigned type, size_t least, size_t *ret_size)
{
    struct genl_message inside = genl_inside(message, type);

    if (!inside.attributes || inside.size < least)
        return NULL;
    if (ret_size)
        *ret_size = inside.size;
    return inside.attributes;
}

uint64_t genl_number(const struct genl_message *message, unsigned type, size_t size, uint64_t fallback)
{
    const void *found = genl_get(message, type, size, NULL);
    uint32_t u32;
    uint16_t u16;

    if (!found)
        return fallback;
    if (size == 1)
        return *(const uint8_t *)found;
    if (size == 2) {
        memcpy(&u16, found, 2);
        return u16;
    }
    memcpy(&u32, found, 4);
    return u32;
}

/* The attributes behind the fixed head of a refusal. */
static void take_words(const struct nlmsghdr *message, size_t head, struct mptcp_reason *ret_words)
{
    struct genl_message attributes;
    const char *words;
    size_t size;

    if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
        return;
    attributes = genl_message(message, head);
    if ((words = genl_get(&attributes, NLMSGERR_ATTR_MSG, 1, &size)))
        mptcp_say(ret_words, 0, "%.*s", (int)strnlen(words, size), words);
}

/* A refusal's number is followed by our message, or by its head alone. */
static int take_error(const struct nlmsghdr *message, struct mptcp_reason *ret_words)
{
    const struct nlmsgerr *error = NLMSG_DATA(message);
    size_t head = sizeof *error;

    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *error))
        return -EPROTO;
    if (!(message->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len >= sizeof error->msg)
        head += error->msg.nlmsg_len - sizeof error->msg;
    take_words(message, head, ret_words);
    return error->error;
}

/* A dump that failed says so at its end. */
static int take_end(const struct nlmsghdr *message, struct mptcp_reason *ret_words)
{
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(int)))
        return 0;
    take_words(message, sizeof(int), ret_words);
    return *(const int *)NLMSG_DATA(message);
}

/* 1: the answer goes on. */
static int take(const uint8_t *buffer, size_t size, genl_fn answer, void *user, struct mptcp_reason *ret_words)
{
    int left = (int)size;

    for (const struct nlmsghdr *at = (const void *)buffer;
         left >= (int)sizeof *at && at->nlmsg_len >= sizeof *at && at->nlmsg_len <= (unsigned)left;
         at = NLMSG_NEXT(at, left)) {
        if (at->nlmsg_seq != 1)
            continue;
        if (at->nlmsg_type == NLMSG_ERROR)
            return take_error(at, ret_words);
        if (at->nlmsg_type == NLMSG_DONE)
            return take_end(at, ret_words);
        if (answer)
            answer(user, at);
    }
    return 1;
}

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
        return 0; /* not from the kernel: anybody may send to us */
    return size > BUFFER ? -ENOBUFS : size;
}

int genl_ask(int fd, struct netlink_request *request, genl_fn answer, void *user, struct mptcp_reason *ret_words)
{
    uint8_t *buffer;
    ssize_t size;
    int r = 1;

    ret_words->text[0] = '\0';
    if ((request->header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        request->header.nlmsg_flags |= NLM_F_ACK;
    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return -errno;
    if (!(buffer = malloc(BUFFER)))
        return -ENOMEM;
    while (r == 1) {
        size = receive(fd, buffer);
        r = size < 0 ? (int)size : take(buffer, (size_t)size, answer, user, ret_words);
    }
    free(buffer);
    return r;
}

size_t genl_nest(struct netlink_request *request, unsigned type)
{
    size_t nest = NLMSG_ALIGN(request->header.nlmsg_len);

    netlink_put(request, type | NLA_F_NESTED, "", 0);
    return nest;
}

void genl_nest_end(struct netlink_request *request, size_t nest)
{
    struct rtattr *attribute = (void *)((uint8_t *)request + nest);

    attribute->rta_len = (uint16_t)(request->header.nlmsg_len - nest);
}
