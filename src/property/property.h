/* SPDX-License-Identifier: Apache-2.0 */
/* Properties as the rest of the library reads them. The table is property/table.h. */
#ifndef PROPERTY_PROPERTY_H
#define PROPERTY_PROPERTY_H

#include <stdint.h>

#include <hawser/hawser.h>

enum { PROPERTY_SET_MAX = 16, PROPERTY_WORD = 256 };

struct property_want { /* a member of a set */
    hawser_preference preference;
    char value[PROPERTY_WORD]; /* an interface's name or type, a provisioning domain, a proxy's URL */
};

struct property_set {
    unsigned count;
    struct property_want wants[PROPERTY_SET_MAX];
};

enum property_multipath { MULTIPATH_DISABLED, MULTIPATH_ACTIVE, MULTIPATH_PASSIVE };
enum property_direction { DIRECTION_BOTH, DIRECTION_SEND, DIRECTION_RECEIVE };
enum property_scheduler {
    SCHEDULER_FIRST_COME,
    SCHEDULER_ROUND_ROBIN,
    SCHEDULER_ROUND_ROBIN_PACKET,
    SCHEDULER_PRIORITY,
    SCHEDULER_FAIR_CAPACITY,
    SCHEDULER_WEIGHTED_FAIR
};
enum property_capacity {
    CAPACITY_DEFAULT,
    CAPACITY_SCAVENGER,
    CAPACITY_LOW_LATENCY_INTERACTIVE,
    CAPACITY_LOW_LATENCY_NON_INTERACTIVE,
    CAPACITY_CONSTANT_RATE,
    CAPACITY_SEEKING
};

/* One member a row of the table, of the row's C type. Defaults are RFC 9622's, but where docs/properties.md says why not. */
struct property_values {
    /* selection (RFC 9622 section 6.2) */
    hawser_preference reliability, preserve_msg_boundaries, per_msg_reliability, preserve_order, zero_rtt_msg,
        multistreaming, full_checksum_send, full_checksum_recv, congestion_control, keep_alive,
        use_temporary_local_address, soft_error_notify, active_read_before_send;
    struct property_set interface, pvd;
    enum property_multipath multipath;
    bool advertises_altaddr;
    enum property_direction direction;
    /* hawser's own, selection */
    hawser_preference security; /* require; avoid or prohibit: plain tcp and unix are candidates too, or alone */
    hawser_preference
        session; /* hawser/1: require; prefer: bare where the peer does not speak it; avoid, prohibit: bare */
    struct property_set proxy;  /* URLs: socks5://[user:password@]host:port, http://... ; require: only through it;
                                 * prefer: it first, direct when it failed; none: raced after direct; "direct" is a value too */
    struct property_set family; /* "ipv4", "ipv6" */
    /* connection (section 8.1) */
    int64_t recv_checksum_len; /* -1: full coverage */
    unsigned conn_priority;
    int64_t conn_timeout_us, keep_alive_timeout_us; /* 0: disabled */
    enum property_scheduler conn_scheduler;
    enum property_capacity conn_capacity_profile;
    hawser_policy multipath_policy;
    uint64_t min_send_rate, min_recv_rate, max_send_rate, max_recv_rate; /* bits per second; 0: unlimited */
    unsigned group_conn_limit;                                           /* 0: unlimited */
    bool isolate_session;
    int64_t tcp_user_timeout_us; /* 0: the system's */
    bool tcp_user_timeout_enabled, tcp_user_timeout_changeable;
    /* message defaults (section 9.1.3) */
    int64_t msg_lifetime_us; /* 0: infinite */
    unsigned msg_priority;   /* 100 + niceness */
    bool msg_ordered, safely_replayable, final, msg_reliable, no_fragmentation, no_segmentation;
    int64_t msg_checksum_len;
    enum property_capacity msg_capacity_profile;
    uint64_t given; /* bit i: row i was set, not left at its default */
};

/* The values of a set; of NULL, the defaults. Lives as long as the set. */
const struct property_values *properties_values(const hawser_properties *properties);
bool property_given(const struct property_values *values, const char *name);
/* A row of the table by its name, in any style: its index, or negative and a sentence with the nearest name. */
int property_find(const char *name, char *reason, size_t size);
int property_print(const struct property_values *values, unsigned index, char *text, size_t size); /* as snprintf() */
/* What is said of a row that is a preference. */
hawser_preference property_preference(const struct property_values *values, unsigned index);

/* What a stack is, for judging, and whether hawser/1 runs above it. */
struct property_stack {
    const char *name; /* "tls/tcp" */
    bool session, secure, early_data, multipath, unix_socket, proxy;
    bool udp;    /* over it, whatever is in between */
    bool framed; /* bare, with a framer that keeps messages apart */
};
/* What a stack's name says of it; hawser/1 runs in encrypted ones only. */
void property_stack_read(const char *name, bool session, struct property_stack *ret_stack);
/* Whether a stack may be used, and how it ranks (lower is better): -HAWSER_EPROHIBITED with the property and why in reason
 * ("reliability is prohibited, and tcp gives it"). Only what was given ranks; session and security do not: the ladder
 * of docs/racing.md orders their forms. */
int property_judge_stack(const struct property_values *values, const struct property_stack *stack, int *ret_rank,
                         char *reason, size_t size);
/* What of it a live line must keep to as well: -HAWSER_EPROHIBITED and why. */
int property_judge_line(const struct property_values *values, const struct property_stack *stack, char *reason,
                        size_t size);
/* As property_judge_stack(), for an interface by name and type; provisioning domains are the paths' to judge (path/judge.c). */
int property_judge_interface(const struct property_values *values, const char *name, const char *type, int *ret_rank,
                             char *reason, size_t size);
/* The same for "ipv4" and "ipv6". */
int property_judge_family(const struct property_values *values, const char *family, int *ret_rank, char *reason,
                          size_t size);
/* Contradictions that no stack could meet (RFC 9623 section 3): -HAWSER_EPROPERTY and a sentence. */
int property_check(const struct property_values *values, bool listening, char *reason, size_t size);

/* The DSCP of a capacity profile: RFC 9622 section 8.1.6. */
unsigned property_dscp(enum property_capacity profile);

#endif
