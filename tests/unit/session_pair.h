/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sessions wired to one another by memcpy(), with the clock in the test's hand; or one session and a test that plays
 * its peer byte by byte. What the ends tell is recorded; a test that wants to answer sets a hook.
 */
#ifndef TEST_SESSION_PAIR_H
#define TEST_SESSION_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/session.h"

#define OPENER 0
#define ACCEPTER 1
#define SECOND INT64_C(1000000)

struct pair;

struct pair_received {
    uint64_t id, size, reply_to;
    uint8_t *data; /* NULL when it went elsewhere */
    int niceness;
    int64_t age;
    bool ordered, antecedent_lost;
};

struct pair_outcome {
    uint64_t id;
    enum session_outcome kind;
    int code;
    bool maybe_delivered;
    char reason[64];
};

struct pair_end {
    struct memory memory; /* first: turned back by a cast */
    size_t blocks, bytes, bytes_peak;
    struct pair *pair;
    unsigned index;
    struct session *session;
    struct session_strand *strand;
    uint64_t random; /* what the session's random() gives */

    struct pair_received *received;
    size_t received_count, received_capacity;
    struct pair_outcome *outcomes;
    size_t outcome_count, outcome_capacity;
    size_t arriving_count, part_count, settled_count, sent_count, abandoned_count, writable_count, silent_count;
    uint64_t part_bytes;
    struct session_stream *stream; /* the last one that was opened by the peer */
    size_t stream_readable_count, stream_closed_count;
    bool stream_reset, hello;
    bool closed, closed_by_peer;
    int close_code;
    uint64_t peer_code;
    char close_reason[128];

    /* Hooks; NULL: only recorded. */
    void (*on_message)(struct pair_end *end, struct session_message *message);
    void (*on_arriving)(struct pair_end *end, struct session_arriving *arriving);
    void (*on_part)(struct pair_end *end, struct session_part *part);
    const uint8_t *(*on_source)(struct pair_end *end, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error);
    bool forget_data;    /* do not keep copies */
    size_t scratch_size; /* of the buffer that bytes are read into; 0: 64 KiB */

    /* Bytes pulled from this end that are not at the other one yet. */
    uint8_t *wire;
    size_t wire_size, wire_capacity;
    bool held;       /* they stay there */
    uint64_t pulled; /* bytes ever */
};

struct pair {
    int64_t now;
    struct pair_end ends[2];
};

/* config may be NULL; its memory, handler, user and opener are set here. */
struct pair *pair_new(const struct session_config *config);
/* One session alone: the test feeds it by pair_feed() and sees what it says in ends[index].wire. */
struct pair *pair_new_lone(unsigned index, const struct session_config *config);
void pair_free(struct pair *pair); /* and checks that nothing leaked */

/* Pulls what an end has to say, at most most bytes (about), onto its wire. */
void pair_pull(struct pair *pair, unsigned from, size_t most);
/* Hands bytes of the wire to the other end. */
void pair_deliver(struct pair *pair, unsigned from, size_t most);
/* Pulls and delivers until both ends are quiet; a held wire fills up and stays. */
void pair_run(struct pair *pair);
void pair_advance(struct pair *pair, int64_t microseconds); /* time passes, the timers run, and then pair_run() */
int pair_feed(struct pair *pair, unsigned to, const void *bytes, size_t size);

/* All strands are gone, what was on the wire is lost, and the ends have one new strand. Both were made with survive. */
void pair_break(struct pair *pair);
/* The end's session is exported and taken up again, strands and wire as by pair_break(). */
void pair_move(struct pair *pair, unsigned index);

struct session_config pair_config(struct pair_end *end);               /* for session_import() */
struct session_stream *pair_stream(struct pair_end *end, uint64_t id); /* that the program knows; NULL */

uint64_t pair_send(struct pair *pair, unsigned from, const struct session_send *send); /* succeeds */
const struct pair_outcome *pair_outcome_of(const struct pair_end *end, uint64_t id);   /* NULL; asserts it is one */
const struct pair_received *pair_received_id(const struct pair_end *end, uint64_t id); /* NULL; asserts it is one */

/* Finds the next frame at *at; false at the end. */
bool pair_frame(const uint8_t **at, const uint8_t *end, uint64_t *ret_type, const uint8_t **ret_body, size_t *ret_size);

#endif
