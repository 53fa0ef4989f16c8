/* SPDX-License-Identifier: Apache-2.0 */
/* The links where multicast DNS is spoken, and its two sockets: private to the querier. */
#ifndef ENDPOINT_MDNS_LINK_H
#define ENDPOINT_MDNS_LINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MDNS_LINKS = 32, MDNS_PORT = 5353, MDNS_PACKET = 9000 }; /* RFC 6762 section 17 */

/* One address of an interface that takes multicast; links of IPv6 have none, for every source there is link-local. */
struct mdns_link {
    unsigned interface;
    int family;
    struct in_addr address, mask;
};

struct mdns_links {
    struct mdns_link list[MDNS_LINKS];
    unsigned count;
};
void mdns_links_read(struct mdns_links *links);

/* Where a packet came from. */
struct mdns_source {
    struct sockaddr_storage address;
    unsigned interface;
    int hops; /* what was left of its hop limit; -1: not told */
};
/* RFC 6762 section 11: from this link, and from the port of multicast DNS. */
bool mdns_source_is_right(const struct mdns_links *links, const struct mdns_source *source);

int mdns_socket(int family); /* its descriptor, or -errno */
/* Sends to the group on that interface. 0, -errno */
int mdns_send(int fd, int family, unsigned interface, const uint8_t *packet, size_t size);
/* The size; 0: what came is of no use; -EAGAIN; -errno */
ssize_t mdns_receive(int fd, uint8_t *packet, size_t size, struct mdns_source *ret_source);

#endif
