/* SPDX-License-Identifier: Apache-2.0 */
/* The packets of clients, which may hold anything (docs/mptcp.md, "The helper's protocol"). */
#ifndef DAEMON_PACKET_H
#define DAEMON_PACKET_H

#include "mptcp/wire.h"

enum packet {
    PACKET_REQUEST,
    PACKET_OTHER_VERSION, /* ret_request has its head alone */
    PACKET_GARBAGE,
};

/* data: a whole packet, with that many descriptors beside it. */
enum packet packet_read(const void *data, size_t size, unsigned descriptors, struct wire_request *ret_request);

/* The reply to request, empty: code 0 and no reason. */
void packet_reply(const struct wire_request *request, struct wire_reply *ret_reply);
/* What a reply takes with that many subflows; sets its head. */
size_t packet_reply_size(struct wire_reply *reply);

#endif
