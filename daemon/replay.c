/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the userspace path manager rules, the kernel does nothing with the endpoints that `ip mptcp endpoint` configured. For
 * connections that nobody steers we do what it would have done (ip-mptcp(8)): a subflow from each endpoint "subflow" to
 * the peer's first address, when we are who connected; each endpoint "signal" announced; for each address that the peer
 * announces a subflow, from each endpoint "fullmesh" or else from where the route begins; all within `ip mptcp limits`.
 * The first request that steers a connection ends this for it, and what there is stays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoints.h"
#include "hawserd.h"
#include "mptcp/kernel.h"

#include <uthash.h>

enum { CONNECTIONS_MAX = 16384, SUBFLOWS_MAX = 16 };

struct ends {
    struct mptcp_address local, remote;
    int local_id, remote_id;
};

/* Owner: replay.c */
struct connection {
    UT_hash_handle hh; /* by token */
    uint32_t token;
    bool server_side;
    bool by_hand;      /* somebody steers it */
    unsigned accepted; /* addresses of the peer that were taken up */
    unsigned opened;   /* additional subflows that we asked for and that did not end */
    unsigned count;
    struct ends subflows[SUBFLOWS_MAX]; /* that are there; the first one was the first, if it is */
    struct mptcp_address local, remote; /* the connection's own */
};

struct replay {
    struct connection *connections;
};

int replay_new(struct replay **ret_replay)
{
    *ret_replay = calloc(1, sizeof **ret_replay);
    return *ret_replay ? 0 : -ENOMEM;
}

static void forget(struct replay *replay, struct connection *connection)
{
    HASH_DEL(replay->connections, connection);
    free(connection);
}

void replay_forget(struct replay *replay)
{
    struct connection *connection, *next;

    HASH_ITER(hh, replay->connections, connection, next)
    forget(replay, connection);
}

void replay_free(struct replay *replay)
{
    if (replay)
        replay_forget(replay);
    free(replay);
}

static struct connection *find(struct replay *replay, uint32_t token)
{
    struct connection *connection;

    HASH_FIND(hh, replay->connections, &token, sizeof token, connection);
    return connection;
}

/* One that begins when there is no more room is left alone, as if somebody steered it. */
static void begin(struct daemon *daemon, const struct mptcp_told *told)
{
    struct replay *replay = daemon->replay;
    struct connection *connection = find(replay, told->token);
    struct mptcp_reason reason;

    if (!connection) {
        if (HASH_COUNT(replay->connections) >= CONNECTIONS_MAX || mptcp_control_able(&daemon->control, &reason) < 0 ||
            !(connection = malloc(sizeof *connection)))
            return;
        memset(connection, 0, sizeof *connection);
        connection->token = told->token;
        HASH_ADD(hh, replay->connections, token, sizeof connection->token, connection);
    }
    connection->server_side = told->server_side;
    connection->local = told->local;
    connection->remote = told->remote;
    connection->count = 1;
    connection->subflows[0] = (struct ends){told->local, told->remote, 0, 0};
}

static void note(struct connection *connection, const struct mptcp_told *told, bool there)
{
    for (unsigned i = 0; i < connection->count; i++) {
        struct ends *ends = &connection->subflows[i];

        if (!mptcp_address_same(&ends->local, &told->local) || !mptcp_address_same(&ends->remote, &told->remote))
            continue;
        if (!there)
            *ends = connection->subflows[--connection->count];
        return;
    }
    if (there && connection->count < SUBFLOWS_MAX)
        connection->subflows[connection->count++] =
            (struct ends){told->local, told->remote, told->local_id, told->remote_id};
}

/* -------------------------------------------------------------------------------------------------------- what is done */

