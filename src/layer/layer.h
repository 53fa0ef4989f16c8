/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: one protocol each, stacked. A stack is written top first ("tls/tcp"); each layer owns the one below it. The
 * user of a stack holds its top layer and is told by ready() when something can be done. Nothing here waits.
 *
 * A new protocol is a new file with one `struct layer_type` and one line in the table of layer/stack.c.
 */
#ifndef LAYER_LAYER_H
#define LAYER_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <hawser/hawser.h>

struct layer;
struct tls_config; /* security/security.h */

enum layer_flags {                            /* what a layer adds; a stack's flags are found by walking it */
                   LAYER_BYTES = 1 << 0,      /* an ordered, reliable byte sequence */
                   LAYER_SECURE = 1 << 1,     /* encrypted, authenticated */
                   LAYER_EARLY_DATA = 1 << 2, /* may carry data before it is established */
                   LAYER_SOCKET = 1 << 3,     /* the bottom: has a descriptor */
                   LAYER_PROXY = 1 << 4,      /* asks whoever is below to connect further */
                   LAYER_MULTIPATH = 1 << 5,  /* uses several paths by itself */
                   LAYER_DATAGRAMS =
                       1 << 6,           /* each send() and receive() is one datagram, which may be lost or overtaken */
                   LAYER_UNITS = 1 << 7, /* carries units, once the peer speaks hawser/1: struct layer_units */
                   LAYER_LOSSY = 1 << 8, /* some units need not be sent again when they are lost */
                   LAYER_STREAMS =
                       1 << 9, /* several byte sequences, to a peer of another protocol: struct layer_streams */
                   LAYER_MIGRATES = 1 << 10, /* goes on when an address changes */
                   LAYER_HIDES_IDS =
                       1 << 11, /* on the wire nobody sees ids, acknowledgements or how messages begin and end */
                   LAYER_MULTICAST = 1 << 12,   /* may have a group for its remote */
                   LAYER_HIDES_PEERS = 1 << 13, /* on the wire nobody sees certificates or keys of the two */
                   LAYER_FOREIGN = 1 << 14,     /* a transport that a program registered: layer/plugin.h */
                   LAYER_RELIABLE =
                       1 << 15, /* with LAYER_DATAGRAMS: they are messages, none is lost or overtaken (sctp) */
};

enum layer_ready { LAYER_READABLE = 1, LAYER_WRITABLE = 2 };

/* Why a layer failed, in words for the report. */
struct layer_error {
    const char *layer; /* the layer's name */
    int code;          /* negative */
    char reason[200];
};

/* What of a path is known from the stack. */
struct layer_link {
    int64_t rtt_us, min_rtt_us;          /* 0: not known */
    uint64_t delivery_rate;              /* bytes per second; 0: not known */
    uint64_t bytes_sent, bytes_received; /* on the wire's side of the bottom layer */
    uint32_t unsent;                     /* bytes the kernel holds and has not sent */
    uint32_t mtu;                        /* largest packet known to pass; 0: not known */
    uint64_t packets_sent, packets_lost; /* 0: not counted */
    uint64_t congestion_window;          /* bytes that may be under way; 0: not known */
    uint64_t in_flight;                  /* bytes that are; 0: none, or not known */
    uint64_t bytes_resent;               /* by the transport; 0: none, or not counted */
    uint64_t out_of_order; /* packets that came, and waited for one before them; 0: none, or not counted */
};

/* Who is at the other end; pointers live as long as the layer. */
struct layer_peer {
    const uint8_t *spki; /* DER; NULL: showed no key */
    size_t spki_size;
    char key_name[64]; /* "hk-..." or "" */
    char name[256];    /* the name that was verified, or "" */
    hawser_verification verification;
    const char *alpn; /* "" when none was chosen */
    bool resumed, early_accepted;
    bool fast_open;       /* data in the SYN was acknowledged */
    bool fast_open_lost;  /* the SYN with data had to be sent again: not to be used again on this network */
    unsigned round_trips; /* completed before the first byte of ours could leave: 0, 1, 2 */
};

struct layer_address {
    struct sockaddr_storage address;
    socklen_t size;
};

/* What a stack is made for. The strings and the config are the caller's and must outlive the establishment. */
struct layer_target {
    struct layer_address remote;
    struct layer_address local; /* size 0: any */
    char interface[32];         /* "": any */
    const struct tls_config *tls;
    bool fast_open;
    /* With a proxy layer in the stack `remote` is the proxy's address, and this is whom it shall connect to. */
    const char *host; /* a name, or an address in text; NULL: no proxy */
    uint16_t port;
    uint16_t sctp_port;                      /* of bare sctp/udp, whose port in `remote` is UDP's; 0: the same number */
    const char *proxy_user, *proxy_password; /* NULL: none */
    bool timestamps;                         /* the system's stamps of arrival and departure are wanted */
    int64_t rtt_us;                          /* of the path, as it was remembered; 0: not known */
    unsigned hop_limit;                      /* with a group for the remote; 0: 1, which no router forwards */
    bool no_loop;                            /* the same: members on this host do not hear it */
};

