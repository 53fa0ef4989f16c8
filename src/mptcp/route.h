/* SPDX-License-Identifier: Apache-2.0 */
/* Which address of this host would be used: asked of the kernel by a UDP socket that sends nothing. */
#ifndef MPTCP_ROUTE_H
#define MPTCP_ROUTE_H

#include "mptcp/address.h"

/* Fills in the source address towards remote, by the interface that local names, if it does. Keeps local's port and interface.
 * -ENETUNREACH, -ENODEV, -EADDRNOTAVAIL */
int mptcp_route_source(const struct mptcp_address *remote, struct mptcp_address *local);

#endif
