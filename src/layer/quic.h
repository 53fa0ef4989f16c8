/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quic layer's own parts (RFC 9000, 9001, 9221): ngtcp2 has the protocol, secure_*.c the session, udp the packets.
 * Inside layer/ only.
 *
 * Towards the network there is a `struct quic_wire`: the udp layer, or a test that carries the packets itself, with a
 * clock of its own.
 */
#ifndef LAYER_QUIC_H
#define LAYER_QUIC_H

#include "layer/departures.h"
#include "layer/quic_ngtcp2.h"
#include "layer/secure.h"
#include "layer/udp.h"
#include "base/tree.h"

#define QUIC_ID_SIZE 10               /* of the connection ids that we give out */
#define QUIC_UNIT_MAX 65536           /* the largest unit that we send */
#define QUIC_UNIT_MIN 32768           /* room for it, if there is any, unless the window is small */
#define QUIC_UNIT_LEAST 4096          /* and then */
#define QUIC_UNIT_WINDOW (256u << 10) /* of one that comes */
#define QUIC_PINGS 700                /* bytes of the window that datagrams leave to others */
#define QUIC_STREAM_WINDOW (256u << 10)
#define QUIC_STREAM_WINDOW_MAX (4u << 20)
#define QUIC_WINDOW (1u << 20) /* of all together; grows up to the maximum where the path is long (bounded memory) */
#define QUIC_WINDOW_MAX (8u << 20)
#define QUIC_UNITS_MAX 1024 /* streams that a peer may have begun before they are taken */
#define QUIC_STREAMS_MAX 100
#define QUIC_DATAGRAM_MAX 65535
#define QUIC_DATAGRAMS_HELD (1u << 20) /* bytes that wait for the user, until packets are left unread */
#define QUIC_BURST_MIN 65536           /* bytes a round of sending */
#define QUIC_BURST_MAX (256u << 10)

#define QUIC_H3_NO_ERROR 0x100 /* how HTTP/3 ends (RFC 9114 section 8.1) */
#define QUIC_GONE 0x1          /* how a line ends that was not shut down: an attempt that lost, or worse */

struct quic_layer;
struct quic_streams;

struct quic_wire {
    int64_t (*now)(struct quic_layer *quic); /* microseconds */
    int (*send)(struct quic_layer *quic, const struct udp_out *out);
    void (*arm)(struct quic_layer *quic, int64_t due);               /* INT64_MAX: not at all */
    void (*moved)(struct quic_layer *quic, const ngtcp2_path *path); /* that is used from now on */
    /* Another local address to send from and to receive at; and away with all but one. */
    int (*add_local)(struct quic_layer *quic, const struct layer_address *local, const char *interface,
                     struct layer_address *ret_local);
    void (*keep_local)(struct quic_layer *quic, const struct layer_address *local);
    /* A peer of a port; NULL: there is none to know of it. */
    int (*add_id)(struct quic_layer *quic, const uint8_t *id, size_t size);
    void (*remove_id)(struct quic_layer *quic, const uint8_t *id, size_t size);
    void (*proven)(struct quic_layer *quic);
};

/* One that goes out, until its fate was told. quic_units.c */
struct quic_unit {
    RB_ENTRY(quic_unit) node;
    struct list link; /* that wait to be written, that are under way, or whose fate is to be told */
    uint64_t number;
    int64_t stream; /* -1: none yet */
    uint32_t size, written;
    int64_t left_at; /* lossy: when it was written */
    bool lossy : 1;
    bool early : 1; /* before the handshake was over */
    bool dropped : 1;
    bool acked : 1;
    bool large : 1; /* data is a block of its own */
    bool fresh : 1; /* its last byte is in the packet that was written last */
    uint8_t *data;
};

struct quic_outbound {
    RB_HEAD(quic_unit_tree, quic_unit) tree; /* waiting or under way, by number */
    struct list waiting, under_way, fates;
    size_t backlog;                /* bytes of those that wait */
    size_t lossy;                  /* units under way as datagrams */
    size_t bare;                   /* bytes of datagrams since something left that ngtcp2 probes for */
    int64_t padding;               /* the stream for that; -1: none yet */
    uint8_t *block;                /* that begin() gave, of QUIC_UNIT_MAX bytes */
    bool told_full;                /* begin() said that there is no room */
    bool blocked;                  /* the first one waits for the peer's leave; for this round */
    struct departures *departures; /* NULL: nobody asked when they left */
};

/* Pieces that came, in blocks, until the user takes them. quic_inbound.c */
struct quic_inbound {
    struct list blocks, entries;
    int64_t heard_at;     /* when a packet came last */
    size_t held;          /* bytes of datagrams among them, and what keeping any piece costs */
    void *lane;           /* of datagrams: begins and ends with each */
    int64_t received_at;  /* the system's stamp of the packet that is being read; 0: none */
    struct piece *newest; /* that another may join; NULL: none */
    bool newest_early;
    struct quic_entry *finished; /* of the piece that the user has */
};

/* A batch of packets for one udp_out. */
struct quic_batch {
    uint8_t *data; /* UDP_BATCH_MAX bytes */
    size_t size, segment;
    ngtcp2_path_storage path;
    uint8_t ecn;
};

