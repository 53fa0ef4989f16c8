/* SPDX-License-Identifier: Apache-2.0 */
/* An association as JSON, for those who look from outside: the control socket, the trace. (S2.8; docs/trace.md) */
#include "association/json.h"

void json_path(struct json *json, const char *name, const hawser_path *path)
{
    json_object(json, name);
    json_string(json, "interface", path->interface);
    json_string(json, "local", path->local);
    json_string(json, "remote", path->remote);
    json_object_end(json);
}

void json_peer(struct json *json, const char *name, const hawser_peer *peer)
{
    json_object(json, name);
    json_string(json, "name", peer->name);
    json_string(json, "key_name", peer->key_name);
    json_string(json, "verification", hawser_verification_name(peer->verification));
    json_string(json, "alpn", peer->alpn);
    json_object_end(json);
}

void json_strand(struct json *json, const hawser_strand_info *info)
{
    json_unsigned(json, "strand", info->id);
    json_signed(json, "number", info->number);
    if (info->subflow)
        json_unsigned(json, "subflow", info->subflow);
    json_path(json, "path", &info->path);
    json_string(json, "stack", info->stack);
    json_string(json, "state", hawser_strand_state_name(info->state));
    json_string(json, "type", info->type);
    json_signed(json, "cost", info->cost);
    json_bool(json, "metered", info->metered);
    if (info->outside && *info->outside)
        json_string(json, "outside", info->outside);
    json_strand_numbers(json, info);
}

void json_strand_numbers(struct json *json, const hawser_strand_info *info)
{
    json_signed(json, "rtt_us", info->rtt_us);
    json_signed(json, "min_rtt_us", info->min_rtt_us);
    json_unsigned(json, "rate", info->delivery_rate);
    json_unsigned(json, "bytes_sent", info->bytes_sent);
    json_unsigned(json, "bytes_received", info->bytes_received);
    json_unsigned(json, "in_flight", info->in_flight_bytes);
    json_unsigned(json, "queued", info->queued_bytes);
    json_unsigned(json, "resent", info->resent_bytes);
    json_unsigned(json, "moved", info->moved_bytes);
    json_unsigned(json, "duplicated", info->duplicated_bytes);
    json_unsigned(json, "suspicions", info->suspicions);
    json_unsigned(json, "out_of_order", info->out_of_order);
    if (info->loss_ppm < 0)
        json_null(json, "loss_ppm");
    else
        json_signed(json, "loss_ppm", info->loss_ppm);
    json_unsigned(json, "mtu", info->mtu);
}

void json_statistics(struct json *json, const hawser_statistics *from)
{
    json_unsigned(json, "messages_sent", from->messages_sent);
    json_unsigned(json, "messages_received", from->messages_received);
    json_unsigned(json, "bytes_sent", from->bytes_sent);
    json_unsigned(json, "bytes_received", from->bytes_received);
    json_unsigned(json, "acked", from->acked);
    json_unsigned(json, "expired", from->expired);
    json_unsigned(json, "failed", from->failed);
    json_unsigned(json, "late_dropped", from->late_dropped);
    json_unsigned(json, "filtered", from->filtered);
    json_unsigned(json, "gapped", from->gapped);
    json_unsigned(json, "stalls", from->stalls);
    json_unsigned(json, "stalled_us", from->stalled_us);
    json_unsigned(json, "longest_stall_us", from->longest_stall_us);
    json_unsigned(json, "suspicions", from->suspicions);
    json_unsigned(json, "duplicated_bytes", from->duplicated_bytes);
    json_unsigned(json, "resent_bytes", from->resent_bytes);
    json_unsigned(json, "copied_bytes", from->copied_bytes);
    json_unsigned(json, "queued_messages", from->queued_messages);
    json_unsigned(json, "queued_bytes", from->queued_bytes);
    json_unsigned(json, "held_bytes", from->held_bytes);
    json_unsigned(json, "frames_sent", from->frames_sent);
    json_unsigned(json, "frames_received", from->frames_received);
    json_unsigned(json, "refused_datagrams", from->refused_datagrams);
    json_unsigned(json, "round_trips", from->round_trips);
    json_bool(json, "early_data", from->early_data);
    json_bool(json, "resumed", from->resumed);
    json_bool(json, "fast_open", from->fast_open);
}

static const char *role_of(const hawser_association *association)
{
    return association->listener ? "listener" : association->child ? "accepted" : "opened";
}

static const char *state_of(const hawser_association *association)
{
    return association->ended         ? "ended"
           : association->listener    ? "listening"
           : association->established ? "established"
                                      : "opening";
}

void json_association(struct json *json, const hawser_association *association)
{
    hawser_statistics statistics = {.messages_sent = 0};
    hawser_strand_info strand;
    hawser_peer peer;

    json_unsigned(json, "association", association->number);
    json_string(json, "endpoint", hawser_association_endpoint(association));
    json_string(json, "role", role_of(association));
    json_string(json, "state", state_of(association));
    json_bool(json, "bare", association->bare != NULL);
    json_signed(json, "age_us", association_now(association) - association->began);
    if (hawser_association_peer(association, &peer) == 0)
        json_peer(json, "peer", &peer);
    else
        json_null(json, "peer");
    (void)hawser_association_statistics(association, &statistics);
    json_object(json, "statistics");
    json_statistics(json, &statistics);
    json_object_end(json);
    json_list(json, "strands");
    for (unsigned i = 0; hawser_association_strand(association, i, &strand) == 0; i++) {
        json_object(json, NULL);
        json_strand(json, &strand);
        json_object_end(json);
    }
    json_list_end(json);
}

int hawser_association_json(const hawser_association *association, char **ret_text)
{
    struct json json = {.text = NULL};
    int r = association_check(association);

    if (r < 0)
        return r;
    if (!ret_text)
        return -EINVAL;
    json_object(&json, NULL);
    json_association(&json, association);
    json_object_end(&json);
    return json_take(&json, ret_text);
}
