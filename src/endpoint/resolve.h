/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name leads to, told as the answers come in (Happy Eyeballs v3): hosts(5), HTTPS and SVCB (RFC 9460), SRV (RFC
 * 2782), DNS-SD over unicast and multicast DNS (RFC 6763, RFC 6762), AAAA and A by libunbound on the context's loop, and
 * getaddrinfo(3) in the worker when DNS itself fails.
 */
#ifndef ENDPOINT_RESOLVE_H
#define ENDPOINT_RESOLVE_H

#include "endpoint/endpoint.h"
#include "endpoint/host.h"

enum dnssec { DNSSEC_NOT_ASKED, DNSSEC_INSECURE, DNSSEC_SECURE, DNSSEC_BOGUS };
const char *dnssec_name(enum dnssec dnssec); /* "", "insecure", "secure", "bogus" */

enum { RESOLVE_ALPN = 4, RESOLVE_ALPN_SIZE = 32 };
/* The ranks of the host's own addresses beside records (RFC 9460 section 3), and of a host that an AliasMode record names. */
#define RESOLVE_RANK_BESIDE UINT32_MAX
#define RESOLVE_RANK_ALIAS (UINT32_MAX - 1)

/* One address with what the records say about it. */
struct found {
    struct layer_address address; /* with the port that counts */
    char target[HOST_SIZE];       /* the host that it is of: the name itself, an SRV or SVCB target */
    unsigned priority;            /* SRV, SVCB: lower first; addresses beside SVCB records have UINT_MAX; else 0 */
    unsigned weight;              /* SRV */
    unsigned rank; /* for the race: SVCB's priority; of SRV records their place after weights were drawn; else 0 */
    char alpn[RESOLVE_ALPN][RESOLVE_ALPN_SIZE]; /* SVCB: "" ended; none: not said */
    bool no_default_alpn;
    bool hint; /* of an SVCB hint: gone when A or AAAA of the target say otherwise, not told again when they agree */
    enum dnssec dnssec;
    int64_t expires; /* hawser_now()'s clock: when the records' time to live is over; INT64_MAX: never */
};

/* Question bits are enum race_question's: service 1 (where https or scheme is asked for), IPv6 2, IPv4 4. Each is told
 * once, as soon as the race need not wait for it, and at the latest with the last answer; 4 and 2 are those of the
 * target to try first. */
struct resolve_answer {
    unsigned questions; /* answered by this, positive or negative; 0: an intermediate one (SRV), for the report */
    int code; /* 0; -HAWSER_ERESOLVE: a negative answer; others: it failed; with last, when nothing was found at
                         * all: why, of the whole */
    const char *reason;        /* in words */
    const struct found *found; /* those that are new */
    size_t found_count;
    const struct found
        *gone; /* hints that did not come true; addresses told before records said more of them: these are
                               * in found again, with what the records say */
    size_t gone_count;
    hawser_lookup lookup; /* for the report; strings valid during the call */
    bool last;            /* nothing follows: the resolution is freed when answered() returns */
};

struct resolution;
struct resolve_config {
    const struct endpoint *endpoint; /* HOST or SERVICE; copied */
    int64_t timeout_us;
    bool https;         /* ask for HTTPS records beside the addresses; for other services SVCB as _port._scheme */
    const char *scheme; /* SVCB of "_4433._hawser.NAME"; NULL: none */
    unsigned families;  /* bits 2 and 4: those that the host has a route for; 0: both */
    bool prove;         /* DNSSEC's verdict by the system's trust anchors too, at the price of more questions */
    void (*answered)(void *user, const struct resolve_answer *answer); /* from dispatch only */
    void *user;
};
int resolve_start(hawser_context *context, const struct resolve_config *config, struct resolution **ret_resolution);
bool name_is_local(const char *name);               /* of a checked name: below .local, and so asked for by multicast */
void resolve_cancel(struct resolution *resolution); /* answers still under way are let in for 1 s, into the cache */

#endif
