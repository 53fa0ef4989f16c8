/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing what clients handed over, and their connections, in whose queues more may be. What is no MPTCP socket may take as
 * long as its owner likes to be closed: a file of FUSE, a TCP socket with SO_LINGER. Those are closed on threads of their
 * own, a few a user at a time; meanwhile nothing more is read of that user's, so that nobody holds up the others.
 */
#ifndef DAEMON_CLOSER_H
#define DAEMON_CLOSER_H

#include <stdbool.h>
#include <sys/types.h>

struct closer; /* Owner: closer.c */

/* ret_fd becomes readable when something was closed on another thread: closer_clear() then. -errno */
int closer_new(struct closer **ret_closer, int *ret_fd);
/* Closes fd, which uid is to answer for, now or on another thread. fd -1 is nothing. */
void closer_close(struct closer *closer, int fd, uid_t uid);
/* Whether something of this user has not been closed yet. */
bool closer_is_busy(struct closer *closer, uid_t uid);
void closer_clear(struct closer *closer);

#endif
