/* SPDX-License-Identifier: Apache-2.0 */
/* Reading DNS answers (RFC 1035 section 4). */
#ifndef ENDPOINT_DNS_ANSWER_H
#define ENDPOINT_DNS_ANSWER_H

#include "endpoint/addresses.h"

enum { DNS_A = 1, DNS_AAAA = 28, DNS_IN = 1 };
enum { DNS_NOERROR = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3 };

/* The answer's code, and the addresses of the answer section added: libunbound has followed the aliases and dropped what
 * does not belong to the question. -EBADMSG: malformed; nothing is added then. */
int dns_answer_read(const uint8_t *packet, size_t size, struct addresses *addresses);

#endif
