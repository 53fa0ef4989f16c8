/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sctp layer's own parts; inside layer/ only. SCTP (RFC 9260) by usrsctp, whose stack is one a process: sctp_engine.c
 * holds it, and nobody else calls what starts, stops or ticks it. Its packets are the datagrams of the layer below.
 *
 * usrsctp never calls into a layer's user: what it has to send is queued, and what it has to tell is looked for when its
 * call has returned.
 */
#ifndef LAYER_SCTP_H
#define LAYER_SCTP_H

#include <usrsctp.h>
#include <uthash.h>

#include "layer/layer.h"
#include "layer/udp.h"
#include "loop/loop.h"

/* A packet of this size passes every path that carries IPv6 (RFC 8261 section 5), also with DTLS and UDP around it. */
#define SCTP_PACKET_MAX                                                                                                \
    1160                    /* in a record of DTLS it is what passes everywhere: it stays so when a path turns narrow */
#define SCTP_PACKET_MIN 524 /* usrsctp knows no smaller one: 512 without the head */
#define SCTP_HEAD 12        /* the common header */
#define SCTP_CHUNK_HEAD 20  /* of I-DATA, the larger one (RFC 8260 section 2.1) */
#define SCTP_MESSAGE_MAX 1048576 /* a message of a bare association */
#define SCTP_UNIT 16384          /* a unit that is sent until it comes */
#define SCTP_SEND_BUFFER 2097152 /* what usrsctp holds: unsent and unacknowledged */
#define SCTP_RECEIVE_BUFFER 1048576
#define SCTP_UNSENT_MAX 16384      /* given to usrsctp and not in a packet yet: no more beyond it */
#define SCTP_UNDER_WAY_MAX 1048576 /* bytes of units whose fate is not known */
#define SCTP_UNITS_MAX 8192        /* such units */
#define SCTP_QUEUE_MAX 262144 /* bytes of packets that the layer below does not take; more are lost, as on a wire */
#define SCTP_STREAMS 16       /* bands of niceness, the most urgent first */
#define SCTP_PORT 5000        /* inside DTLS (RFC 8841 section 5.1's customary one) */
#define SCTP_PPID_EMPTY 57 /* one byte that stands for an empty message ("WebRTC Binary Empty", RFC 8831 section 6.6) */
#define SCTP_PPID_EMPTY_TEXT 56

struct sctp_packet {
    struct list link;
    size_t size;
    uint8_t data[];
};

/* ---- sctp_fates.c: what became of each unit, by the chunks that pass */

struct sctp_unit {
    uint32_t left; /* its chunks that are on the wire and not acknowledged */
    uint32_t size;
    bool whole; /* all of its chunks have been on the wire */
    bool told;  /* its fate is known */
};

struct sctp_chunk {
    uint64_t unit;
    bool seen, acked, owned; /* was in a packet; came; unit is known */
};

struct sctp_fates {
    struct sctp_chunk *chunks; /* a ring of the TSNs first .. next - 1 */
    size_t chunk_capacity;
    uint32_t first, next;
    bool begun;
    struct sctp_unit *units; /* a ring of the units first_unit .. next_unit - 1 */
    size_t unit_capacity;
    uint64_t first_unit, next_unit;
    uint64_t current[SCTP_STREAMS]; /* the unit whose chunks this stream is sending */
    struct layer_fate *told;        /* a ring of what the user has not fetched */
    size_t told_capacity, told_first, told_count;
    size_t under_way; /* bytes of units whose fate is not known */
    size_t unsent;    /* bytes given to usrsctp and not seen in a packet */
    bool gave_up;     /* ever, what had been in a packet */
    bool failed;      /* no memory: nothing is known any more */
};

int sctp_fates_unit(struct sctp_fates *fates, uint64_t number, size_t size); /* before usrsctp gets it; -ENOMEM */
/* A packet that leaves: its chunks of data, and what was given up. units: payload protocol ids name units. */
void sctp_fates_out(struct sctp_fates *fates, const uint8_t *packet, size_t size, bool units);
void sctp_fates_in(struct sctp_fates *fates, uint8_t *packet, size_t size); /* a packet that came: acknowledgements */
bool sctp_checksum_right(uint8_t *packet, size_t size);                     /* changes it meanwhile */
/* usrsctp gave up size bytes of the unit with this payload protocol id. sent: they had been in packets. */
void sctp_fates_gave_up(struct sctp_fates *fates, uint32_t ppid, size_t size, bool sent, bool units);
void sctp_fates_dry(struct sctp_fates *fates);               /* usrsctp has nothing left: what is not acked is lost */
bool sctp_fates_outstanding(const struct sctp_fates *fates); /* chunks that are not acknowledged */
bool sctp_fates_take(struct sctp_fates *fates, struct layer_fate *ret_fate);
void sctp_fates_free(struct sctp_fates *fates);

/* ---- the layer */

struct sctp_lane { /* a message that comes in pieces */
    void *user;    /* of units */
    uint8_t *data; /* of bare messages: what is there of it */
    size_t size, capacity;
    bool open;
};

