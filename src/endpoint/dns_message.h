/* SPDX-License-Identifier: Apache-2.0 */
/* Reading DNS messages record by record (RFC 1035 section 4), also hostile ones: nothing beyond the packet is read, and
 * compressed names only point back, so that every name ends. */
#ifndef ENDPOINT_DNS_MESSAGE_H
#define ENDPOINT_DNS_MESSAGE_H

#include "endpoint/dns_name.h"

enum {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_TLSA = 52,
    DNS_SVCB = 64,
    DNS_HTTPS = 65
};
enum { DNS_IN = 1, DNS_CACHE_FLUSH = 0x8000 }; /* RFC 6762 section 10.2: the class's top bit */
enum { DNS_NOERROR = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3 };
enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };
enum { DNS_HEADER = 12 };

struct dns_message {
    const uint8_t *packet;
    size_t size, at;
    unsigned left[3]; /* records still to be read of each section */
    unsigned id, code;
    bool response;           /* and to a plain query */
    unsigned question_count; /* the first is here: */
    struct dns_name question;
    unsigned question_type;
};

struct dns_record {
    struct dns_name name;
    enum dns_section section;
    unsigned type, class;
    uint32_t ttl;
    const uint8_t *data; /* in the packet */
    size_t size;
};

/* Reads the header and passes over the questions. -EBADMSG */
int dns_message_open(struct dns_message *message, const uint8_t *packet, size_t size);
/* 1: a record; 0: no more; -EBADMSG. */
int dns_message_next(struct dns_message *message, struct dns_record *ret_record);
/* A name within a record's data, which may be compressed: from data[*at] on, which moves beyond it. -EBADMSG */
int dns_record_name(const struct dns_message *message, const struct dns_record *record, size_t *at,
                    struct dns_name *ret_name);
/* Where the aliases of an answer lead from its question; true when the records asked for are there. */
bool dns_message_owner(const struct dns_message *answer, struct dns_name *ret_owner);
/* A question for a name; its size. out has room for DNS_HEADER + DNS_NAME_SIZE + 4. */
size_t dns_question_write(uint8_t *out, unsigned id, const struct dns_name *name, unsigned type);

/* "AAAA", "HTTPS", ...; NULL: not one of ours. */
const char *dns_type_name(unsigned type);
unsigned dns_type_of(const char *name); /* 0: none */

#endif
