/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the records that lead to a service: SRV (RFC 2782), SVCB and HTTPS (RFC 9460). */
#ifndef ENDPOINT_DNS_DATA_H
#define ENDPOINT_DNS_DATA_H

#include <netinet/in.h>

#include "endpoint/dns_message.h"
#include "endpoint/resolve.h"

enum { DNS_HINTS = 4 };

struct dns_srv {
    unsigned priority, weight;
    uint16_t port;
    struct dns_name target; /* the root alone: the service is not there */
};

struct dns_svcb {
    unsigned priority;      /* 0: AliasMode */
    struct dns_name target; /* "." of ServiceMode is the record's own name already */
    bool usable;            /* nothing is mandatory that we do not understand, and it agrees with itself */
    bool has_port, no_default_alpn;
    uint16_t port;
    char alpn[RESOLVE_ALPN][RESOLVE_ALPN_SIZE]; /* those that we could hold */
    unsigned v4_count, v6_count;
    struct in_addr v4[DNS_HINTS];
    struct in6_addr v6[DNS_HINTS];
};

/* -EBADMSG: malformed. */
int dns_srv_read(const struct dns_message *message, const struct dns_record *record, struct dns_srv *ret_srv);
int dns_svcb_read(const struct dns_message *message, const struct dns_record *record, struct dns_svcb *ret_svcb);
bool dns_name_is_root(const struct dns_name *name);
/* As a host name; NULL, or what is wrong with it. */
const char *dns_name_to_host(const struct dns_name *name, char ret_host[HOST_SIZE]);
/* The data in words that people and tools know (RFC 9460's and RFC 6698's presentation); cut where it does not fit. */
void dns_data_print(const struct dns_message *message, const struct dns_record *record, char *text, size_t size);

#endif
