/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program can add to hawser: framers and, in part 2 below, transports.
 *
 * Framers: how messages of a bare association look on the wire (RFC 9622 section 9.1.2, RFC 9623 section 6). hawser has
 * four (none, length prefix, lines, fixed size); a program writes its own with this table. examples/http_framer.c reads
 * HTTP/1.1 responses with it. docs/framers.md is the guide.
 */
#ifndef HAWSER_LAYER_H
#define HAWSER_LAYER_H

#include <sys/socket.h>
#include <sys/uio.h>

#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAWSER_FRAMER_VERSION 1

typedef struct hawser_framing hawser_framing; /* one connection's framer: a handle for the calls below */

/*
 * One table a protocol; members that are NULL do nothing. The functions run inside dispatch, or inside hawser_associate()
 * and the sending calls, and call nothing of hawser's but the functions below.
 */
struct hawser_framer {
    unsigned version; /* HAWSER_FRAMER_VERSION */
    const char *name;
    size_t state_size; /* bytes of zeroed memory a connection */
    /* A connection is up (each attempt of a race has its own framer): may write first. 0, or negative: it fails. */
    int (*start)(hawser_framing *framing, void *state);
    /*
     * The first exchange, where it is part of the race (S4.27): 0: this candidate is good, and *ret_used bytes are used up
     * (0 as it comes; the rest goes to decode); -EAGAIN: more bytes are needed, none is used; other: this candidate
     * lost, with the reason given to hawser_framing_fail(). end: the peer sends no more, and -EAGAIN counts as failure.
     * NULL: the race ends below the framer.
     */
    int (*greet)(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end, size_t *ret_used);
    /*
     * A message of the program's, as it goes over the wire: either all of it in memory (encode), or what goes before its
     * bytes and after them, which then go as they are, and need never be in memory together (before, after; size may be
     * HAWSER_SIZE_UNKNOWN: -EAGAIN has the message gathered first, and asks again with its size). None of the three:
     * messages go as they are. 0, or negative: the message ends as send-failed, and nothing of it was written. after()
     * must not fail. end: the program's last (hawser_message_options.final).
     */
    int (*encode)(hawser_framing *framing, void *state, const void *data, size_t size, bool end);
    int (*before)(hawser_framing *framing, void *state, uint64_t size, bool end);
    void (*after)(hawser_framing *framing, void *state, bool end);
    /*
     * Bytes came: delivers what is whole; how many bytes are used up (the others come again with more), or negative: the
     * connection fails. end: the peer sends no more (called once, also with no bytes); what is not used up then fails
     * the connection. NULL: all that comes is one message, in parts.
     */
    ssize_t (*decode)(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end);
    void (*stop)(hawser_framing *framing, void *state); /* frees what start() and the others took */
};

/* Inside the functions above: */
HAWSER_API int hawser_framing_write(hawser_framing *framing, const void *data, size_t size); /* copied; -ENOMEM */
/* In decode(): a message, or with last false a part of one, the others following; total: its whole size, or
 * HAWSER_SIZE_UNKNOWN. The bytes are used during the call. -HAWSER_ELARGE, -EINVAL (total is not met), -ECANCELED (the
 * association has ended), to be returned. */
HAWSER_API int hawser_framing_deliver(hawser_framing *framing, const void *data, size_t size, uint64_t total,
                                      bool last);
/* Bytes that decode() or greet() needs before it can go on, so that it is not called for each packet of a large message.
 * -HAWSER_ELARGE: more than hawser_framing_limit() and 64 KiB. */
HAWSER_API int hawser_framing_want(hawser_framing *framing, size_t size);
/* How large a message delivered in one piece may be; larger ones can be delivered in parts. */
HAWSER_API uint64_t hawser_framing_limit(const hawser_framing *framing);
/* Says why, in words for reports, and returns code. */
HAWSER_API int hawser_framing_fail(hawser_framing *framing, int code, const char *reason);
HAWSER_API void *hawser_framing_user(const hawser_framing *framing);       /* framer_user of the options */
HAWSER_API const char *hawser_framing_host(const hawser_framing *framing); /* the name asked for, "" on a listener */

/*
 * Those that hawser has, by name: "none", "length" (4 bytes before, network order), "length2", "lines" (LF after; a CR
 * before it is dropped), "fixed:SIZE". -EINVAL. They live as long as the process; framer_user goes with the framer into the
 * options, and needs no freeing.
 */
HAWSER_API int hawser_framer_find(const char *name, const hawser_framer **ret_framer, void **ret_framer_user);

/* ----------------------------------------------------------------------------------------------- part 2: transports */