/* ---------------------------------------------------------------------------------------------------------- units */

/*
 * What a session sends over a layer that has more to give than one sequence of bytes: a unit is some whole frames that
 * arrive together, in no order with other units (docs/protocol.md, chapter "Strands of units"). The layer says of each
 * unit that it gave to the network whether it came; what was lost the session sends again, in another unit, or not.
 */
struct layer_unit_out {
    uint64_t number; /* the user's, ascending from 0 */
    size_t size;     /* of what was written where begin() said; 0: nothing after all */
    bool lossy;      /* as given to begin() */
    uint8_t class;   /* niceness + 100 of the most urgent in it, for layers that order what waits */
    /* For layers that can give up by themselves (sctp); others leave it to the session, which drops. */
    int64_t lifetime; /* microseconds from now; 0: none */
    int resends;      /* at most; -1: any number */
};

struct layer_unit_in {
    void **lane;         /* the user's, NULL when the unit begins; goes on over the pieces of one unit */
    uint8_t *data;       /* valid until the next receive(); may be written to */
    size_t size;         /* of this piece */
    bool end;            /* the unit's last piece */
    bool reset;          /* the sender took it back, or it will not be completed: no more pieces */
    bool early;          /* came as early data before the handshake ended */
    int64_t received_at; /* the system's stamp of its arrival, CLOCK_BOOTTIME; 0: not asked for */
};

struct layer_fate {
    uint64_t number;
    bool acked;      /* the peer's layer has all of it; false: lost, and the layer will not send it again */
    int64_t sent_at; /* the system's stamp of its departure, CLOCK_BOOTTIME; 0: not asked for */
};

struct layer_units {
    bool gives_up; /* honours lifetime and resends of struct layer_unit_out by itself */
    /* Where the next unit is to be written, and how much fits, at least 1,000 bytes; NULL: no room now, ready(LAYER_WRITABLE) follows. Before
     * establish() is done: a unit of early data, NULL when none may go. lossy: one that the layer shall not send again
     * when it is lost. Units are bound late: there is room only for about what the path takes at once. */
    uint8_t *(*begin)(struct layer *layer, bool lossy, size_t *ret_capacity);
    int (*send)(struct layer *layer,
                const struct layer_unit_out *unit); /* what begin() gave; 0, or the layer is dead */
    /* The largest lossy unit; 0: this stack has none. Never below 1,000 where LAYER_LOSSY is set and it is established. */
    size_t (*lossy_max)(struct layer *layer);
    /* Nothing in that unit is worth sending any more; its fate is told as ever. */
    void (*drop)(struct layer *layer, uint64_t number);
    int (*receive)(struct layer *layer, struct layer_unit_in *ret_unit); /* 0; -EAGAIN; -ENODATA: clean end; dead */
    /* The next, in any order; false: none now, ready(LAYER_READABLE) follows. None is told of early units that the peer did
     * not accept. */
    bool (*fate)(struct layer *layer, struct layer_fate *ret_fate);
    int (*flush)(struct layer *layer); /* the round of writing ends: what is there leaves now. 0, -EAGAIN, or dead */
};

/* Several byte sequences for programs that speak a protocol of their own over them (bare quic/udp). */
struct layer_streams {
    int (*open)(struct layer *layer, bool unidirectional, void *user,
                uint64_t *ret_id); /* -EAGAIN: the peer allows none now */
    /* The next one that the peer opened; user is set from then on. -EAGAIN; -ENODATA: the peer ended the line; or dead. */
    int (*accept)(struct layer *layer, uint64_t *ret_id, bool *ret_unidirectional);
    void (*set_user)(struct layer *layer, uint64_t id, void *user);
    /* As send() and receive() of the layer, of one stream; end: nothing follows. receive: 0 is the end. */
    ssize_t (*send)(struct layer *layer, uint64_t id, const void *data, size_t size, bool end);
    ssize_t (*receive)(struct layer *layer, uint64_t id, void *buffer, size_t size);
    int (*reset)(struct layer *layer, uint64_t id, uint64_t code); /* both directions end now; the id is gone */
    /* Streams with news since the last call: the user's pointer, and what there is. false: none. */
    bool (*news)(struct layer *layer, uint64_t *ret_id, void **ret_user, unsigned *ret_ready, bool *ret_reset,
                 uint64_t *ret_code);
};

