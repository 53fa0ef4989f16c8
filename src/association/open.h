/* SPDX-License-Identifier: Apache-2.0 */
/* The establishment of an association that we open; gone once its end was told. */
#ifndef ASSOCIATION_OPEN_H
#define ASSOCIATION_OPEN_H

#include "association/association.h"
#include "endpoint/endpoint.h"

#define STACKS_MAX 4

struct opening {
    struct endpoint endpoint;
    struct resolution *resolution;
    struct layer_address *addresses; /* those to try, in order */
    size_t address_count;
    char *stack_text; /* the program's list, cut up; NULL: by the address */
    const char *stacks[STACKS_MAX];
    size_t stack_count;
    size_t next;                             /* the candidate to try next: address * stack_count + stack */
    int64_t timeout, deadline;               /* of the whole establishment */
    int64_t attempt_began, attempt_deadline; /* NEVER: no attempt runs */
    struct layer_target target;              /* of the attempt that runs */
    const char *stack;
    bool begun, done, no_early_data, no_fast_open;
    hawser_attempt *attempts;
    size_t attempt_count;
    int code; /* of the attempt that says most about the failure */
    char reason[REASON_SIZE];
};

/* report.c */
/* Takes down how the running attempt ended; layer "" and code 0 for the winner. */
void report_attempt(hawser_association *association, const struct strand *strand, hawser_attempt_outcome outcome,
                    const char *layer, int code, const char *reason);
void report_free(struct opening *opening);

#endif
