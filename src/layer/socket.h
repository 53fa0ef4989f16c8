/* SPDX-License-Identifier: Apache-2.0 */
/* What tcp, mptcp and unix share: a connected stream socket, edge-triggered. Inside layer/ only. */
#ifndef LAYER_SOCKET_H
#define LAYER_SOCKET_H

#include "layer/layer.h"
#include "loop/loop.h"

struct socket_retry;

struct socket_layer {
    struct layer layer;
    struct loop_io io; /* io.fd is -1 when the descriptor was never made */
    uint64_t sent, received;
    struct socket_retry *retry;         /* while a unix listener's queue is full */
    const struct layer_address *remote; /* while opening: the caller's */
    bool opened : 1;                    /* we opened it, the peer did not */
    bool connecting : 1;
    bool deferred : 1; /* TCP Fast Open: the first bytes go with the SYN */
    bool readable : 1; /* since the last report, no call said that there is nothing */
    bool writable : 1;
    bool hung_up : 1;     /* the peer's end, or an error, is still to be read */
    bool tuned : 1;       /* tcp_establish() was here */
    uint32_t lowat;       /* TCP_NOTSENT_LOWAT, 0: not set (tcp.c) */
    uint32_t since_lowat; /* bytes sent since it was looked at */
    int64_t lowat_at;
};

static inline struct socket_layer *socket_of(const struct layer *layer)
{
    return (struct socket_layer *)(void *)layer;
}

/* A layer without a descriptor yet. */
int socket_make(const struct layer_type *type, hawser_context *context, struct socket_layer **ret_socket);
/* Makes the descriptor for remote's family and binds it to what the target says. Errors are noted in the layer. */
int socket_create(struct socket_layer *socket, const struct layer_target *target, int protocol);
int socket_connect(struct socket_layer *socket);
/* Takes over a connected descriptor, from success on. */
int socket_accept(const struct layer_type *type, hawser_context *context, int fd, struct socket_layer **ret_socket);

/* Lets go of the descriptor at the bottom of a stack, unclosed. -EOPNOTSUPP: it is shared with others. */
int socket_release(struct layer *layer);

int socket_descriptor(const struct layer *layer);
void socket_addresses(const struct layer *layer, struct layer_address *ret_local, struct layer_address *ret_remote);

/* tcp.c, for mptcp too: opens and accepts as type says, with protocol for socket(). */
int tcp_open_as(const struct layer_type *type, int protocol, hawser_context *context, const struct layer_target *target,
                struct layer **ret_layer);
int tcp_establish(struct layer *layer);
ssize_t tcp_sendv(struct layer *layer, const struct iovec *pieces, unsigned count);
void tcp_link(struct layer *layer, struct layer_link *link);
void tcp_peer(struct layer *layer, struct layer_peer *peer);

/* The functions of struct layer_type that all have in common. */
int socket_establish(struct layer *layer);
ssize_t socket_send(struct layer *layer, const void *data, size_t size);
ssize_t socket_sendv(struct layer *layer, const struct iovec *pieces, unsigned count);
ssize_t socket_receive(struct layer *layer, void *buffer, size_t size);
ssize_t socket_receivev(struct layer *layer, const struct iovec *pieces, unsigned count);
int socket_shutdown(struct layer *layer);
void socket_detach(struct layer *layer);
int socket_attach(struct layer *layer, hawser_context *context);
void socket_destroy(struct layer *layer);

extern const struct layer_type tcp_layer, mptcp_layer, unix_layer, tls_layer, socks5_layer, http_connect_layer;

#endif
