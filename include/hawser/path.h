/* SPDX-License-Identifier: Apache-2.0 */
/* Paths: the ways out of this host, watched by rtnetlink, judged without sending a packet (S4.10-S4.12, S2.6, S2.23,
 * S2.32); and the policy file, by which user and system say what interfaces are and cost (docs/policy.md). */
#ifndef HAWSER_PATH_H
#define HAWSER_PATH_H

#include <hawser/report.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hawser_context;

/* A way towards an endpoint: one for each interface (and, for a name that is not known yet, family). */
typedef struct hawser_path_info {
    const char *interface;
    const char
        *type; /* "ethernet", "wifi", "cellular", "loopback", "tunnel", "virtual", "other", or the policy's word */
    const char *family;  /* "ipv4", "ipv6", "unix" */
    const char *local;   /* the source address that would be used; "" when there is none */
    const char *remote;  /* the address judged; "" while the name is not resolved */
    const char *gateway; /* "" on the same link */
    bool usable;
    const char *reason; /* why not usable, or why ranked as it is; "" */
    bool preferred;     /* what the system's routes would take */
    bool temporary;     /* local is an IPv6 privacy address (RFC 8981) */
    bool metered;
    int cost;       /* 0 free, 100 normal for cellular; from the policy or by type: docs/policy.md */
    unsigned mtu;   /* bytes */
    int quality;    /* 0..100 from remembered RTT, loss and outcomes, as docs/policy.md says; -1: nothing is known */
    int64_t rtt_us; /* remembered on this network towards this remote; 0: not known */
    double loss;    /* share of attempts that failed there; negative: not known */
    uint64_t rate;  /* remembered delivery rate, bits per second; 0: not known */
} hawser_path_info;

/*
 * The paths towards an endpoint, best first, unusable ones with their reason last. Sends nothing: a host name is looked up
 * in /etc/hosts alone. endpoint NULL: towards anywhere, one a family and interface. Strings live until the next call for
 * this context. Errors: -HAWSER_EENDPOINT.
 */
HAWSER_API int hawser_paths(struct hawser_context *context, const char *endpoint, const hawser_properties *properties,
                            const hawser_path_info **ret_paths, size_t *ret_count);
/* Calls fn from dispatch after interfaces, addresses or routes changed (changes within 10 ms are one). NULL: no more. */
HAWSER_API int hawser_paths_watch(struct hawser_context *context, void (*fn)(void *user), void *user);

/* Reads a policy file. 0, or -HAWSER_EPOLICY with "FILE:LINE:COLUMN: what is wrong" in ret_reason; -errno: not readable. */
HAWSER_API int hawser_policy_check(const char *file, char *ret_reason, size_t size);

#ifdef __cplusplus
}
#endif

#endif
