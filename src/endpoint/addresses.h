/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses found for a name, by family, without doubles, bounded. */
#ifndef ENDPOINT_ADDRESSES_H
#define ENDPOINT_ADDRESSES_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "layer/layer.h"

enum { ADDRESSES_EACH = 16, ADDRESSES_MAX = 2 * ADDRESSES_EACH };

struct addresses {
    uint16_t port;
    size_t v6_count, v4_count;
    struct sockaddr_in6 v6[ADDRESSES_EACH];
    struct sockaddr_in v4[ADDRESSES_EACH];
};

void addresses_init(struct addresses *addresses, uint16_t port);
/* More than there is room for are left out: who listed them first is preferred anyway. */
void addresses_add_v6(struct addresses *addresses, const struct in6_addr *address, uint32_t scope);
void addresses_add_v4(struct addresses *addresses, const struct in_addr *address);
/* "192.0.2.1", "2001:db8::1", "fe80::1%eth0". -EINVAL */
int addresses_add_text(struct addresses *addresses, const char *text);
size_t addresses_count(const struct addresses *addresses);
/* IPv6 and IPv4 take turns, IPv6 first (RFC 8305 section 4); how many. */
size_t addresses_interleave(const struct addresses *addresses, struct layer_address ret_list[ADDRESSES_MAX]);

#endif
