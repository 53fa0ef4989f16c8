/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace of a context (docs/trace.md). Without one, each call point costs the look at a pointer. What a strand is, and
 * that its state changed, is found by looking at the list of strands in every work; whoever knows why says so before.
 */
#ifndef ASSOCIATION_TRACE_H
#define ASSOCIATION_TRACE_H

#include <sys/types.h>

#include "association/association.h"
#include "base/json.h"

struct trace;

enum trace_message { TRACE_SENT, TRACE_RECEIVED, TRACE_ACKED, TRACE_EXPIRED, TRACE_FAILED };

static inline bool trace_on(const hawser_association *association)
{
    return association->all && association->all->trace;
}

/* ---- call points; all of them may be called without a trace */

/* Something happened to a strand, why in words: "opened", "active", "standby", "suspected", "closed", or any other word. */
void trace_strand(struct strand *strand, const char *what, const char *reason);
void trace_strand_gone(struct strand *strand); /* before it is freed */
/* An address was told, by us or by the peer; a strand asks to join: what became of it, in a word and in words. */
void trace_told(hawser_association *association, const struct layer_address *address, bool by_peer, const char *what);
void trace_join(hawser_association *association, const struct strand *strand, const char *what, const char *reason);
void trace_report(hawser_association *association, const hawser_report *report); /* how the race went */
void trace_messages_add(hawser_association *association, enum trace_message kind, uint64_t first, uint64_t count,
                        uint64_t bytes, int code, const char *reason);
void trace_look(hawser_association *association);                     /* in every work */
void trace_over(hawser_association *association, const char *reason); /* HAWSER_CLOSED is told */
void trace_forget(hawser_association *association);                   /* before it is freed */
void trace_free(struct associations *all);

static inline void trace_messages(hawser_association *association, enum trace_message kind, uint64_t first,
                                  uint64_t count, uint64_t bytes)
{
    if (trace_on(association))
        trace_messages_add(association, kind, first, count, bytes, 0, NULL);
}

/* ---- between trace.c and trace_file.c */

/* Where records go: bounded, and never waited for. trace_file.c */
struct trace_file {
    int fd;
    bool regular;
    pid_t process; /* whose it is: a forked child has a copy of what is not written yet */
    int error;     /* 0, or why nothing more is written */
    char *buffer;
    size_t size;
    uint64_t dropped; /* records that found no room */
};
int trace_file_open(struct trace_file *file, int fd);                        /* -EBADF, -ENOMEM */
void trace_file_add(struct trace_file *file, const char *line, size_t size); /* with its newline */
void trace_file_flush(struct trace_file *file);                              /* as far as it goes without waiting */
void trace_file_close(struct trace_file *file);                              /* leaves the descriptor */

#endif
