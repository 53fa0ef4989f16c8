/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a strand, and what the system is told about it. (S2.8) */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>

#include "association/bare.h"
#include "association/listener.h"
#include "layer/group.h"
#include "association/properties.h"
#include "association/strand_mptcp.h"
#include "path/path.h"

/* A bare line has no probes, and is a plain socket where nothing else is asked for (level 0 of the ladder, S1.42). */
static bool wants_timeout(const hawser_association *association)
{
    return !association->bare ||
           (association->properties && property_given(properties_values(association->properties), "connTimeout"));
}

/* Unacknowledged data must not keep a dead connection longer than the line's own probes would. */
static void tune_timeout(const struct strand *strand)
{
    int fd = wants_timeout(strand->association) ? layer_descriptor(strand->top) : -1;
    unsigned timeout = (unsigned)(strand->association->line_dead / 1000);
    const struct layer *bottom = strand->top;

    while (bottom->below)
        bottom = bottom->below;
    if (fd < 0 || timeout == 0 || strcmp(bottom->type->name, "tcp") != 0)
        return;
    if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout) < 0)
        loop_log(strand->association->context, HAWSER_LOG_DEBUG, "TCP_USER_TIMEOUT: %s", hawser_strerror(-errno));
}

void strand_tune(const struct strand *strand)
{
    tune_timeout(strand);
    properties_tune(strand);
}

/* ------------------------------------------------------------------------------------------------------------ asking */

/* What is known of the interface that a strand leaves by; looked up when it is another, since routes have to be asked for. */
struct strand_way {
    char interface[32], type[32];
    int cost;
    bool metered;
    unsigned mtu;
};

static const struct layer_address *remote_of(const struct strand *strand, struct layer_address *address)
{
    struct layer_address local;
    const struct layer *bottom = strand->top;

    while (bottom->below)
        bottom = bottom->below;
    *address = (struct layer_address){.size = 0};
    if (bottom->type->addresses)
        bottom->type->addresses(bottom, &local, address);
    return address;
}

static const struct strand_way *way_of(struct strand *strand, const char *interface)
{
    struct path_choice choices[PATHS_MAX];
    struct path_wish wish = {.interface = interface};
    struct layer_address remote;
    struct paths *paths;
    size_t count;

    if (strand->way && strcmp(strand->way->interface, interface) == 0)
        return strand->way;
    if (!*interface || remote_of(strand, &remote)->size == 0 || paths_of(strand->association->context, &paths) < 0)
        return NULL;
    if (!strand->way && !(strand->way = calloc(1, sizeof *strand->way)))
        return NULL;
    *strand->way = (struct strand_way){.type = ""};
    snprintf(strand->way->interface, sizeof strand->way->interface, "%s", interface);
    count = paths_choose(paths, &remote, &wish, choices);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(choices[i].interface, interface) != 0)
            continue;
        memcpy(strand->way->type, choices[i].type, sizeof strand->way->type);
        strand->way->cost = choices[i].cost;
        strand->way->metered = choices[i].metered;
        strand->way->mtu = choices[i].mtu;
        break;
    }
    return strand->way;
}

static void tell_way(struct strand *strand, hawser_strand_info *info)
{
    const struct strand_way *way = way_of(strand, info->path.interface);

    if (!way)
        return;
    info->type = way->type;
    info->cost = way->cost;
    info->metered = way->metered;
    if (info->mtu == 0)
        info->mtu = way->mtu;
}

hawser_strand_state strand_state(const struct strand *strand)
{
    struct session_strand_state state = {.suspected = false};

    if (strand->session)
        session_strand_get(strand->session, &state);
    return strand->dead                        ? HAWSER_STRAND_CLOSED
           : !strand->secured || strand->ahead ? HAWSER_STRAND_OPENING
           : state.suspected                   ? HAWSER_STRAND_SUSPECTED
           : state.standby || (strand->session && !state.carries && !strand->association->ended) ? HAWSER_STRAND_STANDBY
                                                                                                 : HAWSER_STRAND_ACTIVE;
}

