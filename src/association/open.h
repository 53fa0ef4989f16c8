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
    struct attempt *early; /* the one that carries early data: its layers are the strand's for that long */
    bool begun, done, no_early_data;
};

/* open.c */
int open_start(hawser_association *association, const hawser_associate_options *options);

#endif
