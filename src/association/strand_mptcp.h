/* SPDX-License-Identifier: Apache-2.0 */
/* A strand over the kernel's MPTCP has subflows, each of which is a path of the association. */
#ifndef ASSOCIATION_STRAND_MPTCP_H
#define ASSOCIATION_STRAND_MPTCP_H

#include <hawser/mptcp.h>

#include "association/association.h"

/* Has changes of its subflows raise HAWSER_PATHS_CHANGED, where there is a handler and they are any; called again at will. */
void strand_subflows_watch(struct strand *strand);
void strand_subflows_free(struct strand *strand);

/* How many paths a strand is: its subflows, which are then listed for the caller to free(), or 1 and NULL. */
unsigned strand_subflows(const struct strand *strand, hawser_subflow **ret_list);
/* One of them. text: where path's texts are written, with room for PATH_TEXT, PATH_TEXT and 32 bytes. */
void strand_subflow_info(const struct strand *strand, const hawser_subflow *subflow, hawser_path text,
                         hawser_strand_info *ret_info);

#endif
