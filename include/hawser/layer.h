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

#ifdef __cplusplus
}
#endif

#endif
