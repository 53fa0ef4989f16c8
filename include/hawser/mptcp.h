/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subflows of a connection of the kernel's MPTCP (RFC 8684), for any MPTCP socket of the caller, not only hawser's own:
 * list, inspect, open, close, prioritise and tune them, with events (S5.11-S5.31). docs/mptcp.md says what the kernel gives
 * to whom, and why it looks like this.
 *
 * There are two sets of calls. The first takes a plain descriptor and has the option names, structures and numbers of the
 * enhanced socket API for MPTCP (draft-hesmans-mptcp-socket); the second is typed and says why something failed.
 *
 * Looking needs no rights. Control needs CAP_NET_ADMIN in the network namespace, or the helper hawserd, which an operator
 * starts once a namespace: the library tries its own rights, then the helper, and then says the exact reason why not. It
 * works on connections that are under the userspace path manager (sysctl net.mptcp.pm_type=1 when they began).
 *
 * Nothing here needs a context, keeps state outside of its handle, or starts a thread. A handle belongs to one thread at a
 * time.
 */
#ifndef HAWSER_MPTCP_H
#define HAWSER_MPTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <hawser/properties.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------------------------------------- the options of the socket API */

/* Level IPPROTO_TCP. What none of these is, goes to getsockopt(2) and setsockopt(2) as it is. */
#define MPTCP_GET_SUB_IDS 66   /* get: struct mptcp_sub_ids */
#define MPTCP_CLOSE_SUB_ID 67  /* get or set: struct mptcp_close_sub_id */
#define MPTCP_GET_SUB_TUPLE 68 /* get: struct mptcp_sub_tuple, whose id says which */
#define MPTCP_OPEN_SUB_TUPLE                                                                                           \
    69 /* get: struct mptcp_sub_tuple; its id is the new subflow's afterwards. set: the same, untold */
#define MPTCP_GET_SUB_INFO 70   /* get: struct mptcp_sub_info */
#define MPTCP_SUB_GETSOCKOPT 71 /* get: struct mptcp_sub_getsockopt */
#define MPTCP_SUB_SETSOCKOPT 72 /* set: struct mptcp_sub_setsockopt */

/* Ids are stable for the life of a subflow, and are not given again on this connection (S5.19). */
struct mptcp_sub_status {
    uint32_t id;
    uint16_t slave : 1; /* joined later: not the first subflow */
    uint16_t fully_established : 1;
    uint16_t attached : 1;        /* belongs to the connection: always 1 */
    uint16_t low_prio : 1;        /* a backup, by our word or the peer's */
    uint16_t pre_established : 1; /* its handshake goes on */
};
struct mptcp_sub_ids {
    uint32_t sub_count;
#ifdef __cplusplus
    struct mptcp_sub_status sub_status[1];
#else
    struct mptcp_sub_status sub_status[];
#endif
};

/* addrs: local address, then remote address, each a struct sockaddr_in or sockaddr_in6. With IPv4 they are addrs[0] and
 * addrs[1]; with IPv6 the second follows behind sizeof(struct sockaddr_in6). Port 0 at open: local any, remote the
 * connection's; an address of zeros: local what the route says, remote the connection's. prio 1: a backup. */
struct mptcp_sub_tuple {
    uint32_t id;
    uint8_t prio;
    uint8_t reserved[3];
#ifdef __cplusplus
    struct sockaddr addrs[1];
#else
    struct sockaddr addrs[];
#endif
};

struct mptcp_close_sub_id {
    uint32_t id;
};

/* An option of one subflow. *optlen is the size of optval, and what was written of it. */
struct mptcp_sub_getsockopt {
    uint32_t id;
    int level;
    int optname;
    void *optval;
    unsigned int *optlen;
};
struct mptcp_sub_setsockopt {
    uint32_t id;
    int level;
    int optname;
    const void *optval;
    unsigned int optlen;
};

/* The kernel's struct tcp_info of a subflow, as much of it as the caller has room for and the kernel fills. */
struct mptcp_sub_info {
    uint32_t id;
    uint32_t reserved;
    uint8_t info[512];
};

/*
 * As getsockopt(2) and setsockopt(2), but that 0 or a negative code is returned and errno means nothing. Errors: -ENOBUFS (*optlen
 * is too small, and is what is needed afterwards), -ENOENT (no subflow has this id), -EOPNOTSUPP (not an MPTCP connection, or it fell back
 * to TCP; or it is the kernel's path manager that controls it), -EPERM (neither rights nor a helper), -EEXIST (a subflow
 * with these four addresses and ports is there), and what hawser_subflow_open() and the others say.
 */
