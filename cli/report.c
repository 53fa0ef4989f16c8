/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

static void put_path(struct json *json, const hawser_path *path)
{
    json_object(json, "path");
    json_string(json, "interface", path->interface ? path->interface : "");
    json_string(json, "local", path->local ? path->local : "");
    json_string(json, "remote", path->remote ? path->remote : "");
    json_object_end(json);
}

static void put_peer(struct json *json, const hawser_peer *peer)
{
    json_object(json, "peer");
    json_string(json, "name", peer->name ? peer->name : "");
    json_string(json, "key_name", peer->key_name ? peer->key_name : "");
    json_string(json, "verification", hawser_verification_name(peer->verification));
    json_object_end(json);
}

void report_attempts(struct tool *tool, const hawser_attempt *attempts, size_t count)
{
    struct json *json = &tool->json;

    json_list(json, "attempts");
    for (size_t i = 0; i < count; i++) {
        const hawser_attempt *a = &attempts[i];

        json_object(json, NULL);
        json_string(json, "endpoint", a->endpoint);
        put_path(json, &a->path);
        json_string(json, "stack", a->stack);
        json_signed(json, "start_us", event_time(tool, a->start_us));
        json_signed(json, "end_us", event_time(tool, a->end_us));
        json_string(json, "outcome", hawser_attempt_outcome_name(a->outcome));
        json_string(json, "layer", a->layer ? a->layer : "");
        json_signed(json, "code", a->code);
        json_string(json, "reason", a->reason ? a->reason : "");
        json_string(json, "reached", a->reached ? a->reached : "");
        json_signed(json, "reached_us", a->reached_us > 0 ? event_time(tool, a->reached_us) : 0);
        json_bool(json, "bare", a->bare);
        json_bool(json, "early_data", a->early_data);
        json_object_end(json);
    }
    json_list_end(json);
}

void report_established(struct tool *tool, const hawser_event *event, bool quiet)
{
    struct json *json = event_begin(tool, "established");
    const char *name = event->established.peer.name;
    char text[UNIT_TEXT_SIZE];

    json_string(json, "stack", event->established.stack);
    put_path(json, &event->established.path);
    put_peer(json, &event->established.peer);
    json_signed(json, "rtt_us", event->established.rtt_us);
    json_signed(json, "elapsed_us", event->established.elapsed_us);
    json_unsigned(json, "round_trips", event->established.round_trips);
    json_bool(json, "early_data", event->established.early_data);
    json_bool(json, "resumed", event->established.resumed);
    json_bool(json, "bare", event->established.bare);
    report_attempts(tool, event->established.attempts, event->established.attempt_count);
    event_end(tool);
    if (quiet)
        return;
    say(tool, "line to %s over %s to %s in %s, verification %s", name && *name ? name : "an unnamed peer",
        event->established.stack, event->established.path.remote, format_duration(event->established.elapsed_us, text),
        hawser_verification_name(event->established.peer.verification));
}

void report_accepted(struct tool *tool, const hawser_event *event)
{
    struct json *json = event_begin(tool, "accepted");
    const char *name = event->accepted.peer.name;
    hawser_strand_info strand = {.stack = "", .path = {"", "", ""}};

    hawser_association_strand(event->accepted.association, 0, &strand);
    json_string(json, "stack", strand.stack);
    put_path(json, &strand.path);
    put_peer(json, &event->accepted.peer);
    json_signed(json, "rtt_us", strand.rtt_us);
    json_bool(json, "early", event->accepted.early);
    json_bool(json, "bare", event->accepted.bare);
    event_end(tool);
    say(tool, "accepted %s from %s over %s, verification %s", name && *name ? name : "a peer without a key",
        strand.path.remote, strand.stack, hawser_verification_name(event->accepted.peer.verification));
}

void report_closed(struct tool *tool, const hawser_event *event, const char *what, const char *who)
{
    struct json *json = event_begin(tool, "closed");
    const char *reason = event->closed.reason && *event->closed.reason ? event->closed.reason : NULL;

    if (!reason && event->closed.code != 0)
        reason = hawser_strerror(event->closed.code);
    json_signed(json, "code", event->closed.code);
    json_string(json, "reason", reason ? reason : "");
    json_string(json, "error", event->closed.code == 0 ? "" : hawser_error_name(event->closed.code));
    json_unsigned(json, "peer_code", event->closed.peer_code);
    json_bool(json, "by_peer", event->closed.by_peer);
    if (event->closed.attempts)
        report_attempts(tool, event->closed.attempts, event->closed.attempt_count);
    event_end(tool);
    if (event->closed.code != 0 && what)
        complain(tool, "%s %s: %s", what, who, reason_after(reason, who));
}

static void put_more(struct json *json, const hawser_strand_info *strand)
{
    json_unsigned(json, "strand", strand->id);
    json_signed(json, "number", strand->number);
    if (strand->subflow)
        json_unsigned(json, "subflow", strand->subflow);
    json_signed(json, "min_rtt_us", strand->min_rtt_us);
    json_unsigned(json, "rate", strand->delivery_rate);
    if (strand->loss_ppm < 0)
        json_null(json, "loss_ppm");
    else
        json_signed(json, "loss_ppm", strand->loss_ppm);
    json_unsigned(json, "mtu", strand->mtu);
    json_string(json, "type", strand->type);
    json_signed(json, "cost", strand->cost);
    json_bool(json, "metered", strand->metered);
    json_unsigned(json, "queued", strand->queued_bytes);
    json_unsigned(json, "in_flight", strand->in_flight_bytes);
    json_unsigned(json, "resent", strand->resent_bytes);
    json_unsigned(json, "moved", strand->moved_bytes);
    json_unsigned(json, "duplicated", strand->duplicated_bytes);
    json_unsigned(json, "suspicions", strand->suspicions);
}

void report_strands(struct json *json, hawser_association *association)
{
    hawser_strand_info strand;

    json_list(json, "strands");
    for (unsigned i = 0; hawser_association_strand(association, i, &strand) == 0; i++) {
        json_object(json, NULL);
        put_path(json, &strand.path);
        json_string(json, "stack", strand.stack);
        json_string(json, "state", hawser_strand_state_name(strand.state));
        json_signed(json, "rtt_us", strand.rtt_us);
        json_unsigned(json, "bytes_sent", strand.bytes_sent);
        json_unsigned(json, "bytes_received", strand.bytes_received);
        put_more(json, &strand);
        json_object_end(json);
    }
    json_list_end(json);
}

void report_paths(struct tool *tool, hawser_association *association)
{
    report_strands(event_begin(tool, "paths"), association);
    event_end(tool);
}

const char *stack_of(hawser_association *association)
{
    hawser_strand_info strand;

    return hawser_association_strand(association, 0, &strand) == 0 ? strand.stack : "";
}

const char *outcome_event(hawser_outcome outcome)
{
    switch (outcome) {
    case HAWSER_ACKED:
        return "acked";
    case HAWSER_EXPIRED:
        return "expired";
    case HAWSER_HANDED_OVER:
        return "handed-over";
    case HAWSER_SEND_FAILED:
        break;
    }
    return "failed";
}
