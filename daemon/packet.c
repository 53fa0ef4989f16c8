/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include <string.h>

static bool is_address(const struct mptcp_address *address)
{
    static const uint8_t zeros[16];

    switch (address->family) {
    case 0:
        return memcmp(address->bytes, zeros, sizeof zeros) == 0;
    case AF_INET:
        return memcmp(address->bytes + 4, zeros, 12) == 0;
    default:
        return address->family == AF_INET6;
    }
}

/* Descriptors come with what needs one, and with nothing else. */
static bool is_target(const struct wire_request *request, unsigned descriptors)
{
    const struct wire_target *target = &request->target;

    if (target->reserved != 0 || !is_address(&target->local) || !is_address(&target->remote))
        return false;
    if (request->head.type == WIRE_HELLO)
        return target->kind == 0 && descriptors == 0;
    switch (target->kind) {
    case WIRE_BY_FD:
        return descriptors == 1;
    case WIRE_BY_PID:
        return descriptors == 0 && target->pid > 0 && target->fd >= 0;
    case WIRE_BY_TUPLE:
        return descriptors == 0 && target->local.family != 0 && target->remote.family != 0;
    default:
        return false;
    }
}

enum packet packet_read(const void *data, size_t size, unsigned descriptors, struct wire_request *ret_request)
{
    struct wire_request *request = ret_request;

    memset(request, 0, sizeof *request);
    if (size < sizeof request->head)
        return PACKET_GARBAGE;
    memcpy(&request->head, data, sizeof request->head);
    if (request->head.magic != WIRE_MAGIC || request->head.size != size)
        return PACKET_GARBAGE;
    if (request->head.version != WIRE_VERSION)
        return PACKET_OTHER_VERSION;
    if (size != sizeof *request || request->head.type < WIRE_HELLO || request->head.type > WIRE_WATCH)
        return PACKET_GARBAGE;
    memcpy(request, data, sizeof *request);
    if (!is_target(request, descriptors) || !is_address(&request->local) || !is_address(&request->remote) ||
        request->option_size > WIRE_OPTION_MAX || request->reserved != 0 ||
        request->flags & ~(uint32_t)WIRE_BACKUP_FLAG)
        return PACKET_GARBAGE;
    return PACKET_REQUEST;
}

void packet_reply(const struct wire_request *request, struct wire_reply *ret_reply)
{
    memset(ret_reply, 0, sizeof *ret_reply);
    ret_reply->head = (struct wire_head){
        .magic = WIRE_MAGIC,
        .version = WIRE_VERSION,
        .type = request->head.type,
        .number = request->head.number,
    };
}

size_t packet_reply_size(struct wire_reply *reply)
{
    size_t size = sizeof *reply + reply->count * sizeof reply->subflows[0];

    reply->head.size = (uint32_t)size;
    reply->reason[sizeof reply->reason - 1] = '\0';
    return size;
}
