/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Sets or gets an option of one subflow (S5.24). The kernel's MPTCP socket passes options on to all of its subflows or to
 * none; but a subflow is a TCP socket, and a BPF iterator over those (Linux 5.16) may call bpf_setsockopt() on each, holding
 * its lock. This one looks for the subflow that is meant. The structs below name the kernel's members that are used, and
 * nothing else of them: where they lie is found when the program is loaded (CO-RE).
 */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
enum { BPF_MAP_TYPE_ARRAY = 2, BPF_ANY = 0 };

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "subflow_bpf.h"

#define KERNELS __attribute__((preserve_access_index))

enum { FAMILY_IPV6 = 10 };

struct in6_addr {
    union {
        __u8 u6_addr8[16];
    } in6_u;
} KERNELS;

struct sock_common {
    __be32 skc_daddr, skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} KERNELS;

struct sock {
    struct sock_common __sk_common;
} KERNELS;

struct inet_connection_sock {
    void *icsk_ulp_data;
} KERNELS;

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    _Bool is_mptcp;
} KERNELS;

struct mptcp_sched_ops {
    char name[16];
} KERNELS;

struct mptcp_sock {
    __u32 token;
    struct mptcp_sched_ops *sched;
} KERNELS;

struct mptcp_subflow_context {
    struct sock *conn;
} KERNELS;

struct bpf_iter_meta;
struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
} KERNELS;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct subflow_bpf_request);
} requests SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct subflow_bpf_answer);
} answers SEC(".maps");

static __always_inline void mapped(__u8 to[16], __be32 address)
{
    __builtin_memset(to, 0, 10);
    to[10] = to[11] = 0xff;
    __builtin_memcpy(to + 12, &address, 4);
}

static __always_inline _Bool same(const __u8 *one, const __u8 *other)
{
    for (int i = 0; i < 16; i++)
        if (one[i] != other[i])
            return 0;
    return 1;
}

static __always_inline _Bool has_ends(struct sock_common *common, const struct subflow_bpf_request *request)
{
    __u8 local[16], remote[16];

    if (common->skc_num != request->local_port || bpf_ntohs(common->skc_dport) != request->remote_port)
        return 0;
    if (common->skc_family == FAMILY_IPV6) {
        BPF_CORE_READ_INTO(&local, common, skc_v6_rcv_saddr.in6_u.u6_addr8);
        BPF_CORE_READ_INTO(&remote, common, skc_v6_daddr.in6_u.u6_addr8);
    } else {
        mapped(local, common->skc_rcv_saddr);
        mapped(remote, common->skc_daddr);
    }
    return same(local, request->local) && same(remote, request->remote);
}

SEC("iter/tcp")
int subflow_option(struct bpf_iter__tcp *ctx)
{
    struct sock_common *common = ctx->sk_common;
    struct subflow_bpf_request *request;
    struct subflow_bpf_answer *answer;
    struct mptcp_subflow_context *subflow;
    struct mptcp_sched_ops *scheduler;
    struct mptcp_sock *connection;
    struct tcp_sock *tcp;
    __u32 first = 0, size;

    request = bpf_map_lookup_elem(&requests, &first);
    answer = bpf_map_lookup_elem(&answers, &first);
    if (!common || !request || !answer || !has_ends(common, request))
        return 0;
    tcp = bpf_skc_to_tcp_sock(common); /* not of connections that are only asked for, or waiting for their end */
    if (!tcp || !tcp->is_mptcp)
        return 0;
    subflow = tcp->inet_conn.icsk_ulp_data;
    connection = (struct mptcp_sock *)BPF_CORE_READ(subflow, conn);
    if (BPF_CORE_READ(connection, token) != request->token)
        return 0;
    answer->found++;
    scheduler = BPF_CORE_READ(connection, sched);
    BPF_CORE_READ_STR_INTO(&answer->scheduler, scheduler, name);
    size = request->size;
    if (size == 0 || size > SUBFLOW_BPF_VALUE)
        return 0;
    if (request->verb == SUBFLOW_BPF_SET)
        answer->code = bpf_setsockopt(tcp, request->level, request->name, request->value, size);
    else
        answer->code = bpf_getsockopt(tcp, request->level, request->name, answer->value, size);
    return 0;
}

char LICENSE[] SEC("license") = "GPL"; /* reading the kernel's memory asks for it: this file is under either */
