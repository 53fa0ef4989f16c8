/* SPDX-License-Identifier: Apache-2.0 */
/* The passive side: what a listener is beside the rump of an association that the program sees. */
#ifndef ASSOCIATION_LISTENER_H
#define ASSOCIATION_LISTENER_H

#include "association/association.h"
#include "endpoint/endpoint.h"

#define LISTEN_PROTOCOLS_MAX 5

struct listener {
    struct list link; /* in associations.listeners */
    hawser_association *association;
    int *
        taken; /* while it begins: two sockets that are taken over, each -1 from then on, or if there is none; NULL: no */
    struct acceptor *acceptor;                                      /* NULL: closed, or no streams are taken */
    struct udp_port *port;                                          /* NULL: closed, or no datagrams are */
    const struct udp_protocol *protocols[LISTEN_PROTOCOLS_MAX + 1]; /* of the port; NULL ends them */
    bool unix_socket;
    char foreign[48];   /* a stack above a registered transport, which takes the descriptors; "": none */
    bool session, bare; /* hawser/1 is spoken; the peer's own protocol will do */
    bool dtls_has_sctp; /* who comes by dtls and does not say has sctp above it: dtls/udp was not named */
    bool tls, plain;    /* which of the bare ones are taken */
    bool stream_tls, stream_plain, mptcp; /* by the acceptor, as the stacks that were named leave it */
    const hawser_framer *framer;
    void *framer_user;
    struct group *group; /* NULL: no group, or no key */
    struct list sniffs;  /* connections that have not said what they are */
    struct line_options line;
    struct list waiting; /* associations without handshake or HELLO, oldest first */
    unsigned waiting_count, waiting_max;
    unsigned children, children_max; /* 0: no bound */
    unsigned stranded; /* of the children: have no strand, and may have one again that comes by this listener */
    int64_t handshake_timeout;
    void *user;
};

void listener_accepted(void *user, int fd);                                       /* the acceptor's */
void listener_accepted_peer(void *user, const char *stack, struct layer *bottom); /* the port's */
void listener_take(hawser_association *parent, int fd, bool tls); /* the descriptor is the listener's from here on */
void listener_drop(hawser_association *child, int code, const char *reason); /* the program never heard of it */
void listener_balance(struct listener *listener); /* takes connections, or lets them wait: children changed */
void listener_stop_waiting(hawser_association *child);
void listener_established(hawser_association *child);

/* listen.c: on two sockets that are there, or one and -1; those that it took, and closes, are -1 afterwards, on failure too */
int listen_on(hawser_context *context, int fds[2], const hawser_listen_options *options,
              hawser_association **ret_listener);

/* listen_stacks.c */
struct endpoint;
/* What is taken: of these stacks (NULL: any) what the properties leave. Words in reason. */
int listen_stacks(hawser_association *association, const char *list, const struct endpoint *endpoint, char *reason,
                  size_t reason_size);
int listen_sockets(hawser_association *association, const hawser_listen_options *options,
                   const struct endpoint *endpoint);
/* group.c: what a multicast endpoint demands of properties and options, and its key. Words in reason. */
int group_check_listen(hawser_association *association, const hawser_listen_options *options,
                       const struct endpoint *endpoint, char *reason, size_t reason_size);
int listener_descriptor(const struct listener *listener); /* one of them: both have the same address */

/* bare_accept.c */
int bare_sniff(hawser_association *parent, int fd);                 /* listener_take() follows, at once or later */
bool bare_sniff_drop(struct listener *listener);                    /* the oldest; false: there is none */
void bare_accept(hawser_association *child, struct strand *strand); /* established, and it speaks no hawser */

#endif