HAWSER_API int hawser_mptcp_getsockopt(int fd, int level, int name, void *value, unsigned int *optlen);
HAWSER_API int hawser_mptcp_setsockopt(int fd, int level, int name, const void *value, unsigned int optlen);

/* ------------------------------------------------------------------------------------------------------ one connection */

typedef struct hawser_mptcp hawser_mptcp;

typedef struct hawser_mptcp_options {
    size_t struct_size;
    pid_t pid; /* fd is one of this process, which must be of the caller's user; 0: the caller's own */
    /* In place of a descriptor (fd -1): the four-tuple of any of its subflows, "192.0.2.1:4711", "[2001:db8::1]:443". */
    const char *local, *remote;
    const char
        *helper;    /* hawserd's socket; NULL: $HAWSERD_SOCKET, else that of this network namespace; "": never ask */
    bool no_rights; /* do not use the process's own rights: the helper alone */
} hawser_mptcp_options;
#define HAWSER_MPTCP(...) (&(const hawser_mptcp_options){.struct_size = sizeof(hawser_mptcp_options), __VA_ARGS__})

/* A handle for one connection. The descriptor stays the caller's, and must be open while the handle is used. Errors:
 * -EINVAL, -ENOMEM; whether it is an MPTCP connection is said by the calls below. */
HAWSER_API int hawser_mptcp_open(int fd, const hawser_mptcp_options *options, hawser_mptcp **ret_mptcp);
/* The same for a strand of an association, whose stack has mptcp: index as hawser_association_strand() counts, any of its
 * subflows. Close it before the association ends. -ENOENT, -EOPNOTSUPP (no MPTCP there) */
struct hawser_association;
HAWSER_API int hawser_mptcp_open_strand(struct hawser_association *association, unsigned index,
                                        const hawser_mptcp_options *options, hawser_mptcp **ret_mptcp);
HAWSER_API void hawser_mptcp_close(hawser_mptcp *mptcp); /* the handle, not the connection; NULL is nothing */
/* Why the last call failed, in one sentence; "" when it did not. Until the next call. */
HAWSER_API const char *hawser_mptcp_reason(const hawser_mptcp *mptcp);

/* How control of this connection is had. */
typedef enum hawser_mptcp_control {
    HAWSER_MPTCP_NO_CONTROL, /* hawser_mptcp_reason() says why */
    HAWSER_MPTCP_BY_RIGHTS,
    HAWSER_MPTCP_BY_HELPER,
} hawser_mptcp_control;

typedef struct hawser_mptcp_info {
    uint32_t token;    /* of our side (RFC 8684 section 3.2): what names the connection to the kernel; 0: not told */
    unsigned subflows; /* that are there now */
    uint64_t bytes_sent, bytes_received, bytes_acked,
        bytes_retransmitted; /* of the connection; 0 on kernels before 6.4 */
    bool checksum;           /* DSS checksums are in use */
    char scheduler[16];      /* of the connection where it is known, else of the namespace; "" */
} hawser_mptcp_info;
/* Needs no rights. Errors: -EOPNOTSUPP (not MPTCP, or fell back). */
HAWSER_API int hawser_mptcp_get_info(hawser_mptcp *mptcp, hawser_mptcp_info *ret_info);
/* Whether the calls that change something would be heard. Opens nothing on the connection. */
HAWSER_API hawser_mptcp_control hawser_mptcp_able(hawser_mptcp *mptcp);

/* A connection of this network namespace, and who holds it. */
typedef struct hawser_mptcp_connection {
    struct sockaddr_storage local, remote; /* of its first subflow */
    uint32_t token;                        /* 0: this kernel tells it to nobody without rights */
    uid_t uid;                             /* the owner of the socket */
    pid_t pid;                             /* a process that has it, and its descriptor; 0 and -1: of processes that */
    int fd;                                /* may not be looked at */
} hawser_mptcp_connection;
/* All MPTCP connections, or with a pid those of that process. A connection is listed once for each descriptor that is seen to
 * hold it. The caller free()s the list, which is never NULL. */
HAWSER_API int hawser_mptcp_connections(pid_t pid, hawser_mptcp_connection **ret_connections, size_t *ret_count);

/* ------------------------------------------------------------------------------------------------------------ subflows */

