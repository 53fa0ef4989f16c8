/* SPDX-License-Identifier: Apache-2.0 */
/* The records of a trace, and when they are written (docs/trace.md). */
#include "association/trace_internal.h"

#include <stdio.h>
#include <time.h>

#include <hawser/trace.h>

#include "loop/loop.h"

#define SAMPLE_EVERY 100000

/* ----------------------------------------------------------------------------------------------------------- records */

struct json *record_begin(struct trace *trace, int64_t at, const struct trace_line *line, const char *name)
{
    struct json *json = &trace->json;

    json_object(json, NULL);
    json_real(json, "time", (double)(at - trace->began) / 1000, 3);
    json_string(json, "name", name);
    if (line)
        json_unsigned(json, "association", line->number);
    json_object(json, "data");
    return json;
}

void trace_arm(struct trace *trace)
{
    if (!trace->armed)
        trace->armed =
            loop_timer_set(trace->context, &trace->timer, loop_after(loop_now(trace->context), SAMPLE_EVERY)) == 0;
}

static void line_end(struct trace *trace)
{
    size_t size;
    const char *text = json_line(&trace->json, &size);

    if (text)
        trace_file_add(&trace->file, text, size);
    else
        trace->file.dropped++;
    trace_arm(trace);
}

void record_end(struct trace *trace)
{
    json_object_end(&trace->json);
    json_object_end(&trace->json);
    line_end(trace);
}

static void put_wall_clock(struct json *json)
{
    struct timespec now;
    struct tm tm;
    char text[40], fraction[8];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(fraction, sizeof fraction, ".%03ldZ", now.tv_nsec / 1000000 % 1000);
    strcat(text, fraction);
    json_string(json, "wall_clock_time", text);
}

/* The head, with the names that qlog has for these things (draft-ietf-quic-qlog-main-schema). */
static void put_head(struct trace *trace, const char *title)
{
    struct json *json = &trace->json;

    json_object(json, NULL);
    json_string(json, "file_schema", "urn:hawser:trace:1");
    json_string(json, "serialization_format", "application/x-ndjson");
    json_string(json, "title", title ? title : "");
    json_object(json, "trace");
    json_object(json, "vantage_point");
    json_string(json, "name", "hawser " HAWSER_VERSION);
    json_object_end(json);
    json_object(json, "common_fields");
    json_string(json, "time_format", "relative_to_epoch");
    json_object(json, "reference_time");
    json_string(json, "clock_type", "monotonic");
    json_string(json, "epoch", "unknown");
    put_wall_clock(json);
    json_signed(json, "boottime_us", trace->began);
    json_object_end(json);
    json_object_end(json);
    json_object_end(json);
    json_object_end(json);
    line_end(trace);
}

/* -------------------------------------------------------------------------------------------------------- associations */

struct trace_line *trace_line(hawser_association *association)
{
    if (!association->trace) {
        association->trace = calloc(1, sizeof *association->trace);
        if (association->trace)
            association->trace->number = association->number;
    }
    return association->trace;
}

enum stage { STAGE_NONE, STAGE_BEGUN, STAGE_ESTABLISHED, STAGE_CLOSED };

static void put_stage(hawser_association *association, struct trace_line *line, enum stage stage, const char *what,
                      const char *reason)
{
    struct trace *trace = association->all->trace;
    struct json *json = record_begin(trace, association_now(association), line, "hawser:association");
    hawser_peer peer;

    line->stage = stage;
    json_string(json, "what", what);
    json_string(json, "endpoint", hawser_association_endpoint(association));
    json_bool(json, "bare", association->bare != NULL);
    if (stage == STAGE_ESTABLISHED && hawser_association_peer(association, &peer) == 0)
        json_peer(json, "peer", &peer);
    if (stage == STAGE_CLOSED) {
        json_signed(json, "code", association->code);
        json_bool(json, "by_peer", association->by_peer);
        json_string(json, "reason", reason);
    }
    record_end(trace);
}

void trace_stage(hawser_association *association, struct trace_line *line)
{
    if (line->stage == STAGE_NONE)
        put_stage(association, line, STAGE_BEGUN,
                  association->listener ? "listening"
                  : association->child  ? "accepted"
                                        : "opening",
                  "");
    if (line->stage == STAGE_BEGUN && association->established && !association->listener)
        put_stage(association, line, STAGE_ESTABLISHED, "established", "");
}

void trace_report(hawser_association *association, const hawser_report *report)
{
    struct trace *trace = association->all ? association->all->trace : NULL;
    struct trace_line *line;
    struct json *json;
    char *text;

    if (!trace || !report || !(line = trace_line(association)))
        return;
    trace_stage(association, line);
    if (hawser_report_json(report, &text) < 0)
        return;
    json = record_begin(trace, association_now(association), line, "hawser:race");
    json_raw(json, "report", text);
    record_end(trace);
    free(text);
}

/* ------------------------------------------------------------------------------------------------------------- samples */

