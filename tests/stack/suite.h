/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite of stacks. A row of the table in main.c names a stack; every test runs on every row, and asks
 * the stack's own flags what it may expect.
 */
#ifndef TESTS_STACK_SUITE_H
#define TESTS_STACK_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "layer/layer.h"
#include "layer/udp.h"
#include "loop/loop.h"
#include "security/security.h"

#define DEADLINE 20000000 /* microseconds until a test gives up waiting; reached only by a failure */

struct row {
    const char *stack;
    int family;
};

/* ------------------------------------------------------------------------------------------- one end of a stack (end.c) */

/* Sends a pattern and checks that what comes is one: byte i is pattern(i), from 0 on, in each direction. */
struct end {
    struct layer *top;
    hawser_context *context;
    bool begun, up, eof, shut;
    bool echo;                                              /* sends back what comes, instead of the pattern */
    bool idle;                                              /* does not read */
    bool early_wanted;                                      /* sends what it may before it is up */
    bool early;                                             /* bytes came, or went, before it was up */
    int code;                                               /* of a failure */
    uint64_t to_send, sent, received, mismatches, refusals; /* refusals: how often send() said -EAGAIN */
    bool shut_after;                                        /* says goodbye when all is sent */
    uint8_t held[4096];                                     /* of an echo, not sent back yet */
    size_t held_size;
    struct loop_deferred again;
    unsigned rounds;
    struct end_units *units; /* NULL: the stack carries bytes */
};

uint8_t pattern(uint64_t at);
void end_start(struct end *end, hawser_context *context, struct layer *top);
void end_run(struct end *end); /* goes as far as it can */
void end_stop(struct end *end);

/* end_units.c: the same over layers of units, and of datagrams, of which what is lost does not come */
struct end_units *end_units_new(bool session); /* false: datagrams as the layer has them */
void end_units_free(struct end_units *units);
bool end_units_receive(struct end *end, int *ret_code);
bool end_units_send(struct end *end, int *ret_code);
int end_units_flush(struct end *end);
bool end_units_settled(const struct end *end);
void end_units_again(struct end *end); /* what went early was not accepted, and goes again */

/* --------------------------------------------------------------------------- a listener and those who come (world.c) */

/* ------------------------------------------------------------- a proxy that the row's stack leads through (relay.c) */

struct relayed;
struct relay {
    hawser_context *context; /* NULL: the row's stack needs none */
    const char *layer;       /* which it speaks */
    struct layer_address address;
    struct layer_address onward; /* what it knows as "peer.test" */
    int listener;
    struct relayed *guests;
    const char *user, *password, *basic; /* that it asks for; NULL: none */
    const void *script;                  /* instead of what it knows, this is its answer to the first words */
    size_t script_size;
    bool script_ends; /* and then it closes */
    bool dribble;     /* byte by byte */
    char asked[300];  /* the host that it was asked for last */
};

struct world {
    const struct row *row;
    char accepting[32]; /* the row's stack without what only opens */
    struct relay relay;
    char directory[64]; /* removed at the end */
    int descriptors;    /* open before the test */
    hawser_context *server_context, *client_context;
    hawser_identity *server_identity, *client_identity;
    struct tls_config server_config, client_config;
    struct acceptor *acceptor;               /* of a stack over a stream socket */
    const struct udp_protocol *protocols[2]; /* the port's, NULL-ended */
    struct udp_port *port;                   /* of one over UDP */
    struct layer_address address;
    struct layer_target target;
    struct end server, client; /* server: the last one accepted */
    struct end server_wish;    /* what the next one accepted is to do */
    unsigned accepted;
    bool secure;           /* the row's stack is */
    unsigned bottom_trips; /* that tcp and the relay take before the first byte of what is above them */
    const char *alpn;      /* by which hawser/1 is agreed over this stack */
    unsigned flags;        /* the stack's, as it says; and what the suite makes of them: */
    bool bytes;            /* carries bytes, over a socket of its own */
    bool early;            /* carries data before it is up */
    bool datagrams;        /* without a session, each of them a message */
    bool reliable;         /* nothing is lost, or what is lost is told */
    bool
        waits; /* for a peer that does not read, and tells it when it ends by force; others leave that to the session */
    bool one_context;    /* a process has it in one context at a time: both ends are there */
    bool mptcp;          /* the row's stack has it at its bottom */
    bool fast_open;      /* what the listener takes */
    bool plain_listener; /* takes no MPTCP */
};

int world_setup(void **state);    /* state: the row, then the world */
int world_teardown(void **state); /* fails when a descriptor is left open */

hawser_context *shared_context(hawser_shared *shared);                     /* which keeps nothing */
hawser_context *make_context(struct world *world, const char *state_name); /* state_name NULL: keeps nothing */
struct trust *make_trust(hawser_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
void set_trust(struct world *world, bool of_server, const char *format, ...) __attribute__((format(printf, 3, 4)));
void listen_here(struct world *world); /* with server_context and server_config */
void stop_listening(struct world *world);
void connect_there(struct world *world);  /* with client_context and client_config */
void drop_ends(struct world *world);      /* closes both, for the next connection */
void restart_server(struct world *world); /* as a new process would be: nothing remembered, at the same address */

/* Dispatches both contexts until done() or the deadline; false at the deadline. */
bool run_until(struct world *world, bool (*done)(struct world *world));
void step(struct world *world, int timeout_ms); /* dispatches once what is ready */
bool both_up(struct world *world);
bool settled(struct world *world); /* each end is up or has failed, and all that was to be sent has come */
bool both_ended(struct world *world);
void run_for_events(struct world *world); /* until both contexts have nothing to do */

void make_address(struct world *world, const char *name, struct layer_address *ret_address);
void aim(struct world *world,
         const struct layer_address *address); /* where the client connects, or has the relay do it */
/* Connects, lets both ends come up, and asserts that they did. */
void establish(struct world *world);
/* A connection after which the client has a ticket: it came before the echo. */
void get_ticket(struct world *world);
void use_context(struct world *world, hawser_context *context); /* the client's, from now on */
void assert_words(const struct end *end, int code, const char *part);

/* Leaves a test that the row's stack has nothing to show for: counted as skipped. */
void only_where(bool applies, const char *what);
#define only(applies) only_where(applies, #applies)

void relay_start(struct world *world, const char *layer);
void relay_stop(struct relay *relay);

/* -------------------------------------------------------------------------------- a man in the middle (proxy.c) */

struct proxy {
    hawser_context *context;
    struct layer_address address; /* where it listens */
    struct layer_address onward;
    int listener, client, server;
    uint64_t forward, backward;          /* bytes so far: from who opened; to it */
    int64_t flip_forward, flip_backward; /* the byte to change by one bit; -1: none */
    uint8_t *record;                     /* all bytes from who opened */
    size_t record_size;
};
void proxy_start(struct world *world, struct proxy *proxy);
void proxy_stop(struct proxy *proxy);

/* ------------------------------------------------------------------------------------------------- the tests */

struct suite_test {
    const char *name; /* what it proves */
    void (*run)(void **state);
};
extern const struct suite_test datagram_tests[], forged_tests[], icmp_tests[];
extern const struct suite_test connect_tests[], bytes_tests[], trust_tests[], resume_tests[], hostile_tests[],
    acceptor_tests[], threads_tests[], fast_open_tests[], ticket_tests[], relay_tests[], mptcp_tests[],
    mptcp_off_tests[];
/* A network of our own, where Fast Open is allowed; NULL, or what is in the way. */
const char *enter_namespace(void);

#endif
