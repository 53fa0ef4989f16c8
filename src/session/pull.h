/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of pulling share: pull.c, pull_message.c, pull_stream.c. */
#ifndef SESSION_PULL_H
#define SESSION_PULL_H

#include "session/internal.h"

#define PROPERTIES_MAX (SESSION_ANTECEDENTS_MAX * VARINT_SIZE_MAX + 64)

enum put { PUT_DONE, PUT_FULL, PUT_BULK, PUT_FAILED };

struct pull {
    struct session *session;
    struct session_strand *strand;
    uint8_t *begin, *at, *end;
    const uint8_t *bulk;
    size_t bulk_size;
};

struct head {
    uint8_t bytes[3 * VARINT_SIZE_MAX + PROPERTIES_MAX + 8];
    size_t size;
};

struct slice {
    uint64_t offset, size;
    const uint8_t *bytes;
    bool again, first, last;
};

/* pull.c */
enum put pull_frame(struct pull *pull, enum frame_type type, const struct head *head, const uint8_t *payload,
                    size_t size);
/* pull_message.c */
enum put pull_message(struct pull *pull, struct chosen *chosen);
/* pull_stream.c */
enum put pull_stream(struct pull *pull, struct chosen *chosen);
/* data_head.c */
bool has_properties(const struct outbound *outbound);
size_t put_properties(struct session *session, const struct outbound *outbound, uint8_t *at);

#endif
