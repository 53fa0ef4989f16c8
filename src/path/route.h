/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel answers about a remote address: the route that it would take, and the address that it would leave from. */
#ifndef PATH_ROUTE_H
#define PATH_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "layer/layer.h"

struct route {
    unsigned index;               /* the interface */
    bool here;                    /* the address is one of this host */
    unsigned prefix;              /* how long the route's destination is: 0 for a default route */
    bool on_link;                 /* no gateway */
    struct layer_address gateway; /* size 0: none; may be of the other family */
    struct layer_address source;  /* size 0: not told; port 0 */
};

/*
 * Asks for the route to remote; index: over this interface alone (0: any); source: leaving from there (NULL: any). fd is of
 * netlink_open(0). 0, or the kernel's error: -ENETUNREACH, -EHOSTUNREACH, -EACCES and -EINVAL (routes that prohibit, drop).
 */
int route_ask(int fd, const struct layer_address *remote, unsigned index, const struct layer_address *source,
              struct route *ret_route);
/* The link-layer address of a neighbour, "02:00:5e:00:53:01". -ENOENT: it is not known. */
int route_neighbour(int fd, unsigned index, const struct layer_address *address, char *ret_text, size_t size);

enum source_kind { SOURCE_ANY, SOURCE_TEMPORARY, SOURCE_STABLE };
/* Where a socket towards remote would leave from, by connecting one, which sends nothing. */
int route_source(const struct layer_address *remote, unsigned index, enum source_kind kind,
                 struct layer_address *ret_source);

/* Addresses of IPv4 written as IPv6 count as IPv4. */
void route_plain(const struct layer_address *address, struct layer_address *ret_address);
const void *route_bytes(const struct layer_address *address, size_t *ret_size); /* of IPv4 and IPv6 */
bool route_same_bytes(const struct layer_address *a, const struct layer_address *b);
void route_text(const struct layer_address *address, char *ret_text, size_t size); /* without port and scope */

#endif