typedef enum hawser_subflow_state {
    HAWSER_SUBFLOW_OPENING, /* its handshake goes on */
    HAWSER_SUBFLOW_ESTABLISHED,
    HAWSER_SUBFLOW_CLOSING, /* a FIN went or came; what is closed is not listed */
} hawser_subflow_state;
HAWSER_API const char *hawser_subflow_state_name(hawser_subflow_state state); /* "opening", "established", ... */

typedef struct hawser_subflow {
    uint32_t id; /* stable for its life */
    hawser_subflow_state state;
    struct sockaddr_storage local, remote;
    int local_id, remote_id; /* address ids on the wire (RFC 8684 section 3.4), as `ss -M` shows them; -1: not told */
    bool first;              /* the one that the connection began with */
    bool backup;             /* we asked the peer, or it asked us, to use this one last */
    bool backup_known;       /* false: this kernel tells it to nobody without rights */
    /* Of its tcp_info; durations in microseconds, rates in bits per second. */
    int64_t rtt_us, rtt_variance_us, least_rtt_us;
    uint64_t bytes_sent, bytes_acked, bytes_received, bytes_retransmitted;
    uint64_t delivery_rate, pacing_rate;
    uint32_t window;                          /* congestion window, segments */
    uint32_t segment;                         /* bytes in one */
    uint32_t in_flight, lost, retransmitted;  /* segments: unanswered, of these thought lost; sent again so far */
    uint32_t unanswered;                      /* time-outs in a row without an answer (the backoff) */
    int64_t since_sent_us, since_received_us; /* since payload last went, or came */
    int64_t since_acked_us;                   /* since anything was acknowledged */
} hawser_subflow;

/* The subflows at this moment, in the order of their ids. The caller free()s the list, which is never NULL. */
HAWSER_API int hawser_subflows(hawser_mptcp *mptcp, hawser_subflow **ret_subflows, size_t *ret_count);
/* One of them. -ENOENT */
HAWSER_API int hawser_subflow_get(hawser_mptcp *mptcp, uint32_t id, hawser_subflow *ret_subflow);

typedef struct hawser_subflow_options {
    size_t struct_size;
    /* Addresses with ports: "192.0.2.1", "192.0.2.1:4711", "[2001:db8::1]:443", "192.0.2.1@eth1", "@eth1" (its address of the
     * right family). NULL: local what the route says, remote the connection's; a port that is left out: local any, remote
     * the connection's. At least one of the four must differ from every subflow's (S5.14). */
    const char *local, *remote;
    /* The same as structures, where they are at hand; texts go before. */
    const struct sockaddr *local_address, *remote_address;
    bool backup; /* carries nothing while another works (RFC 8684 section 3.3.8) */
} hawser_subflow_options;
#define HAWSER_SUBFLOW(...)                                                                                            \
    (&(const hawser_subflow_options){.struct_size = sizeof(hawser_subflow_options), __VA_ARGS__})

/*
 * Opens a subflow, as connect(2) without waiting: ret_id names it at once, and an event says whether it was established (or
 * its state). Errors: -EEXIST (the four-tuple is taken by a subflow), -EINVAL (families that do not go together), -EADDRNOTAVAIL (no
 * address of this host), -ENETUNREACH, -EADDRINUSE, -ECONNREFUSED (at once, by this host), -EOPNOTSUPP (not MPTCP; the kernel's path manager), -EPERM, -HAWSER_EENDPOINT.
 */
HAWSER_API int hawser_subflow_open(hawser_mptcp *mptcp, const hawser_subflow_options *options, uint32_t *ret_id);
/* Closes one; what it had in flight goes out on the others. The last one too: the connection then waits for a new one for
 * net.mptcp.close_timeout seconds, and takes data meanwhile. -ENOENT */
HAWSER_API int hawser_subflow_close(hawser_mptcp *mptcp, uint32_t id);
/* Makes it a backup, or an ordinary one again, and tells the peer (MP_PRIO). -ENOENT */
HAWSER_API int hawser_subflow_backup(hawser_mptcp *mptcp, uint32_t id, bool backup);

/*
 * An option of one subflow. Get: TCP_INFO and the few that it holds need no rights; others go by the helper. Set: the kernel
 * has no call for it; the helper sets TCP_CONGESTION, IP_TOS, SO_MARK, SO_MAX_PACING_RATE and what docs/mptcp.md lists by
 * BPF. What cannot be set on one subflow is -EOPNOTSUPP, and nothing was changed.
 */
HAWSER_API int hawser_subflow_getsockopt(hawser_mptcp *mptcp, uint32_t id, int level, int name, void *value,
                                         unsigned int *optlen);
