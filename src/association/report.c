/* SPDX-License-Identifier: Apache-2.0 */
/* What was tried to reach the peer, and how each try ended: told with success and with failure. */
#include "association/counters.h"
#include "association/open.h"

/* Where nobody listens it is not put together: that costs more than the rest of an establishment. */
void report_established(hawser_association *association, const struct strand *strand, bool bare)
{
    hawser_event event = {.type = HAWSER_ESTABLISHED};
    const hawser_report *report;
    struct layer_link link;
    char local[PATH_TEXT], remote[PATH_TEXT], interface[32], stack[64];

    counters_established(association);
    if (!event_wanted(association, HAWSER_ESTABLISHED))
        return;
    report = open_report(association);
    layer_link(strand->top, &link);
    if (report) {
        event.established.stack = report->stack;
        event.established.path = report->path;
        event.established.attempts = report->attempts;
        event.established.attempt_count = report->attempt_count;
    } else {
        layer_path(strand->top, local, sizeof local, remote, sizeof remote, interface, sizeof interface);
        stack_text(strand->top, stack, sizeof stack);
        event.established.stack = stack;
        event.established.path = (hawser_path){interface, local, remote};
    }
    event.established.peer = association->peer->is;
    event.established.rtt_us = link.rtt_us;
    event.established.elapsed_us = association_now(association) - association->began;
    event.established.round_trips = association->round_trips;
    event.established.early_data = association->early_data;
    event.established.resumed = association->resumed;
    event.established.bare = bare;
    event_raise(association, &event);
}

int hawser_association_report(const hawser_association *association, const hawser_report **ret_report)
{
    const hawser_report *report;
    int r = association_check(association);

    if (r < 0)
        return r;
    report = open_report(association);
    if (!report)
        return -ENOENT;
    if (ret_report)
        *ret_report = report;
    return 0;
}
