/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP: sockets on the loop, the bottom layer `udp` above them, and ports that many peers share. Inside layer/, and for
 * the listener.
 *
 * A udp layer is either opened (a connected socket of its own) or one of the peers of a port (they share its socket).
 * Alone, or below dtls, it carries datagrams by send() and receive(). quic and others that do their own numbering take
 * packets as they come, by udp_take(), and send with udp_send(), where addresses and ECN are visible.
 */
#ifndef LAYER_UDP_H
#define LAYER_UDP_H

#include "layer/layer.h"
#include "loop/loop.h"

#define UDP_SIZE_MAX 65527
#define UDP_PATH_MIN 1200 /* bytes of payload that every path is taken to carry (RFC 9000 section 14) */
#define UDP_ID_MAX 20     /* bytes of a connection id (RFC 9000 section 17.2) */

struct udp_port;

/* What came in one call: one datagram, or several of one size (the last may be shorter) that the system joined (GRO). */
struct udp_packet {
    uint8_t *data; /* valid during the call; may be written to */
    size_t size;
    size_t segment; /* size of each datagram; == size when it is one */
    struct layer_address remote;
    struct layer_address local; /* with the port; on a socket bound to any, the one it came to */
    int interface;              /* its index; 0: not known */
    uint8_t ecn;                /* 0..3 */
    int64_t received_at;        /* CLOCK_BOOTTIME, by the system; 0: not asked for, or not known */
    struct udp_packet *next;    /* the udp layer's own */
    bool stays;                 /* the same: until the batch ends */
};

struct udp_out {
    const struct iovec *pieces;
    unsigned count;
    size_t segment;                     /* > 0: the system cuts the pieces into datagrams of this size (GSO) */
    const struct layer_address *remote; /* NULL: the layer's own */
    const struct layer_address *local;  /* NULL: as the system chooses; else the address to leave from */
    uint8_t ecn;
    uint8_t dscp; /* six bits; set by the layer (udp_set_dscp()), not by who calls udp_send() */
    /* CLOCK_BOOTTIME; 0: now. By the queue discipline where that takes SO_TXTIME, else it waits here, in a queue that is
     * bounded: -EAGAIN when that is full. What has another time, or none, does not wait behind it. */
    int64_t send_at;
};

/* How many datagrams of `segment` one udp_out may have, and its size at most. */
#define UDP_SEGMENTS_MAX 64
#define UDP_BATCH_MAX 65000

/* ---- the bottom layer, for the layer above it */

/* From now on packets go to packet(), and neither receive() nor ready(LAYER_READABLE) of the udp layer is used. Called in
 * dispatch only; several calls may follow one another, and then batch_end() runs once. Packets that had come before are
 * told at once. packet() and batch_end() may not destroy the layer; they may defer work that does. */
struct udp_taker {
    /* NULL: datagrams come by receive() and ready() as ever, and only the rest is told here. */
    void (*packet)(void *above, struct udp_packet *packet);
    void (*batch_end)(void *above);
    /* An ICMP error, or one of sending, came for this peer; code is -errno. mtu > 0 with -EMSGSIZE. An ICMP message may be
     * anybody's: it is a hint, and udp_datagram_max() does not fall below UDP_PATH_MIN for it. */
    void (*error)(void *above, int code, unsigned mtu);
    /* With layer_target.timestamps: the system's stamp of when the number-th udp_send() of this layer, counted from 0,
     * left (CLOCK_BOOTTIME). Not every one is told. NULL: not wanted. */
    void (*left)(void *above, uint64_t number, int64_t at);
};
void udp_take(struct layer *udp, void *above, const struct udp_taker *taker);
/* 0; -EAGAIN: the socket is full, and ready(LAYER_WRITABLE) of the udp layer follows (to each peer of a port that heard
 * EAGAIN, in turn); -EMSGSIZE: does not pass unfragmented; other: what the system said. */
int udp_send(struct layer *udp, const struct udp_out *out);
/* The remote address is now another (after the layer above has validated it). */
void udp_set_remote(struct layer *udp, const struct layer_address *remote);
const struct layer_address *udp_remote(const struct layer *udp);
const struct layer_address *udp_local(const struct layer *udp); /* with the port; address 0 where it is not known */
/* Opens another socket for the layer, bound to local and interface ("" and size 0: any), beside its own: a path to
 * migrate to. Packets of both come to the taker; udp_send() with `local` picks the socket. */
int udp_add_local(struct layer *udp, const struct layer_address *local, const char *interface);
/* The local addresses of the sockets that the layer has, from 0 on; NULL past the last. */
const struct layer_address *udp_local_of(const struct layer *udp, unsigned index);
/* Leaves all sockets but the one that has `local`. */
void udp_keep_local(struct layer *udp, const struct layer_address *local);
bool udp_is_group(const struct layer_address *address); /* a multicast one */
bool udp_hears_group(const struct layer *udp);          /* a peer of a port that joined one */
/* Every packet from here on is marked so (RFC 2474); on a port it is this peer's alone. */
void udp_set_dscp(struct layer *udp, uint8_t dscp);
/* The largest datagram that leaves uncut, as the system knows it now; ICMP errors lower it. */
size_t udp_datagram_max(struct layer *udp);
/* When the datagram came that receive() gave last, by the system (CLOCK_BOOTTIME); 0: not asked for. */
int64_t udp_received_at(const struct layer *udp);
/* As receive(), without a copy: valid until ready() returns. -EAGAIN: ask receive(), which may have some that waited. */
ssize_t udp_receive_in_place(struct layer *udp, const uint8_t **ret_data);
/* Whether the system stamps what leaves, and the number that udp_taker.left will tell of the datagram that send() or
 * sendv() took last. */
