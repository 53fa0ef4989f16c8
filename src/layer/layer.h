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
    const char *proxy_user, *proxy_password; /* NULL: none */
};

struct layer_type {
    const char *name;
    unsigned flags;
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
    /* The same for several pieces in one system call; NULL: the layer cannot have tls above it. */
    ssize_t (*sendv)(struct layer *layer, const struct iovec *pieces, unsigned count);
    ssize_t (*receivev)(struct layer *layer, const struct iovec *pieces, unsigned count);
    /* Bytes of early data that send() would take now; 0: none. NULL: never any. */
    size_t (*early_room)(struct layer *layer);
    /* Tells the peer that we send no more (close_notify, FIN). 0, or -EAGAIN: call again when writable. */
    int (*shutdown)(struct layer *layer);
    void (*link)(struct layer *layer, struct layer_link *link);                           /* adds what it knows */
    void (*peer)(struct layer *layer, struct layer_peer *peer);                           /* adds what it knows */
    int (*export_key)(struct layer *layer, const char *label, uint8_t *key, size_t size); /* NULL: cannot */
    int (*rekey)(struct layer *layer); /* new keys for sending; NULL: cannot */
    /* Moves to another context's loop: detach() leaves the old, attach() joins the new. What was ready before is not told
     * again: the user goes on receiving and sending, until -EAGAIN, by itself. */
    void (*detach)(struct layer *layer);
    int (*attach)(struct layer *layer, hawser_context *context);
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
/* "192.0.2.1:4711" or a unix path ("" when unnamed) of our and the peer's end, and the interface's name. */
void layer_path(const struct layer *top, char *local, size_t local_size, char *remote, size_t remote_size,
                char *interface, size_t interface_size);

/* Builds the stack that `stack` names ("tls/tcp"). -EINVAL: no such stack; layers of it fail later, by establish(). */
int stack_open(hawser_context *context, const char *stack, const struct layer_target *target, struct layer **ret_top);
int stack_accept(hawser_context *context, const char *stack, const struct tls_config *tls, int fd,
                 struct layer **ret_top);
/* Takes the connected descriptor out of an established stack without tls, and destroys its layers: none of them has
 * read more than it used up. -EOPNOTSUPP: the stack stays. */
int layer_release(struct layer *top, int *ret_fd);
/* The stack by the names of what its layers became: what falls back is "tls/tcp", though it began as "tls/mptcp". */
void stack_text(const struct layer *top, char *text, size_t size);
/* The i-th stack that hawser knows, NULL past the last; with its flags. */
const char *stack_name(unsigned index, unsigned *ret_flags);

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
void acceptor_destroy(struct acceptor *acceptor); /* removes a unix socket's file that it made */

#endif
