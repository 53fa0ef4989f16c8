/* SPDX-License-Identifier: Apache-2.0 */
/* The subflows of a strand over the kernel's MPTCP: they are paths of the association (S5.7), their changes are its
 * HAWSER_PATHS_CHANGED, and a program steers them by <hawser/mptcp.h>. */
#include "association/strand_mptcp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/mptcp.h>

#include "layer/interface.h"
#include "mptcp/handle.h"

/* As it became: not where MPTCP fell back to TCP. */
static bool is_multipath(const struct strand *strand)
{
    return strand->top && strand->secured && !strand->dead && layer_flags(strand->top) & LAYER_MULTIPATH;
}

/* ------------------------------------------------------------------------------------------------------------- watching */

static void on_events(int fd, short revents, void *user)
{
    struct strand *strand = user;
    hawser_mptcp_event event;
    int r;

    (void)revents;
    while ((r = hawser_mptcp_next_event(strand->subflows, &event)) > 0)
        strand->association->path_changed = true;
    if (r < 0)
        hawser_watch(strand->association->context, fd, 0, NULL, NULL);
    association_wake(strand->association);
}

void strand_subflows_watch(struct strand *strand)
{
    hawser_association *association = strand->association;
    int fd;

    if (strand->subflows || !association->slots[HAWSER_PATHS_CHANGED].handler || !is_multipath(strand))
        return;
    /* Not by the helper, whose answer would be waited for. */
    if (hawser_mptcp_open(layer_descriptor(strand->top), HAWSER_MPTCP(.helper = ""), &strand->subflows) < 0)
        return;
    if (hawser_mptcp_watch(strand->subflows, &fd) < 0 ||
        hawser_watch(association->context, fd, POLLIN, on_events, strand) < 0)
        strand_subflows_free(strand);
}

void strand_subflows_free(struct strand *strand)
{
    int fd;

    if (!strand->subflows)
        return;
    if (strand->association->context && hawser_mptcp_watch(strand->subflows, &fd) == 0)
        hawser_watch(strand->association->context, fd, 0, NULL, NULL);
    hawser_mptcp_close(strand->subflows);
    strand->subflows = NULL;
}

/* -------------------------------------------------------------------------------------------------------------- looking */

static hawser_strand_state state_of(const hawser_subflow *subflow)
{
    if (subflow->state == HAWSER_SUBFLOW_OPENING)
        return HAWSER_STRAND_OPENING;
    if (subflow->state == HAWSER_SUBFLOW_CLOSING)
        return HAWSER_STRAND_CLOSED;
    if (subflow->unanswered > 0)
        return HAWSER_STRAND_SUSPECTED;
    return subflow->backup ? HAWSER_STRAND_STANDBY : HAWSER_STRAND_ACTIVE;
}

void strand_subflow_info(const struct strand *strand, const hawser_subflow *subflow, hawser_path text,
                         hawser_strand_info *ret_info)
{
    struct mptcp_address end;
    char printed[MPTCP_ADDRESS_TEXT], *local = (char *)text.local, *remote = (char *)text.remote;

    mptcp_address_from(&end, (const struct sockaddr *)&subflow->local, sizeof subflow->local);
    snprintf(local, PATH_TEXT, "%s", mptcp_address_print(&end, printed));
    mptcp_address_from(&end, (const struct sockaddr *)&subflow->remote, sizeof subflow->remote);
    snprintf(remote, PATH_TEXT, "%s", mptcp_address_print(&end, printed));
    interface_find(strand->top->context, layer_descriptor(strand->top), &subflow->local, (char *)text.interface, 32);
    ret_info->state = state_of(subflow);
    ret_info->rtt_us = subflow->rtt_us;
    ret_info->bytes_sent = subflow->bytes_sent;
    ret_info->bytes_received = subflow->bytes_received;
    ret_info->delivery_rate = subflow->delivery_rate;
    ret_info->subflow = subflow->id;
    ret_info->min_rtt_us = subflow->least_rtt_us;
    ret_info->in_flight_bytes = (uint64_t)subflow->in_flight * subflow->segment;
    ret_info->resent_bytes = subflow->bytes_retransmitted;
    ret_info->loss_ppm =
        subflow->bytes_sent ? (int64_t)((double)subflow->bytes_retransmitted * 1e6 / (double)subflow->bytes_sent) : -1;
    ret_info->queued_bytes = ret_info->out_of_order = 0; /* the connection's, of all of them together */
}

unsigned strand_subflows(const struct strand *strand, hawser_subflow **ret_list)
{
    hawser_mptcp *mptcp;
    size_t count = 0;

    *ret_list = NULL;
    if (!is_multipath(strand) ||
        hawser_mptcp_open(layer_descriptor(strand->top), HAWSER_MPTCP(.helper = ""), &mptcp) < 0)
        return 1;
    if (hawser_subflows(mptcp, ret_list, &count) < 0)
        count = 0;
    hawser_mptcp_close(mptcp);
    return count > 1 ? (unsigned)count : 1;
}

int hawser_mptcp_open_strand(hawser_association *association, unsigned index, const hawser_mptcp_options *options,
                             hawser_mptcp **ret_mptcp)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);
        hawser_subflow *list;
        unsigned count = strand_subflows(strand, &list);

        free(list);
        if (index < count)
            return is_multipath(strand) ? hawser_mptcp_open(layer_descriptor(strand->top), options, ret_mptcp)
                                        : -EOPNOTSUPP;
        index -= count;
    }
    return -ENOENT;
}