struct layer_type {
    const char *name;
    unsigned flags;
    const struct layer_units *units;                  /* with LAYER_UNITS */
    const struct layer_streams *streams;              /* with LAYER_STREAMS */
    const char *(*became)(const struct layer *layer); /* the name of what it turned out to be; NULL: as named */
    /* Makes an instance above `below` (NULL for a bottom layer), which it owns from success on. target: open actively. */
    int (*open)(hawser_context *context, const struct layer_target *target, struct layer *below,
                struct layer **ret_layer);
    /* Makes an instance on the accepting side. Bottom: takes over descriptor fd from success on. tls: for layers that
     * secure. NULL: it only opens. */
    int (*accept)(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                  struct layer **ret_layer);
    /* Goes on with establishment: 0 done, -EAGAIN: call again at the next ready(), other: failed, layer_error() tells. */
    int (*establish)(struct layer *layer);
    /*
     * Takes bytes: how many (> 0), -EAGAIN: none, ready(LAYER_WRITABLE) follows; other: the layer is dead. Bytes taken are the
     * layer's: never offered again. Before establish() is done: early data, as far as early_room() says, else -EAGAIN.
     */
    ssize_t (*send)(struct layer *layer, const void *data, size_t size);
    /* Gives bytes: how many, 0 at the clean end, -EAGAIN: ready(LAYER_READABLE) follows, other: dead. On the
     * accepting side early data comes from here before establish() is done. */
    ssize_t (*receive)(struct layer *layer, void *buffer, size_t size);
    /* With LAYER_DATAGRAMS each call takes or gives one datagram: send() answers -EMSGSIZE above datagram_max(), receive()
     * cuts off what does not fit; 0 is an empty datagram, and -ENODATA the clean end, where the protocol has one.
     * flush(): the round of writing ends, what send() took leaves now (0, -EAGAIN, or dead); without it that happens by
     * itself at the end of the dispatch. NULL: nothing is held. With LAYER_STREAMS, and no LAYER_BYTES, send() and
     * receive() may be NULL. */
    size_t (*datagram_max)(struct layer *layer);
    int (*flush)(struct layer *layer);
    /* The same for several pieces in one system call; NULL: the layer cannot have tls above it. */
    ssize_t (*sendv)(struct layer *layer, const struct iovec *pieces, unsigned count);
    ssize_t (*receivev)(struct layer *layer, const struct iovec *pieces, unsigned count);
    /* Bytes of early data that send() would take now; 0: none. NULL: never any. */
    size_t (*early_room)(struct layer *layer);
    /* Tells the peer that we send no more (close_notify, FIN). 0, or -EAGAIN: call again when writable. Of units it is
     * called when each has its fate; no more of either side is worth anything then, and receive() may end at once. */
    int (*shutdown)(struct layer *layer);
    /* Bottom layers: the descriptor for options, -1 when there is none, and where the two ends are (size 0: not known). */
    int (*descriptor)(const struct layer *layer);
    void (*addresses)(const struct layer *layer, struct layer_address *ret_local, struct layer_address *ret_remote);
    void (*link)(struct layer *layer, struct layer_link *link);                           /* adds what it knows */
    void (*peer)(struct layer *layer, struct layer_peer *peer);                           /* adds what it knows */
    int (*export_key)(struct layer *layer, const char *label, uint8_t *key, size_t size); /* NULL: cannot */
    int (*rekey)(struct layer *layer); /* new keys for sending; NULL: cannot */
    /*
     * With LAYER_MIGRATES, the opening side: goes on from another local address (size 0: as the system chooses) and interface
     * ("": any). It moves when the new path is known to work, and stays where it is when that does not; at_once: the old
     * address is gone, so it moves first. 0: it is being tried; -EAGAIN: not now (the handshake is not confirmed, the peer has
     * given no id for it yet, or another path is being tried); -EOPNOTSUPP: the accepting side, or no such layer. NULL: never.
     */
    int (*migrate)(struct layer *layer, const struct layer_address *local, const char *interface, bool at_once);
    /* Moves to another context's loop: loosen() makes it fit to leave (NULL: it always is), detach() leaves the old, attach()
     * joins the new. What was ready before is not told again: the user goes on receiving and sending, until -EAGAIN, by
     * itself. loosen() gives what shares a socket with others one of its own; -EOPNOTSUPP: it cannot leave its context;
     * other: what the system said. Then it works on where it is. detach NULL: it never leaves. */
    int (*loosen)(struct layer *layer);
    void (*detach)(struct layer *layer);
    int (*attach)(struct layer *layer, hawser_context *context);
    /* An established stack goes to another owner, whose config for TLS it looks at from now on. NULL in tls: it is between two
     * owners, and is only destroyed. NULL here: it looks at none. */
    void (*adopt)(struct layer *layer, const struct tls_config *tls);
    void (*destroy)(struct layer *layer); /* without a word to the peer beyond what the system says; frees */
};

