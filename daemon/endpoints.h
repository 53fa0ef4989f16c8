/* SPDX-License-Identifier: Apache-2.0 */
/* What `ip mptcp endpoint` and `ip mptcp limits` configured in this namespace. */
#ifndef DAEMON_ENDPOINTS_H
#define DAEMON_ENDPOINTS_H

#include <stdint.h>

#include "mptcp/control.h"

enum { ENDPOINTS_MAX = 8 }; /* the kernel has no more: MPTCP_PM_ADDR_MAX */

/* Flags of an endpoint, as the kernel has them. */
enum { ENDPOINT_SIGNAL = 1, ENDPOINT_SUBFLOW = 2, ENDPOINT_BACKUP = 4, ENDPOINT_FULLMESH = 8 };

struct endpoint {
    struct mptcp_address address; /* with its interface, where one is given */
    uint32_t flags;
};

struct endpoints {
    struct endpoint list[ENDPOINTS_MAX];
    unsigned count;
    unsigned subflows, accepted; /* limits: of additional subflows, and of addresses of the peer that are taken up */
};

/* -errno */
int endpoints_read(const struct mptcp_control *control, struct endpoints *ret_endpoints);

#endif