/*
 * Transports: the bottom layer of a stack, written outside of hawser, in a program or in a shared object that a program
 * loads (S1.6, S1.22). Once registered, "NAME" and "tls/NAME" are stacks of that context, by their names in the `stack`
 * options, and everything above is the same: TLS, hawser/1, messages, reports. tests/plugin/ring.c is one.
 *
 * The table and the handle below are all that a transport sees; what hawser's own layers look like may change beneath.
 * Functions run inside dispatch, or inside the call that opens a line, and never wait. They call nothing of hawser's but
 * the functions below.
 */
#define HAWSER_LAYER_VERSION 1

typedef struct hawser_transport hawser_transport; /* one connection: a handle for the calls below */

enum hawser_layer_flags {
    HAWSER_LAYER_BYTES = 1, /* an ordered, complete sequence of bytes each way; what version 1 knows */
};
enum hawser_layer_ready { HAWSER_LAYER_READABLE = 1, HAWSER_LAYER_WRITABLE = 2 };

typedef struct hawser_layer_link { /* what is known of the path; 0: not known */
    size_t struct_size;
    int64_t rtt_us, min_rtt_us;
    uint64_t delivery_rate;              /* bytes per second */
    uint64_t bytes_sent, bytes_received; /* below this layer */
    uint32_t unsent;                     /* bytes that are held here and were not sent */
} hawser_layer_link;

typedef struct hawser_layer {
    unsigned version; /* HAWSER_LAYER_VERSION */
    unsigned flags;
    const char *name;  /* lower-case letters, digits and dashes, at most 31 */
    size_t state_size; /* bytes of zeroed memory a connection */
    /* Opens towards remote, an address of any family; local: what the program asked to leave from, NULL: any. 0, or
     * negative: this candidate cannot be, and is left out. What fails later fails in establish(). */
    int (*open)(hawser_transport *transport, void *state, const struct sockaddr *remote, socklen_t remote_size,
                const struct sockaddr *local, socklen_t local_size);
    /* Takes over fd, of a connection that was accepted on an endpoint of hawser_listen(): the transport's from success
     * on. NULL: it only opens. */
    int (*accept)(hawser_transport *transport, void *state, int fd);
    /* Goes on with establishment: 0: done; -EAGAIN: again when something is ready; other: failed. */
    int (*establish)(hawser_transport *transport, void *state);
    /* Bytes taken (> 0), which are never offered again; -EAGAIN: none, and writable follows; other: dead. */
    ssize_t (*send)(hawser_transport *transport, void *state, const struct iovec *pieces, unsigned count);
    /* Bytes given; 0: the clean end; -EAGAIN: none, and readable follows; other: dead. */
    ssize_t (*receive)(hawser_transport *transport, void *state, const struct iovec *pieces, unsigned count);
    /* We send no more, the peer may. 0, or -EAGAIN: again when writable. */
    int (*shutdown)(hawser_transport *transport, void *state);
    /* A descriptor that it watches became ready: POLL* bits, once each time. NULL: POLLIN is readable, POLLOUT writable, as
     * hawser_transport_ready() would say. */
    void (*watched)(hawser_transport *transport, void *state, int fd, short events);
    /* The descriptor that stands for it: addresses and the interface are asked of it. NULL: none, and reports are empty there. */
    int (*descriptor)(hawser_transport *transport, void *state);
    void (*link)(hawser_transport *transport, void *state, hawser_layer_link *link); /* NULL: nothing is known */
    void (*close)(hawser_transport *transport, void *state); /* ends it without a word, and frees all */
} hawser_layer;

/*
 * Registers a transport in a context; the table stays the caller's and must outlive the context, as must the shared object
 * that it is in. -EINVAL (version, flags, a function is missing that may not be NULL, the name), -EEXIST (there is a layer
 * of this name), -ENOSPC (more than 16), -ENOMEM.
 */
HAWSER_API int hawser_layer_register(hawser_context *context, const hawser_layer *layer);

/* Inside a transport's functions: */
/* Something can be done: bits of hawser_layer_ready. What is above is called in this dispatch, not inside this call. */
HAWSER_API void hawser_transport_ready(hawser_transport *transport, unsigned ready);
/* Watches a descriptor of the transport's: POLLIN, POLLOUT; 0: no more, before it is closed. At most 4. -ENOSPC, -EPERM */
HAWSER_API int hawser_transport_watch(hawser_transport *transport, int fd, short events);
HAWSER_API int64_t hawser_transport_now(const hawser_transport *transport);
/* Notes why it failed, in words for reports, and returns code. */
HAWSER_API int hawser_transport_fail(hawser_transport *transport, int code, const char *reason);

#ifdef __cplusplus
}
#endif

#endif
