/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink for what is not rtnetlink: questions with the kernel's sentence where it refuses, and attributes with their sizes. */
#ifndef MPTCP_GENL_H
#define MPTCP_GENL_H

#include <stdbool.h>

#include "layer/netlink.h"
#include "mptcp/reason.h"

/* A bound, non-blocking socket of a netlink protocol that tells its refusals in words. -errno */
int genl_open(int protocol, int *ret_fd);

struct genl_message {
    const struct nlmsghdr *header;
    const uint8_t *attributes; /* behind the fixed head */
    size_t size;
};
/* Of a message with a fixed head of head_size bytes. */
struct genl_message genl_message(const struct nlmsghdr *header, size_t head_size);
/* The first attribute of a type with at least least bytes; NULL. ret_size may be NULL. */
const void *genl_get(const struct genl_message *message, unsigned type, size_t least, size_t *ret_size);
/* The inside of a nested attribute, as a message; size 0 where there is none. */
struct genl_message genl_inside(const struct genl_message *message, unsigned type);
/* Each attribute in turn; *at begins with 0. false: no more. */
bool genl_each(const struct genl_message *message, size_t *at, unsigned *ret_type, struct genl_message *ret_inside);
/* A small number; fallback where there is none. */
uint64_t genl_number(const struct genl_message *message, unsigned type, size_t size, uint64_t fallback);

typedef void (*genl_fn)(void *user, const struct nlmsghdr *message);
/* Asks, hands over each message of the answer (answer may be NULL), until it is whole. 0, or the kernel's error; what it says
 * of it goes to ret_words, "" when it says nothing. */
int genl_ask(int fd, struct netlink_request *request, genl_fn answer, void *user, struct mptcp_reason *ret_words);

/* Attributes inside of a nested one: begin, put with netlink_put(), end. */
size_t genl_nest(struct netlink_request *request, unsigned type);
void genl_nest_end(struct netlink_request *request, size_t nest);

#endif
