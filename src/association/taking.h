/* SPDX-License-Identifier: Apache-2.0 */
/* Where messages go that come in several frames: what the program answered, until they ended. take.c */
#ifndef ASSOCIATION_TAKING_H
#define ASSOCIATION_TAKING_H

#include "association/association.h"
#include "association/table.h"

#define UNWANTED "its marks are not wanted"

/* What the program answered to HAWSER_ARRIVING. */
struct taking {
    UT_hash_handle hh;
    uint64_t id;
    enum session_take take;
    int fd;          /* SINK, GAPS: -1: none */
    uint64_t offset; /* in it */
    uint8_t *buffer; /* GAPS: the program's; NULL: it takes the parts */
    uint64_t size;   /* GAPS: as was told when it began */
    uint64_t came;   /* GAPS: bytes of it */
    int niceness;
    uint64_t reply_to;
    struct session_marks marks;
    int64_t received_at; /* of its last part */
    char *refusal;       /* given outside of a handler; the next part carries it */
    bool failed;
};

struct taking *taking_find(const hawser_association *association, uint64_t id); /* NULL: none */
void taking_remove(hawser_association *association, struct taking *taking);     /* it is the caller's to free */
void taking_free(struct taking *taking);
void taking_end(hawser_association *association, struct taking *taking); /* both */

#endif
