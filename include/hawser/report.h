/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hawser did to reach a peer, and what it knows of the line: look-ups, attempts, what was chosen and why. Every
 * establishment, also a failed one, has such a report (docs/racing.md); `hawser probe` prints and draws it.
 */
#ifndef HAWSER_REPORT_H
#define HAWSER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hawser/properties.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_path {
    const char *interface; /* "" when not known */
    const char *local;     /* "192.0.2.1:4711" */
    const char *remote;
} hawser_path;

typedef enum hawser_attempt_outcome {
    HAWSER_ATTEMPT_WON,
    HAWSER_ATTEMPT_LOST, /* given up, since another won */
    HAWSER_ATTEMPT_FAILED,
    HAWSER_ATTEMPT_SKIPPED, /* never begun: reason says why, or that another won before its turn came */
} hawser_attempt_outcome;
HAWSER_API const char *hawser_attempt_outcome_name(hawser_attempt_outcome outcome);

/* One candidate: a try at reaching the peer, or why there was none. */
typedef struct hawser_attempt {
    const char *endpoint;
    hawser_path path;
    const char *stack;
    int64_t start_us, end_us; /* both when it was skipped, for one that was */
    hawser_attempt_outcome outcome;
    const char *layer;   /* the layer that failed, or "" */
    int code;            /* negative, 0 for the winner */
    const char *reason;  /* in words; "" for the winner */
    const char *reached; /* the highest layer that was established: "", "tcp", "socks5", "tls" */
    int64_t reached_us;  /* when; 0 with "" */
    int64_t answered_us; /* when the peer first answered: its transport's handshake was done; 0: it was not */
    bool bare;           /* the peer's own protocol, not hawser/1 */
    bool early_data;     /* it carried early data */
} hawser_attempt;

/* One question to a resolver. */
typedef struct hawser_lookup {
    const char *name;
    const char *question; /* "HTTPS", "SVCB", "SRV", "PTR", "AAAA", "A", "TLSA", "hosts", "getaddrinfo" */
    int64_t start_us, end_us;
    int code;           /* 0, or negative */
    const char *result; /* "2001:db8::1, 2001:db8::2 (60 s)", or why not */
    const char *dnssec; /* "secure", "insecure", "bogus", "" when DNS was not asked */
} hawser_lookup;

typedef struct hawser_report {
    const char *endpoint; /* what was asked for; several with commas */
    int code;             /* 0 or why it failed */
    const char *reason;   /* in words; "" */
    int64_t start_us, end_us;
    /* What was chosen; "" and 0 when nothing was. */
    const char *stack; /* as it turned out: "tls/tcp" where MPTCP fell back */
    bool bare;
    hawser_path path;
    const char *peer_name; /* verified, else the key name, else "" */
    const char *verification;
    const char *alpn;
    unsigned round_trips;
    bool early_data_sent, early_data_accepted, resumed, fast_open;
    const char *dnssec;             /* of the address that won; "" when it came from no DNS */
    const hawser_attempt *attempts; /* in the order of the tree: as ranked */
    size_t attempt_count;
    const hawser_lookup *lookups;
    size_t lookup_count;
} hawser_report;

/* A copy that lives on; hawser_report_free() ends it. -ENOMEM */
HAWSER_API int hawser_report_copy(const hawser_report *report, hawser_report **ret_copy);
HAWSER_API void hawser_report_free(hawser_report *report); /* of a copy; NULL is nothing */

/* One JSON object without a newline; an SVG waterfall: look-ups and attempts over time. The caller free()s the text.
 * -ENOMEM */
HAWSER_API int hawser_report_json(const hawser_report *report, char **ret_text);
HAWSER_API int hawser_report_svg(const hawser_report *report, char **ret_text);

#ifdef __cplusplus
}
#endif

#endif
