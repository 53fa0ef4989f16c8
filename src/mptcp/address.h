/* SPDX-License-Identifier: Apache-2.0 */
/* An address of a subflow, small and without padding, so that it can be compared, sent and hashed as bytes. */
#ifndef MPTCP_ADDRESS_H
#define MPTCP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct mptcp_address {
    uint16_t family;    /* AF_INET, AF_INET6; 0: none. An IPv4 address in IPv6's clothes is AF_INET */
    uint16_t port;      /* of the host's order; 0: any */
    uint32_t interface; /* its index, where one is meant; 0 */
    uint8_t bytes[16];  /* of the network's order; IPv4 in the first four */
};

/* false: neither IPv4 nor IPv6, or too short. */
bool mptcp_address_from(struct mptcp_address *ret_address, const struct sockaddr *address, size_t size);
/* An IPv4 address in IPv6's clothes becomes AF_INET. */
void mptcp_address_plain(struct mptcp_address *address);
void mptcp_address_to(const struct mptcp_address *address, struct sockaddr_storage *ret_address);
size_t mptcp_sockaddr_size(const struct sockaddr_storage *address);
/* But for port and interface. */
bool mptcp_address_same_host(const struct mptcp_address *a, const struct mptcp_address *b);
bool mptcp_address_same(const struct mptcp_address *a, const struct mptcp_address *b); /* but for the interface */
bool mptcp_address_is_any(const struct mptcp_address *address);                        /* zeros, or none */
/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1", each with "@eth0" behind, or "@eth0" alone (family 0).
 * -HAWSER_EENDPOINT; -ENODEV: no such interface. */
int mptcp_address_read(const char *text, struct mptcp_address *ret_address);
#define MPTCP_ADDRESS_TEXT 80
const char *mptcp_address_print(const struct mptcp_address *address, char text[MPTCP_ADDRESS_TEXT]);

#endif
