/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which strand carries what (docs/architecture.md, "Scheduling"). A scheduler is a table of questions that are asked of a
 * strand that has room; it holds nothing itself. The policy and the costs of the strands choose one (scheduler_review()).
 * With one strand there is nothing to choose, and nobody is asked.
 */
#ifndef SESSION_SCHEDULER_H
#define SESSION_SCHEDULER_H

#include "session/internal.h"

struct scheduler {
    /* Whether it carries messages and streams at all. */
    bool (*carries)(const struct session_strand *strand);
    /* Whether it carries what goes before all payload: outcomes, credit, acknowledgements. */
    bool (*leads)(const struct session_strand *strand);
    /*
     * Whether it takes a piece of size bytes now, rather than leave it to the others. backlog: what they would have to send
     * meanwhile for the same purpose, the piece among it, so that waiting for it costs nothing before that is through.
     */
    bool (*takes)(const struct session_strand *strand, uint64_t size, uint64_t backlog);
    /* Whether it carries a copy of a small message that another strand carries. */
    bool (*copies)(const struct session_strand *strand, const struct session_strand *other);
};

extern const struct scheduler scheduler_one;      /* handover: one carries, the others wait */
extern const struct scheduler scheduler_twice;    /* each piece where it arrives first, small messages on two at once */
extern const struct scheduler scheduler_earliest; /* all carry what they deliver before the faster ones would have */
extern const struct scheduler scheduler_frugal;   /* the same, and what costs something only where waiting costs more */

void scheduler_review(struct session *session);
bool scheduler_other_healthy(const struct session_strand *strand); /* there is another that is not suspected */

#endif
