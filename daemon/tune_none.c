/* SPDX-License-Identifier: Apache-2.0 */
/* In place of tune.c where hawserd was built without libbpf or clang. */
#include "tune.h"

#include <errno.h>

static int not_built(struct mptcp_reason *reason)
{
    return mptcp_say(
        reason, -EOPNOTSUPP,
        "options of one subflow are set by BPF, and this hawserd was built without it (meson option bpf: it "
        "takes libbpf and clang)");
}

int tune_open(struct tune **ret_tune, struct mptcp_reason *reason)
{
    (void)ret_tune;
    return not_built(reason);
}

void tune_close(struct tune *tune)
{
    (void)tune;
}

int tune_set(struct tune *tune, const struct tune_subflow *subflow, int level, int name, const void *value, size_t size,
             struct mptcp_reason *reason)
{
    (void)tune, (void)subflow, (void)level, (void)name, (void)value, (void)size;
    return not_built(reason);
}

int tune_get(struct tune *tune, const struct tune_subflow *subflow, int level, int name, void *value, size_t size,
             struct mptcp_reason *reason)
{
    (void)tune, (void)subflow, (void)level, (void)name, (void)value, (void)size;
    return not_built(reason);
}

int tune_scheduler(struct tune *tune, const struct tune_subflow *subflow, char ret_name[16],
                   struct mptcp_reason *reason)
{
    (void)tune, (void)subflow, (void)ret_name;
    return not_built(reason);
}

int tune_can_schedule(void)
{
    return 0;
}
