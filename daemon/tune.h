/* SPDX-License-Identifier: Apache-2.0 */
/* Options of one subflow by BPF (S5.24). It takes the host's root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN in the first user
 * namespace), libbpf and clang at build time; where something is missing tune_open() says what. */
#ifndef DAEMON_TUNE_H
#define DAEMON_TUNE_H

#include <stddef.h>
#include <stdint.h>

#include "mptcp/address.h"
#include "mptcp/reason.h"

struct tune; /* Owner: tune.c */

/* -EOPNOTSUPP: not built, or not in this kernel; -EPERM */
int tune_open(struct tune **ret_tune, struct mptcp_reason *reason);
void tune_close(struct tune *tune); /* NULL is nothing */

struct tune_subflow {
    uint32_t token;
    struct mptcp_address local, remote; /* with ports */
};

/* What the option table (tunable.h) lets through. -ENOENT: no subflow has these ends by now; what the kernel says of the
 * option, and then nothing was changed. */
int tune_set(struct tune *tune, const struct tune_subflow *subflow, int level, int name, const void *value, size_t size,
             struct mptcp_reason *reason);
/* size: how many bytes are asked for, which the kernel holds to for most options. */
int tune_get(struct tune *tune, const struct tune_subflow *subflow, int level, int name, void *value, size_t size,
             struct mptcp_reason *reason);
/* The scheduler of the subflow's connection. */
int tune_scheduler(struct tune *tune, const struct tune_subflow *subflow, char ret_name[16],
                   struct mptcp_reason *reason);
/* Whether schedulers written in BPF can be had in this kernel: struct_ops mptcp_sched_ops. */
int tune_can_schedule(void);

#endif