struct sctp_layer {
    struct layer layer;
    uintptr_t id; /* its address for usrsctp */
    UT_hash_handle hh;
    struct socket *socket;   /* NULL: not begun */
    struct socket *listener; /* until the peer's association is there */
    struct list packets;     /* that the layer below did not take yet */
    size_t packets_size;
    struct loop_deferred news;
    struct sctp_fates fates;
    struct sctp_lane lanes[SCTP_STREAMS];
    size_t lanes_size; /* bytes in them */
    uint8_t *piece;    /* what receive() gave last; NULL while nothing comes */
    uint8_t *waiting;  /* a unit that usrsctp had no room for */
    struct layer_unit_out waiting_unit;
    int64_t measured; /* when sctp_measure() asked last */
    uint16_t port, remote_port;
    uint16_t packet_max;
    uint16_t streams; /* of ours, that the peer takes */
    bool is_opener : 1;
    bool heard : 1;       /* something came */
    bool joined : 1;      /* counted by the engine */
    bool up : 1;          /* the association stands */
    bool told : 1;        /* and the user knows */
    bool interleaves : 1; /* both ends have I-DATA */
    bool ended : 1;       /* the peer sends no more */
    bool shut : 1;        /* we send no more */
    bool wants_room : 1;  /* the user was refused */
    bool more : 1;        /* the layer below has more than one round took */
    bool sends_units : 1;
    bool in_news : 1; /* what is read next is the rest of a notification */
};

static inline struct sctp_layer *sctp_of(const struct layer *layer)
{
    return (struct sctp_layer *)(void *)layer;
}

/* ---- sctp_engine.c: the process's one stack */

/* Makes the context the stack's owner, if it has none; 0, -EBUSY, -ENOMEM. */
int sctp_engine_join(struct sctp_layer *sctp);
void sctp_engine_part(struct sctp_layer *sctp); /* its last association gone, the stack ends with its thread */
void sctp_engine_tick(void);                    /* brings its clock up to now; before anything that starts a timer */
uint8_t *sctp_engine_buffer(void);              /* SCTP_UNIT bytes to write a unit in */

/* ---- sctp_packets.c: between usrsctp and the layer below */

int sctp_packet_queue(struct sctp_layer *sctp, const void *data, size_t size);
int sctp_flush(struct sctp_layer *sctp); /* 0: all gone; -EAGAIN; or the layer below is dead */
void sctp_take_packets(struct sctp_layer *sctp);
void sctp_drop_packets(struct sctp_layer *sctp);
bool sctp_is_init(const uint8_t *packet, size_t size, uint16_t *ret_port); /* for this port of ours */

/* ---- sctp_socket.c: an association of usrsctp's */

int sctp_begin(struct sctp_layer *sctp); /* the opener's INIT leaves; 0, or failed */
int sctp_listen(struct sctp_layer *sctp, uint16_t port);
int sctp_accepted(struct sctp_layer *sctp);      /* 0, or -EAGAIN */
void sctp_socket_close(struct sctp_layer *sctp); /* with an ABORT, unless it had ended */
bool sctp_gone(const struct sctp_layer *sctp);   /* the association is over */
bool sctp_dry(const struct sctp_layer *sctp);    /* nothing in its queues */
bool sctp_status(const struct sctp_layer *sctp, struct sctp_status *ret_status);
void sctp_measure(struct sctp_layer *sctp, int64_t now); /* the round trip, where usrsctp has forgotten to */
void sctp_set_streams(struct sctp_layer *sctp);          /* their order, once it stands */

/* ---- sctp_receive.c */

struct sctp_piece {
    uint8_t *data;
    size_t size;
    uint16_t stream;
    uint32_t ppid;
    bool end, reset; /* the message's last piece; it will not be completed */
};
/* The next piece of a message, with what usrsctp has to tell dealt with on the way. 0, -EAGAIN, -ENODATA, or dead.
 * until_up: goes no further than to where the association stands. */
int sctp_next(struct sctp_layer *sctp, bool until_up, struct sctp_piece *ret_piece);
ssize_t sctp_receive_message(struct layer *layer, void *buffer, size_t size);
int sctp_receive_unit(struct layer *layer, struct layer_unit_in *ret_unit);
void sctp_free_pieces(struct sctp_layer *sctp);

/* ---- sctp_send.c */

ssize_t sctp_send_message(struct layer *layer, const void *data, size_t size);
size_t sctp_message_max(struct layer *layer);
void sctp_send_waiting(struct sctp_layer *sctp);
bool sctp_room(const struct sctp_layer *sctp); /* for a message, or a unit */
int sctp_flush_layer(struct layer *layer);
extern const struct layer_units sctp_units;

/* ---- sctp_words.c */

int sctp_fail_change(struct sctp_layer *sctp, const struct sctp_assoc_change *change, size_t size);
int sctp_fail_code(struct sctp_layer *sctp, int code, const char *doing); /* code: errno of usrsctp's */

#endif
