/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of other processes. The kernel lets who may trace a process (ptrace(2)) have them; we hold nobody up for it. */
#ifndef MPTCP_PROCESS_H
#define MPTCP_PROCESS_H

#include <sys/types.h>

#include "mptcp/reason.h"

/* A copy of descriptor fd of process pid, CLOEXEC, to be closed. -ESRCH, -EBADF, -EPERM */
int mptcp_borrow(pid_t pid, int fd, int *ret_fd, struct mptcp_reason *reason);
/* A process, and a descriptor of it, that holds the socket with this inode number: by /proc, as far as it may be read.
 * -ENOENT */
int mptcp_holder(unsigned long inode, pid_t *ret_pid, int *ret_fd);

/* Each socket that a process holds, of all processes or of one (pid not 0): as far as /proc may be read. */
typedef void (*mptcp_socket_fn)(void *user, pid_t pid, int fd, unsigned long inode);
void mptcp_each_socket(pid_t pid, mptcp_socket_fn fn, void *user);

#endif
