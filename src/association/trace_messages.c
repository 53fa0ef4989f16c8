/* SPDX-License-Identifier: Apache-2.0 */
/* What a trace tells of messages: those of one kind that follow each other closely are one record. */
#include "association/trace_internal.h"

#include <stdio.h>

#define RUN_TIME 10000 /* messages within are one record */

static void put_run(struct trace *trace, const struct trace_line *line, struct trace_run *run)
{
    static const char *const names[] = {"sent", "received", "acked", "expired", "failed"};
    struct json *json;

    if (run->count == 0)
        return;
    json = record_begin(trace, run->begin, line, "hawser:messages");
    json_string(json, "what", names[run->kind]);
    json_unsigned(json, "first", run->first);
    json_unsigned(json, "last", run->last);
    json_unsigned(json, "count", run->count);
    if (run->kind <= TRACE_RECEIVED)
        json_unsigned(json, "bytes", run->bytes);
    json_real(json, "until", (double)(run->end - trace->began) / 1000, 3);
    if (run->strand)
        json_unsigned(json, "strand", run->strand);
    if (run->code) {
        json_signed(json, "code", run->code);
        json_string(json, "reason", run->reason);
    }
    record_end(trace);
    run->count = 0;
}

static struct trace_run *run_of(struct trace *trace, struct trace_line *line, const struct trace_run *wanted)
{
    struct trace_run *oldest = &line->runs[0];

    for (size_t i = 0; i < RUNS; i++) {
        struct trace_run *run = &line->runs[i];

        if (run->count && run->kind == wanted->kind && run->strand == wanted->strand && run->code == wanted->code) {
            if (wanted->begin - run->begin > RUN_TIME)
                put_run(trace, line, run);
            return run;
        }
        if (run->count == 0 || (oldest->count && run->begin < oldest->begin))
            oldest = run;
    }
    put_run(trace, line, oldest);
    return oldest;
}

void trace_messages_add(hawser_association *association, enum trace_message kind, uint64_t first, uint64_t count,
                        uint64_t bytes, int code, const char *reason)
{
    int64_t now = association_now(association);
    struct trace_run wanted = {.kind = kind, .code = code, .begin = now}, *run;
    struct trace_line *line;

    if (!trace_on(association) || count == 0 || !(line = trace_line(association)))
        return;
    trace_stage(association, line);
    if (kind == TRACE_RECEIVED)
        wanted.strand = association->reading;
    run = run_of(association->all->trace, line, &wanted);
    if (run->count == 0) {
        *run = wanted;
        run->first = first;
        snprintf(run->reason, sizeof run->reason, "%s", reason ? reason : "");
    }
    if (first < run->first)
        run->first = first;
    if (first + count - 1 > run->last)
        run->last = first + count - 1;
    run->count += count;
    run->bytes += bytes;
    run->end = now;
    trace_arm(association->all->trace);
}

void trace_runs(struct trace *trace, struct trace_line *line)
{
    for (size_t i = 0; i < RUNS; i++)
        put_run(trace, line, &line->runs[i]);
}
