/* SPDX-License-Identifier: Apache-2.0 */
/* The establishment of an association that we open; gone once its end was told. */
#ifndef ASSOCIATION_OPEN_H
#define ASSOCIATION_OPEN_H

#include "association/association.h"
#include "race/establish.h"

/* An endpoint of the peer, and what TLS is told there: over hawser/1, and bare. NULL: not in that form. */
struct opening_endpoint {
    struct endpoint endpoint;
    struct secure *session, *bare;
};

struct opening {
    struct establish *establish;
    struct opening_endpoint endpoints[ESTABLISH_ENDPOINTS_MAX];
    size_t endpoint_count;
    char *stacks;          /* a copy; NULL: by properties */
    struct endpoint local; /* kind ADDRESS when one was given */
    struct group *group;   /* whose key seals what is sent; NULL: none */
    struct attempt *early; /* the one that carries early data: its layers are the strand's for that long */
    bool begun, done, no_early_data;
};

/* open.c */
int open_start(hawser_association *association, const hawser_associate_options *options);

/* group.c: where an endpoint is a multicast group, what it demands of properties and options, and its key. 1: it is one;
 * 0: it is not; negative: refused, with words in reason. */
int group_check_open(hawser_association *association, const hawser_associate_options *options, char *reason,
                     size_t reason_size);

/* associate.c: the name that whoever answers for an endpoint has to show; "" where there is none. */
void associate_server_name(const struct endpoint *endpoint, char *name, size_t size);

#endif
