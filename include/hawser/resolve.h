/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name leads to, without connecting: the look-ups that an association's race is fed with, told as their answers
 * come (docs/endpoints.md). `hawser resolve` prints them.
 */
#ifndef HAWSER_RESOLVE_H
#define HAWSER_RESOLVE_H

#include <hawser/report.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hawser_context;

/* One address, or with options.record one record's data. Strings are valid during the call. */
typedef struct hawser_resolved {
    const char *address; /* "192.0.2.1:443", "[fe80::1%eth0]:443"; the port 0 where none was given; "" of a record */
    const char *target;  /* the host that it is of */
    unsigned priority;   /* SRV, SVCB: lower first; UINT32_MAX: beside SVCB records, for when they fail; else 0 */
    unsigned weight;     /* SRV */
    unsigned rank;       /* in which order to try: by priority, SRV weights drawn; equal ones are equally good */
    const char *alpn;    /* SVCB: "h2,h3"; "" not said */
    bool no_default_alpn;
    bool hint;          /* of an SVCB record, while the host's own addresses are not known;
                          * one that comes true is not told again */
    const char *dnssec; /* "secure", "insecure", "" when it came from no DNS */
    int64_t ttl_us;     /* how long it may be used; INT64_MAX: for ever */
    const char *record; /* with options.record: its data, "3 1 1 8a5f..."; else "" */
} hawser_resolved;

typedef struct hawser_resolve_answer {
    hawser_lookup lookup; /* the question that this answers */
    const hawser_resolved *found;
    size_t found_count;
    const hawser_resolved *gone; /* told earlier, and no longer so: a hint that did not come true */
    size_t gone_count;
    int code;           /* 0, or negative: this question's; of the last one with nothing found, the whole's */
    const char *reason; /* in words; "" */
    bool last;          /* nothing follows; the resolving is freed when the function returns */
} hawser_resolve_answer;
typedef void (*hawser_resolve_fn)(const hawser_resolve_answer *answer, void *user);

typedef struct hawser_resolve_options {
    size_t struct_size;
    int64_t timeout_us; /* 0: 10 s */
    bool https;         /* HTTPS records too (RFC 9460) */
    const char *scheme; /* SVCB records of _PORT._SCHEME.NAME too; NULL: none */
    bool no_ipv6, no_ipv4;
    bool no_dnssec; /* take answers without proof, when the program has named no trust anchors of its own */
    const char
        *record; /* "TLSA" (of _PORT._tcp.NAME), "HTTPS", "SVCB", "SRV", "TXT", "PTR", "A", "AAAA": these records of
                         * the name alone, as text; NULL: addresses */
} hawser_resolve_options;
#define HAWSER_RESOLVE(...)                                                                                            \
    (&(const hawser_resolve_options){.struct_size = sizeof(hawser_resolve_options), __VA_ARGS__})

typedef struct hawser_resolving hawser_resolving;

/*
 * Looks up an endpoint: HOST:PORT, or a host name alone, or a service instance. fn runs from dispatch; the loop is held
 * until the last answer. Errors: -HAWSER_EENDPOINT, -EINVAL (record; an endpoint that is no name), -ENOMEM; of records
 * also what keeps the question from being put: -ENODEV (no such interface), -ENETUNREACH.
 */
HAWSER_API int hawser_resolve(struct hawser_context *context, const char *endpoint,
                              const hawser_resolve_options *options, hawser_resolve_fn fn, void *user,
                              hawser_resolving **ret_resolving);
HAWSER_API void hawser_resolve_cancel(hawser_resolving *resolving); /* fn is not called again */

#ifdef __cplusplus
}
#endif

#endif
