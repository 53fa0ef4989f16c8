/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells of connections, and who is told. */
#include <errno.h>
#include <string.h>

#include <hawser/mptcp.h>

#include "hawserd.h"
#include "mptcp/kernel.h"
#include "mptcp/wire.h"

static uint32_t type_of(uint16_t kernels)
{
    switch (kernels) {
    case EVENT_SUB_ESTABLISHED:
        return HAWSER_MPTCP_SUBFLOW_ESTABLISHED;
    case EVENT_SUB_CLOSED:
        return HAWSER_MPTCP_SUBFLOW_CLOSED;
    case EVENT_SUB_PRIORITY:
        return HAWSER_MPTCP_SUBFLOW_PRIORITY;
    case EVENT_ANNOUNCED:
        return HAWSER_MPTCP_ADDRESS_ANNOUNCED;
    case EVENT_REMOVED:
        return HAWSER_MPTCP_ADDRESS_REMOVED;
    case EVENT_CLOSED:
        return HAWSER_MPTCP_CLOSED;
    default:
        return 0; /* of a connection's beginning, which nobody can watch yet, and of listeners */
    }
}

static struct wire_event event_new(uint32_t type)
{
    return (struct wire_event){
        .head = {.magic = WIRE_MAGIC, .version = WIRE_VERSION, .type = WIRE_EVENT, .size = sizeof(struct wire_event)},
        .type = type,
        .local_id = -1,
        .remote_id = -1,
        .reset_reason = -1,
    };
}

static void on_told(void *user, const struct mptcp_told *told)
{
    struct daemon *daemon = user;
    struct wire_event event = event_new(type_of(told->type));

    event.local_id = (int16_t)told->local_id;
    event.remote_id = (int16_t)told->remote_id;
    event.error = told->error;
    event.reset_reason = told->reset_reason;
    event.flags = told->backup ? WIRE_BACKUP_FLAG : 0;
    event.local = told->local;
    event.remote = told->remote;
    /* Only who has the socket can tell the subflow's id: the ends name it (docs/mptcp.md). */
    if (event.type)
        watchers_tell(daemon, told->token, &event);
    replay_told(daemon, told);
}

void watch_read(struct daemon *daemon)
{
    struct wire_event lost = event_new(HAWSER_MPTCP_LOST);
    int r = mptcp_events_read(daemon->events, on_told, daemon);

    if (r == -ENOBUFS) {
        watchers_tell(daemon, 0, &lost);
        replay_forget(daemon->replay);
    }
}

void watch_created(struct daemon *daemon, uint32_t token, uint32_t id, const struct mptcp_address *local,
                   const struct mptcp_address *remote, bool backup)
{
    struct wire_event event = event_new(HAWSER_MPTCP_SUBFLOW_CREATED);

    event.id = id;
    event.local = *local;
    event.remote = *remote;
    event.flags = backup ? WIRE_BACKUP_FLAG : 0;
    watchers_tell(daemon, token, &event);
}