HAWSER_API int hawser_subflow_setsockopt(hawser_mptcp *mptcp, uint32_t id, int level, int name, const void *value,
                                         unsigned int optlen);

/* ----------------------------------------------------------------------------------------------------------- addresses */

/* Tells the peer that we can be reached at an address too (ADD_ADDR), so that it may open a subflow to it; port left out: that
 * of the connection. Something must listen there when it comes. ret_id: its address id. -EEXIST, -EINVAL, -EPERM ... */
HAWSER_API int hawser_address_announce(hawser_mptcp *mptcp, const char *address, int *ret_id);
/* Takes it back (REMOVE_ADDR): both sides close the subflows on it. -ENOENT */
HAWSER_API int hawser_address_withdraw(hawser_mptcp *mptcp, int address_id);

/* The scheduler of this connection (S5.31), where a helper can set it by BPF. -EOPNOTSUPP with the reason: hawser's own
 * schedulers (HAWSER_AGGREGATE and others) stripe without the kernel. */
HAWSER_API int hawser_mptcp_set_scheduler(hawser_mptcp *mptcp, const char *name);

/* -------------------------------------------------------------------------------------------------------------- events */

typedef enum hawser_mptcp_event_type {
    HAWSER_MPTCP_SUBFLOW_CREATED = 1, /* a handshake began, ours or the peer's */
    HAWSER_MPTCP_SUBFLOW_ESTABLISHED,
    HAWSER_MPTCP_SUBFLOW_CLOSED, /* or failed: error says */
    HAWSER_MPTCP_SUBFLOW_PRIORITY,
    HAWSER_MPTCP_ADDRESS_ANNOUNCED, /* by the peer */
    HAWSER_MPTCP_ADDRESS_REMOVED,   /* by the peer */
    HAWSER_MPTCP_CLOSED,            /* the connection */
    HAWSER_MPTCP_LOST,              /* events were lost since nobody read: look at the list anew */
} hawser_mptcp_event_type;
HAWSER_API const char *hawser_mptcp_event_name(hawser_mptcp_event_type type); /* "subflow-created", ... */

typedef struct hawser_mptcp_event {
    hawser_mptcp_event_type type;
    uint32_t id;                           /* subflow events: which; 0: it was never listed */
    struct sockaddr_storage local, remote; /* subflow events; announced: remote; family 0 where there is none */
    int local_id, remote_id;               /* address ids; announced, removed: remote_id; -1 */
    bool backup;                           /* subflow events */
    int error;                             /* closed: 0, or errno that ended it */
    int reset_reason;                      /* closed: that of MP_TCPRST (RFC 8684 section 3.6); -1: none */
} hawser_mptcp_event;

/* Begins watching; ret_fd becomes readable on an event of this connection, and is the handle's (S5.29). With rights or a
 * helper the kernel tells; without, the list is compared every 100 ms, which misses announced addresses. */
HAWSER_API int hawser_mptcp_watch(hawser_mptcp *mptcp, int *ret_fd);
/* The next event. 1: there is one; 0: none now, poll; negative: the watch ended. */
HAWSER_API int hawser_mptcp_next_event(hawser_mptcp *mptcp, hawser_mptcp_event *ret_event);

/* ------------------------------------------------------------------------------------------------------------ policies */

/*
 * What path manager modules did, as calls (S5.16): each brings the subflows to what the policy says, and may be called again on
 * every event or change of interfaces; then it opens only what is missing. They answer how many subflows were opened, or
 * the first error when none was.
 */
/* One subflow from every usable local address to every address of the peer that is known: the connection's, and announced
 * ones that were read by hawser_mptcp_next_event(). */
HAWSER_API int hawser_subflows_full_mesh(hawser_mptcp *mptcp);
/* count subflows between the first one's addresses, from different ports, so that networks with several equal paths spread
 * them. */
HAWSER_API int hawser_subflows_ndiffports(hawser_mptcp *mptcp, unsigned count);
/* A backup subflow from the interface's address. */
HAWSER_API int hawser_subflows_backup_on(hawser_mptcp *mptcp, const char *interface);
/* A subflow from the interface's address, but only once the others are bad: each has unanswered time-outs, or an RTT above
 * rtt_us (0: 1 s), or has had nothing acknowledged for silent_us (0: 1 s) with data in flight. */
HAWSER_API int hawser_subflows_when_bad(hawser_mptcp *mptcp, const char *interface, int64_t rtt_us, int64_t silent_us);

#ifdef __cplusplus
}
#endif

#endif
