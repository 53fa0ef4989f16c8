/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a connection to who holds its socket (MPTCP_FULL_INFO, or the older calls) and, of all sockets,
 * by sock_diag(7). Nothing here needs rights; some of what sock_diag says is left out without them. */
#ifndef MPTCP_INSPECT_H
#define MPTCP_INSPECT_H

#include "mptcp/reason.h"
#include "mptcp/wire.h"

enum {
    MPTCP_SUBFLOW_FIRST = 1,          /* flags of struct wire_subflow */
    MPTCP_SUBFLOW_BACKUP_BY_US = 2,   /* we told the peer that it is one */
    MPTCP_SUBFLOW_BACKUP_BY_PEER = 4, /* the peer told us */
    MPTCP_SUBFLOW_BACKUP_KNOWN = 8,   /* the two above mean something */
};

/* A connection as it is now. Owner: who inspects. */
struct mptcp_picture {
    uint32_t token;
    unsigned count; /* subflows below */
    bool truncated; /* there are more */
    bool checksum;
    uint64_t bytes_sent, bytes_received, bytes_acked, bytes_retransmitted;
    struct mptcp_address first_local,
        first_remote; /* of the first subflow, also when it is gone; family 0: not known */
    struct wire_subflow subflows[WIRE_SUBFLOWS_MAX]; /* by id */
};

/* 0; -EOPNOTSUPP: not MPTCP, or fell back; -ENOTSOCK, -EBADF. About 35 KB: not for small stacks. */
int mptcp_inspect(int fd, struct mptcp_picture *ret_picture, struct mptcp_reason *reason);
/* As a kernel before 6.5 would be asked: ids are the low half of each socket's cookie (sock_diag(7)). */
int mptcp_inspect_old(int fd, struct mptcp_picture *ret_picture, struct mptcp_reason *reason);
/* Adds address ids and priorities by sock_diag, of one subflow or of all (NULL). What is not told stays -1 and unknown. */
void mptcp_inspect_diag(struct mptcp_picture *picture, struct wire_subflow *only);
/* The token alone: one getsockopt. Errors as above. */
int mptcp_token(int fd, uint32_t *ret_token, struct mptcp_reason *reason);

/* The subflow with this id or these ends, unless it is closed; NULL. */
struct wire_subflow *mptcp_picture_find(struct mptcp_picture *picture, uint32_t id);
struct wire_subflow *mptcp_picture_match(struct mptcp_picture *picture, const struct mptcp_address *local,
                                         const struct mptcp_address *remote);
/* TCP_ESTABLISHED and so on, of its tcp_info. */
unsigned mptcp_subflow_tcp_state(const struct wire_subflow *subflow);

/* An MPTCP or TCP socket of this namespace, by its ends (with ports). */
struct mptcp_found {
    uint32_t uid; /* its owner, as this user namespace sees it */
    uint32_t inode;
    uint32_t token; /* of a subflow or a connection; 0: not told without rights, or no MPTCP */
    uint64_t cookie;
};
/* Of a subflow, or of the connection (whose ends are those of its first subflow). -ENOENT */
int mptcp_find_by_ends(const struct mptcp_address *local, const struct mptcp_address *remote,
                       struct mptcp_found *ret_found, struct mptcp_reason *reason);

/* All MPTCP connections of this namespace. */
struct mptcp_connection {
    struct mptcp_address local, remote; /* the first subflow's */
    uint32_t token, uid, inode;         /* token 0: not told without rights */
};
/* ret_list is to be free()d. -errno */
int mptcp_connections(struct mptcp_connection **ret_list, size_t *ret_count, struct mptcp_reason *reason);

#endif