bool udp_is_stamped(const struct layer *udp);
uint64_t udp_last_send(const struct layer *udp);
/*
 * A peer of a port gets a socket of its own (udp_own.c). What came to the port's and was not read yet is lost, as on any way; a
 * peer whose address changes later is not followed any more. 0, also where it has one; -EOPNOTSUPP: it hears a group; -EAGAIN:
 * so many left of late that this one has to wait; other: what the system said. Then nothing changed.
 */
int udp_leave_port(struct layer *udp);
/* Lets go of the descriptor, unclosed, before the layer is destroyed. -EOPNOTSUPP: it has none of its own. */
int udp_release(struct layer *udp);
/* The port that the layer is a peer of, or NULL. */
struct udp_port *udp_port_of(const struct layer *udp);

/* ---- ports: listening */

/*
 * A protocol that may begin on a port, told by a datagram's first byte (RFC 9443). first() sees a datagram that belongs to
 * no peer: it answers without keeping anything (retry, cookie, version negotiation, stateless reset, by
 * udp_port_answer()), or says that a peer begins here. What one ignores is offered to the next.
 */
enum udp_first { UDP_IGNORE, UDP_ANSWERED, UDP_ACCEPT };
struct udp_protocol {
    const char *stack; /* "quic/udp" */
    bool (*begins)(uint8_t first_byte);
    enum udp_first (*first)(struct udp_port *port, const struct udp_packet *packet); /* NULL: any begins a peer */
    /* The connection id that a packet is for, where the protocol has them; NULL: peers are told by address. 0: none. */
    size_t (*id)(const struct udp_packet *packet, const uint8_t **ret_id);
    bool proves; /* first() lets none begin that has not shown its address, at least while udp_port_busy() */
    bool
        proves_later; /* the layer above finds out, and says so by udp_port_proven(): that a peer writes again means nothing */
};
extern const struct udp_protocol quic_protocol, dtls_protocol, tfrc_protocol, sctp_protocol, plain_protocol,
    group_protocol;
/* Those that there are, in the order in which a first datagram is offered to them; NULL past the last. What is above dtls
 * is told by its own handshake (ALPN), not here. */
const struct udp_protocol *udp_protocol_at(unsigned index);

struct udp_port_config {
    struct layer_address local; /* as in acceptor_config */
    char interface[32];
    int fd;          /* a bound UDP socket to take over, or -1 */
    bool reuse_port; /* each peer's datagrams keep coming to one socket while its address stays */
    bool timestamps;
    struct layer_address source; /* local is a group, which is joined: only this one is heard; size 0: anybody */
    struct group *group; /* whose members alone are heard (layer/group.h); a reference is taken. NULL: anybody */
    const struct udp_protocol *const *protocols; /* that are taken here, in this order; NULL ends them */
    unsigned unproven_max;                       /* peers that have not shown that they receive at their address */
    const struct tls_config *tls; /* for what first() needs of it, which is not asked once the port is destroyed */
    /* A peer began: its udp layer, which is the callee's from here on (by stack_accept_above()), with its first packet
     * waiting in it. */
    void (*accepted)(void *user, const char *stack, struct layer *bottom);
    void *user;
};
int udp_port_new(hawser_context *context, const struct udp_port_config *config, struct udp_port **ret_port);
int udp_port_descriptor(const struct udp_port *port);
void udp_port_pause(struct udp_port *port, bool pause); /* no new peers: their datagrams are dropped */
/* No new peers from here on. The socket stays until the last peer is gone. */
void udp_port_destroy(struct udp_port *port);
int udp_port_answer(struct udp_port *port, const struct udp_packet *to, const void *data, size_t size);
struct group *udp_port_group(const struct udp_port *port);
hawser_context *udp_port_context(const struct udp_port *port);
/* A secret of the port's (of the hawser_shared, where there is one), for tokens: 32 bytes. */
const uint8_t *udp_port_secret(const struct udp_port *port);
/* One that no other port has, for stateless resets: a port that does not know a line must not be able to say how another one
 * would reset it, or whoever sees an id on the wire could ask here (RFC 9000 section 21.11). */
const uint8_t *udp_port_reset_secret(const struct udp_port *port);
bool udp_port_busy(
    const struct udp_port *port);        /* half of unproven_max is taken: peers have to prove their address first */
void udp_port_proven(struct layer *udp); /* this peer receives at its address */
/* A peer is also told by this id, from whatever address it comes. -EEXIST, -ENOMEM. */
int udp_port_add_id(struct layer *udp, const uint8_t *id, size_t size);
void udp_port_remove_id(struct layer *udp, const uint8_t *id, size_t size);

extern const struct layer_type udp_layer, dtls_layer, quic_layer, sctp_layer, tfrc_layer;

#endif
