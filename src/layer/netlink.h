/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink(7): messages written, read, and questions that the kernel works on inside of send(), so that the answer is
 * there when it returns. */
#ifndef LAYER_NETLINK_H
#define LAYER_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* A question: a fixed header (struct rtmsg and the like) and attributes. */
struct netlink_request {
    struct nlmsghdr header;
    uint8_t body[256];
};
void netlink_begin(struct netlink_request *request, unsigned type, unsigned flags, const void *head, size_t size);
void netlink_put(struct netlink_request *request, unsigned type, const void *data, size_t size);

/* A socket that is told of groups (RTMGRP_*); 0: for questions. Non-blocking, CLOEXEC. -EPROTONOSUPPORT, -EPERM and the like
 * where a sandbox does not let us. */
int netlink_open(unsigned groups);

typedef void (*netlink_fn)(void *user, const struct nlmsghdr *message);
/* Asks, and hands over each message of the answer. 0, or the kernel's error. */
int netlink_ask(int fd, struct netlink_request *request, netlink_fn answer, void *user);
/* Hands over what the kernel told of by itself. 0: nothing more; 1: as many datagrams as at_once says were read; -ENOBUFS:
 * some of it is lost. */
int netlink_read(int fd, unsigned at_once, netlink_fn told, void *user);

/* The fixed header of a message, of at least size bytes; NULL: it is shorter. */
const void *netlink_head(const struct nlmsghdr *message, size_t size);
/* The value of an attribute behind a head of head_size, which has at least size bytes; NULL: there is none. */
const void *netlink_get(const struct nlmsghdr *message, size_t head_size, unsigned type, size_t size);
/* The same inside of a nested attribute of type outer. */
const char *netlink_nested_string(const struct nlmsghdr *message, size_t head_size, unsigned outer, unsigned inner,
                                  char *ret_text, size_t size);
const char *netlink_string(const struct nlmsghdr *message, size_t head_size, unsigned type, char *ret_text,
                           size_t size);

#endif
