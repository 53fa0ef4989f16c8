/* SPDX-License-Identifier: Apache-2.0 */
/* A new strand's way into an association that lives already (docs/protocol.md section 13). */
#ifndef ASSOCIATION_JOIN_H
#define ASSOCIATION_JOIN_H

#include "association/association.h"
#include "association/join_word.h"

/* The first strand is secured: takes from it what later ones prove themselves by. */
int join_note_secret(hawser_association *association, struct strand *strand);

/* A key for the program, of what both ends share: from the secret; and of a bare line, from its only strand. */
int join_export(const hawser_association *association, const char *label, uint8_t *ret_key, size_t size);
int join_export_first(const hawser_association *association, const char *label, uint8_t *ret_key, size_t size);

/* We opened the strand, and its handshake is done: says JOIN; join_progress() goes on. Negative: it cannot join. */
int join_ask(struct strand *strand);
/* The layers of a strand that joins are ready. */
void join_progress(struct strand *strand);
/* Gives up a strand whose word or answer takes too long; when to look again. */
int64_t join_late(struct strand *strand);
/* Nothing can overtake the answer any more. */
void join_unhush(struct strand *strand);
/* What became of a unit of ours that carried the word. */
void join_fate(struct strand *strand, const struct layer_fate *fate);

/*
 * The first bytes of a strand that a listener's child has: whether they are a JOIN, as far as they are there. Then the
 * strand goes over to its association, or is answered and dropped, or more is awaited; the child has nothing left to do
 * with them. join_heard(): false when the strand is not the child's any more, and may be another thread's.
 */
size_t join_wants(const struct strand *strand); /* over bytes: how many more to read at most, once it has begun */
bool join_begins(const struct strand *strand, const uint8_t *bytes, size_t size);
bool join_heard(hawser_association *child, struct strand *strand, const uint8_t *bytes, size_t size);

/* Whether a strand whose JOIN was heard may join; association NULL: it is not known. Then it is taken, and is in no list
 * before; or the answer is said, as far as it goes at once, and the strand is to be closed: for the reason that is returned.
 * secret: the opener's from now on, if it is taken. */
enum join_code join_judge(const hawser_association *association, const struct strand *strand, uint8_t *ret_secret);
void join_take(hawser_association *association, struct strand *strand, const uint8_t *secret);
const char *join_turn_away(struct strand *strand, enum join_code code);
const uint8_t *join_nonce(const struct strand *strand); /* in its JOIN */
void join_left(hawser_association *child);              /* a listener's child, whose only strand went elsewhere */

/* hand_over.c: the association is served by another context of the same hawser_shared. JOIN_TAKEN: the strand went there;
 * else what is to be answered. */
enum join_code hand_over(hawser_association *child, struct strand *strand, const char *key_name);

void joining_free(struct strand *strand);

#endif
