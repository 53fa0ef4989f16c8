/* SPDX-License-Identifier: Apache-2.0 */
/* The handle behind <hawser/mptcp.h>. Owner: handle.c; client.c has the connection to hawserd, watch.c the watch. */
#ifndef MPTCP_HANDLE_H
#define MPTCP_HANDLE_H

#include <hawser/mptcp.h>

#include "mptcp/control.h"
#include "mptcp/wire.h"

enum { ANNOUNCED_MAX = 16 };

struct watch;

struct hawser_mptcp {
    int fd;        /* -1: only the helper can reach the connection */
    bool borrowed; /* fd is our copy of another process's */
    bool resolved; /* target and fd are settled */
    bool no_rights;
    pid_t pid;                     /* 0 */
    char *local, *remote, *helper; /* as in the options, or NULL */
    struct wire_target target;

    struct mptcp_control control;
    hawser_mptcp_control access; /* HAWSER_MPTCP_NO_CONTROL: not found out, or none */

    int helper_fd;
    uint32_t helper_number;
    struct wire_reply *reply; /* room for the largest */

    struct watch *watch;
    struct {
        struct mptcp_address address;
        int id;
    } announced[ANNOUNCED_MAX]; /* by the peer, as far as events were read */
    unsigned announced_count;

    struct mptcp_reason reason;
    struct mptcp_picture picture; /* the last look; last, since it is large and not cleared */
};

/* Begins a call: no reason yet, and the socket is at hand, or the helper is to be asked. */
int handle_begin(struct hawser_mptcp *m);
/* Lets go of another process's descriptor, so that we do not keep its connection open; handle_begin() has it again. */
void handle_let_go(struct hawser_mptcp *m);
/* Looks at the connection anew. */
int handle_look(struct hawser_mptcp *m);
/* Settles who controls: 0, with m->access said; or why nobody does. */
int handle_access(struct hawser_mptcp *m);

/* A request for m's connection, without descriptor or number. */
struct wire_request client_request(const struct hawser_mptcp *m, enum wire_type type);
/* Asks the helper, connecting first where that is needed. The reply is in m->reply; its code is returned, its reason noted. */
int client_ask(struct hawser_mptcp *m, struct wire_request *request);
/* A connection of its own, with a request on it; m->reply has the answer. */
int client_open(struct hawser_mptcp *m, struct wire_request *request, int *ret_fd);
void client_close(struct hawser_mptcp *m);

void watch_free(struct watch *watch);
/* A subflow that we opened ourselves: nobody else tells of its beginning. */
void watch_created(struct hawser_mptcp *m, uint32_t id);

/* As the public header has it. */
void subflow_public(const struct wire_subflow *subflow, hawser_subflow *ret_subflow);

#endif
