/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framers: how messages of a bare association look on the wire (RFC 9622 section 9.1.2, RFC 9623 section 6). hawser has
 * four (none, length prefix, lines, fixed size); a program writes its own with this table. examples/http_framer.c reads
 * HTTP/1.1 responses with it. docs/framers.md is the guide.
 */
#ifndef HAWSER_LAYER_H
#define HAWSER_LAYER_H

#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAWSER_FRAMER_VERSION 1

typedef struct hawser_framing hawser_framing; /* one connection's framer: a handle for the calls below */

struct hawser_framer {
    unsigned version; /* HAWSER_FRAMER_VERSION */
    const char *name;
    size_t state_size; /* bytes of zeroed memory a connection */
    /* A connection is up (each attempt of a race has its own framer): may write first. 0, or negative: it fails. NULL: none. */
    int (*start)(hawser_framing *framing, void *state);
    /*
     * The first exchange, where it is part of the race (S4.27): 0: this candidate is good, and *ret_used bytes are used up
     * (the rest goes to decode); -EAGAIN: more bytes are needed, none is used; other: this candidate lost, with the
     * reason given to hawser_framing_fail(). end: the peer sends no more. NULL: the race ends below the framer.
     */
    int (*greet)(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end, size_t *ret_used);
    /* A message of the program's: writes it, framed. 0, or negative: it ends as send-failed (nothing was written). NULL: as
     * it is. end: the program's last (hawser_message_options.final). */
    int (*encode)(hawser_framing *framing, void *state, const void *data, size_t size, bool end);
    /*
     * Bytes came: delivers what is whole; how many bytes are used up (the others come again with more), or negative: the
     * connection fails. Must use some, or deliver, once size is at least what hawser_framing_want() asked for. end: the
     * peer sends no more; what is not used up then fails the connection. NULL: each piece is a part of one message.
     */
    ssize_t (*decode)(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end);
    void (*stop)(hawser_framing *framing, void *state); /* frees what start() took; NULL: nothing */
};

/* Inside the functions above: */
HAWSER_API int hawser_framing_write(hawser_framing *framing, const void *data, size_t size); /* copied; -ENOMEM */
/* A message, or with last false a part of one, which is then told by HAWSER_PART; total: its whole size, or
 * HAWSER_SIZE_UNKNOWN. The bytes are used during the call. */
HAWSER_API int hawser_framing_deliver(hawser_framing *framing, const void *data, size_t size, uint64_t total,
                                      bool last);
/* Bytes that decode() or greet() needs before it can go on; bounded by the association's max_message. -HAWSER_ELARGE */
HAWSER_API int hawser_framing_want(hawser_framing *framing, size_t size);
/* Says why, in words for reports and returns code. */
HAWSER_API int hawser_framing_fail(hawser_framing *framing, int code, const char *reason);
HAWSER_API void *hawser_framing_user(const hawser_framing *framing);       /* framer_user of the options */
HAWSER_API const char *hawser_framing_host(const hawser_framing *framing); /* the name asked for, "" on a listener */

/* Those that hawser has, by name: "none", "length" (4 bytes, network order), "length2", "lines" (LF, a CR before it is
 * dropped), "fixed:SIZE". -EINVAL. They live as long as the process; fixed ones are described by framer_user. */
HAWSER_API int hawser_framer_find(const char *name, const hawser_framer **ret_framer, void **ret_framer_user);

#ifdef __cplusplus
}
#endif

#endif