/* What we know of the connection, as a picture: nobody's descriptor is at hand. */
static const struct mptcp_picture *draw(struct daemon *daemon, const struct connection *connection)
{
    struct mptcp_picture *picture = &daemon->picture;

    memset(picture, 0, sizeof *picture);
    picture->token = connection->token;
    picture->first_local = connection->local;
    picture->first_remote = connection->remote;
    picture->count = connection->count;
    for (unsigned i = 0; i < connection->count; i++) {
        picture->subflows[i].id = i + 1;
        picture->subflows[i].local = connection->subflows[i].local;
        picture->subflows[i].remote = connection->subflows[i].remote;
        picture->subflows[i].local_id = (int16_t)connection->subflows[i].local_id;
        picture->subflows[i].remote_id = (int16_t)connection->subflows[i].remote_id;
        picture->subflows[i].flags = i == 0 ? MPTCP_SUBFLOW_FIRST : 0;
    }
    return picture;
}

static void open_one(struct daemon *daemon, struct connection *connection, const struct endpoints *endpoints,
                     const struct mptcp_address *local, const struct mptcp_address *remote, bool backup)
{
    struct mptcp_reason reason;
    uint32_t id = 0;

    if (connection->opened >= endpoints->subflows || connection->opened + 1 >= daemon->grants.subflows)
        return;
    if (mptcp_control_create(&daemon->control, draw(daemon, connection), -1, local, remote, backup, &id, &reason) == 0)
        connection->opened++;
}

static void on_established(struct daemon *daemon, struct connection *connection)
{
    struct endpoints endpoints;
    struct mptcp_reason reason;
    uint8_t id;

    if (endpoints_read(&daemon->control, &endpoints) < 0)
        return;
    for (unsigned i = 0; i < endpoints.count; i++) {
        const struct endpoint *endpoint = &endpoints.list[i];

        if (mptcp_address_same_host(&endpoint->address, &connection->local))
            continue; /* its first subflow has it */
        if (endpoint->flags & ENDPOINT_SIGNAL)
            mptcp_control_announce(&daemon->control, draw(daemon, connection), &endpoint->address, &id, &reason);
        if (endpoint->flags & ENDPOINT_SUBFLOW && !connection->server_side &&
            endpoint->address.family == connection->remote.family)
            open_one(daemon, connection, &endpoints, &endpoint->address, &connection->remote,
                     endpoint->flags & ENDPOINT_BACKUP);
    }
}

static void on_announced(struct daemon *daemon, struct connection *connection, const struct mptcp_told *told)
{
    struct mptcp_address remote = told->remote, any = {.family = told->remote.family};
    struct endpoints endpoints;
    bool meshed = false;

    if (endpoints_read(&daemon->control, &endpoints) < 0 || connection->accepted >= endpoints.accepted)
        return;
    connection->accepted++;
    if (remote.port == 0)
        remote.port = connection->remote.port;
    for (unsigned i = 0; i < endpoints.count; i++) {
        const struct endpoint *endpoint = &endpoints.list[i];

        if (!(endpoint->flags & ENDPOINT_FULLMESH) || endpoint->address.family != remote.family)
            continue;
        open_one(daemon, connection, &endpoints, &endpoint->address, &remote, endpoint->flags & ENDPOINT_BACKUP);
        meshed = true;
    }
    if (!meshed)
        open_one(daemon, connection, &endpoints, &any, &remote, false);
}

void replay_told(struct daemon *daemon, const struct mptcp_told *told)
{
    struct replay *replay = daemon->replay;
    struct connection *connection;

    if (told->type == EVENT_CREATED && daemon->grants.replay)
        begin(daemon, told);
    connection = find(replay, told->token);
    if (!connection)
        return;
    switch (told->type) {
    case EVENT_SUB_ESTABLISHED:
        note(connection, told, true);
        break;
    case EVENT_SUB_CLOSED:
        note(connection, told, false);
        connection->opened -= connection->opened > 0;
        break;
    case EVENT_ESTABLISHED:
        if (!connection->by_hand && daemon->grants.replay)
            on_established(daemon, connection);
        break;
    case EVENT_ANNOUNCED:
        if (!connection->by_hand && daemon->grants.replay)
            on_announced(daemon, connection, told);
        break;
    case EVENT_CLOSED:
        forget(replay, connection);
        break;
    default:
        break;
    }
}

void replay_hands_off(struct replay *replay, uint32_t token)
{
    struct connection *connection = find(replay, token);

    if (connection)
        connection->by_hand = true;
}
