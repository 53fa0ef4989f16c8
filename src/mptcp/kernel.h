/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Linux says and takes of MPTCP, as its documentation has it: getsockopt(2) at SOL_MPTCP, the generic netlink family mptcp_pm, and
 * what sock_diag(7) tells of a subflow. <linux/mptcp.h> of the distributions that are built on is older than what they run on, and
 * lacks a part; names here are ours, so that both can be included.
 */
#ifndef MPTCP_KERNEL_H
#define MPTCP_KERNEL_H

#include <stdint.h>
#include <sys/socket.h>

enum {
    KERNEL_SOL_MPTCP = 284,
    KERNEL_IPPROTO_MPTCP = 262,
    KERNEL_INFO = 1, /* options: 5.16 */
    KERNEL_TCPINFO = 2,
    KERNEL_SUBFLOW_ADDRS = 3,
    KERNEL_FULL_INFO = 4, /* 6.5 */
};

struct kernel_mptcp_info { /* grew with the kernels: what is not filled in is 0 */
    uint8_t subflows, add_addr_signal, add_addr_accepted, subflows_max, add_addr_signal_max, add_addr_accepted_max;
    uint32_t flags, token;
    uint64_t write_seq, snd_una, rcv_nxt;
    uint8_t local_addr_used, local_addr_max, csum_enabled;
    uint32_t retransmits;
    uint64_t bytes_retrans, bytes_sent, bytes_received, bytes_acked;
    uint8_t subflows_total, reserved[3];
    uint32_t last_data_sent, last_data_recv, last_ack_recv;
};

struct kernel_subflow_data {
    uint32_t size_subflow_data, num_subflows, size_kernel, size_user;
} __attribute__((aligned(8)));

/* Two of the kernel's struct __kernel_sockaddr_storage. */
struct kernel_subflow_addrs {
    struct sockaddr_storage local, remote;
};

struct kernel_subflow_info {
    uint32_t id;
    struct kernel_subflow_addrs addrs;
};

struct kernel_full_info {
    uint32_t size_tcpinfo_kernel, size_tcpinfo_user, size_sfinfo_kernel, size_sfinfo_user;
    uint32_t num_subflows, size_arrays_user;
    uint64_t subflow_info, tcp_info; /* pointers */
    struct kernel_mptcp_info info;
};

/* Generic netlink: family, groups, commands, attributes. */
#define KERNEL_PM_FAMILY "mptcp_pm"
#define KERNEL_PM_EVENTS "mptcp_pm_events"
enum { KERNEL_PM_VERSION = 1 };
enum kernel_pm_command {
    PM_GET_ADDR = 3,
    PM_SET_FLAGS = 7,
    PM_ANNOUNCE = 8,
    PM_REMOVE = 9,
    PM_SUBFLOW_CREATE = 10,
    PM_SUBFLOW_DESTROY = 11,
};
enum { PM_ATTR_ADDR = 1, PM_ATTR_TOKEN = 4, PM_ATTR_LOC_ID = 5, PM_ATTR_ADDR_REMOTE = 6 };
enum {
    PM_ADDR_FAMILY = 1,
    PM_ADDR_ID = 2,
    PM_ADDR_ADDR4 = 3,
    PM_ADDR_ADDR6 = 4,
    PM_ADDR_PORT = 5, /* host order */
    PM_ADDR_FLAGS = 6,
    PM_ADDR_IF_IDX = 7,
};
enum { PM_FLAG_SIGNAL = 1, PM_FLAG_BACKUP = 4 };

enum kernel_event {
    EVENT_CREATED = 1,
    EVENT_ESTABLISHED = 2,
    EVENT_CLOSED = 3,
    EVENT_ANNOUNCED = 6,
    EVENT_REMOVED = 7,
    EVENT_SUB_ESTABLISHED = 10,
    EVENT_SUB_CLOSED = 11,
    EVENT_SUB_PRIORITY = 13,
};
enum { /* attributes of events; ports are of the network's order here */
       EVENT_ATTR_TOKEN = 1,
       EVENT_ATTR_LOC_ID = 3,
       EVENT_ATTR_REM_ID = 4,
       EVENT_ATTR_SADDR4 = 5,
       EVENT_ATTR_SADDR6 = 6,
       EVENT_ATTR_DADDR4 = 7,
       EVENT_ATTR_DADDR6 = 8,
       EVENT_ATTR_SPORT = 9,
       EVENT_ATTR_DPORT = 10,
       EVENT_ATTR_BACKUP = 11,
       EVENT_ATTR_ERROR = 12,
       EVENT_ATTR_RESET_REASON = 16,
       EVENT_ATTR_SERVER_SIDE = 18,
};

/* Inside of INET_ULP_INFO_MPTCP, which sock_diag(7) tells of a subflow. */
enum {
    SUBFLOW_ATTR_TOKEN_REM = 1,
    SUBFLOW_ATTR_TOKEN_LOC = 2,
    SUBFLOW_ATTR_FLAGS = 8,
    SUBFLOW_ATTR_ID_REM = 9,
    SUBFLOW_ATTR_ID_LOC = 10
};
enum { SUBFLOW_FLAG_JOINED = 4 | 8, SUBFLOW_FLAG_BACKUP_REM = 16, SUBFLOW_FLAG_BACKUP_LOC = 32 };

#endif
