/* SPDX-License-Identifier: Apache-2.0 */
/* The passive side: what a listener is beside the rump of an association that the program sees. */
#ifndef ASSOCIATION_LISTENER_H
#define ASSOCIATION_LISTENER_H

#include "association/association.h"
#include "endpoint/endpoint.h"

struct listener {
    struct acceptor *acceptor; /* NULL: closed */
    const char *stack;
    struct line_options line;
    struct list waiting; /* associations without handshake or HELLO, oldest first */
    unsigned waiting_count, waiting_max;
    unsigned children, children_max; /* 0: no bound */
    int64_t handshake_timeout;
    void *user;
};

void listener_accepted(void *user, int fd); /* the acceptor's */

#endif
