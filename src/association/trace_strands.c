/* SPDX-License-Identifier: Apache-2.0 */
/* What a trace tells of strands: as they come, change and go, and what those who know why say of them. */
#include "association/trace_internal.h"

#include <arpa/inet.h>
#include <stdio.h>

static const char *word_of(hawser_strand_state state)
{
    return state == HAWSER_STRAND_OPENING ? "opened" : hawser_strand_state_name(state);
}

static void put_strand(hawser_association *association, struct trace_line *line, const hawser_strand_info *info,
                       const char *what, const char *reason, int code)
{
    struct trace *trace = association->all->trace;
    struct json *json = record_begin(trace, association_now(association), line, "hawser:strand");

    json_string(json, "what", what);
    json_strand(json, info);
    if (code)
        json_signed(json, "code", code);
    json_string(json, "reason", reason ? reason : "");
    record_end(trace);
}

struct trace_seen *trace_seen(struct trace_line *line, unsigned strand, unsigned subflow, bool make)
{
    struct trace_seen *room = NULL;

    for (size_t i = 0; i < SEEN; i++) {
        struct trace_seen *seen = &line->seen[i];

        if (seen->strand == strand && seen->subflow == subflow)
            return seen;
        if (!room && seen->strand == 0)
            room = seen;
    }
    if (!make || !room)
        return NULL;
    *room = (struct trace_seen){.strand = strand, .subflow = subflow, .state = HAWSER_STRAND_CLOSED};
    return room;
}

/* What is known of one strand by its number; false: it is not in the list. */
static bool info_of(const hawser_association *association, unsigned strand, hawser_strand_info *info)
{
    for (unsigned i = 0; hawser_association_strand(association, i, info) == 0; i++)
        if (info->id == strand)
            return true;
    return false;
}

static void put_gone(hawser_association *association, struct trace_line *line, struct trace_seen *seen, int code,
                     const char *reason)
{
    hawser_strand_info info = {.id = seen->strand,
                               .subflow = seen->subflow,
                               .stack = "",
                               .outside = "",
                               .type = "",
                               .state = HAWSER_STRAND_CLOSED,
                               .path = {"", "", ""},
                               .number = -1,
                               .loss_ppm = -1};

    seen->strand = 0;
    (void)info_of(association, info.id, &info);
    info.state = HAWSER_STRAND_CLOSED;
    put_strand(association, line, &info, "closed", reason, code);
}

/* Strands and subflows as they are now, against what was told. */
void trace_strands(hawser_association *association, struct trace_line *line)
{
    hawser_strand_info info;

    for (size_t i = 0; i < SEEN; i++)
        line->seen[i].here = false;
    for (unsigned i = 0; hawser_association_strand(association, i, &info) == 0; i++) {
        struct trace_seen *seen = trace_seen(line, info.id, info.subflow, false);
        bool new = !seen;

        if (new)
            seen = trace_seen(line, info.id, info.subflow, info.state != HAWSER_STRAND_CLOSED);
        if (!seen)
            continue;
        seen->here = true;
        if (new &&info.state != HAWSER_STRAND_OPENING)
            put_strand(association, line, &info, "opened", "", 0);
        if (new || seen->state != info.state)
            put_strand(association, line, &info, word_of(info.state), "", 0);
        seen->state = info.state;
        if (info.state == HAWSER_STRAND_CLOSED)
            seen->strand = 0;
    }
    for (size_t i = 0; i < SEEN; i++)
        if (line->seen[i].strand && !line->seen[i].here)
            put_gone(association, line, &line->seen[i], 0, "");
}

/* What trace_strands() would look at, for no more than a few instructions a strand. */
static uint64_t mix_of(const hawser_association *association)
{
    uint64_t mix = 1;

    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        if (strand->top)
            mix = mix * 31 + strand->id * 8 + (uint64_t)strand_state(strand);
    }
    return mix;
}

void trace_look(hawser_association *association)
{
    struct trace_line *line;
    uint64_t mix;

    if (!trace_on(association) || !(line = trace_line(association)))
        return;
    trace_stage(association, line);
    mix = mix_of(association);
    if (mix != line->mixed || association->path_changed)
        trace_strands(association, line);
    line->mixed = mix;
    line->touched = true;
    trace_arm(association->all->trace);
}

void trace_strand(struct strand *strand, const char *what, const char *reason)
{
    hawser_association *association = strand->association;
    struct trace_line *line;
    hawser_strand_info info;
    struct trace_seen *seen;

    if (!trace_on(association) || !(line = trace_line(association)))
        return;
    trace_stage(association, line);
    if (!info_of(association, strand->id, &info))
        return;
    put_strand(association, line, &info, what, reason, 0);
    seen = trace_seen(line, info.id, info.subflow, strcmp(what, "closed") != 0);
    for (int state = HAWSER_STRAND_OPENING; seen && state <= HAWSER_STRAND_CLOSED; state++)
        if (strcmp(what, word_of((hawser_strand_state)state)) == 0)
            seen->state = (hawser_strand_state)state;
}

void trace_strand_gone(struct strand *strand)
{
    hawser_association *association = strand->association;
    struct trace_line *line = association->trace;

    if (!trace_on(association) || !line)
        return;
    for (size_t i = 0; i < SEEN; i++)
        if (line->seen[i].strand == strand->id)
            put_gone(association, line, &line->seen[i], strand->code, strand->reason);
}

static void put_address(struct json *json, const struct layer_address *address)
{
    const struct sockaddr_in6 *six = (const void *)&address->address;
    const struct sockaddr_in *four = (const void *)&address->address;
    char ip[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 16];

    if (address->address.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, ip, sizeof ip);
        snprintf(text, sizeof text, "[%s]:%u", ip, ntohs(six->sin6_port));
    } else {
        inet_ntop(AF_INET, &four->sin_addr, ip, sizeof ip);
        snprintf(text, sizeof text, "%s:%u", ip, ntohs(four->sin_port));
    }
    json_string(json, "address", text);
}

void trace_told(hawser_association *association, const struct layer_address *address, bool by_peer, const char *what)
{
    struct trace_line *line;
    struct json *json;

    if (!trace_on(association) || !(line = trace_line(association)))
        return;
    json = record_begin(association->all->trace, association_now(association), line, "hawser:told");
    json_string(json, "what", what);
    put_address(json, address);
    json_bool(json, "by_peer", by_peer);
    record_end(association->all->trace);
}

void trace_join(hawser_association *association, const struct strand *strand, const char *what, const char *reason)
{
    struct trace_line *line;
    struct json *json;

    if (!trace_on(association) || !(line = trace_line(association)))
        return;
    json = record_begin(association->all->trace, association_now(association), line, "hawser:join");
    json_string(json, "what", what);
    json_unsigned(json, "strand", strand ? strand->id : 0);
    json_string(json, "reason", reason ? reason : "");
    record_end(association->all->trace);
}

/* An association goes without an end of its own: what came by it joined another, or was turned away. */
void trace_strands_end(hawser_association *association, struct trace_line *line)
{
    for (size_t i = 0; i < SEEN; i++)
        if (line->seen[i].strand)
            put_gone(association, line, &line->seen[i], 0, "");
}
