/* SPDX-License-Identifier: Apache-2.0 */
/* The passive side: what a listener is beside the rump of an association that the program sees. */
#ifndef ASSOCIATION_LISTENER_H
#define ASSOCIATION_LISTENER_H

#include "association/association.h"
#include "endpoint/endpoint.h"

struct listener {
    struct acceptor *acceptor; /* NULL: closed */
    bool unix_socket;
    bool session, bare; /* hawser/1 is spoken; the peer's own protocol will do */
    bool tls, plain;    /* which of the bare ones are taken */
    const hawser_framer *framer;
    void *framer_user;
    struct list sniffs; /* connections that have not said what they are */
    struct line_options line;
    struct list waiting; /* associations without handshake or HELLO, oldest first */
    unsigned waiting_count, waiting_max;
    unsigned children, children_max; /* 0: no bound */
    int64_t handshake_timeout;
    void *user;
};

void listener_accepted(void *user, int fd);                       /* the acceptor's */
void listener_take(hawser_association *parent, int fd, bool tls); /* the descriptor is the listener's from here on */
void listener_drop(hawser_association *child, int code, const char *reason); /* the program never heard of it */
void listener_stop_waiting(hawser_association *child);
void listener_established(hawser_association *child);

/* bare_accept.c */
int bare_sniff(hawser_association *parent, int fd);                 /* listener_take() follows, at once or later */
bool bare_sniff_drop(struct listener *listener);                    /* the oldest; false: there is none */
void bare_accept(hawser_association *child, struct strand *strand); /* established, and it speaks no hawser */

#endif