struct layer {
    const struct layer_type *type;
    hawser_context *context;
    struct layer *below, *above;
    /* Set by whoever holds the top; layers between pass it up. Called from the loop only. May destroy the stack. */
    void (*ready)(struct layer *layer, unsigned ready);
    void *user;
    struct layer_error *error; /* NULL until it failed, since thousands of layers are idle and well */
    bool established;          /* layer_establish() was done */
};

/* Goes on with establishment, as type->establish() says; notes when it is done. */
int layer_establish(struct layer *layer);

/* Makes the whole stack fit for detach() and attach(): 0, or the code of the layer that stays. */
int layer_loosen(struct layer *top);
void layer_adopt(struct layer *top, const struct tls_config *tls); /* the whole stack */

/* Notes why a layer failed and returns code. The first reason stays. */
int layer_fail(struct layer *layer, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The error of the layer that failed, searched from the top; code 0 when none did. */
const struct layer_error *layer_error(const struct layer *top);
unsigned layer_flags(const struct layer *top); /* of the whole stack, as it became */
/* The bottom's descriptor, for addresses and options; -1 when there is none. */
int layer_descriptor(const struct layer *top);
void layer_link(struct layer *top, struct layer_link *ret_link); /* the whole stack's */
void layer_peer(struct layer *top, struct layer_peer *ret_peer);
void layer_destroy(struct layer *top); /* the whole stack; NULL is nothing */
/* Where the bottom's two ends are; size 0: not known. */
void layer_addresses(const struct layer *top, struct layer_address *ret_local, struct layer_address *ret_remote);
/* "192.0.2.1:4711" or a unix path ("" when unnamed) of our and the peer's end, and the interface's name. */
void layer_path(const struct layer *top, char *local, size_t local_size, char *remote, size_t remote_size,
                char *interface, size_t interface_size);

/* Builds the stack that `stack` names ("tls/tcp"). -EINVAL: no such stack; layers of it fail later, by establish(). */
int stack_open(hawser_context *context, const char *stack, const struct layer_target *target, struct layer **ret_top);
int stack_accept(hawser_context *context, const char *stack, const struct tls_config *tls, int fd,
                 struct layer **ret_top);
/* The same above a bottom layer that a udp_port made (layer/udp.h): its own from success on. */
int stack_accept_above(hawser_context *context, const char *stack, const struct tls_config *tls, struct layer *bottom,
                       struct layer **ret_top);
/* Puts a layer that accepts on a stack; *top is its new top. */
int stack_add(hawser_context *context, const char *name, struct layer **top);
/* Takes the connected descriptor out of an established stack without tls, and destroys its layers: none of them has
 * read more than it used up. -EOPNOTSUPP: the stack stays, since a layer of it has a protocol of its own to go on with. */
int layer_release(struct layer *top, int *ret_fd);
/* The stack by the names of what its layers became: what falls back is "tls/tcp", though it began as "tls/mptcp". */
void stack_text(const struct layer *top, char *text, size_t size);
/* The i-th stack that hawser knows, NULL past the last; with its flags. */
const char *stack_name(unsigned index, unsigned *ret_flags);
/* Whether there is a layer of this name, hawser's or one that was registered in the context (<hawser/layer.h>). */
bool layer_type_flags(const hawser_context *context, const char *name, unsigned *ret_flags);
/* Whether the stack can be opened in this context: one that stack_name() tells, or a registered transport, alone or below tls. */
bool stack_known(const hawser_context *context, const char *stack);
/* The flags of any stack, and those of its top layer alone. -EINVAL: no such layers. */
int stack_flags(const hawser_context *context, const char *stack, unsigned *ret_flags, unsigned *ret_top_flags);

/* A listening socket. accepted() gets each connection's descriptor, which is then the callee's. */
struct acceptor;
struct acceptor_config {
    struct layer_address local;
    char interface[32];
    int fd; /* a listening socket to take over, or -1 */
    unsigned backlog;
    bool reuse_port, fast_open;
    bool mptcp; /* takes MPTCP, and TCP as ever; what cannot be had is left */
    void (*accepted)(void *user, int fd);
    void *user;
};
int acceptor_new(hawser_context *context, const struct acceptor_config *config, struct acceptor **ret_acceptor);
/* Stops and starts taking connections: they wait in the kernel's queue meanwhile. When descriptors or memory run out the
 * acceptor pauses itself, says so in the log, and tries again after 100 ms. */
void acceptor_pause(struct acceptor *acceptor, bool pause);
int acceptor_descriptor(const struct acceptor *acceptor);
void acceptor_leave_file(struct acceptor *acceptor); /* of a unix socket: somebody else listens on it from now on */
void acceptor_destroy(struct acceptor *acceptor);    /* removes a unix socket's file that it made */

#endif
