/* SPDX-License-Identifier: Apache-2.0 */
/* What hawserd and its BPF program say to each other, by two maps of one element each. */
#ifndef DAEMON_SUBFLOW_BPF_H
#define DAEMON_SUBFLOW_BPF_H

#define SUBFLOW_BPF_VALUE 64 /* bytes of an option's value */

enum { SUBFLOW_BPF_GET, SUBFLOW_BPF_SET };

struct subflow_bpf_request {
    unsigned token; /* of the connection, so that no other's socket is met that has the same ends by now */
    unsigned short local_port, remote_port;
    unsigned char local[16], remote[16]; /* IPv4 as in ::ffff:192.0.2.1 */
    unsigned verb;
    int level, name;
    unsigned size;
    unsigned char value[SUBFLOW_BPF_VALUE];
};

struct subflow_bpf_answer {
    unsigned found; /* how many sockets were it: 0 or 1 */
    int code;       /* of bpf_setsockopt() or bpf_getsockopt() */
    unsigned char value[SUBFLOW_BPF_VALUE];
    char scheduler[16]; /* of the connection */
};

#endif
