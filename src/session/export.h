/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of exporting and importing share: each function writes or reads, as the coder says. */
#ifndef SESSION_EXPORT_H
#define SESSION_EXPORT_H

#include "base/coder.h"
#include "session/internal.h"

struct moving {
    struct coder *coder;
    struct session *session;
    session_source_read *read; /* writing */
    int64_t shift;             /* reading: added to times of the old process's clock */
};

/* Times of the program's clock; 0 stays 0. */
void move_time(const struct moving *moving, int64_t *time);
/* Writes [offset, end) of a ring as code_put() does. */
void code_ring(struct coder *coder, uint8_t *ring, size_t capacity, uint64_t offset, uint64_t end);

void move_messages(const struct moving *moving);                      /* export_messages.c: ours */
void move_marks(struct coder *coder, struct session_marks *marks);    /* the same */
void move_inbounds(const struct moving *moving);                      /* export_inbound.c: the peer's */
void move_streams(const struct moving *moving);                       /* export_streams.c */
void move_gaps(const struct moving *moving, struct inbound *inbound); /* gaps.c: of one that is taken with gaps */
/* Bytes of a list of pieces, each with its offset, ascending and below end. */
void move_pieces(const struct moving *moving, struct pieces *pieces);

#endif
