/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control of connections by the kernel's generic netlink family mptcp_pm, with the rights of the process: what the library
 * does where it has them, and hawserd on behalf of others. All errors are those of <hawser/mptcp.h>, with a sentence.
 */
#ifndef MPTCP_CONTROL_H
#define MPTCP_CONTROL_H

#include "mptcp/inspect.h"

/* An open socket of generic netlink. Owner: control.c. */
struct mptcp_control {
    int fd; /* -1: not open */
    uint16_t family;
    uint32_t events; /* the multicast group of events */
};

/* 0; -EPROTONOSUPPORT: no MPTCP in this kernel. Says nothing of rights. */
int mptcp_control_open(struct mptcp_control *ret_control, struct mptcp_reason *reason);
void mptcp_control_close(struct mptcp_control *control);
/* 0: connections that begin now are under the userspace path manager and this process may steer them; -EPERM; -EOPNOTSUPP: the kernel's
 * path manager rules here. */
int mptcp_control_able(struct mptcp_control *control, struct mptcp_reason *reason);

/* 0: this process may steer this connection, which is under the userspace path manager; else why not. */
int mptcp_control_steers(struct mptcp_control *control, uint32_t token, struct mptcp_reason *reason);

/* What picture shows is the connection that is meant. Chooses an address id, refuses what is there already, and finds the
 * subflow's id by looking again: fd is a descriptor of the connection, or -1, and then ret_id is 0. */
int mptcp_control_create(struct mptcp_control *control, const struct mptcp_picture *picture, int fd,
                         const struct mptcp_address *local, const struct mptcp_address *remote, bool backup,
                         uint32_t *ret_id, struct mptcp_reason *reason);
int mptcp_control_destroy(struct mptcp_control *control, const struct mptcp_picture *picture, uint32_t id,
                          struct mptcp_reason *reason);
int mptcp_control_backup(struct mptcp_control *control, const struct mptcp_picture *picture, uint32_t id, bool backup,
                         struct mptcp_reason *reason);
int mptcp_control_announce(struct mptcp_control *control, const struct mptcp_picture *picture,
                           const struct mptcp_address *address, uint8_t *ret_id, struct mptcp_reason *reason);
int mptcp_control_withdraw(struct mptcp_control *control, uint32_t token, uint8_t id, struct mptcp_reason *reason);

/* The events of the namespace, or of one connection (token not 0: a filter in the kernel lets no others wake the reader).
 * A socket of its own, non-blocking. -EPERM */
int mptcp_events_open(uint32_t token, int *ret_fd, struct mptcp_reason *reason);
/* One event as the kernel told it. */
struct mptcp_told {
    uint32_t token;
    uint16_t type;                      /* MPTCP_EVENT_* of mptcp/kernel.h */
    struct mptcp_address local, remote; /* announced: remote */
    int local_id, remote_id;            /* -1: none */
    bool backup, server_side;
    int error, reset_reason; /* 0; -1: none */
};
typedef void (*mptcp_told_fn)(void *user, const struct mptcp_told *told);
/* Hands over what is there, one datagram at most. 1: there was one; 0: nothing now; -ENOBUFS: some were lost; -errno */
int mptcp_events_read(int fd, mptcp_told_fn told, void *user);

#endif
