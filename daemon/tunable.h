/* SPDX-License-Identifier: Apache-2.0 */
/* The options that can be set on one subflow, and who may set them when the policy file says nothing. */
#ifndef DAEMON_TUNABLE_H
#define DAEMON_TUNABLE_H

#include <stdbool.h>
#include <stddef.h>

enum tunable_kind {
    TUNABLE_NUMBER, /* an int; the kernel checks its range */
    TUNABLE_WIDE,   /* an int, or an unsigned long: SO_MAX_PACING_RATE */
    TUNABLE_NAME,   /* a congestion control */
};

struct tunable {
    const char *word; /* in the policy file */
    int level, name;
    enum tunable_kind kind;
    bool needs_root; /* as the kernel has it for a socket of one's own: a right, or what would change others' traffic */
};

const struct tunable *tunable_find(int level, int name); /* NULL: none that can be set on one subflow */
const struct tunable *tunable_named(const char *word, size_t size);
/* Whether size bytes can be a value of it. */
bool tunable_takes(const struct tunable *tunable, size_t size);
/* Whether this value needs more rights than the option: congestion controls that the system does not give everybody
 * (net.ipv4.tcp_allowed_congestion_control), SO_PRIORITY above 6. */
bool tunable_value_needs_root(const struct tunable *tunable, const void *value, size_t size);

#endif