static void tell_link(const struct strand *strand, hawser_strand_info *info)
{
    struct session_strand_state state = {.number = 0};
    struct layer_peer peer;
    struct layer_link link;

    layer_link(strand->top, &link);
    layer_peer(strand->top, &peer);
    info->resumed = strand->secured && peer.resumed;
    if (strand->session)
        session_strand_get(strand->session, &state);
    info->number = strand->session ? (int64_t)state.number : -1;
    info->rtt_us = link.rtt_us ? link.rtt_us : state.rtt;
    info->min_rtt_us = link.min_rtt_us;
    info->bytes_sent = link.bytes_sent;
    info->bytes_received = link.bytes_received;
    info->delivery_rate = link.delivery_rate * 8;
    info->loss_ppm = link.packets_sent ? (int64_t)((double)link.packets_lost * 1e6 / (double)link.packets_sent) : -1;
    info->queued_bytes = link.unsent + (strand->rest_size - strand->rest_at) + strand->bulk_size;
    info->in_flight_bytes = link.in_flight ? link.in_flight : state.in_flight;
    info->resent_bytes = link.bytes_resent;
    info->moved_bytes = state.resent;
    info->duplicated_bytes = state.duplicated;
    info->suspicions = state.suspicions;
    info->out_of_order = link.out_of_order;
    info->mtu = link.mtu;
    info->outside = strand->outside ? strand->outside : "";
}

int hawser_association_strand(const hawser_association *association, unsigned index, hawser_strand_info *ret_info)
{
    struct strand *strand = NULL;
    hawser_strand_info info = {.stack = "", .type = "", .outside = ""};
    unsigned i = index, count;
    hawser_subflow *subflows = NULL;
    char *text;
    int r;

    r = association_check(association);
    if (r < 0)
        return r;
    for (const struct list *at = association->strands.next; at != &association->strands && !strand; at = at->next) {
        strand = container_of(at, struct strand, link);
        count = strand_subflows(strand, &subflows);
        if (i < count)
            break;
        i -= count;
        strand = NULL;
        free(subflows);
        subflows = NULL;
    }
    if (!strand || !strand->top || index >= SESSION_STRANDS_MAX) {
        free(subflows);
        return -ENOENT;
    }
    text = association->all->strand_text[index];
    layer_path(strand->top, text, PATH_TEXT, text + PATH_TEXT, PATH_TEXT, text + 2 * PATH_TEXT, 32);
    stack_text(strand->top, text + 2 * PATH_TEXT + 32, PATH_TEXT - 32);
    info.path = (hawser_path){text + 2 * PATH_TEXT, text, text + PATH_TEXT};
    info.stack = text + 2 * PATH_TEXT + 32;
    info.id = strand->id;
    info.state = strand_state(strand);
    tell_link(strand, &info);
    if (subflows && count > 1)
        strand_subflow_info(strand, &subflows[i], info.path, &info);
    free(subflows);
    tell_way(strand, &info);
    if (ret_info)
        *ret_info = info;
    return 0;
}

static int statistics_bare(const hawser_association *association, hawser_statistics *ret_statistics)
{
    if (!ret_statistics)
        return 0;
    bare_statistics(association->bare, ret_statistics);
    ret_statistics->round_trips = association->round_trips;
    ret_statistics->early_data = association->early_data;
    ret_statistics->resumed = association->resumed;
    ret_statistics->fast_open = association->fast_open;
    return 0;
}

int hawser_association_statistics(const hawser_association *association, hawser_statistics *ret_statistics)
{
    struct session_statistics from;
    int r;

    r = association_check(association);
    if (r < 0)
        return r;
    if (association->bare)
        return statistics_bare(association, ret_statistics);
    if (association->listener && association->listener->group) {
        if (ret_statistics)
            *ret_statistics = (hawser_statistics){.refused_datagrams = group_refused(association->listener->group)};
        return 0;
    }
    if (!association->session)
        return -ENOTCONN;
    session_get_statistics(association->session, &from);
    if (!ret_statistics)
        return 0;
    *ret_statistics = (hawser_statistics){
        .messages_sent = from.messages_sent,
        .messages_received = from.messages_received,
        .bytes_sent = from.bytes_sent,
        .bytes_received = from.bytes_received,
        .acked = from.acked,
        .expired = from.expired,
        .failed = from.failed,
        .late_dropped = from.late_dropped,
        .filtered = association->filtered,
        .gapped = association->gapped,
        .resent_bytes = from.resent_bytes,
        .copied_bytes = from.copied_bytes,
        .queued_messages = from.queued_messages,
        .queued_bytes = from.queued_bytes,
        .held_bytes = from.held_bytes,
        .frames_sent = from.frames_sent,
        .frames_received = from.frames_received,
        .round_trips = association->round_trips,
        .early_data = association->early_data,
        .resumed = association->resumed,
        .fast_open = association->fast_open,
        .stalls = from.stalls,
        .stalled_us = (uint64_t)from.stall_time,
        .longest_stall_us = (uint64_t)from.stall_longest,
        .suspicions = from.suspicions,
        .duplicated_bytes = from.duplicated_bytes,
    };
    return 0;
}
