/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to sock_diag(7) about one TCP socket, which may be a subflow. */
#ifndef MPTCP_DIAG_H
#define MPTCP_DIAG_H

#include "mptcp/inspect.h"

struct diag_answer {
    uint32_t uid, inode;
    uint64_t cookie;
    bool subflow;            /* it is one, and the kernel told the four below */
    uint32_t token;          /* of our side */
    uint32_t flags;          /* SUBFLOW_FLAG_* */
    int local_id, remote_id; /* -1 */
    char congestion[16];     /* "" where it was not told */
    int tos, tclass;         /* -1 */
    int64_t mark;            /* -1: not told: needs CAP_NET_ADMIN */
};

/* A socket of sock_diag; -errno */
int diag_open(int *ret_fd);
/* The socket with these ends. -ENOENT */
int diag_ask(int fd, const struct mptcp_address *local, const struct mptcp_address *remote,
             struct diag_answer *ret_answer);

#endif
