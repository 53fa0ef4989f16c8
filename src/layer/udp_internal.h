/* SPDX-License-Identifier: Apache-2.0 */
/* What UDP is made of; inside udp*.c only. */
#ifndef LAYER_UDP_INTERNAL_H
#define LAYER_UDP_INTERNAL_H

#include "base/list.h"
#include "base/tree.h"
#include "layer/udp.h"

#define UDP_SOCKETS_MAX 4           /* of one layer: paths that are tried beside the one in use */
#define UDP_INBOX_MAX (1u << 20)    /* bytes that wait for who takes them one by one; more is dropped */
#define UDP_QUEUE_MAX (1u << 20)    /* bytes that wait for their time to leave */
#define UDP_QUEUE_ENTRIES_MAX 1024u /* and how many sends */

struct udp_socket;
struct udp_layer;

/* An error of sending, or what an ICMP message says. */
struct udp_said {
    const struct layer_address *remote; /* whom it was sent to; size 0: not known */
    int code;                           /* -errno */
    unsigned mtu;                       /* with -EMSGSIZE, where it is told */
    bool icmp;                          /* anybody may have written it */
};

/* Whom a socket tells: a layer that has it alone, or a port. Any of these may end the socket. */
struct udp_socket_user {
    void (*packet)(struct udp_socket *socket, struct udp_packet *packet);
    void (*batch_end)(struct udp_socket *socket);
    void (*error)(struct udp_socket *socket, const struct udp_said *said);
    bool (*may_read)(const struct udp_socket *socket); /* false: what comes stays in the kernel; udp_socket_go_on() */
};

/* What waits for its time, or for room. udp_queue.c */
struct udp_queue {
    struct udp_socket *socket;
    struct loop_timer timer;
    struct list entries; /* by time */
    size_t bytes, count;
};

/* udp_socket.c */
struct udp_socket {
    hawser_context *context;
    struct loop_io io;
    struct loop_deferred more; /* reads on */
    const struct udp_socket_user *user;
    void *owner;
    unsigned references; /* the owner's, and whoever is in the middle of telling */
    int family;
    struct layer_address local; /* as bound, with its port */
    struct list blocked;        /* udp_layer.blocked, in the order in which they heard EAGAIN */
    struct udp_queue *queue;    /* NULL: never needed */
    struct udp_stamps *stamps;  /* NULL: the system's stamps are not wanted */
    uint8_t dscp;               /* of the socket's TOS, above the two bits of ECN */
    bool connected, any;        /* any: bound to no address, so each packet says where it came to */
    bool writable, closed, no_gso, txtime, txtime_known;
};

struct udp_socket_config {
    const struct layer_address *local; /* NULL or size 0: any */
    const char *interface;
    int family;
    int fd; /* to take over, -1: a new one */
    bool listens, reuse_port, timestamps;
    const struct layer_address *source; /* of a group that is joined; size 0: any. NULL: none */
    unsigned hop_limit;
    bool no_loop;
};

/* 0, or a negative code with words in reason. */
int udp_socket_new(hawser_context *context, const struct udp_socket_config *config, const struct udp_socket_user *user,
                   void *owner, struct udp_socket **ret_socket, char *reason, size_t reason_size);
int udp_socket_connect(struct udp_socket *socket, const struct layer_address *remote);
int udp_socket_bind_device(int fd, const char *interface); /* "": none */
void udp_socket_prepare(int fd, int family);               /* the options that each of ours has */
void udp_socket_plain(int fd, int family);
void udp_socket_close(struct udp_socket *socket);
int udp_socket_leave(struct udp_socket *socket);                         /* this context's loop */
int udp_socket_join(struct udp_socket *socket, hawser_context *context); /* another's */
void udp_socket_go_on(struct udp_socket *socket);                        /* reads on, in dispatch */
/* Tells those that heard EAGAIN, in turn, while there is room. */
void udp_socket_unblock(struct udp_socket *socket);

/* udp_group.c: joins the group that the socket is bound to, or makes it ready to send to one. -errno. */
int udp_group_join(int fd, const struct udp_socket_config *config);
int udp_group_send(int fd, const struct udp_socket_config *config);

/* udp_receive.c: until there is nothing more, for a turn */
void udp_receive_some(struct udp_socket *socket);
void udp_receive_errors(struct udp_socket *socket);

/* udp_send.c: what is given, now, as the number-th send of a layer (NULL: it is gone). 0, -EAGAIN, -EMSGSIZE, other. */
int udp_transmit(struct udp_socket *socket, const struct udp_out *out, struct udp_layer *udp, uint64_t number);

/* udp_time.c: whether the system sends at the time that a datagram bears */
bool udp_keeps_time(struct udp_socket *socket);

/* udp_queue.c. -EAGAIN: full. */
int udp_queue_add(struct udp_socket *socket, const struct udp_out *out, size_t skip, int64_t due, struct udp_layer *udp,
                  uint64_t number);
void udp_queue_forget(struct udp_socket *socket, const struct udp_layer *udp); /* it goes; what it sent goes out */
bool udp_queue_room(const struct udp_socket *socket);
void udp_queue_run(struct udp_socket *socket); /* what is due */
void udp_queue_free(struct udp_socket *socket);

