/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that the accepting side tells, "join me at" (docs/protocol.md section 13): as many as it has, all of them each
 * time, and only to who asked. The words have no I/O; told_*() below them gather and send.
 */
#ifndef ASSOCIATION_TOLD_H
#define ASSOCIATION_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layer/layer.h"

#define TOLD_MAX 16
#define TOLD_BODY_MAX (TOLD_MAX * 20)

enum told_kind { TOLD_ADDRESSES, TOLD_WANTED, TOLD_SEEN, TOLD_LEAVES }; /* of session_tell() */
enum told_way { TOLD_TCP = 1, TOLD_UDP = 2 };

struct told_address {
    struct layer_address address; /* with its port */
    unsigned ways;                /* what is listened on there */
};

/* At most TOLD_BODY_MAX bytes; how many. What is neither IPv4 nor IPv6 is left out. */
size_t told_write(const struct told_address *addresses, size_t count, uint8_t *ret_body);
/* How many; what cannot be anybody's own address is left out. -EBADMSG: malformed, too many. */
int told_read(const uint8_t *body, size_t size, struct told_address ret_addresses[TOLD_MAX]);

/* One of them, the position after it; NULL: malformed. There must be a byte at least. */
const uint8_t *told_read_one(const uint8_t *at, const uint8_t *end, struct told_address *ret_address);

/* told_seen.c: what each strand's other end looks like from here, and what the peer said of ours. -EBADMSG */
void told_send_seen(hawser_association *association);
int told_read_seen(hawser_association *association, const uint8_t *body, size_t size);

/* The peer asked, or our addresses may have changed: tells them, where the peer wants them. */
void told_send(hawser_association *association);
struct associations;
void told_send_all(struct associations *all); /* a listener is there that was not before */

#endif
