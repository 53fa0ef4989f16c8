/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the API share: two contexts, as two hosts would have them, on one thread; a listener; and a line
 * between them whose events are noted. Only the public header is used.
 */
#ifndef API_API_H
#define API_API_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hawser/hawser.h>

#define NOTED_MAX 256
#define PATIENCE 20000000 /* microseconds; only a broken test needs them */

struct noted { /* an outcome, a message or a part, in the order they came */
    uint64_t id, count;
    int kind, code;
    bool maybe_delivered;
    char *data;
    size_t size;
    hawser_received received;
    char reason[256];
};

/* One end of a line, and what its handlers saw. */
struct end {
    hawser_association *line;
    struct world *world;
    unsigned seen[HAWSER_EVENT_COUNT_];
    struct noted received[NOTED_MAX];
    size_t received_count;
    struct noted outcomes[NOTED_MAX];
    size_t outcome_count;
    uint64_t settled;
    hawser_stream *stream; /* the last that the peer opened */
    int closed_code;
    uint64_t peer_code, round_trips;
    bool closed, closed_by_peer, early_data, resumed, early;
    char closed_reason[256], stack[64], peer_name[256];
    hawser_verification verification;
    size_t attempt_count, failed_attempts;
    char attempt_reason[256], attempt_layer[32];
};

struct world {
    hawser_context *client_context, *server_context;
    hawser_identity *identity; /* the server's */
    hawser_association *listener;
    char endpoint[400]; /* with the key's name before it */
    char directory[64];
    struct end client, server;
    void (*accepting)(struct world *world, hawser_association *association); /* instead of taking it */
    bool leave;                                                              /* accepted ones are not taken */
    int descriptors;
    const char *stack; /* that lines are made of; NULL: as the library chooses */
};

/* Both ends are of one context: SCTP belongs to one a process (docs/sctp.md). */
extern bool world_of_one_context;
int world_set_up(void **state);
int world_tear_down(void **state); /* ends everything, and fails when a descriptor is left */
void world_listen(struct world *world, const hawser_listen_options *options); /* 127.0.0.1, or as the stack needs it */
void world_listen_at(struct world *world, const char *endpoint, const hawser_listen_options *options);
void world_associate(struct world *world, const hawser_associate_options *options); /* notes into client */
void world_connect(struct world *world); /* listens, associates, and waits until both ends are up */
void end_note(struct end *end, hawser_association *association); /* registers for everything */
void end_drop(struct end *end);

/* Lets both contexts handle what is ready, waiting for at most a tenth of a second. */
void world_step(struct world *world);
int64_t clock_now(void);

#define until(world, condition)                                                                                        \
    do {                                                                                                               \
        int64_t until_end = clock_now() + PATIENCE;                                                                    \
        while (!(condition)) {                                                                                         \
            assert_true(clock_now() < until_end);                                                                      \
            world_step(world);                                                                                         \
        }                                                                                                              \
    } while (0)

/* The same for the client alone: the server is another thread's or process's. */
void world_step_client(struct world *world);
#define until_client(world, condition)                                                                                 \
    do {                                                                                                               \
        int64_t until_client_end = clock_now() + PATIENCE;                                                             \
        while (!(condition)) {                                                                                         \
            assert_true(clock_now() < until_client_end);                                                               \
            world_step_client(world);                                                                                  \
        }                                                                                                              \
    } while (0)

int count_descriptors(void);
/* A file in the world's directory, with size bytes that depend on seed; the descriptor is the caller's. */
int make_file(struct world *world, const char *name, size_t size, unsigned seed);
void fill(void *data, size_t size, unsigned seed);
char *path_in(struct world *world, const char *name); /* free() it */

/*
 * Tests over every stack of this build that carries hawser/1 by itself, as hawser_stack() tells them: one case a test and
 * stack, named "STACK: TEST". What a stack does not have a test leaves by stack_has(). (S2.55)
 */
struct stack_test {
    const char *name;
    void (*run)(void **state);
};
int run_over_stacks(const char *group, const struct stack_test *tests, size_t count);
hawser_stack_info stack_of(const struct world *world);
void stack_has(bool has, const char *what); /* else the test ends here, as skipped with this reason */

#define api_test(function) cmocka_unit_test_setup_teardown(function, world_set_up, world_tear_down)

#endif
