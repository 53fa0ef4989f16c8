/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on from another address (RFC 9000 section 9). The client moves when it is told to; a server follows a client whose
 * address has changed on the way, which ngtcp2 sees and validates by itself.
 */
#include "layer/quic.h"

#include <errno.h>

static void address_of(struct layer_address *address, const ngtcp2_addr *from)
{
    memset(address, 0, sizeof *address);
    address->size = from->addrlen;
    memcpy(&address->address, from->addr, from->addrlen);
}

static void keep_current(struct quic_layer *quic)
{
    struct layer_address local;

    address_of(&local, &ngtcp2_conn_get_path(quic->conn)->local);
    if (quic->wire->keep_local)
        quic->wire->keep_local(quic, &local);
}

void quic_path_tried(struct quic_layer *quic, const ngtcp2_path *path, bool works)
{
    if (works && quic->wire->moved)
        quic->wire->moved(quic, path);
    if (quic->secure.is_server || !quic->moving)
        return;
    quic->moving = false;
    if (!works)
        keep_current(quic);
    else if (quic->wire->keep_local) {
        struct layer_address local;

        address_of(&local, &path->local);
        quic->wire->keep_local(quic, &local);
    }
}

static int code_of(int r)
{
    switch (r) {
    case 0:
        return 0;
    case NGTCP2_ERR_NOMEM:
        return -ENOMEM;
    case NGTCP2_ERR_INVALID_ARGUMENT: /* the path that it is on */
        return -EALREADY;
    default:
        return -EAGAIN;
    }
}

int quic_migrate(struct layer *layer, const struct layer_address *local, const char *interface, bool at_once)
{
    struct quic_layer *quic = quic_of(layer);
    struct layer_address ours, theirs;
    ngtcp2_path path;
    int code = layer_error(layer)->code;

    if (code < 0)
        return code;
    if (quic->secure.is_server || !quic->wire->add_local)
        return -EOPNOTSUPP;
    if (!quic->confirmed || (quic->moving && !at_once))
        return -EAGAIN;
    code = quic->wire->add_local(quic, local, interface, &ours);
    if (code < 0)
        return code;
    address_of(&theirs, &ngtcp2_conn_get_path(quic->conn)->remote);
    path = (ngtcp2_path){
        .local = {(ngtcp2_sockaddr *)&ours.address, ours.size},
        .remote = {(ngtcp2_sockaddr *)&theirs.address, theirs.size},
    };
    code = code_of(at_once ? ngtcp2_conn_initiate_immediate_migration(quic->conn, &path, quic_time(quic))
                           : ngtcp2_conn_initiate_migration(quic->conn, &path, quic_time(quic)));
    if (code < 0) {
        keep_current(quic);
        return code;
    }
    quic->moving = true;
    quic_later(quic);
    return 0;
}