static void put_sample(hawser_association *association, struct trace_line *line, const hawser_strand_info *info)
{
    struct trace *trace = association->all->trace;
    struct json *json = record_begin(trace, association_now(association), line, "hawser:sample");

    json_unsigned(json, "strand", info->id);
    if (info->subflow)
        json_unsigned(json, "subflow", info->subflow);
    json_string(json, "state", hawser_strand_state_name(info->state));
    json_strand_numbers(json, info);
    record_end(trace);
}

static void put_statistics(hawser_association *association, struct trace_line *line)
{
    struct trace *trace = association->all->trace;
    hawser_statistics statistics;
    struct json *json;

    if (hawser_association_statistics(association, &statistics) < 0)
        return;
    json = record_begin(trace, association_now(association), line, "hawser:statistics");
    json_statistics(json, &statistics);
    record_end(trace);
}

static bool waits(const hawser_association *association)
{
    hawser_statistics statistics;

    return hawser_association_statistics(association, &statistics) == 0 && statistics.queued_messages > 0;
}

/* Where nothing moved and nothing waits there is nothing to tell; whether any of it is to be looked at again. */
static bool sample(hawser_association *association, struct trace_line *line)
{
    hawser_strand_info info;
    bool moved = false, waiting = waits(association);

    for (unsigned i = 0; hawser_association_strand(association, i, &info) == 0; i++) {
        struct trace_seen *seen = trace_seen(line, info.id, info.subflow, false);
        uint64_t now = info.bytes_sent + info.bytes_received;

        if (!seen || (seen->moved == now && !waiting && info.in_flight_bytes == 0))
            continue;
        moved |= seen->moved != now;
        seen->moved = now;
        put_sample(association, line, &info);
    }
    if (moved || waiting)
        put_statistics(association, line);
    return moved || waiting;
}

/* Whether it is to be looked at again. */
static bool look(hawser_association *association, struct trace_line *line)
{
    bool again;

    trace_stage(association, line);
    trace_runs(association->all->trace, line);
    again = sample(association, line); /* also of those that have just ended */
    trace_strands(association, line);
    return again;
}

static void fire(struct loop_timer *timer, int64_t now)
{
    struct trace *trace = container_of(timer, struct trace, timer);
    struct associations *all = trace->all;
    bool again = false;

    (void)now;
    trace->armed = true; /* what is written now needs no further look */
    for (struct list *at = all->open.next; at != &all->open; at = at->next) {
        hawser_association *association = container_of(at, hawser_association, link);
        struct trace_line *line = association->trace;

        if (line && line->touched) {
            line->touched = false;
            line->touched |= look(association, line);
            again |= line->touched;
        }
    }
    trace->armed = false;
    trace_file_flush(&trace->file);
    if (trace->file.error)
        trace_free(all);
    else if (again || trace->file.size > 0)
        trace_arm(trace);
}

/* ------------------------------------------------------------------------------------------------------ begin and end */

void trace_over(hawser_association *association, const char *reason)
{
    struct trace_line *line;

    if (!trace_on(association) || !(line = trace_line(association)))
        return;
    (void)look(association, line);
    put_stage(association, line, STAGE_CLOSED, "closed", reason);
}

void trace_forget(hawser_association *association)
{
    struct trace_line *line = association->trace;

    if (line && trace_on(association)) {
        trace_runs(association->all->trace, line);
        if (line->stage == STAGE_BEGUN || line->stage == STAGE_ESTABLISHED) {
            trace_strands_end(association, line);
            put_stage(association, line, STAGE_CLOSED, "closed", "");
        }
    }
    free(line);
    association->trace = NULL;
}

void trace_free(struct associations *all)
{
    struct trace *trace = all->trace;

    if (!trace)
        return;
    for (struct list *at = all->open.next; at != &all->open; at = at->next)
        trace_forget(container_of(at, hawser_association, link));
    all->trace = NULL;
    loop_timer_clear(trace->context, &trace->timer);
    trace_file_close(&trace->file);
    if (trace->file.error)
        loop_log(trace->context, HAWSER_LOG_ERROR, "the trace ends: it cannot be written: %s",
                 hawser_strerror(trace->file.error));
    json_free(&trace->json);
    free(trace);
}

int hawser_context_set_trace(hawser_context *context, int fd, const char *title)
{
    struct associations *all;
    struct trace *trace;
    int r = loop_check(context);

    if (r < 0 || (r = associations_of(context, &all)) < 0)
        return r;
    if (fd < 0) {
        trace_free(all);
        return 0;
    }
    trace = calloc(1, sizeof *trace);
    if (!trace)
        return -ENOMEM;
    r = trace_file_open(&trace->file, fd);
    if (r < 0) {
        free(trace);
        return r;
    }
    trace_free(all);
    trace->context = context;
    trace->all = all;
    trace->began = loop_now(context);
    loop_timer_init(&trace->timer, fire);
    all->trace = trace;
    put_head(trace, title);
    for (struct list *at = all->open.next; at != &all->open; at = at->next)
        association_wake(container_of(at, hawser_association, link));
    return 0;
}
