/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of pulling share: pull.c, pull_message.c, pull_stream.c. */
#ifndef SESSION_PULL_H
#define SESSION_PULL_H

#include "session/internal.h"

#define PROPERTIES_MAX (SESSION_ANTECEDENTS_MAX * VARINT_SIZE_MAX + 128)

enum put { PUT_DONE, PUT_FULL, PUT_BULK, PUT_FAILED };

struct pull {
    struct session *session;
    struct session_strand *strand;
    uint8_t *begin, *at, *end;
    const uint8_t *bulk;
    size_t bulk_size;
    bool unit;      /* all of it is copied */
    bool lossy;     /* a unit that will not be sent again */
    uint64_t alone; /* the message that has the unit for itself, since the layers may give it up */
    unsigned class; /* of a unit: of the most urgent in it */
    bool left;      /* there was more than it holds */
    bool copied;    /* what is put now is copied, whatever its size */
};

struct head {
    uint8_t bytes[3 * VARINT_SIZE_MAX + PROPERTIES_MAX + 8];
    size_t size;
};

struct slice {
    uint64_t offset, size;
    const uint8_t *bytes;
    bool again, first, last;
    bool opening; /* lossy: what opens it, sent again without its payload */
    bool full;    /* better in the next unit */
};

/* pull.c */
enum put pull_frame(struct pull *pull, enum frame_type type, const struct head *head, const uint8_t *payload,
                    size_t size);
int pull_fill(struct pull *pull); /* as much as fits; -ENOMEM */
/* The most payload of one frame, behind a head of at most that size; 0: better in the next unit. */
uint64_t pull_room(const struct pull *pull, size_t head, uint64_t wanted);
/* pull_message.c */
enum put put_whole(struct pull *pull,
                   struct outbound *outbound); /* the frame of a small message, and nothing noted of it */
/* The frame of a slice; paid as when it was opened. */
enum put put_slice(struct pull *pull, struct outbound *outbound, const struct slice *slice, uint64_t paid);
enum put pull_message(struct pull *pull, struct chosen *chosen);
/* pull_stream.c */
enum put put_stream_slice(struct pull *pull, const struct session_stream *stream, const struct slice *slice);
enum put pull_stream(struct pull *pull, struct chosen *chosen);
/* copies.c */
int copies_pull(struct pull *pull); /* -ENOMEM */
int tail_pull(struct pull *pull);
/* data_head.c */
bool has_properties(const struct outbound *outbound);
size_t put_properties(struct session *session, const struct outbound *outbound, uint8_t *at);

#endif
