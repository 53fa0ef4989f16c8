/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ends say on a strand that joins an association which lives already (docs/protocol.md section 13): the
 * words, and the proof in them. No I/O.
 */
#ifndef ASSOCIATION_JOIN_WORD_H
#define ASSOCIATION_JOIN_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOIN_FRAME 0x0f
#define JOIN_ANSWER_FRAME 0x10
#define JOIN_WORD_MAX 256 /* of either, whole */
#define JOIN_SECRET 32
#define JOIN_HOLDER 16
#define JOIN_HOLDERS_MAX 8                              /* moves that the peer need not have heard of */
#define JOIN_LABEL_SECRET "EXPORTER-hawser-association" /* of the first strand */
#define JOIN_LABEL_STRAND "EXPORTER-hawser-join"        /* of the one that joins */

enum join_code {
    JOIN_TAKEN,
    JOIN_UNKNOWN,   /* no such association: the peer may have been restarted, or the proof is wrong */
    JOIN_STALE,     /* the association was moved since: a later epoch is known, or another holder of this one */
    JOIN_FULL,      /* as many strands as an association may have, or its number was used */
    JOIN_MOVED,     /* taken, by an acceptor that was moved itself */
    JOIN_ELSEWHERE, /* it is served by another thread, where strands of this stack cannot go */
};

/* How often an end was moved to another process, and what the processes that took it up drew, the newest last. */
struct join_moves {
    uint64_t epoch;
    unsigned count; /* of holders: at least 1 where epoch is not 0, and at most that */
    uint8_t holders[JOIN_HOLDERS_MAX][JOIN_HOLDER];
};

/* The opener's word, or the answer to it: answers have code and, where that is JOIN_TAKEN or JOIN_MOVED, mac. */
struct join_word {
    uint8_t nonce[16];          /* the opener's, of its HELLO */
    uint64_t number;            /* of the strand in the session */
    struct join_moves opener;   /* the word's */
    struct join_moves acceptor; /* the answer's */
    enum join_code code;
    uint8_t mac[JOIN_SECRET];
};

/* Both write at most JOIN_WORD_MAX bytes; how many. */
size_t join_write(const struct join_word *word, uint8_t *ret_bytes);
size_t join_write_answer(const struct join_word *word, uint8_t *ret_bytes);
/* Reads one that lies at the beginning of bytes: 1 it is there, with *ret_used; 0 more is needed; -EBADMSG it is none. */
int join_read(const uint8_t *bytes, size_t size, struct join_word *ret_word, size_t *ret_used);
int join_read_answer(const uint8_t *bytes, size_t size, struct join_word *ret_word, size_t *ret_used);

/* The proof of who said it: by its end's secret, over what only this new strand exports, and the word. -EIO. */
int join_mac(const uint8_t secret[JOIN_SECRET], bool opener, const uint8_t exported[JOIN_SECRET],
             const struct join_word *word, uint8_t ret_mac[JOIN_SECRET]);
bool join_mac_same(const uint8_t a[JOIN_SECRET], const uint8_t b[JOIN_SECRET]); /* in constant time */

/* One more move: the holder is noted, and the secret becomes one that who held the old one cannot know. -EIO */
int join_move(struct join_moves *moves, uint8_t secret[JOIN_SECRET], const uint8_t holder[JOIN_HOLDER]);
/*
 * What an end says of its moves, held against what is known of it: JOIN_TAKEN, with the secret that it has then, if it is who
 * it says; JOIN_STALE: it is an older holder, or another of the same epoch, of which the first that came is the one;
 * JOIN_UNKNOWN: it was moved more often than it tells.
 */
enum join_code join_follow(const struct join_moves *known, const uint8_t secret[JOIN_SECRET],
                           const struct join_moves *told, uint8_t ret_secret[JOIN_SECRET]);

#endif
