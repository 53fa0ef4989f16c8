/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library and hawserd say to each other: docs/mptcp.md, "The helper's protocol". One packet of a
 * SOCK_SEQPACKET unix socket is one message, in the host's byte order, of fixed size but for the list of subflows in a
 * reply. Both ends take only what has exactly the size that its type has; reserved fields are 0.
 */
#ifndef MPTCP_WIRE_H
#define MPTCP_WIRE_H

#include <stdint.h>

#include "mptcp/address.h"

#define WIRE_MAGIC 0x44535748u /* "HWSD" */
#define WIRE_VERSION 1

enum {
    WIRE_SUBFLOWS_MAX = 64, /* in one reply; a connection with more has its first ones listed, and says truncated */
    WIRE_OPTION_MAX = 512,  /* bytes of a socket option's value, or of a scheduler's name */
    WIRE_REASON_MAX = 200,  /* bytes of a reason, its NUL among them */
    WIRE_INFO_MAX = 320,    /* bytes of a tcp_info */
};

/* A request has its reply, with the same number, in the order of the requests. WIRE_EVENT comes by itself after WIRE_WATCH. */
enum wire_type {
    WIRE_HELLO = 1, /* who is there: reply.id is a set of WIRE_CAN_* */
    WIRE_LIST,      /* reply: token, count, subflows */
    WIRE_OPEN,      /* local, remote (family 0: not given), flags; reply.id: the subflow */
    WIRE_CLOSE,     /* id */
    WIRE_BACKUP,    /* id, flags */
    WIRE_ANNOUNCE,  /* local; reply.id: the address id */
    WIRE_WITHDRAW,  /* id: the address id */
    WIRE_GET,       /* id, level, name, option_size: how much at most; reply: option */
    WIRE_SET,       /* id, level, name, option */
    WIRE_SCHEDULER, /* option: the name, without NUL */
    WIRE_WATCH,     /* from then on events of this connection; a connection of the socket watches one */
    WIRE_EVENT,     /* struct wire_event; number: that of the WIRE_WATCH */
};

enum { WIRE_BACKUP_FLAG = 1 };

/* What this helper can do, beyond subflows: by what it was given and what the kernel has. */
enum {
    WIRE_CAN_CONTROL = 1,   /* the userspace path manager rules in this namespace */
    WIRE_CAN_OPTIONS = 2,   /* options of one subflow, by BPF */
    WIRE_CAN_SCHEDULER = 4, /* a scheduler a connection, by BPF */
};

struct wire_head {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t size;   /* of the whole packet */
    uint32_t number; /* the requester's */
};

/* Which connection, and by what right. */
enum wire_target_kind {
    WIRE_BY_FD = 1, /* the descriptor comes along (SCM_RIGHTS): who has it may steer it */
    WIRE_BY_PID,    /* descriptor fd of process pid, which is of the same user as the asker */
    WIRE_BY_TUPLE,  /* a subflow's two ends; its socket is of the same user as the asker */
};
struct wire_target {
    uint32_t kind; /* WIRE_HELLO: 0 */
    int32_t pid, fd;
    uint32_t reserved;
    struct mptcp_address local, remote; /* by tuple, with ports */
};

struct wire_request {
    struct wire_head head;
    struct wire_target target;
    uint32_t id, flags;
    struct mptcp_address local, remote;
    int32_t level, name;
    uint32_t option_size, reserved;
    uint8_t option[WIRE_OPTION_MAX];
};

struct wire_subflow {
    uint32_t id;
    int16_t local_id, remote_id; /* -1: not told */
    uint32_t flags;              /* MPTCP_SUBFLOW_* of mptcp/inspect.h */
    uint32_t info_size;
    struct mptcp_address local, remote;
    uint8_t info[WIRE_INFO_MAX]; /* the kernel's struct tcp_info */
};

struct wire_reply {
    struct wire_head head;
    int32_t code; /* 0, or -errno */
    uint32_t id, token, flags;
    uint32_t count; /* subflows that follow */
    uint32_t option_size;
    uint8_t option[WIRE_OPTION_MAX];
    char reason[WIRE_REASON_MAX]; /* why, in one sentence; ends in NUL */
    struct wire_subflow subflows[];
};
enum { WIRE_TRUNCATED_FLAG = 1 }; /* of a list */

struct wire_event {
    struct wire_head head;
    uint32_t type; /* hawser_mptcp_event_type */
    uint32_t id;
    int16_t local_id, remote_id; /* -1: none */
    int32_t error, reset_reason; /* -1: none */
    uint32_t flags;              /* WIRE_BACKUP_FLAG */
    struct mptcp_address local, remote;
};

#endif