/* udp_stamp.c: the system's stamps of departure */
int udp_stamp_on(struct udp_socket *socket);
void udp_stamp_off(struct udp_socket *socket);
void udp_stamp_sent(struct udp_socket *socket, struct udp_layer *udp, uint64_t number, unsigned count);
void udp_stamp_forget(struct udp_socket *socket, const struct udp_layer *udp);
void udp_stamp_came(struct udp_socket *socket, uint32_t key, int64_t at);
int64_t udp_stamp_time(const struct timespec *realtime); /* as CLOCK_BOOTTIME, microseconds */

/* Datagrams that wait for receive(): records in one block. udp_box.c */
struct udp_inbox {
    uint8_t *block; /* NULL: nothing waits */
    size_t capacity, head, tail;
    size_t at; /* bytes that were taken of the first record */
};
struct udp_outbox { /* datagrams of one size, which leave together */
    uint8_t *block;
    size_t size, segment;
    bool ended; /* the last was a shorter one: none fits behind it */
};

struct udp_layer {
    struct layer layer;
    struct layer_address remote, local;
    struct udp_socket *sockets[UDP_SOCKETS_MAX]; /* opened: its own. A peer of a port: the port's is the first */
    unsigned socket_count;
    struct udp_port *port; /* NULL: opened */
    struct list blocked;   /* in its socket's list */
    struct loop_deferred flush;
    const struct udp_taker *taker;
    void *taker_above;
    struct udp_packet *first, *last; /* of this batch, not told yet: taken by receive() before the inbox is */
    size_t first_at;                 /* bytes that were taken of the first */
    bool *gone; /* while it is told of a packet: set when it was destroyed, or left for another loop */
    struct udp_inbox inbox;
    struct udp_outbox outbox;
    uint64_t sends, sent, received, dropped; /* the first in calls, the last in datagrams, else bytes */
    uint8_t dscp;
    int64_t received_at;   /* of the datagram that receive() gave last */
    unsigned mtu;          /* 0: not looked at yet */
    struct udp_peer *peer; /* with a port */
};

static inline struct udp_layer *udp_of(const struct layer *layer)
{
    return (struct udp_layer *)(void *)layer;
}

/* udp_io.c */
extern const struct udp_socket_user udp_own_socket;
struct udp_socket *udp_socket_for(const struct udp_layer *udp, const struct layer_address *local);
ssize_t udp_receive(struct layer *layer, void *buffer, size_t size);
ssize_t udp_sendv(struct layer *layer, const struct iovec *pieces, unsigned count);
ssize_t udp_send_bytes(struct layer *layer, const void *data, size_t size);
int udp_flush(struct layer *layer);
bool udp_judges(const struct udp_layer *udp); /* who is above says what an ICMP message is worth */

/* udp.c. For a port: a layer that shares its socket. */
int udp_make_peer(struct udp_port *port, struct udp_socket *socket, const struct udp_packet *first,
                  struct udp_layer **ret_layer);
void udp_leave_sockets(struct udp_layer *udp);                      /* what it owes to those that it has */
void udp_told(struct udp_layer *udp, struct udp_packet *packet);    /* a packet of its peer's came */
void udp_batch_end(struct udp_layer *udp);                          /* and that was all for now. May destroy it */
void udp_error(struct udp_layer *udp, const struct udp_said *said); /* may destroy it */
/* udp_port.c: the layer is going; its peer is somewhere else now */
void udp_port_forget(struct udp_layer *udp);
void udp_port_moved(struct udp_layer *udp, const struct layer_address *remote);
int udp_port_part(struct udp_layer *udp); /* as udp_leave_port() */

/* udp_own.c: a socket beside that of a port, with a peer's two addresses. -EADDRNOTAVAIL: the system would not send from there. */
int udp_own_socket_new(struct udp_layer *udp, struct udp_socket *ports, const char *interface,
                       struct udp_socket **ret_socket);

/* udp_box.c */
int udp_inbox_add(struct udp_layer *udp, const struct udp_packet *packet, size_t from);
bool udp_inbox_empty(const struct udp_inbox *inbox);
ssize_t udp_inbox_take(struct udp_layer *udp, void *buffer, size_t size);
const uint8_t *udp_inbox_first(const struct udp_layer *udp,
                               struct udp_packet *ret_packet); /* all of the first record */
void udp_inbox_pop(struct udp_layer *udp);
void udp_inbox_free(struct udp_layer *udp);
int udp_outbox_add(struct udp_layer *udp, const struct iovec *pieces, unsigned count, size_t size);
int udp_outbox_flush(struct udp_layer *udp);
void udp_outbox_free(struct udp_layer *udp);

bool udp_same_address(const struct layer_address *a, const struct layer_address *b); /* port too */
bool udp_is_any(const struct layer_address *address);
bool udp_is_mapped(const struct layer_address *address); /* IPv4 in IPv6 */

#define UDP_HEADERS_V4 28 /* IP and UDP */
#define UDP_HEADERS_V6 48
static inline unsigned udp_headers(const struct udp_layer *udp)
{
    bool v6 = udp->remote.address.ss_family == AF_INET6 && !udp_is_mapped(&udp->remote);

    return v6 ? UDP_HEADERS_V6 : UDP_HEADERS_V4;
}

#endif
