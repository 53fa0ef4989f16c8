/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawserd: control of MPTCP connections for programs that lack the rights (docs/mptcp.md, hawserd(8)). One thread, one
 * epoll; beside it only the threads of closer.c. It holds nothing that a restart would lose but watches and which
 * connections nobody steers.
 */
#ifndef DAEMON_HAWSERD_H
#define DAEMON_HAWSERD_H

#include <stdbool.h>
#include <stdint.h>

#include "closer.h"
#include "mptcp/control.h"
#include "grants.h"
#include "tune.h"

enum { CLIENTS_MAX = 256, CLIENTS_A_USER_MAX = 32 };

struct client;
struct steered;

/* Owner: main.c; clients: server.c */
struct daemon {
    const char *grants_file; /* NULL: none */
    struct grants grants;

    int epoll, listener, signals, events, closed; /* events: -1 without rights */
    bool ending;

    struct mptcp_control control;
    struct mptcp_reason no_events; /* why events is -1 */
    struct tune *tune;             /* NULL: no_tune says why */
    struct mptcp_reason no_tune;
    bool can_schedule;
    uint64_t netns_cookie;     /* of our network namespace; 0: this kernel does not tell */
    bool whole_user_namespace; /* each user has a number of its own here */

    struct closer *closer;
    struct client *clients[CLIENTS_MAX];
    unsigned client_count;
    struct replay *replay;
    struct mptcp_picture picture; /* of the request in hand: too large for the stack */
};

void __attribute__((format(printf, 1, 2))) say(const char *format, ...); /* a line on standard error */

/* server.c: until a signal ends it. */
int server_run(struct daemon *daemon);

/* target.c: what a request is about, after proof that the asker may steer it. */
struct target {
    int fd; /* of the connection; to be given to closer_close() */
    uint32_t token;
};
/* received: the descriptor that came along, which becomes the target's whatever is answered; -1. */
int target_find(struct daemon *daemon, const struct asker *asker, const struct wire_target *wire, int received,
                struct target *ret_target, struct mptcp_reason *reason);

/* perform.c: does what the request says; fills the reply, which has room for WIRE_SUBFLOWS_MAX. */
void perform(struct daemon *daemon, const struct asker *asker, const struct wire_request *request, int received,
             struct wire_reply *reply);
/* server.c: tells watchers of token. */
void watchers_tell(struct daemon *daemon, uint32_t token, const struct wire_event *event);

/* watch.c: events of the kernel, to those who asked for them, and to replay. */
void watch_read(struct daemon *daemon);
/* A handshake began, which the kernel tells nobody of. */
void watch_created(struct daemon *daemon, uint32_t token, uint32_t id, const struct mptcp_address *local,
                   const struct mptcp_address *remote, bool backup);

/* replay.c: what the kernel's path manager would do with the endpoints of `ip mptcp endpoint`, for connections that nobody
 * steers, where the userspace path manager rules. */
struct replay; /* Owner: replay.c */
int replay_new(struct replay **ret_replay);
void replay_free(struct replay *replay);
void replay_told(struct daemon *daemon, const struct mptcp_told *told);
void replay_forget(struct replay *replay);                    /* all: events were lost */
void replay_hands_off(struct replay *replay, uint32_t token); /* somebody steers it */

#endif
