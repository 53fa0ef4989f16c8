/* SPDX-License-Identifier: Apache-2.0 */
/* A report as one JSON object (docs/racing.md says what the fields mean). */
#include <errno.h>
#include <stdlib.h>

#include <hawser/hawser.h>

#include "base/json.h"

static void put_path(struct json *json, const hawser_path *path)
{
    json_object(json, "path");
    json_string(json, "interface", path->interface);
    json_string(json, "local", path->local);
    json_string(json, "remote", path->remote);
    json_object_end(json);
}

static void put_attempt(struct json *json, const hawser_attempt *attempt)
{
    json_object(json, NULL);
    json_string(json, "endpoint", attempt->endpoint);
    put_path(json, &attempt->path);
    json_string(json, "stack", attempt->stack);
    json_bool(json, "bare", attempt->bare);
    json_signed(json, "start_us", attempt->start_us);
    json_signed(json, "end_us", attempt->end_us);
    json_string(json, "outcome", hawser_attempt_outcome_name(attempt->outcome));
    json_string(json, "layer", attempt->layer);
    json_signed(json, "code", attempt->code);
    json_string(json, "reason", attempt->reason);
    json_string(json, "reached", attempt->reached);
    json_signed(json, "reached_us", attempt->reached_us);
    json_signed(json, "answered_us", attempt->answered_us);
    json_bool(json, "early_data", attempt->early_data);
    json_object_end(json);
}

static void put_lookup(struct json *json, const hawser_lookup *lookup)
{
    json_object(json, NULL);
    json_string(json, "name", lookup->name);
    json_string(json, "question", lookup->question);
    json_signed(json, "start_us", lookup->start_us);
    json_signed(json, "end_us", lookup->end_us);
    json_signed(json, "code", lookup->code);
    json_string(json, "result", lookup->result);
    json_string(json, "dnssec", lookup->dnssec);
    json_object_end(json);
}

static void put_chosen(struct json *json, const hawser_report *report)
{
    json_string(json, "stack", report->stack);
    json_bool(json, "bare", report->bare);
    put_path(json, &report->path);
    json_string(json, "peer_name", report->peer_name);
    json_string(json, "verification", report->verification);
    json_string(json, "alpn", report->alpn);
    json_unsigned(json, "round_trips", report->round_trips);
    json_bool(json, "early_data_sent", report->early_data_sent);
    json_bool(json, "early_data_accepted", report->early_data_accepted);
    json_bool(json, "resumed", report->resumed);
    json_bool(json, "fast_open", report->fast_open);
    json_string(json, "dnssec", report->dnssec);
}

int hawser_report_json(const hawser_report *report, char **ret_text)
{
    struct json json = {.text = NULL};

    json_object(&json, NULL);
    json_string(&json, "endpoint", report->endpoint);
    json_signed(&json, "code", report->code);
    json_string(&json, "error", report->code ? hawser_error_name(report->code) : "");
    json_string(&json, "reason", report->reason);
    json_signed(&json, "start_us", report->start_us);
    json_signed(&json, "end_us", report->end_us);
    put_chosen(&json, report);
    json_list(&json, "attempts");
    for (size_t i = 0; i < report->attempt_count; i++)
        put_attempt(&json, &report->attempts[i]);
    json_list_end(&json);
    json_list(&json, "lookups");
    for (size_t i = 0; i < report->lookup_count; i++)
        put_lookup(&json, &report->lookups[i]);
    json_list_end(&json);
    json_object_end(&json);
    return json_take(&json, ret_text);
}
