/* SPDX-License-Identifier: Apache-2.0 */
/* Where hawserd lives: its socket, its namespaces, its rights. */
#ifndef DAEMON_PLACE_H
#define DAEMON_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

struct place {
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    int listener, lock;
};

/* Listens on path, or on that of this network namespace. A socket that an earlier hawserd left is replaced; one that still
 * serves is not. Says what is wrong. */
int place_open(struct place *ret_place, const char *path);
void place_close(struct place *place);

uint64_t place_cookie(void); /* of our network namespace; 0: not told */
/* Whether each user of the host has a number of its own in our user namespace. */
bool place_has_all_users(void);
/* All rights but those that are needed: CAP_NET_ADMIN; CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (sockets of other processes, and
 * who holds them); CAP_BPF, CAP_PERFMON. */
void place_drop_rights(void);
/* Type=notify of systemd.service(5): started. */
void place_tell_manager(void);

#endif