struct quic_layer {
    struct layer layer;
    ngtcp2_crypto_conn_ref reference; /* what the session points to */
    struct secure secure;
    const struct quic_wire *wire;
    ngtcp2_conn *conn; /* NULL: not begun */
    struct loop_timer timer;
    struct loop_deferred told, written; /* tells the user; sends */
    struct quic_outbound out;
    struct quic_inbound in;
    struct quic_streams *streams; /* NULL: units are carried, or nothing yet */
    struct quic_batch *refused;   /* the socket was full; NULL: it was not */
    uint8_t *token;               /* the client's: the server's newest */
    size_t token_size;
    int64_t first_rtt;                /* that is assumed until it is measured; 0: not known */
    uint8_t secret[32];               /* for tokens of addresses: the port's, or its own */
    uint8_t reset_secret[32];         /* for reset tokens, the same */
    struct layer_address first_local; /* where packets come that do not say it */
    unsigned ready;                   /* to be told */
    uint64_t bytes_sent, bytes_received, packets_sent, packets_lost, sends; /* the last: batches */
    gnutls_alert_description_t alert;                                       /* that the peer is to get; 0: none */
    bool alert_set : 1;
    bool completed : 1;     /* the handshake */
    bool early_sent : 1;    /* the client sent some */
    bool early_lost : 1;    /* and it was rejected */
    bool ended : 1;         /* the peer closed, cleanly */
    bool closed : 1;        /* we did */
    bool shutting : 1;      /* we want to, once all is acknowledged */
    bool reset : 1;         /* the peer does not know of us any more */
    bool speaks_hawser : 1; /* the ALPN that was agreed is hawser/1 */
    bool rekey_wanted : 1;
    bool moving : 1;    /* another path is being tried, or was taken before it was known to work */
    bool confirmed : 1; /* the handshake, as far as QUIC is concerned (RFC 9001 section 4.1.2) */
};

static inline struct quic_layer *quic_of(const struct layer *layer)
{
    return (struct quic_layer *)(void *)layer;
}

/* quic.c */
int quic_make(hawser_context *context, const struct tls_config *config, bool is_server, const struct quic_wire *wire,
              struct quic_layer **ret_quic);
void quic_tell(struct quic_layer *quic, unsigned ready); /* at the end of this dispatch */
void quic_later(struct quic_layer *quic);                /* sends at the end of this dispatch */

/* quic_conn.c: the handshake */
int quic_begin_client(struct quic_layer *quic, const struct layer_address *local, const struct layer_address *remote);
int quic_begin_server(struct quic_layer *quic, const struct udp_packet *packet);
#define QUIC_RETRY_LIFE (10 * NGTCP2_SECONDS)
#define QUIC_TOKEN_LIFE (86400 * NGTCP2_SECONDS)
/* quic_port.c: whether a token of NEW_TOKEN shows that who sends it receives at its address */
bool quic_token_valid(const uint8_t secret[32], const uint8_t *token, size_t size, const struct layer_address *remote,
                      uint64_t now);
void quic_secret_set(struct quic_layer *quic, const uint8_t *secret, const uint8_t *reset_secret);

/* quic_migrate.c: as layer_type.migrate() */
int quic_migrate(struct layer *layer, const struct layer_address *local, const char *interface, bool at_once);
void quic_path_tried(struct quic_layer *quic, const ngtcp2_path *path, bool works);

/* quic_packet.c */
void quic_receive_packet(struct quic_layer *quic, const struct udp_packet *packet);
void quic_batch_end(struct quic_layer *quic);
void quic_expire(struct quic_layer *quic);
int quic_write(struct quic_layer *quic);                           /* 0, -EAGAIN: the socket is full, or dead */
void quic_close(struct quic_layer *quic, const quic_ccerr *error); /* tells the peer, once; nothing more is sent */
uint64_t quic_time(struct quic_layer *quic);                       /* ngtcp2's */

/* quic_words.c: notes why it is over, tells the peer when it may know; returns our code. */
int quic_fail(struct quic_layer *quic, int liberr);
int quic_fail_closed(struct quic_layer *quic); /* the peer closed: 0 when that was a clean end */

/* quic_units.c */
void quic_units_init(struct quic_layer *quic);
void quic_units_free(struct quic_layer *quic);
struct quic_unit *quic_units_next(struct quic_layer *quic); /* to write; NULL: none now */
void quic_units_written(struct quic_layer *quic, struct quic_unit *unit, size_t size);
void quic_units_packed(struct quic_layer *quic); /* the packet that was written last leaves in the next batch */
/* Its stream was reset, by us or for the peer's sake: nothing more of it is written, and stream_close() settles it. */
void quic_units_abandon(struct quic_layer *quic, struct quic_unit *unit);
size_t quic_units_window(struct quic_layer *quic); /* the congestion window */
void quic_units_give_up(struct quic_layer *quic);  /* datagrams of which ngtcp2 tells nothing */
void quic_units_closed(struct quic_layer *quic, struct quic_unit *unit, bool acked);
void quic_units_datagram(struct quic_layer *quic, uint64_t number, bool acked);
void quic_units_reject_early(struct quic_layer *quic);
bool quic_units_settled(const struct quic_layer *quic); /* all that was sent has its fate */
extern const struct layer_units quic_units;

/* quic_inbound.c */
struct quic_entry; /* a stream that the peer opened for a unit */
void quic_inbound_init(struct quic_layer *quic);
int quic_inbound_open(struct quic_layer *quic, int64_t stream);
int quic_inbound_add(struct quic_layer *quic, struct quic_entry *entry, const void *data, size_t size, bool end,
                     bool reset, bool early);
bool quic_inbound_waits(const struct quic_layer *quic);
void quic_inbound_free(struct quic_layer *quic);
int quic_inbound_receive(struct layer *layer, struct layer_unit_in *ret_unit);

#endif
