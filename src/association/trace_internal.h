/* SPDX-License-Identifier: Apache-2.0 */
/* What a trace is made of: private to trace.c, trace_strands.c, trace_messages.c. */
#ifndef ASSOCIATION_TRACE_INTERNAL_H
#define ASSOCIATION_TRACE_INTERNAL_H

#include "association/json.h"
#include "association/trace.h"

enum { RUNS = 16, SEEN = 16, REASON = 96 };

/* Messages of one kind, by one strand, that follow each other. */
struct trace_run {
    enum trace_message kind;
    unsigned strand; /* 0: not known */
    int code;
    uint64_t first, last, count, bytes; /* count 0: empty */
    int64_t begin, end;
    char reason[REASON];
};

/* A strand, or a subflow of one, as it was last told. */
struct trace_seen {
    unsigned strand, subflow; /* strand 0: none */
    hawser_strand_state state;
    uint64_t moved;
    bool here;
};

/* Of an association. */
struct trace_line {
    unsigned number;
    int stage; /* what was told of it */
    bool touched;
    uint64_t mixed; /* of the strands and their states, when they were last looked at */
    struct trace_seen seen[SEEN];
    struct trace_run runs[RUNS];
};

struct trace {
    hawser_context *context;
    struct associations *all;
    struct trace_file file;
    struct loop_timer timer;
    bool armed;
    int64_t began;
    struct json json;
};

/* trace.c */
struct trace_line *trace_line(hawser_association *association); /* makes it; NULL: no memory */
/* Around the members of a record's data. line: NULL when it is about no association. */
struct json *record_begin(struct trace *trace, int64_t at, const struct trace_line *line, const char *name);
void record_end(struct trace *trace);
void trace_arm(struct trace *trace); /* something is to be written */
void trace_stage(hawser_association *association, struct trace_line *line);

/* trace_strands.c */
void trace_strands(hawser_association *association, struct trace_line *line); /* against what was told */
void trace_strands_end(hawser_association *association, struct trace_line *line);
struct trace_seen *trace_seen(struct trace_line *line, unsigned strand, unsigned subflow, bool make);

/* trace_messages.c */
void trace_runs(struct trace *trace, struct trace_line *line); /* writes those that are open */

#endif
