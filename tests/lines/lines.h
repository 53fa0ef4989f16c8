/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite of lines: the same program, by the public header alone, over every stack that carries hawser/1. A
 * row of the table in main.c names a stack; every test runs on every row, and asks the row what it may expect.
 */
#ifndef LINES_LINES_H
#define LINES_LINES_H

#include "../api/api.h"

struct row {
    const char *stack;
    const char *listen; /* where its listener is; a unix path is in the world's directory */
    bool early_data;    /* messages may leave before the handshake ends */
    bool resumes;
};

/* The row of the test that runs. */
extern const struct row *row;

struct line_test {
    const char *name; /* what it proves */
    void (*run)(void **state);
};
extern const struct line_test message_tests[], property_tests[], flow_tests[], end_tests[], hostile_tests[],
    crowd_tests[];

void row_listen(struct world *world, hawser_listen_options options);
/* Associates by the row's stack. */
void row_associate(struct world *world, hawser_associate_options options);
/* Both, and waits until both ends are up; asserts that it is the row's stack. */
void row_connect(struct world *world);
void row_wait_up(struct world *world);

/* ---- messages that say what they are: a test of many need not keep them (tally.c) */

struct tally {
    unsigned seed;
    size_t size_max;
    uint64_t sent, came, acked, expired, failed, bytes;
    uint64_t wrong;    /* with other bytes than were sent, or twice */
    uint64_t ordering; /* came before one of a smaller number */
    uint64_t highest;  /* number */
    uint8_t *seen;     /* by number */
    size_t count;
};
void tally_start(struct tally *tally, size_t count, unsigned seed, size_t size_max);
void tally_end(struct tally *tally);
/* The size of message `number`: by turns none, few, and up to size_max bytes. */
size_t tally_size(const struct tally *tally, uint64_t number);
/* Sends the next message; false: the queue is full. */
bool tally_send(struct tally *tally, hawser_association *line, const hawser_message_options *options);
void tally_receive(struct tally *tally, const void *data, size_t size);
/* Registers at both ends of the world's line; what they noted of messages before stays. */
void tally_watch(struct tally *tally, struct world *world);

#endif
