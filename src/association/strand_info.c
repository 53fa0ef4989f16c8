/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a strand, and what the system is told about it. (S2.8) */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>

#include "association/bare.h"
#include "association/properties.h"

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

int hawser_association_strand(const hawser_association *association, unsigned index, hawser_strand_info *ret_info)
{
    const struct strand *strand = NULL;
    struct layer_link link;
    hawser_strand_info info = {.stack = ""};
    bool suspected = false;
    uint64_t sent, acked;
    unsigned i = 0;
    char *text;
    int r;

    r = association_check(association);
    if (r < 0)
        return r;
    for (const struct list *at = association->strands.next; at != &association->strands && !strand; at = at->next) {
        if (i++ == index)
            strand = container_of(at, struct strand, link);
    }
    if (!strand || !strand->top || index >= SESSION_STRANDS_MAX)
        return -ENOENT;
    text = association->all->strand_text[index];
    layer_path(strand->top, text, PATH_TEXT, text + PATH_TEXT, PATH_TEXT, text + 2 * PATH_TEXT, 32);
    stack_text(strand->top, text + 2 * PATH_TEXT + 32, PATH_TEXT - 32);
    info.path = (hawser_path){text + 2 * PATH_TEXT, text, text + PATH_TEXT};
    info.stack = text + 2 * PATH_TEXT + 32;
    layer_link(strand->top, &link);
    if (strand->session)
        session_strand_get(strand->session, &sent, &acked, &suspected);
    info.state = strand->dead       ? HAWSER_STRAND_CLOSED
                 : !strand->secured ? HAWSER_STRAND_OPENING
                 : suspected        ? HAWSER_STRAND_SUSPECTED
                                    : HAWSER_STRAND_ACTIVE;
    info.rtt_us = link.rtt_us;
    info.bytes_sent = link.bytes_sent;
    info.bytes_received = link.bytes_received;
    info.delivery_rate = link.delivery_rate * 8;
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
    };
    return 0;
}
